//! The elementary functions: accurate, complete, and the same bits written out as in one piece.

use std::collections::BTreeMap;

use chainrule::interp::{self, Value};
use chainrule::ir::{Builder, Func, Output, Val};
use chainrule::math;
use chainrule::ops::{OPS, Op, Row, Type};
use proptest::prelude::*;

use crate::random::{Random, SPECIAL};

const REFERENCES: &str = include_str!("../references/elementary.txt");

/// The largest error that each function is allowed, in units in the last place.
const ALLOWED: &[(&str, f64)] = &[("exp", 1.0), ("ln", 1.0), ("sin", 1.0), ("cos", 1.0)];

fn number(text: &str) -> f64 {
    f64::from_bits(u64::from_str_radix(text, 16).expect("the bits of a double"))
}

fn apply(op: Op, x: &[f64]) -> f64 {
    let operands: Vec<Value> = x.iter().map(|&x| Value::F64(x)).collect();
    interp::apply(op, &operands).expect("only integer arithmetic has no result").as_f64()
}

/// The error of a value against the correctly rounded one and what rounding took from it, in units in the last place.
fn error(value: f64, nearest: f64, rest: f64) -> f64 {
    if value == nearest {
        return rest.abs();
    }
    // Scaled, so that the unit of a subnormal number is normal.
    let scale = if nearest.abs() < 1.0 { 2f64.powi(500) } else { 2f64.powi(-60) };
    let exponent = chainrule::special::exponent(nearest).max(-1022.0);
    let unit = chainrule::special::scale(scale, exponent - 52.0);
    ((value * scale - nearest * scale) / unit - rest).abs()
}

/// The largest error of each function, and where.
fn worst_errors(references: &str) -> BTreeMap<&str, (f64, Vec<f64>)> {
    let mut worst = BTreeMap::new();
    let mut row: Option<&Row> = None;
    for line in references.lines() {
        let fields: Vec<&str> = line.split(' ').collect();
        let [args @ .., nearest, rest] = fields.as_slice() else {
            row = Op::by_name(line).map(Op::row);
            continue;
        };
        let row = row.expect("a name comes first");
        let x: Vec<f64> = args.iter().map(|text| number(text)).collect();
        let rest = rest.parse::<f64>().expect("hundredths") / 100.0;
        let found = error(apply(row.op, &x), number(nearest), rest);
        let entry = worst.entry(row.name).or_insert((0.0, Vec::new()));
        // NaN counts as worst.
        if found.is_nan() || found > entry.0 {
            *entry = (found, x);
        }
    }
    worst
}

#[test]
fn errors_stay_below_what_is_promised() {
    let worst = worst_errors(REFERENCES);
    for (name, allowed) in ALLOWED {
        let (found, x) = worst.get(name).unwrap_or_else(|| panic!("no reference for {name}"));
        assert!(found <= allowed, "{name} is wrong by {found:.2} ulp at {x:?}, allowed are {allowed}");
    }
}

/// `cargo test --test suite table_of_worst_errors -- --ignored --nocapture`; other references by `ELEMENTARY=file`.
#[test]
#[ignore = "prints a table"]
fn table_of_worst_errors() {
    let references = std::env::var("ELEMENTARY").map(|path| std::fs::read_to_string(path).expect("a file"));
    for (name, (error, x)) in worst_errors(references.as_deref().unwrap_or(REFERENCES)) {
        println!("{name:14} {error:6.3} ulp at {x:?}");
    }
    for row in OPS {
        let func = one_operator(row);
        let expanded = math::expand(&func);
        if expanded != func {
            println!("{:14} {:3} operations", row.name, expanded.operations());
        }
    }
}

/// A function that is one operator.
fn one_operator(row: &Row) -> Func {
    let mut builder = Builder::new(row.name);
    let args: Vec<Val> =
        row.args.iter().enumerate().map(|(index, &ty)| builder.param(&format!("x{index}"), ty)).collect();
    let value = builder.emit(row.op, &args);
    builder.finish(vec![Output { name: String::new(), value }])
}

/// The operators that have an expansion, written out.
fn expansions() -> Vec<(Op, Func)> {
    let unary = OPS.iter().filter(|row| row.args.iter().all(|&ty| ty == Type::F64));
    let both = unary.map(|row| (row.op, one_operator(row)));
    both.map(|(op, func)| (op, math::expand(&func), func))
        .filter(|(_, a, b)| a != b)
        .map(|(op, a, _)| (op, a))
        .collect()
}

fn assert_same_bits(op: Op, expanded: &Func, x: &[f64]) {
    let mut found = [0.0];
    interp::eval(expanded, x, &mut found).expect("no integers");
    let expected = apply(op, x);
    let same = expected.to_bits() == found[0].to_bits() || (expected.is_nan() && found[0].is_nan());
    assert!(same, "{} at {x:?} is {expected:e}, written out {:e}", op.name(), found[0]);
}

#[test]
fn expansions_give_the_same_bits_at_special_and_reference_points() {
    let expansions = expansions();
    for (op, expanded) in &expansions {
        for a in SPECIAL {
            for b in SPECIAL {
                assert_same_bits(*op, expanded, &[a, b][..op.row().args.len()]);
            }
        }
    }
    let mut current = None;
    for line in REFERENCES.lines() {
        let fields: Vec<&str> = line.split(' ').collect();
        match fields.as_slice() {
            [args @ .., _, _] => {
                if let Some((op, expanded)) = current {
                    let x: Vec<f64> = args.iter().map(|text| number(text)).collect();
                    assert_same_bits(op, expanded, &x);
                }
            }
            _ => current = expansions.iter().find(|(op, _)| op.name() == line).map(|(op, func)| (*op, func)),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn expansions_give_the_same_bits(a in any::<u64>(), b in any::<u64>(), seed in any::<u64>()) {
        thread_local!(static EXPANSIONS: Vec<(Op, Func)> = expansions());
        let mut random = Random(seed | 1);
        EXPANSIONS.with(|expansions| {
            for (op, expanded) in expansions {
                let arity = op.row().args.len();
                assert_same_bits(*op, expanded, &[f64::from_bits(a), f64::from_bits(b)][..arity]);
                assert_same_bits(*op, expanded, &[random.number(), random.number()][..arity]);
            }
        });
    }
}
