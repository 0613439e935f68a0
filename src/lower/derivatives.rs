//! Derivatives by name: `d`, `grad`, `jacobian`, `hessian`, `jvp`, `vjp`; language.md §7.
//!
//! What is differentiated by is a name whose value is not computed: an argument of the program, a parameter (an opaque value
//! until the derivative has been made), or a state of an `iterate`.

use super::arith::{self, Operand};
use super::builtin::Derivative;
use super::{Lowering, Value, arrays};
use crate::ad::directions::{from_all_directions, in_all_directions, turned};
use crate::ad::{adjoints, tangents};
use crate::ast::{Node, NodeKind};
use crate::error::{Problem, Warning};
use crate::ir::{Inst, Val};
use crate::ops::{Op, Type};
use crate::span::Span;

impl Lowering<'_> {
    /// The value of `d(y, x)` and its like. `roots` are the nodes that the operands end with.
    pub(super) fn derivative(
        &mut self,
        which: Derivative,
        operands: Vec<Operand>,
        roots: &[Node],
        at: Span,
    ) -> Result<Value, Problem> {
        if operands.iter().any(|operand| operand.value == Value::Unknown) {
            return Ok(Value::Unknown);
        }
        let (y, x) = (&operands[0], &operands[1]);
        let name = match roots[1].kind {
            NodeKind::Name { name, primes: 0 } => Some(self.ast.name(name).to_owned()),
            _ => None,
        };
        let Some(by) = self.independent(x, name.clone())? else { return Ok(Value::Unknown) };
        let many = matches!(which, Derivative::Jacobian | Derivative::Jvp);
        let ys: Vec<Value> = match &y.value {
            Value::Tuple(members) if many => members.to_vec(),
            value => vec![value.clone()],
        };
        let mut derivatives = Vec::new();
        for value in ys {
            let y = self.differentiable(&Operand { value, at: y.at })?;
            let derivative = self.derivative_of(which, y, by, &operands)?;
            let derivative = match derivative {
                Some(derivative) => derivative,
                None => {
                    let warning = Warning::ZeroDerivative { at, name: name.clone().unwrap_or_default() };
                    if !self.warnings.contains(&warning) {
                        self.warnings.push(warning);
                    }
                    self.zero_derivative(which, y, by)
                }
            };
            derivatives.push(self.value(derivative));
        }
        Ok(match (derivatives.pop(), derivatives.is_empty()) {
            (Some(only), true) => only,
            (last, _) => Value::Tuple(derivatives.into_iter().chain(last).collect()),
        })
    }

    /// What is differentiated by. `None`: a state that is an integer so far; it is made a number, and everything lowered once more.
    fn independent(&mut self, x: &Operand, name: Option<String>) -> Result<Option<Val>, Problem> {
        let computed = || Err(Problem::DerivativeByComputed { at: x.at, name: name.clone() });
        let (Value::Scalar(by) | Value::Array(by)) = x.value else { return computed() };
        if name.is_none() {
            return computed();
        }
        let is_number = self.builder.func().ty(by) == Type::F64;
        match self.builder.func().inst(by) {
            Inst::Param(_) | Inst::Opaque(_) | Inst::Bound(_) if is_number => Ok(Some(by)),
            Inst::Bound(_) if self.states.contains(&by) => {
                self.real.push(by);
                Ok(None)
            }
            Inst::Param(_) | Inst::Bound(_) => {
                Err(Problem::DerivativeByInteger { at: x.at, name: name.unwrap_or_default() })
            }
            _ => computed(),
        }
    }

    /// The derivative of one value; `None` if it can't depend on `x`.
    fn derivative_of(
        &mut self,
        which: Derivative,
        y: Val,
        x: Val,
        operands: &[Operand],
    ) -> Result<Option<Val>, Problem> {
        let one = self.builder.f64(1.0);
        let is_array = |val: Val| self.builder.func().is_array(val);
        let (y_is_array, x_is_array) = (is_array(y), is_array(x));
        let number_wanted =
            |operand: &Operand| Err(Problem::WrongKind { at: operand.at, wanted: "a number", found: "an array" });
        if y_is_array && matches!(which, Derivative::D | Derivative::Grad | Derivative::Hessian) {
            return number_wanted(&operands[0]);
        }
        if x_is_array && which == Derivative::D {
            return number_wanted(&operands[1]);
        }
        let builder = &mut self.builder;
        Ok(match which {
            Derivative::D | Derivative::Grad | Derivative::Jacobian if !x_is_array => {
                tangents(builder, &[(x, one)], &[y])[0]
            }
            Derivative::D | Derivative::Grad | Derivative::Jacobian if !y_is_array => {
                adjoints(builder, &[(y, one)], &[x])[0]
            }
            Derivative::D | Derivative::Grad | Derivative::Jacobian => {
                let size = |val: Val| builder.func().shape(val).iter().product::<usize>();
                if size(y) <= size(x) {
                    from_all_directions(builder, y, &[x])[0]
                } else {
                    let leading = builder.func().shape(x).len();
                    in_all_directions(builder, x, &[y])[0].map(|array| turned(builder, array, leading))
                }
            }
            Derivative::Hessian if !x_is_array => {
                let slope = tangents(builder, &[(x, one)], &[y])[0];
                slope.and_then(|slope| tangents(builder, &[(x, one)], &[slope])[0])
            }
            Derivative::Hessian => {
                let slope = adjoints(builder, &[(y, one)], &[x])[0];
                slope.and_then(|slope| in_all_directions(builder, x, &[slope])[0])
            }
            Derivative::Jvp => {
                let direction = self.shaped_like(&operands[2], x, &operands[1])?;
                tangents(&mut self.builder, &[(x, direction)], &[y])[0]
            }
            Derivative::Vjp => {
                let weight = self.shaped_like(&operands[2], y, &operands[0])?;
                if y_is_array || x_is_array {
                    adjoints(&mut self.builder, &[(y, weight)], &[x])[0]
                } else {
                    let slope = tangents(&mut self.builder, &[(x, one)], &[y])[0];
                    slope.map(|slope| self.builder.binary(Op::Mul, weight, slope))
                }
            }
        })
    }

    /// 0 in the shape that a derivative has.
    fn zero_derivative(&mut self, which: Derivative, y: Val, x: Val) -> Val {
        let func = self.builder.func();
        let (of_y, of_x) = (func.shape(y).to_vec(), func.shape(x).to_vec());
        let shape = match which {
            Derivative::D | Derivative::Grad | Derivative::Vjp => of_x,
            Derivative::Jacobian => [of_y, of_x].concat(),
            Derivative::Hessian => [of_x.clone(), of_x].concat(),
            Derivative::Jvp => of_y,
        };
        self.builder.zeros(&shape)
    }

    /// A direction or weight in the shape of what it belongs to.
    fn shaped_like(&mut self, operand: &Operand, like: Val, other: &Operand) -> Result<Val, Problem> {
        let val = self.differentiable(operand)?;
        arrays::check_shapes(&self.builder, [like, val], [other.at, operand.at])?;
        Ok(val)
    }

    /// A number, or an array of numbers.
    pub(super) fn differentiable(&mut self, operand: &Operand) -> Result<Val, Problem> {
        match operand.value {
            Value::Array(val) => {
                self.check_complete(val, operand.at)?;
                self.numbers(val, operand.at)
            }
            _ => arith::number(&mut self.builder, operand),
        }
    }

    pub(super) fn opaque_like(&mut self, val: Val) -> Val {
        let shape = self.builder.func().shape(val).to_vec();
        self.builder.opaque_array(Type::F64, &shape)
    }

    pub(super) fn zeros_like(&mut self, val: Val) -> Val {
        let shape = self.builder.func().shape(val).to_vec();
        self.builder.zeros(&shape)
    }
}
