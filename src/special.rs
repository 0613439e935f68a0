pub fn powi(x: f64, n: i64) -> f64 {
    x.powi(n as i32)
}
pub fn xlog_pow(a: f64, b: f64, k: f64) -> f64 {
    a.powf(b) * a.ln().powf(k)
}
pub fn log_base(a: f64, b: f64) -> f64 {
    a.ln() / b.ln()
}
pub fn xlogy(a: f64, b: f64) -> f64 {
    if a == 0.0 { 0.0 } else { a * b.ln() }
}
pub fn hypot(a: f64, b: f64) -> f64 {
    a.hypot(b)
}
pub fn unit(a: f64, b: f64) -> f64 {
    let h = a.hypot(b);
    if h == 0.0 { 0.0 } else { a / h }
}
pub fn sinc(a: f64) -> f64 {
    if a == 0.0 { 1.0 } else { a.sin() / a }
}
pub fn sinc_n(_n: f64, a: f64) -> f64 {
    sinc(a)
}
pub fn asinh(a: f64) -> f64 {
    a.asinh()
}
pub fn acosh(a: f64) -> f64 {
    a.acosh()
}
pub fn atanh(a: f64) -> f64 {
    a.atanh()
}
pub fn sign(a: f64) -> f64 {
    if a > 0.0 {
        1.0
    } else if a < 0.0 {
        -1.0
    } else if a == 0.0 {
        0.0
    } else {
        a
    }
}
pub fn step(a: f64) -> f64 {
    if a > 0.0 {
        1.0
    } else if a <= 0.0 {
        0.0
    } else {
        a
    }
}
pub fn mod_floor(a: f64, b: f64) -> f64 {
    a - b * (a / b).floor()
}
pub fn div_floor(a: f64, b: f64) -> f64 {
    (a / b).floor()
}
pub fn min(a: f64, b: f64) -> f64 {
    if a < b { a } else { b }
}
pub fn max(a: f64, b: f64) -> f64 {
    if a > b { a } else { b }
}
pub fn clamp(a: f64, b: f64, c: f64) -> f64 {
    min(max(a, b), c)
}
pub fn erf(a: f64) -> f64 {
    libm::erf(a)
}
pub fn erfc(a: f64) -> f64 {
    libm::erfc(a)
}
pub fn gamma(a: f64) -> f64 {
    libm::tgamma(a)
}
pub fn lgamma(a: f64) -> f64 {
    libm::lgamma(a)
}
pub fn digamma(a: f64) -> f64 {
    a
}
pub fn polygamma(_n: f64, a: f64) -> f64 {
    a
}
pub fn sigmoid(a: f64) -> f64 {
    1.0 / (1.0 + (-a).exp())
}
pub fn sigmoid_slope(a: f64) -> f64 {
    sigmoid(a) * sigmoid(-a)
}
pub fn softplus(a: f64) -> f64 {
    a.exp().ln_1p()
}
pub fn relu(a: f64) -> f64 {
    if a > 0.0 { a } else { 0.0 }
}
pub fn leaky_relu(a: f64, b: f64) -> f64 {
    if a > 0.0 { a } else { b * a }
}
pub fn silu(a: f64) -> f64 {
    a * sigmoid(a)
}
pub fn gelu(a: f64) -> f64 {
    0.5 * a * erfc(-a / 2f64.sqrt())
}
pub fn logit(a: f64) -> f64 {
    (a / (1.0 - a)).ln()
}
