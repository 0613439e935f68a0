//! What integers are, as sums: subscripts in loops.
//!
//! A subscript that is a sum of multiples moves by the same distance from turn to turn, and what it can be follows from the bounds of
//! the loops around. Both are known before there is code.

use hashbrown::HashMap;

use super::range::{self, Range};
use crate::ir::{Func, Inst, Region, Val};
use crate::ops::{Op, Type};

/// As deep sums are looked into.
const DEEPEST: usize = 8;

/// The integers that indices can be.
pub struct Ranges<'a> {
    func: &'a Func,
    names: HashMap<Val, Range>,
}

/// The loops that a kernel makes, by their indices.
#[derive(Clone, Copy, Debug)]
pub struct Axes {
    pub row: Option<Val>,
    pub turn: Val,
}

/// `offset + row*i + turn*j +` the terms, which neither loop changes.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Linear {
    pub offset: i64,
    pub row: i64,
    pub turn: i64,
    pub terms: Vec<(Val, i64)>,
}

impl Axes {
    /// Whether a value changes with the loops.
    pub fn change(&self, func: &Func, val: Val) -> bool {
        func.depends(val, &[self.turn]) || self.row.is_some_and(|row| func.depends(val, &[row]))
    }
}

impl<'a> Ranges<'a> {
    pub fn new(func: &'a Func) -> Ranges<'a> {
        Ranges { func, names: HashMap::new() }
    }

    /// The indices of a region get their ranges; gives back what they were.
    pub fn enter(&mut self, region: &Region) -> Vec<(Val, Option<Range>)> {
        let mut before = Vec::new();
        for each in &region.loops {
            let range = Range::of_index(self.of(each.low), self.of(each.high));
            before.push((each.index, self.names.insert(each.index, range)));
        }
        before
    }

    pub fn leave(&mut self, before: Vec<(Val, Option<Range>)>) {
        for (name, range) in before.into_iter().rev() {
            match range {
                Some(range) => _ = self.names.insert(name, range),
                None => _ = self.names.remove(&name),
            }
        }
    }

    pub fn of(&self, val: Val) -> Range {
        self.within(val, DEEPEST)
    }

    fn within(&self, val: Val, depth: usize) -> Range {
        match self.func.inst(val) {
            Inst::Int(value) => self.func.extent_of(val).map_or(Range::only(value), Range::of_rows),
            Inst::Bound(_) => self.names.get(&val).copied().unwrap_or(Range::ALL),
            inst => match inst.op() {
                Some(op) if depth > 0 && self.func.ty(val) == Type::Int => {
                    let operands = self.func.operands(val);
                    range::of(op, &operands.iter().map(|&operand| self.within(operand, depth - 1)).collect::<Vec<_>>())
                }
                _ => Range::ALL,
            },
        }
    }

    /// An integer as a sum; `None` where it is none, or may overflow.
    pub fn linear(&self, val: Val, axes: &Axes) -> Option<Linear> {
        let mut sum = Linear::default();
        self.add(&mut sum, val, 1, axes, DEEPEST)?;
        Some(sum)
    }

    fn add(&self, sum: &mut Linear, val: Val, factor: i64, axes: &Axes, depth: usize) -> Option<()> {
        let func = self.func;
        let grow = |part: &mut i64, by: i64| {
            *part = part.checked_add(by)?;
            Some(())
        };
        if val == axes.turn {
            return grow(&mut sum.turn, factor);
        }
        if Some(val) == axes.row {
            return grow(&mut sum.row, factor);
        }
        if let Some(value) = func.int(val) {
            return grow(&mut sum.offset, value.checked_mul(factor)?);
        }
        let operands = func.operands(val);
        let is_plain = |op| {
            let ranges: Vec<Range> = operands.iter().map(|&operand| self.of(operand)).collect();
            range::plain(op, &ranges).is_some()
        };
        match func.inst(val) {
            Inst::Binary(op @ (Op::IAdd | Op::ISub), a, b) if depth > 0 && is_plain(op) => {
                let other = if op == Op::IAdd { factor } else { factor.checked_neg()? };
                self.add(sum, a, factor, axes, depth - 1)?;
                self.add(sum, b, other, axes, depth - 1)
            }
            Inst::Binary(Op::IMul, a, b) if depth > 0 && axes.change(func, val) && is_plain(Op::IMul) => {
                let (constant, other) = match (func.int(a), func.int(b)) {
                    (Some(constant), _) => (constant, b),
                    (_, Some(constant)) => (constant, a),
                    _ => return None,
                };
                self.add(sum, other, factor.checked_mul(constant)?, axes, depth - 1)
            }
            _ if axes.change(func, val) => None,
            _ => match sum.terms.iter_mut().find(|term| term.0 == val) {
                Some(term) => grow(&mut term.1, factor),
                None => {
                    sum.terms.push((val, factor));
                    Some(())
                }
            },
        }
    }

    /// Where an element (or the first of a row) is, counted from the beginning of an array; `None` where it moves otherwise or
    /// may be outside.
    pub fn place(&self, shape: &[usize], subscripts: &[Val], axes: &Axes) -> Option<Linear> {
        let mut sum = Linear::default();
        for (dimension, &subscript) in subscripts.iter().enumerate() {
            if !self.of(subscript).is_inside(shape[dimension]) {
                return None;
            }
            let stride = i64::try_from(shape[dimension + 1..].iter().product::<usize>()).ok()?;
            self.add(&mut sum, subscript, stride, axes, DEEPEST)?;
        }
        sum.terms.retain(|term| term.1 != 0);
        sum.terms.sort_unstable();
        Some(sum)
    }
}
