//! What loops add up, element by element, from products is a sum for each element:
//!
//! ```text
//! A[i,k] += u(i,j)*v(j,k) for i, j, k   =   A = [sum[j](u(i,j)*v(j,k)) for i, k]
//! ```
//!
//! This is the adjoint of a matrix product, and makes it one: elements are made where they stay, in registers, instead of being read and
//! written again for each term. Both sides compute the same terms; they are added in another order, the one of a reduction.
//!
//! The factors may be made by the loops around the innermost one, also where their turns follow each other: the adjoint of a layer, turn by
//! turn of a recurrence. Then those loops **keep** them, in an array with a place for each turn, and the sum comes after them.
//!
//! Keeping pays where the array is too large to stay in a near cache while the turns add to it.
//!
//! It serves where each factor is used for many elements. Where a factor belongs to one term only, as with a matrix and a vector, one pass
//! over the matrix in its own order is best. How many terms there are makes no difference, so that a graph for any number of rows is that of
//! each number.

use hashbrown::{HashMap, HashSet};

use super::super::{Rebuild, rebuild};
use super::reaches;
use crate::ir::{Cell, Func, Inst, Loop, Reduction, Region, Update, UpdateKind, Val};
use crate::ops::{Op, Type};

/// A factor has at most so many operations of its own.
const CHEAP: usize = 8;

/// So many numbers are kept for each turn, at most.
const LARGEST: usize = 1 << 12;

/// An array of fewer numbers stays in a near cache from turn to turn; nothing is kept for its sake.
const NEAR: usize = 1 << 14;

/// The same function with matrix products for the adjoints of matrix products. `None`: there are none.
pub fn contract(func: &Func) -> Option<Func> {
    let mut plan = Plan { func, sums: HashMap::new(), kept: HashMap::new() };
    for val in func.vals() {
        let Inst::Region(id) = func.inst(val) else { continue };
        for cell in 0..func.region(id).cells.len() {
            plan.look_at(val, cell);
        }
    }
    if plan.sums.is_empty() {
        return None;
    }
    let apart = rebuild(func, |pass, val| plan.step(pass, val));
    Some(super::prune::prune(&apart).unwrap_or(apart))
}

struct Plan<'a> {
    func: &'a Func,
    /// By the region and the number of the result.
    sums: HashMap<(Val, usize), Contraction>,
    /// What each region keeps of its turns: itself, or what a region inside has kept.
    kept: HashMap<Val, Vec<Kept>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Kept {
    made: Val,
    /// The region inside.
    by: Option<Val>,
}

/// A sum for each element of an array.
struct Contraction {
    shape: Box<[usize]>,
    /// One for each dimension, in order.
    over: Vec<Loop>,
    summed: Loop,
    terms: Vec<(Val, Val)>,
    /// The loops that add, from outside, without the innermost.
    around: Vec<Val>,
    /// What of the terms they make.
    made: Vec<Val>,
}

impl Plan<'_> {
    fn region(&self, val: Val) -> &Region {
        self.func.region_of(val).unwrap_or_else(|| unreachable!("only regions are asked for"))
    }

    /// Makes a sum of what a cell adds up, if it is one.
    fn look_at(&mut self, val: Val, cell: usize) {
        let Some(sum) = Contraction::of(self.func, val, cell) else { return };
        for &made in &sum.made {
            let level = sum.level(self.func, made);
            let by = sum.around[1..=level].iter().copied().map(Some).chain([None]);
            let own = self.own_cell(val, made);
            for (&region, by) in sum.around.iter().zip(by).filter(|_| own.is_none()) {
                let (kept, all) = (Kept { made, by }, self.kept.entry(region).or_default());
                if !all.contains(&kept) {
                    all.push(kept);
                }
            }
        }
        let number = self.region(val).first_cell() + cell;
        self.sums.insert((val, number), sum);
    }

    /// The cell of a region that has this name inside: it is there in the end.
    fn own_cell(&self, val: Val, made: Val) -> Option<usize> {
        self.region(val).cells.iter().position(|cell| cell.bound == Some(made))
    }

    fn step(&self, pass: &mut Rebuild, val: Val) -> Val {
        match self.func.inst(val) {
            Inst::Region(_) if self.kept.contains_key(&val) => {
                let region = self.keeping(pass, val);
                pass.builder.region(region)
            }
            Inst::Result(region, number) => {
                if let Some(sum) = self.sums.get(&(region, number as usize)) {
                    return self.build(pass, sum);
                }
                let is_after = number as usize >= self.region(region).first_reduction();
                let more = self.kept.get(&region).filter(|_| is_after).map_or(0, Vec::len);
                let region = pass.get(region);
                pass.builder.result(region, number as usize + more)
            }
            _ => pass.copy(val),
        }
    }

    /// The region with a cell for each thing that it keeps.
    fn keeping(&self, pass: &mut Rebuild, val: Val) -> Region {
        let region = self.region(val);
        let kept = self.kept[&val].iter().map(|&Kept { made, by }| {
            let value = match by {
                None => pass.get(made),
                Some(inner) => self.result_of(pass, inner, made),
            };
            let guard = pass.builder.bool(true);
            let subscripts = region.loops.iter().map(|each| pass.get(each.index)).collect();
            let update = Update { kind: UpdateKind::Store, subscripts, value, factor: None, guard };
            let extents = region.loops.iter().filter_map(|each| extent(self.func, each));
            let shape = extents.chain(pass.builder.func().shape(value).iter().copied()).collect();
            Cell { ty: Type::F64, shape, bound: None, init: None, updates: Box::new([update]) }
        });
        let kept: Vec<Cell> = kept.collect();
        let mut region = pass.region(region);
        region.cells = region.cells.iter().cloned().chain(kept).collect();
        region
    }

    /// All that a region has kept of something.
    fn result_of(&self, pass: &mut Rebuild, val: Val, made: Val) -> Val {
        let place = self.kept[&val].iter().position(|kept| kept.made == made).unwrap_or_default();
        let region = pass.get(val);
        pass.builder.result(region, self.region(val).first_reduction() + place)
    }

    fn build(&self, pass: &mut Rebuild, sum: &Contraction) -> Val {
        let pairs: Vec<(Val, Val)> =
            sum.made.iter().map(|&made| (pass.get(made), self.kept_as(pass, sum, made))).collect();
        let terms: Vec<Val> = sum.terms.iter().flat_map(|&(a, b)| [a, b]).map(|each| pass.get(each)).collect();
        let terms = pass.builder.substitute_all(&terms, &pairs);
        let always = pass.builder.bool(true);
        let term = |pair: &[Val]| Reduction { op: Op::Add, value: pair[0], factor: Some(pair[1]), guard: always };
        let reductions = terms.chunks(2).map(term).collect();
        let sums = Region { loops: Box::new([upwards(pass, &sum.summed)]), reductions, ..Region::default() };
        let sums = pass.builder.region(sums);
        let parts: Vec<Val> = (0..sum.terms.len()).map(|number| pass.builder.result(sums, number)).collect();
        let value = parts[1..].iter().fold(parts[0], |all, &part| pass.builder.binary(Op::Add, all, part));
        let over: Vec<Val> = sum.over.iter().map(|each| pass.get(each.index)).collect();
        let over: Vec<(Val, usize)> = over.into_iter().zip(sum.shape.iter().copied()).collect();
        pass.builder.array(&over, value)
    }

    /// What turns have made, where it has been kept.
    fn kept_as(&self, pass: &mut Rebuild, sum: &Contraction, made: Val) -> Val {
        let outermost = sum.around[0];
        if let Some(cell) = self.own_cell(outermost, made) {
            let region = pass.get(outermost);
            return pass.builder.result(region, self.region(outermost).first_cell() + cell);
        }
        let array = self.result_of(pass, outermost, made);
        let around = &sum.around[..=sum.level(self.func, made)];
        let loops = around.iter().flat_map(|&region| self.region(region).loops.iter());
        let turn: Vec<Val> = loops.map(|each| pass.get(each.index)).collect();
        pass.builder.read(array, &turn)
    }
}

fn upwards(pass: &mut Rebuild, each: &Loop) -> Loop {
    Loop::up(pass.get(each.index), pass.get(each.low), pass.get(each.high))
}

/// How many places an array needs that a loop writes at its index.
fn extent(func: &Func, each: &Loop) -> Option<usize> {
    match (func.inst(each.low), func.inst(each.high)) {
        (Inst::Int(0..), Inst::Int(high)) => usize::try_from(high).ok(),
        _ => None,
    }
}

impl Contraction {
    /// The sum that a cell of a region is, if it is one.
    fn of(func: &Func, val: Val, cell: usize) -> Option<Contraction> {
        let nest = Nest::of(func, val, cell)?;
        let indices: Vec<Val> = nest.loops.iter().map(|each| each.index).collect();
        if indices.iter().collect::<HashSet<_>>().len() < indices.len() {
            return None;
        }
        let shape = func.region_of(val)?.cells[cell].shape.clone();
        let spans = |each: &Loop, size: usize| {
            func.inst(each.low) == Inst::Int(0) && func.inst(each.high) == Inst::Int(size as i64)
        };
        let mut rest = nest.loops.clone();
        let mut over = Vec::new();
        for (&subscript, &size) in nest.subscripts.iter().zip(&shape) {
            let place = rest.iter().position(|each| each.index == subscript)?;
            over.push(rest.remove(place));
            spans(over.last()?, size).then_some(())?;
        }
        let [summed] = *rest else { return None };
        let is_fixed = !func.depends(summed.low, &indices) && !func.depends(summed.high, &indices);
        if over.len() != shape.len() || over.len() < 2 || !is_fixed {
            return None;
        }
        let mut made = Vec::new();
        for &(value, factor) in &nest.terms {
            for each in [value, factor] {
                nest.add_made(func, each, &mut made)?;
            }
        }
        let Nest { terms, mut regions, .. } = nest;
        regions.pop();
        let sum = Contraction { shape, over, summed, terms, around: regions, made };
        let is_small = sum.made.iter().all(|&made| sum.kept_in_a_turn(func, made).is_some_and(|size| size <= LARGEST));
        let size = sum.shape.iter().fold(1, |size: usize, &extent| size.saturating_mul(extent));
        let is_far = sum.made.is_empty() || size >= NEAR && func.region_of(val)?.loops.contains(&summed);
        let factors = || sum.terms.iter().flat_map(|&(a, b)| [a, b]);
        (is_small && is_far && factors().all(|factor| sum.is_used_often(func, factor, &indices))).then_some(sum)
    }

    /// The innermost of the loops around that something depends on.
    fn level(&self, func: &Func, made: Val) -> usize {
        let binds = |&region: &Val| {
            func.region_of(region).is_some_and(|data| data.binds().any(|name| func.free(made).contains(&name)))
        };
        self.around.iter().rposition(binds).unwrap_or_default()
    }

    /// The loops whose turns make something.
    fn turns_of<'a>(&'a self, func: &'a Func, made: Val) -> impl Iterator<Item = &'a Loop> {
        let around = self.around.get(..=self.level(func, made)).unwrap_or_default();
        around.iter().filter_map(|&region| func.region_of(region)).flat_map(|region| region.loops.iter())
    }

    /// How many numbers are kept of something in each turn of the sum.
    fn kept_in_a_turn(&self, func: &Func, made: Val) -> Option<usize> {
        let size = |size: usize, each: &Loop| {
            let extent = extent(func, each)?;
            if each.index == self.summed.index { Some(size) } else { size.checked_mul(extent) }
        };
        self.turns_of(func, made).try_fold(func.shape(made).iter().product(), size)
    }

    /// Whether there is an index that a factor doesn't depend on, so that it serves several elements.
    fn is_used_often(&self, func: &Func, factor: Val, indices: &[Val]) -> bool {
        let mut names: HashSet<Val> = func.free(factor).iter().copied().collect();
        for &made in self.made.iter().filter(|&&made| reaches(func, factor, made)) {
            names.extend(self.turns_of(func, made).map(|each| each.index));
        }
        !indices.iter().all(|index| names.contains(index))
    }
}

/// Loops inside each other that add to one array.
struct Nest {
    /// From outside.
    regions: Vec<Val>,
    loops: Vec<Loop>,
    /// What the innermost region binds, and what the others do.
    inner: Vec<Val>,
    outer: Vec<Val>,
    subscripts: Vec<Val>,
    terms: Vec<(Val, Val)>,
}

impl Nest {
    /// The loops from a region inwards, as long as what they add is an array that a loop inside makes.
    fn of(func: &Func, mut val: Val, mut cell: usize) -> Option<Nest> {
        let mut nest = Nest {
            regions: Vec::new(),
            loops: Vec::new(),
            inner: Vec::new(),
            outer: Vec::new(),
            subscripts: Vec::new(),
            terms: Vec::new(),
        };
        loop {
            let region = func.region_of(val)?;
            let Cell { bound: None, init: None, ty: Type::F64, updates, .. } = region.cells.get(cell)? else {
                return None;
            };
            let first = updates.first()?;
            // To store something at the place of each turn is to add it once.
            let is_own = region.loops.iter().all(|each| first.subscripts.contains(&each.index));
            let adds_there = |update: &Update| {
                (update.kind == UpdateKind::Add || is_own && func.is_array(update.value))
                    && update.subscripts == first.subscripts
                    && func.inst(update.guard) == Inst::Bool(true)
            };
            if region.going.is_some() || !updates.iter().all(adds_there) {
                return None;
            }
            nest.outer.append(&mut nest.inner);
            nest.inner.extend(region.binds());
            nest.regions.push(val);
            nest.loops.extend(&region.loops);
            nest.subscripts.extend(&first.subscripts);
            if !func.is_array(first.value) {
                let term = |update: &Update| Some((update.value, update.factor?));
                nest.terms = updates.iter().map(term).collect::<Option<_>>()?;
                return Some(nest);
            }
            let ([Update { factor: None, .. }], Inst::Result(inside, number)) = (&**updates, func.inst(first.value))
            else {
                return None;
            };
            let is_inside = func.depends(inside, &nest.outer) || func.depends(inside, &nest.inner);
            val = Some(inside).filter(|_| is_inside)?;
            cell = (number as usize).checked_sub(func.region_of(inside)?.first_cell())?;
        }
    }

    /// What of a factor the loops around the innermost one make. `None` where the rest isn't simple arithmetic, or a check watches it.
    fn add_made(&self, func: &Func, factor: Val, made: &mut Vec<Val>) -> Option<()> {
        let (mut seen, mut stack) = (HashSet::new(), vec![factor]);
        while let Some(val) = stack.pop() {
            let is_inner = func.depends(val, &self.inner);
            if !(is_inner || func.depends(val, &self.outer)) || !seen.insert(val) {
                continue;
            }
            if seen.len() > CHEAP || func.checks.iter().any(|check| check.site == val) {
                return None;
            }
            let operands = func.operands(val);
            let is_index = self.loops.iter().any(|each| each.index == val);
            match func.inst(val) {
                Inst::Bound(_) if is_index => {}
                Inst::Read(_) => {
                    let array = operands.as_slice()[0];
                    if func.depends(array, &self.inner) {
                        return None;
                    }
                    if func.depends(array, &self.outer) {
                        add(func, array, made)?;
                    }
                    stack.extend(&operands.as_slice()[1..]);
                }
                inst => match inst.op() {
                    Some(Op::IAdd | Op::ISub | Op::IMul) => stack.extend(operands.iter()),
                    Some(Op::Mul | Op::Neg) if is_inner => stack.extend(operands.iter()),
                    _ if is_inner => return None,
                    _ => add(func, val, made)?,
                },
            }
        }
        Some(())
    }
}

/// Notes something that is to be kept, if it is numbers.
fn add(func: &Func, val: Val, made: &mut Vec<Val>) -> Option<()> {
    (func.ty(val) == Type::F64).then_some(())?;
    if !made.contains(&val) {
        made.push(val);
    }
    Some(())
}
