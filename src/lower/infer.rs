//! The ranges that the text leaves out.
//!
//! An index without a range that stands alone as a subscript has the range of that dimension; where it does so several times, the
//! dimensions must agree. One that never stands alone has the largest range from 0 for which every affine subscript stays
//! inside, whatever the values of the other indices are. Other subscripts infer nothing.

use super::Lowering;
use super::forms::{Frame, Index};
use super::interval::{Affine, Ranges};
use crate::error::Problem;
use crate::ir::rows::ROWS;
use crate::ir::{Loop, Val};
use crate::span::Span;

/// A subscript of the text, with the extent of the dimension that it stands in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subscript {
    pub val: Val,
    pub extent: usize,
    pub at: Span,
}

/// The extent of a dimension that isn't known yet.
pub(super) const UNKNOWN: usize = 1 << 62;

impl Subscript {
    fn stands_alone(&self, index: Val) -> bool {
        self.val == index && self.extent != UNKNOWN
    }
}

impl Lowering<'_> {
    /// Finds the ranges of the indices of a form whose body has been lowered, as far as it tells them. An index of `softmax` that is without range has the
    /// one that it gets here further out, too.
    pub(super) fn infer(&mut self, frame: &mut Frame, is_share: bool) -> Result<(), Problem> {
        let mut open = Vec::new();
        for place in 0..frame.indices.len() {
            let index = frame.indices[place];
            if index.range.is_some() {
                continue;
            }
            match self.standing_alone(&index, frame.before)? {
                Some(extent) => self.set_range(frame, place, extent, is_share),
                None => open.push(place),
            }
        }
        for place in open {
            let index = frame.indices[place];
            if let Some(extent) = self.largest(&index, frame.before) {
                self.set_range(frame, place, extent, is_share);
            }
        }
        Ok(())
    }

    pub(super) fn without_range(&self, index: &Index) -> Problem {
        Problem::NoRange { name: self.ast.name(index.name).to_owned(), at: index.at }
    }

    fn set_range(&mut self, frame: &mut Frame, place: usize, extent: i64, is_share: bool) {
        let (low, high) = (self.builder.int(0), self.builder.int(extent));
        let index = &mut frame.indices[place];
        index.range = Some((low, high));
        if !is_share {
            self.loops.insert(index.val, Loop::up(index.val, low, high));
        }
    }

    /// The extent of the dimensions in which an index stands alone.
    fn standing_alone(&self, index: &Index, before: usize) -> Result<Option<i64>, Problem> {
        let mut alone = self.subscripts[before..].iter().filter(|subscript| subscript.stands_alone(index.val));
        let Some(first) = alone.next() else { return Ok(None) };
        match alone.find(|other| other.extent != first.extent) {
            None => Ok(Some(first.extent as i64)),
            Some(other) => Err(Problem::RangeConflict {
                name: self.ast.name(index.name).to_owned(),
                at: other.at,
                extent: other.extent,
                other_at: first.at,
                other: first.extent,
            }),
        }
    }

    /// How far an index that never stands alone can go.
    fn largest(&self, index: &Index, before: usize) -> Option<i64> {
        let func = self.builder.func();
        let ranges = Ranges::new(func, &self.loops);
        let mut least: Option<i64> = None;
        for subscript in &self.subscripts[before..] {
            if subscript.extent == UNKNOWN || !func.depends(subscript.val, &[index.val]) {
                continue;
            }
            let affine = Affine::of(func, subscript.val);
            // Of how many rows there are nothing follows.
            if subscript.extent == ROWS {
                return None;
            }
            let factor = affine.factor(index.val);
            let rest = affine.without(index.val);
            if factor == 0 || rest.values().any(|val| func.depends(val, &[index.val])) {
                continue;
            }
            let (low, high) = (ranges.lowest(&rest)?, ranges.highest(&rest)?);
            let last = subscript.extent as i128 - 1;
            // At 0 the subscript must be inside already.
            if low < 0 || (high > last && subscript.extent > 0 && factor < 0) {
                return None;
            }
            let turns = if factor > 0 { (last - high).div_euclid(factor) + 1 } else { low.div_euclid(-factor) + 1 };
            let turns = i64::try_from(turns.max(0)).ok()?;
            least = Some(least.map_or(turns, |least| least.min(turns)));
        }
        least
    }
}
