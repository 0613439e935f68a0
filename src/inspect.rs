//! Looking at a function at a point: which kinks it hits, and where a NaN or an infinity is born.
//!
//! Only what matters at the point is looked at: the branches that are taken.

use crate::interp::{self, Value};
use crate::ir::{Func, Inst, Val};
use crate::ops::Op;
use crate::span::Span;

/// An operator that is not differentiable at the point: a kink, a jump, a tie, or a comparison of equals.
#[derive(Clone, PartialEq, Debug)]
pub struct Kink {
    pub op: Op,
    /// The place in the text.
    pub at: Span,
    /// The operands there.
    pub operands: Vec<f64>,
}

/// The operation that made the first NaN or infinity of finite numbers, on the way to a result.
#[derive(Clone, PartialEq, Debug)]
pub struct Birth {
    /// The operator; `None` for an argument or a constant that is not finite itself.
    pub op: Option<Op>,
    pub at: Span,
    pub operands: Vec<f64>,
    pub value: f64,
}

/// The kinks that the results of a function hit at a point, in the order of the graph.
pub fn kinks(func: &Func, args: &[f64]) -> Vec<Kink> {
    let values = interp::values(func, args);
    let relevant = relevant(func, &values, func.results.iter().map(|result| result.value));
    let mut kinks = Vec::new();
    for val in func.vals().filter(|val| relevant[val.index()]) {
        let Some(op) = func.inst(val).op() else { continue };
        let operands = numbers(func, val, &values);
        if op.row().kink.is_some_and(|is_kink| is_kink(&operands)) {
            kinks.push(Kink { op, at: func.span(val), operands });
        }
    }
    kinks
}

/// Where the value of result number `result` turned NaN or infinite; `None` where it is finite.
pub fn birth(func: &Func, args: &[f64], result: usize) -> Option<Birth> {
    let values = interp::values(func, args);
    let root = func.results.get(result)?.value;
    let is_finite = |val: Val| values[val.index()].as_f64().is_finite();
    if is_finite(root) {
        return None;
    }
    // The first in the order of the graph of those that reach the result through numbers that aren't finite.
    let wants_nan = values[root.index()].as_f64().is_nan();
    let mut tainted = vec![false; func.len()];
    tainted[root.index()] = true;
    let mut origin = root;
    for val in func.vals().rev().filter(|val| val.index() <= root.index()) {
        if !tainted[val.index()] {
            continue;
        }
        let sources: Vec<Val> = taken(func, val, &values).into_iter().filter(|&operand| !is_finite(operand)).collect();
        let nan: Vec<Val> = sources.iter().copied().filter(|source| values[source.index()].as_f64().is_nan()).collect();
        // A NaN comes from a NaN if there is one; else it was made here, of infinities perhaps.
        let follow = if values[val.index()].as_f64().is_nan() && wants_nan { nan } else { sources };
        if follow.is_empty() {
            origin = val;
        }
        for source in follow {
            tainted[source.index()] = true;
        }
    }
    let operands = numbers(func, origin, &values);
    let (op, value) = (func.inst(origin).op(), values[origin.index()].as_f64());
    Some(Birth { op, at: func.span(origin), operands, value })
}

fn numbers(func: &Func, val: Val, values: &[Value]) -> Vec<f64> {
    func.operands(val).iter().map(|operand| values[operand.index()].as_f64()).collect()
}

/// The operands that matter at a point: of a `select`, the condition and the arm taken.
fn taken(func: &Func, val: Val, values: &[Value]) -> Vec<Val> {
    match func.inst(val) {
        Inst::Ternary(Op::Select, condition, a, b) => {
            let arm = if values[condition.index()] == Value::Bool(true) { a } else { b };
            vec![condition, arm]
        }
        _ => func.operands(val).as_slice().to_vec(),
    }
}

fn relevant(func: &Func, values: &[Value], roots: impl Iterator<Item = Val>) -> Vec<bool> {
    let mut relevant = vec![false; func.len()];
    for root in roots {
        relevant[root.index()] = true;
    }
    for val in func.vals().rev() {
        if relevant[val.index()] {
            for operand in taken(func, val, values) {
                relevant[operand.index()] = true;
            }
        }
    }
    relevant
}
