//! What elements that are being made read of each other.
//!
//! Every reading of an array that is being made is compared with the place that its clause defines, dimension by dimension. What
//! follows for the order is in [`schedule`](super::schedule).

use hashbrown::HashSet;

use super::super::Lowering;
use super::super::define::Plan;
use super::super::interval::{Affine, Ranges};
use super::schedule::Piece;
use crate::error::Problem;
use crate::ir::{Direction, Func, Inst, Val};

/// An element or a row that a clause reads of an array that is being made.
pub(super) struct Reading {
    /// The array that reads, and its clause.
    pub reader: usize,
    pub clause: usize,
    /// The array that is read.
    pub from: usize,
    pub read: Val,
    /// The clauses that may define it.
    clauses: Vec<usize>,
    /// What is read against what is defined: for each dimension that is defined, each one that is read. [`Step::Unclear`] beside the
    /// diagonal unless asked for.
    steps: Vec<Vec<Step>>,
}

/// Where what is read lies, seen from what is defined.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Step {
    Before,
    /// Before or at the same place.
    NotAfter,
    Same,
    NotBefore,
    After,
    Unclear,
}

impl Reading {
    /// The clause that reads.
    pub fn reader(&self) -> Piece {
        (self.reader, self.clause)
    }

    /// The clauses that may define what is read.
    pub fn sources(&self) -> impl Iterator<Item = Piece> {
        self.clauses.iter().map(|&clause| (self.from, clause))
    }

    /// Where it lies in a dimension of what is read, seen from a dimension of what is defined.
    pub fn step(&self, defined: usize, read: usize) -> Step {
        self.steps.get(defined).and_then(|row| row.get(read)).copied().unwrap_or(Step::Unclear)
    }
}

impl Step {
    fn of(ranges: &Ranges, difference: &Affine) -> Step {
        match (ranges.lowest(difference), ranges.highest(difference)) {
            (Some(0), Some(0)) => Step::Same,
            (_, Some(high)) if high < 0 => Step::Before,
            (Some(low), _) if low > 0 => Step::After,
            (_, Some(0)) => Step::NotAfter,
            (Some(0), _) => Step::NotBefore,
            _ => Step::Unclear,
        }
    }

    /// Whether a loop in this direction has made in an earlier turn what is read.
    pub fn is_made(self, direction: Direction) -> bool {
        self == if direction == Direction::Up { Step::Before } else { Step::After }
    }

    /// Whether a loop in this direction has made in an earlier turn what is read, or makes it in the same turn.
    pub fn is_in_order(self, direction: Direction) -> bool {
        let maybe = if direction == Direction::Up { Step::NotAfter } else { Step::NotBefore };
        self.is_made(direction) || self == maybe || self == Step::Same
    }
}

impl Lowering<'_> {
    /// Everything that the clauses read of the arrays that these names stand for; `all`: compared in all dimensions with all.
    pub(super) fn readings(&mut self, plans: &[Plan], bounds: &[Val], all: bool) -> Result<Vec<Reading>, Problem> {
        let values: Vec<Val> = plans.iter().flat_map(|plan| plan.values.iter().copied()).collect();
        let loops = self.all_loops(&values);
        let mut readings = Vec::new();
        for (reader, plan) in plans.iter().enumerate() {
            for (clause, (set, &value)) in plan.sets.iter().zip(&plan.values).enumerate() {
                let func = self.builder.func();
                let found = reads(func, &[value], bounds).map_err(|(user, whole)| Problem::NotComplete {
                    name: plans[whole].name.clone(),
                    at: func.span(user),
                })?;
                for (read, from) in found {
                    let subscripts = self.builder.func().operands(read).as_slice()[1..].to_vec();
                    let all_clauses = 0..plans[from].sets.len();
                    let mut clauses: Vec<usize> = all_clauses.clone().collect();
                    if subscripts.len() >= plans[from].rank {
                        clauses.retain(|&clause| self.fits(&plans[from].sets[clause], &subscripts).is_some());
                    }
                    // What nothing defines is an error where it is read, not an order.
                    if clauses.is_empty() {
                        clauses = all_clauses.collect();
                    }
                    let mut loops = loops.clone();
                    loops.extend(set.loops.iter().map(|turns| (turns.index, *turns)));
                    let func = self.builder.func();
                    let ranges = Ranges::new(func, &loops);
                    let step = |defined: usize, read: usize| {
                        if !all && defined != read {
                            return Step::Unclear;
                        }
                        let place = Affine::of(func, set.places[defined]);
                        Step::of(&ranges, &Affine::of(func, subscripts[read]).plus(&place, -1))
                    };
                    let rank = subscripts.len().min(plans[from].rank);
                    let steps = (0..plan.rank).map(|defined| (0..rank).map(|read| step(defined, read)).collect());
                    readings.push(Reading { reader, clause, from, read, clauses, steps: steps.collect() });
                }
            }
        }
        Ok(readings)
    }
}

/// The elements and rows that values read of some arrays, with the number of the array; in order. What else uses an array is an
/// error: it, and the array.
pub(super) fn reads(func: &Func, roots: &[Val], arrays: &[Val]) -> Result<Vec<(Val, usize)>, (Val, usize)> {
    let number = |val: Val| arrays.iter().position(|&array| array == val);
    let mut found = Vec::new();
    let (mut seen, mut stack) = (HashSet::new(), Vec::new());
    for &root in roots {
        if let Some(whole) = number(root) {
            return Err((root, whole));
        }
        stack.push(root);
    }
    while let Some(val) = stack.pop() {
        if !func.depends(val, arrays) || !seen.insert(val) {
            continue;
        }
        let mut used = func.uses(val);
        if let Inst::Read(_) = func.inst(val)
            && let Some(array) = number(used[0])
        {
            found.push((val, array));
            used.remove(0);
        }
        if let Some(whole) = used.iter().find_map(|&used| number(used)) {
            return Err((val, whole));
        }
        stack.extend(used);
    }
    found.sort_unstable();
    Ok(found)
}
