//! An array of which only a few known elements are read isn't made; these elements are computed, whatever they cost:
//!
//! ```text
//! a = [e(i) for i];  a[0] + a[s]   =   e(0) + e(s)        s outside of all loops
//! ```
//!
//! An array of several clauses is asked clause by clause whether it has the element; where the subscripts are constants, the answer is known
//! now. What a check looks at stays, and so does an array in whose making a check is: it is made for its faults, too.

use hashbrown::{HashMap, HashSet};

use super::super::{compact, rebuild};
use crate::ir::{Bodies, Builder, Cell, Func, Inst, Region, UpdateKind, Val};
use crate::ops::{Op, Type};

/// The most clauses that are asked, and the most elements.
const CLAUSES: usize = 4;
const ELEMENTS: usize = 16;

/// `None`: nothing to do.
pub fn pull(func: &Func) -> Option<Func> {
    let mut pulled = None;
    // The element of a clause may be that of the clauses before it.
    for _ in 0..CLAUSES {
        let func = pulled.as_ref().unwrap_or(func);
        let known = known(func);
        if known.is_empty() {
            break;
        }
        let new = rebuild(func, |pass, val| {
            let copy = pass.copy(val);
            if known.contains(&val) { element(&mut pass.builder, copy).unwrap_or(copy) } else { copy }
        });
        pulled = Some(compact(&new));
    }
    pulled
}

/// The reads of elements that can be computed instead.
fn known(func: &Func) -> HashSet<Val> {
    let mut reads: HashMap<Val, Vec<Val>> = HashMap::new();
    let mut refused: HashSet<Val> = func.roots().collect();
    let sites: HashSet<Val> = func.checks.iter().flat_map(|check| [check.site, check.guard]).collect();
    for user in func.vals() {
        let used = func.uses(user);
        let subscripts_from = match func.inst(user) {
            Inst::Read(_) if is_known(func, user) && !sites.contains(&user) => {
                reads.entry(used[0]).or_default().push(user);
                1
            }
            _ => 0,
        };
        refused.extend(&used[subscripts_from.min(used.len())..]);
    }
    let mut bodies = Bodies::of(func);
    let mut can = |array: &Val| {
        let Some((id, region, cell)) = made_by(func, *array) else { return false };
        let is_watched = bodies.members(id).iter().any(|member| sites.contains(member));
        !is_watched && is_plain(func, region, cell)
    };
    // An array that is mostly read is better made by a loop.
    let is_few = |array: Val, reads: &[Val]| {
        let elements = func.shape(array).iter().fold(1, |size: usize, &extent| size.saturating_mul(extent));
        reads.len() <= ELEMENTS.min(elements / 2)
    };
    reads.retain(|array, reads| is_few(*array, reads) && !refused.contains(array) && can(array));
    reads.into_values().flatten().collect()
}

/// Whether it reads an element at a place outside of all loops.
fn is_known(func: &Func, read: Val) -> bool {
    !func.is_array(read) && func.operands(read).iter().all(|operand| func.free(*operand).is_empty())
}

fn made_by(func: &Func, array: Val) -> Option<(crate::ir::RegionId, &Region, &Cell)> {
    let Inst::Result(of, number) = func.inst(array) else { return None };
    let Inst::Region(id) = func.inst(of) else { return None };
    let region = func.region(id);
    Some((id, region, region.cells.get((number as usize).checked_sub(region.first_cell())?)?))
}

/// Whether each clause has an element at most once, at subscripts that are indices of independent loops, or don't depend on these.
fn is_plain(func: &Func, region: &Region, cell: &Cell) -> bool {
    let is_independent =
        region.states.is_empty() && region.going.is_none() && region.cells.iter().all(|cell| cell.bound.is_none());
    let indices: Vec<Val> = region.loops.iter().map(|each| each.index).collect();
    let is_square =
        region.loops.iter().all(|each| !func.depends(each.low, &indices) && !func.depends(each.high, &indices));
    let is_clause = |update: &crate::ir::Update| {
        let places = &update.subscripts;
        let is_place = |place: &Val| indices.contains(place) || !func.depends(*place, &indices);
        update.kind == UpdateKind::Store
            && places.len() == cell.shape.len()
            && places.iter().all(is_place)
            && indices.iter().all(|index| places.iter().filter(|place| *place == index).count() == 1)
    };
    is_independent
        && is_square
        && cell.ty == Type::F64
        && cell.updates.len() <= CLAUSES
        && cell.updates.iter().all(is_clause)
}

/// The element, clause by clause.
fn element(builder: &mut Builder, read: Val) -> Option<Val> {
    let func = builder.func();
    let operands = func.operands(read).as_slice().to_vec();
    let (array, subscripts) = operands.split_first()?;
    let (_, region, cell) = made_by(func, *array)?;
    let (region, cell) = (region.clone(), cell.clone());
    let mut element = match cell.init {
        Some(init) => builder.read(init, subscripts),
        None => builder.f64(0.0),
    };
    for update in &cell.updates {
        let (mut here, mut pairs) = (builder.bool(true), Vec::new());
        for (&place, &subscript) in update.subscripts.iter().zip(subscripts) {
            let condition = match region.loops.iter().find(|each| each.index == place) {
                Some(each) => {
                    pairs.push((each.index, subscript));
                    let (from, to) =
                        (builder.binary(Op::ILe, each.low, subscript), builder.binary(Op::ILt, subscript, each.high));
                    builder.binary(Op::And, from, to)
                }
                None => builder.binary(Op::IEq, place, subscript),
            };
            here = builder.binary(Op::And, here, condition);
        }
        let parts = builder.substitute_all(&[update.guard, update.value], &pairs);
        here = builder.binary(Op::And, here, parts[0]);
        element = builder.select(here, parts[1], element);
    }
    Some(element)
}
