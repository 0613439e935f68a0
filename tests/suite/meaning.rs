//! What programs mean: derivatives inside a program, functions as values, scopes, the kinds and order of arguments and results,
//! integers. The messages for programs that mean nothing are snapshots of `tests/errors`.

use std::time::{Duration, Instant};

use chainrule::interp::values;
use chainrule::{Limits, Program, opt};

fn program(text: &str) -> Program {
    Program::parse(text).unwrap_or_else(|error| panic!("{text}\n{error}"))
}

/// The results of a program.
fn at(text: &str, x: &[f64]) -> Vec<f64> {
    let program = program(text);
    let values = values(program.graph(), x);
    program.graph().results.iter().map(|result| values[result.value.index()].as_f64()).collect()
}

/// Two programs with one meaning, whatever their results are called.
#[track_caller]
fn same(text: &str, other: &str) {
    let graph = |text: &str| {
        let mut func = program(text).graph().clone();
        func.results.iter_mut().for_each(|result| result.name.clear());
        opt::compact(&func).to_string()
    };
    assert_eq!(graph(text), graph(other), "{text} and {other}");
}

#[track_caller]
fn close(text: &str, x: &[f64], expected: f64) {
    let value = at(text, x)[0];
    assert!(
        (value - expected).abs() <= 1e-14 * expected.abs() || value == expected,
        "{text} at {x:?} is {value:?}, not {expected:?}"
    );
}

#[test]
fn derivative_marks_differentiate_functions() {
    same("f(t) = t^3; f'(x)", "3*x^2");
    close("f(t) = t^3; f''(x)", &[2.0], 12.0);
    close("f(t) = t^3; f'''(x)", &[2.0], 6.0);
    close("f(t) = t^3; f''''(x)", &[2.0], 0.0);
    same("sin'(x)", "cos(x)");
    same("sin''(x)", "-sin(x)");
    close("sinc'''(x)", &[0.5], 0.097_052_604_204_092_92);
    close("exp'(0)", &[], 1.0);
    close("ln'(x)", &[4.0], 0.25);
    close("polygamma(1, x) - digamma'(x)", &[2.5], 0.0);
    // A mark differentiates once more where the function is itself a derivative.
    close("f(t) = t^4; g(t) = f'(t); g'(x)", &[2.0], 48.0);
    close("f(t) = t^4; g(t) = f'(2*t); g'(x)", &[1.0], 96.0);
    // At an argument that is computed: of the function, not of the composition.
    same("f(t) = t^2; f'(x^3)", "2*x^3");
    same("f(t) = 7; f'(x) + x", "0 + x");
}

#[test]
fn derivatives_by_one_name_do_not_see_another() {
    same("f(t) = t*x; f'(x)", "x");
    same("f(t) = t*x; f'(x) + 0*f(x)", "x + 0*(x*x)");
    // d/dx (x * d/dy (x + y)) = 1
    close("f(x) = { g(y) = x + y; x*g'(1) }; f'(x)", &[3.0], 1.0);
    close("f(x) = { g(y) = x*y; x*g'(x) }; f'(x)", &[3.0], 6.0);
    close("f(x) = { g(y) = x*y*y; g'(x) }; f'(x)", &[3.0], 12.0);
    close("f(x) = { g(y) = x*y*y; d(g(x), x) }; f(z)", &[3.0], 27.0);
    close("f(x) = d(x*d(x^3, x), x); f(z)", &[2.0], 36.0);
    close("f(x) = d(d(x*y^2, x)*x, x); f(z)", &[3.0, 4.0], 9.0);
    // The outer argument is constant where the derivative is by the parameter.
    close("f(t) = sin(t)*x; d(f'(x), x)", &[0.4], 0.4f64.cos() - 0.4 * 0.4f64.sin());
}

#[test]
fn derivatives_of_expressions_follow_names_and_calls() {
    same("d(x^2*z, x)", "2*x*z");
    same("a = x^2; d(a*z, x)", "2*x*z");
    same("f(t) = t^2; d(f(x)*z, x)", "2*x*z");
    close("d(d(x^3*z^2, x), z)", &[2.0, 3.0], 72.0);
    close("d(if(x > 0, ln(x), x), x)", &[-2.0], 1.0);
    close("d(stop(x)*x, x)", &[3.0], 3.0);
    // What uses a derivative is differentiated itself, in every mode.
    let program = program("y = d(x^4, x); y*x");
    let mut slope = [0.0];
    let gradient = program.gradient().compile().expect("code");
    assert_eq!(gradient.call(&[2.0], &mut slope), Ok(64.0));
    assert_eq!(slope, [128.0]);
    let warned = Program::parse("d(z^2, x) + x").expect("a program");
    assert_eq!(warned.warnings().len(), 1, "a derivative that can only be 0 gets a warning");
}

#[test]
fn a_step_of_newton_uses_the_slope() {
    close(
        "f(t) = t^2 - 2; step1(t) = t - f(t)/f'(t); step1(step1(step1(step1(step1(x)))))",
        &[1.0],
        std::f64::consts::SQRT_2,
    );
}

#[test]
fn functions_are_values() {
    same("twice(f, x) = f(f(x)); twice(sin, x)", "sin(sin(x))");
    same("twice(f, x) = f(f(x)); g(t) = t^2 + 1; twice(g, z)", "(z^2 + 1)^2 + 1");
    same("slope(f, t) = f'(t); slope(sin, x)", "cos(x)");
    same("slope(f, t) = f'(t); g(t) = t^3; slope(g, x)", "3*x^2");
    close("both(f, g, t) = f(g(t)) - g(f(t)); both(exp, ln, x)", &[2.0], 2.0 - 2.0f64.exp().ln());
    close("compose(f, t) = f(f(t)); inc(t) = t + 1; compose(inc, x)", &[1.0], 3.0);
}

#[test]
fn equal_calls_are_expanded_once() {
    let doubled = |n: usize, body: fn(usize) -> String| -> String {
        let mut text = "f0(t) = sin(t)\n".to_owned();
        for k in 1..=n {
            text += &format!("f{k}(t) = {}\n", body(k - 1));
        }
        text + &format!("f{n}(x)")
    };
    // 2^60 calls, of which 61 are different.
    let text = doubled(60, |k| format!("f{k}(t) + f{k}(t)"));
    assert_eq!(program(&text).graph().operations(), 61);
    // 2^60 different calls are too many, which shows at once.
    let text = doubled(60, |k| format!("f{k}(t) + f{k}(t + 1)*f{k}(t*2)"));
    let limits = Limits { operations: 50_000, ..Limits::default() };
    let start = Instant::now();
    let error = Program::parse_with("formula", &text, &limits).expect_err("too large").to_string();
    assert!(error.contains("operations"), "{error}");
    assert!(start.elapsed() < Duration::from_secs(10), "it took {:?}", start.elapsed());
    let limits = Limits { operations: 50, ..Limits::default() };
    assert!(Program::parse_with("formula", &doubled(60, |k| format!("f{k}(t) + f{k}(t)")), &limits).is_err());
}

#[test]
fn blocks_have_scopes_of_their_own() {
    close("f(t) = { a = t^2; b = a + 1; a*b }; f(x)", &[2.0], 20.0);
    close("a = { b = x + 1; b*b }; a - 1", &[2.0], 8.0);
    close("f(t) = { g(s) = s*t; g(3) }; f(x)", &[2.0], 6.0);
    close("k = 2; f(t) = { b = k*t; b }; f(x)", &[4.0], 8.0);
    // A block may use a name that another block uses.
    close("f(t) = { a = t; a }; g(t) = { a = 2*t; a }; f(x) + g(x)", &[1.0], 3.0);
}

#[test]
fn tuples_are_taken_apart() {
    close("f(t) = (sin(t), cos(t)); (s, c) = f(x); s^2 + c^2", &[0.3], 1.0);
    assert_eq!(at("(a, b) = (x + 1, x - 1); a*b, a, b", &[3.0]), [8.0, 4.0, 2.0]);
    close("f(t) = { (a, b) = (t, 2*t); a*b }; f'(x)", &[3.0], 12.0);
    close("if(x > 0, (1, 2), (3, 4))", &[1.0], 1.0);
}

#[test]
fn arguments_stand_in_order_of_appearance() {
    let names = |text: &str| -> Vec<String> { program(text).arguments().iter().map(|a| a.name.clone()).collect() };
    assert_eq!(names("z + x*y"), ["z", "x", "y"]);
    assert_eq!(names("f(t) = t*b; f(a) + c"), ["b", "a", "c"]);
    assert_eq!(names("data z; param x; x + z"), ["z", "x"]);
    assert_eq!(names("param x, y; index n; y^n + x"), ["x", "y", "n"]);
    assert_eq!(names("param x, unused; x"), ["x", "unused"]);
    assert_eq!(names("q/(4*pi*r^2) + e"), ["q", "r", "e"]);
    let derivative = program("param x, unused; x^2").gradient().compile().expect("code");
    let mut slopes = [9.0; 2];
    assert_eq!(derivative.call(&[3.0, 5.0], &mut slopes), Ok(9.0));
    assert_eq!(slopes, [6.0, 0.0]);
}

#[test]
fn results_are_named_after_what_they_are() {
    let names = |text: &str| -> Vec<String> { program(text).results().map(str::to_owned).collect() };
    assert_eq!(names("x + 1"), [""]);
    assert_eq!(names("y = x + 1"), ["y"]);
    assert_eq!(names("a = x; b = 2*x; a, b"), ["a", "b"]);
    assert_eq!(program("f(u, v) = u*v + 1").arguments().len(), 2);
    assert_eq!(at("f(u, v) = u*v + 1", &[2.0, 3.0]), [7.0]);
}

#[test]
fn integers_are_exact_until_they_are_numbers() {
    for (text, expected) in [
        ("7/2", 3.5),
        ("div(7, 2)", 3.0),
        ("div(-7, 2)", -4.0),
        ("div(7, -2)", -4.0),
        ("mod(-7, 2)", 1.0),
        ("mod(7, -2)", -1.0),
        ("mod(-7.5, 2)", 0.5),
        ("mod(7.5, -2)", -0.5),
        ("2^10", 1024.0),
        ("2^-3", 0.125),
        ("(-1)^3", -1.0),
        ("-1^2", -1.0),
        ("2^3^2", 512.0),
        ("10^30", 1e30),
        ("2^62 + 2^62", 9_223_372_036_854_775_808.0),
        ("9007199254740993 - 9007199254740992", 1.0),
        ("9007199254740993.0 - 9007199254740992", 0.0),
        ("(-8)^(1/3)", f64::NAN),
        ("cbrt(-8)", -2.0),
        ("(-2)^3.0", -8.0),
        ("0^0", 1.0),
        ("if(3 > 2, 1, 2)", 1.0),
        ("if(2^53 + 1 == 2^53, 1, 0)", 0.0),
        ("if(2.0^53 + 1 == 2^53, 1, 0)", 1.0),
        ("max(3, 5, 4)", 5.0),
        ("clamp(7, 1, 5)", 5.0),
        ("abs(-3)", 3.0),
        ("min(2, 3.5)", 2.0),
        ("1e308*10 - inf", f64::NAN),
        ("5e-324/2", 0.0),
        ("-0.0", -0.0),
        ("0 * -1", 0.0),
        ("0.0 * -1", -0.0),
        ("round(2.5) + round(-2.5)", 0.0),
        ("log(8, 2) + log(exp(1))", 4.0),
        ("1_000 + 0.5", 1000.5),
    ] {
        let value = at(text, &[])[0];
        assert!(
            value.to_bits() == expected.to_bits() || (value.is_nan() && expected.is_nan()),
            "{text} is {value:?}, not {expected:?}"
        );
    }
    close("x^(1/3)", &[8.0], 2.0);
    close("x^(-2)", &[-2.0], 0.25);
    close("x^y", &[-2.0, 3.0], -8.0);
    close("index n; 2^n*x", &[5.0, 1.0], 32.0);
    close("index n; n/2 + x", &[5.0, 1.0], 3.5);
    close("index n; x^(2*n - 3)", &[2.0, 3.0], 3.0);
}

#[test]
fn long_chains_and_many_arguments_are_nothing_special() {
    let mut text = "v0 = x\n".to_owned();
    for k in 1..=100_000 {
        text += &format!("v{k} = v{} + {}\n", k - 1, if k % 2 == 0 { "x" } else { "0.5" });
    }
    text += "v100000";
    let chain = program(&text);
    let mut slope = [0.0];
    let start = Instant::now();
    let graph = chain.gradient().graph().expect("a gradient");
    assert!(start.elapsed() < Duration::from_secs(30), "it took {:?}", start.elapsed());
    let values = values(&graph, &[2.0]);
    slope[0] = values[graph.results[1].value.index()].as_f64();
    assert_eq!(slope, [50_001.0]);
    let names: Vec<String> = (0..2000).map(|k| format!("a{k}")).collect();
    let gradient = program(&names.join("*")).gradient().graph().expect("a gradient");
    assert!(gradient.operations() < 3 * names.len(), "{}", gradient.operations());
}
