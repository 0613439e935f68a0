//! Constants by the names that a person knows them by: `pi/4`, `ln(2)`, `1/sqrt(tau)`, `sqrt(3)/2`.
//!
//! A double is read as a simple fraction times one of these, or divided by it, if that is the same number up to one unit in the
//! last place. The fractions are few, so a double that is meant otherwise has a chance of 10^-11 to be one.

use std::f64::consts::{PI, TAU};

use super::dag::{Dag, Id, Node, Symbol};
use super::number::{self, Number, ONE};
use crate::math;
use crate::ops::Op;

/// Numerators and denominators beside a named constant.
const SIMPLE: i64 = 16;

impl Dag {
    /// The expression that a double stands for.
    pub fn constant(&mut self, value: f64) -> Id {
        if value.is_nan() {
            return self.intern(Node::Symbol(Symbol::NotANumber));
        }
        if value.is_infinite() {
            let infinity = self.intern(Node::Symbol(Symbol::Infinity));
            return if value < 0.0 { self.neg(infinity) } else { infinity };
        }
        let number = Number::read(value);
        if !matches!(number, Number::Float(_)) || !(1e-3..1e3).contains(&value.abs()) {
            return self.number(number);
        }
        self.named(value).unwrap_or_else(|| self.number(number))
    }

    fn named(&mut self, value: f64) -> Option<Id> {
        let symbols = [(PI, Symbol::Pi), (TAU, Symbol::Tau)];
        for (constant, symbol) in symbols {
            for (base, power) in [(constant, ONE), (constant.sqrt(), Number::Ratio(1, 2))] {
                if let Some((factor, sign)) = multiple(value, base, symbol == Symbol::Tau) {
                    let symbol = self.intern(Node::Symbol(symbol));
                    return Some(self.multiple_of(factor, symbol, power, sign));
                }
            }
        }
        for power in [2, 3] {
            if let Some((factor, sign)) = multiple(value, PI.powi(power), false) {
                let pi = self.intern(Node::Symbol(Symbol::Pi));
                return Some(self.multiple_of(factor, pi, Number::whole(i64::from(power)), sign));
            }
        }
        for base in [2, 3, 5, 6, 7, 10] {
            let root = f64::from(base).sqrt();
            for power in [1, 2, 3] {
                if let Some((factor, sign)) = multiple(value, math::ln(f64::from(base)).powi(power), false) {
                    let base = self.whole(i64::from(base));
                    let logarithm = self.call(Op::Ln, vec![base]);
                    return Some(self.multiple_of(factor, logarithm, Number::whole(i64::from(power)), sign));
                }
            }
            if let Some((factor, sign)) = multiple(value, root, false) {
                let base = self.whole(i64::from(base));
                return Some(self.multiple_of(factor, base, Number::Ratio(1, 2), sign));
            }
        }
        let (logarithm, exponential) = (math::ln(value.abs()).round(), math::exp(value).round());
        if math::exp(logarithm) == value {
            let exponent = self.whole(logarithm as i64);
            return Some(self.call(Op::Exp, vec![exponent]));
        }
        if value > 0.0 && exponential < 1e4 && math::ln(exponential) == value {
            let base = self.whole(exponential as i64);
            return Some(self.call(Op::Ln, vec![base]));
        }
        None
    }

    fn multiple_of(&mut self, factor: Number, constant: Id, power: Number, sign: i64) -> Id {
        let power = self.number(if sign < 0 { power.neg() } else { power });
        self.product(factor, vec![(constant, power)])
    }
}

/// `value` as a simple fraction times `constant` (sign 1) or divided by it (sign -1).
fn multiple(value: f64, constant: f64, once: bool) -> Option<(Number, i64)> {
    for (quotient, sign) in [(value / constant, 1), (value * constant, -1)] {
        let rounded = [quotient, quotient.next_up(), quotient.next_down()];
        let simple = rounded.into_iter().filter_map(simple).next();
        if let Some(factor) = simple.filter(|&factor| !once || factor.abs() == ONE) {
            return Some((factor, sign));
        }
    }
    None
}

fn simple(value: f64) -> Option<Number> {
    let number = match Number::read(value) {
        number @ Number::Ratio(..) => number,
        Number::Float(_) => number::simple_fraction(value)?,
    };
    match number {
        Number::Ratio(numerator, denominator) if numerator.abs() <= SIMPLE && denominator <= SIMPLE => Some(number),
        Number::Ratio(..) | Number::Float(_) => None,
    }
}
