//! Reductions: what `sum`, `prod`, `max`, `min`, `mean`, `logsumexp`, `softmax`, `argmax`, `argmin` are in the graph.
//!
//! Several indices are loops in loops. Sums and extremes of numbers are reductions of regions; what must be done turn by turn
//! (products, exact sums of integers, places of extremes) is a fold. The logarithm of a sum is taken relative to the greatest
//! term:
//!
//! ```text
//! m = max[i](e), or 0 where that is infinite
//! logsumexp[i](e) = m + ln(sum[i](exp(e - m)))
//! softmax[i](e) = exp(e - m)/sum[i](exp(e - m))
//! ```
//!
//! Its slope doesn't depend on `m`, which therefore is `stop(m)`.

use super::arith;
use super::forms::Closed;
use super::{Lowering, Value};
use crate::error::Problem;
use crate::ir::region::NOWHERE;
use crate::ir::{Builder, Cell, Inst, Loop, Reduction, Region, State, Update, UpdateKind, Val};
use crate::ops::{Op, Type};

/// Where the terms of a reduction cost as much as this, in units of a multiplication, they are computed once and kept.
const COSTLY: u32 = 10;

impl Lowering<'_> {
    /// The value of a reduction whose body has been lowered.
    pub(super) fn reduce(&mut self, name: &str, closed: Closed) -> Result<Value, Problem> {
        let Closed { guard, body, .. } = &closed;
        let loops = &closed.loops();
        match body.value {
            Value::Array(rows) if matches!(name, "sum" | "mean") => {
                self.check_complete(rows, body.at)?;
                let rows = self.numbers(rows, body.at)?;
                let shape = self.builder.func().shape(rows).to_vec();
                let array = self.builder.map(&shape, |builder, places| {
                    let term = builder.read(rows, places);
                    sum_or_mean(builder, name, loops, *guard, term)
                });
                return Ok(Value::Array(array));
            }
            _ => {}
        }
        let integer = arith::integer(&self.builder, body);
        let is_never_empty = is_never_empty(&self.builder, loops, *guard);
        let val = match (name, integer) {
            ("sum", Some(term)) => {
                let zero = self.builder.int(0);
                fold(&mut self.builder, loops, *guard, &[zero], |builder, states| {
                    vec![builder.binary(Op::IAdd, states[0], term)]
                })[0]
            }
            ("max", Some(term)) if is_never_empty => nested(&mut self.builder, loops, Op::IMax, *guard, term),
            ("min", Some(term)) if is_never_empty => nested(&mut self.builder, loops, Op::IMin, *guard, term),
            ("argmax" | "argmin", integer) => {
                let term = match integer {
                    Some(term) => term,
                    None => arith::number(&mut self.builder, body)?,
                };
                self.place(loops[0], *guard, term, name == "argmax")
            }
            (name, _) => {
                let term = arith::number(&mut self.builder, body)?;
                self.of_numbers(name, loops, *guard, term)
            }
        };
        Ok(Value::Scalar(val))
    }

    fn of_numbers(&mut self, name: &str, loops: &[Loop], guard: Val, term: Val) -> Val {
        let builder = &mut self.builder;
        match name {
            "prod" => {
                let one = builder.f64(1.0);
                fold(builder, loops, guard, &[one], |builder, states| vec![builder.binary(Op::Mul, states[0], term)])[0]
            }
            "max" => nested(builder, loops, Op::Max, guard, term),
            "min" => nested(builder, loops, Op::Min, guard, term),
            "logsumexp" | "softmax" => {
                let term = self.keep(loops, guard, term);
                let builder = &mut self.builder;
                let greatest = greatest(builder, loops, guard, term);
                let difference = builder.binary(Op::Sub, term, greatest);
                let share = builder.unary(Op::Exp, difference);
                let sum = nested(builder, loops, Op::Add, guard, share);
                if name == "logsumexp" {
                    let logarithm = builder.unary(Op::Ln, sum);
                    return builder.binary(Op::Add, greatest, logarithm);
                }
                let share = builder.binary(Op::Div, share, sum);
                let nothing = builder.f64(0.0);
                builder.select(guard, share, nothing)
            }
            name => sum_or_mean(builder, name, loops, guard, term),
        }
    }

    /// The first index at which the term is greatest, or least; NaN counts as both.
    fn place(&mut self, turns: Loop, guard: Val, term: Val, greatest: bool) -> Val {
        let builder = &mut self.builder;
        let is_int = builder.func().ty(term) == Type::Int;
        let start = if is_int { builder.int(0) } else { builder.f64(0.0) };
        let (nowhere, unseen, seen) = (builder.int(0), builder.bool(false), builder.bool(true));
        let states = fold(builder, &[turns], guard, &[start, nowhere, unseen], |builder, states| {
            let [best, place, any] = [states[0], states[1], states[2]];
            let less = if is_int { Op::ILt } else { Op::Lt };
            let mut better = if greatest { builder.binary(less, best, term) } else { builder.binary(less, term, best) };
            if !is_int {
                let (is_nan, was_number) = (builder.binary(Op::Ne, term, term), builder.binary(Op::Eq, best, best));
                let first_nan = builder.binary(Op::And, is_nan, was_number);
                better = builder.binary(Op::Or, better, first_nan);
            }
            let first = builder.not(any);
            let better = builder.binary(Op::Or, first, better);
            vec![builder.select(better, term, best), builder.select(better, turns.index, place), seen]
        });
        let (mut place, any) = (states[1], states[2]);
        if !is_never_empty(builder, &[turns], guard) {
            // Of nothing there is no place: a subscript that is out of range.
            let (first, nowhere) = (builder.int(0), builder.int(NOWHERE));
            let subscript = builder.select(any, first, nowhere);
            let always = builder.bool(true);
            let store = Update {
                kind: UpdateKind::Store,
                subscripts: Box::new([first]),
                value: place,
                factor: None,
                guard: always,
            };
            let shape = Box::new([1]);
            let cell = Cell { ty: Type::Int, shape, bound: None, init: None, updates: Box::new([store]) };
            let region = builder.region(Region { cells: Box::new([cell]), ..Region::default() });
            let array = builder.result(region, 0);
            place = builder.read(array, &[subscript]);
        }
        self.loops.insert(place, Loop::up(place, turns.low, turns.high));
        place
    }

    /// Costly terms that are needed more than once are computed once: an array of them, if their number is known.
    fn keep(&mut self, loops: &[Loop], guard: Val, term: Val) -> Val {
        let func = self.builder.func();
        let bounds = loops.iter().map(|turns| match (func.inst(turns.low), func.inst(turns.high)) {
            (Inst::Int(0..), Inst::Int(high)) => usize::try_from(high).ok(),
            _ => None,
        });
        let Some(shape) = bounds.collect::<Option<Box<[usize]>>>() else { return term };
        let indices: Vec<Val> = loops.iter().map(|turns| turns.index).collect();
        if !is_costly(&self.builder, term, &indices) || self.affordable(&shape, self.builder.span).is_err() {
            return term;
        }
        let store =
            Update { kind: UpdateKind::Store, subscripts: indices.as_slice().into(), value: term, factor: None, guard };
        let cell = Cell { ty: Type::F64, shape, bound: None, init: None, updates: Box::new([store]) };
        let builder = &mut self.builder;
        let region = builder.region(Region { loops: loops.into(), cells: Box::new([cell]), ..Region::default() });
        let array = builder.result(region, 0);
        builder.read(array, &indices)
    }
}

fn sum_or_mean(builder: &mut Builder, name: &str, loops: &[Loop], guard: Val, term: Val) -> Val {
    let sum = nested(builder, loops, Op::Add, guard, term);
    if name == "sum" {
        return sum;
    }
    let one = builder.int(1);
    let count = match turns(builder, loops, guard) {
        Some(count) => count,
        None => {
            let count = nested(builder, loops, Op::IAdd, guard, one);
            builder.unary(Op::ToF64, count)
        }
    };
    builder.binary(Op::Div, sum, count)
}

/// The number of turns of loops whose bounds are constants, or that go through all rows.
fn turns(builder: &mut Builder, loops: &[Loop], guard: Val) -> Option<Val> {
    if builder.func().inst(guard) != Inst::Bool(true) {
        return None;
    }
    let mut all = builder.f64(1.0);
    for turns in loops {
        let func = builder.func();
        let count = match (func.int(turns.low), func.int(turns.high)) {
            (Some(low), Some(high)) => builder.f64((high as f64 - low as f64).max(0.0)),
            (Some(0), None) if func.is_rows(turns.high) => builder.unary(Op::ToF64, turns.high),
            _ => return None,
        };
        all = builder.binary(Op::Mul, all, count);
    }
    Some(all)
}

fn is_never_empty(builder: &Builder, loops: &[Loop], guard: Val) -> bool {
    let func = builder.func();
    func.inst(guard) == Inst::Bool(true) && loops.iter().all(|turns| func.has_turns(turns.low, turns.high))
}

/// The greatest term where it is finite, and otherwise 0, without a slope.
fn greatest(builder: &mut Builder, loops: &[Loop], guard: Val, term: Val) -> Val {
    let greatest = nested(builder, loops, Op::Max, guard, term);
    let (size, infinity, zero) = (builder.unary(Op::Abs, greatest), builder.f64(f64::INFINITY), builder.f64(0.0));
    let is_finite = builder.binary(Op::Lt, size, infinity);
    let greatest = builder.select(is_finite, greatest, zero);
    builder.unary(Op::Stop, greatest)
}

/// A reduction over loops in loops. The greatest and the smallest are of all turns at once, so that all that are equal share the slope
/// equally.
fn nested(builder: &mut Builder, loops: &[Loop], op: Op, guard: Val, term: Val) -> Val {
    let (mut value, mut guard) = (term, guard);
    if matches!(op, Op::Max | Op::Min) {
        let reduction = Reduction { op, value, factor: None, guard };
        let region = Region { loops: loops.into(), reductions: Box::new([reduction]), ..Region::default() };
        let region = builder.region(region);
        return builder.result(region, 0);
    }
    for &turns in loops.iter().rev() {
        let reduction = Reduction { op, value, factor: None, guard };
        let region = Region { loops: Box::new([turns]), reductions: Box::new([reduction]), ..Region::default() };
        let region = builder.region(region);
        value = builder.result(region, 0);
        guard = builder.bool(true);
    }
    value
}

/// States carried through loops in loops: `step` gives the next ones. Turns where the guard is false leave them as they are.
fn fold(
    builder: &mut Builder,
    loops: &[Loop],
    guard: Val,
    start: &[Val],
    step: impl FnOnce(&mut Builder, &[Val]) -> Vec<Val>,
) -> Vec<Val> {
    // What each level of loops calls the states.
    let mut levels: Vec<Vec<Val>> = Vec::new();
    for _ in loops {
        let names = start.iter().map(|&start| builder.bound(builder.func().ty(start), &[])).collect();
        levels.push(names);
    }
    let Some(innermost) = levels.last() else { return start.to_vec() };
    let mut next = step(builder, innermost);
    for (next, &state) in next.iter_mut().zip(innermost) {
        *next = builder.select(guard, *next, state);
    }
    for (level, &turns) in loops.iter().enumerate().rev() {
        let inits = if level == 0 { start } else { &levels[level - 1] };
        let states = levels[level].iter().zip(inits).zip(&next);
        let states = states.map(|((&bound, &init), &next)| State { bound, init, next }).collect();
        let region = builder.region(Region { loops: Box::new([turns]), states, ..Region::default() });
        next = (0..start.len()).map(|number| builder.result(region, number)).collect();
    }
    next
}

/// Whether computing a value again in a loop over these indices is worse than keeping it.
fn is_costly(builder: &Builder, term: Val, indices: &[Val]) -> bool {
    let func = builder.func();
    let (mut seen, mut stack) = (hashbrown::HashSet::new(), vec![term]);
    while let Some(val) = stack.pop() {
        if !func.depends(val, indices) || !seen.insert(val) {
            continue;
        }
        let is_costly = match func.inst(val) {
            Inst::Region(_) => true,
            inst => inst.op().is_some_and(|op| op.row().cost >= COSTLY),
        };
        if is_costly {
            return true;
        }
        stack.extend(func.operands(val).iter());
    }
    false
}
