//! Powers, and powers times powers of a logarithm.

use crate::math::{exp, ln, log2, log10, pow};

/// `x^n` by repeated multiplication; `x^0` is 1 for every `x`, NaN included.
///
/// The order of the multiplications is part of the meaning, because machine code unrolls the same ones. With `m = |n|`, from the
/// lowest bit of `m` up: `power` starts as `x` and is squared once per further bit; `result` starts as the `power` of the lowest
/// set bit and is multiplied, `result * power`, at every other set bit. So `x^2 = x*x`, `x^3 = x*(x*x)`,
/// `x^6 = (x*x)*((x*x)*(x*x))`. For `n < 0` the result is `1/x^m`, unless `x^m` is not a normal number (it overflowed,
/// underflowed, or `x` is 0, infinite or NaN); then it is `(1/x)^m`, which can still be a number.
///
/// Error ≤ |n| units, which is what the function's conditioning allows.
pub fn powi(x: f64, n: i64) -> f64 {
    let power = power_by_squaring(x, n.unsigned_abs());
    if n >= 0 {
        power
    } else if power.is_normal() {
        1.0 / power
    } else {
        power_by_squaring(1.0 / x, n.unsigned_abs())
    }
}

fn power_by_squaring(x: f64, mut m: u64) -> f64 {
    if m == 0 {
        return 1.0;
    }
    let mut power = x;
    while m & 1 == 0 {
        power *= power;
        m >>= 1;
    }
    let mut result = power;
    m >>= 1;
    while m != 0 {
        power *= power;
        if m & 1 == 1 {
            result *= power;
        }
        m >>= 1;
    }
    result
}

/// `ln x / ln b`, the logarithm of `x` to the base `b`. Error ≤ 4 units.
///
/// Bases 2 and 10 use the functions made for them. For any other base the result is whole where `x` is the
/// rounded value of a whole power of `b` (`log(9, 3)` is 2), although the two logarithms are rounded.
pub fn log_base(x: f64, b: f64) -> f64 {
    if b == 2.0 {
        return log2(x);
    }
    if b == 10.0 {
        return log10(x);
    }
    let quotient = ln(x) / ln(b);
    let whole = quotient.round();
    // A double is a whole power of another at most about 2000 times over (down to subnormals).
    let close = (quotient - whole).abs() <= 4.0 * f64::EPSILON * whole.abs();
    if close && whole.abs() <= 2048.0 && powi(b, whole as i64) == x { whole } else { quotient }
}

/// `a^b·(ln a)^k` for a whole `k ≥ 0`: the `k`-th derivative of `a^b` by `b`.
///
/// It closes powers under differentiation: `∂_b` raises `k`, and
/// `∂_a xlog_pow(a, b, k) = b·xlog_pow(a, b-1, k) + k·xlog_pow(a, b-1, k-1)`.
/// With `k = 0` it is `pow(a, b)`, bit for bit. At `a = 0` it is the limit from the right: 0 for `b > 0`, the infinity with
/// the sign of (-1)^k for `b ≤ 0 < k`. At `a = inf` likewise: 0 for `b < 0`, else infinite. NaN for `a < 0 < k` and where `k` is no
/// whole number ≥ 0. Error ≤ k + 3 units, plus what rounding `b` would make where one of the factors alone would overflow or underflow.
pub fn xlog_pow(a: f64, b: f64, k: f64) -> f64 {
    if k == 0.0 {
        return pow(a, b);
    }
    if !(k > 0.0 && k.is_finite() && k.fract() == 0.0) || a.is_nan() || b.is_nan() || a < 0.0 {
        return f64::NAN;
    }
    let is_odd = k % 2.0 == 1.0;
    if a == 0.0 {
        return match (b > 0.0, is_odd) {
            (true, _) => 0.0,
            (false, true) => f64::NEG_INFINITY,
            (false, false) => f64::INFINITY,
        };
    }
    if a == f64::INFINITY {
        return if b < 0.0 { 0.0 } else { f64::INFINITY };
    }
    let log = ln(a);
    if log == 0.0 {
        return 0.0;
    }
    let size = magnitude(a, b, log.abs(), k);
    if is_odd && log < 0.0 { -size } else { size }
}

/// `a^b·l^k` for finite `a, l > 0`, where `l = |ln a|`.
fn magnitude(a: f64, b: f64, l: f64, k: f64) -> f64 {
    let (power, logs) = (pow(a, b), pow(l, k));
    if power.is_normal() && logs.is_normal() {
        return power * logs;
    }
    // One factor leaves the range while the product may stay in it. The product of roots, (a^(b/m)·l^(k/m))^m with m a power
    // of two, keeps every step in range; what the squarings add is what rounding `b` or `k` would.
    let (exponent, log_exponent) = (b * ln(a), k * ln(l));
    if exponent.abs().max(log_exponent.abs()) > 1e6 {
        // Only their sum counts, and it is far from where exp has finite nonzero values unless they cancel.
        return exp(exponent + log_exponent);
    }
    let (mut root, mut fraction) = (exponent.abs().max(log_exponent.abs()), 1.0);
    let mut squarings = 0;
    while root > 300.0 {
        root *= 0.5;
        fraction *= 0.5;
        squarings += 1;
    }
    let mut product = pow(a, b * fraction) * pow(l, k * fraction);
    for _ in 0..squarings {
        product *= product;
    }
    product
}
