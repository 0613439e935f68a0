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
use crate::ir::{Check, Func, Inst, Loop, Val, guard};
use crate::ops::Op;
use crate::span::Span;

/// So many alternatives of a guard are looked at one by one.
const ALTERNATIVES: usize = 8;

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
            _ => func.may_fault(site) && !has_result(&Ranges::new(func, &loops), func, site),
        };
        guard::add_checks(&mut self.builder, roots, is_open);
        let mut problems = Vec::new();
        for check in self.builder.take_checks() {
            let func = self.builder.func();
            let is_inside = under(func, &loops, check.guard, |ranges| has_result(ranges, func, check.site));
            let is_defined = hole_reads
                .get(&check.site)
                .is_none_or(|&defined| under(func, &loops, check.guard, |ranges| ranges.decide(defined) == Some(true)));
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
                    problems.push(problem);
                    continue;
                }
                let hole = self.builder.not(defined);
                let guard = self.builder.binary(Op::And, check.guard, hole);
                self.builder.check(Check { guard, missing: true, ..check });
            } else if !is_inside && !is_early {
                let always = func.inst(check.guard) == Inst::Bool(true);
                match self.outside(&loops, check.site).filter(|_| always) {
                    Some(problem) if !problems.contains(&problem) => problems.push(problem),
                    Some(_) => {}
                    None => self.builder.check(check),
                }
            }
        }
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
    fn outside(&self, loops: &HashMap<Val, Loop>, site: Val) -> Option<Problem> {
        let func = self.builder.func();
        let Inst::Read(_) = func.inst(site) else { return None };
        let operands = func.operands(site);
        let (&array, subscripts) = operands.as_slice().split_first()?;
        let ranges = Ranges::new(func, loops);
        for (&subscript, &extent) in subscripts.iter().zip(func.shape(array)) {
            if let Some(low) = constants(func, loops, subscript).into_iter().find(|&place| !is_inside(place, extent)) {
                return Some(Problem::Outside {
                    at: self.subscript_at(site, subscript),
                    low,
                    high: low,
                    extent,
                    range: None,
                });
            }
            let sum = Affine::of(func, subscript);
            // The ends of a range are reached if it is the same in every turn, and not empty.
            let is_reached = |val: Val| {
                let turns = loops.get(&val).filter(|_| matches!(func.inst(val), Inst::Bound(_)));
                turns.is_some_and(|turns| func.has_turns(turns.low, turns.high))
            };
            if !sum.terms().all(|(val, _)| is_reached(val)) {
                continue;
            }
            let (low, high) = (ranges.lowest(&sum)?, ranges.highest(&sum)?);
            if low >= 0 && high < extent as i128 {
                continue;
            }
            return Some(Problem::Outside {
                at: self.subscript_at(site, subscript),
                low: low as i64,
                high: high as i64,
                extent,
                range: self.range_inside(&ranges, &sum, extent),
            });
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

/// Whether something holds wherever a guard does: in each of its alternatives.
fn under(func: &Func, loops: &HashMap<Val, Loop>, guard: Val, holds: impl Fn(&Ranges) -> bool) -> bool {
    let mut alternatives = vec![vec![guard]];
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
