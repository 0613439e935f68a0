//! Derivatives by differences: slow and inexact, but they know nothing of derivative rules.
//!
//! Central differences with halving steps, extrapolated (Richardson, Ridders):
//!
//! ```text
//! D(h) = (f(x + h) - f(x - h)) / 2h = f' + c2*h^2 + c4*h^4 + …
//! ```
//!
//! Each estimate comes with how far off it may be: how much the last extrapolations changed it, and what the rounding of
//! `f` does to it. A step counts only where the function is finite and on the same smooth piece as the point, so a kink or a
//! jump nearby can't mislead. `stop(x)` keeps its value.

use std::cmp::Ordering;

use crate::inspect::rounding;
use crate::interp::{self, Value};
use crate::ir::{Func, Inst, Val};
use crate::math;
use crate::ops::Op;
use crate::opt::rebuild;

/// An estimate, and how far off it may be.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Estimate {
    pub value: f64,
    pub error: f64,
}

/// So many columns are extrapolated.
const ORDERS: usize = 5;
/// So many steps are tried at most.
const STEPS: usize = 120;

/// A periodic function may turn so far between two samples.
const QUARTER_TURN: f64 = 1.6;

/// A function at a point, ready for differences.
pub struct Differences {
    func: Func,
    args: Vec<f64>,
    /// On which smooth piece each operation with kinks is.
    pieces: Vec<i64>,
    /// The arguments of periodic functions.
    phases: Vec<f64>,
    /// How far rounding moves each result.
    rounding: Vec<f64>,
}

impl Differences {
    pub fn new(func: &Func, args: &[f64]) -> Differences {
        let values = interp::values(func, args);
        let func = rebuild(func, |pass, val| match pass.from.inst(val) {
            Inst::Unary(Op::Stop, _) => pass.builder.f64(values[val.index()].as_f64()),
            _ => pass.copy(val),
        });
        let rounding = rounding(&func, args);
        let values = interp::values(&func, args);
        let (pieces, phases) = (pieces(&func, &values), phases(&func, &values));
        Differences { func, args: args.to_vec(), pieces, phases, rounding }
    }

    /// How many evaluations one call of [`Differences::by`] makes at most.
    pub const EVALUATIONS: usize = 2 * STEPS;

    /// The derivative of each result by one argument. `None` where no step is left to compare: at a kink, at the edge of
    /// the domain, or where nothing is finite.
    pub fn by(&self, argument: usize) -> Vec<Option<Estimate>> {
        along(self.args[argument], &self.rounding, |value| self.at(argument, value))
    }

    /// The results with another value for one argument, if that is on the same smooth piece.
    fn at(&self, argument: usize, value: f64) -> Option<Vec<f64>> {
        let mut args = self.args.clone();
        args[argument] = value;
        let values = interp::values(&self.func, &args);
        let moved = phases(&self.func, &values);
        let same_turn = !moved.iter().zip(&self.phases).any(|(a, b)| (a - b).abs() > QUARTER_TURN);
        (same_turn && pieces(&self.func, &values) == self.pieces)
            .then(|| self.func.results.iter().map(|result| values[result.value.index()].as_f64()).collect())
    }
}

/// The derivatives of several numbers by one that is `x`; `rounding` is how far each may be off. `None` from `at` is a
/// place that can't be compared.
fn along(x: f64, rounding: &[f64], mut at: impl FnMut(f64) -> Option<Vec<f64>>) -> Vec<Option<Estimate>> {
    let mut tables: Vec<Table> = rounding.iter().map(|&rounding| Table::new(rounding)).collect();
    for h in steps(x) {
        let (low, high) = (x - h, x + h);
        let sides = at(low).zip(at(high));
        for (index, table) in tables.iter_mut().enumerate() {
            let slope = sides.as_ref().map(|(below, above)| (above[index] - below[index]) / (high - low));
            table.push(slope.filter(|slope| slope.is_finite()), high - low);
        }
    }
    tables.into_iter().map(Table::best).collect()
}

/// [`Differences`] of a function that can only be called. It sees a kink at `x` itself by its two sides; one nearby makes the
/// difference inexact.
pub fn of_calls(x: f64, rounding: &[f64], mut at: impl FnMut(f64) -> Option<Vec<f64>>) -> Vec<Option<Estimate>> {
    let estimates = along(x, rounding, &mut at);
    let size = x.abs().max(f64::from(u8::from(x == 0.0)));
    // How much the slopes to both sides differ: of a smooth function in proportion to the step.
    let mut bend = |h: f64| {
        let (below, here, above) = (at(x - h)?, at(x)?, at(x + h)?);
        let sides = below.iter().zip(&here).zip(&above);
        Some(sides.map(|((below, here), above)| ((above - here) - (here - below)).abs() / h).collect::<Vec<f64>>())
    };
    let (long, short) = (size * 2f64.powi(-14), size * 2f64.powi(-20));
    let Some((far, near)) = bend(long).zip(bend(short)) else { return estimates };
    let is_kink = |index: usize| near[index] > 8.0 * rounding[index] / short && near[index] > far[index] / 4.0;
    estimates.into_iter().enumerate().map(|(index, estimate)| estimate.filter(|_| !is_kink(index))).collect()
}

/// Halving steps, from the size of the argument or of 1 down to where rounding is all that is left.
fn steps(x: f64) -> impl Iterator<Item = f64> {
    let size = x.abs();
    let largest = if size > 1.0 || size < 1e-20 && x != 0.0 { size } else { 1.0 };
    let smallest = if x == 0.0 { 1e-30 } else { size * 1e-13 };
    let first = 0.25 * math::exp2(math::log2(largest).ceil());
    let halve = |h: &f64| Some(h / 2.0);
    std::iter::successors(Some(first), halve).take_while(move |&h| h > smallest && x + h > x - h).take(STEPS)
}

/// The slopes of one result, step by step, and the extrapolations of them.
struct Table {
    rounding: f64,
    /// The last two rows of the triangle.
    rows: [Vec<f64>; 2],
    /// Slopes that count, with the width they were taken over.
    slopes: Vec<(f64, f64)>,
    /// Estimates, with the number of slopes that were known then.
    candidates: Vec<(Estimate, usize)>,
}

impl Table {
    fn new(rounding: f64) -> Table {
        Table { rounding, rows: [Vec::new(), Vec::new()], slopes: Vec::new(), candidates: Vec::new() }
    }

    /// One step more, half as long as the last.
    fn push(&mut self, slope: Option<f64>, width: f64) {
        let Some(slope) = slope else {
            self.rows = [Vec::new(), Vec::new()];
            return;
        };
        self.slopes.push((slope, width));
        let [older, last] = &self.rows;
        let mut row = vec![slope];
        for order in 1..=ORDERS.min(last.len()) {
            let (here, above) = (row[order - 1], last[order - 1]);
            row.push(here + (here - above) / (4f64.powi(order as i32) - 1.0));
        }
        // Three in a row must agree: two may do so by chance.
        for order in 1..row.len().min(last.len()).min(older.len() + 1) {
            let others = [row[order - 1], last[order - 1], last[order], older[order - 1]];
            let spread = others.iter().map(|other| (row[order] - other).abs()).fold(0.0, f64::max);
            let noise = 4.0 * self.rounding / width;
            let error = spread + noise;
            // What varies as much as it is large, and not by rounding, has structure finer than the steps.
            if error.is_finite() && (error <= 0.5 * row[order].abs() || spread <= 16.0 * noise) {
                self.candidates.push((Estimate { value: row[order], error }, self.slopes.len()));
            }
        }
        let [_, last] = std::mem::take(&mut self.rows);
        self.rows = [last, row];
    }

    /// The estimate with the least error of those that no shorter step contradicts: long steps may look steady although
    /// they reach over a pole or a narrow peak.
    fn best(mut self) -> Option<Estimate> {
        self.candidates.sort_by(|(a, _), (b, _)| a.error.total_cmp(&b.error));
        let agrees = |estimate: &Estimate, known: usize| {
            // A shorter step is no further off than the last one that the estimate knows.
            let inexact = (self.slopes[known - 1].0 - estimate.value).abs();
            self.slopes[known..].iter().all(|&(slope, width)| {
                (slope - estimate.value).abs() <= 2.0 * (inexact + estimate.error) + 16.0 * self.rounding / width
            })
        };
        self.candidates.iter().find(|(estimate, known)| agrees(estimate, *known)).map(|(estimate, _)| *estimate)
    }
}

fn phases(func: &Func, values: &[Value]) -> Vec<f64> {
    let is_periodic = |val: &Val| matches!(func.inst(*val).op(), Some(Op::Sin | Op::Cos | Op::Tan | Op::Sinc));
    let argument = |val: Val| func.operands(val).iter().map(|operand| values[operand.index()].as_f64()).sum();
    func.vals().filter(is_periodic).map(argument).collect()
}

/// For each operation with kinks, a number that tells its smooth pieces apart.
fn pieces(func: &Func, values: &[Value]) -> Vec<i64> {
    let number = |val: Val| values[val.index()].as_f64();
    let sign = |ordering: Option<Ordering>| ordering.map_or(2, |ordering| ordering as i64);
    let mut pieces = Vec::new();
    for val in func.vals() {
        let Some(op) = func.inst(val).op() else { continue };
        if op.row().kink.is_none() && !matches!(op, Op::Eq | Op::Ne) {
            continue;
        }
        let operands: Vec<f64> = func.operands(val).iter().map(|&operand| number(operand)).collect();
        let value = number(val);
        match op {
            Op::Floor | Op::Ceil | Op::Round | Op::Trunc | Op::Sign | Op::Step | Op::DivFloor => {
                let is_edge = op.row().kink.is_some_and(|is_kink| is_kink(&operands));
                pieces.extend([(value + 0.0).to_bits() as i64, i64::from(is_edge)]);
            }
            Op::Mod => pieces.push((operands[0] / operands[1]).floor().to_bits() as i64),
            Op::Min | Op::Max => pieces.extend(operands.iter().map(|&operand| i64::from(operand == value))),
            Op::Clamp => pieces.extend(operands[1..].iter().map(|bound| sign(operands[0].partial_cmp(bound)))),
            Op::Hypot => pieces.push(i64::from(operands == [0.0, 0.0])),
            Op::Abs | Op::Relu | Op::LeakyRelu => pieces.push(sign(operands[0].partial_cmp(&0.0))),
            // Comparisons, and whatever else has two sides.
            _ => match operands.as_slice() {
                [a, b, ..] => pieces.push(sign(a.partial_cmp(b))),
                [a] => pieces.push(sign(a.partial_cmp(&0.0))),
                [] => {}
            },
        }
    }
    pieces
}
