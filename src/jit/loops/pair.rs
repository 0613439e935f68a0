//! Two turns at a time.
//!
//! The innermost loop of a region whose turns don't depend on each other is run for two indices at once, in registers of two
//! doubles. Elements that follow each other are one load, the lanes of a reduction are pairs of accumulators, and a choice is a mask.
//! What has no such form (integers, subscripts from data, a region inside) is done for one lane and then for the other.
//! Every number is the same as in one turn after the other.

use cranelift::codegen::ir::{ConstantData, Endianness, StackSlot, types::F64X2, types::I64X2};
use cranelift::prelude::{FloatCC, InstBuilder, IntCC, MemFlagsData, Value, types};
use hashbrown::HashMap;

use super::address::Array;
use super::emit::{Emitter, Machine, Scope};
use super::nest::Run;
use super::plan::{ELEMENT, Nest, Place, Step, size};
use super::range::Range;
use crate::ir::region::LANES;
use crate::ir::{Direction, Inst, Loop, Reduction, Update, UpdateKind, Val};
use crate::jit::lower::INLINE_POWER;
use crate::jit::shims::Symbol;
use crate::ops::{Op, Type};

/// A value in two turns.
#[derive(Clone, Copy)]
enum Two {
    /// Two doubles.
    Pair(Value),
    /// All bits of a lane where a condition holds.
    Mask(Value),
    /// A register for each lane.
    Each([(Value, Range); 2]),
}

/// The index that differs from lane to lane: in the register is that of the first lane of the first of several pairs.
#[derive(Clone, Copy)]
pub struct Displaced {
    pub index: Val,
    pub first: Value,
    pub by: i64,
}

/// Two turns in the making.
struct Turns<'r, 'a> {
    run: &'r Run<'a>,
    values: HashMap<Val, Two>,
    /// Numbers that no turn changes, twice.
    same: HashMap<Val, Value>,
    /// The index of the first lane, from that in the register.
    by: i64,
}

/// Where the accumulators of reductions are.
enum Sums<'s> {
    /// In the stack.
    Slots,
    /// In registers: of each reduction a pair for each pair of lanes, and which one is next.
    Registers(&'s mut [Vec<Value>], usize),
}

/// Bodies of so many steps are written several times.
const LIGHT: usize = 8;

/// A sum of so many simple turns has no loop.
const WRITTEN_OUT: usize = 64;

/// Of regions inside so many steps are written twice.
const INSIDE: usize = 60;

impl<'a> Emitter<'a, '_, '_> {
    /// Whether two turns of the innermost loop of a region can be made at once.
    pub fn is_paired(&self, run: &Run) -> bool {
        let (nest, region) = (run.nest, run.region);
        let depth = region.loops.len();
        let [.., innermost] = &*region.loops else { return false };
        let block = &nest.levels[depth];
        let bound: Vec<Val> = region.cells.iter().filter_map(|cell| cell.bound).collect();
        let is_simple = |step: &Step| match step {
            Step::Value(val) => {
                let is_call = self.func.inst(*val).op().is_some_and(|op| op.row().cost > 5 && op != Op::Powi);
                !is_call && !self.func.is_array(*val) && !self.func.depends(*val, &bound)
            }
            Step::Nest(inner) => self.is_quiet(inner) && !self.func.depends(inner.val, &bound),
        };
        let ordered = region.reductions.iter().any(|reduction| matches!(reduction.op, Op::Add | Op::IAdd));
        let is_update = |update: &Update| {
            let used = update.subscripts.iter().chain([&update.value, &update.guard]).chain(&update.factor);
            !self.func.is_array(update.value) && !used.copied().any(|val| self.func.depends(val, &bound))
        };
        // Two cells that are rows of one cell could be one memory.
        let rows: Vec<usize> = nest.cells.iter().filter_map(Place::row).collect();
        let are_distinct = rows.iter().enumerate().all(|(place, row)| !rows[..place].contains(row));
        region.states.is_empty()
            && are_distinct
            && region.going.is_none()
            && (innermost.direction == Direction::Up
                || !ordered && region.cells.iter().all(|cell| self.is_injective(innermost.index, cell)))
            && block.checks.is_empty()
            && block.steps.iter().all(is_simple)
            && region.cells.iter().enumerate().all(|(number, cell)| {
                cell.updates.len() == 1 && (nest.in_place.contains(&(number, 0)) || is_update(&cell.updates[0]))
            })
            && run.cells.iter().all(|cell| cell.marks.is_none())
            && block.steps.iter().map(steps_of).sum::<usize>() <= 10 * INSIDE
    }

    /// Whether each turn changes another element.
    fn is_injective(&self, index: Val, cell: &crate::ir::Cell) -> bool {
        cell.updates.iter().all(|update| update.subscripts.contains(&index))
    }

    /// Whether a region can be run twice: nothing is seen of it but numbers, and what it does to rows.
    fn is_quiet(&self, nest: &Nest) -> bool {
        let region = self.func.region(nest.region);
        let steps: usize = nest.levels.iter().flat_map(|block| &block.steps).chain(&nest.test).map(steps_of).sum();
        nest.cells.iter().all(|place| place.row().is_some())
            && region.states.iter().all(|state| !self.func.is_array(state.init))
            && nest.levels.iter().all(|block| block.checks.is_empty())
            && !nest.watched
            && steps <= INSIDE
    }

    /// The innermost loop of a region, two turns at a time; then what is left. The results of reductions that are sums, if they
    /// are in registers.
    pub fn paired(&mut self, run: &mut Run, each: Loop) -> Option<Vec<Value>> {
        let level = run.region.loops.len();
        let block = &run.nest.levels[level];
        let weight = block.steps.iter().filter(|step| self.is_work(step)).count();
        if self.has_sums_in_registers(run) {
            let n = self.trips(each).unwrap_or(0);
            return Some(self.sums_in_registers(run, each, n));
        }
        let is_small = weight <= LIGHT / 2 && !block.steps.iter().any(|step| matches!(step, Step::Nest(_)));
        self.pairs_and_rest(run, each, if is_small { 2 } else { 1 });
        None
    }

    /// How many turns a loop makes, if that is known.
    fn trips(&mut self, each: Loop) -> Option<usize> {
        let (low, high) = (self.range(each.low), self.range(each.high));
        let is_known = low.low == low.high && high.low == high.high;
        is_known.then(|| usize::try_from(high.low - low.low).unwrap_or(0))
    }

    /// Whether there is nothing but one sum over a known number of simple turns.
    pub fn has_sums_in_registers(&mut self, run: &Run) -> bool {
        let ([only], [reduction]) = (&*run.region.loops, &*run.region.reductions) else { return false };
        let steps = &run.nest.levels[1].steps;
        let is_light = steps.iter().filter(|step| self.is_work(step)).count() <= LIGHT
            && !steps.iter().any(|step| matches!(step, Step::Nest(_)));
        let can_fma = reduction.factor.is_none() || self.lowering.target.fma;
        run.paired && is_light && can_fma && reduction.op == Op::Add && self.trips(*only).is_some()
    }

    fn is_work(&self, step: &Step) -> bool {
        match step {
            Step::Value(val) => self.func.ty(*val) != Type::Int,
            Step::Nest(_) => true,
        }
    }

    /// A loop of so many pairs a turn, then one of a pair a turn if need be, then the last turn.
    fn pairs_and_rest(&mut self, run: &mut Run, each: Loop, pairs: usize) {
        let n = self.trips(each);
        let (low, high) = (self.get(each.low), self.get(each.high));
        let mut index = low;
        for pairs in if pairs > 1 { vec![pairs, 1] } else { vec![1] } {
            let width = 2 * pairs;
            if n.is_some_and(|n| n < width) {
                continue;
            }
            index = self.loop_of(run, each, index, high, width, |emitter, turns| {
                for pair in 0..pairs {
                    turns.start(2 * pair as i64);
                    emitter.two(turns, &mut Sums::Slots);
                }
            });
        }
        if n.is_some_and(|n| n % 2 == 0) {
            return;
        }
        let (last, done) = (self.builder().create_block(), self.builder().create_block());
        let has_turn = self.builder().ins().icmp(IntCC::SignedLessThan, index, high);
        let entry = self.builder().ins().brif(has_turn, last, &[], done, &[]);
        self.builder().switch_to_block(last);
        self.single(run, each, index, low, entry);
        self.builder().ins().jump(done, &[]);
        self.builder().switch_to_block(done);
    }

    /// The last turn.
    fn single(&mut self, run: &mut Run, each: Loop, index: Value, low: Value, entry: cranelift::codegen::ir::Inst) {
        let level = run.region.loops.len();
        self.scopes.push(Scope { names: vec![each.index], entry, addresses: HashMap::new() });
        let mark = self.mark();
        self.bind(each, index);
        run.turn = Some(self.builder().ins().isub(index, low));
        self.level(run, level);
        self.back_to(mark);
        self.scopes.pop();
    }

    /// A loop of `width` turns of the region a turn, as long as so many are left; the index after it.
    fn loop_of(
        &mut self,
        run: &mut Run,
        each: Loop,
        index: Value,
        high: Value,
        width: usize,
        code: impl FnOnce(&mut Self, &mut Turns),
    ) -> Value {
        let low = self.get(each.low);
        let (turn, done) = (self.builder().create_block(), self.builder().create_block());
        let first = self.builder().append_block_param(turn, types::I64);
        let after = self.builder().append_block_param(done, types::I64);
        let last = self.add_const(high, 1 - width as i64);
        let has_turn = self.builder().ins().icmp(IntCC::SignedLessThan, index, last);
        let entry = self.builder().ins().brif(has_turn, turn, &[index.into()], done, &[index.into()]);
        self.builder().switch_to_block(turn);
        self.scopes.push(Scope { names: vec![each.index], entry, addresses: HashMap::new() });
        let mark = self.mark();
        self.bind(each, first);
        run.turn =
            Some(if self.func.inst(each.low) == Inst::Int(0) { first } else { self.builder().ins().isub(first, low) });
        self.displaced.push(Displaced { index: each.index, first, by: 0 });
        let mut turns = Turns { run, values: HashMap::new(), same: HashMap::new(), by: 0 };
        code(self, &mut turns);
        self.displaced.pop();
        let next = self.add_const(first, width as i64);
        let goes_on = self.builder().ins().icmp(IntCC::SignedLessThan, next, last);
        self.builder().ins().brif(goes_on, turn, &[next.into()], done, &[next.into()]);
        self.scopes.pop();
        self.back_to(mark);
        self.builder().switch_to_block(done);
        after
    }

    /// One sum over a known number of turns: its accumulators stay in registers.
    fn sums_in_registers(&mut self, run: &mut Run, each: Loop, n: usize) -> Vec<Value> {
        const PAIRS: usize = LANES / 2;
        let low = self.get(each.low);
        let zero = self.pair_const(0.0);
        let mut sums = vec![vec![zero; PAIRS]; run.region.reductions.len()];
        // A few turns are written out.
        let whole = if n <= WRITTEN_OUT { 0 } else { n / LANES };
        let rest = n - whole * LANES;
        let mut index = low;
        if whole > 0 {
            let (turn, done) = (self.builder().create_block(), self.builder().create_block());
            let first = self.builder().append_block_param(turn, types::I64);
            let inside: Vec<Value> = (0..PAIRS).map(|_| self.builder().append_block_param(turn, F64X2)).collect();
            let carried: Vec<_> = [index].iter().chain(&sums[0]).map(|&value| value.into()).collect();
            let entry = self.builder().ins().jump(turn, &carried);
            self.builder().switch_to_block(turn);
            sums[0] = inside;
            self.enter_pairs(run, each, first, entry, |emitter, turns| {
                for pair in 0..PAIRS {
                    turns.start(2 * pair as i64);
                    emitter.two(turns, &mut Sums::Registers(&mut sums, pair));
                }
            });
            index = self.add_const(first, LANES as i64);
            let end = self.get(each.low);
            let end = self.add_const(end, (whole * LANES) as i64);
            if whole == 1 {
                self.builder().ins().jump(done, &[]);
            } else {
                let carried: Vec<_> = [index].iter().chain(&sums[0]).map(|&value| value.into()).collect();
                let goes_on = self.builder().ins().icmp(IntCC::SignedLessThan, index, end);
                self.builder().ins().brif(goes_on, turn, &carried, done, &[]);
            }
            self.builder().switch_to_block(done);
        }
        if rest > 0 {
            let block = self.builder().create_block();
            let entry = self.builder().ins().jump(block, &[]);
            self.builder().switch_to_block(block);
            self.enter_pairs(run, each, index, entry, |emitter, turns| {
                for pair in 0..rest / 2 {
                    turns.start(2 * pair as i64);
                    emitter.two(turns, &mut Sums::Registers(&mut sums, pair % PAIRS));
                }
                if rest % 2 == 1 {
                    turns.start(rest as i64 - 1);
                    emitter.one_into(turns, &mut sums[0][rest / 2 % PAIRS]);
                }
            });
        }
        sums.into_iter().map(|pairs| self.sum_pairs(pairs)).collect()
    }

    /// Code of several pairs of turns in a loop that has been entered, or after it.
    fn enter_pairs(
        &mut self,
        run: &mut Run,
        each: Loop,
        first: Value,
        entry: cranelift::codegen::ir::Inst,
        code: impl FnOnce(&mut Self, &mut Turns),
    ) {
        self.scopes.push(Scope { names: vec![each.index], entry, addresses: HashMap::new() });
        let mark = self.mark();
        self.bind(each, first);
        self.displaced.push(Displaced { index: each.index, first, by: 0 });
        let mut turns = Turns { run, values: HashMap::new(), same: HashMap::new(), by: 0 };
        code(self, &mut turns);
        self.displaced.pop();
        self.back_to(mark);
        self.scopes.pop();
    }

    /// A single turn whose term goes into the lower lane.
    fn one_into(&mut self, turns: &mut Turns, sums: &mut Value) {
        let (run, mark) = (turns.run, self.mark());
        self.shift(turns.by);
        self.steps(&run.nest.levels[run.region.loops.len()].steps);
        let reduction = &run.region.reductions[0];
        let (value, factor) = (self.get(reduction.value), reduction.factor.map(|factor| self.get(factor)));
        let old = self.builder().ins().extractlane(*sums, 0);
        let mut new = self.add(old, value, factor);
        if self.func.inst(reduction.guard) != Inst::Bool(true) {
            let guard = self.get(reduction.guard);
            new = self.builder().ins().select(guard, new, old);
        }
        *sums = self.builder().ins().insertlane(*sums, new, 0);
        for (cell, &place) in run.region.cells.iter().zip(&run.cells) {
            cell.updates.iter().for_each(|update| self.update(&cell.shape, &place, update));
        }
        self.back_to(mark);
    }

    /// The result of a reduction over pairs of turns.
    pub fn combine_pairs(&mut self, reduction: &Reduction, slot: StackSlot) -> Value {
        if reduction.op != Op::Add {
            return self.combine(reduction, slot);
        }
        let at = self.builder().ins().stack_addr(types::I64, slot, 0);
        let place = Array::at(at, self.scopes.len());
        let pairs = (0..LANES / 2).map(|pair| self.load_pair(&place.skip(2 * pair))).collect();
        self.sum_pairs(pairs)
    }

    /// The sum of all lanes, by halves.
    fn sum_pairs(&mut self, mut pairs: Vec<Value>) -> Value {
        while pairs.len() > 1 {
            let upper = pairs.split_off(pairs.len() / 2);
            pairs = pairs.iter().zip(upper).map(|(&low, high)| self.builder().ins().fadd(low, high)).collect();
        }
        let (low, high) =
            (self.builder().ins().extractlane(pairs[0], 0), self.builder().ins().extractlane(pairs[0], 1));
        self.builder().ins().fadd(low, high)
    }

    fn shift(&mut self, by: i64) {
        if let Some(displaced) = self.displaced.last_mut() {
            displaced.by = by;
        }
    }

    /// Two turns.
    fn two(&mut self, turns: &mut Turns, sums: &mut Sums) {
        let run = turns.run;
        let mark = self.mark();
        self.shift(turns.by);
        self.rows.push((run.nest.val, run.cells.clone()));
        for step in &run.nest.levels[run.region.loops.len()].steps {
            match step {
                Step::Value(val) => {
                    let two = self.compute_two(turns, *val);
                    self.keep_two(turns, *val, two);
                }
                Step::Nest(nest) => self.nest_twice(turns, nest),
            }
        }
        self.rows.pop();
        for (number, reduction) in run.region.reductions.iter().enumerate() {
            self.reduce_two(turns, reduction, number, sums);
        }
        for (number, (cell, &place)) in run.region.cells.iter().zip(&run.cells).enumerate() {
            if size(&cell.shape) > 0 && !run.nest.in_place.contains(&(number, 0)) {
                self.update_two(turns, &cell.shape, &place, &cell.updates[0]);
            }
        }
        self.back_to(mark);
    }

    /// Subscripts are seen as they are in the first lane.
    fn keep_two(&mut self, turns: &mut Turns, val: Val, two: Two) {
        turns.values.insert(val, two);
        if let Two::Each([(first, range), _]) = two {
            self.set(val, Machine::Number(first, range));
        }
    }

    /// Code for each lane by itself. What it sets is undone.
    fn each_lane<T>(&mut self, turns: &Turns, used: &[Val], mut code: impl FnMut(&mut Self, usize) -> T) -> [T; 2] {
        [0, 1].map(|lane| {
            let mark = self.mark();
            self.shift(turns.by + lane as i64);
            for (&val, &two) in &turns.values {
                match two {
                    // Subscripts are looked through.
                    Two::Each(each) => self.set(val, Machine::Number(each[lane].0, each[lane].1)),
                    _ if used.contains(&val) => {
                        let value = self.lane_of(two, lane);
                        self.set(val, Machine::Number(value, Range::ALL));
                    }
                    Two::Pair(_) | Two::Mask(_) => {}
                }
            }
            let result = code(self, lane);
            self.back_to(mark);
            self.shift(turns.by);
            result
        })
    }

    fn lane_of(&mut self, two: Two, lane: usize) -> Value {
        match two {
            Two::Pair(pair) => self.builder().ins().extractlane(pair, lane as u8),
            Two::Mask(mask) => {
                let bits = self.builder().ins().extractlane(mask, lane as u8);
                let byte = self.builder().ins().ireduce(types::I8, bits);
                let one = self.builder().ins().iconst(types::I8, 1);
                self.builder().ins().band(byte, one)
            }
            Two::Each(each) => each[lane].0,
        }
    }

    /// An operator for one lane and then for the other.
    fn lane_by_lane(&mut self, turns: &Turns, val: Val) -> Two {
        let func = self.func;
        let operands = func.operands(val).as_slice().to_vec();
        let each = self.each_lane(turns, &operands, |emitter, _| match emitter.compute(val) {
            Machine::Number(value, range) => (value, range),
            Machine::Array(_) => unreachable!("arrays aren't in two turns at once"),
        });
        if func.ty(val) == Type::F64 { Two::Pair(self.both(each.map(|each| each.0))) } else { Two::Each(each) }
    }

    fn both(&mut self, [low, high]: [Value; 2]) -> Value {
        let pair = self.builder().ins().scalar_to_vector(F64X2, low);
        self.builder().ins().insertlane(pair, high, 1)
    }

    /// A region inside, once for each lane.
    fn nest_twice(&mut self, turns: &mut Turns, nest: &Nest) {
        let region = self.func.region(nest.region);
        let used: Vec<Val> = turns.values.keys().copied().collect();
        let numbers: Vec<Val> = (0..region.results())
            .filter_map(|number| self.plan.results.get(&(nest.val, number as u32)).copied())
            .filter(|&result| !self.func.is_array(result))
            .collect();
        let lanes = self.each_lane(turns, &used, |emitter, _| {
            emitter.nest(nest);
            numbers.iter().map(|&number| (emitter.get(number), emitter.range(number))).collect::<Vec<_>>()
        });
        for (place, &number) in numbers.iter().enumerate() {
            let each = [lanes[0][place], lanes[1][place]];
            let two = match self.func.ty(number) {
                Type::F64 => Two::Pair(self.both(each.map(|each| each.0))),
                _ => Two::Each(each),
            };
            self.keep_two(turns, number, two);
        }
    }

    fn compute_two(&mut self, turns: &mut Turns, val: Val) -> Two {
        let func = self.func;
        match func.inst(val) {
            Inst::Read(_) if func.ty(val) == Type::F64 => self.read_two(turns, val),
            Inst::Ternary(Op::Select, condition, a, b) if func.ty(val) == Type::F64 => {
                match func.inst(b) {
                    Inst::Unary(op, x) if self.plan.deferred.contains(&b) => {
                        let (mask, a, x) = (self.mask(turns, condition), self.pair(turns, a), self.pair(turns, x));
                        return Two::Pair(self.or_calls(mask, a, op, &[x]));
                    }
                    _ => {}
                }
                let (mask, a, b) = (self.mask(turns, condition), self.pair(turns, a), self.pair(turns, b));
                Two::Pair(self.choose(mask, a, b))
            }
            Inst::Binary(op @ (Op::Lt | Op::Le | Op::Eq | Op::Ne), a, b) => {
                let (a, b) = (self.pair(turns, a), self.pair(turns, b));
                let condition = match op {
                    Op::Lt => FloatCC::LessThan,
                    Op::Le => FloatCC::LessThanOrEqual,
                    Op::Eq => FloatCC::Equal,
                    _ => FloatCC::NotEqual,
                };
                Two::Mask(self.builder().ins().fcmp(condition, a, b))
            }
            Inst::Binary(op @ (Op::And | Op::Or), a, b) => {
                let (a, b) = (self.mask(turns, a), self.mask(turns, b));
                let ins = self.builder().ins();
                Two::Mask(if op == Op::And { ins.band(a, b) } else { ins.bor(a, b) })
            }
            Inst::Unary(Op::Not, a) => {
                let a = self.mask(turns, a);
                Two::Mask(self.builder().ins().bnot(a))
            }
            Inst::Binary(Op::Powi, a, n) => match func.inst(n) {
                Inst::Int(n @ 1..=INLINE_POWER) => {
                    let a = self.pair(turns, a);
                    Two::Pair(self.lowering.power(&mut vec![a], n))
                }
                _ => self.lane_by_lane(turns, val),
            },
            Inst::Nary(op, list) if matches!(op, Op::Min | Op::Max) => {
                let pairs: Vec<Value> = func.list(list).iter().map(|&operand| self.pair(turns, operand)).collect();
                let best = pairs.into_iter().reduce(|best, next| self.op_two(op, &[best, next]).unwrap_or(best));
                best.map_or_else(|| self.lane_by_lane(turns, val), Two::Pair)
            }
            Inst::Unary(op, _) | Inst::Binary(op, ..) | Inst::Ternary(op, ..)
                if has_pairs(op, self.lowering.target) =>
            {
                let x: Vec<Value> = func.operands(val).iter().map(|&operand| self.pair(turns, operand)).collect();
                let value = self.op_two(op, &x);
                value.map_or_else(|| self.lane_by_lane(turns, val), Two::Pair)
            }
            _ => self.lane_by_lane(turns, val),
        }
    }

    /// Elements at two indices.
    fn read_two(&mut self, turns: &Turns, val: Val) -> Two {
        let func = self.func;
        let (array, subscripts) = self.parts(val);
        let shape = func.shape(array);
        let stride = if size(shape) == 0 { None } else { self.stride(turns, shape, subscripts) };
        let Some(stride) = stride else { return self.lane_by_lane(turns, val) };
        let place = self.array(array);
        let place = self.element(&place, shape, subscripts);
        Two::Pair(match stride {
            1 => self.load_pair(&place),
            0 => {
                let number = self.load(&place, Type::F64);
                self.builder().ins().splat(F64X2, number)
            }
            _ => {
                let next = Array { offset: place.offset + stride * ELEMENT as i64, ..place };
                let (low, high) = (self.load(&place, Type::F64), self.load(&next, Type::F64));
                self.both([low, high])
            }
        })
    }

    /// How many elements the places at two indices that follow each other are apart, if that is always the same.
    fn stride(&mut self, turns: &Turns, shape: &[usize], subscripts: &[Val]) -> Option<i64> {
        let index = turns.run.region.loops.last()?.index;
        let mut stride = 0;
        for (dimension, &subscript) in subscripts.iter().enumerate() {
            if !self.range_of(turns, subscript).is_inside(shape[dimension]) {
                return None;
            }
            stride += self.slope(turns, subscript, index)? * size(&shape[dimension + 1..]) as i64;
        }
        Some(stride)
    }

    fn range_of(&mut self, turns: &Turns, val: Val) -> Range {
        match turns.values.get(&val) {
            Some(Two::Each(each)) => each[0].1,
            _ => self.range(val),
        }
    }

    /// How much a subscript grows with the index.
    fn slope(&mut self, turns: &Turns, val: Val, index: Val) -> Option<i64> {
        let func = self.func;
        if val == index {
            return Some(1);
        }
        if !turns.values.contains_key(&val) {
            return Some(0);
        }
        if self.range_of(turns, val) == Range::ALL {
            return None;
        }
        match func.inst(val) {
            Inst::Binary(Op::IAdd, a, b) => Some(self.slope(turns, a, index)? + self.slope(turns, b, index)?),
            Inst::Binary(Op::ISub, a, b) => Some(self.slope(turns, a, index)? - self.slope(turns, b, index)?),
            Inst::Binary(Op::IMul, a, b) => match (func.int(a), func.int(b)) {
                (Some(constant), _) => self.slope(turns, b, index)?.checked_mul(constant),
                (_, Some(constant)) => self.slope(turns, a, index)?.checked_mul(constant),
                _ => None,
            },
            _ => None,
        }
    }

    /// Two doubles.
    fn pair(&mut self, turns: &mut Turns, val: Val) -> Value {
        match turns.values.get(&val) {
            Some(&Two::Pair(pair)) => pair,
            Some(_) => unreachable!("conditions and integers are no doubles"),
            None => match self.func.inst(val) {
                Inst::F64(bits) => self.pair_const(bits.value()),
                _ => {
                    if let Some(&same) = turns.same.get(&val) {
                        return same;
                    }
                    let value = self.get(val);
                    let same = self.before_loop(|mut cursor| cursor.ins().splat(F64X2, value));
                    turns.same.insert(val, same);
                    same
                }
            },
        }
    }

    fn pair_const(&mut self, value: f64) -> Value {
        self.bits_const(value.to_bits(), F64X2)
    }

    fn bits_const(&mut self, bits: u64, ty: cranelift::prelude::Type) -> Value {
        let bytes: Vec<u8> = [bits.to_le_bytes(), bits.to_le_bytes()].concat();
        let constant = self.builder().func.dfg.constants.insert(ConstantData::from(bytes));
        self.builder().ins().vconst(ty, constant)
    }

    /// A condition of each lane.
    fn mask(&mut self, turns: &Turns, val: Val) -> Value {
        match turns.values.get(&val) {
            Some(&Two::Mask(mask)) => mask,
            Some(&Two::Each(each)) => {
                let lanes = each.map(|(byte, _)| self.all_bits(byte));
                let mask = self.builder().ins().scalar_to_vector(I64X2, lanes[0]);
                self.builder().ins().insertlane(mask, lanes[1], 1)
            }
            Some(Two::Pair(_)) => unreachable!("doubles are no conditions"),
            None => {
                let byte = self.get(val);
                let bits = self.all_bits(byte);
                self.builder().ins().splat(I64X2, bits)
            }
        }
    }

    fn all_bits(&mut self, byte: Value) -> Value {
        let wide = self.builder().ins().uextend(types::I64, byte);
        self.builder().ins().ineg(wide)
    }

    fn choose(&mut self, mask: Value, a: Value, b: Value) -> Value {
        let little = MemFlagsData::new().with_endianness(Endianness::Little);
        let mask = self.builder().ins().bitcast(F64X2, little, mask);
        self.builder().ins().bitselect(mask, a, b)
    }

    /// The value of each lane where it is good, else the result of a call for both.
    fn or_calls(&mut self, mask: Value, value: Value, op: Op, x: &[Value]) -> Value {
        let (cold, done) = (self.builder().create_block(), self.builder().create_block());
        self.builder().append_block_param(done, F64X2);
        self.builder().set_cold_block(cold);
        let bits = self.builder().ins().vhigh_bits(types::I32, mask);
        let three = self.builder().ins().iconst(types::I32, 3);
        let all = self.builder().ins().icmp(IntCC::Equal, bits, three);
        self.builder().ins().brif(all, done, &[value.into()], cold, &[]);
        self.builder().switch_to_block(cold);
        let called = [0, 1].map(|lane| {
            let x: Vec<Value> = x.iter().map(|&x| self.builder().ins().extractlane(x, lane)).collect();
            let call = self.lowering.call_for(Symbol::Value(op), &x);
            self.builder().inst_results(call)[0]
        });
        let called = self.both(called);
        let chosen = self.choose(mask, value, called);
        self.builder().ins().jump(done, &[chosen.into()]);
        self.builder().switch_to_block(done);
        self.builder().block_params(done)[0]
    }

    /// An operator on pairs; `None` where there is none.
    fn op_two(&mut self, op: Op, x: &[Value]) -> Option<Value> {
        let ins = self.lowering.builder.ins();
        Some(match op {
            Op::Neg => ins.fneg(x[0]),
            Op::Add => ins.fadd(x[0], x[1]),
            Op::Sub => ins.fsub(x[0], x[1]),
            Op::Mul => ins.fmul(x[0], x[1]),
            Op::Div => ins.fdiv(x[0], x[1]),
            Op::Fma => ins.fma(x[0], x[1], x[2]),
            Op::Sqrt => ins.sqrt(x[0]),
            Op::Abs => ins.fabs(x[0]),
            Op::Floor => ins.floor(x[0]),
            Op::Ceil => ins.ceil(x[0]),
            Op::Rint => ins.nearest(x[0]),
            Op::Trunc => ins.trunc(x[0]),
            Op::Min => ins.fmin(x[0], x[1]),
            Op::Max => ins.fmax(x[0], x[1]),
            Op::Stop => x[0],
            Op::Clamp => {
                let raised = ins.fmax(x[0], x[1]);
                self.builder().ins().fmin(raised, x[2])
            }
            Op::Relu => {
                let zero = self.pair_const(0.0);
                self.builder().ins().fmax(x[0], zero)
            }
            Op::Copysign => {
                let sign = self.pair_const(-0.0);
                let sign_of = self.builder().ins().band(x[1], sign);
                let size = self.builder().ins().fabs(x[0]);
                self.builder().ins().bor(size, sign_of)
            }
            Op::Domain => {
                let undefined = self.builder().ins().fcmp(FloatCC::Unordered, x[0], x[0]);
                let little = MemFlagsData::new().with_endianness(Endianness::Little);
                let undefined = self.builder().ins().bitcast(F64X2, little, undefined);
                self.builder().ins().bor(x[1], undefined)
            }
            Op::Scale => self.scale_two(x),
            Op::Exponent | Op::Significand => self.field_two(op, x[0]),
            _ => return None,
        })
    }

    fn as_bits(&mut self, x: Value) -> Value {
        let little = MemFlagsData::new().with_endianness(Endianness::Little);
        self.builder().ins().bitcast(I64X2, little, x)
    }

    fn as_numbers(&mut self, bits: Value) -> Value {
        let little = MemFlagsData::new().with_endianness(Endianness::Little);
        self.builder().ins().bitcast(F64X2, little, bits)
    }

    /// The exponents' fields.
    fn fields(&mut self, bits: Value) -> Value {
        let (shift, mask) = (self.builder().ins().iconst(types::I32, 52), self.bits_const(0x7ff, I64X2));
        let high = self.builder().ins().ushr(bits, shift);
        self.builder().ins().band(high, mask)
    }

    /// Whether fields are those of normal numbers.
    fn are_fields(&mut self, fields: Value) -> Value {
        let (zero, end) = (self.bits_const(0, I64X2), self.bits_const(0x7ff, I64X2));
        let above = self.builder().ins().icmp(IntCC::SignedGreaterThan, fields, zero);
        let below = self.builder().ins().icmp(IntCC::SignedGreaterThan, end, fields);
        self.builder().ins().band(above, below)
    }

    /// `x*2^floor(k)`: as `Lowering::scale`, with a call where a lane needs it.
    fn scale_two(&mut self, x: &[Value]) -> Value {
        // So large a number has its whole part in its low bits; such a `k` has no simple result.
        let (to_whole, limit) = (self.pair_const(1.5 * (1_u64 << 52) as f64), self.pair_const(4096.0));
        let floor = self.builder().ins().floor(x[1]);
        let moved = self.builder().ins().fadd(floor, to_whole);
        let (moved, zero) = (self.as_bits(moved), self.as_bits(to_whole));
        let k = self.builder().ins().isub(moved, zero);
        let size = self.builder().ins().fabs(floor);
        let is_small = self.builder().ins().fcmp(FloatCC::LessThan, size, limit);
        let bits = self.as_bits(x[0]);
        let fields = self.fields(bits);
        let moved = self.builder().ins().iadd(fields, k);
        let (before, after) = (self.are_fields(fields), self.are_fields(moved));
        let good = self.builder().ins().band(before, after);
        let good = self.builder().ins().band(good, is_small);
        let shift = self.builder().ins().iconst(types::I32, 52);
        let k = self.builder().ins().ishl(k, shift);
        let bits = self.builder().ins().iadd(bits, k);
        let simple = self.as_numbers(bits);
        self.or_calls(good, simple, Op::Scale, x)
    }

    /// Exponent or significand.
    fn field_two(&mut self, op: Op, x: Value) -> Value {
        let bits = self.as_bits(x);
        let fields = self.fields(bits);
        let good = self.are_fields(fields);
        let simple = if op == Op::Exponent {
            // The field in the low bits of 2^52.
            let (whole, bias) = (self.bits_const(0x433 << 52, I64X2), self.pair_const((1_u64 << 52) as f64 + 1023.0));
            let number = self.builder().ins().bor(fields, whole);
            let number = self.as_numbers(number);
            self.builder().ins().fsub(number, bias)
        } else {
            // See `Lowering::field`.
            let (fraction, first) = (self.bits_const((1 << 52) - 1, I64X2), self.bits_const(1 << 51, I64X2));
            let one = self.bits_const(0x3ff << 52, I64X2);
            let left = self.builder().ins().iconst(types::I32, 1);
            let upper = self.builder().ins().band(bits, first);
            let upper = self.builder().ins().ishl(upper, left);
            let bits = self.builder().ins().band(bits, fraction);
            let bits = self.builder().ins().bor(bits, one);
            let bits = self.builder().ins().bxor(bits, upper);
            self.as_numbers(bits)
        };
        self.or_calls(good, simple, op, &[x])
    }

    /// `old + value`, or by `fma`, where the guard holds.
    fn add_two(&mut self, turns: &mut Turns, old: Value, value: Val, factor: Option<Val>, guard: Val) -> Value {
        let value = self.pair(turns, value);
        let new = match factor.map(|factor| self.pair(turns, factor)) {
            Some(factor) => self.builder().ins().fma(value, factor, old),
            None => self.builder().ins().fadd(old, value),
        };
        if self.func.inst(guard) == Inst::Bool(true) {
            return new;
        }
        let mask = self.mask(turns, guard);
        self.choose(mask, new, old)
    }

    fn reduce_two(&mut self, turns: &mut Turns, reduction: &Reduction, number: usize, sums: &mut Sums) {
        let Reduction { op, value, factor, guard } = *reduction;
        let can_fma = factor.is_none() || self.lowering.target.fma;
        match sums {
            Sums::Registers(sums, pair) if op == Op::Add && can_fma => {
                let old = sums[number][*pair];
                sums[number][*pair] = self.add_two(turns, old, value, factor, guard);
            }
            _ if op == Op::Add && can_fma => {
                let at = self.lane_address(turns, turns.run.lanes[number]);
                let place = Array::at(at, self.scopes.len());
                let old = self.load_pair(&place);
                let new = self.add_two(turns, old, value, factor, guard);
                self.store_pair(&place, new);
            }
            _ => {
                let used: Vec<Val> = [value, guard].into_iter().chain(factor).collect();
                let (slot, turn) = (turns.run.lanes[number], turns.run.turn);
                self.each_lane(turns, &used, |emitter, lane| {
                    let turn = turn.map(|turn| emitter.add_const(turn, turns.by + lane as i64));
                    let guard = (emitter.func.inst(guard) != Inst::Bool(true)).then(|| emitter.get(guard));
                    emitter.guarded(guard, |emitter| emitter.accumulate(reduction, slot, turn));
                });
            }
        }
    }

    /// Where the accumulators of the two turns are.
    fn lane_address(&mut self, turns: &Turns, slot: StackSlot) -> Value {
        let turn = turns.run.turn.expect("in a loop");
        let turn = if turns.by == 0 { turn } else { self.add_const(turn, turns.by) };
        let (mask, three) = (self.lowering.int_const(LANES as i64 - 1), self.lowering.int_const(3));
        let lane = self.builder().ins().band(turn, mask);
        let distance = self.builder().ins().ishl(lane, three);
        let at = self.builder().ins().stack_addr(types::I64, slot, 0);
        self.builder().ins().iadd(at, distance)
    }

    fn update_two(&mut self, turns: &mut Turns, shape: &[usize], place: &Array, update: &Update) {
        let func = self.func;
        let can_fma = update.factor.is_none() || self.lowering.target.fma;
        let is_pair =
            func.ty(update.value) == Type::F64 && can_fma && self.stride(turns, shape, &update.subscripts) == Some(1);
        if !is_pair {
            let used: Vec<Val> = [update.value, update.guard].into_iter().chain(update.factor).collect();
            self.each_lane(turns, &used, |emitter, _| emitter.update(shape, place, update));
            return;
        }
        let place = self.element(place, shape, &update.subscripts);
        let is_always = func.inst(update.guard) == Inst::Bool(true);
        let new = match place.kind(update) {
            UpdateKind::Add => {
                let old = self.load_pair(&place);
                self.add_two(turns, old, update.value, update.factor, update.guard)
            }
            UpdateKind::Store if is_always => self.pair(turns, update.value),
            UpdateKind::Store => {
                let (old, new) = (self.load_pair(&place), self.pair(turns, update.value));
                let mask = self.mask(turns, update.guard);
                self.choose(mask, new, old)
            }
        };
        self.store_pair(&place, new);
    }
}

impl Turns<'_, '_> {
    /// Begins with the turns after a number of turns.
    fn start(&mut self, by: i64) {
        self.values.clear();
        self.by = by;
    }
}

/// How many steps a step is, with those inside.
fn steps_of(step: &Step) -> usize {
    match step {
        Step::Value(_) => 1,
        Step::Nest(nest) => 1 + nest.levels.iter().flat_map(|block| &block.steps).map(steps_of).sum::<usize>(),
    }
}

/// Whether an operator of doubles works on pairs.
fn has_pairs(op: Op, target: &crate::jit::target::Target) -> bool {
    match op {
        Op::Fma => target.fma,
        Op::Floor | Op::Ceil | Op::Rint | Op::Trunc | Op::Scale => target.rounding && target.fma,
        Op::Exponent | Op::Significand => target.fma,
        Op::Neg | Op::Add | Op::Sub | Op::Mul | Op::Div | Op::Sqrt | Op::Abs | Op::Min | Op::Max | Op::Stop => true,
        Op::Clamp | Op::Relu | Op::Copysign | Op::Domain => true,
        _ => false,
    }
}
