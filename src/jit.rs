//! Machine code: a graph as functions of the host, made by Cranelift.
//!
//! What the code computes is what `interp` computes, to the bit (all NaNs being one). Elementary functions are
//! calls of the functions that the operator table names; arithmetic, comparisons and choices are instructions.
//!
//! - [`plan`] decides what is computed, in which order, in which function.
//! - [`emit`] turns a planned chunk into a machine function, [`lower`] an operator into instructions.
//! - [`shims`] are the functions that the code calls, [`link`] names them.
//! - [`target`] is the host, [`dump`] the code as text.
//!
//! Graphs of up to [`WHOLE`] operations are one function. Larger ones are cut, because the thorough register allocation is
//! quadratic on long reverse sweeps, and because a function's frame grows with it: a function of 10^6 operations
//! would overflow the stack of a thread.

mod dump;
mod emit;
mod link;
pub mod loops;
mod lower;
mod plan;
mod shims;
mod target;

use std::fmt;
use std::mem::MaybeUninit;
use std::sync::{Arc, Mutex, PoisonError};

use cranelift::codegen::Context;
use cranelift_jit::{JITBuilder, JITModule};
use cranelift_module::{Module, ModuleError};

use crate::ir::Func;
pub use crate::parts::{N_ARGS, N_RESULTS, Parts};
use plan::Plan;
use shims::Symbol;
pub use target::Effort;
use target::Target;

/// Why there is no machine code.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Error {
    /// No code can be made for this machine. The interpreter runs everywhere.
    #[error("no machine code for this machine: {0}")]
    Unsupported(&'static str),
    /// Cranelift or the system refused.
    #[error("machine code: {0}")]
    Backend(String),
}

impl From<ModuleError> for Error {
    fn from(error: ModuleError) -> Error {
        Error::Backend(error.to_string())
    }
}

/// How code is made. The defaults were measured (`examples/jit_speed.rs`): graphs come with their algebra done, and the optimiser,
/// which moves each operation to its first use, makes long functions slower.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Options {
    /// How much work goes into the code.
    pub effort: Option<Effort>,
    /// About how many operations a machine function has.
    pub chunk: Option<usize>,
}

/// The largest graph, in operations, that is one machine function.
pub const WHOLE: usize = 300;

/// The operations of a machine function where there are several.
const CHUNK: usize = 250;

/// The longest tape that lies on the stack of the caller, which needs no lock.
const STACK_TAPE: usize = 1024;

impl Options {
    fn prepare(&self, func: &Func) -> Result<(Target, Plan), Error> {
        let mut steps = plan::steps(func);
        let whole = steps.len() <= WHOLE;
        if whole {
            steps = plan::calls_first(func, &steps);
        }
        let chunk = if whole { usize::MAX } else { CHUNK };
        let target = Target::host(self.effort.unwrap_or(Effort::Registers))?;
        Ok((target, plan::plan(func, steps, self.chunk.unwrap_or(chunk))))
    }
}

/// A chunk: the parts of the arguments and the results, the tape; the index of the first failed check or [`emit::PASSED`].
///
/// It reads as many doubles of the arguments and writes as many of the results as the [`Parts`] say that it was made for, and
/// reads and writes the slots of the tape that its plan has.
type Entry = unsafe extern "C" fn(*const f64, *const f64, *mut f64, *mut f64, *mut f64, *mut u64) -> u64;

/// Compiled code, cheap to clone, callable from any thread.
#[derive(Clone)]
pub struct Code {
    parts: Parts,
    /// The only chunk, if there is one only. `owner` keeps it in place.
    whole: Option<Entry>,
    owner: Arc<Owner>,
}

/// What all clones of a code share.
struct Owner {
    chunks: Box<[Entry]>,
    /// How many values wait between chunks.
    tape_len: usize,
    /// Tapes that no call is using.
    tapes: Mutex<Vec<Box<Tape>>>,
    /// The memory that the code lies in.
    module: Mutex<Option<JITModule>>,
}

/// Makes code of a graph.
///
/// # Errors
/// Where the host is none that Cranelift knows, or memory for code is refused.
pub fn compile(func: &Func, options: &Options) -> Result<Code, Error> {
    compile_parts(func, Parts::whole(func), options)
}

/// Makes code of a graph whose arguments and results are going to be in several slices, for [`Code::call_parts`].
///
/// # Errors
/// As [`compile`].
///
/// # Panics
/// Where the parts don't add up to the function's parameters and results.
pub fn compile_parts(func: &Func, parts: Parts, options: &Options) -> Result<Code, Error> {
    assert!(parts.are_of(func), "parts of all parameters and results");
    let (target, plan) = options.prepare(func)?;
    let mut builder = JITBuilder::with_isa(target.isa.clone(), cranelift_module::default_libcall_names());
    builder.symbol_lookup_fn(Box::new(|name| Symbol::by_name(name)?.address()));
    let mut module = Unfinished(Some(JITModule::new(builder)));
    let entries = module.fill(func, parts, &plan, &target)?;
    let whole = if let [only] = *entries { Some(only) } else { None };
    let tapes = if plan.tape > STACK_TAPE { vec![tape(plan.tape)] } else { Vec::new() };
    let owner = Owner {
        chunks: entries.into(),
        tape_len: plan.tape,
        tapes: Mutex::new(tapes),
        module: Mutex::new(module.0.take()),
    };
    Ok(Code { parts, whole, owner: Arc::new(owner) })
}

/// The machine functions of a graph in Cranelift's language.
///
/// # Errors
/// As [`compile`].
pub fn clif(func: &Func) -> Result<String, Error> {
    if func.has_regions() {
        return loops::clif(func);
    }
    dump::clif(func, &Options::default())
}

/// The machine functions of a graph in the host's assembly language.
///
/// # Errors
/// As [`compile`].
pub fn asm(func: &Func) -> Result<String, Error> {
    if func.has_regions() {
        return loops::asm(func);
    }
    dump::asm(func, &Options::default())
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let chunks = self.owner.chunks.len();
        f.debug_struct("Code").field("parts", &self.parts).field("chunks", &chunks).finish()
    }
}

impl Code {
    /// Computes the results at a point. An argument of type `int` is a whole number, one of type `bool` 0 or 1; results are
    /// numbers in the same way.
    ///
    /// # Errors
    /// The index of the first check that fails; the results are then unspecified.
    ///
    /// # Panics
    /// Where the lengths aren't those of the function's parameters and results.
    #[inline]
    pub fn call(&self, args: &[f64], out: &mut [f64]) -> Result<(), usize> {
        self.call_parts([args, &[]], [out, &mut [], &mut []])
    }

    /// Whether the slices have the lengths that the code was made for.
    #[inline]
    pub fn fits(&self, args: [usize; N_ARGS], results: [usize; N_RESULTS]) -> bool {
        self.parts.fit(args, results)
    }

    /// Computes the results at a point, with the arguments and the results in the slices that it was compiled for.
    ///
    /// # Errors
    /// As [`Code::call`].
    ///
    /// # Panics
    /// Where the lengths aren't those of the parts.
    #[inline]
    pub fn call_parts(&self, args: [&[f64]; N_ARGS], results: [&mut [f64]; N_RESULTS]) -> Result<(), usize> {
        let ([a, b], [u, v, w]) = (args, results);
        let fits = self.fits([a.len(), b.len()], [u.len(), v.len(), w.len()]);
        assert!(fits, "slices of the lengths that the code was made for");
        let (a, b, u, v, w) = (a.as_ptr(), b.as_ptr(), u.as_mut_ptr(), v.as_mut_ptr(), w.as_mut_ptr());
        let failed = match self.whole {
            // SAFETY: the lengths were checked above, one chunk uses no tape, and `owner` keeps the code in place.
            Some(entry) => unsafe { entry(a, b, u, v, w, std::ptr::null_mut()) },
            None => self.owner.call_chunks(&Point { args: [a, b], results: [u, v, w] }),
        };
        if failed == emit::PASSED { Ok(()) } else { Err(failed as usize) }
    }
}

/// Where the arguments and results of a call are.
struct Point {
    args: [*const f64; N_ARGS],
    results: [*mut f64; N_RESULTS],
}

impl Point {
    /// # Safety
    /// The parts must be as long as those of the code that `entry` is of, the tape as long as in its plan, both this call's
    /// alone, and the code in place.
    unsafe fn run(&self, entry: Entry, tape: *mut u64) -> u64 {
        let ([a, b], [u, v, w]) = (self.args, self.results);
        // SAFETY: the caller's promise is what `Entry` asks for.
        unsafe { entry(a, b, u, v, w, tape) }
    }
}

impl Owner {
    fn call_chunks(&self, point: &Point) -> u64 {
        if self.tape_len <= STACK_TAPE {
            let mut tape = [const { MaybeUninit::<u64>::uninit() }; STACK_TAPE];
            return self.run(point, &mut tape);
        }
        // Each thread that calls at the same time needs a tape; who finds none makes one, and it stays.
        let idle = self.tapes.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut tape = idle.unwrap_or_else(|| tape(self.tape_len));
        let failed = self.run(point, &mut tape);
        self.tapes.lock().unwrap_or_else(PoisonError::into_inner).push(tape);
        failed
    }

    fn run(&self, point: &Point, tape: &mut Tape) -> u64 {
        assert!(tape.len() >= self.tape_len, "room for each value");
        let tape = tape.as_mut_ptr().cast();
        let mut failed = emit::PASSED;
        for &entry in &self.chunks {
            // SAFETY: `Code::call_parts` checked the lengths before it made the point; the tape is long enough and this
            // call's alone, and a chunk reads only what an earlier one wrote; `self` keeps the code in place.
            failed = failed.min(unsafe { point.run(entry, tape) });
        }
        failed
    }
}

/// What waits between chunks. It needs no initial values.
type Tape = [MaybeUninit<u64>];

fn tape(len: usize) -> Box<Tape> {
    Box::new_uninit_slice(len)
}

impl Drop for Owner {
    fn drop(&mut self) {
        let module = self.module.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        free(module);
    }
}

/// A module on its way to an owner.
struct Unfinished(Option<JITModule>);

impl Unfinished {
    /// Compiles all chunks; their addresses.
    fn fill(&mut self, func: &Func, parts: Parts, plan: &Plan, target: &Target) -> Result<Vec<Entry>, Error> {
        let Some(module) = &mut self.0 else { unreachable!("it is taken once, when it is full") };
        let mut context = Context::new();
        let mut ids = Vec::with_capacity(plan.ends.len());
        let mut imports = link::Imports::new(Some(module));
        let mut emitter = emit::Emitter::new(func, plan, target, parts);
        let signature = emit::signature(target);
        for chunk in 0..plan.ends.len() {
            context.clear();
            context.func.signature = signature.clone();
            emitter.chunk(chunk, &mut context.func, &mut imports);
            let Some(module) = imports.module() else { unreachable!("it was given above") };
            let id = module.declare_anonymous_function(&signature)?;
            module.define_function(id, &mut context)?;
            ids.push(id);
        }
        module.finalize_definitions()?;
        Ok(ids.into_iter().map(|id| entry(module.get_finalized_function(id))).collect())
    }
}

/// Where compilation failed half way.
impl Drop for Unfinished {
    fn drop(&mut self) {
        free(self.0.take());
    }
}

fn entry(address: *const u8) -> Entry {
    // SAFETY: `emit` made the function at this address with `emit::signature`, which says the types of `Entry`
    // in the host's C calling convention. `Owner` keeps the code in place for as long as it can be called.
    unsafe { std::mem::transmute::<*const u8, Entry>(address) }
}

fn free(module: Option<JITModule>) {
    if let Some(module) = module {
        // SAFETY: no pointer into the module is called any more: the entries live in the same `Owner`, which is
        // being dropped, so that no call is under way; those of an unfinished module were never given away.
        unsafe { module.free_memory() }
    }
}
