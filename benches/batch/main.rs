//! Batches against C: nanoseconds a point for the value and all first derivatives over columns, and ratios to the C of the same run.
//!
//! `cargo bench --bench batch [seed|rosenbrock|mixed|threads|compile]`
//!
//! The C computes the same derivatives. It is compiled by `gcc -O3 -march=native -ffast-math`, which prefers 256-bit vectors, as loops over
//! tiles of 256 points in which each elementary function has a loop of its own: so gcc calls the vector functions of the C
//! library for them (`objdump -d` shows `_ZGV…`), which in one loop it does not where a sine and a cosine have the same argument.
//! `[512]` is the same with `-mprefer-vector-width=512`. Candidates run in turn, round by round; a ratio is the median of the ratios of each round,
//! and times are minima, because the machine may be busy with other things. Without gcc there are only times.

mod c;
mod formulas;
mod measure;

use std::hint::black_box;
use std::time::Instant;

use chainrule::ir::Func;
use chainrule::wide::{self, Input, Kernel, Width};
use chainrule::{Column, Points, Program, Relaxation, math, opt};

use formulas::{Formula, MIXED, SEED};
use measure::{Row, Timed, median, paired, print};

/// In the second-level cache, and in memory.
const SIZES: [usize; 2] = [4096, 1 << 20];

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let wants = |section: &str| wanted.is_empty() || wanted.iter().any(|word| word == section);
    if c::compiler().is_none() {
        println!("there is no gcc: times only");
    }
    let rosenbrock = formulas::rosenbrock(10);
    if wants("seed") {
        SIZES.into_iter().for_each(|points| compare(&SEED, Some(c::SEED_BY_HAND), points));
    }
    if wants("rosenbrock") {
        SIZES.into_iter().for_each(|points| compare(&rosenbrock, None, points));
    }
    if wants("mixed") {
        SIZES.into_iter().for_each(mixed);
    }
    if wants("threads") {
        // Fewer points are left to one thread.
        [1 << 16, 1 << 20].into_iter().for_each(threads);
    }
    if wants("compile") {
        [&SEED, &rosenbrock].into_iter().for_each(compile);
    }
}

/// Value and first derivatives as the batch kernels see them.
fn gradient(formula: &Formula) -> Func {
    let program = Program::parse(&formula.text).expect("the formula is right");
    opt::release(&program.gradient().graph().expect("it has a gradient"))
}

fn shared_reciprocals(func: &Func) -> Func {
    opt::relax(func, &[Relaxation::SharedReciprocals])
}

/// Fills the columns of the results.
type Candidate = Box<dyn FnMut(&mut [Vec<f64>])>;

fn by_c(function: c::Function, columns: &[Vec<f64>]) -> Candidate {
    let columns = columns.to_vec();
    Box::new(move |results| function.run(&columns, results))
}

fn by_kernel(func: &Func, columns: &[Vec<f64>], width: Width) -> Option<Candidate> {
    let kernel = wide::compile(&math::expand(func), &vec![false; columns.len()], Some(width)).ok()?;
    let columns = columns.to_vec();
    Some(Box::new(move |results| run(&kernel, &columns, results)))
}

fn run(kernel: &Kernel, columns: &[Vec<f64>], results: &mut [Vec<f64>]) {
    let points = columns[0].len();
    let inputs: Vec<Input> = columns.iter().map(|column| Input::Column(column)).collect();
    let mut outputs: Vec<&mut [f64]> = results.iter_mut().map(Vec::as_mut_slice).collect();
    kernel.run(&inputs, &mut outputs, points);
}

/// The candidates for one formula: the C first.
fn candidates(formula: &Formula, by_hand: Option<&str>, points: usize) -> Vec<(String, Candidate)> {
    let func = gradient(formula);
    let columns = formula.columns(points);
    let text = c::text(&func);
    let mut candidates = Vec::new();
    for (name, text, option) in [
        ("C", Some(text.as_str()), None),
        ("C [512]", Some(text.as_str()), Some("-mprefer-vector-width=512")),
        ("C by hand", by_hand, None),
        ("C by hand [512]", by_hand, Some("-mprefer-vector-width=512")),
    ] {
        let function = text.and_then(|text| c::compile(text, option));
        candidates.extend(function.map(|function| (name.to_owned(), by_c(function, &columns))));
    }
    let shared = shared_reciprocals(&func);
    for width in Width::ALL {
        for (func, name) in [(&func, ""), (&shared, ", shared reciprocals")] {
            let kernel = by_kernel(func, &columns, width);
            candidates.extend(kernel.map(|kernel| (format!("chainrule {} bits{name}", 64 * width.lanes()), kernel)));
        }
    }
    candidates
}

/// Runs candidates on results of their own, and sees that they compute the same.
fn measured(
    candidates: Vec<(String, Candidate)>,
    results: usize,
    points: usize,
    calls: usize,
    rounds: usize,
) -> Vec<Row> {
    let mut filled = vec![vec![vec![0.0; points]; results]; candidates.len()];
    let (names, mut candidates): (Vec<String>, Vec<Candidate>) = candidates.into_iter().unzip();
    let mut timed: Vec<Timed<'_>> = Vec::new();
    for ((name, candidate), results) in names.iter().zip(&mut candidates).zip(&mut filled) {
        timed.push((name, Box::new(move || candidate(black_box(results)))));
    }
    let rows = paired(points, calls, rounds, &mut timed);
    drop(timed);
    let close = |a: f64, b: f64| (a - b).abs() <= 1e-8 * (a.abs() + b.abs()) + 1e-12;
    for (name, other) in names.iter().zip(&filled).skip(1) {
        let agree = other.iter().flatten().zip(filled[0].iter().flatten()).all(|(a, b)| close(*a, *b));
        assert!(agree, "{name} computes something else than {}", names[0]);
    }
    rows
}

fn repetitions(points: usize) -> (usize, usize) {
    // About as long as a time slice is, so that few are interrupted; and many.
    ((1 << 15) / points.min(1 << 15), if points > 1 << 16 { 25 } else { 301 })
}

fn compare(formula: &Formula, by_hand: Option<&str>, points: usize) {
    let (calls, rounds) = repetitions(points);
    let results = gradient(formula).results.len();
    let rows = measured(candidates(formula, by_hand, points), results, points, calls, rounds);
    print(&format!("{}, {points} points", formula.name), &rows);
}

/// The geometric means of the ratios of many formulas.
fn mixed(points: usize) {
    let (calls, rounds) = repetitions(points);
    let mut logs: Vec<(String, Vec<f64>)> = Vec::new();
    println!("\nmixed formulas, {points} points");
    for formula in &MIXED {
        let results = gradient(formula).results.len();
        let rows = measured(candidates(formula, None, points), results, points, calls, rounds / 3);
        print(&formula.name, &rows);
        for row in rows {
            match logs.iter_mut().find(|(name, _)| *name == row.name) {
                Some((_, ratios)) => ratios.push(row.ratio.ln()),
                None => logs.push((row.name, vec![row.ratio.ln()])),
            }
        }
    }
    println!("\ngeometric means of {} formulas, {points} points", MIXED.len());
    for (name, logs) in logs {
        println!("  {name:<44} {:>8.2}", (logs.iter().sum::<f64>() / logs.len() as f64).exp());
    }
}

/// Two threads against one, through the library's front door.
fn threads(points: usize) {
    let (calls, rounds) = repetitions(points);
    let program = Program::parse(&SEED.text).expect("the formula is right");
    let gradient = program.gradient().compile().expect("it compiles");
    let columns = SEED.columns(points);
    let each = Points::columns(columns.iter().map(|column| Column::Each(column)));
    let mut results = [1, 2].map(|_| vec![vec![0.0; points]; 3]);
    let [one, two] = &mut results;
    let batch = |results: &mut [Vec<f64>], threads: usize| {
        let [value, d_x, d_z] = results else { unreachable!("a value and two derivatives") };
        let batch = gradient.batch(&each).value(&mut value[..]).gradient([&mut d_x[..], &mut d_z[..]]);
        batch.threads(threads).run().expect("the columns fit");
    };
    let mut timed: [Timed<'_>; 2] =
        [("one thread", Box::new(|| batch(one, 1))), ("two threads", Box::new(|| batch(two, 2)))];
    let rows = paired(points, calls, rounds, &mut timed);
    drop(timed);
    assert_eq!(results[0], results[1], "the number of threads does not matter");
    print(&format!("{}, {points} points, {}", SEED.name, gradient.batch_backend()), &rows);
}

/// From the graph of value and derivatives to a kernel.
fn compile(formula: &Formula) {
    let func = gradient(formula);
    let uniform = vec![false; func.params.len()];
    println!("\n{}, µs to make a kernel", formula.name);
    for width in Width::ALL.into_iter().filter(|width| width.is_available()) {
        let lap = || {
            let clock = Instant::now();
            black_box(wide::compile(&math::expand(black_box(&func)), &uniform, Some(width)).ok());
            clock.elapsed().as_nanos() as f64 / 1e3
        };
        println!(
            "  {:<44} {:>10.1}",
            format!("{} bits", 64 * width.lanes()),
            median((0..301).map(|_| lap()).collect())
        );
    }
}
