//! From graph to [`Program`]: each operator in terms of what the machine does, to the bit what `interp` says.
//!
//! What has no form in vector instructions is a call of the operator's own `eval`, lane by lane; elementary functions are such calls
//! where the caller hasn't written them out (`math::expand`). A call is skipped where none of the lanes needs it: that is what the guards of
//! the graph know (`ir::guard`).

use hashbrown::HashMap;

use super::low::{Cell, Id, Low, NONE, Program, compare};
use super::{Unsupported, Width, range};
use crate::ir::guard::Guards;
use crate::ir::{Builder, Func, Inst, Val};
use crate::ops::{Eval, Op, Type};

/// The program of a graph, where `uniform` says which arguments are the same for all points.
pub fn lower(func: &Func, uniform: &[bool], width: Width) -> Result<Program, Unsupported> {
    supported(func)?;
    let n_vals = func.len();
    // For one point, the graph's own choices say enough.
    let guarded = if width.lanes() > 1 { guarded(func) } else { None };
    let (func, guards) = match &guarded {
        Some((func, guards)) => (func, guards.as_slice()),
        None => (func, [].as_slice()),
    };
    let mut results = vec![Vec::new(); n_vals];
    for (index, result) in func.results.iter().enumerate() {
        results[result.value.index()].push(index as u32);
    }
    let mut program = Program::new(width);
    program.reserve(func.len());
    let live = func.live();
    let circular = if width.lanes() == 1 { circular(func, &live) } else { HashMap::new() };
    let mut lowering = Lowering { func, guards, uniform, program, ids: vec![NONE; func.len()], circular };
    for val in func.vals().take(n_vals).filter(|val| live[val.index()]) {
        lowering.need(val)?;
        for &index in &results[val.index()] {
            lowering.store(val, index);
        }
    }
    Ok(lowering.program)
}

/// The sines and cosines of one operand, by the operand: one call gives both.
fn circular(func: &Func, live: &[bool]) -> HashMap<Val, [Val; 2]> {
    let mut found: HashMap<Val, [Option<Val>; 2]> = HashMap::new();
    for val in func.vals().filter(|val| live[val.index()]) {
        match func.inst(val) {
            Inst::Unary(Op::Sin, a) => found.entry(a).or_default()[0] = Some(val),
            Inst::Unary(Op::Cos, a) => found.entry(a).or_default()[1] = Some(val),
            _ => {}
        }
    }
    let both = |(a, [sin, cos]): (Val, [Option<Val>; 2])| Some((a, [sin?, cos?]));
    found.into_iter().filter_map(both).collect()
}

fn supported(func: &Func) -> Result<(), Unsupported> {
    if !func.checks.is_empty() {
        return Err(Unsupported("checked integer arithmetic"));
    }
    if func.params.iter().any(|param| param.ty != Type::F64) {
        return Err(Unsupported("arguments that are not numbers"));
    }
    Ok(())
}

/// The graph with the conditions under which its calls matter, where it has calls that do not always matter.
fn guarded(func: &Func) -> Option<(Func, Vec<Option<Val>>)> {
    let calls = func.insts().iter().any(|inst| inst.op().is_some_and(is_call));
    let selects = func.insts().iter().any(|inst| matches!(inst, Inst::Ternary(Op::Select, ..)));
    if !(calls && selects) {
        return None;
    }
    let roots: Vec<Val> = func.results.iter().map(|result| result.value).collect();
    let mut builder = Builder::resume(func.clone());
    let guards = Guards::of_values(&mut builder, &roots);
    let guard = |val: Val| {
        let guard = guards.get(val);
        let useful = guard != guards.always && func.inst(val).op().is_some_and(is_call);
        (useful && is_before(builder.func(), guard, val)).then_some(guard)
    };
    let guards = func.vals().map(guard).collect();
    Some((builder.finish(func.results.clone()), guards))
}

/// Whether a condition can be computed before `val`: whether it depends on nothing that comes after.
fn is_before(func: &Func, condition: Val, val: Val) -> bool {
    const EFFORT: usize = 64;
    let mut stack = vec![condition];
    for _ in 0..EFFORT {
        let Some(next) = stack.pop() else { return true };
        if next < val {
            continue;
        }
        // Its own value, or what may depend on it.
        match func.inst(next) {
            Inst::Unary(op, _) | Inst::Binary(op, ..) if op.row().result == Type::Bool => {
                stack.extend(func.operands(next).iter());
            }
            Inst::Bool(_) | Inst::F64(_) => {}
            _ => return false,
        }
    }
    false
}

/// Whether an operator is a call: it has no form in vector instructions.
fn is_call(op: Op) -> bool {
    use Op::*;
    let arithmetic = matches!(op, Neg | Add | Sub | Mul | Div | Fma | Powi | Sqrt | Abs | Sign | Step | Stop | Domain);
    let rounding =
        matches!(op, Floor | Ceil | Round | Trunc | Rint | Scale | Exponent | Significand | Copysign | DivFloor);
    let choice = matches!(op, Min | Max | Clamp | Relu | LeakyRelu | Select | Lt | Le | Eq | Ne | Not | And | Or);
    !(arithmetic || rounding || choice)
}

pub struct Lowering<'a> {
    pub func: &'a Func,
    /// For each value, the condition under which it matters; `None`: always.
    guards: &'a [Option<Val>],
    uniform: &'a [bool],
    pub program: Program,
    ids: Vec<Id>,
    /// See [`circular`].
    circular: HashMap<Val, [Val; 2]>,
}

impl Lowering<'_> {
    /// Computes a value whose operands, save for guards, have been computed.
    fn need(&mut self, val: Val) -> Result<Id, Unsupported> {
        let known = self.ids[val.index()];
        if known != NONE {
            return Ok(known);
        }
        let id = match self.func.inst(val) {
            Inst::Param(index) if self.uniform[index as usize] => self.program.cell(Cell::Param(index)),
            Inst::Param(index) => self.program.add(Low::Column { column: index, vector: 0, late: false }, &[]),
            Inst::Opaque(_) => self.f64(f64::NAN),
            Inst::F64(bits) => self.f64(bits.value()),
            // Only an exponent, which its operator looks at.
            Inst::Int(_) => return Ok(NONE),
            Inst::Bool(value) => {
                let zero = self.f64(0.0);
                self.compare(if value { compare::EQUAL } else { compare::NOT_EQUAL }, zero, zero)
            }
            Inst::Bound(_) | Inst::Read(_) | Inst::Region(_) | Inst::Result(..) => unreachable!("no loops here"),
            Inst::Unary(op, _) | Inst::Binary(op, ..) | Inst::Ternary(op, ..) | Inst::Nary(op, _) => {
                self.operation(op, val)?
            }
        };
        self.ids[val.index()] = id;
        Ok(id)
    }

    fn store(&mut self, val: Val, output: u32) {
        let mut id = self.ids[val.index()];
        if self.func.ty(val) == Type::Bool {
            let (one, zero) = (self.f64(1.0), self.f64(0.0));
            id = self.blend(id, one, zero);
        }
        self.program.add(Low::Store { output, vector: 0, late: false }, &[id]);
    }

    fn operation(&mut self, op: Op, val: Val) -> Result<Id, Unsupported> {
        let operands = self.func.operands(val);
        let operands = operands.as_slice();
        if op == Op::Powi {
            let Inst::Int(n) = self.func.inst(operands[1]) else { return Err(Unsupported("a power that varies")) };
            let x = self.ids[operands[0].index()];
            return Ok(self.powi(x, n));
        }
        if let Op::Min | Op::Max = op {
            let ids: Vec<Id> = operands.iter().map(|operand| self.ids[operand.index()]).collect();
            let extreme = if op == Op::Min { Self::min } else { Self::max };
            return Ok(ids[1..].iter().fold(ids[0], |best, &next| extreme(self, best, next)));
        }
        let mut x = [NONE; 3];
        for (slot, operand) in x.iter_mut().zip(operands) {
            if self.func.ty(*operand) == Type::Int {
                return Err(Unsupported("integers"));
            }
            *slot = self.ids[operand.index()];
        }
        if let Op::Sin | Op::Cos = op
            && let Some(&[sin, cos]) = self.circular.get(&operands[0])
        {
            let sine = self.add(Low::SinCos, &x[..1]);
            let cosine = self.add(Low::Beside, &[sine]);
            (self.ids[sin.index()], self.ids[cos.index()]) = (sine, cosine);
            return Ok(self.ids[val.index()]);
        }
        if is_call(op) {
            return self.call(op, val, x);
        }
        Ok(match op {
            Op::Fma => self.fma(operands),
            Op::Scale => self.scale(x[0], x[1], range::bound(self.func, operands[1])),
            Op::Select if self.is_choice_of_call(operands[2]) => self.or_call(operands, x),
            Op::Select if self.func.ty(val) == Type::Bool => {
                let (then, otherwise) = (self.both(x[0], x[1]), self.not(x[0]));
                let otherwise = self.both(otherwise, x[2]);
                self.either(then, otherwise)
            }
            _ => self.simple(op, x),
        })
    }

    fn simple(&mut self, op: Op, [a, b, c]: [Id; 3]) -> Id {
        match op {
            Op::Neg => self.neg(a),
            Op::Add => self.sum(a, b),
            Op::Sub => self.difference(a, b),
            Op::Mul => self.product(a, b),
            Op::Div => self.add(Low::Div, &[a, b]),
            Op::Sqrt => self.add(Low::Sqrt, &[a]),
            Op::Abs => self.abs(a),
            Op::Rint => self.add(Low::Round(8), &[a]),
            Op::Floor => self.add(Low::Round(9), &[a]),
            Op::Ceil => self.add(Low::Round(10), &[a]),
            Op::Trunc => self.add(Low::Round(11), &[a]),
            Op::Round => self.round(a),
            Op::Exponent => self.exponent(a),
            Op::Significand => self.significand(a),
            Op::Copysign => self.copysign(a, b),
            Op::DivFloor => self.div_floor(a, b),
            Op::Clamp => {
                let raised = self.max(a, b);
                self.min(raised, c)
            }
            Op::Relu => {
                let zero = self.f64(0.0);
                self.max(a, zero)
            }
            Op::LeakyRelu => {
                let product = self.add(Low::Mul, &[b, a]);
                let positive = self.is_positive(a);
                self.blend(positive, a, product)
            }
            Op::Step => {
                let (zero, one) = (self.f64(0.0), self.f64(1.0));
                let positive = self.is_positive(a);
                let step = self.blend(positive, one, zero);
                self.domain(a, step)
            }
            Op::Sign => {
                let (zero, one) = (self.f64(0.0), self.f64(1.0));
                let sign = self.copysign(one, a);
                // Zero has none, and NaN passes.
                let zero = self.compare(compare::EQUAL, a, zero);
                let nothing = self.f64(0.0);
                let sign = self.blend(zero, nothing, sign);
                self.domain(a, sign)
            }
            Op::Stop => a,
            Op::Domain => self.domain(a, b),
            Op::Lt => self.compare(compare::LESS, a, b),
            Op::Le => self.compare(compare::LESS_OR_EQUAL, a, b),
            Op::Eq => self.compare(compare::EQUAL, a, b),
            Op::Ne => self.compare(compare::NOT_EQUAL, a, b),
            Op::Not => self.not(a),
            Op::And => self.both(a, b),
            Op::Or => self.either(a, b),
            Op::Select => self.choice(a, b, c),
            _ => unreachable!("the others are calls, or were seen before"),
        }
    }

    /// `a*b + c`; negations of operands are part of the instruction.
    fn fma(&mut self, operands: &[Val]) -> Id {
        let mut x = [NONE; 3];
        let mut negative = [false; 3];
        for (slot, &operand) in operands.iter().enumerate() {
            let (val, is_negative) = match self.func.inst(operand) {
                Inst::Unary(Op::Neg, inner) => (inner, true),
                _ => (operand, false),
            };
            (x[slot], negative[slot]) = (self.ids[val.index()], is_negative);
        }
        let op = Low::Fma { negate_product: negative[0] != negative[1], negate_addend: negative[2] };
        self.add(op, &x)
    }

    fn call(&mut self, op: Op, val: Val, x: [Id; 3]) -> Result<Id, Unsupported> {
        let eval = op.row().eval;
        if !matches!(eval, Eval::F1(_) | Eval::F2(_) | Eval::F3(_)) || op.row().result != Type::F64 {
            return Err(Unsupported("integers"));
        }
        let guard = match self.guards.get(val.index()).copied().flatten() {
            Some(guard) => self.need_condition(guard)?,
            None => NONE,
        };
        let index = self.index_of_call(op);
        Ok(self.add(Low::Call(index), &[x[0], x[1], x[2], guard]))
    }

    fn index_of_call(&mut self, op: Op) -> u32 {
        let calls = &mut self.program.calls;
        let index = calls.iter().position(|&known| known == op).unwrap_or_else(|| {
            calls.push(op);
            calls.len() - 1
        });
        index as u32
    }

    /// Whether a value is a slow path. For one point it is computed where it is chosen, and only there.
    fn is_choice_of_call(&self, val: Val) -> bool {
        self.program.width.lanes() == 1 && self.func.inst(val).op().is_some_and(Op::is_out_of_line)
    }

    /// `select(is_good, value, slow(x))`, whose slow path is behind the code.
    fn or_call(&mut self, operands: &[Val], [is_good, value, _]: [Id; 3]) -> Id {
        let Inst::Unary(op, x) = self.func.inst(operands[2]) else { unreachable!("slow paths have one operand") };
        let index = self.index_of_call(op);
        self.add(Low::OrCall(index), &[value, self.ids[x.index()], NONE, is_good])
    }

    /// Computes a condition made of what there is, see [`is_before`].
    fn need_condition(&mut self, condition: Val) -> Result<Id, Unsupported> {
        let known = self.ids[condition.index()];
        if known != NONE {
            return Ok(known);
        }
        let operands = self.func.operands(condition).as_slice().to_vec();
        for operand in operands {
            self.need_condition(operand)?;
        }
        self.need(condition)
    }

    pub fn add(&mut self, op: Low, args: &[Id]) -> Id {
        self.program.add(op, args)
    }

    pub fn f64(&mut self, value: f64) -> Id {
        self.program.constant(value)
    }

    pub fn is_512(&self) -> bool {
        self.program.width.has_masks()
    }
}
