//! What machine code calls: the [routines](crate::routines) of operators on numbers, and a few functions of its own under the C
//! calling convention.

use crate::math;
use crate::ops::{Eval, OPS, Op};
use crate::routines;

/// A function outside of the machine code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Symbol {
    /// The value of an operator.
    Value(Op),
    /// Whether an integer operator has no result.
    Fault(Op),
    /// Sine and cosine of one number, written to two addresses.
    SinCos,
    /// Copies elements: where to, where from, how many.
    Copy,
    /// Sets bytes to 0: where, how many.
    Clear,
}

impl Symbol {
    pub const COUNT: usize = 2 * OPS.len() + 3;

    /// A small number of its own.
    pub fn index(self) -> usize {
        match self {
            Symbol::SinCos => 0,
            Symbol::Copy => 1,
            Symbol::Clear => 2,
            Symbol::Value(op) => 3 + 2 * op as usize,
            Symbol::Fault(op) => 4 + 2 * op as usize,
        }
    }

    pub fn name(self) -> String {
        match self {
            Symbol::Value(op) => op.name().to_owned(),
            Symbol::Fault(op) => format!("{}.fault", op.name()),
            Symbol::SinCos => "sincos".to_owned(),
            Symbol::Copy => "copy".to_owned(),
            Symbol::Clear => "clear".to_owned(),
        }
    }

    /// Finds the function with a name. Machine code imports nothing else.
    pub fn by_name(name: &str) -> Option<Symbol> {
        match name.strip_suffix(".fault") {
            Some(op) => Op::by_name(op).map(Symbol::Fault),
            None if name == "sincos" => Some(Symbol::SinCos),
            None if name == "copy" => Some(Symbol::Copy),
            None if name == "clear" => Some(Symbol::Clear),
            None => Op::by_name(name).map(Symbol::Value),
        }
    }

    /// Where it is; `None` for what is never called because machine code has an instruction for it.
    pub fn address(self) -> Option<*const u8> {
        match self {
            Symbol::Value(op) => routines::address(op).or_else(|| value(op)),
            Symbol::Fault(op) => fault(op),
            Symbol::SinCos => Some(sincos as *const u8),
            Symbol::Copy => Some(copy as *const u8),
            Symbol::Clear => Some(clear as *const u8),
        }
    }
}

extern "C" fn sincos(x: f64, sin: &mut f64, cos: &mut f64) {
    (*sin, *cos) = math::sin_cos(x);
}

/// # Safety
/// There must be `n` elements at both addresses, and the first must be this call's alone.
unsafe extern "C" fn copy(to: *mut u64, from: *const u64, n: usize) {
    // SAFETY: the caller's promise; the two may overlap.
    unsafe { from.copy_to(to, n) }
}

/// # Safety
/// There must be `n` bytes at the address, and they must be this call's alone.
unsafe extern "C" fn clear(at: *mut u8, n: usize) {
    // SAFETY: the caller's promise.
    unsafe { at.write_bytes(0, n) }
}

extern "C" fn fi<const OP: usize>(a: f64, n: i64) -> f64 {
    match const { OPS[OP].eval } {
        Eval::FI(eval) => eval(a, n),
        _ => unreachable!("the list below says the kind of the row"),
    }
}

extern "C" fn i2<const OP: usize>(a: i64, b: i64) -> i64 {
    match const { OPS[OP].eval } {
        Eval::I2(eval) => eval(a, b).unwrap_or(0),
        _ => unreachable!("the list below says the kind of the row"),
    }
}

extern "C" fn i2_fault<const OP: usize>(a: i64, b: i64) -> bool {
    match const { OPS[OP].eval } {
        Eval::I2(eval) => eval(a, b).is_err(),
        _ => unreachable!("the list below says the kind of the row"),
    }
}

macro_rules! addresses {
    ($op:expr; $($shim:ident: $($name:ident)*;)*) => {
        match $op { $($(Op::$name => Some($shim::<{ Op::$name as usize }> as *const u8),)*)* _ => None }
    };
}

fn value(op: Op) -> Option<*const u8> {
    addresses! { op; fi: Powi; i2: IDiv IMod IPow; }
}

fn fault(op: Op) -> Option<*const u8> {
    addresses! { op; i2_fault: IDiv IMod IPow; }
}
