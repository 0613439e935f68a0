//! Cube root and length.

use super::Number;
use super::polynomial::polynomial;

/// `y^(-1/3)` from 1 to 8; relative error 2^-8.
const CBRT: [f64; 6] = [
    1.42492253943741,
    -0.5967135816544799,
    0.20385021167840736,
    -0.03861699700393443,
    0.0036966902944940024,
    -0.00013943080743043256,
];

/// The cube root. Error <= 2 ulp, exact for cubes of whole numbers.
///
/// `x = 8^k·y` with y from 1 to 8. A polynomial starts `r = y^(-1/3)`, which a step of fourth order and one of second order refine without a
/// division; then `c = y·r²` is corrected by `(y - c³)·r²/3`.
#[inline(always)]
pub fn cbrt<V: Number>(x: V) -> V {
    let a = x.abs();
    // Floor of a third of the exponent; the offset keeps whole thirds off the edge.
    let k = (a.exponent() * (1.0 / 3.0) - 0.33).rint();
    let y = a.scale(k * -3.0);
    let start = polynomial(y, &CBRT);
    let r = refined(y, start);
    let square = r * r;
    let c = y * square;
    let missing = (c * c).fma(-c, y);
    let root = (missing * (1.0 / 3.0)).fma(square, c).scale(k);
    // Zeros, infinities and NaN are their own roots.
    let is_ordinary = x.constant(0.0).less(a) & a.less(x.constant(f64::INFINITY));
    V::select(is_ordinary, root.copysign(x), x)
}

/// `r·(1 - e)^(-1/3)` with `e = 1 - y·r³`, to order 4.
#[inline(always)]
fn refined<V: Number>(y: V, r: V) -> V {
    let e = ((r * r) * r).fma(-y, r.constant(1.0));
    // 1 + e/3 + 2e²/9 + 14e³/81 + 35e⁴/243
    let series = polynomial(e, &[1.0 / 3.0, 2.0 / 9.0, 14.0 / 81.0, 35.0 / 243.0]);
    (r * e).fma(series, r)
}

/// `√(a² + b²)` without needless overflow or underflow. Error <= 2 ulp. Infinite where either is, even if the other is NaN.
#[inline(always)]
pub fn hypot<V: Number>(a: V, b: V) -> V {
    let (a, b, infinity) = (a.abs(), b.abs(), a.constant(f64::INFINITY));
    let is_less = a.less(b);
    let (large, small) = (V::select(is_less, b, a), V::select(is_less, a, b));
    let e = large.exponent().at_most(1100.0).at_least(-1100.0);
    let (x, y) = (large.scale(-e), small.scale(-e));
    let length = x.fma(x, y * y).sqrt().scale(e);
    V::select(a.equals(infinity) | b.equals(infinity), infinity, length)
}
