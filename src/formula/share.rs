//! Which expressions become statements of their own.
//!
//! - What is used several times, where writing it out again would be longer than a person likes to read.
//! - What the user has named, where it is used several times.
//! - What is nested or long beyond reading, so that every statement stays within bounds.
//!
//! Lengths are counted in tokens as they would be printed, with a statement's name for one.

use hashbrown::HashMap;

use super::dag::{Dag, Id, Node, Term};
use super::number::{Number, ONE};

/// How many tokens repetition may add before a name is better.
const REPEATED: usize = 8;
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
    let mut named = vec![false; dag.len()];
    let mut texts = vec![Text { length: 1, depth: 0 }; dag.len()];
    for id in dag.ids().filter(|id| uses[id.index()] > 0) {
        let text = measure(dag, id, &texts);
        let uses = uses[id.index()];
        let known = uses > 1 && text.length > 1 && hints.contains_key(&id);
        let unreadable = (text.length > LONG || text.depth > DEEP) && !roots.contains(&id);
        named[id.index()] = can_be_named(dag, id) && (is_repetitive(uses, text.length) || known || unreadable);
        texts[id.index()] = if named[id.index()] { Text { length: 1, depth: 0 } } else { text };
    }
    // What is used twice by something that is itself written twice stands there four times.
    let mut written = vec![0usize; dag.len()];
    for &root in roots {
        written[root.index()] += 1;
    }
    for id in dag.ids().rev().filter(|id| uses[id.index()] > 0) {
        let times = written[id.index()];
        named[id.index()] |=
            uses[id.index()] > 1 && can_be_named(dag, id) && is_repetitive(times, texts[id.index()].length);
        let times = if named[id.index()] { 1 } else { times.min(1000) };
        dag.node(id).for_each_operand(|operand| written[operand.index()] += times);
    }
    dag.ids().filter(|id| named[id.index()]).collect()
}

fn is_repetitive(times: usize, length: usize) -> bool {
    times > 1 && length >= SHORTEST && (times - 1) * (length - 1) >= REPEATED
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
            let has_coefficient = |&&(coefficient, of): &&Term| coefficient.abs() != ONE && of != Dag::ONE;
            let coefficients = terms.iter().filter(has_coefficient).count();
            terms.iter().map(|&(_, of)| length_of(of) + 1).sum::<usize>() - 1 + 2 * coefficients
        }
        Node::Product(factors) => {
            let power = |power: Id| match dag.as_number(power).map(Number::abs) {
                Some(ONE) => 0,
                Some(Number::Ratio(1, 2)) => 1,
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
