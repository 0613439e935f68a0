//! Random graphs of all operators and types, and points to evaluate them at.
//!
//! A graph grows from a list of [`Pick`]s, each of which adds one instruction whose operands are earlier values of the
//! right type. Any list gives a well-formed graph, so a failing one shrinks to a small one.

use chainrule::ir::{Builder, Func, Output, Val, guard};
use chainrule::ops::{OPS, Op, Type};
use proptest::prelude::*;

/// One instruction: which operator, and which of the values so far it is applied to.
#[derive(Clone, Debug)]
pub struct Pick {
    pub op: usize,
    pub operands: [u16; 4],
}

/// How many arguments of each type a random graph has: numbers, integers, conditions.
pub const PARAMS: [(Type, usize); 3] = [(Type::F64, 4), (Type::Int, 2), (Type::Bool, 1)];

const N_PARAMS: usize = 7;

/// Numbers where mistakes show.
pub const SPECIAL: [f64; 24] = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    -0.5,
    0.49999999999999994,
    -0.49999999999999994,
    2.5,
    -1.5,
    3.0,
    700.0,
    -745.0,
    1e-300,
    5e-324,
    -2.2250738585072014e-308,
    4503599627370495.5,
    9007199254740993.0,
    1e300,
    -1.7976931348623157e308,
    f64::INFINITY,
    f64::NEG_INFINITY,
    f64::NAN,
    -f64::NAN,
];

const SPECIAL_INTS: [i64; 14] =
    [0, 1, -1, 2, -2, 3, 7, -10, 62, 1 << 31, -(1 << 32) + 1, (1 << 53) - 1, 1 << 62, i64::MIN];

/// A list of instructions that shrinks.
pub fn picks(max: usize) -> impl Strategy<Value = Vec<Pick>> {
    let pick = (0..OPS.len(), any::<[u16; 4]>()).prop_map(|(op, operands)| Pick { op, operands });
    prop::collection::vec(pick, 1..max)
}

/// An argument list of a random graph: two thirds ordinary, one third special.
pub fn point() -> impl Strategy<Value = Vec<f64>> {
    (any::<[u64; N_PARAMS]>())
        .prop_map(|seeds| point_of(&mut Random(seeds.iter().fold(1, |a, &b| a.rotate_left(9) ^ b))))
}

/// The graph that a list of instructions describes. The last values of each type are its results, and all its
/// integer arithmetic is checked where it matters.
pub fn graph(picks: &[Pick]) -> Func {
    grow(picks, &PARAMS, |_| true)
}

/// The same of numbers and conditions only, but for constant exponents; all arguments are numbers.
#[cfg(feature = "wide")]
pub fn graph_of_numbers(picks: &[Pick], n_params: usize) -> Func {
    let is_plain = |op: Op| {
        let row = op.row();
        op == Op::Powi || row.result != Type::Int && row.args.iter().all(|&ty| ty != Type::Int)
    };
    grow(picks, &[(Type::F64, n_params)], is_plain)
}

fn grow(picks: &[Pick], params: &[(Type, usize)], is_allowed: impl Fn(Op) -> bool) -> Func {
    let mut builder = Builder::new("random");
    let mut pools: [Vec<Val>; 3] = Default::default();
    let with_ints = params.iter().any(|(ty, _)| *ty == Type::Int);
    for &(ty, count) in params {
        for index in 0..count {
            let val = builder.param(&format!("{}{index}", ty.name()), ty);
            pools[ty as usize].push(val);
        }
    }
    for value in SPECIAL {
        pools[Type::F64 as usize].push(builder.f64(value));
    }
    for value in SPECIAL_INTS {
        pools[Type::Int as usize].push(builder.int(value));
    }
    pools[Type::Bool as usize].push(builder.bool(true));
    for pick in picks.iter().filter(|pick| is_allowed(OPS[pick.op].op)) {
        // The sign of a NaN is not promised, and `copysign` shows it.
        let row = if OPS[pick.op].op == Op::Copysign { Op::Sub.row() } else { &OPS[pick.op] };
        let mut types = row.args.to_vec();
        match row.op {
            Op::Select if with_ints => {
                types[1..].fill([Type::F64, Type::Int, Type::Bool][usize::from(pick.operands[3] % 3)]);
            }
            Op::Select => types[1..].fill([Type::F64, Type::Bool][usize::from(pick.operands[3] % 2)]),
            Op::Min | Op::Max if pick.operands[3] % 2 == 1 => types.push(Type::F64),
            _ => {}
        }
        let args: Vec<Val> = types
            .iter()
            .zip(pick.operands)
            .map(|(&ty, operand)| {
                let pool = &pools[ty as usize];
                // Every other operand is a recent value, so that graphs grow deep as well as wide.
                let window = if operand % 2 == 0 { pool.len() } else { pool.len().min(8) };
                pool[pool.len() - 1 - usize::from(operand / 2) % window]
            })
            .collect();
        let val = builder.emit(row.op, &args);
        pools[builder.func().ty(val) as usize].push(val);
    }
    let is_result = |val: &Val| with_ints || builder.func().ty(*val) != Type::Int;
    let results: Vec<Val> =
        pools.iter().flat_map(|pool| pool.iter().rev().take(5).copied()).filter(is_result).collect();
    guard::add_checks(&mut builder, &results, Func::may_fault);
    let name = |index: usize| format!("r{index}");
    builder.finish(results.iter().enumerate().map(|(index, &value)| Output { name: name(index), value }).collect())
}

/// A small generator of random numbers (xorshift).
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 |= u64::from(self.0 == 0);
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() >> 33) as usize % bound
    }

    /// Between 0 and 1.
    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / 9007199254740992.0
    }

    pub fn number(&mut self) -> f64 {
        match self.below(6) {
            0 => SPECIAL[self.below(SPECIAL.len())],
            1 => f64::from_bits(self.next()),
            2 => self.unit() * 60.0 - 30.0,
            _ => self.unit() * 6.0 - 2.0,
        }
    }

    pub fn int(&mut self) -> i64 {
        match self.below(3) {
            0 => SPECIAL_INTS[self.below(SPECIAL_INTS.len())],
            _ => self.below(40) as i64 - 20,
        }
    }
}

/// An argument list of a random graph.
pub fn point_of(random: &mut Random) -> Vec<f64> {
    let mut point = Vec::with_capacity(N_PARAMS);
    for (ty, count) in PARAMS {
        for _ in 0..count {
            point.push(match ty {
                Type::F64 => random.number(),
                Type::Int => random.int() as f64,
                Type::Bool => random.below(2) as f64,
                Type::Tuple => unreachable!("no operator takes one"),
            });
        }
    }
    point
}

/// A graph of numbers with about `size` operations, where each uses recent values or any: what a gradient looks like to a
/// back end. `calls` in a hundred are elementary functions.
#[cfg(feature = "jit")]
pub fn large(size: usize, calls: usize, seed: u64) -> Func {
    let mut random = Random(seed);
    let mut builder = Builder::new("large");
    let mut vals: Vec<Val> = (0..16).map(|index| builder.param(&format!("x{index}"), Type::F64)).collect();
    while vals.len() < size {
        let far = random.below(8) == 0;
        let mut operand = || vals[vals.len() - 1 - random.below(if far { vals.len() } else { 16 })];
        let (a, b) = (operand(), operand());
        let val = match random.below(100) {
            n if n < calls => builder.unary([Op::Sin, Op::Cos, Op::Tanh, Op::Sigmoid][n % 4], a),
            n if n < 40 => builder.binary(Op::Add, a, b),
            n if n < 60 => builder.binary(Op::Sub, a, b),
            n if n < 95 => builder.binary(Op::Mul, a, b),
            _ => builder.binary(Op::Div, a, b),
        };
        vals.push(val);
    }
    // What nothing uses is a result, so that everything is alive.
    let mut used = vec![false; builder.func().len()];
    for val in builder.func().vals() {
        builder.func().operands(val).iter().for_each(|operand| used[operand.index()] = true);
    }
    let results = vals.iter().filter(|val| !used[val.index()]);
    let name = |index: usize| format!("r{index}");
    builder.finish(results.enumerate().map(|(index, &value)| Output { name: name(index), value }).collect())
}

/// A forward sweep of products, sums and elementary functions (`calls` in a hundred), and the reverse sweep that belongs to it: about
/// `size` operations. The reverse sweep needs most values of the forward one, in the opposite order.
#[cfg(feature = "jit")]
pub fn sweep(size: usize, calls: usize, seed: u64) -> Func {
    let mut random = Random(seed);
    let mut builder = Builder::new("sweep");
    let params: Vec<Val> = (0..16).map(|index| builder.param(&format!("x{index}"), Type::F64)).collect();
    let mut vals = params.clone();
    let mut forward = Vec::new();
    while vals.len() < 2 * size / 7 {
        let mut operand = || vals[vals.len() - 1 - random.below(16)];
        let (a, b) = (operand(), operand());
        let op = match random.below(100) {
            n if n < calls => Op::Sin,
            n if n < 60 => Op::Mul,
            _ => Op::Add,
        };
        let val = if op == Op::Sin { builder.unary(op, a) } else { builder.binary(op, a, b) };
        forward.push((op, a, b, val));
        vals.push(val);
    }
    let last = forward.last().map_or(params[0], |&(.., val)| val);
    let mut adjoint: Vec<Option<Val>> = vec![None; builder.func().len()];
    adjoint[last.index()] = Some(builder.f64(1.0));
    for &(op, a, b, val) in forward.iter().rev() {
        let Some(bar) = adjoint[val.index()].take() else { continue };
        let parts = match op {
            Op::Mul => [Some(builder.binary(Op::Mul, bar, b)), Some(builder.binary(Op::Mul, bar, a))],
            Op::Sin => {
                let cos = builder.unary(Op::Cos, a);
                [Some(builder.binary(Op::Mul, bar, cos)), None]
            }
            _ => [Some(bar), Some(bar)],
        };
        for (operand, part) in [a, b].into_iter().zip(parts) {
            let Some(part) = part else { continue };
            let sum = adjoint[operand.index()].map_or(part, |sum| builder.binary(Op::Add, sum, part));
            adjoint[operand.index()] = Some(sum);
        }
    }
    let results = std::iter::once(last).chain(params.iter().filter_map(|param| adjoint[param.index()]));
    let name = |index: usize| format!("r{index}");
    builder.finish(results.enumerate().map(|(index, value)| Output { name: name(index), value }).collect())
}

/// Calls something at random points from eight threads at once.
#[cfg(feature = "wide")]
pub fn on_threads(call: impl Fn(&[f64]) + Clone + Send + 'static) {
    let threads: Vec<_> = (0..8)
        .map(|seed| {
            let call = call.clone();
            std::thread::spawn(move || {
                let mut random = Random(seed + 1);
                for _ in 0..50 {
                    let point: Vec<f64> = (0..16).map(|_| random.number()).collect();
                    call(&point);
                }
            })
        })
        .collect();
    drop(call);
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}
