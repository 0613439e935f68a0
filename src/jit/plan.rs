//! Which instructions become machine code, in which order, in which function, and where values wait in between.
//!
//! A graph becomes one or more machine functions that run one after the other. Allocating registers is linear in the
//! size of a function only while functions are small, and so is their stack frame; therefore a large graph is
//! cut into **chunks**. A value that a later chunk needs waits in a slot of the **tape**, memory that all chunks
//! see. Slots are given out again once their value has had its last use, so that the tape holds what
//! is alive rather than everything there is.

use hashbrown::{HashMap, HashSet};

use crate::ir::{Func, Inst, Val};
use crate::ops::Op;

/// One thing to compute.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    Value(Val),
    /// Sine and cosine of the same operand.
    SinCos(Val, Val),
    /// The check with this index.
    Check(u32),
}

/// The order of work.
pub struct Plan {
    pub steps: Vec<Step>,
    /// The end of each chunk, as an index into `steps`. There is at least one chunk.
    pub ends: Vec<usize>,
    /// For each value, the tape slot where later chunks find it.
    slots: Vec<u32>,
    /// How many slots the tape has.
    pub tape: usize,
}

const NONE: u32 = u32::MAX;

impl Plan {
    /// The slot of a value that later chunks need.
    pub fn slot(&self, val: Val) -> Option<u32> {
        self.slots.get(val.index()).copied().filter(|&slot| slot != NONE)
    }

    /// The steps of one chunk.
    pub fn chunk(&self, chunk: usize) -> &[Step] {
        let start = if chunk == 0 { 0 } else { self.ends[chunk - 1] };
        &self.steps[start..self.ends[chunk]]
    }
}

/// The slow paths that nothing but choices take: each is computed where it is chosen, and only there.
pub fn deferred(func: &Func) -> HashSet<Val> {
    let out_of_line = |val: Val| func.inst(val).op().is_some_and(Op::is_out_of_line);
    let mut deferred: HashSet<Val> = func.vals().filter(|&val| out_of_line(val)).collect();
    if deferred.is_empty() {
        return deferred;
    }
    for val in func.vals() {
        let is_choice = matches!(func.inst(val), Inst::Ternary(Op::Select, ..));
        for (slot, operand) in func.operands(val).iter().enumerate() {
            if !(is_choice && slot == 2) {
                deferred.remove(operand);
            }
        }
    }
    for root in func.roots() {
        deferred.remove(&root);
    }
    deferred
}

/// The operands that an instruction's code fetches; in the place of a deferred one, its own operand.
fn operands(func: &Func, deferred: &HashSet<Val>, val: Val) -> Vec<Val> {
    let fetched = |&operand: &Val| match func.inst(operand) {
        Inst::Unary(_, a) if deferred.contains(&operand) => a,
        _ => operand,
    };
    func.operands(val).iter().map(fetched).collect()
}

/// Cuts the steps into chunks of about `chunk` operations each.
pub fn plan(func: &Func, steps: Vec<Step>, chunk: usize) -> Plan {
    let ends = cut(func, &steps, chunk.max(1));
    let mut plan = Plan { steps, ends, slots: Vec::new(), tape: 0 };
    if plan.ends.len() > 1 {
        assign_slots(func, &mut plan);
    }
    plan
}

/// What the results and checks need, operands first. A sine and a cosine of one operand are one step.
pub fn steps(func: &Func) -> Vec<Step> {
    let live = func.live();
    let deferred = deferred(func);
    let needed = |val: Val| live[val.index()] && func.inst(val).op().is_some() && !deferred.contains(&val);
    // A sine next to a cosine of the same operand, by the operand; whichever comes first computes both.
    let mut circular: HashMap<Val, [Option<Val>; 2]> = HashMap::new();
    for val in func.vals().filter(|&val| needed(val)) {
        match func.inst(val) {
            Inst::Unary(Op::Sin, a) => circular.entry(a).or_default()[0] = Some(val),
            Inst::Unary(Op::Cos, a) => circular.entry(a).or_default()[1] = Some(val),
            _ => {}
        }
    }
    // A check comes as soon as both its values exist.
    let mut checks: Vec<(Val, u32)> =
        func.checks.iter().enumerate().map(|(index, check)| (check.guard.max(check.site), index as u32)).collect();
    checks.sort_unstable();
    let mut checks = checks.into_iter().peekable();

    let mut steps = Vec::new();
    for val in func.vals() {
        if needed(val) {
            let both = match func.inst(val) {
                Inst::Unary(Op::Sin | Op::Cos, a) => circular[&a],
                _ => [None, None],
            };
            match both {
                [Some(sin), Some(cos)] if val == sin.min(cos) => steps.push(Step::SinCos(sin, cos)),
                [Some(_), Some(_)] => {}
                _ => steps.push(Step::Value(val)),
            }
        }
        while let Some((_, index)) = checks.next_if(|&(at, _)| at == val) {
            steps.push(Step::Check(index));
        }
    }
    steps
}

/// The same steps for one machine function: what the calls need first, then the calls' own order, then the rest. No register of a
/// double survives a call, so what isn't needed for one is better computed after the last.
pub fn calls_first(func: &Func, steps: &[Step]) -> Vec<Step> {
    // What costs so much is a call; of what is cheaper, few operators are.
    const CALL: u32 = 15;
    let calls = |step: &Step| match *step {
        Step::Value(val) => func.inst(val).op().is_some_and(|op| op.row().cost >= CALL),
        Step::SinCos(..) => true,
        Step::Check(_) => true,
    };
    let deferred = deferred(func);
    let mut early = vec![false; func.len()];
    for step in steps.iter().rev() {
        let made = match *step {
            Step::Value(val) => [Some(val), None],
            Step::SinCos(sin, cos) => [Some(sin), Some(cos)],
            Step::Check(_) => [None, None],
        };
        if calls(step) || made.iter().flatten().any(|val| early[val.index()]) {
            let operands: Vec<Val> = match *step {
                Step::Value(val) | Step::SinCos(val, _) => operands(func, &deferred, val),
                Step::Check(index) => {
                    let check = func.checks[index as usize];
                    let site = func.operands(check.site).as_slice().to_vec();
                    site.into_iter().chain([check.guard]).collect()
                }
            };
            for val in made.into_iter().flatten().chain(operands) {
                early[val.index()] = true;
            }
        }
    }
    let is_early = |step: &&Step| match **step {
        Step::Value(val) | Step::SinCos(val, _) => early[val.index()],
        Step::Check(_) => true,
    };
    steps.iter().filter(is_early).chain(steps.iter().filter(|step| !is_early(step))).copied().collect()
}

/// The ends of the chunks.
fn cut(func: &Func, steps: &[Step], chunk: usize) -> Vec<usize> {
    let mut ends = Vec::new();
    let mut size = 0;
    for (index, step) in steps.iter().enumerate() {
        size += match step {
            Step::Value(val) => func.operands(*val).as_slice().len().div_ceil(3),
            Step::SinCos(..) | Step::Check(_) => 1,
        };
        if size >= chunk {
            ends.push(index + 1);
            size = 0;
        }
    }
    if ends.last() != Some(&steps.len()) {
        ends.push(steps.len());
    }
    ends
}

/// Gives each value that is used in a later chunk than its own a slot, until the chunk of its last use has ended.
fn assign_slots(func: &Func, plan: &mut Plan) {
    let deferred = deferred(func);
    let mut last = vec![0u32; func.len()];
    for chunk in 0..plan.ends.len() {
        let mut used = |val: Val| last[val.index()] = chunk as u32;
        for &step in plan.chunk(chunk) {
            match step {
                Step::Value(val) | Step::SinCos(val, _) => {
                    operands(func, &deferred, val).into_iter().for_each(&mut used)
                }
                Step::Check(index) => {
                    let check = func.checks[index as usize];
                    used(check.guard);
                    func.operands(check.site).iter().copied().for_each(&mut used);
                }
            }
        }
    }
    let mut slots = vec![NONE; func.len()];
    let mut free = Vec::new();
    // The slots whose last use is in each chunk.
    let mut ending: Vec<Vec<u32>> = vec![Vec::new(); plan.ends.len()];
    let mut tape = 0;
    for chunk in 0..plan.ends.len() {
        for &step in plan.chunk(chunk) {
            let (first, second) = match step {
                Step::Value(val) => (Some(val), None),
                Step::SinCos(sin, cos) => (Some(sin), Some(cos)),
                Step::Check(_) => (None, None),
            };
            for val in first.into_iter().chain(second) {
                let end = last[val.index()] as usize;
                if end > chunk {
                    let slot = free.pop().unwrap_or_else(|| {
                        tape += 1;
                        tape - 1
                    });
                    slots[val.index()] = slot;
                    ending[end].push(slot);
                }
            }
        }
        // Not earlier: this chunk reads them when it gets there.
        free.append(&mut ending[chunk]);
    }
    plan.slots = slots;
    plan.tape = tape as usize;
}
