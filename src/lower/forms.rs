//! What binds indices: reductions, comprehensions and clauses of arrays.
//!
//! A form opens its loops one after the other, since the bounds of a loop may use the indices before it. Then its condition and
//! body are lowered with the indices as names that regions bind; ranges that the text leaves out follow from how the body uses
//! them ([`super::infer`]). At the end the form is closed: a reduction, an array, an equation.

use std::rc::Rc;

use super::arith::{self, Operand};
use super::define::Equation;
use super::names::{Clause, Place};
use super::{Lowering, Task, Value};
use crate::ast::{Binder, Form, FormId, Name, Node, NodeKind, TreeId};
use crate::error::Problem;
use crate::ir::{Inst, Loop, Val};
use crate::ops::{Op, Type};
use crate::span::Span;

/// So many loops stand in each other at most.
pub(super) const DEEPEST: usize = 64;

/// A form whose loops are being opened, or whose body is being lowered.
pub(super) struct Frame {
    binders: Rc<[Binder]>,
    pub(super) indices: Vec<Index>,
    /// How many subscripts had been lowered before it.
    pub(super) before: usize,
    pub(super) at: Span,
    what: What,
}

/// An index of a form.
#[derive(Clone, Copy, Debug)]
pub(super) struct Index {
    pub name: Name,
    pub at: Span,
    pub val: Val,
    /// From the first to before the second; `None` until it is inferred.
    pub range: Option<(Val, Val)>,
}

#[derive(Clone)]
enum What {
    Reduce { reduction: Name, condition: Option<TreeId>, body: TreeId },
    Comprehension(TreeId),
    Clause(Rc<Clause>),
}

/// What a closed form is made of.
pub(super) struct Closed {
    /// In the order of the binders, outermost first. Those of a clause may be without a range: it is that of the other clauses.
    pub indices: Vec<Index>,
    pub guard: Val,
    pub body: Operand,
    /// The fixed places of a clause.
    pub fixed: Vec<Operand>,
    pub at: Span,
}

impl Closed {
    /// The loops of the indices whose ranges are known.
    pub fn loops(&self) -> Vec<Loop> {
        let turns = |index: &Index| index.range.map(|(low, high)| Loop::up(index.val, low, high));
        self.indices.iter().filter_map(turns).collect()
    }
}

impl Frame {
    /// The number of fixed places of a clause.
    fn fixed(&self) -> usize {
        match &self.what {
            What::Clause(clause) => clause.places.iter().filter(|place| matches!(place, Place::Fixed(_))).count(),
            What::Reduce { .. } | What::Comprehension(_) => 0,
        }
    }
}

impl Lowering<'_> {
    /// Pushes the tasks that make the value of a form.
    pub(super) fn form(&mut self, form: FormId, at: Span) -> Result<(), Problem> {
        let (binders, what) = match self.ast.form(form) {
            Form::Reduce { reduction, binders, condition, body } => {
                (binders, What::Reduce { reduction: *reduction, condition: *condition, body: *body })
            }
            Form::Comprehension { body, binders } => (binders, What::Comprehension(*body)),
            Form::Iterate { .. } => {
                self.iterate(form, at);
                return Ok(());
            }
        };
        self.open(self.scope);
        self.enter(binders.as_slice().into(), what, at)
    }

    /// Pushes the tasks that make an equation of a clause.
    pub(super) fn clause(&mut self, clause: Rc<Clause>) -> Result<(), Problem> {
        self.enter(Rc::clone(&clause.binders), What::Clause(clause.clone()), clause.at)
    }

    fn enter(&mut self, binders: Rc<[Binder]>, what: What, at: Span) -> Result<(), Problem> {
        let before = self.subscripts.len();
        self.depth += binders.len();
        if self.depth > DEEPEST {
            return Err(Problem::TooManyLoops { at, limit: DEEPEST });
        }
        self.tasks.push(Task::Loops(Box::new(Frame { binders, indices: Vec::new(), before, at, what })));
        Ok(())
    }

    /// Opens the next loop of a form, or goes on to its body.
    pub(super) fn open_loop(&mut self, mut frame: Box<Frame>) -> Result<(), Problem> {
        let Some(binder) = frame.binders.get(frame.indices.len()).cloned() else {
            let what = frame.what.clone();
            self.tasks.push(Task::Close(frame));
            let (condition, body) = match what {
                What::Reduce { condition, body, .. } => (condition, body),
                What::Comprehension(body) => (None, body),
                What::Clause(clause) => (None, clause.value),
            };
            self.tasks.push(Task::Tree { tree: body, next: 0 });
            self.tasks.extend(condition.map(|tree| Task::Tree { tree, next: 0 }));
            return Ok(());
        };
        match &binder.range {
            Some(range) => {
                self.tasks.push(Task::Bounds(frame));
                self.tasks.push(Task::Tree { tree: range.high, next: 0 });
                self.tasks.push(Task::Tree { tree: range.low, next: 0 });
            }
            None => {
                let index = self.index(&frame, &binder, None)?;
                frame.indices.push(index);
                self.tasks.push(Task::Loops(frame));
            }
        }
        Ok(())
    }

    /// The bounds of the next loop are on the stack.
    pub(super) fn bounds(&mut self, mut frame: Box<Frame>) -> Result<(), Problem> {
        self.rounded(2);
        let [low, high] = self.operands();
        let binder = frame.binders[frame.indices.len()].clone();
        if low.value == Value::Unknown || high.value == Value::Unknown {
            self.depth -= frame.binders.len();
            self.abandon(*frame);
            return Ok(());
        }
        let (low, mut high) = (self.integer(&low)?, self.integer(&high)?);
        if binder.range.as_ref().is_some_and(|range| range.closed) {
            let one = self.builder.int(1);
            high = self.builder.binary(Op::IAdd, high, one);
        }
        let index = self.index(&frame, &binder, Some((low, high)))?;
        frame.indices.push(index);
        self.tasks.push(Task::Loops(frame));
        Ok(())
    }

    /// Gives an index its name. That of `softmax` has one already.
    fn index(&mut self, frame: &Frame, binder: &Binder, range: Option<(Val, Val)>) -> Result<Index, Problem> {
        let val = if self.is_share(frame) {
            let without_index = || {
                let name = self.ast.name(binder.name).to_owned();
                Problem::SoftmaxWithoutIndex { name, at: binder.span }
            };
            match self.lookup(binder.name) {
                Value::Scalar(val) if matches!(self.builder.func().inst(val), Inst::Bound(_)) => val,
                _ => return Err(without_index()),
            }
        } else {
            self.builder.span = binder.span;
            let val = self.builder.index();
            self.index_names.insert(val, binder.name);
            self.define(binder.name, Value::Scalar(val));
            val
        };
        let known = self.loops.get(&val).map(|known| (known.low, known.high));
        let range = range.or(known);
        if let (Some((low, high)), None) = (range, known) {
            self.loops.insert(val, Loop::up(val, low, high));
        }
        Ok(Index { name: binder.name, at: binder.span, val, range })
    }

    fn is_share(&self, frame: &Frame) -> bool {
        matches!(frame.what, What::Reduce { reduction, .. } if self.ast.name(reduction) == "softmax")
    }

    /// The condition and the body of a form are on the stack: it gets its value.
    pub(super) fn close(&mut self, mut frame: Frame) -> Result<(), Problem> {
        self.depth -= frame.binders.len();
        let [body] = self.operands();
        let mut guard = self.builder.bool(true);
        if let What::Reduce { condition: Some(_), .. } = frame.what {
            let [condition] = self.operands();
            if condition.value != Value::Unknown {
                guard = arith::condition(&self.builder, &condition)?;
            }
        }
        let is_clause = matches!(frame.what, What::Clause(_));
        // Of a clause that is sounded out its indices count, too.
        if body.value == Value::Unknown && !(is_clause && self.is_sounding()) {
            self.abandon(frame);
            return Ok(());
        }
        let is_share = self.is_share(&frame);
        self.infer(&mut frame, is_share)?;
        let without = frame.indices.iter().find(|index| index.range.is_none());
        if let (Some(index), false) = (without, is_clause) {
            if self.is_sounding() {
                self.abandon(frame);
                return Ok(());
            }
            return Err(self.without_range(index));
        }
        let fixed = self.take(frame.fixed());
        self.builder.span = frame.at;
        let closed = Closed { indices: frame.indices, guard, body, fixed, at: frame.at };
        let value = match frame.what {
            What::Reduce { reduction, .. } => {
                let name = self.ast.name(reduction);
                self.reduce(name, closed)?
            }
            What::Comprehension(_) => self.comprehension(closed)?,
            What::Clause(clause) => {
                self.clauses.push(Equation { clause, closed: Some(closed) });
                return Ok(());
            }
        };
        self.values.push((value, Node { kind: NodeKind::Integer(0), span: frame.at }));
        Ok(())
    }

    /// A part of the form is in error: so is the form.
    fn abandon(&mut self, frame: Frame) {
        match frame.what {
            What::Clause(ref clause) => {
                self.take(frame.fixed());
                self.clauses.push(Equation { clause: Rc::clone(clause), closed: None });
            }
            What::Reduce { .. } | What::Comprehension(_) => {
                self.values.push((Value::Unknown, Node { kind: NodeKind::Integer(0), span: frame.at }));
            }
        }
    }

    /// `[e for i in 0..n]`
    fn comprehension(&mut self, closed: Closed) -> Result<Value, Problem> {
        let mut loops = Vec::new();
        for index in &closed.indices {
            let Some((low, high)) = index.range else { continue };
            let (extent, low) = (self.extent(index, high)?, self.extent(index, low)?);
            if low != 0 {
                let name = self.ast.name(index.name).to_owned();
                return Err(Problem::StartsLater { name, at: index.at, low, high: extent });
            }
            let Ok(turns) = usize::try_from(extent) else {
                let name = self.ast.name(index.name).to_owned();
                return Err(Problem::NegativeCount { name, at: index.at, extent });
            };
            loops.push((index.val, turns));
        }
        let body = match closed.body.value {
            Value::Scalar(val) | Value::Array(val) => val,
            ref value @ (Value::Tuple(_) | Value::Function(_) | Value::Unknown) => {
                let found = arith::kind(&self.builder, value);
                return Err(Problem::WrongKind { at: closed.body.at, wanted: "a number", found });
            }
        };
        let inner = self.builder.func().shape(body).iter().copied();
        let shape: Vec<usize> = loops.iter().map(|&(_, extent)| extent).chain(inner).collect();
        self.affordable(&shape, closed.at)?;
        self.check_complete(body, closed.body.at)?;
        Ok(Value::Array(self.builder.array(&loops, body)))
    }

    /// A bound of an array's extent: a number that is known when the graph is made.
    pub(super) fn extent(&mut self, index: &Index, bound: Val) -> Result<i64, Problem> {
        if let Inst::Int(extent) = self.builder.func().inst(bound) {
            return Ok(extent);
        }
        let arguments = self.index_arguments(bound);
        self.needed.extend(&arguments);
        let name = self.ast.name(index.name).to_owned();
        let arguments = arguments.into_iter().map(|argument| self.ast.name(argument).to_owned()).collect();
        Err(Problem::ExtentNotConstant { name, at: index.at, arguments })
    }

    /// The `index` arguments that an integer is computed from, if it is from nothing else.
    fn index_arguments(&self, root: Val) -> Vec<Name> {
        let func = self.builder.func();
        let (mut seen, mut stack) = (hashbrown::HashSet::new(), vec![root]);
        let mut arguments = Vec::new();
        while let Some(val) = stack.pop() {
            if !seen.insert(val) {
                continue;
            }
            match func.inst(val) {
                Inst::Param(index) if func.ty(val) == Type::Int && !func.is_array(val) => {
                    arguments.push(self.names.arguments[index as usize].name);
                }
                Inst::Int(_) | Inst::F64(_) | Inst::Bool(_) => {}
                inst if inst.op().is_some() => stack.extend(func.operands(val).iter()),
                _ => return Vec::new(),
            }
        }
        arguments
    }
}
