//! Calls of kernels.
//!
//! A kernel takes a block of words: the turns of its loops, the addresses of what it reads and writes, and room to work in. The block
//! lies in the workspace; behind it lie the numbers that the loops don't change.

use cranelift::codegen::isa::CallConv;
use cranelift::prelude::{AbiParam, InstBuilder, Signature, Value, types};

use super::address::Array;
use super::emit::Emitter;
use super::kernel::{Base, Call, Source, Spot, Turns};
use crate::ir::Val;
use crate::ops::Type;

impl Emitter<'_, '_, '_> {
    /// Runs a kernel, given the cells of the region whose loops it makes.
    pub fn call(&mut self, call: &Call, cells: &[Array]) {
        let block = self.buffer(call.block);
        for (word, turns) in [call.rows, call.len].into_iter().enumerate() {
            if let Turns::To { low, high } = turns {
                let turns = self.turns_to(low, high);
                self.store(&block.skip(word), turns, Type::Int);
            }
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
