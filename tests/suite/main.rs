//! The tests of the crate from outside, in one program; a module for each topic.

mod errors;
mod hostile;
#[cfg(feature = "jit")]
mod jit;
#[cfg(feature = "jit")]
mod random;
mod special;
mod syntax;
