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

/// How many operations the expansions of some operators of one argument have together.
fn operations_together(ops: &[Op]) -> usize {
    let mut builder = Builder::new("together");
    let x = builder.param("x", Type::F64);
    let results = ops.iter().map(|&op| Output { name: op.name().to_owned(), value: builder.unary(op, x) }).collect();
    math::expand(&builder.finish(results)).operations()
}

#[test]
fn functions_of_one_argument_share_their_work() {
    let pairs: [(&[Op], usize); 5] = [
        (&[Op::Sin, Op::Cos], 7),
        (&[Op::Sinh, Op::Cosh], 10),
        (&[Op::Exp, Op::Expm1], 13),
        (&[Op::Ln, Op::Log2, Op::Log10], 24),
        (&[Op::Softplus, Op::Sigmoid, Op::SigmoidSlope], 12),
    ];
    for (ops, more) in pairs {
        let (first, together) = (operations_together(&ops[..1]), operations_together(ops));
        assert!(together <= first + more, "{ops:?} have {together} operations, the first one {first}");
    }
}

#[test]
fn results_that_are_doubles_are_exact() {
    for k in -1074..1024 {
        let power = math::exp2(f64::from(k));
        assert_eq!((power, math::log2(power)), (chainrule::special::scale(1.0, f64::from(k)), f64::from(k)));
    }
    for k in 0..=22 {
        let power: f64 = format!("1e{k}").parse().expect("a number");
        assert_eq!((math::log10(power), math::pow(10.0, f64::from(k))), (f64::from(k), power));
    }
    for n in -200..=200 {
        let n = f64::from(n);
        assert_eq!(
            (math::cbrt(n * n * n), math::pow(n, 3.0), math::hypot(3.0 * n, 4.0 * n)),
            (n, n * n * n, 5.0 * n.abs())
        );
    }
}

#[test]
fn functions_rise_where_their_pieces_meet() {
    // Each list: where a function changes its method or its reduction. The neighbours of such places must not fall.
    type Pieces = (fn(f64) -> f64, Vec<f64>);
    let pieces: [Pieces; 8] = [
        (math::exp, (-1000..1000).map(|n| (f64::from(n) + 0.5) * std::f64::consts::LN_2).collect()),
        (math::expm1, (-8..1000).map(|n| (f64::from(n) + 0.5) * std::f64::consts::LN_2).collect()),
        (math::ln, (-1000..1000).map(|e| 1.5 * 2f64.powi(e)).collect()),
        (math::asin, vec![0.5, -0.5]),
        (math::atan, vec![0.41421356237309503, 2.414213562373095, -0.41421356237309503, -2.414213562373095]),
        (math::erf, vec![0.6, -0.6]),
        (math::sinh, (-1000..1000).map(|n| (f64::from(n) + 0.5) * std::f64::consts::LN_2).collect()),
        (math::logit, vec![0.25, 0.75]),
    ];
    for (index, (function, places)) in pieces.iter().enumerate() {
        for &place in places {
            let (below, above) = (place * (1.0 - 1e-13 * place.signum()), place * (1.0 + 1e-13 * place.signum()));
            let (low, middle, high) = (function(below), function(place), function(above));
            assert!(
                low <= middle && middle <= high,
                "function {index} falls at {place:e}: {low:e} {middle:e} {high:e}"
            );
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
