//! Which expressions become statements of their own.
//!
//! - What is used several times, where writing it out again would be longer than a person likes to read.
//! - What the user has named, where it is used several times.
//! - What is nested or long beyond reading, so that every statement stays within bounds.
//!
//! Lengths are counted in tokens as they would be printed, with a statement's name for one.

use hashbrown::{HashMap, HashSet};

use super::arrays::{Arrays, Def};
use super::dag::{Dag, Id, Node, Term};
use super::number::{Number, ONE};
use crate::ops::Op;

/// How many tokens repetition may add before a name is better.
const REPEATED: usize = 8;
/// The shortest expression that is named because it is repeated.
const SHORTEST: usize = 4;
/// How deep a statement may nest.
const DEEP: usize = 24;
/// How long a part of a statement may be.
const LONG: usize = 120;

/// The expressions to name, operands first.
/// `extents` are those of the arguments.
pub fn shared(
    dag: &mut Dag,
    arrays: &Arrays,
    extents: &[Box<[usize]>],
    roots: &[Id],
    hints: &HashMap<Id, String>,
) -> Vec<Id> {
    let mut nameable: Vec<bool> =
        dag.ids().map(|id| can_be_named(dag, id) && dag.has_room(id) && is_safe(dag, arrays, extents, id)).collect();
    // A part of a recurrence is made where it is needed, which may not be everywhere.
    for id in parts_of_recurrences(dag, arrays) {
        nameable[id.index()] &= dag.facts(id).free.is_empty();
    }
    let can_be_named = |id: Id| nameable[id.index()];
    let dag = &*dag;
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
        named[id.index()] = can_be_named(id) && (is_repetitive(uses, text.length) || known || unreadable);
        texts[id.index()] = if named[id.index()] { Text { length: 1, depth: 0 } } else { text };
    }
    // What is used twice by something that is itself written twice stands there four times.
    let mut written = vec![0usize; dag.len()];
    for &root in roots {
        written[root.index()] += 1;
    }
    for id in dag.ids().rev().filter(|id| uses[id.index()] > 0) {
        let times = written[id.index()];
        named[id.index()] |= uses[id.index()] > 1 && can_be_named(id) && is_repetitive(times, texts[id.index()].length);
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
    let is_short = matches!(
        dag.node(id),
        Node::Argument(_)
            | Node::Number(_)
            | Node::Symbol(_)
            | Node::Bool(_)
            | Node::Index(..)
            | Node::Local(_)
            | Node::Defined(_)
            | Node::Last(..)
            | Node::Element(_)
            | Node::Map(..)
    );
    // A condition over indices would be an array of conditions; a state is known in its loop only.
    let is_condition = matches!(dag.node(id), Node::Compare(..) | Node::Not(_) | Node::And(..) | Node::Or(..));
    let facts = dag.facts(id);
    !is_short && !facts.is_local && (facts.free.is_empty() || !is_condition)
}

/// What stands in the clauses of arrays and reads these arrays themselves.
fn parts_of_recurrences(dag: &Dag, arrays: &Arrays) -> Vec<Id> {
    // Which arrays and loops each mentions, directly or through others.
    let mut mentions: Vec<HashSet<u32>> = vec![HashSet::new(); arrays.defs.len()];
    let direct = |roots: Vec<Id>| {
        let (mut seen, mut stack, mut found) = (HashSet::new(), roots, HashSet::new());
        while let Some(id) = stack.pop() {
            if seen.insert(id) {
                if let Node::Defined(number) | Node::Last(number, ..) = *dag.node(id) {
                    found.insert(number);
                }
                dag.node(id).for_each_operand(|operand| stack.push(operand));
            }
        }
        (seen, found)
    };
    let own: Vec<(HashSet<Id>, HashSet<u32>)> = arrays.defs.iter().map(|def| direct(def.values())).collect();
    for (number, mentioned) in mentions.iter_mut().enumerate() {
        let mut stack: Vec<u32> = own[number].1.iter().copied().collect();
        while let Some(other) = stack.pop() {
            if mentioned.insert(other) {
                stack.extend(&own[other as usize].1);
            }
        }
    }
    let mut parts = Vec::new();
    for (number, (ids, _)) in own.iter().enumerate().filter(|(number, _)| mentions[*number].contains(&(*number as u32)))
    {
        // An expression reads what its nodes read; operands come first.
        let mut ids: Vec<Id> = ids.iter().copied().collect();
        ids.sort_unstable();
        let mut reads: HashSet<Id> = HashSet::new();
        for id in ids {
            let is_back = |other: u32| other == number as u32 || mentions[other as usize].contains(&(number as u32));
            let mut back = matches!(*dag.node(id), Node::Defined(other) | Node::Last(other, ..) if is_back(other));
            dag.node(id).for_each_operand(|operand| back |= reads.contains(&operand));
            if back {
                reads.insert(id);
            }
        }
        parts.extend(reads);
    }
    parts
}

/// Whether an expression over indices has a value for all of them, also where the text may not look: subscripts stay inside by
/// themselves.
fn is_safe(dag: &mut Dag, arrays: &Arrays, extents: &[Box<[usize]>], id: Id) -> bool {
    if dag.facts(id).free.is_empty() {
        return true;
    }
    let (mut seen, mut stack) = (HashSet::new(), vec![id]);
    while let Some(id) = stack.pop() {
        if !seen.insert(id) {
            continue;
        }
        if let Node::Element(list) = dag.node(id).clone() {
            let (around, shape) = match dag.node(list[0]) {
                Node::Argument(argument) => (0, extents[*argument as usize].clone()),
                Node::Defined(def) => match &arrays.defs[*def as usize] {
                    Def::Array { around, shape, .. } => (around.len(), shape.clone()),
                    Def::Loop { .. } => return false,
                },
                _ => return false,
            };
            for (&subscript, &extent) in list[1 + around..].iter().zip(&shape) {
                let end = dag.whole(extent as i64);
                if dag.is_less(subscript, Dag::ZERO) != Some(false) || dag.is_less(subscript, end) != Some(true) {
                    return false;
                }
            }
        }
        if let Node::Call(Op::DivFloor | Op::Mod, args) = dag.node(id)
            && dag.as_number(args[1]).is_none()
        {
            return false;
        }
        dag.node(id).for_each_operand(|operand| stack.push(operand));
    }
    true
}

fn measure(dag: &Dag, id: Id, texts: &[Text]) -> Text {
    let length_of = |id: Id| texts[id.index()].length;
    let mut depth = 0;
    dag.node(id).for_each_operand(|operand| depth = depth.max(texts[operand.index()].depth + 1));
    let length = match dag.node(id) {
        Node::Argument(_)
        | Node::Symbol(_)
        | Node::Bool(_)
        | Node::Index(..)
        | Node::Local(_)
        | Node::Defined(_)
        | Node::Last(..) => 1,
        Node::Element(list) => list.iter().map(|&each| length_of(each)).sum::<usize>(),
        Node::Reduce(_, binders, condition, body) => {
            let condition = if *dag.node(*condition) == Node::Bool(true) { 0 } else { 1 + length_of(*condition) };
            2 + binders.len() + condition + length_of(*body)
        }
        Node::Map(binders, body) => 1 + binders.len() + length_of(*body),
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
