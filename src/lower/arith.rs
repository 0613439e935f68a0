//! Operators and built-in functions on values of any kind: conversions from integers to numbers, exact integer
//! arithmetic, tuples member by member where that makes sense.

use std::rc::Rc;

use super::builtin::Builtin;
use super::{Value, arrays};
use crate::ast::{BinaryOp, UnaryOp};
use crate::error::Problem;
use crate::ir::{Builder, Inst, Val};
use crate::ops::{Eval, Op, Type};
use crate::span::Span;

/// An operand with its place in the text.
#[derive(Clone, Debug)]
pub struct Operand {
    pub value: Value,
    pub at: Span,
}

/// A number; an integer converts.
pub fn number(builder: &mut Builder, operand: &Operand) -> Result<Val, Problem> {
    match operand.value {
        Value::Scalar(val) if builder.func().ty(val) == Type::F64 => Ok(val),
        Value::Scalar(val) if builder.func().ty(val) == Type::Int => Ok(builder.unary(Op::ToF64, val)),
        _ => Err(Problem::WrongKind { at: operand.at, wanted: "a number", found: kind(builder, &operand.value) }),
    }
}

pub fn condition(builder: &Builder, operand: &Operand) -> Result<Val, Problem> {
    match operand.value {
        Value::Scalar(val) if builder.func().ty(val) == Type::Bool => Ok(val),
        _ => Err(Problem::WrongKind { at: operand.at, wanted: "a condition", found: kind(builder, &operand.value) }),
    }
}

pub fn integer(builder: &Builder, operand: &Operand) -> Option<Val> {
    match operand.value {
        Value::Scalar(val) if builder.func().ty(val) == Type::Int => Some(val),
        _ => None,
    }
}

/// What a value is, in words.
pub fn kind(builder: &Builder, value: &Value) -> &'static str {
    match value {
        Value::Scalar(val) => match builder.func().ty(*val) {
            Type::F64 => "a number",
            Type::Int => "an integer",
            Type::Bool => "a condition",
            Type::Tuple => "several values",
        },
        Value::Array(_) => "an array",
        Value::Tuple(_) => "a tuple",
        Value::Function(_) => "a function",
        Value::Unknown => "unknown",
    }
}

pub fn unary(builder: &mut Builder, op: UnaryOp, a: &Operand) -> Result<Value, Problem> {
    if let Value::Array(_) = a.value {
        return arrays::map(builder, &[a], |builder, elements| unary(builder, op, &elements[0]));
    }
    let val = match op {
        UnaryOp::Not => {
            let a = condition(builder, a)?;
            builder.not(a)
        }
        UnaryOp::Plus => match integer(builder, a) {
            Some(val) => val,
            None => number(builder, a)?,
        },
        UnaryOp::Neg => match integer(builder, a) {
            Some(val) => int_or_number(builder, Op::INeg, Op::Neg, &[val]),
            None => {
                let a = number(builder, a)?;
                builder.unary(Op::Neg, a)
            }
        },
    };
    Ok(Value::Scalar(val))
}

/// Of arrays, after [`arrays::check_operands`].
pub fn binary(builder: &mut Builder, op: BinaryOp, a: &Operand, b: &Operand, lazy: bool) -> Result<Value, Problem> {
    if let (Value::Array(_), _) | (_, Value::Array(_)) = (&a.value, &b.value) {
        return arrays::map(builder, &[a, b], |builder, elements| {
            binary(builder, op, &elements[0], &elements[1], lazy)
        });
    }
    let (int_op, op, swap) = match op {
        BinaryOp::And | BinaryOp::Or => {
            let (a, b) = (condition(builder, a)?, condition(builder, b)?);
            return Ok(Value::Scalar(logic(builder, op, a, b, lazy)));
        }
        BinaryOp::Pow => return power(builder, a, b).map(Value::Scalar),
        BinaryOp::Add => (Some(Op::IAdd), Op::Add, false),
        BinaryOp::Sub => (Some(Op::ISub), Op::Sub, false),
        BinaryOp::Mul => (Some(Op::IMul), Op::Mul, false),
        BinaryOp::Div => (None, Op::Div, false),
        BinaryOp::Lt => (Some(Op::ILt), Op::Lt, false),
        BinaryOp::Le => (Some(Op::ILe), Op::Le, false),
        BinaryOp::Gt => (Some(Op::ILt), Op::Lt, true),
        BinaryOp::Ge => (Some(Op::ILe), Op::Le, true),
        BinaryOp::Eq => (Some(Op::IEq), Op::Eq, false),
        BinaryOp::Ne => (None, Op::Ne, false),
    };
    let (a, b) = if swap { (b, a) } else { (a, b) };
    if let (Some(x), Some(y)) = (integer(builder, a), integer(builder, b)) {
        if op == Op::Ne {
            let equal = builder.binary(Op::IEq, x, y);
            return Ok(Value::Scalar(builder.not(equal)));
        }
        if let Some(int_op) = int_op {
            return Ok(Value::Scalar(int_or_number(builder, int_op, op, &[x, y])));
        }
    }
    let (a, b) = (number(builder, a)?, number(builder, b)?);
    Ok(Value::Scalar(builder.binary(op, a, b)))
}

/// `a and b`, `a or b`. Where `b` may fail it is needed only where `a` doesn't decide, so it becomes an arm.
fn logic(builder: &mut Builder, op: BinaryOp, a: Val, b: Val, lazy: bool) -> Val {
    match (op, lazy) {
        (BinaryOp::And, false) => builder.binary(Op::And, a, b),
        (BinaryOp::And, true) => {
            let no = builder.bool(false);
            builder.select(a, b, no)
        }
        (_, false) => builder.binary(Op::Or, a, b),
        (_, true) => {
            let yes = builder.bool(true);
            builder.select(a, yes, b)
        }
    }
}

/// Integer arithmetic. Constants that leave 64 bits go on as a number, which is what `10^30` means in a formula.
fn int_or_number(builder: &mut Builder, int_op: Op, op: Op, args: &[Val]) -> Val {
    let constants: Option<Vec<i64>> = args.iter().map(|&arg| builder.func().int(arg)).collect();
    let overflows = match (int_op.row().eval, constants.as_deref()) {
        (Eval::I1(eval), Some([a])) => eval(*a).is_err(),
        (Eval::I2(eval), Some([a, b])) => eval(*a, *b).is_err(),
        _ => false,
    };
    if !overflows {
        return builder.emit(int_op, args);
    }
    let numbers: Vec<Val> = args.iter().map(|&arg| builder.unary(Op::ToF64, arg)).collect();
    builder.emit(op, &numbers)
}

/// `a^b`: of integers an integer, with a whole exponent repeated multiplication, else the power function.
fn power(builder: &mut Builder, a: &Operand, b: &Operand) -> Result<Val, Problem> {
    let Some(n) = integer(builder, b) else {
        let (a, b) = (number(builder, a)?, number(builder, b)?);
        return Ok(builder.binary(Op::Pow, a, b));
    };
    let negative = matches!(builder.func().inst(n), Inst::Int(n) if n < 0);
    match integer(builder, a) {
        Some(base) if !negative => Ok(int_or_number(builder, Op::IPow, Op::Pow, &[base, n])),
        _ => {
            let base = number(builder, a)?;
            Ok(builder.binary(Op::Powi, base, n))
        }
    }
}

/// `if(c, a, b)` of two values of one kind.
pub fn choose(builder: &mut Builder, c: &Operand, a: &Operand, b: &Operand) -> Result<Value, Problem> {
    let c = condition(builder, c)?;
    choice(builder, c, a, b)
}

fn choice(builder: &mut Builder, c: Val, a: &Operand, b: &Operand) -> Result<Value, Problem> {
    let different = |builder: &Builder| Problem::DifferentBranches {
        at: b.at,
        kind: kind(builder, &b.value),
        other_at: a.at,
        other_kind: kind(builder, &a.value),
    };
    match (&a.value, &b.value) {
        (Value::Tuple(x), Value::Tuple(y)) if x.len() == y.len() => {
            let member = |value: &Value, at: Span| Operand { value: value.clone(), at };
            let members = std::iter::zip(x.iter(), y.iter())
                .map(|(x, y)| choice(builder, c, &member(x, a.at), &member(y, b.at)))
                .collect::<Result<Rc<[Value]>, Problem>>()?;
            Ok(Value::Tuple(members))
        }
        (Value::Function(_), _) | (_, Value::Function(_)) => match builder.func().inst(c) {
            Inst::Bool(true) => Ok(a.value.clone()),
            Inst::Bool(false) => Ok(b.value.clone()),
            _ => {
                let function = if matches!(a.value, Value::Function(_)) { a } else { b };
                Err(Problem::WrongKind { at: function.at, wanted: "a number", found: "a function" })
            }
        },
        (Value::Array(x), Value::Array(y)) => {
            arrays::check_shapes(builder, [*x, *y], [a.at, b.at])?;
            let condition = Operand { value: Value::Scalar(c), at: a.at };
            arrays::map(builder, &[&condition, a, b], |builder, elements| {
                choice(builder, c, &elements[1], &elements[2])
            })
        }
        (Value::Scalar(x), Value::Scalar(y)) => {
            let same = builder.func().ty(*x) == builder.func().ty(*y);
            if same {
                return Ok(Value::Scalar(builder.select(c, *x, *y)));
            }
            let (Ok(x), Ok(y)) = (number(builder, a), number(builder, b)) else { return Err(different(builder)) };
            Ok(Value::Scalar(builder.select(c, x, y)))
        }
        _ => Err(different(builder)),
    }
}

/// A built-in function on scalars. Derivatives are not here: they need to know names.
pub fn call(builder: &mut Builder, builtin: Builtin, args: &[Operand]) -> Result<Value, Problem> {
    let ints: Option<Vec<Val>> = args.iter().map(|arg| integer(builder, arg)).collect();
    let val = match (builtin, ints.as_deref()) {
        (Builtin::Abs, Some(ints)) => int_or_number(builder, Op::IAbs, Op::Abs, ints),
        (Builtin::Div, Some(ints)) => builder.emit(Op::IDiv, ints),
        (Builtin::Mod, Some(ints)) => builder.emit(Op::IMod, ints),
        (Builtin::Min, Some(ints)) => int_extreme(builder, Op::IMin, ints),
        (Builtin::Max, Some(ints)) => int_extreme(builder, Op::IMax, ints),
        (Builtin::Clamp, Some([x, low, high])) => {
            let raised = builder.binary(Op::IMax, *x, *low);
            builder.binary(Op::IMin, raised, *high)
        }
        (Builtin::Pow, _) => return power(builder, &args[0], &args[1]).map(Value::Scalar),
        (Builtin::Log, _) => {
            let numbers = numbers(builder, args)?;
            match numbers[..] {
                [x, base] => match builder.func().constant(base) {
                    Some(2.0) => builder.unary(Op::Log2, x),
                    Some(10.0) => builder.unary(Op::Log10, x),
                    _ => builder.binary(Op::LogBase, x, base),
                },
                _ => builder.emit(Op::Ln, &numbers),
            }
        }
        (Builtin::Op(op), _) => {
            let numbers = numbers(builder, args)?;
            builder.emit(op, &numbers)
        }
        (Builtin::Abs, None) => emit(builder, Op::Abs, args)?,
        (Builtin::Min, None) => emit(builder, Op::Min, args)?,
        (Builtin::Max, None) => emit(builder, Op::Max, args)?,
        (Builtin::Clamp, _) => emit(builder, Op::Clamp, args)?,
        (Builtin::Div, None) => emit(builder, Op::DivFloor, args)?,
        (Builtin::Mod, None) => emit(builder, Op::Mod, args)?,
        (Builtin::Derivative(_), _) => unreachable!("derivatives are lowered beside names"),
    };
    Ok(Value::Scalar(val))
}

fn emit(builder: &mut Builder, op: Op, args: &[Operand]) -> Result<Val, Problem> {
    let numbers = numbers(builder, args)?;
    Ok(builder.emit(op, &numbers))
}

fn numbers(builder: &mut Builder, args: &[Operand]) -> Result<Vec<Val>, Problem> {
    args.iter().map(|arg| number(builder, arg)).collect()
}

fn int_extreme(builder: &mut Builder, op: Op, ints: &[Val]) -> Val {
    ints[1..].iter().fold(ints[0], |best, &next| builder.binary(op, best, next))
}
