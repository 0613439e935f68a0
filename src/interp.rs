//! The interpreter: the meaning of a graph, and the oracle of every back end.
//!
//! One pass over the instructions, each computed by its operator's `eval`; loops are in `region`. It is the fallback where
//! no machine code can be made, and what `check`, `trace`, kinks and the search for the birthplace of a NaN run on.

mod region;

use std::rc::Rc;

use crate::ir::region::NOWHERE;
use crate::ir::{Func, Inst, Val};
use crate::ops::{Eval, Fault, Op, Type};
use region::Machine;

/// The value of an instruction.
#[derive(Clone, PartialEq, Debug)]
pub enum Value {
    F64(f64),
    Int(i64),
    Bool(bool),
    Array(Rc<Array>),
}

/// An array with its elements row by row.
#[derive(Clone, PartialEq, Debug)]
pub struct Array {
    pub shape: Box<[usize]>,
    pub elements: Vec<Value>,
    /// Which elements have been given a value; empty where all have.
    pub made: Vec<bool>,
}

impl Value {
    /// The number that it is; an integer converts, a condition is 1 or 0. An array is no number: NaN.
    pub fn as_f64(&self) -> f64 {
        match self {
            Value::F64(value) => *value,
            Value::Int(value) => *value as f64,
            Value::Bool(value) => f64::from(u8::from(*value)),
            Value::Array(_) => f64::NAN,
        }
    }

    /// The numbers that it consists of, row by row.
    pub fn numbers(&self) -> Vec<f64> {
        match self {
            Value::Array(array) => array.elements.iter().map(Value::as_f64).collect(),
            number => vec![number.as_f64()],
        }
    }

    /// The value of a type that a number stands for.
    pub fn of(ty: Type, number: f64) -> Value {
        match ty {
            Type::F64 => Value::F64(number),
            Type::Int => Value::Int(number as i64),
            Type::Bool => Value::Bool(number != 0.0),
            Type::Tuple => unreachable!("a region has no value of its own"),
        }
    }

    fn int(&self) -> i64 {
        match self {
            Value::Int(value) => *value,
            Value::F64(_) | Value::Bool(_) | Value::Array(_) => unreachable!("the verifier keeps types apart"),
        }
    }

    fn bool(&self) -> bool {
        match self {
            Value::Bool(value) => *value,
            Value::F64(_) | Value::Int(_) | Value::Array(_) => unreachable!("the verifier keeps types apart"),
        }
    }
}

/// A check that failed: the instruction that has no result where it matters, and why.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    pub site: Val,
    pub fault: Fault,
    /// Of what reads an element, the first [`TOLD`] of its subscripts, each with the extent that it should be below.
    pub subscripts: Vec<(i64, usize)>,
}

/// A failure tells so many subscripts.
pub const TOLD: usize = 4;

impl Failure {
    /// Of a site with these operands.
    pub fn new(func: &Func, site: Val, fault: Fault, operands: &[Value]) -> Failure {
        let subscripts: Vec<(i64, usize)> = match func.inst(site) {
            Inst::Read(list) => {
                let extents = func.shape(func.list(list)[0]).iter().copied();
                operands[1..].iter().map(Value::int).zip(extents).take(TOLD).collect()
            }
            _ => Vec::new(),
        };
        let is_nowhere = subscripts.iter().any(|&(subscript, _)| subscript == NOWHERE);
        let fault = if is_nowhere { Fault::Nowhere } else { fault };
        Failure { site, fault, subscripts }
    }
}

/// The values of all instructions at the top, in order (what is in the body of a region has many; it is 0 here). Arguments are
/// numbers, in the order of the function's parameters; those of type `int` are whole (the caller has made sure).
pub fn values(func: &Func, args: &[f64]) -> Vec<Value> {
    let args: Vec<&[f64]> = args.iter().map(std::slice::from_ref).collect();
    run(func, &args).0
}

/// The values of all instructions at the top, and the first check inside a region that fails. An argument is its elements, row by
/// row; a number is a slice of one.
pub fn run(func: &Func, args: &[&[f64]]) -> (Vec<Value>, Option<Failure>) {
    machine(Machine::new(func), func, args)
}

/// Shows every operator at which a check looks where the check's guard is true: in loops turn by turn, then those at the top.
pub fn watch(func: &Func, args: &[&[f64]], mut watch: impl FnMut(Val, &[Value], &Value)) {
    let mut watching = Machine::new(func);
    watching.watch = Some(&mut watch);
    let values = machine(watching, func, args).0;
    for check in func.checks.iter().filter(|check| func.free(check.site).is_empty()) {
        if func.inst(check.site).op().is_some() && values[check.guard.index()] == Value::Bool(true) {
            let operands: Vec<Value> =
                func.operands(check.site).iter().map(|operand| values[operand.index()].clone()).collect();
            watch(check.site, &operands, &values[check.site.index()]);
        }
    }
}

fn machine<'a>(mut machine: Machine<'a>, func: &'a Func, args: &[&[f64]]) -> (Vec<Value>, Option<Failure>) {
    let mut operands = Vec::new();
    for val in func.vals() {
        let value = match func.inst(val) {
            Inst::Param(index) => argument(func, val, args[index as usize]),
            Inst::Unary(op, _) | Inst::Binary(op, ..) | Inst::Ternary(op, ..) | Inst::Nary(op, _)
                if func.free(val).is_empty() =>
            {
                operands.clear();
                operands.extend(func.operands(val).iter().map(|operand| machine.values[operand.index()].clone()));
                // Where integer arithmetic has no result it gives 0; a check decides whether that matters.
                apply(op, &operands).unwrap_or(Value::Int(0))
            }
            _ => machine.value(val),
        };
        machine.values[val.index()] = value;
    }
    (machine.values, machine.failure)
}

fn argument(func: &Func, val: Val, elements: &[f64]) -> Value {
    let ty = func.ty(val);
    if func.is_array(val) {
        let elements = elements.iter().map(|&element| Value::of(ty, element)).collect();
        Value::Array(Rc::new(Array { shape: func.shape(val).into(), elements, made: Vec::new() }))
    } else {
        Value::of(ty, elements[0])
    }
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
        Eval::F64ToInt(eval) => Value::Int(eval(x[0].as_f64())?),
        Eval::IntToF64 => Value::F64(x[0].as_f64()),
        Eval::Select => x[if x[0].bool() { 1 } else { 2 }].clone(),
    })
}

/// The first check at the top that fails, given the values of all instructions.
pub fn failure(func: &Func, values: &[Value]) -> Option<Failure> {
    let at_top =
        func.checks.iter().filter(|check| func.free(check.site).is_empty() && func.free(check.guard).is_empty());
    at_top.filter(|check| values[check.guard.index()].bool()).find_map(|check| {
        let operands: Vec<Value> =
            func.operands(check.site).iter().map(|operand| values[operand.index()].clone()).collect();
        if check.missing {
            return Some(Failure::new(func, check.site, Fault::Missing, &operands));
        }
        let endless = || region::endless(func, check.site, &values[check.site.index()]);
        let fault = region::fault(func, check.site, &operands).or_else(endless)?;
        Some(Failure::new(func, check.site, fault, &operands))
    })
}

/// The results at a point, as numbers.
///
/// # Errors
/// The first check that fails.
pub fn eval(func: &Func, args: &[f64], out: &mut [f64]) -> Result<(), Failure> {
    let args: Vec<&[f64]> = args.iter().map(std::slice::from_ref).collect();
    let results = call(func, &args)?;
    for (slot, result) in out.iter_mut().zip(results) {
        *slot = result.as_f64();
    }
    Ok(())
}

/// The results at arguments that may be arrays.
///
/// # Errors
/// The first check that fails.
pub fn call(func: &Func, args: &[&[f64]]) -> Result<Vec<Value>, Failure> {
    let (values, inside) = run(func, args);
    match inside.or_else(|| failure(func, &values)) {
        Some(failure) => Err(failure),
        None => Ok(func.results.iter().map(|result| values[result.value.index()].clone()).collect()),
    }
}
