//! One or two loops as a kernel of [`crate::wide::rows`]: what a turn computes as a graph of its own, and where its numbers are.
//!
//! What the loops don't change is an argument; so are elements that they come past with steady steps. The arithmetic of a turn is copied.
//! Integers become numbers where they are small enough to be exact. What has no such form is left to the loops of Cranelift.

use hashbrown::{HashMap, HashSet};

use super::linear::{Axes, Linear, Ranges};
use super::plan::BufferId;
use crate::ir::{Builder, Direction, Func, Inst, Loop, Output, Val};
use crate::ops::{Op, Type};
use crate::wide::rows::{self, Kernel, Read, Write, WriteKind};
use crate::wide::{Unsupported, Width};

/// Whole numbers of up to this size are exact as doubles, and so are their sums.
const EXACT: i64 = 1 << 51;

/// Arrays of so many elements don't stay in the caches that are near.
const FAR: usize = 1 << 14;

/// Sums of indices are looked into so deep.
const DEEPEST: usize = 3;

/// Where elements begin, in elements from the beginning of something.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Spot {
    pub base: Base,
    pub offset: i64,
    /// What the loops around add.
    pub terms: Vec<(Val, i64)>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Base {
    Array(Val),
    /// The cell with this number of the region whose loop it is.
    Cell(usize),
    Buffer(BufferId),
    Ring(Ring),
}

/// Rows of the last turns of a loop around; the row of turn `t` is the one with the number `t mod turns`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Ring {
    pub buffer: BufferId,
    /// A power of two.
    pub turns: usize,
    /// How many elements a row has.
    pub width: usize,
    /// The index of the loop around.
    pub index: Val,
    /// The index of the loop that makes a row, and the first one.
    pub row: Val,
    pub low: i64,
}

impl Spot {
    pub fn buffer(buffer: BufferId) -> Spot {
        Spot { base: Base::Buffer(buffer), offset: 0, terms: Vec::new() }
    }

    /// The place of the first turns of loops that begin at these indices.
    pub fn first(base: Base, place: &Linear, lows: Lows) -> Option<Spot> {
        let from = place.row.checked_mul(lows.row)?.checked_add(place.turn.checked_mul(lows.turn)?)?;
        Some(Spot { base, offset: place.offset.checked_add(from)?, terms: place.terms.clone() })
    }
}

/// The first indices of the loops.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lows {
    pub row: i64,
    pub turn: i64,
}

/// What an argument of a kernel is.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Source {
    Spot(Spot),
    /// A number that the loops don't change; a condition as 1 or 0.
    Number(Val),
    /// What is added to the number of a row or turn.
    First(i64),
}

/// Values of the outer one of two loops that one kernel makes and another one takes.
#[derive(Default)]
pub struct Kept {
    pub homes: HashMap<Val, Spot>,
    /// Those that are to be made, in order.
    pub wanted: Vec<Val>,
}

/// The loops as code.
#[derive(Clone, Debug)]
pub struct Call {
    pub kernel: Kernel,
    pub rows: Turns,
    pub len: Turns,
    pub reads: Vec<Source>,
    pub writes: Vec<Spot>,
    /// How far each read is from turn to turn.
    strides: Vec<isize>,
    /// Where the block is.
    pub block: BufferId,
}

/// How many turns a loop has.
#[derive(Clone, Copy, Debug)]
pub enum Turns {
    Known(usize),
    /// Up to an index that is known when the loop begins.
    To {
        low: i64,
        high: Val,
    },
    /// As many as turns of the loop around are put together.
    Batch,
}

impl Turns {
    pub fn known(self) -> Option<usize> {
        match self {
            Turns::Known(n) => Some(n),
            Turns::To { .. } | Turns::Batch => None,
        }
    }
}

impl Call {
    /// The same, so many turns further on.
    pub fn at(&self, turns: usize) -> Call {
        let mut call = self.clone();
        for (source, &stride) in call.reads.iter_mut().zip(&self.strides) {
            if let Source::Spot(spot) = source {
                spot.offset += stride as i64 * turns as i64;
            }
        }
        call.writes.iter_mut().for_each(|spot| spot.offset += turns as i64);
        call
    }
}

/// A kernel in the making.
pub struct Maker<'a, 'k> {
    pub func: &'a Func,
    pub ranges: &'k Ranges<'a>,
    pub axes: Axes,
    pub lows: Lows,
    /// Arrays that the loops make rows of, with the subscripts of these: other rows may be read.
    pub being_made: &'k [(Val, Vec<Val>)],
    pub kept: &'k mut Kept,
    /// Whether a value is to be kept where it is made rather than computed again.
    pub is_kept: &'k dyn Fn(Val, &Axes) -> bool,
    /// Makes room for a kept value, if there may be any.
    pub room: &'k mut dyn FnMut() -> Option<BufferId>,
    pub body: Draft,
}

/// What there is of it.
#[derive(Default)]
pub struct Draft {
    builder: Builder,
    reads: Vec<(Read, Source)>,
    params: HashMap<(bool, bool, Source, isize, isize), Val>,
    made: HashMap<Val, Val>,
    writes: Vec<(Write, Spot)>,
    outputs: Vec<Val>,
    ahead: Vec<isize>,
}

/// A result of a turn, and what becomes of it.
pub struct Update {
    pub kind: WriteKind,
    /// From row to row, in elements.
    pub row: i64,
    pub value: Val,
    pub factor: Option<Val>,
    pub guard: Option<Val>,
    pub to: Spot,
}

impl Maker<'_, '_> {
    /// Adds a result. `None`: it has no such form.
    pub fn update(&mut self, update: Update) -> Option<()> {
        let mut value = self.value(update.value)?;
        let mut factor = match update.factor {
            Some(factor) => Some(self.value(factor)?),
            None => None,
        };
        let guard = update.guard.filter(|&guard| self.func.inst(guard) != Inst::Bool(true));
        if let Some(guard) = guard {
            if update.kind == WriteKind::Store {
                return None;
            }
            // -0 changes no sum, and neither does 0 times -0.
            let guard = self.value(guard)?;
            let builder = &mut self.body.builder;
            let (zero, nothing) = (builder.f64(0.0), builder.f64(-0.0));
            value = builder.select(guard, value, if factor.is_some() { zero } else { nothing });
            factor = factor.map(|factor| builder.select(guard, factor, nothing));
        }
        let (value, factor) = (self.output(value), factor.map(|factor| self.output(factor)));
        let row = isize::try_from(update.row).ok()?;
        self.body.writes.push((Write { kind: update.kind, row, value, factor }, update.to));
        Some(())
    }

    fn output(&mut self, value: Val) -> usize {
        let outputs = &mut self.body.outputs;
        outputs.iter().position(|&known| known == value).unwrap_or_else(|| {
            outputs.push(value);
            outputs.len() - 1
        })
    }

    /// A value of a turn in the kernel's graph.
    fn value(&mut self, root: Val) -> Option<Val> {
        let func = self.func;
        let mut stack = vec![root];
        while let Some(&val) = stack.last() {
            if self.body.made.contains_key(&val) {
                stack.pop();
                continue;
            }
            let new = match self.leaf(val)? {
                Some(leaf) => leaf,
                None => {
                    let is_open =
                        |operand: &Val| func.ty(*operand) != Type::Int && !self.body.made.contains_key(operand);
                    let open: Vec<Val> = func.operands(val).iter().copied().filter(is_open).collect();
                    if !open.is_empty() {
                        stack.extend(open);
                        continue;
                    }
                    self.copy(val)?
                }
            };
            self.body.made.insert(val, new);
            stack.pop();
        }
        self.body.made.get(&root).copied()
    }

    /// What isn't computed in the kernel. `Some(None)`: it is computed.
    #[allow(clippy::option_option, reason = "no form, no leaf, a leaf")]
    fn leaf(&mut self, val: Val) -> Option<Option<Val>> {
        let func = self.func;
        if func.is_array(val) || !matches!(func.ty(val), Type::F64 | Type::Bool) {
            return None;
        }
        match func.inst(val) {
            Inst::F64(bits) => return Some(Some(self.body.builder.f64(bits.value()))),
            Inst::Bool(value) => return Some(Some(self.body.builder.bool(value))),
            _ => {}
        }
        if let Some(home) = self.kept.homes.get(&val) {
            let home = home.clone();
            return Some(Some(self.kept_number(home)));
        }
        if !self.axes.change(func, val) {
            return Some(Some(self.captured(val)));
        }
        match func.inst(val) {
            Inst::Read(_) => Some(Some(self.element(val)?)),
            Inst::Bound(_) | Inst::Result(..) => None,
            _ if func.ty(val) == Type::F64 && self.is_another_loops(val) && (self.is_kept)(val, &self.axes) => {
                let home = Spot::buffer((self.room)()?);
                self.kept.homes.insert(val, home.clone());
                self.kept.wanted.push(val);
                Some(Some(self.kept_number(home)))
            }
            _ => Some(None),
        }
    }

    /// Whether a value depends on the keeping loop alone, while there is another one, or it is that of an earlier kernel.
    fn is_another_loops(&self, val: Val) -> bool {
        self.axes.row.is_none() || !self.func.depends(val, &[self.axes.turn])
    }

    fn captured(&mut self, val: Val) -> Val {
        let number = self.argument(Read::Element { row: 0, turn: 0 }, Source::Number(val));
        if self.func.ty(val) == Type::Bool {
            let zero = self.body.builder.f64(0.0);
            return self.body.builder.binary(Op::Ne, number, zero);
        }
        number
    }

    fn kept_number(&mut self, home: Spot) -> Val {
        if let Base::Ring(ring) = home.base
            && self.axes.row == Some(ring.index)
        {
            let row = ring.width as isize;
            if self.axes.turn == ring.row {
                return self.argument(Read::Element { row, turn: 1 }, Source::Spot(home));
            }
            let spot = Spot { offset: -ring.low, terms: vec![(ring.row, 1)], ..home };
            return self.argument(Read::Element { row, turn: 0 }, Source::Spot(spot));
        }
        let (row, turn) = if self.axes.row.is_some() { (1, 0) } else { (0, 1) };
        self.argument(Read::Element { row, turn }, Source::Spot(home))
    }

    fn element(&mut self, val: Val) -> Option<Val> {
        let (array, shape, subscripts) = flattened(self.func, &self.axes, val)?;
        let is_apart = |(name, row): &(Val, Vec<Val>)| *name != array || self.is_another_row(row, &subscripts);
        if !self.being_made.iter().all(is_apart) {
            return None;
        }
        let place = self.ranges.place(&shape, &subscripts, &self.axes)?;
        let (row, turn) = (isize::try_from(place.row).ok()?, isize::try_from(place.turn).ok()?);
        let spot = Spot::first(Base::Array(array), &place, self.lows)?;
        (self.func.ty(val) == Type::F64).then(|| self.argument(Read::Element { row, turn }, Source::Spot(spot)))
    }

    /// Whether an element is certainly in another row than the one with these subscripts.
    fn is_another_row(&self, row: &[Val], subscripts: &[Val]) -> bool {
        row.iter().zip(subscripts).any(|(&row, &subscript)| {
            let (a, b) = (self.ranges.linear(row, &self.axes), self.ranges.linear(subscript, &self.axes));
            a.zip(b).is_some_and(|(mut a, mut b)| {
                a.terms.sort_unstable();
                b.terms.sort_unstable();
                a.offset != b.offset && Linear { offset: 0, ..a } == Linear { offset: 0, ..b }
            })
        })
    }

    fn argument(&mut self, read: Read, source: Source) -> Val {
        let (row, turn) = match read {
            Read::Element { row, turn } => (row, turn),
            Read::Row | Read::Turn => (0, 0),
        };
        let key = (read == Read::Row, read == Read::Turn, source.clone(), row, turn);
        if let Some(&known) = self.body.params.get(&key) {
            return known;
        }
        let name = format!("x{}", self.body.reads.len());
        let param = self.body.builder.param(&name, Type::F64);
        self.body.reads.push((read, source));
        self.body.params.insert(key, param);
        param
    }

    /// An operator on what there is of its operands.
    fn copy(&mut self, val: Val) -> Option<Val> {
        let func = self.func;
        let op = func.inst(val).op()?;
        let operands = func.operands(val).as_slice().to_vec();
        let integers: Vec<Val> = operands.iter().copied().filter(|&operand| func.ty(operand) == Type::Int).collect();
        if integers.is_empty() {
            let args: Option<Vec<Val>> = operands.iter().map(|operand| self.body.made.get(operand).copied()).collect();
            return Some(self.body.builder.emit(op, &args?));
        }
        let as_numbers = match op {
            Op::Powi => {
                let exponent = func.int(operands[1])?;
                let base = *self.body.made.get(&operands[0])?;
                let exponent = self.body.builder.int(exponent);
                return Some(self.body.builder.binary(Op::Powi, base, exponent));
            }
            Op::ToF64 => return self.integer(operands[0], DEEPEST),
            Op::ILt => Op::Lt,
            Op::ILe => Op::Le,
            Op::IEq => Op::Eq,
            _ => return None,
        };
        let (a, b) = (self.integer(operands[0], DEEPEST)?, self.integer(operands[1], DEEPEST)?);
        Some(self.body.builder.binary(as_numbers, a, b))
    }

    /// A whole number as a double.
    fn integer(&mut self, val: Val, depth: usize) -> Option<Val> {
        let func = self.func;
        let range = self.ranges.of(val);
        if range.low < -EXACT || range.high > EXACT {
            return None;
        }
        if val == self.axes.turn {
            return Some(self.argument(Read::Turn, Source::First(self.lows.turn)));
        }
        if Some(val) == self.axes.row {
            return Some(self.argument(Read::Row, Source::First(self.lows.row)));
        }
        if let Some(value) = func.int(val) {
            return Some(self.body.builder.f64(value as f64));
        }
        if !self.axes.change(func, val) {
            return Some(self.captured(val));
        }
        let op = match func.inst(val) {
            Inst::Binary(Op::IAdd, ..) => Op::Add,
            Inst::Binary(Op::ISub, ..) => Op::Sub,
            Inst::Binary(Op::IMul, ..) => Op::Mul,
            _ => return None,
        };
        let operands = func.operands(val).as_slice().to_vec();
        let (a, b) = (self.integer(operands[0], depth.checked_sub(1)?)?, self.integer(operands[1], depth - 1)?);
        let (result, zero) = (self.body.builder.binary(op, a, b), self.body.builder.f64(0.0));
        // The product of 0 and a negative number is no -0.
        Some(if op == Op::Mul { self.body.builder.binary(Op::Add, result, zero) } else { result })
    }
}

impl Draft {
    /// How many operations a turn has, and how many numbers it takes and makes.
    pub fn work(&self) -> usize {
        self.builder.func().operations() + self.reads.len() + self.writes.len()
    }

    /// Takes the rows to be turns of a loop around, from the one at which its index is on.
    pub fn in_a_batch(&mut self, each: Loop) {
        for (read, source) in &mut self.reads {
            let (Read::Element { row, .. }, Source::Spot(spot)) = (read, source) else { continue };
            if *row != 0 && matches!(spot.base, Base::Array(_)) {
                spot.terms.push((each.index, *row as i64));
            }
            if each.direction == Direction::Down {
                *row = -*row;
            }
        }
    }

    /// Notes how far what the next turn of the loop around reads is from what this one does, of arrays that are too large to stay near.
    pub fn look_ahead(&mut self, func: &Func, around: Loop) {
        let next = if around.direction == Direction::Down { -1 } else { 1 };
        let ahead = |source: &Source| {
            let Source::Spot(Spot { base: Base::Array(array), terms, .. }) = source else { return None };
            let elements = func.shape(*array).iter().fold(1_usize, |all, &extent| all.saturating_mul(extent));
            let step = terms.iter().find(|term| term.0 == around.index).filter(|_| elements >= FAR)?.1;
            isize::try_from(step.checked_mul(next)?).ok()
        };
        self.ahead = self.reads.iter().map(|(_, source)| ahead(source).unwrap_or(0)).collect();
    }

    /// The code. `block` makes room for so many bytes.
    pub fn compile(
        self,
        rows: Turns,
        len: Turns,
        width: Width,
        block: &mut dyn FnMut(usize) -> BufferId,
    ) -> Result<Call, Unsupported> {
        let outputs = self.outputs.iter().map(|&value| Output { name: String::new(), value }).collect();
        let body = self.builder.finish(outputs);
        let (reads, sources): (Vec<Read>, Vec<Source>) = self.reads.into_iter().unzip();
        let stride = |read: &Read| match *read {
            Read::Element { turn, .. } => turn,
            Read::Row | Read::Turn => 0,
        };
        let strides = reads.iter().map(stride).collect();
        let (writes, spots): (Vec<Write>, Vec<Spot>) = self.writes.into_iter().unzip();
        let nest = rows::Nest { body: &body, reads, writes, rows: rows.known(), len: len.known(), ahead: self.ahead };
        let kernel = rows::compile(&nest, width)?;
        let numbers = sources.iter().filter(|source| matches!(source, Source::Number(_))).count();
        let block = block(size_of::<u64>() * (kernel.words() + numbers));
        Ok(Call { kernel, rows, len, reads: sources, writes: spots, strides, block })
    }
}

/// The array that an element is of, its shape, and all subscripts, where rows are taken on the way.
pub fn flattened(func: &Func, axes: &Axes, read: Val) -> Option<(Val, Vec<usize>, Vec<Val>)> {
    let Inst::Read(list) = func.inst(read) else { return None };
    let (&array, subscripts) = func.list(list).split_first()?;
    let (mut array, mut all) = (array, subscripts.to_vec());
    while let Inst::Read(list) = func.inst(array)
        && axes.change(func, array)
    {
        let (&of, subscripts) = func.list(list).split_first()?;
        all.splice(0..0, subscripts.iter().copied());
        array = of;
    }
    (!axes.change(func, array)).then(|| (array, func.shape(array).to_vec(), all))
}

/// Whether a value of a loop is so little work, given elements and sums, that it is computed again rather than kept.
pub fn is_cheap(func: &Func, axes: &Axes, root: Val, operations: usize, cost: u32) -> bool {
    let (mut seen, mut stack) = (HashSet::new(), vec![root]);
    while let Some(val) = stack.pop() {
        let is_leaf = !axes.change(func, val) || matches!(func.inst(val), Inst::Read(_) | Inst::Result(..));
        if is_leaf || func.ty(val) == Type::Int || !seen.insert(val) {
            continue;
        }
        let is_light = func.inst(val).op().is_some_and(|op| op.row().cost <= cost);
        if !is_light || seen.len() > operations {
            return false;
        }
        stack.extend(func.operands(val).iter());
    }
    true
}
