//! Left sides: an expression before `=` as what it defines.

use super::build::Builder;
use crate::ast::{Name, Node, NodeKind, Target};
use crate::error::Problem;
use crate::span::Span;

/// The nodes from `nodes_from` on and the values from `values_from` on, as a left side. They are taken away.
pub(super) fn take(
    builder: &mut Builder,
    nodes_from: usize,
    values_from: usize,
    equals: Span,
    source: &str,
) -> Result<Target, Box<Problem>> {
    let values = &builder.stacks.values[values_from..];
    let nodes = &builder.stacks.nodes[nodes_from..];
    let (Some(first), Some(last), Some((root, operands))) = (values.first(), values.last(), nodes.split_last()) else {
        return Err(Box::new(Problem::MissingOperand { at: equals, before: None, found: Some("=".to_string()) }));
    };
    let whole = first.span.to(last.span);
    let text = whole.text(source);
    if values.len() > 1 {
        return Err(Box::new(Problem::BareTupleTarget { at: whole, mended: format!("({text}) = …") }));
    }
    let bad = || Box::new(Problem::BadTarget { at: whole, equals, target: text.to_string() });
    let target = match root.kind {
        NodeKind::Name { name, .. } if !first.bracketed => Target::Name(name, unmarked(root)?),
        NodeKind::Call { name, primes, callee, .. } if !first.bracketed => {
            if primes > 0 {
                return Err(Box::new(Problem::MisplacedMark { at: callee }));
            }
            let params = names(operands).ok_or_else(bad)?;
            Target::Function { name, span: callee, params }
        }
        NodeKind::Tuple(_) => Target::Tuple(names(operands).ok_or_else(bad)?),
        NodeKind::Subscript { subscripts } if !first.bracketed => {
            let mut ranges = Vec::new();
            let mut end = operands.len();
            for _ in 0..subscripts {
                let start = start_of(operands, end);
                ranges.push(nodes_from + start..nodes_from + end);
                end = start;
            }
            let [Node { kind: NodeKind::Name { name, .. }, .. }] = operands[..end] else { return Err(bad()) };
            let span = unmarked(&operands[0])?;
            let subscripts = ranges.into_iter().rev().map(|range| builder.copy_tree(range)).collect();
            Target::Element { name, span, subscripts }
        }
        _ => return Err(bad()),
    };
    builder.stacks.nodes.truncate(nodes_from);
    builder.stacks.values.truncate(values_from);
    Ok(target)
}

fn names(nodes: &[Node]) -> Option<Vec<(Name, Span)>> {
    nodes
        .iter()
        .map(|node| match node.kind {
            NodeKind::Name { name, primes: 0 } => Some((name, node.span)),
            _ => None,
        })
        .collect()
}

fn unmarked(node: &Node) -> Result<Span, Box<Problem>> {
    match node.kind {
        NodeKind::Name { primes: 0, .. } => Ok(node.span),
        _ => Err(Box::new(Problem::MisplacedMark { at: node.span })),
    }
}

/// Where the subexpression begins whose root is the node before `end`.
fn start_of(nodes: &[Node], end: usize) -> usize {
    let mut wanted = 1;
    let mut start = end;
    while wanted > 0 && start > 0 {
        start -= 1;
        wanted = wanted - 1 + nodes[start].kind.operands();
    }
    start
}
