//! Under which condition a tangent is there: forward mode's counterpart of guards.
//!
//! Of `y = if(c, a, b)` where only `a` depends on the inputs, the tangent is 0 by structure where `c` is false. It is computed as
//! the number 0, which an infinite slope further on would turn into NaN: `sqrt(if(x > 0, x, z))` by `x` at (-1, 0). So the
//! **reach** of a value is carried along: the disjunction over its operands of the operand's reach and the arm's condition. A
//! term that leaves a conditional operand passes through `select(reach, term, 0)`, which keeps this law: where a value isn't
//! reached its tangent is 0.
//!
//! The reach of a sum is that of any of its terms, so that of a sum over nothing is `false`. The reach of an array is an array of
//! conditions, made by the same loops. What a turn hands to the next is taken to be reached.

use super::active::Active;
use crate::ir::guard::{any, either, passed_over};
use crate::ir::{Builder, Cell, Func, Inst, Reduction, Region, Update, UpdateKind, Val};
use crate::ops::{Op, Type};

/// The reach of each active value.
pub struct Reach {
    always: Val,
    conditions: Vec<Condition>,
}

/// One of the two conditions of a [`Condition`].
type Part = fn(Condition) -> Val;

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
        let func = builder.func();
        let chooses = |val: Val| match func.inst(val) {
            Inst::Region(region) => {
                let region = func.region(region);
                region.reductions.iter().any(|reduction| may_be_of_nothing(func, region, reduction))
            }
            inst => inst.op().is_some_and(Op::chooses),
        };
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
        match builder.func().inst(val) {
            Inst::Region(_) => return,
            Inst::Result(region, number) => {
                let Some(region) = builder.func().region_of(region).cloned() else { return };
                let condition = Condition {
                    branches: self.of_result(builder, active, &region, number as usize, |reach| reach.branches),
                    choices: self.of_result(builder, active, &region, number as usize, |reach| reach.choices),
                };
                // Products do without the conditions of sums.
                let is_array = builder.func().is_array(val);
                let branches = if is_array { condition.branches } else { self.always };
                self.conditions[active.place(val)] = Condition { branches, ..condition };
                return;
            }
            Inst::Read(list) => {
                let list = builder.func().list(list).to_vec();
                if active.contains(list[0]) {
                    let array = self.conditions[active.place(list[0])];
                    let mut element = |whole: Val| match whole == self.always {
                        true => whole,
                        false => builder.read(whole, &list[1..]),
                    };
                    let condition = Condition { branches: element(array.branches), choices: element(array.choices) };
                    self.conditions[active.place(val)] = condition;
                }
                return;
            }
            _ => {}
        }
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

impl Reach {
    /// The reach of a result of a region: a condition, or an array of conditions.
    fn of_result(&self, builder: &mut Builder, active: &Active, region: &Region, number: usize, part: Part) -> Val {
        let reach = |val: Val| active.contains(val).then(|| part(self.conditions[active.place(val)]));
        if let Some(reduction) = number.checked_sub(region.first_reduction()).and_then(|at| region.reductions.get(at)) {
            let terms = [Some(reduction.value), reduction.factor].into_iter().flatten().filter_map(reach);
            let is_number = !builder.func().is_array(reduction.value);
            let Some(term) = terms.reduce(|a, b| either(builder, a, b)).filter(|_| is_number) else {
                return self.always;
            };
            let may_be_of_nothing = may_be_of_nothing(builder.func(), region, reduction);
            if term == self.always && !may_be_of_nothing {
                return self.always;
            }
            let term = builder.binary(Op::And, reduction.guard, term);
            return any(builder, region, term);
        }
        let cell = number.checked_sub(region.first_cell()).and_then(|at| region.cells.get(at));
        match cell.filter(|cell| cell.bound.is_none()) {
            Some(cell) => self.of_cell(builder, region, cell, reach),
            None => self.always,
        }
    }

    /// The conditions of the elements of a cell.
    fn of_cell(&self, builder: &mut Builder, region: &Region, cell: &Cell, reach: impl Fn(Val) -> Option<Val>) -> Val {
        // An element that depends on nothing of interest isn't reached.
        let never = builder.bool(false);
        let reaches: Vec<Val> = cell.updates.iter().map(|update| reach(update.value).unwrap_or(never)).collect();
        let init = cell.init.map(|init| reach(init).unwrap_or(never));
        let stores = cell.updates.iter().all(|update| update.kind == UpdateKind::Store);
        if !stores || reaches.iter().chain(&init).all(|&reach| reach == self.always) {
            return self.always;
        }
        // One condition for all elements, or one for each.
        let whole = |builder: &mut Builder, reach: Val, shape: &[usize]| match shape {
            [] => reach,
            _ if builder.func().is_array(reach) => reach,
            shape => builder.map(shape, |_, _| reach),
        };
        let init = init.map(|init| whole(builder, init, &cell.shape));
        let mut updates = Vec::new();
        for (update, reach) in cell.updates.iter().zip(reaches) {
            let value = whole(builder, reach, &cell.shape[update.subscripts.len()..]);
            updates.push(Update { value, ..update.clone() });
        }
        let reached = Cell { ty: Type::Bool, bound: None, init, updates: updates.into(), shape: cell.shape.clone() };
        let mut asking = region.asking(Box::new([]));
        let number = asking.first_reduction();
        asking.cells = asking.cells.iter().cloned().chain([reached]).collect();
        let asking = builder.region(asking);
        builder.result(asking, number)
    }
}

/// Whether a sum may have no terms.
fn may_be_of_nothing(func: &Func, region: &Region, reduction: &Reduction) -> bool {
    let has_turns = region.loops.iter().all(|each| func.has_turns(each.low, each.high));
    reduction.op == Op::Add && (func.inst(reduction.guard) != Inst::Bool(true) || !has_turns || region.going.is_some())
}

/// Whether it is a number that is finite wherever it is computed.
fn is_finite(builder: &Builder, val: Val) -> bool {
    match builder.func().inst(val) {
        Inst::F64(bits) => bits.value().is_finite(),
        Inst::Unary(op, _) => op == Op::ToF64,
        _ => false,
    }
}
