//! Logarithms.
//!
//! ```text
//! x = 2^e·(1 + f),  1 + f from √½ to √2, so that e = 0 around 1
//! ln x = e·ln 2 + f - f²/2 + f³·LN(f)
//! ```
//!
//! A polynomial of degree 21 costs no division; the usual odd one in `f/(2 + f)` has half the terms, but a division blocks its unit for
//! as long as 16 to 32 multiply-adds, and formulas with logarithms divide by their arguments as soon as they are differentiated.

use std::f64::consts::SQRT_2;

use super::exponential::{LN2_HIGH, LN2_LOW};
use super::polynomial::polynomial;
use super::{Number, TO_WHOLE};

/// `(ln(1 + f) - f + f²/2)/f³` for `1 + f` from √½ to √2; error 2^-56 of ln(1 + f).
const LN: [f64; 19] = [
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

/// The natural logarithm. Error <= 1 ulp.
pub fn ln<V: Number>(x: V) -> V {
    let Split { e, f } = split(x);
    // Where e is -1 or 1 and cancels, the last sum is exact.
    let rest = (f * f).fma(f.fma(polynomial(f, &LN), x.constant(-0.5)), e * LN2_LOW);
    let y = e.fma(x.constant(LN2_HIGH), f + rest);
    V::select(x.less(x.constant(0.0)), x.constant(f64::NAN), y)
}
