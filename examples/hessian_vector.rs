//! Hessian-vector products: Newton's method on Rosenbrock's function in ten variables, where each Newton system is solved by
//! conjugate gradients that see the Hessian only through its products with vectors.
//!
//! A product is a tangent pushed through the reverse sweep; it costs a small multiple of the gradient, however many
//! variables there are. Rows of the full Hessian are shown beside it as a check.
//!
//! `cargo run --release --example hessian_vector`

use chainrule::{Error, Program};

const N: usize = 10;

fn main() -> Result<(), Error> {
    let terms: Vec<String> = (0..N - 1).map(|i| format!("100*(x{} - x{i}^2)^2 + (1 - x{i})^2", i + 1)).collect();
    let program = Program::parse(&terms.join(" + "))?;
    // The first term names x1 before x0: arguments stand in order of first appearance, so ask for them by name.
    let names: Vec<String> = (0..N).map(|i| format!("x{i}")).collect();
    let places: Vec<usize> = names
        .iter()
        .filter_map(|name| program.arguments().iter().position(|argument| argument.name == *name))
        .collect();
    let at = |x: &[f64]| {
        let mut args = vec![0.0; N];
        for (&place, &value) in places.iter().zip(x) {
            args[place] = value;
        }
        args
    };
    let product = program.hessian_vector().wrt(names.clone()).compile()?;
    let hessian = program.hessian().wrt(names).compile()?;

    let mut x = vec![-1.2; N];
    let (mut gradient, mut hv) = ([0.0; N], [0.0; N]);
    for turn in 0..60 {
        let args = at(&x);
        let value = product.call(&args, &[0.0; N], &mut gradient, &mut hv)?;
        let size = dot(&gradient, &gradient).sqrt();
        if turn % 5 == 0 || size < 1e-10 {
            println!("{turn:3}   f = {value:.3e}   |gradient| = {size:.3e}");
        }
        if size < 1e-10 {
            break;
        }
        // Conjugate gradients on H*step = -gradient, ended where the curvature is negative.
        let (mut step, mut rest) = ([0.0; N], gradient.map(|slope| -slope));
        let mut direction = rest;
        for _ in 0..N {
            product.call(&args, &direction, &mut gradient, &mut hv)?;
            let curvature = dot(&direction, &hv);
            if curvature <= 0.0 {
                if step == [0.0; N] {
                    step = direction;
                }
                break;
            }
            let (before, length) = (dot(&rest, &rest), dot(&rest, &rest) / curvature);
            for i in 0..N {
                step[i] += length * direction[i];
                rest[i] -= length * hv[i];
            }
            if dot(&rest, &rest) <= 1e-24 * before {
                break;
            }
            let keep = dot(&rest, &rest) / before;
            for i in 0..N {
                direction[i] = rest[i] + keep * direction[i];
            }
        }
        // Halve the step until the value falls.
        let mut scale = 1.0;
        while scale > 1e-8 {
            let trial: Vec<f64> = x.iter().zip(&step).map(|(x, step)| x + scale * step).collect();
            if product.call(&at(&trial), &[0.0; N], &mut gradient, &mut hv)? < value {
                x = trial;
                break;
            }
            scale /= 2.0;
        }
    }

    let mut direction = [0.0; N];
    direction[3] = 1.0;
    let args = at(&x);
    product.call(&args, &direction, &mut gradient, &mut hv)?;
    let mut full = [0.0; N * N];
    hessian.call(&args, &mut gradient, &mut full)?;
    println!("row 3 of the Hessian:      {:?}", &full[3 * N..4 * N]);
    println!("Hessian times unit vector: {hv:?}");
    Ok(())
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
