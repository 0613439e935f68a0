//! Least squares by the library: one of NIST's reference problems, with standard errors, and a prediction from the fit.
//!
//! `cargo run --example fit_misra`

use chainrule::Program;
use chainrule::fit::{Error, Fit};

/// Volume adsorbed at a pressure: Misra's data in `examples/misra.csv`.
const X: [f64; 14] = [77.6, 114.9, 141.1, 190.8, 239.9, 289.0, 332.8, 378.4, 434.8, 477.3, 536.8, 593.1, 689.1, 760.0];
const Y: [f64; 14] = [10.07, 14.73, 17.94, 23.93, 29.61, 35.18, 40.02, 44.82, 50.76, 55.05, 61.01, 66.4, 75.47, 81.78];

fn main() -> Result<(), Error> {
    // The model, and the residual of a row. `data` are columns, `param` are fitted.
    let residual = Program::parse("param b1, b2; data x, y; y - b1*(1 - exp(-b2*x))")?;
    let fit = Fit::new(&residual).columns([("x", &X), ("y", &Y)]).at([("b1", 500.0), ("b2", 1e-4)]).run()?;

    for param in &fit.params {
        println!("{}  {:.8e} ± {:.2e}", param.name, param.value, param.stderr.unwrap_or(f64::NAN));
    }
    let squares = fit.squares.as_ref();
    println!("R²  {:.6}", squares.and_then(|squares| squares.r2).unwrap_or(f64::NAN));
    println!("{} after {} iterations", fit.reason, fit.iterations);

    // What NIST certifies.
    assert!(fit.reason.converged());
    assert!((fit.params[0].value / 2.389_421_291_8e2 - 1.0).abs() < 1e-9);
    assert!((fit.params[1].value / 5.501_564_318_1e-4 - 1.0).abs() < 1e-9);

    // The model itself is a program too: its gradient and the covariance give the error of a prediction.
    let model = Program::parse("param b1, b2; data x; b1*(1 - exp(-b2*x))")?.gradient().compile()?;
    let mut slopes = [0.0; 2];
    let at = 1000.0;
    let value = model.call(&[fit.params[0].value, fit.params[1].value, at], &mut slopes)?;
    if let Some(covariance) = squares.and_then(|squares| squares.covariance.as_ref()) {
        let variance: f64 = (0..4).map(|i| slopes[i / 2] * covariance[i] * slopes[i % 2]).sum();
        println!("at x = {at}: {value:.3} ± {:.3}", variance.sqrt());
    }
    Ok(())
}
