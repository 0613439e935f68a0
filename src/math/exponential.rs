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

/// Reduces `x`, which must be from -750 to 720 or NaN.
pub fn reduce<V: Number>(x: V) -> Reduced<V> {
    let n = round_product(x, LOG2_E);
    let rough = n.fma(x.constant(-LN2_HIGH), x);
    let r = n.fma(x.constant(-LN2_LOW), rough);
    Reduced { n, r, low: n.fma(x.constant(-LN2_LOW), rough - r) }
}

impl<V: Number> Reduced<V> {
    /// `1/2 + r/6 + …`: the exponential of `r` is `1 + r + r²` times this.
    fn tail(self) -> V {
        self.r.fma(polynomial(self.r, &EXP), self.r.constant(0.5))
    }

    fn exp(self) -> V {
        let one = self.r.constant(1.0);
        self.r.fma(self.r.fma(self.tail(), one), one).scale(self.n)
    }

    /// `t·e^r + c` for a power of two `t`, given `t + c`, with the digits of a small result.
    pub fn scaled_plus(self, t: V, t_plus_c: V) -> V {
        let curved = (self.r * self.r).fma(self.tail(), self.low);
        t.fma(curved, t.fma(self.r, t_plus_c))
    }
}

/// Where `exp` has become 0 and infinity for good.
const UNDERFLOW: f64 = -746.0;
const OVERFLOW: f64 = 710.0;

fn reduce_any<V: Number>(x: V) -> Reduced<V> {
    reduce(x.at_most(OVERFLOW).at_least(UNDERFLOW))
}

/// The exponential. Error <= 1 ulp, one rounding below the normal numbers.
pub fn exp<V: Number>(x: V) -> V {
    reduce_any(x).exp()
}

/// `e^-|x|`, which can't overflow. Error as `exp`.
pub fn exp_of_minus_abs<V: Number>(x: V) -> V {
    reduce((-x.abs()).at_least(UNDERFLOW)).exp()
}

/// `e^x - 1`. Error <= 2 ulp; `x` itself where that is nearest.
pub fn expm1<V: Number>(x: V) -> V {
    let reduced = reduce_any(x);
    // In halves, since 2^n may overflow where the result does not.
    let t = x.constant(1.0).scale(reduced.n - 1.0);
    let half = reduced.scaled_plus(t, t - 0.5);
    V::select(x.abs().less(x.constant(TINY)), x, half + half)
}

/// Below it `expm1(x)` is `x`.
const TINY: f64 = 1.0 / (1_u64 << 54) as f64;

/// `2^x`, exact for whole `x`. Error <= 1 ulp.
pub fn exp2<V: Number>(x: V) -> V {
    let x = x.at_most(1025.0).at_least(-1080.0);
    let n = round_product(x, 1.0);
    let f = x - n;
    let slope = f.fma(polynomial(f, &EXP2), x.constant(LN_2));
    f.fma(slope, x.constant(1.0)).scale(n)
}
