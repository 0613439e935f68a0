//! The direction of a vector in the plane.

use crate::math::hypot;

/// `a/hypot(a, b)`: the cosine of the angle between `(a, b)` and the first axis. Error ≤ 3 units.
///
/// It is the partial derivative of `hypot` by `a`. At `(±0, ±0)` it is 0, the convention for hypot's kink. At
/// infinity it is the limit along the axis or the diagonal: `unit(±inf, b) = ±1`, `unit(a, ±inf) = ±0` with the sign of `a`,
/// `unit(±inf, ±inf) = ±1/√2`. NaN passes.
pub fn unit(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() {
        return f64::NAN;
    }
    let size = a.abs().max(b.abs());
    if size == 0.0 {
        return 0.0;
    }
    if size == f64::INFINITY {
        return match (a.is_infinite(), b.is_infinite()) {
            (true, true) => std::f64::consts::FRAC_1_SQRT_2.copysign(a),
            (true, false) => 1f64.copysign(a),
            (false, _) => 0f64.copysign(a),
        };
    }
    // Powers of two, so scaling is exact except for a part that is negligible beside the other:
    // at the top of the range the length would overflow, at the bottom it would have few digits.
    let scale = if size > 2f64.powi(1020) {
        0.25
    } else if size < 2f64.powi(-900) {
        2f64.powi(200)
    } else {
        1.0
    };
    let (a, b) = (a * scale, b * scale);
    a / hypot(a, b)
}
