//! Under which condition a tangent is there: forward mode's counterpart of guards.
//!
//! Of `y = if(c, a, b)` where only `a` depends on the inputs, the tangent is 0 by structure where `c` is false. It is computed as
//! the number 0, which an infinite slope further on would turn into NaN: `sqrt(if(x > 0, x, z))` by `x` at (-1, 0). So the
//! **reach** of a value is carried along: the disjunction over its operands of the operand's reach and the arm's condition. A
//! term that leaves a conditional operand passes through `select(reach, term, 0)`, which keeps this law: where a value isn't
//! reached its tangent is 0.
//!
//! The reach of a sum is that of any of its terms, so that of a sum over nothing is `false`. The reach of an array is an array of
//! conditions, made by the same loops. What a turn hands to the next has a companion that carries its reach along, where that isn't
//! everywhere:
//!
//! ```text
//! s = if(c, s, z)          s_reach = c and s_reach,    s_dot = if(c, s_dot, 0)
//! ```
//!
//! Where it isn't everywhere is found out beforehand, see [`Partial`].

mod partial;

use hashbrown::HashMap;

use super::active::Active;
use crate::ir::guard::{Steep, any, either, passed_over};
use crate::ir::{Builder, Cell, Func, Inst, Reduction, Region, State, Update, Val};
use crate::ops::{Op, Type};
use partial::{Partial, is_stored};

/// The reach of each active value.
pub struct Reach {
    always: Val,
    conditions: Vec<Condition>,
    steep: Steep,
    /// What a turn hands on that isn't reached everywhere, with the names of its companions.
    companions: HashMap<Val, Condition>,
    /// Regions with companions: what their bodies hand on, and where the companions' last values are.
    carrying: HashMap<Val, Carrying>,
}

/// A region whose turns hand on reaches.
struct Carrying {
    region: Region,
    /// The region that is made of it.
    made: Option<Val>,
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
        let all = || active.vals().filter(|&val| active.contains(val));
        let chooses = |val: Val| match func.inst(val) {
            Inst::Region(region) => {
                let region = func.region(region);
                region.reductions.iter().any(|reduction| may_be_of_nothing(func, region, reduction))
            }
            inst => inst.op().is_some_and(Op::chooses),
        };
        if !active.vals().any(chooses) {
            return None;
        }
        let has_loops = all().any(|val| matches!(func.inst(val), Inst::Region(_)));
        let partial = if has_loops { Partial::of_all(func, active) } else { Vec::new() };
        let is_partial = |val: &Val| partial.get(active.place(*val)).is_some_and(|partial| partial.choices);
        let carried: Vec<Val> =
            all().filter(|val| matches!(func.inst(*val), Inst::Bound(_)) && is_partial(val)).collect();
        let always = builder.bool(true);
        let everywhere = Condition { branches: always, choices: always };
        let mut reach = Reach {
            always,
            conditions: vec![everywhere; active.len()],
            steep: Steep::of(builder.func()),
            companions: HashMap::new(),
            carrying: HashMap::new(),
        };
        for name in carried {
            let shape = builder.func().shape(name).to_vec();
            let choices = builder.bound(Type::Bool, &shape);
            let is_branched = partial[active.place(name)].branches;
            let branches = if is_branched { builder.bound(Type::Bool, &shape) } else { always };
            let companion = Condition { branches, choices };
            reach.conditions[active.place(name)] = companion;
            reach.companions.insert(name, companion);
        }
        Some(reach)
    }

    /// The contribution of an operand to the tangent of its user, or 0 where the operand isn't reached.
    pub fn masked(&self, builder: &mut Builder, active: &Active, user: Val, operand: Val, term: Val) -> Val {
        let Some(op) = builder.func().inst(user).op() else { return term };
        let condition = self.conditions[active.place(operand)];
        let condition = match op {
            // They pass a 0 on as it is.
            Op::Neg | Op::Add | Op::Sub | Op::Select => return term,
            Op::Mul if builder.func().operands(user).iter().any(|&factor| is_finite(builder, factor)) => return term,
            // What is infinite is mostly made by what has infinite slopes.
            Op::Mul | Op::Fma if !self.is_steep(builder, user, operand) => condition.branches,
            _ => condition.choices,
        };
        if condition == self.always {
            return term;
        }
        let zero = builder.f64(0.0);
        builder.select(condition, term, zero)
    }

    /// Whether what an operand is multiplied with may be infinite although what it is computed from is not.
    fn is_steep(&self, builder: &Builder, user: Val, operand: Val) -> bool {
        let mut others = builder.func().operands(user).as_slice().to_vec();
        if let Some(place) = others.iter().position(|&other| other == operand) {
            others.swap_remove(place);
        }
        others.into_iter().any(|other| self.steep.of_value(other))
    }

    /// Notes the reach of a value from those of its operands.
    pub fn extend(&mut self, builder: &mut Builder, active: &Active, val: Val) {
        match builder.func().inst(val) {
            Inst::Region(_) | Inst::Bound(_) => return,
            Inst::Result(region, number) => {
                let number = number as usize;
                if let Some(condition) = self.of_carried(builder, region, number) {
                    self.conditions[active.place(val)] = condition;
                    return;
                }
                let known = self.carrying.get(&region).map(|carrying| carrying.region.clone());
                let Some(primal) = builder.func().region_of(region).cloned() else { return };
                // The turns as they are handed on, with the questions of the region.
                let turns = known.unwrap_or_else(|| primal.asking(Box::new([])));
                let condition = Condition {
                    branches: self.of_result(builder, active, &primal, &turns, number, |reach| reach.branches),
                    choices: self.of_result(builder, active, &primal, &turns, number, |reach| reach.choices),
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
        // One of them is taken, so where all are reached the result is.
        let is_reached = |reach: Condition| reach.branches == self.always && reach.choices == self.always;
        let is_whole = |operand: Val| active.contains(operand) && is_reached(self.conditions[active.place(operand)]);
        if matches!(builder.func().inst(val).op(), Some(Op::Min | Op::Max))
            && operands.iter().all(|&each| is_whole(each))
        {
            return;
        }
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
    /// What the turns of a region hand on, with companions of what isn't reached everywhere. The bodies of both are known.
    pub fn carry(&mut self, builder: &mut Builder, active: &Active, val: Val, region: &Region) -> Region {
        let mut turns = region.asking(Box::new([]));
        let names = |bound: Option<Val>| bound.and_then(|bound| self.companions.get(&bound)).copied();
        let parts: [Part; 2] = [|reach| reach.branches, |reach| reach.choices];
        let (mut states, mut cells) = (turns.states.to_vec(), turns.cells.to_vec());
        for part in parts {
            let reach = |val: Val| active.contains(val).then(|| part(self.conditions[active.place(val)]));
            for state in &region.states {
                let Some(bound) = names(Some(state.bound)).map(part).filter(|&name| name != self.always) else {
                    continue;
                };
                let shape = builder.func().shape(state.bound).to_vec();
                let [init, next] = [state.init, state.next].map(|of| {
                    let condition = reach(of).unwrap_or_else(|| builder.bool(false));
                    whole(builder, condition, &shape)
                });
                states.push(State { bound, init, next });
            }
            for cell in &region.cells {
                let Some(bound) = names(cell.bound).map(part).filter(|&name| name != self.always) else { continue };
                cells.push(Cell { bound: Some(bound), ..reached(builder, cell, reach) });
            }
        }
        (turns.states, turns.cells) = (states.into(), cells.into());
        if turns.states.len() + turns.cells.len() > region.asking(Box::new([])).turns() {
            self.carrying.insert(val, Carrying { region: turns.clone(), made: None });
        }
        turns
    }

    /// The region that has been made of what [`Reach::carry`] has given.
    pub fn made(&mut self, val: Val, region: Val) {
        if let Some(carrying) = self.carrying.get_mut(&val) {
            carrying.made = Some(region);
        }
    }

    /// The last values of the companions of a state or a cell.
    fn of_carried(&self, builder: &mut Builder, region: Val, number: usize) -> Option<Condition> {
        let primal = builder.func().region_of(region)?;
        let cell = |number: usize| primal.cells.get(number)?.bound;
        let state = primal.states.get(number).map(|state| state.bound);
        let bound = state.or_else(|| cell(number - primal.first_cell()))?;
        let companion = *self.companions.get(&bound)?;
        let made = self.carrying.get(&region)?.made?;
        let turns = builder.func().region_of(made)?.clone();
        let last = |builder: &mut Builder, name: Val| {
            let states = turns.states.iter().map(|state| Some(state.bound));
            let place = states.chain(turns.cells.iter().map(|cell| cell.bound)).position(|bound| bound == Some(name));
            place.map_or(self.always, |place| builder.result(made, place))
        };
        Some(Condition { branches: last(builder, companion.branches), choices: last(builder, companion.choices) })
    }

    /// The reach of a result of a region that isn't handed on: a condition, or an array of conditions.
    fn of_result(
        &self,
        builder: &mut Builder,
        active: &Active,
        region: &Region,
        turns: &Region,
        number: usize,
        part: Part,
    ) -> Val {
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
            return any(builder, turns, term);
        }
        let cell = number.checked_sub(region.first_cell()).and_then(|at| region.cells.get(at));
        let Some(cell) = cell.filter(|cell| cell.bound.is_none() && is_stored(cell)) else { return self.always };
        let mut parts = cell.updates.iter().map(|update| update.value).chain(cell.init);
        if parts.all(|part| reach(part) == Some(self.always)) {
            return self.always;
        }
        let number = turns.first_reduction();
        let reached = reached(builder, cell, reach);
        let mut asking = turns.clone();
        asking.cells = asking.cells.iter().cloned().chain([reached]).collect();
        let asking = builder.region(asking);
        builder.result(asking, number)
    }
}

/// The conditions of the elements of a cell. An element that depends on nothing of interest isn't reached.
fn reached(builder: &mut Builder, cell: &Cell, reach: impl Fn(Val) -> Option<Val>) -> Cell {
    let never = builder.bool(false);
    let init = cell.init.map(|init| whole(builder, reach(init).unwrap_or(never), &cell.shape));
    let mut updates = Vec::new();
    for update in &cell.updates {
        let reach = reach(update.value).unwrap_or(never);
        let value = whole(builder, reach, &cell.shape[update.subscripts.len()..]);
        updates.push(Update { value, ..update.clone() });
    }
    Cell { ty: Type::Bool, bound: None, init, updates: updates.into(), shape: cell.shape.clone() }
}

/// One condition for all elements, or one for each.
fn whole(builder: &mut Builder, reach: Val, shape: &[usize]) -> Val {
    match shape {
        [] => reach,
        _ if builder.func().is_array(reach) => reach,
        shape => builder.map(shape, |_, _| reach),
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
