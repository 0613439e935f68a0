//! A planned function as machine code.
//!
//! Numbers are in registers, arrays are addresses. The code takes the address of the workspace, which begins with a table: the
//! addresses of the arguments and results, then a record for what failed and the number of rows. It returns 0, or the number of the check
//! that failed, plus one.
//!
//! What a loop doesn't change stands outside of it in the plan already; only addresses are made on the way, and each part
//! of one goes before the loop that doesn't change it: see [`super::address`].

use cranelift::codegen::ir;
use cranelift::prelude::{
    FloatCC, FunctionBuilder, FunctionBuilderContext, InstBuilder, IntCC, MemFlagsData, Value, types,
};
use hashbrown::{HashMap, HashSet};

use super::address::{Array, Count};
use super::pair::Displaced;
use super::plan::{self, BufferId, ELEMENT, Nest, Plan, Step, size};
use super::range::{self, Range};
use crate::interp::TOLD;
use crate::ir::{Func, Inst, Val};
use crate::jit::link::{Imports, machine_type};
use crate::jit::lower::{INLINE_POWER, INLINE_RECIPROCAL, Lowering};
use crate::jit::shims::Symbol;
use crate::jit::target::Target;
use crate::ops::{Op, Type};

/// Where the parts of the workspace are, in bytes.
pub struct Layout {
    pub n_args: usize,
    pub n_results: usize,
    /// Where the buffers begin.
    pub buffers: usize,
    /// All of it.
    pub bytes: usize,
}

/// What is recorded of a failed check: its operands; of what reads an element whether that is outside, and its subscripts.
pub const RECORD: usize = 1 + TOLD;

impl Layout {
    pub fn new(func: &Func, plan: &Plan) -> Layout {
        let (n_args, n_results) = (func.params.len(), func.results.len());
        let buffers = (ELEMENT * (n_args + n_results + RECORD + 1)).next_multiple_of(plan::ALIGN);
        // A row of an array without rows is read from somewhere.
        let rows = func.vals().filter(|&val| matches!(func.inst(val), Inst::Read(_)));
        let row = rows.map(|val| ELEMENT * size(func.shape(val))).max().unwrap_or(0);
        Layout { n_args, n_results, buffers, bytes: row.max(buffers + plan.bytes) }
    }

    pub fn arg(&self, number: usize) -> usize {
        ELEMENT * number
    }

    pub fn result(&self, number: usize) -> usize {
        ELEMENT * (self.n_args + number)
    }

    pub fn record(&self, number: usize) -> usize {
        ELEMENT * (self.n_args + self.n_results + number)
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.record(RECORD)
    }
}

/// What a value is in the code.
#[derive(Clone, Copy)]
pub enum Machine {
    /// A number, and if it is an integer, which ones it can be.
    Number(Value, Range),
    Array(Array),
}

/// A loop that the code is in.
pub struct Scope {
    /// What changes with its turns.
    pub names: Vec<Val>,
    /// The instruction that enters the loop: what the loop doesn't change goes before it.
    pub entry: ir::Inst,
    /// Addresses that have been put there: to what, which terms were added.
    pub addresses: HashMap<(Value, Vec<(Value, i64)>), Value>,
}

pub struct Emitter<'a, 'b, 'm> {
    pub func: &'a Func,
    pub plan: &'a Plan,
    pub layout: &'a Layout,
    pub lowering: Lowering<'b, 'm>,
    /// The address of the workspace.
    pub base: Value,
    values: HashMap<Val, Machine>,
    /// What values were before, to be put back.
    log: Vec<(Val, Option<Machine>)>,
    pub scopes: Vec<Scope>,
    /// The indices of loops that make two turns at once.
    pub displaced: Vec<Displaced>,
    /// The cells of the regions around, for those that are made in place.
    pub rows: Vec<(Val, Vec<Array>)>,
    /// How many turns are put together, where what they have put off is made up for.
    pub batch: Option<Value>,
}

/// Fills an empty machine function, whose signature is set.
pub fn emit(
    func: &Func,
    plan: &Plan,
    layout: &Layout,
    target: &Target,
    machine: &mut ir::Function,
    imports: &mut Imports,
) {
    let mut context = FunctionBuilderContext::new();
    let mut builder = FunctionBuilder::new(machine, &mut context);
    let block = builder.create_block();
    builder.append_block_params_for_function_params(block);
    builder.switch_to_block(block);
    let base = builder.block_params(block)[0];
    imports.start();
    let lowering = Lowering::new(builder, imports, target);
    let mut emitter = Emitter {
        func,
        plan,
        layout,
        lowering,
        base,
        values: HashMap::new(),
        log: Vec::new(),
        scopes: Vec::new(),
        displaced: Vec::new(),
        rows: Vec::new(),
        batch: None,
    };
    emitter.steps(&plan.top.steps);
    for &number in &plan.top.checks {
        emitter.check(number);
    }
    emitter.results();
    let passed = emitter.lowering.int_const(0);
    emitter.lowering.builder.ins().return_(&[passed]);
    emitter.lowering.builder.seal_all_blocks();
    emitter.lowering.builder.finalize(target.isa.frontend_config());
}

impl<'b> Emitter<'_, 'b, '_> {
    pub fn builder(&mut self) -> &mut FunctionBuilder<'b> {
        &mut self.lowering.builder
    }

    pub fn steps(&mut self, steps: &[Step]) {
        for step in steps {
            match step {
                Step::Value(val) => {
                    let machine = self.compute(*val);
                    self.set(*val, machine);
                }
                Step::Nest(nest) => self.nest(nest),
            }
        }
    }

    pub fn set(&mut self, val: Val, machine: Machine) {
        let before = self.values.insert(val, machine);
        self.log.push((val, before));
    }

    /// Where the log is now; see [`Emitter::back_to`].
    pub fn mark(&self) -> usize {
        self.log.len()
    }

    /// Gives all values that have been set since the mark back what they were.
    pub fn back_to(&mut self, mark: usize) {
        for (val, before) in self.log.drain(mark..).rev() {
            match before {
                Some(machine) => _ = self.values.insert(val, machine),
                None => _ = self.values.remove(&val),
            }
        }
    }

    /// An index that is in no register itself: in which it begins, and what is to be added.
    pub fn displaced(&self, val: Val) -> Option<Displaced> {
        let Some(Machine::Number(value, _)) = self.values.get(&val) else { return None };
        self.displaced.iter().rev().copied().find(|each| each.index == val && each.first == *value)
    }

    pub fn machine(&mut self, val: Val) -> Machine {
        if let Some(&machine) = self.values.get(&val) {
            return match (machine, self.displaced(val)) {
                (Machine::Number(first, range), Some(Displaced { by, .. })) if by != 0 => {
                    Machine::Number(self.add_const(first, by), range)
                }
                _ => machine,
            };
        }
        match self.func.inst(val) {
            // A constant is made where it is used: that costs less than keeping it in a register.
            Inst::F64(bits) => Machine::Number(self.lowering.f64(bits.value()), Range::ALL),
            Inst::Int(_) if let Some(extent) = self.func.extent_of(val) => {
                Machine::Number(self.rows(), Range::of_rows(extent))
            }
            Inst::Int(value) => Machine::Number(self.lowering.int_const(value), Range::only(value)),
            Inst::Bool(value) => {
                let value = self.builder().ins().iconst(types::I8, i64::from(value));
                Machine::Number(value, Range::ALL)
            }
            Inst::Param(number) => {
                let machine = self.argument(val, number as usize);
                self.set(val, machine);
                machine
            }
            Inst::Opaque(_) => Machine::Number(self.lowering.f64(f64::NAN), Range::ALL),
            Inst::Unary(..)
            | Inst::Binary(..)
            | Inst::Ternary(..)
            | Inst::Nary(..)
            | Inst::Bound(_)
            | Inst::Read(_)
            | Inst::Region(_)
            | Inst::Result(..) => unreachable!("the plan computes value {} before it is used", val.0),
        }
    }

    pub fn get(&mut self, val: Val) -> Value {
        match self.machine(val) {
            Machine::Number(value, _) => value,
            Machine::Array(_) => unreachable!("an array is no operand of an operator"),
        }
    }

    pub fn range(&mut self, val: Val) -> Range {
        match self.func.inst(val) {
            Inst::Int(value) => self.func.extent_of(val).map_or(Range::only(value), Range::of_rows),
            _ => match self.values.get(&val) {
                Some(Machine::Number(_, range)) => *range,
                _ => Range::ALL,
            },
        }
    }

    pub fn array(&mut self, val: Val) -> Array {
        match self.machine(val) {
            Machine::Array(array) => array,
            Machine::Number(..) => unreachable!("the verifier tells arrays from numbers"),
        }
    }

    fn argument(&mut self, val: Val, number: usize) -> Machine {
        let at = self.layout.arg(number) as i32;
        let base = self.base;
        let pointer = self.builder().ins().load(types::I64, MemFlagsData::trusted(), base, at);
        let is_coded = self.func.ty(val) != Type::F64;
        let array = Array { coded: is_coded, fixed: true, ..Array::at(pointer, self.scopes.len()) };
        if self.func.is_array(val) {
            return Machine::Array(array);
        }
        let value = self.load(&array, self.func.ty(val));
        Machine::Number(value, Range::ALL)
    }

    pub fn compute(&mut self, val: Val) -> Machine {
        let func = self.func;
        let value = match func.inst(val) {
            Inst::Read(_) => return self.read(val),
            Inst::Binary(Op::Powi, a, n) => match func.inst(n) {
                Inst::Int(n @ 1..=INLINE_POWER) => self.power(a, n),
                Inst::Int(n @ INLINE_RECIPROCAL..=-1) => {
                    let power = self.power(a, -n);
                    let a = self.get(a);
                    let reciprocal = self.lowering.reciprocal(a);
                    let of_reciprocal = self.lowering.power(&mut vec![reciprocal], -n);
                    self.lowering.reciprocal_power(power, of_reciprocal)
                }
                _ => self.apply(Op::Powi, &[a, n]),
            },
            Inst::Nary(op, list) => {
                let list = func.list(list);
                let first = self.get(list[0]);
                list[1..].iter().fold(first, |best, &operand| {
                    let operand = self.get(operand);
                    self.lowering.op(op, &[best, operand])
                })
            }
            Inst::Ternary(Op::Select, condition, a, b) if self.plan.deferred.contains(&b) => match func.inst(b) {
                Inst::Unary(op, x) => {
                    let (condition, a, x) = (self.get(condition), self.get(a), self.get(x));
                    self.lowering.or_call(condition, a, Symbol::Value(op), &[x])
                }
                _ => unreachable!("slow paths have one operand"),
            },
            Inst::Unary(op, a) => return self.number(op, &[a]),
            Inst::Binary(op, a, b) => return self.number(op, &[a, b]),
            Inst::Ternary(op, a, b, c) => return self.number(op, &[a, b, c]),
            Inst::Param(_) | Inst::Opaque(_) | Inst::F64(_) | Inst::Int(_) | Inst::Bool(_) | Inst::Bound(_) => {
                unreachable!("steps are operations")
            }
            Inst::Region(_) | Inst::Result(..) => unreachable!("regions are nests"),
        };
        Machine::Number(value, Range::ALL)
    }

    fn power(&mut self, a: Val, n: i64) -> Value {
        let a = self.get(a);
        self.lowering.power(&mut vec![a], n)
    }

    fn apply(&mut self, op: Op, operands: &[Val]) -> Value {
        let operands: Vec<Value> = operands.iter().map(|&operand| self.get(operand)).collect();
        self.lowering.op(op, &operands)
    }

    /// An operator; integer arithmetic that can't overflow is one instruction.
    fn number(&mut self, op: Op, operands: &[Val]) -> Machine {
        let ranges: Vec<Range> = operands.iter().map(|&operand| self.range(operand)).collect();
        let x: Vec<Value> = operands.iter().map(|&operand| self.get(operand)).collect();
        let ins = self.lowering.builder.ins();
        let value = match op {
            Op::INeg if range::plain(op, &ranges).is_some() => ins.ineg(x[0]),
            Op::IAdd if range::plain(op, &ranges).is_some() => ins.iadd(x[0], x[1]),
            Op::ISub if range::plain(op, &ranges).is_some() => ins.isub(x[0], x[1]),
            Op::IMul if range::plain(op, &ranges).is_some() => ins.imul(x[0], x[1]),
            _ => self.lowering.op(op, &x),
        };
        Machine::Number(value, range::of(op, &ranges))
    }

    pub fn check(&mut self, number: u32) {
        let func = self.func;
        let check = func.checks[number as usize];
        let guard = self.get(check.guard);
        let (fails, record) = if check.missing {
            let mut record = vec![self.lowering.int_const(0)];
            record.extend(self.told(check.site));
            (guard, record)
        } else {
            let Some((fault, record)) = self.fault(check.site) else { return };
            (self.builder().ins().band(guard, fault), record)
        };
        let (failed, passed) = (self.builder().create_block(), self.builder().create_block());
        self.builder().set_cold_block(failed);
        self.builder().ins().brif(fails, failed, &[], passed, &[]);
        self.builder().switch_to_block(failed);
        let base = self.base;
        for (place, value) in record.into_iter().enumerate() {
            let at = self.layout.record(place) as i32;
            self.builder().ins().store(MemFlagsData::trusted(), value, base, at);
        }
        let code = self.lowering.int_const(i64::from(number) + 1);
        self.builder().ins().return_(&[code]);
        self.builder().switch_to_block(passed);
    }

    /// The subscripts that are told of what reads an element.
    pub fn told(&mut self, site: Val) -> Vec<Value> {
        let operands = self.func.operands(site);
        operands.as_slice()[1..].iter().take(TOLD).map(|&subscript| self.get(subscript)).collect()
    }

    /// Whether an instruction has no result, and what there is to say about it. `None` where it certainly has one.
    fn fault(&mut self, site: Val) -> Option<(Value, Vec<Value>)> {
        let func = self.func;
        match func.inst(site) {
            Inst::Read(_) => self.fault_of_read(site),
            Inst::Region(_) => Some((self.get(site), Vec::new())),
            inst => {
                let op = inst.op()?;
                let operands = func.operands(site);
                let ranges: Vec<Range> = operands.iter().map(|&operand| self.range(operand)).collect();
                if range::plain(op, &ranges).is_some() {
                    return None;
                }
                let x: Vec<Value> = operands.iter().map(|&operand| self.get(operand)).collect();
                let fault = self.lowering.fault(op, &x);
                Some((fault, x))
            }
        }
    }

    /// The array that a buffer is.
    pub fn buffer(&self, id: BufferId) -> Array {
        let buffer = &self.plan.buffers[id.0 as usize];
        let offset = (self.layout.buffers + buffer.offset) as i64;
        Array { offset, ..Array::at(self.base, 0) }
    }

    /// The memory of a result.
    pub fn output(&mut self, number: usize) -> Array {
        let (base, at) = (self.base, self.layout.result(number) as i32);
        let pointer = self.builder().ins().load(types::I64, MemFlagsData::trusted(), base, at);
        Array::at(pointer, self.scopes.len())
    }

    /// Writes what isn't made in its place already.
    fn results(&mut self) {
        let func = self.func;
        let made_there: HashSet<u32> = self.plan.top.outputs().collect();
        for (number, result) in func.results.iter().enumerate() {
            if made_there.contains(&(number as u32)) {
                continue;
            }
            let to = Array { coded: true, ..self.output(number) };
            let ty = func.ty(result.value);
            if func.is_array(result.value) {
                let from = self.array(result.value);
                self.copy(&to, &from, Count::of(func.shape(result.value)), ty);
            } else {
                let value = self.get(result.value);
                self.store(&to, value, ty);
            }
        }
    }

    /// A number as it stands in memory that the caller sees.
    pub fn encode(&mut self, value: Value, ty: Type) -> Value {
        match ty {
            Type::F64 => value,
            Type::Int => self.builder().ins().fcvt_from_sint(types::F64, value),
            Type::Bool => {
                let wide = self.builder().ins().uextend(types::I64, value);
                self.builder().ins().fcvt_from_sint(types::F64, wide)
            }
            Type::Tuple => unreachable!("a region is in no memory"),
        }
    }

    /// The number that stands in memory that the caller sees.
    pub fn decode(&mut self, number: Value, ty: Type) -> Value {
        match ty {
            Type::F64 => number,
            Type::Int => self.builder().ins().fcvt_to_sint_sat(types::I64, number),
            Type::Bool => {
                let zero = self.lowering.f64(0.0);
                self.builder().ins().fcmp(FloatCC::NotEqual, number, zero)
            }
            Type::Tuple => unreachable!("a region is in no memory"),
        }
    }

    /// Repeats code for each number from 0 up to a count. The code gets the number.
    pub fn repeat(&mut self, count: Count, code: impl FnOnce(&mut Self, Value)) {
        let first = self.lowering.int_const(0);
        match count {
            Count::Known(0) => return,
            Count::Known(1) => return code(self, first),
            Count::Known(_) | Count::Rows(_) => {}
        }
        let (turn, done) = (self.builder().create_block(), self.builder().create_block());
        self.builder().append_block_param(turn, types::I64);
        let entry = self.builder().ins().jump(turn, &[first.into()]);
        self.scopes.push(Scope { names: Vec::new(), entry, addresses: HashMap::new() });
        self.builder().switch_to_block(turn);
        let number = self.builder().block_params(turn)[0];
        code(self, number);
        let next = self.add_const(number, 1);
        let end = self.number_of(count);
        let goes_on = self.builder().ins().icmp(IntCC::UnsignedLessThan, next, end);
        self.builder().ins().brif(goes_on, turn, &[next.into()], done, &[]);
        self.scopes.pop();
        self.builder().switch_to_block(done);
    }

    pub fn add_const(&mut self, value: Value, constant: i64) -> Value {
        let constant = self.lowering.int_const(constant);
        self.builder().ins().iadd(value, constant)
    }

    /// The type of a number in a register.
    pub fn machine_type(&self, val: Val) -> ir::Type {
        machine_type(self.func.ty(val))
    }

    /// The number of loops around that change a value.
    pub fn level_of(&self, val: Val) -> usize {
        let free = self.func.free(val);
        self.scopes.iter().rposition(|scope| free.iter().any(|name| scope.names.contains(name))).map_or(0, |at| at + 1)
    }
}

impl plan::Block {
    /// The results that are made where the caller wants them.
    fn outputs(&self) -> impl Iterator<Item = u32> + '_ {
        let nests = self.steps.iter().filter_map(|step| match step {
            Step::Nest(nest) => Some(&**nest),
            Step::Value(_) => None,
        });
        nests.flat_map(|nest: &Nest| &nest.cells).filter_map(|place| match place.home {
            plan::Home::Output(number) => Some(number),
            plan::Home::Buffer(_) | plan::Home::Row { .. } => None,
        })
    }
}
