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

/// A graph with arrays, ready to be called from any number of threads.
pub struct Loops {
    #[cfg(feature = "jit")]
    code: Option<LoopCode>,
    /// Workspaces that no call is using: as many as there have been calls at the same time.
    #[cfg(feature = "jit")]
    spare: Mutex<Vec<Workspace>>,
}

impl Loops {
    #[cfg(feature = "jit")]
    pub fn new(func: &Func, backend: Backend) -> Loops {
        let code = match backend {
            Backend::Auto | Backend::Scalar => loops::compile(func).ok(),
            Backend::Interpreter => None,
        };
        Loops { code, spare: Mutex::default() }
    }

    #[cfg(not(feature = "jit"))]
    pub fn new(_: &Func, _: Backend) -> Loops {
        Loops {}
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

    /// Computes all results, each into its slice. The lengths are right. A check that fails says where in the text, and why.
    pub fn run(&self, func: &Func, args: &[&[f64]], outs: &mut [&mut [f64]]) -> Result<(), (Span, Fault)> {
        self.run_rows(func, 1, args, outs)
    }

    /// The same of a function for any number of rows, with so many.
    pub fn run_rows(
        &self,
        func: &Func,
        rows: usize,
        args: &[&[f64]],
        outs: &mut [&mut [f64]],
    ) -> Result<(), (Span, Fault)> {
        #[cfg(feature = "jit")]
        if let Some(code) = &self.code {
            let spare = || self.spare.lock().unwrap_or_else(PoisonError::into_inner);
            let mut workspace = spare().pop().unwrap_or_default();
            let done = code.call_rows(rows, args, outs, &mut workspace);
            spare().push(workspace);
            return done.map_err(|Failure { site, fault }| (code.func().span(site), fault));
        }
        let with_rows = func.open_extent().map(|_| func.with_rows(rows));
        let func = with_rows.as_ref().unwrap_or(func);
        let values = interp::call(func, args).map_err(|Failure { site, fault }| (func.span(site), fault))?;
        for (out, value) in outs.iter_mut().zip(values) {
            out.copy_from_slice(&value.numbers());
        }
        Ok(())
    }
}
