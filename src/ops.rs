//! The operator table: one row a scalar operator, and everything else follows from it.
//!
//! The row says the name, the types, the value, the derivative rule, where to sample it in tests, known values,
//! and its documentation. Folding, interpreter, machine code, both derivative modes, printing, `chainrule
//! functions`, the language reference and the operator tests read it; nothing is told twice.
//!
//! A **rule** is written in the formula language, one entry an operand, and is linear in the seed `g`:
//! `a`, `b`, `c` are the operands, `y` is the result. Forward mode sums the rules over the operands with
//! `g` their tangents; reverse mode sends each rule with `g` the adjoint of the result to its operand. One rule, both
//! modes, any order. The empty rule is a derivative that is zero by structure.
//!
//! A rule is numerics: it must keep its digits to the ends of the domain, and so must its own second and
//! third derivatives. That is why `tanh` does not say `g*(1 - y*y)` (it loses the tail), why `sigmoid` has an
//! operator `sigmoid_slope` (the difference `sigmoid(-a) - sigmoid(a)` would cancel near 0), why `hypot` and
//! `atan2` share `unit`, and why `pow`, `sinc` and `digamma` have families that are closed under differentiation.
//! `domain(y, v)` is `v`, or NaN where `y` is: a function has no slope where it has no value.

use crate::{math, special};

/// The type of a value in the graph.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum Type {
    F64,
    Int,
    Bool,
    /// What a region has: nothing of its own, its results have types.
    Tuple,
}

impl Type {
    pub fn name(self) -> &'static str {
        match self {
            Type::F64 => "f64",
            Type::Int => "int",
            Type::Bool => "bool",
            Type::Tuple => "tuple",
        }
    }
}

/// How an operator computes its value.
#[derive(Clone, Copy)]
pub enum Eval {
    F1(fn(f64) -> f64),
    F2(fn(f64, f64) -> f64),
    F3(fn(f64, f64, f64) -> f64),
    /// Two or more operands, combined from the left.
    Fold(fn(f64, f64) -> f64),
    /// A number and an integer.
    FI(fn(f64, i64) -> f64),
    /// A comparison of numbers.
    Compare(fn(f64, f64) -> bool),
    B1(fn(bool) -> bool),
    B2(fn(bool, bool) -> bool),
    CompareInt(fn(i64, i64) -> bool),
    /// Integer arithmetic with the reason why it fails, where it does. See [`Fault`].
    I1(fn(i64) -> Result<i64, Fault>),
    I2(fn(i64, i64) -> Result<i64, Fault>),
    IntToF64,
    /// A whole number as an integer, or the reason why it is none.
    F64ToInt(fn(f64) -> Result<i64, Fault>),
    /// `select(condition, a, b)` of any one type.
    Select,
}

/// Why an instruction has no result.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum Fault {
    Overflow,
    DivisionByZero,
    NegativePower,
    /// A number that is to be an integer is infinite, NaN or beyond 64 bits.
    NoInteger,
    /// A subscript is outside of its array.
    Outside,
    /// A place is asked for, and there is none: `argmax` over nothing.
    Nowhere,
    /// An element is read that nothing has given a value, or not yet.
    Missing,
    /// A `while` has come to the limit of its turns.
    Endless,
}

impl Fault {
    pub const ALL: [Fault; 8] = [
        Fault::Overflow,
        Fault::DivisionByZero,
        Fault::NegativePower,
        Fault::NoInteger,
        Fault::Outside,
        Fault::Nowhere,
        Fault::Missing,
        Fault::Endless,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Fault::Overflow => "overflow",
            Fault::DivisionByZero => "division_by_zero",
            Fault::NegativePower => "negative_power",
            Fault::NoInteger => "no_integer",
            Fault::Outside => "outside",
            Fault::Nowhere => "nowhere",
            Fault::Missing => "missing",
            Fault::Endless => "endless",
        }
    }
}

/// Where an operand is sampled in tests: an interval, spread evenly or over the magnitudes.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    pub low: f64,
    pub high: f64,
}

const fn over(low: f64, high: f64) -> Sample {
    Sample { low, high }
}

const REAL: Sample = over(-30.0, 30.0);
const POSITIVE: Sample = over(1e-6, 50.0);
const NONZERO: Sample = over(0.2, 40.0);
const UNIT: Sample = over(-0.999, 0.999);
const SMALL: Sample = over(-8.0, 8.0);
const ORDER: Sample = over(2.0, 2.0);

/// How a person meets the operator.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Surface {
    /// A function of the language, called by the row's name.
    Function,
    /// An infix or prefix operator, or `if`.
    Operator,
    /// Not in the language: it arises from derivatives and shows in the graph's text form.
    Internal,
}

/// Where an operator has a kink or a jump, as a predicate of its operands.
pub type Kink = fn(&[f64]) -> bool;

pub struct Row {
    pub op: Op,
    pub name: &'static str,
    pub surface: Surface,
    pub args: &'static [Type],
    pub result: Type,
    pub eval: Eval,
    /// One rule an operand; empty: zero by structure. Operators whose rule is code have no entries.
    pub rule: &'static [&'static str],
    /// Where tests sample each operand.
    pub domain: &'static [Sample],
    /// Operands and the value they must give, to the bit.
    pub known: &'static [(&'static [f64], f64)],
    pub kink: Option<Kink>,
    /// Rough cost in units of one multiplication.
    pub cost: u32,
    pub doc: &'static str,
}

const F: Type = Type::F64;
const I: Type = Type::Int;
const B: Type = Type::Bool;
const INF: f64 = f64::INFINITY;
const NAN: f64 = f64::NAN;

/// What a row is when it does not say otherwise.
const BASE: Row = Row {
    op: Op::Neg,
    name: "",
    surface: Surface::Function,
    args: &[F],
    result: F,
    eval: Eval::Select,
    rule: &[],
    domain: &[],
    known: &[],
    kink: None,
    cost: 1,
    doc: "",
};

/// Declares the operators and their rows together, so that neither can lack the other.
macro_rules! operators {
    ($($op:ident { $($field:ident: $value:expr),* $(,)? })*) => {
        /// A scalar operator; its row in [`OPS`] says what it means.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Op { $($op),* }

        /// The operator table, in the order of [`Op`].
        pub static OPS: &[Row] = &[$(Row { op: Op::$op, $($field: $value,)* ..BASE }),*];
    };
}

operators! {
    // Arithmetic.
    Neg { name: "neg", surface: Surface::Operator, eval: Eval::F1(|a| -a), rule: &["-g"], domain: &[REAL],
        known: &[(&[0.0], -0.0)], doc: "negation" }
    Add { name: "add", surface: Surface::Operator, args: &[F, F], eval: Eval::F2(|a, b| a + b), rule: &["g", "g"],
        domain: &[REAL, REAL], doc: "sum" }
    Sub { name: "sub", surface: Surface::Operator, args: &[F, F], eval: Eval::F2(|a, b| a - b), rule: &["g", "-g"],
        domain: &[REAL, REAL], doc: "difference" }
    Mul { name: "mul", surface: Surface::Operator, args: &[F, F], eval: Eval::F2(|a, b| a * b), rule: &["g*b", "g*a"],
        domain: &[REAL, REAL], doc: "product" }
    Div { name: "div", surface: Surface::Operator, args: &[F, F], eval: Eval::F2(|a, b| a / b),
        rule: &["g/b", "-y*(g/b)"], domain: &[REAL, NONZERO], cost: 4, doc: "quotient" }
    Fma { name: "fma", surface: Surface::Internal, args: &[F, F, F], eval: Eval::F3(f64::mul_add),
        rule: &["g*b", "g*a", "g"], domain: &[REAL, REAL, REAL], doc: "a*b + c, rounded once" }
    Powi { name: "powi", surface: Surface::Operator, args: &[F, I], eval: Eval::FI(special::powi),
        cost: 4, doc: "power with a whole exponent: repeated multiplication" }
    Pow { name: "pow", args: &[F, F], eval: Eval::F2(math::pow),
        rule: &["if(a == 0 and b == 0, 0, domain(y, g*(b*pow(a, b - 1))))", "g*xlog_pow(a, b, 1)"],
        domain: &[POSITIVE, over(-4.0, 4.0)],
        known: &[(&[0.0, 0.0], 1.0), (&[0.0, 2.5], 0.0), (&[-8.0, 3.0], -512.0), (&[-8.0, 0.5], NAN)], cost: 40,
        doc: "power `a^b`; with a whole exponent, repeated multiplication" }
    XlogPow { name: "xlog_pow", surface: Surface::Internal, args: &[F, F, F], eval: Eval::F3(special::xlog_pow),
        rule: &["g*(b*xlog_pow(a, b - 1, c) + c*xlog_pow(a, b - 1, c - 1))", "g*xlog_pow(a, b, c + 1)", ""],
        domain: &[POSITIVE, over(-4.0, 4.0), ORDER], cost: 60, doc: "a^b*ln(a)^c with a whole c: the derivatives of pow" }

    // Exponentials and logarithms.
    Exp { name: "exp", eval: Eval::F1(math::exp), rule: &["g*y"], domain: &[REAL],
        known: &[(&[0.0], 1.0), (&[-INF], 0.0)], cost: 15, doc: "exponential" }
    Expm1 { name: "expm1", eval: Eval::F1(math::expm1), rule: &["g*exp(a)"], domain: &[REAL],
        known: &[(&[-0.0], -0.0), (&[-INF], -1.0)], cost: 20, doc: "`exp(a) - 1`, exact near 0" }
    Exp2 { name: "exp2", eval: Eval::F1(math::exp2), rule: &["g*(y*0.6931471805599453)"], domain: &[REAL],
        known: &[(&[3.0], 8.0), (&[-1074.0], 5e-324)], cost: 15, doc: "power of two" }
    Ln { name: "ln", eval: Eval::F1(math::ln), rule: &["domain(y, g/a)"], domain: &[POSITIVE],
        known: &[(&[1.0], 0.0), (&[0.0], -INF), (&[-1.0], NAN)], cost: 15, doc: "natural logarithm" }
    Log2 { name: "log2", eval: Eval::F1(math::log2), rule: &["domain(y, g/a*1.4426950408889634)"], domain: &[POSITIVE],
        known: &[(&[8.0], 3.0), (&[0.0], -INF)], cost: 15, doc: "logarithm to base 2" }
    Log10 { name: "log10", eval: Eval::F1(math::log10), rule: &["domain(y, g/a*0.4342944819032518)"],
        domain: &[POSITIVE], known: &[(&[1000.0], 3.0), (&[0.0], -INF)], cost: 20, doc: "logarithm to base 10" }
    Log1p { name: "log1p", eval: Eval::F1(math::log1p), rule: &["domain(y, g/(1 + a))"], domain: &[over(-0.9, 30.0)],
        known: &[(&[-0.0], -0.0), (&[-1.0], -INF)], cost: 20, doc: "`ln(1 + a)`, exact near 0" }
    LogBase { name: "log_base", surface: Surface::Internal, args: &[F, F], eval: Eval::F2(special::log_base),
        rule: &["domain(y, g/a/ln(b))", "-y*(g/b/ln(b))"], domain: &[POSITIVE, over(1.5, 20.0)],
        known: &[(&[8.0, 2.0], 3.0)], cost: 40, doc: "logarithm of `a` to base `b`, written `log(a, b)`" }
    Xlogy { name: "xlogy", args: &[F, F], eval: Eval::F2(math::xlogy),
        rule: &["domain(y, g*ln(b))", "if(a == 0 and b == 0, 0, domain(y, g*(a/b)))"], domain: &[REAL, POSITIVE],
        known: &[(&[0.0, 0.0], 0.0)], cost: 20, doc: "`a*ln(b)`, and 0 where `a` is 0" }

    // Roots and lengths.
    Sqrt { name: "sqrt", eval: Eval::F1(f64::sqrt), rule: &["g/(2*y)"], domain: &[POSITIVE],
        known: &[(&[4.0], 2.0), (&[-0.0], -0.0), (&[-1.0], NAN)], cost: 5, doc: "square root" }
    Cbrt { name: "cbrt", eval: Eval::F1(math::cbrt), rule: &["g/(3*y)/y"], domain: &[NONZERO],
        known: &[(&[-27.0], -3.0)], cost: 20, doc: "cube root" }
    Hypot { name: "hypot", args: &[F, F], eval: Eval::F2(math::hypot), rule: &["g*unit(a, b)", "g*unit(b, a)"],
        domain: &[REAL, NONZERO], known: &[(&[3.0, 4.0], 5.0), (&[-INF, NAN], INF)], kink: Some(|x| x[0] == 0.0 && x[1] == 0.0),
        cost: 20, doc: "`sqrt(a^2 + b^2)` without overflow; derivative 0 at (0, 0)" }
    Unit { name: "unit", surface: Surface::Internal, args: &[F, F], eval: Eval::F2(special::unit),
        rule: &["g*(unit(b, a)*unit(b, a)/hypot(a, b))", "-g*(unit(a, b)*unit(b, a)/hypot(a, b))"],
        domain: &[REAL, NONZERO], known: &[(&[0.0, 0.0], 0.0), (&[3.0, 4.0], 0.6)], cost: 20, doc: "a/hypot(a, b); 0 at (0, 0)" }

    // Circular functions.
    Sin { name: "sin", eval: Eval::F1(math::sin), rule: &["g*cos(a)"], domain: &[REAL], known: &[(&[-0.0], -0.0)], cost: 20,
        doc: "sine" }
    Cos { name: "cos", eval: Eval::F1(math::cos), rule: &["-g*sin(a)"], domain: &[REAL], known: &[(&[0.0], 1.0)], cost: 20,
        doc: "cosine" }
    Tan { name: "tan", eval: Eval::F1(math::tan), rule: &["g*(1 + y*y)"], domain: &[over(-1.4, 1.4)],
        known: &[(&[-0.0], -0.0)], cost: 25, doc: "tangent" }
    Asin { name: "asin", eval: Eval::F1(math::asin), rule: &["g/sqrt(fma(-a, a, 1))"], domain: &[UNIT],
        known: &[(&[2.0], NAN)], cost: 20, doc: "inverse sine" }
    Acos { name: "acos", eval: Eval::F1(math::acos), rule: &["-g/sqrt(fma(-a, a, 1))"], domain: &[UNIT],
        known: &[(&[1.0], 0.0)], cost: 20, doc: "inverse cosine" }
    Atan { name: "atan", eval: Eval::F1(math::atan), rule: &["g/(1 + a*a)"], domain: &[REAL], known: &[(&[-0.0], -0.0)],
        cost: 20, doc: "inverse tangent" }
    Atan2 { name: "atan2", args: &[F, F], eval: Eval::F2(math::atan2),
        rule: &["g*(unit(b, a)/hypot(a, b))", "-g*(unit(a, b)/hypot(a, b))"], domain: &[REAL, NONZERO],
        known: &[(&[0.0, 1.0], 0.0), (&[-0.0, -1.0], -std::f64::consts::PI)], cost: 30,
        doc: "angle of the point (b, a), as in `atan2(y, x)`" }
    Sinc { name: "sinc", eval: Eval::F1(math::sinc), rule: &["g*sinc_n(1, a)"], domain: &[REAL], known: &[(&[0.0], 1.0)],
        cost: 25, doc: "`sin(a)/a`, and 1 at 0" }
    SincN { name: "sinc_n", surface: Surface::Internal, args: &[F, F], eval: Eval::F2(special::sinc_n),
        rule: &["", "g*sinc_n(a + 1, b)"], domain: &[ORDER, REAL], known: &[(&[1.0, 0.0], -0.0)], cost: 40,
        doc: "derivative number `a` of sinc at `b`" }

    // Hyperbolic functions.
    Sinh { name: "sinh", eval: Eval::F1(math::sinh), rule: &["g*cosh(a)"], domain: &[SMALL], known: &[(&[-0.0], -0.0)], cost: 25,
        doc: "hyperbolic sine" }
    Cosh { name: "cosh", eval: Eval::F1(math::cosh), rule: &["g*sinh(a)"], domain: &[SMALL], known: &[(&[0.0], 1.0)], cost: 25,
        doc: "hyperbolic cosine" }
    Tanh { name: "tanh", eval: Eval::F1(math::tanh), rule: &["g*(4*sigmoid_slope(2*a))"], domain: &[SMALL],
        known: &[(&[INF], 1.0)], cost: 25, doc: "hyperbolic tangent" }
    Asinh { name: "asinh", eval: Eval::F1(math::asinh), rule: &["g/hypot(1, a)"], domain: &[REAL], known: &[(&[-0.0], -0.0)],
        cost: 25, doc: "inverse hyperbolic sine" }
    Acosh { name: "acosh", eval: Eval::F1(math::acosh), rule: &["g/(sqrt(a - 1)*sqrt(a + 1))"], domain: &[over(1.001, 50.0)],
        known: &[(&[1.0], 0.0)], cost: 25, doc: "inverse hyperbolic cosine" }
    Atanh { name: "atanh", eval: Eval::F1(math::atanh), rule: &["domain(y, g/fma(-a, a, 1))"], domain: &[UNIT],
        known: &[(&[1.0], INF), (&[2.0], NAN)], cost: 25, doc: "inverse hyperbolic tangent" }

    // Kinks and steps.
    Abs { name: "abs", eval: Eval::F1(f64::abs), rule: &["g*sign(a)"], domain: &[NONZERO], kink: Some(|x| x[0] == 0.0),
        known: &[(&[-0.0], 0.0)], doc: "absolute value; derivative 0 at 0" }
    Sign { name: "sign", eval: Eval::F1(special::sign), rule: &[""], domain: &[NONZERO], kink: Some(|x| x[0] == 0.0),
        known: &[(&[-3.0], -1.0), (&[0.0], 0.0)], doc: "-1, 0 or 1" }
    Step { name: "step", eval: Eval::F1(special::step), rule: &[""], domain: &[NONZERO], kink: Some(|x| x[0] == 0.0),
        known: &[(&[0.0], 0.0), (&[1.0], 1.0)], doc: "1 where `a > 0`, else 0" }
    Floor { name: "floor", eval: Eval::F1(f64::floor), rule: &[""], domain: &[REAL], kink: Some(|x| x[0].floor() == x[0]),
        known: &[(&[-1.5], -2.0)], cost: 2, doc: "largest whole number not above" }
    Ceil { name: "ceil", eval: Eval::F1(f64::ceil), rule: &[""], domain: &[REAL], kink: Some(|x| x[0].floor() == x[0]),
        known: &[(&[-1.5], -1.0)], cost: 2, doc: "smallest whole number not below" }
    Round { name: "round", eval: Eval::F1(f64::round), rule: &[""], domain: &[REAL],
        kink: Some(|x| (x[0] - x[0].trunc()).abs() == 0.5), known: &[(&[2.5], 3.0), (&[-0.5], -1.0)], cost: 4,
        doc: "nearest whole number, ties away from zero" }
    Trunc { name: "trunc", eval: Eval::F1(f64::trunc), rule: &[""], domain: &[REAL],
        kink: Some(|x| x[0] != 0.0 && x[0].floor() == x[0]), known: &[(&[-1.5], -1.0)], cost: 2, doc: "whole part, towards zero" }
    Mod { name: "mod", args: &[F, F], eval: Eval::F2(special::mod_floor), rule: &["domain(y, g)", "domain(y, -g*div_floor(a, b))"],
        domain: &[REAL, NONZERO], kink: Some(|x| special::mod_floor(x[0], x[1]) == 0.0), known: &[(&[-1.0, 3.0], 2.0)], cost: 20,
        doc: "`a - b*floor(a/b)`, with the sign of `b`" }
    DivFloor { name: "div_floor", surface: Surface::Internal, args: &[F, F], eval: Eval::F2(special::div_floor), rule: &["", ""],
        domain: &[REAL, NONZERO], kink: Some(|x| special::mod_floor(x[0], x[1]) == 0.0), known: &[(&[-1.0, 3.0], -1.0)], cost: 20,
        doc: "`floor(a/b)`, written `div(a, b)`" }
    Min { name: "min", args: &[F, F], eval: Eval::Fold(special::min), domain: &[REAL, REAL], kink: Some(|x| tied(x, special::min)),
        known: &[(&[0.0, -0.0], -0.0), (&[1.0, NAN], NAN)], cost: 2, doc: "least of two or more; ties share the derivative" }
    Max { name: "max", args: &[F, F], eval: Eval::Fold(special::max), domain: &[REAL, REAL], kink: Some(|x| tied(x, special::max)),
        known: &[(&[0.0, -0.0], 0.0), (&[1.0, NAN], NAN)], cost: 2, doc: "greatest of two or more; ties share the derivative" }
    Clamp { name: "clamp", args: &[F, F, F], eval: Eval::F3(special::clamp),
        rule: &["domain(y, if(b <= a and a <= c, g, 0))", "domain(y, if(a < b and b <= c, g, 0))",
            "domain(y, if(c < max(a, b), g, 0))"],
        domain: &[REAL, over(-9.0, -1.0), over(1.0, 9.0)], kink: Some(|x| x[0] == x[1] || x[0] == x[2]),
        known: &[(&[5.0, 0.0, 1.0], 1.0)], cost: 3, doc: "`a` held between the bounds `b` and `c`; derivative 1 on them" }

    // Statistics.
    Erf { name: "erf", eval: Eval::F1(math::erf), rule: &["g*(1.1283791670955126*exp(-(a*a)))"], domain: &[over(-4.0, 4.0)],
        known: &[(&[-0.0], -0.0), (&[INF], 1.0)], cost: 30, doc: "error function" }
    Erfc { name: "erfc", eval: Eval::F1(math::erfc), rule: &["-g*(1.1283791670955126*exp(-(a*a)))"],
        domain: &[over(-4.0, 20.0)], known: &[(&[0.0], 1.0)], cost: 30, doc: "`1 - erf(a)`, exact in the tail" }
    Gamma { name: "gamma", eval: Eval::F1(special::gamma), rule: &["g*(y*digamma(a))"], domain: &[over(0.1, 20.0)],
        known: &[(&[5.0], 24.0), (&[0.0], INF), (&[-1.0], NAN)], cost: 60, doc: "gamma function" }
    Lgamma { name: "lgamma", eval: Eval::F1(special::lgamma), rule: &["g*digamma(a)"], domain: &[over(0.1, 50.0)],
        known: &[(&[1.0], 0.0), (&[-1.0], INF)], cost: 60, doc: "logarithm of the absolute value of gamma" }
    Digamma { name: "digamma", eval: Eval::F1(special::digamma), rule: &["domain(y, g*polygamma(1, a))"], domain: &[over(0.1, 50.0)],
        known: &[(&[-1.0], NAN)], cost: 60, doc: "derivative of lgamma" }
    Polygamma { name: "polygamma", args: &[F, F], eval: Eval::F2(special::polygamma), rule: &["", "domain(y, g*polygamma(a + 1, b))"],
        domain: &[ORDER, over(0.1, 50.0)], cost: 100, doc: "derivative number `a` of digamma at `b`, `a` whole" }

    // Networks.
    Sigmoid { name: "sigmoid", eval: Eval::F1(math::sigmoid), rule: &["g*sigmoid_slope(a)"], domain: &[REAL],
        known: &[(&[0.0], 0.5), (&[-INF], 0.0), (&[INF], 1.0)], cost: 20, doc: "`1/(1 + exp(-a))`" }
    SigmoidSlope { name: "sigmoid_slope", surface: Surface::Internal, eval: Eval::F1(math::sigmoid_slope),
        rule: &["-g*(y*tanh(0.5*a))"], domain: &[REAL], known: &[(&[0.0], 0.25)], cost: 20,
        doc: "sigmoid(a)*sigmoid(-a), the derivative of sigmoid" }
    Softplus { name: "softplus", eval: Eval::F1(math::softplus), rule: &["g*sigmoid(a)"], domain: &[REAL],
        known: &[(&[-INF], 0.0)], cost: 30, doc: "`ln(1 + exp(a))`" }
    Relu { name: "relu", eval: Eval::F1(special::relu), rule: &["domain(y, if(0 < a, g, 0))"], domain: &[NONZERO],
        kink: Some(|x| x[0] == 0.0), known: &[(&[-1.0], 0.0), (&[2.0], 2.0)], doc: "`a` where positive, else 0; derivative 0 at 0" }
    LeakyRelu { name: "leaky_relu", args: &[F, F], eval: Eval::F2(special::leaky_relu),
        rule: &["domain(y, if(0 < a, g, g*b))", "domain(y, if(0 < a, 0, g*a))"], domain: &[NONZERO, over(0.01, 0.3)],
        kink: Some(|x| x[0] == 0.0), known: &[(&[-2.0, 0.5], -1.0)], doc: "`a` where positive, else `b*a`" }
    Silu { name: "silu", eval: Eval::F1(math::silu), rule: &["g*(sigmoid(a) + a*sigmoid_slope(a))"], domain: &[REAL],
        known: &[(&[0.0], 0.0)], cost: 20, doc: "`a*sigmoid(a)`" }
    Gelu { name: "gelu", eval: Eval::F1(special::gelu),
        rule: &["g*(0.5*erfc(-0.7071067811865476*a) + 0.3989422804014327*(a*exp(-0.5*(a*a))))"], domain: &[SMALL],
        known: &[(&[0.0], 0.0)], cost: 40, doc: "`a*(1 + erf(a/sqrt(2)))/2`" }
    Logit { name: "logit", eval: Eval::F1(math::logit), rule: &["domain(y, g/a + g/(1 - a))"], domain: &[over(0.001, 0.999)],
        known: &[(&[0.5], 0.0), (&[0.0], -INF), (&[1.0], INF), (&[2.0], NAN)], cost: 20, doc: "`ln(a/(1 - a))`" }

    // What elementary functions are expanded into. These are exact, and no derivative is taken after they appear.
    Rint { name: "rint", surface: Surface::Internal, eval: Eval::F1(f64::round_ties_even), rule: &[""], domain: &[REAL],
        known: &[(&[2.5], 2.0), (&[-0.5], -0.0)], cost: 2, doc: "nearest whole number, ties to the even one" }
    Scale { name: "scale", surface: Surface::Internal, args: &[F, F], eval: Eval::F2(special::scale), rule: &["", ""],
        domain: &[REAL, over(-20.0, 20.0)], known: &[(&[3.0, 2.0], 12.0), (&[1.0, -1074.0], 5e-324), (&[1.0, -1076.0], 0.0)],
        cost: 2, doc: "a*2^floor(b), rounded once" }
    Exponent { name: "exponent", surface: Surface::Internal, eval: Eval::F1(special::exponent), rule: &[""], domain: &[NONZERO],
        known: &[(&[8.5], 3.0), (&[5e-324], -1074.0), (&[0.0], -INF), (&[-INF], INF)], cost: 2,
        doc: "floor of the binary logarithm of the size" }
    Significand { name: "significand", surface: Surface::Internal, eval: Eval::F1(special::significand), rule: &[""],
        domain: &[NONZERO], known: &[(&[-12.0], 0.75), (&[5.0], 1.25), (&[5e-324], 1.0), (&[INF], 1.0), (&[-0.0], 1.0)], cost: 2,
        doc: "the size of a times a power of 2, from 3/4 to 3/2; 1 of 0 and infinity" }
    Copysign { name: "copysign", surface: Surface::Internal, args: &[F, F], eval: Eval::F2(f64::copysign), rule: &["", ""],
        domain: &[REAL, NONZERO], known: &[(&[2.0, -0.0], -2.0)], cost: 1, doc: "the size of a with the sign of b" }
    SinFar { name: "sin_far", surface: Surface::Internal, eval: Eval::F1(math::sin_far), rule: &["g*cos_far(a)"], domain: &[REAL],
        known: &[(&[-0.0], -0.0), (&[INF], NAN)], cost: 80, doc: "sine of a number of any size, called" }
    CosFar { name: "cos_far", surface: Surface::Internal, eval: Eval::F1(math::cos_far), rule: &["-g*sin_far(a)"], domain: &[REAL],
        known: &[(&[0.0], 1.0), (&[INF], NAN)], cost: 80, doc: "cosine of a number of any size, called" }
    TanFar { name: "tan_far", surface: Surface::Internal, eval: Eval::F1(math::tan_far), rule: &["g*(1 + y*y)"], domain: &[over(-1.4, 1.4)],
        known: &[(&[-0.0], -0.0), (&[INF], NAN)], cost: 80, doc: "tangent of a number of any size, called" }

    // What steers differentiation.
    Stop { name: "stop", eval: Eval::F1(|a| a), rule: &[""], domain: &[REAL], doc: "`a`, with derivative 0" }
    Domain { name: "domain", surface: Surface::Internal, args: &[F, F], eval: Eval::F2(|y, v| if y.is_nan() { NAN } else { v }),
        rule: &["", "domain(a, g)"], domain: &[REAL, REAL], known: &[(&[NAN, 1.0], NAN), (&[INF, 1.0], 1.0)],
        doc: "`b`, or NaN where `a` is NaN" }

    // Comparisons, logic, choice.
    Lt { name: "lt", surface: Surface::Operator, args: &[F, F], result: B, eval: Eval::Compare(|a, b| a < b),
        kink: Some(|x| x[0] == x[1]), doc: "less" }
    Le { name: "le", surface: Surface::Operator, args: &[F, F], result: B, eval: Eval::Compare(|a, b| a <= b),
        kink: Some(|x| x[0] == x[1]), doc: "less or equal" }
    Eq { name: "eq", surface: Surface::Operator, args: &[F, F], result: B, eval: Eval::Compare(|a, b| a == b), doc: "equal" }
    Ne { name: "ne", surface: Surface::Operator, args: &[F, F], result: B, eval: Eval::Compare(|a, b| a != b), doc: "not equal" }
    Not { name: "not", surface: Surface::Operator, args: &[B], result: B, eval: Eval::B1(|a| !a), doc: "negation of a condition" }
    And { name: "and", surface: Surface::Operator, args: &[B, B], result: B, eval: Eval::B2(|a, b| a && b), doc: "both" }
    Or { name: "or", surface: Surface::Operator, args: &[B, B], result: B, eval: Eval::B2(|a, b| a || b), doc: "either" }
    Select { name: "select", surface: Surface::Operator, args: &[B, F, F], eval: Eval::Select, domain: &[], cost: 2,
        doc: "`if(condition, a, b)`; the branch not taken contributes nothing" }

    // Integers.
    ToF64 { name: "to_f64", surface: Surface::Internal, args: &[I], eval: Eval::IntToF64, rule: &[""], doc: "integer as a number" }
    ToInt { name: "to_int", surface: Surface::Internal, args: &[F], result: I, eval: Eval::F64ToInt(to_int),
        doc: "whole number as an integer" }
    INeg { name: "ineg", surface: Surface::Operator, args: &[I], result: I, eval: Eval::I1(|a| a.checked_neg().ok_or(Fault::Overflow)),
        doc: "negation of an integer" }
    IAbs { name: "iabs", surface: Surface::Operator, args: &[I], result: I, eval: Eval::I1(|a| a.checked_abs().ok_or(Fault::Overflow)),
        doc: "absolute value of an integer" }
    IAdd { name: "iadd", surface: Surface::Operator, args: &[I, I], result: I,
        eval: Eval::I2(|a, b| a.checked_add(b).ok_or(Fault::Overflow)), doc: "sum of integers" }
    ISub { name: "isub", surface: Surface::Operator, args: &[I, I], result: I,
        eval: Eval::I2(|a, b| a.checked_sub(b).ok_or(Fault::Overflow)), doc: "difference of integers" }
    IMul { name: "imul", surface: Surface::Operator, args: &[I, I], result: I,
        eval: Eval::I2(|a, b| a.checked_mul(b).ok_or(Fault::Overflow)), doc: "product of integers" }
    IDiv { name: "idiv", surface: Surface::Operator, args: &[I, I], result: I, eval: Eval::I2(int_div), cost: 20,
        doc: "quotient of integers, rounded down" }
    IMod { name: "imod", surface: Surface::Operator, args: &[I, I], result: I, eval: Eval::I2(int_mod), cost: 20,
        doc: "remainder of integers, with the sign of the divisor" }
    IPow { name: "ipow", surface: Surface::Operator, args: &[I, I], result: I, eval: Eval::I2(int_pow), cost: 20,
        doc: "power of integers" }
    IMin { name: "imin", surface: Surface::Operator, args: &[I, I], result: I, eval: Eval::I2(|a, b| Ok(a.min(b))),
        doc: "lesser of two integers" }
    IMax { name: "imax", surface: Surface::Operator, args: &[I, I], result: I, eval: Eval::I2(|a, b| Ok(a.max(b))),
        doc: "greater of two integers" }
    ILt { name: "ilt", surface: Surface::Operator, args: &[I, I], result: B, eval: Eval::CompareInt(|a, b| a < b), doc: "less, of integers" }
    ILe { name: "ile", surface: Surface::Operator, args: &[I, I], result: B, eval: Eval::CompareInt(|a, b| a <= b),
        doc: "less or equal, of integers" }
    IEq { name: "ieq", surface: Surface::Operator, args: &[I, I], result: B, eval: Eval::CompareInt(|a, b| a == b), doc: "equal integers" }
}

fn tied(x: &[f64], extreme: fn(f64, f64) -> f64) -> bool {
    let best = x.iter().copied().reduce(extreme).unwrap_or(NAN);
    x.iter().filter(|&&value| value == best).count() > 1
}

fn to_int(a: f64) -> Result<i64, Fault> {
    // 2^63 is the first that is too large; NaN is in no range.
    let limit = 9_223_372_036_854_775_808.0;
    if (-limit..limit).contains(&a) { Ok(a as i64) } else { Err(Fault::NoInteger) }
}

fn int_div(a: i64, b: i64) -> Result<i64, Fault> {
    let quotient = a.checked_div(b).ok_or(if b == 0 { Fault::DivisionByZero } else { Fault::Overflow })?;
    Ok(if a % b != 0 && (a < 0) != (b < 0) { quotient - 1 } else { quotient })
}

fn int_mod(a: i64, b: i64) -> Result<i64, Fault> {
    if b == 0 {
        return Err(Fault::DivisionByZero);
    }
    let rest = a.wrapping_rem(b);
    Ok(if rest != 0 && (rest < 0) != (b < 0) { rest + b } else { rest })
}

fn int_pow(a: i64, b: i64) -> Result<i64, Fault> {
    if b < 0 {
        return Err(Fault::NegativePower);
    }
    match a {
        0 | 1 => Ok(if b == 0 { 1 } else { a }),
        -1 => Ok(if b % 2 == 0 { 1 } else { -1 }),
        _ => u32::try_from(b).ok().and_then(|b| a.checked_pow(b)).ok_or(Fault::Overflow),
    }
}

impl Op {
    pub fn row(self) -> &'static Row {
        &OPS[self as usize]
    }

    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// Whether the order of two operands doesn't matter, to the bit.
    pub fn commutes(self) -> bool {
        use Op::*;
        matches!(self, Add | Mul | Eq | Ne | And | Or | Hypot | Min | Max | IAdd | IMul | IMin | IMax | IEq)
    }

    /// Whether it may have no result: integer arithmetic. Such nodes get a check; see `ir::Check`.
    pub fn may_fault(self) -> bool {
        use Op::*;
        matches!(self, ToInt | INeg | IAbs | IAdd | ISub | IMul | IDiv | IMod | IPow)
    }

    /// Whether the derivative by operand number `slot` is zero whatever the values are.
    pub fn ignores(self, slot: usize) -> bool {
        match self {
            Op::Select => slot == 0,
            Op::Powi => slot == 1,
            Op::Min | Op::Max => false,
            _ => self.row().rule.get(slot).is_none_or(|rule| rule.is_empty()),
        }
    }

    /// Whether only some of its operands matter, depending on values. See `ir::guard`.
    pub fn chooses(self) -> bool {
        matches!(self, Op::Select | Op::Min | Op::Max | Op::Clamp | Op::Relu | Op::LeakyRelu)
    }

    /// Whether its slope at numbers of ordinary size is one too. See `ir::guard`.
    pub fn is_gentle(self) -> bool {
        use Op::*;
        let arithmetic = matches!(self, Neg | Add | Sub | Mul | Fma | Domain | Stop | Select | ToF64);
        let steps = matches!(self, Abs | Sign | Step | Floor | Ceil | Round | Trunc | DivFloor | Min | Max | Clamp);
        let bounded = matches!(self, Sin | Cos | Sinc | SincN | Atan | Asinh | Tanh | Erf | Erfc | Softplus);
        arithmetic || steps || bounded || matches!(self, Sigmoid | SigmoidSlope | Relu | LeakyRelu | Silu | Gelu)
    }

    /// Whether it is the slow path of an expansion, which a `select` takes for few arguments. Back ends compute it where it is
    /// chosen, and only there.
    pub fn is_out_of_line(self) -> bool {
        matches!(self, Op::SinFar | Op::CosFar | Op::TanFar)
    }

    /// Finds an operator by the name in its row.
    pub fn by_name(name: &str) -> Option<Op> {
        OPS.iter().find(|row| row.name == name).map(|row| row.op)
    }
}
