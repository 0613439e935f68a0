//! What machine code calls to compute an operator on numbers: its own `eval`, under one calling convention for all back ends.
//!
//! A routine is generic over the index of its row, so that the compiler sees which function it calls and
//! inlines or tail-calls it. The table stays the only place that says what an operator computes.

use crate::math;
use crate::ops::{Eval, OPS, Op};

macro_rules! routines {
    ($abi:literal) => {
        extern $abi fn f1<const OP: usize>(a: f64) -> f64 {
            match const { OPS[OP].eval } {
                Eval::F1(eval) => eval(a),
                _ => unreachable!("the list below says the kind of the row"),
            }
        }

        extern $abi fn f2<const OP: usize>(a: f64, b: f64) -> f64 {
            match const { OPS[OP].eval } {
                Eval::F2(eval) => eval(a, b),
                _ => unreachable!("the list below says the kind of the row"),
            }
        }

        extern $abi fn f3<const OP: usize>(a: f64, b: f64, c: f64) -> f64 {
            match const { OPS[OP].eval } {
                Eval::F3(eval) => eval(a, b, c),
                _ => unreachable!("the list below says the kind of the row"),
            }
        }

        /// Sine and cosine of one number, in two registers.
        #[cfg_attr(not(feature = "wide"), allow(dead_code))]
        pub extern $abi fn sin_cos(x: f64) -> Pair {
            let (sin, cos) = math::sin_cos(x);
            Pair { sin, cos }
        }
    };
}

// The same on every system.
#[cfg(target_arch = "x86_64")]
routines!("sysv64");
#[cfg(not(target_arch = "x86_64"))]
routines!("C");

#[repr(C)]
pub struct Pair {
    sin: f64,
    cos: f64,
}

/// Where the routine of an operator is; `None` for operators that machine code always has instructions for, and those of integers.
pub fn address(op: Op) -> Option<*const u8> {
    macro_rules! addresses {
        ($($routine:ident: $($name:ident)*;)*) => {
            match op { $($(Op::$name => Some($routine::<{ Op::$name as usize }> as *const u8),)*)* _ => None }
        };
    }
    addresses! {
        f1: Exp Expm1 Exp2 Ln Log2 Log10 Log1p Cbrt Sin Cos Tan Asin Acos Atan Sinc Sinh Cosh Tanh Asinh Acosh Atanh
            SinFar CosFar TanFar Floor Ceil Trunc Rint Exponent Significand Erf Erfc Gamma Lgamma Digamma Sigmoid SigmoidSlope Softplus Silu Gelu Logit;
        f2: Pow LogBase Xlogy Hypot Unit Atan2 SincN Mod DivFloor Polygamma Scale;
        f3: Fma XlogPow;
    }
}
