//! The programs of the lectures against the same networks in plain Python with 60 digits (`tests/references/lectures.py`),
//! and what the lectures say about them.

use std::process::Command;

use serde_json::{Value, json};

const REFERENCES: &str = include_str!("../references/lectures.json");

/// What a command answers about a program of the lectures.
fn ask(command: &str, program: &str, options: &[&str]) -> Value {
    let mut process = Command::new(env!("CARGO_BIN_EXE_chainrule"));
    process.args([command, "--file", &format!("examples/lectures/{program}"), "--format", "json"]).args(options);
    let output = process.output().expect("it starts");
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("it prints JSON")
}

/// The greatest number in a value, beside which rounding errors count.
fn scale(value: &Value) -> f64 {
    match value {
        Value::Number(number) => number.as_f64().expect("a double").abs(),
        Value::Array(list) => list.iter().map(scale).fold(0.0, f64::max),
        Value::Object(object) => object.values().map(scale).fold(0.0, f64::max),
        other => panic!("{other} is no number"),
    }
}

/// Demands the same structure, and numbers that differ by rounding only.
fn assert_near(got: &Value, expected: &Value, error: f64, place: &str) {
    match (got, expected) {
        (Value::Number(_), Value::Number(_)) => {
            let (got, expected) = (got.as_f64().expect("a double"), expected.as_f64().expect("a double"));
            assert!((got - expected).abs() <= error, "{place}: {got} should be {expected}");
        }
        (Value::Array(got), Value::Array(expected)) => {
            assert_eq!(got.len(), expected.len(), "{place}");
            for (index, (got, expected)) in got.iter().zip(expected).enumerate() {
                assert_near(got, expected, error, &format!("{place}[{index}]"));
            }
        }
        (Value::Object(got), Value::Object(expected)) => {
            assert!(got.keys().eq(expected.keys()), "{place}: {got:?}");
            for (name, expected) in expected {
                assert_near(&got[name], expected, error, &format!("{place}.{name}"));
            }
        }
        _ => panic!("{place}: {got} should be {expected}"),
    }
}

#[test]
fn programs_have_the_values_and_derivatives_of_plain_loops() {
    let cases: Vec<Value> = serde_json::from_str(REFERENCES).expect("references are JSON");
    assert_eq!(cases.len(), 12);
    for case in cases {
        let text = |field: &str| case[field].as_str().expect("a text");
        let names: Vec<&str> = case["wrt"].as_array().expect("names").iter().filter_map(Value::as_str).collect();
        let (args, wrt) = (format!("examples/lectures/{}", text("args")), names.join(","));
        let mut options = vec!["--args", &args];
        if !wrt.is_empty() {
            options.extend(["--wrt", &wrt]);
        }
        let got = ask(text("command"), text("program"), &options);
        assert_near(&got, &case["answer"], 2e-14 * scale(&case["answer"]).max(1.0), text("program"));
    }
}

/// The activations that the notes have, and ∂z/∂w along the path that they mark.
#[test]
fn the_worked_network_has_the_numbers_of_the_notes() {
    let args = ["--args", "examples/lectures/worked_network.json"];
    let step = |trace: &Value, name: &str, field: &str| {
        let steps = trace["steps"].as_array().expect("steps");
        let found = steps.iter().find(|step| step["name"] == name).unwrap_or_else(|| panic!("no `{name}` in {trace}"));
        found[field].clone()
    };
    let trace = ask("trace", "worked_network.chain", &args);
    assert_near(&step(&trace, "a1", "value"), &json!([0.98, 0.12]), 0.005, "a1");
    assert_near(&step(&trace, "a2", "value"), &json!([0.86, 0.11]), 0.005, "a2");
    assert_near(&step(&trace, "y", "value"), &json!([0.62, 0.83]), 0.005, "y");
    let cut = ask("trace", "worked_network_cut.chain", &args);
    for (weights, expected) in [("W1", -1.0), ("W2", 0.12), ("W3", 0.11)] {
        assert_near(&step(&cut, weights, "adjoint")[0][1], &json!(expected), 0.005, weights);
    }
}

/// Both products of a linear layer, by hand.
#[test]
fn a_linear_layer_sends_back_both_products() {
    let weights = ["--weights-args", "examples/lectures/linear_layer_dy.json"];
    let options = [&["--args", "examples/lectures/linear_layer.json"], &weights[..]].concat();
    let back = ask("vjp", "linear_layer.chain", &options);
    let (by_x, by_w) = (json!([[4, -5.5, -4], [-2, 9.25, 2]]), json!([[0.5, -5], [2.25, -2.5], [5, 6]]));
    assert_near(&back["adjoint"], &json!({ "X": by_x, "W": by_w }), 0.0, "vjp");
    let options = ["--args", "examples/lectures/linear_layer_products.json"];
    let written = ask("eval", "linear_layer_backward.chain", &options);
    assert_near(&written["value"], &json!([by_x, by_w]), 0.0, "written out");
}

/// The loss of softmax: its derivative is the output minus the target, that of the output `diag(p) - p p'`.
#[test]
fn softmax_has_its_famous_derivatives() {
    let answer = ask("jacobian", "softmax.chain", &["--args", "examples/lectures/softmax.json"]);
    let all: f64 = (1..=3).map(|u| f64::from(u).exp()).sum();
    let p: Vec<f64> = (1..=3).map(|u| f64::from(u).exp() / all).collect();
    let entry = |i: usize, j: usize| if i == j { p[i] - p[i] * p[j] } else { -p[i] * p[j] };
    let square: Vec<Vec<f64>> = (0..3).map(|i| (0..3).map(|j| entry(i, j)).collect()).collect();
    assert_near(&answer["value"], &json!([p, all.ln() - 2.0]), 1e-15, "value");
    let expected = json!({ "u": [square, [p[0], p[1] - 1.0, p[2]]] });
    assert_near(&answer["jacobian"], &expected, 1e-15, "jacobian");
}

/// For u = 20 and t = 0: `exp(-20)` is small enough for two terms of the series to be exact.
#[test]
fn cross_entropy_keeps_the_digits_that_the_naive_formula_loses() {
    let answer = ask("jacobian", "losses.chain", &["--at", "u=20,t=0"]);
    let tail = (-20.0f64).exp();
    let y = 1.0 - tail + tail * tail;
    assert_near(&answer["value"][1], &json!(20.0 + tail - tail * tail / 2.0), 1e-14, "entropy");
    assert_near(&answer["jacobian"]["u"][1], &json!(y), 1e-15, "entropy");
    let quadratic = json!(y * y * tail * (1.0 - tail));
    assert_near(&answer["jacobian"]["u"][0], &quadratic, 1e-23, "quadratic");
    let naive = answer["jacobian"]["u"][2].as_f64().expect("a number");
    assert!((1e-10..1e-6).contains(&(naive - y).abs()), "{naive}");
}

#[test]
fn sigmoid_layers_lose_the_gradient_and_skips_keep_it() {
    let sigmoid = |u: f64| 1.0 / (1.0 + (-u).exp());
    for n in [1, 5, 20] {
        let (mut plain, mut through, mut skips, mut around) = (0.5, 1.0, 0.5, 1.0);
        for _ in 0..n {
            (plain, through) = (sigmoid(plain), through * sigmoid(plain) * (1.0 - sigmoid(plain)));
            (skips, around) = (skips + sigmoid(skips), around * (1.0 + sigmoid(skips) * (1.0 - sigmoid(skips))));
        }
        let answer = ask("jacobian", "vanishing.chain", &["--at", &format!("x=0.5,w=1,n={n}")]);
        assert_near(&answer["jacobian"]["x"][0], &json!(through), 1e-13 * through, "plain");
        assert_near(&answer["jacobian"]["x"][1], &json!(around), 1e-13, "skips");
        assert!(around > 1.0 && through <= 0.25f64.powi(n));
    }
}

/// The derivative of the network by `A` with these factors.
fn recurrent(keep: &[f64]) -> Vec<f64> {
    let text = std::fs::read_to_string("examples/lectures/recurrent.json").expect("it is there");
    let mut args: Value = serde_json::from_str(&text).expect("it is JSON");
    args["keep"] = json!(keep);
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), args.to_string()).expect("it is written");
    let answer = ask("grad", "recurrent.chain", &["--args", file.path().to_str().expect("a path"), "--wrt", "A"]);
    let rows = answer["gradient"]["A"].as_array().expect("rows").iter().filter_map(Value::as_array).flatten();
    rows.filter_map(Value::as_f64).collect()
}

#[test]
fn truncation_by_chance_has_the_right_mean() {
    let whole = recurrent(&[1.0; 6]);
    let mut mean = vec![0.0; 4];
    for draw in 0..32 {
        let keep: Vec<f64> = (0..6).map(|t| if t == 0 || draw >> (t - 1) & 1 == 1 { 2.0 } else { 0.0 }).collect();
        mean.iter_mut().zip(recurrent(&keep)).for_each(|(mean, one)| *mean += one / 32.0);
    }
    assert_near(&json!(mean), &json!(whole), 1e-15, "mean");
    let cut = recurrent(&[0.0, 1.0, 1.0, 0.0, 1.0, 1.0]);
    assert!((cut[0] - whole[0]).abs() > 1e-5, "truncated it is another");
    let options = ["--args", "examples/lectures/recurrent_windows.json", "--wrt", "A"];
    let windows = ask("grad", "recurrent_windows.chain", &options);
    let windows = windows["gradient"]["A"].as_array().expect("rows").iter().filter_map(Value::as_array).flatten();
    assert_near(&json!(windows.collect::<Vec<_>>()), &json!(cut), 1e-16, "windows");
}

/// The stationary point of a quadratic cost, solved for exactly with fractions.
#[test]
fn the_best_forces_have_no_gradient() {
    let best = ask("grad", "control.chain", &["--args", "examples/lectures/control_best.json"]);
    assert_near(&best["gradient"]["u"], &json!([0, 0, 0, 0, 0]), 1e-14, "gradient");
    assert_near(&best["value"], &json!(0.881_222_001_621_115_4), 1e-14, "cost");
    let options = ["--at", "u0=0,u1=0,u2=0,p0=1", "--wrt", "u0,u1,u2", "--method", "lbfgs"];
    let fit = ask("fit", "control_three.chain", &options);
    // With p2 = 1 + u0, p3 = 1 + 2*u0 + u1 and v3 = u0 + u1 + u2 these are three linear equations, solved with fractions.
    let forces = json!([-0.8128490714333141, 0.6235224540657895, 0.18838469389803447]);
    let got: Vec<&Value> = ["u0", "u1", "u2"].iter().map(|name| &fit["params"][*name]["value"]).collect();
    assert_near(&json!(got), &forces, 1e-5, "forces");
}
