//! One call: value, gradient and Hessian of small formulas.

use std::hint::black_box;

use chainrule::{Backend, Program};
use exmex::prelude::*;
use num_dual::{DualNum, DualSVec64};

use super::SEED;
use super::measure::{paired, print};

/// Value and gradient of the seed formula as an expert would write them, in a function of the same form as ours.
#[inline(never)]
fn by_hand(args: &[f64], gradient: &mut [f64]) -> f64 {
    let [x, z] = *args else { return f64::NAN };
    let a = x * z;
    let e = a.exp();
    let b = x.ln();
    let (s, c) = b.sin_cos();
    let (rb, ra) = (1.0 / b, 1.0 / a);
    let (q, r) = (a * rb, s * ra);
    let common = e + rb - r * ra;
    gradient[0] = z * common + (c * ra - q * rb) / x;
    gradient[1] = x * common;
    e + q + r
}

/// The same with the divisions where the formula has them; shared reciprocals round differently.
#[inline(never)]
fn by_hand_strict(args: &[f64], gradient: &mut [f64]) -> f64 {
    let [x, z] = *args else { return f64::NAN };
    let a = x * z;
    let e = a.exp();
    let b = x.ln();
    let (s, c) = b.sin_cos();
    let (q, r) = (a / b, s / a);
    let common = e + 1.0 / b - r / a;
    gradient[0] = z * common + (c / a - q / b) / x;
    gradient[1] = x * common;
    e + q + r
}

fn dual<D: DualNum<Primitive = f64> + Copy>(x: D, z: D) -> D {
    let (a, b) = (x * z, x.ln());
    a.exp() + a / b + b.sin() / a
}

pub fn run() {
    let program = Program::parse(SEED).expect("the formula is right");
    let value = program.value().compile().expect("it compiles");
    let gradient = program.gradient().compile().expect("it compiles");
    let shared = program.gradient().relax(chainrule::Relaxation::SharedReciprocals).compile().expect("it compiles");
    let nothing = Program::parse("x").expect("right").value().compile().expect("it compiles");
    let mut out_shared = [0.0; 2];
    let interpreted = program.gradient().backend(Backend::Interpreter).compile().expect("it compiles");
    let hessian = program.hessian().compile().expect("it compiles");
    let point = [2.0, 3.0];

    let flat = exmex::parse::<f64>("exp(x*z) + x*z/ln(x) + sin(ln(x))/(x*z)").expect("exmex reads it");
    let partials = [flat.clone().partial(0).expect("by x"), flat.clone().partial(1).expect("by z")];

    let mut out = [0.0; 2];
    let mut out_hand = [0.0; 2];
    let mut out_strict = [0.0; 2];
    let mut out_interpreted = [0.0; 2];
    let (mut slope, mut second) = ([0.0; 2], [0.0; 4]);
    let rows = paired(
        20_000,
        101,
        &mut [
            ("value and gradient by hand in Rust", &mut || {
                black_box(by_hand(black_box(&point), &mut out_hand));
            }),
            ("by hand, strict", &mut || {
                black_box(by_hand_strict(black_box(&point), &mut out_strict));
            }),
            ("chainrule, value and gradient", &mut || {
                black_box(gradient.call(black_box(&point), &mut out).ok());
            }),
            ("chainrule, value and gradient, shared reciprocals", &mut || {
                black_box(shared.call(black_box(&point), &mut out_shared).ok());
            }),
            ("chainrule, call of `x`", &mut || {
                black_box(nothing.call(black_box(&[2.0])).ok());
            }),
            ("chainrule, value", &mut || {
                black_box(value.call(black_box(&point)).ok());
            }),
            ("chainrule, value, gradient and Hessian", &mut || {
                black_box(hessian.call(black_box(&point), &mut slope, &mut second).ok());
            }),
            ("num-dual, value and gradient", &mut || {
                let at = nalgebra::SVector::<f64, 2>::from(black_box(point));
                let f = |v: nalgebra::SVector<DualSVec64<2>, 2>| dual(v[0], v[1]);
                black_box(num_dual::gradient(f, &at));
            }),
            ("exmex, value and gradient", &mut || {
                let x = black_box(&point);
                black_box((flat.eval(x).ok(), partials[0].eval(x).ok(), partials[1].eval(x).ok()));
            }),
            ("chainrule, interpreted", &mut || {
                black_box(interpreted.call(black_box(&point), &mut out_interpreted).ok());
            }),
        ],
    );
    assert!(out.iter().zip(out_hand).all(|(a, b)| (a - b).abs() <= 1e-14 * b.abs()), "{out:?} {out_hand:?}");
    print(&format!("One call of `{SEED}`"), &rows);
}
