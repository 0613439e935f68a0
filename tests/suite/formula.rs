//! Derivatives as formulas: how they read, that they parse back to the same function, and that printing settles.

use chainrule::ad::{self, Mode};
use chainrule::formula;
use chainrule::ir::{Func, Val};
use chainrule::ops::Type;
use chainrule::syntax::{self, Limits};
use chainrule::{interp, lower};
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};

struct Program {
    func: Func,
    names: Vec<(String, Val)>,
}

impl Program {
    fn parse(source: &str) -> Program {
        let message =
            |problems| format!("{source}\n{}", chainrule::error::FormulaError::new("formula", source, problems));
        let (ast, _) = syntax::parse(source, &Limits::default()).map_err(message).unwrap();
        let lowered = lower::lower(&ast, &Limits::default(), &lower::Binding::default()).map_err(message).unwrap();
        let names = lowered.definitions.iter().map(|&(name, _, val)| (ast.name(name).to_owned(), val)).collect();
        Program { func: lowered.func, names }
    }

    fn numbers(&self) -> Vec<usize> {
        (0..self.func.params.len()).filter(|&index| self.func.params[index].ty == Type::F64).collect()
    }

    fn text(&self, func: &Func, results: &[usize]) -> String {
        let names = formula::Names {
            func: &self.func,
            values: &self.names,
            source: "",
            data: &[],
            declared: false,
            fixed: &[],
        };
        formula::to_text_with_names(func, results, Some(names)).unwrap()
    }
}

fn reprinted(text: &str) -> String {
    let func = Program::parse(text).func;
    formula::to_text(&func, &(0..func.results.len()).collect::<Vec<_>>()).unwrap()
}

/// Derivatives by every argument on their own, the gradient, and for one argument higher derivatives.
fn derivatives(source: &str) -> String {
    let program = Program::parse(source);
    let func = &program.func;
    let mut out = String::new();
    let mut show = |what: &str, text: String| out += &format!("# {what}\n{text}\n");
    show("value", program.text(func, &(0..func.results.len()).collect::<Vec<_>>()));
    let numbers = program.numbers();
    for &index in &numbers {
        let derivative = ad::gradient(func, &[index], Mode::Auto);
        let results: Vec<usize> = (func.results.len()..derivative.results.len()).collect();
        show(&format!("by {}", func.params[index].name), program.text(&derivative, &results));
    }
    if let ([index], [_]) = (&numbers[..], &func.results[..]) {
        let derivative = ad::derive::nth(func, Some(*index), 3);
        for order in [2, 3] {
            show(&format!("order {order}"), program.text(&derivative, &[order]));
        }
    } else if func.results.len() == 1 {
        let gradient = ad::gradient(func, &numbers, Mode::Reverse);
        show("gradient", program.text(&gradient, &(1..=numbers.len()).collect::<Vec<_>>()));
    }
    out
}

#[test]
fn derivatives_read_as_agreed() {
    insta::glob!("../derive", "*.txt", |path| {
        let source = std::fs::read_to_string(path).unwrap();
        let mut text = String::new();
        for program in source.split("\n---\n") {
            text += &format!("{}\n{}", program.trim_end(), derivatives(program));
            text += "----\n";
        }
        insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!(text);
        });
    });
}

/// What a person would not write.
fn assert_readable(text: &str) {
    let compact = text.replace(" or ", ",").replace(" and ", ",").replace(' ', "");
    for form in ["--", "+-", "-+", "^1)", "^1*", "^1/", "/1)", "/1*", "/(1*"] {
        assert!(!compact.contains(form), "`{form}` in {text}");
    }
    let words: Vec<char> = compact.chars().collect();
    let starts = |at: usize| at == 0 || !(words[at - 1].is_alphanumeric() || matches!(words[at - 1], '.' | '_' | ')'));
    for at in 0..words.len() {
        let two: String = words[at..].iter().take(2).collect();
        assert!(!(starts(at) && (two == "1*" || two == "0*")), "`{two}` in {text}");
        assert!(!text.contains(" + 0 ") && !text.contains(" - 0 "), "`+ 0` in {text}");
    }
    // `a/b/c`: after a bar, a name, number or call without another bar at the same depth.
    let (mut depth, mut bars) = (0usize, vec![false]);
    for &c in &words {
        match c {
            '(' => {
                depth += 1;
                bars.truncate(depth);
                bars.push(false);
            }
            ')' => depth = depth.saturating_sub(1),
            '/' => {
                assert!(!bars[depth], "a nested quotient in {text}");
                bars[depth] = true;
            }
            '+' | '-' | '*' | ',' | '\n' | '=' | '<' | '>' => bars[depth] = false,
            _ => {}
        }
    }
}

pub fn formula_text() -> impl Strategy<Value = String> {
    let number = prop_oneof![
        Just("2".to_owned()),
        Just("3".to_owned()),
        Just("0.5".to_owned()),
        Just("1.5".to_owned()),
        Just("0.1".to_owned()),
        Just("pi".to_owned()),
        Just("-1".to_owned()),
        Just("7".to_owned()),
        (1u32..100).prop_map(|n| format!("{}", f64::from(n) / 7.0)),
    ];
    let leaf = prop_oneof![4 => Just("x".to_owned()), 4 => Just("y".to_owned()), 2 => number];
    const ONE: [&str; 40] = [
        "exp", "expm1", "exp2", "ln", "log", "log2", "log10", "log1p", "sqrt", "cbrt", "sin", "cos", "tan", "asin",
        "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "sinc", "abs", "sign", "erf", "erfc",
        "gamma", "lgamma", "digamma", "sigmoid", "softplus", "relu", "silu", "gelu", "step", "logit", "stop", "-", "",
    ];
    const TWO: [&str; 10] = ["pow", "hypot", "atan2", "min", "max", "log", "leaky_relu", "xlogy", "min", "max"];
    const JUMPS: [&str; 6] = ["floor", "ceil", "round", "trunc", "mod", "div"];
    leaf.prop_recursive(5, 24, 3, |inner| {
        prop_oneof![
            3 => (proptest::sample::select(&ONE[..]), inner.clone()).prop_map(|(f, a)| format!("{f}({a})")),
            2 => (proptest::sample::select(&TWO[..]), inner.clone(), inner.clone()).prop_map(|(f, a, b)| format!("{f}({a}, {b})")),
            4 => (proptest::sample::select(&["+", "-", "*", "/"][..]), inner.clone(), inner.clone())
                .prop_map(|(op, a, b)| format!("({a}) {op} ({b})")),
            // Only of an argument: `floor(x/0.1/x)` is 9 or 10 by rounding.
            1 => (proptest::sample::select(&JUMPS[..]), inner.clone())
                .prop_map(|(f, a)| format!("({a})*{f}({})", if f.len() == 3 { "x, 0.7" } else { "x*0.9" })),
            1 => (inner.clone(), -3i32..5).prop_map(|(a, n)| format!("({a})^{n}")),
            1 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a})^({b})")),
            1 => (proptest::sample::select(&["<", "<=", ">", ">=", "==", "!="][..]), inner.clone(), inner.clone(), inner)
                .prop_map(|(op, a, b, c)| format!("if(not ({a} {op} {b}) or {c} > 1, {b}, {a})")),
        ]
    })
}

pub const POINTS: [[f64; 2]; 6] = [[0.7, 1.3], [1.9, 0.4], [-0.6, 0.8], [0.3, -1.7], [2.5, 3.1], [-1.2, -0.35]];

pub fn value(func: &Func, result: usize, point: &[f64]) -> f64 {
    interp::values(func, point)[func.results[result].value.index()].as_f64()
}

/// The same function, where it is well conditioned: what moves with the last digits of the arguments can't be compared.
fn assert_same(original: &Func, result: usize, text: &str) {
    let printed = Program::parse(text).func;
    let places: Vec<usize> =
        printed.params.iter().map(|param| original.params.iter().position(|p| p.name == param.name).unwrap()).collect();
    for point in POINTS {
        let here = &point[..original.params.len()];
        let there: Vec<f64> = places.iter().map(|&place| here[place]).collect();
        let (expected, found) = (value(original, result, here), value(&printed, 0, &there));
        // Mathematics has no numbers at infinity.
        if interp::values(original, here).iter().any(|value| !value.as_f64().is_finite()) {
            continue;
        }
        // The two documented exceptions: `x^y*ln(x)` at `x = 0`, and `x/hypot(x, y)` at (0, 0).
        if found.is_nan() && (text.contains("ln(") || text.contains("hypot(")) {
            continue;
        }
        let moved = |factor: f64| {
            (value(original, result, &here.iter().map(|x| x * factor).collect::<Vec<_>>()) - expected).abs()
        };
        let unsure = 1e4 * (moved(1.0 + 1e-13) + moved(1.0 - 1e-13));
        let close = (expected - found).abs() <= 1e-9 * expected.abs() + 1e-12
            || unsure.is_nan()
            || (expected - found).abs() <= unsure;
        assert!(close, "{expected} became {found} at {here:?} in\n{text}");
    }
}

/// The same cases every time.
#[test]
fn derivatives_parse_back() {
    let config = ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let checked = runner.run(&formula_text(), |source| {
        let func = Program::parse(&source).func;
        for index in 0..func.params.len() {
            let derivative = ad::gradient(&func, &[index], Mode::Auto);
            let text = formula::to_text(&derivative, &[1]).unwrap();
            assert_same(&derivative, 1, &text);
            assert_readable(&text);
            // Arguments come in the order of the text, so a first reprint may order terms anew.
            let second = reprinted(&text);
            prop_assert_eq!(reprinted(&second), second.clone());
        }
        Ok(())
    });
    checked.unwrap();
}

/// A long and a deep program: the text is of linear size, its lines are short, and it parses.
#[test]
fn large_derivatives_stay_readable() {
    let recurrence: Vec<String> = (0..10_000).map(|i| format!("a{} = sin(a{i})*y + a{i}/2\n", i + 1)).collect();
    let programs = [
        format!("a0 = x\n{}a10000", recurrence.concat()),
        format!("{}x{}", "exp(-".repeat(5_000), ")".repeat(5_000)),
        format!("{}x{}", "x^(".repeat(2_000), ")".repeat(2_000)),
        (0..5_000).map(|i| format!("(x + {i})")).collect::<Vec<_>>().join("*"),
    ];
    for source in programs {
        let func = Program::parse(&source).func;
        let derivative = ad::gradient(&func, &[0], Mode::Reverse);
        let text = formula::to_text(&derivative, &[1]).unwrap();
        assert!(text.len() < 40 * derivative.operations(), "{} bytes", text.len());
        assert!(text.lines().all(|line| line.len() <= 110));
        Program::parse(&text);
    }
}
