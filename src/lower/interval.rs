//! How small and how large integers can be: arithmetic on the ranges of indices.
//!
//! An integer is taken as a sum of multiples of others, [`Affine`]. Its greatest value is found by replacing one index after the
//! other, innermost first, by its last value, which may depend on the indices further out. So `i - j` with `j in 0..i` is known
//! to be at least 1. Conditions that hold give more bounds of that kind.

use std::cell::Cell;
use std::collections::BTreeMap;

use hashbrown::HashMap;

use crate::ir::rows::{LEAST, ROWS};
use crate::ir::{Func, Inst, Loop, Val};
use crate::ops::Op;

/// `constant + factor*value + …`
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Affine {
    terms: BTreeMap<Val, i128>,
    constant: i128,
}

/// The number of rows, which is younger than all names: it is replaced last.
const N_ROWS: Val = Val(u32::MAX);

/// Integers nested deeper than this are taken as they are.
const DEPTH: u32 = 64;
/// A sum looks at so many instructions at most.
const PARTS: u32 = 256;
/// So many replacements are tried for one bound.
const TRIES: u32 = 400;

/// Integers are passed as doubles, so they are no larger than this.
const PASSED: i128 = 1 << 53;

impl Affine {
    /// An integer of the graph as a sum.
    pub fn of(func: &Func, val: Val) -> Affine {
        Affine::within(func, val, DEPTH, &mut PARTS.clone())
    }

    fn within(func: &Func, val: Val, depth: u32, parts: &mut u32) -> Affine {
        *parts = parts.saturating_sub(1);
        let enough = depth == 0 || *parts == 0;
        let mut of = |val: Val| Affine::within(func, val, depth - 1, parts);
        match func.inst(val) {
            Inst::Int(_) if func.is_rows(val) => Affine::value(N_ROWS),
            Inst::Int(value) => Affine::constant(i128::from(value)),
            _ if enough => Affine::value(val),
            Inst::Unary(Op::INeg, a) => of(a).times(-1),
            Inst::Binary(Op::IAdd, a, b) => of(a).plus(&of(b), 1),
            Inst::Binary(Op::ISub, a, b) => of(a).plus(&of(b), -1),
            Inst::Binary(Op::IMul, a, b) => match (of(a), of(b)) {
                (a, b) if a.terms.is_empty() => b.times(a.constant),
                (a, b) if b.terms.is_empty() => a.times(b.constant),
                _ => Affine::value(val),
            },
            _ => Affine::value(val),
        }
    }

    pub fn constant(constant: i128) -> Affine {
        Affine { terms: BTreeMap::new(), constant }
    }

    /// The extent of a dimension.
    pub fn extent(extent: usize) -> Affine {
        if extent == ROWS { Affine::value(N_ROWS) } else { Affine::constant(extent as i128) }
    }

    fn value(val: Val) -> Affine {
        Affine { terms: BTreeMap::from([(val, 1)]), constant: 0 }
    }

    /// The sum of this and a multiple of another.
    #[must_use]
    pub fn plus(mut self, other: &Affine, factor: i128) -> Affine {
        for (&val, &each) in &other.terms {
            let sum = self.terms.entry(val).or_insert(0);
            *sum = sum.saturating_add(each.saturating_mul(factor));
            if *sum == 0 {
                self.terms.remove(&val);
            }
        }
        self.constant = self.constant.saturating_add(other.constant.saturating_mul(factor));
        self
    }

    fn times(self, factor: i128) -> Affine {
        Affine::default().plus(&self, factor)
    }

    /// Its value where those of what it is a sum of are known.
    pub fn at(&self, mut get: impl FnMut(Val) -> Option<i64>) -> Option<i64> {
        let mut sum = self.constant;
        for (val, factor) in self.terms() {
            sum = sum.checked_add(factor.checked_mul(i128::from(get(val)?))?)?;
        }
        i64::try_from(sum).ok()
    }

    /// What a value is multiplied with.
    pub fn factor(&self, val: Val) -> i128 {
        self.terms.get(&val).copied().unwrap_or(0)
    }

    #[must_use]
    pub fn without(&self, val: Val) -> Affine {
        let mut rest = self.clone();
        rest.terms.remove(&val);
        rest
    }

    /// The values of the graph that it is a sum of.
    pub fn values(&self) -> impl Iterator<Item = Val> + '_ {
        self.terms.keys().copied().filter(|&val| val != N_ROWS)
    }

    /// The values that it is a sum of, with their factors.
    pub fn terms(&self) -> impl Iterator<Item = (Val, i128)> + '_ {
        self.terms.iter().map(|(&val, &factor)| (val, factor))
    }
}

/// What is known of the integers of a graph.
#[derive(Clone)]
pub struct Ranges<'a> {
    func: &'a Func,
    loops: &'a HashMap<Val, Loop>,
    /// What a value is not less than, or not more than, because conditions hold.
    above: HashMap<Val, Vec<Affine>>,
    below: HashMap<Val, Vec<Affine>>,
    /// Whether what is passed counts, which is bounded although not known.
    passed: bool,
    tries: Cell<u32>,
}

impl<'a> Ranges<'a> {
    /// Without any bound for what is passed or computed from it.
    pub fn of_sizes(func: &'a Func, loops: &'a HashMap<Val, Loop>) -> Ranges<'a> {
        Ranges { passed: false, ..Ranges::new(func, loops) }
    }

    /// With the loops of the indices.
    pub fn new(func: &'a Func, loops: &'a HashMap<Val, Loop>) -> Ranges<'a> {
        Ranges { func, loops, above: HashMap::new(), below: HashMap::new(), passed: true, tries: Cell::new(0) }
    }

    /// In the turns that compute a value there is one of each loop around: none is empty then.
    pub fn inside(&mut self, val: Val) {
        let (mut seen, mut stack) = (Vec::new(), self.func.free(val).to_vec());
        while let Some(name) = stack.pop() {
            let Some(&turns) = self.loops.get(&name).filter(|_| !seen.contains(&name)) else { continue };
            seen.push(name);
            let (low, high) = (Affine::of(self.func, turns.low), Affine::of(self.func, turns.high));
            self.at_most_zero(&low.plus(&high, -1).plus(&Affine::constant(1), 1));
            stack.extend([turns.low, turns.high].iter().flat_map(|&bound| self.func.free(bound)));
        }
    }

    /// The greatest value that a sum can have, as far as can be seen; `None` if that is unknown.
    pub fn highest(&self, sum: &Affine) -> Option<i128> {
        self.tries.set(TRIES);
        self.bound(sum, &mut Vec::new())
    }

    /// The least value that a sum can have.
    pub fn lowest(&self, sum: &Affine) -> Option<i128> {
        self.highest(&sum.clone().times(-1)).map(|bound| -bound)
    }

    /// Notes that a condition holds, or that it doesn't.
    pub fn assume(&mut self, condition: Val, holds: bool) {
        let mut stack = vec![(condition, holds)];
        while let Some((condition, holds)) = stack.pop() {
            let affine = |val: Val| Affine::of(self.func, val);
            match (self.func.inst(condition), holds) {
                (Inst::Unary(Op::Not, a), _) => stack.push((a, !holds)),
                (Inst::Binary(Op::And, a, b), true) | (Inst::Binary(Op::Or, a, b), false) => {
                    stack.extend([(a, holds), (b, holds)]);
                }
                // Of two of which one certainly is otherwise, it is the other.
                (Inst::Binary(Op::And, a, b), false) | (Inst::Binary(Op::Or, a, b), true) => {
                    let (known_a, known_b) = (self.decide(a), self.decide(b));
                    if known_a == Some(!holds) {
                        stack.push((b, holds));
                    } else if known_b == Some(!holds) {
                        stack.push((a, holds));
                    }
                }
                (Inst::Ternary(Op::Select, a, b, no), true) if self.func.inst(no) == Inst::Bool(false) => {
                    stack.extend([(a, true), (b, true)]);
                }
                (Inst::Ternary(Op::Select, a, yes, b), false) if self.func.inst(yes) == Inst::Bool(true) => {
                    stack.extend([(a, false), (b, false)]);
                }
                (Inst::Binary(Op::ILt, a, b), true) => {
                    self.at_most_zero(&affine(a).plus(&affine(b), -1).plus(&Affine::constant(1), 1))
                }
                (Inst::Binary(Op::ILt, a, b), false) => self.at_most_zero(&affine(b).plus(&affine(a), -1)),
                (Inst::Binary(Op::ILe, a, b), true) => self.at_most_zero(&affine(a).plus(&affine(b), -1)),
                (Inst::Binary(Op::ILe, a, b), false) => {
                    self.at_most_zero(&affine(b).plus(&affine(a), -1).plus(&Affine::constant(1), 1))
                }
                (Inst::Binary(Op::IEq, a, b), true) => {
                    let difference = affine(a).plus(&affine(b), -1);
                    self.at_most_zero(&difference);
                    self.at_most_zero(&difference.times(-1));
                }
                (Inst::Binary(Op::IEq, a, b), false) => self.differs(&affine(a).plus(&affine(b), -1)),
                _ => {}
            }
        }
    }

    /// Whether a condition is certainly true, or certainly false.
    pub fn decide(&self, condition: Val) -> Option<bool> {
        self.decide_within(condition, DEPTH)
    }

    fn decide_within(&self, condition: Val, depth: u32) -> Option<bool> {
        let depth = depth.checked_sub(1)?;
        let decide = |condition: Val| self.decide_within(condition, depth);
        let affine = |val: Val| Affine::of(self.func, val);
        let never_positive = |sum: Affine| self.highest(&sum).is_some_and(|bound| bound <= 0);
        let one = Affine::constant(1);
        match self.func.inst(condition) {
            Inst::Bool(value) => Some(value),
            Inst::Unary(Op::Not, a) => decide(a).map(|holds| !holds),
            Inst::Binary(Op::And, a, b) => match (decide(a), decide(b)) {
                (Some(true), Some(true)) => Some(true),
                (Some(false), _) | (_, Some(false)) => Some(false),
                _ => None,
            },
            // The second is asked only where the first doesn't hold.
            Inst::Binary(Op::Or, a, b) => match decide(a) {
                Some(true) => Some(true),
                Some(false) => decide(b),
                None => {
                    let mut otherwise = self.clone();
                    otherwise.assume(a, false);
                    (otherwise.decide_within(b, depth) == Some(true)).then_some(true)
                }
            },
            Inst::Binary(Op::ILe | Op::ILt, a, b) => {
                let difference = affine(a).plus(&affine(b), -1);
                let strict = matches!(self.func.inst(condition), Inst::Binary(Op::ILt, ..));
                let (holds, fails) = if strict {
                    (difference.clone().plus(&one, 1), difference.times(-1))
                } else {
                    (difference.clone(), difference.times(-1).plus(&one, 1))
                };
                if never_positive(holds) { Some(true) } else { never_positive(fails).then_some(false) }
            }
            Inst::Binary(Op::IEq, a, b) => {
                let difference = affine(a).plus(&affine(b), -1);
                let (low, high) = (self.lowest(&difference), self.highest(&difference));
                match (low, high) {
                    (Some(0), Some(0)) => Some(true),
                    (Some(low), _) if low > 0 => Some(false),
                    (_, Some(high)) if high < 0 => Some(false),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// Notes that a sum is at most 0: a bound for each of its values that has no factor.
    fn at_most_zero(&mut self, sum: &Affine) {
        for (val, factor) in sum.terms() {
            let rest = sum.without(val);
            match factor {
                1 => self.below.entry(val).or_default().push(rest.times(-1)),
                -1 => self.above.entry(val).or_default().push(rest),
                _ => {}
            }
        }
    }

    /// Notes that a sum isn't 0: it may cut off the first or the last value of a range.
    fn differs(&mut self, sum: &Affine) {
        let one = Affine::constant(1);
        if self.lowest(sum) == Some(0) {
            self.at_most_zero(&sum.clone().times(-1).plus(&one, 1));
        } else if self.highest(sum) == Some(0) {
            self.at_most_zero(&sum.clone().plus(&one, 1));
        }
    }

    /// The greatest value of a sum whose values in `done` have been replaced already.
    fn bound(&self, sum: &Affine, done: &mut Vec<Val>) -> Option<i128> {
        let is_name = |term: &(&Val, &i128)| *term.0 != N_ROWS;
        let Some((&val, &factor)) = sum.terms.iter().rfind(is_name).or(sum.terms.last_key_value()) else {
            return Some(sum.constant);
        };
        if self.tries.get() == 0 {
            return None;
        }
        self.tries.set(self.tries.get() - 1);
        let rest = sum.without(val);
        let mut candidates: Vec<Affine> = Vec::new();
        let facts = if factor > 0 { &self.below } else { &self.above };
        candidates.extend(facts.get(&val).into_iter().flatten().cloned());
        if let Some(turns) = self.loops.get(&val) {
            candidates.push(if factor > 0 {
                Affine::of(self.func, turns.high).plus(&Affine::constant(1), -1)
            } else {
                Affine::of(self.func, turns.low)
            });
        } else if let Some(bound) = self.of_operator(val, factor > 0, DEPTH) {
            candidates.push(Affine::constant(bound));
        }
        done.push(val);
        let mut best: Option<i128> = None;
        for candidate in candidates {
            if candidate.terms().any(|(other, _)| done.contains(&other)) {
                continue;
            }
            if let Some(bound) = self.bound(&rest.clone().plus(&candidate, factor), done) {
                best = Some(best.map_or(bound, |best| best.min(bound)));
            }
        }
        done.pop();
        best
    }

    /// The greatest or the least value of an integer that is no sum.
    fn of_operator(&self, val: Val, greatest: bool, depth: u32) -> Option<i128> {
        if val == N_ROWS {
            return Some(if greatest { ROWS as i128 } else { LEAST as i128 });
        }
        let depth = depth.checked_sub(1)?;
        let of = |val: Val, greatest: bool| self.of_value(val, greatest, depth);
        let both = |a: Option<i128>, b: Option<i128>| {
            let (a, b) = (a?, b?);
            Some(if greatest { a.max(b) } else { a.min(b) })
        };
        let either = |a: Option<i128>, b: Option<i128>| match (a, b) {
            (Some(a), Some(b)) => Some(if greatest { a.min(b) } else { a.max(b) }),
            (a, b) => a.or(b),
        };
        match self.func.inst(val) {
            Inst::Param(_) | Inst::Read(_) if !self.passed => None,
            Inst::Param(_) => Some(if greatest { PASSED } else { -PASSED }),
            Inst::Read(list) if matches!(self.func.inst(self.func.list(list)[0]), Inst::Param(_)) => {
                Some(if greatest { PASSED } else { -PASSED })
            }
            Inst::Binary(Op::IMod, _, b) => match self.func.int(b) {
                Some(modulus) if modulus > 0 => Some(if greatest { i128::from(modulus) - 1 } else { 0 }),
                _ => None,
            },
            Inst::Binary(Op::IDiv, a, b) => match self.func.int(b) {
                Some(divisor) if divisor > 0 => Some(of(a, greatest)?.div_euclid(i128::from(divisor))),
                _ => None,
            },
            Inst::Binary(Op::IMul, a, b) => {
                let corners = [
                    of(a, false)?.checked_mul(of(b, false)?)?,
                    of(a, false)?.checked_mul(of(b, true)?)?,
                    of(a, true)?.checked_mul(of(b, false)?)?,
                    of(a, true)?.checked_mul(of(b, true)?)?,
                ];
                if greatest { corners.into_iter().max() } else { corners.into_iter().min() }
            }
            Inst::Binary(Op::IMin, a, b) if greatest => either(of(a, true), of(b, true)),
            Inst::Binary(Op::IMax, a, b) if !greatest => either(of(a, false), of(b, false)),
            Inst::Binary(Op::IMin | Op::IMax, a, b) | Inst::Ternary(Op::Select, _, a, b) => {
                both(of(a, greatest), of(b, greatest))
            }
            Inst::Unary(Op::IAbs, a) => {
                let (low, high) = (of(a, false)?, of(a, true)?);
                Some(match (greatest, low > 0, high < 0) {
                    (true, ..) => high.max(-low),
                    (false, true, _) => low,
                    (false, _, true) => -high,
                    (false, false, false) => 0,
                })
            }
            _ => None,
        }
    }

    fn of_value(&self, val: Val, greatest: bool, depth: u32) -> Option<i128> {
        self.tries.set(self.tries.get().checked_sub(1)?);
        let sum = Affine::of(self.func, val);
        let mut bound = sum.constant;
        for (val, factor) in sum.terms() {
            let greatest = greatest == (factor > 0);
            let each = match self.loops.get(&val) {
                Some(turns) if greatest => self.of_value(turns.high, true, depth.checked_sub(1)?)? - 1,
                Some(turns) => self.of_value(turns.low, false, depth.checked_sub(1)?)?,
                None => self.of_operator(val, greatest, depth)?,
            };
            bound = bound.checked_add(each.checked_mul(factor)?)?;
        }
        Some(bound)
    }
}
