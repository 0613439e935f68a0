//! In which order elements that refer to each other can be computed.
//!
//! Clauses that need each other within a turn share a loop over one dimension of each, in a direction in which everything that is
//! read has been made in an earlier turn or is made in the same one. What is read of the same turn decides what stands in it: clauses
//! that don't need each other come one after the other, each with all that is left of its dimensions at once; clauses that still do
//! share a loop inside. (After Allen and Kennedy's distribution of loops.)
//!
//! ```text
//! L[i,j] reads L[i,k], D[k] with k < j        for i
//! D[i]   reads L[i,k]       with k < i            for j    L[i,j]
//!                                                 D[i]
//! ```
//!
//! The clauses of one array stay together, and dimensions are taken as they stand on the left, the first outermost, if that is an order;
//! else any that is.

use hashbrown::HashMap;

use super::super::groups::components;
use super::order::{Reading, Step};
use crate::ir::Direction;

/// A clause: its array, and its number there.
pub(super) type Piece = (usize, usize);

/// What stands in a turn.
pub(super) enum Node {
    /// Clauses of an array: all that is left of its dimensions.
    Whole(usize, Vec<usize>),
    Loop(Nest),
}

/// A loop over one dimension of each of some arrays.
pub(super) struct Nest {
    pub pieces: Vec<Piece>,
    pub direction: Direction,
    pub body: Vec<Node>,
    /// Over which dimension of each array.
    dimensions: Vec<(usize, usize)>,
}

/// Which orders are looked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Search {
    /// Certainly an order, the clauses of an array together, dimensions as they stand on the left.
    Together,
    /// Certainly an order, dimensions as they stand.
    AsWritten,
    /// Certainly an order.
    Any,
    /// Like `Together` and upwards; what can't be seen to be made before is taken to be.
    Trusting,
}

/// More choices of dimensions are not tried.
const CHOICES: u32 = 10_000;
/// For more arrays dimensions are only taken as they stand.
const MANY: usize = 32;

/// An order for clauses of arrays with so many left subscripts each; or a reading that makes it impossible.
pub(super) fn schedule(
    ranks: &[usize],
    pieces: &[Piece],
    readings: &[Reading],
    search: Search,
) -> Result<Vec<Node>, usize> {
    let mut scheduler =
        Scheduler { ranks, readings, search, choices: CHOICES, blocking: 0, chosen: vec![Vec::new(); ranks.len()] };
    let open: Vec<usize> = (0..readings.len()).collect();
    scheduler.body(pieces, &open).ok_or(scheduler.blocking)
}

/// For each array its dimensions in the order of the loops; `None` if loops beside each other have different ones.
pub(super) fn dimensions(body: &[Node], ranks: &[usize]) -> Option<Vec<Vec<usize>>> {
    let mut dimensions = vec![Vec::new(); ranks.len()];
    let mut nests: Vec<(usize, &Node)> = body.iter().map(|node| (0, node)).collect();
    while let Some((depth, node)) = nests.pop() {
        let Node::Loop(nest) = node else { continue };
        for &(array, dimension) in &nest.dimensions {
            match dimensions[array].get(depth) {
                None => dimensions[array].push(dimension),
                Some(&other) if other == dimension => {}
                Some(_) => return None,
            }
        }
        nests.extend(nest.body.iter().map(|node| (depth + 1, node)));
    }
    for (dimensions, &rank) in dimensions.iter_mut().zip(ranks) {
        let rest: Vec<usize> = (0..rank).filter(|dimension| !dimensions.contains(dimension)).collect();
        dimensions.extend(rest);
    }
    Some(dimensions)
}

struct Scheduler<'a> {
    ranks: &'a [usize],
    readings: &'a [Reading],
    search: Search,
    /// How many choices may still be tried.
    choices: u32,
    /// The last reading for which no order was found.
    blocking: usize,
    /// For each array the dimensions that the loops around go over.
    chosen: Vec<Vec<usize>>,
}

impl Scheduler<'_> {
    /// What makes these clauses in one turn of the loops around, if only these readings are of the same turn.
    fn body(&mut self, pieces: &[Piece], open: &[usize]) -> Option<Vec<Node>> {
        let mut body = Vec::new();
        for component in self.components(pieces, open) {
            let inside = |&number: &usize| {
                let reading = &self.readings[number];
                component.contains(&reading.reader()) && reading.sources().any(|piece| component.contains(&piece))
            };
            let own: Vec<usize> = open.iter().copied().filter(inside).collect();
            if own.is_empty() {
                body.push(Node::Whole(component[0].0, component.iter().map(|piece| piece.1).collect()));
            } else if component.iter().any(|&(array, _)| self.chosen[array].len() == self.ranks[array]) {
                self.blocking = own[0];
                let left = self.trusted(&own)?;
                body.extend(self.body(&component, &left)?);
            } else {
                body.push(Node::Loop(self.nest(&component, &own)?));
            }
        }
        Some(body)
    }

    /// A loop over one dimension of each of the arrays of these clauses.
    fn nest(&mut self, pieces: &[Piece], open: &[usize]) -> Option<Nest> {
        let mut arrays: Vec<usize> = pieces.iter().map(|piece| piece.0).collect();
        arrays.sort_unstable();
        arrays.dedup();
        let depths: Vec<usize> = arrays.iter().map(|&array| self.chosen[array].len()).collect();
        let directions: &[Direction] = match self.search {
            Search::Trusting => &[Direction::Up],
            Search::Together | Search::AsWritten | Search::Any => &[Direction::Up, Direction::Down],
        };
        let nest = directions.iter().find_map(|&direction| {
            if self.search == Search::Any && arrays.len() <= MANY {
                return self.choose(&arrays, 0, pieces, open, direction);
            }
            for (&array, &depth) in arrays.iter().zip(&depths) {
                self.chosen[array].truncate(depth);
                self.chosen[array].push(depth);
            }
            self.loop_over(&arrays, pieces, open, direction)
        });
        arrays.iter().zip(depths).for_each(|(&array, depth)| self.chosen[array].truncate(depth));
        nest
    }

    /// The loop in this direction over any dimensions, those of the first `number` arrays being chosen.
    fn choose(
        &mut self,
        arrays: &[usize],
        number: usize,
        pieces: &[Piece],
        open: &[usize],
        direction: Direction,
    ) -> Option<Nest> {
        let Some(&array) = arrays.get(number) else { return self.loop_over(arrays, pieces, open, direction) };
        let chosen = &arrays[..=number];
        let depth = self.chosen[array].len();
        for dimension in 0..self.ranks[array] {
            if self.chosen[array].contains(&dimension) {
                continue;
            }
            self.choices = self.choices.checked_sub(1)?;
            self.chosen[array].push(dimension);
            let mut known = open.iter().filter(|&&number| {
                let Reading { reader, from, .. } = &self.readings[number];
                chosen.contains(reader) && chosen.contains(from)
            });
            let nest = match known.all(|&number| self.step(number).is_in_order(direction)) {
                true => self.choose(arrays, number + 1, pieces, open, direction),
                false => None,
            };
            self.chosen[array].truncate(depth);
            if nest.is_some() {
                return nest;
            }
        }
        None
    }

    /// The loop over the dimensions that were chosen last.
    fn loop_over(&mut self, arrays: &[usize], pieces: &[Piece], open: &[usize], direction: Direction) -> Option<Nest> {
        let mut left = Vec::new();
        for &number in open {
            let step = self.step(number);
            if self.search != Search::Trusting && !step.is_in_order(direction) {
                self.blocking = number;
                return None;
            }
            if !step.is_made(direction) {
                left.push(number);
            }
        }
        let last = |&array: &usize| self.chosen[array].last().map(|&dimension| (array, dimension));
        let dimensions = arrays.iter().filter_map(last).collect();
        let body = self.body(pieces, &left)?;
        Some(Nest { pieces: pieces.to_vec(), direction, body, dimensions })
    }

    /// Where what is read lies in the dimensions that were chosen last.
    fn step(&self, number: usize) -> Step {
        let Reading { reader, from, .. } = self.readings[number];
        match (self.chosen[reader].last(), self.chosen[from].last()) {
            (Some(&defined), Some(&read)) => self.readings[number].step(defined, read),
            _ => Step::Unclear,
        }
    }

    /// Of readings that go round in one turn, those that can't be taken to be of an earlier one; `None` if that is all.
    fn trusted(&self, own: &[usize]) -> Option<Vec<usize>> {
        if self.search != Search::Trusting {
            return None;
        }
        let steps = |number: usize| {
            let Reading { reader, from, .. } = self.readings[number];
            let depth = self.chosen[reader].len().min(self.chosen[from].len());
            (0..depth).map(move |place| self.readings[number].step(place, place))
        };
        let seen = |number: &usize| steps(*number).all(|step| step.is_in_order(Direction::Up));
        let same = |number: &usize| steps(*number).all(|step| step == Step::Same);
        let left: Vec<usize> = own.iter().copied().filter(seen).collect();
        if left.len() < own.len() {
            return Some(left);
        }
        let left: Vec<usize> = own.iter().copied().filter(same).collect();
        (left.len() < own.len()).then_some(left)
    }

    /// The sets of clauses that need each other in these readings, each after those that it needs, otherwise as in the text.
    fn components(&self, pieces: &[Piece], open: &[usize]) -> Vec<Vec<Piece>> {
        let place: HashMap<Piece, usize> = pieces.iter().enumerate().map(|(place, &piece)| (piece, place)).collect();
        let mut needs = vec![Vec::new(); pieces.len()];
        for &number in open {
            let reading = &self.readings[number];
            if let Some(&reader) = place.get(&reading.reader()) {
                needs[reader].extend(reading.sources().filter_map(|source| place.get(&source)));
            }
        }
        if matches!(self.search, Search::Together | Search::Trusting) {
            // What the clauses of an array need, the first of them needs; and it is needed by them.
            let mut first: HashMap<usize, usize> = HashMap::new();
            for (place, &(array, _)) in pieces.iter().enumerate() {
                let first = *first.entry(array).or_insert(place);
                if first != place {
                    needs[first].push(place);
                    needs[place].push(first);
                }
            }
        }
        let mut left = components(&needs);
        left.iter_mut().for_each(|component| component.sort_unstable());
        left.sort_unstable();
        let mut made = vec![false; pieces.len()];
        let mut sorted = Vec::new();
        while !left.is_empty() {
            let is_ready = |component: &Vec<usize>| {
                component.iter().flat_map(|&place| &needs[place]).all(|need| made[*need] || component.contains(need))
            };
            let next = left.iter().position(is_ready).unwrap_or_default();
            let component = left.remove(next);
            component.iter().for_each(|&place| made[place] = true);
            sorted.push(component.into_iter().map(|place| pieces[place]).collect());
        }
        sorted
    }
}
