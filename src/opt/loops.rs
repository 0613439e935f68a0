//! Laws of loops. Each is a function from graph to graph in a file of its own; [`tidy`] applies them until nothing changes.
//!
//! None changes a value by a bit: what a turn computes and the order of the turns stay as they are.

mod absorb;
mod inline;
mod merge;
mod names;
mod prune;

use hashbrown::HashMap;

use super::compact;
use crate::ir::{Func, Inst, Val};

/// How often the laws are applied at most. Each round works one level further in.
const ROUNDS: usize = 12;

/// The same function with fewer and fuller loops. One without loops stays as it is.
pub fn tidy(func: &Func) -> Func {
    let mut func = compact(func);
    if !func.has_regions() {
        return func;
    }
    for _ in 0..ROUNDS {
        let before = func.clone();
        func = prune::prune(&inline::inline(&names::share(&func)));
        if let Some(changed) = absorb::absorb(&func) {
            func = compact(&changed);
        }
        if let Some(changed) = merge::merge(&func) {
            func = compact(&changed);
        }
        if func == before {
            break;
        }
    }
    prune::prune(&func)
}

/// The regions in whose bodies each region stands.
fn scopes(func: &Func) -> HashMap<Val, Vec<Val>> {
    let mut scopes: HashMap<Val, Vec<Val>> = HashMap::new();
    for val in func.vals() {
        let Inst::Region(region) = func.inst(val) else { continue };
        for member in func.body(func.region(region)) {
            if matches!(func.inst(member), Inst::Region(_)) {
                scopes.entry(member).or_default().push(val);
            }
        }
    }
    scopes
}
