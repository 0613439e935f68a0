//! Where elements are.
//!
//! The address of an element is a sum: the beginning of the array, and for each subscript a multiple. A subscript that is a sum
//! or a multiple itself is taken apart. Each term is known from a certain loop on, and is added just before the next loop is entered:
//! what is left in the innermost loop is the innermost index, often with no instruction of its own.

use cranelift::codegen::cursor::{Cursor, FuncCursor};
use cranelift::codegen::ir::types::F64X2;
use cranelift::prelude::{InstBuilder, IntCC, MemFlagsData, Value, types};

use super::emit::{Emitter, Machine};
use super::plan::{ELEMENT, size};
use super::range::{self, Range};
use crate::ir::rows::is_open;
use crate::ir::{Inst, Update, UpdateKind, Val};
use crate::jit::shims::Symbol;
use crate::ops::{Op, Type};

/// An array, a row of one, or an element: its address.
#[derive(Clone, Copy, Debug)]
pub struct Array {
    pub base: Value,
    /// How many loops are around where `base` is computed.
    pub level: usize,
    /// Added to `base`, in bytes.
    pub offset: i64,
    /// Every element is a double, as callers write them; otherwise as registers hold them.
    pub coded: bool,
    /// The caller's, which nothing changes.
    pub fixed: bool,
    pub marks: Option<Marks>,
    /// What is stored is added.
    pub adds: bool,
}

/// Which elements of a cell have a value: a byte each.
#[derive(Clone, Copy, Debug)]
pub struct Marks {
    /// Where the cell begins.
    base: Value,
    offset: i64,
    /// Where the bytes begin in the workspace.
    bytes: i64,
}

/// How many elements an array has.
#[derive(Clone, Copy, Debug)]
pub enum Count {
    Known(usize),
    /// In each of the rows, of which there is one at least.
    Rows(usize),
}

impl Count {
    pub fn of(shape: &[usize]) -> Count {
        match shape {
            [first, row @ ..] if is_open(*first) && size(row) > 0 => Count::Rows(size(row)),
            _ => Count::Known(size(shape)),
        }
    }

    /// With so many rows.
    pub fn at(self, rows: usize) -> usize {
        match self {
            Count::Known(elements) => elements,
            Count::Rows(each) => rows * each,
        }
    }
}

/// What is added to an address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Term {
    level: usize,
    value: Value,
    factor: i64,
}

impl Array {
    pub fn at(base: Value, level: usize) -> Array {
        Array { base, level, offset: 0, coded: false, fixed: false, marks: None, adds: false }
    }

    pub fn marked(self, bytes: i64) -> Array {
        Array { marks: Some(Marks { base: self.base, offset: self.offset, bytes }), ..self }
    }

    /// What an update does here.
    pub fn kind(&self, update: &Update) -> UpdateKind {
        if self.adds { UpdateKind::Add } else { update.kind }
    }

    /// The array from a later element on.
    pub fn skip(self, elements: usize) -> Array {
        Array { offset: self.offset + (ELEMENT * elements) as i64, ..self }
    }
}

/// Arrays of the caller and of the workspace are nowhere else.
fn flags(array: &Array) -> MemFlagsData {
    let flags = MemFlagsData::new().with_notrap();
    if array.fixed { flags.with_readonly().with_can_move() } else { flags }
}

impl<'a> Emitter<'a, '_, '_> {
    /// What is read and where.
    pub fn parts(&self, read: Val) -> (Val, &'a [Val]) {
        let Inst::Read(list) = self.func.inst(read) else { unreachable!("it is no read") };
        let list = self.func.list(list);
        (list[0], &list[1..])
    }

    /// An element or a row.
    pub fn read(&mut self, val: Val) -> Machine {
        let func = self.func;
        let (array, subscripts) = self.parts(val);
        if size(func.shape(array)) == 0 && !func.is_array(val) {
            return Machine::Number(self.zero(func.ty(val)), Range::only(0));
        }
        let place = match self.array(array) {
            // There is no row; `Layout` has room for one.
            _ if size(func.shape(array)) == 0 => Array::at(self.base, 0),
            place => self.element(&place, func.shape(array), subscripts),
        };
        if func.is_array(val) {
            return Machine::Array(place);
        }
        let (ty, inside) = (func.ty(val), self.are_inside(func.shape(array), subscripts));
        let mut value = self.load(&place, ty);
        if let Some(inside) = inside {
            let zero = self.zero(ty);
            value = self.builder().ins().select(inside, value, zero);
        }
        Machine::Number(value, Range::ALL)
    }

    fn zero(&mut self, ty: Type) -> Value {
        match ty {
            Type::F64 => self.lowering.f64(0.0),
            Type::Int => self.lowering.int_const(0),
            Type::Bool => self.builder().ins().iconst(types::I8, 0),
            Type::Tuple => unreachable!("a region is no element"),
        }
    }

    /// The place of an element or row; of the first where a subscript is outside.
    pub fn element(&mut self, array: &Array, shape: &[usize], subscripts: &[Val]) -> Array {
        let (mut terms, mut offset) = (Vec::new(), array.offset);
        for (dimension, &subscript) in subscripts.iter().enumerate() {
            let stride = (ELEMENT * size(&shape[dimension + 1..])) as i64;
            if self.range(subscript).is_inside(shape[dimension]) {
                self.affine(subscript, stride, &mut terms, &mut offset);
            } else {
                let (value, zero) = (self.get(subscript), self.lowering.int_const(0));
                let is_inside = self.is_inside(value, shape[dimension]);
                let value = self.builder().ins().select(is_inside, value, zero);
                terms.push(Term { level: self.scopes.len(), value, factor: stride });
            }
        }
        let (base, level) = self.sum(array.base, array.level, terms);
        Array { base, level, offset, ..*array }
    }

    /// The place of an element that is so many elements and multiples of integers away.
    pub fn away(&mut self, array: &Array, elements: i64, sum: &[(Val, i64)]) -> Array {
        let (mut terms, mut offset) = (Vec::new(), array.offset + ELEMENT as i64 * elements);
        for &(val, factor) in sum {
            self.affine(val, ELEMENT as i64 * factor, &mut terms, &mut offset);
        }
        let (base, level) = self.sum(array.base, array.level, terms);
        Array { base, level, offset, ..*array }
    }

    /// Whether a subscript is inside of its dimension.
    pub fn is_inside(&mut self, subscript: Value, extent: usize) -> Value {
        let extent = if is_open(extent) { self.rows() } else { self.lowering.int_const(extent as i64) };
        self.builder().ins().icmp(IntCC::UnsignedLessThan, subscript, extent)
    }

    /// Whether all subscripts are inside; `None` where they certainly are.
    pub fn are_inside(&mut self, shape: &[usize], subscripts: &[Val]) -> Option<Value> {
        let mut all = None;
        for (&subscript, &extent) in subscripts.iter().zip(shape) {
            if !self.range(subscript).is_inside(extent) {
                let value = self.get(subscript);
                let this = self.is_inside(value, extent);
                all = Some(all.map_or(this, |all| self.builder().ins().band(all, this)));
            }
        }
        all
    }

    pub fn fault_of_read(&mut self, site: Val) -> Option<(Value, Vec<Value>)> {
        let func = self.func;
        let (array, subscripts) = self.parts(site);
        let shape = func.shape(array);
        let inside = self.are_inside(shape, subscripts);
        let marks = self.array(array).marks.filter(|_| !func.is_array(site) && size(shape) > 0);
        let missing = marks.map(|marks| {
            let place = self.array(array);
            let place = self.element(&place, shape, subscripts);
            let (base, offset) = self.mark_of(&place, marks);
            let mark = self.builder().ins().load(types::I8, MemFlagsData::new().with_notrap(), base, offset);
            let zero = self.builder().ins().iconst(types::I8, 0);
            self.builder().ins().icmp(IntCC::Equal, mark, zero)
        });
        let one = |emitter: &mut Self| emitter.builder().ins().iconst(types::I8, 1);
        let outside = inside.map(|inside| {
            let one = one(self);
            self.builder().ins().bxor(inside, one)
        });
        // The record says whether it is outside; otherwise it is missing.
        let mut record = vec![match outside {
            Some(outside) => self.builder().ins().uextend(types::I64, outside),
            None => self.lowering.int_const(0),
        }];
        let fault = match (outside, missing) {
            (None, None) => return None,
            (Some(fault), None) | (None, Some(fault)) => fault,
            (Some(a), Some(b)) => self.builder().ins().bor(a, b),
        };
        record.extend(self.told(site));
        Some((fault, record))
    }

    /// Where the mark of an element is.
    fn mark_of(&mut self, place: &Array, marks: Marks) -> (Value, i32) {
        let at = self.pointer(place);
        let start = self.pointer(&Array { offset: marks.offset, ..Array::at(marks.base, 0) });
        let three = self.lowering.int_const(3);
        let distance = self.builder().ins().isub(at, start);
        let number = self.builder().ins().ushr(distance, three);
        let base = self.base;
        let bytes = self.add_const(number, marks.bytes);
        (self.builder().ins().iadd(base, bytes), 0)
    }

    /// Says that elements have a value now.
    pub fn mark_made(&mut self, place: &Array, elements: Count) {
        if let Some(marks) = place.marks {
            let (base, offset) = self.mark_of(place, marks);
            self.repeat(elements, |emitter, number| {
                let at = emitter.builder().ins().iadd(base, number);
                let one = emitter.builder().ins().iconst(types::I8, 1);
                emitter.builder().ins().store(MemFlagsData::new().with_notrap(), one, at, offset);
            });
        }
    }

    /// Adds `val*factor` to an address.
    fn affine(&mut self, val: Val, factor: i64, terms: &mut Vec<Term>, offset: &mut i64) {
        let func = self.func;
        let constant = |val: Val| func.int(val);
        // Only what doesn't overflow is what it seems to be.
        let is_plain = |emitter: &mut Self, op: Op, operands: &[Val]| {
            let ranges: Vec<Range> = operands.iter().map(|&operand| emitter.range(operand)).collect();
            range::plain(op, &ranges).is_some()
        };
        match func.inst(val) {
            Inst::Int(value) if constant(val).is_some() => *offset += value * factor,
            Inst::Binary(Op::IAdd, a, b) if is_plain(self, Op::IAdd, &[a, b]) => {
                self.affine(a, factor, terms, offset);
                self.affine(b, factor, terms, offset);
            }
            Inst::Binary(Op::ISub, a, b) if is_plain(self, Op::ISub, &[a, b]) => {
                self.affine(a, factor, terms, offset);
                self.affine(b, -factor, terms, offset);
            }
            Inst::Binary(Op::IMul, a, b)
                if is_plain(self, Op::IMul, &[a, b]) && constant(a).or(constant(b)).is_some() =>
            {
                let (constant, other) = match constant(a) {
                    Some(constant) => (constant, b),
                    None => (constant(b).unwrap_or(1), a),
                };
                match factor.checked_mul(constant) {
                    Some(factor) => self.affine(other, factor, terms, offset),
                    None => self.atom(val, factor, terms),
                }
            }
            Inst::Bound(_) => match self.displaced(val) {
                Some(displaced) => {
                    *offset += factor * displaced.by;
                    self.term(self.level_of(val), displaced.first, factor, terms);
                }
                None => self.atom(val, factor, terms),
            },
            _ => self.atom(val, factor, terms),
        }
    }

    fn atom(&mut self, val: Val, factor: i64, terms: &mut Vec<Term>) {
        let (level, value) = (self.level_of(val), self.get(val));
        self.term(level, value, factor, terms);
    }

    fn term(&self, level: usize, value: Value, factor: i64, terms: &mut Vec<Term>) {
        match terms.iter_mut().find(|term| term.value == value) {
            Some(term) => term.factor += factor,
            None => terms.push(Term { level, value, factor }),
        }
    }

    /// Adds terms to an address that is known at a level, each where it is known; the sum and where that is known.
    fn sum(&mut self, mut base: Value, mut level: usize, mut terms: Vec<Term>) -> (Value, usize) {
        terms.retain(|term| term.factor != 0);
        terms.iter_mut().for_each(|term| term.level = term.level.max(level));
        terms.sort_unstable();
        for terms in terms.chunk_by(|a, b| a.level == b.level) {
            level = terms[0].level;
            base = self.add_terms(base, level, terms);
        }
        (base, level)
    }

    fn add_terms(&mut self, base: Value, level: usize, terms: &[Term]) -> Value {
        let Some(scope) = self.scopes.get_mut(level) else {
            let mut sum = base;
            for term in terms {
                let product = self.product(term);
                sum = self.builder().ins().iadd(sum, product);
            }
            return sum;
        };
        let key = (base, terms.iter().map(|term| (term.value, term.factor)).collect());
        if let Some(&known) = scope.addresses.get(&key) {
            return known;
        }
        let mut cursor = FuncCursor::new(self.lowering.builder.func).at_inst(scope.entry);
        let mut sum = base;
        for term in terms {
            let factor = cursor.ins().iconst(types::I64, term.factor);
            let product = cursor.ins().imul(term.value, factor);
            sum = cursor.ins().iadd(sum, product);
        }
        scope.addresses.insert(key, sum);
        sum
    }

    /// Code before the innermost loop.
    pub fn before_loop(&mut self, code: impl FnOnce(FuncCursor) -> Value) -> Value {
        let scope = self.scopes.last().expect("there is a loop");
        code(FuncCursor::new(self.lowering.builder.func).at_inst(scope.entry))
    }

    /// A term of an address in the innermost loop, where few of them are.
    fn product(&mut self, term: &Term) -> Value {
        if term.factor > 0 && (term.factor as u64).is_power_of_two() {
            let bits = self.lowering.int_const(i64::from(term.factor.trailing_zeros()));
            self.builder().ins().ishl(term.value, bits)
        } else {
            let factor = self.lowering.int_const(term.factor);
            self.builder().ins().imul(term.value, factor)
        }
    }

    /// The address as one number.
    pub fn pointer(&mut self, place: &Array) -> Value {
        if place.offset == 0 { place.base } else { self.add_const(place.base, place.offset) }
    }

    /// The address as a number and a short offset.
    fn short(&mut self, place: &Array) -> (Value, i32) {
        match i32::try_from(place.offset) {
            Ok(offset) => (place.base, offset),
            Err(_) => (self.pointer(place), 0),
        }
    }

    /// The number at a place.
    pub fn load(&mut self, place: &Array, ty: Type) -> Value {
        let (base, offset) = self.short(place);
        let flags = flags(place);
        match ty {
            Type::F64 => self.builder().ins().load(types::F64, flags, base, offset),
            _ if place.coded => {
                let number = self.builder().ins().load(types::F64, flags, base, offset);
                self.decode(number, ty)
            }
            Type::Bool => {
                let wide = self.builder().ins().load(types::I64, flags, base, offset);
                self.builder().ins().ireduce(types::I8, wide)
            }
            Type::Int => self.builder().ins().load(types::I64, flags, base, offset),
            Type::Tuple => unreachable!("a region is no element"),
        }
    }

    pub fn store(&mut self, place: &Array, value: Value, ty: Type) {
        let value = match ty {
            _ if place.coded => self.encode(value, ty),
            Type::Bool => self.builder().ins().uextend(types::I64, value),
            Type::F64 | Type::Int | Type::Tuple => value,
        };
        let (base, offset) = self.short(place);
        self.builder().ins().store(MemFlagsData::new().with_notrap(), value, base, offset);
    }

    /// Two numbers that follow each other.
    pub fn load_pair(&mut self, place: &Array) -> Value {
        let (base, offset) = self.short(place);
        self.builder().ins().load(F64X2, flags(place), base, offset)
    }

    pub fn store_pair(&mut self, place: &Array, pair: Value) {
        let (base, offset) = self.short(place);
        self.builder().ins().store(MemFlagsData::new().with_notrap(), pair, base, offset);
    }

    /// The place of an element by its number.
    pub fn at(&mut self, array: &Array, number: Value) -> Array {
        let three = self.lowering.int_const(3);
        let distance = self.builder().ins().ishl(number, three);
        let base = self.builder().ins().iadd(array.base, distance);
        Array { base, level: self.scopes.len(), ..*array }
    }

    /// Copies elements.
    pub fn copy(&mut self, to: &Array, from: &Array, count: Count, ty: Type) {
        /// So few are copied in line.
        const FEW: usize = 16;
        let same = ty == Type::F64 || to.coded == from.coded;
        if !same {
            self.repeat(count, |emitter, number| {
                let (to, from) = (emitter.at(to, number), emitter.at(from, number));
                let value = emitter.load(&from, ty);
                emitter.store(&to, value, ty);
            });
        } else if let Count::Known(elements @ 0..=FEW) = count {
            for number in (0..elements / 2).map(|pair| 2 * pair) {
                let pair = self.load_pair(&from.skip(number));
                self.store_pair(&to.skip(number), pair);
            }
            if elements % 2 == 1 {
                let last = self.load(&from.skip(elements - 1), Type::F64);
                self.store(&to.skip(elements - 1), last, Type::F64);
            }
        } else {
            let (to, from, n) = (self.pointer(to), self.pointer(from), self.number_of(count));
            self.lowering.call_for(Symbol::Copy, &[to, from, n]);
        }
    }

    /// Makes elements 0.
    pub fn clear(&mut self, array: &Array, count: Count) {
        /// So few are cleared in line.
        const FEW: usize = 16;
        if let Count::Known(elements @ 0..=FEW) = count {
            let zero = self.lowering.f64(0.0);
            let pair = self.builder().ins().splat(F64X2, zero);
            (0..elements / 2).for_each(|number| self.store_pair(&array.skip(2 * number), pair));
            if elements % 2 == 1 {
                self.store(&array.skip(elements - 1), zero, Type::F64);
            }
        } else {
            let (at, n) = (self.pointer(array), self.number_of(count));
            let size = self.lowering.int_const(ELEMENT as i64);
            let bytes = self.builder().ins().imul(n, size);
            self.lowering.call_for(Symbol::Clear, &[at, bytes]);
        }
    }

    /// So many elements as a number.
    pub fn number_of(&mut self, count: Count) -> Value {
        match count {
            Count::Known(elements) => self.lowering.int_const(elements as i64),
            Count::Rows(each) => {
                let (rows, each) = (self.rows(), self.lowering.int_const(each as i64));
                self.builder().ins().imul(rows, each)
            }
        }
    }

    /// How many rows the arrays have that begin with an open extent.
    pub fn rows(&mut self) -> Value {
        let (base, at) = (self.base, self.layout.rows() as i32);
        self.builder().ins().load(types::I64, MemFlagsData::trusted().with_readonly().with_can_move(), base, at)
    }

    pub fn clear_bytes(&mut self, array: &Array, bytes: usize) {
        if bytes > 0 {
            let (at, bytes) = (self.pointer(array), self.lowering.int_const(bytes as i64));
            self.lowering.call_for(Symbol::Clear, &[at, bytes]);
        }
    }
}
