//! Under which condition a tangent is there: forward mode's counterpart of guards.
//!
//! Of `y = if(c, a, b)` where only `a` depends on the inputs, the tangent is 0 by structure where `c` is false. It is computed as
//! the number 0, which an infinite slope further on would turn into NaN: `sqrt(if(x > 0, x, z))` by `x` at (-1, 0). So the
//! **reach** of a value is carried along: the disjunction over its operands of the operand's reach and the arm's condition. A
//! term that leaves a conditional operand passes through `select(reach, term, 0)`, which keeps this law: where a value isn't
//! reached its tangent is 0.

use super::active::Active;
use crate::ir::guard::{either, passed_over};
use crate::ir::{Builder, Inst, Val};
use crate::ops::Op;

/// The reach of each active value.
pub struct Reach {
    always: Val,
    conditions: Vec<Condition>,
}

#[derive(Clone, Copy)]
struct Condition {
    /// By `if` alone.
    branches: Val,
    /// By `max` and its like too. Products, which networks are made of, do without: their slopes are numbers where values are.
    choices: Val,
}

impl Reach {
    /// Everything is reached; `None` where nothing chooses.
    pub fn of(builder: &mut Builder, active: &Active) -> Option<Reach> {
        let chooses = |val: Val| builder.func().inst(val).op().is_some_and(Op::chooses);
        active.vals().any(chooses).then(|| {
            let always = builder.bool(true);
            Reach { always, conditions: vec![Condition { branches: always, choices: always }; active.len()] }
        })
    }

    /// The contribution of an operand to the tangent of its user, or 0 where the operand isn't reached.
    pub fn masked(&self, builder: &mut Builder, active: &Active, user: Val, operand: Val, term: Val) -> Val {
        let Some(op) = builder.func().inst(user).op() else { return term };
        let condition = self.conditions[active.place(operand)];
        let condition = match op {
            // They pass a 0 on as it is.
            Op::Neg | Op::Add | Op::Sub => return term,
            _ if op.chooses() => return term,
            Op::Mul if builder.func().operands(user).iter().any(|&factor| is_finite(builder, factor)) => return term,
            Op::Mul | Op::Fma => condition.branches,
            _ => condition.choices,
        };
        if condition == self.always {
            return term;
        }
        let zero = builder.f64(0.0);
        builder.select(condition, term, zero)
    }

    /// Notes the reach of a value from those of its operands.
    pub fn extend(&mut self, builder: &mut Builder, active: &Active, val: Val) {
        let operands = builder.func().operands(val).as_slice().to_vec();
        let mut sum: Option<Condition> = None;
        for (slot, &operand) in operands.iter().enumerate() {
            if !active.contains(operand) || !builder.func().has_slope(val, slot) {
                continue;
            }
            let reach = self.conditions[active.place(operand)];
            let (branch, choice) = match (builder.func().inst(val), slot) {
                (Inst::Ternary(Op::Select, condition, ..), 1) => (condition, condition),
                (Inst::Ternary(Op::Select, condition, ..), _) => {
                    let otherwise = builder.not(condition);
                    (otherwise, otherwise)
                }
                _ => match passed_over(builder, val, slot) {
                    Some(passed_over) => (self.always, builder.not(passed_over)),
                    None => (self.always, self.always),
                },
            };
            let term = Condition {
                branches: builder.binary(Op::And, reach.branches, branch),
                choices: builder.binary(Op::And, reach.choices, choice),
            };
            sum = Some(match sum {
                None => term,
                Some(sum) => Condition {
                    branches: either(builder, sum.branches, term.branches),
                    choices: either(builder, sum.choices, term.choices),
                },
            });
        }
        if let Some(sum) = sum {
            self.conditions[active.place(val)] = sum;
        }
    }
}

/// Whether it is a number that is finite wherever it is computed.
fn is_finite(builder: &Builder, val: Val) -> bool {
    match builder.func().inst(val) {
        Inst::F64(bits) => bits.value().is_finite(),
        Inst::Unary(op, _) => op == Op::ToF64,
        _ => false,
    }
}
