//! Many points at once: columns, rows of structures, sums for training.
//!
//! Fits `a*exp(-b*t) + c` to noisy data by gradient descent on the mean squared error.

use chainrule::{Column, Output, Points, Program};

/// What a program has lying around: an array of structures.
#[derive(Clone, Copy)]
struct Sample {
    t: f64,
    y: f64,
}

fn main() -> Result<(), chainrule::Error> {
    let samples: Vec<Sample> = (0..10_000).map(sample).collect();
    let ts: Vec<f64> = samples.iter().map(|sample| sample.t).collect();
    let ys: Vec<f64> = samples.iter().map(|sample| sample.y).collect();

    // Arguments that are `param` are differentiated by; `data` are not.
    let program = Program::parse("param a, b, c; data t, y; (a*exp(-b*t) + c - y)^2")?;
    let gradient = program.gradient().compile()?;

    let mut weights = [1.0, 1.0, 0.0];
    for _ in 0..400 {
        let [a, b, c] = weights.map(Column::Same);
        let points = Points::columns([a, b, c, Column::Each(&ts), Column::Each(&ys)]);
        // The mean has the same bits with any number of threads.
        let loss = gradient.batch(&points).threads(0).mean()?;
        for (weight, slope) in weights.iter_mut().zip(&loss.first) {
            *weight -= 0.5 * slope;
        }
    }
    println!("a, b, c = {weights:.3?}");
    assert!((weights[0] - 2.0).abs() < 0.05 && (weights[1] - 1.5).abs() < 0.05 && (weights[2] - 0.5).abs() < 0.05);

    // Rows: three points of five arguments each, and a place for the gradient beside each of them.
    let table: Vec<f64> = samples[..3].iter().flat_map(|s| [weights[0], weights[1], weights[2], s.t, s.y]).collect();
    let mut slopes = [0.0; 9];
    let mut losses = [0.0; 3];
    let points = Points::rows(&table, 5);
    gradient.batch(&points).value(&mut losses).gradient(Output::rows(&mut slopes, 3)).run()?;
    println!("losses {losses:.5?}");

    // Only what is asked for is computed: one derivative of three.
    let points = program.columns([
        ("t", Column::Each(&ts)),
        ("y", Column::Each(&ys)),
        ("a", Column::Same(weights[0])),
        ("b", Column::Same(weights[1])),
        ("c", Column::Same(weights[2])),
    ])?;
    let mut d_b = vec![0.0; ts.len()];
    gradient.batch(&points).gradient([None, Some(&mut d_b[..]), None]).run()?;
    assert_eq!(d_b[0].to_bits(), slopes[1].to_bits());
    Ok(())
}

/// A point of the curve with a little noise.
fn sample(i: u32) -> Sample {
    let t = f64::from(i % 100) / 25.0;
    let noise = 0.05 * (f64::from(i) * 1.7).sin();
    Sample { t, y: 2.0 * (-1.5 * t).exp() + 0.5 + noise }
}
