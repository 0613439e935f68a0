//! chainrule: the compiler for differentiable formulas.

pub mod ast;
pub mod span;
pub mod special;
