//! Random graphs with arrays and loops of every kind, and arguments for them.
//!
//! A graph grows from a list of choices. Where the list is at its end every choice is the first one, so that any list gives a
//! well-formed graph and a shorter list a smaller one.

use chainrule::ir::{
    Builder, Cell, Check, Direction, Func, Loop, Output, Reduction, Region, State, Update, UpdateKind, Val,
};
use chainrule::ops::{Op, Type};
use proptest::prelude::*;

use crate::random::Random;

/// The arrays among the arguments.
const SHAPES: [&[usize]; 4] = [&[5], &[4, 5], &[3, 4, 2], &[37]];

/// How many integers the integer argument has; they are from -2 to 9.
const INTS: usize = 6;

/// Choices that shrink.
pub fn choices(max: usize) -> impl Strategy<Value = Vec<u16>> {
    prop::collection::vec(any::<u16>(), 1..max)
}

/// The function that choices describe: its results are numbers and arrays.
pub fn graph(choices: &[u16]) -> Func {
    let mut maker = Maker::new(choices);
    for _ in 0..4 {
        maker.statement(0);
    }
    let numbers = maker.scope.numbers.iter().rev().take(2);
    let arrays = maker.scope.arrays.iter().rev().take(3);
    let ints = maker.scope.ints.iter().rev().take(1);
    let values: Vec<Val> = numbers.chain(arrays).chain(ints).copied().collect();
    let outputs = values.into_iter().map(|value| Output { name: String::new(), value }).collect();
    let func = chainrule::opt::compact(&maker.b.finish(outputs));
    if let Err(message) = chainrule::ir::verify::verify(&func) {
        panic!("{message}\n{func}");
    }
    func
}

/// Arguments for a function of [`graph`].
pub fn arguments(seed: u64) -> Vec<Vec<f64>> {
    let mut random = Random(seed | 1);
    let mut unit = |low: f64, high: f64| low + (high - low) * random.below(1 << 20) as f64 / (1 << 20) as f64;
    let mut args = vec![vec![unit(-2.0, 2.0)], vec![unit(-2.0, 8.0).floor()]];
    for shape in SHAPES {
        args.push((0..shape.iter().product()).map(|_| unit(-2.0, 2.0)).collect());
    }
    args.push((0..INTS).map(|_| unit(-2.0, 9.0).floor()).collect());
    args
}

/// What can be named at a place of the program.
#[derive(Clone, Default)]
struct Scope {
    numbers: Vec<Val>,
    arrays: Vec<Val>,
    ints: Vec<Val>,
    /// Indices with what they are below of; all are at least 0.
    indices: Vec<(Val, usize)>,
}

struct Maker<'a> {
    b: Builder,
    choices: std::slice::Iter<'a, u16>,
    scope: Scope,
    int_array: Val,
}

impl<'a> Maker<'a> {
    fn new(choices: &'a [u16]) -> Maker<'a> {
        let mut b = Builder::new("f");
        let numbers = vec![b.param("s", Type::F64)];
        let ints = vec![b.param("k", Type::Int)];
        let array = |(number, shape): (usize, &&[usize])| b.array_param(&format!("a{number}"), Type::F64, shape);
        let arrays = SHAPES.iter().enumerate().map(array).collect();
        let int_array = b.array_param("c", Type::Int, &[INTS]);
        Maker { b, choices: choices.iter(), scope: Scope { numbers, arrays, ints, indices: Vec::new() }, int_array }
    }

    fn choose(&mut self, below: usize) -> usize {
        usize::from(self.choices.next().copied().unwrap_or(0)) % below
    }

    fn statement(&mut self, depth: usize) {
        let kinds = if depth < 3 { 12 } else { 3 };
        match self.choose(kinds) {
            0 => self.operator(),
            1 => self.element(),
            2 => self.row(),
            3 => self.map(depth),
            4 => self.reduction(depth),
            5 => self.recurrence(depth),
            6 => self.fold(depth),
            7 => self.scatter(depth),
            8 => self.add_in_place(depth),
            9 => self.array_state(depth),
            10 => self.triangle(depth),
            _ => self.integer(),
        }
    }

    /// A number: computed in one or two statements in a scope of its own.
    fn body(&mut self, depth: usize) -> Val {
        for _ in 0..1 + self.choose(2) {
            self.statement(depth + 1);
        }
        if self.choose(3) == 0 {
            self.element();
        }
        self.number()
    }

    fn number(&mut self) -> Val {
        let back = self.choose(3.min(self.scope.numbers.len()));
        self.scope.numbers[self.scope.numbers.len() - 1 - back]
    }

    fn some_array(&mut self) -> Val {
        let place = self.choose(self.scope.arrays.len());
        self.scope.arrays[self.scope.arrays.len() - 1 - place]
    }

    fn some_int(&mut self) -> Val {
        let place = self.choose(self.scope.ints.len());
        self.scope.ints[place]
    }

    fn condition(&mut self) -> Val {
        let (a, b) = (self.number(), self.number());
        match self.choose(4) {
            0 => self.b.bool(true),
            1 if !self.scope.indices.is_empty() => {
                let place = self.choose(self.scope.indices.len());
                let (index, _) = self.scope.indices[place];
                let two = self.b.int(2);
                self.b.binary(Op::ILt, index, two)
            }
            _ => self.b.binary(Op::Le, a, b),
        }
    }

    fn operator(&mut self) {
        let (a, b, condition) = (self.number(), self.number(), self.condition());
        let value = match self.choose(12) {
            0 => self.b.binary(Op::Mul, a, b),
            1 => self.b.binary(Op::Add, a, b),
            2 => self.b.binary(Op::Sub, a, b),
            3 => self.b.unary(Op::Sin, a),
            4 => self.b.unary(Op::Sigmoid, a),
            5 => self.b.select(condition, a, b),
            6 => self.b.binary(Op::Max, a, b),
            7 => self.b.unary(Op::Exp, a),
            8 => self.b.binary(Op::Div, a, b),
            9 => self.b.unary(Op::Floor, a),
            10 => {
                let three = self.b.int(3);
                self.b.binary(Op::Powi, a, three)
            }
            _ => match self.scope.indices.last() {
                Some(&(index, _)) => self.b.unary(Op::ToF64, index),
                None => self.b.unary(Op::Abs, a),
            },
        };
        self.scope.numbers.push(value);
    }

    fn integer(&mut self) {
        let a = self.some_int();
        let b = match self.scope.indices.last() {
            Some(&(index, _)) => index,
            None => self.scope.ints[0],
        };
        let value = match self.choose(4) {
            0 => self.b.binary(Op::IAdd, a, b),
            1 => self.b.binary(Op::IMul, a, b),
            2 => self.b.binary(Op::IMin, a, b),
            _ => {
                let at = self.subscript(INTS);
                self.b.read(self.int_array, &[at])
            }
        };
        self.scope.ints.push(value);
        let number = self.b.unary(Op::ToF64, value);
        self.scope.numbers.push(number);
    }

    /// A subscript inside of a dimension.
    fn subscript(&mut self, extent: usize) -> Val {
        let fitting: Vec<Val> =
            self.scope.indices.iter().rev().filter(|(_, high)| *high <= extent).map(|(index, _)| *index).collect();
        let last = self.b.int(extent as i64 - 1);
        match self.choose(4) {
            0 | 1 if !fitting.is_empty() => fitting[self.choose(fitting.len())],
            2 if !fitting.is_empty() => self.b.binary(Op::ISub, last, fitting[0]),
            0 | 2 => {
                let at = self.choose(extent) as i64;
                self.b.int(at)
            }
            _ => {
                let int = self.some_int();
                let extent = self.b.int(extent as i64);
                self.b.binary(Op::IMod, int, extent)
            }
        }
    }

    fn element(&mut self) {
        let array = self.some_array();
        let shape = self.b.func().shape(array).to_vec();
        let mut subscripts: Vec<Val> = shape.iter().map(|&extent| self.subscript(extent)).collect();
        // Any integer, under a check.
        let is_checked = self.choose(5) == 4;
        if is_checked {
            let (place, int) = (self.choose(shape.len()), self.choose(self.scope.ints.len()));
            subscripts[place] = self.scope.ints[int];
        }
        let value = self.b.read(array, &subscripts);
        if is_checked {
            let guard = self.condition();
            self.check(guard, value);
        }
        self.scope.numbers.push(value);
    }

    /// A check is where its site is, and its guard must be known there.
    fn check(&mut self, guard: Val, site: Val) {
        let func = self.b.func();
        let is_known = guard < site && func.free(guard).iter().all(|name| func.free(site).contains(name));
        let guard = if is_known { guard } else { self.b.bool(true) };
        self.b.check(Check { guard, site, missing: false });
    }

    fn row(&mut self) {
        let array = self.some_array();
        let shape = self.b.func().shape(array).to_vec();
        let subscripts: Vec<Val> = shape[1..].iter().zip(&shape).map(|(_, &extent)| self.subscript(extent)).collect();
        if !subscripts.is_empty() {
            let row = self.b.read(array, &subscripts);
            self.scope.arrays.push(row);
        }
    }

    /// An index that may be bound outside already.
    fn index(&mut self, extent: usize) -> Val {
        match self.scope.indices.last().copied() {
            Some((index, _)) if self.choose(8) == 7 => {
                // Nothing outside that depends on it is what it was.
                let func = self.b.func();
                let is_free = |val: &Val| !func.free(*val).contains(&index);
                self.scope.numbers.retain(is_free);
                self.scope.arrays.retain(is_free);
                self.scope.ints.retain(is_free);
                self.scope.indices.retain(|(other, _)| *other != index);
                self.scope.indices.push((index, extent));
                index
            }
            _ => {
                let index = self.b.index();
                self.scope.indices.push((index, extent));
                index
            }
        }
    }

    fn extent(&mut self) -> usize {
        [3, 1, 2, 5, 4, 17, 33, 40][self.choose(8)]
    }

    fn up(&mut self, index: Val, extent: usize) -> Loop {
        let (low, high) = (self.b.int(0), self.b.int(extent as i64));
        Loop::up(index, low, high)
    }

    fn store(&mut self, subscripts: &[Val], value: Val) -> Box<[Update]> {
        let guard = self.b.bool(true);
        Box::new([Update { kind: UpdateKind::Store, subscripts: subscripts.into(), value, factor: None, guard }])
    }

    fn map(&mut self, depth: usize) {
        let outside = self.scope.clone();
        let mut loops = Vec::new();
        for _ in 0..1 + self.choose(2) {
            let extent = self.extent();
            if loops.iter().all(|(_, other)| other * extent < 300) {
                loops.push((self.index(extent), extent));
            }
        }
        loops.dedup_by_key(|each| each.0);
        let mut value = self.body(depth);
        if self.choose(6) == 5 && self.scope.arrays.len() > outside.arrays.len() {
            value = *self.scope.arrays.last().expect("one more than outside");
        }
        let distinct: hashbrown::HashSet<Val> = loops.iter().map(|each| each.0).collect();
        if distinct.len() < loops.len() || self.b.func().shape(value).iter().product::<usize>() > 300 {
            self.scope = outside;
            return;
        }
        let array = self.b.array(&loops, value);
        self.scope = outside;
        self.scope.arrays.push(array);
    }

    fn reduction(&mut self, depth: usize) {
        let outside = self.scope.clone();
        let extent = self.extent();
        let index = self.index(extent);
        let (value, factor, guard) = (self.body(depth), self.number(), self.condition());
        let int = *self.scope.ints.last().expect("an integer");
        let always = self.b.bool(true);
        let reductions = [
            Reduction { op: Op::Add, value, factor: Some(factor), guard: always },
            Reduction { op: Op::Add, value, factor: None, guard },
            Reduction { op: Op::Max, value, factor: None, guard },
            Reduction { op: Op::Min, value, factor: None, guard: always },
            Reduction { op: Op::IAdd, value: int, factor: None, guard },
            Reduction { op: Op::Or, value: guard, factor: None, guard: always },
        ];
        let first = self.choose(6);
        let direction = if self.choose(4) == 3 { Direction::Down } else { Direction::Up };
        let low = self.choose(2) as i64;
        let (low, high) = (self.b.int(low), self.b.int(extent as i64));
        let region = self.b.region(Region {
            loops: Box::new([Loop { index, low, high, direction }]),
            reductions: reductions[first..].iter().take(2).copied().collect(),
            ..Region::default()
        });
        self.scope = outside;
        for (number, reduction) in reductions[first..].iter().take(2).enumerate() {
            let result = self.b.result(region, number);
            match self.b.func().ty(reduction.value) {
                Type::F64 => self.scope.numbers.push(result),
                Type::Int => self.scope.ints.push(result),
                _ => {
                    let (one, zero) = (self.b.f64(1.0), self.b.f64(0.0));
                    let number = self.b.select(result, one, zero);
                    self.scope.numbers.push(number);
                }
            }
        }
    }

    fn recurrence(&mut self, depth: usize) {
        let outside = self.scope.clone();
        let extent = self.extent();
        let cell = self.b.bound(Type::F64, &[extent]);
        let index = self.index(extent);
        let down = self.choose(2) == 1;
        let (zero, one, last) = (self.b.int(0), self.b.int(1), self.b.int(extent as i64 - 1));
        // The element before; at the first turn a number in its place.
        let (before, edge, op) = if down {
            (self.b.binary(Op::IAdd, index, one), last, Op::ILt)
        } else {
            (self.b.binary(Op::ISub, index, one), zero, Op::ILt)
        };
        let inside = if down { self.b.binary(op, index, edge) } else { self.b.binary(op, edge, index) };
        let element = self.b.read(cell, &[before]);
        if self.choose(2) == 1 {
            self.b.check(Check { guard: inside, site: element, missing: false });
        }
        let start = self.number();
        let previous = self.b.select(inside, element, start);
        self.scope.numbers.push(previous);
        let mut value = self.body(depth);
        let half = self.b.f64(0.5);
        if self.choose(2) == 1 {
            let damped = self.b.binary(Op::Mul, previous, half);
            value = self.b.binary(Op::Add, damped, value);
        }
        let updates = self.store(&[index], value);
        let direction = if down { Direction::Down } else { Direction::Up };
        let each = Loop { direction, ..self.up(index, extent) };
        let region = self.b.region(Region {
            loops: Box::new([each]),
            cells: Box::new([Cell { ty: Type::F64, shape: [extent].into(), bound: Some(cell), init: None, updates }]),
            ..Region::default()
        });
        self.scope = outside;
        let array = self.b.result(region, 0);
        self.scope.arrays.push(array);
    }

    fn fold(&mut self, depth: usize) {
        let outside = self.scope.clone();
        let bounds = [self.b.bound(Type::F64, &[]), self.b.bound(Type::F64, &[])];
        let extent = self.extent();
        let index = self.index(extent);
        let inits = [self.number(), self.number()];
        self.scope.numbers.extend(bounds);
        let next = [self.body(depth), self.number()];
        let going = (self.choose(2) == 1).then(|| {
            let hundred = self.b.f64(3.0);
            let size = self.b.unary(Op::Abs, bounds[0]);
            self.b.binary(Op::Le, size, hundred)
        });
        let (low, high) = (self.b.int(0), self.b.int(extent as i64));
        let direction = if going.is_none() && self.choose(3) == 2 { Direction::Down } else { Direction::Up };
        let state = |number: usize| State { bound: bounds[number], init: inits[number], next: next[number] };
        let region = self.b.region(Region {
            loops: Box::new([Loop { index, low, high, direction }]),
            states: Box::new([state(0), state(1)]),
            going,
            ..Region::default()
        });
        self.scope = outside;
        if going.is_some() && self.choose(3) == 2 {
            let guard = self.condition();
            self.check(guard, region);
        }
        let (first, second, turns) = (self.b.result(region, 0), self.b.result(region, 1), self.b.result(region, 2));
        self.scope.numbers.extend([second, first]);
        self.scope.ints.push(turns);
    }

    /// Adds to elements at any places, or stores where a condition holds.
    fn scatter(&mut self, depth: usize) {
        let outside = self.scope.clone();
        let extent = self.extent();
        let index = self.index(extent);
        let init = self.some_array();
        let shape = self.b.func().shape(init).to_vec();
        let init = (self.choose(2) == 1).then_some(init);
        let value = self.body(depth);
        let factor = (self.choose(2) == 1).then(|| self.number());
        let guard = self.condition();
        let mut subscripts: Box<[Val]> = shape.iter().map(|&extent| self.subscript(extent)).collect();
        if self.choose(6) == 5 {
            subscripts[0] = *self.scope.ints.last().expect("an integer");
        }
        let add = Update { kind: UpdateKind::Add, subscripts, value, factor, guard };
        let each = self.up(index, extent);
        let cell = Cell { ty: Type::F64, shape: shape.into(), bound: None, init, updates: Box::new([add]) };
        let region = self.b.region(Region { loops: Box::new([each]), cells: Box::new([cell]), ..Region::default() });
        self.scope = outside;
        let array = self.b.result(region, 0);
        self.scope.arrays.push(array);
    }

    /// A row of sums to which a loop inside adds.
    fn add_in_place(&mut self, depth: usize) {
        let outside = self.scope.clone();
        let (rows, columns, outer) = (self.extent(), self.extent(), self.extent());
        let i = self.index(outer);
        let row = self.subscript(rows);
        let around = self.scope.clone();
        let j = self.index(columns);
        if i == j || self.b.func().free(row).contains(&j) {
            self.scope = outside;
            return;
        }
        let (value, mut guard) = (self.body(depth), self.condition());
        let kind = if self.choose(2) == 1 { UpdateKind::Store } else { UpdateKind::Add };
        if kind == UpdateKind::Store {
            guard = self.b.bool(true);
        }
        let updates: Box<[Update]> = Box::new([Update { kind, subscripts: [j].into(), value, factor: None, guard }]);
        let each = self.up(j, columns);
        let cell =
            |shape: &[usize], updates| Cell { ty: Type::F64, shape: shape.into(), bound: None, init: None, updates };
        let inner = self.b.region(Region {
            loops: Box::new([each]),
            cells: Box::new([cell(&[columns], updates)]),
            ..Region::default()
        });
        self.scope = around;
        let (value, guard) = (self.b.result(inner, 0), self.b.bool(true));
        let updates: Box<[Update]> =
            Box::new([Update { kind: UpdateKind::Add, subscripts: [row].into(), value, factor: None, guard }]);
        let each = self.up(i, outer);
        let region = self.b.region(Region {
            loops: Box::new([each]),
            cells: Box::new([cell(&[rows, columns], updates)]),
            ..Region::default()
        });
        self.scope = outside;
        let array = self.b.result(region, 0);
        self.scope.arrays.push(array);
    }

    /// An array that is carried from turn to turn, and one that it changes places with.
    fn array_state(&mut self, depth: usize) {
        let outside = self.scope.clone();
        let turns = self.extent();
        let t = self.index(turns);
        let init = self.some_array();
        let shape = self.b.func().shape(init).to_vec();
        let bounds = [self.b.bound(Type::F64, &shape), self.b.bound(Type::F64, &shape)];
        self.scope.arrays.extend(bounds);
        let around = self.scope.clone();
        let indices: Vec<(Val, usize)> = shape.iter().map(|&extent| (self.b.index(), extent)).collect();
        self.scope.indices.extend(&indices);
        let value = self.body(depth);
        let next = self.b.array(&indices, value);
        self.scope = around;
        let swapped = self.choose(2) == 1;
        let other = if swapped { bounds[0] } else { init };
        let each = self.up(t, turns);
        let states = [State { bound: bounds[0], init, next }, State { bound: bounds[1], init, next: other }];
        let region = self.b.region(Region { loops: Box::new([each]), states: Box::new(states), ..Region::default() });
        self.scope = outside;
        let (first, second) = (self.b.result(region, 0), self.b.result(region, 1));
        self.scope.arrays.extend([first, second]);
    }

    /// A loop as long as an index outside says, or data.
    fn triangle(&mut self, depth: usize) {
        let outside = self.scope.clone();
        let extent = self.extent();
        let high = match self.scope.indices.last() {
            Some(&(index, high)) if high <= extent => index,
            _ => {
                let int = *self.scope.ints.last().expect("an integer");
                let bound = self.b.int(extent as i64);
                self.b.binary(Op::IMin, int, bound)
            }
        };
        let index = self.b.index();
        self.scope.indices.push((index, extent));
        let value = self.body(depth);
        let low = self.b.int(0);
        let sum = self.b.sum(index, low, high, value);
        self.scope = outside;
        self.scope.numbers.push(sum);
    }
}
