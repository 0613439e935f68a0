//! The meaning of the operators (`chainrule::math` and `chainrule::special`) against references computed with mpmath.

use std::collections::BTreeMap;

use chainrule::{math as m, special as s};

use crate::references::{FUNCTIONS, KNOWN, Reference, SPECIAL};

/// The operators' functions by name, and the error each is allowed, in units of 2^-53·(|value| + condition).
/// Near twice what was measured, so that a lost digit can't hide.
type Meaning = (&'static str, fn(&[f64]) -> f64, f64);

const MEANINGS: &[Meaning] = &[
    ("exp", |x| m::exp(x[0]), 2.0),
    ("expm1", |x| m::expm1(x[0]), 2.0),
    ("exp2", |x| m::exp2(x[0]), 2.0),
    ("ln", |x| m::ln(x[0]), 2.0),
    ("log", log, 4.0),
    ("log2", |x| m::log2(x[0]), 2.0),
    ("log10", |x| m::log10(x[0]), 3.0),
    ("log1p", |x| m::log1p(x[0]), 2.0),
    ("sqrt", |x| x[0].sqrt(), 1.0),
    ("cbrt", |x| m::cbrt(x[0]), 2.0),
    ("pow", |x| m::pow(x[0], x[1]), 2.0),
    ("hypot", |x| m::hypot(x[0], x[1]), 2.0),
    ("sin", |x| m::sin(x[0]), 2.0),
    ("cos", |x| m::cos(x[0]), 2.0),
    ("tan", |x| m::tan(x[0]), 2.0),
    ("asin", |x| m::asin(x[0]), 2.0),
    ("acos", |x| m::acos(x[0]), 2.0),
    ("atan", |x| m::atan(x[0]), 2.0),
    ("atan2", |x| m::atan2(x[0], x[1]), 2.0),
    ("sinh", |x| m::sinh(x[0]), 3.0),
    ("cosh", |x| m::cosh(x[0]), 3.0),
    ("tanh", |x| m::tanh(x[0]), 3.0),
    ("asinh", |x| m::asinh(x[0]), 3.0),
    ("acosh", |x| m::acosh(x[0]), 3.0),
    ("atanh", |x| m::atanh(x[0]), 3.0),
    ("sinc", |x| m::sinc(x[0]), 3.0),
    ("abs", |x| x[0].abs(), 0.0),
    ("sign", |x| s::sign(x[0]), 0.0),
    ("min", |x| x[1..].iter().fold(x[0], |a, b| s::min(a, *b)), 0.0),
    ("max", |x| x[1..].iter().fold(x[0], |a, b| s::max(a, *b)), 0.0),
    ("floor", |x| x[0].floor(), 0.0),
    ("ceil", |x| x[0].ceil(), 0.0),
    ("round", |x| s::round_half_away(x[0]), 0.0),
    ("trunc", |x| x[0].trunc(), 0.0),
    ("mod", |x| s::mod_floor(x[0], x[1]), 1.0),
    ("div", |x| s::div_floor(x[0], x[1]), 1.0),
    ("clamp", |x| s::clamp(x[0], x[1], x[2]), 0.0),
    ("erf", |x| m::erf(x[0]), 2.0),
    ("erfc", |x| m::erfc(x[0]), 2.0),
    ("gamma", |x| s::gamma(x[0]), 4.0),
    ("lgamma", |x| s::lgamma(x[0]), 4.0),
    ("digamma", |x| s::digamma(x[0]), 3.0),
    ("polygamma", |x| s::polygamma(x[0], x[1]), 6.0),
    ("sigmoid", |x| m::sigmoid(x[0]), 3.0),
    ("sigmoid_slope", |x| m::sigmoid_slope(x[0]), 5.0),
    ("softplus", |x| m::softplus(x[0]), 3.0),
    ("relu", |x| s::relu(x[0]), 0.0),
    ("leaky_relu", |x| s::leaky_relu(x[0], x[1]), 1.0),
    ("silu", |x| m::silu(x[0]), 4.0),
    ("gelu", |x| s::gelu(x[0]), 4.0),
    ("step", |x| s::step(x[0]), 0.0),
    ("logit", |x| m::logit(x[0]), 4.0),
    ("xlogy", |x| m::xlogy(x[0], x[1]), 3.0),
    ("unit", |x| s::unit(x[0], x[1]), 3.0),
    ("sinc_n", |x| s::sinc_n(x[0], x[1]), 5.0),
    ("xlog_pow", |x| s::xlog_pow(x[0], x[1], x[2]), 4.0),
    ("powi", |x| s::powi(x[0], x[1] as i64), 2.0),
];

fn log(x: &[f64]) -> f64 {
    match x {
        [x] => m::ln(*x),
        [x, base, ..] => s::log_base(*x, *base),
        [] => unreachable!("log has an argument"),
    }
}

#[test]
fn values_agree_with_mpmath() {
    let mut worst: BTreeMap<&str, (f64, String)> = BTreeMap::new();
    for line in FUNCTIONS.lines().chain(SPECIAL.lines()) {
        let reference = Reference::parse(line);
        let (name, meaning, _) = meaning_of(&reference);
        let units = reference.value().error_in_units(meaning(&reference.x));
        let entry = worst.entry(name).or_insert((0.0, String::new()));
        // NaN counts as worst.
        if units.is_nan() || units > entry.0 {
            *entry = (units, format!("{:?}", reference.x));
        }
    }
    // Shown by `cargo test values_agree -- --nocapture`.
    for (name, (units, x)) in &worst {
        println!("{name:14} {units:8.3} units at {x}");
    }
    for (name, _, allowed) in MEANINGS {
        let (units, x) = worst.get(name).unwrap_or_else(|| panic!("no reference for {name}"));
        assert!(units <= allowed, "{name} is wrong by {units:.3} units at {x}, allowed are {allowed}");
    }
}

#[test]
fn values_at_special_points_follow_the_conventions() {
    for line in KNOWN.lines() {
        let reference = Reference::parse(line);
        let (name, meaning, _) = meaning_of(&reference);
        let (value, expected) = (meaning(&reference.x), reference.value().expected);
        let same = value.to_bits() == expected.to_bits() || (value.is_nan() && expected.is_nan());
        assert!(same, "{name} at {:?} is {value:?}, by convention {expected:?}", reference.x);
    }
}

#[test]
fn every_function_takes_every_input() {
    // In debug builds an overflow of an index or a conversion would panic; an unbounded loop would not end.
    const INPUTS: [f64; 24] = [
        0.0,
        -0.0,
        5e-324,
        -1e-310,
        1e-20,
        -0.5,
        0.75,
        1.0,
        -1.0,
        1.5,
        2.0,
        -3.0,
        40.0,
        171.0,
        -745.5,
        65_537.0,
        1e10,
        -1e17,
        1e155,
        1e300,
        f64::MAX,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::NAN,
    ];
    for (_, meaning, _) in MEANINGS {
        for a in INPUTS {
            for b in INPUTS {
                for c in [0.0, 1.0, 7.0, f64::MAX, f64::NAN] {
                    // A function takes as many as it needs.
                    std::hint::black_box(meaning(&[a, b, c][..]));
                }
            }
        }
    }
}

fn meaning_of(reference: &Reference) -> Meaning {
    *MEANINGS
        .iter()
        .find(|(name, ..)| *name == reference.function)
        .unwrap_or_else(|| panic!("no function for the reference {}", reference.function))
}
