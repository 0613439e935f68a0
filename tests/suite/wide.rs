//! Vector kernels against the interpreter, bit for bit, at each width and however the points lie in memory.

use chainrule::interp;
use chainrule::ir::{Builder, Func, Output, Val};
use chainrule::ops::{OPS, Op, Type};
use chainrule::wide::{self, Input, Kernel, Options, Width};
use proptest::prelude::*;

use crate::random::{self, Random, SPECIAL};

fn same(a: f64, b: f64) -> bool {
    a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())
}

fn widths() -> impl Iterator<Item = Width> {
    Width::ALL.into_iter().filter(|width| width.is_available())
}

/// Whether a graph is one that kernels are made of.
fn is_plain(func: &Func) -> bool {
    func.checks.is_empty()
        && func.params.iter().all(|param| param.ty == Type::F64)
        && func.vals().all(|val| func.ty(val) != Type::Int)
}

/// What is wrong with the kernel at `n` points, if something is. Arguments that are uniform take the first point's number.
fn difference(func: &Func, kernel: &Kernel, uniform: &[bool], columns: &[Vec<f64>], n: usize) -> Result<(), String> {
    let inputs: Vec<Input> = columns
        .iter()
        .zip(uniform)
        .map(|(column, &uniform)| if uniform { Input::Uniform(column[0]) } else { Input::Column(&column[..n]) })
        .collect();
    const UNTOUCHED: f64 = 1234.5;
    let mut found = vec![vec![UNTOUCHED; n + 1]; func.results.len()];
    let mut outputs: Vec<&mut [f64]> = found.iter_mut().map(|column| &mut column[..n]).collect();
    kernel.run(&inputs, &mut outputs, n);
    let mut expected = vec![0.0; func.results.len()];
    for index in 0..n {
        let point: Vec<f64> =
            columns.iter().zip(uniform).map(|(column, &uniform)| column[if uniform { 0 } else { index }]).collect();
        interp::eval(func, &point, &mut expected).map_err(|failure| format!("{failure:?}"))?;
        for (result, (expected, found)) in expected.iter().zip(&found).enumerate() {
            if !same(*expected, found[index]) {
                let found = found[index];
                return Err(format!("result {result} of point {index} of {n}, {point:?}: {found:e}, not {expected:e}"));
            }
        }
    }
    let untouched = found.iter().all(|column| column[n].to_bits() == UNTOUCHED.to_bits());
    if untouched { Ok(()) } else { Err("wrote behind the end".to_owned()) }
}

fn assert_same_as_interpreter(func: &Func, options: Options, uniform: &[bool], columns: &[Vec<f64>]) {
    let kernel = wide::compile_with(func, uniform, &options).unwrap();
    let n = columns.first().map_or(3, Vec::len);
    if let Err(message) = difference(func, &kernel, uniform, columns, n) {
        panic!("{options:?} {uniform:?} {message}\n{func}");
    }
}

/// Each width, in one piece and in small ones.
fn all_options() -> Vec<Options> {
    let segments = [None, Some(1), Some(7)];
    widths().flat_map(|width| segments.map(|segment| Options { width: Some(width), segment })).collect()
}

fn named(values: &[Val]) -> Vec<Output> {
    let name = |index: usize| format!("r{index}");
    values.iter().enumerate().map(|(index, &value)| Output { name: name(index), value }).collect()
}

/// Columns of special and random numbers, with every pair of special numbers in the first two.
fn columns(n_columns: usize, random_points: usize) -> Vec<Vec<f64>> {
    let mut random = Random(23);
    let mut columns = vec![Vec::new(); n_columns];
    for a in SPECIAL {
        for b in SPECIAL {
            for (index, column) in columns.iter_mut().enumerate() {
                column.push([a, b, 0.0][index.min(2)]);
                if index >= 2 {
                    *column.last_mut().unwrap() = random.number();
                }
            }
        }
    }
    for _ in 0..random_points {
        columns.iter_mut().for_each(|column| column.push(random.number()));
    }
    columns
}

#[test]
fn every_operator_is_what_the_interpreter_says() {
    for row in OPS.iter().filter(|row| row.args.iter().chain([&row.result]).all(|ty| *ty != Type::Int)) {
        let mut builder = Builder::new(row.name);
        let args: Vec<Val> = row
            .args
            .iter()
            .enumerate()
            .map(|(index, ty)| {
                let x = builder.param(&format!("x{index}"), Type::F64);
                let half = builder.f64(0.5);
                if *ty == Type::Bool { builder.binary(Op::Lt, x, half) } else { x }
            })
            .collect();
        let value = builder.emit(row.op, &args);
        // Each operand is used again, and not.
        let again = if builder.func().ty(value) == Type::F64 { builder.binary(Op::Add, value, args[0].min(args[0])) } else { value };
        let mut values = vec![value];
        if builder.func().ty(args[0]) == Type::F64 {
            values.push(again);
        }
        let mut funcs = vec![builder.func().clone()];
        funcs[0] = builder.finish(named(&values));
        for func in funcs {
            let columns = columns(row.args.len(), 3000);
            for options in all_options() {
                assert_same_as_interpreter(&func, options, &vec![false; row.args.len()], &columns);
                let short: Vec<Vec<f64>> = columns.iter().map(|column| column[column.len() - 5..].to_vec()).collect();
                assert_same_as_interpreter(&func, options, &vec![true; row.args.len()], &short);
            }
        }
    }
}
