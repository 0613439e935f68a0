//! Orders the operators of a flat expression: the shunting-yard algorithm, straight into postorder.
//!
//! | level | operators | associates |
//! | --- | --- | --- |
//! | 1 | `or` | left |
//! | 2 | `and` | left |
//! | 3 | `not` | prefix |
//! | 4 | `<` `<=` `>` `>=` `==` `!=` | none |
//! | 5 | `+` `-` | left |
//! | 6 | `*` `/` | left |
//! | 7 | unary `-` `+` | prefix |
//! | 8 | `^` `**` | right |

use crate::ast::{BinaryOp, Node, NodeKind, UnaryOp};
use crate::error::Problem;
use crate::span::Span;

/// An operator that waits for its right operand.
#[derive(Clone, Copy)]
pub(super) struct Waiting {
    kind: NodeKind,
    level: u8,
    pub at: Span,
}

/// An operand: the last nodes of the expression so far.
#[derive(Clone, Copy)]
pub(super) struct Value {
    /// With the brackets around it.
    pub span: Span,
    pub bracketed: bool,
}

/// The nodes of the trees that are being built, and what waits to be one.
#[derive(Default)]
pub(super) struct Stacks {
    pub nodes: Vec<Node>,
    pub values: Vec<Value>,
    pub operators: Vec<Waiting>,
}

const NOT: u8 = 3;
const COMPARISON: u8 = 4;
const UNARY: u8 = 7;
const POWER: u8 = 8;

impl Stacks {
    pub fn push(&mut self, kind: NodeKind, span: Span) {
        self.nodes.push(Node { kind, span });
        self.values.push(Value { span, bracketed: false });
    }

    /// A prefix operator; the expression's operators are those from `base` on.
    pub fn prefix(&mut self, text: &str, at: Span, base: usize, source: &str) -> Result<(), Box<Problem>> {
        let (op, level) = match text {
            "-" => (UnaryOp::Neg, UNARY),
            "+" => (UnaryOp::Plus, UNARY),
            _ => (UnaryOp::Not, NOT),
        };
        if let (UnaryOp::Not, Some(tighter)) = (op, self.waiting(base).filter(|top| top.level > NOT)) {
            let operand = super::diagnose::operand_after(source, at.end as usize).text(source);
            let mended = format!("{} (not {operand})", tighter.at.text(source));
            return Err(Box::new(Problem::LooseNot { not: at, operator: tighter.at, mended }));
        }
        self.operators.push(Waiting { kind: NodeKind::Unary(op), level, at });
        Ok(())
    }

    pub fn infix(&mut self, text: &str, at: Span, base: usize, source: &str) -> Result<(), Box<Problem>> {
        let (op, level) = match text {
            "or" => (BinaryOp::Or, 1),
            "and" => (BinaryOp::And, 2),
            "<" => (BinaryOp::Lt, COMPARISON),
            "<=" => (BinaryOp::Le, COMPARISON),
            ">" => (BinaryOp::Gt, COMPARISON),
            ">=" => (BinaryOp::Ge, COMPARISON),
            "==" => (BinaryOp::Eq, COMPARISON),
            "!=" => (BinaryOp::Ne, COMPARISON),
            "+" => (BinaryOp::Add, 5),
            "-" => (BinaryOp::Sub, 5),
            "*" => (BinaryOp::Mul, 6),
            "/" => (BinaryOp::Div, 6),
            _ => (BinaryOp::Pow, POWER),
        };
        // The operators that take what is before as their right operand.
        while let Some(top) = self.waiting(base) {
            let takes = top.level > level || (top.level == level && level != POWER && level != COMPARISON);
            if !takes {
                break;
            }
            self.apply();
        }
        if let Some(first) = self.waiting(base).filter(|top| top.level == COMPARISON && level == COMPARISON) {
            let operands = self.values.iter().rev().take(2).map(|value| value.span.text(source)).collect::<Vec<_>>();
            let (middle, left) = (operands.first().unwrap_or(&""), operands.get(1).unwrap_or(&""));
            let right = super::diagnose::comparand_after(source, at.end as usize).text(source);
            let mended = format!("{left} {} {middle} and {middle} {text} {right}", first.at.text(source));
            return Err(Box::new(Problem::ChainedComparison { first: first.at, second: at, mended }));
        }
        self.operators.push(Waiting { kind: NodeKind::Binary(op), level, at });
        Ok(())
    }

    /// The end of an expression: all its operators have their operands.
    pub fn finish(&mut self, base: usize) {
        while self.operators.len() > base {
            self.apply();
        }
    }

    fn waiting(&self, base: usize) -> Option<Waiting> {
        self.operators.get(base..)?.last().copied()
    }

    fn apply(&mut self) {
        let Some(operator) = self.operators.pop() else { return };
        let Some(right) = self.values.pop() else { return };
        let left = match operator.kind {
            NodeKind::Binary(_) => self.values.pop().map_or(right.span, |value| value.span),
            _ => operator.at,
        };
        self.push(operator.kind, left.to(right.span));
    }
}
