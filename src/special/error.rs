//! The error function and what is made of it.

/// The error function, DLMF 7.2.1. Error ≤ 1 unit (crate `libm`, the FreeBSD algorithm); odd, ±1 at ±inf.
pub fn erf(x: f64) -> f64 {
    libm::erf(x)
}

/// The complementary error function 1 - erf(x), DLMF 7.2.2, accurate in its right tail down to subnormal results.
///
/// Error ≤ 3 units of the result, ≤ 1 where conditioning counts (crate `libm`). 0 at inf, 2 at -inf.
pub fn erfc(x: f64) -> f64 {
    libm::erfc(x)
}

/// `x·Φ(x) = x/2·erfc(-x/√2)` with Φ the distribution function of the standard normal law.
///
/// A function of its own because the composition gives NaN at -inf (0 times infinity), where this is -0, and
/// because rounding `x/√2` costs x² units of the result in the left tail: the rounding error of the argument is put back by its
/// first-order effect. Error ≤ 4 units.
pub fn gelu(x: f64) -> f64 {
    if x == f64::NEG_INFINITY {
        return -0.0;
    }
    // 1/√2 as an unevaluated sum of two doubles.
    const HIGH: f64 = std::f64::consts::FRAC_1_SQRT_2;
    const LOW: f64 = -4.833_646_656_726_457e-17;
    let z = -x * HIGH;
    if x < -1.0 {
        let rest = (-x).mul_add(HIGH, -z) + -x * LOW;
        // d erfc(z) = -2/√π·exp(-z²) dz. Where this matters, a few digits of it are enough.
        let correction = -std::f64::consts::FRAC_2_SQRT_PI * (-z * z).exp() * rest;
        0.5 * x * (erfc(z) + correction)
    } else {
        0.5 * x * erfc(z)
    }
}
