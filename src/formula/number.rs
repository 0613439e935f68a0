//! Numbers as a person keeps them: `1/3` and `0.1` are fractions, not the doubles nearest to them.
//!
//! A double is read as the fraction that it was rounded from, where that is plain: `0.1` is 1/10, `0.3333333333333333` is 1/3.
//! So `3*(0.1*x)` becomes `0.3*x`, and `x^3/6` has the derivative `x^2/2`. What rounding errors have moved
//! by a unit in the last place is read as what it was: `0.6000000000000001` is 3/5. What has no such fraction stays a
//! double, and arithmetic on it rounds.

use crate::ir::Bits;

/// Whole numbers up to here are doubles.
const EXACT: i128 = 1 << 53;
/// Digits of a decimal fraction that is meant as such, and of one that rounding errors have come near to.
const SHORT: usize = 12;
const VERY_SHORT: usize = 6;
/// Denominators that a person would write as such.
const PLAIN: i64 = 1000;

/// A finite number: a fraction in lowest terms with a positive denominator, or a double.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Number {
    Ratio(i64, i64),
    Float(Bits),
}

pub const ZERO: Number = Number::Ratio(0, 1);
pub const ONE: Number = Number::Ratio(1, 1);
pub const MINUS_ONE: Number = Number::Ratio(-1, 1);

impl Number {
    pub fn whole(value: i64) -> Number {
        Number::Ratio(value, 1)
    }

    /// The number that a finite double stands for.
    pub fn read(value: f64) -> Number {
        if value.trunc() == value && value.abs() < EXACT as f64 {
            return Number::whole(value as i64);
        }
        let (up, down) = (value.next_up(), value.next_down());
        decimal(value, SHORT)
            .or_else(|| simple_fraction(value))
            .or_else(|| {
                [up, down, up.next_up(), down.next_down()].into_iter().find_map(|near| decimal(near, VERY_SHORT))
            })
            .or_else(|| [up, down].into_iter().find_map(simple_fraction))
            .unwrap_or(float(value))
    }

    pub fn value(self) -> f64 {
        match self {
            Number::Ratio(numerator, denominator) => numerator as f64 / denominator as f64,
            Number::Float(bits) => bits.value(),
        }
    }

    /// The value as a whole number.
    pub fn as_whole(self) -> Option<i64> {
        match self {
            Number::Ratio(value, 1) => Some(value),
            Number::Ratio(..) | Number::Float(_) => None,
        }
    }

    pub fn is_negative(self) -> bool {
        self.value() < 0.0
    }

    pub fn neg(self) -> Number {
        match self {
            Number::Ratio(numerator, denominator) => {
                ratio(-i128::from(numerator), i128::from(denominator)).unwrap_or(float(-self.value()))
            }
            Number::Float(bits) => float(-bits.value()),
        }
    }

    pub fn abs(self) -> Number {
        if self.is_negative() { self.neg() } else { self }
    }

    pub fn add(self, other: Number) -> Option<Number> {
        if let (Number::Ratio(a, b), Number::Ratio(c, d)) = (self, other) {
            let [a, b, c, d] = [a, b, c, d].map(i128::from);
            if let Some(sum) = ratio(a * d + c * b, b * d) {
                return Some(sum);
            }
        }
        finite(self.value() + other.value())
    }

    /// The product, unless it leaves the doubles.
    pub fn mul(self, other: Number) -> Option<Number> {
        if let (Number::Ratio(a, b), Number::Ratio(c, d)) = (self, other) {
            let [a, b, c, d] = [a, b, c, d].map(i128::from);
            if let Some(product) = ratio(a * c, b * d) {
                return Some(product);
            }
        }
        finite(self.value() * other.value()).filter(|product| *product != ZERO || self == ZERO || other == ZERO)
    }

    /// The power with a whole exponent, unless it leaves the doubles.
    pub fn pow(self, exponent: i64) -> Option<Number> {
        if self == ZERO && exponent <= 0 || exponent.unsigned_abs() > 64 {
            return None;
        }
        let base = if exponent < 0 { self.reciprocal()? } else { self };
        (0..exponent.unsigned_abs()).try_fold(ONE, |power, _| power.mul(base))
    }

    fn reciprocal(self) -> Option<Number> {
        match self {
            Number::Ratio(0, _) => None,
            Number::Ratio(numerator, denominator) => ratio(i128::from(denominator), i128::from(numerator)),
            Number::Float(bits) => finite(1.0 / bits.value()),
        }
    }

    /// The text of a numerator and a denominator, of which the second may be missing; for a number that isn't negative.
    pub fn text(self) -> (String, Option<String>) {
        match self {
            Number::Ratio(numerator, 1) => (numerator.to_string(), None),
            Number::Ratio(numerator, denominator) if reads_better_as_fraction(numerator, denominator) => {
                (numerator.to_string(), Some(denominator.to_string()))
            }
            Number::Ratio(..) | Number::Float(_) => (shortest(self.value()), None),
        }
    }
}

/// `1/2` and `2/3`, but `1.5`, `0.1` and `0.35`.
fn reads_better_as_fraction(numerator: i64, denominator: i64) -> bool {
    if denominator > PLAIN {
        return false;
    }
    let power_of_two = denominator & (denominator - 1) == 0;
    let text = shortest(numerator as f64 / denominator as f64);
    text.len() > 5 || (power_of_two && numerator == 1)
}

/// The shortest text that reads back to the same double.
fn shortest(value: f64) -> String {
    let (plain, scientific) = (format!("{value}"), format!("{value:e}"));
    if plain.len() <= scientific.len() + 3 { plain } else { scientific }
}

/// The decimal fraction with few digits that a double is.
fn decimal(value: f64, most_digits: usize) -> Option<Number> {
    let text = format!("{:e}", value.abs());
    let (digits, exponent) = text.split_once('e')?;
    let places = digits.len().saturating_sub(2) as i32 - exponent.parse::<i32>().ok()?;
    let digits = digits.replace('.', "");
    if digits.len() > most_digits || !(0..=15).contains(&places) {
        return None;
    }
    let numerator: i128 = digits.parse().ok()?;
    ratio(numerator * value.signum() as i128, 10_i128.pow(places as u32))
}

fn ratio(numerator: i128, denominator: i128) -> Option<Number> {
    let divisor = gcd(numerator.unsigned_abs(), denominator.unsigned_abs()) as i128 * denominator.signum();
    let (numerator, denominator) = (numerator / divisor, denominator / divisor);
    let fits = denominator <= EXACT && (numerator.abs() <= EXACT || denominator == 1);
    fits.then_some(())?;
    Some(Number::Ratio(i64::try_from(numerator).ok()?, i64::try_from(denominator).ok()?))
}

fn gcd(mut a: u128, mut b: u128) -> u128 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

fn float(value: f64) -> Number {
    Number::Float(Bits::new(value))
}

fn finite(value: f64) -> Option<Number> {
    value.is_finite().then(|| Number::read(value))
}

/// The fraction with a plain denominator that rounds to a double, by continued fractions.
pub fn simple_fraction(value: f64) -> Option<Number> {
    let (mut before, mut now) = ((0_i64, 1_i64), (1_i64, 0_i64));
    let mut rest = value;
    for _ in 0..20 {
        let whole = rest.floor();
        if whole.abs() > 1e6 {
            return None;
        }
        let next = (whole as i64 * now.0 + before.0, whole as i64 * now.1 + before.1);
        if next.1 > PLAIN || next.0.abs() > 1_000_000 {
            return None;
        }
        if next.1 > 0 && next.0 as f64 / next.1 as f64 == value {
            return ratio(i128::from(next.0), i128::from(next.1));
        }
        (before, now) = (now, next);
        rest = 1.0 / (rest - whole);
    }
    None
}
