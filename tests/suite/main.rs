//! The tests of the crate from outside, in one program; a module for each topic.

#[cfg(feature = "cli")]
mod cli;
mod errors;
mod hostile;
#[cfg(feature = "jit")]
mod jit;
mod random;
mod special;
mod syntax;
