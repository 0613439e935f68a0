//! The tests of the crate from outside, in one program; a module for each topic.

mod batch;
#[cfg(feature = "cli")]
mod cli;
#[cfg(feature = "cli")]
mod data;
mod docs;
mod errors;
mod formula;
mod graphs;
mod hostile;
mod inspect;
#[cfg(feature = "jit")]
mod jit;
mod math;
mod meaning;
mod modes;
mod mutants;
mod properties;
mod random;
mod references;
#[cfg(feature = "wide")]
mod single;
mod special;
mod syntax;
mod table;
mod texts;
mod tower;
#[cfg(feature = "wide")]
mod wide;
