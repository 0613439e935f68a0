//! The derivatives of every function of the operator table against references computed with mpmath: value, and all partial
//! derivatives to third order, by every composition of forward and reverse mode.

use std::collections::{BTreeMap, BTreeSet};

use chainrule::Mode;
use chainrule::interp::values;
use chainrule::ir::{Builder, Output, Val};
use chainrule::ops::{OPS, Op, Surface, Type};

use crate::references::{FUNCTIONS, KNOWN, Partial, Reference};
use crate::tower::{Tower, derivative};

/// Errors above this many units of 2^-53·(|D| + condition) need a reason here: function, order, units.
const USUAL: f64 = 8.0;
const ALLOWED: &[(&str, usize, f64)] = &[];

/// In units of 2^-53·(|D| + condition), with two concessions at the ends of the range of doubles. Where `D` or its
/// condition overflows, any number that isn't finite will do: infinities of both signs, or one and a 0, may meet on the way. Where a factor underflows to a subnormal number
/// it loses up to a place, which a derivative multiplies by up to |x|^order.
fn error(partial: &Partial, x: &[f64], computed: f64) -> f64 {
    let overflows = partial.expected.is_infinite() || partial.condition.is_infinite();
    if overflows && !computed.is_finite() {
        return 0.0;
    }
    let largest = x.iter().fold(1.0, |largest: f64, x| largest.max(x.abs())).min(1e5);
    let place = f64::from_bits(1) * largest.powi(partial.by.len() as i32);
    if (computed - partial.expected).abs() <= place { 0.0 } else { partial.error_in_units(computed) }
}

fn call(name: &str, arity: usize) -> Tower {
    let args: Vec<String> = (0..arity).map(|index| format!("x{index}")).collect();
    Tower::of(&format!("{name}({})", args.join(", ")), 3)
}

fn allowed(name: &str, order: usize) -> f64 {
    ALLOWED.iter().find(|row| (row.0, row.1) == (name, order)).map_or(USUAL, |row| row.2)
}

#[test]
fn derivatives_agree_with_mpmath() {
    let mut towers: BTreeMap<(String, usize), Tower> = BTreeMap::new();
    let mut worst: BTreeMap<(String, usize), (f64, String)> = BTreeMap::new();
    for line in FUNCTIONS.lines() {
        let reference = Reference::parse(line);
        let (name, x) = (&reference.function, &reference.x);
        let tower = towers.entry((name.clone(), x.len())).or_insert_with(|| call(name, x.len()));
        for (floor, computed) in tower.at(x) {
            let by = floor.sorted();
            let Some(partial) = reference.partials.iter().find(|partial| partial.by == by) else { continue };
            let units = error(partial, x, computed);
            let entry = worst.entry((name.clone(), by.len())).or_insert((0.0, String::new()));
            if units.is_nan() || units > entry.0 {
                let (modes, expected) = (&floor.modes, partial.expected);
                *entry = (units, format!("{by:?} {modes:?} at {x:?}: {computed:e}, should be {expected:e}"));
            }
        }
    }
    // Shown by `cargo test derivatives_agree -- --nocapture`.
    let mut wrong = Vec::new();
    for ((name, order), (units, place)) in &worst {
        let line = format!("{name:12} {order} {units:8.3} units, {place}");
        println!("{line}");
        // NaN is wrong too.
        if units.is_nan() || *units > allowed(name, *order) {
            wrong.push(line);
        }
    }
    assert!(wrong.is_empty(), "these derivatives lose digits:\n{}", wrong.join("\n"));
}

#[test]
fn derivatives_at_special_points_follow_the_conventions() {
    let mut wrong = Vec::new();
    for line in KNOWN.lines() {
        let reference = Reference::parse(line);
        let tower = call(&reference.function, reference.x.len());
        for (floor, computed) in tower.at(&reference.x) {
            let by = floor.sorted();
            let Some(partial) = reference.partials.iter().find(|partial| partial.by == by) else { continue };
            let exact = by.is_empty() && partial.expected.to_bits() != computed.to_bits() && !computed.is_nan();
            if exact || partial.error_in_units(computed).is_nan() || partial.error_in_units(computed) > 4.0 {
                let (name, x, modes, expected) = (&reference.function, &reference.x, &floor.modes, partial.expected);
                wrong.push(format!("{name} at {x:?} by {by:?} {modes:?} is {computed:e}, by convention {expected:e}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_function_has_references() {
    let named: BTreeSet<String> = FUNCTIONS.lines().map(|line| Reference::parse(line).function).collect();
    for row in OPS.iter().filter(|row| row.surface == Surface::Function) {
        // `stop` has its own tests: its derivative is 0 by definition.
        assert!(named.contains(row.name) || row.name == "stop", "{} has no reference", row.name);
    }
}

#[test]
fn rows_give_their_known_values() {
    for row in OPS {
        for (x, expected) in row.known {
            let mut builder = Builder::new("known");
            let params: Vec<Val> =
                row.args.iter().enumerate().map(|(index, &ty)| builder.param(&format!("x{index}"), ty)).collect();
            let value = builder.emit(row.op, &params);
            let func = builder.finish(vec![Output { name: String::new(), value }]);
            let computed = values(&func, x)[value.index()].as_f64();
            let same = computed.to_bits() == expected.to_bits() || (computed.is_nan() && expected.is_nan());
            assert!(same, "{} at {x:?} is {computed:?}, its row says {expected:?}", row.name);
        }
    }
}

/// Numbers at the ends of domains and of the doubles.
const EDGES: [f64; 20] = [
    0.0,
    -0.0,
    5e-324,
    -1e-310,
    1e-20,
    0.5,
    1.0,
    -1.0,
    1.5,
    2.0,
    -2.0,
    -3.5,
    40.0,
    -745.5,
    1e10,
    1e155,
    -1e300,
    f64::INFINITY,
    f64::NEG_INFINITY,
    f64::NAN,
];

#[test]
fn where_a_value_is_nan_so_are_its_derivatives() {
    let mut wrong = Vec::new();
    // Not of arithmetic, which is linear: in `ln(x) + z` the derivative by `z` stays 1.
    for row in OPS.iter().filter(|row| row.surface == Surface::Function && row.op != Op::Stop) {
        let arity = row.args.len();
        let mut builder = Builder::new(row.name);
        let params: Vec<Val> = (0..arity).map(|index| builder.param(&format!("x{index}"), Type::F64)).collect();
        let value = builder.emit(row.op, &params);
        let mut slopes = Vec::new();
        for (index, &param) in params.iter().enumerate() {
            for mode in [Mode::Forward, Mode::Reverse] {
                // What is zero by structure is zero everywhere.
                slopes.extend(derivative(&mut builder, value, param, mode).map(|slope| (index, mode, slope)));
            }
        }
        let roots = slopes.iter().map(|&(_, _, slope)| slope).chain([value]);
        let func = builder.finish(roots.map(|value| Output { name: String::new(), value }).collect());
        for place in 0..EDGES.len().pow(arity as u32) {
            let x: Vec<f64> = (0..arity as u32).map(|k| EDGES[place / EDGES.len().pow(k) % EDGES.len()]).collect();
            let values = values(&func, &x);
            let number = |val: Val| values[val.index()].as_f64();
            for &(index, mode, slope) in slopes.iter().filter(|_| number(value).is_nan()) {
                if !number(slope).is_nan() {
                    wrong.push(format!("{} at {x:?} by {index} {mode:?} is {:?}", row.name, number(slope)));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} of them:\n{}", wrong.len(), wrong.join("\n"));
}
