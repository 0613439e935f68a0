//! Under which condition a node matters.
//!
//! An `if` is a flat `select`: both arms are computed and one is chosen. A node that only one arm uses matters
//! only where that arm is taken; elsewhere its value, its derivatives and its faults mean nothing. Its **guard**
//! is that condition: the disjunction over its uses of the user's guard and the arm's condition.

use super::{Builder, Check, Inst, Val};
use crate::ops::Op;

/// The guards of the values of a graph, as conditions in the same graph.
pub struct Guards {
    /// `None`: no use. What is needed always has the constant `true`.
    guard: Vec<Option<Val>>,
    pub always: Val,
}

impl Guards {
    /// The guards of everything that `roots` depend on. Adds the conditions to the graph.
    pub fn of(builder: &mut Builder, roots: &[Val]) -> Guards {
        let always = builder.bool(true);
        let mut guards = Guards { guard: vec![None; builder.func().len()], always };
        for &root in roots {
            guards.guard[root.index()] = Some(always);
        }
        for index in (0..guards.guard.len() as u32).rev() {
            let user = Val(index);
            let Some(guard) = guards.guard[index as usize] else { continue };
            let operands = builder.func().operands(user).as_slice().to_vec();
            for (slot, &operand) in operands.iter().enumerate() {
                let edge = edge(builder, user, slot, guard);
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
}

/// The condition under which operand number `slot` of `user` matters, where `guard` is the user's own.
pub fn edge(builder: &mut Builder, user: Val, slot: usize, guard: Val) -> Val {
    match (builder.func().inst(user), slot) {
        (Inst::Ternary(Op::Select, condition, ..), 1) => builder.binary(Op::And, guard, condition),
        (Inst::Ternary(Op::Select, condition, ..), 2) => {
            let otherwise = builder.not(condition);
            builder.binary(Op::And, guard, otherwise)
        }
        _ => guard,
    }
}

/// `a or b`, where `g and c` with `g and not c` is `g`.
fn either(builder: &mut Builder, a: Val, b: Val) -> Val {
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
    let guards = Guards::of(builder, roots);
    for site in sites {
        if let Some(guard) = guards.guard[site.index()] {
            builder.check(Check { guard, site });
        }
    }
}
