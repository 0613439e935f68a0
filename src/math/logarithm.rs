//! Logarithms.
//!
//! ```text
//! x = 2^e·(1 + f),  1 + f from √½ to √2, so that e = 0 around 1;  s = f/(2 + f)
//! ln x = e·ln 2 + f - (f²/2 - s·(f²/2 + s²·LN(s²)))
//! ```
//!
//! As in fdlibm. A polynomial in `f` would need no division, but three times the terms: where a division takes as long as ten
//! multiply-adds, nothing is won by it, and where it takes as long as two or three, as on recent processors, a sixth of the time is lost.

use std::f64::consts::{LOG2_E, LOG10_E, SQRT_2};

use super::exponential::{LN2_HIGH, LN2_LOW};
use super::polynomial::polynomial;
use super::{Number, TO_WHOLE};

/// `(ln((1 + s)/(1 - s)) - 2s)/s³`, z = s² up to (√2 - 1)⁴; error 2^-58.
const LN: [f64; 7] = [
    0.6666666666666734,
    0.39999999999414676,
    0.28571428742397925,
    0.22222198571409488,
    0.18183564452360645,
    0.1531404649288996,
    0.14795998209168126,
];

/// `x = 2^e·(1 + f)` with `1 + f` from √½ to √2, both exact.
pub struct Split<V> {
    pub e: V,
    pub f: V,
}

/// Splits a positive number. Of 0 and infinity, `e` is -inf and inf and `f` is 0; of a negative number, `f` is finite.
#[inline(always)]
pub fn split<V: Number>(x: V) -> Split<V> {
    let m = x.significand();
    // 0 below √2, 1 from there on.
    let upper = m.fma(x.constant(1.5 / SQRT_2), x.constant(TO_WHOLE - 1.0)) - TO_WHOLE;
    let half = upper.fma(x.constant(-0.5), x.constant(1.0));
    Split { e: x.exponent() + upper, f: m.fma(half, x.constant(-1.0)) }
}

/// `ln(1 + f) - f`.
#[inline(always)]
fn bend<V: Number>(f: V) -> V {
    let s = f / (f + 2.0);
    let z = s * s;
    let half_square = (f * 0.5) * f;
    s.fma(z.fma(polynomial(z, &LN), half_square), -half_square)
}

/// `y`, or NaN where `x` is negative.
#[inline(always)]
fn of_positive<V: Number>(x: V, y: V) -> V {
    V::select(x.less(x.constant(0.0)), x.constant(f64::NAN), y)
}

/// The natural logarithm. Error <= 1 ulp.
#[inline(always)]
pub fn ln<V: Number>(x: V) -> V {
    let Split { e, f } = split(x);
    // Where e is -1 or 1 and cancels, the last sum is exact.
    let rest = e.fma(x.constant(LN2_LOW), bend(f));
    of_positive(x, e.fma(x.constant(LN2_HIGH), f + rest))
}

/// `ln(1 + f)/ln(base)` in two parts, the second one small; `[high, low]` is `1/ln(base)`.
#[inline(always)]
fn to_base<V: Number>(f: V, [high, low]: [f64; 2]) -> (V, V) {
    let y = f * high;
    let rounded_off = f.fma(f.constant(high), -y);
    let low = f.fma(f.constant(low), rounded_off);
    (y, bend(f).fma(f.constant(high), low))
}

/// The logarithm to base 2, exact for powers of 2. Error <= 2 ulp.
#[inline(always)]
pub fn log2<V: Number>(x: V) -> V {
    let Split { e, f } = split(x);
    let (y, rest) = to_base(f, [LOG2_E, 2.0355273740931033e-17]);
    of_positive(x, e + (y + rest))
}

/// log10 2 in two parts; the first has 42 bits.
const LOG10_2_HIGH: f64 = 0.30102999566395283;
const LOG10_2_LOW: f64 = 2.8363394551044964e-14;

/// The logarithm to base 10, exact for powers of 10. Error <= 2 ulp.
#[inline(always)]
pub fn log10<V: Number>(x: V) -> V {
    let Split { e, f } = split(x);
    let (y, rest) = to_base(f, [LOG10_E, 1.098319650216765e-17]);
    let rest = e.fma(x.constant(LOG10_2_LOW), rest);
    of_positive(x, e.fma(x.constant(LOG10_2_HIGH), y + rest))
}

/// `ln(u + low) + k·ln 2` for `u >= 0` and a `low` below its last place.
#[inline(always)]
pub fn ln_of_sum<V: Number>(u: V, low: V, k: V) -> V {
    let Split { e, f } = split(u);
    // low/(1 + f) by three terms of its series; nothing at 0 and infinity.
    let scaled = V::select(e.abs().less(u.constant(1100.0)), low.scale(-e), u.constant(0.0));
    let relative = scaled * f.fma(f - 1.0, u.constant(1.0));
    let e = e + k;
    let rest = e.fma(u.constant(LN2_LOW), bend(f) + relative);
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
    let Split { e, f } = split(u);
    let relative = (x - (u - 1.0)).scale(-e) * f.fma(f - 1.0, u.constant(1.0));
    let rest = e.fma(u.constant(LN2_LOW), bend(f) + relative);
    e.fma(u.constant(LN2_HIGH), f + rest)
}

/// `x·ln(y)`, and 0 where `x = 0` and `y` is not NaN: entropy's convention. Error <= 2 ulp.
#[inline(always)]
pub fn xlogy<V: Number>(x: V, y: V) -> V {
    let zero = x.constant(0.0);
    V::select(x.equals(zero) & y.equals(y), zero, x * ln(y))
}
