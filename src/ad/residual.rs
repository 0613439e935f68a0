//! What the reverse of a region needs of the forward one: recomputed where it is cheap, kept where it isn't.
//!
//! Cheap scalars are computed again in the turn that needs them. What is expensive (exp, ln, results of loops inside) is kept: the
//! forward region gets a cell with its value in each turn, and the reverse region reads it. So is the state at the beginning of
//! each turn, its **history**. An element of a cell comes from the finished cell.
//!
//! An expensive slope is kept too, where computing it again would take something that is kept: it takes its place. In the forward turn
//! it shares work with the value (`sigmoid` and its slope have one `exp`), and where turns wait for each other it costs no time. What
//! follows from elements and indices alone is computed again: independent points need no tape.
//!
//! ```text
//! forward   history[k] = s,  kept[k] = exp(s)        reverse   s is history[k],  exp(s) is kept[k]
//! ```
//!
//! What a forward region with more cells computes once more is shared when the graph is optimised.
//!
//! Where the number of turns has no bound that is known (`for k in 0..n` with `index n`), the forward region keeps states at
//! **checkpoints**, evenly spaced and as many as there is room for, and a turn computes its states again from the last one. Up to that
//! number of turns this is a history.
//!
//! ```text
//! forward   if mod(k, stride) == 0: kept[k/stride] = s        reverse   s is next(next(... kept[k/stride]))
//! ```

use hashbrown::{HashMap, HashSet};

use super::reverse::Sweep;
use crate::ir::rows::{LEAST, ROWS};
use crate::ir::{Builder, Cell, Direction, Func, Inst, Loop, Region, State, Update, UpdateKind, Val};
use crate::ops::{Op, Type};

/// From this cost on, in multiplications, a value is kept.
const EXPENSIVE: u32 = 10;

/// So many numbers are kept at checkpoints at most, of a loop at the top and of one inside of others, which is begun often.
const CHECKPOINTS: [usize; 2] = [1 << 20, 1 << 13];
/// There are so many checkpoints at most, and at least.
const MOST: [usize; 2] = [1 << 16, 1 << 10];
const FEWEST: usize = 16;

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
        // What regions of the sweep have computed isn't kept, except by forward ones.
        let is_primal = |used: Val| match func.inst(used) {
            Inst::Result(of, _) => used < val || self.forward.contains(&of),
            _ => true,
        };
        let Needs { expensive: kept, names } = Needs::of(func, val, region, &reverse, is_primal, fits);
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
        }
        let checkpoints = match (&places, states.as_slice()) {
            (None, [_, ..]) => Some(self.checkpoints(val, region, &mut cells)),
            _ => None,
        };
        let again = checkpoints.is_some();
        if pairs.is_empty() && !again {
            return reverse;
        }
        forward.cells = cells.into();
        let forward = self.builder.region(forward);
        self.forward.insert(forward);
        if let Some(checkpoints) = checkpoints {
            let first = self.states_again(region, forward, &checkpoints);
            let of_each = region.states.iter().zip(first);
            let wanted = of_each.filter(|(state, _)| names.contains(&state.bound));
            pairs.extend(wanted.map(|(state, first)| (state.bound, Residual::Again(first))));
        }
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

    /// Adds cells that keep the states of a region at checkpoints.
    fn checkpoints(&mut self, val: Val, region: &Region, cells: &mut Vec<Cell>) -> Checkpoints {
        let func = self.builder.func();
        let place = usize::from(!func.free(val).is_empty());
        let size = |state: &State| func.shape(state.bound).iter().product::<usize>();
        let numbers = region.states.iter().map(size).sum::<usize>().max(1);
        let count = (CHECKPOINTS[place] / numbers).clamp(FEWEST, MOST[place]);
        let each = region.loops[0];
        let builder = &mut *self.builder;
        let (one, room) = (builder.int(1), builder.int(count as i64));
        // So many turns from one checkpoint to the next: the number of turns by that of checkpoints, rounded up.
        let turns = builder.binary(Op::ISub, each.high, each.low);
        let before = builder.binary(Op::ISub, turns, one);
        let before = builder.binary(Op::IDiv, before, room);
        let stride = builder.binary(Op::IAdd, before, one);
        let stride = builder.binary(Op::IMax, stride, one);
        let turn = match each.direction {
            Direction::Up => builder.binary(Op::ISub, each.index, each.low),
            Direction::Down => {
                let left = builder.binary(Op::ISub, each.high, each.index);
                builder.binary(Op::ISub, left, one)
            }
        };
        let number = builder.binary(Op::IDiv, turn, stride);
        let (behind, zero) = (builder.binary(Op::IMod, turn, stride), builder.int(0));
        let guard = builder.binary(Op::IEq, behind, zero);
        let first = cells.len();
        for state in &region.states {
            let (kind, subscripts) = (UpdateKind::Store, Box::new([number]));
            let update = Update { kind, subscripts, value: state.bound, factor: None, guard };
            let func = self.builder.func();
            let shape = [&[count], func.shape(state.bound)].concat().into();
            cells.push(Cell { ty: func.ty(state.bound), shape, bound: None, init: None, updates: Box::new([update]) });
        }
        Checkpoints { first, number, behind }
    }

    /// The states at the beginning of a turn: the same loop from the last checkpoint up to this turn, under another index.
    fn states_again(&mut self, region: &Region, forward: Val, checkpoints: &Checkpoints) -> Vec<Val> {
        let each = region.loops[0];
        let index = self.builder.index();
        // Elements of cells are read where they are complete.
        let mut pairs = vec![(each.index, index)];
        for (number, cell) in region.cells.iter().enumerate() {
            if let Some(bound) = cell.bound {
                pairs.push((bound, self.builder.result(forward, region.first_cell() + number)));
            }
        }
        let states = Region { loops: region.loops.clone(), states: region.states.clone(), ..Region::default() };
        let mut again = self.builder.replace(&states, &pairs);
        for (number, state) in again.states.iter_mut().enumerate() {
            let kept = self.builder.result(forward, region.first_cell() + checkpoints.first + number);
            state.init = self.builder.read(kept, &[checkpoints.number]);
        }
        let (low, high) = match each.direction {
            Direction::Up => (self.builder.binary(Op::ISub, each.index, checkpoints.behind), each.index),
            Direction::Down => {
                let one = self.builder.int(1);
                let low = self.builder.binary(Op::IAdd, each.index, one);
                (low, self.builder.binary(Op::IAdd, low, checkpoints.behind))
            }
        };
        again.loops = Box::new([Loop { index, low, high, direction: each.direction }]);
        let again = self.builder.region(again);
        (0..region.states.len()).map(|number| self.builder.result(again, number)).collect()
    }
}

/// States that are kept at some turns.
struct Checkpoints {
    /// The number of the cell of the first state.
    first: usize,
    /// In a turn, the number of the last checkpoint, and how many turns ago that was.
    number: Val,
    behind: Val,
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
    fn of(
        func: &Func,
        val: Val,
        region: &Region,
        reverse: &Region,
        is_primal: impl Fn(Val) -> bool,
        fits: impl Fn(Val) -> bool,
    ) -> Needs {
        let binds: Vec<Val> = region.binds().collect();
        let mut forward = HashMap::new();
        let is_new_slope = |used: Val| used >= val && !matches!(func.inst(used), Inst::Result(..));
        let is_kept = |used: Val, forward: &mut HashMap<Val, bool>| {
            is_expensive(func, used)
                && fits(used)
                && is_forward(func, val, &binds, used, &is_primal, forward)
                && (!is_new_slope(used) || func.ty(used) == Type::F64 && takes_what_is_kept(func, region, &binds, used))
        };
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
            } else if is_kept(used, &mut forward) {
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

/// Whether computing a value again takes a state, an element of a cell, or something else that is expensive.
fn takes_what_is_kept(func: &Func, region: &Region, binds: &[Val], val: Val) -> bool {
    let is_index = |name: Val| region.loops.iter().any(|each| each.index == name);
    let mut seen = HashSet::new();
    let mut stack: Vec<Val> = func.operands(val).iter().copied().collect();
    while let Some(used) = stack.pop() {
        if !func.depends(used, binds) || !seen.insert(used) {
            continue;
        }
        let is_name = matches!(func.inst(used), Inst::Bound(_)) && !is_index(used);
        if is_name || is_expensive(func, used) {
            return true;
        }
        stack.extend(func.operands(used).iter());
    }
    false
}

/// Whether a value is computed from what a region binds and from what is there before the region, and nothing else.
fn is_forward(
    func: &Func,
    region: Val,
    binds: &[Val],
    val: Val,
    is_primal: &impl Fn(Val) -> bool,
    known: &mut HashMap<Val, bool>,
) -> bool {
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
            let all = is_primal(open) && operands.iter().all(|operand| known[operand]);
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
