//! Single calls: a graph as one machine function that computes one point.
//!
//! The program is that of the kernels, with one lane. Its instructions are written in one pass, however many there are: registers are given out on
//! the way, constants lie behind the code and are operands from there, and what finds no register waits on the stack, or for large graphs in a
//! **tape** of its own. What a formula hardly ever needs is called from behind the code.
//!
//! To the bit it is what `interp` says. Cranelift (`jit`) compiles the rest: other machines, and integers.

mod emit;
mod pairs;

use std::fmt;
use std::mem::MaybeUninit;
use std::sync::{Arc, Mutex, PoisonError};

use memmap2::Mmap;

use super::encode::Mem;
use super::low::{Id, Program};
use super::plan::WINDOW;
use super::schedule::{pressure, schedule};
use super::{Unsupported, Width, dump, executable, lower};
use crate::ir::Func;
pub use crate::parts::{N_ARGS, N_RESULTS, Parts};
use emit::Emitted;

/// The largest program, in instructions, whose order is changed: beyond, the processor finds enough to do side by side.
const SCHEDULED: usize = 1000;

/// Up to how many values that are alive at once.
const CHAINS: usize = 24;

/// The parts of the arguments, those of the results, and the tape, in the C calling convention of System V on every system.
#[cfg(target_arch = "x86_64")]
type Entry = unsafe extern "sysv64" fn(*const f64, *const f64, *mut f64, *mut f64, *mut f64, *mut Word);
#[cfg(not(target_arch = "x86_64"))]
type Entry = unsafe extern "C" fn(*const f64, *const f64, *mut f64, *mut f64, *mut f64, *mut Word);

/// What waits for its next use. It needs no initial value.
type Word = MaybeUninit<u64>;

/// Compiled code for single calls, cheap to clone, callable from any thread.
#[derive(Clone)]
pub struct Code {
    parts: Parts,
    /// The function, if it needs no tape. `owner` keeps it in place.
    alone: Option<Entry>,
    owner: Arc<Owner>,
}

struct Owner {
    width: Width,
    entry: Entry,
    tape_len: usize,
    /// Tapes that no call is using.
    tapes: Mutex<Vec<Box<[Word]>>>,
    code: Mmap,
}

/// Makes code of a graph whose arguments and results are going to be in several slices.
///
/// # Errors
/// Where the processor has neither AVX-512 nor AVX2 with FMA, or the graph computes with integers.
///
/// # Panics
/// Where the parts don't add up to the function's parameters and results.
pub fn compile(func: &Func, parts: Parts, width: Option<Width>) -> Result<Code, Unsupported> {
    let (width, emitted) = machine(func, parts, width)?;
    if !width.is_available() {
        return Err(Unsupported("this processor has no such instructions"));
    }
    let code = executable(&emitted.code).map_err(|_| Unsupported("the system gives no memory for code"))?;
    // SAFETY: `emit` put a function there that takes what `Entry` says. `Owner` keeps the code in place.
    let entry = unsafe { std::mem::transmute::<*const u8, Entry>(code.as_ptr().add(emitted.entry)) };
    let alone = (emitted.tape == 0).then_some(entry);
    let owner = Owner { width, entry, tape_len: emitted.tape, tapes: Mutex::new(Vec::new()), code };
    Ok(Code { parts, alone, owner: Arc::new(owner) })
}

/// The machine code as text; for any processor. Without the feature `cli`, its bytes.
///
/// # Errors
/// Where the graph computes with integers.
pub fn asm(func: &Func, width: Option<Width>) -> Result<String, Unsupported> {
    let (_, emitted) = machine(func, Parts::whole(func), width)?;
    let mut text = String::new();
    dump::disassemble(&emitted.code[emitted.entry..emitted.end], emitted.entry, &mut text);
    Ok(text)
}

fn machine(func: &Func, parts: Parts, width: Option<Width>) -> Result<(Width, Emitted), Unsupported> {
    assert!(parts.are_of(func), "parts of all parameters and results");
    let best = || Width::ONE.into_iter().find(|width| width.is_available());
    let width = width.or_else(best).ok_or(Unsupported("this processor has neither AVX-512 nor AVX2"))?;
    if width.lanes() > 1 {
        return Err(Unsupported("a single call computes one point"));
    }
    let mut program = lower::lower(func, &vec![false; func.params.len()], width)?;
    let insts = order(&mut program);
    Ok((width, emit::emit(&program, &insts, parts)?))
}

/// The instructions that the results need, in the order of their execution.
fn order(program: &mut Program) -> Vec<Id> {
    let [mut insts, rest] = program.live();
    insts.extend(rest);
    let calls = insts.iter().any(|&id| program.insts[id as usize].is_routine());
    let worthwhile = !calls && insts.len() <= SCHEDULED && pressure(program, &insts) <= CHAINS;
    if !worthwhile {
        return insts;
    }
    let insts = pairs::pair(program, insts);
    schedule(program, insts, WINDOW)
}

/// Where a constant is in the code.
pub fn constant(cell: u32) -> Mem {
    emit::constant(cell)
}

/// Where a value waits that found no register.
pub fn spill(slot: u32) -> Mem {
    emit::spill(slot)
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Owner { width, tape_len, code, .. } = &*self.owner;
        f.debug_tuple("Code").field(&(width, tape_len, code.len())).finish()
    }
}

impl Code {
    pub fn width(&self) -> Width {
        self.owner.width
    }

    /// How many bytes of code and constants there are.
    pub fn code_len(&self) -> usize {
        self.owner.code.len()
    }

    /// Whether the slices have the lengths that the code was made for.
    #[inline]
    pub fn fits(&self, args: [usize; N_ARGS], results: [usize; N_RESULTS]) -> bool {
        self.parts.fit(args, results)
    }

    /// Computes the results at a point, with the arguments in the first slice and the results too.
    ///
    /// # Panics
    /// Where the lengths aren't those of the function's parameters and results.
    pub fn call(&self, args: &[f64], out: &mut [f64]) {
        _ = self.call_parts([args, &[]], [out, &mut [], &mut []]);
    }

    /// Computes the results at a point, with the arguments and the results in the slices that it was compiled for.
    ///
    /// # Errors
    /// None: it is for graphs without checks. Other back ends have some.
    ///
    /// # Panics
    /// Where the lengths aren't those of the parts.
    #[inline]
    pub fn call_parts(&self, args: [&[f64]; N_ARGS], results: [&mut [f64]; N_RESULTS]) -> Result<(), usize> {
        let ([a, b], [u, v, w]) = (args, results);
        let fits = self.fits([a.len(), b.len()], [u.len(), v.len(), w.len()]);
        assert!(fits, "slices of the lengths that the code was made for");
        let (a, b, u, v, w) = (a.as_ptr(), b.as_ptr(), u.as_mut_ptr(), v.as_mut_ptr(), w.as_mut_ptr());
        match self.alone {
            // SAFETY: the lengths were checked above, the code uses no tape, and `owner` keeps it in place.
            Some(entry) => unsafe { entry(a, b, u, v, w, std::ptr::null_mut()) },
            // SAFETY: the lengths were checked above.
            None => unsafe { self.owner.call_with_tape(a, b, u, v, w) },
        }
        Ok(())
    }
}

impl Owner {
    /// # Safety
    /// The parts must be as long as those that the code was made for, and this call's alone.
    #[cold]
    unsafe fn call_with_tape(&self, a: *const f64, b: *const f64, u: *mut f64, v: *mut f64, w: *mut f64) {
        // Each thread that calls at the same time needs a tape; who finds none makes one, and it stays.
        let idle = self.tapes.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut tape = idle.unwrap_or_else(|| Box::new_uninit_slice(self.tape_len));
        // SAFETY: the caller's promise; the tape is as long as the code asks for and this call's alone, and the code reads only what it
        // wrote there; `self` keeps the code in place.
        unsafe { (self.entry)(a, b, u, v, w, tape.as_mut_ptr()) }
        self.tapes.lock().unwrap_or_else(PoisonError::into_inner).push(tape);
    }
}
