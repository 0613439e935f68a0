//! Optimisation: functions from graph to graph, each with its law.
//!
//! Most of the work is done where graphs are made: sharing, folding and exact identities happen in
//! [`Builder::emit`]. What is here looks at a whole graph.

pub mod relax;

pub use relax::{Relaxation, relax};

use crate::ir::{Builder, Check, Func, Inst, Output, Val};
use crate::ops::Op;

/// The same function without what no result and no check depends on, and with its values in the order of first need kept.
pub fn compact(func: &Func) -> Func {
    rebuild(func, |builder, func, val, translate| builder.copy(func, val, translate))
}

/// The last pass before code: `stop(x)` has done its work when no derivative follows, and becomes `x`.
pub fn release(func: &Func) -> Func {
    if func.insts().iter().all(|inst| inst.op() != Some(Op::Stop)) {
        return compact(func);
    }
    rebuild(func, |builder, func, val, translate| match func.inst(val) {
        Inst::Unary(Op::Stop, a) => translate(a),
        _ => builder.copy(func, val, translate),
    })
}

/// Builds a function anew, instruction by instruction: `step` says what becomes of each live one, given the translation of
/// its operands.
pub(crate) fn rebuild(
    func: &Func,
    mut step: impl FnMut(&mut Builder, &Func, Val, &dyn Fn(Val) -> Val) -> Val,
) -> Func {
    let live = func.live();
    let mut builder = Builder::new(&func.name);
    builder.copy_params(func);
    let mut map: Vec<Val> = Vec::with_capacity(func.len());
    for val in func.vals() {
        let new = if live[val.index()] || matches!(func.inst(val), Inst::Param(_)) {
            let translate = |old: Val| map[old.index()];
            step(&mut builder, func, val, &translate)
        } else {
            Val(u32::MAX)
        };
        map.push(new);
    }
    for check in &func.checks {
        let site = map[check.site.index()];
        if builder.func().inst(site).op().is_some_and(Op::may_fault) {
            builder.check(Check { guard: map[check.guard.index()], site });
        }
    }
    let results = func.results.iter().map(|result| Output { name: result.name.clone(), value: map[result.value.index()] });
    let results = results.collect();
    builder.finish(results)
}
