//! One loop that makes arrays which refer to each other.
//!
//! The clauses that read none of the arrays are what these are before the loop. In each turn the others give an element, or a row of
//! those that are computed together; what they read of the same turn is taken from its values, all else from the
//! arrays as they are so far.

use hashbrown::HashMap;

use super::super::Lowering;
use super::super::define::{Equation, Plan, Set};
use super::order::{Order, Reading};
use crate::error::Problem;
use crate::ir::{Cell, Inst, Loop, Region, Update, UpdateKind, Val};
use crate::ops::{Op, Type};

/// Arrays while their loop is made.
struct Unfolding<'a> {
    plans: &'a [Plan],
    /// What the clauses call the arrays.
    bounds: &'a [Val],
    readings: &'a [Reading],
    order: &'a Order,
    /// What the arrays are before the loop.
    inits: Vec<Option<Val>>,
    /// For each array and clause whether it is part of the loop.
    turning: Vec<Vec<bool>>,
    /// The indices of the loops.
    times: Vec<Val>,
    /// For each array what a turn makes.
    made: Vec<Vec<Made>>,
    /// What rows keep of before the loop, whether it is defined or not.
    kept: Vec<Val>,
}

/// What a turn makes of an array: an element or a row, where the guard holds.
#[derive(Clone, Copy)]
struct Made {
    guard: Val,
    value: Val,
}

impl Lowering<'_> {
    /// The arrays of their clauses, which are in order; `bounds` is what the clauses call the arrays.
    pub(super) fn unfold(&mut self, equations: &[Vec<Equation>], bounds: &[Val]) -> Result<Vec<Val>, Problem> {
        let mut plans = Vec::new();
        for equations in equations {
            plans.push(self.plan(equations)?);
        }
        let readings = self.readings(&plans, bounds)?;
        let order = self.order(&plans, &readings)?;
        let reads = |array: usize, clause: usize| {
            readings.iter().any(|reading| (reading.reader, reading.clause) == (array, clause))
        };
        let mut unfolding = Unfolding {
            plans: &plans,
            bounds,
            readings: &readings,
            order: &order,
            inits: Vec::new(),
            turning: Vec::new(),
            times: Vec::new(),
            made: vec![Vec::new(); plans.len()],
            kept: Vec::new(),
        };
        for (array, plan) in plans.iter().enumerate() {
            // Where the order isn't certain every element must have its turn.
            let turning: Vec<bool> =
                (0..plan.sets.len()).map(|clause| !order.is_certain || reads(array, clause)).collect();
            let first: Vec<usize> = (0..plan.sets.len()).filter(|&clause| !turning[clause]).collect();
            unfolding.inits.push(if first.is_empty() { None } else { Some(self.store(plan, &first)?) });
            unfolding.turning.push(turning);
        }
        self.make(&mut unfolding, equations)
    }

    /// Makes the loop.
    fn make(&mut self, unfolding: &mut Unfolding, equations: &[Vec<Equation>]) -> Result<Vec<Val>, Problem> {
        let Unfolding { plans, bounds, order, .. } = *unfolding;
        let loops = self.times(unfolding, equations)?;
        let mut cells = Vec::new();
        for &array in &order.sequence {
            let plan = &plans[array];
            self.builder.span = plan.sets[0].at;
            let made = self.made(unfolding, array);
            let update = |made: &Made| Update {
                kind: UpdateKind::Store,
                subscripts: unfolding.times.as_slice().into(),
                value: made.value,
                factor: None,
                guard: made.guard,
            };
            cells.push(Cell {
                ty: plan.ty,
                shape: plan.shape.as_slice().into(),
                bound: Some(bounds[array]),
                init: unfolding.inits[array],
                updates: made.iter().map(update).collect(),
            });
            unfolding.made[array] = made;
        }
        let region = Region { loops: loops.into(), cells: cells.into(), ..Region::default() };
        self.note_reads(unfolding, &region);
        let region = self.builder.region(region);
        let mut arrays = bounds.to_vec();
        for (number, &array) in order.sequence.iter().enumerate() {
            arrays[array] = self.builder.result(region, number);
            self.note_missing(&plans[array], arrays[array]);
        }
        Ok(arrays)
    }

    /// The loops: in each dimension as far as the clauses in it go. An index of the text stands for each where there is one.
    fn times(&mut self, unfolding: &mut Unfolding, equations: &[Vec<Equation>]) -> Result<Vec<Loop>, Problem> {
        let mut loops = Vec::new();
        for (dimension, &direction) in unfolding.order.directions.iter().enumerate() {
            let mut hull: Option<(i64, i64)> = None;
            let mut names = Vec::new();
            for (array, plan) in unfolding.plans.iter().enumerate() {
                for (clause, set) in
                    plan.sets.iter().enumerate().filter(|&(clause, _)| unfolding.turning[array][clause])
                {
                    let reach = self.reach(&equations[array][clause], set, dimension)?;
                    let (low, high) = reach.unwrap_or((0, plan.shape[dimension] as i64));
                    hull = Some(hull.map_or((low, high), |hull| (hull.0.min(low), hull.1.max(high))));
                    names.push((set, dimension));
                }
            }
            let (low, high) = hull.unwrap_or((0, 0));
            let (low, high) = (self.builder.int(low), self.builder.int(high));
            let index = self.name_of(&names, &unfolding.times);
            unfolding.times.push(index);
            loops.push(Loop { index, low, high, direction });
        }
        self.loops.extend(loops.iter().map(|turns| (turns.index, *turns)));
        Ok(loops)
    }

    /// An index that stands in one of these places and isn't taken, or a new one.
    fn name_of(&mut self, places: &[(&Set, usize)], taken: &[Val]) -> Val {
        let mut indices = places.iter().filter(|(set, dimension)| is_index(set, set.places[*dimension]));
        let free = indices.find(|(set, dimension)| !taken.contains(&set.places[*dimension]));
        match free {
            Some((set, dimension)) => set.places[*dimension],
            None => self.builder.index(),
        }
    }

    /// What a turn makes of an array.
    fn made(&mut self, unfolding: &mut Unfolding, array: usize) -> Vec<Made> {
        let plan = &unfolding.plans[array];
        let turning: Vec<usize> = (0..plan.sets.len()).filter(|&clause| unfolding.turning[array][clause]).collect();
        let mut names = unfolding.times.clone();
        let mut inner = Vec::new();
        for dimension in unfolding.times.len()..plan.rank {
            let places: Vec<(&Set, usize)> = turning.iter().map(|&clause| (&plan.sets[clause], dimension)).collect();
            let index = self.name_of(&places, &names);
            let (low, high) = (self.builder.int(0), self.builder.int(plan.shape[dimension] as i64));
            self.loops.insert(index, Loop::up(index, low, high));
            names.push(index);
            inner.push((index, plan.shape[dimension]));
        }
        let inside: Vec<Val> = inner.iter().map(|&(index, _)| index).collect();
        let mut made = Vec::new();
        // Elements of one row that several clauses define.
        let mut mixed = Vec::new();
        for clause in turning {
            let Some(fits) = self.fits(&plan.sets[clause], &names) else { continue };
            let free = self.unclaimed(plan, clause, &names);
            let guard = self.builder.binary(Op::And, fits, free);
            let value = self.in_turn(unfolding, array, clause, &names);
            if self.builder.func().depends(guard, &inside) {
                mixed.push(Made { guard, value });
            } else {
                let value = if inner.is_empty() { value } else { self.builder.array(&inner, value) };
                made.push(Made { guard, value });
            }
        }
        if !mixed.is_empty() {
            let mut guard = self.builder.bool(true);
            for whole in &made {
                let other = self.builder.not(whole.guard);
                guard = self.builder.binary(Op::And, guard, other);
            }
            let mut value = match unfolding.inits[array] {
                Some(init) => {
                    let kept = self.builder.read(init, &names);
                    unfolding.kept.push(kept);
                    kept
                }
                None => self.nothing(plan),
            };
            for element in mixed {
                value = self.choose(element.guard, element.value, value);
            }
            let value = self.builder.array(&inner, value);
            made.push(Made { guard, value });
        }
        made
    }

    /// What a clause defines, with the indices of the loops for its own and the values of this turn for what it reads of them.
    fn in_turn(&mut self, unfolding: &Unfolding, array: usize, clause: usize, names: &[Val]) -> Val {
        let plan = &unfolding.plans[array];
        let set = &plan.sets[clause];
        let mut value = plan.values[clause];
        let mut pairs: Vec<(Val, Val)> = Vec::new();
        for &number in &unfolding.order.same {
            let reading = &unfolding.readings[number];
            if (reading.reader, reading.clause) == (array, clause) {
                let current = self.current(unfolding, reading, &pairs);
                pairs.push((reading.read, current));
            }
        }
        value = self.builder.substitute_all(&[value], &pairs)[0];
        let mut pairs: Vec<(Val, Val)> = Vec::new();
        for (&place, &name) in set.places.iter().zip(names) {
            if is_index(set, place) && place != name && !pairs.iter().any(|pair| pair.0 == place) {
                pairs.push((place, name));
            }
        }
        self.builder.substitute_all(&[value], &pairs)[0]
    }

    /// What is read of the values of this turn. The indices are still those of the clause; `pairs` is what has become of
    /// readings before, which may stand in the subscripts.
    fn current(&mut self, unfolding: &Unfolding, reading: &Reading, pairs: &[(Val, Val)]) -> Val {
        let Unfolding { times, inits, bounds, .. } = unfolding;
        let subscripts = self.builder.func().operands(reading.read).as_slice()[1..].to_vec();
        let subscripts = self.builder.substitute_all(&subscripts, pairs);
        let (before, rest) = subscripts.split_at(times.len().min(subscripts.len()));
        let here = [times.as_slice(), rest].concat();
        let mut value = self.builder.read(inits[reading.from].unwrap_or(bounds[reading.from]), &here);
        for made in &unfolding.made[reading.from] {
            let element = self.builder.read(made.value, rest);
            value = self.choose(made.guard, element, value);
        }
        if reading.is_same(times.len()) {
            return value;
        }
        let mut same = self.builder.bool(true);
        for (&subscript, &time) in before.iter().zip(times) {
            let equal = self.builder.binary(Op::IEq, subscript, time);
            same = self.builder.binary(Op::And, same, equal);
        }
        let earlier = self.builder.read(bounds[reading.from], &subscripts);
        self.choose(same, value, earlier)
    }

    /// Remembers what is read and may be missing.
    fn note_reads(&mut self, unfolding: &Unfolding, region: &Region) {
        let Unfolding { plans, bounds, times, inits, made, order, .. } = unfolding;
        // Rows of this turn, and the arrays before the loop.
        let mut sources: Vec<(Val, usize, &[Val])> = Vec::new();
        for (array, plan) in plans.iter().enumerate().filter(|(_, plan)| !plan.complete || !order.is_certain) {
            sources.push((bounds[array], array, &[]));
            if !plan.complete {
                sources.extend(inits[array].map(|init| (init, array, [].as_slice())));
                let rows = made[array].iter().filter(|_| plan.rank > times.len());
                sources.extend(rows.map(|made| (made.value, array, times.as_slice())));
            }
        }
        let func = self.builder.func();
        let roots: Vec<Val> = region.body().collect();
        let mut found = Vec::new();
        for val in super::super::checks::needed(func, roots.into_iter()) {
            let is_read = matches!(func.inst(val), Inst::Read(_)) && !unfolding.kept.contains(&val);
            if !is_read {
                continue;
            }
            let operands = func.operands(val);
            let source = sources.iter().find(|source| source.0 == operands.as_slice()[0]);
            found.extend(source.map(|source| (val, *source, operands.as_slice()[1..].to_vec())));
        }
        found.sort_unstable_by_key(|found| found.0);
        let mut defined: HashMap<Val, Val> = HashMap::new();
        for (read, (source, array, before), subscripts) in found {
            if !order.is_certain && source == bounds[array] {
                self.early_reads.push(read);
                continue;
            }
            let subscripts = [before, &subscripts].concat();
            if subscripts.len() >= plans[array].rank {
                let Plan { sets, by_place, rank, .. } = &plans[array];
                let condition = self.is_defined(sets, by_place, &subscripts[..*rank]);
                defined.insert(read, condition);
            }
        }
        let may_be_missing =
            defined.into_iter().filter(|&(_, defined)| self.builder.func().inst(defined) != Inst::Bool(true));
        self.hole_reads.extend(may_be_missing);
    }

    /// The element, or the row, of an array at which no clause fits.
    fn nothing(&mut self, plan: &Plan) -> Val {
        let zero = match plan.ty {
            Type::Int => self.builder.int(0),
            Type::Bool => self.builder.bool(false),
            _ => self.builder.f64(0.0),
        };
        match &plan.shape[plan.rank..] {
            [] => zero,
            shape => self.builder.map(shape, |_, _| zero),
        }
    }

    /// One of two elements, or of two rows.
    fn choose(&mut self, condition: Val, a: Val, b: Val) -> Val {
        let shape = self.builder.func().shape(a).to_vec();
        match (self.builder.func().inst(condition), shape.as_slice()) {
            (Inst::Bool(true), _) => a,
            (Inst::Bool(false), _) => b,
            (_, []) => self.builder.select(condition, a, b),
            _ => self.builder.map(&shape, |builder, places| {
                let (a, b) = (builder.read(a, places), builder.read(b, places));
                builder.select(condition, a, b)
            }),
        }
    }
}

fn is_index(set: &Set, place: Val) -> bool {
    set.loops.iter().any(|turns| turns.index == place)
}
