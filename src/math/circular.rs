//! Sine and cosine.
//!
//! ```text
//! x = m·π/2 + s + t + …·2π,  |s| <= π/4,  t the part of the remainder that s has no bits for
//! sin x = S·cos(m·π/2) + C·sin(m·π/2),  cos x = C·cos(m·π/2) - S·sin(m·π/2)
//! S = s - s³·SIN(s²),  C = 1 - s²/2 + s⁴·COS(s²)
//! ```
//!
//! The reduction is Cody and Waite's with π/2 in three parts and `fma` (Boldo, Daumas, Li, "Formally verified argument reduction
//! with a fused multiply-add", 2009): for |x| < 2^21 the first two steps are exact and π/2 is known to 2^-139, while no double there comes
//! closer to a multiple of π/2 than 2^-60. So the digits of the sine hold at its zeros too. Larger arguments are reduced with as many digits of π as
//! they need, by a function that is called.

use std::f64::consts::{FRAC_2_PI, FRAC_PI_2};

use super::polynomial::polynomial;
use super::{Number, round_product};
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

/// Sine and cosine of the remainder, and cosine and minus sine of `m·π/2`, which are 0, 1 and -1.
#[derive(Clone, Copy)]
struct Turned<V> {
    sin: V,
    cos: V,
    cos_m: V,
    sin_m: V,
}

fn reduce<V: Number>(x: V) -> Turned<V> {
    let [first, second, third] = HALF_PI.map(|part| x.constant(-part));
    let n = round_product(x, FRAC_2_PI);
    let rough = n.fma(first, x);
    let s = n.fma(second, rough);
    // Minus t: what the last step rounded off, exactly, and the third part. Its sign keeps -0 below, as sin_m does.
    let over = n.fma(-third, n.fma(-second, s - rough));

    // (s + t)², without t².
    let z = s.fma(s, -((s + s) * over));
    let sin = s - (s * z).fma(polynomial(z, &SIN), over);
    let cos = z.fma(z.fma(polynomial(z, &COS), x.constant(-0.5)), x.constant(1.0));

    // -m = -2 … 2, and never -0.
    let m = (n * 0.25).rint().fma(x.constant(4.0), -n);
    let cos_m = x.constant(1.0) - m.abs();
    let sin_m = m.fma(cos_m, m);
    Turned { sin, cos, cos_m, sin_m }
}

fn is_near<V: Number>(x: V) -> V::Condition {
    x.abs().less(x.constant(FAR))
}

impl<V: Number> Turned<V> {
    fn sin(self, x: V) -> V {
        let near = (-self.cos).fma(self.sin_m, self.sin * self.cos_m);
        near.or_call(is_near(x), Op::SinFar, x)
    }

    fn cos(self, x: V) -> V {
        let near = self.sin.fma(self.sin_m, self.cos * self.cos_m);
        near.or_call(is_near(x), Op::CosFar, x)
    }
}

/// The sine. Error <= 1 ulp.
pub fn sin<V: Number>(x: V) -> V {
    reduce(x).sin(x)
}

/// The cosine. Error <= 1 ulp.
pub fn cos<V: Number>(x: V) -> V {
    reduce(x).cos(x)
}

/// Sine and cosine.
pub fn sin_cos<V: Number>(x: V) -> (V, V) {
    let turned = reduce(x);
    (turned.sin(x), turned.cos(x))
}

/// The sine of an argument of any size. Error <= 1 ulp (crate `libm`, the FreeBSD algorithm with Payne and Hanek's reduction).
pub fn sin_far(x: f64) -> f64 {
    libm::sin(x)
}

/// The cosine of an argument of any size. Error <= 1 ulp, as [`sin_far`].
pub fn cos_far(x: f64) -> f64 {
    libm::cos(x)
}
