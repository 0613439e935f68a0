//! Which expressions become statements of their own.
//!
//! - What is used several times, where writing it out again would be longer than a person likes to read.
//! - What the user has named, where it is used several times.
//! - What is nested or long beyond reading, so that every statement stays within bounds.
//!
//! Lengths are counted in tokens as they would be printed, with a statement's name for one.

use hashbrown::HashMap;

use super::dag::{Dag, Id, Node};
use super::number::ONE;

/// How many tokens repetition may add before a name is better.
const REPEATED: usize = 11;
/// The shortest expression that is named because it is repeated.
const SHORTEST: usize = 4;
/// How deep a statement may nest.
const DEEP: usize = 24;
/// How long a part of a statement may be.
const LONG: usize = 120;

/// The expressions to name, operands first.
pub fn shared(dag: &Dag, roots: &[Id], hints: &HashMap<Id, String>) -> Vec<Id> {
    let mut uses = vec![0usize; dag.len()];
    for &root in roots {
        uses[root.index()] += 1;
    }
    for id in dag.ids().rev() {
        if uses[id.index()] > 0 {
            dag.node(id).for_each_operand(|operand| uses[operand.index()] += 1);
        }
    }
    let mut named = Vec::new();
    let mut texts = vec![Text { length: 1, depth: 0 }; dag.len()];
    for id in dag.ids().filter(|id| uses[id.index()] > 0) {
        let text = measure(dag, id, &texts);
        let uses = uses[id.index()];
        let repeated = uses > 1 && text.length >= SHORTEST && (uses - 1) * (text.length - 1) >= REPEATED;
        let known = uses > 1 && text.length > 1 && hints.contains_key(&id);
        let unreadable = (text.length > LONG || text.depth > DEEP) && !roots.contains(&id);
        let name = can_be_named(dag, id) && (repeated || known || unreadable);
        if name {
            named.push(id);
        } else {
            texts[id.index()] = text;
        }
    }
    named
}

#[derive(Clone, Copy)]
struct Text {
    length: usize,
    depth: usize,
}

fn can_be_named(dag: &Dag, id: Id) -> bool {
    !matches!(dag.node(id), Node::Argument(_) | Node::Number(_) | Node::Symbol(_) | Node::Bool(_))
}

fn measure(dag: &Dag, id: Id, texts: &[Text]) -> Text {
    let length_of = |id: Id| texts[id.index()].length;
    let mut depth = 0;
    dag.node(id).for_each_operand(|operand| depth = depth.max(texts[operand.index()].depth + 1));
    let length = match dag.node(id) {
        Node::Argument(_) | Node::Symbol(_) | Node::Bool(_) => 1,
        Node::Number(value) => match value.text() {
            (_, None) => 1,
            (_, Some(_)) => 3,
        },
        Node::Scaled(coefficient, of) => {
            let sign = usize::from(coefficient.is_negative());
            sign + length_of(*of) + if coefficient.abs() == ONE { 0 } else { 2 }
        }
        Node::Sum(terms) => {
            let coefficients = terms.iter().filter(|(coefficient, _)| coefficient.abs() != ONE).count();
            terms.iter().map(|&(_, of)| length_of(of) + 1).sum::<usize>() - 1 + 2 * coefficients
        }
        Node::Product(factors) => {
            let power = |power: Id| match dag.as_whole(power) {
                Some(1 | -1) => 0,
                _ => length_of(power) + 1,
            };
            factors.iter().map(|&(base, exponent)| length_of(base) + power(exponent) + 1).sum::<usize>() - 1
        }
        Node::Call(_, args) => 1 + args.iter().map(|&arg| length_of(arg)).sum::<usize>(),
        Node::Not(a) => 1 + length_of(*a),
        Node::Compare(_, a, b) | Node::And(a, b) | Node::Or(a, b) => 1 + length_of(*a) + length_of(*b),
        Node::Choose(c, a, b) => 1 + length_of(*c) + length_of(*a) + length_of(*b),
    };
    Text { length, depth }
}
