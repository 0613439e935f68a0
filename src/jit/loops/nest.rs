//! Loops.
//!
//! A loop is a block that takes its index and the states that are numbers. It is entered only if it has a turn, and decides at
//! its end whether there is another. With a `while`, the test stands at its beginning.
//!
//! A reduction's accumulators lie in the stack, one for each lane, so that any turn finds its own.

use cranelift::codegen::ir::{BlockArg, StackSlot, types::F64X2};
use cranelift::prelude::{Block, InstBuilder, IntCC, StackSlotData, StackSlotKind, Value, types};
use hashbrown::HashMap;

use super::address::{Array, Count};
use super::emit::{Emitter, Machine, Scope};
use super::plan::{BufferId, ELEMENT, Home, Nest, Place, size};
use super::range::Range;
use crate::ir::region::LANES;
use crate::ir::{Direction, Inst, Loop, Reduction, Region, Update, UpdateKind, Val};
use crate::ops::{Op, Type};

/// A region that is being run.
pub struct Run<'a> {
    pub nest: &'a Nest,
    pub region: &'a Region,
    pub cells: Vec<Array>,
    pub lanes: Vec<StackSlot>,
    /// The place in the innermost loop: the number of its turn, counted from 0.
    pub turn: Option<Value>,
    /// Whether the innermost loop makes two turns at once.
    pub paired: bool,
}

/// How the loop of a region with one loop ended.
struct End {
    states: Vec<Value>,
    /// The number of turns.
    turns: Value,
    /// Whether the `while` would have gone on.
    goes_on: Option<Value>,
}

impl Emitter<'_, '_, '_> {
    /// A region: everything it computes, and its results.
    pub fn nest(&mut self, nest: &Nest) {
        let func = self.func;
        let region = func.region(nest.region);
        // What is fetched from memory is fetched before the loops.
        for &capture in nest.captures.iter().filter(|&&capture| matches!(func.inst(capture), Inst::Param(_))) {
            self.machine(capture);
        }
        let mark = self.mark();
        let cells: Vec<Array> =
            nest.cells.iter().zip(&region.cells).map(|(place, cell)| self.begin_cell(place, cell)).collect();
        for (cell, &place) in region.cells.iter().zip(&cells) {
            cell.bound.into_iter().for_each(|name| self.set(name, Machine::Array(place)));
        }
        let states = self.begin_states(nest, region);
        let mut run = Run { nest, region, cells, lanes: Vec::new(), turn: None, paired: false };
        run.paired = nest.split.is_none() && self.is_paired(&run);
        let mut sums = None;
        if nest.split.is_none() && !self.has_sums_in_registers(&run) {
            run.lanes = region.reductions.iter().map(|reduction| self.begin_reduction(reduction)).collect();
        }
        let end = match &*region.loops {
            loops if let Some(split) = &nest.split => {
                self.level(&mut run, 0);
                let load = |&sum: &BufferId| {
                    let place = self.buffer(sum);
                    self.load(&place, Type::F64)
                };
                sums = Some(split.sums.iter().map(load).collect());
                (loops.len() == 1).then(|| self.end_of(loops[0]))
            }
            [only] if run.paired => {
                self.steps(&nest.levels[0].steps);
                sums = self.paired(&mut run, *only);
                Some(self.end_of(*only))
            }
            [_] => Some(self.only_loop(&mut run)),
            _ => {
                self.level(&mut run, 0);
                None
            }
        };
        let reductions: Vec<Value> = match sums {
            Some(sums) => sums,
            None => region
                .reductions
                .iter()
                .zip(&run.lanes)
                .map(
                    |(each, &lanes)| {
                        if run.paired { self.combine_pairs(each, lanes) } else { self.combine(each, lanes) }
                    },
                )
                .collect(),
        };
        self.back_to(mark);

        let mut results: Vec<Machine> = Vec::new();
        let mut numbers = end.iter().flat_map(|end| end.states.iter().copied());
        for place in states {
            let number = |value: Option<Value>| Machine::Number(value.expect("an end of each state"), Range::ALL);
            results.push(place.map_or_else(|| number(numbers.next()), Machine::Array));
        }
        results.extend(run.cells.iter().map(|&cell| Machine::Array(cell)));
        results.extend(reductions.into_iter().map(|value| Machine::Number(value, Range::ALL)));
        if let Some(end) = &end {
            results.push(Machine::Number(end.turns, Range::between(0, i64::MAX)));
            if let Some(goes_on) = end.goes_on {
                self.set(nest.val, Machine::Number(goes_on, Range::ALL));
            }
        }
        for (number, machine) in results.into_iter().enumerate() {
            if let Some(&result) = self.plan.results.get(&(nest.val, number as u32)) {
                self.set(result, machine);
            }
        }
    }

    /// The place of a cell, with what it begins with.
    fn begin_cell(&mut self, place: &Place, cell: &crate::ir::Cell) -> Array {
        let count = Count::of(&cell.shape);
        let array = match place.home {
            Home::Buffer(buffer) => self.buffer(buffer),
            Home::Output(number) => self.output(number as usize),
            // It has its first value already.
            Home::Row { cell, update, otherwise, adds } => {
                return Array { adds, ..self.row(cell, update, otherwise) };
            }
        };
        if let Some(init) = cell.init {
            let init = self.array(init);
            self.copy(&array, &init, count, cell.ty);
        } else if place.zeroed {
            self.clear(&array, count);
        }
        match place.made {
            Some(made) => {
                let bytes = self.buffer(made);
                self.clear_bytes(&bytes, size(&cell.shape));
                array.marked(bytes.offset)
            }
            None => array,
        }
    }

    /// The row of a cell of the region around that an update changes; where there is none, memory that nobody reads.
    fn row(&mut self, cell: usize, update: usize, otherwise: BufferId) -> Array {
        let func = self.func;
        let (region, cells) = self.rows.last().expect("a region is around");
        let (around, place) = (func.region_of(*region).expect("it is one"), cells[cell]);
        let (shape, subscripts) = (&around.cells[cell].shape, &around.cells[cell].updates[update].subscripts);
        let inside = self.are_inside(shape, subscripts);
        if size(shape) == 0 {
            return self.buffer(otherwise);
        }
        let row = self.element(&place, shape, subscripts);
        match inside {
            None => row,
            Some(inside) => {
                let otherwise = self.buffer(otherwise);
                let (row, otherwise) = (self.pointer(&row), self.pointer(&otherwise));
                let base = self.builder().ins().select(inside, row, otherwise);
                Array::at(base, self.scopes.len())
            }
        }
    }

    /// Gives states that are arrays their first values. Where each array lies.
    fn begin_states(&mut self, nest: &Nest, region: &Region) -> Vec<Option<Array>> {
        let mut places = Vec::new();
        for (state, buffer) in region.states.iter().zip(&nest.states) {
            let place = buffer.map(|buffer| {
                let (place, init) = (self.buffer(buffer), self.array(state.init));
                self.copy(&place, &init, Count::of(self.func.shape(state.init)), self.func.ty(state.init));
                place
            });
            places.push(place);
        }
        for (state, place) in region.states.iter().zip(&places) {
            place.iter().for_each(|place| self.set(state.bound, Machine::Array(*place)));
        }
        places
    }

    /// The loop of a region that has one, with its states.
    fn only_loop(&mut self, run: &mut Run) -> End {
        let (nest, region) = (run.nest, run.region);
        let each = region.loops[0];
        let numbers: Vec<usize> = (0..region.states.len()).filter(|&number| nest.states[number].is_none()).collect();
        self.steps(&nest.levels[0].steps);
        nest.levels[0].checks.iter().for_each(|&number| self.check(number));
        let (low, high) = (self.get(each.low), self.get(each.high));
        let inits: Vec<Value> = numbers.iter().map(|&number| self.get(region.states[number].init)).collect();

        let frame = self.enter(each, &inits);
        let names: Vec<Val> = region.binds().collect();
        let (end, index) = (self.builder().create_block(), frame.index);
        let mut types: Vec<_> = numbers.iter().map(|&number| self.machine_type(region.states[number].init)).collect();
        // Where the test says no, the loop ends before it has come to its bound.
        let stopped = region.going.map(|_| {
            let stopped = self.builder().create_block();
            types.iter().for_each(|&ty| _ = self.builder().append_block_param(stopped, ty));
            self.builder().append_block_param(stopped, types::I64);
            stopped
        });
        self.scopes.push(Scope { names, entry: frame.entry, addresses: HashMap::new() });
        let inner = self.mark();
        self.bind(each, index);
        for (&number, &value) in numbers.iter().zip(&frame.states) {
            self.set(region.states[number].bound, Machine::Number(value, Range::ALL));
        }
        run.turn = Some(self.turn_number(each, index, low, high));
        if let (Some(going), Some(stopped)) = (region.going, stopped) {
            self.steps(&nest.test);
            let going = self.get(going);
            let (body, turns) = (self.builder().create_block(), run.turn.unwrap_or(index));
            let states: Vec<BlockArg> = frame.states.iter().chain([&turns]).map(|&value| value.into()).collect();
            self.builder().ins().brif(going, body, &[], stopped, &states);
            self.builder().switch_to_block(body);
        }
        self.level(run, 1);
        let next: Vec<Value> = numbers.iter().map(|&number| self.get(region.states[number].next)).collect();
        self.next_arrays(nest, region);
        self.repeat_loop(each, &frame, high, low, &next);
        self.scopes.pop();
        self.back_to(inner);

        // All turns have been made.
        self.builder().switch_to_block(frame.exit);
        let states: Vec<Value> = self.builder().block_params(frame.exit).to_vec();
        let turns = self.builder().ins().isub(high, low);
        let zero = self.lowering.int_const(0);
        let mut turns = self.builder().ins().smax(turns, zero);
        let Some(stopped) = stopped else { return End { states, turns, goes_on: None } };
        let goes_on = nest.watched.then(|| {
            let mark = self.mark();
            self.set(each.index, Machine::Number(high, Range::ALL));
            for (&number, &value) in numbers.iter().zip(&states) {
                self.set(region.states[number].bound, Machine::Number(value, Range::ALL));
            }
            self.steps(&nest.test);
            let goes_on = self.get(region.going.expect("it has a test"));
            self.back_to(mark);
            goes_on
        });
        types.push(types::I64);
        types.iter().for_each(|&ty| _ = self.builder().append_block_param(end, ty));
        let from = |states: &[Value]| -> Vec<BlockArg> { states.iter().map(|&value| value.into()).collect() };
        let mut all = from(&[&states[..], &[turns]].concat());
        let mut early = from(self.builder().block_params(stopped));
        if let Some(goes_on) = goes_on {
            self.builder().append_block_param(end, types::I8);
            all.push(goes_on.into());
        }
        self.builder().ins().jump(end, &all);
        self.builder().switch_to_block(stopped);
        if goes_on.is_some() {
            early.push(self.builder().ins().iconst(types::I8, 0).into());
        }
        self.builder().ins().jump(end, &early);
        self.builder().switch_to_block(end);
        let params = self.builder().block_params(end).to_vec();
        turns = params[numbers.len()];
        End { states: params[..numbers.len()].to_vec(), turns, goes_on: goes_on.map(|_| params[numbers.len() + 1]) }
    }

    /// The end of a loop without states that has made all its turns.
    fn end_of(&mut self, each: Loop) -> End {
        let (low, high, zero) = (self.get(each.low), self.get(each.high), self.lowering.int_const(0));
        let turns = self.builder().ins().isub(high, low);
        End { states: Vec::new(), turns: self.builder().ins().smax(turns, zero), goes_on: None }
    }

    /// Everything from a level on inwards.
    pub fn level(&mut self, run: &mut Run, level: usize) {
        let (nest, region) = (run.nest, run.region);
        let is_innermost = level == region.loops.len();
        if is_innermost {
            self.rows.push((nest.val, run.cells.clone()));
        }
        self.steps(&nest.levels[level].steps);
        nest.levels[level].checks.iter().for_each(|&number| self.check(number));
        if is_innermost {
            self.rows.pop();
            self.turn(run);
            nest.delayed.iter().for_each(|delayed| self.make_up(delayed, region.loops[0], &run.cells));
            return;
        }
        if let Some(split) = &nest.split
            && level + split.loops == region.loops.len()
        {
            split.calls.iter().for_each(|call| self.call(call, &run.cells));
            split.product.iter().for_each(|product| self.multiply(product, &run.cells));
            return;
        }
        let each = region.loops[level];
        if run.paired && level + 1 == region.loops.len() {
            self.paired(run, each);
            return;
        }
        let (low, high) = (self.get(each.low), self.get(each.high));
        let frame = self.enter(each, &[]);
        let mut names = vec![each.index];
        if level + 1 == region.loops.len() {
            names.extend(region.cells.iter().filter_map(|cell| cell.bound));
        }
        self.scopes.push(Scope { names, entry: frame.entry, addresses: HashMap::new() });
        let mark = self.mark();
        self.bind(each, frame.index);
        run.turn = Some(self.turn_number(each, frame.index, low, high));
        self.level(run, level + 1);
        self.repeat_loop(each, &frame, high, low, &[]);
        self.scopes.pop();
        self.back_to(mark);
        self.builder().switch_to_block(frame.exit);
    }

    /// A loop that does nothing but run code, and hands nothing on.
    pub fn counted(&mut self, each: Loop, code: impl FnOnce(&mut Self)) {
        let (low, high) = (self.get(each.low), self.get(each.high));
        let frame = self.enter(each, &[]);
        self.scopes.push(Scope { names: vec![each.index], entry: frame.entry, addresses: HashMap::new() });
        let mark = self.mark();
        self.bind(each, frame.index);
        code(self);
        self.repeat_loop(each, &frame, high, low, &[]);
        self.scopes.pop();
        self.back_to(mark);
        self.builder().switch_to_block(frame.exit);
    }

    pub fn bind(&mut self, each: Loop, index: Value) {
        let range = Range::of_index(self.range(each.low), self.range(each.high));
        self.set(each.index, Machine::Number(index, range));
    }

    /// The number of a turn.
    fn turn_number(&mut self, each: Loop, index: Value, low: Value, high: Value) -> Value {
        match each.direction {
            Direction::Up if self.func.inst(each.low) == Inst::Int(0) => index,
            Direction::Up => self.builder().ins().isub(index, low),
            Direction::Down => {
                let last = self.add_const(high, -1);
                self.builder().ins().isub(last, index)
            }
        }
    }

    /// Enters a loop if it has a turn.
    fn enter(&mut self, each: Loop, states: &[Value]) -> Frame {
        let (low, high) = (self.get(each.low), self.get(each.high));
        let (low_range, high_range) = (self.range(each.low), self.range(each.high));
        let (turn, exit) = (self.builder().create_block(), self.builder().create_block());
        let index = self.builder().append_block_param(turn, types::I64);
        let types: Vec<_> = states.iter().map(|&state| self.builder().func.dfg.value_type(state)).collect();
        let inside = types.iter().map(|&ty| self.builder().append_block_param(turn, ty)).collect();
        types.iter().for_each(|&ty| _ = self.builder().append_block_param(exit, ty));
        let first = match each.direction {
            Direction::Up => low,
            Direction::Down => self.add_const(high, -1),
        };
        let carried: Vec<BlockArg> = [first].iter().chain(states).map(|&value| value.into()).collect();
        let entry = if low_range.high < high_range.low {
            self.builder().ins().jump(turn, &carried)
        } else {
            let has_turn = self.builder().ins().icmp(IntCC::SignedLessThan, low, high);
            self.builder().ins().brif(has_turn, turn, &carried, exit, &carried[1..])
        };
        self.builder().switch_to_block(turn);
        Frame { turn, exit, entry, index, states: inside }
    }

    /// Ends a turn: the next one, or none.
    fn repeat_loop(&mut self, each: Loop, frame: &Frame, high: Value, low: Value, states: &[Value]) {
        let (next, goes_on) = match each.direction {
            Direction::Up => {
                let next = self.add_const(frame.index, 1);
                (next, self.builder().ins().icmp(IntCC::SignedLessThan, next, high))
            }
            Direction::Down => {
                let next = self.add_const(frame.index, -1);
                (next, self.builder().ins().icmp(IntCC::SignedGreaterThan, frame.index, low))
            }
        };
        let carried: Vec<BlockArg> = [next].iter().chain(states).map(|&value| value.into()).collect();
        self.builder().ins().brif(goes_on, frame.turn, &carried, frame.exit, &carried[1..]);
    }

    /// What a turn does when everything is computed; states that are numbers are handed on by the loop.
    fn turn(&mut self, run: &Run) {
        for (reduction, &lanes) in run.region.reductions.iter().zip(&run.lanes) {
            let guard = (self.func.inst(reduction.guard) != Inst::Bool(true)).then(|| self.get(reduction.guard));
            self.guarded(guard, |emitter| emitter.accumulate(reduction, lanes, run.turn));
        }
        for (number, (cell, &place)) in run.region.cells.iter().zip(&run.cells).enumerate() {
            for (at, update) in cell.updates.iter().enumerate() {
                if size(&cell.shape) > 0 && !run.nest.in_place.contains(&(number, at)) {
                    self.update(&cell.shape, &place, update);
                }
            }
        }
    }

    /// Code that runs only where a condition holds.
    pub fn guarded(&mut self, guard: Option<Value>, code: impl FnOnce(&mut Self)) {
        let Some(guard) = guard else { return code(self) };
        let (then, done) = (self.builder().create_block(), self.builder().create_block());
        self.builder().ins().brif(guard, then, &[], done, &[]);
        self.builder().switch_to_block(then);
        code(self);
        self.builder().ins().jump(done, &[]);
        self.builder().switch_to_block(done);
    }

    pub fn update(&mut self, shape: &[usize], place: &Array, update: &Update) {
        let func = self.func;
        let mut guard = (func.inst(update.guard) != Inst::Bool(true)).then(|| self.get(update.guard));
        if let Some(inside) = self.are_inside(shape, &update.subscripts) {
            guard = Some(guard.map_or(inside, |guard| self.builder().ins().band(guard, inside)));
        }
        let place = self.element(place, shape, &update.subscripts);
        let kind = place.kind(update);
        let (value, factor) = (self.machine(update.value), update.factor.map(|factor| self.get(factor)));
        let (ty, count) = (func.ty(update.value), Count::of(&shape[update.subscripts.len()..]));
        self.guarded(guard, |emitter| {
            match (value, kind) {
                (Machine::Number(value, _), UpdateKind::Store) => emitter.store(&place, value, ty),
                (Machine::Number(value, _), UpdateKind::Add) => {
                    let old = emitter.load(&place, ty);
                    let new = emitter.add(old, value, factor);
                    emitter.store(&place, new, ty);
                }
                (Machine::Array(row), UpdateKind::Store) => emitter.copy(&place, &row, count, ty),
                (Machine::Array(row), UpdateKind::Add) => emitter.add_row(&place, &row, factor, count),
            }
            if kind == UpdateKind::Store {
                emitter.mark_made(&place, count);
            }
        });
    }

    /// `old + value`, or `fma(value, factor, old)`.
    pub fn add(&mut self, old: Value, value: Value, factor: Option<Value>) -> Value {
        match factor {
            Some(factor) => self.lowering.op(Op::Fma, &[value, factor, old]),
            None => self.builder().ins().fadd(old, value),
        }
    }

    /// Adds a row element by element.
    fn add_row(&mut self, to: &Array, row: &Array, factor: Option<Value>, count: Count) {
        let elements = match count {
            Count::Known(elements) => elements,
            Count::Rows(_) => 0,
        };
        let factors =
            factor.filter(|_| self.lowering.target.fma).map(|factor| self.builder().ins().splat(F64X2, factor));
        let pairs = if factor.is_some() == factors.is_some() { elements / 2 } else { 0 };
        self.repeat(Count::Known(pairs), |emitter, number| {
            let number = emitter.builder().ins().iadd(number, number);
            let (to, from) = (emitter.at(to, number), emitter.at(row, number));
            let (old, value) = (emitter.load_pair(&to), emitter.load_pair(&from));
            let new = match factors {
                Some(factors) => emitter.builder().ins().fma(value, factors, old),
                None => emitter.builder().ins().fadd(old, value),
            };
            emitter.store_pair(&to, new);
        });
        let (to, row) = (to.skip(2 * pairs), row.skip(2 * pairs));
        let rest = if let Count::Rows(_) = count { count } else { Count::Known(elements - 2 * pairs) };
        self.repeat(rest, |emitter, number| {
            let (to, from) = (emitter.at(&to, number), emitter.at(&row, number));
            let (old, value) = (emitter.load(&to, Type::F64), emitter.load(&from, Type::F64));
            let new = emitter.add(old, value, factor);
            emitter.store(&to, new, Type::F64);
        });
    }

    /// Gives states that are arrays their next values.
    fn next_arrays(&mut self, nest: &Nest, region: &Region) {
        let func = self.func;
        let arrays = region.states.iter().zip(&nest.states).zip(&nest.waiting);
        let arrays: Vec<_> = arrays.filter_map(|((state, &home), &waiting)| Some((state, home?, waiting))).collect();
        let count = |val: Val| Count::of(func.shape(val));
        let mut next = Vec::new();
        for (state, _, waiting) in &arrays {
            let value = self.array(state.next);
            next.push(match waiting {
                Some(waiting) => {
                    let waiting = self.buffer(*waiting);
                    self.copy(&waiting, &value, count(state.next), func.ty(state.next));
                    waiting
                }
                None => value,
            });
        }
        for ((state, home, _), next) in arrays.into_iter().zip(next) {
            let home = self.buffer(home);
            self.copy(&home, &next, count(state.next), func.ty(state.next));
        }
    }

    /// The accumulators of a reduction.
    fn begin_reduction(&mut self, reduction: &Reduction) -> StackSlot {
        let lanes = lanes(reduction.op);
        let data = StackSlotData::new(StackSlotKind::ExplicitSlot, (ELEMENT * lanes) as u32, 3);
        let slot = self.builder().create_sized_stack_slot(data);
        let neutral = self.neutral(reduction.op);
        for lane in 0..lanes {
            self.store_lane(slot, lane, neutral);
        }
        slot
    }

    fn store_lane(&mut self, slot: StackSlot, lane: usize, value: Value) {
        self.builder().ins().stack_store(types::I64, value, slot, (ELEMENT * lane) as i32);
    }

    fn neutral(&mut self, op: Op) -> Value {
        match op {
            Op::Add => self.lowering.f64(0.0),
            Op::Min => self.lowering.f64(f64::INFINITY),
            Op::Max => self.lowering.f64(f64::NEG_INFINITY),
            Op::IAdd => self.lowering.int_const(0),
            Op::IMin => self.lowering.int_const(i64::MAX),
            Op::IMax => self.lowering.int_const(i64::MIN),
            Op::And | Op::Or => self.builder().ins().iconst(types::I8, i64::from(op == Op::And)),
            other => unreachable!("`{}` is no reduction", other.name()),
        }
    }

    pub fn accumulate(&mut self, reduction: &Reduction, slot: StackSlot, turn: Option<Value>) {
        let (value, factor) = (self.get(reduction.value), reduction.factor.map(|factor| self.get(factor)));
        let ty = lane_type(reduction.op);
        let mut at = self.builder().ins().stack_addr(types::I64, slot, 0);
        if let (Some(turn), true) = (turn, lanes(reduction.op) > 1) {
            let (mask, three) = (self.lowering.int_const(LANES as i64 - 1), self.lowering.int_const(3));
            let lane = self.builder().ins().band(turn, mask);
            let distance = self.builder().ins().ishl(lane, three);
            at = self.builder().ins().iadd(at, distance);
        }
        let flags = cranelift::prelude::MemFlagsData::trusted();
        let old = self.builder().ins().load(ty, flags, at, 0);
        let new = match factor {
            Some(_) => self.add(old, value, factor),
            None => self.lowering.op(reduction.op, &[old, value]),
        };
        self.builder().ins().store(flags, new, at, 0);
    }

    /// The result of a reduction: the upper half of the lanes goes to the lower half, until one is left.
    pub fn combine(&mut self, reduction: &Reduction, slot: StackSlot) -> Value {
        let ty = lane_type(reduction.op);
        let mut values: Vec<Value> = (0..lanes(reduction.op))
            .map(|lane| self.builder().ins().stack_load(types::I64, ty, slot, (ELEMENT * lane) as i32))
            .collect();
        while values.len() > 1 {
            let upper = values.split_off(values.len() / 2);
            values =
                values.iter().zip(upper).map(|(&low, high)| self.lowering.op(reduction.op, &[low, high])).collect();
        }
        values[0]
    }
}

/// A loop in the making.
struct Frame {
    turn: Block,
    exit: Block,
    entry: cranelift::codegen::ir::Inst,
    index: Value,
    states: Vec<Value>,
}

/// How many accumulators a reduction has. Where the order can't be seen in the result, one.
fn lanes(op: Op) -> usize {
    if matches!(op, Op::Add | Op::IAdd) { LANES } else { 1 }
}

fn lane_type(op: Op) -> cranelift::prelude::Type {
    match op {
        Op::Add | Op::Min | Op::Max => types::F64,
        Op::IAdd | Op::IMin | Op::IMax => types::I64,
        _ => types::I8,
    }
}
