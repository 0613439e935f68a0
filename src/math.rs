//! Elementary functions of our own, each written once.
//!
//! A function here is generic over [`Number`]. With [`graph::Node`] it writes itself into a graph, and [`expand`] puts that in
//! the place of the operator, as the last pass before code, where `Functions::Portable` asks for it. With `f64` it is the value of that,
//! [`eval`]. Both do the same arithmetic in the same order, so the bits are the same in every back end, at every width of vectors and on
//! every machine. The default is the platform's library: with tables and branches it is faster for single points.
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
mod error;
mod exponential;
mod graph;
mod hyperbolic;
mod logarithm;
mod logistic;
mod polynomial;
mod power;
mod roots;

pub use arcs::{acos, asin, atan, atan2};
pub use circular::{cos, cos_far, sin, sin_cos, sin_far, sinc, tan, tan_far};
pub use error::{erf, erfc};
pub use exponential::{exp, exp2, expm1};
pub use hyperbolic::{acosh, asinh, atanh, cosh, sinh, tanh};
pub use logarithm::{ln, log1p, log2, log10, xlogy};
pub use logistic::{logit, sigmoid, sigmoid_slope, silu, softplus};
pub use power::pow;
pub use roots::{cbrt, hypot};

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
            (Some(Expansion::F1(write, _)), &[a]) => {
                let a = pass.get(a);
                graph::write(&mut pass.builder, |node| write(node(a)))
            }
            (Some(Expansion::F2(write, _)), &[a, b]) => {
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

/// How an operator writes itself into a graph, and what that computes.
enum Expansion {
    F1(for<'a> fn(Node<'a>) -> Node<'a>, fn(f64) -> f64),
    F2(for<'a> fn(Node<'a>, Node<'a>) -> Node<'a>, fn(f64, f64) -> f64),
}

/// The value of an operator by our own function; `None` where there is none. What its expansion computes, to the bit.
pub fn eval(op: Op, x: &[f64]) -> Option<f64> {
    match (expansion(op)?, x) {
        (Expansion::F1(_, value), &[a]) => Some(value(a)),
        (Expansion::F2(_, value), &[a, b]) => Some(value(a, b)),
        _ => None,
    }
}

/// A function twice: for nodes of a graph, and for doubles.
macro_rules! both {
    ($kind:ident, $($x:ident)* => $function:expr) => {
        $kind(|$($x),*| $function, |$($x),*| $function)
    };
}

/// The expansion of an operator; `None` where it is called or needs none.
fn expansion(op: Op) -> Option<Expansion> {
    use Expansion::{F1, F2};
    Some(match op {
        Op::Exp => both!(F1, x => exp(x)),
        Op::Expm1 => both!(F1, x => expm1(x)),
        Op::Exp2 => both!(F1, x => exp2(x)),
        Op::Ln => both!(F1, x => ln(x)),
        Op::Log1p => both!(F1, x => log1p(x)),
        Op::Log2 => both!(F1, x => log2(x)),
        Op::Log10 => both!(F1, x => log10(x)),
        Op::Sin => both!(F1, x => sin(x)),
        Op::Cos => both!(F1, x => cos(x)),
        Op::Tan => both!(F1, x => tan(x)),
        Op::Asin => both!(F1, x => asin(x)),
        Op::Acos => both!(F1, x => acos(x)),
        Op::Atan => both!(F1, x => atan(x)),
        Op::Atan2 => both!(F2, y x => atan2(y, x)),
        Op::Cbrt => both!(F1, x => cbrt(x)),
        Op::Pow => both!(F2, x y => pow(x, y)),
        Op::Hypot => both!(F2, a b => hypot(a, b)),
        Op::Sinh => both!(F1, x => sinh(x)),
        Op::Cosh => both!(F1, x => cosh(x)),
        Op::Tanh => both!(F1, x => tanh(x)),
        Op::Asinh => both!(F1, x => asinh(x)),
        Op::Acosh => both!(F1, x => acosh(x)),
        Op::Atanh => both!(F1, x => atanh(x)),
        Op::Erf => both!(F1, x => erf(x)),
        Op::Erfc => both!(F1, x => erfc(x)),
        Op::Xlogy => both!(F2, x y => xlogy(x, y)),
        Op::Sinc => both!(F1, x => sinc(x)),
        Op::Silu => both!(F1, x => silu(x)),
        Op::Logit => both!(F1, x => logit(x)),
        Op::Sigmoid => both!(F1, x => sigmoid(x)),
        Op::SigmoidSlope => both!(F1, x => sigmoid_slope(x)),
        Op::Softplus => both!(F1, x => softplus(x)),
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
    /// `self*2^-exponent`, from 1 to 2 with the sign of `self`; 1 with that sign of 0 and infinity.
    fn significand(self) -> Self;
    /// The size of `self` with the sign of `sign`.
    fn copysign(self, sign: Self) -> Self;

    fn less(self, other: Self) -> Self::Condition;
    fn equals(self, other: Self) -> Self::Condition;
    fn select(condition: Self::Condition, a: Self, b: Self) -> Self;
    /// `self` where it is good, else the value at `x` of an operator that is called.
    fn or_call(self, is_good: Self::Condition, op: Op, x: Self) -> Self;

    /// The lesser one; `self` where it is NaN.
    fn at_most(self, bound: f64) -> Self {
        let bound = self.constant(bound);
        Self::select(bound.less(self), bound, self)
    }

    /// The greater one; `self` where it is NaN.
    fn at_least(self, bound: f64) -> Self {
        let bound = self.constant(bound);
        Self::select(self.less(bound), bound, self)
    }
}

/// Adding and subtracting it rounds a number below 2^51 to the nearest whole one, ties to the even one, faster than `rint`; 0 has no sign then.
const TO_WHOLE: f64 = 1.5 * (1_u64 << 52) as f64;

/// The whole number nearest to `x*factor`, never -0. The product must stay below 2^51.
fn round_product<V: Number>(x: V, factor: f64) -> V {
    x.fma(x.constant(factor), x.constant(TO_WHOLE)) - TO_WHOLE
}

impl Number for f64 {
    type Condition = bool;

    fn constant(self, value: f64) -> f64 {
        value
    }

    fn fma(self, b: f64, c: f64) -> f64 {
        self.mul_add(b, c)
    }

    fn sqrt(self) -> f64 {
        self.sqrt()
    }

    fn abs(self) -> f64 {
        self.abs()
    }

    fn rint(self) -> f64 {
        self.round_ties_even()
    }

    fn scale(self, k: f64) -> f64 {
        special::scale(self, k)
    }

    fn exponent(self) -> f64 {
        special::exponent(self)
    }

    fn significand(self) -> f64 {
        special::significand(self)
    }

    fn copysign(self, sign: f64) -> f64 {
        self.copysign(sign)
    }

    fn less(self, other: f64) -> bool {
        self < other
    }

    fn equals(self, other: f64) -> bool {
        self == other
    }

    fn select(condition: bool, a: f64, b: f64) -> f64 {
        if condition { a } else { b }
    }

    fn or_call(self, is_good: bool, op: Op, x: f64) -> f64 {
        match op.row().eval {
            crate::ops::Eval::F1(eval) if !is_good => eval(x),
            _ => self,
        }
    }
}
