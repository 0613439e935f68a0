//! Relaxations: identities of real numbers that don't hold for doubles to the bit. Each has a name, is off unless the
//! caller asks for it, and is applied after the last differentiation.

use super::{Rebuild, compact, rebuild};
use crate::ir::{Builder, Func, Inst, Val};
use crate::ops::Op;

/// A licence to change the last bits of a result, or what happens at infinities and NaN.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
pub enum Relaxation {
    /// `a*b + c` is rounded once.
    FusedMultiplyAdd,
    /// Sums and products are regrouped: constants meet, long chains become balanced trees.
    Reassociate,
    /// `a/b` and `c/b` become `a*r` and `c*r` with one `r = 1/b`.
    SharedReciprocals,
    /// No operand and no result is an infinity or NaN: `x*0` is 0, `x - x` is 0, domain guards go.
    FiniteOnly,
}

impl Relaxation {
    pub const ALL: [Relaxation; 4] =
        [Relaxation::FusedMultiplyAdd, Relaxation::Reassociate, Relaxation::SharedReciprocals, Relaxation::FiniteOnly];

    pub fn name(self) -> &'static str {
        match self {
            Relaxation::FusedMultiplyAdd => "fused-multiply-add",
            Relaxation::Reassociate => "reassociate",
            Relaxation::SharedReciprocals => "shared-reciprocals",
            Relaxation::FiniteOnly => "finite-only",
        }
    }

    pub fn by_name(name: &str) -> Option<Relaxation> {
        Relaxation::ALL.into_iter().find(|relaxation| relaxation.name() == name)
    }
}

/// Applies the relaxations that the caller allows, in an order in which each sees what the others left.
pub fn relax(func: &Func, allowed: &[Relaxation]) -> Func {
    let mut func = func.clone();
    if allowed.contains(&Relaxation::FiniteOnly) {
        func = compact(&rebuild(&func, finite_only));
    }
    if allowed.contains(&Relaxation::Reassociate) {
        func = reassociate(&func);
    }
    if allowed.contains(&Relaxation::SharedReciprocals) {
        func = shared_reciprocals(&func);
    }
    if allowed.contains(&Relaxation::FusedMultiplyAdd) {
        func = fused_multiply_add(&func);
    }
    func
}

fn finite_only(pass: &mut Rebuild, val: Val) -> Val {
    let Inst::Binary(op, a, b) = pass.from.inst(val) else { return pass.copy(val) };
    let (a, b) = (pass.get(a), pass.get(b));
    let is_zero = |val: Val| pass.builder.func().constant(val) == Some(0.0);
    match op {
        Op::Domain => b,
        Op::Mul if is_zero(a) || is_zero(b) => pass.builder.f64(0.0),
        Op::Add if is_zero(a) => b,
        Op::Add | Op::Sub if is_zero(b) => a,
        Op::Sub if a == b => pass.builder.f64(0.0),
        Op::Sub if is_zero(a) => pass.builder.unary(Op::Neg, b),
        Op::Div if a == b => pass.builder.f64(1.0),
        Op::Div if is_zero(a) => a,
        _ => pass.copy(val),
    }
}

fn shared_reciprocals(func: &Func) -> Func {
    let live = func.live();
    let mut divisions = vec![0u32; func.len()];
    for val in func.vals().filter(|val| live[val.index()]) {
        if let Inst::Binary(Op::Div, _, b) = func.inst(val) {
            divisions[b.index()] += 1;
        }
    }
    rebuild(func, |pass, val| match func.inst(val) {
        Inst::Binary(Op::Div, a, b) if divisions[b.index()] > 1 => {
            let (one, a, b) = (pass.builder.f64(1.0), pass.get(a), pass.get(b));
            let reciprocal = pass.builder.binary(Op::Div, one, b);
            pass.builder.binary(Op::Mul, a, reciprocal)
        }
        _ => pass.copy(val),
    })
}

/// A product used once, by a sum, is fused into it.
fn fused_multiply_add(func: &Func) -> Func {
    let uses = uses(func);
    let product = |val: Val| match func.inst(val) {
        Inst::Binary(Op::Mul, a, b) if uses[val.index()] == 1 => Some((a, b)),
        _ => None,
    };
    // `x*y + c`, or `c - x*y` and `x*y - c` with a sign on one of them.
    let fused = rebuild(func, |pass, val| match func.inst(val) {
        Inst::Binary(op @ (Op::Add | Op::Sub), a, b) => {
            let minus =
                |pass: &mut Rebuild, val: Val| if op == Op::Sub { pass.builder.unary(Op::Neg, val) } else { val };
            let (x, y, rest) = match (product(a), product(b)) {
                (Some((x, y)), _) => {
                    let rest = pass.get(b);
                    (pass.get(x), pass.get(y), minus(pass, rest))
                }
                (None, Some((x, y))) => {
                    let x = pass.get(x);
                    (minus(pass, x), pass.get(y), pass.get(a))
                }
                (None, None) => return pass.copy(val),
            };
            pass.builder.emit(Op::Fma, &[x, y, rest])
        }
        _ => pass.copy(val),
    });
    compact(&fused)
}

/// Sums and products used once by an operation of their own kind are one chain: its constants are folded together and its
/// terms combined as a balanced tree, so that the machine can overlap them.
fn reassociate(func: &Func) -> Func {
    let uses = uses(func);
    // Who continues in its only user is written by that user.
    let mut continues = vec![false; func.len()];
    for val in func.vals() {
        if let Inst::Binary(op @ (Op::Add | Op::Mul), a, b) = func.inst(val) {
            for operand in [a, b] {
                if uses[operand.index()] == 1 && func.inst(operand).op() == Some(op) {
                    continues[operand.index()] = true;
                }
            }
        }
    }
    let regrouped = rebuild(func, |pass, val| match func.inst(val) {
        Inst::Binary(op @ (Op::Add | Op::Mul), ..) if !continues[val.index()] => {
            let (mut terms, mut constants) = (Vec::new(), Vec::new());
            let mut open = vec![val];
            while let Some(part) = open.pop() {
                match func.inst(part) {
                    Inst::Binary(_, a, b) if part == val || continues[part.index()] => open.extend([b, a]),
                    Inst::F64(_) => constants.push(pass.get(part)),
                    _ => terms.push(pass.get(part)),
                }
            }
            terms.extend(constants.into_iter().reduce(|a, b| pass.builder.binary(op, a, b)));
            balanced(&mut pass.builder, op, terms)
        }
        _ => pass.copy(val),
    });
    compact(&regrouped)
}

fn balanced(builder: &mut Builder, op: Op, mut terms: Vec<Val>) -> Val {
    while terms.len() > 1 {
        terms = terms
            .chunks(2)
            .map(|pair| pair.iter().copied().reduce(|a, b| builder.binary(op, a, b)).unwrap_or(pair[0]))
            .collect();
    }
    terms[0]
}

fn uses(func: &Func) -> Vec<u32> {
    let live = func.live();
    let mut uses = vec![0u32; func.len()];
    for root in func.roots() {
        // A result must stay as it is.
        uses[root.index()] += 2;
    }
    for val in func.vals().filter(|val| live[val.index()]) {
        for operand in func.operands(val).iter() {
            uses[operand.index()] += 1;
        }
    }
    uses
}
