//! Products of matrices: loops around a sum of products of elements, as calls of [`crate::wide::matrix`].
//!
//! ```text
//! for i, j { s = Σ_k A[i, k]*B[k, j];  y[i, j] = f(s + b[j]) }
//!     =   for i, j { c[i, j] = Σ_k A[i, k]*B[k, j] };   for i, j { y[i, j] = f(c[i, j] + b[j]) }
//! ```
//!
//! A **contraction** is a sum of products of two elements whose places are sums of multiples of indices, where some index of the loops around
//! moves the one factor alone and another one the other. [`apart`] gives large ones a loop of their own, before the loops that they
//! stand in, wherever their arrays are there by then; [`product`] says which loops are such a product and nothing else. Small ones stay
//! in their loops, where the rows are in registers.

use std::sync::Arc;

use cranelift::codegen::isa::CallConv;
use cranelift::prelude::{AbiParam, InstBuilder, Signature, types};
use hashbrown::{HashMap, HashSet};

use super::address::Array;
use super::emit::Emitter;
use super::kernel::{Base, Spot};
use super::linear::Ranges;
use super::plan::{Buffer, BufferId, ELEMENT, Home, Nest, Step, size};
use super::range::{self, Range};
use crate::ir::{Cell, Direction, Func, Inst, Loop, Reduction, Region, Update, UpdateKind, Val};
use crate::ops::{Op, Type};
use crate::opt;
use crate::wide::Width;
use crate::wide::matrix::{self, Axis};

/// From so many multiplications on a product is worth a kernel of its own.
pub const WORTH: usize = 1 << 16;

/// The fewest rows, columns and turns of a sum that are worth copying into panels.
const LEAST: [usize; 3] = [12, 16, 32];

/// Where both factors lie in the order of the sum, kernels of rows are as fast as long as what they read again for each row stays in the
/// first cache: sums have at least so many turns, and so many numbers are read again.
const LEAST_DOT: usize = 64;
const FIRST_CACHE: usize = 1 << 13;

/// The largest array of sums that is made to get a product out of its loops, in numbers.
const LARGEST: usize = 1 << 23;

/// Subscripts are looked into so deep.
const DEEPEST: usize = 8;

/// A product as code.
#[derive(Clone, Debug)]
pub struct Call {
    pub product: Arc<matrix::Product>,
    factors: [Spot; 2],
    output: Spot,
    scratch: BufferId,
}

/// What a sum of products is, in loops around it.
struct Contraction {
    /// How many turns each loop around makes, and by how many elements it moves each factor.
    around: Vec<(usize, [i64; 2])>,
    sum: Vec<(usize, [i64; 2])>,
    factors: [Place; 2],
}

/// The places of the elements of an array in all turns: the first one, and the steps of each loop.
struct Place {
    array: Val,
    first: i64,
    steps: Vec<i64>,
    /// What other indices add.
    terms: Vec<(Val, i64)>,
}

impl Contraction {
    /// The sum that a region makes, in these loops.
    fn of(func: &Func, ranges: &Ranges, around: &[Loop], region: &Region, sum: &Reduction) -> Option<Contraction> {
        let loops: Vec<Loop> = around.iter().chain(&region.loops).copied().collect();
        let factors = [place_of(func, ranges, sum.value, &loops)?, place_of(func, ranges, sum.factor?, &loops)?];
        let turns: Option<Vec<usize>> = loops.iter().map(|each| turns(func, each)).collect();
        let mut steps: Vec<(usize, [i64; 2])> = turns?
            .into_iter()
            .enumerate()
            .map(|(number, turns)| (turns, [factors[0].steps[number], factors[1].steps[number]]))
            .collect();
        let sum = steps.split_off(around.len());
        Some(Contraction { around: steps, sum, factors })
    }

    /// Whether it is a product with enough to do.
    fn is_worth(&self, least: usize) -> bool {
        let moved = |steps: &[i64; 2]| steps.map(|step| step != 0);
        let turns = |which: [bool; 2]| {
            let alone = self.around.iter().filter(|(_, steps)| moved(steps) == which);
            alone.fold(1usize, |all, (turns, _)| all.saturating_mul(*turns))
        };
        let has = |which: [bool; 2]| self.around.iter().any(|(_, steps)| moved(steps) == which);
        let kinds = [[true, false], [false, true]];
        if !kinds.into_iter().all(has) || self.around.iter().any(|(_, steps)| *steps == [0, 0]) {
            return false;
        }
        // Columns are what the innermost loops come past.
        let last = self.around.iter().rev().map(|(_, steps)| moved(steps)).find(|moved| kinds.contains(moved));
        let [mut rows, mut columns] = kinds.map(turns);
        if last == Some(kinds[0]) {
            std::mem::swap(&mut rows, &mut columns);
        }
        let depth = self.sum.iter().fold(1usize, |all, (turns, _)| all.saturating_mul(*turns));
        let again = columns.saturating_mul(depth);
        let is_large = if matches!(*self.sum, [(_, [1, 1])]) {
            depth >= LEAST_DOT && again >= FIRST_CACHE
        } else {
            depth >= LEAST[2]
        };
        (least < WORTH || is_large && rows >= LEAST[0] && columns >= LEAST[1]) && rows.saturating_mul(again) >= least
    }
}

/// The turns of a loop between constants, if there are any.
fn turns(func: &Func, each: &Loop) -> Option<usize> {
    let (low, high) = (func.int(each.low)?, func.int(each.high)?);
    usize::try_from(high.checked_sub(low)?).ok().filter(|&turns| turns > 0)
}

/// Where an element is in each turn of some loops. `None`: it is no element, or moves otherwise, or may be outside.
fn place_of(func: &Func, ranges: &Ranges, read: Val, loops: &[Loop]) -> Option<Place> {
    let indices: Vec<Val> = loops.iter().map(|each| each.index).collect();
    if func.ty(read) != Type::F64 || func.is_array(read) {
        return None;
    }
    let (mut array, mut subscripts) = (read, Vec::new());
    while let Inst::Read(list) = func.inst(array)
        && (array == read || func.depends(array, &indices))
    {
        let (&of, used) = func.list(list).split_first()?;
        subscripts.splice(0..0, used.iter().copied());
        array = of;
    }
    if func.depends(array, &indices) || subscripts.is_empty() {
        return None;
    }
    placed(func, ranges, array, func.shape(array), &subscripts, loops)
}

/// The place of the elements of an array with these subscripts.
fn placed(
    func: &Func,
    ranges: &Ranges,
    array: Val,
    shape: &[usize],
    subscripts: &[Val],
    loops: &[Loop],
) -> Option<Place> {
    let mut place = Place { array, first: 0, steps: vec![0; loops.len()], terms: Vec::new() };
    for (dimension, &subscript) in subscripts.iter().enumerate() {
        if !ranges.of(subscript).is_inside(shape[dimension]) {
            return None;
        }
        place.add(func, ranges, subscript, i64::try_from(size(&shape[dimension + 1..])).ok()?, loops, DEEPEST)?;
    }
    for (each, &step) in loops.iter().zip(&place.steps) {
        place.first = place.first.checked_add(step.checked_mul(func.int(each.low)?)?)?;
    }
    place.terms.sort_unstable();
    Some(place)
}

impl Place {
    /// Adds a multiple of an integer.
    fn add(&mut self, func: &Func, ranges: &Ranges, val: Val, factor: i64, loops: &[Loop], depth: usize) -> Option<()> {
        if let Some(number) = loops.iter().position(|each| each.index == val) {
            self.steps[number] = self.steps[number].checked_add(factor)?;
            return Some(());
        }
        let is_plain = |op: Op| {
            let operands: Vec<Range> = func.operands(val).iter().map(|&operand| ranges.of(operand)).collect();
            range::plain(op, &operands).is_some()
        };
        let constant = |val: Val| func.int(val);
        match func.inst(val) {
            Inst::Int(_) => self.first = self.first.checked_add(func.int(val)?.checked_mul(factor)?)?,
            Inst::Binary(op @ (Op::IAdd | Op::ISub), a, b) if depth > 0 && is_plain(op) => {
                let other = if op == Op::IAdd { factor } else { factor.checked_neg()? };
                self.add(func, ranges, a, factor, loops, depth - 1)?;
                self.add(func, ranges, b, other, loops, depth - 1)?;
            }
            Inst::Binary(Op::IMul, a, b)
                if depth > 0 && is_plain(Op::IMul) && constant(a).or(constant(b)).is_some() =>
            {
                let (by, other) = constant(a).map_or((constant(b)?, a), |by| (by, b));
                self.add(func, ranges, other, factor.checked_mul(by)?, loops, depth - 1)?;
            }
            _ if loops.iter().any(|each| func.depends(val, &[each.index])) => return None,
            _ => self.terms.push((val, factor)),
        }
        Some(())
    }

    fn spot(&self, base: Base) -> Spot {
        Spot { base, offset: self.first, terms: self.terms.clone() }
    }
}

/// Whether the turns of a region depend on each other by nothing but sums.
fn is_independent(region: &Region) -> bool {
    region.states.is_empty() && region.going.is_none() && region.cells.iter().all(|cell| cell.bound.is_none())
}

/// A sum of products in all turns of loops that go upwards.
fn is_sum_of_products(func: &Func, region: &Region, sum: &Reduction) -> bool {
    is_independent(region)
        && sum.op == Op::Add
        && sum.factor.is_some()
        && func.inst(sum.guard) == Inst::Bool(true)
        && region.loops.iter().all(|each| each.direction == Direction::Up)
}

/// What is stored in a cell, in all turns, and nothing else.
fn stores(func: &Func, cell: &Cell) -> Option<Val> {
    let [update] = &*cell.updates else { return None };
    let fits = cell.ty == Type::F64
        && update.kind == UpdateKind::Store
        && update.factor.is_none()
        && update.subscripts.len() == cell.shape.len()
        && func.inst(update.guard) == Inst::Bool(true);
    fits.then_some(update.value)
}

/// The one cell of a region that makes nothing else.
fn only_cell(region: &Region) -> Option<&Cell> {
    match &*region.cells {
        [cell] if is_independent(region) && region.reductions.is_empty() => Some(cell),
        _ => None,
    }
}

/// The product that loops make, if they make nothing else. `being_made`: arrays that loops around make.
pub fn product(
    func: &Func,
    ranges: &mut Ranges,
    nest: &Nest,
    being_made: &[Val],
    (width, least): (Width, usize),
    buffers: &mut Vec<Buffer>,
) -> Option<Call> {
    let region = func.region(nest.region);
    let sum = stores(func, only_cell(region)?)?;
    let (Inst::Result(inner, number), [home]) = (func.inst(sum), &*nest.cells) else { return None };
    let stays = matches!(home.home, Home::Buffer(_) | Home::Output(_) | Home::Row { adds: false, .. });
    let mut inside = None;
    for (level, block) in nest.levels.iter().enumerate() {
        for step in &block.steps {
            match step {
                Step::Nest(other) if other.val == inner && inside.is_none() => inside = Some(other),
                Step::Nest(_) if level > 0 => return None,
                Step::Nest(_) | Step::Value(_) => {}
            }
        }
    }
    let inside = inside?;
    let has_checks = nest.levels.iter().skip(1).chain(&inside.levels).any(|block| !block.checks.is_empty());
    let theirs = func.region(inside.region);
    let ([sum], 0) = (&*theirs.reductions, (number as usize).checked_sub(theirs.first_reduction())?) else {
        return None;
    };
    if !stays || home.made.is_some() || has_checks || !theirs.cells.is_empty() || !is_sum_of_products(func, theirs, sum)
    {
        return None;
    }
    let before = ranges.enter(theirs);
    let contraction = Contraction::of(func, ranges, &region.loops, theirs, sum);
    ranges.leave(before);
    let contraction = contraction?;
    if !contraction.is_worth(least) || contraction.factors.iter().any(|factor| being_made.contains(&factor.array)) {
        return None;
    }
    let (cell, update) = (&region.cells[0], &region.cells[0].updates[0]);
    let output = placed(func, ranges, sum.value, &cell.shape, &update.subscripts, &region.loops)?;
    let axis = |(turns, steps): &(usize, [i64; 2]), c: i64| {
        let step = |step: i64| isize::try_from(step).ok();
        Some(Axis { turns: *turns, a: step(steps[0])?, b: step(steps[1])?, c: step(c)? })
    };
    let around: Option<Vec<Axis>> = contraction.around.iter().zip(&output.steps).map(|(at, &c)| axis(at, c)).collect();
    let turns: Option<Vec<Axis>> = contraction.sum.iter().map(|at| axis(at, 0)).collect();
    let product = matrix::Product::new(&around?, &turns?, width)?;
    buffers.push(Buffer::within(ELEMENT * product.scratch(), nest.during));
    Some(Call {
        product: Arc::new(product),
        factors: contraction.factors.map(|factor| factor.spot(Base::Array(factor.array))),
        output: output.spot(Base::Cell(0)),
        scratch: BufferId(buffers.len() as u32 - 1),
    })
}

impl Emitter<'_, '_, '_> {
    /// Makes a product, given the cell of the region whose loops it makes.
    pub fn multiply(&mut self, call: &Call, cells: &[Array]) {
        let places = call.factors.iter().chain([&call.output]);
        let places: Vec<_> = places.map(|spot| self.spot(spot, cells)).collect();
        let scratch = self.buffer(call.scratch);
        let scratch = self.pointer(&scratch);
        let mut signature = Signature::new(CallConv::SystemV);
        signature.params.extend([AbiParam::new(types::I64); 5]);
        let signature = self.builder().import_signature(signature);
        let entry = self.lowering.int_const(matrix::entry() as i64);
        let product = self.lowering.int_const(Arc::as_ptr(&call.product) as i64);
        let args = [product, places[0], places[1], places[2], scratch];
        self.builder().ins().call_indirect(signature, entry, &args);
    }
}

/// A sum that gets loops of its own.
struct Apart {
    loops: Vec<Loop>,
    region: Region,
    /// The arrays that store it as it is, in the same loops.
    copies: Vec<Val>,
}

/// The same function with large products in loops of their own. `None`: all are.
pub fn apart(func: &Func, least: usize) -> Option<Func> {
    let is_candidate = |region: &Region| region.reductions.iter().any(|sum| is_sum_of_products(func, region, sum));
    if !func.regions().iter().any(is_candidate) {
        return None;
    }
    let found = Search::new(func).all(least);
    if found.is_empty() {
        return None;
    }
    let copies: HashMap<Val, Val> =
        found.iter().flat_map(|(&sum, apart)| apart.copies.iter().map(move |&copy| (copy, sum))).collect();
    let mut arrays: HashMap<Val, Val> = HashMap::new();
    let apart = opt::rebuild(func, |pass, val| {
        if let Some(&array) = copies.get(&val).and_then(|sum| arrays.get(sum)) {
            return array;
        }
        let Some(apart) = found.get(&val) else { return pass.copy(val) };
        let region = pass.region(&apart.region);
        let region = pass.builder.region(region);
        let value = pass.builder.result(region, 0);
        let mut subscripts = Vec::new();
        for each in &apart.loops {
            let (index, low) = (pass.get(each.index), pass.get(each.low));
            subscripts.push(pass.builder.binary(Op::ISub, index, low));
        }
        let guard = pass.builder.bool(true);
        let update =
            Update { kind: UpdateKind::Store, subscripts: subscripts.clone().into(), value, factor: None, guard };
        let shape = apart.loops.iter().map(|each| turns(func, each).expect("a loop between constants")).collect();
        let cell = Cell { ty: Type::F64, shape, bound: None, init: None, updates: [update].into() };
        let around = Region { loops: apart.loops.clone().into(), ..Region::default() };
        let around = Region { cells: [cell].into(), ..pass.region(&around) };
        let around = pass.builder.region(around);
        let array = pass.builder.result(around, 0);
        arrays.insert(val, array);
        pass.builder.read(array, &subscripts)
    });
    Some(opt::loops::prune(&apart).unwrap_or(apart))
}

/// What is known of the names of a function.
struct Search<'a> {
    func: &'a Func,
    ranges: Ranges<'a>,
    /// The loops between constants, by their indices; of an index that has several, none.
    loops: HashMap<Val, Option<Loop>>,
    /// The regions that bind a name.
    binders: HashMap<Val, Vec<Val>>,
    /// How often a value is used.
    uses: HashMap<Val, usize>,
    watched: HashSet<Val>,
    /// The value of each result of each region.
    results: HashMap<(Val, u32), Val>,
}

impl<'a> Search<'a> {
    fn new(func: &'a Func) -> Search<'a> {
        let mut search = Search {
            func,
            ranges: Ranges::new(func),
            loops: HashMap::new(),
            binders: HashMap::new(),
            uses: HashMap::new(),
            watched: func.checks.iter().map(|check| check.site).collect(),
            results: HashMap::new(),
        };
        for val in func.vals() {
            func.operands(val).iter().for_each(|&used| *search.uses.entry(used).or_default() += 1);
            if let Inst::Result(region, number) = func.inst(val) {
                search.results.insert((region, number), val);
            }
            let Inst::Region(region) = func.inst(val) else { continue };
            let region = func.region(region);
            region.uses().for_each(|used| *search.uses.entry(used).or_default() += 1);
            region.binds().for_each(|name| search.binders.entry(name).or_default().push(val));
            for each in &region.loops {
                // Who knows how many turns a `while` makes.
                let this = turns(func, each).filter(|_| region.going.is_none()).map(|_| *each);
                let same = |known: &Loop| this.is_some_and(|this| (this.low, this.high) == (known.low, known.high));
                search.loops.entry(each.index).and_modify(|known| *known = known.filter(same)).or_insert(this);
            }
        }
        let mut loops: Vec<Loop> = search.loops.values().copied().flatten().collect();
        loops.sort_unstable_by_key(|each| each.index);
        search.ranges.enter(&Region { loops: loops.into(), ..Region::default() });
        search
    }

    /// The sums that get loops of their own.
    fn all(&self, least: usize) -> HashMap<Val, Apart> {
        let func = self.func;
        let sums = func.vals().filter_map(|val| match func.inst(val) {
            Inst::Result(region, number) => Some((val, func.region_of(region)?, number as usize)),
            _ => None,
        });
        let sums = sums.filter_map(|(val, region, number)| {
            let sum = region.reductions.get(number.checked_sub(region.first_reduction())?)?;
            Some((val, self.of(val, region, sum, least)?))
        });
        sums.collect()
    }

    fn of(&self, val: Val, region: &Region, sum: &Reduction, least: usize) -> Option<Apart> {
        let func = self.func;
        if !is_sum_of_products(func, region, sum) {
            return None;
        }
        let used = [sum.value, sum.factor?];
        let within: Vec<Val> = region.loops.iter().map(|each| each.index).collect();
        let mut free: Vec<Val> = used.iter().flat_map(|&used| func.free(used)).copied().collect();
        free.retain(|name| !within.contains(name));
        free.sort_unstable();
        free.dedup();
        let arrays = used.map(|read| super::plan::root(func, read));
        let is_ours = |name: &Val| !arrays.iter().any(|&array| func.depends(array, &[*name]));
        let (ours, rest): (Vec<Val>, Vec<Val>) = free.into_iter().partition(is_ours);
        // What is made in the turns of these loops isn't there before them.
        let is_outside = |name: &Val| {
            self.binders.get(name).is_some_and(|regions| regions.iter().all(|&region| !func.depends(region, &ours)))
        };
        if !rest.iter().all(is_outside) {
            return None;
        }
        let loops: Option<Vec<Loop>> = ours.iter().map(|name| self.loops.get(name).copied().flatten()).collect();
        let mut loops = loops?;
        let stored = self.stored(val, &ours);
        match stored.first() {
            Some(&(region, _)) => loops = func.region_of(region)?.loops.to_vec(),
            None => loops.sort_by_key(|each| self.depth(each.index)),
        }
        loops.iter_mut().for_each(|each| each.direction = Direction::Up);
        let elements = loops.iter().try_fold(1usize, |all, each| all.checked_mul(turns(func, each)?))?;
        let contraction = Contraction::of(func, &self.ranges, &loops, region, sum)?;
        let alone = Region { loops: region.loops.clone(), reductions: [*sum].into(), ..Region::default() };
        let is_watched = func.body(&alone).iter().any(|member| self.watched.contains(member));
        if elements > LARGEST || is_watched || !contraction.is_worth(least) {
            return None;
        }
        let is_alone = region.cells.is_empty() && region.reductions.len() == 1 && self.uses.get(&val) == Some(&1);
        if is_alone && stored.iter().any(|&(region, _)| func.region_of(region).and_then(only_cell).is_some()) {
            return None;
        }
        let indices = |loops: &[Loop]| loops.iter().map(|each| each.index).collect::<Vec<Val>>();
        let is_alike = |region: Val| func.region_of(region).is_some_and(|of| indices(&of.loops) == indices(&loops));
        let copies = stored.iter().filter(|&&(region, _)| is_alike(region));
        let copies = copies.filter_map(|&(region, cell)| self.results.get(&(region, cell as u32)).copied()).collect();
        Some(Apart { loops, region: alone, copies })
    }

    /// About how many loops are around an index.
    fn depth(&self, index: Val) -> (usize, usize) {
        let regions = self.binders.get(&index).into_iter().flatten();
        let depths = regions.map(|&val| {
            let region = self.func.region_of(val).expect("it binds the index");
            let place = region.loops.iter().position(|each| each.index == index).unwrap_or(0);
            (self.func.free(val).len(), place)
        });
        depths.max().unwrap_or_default()
    }

    /// The regions and their cells that store a sum at these indices, in all turns of their loops.
    fn stored(&self, sum: Val, indices: &[Val]) -> Vec<(Val, usize)> {
        let func = self.func;
        let mut found = Vec::new();
        for val in func.vals() {
            let Inst::Region(region) = func.inst(val) else { continue };
            let region = func.region(region);
            let are_its = region.loops.len() == indices.len()
                && region.loops.iter().all(|each| indices.contains(&each.index) && func.inst(each.low) == Inst::Int(0));
            if are_its && is_independent(region) {
                let is_whole = |cell: &Cell| {
                    let extents = region.loops.iter().map(|each| turns(func, each));
                    stores(func, cell) == Some(sum)
                        && extents.eq(cell.shape.iter().map(|&extent| Some(extent)))
                        && region.loops.iter().map(|each| each.index).eq(cell.updates[0].subscripts.iter().copied())
                };
                let cells = region.cells.iter().enumerate().filter(|(_, cell)| is_whole(cell));
                found.extend(cells.map(|(number, _)| (val, number)));
            }
        }
        found
    }
}
