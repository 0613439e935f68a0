//! Constants by the names that a person knows them by: `pi/4`, `ln(2)`, `1/sqrt(tau)`, `sqrt(3)/2`.
//!
//! A double is read as a simple fraction times one of these, or divided by it, if that is the same number up to one unit in the
//! last place. The fractions are few, so a double that is meant otherwise has a chance of 10^-11 to be one.

use std::f64::consts::{PI, TAU};

use super::dag::{Dag, Id, Node, Symbol};
use super::number::{self, Number, ONE};
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
        const ROOTS: [(f64, Symbol); 2] = [(PI, Symbol::Pi), (TAU, Symbol::Tau)];
        for (constant, symbol) in ROOTS {
            if let Some((factor, power)) = multiple(value, constant, symbol == Symbol::Tau) {
                let symbol = self.intern(Node::Symbol(symbol));
                return Some(self.multiple_of(factor, symbol, power));
            }
        }
        for (constant, symbol) in ROOTS {
            if let Some((factor, power)) = multiple(value, constant.sqrt(), symbol == Symbol::Tau) {
                let symbol = self.intern(Node::Symbol(symbol));
                let root = self.call(Op::Sqrt, vec![symbol]);
                return Some(self.multiple_of(factor, root, power));
            }
        }
        for base in [2, 3, 5, 7, 10] {
            if let Some((factor, power)) = multiple(value, f64::from(base).ln(), false) {
                let base = self.whole(i64::from(base));
                let logarithm = self.call(Op::Ln, vec![base]);
                return Some(self.multiple_of(factor, logarithm, power));
            }
        }
        for base in [2, 3, 5, 6, 7, 10] {
            if let Some((factor, power)) = multiple(value, f64::from(base).sqrt(), false) {
                let base = self.whole(i64::from(base));
                let root = self.call(Op::Sqrt, vec![base]);
                return Some(self.multiple_of(factor, root, power));
            }
        }
        let (logarithm, exponential) = (value.abs().ln().round(), value.exp().round());
        if logarithm.exp() == value {
            let exponent = self.whole(logarithm as i64);
            return Some(self.call(Op::Exp, vec![exponent]));
        }
        if value > 0.0 && exponential < 1e4 && exponential.ln() == value {
            let base = self.whole(exponential as i64);
            return Some(self.call(Op::Ln, vec![base]));
        }
        None
    }

    fn multiple_of(&mut self, factor: Number, constant: Id, power: i64) -> Id {
        let power = self.whole(power);
        self.product(factor, vec![(constant, power)])
    }
}

/// `value` as a simple fraction times `constant` (power 1) or divided by it (power -1).
fn multiple(value: f64, constant: f64, once: bool) -> Option<(Number, i64)> {
    for (quotient, power) in [(value / constant, 1), (value * constant, -1)] {
        let rounded = [quotient, quotient.next_up(), quotient.next_down()];
        let simple = rounded.into_iter().filter_map(simple).next();
        if let Some(factor) = simple.filter(|&factor| !once || factor.abs() == ONE) {
            return Some((factor, power));
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
