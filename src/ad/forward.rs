//! Forward mode: tangents of inputs go forward to outputs.
//!
//! The tangent of a region is a region over the same loops that binds the same names, so both share what their bodies have in
//! common. States and cells that a derivative reaches have companions, `s_dot` beside `s`:
//!
//! ```text
//! s = next(s)              s_dot = next_dot(s, s_dot)
//! cell[i] = v              cell_dot[i] = v_dot
//! cell[i] += v*w           cell_dot[i] += v_dot*w,  cell_dot[i] += v*w_dot
//! sum v*w                  sum v_dot*w + sum v*w_dot
//! m = max v                sum[v == m](v_dot) / sum[v == m](1)
//! ```

use hashbrown::HashMap;

use super::active::Active;
use super::reach::Reach;
use super::rules::rule;
use super::zero;
use crate::ir::{Builder, Cell, Inst, Reduction, Region, State, Update, UpdateKind, Val};
use crate::ops::{Op, Type};

/// Pushes tangents of inputs forward to outputs. `None`: the output doesn't depend on the inputs. The tangent of an
/// array has its shape.
///
/// Adds at most a small constant number of operations for each active instruction.
pub fn tangents(builder: &mut Builder, seeds: &[(Val, Val)], outputs: &[Val]) -> Vec<Option<Val>> {
    let inputs: Vec<Val> = seeds.iter().map(|&(input, _)| input).collect();
    let active = Active::between(builder, &inputs, outputs);
    let mut sweep = Sweep { builder, dots: vec![None; active.len()], results: HashMap::new(), active };
    let mut apart: Vec<(Val, Val)> = Vec::new();
    for &(input, seed) in seeds {
        let free = sweep.builder.func().free(seed).to_vec();
        if free.is_empty() {
            sweep.set(input, Some(seed));
        } else {
            // A loop in between may bind the same name; the seed has a name of its own until all is made.
            let shape = sweep.builder.func().shape(seed).to_vec();
            let opaque = sweep.builder.opaque_array(Type::F64, &shape);
            apart.push((opaque, seed));
            sweep.set(input, Some(opaque));
        }
    }
    sweep.run();
    let dots: Vec<Option<Val>> = outputs.iter().map(|&output| sweep.dot(output)).collect();
    let found: Vec<Val> = dots.iter().flatten().copied().collect();
    let mut found = builder.substitute_all(&found, &apart).into_iter();
    dots.into_iter().map(|dot| dot.and_then(|_| found.next())).collect()
}

struct Sweep<'a> {
    builder: &'a mut Builder,
    active: Active,
    dots: Vec<Option<Val>>,
    /// The tangent of each result of each region.
    results: HashMap<Val, Vec<Option<Val>>>,
}

impl Sweep<'_> {
    fn run(&mut self) {
        let mut reach = Reach::of(self.builder, &self.active);
        for val in self.active.vals() {
            if !self.active.contains(val) || self.dot(val).is_some() {
                continue;
            }
            self.builder.span = self.builder.func().span(val);
            let dot = match self.builder.func().inst(val) {
                Inst::Bound(_) => {
                    let shape = self.builder.func().shape(val).to_vec();
                    Some(self.builder.bound(Type::F64, &shape))
                }
                Inst::Read(list) => {
                    let list = self.builder.func().list(list).to_vec();
                    self.dot(list[0]).map(|array| self.builder.read(array, &list[1..]))
                }
                Inst::Region(region) => {
                    let region = self.builder.func().region(region).clone();
                    let results = self.region(val, &region, reach.as_mut());
                    self.results.insert(val, results);
                    None
                }
                Inst::Result(region, number) => {
                    self.results.get(&region).and_then(|results| results.get(number as usize).copied().flatten())
                }
                Inst::Ternary(Op::Select, condition, a, b) => {
                    let zero = self.builder.f64(0.0);
                    match (self.dot(a), self.dot(b)) {
                        (None, None) => None,
                        (a, b) => Some(self.builder.select(condition, a.unwrap_or(zero), b.unwrap_or(zero))),
                    }
                }
                _ => self.by_rules(val, reach.as_ref()),
            };
            self.set(val, dot);
            if let Some(reach) = &mut reach {
                reach.extend(self.builder, &self.active, val);
            }
        }
    }

    fn by_rules(&mut self, val: Val, reach: Option<&Reach>) -> Option<Val> {
        let mut sum: Option<Val> = None;
        for slot in 0..self.builder.func().operands(val).as_slice().len() {
            let operand = self.builder.func().operands(val).as_slice()[slot];
            let Some(mut term) = self.dot(operand).and_then(|seed| rule(self.builder, val, slot, seed)) else {
                continue;
            };
            if let Some(reach) = reach {
                term = reach.masked(self.builder, &self.active, val, operand, term);
            }
            sum = Some(match sum {
                None => term,
                Some(sum) => self.builder.binary(Op::Add, sum, term),
            });
        }
        sum
    }

    fn dot(&self, val: Val) -> Option<Val> {
        if self.active.contains(val) { self.dots[self.active.place(val)] } else { None }
    }

    fn set(&mut self, val: Val, dot: Option<Val>) {
        if self.active.contains(val) {
            let place = self.active.place(val);
            self.dots[place] = dot;
        }
    }

    /// The tangent of a value, where there must be one.
    fn dot_or_zero(&mut self, val: Val) -> Val {
        self.dot(val).unwrap_or_else(|| zero(self.builder, val))
    }

    fn region(&mut self, val: Val, region: &Region, mut reach: Option<&mut Reach>) -> Vec<Option<Val>> {
        let mut results = vec![None; region.results()];
        let mut tangent = match &mut reach {
            Some(reach) => reach.carry(self.builder, &self.active, val, region),
            None => region.asking(Box::new([])),
        };
        let mut numbers: Vec<(usize, usize)> = Vec::new();

        let mut states = tangent.states.to_vec();
        for (number, state) in region.states.iter().enumerate() {
            let Some(bound) = self.dot(state.bound) else { continue };
            let (init, next) = (self.dot_or_zero(state.init), self.dot_or_zero(state.next));
            numbers.push((number, states.len()));
            states.push(State { bound, init, next });
        }
        tangent.states = states.into();

        let mut cells = tangent.cells.to_vec();
        for (number, cell) in region.cells.iter().enumerate() {
            if !self.active.cell(cell) {
                continue;
            }
            numbers.push((region.first_cell() + number, tangent.states.len() + cells.len()));
            cells.push(self.cell(cell));
        }
        tangent.cells = cells.into();

        let mut sums: Vec<Reduction> = Vec::new();
        let mut terms: Vec<(usize, Vec<usize>)> = Vec::new();
        for (number, reduction) in region.reductions.iter().enumerate().filter(|(_, each)| each.op == Op::Add) {
            let own = self.products(reduction.value, reduction.factor);
            let first = sums.len();
            sums.extend(own.into_iter().map(|(value, factor)| Reduction { value, factor, ..*reduction }));
            terms.push((region.first_reduction() + number, (first..sums.len()).collect()));
        }
        tangent.reductions = sums.into();

        let extremes = self.extremes(val, region, &tangent);
        if !numbers.is_empty() || !tangent.reductions.is_empty() {
            let first = tangent.first_reduction();
            let whole = self.builder.region(tangent);
            reach.into_iter().for_each(|reach| reach.made(val, whole));
            for (number, place) in numbers {
                results[number] = Some(self.builder.result(whole, place));
            }
            for (number, terms) in terms {
                let terms: Vec<Val> = terms.into_iter().map(|term| self.builder.result(whole, first + term)).collect();
                results[number] = terms.into_iter().reduce(|a, b| self.builder.binary(Op::Add, a, b));
            }
        }
        for (number, dot) in extremes {
            results[number] = Some(dot);
        }
        results
    }

    fn cell(&mut self, cell: &Cell) -> Cell {
        let init = cell.init.and_then(|init| self.dot(init));
        let adds = cell.updates.iter().any(|update| update.kind == UpdateKind::Add);
        let mut updates = Vec::new();
        for update in &cell.updates {
            match update.kind {
                // Where nothing else could stand, 0 stands already.
                UpdateKind::Store => {
                    let value = match self.dot(update.value) {
                        Some(dot) => dot,
                        None if init.is_some() || adds => zero(self.builder, update.value),
                        None => continue,
                    };
                    updates.push(Update { value, ..update.clone() });
                }
                UpdateKind::Add => {
                    let products = self.products(update.value, update.factor);
                    updates.extend(products.into_iter().map(|(value, factor)| Update {
                        value,
                        factor,
                        ..update.clone()
                    }));
                }
            }
        }
        let bound = cell.bound.and_then(|bound| self.dot(bound));
        Cell { ty: Type::F64, shape: cell.shape.clone(), bound, init, updates: updates.into() }
    }

    /// The tangent of `value*factor`, as products.
    fn products(&self, value: Val, factor: Option<Val>) -> Vec<(Val, Option<Val>)> {
        let mut products = Vec::new();
        products.extend(self.dot(value).map(|dot| (dot, factor)));
        products.extend(factor.and_then(|factor| self.dot(factor)).map(|dot| (value, Some(dot))));
        products
    }

    /// The tangents of the least and the greatest: the mean of the tangents of all that are tied.
    fn extremes(&mut self, val: Val, region: &Region, tangent: &Region) -> Vec<(usize, Val)> {
        let mut reductions = Vec::new();
        let mut found = Vec::new();
        for (number, reduction) in region.reductions.iter().enumerate() {
            if !matches!(reduction.op, Op::Min | Op::Max) {
                continue;
            }
            let Some(dot) = self.dot(reduction.value) else { continue };
            let number = region.first_reduction() + number;
            let extreme = self.builder.result(val, number);
            let guard = tied(self.builder, reduction, extreme);
            let one = self.builder.f64(1.0);
            reductions.extend([dot, one].map(|value| Reduction { op: Op::Add, value, factor: None, guard }));
            found.push((number, extreme));
        }
        if found.is_empty() {
            return Vec::new();
        }
        // The cells stay only where bodies read them.
        let region = tangent.asking(reductions.into());
        let first = region.first_reduction();
        let whole = self.builder.region(region);
        let mean = |(place, (number, extreme)): (usize, (usize, Val))| {
            let sum = self.builder.result(whole, first + 2 * place);
            let count = self.builder.result(whole, first + 2 * place + 1);
            (number, share(self.builder, extreme, sum, count))
        };
        found.into_iter().enumerate().map(mean).collect()
    }
}

/// Whether the term of a turn is the least or greatest.
pub fn tied(builder: &mut Builder, reduction: &Reduction, extreme: Val) -> Val {
    let equal = builder.binary(Op::Eq, reduction.value, extreme);
    builder.binary(Op::And, reduction.guard, equal)
}

/// `sum/count`, 0 of nothing; NaN where the extreme is.
pub fn share(builder: &mut Builder, extreme: Val, sum: Val, count: Val) -> Val {
    let zero = builder.f64(0.0);
    let none = builder.binary(Op::Eq, count, zero);
    let quotient = builder.binary(Op::Div, sum, count);
    let mean = builder.select(none, zero, quotient);
    builder.binary(Op::Domain, extreme, mean)
}
