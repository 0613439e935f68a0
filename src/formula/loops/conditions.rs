//! Conditions: that subscripts are inside, and what follows from what is known.

use hashbrown::{HashMap, HashSet};

use super::super::dag::{Dag, Id, Node, Relation};
use super::super::reader::Reader;
use crate::ops::Type;
impl Reader<'_> {
    /// The condition under which subscripts are inside of an array, as far as it isn't known.
    pub(in super::super) fn inside(&mut self, shape: &[usize], subscripts: &[Id]) -> Id {
        let mut condition = self.dag.intern(Node::Bool(true));
        for (&extent, &subscript) in shape.iter().zip(subscripts) {
            let (rest, shift) = self.dag.shifted(subscript);
            let (low, high) = (self.dag.whole(-shift), self.dag.whole(extent as i64 - shift));
            let above = self.at_most(low, rest);
            condition = self.dag.and(condition, above);
            let below = self.less(rest, high);
            condition = self.dag.and(condition, below);
        }
        condition
    }

    /// An element that is there only under a condition, and 0 or false elsewhere.
    pub(in super::super) fn guarded(&mut self, condition: Id, element: Id, ty: Type) -> Id {
        let nothing = self.nothing(ty);
        let guarded = self.dag.choose(condition, element, nothing);
        if guarded != element {
            self.wrapped.insert(guarded);
        }
        guarded
    }

    /// What an element is that nothing has defined.
    pub(in super::super) fn nothing(&mut self, ty: Type) -> Id {
        if ty == Type::Bool { self.dag.intern(Node::Bool(false)) } else { Dag::ZERO }
    }

    /// The same where a condition holds: what is guarded by it needs no guard.
    pub(in super::super) fn under(&mut self, condition: Id, id: Id) -> Id {
        if self.wrapped.is_empty() {
            return id;
        }
        let mut holds = Vec::new();
        for part in self.parts_of(condition) {
            holds.push((part, self.dag.lower_bounds(part)));
        }
        let (mut seen, mut stack) = (HashSet::new(), vec![id]);
        while let Some(id) = stack.pop() {
            // What an inner sum binds may be called like what the condition is about.
            if seen.insert(id) && !matches!(self.dag.node(id), Node::Reduce(..) | Node::Map(..)) {
                self.dag.node(id).for_each_operand(|operand| stack.push(operand));
            }
        }
        if !seen.iter().any(|id| self.wrapped.contains(id)) {
            return id;
        }
        // Operands come first.
        let mut nodes: Vec<Id> = seen.into_iter().collect();
        nodes.sort_unstable();
        let mut simpler: HashMap<Id, Id> = HashMap::new();
        for node in nodes {
            let new = match self.dag.node(node).clone() {
                Node::Choose(guard, value, _) if self.wrapped.contains(&node) && self.follows(guard, &holds) => value,
                other => {
                    self.dag.with_operands(node, &other, |operand| simpler.get(&operand).copied().unwrap_or(operand))
                }
            };
            simpler.insert(node, new);
        }
        simpler[&id]
    }

    /// The conditions that a condition is made of.
    fn parts_of(&self, condition: Id) -> Vec<Id> {
        let (mut parts, mut todo) = (Vec::new(), vec![condition]);
        while let Some(part) = todo.pop() {
            match *self.dag.node(part) {
                Node::And(a, b) => todo.extend([a, b]),
                _ => parts.push(part),
            }
        }
        parts
    }

    /// Whether a condition follows from others, given with the bounds that they say.
    fn follows(&mut self, condition: Id, holds: &[(Id, Vec<(Id, i64)>)]) -> bool {
        self.parts_of(condition).into_iter().all(|part| {
            let wanted = self.dag.lower_bounds(part);
            let is_bound = |(of, least): &(Id, i64)| {
                holds.iter().flat_map(|(_, bounds)| bounds).any(|(other, low)| other == of && low >= least)
            };
            // An equation says two bounds, and none alone makes it.
            let is_order = matches!(
                self.dag.node(part),
                Node::Compare(Relation::Lt | Relation::Le | Relation::Gt | Relation::Ge, ..)
            );
            holds.iter().any(|(known, _)| *known == part) || (is_order && wanted.first().is_some_and(is_bound))
        })
    }

    pub(super) fn less(&mut self, a: Id, b: Id) -> Id {
        match self.dag.is_less(a, b) {
            Some(holds) => self.dag.intern(Node::Bool(holds)),
            None => self.dag.compare(Relation::Lt, a, b),
        }
    }

    pub(super) fn at_most(&mut self, a: Id, b: Id) -> Id {
        match self.dag.is_less(b, a) {
            Some(fails) => self.dag.intern(Node::Bool(!fails)),
            None => self.dag.compare(Relation::Le, a, b),
        }
    }

    pub(super) fn equal(&mut self, a: Id, b: Id) -> Id {
        if a == b || self.dag.is_less(a, b) == Some(true) || self.dag.is_less(b, a) == Some(true) {
            return self.dag.intern(Node::Bool(a == b));
        }
        self.dag.compare(Relation::Eq, a, b)
    }
}
