//! The tests of the crate from outside, in one program; a module for each topic.

mod any_rows;
mod arrays;
mod batch;
#[cfg(feature = "wide")]
mod bodies;
mod book;
#[cfg(feature = "cli")]
mod cli;
#[cfg(feature = "cli")]
mod data;
mod derivatives;
#[cfg(feature = "cli")]
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
mod laws;
#[cfg(feature = "cli")]
mod lectures;
mod limits;
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
mod random_guards;
mod random_orders;
mod random_recurrences;
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
