//! Which loops become calls of kernels, and in which order.
//!
//! The innermost loop of a region whose turns are independent is **split** where that makes kernels:
//!
//! ```text
//! for i { s = Σ_j W[i, j]*x[j];  y[i] = f(s + b[i]) }
//!     =   for i, j { s[i] += W[i, j]*x[j] };   for i { y[i] = f(s[i] + b[i]) }
//! ```
//!
//! A region inside and the loop around it are one kernel; what the turns compute before and after is a kernel of its own, turn by turn.
//! Values that one makes and another takes are **kept**, one for each turn, in memory that lives as long as the region. What is
//! cheap is computed again instead.
//!
//! Each value and each element of a cell is made by the same arithmetic in the same order: a cell that several updates change is
//! changed by one after the other, first by that which comes to an element in the earliest turn.
//!
//! Additions to matrices that no turn of the loop around reads are put off, see [`delay`].
//!
//! **Phases.** What depends on no region inside has phase 0; the results of a region of phase `k` have phase `k + 1`. First the
//! values of a phase are made, then its regions.

mod delay;

use std::collections::BTreeMap;

use hashbrown::{HashMap, HashSet};

pub use delay::Delayed;

use super::contraction;
use super::kernel::{Base, Call, Draft, Kept, Lows, Maker, Spot, Turns, Update, is_cheap};
use super::linear::{Axes, Ranges};
use super::plan::{Block, Buffer, BufferId, During, ELEMENT, Home, Nest, Place, Step};
use crate::ir::{Direction, Func, Inst, Loop, Region, RegionId, UpdateKind, Val};
use crate::ops::{Op, Type};
use crate::wide::Width;
use crate::wide::rows::{WriteKind, most_sums};

/// The innermost loops of a nest as calls, one after the other.
#[derive(Debug)]
pub struct Split {
    /// How many loops the calls make: the last one, or the last two.
    pub loops: usize,
    pub calls: Vec<Call>,
    /// Where the sums of the region are.
    pub sums: Vec<BufferId>,
    /// All loops in the place of calls.
    pub product: Option<contraction::Call>,
}

/// A call takes some time; it has at least so many operations to do.
const WORTH: usize = 24;

/// The most numbers that are kept of one value.
const LONGEST: usize = 1 << 14;

/// What is computed for each row, in a kernel of two loops, has at most so many operations.
const ROW_WORK: usize = 8;

/// What is computed again rather than kept has at most so many operations of at most so much cost: by the next kernel, and by
/// another kernel of the same phase.
const AGAIN: (usize, u32) = (3, 1);
const AT_ONCE: (usize, u32) = (16, 5);

/// Finds the loops that are kernels in everything that is planned, products of so many multiplications among them.
pub fn split(
    func: &Func,
    results: &HashMap<(Val, u32), Val>,
    (width, least): (Width, usize),
    top: &mut Block,
    buffers: &mut Vec<Buffer>,
) {
    let mut splitter = Splitter { func, results, width, least, ranges: Ranges::new(func), buffers, around: Vec::new() };
    splitter.steps(&mut top.steps);
}

struct Splitter<'a, 'p> {
    func: &'a Func,
    results: &'p HashMap<(Val, u32), Val>,
    width: Width,
    least: usize,
    ranges: Ranges<'a>,
    buffers: &'p mut Vec<Buffer>,
    around: Vec<Around>,
}

/// A region around.
struct Around {
    region: RegionId,
    /// Of its cells.
    homes: Vec<Home>,
    during: During,
    /// Whether what is looked at is computed in each of its turns.
    in_turn: bool,
    delayed: Vec<Delayed>,
}

/// The region around with one loop, whose turns can be put together.
#[derive(Clone, Copy)]
struct Batching<'s> {
    region: &'s Region,
    each: Loop,
    /// How many there are at most.
    turns: usize,
    during: During,
}

impl<'a> Splitter<'a, '_> {
    fn steps(&mut self, steps: &mut [Step]) {
        for step in steps {
            if let Step::Nest(nest) = step {
                self.nest(nest);
            }
        }
    }

    fn nest(&mut self, nest: &mut Nest) {
        let region = self.func.region(nest.region);
        let before = self.ranges.enter(region);
        nest.split = self.of(nest);
        let made = nest.split.as_ref().map_or(0, |split| split.loops);
        let homes = nest.cells.iter().map(|place| place.home).collect();
        let (region_id, during) = (nest.region, nest.during);
        self.around.push(Around { region: region_id, homes, during, in_turn: false, delayed: Vec::new() });
        let rest = region.loops.len() + 1 - made;
        for (level, block) in nest.levels[..rest].iter_mut().enumerate() {
            self.in_turn(level == region.loops.len());
            self.steps(&mut block.steps);
        }
        self.in_turn(false);
        self.steps(&mut nest.test);
        nest.delayed = self.around.pop().map(|around| around.delayed).unwrap_or_default();
        self.ranges.leave(before);
    }

    fn in_turn(&mut self, in_turn: bool) {
        if let Some(around) = self.around.last_mut() {
            around.in_turn = in_turn;
        }
    }

    /// The region around, if its turns can be put together.
    fn batching(&self) -> Option<Batching<'a>> {
        let around = self.around.last().filter(|around| around.in_turn)?;
        let region = self.func.region(around.region);
        let [each] = *region.loops else { return None };
        let (low, high) = (self.ranges.of(each.low).low, self.ranges.of(each.high).high);
        let turns = usize::try_from(high.checked_sub(low)?).ok()?;
        region.going.is_none().then_some(Batching { region, each, turns, during: around.during })
    }

    fn of(&mut self, nest: &Nest) -> Option<Split> {
        let region = self.func.region(nest.region);
        let depth = region.loops.len();
        if depth == 0 || !are_independent(nest, region) || !nest.levels[depth].checks.is_empty() {
            return None;
        }
        // Two cells that are rows of one cell could be one memory.
        let rows: Vec<usize> = nest.cells.iter().filter_map(Place::row).collect();
        if rows.iter().enumerate().any(|(place, row)| rows[..place].contains(row)) {
            return None;
        }
        let being_made = self.being_made(nest)?;
        if let Some(product) = self.product(nest, &being_made) {
            return Some(Split { loops: depth, calls: Vec::new(), sums: Vec::new(), product: Some(product) });
        }
        let batching = self.batching();
        let known = self.buffers.len();
        for loops in [2, 1] {
            let mut splitting = Splitting {
                func: self.func,
                results: self.results,
                width: self.width,
                ranges: &mut self.ranges,
                buffers: self.buffers,
                nest,
                region,
                being_made: &being_made,
                kept: Kept::default(),
                own: HashMap::new(),
                sums: Vec::new(),
                batching,
                delayed: Vec::new(),
                put_off: HashSet::new(),
            };
            let split = if loops == 2 { splitting.two_loops() } else { splitting.one_loop() };
            if split.is_some() {
                let delayed = splitting.delayed;
                if let Some(around) = self.around.last_mut() {
                    around.delayed.extend(delayed);
                }
                return split;
            }
            self.buffers.truncate(known);
        }
        None
    }

    fn product(&mut self, nest: &Nest, being_made: &[(Val, Vec<Val>)]) -> Option<contraction::Call> {
        let Splitter { func, ranges, buffers, .. } = self;
        let being_made: Vec<Val> = being_made.iter().map(|(name, _)| *name).collect();
        contraction::product(func, ranges, nest, &being_made, (self.width, self.least), buffers)
    }

    /// The arrays that cells of a region are rows of, as the regions around call them, with the subscripts of the rows: of these arrays
    /// other rows may be read. `None` where they can't be told apart.
    fn being_made(&self, nest: &Nest) -> Option<Vec<(Val, Vec<Val>)>> {
        let mut rows = Vec::new();
        for place in &nest.cells {
            let mut home = place.home;
            for (number, around) in self.around.iter().rev().enumerate() {
                let Home::Row { cell, update, .. } = home else { break };
                let cell_around = &self.func.region(around.region).cells[cell];
                if let Some(name) = cell_around.bound {
                    let subscripts =
                        if number == 0 { cell_around.updates[update].subscripts.to_vec() } else { Vec::new() };
                    rows.push((name, subscripts));
                }
                home = around.homes[cell];
            }
        }
        Some(rows)
    }
}

/// Whether the turns of a region depend on each other by nothing but what is added up.
fn are_independent(nest: &Nest, region: &Region) -> bool {
    region.states.is_empty()
        && region.going.is_none()
        && nest.test.is_empty()
        && region.cells.iter().all(|cell| cell.bound.is_none() && cell.ty == Type::F64)
        && nest.cells.iter().all(|place| place.made.is_none())
}

/// One region that is being split.
struct Splitting<'a, 's> {
    func: &'a Func,
    results: &'s HashMap<(Val, u32), Val>,
    width: Width,
    ranges: &'s mut Ranges<'a>,
    buffers: &'s mut Vec<Buffer>,
    nest: &'s Nest,
    region: &'a Region,
    being_made: &'s [(Val, Vec<Val>)],
    kept: Kept,
    /// Where values are kept that the kernel in the making makes.
    own: HashMap<Val, Spot>,
    /// Where the sums of the region are.
    sums: Vec<BufferId>,
    batching: Option<Batching<'s>>,
    delayed: Vec<Delayed>,
    /// The cells of regions inside whose additions are delayed, by region and number.
    put_off: HashSet<(Val, usize)>,
}

type Phases = HashMap<Val, usize>;

/// A kernel of it.
struct Part {
    draft: Draft,
    rows: Turns,
    len: Turns,
    /// How many turns it has at most.
    most: usize,
}

/// A loop that goes upwards from a constant.
#[derive(Clone, Copy)]
struct Steps {
    index: Val,
    low: i64,
    turns: Turns,
    most: usize,
}

/// What a turn makes for others.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Root {
    /// A cell and its update.
    Update(usize, usize),
    Sum(usize),
    Kept(Val),
}

impl<'s> Splitting<'_, 's> {
    /// Two loops, one around the other, that do nothing but what the inner one's turns do.
    fn two_loops(&mut self) -> Option<Split> {
        let (func, nest, region) = (self.func, self.nest, self.region);
        let [.., outer, inner] = &*region.loops else { return None };
        let depth = region.loops.len();
        let (around, turn) = (&nest.levels[depth - 1], &nest.levels[depth]);
        let has_regions = around.steps.iter().chain(&turn.steps).any(|step| matches!(step, Step::Nest(_)));
        let is_work = |step: &&Step| match step {
            Step::Value(val) => func.ty(*val) != Type::Int && !matches!(func.inst(*val), Inst::Read(_)),
            Step::Nest(_) => true,
        };
        let is_simple = !has_regions
            && around.checks.is_empty()
            && around.steps.iter().filter(is_work).count() <= ROW_WORK
            && region.reductions.is_empty()
            && region.cells.iter().all(|cell| cell.updates.len() == 1)
            && !func.depends(inner.high, &[outer.index]);
        if !is_simple {
            return None;
        }
        let (rows, turns) = (self.steps_of(outer)?, self.steps_of(inner)?);
        let roots: Vec<Root> = (0..region.cells.len()).map(|cell| Root::Update(cell, 0)).collect();
        let draft = self.draft(Some(rows), turns, &roots, &|_, _| false)?;
        let most = rows.most.saturating_mul(turns.most);
        let calls = self.compile(vec![Part { draft, rows: rows.turns, len: turns.turns, most }])?;
        Some(Split { loops: 2, calls, sums: Vec::new(), product: None })
    }

    /// The innermost loop, with regions inside.
    fn one_loop(&mut self) -> Option<Split> {
        let (func, region) = (self.func, self.region);
        let depth = region.loops.len();
        let each = self.steps_of(&region.loops[depth - 1])?;
        let has_sums = !region.reductions.is_empty();
        if has_sums && (depth > 1 || region.reductions.iter().any(|sum| sum.op != Op::Add)) {
            return None;
        }
        let (phases, inside) = self.phases(each)?;
        if !inside.is_empty() && each.most > LONGEST {
            return None;
        }
        self.sums = region.reductions.iter().map(|_| self.room(ELEMENT)).collect();
        let mut roots = self.roots(&phases)?;
        // Where the sums of regions inside are kept: what is stored as it is, there.
        for &(_, inner) in &inside {
            let theirs = func.region(inner.region);
            for number in 0..theirs.reductions.len() {
                let number = (theirs.first_reduction() + number) as u32;
                let Some(&result) = self.results.get(&(inner.val, number)) else { continue };
                let stored = roots.iter().position(|root| self.is_stored(root.1, result));
                let home = match stored.and_then(|at| Some((at, self.place_of(roots[at].1, each)?))) {
                    Some((at, home)) => {
                        roots.remove(at);
                        home
                    }
                    None => Spot::buffer(self.room(ELEMENT * each.most)),
                };
                self.kept.homes.insert(result, home);
            }
        }
        self.put_off_all(&inside, each, &phases);
        let last = phases.values().copied().max().unwrap_or(0);
        let mut parts: Vec<Vec<Part>> = (0..=last).map(|_| Vec::new()).collect();
        for &(phase, inner) in &inside {
            if self.has_work(inner) {
                let part = self.inside(inner, each)?;
                parts[phase].push(part);
            }
        }
        for phase in (0..=last).rev() {
            let own: Vec<Root> = roots.iter().filter(|root| root.0 == phase).map(|root| root.1).collect();
            let mut made = Vec::new();
            for (number, mut group) in self.groups(own, each)?.into_iter().enumerate().rev() {
                if number == 0 {
                    let (here, earlier) = self.kept.wanted.iter().partition(|val| phases.get(*val) == Some(&phase));
                    self.kept.wanted = earlier;
                    let here: Vec<Val> = here;
                    for val in here {
                        self.own.insert(val, self.kept.homes.remove(&val)?);
                        group.push(Root::Kept(val));
                    }
                }
                let only_sums = group.iter().all(|root| matches!(root, Root::Sum(_)));
                let is_kept = |val: Val, axes: &Axes| {
                    let (operations, cost) = match phases.get(&val) {
                        Some(&of) if of < phase => AGAIN,
                        _ if number > 0 && !only_sums => AT_ONCE,
                        _ => return false,
                    };
                    !is_cheap(func, axes, val, operations, cost)
                };
                if !group.is_empty() {
                    let draft = self.draft(None, each, &group, &is_kept)?;
                    made.push(Part { draft, rows: Turns::Known(1), len: each.turns, most: each.most });
                }
            }
            made.reverse();
            made.append(&mut parts[phase]);
            parts[phase] = made;
        }
        if !self.kept.wanted.is_empty() {
            return None;
        }
        let calls = self.compile(parts.into_iter().flatten().collect())?;
        Some(Split { loops: 1, calls, sums: std::mem::take(&mut self.sums), product: None })
    }

    /// The phase of each value of a turn, and the regions inside with theirs.
    fn phases(&self, each: Steps) -> Option<(Phases, Vec<(usize, &'s Nest)>)> {
        let (mut phases, mut inside) = (HashMap::new(), Vec::new());
        for step in &self.nest.levels[self.region.loops.len()].steps {
            match step {
                Step::Value(val) => {
                    let phase = latest(&phases, self.func.operands(*val).iter().copied());
                    phases.insert(*val, phase);
                }
                Step::Nest(inner) => {
                    if !self.is_kernel(inner, each.index) {
                        return None;
                    }
                    let phase = latest(&phases, inner.captures.iter().copied());
                    for number in 0..self.func.region(inner.region).results() {
                        if let Some(&result) = self.results.get(&(inner.val, number as u32)) {
                            phases.insert(result, phase + 1);
                        }
                    }
                    inside.push((phase, &**inner));
                }
            }
        }
        Some((phases, inside))
    }

    /// Whether a region inside can be a kernel with the loop around it.
    fn is_kernel(&self, inner: &Nest, index: Val) -> bool {
        let (func, region) = (self.func, self.func.region(inner.region));
        let [only] = &*region.loops else { return false };
        let [before, turn] = &*inner.levels else { return false };
        are_independent(inner, region)
            && before.steps.is_empty()
            && before.checks.is_empty()
            && turn.checks.is_empty()
            && turn.steps.iter().all(|step| matches!(step, Step::Value(_)))
            && region.cells.iter().all(|cell| cell.updates.len() == 1)
            && region.reductions.iter().all(|sum| sum.op == Op::Add)
            && !func.depends(only.high, &[index])
            && inner.cells.iter().enumerate().all(|(number, place)| {
                let row = place.row();
                row.is_some() && inner.cells[..number].iter().all(|other| other.row() != row)
            })
    }

    /// What the turns make for the outside, with its phase; without what regions inside make in its place.
    fn roots(&self, phases: &Phases) -> Option<Vec<(usize, Root)>> {
        let mut roots = Vec::new();
        for (number, cell) in self.region.cells.iter().enumerate() {
            let inside = (0..cell.updates.len()).filter(|&at| self.nest.in_place.contains(&(number, at))).count();
            match (inside, cell.updates.len()) {
                (0, _) => {
                    let used =
                        cell.updates.iter().flat_map(|each| [each.value, each.guard].into_iter().chain(each.factor));
                    let phase = latest(phases, used);
                    roots.extend((0..cell.updates.len()).map(|at| (phase, Root::Update(number, at))));
                }
                (1, 1) => {}
                _ => return None,
            }
        }
        for (number, sum) in self.region.reductions.iter().enumerate() {
            let phase = latest(phases, [sum.value, sum.guard].into_iter().chain(sum.factor));
            roots.push((phase, Root::Sum(number)));
        }
        Some(roots)
    }

    /// Whether a root is nothing but the storing of a value in a cell of its own.
    fn is_stored(&self, root: Root, value: Val) -> bool {
        let Root::Update(number, at) = root else { return false };
        let (cell, update) = (&self.region.cells[number], &self.region.cells[number].updates[at]);
        cell.updates.len() == 1
            && self.kind(number, update.kind) == UpdateKind::Store
            && update.value == value
            && self.func.inst(update.guard) == Inst::Bool(true)
    }

    /// What an update of a cell of the region does.
    fn kind(&self, cell: usize, kind: UpdateKind) -> UpdateKind {
        match self.nest.cells[cell].home {
            Home::Row { adds: true, .. } => UpdateKind::Add,
            Home::Row { .. } | Home::Buffer(_) | Home::Output(_) => kind,
        }
    }

    /// Where the elements of successive turns begin that an update changes.
    fn place_of(&self, root: Root, each: Steps) -> Option<Spot> {
        let Root::Update(number, at) = root else { return None };
        let cell = &self.region.cells[number];
        let update = &cell.updates[at];
        if update.subscripts.len() != cell.shape.len() {
            return None;
        }
        let place = self.ranges.place(&cell.shape, &update.subscripts, &Axes { row: None, turn: each.index })?;
        if place.turn != 1 {
            return None;
        }
        Spot::first(Base::Cell(number), &place, Lows { row: 0, turn: each.low })
    }

    /// What one kernel makes after the other: updates of one cell are in different ones, the first is that which is ahead. Of many sums
    /// each kernel makes as many as it has registers for.
    fn groups(&self, roots: Vec<Root>, each: Steps) -> Option<Vec<Vec<Root>>> {
        let mut groups = vec![Vec::new()];
        let mut shared: BTreeMap<usize, Vec<(i64, Root)>> = BTreeMap::new();
        let mut sums = Vec::new();
        for root in roots {
            match root {
                Root::Update(cell, _) if self.region.cells[cell].updates.len() > 1 => {
                    let updates = shared.entry(cell).or_default();
                    let place = self.place_of(root, each)?;
                    if let Some(&(_, first)) = updates.first()
                        && self.place_of(first, each)?.terms != place.terms
                    {
                        return None;
                    }
                    updates.push((place.offset, root));
                }
                Root::Sum(_) => sums.push(root),
                _ => groups[0].push(root),
            }
        }
        for (_, mut updates) in shared {
            updates.sort_by_key(|&(offset, _)| std::cmp::Reverse(offset));
            for (number, (_, root)) in updates.into_iter().enumerate() {
                if groups.len() <= number {
                    groups.push(Vec::new());
                }
                groups[number].push(root);
            }
        }
        let mut sums = sums.chunks(most_sums(self.width));
        groups[0].extend(sums.next().into_iter().flatten());
        groups.extend(sums.map(<[Root]>::to_vec));
        Some(groups)
    }

    /// A kernel that makes roots of the region.
    fn draft(
        &mut self,
        row: Option<Steps>,
        turn: Steps,
        roots: &[Root],
        is_kept: &dyn Fn(Val, &Axes) -> bool,
    ) -> Option<Draft> {
        let region = self.region;
        let axes = Axes { row: row.map(|row| row.index), turn: turn.index };
        let lows = Lows { row: row.map_or(0, |row| row.low), turn: turn.low };
        let mut updates = Vec::new();
        for &root in roots {
            updates.push(match root {
                Root::Update(number, at) => {
                    let cell = &region.cells[number];
                    let update = &cell.updates[at];
                    if update.subscripts.len() != cell.shape.len() {
                        return None;
                    }
                    let place = self.ranges.place(&cell.shape, &update.subscripts, &axes)?;
                    let to = Spot::first(Base::Cell(number), &place, lows)?;
                    let kind = match self.kind(number, update.kind) {
                        UpdateKind::Store => WriteKind::Store,
                        UpdateKind::Add => WriteKind::Add,
                    };
                    let (value, factor, guard) = (update.value, update.factor, Some(update.guard));
                    (place.turn == 1).then_some(Update { kind, row: place.row, value, factor, guard, to })?
                }
                Root::Sum(number) => {
                    let sum = &region.reductions[number];
                    let to = Spot::buffer(self.sums[number]);
                    let (value, factor, guard) = (sum.value, sum.factor, Some(sum.guard));
                    Update { kind: WriteKind::Sum, row: 1, value, factor, guard, to }
                }
                Root::Kept(value) => {
                    let to = self.own.get(&value)?.clone();
                    Update { kind: WriteKind::Store, row: 0, value, factor: None, guard: None, to }
                }
            });
        }
        self.make(axes, lows, turn.most, updates, is_kept)
    }

    /// Whether something of a region inside isn't put off.
    fn has_work(&self, inner: &Nest) -> bool {
        let is_put_off = |number: usize| self.put_off.contains(&(inner.val, number));
        !self.func.region(inner.region).reductions.is_empty() || !(0..inner.cells.len()).all(is_put_off)
    }

    /// A kernel of a region inside and the loop around it.
    fn inside(&mut self, inner: &Nest, each: Steps) -> Option<Part> {
        let before = self.ranges.enter(self.func.region(inner.region));
        let part = self.inside_of(inner, each);
        self.ranges.leave(before);
        part
    }

    fn inside_of(&mut self, inner: &Nest, each: Steps) -> Option<Part> {
        let (func, region) = (self.func, self.func.region(inner.region));
        let turn = self.steps_of(&region.loops[0])?;
        let axes = Axes { row: Some(each.index), turn: turn.index };
        let lows = Lows { row: each.low, turn: turn.low };
        let mut updates = Vec::new();
        for (number, (place, cell)) in inner.cells.iter().zip(&region.cells).enumerate() {
            if self.put_off.contains(&(inner.val, number)) {
                continue;
            }
            let Home::Row { cell: around, update: at, adds, .. } = place.home else { return None };
            let outer = &self.region.cells[around];
            let update = &cell.updates[0];
            let subscripts = [&*outer.updates[at].subscripts, &*update.subscripts].concat();
            if subscripts.len() != outer.shape.len() {
                return None;
            }
            let place = self.ranges.place(&outer.shape, &subscripts, &axes)?;
            let to = Spot::first(Base::Cell(around), &place, lows)?;
            let kind = match self.kind(around, update.kind) {
                UpdateKind::Store if !adds => WriteKind::Store,
                UpdateKind::Store | UpdateKind::Add => WriteKind::Add,
            };
            let (value, factor, guard) = (update.value, update.factor, Some(update.guard));
            updates.push((place.turn == 1).then_some(Update { kind, row: place.row, value, factor, guard, to })?);
        }
        for (number, sum) in region.reductions.iter().enumerate() {
            let number = (region.first_reduction() + number) as u32;
            let Some(result) = self.results.get(&(inner.val, number)) else { continue };
            let to = self.kept.homes.get(result)?.clone();
            let (value, factor, guard) = (sum.value, sum.factor, Some(sum.guard));
            updates.push(Update { kind: WriteKind::Sum, row: 1, value, factor, guard, to });
        }
        let (operations, cost) = AGAIN;
        let is_kept = |val: Val, axes: &Axes| !is_cheap(func, axes, val, operations, cost);
        let draft = self.make(axes, lows, each.most, updates, &is_kept)?;
        Some(Part { draft, rows: each.turns, len: turn.turns, most: each.most.saturating_mul(turn.most) })
    }

    fn make(
        &mut self,
        axes: Axes,
        lows: Lows,
        longest: usize,
        updates: Vec<Update>,
        is_kept: &dyn Fn(Val, &Axes) -> bool,
    ) -> Option<Draft> {
        let (buffers, nest) = (&mut *self.buffers, self.nest);
        let mut maker = Maker {
            func: self.func,
            ranges: self.ranges,
            being_made: self.being_made,
            axes,
            lows,
            kept: &mut self.kept,
            is_kept,
            room: &mut || (longest <= LONGEST).then(|| push(buffers, Buffer::within(ELEMENT * longest, nest.during))),
            body: Draft::default(),
        };
        for update in updates {
            maker.update(update)?;
        }
        Some(maker.body)
    }

    /// The code of kernels, if it is worth calling them.
    fn compile(&mut self, parts: Vec<Part>) -> Option<Vec<Call>> {
        let work = |part: &Part| part.most.saturating_mul(part.draft.work());
        let all = parts.iter().map(work).fold(0, usize::saturating_add);
        if parts.is_empty() || all < WORTH * parts.len() {
            return None;
        }
        let (buffers, nest, width) = (&mut *self.buffers, self.nest, self.width);
        let mut room = |bytes: usize| push(buffers, Buffer::within(bytes, nest.during));
        let (func, around) = (self.func, self.batching.map(|batching| batching.each));
        let compile = |mut part: Part| {
            around.into_iter().for_each(|around| part.draft.look_ahead(func, around));
            part.draft.compile(part.rows, part.len, width, &mut room).ok()
        };
        parts.into_iter().map(compile).collect()
    }

    /// Room for something that lives as long as the region.
    fn room(&mut self, bytes: usize) -> BufferId {
        push(self.buffers, Buffer::within(bytes, self.nest.during))
    }

    fn steps_of(&self, each: &Loop) -> Option<Steps> {
        let low = self.func.int(each.low)?;
        let most = usize::try_from(self.ranges.of(each.high).high.checked_sub(low)?).ok()?;
        let turns = match self.func.int(each.high) {
            Some(_) => Turns::Known(most),
            None => Turns::To { low, high: each.high },
        };
        let is_up = each.direction == Direction::Up;
        (is_up && most > 0).then_some(Steps { index: each.index, low, turns, most })
    }
}

fn push(buffers: &mut Vec<Buffer>, buffer: Buffer) -> BufferId {
    buffers.push(buffer);
    BufferId(buffers.len() as u32 - 1)
}

/// The latest phase of some values.
fn latest(phases: &Phases, vals: impl Iterator<Item = Val>) -> usize {
    vals.filter_map(|val| phases.get(&val).copied()).max().unwrap_or(0)
}
