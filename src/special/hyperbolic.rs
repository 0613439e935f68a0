//! Inverse hyperbolic functions, where the standard library loses digits.
//!
//! All three call the crate `libm` (the FreeBSD and musl algorithms), which goes through `log1p`.

/// Inverse hyperbolic sine. Error ≤ 2 units; odd, `asinh(±0) = ±0`, `asinh(±inf) = ±inf`.
pub fn asinh(x: f64) -> f64 {
    libm::asinh(x)
}

/// Inverse hyperbolic cosine. Error ≤ 2 units, also near 1; NaN below 1, `acosh(inf) = inf`.
pub fn acosh(x: f64) -> f64 {
    // `libm` misses some of the domain's complement (it takes the square of x + 1).
    if x < 1.0 { f64::NAN } else { libm::acosh(x) }
}

/// Inverse hyperbolic tangent. Error ≤ 2 units; odd, ±inf at ±1, NaN beyond.
pub fn atanh(x: f64) -> f64 {
    libm::atanh(x)
}
