//! A snapshot test of a generated adjoint, as you would write it in your own repository.
//!
//! The text form of a graph is stable: the same formula gives the same text on every machine, and the number in its first
//! line changes when a file would read differently (docs/text-form.md). So a review sees what a change of a formula, or an
//! upgrade of chainrule, does to the derivative. With `insta` in your dev-dependencies:
//!
//! ```text
//! cargo test                # fails where the adjoint has changed
//! cargo insta review        # shows the difference and takes the new text
//! ```
//!
//! `cargo test --example adjoint_snapshot`

use chainrule::{Error, Program};

/// The formula whose derivative is watched.
const LOSS: &str = "softplus(w*x + b) - y*(w*x + b)";

fn adjoint() -> Result<String, Error> {
    Ok(Program::parse(LOSS)?.gradient().wrt(["w", "b"]).graph()?.to_string())
}

fn main() -> Result<(), Error> {
    print!("{}", adjoint()?);
    Ok(())
}

#[test]
fn the_adjoint_of_the_loss_is_as_reviewed() -> Result<(), Error> {
    insta::assert_snapshot!(adjoint()?, @r"
    chainrule-ir 1
    func @f(%w: f64, %x: f64, %b: f64, %y: f64) -> (value: f64, d_w: f64, d_b: f64) {
      %0 = mul %w, %x
      %1 = add %b, %0
      %2 = softplus %1
      %3 = mul %y, %1
      %4 = sub %2, %3
      %5 = sigmoid %1
      %6 = sub %5, %y
      %7 = mul %x, %6
      return %4, %7, %6
    }
    ");
    Ok(())
}
