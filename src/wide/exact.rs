//! Operators in several instructions: choices, roundings, powers of two, multiplied powers. Each is exact, on every input.

use super::low::{Id, Low, compare};
use super::lower::Lowering;

const ALL: u64 = u64::MAX;
const SIGN: u64 = 1 << 63;

/// `c ? b : a`, and `a ^ (b & c)`, bit by bit for all eight (a, b, c).
const CHOICE: u8 = 0b1101_1000;
const CHANGE: u8 = 0b0111_1000;

impl Lowering<'_> {
    /// The number that a value is the opposite of.
    fn opposite(&self, a: Id) -> Option<Id> {
        let inst = self.program.insts[a as usize];
        (inst.op == Low::Xor && self.program.constant_of(inst.args[1]) == Some(SIGN)).then_some(inst.args[0])
    }

    /// What is a product with a constant becomes one with the opposite constant.
    pub fn neg(&mut self, a: Id) -> Id {
        let inst = self.program.insts[a as usize];
        if let (Low::Mul, Some(bits)) = (inst.op, self.program.constant_of(inst.args[1])) {
            let opposite = self.program.bits(bits ^ SIGN);
            return self.add(Low::Mul, &[inst.args[0], opposite]);
        }
        if inst.op == Low::Add && inst.args[0] == inst.args[1] {
            let minus_two = self.f64(-2.0);
            return self.add(Low::Mul, &[inst.args[0], minus_two]);
        }
        let sign = self.program.bits(SIGN);
        self.add(Low::Xor, &[a, sign])
    }

    pub fn sum(&mut self, a: Id, b: Id) -> Id {
        match (self.opposite(a), self.opposite(b)) {
            (_, Some(b)) => self.add(Low::Sub, &[a, b]),
            (Some(a), None) => self.add(Low::Sub, &[b, a]),
            (None, None) => self.add(Low::Add, &[a, b]),
        }
    }

    pub fn difference(&mut self, a: Id, b: Id) -> Id {
        match self.opposite(b) {
            Some(b) => self.add(Low::Add, &[a, b]),
            None => self.add(Low::Sub, &[a, b]),
        }
    }

    /// The constant is second. Twice a number is a sum, which processors do beside products.
    pub fn product(&mut self, a: Id, b: Id) -> Id {
        for (x, sign) in [(a, b), (b, a)] {
            if let Some(sign) = self.unit_of(sign) {
                return self.with_sign(x, sign);
            }
        }
        let (a, b) = if self.program.constant_of(a).is_some() { (b, a) } else { (a, b) };
        match self.program.constant_of(b).map(f64::from_bits) {
            Some(2.0) => self.add(Low::Add, &[a, a]),
            Some(constant) => match self.opposite(a) {
                Some(a) => {
                    let opposite = self.f64(-constant);
                    self.add(Low::Mul, &[a, opposite])
                }
                None => self.add(Low::Mul, &[a, b]),
            },
            None => self.add(Low::Mul, &[a, b]),
        }
    }

    /// The number that a value, 1 or -1, has the sign of: what `copysign` makes of 1.
    fn unit_of(&self, a: Id) -> Option<Id> {
        let one = Some(1.0f64.to_bits());
        let inst = self.program.insts[a as usize];
        let is_constant = |id: Id, bits: Option<u64>| self.program.constant_of(id) == bits;
        match inst.op {
            Low::Bits(CHOICE) if is_constant(inst.args[0], one) && is_constant(inst.args[2], Some(SIGN)) => {
                Some(inst.args[1])
            }
            Low::Or if is_constant(inst.args[0], one) => {
                let sign = self.program.insts[inst.args[1] as usize];
                (sign.op == Low::And && is_constant(sign.args[1], Some(SIGN))).then_some(sign.args[0])
            }
            _ => None,
        }
    }

    /// `a`, or `-a` where the sign bit of `b` is set.
    fn with_sign(&mut self, a: Id, b: Id) -> Id {
        let sign = self.program.bits(SIGN);
        if self.is_512() {
            return self.add(Low::Bits(CHANGE), &[a, b, sign]);
        }
        let sign = self.add(Low::And, &[b, sign]);
        self.add(Low::Xor, &[a, sign])
    }

    pub fn compare(&mut self, predicate: u8, a: Id, b: Id) -> Id {
        self.add(Low::Compare(predicate), &[a, b])
    }

    pub fn not(&mut self, a: Id) -> Id {
        let inst = self.program.insts[a as usize];
        match inst.op {
            Low::Compare(predicate) => self.add(Low::Compare(compare::inverse(predicate)), &inst.args[..2]),
            _ if self.is_512() => self.add(Low::MaskNot, &[a]),
            _ => {
                let all = self.program.bits(ALL);
                self.add(Low::Xor, &[a, all])
            }
        }
    }

    pub fn both(&mut self, a: Id, b: Id) -> Id {
        let op = if self.is_512() { Low::MaskAnd } else { Low::And };
        self.add(op, &[a, b])
    }

    pub fn either(&mut self, a: Id, b: Id) -> Id {
        let op = if self.is_512() { Low::MaskOr } else { Low::Or };
        self.add(op, &[a, b])
    }

    /// `condition ? a : b`
    pub fn blend(&mut self, condition: Id, a: Id, b: Id) -> Id {
        if a == b {
            return a;
        }
        // At 256 bits a condition is a vector of all ones or all zeros.
        if !self.is_512() {
            if self.program.constant_of(b) == Some(0) {
                return self.add(Low::And, &[condition, a]);
            }
            if self.program.constant_of(a) == Some(0) {
                return self.add(Low::AndNot, &[condition, b]);
            }
        }
        self.add(Low::Blend, &[condition, a, b])
    }

    /// `condition ? a : b`, where the lesser or greater of the compared numbers is one instruction.
    pub fn choice(&mut self, condition: Id, a: Id, b: Id) -> Id {
        let inst = self.program.insts[condition as usize];
        match (inst.op, [inst.args[0], inst.args[1]]) {
            (Low::Compare(compare::LESS), compared) if compared == [a, b] => self.add(Low::Lesser, &[a, b]),
            (Low::Compare(compare::LESS), compared) if compared == [b, a] => self.add(Low::Greater, &[a, b]),
            // What is called under the opposite condition has computed that one.
            (Low::Compare(predicate), _) => {
                match self.program.find(Low::Compare(compare::inverse(predicate)), &inst.args[..2]) {
                    Some(opposite) => self.blend(opposite, b, a),
                    None => self.blend(condition, a, b),
                }
            }
            _ => self.blend(condition, a, b),
        }
    }

    pub fn is_positive(&mut self, a: Id) -> Id {
        let zero = self.f64(0.0);
        self.compare(compare::LESS, zero, a)
    }

    /// `v`, or NaN where `y` is.
    pub fn domain(&mut self, y: Id, v: Id) -> Id {
        let undefined = self.compare(compare::UNORDERED, y, y);
        if self.is_512() {
            let nan = self.f64(f64::NAN);
            self.blend(undefined, nan, v)
        } else {
            // All bits set is a NaN.
            self.add(Low::Or, &[v, undefined])
        }
    }

    pub fn abs(&mut self, a: Id) -> Id {
        let size = self.program.bits(!SIGN);
        self.add(Low::And, &[a, size])
    }

    /// The size of `a` with the sign of `b`.
    pub fn copysign(&mut self, a: Id, b: Id) -> Id {
        let sign = self.program.bits(SIGN);
        if self.is_512() {
            return self.add(Low::Bits(CHOICE), &[a, b, sign]);
        }
        let size = match self.program.constant_of(a) {
            Some(bits) => self.program.bits(bits & !SIGN),
            None => self.add(Low::AndNot, &[sign, a]),
        };
        let sign = self.add(Low::And, &[b, sign]);
        self.add(Low::Or, &[size, sign])
    }

    /// A constant that the machine's own minimum and maximum treat exactly: neither NaN nor zero.
    fn plain_constant(&self, id: Id) -> bool {
        let value = self.program.constant_of(id).map_or(0.0, f64::from_bits);
        value != 0.0 && !value.is_nan()
    }

    /// The machine's minimum is its second operand where one is NaN or both are equal.
    pub fn min(&mut self, a: Id, b: Id) -> Id {
        if self.plain_constant(b) {
            return self.add(Low::Lesser, &[b, a]);
        }
        if self.plain_constant(a) {
            return self.add(Low::Lesser, &[a, b]);
        }
        // In both orders: the same number twice; both zeros; or NaN and something, whose union is NaN.
        let (first, second) = (self.add(Low::Lesser, &[a, b]), self.add(Low::Lesser, &[b, a]));
        self.add(Low::Or, &[first, second])
    }

    pub fn max(&mut self, a: Id, b: Id) -> Id {
        if self.plain_constant(b) {
            return self.add(Low::Greater, &[b, a]);
        }
        if self.plain_constant(a) {
            return self.add(Low::Greater, &[a, b]);
        }
        for (x, y) in [(a, b), (b, a)] {
            if self.program.constant_of(x) == Some(0) {
                // -0 + 0 is 0, and nothing else changes.
                let greater = self.add(Low::Greater, &[x, y]);
                return self.add(Low::Add, &[greater, x]);
            }
        }
        let both = if self.is_512() {
            // The greater, +0 being more than -0.
            self.add(Low::Range(0b0101), &[a, b])
        } else {
            let (first, second) = (self.add(Low::Greater, &[a, b]), self.add(Low::Greater, &[b, a]));
            self.add(Low::And, &[first, second])
        };
        let undefined = self.compare(compare::UNORDERED, a, b);
        if self.is_512() {
            let nan = self.f64(f64::NAN);
            self.blend(undefined, nan, both)
        } else {
            self.add(Low::Or, &[both, undefined])
        }
    }

    /// Half away from zero: adding a half would round the double just below 0.5 up, adding that double does not.
    pub fn round(&mut self, a: Id) -> Id {
        let below_half = self.f64(0.5f64.next_down());
        let below_half = self.copysign(below_half, a);
        let moved = self.add(Low::Add, &[a, below_half]);
        self.add(Low::Round(11), &[moved])
    }

    /// As `special::div_floor`.
    pub fn div_floor(&mut self, a: Id, b: Id) -> Id {
        let (zero, one, whole) = (self.f64(0.0), self.f64(1.0), self.f64(9_007_199_254_740_992.0));
        let quotient = self.add(Low::Div, &[a, b]);
        let n = self.add(Low::Round(9), &[quotient]);
        let rest = self.add(Low::Fma { negate_product: true, negate_addend: false }, &[n, b, a]);
        let none = self.compare(compare::EQUAL, n, zero);
        let rest = self.blend(none, a, rest);
        let mut beyond = |x: Id, y: Id| {
            let (x, y) = (self.compare(compare::LESS, x, zero), self.compare(compare::LESS, zero, y));
            self.both(x, y)
        };
        let (below, above) = (beyond(rest, b), beyond(b, rest));
        let overshot = self.either(below, above);
        let size = self.abs(n);
        let small = self.compare(compare::LESS_OR_EQUAL, size, whole);
        let overshot = self.both(overshot, small);
        let less = self.add(Low::Sub, &[n, one]);
        self.blend(overshot, less, n)
    }

    /// `x^n`, as `special::powi`.
    pub fn powi(&mut self, x: Id, n: i64) -> Id {
        let one = self.f64(1.0);
        if n == 0 {
            return one;
        }
        let power = self.power(x, n.unsigned_abs());
        if n > 0 {
            return power;
        }
        let reciprocal = self.add(Low::Div, &[one, power]);
        let inverse = self.add(Low::Div, &[one, x]);
        let of_inverse = self.power(inverse, n.unsigned_abs());
        // Whether the power is a normal number.
        let (least, infinite) = (self.f64(f64::MIN_POSITIVE), self.f64(f64::INFINITY));
        let size = self.abs(power);
        let enough = self.compare(compare::LESS_OR_EQUAL, least, size);
        let finite = self.compare(compare::LESS, size, infinite);
        let normal = self.both(enough, finite);
        self.blend(normal, reciprocal, of_inverse)
    }

    fn power(&mut self, x: Id, n: u64) -> Id {
        let mut square = x;
        let mut result = None;
        for bit in 0..=n.ilog2() {
            if bit > 0 {
                square = self.add(Low::Mul, &[square, square]);
            }
            if n >> bit & 1 == 1 {
                result = Some(result.map_or(square, |result| self.add(Low::Mul, &[result, square])));
            }
        }
        result.unwrap_or(x)
    }

    /// `x*2^floor(k)`, where `k` is NaN or no larger than `bound`.
    pub fn scale(&mut self, x: Id, k: Id, bound: f64) -> Id {
        let is_finite = bound < f64::INFINITY;
        if self.is_512() {
            let scaled = self.add(Low::Scale, &[x, k]);
            // The machine takes NaN to a limit where the power is infinite.
            return if is_finite { scaled } else { self.domain(x, scaled) };
        }
        let mut rest = self.add(Low::Round(9), &[k]);
        let mut bound = bound + 1.0;
        if bound > 2200.0 {
            // From there on everything is zero or infinite.
            let (low, high) = (self.f64(-2200.0), self.f64(2200.0));
            rest = self.add(Low::Greater, &[low, rest]);
            rest = self.add(Low::Lesser, &[high, rest]);
            bound = 2200.0;
        }
        let mut y = x;
        while bound > 1022.0 {
            // A step down that may round must be the last one, or lead to where all is zero.
            let (step_down, step_up, least) = (self.f64(-969.0), self.f64(1023.0), self.f64(-1022.0));
            let far = self.compare(compare::LESS, rest, least);
            let up = self.add(Low::Lesser, &[step_up, rest]);
            let step = self.blend(far, step_down, up);
            rest = self.add(Low::Sub, &[rest, step]);
            let factor = self.power_of_two(step);
            y = self.add(Low::Mul, &[y, factor]);
            bound -= 969.0;
        }
        let factor = self.power_of_two(rest);
        y = self.add(Low::Mul, &[y, factor]);
        if !is_finite {
            // `x` times the limit of the power.
            let (zero, infinite) = (self.f64(0.0), self.f64(f64::INFINITY));
            let limit = self.add(Low::Greater, &[k, zero]);
            let limit = self.add(Low::Mul, &[x, limit]);
            let size = self.abs(k);
            let is_limit = self.compare(compare::EQUAL, size, infinite);
            y = self.blend(is_limit, limit, y);
        }
        self.domain(k, y)
    }

    /// `2^e` for a whole `e` from -1022 to 1023: the number whose exponent field it is.
    fn power_of_two(&mut self, e: Id) -> Id {
        // Added to 2^52, a whole number is in the lowest bits.
        let magic = self.f64(4_503_599_627_370_496.0 + 1023.0);
        let field = self.add(Low::Add, &[e, magic]);
        self.add(Low::ShiftLeft(52), &[field])
    }

    pub fn exponent(&mut self, x: Id) -> Id {
        if self.is_512() {
            return self.add(Low::Exponent, &[x]);
        }
        let (normal, is_small) = self.normal(x);
        let normal = self.abs(normal);
        let field = self.add(Low::ShiftRight(52), &[normal]);
        let magic_bits = self.f64(4_503_599_627_370_496.0);
        let number = self.add(Low::Or, &[field, magic_bits]);
        // From 2^52 plus the field to the exponent, of which scaling has taken 54 away.
        let (bias, small_bias) =
            (self.f64(4_503_599_627_370_496.0 + 1023.0), self.f64(4_503_599_627_370_496.0 + 1077.0));
        let bias = self.blend(is_small, small_bias, bias);
        let exponent = self.add(Low::Sub, &[number, bias]);
        let (zero, infinite) = (self.f64(0.0), self.f64(f64::INFINITY));
        let nothing = self.compare(compare::EQUAL, x, zero);
        let minus_infinite = self.f64(f64::NEG_INFINITY);
        let exponent = self.blend(nothing, minus_infinite, exponent);
        let size = self.abs(x);
        let finite = self.compare(compare::LESS, size, infinite);
        self.blend(finite, exponent, size)
    }

    pub fn significand(&mut self, x: Id) -> Id {
        if self.is_512() {
            return self.add(Low::Significand, &[x]);
        }
        let (normal, _) = self.normal(x);
        let (fraction, first) = (self.program.bits((1 << 52) - 1), self.program.bits(1 << 51));
        let one = self.f64(1.0);
        let upper = self.add(Low::And, &[normal, first]);
        let upper = self.add(Low::ShiftLeft(1), &[upper]);
        let fraction = self.add(Low::And, &[normal, fraction]);
        let significand = self.add(Low::Or, &[fraction, one]);
        // Where the fraction's first bit is set, the exponent of 1/2.
        let significand = self.add(Low::Xor, &[significand, upper]);
        self.domain(x, significand)
    }

    /// A subnormal number times 2^54, another as it is; and where that was done.
    fn normal(&mut self, x: Id) -> (Id, Id) {
        let (least, up) = (self.f64(f64::MIN_POSITIVE), self.f64(18_014_398_509_481_984.0));
        let size = self.abs(x);
        let is_small = self.compare(compare::LESS, size, least);
        let scaled = self.add(Low::Mul, &[x, up]);
        (self.blend(is_small, scaled, x), is_small)
    }
}
