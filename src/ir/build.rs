//! Makes graphs: every instruction goes through [`Builder::emit`], which folds constants, applies the exact
//! identities, orders the operands of commutative operators and shares what exists already.
//!
//! An identity is here only if it holds to the bit for every double, and for derivatives of any order as well
//! (passes build on half-finished graphs). So `x*1`, `-(-x)`, `x - 0.0`, `x + -0.0`, `x/2 = x*0.5` are here;
//! `x + 0.0` (wrong at -0.0), `x*0`, `x - x` (wrong at infinity) are not. See `opt` for what needs a licence.

use hashbrown::{DefaultHashBuilder, HashTable};
use std::hash::BuildHasher;

use super::{Bits, Check, Func, Inst, ListId, Output, Param, Val};
use crate::ops::{Eval, Op, Type};
use crate::span::Span;

/// A graph in the making.
#[derive(Clone, Default)]
pub struct Builder {
    func: Func,
    /// The indices of all instructions, by their contents.
    table: HashTable<u32>,
    lists: HashTable<u32>,
    hasher: DefaultHashBuilder,
    /// The place in the text that new instructions come from.
    pub span: Span,
    opaques: u32,
}

impl Builder {
    pub fn new(name: &str) -> Builder {
        Builder { func: Func { name: name.to_owned(), ..Func::default() }, ..Builder::default() }
    }

    /// Goes on with a finished graph: the same values, and more after them. Results and checks are kept
    /// until [`Builder::finish`] replaces the results.
    pub fn resume(func: Func) -> Builder {
        let mut builder = Builder { func, ..Builder::default() };
        builder.table.reserve(2 * builder.func.len(), |_| 0);
        for index in 0..builder.func.insts.len() as u32 {
            let hash = builder.hasher.hash_one(builder.func.insts[index as usize]);
            let (hasher, insts) = (&builder.hasher, &builder.func.insts);
            builder.table.insert_unique(hash, index, |&other| hasher.hash_one(insts[other as usize]));
            if let Inst::Opaque(id) = builder.func.insts[index as usize] {
                builder.opaques = builder.opaques.max(id + 1);
            }
        }
        for index in 0..builder.func.lists.len() as u32 {
            let hash = builder.hasher.hash_one(&builder.func.lists[index as usize]);
            let (hasher, lists) = (&builder.hasher, &builder.func.lists);
            builder.lists.insert_unique(hash, index, |&other| hasher.hash_one(&lists[other as usize]));
        }
        builder
    }

    /// The graph so far.
    pub fn func(&self) -> &Func {
        &self.func
    }

    pub fn finish(mut self, results: Vec<Output>) -> Func {
        self.func.results = results;
        self.func
    }

    pub fn check(&mut self, check: Check) {
        if self.func.inst(check.guard) != Inst::Bool(false) {
            self.func.checks.push(check);
        }
    }

    pub fn param(&mut self, name: &str, ty: Type) -> Val {
        let index = self.func.params.len() as u32;
        self.func.params.push(Param { name: name.to_owned(), ty });
        self.intern(Inst::Param(index), ty)
    }

    /// The values of all arguments, in order.
    pub fn params(&mut self) -> Vec<Val> {
        let types: Vec<Type> = self.func.params.iter().map(|param| param.ty).collect();
        types.into_iter().enumerate().map(|(index, ty)| self.intern(Inst::Param(index as u32), ty)).collect()
    }

    /// A value about which nothing is known. See [`Inst::Opaque`].
    pub fn opaque(&mut self, ty: Type) -> Val {
        self.opaques += 1;
        self.intern(Inst::Opaque(self.opaques - 1), ty)
    }

    pub fn f64(&mut self, value: f64) -> Val {
        self.intern(Inst::F64(Bits::new(value)), Type::F64)
    }

    pub fn int(&mut self, value: i64) -> Val {
        self.intern(Inst::Int(value), Type::Int)
    }

    pub fn bool(&mut self, value: bool) -> Val {
        self.intern(Inst::Bool(value), Type::Bool)
    }

    pub fn unary(&mut self, op: Op, a: Val) -> Val {
        self.emit(op, &[a])
    }

    pub fn binary(&mut self, op: Op, a: Val, b: Val) -> Val {
        self.emit(op, &[a, b])
    }

    pub fn select(&mut self, condition: Val, a: Val, b: Val) -> Val {
        self.emit(Op::Select, &[condition, a, b])
    }

    pub fn not(&mut self, a: Val) -> Val {
        self.emit(Op::Not, &[a])
    }

    /// The value of an operator at operands, shared, folded or simplified where that is exact. The operands must have
    /// the types that the operator's row says.
    pub fn emit(&mut self, op: Op, args: &[Val]) -> Val {
        if let Some(folded) = self.fold(op, args) {
            return folded;
        }
        if let Some(same) = self.identity(op, args) {
            return same;
        }
        let ty = if op == Op::Select { self.func.ty(args[1]) } else { op.row().result };
        let inst = match *args {
            [a] => Inst::Unary(op, a),
            [a, b] if op.commutes() && self.rank(b) < self.rank(a) => Inst::Binary(op, b, a),
            [a, b] => Inst::Binary(op, a, b),
            [a, b, c] if !matches!(op, Op::Min | Op::Max) => Inst::Ternary(op, a, b, c),
            _ => {
                let mut sorted = args.to_vec();
                sorted.sort_by_key(|&arg| self.rank(arg));
                Inst::Nary(op, self.intern_list(sorted))
            }
        };
        self.intern(inst, ty)
    }

    /// The order of operands that commute: as they were made, constants last. It doesn't depend on where a constant was
    /// first used, so that the text form reads back to the same graph.
    fn rank(&self, val: Val) -> (bool, u64) {
        match self.func.inst(val) {
            Inst::F64(bits) => (true, bits.value().to_bits()),
            Inst::Int(value) => (true, value as u64),
            Inst::Bool(value) => (true, u64::from(value)),
            _ => (false, u64::from(val.0)),
        }
    }

    /// A constant of another graph.
    pub fn constant(&mut self, from: &Func, val: Val) -> Val {
        self.intern(from.inst(val), from.ty(val))
    }

    /// Copies the arguments of another graph, so that `Param` instructions mean the same here.
    pub fn copy_params(&mut self, from: &Func) {
        self.func.params = from.params.clone();
    }

    /// `root` with `new` in the place of `old`. Costs the size of the graph between the two.
    pub fn substitute(&mut self, root: Val, old: Val, new: Val) -> Val {
        if root < old {
            return root;
        }
        let place = |val: Val| (val.0 - old.0) as usize;
        let mut depends = vec![false; place(root) + 1];
        depends[0] = true;
        for val in (old.0 + 1..=root.0).map(Val) {
            depends[place(val)] =
                self.func.operands(val).iter().any(|&operand| operand >= old && depends[place(operand)]);
        }
        let mut wanted = vec![false; depends.len()];
        wanted[place(root)] = depends[place(root)];
        for val in (old.0..=root.0).rev().map(Val) {
            if wanted[place(val)] {
                for &operand in self.func.operands(val).iter().filter(|&&operand| operand >= old) {
                    wanted[place(operand)] |= depends[place(operand)];
                }
            }
        }
        let mut replaced = vec![new; depends.len()];
        for val in (old.0 + 1..=root.0).map(Val) {
            if wanted[place(val)] {
                let args: Vec<Val> = self
                    .func
                    .operands(val)
                    .iter()
                    .map(
                        |&operand| {
                            if operand >= old && depends[place(operand)] { replaced[place(operand)] } else { operand }
                        },
                    )
                    .collect();
                self.span = self.func.span(val);
                if let Some(op) = self.func.inst(val).op() {
                    replaced[place(val)] = self.emit(op, &args);
                }
            }
        }
        if depends[place(root)] { replaced[place(root)] } else { root }
    }

    fn intern(&mut self, inst: Inst, ty: Type) -> Val {
        let Builder { func, table, hasher, span, .. } = self;
        let insts = &func.insts;
        let entry = table.entry(
            hasher.hash_one(inst),
            |&other| insts[other as usize] == inst,
            |&other| hasher.hash_one(insts[other as usize]),
        );
        match entry {
            hashbrown::hash_table::Entry::Occupied(entry) => Val(*entry.get()),
            hashbrown::hash_table::Entry::Vacant(entry) => {
                let index = func.insts.len() as u32;
                entry.insert(index);
                func.insts.push(inst);
                func.types.push(ty);
                func.spans.push(*span);
                Val(index)
            }
        }
    }

    fn intern_list(&mut self, list: Vec<Val>) -> ListId {
        let Builder { func, lists, hasher, .. } = self;
        let known = &func.lists;
        let entry = lists.entry(
            hasher.hash_one(list.as_slice()),
            |&other| *known[other as usize] == *list,
            |&other| hasher.hash_one(&*known[other as usize]),
        );
        match entry {
            hashbrown::hash_table::Entry::Occupied(entry) => ListId(*entry.get()),
            hashbrown::hash_table::Entry::Vacant(entry) => {
                let index = func.lists.len() as u32;
                entry.insert(index);
                func.lists.push(list.into_boxed_slice());
                ListId(index)
            }
        }
    }

    /// The value of an operator on constants.
    fn fold(&mut self, op: Op, args: &[Val]) -> Option<Val> {
        let func = &self.func;
        let number = |index: usize| func.constant(args[index]);
        let int = |index: usize| match func.inst(args[index]) {
            Inst::Int(value) => Some(value),
            _ => None,
        };
        let condition = |index: usize| match func.inst(args[index]) {
            Inst::Bool(value) => Some(value),
            _ => None,
        };
        Some(match op.row().eval {
            // `stop` is opaque to everything but the last pass, `opt::release`.
            Eval::F1(_) if op == Op::Stop => return None,
            Eval::F1(eval) => {
                let value = eval(number(0)?);
                self.f64(value)
            }
            Eval::F2(eval) => {
                let value = eval(number(0)?, number(1)?);
                self.f64(value)
            }
            Eval::F3(eval) => {
                let value = eval(number(0)?, number(1)?, number(2)?);
                self.f64(value)
            }
            Eval::Fold(eval) => {
                let values: Option<Vec<f64>> = (0..args.len()).map(number).collect();
                let value = values?.into_iter().reduce(eval)?;
                self.f64(value)
            }
            Eval::FI(eval) => {
                let value = eval(number(0)?, int(1)?);
                self.f64(value)
            }
            Eval::Compare(eval) => {
                let value = eval(number(0)?, number(1)?);
                self.bool(value)
            }
            Eval::B1(eval) => {
                let value = eval(condition(0)?);
                self.bool(value)
            }
            Eval::B2(eval) => {
                let value = eval(condition(0)?, condition(1)?);
                self.bool(value)
            }
            Eval::CompareInt(eval) => {
                let value = eval(int(0)?, int(1)?);
                self.bool(value)
            }
            // What has no result stays, so that a check can point at it.
            Eval::I1(eval) => {
                let value = eval(int(0)?).ok()?;
                self.int(value)
            }
            Eval::I2(eval) => {
                let value = eval(int(0)?, int(1)?).ok()?;
                self.int(value)
            }
            Eval::IntToF64 => {
                let value = int(0)?;
                self.f64(value as f64)
            }
            Eval::Select => {
                if condition(0)? {
                    args[1]
                } else {
                    args[2]
                }
            }
        })
    }

    /// A simpler value that is equal to the bit, at every point and in every derivative.
    fn identity(&mut self, op: Op, args: &[Val]) -> Option<Val> {
        let is = |value: Val, bits: f64| self.func.inst(value) == Inst::F64(Bits::new(bits));
        let negated = |value: Val| match self.func.inst(value) {
            Inst::Unary(Op::Neg, inner) => Some(inner),
            _ => None,
        };
        match (op, *args.first()?, args.get(1).copied().unwrap_or(args[0])) {
            (Op::Neg, a, _) => match self.func.inst(a) {
                Inst::Unary(Op::Neg, inner) => Some(inner),
                _ => None,
            },
            (Op::Add, a, b) => {
                if is(a, -0.0) {
                    Some(b)
                } else if is(b, -0.0) {
                    Some(a)
                } else if let Some(b) = negated(b) {
                    Some(self.binary(Op::Sub, a, b))
                } else {
                    negated(a).map(|a| self.binary(Op::Sub, b, a))
                }
            }
            (Op::Sub, a, b) => {
                if is(b, 0.0) {
                    Some(a)
                } else if is(a, -0.0) {
                    Some(self.unary(Op::Neg, b))
                } else {
                    negated(b).map(|b| self.binary(Op::Add, a, b))
                }
            }
            (Op::Mul, a, b) => self.identity_of_product(a, b).or_else(|| self.identity_of_product(b, a)),
            (Op::Div, a, b) => {
                if is(b, 1.0) {
                    return Some(a);
                }
                if is(b, -1.0) {
                    return Some(self.unary(Op::Neg, a));
                }
                match (negated(a), negated(b), self.func.constant(b)) {
                    (Some(a), Some(b), _) => Some(self.binary(Op::Div, a, b)),
                    (Some(a), None, _) => {
                        let quotient = self.binary(Op::Div, a, b);
                        Some(self.unary(Op::Neg, quotient))
                    }
                    (None, Some(b), _) => {
                        let quotient = self.binary(Op::Div, a, b);
                        Some(self.unary(Op::Neg, quotient))
                    }
                    (None, None, Some(divisor)) if has_exact_reciprocal(divisor) => {
                        let reciprocal = self.f64(1.0 / divisor);
                        Some(self.binary(Op::Mul, a, reciprocal))
                    }
                    (None, None, _) => None,
                }
            }
            (Op::Powi, a, n) => match self.func.inst(n) {
                Inst::Int(0) => Some(self.f64(1.0)),
                Inst::Int(1) => Some(a),
                Inst::Int(-1) => {
                    let one = self.f64(1.0);
                    Some(self.binary(Op::Div, one, a))
                }
                _ => None,
            },
            (Op::Pow, a, b) => {
                if is(b, 0.0) || is(b, -0.0) {
                    Some(self.f64(1.0))
                } else if is(b, 1.0) {
                    Some(a)
                } else if is(b, -1.0) {
                    let one = self.f64(1.0);
                    Some(self.binary(Op::Div, one, a))
                } else if is(b, 0.5) {
                    Some(self.unary(Op::Sqrt, a))
                } else if is(b, 2.0) {
                    Some(self.binary(Op::Mul, a, a))
                } else {
                    None
                }
            }
            (Op::XlogPow, a, b) if is(args[2], 0.0) => Some(self.binary(Op::Pow, a, b)),
            (Op::SincN, n, a) if is(n, 0.0) => Some(self.unary(Op::Sinc, a)),
            (Op::Polygamma, n, a) if is(n, 0.0) => Some(self.unary(Op::Digamma, a)),
            (Op::Domain, y, v) if self.func.constant(y).is_some_and(|y| !y.is_nan()) => Some(v),
            (Op::Not, a, _) => match self.func.inst(a) {
                Inst::Unary(Op::Not, inner) => Some(inner),
                _ => None,
            },
            (Op::And, a, b) => self.identity_of_both(a, b, true),
            (Op::Or, a, b) => self.identity_of_both(a, b, false),
            (Op::Select, condition, a) => {
                let b = args[2];
                if a == b {
                    return Some(a);
                }
                match (self.func.inst(condition), self.func.inst(a), self.func.inst(b)) {
                    (Inst::Unary(Op::Not, inner), ..) => Some(self.select(inner, b, a)),
                    (_, Inst::Bool(true), Inst::Bool(false)) => Some(condition),
                    (_, Inst::Bool(false), Inst::Bool(true)) => Some(self.not(condition)),
                    _ => None,
                }
            }
            (Op::Min | Op::Max | Op::IMin | Op::IMax, a, b) if args.len() == 1 || (args.len() == 2 && a == b) => {
                Some(a)
            }
            (Op::Abs, a, _) => match self.func.inst(a) {
                Inst::Unary(Op::Neg, inner) => Some(self.unary(Op::Abs, inner)),
                Inst::Unary(Op::Abs, _) => Some(a),
                _ => None,
            },
            _ => None,
        }
    }

    /// `a*b` by what is known of `a`.
    fn identity_of_product(&mut self, a: Val, b: Val) -> Option<Val> {
        match self.func.inst(a) {
            Inst::F64(bits) if bits.value() == 1.0 => Some(b),
            Inst::F64(bits) if bits.value() == -1.0 => Some(self.unary(Op::Neg, b)),
            Inst::Unary(Op::Neg, inner) => {
                // A sign goes outward, so that `(-a)*b` and `-(a*b)` are one; into a constant it goes inward.
                let product = self.binary(Op::Mul, inner, b);
                Some(self.unary(Op::Neg, product))
            }
            _ => None,
        }
    }

    /// `a and b` (`absorbing` false) or `a or b`, simplified. `neutral` is the value that changes nothing.
    fn identity_of_both(&mut self, a: Val, b: Val, neutral: bool) -> Option<Val> {
        let opposite = |x: Val, y: Val| self.func.inst(x) == Inst::Unary(Op::Not, y);
        if a == b || self.func.inst(b) == Inst::Bool(neutral) {
            Some(a)
        } else if self.func.inst(a) == Inst::Bool(neutral) {
            Some(b)
        } else if self.func.inst(a) == Inst::Bool(!neutral)
            || self.func.inst(b) == Inst::Bool(!neutral)
            || opposite(a, b)
            || opposite(b, a)
        {
            Some(self.bool(!neutral))
        } else {
            None
        }
    }
}

/// Whether dividing by `x` is multiplying by `1/x`, to the bit: powers of two whose reciprocal is a normal number.
fn has_exact_reciprocal(x: f64) -> bool {
    x.is_normal() && x.to_bits().trailing_zeros() >= 52 && (1.0 / x).is_normal()
}
