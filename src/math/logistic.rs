//! The logistic function and its relatives. All are made of `e^-|x|`, which can't overflow and is shared.

use super::Number;
use super::exponential::{Reduced, UNDERFLOW, reduce};
use super::logarithm::{ln_of_sum, log1p_of_fraction};

#[inline(always)]
fn reduce_minus_abs<V: Number>(x: V) -> Reduced<V> {
    reduce((-x.abs()).at_least(UNDERFLOW))
}

/// `e^-|x|`. Error <= 1 ulp.
#[inline(always)]
fn exp_of_minus_abs<V: Number>(x: V) -> V {
    let reduced = reduce_minus_abs(x);
    reduced.significand().scale(reduced.n)
}

/// `1/(1 + e^-x)`. Error <= 2 ulp.
#[inline(always)]
pub fn sigmoid<V: Number>(x: V) -> V {
    let tail = exp_of_minus_abs(x);
    V::select(x.less(x.constant(0.0)), tail, x.constant(1.0)) / (tail + 1.0)
}

/// The slope of the sigmoid, `e^-|x|/(1 + e^-|x|)²`. Error <= 2 ulp.
#[inline(always)]
pub fn sigmoid_slope<V: Number>(x: V) -> V {
    let tail = exp_of_minus_abs(x);
    let whole = tail + 1.0;
    let rounded_off = tail - (whole - 1.0);
    tail / whole.fma(whole, (whole + whole) * rounded_off)
}

/// `ln(1 + e^x)`. Error <= 2 ulp.
#[inline(always)]
pub fn softplus<V: Number>(x: V) -> V {
    let bend = log1p_of_fraction(exp_of_minus_abs(x));
    V::select(x.constant(0.0).less(x), x + bend, bend)
}

/// `x/(1 + e^-x)`. Error <= 3 ulp; -0 at -inf.
///
/// In the left tail the factor `2^n` of `e^x` comes last, because there `e^x` is subnormal while its product with `x` is not.
#[inline(always)]
pub fn silu<V: Number>(x: V) -> V {
    let zero = x.constant(0.0);
    let is_left = x.less(zero);
    let reduced = reduce_minus_abs(x);
    let tail = exp_of_minus_abs(x);
    let above = V::select(is_left, x.at_least(UNDERFLOW) * reduced.significand(), x);
    (above / (tail + 1.0)).scale(V::select(is_left, reduced.n, zero))
}

/// `ln(x/(1 - x))`, the inverse of the sigmoid. Error <= 3 ulp; -inf at ±0, inf at 1, NaN outside [0, 1].
///
/// Near 1/2 the result is small: there `2x - 1` is exact and `log1p((2x - 1)/(1 - x))` has its digits.
#[inline(always)]
pub fn logit<V: Number>(x: V) -> V {
    let zero = x.constant(0.0);
    let is_near = (x - 0.5).abs().less(x.constant(0.25));
    let quotient = V::select(is_near, (x + x) - 1.0, x) / (x.constant(1.0) - x);
    let u = V::select(is_near, quotient + 1.0, quotient);
    let low = V::select(is_near, quotient - (u - 1.0), zero);
    V::select(u.less(zero), x.constant(f64::NAN), ln_of_sum(u, low, zero))
}
