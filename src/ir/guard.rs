//! Under which condition a node matters.
//!
//! An `if` is a flat `select`: both arms are computed and one is chosen. A node that only one arm uses matters
//! only where that arm is taken; elsewhere its value, its derivatives and its faults mean nothing. Its **guard**
//! is that condition: the disjunction over its uses of the user's guard and the arm's condition.
//!
//! A slope matters more rarely than a value. In `if(ln(x) > 0, ln(x), 0)` the condition needs the value of the logarithm
//! everywhere, its slope only the arm. Of `max(sqrt(x), 1)` at 0 the root is computed, but its slope, which is infinite, has no part
//! in the derivative: where slopes are meant, `max` and its like have arms too.

//! A body is a scope of its own: inside, a condition may look at what the region binds. Outside, what a body uses matters if it matters in
//! any turn.

use std::rc::Rc;

use hashbrown::{HashMap, HashSet};

use super::places;
use super::slots::Slots;
use super::{Builder, Check, Func, Inst, Loop, Reduction, Region, Val};
use crate::ops::{Op, Type};

/// A condition is taken apart into so many at most.
const CONJUNCTS: usize = 16;

/// The guards of the values of one scope, as conditions in the same graph.
pub struct Guards {
    /// Nothing: no use. What is needed always has the constant `true`.
    guard: Slots<Val>,
    pub always: Val,
    question: Question,
}

/// What is asked: where values matter, or where slopes do.
#[derive(Clone)]
enum Question {
    /// The guards inside bodies are noted, each with all that is around it. The indices are those of several loops with different bounds.
    Values {
        inside: Vec<(Val, Val)>,
        varied: Rc<HashSet<Val>>,
    },
    Slopes(Rc<Steep>),
}

/// Which slopes may be infinite although the values are ordinary numbers.
pub struct Steep(Vec<bool>);

impl Guards {
    /// Where values matter: the guards of everything that `roots` depend on. Adds the conditions to the graph.
    pub fn of_values(builder: &mut Builder, roots: &[Val]) -> Guards {
        let question = Question::Values { inside: Vec::new(), varied: Rc::new(varied(builder.func())) };
        let scope = Slots::dense(Val(0), builder.func().len());
        let mut guards = Guards { guard: scope, always: builder.bool(true), question };
        let nodes: Vec<Val> = builder.func().vals().collect();
        roots.iter().for_each(|&root| guards.guard.insert(root, guards.always));
        guards.sweep(builder, &nodes);
        guards
    }

    /// Where slopes matter, in a scope of which these are the instructions and the roots. An input always matters, because its derivative is
    /// asked for; it is a root.
    pub fn of_slopes(builder: &mut Builder, nodes: &[Val], roots: &[(Val, Val)], steep: &Rc<Steep>) -> Guards {
        let mut guards = Guards::empty(builder, Question::Slopes(Rc::clone(steep)));
        for &(root, guard) in roots {
            guards.join(builder, root, guard);
        }
        guards.sweep(builder, nodes);
        guards
    }

    /// Guards where nothing is guarded yet.
    pub fn of_nothing(always: Val, steep: &Rc<Steep>) -> Guards {
        Guards { guard: Slots::sparse(), always, question: Question::Slopes(Rc::clone(steep)) }
    }

    fn empty(builder: &mut Builder, question: Question) -> Guards {
        Guards { guard: Slots::sparse(), always: builder.bool(true), question }
    }

    /// One more use of a value.
    fn join(&mut self, builder: &mut Builder, val: Val, guard: Val) {
        let joined = match self.guard.get(val) {
            None => guard,
            Some(&old) => either(builder, old, guard),
        };
        self.guard.insert(val, joined);
    }

    /// From the last instruction of the scope to the first.
    fn sweep(&mut self, builder: &mut Builder, nodes: &[Val]) {
        for &user in nodes.iter().rev() {
            let Some(&guard) = self.guard.get(user) else { continue };
            if let Inst::Region(region) = builder.func().inst(user) {
                let region = builder.func().region(region).clone();
                self.through(builder, user, &region, guard);
                continue;
            }
            let operands = builder.func().operands(user).as_slice().to_vec();
            for (slot, &operand) in operands.iter().enumerate() {
                if self.asks_for(builder.func(), user, slot) {
                    let edge = self.edge(builder, user, slot, guard);
                    self.join(builder, operand, edge);
                }
            }
        }
    }

    fn asks_for(&self, func: &Func, user: Val, slot: usize) -> bool {
        matches!(self.question, Question::Values { .. }) || func.has_slope(user, slot)
    }

    /// From a region to what it takes from outside.
    fn through(&mut self, builder: &mut Builder, user: Val, region: &Region, guard: Val) {
        let captures = builder.func().operands(user).as_slice().to_vec();
        let slots: Vec<Val> = (0..captures.len())
            .filter(|&slot| self.asks_for(builder.func(), user, slot))
            .map(|slot| captures[slot])
            .collect();
        if matches!(self.question, Question::Slopes(_)) && !slots.iter().any(|&capture| self.is_steep(capture)) {
            slots.iter().for_each(|&capture| self.join(builder, capture, guard));
            return;
        }
        let binds: Vec<Val> = region.binds().collect();
        let before: Vec<Val> = region.before().filter(|&val| !builder.func().depends(val, &binds)).collect();
        let inner = self.body(builder, user, region, guard);
        for capture in slots {
            if before.contains(&capture) {
                self.join(builder, capture, guard);
            } else if let Some(&inside) = inner.guard.get(capture) {
                // A check may stand before the region, which it therefore can't ask: what matters in some turns is taken to matter in
                // all, as far as the condition is of the turns.
                let asks_for_values = matches!(self.question, Question::Values { .. });
                let sequential = !region.states.is_empty() || region.cells.iter().any(|cell| cell.bound.is_some());
                let any = if asks_for_values && sequential {
                    let (begins, known) = (begins(builder, region), known_before(builder, inside, &binds));
                    builder.binary(Op::And, begins, known)
                } else {
                    any(builder, region, inside)
                };
                let edge = builder.binary(Op::And, guard, any);
                self.join(builder, capture, edge);
            }
        }
    }

    /// The guards in the body of a region that matters where `guard` is true.
    fn body(&mut self, builder: &mut Builder, user: Val, region: &Region, guard: Val) -> Guards {
        let question = match &mut self.question {
            Question::Slopes(steep) => Question::Slopes(Rc::clone(steep)),
            Question::Values { varied, .. } => Question::Values { inside: Vec::new(), varied: Rc::clone(varied) },
        };
        let mut inner = Guards::empty(builder, question);
        let body = builder.func().body(region);
        for (root, mut guard) in roots_of_body(builder, user, region, &inner) {
            if let Question::Values { varied, .. } = &inner.question {
                let varied = Rc::clone(varied);
                for each in region.loops.iter().filter(|each| varied.contains(&each.index)) {
                    let inside = in_range(builder, each);
                    guard = builder.binary(Op::And, guard, inside);
                }
            }
            inner.join(builder, root, guard);
        }
        inner.sweep(builder, &body);
        if let Question::Values { inside, .. } = &mut self.question {
            let binds: Vec<Val> = region.binds().collect();
            let deeper = match &mut inner.question {
                Question::Values { inside, .. } => std::mem::take(inside),
                Question::Slopes(_) => Vec::new(),
            };
            let own = body.iter().filter_map(|&val| inner.guard.get(val).map(|&guard| (val, guard)));
            for (val, local) in own.chain(deeper) {
                debug_assert!(builder.func().depends(val, &binds) || !binds.is_empty());
                let turns = further(builder, region, val);
                let local = builder.binary(Op::And, turns, local);
                let all = builder.binary(Op::And, guard, local);
                inside.push((val, all));
            }
        }
        inner
    }

    /// The guard of a value; of one made after the guards, `true`.
    pub fn get(&self, val: Val) -> Val {
        self.guard.get(val).copied().unwrap_or(self.always)
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
        match &self.question {
            Question::Values { .. } => false,
            Question::Slopes(steep) => steep.of_value(val),
        }
    }
}

/// What the body of a region is computed for, each with the condition under which it counts.
pub fn roots_of_body(builder: &mut Builder, user: Val, region: &Region, guards: &Guards) -> Vec<(Val, Val)> {
    let always = builder.bool(true);
    let slopes = matches!(guards.question, Question::Slopes(_));
    let mut roots = Vec::new();
    if !slopes {
        roots.extend(region.before().chain(region.going).map(|val| (val, always)));
        roots.extend(region.cells.iter().flat_map(|cell| &cell.updates).map(|update| (update.guard, always)));
        roots.extend(region.reductions.iter().map(|reduction| (reduction.guard, always)));
    }
    roots.extend(region.states.iter().map(|state| (state.next, always)));
    for update in region.cells.iter().flat_map(|cell| &cell.updates) {
        let values = [update.value].into_iter().chain(update.factor);
        roots.extend(values.map(|val| (val, update.guard)));
        if !slopes {
            roots.extend(update.subscripts.iter().map(|&val| (val, update.guard)));
        }
    }
    for (number, reduction) in region.reductions.iter().enumerate() {
        let mut guard = reduction.guard;
        if slopes && matches!(reduction.op, Op::Min | Op::Max) && guards.is_steep(reduction.value) {
            let extreme = builder.result(user, region.first_reduction() + number);
            let passed_over = match reduction.op {
                Op::Min => builder.binary(Op::Lt, extreme, reduction.value),
                _ => builder.binary(Op::Lt, reduction.value, extreme),
            };
            let chosen = builder.not(passed_over);
            guard = builder.binary(Op::And, guard, chosen);
        }
        roots.extend([reduction.value].into_iter().chain(reduction.factor).map(|val| (val, guard)));
    }
    roots
}

/// Whether a condition inside the body of a region is true in any turn.
pub fn any(builder: &mut Builder, region: &Region, condition: Val) -> Val {
    let func = builder.func();
    let runs = |each: &Loop| func.has_turns(each.low, each.high);
    let binds: Vec<Val> = region.binds().collect();
    if !func.depends(condition, &binds) && region.going.is_none() && region.loops.iter().all(runs) {
        return condition;
    }
    if !func.depends(condition, &binds) && region.going.is_none() && region.loops.len() == 1 {
        let begins = begins(builder, region);
        return builder.binary(Op::And, begins, condition);
    }
    let guard = builder.bool(true);
    let reduction = Reduction { op: Op::Or, value: condition, factor: None, guard };
    let region = region.asking(Box::new([reduction]));
    let number = region.first_reduction();
    let region = builder.region(region);
    builder.result(region, number)
}

/// What a condition says that doesn't depend on these names; it follows from the condition.
pub fn known_before(builder: &mut Builder, condition: Val, binds: &[Val]) -> Val {
    let always = builder.bool(true);
    let mut known: HashMap<Val, Val> = HashMap::new();
    let mut stack = vec![condition];
    while let Some(&part) = stack.last() {
        let parts = match builder.func().inst(part) {
            _ if !builder.func().depends(part, binds) => None,
            Inst::Binary(op @ (Op::And | Op::Or), a, b) => Some((op, a, b)),
            _ => {
                known.insert(part, always);
                None
            }
        };
        let value = match parts {
            None => known.get(&part).copied().unwrap_or(part),
            Some((op, a, b)) => match (known.get(&a).copied(), known.get(&b).copied()) {
                (Some(a), Some(b)) if op == Op::And => builder.binary(Op::And, a, b),
                (Some(a), Some(b)) => either(builder, a, b),
                (a_known, _) => {
                    stack.push(if a_known.is_none() { a } else { b });
                    continue;
                }
            },
        };
        known.insert(part, value);
        stack.pop();
    }
    known[&condition]
}

/// Whether the loops of a region whose bounds are known before it have turns.
fn begins(builder: &mut Builder, region: &Region) -> Val {
    let binds: Vec<Val> = region.binds().collect();
    let mut begins = builder.bool(true);
    for each in &region.loops {
        if ![each.low, each.high].iter().any(|&bound| builder.func().depends(bound, &binds)) {
            let has_turns = builder.binary(Op::ILt, each.low, each.high);
            begins = builder.binary(Op::And, begins, has_turns);
        }
    }
    begins
}

/// Whether the loops of a region that a value in its body doesn't depend on have turns, as far as what it depends on tells.
fn further(builder: &mut Builder, region: &Region, val: Val) -> Val {
    let unknown: Vec<Val> = region.binds().filter(|&name| !builder.func().depends(val, &[name])).collect();
    let mut turns = builder.bool(true);
    for each in region.loops.iter().filter(|each| unknown.contains(&each.index)) {
        if ![each.low, each.high].iter().any(|&bound| builder.func().depends(bound, &unknown)) {
            let has_turns = builder.binary(Op::ILt, each.low, each.high);
            turns = builder.binary(Op::And, turns, has_turns);
        }
    }
    turns
}

/// The indices that loops with different bounds share.
fn varied(func: &Func) -> HashSet<Val> {
    let mut bounds: HashMap<Val, (Val, Val)> = HashMap::new();
    let mut varied = HashSet::new();
    for each in func.regions().iter().flat_map(|region| &region.loops) {
        if *bounds.entry(each.index).or_insert((each.low, each.high)) != (each.low, each.high) {
            varied.insert(each.index);
        }
    }
    varied
}

fn in_range(builder: &mut Builder, each: &Loop) -> Val {
    let (low, high) = (builder.binary(Op::ILe, each.low, each.index), builder.binary(Op::ILt, each.index, each.high));
    builder.binary(Op::And, low, high)
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

impl Steep {
    /// Whether a value is; one that was made later is taken to be.
    pub fn of_value(&self, val: Val) -> bool {
        self.0.get(val.index()).copied().unwrap_or(true)
    }

    /// Which values are computed by something whose slope may be infinite. What networks are made of isn't steep.
    pub fn of(func: &Func) -> Steep {
        let mut steep = vec![false; func.len()];
        loop {
            for val in func.vals().filter(|&val| matches!(func.ty(val), Type::F64 | Type::Tuple)) {
                let of_operands = || func.operands(val).iter().any(|operand| steep[operand.index()]);
                steep[val.index()] = steep[val.index()]
                    || func.inst(val).op().is_some_and(|op| !op.is_gentle())
                    || match func.inst(val) {
                        Inst::Region(region) => func.region(region).uses().any(|used| steep[used.index()]),
                        _ => of_operands(),
                    };
            }
            // What a turn hands to the next comes round.
            let handed = func.vals().filter_map(|val| match func.inst(val) {
                Inst::Region(region) if steep[val.index()] => Some(func.region(region)),
                _ => None,
            });
            let names = handed.flat_map(|region| {
                let states = region.states.iter().map(|state| state.bound);
                states.chain(region.cells.iter().filter_map(|cell| cell.bound))
            });
            let new: Vec<Val> = names.filter(|name| !steep[name.index()] && func.ty(*name) == Type::F64).collect();
            if new.is_empty() {
                return Steep(steep);
            }
            new.into_iter().for_each(|name| steep[name.index()] = true);
        }
    }
}

/// `a or b`, where `g and c` with `g and not c` is `g`, and so is `g` with `g and c`.
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
    for (whole, part) in [(a, b), (b, a)] {
        let (needed, given) = (conjuncts(func, whole), conjuncts(func, part));
        if needed.iter().all(|each| given.contains(each)) {
            return whole;
        }
    }
    builder.binary(Op::Or, a, b)
}

/// A condition as conditions that must all hold, some of them.
fn conjuncts(func: &Func, condition: Val) -> Vec<Val> {
    let mut parts = vec![condition];
    let mut place = 0;
    while place < parts.len() {
        match func.inst(parts[place]) {
            Inst::Binary(Op::And, a, b) if parts.len() < CONJUNCTS => {
                parts[place] = a;
                parts.push(b);
            }
            Inst::Ternary(Op::Select, a, b, no) if func.inst(no) == Inst::Bool(false) && parts.len() < CONJUNCTS => {
                parts[place] = a;
                parts.push(b);
            }
            _ => place += 1,
        }
    }
    parts
}

/// Adds the checks of a finished program: what may have no result must have one wherever it matters. In the body of a region, that is
/// asked in each turn.
pub fn add_checks(builder: &mut Builder, roots: &[Val], may_fault: impl Fn(&Func, Val) -> bool) {
    let func = builder.func();
    let sites: HashSet<Val> = func.vals().filter(|&val| may_fault(func, val)).collect();
    if sites.is_empty() {
        return;
    }
    let guards = Guards::of_values(builder, roots);
    let Question::Values { inside, .. } = guards.question else { return };
    let mut found: HashMap<Val, Vec<Val>> = HashMap::new();
    for (site, guard) in inside.into_iter().filter(|(site, _)| sites.contains(site)) {
        found.entry(site).or_default().push(guard);
    }
    let mut sites: Vec<Val> = sites.into_iter().collect();
    sites.sort_unstable();
    for site in sites {
        let here = guards.guard.get(site).filter(|_| builder.func().free(site).is_empty());
        match here {
            Some(&guard) => builder.check(Check { guard, site, missing: false }),
            // A body knows only itself; the same instruction may stand in several.
            None => {
                for guard in found.remove(&site).unwrap_or_default() {
                    builder.check(Check { guard, site, missing: false });
                }
            }
        }
    }
    places::join(builder);
}
