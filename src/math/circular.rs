//! Sine, cosine and tangent.
//!
//! ```text
//! x = m·π/2 + s + t + …·2π,  |s| <= π/4,  t the part of the remainder that s has no bits for
//! sin x, cos x = S, C;  C, -S;  -S, -C;  -C, S    for m = 0, 1, 2, 3
//! S = s - s³·SIN(s²),  C = 1 - s²/2 + s⁴·COS(s²)
//! ```
//!
//! The reduction is Cody and Waite's with π/2 in three parts and `fma` (Boldo, Daumas, Li, "Formally verified argument reduction
//! with a fused multiply-add", 2009): for |x| < 2^21 the first two steps are exact and π/2 is known to 2^-139, while no double there comes
//! closer to a multiple of π/2 than 2^-60. So the digits of the sine hold at its zeros too. Larger arguments are reduced with as many digits of π as
//! they need, by a function that is called.

use std::f64::consts::{FRAC_2_PI, FRAC_PI_2};

use super::polynomial::polynomial;
use super::{Number, TO_WHOLE, round_product};
use crate::ops::Op;

/// From here on arguments are reduced out of line.
const FAR: f64 = 2_097_152.0;

/// π/2 in three parts. The last bits of the first one are zeros, which makes `x - n·first` exact; the second one has 32 bits,
/// so that `n·second` is a double.
const HALF_PI: [f64; 3] = [FRAC_PI_2, 6.12323399667708e-17, -9.403137205957857e-27];

/// `(1 - sin(s)/s)/z`, z = s² up to (π/4)²; error 2^-57.
const SIN: [f64; 6] = [
    0.16666666666666632,
    -0.008333333333322427,
    0.0001984126982981879,
    -2.755731369574997e-06,
    2.505075871787498e-08,
    -1.5896830784457478e-10,
];

/// `(cos(s) - 1 + z/2)/z²`; error 2^-59.
const COS: [f64; 6] = [
    0.041_666_666_666_666_63,
    -0.001_388_888_888_887_808,
    2.480_158_729_163_649_4e-5,
    -2.755_731_490_793_158_6e-7,
    2.087_579_184_843_641_7e-9,
    -1.136_291_315_719_732_7e-11,
];

/// `(tan(s)/s - 1)/z`; error 2^-57.
const TAN: [f64; 16] = [
    0.3333333333333333,
    0.13333333333333958,
    0.05396825396781959,
    0.02186948855108919,
    0.008863235227173487,
    0.00359213201698772,
    0.0014557984109928505,
    0.0005902593226602266,
    0.0002380388617730416,
    0.00010069960904735883,
    2.9558838657491e-05,
    3.424623739857647e-05,
    -1.8386030871728706e-05,
    2.5795325584153326e-05,
    -1.2605490257923836e-05,
    4.540813213258253e-06,
];

/// Adding and subtracting it rounds a number below 2^53 to the nearest multiple of 4.
const TO_FOURS: f64 = 4.0 * TO_WHOLE;

/// The remainder of `x`, and in which quarter of the turn it is.
#[derive(Clone, Copy)]
struct Reduced<V: Number> {
    s: V,
    /// What is to be subtracted from `s`; never -0, which keeps the zeros' signs below.
    over: V,
    z: V,
    /// Where sine and cosine change places.
    is_odd: V::Condition,
    /// Their signs.
    sin_sign: V,
    cos_sign: V,
}

#[inline(always)]
fn reduce<V: Number>(x: V) -> Reduced<V> {
    let [first, second, third] = HALF_PI.map(|part| x.constant(-part));
    let n = round_product(x, FRAC_2_PI);
    let rough = n.fma(first, x);
    let s = n.fma(second, rough);
    // What the last step rounded off, exactly, and the third part.
    let over = n.fma(-third, n.fma(-second, s - rough));
    // Quarters 0, 1, 2, 3 of a turn are 3/2, 1/2, -1/2, -3/2.
    let before = n - 1.5;
    let sin_sign = ((before + TO_FOURS) - TO_FOURS) - before;
    let cos_sign = sin_sign.abs() - 1.0;
    let is_odd = (sin_sign + 0.5).abs().equals(x.constant(1.0));
    Reduced { s, over, z: s * s, is_odd, sin_sign, cos_sign }
}

impl<V: Number> Reduced<V> {
    #[inline(always)]
    fn sin_of_rest(self) -> V {
        let Reduced { s, over, z, .. } = self;
        s - (s * z).fma(polynomial(z, &SIN), over)
    }

    #[inline(always)]
    fn cos_of_rest(self) -> V {
        let Reduced { s, over, z, .. } = self;
        // cos(s - over) = cos s + over·s. The square is taken anew, because the rounding of `z` would count.
        let rest = (z * z).fma(polynomial(z, &COS), s * over);
        (s * -0.5).fma(s, rest) + 1.0
    }

    #[inline(always)]
    fn sin(self, x: V) -> V {
        let size = V::select(self.is_odd, self.cos_of_rest(), self.sin_of_rest());
        with_sign(size, self.sin_sign).or_call(is_near(x), Op::SinFar, x)
    }

    #[inline(always)]
    fn cos(self, x: V) -> V {
        let size = V::select(self.is_odd, self.sin_of_rest(), self.cos_of_rest());
        with_sign(size, self.cos_sign).or_call(is_near(x), Op::CosFar, x)
    }
}

/// `x`, or `-x` where `sign` is negative.
#[inline(always)]
fn with_sign<V: Number>(x: V, sign: V) -> V {
    x * x.constant(1.0).copysign(sign)
}

#[inline(always)]
fn is_near<V: Number>(x: V) -> V::Condition {
    x.abs().less(x.constant(FAR))
}

/// The sine. Error <= 1 ulp.
#[inline(always)]
pub fn sin<V: Number>(x: V) -> V {
    reduce(x).sin(x)
}

/// The cosine. Error <= 1 ulp.
#[inline(always)]
pub fn cos<V: Number>(x: V) -> V {
    reduce(x).cos(x)
}

/// Sine and cosine.
#[inline(always)]
pub fn sin_cos<V: Number>(x: V) -> (V, V) {
    let reduced = reduce(x);
    (reduced.sin(x), reduced.cos(x))
}

/// The tangent: `T = s + s³·TAN(s²)` or `-1/T`, by the parity of `m`. Error <= 2 ulp.
#[inline(always)]
pub fn tan<V: Number>(x: V) -> V {
    let Reduced { s, over, z, is_odd, .. } = reduce(x);
    let tan = s - (s * z).fma(-polynomial(z, &TAN), over);
    let near = V::select(is_odd, x.constant(-1.0), tan) / V::select(is_odd, tan, x.constant(1.0));
    near.or_call(is_near(x), Op::TanFar, x)
}

/// `sin(x)/x`, and 1 at 0. Error <= 2 ulp; 0 at ±inf.
#[inline(always)]
pub fn sinc<V: Number>(x: V) -> V {
    let [zero, one] = [0.0, 1.0].map(|value| x.constant(value));
    let is_infinite = x.abs().equals(x.constant(f64::INFINITY));
    V::select(x.equals(zero), one, V::select(is_infinite, zero, sin(x) / x))
}

/// The sine of an argument of any size. Error <= 1 ulp (crate `libm`, the FreeBSD algorithm with Payne and Hanek's reduction).
pub fn sin_far(x: f64) -> f64 {
    libm::sin(x)
}

/// The cosine of an argument of any size. Error <= 1 ulp, as [`sin_far`].
pub fn cos_far(x: f64) -> f64 {
    libm::cos(x)
}

/// The tangent of an argument of any size. Error <= 2 ulp, as [`sin_far`].
pub fn tan_far(x: f64) -> f64 {
    libm::tan(x)
}
