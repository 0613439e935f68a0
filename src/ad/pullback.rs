//! The pullback of a region: a region that sweeps the body in reverse.
//!
//! ```text
//! cell[i] = v              v_bar += cell_bar[i]
//! cell[i] += v*w           v_bar += cell_bar[i]*w,  w_bar += cell_bar[i]*v
//! sum v*w                  v_bar += sum_bar*w,      w_bar += sum_bar*v
//! m = max v                v_bar += if(v == m, m_bar/sum[v == m](1), 0)
//! a captured number a      a_bar += sum a_bar of each turn
//! a captured array A[i]    A_bar[i] += v_bar, or = where no two turns meet
//! ```
//!
//! Independent turns keep their order and their direction. Where a turn hands something on, the loops run in the opposite direction:
//!
//! ```text
//! s = next(s)              s_bar = s_bar . d next/d s, from the adjoint of the last state back to that of the first
//! cell[i] = f(cell[j])     cell_bar[j] += f_bar, read at i when it is complete (see `initial` for elements that aren't made yet)
//! ```
//!
//! States of the past come from their history, elements of a cell from the finished cell (see `residual`).

use super::forward::{share, tied};
use super::initial::Making;
use super::reverse::{Bar, Part, Scope, Sweep, cell_of_parts, where_true};
use super::zero;
use crate::ir::guard::{Guards, roots_of_body};
use crate::ir::{Cell, Direction, Inst, Loop, Reduction, Region, State, Update, UpdateKind, Val};
use crate::ops::{Op, Type};

impl Sweep<'_> {
    /// Sends the adjoints of a region's results back to what the region takes from outside.
    pub(super) fn pull_back(&mut self, outer: &mut Scope, val: Val, region: &Region, bars: &[(usize, Val)]) {
        let edge = outer.guards.as_ref().map_or_else(|| self.builder.bool(true), |guards| guards.get(val));
        let bar_of = |number: usize| bars.iter().find(|bar| bar.0 == number).map(|bar| bar.1);
        let cell_bar = |number: usize| bar_of(region.first_cell() + number);
        if region.loops.is_empty() {
            for (number, cell) in region.cells.iter().enumerate() {
                if let Some(bar) = cell_bar(number) {
                    self.updates(outer, cell, bar, Some(edge));
                    self.initial(outer, edge, region, cell, bar);
                }
            }
            return;
        }

        // An adjoint from outside may know one of the names that the region binds by another meaning; it has a name of its own until
        // the reverse region is made.
        let binds: Vec<Val> = region.binds().collect();
        let mut apart: Vec<(Val, Val)> = Vec::new();
        let mut bars = bars.to_vec();
        for (_, bar) in &mut bars {
            if self.builder.func().depends(*bar, &binds) {
                let shape = self.builder.func().shape(*bar).to_vec();
                let opaque = self.builder.opaque_array(Type::F64, &shape);
                apart.push((opaque, std::mem::replace(bar, opaque)));
            }
        }
        let bar_of = |number: usize| bars.iter().find(|bar| bar.0 == number).map(|bar| bar.1);
        let cell_bar = |number: usize| bar_of(region.first_cell() + number);

        let body = self.builder.func().body(region);
        let mut inner = Scope::sparse();
        self.guard_body(&mut inner, val, region, &body);

        // The adjoints that turns hand on.
        let name = |sweep: &mut Self, of: Val| {
            let shape = sweep.builder.func().shape(of).to_vec();
            sweep.active.contains(of).then(|| sweep.builder.bound(Type::F64, &shape))
        };
        let carried: Vec<Option<Val>> = region.states.iter().map(|state| name(self, state.bound)).collect();
        let grown: Vec<Option<Val>> =
            region.cells.iter().map(|cell| cell.bound.and_then(|bound| name(self, bound))).collect();

        for (state, carried) in region.states.iter().zip(&carried) {
            if let Some(carried) = *carried {
                let always = self.builder.bool(true);
                self.send(&mut inner, always, state.next, carried);
            }
        }
        for (number, cell) in region.cells.iter().enumerate() {
            if let Some(bar) = grown[number].or_else(|| cell_bar(number)) {
                self.updates(&mut inner, cell, bar, None);
            }
        }
        for (number, reduction) in region.reductions.iter().enumerate() {
            let number = region.first_reduction() + number;
            if let Some(bar) = bar_of(number) {
                self.reduction(&mut inner, val, region, number, reduction, bar);
            }
        }
        let (outside, made) = (self.turns.len(), self.making.len());
        self.turns.extend(region.loops.iter().copied());
        self.making.extend(region.cells.iter().filter_map(|cell| Making::of(self.active, region, cell)));
        self.run(&mut inner, &body);
        self.return_to_beginnings(&mut inner);
        self.turns.truncate(outside);
        self.making.truncate(made);

        // What comes back goes on to the next turn, or out of the region.
        let mut reverse = Region { loops: self.reversed(val, region), ..Region::default() };
        let mut states = Vec::new();
        for (number, (state, carried)) in region.states.iter().zip(&carried).enumerate() {
            let Some(bound) = *carried else { continue };
            let init = bar_of(number).unwrap_or_else(|| zero(self.builder, bound));
            let next = self.total_or_zero(&inner, state.bound);
            states.push(State { bound, init, next });
        }
        reverse.states = states.into();

        let mut cells = Vec::new();
        for (number, cell) in region.cells.iter().enumerate() {
            let (Some(bound), Some(name)) = (grown[number], cell.bound) else { continue };
            let parts = self.parts(&inner, name);
            let mut adjoint = cell_of_parts(self.builder.func(), &[], &cell.shape, parts);
            for update in &mut adjoint.updates {
                update.kind = UpdateKind::Add;
            }
            cells.push(Cell { bound: Some(bound), init: cell_bar(number), ..adjoint });
        }
        let indices: Vec<Val> = region.loops.iter().map(|each| each.index).collect();
        let mut reductions = Vec::new();
        let mut out: Vec<(Val, Vec<Val>, usize)> = Vec::new();
        for captured in inner.reached() {
            if self.builder.func().depends(captured, &binds) {
                continue;
            }
            match inner.bar(captured).cloned() {
                None => {}
                Some(Bar::Number(value)) => {
                    out.push((captured, Vec::new(), reductions.len()));
                    reductions.push(self.sum(value));
                }
                Some(Bar::Array(parts)) => {
                    let shared = self.shared_subscripts(&parts, &[binds.as_slice(), &names(&carried, &grown)].concat());
                    let shape = self.builder.func().shape(captured)[shared.len()..].to_vec();
                    let parts = parts
                        .into_iter()
                        .map(|part| Part { subscripts: part.subscripts[shared.len()..].to_vec(), ..part });
                    // Elements and rows are added up apart: then each of the sums is a pass over an array.
                    let func = self.builder.func();
                    let (rows, elements): (Vec<Part>, Vec<Part>) = parts.partition(|part| func.is_array(part.value));
                    for parts in [elements, rows].into_iter().filter(|parts| !parts.is_empty()) {
                        let cell = cell_of_parts(self.builder.func(), &indices, &shape, parts);
                        out.push((captured, shared.clone(), cells.len()));
                        cells.push(cell);
                    }
                }
            }
        }
        reverse.cells = cells.into();
        reverse.reductions = reductions.into();

        let (first_cell, first_reduction) = (reverse.first_cell(), reverse.first_reduction());
        let reverse = self.with_residuals(val, region, reverse);
        let whole = self.builder.region(reverse);

        let whole = self.builder.substitute_all(&[whole], &apart)[0];
        let original = |bar: Val| apart.iter().find(|pair| pair.0 == bar).map_or(bar, |pair| pair.1);

        let mut place = 0;
        for (state, carried) in region.states.iter().zip(&carried) {
            if carried.is_some() {
                let bar = self.builder.result(whole, place);
                self.send(outer, edge, state.init, bar);
                place += 1;
            }
        }
        for (number, cell) in region.cells.iter().enumerate() {
            let bar = match grown[number] {
                Some(_) => {
                    place += 1;
                    Some(self.builder.result(whole, place - 1))
                }
                None => cell_bar(number).map(original),
            };
            if let Some(bar) = bar {
                self.initial(outer, edge, region, cell, bar);
            }
        }
        for (captured, shared, number) in out {
            let is_array = self.builder.func().is_array(captured);
            let bar = self.builder.result(whole, number + if is_array { first_cell } else { first_reduction });
            if shared.is_empty() {
                self.send(outer, edge, captured, bar);
            } else {
                let guard = self.builder.bool(true);
                self.send_part(outer, val, captured, Part { subscripts: shared, value: bar, guard });
            }
        }
    }

    /// Where the slopes in a body matter. What the body takes from outside is asked for in every turn.
    fn guard_body(&mut self, inner: &mut Scope, val: Val, region: &Region, body: &[Val]) {
        let ends: Vec<Val> = self.builder.func().operands(val).iter().copied().chain(region.binds()).collect();
        self.guard(inner, body, |builder, steep| {
            let always = builder.bool(true);
            let mut roots = roots_of_body(builder, val, region, &Guards::of_nothing(always, steep));
            roots.extend(ends.iter().map(|&end| (end, always)));
            roots
        });
    }

    /// The adjoints of what a cell's updates are computed from. `around`: the condition under which the region counts, if the updates
    /// stand in the same scope.
    fn updates(&mut self, scope: &mut Scope, cell: &Cell, bar: Val, around: Option<Val>) {
        for update in &cell.updates {
            let edge = match around {
                None => update.guard,
                Some(around) => self.builder.binary(Op::And, around, update.guard),
            };
            let operands = [Some(update.value), update.factor];
            if !operands.iter().flatten().any(|&operand| self.active.contains(operand)) {
                continue;
            }
            let element = self.builder.read(bar, &update.subscripts);
            self.product(scope, edge, update.value, update.factor, element);
        }
    }

    /// The adjoints of `value*factor`.
    fn product(&mut self, scope: &mut Scope, edge: Val, value: Val, factor: Option<Val>, bar: Val) {
        match factor {
            None => self.send(scope, edge, value, bar),
            Some(factor) => {
                for (to, other) in [(value, factor), (factor, value)] {
                    if self.active.contains(to) {
                        let term = self.builder.binary(Op::Mul, bar, other);
                        self.send(scope, edge, to, term);
                    }
                }
            }
        }
    }

    fn reduction(
        &mut self,
        scope: &mut Scope,
        val: Val,
        region: &Region,
        number: usize,
        reduction: &Reduction,
        bar: Val,
    ) {
        if reduction.op == Op::Add {
            return self.product(scope, reduction.guard, reduction.value, reduction.factor, bar);
        }
        let extreme = self.builder.result(val, number);
        let guard = tied(self.builder, reduction, extreme);
        let one = self.builder.f64(1.0);
        let counting = region.asking(Box::new([Reduction { op: Op::Add, value: one, factor: None, guard }]));
        let place = counting.first_reduction();
        let counting = self.builder.region(counting);
        let count = self.builder.result(counting, place);
        let share = share(self.builder, extreme, bar, count);
        let equal = self.builder.binary(Op::Eq, reduction.value, extreme);
        let chosen = where_true(self.builder, equal, share);
        let term = self.builder.binary(Op::Domain, extreme, chosen);
        self.send(scope, reduction.guard, reduction.value, term);
    }

    /// The adjoint of what a cell is before the first update: that of the cell, without what has been stored over.
    fn initial(&mut self, outer: &mut Scope, edge: Val, region: &Region, cell: &Cell, bar: Val) {
        let Some(init) = cell.init.filter(|&init| self.active.contains(init)) else { return };
        let stores = cell.updates.iter().filter(|update| update.kind == UpdateKind::Store);
        let mut updates = Vec::new();
        for update in stores {
            let value = zero(self.builder, update.value);
            updates.push(Update { value, ..update.clone() });
        }
        if updates.is_empty() {
            return self.send(outer, edge, init, bar);
        }
        let apart = self.builder.opaque_array(Type::F64, &cell.shape);
        let kept = Cell { bound: None, init: Some(apart), updates: updates.into(), ..cell.clone() };
        let mut clearing = region.asking(Box::new([]));
        let number = clearing.first_reduction();
        clearing.cells = clearing.cells.iter().cloned().chain([kept]).collect();
        let clearing = self.builder.region(clearing);
        let cleared = self.builder.result(clearing, number);
        let bar = self.builder.substitute(cleared, apart, bar);
        self.send(outer, edge, init, bar);
    }

    /// The sum of the contributions of all turns to a number.
    fn sum(&mut self, value: Val) -> Reduction {
        let always = self.builder.bool(true);
        // `if(c, v, 0)` is added where `c` is true.
        let (value, guard) = match self.builder.func().inst(value) {
            Inst::Ternary(Op::Select, condition, value, rest) if self.builder.func().constant(rest) == Some(0.0) => {
                (value, condition)
            }
            _ => (value, always),
        };
        Reduction { op: Op::Add, value, factor: None, guard }
    }

    /// The leading subscripts that all parts share and that are the same in all turns: which row is meant.
    fn shared_subscripts(&self, parts: &[Part], binds: &[Val]) -> Vec<Val> {
        let Some((first, rest)) = parts.split_first() else { return Vec::new() };
        let shared = |&(place, subscript): &(usize, &Val)| {
            !self.builder.func().depends(*subscript, binds)
                && rest.iter().all(|part| part.subscripts.get(place) == Some(subscript))
        };
        first.subscripts.iter().enumerate().take_while(shared).map(|(_, &subscript)| subscript).collect()
    }

    /// The loops of the reverse region.
    fn reversed(&mut self, val: Val, region: &Region) -> Box<[Loop]> {
        let hands_on = !region.states.is_empty() || region.cells.iter().any(|cell| cell.bound.is_some());
        let mut loops = region.loops.clone();
        if let (Some(_), [each]) = (region.going, &mut *loops) {
            // Only the turns that were made.
            let turns = self.builder.result(val, region.turns());
            match each.direction {
                Direction::Up => each.high = self.builder.binary(Op::IAdd, each.low, turns),
                Direction::Down => each.low = self.builder.binary(Op::ISub, each.high, turns),
            }
        }
        if hands_on {
            for each in &mut loops {
                each.direction = each.direction.reversed();
            }
        }
        loops
    }
}

fn names(carried: &[Option<Val>], grown: &[Option<Val>]) -> Vec<Val> {
    carried.iter().chain(grown).flatten().copied().collect()
}
