//! The caller limits the work of a call.

use chainrule::error::{FormulaError, Problem};
use chainrule::syntax::Limits;
use chainrule::{Array, Error, Program};

/// The loop that is named when a program is refused, and the number of turns; nothing if it runs.
fn refused(source: &str, n: i64, k: &[i64], work: u64) -> Option<(String, f64)> {
    let limits = Limits { work, ..Limits::default() };
    let program = Program::parse_with("formula", source, &limits).unwrap_or_else(|error| panic!("{error}"));
    let numbers: Vec<f64> = k.iter().map(|&k| k as f64).collect();
    let (k, x) = (Array::new(&[k.len()], numbers), Array::new(&[3], vec![0.5, 0.25, 2.0]));
    let known = |name: &str| program.arguments().iter().any(|argument| argument.name == name);
    let mut call = program.value().by_name();
    if known("n") {
        call = call.with("n", n as f64);
    }
    if known("k") {
        call = call.with("k", &k);
    }
    if known("x") {
        call = call.with("x", &x);
    }
    match call.run() {
        Ok(_) => None,
        Err(Error::Formula(error)) => {
            let FormulaError { problems, .. } = &*error;
            let [Problem::TooManyTurns { at, turns, limit }] = problems.as_slice() else { panic!("{error}") };
            assert_eq!(*limit, work);
            Some((at.text(source).to_owned(), *turns))
        }
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn the_turns_of_a_call_are_limited() {
    let largest = 1 << 53;
    for (source, n, k, named, turns) in [
        ("sum[i in 0..10^15](1)", 0, &[][..], "sum[i in 0..10^15](1)", 1e15),
        ("[1 for i in 0..10^6][0]", 0, &[], "[1 for i in 0..10^6]", 1e6),
        ("index n; sum[i in 0..n](sum[j in 0..n](i*j*1.0))", largest, &[], "sum[j in 0..n](i*j*1.0)", 2f64.powi(106)),
        ("index n; sum[i in 0..n](sum[j in i..2*n](i*j*1.0))", 1000, &[], "sum[j in i..2*n](i*j*1.0)", 2_001_000.0),
        ("index k[3]; sum[i in 0..3](sum[j in 0..k[i]](1.0))", 0, &[1, 2, 5000], "sum[j in 0..k[i]](1.0)", 15_003.0),
        ("param x[3]; sum[j in 0..floor(1000*x[1])](1.0)", 0, &[], "sum[j in 0..floor(1000*x[1])](1.0)", 2000.0),
        ("param x[3]; sum[j in 0..floor(exp(x[1]))](1.0)", 0, &[], "sum[j in 0..floor(exp(x[1]))](1.0)", f64::INFINITY),
        ("index n; iterate y from 1 for k in 0..n do y/2", 2000, &[], "iterate y from 1 for k in 0..n do y/2", 2000.0),
        // What overflows is 0, and so may be the first turn.
        ("index n; sum[i in n*n*n*n..n](1.0)", largest, &[], "sum[i in n*n*n*n..n](1.0)", 2f64.powi(53)),
    ] {
        assert_eq!(refused(source, n, k, 1000), Some((named.to_owned(), turns)));
    }
}

#[test]
fn what_is_within_the_limit_runs() {
    for (source, n, k) in [
        ("index n; sum[i in 0..n](sum[j in 0..n](i*j*1.0))", 30, &[][..]),
        ("index k[3]; sum[i in 0..3](sum[j in 0..k[i]](1.0))", 0, &[1, 2, 300]),
        ("index n; sum[i in 0..mod(n, 7)](sum[j in 0..max(div(n, 2), 3)](1.0))", 200, &[]),
        ("index n; sum[i in 0..10](sum[j in n..0](1.0))", 1 << 40, &[]),
        ("param x[3]; sum[i](x[i])", 0, &[]),
    ] {
        assert_eq!(refused(source, n, k, 1000), None, "{source}");
    }
}

/// Derivatives make turns, too.
#[test]
fn derivatives_are_limited() {
    let limits = Limits { work: 150, ..Limits::default() };
    let source = "param x[N]; h[0] = x[0]; h[t] = tanh(h[t-1]*x[t]) for t in 1..N; h[N-1]";
    let program = Program::parse_with("formula", source, &limits).unwrap();
    let x = Array::new(&[100], vec![0.5; 100]);
    assert!(program.value().with("x", &x).run().is_ok());
    let error = program.gradient().with("x", &x).run().unwrap_err();
    assert!(error.to_string().contains("150 are allowed"), "{error}");
}
