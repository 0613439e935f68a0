//! What a formula costs: one call of value and gradient, the way from text to a callable gradient, and growth to 10^6
//! operations. Every figure that matters is a ratio to a baseline of the same run, because machines are shared and noisy; that
//! is why this is a program of its own and not one of the harnesses that compare with an earlier run.
//!
//! `RUSTFLAGS="-C target-cpu=native" cargo bench --bench spine [calls|compile|growth]`
//!
//! The baseline of a call is the derivative written by hand in Rust with the standard library's elementary functions; exmex and num-dual,
//! which a Rust host would otherwise use, stand beside it.

mod calls;
mod compile;
mod growth;
mod measure;
mod peak;

#[global_allocator]
static ALLOCATOR: peak::PeakAllocator = peak::PeakAllocator::new();

/// The formula that all tools are measured on.
const SEED: &str = "exp(x*z) + x*z/ln(x) + sin(ln(x))/(x*z)";

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let wants = |section: &str| wanted.is_empty() || wanted.iter().any(|word| word == section);
    if wants("calls") {
        calls::run();
    }
    if wants("compile") {
        compile::run();
    }
    if wants("growth") {
        growth::run(&ALLOCATOR);
    }
}
