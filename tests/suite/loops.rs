//! Machine code of functions with arrays against the interpreter, bit for bit.

use chainrule::interp;
use chainrule::ir::{Builder, Func, Output};
use chainrule::jit::loops::{LoopCode, Workspace, compile, compile_products, compile_with};
use chainrule::ops::{Op, Type};
use chainrule::wide::Width;
use chainrule::{Binding, Program};
use proptest::prelude::*;

use crate::random_regions;

fn same(a: f64, b: f64) -> bool {
    a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())
}

/// What is wrong with the code at arguments, if something is: without kernels, with those of each width that the processor has, and with
/// kernels for the smallest products of matrices.
pub fn difference(func: &Func, args: &[&[f64]]) -> Result<(), String> {
    let widths = Width::ALL.into_iter().filter(|width| width.is_available());
    for width in widths.map(Some).chain([None]) {
        let code = compile_with(func, width).map_err(|error| error.to_string())?;
        difference_of(&code, func, args).map_err(|message| format!("{width:?}: {message}"))?;
    }
    let code = compile_products(func, Width::best(), 1).map_err(|error| error.to_string())?;
    if code.products() > 0 {
        difference_of(&code, func, args).map_err(|message| format!("with products: {message}"))?;
    }
    Ok(())
}

fn difference_of(code: &LoopCode, func: &Func, args: &[&[f64]]) -> Result<(), String> {
    let mut found: Vec<Vec<f64>> = code.results().iter().map(|&n| vec![f64::MAX; n]).collect();
    let mut workspace = Workspace::default();
    let expected = interp::call(func, args);
    // Twice: nothing may depend on what is in the memory before.
    for _ in 0..2 {
        let mut out: Vec<&mut [f64]> = found.iter_mut().map(Vec::as_mut_slice).collect();
        match (&expected, code.call(args, &mut out, &mut workspace)) {
            (Ok(expected), Ok(())) => {
                for (number, (expected, found)) in expected.iter().zip(&found).enumerate() {
                    let expected = expected.numbers();
                    if let Some(at) = (0..expected.len()).find(|&at| !same(expected[at], found[at])) {
                        let (found, expected) = (found[at], expected[at]);
                        return Err(format!("result {number}, element {at}: {found:e}, not {expected:e}"));
                    }
                }
            }
            // A failure names an instruction of what was compiled, where elementary functions may be written out.
            (Err(expected), Err(found))
                if expected.fault == found.fault && interp::call(code.func(), args).as_ref() == Err(&found) => {}
            (expected, found) => return Err(format!("{found:?}, not {expected:?}")),
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn random_loops_are_the_interpreters(choices in random_regions::choices(80), seed: u64) {
        let func = random_regions::graph(&choices);
        let args = random_regions::arguments(seed);
        let args: Vec<&[f64]> = args.iter().map(Vec::as_slice).collect();
        for func in [chainrule::math::expand(&func), func] {
            if let Err(message) = difference(&func, &args) {
                prop_assert!(false, "{message}\n{args:?}\n{func}");
            }
        }
    }
}

/// Programs whose loops are kernels, where the processor has vectors, and at least how many these are: of the value, and of the
/// gradient. Sizes are such that vectors are full, that they are not, and that there are several.
const PROGRAMS: &[(&str, usize, usize)] = &[
    ("param A[N, M], x[M]; sum[i]((sum[j](A[i, j]*x[j]))^2)", 1, 2),
    ("param A[N, M], x[M], b[N]; y[i] = sigmoid(b[i] + sum[j](A[i, j]*x[j])); sum[i](y[i]*ln(y[i]))", 3, 3),
    ("param A[M, N]; y[i, j] = A[i, j]^2 + 3*A[i, j]; sum[i](sum[j](y[i, j]*i))", 1, 1),
    ("param x[N]; sum[i in 0..N-1](100*(x[i+1] - x[i]^2)^2 + (1 - x[i])^2)", 1, 2),
    ("param x[N]; sum[i in 2..N-1]((x[i+1] - 2*x[i-1] + x[i-2])^2*x[i])", 1, 3),
    ("param x[N], c; sum[i if x[i] > c](x[i]*c) + sum[i](exp(x[i]) - i*x[i])", 1, 1),
    ("param x[N]; y[i] = sum[j in 0..i](x[j]*x[i]); sum[i](y[i]^2)", 1, 1),
    ("param A[N, M]; sum[i](max[j](A[i, j])*sum[k in 1..M](A[i, k]*A[i, k-1]))", 1, 1),
    ("param x[N], y[M]; o[i, j] = x[i]*y[j]; sum[i](exp(sum[j](o[i, j]*o[i, j] + o[i, j])))", 2, 2),
    (
        "param W[N, N], x[M, N]; h[0, j] = x[0, j]; h[t, j] = tanh(x[t, j] + sum[k](W[j, k]*h[t-1, k])) for t in 1..M
      sum[j](h[M-1, j])",
        2,
        3,
    ),
    (
        "param W[N, N], x[N]; y = iterate y from x for t in 0..5 do [tanh(y[j] + sum[k](W[j, k]*y[k])) for j]
      sum[j](y[j]^2)",
        2,
        3,
    ),
    (
        "data x[M, N]; param m[5, N], s[5]
      sum[n](logsumexp[k](s[k] - sum[d]((x[n, d] - m[k, d])^2*exp(s[k]))))",
        3,
        4,
    ),
];

#[test]
fn programs_run_in_kernels() {
    let Some(best) = Width::best() else { return };
    let mut wrong = Vec::new();
    for &(text, of_value, of_gradient) in PROGRAMS {
        for (n, m) in [(1, 1), (4, 17), (13, 40), (50, 9)] {
            let program = Program::parse(text).unwrap_or_else(|error| panic!("{error}"));
            let is_size = |name: &str| program.sizes().iter().any(|size| size.0 == name);
            let bound = [("N", n), ("M", m)].into_iter().filter(|&(name, _)| is_size(name));
            let binding = bound.fold(Binding::new(), |binding, (name, size)| binding.size(name, size));
            let Ok(program) = program.bind(&binding) else { continue };
            let gradient = program.gradient().graph().unwrap_or_else(|error| panic!("{error}"));
            for (func, kernels) in [(program.graph(), of_value), (&gradient, of_gradient)] {
                let func = chainrule::math::expand(&chainrule::opt::release(func));
                let number = |k: usize| ((k * 7919 + 13) % 1000) as f64 / 1000.0 - 0.4;
                let args: Vec<Vec<f64>> =
                    func.params.iter().map(|param| (0..param.shape.iter().product()).map(number).collect()).collect();
                let args: Vec<&[f64]> = args.iter().map(Vec::as_slice).collect();
                difference(&func, &args).unwrap_or_else(|message| panic!("{message}\n{text}\nN={n} M={m}\n{func}"));
                assert_eq!(compile_with(&func, None).unwrap().kernels(), 0);
                if n >= 8 && m >= 9 {
                    let found = compile_with(&func, Some(best)).unwrap().kernels();
                    if found < kernels {
                        wrong.push(format!("{found} kernels, not {kernels}, at {n}, {m}: {text}"));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Recurrences of `T` turns that add products of vectors to matrices in each turn of their gradient, with the number of loops in which
/// additions are put off.
const RECURRENCES: &[(&str, usize)] = &[
    (
        "param W[N, N], U[N, D], b[N]; data x[T, D]
      h[0, j] = b[j]
      h[t, j] = tanh(sum[k](W[j, k]*h[t-1, k]) + sum[d](U[j, d]*x[t-1, d])) for t in 1..=T
      sum[j](h[T, j]^2)",
        1,
    ),
    // Backwards, so that the gradient goes forwards; elements of every turn are read; one matrix by its columns.
    (
        "param W[N, N], U[N, D], b[N]; data x[T, D]
      h[T, j] = b[j]
      h[t, j] = sigmoid(sum[k](W[k, j]*h[t+1, k]) - sum[d](U[j, d]*x[t, d])) for t in 0..T
      sum[t, j](h[t, j]^2)",
        1,
    ),
    // Matrices that are parts of one array, two of them at once, from the third turn on.
    (
        "param W[2, N, N], x[N], s; data y[T, D]
      (p, q) = iterate (p, q) from (x, x) for t in 3..T+3 do {
          r = [sigmoid(sum[k](W[0, j, k]*p[k]) + y[t-3, 0]) for j]
          ([r[j]*q[j] + s*(1 - r[j])*tanh(sum[k](W[1, j, k]*p[k])) for j], [q[j]*0.5 + r[j] for j])
      }
      sum[j](p[j]*q[j])",
        1,
    ),
    // A state that is read by the element and as a vector.
    (
        "param W[N, N], b[N]; data x[T, D]
      h = iterate h from b for t in 0..T do [h[j]*0.5 + tanh(sum[k](W[j, k]*h[k]) + x[t, 0]) for j]
      sum[j](h[j]^2)",
        1,
    ),
    // The sum of a turn is read in the next one: nothing can wait.
    (
        "param W[N, N], x[N]; data y[T, D]
      (v, s) = iterate (v, s) from (x, W) for t in 0..T do {
          u = [tanh(sum[k](s[j, k]*v[k]) + y[t, 0]) for j]
          (u, [s[j, k] + 0.01*u[j]*v[k] for j, k])
      }
      sum[j](v[j]^2)",
        0,
    ),
];

#[test]
fn additions_of_several_turns_are_made_together() {
    let Some(best) = Width::best() else { return };
    // Rows of whole pieces and others; turns of whole batches and others, and few.
    for (n, d, t) in [(32, 16, 70), (27, 21, 33), (23, 210, 40), (32, 32, 7)] {
        for &(text, loops) in RECURRENCES {
            let program = Program::parse(text).unwrap_or_else(|error| panic!("{error}"));
            let sizes = [("N", n), ("D", d), ("T", t)];
            let binding = sizes.iter().fold(Binding::new(), |binding, &(name, size)| binding.size(name, size));
            let program = program.bind(&binding).unwrap_or_else(|error| panic!("{error}"));
            let gradient = program.gradient().graph().unwrap_or_else(|error| panic!("{error}"));
            let func = chainrule::math::expand(&chainrule::opt::release(&gradient));
            let number = |k: usize| (((k * 7919 + 13) % 1000) as f64 / 1000.0 - 0.5) * 0.4;
            let args: Vec<Vec<f64>> =
                func.params.iter().map(|param| (0..param.shape.iter().product()).map(number).collect()).collect();
            let args: Vec<&[f64]> = args.iter().map(Vec::as_slice).collect();
            difference(&func, &args).unwrap_or_else(|message| panic!("{message}\n{text}\nN={n} D={d} T={t}"));
            let found = compile_with(&func, Some(best)).unwrap().batched();
            assert_eq!(found, if t < 16 { 0 } else { loops }, "{text}\nN={n} D={d} T={t}\n{func}");
        }
    }
}

/// `[x[i]*2 for i]` of a given size.
fn doubled(n: usize) -> Func {
    let mut b = Builder::new("f");
    let (x, i, two) = (b.array_param("x", Type::F64, &[n]), b.index(), b.f64(2.0));
    let element = b.read(x, &[i]);
    let value = b.binary(Op::Mul, element, two);
    let array = b.array(&[(i, n)], value);
    b.finish(vec![Output { name: String::new(), value: array }])
}

#[test]
fn results_are_made_where_the_caller_wants_them() {
    let small = compile(&doubled(10)).unwrap().workspace();
    assert_eq!(small, compile(&doubled(1_000_000)).unwrap().workspace(), "the array is not in the workspace");
}

#[test]
fn arrays_that_are_not_alive_together_share_memory() {
    // A chain of maps: each is read after the one before it is of no more use.
    let n = 1000;
    let chain = |length: usize| {
        let mut b = Builder::new("f");
        let mut array = b.array_param("x", Type::F64, &[n]);
        let last = b.int(n as i64 - 1);
        for _ in 0..length {
            let i = b.index();
            let mirrored = b.binary(Op::ISub, last, i);
            let element = b.read(array, &[mirrored]);
            let value = b.unary(Op::Abs, element);
            array = b.array(&[(i, n)], value);
        }
        compile(&b.finish(vec![Output { name: String::new(), value: array }])).unwrap().workspace()
    };
    assert_eq!(chain(4), chain(40));
    assert!(chain(40) < 3 * 8 * n, "{}", chain(40));
}

#[test]
fn code_is_called_from_several_threads() {
    let code = compile(&doubled(100)).unwrap();
    let x: Vec<f64> = (0..100).map(f64::from).collect();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let (mut workspace, mut y) = (Workspace::default(), vec![0.0; 100]);
                for _ in 0..100 {
                    code.clone().call(&[&x], &mut [&mut y], &mut workspace).unwrap();
                }
                assert!(y.iter().zip(&x).all(|(y, x)| *y == 2.0 * x));
            });
        }
    });
}

#[test]
#[should_panic(expected = "room for each result")]
fn a_result_needs_room() {
    let mut workspace = Workspace::default();
    _ = compile(&doubled(3)).unwrap().call(&[&[0.0; 3]], &mut [&mut [0.0; 2]], &mut workspace);
}
