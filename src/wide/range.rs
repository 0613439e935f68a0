//! In which range a number lies, as far as the graph shows: for powers of two, which are simpler where they can't be infinite.

use crate::ir::{Func, Inst, Val};
use crate::ops::Op;

/// How many operations are looked at.
const EFFORT: u32 = 100;

/// Everything from `low` to `high`, or NaN.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Range {
    low: f64,
    high: f64,
}

const ALL: Range = Range { low: f64::NEG_INFINITY, high: f64::INFINITY };

/// A bound of the size of a number that is not NaN; infinite where the graph shows none.
pub fn bound(func: &Func, val: Val) -> f64 {
    let mut effort = EFFORT;
    range(func, val, &mut effort).size()
}

impl Range {
    fn new(low: f64, high: f64) -> Range {
        // What has no order is not known.
        if low <= high { Range { low, high } } else { ALL }
    }

    fn within(size: f64) -> Range {
        Range::new(-size, size)
    }

    fn size(self) -> f64 {
        self.low.abs().max(self.high.abs())
    }

    /// After a rounding.
    fn rounded(self) -> Range {
        let slack = self.size() * f64::EPSILON;
        Range::new(self.low - slack, self.high + slack)
    }

    fn plus(self, other: Range) -> Range {
        Range::new(self.low + other.low, self.high + other.high)
    }

    fn opposite(self) -> Range {
        Range::new(-self.high, -self.low)
    }

    fn times(self, other: Range) -> Range {
        // An infinite factor may meet 0, which gives NaN here.
        let corners = [self.low * other.low, self.low * other.high, self.high * other.low, self.high * other.high];
        if corners.iter().any(|corner| corner.is_nan()) {
            return ALL;
        }
        Range::new(
            corners.iter().copied().fold(f64::INFINITY, f64::min),
            corners.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        )
    }

    fn union(self, other: Range) -> Range {
        Range::new(self.low.min(other.low), self.high.max(other.high))
    }

    fn lesser(self, other: Range) -> Range {
        Range::new(self.low.min(other.low), self.high.min(other.high))
    }

    fn greater(self, other: Range) -> Range {
        Range::new(self.low.max(other.low), self.high.max(other.high))
    }
}

fn range(func: &Func, val: Val, effort: &mut u32) -> Range {
    if *effort == 0 {
        return ALL;
    }
    *effort -= 1;
    let mut range = |val: Val| range(func, val, effort);
    match func.inst(val) {
        Inst::F64(bits) => Range::new(bits.value(), bits.value()),
        Inst::Unary(Op::Neg, a) => range(a).opposite(),
        Inst::Unary(Op::Abs, a) => Range::new(0.0, range(a).size()),
        Inst::Unary(Op::Stop, a) => range(a),
        Inst::Unary(Op::Rint | Op::Floor | Op::Ceil | Op::Round | Op::Trunc, a) => {
            let range = range(a);
            Range::new(range.low.floor(), range.high.ceil())
        }
        Inst::Unary(Op::Significand, _) => Range::new(0.75, 1.5),
        Inst::Binary(Op::Copysign, a, _) => Range::within(range(a).size()),
        Inst::Binary(Op::Domain, _, a) => range(a),
        Inst::Binary(Op::Add, a, b) => range(a).plus(range(b)).rounded(),
        Inst::Binary(Op::Sub, a, b) => range(a).plus(range(b).opposite()).rounded(),
        Inst::Binary(Op::Mul, a, b) => range(a).times(range(b)).rounded(),
        Inst::Ternary(Op::Fma, a, b, c) => range(a).times(range(b)).plus(range(c)).rounded(),
        Inst::Binary(Op::Min, a, b) => range(a).lesser(range(b)),
        Inst::Binary(Op::Max, a, b) => range(a).greater(range(b)),
        Inst::Ternary(Op::Clamp, x, low, high) => range(x).greater(range(low)).lesser(range(high)),
        Inst::Ternary(Op::Select, condition, a, b) => match func.inst(condition) {
            // A constant, since where `a` is NaN the choice is any `b`.
            Inst::Binary(Op::Lt, x, y) if [x, y] == [a, b] && is_constant(func, a) => range(a).lesser(range(b)),
            Inst::Binary(Op::Lt, x, y) if [x, y] == [b, a] && is_constant(func, a) => range(a).greater(range(b)),
            _ => range(a).union(range(b)),
        },
        _ => ALL,
    }
}

fn is_constant(func: &Func, val: Val) -> bool {
    func.constant(val).is_some_and(|value| !value.is_nan())
}
