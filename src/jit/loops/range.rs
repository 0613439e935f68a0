//! Which integers a value can be: as far as sizes and bounds of loops tell.
//!
//! What is proved here needs no test at run time: that a subscript is inside of its array, that a sum doesn't overflow.

use crate::ir::rows::{LEAST, is_open, room};
use crate::ops::Op;

/// The integers from `low` to `high`, both included.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Range {
    pub low: i64,
    pub high: i64,
    /// None is more than the number of rows and this.
    pub over: Option<i64>,
}

impl Range {
    pub const ALL: Range = Range::between(i64::MIN, i64::MAX);

    pub const fn between(low: i64, high: i64) -> Range {
        Range { low, high, over: None }
    }

    pub fn only(value: i64) -> Range {
        Range::between(value, value)
    }

    /// The number of rows that an open extent stands for.
    pub fn of_rows(extent: usize) -> Range {
        Range { low: LEAST as i64, high: i64::try_from(room(extent)).unwrap_or(i64::MAX), over: Some(0) }
    }

    /// What an index takes that goes from `low` to below `high`.
    pub fn of_index(low: Range, high: Range) -> Range {
        let over = high.over.and_then(|over| over.checked_sub(1));
        Range { low: low.low, high: high.high.saturating_sub(1).max(low.low), over }
    }

    /// Whether every value is a subscript of a dimension.
    pub fn is_inside(self, extent: usize) -> bool {
        if is_open(extent) {
            return self.low >= 0 && self.over.is_some_and(|over| over < 0);
        }
        self.low >= 0 && usize::try_from(self.high).is_ok_and(|high| high < extent)
    }

    fn either(self, other: Range) -> Range {
        let over = self.over.zip(other.over).map(|(a, b)| a.max(b));
        Range { low: self.low.min(other.low), high: self.high.max(other.high), over }
    }
}

/// The results that arithmetic can have, if it certainly has one: see [`plain`].
pub fn of(op: Op, x: &[Range]) -> Range {
    plain(op, x).unwrap_or(match (op, x) {
        (Op::IMin, [a, b]) => {
            let over = a.over.into_iter().chain(b.over).min();
            Range { low: a.low.min(b.low), high: a.high.min(b.high), over }
        }
        (Op::IMax, [a, b]) => Range { low: a.low.max(b.low), ..a.either(*b) },
        (Op::Select, [_, a, b]) => a.either(*b),
        // The remainder has the sign of the divisor; the quotient by a positive number is nearer to 0.
        (Op::IMod, [_, b]) if b.low > 0 => Range { over: b.over.map(|over| over - 1), ..Range::between(0, b.high - 1) },
        (Op::IDiv, [a, b]) if b.low > 0 => Range::between(a.low.min(0), a.high.max(0)),
        _ => Range::ALL,
    })
}

/// The results of arithmetic that can't overflow at such operands.
pub fn plain(op: Op, x: &[Range]) -> Option<Range> {
    let wide = |range: &Range| (i128::from(range.low), i128::from(range.high));
    let (low, high) = match (op, x) {
        (Op::INeg, [a]) => (-wide(a).1, -wide(a).0),
        (Op::IAdd, [a, b]) => (wide(a).0 + wide(b).0, wide(a).1 + wide(b).1),
        (Op::ISub, [a, b]) => (wide(a).0 - wide(b).1, wide(a).1 - wide(b).0),
        (Op::IMul, [a, b]) => {
            let ((a, b), (c, d)) = (wide(a), wide(b));
            let products = [a * c, a * d, b * c, b * d];
            (products.into_iter().min()?, products.into_iter().max()?)
        }
        _ => return None,
    };
    let over = match (op, x) {
        (Op::IAdd, [a, b]) => {
            let sum = |a: &Range, b: &Range| a.over.and_then(|over| over.checked_add(b.high));
            sum(a, b).into_iter().chain(sum(b, a)).min()
        }
        (Op::ISub, [a, b]) => a.over.and_then(|over| over.checked_sub(b.low)),
        _ => None,
    };
    Some(Range { low: i64::try_from(low).ok()?, high: i64::try_from(high).ok()?, over })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_all_small_operands_are_in_range() {
        let ranges: Vec<Range> = (-3..4).flat_map(|low| (low..4).map(move |high| Range::between(low, high))).collect();
        let ops = [Op::IAdd, Op::ISub, Op::IMul, Op::IMin, Op::IMax, Op::IMod, Op::IDiv];
        for op in ops {
            let crate::ops::Eval::I2(eval) = op.row().eval else { unreachable!("integer arithmetic") };
            for a in &ranges {
                for b in &ranges {
                    let range = of(op, &[*a, *b]);
                    let results = (a.low..=a.high).flat_map(|x| (b.low..=b.high).map(move |y| (x, y)));
                    for (x, y) in results {
                        let inside = eval(x, y).is_ok_and(|z| range.low <= z && z <= range.high);
                        assert!(inside || eval(x, y).is_err(), "{} {x} {y} {range:?}", op.name());
                    }
                }
            }
        }
    }

    #[test]
    fn a_sum_that_may_overflow_is_not_plain() {
        let large = Range::between(0, i64::MAX);
        assert_eq!(plain(Op::IAdd, &[large, Range::only(1)]), None);
        assert_eq!(plain(Op::ISub, &[large, Range::only(1)]), Some(Range::between(-1, i64::MAX - 1)));
    }
}
