//! What runs a graph with arrays: machine code where there is some, otherwise the interpreter. The choice is made here, once.

#[cfg(feature = "jit")]
use std::sync::{Mutex, PoisonError};

use crate::interp::{self, Failure};
use crate::ir::Func;
#[cfg(feature = "jit")]
use crate::jit::loops::{self, LoopCode, Workspace};
use crate::ops::Fault;
use crate::program::Backend;
use crate::span::Span;
use crate::work::{TooMuch, Work};

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
    Fault(Span, Fault),
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

    /// Computes all results, each into its slice. The lengths are right.
    pub fn run(&self, func: &Func, args: &[&[f64]], outs: &mut [&mut [f64]]) -> Result<(), Stop> {
        if let Some(excess) = self.work.excess(func, args) {
            return Err(Stop::Work(excess));
        }
        #[cfg(feature = "jit")]
        if let Some(code) = &self.code {
            let spare = || self.spare.lock().unwrap_or_else(PoisonError::into_inner);
            let mut workspace = spare().pop().unwrap_or_default();
            let done = code.call(args, outs, &mut workspace);
            spare().push(workspace);
            return done.map_err(|Failure { site, fault }| Stop::Fault(code.func().span(site), fault));
        }
        let values = interp::call(func, args).map_err(|Failure { site, fault }| Stop::Fault(func.span(site), fault))?;
        for (out, value) in outs.iter_mut().zip(values) {
            out.copy_from_slice(&value.numbers());
        }
        Ok(())
    }
}
