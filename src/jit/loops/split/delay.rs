//! Additions that are put off.
//!
//! A recurrence run backwards adds a product of vectors to each matrix in every turn, and no turn reads these sums:
//!
//! ```text
//! for t { δ = …;  for i, j { W_bar[i, j] += δ[i]*h[t, j] } }
//! ```
//!
//! The matrix goes through the processor in every turn. Instead the `δ` of some turns are kept, and then all additions of these
//! turns are made, row by row, each element in a register:
//!
//! ```text
//! for t { δ[t mod B] = …;  if t is the last of B { for i, t in the B turns, j { W_bar[i, j] += δ[t mod B, i]*h[t, j] } } }
//! ```
//!
//! Each element gets the same terms in the same order, so the bits are the same. What of a term depends on the row alone is kept, in a
//! **ring** of `B` rows; the rest must be elements of arrays that the turns don't make.

use super::{Batching, Phases, Splitting, Steps, push};
use crate::ir::{Func, Inst, Loop, UpdateKind, Val};
use crate::jit::loops::kernel::{Base, Call, Lows, Ring, Spot, Turns, Update};
use crate::jit::loops::linear::Axes;
use crate::jit::loops::plan::{Buffer, ELEMENT, Home, Nest};
use crate::ops::Type;
use crate::wide::rows::WriteKind;

/// Additions that are made after the last of some turns.
#[derive(Debug)]
pub struct Delayed {
    /// Of so many turns at once, a power of two; turns are counted from 0.
    pub turns: usize,
    /// The loop around the calls.
    pub around: Loop,
    pub calls: Vec<Call>,
}

/// A matrix has at least so many elements, and the loop around at least so many turns.
const ELEMENTS: usize = 512;
const FEWEST: usize = 16;

/// So many elements of the rows that are read should stay close.
const NEAR: usize = 4096;
const MOST: usize = 64;

/// The most pieces of a row.
const PIECES: usize = 32;

/// The loop whose turns make rows, and what is around it.
struct Rows<'s, 'p> {
    batching: Batching<'s>,
    each: Steps,
    phases: &'p Phases,
    /// How many turns are put together.
    turns: usize,
}

/// How a matrix is walked through: the loop of the region inside, and which loop goes along rows of the matrix and which one around. Where it
/// is added to by columns, the loop around the region inside goes along its rows.
#[derive(Clone, Copy)]
struct Ways {
    turn: Steps,
    along: Steps,
    around: Loop,
}

/// An addition in the region inside: which cell, where to, and what.
struct Addition {
    cell: usize,
    spot: Spot,
    value: Val,
    factor: Option<Val>,
}

impl<'s> Splitting<'_, 's> {
    /// Puts off what can be of the regions inside of the loop `each`.
    pub fn put_off_all(&mut self, inside: &[(usize, &'s Nest)], each: Steps, phases: &Phases) {
        let Some(batching) = self.batching.filter(|batching| batching.turns >= FEWEST) else { return };
        if self.region.loops.len() > 1 {
            return;
        }
        // One ring may serve several matrices.
        let loops = inside.iter().map(|(_, inner)| self.func.region(inner.region).loops[0]);
        let lengths = loops.filter_map(|each| Some(self.steps_of(&each)?.most));
        let longest = lengths.fold(each.most, usize::max);
        let turns = (NEAR / longest).clamp(FEWEST, MOST).next_power_of_two();
        let rows = Rows { batching, each, phases, turns };
        for &(_, inner) in inside {
            let before = self.ranges.enter(self.func.region(inner.region));
            for across in [false, true] {
                let (homes, wanted) = (self.kept.homes.clone(), self.kept.wanted.len());
                let buffers = self.buffers.len();
                if self.put_off(&rows, inner, across).is_none() {
                    self.kept.homes = homes;
                    self.kept.wanted.truncate(wanted);
                    self.buffers.truncate(buffers);
                }
            }
            self.ranges.leave(before);
        }
    }

    fn put_off(&mut self, rows: &Rows<'s, '_>, inner: &Nest, across: bool) -> Option<()> {
        let inner_loop = self.func.region(inner.region).loops[0];
        let turn = self.steps_of(&inner_loop)?;
        let ways = if across {
            Ways { turn, along: rows.each, around: inner_loop }
        } else {
            Ways { turn, along: turn, around: self.region.loops[0] }
        };
        let (Turns::Known(len), Turns::Known(_)) = (ways.along.turns, turn.turns) else { return None };
        let lanes = self.width.lanes();
        if len < lanes || rows.each.most.saturating_mul(turn.most) < ELEMENTS {
            return None;
        }
        let cells = 0..inner.cells.len();
        let additions: Vec<Addition> = cells.filter_map(|cell| self.addition(rows, inner, cell, ways)).collect();
        // As many elements at once as stay in half of the registers.
        let (vectors, budget) = (len.div_ceil(lanes), 2 * lanes);
        let at_once = additions.len().min((budget / vectors).max(4));
        if at_once == 0 {
            return None;
        }
        let piece = lanes * vectors.min(budget / at_once);
        if len.div_ceil(piece) > PIECES {
            return None;
        }
        let (pieces, rest) = (len / piece, len % piece);
        let mut calls = Vec::new();
        for additions in additions.chunks(at_once) {
            if pieces > 0 {
                let call = self.together(rows, additions, ways.piece(piece))?;
                calls.extend((0..pieces).map(|number| call.at(number * piece)));
            }
            if rest > 0 {
                let call = self.together(rows, additions, ways.piece(rest))?;
                calls.push(call.at(pieces * piece));
            }
        }
        self.put_off.extend(additions.iter().map(|addition| (inner.val, addition.cell)));
        self.delayed.push(Delayed { turns: rows.turns, around: ways.around, calls });
        Some(())
    }

    /// What a cell of the region inside adds to a cell of the region whose turns are put together.
    fn addition(&self, rows: &Rows, inner: &Nest, number: usize, ways: Ways) -> Option<Addition> {
        let (func, batching) = (self.func, &rows.batching);
        let cell = &func.region(inner.region).cells[number];
        let update = &cell.updates[0];
        let Home::Row { cell: around, update: at, adds, .. } = inner.cells[number].home else { return None };
        let Home::Row { cell: outermost, update: row, .. } = self.nest.cells[around].home else { return None };
        let (outer, target) = (&self.region.cells[around], &batching.region.cells[outermost]);
        let is_added = adds || self.kind(around, update.kind) == UpdateKind::Add;
        let others = target.updates.iter().enumerate().filter(|&(number, _)| number != row);
        let is_apart = |other: &[Val]| {
            let mut pairs = other.iter().zip(&target.updates[row].subscripts);
            pairs.any(|(&a, &b)| matches!((func.inst(a), func.inst(b)), (Inst::Int(a), Inst::Int(b)) if a != b))
        };
        let is_alone = target.bound.is_none()
            && outer.updates.len() == 1
            && others.into_iter().all(|(_, other)| is_apart(&other.subscripts));
        if !is_added || !is_alone || func.inst(update.guard) != Inst::Bool(true) {
            return None;
        }
        let subscripts =
            [&*target.updates[row].subscripts, &*outer.updates[at].subscripts, &*update.subscripts].concat();
        if subscripts.len() != target.shape.len() {
            return None;
        }
        let place = self.ranges.place(&target.shape, &subscripts, &rows.axes(ways.along))?;
        let is_index_or_old = |&(val, _): &(Val, i64)| val == ways.around.index || !rows.is_new(func, val);
        let is_row = place.row == 0 && place.turn == 1 && place.terms.iter().all(is_index_or_old);
        let parts = [Some(update.value), update.factor];
        let fits = is_row && parts.into_iter().flatten().all(|part| self.is_made_of_rows(rows, part, ways));
        let spot = Spot::first(Base::Cell(outermost), &place, Lows { row: 0, turn: ways.along.low })?;
        fits.then_some(Addition { cell: number, spot, value: update.value, factor: update.factor })
    }

    /// Whether a value is made of values of the row, and of elements of arrays that the turns don't make.
    fn is_made_of_rows(&self, rows: &Rows, root: Val, Ways { turn, along, .. }: Ways) -> bool {
        let func = self.func;
        let axes = rows.axes(turn);
        // What neither the turns nor the elements of a row change must be a number that is known before the loops.
        let changes = |subscript: &Val| func.depends(*subscript, &[rows.batching.each.index, along.index]);
        let is_old = |val: Val| !rows.is_new(func, val) && !func.depends(val, &[rows.each.index]);
        let moves = |subscript: Val| {
            let linear = self.ranges.linear(subscript, &axes);
            linear.is_some_and(|linear| linear.terms.iter().all(|term| is_old(term.0)))
        };
        let mut stack = vec![root];
        while let Some(val) = stack.pop() {
            let fits = match func.inst(val) {
                _ if is_old(val) && !func.depends(val, &[turn.index]) => true,
                _ if rows.has(func, val, turn) => {
                    let home = self.kept.homes.get(&val);
                    home.map_or_else(|| rows.phases.contains_key(&val), |home| matches!(home.base, Base::Ring(_)))
                }
                Inst::Read(list) => {
                    let list = func.list(list);
                    let is_apart = is_old(list[0]) && !func.depends(list[0], &[turn.index]);
                    is_apart && list[1..].iter().any(changes) && list[1..].iter().all(|&subscript| moves(subscript))
                }
                inst if inst.op().is_some() && func.ty(val) != Type::Int => {
                    stack.extend(func.operands(val).iter());
                    true
                }
                _ => false,
            };
            if !fits {
                return false;
            }
        }
        true
    }

    /// A call that makes additions to the first elements of a row.
    fn together(&mut self, rows: &Rows<'s, '_>, additions: &[Addition], ways: Ways) -> Option<Call> {
        for part in additions.iter().flat_map(|addition| [Some(addition.value), addition.factor]).flatten() {
            self.keep_in_rings(rows, part, ways.turn);
        }
        let update = |addition: &Addition| Update {
            kind: WriteKind::Add,
            row: 0,
            value: addition.value,
            factor: addition.factor,
            guard: None,
            to: addition.spot.clone(),
        };
        let lows = Lows { row: 0, turn: ways.along.low };
        let updates = additions.iter().map(update).collect();
        let mut draft = self.make(rows.axes(ways.along), lows, rows.each.most, updates, &|_, _| false)?;
        draft.in_a_batch(rows.batching.each);
        let (buffers, width, batching) = (&mut *self.buffers, self.width, rows.batching);
        let mut room = |bytes: usize| push(buffers, Buffer::within(bytes, batching.during));
        draft.compile(Turns::Batch, Turns::Known(ways.along.most), width, &mut room).ok()
    }

    /// Gives what is of the row a ring.
    fn keep_in_rings(&mut self, rows: &Rows, root: Val, turn: Steps) {
        let mut stack = vec![root];
        while let Some(val) = stack.pop() {
            if self.kept.homes.contains_key(&val) {
                continue;
            }
            if rows.has(self.func, val, turn) {
                let (each, turns) = (rows.each, rows.turns);
                let bytes = ELEMENT * turns * each.most;
                let buffer = push(self.buffers, Buffer::within(bytes, rows.batching.during));
                let index = rows.batching.each.index;
                let ring = Ring { buffer, turns, width: each.most, index, row: each.index, low: each.low };
                self.kept.homes.insert(val, Spot { base: Base::Ring(ring), offset: 0, terms: Vec::new() });
                self.kept.wanted.push(val);
            } else if self.func.depends(val, &[turn.index]) && !matches!(self.func.inst(val), Inst::Read(_)) {
                stack.extend(self.func.operands(val).iter());
            }
        }
    }
}

impl Ways {
    fn piece(self, elements: usize) -> Ways {
        Ways { along: Steps { most: elements, ..self.along }, ..self }
    }
}

impl Rows<'_, '_> {
    /// The loops of a kernel: over the turns that are put together, and along a row of the matrix.
    fn axes(&self, along: Steps) -> Axes {
        Axes { row: Some(self.batching.each.index), turn: along.index }
    }

    /// Whether a value is another one in each turn of the region around.
    fn is_new(&self, func: &Func, val: Val) -> bool {
        let names: Vec<Val> = self.batching.region.binds().collect();
        func.depends(val, &names)
    }

    /// Whether a number is one of the row.
    fn has(&self, func: &Func, val: Val, turn: Steps) -> bool {
        func.ty(val) == Type::F64 && func.depends(val, &[self.each.index]) && !func.depends(val, &[turn.index])
    }
}
