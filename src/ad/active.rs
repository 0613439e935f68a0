//! The instructions on the ways from inputs to outputs along which a derivative can flow.

use crate::ir::{Builder, Func, Inst, Region, Val};
use crate::ops::{Op, Type};

/// They lie between the first input and the last output, so a derivative inside a large program looks only at its own
/// part of the graph. Instructions in bodies of regions are among them, and so are states and cells that carry derivatives.
pub struct Active {
    first: u32,
    on_a_way: Vec<bool>,
}

impl Active {
    pub fn between(builder: &Builder, inputs: &[Val], outputs: &[Val]) -> Active {
        let func = builder.func();
        let none = Active { first: 0, on_a_way: Vec::new() };
        let (Some(&first), Some(&last)) = (inputs.iter().min(), outputs.iter().max()) else { return none };
        if first > last {
            return none;
        }
        let regions: Vec<Val> =
            (first.0..=last.0).map(Val).filter(|&val| matches!(func.inst(val), Inst::Region(_))).collect();
        let names = regions.iter().filter_map(|&region| func.region_of(region)).flat_map(Region::binds);
        let first = names.min().map_or(first, |name| name.min(first));
        let mut active = Active { first: first.0, on_a_way: vec![false; (last.0 - first.0 + 1) as usize] };
        for &input in inputs.iter().filter(|&&input| input <= last && func.ty(input) == Type::F64) {
            active.insert(input);
        }
        loop {
            for val in active.vals() {
                if active.follows(func, val) {
                    active.insert(val);
                }
            }
            // What a turn hands to the next comes round: once more, until nothing is new.
            if !active.close(func, &regions) {
                break;
            }
        }
        active.retain_wanted(func, outputs);
        active
    }

    /// Whether a derivative reaches a value from its operands.
    fn follows(&self, func: &Func, val: Val) -> bool {
        let slopes = |val: Val| {
            let operands = func.operands(val);
            operands.iter().enumerate().any(|(slot, &operand)| self.contains(operand) && func.has_slope(val, slot))
        };
        match func.inst(val) {
            Inst::Region(region) => slopes(val) && func.region(region).uses().any(|used| self.contains(used)),
            Inst::Result(region, number) => {
                let Some(data) = func.region_of(region) else { return false };
                self.contains(region) && func.ty(val) == Type::F64 && self.result(data, number as usize)
            }
            _ => func.ty(val) == Type::F64 && slopes(val),
        }
    }

    fn result(&self, region: &Region, number: usize) -> bool {
        if let Some(state) = region.states.get(number) {
            return [state.bound, state.init, state.next].iter().any(|&val| self.contains(val));
        }
        if let Some(cell) = region.cells.get(number - region.first_cell()) {
            return self.cell(cell);
        }
        region.reductions.get(number - region.first_reduction()).is_some_and(|reduction| {
            matches!(reduction.op, Op::Add | Op::Min | Op::Max)
                && (self.contains(reduction.value) || reduction.factor.is_some_and(|factor| self.contains(factor)))
        })
    }

    /// Whether a derivative reaches a cell.
    pub fn cell(&self, cell: &crate::ir::Cell) -> bool {
        let updates = cell.updates.iter().flat_map(|update| [update.value].into_iter().chain(update.factor));
        updates.chain(cell.init).chain(cell.bound).any(|val| self.contains(val))
    }

    /// Adds the names of states and cells that a derivative reaches; says whether one is new.
    fn close(&mut self, func: &Func, regions: &[Val]) -> bool {
        let mut names = Vec::new();
        for region in regions.iter().filter_map(|&region| func.region_of(region)) {
            let states = region.states.iter().filter(|state| self.contains(state.init) || self.contains(state.next));
            names.extend(states.map(|state| state.bound));
            names.extend(region.cells.iter().filter(|cell| self.cell(cell)).filter_map(|cell| cell.bound));
        }
        names.retain(|&name| func.ty(name) == Type::F64 && !self.contains(name));
        names.iter().for_each(|&name| self.insert(name));
        !names.is_empty()
    }

    /// Drops what no output depends on.
    fn retain_wanted(&mut self, func: &Func, outputs: &[Val]) {
        let mut wanted = vec![false; self.len()];
        for &output in outputs.iter().filter(|&&output| self.contains(output)) {
            wanted[self.place(output)] = true;
        }
        for val in self.vals().rev().filter(|&val| self.contains(val)) {
            if !wanted[self.place(val)] {
                continue;
            }
            let mut want = |used: Val| {
                if self.contains(used) {
                    wanted[self.place(used)] = true;
                }
            };
            match func.inst(val) {
                Inst::Region(region) => {
                    let region = func.region(region);
                    region.uses().chain(region.binds()).for_each(want);
                }
                _ => {
                    let operands = func.operands(val);
                    let slopes = operands.iter().enumerate().filter(|&(slot, _)| func.has_slope(val, slot));
                    slopes.for_each(|(_, &operand)| want(operand));
                }
            }
        }
        for (on_a_way, wanted) in self.on_a_way.iter_mut().zip(wanted) {
            *on_a_way &= wanted;
        }
    }

    pub fn len(&self) -> usize {
        self.on_a_way.len()
    }

    pub fn place(&self, val: Val) -> usize {
        (val.0 - self.first) as usize
    }

    pub fn first(&self) -> Val {
        Val(self.first)
    }

    pub fn contains(&self, val: Val) -> bool {
        val.0 >= self.first && self.on_a_way.get((val.0 - self.first) as usize).copied().unwrap_or(false)
    }

    fn insert(&mut self, val: Val) {
        let place = self.place(val);
        self.on_a_way[place] = true;
    }

    pub fn vals(&self) -> impl DoubleEndedIterator<Item = Val> + use<> {
        (self.first..self.first + self.on_a_way.len() as u32).map(Val)
    }
}
