//! The tests of the library, in one binary.

#[cfg(feature = "jit")]
mod jit;
mod random;
