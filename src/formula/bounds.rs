//! What is known of integers from the ranges of indices.

use super::dag::{Dag, Id, Node, Relation};
use super::number::{MINUS_ONE, Number, ONE};
use crate::ops::Op;

/// So many indices are replaced by an end of their range.
const STEPS: usize = 8;

impl Dag {
    /// Whether an array could have an element for all values of the indices in an expression.
    pub fn has_room(&self, id: Id) -> bool {
        self.facts(id).free.iter().all(|&index| matches!(self.bounds(index), (Some(0..), Some(_))))
    }

    /// The least and the greatest value of an integer, as far as the ends of ranges are numbers.
    pub fn bounds(&self, id: Id) -> (Option<i64>, Option<i64>) {
        match self.node(id) {
            Node::Number(value) => (value.as_whole(), value.as_whole()),
            Node::Index(_, low, high) => {
                (self.bounds(*low).0, self.bounds(*high).1.and_then(|high| high.checked_sub(1)))
            }
            Node::Scaled(factor, of) => self.bounds_of_sum(&[(*factor, *of)]),
            Node::Sum(terms) => self.bounds_of_sum(terms),
            Node::Call(Op::Max, args) => {
                let bounds = || args.iter().map(|&arg| self.bounds(arg));
                let high = bounds().map(|(_, high)| high).collect::<Option<Vec<i64>>>();
                (bounds().filter_map(|(low, _)| low).max(), high.and_then(|high| high.into_iter().max()))
            }
            Node::Call(Op::Min, args) => {
                let bounds = || args.iter().map(|&arg| self.bounds(arg));
                let low = bounds().map(|(low, _)| low).collect::<Option<Vec<i64>>>();
                (low.and_then(|low| low.into_iter().min()), bounds().filter_map(|(_, high)| high).min())
            }
            Node::Call(Op::Mod, args) => match self.as_whole(args[1]) {
                Some(divisor @ 1..) => (Some(0), Some(divisor - 1)),
                _ => (None, None),
            },
            Node::Call(Op::DivFloor, args) => match (self.as_whole(args[1]), self.bounds(args[0])) {
                (Some(divisor @ 1..), (low, high)) => {
                    (low.map(|low| low.div_euclid(divisor)), high.map(|high| high.div_euclid(divisor)))
                }
                _ => (None, None),
            },
            _ => (None, None),
        }
    }

    fn bounds_of_sum(&self, terms: &[(Number, Id)]) -> (Option<i64>, Option<i64>) {
        let (mut low, mut high) = (Some(0_i64), Some(0_i64));
        for &(factor, of) in terms {
            let bounds = if of == Dag::ONE { (Some(1), Some(1)) } else { self.bounds(of) };
            let factor = factor.as_whole();
            let times = |end: Option<i64>| end.zip(factor).and_then(|(end, factor)| end.checked_mul(factor));
            let (mut least, mut most) = (times(bounds.0), times(bounds.1));
            if factor.is_some_and(|factor| factor < 0) {
                std::mem::swap(&mut least, &mut most);
            }
            low = low.zip(least).and_then(|(low, least)| low.checked_add(least));
            high = high.zip(most).and_then(|(high, most)| high.checked_add(most));
        }
        (low, high)
    }

    /// An integer as another one and what is added to it.
    pub fn shifted(&mut self, id: Id) -> (Id, i64) {
        let Node::Sum(terms) = self.node(id) else { return (id, 0) };
        let Some((shift, _)) = terms.iter().find(|&&(_, of)| of == Dag::ONE) else { return (id, 0) };
        let Some(shift) = shift.as_whole() else { return (id, 0) };
        let rest = terms.iter().copied().filter(|&(_, of)| of != Dag::ONE).collect();
        (self.sum(rest), shift)
    }

    /// What a comparison of integers says: these are at least so great.
    pub fn lower_bounds(&mut self, condition: Id) -> Vec<(Id, i64)> {
        let Node::Compare(relation, a, b) = *self.node(condition) else { return Vec::new() };
        let mut bound = |more: Id, less: Id, by: i64| {
            let difference = self.sum(vec![(ONE, more), (MINUS_ONE, less)]);
            let (rest, shift) = self.shifted(difference);
            (rest, by - shift)
        };
        match relation {
            Relation::Ge => vec![bound(a, b, 0)],
            Relation::Gt => vec![bound(a, b, 1)],
            Relation::Le => vec![bound(b, a, 0)],
            Relation::Lt => vec![bound(b, a, 1)],
            Relation::Eq => vec![bound(a, b, 0), bound(b, a, 0)],
            Relation::Ne => Vec::new(),
        }
    }

    /// Whether one integer is less than another, where the ranges of indices prove or refute it.
    pub fn is_less(&mut self, a: Id, b: Id) -> Option<bool> {
        let above = self.sum(vec![(ONE, b), (MINUS_ONE, a)]);
        if self.is_at_least(above, 1) {
            return Some(true);
        }
        let below = self.sum(vec![(ONE, a), (MINUS_ONE, b)]);
        self.is_at_least(below, 0).then_some(false)
    }

    /// Whether an integer is never below a number. The innermost index whose range isn't of numbers is replaced by the end of it
    /// that makes the integer least.
    fn is_at_least(&mut self, mut id: Id, least: i64) -> bool {
        for _ in 0..STEPS {
            if self.bounds(id).0.is_some_and(|low| low >= least) {
                return true;
            }
            let terms = match self.node(id) {
                Node::Sum(terms) => terms.to_vec(),
                _ => vec![self.split(id)],
            };
            let inner = terms.iter().filter_map(|&(factor, of)| match self.node(of) {
                Node::Index(number, low, high)
                    if !(self.as_whole(*low).is_some() && self.as_whole(*high).is_some()) =>
                {
                    Some((*number, factor, of, *low, *high))
                }
                _ => None,
            });
            let Some((_, factor, of, low, high)) = inner.max_by_key(|&(number, ..)| number) else { return false };
            let mut terms: Vec<(Number, Id)> = terms.into_iter().filter(|&(_, other)| other != of).collect();
            if factor.is_negative() {
                terms.extend([(factor, high), (factor.neg(), Dag::ONE)]);
            } else {
                terms.push((factor, low));
            }
            id = self.sum(terms);
        }
        false
    }
}
