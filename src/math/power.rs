//! Powers.
//!
//! ```text
//! |x| = 2^e·m,  s = (m - 1)/(m + 1)
//! ln |x| = e·ln 2 + 2s + s³·(2/3 + s²·ATANH(s²))        as the sum of two doubles, relative error 2^-65
//! x^y = exp(y·ln |x|), with the sign of an odd power
//! ```
//!
//! As in fdlibm's and SLEEF's `pow`, but without tables; products are made exact by `fma`, sums by keeping what they round off.

use super::Number;
use super::exponential::{LN2_HIGH, LN2_LOW, OVERFLOW, UNDERFLOW, reduce, tail};
use super::logarithm::{Split, split};
use super::polynomial::polynomial;

/// `(2·atanh(s)/s - 2 - 2z/3)/z²`, z = s² up to 1/25; error 2^-65 of the logarithm.
const ATANH: [f64; 9] = [
    0.4,
    0.28571428571427593,
    0.22222222222568513,
    0.18181818125665147,
    0.1538462044999836,
    0.1333305838350239,
    0.11773891738473055,
    0.1034199906669478,
    0.11538814672726039,
];

const TWO_THIRDS: [f64; 2] = [0.6666666666666666, 3.700743415417188e-17];

/// A number as the sum of two doubles, the second one small.
#[derive(Clone, Copy)]
struct Double<V> {
    high: V,
    low: V,
}

impl<V: Number> Double<V> {
    /// `a + b + low`, where `a` is 0 or at least as large as `b`.
    #[inline(always)]
    fn sum(a: V, b: V, low: V) -> Double<V> {
        let high = a + b;
        Double { high, low: (b - (high - a)) + low }
    }

    #[inline(always)]
    fn times(self, other: Double<V>) -> Double<V> {
        let high = self.high * other.high;
        let low = self.high.fma(other.high, -high);
        Double { high, low: self.high.fma(other.low, self.low.fma(other.high, low)) }
    }
}

/// The logarithm of a positive number; at 0 and infinity `high` is infinite and `low` NaN.
#[inline(always)]
fn ln<V: Number>(x: V) -> Double<V> {
    let Split { e, f, .. } = split(x);
    let below = Double::sum(x.constant(2.0), f, x.constant(-0.0));
    let inverse = x.constant(1.0) / below.high;
    let s = f * inverse;
    let missing = below.low.fma(-s, below.high.fma(-s, f));
    let s = Double { high: s, low: missing * inverse };
    let z = s.times(s);
    let [two_thirds, rest] = TWO_THIRDS.map(|part| x.constant(part));
    let slope = Double::sum(two_thirds, z.high.fma(polynomial(z.high, &ATANH), rest), x.constant(-0.0));
    let curved = s.times(z).times(slope);
    let straight = Double::sum(e * LN2_HIGH, s.high + s.high, e.fma(x.constant(LN2_LOW), s.low + s.low));
    Double::sum(straight.high, curved.high, straight.low + curved.low)
}

/// `x^y`. Error <= 1 ulp. By the conventions of C: 1 for `y = 0` and for `x = 1`, NaN for a negative finite `x` and a `y` that is not whole.
#[inline(always)]
pub fn pow<V: Number>(x: V, y: V) -> V {
    let [zero, one] = [0.0, 1.0].map(|value| x.constant(value));
    let log = ln(x.abs());
    // Where the logarithm is 0 the power is 1, even if y is infinite or NaN.
    let exponent = V::select(log.high.equals(zero), zero, y);
    let product = exponent * log.high;
    let rounded_off = exponent.fma(log.low, exponent.fma(log.high, -product));
    // An infinite product has no remainder.
    let rest = V::select(product.abs().less(x.constant(800.0)), rounded_off, zero);
    let reduced = reduce(product.at_most(OVERFLOW).at_least(UNDERFLOW));
    let r = Double::sum(reduced.r, reduced.low + rest, x.constant(-0.0));
    let sum = Double::sum(one, r.high, r.low);
    let size = (sum.high + (r.high * r.high).fma(tail(r.high), sum.low)).scale(reduced.n);

    let half = y * 0.5;
    let is_whole = y.rint().equals(y);
    let is_even = half.rint().equals(half);
    let is_negative = one.copysign(x).less(zero);
    let odd = V::select(is_negative, -size, size);
    let power = V::select(is_even, size, odd);
    let is_undefined = x.less(zero) & x.constant(f64::NEG_INFINITY).less(x);
    let fractional = V::select(is_undefined, x.constant(f64::NAN), size);
    V::select(y.equals(zero), one, V::select(is_whole, power, fractional))
}
