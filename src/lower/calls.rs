//! Calls: functions expanded in place, derivative marks, and derivatives by name.

use super::arith::{self, Operand};
use super::arrays;
use super::builtin::{self, Builtin};
use super::{Body, Function, Lowering, Task, Value};
use crate::ad;
use crate::ast::{Name, Node, NodeKind};
use crate::error::Problem;
use crate::ir::{Builder, Val};
use crate::ops::{Op, Type};
use crate::span::Span;

impl Lowering<'_> {
    pub(super) fn call(&mut self, name: Name, primes: u32, args: usize, node: Node) -> Result<(), Problem> {
        let roots: Vec<Node> = self.values[self.values.len() - args..].iter().map(|&(_, root)| root).collect();
        let operands = self.take(args);
        let function = match self.lookup(name) {
            Value::Function(function) => Function { primes: function.primes + primes, ..function },
            Value::Unknown => match builtin::by_name(self.ast.name(name)) {
                Some(Builtin::Derivative(which)) if primes == 0 => {
                    let value = self.derivative(which, operands, &roots, node.span)?;
                    self.values.push((value, node));
                    return Ok(());
                }
                Some(builtin) => Function { body: Body::Builtin(builtin), primes },
                None => return self.push(Value::Unknown, node),
            },
            Value::Scalar(_) | Value::Array(_) | Value::Tuple(_) => {
                let name = self.ast.name(name).to_owned();
                return Err(Problem::NotFunction { name, at: node.span, defined: None });
            }
        };
        self.expand(function, operands, node.span)
    }

    fn push(&mut self, value: Value, node: Node) -> Result<(), Problem> {
        self.values.push((value, node));
        Ok(())
    }

    /// Pushes the value of a call, or the tasks that will.
    pub(super) fn expand(&mut self, function: Function, mut args: Vec<Operand>, at: Span) -> Result<(), Problem> {
        let root = Node { kind: NodeKind::Call { name: Name(0), primes: 0, args: 0, callee: at }, span: at };
        if args.iter().any(|arg| arg.value == Value::Unknown) {
            return self.push(Value::Unknown, root);
        }
        if function.primes > 0 {
            return self.expand_derivative(function, &args, at, root);
        }
        let Body::User(body, scope) = function.body else {
            let Body::Builtin(builtin) = function.body else { return Ok(()) };
            self.builder.span = at;
            check_arity(builtin.arity(), args.len(), at)?;
            // What only says how an array counts is of arrays, too.
            if let (Builtin::Op(Op::Stop), [Operand { value: Value::Array(array), at }]) = (builtin, args.as_slice()) {
                self.check_complete(*array, *at)?;
                let call = |builder: &mut Builder, args: &[Operand]| arith::call(builder, builtin, args);
                let value = arrays::map(&mut self.builder, &[&args[0]], call)?;
                return self.push(value, root);
            }
            arrays::check_arguments(&args)?;
            let value = arith::call(&mut self.builder, builtin, &args)?;
            return self.push(value, root);
        };
        let info = &self.names.functions[&body];
        let (params, differentiated) = (info.params.clone(), info.differentiated.clone());
        check_arity((params.len(), params.len()), args.len(), at)?;
        let key = (function, args.iter().map(|arg| arg.value.clone()).collect::<Vec<Value>>());
        if let Some(value) = self.calls.get(&key) {
            return self.push(value.clone(), root);
        }
        self.expansions += 1;
        let mut opaques = Vec::new();
        for (arg, _) in args.iter_mut().zip(&differentiated).filter(|(_, differentiated)| **differentiated) {
            let argument = self.differentiable(arg)?;
            let opaque = self.opaque_like(argument);
            opaques.push((opaque, argument));
            arg.value = self.value(opaque);
        }
        self.tasks.push(Task::Return { call: key, opaques, at });
        self.open(scope);
        for ((name, _), arg) in params.iter().zip(args) {
            self.define(*name, arg.value);
        }
        self.tasks.push(Task::Tree { tree: body, next: 0 });
        Ok(())
    }

    /// `f'(x)`: the function at an opaque argument, differentiated, and then the argument in its place.
    fn expand_derivative(&mut self, function: Function, args: &[Operand], at: Span, root: Node) -> Result<(), Problem> {
        let [arg] = args else {
            return Err(Problem::WrongArity {
                name: String::new(),
                at,
                callee: at,
                found: args.len(),
                least: 1,
                most: 1,
                defined: None,
            });
        };
        let argument = arith::number(&mut self.builder, arg)?;
        if let Some((opaque, value)) = self.derivatives.get(&function).cloned() {
            let value = self.put(value, opaque, argument);
            return self.push(value, root);
        }
        let opaque = self.builder.opaque(Type::F64);
        self.tasks.push(Task::Differentiate { function, opaque, argument, at });
        let operand = Operand { value: Value::Scalar(opaque), at: arg.at };
        self.expand(Function { primes: 0, ..function }, vec![operand], at)
    }

    pub(super) fn nth_derivative(&mut self, value: Value, by: Val, order: u32, at: Span) -> Result<Value, Problem> {
        let mut value = match value {
            Value::Unknown => return Ok(Value::Unknown),
            value => self.differentiable(&Operand { value, at })?,
        };
        let one = self.builder.f64(1.0);
        for _ in 0..order {
            let derivative = ad::tangents(&mut self.builder, &[(by, one)], &[value])[0];
            value = match derivative {
                Some(derivative) => derivative,
                None => self.zeros_like(value),
            };
            if self.builder.func().len() > self.limits.operations {
                break;
            }
        }
        Ok(self.value(value))
    }

    /// A value with the argument in the place of an opaque name.
    pub(super) fn put(&mut self, value: Value, opaque: Val, argument: Val) -> Value {
        match value {
            Value::Scalar(val) => Value::Scalar(self.builder.substitute(val, opaque, argument)),
            Value::Array(val) => {
                let new = self.builder.substitute(val, opaque, argument);
                if let Some(holes) = self.holes.get(&val).cloned() {
                    self.holes.insert(new, holes);
                }
                Value::Array(new)
            }
            Value::Tuple(members) => {
                Value::Tuple(members.iter().map(|member| self.put(member.clone(), opaque, argument)).collect())
            }
            value @ (Value::Function(_) | Value::Unknown) => value,
        }
    }
}

fn check_arity((least, most): (usize, usize), found: usize, at: Span) -> Result<(), Problem> {
    if (least..=most).contains(&found) {
        return Ok(());
    }
    Err(Problem::WrongArity { name: String::new(), at, callee: at, found, least, most, defined: None })
}
