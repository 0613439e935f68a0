//! One operator in terms of Cranelift's instructions.
//!
//! What the machine computes exactly as the operator's `eval` does becomes instructions; everything else is a
//! call of that `eval`. Conditions are bytes that are 0 or 1. Nothing traps.

use cranelift::codegen::ir::{Endianness, FuncRef, Inst, StackSlot};
use cranelift::prelude::{
    FloatCC, FunctionBuilder, InstBuilder, IntCC, MemFlagsData, StackSlotData, StackSlotKind, Value, types,
};

use super::link::Imports;
use super::shims::Symbol;
use super::target::Target;
use crate::ops::Op;

/// A machine function in the making.
pub struct Lowering<'a, 'b> {
    pub builder: FunctionBuilder<'a>,
    pub imports: &'a mut Imports<'b>,
    pub target: &'a Target,
    /// How many calls the function has so far.
    pub calls: usize,
    /// Where `sincos` writes to.
    pair: Option<StackSlot>,
}

/// The largest exponent that is multiplied out in line, and the least one.
pub const INLINE_POWER: i64 = 64;
pub const INLINE_RECIPROCAL: i64 = -16;

impl<'a, 'b> Lowering<'a, 'b> {
    pub fn new(builder: FunctionBuilder<'a>, imports: &'a mut Imports<'b>, target: &'a Target) -> Lowering<'a, 'b> {
        Lowering { builder, imports, target, calls: 0, pair: None }
    }

    /// The value of an operator at up to three operands; 0 where integer arithmetic has no result.
    pub fn op(&mut self, op: Op, x: &[Value]) -> Value {
        match op {
            Op::Neg => self.builder.ins().fneg(x[0]),
            Op::Add => self.builder.ins().fadd(x[0], x[1]),
            Op::Sub => self.builder.ins().fsub(x[0], x[1]),
            Op::Mul => self.builder.ins().fmul(x[0], x[1]),
            Op::Div => self.builder.ins().fdiv(x[0], x[1]),
            Op::Fma if self.target.fma => self.builder.ins().fma(x[0], x[1], x[2]),
            Op::Sqrt => self.builder.ins().sqrt(x[0]),
            Op::Abs => self.builder.ins().fabs(x[0]),
            Op::Floor if self.target.rounding => self.builder.ins().floor(x[0]),
            Op::Ceil if self.target.rounding => self.builder.ins().ceil(x[0]),
            Op::Rint if self.target.rounding => self.builder.ins().nearest(x[0]),
            Op::Copysign => self.builder.ins().fcopysign(x[0], x[1]),
            Op::Trunc => self.trunc(x[0]),
            Op::Round => self.round(x[0]),
            Op::Min => self.builder.ins().fmin(x[0], x[1]),
            Op::Max => self.builder.ins().fmax(x[0], x[1]),
            Op::Clamp => {
                let raised = self.builder.ins().fmax(x[0], x[1]);
                self.builder.ins().fmin(raised, x[2])
            }
            Op::Relu => {
                let zero = self.f64(0.0);
                self.builder.ins().fmax(x[0], zero)
            }
            Op::LeakyRelu => {
                let product = self.builder.ins().fmul(x[1], x[0]);
                self.where_positive(x[0], x[0], product)
            }
            Op::Step => {
                let (one, rest) = (self.f64(1.0), self.zero_unless_nan(x[0]));
                self.where_positive(x[0], one, rest)
            }
            Op::Sign => self.sign(x[0]),
            Op::Stop => x[0],
            Op::Domain => self.domain(x[0], x[1]),
            Op::Fma | Op::Floor | Op::Ceil | Op::Rint => self.call(Symbol::Value(op), x),
            Op::Scale => self.scale(x),
            Op::Exponent | Op::Significand => self.field(op, x[0]),
            Op::SinFar | Op::CosFar | Op::TanFar => self.call(Symbol::Value(op), x),
            Op::Powi | Op::Pow | Op::XlogPow => self.call(Symbol::Value(op), x),
            Op::Exp | Op::Expm1 | Op::Exp2 | Op::Ln | Op::Log2 | Op::Log10 | Op::Log1p | Op::LogBase | Op::Xlogy => {
                self.call(Symbol::Value(op), x)
            }
            Op::Cbrt | Op::Hypot | Op::Unit => self.call(Symbol::Value(op), x),
            Op::Sin | Op::Cos | Op::Tan | Op::Asin | Op::Acos | Op::Atan | Op::Atan2 | Op::Sinc | Op::SincN => {
                self.call(Symbol::Value(op), x)
            }
            Op::Sinh | Op::Cosh | Op::Tanh | Op::Asinh | Op::Acosh | Op::Atanh => self.call(Symbol::Value(op), x),
            Op::Mod | Op::DivFloor => self.call(Symbol::Value(op), x),
            Op::Erf | Op::Erfc | Op::Gamma | Op::Lgamma | Op::Digamma | Op::Polygamma => {
                self.call(Symbol::Value(op), x)
            }
            Op::Sigmoid | Op::SigmoidSlope | Op::Softplus | Op::Silu | Op::Gelu | Op::Logit => {
                self.call(Symbol::Value(op), x)
            }
            Op::Lt => self.builder.ins().fcmp(FloatCC::LessThan, x[0], x[1]),
            Op::Le => self.builder.ins().fcmp(FloatCC::LessThanOrEqual, x[0], x[1]),
            Op::Eq => self.builder.ins().fcmp(FloatCC::Equal, x[0], x[1]),
            Op::Ne => self.builder.ins().fcmp(FloatCC::NotEqual, x[0], x[1]),
            Op::Not => {
                let one = self.builder.ins().iconst(types::I8, 1);
                self.builder.ins().bxor(x[0], one)
            }
            Op::And => self.builder.ins().band(x[0], x[1]),
            Op::Or => self.builder.ins().bor(x[0], x[1]),
            Op::Select => self.builder.ins().select(x[0], x[1], x[2]),
            Op::ToF64 => self.builder.ins().fcvt_from_sint(types::F64, x[0]),
            Op::ToInt => {
                let (value, zero) = (self.builder.ins().fcvt_to_sint_sat(types::I64, x[0]), self.int_const(0));
                let fault = self.no_integer(x[0]);
                self.builder.ins().select(fault, zero, value)
            }
            Op::INeg | Op::IAbs | Op::IAdd | Op::ISub | Op::IMul => {
                let (value, fault) = self.int(op, x);
                let zero = self.int_const(0);
                self.builder.ins().select(fault, zero, value)
            }
            Op::IDiv | Op::IMod | Op::IPow => self.call(Symbol::Value(op), x),
            Op::IMin => self.choose_int(IntCC::SignedLessThan, x),
            Op::IMax => self.choose_int(IntCC::SignedGreaterThan, x),
            Op::ILt => self.builder.ins().icmp(IntCC::SignedLessThan, x[0], x[1]),
            Op::ILe => self.builder.ins().icmp(IntCC::SignedLessThanOrEqual, x[0], x[1]),
            Op::IEq => self.builder.ins().icmp(IntCC::Equal, x[0], x[1]),
        }
    }

    /// Whether integer arithmetic has no result.
    pub fn fault(&mut self, op: Op, x: &[Value]) -> Value {
        match op {
            Op::ToInt => self.no_integer(x[0]),
            Op::INeg | Op::IAbs | Op::IAdd | Op::ISub | Op::IMul => self.int(op, x).1,
            _ => self.call(Symbol::Fault(op), x),
        }
    }

    /// Whether a number is beyond the integers, or none.
    fn no_integer(&mut self, x: Value) -> Value {
        let limit = self.builder.ins().f64const(9_223_372_036_854_775_808.0);
        let least = self.builder.ins().f64const(-9_223_372_036_854_775_808.0);
        let large = self.builder.ins().fcmp(FloatCC::UnorderedOrGreaterThanOrEqual, x, limit);
        let small = self.builder.ins().fcmp(FloatCC::UnorderedOrLessThan, x, least);
        self.builder.ins().bor(large, small)
    }

    /// `x^n` by the multiplications of `special::powi`, in its order. `squares` are `x`, `x^2`, `x^4` and so on, as far as they exist.
    pub fn power(&mut self, squares: &mut Vec<Value>, n: i64) -> Value {
        let mut result = None;
        for bit in 0..=n.ilog2() as usize {
            if bit == squares.len() {
                let last = squares[bit - 1];
                squares.push(self.builder.ins().fmul(last, last));
            }
            if n >> bit & 1 == 1 {
                let power = squares[bit];
                result = Some(result.map_or(power, |result| self.builder.ins().fmul(result, power)));
            }
        }
        result.expect("the exponent is positive")
    }

    /// `x^-m` of the power `x^m`, or where that is no normal number, of `(1/x)^m`: see `special::powi`.
    pub fn reciprocal_power(&mut self, power: Value, of_reciprocal: Value) -> Value {
        let reciprocal = self.reciprocal(power);
        let size = self.builder.ins().fabs(power);
        let (least, infinite) = (self.f64(f64::MIN_POSITIVE), self.f64(f64::INFINITY));
        let enough = self.builder.ins().fcmp(FloatCC::GreaterThanOrEqual, size, least);
        let finite = self.builder.ins().fcmp(FloatCC::LessThan, size, infinite);
        let normal = self.builder.ins().band(enough, finite);
        self.builder.ins().select(normal, reciprocal, of_reciprocal)
    }

    pub fn reciprocal(&mut self, x: Value) -> Value {
        let one = self.f64(1.0);
        self.builder.ins().fdiv(one, x)
    }

    /// Sine and cosine of a number.
    pub fn sincos(&mut self, x: Value) -> (Value, Value) {
        let pointer = self.target.isa.pointer_type();
        let slot = *self.pair.get_or_insert_with(|| {
            let pair = StackSlotData::new(StackSlotKind::ExplicitSlot, 16, 3);
            self.builder.create_sized_stack_slot(pair)
        });
        let sin = self.builder.ins().stack_addr(pointer, slot, 0);
        let cos = self.builder.ins().stack_addr(pointer, slot, 8);
        self.call_for(Symbol::SinCos, &[x, sin, cos]);
        let sin = self.builder.ins().stack_load(pointer, types::F64, slot, 0);
        let cos = self.builder.ins().stack_load(pointer, types::F64, slot, 8);
        (sin, cos)
    }

    /// The result of a function outside.
    fn call(&mut self, symbol: Symbol, x: &[Value]) -> Value {
        let call = self.call_for(symbol, x);
        self.builder.inst_results(call)[0]
    }

    pub fn call_for(&mut self, symbol: Symbol, x: &[Value]) -> Inst {
        let callee: FuncRef = self.imports.get(symbol, self.builder.func, &*self.target.isa);
        self.calls += 1;
        self.builder.ins().call(callee, x)
    }

    pub fn f64(&mut self, value: f64) -> Value {
        self.builder.ins().f64const(value)
    }

    pub fn int_const(&mut self, value: i64) -> Value {
        self.builder.ins().iconst(types::I64, value)
    }

    fn is_nan(&mut self, x: Value) -> Value {
        self.builder.ins().fcmp(FloatCC::Unordered, x, x)
    }

    /// `x*2^floor(k)`. Where `x` and the result are normal numbers, `k` is added to the exponent's field; else it is a call.
    fn scale(&mut self, x: &[Value]) -> Value {
        let floor = if self.target.rounding {
            self.builder.ins().floor(x[1])
        } else {
            self.call(Symbol::Value(Op::Floor), &[x[1]])
        };
        let k = self.builder.ins().fcvt_to_sint_sat(types::I64, floor);
        let bits = self.builder.ins().bitcast(types::I64, MemFlagsData::new(), x[0]);
        let field = self.exponent_field(bits);
        let moved = self.builder.ins().iadd(field, k);
        // Saturated, an enormous `k` is no field either.
        let (is_normal, stays_normal) = (self.is_field(field), self.is_field(moved));
        let (is_number, shift) = (self.builder.ins().fcmp(FloatCC::Ordered, x[1], x[1]), self.int_const(52));
        let is_simple = self.builder.ins().band(is_normal, stays_normal);
        let is_simple = self.builder.ins().band(is_simple, is_number);
        let k = self.builder.ins().ishl(k, shift);
        let bits = self.builder.ins().iadd(bits, k);
        let simple = self.builder.ins().bitcast(types::F64, MemFlagsData::new(), bits);
        self.or_call(is_simple, simple, Symbol::Value(Op::Scale), x)
    }

    /// Exponent or significand: of a normal number, a field of its bits; else a call.
    fn field(&mut self, op: Op, x: Value) -> Value {
        let bits = self.builder.ins().bitcast(types::I64, MemFlagsData::new(), x);
        let field = self.exponent_field(bits);
        let is_simple = self.is_field(field);
        let simple = if op == Op::Exponent {
            let bias = self.int_const(1023);
            let exponent = self.builder.ins().isub(field, bias);
            self.builder.ins().fcvt_from_sint(types::F64, exponent)
        } else {
            // The exponent of 1, or where the fraction's first bit is set, that of 1/2.
            let (fraction, first) = (self.int_const((1 << 52) - 1), self.int_const(1 << 51));
            let (one, left) = (self.int_const(0x3ff << 52), self.int_const(1));
            let upper = self.builder.ins().band(bits, first);
            let upper = self.builder.ins().ishl(upper, left);
            let bits = self.builder.ins().band(bits, fraction);
            let bits = self.builder.ins().bor(bits, one);
            let bits = self.builder.ins().bxor(bits, upper);
            self.builder.ins().bitcast(types::F64, MemFlagsData::new(), bits)
        };
        self.or_call(is_simple, simple, Symbol::Value(op), &[x])
    }

    /// The exponent's field of a double's bits.
    fn exponent_field(&mut self, bits: Value) -> Value {
        let (shift, mask) = (self.int_const(52), self.int_const(0x7ff));
        let high = self.builder.ins().ushr(bits, shift);
        self.builder.ins().band(high, mask)
    }

    /// Whether an exponent's field, of any size, is that of a normal number.
    fn is_field(&mut self, field: Value) -> Value {
        let (one, count) = (self.int_const(1), self.int_const(0x7fe));
        let above = self.builder.ins().isub(field, one);
        self.builder.ins().icmp(IntCC::UnsignedLessThan, above, count)
    }

    /// `value` where it is good, else the result of a call, out of the way.
    pub fn or_call(&mut self, is_good: Value, value: Value, symbol: Symbol, x: &[Value]) -> Value {
        let (cold, done) = (self.builder.create_block(), self.builder.create_block());
        self.builder.append_block_param(done, types::F64);
        self.builder.ins().brif(is_good, done, &[value.into()], cold, &[]);
        self.builder.switch_to_block(cold);
        self.builder.seal_block(cold);
        self.builder.set_cold_block(cold);
        let called = self.call_for(symbol, x);
        // What is in memory need not be fetched again for the sake of a call that hardly ever happens.
        self.calls -= 1;
        let called = self.builder.inst_results(called)[0];
        self.builder.ins().jump(done, &[called.into()]);
        self.builder.switch_to_block(done);
        self.builder.seal_block(done);
        self.builder.block_params(done)[0]
    }

    /// `v`, or NaN where `y` is: a comparison of vectors gives a mask of all bits where `y` is NaN, and any number with all
    /// its bits set is NaN. No branch, no constant.
    fn domain(&mut self, y: Value, v: Value) -> Value {
        let little = MemFlagsData::new().with_endianness(Endianness::Little);
        let y = self.builder.ins().scalar_to_vector(types::F64X2, y);
        let v = self.builder.ins().scalar_to_vector(types::F64X2, v);
        let undefined = self.builder.ins().fcmp(FloatCC::Unordered, y, y);
        let undefined = self.builder.ins().bitcast(types::F64X2, little, undefined);
        let value = self.builder.ins().bor(v, undefined);
        self.builder.ins().extractlane(value, 0)
    }

    fn where_positive(&mut self, x: Value, then: Value, otherwise: Value) -> Value {
        let zero = self.f64(0.0);
        let positive = self.builder.ins().fcmp(FloatCC::GreaterThan, x, zero);
        self.builder.ins().select(positive, then, otherwise)
    }

    fn zero_unless_nan(&mut self, x: Value) -> Value {
        let (zero, nan) = (self.f64(0.0), self.is_nan(x));
        self.builder.ins().select(nan, x, zero)
    }

    fn sign(&mut self, x: Value) -> Value {
        let (zero, one, minus_one) = (self.f64(0.0), self.f64(1.0), self.f64(-1.0));
        let rest = self.zero_unless_nan(x);
        let negative = self.builder.ins().fcmp(FloatCC::LessThan, x, zero);
        let rest = self.builder.ins().select(negative, minus_one, rest);
        self.where_positive(x, one, rest)
    }

    fn trunc(&mut self, x: Value) -> Value {
        if self.target.rounding { self.builder.ins().trunc(x) } else { self.call(Symbol::Value(Op::Trunc), &[x]) }
    }

    /// Half away from zero: adding a half would round the double just below 0.5 up, adding that double does not.
    fn round(&mut self, x: Value) -> Value {
        let below_half = self.f64(0.5f64.next_down());
        let below_half = self.builder.ins().fcopysign(below_half, x);
        let moved = self.builder.ins().fadd(x, below_half);
        self.trunc(moved)
    }

    fn choose_int(&mut self, condition: IntCC, x: &[Value]) -> Value {
        let first = self.builder.ins().icmp(condition, x[0], x[1]);
        self.builder.ins().select(first, x[0], x[1])
    }

    /// Wrapping integer arithmetic, and whether it wrapped.
    fn int(&mut self, op: Op, x: &[Value]) -> (Value, Value) {
        let is_negative = |lowering: &mut Self, value: Value| {
            let zero = lowering.int_const(0);
            lowering.builder.ins().icmp(IntCC::SignedLessThan, value, zero)
        };
        match op {
            Op::IAdd => {
                let sum = self.builder.ins().iadd(x[0], x[1]);
                // The sum's sign differs from both operands' signs.
                let (a, b) = (self.builder.ins().bxor(sum, x[0]), self.builder.ins().bxor(sum, x[1]));
                let both = self.builder.ins().band(a, b);
                (sum, is_negative(self, both))
            }
            Op::ISub => {
                let difference = self.builder.ins().isub(x[0], x[1]);
                // The operands' signs differ, and the difference has the second one's.
                let (a, b) = (self.builder.ins().bxor(x[0], x[1]), self.builder.ins().bxor(x[0], difference));
                let both = self.builder.ins().band(a, b);
                (difference, is_negative(self, both))
            }
            Op::IMul => {
                let product = self.builder.ins().imul(x[0], x[1]);
                let high = self.builder.ins().smulhi(x[0], x[1]);
                let bits = self.int_const(63);
                let sign = self.builder.ins().sshr(product, bits);
                (product, self.builder.ins().icmp(IntCC::NotEqual, high, sign))
            }
            // Only the least integer has no opposite.
            _ => {
                let value = if op == Op::IAbs { self.builder.ins().iabs(x[0]) } else { self.builder.ins().ineg(x[0]) };
                let least = self.int_const(i64::MIN);
                (value, self.builder.ins().icmp(IntCC::Equal, x[0], least))
            }
        }
    }
}
