//! `chainrule fit`: words and files in, parameters out, and what is wrong with them.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_chainrule");

const MISRA: &str = include_str!("../../examples/misra.csv");
const MODEL: &str = "data x, y; param b1, b2; y - b1*(1 - exp(-b2*x))";
const START: &str = "b1=500,b2=0.0001";

/// A directory of a test's own with Misra's data, gone at its end.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Place {
        let place = Place(tempfile::tempdir().unwrap());
        place.with("misra.csv", MISRA).with("model.chain", MODEL);
        place
    }

    fn with(&self, name: &str, text: &str) -> &Place {
        fs::write(self.0.path().join(name), text).unwrap();
        self
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn saved(&self, name: &str) -> Value {
        serde_json::from_str(&fs::read_to_string(self.0.path().join(name)).unwrap()).unwrap()
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.arg("fit").args(words).current_dir(self.0.path()).env_remove("CLICOLOR_FORCE").stdin(Stdio::null());
        command
    }

    fn run(&self, words: &[&str]) -> (i32, String, String) {
        let output = self.command(words).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().expect("no signal"), text(output.stdout), text(output.stderr))
    }

    #[track_caller]
    fn ok(&self, words: &[&str]) -> String {
        let (code, out, err) = self.run(words);
        assert_eq!((code, err.as_str()), (0, ""), "{words:?}");
        out
    }

    #[track_caller]
    fn json(&self, words: &[&str]) -> Value {
        serde_json::from_str(&self.ok(&[words, &["--format", "json"]].concat())).unwrap()
    }

    /// The message of a command line that is wrong, and leaves nothing behind.
    #[track_caller]
    fn wrong(&self, words: &[&str]) -> String {
        let before = self.names();
        let (code, out, err) = self.run(words);
        assert_eq!((code, out.as_str()), (2, ""), "{words:?}: {err}");
        assert!(err.starts_with("error: ") && !err.contains("panicked"), "{words:?}: {err}");
        assert_eq!(self.names(), before, "nothing is left");
        err
    }
}

#[track_caller]
fn near(found: &Value, expected: f64) {
    let found = found.as_f64().unwrap();
    assert!((found / expected - 1.0).abs() < 1e-9, "{found}, not {expected}");
}

#[test]
fn the_answer_as_json() {
    let place = Place::new();
    let answer = place.json(&["--file", "model.chain", "--data", "misra.csv", "--at", START, "--method", "lm"]);
    let keys: Vec<&String> = answer.as_object().unwrap().keys().collect();
    assert_eq!(keys[..5], ["params", "loss", "iterations", "converged", "reason"]);
    // As NIST certifies.
    for (found, expected) in [
        (&answer["params"]["b1"]["value"], 2.389_421_291_8e2),
        (&answer["params"]["b1"]["stderr"], 2.707_007_524_1),
        (&answer["params"]["b2"]["value"], 5.501_564_318_1e-4),
        (&answer["params"]["b2"]["stderr"], 7.266_868_843_6e-6),
        (&answer["loss"], 1.245_513_889_4e-1),
        (&answer["rss"], 1.245_513_889_4e-1),
        (&answer["residual_sd"], 1.018_787_633_0e-1),
        (&answer["covariance"]["b1"]["b1"], 2.707_007_524_1 * 2.707_007_524_1),
    ] {
        near(found, expected);
    }
    assert_eq!((&answer["converged"], &answer["degrees_of_freedom"]), (&true.into(), &12.into()));
    assert!(answer["r2"].as_f64().unwrap() > 0.9999 && answer["no_stderr_because"].is_null());
}

#[test]
fn the_answer_as_text() {
    let place = Place::new();
    let fit = |words: &[&str]| place.ok(&[&["--data", "misra.csv"], words].concat());
    let texts = [
        fit(&["--file", "model.chain", "--at", START]),
        fit(&["--file", "model.chain", "--at", "b1=100,b2=0.0001", "--bounds", "b1=0..200"]),
        fit(&["y - a*b*x - c", "--wrt", "a,b,c", "--at", "a=1,b=1,c=0"]),
        fit(&["(y - a*x/99)^2", "--wrt", "a", "--seed", "1", "--method", "lbfgs", "--validation", "0.2"]),
    ];
    insta::assert_snapshot!(texts.join("\n"));
}

#[test]
fn parameters_are_what_is_declared_or_given_a_start() {
    let place = Place::new();
    let formula = "y - b1*(1 - exp(-b2*x))";
    let declared = place.json(&["--file", "model.chain", "--data", "misra.csv", "--at", START]);
    for words in [
        [formula, "--at", START].as_slice(),
        &[formula, "--at", START, "--wrt", "b1,b2"],
        &[formula, "--at", "b1=500", "--at", "b2=0.0001"],
        &[formula, "--at", START, "--threads", "1"],
        &[MODEL, "--at", START],
    ] {
        assert_eq!(place.json(&[words, &["--data", "misra.csv"]].concat()), declared, "{words:?}");
    }
    // What isn't fitted is held.
    let held = place.json(&[formula, "--data", "misra.csv", "--at", START, "--wrt", "b2"]);
    assert_eq!(held["params"].as_object().unwrap().keys().collect::<Vec<_>>(), ["b2"]);
    // A column of the data may be given one value instead.
    let constant = place.json(&["data s; param a; data y; (y - a)*s", "--data", "misra.csv", "--at", "a=1,s=2"]);
    let mean = 591.27 / 14.0;
    assert!((constant["params"]["a"]["value"].as_f64().unwrap() - mean).abs() < 10.0);
    // Names are compared in NFKC form: U+212B is Å.
    let angstrom = place.json(&["y - Å*x", "--data", "misra.csv", "--at", "\u{212b}=1"]);
    assert_eq!(angstrom, place.json(&["y - Å*x", "--data", "misra.csv", "--wrt", "\u{212b}", "--at", "Å=1"]));
    // And no data at all are needed.
    near(&place.json(&["(a - 3)^2", "--at", "a=1", "--method", "lbfgs"])["params"]["a"]["value"], 3.0);
}

#[test]
fn data_from_the_standard_input() {
    let place = Place::new();
    let mut command = place.command(&["--file", "model.chain", "--data", "-", "--at", START, "--format", "json"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(MISRA.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let from_file = place.ok(&["--file", "model.chain", "--data", "misra.csv", "--at", START, "--format", "json"]);
    assert_eq!(String::from_utf8(output.stdout).unwrap(), from_file);
}

#[test]
fn a_fit_that_did_not_converge_says_so() {
    let place = Place::new();
    let words = ["--file", "model.chain", "--data", "misra.csv", "--at", START, "--iterations", "3"];
    let (code, out, err) = place.run(&words);
    assert_eq!(code, 1);
    assert!(out.contains("NOT CONVERGED       the iterations are used up, 3 iterations\n"), "{out}");
    assert!(err.starts_with("hint: `--iterations`"), "{err}");
    let (code, out, _) = place.run(&[&words[..], &["--format", "json"]].concat());
    let answer: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (code, &answer["converged"], &answer["reason"]),
        (1, &false.into(), &"the iterations are used up".into())
    );
    let wild = ["(a - y)^4", "--wrt", "a", "--at", "a=1", "--data", "misra.csv", "--method", "gd", "--rate", "1"];
    let (code, out, _) = place.run(&wild);
    assert!(code == 1 && out.contains("no longer a number"), "{out}");
}

#[test]
fn parameters_are_saved_and_taken_up_again() {
    let place = Place::new();
    let model = ["--file", "model.chain", "--data", "misra.csv"];
    let fit = |words: &[&str]| place.json(&[&model, words].concat());
    let whole = fit(&["--at", START, "--save", "fit.json"]);
    assert_eq!(place.names(), ["fit.json", "misra.csv", "model.chain"]);
    let mut saved = place.saved("fit.json");
    saved.as_object_mut().unwrap().remove("state").unwrap();
    assert_eq!(saved, whole);
    // All forms are starts, and `--at` comes before them.
    place.with("plain.json", r#"{"b1": 238.9, "b2": 0.00055}"#);
    place.with("named.json", r#"{"params": {"b1": 238.9, "b2": {"value": 0.00055}}}"#);
    for words in [
        ["--params", "fit.json"].as_slice(),
        &["--params", "plain.json"],
        &["--params", "named.json"],
        &["--resume", "fit.json", "--iterations", "100"],
        &["--params", "plain.json", "--at", "b1=500"],
    ] {
        near(&fit(words)["params"]["b1"]["value"], 2.389_421_291_8e2);
    }
    assert_eq!(fit(&["--params", "fit.json"])["iterations"].as_u64().map(|n| n < 5), Some(true));
}

#[test]
fn a_descent_is_resumed_to_the_bit() {
    let place = Place::new();
    let formula = "(y/80 - a*x/800 - b)^2";
    let data = [formula, "--data", "misra.csv", "--wrt", "a,b", "--seed", "3"];
    let adam = ["--method", "adam", "--batch", "4", "--tolerance", "0", "--format", "json"];
    let run = |epochs, more: &[&str]| {
        let (code, out, _) = place.run(&[&data[..], &adam, &["--epochs", epochs], more].concat());
        assert_eq!(code, 1, "{out}");
        serde_json::from_str::<Value>(&out).unwrap()
    };
    let whole = run("40", &[]);
    run("15", &["--save", "part.json"]);
    assert_eq!(run("40", &["--resume", "part.json"])["params"], whole["params"]);
    let message = place.wrong(&[&data[..], &["--resume", "part.json", "--method", "sgd"]].concat());
    assert!(message.contains("saved by `--method adam`"), "{message}");
}

const LISTS: &str = "param w[2], c; data x[N], y[N]; r[i] = y[i] - w[0]*(1 - exp(-w[1]*x[i])) - c; r";

#[test]
fn arrays_are_fitted_as_nested_lists() {
    let place = Place::new();
    place.with("start.json", r#"{"w": [500, 0.0001]}"#).with("lists.chain", LISTS);
    let words = ["--file", "lists.chain", "--data", "misra.csv", "--wrt", "w", "--args", "start.json", "--at", "c=0"];
    let answer = place.json(&[&words[..], &["--save", "fit.json"]].concat());
    assert_eq!(answer["params"].as_object().unwrap().keys().collect::<Vec<_>>(), ["w"]);
    let w = &answer["params"]["w"];
    for (index, value, stderr) in [(0, 2.389_421_291_8e2, 2.707_007_524_1), (1, 5.501_564_318_1e-4, 7.266_868_843_6e-6)]
    {
        near(&w["value"][index], value);
        near(&w["stderr"][index], stderr);
        assert_eq!(w["at_bound"][index], false);
    }
    near(&answer["covariance"]["w[1]"]["w[1]"], 7.266_868_843_6e-6 * 7.266_868_843_6e-6);

    let lists = |name: &str, column: usize| {
        let column = MISRA.lines().skip(1).map(|line| line.split(',').nth(column).unwrap());
        place.with(name, &(column.collect::<Vec<_>>().join("\n") + "\n"));
    };
    let (x, y) = if MISRA.starts_with("x,y") { (0, 1) } else { (1, 0) };
    lists("x.csv", x);
    lists("y.csv", y);
    place.with("with_head.csv", &format!("x\n{}", std::fs::read_to_string(place.0.path().join("x.csv")).unwrap()));
    let separate = ["--file", "lists.chain", "--wrt", "w", "--at", "c=0", "--params", "fit.json", "--data"];
    let answer = place.json(&[&separate[..], &["x=with_head.csv", "--data", "y=y.csv"]].concat());
    near(&answer["params"]["w"]["value"][1], 5.501_564_318_1e-4);
    assert!(answer["iterations"].as_u64().unwrap() < 5);
}

#[test]
fn a_descent_over_arrays_is_resumed_to_the_bit() {
    let place = Place::new();
    let formula = "param W[H, 2], v[H]; data x[N], y[N]
        sum[i]((y[i]/80 - sum[k](v[k]*tanh(W[k, 0] + W[k, 1]*x[i]/800)))^2)";
    let data = [formula, "--data", "misra.csv", "--seed", "3", "--size", "H=3", "--method", "adam"];
    let run = |epochs, more: &[&str]| {
        let words = [&data[..], &["--tolerance", "0", "--format", "json", "--epochs", epochs], more].concat();
        let (code, out, err) = place.run(&words);
        assert_eq!(code, 1, "{err}");
        serde_json::from_str::<Value>(&out).unwrap()
    };
    let whole = run("40", &[]);
    assert_eq!(whole["params"]["W"]["value"].as_array().unwrap().len(), 3);
    assert_eq!(whole["params"]["W"]["stderr"], Value::Null);
    run("15", &["--save", "part.json"]);
    assert_eq!(run("40", &["--resume", "part.json"])["params"], whole["params"]);
}

#[test]
fn what_is_wrong_with_arrays_is_told() {
    let place = Place::new();
    place.with("start.json", r#"{"w": [500, 0.0001]}"#).with("long.json", r#"{"w": [1, 2, 3]}"#);
    place.with("lists.chain", LISTS).with("ragged.json", r#"{"params": {"w": {"value": [[1, 2], [3]]}}}"#);
    place.with("nan.csv", &format!("{MISRA}nan,2\n"));
    let model = ["--file", "lists.chain", "--at", "c=0"];
    let data = ["--data", "misra.csv"];
    for (words, parts) in [
        (vec!["--args", "start.json"], vec!["`x` has no value", "`y` has no value", "--data x=PATH.npy"]),
        ([&data[..], &[]].concat(), vec!["`w` has no value to start from", "`--args` or `--params`", "--seed"]),
        ([&data[..], &["--args", "long.json"]].concat(), vec!["`w`", "2", "3"]),
        ([&data[..], &["--params", "ragged.json"]].concat(), vec!["`ragged.json`: `w[1]` has 1 element"]),
        (
            [&data[..], &["--args", "start.json", "--batch-dimension", "M"]].concat(),
            vec!["needs rows: no array of data begins with a size `M`", "--batch-dimension N"],
        ),
        (
            [&data[..], &["--args", "start.json", "--fitted-curve", "none/fit.svg"]].concat(),
            vec!["`none/fit.svg` can't be written"],
        ),
        ([&data[..], &data, &["--args", "start.json"]].concat(), vec!["there is a second table"]),
        ([&data[..], &["--args", "start.json", "--size", "M=2"]].concat(), vec!["`M`"]),
        ([&data[..], &["--args", "start.json", "--size", "N=2.5"]].concat(), vec!["whole number"]),
        ([&data[..], &["--args", "start.json", "--data", "x=none.npy"]].concat(), vec!["none.npy"]),
        (vec!["--data", "nan.csv", "--args", "start.json"], vec!["`x` is NaN in row 15", "--on-error skip"]),
        (vec!["--data", "x=misra.csv", "--data", "misra.csv", "--args", "start.json"], vec!["`x`"]),
    ] {
        let words = [&model[..], &words].concat();
        let message = place.wrong(&words);
        for part in parts {
            assert!(message.contains(part), "{words:?}: {part}: {message}");
        }
    }
}

#[test]
fn pictures_of_a_fit() {
    let place = Place::new();
    let picture = |name: &str| fs::read_to_string(place.0.path().join(name)).unwrap();
    let model = ["--file", "model.chain", "--data", "misra.csv", "--at", START];
    let with = |words: &[&'static str]| [&model, words].concat();
    let plain = place.ok(&with(&[]));
    assert_eq!(place.ok(&with(&["--loss-curve", "loss.svg", "--fitted-curve", "fit.svg"])), plain);
    let (loss, fit) = (picture("loss.svg"), picture("fit.svg"));
    assert!(loss.contains(">iteration</text>") || loss.contains("iteration"), "{loss}");
    assert!(!loss.contains("validation") && loss.contains("y - b1*(1 - exp(-b2*x))"));
    assert_eq!(fit.matches("<circle").count(), 14 + 1, "a dot for each row, and one in the legend");
    // A list has the same curve, as its elements are computed one by one, and so has a residual of the other sign.
    place.with("lists.chain", LISTS).with("start.json", r#"{"w": [500, 0.0001], "c": 0}"#);
    let lists = ["--data", "misra.csv", "--args", "start.json", "--wrt", "w", "--fitted-curve", "lists.svg"];
    place.ok(&[&["--file", "lists.chain"], &lists[..]].concat());
    let line = |svg: &str| svg.matches("<polyline").count();
    assert_eq!(line(&picture("lists.svg")), line(&fit));
    let turned = "param w[2], c; data x[N], y[N]; r[i] = w[0]*(1 - exp(-w[1]*x[i])) + c - y[i]; r";
    place.ok(&[&[turned], &lists[..]].concat());
    // A recurrence has values at the data only.
    let memory = "param a; data x[N], y[N]; s[0] = 9*a; s[i] = a*s[i-1] + x[i]/9 for i in 1..N; r[i] = y[i] - s[i]; r";
    let words = ["--data", "misra.csv", "--at", "a=0.1", "--fitted-curve", "memory.svg", "--loss-curve", "loss.svg"];
    place.ok(&[&[memory, "--validation", "0.3", "--method", "lbfgs"], &words[..]].concat());
    assert!(picture("loss.svg").contains("validation"));
    assert_eq!(picture("memory.svg").matches("<circle").count(), 15);

    let draw = ["--data", "misra.csv", "--fitted-curve", "none.svg"];
    for (words, part) in [
        (["(y - a*x)^2", "--wrt", "a", "--at", "a=1", "--method", "gd"].as_slice(), "plus or minus a model"),
        (&["y - a*x - b*x2", "--wrt", "a,b", "--at", "a=1,b=1,x2=3"], ""),
        (&["y - a", "--wrt", "a", "--at", "a=1"], "0 predictors beside `y`"),
    ] {
        if part.is_empty() {
            place.ok(&[words, &["--data", "misra.csv", "--fitted-curve", "line.svg"]].concat());
        } else {
            let message = place.wrong(&[words, &draw].concat());
            assert!(message.contains("no fitted curve") && message.contains(part), "{message}");
        }
    }
    place.with("flat.csv", "x,y\n1,2\n1,3\n1,4\n");
    let flat = ["y - a*x", "--at", "a=1", "--data", "flat.csv", "--fitted-curve", "none.svg"];
    assert!(place.wrong(&flat).contains("no two different numbers"));
    assert!(place.wrong(&with(&["--loss-curve", "none/loss.svg"])).contains("can't be written"));
    assert!(
        place.wrong(&with(&["--loss-curve", "a.svg", "--fitted-curve", "a.svg"])).contains("is to be written twice")
    );
    for option in ["--loss-curve", "--fitted-curve", "--save"] {
        assert!(place.wrong(&with(&[option, "-"])).contains("the standard output"));
    }
}

/// A fit that goes on remembers what was best before, although it began elsewhere.
#[test]
fn a_resumed_fit_is_no_worse_than_what_was_saved() {
    let place = Place::new();
    let words =
        ["(y/80 - a*x/800)^2", "--data", "misra.csv", "--at", "a=1", "--wrt", "a", "--method", "sgd", "--seed", "1"];
    let run = |more: &[&str]| {
        let (code, out, err) = place.run(&[&words[..], &["--batch", "1", "--format", "json"], more].concat());
        assert_eq!(code, 1, "{err}");
        serde_json::from_str::<Value>(&out).unwrap()
    };
    // So great a rate that every epoch is worse than the start.
    let wild = ["--rate", "1.99", "--schedule", "exponential:1.2"];
    let part = run(&[&wild[..], &["--epochs", "2", "--save", "part.json"]].concat());
    let state = &place.saved("part.json")["state"];
    assert!(state["params"]["a"] != part["params"]["a"]["value"] && state["best_epoch"].as_u64() < Some(2));
    let resumed = run(&[&wild[..], &["--epochs", "4", "--resume", "part.json"]].concat());
    let whole = run(&[&wild[..], &["--epochs", "4"]].concat());
    assert_eq!((&resumed["params"], &resumed["loss"]), (&whole["params"], &whole["loss"]));
    assert_eq!(resumed["loss"], part["loss"]);
}

#[test]
fn arrays_are_trained_in_batches() {
    let place = Place::new();
    place.with("start.json", r#"{"w": [1, 1], "c": 0}"#);
    let loss = "param w[2], c; data x[N], y[N]; mean[i]((y[i]/80 - w[0]*(1 - exp(-w[1]*x[i]/800)) - c)^2)";
    let data = [loss, "--data", "misra.csv", "--args", "start.json", "--wrt", "w", "--tolerance", "0"];
    let run = |epochs, more: &[&str]| {
        let (code, out, err) = place.run(&[&data[..], &["--format", "json", "--epochs", epochs], more].concat());
        assert_eq!(code, 1, "{err}");
        serde_json::from_str::<Value>(&out).unwrap()
    };
    let adam = ["--method", "adam", "--batch", "4", "--seed", "5"];
    let whole = run("30", &adam);
    assert_eq!((&whole["rows"], &whole["batch_dimension"]), (&14.into(), &"N".into()));
    run("12", &[&adam[..], &["--save", "part.json"]].concat());
    assert_eq!(run("30", &[&adam[..], &["--resume", "part.json"]].concat())["params"], whole["params"]);
    assert_eq!(run("30", &[&adam[..], &["--threads", "3"]].concat())["params"], whole["params"]);
    let other_order = ["--method", "adam", "--batch", "4", "--seed", "6"];
    assert_ne!(run("30", &other_order)["params"], whole["params"]);
    let at_once = run("30", &["--method", "adam"]);
    assert_eq!((&at_once["rows"], &at_once["batch_dimension"]), (&1.into(), &Value::Null));
    let held_out = run("30", &["--method", "sgd", "--validation", "0.3"]);
    assert_eq!(held_out["rows"], 10);
    assert!(held_out["validation_loss"].is_f64());
}

#[test]
fn faulty_rows() {
    let place = Place::new();
    place.with("holes.csv", &format!("{MISRA}1,\nnan,2\n3,abc\n"));
    let words = ["--file", "model.chain", "--at", START, "--data"];
    let message = place.wrong(&[&words[..], &["holes.csv"]].concat());
    assert!(
        message.contains("line 16, column 2 (`y`): the cell is empty") && message.contains("--on-error skip"),
        "{message}"
    );
    place.with("nan.csv", &format!("{MISRA}nan,2\n"));
    assert!(place.wrong(&[&words[..], &["nan.csv"]].concat()).contains("`x` is NaN in row 15"));
    let (code, out, err) = place.run(&[&words[..], &["holes.csv", "--on-error", "skip"]].concat());
    assert_eq!((code, out), (0, place.ok(&[&words[..], &["misra.csv"]].concat())));
    assert!(err.starts_with("warning: rows left out: 3; the first: `holes.csv`, line 16"), "{err}");
}

#[test]
fn what_is_wrong_is_told() {
    let place = Place::new();
    place.with("bad.json", "{").with("list.json", "[1]").with("words.json", r#"{"b1": "much"}"#);
    place.with("plain.json", r#"{"b1": 238.9, "b2": 0.00055}"#).with("other.json", r#"{"q": 1}"#);
    place.with("state.json", r#"{"params": {"b1": 1, "b2": 2}, "state": {"method": "lm"}}"#);
    place.with("two.csv", "x,y\n1,2\n").with("empty.csv", "x,y\n");
    let model = ["--file", "model.chain", "--data", "misra.csv"];
    let with = |words: &[&'static str]| [&model, words].concat();
    for (words, parts) in [
        (with(&[]), vec!["`b1`, `b2` have no value to start from", "`--at b1=1.5,b2=1.5`", "--seed"]),
        (with(&["--at", "b1=1"]), vec!["`b2` has no value to start from", "--at b2=1.5"]),
        (with(&["--at", "b1=1,b2=1,b3=1"]), vec!["`b3` is not an argument", "did you mean"]),
        (with(&["--at", "b1=x"]), vec!["--at:1:4", "not a number"]),
        (with(&["--at", START, "--bounds", "b1"]), vec!["`b1` is no bounds", "b1=0..10"]),
        (with(&["--at", START, "--bounds", "b1=0..1,b1=0..2"]), vec!["--bounds:1:9", "`b1` has bounds already"]),
        (with(&["--at", START, "--bounds", "b3=0..1"]), vec!["`b3` is not fitted"]),
        (with(&["--at", START, "--bounds", "b1=0..1"]), vec!["`b1` begins at 500, outside of its bounds 0..1"]),
        (with(&["--at", START, "--bounds", "b1=9..1"]), vec!["the bounds 9..1 of `b1` hold no number"]),
        (with(&["--at", START, "--loss", "mean"]), vec!["minimises squares", "--method lbfgs"]),
        (with(&["--at", START, "--schedule", "steps"]), vec!["step:EPOCHS:FACTOR"]),
        (with(&["--at", START, "--schedule", "step:0:0.5"]), vec!["step:EPOCHS:FACTOR"]),
        (with(&["--at", START, "--method", "newton"]), vec!["lbfgs"]),
        (with(&["--at", START, "--rate", "0"]), vec!["the learning rate must be a positive number, not 0"]),
        (with(&["--at", START, "--validation", "1"]), vec!["the share for validation"]),
        (with(&["--at", START, "--epoch", "3"]), vec!["'--epoch'", "'--epochs'"]),
        (with(&["--params", "none.json"]), vec!["`none.json` can't be read: no such file"]),
        (with(&["--params", "bad.json"]), vec!["`bad.json`: EOF"]),
        (with(&["--params", "list.json"]), vec!["no object of parameters"]),
        (
            with(&["--params", "words.json"]),
            vec!["`words.json`: `b1` is the text \"much\"; a number or a list is expected"],
        ),
        (with(&["--params", "other.json"]), vec!["`q` is not an argument"]),
        (with(&["--resume", "plain.json"]), vec!["not where a fit ended", "--params"]),
        (with(&["--resume", "state.json"]), vec!["the state can't be understood"]),
        (with(&["--resume", "plain.json", "--params", "plain.json"]), vec!["cannot be used with"]),
        (with(&["--at", START, "--save", "none/fit.json"]), vec!["`none/fit.json` can't be written: no such file"]),
        (with(&["--at", "b1=1e300,b2=-1e300"]), vec!["the value at row 1 is", "at the start"]),
        (vec!["y - b1*z", "--data", "misra.csv", "--at", "b1=1"], vec!["no column `z`", "it has `x`, `y`"]),
        (
            vec!["--file", "model.chain", "--data", "two.csv", "--at", START],
            vec!["1 residual can't determine 2 parameters"],
        ),
        (vec!["--file", "model.chain", "--data", "empty.csv", "--at", START], vec!["the data have no rows"]),
        (vec!["--file", "model.chain", "--data", "none.csv", "--at", START], vec!["no such file"]),
        (vec!["--file", "model.chain", "--at", START], vec!["`x` is a column of the data, and there are no data"]),
        (vec!["a^2", "--data", "misra.csv", "--at", "a=1"], vec!["no argument is a column"]),
        (vec!["x^2", "--data", "misra.csv"], vec!["there is nothing to fit", "--wrt"]),
    ] {
        let message = place.wrong(&words);
        for part in parts {
            assert!(message.contains(part), "{words:?}: {part}: {message}");
        }
    }
}

#[cfg(unix)]
#[test]
fn an_interrupt_keeps_the_best_so_far() {
    let place = Place::new();
    let words =
        ["(y - a*x)^2", "--data", "misra.csv", "--at", "a=1", "--method", "sgd", "--rate", "1e-12", "--tolerance", "0"];
    let more = ["--epochs", "1000000000", "--save", "fit.json", "--format", "json"];
    let child =
        place.command(&[&words[..], &more].concat()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // The place of the file is made after the handler: a signal before that would end it with another code.
    let start = std::time::Instant::now();
    while place.names().len() < 3 {
        assert!(start.elapsed() < std::time::Duration::from_secs(60), "the fit doesn't begin");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["reason"], "it was interrupted");
    assert!(place.saved("fit.json")["state"]["epoch"].is_u64());
}

#[test]
fn a_loss_without_a_minimum_does_not_converge() {
    let place = Place::new();
    for text in ["x", "-x^2"] {
        let (code, out, err) = place.run(&[text, "--at", "x=1", "--method", "lbfgs"]);
        assert_eq!(code, 1, "{text}: {out}{err}");
    }
    let same =
        place.wrong(&["(x-2)^2", "--at", "x=1", "--method", "lbfgs", "--save", "a.svg", "--loss-curve", "a.svg"]);
    assert!(same.contains("`a.svg` is to be written twice"), "{same}");
}

/// What is told beside the answer: what is minimised if that may surprise, and what has no effect.
#[test]
fn surprises_are_told() {
    let run = |words: &[&str]| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_chainrule")).args(words).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let loss = "softplus(a*x) - y*a*x/100";
    let (code, err) = run(&["fit", loss, "--data", "examples/misra.csv", "--at", "a=0.1", "--rate", "1"]);
    assert_eq!(code, Some(0), "{err}");
    assert!(err.contains("minimises the sum of the squares of the program's values"), "{err}");
    assert!(err.contains("`--rate` has no effect with `--method lm`"), "{err}");
    let (_, err) = run(&["fit", loss, "--data", "examples/misra.csv", "--at", "a=0.1", "--loss", "squares"]);
    assert_eq!(err, "");
    let (_, err) = run(&["fit", "y - a*x", "--data", "examples/misra.csv", "--at", "a=1,x=2"]);
    assert!(err.contains("`x` of the data is not read"), "{err}");
    let (code, err) = run(&["fit", "(x-3)^2", "--at", "x=0", "--method", "gd", "--rate", "1e-9"]);
    assert_eq!(code, Some(1), "{err}");
    let (code, err) = run(&["fit", "x^2 + z^2", "--at", "x=1,z=2"]);
    assert!(code == Some(2) && err.contains("--method lbfgs"), "{err}");
    let (_, err) = run(&["fit", "(x-3)^2", "--at", "x=0", "--tolerance", "-1"]);
    assert!(err.contains("the tolerance must be 0 or a positive number, not -1"), "{err}");
}
