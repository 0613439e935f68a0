//! What is made of the error function.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};

use crate::math::{erfc, exp};

/// `x·Φ(x) = x/2·erfc(-x/√2)` with Φ the distribution function of the standard normal law. Error ≤ 4 units, 1 place where subnormal; -0 at -inf.
///
/// A function of its own because the composition gives NaN at -inf (0 times infinity), because rounding `x/√2` costs x² units
/// in the left tail, and because `erfc` is subnormal, with few digits, before its product with `x` is.
pub fn gelu(x: f64) -> f64 {
    if x < -37.0 {
        gelu_far_left(x)
    } else if x < -1.0 {
        // 1/√2 as an unevaluated sum of two doubles: the argument's rounding error is put back by its first-order effect,
        // d erfc(z) = -2/√π·exp(-z²) dz, of which a few digits are enough.
        const HIGH: f64 = FRAC_1_SQRT_2;
        const LOW: f64 = -4.833_646_656_726_457e-17;
        let z = -x * HIGH;
        let rest = (-x).mul_add(HIGH, -z) - x * LOW;
        0.5 * x * (erfc(z) - FRAC_2_SQRT_PI * exp(-z * z) * rest)
    } else {
        0.5 * x * erfc(-x * FRAC_1_SQRT_2)
    }
}

/// `-exp(-x²/2)/√(2π)·(1 - 1/x² + 3/x⁴ - 15/x⁶ + …)`, from DLMF 7.12.1.
fn gelu_far_left(x: f64) -> f64 {
    // Below -50 the result is 0, and infinity must not meet infinity.
    let x = x.max(-50.0);
    let square = x * x;
    let square_rest = x.mul_add(x, -square);
    let t = -1.0 / square;
    let series = 1.0 + t * (1.0 + t * (3.0 + t * (15.0 + t * (105.0 + t * (945.0 + t * (10_395.0 + t * 135_135.0))))));
    // The exponential in halves: only the last multiplication may leave the normal numbers.
    let half = exp(-0.25 * square);
    let scale = -0.5 * FRAC_1_SQRT_2 * FRAC_2_SQRT_PI;
    scale * series * (1.0 - 0.5 * square_rest) * half * half
}
