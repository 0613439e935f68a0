//! The logarithmic derivative of the gamma function, and its derivatives.

use std::f64::consts::{E, PI, TAU};

use crate::math::{ln, pow, tan};

/// `ψ(x) = Γ'(x)/Γ(x)`, DLMF 5.2.2. Error ≤ 3 units for positive `x`, ≤ 2 elsewhere where conditioning counts.
///
/// Between 1 and 2 a polynomial, from there up to 10 by recurrence (DLMF 5.5.2), then the asymptotic series (5.11.2);
/// reflection for negative `x` (5.5.4).
/// `digamma(±0) = ∓inf`, NaN at the poles -1, -2, … and at -inf, inf at inf.
pub fn digamma(x: f64) -> f64 {
    if x.abs() < 1e-20 {
        // 1/x + γ + …; also the poles at ±0.
        return -1.0 / x;
    }
    if x > 0.0 {
        return digamma_positive(x);
    }
    // The distance from the nearest pole is exact, so the cotangent has its digits there.
    let distance = x - x.round();
    if distance == 0.0 || x.is_infinite() {
        return f64::NAN;
    }
    digamma_positive(1.0 - x) - PI / tan(PI * distance)
}

fn digamma_positive(x: f64) -> f64 {
    if x >= 10.0 {
        return digamma_asymptotic(x);
    }
    if x < 1.0 {
        return digamma_between_one_and_two(x + 1.0) - 1.0 / x;
    }
    let mut base = x;
    let mut sum = 0.0;
    while base >= 2.0 {
        base -= 1.0;
        sum += 1.0 / base;
    }
    digamma_between_one_and_two(base) + sum
}

/// `ψ(x) = (x - root)·p(x - 3/2)`: the factor keeps all digits at the root, where sums would cancel.
fn digamma_between_one_and_two(x: f64) -> f64 {
    // The only positive root, as an unevaluated sum of two doubles.
    const ROOT: f64 = 1.461_632_144_968_362_3;
    const ROOT_REST: f64 = 9.549_995_429_965_697e-17;
    // Interpolates ψ(x)/(x - root) at the Chebyshev points of [1, 2], computed with 90 digits; relative error below 2^-54.
    const P: [f64; 24] = [
        0.951_055_876_031_832_8,
        -0.423_627_421_281_460_47,
        0.240_542_484_240_787_36,
        -0.148_404_923_053_917_61,
        0.094_988_724_452_83,
        -0.061_922_133_271_657_06,
        0.040_760_833_944_626_57,
        -0.026_975_796_844_275_36,
        0.017_907_248_195_969_127,
        -0.011_908_215_172_584_002,
        0.007_927_024_067_961_237,
        -0.005_280_017_820_898_74,
        0.003_518_080_075_106_669_4,
        -0.002_344_650_082_351_321,
        0.001_563_567_975_753_388_5,
        -0.001_042_261_556_504_223,
        0.000_689_971_780_116_684_1,
        -0.000_459_962_514_461_257_6,
        0.000_326_806_804_414_176_4,
        -0.000_217_868_214_550_145_1,
        9.173_383_289_174_792e-5,
        -6.115_542_617_507_51e-5,
        0.000_122_309_830_554_067_47,
        -8.153_978_973_309_418e-5,
    ];
    let t = x - 1.5;
    let quotient = P.iter().rev().fold(0.0, |sum, c| sum * t + c);
    ((x - ROOT) - ROOT_REST) * quotient
}

/// `ln x - 1/(2x) - Σ B_2k/(2k x^2k)`, for `x ≥ 10`.
fn digamma_asymptotic(x: f64) -> f64 {
    const SERIES: [f64; 8] = [
        1.0 / 12.0,
        -1.0 / 120.0,
        1.0 / 252.0,
        -1.0 / 240.0,
        1.0 / 132.0,
        -691.0 / 32_760.0,
        1.0 / 12.0,
        -3617.0 / 8160.0,
    ];
    let inverse = 1.0 / x;
    let square = inverse * inverse;
    let tail = SERIES.iter().rev().fold(0.0, |sum, c| (sum + c) * square);
    ln(x) - (0.5 * inverse + tail)
}

/// The `n`-th derivative of `digamma`, DLMF 5.15: `polygamma(0, x) = digamma(x)`, `∂ polygamma(n, x) = polygamma(n + 1, x)`.
///
/// For `n ≥ 1` and `x > 0` it is `(-1)^(n+1)·n!·ζ(n+1, x)`, Hurwitz' zeta function by Euler and Maclaurin's
/// formula (DLMF 25.11.5), all terms but the smallest of one sign. Error ≤ 5 units where conditioning counts.
///
/// For negative `x` the sum over `(x+k)^-(n+1)` is split where `x + k` changes sign, which leaves zeta at positive
/// arguments: no polynomials in the cotangent, and one formula for every `n`.
///
/// At the poles 0, -1, …: inf for odd `n`; for even `n ≥ 2`, `∓inf` at ±0 and NaN at the negative ones. `±0` at inf, NaN at -inf, NaN
/// where `n` is no whole number ≥ 0.
pub fn polygamma(n: f64, x: f64) -> f64 {
    if !(n >= 0.0 && n.is_finite() && n.fract() == 0.0) || x.is_nan() || x == f64::NEG_INFINITY {
        return f64::NAN;
    }
    if n == 0.0 {
        return digamma(x);
    }
    let is_odd = n % 2.0 == 1.0;
    let sign = if is_odd { 1.0 } else { -1.0 };
    if x == f64::INFINITY {
        return sign * 0.0;
    }
    if x > 0.0 {
        return sign * zeta(n, x, 1.0);
    }
    // x = -(whole + part): the terms from x + k = -part downwards end at x, those from 1 - part upwards don't end.
    let part = -x - (-x).floor();
    if part == 0.0 {
        return match (is_odd, x == 0.0) {
            (true, _) => f64::INFINITY,
            (false, true) => -1.0 / x,
            (false, false) => f64::NAN,
        };
    }
    let beyond = 1.0 - x;
    if part == 0.5 && !is_odd {
        // Symmetric between two poles: all terms cancel but those beyond.
        return -zeta(n, beyond, 1.0);
    }
    // For large n the terms can overflow while their difference does not; the scale is a power of two.
    let scale = if n > 140.0 { 2f64.powi(-300) } else { 1.0 };
    let (above, below) = (zeta(n, 1.0 - part, scale), zeta(n, part, scale) - zeta(n, beyond, scale));
    if is_odd { (above + below) / scale } else { (below - above) / scale }
}

/// `scale·n!·ζ(n+1, x)` for `x > 0` and a whole `n ≥ 1`.
fn zeta(n: f64, x: f64, scale: f64) -> f64 {
    let s = n + 1.0;
    // Relative to the first term: (x/(x+k))^s while that counts and x + k is too small for the series.
    let mut sum = 0.0;
    let mut ratio_power = 1.0;
    let mut shifted = x;
    // Small s reaches 10 + s in as many steps, and for large s the terms vanish earlier: 64 are enough for every s.
    for _ in 0..64 {
        if shifted >= 10.0 + s {
            break;
        }
        if ratio_power < 1e-18 * sum {
            return factorial_over_power(n, x, scale, n * (sum / x));
        }
        sum += ratio_power;
        shifted += 1.0;
        ratio_power = pow(x / shifted, s);
    }
    // What remains, from `shifted` on, in units of its first term: shifted/n + 1/2 + Σ B_2j/(2j)!·(s)_(2j-1)/shifted^(2j-1).
    const BERNOULLI: [f64; 12] = [
        1.0 / 6.0,
        -1.0 / 30.0,
        1.0 / 42.0,
        -1.0 / 30.0,
        5.0 / 66.0,
        -691.0 / 2730.0,
        7.0 / 6.0,
        -3617.0 / 510.0,
        43_867.0 / 798.0,
        -174_611.0 / 330.0,
        854_513.0 / 138.0,
        -236_364_091.0 / 2730.0,
    ];
    let inverse = 1.0 / shifted;
    let mut factor = 0.5 * s * inverse;
    let mut rest = 0.5;
    let mut order = 2.0;
    for b in BERNOULLI {
        rest += b * factor;
        factor *= (s + order - 1.0) * inverse * ((s + order) * inverse) / ((order + 1.0) * (order + 2.0));
        order += 2.0;
    }
    // n·(…)/x with the large part shifted/n kept apart from overflow: n·sum/x + ratio_power·(shifted + n·rest)/x.
    let series = n * (sum / x) + ratio_power * ((shifted + n * rest) / x);
    factorial_over_power(n, x, scale, series)
}

/// `scale·(n-1)!/x^n·series`, its factors multiplied in an order that stays in range.
fn factorial_over_power(n: f64, x: f64, scale: f64, series: f64) -> f64 {
    if n <= 170.0 {
        let half = pow(x, -0.5 * n);
        let mut factorial = scale;
        let mut k = 2.0;
        while k < n {
            factorial *= k;
            k += 1.0;
        }
        return factorial * half * half * series;
    }
    // Stirling's series, DLMF 5.11.3: (n-1)! = √(2π/n)·(n/e)^n·(1 + 1/(12n) + …).
    let inverse = 1.0 / n;
    let stirling = 1.0
        + inverse
            * (1.0 / 12.0 + inverse * (1.0 / 288.0 - inverse * (139.0 / 51_840.0 + inverse * (571.0 / 2_488_320.0))));
    let half = pow(n / (E * x), 0.5 * n);
    scale * (TAU * inverse).sqrt() * stirling * series * half * half
}
