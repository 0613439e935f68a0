//! Newton's method with `f'` written in the language: the step `x - f(x)/f'(x)` is one formula, and so is Halley's step,
//! which needs the second derivative.
//!
//! `cargo run --release --example newton`

use chainrule::{Error, Program};

const EQUATION: &str = "f(x) = x^3 - 2*x - 5";

fn main() -> Result<(), Error> {
    for (method, step) in [("Newton", "x - f(x)/f'(x)"), ("Halley", "x - 2*f(x)*f'(x)/(2*f'(x)^2 - f(x)*f''(x))")] {
        let step = Program::parse(&format!("{EQUATION}\n{step}"))?.value().compile()?;
        let mut x = 2.0;
        println!("{method}:");
        for turn in 1..=20 {
            let next = step.call(&[x])?;
            println!("  {turn}: {next:.16}");
            if (next - x).abs() <= 1e-15 * next.abs() {
                break;
            }
            x = next;
        }
    }
    Ok(())
}
