//! Optimisation: functions from graph to graph, each with its law.
//!
//! Most of the work is done where graphs are made: sharing, folding and exact identities happen in
//! [`Builder::emit`]. What is here looks at a whole graph.

pub mod loops;
pub mod relax;

pub use relax::{Relaxation, relax};

use crate::ir::{Builder, Check, Func, Inst, Output, Region, Val, places};
use crate::ops::Op;

/// The same function without what no result and no check depends on.
///
/// The order of what stays is kept, arguments first and constants where they are first used: as the text form reads.
pub fn compact(func: &Func) -> Func {
    rebuild(func, |pass, val| pass.copy(val))
}

/// The last pass before code: `stop(x)` has done its work when no derivative follows, and becomes `x`.
pub fn release(func: &Func) -> Func {
    rebuild(func, |pass, val| match pass.from.inst(val) {
        Inst::Unary(Op::Stop, a) => pass.get(a),
        _ => pass.copy(val),
    })
}

/// A function being built anew from another, instruction by instruction.
pub(crate) struct Rebuild<'a> {
    pub from: &'a Func,
    pub builder: Builder,
    map: Vec<Option<Val>>,
}

impl Rebuild<'_> {
    /// What has become of a value of the old function.
    pub fn get(&mut self, old: Val) -> Val {
        if let Some(new) = self.map[old.index()] {
            return new;
        }
        debug_assert!(!self.from.inst(old).is_made(), "what is made has been visited");
        let new = self.builder.constant(self.from, old);
        self.map[old.index()] = Some(new);
        new
    }

    /// The same region of what has become of what it names.
    pub fn region(&mut self, region: &Region) -> Region {
        region.rebind(|name| self.get(name)).map(|used| self.get(used))
    }

    /// The same instruction on what has become of its operands.
    pub fn copy(&mut self, val: Val) -> Val {
        let operands = self.from.operands(val);
        let args: Vec<Val> = operands.iter().map(|&operand| self.get(operand)).collect();
        match self.from.inst(val) {
            Inst::Bound(_) => self.builder.bound(self.from.ty(val), self.from.shape(val)),
            Inst::Read(_) => self.builder.read(args[0], &args[1..]),
            Inst::Result(_, number) => self.builder.result(args[0], number as usize),
            Inst::Region(region) => {
                let region = self.region(self.from.region(region));
                self.builder.region(region)
            }
            inst => match inst.op() {
                Some(op) => self.builder.emit(op, &args),
                None => self.get(val),
            },
        }
    }
}

/// Builds a function anew: `step` says what becomes of each live instruction, operands first.
pub(crate) fn rebuild(func: &Func, step: impl FnMut(&mut Rebuild, Val) -> Val) -> Func {
    rebuild_in(func, &func.live(), order(func, |val| needs(func, val)), step)
}

/// The same of what the caller says is live, in an order of the caller's.
fn rebuild_in(func: &Func, live: &[bool], order: Vec<Val>, mut step: impl FnMut(&mut Rebuild, Val) -> Val) -> Func {
    let mut pass = Rebuild { from: func, builder: Builder::new(&func.name), map: vec![None; func.len()] };
    pass.builder.copy_params(func);
    // Arguments come first and in their order, wherever the old function has them.
    let mut params: Vec<(u32, Val)> = func
        .vals()
        .filter_map(|val| match func.inst(val) {
            Inst::Param(index) => Some((index, val)),
            _ => None,
        })
        .collect();
    params.sort_unstable();
    for (_, val) in params {
        pass.builder.span = func.span(val);
        pass.map[val.index()] = Some(pass.builder.constant(func, val));
    }
    pass.builder.params();
    for val in order {
        if live[val.index()] && pass.map[val.index()].is_none() && func.inst(val).is_made() {
            pass.builder.span = func.span(val);
            pass.map[val.index()] = Some(step(&mut pass, val));
        }
    }
    for check in func.checks.iter().filter(|check| live[check.site.index()]) {
        let (site, guard) = (pass.get(check.site), pass.get(check.guard));
        if pass.builder.func().may_fault(site) {
            pass.builder.check(Check { guard, site, ..*check });
        }
    }
    let results: Vec<Output> =
        func.results.iter().map(|result| Output { name: result.name.clone(), value: pass.get(result.value) }).collect();
    // What differed may have become one.
    let roots: Vec<Val> = results.iter().map(|result| result.value).collect();
    places::settle(&mut pass.builder, &roots);
    pass.builder.finish(results)
}

/// The order in which to build, which is the order in which the text form reads: the members of a body just before their region,
/// and before those what the region and its checks take from outside.
fn order(func: &Func, needs: impl Fn(Val) -> Vec<Val>) -> Vec<Val> {
    if !func.has_regions() {
        return func.vals().collect();
    }
    let mut order = Vec::with_capacity(func.len());
    let mut state = vec![State::New; func.len()];
    let mut stack: Vec<Val> = func.vals().rev().filter(|&val| func.free(val).is_empty()).collect();
    while let Some(&val) = stack.last() {
        match state[val.index()] {
            State::New => {
                state[val.index()] = State::Open;
                let is_new = |val: &Val| state[val.index()] == State::New;
                stack.extend(needs(val).into_iter().filter(is_new).rev());
            }
            State::Open => {
                state[val.index()] = State::Done;
                order.push(val);
                stack.pop();
            }
            State::Done => {
                stack.pop();
            }
        }
    }
    order
}

/// What must be there before an instruction, in order.
fn needs(func: &Func, val: Val) -> Vec<Val> {
    let operands = func.operands(val).as_slice().to_vec();
    let Inst::Region(region) = func.inst(val) else { return operands };
    let region = func.region(region);
    let binds: Vec<Val> = region.binds().collect();
    let body = func.body(region);
    let outside = body.iter().flat_map(|&member| func.operands(member).as_slice().to_vec());
    let outside = outside.filter(|&used| func.inst(used).computes() && !func.depends(used, &binds));
    let mut needs = operands;
    needs.extend(outside);
    needs.extend(func.guards_inside(region));
    needs.sort_unstable();
    needs.dedup();
    needs.extend(binds);
    needs.extend(body);
    needs
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    New,
    Open,
    Done,
}
