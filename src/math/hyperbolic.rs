//! Hyperbolic functions and their inverses.
//!
//! ```text
//! x = n·ln 2 + r,  t = 2^(n-1),  u = 2^(-n-1)
//! sinh x = (t - u)·cosh r + (t + u)·sinh r
//! cosh x = (t + u)·cosh r + (t - u)·sinh r
//! ```
//!
//! Around 0 that is `sinh r` alone, without cancellation; nothing is divided, and both share all but the last steps.

use super::Number;
use super::exponential::{Reduced, reduce};
use super::logarithm::{log1p, log1p_of_positive};
use super::polynomial::polynomial;

/// `(sinh(r)/r - 1)/z`, z = r² up to (ln 2/2)²; error 2^-60.
const SINH: [f64; 5] =
    [0.16666666666666677, 0.008333333333321627, 0.00019841269886127196, 2.755724421538842e-06, 2.5109032629522874e-08];

/// `(cosh(r) - 1 - z/2)/z²`; error 2^-57.
const COSH: [f64; 4] = [0.041666666666602896, 0.001388888892722292, 2.480150815573261e-05, 2.7625391882405493e-07];

/// Below it `sinh(x)` is `x`; halves of subnormal numbers would lose a bit.
const TINY: f64 = 1.0 / (1_u64 << 28) as f64;

struct Parts<V> {
    r: V,
    /// cosh(r) - 1 and sinh(r) - r, the latter with what `r` has no bits for.
    cosh: V,
    sinh: V,
    /// Half of t + u and t - u, since t may overflow where the result does not.
    sum: V,
    difference: V,
}

#[inline(always)]
fn parts<V: Number>(x: V) -> Parts<V> {
    let Reduced { n, r, low } = reduce(x.at_most(OVERFLOW).at_least(-OVERFLOW));
    let z = r * r;
    let cosh = z * z.fma(polynomial(z, &COSH), x.constant(0.5));
    let sinh = (r * z).fma(polynomial(z, &SINH), low);
    let quarter = x.constant(0.25);
    let (t, u) = (quarter.scale(n), quarter.scale(-n));
    Parts { r, cosh, sinh, sum: t + u, difference: t - u }
}

/// Where the results have become infinite, while 2^(n-2) still is finite.
const OVERFLOW: f64 = 710.6;

/// The hyperbolic sine. Error <= 2 ulp.
#[inline(always)]
pub fn sinh<V: Number>(x: V) -> V {
    let Parts { r, cosh, sinh, sum, difference } = parts(x);
    let curved = difference.fma(cosh, sum * sinh);
    let half = difference + sum.fma(r, curved);
    V::select(x.abs().less(x.constant(TINY)), x, half + half)
}

/// The hyperbolic cosine. Error <= 2 ulp.
#[inline(always)]
pub fn cosh<V: Number>(x: V) -> V {
    let Parts { r, cosh, sinh, sum, difference } = parts(x);
    let curved = sum.fma(cosh, difference * sinh);
    let half = sum + difference.fma(r, curved);
    half + half
}

/// The hyperbolic tangent, `q/(q + 2)` of `q = expm1(2|x|)`. Error <= 2 ulp.
#[inline(always)]
pub fn tanh<V: Number>(x: V) -> V {
    // Beyond 22 it is 1.
    let a = x.abs().at_most(22.0);
    let (q, q_rest) = reduce(a + a).expm1();
    let below = q + 2.0;
    let below_rest = q - (below - 2.0);
    let y = q / below;
    // What the quotient has missed, times 1/(q + 2) = (1 - y)/2.
    let missing = y.fma(-below_rest, y.fma(-below, q) + q_rest);
    let inverse = y.fma(x.constant(-0.5), x.constant(0.5));
    // Beyond 18 the divisor's rest is not exact, and y is good as it is.
    V::select(a.less(x.constant(18.0)), missing.fma(inverse, y), y).copysign(x)
}

/// From here on `sqrt(x² ± 1)` is `x`, and the square might overflow.
const LARGE: f64 = (1_u64 << 60) as f64;

/// The inverse hyperbolic sine, `log1p(a + a²/(1 + √(a² + 1)))` of `a = |x|`, and `ln 2a` where `a` is large. Error <= 2 ulp.
#[inline(always)]
pub fn asinh<V: Number>(x: V) -> V {
    let (a, one, zero) = (x.abs(), x.constant(1.0), x.constant(0.0));
    let is_large = x.constant(LARGE).less(a);
    let square = a * a;
    let w = a + square / (one + a.fma(a, one).sqrt());
    log1p_of_positive(V::select(is_large, a, w), V::select(is_large, one, zero)).copysign(x)
}

/// The inverse hyperbolic cosine, `log1p(t + √(t² + 2t))` with `t = x - 1`, and `ln 2x` where `x` is large. Error <= 2 ulp; NaN below 1.
#[inline(always)]
pub fn acosh<V: Number>(x: V) -> V {
    let (one, zero) = (x.constant(1.0), x.constant(0.0));
    let is_large = x.constant(LARGE).less(x);
    let t = x - 1.0;
    let w = t + t.fma(t, t + t).sqrt();
    let y = log1p_of_positive(V::select(is_large, x, w), V::select(is_large, one, zero));
    V::select(x.less(one), x.constant(f64::NAN), y)
}

/// The inverse hyperbolic tangent, `log1p(2a + 2a²/(1 - a))/2` of `a = |x|`. Error <= 2 ulp; infinite at ±1, NaN beyond.
#[inline(always)]
pub fn atanh<V: Number>(x: V) -> V {
    let a = x.abs();
    let double = a + a;
    let w = double + (double * a) / (x.constant(1.0) - a);
    (log1p(w) * 0.5).copysign(x)
}
