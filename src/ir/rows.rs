//! Extents that are known only when code is called.
//!
//! Arrays lie row by row, so how many rows there are enters no address. A program whose arrays begin with one size can therefore be made
//! for any number of them: that size and the extents that are it are [`ROWS`] in the graph, which stands for a number from [`LEAST`] on
//! that no one knows yet. Nothing is computed with it while the graph is made, and what is proved of integers holds for all such numbers.
//!
//! A graph that is made for a number is this one with the number in its place, unless what is computed from it meets another
//! constant: then nodes may have become one, or gone. [`Constants`] tell where that is.
//!
//! Code has room for so many rows at most: [`Func::with_rows`] writes that beside the mark, `ROWS + most`. With a
//! number of rows instead, a graph is one like all others.

use hashbrown::{HashMap, HashSet};

use super::{Func, Inst, Val};
use crate::interp::{self, Value};
use crate::ops::{Op, Type};

/// The number of rows, as an extent and as an integer: a prime beyond all extents that arrays can have.
pub const ROWS: usize = (1 << 40) + 15;

/// The least number that it stands for: what has no or one row is made for that.
pub const LEAST: usize = 2;

/// So many rows code has room for at most.
pub const MOST: usize = 1 << 32;

/// No extent or integer of a graph that can stay open is larger: what is, has been computed from [`ROWS`].
const FAR: usize = 1 << 39;

/// Whether an extent is known only when code is called.
pub fn is_open(extent: usize) -> bool {
    (ROWS..=ROWS + MOST).contains(&extent)
}

/// For how many rows there must be room.
pub fn room(extent: usize) -> usize {
    if is_open(extent) { extent - ROWS } else { extent }
}

impl Func {
    /// The integer that a value certainly is. The number of rows is none.
    pub fn int(&self, val: Val) -> Option<i64> {
        match self.inst(val) {
            Inst::Int(value) if !self.is_rows(val) => Some(value),
            _ => None,
        }
    }

    /// Whether a value is the number of rows.
    pub fn is_rows(&self, val: Val) -> bool {
        let Inst::Int(value) = self.inst(val) else { return false };
        let is_marked = |extent: usize| extent == ROWS || is_open(extent) && self.open_extent() == Some(extent);
        usize::try_from(value).is_ok_and(is_marked)
    }

    /// Whether a loop has a turn whatever the number of rows is.
    pub fn has_turns(&self, low: Val, high: Val) -> bool {
        let high = if self.is_rows(high) { Some(LEAST as i64) } else { self.int(high) };
        self.int(low).zip(high).is_some_and(|(low, high)| low < high)
    }

    /// The open extent of the arguments, if they have one.
    pub fn open_extent(&self) -> Option<usize> {
        self.params.iter().filter_map(|param| param.shape.first()).copied().find(|&extent| is_open(extent))
    }

    /// The open extent that a value is, in a function whose arguments have one.
    pub fn extent_of(&self, val: Val) -> Option<usize> {
        if self.is_rows(val) { self.open_extent() } else { None }
    }

    /// Whether it means the same for every number of rows: only as the first extent of arrays and as an integer does that occur, and nothing
    /// was computed from it.
    pub fn is_for_any_rows(&self) -> bool {
        let is_plain = |shape: &[usize]| {
            let rest = if shape.first() == Some(&ROWS) { &shape[1..] } else { shape };
            rest.iter().all(|&extent| extent < FAR)
        };
        let is_near = |value: f64| (value.abs() - ROWS as f64).abs() < FAR as f64;
        let shapes = self.shapes.iter().chain(self.params.iter().map(|param| &param.shape));
        let cells = self.regions.iter().flat_map(|region| region.cells.iter().map(|cell| &cell.shape));
        shapes.chain(cells).all(|shape| is_plain(shape))
            && self.vals().all(|val| match self.inst(val) {
                Inst::Binary(Op::Powi | Op::IPow, _, n) => !self.is_of_rows(n),
                Inst::Int(value) => value == ROWS as i64 || value.unsigned_abs() < FAR as u64,
                Inst::F64(bits) => !is_near(bits.value()),
                _ => true,
            })
    }

    /// Whether an integer or number is computed from the number of rows by operators.
    fn is_of_rows(&self, val: Val) -> bool {
        let (mut seen, mut stack) = (HashSet::new(), vec![val]);
        while let Some(val) = stack.pop() {
            if self.is_rows(val) {
                return true;
            }
            if self.inst(val).op().is_some() && seen.insert(val) {
                stack.extend(self.operands(val).iter());
            }
        }
        false
    }

    /// The function with `extent` in the place of [`ROWS`]: a number of rows, or `ROWS` and the most rows.
    #[must_use]
    pub fn with_rows(&self, extent: usize) -> Func {
        let mut func = self.clone();
        let set = |shape: &mut [usize]| {
            shape.iter_mut().filter(|each| **each == ROWS).for_each(|each| *each = extent);
        };
        func.insts.iter_mut().filter(|inst| **inst == Inst::Int(ROWS as i64)).for_each(|inst| {
            *inst = Inst::Int(extent as i64);
        });
        func.shapes.iter_mut().for_each(|shape| set(shape));
        func.params.iter_mut().for_each(|param| set(&mut param.shape));
        func.regions.iter_mut().flat_map(|region| region.cells.iter_mut()).for_each(|cell| set(&mut cell.shape));
        func
    }
}

/// What is computed from the number of rows alone, and the other constants of a graph.
#[derive(Clone, Debug)]
pub struct Constants {
    of_rows: Vec<Computed>,
    ints: HashSet<i64>,
    numbers: HashSet<u64>,
}

/// An operator at operands that are constants or were computed before.
#[derive(Clone, Debug)]
struct Computed {
    op: Op,
    operands: Vec<Operand>,
}

#[derive(Clone, Debug)]
enum Operand {
    Rows,
    Int(i64),
    F64(f64),
    Computed(usize),
}

impl Constants {
    /// Those of a graph; `None` where it compares with the number of rows.
    pub fn of(func: &Func) -> Option<Constants> {
        // 0 and 1 are what identities are about.
        let mut constants = Constants {
            of_rows: Vec::new(),
            ints: HashSet::from_iter([0, 1, -1]),
            numbers: [0.0, -0.0, 1.0, -1.0].map(f64::to_bits).into_iter().collect(),
        };
        let mut operands: HashMap<Val, Operand> = HashMap::new();
        for val in func.vals() {
            let operand = match func.inst(val) {
                Inst::Int(_) if func.is_rows(val) => Operand::Rows,
                Inst::Int(value) => {
                    constants.ints.insert(value);
                    Operand::Int(value)
                }
                Inst::F64(bits) => {
                    constants.numbers.insert(bits.value().to_bits());
                    Operand::F64(bits.value())
                }
                inst => {
                    let known = |operand: &Val| operands.get(operand).cloned();
                    let all: Option<Vec<Operand>> = func.operands(val).iter().map(known).collect();
                    let (Some(op), Some(all)) = (inst.op(), all) else { continue };
                    if func.ty(val) == Type::Bool {
                        return None;
                    }
                    constants.of_rows.push(Computed { op, operands: all });
                    Operand::Computed(constants.of_rows.len() - 1)
                }
            };
            operands.insert(val, operand);
        }
        Some(constants)
    }

    /// Whether what is computed from so many rows is no other constant, and no two of it are one.
    pub fn are_apart(&self, rows: usize) -> bool {
        let is_other = |value: &Value| match value {
            Value::Int(value) => self.ints.contains(value),
            Value::F64(value) => !value.is_finite() || self.numbers.contains(&value.to_bits()),
            Value::Bool(_) | Value::Array(_) => true,
        };
        let mut values = vec![Value::Int(rows as i64)];
        for Computed { op, operands } in &self.of_rows {
            let operand = |operand: &Operand| match operand {
                Operand::Rows => values[0].clone(),
                Operand::Int(value) => Value::Int(*value),
                Operand::F64(value) => Value::F64(*value),
                Operand::Computed(place) => values[place + 1].clone(),
            };
            let operands: Vec<Value> = operands.iter().map(operand).collect();
            match interp::apply(*op, &operands) {
                Ok(value) if !values.contains(&value) => values.push(value),
                _ => return false,
            }
        }
        !values.iter().any(is_other)
    }
}
