//! Which instructions each part of the loops has.
//!
//! ```text
//! once                                   what depends on neither row nor turn (where there is no inner loop: not on the row)
//! for each pass, for each block of rows:
//!     begin                              what depends on the row alone; accumulators begin at 0
//!     for each 16 turns: turn            both
//!     end                                the last turns, and the sums
//! after                                  what was added up over all rows
//! ```
//!
//! A **pass** does the same number of rows at once, again and again; the rows that are left are done by later passes. What one part computes for
//! a later one is **pinned** in a register as far as there are some, or waits in memory.

use super::super::low::Inst;
use super::super::low::{At, Class, Id, Low, NONE, Pick, Program, RowOp};
use super::super::schedule::{pressure, schedule_within};
use super::super::{Unsupported, Width, lower};
use super::tree;
use super::{Nest, Read, Write, WriteKind};
use crate::ir::region::LANES;

/// About how many instructions are written out, rather than looped over.
const UNROLLED: usize = 160;

/// The most vectors of a row where there is no inner loop.
const VECTORS: usize = 16;

/// About how many instructions a block of rows has at most, for the sake of independent ones.
const BLOCK: usize = 192;

/// About how many instructions it takes to have a vector of turns that aren't next to each other, where many rows are.
const TRANSPOSED: usize = 4;

/// How far instructions move ahead of others.
const WINDOW: usize = 128;

/// How many rows a pass does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Turns {
    Known(usize),
    /// As many blocks as there are.
    Blocks,
    /// The rows that blocks of so many leave.
    Rest(usize),
}

pub struct Pass {
    /// At once.
    pub rows: usize,
    pub turns: Turns,
    pub begin: Vec<Id>,
    pub turn: Option<Vec<Id>>,
    pub end: Vec<Id>,
    /// What stays in registers from its computation in `begin`, or from the end of `begin`, to the end of the pass.
    pub pinned: Vec<Id>,
}

pub struct Built {
    pub program: Program,
    pub once: Vec<Id>,
    pub after: Vec<Id>,
    pub pinned: Vec<Id>,
    pub passes: Vec<Pass>,
    /// Values that wait in memory.
    pub waiting: Vec<Id>,
    pub n_variables: usize,
    /// Whether there is an inner loop.
    pub looped: bool,
}

/// What a value depends on.
const ROW: u8 = 1;
const TURN: u8 = 2;

pub fn build(nest: &Nest, width: Width) -> Result<Built, Unsupported> {
    let uniform = vec![false; nest.body.params.len()];
    let body = lower::lower(nest.body, &uniform, width)?;
    if nest.len.is_none() && nest.reads.iter().any(Read::is_strided) {
        return Err(Unsupported("an unknown number of turns that aren't next to each other in memory"));
    }
    let builder = Builder::new(nest, width, body);
    if builder.looped && nest.sums() > most_sums(width) {
        return Err(Unsupported("more sums than registers"));
    }
    Ok(builder.build())
}

/// How many sums a kernel has registers for, in which they stay while it loops over the turns; the others are for the turn itself.
pub fn most_sums(width: Width) -> usize {
    (registers(width) - 4) / (LANES / width.lanes())
}

/// A vector of turns.
#[derive(Clone, Copy)]
struct Vector {
    /// Its number, in the row or in 16 turns.
    at: u16,
    /// Which lanes there are; `NONE`: all.
    mask: Id,
    /// How many, if that is known.
    turns: usize,
}

impl Vector {
    /// Whether it is as long as shorter vectors are, which need no condition in memory.
    fn is_short(self, lanes: usize) -> bool {
        self.turns < lanes && self.turns.is_power_of_two()
    }
}

struct Builder<'a> {
    nest: &'a Nest<'a>,
    lanes: usize,
    /// The vectors of 16 turns.
    groups: usize,
    body: Program,
    /// Its instructions, in order.
    order: Vec<Id>,
    copies: Vec<Id>,
    program: Program,
    looped: bool,
    /// The rows of the pass in the making.
    at_once: usize,
    /// For each write: what is added up over all rows in registers, by vector.
    over_rows: Vec<Vec<Id>>,
}

/// What each part of a pass is for.
#[derive(Default)]
struct Parts {
    begin: Vec<Id>,
    turn: Vec<Id>,
    end: Vec<Id>,
    accumulators: Vec<Id>,
}

impl<'a> Builder<'a> {
    fn new(nest: &'a Nest<'a>, width: Width, body: Program) -> Builder<'a> {
        let lanes = width.lanes();
        let order = body.live().concat();
        let vectors = |len: usize| len.div_ceil(lanes);
        let strided = nest.reads.iter().filter(|read| read.is_strided()).count();
        let unrolls = |len: usize| {
            let work = if strided == 0 { order.len().max(1) } else { lanes * (order.len() + TRANSPOSED * strided) };
            vectors(len) <= VECTORS && vectors(len) * work <= UNROLLED
        };
        let looped = !nest.len.is_some_and(unrolls);
        let copies = vec![NONE; body.insts.len()];
        let over_rows = vec![Vec::new(); nest.writes.len()];
        let (mut program, groups) = (Program::new(width), LANES / lanes);
        program.calls.clone_from(&body.calls);
        Builder { nest, lanes, groups, body, order, copies, program, looped, at_once: 1, over_rows }
    }

    fn build(mut self) -> Built {
        let at_once = self.rows_at_once();
        let passes: Vec<(usize, Turns)> = match self.nest.rows {
            Some(rows) => {
                let blocks =
                    |rows: usize| std::iter::successors(Some(rows), |rows| Some(rows / 2)).take_while(|&n| n > 0);
                let known = |block: usize| if block == at_once { rows / block } else { rows % (2 * block) / block };
                let passes = blocks(at_once).map(|block| (block, Turns::Known(known(block))));
                passes.filter(|(_, turns)| *turns != Turns::Known(0)).collect()
            }
            None if at_once == 1 => vec![(1, Turns::Blocks)],
            None => vec![(at_once, Turns::Blocks), (1, Turns::Rest(at_once))],
        };
        // Whether everything is one part, that is done once, or never.
        let single = !self.looped && matches!(passes[..], [] | [(_, Turns::Known(1))]);
        let (mut once, mut after) = (Vec::new(), Vec::new());
        if !single {
            self.begin_over_rows(&mut once, &mut after);
        }
        let over_rows = once.clone();
        for (variable, read) in self.numbers(Read::Row) {
            let offset = self.row(RowOp::Offset(read), &[]);
            once.push(self.push(RowOp::SetVariable(variable), &[offset]));
        }
        let parts: Vec<Parts> = passes.iter().map(|&(rows, _)| self.pass(rows)).collect();
        let Builder { nest, program, looped, .. } = self;
        let n_variables = nest.reads.iter().filter(|read| matches!(read, Read::Row | Read::Turn)).count();
        let dependence = dependence(nest, &program);
        let mut division = Division { program, dependence, looped, single, waiting: Vec::new(), over_rows };
        let (once, pinned, passes) = division.divide(once, &passes, parts);
        let Division { program, waiting, .. } = division;
        Built { program, once, after, pinned, passes, waiting, n_variables, looped }
    }

    fn registers(&self) -> usize {
        registers(self.program.width)
    }

    fn written(&self, write: usize) -> u16 {
        (self.nest.reads.len() + write) as u16
    }

    /// The most rows that may be, and are worth being, computed at once.
    fn rows_at_once(&self) -> usize {
        let nest = self.nest;
        let most = nest.rows.unwrap_or(usize::MAX).min(self.lanes);
        let in_order = |write: &Write| match write.kind {
            WriteKind::Sum => write.row != 1,
            WriteKind::Add if write.row == 0 => false,
            // Rows that may overlap.
            WriteKind::Store | WriteKind::Add => nest.len.is_none_or(|len| write.row.unsigned_abs() < len),
        };
        if most < 2 || nest.writes.iter().any(in_order) {
            return 1;
        }
        let vectors = if self.looped { self.groups } else { nest.len.unwrap_or(0).div_ceil(self.lanes) };
        let sums = nest.sums();
        let strided = nest.reads.iter().filter(|read| read.is_strided()).count();
        let size = vectors * (self.order.len() + sums + TRANSPOSED * strided).max(1);
        let fits = |rows: usize| {
            let accumulators = if self.looped { rows * sums * self.groups } else { 0 };
            rows <= most && rows * size <= BLOCK && accumulators <= self.registers() / 2
        };
        [8, 4, 2].into_iter().find(|&rows| fits(rows)).unwrap_or(1)
    }

    /// Where a sum over all rows fits in registers, it begins there.
    fn begin_over_rows(&mut self, once: &mut Vec<Id>, after: &mut Vec<Id>) {
        let vectors = self.nest.len.unwrap_or(0).div_ceil(self.lanes);
        let mut left = self.registers() / 2;
        for (number, write) in self.nest.writes.iter().enumerate() {
            if self.looped || write.kind != WriteKind::Add || write.row != 0 || vectors > left {
                continue;
            }
            left -= vectors;
            for vector in self.vectors() {
                let at = At { array: self.written(number), row: 0, vector: vector.at };
                let before = self.element(at, vector);
                let accumulator = self.push(RowOp::Accumulator, &[before]);
                once.push(accumulator);
                after.push(self.put(at, accumulator, vector));
                self.over_rows[number].push(accumulator);
            }
        }
    }

    /// What each part of a pass does that does so many rows at once.
    fn pass(&mut self, rows: usize) -> Parts {
        self.at_once = rows;
        let mut parts = Parts::default();
        let sums = self.nest.sums();
        // By sum, row and vector of 16 turns.
        let mut accumulators = vec![NONE; sums * rows * self.groups];
        if self.looped {
            for accumulator in &mut accumulators {
                *accumulator = self.push(RowOp::Accumulator, &[]);
            }
            parts.begin.clone_from(&accumulators);
            parts.accumulators.clone_from(&accumulators);
            for (variable, read) in self.numbers(Read::Turn) {
                let (offset, lanes) = (self.row(RowOp::Offset(read), &[]), self.row(RowOp::Lanes(0), &[]));
                let first = self.program.add(Low::Add, &[offset, lanes]);
                parts.begin.push(self.push(RowOp::SetVariable(variable), &[first]));
            }
            let whole: Vec<Vector> =
                (0..self.groups).map(|at| Vector { at: at as u16, mask: NONE, turns: self.lanes }).collect();
            self.turns(&whole, rows, &mut accumulators.clone(), &mut parts.turn);
            for (variable, _) in self.numbers(Read::Turn) {
                let before = self.row(RowOp::Variable(variable), &[]);
                let next = self.plus(before, LANES);
                parts.turn.push(self.push(RowOp::SetVariable(variable), &[next]));
            }
        }
        let last = if self.looped { self.last_vectors() } else { self.vectors() };
        self.turns(&last, rows, &mut accumulators, &mut parts.end);
        self.sums(rows, &accumulators, &mut parts.end);
        for (variable, _) in self.numbers(Read::Row) {
            let before = self.row(RowOp::Variable(variable), &[]);
            let next = self.plus(before, rows);
            parts.end.push(self.push(RowOp::SetVariable(variable), &[next]));
        }
        parts
    }

    /// Some vectors of turns, of each row.
    fn turns(&mut self, vectors: &[Vector], rows: usize, accumulators: &mut [Id], roots: &mut Vec<Id>) {
        let nest = self.nest;
        for &vector in vectors {
            let results: Vec<Vec<Id>> = (0..rows).map(|row| self.instance(row, vector)).collect();
            let mut sums = accumulators.chunks_mut(rows * self.groups);
            for (number, write) in nest.writes.iter().enumerate() {
                let mut sums = if write.kind == WriteKind::Sum { sums.next() } else { None };
                // What all rows add to, where it isn't added up in a register.
                let mut shared = NONE;
                let mut over_rows = self.over_rows[number].get(usize::from(vector.at)).copied();
                for (row, results) in results.iter().enumerate() {
                    let (value, factor) = (results[write.value], write.factor.map_or(NONE, |factor| results[factor]));
                    if let Some(sums) = &mut sums {
                        let sum = &mut sums[row * self.groups + usize::from(vector.at) % self.groups];
                        *sum = self.accumulate(value, factor, *sum, vector.mask);
                        roots.push(*sum);
                        continue;
                    }
                    if let Some(sum) = &mut over_rows {
                        let args = [value, factor, *sum];
                        *sum = self.program.add(Low::Row(RowOp::Accumulate { in_place: true }), &args);
                        roots.push(*sum);
                        continue;
                    }
                    let at = At { array: self.written(number), row: row as u8, vector: vector.at };
                    match write.kind {
                        WriteKind::Add if write.row == 0 => {
                            let at = At { row: 0, ..at };
                            let before = if row == 0 { self.element(at, vector) } else { shared };
                            shared = self.plus_product(value, factor, before);
                            if row + 1 == rows {
                                roots.push(self.put(at, shared, vector));
                            }
                        }
                        WriteKind::Add => {
                            let before = self.element(at, vector);
                            let sum = self.plus_product(value, factor, before);
                            roots.push(self.put(at, sum, vector));
                        }
                        WriteKind::Store => roots.push(self.put(at, value, vector)),
                        WriteKind::Sum => unreachable!("sums have accumulators"),
                    }
                }
            }
        }
    }

    fn plus_product(&mut self, value: Id, factor: Id, before: Id) -> Id {
        if factor == NONE {
            return self.program.add(Low::Add, &[before, value]);
        }
        self.program.add(Low::Fma { negate_product: false, negate_addend: false }, &[value, factor, before])
    }

    /// The lanes of a sum after more turns; `NONE` is +0 in all lanes. Without a factor, a first value may be -0 instead of +0.
    fn accumulate(&mut self, value: Id, factor: Id, sum: Id, mask: Id) -> Id {
        let in_place = self.looped;
        let has_masks = self.program.width.has_masks();
        if factor == NONE && sum == NONE {
            return match mask {
                NONE => value,
                _ if has_masks => {
                    let zero = self.program.constant(0.0);
                    self.program.add(Low::Blend, &[mask, value, zero])
                }
                _ => self.program.add(Low::And, &[mask, value]),
            };
        }
        if mask == NONE || has_masks {
            return self.row(RowOp::Accumulate { in_place }, &[value, factor, sum, mask]);
        }
        let all = self.row(RowOp::Accumulate { in_place: false }, &[value, factor, sum, NONE]);
        if sum == NONE {
            return self.program.add(Low::And, &[mask, all]);
        }
        self.program.add(Low::Blend, &[mask, all, sum])
    }

    /// Sums of lanes, and where they go.
    fn sums(&mut self, rows: usize, accumulators: &[Id], roots: &mut Vec<Id>) {
        let nest = self.nest;
        let zero = self.program.constant(0.0);
        let sums = nest.writes.iter().enumerate().filter(|(_, write)| write.kind == WriteKind::Sum);
        for ((number, write), lanes) in sums.zip(accumulators.chunks(rows * self.groups)) {
            let vectors: Vec<Id> = lanes.chunks(self.groups).map(|groups| self.by_halves(groups)).collect();
            let mut sum = if vectors.contains(&NONE) { zero } else { tree::sums(&mut self.program, &vectors) };
            // Lanes that began with their first value, or that no turn reached, would have made +0 of -0.
            if !self.looped && (write.factor.is_none() || lanes.contains(&NONE)) {
                sum = self.program.add(Low::Add, &[sum, zero]);
            }
            let op = RowOp::PutSums { array: self.written(number), rows: rows as u8 };
            roots.push(self.push(op, &[sum]));
        }
    }

    /// The 16 lanes in one vector. Those that no turn reached are 0, and the last ones.
    fn by_halves(&mut self, groups: &[Id]) -> Id {
        let mut groups = groups.to_vec();
        while groups.len() > 1 {
            let upper = groups.split_off(groups.len() / 2);
            for (low, high) in groups.iter_mut().zip(upper).filter(|(_, high)| *high != NONE) {
                *low = self.program.add(Low::Add, &[*low, high]);
            }
        }
        groups[0]
    }

    /// The body's results for a row and a vector of turns.
    fn instance(&mut self, row: usize, vector: Vector) -> Vec<Id> {
        let mut results = vec![NONE; self.nest.body.results.len()];
        for index in 0..self.order.len() {
            let id = self.order[index];
            let mut inst = self.body.insts[id as usize];
            for arg in inst.args.iter_mut().filter(|arg| **arg != NONE) {
                *arg = match self.body.insts[*arg as usize].op {
                    Low::Column { column, .. } => self.read(column, row, vector),
                    Low::Cell(_) => {
                        let bits = self.body.constant_of(*arg).unwrap_or_default();
                        self.program.bits(bits)
                    }
                    _ => self.copies[*arg as usize],
                };
            }
            match inst.op {
                Low::Store { output, .. } => results[output as usize] = inst.args[0],
                op => self.copies[id as usize] = self.program.add(op, &inst.args),
            }
        }
        results
    }

    /// The vectors of a whole row.
    fn vectors(&mut self) -> Vec<Vector> {
        self.filled(self.nest.len.unwrap_or(0))
    }

    /// The vectors of the last turns behind a loop.
    fn last_vectors(&mut self) -> Vec<Vector> {
        match self.nest.len {
            Some(len) => self.filled(len % LANES),
            None => (0..self.groups).map(|at| self.vector(at, Some(at as u8), self.lanes)).collect(),
        }
    }

    fn filled(&mut self, turns: usize) -> Vec<Vector> {
        let vectors = turns.div_ceil(self.lanes);
        let lanes = self.lanes;
        let left = |at: usize| (turns - at * lanes).min(lanes);
        (0..vectors).map(|at| self.vector(at, (left(at) < lanes).then_some(0), left(at))).collect()
    }

    fn vector(&mut self, at: usize, mask: Option<u8>, turns: usize) -> Vector {
        let mask = mask.map_or(NONE, |mask| self.row(RowOp::Tail(mask), &[]));
        Vector { at: at as u16, mask, turns }
    }

    fn read(&mut self, read: u32, row: usize, vector: Vector) -> Id {
        let array = read as u16;
        let kind = self.nest.reads[read as usize];
        match kind {
            Read::Element { row: stride, turn } => {
                let row = if stride == 0 { 0 } else { row as u8 };
                if turn == 0 {
                    return self.row(RowOp::Element(At { array, row, vector: 0 }), &[]);
                }
                if kind.is_strided() {
                    let at = At { array, row, vector: vector.at };
                    let transposes = stride == 1 && self.at_once == self.lanes;
                    return if transposes { self.transposed(at, vector) } else { self.collected(at, vector) };
                }
                self.element(At { array, row, vector: vector.at }, vector)
            }
            Read::Turn if !self.looped => {
                let (offset, lanes) = (RowOp::Offset(array), RowOp::Lanes(vector.at * self.lanes as u16));
                let (offset, lanes) = (self.row(offset, &[]), self.row(lanes, &[]));
                self.program.add(Low::Add, &[offset, lanes])
            }
            Read::Row | Read::Turn => {
                let numbers = self.numbers(kind);
                let variable = numbers.iter().find(|(_, read)| *read == array).map_or(0, |(variable, _)| *variable);
                let first = self.row(RowOp::Variable(variable), &[]);
                self.plus(first, if kind == Read::Row { row } else { usize::from(vector.at) * self.lanes })
            }
        }
    }

    /// A vector of turns that aren't next to each other, element by element.
    fn collected(&mut self, at: At, vector: Vector) -> Id {
        let zero = self.program.constant(0.0);
        let singles: Vec<Id> = (0..self.lanes)
            .map(|lane| if lane < vector.turns { self.row(RowOp::Single(at, lane as u8), &[]) } else { zero })
            .collect();
        let mut vectors = self.pick_pairs(&singles, Pick::EvenLanes);
        let next = if self.lanes == 8 { Pick::EvenQuarters } else { Pick::LowHalves };
        while vectors.len() > 1 {
            vectors = self.pick_pairs(&vectors, next);
        }
        vectors[0]
    }

    /// The same, where as many rows as a vector has lanes are next to each other: of each turn all rows, exchanged.
    fn transposed(&mut self, at: At, vector: Vector) -> Id {
        let zero = self.program.constant(0.0);
        let rows: Vec<Id> = (0..self.lanes)
            .map(|lane| {
                let at = At { row: 0, ..at };
                if lane < vector.turns { self.row(RowOp::Across(at, lane as u8), &[]) } else { zero }
            })
            .collect();
        let row = usize::from(at.row);
        let mut vectors = self.pick_pairs(&rows, [Pick::EvenLanes, Pick::OddLanes][row % 2]);
        vectors = self.pick_pairs(&vectors, [Pick::LowHalves, Pick::HighHalves][2 * row / self.lanes]);
        if self.lanes == 8 {
            vectors = self.pick_pairs(&vectors, [Pick::EvenQuarters, Pick::OddQuarters][row / 2 % 2]);
        }
        vectors[0]
    }

    fn pick_pairs(&mut self, vectors: &[Id], pick: Pick) -> Vec<Id> {
        vectors.chunks(2).map(|pair| self.row(RowOp::Pick(pick), pair)).collect()
    }

    /// The variables of reads that are a number of this kind, and their arrays.
    fn numbers(&self, kind: Read) -> Vec<(u8, u16)> {
        let numbers = self.nest.reads.iter().enumerate().filter(|(_, read)| matches!(read, Read::Row | Read::Turn));
        let variables = numbers.enumerate().filter(|(_, (_, read))| **read == kind);
        variables.map(|(variable, (read, _))| (variable as u8, read as u16)).collect()
    }

    fn plus(&mut self, number: Id, more: usize) -> Id {
        if more == 0 {
            return number;
        }
        let more = self.program.constant(more as f64);
        self.program.add(Low::Add, &[number, more])
    }

    fn element(&mut self, at: At, vector: Vector) -> Id {
        match vector.mask {
            NONE => self.row(RowOp::Element(at), &[]),
            _ if vector.is_short(self.lanes) => self.row(RowOp::LoadFirst(at, vector.turns as u8), &[]),
            mask => self.row(RowOp::LoadWhere(at), &[mask]),
        }
    }

    fn put(&mut self, at: At, value: Id, vector: Vector) -> Id {
        if vector.is_short(self.lanes) {
            return self.push(RowOp::PutFirst(at, vector.turns as u8), &[value]);
        }
        self.push(RowOp::Put(at), &[value, vector.mask])
    }

    fn row(&mut self, op: RowOp, args: &[Id]) -> Id {
        self.program.add(Low::Row(op), args)
    }

    /// An instruction that is not shared.
    fn push(&mut self, op: RowOp, args: &[Id]) -> Id {
        self.program.push(Inst::new(Low::Row(op), args))
    }
}

fn registers(width: Width) -> usize {
    if width.has_masks() { 32 } else { 16 }
}

/// What each value depends on.
fn dependence(nest: &Nest, program: &Program) -> Vec<u8> {
    let of_array = |at: At| match nest.reads.get(usize::from(at.array)) {
        Some(&Read::Element { row, turn }) => (ROW * u8::from(row != 0)) | (TURN * u8::from(turn != 0)),
        _ => ROW | TURN,
    };
    let mut dependence: Vec<u8> = Vec::with_capacity(program.insts.len());
    let rows = |variable: u8| {
        let mut numbers = nest.reads.iter().filter(|read| matches!(read, Read::Row | Read::Turn));
        numbers.nth(usize::from(variable)) == Some(&Read::Row)
    };
    for inst in &program.insts {
        let own = match inst.op {
            Low::Row(
                RowOp::Element(at)
                | RowOp::LoadWhere(at)
                | RowOp::LoadFirst(at, _)
                | RowOp::Single(at, _)
                | RowOp::Across(at, _),
            ) => of_array(at),
            Low::Row(RowOp::Variable(variable)) if rows(variable) => ROW,
            Low::Row(RowOp::Offset(_) | RowOp::Lanes(_) | RowOp::Tail(_) | RowOp::Pick(_)) => 0,
            Low::Row(_) => ROW | TURN,
            _ => 0,
        };
        dependence.push(inst.args().fold(own, |all, arg| all | dependence[arg as usize]));
    }
    dependence
}

/// Which part computes what.
struct Division {
    program: Program,
    dependence: Vec<u8>,
    looped: bool,
    single: bool,
    waiting: Vec<Id>,
    over_rows: Vec<Id>,
}

/// The instructions that something depends on, in order, and what of earlier parts these use.
struct Gathered {
    insts: Vec<Id>,
    earlier: Vec<Id>,
}

impl Division {
    fn op(&self, id: Id) -> Low {
        self.program.insts[id as usize].op
    }

    fn is_once(&self, id: Id) -> bool {
        let inside = if self.looped { ROW | TURN } else { ROW };
        !self.single && self.dependence[id as usize] & inside == 0
    }

    /// Whether a pass computes it before the inner loop, or once.
    fn is_early(&self, id: Id) -> bool {
        self.is_once(id) || self.looped && self.dependence[id as usize] & TURN == 0
    }

    fn gather(&self, roots: &[Id], is_earlier: impl Fn(Id) -> bool) -> Gathered {
        let mut seen = vec![false; self.program.insts.len()];
        let mut insts: Vec<Id> = roots.iter().copied().filter(|&root| !self.op(root).is_memory()).collect();
        let mut earlier = Vec::new();
        roots.iter().for_each(|&root| seen[root as usize] = true);
        let mut next = 0;
        while next < insts.len() {
            for arg in self.program.insts[insts[next] as usize].args() {
                if std::mem::replace(&mut seen[arg as usize], true) || self.op(arg).is_memory() {
                    continue;
                }
                match self.op(arg) {
                    Low::Row(RowOp::Accumulator) => {}
                    _ if is_earlier(arg) => earlier.push(arg),
                    _ => insts.push(arg),
                }
            }
            next += 1;
        }
        // Variables change when everything has been computed.
        let is_last = |id: Id| matches!(self.op(id), Low::Row(RowOp::SetVariable(_)));
        insts.sort_unstable_by_key(|&id| (is_last(id), id));
        insts.dedup();
        Gathered { insts, earlier }
    }

    fn divide(
        &mut self,
        mut once: Vec<Id>,
        passes: &[(usize, Turns)],
        parts: Vec<Parts>,
    ) -> (Vec<Id>, Vec<Id>, Vec<Pass>) {
        let mut gathered = Vec::new();
        for part in parts {
            let turn = self.gather(&part.turn, |id| self.is_early(id));
            let end = self.gather(&part.end, |id| self.is_early(id));
            let (from_once, from_begin): (Vec<Id>, Vec<Id>) =
                turn.earlier.iter().chain(&end.earlier).partition(|&&id| self.is_once(id));
            let roots = [&part.begin[..], &from_begin].concat();
            let begin = self.gather(&roots, |id| self.is_once(id));
            let from_once = [&from_once[..], &begin.earlier].concat();
            once.extend(&from_once);
            gathered.push((part, begin, turn, end, from_begin, from_once));
        }
        let from_once: Vec<Id> = gathered.iter().flat_map(|parts| parts.5.iter().copied()).collect();
        once.sort_unstable();
        once.dedup();
        let once = self.gather(&once, |_| false).insts;

        // What is used most is pinned.
        let looped = self.looped;
        let hot = gathered.first().map_or(&[][..], |parts| if looped { &parts.2.insts } else { &parts.3.insts });
        let work = (pressure(&self.program, hot) + 3).clamp(6, registers(self.program.width) / 2);
        let accumulators = gathered.iter().map(|parts| parts.0.accumulators.len()).max().unwrap_or(0);
        let vectors = registers(self.program.width).saturating_sub(work + accumulators + self.over_rows.len());
        let mut budget = [vectors, 4];
        let mut pinned = self.over_rows.clone();
        if !self.single {
            pinned.extend(self.pin(hot, &mut budget, |id| self.is_once(id)));
        }
        self.wait(&from_once, &pinned, &[]);
        let mut all = Vec::new();
        for (&(rows, turns), (part, begin, turn, end, from_begin, _)) in passes.iter().zip(&gathered) {
            let mut own = part.accumulators.clone();
            if looped {
                let is_own = |id: Id| self.is_early(id) && !self.is_once(id);
                own.extend(self.pin(&turn.insts, &mut budget.clone(), is_own));
            }
            self.wait(from_begin, &pinned, &own);
            let taken = pinned.iter().chain(&own).filter(|&&id| self.program.class(id) == Class::Vector).count();
            let order = |insts: &[Id]| self.schedule(insts, taken);
            let turn = looped.then(|| order(&turn.insts));
            all.push(Pass { rows, turns, begin: order(&begin.insts), turn, end: order(&end.insts), pinned: own });
        }
        (self.schedule(&once, 0), pinned, all)
    }

    /// In a better order, but what is last stays last.
    fn schedule(&self, insts: &[Id], taken: usize) -> Vec<Id> {
        let limit = if self.program.width.has_masks() { 30 } else { 18 };
        let is_last = |id: &Id| matches!(self.op(*id), Low::Row(RowOp::SetVariable(_)));
        let (last, rest): (Vec<Id>, Vec<Id>) = insts.iter().partition(|id| is_last(id));
        let mut order = schedule_within(&self.program, rest, WINDOW, limit - taken as isize);
        order.extend(last);
        order
    }

    /// The values among operands of the hot part that are used most, as far as there are registers.
    fn pin(&self, hot: &[Id], budget: &mut [usize; 2], may: impl Fn(Id) -> bool) -> Vec<Id> {
        let mut uses: Vec<u32> = vec![0; self.program.insts.len()];
        let mut candidates = Vec::new();
        for arg in hot.iter().flat_map(|&id| self.program.insts[id as usize].args()) {
            if uses[arg as usize] == 0 && may(arg) && !matches!(self.op(arg), Low::Row(RowOp::Accumulator)) {
                candidates.push(arg);
            }
            uses[arg as usize] += 1;
        }
        candidates.sort_by_key(|&id| std::cmp::Reverse(uses[id as usize]));
        candidates.retain(|&id| {
            let left = &mut budget[self.program.class(id) as usize];
            let fits = *left > 0;
            *left -= usize::from(fits);
            fits
        });
        candidates
    }

    /// What isn't pinned waits in memory.
    fn wait(&mut self, values: &[Id], pinned: &[Id], own: &[Id]) {
        for &id in values {
            if !pinned.contains(&id) && !own.contains(&id) && !self.waiting.contains(&id) {
                self.waiting.push(id);
            }
        }
    }
}
