//! The gamma function and its logarithm.

use crate::math::ln;

/// Euler's gamma function, DLMF 5.2.1. Error ≤ 3 units for `0 < x < 4`, elsewhere ≤ 8, and ≤ 3 where
/// conditioning counts; exact for whole `x ≤ 23`.
///
/// `gamma(±0) = ±inf`; NaN at the poles -1, -2, … and at -inf; inf from 171.7 up; ±0 below -184.
pub fn gamma(x: f64) -> f64 {
    // Where Γ is flat, Lanczos' approximation (crate `libm`) has errors that conditioning doesn't excuse.
    if x <= 0.0 || x >= 4.0 {
        libm::tgamma(x)
    } else if x < 1.0 {
        gamma_between_one_and_two(x + 1.0) / x
    } else if x < 2.0 {
        gamma_between_one_and_two(x)
    } else if x < 3.0 {
        (x - 1.0) * gamma_between_one_and_two(x - 1.0)
    } else {
        // Also NaN.
        (x - 1.0) * (x - 2.0) * gamma_between_one_and_two(x - 2.0)
    }
}

/// `Γ(x) = 1 - (x - 1)(2 - x)·p(x - 3/2)`: a small correction to 1, exact at both ends.
fn gamma_between_one_and_two(x: f64) -> f64 {
    // Interpolates (1 - Γ(x))/((x - 1)(2 - x)) at the Chebyshev points of [1, 2], computed with 120 digits; relative error below 2^-53.
    const P: [f64; 23] = [
        0.455_092_298_188_967_96,
        -0.129_353_589_795_540_12,
        0.161_115_378_002_667_15,
        -0.088_235_140_923_044_77,
        0.065_880_075_832_164_53,
        -0.042_848_354_495_627_38,
        0.029_079_088_061_863_02,
        -0.019_385_675_620_255_55,
        0.012_965_926_329_231_608,
        -0.008_652_934_041_898_932,
        0.005_773_646_423_820_777,
        -0.003_850_820_538_117_832,
        0.002_567_964_905_939_712_4,
        -0.001_712_876_444_328_944_2,
        0.001_142_036_756_353_654_3,
        -0.000_757_261_090_759_294_2,
        0.000_504_859_787_014_558_2,
        -0.000_355_108_423_622_819,
        0.000_236_742_005_659_918_65,
        -0.000_105_821_910_043_023_92,
        7.054_841_507_909_283e-5,
        -0.000_130_244_173_367_445_35,
        8.682_954_764_713_344e-5,
    ];
    let t = x - 1.5;
    let quotient = P.iter().rev().fold(0.0, |sum, c| sum * t + c);
    1.0 - (x - 1.0) * (2.0 - x) * quotient
}

/// `ln|Γ(x)|`. Error ≤ 4 units where conditioning counts; the zeros at 1 and 2 keep all digits.
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
    libm::lgamma(x + 4.0) - (ln(product.abs()) + rest / product)
}
