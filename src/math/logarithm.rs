//! Logarithms.
//!
//! ```text
//! x = 2^e·(1 + f),  1 + f from 3/4 to 3/2, so that e = 0 around 1;  s = f/(2 + f)
//! ln x = e·ln 2 + f - (f²/2 - s·(f²/2 + s²·LN(s²)))
//! ```
//!
//! As in fdlibm. A polynomial in `f` would need no division, but three times the terms: where a division takes as long as ten
//! multiply-adds, nothing is won by it, and where it takes as long as two or three, as on recent processors, a sixth of the time is lost.

use std::f64::consts::{LOG2_E, LOG10_E};

use super::Number;
use super::exponential::{LN2_HIGH, LN2_LOW};
use super::polynomial::polynomial;

/// `(ln((1 + s)/(1 - s)) - 2s)/s³`, z = s² up to 1/25; error 2^-61.
const LN: [f64; 8] = [
    0.666666666666666,
    0.4000000000005593,
    0.2857142855600776,
    0.22222224276300656,
    0.18181667075991315,
    0.15391072987652357,
    0.13174250646078006,
    0.13838651598420051,
];

/// `|x| = 2^e·m` with `m` from 3/4 to 3/2, and `m - 1`, all exact.
pub struct Split<V> {
    pub e: V,
    pub m: V,
    pub f: V,
}

/// Splits a number. Of 0 and infinity, `e` is -inf and inf and `m` is 1.
#[inline(always)]
pub fn split<V: Number>(x: V) -> Split<V> {
    let m = x.significand();
    let [zero, one] = [0.0, 1.0].map(|value| x.constant(value));
    // The exponent is that of a significand from 1 to 2.
    let upper = V::select(m.less(one), one, zero);
    Split { e: x.exponent() + upper, m, f: m - 1.0 }
}

impl<V: Number> Split<V> {
    /// `ln m - f + more`, where `more` is small.
    #[inline(always)]
    fn bend(&self, more: impl FnOnce(V) -> V) -> V {
        let (m, f) = (self.m, self.f);
        // 2 + f, a step earlier.
        let s = f / (m + 1.0);
        let z = s * s;
        let half_square = (f * 0.5) * f;
        s.fma(z.fma(polynomial(z, &LN), half_square), more(-half_square))
    }
}

/// `y`, or NaN where `x` is negative.
#[inline(always)]
fn of_positive<V: Number>(x: V, y: V) -> V {
    V::select(x.less(x.constant(0.0)), x.constant(f64::NAN), y)
}

/// The natural logarithm. Error <= 1 ulp.
#[inline(always)]
pub fn ln<V: Number>(x: V) -> V {
    let split = split(x);
    // Where e is -1 or 1 and cancels, the last sum is exact.
    let rest = split.bend(|bend| split.e.fma(x.constant(LN2_LOW), bend));
    of_positive(x, split.e.fma(x.constant(LN2_HIGH), split.f + rest))
}

/// `ln(m)/ln(base)` in two parts, the second one small; `[high, low]` is `1/ln(base)`.
#[inline(always)]
fn to_base<V: Number>(split: &Split<V>, [high, low]: [f64; 2]) -> (V, V) {
    let f = split.f;
    let y = f * high;
    let rounded_off = f.fma(f.constant(high), -y);
    let low = f.fma(f.constant(low), rounded_off);
    (y, split.bend(|bend| bend).fma(f.constant(high), low))
}

/// The logarithm to base 2, exact for powers of 2. Error <= 2 ulp.
#[inline(always)]
pub fn log2<V: Number>(x: V) -> V {
    let split = split(x);
    let (y, rest) = to_base(&split, [LOG2_E, 2.0355273740931033e-17]);
    of_positive(x, split.e + (y + rest))
}

/// log10 2 in two parts; the first has 42 bits.
const LOG10_2_HIGH: f64 = 0.30102999566395283;
const LOG10_2_LOW: f64 = 2.8363394551044964e-14;

/// The logarithm to base 10, exact for powers of 10. Error <= 2 ulp.
#[inline(always)]
pub fn log10<V: Number>(x: V) -> V {
    let split = split(x);
    let (y, rest) = to_base(&split, [LOG10_E, 1.098319650216765e-17]);
    let rest = split.e.fma(x.constant(LOG10_2_LOW), rest);
    of_positive(x, split.e.fma(x.constant(LOG10_2_HIGH), y + rest))
}

/// `ln(u + low) + k·ln 2` for `u >= 0` and a `low` below its last place.
#[inline(always)]
pub fn ln_of_sum<V: Number>(u: V, low: V, k: V) -> V {
    let split = split(u);
    let Split { e, f, .. } = split;
    // low/(1 + f) by three terms of its series; nothing at 0 and infinity.
    let scaled = V::select(e.abs().less(u.constant(1100.0)), low.scale(-e), u.constant(0.0));
    let relative = scaled * f.fma(f - 1.0, u.constant(1.0));
    let e = e + k;
    let rest = split.bend(|bend| e.fma(u.constant(LN2_LOW), bend + relative));
    e.fma(u.constant(LN2_HIGH), f + rest)
}

/// `ln(1 + x) + k·ln 2` for `x >= -1`, the small logarithms with all digits.
#[inline(always)]
pub fn log1p_of_positive<V: Number>(x: V, k: V) -> V {
    let u = x + 1.0;
    ln_of_sum(u, x - (u - 1.0), k)
}

/// `ln(1 + x)`. Error <= 2 ulp.
#[inline(always)]
pub fn log1p<V: Number>(x: V) -> V {
    of_positive(x + 1.0, log1p_of_positive(x, x.constant(0.0))).copysign(x)
}

/// `ln(1 + x)` for `x` from 0 to 1.
#[inline(always)]
pub fn log1p_of_fraction<V: Number>(x: V) -> V {
    let u = x + 1.0;
    let split = split(u);
    let Split { e, f, .. } = split;
    let relative = (x - (u - 1.0)).scale(-e) * f.fma(f - 1.0, u.constant(1.0));
    let rest = split.bend(|bend| e.fma(u.constant(LN2_LOW), bend + relative));
    e.fma(u.constant(LN2_HIGH), f + rest)
}

/// `x·ln(y)`, and 0 where `x = 0` and `y` is not NaN: entropy's convention. Error <= 2 ulp.
#[inline(always)]
pub fn xlogy<V: Number>(x: V, y: V) -> V {
    let zero = x.constant(0.0);
    V::select(x.equals(zero) & y.equals(y), zero, x * ln(y))
}
