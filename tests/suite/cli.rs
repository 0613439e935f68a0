//! The program as its users meet it: words in, text and exit codes out.

use std::io::{Read, Write};
use std::process::{Command, Stdio};

const PROGRAM: &str = env!("CARGO_BIN_EXE_chainrule");

const COMMANDS: &[&str] = &[
    "grad",
    "eval",
    "hessian",
    "jacobian",
    "jvp",
    "vjp",
    "derive",
    "plot",
    "check",
    "trace",
    "emit",
    "functions",
    "batch",
    "fit",
    "bench",
    "completions",
];

struct Run {
    code: i32,
    out: String,
    err: String,
}

fn command() -> Command {
    let mut command = Command::new(PROGRAM);
    command.env("COLUMNS", "100").env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE").stdin(Stdio::null());
    command
}

fn finish(command: &mut Command) -> Run {
    let output = command.output().unwrap();
    Run {
        code: output.status.code().expect("no signal"),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

fn run(words: &[&str]) -> Run {
    finish(command().args(words))
}

fn run_with_input(words: &[&str], input: &[u8]) -> Run {
    let mut child =
        command().args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || _ = stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    Run {
        code: output.status.code().expect("no signal"),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// The output of a command line that works and has nothing to remark.
#[track_caller]
fn ok(words: &[&str]) -> String {
    let run = run(words);
    assert_eq!((run.code, run.err.as_str()), (0, ""), "{words:?}");
    run.out
}

/// The message of a command line that is wrong.
#[track_caller]
fn wrong(words: &[&str]) -> String {
    let run = run(words);
    assert_eq!((run.code, run.out.as_str()), (2, ""), "{words:?}: {}", run.err);
    assert!(run.err.starts_with("error: "), "{words:?}: {}", run.err);
    assert!(!run.err.contains("panicked"), "{words:?}: {}", run.err);
    run.err
}

fn json(words: &[&str]) -> serde_json::Value {
    serde_json::from_str(&ok(words)).unwrap()
}

const F: &str = "exp(x*z) + x*z/ln(x)";

#[test]
fn sizes_and_turns_are_given_once_and_limited() {
    let twice = wrong(&["emit", "param x[N]; sum[i](x[i]*x[0])", "--size", "N=4,N=3"]);
    assert!(twice.contains("the size `N` is given as 4 and as 3"), "{twice}");
    assert!(ok(&["emit", "param x[N]; sum[i](x[i])", "--size", "N=3", "--size", "N=3"]).contains("f64[3]"));
    let long = wrong(&["eval", "sum[i in 0..10^15](1)", "--max-turns", "1000"]);
    assert!(long.contains("the loops make up to 1000000000000000 turns, and 1000 are allowed"), "{long}");
    assert_eq!(ok(&["eval", "sum[i in 0..10](1)", "--max-turns", "1000"]), "value  10.0\n");
}

#[test]
fn numbers_as_json() {
    let value = "412.0849637380689";
    let cases: &[(&[&str], &str)] = &[
        (&["eval", F, "--at", "x=2,z=3"], r#"{"value":VALUE}"#),
        (&["eval", "x, x^2", "--at", "x=2"], r#"{"value":[2.0,4.0]}"#),
        (&["eval", "x", "--at", "x=1e300"], r#"{"value":1e+300}"#),
        (&["eval", "-0.0*x", "--at", "x=1"], r#"{"value":-0.0}"#),
        (&["eval", "2"], r#"{"value":2.0}"#),
        (
            &["grad", F, "--at", "x=2,z=3"],
            r#"{"value":VALUE,"gradient":{"x":1208.3703586578556,"z":809.7429770672481}}"#,
        ),
        (&["grad", F, "--at", "z=3,x=2", "--wrt", "z"], r#"{"value":VALUE,"gradient":{"z":809.7429770672481}}"#),
        (&["grad", "x*z", "--at", "x=2,z=3", "--wrt", " z , x "], r#"{"value":6.0,"gradient":{"z":2.0,"x":3.0}}"#),
        (&["grad", "x*z", "--at", "x=2,z=3", "--wrt", ""], r#"{"value":6.0,"gradient":{}}"#),
        (&["grad", "ln(x)", "--at", "x=0"], r#"{"value":"-inf","gradient":{"x":"inf"}}"#),
        (&["grad", "ln(x)", "--at", "x=-1"], r#"{"value":"NaN","gradient":{"x":"NaN"}}"#),
        (
            &["hessian", "x^2*z", "--at", "x=2,z=3"],
            r#"{"value":12.0,"gradient":{"x":12.0,"z":4.0},"hessian":{"x":{"x":6.0,"z":4.0},"z":{"x":4.0,"z":0.0}}}"#,
        ),
        (
            &["jacobian", "x*z, x/z", "--at", "x=1,z=2"],
            r#"{"value":[2.0,0.5],"jacobian":{"x":[2.0,0.5],"z":[1.0,-0.25]}}"#,
        ),
        (&["jacobian", "x*z", "--at", "x=1,z=2"], r#"{"value":2.0,"jacobian":{"x":2.0,"z":1.0}}"#),
        (&["jvp", "x*z", "--at", "x=1,z=2", "--direction", "x=3"], r#"{"value":2.0,"tangent":6.0}"#),
        (&["jvp", "x*z, z", "--at", "x=1,z=2", "--direction", "x=3,z=1"], r#"{"value":[2.0,2.0],"tangent":[7.0,1.0]}"#),
        (
            &["vjp", "x*z, z", "--at", "x=1,z=2", "--weights", "1,-2"],
            r#"{"value":[2.0,2.0],"adjoint":{"x":2.0,"z":-1.0}}"#,
        ),
        (
            &["vjp", "x*z, z", "--at", "x=1,z=2", "--weights", "z=1"],
            r#"{"value":[2.0,2.0],"adjoint":{"x":0.0,"z":1.0}}"#,
        ),
        (&["derive", "x^3"], r#"{"order":1,"derivative":{"x":"3*x^2"}}"#),
        (&["derive", "x^3", "--order", "2"], r#"{"order":2,"derivative":{"x":"6*x"}}"#),
        (&["derive", "x*z, x", "--wrt", "x"], r#"{"order":1,"derivative":{"x":["z","1"]}}"#),
        (
            &["eval", "x*x", "--at", "x=2", "--relax", "reassociate,finite-only"],
            r#"{"value":4.0,"relaxed":["reassociate","finite-only"]}"#,
        ),
    ];
    for (words, expected) in cases {
        let run = run(&[words, ["--format", "json"].as_slice()].concat());
        assert_eq!(run.out, format!("{}\n", expected.replace("VALUE", value)), "{words:?}");
        assert_eq!(run.code, 0, "{words:?}");
        for way in [["--interpret"].as_slice(), &["--mode", "forward"], &["--mode", "reverse"]] {
            let takes_mode = matches!(words[0], "grad" | "hessian" | "jacobian");
            if words[0] != "derive" && (way.len() == 1 || takes_mode) {
                let other = self::run(&[words, ["--format", "json"].as_slice(), way].concat());
                // The sums of forward mode are rounded in another order.
                assert!(other.out == run.out || words[1] == F, "{words:?} {way:?}: {}", other.out);
            }
        }
    }
}

#[test]
fn numbers_as_text() {
    assert_eq!(ok(&["eval", F, "--at", "x=2,z=3"]), "value  412.0849637380689\n");
    assert_eq!(ok(&["eval", "r = x; r, x*2", "--at", "x=2"]), "r   2.0\ny1  4.0\n");
    assert_eq!(
        ok(&["grad", F, "--at", "x=2,z=3"]),
        "value  412.0849637380689\nd/dx   1208.3703586578556\nd/dz   809.7429770672481\n"
    );
    assert_eq!(
        ok(&["hessian", "x^2*z", "--at", "x=2,z=-3"]),
        "value  -12.0\nd/dx   -12.0\nd/dz   4.0\n\nhessian  x     z\nx        -6.0  4.0\nz        4.0   0.0\n"
    );
    assert_eq!(
        ok(&["jacobian", "a = x*z; b = x/z; a, b", "--at", "x=1,z=2"]),
        "   value  d/dx  d/dz\na  2.0    2.0   1.0\nb  0.5    0.5   -0.25\n"
    );
    assert_eq!(ok(&["jvp", "x*z", "--at", "x=1,z=2", "--direction", "x=3"]), "value    2.0\ntangent  6.0\n");
    assert_eq!(
        ok(&["vjp", "x*z", "--at", "x=1,z=2", "--weights", "2"]),
        "value         2.0\nadjoint of x  4.0\nadjoint of z  2.0\n"
    );
    assert_eq!(ok(&["derive", "x*z"]), "d_x = z\nd_z = x\nd_x, d_z\n");
    assert_eq!(ok(&["derive", "x*z", "--wrt", "z"]), "x\n");
    assert_eq!(
        ok(&["eval", "x", "--at", "x=2", "--relax", "fused-multiply-add"]),
        "value  2.0\n\nrelaxed: fused-multiply-add\n"
    );
}

#[test]
fn a_formula_may_begin_with_a_hyphen() {
    for words in [
        ["grad", "-x^2", "--at", "x=1"].as_slice(),
        &["grad", "--at", "x=1", "-x^2"],
        &["grad", "--at=x=1", "--", "-x^2"],
        &["grad", "--at", "x=1", "--", "-x^2"],
    ] {
        assert_eq!(ok(words), "value  -1.0\nd/dx   -2.0\n", "{words:?}");
    }
    assert_eq!(ok(&["eval", "-x", "--at", "x=1"]), "value  -1.0\n");
    assert_eq!(ok(&["eval", "--at", "x=1", "-x"]), "value  -1.0\n");
    assert_eq!(ok(&["eval", "-2"]), "value  -2.0\n");
    assert_eq!(ok(&["eval", "--at", "x=1", "--", "--x"]), "value  1.0\n");
    assert!(wrong(&["eval", "--", "-h"]).contains("`h` has no value"));
}

#[test]
fn a_misspelt_option_is_no_formula() {
    let message = wrong(&["grad", "--ta", "x=1", "x^2"]);
    assert!(message.contains("'--ta'") && message.contains("'--at'"), "{message}");
    assert!(wrong(&["eval", "--x", "--at", "x=1"]).contains("-- '--x'"));
    assert!(wrong(&["eval", "x", "+", "1"]).contains("goes in quotes"));
    assert!(wrong(&["grda", "x"]).contains("'grad'"));
}

#[test]
fn the_formula_from_a_file_or_the_input() {
    let directory = std::env::temp_dir().join(format!("chainrule-cli-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let path = directory.join("formula.txt");
    let name = path.to_str().unwrap();
    std::fs::write(&path, "a = x^2 # squared\na + 1\n").unwrap();
    assert_eq!(ok(&["eval", "--file", name, "--at", "x=3"]), "value  10.0\n");
    std::fs::write(&path, "x +\n").unwrap();
    assert!(wrong(&["eval", "--file", name]).contains("formula.txt:1:"));
    std::fs::write(&path, b"x\n\xff").unwrap();
    assert!(wrong(&["eval", "--file", name]).contains("formula.txt:2:1"));
    assert!(wrong(&["eval", "x", "--file", name]).contains("cannot be used with"));
    assert!(wrong(&["eval", "--file", directory.to_str().unwrap()]).contains("directory"));
    std::fs::remove_dir_all(&directory).unwrap();
    assert!(wrong(&["eval", "--file", name]).contains("no such file"));

    for words in [["eval", "-", "--at", "x=3"], ["eval", "--file=-", "--at", "x=3"]] {
        assert_eq!(run_with_input(&words, b"x^2\n").out, "value  9.0\n");
    }
    let bad = run_with_input(&["eval", "-"], b"\xc3(");
    assert_eq!((bad.code, bad.out.as_str()), (2, ""));
    assert!(bad.err.contains("stdin:1:1"), "{}", bad.err);
}

#[cfg(unix)]
#[test]
fn an_endless_input_is_refused() {
    assert!(wrong(&["eval", "--file", "/dev/zero"]).contains("longer than 64 MiB"));
}

#[test]
fn texts_that_are_wrong() {
    let message = wrong(&["eval", ""]);
    assert!(message.contains("formula:1:1") && message.contains("help"), "{message}");
    assert!(wrong(&["eval", "sinn(x)", "--at", "x=1"]).contains("did you mean `sin`?"));
    assert!(wrong(&["grad", "x, x^2", "--at", "x=1"]).contains("jacobian"));
    assert!(wrong(&["hessian", "x, x^2", "--at", "x=1"]).contains("jacobian"));
    assert!(wrong(&["grad", "x", "--at", "x=1", "--wrt", "y"]).contains("`y`"));
    assert!(wrong(&["grad", "x", "--at", "x=1", "--wrt", "x,x"]).contains("twice"));
    assert!(wrong(&["grad", "index n\nx^n", "--at", "x=1,n=2", "--wrt", "n"]).contains("integer"));
    assert!(wrong(&["eval", "index n\nx^n", "--at", "x=1,n=2.5"]).contains("`n`"));
    assert!(wrong(&["eval", "index n\nx + div(1, n)", "--at", "x=1,n=0"]).contains("division by zero"));
    assert!(wrong(&["derive", "3"]).contains("nothing to differentiate"));
    assert!(wrong(&["derive", "x*z", "--order", "2"]).contains("--wrt"));
    assert!(wrong(&["functions", "tanhh"]).contains("`tanh`"));
    assert!(wrong(&["jvp", "x", "--at", "x=1", "--direction", "q=1"]).contains("`q`"));
    assert!(wrong(&["vjp", "x", "--at", "x=1", "--weights", "1,2"]).contains("1, not 2"));
    assert!(wrong(&["vjp", "x", "--at", "x=1", "--weights", "a"]).contains("not a number"));
    assert!(wrong(&["vjp", "a = x; a, x", "--at", "x=1", "--weights", "b=1"]).contains("not a result"));
    assert!(wrong(&["check", "x", "--at", "x=1", "--tolerance", "much"]).contains("1e-9"));
    assert!(wrong(&["eval", "x", "--at", "x=1", "--relax", "fast"]).contains("fused-multiply-add"));
}

#[test]
fn many_problems_are_counted() {
    let text = (0..60).map(|number| format!("a{number} = (;")).collect::<String>();
    let message = wrong(&["eval", &text]);
    assert_eq!(message.matches("error: ").count(), 20);
    assert!(message.trim_end().ends_with("… and 40 more"), "{message}");
    let names = (0..500).map(|number| format!("x{number}")).collect::<Vec<_>>();
    let message = wrong(&["eval", &names.join(" + ")]);
    assert!(message.contains("… and 480 more"), "{message}");
    assert!(message.trim_end().ends_with("`--at x0=1.5,x1=1.5,x2=1.5,x3=1.5,x4=1.5,…`"), "{message}");
}

#[cfg(unix)]
#[test]
fn words_that_are_not_utf8() {
    use std::os::unix::ffi::OsStrExt;
    let bad = std::ffi::OsStr::from_bytes(b"x + \xff");
    let run = finish(command().arg("eval").arg(bad));
    assert_eq!((run.code, run.out.as_str()), (2, ""));
    assert!(run.err.contains("formula:1:5") && run.err.contains("UTF-8"), "{}", run.err);
    let run = finish(command().args(["eval", "x", "--at"]).arg(bad));
    assert_eq!((run.code, run.out.as_str()), (2, ""));
    assert!(run.err.contains("UTF-8"), "{}", run.err);
}

#[test]
fn points_are_literals() {
    for (value, expected) in [
        ("2", "2.0"),
        (".5", "0.5"),
        ("-2.5e-3", "-0.0025"),
        ("+1_000", "1000.0"),
        ("inf", "inf"),
        ("-inf", "-inf"),
        ("nan", "NaN"),
        ("1e400", ""),
        ("2*pi", ""),
        ("0x10", ""),
        ("--1", ""),
        ("1__0", ""),
        ("infinity", ""),
        ("", ""),
    ] {
        let run = run(&["eval", "x", "--at", &format!("x={value}")]);
        if expected.is_empty() {
            assert_eq!((run.code, run.out.as_str()), (2, ""), "{value}");
            assert!(run.err.contains("--at:1:3"), "{}", run.err);
        } else {
            assert_eq!((run.code, run.out), (0, format!("value  {expected}\n")), "{value}");
        }
    }
    assert_eq!(ok(&["eval", "3", "--at", ""]), "value  3.0\n");
    assert_eq!(ok(&["eval", "x*z", "--at", " x = 2 , z= 3 "]), "value  6.0\n");
    assert_eq!(ok(&["eval", "x*z", "--at", "x=2", "--at", "z=3"]), "value  6.0\n");
    // U+212B is Å.
    assert_eq!(ok(&["grad", "Å^2", "--at", "\u{212b}=3", "--wrt", "\u{212b}"]), "value  9.0\nd/dÅ   6.0\n");
}

#[test]
fn faults_of_a_point_are_told_at_once() {
    let message = wrong(&["eval", "alpha*z + w", "--at", "alpa=1,w=1", "--at", "w=2"]);
    for part in [
        "`alpha` has no value",
        "formula:1:1",
        "`z` has no value",
        "formula:1:7",
        "did you mean `alpha`",
        "`w` is given twice",
    ] {
        assert!(message.contains(part), "{part}: {message}");
    }
    let message = wrong(&["eval", "x", "--at", "x,=3,y=z"]);
    for part in ["--at:1:1", "--at:1:3", "--at:1:8"] {
        assert!(message.contains(part), "{part}: {message}");
    }
    assert!(wrong(&["eval", "e^x", "--at", "x=1"]).contains("exp(1)"));
    assert_eq!(ok(&["eval", "e^x", "--at", "x=1,e=2"]), "value  2.0\n");
}

#[test]
fn warnings_do_not_fail() {
    let run = run(&["eval", "2*gamma", "--at", "gamma=3"]);
    assert_eq!((run.code, run.out.as_str()), (0, "value  6.0\n"));
    assert!(run.err.starts_with("warning: `gamma`"), "{}", run.err);
}

#[test]
fn what_is_not_finite_is_explained() {
    let run = run(&["eval", "ln(x)", "--at", "x=0"]);
    assert!(run.err.contains("--explain") && run.code == 0);
    let text = ok(&["grad", "z + ln(x)*abs(z)", "--at", "x=-1,z=0", "--explain"]);
    for part in ["kink of `abs`", "formula:1:11", "ln(-1.0) is NaN", "formula:1:5"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(ok(&["eval", "x", "--at", "x=1", "--explain"]).contains("no kink"));
    let answer = json(&["grad", "sqrt(x)*2", "--at", "x=0", "--explain", "--format", "json"]);
    assert_eq!(answer["births"][0]["of"], "d/dx");
    assert_eq!(answer["births"][0]["text"], "sqrt(x)");
    assert_eq!(answer["kinks"].as_array().unwrap().len(), 0);
    assert!(ok(&["hessian", "relu(x)", "--at", "x=0", "--explain"]).contains("kink of `relu`"));
}

#[test]
fn derivatives_that_are_right_pass_the_check() {
    for (formula, point) in [
        (F, "x=2,z=3"),
        ("x*z, x/z, atan2(x, z)", "x=2,z=3"),
        ("abs(x) + relu(z)", "x=0,z=1"),
        ("ln(x)", "x=1e-300"),
        ("ln(x)", "x=-1"),
        ("sqrt(x)", "x=0"),
        ("x^3", "x=0"),
        ("sin(1e6*x)", "x=1"),
        ("abs(x - 1e-9)", "x=0"),
        ("(1e16 + x) - 1e16", "x=0.5"),
        ("floor(x*1e9)/1e9", "x=0.1234567890123"),
        ("stop(x)*x", "x=1"),
        ("if(x == 0, 1, sin(x)/x)", "x=0"),
        ("exp(x)", "x=700"),
        ("x", "x=1e308"),
        ("mod(x, 3)", "x=5"),
        ("mod(x, 3)", "x=6"),
        ("max(a, b, c)", "a=1,b=2,c=2"),
        ("x*1e-320", "x=1"),
        ("1/x", "x=1e-8"),
        ("1/(x^2 + 1e-16)", "x=1e-9"),
        ("tan(x)", "x=1.5"),
        ("tan(x)", "x=1e200"),
        ("1 - logit(1/x)", "x=1e200"),
        ("(max(y^2, 1/z) + x)^2", "x=1e200,y=inf,z=1e-300"),
        ("3", ""),
    ] {
        let run = run(&["check", formula, "--at", point]);
        assert_eq!(run.code, 0, "{formula} at {point}:\n{}", run.out);
    }
    let answer = json(&["check", "sin(x)^2", "--at", "x=1", "--format", "json"]);
    assert_eq!(answer["agrees"], true);
    assert_eq!(answer["derivatives"][0]["machine_code_same_bits"], true);
}

#[test]
fn a_trace_is_the_table_of_the_lecture() {
    assert_eq!(
        ok(&["trace", "a = x*z; exp(a - 6) + a", "--at", "x=2,z=3"]),
        "\
expression      value ↓  adjoint ↑
x               2.0      6.0
z               3.0      4.0
a = x*z         6.0      2.0
a - 6           0.0      1.0
exp(a - 6)      1.0      1.0
exp(a - 6) + a  7.0      1.0
"
    );
    // A sign that the graph moves outward is no step of its own, but what has a place of its own is.
    let expressions = |formula: &str| {
        let answer = json(&["trace", formula, "--at", "w=2,u=3", "--format", "json"]);
        let steps = answer["steps"].as_array().unwrap().iter();
        steps.map(|step| step["expression"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(expressions("-w*u^2"), ["w", "u", "u^2", "-w*u^2"]);
    assert_eq!(expressions("p = w*u; p - exp(-p)"), ["w", "u", "w*u", "-p", "exp(-p)", "p - exp(-p)"]);
    assert_eq!(expressions("-w*u + w*u"), ["w", "u", "-w*u", "-w*u + w*u"]);
    let answer = json(&["trace", "if(x > 0, x^2, ln(x))", "--at", "x=2", "--format", "json"]);
    let steps: Vec<&str> =
        answer["steps"].as_array().unwrap().iter().map(|step| step["expression"].as_str().unwrap()).collect();
    assert_eq!(steps, ["x", "x > 0", "x^2", "if(x > 0, x^2, ln(x))"]);
    assert_eq!(answer["steps"][0]["adjoint"], 4.0);
}

#[test]
fn every_stage_is_shown() {
    for (stage, part) in [
        ("ast", "(+ (^ x 2) z)"),
        ("primal", "return %1"),
        ("forward", "d_x: f64"),
        ("reverse", "d_z: f64"),
        ("hessian", "d_x_z: f64"),
        ("dot", "-> r0"),
        ("clif", "function %f"),
        ("asm", "ret"),
        ("memory", "0 bytes at the peak"),
    ] {
        let text = ok(&["emit", "x^2 + z", "--stage", stage]);
        assert!(text.contains(part), "{stage}: {text}");
        let answer = json(&["emit", "x^2 + z", "--stage", stage, "--format", "json"]);
        assert_eq!((answer["stage"].as_str(), answer["text"].as_str()), (Some(stage), Some(text.as_str())));
    }
    assert!(ok(&["emit", "x*y + z", "--relax", "fused-multiply-add"]).contains("fma"));
    assert!(ok(&["emit", "x*y + z", "--stage", "dot", "--relax", "fused-multiply-add"]).contains("fma"));
    assert_eq!(
        ok(&["emit", "x/z - 2", "--stage", "dot", "--graph", "reverse", "--wrt", "x"]),
        "\
digraph \"f\" {
  rankdir=LR;
  p0 [label=\"x\", shape=box];
  p1 [label=\"z\", shape=box];
  v0 [label=\"div\"];
  p0 -> v0 [label=\"1\"];
  p1 -> v0 [label=\"2\"];
  v1 [label=\"sub\"];
  v0 -> v1 [label=\"1\"];
  v1c1 [label=\"2.0\", shape=plaintext];
  v1c1 -> v1 [label=\"2\"];
  v2 [label=\"div\"];
  v2c0 [label=\"1.0\", shape=plaintext];
  v2c0 -> v2 [label=\"1\"];
  p1 -> v2 [label=\"2\"];
  r0 [label=\"value\", shape=plaintext];
  v1 -> r0;
  r1 [label=\"d_x\", shape=plaintext];
  v2 -> r1;
}
"
    );
}

#[test]
fn derivatives_in_latex() {
    assert_eq!(
        ok(&["derive", "x^3*sin(x)", "--format", "latex"]),
        "3 x^{2} \\, \\sin\\left(x\\right) + x^{3} \\, \\cos\\left(x\\right)\n"
    );
    assert_eq!(
        ok(&["derive", "u = exp(x*theta_1); u^2/(1 + u)", "--format", "latex", "--wrt", "theta_1"]),
        "\\begin{aligned}\n  u &= e^{x \\, \\theta_{1}} \\\\\n  & \\frac{2 x \\, u^{2}}{1 + u} - \\frac{x \\, u^{3}}{\\left(1 + u\\right)^{2}}\n\\end{aligned}\n"
    );
}

#[test]
fn a_picture_goes_to_its_file_whole_or_not_at_all() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("plot.svg");
    let out = path.to_str().unwrap();
    let line = ok(&["plot", "sin(x)*z", "--over", "x=-3..3", "--at", "z=2", "--derivatives", "0,1,4", "--out", out]);
    assert_eq!(line, format!("{out}: f(x), f′(x), f^(4)(x) over x = -3..3\n"));
    let svg = std::fs::read_to_string(&path).unwrap();
    assert_eq!(
        svg,
        ok(&["plot", "sin(x)*z", "--over", " x = -3..3", "--at", "z=2", "--derivatives", "0,1,4", "--out", "-"])
    );
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n") && svg.contains("(z = 2)"));
    wrong(&["plot", "sqrt(x)", "--over", "x=-3..-1", "--out", out]);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), svg);
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    wrong(&["plot", "x", "--over", "x=0..1", "--out", directory.path().to_str().unwrap()]);
    wrong(&["plot", "x", "--over", "x=0..1", "--out", directory.path().join("none/plot.svg").to_str().unwrap()]);
    let data = directory.path().join("points.csv");
    std::fs::write(&data, "t,v\n1,2\n2,3\n3,5\n").unwrap();
    let beside = ["plot", "a*t^2", "--at", "a=0.5", "--data", data.to_str().unwrap(), "--x", "t", "--y", "v", "--out"];
    assert_eq!(ok(&[beside.as_slice(), &[out]].concat()), format!("{out}: data, f(t) over t = 1..3\n"));
    // Three points and one in the legend.
    assert_eq!(std::fs::read_to_string(&path).unwrap().matches("<circle").count(), 4);
    std::fs::write(&data, "t,v\n1,2\n2,x\n").unwrap();
    assert!(wrong(&[beside.as_slice(), &[out]].concat()).contains("line 3, column 2"));
    std::fs::write(&data, "t,v\n1,2\n1,3\n").unwrap();
    assert!(wrong(&[beside.as_slice(), &[out]].concat()).contains("--over t=0..1"));
}

#[test]
fn plots_that_are_wrong() {
    for (formula, over, part) in [
        ("x", "x=3..1", "empty"),
        ("x", "x=1..1", "empty"),
        ("x", "x=0..inf", "finite"),
        ("x", "x=0..nan", "finite"),
        ("x", "x=0..a", "--over:1:6"),
        ("x", "x=0", "x=-3..3"),
        ("x", "0..1", "x=-3..3"),
        ("x", "=0..1", "x=-3..3"),
        ("x", "x=-1e308..1e308", "no axis"),
        ("x", "x=0..5e-324", "no axis"),
        ("x", "y=0..1", "`y`"),
        ("alpha + x", "alpa=0..1", "did you mean `alpha`"),
        ("x*z", "x=0..1", "`z` has no value"),
        ("sqrt(x)", "x=-2..-1", "--explain"),
        ("index n\nx^n", "n=0..1", "integer"),
    ] {
        let message = wrong(&["plot", formula, "--over", over, "--out", "-"]);
        assert!(message.contains(part), "{formula} over {over}: {message}");
    }
    assert!(ok(&["plot", "2*z", "--over", "x=0..1", "--at", "z=3", "--out", "-"]).contains("<svg"), "a constant");
    assert!(wrong(&["plot", "x", "--over", "x=0..1"]).contains("--out"));
    assert!(wrong(&["plot", "x", "--out", "-"]).contains("--over"));
    assert!(wrong(&["plot", "x", "--over", "x=0..1", "--at", "x=2", "--out", "-"]).contains("twice"));
    assert!(wrong(&["plot", "x, x^2", "--over", "x=0..1", "--derivatives", "2", "--out", "-"]).contains("one result"));
    assert!(wrong(&["plot", "x", "--over", "x=0..1", "--derivatives", "21", "--out", "-"]).contains("20"));
    assert!(wrong(&["plot", "x", "--over", "x=0..1", "--wrt", "q", "--out", "-"]).contains("`q`"));
    assert!(wrong(&["plot", "x", "--data", "none.csv", "--x", "x", "--y", "y", "--out", "-"]).contains("none.csv"));
    assert!(wrong(&["plot", "x", "--data", "none.csv", "--x", "x", "--out", "-"]).contains("--y"));
    let table = ["plot", "x", "--data", "examples/points.csv", "--x", "x", "--y", "q", "--out", "-"];
    assert!(wrong(&table).contains("no column `q`"));
}

#[test]
fn a_trace_as_a_picture() {
    let svg = ok(&["trace", "a = x*z; exp(a - 6) + a", "--at", "x=2,z=3", "--format", "svg"]);
    for part in ["<svg ", ">exp<", ">−6<", ">a<", "← adjoint", "</svg>"] {
        assert!(svg.contains(part), "{part}: {svg}");
    }
    let large = (0..300).map(|i| format!("sin({i}*x)")).collect::<Vec<_>>().join(" + ");
    assert!(wrong(&["trace", &large, "--at", "x=1", "--format", "svg"]).contains("--stage dot"));
}

#[test]
fn machine_code_names_the_back_end_that_runs_it() {
    let text = ok(&["emit", "exp(x)", "--stage", "asm"]);
    let backend = &json(&["bench", "exp(x)", "--points", "1", "--format", "json"])["backend"];
    assert_eq!(text.lines().next().unwrap(), format!("; {}", backend.as_str().unwrap()));
}

#[test]
fn the_functions_are_those_of_the_table() {
    let text = ok(&["functions"]);
    for part in ["tanh(a) ", "atan2(a, b)", "div(a, b)", "max(a, b, …)", "also arctan2"] {
        assert!(text.contains(part), "{part}");
    }
    assert!(!text.contains("\nsigmoid_slope("), "internal operators are not functions");
    let answer = json(&["functions", "swish", "--format", "json"]);
    assert_eq!(answer["functions"][0]["name"], "silu");
}

#[test]
fn a_benchmark_has_its_parts() {
    let start = std::time::Instant::now();
    let answer = json(&["bench", F, "--format", "json"]);
    assert!(start.elapsed().as_secs_f64() < 10.0);
    for key in ["compile_us", "value_ns", "call_ns", "interpreter_ns"] {
        assert!(answer[key].as_f64().unwrap() > 0.0, "{key}");
    }
    assert!(answer["backend"].is_string());
    assert!(ok(&["bench", "index n\nx^n"]).contains("call for value and gradient"));
}

#[test]
fn completions_for_shells() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(ok(&["completions", shell]).contains("hessian"), "{shell}");
    }
    wrong(&["completions", "sh"]);
}

#[test]
fn a_closed_pipe_is_no_failure() {
    let mut child = command()
        .args(["functions", "--format", "json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut err = String::new();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    assert_eq!((child.wait().unwrap().code(), err.as_str()), (Some(0), ""));
}

#[test]
fn colour_only_where_it_is_wanted() {
    assert!(!wrong(&["eval", "x +"]).contains('\x1b'));
    assert!(!wrong(&["eval", "x +", "--color", "never"]).contains('\x1b'));
    assert!(run(&["eval", "x +", "--color", "always"]).err.contains('\x1b'));
    assert!(run(&["eval", "--color=always", "--ta", "x"]).err.contains('\x1b'));
    assert!(!ok(&["--help"]).contains('\x1b'));
    assert!(run(&["--help", "--color", "always"]).out.contains('\x1b'));
}

#[test]
fn help_teaches() {
    let settings = |name: &str| {
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_suffix(name);
        settings.set_omit_expression(true);
        settings
    };
    settings("top").bind(|| insta::assert_snapshot!(ok(&["--help"])));
    for name in COMMANDS {
        settings(name).bind(|| insta::assert_snapshot!(ok(&[name, "--help"])));
    }
    let run = run(&[]);
    assert_eq!((run.code, run.out.as_str()), (2, ""));
    assert!(run.err.contains("Usage: chainrule"));
    assert_eq!(ok(&["--version"]), format!("chainrule {}\n", env!("CARGO_PKG_VERSION")));
}

#[cfg(unix)]
#[test]
fn examples_in_help_run() {
    let directory = std::path::Path::new(PROGRAM).parent().unwrap();
    let path = format!("{}:{}", directory.display(), std::env::var("PATH").unwrap_or_default());
    let mut texts = vec![ok(&["--help"])];
    texts.extend(COMMANDS.iter().map(|name| ok(&[name, "--help"])));
    for text in texts {
        let examples: Vec<&str> = text.lines().filter(|line| line.starts_with("  chainrule ")).collect();
        assert!(examples.len() >= 2, "{text}");
        for example in examples {
            let run = finish(Command::new("sh").args(["-c", example]).env("PATH", &path).stdin(Stdio::null()));
            assert_eq!((run.code, run.err.as_str()), (0, ""), "{example}");
            assert!(!run.out.is_empty(), "{example}");
        }
    }
}

#[test]
fn hostile_words_never_panic() {
    let deep = "(".repeat(100_000);
    let long = "x+".repeat(100_000) + "x";
    for words in [
        ["eval", deep.as_str(), "--at", "x=1"].as_slice(),
        &["eval", &deep[..1000], "--at", "x=1"],
        &["grad", &long, "--at", "x=1", "--interpret"],
        &["eval", "\0", "--at", "x=1"],
        &["eval", "x", "--at", "\u{202e}=1"],
        &["eval", "x", "--at", ",,,"],
        &["eval", "x", "--at", "=,="],
        &["eval", "x", "--wrt", "x", "--at", "x=1"],
        &["vjp", "x", "--weights", "=", "--at", "x=1"],
        &["vjp", "x", "--weights", "", "--at", "x=1"],
        &["jvp", "x", "--direction", "", "--at", "x=1"],
        &["derive", "x", "--order", "0"],
        &["derive", "x", "--order", "255"],
        &["trace", "3"],
        &["hessian", "3"],
        &["jacobian", "3, 4"],
        &["check", "x", "--at", "x=inf"],
        &["check", "x", "--at", "x=nan"],
        &["check", "x^2", "--at", "x=5e-324"],
        &["check", "x^2", "--at", "x=1.7976931348623157e308"],
    ] {
        // Words with a zero byte can't be passed at all.
        if words.iter().any(|word| word.contains('\0')) {
            continue;
        }
        let run = if words[1].len() > 50_000 {
            run_with_input(&[&[words[0], "-"], &words[2..]].concat(), words[1].as_bytes())
        } else {
            run(words)
        };
        assert!(matches!(run.code, 0..=2), "{:?}: {}", words[0], run.code);
        assert!(!run.err.contains("panicked"), "{:.80?}: {}", words, run.err);
    }
}

/// A program of numbers with loops inside is a program of numbers, whatever the command.
#[test]
fn loops_inside_are_no_arrays_outside() {
    let newton = "r = iterate r from 1 for k in 0..20 do r - (r^2 - (x*z)^2 - 1)/(2*r); r";
    let rows =
        ok(&["batch", newton, "--data", "examples/points.csv", "--what", "value,gradient,hessian", "--out", "-"]);
    let mut lines = rows.lines();
    assert_eq!(lines.next(), Some("value,d_x,d_z,d_x_x,d_x_z,d_z_z"));
    let points = std::fs::read_to_string("examples/points.csv").unwrap();
    for (line, point) in lines.zip(points.lines().skip(1)) {
        let [numbers, point] = [line, point].map(|line| line.split(',').map(|cell| cell.parse().unwrap()).collect());
        let (numbers, point): (Vec<f64>, Vec<f64>) = (numbers, point);
        let product = point[0] * point[1];
        let root = product.hypot(1.0);
        let expected = [root, point[1] * product / root, product / root + product / root.powi(3)];
        for (found, expected) in [numbers[0], numbers[1], numbers[4]].into_iter().zip(expected) {
            assert!((found - expected).abs() < 1e-12, "{line}");
        }
    }
    let while_loop = "iterate r from 1 while abs(r^2 - x) > 1e-12 do r - (r^2 - x)/(2*r)";
    let picture = ok(&["plot", while_loop, "--over", "x=1..4", "--derivatives", "0,1,2", "--out", "-"]);
    assert!(picture.starts_with("<svg"), "{picture}");
    let fitted = ok(&["fit", "y - sum[i in 0..3](b*x^i)", "--data", "examples/misra.csv", "--at", "b=1"]);
    assert!(fitted.contains("converged"), "{fitted}");
}

/// Arrays may stand beside the rows of a table and the axis of a picture; array results are a column or a curve an element.
#[test]
fn arrays_that_are_the_same_for_all_points() {
    let text = "data w[N]; param x, z; y[i] = w[i]*x^i*z; y";
    let rows = ok(&["batch", text, "--data", "examples/points.csv", "--data", "w=examples/vector.csv", "--out", "-"]);
    assert!(rows.starts_with("value[0],value[1],value[2],d_x[0],d_x[1],d_x[2],d_z[0],"), "{rows}");
    let wrt = ["batch", "x*sum[i](w[i]*z^i)", "--data", "examples/points.csv", "--args", "-", "--what", "hessian"];
    let run = run_with_input(&[&wrt[..], &["--wrt", "x,w", "--out", "-"]].concat(), b"{\"w\": [1, 2]}");
    assert!(
        run.out.starts_with("d_x_x,d_x_w[0],d_x_w[1],\"d_w_w[0, 0]\",\"d_w_w[0, 1]\",\"d_w_w[1, 1]\"\n"),
        "{}",
        run.out
    );

    let alone = wrong(&["batch", "x*w[0]", "--data", "examples/points.csv", "--out", "-"]);
    assert!(alone.contains("`w` is an array, and a row has numbers") && alone.contains("--args"), "{alone}");
    let second =
        wrong(&["batch", "x*z", "--data", "examples/points.csv", "--data", "examples/points.csv", "--out", "-"]);
    assert!(second.contains("there is a second table"), "{second}");

    let curve = "c + t*sum[i](w[i]*cos(x[i]*t))";
    let picture =
        ok(&["plot", curve, "--over", "t=-3..3", "--args", "examples/line.json", "--derivatives", "0,1", "--out", "-"]);
    assert!(picture.contains("f′(t)"), "{picture}");
    let two = ok(&["plot", "[sin(t), cos(t)]", "--over", "t=0..6", "--out", "-"]);
    assert!(two.contains("f[0](t)") && two.contains("f[1](t)"), "{two}");
}

/// The machine code of arrays and loops is shown like that of formulas.
#[test]
fn code_of_loops_is_shown() {
    let text = "param x[N]; sum[i](exp(x[i])^2)";
    let clif = ok(&["emit", text, "--size", "N=300", "--stage", "clif"]);
    let has_kernels = chainrule::wide::Width::best().is_some();
    let work = if has_kernels { "call_indirect" } else { "brif" };
    assert!(clif.starts_with("function %f(i64) -> i64") && clif.contains(work), "{clif}");
    let asm = ok(&["emit", text, "--size", "N=300", "--stage", "asm"]);
    assert!(asm.starts_with("; cranelift\n") && asm.contains("ret"), "{asm}");
    assert_eq!(asm.contains("\nkernel:\n"), has_kernels, "{asm}");
    assert!(asm.lines().count() < 2000, "a loop is a loop");
    let turns = "param a, b; iterate x from 1 for k in 0..1000 do cos(a*x) + b";
    let memory = ok(&["emit", turns, "--stage", "memory"]);
    assert!(!cfg!(feature = "jit") || memory.contains("16000  trajectory  1:13  iterate x from 1"), "{memory}");
    let bench = json(&["bench", turns, "--at", "a=0.5,b=0.1", "--format", "json"]);
    if bench["backend"] == "cranelift" {
        assert!(
            bench["memory"].as_array().is_some_and(|all| all.iter().any(|each| each["for"] == "trajectory")),
            "{bench}"
        );
    }
    let unbound = wrong(&["emit", text, "--stage", "asm"]);
    assert!(unbound.contains("--size N=…"), "{unbound}");
    let dot = ok(&["emit", text, "--size", "N=3", "--stage", "dot", "--graph", "reverse"]);
    assert!(dot.contains("label=\"loop\""), "{dot}");
}

/// `--explain` looks into loops: which turn doesn't matter, and what a branch that isn't taken computes isn't told.
#[test]
fn explanations_of_loops() {
    let kinks = "param x[3]; sum[i](abs(x[i])) + sum[i](if(x[i] > 0, sqrt(x[i]), 0))";
    let args = |json: &str, text: &str, command: &str| {
        let words = [command, text, "--args", "-", "--explain"];
        let run = run_with_input(&words, json.as_bytes());
        assert_eq!((run.code, run.err.as_str()), (0, ""), "{text}");
        run.out
    };
    let told = args("{\"x\": [1, 0, -4]}", kinks, "grad");
    assert!(told.contains("the point is at a kink of `abs`") && told.contains("abs(x[i])"), "{told}");
    assert!(!told.contains("is born"), "{told}");
    let told = args("{\"x\": [1, 2, -4]}", kinks, "grad");
    assert!(told.contains("The point hits no kink, and everything is finite."), "{told}");
    let told = args("{\"x\": [1, -2, 4]}", "param x[3]; sum[i](ln(x[i]))", "eval");
    assert!(told.contains("`value` is not finite: its NaN is born here") && told.contains("ln(-2.0) is NaN"), "{told}");
    let told = args("{\"x\": [1, 0, 4]}", "param x[3]; sum[i](sqrt(x[i]))", "grad");
    assert!(told.contains("in the derivative of this"), "{told}");
    let told = args("{\"x\": [1e308, 1e308, 1e308]}", "param x[3]; sum[i](x[i])", "eval");
    assert!(told.contains("a sum of finite numbers is too great"), "{told}");
}

/// A computation with arrays is drawn by its names.
#[test]
fn pictures_of_computations_with_arrays() {
    let text = "param W[H, D], b[H]; data x[D]; z[h] = tanh(b[h] + sum[d](W[h,d]*x[d])); loss = sum[h](z[h]^2); loss";
    let args = b"{\"W\": [[1, 0, 2], [0.5, -1, 1]], \"b\": [0, 1], \"x\": [0.25, -1, 2]}";
    let run = run_with_input(&["trace", text, "--args", "-", "--format", "svg"], args);
    assert_eq!((run.code, run.err.as_str()), (0, ""));
    for part in ["<svg", ">W<", ">2×3<", ">z<", ">loss<", ">[0.25, −1, 2]<", "−1 … 2", "← adjoint"] {
        assert!(run.out.contains(part), "{part}: {}", run.out);
    }
    assert_eq!(run.out.matches("marker-end").count(), 5, "W, b and x into z, z into loss, loss into the result");
}

/// The derivative of arrays and loops as a text, for sizes or arguments that have them.
#[test]
fn derivatives_of_arrays() {
    let words = ["derive", "param x[N]; sum[i](x[i]^2)/N", "--size", "N=4"];
    assert_eq!(ok(&words), "param x[4]\nd_x[i] = x[i]/2\n\nsizes: N = 4\n");
    let latex = ok(&["derive", "param x[N]; sum[i](x[i]^2*sum[j](x[j]))", "--size", "N=4", "--format", "latex"]);
    assert!(latex.contains("\\sum_{") && latex.contains("x_{i}"), "{latex}");
    let unknown = wrong(&["derive", "param x[N]; sum[i](x[i]^2)"]);
    assert!(unknown.contains("--size N=…"), "{unknown}");
    let second = ok(&["derive", "param x[N]; sum[i](x[i]^3)", "--size", "N=4", "--order", "2"]);
    assert!(second.contains("d_x_x[i, j] ="), "{second}");
    let third = wrong(&["derive", "param x[N]; sum[i](x[i]^3)", "--size", "N=4", "--order", "3"]);
    assert!(third.contains("by arrays the orders are 1 and 2"), "{third}");
    let json = ok(&["derive", "param x[N], c; c*sum[i](x[i]^3)", "--size", "N=4", "--format", "json"]);
    assert!(json.contains("\"x\":\"param x[4], c\\nd_x[i] = 3*c*x[i]^2\""), "{json}");
}

/// Every value of a recurrence has an adjoint, and a loop is drawn between what it takes and what takes it.
#[test]
fn recurrences_are_traced_and_drawn() {
    let trace = ok(&["trace", "param a; s[0] = a; s[i] = 2*s[i-1] for i in 1..4; s[3]", "--at", "a=3"]);
    assert!(trace.contains("24.0") && trace.contains("8.0"), "{trace}");
    let dot = ok(&["emit", "param x[N]; sum[i](x[i]^2)", "--size", "N=3", "--stage", "dot"]);
    let drawn: Vec<&str> = dot.lines().filter(|line| line.contains("->")).collect();
    let is_unnamed = (0..9).any(|number| dot.contains(&format!("label=\"%{number}\"")));
    assert!(!is_unnamed && drawn.iter().any(|line| line.ends_with("-> r0;")), "{dot}");
}
