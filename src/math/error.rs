//! The error function.
//!
//! ```text
//! |x| < 0.6:  erf x = x + x·ERF(x²),  erfc x = 1 - erf x
//! beyond:       erfc a = e^-a²·(5/4 + ERFC(t))/(2a + 1),  t = (a - 3)/(a + 3),  a = |x|
//! ```
//!
//! The function and nearly the variable of Shepherd and Laframboise ("Chebyshev approximation of (1 + 2x)exp(x²)erfc x", 1981): it is
//! nearly flat, so that the rounding of `t` does little. The square is exact as the sum of two doubles, which keeps the tail's digits.

use super::Number;
use super::exponential::{reduce, tail};
use super::polynomial::polynomial;

/// `erf(x)/x - 1`, z = x²; error 2^-57.
const ERF: [f64; 11] = [
    0.1283791670955126,
    -0.37612638903183754,
    0.1128379167095506,
    -0.026866170645103597,
    0.005223977624845714,
    -0.0008548326948353916,
    0.00012055327081990282,
    -1.4925352215100913e-05,
    1.6452407508616264e-06,
    -1.6168433170963223e-07,
    1.2504220582119821e-08,
];

/// `(2a + 1)·e^a²·erfc(a) - 5/4`, which is small, for a from 0.47 to 28; error 2^-57 of erfc.
const ERFC: [f64; 22] = [
    0.0030080582697296484,
    -0.13562110612458134,
    -0.04756229435344929,
    0.12964515870278218,
    -0.11927366341540853,
    0.06830802734313514,
    -0.023770514915907145,
    0.00252939183118355,
    0.0018886903193319046,
    -0.0007798324207959592,
    -0.00010515945190345856,
    0.0001251002279473729,
    4.9475583071398844e-06,
    -2.0103773471387115e-05,
    -7.24585308421135e-07,
    3.4797013578432544e-06,
    3.4069049503566947e-07,
    -6.264203182766486e-07,
    -1.1786729769290671e-07,
    1.083847437369773e-07,
    2.1419645798519193e-08,
    -1.4017033791303556e-08,
];

/// Neither function cancels much on either side.
const MIDDLE: f64 = 0.6;

/// `erfc(a)` for `a >= 0.47`.
#[inline(always)]
fn erfc_beyond<V: Number>(a: V) -> V {
    // Beyond 28 it is 0.
    let a = a.at_most(28.0);
    let square = a * a;
    let square_rest = a.fma(a, -square);
    let reduced = reduce(-square);
    let rest = reduced.low - square_rest;
    let r = reduced.r + rest;
    let r_rest = (reduced.r - r) + rest;
    // e^r - 1
    let curved = r + (r * r).fma(tail(r), r_rest);

    let t = (a - 3.0) / (a + 3.0);
    let (double, one) = (a + a, a.constant(1.0));
    let below = double + one;
    let below_rest = double - (below - one);
    let flat = polynomial(t, &ERFC);
    let above = flat + 1.25;
    let above_rest = flat - (above - 1.25);
    let quotient = above / below;
    // What the quotient has missed, times 1/(2a + 1), for which a digit will do.
    let missing = quotient.fma(-below_rest, quotient.fma(-below, above) + above_rest) * (quotient * 0.8);
    (quotient + quotient.fma(curved, missing)).scale(reduced.n)
}

/// `erf(x)` near 0.
#[inline(always)]
fn erf_within<V: Number>(x: V) -> V {
    x.fma(polynomial(x * x, &ERF), x)
}

/// The error function. Error <= 2 ulp.
#[inline(always)]
pub fn erf<V: Number>(x: V) -> V {
    let a = x.abs();
    let beyond = (x.constant(1.0) - erfc_beyond(a)).copysign(x);
    V::select(a.less(x.constant(MIDDLE)), erf_within(x), beyond)
}

/// The complementary error function `1 - erf(x)`, with its digits in the tail. Error <= 2 ulp.
#[inline(always)]
pub fn erfc<V: Number>(x: V) -> V {
    let a = x.abs();
    let right = erfc_beyond(a);
    let beyond = V::select(x.less(x.constant(0.0)), x.constant(2.0) - right, right);
    V::select(a.less(x.constant(MIDDLE)), x.constant(1.0) - erf_within(x), beyond)
}
