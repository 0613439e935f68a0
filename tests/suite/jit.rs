//! Machine code against the interpreter, bit for bit, and what compiled code promises beside its values.

use chainrule::interp;
use chainrule::ir::{Builder, Func, Output, Val};
use chainrule::jit::{self, Code, Effort, Options};
use chainrule::math;
use chainrule::ops::{OPS, Op, Row, Type};
use proptest::prelude::*;

use crate::random::{self, Random, SPECIAL};

/// Each effort, and graphs in one piece and in small ones.
fn all_options() -> Vec<Options> {
    let efforts = [Effort::Quick, Effort::Registers, Effort::Full];
    let chunks = [None, Some(1), Some(7)];
    efforts
        .into_iter()
        .flat_map(|effort| chunks.map(|chunk| Options { effort: Some(effort), chunk }))
        .chain([Options::default()])
        .collect()
}

fn compile(func: &Func) -> Code {
    jit::compile(func, &Options::default()).unwrap()
}

fn same(a: f64, b: f64) -> bool {
    a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())
}

/// What is wrong with the code at a point, if something is.
fn difference(func: &Func, code: &Code, point: &[f64]) -> Result<(), String> {
    let (mut expected, mut found) = (vec![0.0; func.results.len()], vec![0.0; func.results.len()]);
    match (interp::eval(func, point, &mut expected), code.call(point, &mut found)) {
        (Ok(()), Ok(())) => match expected.iter().zip(&found).position(|(&a, &b)| !same(a, b)) {
            None => Ok(()),
            Some(at) => Err(format!("result {at} at {point:?}: {:e}, not {:e}", found[at], expected[at])),
        },
        (Err(failure), Err(index)) if func.checks[index].site == failure.site => Ok(()),
        (expected, found) => Err(format!("at {point:?}: {found:?}, not {expected:?}")),
    }
}

fn assert_same_as_interpreter(func: &Func, options: &Options, points: &[Vec<f64>]) {
    let code = jit::compile(func, options).unwrap();
    for point in points {
        if let Err(message) = difference(func, &code, point) {
            panic!("{options:?} {message}\n{func}");
        }
    }
}

/// A function that is one operator, with the check of its result.
fn one_operator(row: &Row, types: &[Type]) -> Func {
    let mut builder = Builder::new(row.name);
    let args: Vec<Val> = types.iter().enumerate().map(|(index, &ty)| builder.param(&format!("x{index}"), ty)).collect();
    let value = builder.emit(row.op, &args);
    chainrule::ir::guard::add_checks(&mut builder, &[value], Func::may_fault);
    builder.finish(vec![Output { name: String::new(), value }])
}

/// Every combination of special operands for up to two operands, and many random ones.
fn points(types: &[Type]) -> Vec<Vec<f64>> {
    let mut random = Random(7);
    let mut points = Vec::new();
    let mut one = |ty: Type| match ty {
        Type::F64 => random.number(),
        Type::Int => random.int() as f64,
        Type::Bool => random.below(2) as f64,
        Type::Tuple => unreachable!("no operator takes one"),
    };
    for _ in 0..3000 {
        points.push(types.iter().map(|&ty| one(ty)).collect());
    }
    for a in SPECIAL {
        for b in SPECIAL {
            let mut point: Vec<f64> = types.iter().map(|&ty| one(ty)).collect();
            for (slot, value) in
                point.iter_mut().zip([a, b]).zip(types).filter(|(_, ty)| **ty == Type::F64).map(|(x, _)| x)
            {
                *slot = value;
            }
            points.push(point);
        }
    }
    points
}

#[test]
fn every_operator_is_what_the_interpreter_says() {
    for row in OPS {
        let mut signatures = vec![row.args.to_vec()];
        match row.op {
            Op::Min | Op::Max => signatures.push(vec![Type::F64; 5]),
            Op::Select => signatures.extend([Type::Int, Type::Bool].map(|ty| vec![Type::Bool, ty, ty])),
            _ => {}
        }
        for types in signatures {
            let func = one_operator(row, &types);
            let points = points(&types);
            for options in all_options() {
                assert_same_as_interpreter(&func, &options, &points);
            }
        }
    }
}

#[test]
fn powers_with_a_constant_exponent_are_powi() {
    let mut points: Vec<Vec<f64>> = SPECIAL.iter().map(|&x| vec![x]).collect();
    let mut random = Random(3);
    points.extend((0..200).map(|_| vec![random.number()]));
    // Where powers and reciprocals leave the range of normal numbers.
    let edges = (2..=20).flat_map(|n| [f64::MIN_POSITIVE, f64::MAX].map(|edge| edge.powf(1.0 / f64::from(n))));
    points.extend(edges.flat_map(|x| [x, -x, 0.999 * x, 1.001 * x, 1.0 / x].map(|x| vec![x])));
    let mut builder = Builder::new("powers");
    let x = builder.param("x", Type::F64);
    let exponents = (-70..=70).chain([127, 1000, i64::from(i32::MAX), i64::MAX, i64::MIN, -1000]);
    let results: Vec<Output> = exponents
        .map(|exponent| {
            let n = builder.int(exponent);
            Output { name: format!("p{exponent}"), value: builder.binary(Op::Powi, x, n) }
        })
        .collect();
    let func = builder.finish(results);
    for options in all_options() {
        assert_same_as_interpreter(&func, &options, &points);
    }
}

#[test]
fn sine_and_cosine_together_are_sine_and_cosine() {
    let mut builder = Builder::new("circle");
    let x = builder.param("x", Type::F64);
    let (sin, cos) = (builder.unary(Op::Sin, x), builder.unary(Op::Cos, x));
    let results = [("sin", sin), ("cos", cos)].map(|(name, value)| Output { name: name.to_owned(), value });
    let func = builder.finish(results.to_vec());
    let clif = jit::clif(&func).unwrap();
    assert!(!cfg!(target_arch = "x86_64") || clif.contains("%sincos"), "{clif}");
    let code = compile(&func);
    let mut random = Random(11);
    let spread = (0..400_000).map(|index| match index % 4 {
        0 => f64::from_bits(random.next()),
        1 => random.unit() * 2e9 - 1e9,
        2 => random.unit() * 200.0 - 100.0,
        _ => (random.below(2000) as f64 - 1000.0) * std::f64::consts::FRAC_PI_4,
    });
    for x in spread.chain(SPECIAL) {
        let mut out = [0.0; 2];
        code.call(&[x], &mut out).unwrap();
        assert!(same(out[0], math::sin(x)) && same(out[1], math::cos(x)), "at {x:e}: {out:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_graphs_are_what_the_interpreter_says(
        picks in random::picks(150),
        points in prop::collection::vec(random::point(), 8),
        effort in prop::sample::select(vec![Effort::Quick, Effort::Registers, Effort::Full]),
        chunk in prop::sample::select(vec![None, Some(1), Some(3), Some(20)]),
    ) {
        let func = random::graph(&picks);
        chainrule::ir::verify::verify(&func).unwrap();
        let options = Options { effort: Some(effort), chunk };
        let code = jit::compile(&func, &options).unwrap();
        for point in &points {
            if let Err(message) = difference(&func, &code, point) {
                prop_assert!(false, "{options:?} {message}\n{func}");
            }
        }
    }
}

#[test]
fn the_first_failing_check_is_reported() {
    let mut builder = Builder::new("checks");
    let (a, b) = (builder.param("a", Type::Int), builder.param("b", Type::Int));
    let quotient = builder.binary(Op::IDiv, a, b);
    let product = builder.binary(Op::IMul, a, a);
    let sum = builder.binary(Op::IAdd, quotient, product);
    chainrule::ir::guard::add_checks(&mut builder, &[sum], Func::may_fault);
    let func = builder.finish(vec![Output { name: String::new(), value: sum }]);
    assert_eq!(func.checks.len(), 3);
    for options in all_options() {
        let code = jit::compile(&func, &options).unwrap();
        let mut out = [0.0];
        assert_eq!((code.call(&[-7.0, 2.0], &mut out), out[0]), (Ok(()), 45.0));
        assert_eq!(code.call(&[7.0, 0.0], &mut out), Err(0));
        assert_eq!(code.call(&[9e18, 1.0], &mut out), Err(1));
        assert_eq!(code.call(&[9e18, 0.0], &mut out), Err(0));
    }
}

#[test]
fn results_may_be_arguments_and_constants_and_repeat() {
    let mut builder = Builder::new("given");
    let (x, n, c) = (builder.param("x", Type::F64), builder.param("n", Type::Int), builder.param("c", Type::Bool));
    let (constant, sum) = (builder.f64(-0.0), builder.binary(Op::Add, x, x));
    let values = [x, sum, n, constant, c, sum, x];
    let results = values.iter().map(|&value| Output { name: String::new(), value }).collect();
    let func = builder.finish(results);
    for options in all_options() {
        assert_same_as_interpreter(&func, &options, &[vec![1.5, -3.0, 1.0], vec![-0.0, 9e18, 0.0]]);
    }
    assert_same_as_interpreter(&Builder::new("empty").finish(Vec::new()), &Options::default(), &[vec![]]);
}

#[test]
fn arguments_and_results_may_lie_in_parts() {
    let func = random::large(100, 20, 3);
    let n = func.results.len();
    let args: Vec<f64> = (0..func.params.len()).map(|index| 0.3 + 0.1 * index as f64).collect();
    let mut expected = vec![0.0; n];
    interp::eval(&func, &args, &mut expected).unwrap();
    for (arg_cut, cuts) in [(0, (0, n)), (5, (1, 3)), (args.len(), (n, n)), (1, (0, 2))] {
        let parts =
            jit::Parts { args: [arg_cut, args.len() - arg_cut], results: [cuts.0, cuts.1 - cuts.0, n - cuts.1] };
        let code = jit::compile_parts(&func, parts, &Options { chunk: Some(40), ..Options::default() }).unwrap();
        let mut found = vec![0.0; n];
        let (first, rest) = found.split_at_mut(cuts.0);
        let (second, third) = rest.split_at_mut(cuts.1 - cuts.0);
        code.call_parts([&args[..arg_cut], &args[arg_cut..]], [first, second, third]).unwrap();
        assert!(expected.iter().zip(&found).all(|(&a, &b)| same(a, b)), "{parts:?}: {found:?}, not {expected:?}");
    }
}

#[test]
#[should_panic(expected = "slices of the lengths")]
fn a_wrong_number_of_arguments_panics() {
    _ = compile(&random::sweep(50, 0, 1)).call(&[1.0], &mut [0.0]);
}

#[test]
fn code_is_shared_between_threads() {
    fn is_shareable<T: Send + Sync + Clone + 'static>() {}
    is_shareable::<Code>();
    // In one piece; with a tape on the stack; with a tape from the pool.
    let pieces =
        [(300, usize::MAX), (300, 50), (20_000, 5_000)].map(|(size, chunk)| (random::sweep(size, 5, 1), chunk));
    for (func, chunk) in pieces {
        let code = jit::compile(&func, &Options { chunk: Some(chunk), ..Options::default() }).unwrap();
        random::on_threads(move |point| difference(&func, &code, point).unwrap());
    }
}

/// In a process of its own, so that the memory of other tests doesn't count. `CHAINRULE_DROP_ROUNDS` asks for more rounds.
#[test]
#[cfg(target_os = "linux")]
fn dropped_code_is_freed() {
    const ALONE: &str = "CHAINRULE_DROP_ALONE";
    if std::env::var(ALONE).is_err() {
        let mut again = std::process::Command::new(std::env::current_exe().unwrap());
        let output =
            again.args(["--exact", "jit::dropped_code_is_freed", "--nocapture"]).env(ALONE, "1").output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && text.contains("1 passed"),
            "{text}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        return;
    }
    let resident_pages = || -> usize {
        let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
        statm.split(' ').nth(1).unwrap().parse().unwrap()
    };
    let rounds = std::env::var("CHAINRULE_DROP_ROUNDS").map_or(3000, |rounds| rounds.parse().unwrap());
    let funcs = [random::large(40, 10, 5), random::sweep(600, 5, 5)];
    let mut round = |index: usize| {
        let func = &funcs[usize::from(index.is_multiple_of(50))];
        compile(func).call(&[0.5; 16], &mut vec![0.0; func.results.len()]).unwrap();
    };
    (0..300).for_each(&mut round);
    let before = resident_pages();
    (0..rounds).for_each(&mut round);
    let after = resident_pages();
    println!("{before} pages before, {after} after {rounds} rounds");
    // A leak is at least a page a round.
    assert!(after < before + 300, "{before} pages before, {after} after {rounds} rounds");
}

#[test]
fn a_large_graph_compiles_and_runs_on_a_small_stack() {
    let func = random::sweep(200_000, 5, 9);
    let run = move || {
        let point: Vec<f64> = (0..16).map(|index| 0.9 + 0.01 * f64::from(index)).collect();
        let code = compile(&func);
        difference(&func, &code, &point).unwrap();
    };
    std::thread::Builder::new().stack_size(2 << 20).spawn(run).unwrap().join().unwrap();
}

#[test]
fn a_minimum_of_many_operands_compiles() {
    let mut builder = Builder::new("minimum");
    let x = builder.param("x", Type::F64);
    let terms: Vec<Val> = (0..20_000)
        .map(|index| {
            let constant = builder.f64(f64::from(index) + 0.5);
            builder.binary(Op::Mul, x, constant)
        })
        .collect();
    let value = builder.emit(Op::Max, &terms);
    let func = builder.finish(vec![Output { name: String::new(), value }]);
    assert_same_as_interpreter(&func, &Options::default(), &[vec![2.0], vec![-2.0], vec![f64::NAN]]);
}

#[test]
fn dumps_name_functions_and_no_addresses() {
    let mut builder = Builder::new("dump");
    let x = builder.param("x", Type::F64);
    let exp = builder.unary(Op::Exp, x);
    let value = builder.binary(Op::Mul, x, exp);
    let func = builder.finish(vec![Output { name: String::new(), value }]);
    let (clif, asm) = (jit::clif(&func).unwrap(), jit::asm(&func).unwrap());
    assert!(clif.contains("%exp") && clif.contains("fmul"), "{clif}");
    assert!(asm.contains("exp"), "{asm}");
    assert_eq!((clif, asm), (jit::clif(&func).unwrap(), jit::asm(&func).unwrap()));
}
