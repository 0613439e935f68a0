//! Relatives of the logistic function, accurate in both tails.

use crate::math;

/// `ln(x/(1 - x))`, the inverse of the sigmoid. Error ≤ 3 units; -inf at ±0, inf at 1, NaN outside [0, 1].
pub fn logit(x: f64) -> f64 {
    if (0.25..=0.75).contains(&x) {
        // Near 1/2 the result is small: 2x - 1 is exact here, and so is its distance from 0.
        math::log1p((2.0 * x - 1.0) / (1.0 - x))
    } else if x == 0.0 {
        f64::NEG_INFINITY
    } else {
        // |result| > 1, so one rounding of the quotient costs at most one unit.
        math::ln(x / (1.0 - x))
    }
}

/// `x·sigmoid(x)`. Error ≤ 4 units; -0 at -inf.
///
/// A function of its own because the composition gives NaN at -inf, and because below -708 the sigmoid is
/// subnormal, with few digits, while its product with `x` still is a normal number.
pub fn silu(x: f64) -> f64 {
    if x < -700.0 {
        // Here 1 + exp(x) is 1. Below -1500 the result is 0, and infinity must not meet 0.
        let half = math::exp(0.5 * x.max(-1500.0));
        x.max(-1500.0) * half * half
    } else {
        x * math::sigmoid(x)
    }
}
