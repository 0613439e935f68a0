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
//!
//! - `cells` finds elements by solving updates, `carried` is what turns hand on, `conditions` are what guards reads.

mod carried;
mod cells;
mod conditions;

use super::Unsayable;
use super::arrays::Clause;
use super::dag::{Dag, Id, Node, Reducer, Relation};
use super::number::{MINUS_ONE, Number, ONE};
use super::reader::Reader;
use crate::ir::{Direction, Func, Inst, Region, Update, Val};
use crate::ops::Op;

/// The longest element, in tokens, that is written where it is read.
const INLINE: usize = 12;

/// From here on the numbers of indices are those of names.
const NAMED: u32 = 1 << 16;

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
    fn give_up(&mut self, val: Val, what: &str) -> Id {
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
