//! A loop inside whose array is added to another adds its elements itself, in place (see `ir::region`), so the array between them isn't
//! made:
//!
//! ```text
//! A += [v(i) for i]   =   A[i] += v(i) for i
//! ```

use hashbrown::{HashMap, HashSet};

use super::super::rebuild;
use crate::ir::{Func, Inst, UpdateKind, Val};

/// `None`: nothing to do.
pub fn accumulate(func: &Func) -> Option<Func> {
    let adding = adding(func);
    if adding.is_empty() {
        return None;
    }
    Some(rebuild(func, |pass, val| {
        let Inst::Region(region) = func.inst(val) else { return pass.copy(val) };
        let mut region = pass.region(func.region(region));
        for (number, cell) in region.cells.iter_mut().enumerate() {
            if adding.contains(&(val, number)) {
                cell.updates.iter_mut().for_each(|update| update.kind = UpdateKind::Add);
            }
        }
        pass.builder.region(region)
    }))
}

/// The cells that only go into others, by adding.
fn adding(func: &Func) -> HashSet<(Val, usize)> {
    let mut uses: HashMap<Val, usize> = HashMap::new();
    for val in func.vals().flat_map(|val| func.uses(val)).chain(func.roots()) {
        *uses.entry(val).or_default() += 1;
    }
    let mut adding = HashSet::new();
    // Outer regions come after inner ones.
    for val in func.vals().rev() {
        let Inst::Region(region) = func.inst(val) else { continue };
        for (number, cell) in func.region(region).cells.iter().enumerate() {
            let adds = adding.contains(&(val, number));
            for update in cell.updates.iter().filter(|update| adds || update.kind == UpdateKind::Add) {
                let Inst::Result(inner, result) = func.inst(update.value) else { continue };
                let Some(inside) = func.region_of(inner) else { continue };
                let Some(place) = (result as usize).checked_sub(inside.first_cell()) else { continue };
                let Some(theirs) = inside.cells.get(place) else { continue };
                let is_simple = theirs.init.is_none()
                    && theirs.bound.is_none()
                    && update.factor.is_none()
                    && func.inst(update.guard) == Inst::Bool(true);
                if is_simple && uses[&update.value] == 1 && !inside.loops.is_empty() {
                    adding.insert((inner, place));
                }
            }
        }
    }
    adding
}
