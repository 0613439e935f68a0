//! The derivatives of sinc.
//!
//! ```text
//! sinc(x)      = sin(x)/x = ∫₀¹ cos(x t) dt
//! sinc_n(n, x) = dⁿ/dxⁿ sinc(x) = ∫₀¹ tⁿ cos(x t + nπ/2) dt
//! ```

use crate::math::{sin_cos, sinc};

/// The `n`-th derivative of `sinc`, for any whole `n ≥ 0`: `∂ sinc_n(n, x) = sinc_n(n + 1, x)`.
///
/// Three methods, by the sizes of `n` and `x`; each is stable where it is used.
/// - `|x| > n`: upward recurrence, from differentiating `x·sinc(x) = sin(x)` n times. An error is multiplied by
///   k/x < 1 at step k.
/// - `|x| ≤ n`: the confluent series of the integral (DLMF 13.4.1 and 13.2.2), whose terms decrease from the first on.
/// - very large `n`: Laplace's method on the integral with t = exp(-s).
///
/// Error ≤ 4 units where conditioning counts. NaN for NaN and for an `n` that is no whole number ≥ 0; 0 at ±inf.
pub fn sinc_n(n: f64, x: f64) -> f64 {
    if !(n >= 0.0 && n.is_finite() && n.fract() == 0.0) || x.is_nan() {
        return f64::NAN;
    }
    if n == 0.0 {
        return sinc(x);
    }
    if x.is_infinite() {
        return 0.0;
    }
    if n > LARGE_ORDER {
        from_endpoint(n, x, laplace(n, x))
    } else if x.abs() > n {
        recur(n, x)
    } else {
        from_endpoint(n, x, series(n, x))
    }
}

/// Above this the recurrence and the series would take long, and four terms of Laplace's method give all digits.
const LARGE_ORDER: f64 = 65_536.0;

/// `sin(x + kπ/2)` for whole `k`, given the sine and cosine of `x`.
fn quarter_turned(k: f64, (sin, cos): (f64, f64)) -> f64 {
    match (k % 4.0) as u8 {
        0 => sin,
        1 => cos,
        2 => -sin,
        _ => -cos,
    }
}

/// `x·sinc_n(k, x) + k·sinc_n(k-1, x) = sin(x + kπ/2)`.
fn recur(n: f64, x: f64) -> f64 {
    let turn = sin_cos(x);
    let mut derivative = turn.0 / x;
    let mut k = 1.0;
    while k <= n {
        derivative = (quarter_turned(k, turn) - k * derivative) / x;
        k += 1.0;
    }
    derivative
}

/// Both other methods write the integral as `Re(exp(i(x + nπ/2))·S)`.
fn from_endpoint(n: f64, x: f64, (re, im): (f64, f64)) -> f64 {
    let turn = sin_cos(x);
    quarter_turned(n + 1.0, turn) * re - quarter_turned(n, turn) * im
}

/// `S = Σ_k (-ix)^k / ((n+1)(n+2)…(n+1+k))`.
fn series(n: f64, x: f64) -> (f64, f64) {
    let mut term = 1.0 / (n + 1.0);
    let (mut re, mut im) = (0.0, 0.0);
    // Where |x| = n the terms fall like exp(-k²/2n), so these suffice for every n below LARGE_ORDER.
    for k in 0..2400_u32 {
        // (-i)^k runs through 1, -i, -1, i.
        match k % 4 {
            0 => re += term,
            1 => im -= term,
            2 => re -= term,
            _ => im += term,
        }
        if term.abs() < 1e-18 * re.abs().min(im.abs()) || term == 0.0 {
            break;
        }
        term *= x / (n + 2.0 + f64::from(k));
    }
    (re, im)
}

/// `S = ∫₀^∞ exp(-w s)·exp(z (exp(-s) - 1 + s)) ds` with `z = ix`, `w = n + 1 + z`: Watson's lemma in `u = 1/w`, where `v = z/w` is bounded.
fn laplace(n: f64, x: f64) -> (f64, f64) {
    let (re, im) = (n + 1.0, x);
    // Smith's division, against overflow of the squared modulus.
    let u = if re >= im.abs() {
        let ratio = im / re;
        let scale = re + im * ratio;
        (1.0 / scale, -ratio / scale)
    } else {
        let ratio = re / im;
        let scale = re * ratio + im;
        (ratio / scale, -1.0 / scale)
    };
    // v = z·u = x·(i u) = 1 - (n + 1)·u
    let v = (-x * u.1, x * u.0);
    let v2 = times(v, v);
    let v3 = times(v2, v);
    let third = (v.0 - 10.0 * v2.0 + 15.0 * v3.0, v.1 - 10.0 * v2.1 + 15.0 * v3.1);
    let second = plus((3.0 * v2.0 - v.0, 3.0 * v2.1 - v.1), times(u, third));
    let first = plus(v, times(u, second));
    times(u, plus((1.0, 0.0), times(u, first)))
}

fn times(a: (f64, f64), b: (f64, f64)) -> (f64, f64) {
    (a.0 * b.0 - a.1 * b.1, a.0 * b.1 + a.1 * b.0)
}

fn plus(a: (f64, f64), b: (f64, f64)) -> (f64, f64) {
    (a.0 + b.0, a.1 + b.1)
}
