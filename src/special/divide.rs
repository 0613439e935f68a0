//! Division with remainder, rounding down, and rounding to whole numbers: all exact.

/// The exact `a - b*floor(a/b)`, rounded once; it has the sign of `b`, also where it is zero.
///
/// This is `%` of Python's floats. `mod(a, 0)` and `mod(±inf, b)` are NaN. `mod(a, ±inf)` is `a` where the signs
/// agree and `b` otherwise. A tiny `a` of the other sign gives `b` itself: the exact result is closer to `b` than to any other double.
pub fn mod_floor(a: f64, b: f64) -> f64 {
    // The remainder of truncating division is exact; adding `b` is then the only rounding.
    let r = a % b;
    if r == 0.0 {
        r.copysign(b)
    } else if (r < 0.0) != (b < 0.0) {
        r + b
    } else {
        r
    }
}

/// The floor of the exact quotient `a/b`, rounded where it exceeds 2^53.
///
/// Differs from `floor(a / b)` where the rounded quotient is whole and the exact one just below it
/// (`div(1, 0.1)` is 9, because the double 0.1 exceeds 1/10). By zero it is what IEEE division says: ±inf, or NaN for `div(0, 0)`.
pub fn div_floor(a: f64, b: f64) -> f64 {
    // Rounding is monotone, so the rounded quotient can reach a whole number from below but never miss one.
    let n = (a / b).floor();
    // The sign of the exact a - n*b decides. Both are multiples of the last place of `b`, so the fused operation does not underflow.
    let rest = if n == 0.0 { a } else { (-n).mul_add(b, a) };
    let overshot = (rest < 0.0 && b > 0.0) || (rest > 0.0 && b < 0.0);
    // Beyond 2^53 every double is whole, and one less would be further from the quotient.
    if overshot && n.abs() <= 9_007_199_254_740_992.0 { n - 1.0 } else { n }
}

/// The nearest whole number, ties away from zero; keeps the sign of zero.
pub fn round_half_away(x: f64) -> f64 {
    x.round()
}
