//! From the parsed text to the graph: names get values, functions are expanded where they are called, derivatives
//! inside the program are taken.
//!
//! Expressions are in postorder, so an expression is lowered by a loop with a stack of values; calls and blocks push
//! tasks on a stack of their own. Nothing recurses on the machine's stack, however deep the text or the calls are.
//!
//! - A function means its body with the arguments put in place. Equal calls (same function, same values) are
//!   expanded once; a program that would explode meets [`Limits::operations`](crate::Limits).
//! - Where a derivative is taken by a parameter, the parameter is an **opaque** value while the body is expanded, and
//!   the argument is put in its place afterwards: `f(t) = t*x; f'(x)` is `x`, not `2*x`.
//! - An index is a name that a region binds; see `lower/forms.rs`. Sizes are numbers by now; see `lower/bind.rs`.
//! - A statement in error leaves its names `Unknown`, and what uses them says nothing more.

mod arith;
mod arrays;
mod bind;
pub mod builtin;
mod calls;
mod checks;
mod define;
mod derivatives;
mod forms;
mod groups;
mod infer;
mod interval;
mod iterate;
mod names;
mod recur;
mod reduce;

use std::rc::Rc;

use hashbrown::HashMap;

use crate::Limits;
use crate::ast::{Ast, BlockId, Name, Node, NodeKind, Role, Statement, StatementKind, Target, TreeId};
use crate::error::{Problem, Warning};
use crate::ir::{Builder, Func, Loop, Output, Val};
use crate::opt;
use crate::span::Span;
use arith::Operand;
pub use bind::Binding;
use builtin::Builtin;
use forms::Frame;
use iterate::Iteration;
pub use names::{Argument, Names, resolve};

/// A program as a graph, with what the text says beside it.
pub struct Lowered {
    pub func: Func,
    /// In the order of the graph's parameters.
    pub arguments: Vec<Argument>,
    /// Definitions at the top of the text, in order: name, place, value. For `trace`.
    pub definitions: Vec<(Name, Span, Val)>,
    /// The sizes of the text with their numbers, in order of first appearance.
    pub sizes: Vec<(String, i64)>,
    /// The `index` arguments whose values are part of the graph, because an extent depends on them.
    pub specialised: Vec<String>,
    pub warnings: Vec<Warning>,
}

/// Lowers a program for the sizes that `binding` gives it.
///
/// # Errors
/// All problems that can be found in one go.
pub fn lower(ast: &Ast, limits: &Limits, binding: &Binding) -> Result<Lowered, Vec<Problem>> {
    let mut names = resolve(ast);
    if !names.problems.is_empty() {
        return Err(names.problems);
    }
    names.arguments.iter_mut().for_each(|argument| argument.shape.clear());
    let mut specialised: Vec<Name> = Vec::new();
    loop {
        let mut lowering = Lowering::new(ast, limits, names.clone(), binding, specialised.clone());
        let lowered = lowering.run();
        // What an extent depends on becomes part of the graph, which is made anew.
        let is_known = |name: &Name| binding.index.contains_key(ast.name(*name)) && !specialised.contains(name);
        let needed: Vec<Name> = lowering.needed.iter().copied().filter(is_known).collect();
        match lowered {
            Err(_) if !needed.is_empty() => specialised.extend(needed),
            lowered => return lowered,
        }
        specialised.sort_unstable();
        specialised.dedup();
    }
}

/// What a name or an expression stands for.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Value {
    Scalar(Val),
    Array(Val),
    Tuple(Rc<[Value]>),
    Function(Function),
    /// What is in error, and has been reported.
    Unknown,
}

/// A function as a value, with the number of derivative marks.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Function {
    body: Body,
    primes: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Body {
    Builtin(Builtin),
    /// A body and the scope that its definition stands in.
    User(TreeId, ScopeId),
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct ScopeId(u32);

struct Scope {
    parent: Option<ScopeId>,
    names: HashMap<Name, Value>,
}

/// What is left to do; the last one is next.
enum Task {
    /// Go on with an expression at a node.
    Tree { tree: TreeId, next: usize },
    /// Go on with a block at a statement; the value of the block is the value of its last statement.
    Block { block: BlockId, next: usize },
    /// Give the value on the stack to the names of a statement.
    Bind { block: BlockId, index: usize },
    /// Leave a scope.
    Leave(ScopeId),
    /// The value of a call is on the stack.
    Return { call: CallKey, opaques: Vec<(Val, Val)>, at: Span },
    /// The value of a function at an opaque argument is on the stack: differentiate it.
    Differentiate { function: Function, opaque: Val, argument: Val, at: Span },
    /// The initial values of an `iterate` are on the stack.
    Start(Box<Iteration>),
    /// The condition and the next values of an `iterate` are on the stack.
    Repeat(Box<Iteration>),
    /// Open the next loop of a form.
    Loops(Box<Frame>),
    /// The bounds of the next loop of a form are on the stack.
    Bounds(Box<Frame>),
    /// The condition and the body of a form are on the stack.
    Close(Box<Frame>),
    /// Go on with the clauses of arrays that are made together.
    Group { block: BlockId, group: Rc<groups::Group>, next: usize },
    /// Go on with the clauses of arrays that are made by each other.
    Recur(Box<recur::Recurrence>),
}

type CallKey = (Function, Vec<Value>);

struct Lowering<'a> {
    ast: &'a Ast,
    limits: &'a Limits,
    binding: &'a Binding,
    names: Names,
    /// The `index` arguments whose values are part of the graph, and those that should be.
    specialised: Vec<Name>,
    needed: Vec<Name>,
    sizes: Vec<(String, i64)>,
    builder: Builder,
    scopes: Vec<Scope>,
    scope: ScopeId,
    tasks: Vec<Task>,
    /// Values of operands, with the node that each is the root of.
    values: Vec<(Value, Node)>,
    calls: HashMap<CallKey, Value>,
    /// `f'` at an opaque argument.
    derivatives: HashMap<Function, (Val, Value)>,
    expansions: usize,
    definitions: Vec<(Name, Span, Val)>,
    problems: Vec<Problem>,
    warnings: Vec<Warning>,
    /// Whether something may fail at run time: integer arithmetic that isn't of constants, and subscripts.
    may_fault: bool,
    /// The subscripts that have been lowered, in order; ranges are inferred from them.
    subscripts: Vec<infer::Subscript>,
    /// The loops of the indices whose ranges are known.
    loops: HashMap<Val, Loop>,
    /// What the text calls the indices.
    index_names: HashMap<Val, Name>,
    /// How many loops of forms are open.
    depth: usize,
    /// Clauses that have been lowered and are not yet an array.
    clauses: Vec<define::Equation>,
    /// Where arrays have elements that no clause defines.
    holes: HashMap<Val, Rc<define::Holes>>,
    /// Elements of such arrays that are read, with the condition that they are defined.
    hole_reads: Vec<(Val, Val)>,
    /// Elements that are read and may not have been made yet.
    early_reads: Vec<Val>,
    /// The regions of `while` without `for`: they must not reach their limit.
    endless: Vec<Val>,
    /// The states of all `iterate`s, and those that are to be numbers because something is differentiated by them.
    states: Vec<Val>,
    real: Vec<Val>,
}

impl<'a> Lowering<'a> {
    fn new(
        ast: &'a Ast,
        limits: &'a Limits,
        mut names: Names,
        binding: &'a Binding,
        specialised: Vec<Name>,
    ) -> Lowering<'a> {
        let warnings = std::mem::take(&mut names.warnings);
        let has_arrays = names.arguments.iter().any(|argument| argument.rank > 0) || !ast.forms.is_empty();
        Lowering {
            ast,
            limits,
            binding,
            may_fault: has_arrays || names.arguments.iter().any(|argument| argument.role == Role::Index),
            names,
            specialised,
            needed: Vec::new(),
            sizes: Vec::new(),
            builder: Builder::new("f"),
            scopes: Vec::new(),
            scope: ScopeId(0),
            tasks: Vec::new(),
            values: Vec::new(),
            calls: HashMap::new(),
            derivatives: HashMap::new(),
            expansions: 0,
            definitions: Vec::new(),
            problems: Vec::new(),
            warnings,
            subscripts: Vec::new(),
            loops: HashMap::new(),
            index_names: HashMap::new(),
            depth: 0,
            clauses: Vec::new(),
            holes: HashMap::new(),
            hole_reads: Vec::new(),
            early_reads: Vec::new(),
            endless: Vec::new(),
            states: Vec::new(),
            real: Vec::new(),
        }
    }

    fn run(&mut self) -> Result<Lowered, Vec<Problem>> {
        let Some(root) = self.ast.root else { return Err(vec![]) };
        self.scopes.push(Scope { parent: None, names: HashMap::new() });
        self.bind_arguments()?;
        self.tasks.push(Task::Block { block: root, next: 0 });
        while let Some(task) = self.tasks.pop() {
            if let Err(problem) = self.step(task) {
                self.recover(problem);
            }
            if self.builder.func().len() > self.limits.operations || self.expansions > self.limits.operations {
                let problem = self.explosion();
                self.problems.push(problem);
                return Err(std::mem::take(&mut self.problems));
            }
        }
        let mut results = self.results(root);
        if !self.problems.is_empty() {
            return Err(std::mem::take(&mut self.problems));
        }
        let roots: Vec<Val> = results.iter().map(|result| result.value).collect();
        self.check_sites(&roots)?;
        // What derivatives inside the program have left behind goes; what has a name stays, used or not.
        let n_results = results.len();
        let named = self.definitions.iter().map(|&(_, _, value)| Output { name: String::new(), value });
        results.extend(named);
        let mut func = opt::compact(&std::mem::take(&mut self.builder).finish(results));
        self.check_memory(&func, root)?;
        for (definition, output) in self.definitions.iter_mut().zip(func.results.drain(n_results..)) {
            definition.2 = output.value;
        }
        Ok(Lowered {
            func,
            arguments: std::mem::take(&mut self.names.arguments),
            definitions: std::mem::take(&mut self.definitions),
            sizes: std::mem::take(&mut self.sizes),
            specialised: self.specialised.iter().map(|&name| self.ast.name(name).to_owned()).collect(),
            warnings: std::mem::take(&mut self.warnings),
        })
    }

    /// After a problem: the statement at the top of the text that it is in has an unknown value, and the next one goes on.
    fn recover(&mut self, problem: Problem) {
        if self.is_sounding() {
            self.give_up_clause();
            return;
        }
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
        while let Some(task) = self.tasks.pop() {
            match task {
                Task::Bind { block, .. } if Some(block) == self.ast.root => {
                    self.tasks.push(task);
                    break;
                }
                Task::Recur(recurrence) => self.forget(&recurrence),
                _ => {}
            }
        }
        self.scope = ScopeId(0);
        self.depth = 0;
        self.clauses.clear();
        self.values.clear();
        self.values.push((Value::Unknown, Node { kind: NodeKind::Integer(0), span: Span::default() }));
    }

    fn explosion(&self) -> Problem {
        let block = self.ast.root.map(|root| self.ast.block(root));
        let at = block.and_then(|block| block.statements.last()).map_or(Span::default(), |statement| statement.span);
        let largest = self.names.functions.values().map(|function| function.size).fold(0.0, f64::max);
        let operations = largest.max(self.builder.func().len() as f64);
        Problem::TooLarge { at, operations, limit: self.limits.operations }
    }

    fn step(&mut self, task: Task) -> Result<(), Problem> {
        match task {
            Task::Tree { tree, next } => self.tree(tree, next),
            Task::Block { block, next } => {
                let statements = &self.ast.block(block).statements;
                let Some(statement) = statements.get(next) else { return Ok(()) };
                self.tasks.push(Task::Block { block, next: next + 1 });
                self.tasks.push(Task::Bind { block, index: next });
                match self.names.groups.get(&(block, next)) {
                    Some(group) => {
                        let group = Rc::clone(group);
                        self.tasks.push(Task::Group { block, group, next: 0 });
                    }
                    None => self.statement(statement),
                }
                Ok(())
            }
            Task::Start(iteration) => self.start(iteration),
            Task::Repeat(iteration) => self.repeat(iteration),
            Task::Loops(frame) => self.open_loop(frame),
            Task::Bounds(frame) => self.bounds(frame),
            Task::Close(frame) => self.close(*frame),
            Task::Group { block, group, next } => self.group(block, &group, next),
            Task::Recur(recurrence) => self.recur(recurrence),
            Task::Bind { block, index } => self.bind(block, index),
            Task::Leave(scope) => {
                self.scope = scope;
                Ok(())
            }
            Task::Return { call, opaques, at } => {
                let Some((mut value, root)) = self.values.pop() else { return Ok(()) };
                for (opaque, argument) in opaques {
                    value = self.put(value, opaque, argument);
                }
                self.calls.insert(call, value.clone());
                self.values.push((value, Node { span: at, ..root }));
                Ok(())
            }
            Task::Differentiate { function, opaque, argument, at } => {
                let Some((value, root)) = self.values.pop() else { return Ok(()) };
                let value = self.nth_derivative(value, opaque, function.primes, at)?;
                self.derivatives.insert(function, (opaque, value.clone()));
                let value = self.put(value, opaque, argument);
                self.values.push((value, Node { span: at, ..root }));
                Ok(())
            }
        }
    }

    fn statement(&mut self, statement: &Statement) {
        match &statement.kind {
            StatementKind::Declare { .. }
            | StatementKind::Define { target: Target::Function { .. } | Target::Element { .. }, .. } => {}
            StatementKind::Define { value, .. } | StatementKind::Expression(value) => {
                self.tasks.push(Task::Tree { tree: *value, next: 0 });
            }
        }
    }

    /// After a statement: its names get their values; the last statement of a block leaves its value.
    fn bind(&mut self, block: BlockId, index: usize) -> Result<(), Problem> {
        let ast = self.ast;
        let statements = &ast.block(block).statements;
        let (statement, last) = (&statements[index], index + 1 == statements.len());
        let is_root = Some(block) == ast.root;
        let value = match &statement.kind {
            StatementKind::Declare { .. } => None,
            StatementKind::Define { target: Target::Function { name, params, .. }, value, .. } => {
                let function = Function { body: Body::User(*value, self.scope), primes: 0 };
                self.define(*name, Value::Function(function));
                if last && is_root {
                    // The function is the program: call it with the arguments.
                    let args: Vec<Value> = params.iter().map(|(name, _)| self.lookup(*name)).collect();
                    let operands = args.into_iter().zip(params).map(|(value, (_, at))| Operand { value, at: *at });
                    let operands: Vec<Operand> = operands.collect();
                    return self.expand(function, operands, statement.span);
                }
                Some(Value::Function(function))
            }
            StatementKind::Expression(_) => self.values.pop().map(|(value, _)| value),
            StatementKind::Define { target: Target::Element { name, .. }, .. } => {
                self.bind_arrays(block, index);
                Some(self.lookup(*name))
            }
            StatementKind::Define { target, value: tree, .. } => {
                let value = self.values.pop().map_or(Value::Unknown, |(value, _)| value);
                match (target, &value) {
                    (Target::Name(name, span), _) => {
                        self.define(*name, value.clone());
                        if let (true, Value::Scalar(val) | Value::Array(val)) = (is_root, &value) {
                            self.definitions.push((*name, *span, *val));
                        }
                    }
                    (Target::Tuple(names), Value::Unknown) => {
                        for (name, _) in names {
                            self.define(*name, Value::Unknown);
                        }
                    }
                    (Target::Tuple(names), Value::Tuple(members)) if names.len() == members.len() => {
                        for ((name, span), member) in names.iter().zip(members.iter()) {
                            self.define(*name, member.clone());
                            if let (true, Value::Scalar(val) | Value::Array(val)) = (is_root, member) {
                                self.definitions.push((*name, *span, *val));
                            }
                        }
                    }
                    (Target::Tuple(names), _) => {
                        for (name, _) in names {
                            self.define(*name, Value::Unknown);
                        }
                        let found = match &value {
                            Value::Tuple(members) => Some(members.len()),
                            _ => None,
                        };
                        let at = ast.tree_span(*tree);
                        let names_at = names[0].1.to(names[names.len() - 1].1);
                        let problem = Problem::TupleSize { at, names_at, names: names.len(), found };
                        if !self.problems.contains(&problem) {
                            self.problems.push(problem);
                        }
                    }
                    (Target::Function { .. } | Target::Element { .. }, _) => {}
                }
                Some(value)
            }
        };
        if last {
            let root = Node { kind: NodeKind::Integer(0), span: statement.span };
            self.values.push((value.unwrap_or(Value::Unknown), root));
        }
        Ok(())
    }

    fn define(&mut self, name: Name, value: Value) {
        self.scopes[self.scope.0 as usize].names.insert(name, value);
    }

    fn lookup(&self, name: Name) -> Value {
        let mut scope = Some(self.scope);
        while let Some(id) = scope {
            let here = &self.scopes[id.0 as usize];
            if let Some(value) = here.names.get(&name) {
                return value.clone();
            }
            scope = here.parent;
        }
        Value::Unknown
    }

    fn open(&mut self, parent: ScopeId) {
        self.scopes.push(Scope { parent: Some(parent), names: HashMap::new() });
        self.tasks.push(Task::Leave(self.scope));
        self.scope = ScopeId(self.scopes.len() as u32 - 1);
    }

    /// Goes through an expression from a node on, until its end or until a call or block must come first.
    fn tree(&mut self, tree: TreeId, next: usize) -> Result<(), Problem> {
        let ast = self.ast;
        let first = ast.trees[tree.0 as usize].start;
        let nodes = ast.tree(tree);
        for (index, &node) in nodes.iter().enumerate().skip(next) {
            self.builder.span = node.span;
            let value = match node.kind {
                NodeKind::Number(value) => Value::Scalar(self.builder.f64(value)),
                NodeKind::Integer(value) => Value::Scalar(self.builder.int(value)),
                NodeKind::Name { name, primes } => self.name(name, primes, first + index as u32),
                _ if self.is_unknown(node.kind) => {
                    self.take(node.kind.operands());
                    Value::Unknown
                }
                NodeKind::Unary(op) => {
                    let [a] = self.whole_operands()?;
                    arith::unary(&mut self.builder, op, &a)?
                }
                NodeKind::Binary(op) => {
                    let names = self.names_of(2);
                    let [a, b] = self.whole_operands()?;
                    arrays::check_operands(&self.builder, op, [&a, &b], names, node.span)?;
                    arith::binary(&mut self.builder, op, &a, &b, self.may_fault)?
                }
                NodeKind::If => {
                    let [c, a, b] = self.whole_operands()?;
                    arith::choose(&mut self.builder, &c, &a, &b)?
                }
                NodeKind::Tuple(n) => {
                    let members = self.values.split_off(self.values.len() - n as usize);
                    Value::Tuple(members.into_iter().map(|(value, _)| value).collect())
                }
                NodeKind::Call { name, primes, args, .. } => {
                    self.tasks.push(Task::Tree { tree, next: index + 1 });
                    return self.call(name, primes, args as usize, node);
                }
                NodeKind::Block(block) => {
                    self.tasks.push(Task::Tree { tree, next: index + 1 });
                    self.open(self.scope);
                    self.tasks.push(Task::Block { block, next: 0 });
                    return Ok(());
                }
                NodeKind::Subscript { subscripts } => {
                    self.rounded(subscripts as usize);
                    let operands = self.take(subscripts as usize + 1);
                    self.subscript(&operands, node.span)?
                }
                NodeKind::Array(n) => {
                    let members = self.take(n as usize);
                    self.literal(&members, node.span)?
                }
                NodeKind::Form(form) => {
                    self.tasks.push(Task::Tree { tree, next: index + 1 });
                    return self.form(form, node.span);
                }
            };
            self.values.push((value, node));
        }
        Ok(())
    }

    /// Whether an operand has been reported: then nothing more is said.
    fn is_unknown(&self, kind: NodeKind) -> bool {
        let is_operator = !matches!(kind, NodeKind::Call { .. } | NodeKind::Tuple(_));
        let operands = &self.values[self.values.len() - kind.operands()..];
        is_operator && operands.iter().any(|(value, _)| *value == Value::Unknown)
    }

    /// The names that the last values have in the text, for messages.
    fn names_of(&self, n: usize) -> Vec<Option<String>> {
        let name = |(_, node): &(Value, Node)| match node.kind {
            NodeKind::Name { name, primes: 0 } => Some(self.ast.name(name).to_owned()),
            NodeKind::Integer(value) => Some(value.to_string()),
            NodeKind::Number(value) => Some(value.to_string()),
            _ => None,
        };
        self.values[self.values.len() - n..].iter().map(name).collect()
    }

    /// The operands of an operator: arrays among them are looked at as a whole.
    fn whole_operands<const N: usize>(&mut self) -> Result<[Operand; N], Problem> {
        let operands = self.operands();
        for operand in &operands {
            if let Value::Array(val) = operand.value {
                self.check_complete(val, operand.at)?;
            }
        }
        Ok(operands)
    }

    fn operands<const N: usize>(&mut self) -> [Operand; N] {
        let mut operands = self.take(N).into_iter();
        std::array::from_fn(|_| operands.next().unwrap_or(Operand { value: Value::Unknown, at: Span::default() }))
    }

    fn take(&mut self, n: usize) -> Vec<Operand> {
        let start = self.values.len().saturating_sub(n);
        self.values.drain(start..).map(|(value, node)| Operand { value, at: node.span }).collect()
    }

    fn name(&mut self, name: Name, primes: u32, node: u32) -> Value {
        match self.lookup(name) {
            Value::Function(function) => Value::Function(Function { primes: function.primes + primes, ..function }),
            Value::Unknown => {
                let text = self.ast.name(name);
                if primes > 0 || self.names.function_values.contains(&node) {
                    match builtin::by_name(text) {
                        Some(builtin) => Value::Function(Function { body: Body::Builtin(builtin), primes }),
                        None => Value::Unknown,
                    }
                } else {
                    builtin::constant(text).map_or(Value::Unknown, |value| Value::Scalar(self.builder.f64(value)))
                }
            }
            value => value,
        }
    }

    /// The results of the program, from the value that its last statement left.
    fn results(&mut self, root: BlockId) -> Vec<Output> {
        let ast = self.ast;
        let Some(last) = ast.block(root).statements.last() else { return Vec::new() };
        let value = self.values.pop().map_or(Value::Unknown, |(value, _)| value);
        // What the results are called: the names that they consist of.
        let mut result_names: Vec<String> = Vec::new();
        let mut at = last.span;
        match &last.kind {
            StatementKind::Declare { .. } => {
                self.problems.push(Problem::NoResult { at: last.span });
                return Vec::new();
            }
            StatementKind::Define { target: Target::Name(name, _) | Target::Element { name, .. }, .. } => {
                result_names.push(ast.name(*name).to_owned())
            }
            StatementKind::Define { target: Target::Tuple(names), .. } => {
                result_names.extend(names.iter().map(|(name, _)| ast.name(*name).to_owned()));
            }
            StatementKind::Define { target: Target::Function { .. }, .. } => {}
            StatementKind::Expression(tree) => {
                at = ast.tree_span(*tree);
                let nodes = ast.tree(*tree);
                let (members, tuple) = match nodes.last().map(|node| node.kind) {
                    Some(NodeKind::Tuple(n)) => (&nodes[..nodes.len() - 1], n as usize),
                    _ => (nodes, 1),
                };
                // In postorder a member ends with its root, and the member before it ends where it begins.
                let mut end = members.len();
                for _ in 0..tuple {
                    let Some(root) = end.checked_sub(1) else { break };
                    result_names.push(match members[root].kind {
                        NodeKind::Name { name, primes: 0 } => ast.name(name).to_owned(),
                        _ => String::new(),
                    });
                    let mut missing = 1;
                    while missing > 0 && end > 0 {
                        end -= 1;
                        missing = missing - 1 + members[end].kind.operands();
                    }
                }
                result_names.reverse();
            }
        }
        let members = match value {
            Value::Unknown => return Vec::new(),
            Value::Tuple(members) => members.to_vec(),
            value => vec![value],
        };
        let several = members.len() > 1;
        let mut outputs = Vec::new();
        for (index, value) in members.into_iter().enumerate() {
            let own = result_names.get(index).filter(|name| !name.is_empty()).cloned();
            let name = own.unwrap_or_else(|| if several { format!("y{index}") } else { String::new() });
            match self.result(&Operand { value, at }) {
                Ok(value) => outputs.push(Output { name, value }),
                Err(problem) => self.problems.push(problem),
            }
        }
        outputs
    }
}
