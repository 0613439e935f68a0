//! Arrays as values: written down element by element, subscripted, and the little arithmetic that they have.
//!
//! Arrays of one shape add and subtract, an array is multiplied and divided by a number, and `if` chooses between two.
//! All of it is a map over the places of the shape. Whatever else looks elementwise is an error that shows the text with
//! indices.

use super::arith::{self, Operand};
use super::infer::Subscript;
use super::{Lowering, Value};
use crate::ast::{BinaryOp, NodeKind};
use crate::error::Problem;
use crate::ir::rows::room;
use crate::ir::{Builder, Cell, Inst, Region, Update, UpdateKind, Val};
use crate::ops::{Op, Type};
use crate::span::Span;

/// So many dimensions an array has at most.
const DIMENSIONS: usize = 32;

/// A value of the graph as a value of the text.
pub fn value_of(builder: &Builder, val: Val) -> Value {
    if builder.func().is_array(val) { Value::Array(val) } else { Value::Scalar(val) }
}

/// The array of what `element` makes of the elements of the operands; numbers among them are the same for every element. The arrays
/// have one shape.
pub fn map(
    builder: &mut Builder,
    operands: &[&Operand],
    element: impl FnOnce(&mut Builder, &[Operand]) -> Result<Value, Problem>,
) -> Result<Value, Problem> {
    let shape = operands.iter().find_map(|operand| match operand.value {
        Value::Array(val) => Some(builder.func().shape(val).to_vec()),
        _ => None,
    });
    let mut problem = None;
    let array = builder.map(&shape.unwrap_or_default(), |builder, places| {
        let elements: Vec<Operand> = operands
            .iter()
            .map(|operand| match operand.value {
                Value::Array(val) => Operand { value: Value::Scalar(builder.read(val, places)), at: operand.at },
                _ => (*operand).clone(),
            })
            .collect();
        match element(builder, &elements) {
            Ok(Value::Scalar(val)) => val,
            Ok(_) => builder.int(0),
            Err(found) => {
                problem = Some(found);
                builder.int(0)
            }
        }
    });
    match problem {
        None => Ok(value_of(builder, array)),
        Some(problem) => Err(problem),
    }
}

/// Says what is wrong with an operator at operands of which at least one is an array, if something is. `names` are what the text
/// calls the operands.
pub fn check_operands(
    builder: &Builder,
    op: BinaryOp,
    operands: [&Operand; 2],
    names: Vec<Option<String>>,
    at: Span,
) -> Result<(), Problem> {
    let [a, b] = operands;
    match (&a.value, &b.value, op) {
        (&Value::Array(x), &Value::Array(y), BinaryOp::Add | BinaryOp::Sub) => {
            check_shapes(builder, [x, y], [a.at, b.at])
        }
        (Value::Array(_), Value::Scalar(_), BinaryOp::Mul | BinaryOp::Div)
        | (Value::Scalar(_), Value::Array(_), BinaryOp::Mul) => Ok(()),
        (Value::Array(_), _, _) | (_, Value::Array(_), _) => {
            let text = |operand: &Operand, name: Option<&Option<String>>, other: &str| {
                let name = name.cloned().flatten().unwrap_or_else(|| other.to_owned());
                let rank = match operand.value {
                    Value::Array(val) => builder.func().shape(val).len(),
                    _ => 0,
                };
                (name, rank)
            };
            let (left, right) = (text(a, names.first(), "u"), text(b, names.get(1), "v"));
            Err(Problem::NotElementwise { at, operator: op.text(), left, right })
        }
        _ => Ok(()),
    }
}

/// Built-in functions are of numbers.
pub fn check_arguments(args: &[Operand]) -> Result<(), Problem> {
    match args.iter().find(|arg| matches!(arg.value, Value::Array(_))) {
        Some(arg) => Err(Problem::FunctionOfArray { at: arg.at }),
        None => Ok(()),
    }
}

/// Two arrays that go together element by element must have one shape.
pub fn check_shapes(builder: &Builder, [a, b]: [Val; 2], [a_at, b_at]: [Span; 2]) -> Result<(), Problem> {
    let (shape, other) = (builder.func().shape(b).to_vec(), builder.func().shape(a).to_vec());
    if shape == other {
        return Ok(());
    }
    Err(Problem::DifferentShapes { at: b_at, shape, other_at: a_at, other })
}

impl Lowering<'_> {
    pub(super) fn value(&self, val: Val) -> Value {
        value_of(&self.builder, val)
    }

    /// Refuses an array that no memory can hold, or no person can think.
    pub(super) fn affordable(&self, shape: &[usize], at: Span) -> Result<(), Problem> {
        if shape.len() > DIMENSIONS {
            return Err(Problem::TooManyDimensions { at, limit: DIMENSIONS });
        }
        let elements = shape.iter().map(|&extent| room(extent) as f64).product::<f64>();
        if elements > self.limits.elements as f64 {
            return Err(Problem::TooManyElements { at, elements, limit: self.limits.elements });
        }
        Ok(())
    }

    /// `[a, b, c]`: of numbers an array, of arrays of one shape an array with one more dimension.
    pub(super) fn literal(&mut self, members: &[Operand], at: Span) -> Result<Value, Problem> {
        let shape = match members[0].value {
            Value::Array(val) => self.builder.func().shape(val).to_vec(),
            _ => Vec::new(),
        };
        let mut vals = Vec::new();
        for member in members {
            vals.push(match member.value {
                Value::Scalar(val) if shape.is_empty() => val,
                Value::Array(val) if !shape.is_empty() => {
                    self.check_complete(val, member.at)?;
                    if let Value::Array(first) = members[0].value {
                        check_shapes(&self.builder, [first, val], [members[0].at, member.at])?;
                    }
                    val
                }
                _ => {
                    let wanted = if shape.is_empty() { "a number" } else { "an array" };
                    return Err(Problem::WrongKind {
                        at: member.at,
                        wanted,
                        found: arith::kind(&self.builder, &member.value),
                    });
                }
            });
        }
        let types = |builder: &Builder, ty: Type| vals.iter().all(|&val| builder.func().ty(val) == ty);
        let ty = [Type::Int, Type::Bool].into_iter().find(|&ty| types(&self.builder, ty)).unwrap_or(Type::F64);
        let mut updates = Vec::new();
        let guard = self.builder.bool(true);
        for (place, (val, member)) in vals.into_iter().zip(members).enumerate() {
            let value = if ty == Type::F64 { self.numbers(val, member.at)? } else { val };
            let place = self.builder.int(place as i64);
            let subscripts = Box::new([place]);
            updates.push(Update { kind: UpdateKind::Store, subscripts, value, factor: None, guard });
        }
        let shape: Vec<usize> = [members.len()].into_iter().chain(shape).collect();
        self.affordable(&shape, at)?;
        self.builder.span = at;
        let cell = Cell { ty, shape: shape.into(), bound: None, init: None, updates: updates.into() };
        let region = self.builder.region(Region { cells: Box::new([cell]), ..Region::default() });
        Ok(Value::Array(self.builder.result(region, 0)))
    }

    /// A number, or an array of numbers, of what may be integers.
    pub(super) fn numbers(&mut self, val: Val, at: Span) -> Result<Val, Problem> {
        let operand = Operand { value: self.value(val), at };
        if self.builder.func().ty(val) == Type::F64 {
            return Ok(val);
        }
        let number = |builder: &mut Builder, operand: &Operand| arith::number(builder, operand);
        if !self.builder.func().is_array(val) {
            return number(&mut self.builder, &operand);
        }
        let array =
            map(&mut self.builder, &[&operand], |builder, elements| number(builder, &elements[0]).map(Value::Scalar))?;
        match array {
            Value::Array(val) | Value::Scalar(val) => Ok(val),
            Value::Tuple(_) | Value::Function(_) | Value::Unknown => Ok(val),
        }
    }

    /// What a result of the program is: numbers.
    pub(super) fn result(&mut self, operand: &Operand) -> Result<Val, Problem> {
        match operand.value {
            Value::Array(val) => {
                self.check_complete(val, operand.at)?;
                self.numbers(val, operand.at)
            }
            _ => arith::number(&mut self.builder, operand),
        }
    }

    /// `base[i, j]`: an element, or with fewer subscripts than dimensions a row.
    pub(super) fn subscript(&mut self, operands: &[Operand], at: Span) -> Result<Value, Problem> {
        let (base, subscripts) = (&operands[0], &operands[1..]);
        let Value::Array(array) = base.value else {
            let found = arith::kind(&self.builder, &base.value);
            return Err(Problem::NoDimensions { at: base.at, found });
        };
        let shape = self.builder.func().shape(array).to_vec();
        if subscripts.len() > shape.len() {
            return Err(Problem::TooManySubscripts { at, found: subscripts.len(), rank: shape.len() });
        }
        let mut places = Vec::new();
        for (subscript, &extent) in subscripts.iter().zip(&shape) {
            let val = self.integer(subscript)?;
            self.subscripts.push(Subscript { val, extent, at: subscript.at });
            places.push(val);
        }
        self.builder.span = at;
        Ok(self.read(array, &places))
    }

    /// An element or a row of an array, holes considered.
    pub(super) fn read(&mut self, array: Val, places: &[Val]) -> Value {
        let val = self.builder.read(array, places);
        self.note_holes(array, places, val);
        self.value(val)
    }

    /// Rounded constants among the last values are integers where these may stand.
    pub(super) fn rounded(&mut self, count: usize) {
        let first = self.values.len() - count;
        for (value, node) in &mut self.values[first..] {
            if let (Value::Scalar(val), NodeKind::Call { .. }) = (&value, node.kind)
                && let Some(number) = self.builder.func().constant(*val)
                && number.fract() == 0.0
                && number.abs() < 9e15
            {
                *value = Value::Scalar(self.builder.int(number as i64));
            }
        }
    }

    /// An integer: a subscript or a bound. What is rounded may stand there too.
    pub(super) fn integer(&mut self, operand: &Operand) -> Result<Val, Problem> {
        if let Some(val) = arith::integer(&self.builder, operand) {
            return Ok(val);
        }
        if let Value::Scalar(val) = operand.value
            && let Inst::Unary(Op::Floor | Op::Ceil | Op::Round | Op::Trunc, _) = self.builder.func().inst(val)
        {
            self.builder.span = operand.at;
            return Ok(self.builder.unary(Op::ToInt, val));
        }
        if let Value::Scalar(val) = operand.value
            && let Some(value) = self.builder.func().constant(val)
            && value.abs() > 9e15
        {
            return Err(Problem::ConstantTooLarge { at: operand.at, value });
        }
        let found = arith::kind(&self.builder, &operand.value);
        Err(Problem::WrongKind { at: operand.at, wanted: "an integer", found })
    }
}
