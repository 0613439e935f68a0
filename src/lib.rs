//! chainrule: the compiler for differentiable formulas.

pub mod ast;
pub mod error;
pub mod span;
pub mod syntax;
