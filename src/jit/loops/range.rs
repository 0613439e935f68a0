//! Which integers a value can be: as far as sizes and bounds of loops tell.
//!
//! What is proved here needs no test at run time: that a subscript is inside of its array, that a sum doesn't overflow.

use crate::ops::Op;

/// The integers from `low` to `high`, both included.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Range {
    pub low: i64,
    pub high: i64,
}

impl Range {
    pub const ALL: Range = Range { low: i64::MIN, high: i64::MAX };

    pub fn only(value: i64) -> Range {
        Range { low: value, high: value }
    }

    /// What an index takes that goes from `low` to below `high`.
    pub fn of_index(low: Range, high: Range) -> Range {
        Range { low: low.low, high: high.high.saturating_sub(1).max(low.low) }
    }

    /// Whether every value is a subscript of a dimension.
    pub fn is_inside(self, extent: usize) -> bool {
        self.low >= 0 && usize::try_from(self.high).is_ok_and(|high| high < extent)
    }

    fn either(self, other: Range) -> Range {
        Range { low: self.low.min(other.low), high: self.high.max(other.high) }
    }
}

/// The results that arithmetic can have, if it certainly has one: see [`plain`].
pub fn of(op: Op, x: &[Range]) -> Range {
    plain(op, x).unwrap_or(match (op, x) {
        (Op::IMin, [a, b]) => Range { low: a.low.min(b.low), high: a.high.min(b.high) },
        (Op::IMax, [a, b]) => Range { low: a.low.max(b.low), high: a.high.max(b.high) },
        (Op::Select, [_, a, b]) => a.either(*b),
        // The remainder has the sign of the divisor; the quotient by a positive number is nearer to 0.
        (Op::IMod, [_, b]) if b.low > 0 => Range { low: 0, high: b.high - 1 },
        (Op::IDiv, [a, b]) if b.low > 0 => Range { low: a.low.min(0), high: a.high.max(0) },
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
    Some(Range { low: i64::try_from(low).ok()?, high: i64::try_from(high).ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_all_small_operands_are_in_range() {
        let ranges: Vec<Range> = (-3..4).flat_map(|low| (low..4).map(move |high| Range { low, high })).collect();
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
        let large = Range { low: 0, high: i64::MAX };
        assert_eq!(plain(Op::IAdd, &[large, Range::only(1)]), None);
        assert_eq!(plain(Op::ISub, &[large, Range::only(1)]), Some(Range { low: -1, high: i64::MAX - 1 }));
    }
}
