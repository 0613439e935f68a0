//! What the reverse of a region needs of the forward one: recomputed where it is cheap, kept where it isn't.
//!
//! Cheap scalars are computed again in the turn that needs them. What is expensive (exp, ln, results of loops inside) is kept: the
//! forward region gets a cell with its value in each turn, and the reverse region reads it. So is the state at the beginning of
//! each turn, its **history**. An element of a cell comes from the finished cell.
//!
//! ```text
//! forward   history[k] = s,  kept[k] = exp(s)        reverse   s is history[k],  exp(s) is kept[k]
//! ```
//!
//! What a forward region with more cells computes once more is shared when the graph is optimised. Where the number of turns has no bound that
//! is known, a state is computed anew from the first.

use hashbrown::{HashMap, HashSet};

use super::reverse::Sweep;
use crate::ir::rows::{LEAST, ROWS};
use crate::ir::{Builder, Cell, Direction, Func, Inst, Loop, Region, State, Update, UpdateKind, Val};
use crate::ops::Op;

/// From this cost on, in multiplications, a value is kept.
const EXPENSIVE: u32 = 10;

/// So many rows are thought of where their number isn't known.
const ASSUMED: usize = 1 << 20;

impl Sweep<'_> {
    /// The reverse region with everything that it needs of the forward one in its place.
    pub(super) fn with_residuals(&mut self, val: Val, region: &Region, reverse: Region) -> Region {
        let places = self.extents.places(self.builder, region);
        let func = self.builder.func();
        // Too much to address is too much to keep.
        let fits = |val: Val| {
            let Some((extents, _)) = &places else { return false };
            let mut extents = extents.iter().chain(func.shape(val));
            extents
                .try_fold(8_usize, |size, &extent| size.checked_mul(if extent == ROWS { ASSUMED } else { extent }))
                .is_some()
        };
        // What the sweep itself has computed isn't kept, except by forward regions.
        let is_primal = |used: Val| match func.inst(used) {
            Inst::Result(of, _) => used < val || self.forward.contains(&of),
            _ => used < val,
        };
        let can_keep = |used: Val| is_primal(used) && fits(used);
        let Needs { expensive: kept, names } = Needs::of(func, val, region, &reverse, can_keep);
        let states: Vec<State> = region.states.iter().copied().filter(|state| names.contains(&state.bound)).collect();

        let mut forward = region.clone();
        let mut cells = forward.cells.to_vec();
        let mut pairs: Vec<(Val, Residual)> = Vec::new();
        for (number, cell) in region.cells.iter().enumerate() {
            if let Some(bound) = cell.bound.filter(|bound| names.contains(bound)) {
                pairs.push((bound, Residual::Finished(region.first_cell() + number)));
            }
        }
        if let Some((extents, subscripts)) = &places {
            for of in states.iter().map(|state| state.bound).chain(kept) {
                let number = self.history(&mut cells, extents, subscripts, of);
                pairs.push((of, Residual::History(region.first_cell() + number)));
            }
        } else {
            for state in &states {
                let first = self.state_again(region, state.bound);
                pairs.push((state.bound, Residual::Again(first)));
            }
        }
        if pairs.is_empty() {
            return reverse;
        }
        forward.cells = cells.into();
        let forward = self.builder.region(forward);
        self.forward.insert(forward);
        let subscripts = places.map(|places| places.1).unwrap_or_default();
        let pairs: Vec<(Val, Val)> = pairs
            .into_iter()
            .map(|(of, residual)| match residual {
                Residual::Finished(number) => (of, self.builder.result(forward, number)),
                Residual::Again(value) => (of, value),
                Residual::History(number) => {
                    let history = self.builder.result(forward, number);
                    (of, self.builder.read(history, &subscripts))
                }
            })
            .collect();
        self.builder.replace(&reverse, &pairs)
    }

    /// The number of the cell that has a value of each turn: one that is there, or a new one.
    fn history(&mut self, cells: &mut Vec<Cell>, extents: &[usize], subscripts: &[Val], of: Val) -> usize {
        let always = self.builder.bool(true);
        let update =
            Update { kind: UpdateKind::Store, subscripts: subscripts.into(), value: of, factor: None, guard: always };
        if let Some(number) = cells.iter().position(|cell| *cell.updates == [update.clone()]) {
            return number;
        }
        let func = self.builder.func();
        let shape = [extents, func.shape(of)].concat().into();
        cells.push(Cell { ty: func.ty(of), shape, bound: None, init: None, updates: Box::new([update]) });
        cells.len() - 1
    }

    /// A state at the beginning of a turn, from the first turn on: the same loop up to this turn, under another index.
    fn state_again(&mut self, region: &Region, state: Val) -> Val {
        let each = region.loops[0];
        let index = self.builder.index();
        let renamed = self.builder.replace(&region.asking(Box::new([])), &[(each.index, index)]);
        let (low, high) = match each.direction {
            Direction::Up => (each.low, each.index),
            Direction::Down => {
                let one = self.builder.int(1);
                (self.builder.binary(Op::IAdd, each.index, one), each.high)
            }
        };
        let number = region.states.iter().position(|other| other.bound == state).unwrap_or_default();
        let loops = Box::new([Loop { index, low, high, direction: each.direction }]);
        let again = self.builder.region(Region { loops, going: None, ..renamed });
        self.builder.result(again, number)
    }
}

/// Where a value of the forward region is found in the reverse one.
enum Residual {
    /// It is this result of the forward region.
    Finished(usize),
    /// It is in this result of the forward region, at the place of the turn.
    History(usize),
    Again(Val),
}

/// What a reverse region takes from the forward one.
struct Needs {
    expensive: Vec<Val>,
    /// States and cells.
    names: HashSet<Val>,
}

impl Needs {
    fn of(func: &Func, val: Val, region: &Region, reverse: &Region, can_keep: impl Fn(Val) -> bool) -> Needs {
        let binds: Vec<Val> = region.binds().collect();
        let mut forward = HashMap::new();
        let mut expensive = HashSet::new();
        let mut names = HashSet::new();
        let mut seen = HashSet::new();
        let mut stack: Vec<Val> = reverse.body().collect();
        while let Some(used) = stack.pop() {
            if !func.depends(used, &binds) || !seen.insert(used) {
                continue;
            }
            if matches!(func.inst(used), Inst::Bound(_)) {
                names.insert(used);
            } else if is_expensive(func, used) && can_keep(used) && is_forward(func, val, &binds, used, &mut forward) {
                expensive.insert(used);
            } else {
                stack.extend(func.operands(used).iter());
            }
        }
        let mut expensive: Vec<Val> = expensive.into_iter().collect();
        expensive.sort_unstable();
        Needs { expensive, names }
    }
}

fn is_expensive(func: &Func, val: Val) -> bool {
    match func.inst(val) {
        Inst::Result(..) => func.region_of(val).is_some_and(|region| !region.loops.is_empty()),
        inst => inst.op().is_some_and(|op| op.row().cost >= EXPENSIVE),
    }
}

/// Whether a value is computed from what a region binds and from what is there before the region, and nothing else.
fn is_forward(func: &Func, region: Val, binds: &[Val], val: Val, known: &mut HashMap<Val, bool>) -> bool {
    let mut stack = vec![val];
    while let Some(&open) = stack.last() {
        if known.contains_key(&open) {
            stack.pop();
            continue;
        }
        if !func.depends(open, binds) || binds.contains(&open) {
            let constant = matches!(func.inst(open), Inst::F64(_) | Inst::Int(_) | Inst::Bool(_));
            known.insert(open, open < region || constant);
            stack.pop();
            continue;
        }
        let operands = func.operands(open);
        let unknown: Vec<Val> = operands.iter().copied().filter(|operand| !known.contains_key(operand)).collect();
        if unknown.is_empty() {
            let all = operands.iter().all(|operand| known[operand]);
            known.insert(open, all);
            stack.pop();
        } else {
            stack.extend(unknown);
        }
    }
    known[&val]
}

/// Between which whole numbers the indices of a graph lie.
pub(super) struct Extents {
    ranges: HashMap<Val, Option<(i64, i64)>>,
}

impl Extents {
    pub fn of(func: &Func) -> Extents {
        let mut extents = Extents { ranges: HashMap::new() };
        // What stands around is younger than what stands inside.
        for region in func.regions().iter().rev() {
            for each in &region.loops {
                let range = extents.range(func, each.low, 0).zip(extents.range(func, each.high, 0));
                let range = range.map(|(low, high)| (low.0, high.1.saturating_sub(1)));
                let joined = match extents.ranges.get(&each.index) {
                    None => range,
                    Some(old) => old.zip(range).map(|(a, b)| (a.0.min(b.0), a.1.max(b.1))),
                };
                extents.ranges.insert(each.index, joined);
            }
        }
        extents
    }

    /// The shape in which every turn of a region has a place, and the subscripts of that place.
    fn places(&self, builder: &mut Builder, region: &Region) -> Option<(Vec<usize>, Vec<Val>)> {
        let (mut shape, mut subscripts) = (Vec::new(), Vec::new());
        for each in &region.loops {
            let func = builder.func();
            let (low, high) = (self.range(func, each.low, 0)?, self.range(func, each.high, 0)?);
            let extent = usize::try_from(high.1.checked_sub(low.0)?.max(0)).ok()?;
            shape.push(if high.1 == ROWS as i64 { ROWS } else { extent });
            // Loops begin at the least of their lows, so that a place doesn't depend on other loops.
            let first = builder.int(low.0);
            subscripts.push(if low.0 == 0 { each.index } else { builder.binary(Op::ISub, each.index, first) });
        }
        Some((shape, subscripts))
    }

    fn range(&self, func: &Func, val: Val, depth: usize) -> Option<(i64, i64)> {
        if depth > 16 {
            return None;
        }
        let of = |val: Val| self.range(func, val, depth + 1);
        match func.inst(val) {
            Inst::Int(value) if func.is_rows(val) => Some((LEAST as i64, value)),
            Inst::Int(value) => Some((value, value)),
            Inst::Bound(_) => self.ranges.get(&val).copied().flatten(),
            Inst::Unary(Op::INeg, a) => of(a).and_then(|(low, high)| Some((high.checked_neg()?, low.checked_neg()?))),
            Inst::Binary(op, a, b) => {
                let ((a, c), (b, d)) = (of(a)?, of(b)?);
                match op {
                    Op::IAdd => Some((a.checked_add(b)?, c.checked_add(d)?)),
                    Op::ISub => Some((a.checked_sub(d)?, c.checked_sub(b)?)),
                    Op::IMin => Some((a.min(b), c.min(d))),
                    Op::IMax => Some((a.max(b), c.max(d))),
                    Op::IMul => {
                        let products = [a.checked_mul(b)?, a.checked_mul(d)?, c.checked_mul(b)?, c.checked_mul(d)?];
                        Some((products.into_iter().min()?, products.into_iter().max()?))
                    }
                    Op::IDiv if b > 0 => {
                        let quotients = [a.div_euclid(b), a.div_euclid(d), c.div_euclid(b), c.div_euclid(d)];
                        Some((quotients.into_iter().min()?, quotients.into_iter().max()?))
                    }
                    _ => None,
                }
            }
            Inst::Ternary(Op::Select, _, a, b) => {
                let ((a, c), (b, d)) = (of(a)?, of(b)?);
                Some((a.min(b), c.max(d)))
            }
            _ => None,
        }
    }
}
