//! The built-in functions and constants of the language, by name.
//!
//! Most are a row of the operator table. What else there is: other spellings, functions that mean something on integers
//! too, and the derivatives inside a program.

use std::f64::consts::{PI, TAU};

use crate::ops::{OPS, Op, Surface};

/// A built-in function.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Builtin {
    /// An operator of the table, on numbers.
    Op(Op),
    /// `log(x)` and `log(x, b)`.
    Log,
    /// On integers they give integers.
    Abs,
    Min,
    Max,
    Clamp,
    Div,
    Mod,
    /// `pow(a, b)` is `a^b`.
    Pow,
    Derivative(Derivative),
}

/// A derivative as an expression; language.md §7.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Derivative {
    D,
    Grad,
    Jacobian,
    Hessian,
    Jvp,
    Vjp,
}

const OWN: [(&str, Builtin); 15] = [
    ("log", Builtin::Log),
    ("abs", Builtin::Abs),
    ("min", Builtin::Min),
    ("max", Builtin::Max),
    ("clamp", Builtin::Clamp),
    ("div", Builtin::Div),
    ("mod", Builtin::Mod),
    ("pow", Builtin::Pow),
    ("d", Builtin::Derivative(Derivative::D)),
    ("grad", Builtin::Derivative(Derivative::Grad)),
    ("jacobian", Builtin::Derivative(Derivative::Jacobian)),
    ("hessian", Builtin::Derivative(Derivative::Hessian)),
    ("jvp", Builtin::Derivative(Derivative::Jvp)),
    ("vjp", Builtin::Derivative(Derivative::Vjp)),
    ("fabs", Builtin::Abs),
];

/// Other spellings, and the one that is printed.
pub const SPELLINGS: [(&str, &str); 19] = [
    ("arcsin", "asin"),
    ("arccos", "acos"),
    ("arctan", "atan"),
    ("arctan2", "atan2"),
    ("arcsinh", "asinh"),
    ("arccosh", "acosh"),
    ("arctanh", "atanh"),
    ("arsinh", "asinh"),
    ("arcosh", "acosh"),
    ("artanh", "atanh"),
    ("signum", "sign"),
    ("sgn", "sign"),
    ("expit", "sigmoid"),
    ("logistic", "sigmoid"),
    ("heaviside", "step"),
    ("swish", "silu"),
    ("loggamma", "lgamma"),
    ("detach", "stop"),
    ("stop_gradient", "stop"),
];

pub fn by_name(name: &str) -> Option<Builtin> {
    if let Some(&(_, builtin)) = OWN.iter().find(|(own, _)| *own == name) {
        return Some(builtin);
    }
    let name = SPELLINGS.iter().find(|(other, _)| *other == name).map_or(name, |&(_, printed)| printed);
    OPS.iter().find(|row| row.surface == Surface::Function && row.name == name).map(|row| Builtin::Op(row.op))
}

/// The names of all built-in functions.
pub fn names() -> impl Iterator<Item = &'static str> {
    let rows = OPS.iter().filter(|row| row.surface == Surface::Function).map(|row| row.name);
    OWN.iter().map(|&(name, _)| name).chain(rows).chain(SPELLINGS.iter().map(|&(name, _)| name))
}

pub fn constant(name: &str) -> Option<f64> {
    match name {
        "pi" => Some(PI),
        "tau" => Some(TAU),
        "inf" => Some(f64::INFINITY),
        _ => None,
    }
}

impl Builtin {
    /// The least and the largest number of arguments.
    pub fn arity(self) -> (usize, usize) {
        match self {
            Builtin::Op(op) => {
                let n = op.row().args.len();
                (n, n)
            }
            Builtin::Log => (1, 2),
            Builtin::Abs => (1, 1),
            Builtin::Min | Builtin::Max => (2, usize::MAX),
            Builtin::Clamp => (3, 3),
            Builtin::Div | Builtin::Mod | Builtin::Pow => (2, 2),
            Builtin::Derivative(Derivative::Jvp | Derivative::Vjp) => (3, 3),
            Builtin::Derivative(_) => (2, 2),
        }
    }

    pub fn is_derivative(self) -> bool {
        matches!(self, Builtin::Derivative(_))
    }
}
