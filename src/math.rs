//! Elementary functions of our own, each written once.
//!
//! A function here is generic over [`Number`]. With [`graph::Node`] it writes itself into a graph, and [`expand`] puts that in
//! the place of the operator, as the last pass before code. With `f64` it is a value: [`double`] has these for everyone, the operator table first.
//! Both do the same arithmetic in the same order, so the bits are the same in every back end, written out or called, at every
//! width of vectors and on every machine.
//!
//! Only arithmetic is used that machines have for vectors: sums, products, quotients, roots, `fma`, rounding, choice, and
//! the exponent and significand of a number. There are no tables and no branches. Where a full treatment would more than
//! double the code, a function is `select(common, fast, slow(x))`, with `slow` an operator of its own that is called: see
//! [`Number::or_call`]. In the scalar it is called only where it is needed.
//!
//! Polynomials are minimax (`tests/references/polynomials.py`) and evaluated by Estrin's scheme, which is nearly as many operations as
//! Horner's and a third of the latency. Errors are stated in units in the last place (ulp) of the exact result and are measured against
//! mpmath by `tests/suite/math.rs`.
//!
//! Idioms that a back end may know: `select(lt(a, b), a, b)` is one instruction (`minsd`), and so is `select(lt(b, a), a, b)`
//! (`maxsd`); a negated operand of `fma` is free; `x*copysign(1, y)` changes the sign of `x` by that of `y`.

mod arcs;
mod circular;
mod double;
mod error;
mod exponential;
mod graph;
mod hyperbolic;
mod logarithm;
mod logistic;
mod polynomial;
mod power;
mod roots;

pub use circular::{cos_far, sin_far, tan_far};
pub use double::*;

use std::ops::{Add, BitAnd, BitOr, Div, Mul, Neg, Sub};

use graph::Node;

use crate::ir::Func;
use crate::ops::Op;
use crate::opt::{compact, rebuild};
use crate::special;

/// The same function with elementary functions written out, as far as they have an expansion.
/// No derivative may be taken afterwards.
pub fn expand(func: &Func) -> Func {
    let expanded = rebuild(func, |pass, val| {
        let expansion = func.inst(val).op().and_then(expansion);
        let operands = func.operands(val);
        match (expansion, operands.as_slice()) {
            (Some(Expansion::F1(write)), &[a]) => {
                let a = pass.get(a);
                graph::write(&mut pass.builder, |node| write(node(a)))
            }
            (Some(Expansion::F2(write)), &[a, b]) => {
                let (a, b) = (pass.get(a), pass.get(b));
                graph::write(&mut pass.builder, |node| write(node(a), node(b)))
            }
            _ => pass.copy(val),
        }
    });
    compact(&expanded)
}

/// Whether an operator has an expansion.
pub fn is_elementary(op: Op) -> bool {
    expansion(op).is_some()
}

/// How an operator writes itself into a graph.
enum Expansion {
    F1(for<'a> fn(Node<'a>) -> Node<'a>),
    F2(for<'a> fn(Node<'a>, Node<'a>) -> Node<'a>),
}

/// The expansion of an operator; `None` where it is called or needs none.
fn expansion(op: Op) -> Option<Expansion> {
    use Expansion::{F1, F2};
    Some(match op {
        Op::Exp => F1(|x| exponential::exp(x)),
        Op::Expm1 => F1(|x| exponential::expm1(x)),
        Op::Exp2 => F1(|x| exponential::exp2(x)),
        Op::Ln => F1(|x| logarithm::ln(x)),
        Op::Log1p => F1(|x| logarithm::log1p(x)),
        Op::Log2 => F1(|x| logarithm::log2(x)),
        Op::Log10 => F1(|x| logarithm::log10(x)),
        Op::Sin => F1(|x| circular::sin(x)),
        Op::Cos => F1(|x| circular::cos(x)),
        Op::Tan => F1(|x| circular::tan(x)),
        Op::Asin => F1(|x| arcs::asin(x)),
        Op::Acos => F1(|x| arcs::acos(x)),
        Op::Atan => F1(|x| arcs::atan(x)),
        Op::Atan2 => F2(|y, x| arcs::atan2(y, x)),
        Op::Cbrt => F1(|x| roots::cbrt(x)),
        Op::Pow => F2(|x, y| power::pow(x, y)),
        Op::Hypot => F2(|a, b| roots::hypot(a, b)),
        Op::Sinh => F1(|x| hyperbolic::sinh(x)),
        Op::Cosh => F1(|x| hyperbolic::cosh(x)),
        Op::Tanh => F1(|x| hyperbolic::tanh(x)),
        Op::Asinh => F1(|x| hyperbolic::asinh(x)),
        Op::Acosh => F1(|x| hyperbolic::acosh(x)),
        Op::Atanh => F1(|x| hyperbolic::atanh(x)),
        Op::Erf => F1(|x| error::erf(x)),
        Op::Erfc => F1(|x| error::erfc(x)),
        Op::Xlogy => F2(|x, y| logarithm::xlogy(x, y)),
        Op::Sinc => F1(|x| circular::sinc(x)),
        Op::Silu => F1(|x| logistic::silu(x)),
        Op::Logit => F1(|x| logistic::logit(x)),
        Op::Sigmoid => F1(|x| logistic::sigmoid(x)),
        Op::SigmoidSlope => F1(|x| logistic::sigmoid_slope(x)),
        Op::Softplus => F1(|x| logistic::softplus(x)),
        _ => return None,
    })
}

/// What the functions compute with: a double, or a node of a graph that will be one.
pub trait Number:
    Copy
    + Neg<Output = Self>
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Add<f64, Output = Self>
    + Sub<f64, Output = Self>
    + Mul<f64, Output = Self>
{
    type Condition: Copy + BitAnd<Output = Self::Condition> + BitOr<Output = Self::Condition>;

    /// A constant, where this number is computed.
    fn constant(self, value: f64) -> Self;
    /// `self*b + c`, rounded once.
    fn fma(self, b: Self, c: Self) -> Self;
    fn sqrt(self) -> Self;
    fn abs(self) -> Self;
    /// The nearest whole number, ties to the even one.
    fn rint(self) -> Self;
    /// `self*2^floor(k)`, rounded once.
    fn scale(self, k: Self) -> Self;
    /// Floor of the binary logarithm of the size: -inf of 0, inf of an infinity.
    fn exponent(self) -> Self;
    /// Of the size, times a power of 2, from 3/4 to 3/2; 1 of 0 and infinity.
    fn significand(self) -> Self;
    /// The size of `self` with the sign of `sign`.
    fn copysign(self, sign: Self) -> Self;

    fn less(self, other: Self) -> Self::Condition;
    fn equals(self, other: Self) -> Self::Condition;
    fn select(condition: Self::Condition, a: Self, b: Self) -> Self;
    /// `self` where it is good, else the value at `x` of an operator that is called.
    fn or_call(self, is_good: Self::Condition, op: Op, x: Self) -> Self;

    /// The lesser one; `self` where it is NaN.
    #[inline(always)]
    fn at_most(self, bound: f64) -> Self {
        let bound = self.constant(bound);
        Self::select(bound.less(self), bound, self)
    }

    /// The greater one; `self` where it is NaN.
    #[inline(always)]
    fn at_least(self, bound: f64) -> Self {
        let bound = self.constant(bound);
        Self::select(self.less(bound), bound, self)
    }
}

/// Adding and subtracting it rounds a number below 2^51 to the nearest whole one, ties to the even one, faster than `rint`; 0 has no sign then.
const TO_WHOLE: f64 = 1.5 * (1_u64 << 52) as f64;

/// The whole number nearest to `x*factor`, never -0. The product must stay below 2^51.
#[inline(always)]
fn round_product<V: Number>(x: V, factor: f64) -> V {
    x.fma(x.constant(factor), x.constant(TO_WHOLE)) - TO_WHOLE
}

impl Number for f64 {
    type Condition = bool;

    #[inline(always)]
    fn constant(self, value: f64) -> f64 {
        value
    }

    #[inline(always)]
    fn fma(self, b: f64, c: f64) -> f64 {
        self.mul_add(b, c)
    }

    #[inline(always)]
    fn sqrt(self) -> f64 {
        self.sqrt()
    }

    #[inline(always)]
    fn abs(self) -> f64 {
        self.abs()
    }

    #[inline(always)]
    fn rint(self) -> f64 {
        self.round_ties_even()
    }

    #[inline(always)]
    fn scale(self, k: f64) -> f64 {
        special::scale(self, k)
    }

    #[inline(always)]
    fn exponent(self) -> f64 {
        special::exponent(self)
    }

    #[inline(always)]
    fn significand(self) -> f64 {
        special::significand(self)
    }

    #[inline(always)]
    fn copysign(self, sign: f64) -> f64 {
        self.copysign(sign)
    }

    #[inline(always)]
    fn less(self, other: f64) -> bool {
        self < other
    }

    #[inline(always)]
    fn equals(self, other: f64) -> bool {
        self == other
    }

    #[inline(always)]
    fn select(condition: bool, a: f64, b: f64) -> f64 {
        if condition { a } else { b }
    }

    #[inline(always)]
    fn or_call(self, is_good: bool, op: Op, x: f64) -> f64 {
        if is_good {
            return self;
        }
        match op {
            Op::SinFar => sin_far(x),
            Op::CosFar => cos_far(x),
            Op::TanFar => tan_far(x),
            _ => unreachable!("no other operator is the slow path of an expansion"),
        }
    }
}
