//! Logistic regression by gradient descent: the loss of one observation is the formula, its gradient by the weights is
//! compiled once and summed over the data.
//!
//! With the logit `t` and the label `y` in {0, 1}, the cross-entropy of `sigmoid(t)` is `softplus(t) - y*t`, which doesn't
//! overflow where `ln(sigmoid(t))` would.
//!
//! `cargo run --release --example logistic_regression`

use chainrule::{Error, Program};

const LOSS: &str = "
    param b, w1, w2
    data  x1, x2, y
    t = b + w1*x1 + w2*x2
    softplus(t) - y*t
";

fn main() -> Result<(), Error> {
    let gradient = Program::parse(LOSS)?.gradient().compile()?;
    let observations = observations(500);
    let mut weights = [0.0; 3];
    for epoch in 0..=300 {
        let (mut loss, mut slope) = (0.0, [0.0; 3]);
        for &[x1, x2, y] in &observations {
            let mut one = [0.0; 3];
            loss += gradient.call(&[weights[0], weights[1], weights[2], x1, x2, y], &mut one)?;
            for (sum, term) in slope.iter_mut().zip(one) {
                *sum += term;
            }
        }
        let n = observations.len() as f64;
        if epoch % 50 == 0 {
            println!("epoch {epoch:3}   loss {:.6}   weights {weights:.4?}", loss / n);
        }
        for (weight, slope) in weights.iter_mut().zip(slope) {
            *weight -= 2.0 * slope / n;
        }
    }
    let predict = Program::parse("sigmoid(b + w1*x1 + w2*x2)")?.value().compile()?;
    let mut right = 0;
    for &[x1, x2, y] in &observations {
        let p = predict.call(&[weights[0], weights[1], x1, weights[2], x2])?;
        right += usize::from((p > 0.5) == (y > 0.5));
    }
    println!("{right} of {} observations are on the right side", observations.len());
    Ok(())
}

/// Two clouds of points around (±1, ±1/2), made by a small generator so that every run prints the same.
fn observations(count: usize) -> Vec<[f64; 3]> {
    let mut state = 42u64;
    let mut uniform = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1u64 << 53) as f64
    };
    let mut bell = move || (0..12).map(|_| uniform()).sum::<f64>() - 6.0;
    (0..count)
        .map(|index| {
            let y = (index % 2) as f64;
            let side = 2.0 * y - 1.0;
            [side + bell(), 0.5 * side + bell(), y]
        })
        .collect()
}
