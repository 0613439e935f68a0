//! Arrays by equations: `z[0] = a`, `z[i] = e for i in 1..n`.
//!
//! Each clause is lowered by itself to an [`Equation`]: what its left subscripts are, the loops of its indices, its value. Together
//! they make one array by stores, the last clause first, and each only where no clause before it fits.
//!
//! An element that no clause defines is a **hole**. Which elements are defined is known as a condition on subscripts. Where nothing
//! is left out there are no holes; otherwise every reading of an element has to show that it is no hole, and the array can't stand
//! as a whole.

use std::rc::Rc;

use hashbrown::HashMap;

use super::arith;
use super::forms::{Closed, Index};
use super::groups::Group;
use super::interval::{Affine, Ranges};
use super::names::{Clause, Place};
use super::{Lowering, Task, Value};
use crate::ast::BlockId;
use crate::error::Problem;
use crate::ir::{Cell, Direction, Func, Inst, Loop, Region, Update, UpdateKind, Val};
use crate::ops::{Op, Type};
use crate::span::Span;

/// A clause whose value has been lowered.
pub(super) struct Equation {
    pub clause: Rc<Clause>,
    /// `None`: it is in error.
    pub closed: Option<Closed>,
}

/// Which elements of an array are defined.
#[derive(Clone, Debug)]
pub(super) struct Holes {
    pub name: String,
    sets: Rc<[Set]>,
    /// The clauses by what they fix the first subscript to.
    by_place: Rc<ByPlace>,
    /// The subscripts that are fixed already: the array is a row of another.
    row: Vec<Val>,
}

impl Holes {
    /// The first clause of the array.
    pub fn at(&self) -> Span {
        self.sets.first().map_or(Span::default(), |set| set.at)
    }
}

/// The elements that one equation defines.
#[derive(Clone, Debug)]
pub(super) struct Set {
    pub at: Span,
    /// What stands in each dimension: an index of the loops or a fixed place.
    pub places: Vec<Val>,
    pub loops: Vec<Loop>,
}

/// An array whose clauses are known, before it is made.
pub(super) struct Plan {
    pub name: String,
    /// The number of left subscripts.
    pub rank: usize,
    /// For each clause the elements that it defines, and their value.
    pub sets: Vec<Set>,
    pub values: Vec<Val>,
    pub ty: Type,
    pub shape: Vec<usize>,
    /// Whether every element is defined.
    pub complete: bool,
    pub by_place: Rc<ByPlace>,
}

/// Clauses by what they fix the first subscript to.
pub(super) type ByPlace = HashMap<Option<i64>, Vec<usize>>;

/// Larger arrays are not looked at element by element.
const COUNTED: usize = 1 << 20;

impl Lowering<'_> {
    /// Goes on with the clauses of arrays that are made together.
    pub(super) fn group(&mut self, block: BlockId, group: &Rc<Group>, next: usize) -> Result<(), Problem> {
        if group.recurrent {
            return self.recurrence(block, group);
        }
        let Some(&statement) = group.statements.get(next) else {
            let equations = self.clauses.split_off(self.clauses.len() - group.statements.len());
            let value = match equations.iter().all(|equation| equation.closed.is_some()) {
                true => Value::Array(self.assemble(&equations)?),
                false => Value::Unknown,
            };
            self.define(group.names[0], value);
            return Ok(());
        };
        self.tasks.push(Task::Group { block, group: Rc::clone(group), next: next + 1 });
        let Some(clause) = self.names.clauses.get(&(block, statement)).map(Rc::clone) else { return Ok(()) };
        self.lower_clause(&clause)
    }

    /// Pushes the tasks that make an equation of a clause.
    pub(super) fn lower_clause(&mut self, clause: &Rc<Clause>) -> Result<(), Problem> {
        self.open(self.scope);
        self.clause(Rc::clone(clause))?;
        // Fixed places don't see the indices; they come first.
        for place in clause.places.iter().rev() {
            if let Place::Fixed(tree) = *place {
                self.tasks.push(Task::Tree { tree, next: 0 });
            }
        }
        Ok(())
    }

    /// After the last clause of arrays: what they are is for `trace`.
    pub(super) fn bind_arrays(&mut self, block: BlockId, index: usize) {
        let (true, Some(group)) = (Some(block) == self.ast.root, self.names.groups.get(&(block, index))) else {
            return;
        };
        for name in group.names.clone() {
            let clause = group.statements.iter().find_map(|&statement| {
                let clause = self.names.clauses.get(&(block, statement))?;
                (clause.name == name).then_some(clause.at)
            });
            if let (Value::Array(val), Some(at)) = (self.lookup(name), clause) {
                self.definitions.push((name, at, val));
            }
        }
    }

    /// One array of its clauses.
    fn assemble(&mut self, equations: &[Equation]) -> Result<Val, Problem> {
        let plan = self.plan(equations)?;
        let clauses: Vec<usize> = (0..equations.len()).collect();
        let array = self.store(&plan, &clauses)?;
        self.note_missing(&plan, array);
        Ok(array)
    }

    /// What follows from the clauses of an array together.
    pub(super) fn plan(&mut self, equations: &[Equation]) -> Result<Plan, Problem> {
        let mut sets = Vec::new();
        for equation in equations {
            sets.push(self.set(equation)?);
        }
        let extents = self.extents(equations, &sets)?;
        for (equation, set) in equations.iter().zip(&mut sets) {
            self.complete(equation, set, &extents)?;
        }
        let (values, ty) = self.elements(equations)?;
        let row = self.builder.func().shape(values[0]).to_vec();
        let shape: Vec<usize> = extents.iter().copied().chain(row).collect();
        self.affordable(&shape, equations[0].clause.at)?;
        let name = self.ast.name(equations[0].clause.name).to_owned();
        let coverage = coverage(self.builder.func(), &sets, &extents);
        if let Some(unused) = coverage.unused {
            // More likely the text doesn't say how far it goes.
            let mut indices = equations[unused].closed.iter().flat_map(|closed| &closed.indices);
            if let Some(index) = indices.find(|index| index.range.is_none()) {
                return Err(self.without_range(index));
            }
            let at = equations[unused].clause.at;
            return Err(Problem::UnusedClause { name, at, other: equations[0].clause.at });
        }
        let by_place = Rc::new(by_place(self.builder.func(), &sets));
        Ok(Plan { name, rank: extents.len(), sets, values, ty, shape, complete: coverage.complete, by_place })
    }

    /// The array that holds the elements of some of the clauses.
    pub(super) fn store(&mut self, plan: &Plan, clauses: &[usize]) -> Result<Val, Problem> {
        let Plan { sets, ty, shape, .. } = plan;
        // Regions from the last clause to the first; clauses without loops share one.
        let mut array: Option<Val> = None;
        let mut number = clauses.len();
        while number > 0 {
            let last = number;
            number -= 1;
            let is_plain = |number: usize| sets[clauses[number]].loops.is_empty();
            while is_plain(number) && number > 0 && is_plain(number - 1) {
                number -= 1;
            }
            self.builder.span = sets[clauses[number]].at;
            let mut updates = Vec::new();
            for &each in clauses[number..last].iter().rev() {
                let guard = self.unclaimed(plan, each, &sets[each].places);
                if self.builder.func().inst(guard) == Inst::Bool(false) {
                    if is_empty(self.builder.func(), &sets[each]) {
                        continue;
                    }
                    let (name, at) = (plan.name.clone(), sets[each].at);
                    return Err(Problem::UnusedClause { name, at, other: sets[0].at });
                }
                updates.push(Update {
                    kind: UpdateKind::Store,
                    subscripts: sets[each].places.as_slice().into(),
                    value: plan.values[each],
                    factor: None,
                    guard,
                });
            }
            let loops = self.in_order(&sets[clauses[number]]);
            if array.is_none()
                && let Some(all) = self.all_elements(&loops, shape, &updates)
            {
                array = Some(self.builder.array(&all, updates[0].value));
                continue;
            }
            let cell =
                Cell { ty: *ty, shape: shape.as_slice().into(), bound: None, init: array, updates: updates.into() };
            let region = self.builder.region(Region { loops, cells: Box::new([cell]), ..Region::default() });
            array = Some(self.builder.result(region, 0));
        }
        Ok(array.unwrap_or_else(|| self.builder.int(0)))
    }

    /// The loops with their extents, if their turns store all elements of an array, each at its indices.
    fn all_elements(&self, loops: &[Loop], shape: &[usize], updates: &[Update]) -> Option<Vec<(Val, usize)>> {
        let func = self.builder.func();
        let [Update { subscripts, guard, .. }] = updates else { return None };
        let is_whole = |((turns, &subscript), &extent): ((&Loop, &Val), &usize)| {
            turns.index == subscript
                && turns.direction == Direction::Up
                && func.inst(turns.low) == Inst::Int(0)
                && func.inst(turns.high) == Inst::Int(extent as i64)
        };
        let whole = loops.len() == subscripts.len()
            && func.inst(*guard) == Inst::Bool(true)
            && loops.iter().zip(subscripts).zip(shape).all(is_whole);
        whole.then(|| loops.iter().zip(shape).map(|(turns, &extent)| (turns.index, extent)).collect())
    }

    /// Remembers which elements of an array no clause defines, if there are any.
    pub(super) fn note_missing(&mut self, plan: &Plan, array: Val) {
        if !plan.complete {
            let (name, sets) = (plan.name.clone(), plan.sets.as_slice().into());
            let holes = Holes { name, sets, by_place: Rc::clone(&plan.by_place), row: Vec::new() };
            self.holes.insert(array, Rc::new(holes));
        }
    }

    /// The left side of an equation: fixed places are on the stack of values, in order.
    pub(super) fn set(&mut self, equation: &Equation) -> Result<Set, Problem> {
        let Some(closed) = &equation.closed else { return Err(Problem::NoResult { at: equation.clause.at }) };
        let mut fixed = closed.fixed.iter();
        let mut places = Vec::new();
        for place in &equation.clause.places {
            places.push(match place {
                Place::Index(index) => closed.indices[*index].val,
                Place::Fixed(_) => match fixed.next() {
                    Some(operand) => self.integer(operand)?,
                    None => self.builder.int(0),
                },
            });
        }
        Ok(Set { at: equation.clause.at, places, loops: closed.loops() })
    }

    /// An index without a range goes as far as the other clauses do.
    fn complete(&mut self, equation: &Equation, set: &mut Set, extents: &[usize]) -> Result<(), Problem> {
        for index in equation.closed.iter().flat_map(|closed| &closed.indices) {
            if index.range.is_some() {
                continue;
            }
            let dims = set.places.iter().zip(extents).filter(|&(&place, _)| place == index.val);
            let extent = dims.map(|(_, &extent)| extent).min().unwrap_or(0);
            if extent == 0 {
                return Err(self.without_range(index));
            }
            let (low, high) = (self.builder.int(0), self.builder.int(extent as i64));
            let turns = Loop::up(index.val, low, high);
            self.loops.insert(index.val, turns);
            set.loops.push(turns);
        }
        Ok(())
    }

    /// The extents of an array: each dimension spans the ranges of all clauses.
    fn extents(&mut self, equations: &[Equation], sets: &[Set]) -> Result<Vec<usize>, Problem> {
        let mut extents = vec![0; sets[0].places.len()];
        for (equation, set) in equations.iter().zip(sets) {
            for (dimension, extent) in extents.iter_mut().enumerate() {
                let Some((low, high)) = self.reach(equation, set, dimension)? else { continue };
                if low < 0 && low < high {
                    return Err(Problem::NegativePlace { at: set.at, low });
                }
                let indices = equation.closed.iter().flat_map(|closed| &closed.indices);
                let index = indices.filter(|index| index.val == set.places[dimension]).find(|index| {
                    index.range.is_some_and(|(low, high)| {
                        let func = self.builder.func();
                        matches!((func.inst(low), func.inst(high)), (Inst::Int(0), Inst::Int(high)) if high < 0)
                    })
                });
                if let Some(index) = index {
                    let name = self.ast.name(index.name).to_owned();
                    return Err(Problem::NegativeCount { name, at: index.at, extent: high });
                }
                *extent = usize::try_from(high).unwrap_or(0).max(*extent);
            }
        }
        Ok(extents)
    }

    /// From where to before where a clause goes in a dimension; `None` as long as its index has no range.
    pub(super) fn reach(
        &mut self,
        equation: &Equation,
        set: &Set,
        dimension: usize,
    ) -> Result<Option<(i64, i64)>, Problem> {
        let place = set.places[dimension];
        let mut indices = equation.closed.iter().flat_map(|closed| closed.indices.iter());
        match indices.find(|index| index.val == place).copied() {
            Some(Index { range: None, .. }) => Ok(None),
            Some(index @ Index { range: Some((low, high)), .. }) => {
                self.hull(&index, &Loop::up(place, low, high)).map(Some)
            }
            None => {
                let Equation { clause, .. } = equation;
                let named = Index { name: clause.name, at: clause.at, val: place, range: None };
                let place = self.extent(&named, place)?;
                Ok(Some((place, place.saturating_add(1))))
            }
        }
    }

    /// The least and the greatest bound of a loop, whatever the indices before it are.
    fn hull(&mut self, index: &Index, turns: &Loop) -> Result<(i64, i64), Problem> {
        let func = self.builder.func();
        let ranges = Ranges::of_sizes(func, &self.loops);
        let low = ranges.lowest(&Affine::of(func, turns.low)).and_then(|low| i64::try_from(low).ok());
        let high = ranges.highest(&Affine::of(func, turns.high)).and_then(|high| i64::try_from(high).ok());
        match (low, high) {
            (Some(low), Some(high)) => Ok((low, high)),
            _ => {
                self.extent(index, turns.low)?;
                let high = self.extent(index, turns.high)?;
                Ok((0, high))
            }
        }
    }

    /// The values of the clauses, of one type and shape.
    fn elements(&mut self, equations: &[Equation]) -> Result<(Vec<Val>, Type), Problem> {
        let mut vals: Vec<(Val, Span)> = Vec::new();
        for closed in equations.iter().filter_map(|equation| equation.closed.as_ref()) {
            let (Value::Scalar(val) | Value::Array(val)) = closed.body.value else {
                let found = arith::kind(&self.builder, &closed.body.value);
                return Err(Problem::WrongKind { at: closed.body.at, wanted: "a number", found });
            };
            if let Value::Array(_) = closed.body.value {
                self.check_complete(val, closed.body.at)?;
            }
            if let Some(&(first, at)) = vals.first() {
                super::arrays::check_shapes(&self.builder, [first, val], [at, closed.body.at])?;
            }
            vals.push((val, closed.body.at));
        }
        let ty = self.builder.func().ty(vals[0].0);
        if vals.iter().all(|&(val, _)| self.builder.func().ty(val) == ty) {
            return Ok((vals.into_iter().map(|(val, _)| val).collect(), ty));
        }
        let numbers = vals.into_iter().map(|(val, at)| self.numbers(val, at)).collect::<Result<_, _>>()?;
        Ok((numbers, Type::F64))
    }

    /// The loops of a clause in the order of its left side, unless a bound needs another.
    fn in_order(&self, set: &Set) -> Box<[Loop]> {
        let indices: Vec<Val> = set.loops.iter().map(|turns| turns.index).collect();
        let depends = |val: Val| self.builder.func().depends(val, &indices);
        let mut loops = set.loops.clone();
        if !loops.iter().any(|turns| depends(turns.low) || depends(turns.high)) {
            loops.sort_by_key(|turns| set.places.iter().position(|&place| place == turns.index));
        }
        loops.into()
    }

    /// Whether none of the clauses before one fits the element at these subscripts.
    pub(super) fn unclaimed(&mut self, plan: &Plan, number: usize, subscripts: &[Val]) -> Val {
        let mut guard = self.builder.bool(true);
        let first = fixed_place(self.builder.func(), &plan.sets[number]);
        for other in candidates(&plan.by_place, first, number) {
            let Some(fits) = self.fits(&plan.sets[other], subscripts) else { continue };
            let free = self.builder.not(fits);
            guard = self.builder.binary(Op::And, guard, free);
        }
        guard
    }

    /// Whether an equation defines the element at these subscripts; `None` where it certainly doesn't.
    pub(super) fn fits(&mut self, set: &Set, subscripts: &[Val]) -> Option<Val> {
        let mut fits = self.builder.bool(true);
        for condition in self.membership(set, subscripts)? {
            fits = self.builder.binary(Op::And, fits, condition);
        }
        Some(fits)
    }

    /// Whether some equation defines the element at these subscripts.
    pub(super) fn is_defined(&mut self, sets: &[Set], by_place: &ByPlace, subscripts: &[Val]) -> Val {
        let mut defined = self.builder.bool(false);
        let first = self.builder.func().int(subscripts[0]);
        for number in candidates(by_place, first, sets.len()) {
            if let Some(fits) = self.fits(&sets[number], subscripts) {
                defined = self.builder.binary(Op::Or, defined, fits);
            }
        }
        defined
    }

    /// The conditions under which an equation defines the element at these subscripts, without those that certainly hold; `None` where one
    /// certainly doesn't.
    fn membership(&mut self, set: &Set, subscripts: &[Val]) -> Option<Vec<Val>> {
        let mut given: Vec<(Val, Val)> = Vec::new();
        let mut conditions = Vec::new();
        for (&place, &subscript) in set.places.iter().zip(subscripts) {
            let is_index = set.loops.iter().any(|turns| turns.index == place);
            let known = given.iter().find(|pair| pair.0 == place).map(|pair| pair.1);
            match known {
                None if is_index => given.push((place, subscript)),
                known => conditions.push(self.builder.binary(Op::IEq, subscript, known.unwrap_or(place))),
            }
        }
        for turns in &set.loops {
            let Some(&(_, subscript)) = given.iter().find(|pair| pair.0 == turns.index) else { continue };
            let bounds = self.builder.substitute_all(&[turns.low, turns.high], &given);
            conditions.push(self.builder.binary(Op::ILe, bounds[0], subscript));
            conditions.push(self.builder.binary(Op::ILt, subscript, bounds[1]));
        }
        let ranges = Ranges::new(self.builder.func(), &self.loops);
        let mut open = Vec::new();
        for condition in conditions {
            match ranges.decide(condition) {
                Some(true) => {}
                Some(false) => return None,
                None => open.push(condition),
            }
        }
        Some(open)
    }

    /// What is read of an array with holes is a row with holes, or an element that must be defined.
    pub(super) fn note_holes(&mut self, array: Val, places: &[Val], read: Val) {
        let Some(holes) = self.holes.get(&array).map(Rc::clone) else { return };
        let subscripts = [holes.row.as_slice(), places].concat();
        if subscripts.len() < holes.sets[0].places.len() {
            let row = Holes { row: subscripts, ..Holes::clone(&holes) };
            self.holes.insert(read, Rc::new(row));
            return;
        }
        let defined = self.is_defined(&holes.sets, &holes.by_place, &subscripts);
        if self.builder.func().inst(defined) != Inst::Bool(true) {
            self.hole_reads.push((read, defined));
        }
    }

    /// An array that stands as a whole must have no holes.
    pub(super) fn check_complete(&self, val: Val, at: Span) -> Result<(), Problem> {
        match self.holes.get(&val) {
            None => Ok(()),
            Some(holes) => Err(Problem::MissingElements { name: holes.name.clone(), at, defined: holes.at() }),
        }
    }
}

/// What clauses cover together.
struct Coverage {
    complete: bool,
    /// A clause all of whose elements belong to clauses before it. One that has no elements goes as far as the sizes let it.
    unused: Option<usize>,
}

/// The clauses by what they fix the first subscript to.
pub(super) fn by_place(func: &Func, sets: &[Set]) -> ByPlace {
    let mut by_place = ByPlace::new();
    for (number, set) in sets.iter().enumerate() {
        by_place.entry(fixed_place(func, set)).or_default().push(number);
    }
    by_place
}

/// The clauses before number `end` that may define elements with this first subscript.
fn candidates(by_place: &ByPlace, first: Option<i64>, end: usize) -> Vec<usize> {
    let mut numbers: Vec<usize> = match first {
        None => (0..end).collect(),
        first => [first, None].iter().filter_map(|first| by_place.get(first)).flatten().copied().collect(),
    };
    numbers.retain(|&number| number < end);
    numbers
}

fn fixed_place(func: &Func, set: &Set) -> Option<i64> {
    func.int(*set.places.first()?)
}

/// Whether an equation certainly defines no element.
fn is_empty(func: &Func, set: &Set) -> bool {
    let mut is_empty = true;
    each_place(func, set, &mut COUNTED.clone(), &mut |_| is_empty = false).is_some() && is_empty
}

/// Marks the elements that each equation defines, if they can be counted. A single box that is the whole array needs no counting.
fn coverage(func: &Func, sets: &[Set], extents: &[usize]) -> Coverage {
    let is_whole = |set: &Set| {
        let spans = |(&place, &extent): (&Val, &usize)| {
            let turns = set.loops.iter().find(|turns| turns.index == place);
            turns.is_some_and(|turns| {
                func.inst(turns.low) == Inst::Int(0) && func.inst(turns.high) == Inst::Int(extent as i64)
            })
        };
        let distinct = set.loops.len() == set.places.len();
        distinct && set.places.iter().zip(extents).all(spans)
    };
    let whole = sets.iter().any(is_whole);
    let unknown = Coverage { complete: whole, unused: None };
    if whole && sets.len() == 1 {
        return unknown;
    }
    let count = extents.iter().try_fold(1usize, |count, &extent| count.checked_mul(extent));
    let Some(count) = count.filter(|&count| count <= COUNTED) else { return unknown };
    let mut seen = vec![false; count];
    let mut left = 4 * COUNTED;
    let mut unused = None;
    for (number, set) in sets.iter().enumerate() {
        let (mut is_used, mut is_empty) = (false, true);
        let counted = each_place(func, set, &mut left, &mut |place| {
            is_empty = false;
            let mut element = 0;
            for (&subscript, &extent) in place.iter().zip(extents) {
                element = element * extent + usize::try_from(subscript).unwrap_or(0);
            }
            if let Some(seen) = seen.get_mut(element) {
                is_used |= !*seen;
                *seen = true;
            }
        });
        if counted.is_none() {
            return unknown;
        }
        if !is_used && !is_empty {
            unused = unused.or(Some(number));
        }
    }
    Coverage { complete: seen.iter().all(|&seen| seen), unused }
}

/// Calls `visit` with the subscripts of every element that an equation defines; `None` if a bound isn't known, or if there are more
/// than are `left`.
fn each_place(func: &Func, set: &Set, left: &mut usize, visit: &mut impl FnMut(&[i64])) -> Option<()> {
    let bounds: Vec<(Affine, Affine)> =
        set.loops.iter().map(|turns| (Affine::of(func, turns.low), Affine::of(func, turns.high))).collect();
    let places: Vec<Affine> = set.places.iter().map(|&place| Affine::of(func, place)).collect();
    let at = |sum: &Affine, indices: &[i64]| {
        sum.at(|val| {
            let place = set.loops.iter().position(|turns| turns.index == val)?;
            indices.get(place).copied()
        })
    };
    let mut indices: Vec<i64> = Vec::new();
    loop {
        *left = left.checked_sub(1)?;
        // Down to the innermost loop, then the next turn of the innermost that has one.
        let entered = indices.len();
        if entered < bounds.len() {
            indices.push(at(&bounds[entered].0, &indices)?);
        } else {
            let subscripts: Option<Vec<i64>> = places.iter().map(|place| at(place, &indices)).collect();
            visit(&subscripts?);
            match indices.last_mut() {
                Some(last) => *last += 1,
                None => return Some(()),
            }
        }
        while let Some((&last, before)) = indices.split_last() {
            if last < at(&bounds[before.len()].1, before)? {
                break;
            }
            indices.pop();
            match indices.last_mut() {
                Some(last) => *last += 1,
                None => return Some(()),
            }
        }
    }
}
