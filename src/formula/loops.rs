//! Loops as mathematics: every region by its results.
//!
//! ```text
//! reduce add %2 if %1        sum[i in 0..n if c](e)
//! store 0 [%i] %3            y[i] = e
//! add 0 [%k] %3              y[k] = y[k] + sum[i](e)     the loops that k doesn't tell are summed over
//! cell that the body reads   h[t] = … h[t-1] …           the clauses of a recurrence
//! state                      s[0] = first; s[t] = … s[t-1] …
//! state of a `while`         (s, v) = iterate (s, v) from … while … do …
//! ```
//!
//! An array is read by its **element** at given subscripts: the update that makes it is found by solving its subscripts for the
//! indices of the loops, and its value is read with these indices. So small arrays disappear into what reads them; others get a name and
//! **clauses**, one for each part of a dimension that updates divide it into. What intervals of the indices prove is not written.

use std::ops::Range;
use std::rc::Rc;

use hashbrown::{HashMap, HashSet};

use super::Unsayable;
use super::arrays::{Clause, Def, State};
use super::dag::{Dag, Id, Node, Reducer, Relation};
use super::number::{MINUS_ONE, Number, ONE};
use super::reader::{Key, Reader};
use crate::ir::{Direction, Func, Inst, Region, Update, UpdateKind, Val};
use crate::ops::Op;

/// The longest element, in tokens, that is written where it is read.
const INLINE: usize = 12;

/// From here on the numbers of indices are those of names.
const NAMED: u32 = 1 << 16;

/// Into so many parts the updates may divide an array.
const PARTS: usize = 16;

/// What a region hands from turn to turn.
pub struct Carried {
    /// The arrays of the states by turns, or the last values of a loop.
    states: Vec<Id>,
    /// The arrays that the body reads.
    cells: Vec<Option<Id>>,
    /// The number of the loop with `while`.
    endless: bool,
}

impl Reader<'_> {
    /// Notes what can't be said; of a loop with the place where the text binds its index or its states.
    pub(super) fn give_up(&mut self, val: Val, what: &str) -> Id {
        let region = region_of(self.func, val).map(|(_, region)| region).or(match self.func.inst(val) {
            Inst::Region(region) => Some(self.func.region(region)),
            _ => None,
        });
        let mut binds = region.into_iter().flat_map(Region::binds);
        let at = self.func.span(binds.find(|&bind| self.name_of(bind).is_some()).unwrap_or(val));
        self.problem.get_or_insert_with(|| Unsayable { what: what.to_owned(), at });
        Dag::ZERO
    }

    /// A result of a region that is a number.
    pub(super) fn result(&mut self, val: Val) -> Id {
        let (func, number) = (self.func, number_of(self.func, val));
        let Some((loop_val, region)) = region_of(func, val) else { return Dag::ZERO };
        if number < region.first_cell() {
            return self.last_state(loop_val, region, number);
        }
        if number < region.first_reduction() {
            return self.element(val, Vec::new());
        }
        if number < region.turns() {
            return self.reduce(loop_val, region, number - region.first_reduction());
        }
        if region.going.is_some() {
            return self.give_up(val, "the number of turns that a `while` makes");
        }
        let (low, high) = (self.compute(region.loops[0].low), self.compute(region.loops[0].high));
        let turns = self.minus(high, low);
        if self.dag.is_less(turns, Dag::ZERO) == Some(false) {
            turns
        } else {
            self.dag.call(Op::Max, vec![turns, Dag::ZERO])
        }
    }

    /// What an array is called; it gets a name if it has none.
    pub(super) fn whole(&mut self, array: Val) -> Id {
        if let Some(name) = self.decide(array) {
            return name;
        }
        let base = self.next_number(&[array]);
        let shape: Box<[usize]> = self.func.shape(array).into();
        let places: Box<[Id]> =
            (base..).zip(&shape).map(|(number, &extent)| self.index(number, 0, extent as i64)).collect();
        let clauses = match self.parts(array) {
            Some(clauses) => clauses,
            None => vec![Clause { value: self.element(array, places.to_vec()), places }],
        };
        self.define(shape, clauses)
    }

    /// The name of an array that has one. Small ones have none, and are read by their elements.
    pub(super) fn decide(&mut self, array: Val) -> Option<Id> {
        match self.func.inst(array) {
            Inst::Param(index) => return Some(self.dag.intern(Node::Argument(index))),
            Inst::Bound(_) => return self.env.get(&array).copied(),
            Inst::Result(..) => {}
            _ => return None,
        }
        let key = self.key(array);
        if let Some(name) = self.decided.get(&key) {
            return *name;
        }
        let (loop_val, region) = region_of(self.func, array)?;
        let number = number_of(self.func, array);
        let cell = number.checked_sub(region.first_cell());
        let name = match cell {
            None => Some(self.last_state(loop_val, region, number)),
            Some(cell) if region.cells[cell].bound.is_some() => {
                self.carried(loop_val, region).cells.get(cell).copied().flatten()
            }
            Some(_) if self.is_endless(region) => {
                Some(self.give_up(array, "an array made in the turns of a loop whose length values decide"))
            }
            Some(_) => self.parts(array).and_then(|clauses| match &clauses[..] {
                [Clause { value, .. }]
                    if self.dag.facts(*value).length <= INLINE && !self.dag.facts(*value).reduces =>
                {
                    None
                }
                [] => None,
                // A state is known in its loop only, as is the index of one whose length values decide.
                clauses if clauses.iter().any(|clause| self.dag.facts(clause.value).is_local) => None,
                clauses if !clauses.iter().all(|clause| self.dag.has_room(clause.value)) => None,
                _ => Some(self.define(self.func.shape(array).into(), clauses)),
            }),
        };
        self.decided.insert(key, name);
        name
    }

    /// An element of an array; with fewer subscripts than dimensions what a row is called.
    pub(super) fn element(&mut self, array: Val, subscripts: Vec<Id>) -> Id {
        if let Some(name) = self.decide(array) {
            return self.at(name, subscripts);
        }
        let func = self.func;
        match func.inst(array) {
            Inst::Read(list) => {
                let list = func.list(list);
                let mut all: Vec<Id> = list[1..].iter().map(|&subscript| self.compute(subscript)).collect();
                all.extend(subscripts);
                self.element(list[0], all)
            }
            Inst::Ternary(Op::Select, condition, a, b) => {
                let condition = self.compute(condition);
                match self.dag.node(condition) {
                    Node::Bool(true) => self.element(a, subscripts),
                    Node::Bool(false) => self.element(b, subscripts),
                    _ => {
                        let (a, b) = (self.element(a, subscripts.clone()), self.element(b, subscripts));
                        self.dag.choose(condition, a, b)
                    }
                }
            }
            Inst::Result(..) => {
                let Some((loop_val, region)) = region_of(func, array) else { return Dag::ZERO };
                self.cell(loop_val, region, number_of(func, array) - region.first_cell(), &subscripts)
            }
            _ => self.give_up(array, "an operation on whole arrays"),
        }
    }

    fn at(&mut self, name: Id, subscripts: Vec<Id>) -> Id {
        if subscripts.is_empty() {
            return name;
        }
        let mut list = match self.dag.node(name) {
            Node::Element(list) => list.to_vec(),
            _ => vec![name],
        };
        list.extend(subscripts);
        self.dag.intern(Node::Element(list.into()))
    }

    /// An array with these clauses, by its name and what it depends on.
    fn define(&mut self, shape: Box<[usize]>, clauses: Vec<Clause>) -> Id {
        let mut around: Vec<Id> = Vec::new();
        for clause in &clauses {
            let free = self.dag.facts(clause.value).free.iter();
            around.extend(free.filter(|index| !clause.places.contains(index)));
        }
        let around = self.in_order(around);
        let number = self.arrays.define(around.clone(), shape, clauses);
        let name = self.dag.intern(Node::Defined(number));
        self.at(name, around.into_vec())
    }

    /// Indices from the outermost on, each once.
    fn in_order(&self, mut indices: Vec<Id>) -> Box<[Id]> {
        indices.sort_by_key(|&index| (self.number(index), index));
        indices.dedup();
        indices.into()
    }

    fn number(&self, index: Id) -> u32 {
        match self.dag.node(index) {
            Node::Index(number, ..) => *number,
            _ => 0,
        }
    }

    fn index(&mut self, number: u32, low: i64, high: i64) -> Id {
        let (low, high) = (self.dag.whole(low), self.dag.whole(high));
        self.dag.intern(Node::Index(number, low, high))
    }

    /// An index over a range, by the name that the user has for it where it has one: so it is the same index wherever the user writes
    /// it. Where that one is in use, it has a number of its own.
    fn index_of(&mut self, val: Option<Val>, number: u32, low: Id, high: Id, avoid: &[Id]) -> Id {
        let Some(name) = val.and_then(|val| self.name_of(val)) else {
            return self.dag.intern(Node::Index(number, low, high));
        };
        let own = NAMED + self.arrays.number_of(&name);
        let index = self.dag.intern(Node::Index(own, low, high));
        let index = if avoid.contains(&index) { self.dag.intern(Node::Index(number, low, high)) } else { index };
        self.arrays.hints.entry(index).or_insert(name);
        index
    }

    /// The indices that these expressions depend on.
    fn free(&self, ids: impl IntoIterator<Item = Id>) -> Vec<Id> {
        ids.into_iter().flat_map(|id| self.dag.facts(id).free.iter().copied()).collect()
    }

    /// The loop index that tells a dimension of an array.
    fn dimension(&self, array: Val, dim: usize) -> Option<Val> {
        let (_, region) = region_of(self.func, array)?;
        let cell =
            number_of(self.func, array).checked_sub(region.first_cell()).filter(|&cell| cell < region.cells.len())?;
        self.told(region, cell, dim)
    }

    fn told(&self, region: &Region, cell: usize, dim: usize) -> Option<Val> {
        let told = |update: &Update| match update.subscripts.get(dim) {
            Some(subscript) => region.loops.iter().map(|each| each.index).find(|index| index == subscript),
            None => self.dimension(update.value, dim - update.subscripts.len()),
        };
        region.cells[cell].updates.iter().find_map(told)
    }

    /// A number for an index that is not that of any index that these values depend on.
    fn next_number(&self, vals: &[Val]) -> u32 {
        let names = vals.iter().flat_map(|&val| self.func.free(val));
        self.above(names.filter_map(|name| self.env.get(name)).copied())
    }

    fn above(&self, ids: impl Iterator<Item = Id>) -> u32 {
        let free = ids.flat_map(|id| self.dag.facts(id).free.iter());
        free.map(|&index| self.number(index) + 1).filter(|&number| number <= NAMED).max().unwrap_or(0)
    }

    fn minus(&mut self, a: Id, b: Id) -> Id {
        self.dag.sum(vec![(ONE, a), (MINUS_ONE, b)])
    }

    /// What the user calls an index or a state, if its place in the text is a name.
    fn name_of(&self, val: Val) -> Option<String> {
        let span = self.func.span(val);
        let text = self.source.get(span.start as usize..span.end as usize)?;
        let mut letters = text.chars();
        let begins = letters.next().is_some_and(|letter| letter.is_alphabetic() || letter == '_');
        (begins && letters.all(|letter| letter.is_alphanumeric() || letter == '_')).then(|| text.to_owned())
    }

    /// Computes something with other names for what regions bind.
    fn with<T>(&mut self, names: &[(Val, Id)], compute: impl FnOnce(&mut Self) -> T) -> T {
        let before: Vec<(Val, Option<Id>)> =
            names.iter().map(|&(name, id)| (name, self.env.insert(name, id))).collect();
        let value = compute(self);
        for (name, before) in before.into_iter().rev() {
            match before {
                Some(id) => self.env.insert(name, id),
                None => self.env.remove(&name),
            };
        }
        value
    }

    /// What states and cells are in the turn whose index has this value; of a loop without states the index doesn't matter.
    fn turn(&mut self, loop_val: Val, region: &Region, index: Option<Id>) -> Vec<(Val, Id)> {
        if region.states.is_empty() && region.cells.iter().all(|cell| cell.bound.is_none()) {
            return Vec::new();
        }
        let carried = self.carried(loop_val, region);
        let mut names: Vec<(Val, Id)> =
            region.cells.iter().zip(&carried.cells).filter_map(|(cell, name)| Some((cell.bound?, (*name)?))).collect();
        if let (Some(index), [first]) = (index, &region.loops[..]) {
            let low = self.compute(first.low);
            let mut place = self.minus(index, low);
            if first.direction == Direction::Down {
                place = self.dag.plus(place, Dag::ONE);
            }
            for (state, &history) in region.states.iter().zip(&carried.states) {
                names.push((state.bound, self.at(history, vec![place])));
            }
        }
        names
    }

    fn last_state(&mut self, loop_val: Val, region: &Region, number: usize) -> Id {
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
    fn carried(&mut self, loop_val: Val, region: &Region) -> Rc<Carried> {
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
    fn around(&self, loop_val: Val) -> Box<[Id]> {
        let names = self.func.free(loop_val).iter().filter_map(|name| self.env.get(name));
        self.in_order(names.flat_map(|&id| self.dag.facts(id).free.iter().copied()).collect())
    }

    /// Whether values decide how many turns there are of something that is handed on, so that no array has room for them all.
    fn is_endless(&mut self, region: &Region) -> bool {
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

    /// The condition under which subscripts are inside of an array, as far as it isn't known.
    pub(super) fn inside(&mut self, shape: &[usize], subscripts: &[Id]) -> Id {
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

    /// An element that is there only under a condition.
    pub(super) fn guarded(&mut self, condition: Id, element: Id) -> Id {
        let guarded = self.dag.choose(condition, element, Dag::ZERO);
        if guarded != element {
            self.wrapped.insert(guarded);
        }
        guarded
    }

    /// The same where a condition holds: what is guarded by it needs no guard.
    pub(super) fn under(&mut self, condition: Id, id: Id) -> Id {
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

    fn element_or_number(&mut self, val: Val, places: &[Id]) -> Id {
        if self.func.is_array(val) { self.element(val, places.to_vec()) } else { self.compute(val) }
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

    /// `sum[i in 0..n if c](e)`
    fn reduce(&mut self, loop_val: Val, region: &Region, number: usize) -> Id {
        if self.is_endless(region) {
            return self.give_up(loop_val, "a sum over the turns of a loop whose length values decide");
        }
        let reduction = region.reductions[number];
        let base = self.next_number(&[loop_val]);
        let mut avoid = self.around(loop_val).into_vec();
        let mut names: Vec<(Val, Id)> = Vec::new();
        let (mut binders, mut turns) = (Vec::new(), Some(1_i64));
        for (each, number) in region.loops.iter().zip(base..) {
            let (low, high) = self.with(&names.clone(), |reader| (reader.compute(each.low), reader.compute(each.high)));
            let length = self.minus(high, low);
            let length = self.dag.as_whole(length);
            let index = match length {
                Some(1) => low,
                _ => {
                    let index = self.index_of(Some(each.index), number, low, high, &avoid);
                    avoid.push(index);
                    binders.push(index);
                    index
                }
            };
            turns = turns.zip(length).map(|(turns, length)| turns * length.max(0));
            names.push((each.index, index));
        }
        let index = names.first().map(|&(_, index)| index);
        names.extend(self.turn(loop_val, region, index));
        let (condition, mut body) = self.with(&names, |reader| {
            let condition = reader.compute(reduction.guard);
            let value = reader.compute(reduction.value);
            let body = reduction.factor.map_or(value, |factor| {
                let factor = reader.compute(factor);
                reader.dag.times(value, factor)
            });
            (condition, body)
        });
        let reducer = match reduction.op {
            Op::Min | Op::IMin => Reducer::Min,
            Op::Max | Op::IMax => Reducer::Max,
            _ => Reducer::Sum,
        };
        let (all, any) = (reduction.op == Op::And, reduction.op == Op::Or);
        if all || any {
            let counted = if all { self.dag.not(body) } else { body };
            body = self.dag.choose(counted, Dag::ONE, Dag::ZERO);
        }
        let value = self.reduced(reducer, binders, turns, condition, body);
        match (all, any) {
            (true, _) => self.dag.compare(Relation::Eq, value, Dag::ZERO),
            (_, true) => self.dag.compare(Relation::Gt, value, Dag::ZERO),
            _ => value,
        }
    }

    fn reduced(&mut self, reducer: Reducer, binders: Vec<Id>, turns: Option<i64>, condition: Id, body: Id) -> Id {
        let neutral = |reader: &mut Self| match reducer {
            Reducer::Sum => Dag::ZERO,
            Reducer::Min => reader.dag.constant(f64::INFINITY),
            Reducer::Max => reader.dag.constant(f64::NEG_INFINITY),
        };
        let (mut condition, mut body) = (condition, body);
        // What is 0 under a condition is left out.
        while let (Reducer::Sum, &Node::Choose(chosen, yes, no)) = (reducer, self.dag.node(body)) {
            let (when, value) = match (yes, no) {
                (value, Dag::ZERO) => (chosen, value),
                (Dag::ZERO, value) => (self.dag.not(chosen), value),
                _ => break,
            };
            condition = self.dag.and(condition, when);
            body = value;
        }
        body = self.under(condition, body);
        let always = *self.dag.node(condition) == Node::Bool(true);
        if turns == Some(0) || *self.dag.node(condition) == Node::Bool(false) {
            return neutral(self);
        }
        if reducer == Reducer::Sum && body == Dag::ZERO {
            return Dag::ZERO;
        }
        if binders.is_empty() {
            let neutral = neutral(self);
            return if always { body } else { self.dag.choose(condition, body, neutral) };
        }
        let depends = self.dag.facts(body).free.iter().any(|index| binders.contains(index));
        match (turns, reducer) {
            (Some(turns), Reducer::Sum) if always && !depends => {
                let turns = Number::whole(turns);
                self.dag.scaled(turns, body)
            }
            (Some(_), Reducer::Min | Reducer::Max) if always && !depends => body,
            _ => self.dag.intern(Node::Reduce(reducer, binders.into(), condition, body)),
        }
    }

    /// The clauses of a cell that has no name yet. `None` where there is no such cell.
    fn parts(&mut self, array: Val) -> Option<Vec<Clause>> {
        if !matches!(self.func.inst(array), Inst::Result(..)) {
            return None;
        }
        let (loop_val, region) = region_of(self.func, array)?;
        let cell = number_of(self.func, array).checked_sub(region.first_cell())?;
        let base = self.next_number(&[array]);
        Some(self.cell_clauses(loop_val, region, cell, base))
    }

    /// A clause for each part of the array that updates divide it into.
    fn cell_clauses(&mut self, loop_val: Val, region: &Region, cell: usize, base: u32) -> Vec<Clause> {
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
    fn cell(&mut self, loop_val: Val, region: &Region, cell: usize, places: &[Id]) -> Id {
        let cell = &region.cells[cell];
        let mut value = cell.init.map_or(Dag::ZERO, |init| self.once(init, places));
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

    fn less(&mut self, a: Id, b: Id) -> Id {
        match self.dag.is_less(a, b) {
            Some(holds) => self.dag.intern(Node::Bool(holds)),
            None => self.dag.compare(Relation::Lt, a, b),
        }
    }

    fn at_most(&mut self, a: Id, b: Id) -> Id {
        match self.dag.is_less(b, a) {
            Some(fails) => self.dag.intern(Node::Bool(!fails)),
            None => self.dag.compare(Relation::Le, a, b),
        }
    }

    fn equal(&mut self, a: Id, b: Id) -> Id {
        if a == b || self.dag.is_less(a, b) == Some(true) || self.dag.is_less(b, a) == Some(true) {
            return self.dag.intern(Node::Bool(a == b));
        }
        self.dag.compare(Relation::Eq, a, b)
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

impl Carried {
    fn copy(&self) -> Carried {
        Carried { states: self.states.clone(), cells: self.cells.clone(), endless: self.endless }
    }
}

fn region_of(func: &Func, val: Val) -> Option<(Val, &Region)> {
    match func.inst(val) {
        Inst::Result(region, _) => Some((region, func.region_of(region)?)),
        _ => None,
    }
}

fn number_of(func: &Func, val: Val) -> usize {
    match func.inst(val) {
        Inst::Result(_, number) => number as usize,
        _ => 0,
    }
}
