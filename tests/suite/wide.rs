//! Vector kernels against the interpreter, bit for bit, at each width and however the points lie in memory; and single calls.

use chainrule::interp;
use chainrule::ir::{Builder, Func, Output, Val};
use chainrule::ops::{OPS, Op, Type};
use chainrule::wide::{self, Input, Kernel, Options, Width};
use chainrule::{Program, math, opt};
use proptest::prelude::*;

use crate::random::{self, Random, SPECIAL};
use crate::single;

fn same(a: f64, b: f64) -> bool {
    a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())
}

fn widths() -> impl Iterator<Item = Width> {
    Width::ALL.into_iter().filter(|width| width.is_available())
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
    if options == all_options()[0] && !uniform.contains(&true) {
        single::assert_same_as_interpreter(func, columns);
    }
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
        let mut arg = |(index, ty): (usize, &Type)| {
            let (x, half) = (builder.param(&format!("x{index}"), Type::F64), builder.f64(0.5));
            if *ty == Type::Bool { builder.binary(Op::Lt, x, half) } else { x }
        };
        let args: Vec<Val> = row.args.iter().enumerate().map(&mut arg).collect();
        let mut values = vec![builder.emit(row.op, &args)];
        // Operands that are needed again, after an operator and before.
        values.extend(args.iter().filter(|_| row.args[0] == Type::F64));
        if row.args[0] == Type::F64 && row.result == Type::F64 {
            values.push(builder.binary(Op::Sub, args[0], values[0]));
        }
        let funcs = [builder.func().clone(), builder.func().clone()];
        let results = [named(&values[..1]), named(&values)];
        for (func, results) in funcs.into_iter().zip(results) {
            let func = Builder::resume(func).finish(results);
            let columns = columns(row.args.len(), 2000);
            let last: Vec<Vec<f64>> = columns.iter().map(|column| column[column.len() - 5..].to_vec()).collect();
            for options in all_options() {
                assert_same_as_interpreter(&func, options, &vec![false; row.args.len()], &columns);
                for uniform in 0..1 << row.args.len() {
                    let uniform: Vec<bool> = (0..row.args.len()).map(|arg| uniform >> arg & 1 == 1).collect();
                    assert_same_as_interpreter(&func, options, &uniform, &last);
                }
            }
        }
    }
}

/// Operators with constants among their operands, which have forms of their own.
#[test]
fn operators_on_constants_are_what_the_interpreter_says() {
    let operators =
        OPS.iter().filter(|row| row.cost < 10 && row.args.len() >= 2 && row.args.iter().all(|ty| *ty == Type::F64));
    for row in operators {
        let mut builder = Builder::new(row.name);
        let x: Vec<Val> = (0..row.args.len()).map(|index| builder.param(&format!("x{index}"), Type::F64)).collect();
        let mut values = Vec::new();
        for slot in 0..x.len() {
            for special in SPECIAL {
                let mut args = x.clone();
                args[slot] = builder.f64(special);
                values.push(builder.emit(row.op, &args));
                // The same twice.
                args[(slot + 1) % x.len()] = x[(slot + 2) % x.len()];
                values.push(builder.emit(row.op, &args));
            }
        }
        let func = builder.finish(named(&values));
        let columns = columns(x.len(), 100);
        for options in all_options() {
            assert_same_as_interpreter(&func, options, &vec![false; x.len()], &columns);
        }
    }
}

#[test]
fn powers_of_two_are_exact_to_the_last_subnormal() {
    let mut random = Random(5);
    let mut columns = vec![Vec::new(), Vec::new()];
    for _ in 0..60_000 {
        let x = match random.below(3) {
            0 => f64::from_bits(random.next()),
            1 => f64::from_bits(random.next() & !(0x7ff << 52)),
            _ => 1.0 + random.unit(),
        };
        columns[0].push(x);
        columns[1].push((random.unit() - 0.5) * [10.0, 2100.0, 2200.0, 4500.0, 1e5][random.below(5)]);
    }
    let mut builder = Builder::new("scale");
    let (x, k) = (builder.param("x", Type::F64), builder.param("k", Type::F64));
    let bounded = |builder: &mut Builder, bound: f64| {
        let (low, high) = (builder.f64(-bound), builder.f64(bound));
        let k = builder.emit(Op::Clamp, &[k, low, high]);
        builder.binary(Op::Scale, x, k)
    };
    let mut values: Vec<Val> = [1000.0, 1021.0, 1022.0, 1075.5, 1990.0, 2099.0, 5000.0, f64::INFINITY]
        .into_iter()
        .map(|bound| bounded(&mut builder, bound))
        .collect();
    values.extend([builder.binary(Op::Scale, x, k), builder.unary(Op::Exponent, x), builder.unary(Op::Significand, x)]);
    let func = builder.finish(named(&values));
    for options in all_options() {
        assert_same_as_interpreter(&func, options, &[false; 2], &columns);
    }
}

#[test]
fn powers_with_a_constant_exponent_are_powi() {
    let mut builder = Builder::new("powers");
    let x = builder.param("x", Type::F64);
    let exponents = (-70..=70).chain([127, 1000, i64::from(i32::MAX), i64::MAX, i64::MIN, -1000]);
    let values: Vec<Val> = exponents
        .map(|exponent| {
            let n = builder.int(exponent);
            builder.binary(Op::Powi, x, n)
        })
        .collect();
    let func = builder.finish(named(&values));
    let edges = (2..=20).flat_map(|n| [f64::MIN_POSITIVE, f64::MAX].map(|edge| edge.powf(1.0 / f64::from(n))));
    let edges = edges.flat_map(|x| [x, -x, 0.999 * x, 1.001 * x, 1.0 / x]);
    let column: Vec<f64> = columns(1, 200).remove(0).into_iter().chain(edges).collect();
    for options in all_options() {
        assert_same_as_interpreter(&func, options, &[false], std::slice::from_ref(&column));
    }
}

#[test]
fn batches_of_every_length_at_every_address() {
    let func = random::large(200, 3, 4);
    let n_params = func.params.len();
    let mut random = Random(77);
    for width in widths() {
        let uniform: Vec<bool> = (0..n_params).map(|index| index % 5 == 4).collect();
        for segment in [None, Some(20)] {
            let kernel = wide::compile_with(&func, &uniform, &Options { width: Some(width), segment }).unwrap();
            for n in 0..=40 {
                // A column begins anywhere, and its end is the end of its memory.
                let columns: Vec<Vec<f64>> =
                    (0..n_params).map(|_| (0..n.max(1)).map(|_| random.number()).collect()).collect();
                difference(&func, &kernel, &uniform, &columns, n).unwrap();
            }
        }
        let kernel = wide::compile(&func, &vec![false; n_params], Some(width)).unwrap();
        let memory: Vec<f64> = (0..400).map(|_| random.number()).collect();
        for (begin, n) in (0..9).flat_map(|begin| [(begin, 50), (begin, 300)]) {
            let inputs: Vec<Input> = (0..n_params).map(|at| Input::Column(&memory[begin + at..][..n])).collect();
            let mut found = vec![vec![0.0; 310]; func.results.len()];
            let mut outputs: Vec<&mut [f64]> = found.iter_mut().map(|column| &mut column[begin..begin + n]).collect();
            kernel.run(&inputs, &mut outputs, n);
            let mut expected = vec![0.0; func.results.len()];
            for index in 0..n {
                let point: Vec<f64> = (0..n_params).map(|at| memory[begin + at + index]).collect();
                interp::eval(&func, &point, &mut expected).unwrap();
                assert!(expected.iter().zip(&found).all(|(expected, found)| same(*expected, found[begin + index])));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_graphs_are_what_the_interpreter_says(
        picks in random::picks(300),
        seed in any::<u64>(),
        n in 1..60usize,
        uniform in any::<[bool; 5]>(),
        segment in prop::sample::select(vec![None, Some(1), Some(3), Some(20)]),
    ) {
        let func = random::graph_of_numbers(&picks, uniform.len());
        chainrule::ir::verify::verify(&func).unwrap();
        let mut random = Random(seed);
        let columns: Vec<Vec<f64>> = uniform.iter().map(|_| (0..n).map(|_| random.number()).collect()).collect();
        for width in widths() {
            let kernel = wide::compile_with(&func, &uniform, &Options { width: Some(width), segment }).unwrap();
            if let Err(message) = difference(&func, &kernel, &uniform, &columns, n) {
                prop_assert!(false, "{width:?} {segment:?} {message}\n{func}");
            }
        }
    }
}

/// Hundreds of values that are needed in the opposite order of their making.
#[test]
fn values_without_registers_wait_in_memory() {
    for (calls, seed) in [(0, 1), (5, 2)] {
        for func in [random::sweep(2500, calls, seed), random::large(2500, calls, seed)] {
            let columns = columns(func.params.len(), 50);
            for width in widths() {
                let options = Options { width: Some(width), segment: None };
                assert_same_as_interpreter(&func, options, &vec![false; func.params.len()], &columns);
            }
        }
    }
}

#[test]
fn large_graphs_are_several_loops() {
    let func = random::sweep(100_000, 1, 9);
    let mut random = Random(3);
    let columns: Vec<Vec<f64>> =
        func.params.iter().map(|_| (0..101).map(|_| 0.9 + 0.01 * random.unit()).collect()).collect();
    for width in widths() {
        let options = Options { width: Some(width), segment: None };
        assert_same_as_interpreter(&func, options, &vec![false; func.params.len()], &columns);
    }
}

/// Long chains: what one turn of the loop begins, the next one finishes, with numbers, conditions and calls on both sides.
#[test]
fn loops_in_two_stages() {
    let texts = [
        "exp(x*z) + x*z/ln(x) + sin(ln(x))/(x*z)",
        "if(x > z, sin(exp(cos(x))), cos(exp(sin(z)))) + x",
        "tan(ln(1 + sin(x)^2)*cos(z)) + lgamma(exp(sin(exp(sin(z)))))",
        "w + sin(x)*ln(exp(sin(ln(2 + sin(z)))) + w)",
    ];
    for text in texts {
        let program = Program::parse(text).unwrap();
        let func = math::expand(&opt::release(&program.gradient().graph().unwrap()));
        let mut random = Random(31);
        let mut number = |index: usize| if index % 9 == 4 { 1e9 * random.unit() } else { 0.2 + 2.0 * random.unit() };
        let columns: Vec<Vec<f64>> = func.params.iter().map(|_| (0..300).map(&mut number).collect()).collect();
        for width in widths() {
            let options = Options { width: Some(width), segment: None };
            let uniforms = [vec![false; func.params.len()], (0..func.params.len()).map(|param| param == 0).collect()];
            for uniform in uniforms {
                let kernel = wide::compile_with(&func, &uniform, &options).unwrap();
                for n in (1..70).chain([255, 256, 257, 300]) {
                    difference(&func, &kernel, &uniform, &columns, n)
                        .unwrap_or_else(|message| panic!("{text}: {message}"));
                }
            }
            // Only such loops say so.
            let code = wide::asm(&func, &vec![false; func.params.len()], &options).unwrap();
            assert!(code.contains("cmovae"), "{text} at {width:?} has one stage");
        }
    }
}

/// A call that matters only under a condition finds all registers as they were.
#[test]
fn guarded_calls_leave_registers_alone() {
    let mut builder = Builder::new("guarded");
    let params: Vec<Val> = (0..24).map(|index| builder.param(&format!("x{index}"), Type::F64)).collect();
    let one = builder.f64(1.0);
    let mut sum = builder.f64(0.0);
    let products: Vec<Val> = params.windows(2).map(|x| builder.binary(Op::Mul, x[0], x[1])).collect();
    for (index, &x) in params.iter().enumerate().take(12) {
        let rare = builder.binary(Op::Lt, one, x);
        let call = builder.unary(Op::Lgamma, products[index]);
        let value = builder.select(rare, call, x);
        sum = builder.binary(Op::Add, sum, value);
    }
    let mut values = vec![sum];
    for pair in products.windows(2) {
        values.push(builder.binary(Op::Add, pair[0], pair[1]));
    }
    let func = builder.finish(named(&values));
    let mut random = Random(8);
    for scale in [0.5, 1.01, 1.2, 4.0] {
        let columns: Vec<Vec<f64>> = params.iter().map(|_| (0..333).map(|_| random.unit() * scale).collect()).collect();
        for options in all_options() {
            assert_same_as_interpreter(&func, options, &[false; 24], &columns);
        }
    }
}

#[test]
fn results_may_be_arguments_and_constants_and_repeat() {
    let mut builder = Builder::new("given");
    let (x, y) = (builder.param("x", Type::F64), builder.param("y", Type::F64));
    let (constant, truth, sum) = (builder.f64(-0.0), builder.bool(true), builder.binary(Op::Add, x, y));
    let less = builder.binary(Op::Lt, x, y);
    let func = builder.finish(named(&[x, sum, constant, truth, less, sum, x, y]));
    for options in all_options() {
        for uniform in [[false, false], [false, true], [true, false], [true, true]] {
            assert_same_as_interpreter(&func, options, &uniform, &columns(2, 10));
        }
    }
    for width in widths() {
        wide::compile(&Builder::new("empty").finish(Vec::new()), &[], Some(width)).unwrap().run(&[], &mut [], 10);
    }
}

#[test]
fn what_computes_with_integers_is_refused() {
    let mut builder = Builder::new("integers");
    let n = builder.param("n", Type::Int);
    let value = builder.unary(Op::ToF64, n);
    let func = builder.finish(named(&[value]));
    assert!(wide::compile(&func, &[false], Some(Width::W256)).is_err());
}

#[test]
fn kernels_are_shared_between_threads() {
    fn is_shareable<T: Send + Sync + Clone + 'static>() {}
    is_shareable::<Kernel>();
    let Some(width) = Width::best() else { return };
    let func = random::large(300, 5, 6);
    let uniform = vec![false; func.params.len()];
    let kernel = wide::compile(&func, &uniform, Some(width)).unwrap();
    let threads: Vec<_> = (0..8)
        .map(|seed| {
            let (kernel, func, uniform) = (kernel.clone(), func.clone(), uniform.clone());
            std::thread::spawn(move || {
                let mut random = Random(seed + 1);
                for n in 0..50 {
                    let columns: Vec<Vec<f64>> =
                        uniform.iter().map(|_| (0..n).map(|_| random.number()).collect()).collect();
                    difference(&func, &kernel, &uniform, &columns, n).unwrap();
                }
            })
        })
        .collect();
    drop(kernel);
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

#[test]
#[should_panic(expected = "room for each point")]
fn a_short_output_panics() {
    let Some(width) = Width::best() else { panic!("room for each point") };
    let func = random::large(20, 0, 6);
    let columns = columns(func.params.len(), 0);
    let kernel = wide::compile(&func, &vec![false; columns.len()], Some(width)).unwrap();
    let inputs: Vec<Input> = columns.iter().map(|column| Input::Column(column)).collect();
    let mut outputs: Vec<&mut [f64]> = func.results.iter().map(|_| [].as_mut_slice()).collect();
    kernel.run(&inputs, &mut outputs, 9);
}
