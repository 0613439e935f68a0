//! A program of one lane as a machine function.
//!
//! ```text
//! rdi rsi   the parts of the arguments      rax  constants, behind the code
//! rdx rcx r8      the parts of the results  rbx  the frame: what found no register, and a save area for rare calls
//! r9        the tape, where the frame is    r11  scratch
//!           too large for the stack
//! ```
//!
//! A function that calls routines on its way has the parts in registers that calls keep. No vector register survives a call: what is needed
//! later is stored before it. Rare calls lie behind the code and find and leave all registers as they are.
//!
//! Before the function's first instruction there is room for its beginning, which is known when the rest is written.

use super::super::calls;
use super::super::emit::Emitter;
use super::super::encode::*;
use super::super::low::{Cell, Class, Id, Inst, Low, NONE, Program};
use super::super::plan::Home;
use super::super::registers::Registers;
use crate::ops::Op;
use crate::parts::{N_ARGS, N_RESULTS, Parts, place};
use crate::routines;
use crate::wide::Unsupported;

/// The parts of the arguments and of the results: where they are when the function begins, which a call may overwrite, and what calls keep.
const GIVEN: [Gpr; N_ARGS + N_RESULTS] = [RDI, RSI, RDX, RCX, R8];
const KEPT: [Gpr; N_ARGS + N_RESULTS] = [R12, R13, R14, R15, RBP];

/// Pointers point this far behind the begin, so that short displacements reach more.
const BIAS: i32 = 128;

/// The bytes of a place for what is in a register.
const PLACE: i32 = 16;

/// The bytes of the save area: all vector and mask registers.
const SAVE: i32 = PLACE * (32 + 8);

/// The largest frame that lies on the stack, in bytes; no more than a page, so that its guard is not passed over.
const STACK: usize = 3072;

/// Room for the begin of the function.
const ENTER: usize = 64;

pub fn constant(cell: u32) -> Mem {
    Mem::at(RAX, 8 * cell as i32 - BIAS)
}

pub fn spill(slot: u32) -> Mem {
    Mem::at(RBX, PLACE * slot as i32 - BIAS)
}

fn saved(register: u8) -> Mem {
    Mem::at(RBX, PLACE * i32::from(register) - SAVE - BIAS)
}

fn saved_mask(register: u8) -> Mem {
    saved(32 + register)
}

pub struct Emitted {
    pub code: Vec<u8>,
    /// Where the function begins, and where the constants do.
    pub entry: usize,
    pub end: usize,
    /// How many words the tape has.
    pub tape: usize,
}

pub fn emit(program: &Program, insts: &[Id], parts: Parts) -> Result<Emitted, Unsupported> {
    let calls_routines = insts.iter().any(|&id| program.insts[id as usize].is_routine());
    let pointers = if calls_routines { KEPT } else { GIVEN };
    let input = |index| (pointers[place(&parts.args, index).0], place(&parts.args, index).1);
    let output = |index| (pointers[N_ARGS + place(&parts.results, index).0], place(&parts.results, index).1);
    let (n_inputs, n_outputs) = (parts.args.iter().sum(), parts.results.iter().sum());
    let columns = (0..n_inputs).map(input).chain((0..n_outputs).map(output));
    let places: Vec<Mem> = columns.map(|(part, index)| Mem::at(part, 8 * index as i32)).collect();
    let homes = program.insts.iter().map(|inst| match inst.op {
        Low::Cell(cell) | Low::Pair(cell) => Home::Cell(cell),
        Low::Column { column, vector, late } => Home::Column { column, vector, late },
        _ => Home::Nowhere,
    });
    let mut registers = Registers::new(program, homes.collect(), 0, 0);
    registers.places = places;
    let pool = registers.asm.label();
    let emitter = Emitter::new(registers, n_inputs, n_inputs + n_outputs);
    Single { emitter, n_inputs, pool, calls_routines, rare: Vec::new() }.function(insts)
}

struct Single<'a> {
    emitter: Emitter<'a>,
    n_inputs: usize,
    /// The constants.
    pool: Label,
    calls_routines: bool,
    rare: Vec<Rare>,
}

/// Calls behind the code.
struct Rare {
    begin: Label,
    back: Label,
    /// Where the code goes on, and the condition under which it does without.
    end: usize,
    condition: Id,
    calls: Vec<RareCall>,
}

/// The register of an operand, and that of a value that isn't good.
struct RareCall {
    op: Op,
    x: u8,
    out: u8,
}

/// The memory that a function works in.
struct Frame {
    bytes: usize,
    calls_routines: bool,
    has_rare_calls: bool,
    /// Only rare calls need it.
    is_rare: bool,
}

impl Frame {
    fn is_on_stack(&self) -> bool {
        self.bytes <= STACK
    }

    /// So that the stack is aligned after the address to return to and what is pushed, which is one register or six.
    fn stack(&self) -> i32 {
        let bytes = if self.is_on_stack() { self.bytes.next_multiple_of(16) as i32 } else { 0 };
        bytes + if self.calls_routines { 8 } else { 0 }
    }

    fn enter(&self, asm: &mut Assembler) {
        asm.push(RBX);
        if self.calls_routines {
            KEPT.iter().for_each(|&gpr| asm.push(gpr));
            KEPT.iter().zip(GIVEN).for_each(|(&kept, given)| asm.copy(kept, given));
        }
        if self.stack() > 0 {
            asm.add(RSP, -self.stack());
        }
        let base = if self.is_on_stack() { RSP } else { R9 };
        asm.address(RBX, Mem::at(base, BIAS + if self.has_rare_calls { SAVE } else { 0 }));
    }

    fn leave(&self, asm: &mut Assembler) {
        if self.stack() > 0 {
            asm.add(RSP, self.stack());
        }
        if self.calls_routines {
            KEPT.iter().rev().for_each(|&gpr| asm.pop(gpr));
        }
        asm.pop(RBX);
    }
}

impl<'a> Single<'a> {
    fn registers(&mut self) -> &mut Registers<'a> {
        &mut self.emitter.registers
    }

    fn asm(&mut self) -> &mut Assembler {
        &mut self.emitter.registers.asm
    }

    fn function(mut self, insts: &[Id]) -> Result<Emitted, Unsupported> {
        self.asm().code.resize(ENTER, 0);
        self.load_pool();
        let uses = self.emitter.uses(insts);
        for (&id, uses) in insts.iter().zip(&uses) {
            let args = self.registers().program.insts[id as usize].args;
            for (&arg, &next) in args.iter().zip(uses).filter(|(arg, _)| **arg != NONE) {
                self.registers().next[arg as usize] = next;
            }
            self.registers().next[id as usize] = uses[args.len()];
            self.registers().lock(args.iter().copied());
            self.inst(id)?;
            self.registers().finish(id, args.iter().copied());
        }
        let n_spills = self.registers().n_spills();
        let has_rare_calls = !self.rare.is_empty();
        let bytes = PLACE as usize * n_spills + if has_rare_calls { SAVE as usize } else { 0 };
        let calls_routines = self.calls_routines;
        let frame = Frame { bytes, calls_routines, has_rare_calls, is_rare: n_spills == 0 && !calls_routines };
        let mut begin = Assembler::new(self.registers().program.width);
        if !frame.is_rare {
            frame.leave(self.asm());
            frame.enter(&mut begin);
        }
        self.asm().ret();
        let entry = ENTER - begin.code.len();
        self.asm().code[entry..ENTER].copy_from_slice(&begin.code);
        self.cold(&frame)?;
        let end = self.asm().code.len();
        self.constants();
        let tape = if frame.is_on_stack() { 0 } else { bytes / 8 };
        Ok(Emitted { code: self.emitter.registers.asm.finish(), entry, end, tape })
    }

    fn load_pool(&mut self) {
        let pool = self.pool;
        if !self.registers().program.cells.is_empty() {
            self.asm().address_of_label(RAX, pool);
        }
    }

    fn constants(&mut self) {
        let (pool, program) = (self.pool, self.registers().program);
        let asm = self.asm();
        asm.align();
        asm.bind_at(pool, asm.code.len() + BIAS as usize);
        for cell in &program.cells {
            let Cell::Constant(bits) = cell else {
                unreachable!("arguments are no cells, and nothing is computed before")
            };
            asm.code.extend(bits.to_le_bytes());
        }
        // Instructions on two lanes read two numbers.
        asm.code.extend([0; 8]);
    }

    fn inst(&mut self, id: Id) -> Result<(), Unsupported> {
        let program = self.registers().program;
        let inst = program.insts[id as usize];
        let [a, b, _, is_good] = inst.args;
        match inst.op {
            Low::Store { output, .. } => {
                let place = self.emitter.registers.places[self.n_inputs + output as usize];
                let register = self.registers().in_register(a);
                self.asm().vector(STORE, register, 0, Place::Mem(place));
                self.registers().release([a].into_iter());
                Ok(())
            }
            Low::Call(index) => {
                let op = program.calls[index as usize];
                let routine = routines::address(op).ok_or(Unsupported("an operator without a routine"))?;
                self.call(id, routine as u64, inst);
                Ok(())
            }
            Low::SinCos => {
                self.call(id, routines::sin_cos as *const () as u64, inst);
                Ok(())
            }
            Low::Beside => {
                self.registers().release([a].into_iter());
                self.registers().define_in(id, 1);
                Ok(())
            }
            Low::OrCall(index) => {
                self.or_call(id, program.calls[index as usize], [a, b, is_good]);
                Ok(())
            }
            _ => self.emitter.inst(id),
        }
    }

    /// A call that is always made: numbers in the first vector registers, the result in the first. No register survives.
    fn call(&mut self, id: Id, routine: u64, inst: Inst) {
        let registers = self.registers();
        let args: Vec<Id> = inst.args().collect();
        let mut from: Vec<Place> = args.iter().map(|&arg| registers.place(arg)).collect();
        registers.release(args.iter().copied());
        registers.put_away();
        for to in 0..from.len() {
            // What a later argument is in must not be overwritten.
            let is_here = |place: &Place| matches!(place, Place::Reg(register) if usize::from(*register) == to);
            if let Some(later) = (to + 1..from.len()).find(|&later| is_here(&from[later])) {
                let is_free =
                    |register: &u8| !from.iter().any(|place| matches!(place, Place::Reg(other) if other == register));
                let free = (args.len() as u8..16).find(is_free).expect("three operands leave registers");
                registers.asm.vector(MOVE, free, 0, from[later]);
                from.iter_mut().filter(|place| is_here(place)).for_each(|place| *place = Place::Reg(free));
            }
            match from[to] {
                Place::Reg(register) if usize::from(register) == to => {}
                Place::Reg(_) => registers.asm.vector(MOVE, to as u8, 0, from[to]),
                Place::Mem(mem) => registers.asm.vector(LOAD, to as u8, 0, Place::Mem(Mem { broadcast: false, ..mem })),
            }
        }
        registers.asm.constant(RAX, routine);
        self.call_outside();
        self.registers().define_in(id, 0);
    }

    /// Calls an operator on numbers in the save area, with its result there.
    fn call_through(&mut self, label: Label, op: Op, x: u8, out: u8) -> Result<(), Unsupported> {
        let [helper, eval] = calls::helper(op).ok_or(Unsupported("an operator on integers"))?;
        // What calls keep needs no saving; an odd number of pushes aligns the stack.
        let saved_pointers = if self.calls_routines { &GIVEN[..1] } else { &GIVEN };
        let asm = self.asm();
        saved_pointers.iter().for_each(|&gpr| asm.push(gpr));
        asm.address(RDI, saved(x));
        asm.address(RCX, saved(out));
        asm.constant(R8, 1);
        asm.constant(R9, eval);
        asm.constant(RAX, helper);
        asm.call(label);
        saved_pointers.iter().rev().for_each(|&gpr| asm.pop(gpr));
        Ok(())
    }

    /// `value` where it is good, else the value of an operator at `x`.
    fn or_call(&mut self, id: Id, op: Op, [value, x, is_good]: [Id; 3]) {
        let registers = &mut self.emitter.registers;
        let [from, x_register] = [value, x].map(|arg| registers.in_register(arg));
        let condition = registers.in_register(is_good);
        let out = if registers.dies(value) && value != x {
            registers.release([value, x, is_good].into_iter());
            registers.define_in(id, from);
            from
        } else {
            // Before operands are free: the copy must not overwrite the others.
            let out = registers.define(id);
            registers.asm.vector(MOVE, out, 0, Place::Reg(from));
            registers.release([value, x, is_good].into_iter());
            out
        };
        let call = RareCall { op, x: x_register, out };
        let at = registers.asm.code.len();
        match self.rare.last_mut() {
            // One after the other under the same condition, which is tested once.
            Some(rare)
                if rare.end == at
                    && rare.condition == is_good
                    && rare.calls.iter().all(|call| call.out != x_register) =>
            {
                rare.calls.push(call);
            }
            _ => {
                match registers.program.class(is_good) {
                    Class::Mask => registers.asm.mask_to_gpr(R11, condition),
                    Class::Vector => registers.asm.signs_of_pair_to_gpr(R11, condition),
                }
                let (begin, back) = (registers.asm.label(), registers.asm.label());
                registers.asm.test_lowest(R11);
                registers.asm.jump_zero(begin);
                registers.asm.bind(back);
                let end = registers.asm.code.len();
                self.rare.push(Rare { begin, back, end, condition: is_good, calls: vec![call] });
            }
        }
    }

    /// What lies behind the code: calls that are rare, and what they go through. Where there are only rare ones, the frame is made
    /// for these.
    fn cold(&mut self, frame: &Frame) -> Result<(), Unsupported> {
        let rare = std::mem::take(&mut self.rare);
        let aside = (!rare.is_empty()).then(|| self.asm().label());
        for Rare { begin, back, calls, .. } in rare {
            self.asm().bind(begin);
            if frame.is_rare {
                frame.enter(self.asm());
            }
            for RareCall { op, x, out } in calls {
                let Some(aside) = aside else { unreachable!("it was made above") };
                self.call_through(aside, op, x, out)?;
            }
            if frame.is_rare {
                frame.leave(self.asm());
            }
            self.asm().jump(back);
        }
        if let Some(aside) = aside {
            self.asm().bind(aside);
            self.all_registers(true);
            self.call_outside();
            self.all_registers(false);
            self.asm().ret();
        }
        Ok(())
    }

    fn call_outside(&mut self) {
        self.asm().call_rax();
        self.load_pool();
    }

    /// Saves or restores the registers that the function uses.
    fn all_registers(&mut self, save: bool) {
        let registers = self.registers();
        let used = [Class::Vector, Class::Mask].map(|class| registers.used(class));
        let asm = self.asm();
        for register in (0..32u8).filter(|register| used[0] >> register & 1 == 1) {
            asm.vector(if save { STORE.pair() } else { LOAD.pair() }, register, 0, Place::Mem(saved(register)));
        }
        for register in (0..8u8).filter(|register| used[1] >> register & 1 == 1) {
            let at = saved_mask(register);
            if save { asm.mask_store(at, register) } else { asm.mask_load(register, at) }
        }
    }
}
