//! What can have no result at run time: subscripts, integer arithmetic, elements that no clause defines.
//!
//! At the end of lowering all ranges are known. What certainly has a result wherever it matters needs no check, what certainly
//! has none is an error of the text, and the rest gets a check in the graph.

use hashbrown::{HashMap, HashSet};

use super::Lowering;
use super::interval::{Affine, Ranges};
use crate::ast::BlockId;
use crate::error::Problem;
use crate::ir::rows::room;
use crate::ir::{Check, Func, Inst, Loop, Val, guard, places};
use crate::ops::{Op, Type};
use crate::span::Span;

/// So many alternatives of a guard are looked at one by one.
const ALTERNATIVES: usize = 8;

/// Conditions nested deeper than this decide nothing.
const DEPTH: u32 = 64;

impl Lowering<'_> {
    /// Adds the checks of the finished program.
    pub(super) fn check_sites(&mut self, roots: &[Val]) -> Result<(), Vec<Problem>> {
        let loops = self.all_loops(roots);
        let early_reads: HashSet<Val> = self.early_reads.iter().copied().collect();
        let hole_reads: HashMap<Val, Val> = self.hole_reads.iter().copied().collect();
        let endless = &self.endless;
        let is_open = |func: &Func, site: Val| match func.inst(site) {
            Inst::Region(_) => endless.contains(&site),
            _ if hole_reads.contains_key(&site) || early_reads.contains(&site) => true,
            _ => func.may_fault(site) && !under(func, &loops, site, None, |ranges| has_result(ranges, func, site)),
        };
        guard::add_checks(&mut self.builder, roots, is_open);
        let mut problems = Vec::new();
        for check in self.builder.take_checks() {
            let func = self.builder.func();
            let is_inside =
                under(func, &loops, check.site, Some(check.guard), |ranges| has_result(ranges, func, check.site));
            let is_defined = hole_reads.get(&check.site).is_none_or(|&defined| {
                under(func, &loops, check.site, Some(check.guard), |ranges| ranges.decide(defined) == Some(true))
            });
            let is_early = early_reads.contains(&check.site);
            if is_early {
                self.builder.check(check);
            }
            let func = self.builder.func();
            // What is defined is inside.
            if !is_defined && let Some(&defined) = hole_reads.get(&check.site) {
                let is_hole = Ranges::new(func, &loops).decide(defined) == Some(false);
                let always = func.inst(check.guard) == Inst::Bool(true);
                if let Some(problem) = self.hole(check.site).filter(|_| is_hole && always) {
                    if !problems.contains(&problem) {
                        problems.push(problem);
                    }
                    continue;
                }
                let hole = self.builder.not(defined);
                let guard = self.builder.binary(Op::And, check.guard, hole);
                self.builder.check(Check { guard, missing: true, ..check });
            } else if !is_inside && !is_early {
                match self.outside(&loops, check.site, check.guard) {
                    Some(problem) if !problems.contains(&problem) => problems.push(problem),
                    Some(_) => {}
                    None => self.builder.check(check),
                }
            }
        }
        places::settle(&mut self.builder, roots);
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    /// Refuses a program whose arrays together are too large.
    pub(super) fn check_memory(&self, func: &Func, root: BlockId) -> Result<(), Vec<Problem>> {
        let size = |val: Val| func.shape(val).iter().map(|&extent| room(extent) as f64).product::<f64>();
        let elements: f64 = func.vals().filter(|&val| func.is_kept(val)).map(size).sum();
        if elements <= self.limits.elements as f64 {
            return Ok(());
        }
        let at = self.ast.block(root).span;
        Err(vec![Problem::TooManyElements { at, elements, limit: self.limits.elements }])
    }

    /// The loops of all indices that have one range wherever they are bound on the way to these values.
    pub(super) fn all_loops(&self, roots: &[Val]) -> HashMap<Val, Loop> {
        let func = self.builder.func();
        let mut needed: Vec<Val> = needed(func, roots.iter().copied()).into_iter().collect();
        needed.sort_unstable();
        let mut loops: HashMap<Val, Loop> = HashMap::new();
        let mut varied = HashSet::new();
        for val in needed {
            let Inst::Region(region) = func.inst(val) else { continue };
            for turns in &func.region(region).loops {
                let known = loops.entry(turns.index).or_insert(*turns);
                if (known.low, known.high) != (turns.low, turns.high) {
                    varied.insert(turns.index);
                }
            }
        }
        // The text's loops that no region has; a recurrence may have replaced the others.
        for (&index, &turns) in &self.loops {
            loops.entry(index).or_insert(turns);
        }
        loops.retain(|index, _| !varied.contains(index));
        loops
    }

    /// The problem of an element that no clause defines.
    fn hole(&self, site: Val) -> Option<Problem> {
        let func = self.builder.func();
        let holes = self.holes.get(func.operands(site).as_slice().first()?)?;
        Some(Problem::MissingElement { name: holes.name.clone(), at: func.span(site), defined: holes.at() })
    }

    /// The problem of a subscript that certainly leaves its array, in some turn of the loops around it.
    fn outside(&self, loops: &HashMap<Val, Loop>, site: Val, guard: Val) -> Option<Problem> {
        let func = self.builder.func();
        let Inst::Read(_) = func.inst(site) else { return None };
        let operands = func.operands(site);
        let (&array, subscripts) = operands.as_slice().split_first()?;
        let mut ranges = Ranges::new(func, loops);
        ranges.inside(site);
        ranges.assume(guard, true);
        for (&subscript, &extent) in subscripts.iter().zip(func.shape(array)) {
            let at = self.subscript_at(site, subscript);
            let always = func.inst(guard) == Inst::Bool(true);
            let listed = if always { constants(func, loops, subscript) } else { Vec::new() };
            if let Some(low) = listed.into_iter().find(|&place| !is_inside(place, extent)) {
                return Some(Problem::Outside { at, low, high: low, extent, range: None });
            }
            let sum = Affine::of(func, subscript);
            let mut places = WAYS.iter().filter_map(|&way| reached(func, loops, [site, guard], &sum, way));
            let Some(place) = places.find(|&place| !is_inside(place, extent)) else { continue };
            let ends = || {
                let (low, high) = (ranges.lowest(&sum)?, ranges.highest(&sum)?);
                Some((i64::try_from(low).ok()?, i64::try_from(high).ok()?))
            };
            let (low, high) = ends().unwrap_or((place, place));
            let range = self.range_inside(&Ranges::new(func, loops), &sum, extent);
            return Some(Problem::Outside { at, low, high, extent, range });
        }
        None
    }

    /// The place of a subscript in the text, or of what reads with it.
    fn subscript_at(&self, site: Val, subscript: Val) -> Span {
        let span = self.builder.func().span(site);
        let inside = |at: Span| span.start <= at.start && at.end <= span.end;
        let known = self.subscripts.iter().find(|known| known.val == subscript && inside(known.at));
        known.map_or(span, |known| known.at)
    }

    /// The range of the only index of a subscript for which it stays inside.
    fn range_inside(&self, ranges: &Ranges, sum: &Affine, extent: usize) -> Option<(String, i64, i64)> {
        let mut terms = sum.terms();
        let (Some((index, 1)), None) = (terms.next(), terms.next()) else { return None };
        let name = self.index_names.get(&index)?;
        let shift = ranges.lowest(&sum.without(index))?;
        let own = Affine::default().plus(sum, 1).plus(&sum.without(index), -1);
        let (low, high) = (ranges.lowest(&own)?.max(-shift), ranges.highest(&own)?.min(extent as i128 - 1 - shift));
        (low <= high).then(|| (self.ast.name(*name).to_owned(), low as i64, high as i64 + 1))
    }
}

/// Whether a sum is to be large, and the indices that it doesn't have, too.
const WAYS: [(bool, bool); 4] = [(true, true), (false, true), (true, false), (false, false)];

/// A value that a sum of indices has in some turn that computes a site under its guard: a large or a small one. `None` where it isn't
/// sure that there is such a turn.
fn reached(
    func: &Func,
    loops: &HashMap<Val, Loop>,
    [site, guard]: [Val; 2],
    sum: &Affine,
    (large, others): (bool, bool),
) -> Option<i64> {
    let mut names: Vec<Val> = [func.free(site), func.free(guard)].concat();
    names.sort_unstable();
    names.dedup();
    let mut place = 0;
    while let Some(&name) = names.get(place) {
        let region = func.regions().iter().find(|region| region.binds().any(|bound| bound == name));
        // How many turns a `while` makes isn't known.
        if region.is_some_and(|region| region.going.is_some()) {
            return None;
        }
        let around = region.iter().flat_map(|region| region.loops.iter().map(|each| each.index));
        let bounds = loops.get(&name).into_iter().flat_map(|turns| [turns.low, turns.high]);
        let more = around.chain(bounds.flat_map(|bound| func.free(bound).iter().copied()));
        let more: Vec<Val> = more.filter(|more| !names.contains(more)).collect();
        names.extend(more);
        place += 1;
    }
    // What is handed from turn to turn is no index.
    names.retain(|&name| loops.contains_key(&name) || func.ty(name) == Type::Int && !func.is_array(name));
    // Bounds are made of indices that are older.
    names.sort_unstable();
    let mut at: HashMap<Val, i64> = HashMap::new();
    for name in names {
        let turns = loops.get(&name)?;
        let bound = |bound: Val| Affine::of(func, bound).at(|val| at.get(&val).copied());
        let (low, high) = (bound(turns.low)?, bound(turns.high)?);
        if low >= high {
            return None;
        }
        let last = match sum.factor(name) {
            0 => others,
            factor => (factor > 0) == large,
        };
        at.insert(name, if last { high - 1 } else { low });
    }
    if !holds(func, guard, &at, DEPTH)? {
        return None;
    }
    sum.at(|val| at.get(&val).copied())
}

/// Whether a condition holds at these indices, if nothing else decides.
fn holds(func: &Func, condition: Val, at: &HashMap<Val, i64>, depth: u32) -> Option<bool> {
    let depth = depth.checked_sub(1)?;
    let of = |val: Val| holds(func, val, at, depth);
    let int = |val: Val| Affine::of(func, val).at(|val| at.get(&val).copied());
    Some(match func.inst(condition) {
        Inst::Bool(value) => value,
        Inst::Unary(Op::Not, a) => !of(a)?,
        Inst::Binary(Op::And, a, b) => of(a)? && of(b)?,
        Inst::Binary(Op::Or, a, b) => of(a)? || of(b)?,
        Inst::Ternary(Op::Select, a, b, c) => {
            if of(a)? {
                of(b)?
            } else {
                of(c)?
            }
        }
        Inst::Binary(Op::ILt, a, b) => int(a)? < int(b)?,
        Inst::Binary(Op::ILe, a, b) => int(a)? <= int(b)?,
        Inst::Binary(Op::IEq, a, b) => int(a)? == int(b)?,
        _ => return None,
    })
}

/// The integers that a subscript takes from a list that is written down, where it goes through them by an index.
fn constants(func: &Func, loops: &HashMap<Val, Loop>, subscript: Val) -> Vec<i64> {
    let int = |val: Val| func.int(val);
    let found = || {
        let operands = func.operands(subscript);
        let ([list, index], Inst::Read(_)) = (operands.as_slice(), func.inst(subscript)) else { return None };
        let (region, Inst::Result(_, number)) = (func.region_of(*list)?, func.inst(*list)) else { return None };
        let cell = region.cells.get((number as usize).checked_sub(region.first_cell())?)?;
        let turns = loops.get(index).filter(|_| region.loops.is_empty() && cell.init.is_none())?;
        let (low, high) = (int(turns.low)?, int(turns.high)?);
        let mut all = Vec::new();
        for update in &cell.updates {
            let ([place], Inst::Bool(true)) = (&*update.subscripts, func.inst(update.guard)) else { return None };
            all.extend(int(update.value).filter(|_| int(*place).is_some_and(|place| low <= place && place < high)));
        }
        Some(all)
    };
    found().unwrap_or_default()
}

fn is_inside(place: i64, extent: usize) -> bool {
    usize::try_from(place).is_ok_and(|place| place < extent)
}

/// Whether something holds wherever a site is computed and a guard holds: in each of its alternatives.
fn under(
    func: &Func,
    loops: &HashMap<Val, Loop>,
    site: Val,
    guard: Option<Val>,
    holds: impl Fn(&Ranges) -> bool,
) -> bool {
    let mut alternatives = vec![Vec::from_iter(guard)];
    let mut number = 0;
    while number < alternatives.len() {
        let Some(place) = alternatives[number].iter().position(|&part| splits(func, part).is_some()) else {
            number += 1;
            continue;
        };
        let part = alternatives[number].swap_remove(place);
        match splits(func, part) {
            Some((true, a, b)) => alternatives[number].extend([a, b]),
            Some((false, a, b)) if alternatives.len() < ALTERNATIVES => {
                let other = [alternatives[number].as_slice(), &[b]].concat();
                alternatives[number].push(a);
                alternatives.push(other);
            }
            // Too many: nothing is known of it.
            _ => {}
        }
    }
    alternatives.iter().all(|parts| {
        let mut ranges = Ranges::new(func, loops);
        ranges.inside(site);
        parts.iter().for_each(|&part| ranges.assume(part, true));
        holds(&ranges)
    })
}

/// Everything that these values are computed from.
pub(super) fn needed(func: &Func, roots: impl Iterator<Item = Val>) -> HashSet<Val> {
    let (mut needed, mut stack) = (HashSet::new(), Vec::from_iter(roots));
    while let Some(val) = stack.pop() {
        if needed.insert(val) {
            stack.extend(func.uses(val));
        }
    }
    needed
}

/// The two parts of a condition, and whether both hold (or one of them).
fn splits(func: &Func, condition: Val) -> Option<(bool, Val, Val)> {
    match func.inst(condition) {
        Inst::Binary(Op::And, a, b) => Some((true, a, b)),
        Inst::Binary(Op::Or, a, b) => Some((false, a, b)),
        Inst::Ternary(Op::Select, a, b, no) if func.inst(no) == Inst::Bool(false) => Some((true, a, b)),
        Inst::Ternary(Op::Select, a, yes, b) if func.inst(yes) == Inst::Bool(true) => Some((false, a, b)),
        _ => None,
    }
}

/// Whether an instruction certainly has a result.
fn has_result(ranges: &Ranges, func: &Func, site: Val) -> bool {
    let of = |val: Val| Affine::of(func, val);
    let least = |val: Val| ranges.lowest(&of(val));
    let is_between = |sum: &Affine, low: i128, high: i128| {
        ranges.lowest(sum).is_some_and(|least| least >= low) && ranges.highest(sum).is_some_and(|most| most <= high)
    };
    let is_below = |sum: &Affine, extent: usize| {
        let room = Affine::extent(extent).plus(sum, -1);
        ranges.lowest(sum).is_some_and(|least| least >= 0) && ranges.lowest(&room).is_some_and(|least| least > 0)
    };
    match func.inst(site) {
        Inst::Read(_) => {
            let operands = func.operands(site);
            let Some((&array, subscripts)) = operands.as_slice().split_first() else { return true };
            let inside = |(&subscript, &extent): (&Val, &usize)| is_below(&of(subscript), extent);
            subscripts.iter().zip(func.shape(array)).all(inside)
        }
        Inst::Unary(Op::INeg | Op::IAbs, a) => least(a).is_some_and(|least| least > i128::from(i64::MIN)),
        Inst::Binary(Op::IAdd | Op::ISub | Op::IMul, ..) => {
            let sum = of(site);
            is_between(&sum, i128::from(i64::MIN), i128::from(i64::MAX))
        }
        Inst::Binary(Op::IDiv | Op::IMod, _, b) => least(b).is_some_and(|least| least > 0),
        Inst::Binary(Op::IPow, ..) | Inst::Unary(Op::ToInt, _) | Inst::Region(_) => false,
        _ => false,
    }
}
