//! Arrays by the updates that make them.
//!
//! ```text
//! store 0 [%i] %3        the element at k is %3 with i = k
//! add 0 [%k] %3          it grows by the sum of %3 over the loops that k doesn't tell
//! ```
//!
//! The subscripts of an update are solved for the indices of its loops, those first in which a single one stands; what isn't solved is a condition.
//! The ends of what updates reach divide a dimension into parts, a clause each.

use super::super::arrays::Clause;
use super::super::dag::{Dag, Id, Node, Reducer};
use super::super::number::ONE;
use super::super::reader::Reader;
use super::{number_of, region_of};
use crate::ir::{Inst, Region, Update, UpdateKind, Val};

/// Into so many parts the updates may divide an array.
const PARTS: usize = 16;

impl Reader<'_> {
    /// A value that is read here for each of its elements once: an array that has no name yet needs none.
    fn once(&mut self, val: Val, places: &[Id]) -> Id {
        if !self.func.is_array(val) {
            return self.compute(val);
        }
        let is_named = self.decided.get(&self.key(val)).is_some_and(Option::is_some);
        if let Some((loop_val, region)) = region_of(self.func, val).filter(|_| !is_named)
            && let Some(cell) = number_of(self.func, val).checked_sub(region.first_cell())
            && region.cells[cell].bound.is_none()
            && !self.is_endless(region)
        {
            return self.cell(loop_val, region, cell, places);
        }
        self.element(val, places.to_vec())
    }

    pub(super) fn element_or_number(&mut self, val: Val, places: &[Id]) -> Id {
        if self.func.is_array(val) { self.element(val, places.to_vec()) } else { self.compute(val) }
    }

    /// The clauses of a cell that has no name yet. `None` where there is no such cell.
    pub(super) fn parts(&mut self, array: Val) -> Option<Vec<Clause>> {
        if !matches!(self.func.inst(array), Inst::Result(..)) {
            return None;
        }
        let (loop_val, region) = region_of(self.func, array)?;
        let cell = number_of(self.func, array).checked_sub(region.first_cell())?;
        let base = self.next_number(&[array]);
        Some(self.cell_clauses(loop_val, region, cell, base))
    }

    /// A clause for each part of the array that updates divide it into.
    pub(super) fn cell_clauses(&mut self, loop_val: Val, region: &Region, cell: usize, base: u32) -> Vec<Clause> {
        let shape = &region.cells[cell].shape;
        let around = self.around(loop_val);
        let dims = self.divisions(region, cell, base, &around);
        let told: Vec<Option<Val>> = (0..shape.len()).map(|dim| self.told(region, cell, dim)).collect();
        let mut parts: Vec<Vec<Id>> = vec![Vec::new()];
        for (((dim, number), &extent), &told) in dims.iter().zip(base..).zip(shape).zip(&told) {
            let whole = [0, extent as i64];
            let dim = if parts.len() * (dim.len() - 1) > PARTS { &whole[..] } else { dim };
            let mut longer = Vec::new();
            for part in &parts {
                for ends in dim.windows(2) {
                    let place = match ends[1] - ends[0] {
                        1 => self.dag.whole(ends[0]),
                        _ => {
                            let (low, high) = (self.dag.whole(ends[0]), self.dag.whole(ends[1]));
                            let avoid: Vec<Id> = around.iter().chain(part).copied().collect();
                            self.index_of(told, number, low, high, &avoid)
                        }
                    };
                    longer.push(part.iter().copied().chain([place]).collect());
                }
            }
            parts = longer;
        }
        let clause =
            |places: Vec<Id>| Clause { value: self.cell(loop_val, region, cell, &places), places: places.into() };
        let clauses: Vec<Clause> = parts.into_iter().map(clause).collect();
        // Parts that turn out the same are one: that of the whole array, if its value is a constant.
        match &clauses[..] {
            [first, rest @ ..]
                if !rest.is_empty()
                    && self.dag.as_number(first.value).is_some()
                    && rest.iter().all(|clause| clause.value == first.value) =>
            {
                let value = first.value;
                let places =
                    (base..).zip(shape).map(|(number, &extent)| self.index(number, 0, extent as i64)).collect();
                vec![Clause { places, value }]
            }
            _ => clauses,
        }
    }

    /// The ends of the parts of each dimension.
    fn divisions(&mut self, region: &Region, cell: usize, base: u32, avoid: &[Id]) -> Vec<Vec<i64>> {
        let shape = &region.cells[cell].shape;
        let mut ends: Vec<Vec<i64>> = shape.iter().map(|&extent| vec![0, extent as i64]).collect();
        let (names, _) = self.provisional(region, base + shape.len() as u32, avoid);
        for update in &region.cells[cell].updates {
            for (place, &subscript) in update.subscripts.iter().enumerate() {
                let at = self.with(&names, |reader| {
                    // What depends on values divides nothing.
                    let carries =
                        region.binds().skip(region.loops.len()).any(|name| reader.func.depends(subscript, &[name]));
                    if carries { None } else { Some(reader.compute(subscript)) }
                });
                let Some(at) = at else { continue };
                let loops_in_it =
                    self.dag.facts(at).free.iter().filter(|index| names.iter().any(|(_, name)| name == *index)).count();
                if loops_in_it > 1 || self.dag.facts(at).length > 4 {
                    continue;
                }
                if let (Some(low), Some(high)) = self.dag.bounds(at) {
                    ends[place].extend([low, high + 1].into_iter().filter(|&end| end > 0 && end < shape[place] as i64));
                }
            }
        }
        for (dim, &extent) in ends.iter_mut().zip(shape) {
            dim.sort_unstable();
            dim.dedup();
            if extent == 0 {
                *dim = vec![0, 0];
            }
        }
        ends
    }

    /// An index for each loop of a region.
    fn provisional(&mut self, region: &Region, base: u32, avoid: &[Id]) -> (Vec<(Val, Id)>, Vec<Id>) {
        let mut names: Vec<(Val, Id)> = Vec::new();
        for (each, number) in region.loops.iter().zip(base..) {
            let (low, high) = self.with(&names.clone(), |reader| (reader.compute(each.low), reader.compute(each.high)));
            let avoid: Vec<Id> = avoid.iter().copied().chain(names.iter().map(|&(_, index)| index)).collect();
            let index = self.index_of(Some(each.index), number, low, high, &avoid);
            names.push((each.index, index));
        }
        let indices = names.iter().map(|&(_, index)| index).collect();
        (names, indices)
    }

    /// The element of a cell: what it is before, what is stored, what is added.
    pub(super) fn cell(&mut self, loop_val: Val, region: &Region, cell: usize, places: &[Id]) -> Id {
        let cell = &region.cells[cell];
        let mut value = match cell.init {
            Some(init) => self.once(init, places),
            None => self.nothing(cell.ty),
        };
        for update in &cell.updates {
            let Some(made) = self.made(loop_val, region, update, places) else { continue };
            let added = match update.kind {
                UpdateKind::Store if made.binders.is_empty() => {
                    let always = *self.dag.node(made.condition) == Node::Bool(true);
                    value = if always { made.value } else { self.dag.choose(made.condition, made.value, value) };
                    continue;
                }
                // It is stored once, so the sum has one term.
                UpdateKind::Store if value == Dag::ZERO => {
                    self.reduced(Reducer::Sum, made.binders, None, made.condition, made.value)
                }
                UpdateKind::Store => {
                    return self.give_up(loop_val, "an array that is filled in an order that values decide");
                }
                UpdateKind::Add => self.reduced(Reducer::Sum, made.binders, made.turns, made.condition, made.value),
            };
            value = self.dag.plus(value, added);
        }
        value
    }

    /// What an update makes of the element at these places; nothing if it never comes there.
    fn made(&mut self, loop_val: Val, region: &Region, update: &Update, places: &[Id]) -> Option<Made> {
        let names: Vec<Val> = self.func.free(loop_val).to_vec();
        let around = names.iter().filter_map(|name| self.env.get(name)).copied().collect::<Vec<_>>();
        let base = self.above(around.iter().copied().chain(places.iter().copied()));
        let avoid = self.free(around.into_iter().chain(places.iter().copied()));
        let (mut names, provisional) = self.provisional(region, base, &avoid);
        let own = update.subscripts.len();
        // (loop, dimension), in the order in which they were solved.
        let mut solved: Vec<(usize, usize)> = Vec::new();
        let mut open: Vec<usize> = (0..own).collect();
        while let Some((turn, dim, value)) = self.solvable(region, update, places, &names, &provisional, &solved, &open)
        {
            names[turn].1 = value;
            solved.push((turn, dim));
            open.retain(|&other| other != dim);
        }
        // What was solved while others were open is solved again.
        for &(turn, dim) in solved.iter().rev() {
            let mut others = names.clone();
            others[turn].1 = provisional[turn];
            let others = self.in_turn(loop_val, region, &others);
            let at = self.with(&others, |reader| reader.compute(update.subscripts[dim]));
            if let Some(value) = self.solve(at, provisional[turn], places[dim]) {
                names[turn].1 = value;
            }
        }
        let mut binders = Vec::new();
        let mut turns = Some(1_i64);
        for (turn, each) in region.loops.iter().enumerate() {
            if solved.iter().any(|&(other, _)| other == turn) {
                continue;
            }
            let (low, high) = self.with(&names.clone(), |reader| (reader.compute(each.low), reader.compute(each.high)));
            let length = self.minus(high, low);
            let length = self.dag.as_whole(length);
            turns = turns.zip(length).map(|(turns, length)| turns * length.max(0));
            if length == Some(1) {
                names[turn].1 = low;
            } else {
                let number = self.number(provisional[turn]);
                let index = self.dag.intern(Node::Index(number, low, high));
                if let Some(name) = self.name_of(each.index) {
                    self.arrays.hints.entry(index).or_insert(name);
                }
                if index != provisional[turn]
                    && solved.iter().any(|&(other, _)| self.dag.facts(names[other].1).free.contains(&provisional[turn]))
                {
                    self.give_up(loop_val, "loops whose bounds and subscripts depend on each other");
                }
                names[turn].1 = index;
                binders.push(index);
            }
        }
        let all = self.in_turn(loop_val, region, &names);
        let (condition, value) = self.with(&all, |reader| {
            let mut condition = reader.dag.intern(Node::Bool(true));
            for &(turn, _) in &solved {
                let (low, high) = (reader.compute(region.loops[turn].low), reader.compute(region.loops[turn].high));
                let index = names[turn].1;
                let above = reader.at_most(low, index);
                condition = reader.dag.and(condition, above);
                let below = reader.less(index, high);
                condition = reader.dag.and(condition, below);
            }
            for &dim in &open {
                let at = reader.compute(update.subscripts[dim]);
                let equal = reader.equal(at, places[dim]);
                condition = reader.dag.and(condition, equal);
            }
            let guard = reader.compute(update.guard);
            condition = reader.dag.and(condition, guard);
            if *reader.dag.node(condition) == Node::Bool(false) {
                return (condition, Dag::ZERO);
            }
            let mut value = reader.once(update.value, &places[own..]);
            if let Some(factor) = update.factor {
                let factor = reader.compute(factor);
                value = reader.dag.times(value, factor);
            }
            let value = reader.under(condition, value);
            (condition, value)
        });
        let never = *self.dag.node(condition) == Node::Bool(false) || turns == Some(0);
        (!never).then_some(Made { binders, turns, condition, value })
    }

    /// Names of a turn: the indices, and what is handed on.
    fn in_turn(&mut self, loop_val: Val, region: &Region, names: &[(Val, Id)]) -> Vec<(Val, Id)> {
        let mut all = names.to_vec();
        let index = names.first().map(|&(_, index)| index);
        all.extend(self.turn(loop_val, region, index));
        all
    }

    /// A loop that a dimension tells: with its index. A dimension that tells a single loop comes before one that has several.
    #[expect(clippy::too_many_arguments)]
    fn solvable(
        &mut self,
        region: &Region,
        update: &Update,
        places: &[Id],
        names: &[(Val, Id)],
        provisional: &[Id],
        solved: &[(usize, usize)],
        open: &[usize],
    ) -> Option<(usize, usize, Id)> {
        let is_solved = |turn: usize| solved.iter().any(|&(other, _)| other == turn);
        let mut second = None;
        for &dim in open {
            let subscript = update.subscripts[dim];
            let carried: Vec<Val> = region.binds().skip(region.loops.len()).collect();
            if self.func.depends(subscript, &carried) {
                continue;
            }
            let at = self.with(names, |reader| reader.compute(subscript));
            let free = self.dag.facts(at).free.clone();
            let turns: Vec<usize> =
                (0..provisional.len()).filter(|&turn| !is_solved(turn) && free.contains(&provisional[turn])).collect();
            for &turn in &turns {
                if let Some(value) = self.solve(at, provisional[turn], places[dim]) {
                    if turns.len() == 1 {
                        return Some((turn, dim, value));
                    }
                    second = second.or(Some((turn, dim, value)));
                }
            }
        }
        second
    }

    /// The index for which `at` is `place`, if it stands in it once, with the factor 1 or -1.
    fn solve(&mut self, at: Id, index: Id, place: Id) -> Option<Id> {
        let terms = match self.dag.node(at) {
            Node::Sum(terms) => terms.to_vec(),
            _ => vec![self.dag.split(at)],
        };
        let own = terms.iter().position(|&(_, of)| of == index)?;
        let (sign, _) = terms[own];
        if sign.abs() != ONE {
            return None;
        }
        let others = terms.iter().enumerate().filter(|&(term, _)| term != own).map(|(_, &term)| term);
        let mut moved = vec![(sign, place)];
        for (factor, of) in others {
            if self.dag.facts(of).free.contains(&index) {
                return None;
            }
            moved.push((factor.mul(sign)?.neg(), of));
        }
        Some(self.dag.sum(moved))
    }
}

/// What an update makes of an element.
struct Made {
    /// The loops that the place doesn't tell.
    binders: Vec<Id>,
    /// How many turns these make.
    turns: Option<i64>,
    condition: Id,
    value: Id,
}
