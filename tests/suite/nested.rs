//! Arrays on the command line: files and JSON in, nested lists out, and what is wrong with them.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use chainrule::Array;
use chainrule::data::array::read;
use serde_json::{Value, json};

/// A directory of a test's own, gone at its end.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Place {
        Place(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn with(self, name: &str, bytes: impl AsRef<[u8]>) -> Place {
        fs::write(self.path(name), bytes).unwrap();
        self
    }

    fn run(&self, words: &[&str]) -> (i32, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_chainrule"));
        command.args(words).current_dir(self.0.path()).env_remove("CLICOLOR_FORCE").stdin(Stdio::null());
        let output = command.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().expect("no signal"), text(output.stdout), text(output.stderr))
    }

    #[track_caller]
    fn ok(&self, words: &[&str]) -> String {
        let (code, out, err) = self.run(words);
        assert_eq!((code, err.as_str()), (0, ""), "{words:?}\n{out}");
        out
    }

    #[track_caller]
    fn json(&self, words: &[&str]) -> Value {
        serde_json::from_str(&self.ok(&[words, &["--format", "json"]].concat())).unwrap()
    }

    #[track_caller]
    fn wrong(&self, words: &[&str]) -> String {
        let (code, out, err) = self.run(words);
        assert_eq!((code, out.as_str()), (2, ""), "{words:?}: {err}");
        assert!(err.starts_with("error: ") && !err.contains("panicked"), "{words:?}: {err}");
        err
    }
}

/// An NPY file of version 1.
fn npy(descr: &str, fortran: bool, shape: &str, body: &[u8]) -> Vec<u8> {
    let fortran = if fortran { "True" } else { "False" };
    let mut header = format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}");
    while (10 + header.len() + 1) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    let len = u16::try_from(header.len()).unwrap().to_le_bytes();
    [b"\x93NUMPY\x01\x00".as_slice(), &len, header.as_bytes(), body].concat()
}

fn doubles(numbers: &[f64]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

const NET: &str = "param W[H, D], b[H], c\ndata x[N, D]\ny = c*sum[n, h](b[h]*sum[d](W[h,d]*x[n,d]))";

fn net() -> Place {
    Place::new()
        .with("net.txt", NET)
        .with("net.json", r#"{"W": [[1, 2], [3, 4], [5, 6]], "b": [1, -1, 2], "x": [[1, 0.5], [-1, 2]]}"#)
}

#[test]
fn derivatives_are_nested_like_their_arguments() {
    let place = net();
    let base = ["--file", "net.txt", "--args", "net.json", "--at", "c=2"];
    let run = |command: &str, more: &[&str]| place.json(&[&[command], base.as_slice(), more].concat());
    // With X the sums of the columns of x, (0, 2.5): c*Σ_h b_h (W X)_h, where W X = (5, 10, 15).
    let (value, b, c) = (50.0, json!([10.0, 20.0, 30.0]), 25.0);
    let w = json!([[0.0, 5.0], [-0.0, -5.0], [0.0, 10.0]]);
    assert_eq!(run("eval", &[]), json!({"value": value}));
    let gradient = json!({"value": value, "gradient": {"W": w, "b": b, "c": c}});
    for way in [["--mode", "reverse"].as_slice(), &["--mode", "forward"], &["--interpret"]] {
        let answer = run("grad", way);
        let flat = |value: &Value| value.to_string().replace("-0.0", "0.0");
        assert_eq!(flat(&answer), flat(&gradient), "{way:?}");
    }
    assert_eq!(run("grad", &["--wrt", "c,b"]), json!({"value": value, "gradient": {"c": c, "b": b}}));
    assert_eq!(run("jacobian", &["--wrt", "b"]), json!({"value": value, "jacobian": {"b": b}}));
    let hessian = run("hessian", &["--wrt", "b,c"]);
    let zeros = json!([[0.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]);
    let half = json!([5.0, 10.0, 15.0]);
    assert_eq!(hessian["hessian"], json!({"b": {"b": zeros, "c": half}, "c": {"b": half, "c": 0.0}}));
    assert_eq!(hessian["gradient"], json!({"b": b, "c": c}));
}

#[test]
fn of_several_results_the_results_come_first() {
    let place = Place::new()
        .with("x.csv", "1\n2\n3\n")
        .with("v.json", r#"{"x": [1, 0, -1]}"#)
        .with("w.json", r#"{"y": [1, 10, 100]}"#);
    let text = "param x[N], a; y[i] = a*x[i]^2; y, sum[i](x[i])";
    let base = [text, "--data", "x=x.csv", "--at", "a=2"];
    let run = |command: &str, more: &[&str]| place.json(&[&[command], base.as_slice(), more].concat());
    let y = json!([2.0, 8.0, 18.0]);
    assert_eq!(run("eval", &[]), json!({"value": [y, 6.0]}));
    assert_eq!(
        run("jacobian", &[]),
        json!({"value": [y, 6.0], "jacobian": {
            "x": [[[4.0, 0.0, 0.0], [0.0, 8.0, 0.0], [0.0, 0.0, 12.0]], [1.0, 1.0, 1.0]],
            "a": [[1.0, 4.0, 9.0], 0.0],
        }})
    );
    let tangent = json!([[4.0, 0.0, -12.0], 0.0]);
    assert_eq!(run("jvp", &["--direction-args", "v.json"]), json!({"value": [y, 6.0], "tangent": tangent}));
    let with_a = run("jvp", &["--direction-args", "v.json", "--direction", "a=1"]);
    assert_eq!(with_a["tangent"], json!([[5.0, 4.0, -3.0], 0.0]));
    let adjoint = run("vjp", &["--weights-args", "w.json", "--weights", "y1=1000"]);
    assert_eq!(adjoint["adjoint"], json!({"x": [1004.0, 1080.0, 2200.0], "a": 941.0}));
    let named = ["vjp", "param x[N]; y[i] = x[i]^2; y", "--data", "x=x.csv", "--weights-args", "w.json"];
    assert_eq!(place.json(&named)["adjoint"], json!({"x": [2.0, 40.0, 600.0]}));
    let named = ["vjp", "param x[N]; s = sum[i](x[i]^2); s", "--data", "x=x.csv", "--weights"];
    for weights in ["10", "s=10"] {
        let answer = place.json(&[named.as_slice(), &[weights]].concat());
        assert_eq!(answer["adjoint"], json!({"x": [20.0, 40.0, 60.0]}), "{weights}");
    }
    let one = place.json(&["jacobian", "param x[N]; [x[i]*x[0] for i]", "--data", "x=x.csv"]);
    assert_eq!(one["jacobian"]["x"], json!([[2.0, 0.0, 0.0], [2.0, 1.0, 0.0], [3.0, 0.0, 1.0]]));
}

#[test]
fn arrays_as_text_are_short() {
    let place = net();
    let text = place.ok(&["grad", "--file", "net.txt", "--args", "net.json", "--at", "c=2", "--wrt", "c,b,x"]);
    let expected = "\
value  50.0
d/dc   25.0
d/db   [10.0, 20.0, 30.0]
d/dx   2 × 2
       [0]  [16.0, 20.0]
       [1]  [16.0, 20.0]

sizes: H = 3, D = 2, N = 2
";
    assert_eq!(text, expected);
    let long = place.ok(&["eval", "index n; [i + j for i in 0..n, j in 0..100]", "--at", "n=40"]);
    assert!(
        long.starts_with("value  40 × 100\n       [0]   [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, …, 98.0, 99.0] (100)\n"),
        "{long}"
    );
    assert!(long.contains("\n       …\n") && long.contains("[39]") && !long.contains("[20]"), "{long}");
    assert!(long.lines().count() < 20);
}

#[test]
fn arrays_come_from_files() {
    let c = npy("<f8", false, "(2, 3)", &doubles(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]));
    let place = Place::new()
        .with("c.npy", &c)
        .with("fortran.npy", npy("<f8", true, "(2, 3)", &doubles(&[1.0, 4.0, 2.0, 5.0, 3.0, 6.0])))
        .with(
            "big.npy",
            npy(">f4", false, "(2, 3)", &[1.0_f32, 2.0, 3.0, 4.0, 5.0, 6.0].map(f32::to_be_bytes).concat()),
        )
        .with("bytes.npy", npy("|u1", false, "(2, 3)", &[1, 2, 3, 4, 5, 6]))
        .with("header.csv", "a,b,c\n1,2,3\n4,5,6\n")
        .with("plain.csv", "1,2,3\r\n\r\n4,\"5\",6")
        .with("tabs.tsv", "1\t2\t3\n4\t5\t 6 \n");
    let expected = Array::new(&[2, 3], vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    for name in ["c.npy", "fortran.npy", "big.npy", "bytes.npy", "header.csv", "plain.csv", "tabs.tsv"] {
        assert_eq!(read(&place.path(name), "x").unwrap(), expected, "{name}");
        let sum = place.ok(&["eval", "sum[i,j](10^i*x[i,j])", "--data", &format!("x={name}")]);
        assert_eq!(sum, "value  156.0\n", "{name}");
    }
    for (text, shape) in [("()", vec![]), ("(1,)", vec![1]), ("(1, 1, 1)", vec![1, 1, 1])] {
        let place = Place::new().with("x.npy", npy("<f8", false, text, &doubles(&[7.0])));
        assert_eq!(read(&place.path("x.npy"), "x").unwrap(), Array::new(&shape, vec![7.0]));
    }

    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, shape, numbers) in [("x", "(2,)", [1.0, 2.0]), ("y", "(2, 1)", [3.0, 4.0])] {
        use std::io::Write;
        archive.start_file(format!("{name}.npy"), zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(&npy("<f8", false, shape, &doubles(&numbers))).unwrap();
    }
    let place = place.with("all.npz", archive.finish().unwrap().into_inner());
    assert_eq!(place.ok(&["eval", "sum[i](x[i]*y[i,0])", "--data", "all.npz"]), "value  11.0\n");
    assert_eq!(place.ok(&["eval", "sum[i](x[i])", "--data", "x=all.npz"]), "value  3.0\n");
    assert!(place.wrong(&["eval", "z[0]", "--data", "z=all.npz"]).contains("no array `z`; it has `x`, `y`"));
    // A single column is a list where the formula has a list.
    let place = place.with("line.csv", "t\n1\n2\n").with("one.csv", "5\n");
    assert_eq!(
        place.ok(&["eval", "x[0] + 10*x[1] + s", "--data", "x=line.csv", "--data", "s=one.csv"]),
        "value  26.0\n"
    );
}

#[test]
fn what_is_wrong_with_files_is_told_with_its_place() {
    let place = Place::new()
        .with("ragged.csv", "1,2\n3\n")
        .with("words.csv", "a,b\n1,two\n")
        .with("half.csv", "a,1\n1,2\n")
        .with("gap.csv", "1,2\n3,\n")
        .with("short.npy", npy("<f8", false, "(3,)", &doubles(&[1.0, 2.0])))
        .with("vast.npy", npy("<f8", false, "(4294967296, 4294967296, 4294967296)", &[]))
        .with("huge.npy", npy("<f8", false, "(1152921504606846976, 2)", &[]))
        .with("text.npy", npy("<U5", false, "(1,)", &[0; 20]))
        .with("no.npy", "no")
        .with("ragged.json", r#"{"x": [[1, 2], [3]]}"#)
        .with("text.json", r#"{"x": [[1, "2"]]}"#)
        .with("null.json", r#"{"x": null}"#)
        .with("list.json", "[1, 2]")
        .with("broken.json", "{\"x\": [1,\n 2");
    let cases: &[(&str, &str, &str)] = &[
        ("--data", "x=ragged.csv", "`ragged.csv` has 1 cell in line 2, and 2 before"),
        ("--data", "x=words.csv", "`words.csv`, line 2, column 2 (`x`): `two` is not a number"),
        ("--data", "x=half.csv", "`half.csv`, line 1, column 1 (`x`): `a` is not a number"),
        ("--data", "x=gap.csv", "`gap.csv`, line 2, column 2 (`x`): the cell is empty"),
        ("--data", "x=short.npy", "ends early: 24 bytes of numbers are announced, 16 are there"),
        ("--data", "x=huge.npy", "impossible shape"),
        ("--data", "x=vast.npy", "impossible shape"),
        ("--data", "x=text.npy", "numbers of type <U5"),
        ("--data", "x=no.npy", "is no NPY file"),
        ("--data", "x=nothing.npy", "no such file"),
        ("--data", "x=x.txt", "format of `x.txt` is unknown"),
        ("--data", "x.npy", "name the argument: --data x=points.npy"),
        ("--args", "ragged.json", "ragged.json: `x[1]` has 1 element, and the lists before it have 2"),
        ("--args", "text.json", "text.json: `x[0][1]` is the text \"2\""),
        ("--args", "null.json", "null.json: `x` is `null`"),
        ("--args", "list.json", "an object of arguments by name"),
        ("--args", "broken.json", "line 2 column 2"),
        ("--args", "nothing.json", "no such file"),
        ("--at", "x=1", "`x` is an array of 2 dimensions in the formula, and a number is given"),
        ("--size", "N=2.5", "the size `N` is 2.5; it must be a whole number"),
        ("--size", "N=-1", "the size `N` is -1; it must be a whole number"),
    ];
    for (option, value, part) in cases {
        let text = "param x[N, K]; sum[i,j](x[i,j])";
        let message = place.wrong(&["eval", text, option, value]);
        assert!(message.contains(part), "{option} {value}: {part}\n{message}");
    }
    let twice = place.wrong(&["eval", "x", "--at", "x=1", "--data", "x=one.csv", "--args", "null.json"]);
    assert!(twice.contains("`x` is `null`"));
    let twice = Place::new().with("a.json", r#"{"x": 2}"#);
    assert!(twice.wrong(&["eval", "x", "--at", "x=1", "--args", "a.json"]).contains("`x` is given twice"));
    assert!(place.wrong(&["derive", "sum[i](x[i]^2)"]).contains("pass the array"));
    assert!(place.wrong(&["emit", "param x[N]; x[0]", "--size", "M=1"]).contains("`M` is not a size of the formula"));
    assert!(place.wrong(&["emit", "param x[N]; x[0]"]).contains("`N` is not known"));
    assert!(place.wrong(&["grad", "[x, x^2]", "--at", "x=1"]).contains("jacobian"));
}

#[test]
fn a_formula_with_arrays_is_checked_traced_and_timed() {
    let place = net();
    let base = ["--file", "net.txt", "--args", "net.json", "--at", "c=2"];
    let run = |command: &str, more: &[&str]| place.json(&[&[command], base.as_slice(), more].concat());
    let check = run("check", &[]);
    assert_eq!(check["agrees"], true);
    let names: Vec<&str> =
        check["derivatives"].as_array().unwrap().iter().map(|row| row["argument"].as_str().unwrap()).collect();
    assert_eq!(names, ["W[0, 0]", "W[0, 1]", "W[1, 0]", "W[1, 1]", "W[2, 0]", "W[2, 1]", "b[0]", "b[1]", "b[2]", "c"]);
    assert!(check["derivatives"].as_array().unwrap().iter().all(|row| row["difference"].is_number()));
    // Of long arrays some elements, and a constant isn't moved.
    let long = "param x[N]; sum[i](stop(x[i])*x[i]*cos(x[N-1-i]))";
    let place = place.with("long.csv", (1..=500).map(|i| format!("{}\n", f64::from(i) / 100.0)).collect::<String>());
    let check = place.json(&["check", long, "--data", "x=long.csv"]);
    assert_eq!((check["agrees"].clone(), check["derivatives"].as_array().unwrap().len()), (json!(true), 10));
    // A kink has no difference to compare with.
    let place = place.with("kink.json", r#"{"y": [0, 1]}"#);
    let kink = place.json(&["check", "y[1]*y[0] + abs(y[0])", "--args", "kink.json"]);
    assert_eq!((&kink["agrees"], &kink["derivatives"][0]["difference"]), (&json!(true), &Value::Null));
    assert!(kink["derivatives"][1]["difference"].is_number());
    assert!(place.ok(&["check", long, "--data", "x=long.csv"]).contains("d/dx[499]"));
}

#[test]
fn names_with_their_adjoints() {
    let place = Place::new().with("x.json", r#"{"x": [0.5, -1.5, 2]}"#);
    let words = ["trace", "param x[N], a; y[i] = a*x[i]^2; s = sum[i](y[i]); 10*s", "--args", "x.json", "--at", "a=2"];
    let trace = place.json(&words);
    let step = |name: &str, value: Value, adjoint: Value| (json!(name), value, adjoint);
    let steps: Vec<_> = trace["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| (step["name"].clone(), step["value"].clone(), step["adjoint"].clone()))
        .collect();
    assert_eq!(
        steps,
        [
            step("x", json!([0.5, -1.5, 2.0]), json!([20.0, -60.0, 80.0])),
            step("a", json!(2.0), json!(65.0)),
            step("y", json!([0.5, 4.5, 8.0]), json!([10.0, 10.0, 10.0])),
            step("s", json!(13.0), json!(10.0)),
        ]
    );
    assert!(place.ok(&words).contains("y            [0.5, 4.5, 8.0]\n  adjoint ↑  [10.0, 10.0, 10.0]\n"));
}

#[test]
fn sizes_are_enough_for_the_graph_and_for_the_clock() {
    let place = Place::new();
    let text = "param x[N], a; a*sum[i](x[i]^2)";
    let graph = place.ok(&["emit", text, "--size", "N=1000", "--stage", "reverse"]);
    assert!(graph.contains("%x: f64[1000]"), "{graph}");
    let func = chainrule::ir::parse::parse(&graph).expect("the text form reads back");
    assert_eq!(func.to_string(), graph);
    let bench = place.json(&["bench", text, "--size", "N=1000"]);
    assert_eq!(bench["sizes"], json!({"N": 1000}));
    for key in ["compile_us", "value_ns", "call_ns", "interpreter_ns"] {
        assert!(bench[key].as_f64().unwrap() > 0.0, "{key}");
    }
    assert!(bench["workspace_bytes"].is_number() && bench["parts_us"]["lower"].is_number());
}

#[test]
fn a_matrix_without_rows_is_an_empty_list() {
    let place = Place::new().with("x.json", r#"{"x": []}"#).with("both.json", r#"{"x": [], "w": [1, 2, 3]}"#);
    let three = "param x[N, 3]; sum[n,d]((n+1)*x[n,d]^2)";
    let none = json!({"value": 0.0, "gradient": {"x": []}});
    assert_eq!(place.json(&["grad", three, "--args", "x.json"]), none);
    let open = "param x[N, D]; sum[d in 0..D](D)*exp(sum[n,d](x[n,d]))";
    assert_eq!(place.json(&["grad", open, "--args", "x.json", "--size", "D=4"])["value"], 16.0);
    let other = "param x[N, D]; data w[D]; sum[d](w[d])*exp(sum[n,d](x[n,d]))";
    assert_eq!(place.json(&["grad", other, "--args", "both.json"])["value"], 6.0);
    let (code, _, err) = place.run(&["grad", open, "--args", "x.json"]);
    assert_eq!(code, 2);
    assert!(err.contains("`x` is an empty list, which doesn't tell how long its rows are"), "{err}");
}

#[test]
fn of_several_results_the_jacobian_is_timed() {
    let place = Place::new();
    for words in [&["bench", "param x[N]; [x[i]^2 for i]", "--size", "N=3"][..], &["bench", "x^2, x*z"]] {
        let bench = place.json(words);
        assert_eq!(bench["derivatives"], "jacobian", "{words:?}");
        assert!(bench["call_ns"].as_f64().unwrap() > 0.0 && bench["compile_us"].as_f64().unwrap() > 0.0, "{words:?}");
        assert!(place.ok(words).contains("call for value and jacobian"), "{words:?}");
    }
}
