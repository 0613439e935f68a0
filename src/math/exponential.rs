//! Exponentials.
//!
//! ```text
//! x = n·ln 2 + r,  |r| <= ln 2/2        (Cody and Waite: n·LN2_HIGH is exact, and so is x - n·LN2_HIGH)
//! e^x = 2^n·e^r,  e^r = 1 + r + r²/2 + r³·EXP(r)
//! ```

use std::f64::consts::LOG2_E;

use super::polynomial::polynomial;
use super::{Number, round_product};

/// ln 2 in two parts; the first has 42 bits, so that its product with any exponent is exact.
pub const LN2_HIGH: f64 = 0.693_147_180_559_890_3;
pub const LN2_LOW: f64 = 5.497_923_018_708_371e-14;

/// `(e^r - 1 - r - r²/2)/r³` for |r| <= ln 2/2; error 2^-57 of e^r.
const EXP: [f64; 9] = [
    0.16666666666666685,
    0.0416666666666029,
    0.008333333333314104,
    0.001388888892722007,
    0.00019841269904476776,
    2.4801508158762833e-05,
    2.755722648574729e-06,
    2.762539089724454e-07,
    2.5114965440643512e-08,
];

/// `x` as a multiple of ln 2 and what remains.
pub struct Reduced<V> {
    pub n: V,
    pub r: V,
}

/// Reduces `x`, which must be from -750 to 720 or NaN.
pub fn reduce<V: Number>(x: V) -> Reduced<V> {
    let n = round_product(x, LOG2_E);
    let rough = n.fma(x.constant(-LN2_HIGH), x);
    let r = n.fma(x.constant(-LN2_LOW), rough);
    Reduced { n, r }
}

/// `e^r` for |r| <= ln 2/2.
pub fn exp_of_small<V: Number>(r: V) -> V {
    let one = r.constant(1.0);
    r.fma(r.fma(r.fma(polynomial(r, &EXP), r.constant(0.5)), one), one)
}

/// Where `exp` has become 0 and infinity for good.
pub const UNDERFLOW: f64 = -746.0;
pub const OVERFLOW: f64 = 710.0;

/// The exponential. Error <= 1 ulp, one rounding below the normal numbers.
pub fn exp<V: Number>(x: V) -> V {
    let Reduced { n, r } = reduce(x.at_most(OVERFLOW).at_least(UNDERFLOW));
    exp_of_small(r).scale(n)
}
