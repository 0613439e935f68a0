//! chainrule: the compiler for differentiable formulas.

pub mod ast;
pub mod interp;
pub mod ir;
#[cfg(feature = "jit")]
pub mod jit;
pub mod ops;
pub mod span;
pub mod special;
