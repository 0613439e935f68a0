//! The interpreter: the meaning of a graph, and the oracle of every back end.
//!
//! One pass over the instructions, each computed by its operator's `eval`. It is the fallback where no machine code
//! can be made, and what `check`, `trace`, kinks and the search for the birthplace of a NaN run on.

use crate::ir::{Func, Inst, Val};
use crate::ops::{Eval, Fault, Op};

/// The value of an instruction.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Value {
    F64(f64),
    Int(i64),
    Bool(bool),
}

impl Value {
    /// The number that it is; an integer converts, a condition is 1 or 0.
    pub fn as_f64(self) -> f64 {
        match self {
            Value::F64(value) => value,
            Value::Int(value) => value as f64,
            Value::Bool(value) => f64::from(u8::from(value)),
        }
    }

    fn int(self) -> i64 {
        match self {
            Value::Int(value) => value,
            Value::F64(_) | Value::Bool(_) => unreachable!("the verifier keeps types apart"),
        }
    }

    fn bool(self) -> bool {
        match self {
            Value::Bool(value) => value,
            Value::F64(_) | Value::Int(_) => unreachable!("the verifier keeps types apart"),
        }
    }
}

/// A check that failed: the instruction that has no result where it matters, and why.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Failure {
    pub site: Val,
    pub fault: Fault,
}

/// The values of all instructions, in order. Arguments are numbers, in the order of the function's parameters; those of type
/// `int` are whole (the caller has made sure).
pub fn values(func: &Func, args: &[f64]) -> Vec<Value> {
    let mut values = Vec::with_capacity(func.len());
    let mut operands = Vec::new();
    for val in func.vals() {
        let value = match func.inst(val) {
            Inst::Param(index) => match func.ty(val) {
                crate::ops::Type::Int => Value::Int(args[index as usize] as i64),
                crate::ops::Type::Bool => Value::Bool(args[index as usize] != 0.0),
                crate::ops::Type::F64 => Value::F64(args[index as usize]),
                crate::ops::Type::Tuple => unreachable!("an argument is a value"),
            },
            Inst::Opaque(_) => Value::F64(f64::NAN),
            Inst::Bound(_) | Inst::Read(_) | Inst::Region(_) | Inst::Result(..) => unreachable!("no loops here"),
            Inst::F64(bits) => Value::F64(bits.value()),
            Inst::Int(value) => Value::Int(value),
            Inst::Bool(value) => Value::Bool(value),
            Inst::Unary(op, _) | Inst::Binary(op, ..) | Inst::Ternary(op, ..) | Inst::Nary(op, _) => {
                operands.clear();
                operands.extend(func.operands(val).iter().map(|operand| values[operand.index()]));
                // Where integer arithmetic has no result it gives 0; a check decides whether that matters.
                apply(op, &operands).unwrap_or(Value::Int(0))
            }
        };
        values.push(value);
    }
    values
}

/// One operator at operands of the types that its row says.
pub fn apply(op: Op, x: &[Value]) -> Result<Value, Fault> {
    Ok(match op.row().eval {
        Eval::F1(eval) => Value::F64(eval(x[0].as_f64())),
        Eval::F2(eval) => Value::F64(eval(x[0].as_f64(), x[1].as_f64())),
        Eval::F3(eval) => Value::F64(eval(x[0].as_f64(), x[1].as_f64(), x[2].as_f64())),
        Eval::Fold(eval) => Value::F64(x[1..].iter().fold(x[0].as_f64(), |y, x| eval(y, x.as_f64()))),
        Eval::FI(eval) => Value::F64(eval(x[0].as_f64(), x[1].int())),
        Eval::Compare(eval) => Value::Bool(eval(x[0].as_f64(), x[1].as_f64())),
        Eval::B1(eval) => Value::Bool(eval(x[0].bool())),
        Eval::B2(eval) => Value::Bool(eval(x[0].bool(), x[1].bool())),
        Eval::CompareInt(eval) => Value::Bool(eval(x[0].int(), x[1].int())),
        Eval::I1(eval) => Value::Int(eval(x[0].int())?),
        Eval::I2(eval) => Value::Int(eval(x[0].int(), x[1].int())?),
        Eval::IntToF64 => Value::F64(x[0].as_f64()),
        Eval::Select => x[if x[0].bool() { 1 } else { 2 }],
    })
}

/// The first check that fails, given the values of all instructions.
pub fn failure(func: &Func, values: &[Value]) -> Option<Failure> {
    func.checks.iter().filter(|check| values[check.guard.index()].bool()).find_map(|check| {
        let operands: Vec<Value> = func.operands(check.site).iter().map(|operand| values[operand.index()]).collect();
        let op = func.inst(check.site).op()?;
        apply(op, &operands).err().map(|fault| Failure { site: check.site, fault })
    })
}

/// The results at a point, as numbers.
///
/// # Errors
/// The first check that fails.
pub fn eval(func: &Func, args: &[f64], out: &mut [f64]) -> Result<(), Failure> {
    let values = values(func, args);
    if let Some(failure) = failure(func, &values) {
        return Err(failure);
    }
    for (slot, result) in out.iter_mut().zip(&func.results) {
        *slot = values[result.value.index()].as_f64();
    }
    Ok(())
}
