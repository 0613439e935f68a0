//! Under which condition a node matters.
//!
//! An `if` is a flat `select`: both arms are computed and one is chosen. A node that only one arm uses matters
//! only where that arm is taken; elsewhere its value, its derivatives and its faults mean nothing. Its **guard**
//! is that condition: the disjunction over its uses of the user's guard and the arm's condition.
//!
//! A slope matters more rarely than a value. In `if(ln(x) > 0, ln(x), 0)` the condition needs the value of the logarithm
//! everywhere, its slope only the arm. Of `max(sqrt(x), 1)` at 0 the root is computed, but its slope, which is infinite, has no part
//! in the derivative: where slopes are meant, `max` and its like have arms too.

use super::{Builder, Check, Func, Inst, Val};
use crate::ops::{Op, Type};

/// The guards of the values of a graph, as conditions in the same graph.
pub struct Guards {
    /// `None`: no use. What is needed always has the constant `true`.
    guard: Vec<Option<Val>>,
    pub always: Val,
    /// Where slopes are meant: which of them may be infinite although the values are ordinary numbers.
    steep: Option<Vec<bool>>,
}

impl Guards {
    /// Where values matter: the guards of everything that `roots` depend on. Adds the conditions to the graph.
    pub fn of_values(builder: &mut Builder, roots: &[Val]) -> Guards {
        Guards::of(builder, roots, None)
    }

    /// Where slopes matter, of `outputs` by `inputs`. An input always matters: its derivative is asked for.
    pub fn of_slopes(builder: &mut Builder, outputs: &[Val], inputs: &[Val]) -> Guards {
        let steep = steep(builder.func());
        Guards::of(builder, &[outputs, inputs].concat(), Some(steep))
    }

    fn of(builder: &mut Builder, roots: &[Val], steep: Option<Vec<bool>>) -> Guards {
        let always = builder.bool(true);
        let mut guards = Guards { guard: vec![None; builder.func().len()], always, steep };
        for &root in roots {
            guards.guard[root.index()] = Some(always);
        }
        for index in (0..guards.guard.len() as u32).rev() {
            let user = Val(index);
            let Some(guard) = guards.guard[index as usize] else { continue };
            let operands = builder.func().operands(user).as_slice().to_vec();
            for (slot, &operand) in operands.iter().enumerate() {
                if guards.steep.is_some() && !builder.func().has_slope(user, slot) {
                    continue;
                }
                let edge = guards.edge(builder, user, slot, guard);
                let old = guards.guard[operand.index()];
                guards.guard[operand.index()] = Some(match old {
                    None => edge,
                    Some(old) => either(builder, old, edge),
                });
            }
        }
        guards
    }

    /// The guard of a value; of one made after the guards, `true`.
    pub fn get(&self, val: Val) -> Val {
        self.guard.get(val.index()).copied().flatten().unwrap_or(self.always)
    }

    /// The condition under which operand number `slot` of `user` matters, where `guard` is the user's own.
    pub fn edge(&self, builder: &mut Builder, user: Val, slot: usize, guard: Val) -> Val {
        match (builder.func().inst(user), slot) {
            (Inst::Ternary(Op::Select, condition, ..), 1) => builder.binary(Op::And, guard, condition),
            (Inst::Ternary(Op::Select, condition, ..), 2) => {
                let otherwise = builder.not(condition);
                builder.binary(Op::And, guard, otherwise)
            }
            // A slope that can't be infinite is multiplied by 0 where it doesn't matter, which is cheaper.
            _ if !self.is_steep(builder.func().operands(user).as_slice()[slot]) => guard,
            _ => match passed_over(builder, user, slot) {
                Some(passed_over) => {
                    let chosen = builder.not(passed_over);
                    builder.binary(Op::And, guard, chosen)
                }
                None => guard,
            },
        }
    }

    fn is_steep(&self, val: Val) -> bool {
        self.steep.as_ref().is_some_and(|steep| steep.get(val.index()).copied().unwrap_or(true))
    }
}

/// Where `user` is one of several: whether the operand number `slot` is certainly not the one. False for NaN, which all pass on.
pub fn passed_over(builder: &mut Builder, user: Val, slot: usize) -> Option<Val> {
    let operands = builder.func().operands(user).as_slice().to_vec();
    let mine = operands[slot];
    Some(match (builder.func().inst(user).op()?, slot) {
        (Op::Min, _) if operands.len() == 2 => builder.binary(Op::Lt, operands[1 - slot], mine),
        (Op::Max, _) if operands.len() == 2 => builder.binary(Op::Lt, mine, operands[1 - slot]),
        (Op::Min, _) => builder.binary(Op::Lt, user, mine),
        (Op::Max, _) => builder.binary(Op::Lt, mine, user),
        (Op::Clamp, 0 | 1) => {
            let [x, low, high] = operands[..] else { return None };
            let either = match slot {
                0 => (builder.binary(Op::Lt, x, low), builder.binary(Op::Lt, high, x)),
                _ => (builder.binary(Op::Le, low, x), builder.binary(Op::Lt, high, low)),
            };
            let (either, is_number) = (builder.binary(Op::Or, either.0, either.1), builder.binary(Op::Eq, user, user));
            builder.binary(Op::And, is_number, either)
        }
        (Op::Clamp, _) => {
            let (idle, low) = (builder.binary(Op::Le, operands[0], mine), builder.binary(Op::Le, operands[1], mine));
            builder.binary(Op::And, idle, low)
        }
        (Op::Relu, _) => {
            let zero = builder.f64(0.0);
            builder.binary(Op::Le, mine, zero)
        }
        (Op::LeakyRelu, 1) => {
            let zero = builder.f64(0.0);
            builder.binary(Op::Lt, zero, operands[0])
        }
        _ => return None,
    })
}

/// Which values are computed by something whose slope may be infinite. What networks are made of isn't steep.
fn steep(func: &Func) -> Vec<bool> {
    let mut steep = vec![false; func.len()];
    for val in func.vals().filter(|&val| func.ty(val) == Type::F64) {
        steep[val.index()] = func.inst(val).op().is_some_and(|op| !op.is_gentle())
            || func.operands(val).iter().any(|operand| steep[operand.index()]);
    }
    steep
}

/// `a or b`, where `g and c` with `g and not c` is `g`.
pub fn either(builder: &mut Builder, a: Val, b: Val) -> Val {
    let func = builder.func();
    let parts = |val: Val| match func.inst(val) {
        Inst::Binary(Op::And, x, y) => Some((x, y)),
        _ => None,
    };
    let opposite = |x: Val, y: Val| func.inst(x) == Inst::Unary(Op::Not, y) || func.inst(y) == Inst::Unary(Op::Not, x);
    if let (Some((a1, a2)), Some((b1, b2))) = (parts(a), parts(b)) {
        for (shared, x, other, y) in [(a1, a2, b1, b2), (a1, a2, b2, b1), (a2, a1, b1, b2), (a2, a1, b2, b1)] {
            if shared == other && opposite(x, y) {
                return shared;
            }
        }
    }
    // `g or (g and c)` is `g`.
    for (whole, part) in [(a, b), (b, a)] {
        if let Some((x, y)) = parts(part)
            && (x == whole || y == whole)
        {
            return whole;
        }
    }
    builder.binary(Op::Or, a, b)
}

/// Adds the checks of a finished program: integer arithmetic must have a result wherever it matters.
pub fn add_checks(builder: &mut Builder, roots: &[Val]) {
    let sites: Vec<Val> =
        builder.func().vals().filter(|&val| builder.func().inst(val).op().is_some_and(Op::may_fault)).collect();
    if sites.is_empty() {
        return;
    }
    let guards = Guards::of_values(builder, roots);
    for site in sites {
        if let Some(guard) = guards.guard[site.index()] {
            builder.check(Check { guard, site });
        }
    }
}
