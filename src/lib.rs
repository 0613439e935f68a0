//! chainrule: the compiler for differentiable formulas.

pub mod ad;
pub mod ast;
mod compiled;
pub mod difference;
pub mod error;
pub mod formula;
pub mod inspect;
pub mod interp;
pub mod ir;
#[cfg(feature = "jit")]
pub mod jit;
pub mod lower;
pub mod ops;
pub mod opt;
mod program;
pub mod span;
pub mod special;
pub mod syntax;

pub use ad::Mode;
pub use ast::Role;
pub use compiled::{Compiled, Layout};
pub use error::{Error, Problem, Warning};
pub use opt::Relaxation;
pub use program::{
    Argument, ArgumentFaults, Backend, Definition, Gradient, Hessian, HessianVector, Jacobian, Jvp, Kind, Nth, Program,
    Request, Value, Vjp,
};
pub use syntax::Limits;
