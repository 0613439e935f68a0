//! Laws of loops. Each is a function from graph to graph in a file of its own; [`tidy`] applies them until nothing changes.
//!
//! None changes a value by a bit: what a turn computes and the order of the turns stay as they are.

mod absorb;
mod accumulate;
mod inline;
mod merge;
mod names;
mod prune;

#[cfg(feature = "jit")]
pub(crate) use prune::prune;

use hashbrown::HashMap;

use super::compact;
use crate::ir::{Func, Inst, Val};

/// How often the laws are applied at each level of nesting, at most.
const ROUNDS: usize = 8;

/// The same function with fewer and fuller loops. One without loops stays as it is.
///
/// Outer loops come first: what stands in two bodies may stand in one when the loops around have become one.
pub fn tidy(func: &Func) -> Func {
    let mut func = compact(func);
    if !func.has_regions() {
        return func;
    }
    let simpler = |func: &Func| prune::prune(&inline::inline(&names::share(func)));
    func = simpler(&func);
    let mut level = 0;
    while level <= Scopes::of(&func).depth() {
        for _ in 0..ROUNDS {
            let mut changed = false;
            for law in [merge::merge, absorb::absorb] {
                if let Some(new) = law(&func, level) {
                    (func, changed) = (compact(&new), true);
                }
            }
            if !changed {
                break;
            }
            func = simpler(&func);
        }
        level += 1;
    }
    compact(&accumulate::accumulate(&func))
}

/// Where regions stand.
struct Scopes {
    /// The regions in whose bodies each region stands.
    around: HashMap<Val, Vec<Val>>,
    level: HashMap<Val, usize>,
}

impl Scopes {
    fn of(func: &Func) -> Scopes {
        let mut scopes = Scopes { around: HashMap::new(), level: HashMap::new() };
        let regions: Vec<Val> = func.vals().filter(|&val| matches!(func.inst(val), Inst::Region(_))).collect();
        for &val in &regions {
            for member in func.region_of(val).map(|region| func.body(region)).unwrap_or_default() {
                if matches!(func.inst(member), Inst::Region(_)) {
                    scopes.around.entry(member).or_default().push(val);
                }
            }
        }
        for &val in regions.iter().rev() {
            let level = scopes.around(val).iter().map(|around| scopes.level[around] + 1).max().unwrap_or(0);
            scopes.level.insert(val, level);
        }
        scopes
    }

    fn around(&self, region: Val) -> &[Val] {
        self.around.get(&region).map_or(&[], Vec::as_slice)
    }

    /// In how many bodies a region stands, one in another.
    fn level(&self, region: Val) -> usize {
        self.level.get(&region).copied().unwrap_or(0)
    }

    fn depth(&self) -> usize {
        self.level.values().copied().max().unwrap_or(0)
    }
}
