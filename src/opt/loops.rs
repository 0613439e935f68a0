//! Laws of loops. Each is a function from graph to graph in a file of its own; [`tidy`] applies them until nothing changes.
//!
//! What a turn computes and the order of the turns stay as they are, so none changes a value by a bit; only `contract` adds in another order,
//! that of a sum.

mod absorb;
mod accumulate;
mod condition;
mod contract;
mod hoist;
mod inline;
mod merge;
mod names;
mod prune;
mod pull;

pub(crate) use condition::condition;
#[cfg(feature = "jit")]
pub(crate) use prune::prune;

use hashbrown::{HashMap, HashSet};

use super::compact;
use crate::ir::{Bodies, Func, Inst, Val};

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
    simplify(&mut func);
    if let Some(new) = hoist::hoist(&func) {
        func = compact(&new);
    }
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
            simplify(&mut func);
        }
        level += 1;
    }
    for law in [accumulate::accumulate, contract::contract] {
        if let Some(new) = law(&func) {
            func = compact(&new);
        }
    }
    func
}

fn simplify(func: &mut Func) {
    for law in [names::share, inline::inline, pull::pull, prune::prune] {
        if let Some(new) = law(func) {
            *func = new;
        }
    }
}

/// Whether a value is computed from another one in the same turn.
fn reaches(func: &Func, from: Val, to: Val) -> bool {
    let (mut seen, mut stack) = (HashSet::new(), vec![from]);
    while let Some(val) = stack.pop() {
        if val == to {
            return true;
        }
        if !func.free(val).is_empty() && seen.insert(val) {
            stack.extend(func.operands(val).iter());
        }
    }
    false
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
        let mut bodies = Bodies::of(func);
        let mut regions = Vec::new();
        for val in func.vals() {
            let Inst::Region(id) = func.inst(val) else { continue };
            regions.push(val);
            for &member in bodies.members(id).iter().filter(|&&member| matches!(func.inst(member), Inst::Region(_))) {
                scopes.around.entry(member).or_default().push(val);
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
