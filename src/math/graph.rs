//! Functions that write themselves into a graph: [`Number`] for values that are not known yet.

use std::cell::RefCell;
use std::ops::{Add, BitAnd, BitOr, Div, Mul, Neg, Sub};

use super::Number;
use crate::ir::{Builder, Val};
use crate::ops::Op;

/// A value of a graph in the making.
#[derive(Clone, Copy)]
pub struct Node<'a> {
    graph: &'a RefCell<Builder>,
    val: Val,
}

/// A condition of a graph in the making.
#[derive(Clone, Copy)]
pub struct Condition<'a>(Node<'a>);

/// Writes a function of values into a graph.
pub fn write(builder: &mut Builder, function: impl for<'a> FnOnce(&dyn Fn(Val) -> Node<'a>) -> Node<'a>) -> Val {
    let graph = RefCell::new(std::mem::take(builder));
    let val = function(&|val| Node { graph: &graph, val }).val;
    *builder = graph.into_inner();
    val
}

impl<'a> Node<'a> {
    fn emit(self, op: Op, args: &[Val]) -> Node<'a> {
        Node { graph: self.graph, val: self.graph.borrow_mut().emit(op, args) }
    }

    fn unary(self, op: Op) -> Node<'a> {
        self.emit(op, &[self.val])
    }

    fn binary(self, op: Op, other: Node<'a>) -> Node<'a> {
        self.emit(op, &[self.val, other.val])
    }
}

impl<'a> Number for Node<'a> {
    type Condition = Condition<'a>;

    fn constant(self, value: f64) -> Node<'a> {
        Node { graph: self.graph, val: self.graph.borrow_mut().f64(value) }
    }

    fn fma(self, b: Node<'a>, c: Node<'a>) -> Node<'a> {
        self.emit(Op::Fma, &[self.val, b.val, c.val])
    }

    fn sqrt(self) -> Node<'a> {
        self.unary(Op::Sqrt)
    }

    fn abs(self) -> Node<'a> {
        self.unary(Op::Abs)
    }

    fn rint(self) -> Node<'a> {
        self.unary(Op::Rint)
    }

    fn scale(self, k: Node<'a>) -> Node<'a> {
        self.binary(Op::Scale, k)
    }

    fn exponent(self) -> Node<'a> {
        self.unary(Op::Exponent)
    }

    fn significand(self) -> Node<'a> {
        self.unary(Op::Significand)
    }

    fn copysign(self, sign: Node<'a>) -> Node<'a> {
        self.binary(Op::Copysign, sign)
    }

    fn less(self, other: Node<'a>) -> Condition<'a> {
        Condition(self.binary(Op::Lt, other))
    }

    fn equals(self, other: Node<'a>) -> Condition<'a> {
        Condition(self.binary(Op::Eq, other))
    }

    fn select(condition: Condition<'a>, a: Node<'a>, b: Node<'a>) -> Node<'a> {
        a.emit(Op::Select, &[condition.0.val, a.val, b.val])
    }

    fn or_call(self, is_good: Condition<'a>, op: Op, x: Node<'a>) -> Node<'a> {
        Node::select(is_good, self, x.unary(op))
    }
}

impl<'a> BitAnd for Condition<'a> {
    type Output = Condition<'a>;

    fn bitand(self, other: Condition<'a>) -> Condition<'a> {
        Condition(self.0.binary(Op::And, other.0))
    }
}

impl<'a> BitOr for Condition<'a> {
    type Output = Condition<'a>;

    fn bitor(self, other: Condition<'a>) -> Condition<'a> {
        Condition(self.0.binary(Op::Or, other.0))
    }
}

impl<'a> Neg for Node<'a> {
    type Output = Node<'a>;

    fn neg(self) -> Node<'a> {
        self.unary(Op::Neg)
    }
}

macro_rules! arithmetic {
    ($($trait:ident $method:ident $op:ident;)*) => {$(
        impl<'a> $trait for Node<'a> {
            type Output = Node<'a>;

            fn $method(self, other: Node<'a>) -> Node<'a> {
                self.binary(Op::$op, other)
            }
        }

        impl<'a> $trait<f64> for Node<'a> {
            type Output = Node<'a>;

            fn $method(self, other: f64) -> Node<'a> {
                self.binary(Op::$op, self.constant(other))
            }
        }
    )*};
}

arithmetic! {
    Add add Add;
    Sub sub Sub;
    Mul mul Mul;
    Div div Div;
}
