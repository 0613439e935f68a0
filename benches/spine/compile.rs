//! From the text of a small formula to a callable gradient, and the parts of the way.

use std::hint::black_box;
use std::time::Instant;

use chainrule::code::{Code, Parts};
use chainrule::{Limits, Mode, Program, ad, lower, opt, syntax};
use exmex::prelude::*;

use super::SEED;
use super::measure::{median, paired, print};

pub fn run() {
    let rows = paired(
        5,
        101,
        &mut [
            ("chainrule, text to callable gradient", &mut || {
                let program = Program::parse(black_box(SEED)).expect("the formula is right");
                black_box(program.gradient().compile().expect("it compiles"));
            }),
            ("exmex, text to value and two partials", &mut || {
                let flat = exmex::parse::<f64>(black_box(SEED)).expect("exmex reads it");
                black_box((flat.clone().partial(0).ok(), flat.partial(1).ok()));
            }),
        ],
    );
    print("Text to gradient, warm", &rows);

    let limits = Limits::default();
    let mut parts: [Vec<f64>; 6] = Default::default();
    for _ in 0..201 {
        let mut clock = Instant::now();
        let mut lap = |part: usize| {
            parts[part].push(clock.elapsed().as_nanos() as f64 / 1e3);
            clock = Instant::now();
        };
        let (ast, _) = syntax::parse(black_box(SEED), &limits).expect("the formula is right");
        lap(0);
        let lowered = lower::lower(&ast, &limits, &lower::Binding::default()).expect("the formula is right");
        lap(1);
        let gradient = ad::gradient(&lowered.func, &[0, 1], Mode::Auto);
        lap(2);
        let code = opt::release(&gradient);
        lap(3);
        black_box(Code::new(&code, Parts::whole(&code)).expect("this machine has code"));
        lap(4);
        black_box(chainrule::jit::compile(&code, &Default::default()).expect("this machine has code"));
        lap(5);
    }
    let names = ["parse", "lower", "differentiate", "optimise", "compile", "compile by Cranelift"];
    for (name, times) in names.into_iter().zip(parts) {
        println!("  {name:<44} {:>10.1} µs", median(times));
    }
}
