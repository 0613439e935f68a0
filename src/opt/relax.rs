//! Relaxations: identities of real numbers that don't hold for doubles to the bit. Each has a name, is off unless the
//! caller asks for it, and is applied after the last differentiation.

use super::rebuild;
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
    pub const ALL: [Relaxation; 4] = [
        Relaxation::FusedMultiplyAdd,
        Relaxation::Reassociate,
        Relaxation::SharedReciprocals,
        Relaxation::FiniteOnly,
    ];

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
        func = rebuild(&func, finite_only);
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

fn finite_only(builder: &mut Builder, func: &Func, val: Val, translate: &dyn Fn(Val) -> Val) -> Val {
    let is = |builder: &Builder, val: Val, number: f64| builder.func().constant(val) == Some(number);
    match func.inst(val) {
        Inst::Binary(Op::Domain, _, v) => translate(v),
        Inst::Binary(Op::Mul, a, b) => {
            let (a, b) = (translate(a), translate(b));
            if is(builder, a, 0.0) || is(builder, b, 0.0) { builder.f64(0.0) } else { builder.binary(Op::Mul, a, b) }
        }
        Inst::Binary(Op::Add, a, b) => {
            let (a, b) = (translate(a), translate(b));
            if is(builder, a, 0.0) {
                b
            } else if is(builder, b, 0.0) {
                a
            } else {
                builder.binary(Op::Add, a, b)
            }
        }
        Inst::Binary(Op::Sub, a, b) => {
            let (a, b) = (translate(a), translate(b));
            if a == b {
                builder.f64(0.0)
            } else if is(builder, a, 0.0) {
                builder.unary(Op::Neg, b)
            } else {
                builder.binary(Op::Sub, a, b)
            }
        }
        Inst::Binary(Op::Div, a, b) => {
            let (a, b) = (translate(a), translate(b));
            if a == b {
                builder.f64(1.0)
            } else if is(builder, a, 0.0) {
                a
            } else {
                builder.binary(Op::Div, a, b)
            }
        }
        _ => builder.copy(func, val, translate),
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
    rebuild(func, |builder, func, val, translate| match func.inst(val) {
        Inst::Binary(Op::Div, a, b) if divisions[b.index()] > 1 => {
            let one = builder.f64(1.0);
            let reciprocal = builder.binary(Op::Div, one, translate(b));
            builder.binary(Op::Mul, translate(a), reciprocal)
        }
        _ => builder.copy(func, val, translate),
    })
}

/// A product used once, by a sum, is fused into it.
fn fused_multiply_add(func: &Func) -> Func {
    let uses = uses(func);
    let product = |val: Val| match func.inst(val) {
        Inst::Binary(Op::Mul, a, b) if uses[val.index()] == 1 => Some((a, b)),
        _ => None,
    };
    rebuild(func, |builder, func, val, translate| match func.inst(val) {
        Inst::Binary(Op::Add, a, b) => match (product(a), product(b)) {
            (Some((x, y)), _) => builder.emit(Op::Fma, &[translate(x), translate(y), translate(b)]),
            (None, Some((x, y))) => builder.emit(Op::Fma, &[translate(x), translate(y), translate(a)]),
            (None, None) => builder.copy(func, val, translate),
        },
        Inst::Binary(Op::Sub, a, b) => match (product(a), product(b)) {
            (Some((x, y)), _) => {
                let minus = builder.unary(Op::Neg, translate(b));
                builder.emit(Op::Fma, &[translate(x), translate(y), minus])
            }
            (None, Some((x, y))) => {
                let minus = builder.unary(Op::Neg, translate(x));
                builder.emit(Op::Fma, &[minus, translate(y), translate(a)])
            }
            (None, None) => builder.copy(func, val, translate),
        },
        _ => builder.copy(func, val, translate),
    })
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
    rebuild(func, |builder, func, val, translate| match func.inst(val) {
        Inst::Binary(op @ (Op::Add | Op::Mul), ..) if !continues[val.index()] => {
            let (mut terms, mut constants) = (Vec::new(), Vec::new());
            let mut open = vec![val];
            while let Some(part) = open.pop() {
                match func.inst(part) {
                    Inst::Binary(_, a, b) if part == val || continues[part.index()] => open.extend([b, a]),
                    Inst::F64(_) => constants.push(translate(part)),
                    _ => terms.push(translate(part)),
                }
            }
            terms.extend(constants.into_iter().reduce(|a, b| builder.binary(op, a, b)));
            balanced(builder, op, terms)
        }
        // Written by its user; this one is dropped when the function is compacted.
        _ => builder.copy(func, val, translate),
    })
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
