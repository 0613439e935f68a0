//! Regions: loops as values.
//!
//! A [`Region`] is a loop nest. What it computes are its results, in this order: the last value of each state, each cell, each
//! reduction, and (of a region with one loop) the number of turns made. It has no list of instructions: its **body** is whatever
//! depends on one of the names that it binds. An instruction that doesn't depend on them stands outside, so what doesn't change in a
//! loop is never in it, and what two loops over the same index compute is the same node in both.
//!
//! A region binds
//! - the index of each of its loops, outermost first; the bounds of a loop may depend on the indices before it;
//! - its **states**, carried from turn to turn (`iterate`, products);
//! - its **cells** where the body reads them while they are being made (recurrences, adjoints of recurrences).
//!
//! A **cell** is an array that the region makes by updates: `store` gives an element (or a row) its value, once; `add` adds to
//! it. An element is read in the body only after its last update, so the value of a cell is a function of what the region
//! captures, and nothing has an effect that could be seen from outside.
//!
//! An element that no `store` has given a value is **missing**: it is 0, and to read it under a check is a fault.
//!
//! The order of the arithmetic is part of the meaning:
//! - updates are made turn by turn, after everything else that the turn computes, in the order of the list; `add` into a cell is
//!   `cell + value`, or `fma(value, factor, cell)` with a factor, element by element.
//! - An `add` of a row without a factor, with the guard `true`, whose value is a cell of a region inside that is used nowhere else,
//!   has no `init`, no name of its own and no `store`, lets that region add to this cell **in place**, when its turn comes.
//! - a reduction goes into [`LANES`] accumulators: turn `t` of the innermost loop (counted from 0 each time that loop
//!   is entered) goes to accumulator `t mod LANES`, which starts as the neutral element; afterwards accumulator `k` takes up
//!   `k + LANES/2`, and so on by halves.

use super::Val;
use crate::ops::{Op, Type};

/// The subscript of a place that there isn't: `argmax` over nothing.
pub const NOWHERE: i64 = i64::MIN;

/// How many partial results a reduction has: two registers of eight doubles, four of four, eight of two.
pub const LANES: usize = 16;

/// An index into the regions of a function.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct RegionId(pub u32);

/// A shape: the extents of an array, outermost first. A number has none.
pub type Shape = Box<[usize]>;

/// A loop nest.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Region {
    /// Outermost first. Without a loop the body runs once.
    pub loops: Box<[Loop]>,
    /// Carried from turn to turn; only with exactly one loop.
    pub states: Box<[State]>,
    /// `while`: tested before each turn; it sees the states and the index. Only with exactly one loop.
    pub going: Option<Val>,
    pub cells: Box<[Cell]>,
    pub reductions: Box<[Reduction]>,
}

/// `index` takes the whole numbers from `low` up to, but not including, `high`; downwards from `high - 1` to `low`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Loop {
    pub index: Val,
    pub low: Val,
    pub high: Val,
    pub direction: Direction,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Direction {
    #[default]
    Up,
    Down,
}

/// A value that a turn takes from the turn before.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct State {
    /// What the body calls it.
    pub bound: Val,
    pub init: Val,
    pub next: Val,
}

/// An array that the region makes.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Cell {
    pub ty: Type,
    pub shape: Shape,
    /// What the body calls it, if the body reads it.
    pub bound: Option<Val>,
    /// What the elements are before the first update: an array of this shape. Without one: 0, `false`.
    pub init: Option<Val>,
    pub updates: Box<[Update]>,
}

/// One change of a cell in each turn.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Update {
    pub kind: UpdateKind,
    /// Which element; fewer than the cell has dimensions: which row.
    pub subscripts: Box<[Val]>,
    /// The element, or a row of the shape that is left.
    pub value: Val,
    /// What `value` is multiplied with while it is added; numbers only.
    pub factor: Option<Val>,
    /// Only where this is true.
    pub guard: Val,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum UpdateKind {
    Store,
    Add,
}

/// A number made of the values of all turns.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Reduction {
    /// `Add`, `Min`, `Max`; of integers `IAdd`, `IMin`, `IMax`; of conditions `And`, `Or`.
    pub op: Op,
    pub value: Val,
    /// With `Add`: the term is `value*factor`, and is accumulated by `fma`.
    pub factor: Option<Val>,
    /// Only the turns where this is true.
    pub guard: Val,
}

impl Region {
    /// The same loop with other questions: all that is handed from turn to turn, and these reductions.
    #[must_use]
    pub fn asking(&self, reductions: Box<[Reduction]>) -> Region {
        let cells = self.cells.iter().filter(|cell| cell.bound.is_some()).cloned().collect();
        Region { loops: self.loops.clone(), states: self.states.clone(), going: self.going, cells, reductions }
    }

    /// Everything that the region binds.
    pub fn binds(&self) -> impl Iterator<Item = Val> + '_ {
        let indices = self.loops.iter().map(|each| each.index);
        let states = self.states.iter().map(|state| state.bound);
        indices.chain(states).chain(self.cells.iter().filter_map(|cell| cell.bound))
    }

    /// What a turn computes: the roots of the body. Bounds and initial values are not among them.
    pub fn body(&self) -> impl Iterator<Item = Val> + '_ {
        let states = self.states.iter().map(|state| state.next);
        let updates = self.cells.iter().flat_map(|cell| cell.updates.iter()).flat_map(|update| {
            update.subscripts.iter().copied().chain([update.value, update.guard]).chain(update.factor)
        });
        let reductions = self
            .reductions
            .iter()
            .flat_map(|reduction| [reduction.value, reduction.guard].into_iter().chain(reduction.factor));
        states.chain(self.going).chain(updates).chain(reductions)
    }

    /// What the region looks at before the first turn, bounds of inner loops included.
    pub fn before(&self) -> impl Iterator<Item = Val> + '_ {
        let bounds = self.loops.iter().flat_map(|each| [each.low, each.high]);
        let states = self.states.iter().map(|state| state.init);
        bounds.chain(states).chain(self.cells.iter().filter_map(|cell| cell.init))
    }

    /// Every value that the region names, except what it binds.
    pub fn uses(&self) -> impl Iterator<Item = Val> + '_ {
        self.before().chain(self.body())
    }

    /// Number of the result that is the first cell.
    pub fn first_cell(&self) -> usize {
        self.states.len()
    }

    /// Number of the result that is the first reduction.
    pub fn first_reduction(&self) -> usize {
        self.states.len() + self.cells.len()
    }

    /// Number of the result that is the number of turns made.
    pub fn turns(&self) -> usize {
        self.first_reduction() + self.reductions.len()
    }

    /// Number of results.
    pub fn results(&self) -> usize {
        self.turns() + usize::from(self.loops.len() == 1)
    }

    /// The same region with every value that it uses (not what it binds) replaced.
    #[must_use]
    pub fn map(&self, mut get: impl FnMut(Val) -> Val) -> Region {
        Region {
            loops: self.loops.iter().map(|each| Loop { low: get(each.low), high: get(each.high), ..*each }).collect(),
            states: self
                .states
                .iter()
                .map(|state| State { init: get(state.init), next: get(state.next), ..*state })
                .collect(),
            going: self.going.map(&mut get),
            cells: self
                .cells
                .iter()
                .map(|cell| Cell {
                    ty: cell.ty,
                    shape: cell.shape.clone(),
                    bound: cell.bound,
                    init: cell.init.map(&mut get),
                    updates: cell
                        .updates
                        .iter()
                        .map(|update| Update {
                            kind: update.kind,
                            subscripts: update.subscripts.iter().map(|&subscript| get(subscript)).collect(),
                            value: get(update.value),
                            factor: update.factor.map(&mut get),
                            guard: get(update.guard),
                        })
                        .collect(),
                })
                .collect(),
            reductions: self
                .reductions
                .iter()
                .map(|reduction| Reduction {
                    op: reduction.op,
                    value: get(reduction.value),
                    factor: reduction.factor.map(&mut get),
                    guard: get(reduction.guard),
                })
                .collect(),
        }
    }

    /// The same region with other names for what it binds.
    #[must_use]
    pub fn rebind(&self, mut get: impl FnMut(Val) -> Val) -> Region {
        let mut region = self.clone();
        for each in &mut region.loops {
            each.index = get(each.index);
        }
        for state in &mut region.states {
            state.bound = get(state.bound);
        }
        for cell in &mut region.cells {
            cell.bound = cell.bound.map(&mut get);
        }
        region
    }
}

impl Loop {
    pub fn up(index: Val, low: Val, high: Val) -> Loop {
        Loop { index, low, high, direction: Direction::Up }
    }
}

impl Direction {
    pub fn reversed(self) -> Direction {
        match self {
            Direction::Up => Direction::Down,
            Direction::Down => Direction::Up,
        }
    }
}
