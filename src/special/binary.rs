//! A double's exponent and significand, exactly.

/// `x*2^floor(k)`, rounded once, whatever the size of `k`: overflows to infinity, underflows through the subnormal numbers to zero.
/// NaN where either is NaN; an infinite `x` or `k` counts as the limit, and what has none (`0*2^inf`, `inf*2^-inf`) is NaN.
pub fn scale(x: f64, k: f64) -> f64 {
    if x.is_nan() || k.is_nan() {
        return f64::NAN;
    }
    if k.is_infinite() {
        let limit = if k > 0.0 { f64::INFINITY } else { 0.0 };
        return x * limit;
    }
    libm::ldexp(x, k.floor().clamp(-5000.0, 5000.0) as i32)
}

/// The largest whole `e` with `2^e <= |x|`; -inf of 0, inf of an infinity, NaN of NaN.
pub fn exponent(x: f64) -> f64 {
    if x == 0.0 {
        f64::NEG_INFINITY
    } else if x.is_finite() {
        f64::from(libm::ilogb(x))
    } else {
        x.abs()
    }
}

/// `x*2^-exponent(x)`: from 1 to 2, with the sign of `x`; 1 with that sign of a zero or an infinity, NaN of NaN.
pub fn significand(x: f64) -> f64 {
    if x.is_nan() {
        x
    } else if x == 0.0 || x.is_infinite() {
        1f64.copysign(x)
    } else {
        scale(x, -exponent(x))
    }
}
