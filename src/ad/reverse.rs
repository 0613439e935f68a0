//! Reverse mode: adjoints of outputs go back to inputs.
//!
//! The instructions of one scope are swept from the last to the first. A region is one instruction of its scope; its pullback sweeps
//! its body, which is a scope of its own (see `pullback`).
//!
//! The adjoint of a number is the sum of what its users send back. The adjoint of an array is made of [`Part`]s: elements and rows that reads
//! send back, whole arrays that regions do. They become one array when the instruction that defines it is reached.

use std::rc::Rc;

use hashbrown::{HashMap, HashSet};

use super::active::Active;
use super::initial::Making;
use super::residual::Extents;
use super::rules::rule;
use super::zero;
use crate::ir::guard::{Guards, Steep};
use crate::ir::slots::Slots;
use crate::ir::{Builder, Cell, Func, Inst, Loop, Region, Update, UpdateKind, Val};
use crate::ops::{Op, Type};

/// Pulls adjoints of outputs (each with its seed) back to inputs. `None`: no output depends on the input. The adjoint of an array has
/// its shape.
///
/// One sweep from the last instruction to the first, for any number of inputs; at most a small constant number of operations
/// for each active instruction.
pub fn adjoints(builder: &mut Builder, seeds: &[(Val, Val)], inputs: &[Val]) -> Vec<Option<Val>> {
    let outputs: Vec<Val> = seeds.iter().map(|&(output, _)| output).collect();
    let active = Active::between(builder, inputs, &outputs);
    let steep = active.vals().any(|val| chooses(builder.func(), val)).then(|| Rc::new(Steep::of(builder.func())));
    let extents = Extents::of(builder.func());
    let mut sweep = Sweep {
        builder,
        active: &active,
        steep,
        extents,
        forward: HashSet::new(),
        turns: Vec::new(),
        making: Vec::new(),
    };
    let mut scope = Scope::dense(&active);
    let nodes: Vec<Val> = active.vals().filter(|&val| active.contains(val)).collect();
    let ends: Vec<Val> = outputs.iter().chain(inputs).copied().collect();
    sweep.guard(&mut scope, &nodes, |builder, _| {
        let always = builder.bool(true);
        ends.iter().map(|&end| (end, always)).collect()
    });
    for &(output, seed) in seeds {
        if active.contains(output) {
            sweep.send_whole(&mut scope, output, seed);
        }
    }
    sweep.run(&mut scope, &nodes);
    inputs.iter().map(|&input| if active.contains(input) { sweep.total(&scope, input) } else { None }).collect()
}

/// Whether only some of what an instruction is computed from matters.
fn chooses(func: &Func, val: Val) -> bool {
    let is_partial = |guard: Val| func.inst(guard) != Inst::Bool(true);
    match func.inst(val) {
        Inst::Region(region) => {
            let region = func.region(region);
            region.cells.iter().flat_map(|cell| &cell.updates).any(|update| is_partial(update.guard))
                || region.reductions.iter().any(|each| is_partial(each.guard) || matches!(each.op, Op::Min | Op::Max))
        }
        inst => inst.op().is_some_and(Op::chooses),
    }
}

/// One reverse sweep, in all its scopes.
pub(super) struct Sweep<'a> {
    pub builder: &'a mut Builder,
    pub active: &'a Active,
    steep: Option<Rc<Steep>>,
    pub extents: Extents,
    /// The regions that compute again what a primal region does, and keep more of it.
    pub forward: HashSet<Val>,
    /// The loops around what is swept, from the outermost.
    pub turns: Vec<Loop>,
    /// The cells that are being made there.
    pub making: Vec<Making>,
}

/// The adjoints of the instructions of one scope, and of what the scope takes from outside.
pub(super) struct Scope {
    bars: Slots<Bar>,
    pub guards: Option<Guards>,
}

#[derive(Clone)]
pub(super) enum Bar {
    Number(Val),
    Array(Vec<Part>),
}

/// A part of the adjoint of an array: `bar[subscripts] += value` where `guard` is true. Without subscripts, the whole.
#[derive(Clone, PartialEq)]
pub(super) struct Part {
    pub subscripts: Vec<Val>,
    pub value: Val,
    pub guard: Val,
}

impl Scope {
    fn dense(active: &Active) -> Scope {
        Scope { bars: Slots::dense(active.first(), active.len()), guards: None }
    }

    pub fn sparse() -> Scope {
        Scope { bars: Slots::sparse(), guards: None }
    }

    /// What has an adjoint, in order.
    pub fn reached(&self) -> Vec<Val> {
        self.bars.keys()
    }

    pub fn bar(&self, val: Val) -> Option<&Bar> {
        self.bars.get(val)
    }

    /// Puts other parts in the place of those of an array.
    pub fn replace(&mut self, val: Val, parts: Vec<Part>) {
        self.bars.remove(val);
        if !parts.is_empty() {
            self.bars.insert(val, Bar::Array(parts));
        }
    }

    fn guard_of(&self, builder: &mut Builder, val: Val) -> Val {
        match &self.guards {
            Some(guards) => guards.get(val),
            None => builder.bool(true),
        }
    }
}

impl Sweep<'_> {
    /// Finds out where the slopes of a scope matter, if that isn't everywhere.
    pub fn guard(
        &mut self,
        scope: &mut Scope,
        nodes: &[Val],
        roots: impl FnOnce(&mut Builder, &Rc<Steep>) -> Vec<(Val, Val)>,
    ) {
        if let Some(steep) = self.steep.clone() {
            let roots = roots(self.builder, &steep);
            scope.guards = Some(Guards::of_slopes(self.builder, nodes, &roots, &steep));
        }
    }

    /// From the last instruction of a scope to the first.
    pub fn run(&mut self, scope: &mut Scope, nodes: &[Val]) {
        let mut results: HashMap<Val, Vec<(usize, Val)>> = HashMap::new();
        for &val in nodes.iter().rev().filter(|&&val| self.active.contains(val)) {
            self.builder.span = self.builder.func().span(val);
            match self.builder.func().inst(val) {
                Inst::Region(region) => {
                    let Some(bars) = results.remove(&val) else { continue };
                    let region = self.builder.func().region(region).clone();
                    self.pull_back(scope, val, &region, &bars);
                }
                Inst::Result(region, number) => {
                    if let Some(bar) = self.bar_of_result(scope, val, region) {
                        results.entry(region).or_default().push((number as usize, bar));
                    }
                }
                Inst::Read(list) => {
                    let list = self.builder.func().list(list).to_vec();
                    if !self.active.contains(list[0]) {
                        continue;
                    }
                    for part in self.parts(scope, val) {
                        let subscripts = [&list[1..], &part.subscripts].concat();
                        self.send_part(scope, val, list[0], Part { subscripts, ..part });
                    }
                }
                _ => self.by_rules(scope, val),
            }
        }
    }

    fn by_rules(&mut self, scope: &mut Scope, val: Val) {
        let Some(&Bar::Number(bar)) = scope.bars.get(val) else { return };
        for slot in 0..self.builder.func().operands(val).as_slice().len() {
            let operand = self.builder.func().operands(val).as_slice()[slot];
            if !self.active.contains(operand) {
                continue;
            }
            // Through a `select` the seed passes as it is, and is masked like any other contribution.
            let term = match self.builder.func().inst(val) {
                Inst::Ternary(Op::Select, ..) => Some(bar),
                _ => rule(self.builder, val, slot, bar),
            };
            let Some(mut term) = term else { continue };
            if let Some(guards) = &scope.guards {
                let edge = guards.edge(self.builder, val, slot, guards.get(val));
                let condition = new_condition(self.builder, edge, guards.get(operand));
                term = where_true(self.builder, condition, term);
            }
            self.add(scope, operand, term);
        }
    }

    /// A contribution that counts where `edge` is true: a number, or a whole array.
    pub fn send(&mut self, scope: &mut Scope, edge: Val, to: Val, value: Val) {
        if !self.active.contains(to) {
            return;
        }
        let guard = scope.guard_of(self.builder, to);
        let condition = new_condition(self.builder, edge, guard);
        if self.builder.func().is_array(to) {
            self.push(scope, to, Part { subscripts: Vec::new(), value, guard: condition });
        } else {
            let term = where_true(self.builder, condition, value);
            self.add(scope, to, term);
        }
    }

    fn send_whole(&mut self, scope: &mut Scope, to: Val, value: Val) {
        let always = self.builder.bool(true);
        self.send(scope, always, to, value);
    }

    /// A part that `user` sends to an array.
    pub fn send_part(&mut self, scope: &mut Scope, user: Val, to: Val, part: Part) {
        let (edge, guard) = (scope.guard_of(self.builder, user), scope.guard_of(self.builder, to));
        let condition = new_condition(self.builder, edge, guard);
        let guard = self.builder.binary(Op::And, part.guard, condition);
        self.push(scope, to, Part { guard, ..part });
    }

    fn add(&mut self, scope: &mut Scope, to: Val, term: Val) {
        let sum = match scope.bars.get(to) {
            Some(&Bar::Number(sum)) => self.builder.binary(Op::Add, sum, term),
            _ => term,
        };
        scope.bars.insert(to, Bar::Number(sum));
    }

    pub fn push(&mut self, scope: &mut Scope, to: Val, part: Part) {
        let mut parts = match scope.bars.remove(to) {
            Some(Bar::Array(parts)) => parts,
            _ => Vec::new(),
        };
        parts.push(part);
        scope.bars.insert(to, Bar::Array(parts));
    }

    /// The adjoint of a number or of an array, in parts.
    pub fn parts(&mut self, scope: &Scope, val: Val) -> Vec<Part> {
        match scope.bars.get(val) {
            None => Vec::new(),
            Some(&Bar::Number(value)) => {
                vec![Part { subscripts: Vec::new(), value, guard: self.builder.bool(true) }]
            }
            Some(Bar::Array(parts)) => parts.clone(),
        }
    }

    /// The adjoint of a result of a region, wherever any of the region's results matters: 0 where this one doesn't.
    fn bar_of_result(&mut self, scope: &Scope, val: Val, region: Val) -> Option<Val> {
        let (edge, guard) = (scope.guard_of(self.builder, val), scope.guard_of(self.builder, region));
        let condition = new_condition(self.builder, edge, guard);
        if !self.builder.func().is_array(val) {
            let bar = self.total(scope, val)?;
            return Some(where_true(self.builder, condition, bar));
        }
        let mut parts = self.parts(scope, val);
        for part in &mut parts {
            part.guard = self.builder.binary(Op::And, part.guard, condition);
        }
        self.sum_of_parts(val, parts)
    }

    /// The adjoint of a value as one value.
    pub fn total(&mut self, scope: &Scope, val: Val) -> Option<Val> {
        let parts = self.parts(scope, val);
        self.sum_of_parts(val, parts)
    }

    fn sum_of_parts(&mut self, val: Val, parts: Vec<Part>) -> Option<Val> {
        match parts.as_slice() {
            [] => None,
            [Part { subscripts, value, guard }]
                if subscripts.is_empty() && self.builder.func().inst(*guard) == Inst::Bool(true) =>
            {
                Some(*value)
            }
            _ => {
                let shape = self.builder.func().shape(val).to_vec();
                let cell = cell_of_parts(self.builder.func(), &[], &shape, parts);
                let region = self.builder.region(Region { cells: Box::new([cell]), ..Region::default() });
                Some(self.builder.result(region, 0))
            }
        }
    }

    /// The adjoint of a value as one value, 0 if nothing comes back.
    pub fn total_or_zero(&mut self, scope: &Scope, val: Val) -> Val {
        self.total(scope, val).unwrap_or_else(|| zero(self.builder, val))
    }
}

/// What is new in the condition `edge` of a contribution to something that matters where `guard` is true: where it doesn't, its adjoint is
/// never looked at.
fn new_condition(builder: &mut Builder, edge: Val, guard: Val) -> Val {
    if edge == guard {
        return builder.bool(true);
    }
    match builder.func().inst(edge) {
        Inst::Binary(Op::And, a, b) if a == guard => b,
        Inst::Binary(Op::And, a, b) if b == guard => a,
        _ => edge,
    }
}

/// A contribution, or 0 where it doesn't count.
pub(super) fn where_true(builder: &mut Builder, condition: Val, term: Val) -> Val {
    let zero = builder.f64(0.0);
    builder.select(condition, term, zero)
}

/// The cell of a region with these indices that is made of parts. Where no two turns and no two parts can meet, they are stored.
pub(super) fn cell_of_parts(func: &Func, indices: &[Val], shape: &[usize], parts: Vec<Part>) -> Cell {
    let alone = |part: &Part| indices.iter().all(|index| part.subscripts.contains(index));
    let meet = |(number, part): (usize, &Part)| parts[..number].iter().any(|other| !are_apart(func, part, other));
    let kind = match parts.iter().all(alone) && !parts.iter().enumerate().any(meet) {
        true => UpdateKind::Store,
        false => UpdateKind::Add,
    };
    let update = |part: &Part| {
        // `if(c, v, 0)` is added where `c` is true.
        let (value, guard) = match func.inst(part.value) {
            Inst::Ternary(Op::Select, condition, value, rest)
                if func.inst(part.guard) == Inst::Bool(true) && func.constant(rest) == Some(0.0) =>
            {
                (value, condition)
            }
            _ => (part.value, part.guard),
        };
        Update { kind, subscripts: part.subscripts.clone().into(), value, factor: None, guard }
    };
    Cell { ty: Type::F64, shape: shape.into(), bound: None, init: None, updates: parts.iter().map(update).collect() }
}

/// Whether two parts never touch the same element: somewhere their subscripts are different constants.
fn are_apart(func: &Func, a: &Part, b: &Part) -> bool {
    a.subscripts.iter().zip(&b.subscripts).any(|(&a, &b)| func.int(a).zip(func.int(b)).is_some_and(|(a, b)| a != b))
}
