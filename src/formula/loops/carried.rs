//! What loops hand from turn to turn: recurrences, by the clauses of their arrays, and loops that end when values say so.
//!
//! Of a state the array by turns is `s[0] = first; s[t] = next(s[t-1])`; backwards it begins at the end. A cell that the body reads is an array with the
//! clauses of its updates. The text computes arrays that refer to each other upwards, unless it is seen that they look ahead: so what goes
//! backwards must show its order. A loop whose length values decide has no array of its turns, only what it ends with.

use std::ops::Range;
use std::rc::Rc;

use hashbrown::HashSet;

use super::super::arrays::{Clause, Def, State};
use super::super::dag::{Dag, Id, Node};
use super::super::reader::{Key, Reader};
use super::{Carried, region_of};
use crate::ir::{Direction, Inst, Region, Val};

impl Reader<'_> {
    pub(super) fn last_state(&mut self, loop_val: Val, region: &Region, number: usize) -> Id {
        let carried = self.carried(loop_val, region);
        let Some(&state) = carried.states.get(number) else { return Dag::ZERO };
        if carried.endless {
            return state;
        }
        let place = match region.loops[0].direction {
            Direction::Up => {
                let (low, high) = (self.compute(region.loops[0].low), self.compute(region.loops[0].high));
                let turns = self.minus(high, low);
                let least = self.dag.as_whole(turns).unwrap_or(0).max(0);
                self.dag.whole(least)
            }
            Direction::Down => Dag::ZERO,
        };
        self.at(state, vec![place])
    }

    /// What a region hands from turn to turn, by name.
    pub(super) fn carried(&mut self, loop_val: Val, region: &Region) -> Rc<Carried> {
        let key: Key = self.key(loop_val);
        if let Some(carried) = self.carried.get(&key) {
            return carried.clone();
        }
        let carried = Rc::new(match self.is_endless(region) {
            true => self.endless(loop_val, region),
            false => self.recurrence(loop_val, region),
        });
        self.carried.insert(key, carried.clone());
        carried
    }

    /// The indices that a region depends on.
    pub(super) fn around(&self, loop_val: Val) -> Box<[Id]> {
        let names = self.func.free(loop_val).iter().filter_map(|name| self.env.get(name));
        self.in_order(names.flat_map(|&id| self.dag.facts(id).free.iter().copied()).collect())
    }

    /// Whether values decide how many turns there are of something that is handed on, so that no array has room for them all.
    pub(super) fn is_endless(&mut self, region: &Region) -> bool {
        if region.going.is_some() || region.states.is_empty() {
            return region.going.is_some();
        }
        let (low, high) = (self.compute(region.loops[0].low), self.compute(region.loops[0].high));
        let length = self.minus(high, low);
        self.dag.as_whole(length).is_none()
    }

    /// Of each array that is handed from turn to turn, the dimensions that the loops count.
    fn counted(&self, region: &Region) -> Vec<Vec<Option<usize>>> {
        let func = self.func;
        let body = func.body(region);
        let counts = |cell: usize, bound: Val, index: Val| {
            let is_read = |dim: usize| {
                body.iter().any(|&val| match func.inst(val) {
                    Inst::Read(list) => {
                        let list = func.list(list);
                        list[0] == bound && list.get(1 + dim) == Some(&index)
                    }
                    _ => false,
                })
            };
            let dims = 0..region.cells[cell].shape.len();
            dims.into_iter().find(|&dim| self.told(region, cell, dim) == Some(index) || is_read(dim))
        };
        let mut counted: Vec<Vec<Option<usize>>> = vec![vec![Some(0)]; region.states.len()];
        for (cell, bound) in region.cells.iter().enumerate().filter_map(|(cell, each)| Some((cell, each.bound?))) {
            counted.push(region.loops.iter().map(|each| counts(cell, bound, each.index)).collect());
        }
        counted
    }

    /// Arrays that are made turn by turn. Backwards is the order of the text only where its references look ahead.
    fn recurrence(&mut self, loop_val: Val, region: &Region) -> Carried {
        let func = self.func;
        let around = self.around(loop_val);
        let base = self.above(around.iter().copied());
        let mut turns = 0;
        if !region.states.is_empty() {
            let (low, high) = (self.compute(region.loops[0].low), self.compute(region.loops[0].high));
            let length = self.minus(high, low);
            turns = self.dag.as_whole(length).unwrap_or(0).max(0);
        }
        let states = region.states.iter().map(|state| {
            let inner = func.shape(state.bound).iter().copied();
            [turns as usize + 1].into_iter().chain(inner).collect::<Box<[usize]>>()
        });
        let bound: Vec<usize> = (0..region.cells.len()).filter(|&cell| region.cells[cell].bound.is_some()).collect();
        let cells = bound.iter().map(|&cell| region.cells[cell].shape.clone());
        let shapes: Vec<Box<[usize]>> = states.chain(cells).collect();
        let count = shapes.len();
        let first = self.arrays.reserve(&around, shapes);
        let named = |reader: &mut Self, number: u32| {
            let name = reader.dag.intern(Node::Defined(number));
            reader.at(name, around.to_vec())
        };
        let mut carried = Carried {
            states: (0..region.states.len() as u32).map(|place| named(self, first + place)).collect(),
            cells: vec![None; region.cells.len()],
            endless: false,
        };
        for (place, &cell) in bound.iter().enumerate() {
            carried.cells[cell] = Some(named(self, first + (region.states.len() + place) as u32));
        }
        // The body is read with the names that it is about to define.
        let key = self.key(loop_val);
        self.carried.insert(key, Rc::new(Carried { endless: false, ..carried.copy() }));
        let mut clauses: Vec<Vec<Clause>> = Vec::with_capacity(count);
        for state in &region.states {
            clauses.push(self.state_clauses(loop_val, region, state, base, turns));
        }
        for &cell in &bound {
            let own = self.cell_clauses(loop_val, region, cell, base);
            clauses.push(own);
        }
        let is_local = |clause: &Clause| self.dag.facts(clause.value).is_local;
        if clauses.iter().flatten().any(is_local) {
            self.give_up(loop_val, "a recurrence in the turns of a loop whose length values decide");
        }
        let backwards = region.loops.iter().any(|each| each.direction == Direction::Down);
        if backwards && !self.shows_order(region, &clauses, first) {
            self.give_up(loop_val, "a recurrence backwards whose order can't be seen");
        }
        let found = self.arrays.fill(self.dag, first, clauses);
        if found != first {
            for place in 0..count as u32 {
                let other = named(self, found + place);
                match carried.states.get_mut(place as usize) {
                    Some(state) => *state = other,
                    None => carried.cells[bound[place as usize - region.states.len()]] = Some(other),
                }
            }
        }
        carried
    }

    /// Whether every element that these arrays read of each other is seen to be made earlier: all of them further ahead in one dimension, or
    /// each in an earlier turn.
    fn shows_order(&mut self, region: &Region, clauses: &[Vec<Clause>], first: u32) -> bool {
        let counted = self.counted(region);
        let ranks = clauses.iter().flatten().map(|clause| clause.places.len());
        let mut ahead: Vec<usize> = (0..ranks.min().unwrap_or(0)).collect();
        let mut in_turns = true;
        for (own, clause) in
            clauses.iter().enumerate().flat_map(|(own, all)| all.iter().map(move |clause| (own, clause)))
        {
            for (other, places) in self.reads(clause.value, first..first + clauses.len() as u32) {
                let mut is_less = |a: Id, b: Id| self.dag.is_less(a, b) == Some(true);
                ahead.retain(|&dim| places.get(dim).is_some_and(|&place| is_less(clause.places[dim], place)));
                let dims = counted[own].iter().zip(&counted[other]).zip(&region.loops);
                let is_earlier = dims.into_iter().find_map(|((own, other), each)| {
                    let (own, other) = (*clause.places.get((*own)?)?, *places.get((*other)?)?);
                    let (before, after) = if each.direction == Direction::Up { (other, own) } else { (own, other) };
                    (own != other).then(|| is_less(before, after))
                });
                in_turns &= is_earlier == Some(true);
            }
        }
        in_turns || !ahead.is_empty()
    }

    /// The elements of these arrays that an expression reads, by itself or through other arrays: of which, and their places.
    fn reads(&self, value: Id, arrays: Range<u32>) -> Vec<(usize, Vec<Id>)> {
        let (mut seen, mut stack, mut reads) = (HashSet::new(), vec![value], Vec::new());
        while let Some(id) = stack.pop() {
            if !seen.insert(id) {
                continue;
            }
            if let Node::Element(list) = self.dag.node(id)
                && let Node::Defined(number) = *self.dag.node(list[0])
            {
                match &self.arrays.defs[number as usize] {
                    Def::Array { around, .. } if arrays.contains(&number) => {
                        reads.push(((number - arrays.start) as usize, list[1 + around.len()..].to_vec()));
                    }
                    def => stack.extend(def.values()),
                }
            }
            self.dag.node(id).for_each_operand(|operand| stack.push(operand));
        }
        reads
    }

    /// `s[0] = first; s[t] = next(s[t-1]) for t in 1..=n`; of a loop that goes down from the end.
    fn state_clauses(
        &mut self,
        loop_val: Val,
        region: &Region,
        state: &crate::ir::State,
        base: u32,
        turns: i64,
    ) -> Vec<Clause> {
        let only = &region.loops[0];
        let inner: Vec<Id> = self
            .func
            .shape(state.bound)
            .to_vec()
            .into_iter()
            .zip(base + 1..)
            .map(|(extent, number)| self.index(number, 0, extent as i64))
            .collect();
        let low = self.compute(only.low);
        let up = only.direction == Direction::Up;
        let start = self.dag.whole(if up { 0 } else { turns });
        let first = Clause {
            places: [start].into_iter().chain(inner.iter().copied()).collect(),
            value: self.element_or_number(state.init, &inner),
        };
        if turns == 0 {
            return vec![first];
        }
        let (first_turn, end) = if up { (1, turns + 1) } else { (0, turns) };
        let (first_turn, end) = (self.dag.whole(first_turn), self.dag.whole(end));
        let avoid = self.around(loop_val);
        let turn = self.index_of(Some(only.index), base, first_turn, end, &avoid);
        let mut index = self.dag.plus(low, turn);
        if up {
            index = self.minus(index, Dag::ONE);
        }
        let mut names = vec![(only.index, index)];
        names.extend(self.turn(loop_val, region, Some(index)));
        let value = self.with(&names, |reader| reader.element_or_number(state.next, &inner));
        vec![first, Clause { places: [turn].into_iter().chain(inner).collect(), value }]
    }

    /// A loop that ends when its condition or its length, which values decide, says so: only what it ends with has a name.
    fn endless(&mut self, loop_val: Val, region: &Region) -> Carried {
        let func = self.func;
        let around = self.around(loop_val);
        let base = self.above(around.iter().copied());
        if region.cells.iter().any(|cell| cell.bound.is_some()) {
            self.give_up(loop_val, "arrays made in the turns of a loop whose length values decide");
        }
        let only = &region.loops[0];
        let (low, high) = (self.compute(only.low), self.compute(only.high));
        let counter = self.index_of(Some(only.index), base, low, high, &around);
        let locals: Vec<Id> = region.states.iter().map(|_| self.arrays.local(self.dag)).collect();
        let mut names = vec![(only.index, counter)];
        names.extend(region.states.iter().zip(&locals).map(|(state, &local)| (state.bound, local)));
        let mut states = Vec::with_capacity(locals.len());
        for (state, &local) in region.states.iter().zip(&locals) {
            let first = self.array_or_number(state.init, base + 1);
            let next = self.with(&names, |reader| reader.array_or_number(state.next, base + 1));
            states.push(State { local, first, next, hint: self.name_of(state.bound) });
        }
        let always = self.dag.intern(Node::Bool(true));
        let going = region.going.map_or(always, |going| self.with(&names, |reader| reader.compute(going)));
        // The limit of a `while` is checked, in the primal at least.
        let is_limit = |check: &crate::ir::Check| {
            let region = region_of(func, check.site).map(|(_, region)| region);
            let region = match func.inst(check.site) {
                Inst::Region(region) => Some(func.region(region)),
                _ => region,
            };
            region.is_some_and(|other| other.going.is_some() && other.loops[0].high == only.high)
        };
        let limited = going == always || !func.checks.iter().any(is_limit);
        let used =
            states.iter().map(|state| state.next).chain([going]).any(|id| self.dag.facts(id).free.contains(&counter));
        let counter = (limited || used).then_some(counter);
        let number = self.arrays.defs.len() as u32;
        let last =
            (0..states.len() as u32).map(|state| self.dag.intern(Node::Last(number, state, around.clone()))).collect();
        self.arrays.defs.push(Def::Loop { around, states, going, counter });
        Carried { states: last, cells: vec![None; region.cells.len()], endless: true }
    }

    /// A number, or an array by its elements.
    fn array_or_number(&mut self, val: Val, base: u32) -> Id {
        if !self.func.is_array(val) {
            return self.compute(val);
        }
        if let Some(name) = self.decide(val) {
            return name;
        }
        let places: Vec<Id> = self
            .func
            .shape(val)
            .to_vec()
            .into_iter()
            .zip(base..)
            .map(|(extent, number)| self.index(number, 0, extent as i64))
            .collect();
        let body = self.element(val, places.clone());
        self.dag.intern(Node::Map(places.into(), body))
    }
}
