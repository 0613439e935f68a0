//! Exponentials.
//!
//! ```text
//! x = n·ln 2 + r,  |r| <= ln 2/2        (Cody and Waite: n·LN2_HIGH is exact, and so is x - n·LN2_HIGH)
//! e^x = 2^n·e^r,  e^r = 1 + r + r²/2 + r³·EXP(r)
//! ```

use std::f64::consts::{LN_2, LOG2_E};

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

/// `(2^f - 1)/f` for |f| <= 1/2, without its first coefficient, which is ln 2; error 2^-58 of 2^f.
const EXP2: [f64; 10] = [
    0.24022650695910072,
    0.05550410866482306,
    0.00961812910761455,
    0.0013333558146150402,
    0.00015403530434533787,
    1.5252734036145007e-05,
    1.3215445361032808e-06,
    1.017799012901516e-07,
    7.072208127210504e-09,
    4.464418129995625e-10,
];

/// `x` as a multiple of ln 2 and what remains.
#[derive(Clone, Copy)]
pub struct Reduced<V> {
    pub n: V,
    pub r: V,
    /// What `r` has no bits for.
    pub low: V,
}

/// Reduces `x`, which must be from -1000 to 720 or NaN.
#[inline(always)]
pub fn reduce<V: Number>(x: V) -> Reduced<V> {
    let n = round_product(x, LOG2_E);
    let rough = n.fma(x.constant(-LN2_HIGH), x);
    let r = n.fma(x.constant(-LN2_LOW), rough);
    Reduced { n, r, low: n.fma(x.constant(-LN2_LOW), rough - r) }
}

/// `1/2 + r/6 + …`: the exponential of `r` is `1 + r + r²` times this.
#[inline(always)]
pub fn tail<V: Number>(r: V) -> V {
    r.fma(polynomial(r, &EXP), r.constant(0.5))
}

impl<V: Number> Reduced<V> {
    /// The exponential without its factor `2^n`.
    #[inline(always)]
    pub fn significand(self) -> V {
        let one = self.r.constant(1.0);
        self.r.fma(self.r.fma(tail(self.r), one), one)
    }

    /// `e^r - 1 - r`, with what `r` has no bits for.
    #[inline(always)]
    fn curved(self) -> V {
        (self.r * self.r).fma(tail(self.r), self.low)
    }

    /// `2^n·e^r - 1` for small `n`, and what rounding took from it.
    #[inline(always)]
    pub fn expm1(self) -> (V, V) {
        let t = self.r.constant(1.0).scale(self.n);
        let whole = t - 1.0;
        let straight = t.fma(self.r, whole);
        let rest = t.fma(self.curved(), t.fma(self.r, whole - straight));
        let sum = straight + rest;
        (sum, (straight - sum) + rest)
    }
}

/// Where `exp`, even times its argument, has become 0, and where it has become infinite.
pub const UNDERFLOW: f64 = -770.0;
pub const OVERFLOW: f64 = 710.0;

#[inline(always)]
fn reduce_any<V: Number>(x: V) -> Reduced<V> {
    reduce(x.at_most(OVERFLOW).at_least(UNDERFLOW))
}

/// The exponential. Error <= 1 ulp, one rounding below the normal numbers.
#[inline(always)]
pub fn exp<V: Number>(x: V) -> V {
    let reduced = reduce_any(x);
    reduced.significand().scale(reduced.n)
}

/// `e^x - 1`. Error <= 2 ulp; `x` itself where that is nearest.
#[inline(always)]
pub fn expm1<V: Number>(x: V) -> V {
    let reduced = reduce_any(x);
    // In halves, since 2^n may overflow where the result does not.
    let t = x.constant(1.0).scale(reduced.n - 1.0);
    let half = t.fma(reduced.curved(), t.fma(reduced.r, t - 0.5));
    V::select(x.abs().less(x.constant(TINY)), x, half + half)
}

/// Below it `expm1(x)` is `x`.
const TINY: f64 = 1.0 / (1_u64 << 54) as f64;

/// `2^x`, exact for whole `x`. Error <= 1 ulp.
#[inline(always)]
pub fn exp2<V: Number>(x: V) -> V {
    let x = x.at_most(1025.0).at_least(-1080.0);
    let n = round_product(x, 1.0);
    let f = x - n;
    let slope = f.fma(polynomial(f, &EXP2), x.constant(LN_2));
    f.fma(slope, x.constant(1.0)).scale(n)
}
