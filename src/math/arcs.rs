//! Inverse circular functions.
//!
//! ```text
//! atan:  a/b <= tan π/8:  atan(a/b);  up to tan 3π/8:  π/4 + atan((a - b)/(a + b));  beyond:  π/2 + atan(-b/a)
//! asin:  |x| <= 1/2:  asin(x);  beyond:  π/2 - 2·asin(√((1 - |x|)/2))
//! atan t = t + t³·ATAN(t²),  asin s = s + s³·ASIN(s²)
//! ```
//!
//! One division or one root, and one polynomial. π and its parts are sums of two doubles.

use std::f64::consts::{FRAC_PI_2, FRAC_PI_4, PI};

use super::Number;
use super::polynomial::polynomial;

/// `(atan(t)/t - 1)/z`, z = t² up to (tan π/8)²; error 2^-60.
const ATAN: [f64; 12] = [
    -0.33333333333333326,
    0.19999999999997692,
    -0.14285714285390896,
    0.11111111088358863,
    -0.09090908151048017,
    0.07692282905512382,
    -0.06666228918778437,
    0.058770429185986656,
    -0.052185402280244673,
    0.045041018997209845,
    -0.033487333257368905,
    0.015208254174307812,
];

/// `(asin(s)/s - 1)/z`, z = s² up to 1/4; error 2^-60.
const ASIN: [f64; 14] = [
    0.1666666666666666,
    0.07500000000002408,
    0.04464285713979492,
    0.030381944639780743,
    0.022372151740502378,
    0.017352942675022964,
    0.013961908270421321,
    0.011585651446005915,
    0.009484123795750275,
    0.010009450988865479,
    0.0006814424135931279,
    0.024831355757914616,
    -0.02615967274649718,
    0.03365154878539392,
];

/// What π has beyond its double.
const PI_LOW: f64 = 1.2246467991473532e-16;

const TAN_3_8_PI: f64 = 2.414213562373095;

/// `atan(a/b)` from 0 to π/2 for `a, b >= 0`; π/4 at (inf, inf) and 0 at (0, 0).
#[inline(always)]
fn atan_of_quotient<V: Number>(a: V, b: V) -> V {
    let [zero, one] = [0.0, 1.0].map(|value| a.constant(value));
    let is_low = (a * TAN_3_8_PI).less(b) | a.equals(zero);
    let is_high = (b * TAN_3_8_PI).less(a);
    // The sum of the largest numbers would overflow; their quotient does not mind a factor.
    let sum = a + b;
    let down = V::select(a.constant(f64::MAX / 8.0).less(sum), a.constant(1.0 / 16.0), one);
    let (small_a, small_b) = (a * down, b * down);
    let above = V::select(is_low, a, V::select(is_high, -b, small_a - small_b));
    let below = V::select(is_low, b, V::select(is_high, a, small_a + small_b));
    // Equal ones have no quotient if they are zero or infinite.
    let t = V::select(a.equals(b), zero, above / below);
    let base = |part: f64| V::select(is_low, zero, V::select(is_high, a.constant(2.0 * part), a.constant(part)));
    let z = t * t;
    let curved = (t * z).fma(polynomial(z, &ATAN), base(0.25 * PI_LOW));
    base(FRAC_PI_4) + (t + curved)
}

/// The inverse tangent. Error <= 2 ulp.
#[inline(always)]
pub fn atan<V: Number>(x: V) -> V {
    let (a, one) = (x.abs(), x.constant(1.0));
    atan_of_quotient(a, one).copysign(x)
}

/// The angle of the point (x, y) from -π to π. Error <= 2 ulp. The signs of zeros count: `atan2(±0, -0) = ±π`.
#[inline(always)]
pub fn atan2<V: Number>(y: V, x: V) -> V {
    let angle = atan_of_quotient(y.abs(), x.abs());
    let is_left = x.constant(1.0).copysign(x).less(x.constant(0.0));
    let turned = x.constant(PI) - (angle - PI_LOW);
    V::select(is_left, turned, angle).copysign(y)
}

struct HalfAngle<V: Number> {
    is_inner: V::Condition,
    /// `|x|` or `√((1 - |x|)/2)`, and what its arc sine is beyond it.
    s: V,
    curved: V,
}

impl<V: Number> HalfAngle<V> {
    #[inline(always)]
    fn new(x: V) -> HalfAngle<V> {
        let a = x.abs();
        let is_inner = a.less(x.constant(0.5));
        let z = V::select(is_inner, a * a, a.fma(x.constant(-0.5), x.constant(0.5)));
        let s = V::select(is_inner, a, z.sqrt());
        HalfAngle { is_inner, s, curved: (s * z) * polynomial(z, &ASIN) }
    }
}

/// The inverse sine. Error <= 2 ulp; NaN beyond ±1.
#[inline(always)]
pub fn asin<V: Number>(x: V) -> V {
    let HalfAngle { is_inner, s, curved } = HalfAngle::new(x);
    let outer = (x.constant(FRAC_PI_2) - (s + s)) - ((curved + curved) - 0.5 * PI_LOW);
    V::select(is_inner, s + curved, outer).copysign(x)
}

/// The inverse cosine. Error <= 2 ulp; NaN beyond ±1.
#[inline(always)]
pub fn acos<V: Number>(x: V) -> V {
    let HalfAngle { is_inner, s, curved } = HalfAngle::new(x);
    let angle = s + curved;
    let double = angle + angle;
    let is_negative = x.less(x.constant(0.0));
    // π/2 - x - curved(x), nearly rounded once.
    let inner = x.constant(FRAC_PI_2) - (x + (curved.copysign(x) - 0.5 * PI_LOW));
    let outer = V::select(is_negative, x.constant(PI) - (double - PI_LOW), double);
    V::select(is_inner, inner, outer)
}
