//! Machine code of single calls, by the back end that makes it best.
//!
//! On x86-64 with AVX2 that is `wide::single`; Cranelift compiles for other machines, and graphs that compute with integers.

#[cfg(feature = "wide")]
use std::borrow::Cow;

use crate::ir::Func;
#[cfg(feature = "jit")]
use crate::jit;
#[cfg(feature = "wide")]
use crate::math;
pub use crate::parts::{N_ARGS, N_RESULTS, Parts};
#[cfg(feature = "wide")]
use crate::wide::single;

/// Cheap to clone, callable from any thread.
#[derive(Clone)]
pub enum Code {
    #[cfg(feature = "wide")]
    Single(single::Code),
    #[cfg(feature = "jit")]
    Cranelift(jit::Code),
    #[cfg(not(any(feature = "jit", feature = "wide")))]
    Nowhere(nowhere::Code),
}

impl Code {
    /// `None` where there is no back end for this machine and this graph.
    #[cfg_attr(not(any(feature = "jit", feature = "wide")), allow(unused_variables))]
    pub fn new(func: &Func, parts: Parts) -> Option<Code> {
        #[cfg(feature = "wide")]
        if let Ok(code) = single::compile(&written_out(func), parts, None) {
            return Some(Code::Single(code));
        }
        #[cfg(feature = "jit")]
        if let Ok(code) = jit::compile_parts(func, parts, &jit::Options::default()) {
            return Some(Code::Cranelift(code));
        }
        None
    }

    /// `avx512`, `avx2` or `cranelift`.
    pub fn backend(&self) -> &'static str {
        match self {
            #[cfg(feature = "wide")]
            Code::Single(code) => code.width().name(),
            #[cfg(feature = "jit")]
            Code::Cranelift(_) => "cranelift",
            #[cfg(not(any(feature = "jit", feature = "wide")))]
            Code::Nowhere(code) => match *code {},
        }
    }

    /// Computes the results at a point if the slices have the lengths that the code was made for, and there is no check that fails.
    #[inline(always)]
    pub fn try_call(&self, args: [&[f64]; N_ARGS], results: [&mut [f64]; N_RESULTS]) -> bool {
        let ([a, b], [u, v, w]) = (args, results);
        match self {
            #[cfg(feature = "wide")]
            Code::Single(code) => {
                let fits = code.fits([a.len(), b.len()], [u.len(), v.len(), w.len()]);
                fits && code.call_parts([a, b], [u, v, w]).is_ok()
            }
            #[cfg(feature = "jit")]
            Code::Cranelift(code) => try_cranelift(code, a, b, u, v, w),
            #[cfg(not(any(feature = "jit", feature = "wide")))]
            Code::Nowhere(code) => code.call_parts([a, b], [u, v, w]).is_ok(),
        }
    }

    /// Computes the results at a point, with the arguments and the results in the slices that it was compiled for.
    ///
    /// # Errors
    /// The index of the first check that fails; the results are then unspecified.
    ///
    /// # Panics
    /// Where the lengths aren't those of the parts.
    pub fn call(&self, args: [&[f64]; N_ARGS], results: [&mut [f64]; N_RESULTS]) -> Result<(), usize> {
        match self {
            #[cfg(feature = "wide")]
            Code::Single(code) => code.call_parts(args, results),
            #[cfg(feature = "jit")]
            Code::Cranelift(code) => code.call_parts(args, results),
            #[cfg(not(any(feature = "jit", feature = "wide")))]
            Code::Nowhere(code) => code.call_parts(args, results),
        }
    }
}

/// The code that [`Code::new`] makes, as text: the back end's name in a line, then instructions.
///
/// # Errors
/// Where there is no back end for this machine and this graph.
pub fn asm(func: &Func) -> Result<String, String> {
    #[cfg(feature = "jit")]
    if func.has_regions() {
        return Ok(format!("; cranelift\n{}", jit::asm(func).map_err(|error| error.to_string())?));
    }
    let code = Code::new(func, Parts::whole(func)).ok_or("there is no machine code for this machine")?;
    let text = match &code {
        #[cfg(feature = "wide")]
        Code::Single(code) => single::asm(&written_out(func), Some(code.width())).map_err(|error| error.to_string()),
        #[cfg(feature = "jit")]
        Code::Cranelift(_) => jit::asm(func).map_err(|error| error.to_string()),
        #[cfg(not(any(feature = "jit", feature = "wide")))]
        Code::Nowhere(code) => code.asm(),
    };
    Ok(format!("; {}\n{}", code.backend(), text?))
}

/// The largest graph, in operations, whose elementary functions are written out in the code of single calls.
#[cfg(feature = "wide")]
const WRITTEN_OUT: usize = 200;

/// A small graph with its elementary functions written out; a larger one calls them.
#[cfg(feature = "wide")]
fn written_out(func: &Func) -> Cow<'_, Func> {
    if func.operations() <= WRITTEN_OUT { Cow::Owned(math::expand(func)) } else { Cow::Borrowed(func) }
}

/// Each slice by itself, so that none goes through memory.
#[cfg(feature = "jit")]
#[inline(always)]
fn try_cranelift(code: &jit::Code, a: &[f64], b: &[f64], u: &mut [f64], v: &mut [f64], w: &mut [f64]) -> bool {
    let fits = code.fits([a.len(), b.len()], [u.len(), v.len(), w.len()]);
    fits && code.call_parts([a, b], [u, v, w]).is_ok()
}

/// What a build without back ends has: no code at all.
#[cfg(not(any(feature = "jit", feature = "wide")))]
mod nowhere {
    use super::{N_ARGS, N_RESULTS};

    #[derive(Clone, Copy)]
    pub enum Code {}

    impl Code {
        pub fn call_parts(&self, _: [&[f64]; N_ARGS], _: [&mut [f64]; N_RESULTS]) -> Result<(), usize> {
            match *self {}
        }

        pub fn asm(&self) -> Result<String, String> {
            match *self {}
        }
    }
}
