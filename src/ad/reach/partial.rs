//! Which values aren't reached everywhere, before anything is made for them.
//!
//! A value is **partial** if its reach may be less than everywhere. That goes from operands to users as reach itself does, and
//! from what a turn makes to what the next turn takes; it is found by going round until nothing is new. That loops mostly begin with
//! constants doesn't make what they hand on partial: derivatives would be full of conditions for the sake of the first turn.

use hashbrown::HashMap;

use super::may_be_of_nothing;
use crate::ad::active::Active;
use crate::ir::{Cell, Func, Inst, Region, UpdateKind, Val};
use crate::ops::Op;

/// Whether a value is partial by `if` alone, and by `max` and its like too.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Partial {
    pub branches: bool,
    pub choices: bool,
}

const EVERYWHERE: Partial = Partial { branches: false, choices: false };
const NOWHERE: Partial = Partial { branches: true, choices: true };

impl Partial {
    fn or(self, other: Partial) -> Partial {
        Partial { branches: self.branches || other.branches, choices: self.choices || other.choices }
    }

    fn and(self, other: Partial) -> Partial {
        Partial { branches: self.branches && other.branches, choices: self.choices && other.choices }
    }

    /// What is partial of the active values of a function, by their places.
    pub fn of_all(func: &Func, active: &Active) -> Vec<Partial> {
        let mut search = Search { func, active, found: vec![EVERYWHERE; active.len()], carried: carried(func, active) };
        loop {
            let mut is_new = false;
            for val in active.vals().filter(|&val| active.contains(val)) {
                let partial = search.of(val);
                let known = &mut search.found[active.place(val)];
                is_new |= *known != partial;
                *known = partial;
            }
            if !is_new {
                return search.found;
            }
        }
    }
}

/// What the states and cells that a name stands for are made of.
fn carried(func: &Func, active: &Active) -> HashMap<Val, Vec<Val>> {
    let mut carried = HashMap::new();
    let regions = active.vals().filter(|&val| active.contains(val)).filter_map(|val| match func.inst(val) {
        Inst::Region(id) => Some(func.region(id)),
        _ => None,
    });
    for region in regions {
        for state in &region.states {
            carried.insert(state.bound, vec![state.init, state.next]);
        }
        for cell in region.cells.iter().filter(|cell| is_stored(cell)) {
            let updates = cell.updates.iter().map(|update| update.value);
            carried.extend(cell.bound.map(|bound| (bound, cell.init.into_iter().chain(updates).collect())));
        }
    }
    carried
}

/// Whether the elements of a cell are given, not added up.
pub fn is_stored(cell: &Cell) -> bool {
    cell.updates.iter().all(|update| update.kind == UpdateKind::Store)
}

struct Search<'a> {
    func: &'a Func,
    active: &'a Active,
    found: Vec<Partial>,
    carried: HashMap<Val, Vec<Val>>,
}

impl Search<'_> {
    fn get(&self, val: Val) -> Option<Partial> {
        self.active.contains(val).then(|| self.found[self.active.place(val)])
    }

    fn of(&self, val: Val) -> Partial {
        match self.func.inst(val) {
            Inst::Bound(_) => {
                let sources = self.carried.get(&val).into_iter().flatten();
                sources.map(|&source| self.get(source).unwrap_or(EVERYWHERE)).fold(EVERYWHERE, Partial::or)
            }
            Inst::Region(_) => EVERYWHERE,
            Inst::Result(region, number) => match self.func.region_of(region) {
                Some(region) => self.of_result(val, region, number as usize),
                None => EVERYWHERE,
            },
            Inst::Read(list) => self.get(self.func.list(list)[0]).unwrap_or(EVERYWHERE),
            _ => self.of_operator(val),
        }
    }

    fn of_operator(&self, val: Val) -> Partial {
        let op = self.func.inst(val).op();
        let operands = self.func.operands(val);
        let with_slope = operands.iter().enumerate().filter(|&(slot, _)| self.func.has_slope(val, slot));
        let all: Vec<(usize, Option<Partial>)> = with_slope.map(|(slot, &operand)| (slot, self.get(operand))).collect();
        // One of all is taken.
        if op.is_some_and(|op| matches!(op, Op::Select | Op::Min | Op::Max)) && all.iter().all(|each| each.1.is_some())
        {
            let any = all.iter().filter_map(|each| each.1).fold(EVERYWHERE, Partial::or);
            let branches = all.iter().filter_map(|each| each.1).fold(NOWHERE, Partial::and).branches;
            return Partial { branches: if op == Some(Op::Select) { any.branches } else { branches }, ..any };
        }
        let terms = all.iter().filter_map(|&(slot, partial)| {
            let partial = partial?;
            Some(match op {
                Some(Op::Select) => NOWHERE,
                Some(op) if may_be_passed_over(op, slot) => Partial { choices: true, ..partial },
                _ => partial,
            })
        });
        terms.reduce(Partial::and).unwrap_or(EVERYWHERE)
    }

    fn of_result(&self, val: Val, region: &Region, number: usize) -> Partial {
        if let Some(state) = region.states.get(number) {
            return self.get(state.bound).unwrap_or(EVERYWHERE);
        }
        if let Some(cell) = region.cells.get(number - region.first_cell()) {
            return match cell.bound {
                Some(bound) => self.get(bound).unwrap_or(EVERYWHERE),
                None if is_stored(cell) => {
                    let parts = cell.updates.iter().map(|update| update.value).chain(cell.init);
                    parts.map(|part| self.get(part).unwrap_or(NOWHERE)).fold(EVERYWHERE, Partial::or)
                }
                None => EVERYWHERE,
            };
        }
        let reduction = region.reductions.get(number - region.first_reduction());
        let Some(reduction) = reduction.filter(|_| !self.func.is_array(val)) else { return EVERYWHERE };
        let parts = [Some(reduction.value), reduction.factor].into_iter().flatten().filter_map(|part| self.get(part));
        let term = parts.reduce(Partial::and).unwrap_or(EVERYWHERE);
        Partial { branches: false, choices: term.choices || may_be_of_nothing(self.func, region, reduction) }
    }
}

/// See [`passed_over`](crate::ir::guard::passed_over).
fn may_be_passed_over(op: Op, slot: usize) -> bool {
    matches!((op, slot), (Op::Min | Op::Max | Op::Clamp | Op::Relu, _) | (Op::LeakyRelu, 1))
}
