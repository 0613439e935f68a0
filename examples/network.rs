//! A network with one hidden layer learns XOR: the loss as in the notes, its gradient from the compiler, the descent in the host.
//!
//! `cargo run --release --example network`

use chainrule::{Error, Program};

const HIDDEN: usize = 4;

fn main() -> Result<(), Error> {
    let program = Program::parse(include_str!("network.txt"))?;
    let x = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]];
    let y = [0.0, 1.0, 1.0, 0.0];
    let start = |i: usize| (1.0 + i as f64 * 0.618_033_988_749_895).fract() - 0.5;
    let mut weights: Vec<[f64; 2]> = (0..HIDDEN).map(|h| [4.0 * start(2 * h), 4.0 * start(2 * h + 1)]).collect();
    let (mut bias, mut output, mut offset) = (vec![0.0; HIDDEN], vec![1.0; HIDDEN], 0.0);

    // By name: sizes are taken from the arrays, and the code is made once for them.
    let first = program.gradient().with("W", &weights).with("b", &bias).with("V", &output);
    let first = first.with("c", offset).with("x", &x).with("y", &y).run()?;
    println!("loss {:.4}, by the weights {:?}", first.value(), first["d_W"].data);

    // By position, into memory that is there: for loops.
    let sizes = [("W", (&weights).into()), ("b", (&bias).into()), ("V", (&output).into())];
    let data = [("c", offset.into()), ("x", (&x).into()), ("y", (&y).into())];
    let gradient = program.bind(&program.binding(sizes.into_iter().chain(data))?)?.gradient().compile()?;
    let (mut loss, mut d_weights, mut d_bias) = ([0.0], [0.0; 2 * HIDDEN], [0.0; HIDDEN]);
    let (mut d_output, mut d_offset) = ([0.0; HIDDEN], [0.0]);
    for step in 0..=2000 {
        let args: [&[f64]; 6] = [weights.as_flattened(), &bias, &output, &[offset], x.as_flattened(), &y];
        gradient.call_arrays(&args, &mut [&mut loss, &mut d_weights, &mut d_bias, &mut d_output, &mut d_offset])?;
        if step % 500 == 0 {
            println!("step {step:4}   loss {:.6}", loss[0]);
        }
        descend(weights.as_flattened_mut(), &d_weights);
        descend(&mut bias, &d_bias);
        descend(&mut output, &d_output);
        offset -= d_offset[0];
    }
    Ok(())
}

fn descend(values: &mut [f64], slopes: &[f64]) {
    values.iter_mut().zip(slopes).for_each(|(value, slope)| *value -= slope);
}
