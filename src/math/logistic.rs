//! The logistic function and its relatives. All are made of `e^-|x|`, which can't overflow and is shared.

use super::Number;
use super::exponential::exp_of_minus_abs;
use super::logarithm::log1p_of_fraction;

/// `1/(1 + e^-x)`. Error <= 2 ulp.
pub fn sigmoid<V: Number>(x: V) -> V {
    let tail = exp_of_minus_abs(x);
    V::select(x.less(x.constant(0.0)), tail, x.constant(1.0)) / (tail + 1.0)
}

/// The slope of the sigmoid, `e^-|x|/(1 + e^-|x|)²`. Error <= 2 ulp.
pub fn sigmoid_slope<V: Number>(x: V) -> V {
    let tail = exp_of_minus_abs(x);
    let whole = tail + 1.0;
    let rounded_off = tail - (whole - 1.0);
    tail / whole.fma(whole, (whole + whole) * rounded_off)
}

/// `ln(1 + e^x)`. Error <= 2 ulp.
pub fn softplus<V: Number>(x: V) -> V {
    let bend = log1p_of_fraction(exp_of_minus_abs(x));
    V::select(x.constant(0.0).less(x), x + bend, bend)
}
