//! In which order elements that refer to each other can be computed.
//!
//! Every reading of an array that is being made is compared with the place that its clause defines, dimension by dimension.
//! Where the first dimensions alone show that what is read has been made in an earlier turn, or in the same turn and further up, they
//! are the loops; the other dimensions are computed together.

use hashbrown::{HashMap, HashSet};

use super::super::Lowering;
use super::super::define::Plan;
use super::super::interval::{Affine, Ranges};
use crate::error::Problem;
use crate::ir::{Direction, Func, Inst, Loop, Val};

/// An element or a row that a clause reads of an array that is being made.
pub(super) struct Reading {
    /// The array that reads, and its clause.
    pub reader: usize,
    pub clause: usize,
    /// The array that is read.
    pub from: usize,
    pub read: Val,
    /// What is read against what is defined, for each dimension that both have.
    steps: Vec<Step>,
}

/// Where what is read lies, seen from what is defined.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    Before,
    /// Before or at the same place.
    NotAfter,
    Same,
    NotBefore,
    After,
    Unclear,
}

/// The order in which arrays are made.
pub(super) struct Order {
    /// The directions of the loops: as many dimensions as are needed.
    pub directions: Vec<Direction>,
    /// The arrays as they are made in a turn.
    pub sequence: Vec<usize>,
    /// The readings, by number, of what is made in the same turn, or may be.
    pub same: Vec<usize>,
    /// Whether all that is read has certainly been made.
    pub is_certain: bool,
}

impl Reading {
    /// Whether it is certain to be of the same turn of so many loops.
    pub fn is_same(&self, depth: usize) -> bool {
        self.steps.len() >= depth && self.steps[..depth].iter().all(|&step| step == Step::Same)
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
}

impl Lowering<'_> {
    /// Everything that the clauses read of the arrays that these names stand for.
    pub(super) fn readings(&self, plans: &[Plan], bounds: &[Val]) -> Result<Vec<Reading>, Problem> {
        let func = self.builder.func();
        let values: Vec<Val> = plans.iter().flat_map(|plan| plan.values.iter().copied()).collect();
        let loops = self.all_loops(&values);
        let mut readings = Vec::new();
        for (reader, plan) in plans.iter().enumerate() {
            for (clause, (set, &value)) in plan.sets.iter().zip(&plan.values).enumerate() {
                for (read, from) in reads(func, &[value], bounds).map_err(|(user, whole)| Problem::NotComplete {
                    name: plans[whole].name.clone(),
                    at: func.span(user),
                })? {
                    let operands = func.operands(read);
                    let rank = plan.rank.min(plans[from].rank);
                    let mut loops = loops.clone();
                    loops.extend(set.loops.iter().map(|turns| (turns.index, *turns)));
                    let steps = steps(func, &loops, &operands.as_slice()[1..], &set.places, rank);
                    readings.push(Reading { reader, clause, from, read, steps });
                }
            }
        }
        Ok(readings)
    }

    /// The order in which arrays can be made that read each other so.
    pub(super) fn order(&self, plans: &[Plan], readings: &[Reading]) -> Result<Order, Problem> {
        let rank = plans.iter().map(|plan| plan.rank).min().unwrap_or(0);
        if let Some(order) = (1..=rank).find_map(|depth| with_loops(depth, plans.len(), readings)) {
            return Ok(order);
        }
        let is_same = |reading: &Reading| {
            let ranks = (plans[reading.reader].rank, plans[reading.from].rank);
            ranks.0 == ranks.1 && reading.is_same(ranks.0)
        };
        let same: Vec<usize> = (0..readings.len()).filter(|&number| is_same(&readings[number])).collect();
        // A turn can't hand parts of what it makes to itself where arrays have different ranks: the adjoints would come too late.
        let in_turn = |reading: &Reading| {
            let depth = reading.steps.len().min(rank);
            reading.steps[..depth].iter().all(|step| matches!(step, Step::Same | Step::NotAfter))
        };
        let mixed = plans.iter().any(|plan| plan.rank != rank);
        let partial = (0..readings.len()).find(|number| mixed && !same.contains(number) && in_turn(&readings[*number]));
        match partial.map_or_else(|| sequence(plans.len(), readings, &same), Err) {
            Ok(sequence) => Ok(Order { directions: vec![Direction::Up; rank], sequence, same, is_certain: false }),
            Err(number) => {
                let Reading { reader, clause, from, read, .. } = readings[number];
                Err(Problem::DependsOnItself {
                    name: plans[reader].name.clone(),
                    at: self.builder.func().span(read),
                    through: (reader != from).then(|| plans[from].name.clone()),
                    defined: plans[reader].sets[clause].at,
                })
            }
        }
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

fn steps(func: &Func, loops: &HashMap<Val, Loop>, subscripts: &[Val], places: &[Val], rank: usize) -> Vec<Step> {
    let ranges = Ranges::new(func, loops);
    let step = |(subscript, place): (&Val, &Val)| {
        let difference = Affine::of(func, *subscript).plus(&Affine::of(func, *place), -1);
        Step::of(&ranges, &difference)
    };
    let known = subscripts.iter().zip(places).map(step);
    known.chain(std::iter::repeat(Step::Unclear)).take(rank).collect()
}

/// The order with loops over so many dimensions, if they are enough.
fn with_loops(depth: usize, arrays: usize, readings: &[Reading]) -> Option<Order> {
    let mut open: Vec<usize> = (0..readings.len()).collect();
    let mut directions = Vec::new();
    for dimension in 0..depth {
        let step = |number: usize| readings[number].steps[dimension];
        let is_ahead = open.iter().any(|&number| matches!(step(number), Step::After | Step::NotBefore));
        let (direction, made, maybe) = match is_ahead {
            true => (Direction::Down, Step::After, Step::NotBefore),
            false => (Direction::Up, Step::Before, Step::NotAfter),
        };
        directions.push(direction);
        if !open.iter().all(|&number| [made, maybe, Step::Same].contains(&step(number))) {
            return None;
        }
        open.retain(|&number| step(number) != made);
    }
    let sequence = sequence(arrays, readings, &open).ok()?;
    Some(Order { directions, sequence, same: open, is_certain: true })
}

/// The arrays so that each comes after what it reads in the same turn, otherwise as in the text; or a reading that makes that impossible.
fn sequence(arrays: usize, readings: &[Reading], same: &[usize]) -> Result<Vec<usize>, usize> {
    let mut sequence: Vec<usize> = Vec::new();
    while sequence.len() < arrays {
        let waits = |array: usize| {
            let mut own = same.iter().filter(|&&number| readings[number].reader == array);
            own.find(|&&number| !sequence.contains(&readings[number].from)).copied()
        };
        let mut left = (0..arrays).filter(|array| !sequence.contains(array));
        match left.clone().find(|&array| waits(array).is_none()) {
            Some(next) => sequence.push(next),
            None => return Err(left.find_map(waits).unwrap_or_default()),
        }
    }
    Ok(sequence)
}
