//! What is added under a condition, all of it made by a loop inside, is added by that loop under the condition:
//!
//! ```text
//! A += [v(i) for i] if c   =   A += [v(i) if c for i]
//! ```
//!
//! Then the loop can add in place (see `ir::region`), and what it adds needn't be made as an array and added element by element, most of them
//! 0, in each turn. The terms are the same; where several turns of the loop add to one element they are added one by one, so this
//! is for derivatives while they are made.

use hashbrown::{HashMap, HashSet};

use super::super::{needs, order, rebuild_in};
use super::reaches;
use crate::ir::{Bodies, Func, Inst, Update, UpdateKind, Val};
use crate::ops::Op;

/// `None`: there is nothing to do.
pub fn condition(func: &Func) -> Option<Func> {
    let plan = Plan::of(func);
    if plan.added.is_empty() {
        return None;
    }
    let guards = |val: Val| plan.conditions.keys().filter(move |key| key.0 == val).map(|key| plan.conditions[key]);
    let mut bodies = Bodies::of(func);
    let order = order(func, |val| {
        let mut first: Vec<Val> = guards(val).filter(|&guard| func.inst(guard).computes()).collect();
        first.extend(needs(func, &mut bodies, val));
        first
    });
    Some(rebuild_in(func, &func.live(), order, |pass, val| {
        let Inst::Region(id) = func.inst(val) else { return pass.copy(val) };
        let mut region = pass.region(func.region(id));
        for (number, cell) in region.cells.iter_mut().enumerate() {
            let condition = plan.conditions.get(&(val, number)).map(|&guard| pass.get(guard));
            for (place, update) in cell.updates.iter_mut().enumerate() {
                if plan.added.contains(&(val, number, place)) {
                    update.guard = pass.builder.bool(true);
                } else if let Some(condition) = condition {
                    update.guard = pass.builder.binary(Op::And, condition, update.guard);
                }
            }
        }
        pass.builder.region(region)
    }))
}

#[derive(Default)]
struct Plan {
    /// The condition of all updates of a cell of a region.
    conditions: HashMap<(Val, usize), Val>,
    /// The updates that need no condition any more: region, cell and number.
    added: HashSet<(Val, usize, usize)>,
}

impl Plan {
    fn of(func: &Func) -> Plan {
        let mut uses: HashMap<Val, usize> = HashMap::new();
        for val in func.vals().flat_map(|val| func.uses(val)).chain(func.roots()) {
            *uses.entry(val).or_default() += 1;
        }
        let mut plan = Plan::default();
        // Outer regions come after inner ones.
        for val in func.vals().rev() {
            let Inst::Region(id) = func.inst(val) else { continue };
            for (number, cell) in func.region(id).cells.iter().enumerate() {
                for (place, update) in cell.updates.iter().enumerate() {
                    // What has a condition from outside, too, stays.
                    let is_own = !plan.conditions.contains_key(&(val, number));
                    let Some(inner) = inside(func, update).filter(|_| is_own && uses[&update.value] == 1) else {
                        continue;
                    };
                    // The loop inside is to be computed as often as before.
                    let binds: Vec<Val> = func.region(id).binds().collect();
                    let is_there = func
                        .free(update.guard)
                        .iter()
                        .all(|name| !binds.contains(name) || func.free(inner.0).contains(name));
                    if func.inst(update.guard) != Inst::Bool(true) && is_there && !reaches(func, update.guard, inner.0)
                    {
                        plan.conditions.insert(inner, update.guard);
                        plan.added.insert((val, number, place));
                    }
                }
            }
        }
        plan
    }
}

/// The loop inside whose cell an update adds, and the number of the cell.
fn inside(func: &Func, update: &Update) -> Option<(Val, usize)> {
    let Inst::Result(inner, number) = func.inst(update.value) else { return None };
    let region = func.region_of(inner)?;
    let place = (number as usize).checked_sub(region.first_cell())?;
    let cell = region.cells.get(place)?;
    let is_plain = update.kind == UpdateKind::Add && update.factor.is_none();
    let is_new = cell.init.is_none() && cell.bound.is_none() && !region.loops.is_empty();
    (is_plain && is_new && !func.free(inner).is_empty()).then_some((inner, place))
}
