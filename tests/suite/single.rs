//! Single calls against the interpreter, bit for bit, with the instructions of each processor. The tests of kernels (`wide`) run their
//! graphs through [`assert_same_as_interpreter`] too.

use chainrule::ir::{Builder, Func, Output, Val};
use chainrule::ops::{OPS, Op, Surface, Type};
use chainrule::wide::Width;
use chainrule::wide::single::{self, Code, Parts};
use chainrule::{interp, math};
use proptest::prelude::*;

use crate::random::{self, Random, SPECIAL};

fn same(a: f64, b: f64) -> bool {
    a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())
}

fn widths() -> impl Iterator<Item = Width> {
    Width::ONE.into_iter().filter(|width| width.is_available())
}

fn compile(func: &Func, width: Width) -> Code {
    single::compile(func, Parts::whole(func), Some(width)).unwrap()
}

/// What is wrong with the code at a point, if something is.
fn difference(func: &Func, code: &Code, point: &[f64]) -> Result<(), String> {
    let (mut expected, mut found) = (vec![0.0; func.results.len()], vec![0.0; func.results.len()]);
    interp::eval(func, point, &mut expected).map_err(|failure| format!("{failure:?}"))?;
    code.call(point, &mut found);
    match expected.iter().zip(&found).position(|(&a, &b)| !same(a, b)) {
        None => Ok(()),
        Some(at) => Err(format!("result {at} at {point:?}: {:e}, not {:e}", found[at], expected[at])),
    }
}

/// At each point of some columns.
pub fn assert_same_as_interpreter(func: &Func, columns: &[Vec<f64>]) {
    for width in widths() {
        let code = compile(func, width);
        for index in 0..columns.first().map_or(1, Vec::len) {
            let point: Vec<f64> = columns.iter().map(|column| column[index]).collect();
            if let Err(message) = difference(func, &code, &point) {
                panic!("{width:?} {message}\n{func}\n{}", single::asm(func, Some(width)).unwrap());
            }
        }
    }
}

fn named(values: &[Val]) -> Vec<Output> {
    let name = |index: usize| format!("r{index}");
    values.iter().enumerate().map(|(index, &value)| Output { name: name(index), value }).collect()
}

/// All elementary functions at once, written out: their rare cases are calls from behind the code, among many values in registers.
#[test]
fn elementary_functions_are_what_the_interpreter_says() {
    let mut builder = Builder::new("functions");
    let x: Vec<Val> = ["x", "y"].map(|name| builder.param(name, Type::F64)).to_vec();
    let functions = OPS.iter().filter(|row| row.surface == Surface::Function && row.result == Type::F64);
    let functions = functions.filter(|row| row.args.len() <= 2 && row.args.iter().all(|ty| *ty == Type::F64));
    let values: Vec<Val> = functions.map(|row| builder.emit(row.op, &x[..row.args.len()])).collect();
    let func = math::expand(&builder.finish(named(&values)));
    let mut random = Random(41);
    let mut columns = vec![Vec::new(), Vec::new()];
    let mut point = |x: f64, y: f64| [x, y].into_iter().zip(&mut columns).for_each(|(x, column)| column.push(x));
    SPECIAL.iter().for_each(|&x| SPECIAL.iter().for_each(|&y| point(x, y)));
    for _ in 0..3000 {
        point(random.number(), random.number());
    }
    assert_same_as_interpreter(&func, &columns);
}

/// A few functions at a time, whose polynomials share lanes; more than the registers of AVX2 hold.
#[test]
fn polynomials_on_two_lanes_are_what_the_interpreter_says() {
    let functions = [Op::Sin, Op::Cos, Op::Exp, Op::Ln, Op::Tan, Op::Atan, Op::Erf, Op::Asin];
    let mut random = Random(43);
    let column: Vec<f64> = SPECIAL.into_iter().chain((0..400).map(|_| random.number())).collect();
    for first in functions {
        for second in functions {
            let mut builder = Builder::new("lanes");
            let x = builder.param("x", Type::F64);
            let near = builder.f64(0.75);
            let moved = builder.binary(Op::Mul, x, near);
            let values = [(first, x), (second, moved), (second, x)].map(|(op, x)| builder.unary(op, x));
            let func = math::expand(&builder.finish(named(&values)));
            assert_same_as_interpreter(&func, std::slice::from_ref(&column));
        }
    }
    let mut builder = Builder::new("circle");
    let x = builder.param("x", Type::F64);
    let values = [Op::Sin, Op::Cos].map(|op| builder.unary(op, x));
    let func = math::expand(&builder.finish(named(&values)));
    for width in Width::ONE {
        let asm = single::asm(&func, Some(width)).unwrap();
        assert!(!cfg!(feature = "cli") || asm.matches("pd xmm").count() >= 5, "{asm}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_graphs_are_what_the_interpreter_says(
        picks in random::picks(300),
        seed in any::<u64>(),
        expanded in any::<bool>(),
    ) {
        let func = random::graph_of_numbers(&picks, 5);
        let func = if expanded { math::expand(&func) } else { func };
        let mut random = Random(seed);
        for width in widths() {
            let code = compile(&func, width);
            for _ in 0..20 {
                let point: Vec<f64> = (0..5).map(|_| random.number()).collect();
                if let Err(message) = difference(&func, &code, &point) {
                    prop_assert!(false, "{width:?} {message}\n{func}");
                }
            }
        }
    }
}

#[test]
fn arguments_and_results_may_lie_in_parts() {
    let func = random::large(100, 20, 3);
    let n = func.results.len();
    let args: Vec<f64> = (0..func.params.len()).map(|index| 0.3 + 0.1 * index as f64).collect();
    let mut expected = vec![0.0; n];
    interp::eval(&func, &args, &mut expected).unwrap();
    for (arg_cut, cuts) in [(0, (0, n)), (5, (1, 3)), (args.len(), (n, n)), (1, (0, 2))] {
        let parts = Parts { args: [arg_cut, args.len() - arg_cut], results: [cuts.0, cuts.1 - cuts.0, n - cuts.1] };
        let Ok(code) = single::compile(&func, parts, None) else { return };
        let mut found = vec![0.0; n];
        let (first, rest) = found.split_at_mut(cuts.0);
        let (second, third) = rest.split_at_mut(cuts.1 - cuts.0);
        code.call_parts([&args[..arg_cut], &args[arg_cut..]], [first, second, third]).unwrap();
        assert!(expected.iter().zip(&found).all(|(&a, &b)| same(a, b)), "{parts:?}: {found:?}, not {expected:?}");
    }
}

/// Values wait on the stack, or in a tape of which each thread that calls has its own.
#[test]
fn code_is_shared_between_threads() {
    fn is_shareable<T: Send + Sync + Clone + 'static>() {}
    is_shareable::<Code>();
    for (func, width) in [300, 20_000]
        .map(|size| random::sweep(size, 5, 1))
        .iter()
        .flat_map(|func| widths().map(move |width| (func, width)))
    {
        let code = compile(func, width);
        let func = func.clone();
        random::on_threads(move |point| difference(&func, &code, point).unwrap());
    }
}

#[test]
fn a_large_graph_compiles_and_runs_on_a_small_stack() {
    let func = random::sweep(200_000, 5, 9);
    let run = move || {
        let point: Vec<f64> = (0..16).map(|index| 0.9 + 0.01 * f64::from(index)).collect();
        for width in widths() {
            difference(&func, &compile(&func, width), &point).unwrap();
        }
    };
    std::thread::Builder::new().stack_size(1 << 20).spawn(run).unwrap().join().unwrap();
}

#[test]
#[should_panic(expected = "slices of the lengths")]
fn a_wrong_number_of_arguments_panics() {
    let func = random::sweep(50, 0, 1);
    let Some(width) = widths().next() else { panic!("slices of the lengths") };
    compile(&func, width).call(&[1.0], &mut [0.0]);
}

#[test]
fn what_computes_with_integers_is_refused() {
    let mut builder = Builder::new("integers");
    let n = builder.param("n", Type::Int);
    let value = builder.unary(Op::ToF64, n);
    let func = builder.finish(named(&[value]));
    assert!(single::compile(&func, Parts::whole(&func), Some(Width::One256)).is_err());
}
