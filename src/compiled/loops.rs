//! What runs a graph with arrays: machine code where there is some, otherwise the interpreter. The choice is made here, once.

#[cfg(feature = "jit")]
use std::sync::{Mutex, PoisonError};

use crate::interp::{self, Failure};
use crate::ir::Func;
#[cfg(feature = "jit")]
use crate::jit::loops::{self, LoopCode, Role, Workspace};
use crate::program::Backend;
use crate::span::Span;
use crate::work::{TooMuch, Work};

/// What some of the [workspace](crate::Compiled::workspace_bytes) is for, and which expression of the text needs it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Memory {
    pub purpose: Purpose,
    /// The loop that makes it: a sum, an array, a recurrence, an `iterate`.
    pub at: Span,
    pub bytes: usize,
}

/// What memory is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// What each turn of a recurrence or an `iterate` leaves behind for the reverse sweep, or for others that read it. Where it `grows`, as
    /// with `while`, there is room for as many turns as are allowed, of which the system gives as much as turns are made.
    Trajectory { grows: bool },
    /// Any other array.
    Array,
    /// What a loop needs while it runs.
    Scratch,
}

/// A graph with arrays, ready to be called from any number of threads.
pub struct Loops {
    #[cfg(feature = "jit")]
    code: Option<LoopCode>,
    /// Workspaces that no call is using: as many as there have been calls at the same time.
    #[cfg(feature = "jit")]
    spare: Mutex<Vec<Workspace>>,
    work: Work,
}

/// Why a call has no results.
pub enum Stop {
    /// A check fails, at this place of the text.
    Fault(Span, Failure),
    /// It is not made.
    Work(TooMuch),
}

impl Loops {
    #[cfg(feature = "jit")]
    pub fn new(func: &Func, backend: Backend, limit: u64) -> Loops {
        let code = match backend {
            Backend::Auto | Backend::Scalar => loops::compile(func).ok(),
            Backend::Interpreter => None,
        };
        Loops { code, spare: Mutex::default(), work: Work::of(func, limit) }
    }

    #[cfg(not(feature = "jit"))]
    pub fn new(func: &Func, _: Backend, limit: u64) -> Loops {
        Loops { work: Work::of(func, limit) }
    }

    pub fn backend(&self) -> &'static str {
        #[cfg(feature = "jit")]
        if self.code.is_some() {
            return "cranelift";
        }
        "interpreter"
    }

    /// How much memory a call needs beside arguments and results, in bytes; 0 where it isn't planned.
    pub fn workspace_bytes(&self) -> usize {
        #[cfg(feature = "jit")]
        if let Some(code) = &self.code {
            return code.workspace();
        }
        0
    }

    /// What that memory is for, the largest first.
    #[cfg_attr(not(feature = "jit"), allow(clippy::unused_self, reason = "the interpreter plans no memory"))]
    pub fn memory(&self) -> Vec<Memory> {
        let mut memory: Vec<Memory> = Vec::new();
        #[cfg(feature = "jit")]
        for piece in self.code.iter().flat_map(LoopCode::pieces) {
            let func = self.code.as_ref().map(LoopCode::func);
            let at = func.map(|func| func.span(piece.region)).unwrap_or_default();
            let grows = func.and_then(|func| func.region_of(piece.region)).is_some_and(|region| region.going.is_some());
            let purpose = match piece.role {
                Role::Trajectory => Purpose::Trajectory { grows },
                Role::Array => Purpose::Array,
                Role::Scratch => Purpose::Scratch,
            };
            match memory.iter_mut().find(|known| known.at == at && known.purpose == purpose) {
                Some(known) => known.bytes += piece.bytes,
                None => memory.push(Memory { purpose, at, bytes: piece.bytes }),
            }
        }
        memory.sort_by_key(|memory| (std::cmp::Reverse(memory.bytes), memory.at));
        memory
    }

    /// Computes all results, each into its slice. The lengths are right. A check that fails says where in the text, and why.
    pub fn run(&self, func: &Func, args: &[&[f64]], outs: &mut [&mut [f64]]) -> Result<(), Stop> {
        self.run_rows(func, 1, args, outs)
    }

    /// The same of a function for any number of rows, with so many.
    pub fn run_rows(&self, func: &Func, rows: usize, args: &[&[f64]], outs: &mut [&mut [f64]]) -> Result<(), Stop> {
        if let Some(excess) = self.work.excess(func, rows, args) {
            return Err(Stop::Work(excess));
        }
        #[cfg(feature = "jit")]
        if let Some(code) = &self.code {
            let spare = || self.spare.lock().unwrap_or_else(PoisonError::into_inner);
            let mut workspace = spare().pop().unwrap_or_default();
            let done = code.call_rows(rows, args, outs, &mut workspace);
            spare().push(workspace);
            return done.map_err(|failure| Stop::Fault(code.func().span(failure.site), failure));
        }
        let with_rows = func.open_extent().map(|_| func.with_rows(rows));
        let func = with_rows.as_ref().unwrap_or(func);
        let values = interp::call(func, args).map_err(|failure| Stop::Fault(func.span(failure.site), failure))?;
        for (out, value) in outs.iter_mut().zip(values) {
            out.copy_from_slice(&value.numbers());
        }
        Ok(())
    }
}
