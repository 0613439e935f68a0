//! A network with two hidden layers tells two spirals apart: gradients from the compiler, the descent (Adam) in the host.
//!
//! `cargo run --release --example spirals`

mod chance;

use std::time::Instant;

use chainrule::{Binding, Error, Program, math};

use chance::Chance;

/// Extents of the parameters as `spirals.chain` declares them, with 2 numbers in and 32 neurons in each hidden layer.
const SHAPES: [&[usize]; 6] = [&[32, 2], &[32], &[32, 32], &[32], &[32], &[]];
const ROWS: usize = 400;
const STEPS: i32 = 3000;

fn main() -> Result<(), Error> {
    let program = Program::parse(include_str!("lectures/spirals.chain"))?;
    let sizes = Binding::new().size("D", 2).size("H", 32).size("K", 32).size("N", ROWS as i64);
    let gradient = program.bind(&sizes)?.gradient().compile()?;
    let outputs = Program::parse(include_str!("lectures/spirals_output.chain"))?.bind(&sizes)?.value().compile()?;

    let mut chance = Chance(1);
    let (x, y) = spirals(ROWS, 0.02, &mut chance);
    let (test_x, test_y) = spirals(ROWS, 0.02, &mut chance);
    let mut params = SHAPES.map(|shape| start(shape, &mut chance));
    let mut slopes = params.clone();
    let mut descents = params.each_ref().map(|param| Adam::new(param.len()));

    let begin = Instant::now();
    for step in 1..=STEPS {
        let mut loss = [0.0];
        let [w1, b1, w2, b2, w3, b3] = &params;
        let [d_w1, d_b1, d_w2, d_b2, d_w3, d_b3] = &mut slopes;
        let args: [&[f64]; 8] = [w1, b1, w2, b2, w3, b3, &x, &y];
        gradient.call_arrays(&args, &mut [&mut loss, d_w1, d_b1, d_w2, d_b2, d_w3, d_b3])?;
        for ((descent, param), slope) in descents.iter_mut().zip(&mut params).zip(&slopes) {
            descent.step(step, param, slope);
        }
        if step % 500 == 0 {
            println!("step {step:4}   loss {:.6}", loss[0]);
        }
    }
    println!("{:.1} s", begin.elapsed().as_secs_f64());

    let [w1, b1, w2, b2, w3, b3] = &params;
    for (name, x, y) in [("training", &x, &y), ("test", &test_x, &test_y)] {
        let mut scores = vec![0.0; ROWS];
        outputs.call_arrays(&[w1, b1, w2, b2, w3, b3, x], &mut [&mut scores])?;
        let right = scores.iter().zip(y).filter(|(score, target)| (**score > 0.0) == (**target > 0.5)).count();
        println!("{name}: {:.2} % right", 100.0 * right as f64 / ROWS as f64);
    }
    Ok(())
}

/// Points on two spirals of one turn and a half, alternately of the first (0) and the second (1), with some noise.
fn spirals(rows: usize, noise: f64, chance: &mut Chance) -> (Vec<f64>, Vec<f64>) {
    let (mut points, mut targets) = (Vec::new(), Vec::new());
    for row in 0..rows {
        let target = (row % 2) as f64;
        let way = chance.next().sqrt();
        let angle = std::f64::consts::PI * (3.0 * way + target);
        points.push(way * math::cos(angle) + noise * chance.normal());
        points.push(way * math::sin(angle) + noise * chance.normal());
        targets.push(target);
    }
    (points, targets)
}

/// Weights and offsets by chance, in the scale that keeps the size of what goes through a layer.
fn start(shape: &[usize], chance: &mut Chance) -> Vec<f64> {
    let inputs = shape.last().copied().unwrap_or(1) as f64;
    (0..shape.iter().product()).map(|_| chance.normal() / inputs.sqrt()).collect()
}

/// Kingma and Ba's method for one array of parameters.
struct Adam {
    mean: Vec<f64>,
    square: Vec<f64>,
}

impl Adam {
    const RATE: f64 = 0.01;
    const KEEP_MEAN: f64 = 0.9;
    const KEEP_SQUARE: f64 = 0.999;

    fn new(len: usize) -> Adam {
        Adam { mean: vec![0.0; len], square: vec![0.0; len] }
    }

    /// The step with this number, from 1.
    fn step(&mut self, number: i32, params: &mut [f64], slopes: &[f64]) {
        let (mean_bias, square_bias) = (1.0 - Self::KEEP_MEAN.powi(number), 1.0 - Self::KEEP_SQUARE.powi(number));
        let moments = self.mean.iter_mut().zip(&mut self.square);
        for ((param, slope), (mean, square)) in params.iter_mut().zip(slopes).zip(moments) {
            *mean += (1.0 - Self::KEEP_MEAN) * (slope - *mean);
            *square += (1.0 - Self::KEEP_SQUARE) * (slope * slope - *square);
            *param -= Self::RATE * (*mean / mean_bias) / ((*square / square_bias).sqrt() + 1e-8);
        }
    }
}
