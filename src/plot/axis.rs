//! An axis: where numbers lie on it, and at which of them it has marks.
//!
//! Marks are the multiples of 1, 2 or 5 times a power of ten; on a logarithmic axis the powers of ten, with 2 and 5
//! between them if they are few.

use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};

use crate::math::{log10, pow};

/// Axes have no marks between numbers that are closer to each other, relatively or at all, or beyond these.
const SHORTEST: f64 = 1e-9;
const SMALLEST: f64 = 1e-290;
pub const LARGEST: f64 = 1e300;
/// Decades of a logarithmic axis; what is further below the greatest is not shown.
const MOST_DECADES: i32 = 20;

#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    low: f64,
    high: f64,
    log: bool,
}

impl Axis {
    /// An axis for these numbers with a margin, a part of its length. What can't be the ends of an axis is moved apart.
    pub fn of(range: Option<(f64, f64)>, log: bool, margin: f64) -> Axis {
        let is_range = |&(low, high): &(f64, f64)| low <= high && (!log || high > 0.0);
        let (low, high) = match range.filter(is_range) {
            Some((low, high)) => (low.max(-LARGEST), high.min(LARGEST)),
            None if log => (0.1, 1.0),
            None => (0.0, 1.0),
        };
        let ends = if log { (log10(low.max(high * 10f64.powi(-MOST_DECADES))), log10(high)) } else { (low, high) };
        let (low, high) = apart(ends);
        let margin = (high - low) * margin;
        Axis { low: low - margin, high: high + margin, log }
    }

    /// A number as a height on the axis, and back.
    pub fn height(&self, value: f64) -> f64 {
        if self.log { log10(value) } else { value }
    }

    pub fn value(&self, height: f64) -> f64 {
        if self.log { pow(10.0, height) } else { height }
    }

    /// Which part of the axis is below a height.
    pub fn part(&self, height: f64) -> f64 {
        (height - self.low) / (self.high - self.low)
    }

    /// The heights of its ends.
    pub fn ends(&self) -> (f64, f64) {
        (self.low, self.high)
    }

    pub fn contains(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&self.height(value))
    }

    /// At most about so many marks.
    pub fn marks(&self, most: usize) -> Vec<f64> {
        let decades = self.high - self.low;
        if !self.log || decades < 1.0 {
            return multiples(self.value(self.low), self.value(self.high), most);
        }
        let step = (decades / most as f64).ceil().max(1.0) as i32;
        let powers = (self.low.ceil() as i32..=self.high.floor() as i32).filter(|power| power % step == 0);
        let digits: &[u32] = if decades <= 3.0 { &[1, 2, 5] } else { &[1] };
        let first = powers.flat_map(|power| digits.iter().map(move |&digit| decimal(f64::from(digit), power)));
        first.filter(|&mark| self.contains(mark)).collect()
    }
}

impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (from, to): (i32, i32)) -> i32 {
        let length = f64::from(to - from);
        (f64::from(from) + length * self.part(self.height(*value))).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        self.marks(hint.bold_points())
    }

    fn range(&self) -> Range<f64> {
        self.value(self.low)..self.value(self.high)
    }
}

impl ValueFormatter<f64> for Axis {
    fn format(mark: &f64) -> String {
        if *mark == 0.0 || (1e-4..1e6).contains(&mark.abs()) { format!("{mark}") } else { format!("{mark:e}") }
    }
}

/// Whether numbers can be the ends of an axis.
pub fn is_apart((low, high): (f64, f64)) -> bool {
    high - low > (SHORTEST * low.abs().max(high.abs())).max(SMALLEST)
}

fn apart((low, high): (f64, f64)) -> (f64, f64) {
    if is_apart((low, high)) {
        return (low, high);
    }
    let size = low.abs().max(high.abs());
    let around = if size < SMALLEST / SHORTEST { 1.0 } else { size / 10.0 };
    (low - around, high + around)
}

/// The multiples of a round number in a range.
fn multiples(low: f64, high: f64, most: usize) -> Vec<f64> {
    let least = (high - low) / most as f64;
    let power = log10(least).floor() as i32;
    let steps = [(1.0, power), (2.0, power), (5.0, power), (1.0, power + 1)];
    let is_enough = |&(digit, power): &(f64, i32)| decimal(digit, power) >= least;
    let (digit, power) = steps.into_iter().find(is_enough).unwrap_or((1.0, power + 1));
    let step = decimal(digit, power);
    let (first, last) = ((low / step).ceil() as i64, (high / step).floor() as i64);
    (first..=last).map(|count| decimal(count as f64 * digit, power)).collect()
}

/// The double nearest to digits times a power of ten.
fn decimal(digits: f64, power: i32) -> f64 {
    format!("{digits}e{power}").parse().unwrap_or(0.0)
}
