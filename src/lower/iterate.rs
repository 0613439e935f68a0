//! `iterate`: a loop whose turns hand on a state.
//!
//! The states are names that a region binds while the condition and the body are lowered; afterwards the region is closed with what the
//! body says comes next. A state that begins as an integer and goes on as a number is a number: then the body is lowered
//! once more.

use super::arith;
use super::{Lowering, Task, Value};
use crate::ast::{Binder, Form, FormId, Name, Node, NodeKind, TreeId};
use crate::error::Problem;
use crate::ir::{Loop, Region, State, Val};
use crate::ops::{Op, Type};
use crate::span::Span;

/// An `iterate` whose parts are being lowered.
pub(super) struct Iteration {
    names: Vec<(Name, Span)>,
    counter: Option<Binder>,
    condition: Option<TreeId>,
    body: TreeId,
    start: TreeId,
    at: Span,
    /// The bounds of the counter.
    range: Option<(Val, Val)>,
    /// The initial values.
    inits: Vec<Val>,
    /// What the body calls the states, and the counter.
    bound: Vec<Val>,
    index: Option<Val>,
}

impl Lowering<'_> {
    /// Pushes the tasks that make the value of an `iterate`.
    pub(super) fn iterate(&mut self, form: FormId, at: Span) {
        let Form::Iterate { state, start, counter, condition, body } = self.ast.form(form) else { return };
        let iteration = Iteration {
            names: state.clone(),
            counter: counter.clone(),
            condition: *condition,
            body: *body,
            start: *start,
            at,
            range: None,
            inits: Vec::new(),
            bound: Vec::new(),
            index: None,
        };
        let range = counter.as_ref().and_then(|counter| counter.range.as_ref());
        self.tasks.push(Task::Start(Box::new(iteration)));
        self.tasks.push(Task::Tree { tree: *start, next: 0 });
        if let Some(range) = range {
            self.tasks.push(Task::Tree { tree: range.high, next: 0 });
            self.tasks.push(Task::Tree { tree: range.low, next: 0 });
        }
    }

    /// The bounds of the counter and the initial values are on the stack.
    pub(super) fn start(&mut self, mut iteration: Box<Iteration>) -> Result<(), Problem> {
        let [start] = self.operands();
        let mut known = start.value != Value::Unknown;
        if let Some(counter) = &iteration.counter {
            let Some(range) = &counter.range else {
                let name = self.ast.name(counter.name).to_owned();
                return Err(Problem::NoRange { name, at: counter.span });
            };
            let [low, high] = self.operands();
            if low.value == Value::Unknown || high.value == Value::Unknown {
                known = false;
            } else {
                let (low, mut high) = (self.integer(&low)?, self.integer(&high)?);
                if range.closed {
                    let one = self.builder.int(1);
                    high = self.builder.binary(Op::IAdd, high, one);
                }
                iteration.range = Some((low, high));
            }
        }
        if !known {
            return self.leave(Value::Unknown, iteration.at);
        }
        for value in self.members(&start.value, &iteration, iteration.start)? {
            match value {
                Value::Scalar(val) => iteration.inits.push(val),
                Value::Array(val) => {
                    self.check_complete(val, start.at)?;
                    iteration.inits.push(val);
                }
                other => {
                    let found = arith::kind(&self.builder, &other);
                    return Err(Problem::WrongKind { at: start.at, wanted: "a number or an array", found });
                }
            }
        }
        self.turn(iteration);
        Ok(())
    }

    /// The values of the states, from the value of the whole.
    fn members(&self, value: &Value, iteration: &Iteration, tree: TreeId) -> Result<Vec<Value>, Problem> {
        let (names, at) = (&iteration.names, self.ast.tree_span(tree));
        let members = match value {
            Value::Tuple(members) => members.to_vec(),
            value => vec![value.clone()],
        };
        if members.len() == names.len() {
            return Ok(members);
        }
        let names_at = names[0].1.to(names[names.len() - 1].1);
        let found = matches!(value, Value::Tuple(_)).then_some(members.len());
        Err(Problem::TupleSize { at, names_at, names: names.len(), found })
    }

    /// Pushes the tasks that lower the condition and the body, with names for what changes.
    fn turn(&mut self, mut iteration: Box<Iteration>) {
        self.open(self.scope);
        if let (Some(counter), Some((low, high))) = (&iteration.counter, iteration.range) {
            self.builder.span = counter.span;
            let index = self.builder.index();
            self.loops.insert(index, Loop::up(index, low, high));
            self.define(counter.name, Value::Scalar(index));
            iteration.index = Some(index);
        }
        iteration.bound.clear();
        for (&(name, at), &init) in iteration.names.iter().zip(&iteration.inits) {
            self.builder.span = at;
            let (ty, shape) = (self.builder.func().ty(init), self.builder.func().shape(init).to_vec());
            let bound = self.builder.bound(ty, &shape);
            let value = self.value(bound);
            self.define(name, value);
            iteration.bound.push(bound);
            self.states.push(bound);
        }
        let (condition, body) = (iteration.condition, iteration.body);
        self.tasks.push(Task::Repeat(iteration));
        self.tasks.push(Task::Tree { tree: body, next: 0 });
        self.tasks.extend(condition.map(|tree| Task::Tree { tree, next: 0 }));
    }

    /// The condition and the next values are on the stack.
    pub(super) fn repeat(&mut self, mut iteration: Box<Iteration>) -> Result<(), Problem> {
        let [next] = self.operands();
        let mut going = None;
        if iteration.condition.is_some() {
            let [condition] = self.operands();
            if condition.value != Value::Unknown {
                going = Some(arith::condition(&self.builder, &condition)?);
            }
        }
        let mut again = false;
        for (place, bound) in iteration.bound.clone().into_iter().enumerate() {
            if self.real.contains(&bound) {
                iteration.inits[place] = self.numbers(iteration.inits[place], iteration.names[place].1)?;
                again = true;
            }
        }
        if again {
            self.turn(iteration);
            return Ok(());
        }
        if next.value == Value::Unknown || (iteration.condition.is_some() && going.is_none()) {
            return self.leave(Value::Unknown, iteration.at);
        }
        let mut states = Vec::new();
        for (place, value) in self.members(&next.value, &iteration, iteration.body)?.into_iter().enumerate() {
            let (init, bound) = (iteration.inits[place], iteration.bound[place]);
            let type_of = |val: Val| self.builder.func().ty(val);
            let mut next_val = match value {
                Value::Scalar(val) | Value::Array(val) => val,
                Value::Tuple(_) | Value::Function(_) | Value::Unknown => {
                    return Err(self.changes(&iteration, place, &value));
                }
            };
            match (type_of(init), type_of(next_val)) {
                (Type::Int, Type::F64) => {
                    iteration.inits[place] = self.numbers(init, iteration.names[place].1)?;
                    again = true;
                }
                (Type::F64, Type::Int) => next_val = self.numbers(next_val, next.at)?,
                (was, is) if was != is => return Err(self.changes(&iteration, place, &value)),
                _ => {}
            }
            if self.builder.func().shape(init) != self.builder.func().shape(next_val) {
                return Err(self.changes(&iteration, place, &value));
            }
            if let Value::Array(val) = value {
                self.check_complete(val, next.at)?;
            }
            states.push(State { bound, init, next: next_val });
        }
        if again {
            self.turn(iteration);
            return Ok(());
        }
        self.builder.span = iteration.at;
        let endless = iteration.range.is_none();
        let (low, high) = match iteration.range {
            Some(range) => range,
            None => (self.builder.int(0), self.builder.int(self.limits.turns)),
        };
        let index = match iteration.index {
            Some(index) => index,
            None => self.builder.index(),
        };
        let count = states.len();
        let loops = Box::new([Loop::up(index, low, high)]);
        let region = self.builder.region(Region { loops, states: states.into(), going, ..Region::default() });
        if endless {
            self.endless.push(region);
        }
        let mut values: Vec<Value> = Vec::new();
        for number in 0..count {
            let result = self.builder.result(region, number);
            values.push(self.value(result));
        }
        let value = if count == 1 { values.swap_remove(0) } else { Value::Tuple(values.into()) };
        self.leave(value, iteration.at)
    }

    fn leave(&mut self, value: Value, at: Span) -> Result<(), Problem> {
        self.values.push((value, Node { kind: NodeKind::Integer(0), span: at }));
        Ok(())
    }

    /// A state that goes on as something else than it begins with.
    fn changes(&self, iteration: &Iteration, place: usize, next: &Value) -> Problem {
        let (name, state_at) = iteration.names[place];
        let init = self.value(iteration.inits[place]);
        Problem::StateChanges {
            name: self.ast.name(name).to_owned(),
            at: self.ast.tree_span(iteration.body),
            state_at,
            before: self.describe(&init),
            after: self.describe(next),
        }
    }

    fn describe(&self, value: &Value) -> String {
        let kind = arith::kind(&self.builder, value);
        match value {
            Value::Array(val) => format!("{kind} of shape {:?}", self.builder.func().shape(*val)),
            _ => kind.to_owned(),
        }
    }
}
