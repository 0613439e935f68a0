//! What loops add up, element by element, from products of arrays that are there is a sum for each element:
//!
//! ```text
//! A[i,k] += u(i,j)*v(j,k) for i, j, k   =   A = [sum[j](u(i,j)*v(j,k)) for i, k]
//! ```
//!
//! This is the adjoint of a matrix product, and makes it one: elements are made where they stay, in registers, instead of being read and
//! written again for each term. Both sides compute the same terms; they are added in another order, the one of a reduction.
//!
//! It serves where each factor is used for many elements. Where a factor belongs to one term only, as with a matrix and a vector, one pass
//! over the matrix in its own order is best; and where few terms are added, ending a sum costs more than it gains.

use hashbrown::{HashMap, HashSet};

use super::super::{Rebuild, rebuild};
use crate::ir::{Cell, Func, Inst, Loop, Reduction, Region, Update, UpdateKind, Val};
use crate::ops::{Op, Type};

/// Sums of fewer terms stay as they are.
const FEWEST: i64 = 16;

/// A factor has at most so many operations.
const CHEAP: usize = 8;

/// The same function with matrix products for the adjoints of matrix products.
pub fn contract(func: &Func) -> Func {
    let sums: HashMap<(Val, usize), Contraction> = func
        .vals()
        .filter_map(|val| Some((val, func.region_of(val).filter(|_| matches!(func.inst(val), Inst::Region(_)))?)))
        .flat_map(|(val, region)| (0..region.cells.len()).map(move |cell| (val, region, cell)))
        .filter_map(|(val, region, cell)| {
            Some(((val, region.first_cell() + cell), Contraction::of(func, region, cell)?))
        })
        .collect();
    if sums.is_empty() {
        return func.clone();
    }
    let apart = rebuild(func, |pass, val| match func.inst(val) {
        Inst::Result(region, number) => match sums.get(&(region, number as usize)) {
            Some(sum) => sum.build(pass),
            None => pass.copy(val),
        },
        _ => pass.copy(val),
    });
    super::prune::prune(&apart)
}

/// A sum for each element of an array.
struct Contraction {
    shape: Box<[usize]>,
    /// One for each dimension, in order.
    over: Vec<Loop>,
    summed: Loop,
    terms: Vec<(Val, Val)>,
}

impl Contraction {
    /// The sum that a cell is, if it is one.
    fn of(func: &Func, region: &Region, cell: usize) -> Option<Contraction> {
        let nest = Nest::of(func, region, cell)?;
        let indices: Vec<Val> = nest.loops.iter().map(|each| each.index).collect();
        let cell = &region.cells[cell];
        let is_fixed = |each: &Loop| !func.depends(each.low, &indices) && !func.depends(each.high, &indices);
        let spans = |each: &Loop, extent: usize| {
            func.inst(each.low) == Inst::Int(0) && func.inst(each.high) == Inst::Int(extent as i64)
        };
        let mut rest = nest.loops.clone();
        let mut over = Vec::new();
        for (&subscript, &extent) in nest.subscripts.iter().zip(&cell.shape) {
            let place = rest.iter().position(|each| each.index == subscript)?;
            over.push(rest.remove(place));
            spans(over.last()?, extent).then_some(())?;
        }
        let [summed] = *rest else { return None };
        let is_long = match (func.inst(summed.low), func.inst(summed.high)) {
            (Inst::Int(low), Inst::Int(high)) => high.saturating_sub(low) >= FEWEST,
            _ => true,
        };
        let is_used_often = |&factor: &Val| !indices.iter().all(|index| func.free(factor).contains(index));
        let serves = |&(a, b): &(Val, Val)| [a, b].iter().all(|each| is_used_often(each) && nest.is_there(func, *each));
        let is_one = over.len() == cell.shape.len() && over.len() > 1 && is_fixed(&summed) && is_long;
        (is_one && nest.terms.iter().all(serves)).then(|| Contraction {
            shape: cell.shape.clone(),
            over,
            summed,
            terms: nest.terms,
        })
    }

    fn build(&self, pass: &mut Rebuild) -> Val {
        let always = pass.builder.bool(true);
        let term = |pass: &mut Rebuild, &(value, factor): &(Val, Val)| Reduction {
            op: Op::Add,
            value: pass.get(value),
            factor: Some(pass.get(factor)),
            guard: always,
        };
        let reductions = self.terms.iter().map(|each| term(pass, each)).collect();
        let sums = Region { loops: Box::new([renamed(pass, &self.summed)]), reductions, ..Region::default() };
        let sums = pass.builder.region(sums);
        let parts: Vec<Val> = (0..self.terms.len()).map(|number| pass.builder.result(sums, number)).collect();
        let value = parts.iter().skip(1).fold(parts[0], |sum, &part| pass.builder.binary(Op::Add, sum, part));
        let loops: Vec<Loop> = self.over.iter().map(|each| renamed(pass, each)).collect();
        let update = Update {
            kind: UpdateKind::Store,
            subscripts: loops.iter().map(|each| each.index).collect(),
            value,
            factor: None,
            guard: always,
        };
        let cell =
            Cell { ty: Type::F64, shape: self.shape.clone(), bound: None, init: None, updates: Box::new([update]) };
        let made = Region { loops: loops.into(), cells: Box::new([cell]), ..Region::default() };
        let made = pass.builder.region(made);
        pass.builder.result(made, 0)
    }
}

fn renamed(pass: &mut Rebuild, each: &Loop) -> Loop {
    Loop { index: pass.get(each.index), low: pass.get(each.low), high: pass.get(each.high), ..*each }
}

/// Loops inside each other that add to one array.
struct Nest {
    loops: Vec<Loop>,
    /// All that the regions bind, indices and others.
    names: Vec<Val>,
    subscripts: Vec<Val>,
    terms: Vec<(Val, Val)>,
}

impl Nest {
    /// The loops from a region inwards, as long as what they add is an array that a loop inside makes.
    fn of<'a>(func: &'a Func, mut region: &'a Region, mut cell: usize) -> Option<Nest> {
        let mut nest = Nest { loops: Vec::new(), names: Vec::new(), subscripts: Vec::new(), terms: Vec::new() };
        loop {
            let Cell { bound: None, init: None, ref updates, ty: Type::F64, .. } = region.cells[cell] else {
                return None;
            };
            let first = updates.first()?;
            let is_alike =
                |update: &Update| update.subscripts == first.subscripts && func.inst(update.guard) == Inst::Bool(true);
            let once = |index: &Loop| first.subscripts.contains(&index.index);
            let adds = |update: &Update| update.kind == UpdateKind::Add;
            let is_sum = updates.iter().all(adds) || (updates.len() == 1 && region.loops.iter().all(once));
            if region.going.is_some() || !updates.iter().all(is_alike) || !is_sum {
                return None;
            }
            nest.loops.extend(&region.loops);
            nest.names.extend(region.binds());
            nest.subscripts.extend(&first.subscripts);
            if !func.is_array(first.value) {
                nest.terms =
                    updates.iter().map(|update| Some((update.value, update.factor?))).collect::<Option<_>>()?;
                return Some(nest);
            }
            let ([Update { value, factor: None, .. }], Inst::Result(inner, number)) =
                (&**updates, func.inst(first.value))
            else {
                return None;
            };
            let inside = func.region_of(*value).filter(|_| func.depends(inner, &nest.names))?;
            cell = (number as usize).checked_sub(inside.first_cell()).filter(|&cell| cell < inside.cells.len())?;
            region = inside;
        }
    }

    /// Whether a factor is simple arithmetic on what is there before the loops, and no check watches it.
    fn is_there(&self, func: &Func, factor: Val) -> bool {
        let (mut seen, mut stack) = (HashSet::new(), vec![factor]);
        while let Some(val) = stack.pop() {
            if !func.depends(val, &self.names) || !seen.insert(val) {
                continue;
            }
            let is_simple = match func.inst(val) {
                Inst::Bound(_) => self.loops.iter().any(|each| each.index == val),
                Inst::Read(_) => !func.depends(func.operands(val).as_slice()[0], &self.names),
                inst => {
                    matches!(inst.op(), Some(Op::Add | Op::Sub | Op::Mul | Op::Neg | Op::IAdd | Op::ISub | Op::IMul))
                }
            };
            if !is_simple || seen.len() > CHEAP || func.checks.iter().any(|check| check.site == val) {
                return false;
            }
            stack.extend(func.operands(val).iter());
        }
        true
    }
}
