//! Calls of kernels.
//!
//! A kernel takes a block of words: the turns of its loops, the addresses of what it reads and writes, and room to work in. The block
//! lies in the workspace; behind it lie the numbers that the loops don't change.

use cranelift::codegen::isa::CallConv;
use cranelift::prelude::{AbiParam, InstBuilder, IntCC, Signature, Value, types};

use super::address::Array;
use super::emit::{Emitter, Machine};
use super::kernel::{Base, Call, Source, Spot, Turns};
use super::split::Delayed;
use crate::ir::{Direction, Loop, Val};
use crate::ops::Type;

impl Emitter<'_, '_, '_> {
    /// Runs a kernel, given the cells of the region whose loops it makes.
    pub fn call(&mut self, call: &Call, cells: &[Array]) {
        let block = self.buffer(call.block);
        for (word, turns) in [call.rows, call.len].into_iter().enumerate() {
            let turns = match turns {
                Turns::Known(_) => continue,
                Turns::To { low, high } => self.turns_to(low, high),
                Turns::Batch => self.batch.expect("turns that are put together"),
            };
            self.store(&block.skip(word), turns, Type::Int);
        }
        let mut numbers = call.kernel.words();
        for (number, source) in call.reads.iter().enumerate() {
            let word = match source {
                Source::Spot(spot) => self.spot(spot, cells),
                &Source::Number(val) => {
                    let (number, place) = (self.double(val), block.skip(numbers));
                    numbers += 1;
                    self.store(&place, number, Type::F64);
                    self.pointer(&place)
                }
                &Source::First(first) => self.lowering.int_const((first as f64).to_bits().cast_signed()),
            };
            self.store(&block.skip(2 + number), word, Type::Int);
        }
        for (number, spot) in call.writes.iter().enumerate() {
            let word = self.spot(spot, cells);
            self.store(&block.skip(2 + call.reads.len() + number), word, Type::Int);
        }
        let mut signature = Signature::new(CallConv::SystemV);
        signature.params.push(AbiParam::new(types::I64));
        let signature = self.builder().import_signature(signature);
        let (entry, block) = (self.lowering.int_const(call.kernel.entry() as i64), self.pointer(&block));
        self.builder().ins().call_indirect(signature, entry, &[block]);
    }

    /// Which of so many turns it is.
    fn place_in(&mut self, turns: usize, index: Val) -> Value {
        let (index, mask) = (self.get(index), self.lowering.int_const(turns as i64 - 1));
        self.builder().ins().band(index, mask)
    }

    /// In the last turn of some that are put together: what they have put off.
    pub fn make_up(&mut self, delayed: &Delayed, each: Loop, cells: &[Array]) {
        let (index, range) = (self.get(each.index), self.range(each.index));
        let (low, high) = (self.get(each.low), self.get(each.high));
        let (place, most) = (self.place_in(delayed.turns, each.index), delayed.turns as i64 - 1);
        let last = self.add_const(high, -1);
        let (full, end) = match each.direction {
            Direction::Up => (most, last),
            Direction::Down => (0, low),
        };
        let full = self.lowering.int_const(full);
        let is_full = self.builder().ins().icmp(IntCC::Equal, place, full);
        let is_end = self.builder().ins().icmp(IntCC::Equal, index, end);
        let is_last = self.builder().ins().bor(is_full, is_end);
        self.guarded(Some(is_last), |emitter| {
            // The first of these turns.
            let lowest = emitter.builder().ins().isub(index, place);
            let first = match each.direction {
                Direction::Up => emitter.builder().ins().smax(lowest, low),
                Direction::Down => {
                    let highest = emitter.add_const(lowest, most);
                    emitter.builder().ins().smin(highest, last)
                }
            };
            let distance = match each.direction {
                Direction::Up => emitter.builder().ins().isub(index, first),
                Direction::Down => emitter.builder().ins().isub(first, index),
            };
            let mark = emitter.mark();
            emitter.set(each.index, Machine::Number(first, range));
            let turns = emitter.add_const(distance, 1);
            let around = emitter.batch.replace(turns);
            emitter.counted(delayed.around, |emitter| {
                delayed.calls.iter().for_each(|call| emitter.call(call, cells));
            });
            emitter.batch = around;
            emitter.back_to(mark);
        });
    }

    /// How many turns there are from a constant up to an index.
    fn turns_to(&mut self, low: i64, high: Val) -> Value {
        let (high, zero) = (self.get(high), self.lowering.int_const(0));
        let turns = self.add_const(high, -low);
        self.builder().ins().smax(turns, zero)
    }

    /// An address.
    pub fn spot(&mut self, spot: &Spot, cells: &[Array]) -> Value {
        let array = match spot.base {
            Base::Array(array) => self.array(array),
            Base::Cell(number) => cells[number],
            Base::Buffer(buffer) => self.buffer(buffer),
            Base::Ring(ring) => {
                let place = self.place_in(ring.turns, ring.index);
                let width = self.lowering.int_const(ring.width as i64);
                let number = self.builder().ins().imul(place, width);
                let buffer = self.buffer(ring.buffer);
                self.at(&buffer, number)
            }
        };
        let place = self.away(&array, spot.offset, &spot.terms);
        self.pointer(&place)
    }

    /// A number of any type as a double.
    fn double(&mut self, val: Val) -> Value {
        let value = self.get(val);
        self.encode(value, self.func.ty(val))
    }
}
