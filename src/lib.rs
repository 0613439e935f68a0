//! chainrule: the compiler for differentiable formulas.

pub mod ad;
pub mod ast;
pub mod error;
pub mod formula;
pub mod interp;
pub mod ir;
pub mod lower;
pub mod ops;
pub mod opt;
pub mod span;
pub mod special;
pub mod syntax;

pub use syntax::Limits;
