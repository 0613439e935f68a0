//! chainrule: the compiler for differentiable formulas.

pub mod ast;
pub mod interp;
pub mod ir;
pub mod ops;
pub mod span;
pub mod special;
