//! The tests of the crate from outside, in one program; a module for each topic.

mod arrays;
mod batch;
mod book;
#[cfg(feature = "cli")]
mod cli;
#[cfg(feature = "cli")]
mod data;
mod derivatives;
mod docs;
mod errors;
#[cfg(feature = "fit")]
mod fit;
#[cfg(feature = "fit")]
mod fit_arrays;
#[cfg(feature = "cli")]
mod fit_command;
mod formula;
mod graphs;
mod hostile;
mod inspect;
#[cfg(feature = "jit")]
mod jit;
mod latex;
#[cfg(feature = "cli")]
mod lectures;
#[cfg(feature = "jit")]
mod loops;
mod math;
mod meaning;
mod modes;
mod mutants;
#[cfg(feature = "cli")]
mod nested;
#[cfg(feature = "plot")]
mod pictures;
#[cfg(feature = "jit")]
mod products;
mod properties;
mod random;
mod random_recurrences;
#[cfg(feature = "jit")]
mod random_regions;
mod recurrences;
mod references;
mod regions;
#[cfg(feature = "wide")]
mod rows;
mod seen;
#[cfg(feature = "wide")]
mod single;
mod special;
mod surface;
mod syntax;
mod table;
mod texts;
mod tower;
mod turns;
#[cfg(feature = "wide")]
mod wide;
