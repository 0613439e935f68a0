//! Functions that only compare: exact, and careful about NaN and the sign of zero.

/// -1, 0 or 1 as `x` is negative, zero or positive. `sign(±0) = 0`, NaN passes.
pub fn sign(x: f64) -> f64 {
    if x > 0.0 {
        1.0
    } else if x < 0.0 {
        -1.0
    } else if x == 0.0 {
        0.0
    } else {
        x
    }
}

/// 1 where `x > 0`, else 0 (so `step(0) = 0`). NaN passes.
pub fn step(x: f64) -> f64 {
    if x > 0.0 {
        1.0
    } else if x <= 0.0 {
        0.0
    } else {
        x
    }
}

/// `max(x, 0)`. `relu(-0) = 0`, NaN passes.
pub fn relu(x: f64) -> f64 {
    max(x, 0.0)
}

/// `x` where `x > 0`, else `a*x`. NaN in `x` passes; `a` counts only where it is used.
pub fn leaky_relu(x: f64, a: f64) -> f64 {
    if x > 0.0 { x } else { a * x }
}

/// The smaller of two numbers. NaN passes, and -0 is less than +0.
pub fn min(a: f64, b: f64) -> f64 {
    if a < b || (a == b && a.is_sign_negative()) {
        a
    } else if b <= a {
        b
    } else {
        a + b
    }
}

/// The larger of two numbers. NaN passes, and +0 is greater than -0.
pub fn max(a: f64, b: f64) -> f64 {
    if a > b || (a == b && a.is_sign_positive()) {
        a
    } else if b >= a {
        b
    } else {
        a + b
    }
}

/// `min(max(x, lo), hi)`. NaN in any of the three passes; where `lo > hi` the result is `hi`.
pub fn clamp(x: f64, lo: f64, hi: f64) -> f64 {
    min(max(x, lo), hi)
}
