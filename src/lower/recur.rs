//! Arrays whose clauses refer to elements of the same arrays: `h[0] = a`, `h[t] = f(h[t-1]) for t in 1..=T`.
//!
//! While the clauses are lowered each array is a name for an array that is being made. What its elements are and how many there
//! are follows from the clauses, so these are lowered in passes: a pass **sounds out** what the clauses tell, saying nothing
//! about what isn't known yet, and the next one uses it, until nothing new is found. Then
//! [`order`] compares what is read with what is defined, [`schedule`] looks for the order in which the elements can be computed, and
//! [`build`] makes the loops.

mod build;
mod order;
mod schedule;

use std::rc::Rc;

use super::define::Equation;
use super::groups::Group;
use super::infer::UNKNOWN;
use super::{Lowering, ScopeId, Task, Value};
use crate::ast::{BlockId, Name};
use crate::error::Problem;
use crate::ir::Val;
use crate::ops::Type;

/// Arrays that are made by each other, while their clauses are lowered.
pub(super) struct Recurrence {
    block: BlockId,
    group: Rc<Group>,
    arrays: Vec<Array>,
    /// The clause that is lowered next.
    next: usize,
    /// Whether this pass sounds out; otherwise it reports what is wrong.
    sounding: bool,
    /// Arrays that were taken for conditions to see whether they are, the last one in this pass.
    guessed: Vec<usize>,
    /// How much there was when the pass began.
    before: Before,
}

/// What is known of an array.
struct Array {
    name: Name,
    /// Its clauses, by number in the group.
    clauses: Vec<usize>,
    ty: Type,
    extents: Vec<Option<usize>>,
    /// The shape of what each clause defines.
    row: Vec<usize>,
    /// What the clauses call it in this pass.
    bound: Val,
}

/// The lengths of what grows while clauses are lowered.
struct Before {
    scope: ScopeId,
    depth: usize,
    values: usize,
    clauses: usize,
    subscripts: usize,
    problems: usize,
    warnings: usize,
}

impl Recurrence {
    /// Takes an array for conditions of which no clause says anything as long as it is taken for integers; false if there is none left.
    fn guess(&mut self, equations: &[Vec<Equation>]) -> bool {
        let is_silent = |number: usize| !equations[number].iter().any(is_known);
        if let Some(&last) = self.guessed.last().filter(|&&last| is_silent(last)) {
            self.arrays[last].ty = Type::Int;
        }
        let is_open = |&number: &usize| {
            self.arrays[number].ty == Type::Int && is_silent(number) && !self.guessed.contains(&number)
        };
        let Some(next) = (0..self.arrays.len()).find(is_open) else { return false };
        self.guessed.push(next);
        self.arrays[next].ty = Type::Bool;
        true
    }
}

impl Lowering<'_> {
    /// Makes arrays that are defined by each other; `group` says which clauses of the block are theirs.
    pub(super) fn recurrence(&mut self, block: BlockId, group: &Rc<Group>) -> Result<(), Problem> {
        let mut arrays: Vec<Array> = Vec::new();
        for (number, &statement) in group.statements.iter().enumerate() {
            let Some(clause) = self.names.clauses.get(&(block, statement)).map(Rc::clone) else { continue };
            match arrays.iter_mut().find(|array| array.name == clause.name) {
                Some(array) => array.clauses.push(number),
                None => {
                    let extents = vec![None; clause.places.len()];
                    // Counting is with integers until a clause says otherwise.
                    let bound = self.builder.bound(Type::Int, &vec![UNKNOWN; extents.len()]);
                    let (name, clauses) = (clause.name, vec![number]);
                    arrays.push(Array { name, clauses, ty: Type::Int, extents, row: Vec::new(), bound });
                }
            }
        }
        let before = self.before();
        let recurrence =
            Recurrence { block, group: Rc::clone(group), arrays, next: 0, sounding: true, guessed: Vec::new(), before };
        self.pass(Box::new(recurrence));
        Ok(())
    }

    fn before(&self) -> Before {
        Before {
            scope: self.scope,
            depth: self.depth,
            values: self.values.len(),
            clauses: self.clauses.len(),
            subscripts: self.subscripts.len(),
            problems: self.problems.len(),
            warnings: self.warnings.len(),
        }
    }

    /// Begins a pass over the clauses.
    fn pass(&mut self, mut recurrence: Box<Recurrence>) {
        self.subscripts.truncate(recurrence.before.subscripts);
        self.problems.truncate(recurrence.before.problems);
        self.warnings.truncate(recurrence.before.warnings);
        for array in &mut recurrence.arrays {
            let extents = array.extents.iter().map(|extent| extent.unwrap_or(UNKNOWN));
            let shape: Vec<usize> = extents.chain(array.row.iter().copied()).collect();
            array.bound = self.builder.bound(array.ty, &shape);
            self.define(array.name, Value::Array(array.bound));
        }
        recurrence.next = 0;
        self.tasks.push(Task::Recur(recurrence));
    }

    /// Goes on with the next clause, or with what follows from all.
    pub(super) fn recur(&mut self, mut recurrence: Box<Recurrence>) -> Result<(), Problem> {
        if let Some(&statement) = recurrence.group.statements.get(recurrence.next) {
            let clause = self.names.clauses.get(&(recurrence.block, statement)).map(Rc::clone);
            recurrence.next += 1;
            self.tasks.push(Task::Recur(recurrence));
            return clause.map_or(Ok(()), |clause| self.lower_clause(&clause));
        }
        let mut equations = self.clauses.split_off(recurrence.before.clauses).into_iter().map(Some).collect::<Vec<_>>();
        let equations: Vec<Vec<Equation>> = recurrence
            .arrays
            .iter()
            .map(|array| array.clauses.iter().filter_map(|&clause| equations.get_mut(clause)?.take()).collect())
            .collect();
        if recurrence.sounding {
            if self.learn(&mut recurrence.arrays, &equations) {
                self.pass(recurrence);
                return Ok(());
            }
            if !equations.iter().flatten().all(is_known) {
                recurrence.sounding = recurrence.guess(&equations);
                self.pass(recurrence);
                return Ok(());
            }
        }
        self.forget(&recurrence);
        if !equations.iter().flatten().all(is_known) {
            return Ok(());
        }
        let names: Vec<Name> = recurrence.arrays.iter().map(|array| array.name).collect();
        let bounds: Vec<Val> = recurrence.arrays.iter().map(|array| array.bound).collect();
        for (name, array) in names.into_iter().zip(self.unfold(&equations, &bounds)?) {
            self.define(name, Value::Array(array));
        }
        Ok(())
    }

    /// Whether a clause is lowered to see what it tells: then nothing is reported.
    pub(super) fn is_sounding(&self) -> bool {
        self.tasks.iter().any(|task| matches!(task, Task::Recur(recurrence) if recurrence.sounding))
    }

    /// After a problem in a clause that is sounded out: it tells nothing, and the next one goes on.
    pub(super) fn give_up_clause(&mut self) {
        while let Some(task) = self.tasks.pop() {
            let Task::Recur(recurrence) = task else { continue };
            if !recurrence.sounding {
                continue;
            }
            let Before { scope, depth, values, clauses, .. } = recurrence.before;
            (self.scope, self.depth) = (scope, depth);
            self.values.truncate(values);
            let number = recurrence.next - 1;
            self.clauses.truncate(clauses + number);
            let statement = recurrence.group.statements[number];
            if let Some(clause) = self.names.clauses.get(&(recurrence.block, statement)).map(Rc::clone) {
                self.clauses.push(Equation { clause, closed: None });
            }
            self.tasks.push(Task::Recur(recurrence));
            return;
        }
    }

    /// The arrays mean nothing (yet).
    pub(super) fn forget(&mut self, recurrence: &Recurrence) {
        let scope = &mut self.scopes[recurrence.before.scope.0 as usize];
        for array in &recurrence.arrays {
            scope.names.insert(array.name, Value::Unknown);
        }
    }

    /// Takes from the clauses what they tell about the arrays; whether that is more than before.
    fn learn(&mut self, arrays: &mut [Array], equations: &[Vec<Equation>]) -> bool {
        let mut learnt = false;
        let mut hints: Vec<Vec<Vec<usize>>> = Vec::new();
        for (array, equations) in arrays.iter_mut().zip(equations) {
            learnt |= self.learn_element(array, equations);
            let mut tells = vec![Vec::new(); array.extents.len()];
            for equation in equations {
                for (dimension, tells) in tells.iter_mut().enumerate() {
                    tells.extend(self.tells(equation, dimension));
                }
            }
            for (extent, tells) in array.extents.iter_mut().zip(&tells) {
                if tells.len() == equations.len() {
                    learnt |= take(extent, tells);
                }
            }
            hints.push(tells);
        }
        if learnt {
            return true;
        }
        // What only some clauses tell has to do.
        for (array, tells) in arrays.iter_mut().zip(&hints) {
            for (extent, tells) in array.extents.iter_mut().zip(tells) {
                learnt |= take(extent, tells);
            }
        }
        learnt
    }

    /// The type and the shape of what the clauses of an array define.
    fn learn_element(&self, array: &mut Array, equations: &[Equation]) -> bool {
        let func = self.builder.func();
        let values = || {
            equations.iter().filter_map(|equation| match equation.closed.as_ref()?.body.value {
                Value::Scalar(val) | Value::Array(val) => Some(val),
                Value::Tuple(_) | Value::Function(_) | Value::Unknown => None,
            })
        };
        let has = |ty: Type| values().any(|val| func.ty(val) == ty);
        let ty = [Type::F64, Type::Bool].into_iter().find(|&ty| has(ty)).unwrap_or(Type::Int);
        let is_row = |shape: &&[usize]| !shape.is_empty() && !shape.contains(&UNKNOWN);
        let row = values().map(|val| func.shape(val)).find(is_row).map(<[usize]>::to_vec);
        let mut learnt = false;
        if array.ty == Type::Int && ty != Type::Int {
            array.ty = ty;
            learnt = true;
        }
        if let (Some(row), true) = (row, array.row.is_empty()) {
            array.row = row;
            learnt = true;
        }
        learnt
    }

    /// How far a clause goes in a dimension, if it tells that.
    fn tells(&mut self, equation: &Equation, dimension: usize) -> Option<usize> {
        let set = self.set(equation).ok()?;
        let (_, high) = self.reach(equation, &set, dimension).ok()??;
        Some(usize::try_from(high).unwrap_or(0))
    }
}

/// Whether a clause has a value.
fn is_known(equation: &Equation) -> bool {
    equation.closed.as_ref().is_some_and(|closed| closed.body.value != Value::Unknown)
}

/// An extent is the greatest that is told.
fn take(extent: &mut Option<usize>, tells: &[usize]) -> bool {
    let told = tells.iter().copied().max();
    let is_more = told > *extent;
    *extent = told.max(*extent);
    is_more
}
