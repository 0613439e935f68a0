//! A chunk of a plan as a machine function.
//!
//! The function takes the addresses of the arguments' and the results' parts and the tape, and returns the index of the first check
//! that failed, or [`PASSED`]. Arguments, constants and values of earlier chunks are fetched at their first use;
//! results and what later chunks need are stored as soon as they exist.
//!
//! No register of a double survives a call. What has a place in memory already is fetched from there again after a
//! call, rather than saved on the stack once more.

use cranelift::codegen::ir::{self, immediates::Offset32};
use cranelift::codegen::packed_option::PackedOption;
use cranelift::prelude::{
    AbiParam, FloatCC, FunctionBuilder, FunctionBuilderContext, InstBuilder, IntCC, MemFlagsData, Signature, Value,
    types,
};
use hashbrown::HashMap;

use super::link::{Imports, machine_type};
use super::lower::{INLINE_POWER, INLINE_RECIPROCAL, Lowering};
use super::plan::{Plan, Step};
use super::shims::Symbol;
use super::target::Target;
use super::{N_ARGS, N_RESULTS, Parts};
use crate::ir::{Func, Inst, Val};
use crate::ops::{Op, Type};
use crate::parts::place;

/// What a machine function returns where no check failed.
pub const PASSED: u64 = u64::MAX;

/// What stays the same from chunk to chunk.
pub struct Emitter<'a> {
    func: &'a Func,
    plan: &'a Plan,
    target: &'a Target,
    parts: Parts,
    /// The results by value, sorted: where each value goes.
    results: Vec<(Val, u32)>,
    /// The machine value of each graph value, where the present chunk has one.
    values: Vec<PackedOption<Value>>,
    /// The graph values that have one.
    present: Vec<Val>,
    context: FunctionBuilderContext,
}

/// The signature of a chunk.
pub fn signature(target: &Target) -> Signature {
    let mut signature = Signature::new(target.isa.default_call_conv());
    signature.params.extend([AbiParam::new(target.isa.pointer_type()); N_ARGS + N_RESULTS + 1]);
    signature.returns.push(AbiParam::new(types::I64));
    signature
}

impl<'a> Emitter<'a> {
    pub fn new(func: &'a Func, plan: &'a Plan, target: &'a Target, parts: Parts) -> Emitter<'a> {
        let mut results: Vec<(Val, u32)> =
            func.results.iter().enumerate().map(|(index, result)| (result.value, index as u32)).collect();
        results.sort_unstable();
        let values = vec![PackedOption::default(); func.len()];
        Emitter {
            func,
            plan,
            target,
            parts,
            results,
            values,
            present: Vec::new(),
            context: FunctionBuilderContext::new(),
        }
    }

    /// Fills an empty machine function, whose signature is set, with a chunk.
    pub fn chunk(&mut self, chunk: usize, machine: &mut ir::Function, imports: &mut Imports) {
        imports.start();
        let mut context = std::mem::take(&mut self.context);
        let mut builder = FunctionBuilder::new(machine, &mut context);
        let block = builder.create_block();
        builder.append_block_params_for_function_params(block);
        builder.switch_to_block(block);
        builder.seal_block(block);
        let &[a, b, u, v, w, tape] = builder.block_params(block) else { unreachable!("so says `signature`") };
        let lowering = Lowering::new(builder, imports, self.target);
        let mut filling = Chunk {
            emitter: self,
            lowering,
            args: [a, b],
            results: [u, v, w],
            tape,
            again: Vec::new(),
            squares: HashMap::new(),
            failed: None,
        };
        for &step in filling.emitter.plan.chunk(chunk) {
            filling.step(step);
        }
        if chunk + 1 == filling.emitter.plan.ends.len() {
            filling.store_given_results();
        }
        filling.finish();
        self.context = context;
    }
}

/// One machine function in the making.
struct Chunk<'c, 'a, 'b, 'm> {
    emitter: &'c mut Emitter<'a>,
    lowering: Lowering<'b, 'm>,
    args: [Value; N_ARGS],
    results: [Value; N_RESULTS],
    tape: Value,
    /// The values that are in memory too, as an argument or in the tape.
    again: Vec<Val>,
    /// Of what is raised to constant powers, and of reciprocals that are: itself, its square, the square of that, and so on.
    squares: HashMap<(Val, bool), Vec<Value>>,
    /// The index of the first check that failed, if there was a check.
    failed: Option<Value>,
}

impl Chunk<'_, '_, '_, '_> {
    fn step(&mut self, step: Step) {
        let calls = self.lowering.calls;
        match step {
            Step::Value(val) => {
                let value = self.compute(val);
                self.forget_after(calls);
                self.keep(val, value);
            }
            Step::SinCos(sin, cos) => {
                let operand = self.emitter.func.operands(sin).as_slice()[0];
                let operand = self.get(operand);
                let (sin_value, cos_value) = self.lowering.sincos(operand);
                self.forget_after(calls);
                self.keep(sin, sin_value);
                self.keep(cos, cos_value);
            }
            Step::Check(index) => {
                self.check(index);
                self.forget_after(calls);
            }
        }
    }

    /// Lets go of what can be fetched again, if there was a call since there were `calls`.
    fn forget_after(&mut self, calls: usize) {
        if self.lowering.calls > calls {
            for val in self.again.drain(..) {
                self.emitter.values[val.index()] = PackedOption::default();
            }
        }
    }

    fn compute(&mut self, val: Val) -> Value {
        let func = self.emitter.func;
        match func.inst(val) {
            Inst::Binary(Op::Powi, a, n) => match func.inst(n) {
                Inst::Int(n @ 1..=INLINE_POWER) => self.power(a, false, n),
                Inst::Int(n @ INLINE_RECIPROCAL..=-1) => {
                    let (power, of_reciprocal) = (self.power(a, false, -n), self.power(a, true, -n));
                    self.lowering.reciprocal_power(power, of_reciprocal)
                }
                _ => self.apply(Op::Powi, &[a, n]),
            },
            // An operand is fetched when its turn comes, so that a long list needs few registers.
            Inst::Nary(op, list) => {
                let list = func.list(list);
                let first = self.get(list[0]);
                list[1..].iter().fold(first, |best, &operand| {
                    let operand = self.get(operand);
                    self.lowering.op(op, &[best, operand])
                })
            }
            Inst::Ternary(Op::Select, condition, a, b) => match self.emitter.func.inst(b) {
                // A slow path that has no value yet is computed here, where it is chosen.
                Inst::Unary(op, x) if op.is_out_of_line() && !self.exists(b) => {
                    let (condition, a, x) = (self.get(condition), self.get(a), self.get(x));
                    self.lowering.or_call(condition, a, Symbol::Value(op), &[x])
                }
                _ => self.apply(Op::Select, &[condition, a, b]),
            },
            Inst::Unary(op, a) => self.apply(op, &[a]),
            Inst::Binary(op, a, b) => self.apply(op, &[a, b]),
            Inst::Ternary(op, a, b, c) => self.apply(op, &[a, b, c]),
            Inst::Bound(_) | Inst::Read(_) | Inst::Region(_) | Inst::Result(..) => unreachable!("no loops here"),
            Inst::Param(_) | Inst::Opaque(_) | Inst::F64(_) | Inst::Int(_) | Inst::Bool(_) => {
                unreachable!("steps are operations")
            }
        }
    }

    /// A power of `a` or of `1/a`.
    fn power(&mut self, a: Val, of_reciprocal: bool, n: i64) -> Value {
        if !self.squares.contains_key(&(a, of_reciprocal)) {
            let base = self.get(a);
            let base = if of_reciprocal { self.lowering.reciprocal(base) } else { base };
            self.squares.insert((a, of_reciprocal), vec![base]);
        }
        let squares = self.squares.entry((a, of_reciprocal)).or_default();
        self.lowering.power(squares, n)
    }

    /// Whether a value has been computed, in this chunk or an earlier one.
    fn exists(&self, val: Val) -> bool {
        self.emitter.values[val.index()].is_some() || self.emitter.plan.slot(val).is_some()
    }

    fn apply(&mut self, op: Op, operands: &[Val]) -> Value {
        let (values, n) = self.fetch(operands);
        self.lowering.op(op, &values[..n])
    }

    /// The machine values of up to three operands.
    fn fetch(&mut self, operands: &[Val]) -> ([Value; 3], usize) {
        let mut values = [self.tape; 3];
        for (value, &operand) in values.iter_mut().zip(operands) {
            *value = self.get(operand);
        }
        (values, operands.len())
    }

    /// The machine value of a graph value, which is fetched if this chunk hasn't got it yet.
    fn get(&mut self, val: Val) -> Value {
        if let Some(value) = self.emitter.values[val.index()].expand() {
            return value;
        }
        let value = match self.emitter.func.inst(val) {
            Inst::Param(index) => {
                self.again.push(val);
                self.argument(index, self.emitter.func.ty(val))
            }
            Inst::F64(bits) => self.lowering.f64(bits.value()),
            Inst::Int(value) => self.lowering.int_const(value),
            Inst::Bool(value) => self.lowering.builder.ins().iconst(types::I8, i64::from(value)),
            Inst::Opaque(_) => self.lowering.f64(f64::NAN),
            Inst::Bound(_) | Inst::Read(_) | Inst::Region(_) | Inst::Result(..) => unreachable!("no loops here"),
            Inst::Unary(..) | Inst::Binary(..) | Inst::Ternary(..) | Inst::Nary(..) => {
                let slot = self.emitter.plan.slot(val).expect("what an earlier chunk made for this one has a slot");
                self.again.push(val);
                let ty = machine_type(self.emitter.func.ty(val));
                self.lowering.builder.ins().load(ty, MemFlagsData::trusted(), self.tape, element(slot as usize))
            }
        };
        self.set(val, value);
        value
    }

    fn set(&mut self, val: Val, value: Value) {
        self.emitter.values[val.index()] = value.into();
        self.emitter.present.push(val);
    }

    fn argument(&mut self, index: u32, ty: Type) -> Value {
        let (part, index) = place(&self.emitter.parts.args, index as usize);
        // Not marked readonly: the optimiser would merge the fetches before and after a call.
        let number =
            self.lowering.builder.ins().load(types::F64, MemFlagsData::trusted(), self.args[part], element(index));
        match ty {
            Type::F64 => number,
            Type::Int => self.lowering.builder.ins().fcvt_to_sint_sat(types::I64, number),
            Type::Bool => {
                let zero = self.lowering.f64(0.0);
                self.lowering.builder.ins().fcmp(FloatCC::NotEqual, number, zero)
            }
            Type::Tuple => unreachable!("an argument is a value"),
        }
    }

    /// Puts a new value where it is needed.
    fn keep(&mut self, val: Val, value: Value) {
        self.set(val, value);
        if let Some(slot) = self.emitter.plan.slot(val) {
            self.again.push(val);
            self.lowering.builder.ins().store(MemFlagsData::trusted(), value, self.tape, element(slot as usize));
        }
        self.store_result(val, value);
    }

    fn store_result(&mut self, val: Val, value: Value) {
        let first = self.emitter.results.partition_point(|&(other, _)| other < val);
        let wanted = self.emitter.results[first..].iter().take_while(|&&(other, _)| other == val).count();
        if wanted == 0 {
            return;
        }
        let ins = self.lowering.builder.ins();
        let number = match self.emitter.func.ty(val) {
            Type::F64 => value,
            Type::Int => ins.fcvt_from_sint(types::F64, value),
            Type::Bool => {
                let wide = ins.uextend(types::I64, value);
                self.lowering.builder.ins().fcvt_from_sint(types::F64, wide)
            }
            Type::Tuple => unreachable!("a result is a value"),
        };
        for at in first..first + wanted {
            let (part, index) = place(&self.emitter.parts.results, self.emitter.results[at].1 as usize);
            self.lowering.builder.ins().store(MemFlagsData::trusted(), number, self.results[part], element(index));
        }
    }

    /// Stores the results that are arguments and constants.
    fn store_given_results(&mut self) {
        let mut at = 0;
        while let Some(&(val, _)) = self.emitter.results.get(at) {
            if self.emitter.func.inst(val).op().is_none() {
                let value = self.get(val);
                self.store_result(val, value);
            }
            at += self.emitter.results[at..].iter().take_while(|&&(other, _)| other == val).count();
        }
    }

    fn check(&mut self, index: u32) {
        let func = self.emitter.func;
        let check = func.checks[index as usize];
        let Some(op) = func.inst(check.site).op() else { return };
        let guard = self.get(check.guard);
        let (operands, n) = self.fetch(func.operands(check.site).as_slice());
        let fault = self.lowering.fault(op, &operands[..n]);
        let passed = self.lowering.int_const(PASSED as i64);
        let this = self.lowering.int_const(i64::from(index));
        let fails = self.lowering.builder.ins().band(guard, fault);
        let this = self.lowering.builder.ins().select(fails, this, passed);
        // Checks come in the order of their values; the first of their own order counts.
        self.failed = Some(match self.failed {
            None => this,
            Some(other) => {
                let less = self.lowering.builder.ins().icmp(IntCC::UnsignedLessThan, this, other);
                self.lowering.builder.ins().select(less, this, other)
            }
        });
    }

    fn finish(mut self) {
        let failed = match self.failed {
            Some(failed) => failed,
            None => self.lowering.int_const(PASSED as i64),
        };
        self.lowering.builder.ins().return_(&[failed]);
        self.lowering.builder.finalize(self.emitter.target.isa.frontend_config());
        for val in self.emitter.present.drain(..) {
            self.emitter.values[val.index()] = PackedOption::default();
        }
    }
}

/// The offset of a double, or of a tape slot.
fn element(index: usize) -> Offset32 {
    Offset32::new(i32::try_from(index * 8).expect("fewer than 2^28 arguments, results and slots"))
}
