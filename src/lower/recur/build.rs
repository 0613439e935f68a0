//! The loops of arrays which refer to each other.
//!
//! The clauses that read none of the arrays are what these are before the loops. In each turn the others give an element, or all that is
//! left of the dimensions, a **row**; a row whose elements need each other is made by a loop of its own in the turn. What is read of
//! the same turn is taken from its values, what is read of the same row from the row so far, all else from the arrays as they are so far.

use std::rc::Rc;

use hashbrown::HashMap;

use super::super::Lowering;
use super::super::define::{Equation, Plan, Set, by_place};
use super::order::{Reading, Step, reads};
use super::schedule::{Nest, Node, Piece, Search, dimensions, schedule};
use crate::error::Problem;
use crate::ir::{Builder, Cell, Direction, Inst, Loop, Region, Update, UpdateKind, Val};
use crate::ops::{Op, Type};

/// From where to before where a clause goes, in each dimension.
type Reaches = Vec<(i64, i64)>;

/// Those of each clause of each array.
type Spans = Vec<Vec<Reaches>>;

/// Arrays while their loops are made.
struct Unfolding<'a> {
    plans: &'a [Plan],
    spans: &'a Spans,
    /// What the clauses call the arrays.
    bounds: &'a [Val],
    readings: &'a [Reading],
    /// Whether all that is read has certainly been made.
    is_certain: bool,
    /// The indices of the loops around, with their directions.
    times: Vec<Val>,
    directions: Vec<Direction>,
    /// For each array where it is found, from the whole to the row of the innermost loop.
    held: Vec<Vec<Held>>,
    /// What rows keep of before the loop, whether it is defined or not.
    kept: Vec<Val>,
    /// Names of rows and rows that are made: what they are, the array, and its first subscripts.
    rows: Vec<(Val, usize, Vec<Val>)>,
}

/// Where an array, or the row of it that is made, can be read.
#[derive(Clone)]
struct Held {
    /// How many of its subscripts are those of the loops around.
    fixed: usize,
    source: Source,
}

#[derive(Clone)]
enum Source {
    /// As far as it is made, in a cell that was this before, if anything.
    Cell(Val, Option<Val>),
    /// As this turn has made it, or what came before the loops.
    Made(Vec<Made>),
}

impl Held {
    fn is_made(&self) -> bool {
        matches!(self.source, Source::Made(_))
    }

    /// What it is made of.
    fn values(&self) -> Vec<Val> {
        match &self.source {
            Source::Cell(..) => Vec::new(),
            Source::Made(made) => made.iter().map(|made| made.value).collect(),
        }
    }
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
        let mut spans = Vec::new();
        for equations in equations {
            let plan = self.plan(equations)?;
            spans.push(self.spans(equations, &plan)?);
            plans.push(plan);
        }
        let ranks: Vec<usize> = plans.iter().map(|plan| plan.rank).collect();
        let readings = self.readings(&plans, bounds, false)?;
        let turning = pieces(&plans, |piece| readings.iter().any(|reading| reading.reader() == piece));
        for search in [Search::Together, Search::AsWritten] {
            if let Ok(body) = schedule(&ranks, &turning, &readings, search) {
                return self.make(&plans, &spans, bounds, &readings, &turning, &body, true);
            }
        }
        let compared = self.readings(&plans, bounds, true)?;
        if let Ok(body) = schedule(&ranks, &turning, &compared, Search::Any)
            && let Some(dimensions) = dimensions(&body, &ranks)
            && let Some(arrays) = self.make_turned(&plans, &spans, bounds, &turning, &dimensions)?
        {
            return Ok(arrays);
        }
        // Every element has its turn, so that it can be seen whether it has been made.
        let all = pieces(&plans, |_| true);
        let body = schedule(&ranks, &all, &readings, Search::Trusting).map_err(|number| {
            let Reading { reader, clause, from, read, .. } = readings[number];
            Problem::DependsOnItself {
                name: plans[reader].name.clone(),
                at: self.builder.func().span(read),
                through: (reader != from).then(|| plans[from].name.clone()),
                defined: plans[reader].sets[clause].at,
            }
        })?;
        self.make(&plans, &spans, bounds, &readings, &all, &body, false)
    }

    /// From where to before where each clause goes in each dimension.
    fn spans(&mut self, equations: &[Equation], plan: &Plan) -> Result<Vec<Reaches>, Problem> {
        let mut spans = Vec::new();
        for (equation, set) in equations.iter().zip(&plan.sets) {
            let mut all = Vec::new();
            for dimension in 0..plan.rank {
                let reach = self.reach(equation, set, dimension)?;
                all.push(reach.unwrap_or((0, plan.shape[dimension] as i64)));
            }
            spans.push(all);
        }
        Ok(spans)
    }

    /// Makes the arrays with their dimensions in another order; `None` if that is no order after all.
    fn make_turned(
        &mut self,
        plans: &[Plan],
        spans: &Spans,
        bounds: &[Val],
        turning: &[Piece],
        dimensions: &[Vec<usize>],
    ) -> Result<Option<Vec<Val>>, Problem> {
        let (turned, names) = self.turned(plans, bounds, dimensions);
        let turn = |(clauses, dimensions): (&Vec<Reaches>, &Vec<usize>)| {
            clauses.iter().map(|span| dimensions.iter().map(|&dimension| span[dimension]).collect()).collect()
        };
        let spans: Spans = spans.iter().zip(dimensions).map(turn).collect();
        let ranks: Vec<usize> = plans.iter().map(|plan| plan.rank).collect();
        let readings = self.readings(&turned, &names, false)?;
        let orders = [Search::Together, Search::AsWritten];
        let order = orders.iter().find_map(|&search| schedule(&ranks, turning, &readings, search).ok());
        let Some(body) = order else { return Ok(None) };
        let mut arrays = self.make(&turned, &spans, &names, &readings, turning, &body, true)?;
        for ((array, plan), dimensions) in arrays.iter_mut().zip(plans).zip(dimensions) {
            if !dimensions.is_sorted() {
                let made = *array;
                *array = self.builder.map(&plan.shape, |builder, places| {
                    let rest = &places[dimensions.len()..];
                    let places: Vec<Val> = dimensions.iter().map(|&dimension| places[dimension]).collect();
                    builder.read(made, &[places.as_slice(), rest].concat())
                });
                self.note_missing(plan, *array);
            }
        }
        Ok(Some(arrays))
    }

    /// The same arrays with their dimensions in another order, and what their clauses call them.
    fn turned(&mut self, plans: &[Plan], bounds: &[Val], dimensions: &[Vec<usize>]) -> (Vec<Plan>, Vec<Val>) {
        let mut names = bounds.to_vec();
        for ((name, plan), dimensions) in names.iter_mut().zip(plans).zip(dimensions) {
            if !dimensions.is_sorted() {
                *name = self.builder.bound(plan.ty, &turned_shape(plan, dimensions));
            }
        }
        let mut turned = Vec::new();
        for (plan, dimensions_of) in plans.iter().zip(dimensions) {
            let turn = |set: &Set| {
                let places = dimensions_of.iter().map(|&dimension| set.places[dimension]).collect();
                Set { places, ..set.clone() }
            };
            let values = plan.values.iter().map(|&value| {
                let mut pairs: Vec<(Val, Val)> = Vec::new();
                for (read, from) in reads(self.builder.func(), &[value], bounds).unwrap_or_default() {
                    if names[from] == bounds[from] {
                        continue;
                    }
                    let subscripts = self.builder.func().operands(read).as_slice()[1..].to_vec();
                    let subscripts = self.builder.substitute_all(&subscripts, &pairs);
                    // What is left of the dimensions of a row is bound here.
                    let rest = self.builder.func().shape(read).to_vec();
                    let element = |builder: &mut Builder, places: &[Val]| {
                        let all = [subscripts.as_slice(), places].concat();
                        let turned: Vec<Val> = dimensions[from].iter().map(|&dimension| all[dimension]).collect();
                        builder.read(names[from], &[&turned, &all[turned.len()..]].concat())
                    };
                    let row = match rest.as_slice() {
                        [] => element(&mut self.builder, &[]),
                        rest => self.builder.map(rest, element),
                    };
                    pairs.push((read, row));
                }
                self.builder.substitute_all(&[value], &pairs)[0]
            });
            let values = values.collect();
            let sets: Vec<Set> = plan.sets.iter().map(turn).collect();
            let by_place = Rc::new(by_place(self.builder.func(), &sets));
            let shape = turned_shape(plan, dimensions_of);
            turned.push(Plan { name: plan.name.clone(), sets, values, shape, by_place, ..*plan });
        }
        (turned, names)
    }

    /// Makes the arrays in an order of the clauses that turn.
    #[expect(clippy::too_many_arguments, reason = "what is known of the arrays")]
    fn make(
        &mut self,
        plans: &[Plan],
        spans: &Spans,
        bounds: &[Val],
        readings: &[Reading],
        turning: &[Piece],
        body: &[Node],
        is_certain: bool,
    ) -> Result<Vec<Val>, Problem> {
        let mut held = Vec::new();
        for (array, plan) in plans.iter().enumerate() {
            let first: Vec<usize> =
                (0..plan.sets.len()).filter(|&clause| !turning.contains(&(array, clause))).collect();
            held.push(match first.as_slice() {
                [] => Vec::new(),
                first => {
                    let guard = self.builder.bool(true);
                    let value = self.store(plan, first)?;
                    vec![Held { fixed: 0, source: Source::Made(vec![Made { guard, value }]) }]
                }
            });
        }
        let mut unfolding = Unfolding {
            plans,
            spans,
            bounds,
            readings,
            is_certain,
            times: Vec::new(),
            directions: Vec::new(),
            held,
            kept: Vec::new(),
            rows: Vec::new(),
        };
        for (array, held) in unfolding.held.iter().enumerate() {
            unfolding.rows.extend(held.iter().flat_map(Held::values).map(|value| (value, array, Vec::new())));
        }
        self.fill(&mut unfolding, body);
        let mut arrays = Vec::new();
        for (array, plan) in plans.iter().enumerate() {
            let whole = self.so_far(&unfolding, array, &[]);
            self.note_missing(plan, whole);
            arrays.push(whole);
        }
        self.note_reads(&unfolding, &arrays);
        Ok(arrays)
    }

    /// Makes everything that stands in a turn.
    fn fill(&mut self, unfolding: &mut Unfolding, body: &[Node]) {
        let fixed = unfolding.times.len();
        for node in body {
            let made = match node {
                Node::Whole(array, clauses) => vec![(*array, self.made(unfolding, *array, clauses))],
                Node::Loop(nest) => {
                    let guard = self.builder.bool(true);
                    let rows = self.nest(unfolding, nest);
                    rows.into_iter().map(|(array, value)| (array, vec![Made { guard, value }])).collect()
                }
            };
            for (array, made) in made.into_iter().filter(|(_, made)| !made.is_empty()) {
                if unfolding.plans[array].rank > fixed {
                    let rows = made.iter().map(|made| (made.value, array, unfolding.times.clone()));
                    unfolding.rows.extend(rows.collect::<Vec<_>>());
                }
                match unfolding.held[array].last_mut() {
                    // A row as a whole has in it what was made before; elements stand beside each other.
                    Some(Held { fixed: same, source: Source::Made(before) }) if *same == fixed => {
                        if unfolding.plans[array].rank > fixed {
                            before.clear();
                        }
                        before.extend(made);
                    }
                    _ => unfolding.held[array].push(Held { fixed, source: Source::Made(made) }),
                }
            }
        }
    }

    /// The arrays, or the rows of the turn around, that a loop makes.
    fn nest(&mut self, unfolding: &mut Unfolding, nest: &Nest) -> Vec<(usize, Val)> {
        let fixed = unfolding.times.len();
        let around = unfolding.times.clone();
        let mut arrays: Vec<usize> = nest.pieces.iter().map(|piece| piece.0).collect();
        arrays.sort_unstable();
        arrays.dedup();
        let mut inits = Vec::new();
        for &array in &arrays {
            inits.push(self.row_before(unfolding, array));
        }
        let before: Vec<usize> = unfolding.held.iter().map(Vec::len).collect();
        // Loops over the same clauses are one region.
        let mut loops = vec![self.time(unfolding, nest)];
        let mut innermost = nest;
        while let [Node::Loop(inner)] = innermost.body.as_slice()
            && inner.pieces.len() == nest.pieces.len()
        {
            loops.push(self.time(unfolding, inner));
            innermost = inner;
        }
        let mut cells: Vec<Cell> = Vec::new();
        for (&array, &init) in arrays.iter().zip(&inits) {
            let plan = &unfolding.plans[array];
            let is_first = fixed == 0 && unfolding.rows.iter().all(|row| row.0 != unfolding.bounds[array]);
            let name = match is_first {
                true => unfolding.bounds[array],
                false => self.builder.bound(plan.ty, &plan.shape[fixed..]),
            };
            let shape = plan.shape[fixed..].into();
            cells.push(Cell { ty: plan.ty, shape, bound: Some(name), init, updates: Box::new([]) });
            unfolding.held[array].push(Held { fixed, source: Source::Cell(name, init) });
            unfolding.rows.push((name, array, around.clone()));
        }
        self.fill(unfolding, &innermost.body);
        for (&array, cell) in arrays.iter().zip(&mut cells) {
            let update = |value: Made| Update {
                kind: UpdateKind::Store,
                subscripts: unfolding.times[fixed..].into(),
                value: value.value,
                factor: None,
                guard: value.guard,
            };
            if let Some(Held { source: Source::Made(made), .. }) = unfolding.held[array].last() {
                cell.updates = made.iter().copied().map(update).collect();
            }
        }
        unfolding.times.truncate(fixed);
        unfolding.directions.truncate(fixed);
        for (held, before) in unfolding.held.iter_mut().zip(before) {
            held.truncate(before);
        }
        self.builder.span = unfolding.plans[arrays[0]].sets[0].at;
        let region = self.builder.region(Region { loops: loops.into(), cells: cells.into(), ..Region::default() });
        let results = arrays.into_iter().enumerate();
        results.map(|(number, array)| (array, self.builder.result(region, number))).collect()
    }

    /// What there is of an array, or of the row of this turn, before a loop; `None` if that is nothing.
    fn row_before(&mut self, unfolding: &mut Unfolding, array: usize) -> Option<Val> {
        let times = unfolding.times.clone();
        match unfolding.held[array].last()?.clone() {
            Held { source: Source::Cell(_, None), .. } => None,
            Held { source: Source::Cell(_, Some(init)), fixed } => Some(self.builder.read(init, &times[fixed..])),
            Held { source: Source::Made(_), .. } => Some(self.so_far(unfolding, array, &times)),
        }
    }

    /// A loop as far as the clauses go. An index of the text stands for it where there is one.
    fn time(&mut self, unfolding: &mut Unfolding, nest: &Nest) -> Loop {
        let dimension = unfolding.times.len();
        let mut hull: Option<(i64, i64)> = None;
        let mut places = Vec::new();
        for &(array, clause) in &nest.pieces {
            let (low, high) = unfolding.spans[array][clause][dimension];
            hull = Some(hull.map_or((low, high), |hull| (hull.0.min(low), hull.1.max(high))));
            places.push((&unfolding.plans[array].sets[clause], dimension));
        }
        let (low, high) = hull.unwrap_or((0, 0));
        let (low, high) = (self.builder.int(low), self.builder.int(high));
        let index = self.name_of(&places, &unfolding.times);
        unfolding.times.push(index);
        unfolding.directions.push(nest.direction);
        let turns = Loop { index, low, high, direction: nest.direction };
        self.loops.insert(index, turns);
        turns
    }

    /// An index that stands in one of these places, and in no other of its clause, and isn't taken; or a new one.
    fn name_of(&mut self, places: &[(&Set, usize)], taken: &[Val]) -> Val {
        let is_free = |&&(set, dimension): &&(&Set, usize)| {
            let place = set.places[dimension];
            let stands = set.places.iter().filter(|&&other| other == place).count();
            is_index(set, place) && stands == 1 && !taken.contains(&place)
        };
        match places.iter().find(is_free) {
            Some((set, dimension)) => set.places[*dimension],
            None => self.builder.index(),
        }
    }

    /// What a turn makes of an array.
    fn made(&mut self, unfolding: &mut Unfolding, array: usize, clauses: &[usize]) -> Vec<Made> {
        let plan = &unfolding.plans[array];
        let mut names = unfolding.times.clone();
        let mut inner = Vec::new();
        for dimension in unfolding.times.len()..plan.rank {
            let places: Vec<(&Set, usize)> = clauses.iter().map(|&clause| (&plan.sets[clause], dimension)).collect();
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
        for &clause in clauses {
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
        if inner.is_empty() {
            return made;
        }
        // What the row has been until now stays where no clause fits.
        let others =
            unfolding.held[array].last().is_some_and(|held| held.fixed == unfolding.times.len() && held.is_made());
        if others {
            mixed.append(
                &mut made
                    .iter()
                    .map(|whole| Made {
                        value: self.builder.read(whole.value, &names[unfolding.times.len()..]),
                        ..*whole
                    })
                    .collect(),
            );
            made.clear();
        }
        if !mixed.is_empty() {
            let mut guard = self.builder.bool(true);
            for whole in &made {
                let other = self.builder.not(whole.guard);
                guard = self.builder.binary(Op::And, guard, other);
            }
            let before = self.row_before(unfolding, array);
            let mut value = match before {
                Some(row) => {
                    let kept = self.builder.read(row, &names[unfolding.times.len()..]);
                    unfolding.kept.push(kept);
                    kept
                }
                None => self.nothing(plan, plan.rank),
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
        for reading in unfolding.readings {
            if (reading.reader, reading.clause) == (array, clause)
                && let Some(current) = self.current(unfolding, reading, &pairs)
            {
                pairs.push((reading.read, current));
            }
        }
        value = self.builder.substitute_all(&[value], &pairs)[0];
        let mut pairs: Vec<(Val, Val)> = Vec::new();
        for (&place, &name) in set.places.iter().zip(names) {
            if is_index(set, place) && !pairs.iter().any(|pair| pair.0 == place) {
                pairs.push((place, name));
            }
        }
        pairs.retain(|pair| pair.0 != pair.1);
        self.builder.substitute_all(&[value], &pairs)[0]
    }

    /// What is read, where that isn't the whole array as far as it is made. The indices are still those of the clause; `pairs` is
    /// what has become of readings before, which may stand in the subscripts.
    fn current(&mut self, unfolding: &Unfolding, reading: &Reading, pairs: &[(Val, Val)]) -> Option<Val> {
        let Unfolding { times, directions, held, bounds, .. } = unfolding;
        self.builder.span = self.builder.func().span(reading.read);
        let subscripts = self.builder.func().operands(reading.read).as_slice()[1..].to_vec();
        // Of an earlier turn of this loop: rows that are made in its turns don't have it.
        let steps: Vec<Step> = (0..times.len()).map(|depth| reading.step(depth, depth)).collect();
        let earlier = steps.iter().zip(directions).position(|(step, &direction)| step.is_made(direction));
        let most = earlier.unwrap_or(times.len()).min(subscripts.len());
        let held = &held[reading.from];
        // Of what is as deep the last is the newest.
        let found = (0..held.len()).filter(|&place| held[place].fixed <= most);
        let found: Vec<usize> =
            found.filter(|&place| held.get(place + 1).is_none_or(|next| next.fixed > held[place].fixed)).collect();
        if let [place] = *found
            && matches!(held[place].source, Source::Cell(name, _) if name == bounds[reading.from])
        {
            return None;
        }
        let subscripts = self.builder.substitute_all(&subscripts, pairs);
        let mut value: Option<Val> = None;
        for place in found {
            let fixed = held[place].fixed;
            let here = [&times[..fixed], &subscripts[fixed..]].concat();
            let here = self.held(unfolding, reading.from, place, &here);
            value = Some(match value {
                None => here,
                Some(outside) => {
                    let mut same = self.builder.bool(true);
                    for depth in (0..fixed).filter(|&depth| steps[depth] != Step::Same) {
                        let equal = self.builder.binary(Op::IEq, subscripts[depth], times[depth]);
                        same = self.builder.binary(Op::And, same, equal);
                    }
                    self.choose(same, here, outside)
                }
            });
        }
        value
    }

    /// What there is of an array at these subscripts, which are those of the loops around as far as these go.
    fn so_far(&mut self, unfolding: &Unfolding, array: usize, subscripts: &[Val]) -> Val {
        match unfolding.held[array].len().checked_sub(1) {
            Some(last) => self.held(unfolding, array, last, subscripts),
            None => self.nothing(&unfolding.plans[array], subscripts.len()),
        }
    }

    /// What one of the places where an array is held has at these subscripts.
    fn held(&mut self, unfolding: &Unfolding, array: usize, place: usize, subscripts: &[Val]) -> Val {
        let Held { fixed, source } = &unfolding.held[array][place];
        let made = match source {
            Source::Cell(name, _) => return self.builder.read(*name, &subscripts[*fixed..]),
            Source::Made(made) => made,
        };
        let mut value = match place.checked_sub(1).map(|outside| &unfolding.held[array][outside]) {
            _ if made.iter().any(|made| self.builder.func().inst(made.guard) == Inst::Bool(true)) => None,
            Some(&Held { fixed, source: Source::Cell(_, Some(init)) }) => {
                Some(self.builder.read(init, &subscripts[fixed..]))
            }
            Some(_) => Some(self.held(unfolding, array, place - 1, subscripts)),
            None => Some(self.nothing(&unfolding.plans[array], subscripts.len())),
        };
        for made in made {
            let element = self.builder.read(made.value, &subscripts[*fixed..]);
            value = Some(match value {
                Some(value) => self.choose(made.guard, element, value),
                None => element,
            });
        }
        value.unwrap_or_else(|| self.nothing(&unfolding.plans[array], subscripts.len()))
    }

    /// Remembers what is read and may be missing.
    fn note_reads(&mut self, unfolding: &Unfolding, arrays: &[Val]) {
        let Unfolding { plans, rows, is_certain, .. } = unfolding;
        let mut sources: HashMap<Val, (usize, &[Val])> = HashMap::new();
        for (row, array, before) in rows {
            if !plans[*array].complete || !is_certain {
                sources.insert(*row, (*array, before));
            }
        }
        let func = self.builder.func();
        let mut found = Vec::new();
        for val in super::super::checks::needed(func, arrays.iter().copied()) {
            let is_read = matches!(func.inst(val), Inst::Read(_)) && !unfolding.kept.contains(&val);
            if !is_read {
                continue;
            }
            let operands = func.operands(val);
            let source = sources.get(&operands.as_slice()[0]);
            found.extend(source.map(|source| (val, *source, operands.as_slice().to_vec())));
        }
        found.sort_unstable_by_key(|found| found.0);
        for (read, (array, before), operands) in found {
            if !is_certain && matches!(self.builder.func().inst(operands[0]), Inst::Bound(_)) {
                self.early_reads.push(read);
            }
            let subscripts = [before, &operands[1..]].concat();
            let Plan { sets, by_place, rank, complete, .. } = &plans[array];
            if !complete && subscripts.len() >= *rank {
                let condition = self.is_defined(sets, by_place, &subscripts[..*rank]);
                if self.builder.func().inst(condition) != Inst::Bool(true) {
                    self.hole_reads.push((read, condition));
                }
            }
        }
    }

    /// What is left of an array, behind so many subscripts, at which no clause fits.
    fn nothing(&mut self, plan: &Plan, subscripts: usize) -> Val {
        let zero = match plan.ty {
            Type::Int => self.builder.int(0),
            Type::Bool => self.builder.bool(false),
            _ => self.builder.f64(0.0),
        };
        match &plan.shape[subscripts..] {
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

/// The clauses of arrays for which something holds.
fn pieces(plans: &[Plan], holds: impl Fn(Piece) -> bool) -> Vec<Piece> {
    let all =
        plans.iter().enumerate().flat_map(|(array, plan)| (0..plan.sets.len()).map(move |clause| (array, clause)));
    all.filter(|&piece| holds(piece)).collect()
}

fn is_index(set: &Set, place: Val) -> bool {
    set.loops.iter().any(|turns| turns.index == place)
}

/// The extents of an array with its dimensions in another order.
fn turned_shape(plan: &Plan, dimensions: &[usize]) -> Vec<usize> {
    let first = dimensions.iter().map(|&dimension| plan.shape[dimension]);
    first.chain(plan.shape[plan.rank..].iter().copied()).collect()
}
