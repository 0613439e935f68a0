//! Logarithms.
//!
//! ```text
//! x = 2^e·(1 + f),  1 + f from √½ to √2, so that e = 0 around 1
//! ln x = e·ln 2 + f + f²·LN(f)
//! ```
//!
//! A polynomial of degree 21 costs no division; the usual odd one in `f/(2 + f)` has half the terms, but a division blocks its unit for
//! as long as 16 to 32 multiply-adds, and formulas with logarithms divide by their arguments as soon as they are differentiated.

use std::f64::consts::{LOG2_E, LOG10_E, SQRT_2};

use super::exponential::{LN2_HIGH, LN2_LOW};
use super::polynomial::polynomial;
use super::{Number, TO_WHOLE};

/// `(ln(1 + f) - f)/f²` for `1 + f` from √½ to √2; error 2^-56 of ln(1 + f).
const LN: [f64; 20] = [
    -0.5,
    0.3333333333333314,
    -0.24999999999987985,
    0.20000000000066456,
    -0.16666666669823618,
    0.1428571428011289,
    -0.12499999691646047,
    0.11111111146403342,
    -0.10000015197295344,
    0.09090923961538562,
    -0.08332913766667148,
    0.07691529362577576,
    -0.0714943603883507,
    0.06684592734959478,
    -0.0619671122208965,
    0.0566836990190777,
    -0.05677606303750407,
    0.06503410884453463,
    -0.05982131375109973,
    0.026155355569857416,
];

/// `x = 2^e·(1 + f)` with `1 + f` from √½ to √2, both exact.
pub struct Split<V> {
    pub e: V,
    pub f: V,
}

/// Splits a positive number. Of 0 and infinity, `e` is -inf and inf and `f` is 0; of a negative number, `f` is finite.
pub fn split<V: Number>(x: V) -> Split<V> {
    let m = x.significand();
    // 0 below √2, 1 from there on.
    let upper = m.fma(x.constant(1.5 / SQRT_2), x.constant(TO_WHOLE - 1.0)) - TO_WHOLE;
    let half = upper.fma(x.constant(-0.5), x.constant(1.0));
    Split { e: x.exponent() + upper, f: m.fma(half, x.constant(-1.0)) }
}

/// `(ln(1 + f) - f)/f²`.
fn curved<V: Number>(f: V) -> V {
    polynomial(f, &LN)
}

/// `y`, or NaN where `x` is negative.
fn of_positive<V: Number>(x: V, y: V) -> V {
    V::select(x.less(x.constant(0.0)), x.constant(f64::NAN), y)
}

/// The natural logarithm. Error <= 1 ulp.
pub fn ln<V: Number>(x: V) -> V {
    let Split { e, f } = split(x);
    // Where e is -1 or 1 and cancels, the last sum is exact.
    let rest = (f * f).fma(curved(f), e * LN2_LOW);
    of_positive(x, e.fma(x.constant(LN2_HIGH), f + rest))
}

/// `ln(1 + f)/ln(base)` in two parts, the second one small; `[high, low]` is `1/ln(base)`.
fn to_base<V: Number>(f: V, [high, low]: [f64; 2]) -> (V, V) {
    let y = f * high;
    let rounded_off = f.fma(f.constant(high), -y);
    let low = f.fma(f.constant(low), rounded_off);
    (y, ((f * f) * curved(f)).fma(f.constant(high), low))
}

/// The logarithm to base 2, exact for powers of 2. Error <= 2 ulp.
pub fn log2<V: Number>(x: V) -> V {
    let Split { e, f } = split(x);
    let (y, rest) = to_base(f, [LOG2_E, 2.0355273740931033e-17]);
    of_positive(x, e + (y + rest))
}

/// log10 2 in two parts; the first has 42 bits.
const LOG10_2_HIGH: f64 = 0.30102999566395283;
const LOG10_2_LOW: f64 = 2.8363394551044964e-14;

/// The logarithm to base 10, exact for powers of 10. Error <= 2 ulp.
pub fn log10<V: Number>(x: V) -> V {
    let Split { e, f } = split(x);
    let (y, rest) = to_base(f, [LOG10_E, 1.098319650216765e-17]);
    let rest = e.fma(x.constant(LOG10_2_LOW), rest);
    of_positive(x, e.fma(x.constant(LOG10_2_HIGH), y + rest))
}

/// `ln(u + low) + k·ln 2` for `u >= 0` and a `low` below its last place.
pub fn ln_of_sum<V: Number>(u: V, low: V, k: V) -> V {
    let Split { e, f } = split(u);
    // low/(1 + f) by three terms of its series; nothing at 0 and infinity.
    let scaled = V::select(e.abs().less(u.constant(1100.0)), low.scale(-e), u.constant(0.0));
    let relative = scaled * f.fma(f - 1.0, u.constant(1.0));
    let e = e + k;
    let rest = (f * f).fma(curved(f), e.fma(u.constant(LN2_LOW), relative));
    e.fma(u.constant(LN2_HIGH), f + rest)
}

/// `ln(1 + x) + k·ln 2` for `x >= -1`, the small logarithms with all digits.
pub fn log1p_of_positive<V: Number>(x: V, k: V) -> V {
    let u = x + 1.0;
    ln_of_sum(u, x - (u - 1.0), k)
}

/// `ln(1 + x)`. Error <= 2 ulp.
pub fn log1p<V: Number>(x: V) -> V {
    of_positive(x + 1.0, log1p_of_positive(x, x.constant(0.0))).copysign(x)
}

/// `ln(1 + x)` for `x` from 0 to 1.
pub fn log1p_of_fraction<V: Number>(x: V) -> V {
    let u = x + 1.0;
    let Split { e, f } = split(u);
    let relative = (x - (u - 1.0)).scale(-e) * f.fma(f - 1.0, u.constant(1.0));
    let rest = (f * f).fma(curved(f), e.fma(u.constant(LN2_LOW), relative));
    e.fma(u.constant(LN2_HIGH), f + rest)
}

/// `x·ln(y)`, and 0 where `x = 0` and `y` is not NaN: entropy's convention. Error <= 2 ulp.
pub fn xlogy<V: Number>(x: V, y: V) -> V {
    let zero = x.constant(0.0);
    V::select(x.equals(zero) & y.equals(y), zero, x * ln(y))
}
