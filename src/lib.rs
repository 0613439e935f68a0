//! The compiler for differentiable formulas: text in, value and exact derivatives out, as machine code.
//!
//! ```
//! use chainrule::Program;
//!
//! # fn main() -> Result<(), chainrule::Error> {
//! let program = Program::parse("exp(x*z) + x*z/ln(x)")?;
//! let gradient = program.gradient().compile()?;
//!
//! let mut slopes = [0.0; 2];
//! let value = gradient.call(&[2.0, 3.0], &mut slopes)?;
//! # assert!((value - 412.0850).abs() < 1e-4);
//! # Ok(()) }
//! ```
//!
//! [`Program`] is the way in: it understands a text, and its methods ([`Program::gradient`], [`Program::hessian`],
//! [`Program::jvp`], …) ask for what is wanted. A [`Request`] says by which arguments, in which mode and under which
//! relaxations; it gives the derivative as a graph ([`Request::graph`], whose text form is stable) or as code
//! ([`Request::compile`]).
//!
//! Programs may be over arrays: [`Request::with`] begins a call by name that takes the sizes from what is passed, and
//! [`Program::bind`] gives sizes beforehand; [`Request::any_rows`] compiles once for any number of rows.
//!
//! Below that, the crate is a pipeline of functions from graph to graph. In reading order: [`ops`] is the operator table,
//! [`ir`] the graph, [`interp`] its meaning, [`ad`] differentiation, [`opt`] optimisation, [`syntax`] and [`lower`] the way
//! from text to graph, [`code`] to machine code by `wide` or [`jit`], `wide` also to machine code for many points at once, [`batch`] what takes
//! them from columns and rows to columns, rows and sums.

// The headers of modules speak to readers of the code and name what is inside.
#![allow(rustdoc::private_intra_doc_links)]

pub mod ad;
pub mod array;
pub mod ast;
pub mod batch;
mod call;
pub mod code;
mod compiled;
#[cfg(feature = "data")]
pub mod data;
pub mod difference;
pub mod error;
#[cfg(feature = "fit")]
pub mod fit;
pub mod formula;
pub mod inspect;
pub mod interp;
pub mod ir;
#[cfg(feature = "jit")]
pub mod jit;
pub mod lower;
pub mod math;
pub mod ops;
pub mod opt;
mod parts;
#[cfg(feature = "plot")]
pub mod plot;
mod program;
#[cfg(any(feature = "jit", feature = "wide"))]
mod routines;
pub mod span;
pub mod special;
pub mod syntax;
#[cfg(feature = "wide")]
pub mod wide;
mod work;

pub use ad::Mode;
pub use array::{Array, ArrayView};
pub use ast::Role;
pub use batch::{Batch, Column, Output, Points, Reduced};
pub use call::{Answer, Call};
pub use compiled::{AnyRows, Compiled, Layout, Memory, Purpose};
pub use error::{Error, Problem, Warning};
pub use opt::Relaxation;
pub use program::{
    Argument, ArgumentFaults, Backend, Binding, Definition, Extent, Gradient, Hessian, HessianVector, Jacobian, Jvp,
    Kind, Misfit, Nth, Program, Request, Value, Vjp,
};
pub use syntax::Limits;

/// The programs in the documents run.
#[cfg(all(doctest, feature = "cli"))]
mod documents {
    #[doc = include_str!("../README.md")]
    struct Readme;
    #[doc = include_str!("../docs/arrays.md")]
    struct Arrays;
    #[doc = include_str!("../docs/batch.md")]
    struct Batch;
    #[doc = include_str!("../docs/fit.md")]
    struct Fitting;
    #[doc = include_str!("../docs/pictures.md")]
    struct Pictures;
    #[doc = include_str!("../docs/tutorial.md")]
    struct Tutorial;
}
