//! The parts of the loops as one machine function.
//!
//! ```text
//! rbx  the block      r12  how far in each row, in bytes        r14  constants, behind the code
//! rbp  what waits     rcx rdx rsi rdi r8-r11 r13 r15  the arrays, at the present row; others are in the block
//! ```
//!
//! In the block, behind the addresses: how far the inner loop goes, in bytes; how many blocks of rows are left; where all registers are
//! during a call, if there are any; what waits in memory. With calls, only `r13` and `r15` hold addresses.

use super::super::emit::{Emitter, KEPT, POINTERS};
use super::super::encode::*;
use super::super::frame;
use super::super::low::{At, Cell, Class, Id, Low, NONE, Pick, Program, RowOp};
use super::super::plan::Home;
use super::super::registers::{NEVER, Registers};
use super::super::{Unsupported, Width};
use super::build::{Built, Pass, Turns};
use super::{Nest, Read};
use crate::ir::region::LANES;

/// Words of the block.
const ROWS: i32 = 0;
const LEN: i32 = 1;
const ARRAYS: i32 = 2;

/// The bytes of a line of memory, which vectors of what waits don't cross.
const LINE: i32 = 64;

/// The most rows or turns from what a register points at to what an instruction names.
const FARTHEST: i32 = 128;

/// The most turns of a row that is asked for early.
const LONG: usize = 128;

pub struct Emitted {
    pub code: Vec<u8>,
    /// Where the constants begin.
    pub end: usize,
    /// How many words a block has.
    pub words: usize,
}

/// How an array is walked through.
struct Array {
    /// `None`: the address is in the block.
    pointer: Option<Gpr>,
    /// In bytes.
    row: i32,
    turn: i32,
}

impl Array {
    fn is_vector(&self) -> bool {
        self.turn == 8
    }

    /// Whether it walks through each row by itself, rather than with `r12`.
    fn is_strided(&self) -> bool {
        !matches!(self.turn, 0 | 8)
    }
}

struct Loops<'a> {
    emitter: Emitter<'a>,
    nest: &'a Nest<'a>,
    built: &'a Built,
    arrays: Vec<Array>,
    is_pinned: Vec<bool>,
    pool: Label,
    /// Where in the pool what isn't a cell begins.
    extra: usize,
}

pub fn emit(nest: &Nest, built: Built) -> Result<Emitted, Unsupported> {
    let strides = nest.reads.iter().map(|read| match *read {
        Read::Element { row, turn } => (row, turn),
        Read::Row | Read::Turn => (0, 0),
    });
    let strides = strides.chain(nest.writes.iter().map(|write| (write.row, 1)));
    let arrays = strides.map(|(row, turn)| {
        // The farthest of the elements that instructions name.
        let bytes = |stride: isize| {
            let stride = stride.checked_mul(8).and_then(|bytes| i32::try_from(bytes).ok());
            stride.filter(|stride| stride.checked_mul(4 * FARTHEST).is_some())
        };
        let (row, turn) = bytes(row).zip(bytes(turn)).ok_or(Unsupported("elements too far from each other"))?;
        Ok(Array { pointer: None, row, turn })
    });
    let mut arrays = arrays.collect::<Result<Vec<Array>, Unsupported>>()?;
    // A call keeps few of them.
    let has_calls = !built.program.calls.is_empty();
    let mut pointers = POINTERS.into_iter().filter(|pointer| !has_calls || KEPT.contains(pointer));
    let is_array = |number: usize| nest.reads.get(number).is_none_or(|read| matches!(read, Read::Element { .. }));
    let mut order: Vec<usize> = (0..arrays.len()).filter(|&number| is_array(number)).collect();
    // What moves most comes first.
    order.sort_by_key(|&number| match &arrays[number] {
        array if array.is_strided() => 0,
        array if array.is_vector() => 1,
        array => 2 + u8::from(array.row == 0),
    });
    order.iter().for_each(|&number| arrays[number].pointer = pointers.next());
    if built.looped && arrays.iter().any(|array| array.is_strided() && array.pointer.is_none()) {
        return Err(Unsupported("more strides than registers"));
    }
    let program = &built.program;
    let registers = Registers::new(program, vec![Home::Nowhere; program.insts.len()], 0, 0);
    let mut emitter = Emitter::new(registers, 0, 0);
    let pool = emitter.registers.asm.label();
    let is_pinned = {
        let mut pinned = vec![false; program.insts.len()];
        let passes = built.passes.iter().flat_map(|pass| &pass.pinned);
        built.pinned.iter().chain(passes).for_each(|&id| pinned[id as usize] = true);
        pinned
    };
    let extra = (8 * frame::cell_words(program.width) * program.cells.len()).next_multiple_of(LINE as usize);
    let mut loops = Loops { emitter, nest, built: &built, arrays, is_pinned, pool, extra };
    loops.find_homes();
    loops.emitter.save = loops.save();
    loops.function()
}

impl<'a> Loops<'a> {
    fn registers(&mut self) -> &mut Registers<'a> {
        &mut self.emitter.registers
    }

    fn asm(&mut self) -> &mut Assembler {
        &mut self.emitter.registers.asm
    }

    fn width(&self) -> Width {
        self.built.program.width
    }

    /// Words of the block.
    fn end(&self) -> i32 {
        ARRAYS + self.arrays.len() as i32
    }

    fn left(&self) -> i32 {
        self.end() + 1
    }

    /// What waits: first the variables, then the conditions of the last turns, then values; spills follow.
    fn waiting(&self, slot: usize) -> Mem {
        let waiting = self.n_waiting() - slot;
        Mem::at(RBP, -(waiting as i32) * frame::VECTOR - frame::SPILLS_BIAS)
    }

    /// Where registers are during a call: before what waits.
    fn save(&self) -> Mem {
        let lines = self.n_waiting() as i32 * frame::VECTOR;
        Mem::at(RBP, -lines - self.save_bytes() - frame::SPILLS_BIAS)
    }

    fn save_bytes(&self) -> i32 {
        if self.built.program.calls.is_empty() { 0 } else { frame::SAVE_BYTES }
    }

    fn n_waiting(&self) -> usize {
        self.built.n_variables + self.n_tails() + self.built.waiting.len()
    }

    /// Conditions that are known when the loops begin.
    fn n_tails(&self) -> usize {
        if self.nest.len.is_none() { LANES / self.width().lanes() } else { 0 }
    }

    /// How many turns the last vector has where it isn't filled.
    fn rest(&self) -> usize {
        let lanes = self.width().lanes();
        self.nest.len.map_or(0, |len| if self.built.looped { len % LANES % lanes } else { len % lanes })
    }

    fn constant(&self, offset: usize) -> Mem {
        Mem::at(R14, (self.extra + offset) as i32 - frame::CELLS_BIAS)
    }

    /// Where the condition of the last turns is among the constants, by how many turns there are.
    fn tails(&self) -> usize {
        let numbers = |op: Low| match op {
            Low::Row(RowOp::Lanes(first)) => usize::from(first) + self.width().lanes(),
            _ => 0,
        };
        8 * self.built.program.insts.iter().map(|inst| numbers(inst.op)).max().unwrap_or(0)
    }

    fn find_homes(&mut self) {
        let program = &self.built.program;
        let here = |mem| Home::At { mem, word: 0 };
        let tails = self.tails();
        let homes: Vec<Home> = program
            .insts
            .iter()
            .map(|inst| match inst.op {
                Low::Cell(cell) => Home::Cell(cell),
                Low::Row(RowOp::Element(at)) => Home::At { mem: self.element(at), word: ARRAYS + i32::from(at.array) },
                Low::Row(op @ (RowOp::Single(at, lane) | RowOp::Across(at, lane))) => {
                    let first = self.element(at);
                    let disp = first.disp + i32::from(lane) * self.arrays[usize::from(at.array)].turn;
                    let mem = Mem { disp, broadcast: matches!(op, RowOp::Single(..)), ..first };
                    Home::At { mem, word: ARRAYS + i32::from(at.array) }
                }
                Low::Row(RowOp::Offset(array)) => {
                    here(Mem { broadcast: true, ..Mem::at(RBX, 8 * (ARRAYS + i32::from(array))) })
                }
                Low::Row(RowOp::Lanes(first)) => here(self.constant(8 * usize::from(first))),
                Low::Row(RowOp::Variable(variable)) => here(self.waiting(usize::from(variable))),
                Low::Row(RowOp::Tail(vector)) => here(match self.nest.len {
                    Some(_) => self.constant(tails),
                    None => self.waiting(self.built.n_variables + usize::from(vector)),
                }),
                _ => Home::Nowhere,
            })
            .collect();
        self.registers().homes = homes;
        let first = self.n_waiting() - self.built.waiting.len();
        for (slot, &id) in (first..).zip(&self.built.waiting) {
            let mem = self.waiting(slot);
            self.registers().homes[id as usize] = here(mem);
        }
    }

    /// Where elements are; at `rax` if no register has the array's address.
    fn element(&self, at: At) -> Mem {
        let array = &self.arrays[usize::from(at.array)];
        let lanes = self.width().lanes() as i32;
        let index = (array.is_vector() && self.built.looped).then_some(R12);
        let base = array.pointer.unwrap_or(RAX);
        let mem = Mem::at(base, i32::from(at.row) * array.row + lanes * i32::from(at.vector) * array.turn);
        Mem { index, broadcast: array.turn == 0, ..mem }
    }

    /// The same for an instruction that is about to be written.
    fn element_now(&mut self, at: At) -> Mem {
        let mem = self.element(at);
        if mem.base == RAX {
            self.asm().load_pointer(RAX, Mem::at(RBX, 8 * (ARRAYS + i32::from(at.array))));
        }
        mem
    }

    fn function(mut self) -> Result<Emitted, Unsupported> {
        let built = self.built;
        self.enter();
        let done = self.asm().label();
        if self.nest.rows.is_none() {
            self.asm().load_pointer(RAX, Mem::at(RBX, 8 * ROWS));
            self.asm().keep_bits(RAX, -1);
            self.asm().jump_zero(done);
        }
        self.fetch_ahead();
        self.lengths();
        self.segment(&built.once, &built.pinned)?;
        for pass in &built.passes {
            self.pass(pass)?;
        }
        self.segment(&built.after, &[])?;
        self.asm().bind(done);
        self.leave();
        self.emitter.cold(false)?;
        let end = self.asm().code.len();
        self.constants();
        let spills = self.emitter.registers.spills;
        let lines = self.n_waiting() + spills + 1;
        let words = self.left() as usize + 1 + (lines * LINE as usize + self.save_bytes() as usize) / 8;
        Ok(Emitted { code: self.emitter.registers.asm.finish(), end, words })
    }

    fn enter(&mut self) {
        let pool = self.pool;
        let waiting = self.save_bytes() + frame::VECTOR * self.n_waiting() as i32 + frame::SPILLS_BIAS;
        let begin = 8 * (self.left() + 1) + LINE - 1;
        let kept = self.kept();
        let asm = self.asm();
        kept.iter().for_each(|&gpr| asm.push(gpr));
        asm.copy(RBX, RDI);
        asm.address_of_label(R14, pool);
        asm.address(RBP, Mem::at(RBX, begin));
        asm.keep_bits(RBP, -LINE as i8);
        asm.address(RBP, Mem::at(RBP, waiting));
        for number in 0..self.arrays.len() {
            if let Some(pointer) = self.arrays[number].pointer {
                self.asm().load_pointer(pointer, Mem::at(RBX, 8 * (ARRAYS + number as i32)));
            }
        }
    }

    /// Asks for the elements that the next call reads, of rows that are short: of long ones the processor finds out by itself.
    fn fetch_ahead(&mut self) {
        let Some(len @ 1..=LONG) = self.nest.len else { return };
        for (number, &ahead) in self.nest.ahead.iter().enumerate() {
            let Array { pointer, turn, .. } = self.arrays[number];
            let Some(ahead) = ahead.checked_mul(8).and_then(|ahead| i32::try_from(ahead).ok()) else { continue };
            let bytes = if turn == 0 { 8 } else { 8 * len as i32 };
            if ahead == 0 || self.arrays[number].is_strided() || ahead.checked_add(bytes).is_none() {
                continue;
            }
            if pointer.is_none() {
                self.asm().load_pointer(RAX, Mem::at(RBX, 8 * (ARRAYS + number as i32)));
            }
            for line in (0..bytes).step_by(LINE as usize) {
                self.asm().fetch(Mem::at(pointer.unwrap_or(RAX), ahead + line));
            }
        }
    }

    /// The registers that are used and belong to the caller; all of them if there are calls, so that the stack is aligned.
    fn kept(&self) -> Vec<Gpr> {
        let has_calls = !self.built.program.calls.is_empty();
        let is_used = |gpr: Gpr| match gpr {
            R12 => self.built.looped,
            R13 | R15 => self.arrays.iter().any(|array| array.pointer == Some(gpr)),
            _ => true,
        };
        KEPT.into_iter().filter(|&gpr| has_calls || is_used(gpr)).collect()
    }

    fn leave(&mut self) {
        let kept = self.kept();
        let asm = self.asm();
        asm.zero_upper();
        kept.iter().rev().for_each(|&gpr| asm.pop(gpr));
        asm.ret();
    }

    /// How far the inner loop goes, and which of the last turns there are.
    fn lengths(&mut self) {
        let end = Mem::at(RBX, 8 * self.end());
        if let Some(len) = self.nest.len {
            if self.built.looped {
                self.asm().constant(RAX, 8 * (len - len % LANES) as u64);
                self.asm().store_pointer(end, RAX);
            }
            return;
        }
        let asm = self.asm();
        asm.load_pointer(RAX, Mem::at(RBX, 8 * LEN));
        asm.keep_bits(RAX, -(LANES as i8));
        asm.shift_left(RAX, 3);
        asm.store_pointer(end, RAX);
        asm.load_pointer(RAX, Mem::at(RBX, 8 * LEN));
        asm.keep_bits(RAX, LANES as i8 - 1);
        let has_masks = self.width().has_masks();
        // A bit a turn, or backwards from the end of the ones to the begin.
        self.asm().shift_left(RAX, if has_masks { 1 } else { 3 });
        if !has_masks {
            self.asm().opposite(RAX);
        }
        let begin = self.tails() + if has_masks { 0 } else { 8 * LANES };
        for vector in 0..self.n_tails() {
            let from = self.constant(begin + if has_masks { vector } else { frame::VECTOR as usize / 2 * vector });
            let from = Mem { index: Some(RAX), ..from };
            let to = self.waiting(self.built.n_variables + vector);
            let asm = self.asm();
            if has_masks {
                asm.mask_load(1, from);
                asm.mask_store(to, 1);
            } else {
                asm.vector(LOAD, 0, 0, Place::Mem(from));
                asm.vector(STORE, 0, 0, Place::Mem(to));
            }
        }
    }

    fn pass(&mut self, pass: &Pass) -> Result<(), Unsupported> {
        let left = Mem::at(RBX, 8 * self.left());
        let end = Mem::at(RBX, 8 * self.end());
        let (begin, done) = (self.asm().label(), self.asm().label());
        match pass.turns {
            Turns::Known(1) => {}
            Turns::Known(blocks) => self.asm().constant(RAX, blocks as u64),
            Turns::Blocks => {
                self.asm().load_pointer(RAX, Mem::at(RBX, 8 * ROWS));
                self.asm().shift_right(RAX, pass.rows.ilog2() as u8);
                self.asm().keep_bits(RAX, -1);
                self.asm().jump_zero(done);
            }
            Turns::Rest(block) => {
                self.asm().load_pointer(RAX, Mem::at(RBX, 8 * ROWS));
                self.asm().keep_bits(RAX, block as i8 - 1);
                self.asm().jump_zero(done);
            }
        }
        let again = pass.turns != Turns::Known(1);
        if again {
            self.asm().store_pointer(left, RAX);
            self.asm().align();
            self.asm().bind(begin);
        }
        self.segment(&pass.begin, &pass.pinned)?;
        if let Some(turn) = &pass.turn {
            let (next, last) = (self.asm().label(), self.asm().label());
            self.begin_turns();
            self.asm().zero(R12);
            self.asm().compare(R12, end);
            self.asm().jump_unless_below(last);
            self.asm().align();
            self.asm().bind(next);
            self.segment(turn, &[])?;
            self.next_turns();
            self.asm().add(R12, 8 * LANES as i32);
            self.asm().compare(R12, end);
            self.asm().jump_below(next);
            self.asm().bind(last);
        }
        self.segment(&pass.end, &[])?;
        for &id in &pass.pinned {
            self.registers().unpin(id);
        }
        self.next_rows(pass.rows as i32);
        if again {
            self.asm().count_down(left);
            self.asm().jump_not_zero(begin);
        }
        self.asm().bind(done);
        Ok(())
    }

    /// The addresses of strided arrays that an inner loop moves, and how far it does.
    fn strided(&self) -> Vec<(Gpr, i32, i32)> {
        let strided = |(number, array): (usize, &Array)| {
            let pointer = array.pointer.filter(|_| array.is_strided() && self.built.looped)?;
            Some((pointer, 8 * (ARRAYS + number as i32), LANES as i32 * array.turn))
        };
        self.arrays.iter().enumerate().filter_map(strided).collect()
    }

    fn begin_turns(&mut self) {
        for (pointer, word, _) in self.strided() {
            self.asm().load_pointer(pointer, Mem::at(RBX, word));
        }
    }

    fn next_turns(&mut self) {
        for (pointer, _, distance) in self.strided() {
            self.asm().add(pointer, distance);
        }
    }

    /// Moves the addresses of arrays on.
    fn next_rows(&mut self, rows: i32) {
        for number in 0..self.arrays.len() {
            let Array { pointer, row, .. } = self.arrays[number];
            let moves = self.built.looped && self.arrays[number].is_strided();
            match pointer.filter(|_| !moves) {
                _ if row == 0 => {}
                Some(pointer) => self.asm().add(pointer, row * rows),
                None => self.asm().add_to(Mem::at(RBX, 8 * (ARRAYS + number as i32)), row * rows),
            }
        }
    }

    /// The instructions of a part; what is to be pinned is, from its computation or the end on.
    fn segment(&mut self, insts: &[Id], pinned: &[Id]) -> Result<(), Unsupported> {
        let uses = self.emitter.uses(insts);
        for (&id, uses) in insts.iter().zip(&uses) {
            let args = self.built.program.insts[id as usize].args;
            for (&arg, &next) in args.iter().zip(uses).filter(|(arg, _)| **arg != NONE) {
                self.registers().next[arg as usize] = next;
            }
            // What is pinned is used again.
            let stays = self.is_pinned[id as usize] && pinned.contains(&id);
            self.registers().next[id as usize] = uses[args.len()].min(if stays { NEVER - 1 } else { NEVER });
            self.registers().lock(args.iter().copied());
            self.inst(id)?;
            if stays {
                self.registers().pin(id);
            }
            self.registers().finish(id, args.iter().copied());
        }
        for &id in pinned {
            if self.built.program.insts[id as usize].op.is_memory() {
                self.registers().next[id as usize] = NEVER - 1;
                self.registers().pin(id);
                self.registers().unlock();
            }
        }
        self.registers().forget();
        Ok(())
    }

    fn inst(&mut self, id: Id) -> Result<(), Unsupported> {
        let inst = self.built.program.insts[id as usize];
        let [a, b, c, mask] = inst.args;
        let Low::Row(op) = inst.op else { return self.emitter.inst(id) };
        match op {
            RowOp::Element(_)
            | RowOp::Single(..)
            | RowOp::Across(..)
            | RowOp::Offset(_)
            | RowOp::Lanes(_)
            | RowOp::Tail(_)
            | RowOp::Variable(_) => {}
            RowOp::LoadFirst(at, lanes) => {
                let result = self.registers().define(id);
                let from = self.element_now(at);
                self.asm().load_lanes(result, from, usize::from(lanes));
            }
            RowOp::LoadWhere(at) => {
                let mask = self.registers().in_register(a);
                self.registers().release([a].into_iter());
                let result = self.registers().define(id);
                let from = Place::Mem(self.element_now(at));
                let has_masks = self.width().has_masks();
                let asm = self.asm();
                match has_masks {
                    true => asm.masked(LOAD, result, 0, from, Masking::Zero(mask)),
                    false => asm.vector(LOAD_WHERE, result, mask, from),
                }
            }
            RowOp::PutFirst(at, lanes) => {
                let value = self.registers().in_register(a);
                let to = self.element_now(at);
                self.asm().store_lanes(to, value, usize::from(lanes));
                self.registers().release([a].into_iter());
            }
            RowOp::Put(at) => {
                let value = self.registers().in_register(a);
                let mask = (b != NONE).then(|| self.registers().in_register(b));
                let to = Place::Mem(self.element_now(at));
                let has_masks = self.width().has_masks();
                let asm = self.asm();
                match mask {
                    None => asm.vector(STORE, value, 0, to),
                    Some(mask) if has_masks => asm.masked(STORE, value, 0, to, Masking::Merge(mask)),
                    Some(mask) => asm.vector(STORE_WHERE, value, mask, to),
                }
                self.registers().release([a, b].into_iter());
            }
            RowOp::PutSums { array, rows } => {
                let value = self.registers().in_register(a);
                let to = Mem { index: None, ..self.element_now(At { array, row: 0, vector: 0 }) };
                self.asm().store_lanes(to, value, usize::from(rows));
                self.registers().release([a].into_iter());
            }
            RowOp::SetVariable(variable) => {
                let value = self.registers().in_register(a);
                let to = Place::Mem(self.waiting(usize::from(variable)));
                self.asm().vector(STORE, value, 0, to);
                self.registers().release([a].into_iter());
            }
            RowOp::Accumulator => self.begin(id, a),
            RowOp::Accumulate { in_place } => self.accumulate(id, [a, b, c, mask], in_place),
            RowOp::Pick(pick) => self.pick(id, pick, [a, b]),
        }
        Ok(())
    }

    /// A register of its own with 0 or a value in it.
    fn begin(&mut self, id: Id, value: Id) {
        if value == NONE {
            let result = self.registers().define(id);
            return self.asm().vector(XOR, result, result, Place::Reg(result));
        }
        let value_register = self.registers().in_register(value);
        let result = self.registers().define(id);
        self.asm().vector(MOVE, result, 0, Place::Reg(value_register));
        self.registers().release([value].into_iter());
    }

    fn accumulate(&mut self, id: Id, [mut value, mut factor, sum, mask]: [Id; 4], in_place: bool) {
        let registers = &mut self.emitter.registers;
        if factor != NONE && !registers.is_in_register(value) && registers.is_in_register(factor) {
            (value, factor) = (factor, value);
        }
        let first = if factor == NONE { NONE } else { value };
        let last = if factor == NONE { value } else { factor };
        let first_register = if first == NONE { 0 } else { registers.in_register(first) };
        let masking = if mask == NONE { Masking::None } else { Masking::Merge(registers.in_register(mask)) };
        let result = if sum == NONE {
            let result = registers.take(Class::Vector);
            registers.asm.vector(XOR, result, result, Place::Reg(result));
            result
        } else {
            let from = registers.in_register(sum);
            let overwrites = in_place || registers.dies(sum) && sum != first && sum != last;
            if overwrites {
                from
            } else {
                let result = registers.take(Class::Vector);
                registers.asm.vector(MOVE, result, 0, Place::Reg(from));
                result
            }
        };
        let last = registers.operand(last);
        registers.release([value, factor, sum, mask].into_iter().filter(|&arg| arg != NONE));
        registers.define_in(id, result);
        match first {
            NONE => registers.asm.masked(ADD, result, result, last, masking),
            _ => registers.asm.masked(fused(Fused::F231, false, false), result, first_register, last, masking),
        }
    }

    fn pick(&mut self, id: Id, pick: Pick, [a, b]: [Id; 2]) {
        let has_masks = self.width().has_masks();
        let (form, imm) = match pick {
            Pick::LowHalves if has_masks => (QUARTERS, Some(0x44)),
            Pick::HighHalves if has_masks => (QUARTERS, Some(0xee)),
            Pick::LowHalves => (HALVES, Some(0x20)),
            Pick::HighHalves => (HALVES, Some(0x31)),
            Pick::EvenQuarters => (QUARTERS, Some(0x88)),
            Pick::OddQuarters => (QUARTERS, Some(0xdd)),
            Pick::EvenLanes => (LOW, None),
            Pick::OddLanes => (HIGH, None),
        };
        let registers = self.registers();
        let first = registers.in_register(a);
        let second = registers.operand(b);
        registers.release([a, b].into_iter());
        let result = registers.define(id);
        registers.asm.vector(form, result, first, second);
        registers.asm.code.extend(imm);
    }

    /// Behind the code: cells, whole numbers, and the conditions of the last turns.
    fn constants(&mut self) {
        let (pool, extra, tails) = (self.pool, self.extra, self.tails());
        let program: &Program = &self.built.program;
        let (has_masks, len) = (self.width().has_masks(), self.nest.len);
        let lanes = self.width().lanes();
        let rest = self.rest();
        let asm = self.asm();
        asm.align_to(LINE as usize);
        let begin = asm.code.len();
        asm.bind_at(pool, begin + frame::CELLS_BIAS as usize);
        for cell in &program.cells {
            let Cell::Constant(bits) = cell else { unreachable!("what waits has its own places") };
            (0..frame::cell_words(program.width)).for_each(|_| asm.code.extend(bits.to_le_bytes()));
        }
        asm.code.resize(begin + extra, 0);
        (0..tails / 8).for_each(|number| asm.code.extend((number as f64).to_le_bytes()));
        match (len, has_masks) {
            (Some(_), _) => {
                if has_masks {
                    asm.code.push(((1u32 << rest) - 1) as u8);
                } else {
                    (0..lanes).for_each(|lane| asm.code.extend([if lane < rest { 0xff } else { 0 }; 8]));
                }
            }
            (None, true) => {
                (0..LANES).for_each(|rest| asm.code.extend(((1u16 << rest) - 1).to_le_bytes()));
            }
            (None, false) => {
                asm.code.extend([0xff; 8 * LANES]);
                asm.code.extend([0; 8 * LANES]);
            }
        }
    }
}
