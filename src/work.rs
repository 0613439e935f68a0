//! How many turns the loops of a call make at most, known before it is made: from the sizes, and from what is passed.
//!
//! Every integer that a bound is made of lies between two numbers, which are found by interval arithmetic; an element of an argument
//! lies between the least and the greatest of its elements. So nothing is counted while loops run, and without a limit nothing is done at all.

use hashbrown::HashMap;

use crate::ir::{Func, Inst, Val};
use crate::ops::{Op, Type};
use crate::span::Span;

/// The limit of a graph, and how its loops stand in each other.
pub struct Work {
    limit: u64,
    /// Each region with those in its body, which come before it.
    regions: Vec<(Val, Vec<usize>)>,
    /// Those that stand in no other.
    outermost: Vec<usize>,
    /// The loops that each index is of, by their bounds.
    loops: HashMap<Val, Vec<(Val, Val)>>,
}

/// More work than the limit allows.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct TooMuch {
    /// The loop that makes the most turns.
    pub at: Span,
    /// How many turns all loops make, at most.
    pub turns: f64,
    pub limit: u64,
}

type Interval = (f64, f64);

const UNKNOWN: Interval = (f64::NEG_INFINITY, f64::INFINITY);

impl Work {
    pub fn of(func: &Func, limit: u64) -> Work {
        let mut work = Work { limit, regions: Vec::new(), outermost: Vec::new(), loops: HashMap::new() };
        if limit == u64::MAX {
            return work;
        }
        let vals: Vec<Val> = func.vals().filter(|&val| matches!(func.inst(val), Inst::Region(_))).collect();
        let bodies: Vec<Vec<Val>> =
            vals.iter().filter_map(|&val| func.region_of(val)).map(|region| func.body(region)).collect();
        let number: HashMap<Val, usize> = vals.iter().enumerate().map(|(number, &val)| (val, number)).collect();
        let mut is_inside = vec![false; vals.len()];
        for (&val, body) in vals.iter().zip(bodies) {
            let inner: Vec<usize> = body.iter().filter_map(|member| number.get(member)).copied().collect();
            inner.iter().for_each(|&inner| is_inside[inner] = true);
            work.regions.push((val, inner));
            for each in func.region_of(val).iter().flat_map(|region| &region.loops) {
                work.loops.entry(each.index).or_default().push((each.low, each.high));
            }
        }
        work.outermost = (0..vals.len()).filter(|&number| !is_inside[number]).collect();
        work
    }

    /// Whether a call may make too many turns; of a function for any number of rows, with so many.
    pub fn excess(&self, func: &Func, rows: usize, args: &[&[f64]]) -> Option<TooMuch> {
        if self.limit == u64::MAX {
            return None;
        }
        let mut intervals = Intervals { func, rows, args, loops: &self.loops, known: HashMap::new() };
        let own: Vec<f64> = self.regions.iter().map(|&(val, _)| intervals.turns(val)).collect();
        // How often each region is run, from the outside in.
        let mut total = vec![0.0; own.len()];
        let mut stack: Vec<(usize, f64)> = self.outermost.iter().map(|&number| (number, 1.0)).collect();
        let mut steps = 0_usize;
        while let Some((number, often)) = stack.pop() {
            steps += 1;
            let (val, inner) = &self.regions[number];
            let has_loops = func.region_of(*val).is_some_and(|region| !region.loops.is_empty());
            let turns = times(often, own[number]);
            if has_loops {
                total[number] += turns;
            }
            if turns > 0.0 && steps < MOST_STEPS {
                stack.extend(inner.iter().map(|&inner| (inner, turns)));
            }
        }
        let turns: f64 = total.iter().sum();
        if turns <= self.limit as f64 {
            return None;
        }
        let most = (0..own.len()).max_by(|&a, &b| total[a].total_cmp(&total[b]))?;
        Some(TooMuch { at: func.span(self.regions[most].0), turns, limit: self.limit })
    }
}

/// A product in which nothing times infinity is nothing.
fn times(a: f64, b: f64) -> f64 {
    if a == 0.0 || b == 0.0 { 0.0 } else { a * b }
}

/// A region in several others is looked at in each; beyond so many it is enough.
const MOST_STEPS: usize = 1 << 20;

/// Between which numbers values lie.
struct Intervals<'a> {
    func: &'a Func,
    rows: usize,
    args: &'a [&'a [f64]],
    loops: &'a HashMap<Val, Vec<(Val, Val)>>,
    known: HashMap<Val, Interval>,
}

impl Intervals<'_> {
    /// How many turns a run of a region has at most.
    fn turns(&mut self, region: Val) -> f64 {
        let loops = self.func.region_of(region).map(|region| region.loops.to_vec()).unwrap_or_default();
        let turns = loops.iter().map(|each| self.of(each.high).1 - self.of(each.low).0);
        turns.map(|turns| if turns.is_nan() { f64::INFINITY } else { turns.max(0.0) }).fold(1.0, times)
    }

    fn of(&mut self, val: Val) -> Interval {
        let mut stack = vec![(val, false)];
        while let Some((val, is_ready)) = stack.pop() {
            if is_ready {
                let found = self.interval(val);
                self.known.insert(val, found);
            } else if !self.known.contains_key(&val) {
                // What is computed from itself isn't known.
                self.known.insert(val, UNKNOWN);
                stack.push((val, true));
                let parts = self.parts(val);
                stack.extend(parts.into_iter().filter(|part| !self.known.contains_key(part)).map(|part| (part, false)));
            }
        }
        self.known[&val]
    }

    /// What the interval of a value is found from.
    fn parts(&self, val: Val) -> Vec<Val> {
        match self.func.inst(val) {
            Inst::Bound(_) => self.loops.get(&val).into_iter().flatten().flat_map(|&(low, high)| [low, high]).collect(),
            Inst::Read(_) => vec![self.func.operands(val).as_slice()[0]],
            Inst::Result(..) => self.stored(val).unwrap_or_default(),
            inst if inst.op().is_some() => self.func.operands(val).as_slice().to_vec(),
            _ => Vec::new(),
        }
    }

    /// The values that a cell is made of, if nothing else is in it.
    fn stored(&self, val: Val) -> Option<Vec<Val>> {
        let Inst::Result(_, number) = self.func.inst(val) else { return None };
        let region = self.func.region_of(val)?;
        let number = number as usize;
        if let Some(reduction) = number.checked_sub(region.first_reduction()).and_then(|at| region.reductions.get(at)) {
            return matches!(reduction.op, Op::IMin | Op::IMax).then(|| vec![reduction.value]);
        }
        let cell = region.cells.get(number.checked_sub(region.first_cell())?)?;
        let is_plain = cell.init.is_none() && cell.bound.is_none() && cell.ty == Type::Int;
        is_plain.then(|| cell.updates.iter().map(|update| update.value).collect())
    }

    fn interval(&self, val: Val) -> Interval {
        let of = |val: Val| self.known.get(&val).copied().unwrap_or(UNKNOWN);
        let union = |a: Interval, b: Interval| (a.0.min(b.0), a.1.max(b.1));
        match self.func.inst(val) {
            Inst::Int(_) if self.func.is_rows(val) => (self.rows as f64, self.rows as f64),
            Inst::Int(value) => (value as f64, value as f64),
            Inst::F64(bits) => (bits.value(), bits.value()),
            Inst::Param(index) => match self.args.get(index as usize) {
                // A number that is none gives the integer 0.
                Some(arg) if arg.iter().any(|x| x.is_nan()) => UNKNOWN,
                Some(arg) => arg.iter().map(|&x| (x, x)).reduce(union).unwrap_or((0.0, 0.0)),
                None => UNKNOWN,
            },
            Inst::Bound(_) => match self.loops.get(&val) {
                Some(loops) => {
                    loops.iter().map(|&(low, high)| (of(low).0, of(high).1 - 1.0)).reduce(union).unwrap_or(UNKNOWN)
                }
                None => UNKNOWN,
            },
            // What is outside of an array gives some element or 0.
            Inst::Read(_) => union(of(self.func.operands(val).as_slice()[0]), (0.0, 0.0)),
            Inst::Result(..) => match self.stored(val) {
                Some(stored) => stored.into_iter().map(of).fold((0.0, 0.0), union),
                None => UNKNOWN,
            },
            inst => match inst.op() {
                Some(op) => {
                    let operands: Vec<Interval> = self.func.operands(val).iter().map(|&operand| of(operand)).collect();
                    whole(op.row().result, operator(op, &operands))
                }
                None => UNKNOWN,
            },
        }
    }
}

/// What can't be computed isn't known; an integer that has no result is 0.
fn whole(ty: Type, (low, high): Interval) -> Interval {
    let low = if low.is_nan() { f64::NEG_INFINITY } else { low };
    let high = if high.is_nan() { f64::INFINITY } else { high };
    let largest = i64::MAX as f64;
    let has_result = low.abs() < largest && high.abs() < largest;
    if ty == Type::Int && !has_result { (low.min(0.0), high.max(0.0)) } else { (low, high) }
}

fn operator(op: Op, operands: &[Interval]) -> Interval {
    let each = |f: fn(f64) -> f64| operands.first().map_or(UNKNOWN, |&(low, high)| (f(low), f(high)));
    let (a, b) = (operands[0], operands.get(1).copied().unwrap_or(UNKNOWN));
    let corners = |f: fn(f64, f64) -> f64| {
        let all = [f(a.0, b.0), f(a.0, b.1), f(a.1, b.0), f(a.1, b.1)];
        if all.iter().any(|x| x.is_nan()) {
            return UNKNOWN;
        }
        (all.into_iter().fold(f64::INFINITY, f64::min), all.into_iter().fold(f64::NEG_INFINITY, f64::max))
    };
    match op {
        Op::IAdd | Op::Add => (a.0 + b.0, a.1 + b.1),
        Op::ISub | Op::Sub => (a.0 - b.1, a.1 - b.0),
        Op::INeg | Op::Neg => (-a.1, -a.0),
        Op::IMul | Op::Mul => corners(|x, y| x * y),
        Op::IDiv if b.0 > 0.0 => corners(|x, y| (x / y).floor()),
        Op::Div if b.0 > 0.0 => corners(|x, y| x / y),
        Op::IMod if b.0 > 0.0 => (0.0, b.1 - 1.0),
        Op::IPow if a.0 >= 0.0 && b.0 >= 0.0 => (0.0, a.1.powf(b.1).max(1.0)),
        Op::IAbs | Op::Abs => (0.0, a.1.max(-a.0)),
        Op::IMin | Op::Min => {
            operands.iter().fold((f64::INFINITY, f64::INFINITY), |to, x| (to.0.min(x.0), to.1.min(x.1)))
        }
        Op::IMax | Op::Max => {
            operands.iter().fold((f64::NEG_INFINITY, f64::NEG_INFINITY), |to, x| (to.0.max(x.0), to.1.max(x.1)))
        }
        Op::Select => {
            operands[1..].iter().fold((f64::INFINITY, f64::NEG_INFINITY), |to, x| (to.0.min(x.0), to.1.max(x.1)))
        }
        Op::ToF64 | Op::ToInt | Op::Stop => a,
        Op::Floor => each(f64::floor),
        Op::Ceil => each(f64::ceil),
        Op::Round => each(f64::round),
        Op::Trunc => each(f64::trunc),
        Op::Sqrt => (0.0, a.1.max(0.0).sqrt()),
        _ => UNKNOWN,
    }
}
