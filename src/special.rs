//! What the operators mean: pure functions from doubles to a double.
//!
//! Interpreter, constant folding and machine code call the same functions, so they give the same bits.
//! Nothing here allocates, panics or loops without a bound, and every input has an answer: zeros keep their sign,
//! subnormals are numbers, NaN goes in and comes out.
//!
//! What can be written out as vector instructions is in [`crate::math`], from which the functions here take exponentials, logarithms and
//! so on. Of the standard library only arithmetic is used, square roots and rounding included, because the rest differs between
//! platforms.
//!
//! Errors are stated in units of 2^-53 of the result ("units"; one unit in the last place is one or two of them),
//! measured against mpmath by `tests/suite/special.rs`. Where a function is ill conditioned the unit is
//! 2^-53·(|f| + |x·f'|): the error that rounding the argument alone would make.

mod binary;
mod compare;
mod divide;
mod error;
mod gamma;
mod plane;
mod polygamma;
mod power;
mod sinc;

pub use binary::{exponent, scale, significand};
pub use compare::{clamp, leaky_relu, max, min, relu, sign, step};
pub use divide::{div_floor, mod_floor, round_half_away};
pub use error::gelu;
pub use gamma::{gamma, lgamma};
pub use plane::unit;
pub use polygamma::{digamma, polygamma};
pub use power::{log_base, powi, xlog_pow};
pub use sinc::sinc_n;
