//! The logistic function and its relatives, accurate in both tails.

/// `1/(1 + exp(-x))`. Error ≤ 3 units, in the left tail down to subnormal results; 0 at -inf, 1 at inf.
pub fn sigmoid(x: f64) -> f64 {
    if x < 0.0 {
        // exp(-x) could overflow; exp(x) carries the tail.
        let tail = x.exp();
        tail / (1.0 + tail)
    } else {
        1.0 / (1.0 + (-x).exp())
    }
}

/// The slope of the sigmoid, `sigmoid(x)·sigmoid(-x)`. Even; error ≤ 5 units in both tails; 0 at ±inf.
pub fn sigmoid_slope(x: f64) -> f64 {
    let tail = (-x.abs()).exp();
    let whole = 1.0 + tail;
    tail / (whole * whole)
}

/// `ln(1 + exp(x))`. Error ≤ 3 units; exp(x) in the left tail, x in the right one; 0 at -inf, inf at inf.
pub fn softplus(x: f64) -> f64 {
    let bend = (-x.abs()).exp().ln_1p();
    if x > 0.0 { x + bend } else { bend }
}

/// `ln(x/(1 - x))`, the inverse of the sigmoid. Error ≤ 3 units; -inf at ±0, inf at 1, NaN outside [0, 1].
pub fn logit(x: f64) -> f64 {
    if (0.25..=0.75).contains(&x) {
        // Near 1/2 the result is small: 2x - 1 is exact here, and so is its distance from 0.
        ((2.0 * x - 1.0) / (1.0 - x)).ln_1p()
    } else if x == 0.0 {
        f64::NEG_INFINITY
    } else {
        // |result| > 1, so one rounding of the quotient costs at most one unit.
        (x / (1.0 - x)).ln()
    }
}

/// `x·sigmoid(x)`. Error ≤ 4 units; -0 at -inf.
///
/// A function of its own because the composition gives NaN at -inf, and because below -708 the sigmoid is
/// subnormal, with few digits, while its product with `x` still is a normal number.
pub fn silu(x: f64) -> f64 {
    if x < -700.0 {
        // Here 1 + exp(x) is 1. Below -1500 the result is 0, and infinity must not meet 0.
        let half = (0.5 * x.max(-1500.0)).exp();
        x.max(-1500.0) * half * half
    } else {
        x * sigmoid(x)
    }
}
