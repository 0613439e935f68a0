//! A planned program as machine code: one function a segment.
//!
//! ```text
//! rbx  the frame            r12  how far in each column, in bytes      r14  cells
//! rbp  spills               r15  tile buffer (or a column)             rax  scratch
//! rcx rdx rsi rdi r8-r11 r13     the columns used most; others are loaded when they are needed
//! ```
//!
//! A call finds all registers in the frame's save area: operands are addresses there, and so is the result. What a call rarely needs
//! to do lies behind the loop, so that the loop only tests a condition.

use super::Unsupported;
use super::calls;
use super::encode::*;
use super::frame;
use super::low::{Class, Id, Low, NONE, compare};
use super::plan::{Plan, Segment};
use super::registers::{BEFORE, CARRIED, NEVER, Registers, TO_CARRY};
use crate::ops::Op;

pub const KEPT: [Gpr; 6] = [RBX, RBP, R12, R13, R14, R15];

/// What may hold pointers to columns; the last one where there is no tile buffer, the last three where the loop has one stage.
pub const POINTERS: [Gpr; 10] = [RCX, RDX, RSI, R8, R9, R10, R11, RDI, R13, R15];

pub struct Emitter<'a> {
    pub registers: Registers<'a>,
    n_inputs: usize,
    n_columns: usize,
    tiled: bool,
    /// Whether the loop has two stages.
    staged: bool,
    vectors: usize,
    /// Where registers are while something is called: vectors, then masks.
    pub save: Mem,
    calls: Vec<PendingCall>,
    /// Of this segment.
    trampoline: Option<Label>,
}

/// A call that lies behind the loop.
struct PendingCall {
    begin: Label,
    back: Label,
    call: Call,
}

#[derive(Clone, Copy)]
struct Call {
    op: Op,
    args: [u8; 3],
    out: u8,
    guard: Option<u8>,
}

/// The code, where each segment's function begins, and how many spill slots they need.
pub struct Emitted {
    pub code: Vec<u8>,
    pub entries: Vec<usize>,
    pub spills: usize,
}

pub fn emit(
    program: &super::low::Program,
    plan: &Plan,
    n_inputs: usize,
    n_outputs: usize,
) -> Result<Emitted, Unsupported> {
    let n_columns = n_inputs + n_outputs;
    let registers = Registers::new(program, plan.homes.clone(), plan.tile, n_columns);
    let tiled = plan.slots > 0;
    let staged = plan.carried.is_some();
    let mut emitter = Emitter { tiled, staged, vectors: plan.vectors, ..Emitter::new(registers, n_inputs, n_columns) };
    let mut entries = Vec::with_capacity(plan.segments.len());
    for segment in &plan.segments {
        emitter.registers.asm.align();
        entries.push(emitter.registers.asm.code.len());
        emitter.segment(segment)?;
    }
    let registers = emitter.registers;
    Ok(Emitted { spills: registers.spills, code: registers.asm.finish(), entries })
}

impl<'a> Emitter<'a> {
    pub fn new(registers: Registers<'a>, n_inputs: usize, n_columns: usize) -> Emitter<'a> {
        Emitter {
            registers,
            n_inputs,
            n_columns,
            tiled: false,
            staged: false,
            vectors: 1,
            save: Mem::at(RBX, frame::SAVE),
            calls: Vec::new(),
            trampoline: None,
        }
    }

    fn segment(&mut self, segment: &Segment) -> Result<(), Unsupported> {
        let uses = self.uses(&segment.insts);
        let staged = self.staged && !segment.once;
        self.pin_columns(&segment.insts, staged);
        self.enter(staged);
        let begin = self.registers.asm.label();
        self.registers.asm.align();
        self.registers.asm.bind(begin);
        for (&id, uses) in segment.insts.iter().zip(&uses) {
            let args = self.registers.program.insts[id as usize].args;
            for (&arg, &next) in args.iter().zip(uses).filter(|(arg, _)| **arg != NONE) {
                self.registers.next[arg as usize] = next;
            }
            self.registers.next[id as usize] = uses[args.len()];
            self.registers.lock(args.iter().copied());
            self.inst(id)?;
            self.registers.finish(id, args.iter().copied());
        }
        let asm = &mut self.registers.asm;
        let vectors = if segment.once { 1 } else { self.vectors };
        let turn = (8 * self.registers.program.width.lanes() * vectors) as i32;
        let end = Mem::at(RBX, frame::END);
        if staged {
            // The last turn is where the one before was.
            asm.copy(BEFORE, R12);
            asm.add(R12, turn);
            asm.compare(R12, end);
            asm.copy_unless_below(R12, BEFORE);
            asm.exchange(CARRIED, TO_CARRY);
            asm.count_down(Mem::at(RBX, frame::TURNS));
            asm.jump_not_zero(begin);
        } else {
            asm.add(R12, turn);
            asm.compare(R12, end);
            asm.jump_below(begin);
        }
        self.leave();
        self.cold(staged)?;
        self.registers.clear();
        Ok(())
    }

    /// For each instruction, the next use of each operand after it, and the first use of its result.
    pub fn uses(&mut self, insts: &[Id]) -> Vec<[u32; 5]> {
        let next = &mut self.registers.next;
        let mut uses = vec![[NEVER; 5]; insts.len()];
        for &id in insts {
            next[id as usize] = NEVER;
            self.registers.program.insts[id as usize].args().for_each(|arg| next[arg as usize] = NEVER);
        }
        for (position, &id) in insts.iter().enumerate().rev() {
            let inst = &self.registers.program.insts[id as usize];
            uses[position][4] = next[id as usize];
            for (slot, &arg) in inst.args.iter().enumerate().filter(|(_, arg)| **arg != NONE) {
                uses[position][slot] = next[arg as usize];
            }
            inst.args().for_each(|arg| next[arg as usize] = position as u32);
        }
        uses
    }

    fn pin_columns(&mut self, insts: &[Id], staged: bool) {
        let mut counts = vec![0u32; self.n_columns];
        let program = self.registers.program;
        for &id in insts {
            let inst = &program.insts[id as usize];
            if let Low::Store { output, .. } = inst.op {
                counts[self.n_inputs + output as usize] += 1;
            }
            for arg in inst.args() {
                if let Low::Column { column, .. } = program.insts[arg as usize].op {
                    counts[column as usize] += 1;
                }
            }
        }
        let mut columns: Vec<usize> = (0..self.n_columns).filter(|&column| counts[column] > 0).collect();
        columns.sort_by_key(|&column| std::cmp::Reverse(counts[column]));
        let taken = if staged { 3 } else { usize::from(self.tiled) };
        let pointers = &POINTERS[..POINTERS.len() - taken];
        for (&column, &pointer) in columns.iter().zip(pointers) {
            self.registers.pointers[column] = Some(pointer);
        }
    }

    fn enter(&mut self, staged: bool) {
        let asm = &mut self.registers.asm;
        KEPT.iter().for_each(|&gpr| asm.push(gpr));
        asm.copy(RBX, RDI);
        asm.load_pointer(R14, Mem::at(RBX, frame::CELLS));
        asm.load_pointer(RBP, Mem::at(RBX, frame::SPILLS));
        if self.tiled {
            asm.load_pointer(R15, Mem::at(RBX, frame::TILES));
        }
        if staged {
            asm.load_pointer(CARRIED, Mem::at(RBX, frame::CARRIED));
            asm.zero(BEFORE);
        }
        self.load_pointers(staged);
        self.registers.asm.zero(R12);
    }

    /// The registers that calls don't keep.
    fn load_pointers(&mut self, staged: bool) {
        if staged {
            self.registers.asm.load_pointer(TO_CARRY, Mem::at(RBX, frame::BOTH_CARRIED));
            self.registers.asm.subtract(TO_CARRY, CARRIED);
        }
        for (column, pointer) in self.registers.pointers.iter().enumerate() {
            if let Some(pointer) = *pointer {
                self.registers.asm.load_pointer(pointer, Mem::at(RBX, frame::POINTERS + 8 * column as i32));
            }
        }
    }

    fn leave(&mut self) {
        let asm = &mut self.registers.asm;
        asm.zero_upper();
        KEPT.iter().rev().for_each(|&gpr| asm.pop(gpr));
        asm.ret();
    }

    pub fn inst(&mut self, id: Id) -> Result<(), Unsupported> {
        let inst = self.registers.program.insts[id as usize];
        let [a, b, c, guard] = inst.args;
        match inst.op {
            Low::Cell(_) | Low::Column { .. } | Low::Carried { .. } => {}
            Low::Add => self.binary(id, ADD, [a, b], true),
            Low::Mul => self.binary(id, MUL, [a, b], true),
            Low::And => self.binary(id, AND, [a, b], true),
            Low::Or => self.binary(id, OR, [a, b], true),
            Low::Xor => self.binary(id, XOR, [a, b], true),
            Low::Sub => self.binary(id, SUB, [a, b], false),
            Low::Div => self.binary(id, DIV, [a, b], false),
            Low::Lesser => self.binary(id, LESSER, [a, b], false),
            Low::Greater => self.binary(id, GREATER, [a, b], false),
            Low::AndNot => self.binary(id, AND_NOT, [a, b], false),
            Low::Scale => self.binary(id, SCALE, [a, b], false),
            Low::Range(imm) => {
                self.binary(id, RANGE, [a, b], false);
                self.registers.asm.code.push(imm);
            }
            Low::Sqrt => self.unary(id, SQRT, a),
            Low::Exponent => self.unary(id, EXPONENT, a),
            Low::Round(imm) => {
                self.unary(id, ROUND, a);
                self.registers.asm.code.push(imm);
            }
            Low::Significand => {
                self.unary(id, SIGNIFICAND, a);
                self.registers.asm.code.push(0);
            }
            Low::ShiftLeft(bits) => self.shift(id, LEFT, a, bits),
            Low::ShiftRight(bits) => self.shift(id, RIGHT, a, bits),
            Low::Fma { negate_product, negate_addend } => {
                self.fma(id, [a, b, c], |form| fused(form, negate_product, negate_addend));
            }
            Low::Bits(table) => self.bits(id, [a, b, c], table),
            Low::Compare(predicate) => self.compare(id, [a, b], predicate),
            Low::Blend => self.blend(id, [a, b, c]),
            Low::MaskAnd => self.mask(id, MASK_AND, [a, b]),
            Low::MaskOr => self.mask(id, MASK_OR, [a, b]),
            Low::MaskNot => {
                let mask = self.registers.in_register(a);
                self.registers.release([a].into_iter());
                let result = self.registers.define(id);
                self.registers.asm.mask_not(result, mask);
            }
            Low::Call(index) => {
                let op = self.registers.program.calls[index as usize];
                self.call(id, op, [a, b, c], guard)?;
            }
            Low::Pair(_) => {}
            Low::PairMul => self.binary(id, MUL.pair(), [a, b], true),
            Low::PairFma => self.fma(id, [a, b, c], |form| fused(form, false, false).pair()),
            Low::Twice | Low::High => {
                let register = self.registers.in_register(a);
                self.registers.release([a].into_iter());
                let result = self.registers.define(id);
                let (form, first) = if inst.op == Low::Twice { (TWICE, 0) } else { (HIGH, register) };
                self.registers.asm.vector(form, result, first, Place::Reg(register));
            }
            Low::OrCall(_) => unreachable!("it is for one point"),
            Low::Row(_) => unreachable!("it is for loops over arrays"),
            Low::Store { output, vector, late } => {
                let register = self.registers.in_register(a);
                let to = self.registers.column(self.n_inputs + output as usize, vector, late);
                self.registers.asm.vector(STORE, register, 0, Place::Mem(to));
                self.registers.release([a].into_iter());
            }
        }
        Ok(())
    }

    fn unary(&mut self, id: Id, form: Form, a: Id) {
        // On one lane, the other comes from a second operand; the same one, so that nothing else need be waited for.
        let (operand, other) = match self.registers.program.width.lanes() {
            1 => {
                let register = self.registers.in_register(a);
                (Place::Reg(register), register)
            }
            _ => (self.registers.operand(a), 0),
        };
        self.registers.release([a].into_iter());
        let result = self.registers.define(id);
        self.registers.asm.vector(form, result, other, operand);
    }

    fn shift(&mut self, id: Id, direction: u8, a: Id, bits: u8) {
        let operand = self.registers.in_register(a);
        self.registers.release([a].into_iter());
        let result = self.registers.define(id);
        self.registers.asm.vector_imm(SHIFT, direction, result, Place::Reg(operand), bits);
    }

    /// Whether the second operand should come first, because the first one had better be memory.
    fn better_exchanged(&self, a: Id, b: Id) -> bool {
        let registers = &self.registers;
        match (registers.is_in_register(a), registers.is_in_register(b)) {
            (false, true) => true,
            (false, false) => matches!(registers.program.insts[a as usize].op, Low::Cell(_)),
            _ => false,
        }
    }

    fn binary(&mut self, id: Id, form: Form, [mut a, mut b]: [Id; 2], commutes: bool) {
        if commutes && self.better_exchanged(a, b) {
            (a, b) = (b, a);
        }
        let first = self.registers.in_register(a);
        let second = self.registers.operand_of(form, b);
        self.registers.release([a, b].into_iter());
        let result = self.registers.define(id);
        self.registers.asm.vector(form, result, first, second);
    }

    fn compare(&mut self, id: Id, [mut a, mut b]: [Id; 2], mut predicate: u8) {
        if self.better_exchanged(a, b) {
            (a, b) = (b, a);
            predicate = compare::exchanged(predicate);
        }
        let first = self.registers.in_register(a);
        let second = self.registers.operand(b);
        self.registers.release([a, b].into_iter());
        let result = self.registers.define(id);
        self.registers.asm.vector_imm(COMPARE, result, first, second, predicate);
    }

    fn mask(&mut self, id: Id, form: Form, [a, b]: [Id; 2]) {
        let (first, second) = (self.registers.in_register(a), self.registers.in_register(b));
        self.registers.release([a, b].into_iter());
        let result = self.registers.define(id);
        self.registers.asm.mask3(form, result, first, second);
    }

    /// `condition ? a : b`
    fn blend(&mut self, id: Id, [condition, a, b]: [Id; 3]) {
        let mask = self.registers.in_register(condition);
        let has_masks = self.registers.program.width.has_masks();
        if has_masks && self.registers.program.constant_of(b) == Some(0) {
            let then = self.registers.operand(a);
            self.registers.release([condition, a].into_iter());
            let result = self.registers.define(id);
            let (form, then) = match then {
                Place::Reg(_) => (MOVE, then),
                Place::Mem(mem) if mem.broadcast => (BROADCAST, Place::Mem(Mem { broadcast: false, ..mem })),
                Place::Mem(_) => (LOAD, then),
            };
            return self.registers.asm.masked(form, result, 0, then, Masking::Zero(mask));
        }
        let otherwise = self.registers.in_register(b);
        let then = self.registers.operand_of(BLEND_BY_SIGN, a);
        self.registers.release([condition, a, b].into_iter());
        let result = self.registers.define(id);
        if has_masks {
            self.registers.asm.masked(BLEND_BY_MASK, result, otherwise, then, Masking::Merge(mask));
        } else {
            self.registers.asm.vector_imm(BLEND_BY_SIGN, result, otherwise, then, mask << 4);
        }
    }

    /// The result overwrites an operand that dies, if one does, and one operand may be memory.
    fn fma(&mut self, id: Id, x: [Id; 3], fused: impl Fn(Fused) -> Form) {
        let registers = &mut self.registers;
        // In memory: the last of those that aren't in registers, a cell before others.
        let absent = |slot: &usize| !registers.is_in_register(x[*slot]);
        let is_cell = |slot: usize| matches!(registers.program.insts[x[slot] as usize].op, Low::Cell(_));
        let memory = (0..3).filter(absent).max_by_key(|&slot| is_cell(slot));
        let mut place = [0; 3];
        for slot in (0..3).filter(|&slot| memory != Some(slot) && x[slot] != memory.map_or(NONE, |slot| x[slot])) {
            place[slot] = registers.in_register(x[slot]);
        }
        // The same value twice cannot be memory twice.
        let twice = memory.is_some_and(|memory| (0..3).any(|slot| slot != memory && x[slot] == x[memory]));
        let last = match memory {
            Some(slot) if twice => {
                let register = registers.in_register(x[slot]);
                (0..3).filter(|&other| x[other] == x[slot]).for_each(|other| place[other] = register);
                None
            }
            Some(slot) => match registers.operand(x[slot]) {
                Place::Reg(register) => {
                    place[slot] = register;
                    None
                }
                Place::Mem(mem) => Some((slot, mem)),
            },
            None => None,
        };
        let is_memory = |slot: usize| last.is_some_and(|(memory, _)| memory == slot);
        let dying = [2, 0, 1].into_iter().find(|&slot| !is_memory(slot) && registers.dies(x[slot]));
        let (overwritten, result) = match dying {
            Some(slot) => (slot, place[slot]),
            None => {
                // A copy of the addend, or what would be memory, in a register of its own.
                registers.release(x.into_iter());
                let result = registers.take(Class::Vector);
                match last {
                    Some((slot, mem)) => {
                        let form = if mem.broadcast { BROADCAST } else { registers.form_of(LOAD, x[slot]) };
                        let from = Place::Mem(Mem { broadcast: false, ..mem });
                        registers.asm.vector(form, result, 0, from);
                        place[slot] = result;
                        (slot, result)
                    }
                    None => {
                        registers.asm.vector(MOVE, result, 0, Place::Reg(place[2]));
                        (2, result)
                    }
                }
            }
        };
        let at = |slot: usize| match last {
            Some((memory, mem)) if memory == slot && slot != overwritten => Place::Mem(mem),
            _ => Place::Reg(place[slot]),
        };
        let is_memory = |slot: usize| matches!(at(slot), Place::Mem(_));
        let (form, middle, last) = match overwritten {
            2 if is_memory(0) => (Fused::F231, 1, 0),
            2 => (Fused::F231, 0, 1),
            factor if is_memory(1 - factor) => (Fused::F132, 2, 1 - factor),
            factor => (Fused::F213, 1 - factor, 2),
        };
        let (middle, last) = (place[middle], at(last));
        registers.release(x.into_iter());
        registers.define_in(id, result);
        registers.asm.vector(fused(form), result, middle, last);
    }

    /// A function of three bits; the first operand is overwritten.
    fn bits(&mut self, id: Id, [a, b, c]: [Id; 3], table: u8) {
        let registers = &mut self.registers;
        let second = registers.in_register(b);
        let overwrites = registers.dies(a) && registers.is_in_register(a) && a != b && a != c;
        let result = if overwrites {
            registers.in_register(a)
        } else {
            let result = registers.take(Class::Vector);
            if registers.is_in_register(a) {
                let from = registers.in_register(a);
                registers.asm.vector(MOVE, result, 0, Place::Reg(from));
            } else {
                registers.load(a, Class::Vector, result);
            }
            result
        };
        let third = registers.operand_of(TERNARY_LOGIC, c);
        registers.release([a, b, c].into_iter());
        registers.define_in(id, result);
        registers.asm.vector_imm(TERNARY_LOGIC, result, second, third, table);
    }

    fn call(&mut self, id: Id, op: Op, x: [Id; 3], guard: Id) -> Result<(), Unsupported> {
        let registers = &mut self.registers;
        let mut args = [0; 3];
        for (place, &arg) in args.iter_mut().zip(&x).filter(|(_, arg)| **arg != NONE) {
            *place = registers.in_register(arg);
        }
        let mask = (guard != NONE).then(|| registers.in_register(guard));
        // The result must not overwrite the condition's register, which is read again; operands are read before it is written.
        registers.release(x.into_iter());
        let out = registers.define(id);
        registers.release([guard].into_iter());
        let call = Call { op, args, out, guard: mask };
        let Some(mask) = mask else { return self.call_now(call) };
        let (begin, back) = (registers.asm.label(), registers.asm.label());
        if registers.program.width.has_masks() {
            registers.asm.mask_test(mask);
        } else {
            registers.asm.signs_to_gpr(RAX, mask);
            registers.asm.test(RAX);
        }
        registers.asm.jump_not_zero(begin);
        registers.asm.bind(back);
        self.calls.push(PendingCall { begin, back, call });
        Ok(())
    }

    fn call_now(&mut self, call: Call) -> Result<(), Unsupported> {
        let [helper, eval] = calls::helper(call.op).ok_or(Unsupported("an operator on integers"))?;
        let asm = &mut self.registers.asm;
        let trampoline = *self.trampoline.get_or_insert_with(|| asm.label());
        match (call.guard, self.registers.program.width) {
            (None, width) => asm.constant(R8, (1 << width.lanes()) - 1),
            (Some(mask), width) if width.has_masks() => asm.mask_to_gpr(R8, mask),
            (Some(mask), _) => asm.signs_to_gpr(R8, mask),
        }
        let saved = |register: u8| Mem { disp: self.save.disp + frame::VECTOR * i32::from(register), ..self.save };
        for (gpr, register) in [RDI, RSI, RDX].into_iter().zip(call.args) {
            asm.address(gpr, saved(register));
        }
        asm.address(RCX, saved(call.out));
        asm.constant(R9, eval);
        asm.constant(RAX, helper);
        asm.call(trampoline);
        Ok(())
    }

    /// What lies behind the loop: rare calls, and what all calls go through.
    pub fn cold(&mut self, staged: bool) -> Result<(), Unsupported> {
        for pending in std::mem::take(&mut self.calls) {
            self.registers.asm.bind(pending.begin);
            self.call_now(pending.call)?;
            self.registers.asm.jump(pending.back);
        }
        let Some(trampoline) = self.trampoline.take() else { return Ok(()) };
        self.registers.asm.bind(trampoline);
        self.all_registers(true);
        let asm = &mut self.registers.asm;
        asm.zero_upper();
        asm.call_rax();
        self.all_registers(false);
        self.load_pointers(staged);
        self.registers.asm.ret();
        Ok(())
    }

    /// Saves or restores the registers that the segment uses.
    fn all_registers(&mut self, save: bool) {
        let used = |class| {
            let used = self.registers.used(class);
            (0..32u8).filter(move |register| used >> register & 1 == 1)
        };
        let (vectors, masks) = (used(Class::Vector), used(Class::Mask));
        let first = self.save;
        let asm = &mut self.registers.asm;
        for register in vectors {
            let at = Mem { disp: first.disp + frame::VECTOR * i32::from(register), ..first };
            asm.vector(if save { STORE } else { LOAD }, register, 0, Place::Mem(at));
        }
        for register in masks {
            let at = Mem { disp: first.disp + 32 * frame::VECTOR + 8 * i32::from(register), ..first };
            if save { asm.mask_store(at, register) } else { asm.mask_load(register, at) }
        }
    }
}
