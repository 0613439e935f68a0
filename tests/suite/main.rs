//! The tests of the crate from outside, in one program; a module for each topic.

mod errors;
mod formula;
mod syntax;
