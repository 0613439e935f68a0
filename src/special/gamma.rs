//! The gamma function and its logarithm.

/// Euler's gamma function, DLMF 5.2.1: Lanczos' approximation (crate `libm`). Error ≤ 7 units, ≤ 3 where conditioning counts; exact for
/// whole `x ≤ 23`.
///
/// `gamma(±0) = ±inf`; NaN at the poles -1, -2, … and at -inf; inf from 171.7 up; ±0 below -184.
pub fn gamma(x: f64) -> f64 {
    libm::tgamma(x)
}

/// `ln|Γ(x)|`. Error ≤ 3 units where conditioning counts; the zeros at 1 and 2 keep all digits.
///
/// inf at the poles 0, -1, -2, … and at ±inf. The crate `libm` serves except between -3 and -2.
pub fn lgamma(x: f64) -> f64 {
    if -3.0 < x && x < -2.0 {
        return lgamma_between_poles(x);
    }
    libm::lgamma(x)
}

/// Between -3 and -2 `|Γ|` stays near 1, so its logarithm is small, and reflection would compute it as the difference of
/// larger numbers. Going up by DLMF 5.5.1, `Γ(x)·x(x+1)(x+2)(x+3) = Γ(x+4)`, both logarithms are small.
fn lgamma_between_poles(x: f64) -> f64 {
    // The sums are exact. The product is near 1, so its rounding errors count and are kept.
    let outer = x * (x + 3.0);
    let inner = (x + 1.0) * (x + 2.0);
    let outer_rest = x.mul_add(x + 3.0, -outer);
    let inner_rest = (x + 1.0).mul_add(x + 2.0, -inner);
    let product = outer * inner;
    let rest = outer.mul_add(inner, -product) + outer * inner_rest + outer_rest * inner;
    libm::lgamma(x + 4.0) - (product.abs().ln() + rest / product)
}
