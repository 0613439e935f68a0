//! A dear value that an outer loop would compute again and again, because it depends on inner indices only, is made once before, as an
//! array:
//!
//! ```text
//! for n { for k { for d { … exp(s[k, d])*x[n, d] … } } }
//!     =   e = [exp(s[k, d]) for k, d];   for n { for k { for d { … e[k, d]*x[n, d] … } } }
//! ```
//!
//! **When.** The value is a number that depends on the indices of loops with constant bounds, and on nothing else inside a loop around
//! these that has more than one turn. (Where the number of turns isn't known, there could be none, with the same consequence as a condition; see
//! below.) It is *dear*: it contains an elementary function, a division or a loop.
//! The array has no more elements than an array that the value is computed from, or than [`SMALL`]. What doesn't depend on the
//! index of a loop around stays inside of that loop, and so does the array.
//!
//! **What isn't evaluated, stays so.** The value is computed in some turn whatever conditions say: no arm of a choice, no element under a condition.
//! Nothing that a check looks at is moved. Of a value whose slope may be infinite, the slope must be asked for in every turn as well; its adjoint in
//! an element of the array would be 0 otherwise, and 0 times infinity.

use hashbrown::{HashMap, HashSet};

use super::super::rebuild;
use super::Scopes;
use crate::ir::guard::Steep;
use crate::ir::{Bodies, Builder, Cell, Func, Inst, Loop, Region, Update, UpdateKind, Val};
use crate::ops::{Op, Type};

/// An array of so many elements may always be made.
const SMALL: usize = 4096;

/// From this cost on an operator is dear, in multiplications.
const DEAR: u32 = 4;

/// `None`: nothing to do.
pub fn hoist(func: &Func) -> Option<Func> {
    let arrays = Plan::of(func)?.arrays();
    if arrays.is_empty() {
        return None;
    }
    Some(rebuild(func, |pass, val| {
        let element = pass.copy(val);
        let Some(loops) = arrays.get(&val) else { return element };
        let loops: Vec<Loop> = loops
            .iter()
            .map(|each| Loop {
                index: pass.get(each.index),
                low: pass.get(each.low),
                high: pass.get(each.high),
                ..*each
            })
            .collect();
        array_of(&mut pass.builder, &loops, element)
    }))
}

/// An element of the array that the loops make of a value, read where they are.
fn array_of(builder: &mut Builder, loops: &[Loop], value: Val) -> Val {
    let subscripts: Vec<Val> = loops.iter().map(|each| each.index).collect();
    let update = Update {
        kind: UpdateKind::Store,
        subscripts: subscripts.clone().into(),
        value,
        factor: None,
        guard: builder.bool(true),
    };
    let shape = loops.iter().filter_map(|each| bounds(builder.func(), each)).map(|(_, high)| high).collect();
    let cell = Cell { ty: Type::F64, shape, bound: None, init: None, updates: Box::new([update]) };
    let region = builder.region(Region { loops: loops.into(), cells: Box::new([cell]), ..Region::default() });
    let array = builder.result(region, 0);
    builder.read(array, &subscripts)
}

/// The bounds of a loop, where they are constants and the second one is the extent of an array.
fn bounds(func: &Func, each: &Loop) -> Option<(usize, usize)> {
    match (func.inst(each.low), func.inst(each.high)) {
        (Inst::Int(low), Inst::Int(high)) if low < high => usize::try_from(low).ok().zip(usize::try_from(high).ok()),
        _ => None,
    }
}

/// A name that is bound around a body.
#[derive(Clone, Copy)]
struct Name {
    name: Val,
    /// How often it takes another value, if it is an index with constant bounds.
    turns: Option<usize>,
    is_index: bool,
    /// Where the names of its region begin.
    first: usize,
}

struct Plan<'a> {
    func: &'a Func,
    bodies: Bodies<'a>,
    /// The loop that an index stands for; of indices with one meaning and constant bounds.
    loops: HashMap<Val, Loop>,
    steep: Steep,
    /// What is computed in some turn whatever conditions say.
    certain: Vec<bool>,
    /// What may be computed elsewhere.
    movable: Vec<bool>,
}

impl<'a> Plan<'a> {
    /// `None`: there is no loop around another.
    fn of(func: &'a Func) -> Option<Plan<'a>> {
        if func.regions().iter().map(|region| region.loops.len()).sum::<usize>() < 2 {
            return None;
        }
        let steep = Steep::of(func);
        let certain = certain(func, &steep);
        let mut plan = Plan { func, bodies: Bodies::of(func), loops: loops(func), steep, certain, movable: Vec::new() };
        plan.movable = plan.movable();
        Some(plan)
    }

    /// What no check looks at.
    fn movable(&mut self) -> Vec<bool> {
        let func = self.func;
        let mut movable = vec![true; func.len()];
        func.checks.iter().flat_map(|check| [check.site, check.guard]).for_each(|val| movable[val.index()] = false);
        for val in func.vals() {
            let is_outside = |operand: &Val| func.free(*operand).is_empty() || movable[operand.index()];
            let mut is_movable = movable[val.index()] && func.operands(val).iter().all(is_outside);
            if let (true, Inst::Region(id)) = (is_movable, func.inst(val)) {
                let members = self.bodies.members(id);
                is_movable = func.region(id).going.is_none() && members.iter().all(|member| movable[member.index()]);
            }
            movable[val.index()] = is_movable;
        }
        movable
    }

    /// The values that become arrays, each with the loops that make it.
    fn arrays(mut self) -> HashMap<Val, Vec<Loop>> {
        let func = self.func;
        let scopes = Scopes::of(func);
        // What could be made before, with the loops that would make it.
        let mut early: HashMap<Val, Vec<Loop>> = HashMap::new();
        for region in func.vals() {
            let Inst::Region(id) = func.inst(region) else { continue };
            let names = self.names_around(&scopes, region);
            for &member in self.bodies.members(id).iter() {
                if self.movable[member.index()]
                    && !early.contains_key(&member)
                    && let Some(loops) = self.loops_of(&names, member)
                {
                    early.insert(member, loops);
                }
            }
        }
        // What is asked for by something that couldn't.
        let mut wanted: HashSet<Val> = HashSet::new();
        for user in func.vals().filter(|user| !early.contains_key(user)) {
            let used = func.uses(user);
            wanted.extend(used.into_iter().filter(|used| func.ty(*used) == Type::F64 && !func.is_array(*used)));
        }
        let mut wanted: Vec<Val> = wanted.into_iter().filter(|val| self.certain[val.index()]).collect();
        wanted.sort_unstable();
        let mut arrays: HashMap<Val, Vec<Loop>> = HashMap::new();
        for val in wanted {
            if let Some(loops) = early.get(&val)
                && self.is_worth(val, loops, &arrays)
            {
                arrays.insert(val, loops.clone());
            }
        }
        arrays
    }

    /// What is bound around the body of a region, outermost first.
    fn names_around(&self, scopes: &Scopes, region: Val) -> Vec<Name> {
        let mut regions = scopes.around(region).to_vec();
        regions.push(region);
        regions.sort_by_key(|&region| scopes.level(region));
        let mut names = Vec::new();
        for (place, &val) in regions.iter().enumerate() {
            let Some(region) = self.func.region_of(val) else { continue };
            let others: Vec<Val> = region.binds().skip(region.loops.len()).collect();
            // What stands inside is computed in the loop whose index it depends on; those further in aren't around it, and may share a name.
            let around = match regions.get(place + 1).map(|&inner| self.func.free(inner)) {
                Some(free) if !others.iter().any(|name| free.contains(name)) => {
                    region.loops.iter().rposition(|each| free.contains(&each.index)).map_or(0, |last| last + 1)
                }
                _ => region.loops.len(),
            };
            let first = names.len();
            names.extend(region.loops[..around].iter().map(|each| {
                let turns = bounds(self.func, each).map(|(low, high)| high - low);
                Name { name: each.index, turns, is_index: true, first }
            }));
            names.extend(others.into_iter().map(|name| Name { name, turns: None, is_index: false, first }));
        }
        names
    }

    /// The loops that would make an array of a value, if a loop around them computes it again and again.
    fn loops_of(&self, names: &[Name], val: Val) -> Option<Vec<Loop>> {
        let free = self.func.free(val);
        let last = names.iter().rposition(|name| free.contains(&name.name))?;
        let is_steep = self.steep.of_value(val);
        let turns = |name: &Name| name.turns.map_or(!is_steep, |turns| turns > 1);
        let again = |name: &Name| name.is_index && !free.contains(&name.name) && turns(name);
        let outer = names[..last].iter().position(again)?;
        // Before the whole region: between its loops it would be made, for a derivative, in every turn of the innermost.
        let inner = names[names[outer].first..].iter().filter(|name| free.contains(&name.name));
        inner.map(|name| self.loops.get(&name.name).copied()).collect()
    }

    /// Whether a value is dear, given the arrays so far, and the array isn't too large.
    fn is_worth(&mut self, val: Val, loops: &[Loop], arrays: &HashMap<Val, Vec<Loop>>) -> bool {
        let func = self.func;
        let size = |shape: &[usize]| shape.iter().fold(1, |size: usize, &extent| size.saturating_mul(extent));
        let indices: Vec<Val> = loops.iter().map(|each| each.index).collect();
        let (mut is_dear, mut largest) = (false, SMALL);
        let (mut seen, mut stack) = (HashSet::new(), vec![val]);
        while let Some(val) = stack.pop() {
            if func.is_array(val) {
                largest = largest.max(size(func.shape(val)));
            }
            if !func.depends(val, &indices) || arrays.contains_key(&val) || !seen.insert(val) {
                continue;
            }
            is_dear |= match func.inst(val) {
                Inst::Region(_) => true,
                // Powers are products, mostly squares.
                inst => inst.op().is_some_and(|op| op.row().cost >= DEAR && op != Op::Powi),
            };
            stack.extend(func.operands(val).iter());
        }
        let extents: Vec<usize> = loops.iter().filter_map(|each| bounds(func, each)).map(|(_, high)| high).collect();
        is_dear && size(&extents) <= largest
    }
}

/// The loops that indices stand for, where they stand for one, with constant bounds.
fn loops(func: &Func) -> HashMap<Val, Loop> {
    let mut loops: HashMap<Val, Option<Loop>> = HashMap::new();
    for region in func.regions() {
        for each in &region.loops {
            let is_known = region.going.is_none() && bounds(func, each).is_some();
            let up = Loop::up(each.index, each.low, each.high);
            loops
                .entry(each.index)
                .and_modify(|known| *known = known.filter(|known| is_known && *known == up))
                .or_insert(is_known.then_some(up));
        }
    }
    loops.into_iter().filter_map(|(index, each)| Some((index, each?))).collect()
}

/// What is computed in some turn whatever conditions say, and whose slope is asked for, if that may be infinite.
fn certain(func: &Func, steep: &Steep) -> Vec<bool> {
    let is_always = |guard: Val| func.inst(guard) == Inst::Bool(true);
    let mut certain = vec![false; func.len()];
    let mut stack: Vec<Val> = func.results.iter().map(|result| result.value).collect();
    while let Some(val) = stack.pop() {
        if std::mem::replace(&mut certain[val.index()], true) {
            continue;
        }
        let operands = func.operands(val);
        match func.inst(val) {
            Inst::Region(id) => {
                let region = func.region(id);
                stack.extend(region.before());
                stack.extend(region.going);
                stack.extend(region.states.iter().map(|state| state.next));
                for update in region.cells.iter().flat_map(|cell| &cell.updates) {
                    stack.push(update.guard);
                    if is_always(update.guard) {
                        stack.extend(update.subscripts.iter().copied().chain([update.value]).chain(update.factor));
                    }
                }
                for sum in &region.reductions {
                    stack.push(sum.guard);
                    if is_always(sum.guard) && (sum.op == Op::Add || !steep.of_value(sum.value)) {
                        stack.extend([sum.value].into_iter().chain(sum.factor));
                    }
                }
            }
            inst => match inst.op() {
                Some(Op::Select | Op::And | Op::Or) => stack.push(operands.as_slice()[0]),
                Some(Op::Min | Op::Max | Op::Clamp | Op::Relu | Op::LeakyRelu) => {
                    stack.extend(operands.iter().filter(|operand| !steep.of_value(**operand)));
                }
                _ => stack.extend(operands.iter()),
            },
        }
    }
    certain
}
