//! The tests of the crate from outside, in one program; a module for each topic.

mod batch;
#[cfg(feature = "cli")]
mod cli;
#[cfg(feature = "cli")]
mod data;
mod docs;
mod errors;
#[cfg(feature = "fit")]
mod fit;
#[cfg(feature = "cli")]
mod fit_command;
mod formula;
mod graphs;
mod hostile;
mod inspect;
#[cfg(feature = "jit")]
mod jit;
mod latex;
mod math;
mod meaning;
mod modes;
mod mutants;
#[cfg(feature = "plot")]
mod pictures;
mod properties;
mod random;
mod references;
mod special;
mod syntax;
mod table;
mod texts;
mod tower;
#[cfg(feature = "wide")]
mod wide;
