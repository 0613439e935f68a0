//! What each name of a text means, before anything is computed: arguments in order of first appearance, what is
//! defined where, who calls whom.
//!
//! One walk over the statements in the order of the text, with a stack of its own instead of recursion. It finds what is
//! free (the arguments), what is unknown, defined twice or used too early, and wrong numbers of arguments; and it notes what
//! lowering must know beforehand: which parameters a derivative is taken by, which are called as functions.

use std::rc::Rc;

use hashbrown::{HashMap, HashSet};

use super::builtin::{self, Builtin};
use super::forms::DEEPEST;
use super::groups::{self, Group};
use crate::ast::{Ast, Binder, BlockId, Form, FormId, Name, NodeKind, Role, Statement, StatementKind, Target, TreeId};
use crate::error::{Problem, Warning, nearest};
use crate::span::Span;

/// An argument of the program.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Argument {
    pub name: Name,
    pub role: Role,
    /// Its declaration or its first use.
    pub at: Span,
    /// The number of its dimensions; 0 for a number.
    pub rank: usize,
    /// Its extents as they are declared; of what isn't declared, nothing.
    pub dims: Vec<TreeId>,
    /// Its extents. They are known when the sizes are bound.
    pub shape: Vec<usize>,
}

/// One equation of an array: `z[0, j] = …`.
#[derive(Clone, Debug)]
pub struct Clause {
    pub name: Name,
    /// The left side.
    pub at: Span,
    /// What each left subscript is.
    pub places: Vec<Place>,
    /// The indices, in an order in which their ranges can be known.
    pub binders: Rc<[Binder]>,
    pub value: TreeId,
}

/// A subscript of a left side.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// The index with this number among the clause's binders.
    Index(usize),
    Fixed(TreeId),
}

/// What lowering must know of a function before it sees a call; functions are named by the tree of their body.
#[derive(Clone, Debug, Default)]
pub struct Function {
    pub params: Vec<(Name, Span)>,
    /// Parameters that a derivative in the body is taken by.
    pub differentiated: Vec<bool>,
    /// Parameters that the body calls.
    pub called: Vec<bool>,
    /// Parameters that the body subscripts: with how many subscripts, and where.
    subscripted: Vec<Subscripted>,
    /// Operators of the body with all calls expanded and nothing shared.
    pub size: f64,
}

/// The meaning of the names of a text.
#[derive(Clone, Default)]
pub struct Names {
    pub arguments: Vec<Argument>,
    pub functions: HashMap<TreeId, Function>,
    /// Nodes at which the name of a built-in function is the function itself, passed as an argument.
    pub function_values: HashSet<u32>,
    /// Names of declared extents that are nothing else, in order of first appearance.
    pub sizes: Vec<(Name, Span)>,
    /// The clauses of arrays, by block and number of the statement.
    pub clauses: HashMap<(BlockId, usize), Rc<Clause>>,
    /// The arrays made together, by block and number of the last clause.
    pub groups: HashMap<(BlockId, usize), Rc<Group>>,
    /// Whether an argument is an array whose extents aren't numbers in the text.
    open_shapes: bool,
    /// Whether an array's extent may depend on the value of an `index` argument.
    makes_arrays: bool,
    pub problems: Vec<Problem>,
    pub warnings: Vec<Warning>,
}

impl Names {
    /// Whether sizes, shapes or values of integers must be known before there is a graph.
    pub fn needs_binding(&self) -> bool {
        let has_index = || self.arguments.iter().any(|argument| argument.role == Role::Index && argument.rank == 0);
        self.open_shapes || !self.sizes.is_empty() || (self.makes_arrays && has_index())
    }
}

/// How often a name is subscripted: the number of subscripts with the first place, and another number with its first place.
type Subscripted = Option<((usize, Span), Option<(usize, Span)>)>;

/// Finds the meaning of every name.
pub fn resolve(ast: &Ast) -> Names {
    let Some(root) = ast.root else { return Names::default() };
    let mut walk = Walk::new(ast);
    let scope = walk.open(None, root);
    walk.work.push(Work::Block { block: root, next: 0, scope, owner: None });
    while let Some(work) = walk.work.pop() {
        walk.step(work);
    }
    walk.finish(root)
}

#[derive(Clone, Copy)]
enum Meaning {
    Argument,
    Value,
    Function(TreeId),
    Parameter { function: TreeId, index: usize },
    Index,
    Size,
}

struct Scope {
    parent: Option<usize>,
    names: HashMap<Name, (Meaning, Span)>,
    /// Everything that the block defines, wherever.
    defines: HashMap<Name, Span>,
    /// How many indices there are around it.
    loops: usize,
}

enum Work {
    Block { block: BlockId, next: usize, scope: usize, owner: Option<TreeId> },
    Bind { statement: (BlockId, usize), scope: usize },
    Form { form: FormId, scope: usize, owner: Option<TreeId> },
}

struct Walk<'a> {
    ast: &'a Ast,
    scopes: Vec<Scope>,
    work: Vec<Work>,
    found: Names,
    /// Free names with the place of their first use.
    free: HashMap<Name, Span>,
    /// Which of them are subscripted.
    subscripted: HashMap<Name, Subscripted>,
    /// The names of all declarations, wherever they stand.
    declared: HashSet<Name>,
    called_builtins: HashMap<Name, Span>,
    declares: bool,
}

impl<'a> Walk<'a> {
    fn new(ast: &'a Ast) -> Walk<'a> {
        Walk {
            ast,
            scopes: Vec::new(),
            work: Vec::new(),
            found: Names::default(),
            free: HashMap::new(),
            subscripted: HashMap::new(),
            declared: declared(ast),
            called_builtins: HashMap::new(),
            declares: false,
        }
    }

    fn open(&mut self, parent: Option<usize>, block: BlockId) -> usize {
        let mut defines = HashMap::new();
        for statement in &self.ast.block(block).statements {
            for (name, span) in defined(statement) {
                defines.entry(name).or_insert(span);
            }
        }
        for group in groups::of_block(self.ast, block) {
            let group = Rc::new(group);
            for &statement in &group.statements {
                self.found.groups.insert((block, statement), Rc::clone(&group));
            }
        }
        let loops = parent.map_or(0, |parent| self.scopes[parent].loops);
        self.scopes.push(Scope { parent, names: HashMap::new(), defines, loops });
        self.scopes.len() - 1
    }

    fn step(&mut self, work: Work) {
        match work {
            Work::Block { block, next, scope, owner } => {
                let Some(statement) = self.ast.block(block).statements.get(next) else { return };
                self.work.push(Work::Block { block, next: next + 1, scope, owner });
                self.work.push(Work::Bind { statement: (block, next), scope });
                match &statement.kind {
                    StatementKind::Declare { .. } => {}
                    StatementKind::Expression(tree) => self.tree(*tree, scope, owner, None),
                    StatementKind::Define { target: Target::Function { name, params, .. }, value, .. } => {
                        let inner = self.function_scope(*value, params, scope);
                        self.tree(*value, inner, Some(*value), Some(*name));
                    }
                    StatementKind::Define { target: Target::Element { name, span, subscripts }, value, ranges } => {
                        let clause = (block, next);
                        self.clause(clause, (*name, *span), subscripts, ranges, *value, scope, owner);
                    }
                    StatementKind::Define { value, .. } => self.tree(*value, scope, owner, None),
                }
            }
            Work::Form { form, scope, owner } => self.form(form, scope, owner),
            Work::Bind { statement: (block, index), scope } => {
                let statement = &self.ast.block(block).statements[index];
                match &statement.kind {
                    StatementKind::Expression(_) => {}
                    StatementKind::Declare { role, items } => {
                        self.declares |= matches!(role, Role::Param | Role::Data);
                        for item in items {
                            if self.define(scope, item.name, item.span, Meaning::Argument) {
                                self.found.arguments.push(Argument {
                                    name: item.name,
                                    role: *role,
                                    at: item.span,
                                    rank: item.shape.len(),
                                    dims: item.shape.clone(),
                                    shape: Vec::new(),
                                });
                            }
                            item.shape.iter().for_each(|&dim| self.sizes(dim, scope));
                        }
                    }
                    StatementKind::Define { target: Target::Element { .. }, .. } => self.array(block, index, scope),
                    StatementKind::Define { target, value, .. } => {
                        let meaning = match target {
                            Target::Function { .. } => Meaning::Function(*value),
                            Target::Name(..) | Target::Element { .. } | Target::Tuple(_) => Meaning::Value,
                        };
                        for (name, span) in defined(statement) {
                            self.define(scope, name, span, meaning);
                        }
                    }
                }
            }
        }
    }

    fn function_scope(&mut self, body: TreeId, params: &[(Name, Span)], scope: usize) -> usize {
        let mut names = HashMap::new();
        for (index, &(name, span)) in params.iter().enumerate() {
            self.warn_of_hiding(scope, name, span);
            if let Some((_, first)) = names.insert(name, (Meaning::Parameter { function: body, index }, span)) {
                let name = self.ast.name(name).to_owned();
                self.found.problems.push(Problem::DefinedTwice { name, at: span, first });
            }
        }
        let flags = vec![false; params.len()];
        let function = Function {
            params: params.to_vec(),
            subscripted: vec![None; params.len()],
            differentiated: flags.clone(),
            called: flags,
            size: 0.0,
        };
        self.found.functions.insert(body, function);
        let loops = self.scopes[scope].loops;
        self.scopes.push(Scope { parent: Some(scope), names, defines: HashMap::new(), loops });
        self.scopes.len() - 1
    }

    /// Defines a name, unless it or an enclosing block has it already.
    fn define(&mut self, scope: usize, name: Name, span: Span, meaning: Meaning) -> bool {
        if let Some((_, first)) = self.lookup(scope, name) {
            let name = self.ast.name(name).to_owned();
            self.found.problems.push(Problem::DefinedTwice { name, at: span, first });
            return false;
        }
        self.scopes[scope].names.insert(name, (meaning, span));
        true
    }

    fn lookup(&self, scope: usize, name: Name) -> Option<(Meaning, Span)> {
        let mut scope = Some(scope);
        while let Some(index) = scope {
            if let Some(&found) = self.scopes[index].names.get(&name) {
                return Some(found);
            }
            scope = self.scopes[index].parent;
        }
        None
    }

    /// Where an enclosing block defines the name further down.
    fn defined_later(&self, scope: usize, name: Name) -> Option<Span> {
        let mut scope = Some(scope);
        while let Some(index) = scope {
            if let Some(&span) = self.scopes[index].defines.get(&name) {
                return Some(span);
            }
            scope = self.scopes[index].parent;
        }
        None
    }

    /// Walks an expression. `owner` is the function whose body it is part of, `defining` the name that the whole will have.
    fn tree(&mut self, tree: TreeId, scope: usize, owner: Option<TreeId>, defining: Option<Name>) {
        let start = self.ast.trees[tree.0 as usize].start;
        let nodes = self.ast.tree(tree);
        let mut size = 0.0;
        // The roots of the operands so far, as indices into the nodes of this tree.
        let mut roots: Vec<usize> = Vec::new();
        for (index, node) in nodes.iter().enumerate() {
            let operands = node.kind.operands();
            let args = roots.split_off(roots.len().saturating_sub(operands));
            size += f64::from(u8::from(operands > 0));
            match node.kind {
                NodeKind::Block(block) => {
                    let inner = self.open(Some(scope), block);
                    self.work.push(Work::Block { block, next: 0, scope: inner, owner });
                }
                NodeKind::Form(form) => self.work.push(Work::Form { form, scope, owner }),
                NodeKind::Subscript { subscripts } => {
                    if let NodeKind::Name { name, primes: 0 } = nodes[args[0]].kind {
                        self.subscript(scope, name, subscripts as usize, node.span);
                    }
                }
                NodeKind::Name { name, primes } if primes > 0 => {
                    self.callee(scope, name, primes, node.span, defining);
                }
                NodeKind::Call { name, primes, args: count, callee } => {
                    if let Some(function) = self.callee(scope, name, primes, callee, defining) {
                        size += self.call(
                            scope,
                            function,
                            name,
                            primes,
                            count as usize,
                            node.span,
                            callee,
                            &args,
                            start,
                            nodes,
                        );
                    }
                }
                _ => {}
            }
            roots.push(index);
        }
        for (index, node) in nodes.iter().enumerate() {
            if let NodeKind::Name { name, primes: 0 } = node.kind
                && !self.found.function_values.contains(&(start + index as u32))
            {
                self.variable(scope, name, node.span);
            }
        }
        if let Some(function) = owner.and_then(|owner| self.found.functions.get_mut(&owner)) {
            function.size += size;
        }
    }

    /// A name that stands without a call.
    fn variable(&mut self, scope: usize, name: Name, at: Span) {
        if self.lookup(scope, name).is_some() {
            return;
        }
        if let Some(first) = self.free.get_mut(&name) {
            *first = at.min(*first);
            return;
        }
        if let Some(defined) = self.defined_later(scope, name) {
            let name = self.ast.name(name).to_owned();
            self.found.problems.push(Problem::UsedTooEarly { name, at, defined });
        } else if builtin::constant(self.ast.name(name)).is_none() {
            self.free.insert(name, at);
        }
    }

    /// A name that is called or marked; what it means, unless it is in error.
    fn callee(&mut self, scope: usize, name: Name, primes: u32, at: Span, defining: Option<Name>) -> Option<Callee> {
        match self.lookup(scope, name) {
            Some((Meaning::Function(body), _)) => Some(Callee::User(body)),
            Some((Meaning::Parameter { function, index }, _)) => {
                if let Some(function) = self.found.functions.get_mut(&function) {
                    function.called[index] = true;
                }
                Some(Callee::Unknown)
            }
            Some((Meaning::Argument | Meaning::Value | Meaning::Index | Meaning::Size, defined)) => {
                let name = self.ast.name(name).to_owned();
                self.found.problems.push(Problem::NotFunction { name, at, defined: Some(defined) });
                None
            }
            None => {
                let text = self.ast.name(name);
                if defining == Some(name) {
                    self.found.problems.push(Problem::CallsItself { name: text.to_owned(), at });
                } else if let Some(defined) = self.defined_later(scope, name) {
                    self.found.problems.push(Problem::UsedTooEarly { name: text.to_owned(), at, defined });
                } else if let Some(builtin) = builtin::by_name(text) {
                    self.called_builtins.entry(name).or_insert(at);
                    if primes > 0 && builtin.arity() != (1, 1) {
                        self.found.problems.push(Problem::MarkNeedsOneArgument { name: text.to_owned(), at });
                    }
                    return Some(Callee::Builtin(builtin));
                } else if self.free.contains_key(&name) {
                    self.found.problems.push(Problem::NotFunction { name: text.to_owned(), at, defined: None });
                } else {
                    let mut known = self.visible(scope);
                    known.extend(builtin::names().map(|name: &str| name));
                    let nearest = nearest(text, known).map(str::to_owned);
                    self.found.problems.push(Problem::UnknownFunction { name: text.to_owned(), at, nearest });
                }
                None
            }
        }
    }

    /// The names of functions that can be seen.
    fn visible(&self, scope: usize) -> Vec<&'a str> {
        let mut names: Vec<&'a str> = Vec::new();
        let mut scope = Some(scope);
        while let Some(index) = scope {
            for (name, (meaning, _)) in &self.scopes[index].names {
                if matches!(meaning, Meaning::Function(_)) {
                    names.push(self.ast.name(*name));
                }
            }
            scope = self.scopes[index].parent;
        }
        names.sort_unstable();
        names
    }

    /// Checks a call; its size when expanded.
    #[expect(clippy::too_many_arguments, reason = "the parts of one node and where it stands")]
    fn call(
        &mut self,
        scope: usize,
        function: Callee,
        name: Name,
        primes: u32,
        count: usize,
        at: Span,
        callee: Span,
        args: &[usize],
        start: u32,
        nodes: &[crate::ast::Node],
    ) -> f64 {
        let bare = |arg: usize| match nodes[arg].kind {
            NodeKind::Name { name, primes: 0 } => Some(name),
            _ => None,
        };
        let wrong = |at: Span, found: usize, (least, most): (usize, usize), defined: Option<Span>, name: &str| {
            Problem::WrongArity { name: name.to_owned(), at, callee, found, least, most, defined }
        };
        let text = self.ast.name(name);
        match function {
            Callee::Unknown => 0.0,
            Callee::Builtin(builtin) => {
                let (least, most) = builtin.arity();
                if count < least || count > most {
                    self.found.problems.push(wrong(at, count, (least, most), None, text));
                } else if builtin.is_derivative()
                    && let Some(by) = bare(args[1])
                    && let Some((Meaning::Parameter { function, index }, _)) = self.lookup(scope, by)
                    && let Some(function) = self.found.functions.get_mut(&function)
                {
                    function.differentiated[index] = true;
                }
                0.0
            }
            Callee::User(body) => {
                let Some(function) = self.found.functions.get(&body) else { return 0.0 };
                let defined = self.lookup(scope, name).map(|(_, span)| span);
                let arity = function.params.len();
                if primes > 0 && arity != 1 {
                    self.found.problems.push(Problem::MarkNeedsOneArgument { name: text.to_owned(), at: callee });
                } else if count != arity {
                    self.found.problems.push(wrong(at, count, (arity, arity), defined, text));
                } else {
                    let called: Vec<usize> =
                        args.iter().zip(&function.called).filter_map(|(&arg, &called)| called.then_some(arg)).collect();
                    let size = function.size * 4f64.powi(primes as i32);
                    for arg in called {
                        self.function_argument(scope, bare(arg), start + arg as u32);
                    }
                    return size;
                }
                0.0
            }
        }
    }

    /// An argument whose parameter is called: the name of a built-in function stands for the function, and a parameter
    /// passed on is called too.
    fn function_argument(&mut self, scope: usize, name: Option<Name>, node: u32) {
        let Some(name) = name else { return };
        match self.lookup(scope, name) {
            Some((Meaning::Parameter { function, index }, _)) => {
                if let Some(function) = self.found.functions.get_mut(&function) {
                    function.called[index] = true;
                }
            }
            Some(_) => {}
            None => {
                if builtin::by_name(self.ast.name(name)).is_some() {
                    self.found.function_values.insert(node);
                }
            }
        }
    }

    /// Makes arguments of what is free, in order of first appearance.
    fn finish(mut self, root: BlockId) -> Names {
        let (params, body) = match self.ast.block(root).statements.last().map(|statement| &statement.kind) {
            Some(StatementKind::Define { target: Target::Function { params, .. }, value, .. }) => {
                (params.as_slice(), Some(*value))
            }
            _ => (&[][..], None),
        };
        for (index, &(name, at)) in params.iter().enumerate() {
            let declared =
                self.found.arguments.iter().find(|argument| argument.name == name).map(|argument| argument.at);
            if let Some(other) = declared.or(self.free.get(&name).copied()) {
                let name = self.ast.name(name).to_owned();
                self.found.problems.push(Problem::ArgumentTwice { name, at, other });
                continue;
            }
            let function = body.and_then(|body| self.found.functions.get(&body));
            let subscripted = function.and_then(|function| function.subscripted[index]);
            self.argument(name, at, subscripted);
        }
        let mut free: Vec<(Name, Span)> = self.free.iter().map(|(&name, &at)| (name, at)).collect();
        free.sort_by_key(|&(_, at)| at);
        for (name, at) in free {
            let text = self.ast.name(name);
            if let Some(&call) = self.called_builtins.get(&name) {
                self.found.problems.push(Problem::NameAndFunction { name: text.to_owned(), at, call });
            } else if self.declares {
                let sizes = self.found.sizes.iter().map(|&(name, _)| self.ast.name(name));
                let arguments = self.found.arguments.iter().map(|argument| self.ast.name(argument.name));
                let declared = arguments.chain(sizes);
                let root_names = self.scopes[0].names.keys().map(|&name| self.ast.name(name));
                let mut known: Vec<&str> = declared.chain(root_names).collect();
                known.sort_unstable();
                let nearest = nearest(text, known).map(str::to_owned);
                self.found.problems.push(Problem::UnknownName { name: text.to_owned(), at, nearest });
            } else {
                if builtin::by_name(text).is_some() {
                    self.found.warnings.push(Warning::FunctionAsName { name: text.to_owned(), at });
                }
                let subscripted = self.subscripted.get(&name).copied().flatten();
                self.argument(name, at, subscripted);
            }
        }
        // Declarations come first; what isn't declared stands where it first appears.
        if !self.declares {
            self.found.arguments.sort_by_key(|argument| argument.at);
        }
        // What stands under the last clause only is asked for.
        self.found.groups.retain(|&(_, statement), group| group.statements.last() == Some(&statement));
        self.found
    }

    /// An argument that isn't declared.
    fn argument(&mut self, name: Name, at: Span, subscripted: Subscripted) {
        if let Some(((_, first), Some((_, other)))) = subscripted {
            let name = self.ast.name(name).to_owned();
            self.found.problems.push(Problem::UnclearRank { name, at: first, other });
        }
        let rank = subscripted.map_or(0, |((rank, _), _)| rank);
        self.found.open_shapes |= rank > 0;
        let argument = Argument { name, role: Role::Param, at, rank, dims: Vec::new(), shape: Vec::new() };
        self.found.arguments.push(argument);
    }

    /// A name that is subscripted.
    fn subscript(&mut self, scope: usize, name: Name, count: usize, at: Span) {
        let subscripted = match self.lookup(scope, name) {
            Some((Meaning::Parameter { function, index }, _)) => match self.found.functions.get_mut(&function) {
                Some(function) => &mut function.subscripted[index],
                None => return,
            },
            Some(_) => return,
            None => self.subscripted.entry(name).or_default(),
        };
        match subscripted {
            None => *subscripted = Some(((count, at), None)),
            Some((first, other @ None)) if first.0 != count => *other = Some((count, at)),
            Some(_) => {}
        }
    }

    /// The names in a declared extent are sizes, unless they are declared.
    fn sizes(&mut self, dim: TreeId, scope: usize) {
        for node in self.ast.tree(dim) {
            let NodeKind::Name { name, .. } = node.kind else { continue };
            self.found.open_shapes = true;
            let is_known = self.declared.contains(&name) || self.lookup(scope, name).is_some();
            if !is_known && builtin::constant(self.ast.name(name)).is_none() {
                self.define(scope, name, node.span, Meaning::Size);
                self.found.sizes.push((name, node.span));
            }
        }
    }

    /// Hiding a size or an index is seldom meant.
    fn warn_of_hiding(&mut self, scope: usize, name: Name, at: Span) {
        if let Some((Meaning::Index | Meaning::Size, other)) = self.lookup(scope, name) {
            self.found.warnings.push(Warning::Hides { name: self.ast.name(name).to_owned(), at, other });
        }
    }

    /// A scope with one more name, which may hide others.
    fn inner(&mut self, parent: usize, name: Name, at: Span, meaning: Meaning) -> usize {
        self.warn_of_hiding(parent, name, at);
        let names = HashMap::from_iter([(name, (meaning, at))]);
        let loops = self.scopes[parent].loops + usize::from(matches!(meaning, Meaning::Index));
        self.scopes.push(Scope { parent: Some(parent), names, defines: HashMap::new(), loops });
        self.scopes.len() - 1
    }

    /// The scope inside indices, unless these are too many; the range of each sees those before it.
    fn binders(&mut self, binders: &[Binder], mut scope: usize, owner: Option<TreeId>) -> Option<usize> {
        if let Some(last) = binders.last().filter(|_| self.scopes[scope].loops + binders.len() > DEEPEST) {
            self.found.problems.push(Problem::TooManyLoops { at: last.span, limit: DEEPEST });
            return None;
        }
        for (index, binder) in binders.iter().enumerate() {
            if let Some(first) = binders[..index].iter().find(|first| first.name == binder.name) {
                let name = self.ast.name(binder.name).to_owned();
                self.found.problems.push(Problem::DefinedTwice { name, at: binder.span, first: first.span });
            }
            if let Some(range) = &binder.range {
                self.tree(range.low, scope, owner, None);
                self.tree(range.high, scope, owner, None);
            }
            scope = self.inner(scope, binder.name, binder.span, Meaning::Index);
        }
        Some(scope)
    }

    fn form(&mut self, form: FormId, scope: usize, owner: Option<TreeId>) {
        match self.ast.form(form) {
            Form::Reduce { reduction, binders, condition, body } => {
                let inner = if self.ast.name(*reduction) == "softmax" {
                    Some(self.shares(binders, scope, owner))
                } else {
                    self.binders(binders, scope, owner)
                };
                let Some(inner) = inner else { return };
                condition.iter().for_each(|&condition| self.tree(condition, inner, owner, None));
                self.tree(*body, inner, owner, None);
            }
            Form::Comprehension { body, binders } => {
                self.found.makes_arrays = true;
                let Some(inner) = self.binders(binders, scope, owner) else { return };
                self.tree(*body, inner, owner, None);
            }
            Form::Iterate { state, start, counter, condition, body } => {
                self.tree(*start, scope, owner, None);
                let Some(mut inner) = self.binders(counter.as_slice(), scope, owner) else { return };
                for &(name, at) in state {
                    inner = self.inner(inner, name, at, Meaning::Value);
                }
                condition.iter().for_each(|&condition| self.tree(condition, inner, owner, None));
                self.tree(*body, inner, owner, None);
            }
        }
    }

    /// `softmax[k](e)` binds nothing: `k` is an index already.
    fn shares(&mut self, binders: &[Binder], mut scope: usize, owner: Option<TreeId>) -> usize {
        for binder in binders {
            if let Some(range) = &binder.range {
                self.tree(range.low, scope, owner, None);
                self.tree(range.high, scope, owner, None);
            }
            // What a parameter is shows when the function is expanded.
            if !matches!(self.lookup(scope, binder.name), Some((Meaning::Index | Meaning::Parameter { .. }, _))) {
                let name = self.ast.name(binder.name).to_owned();
                self.found.problems.push(Problem::SoftmaxWithoutIndex { name, at: binder.span });
                scope = self.inner(scope, binder.name, binder.span, Meaning::Index);
            }
        }
        scope
    }

    /// `name[subscripts] = value for ranges`
    #[expect(clippy::too_many_arguments, reason = "the parts of one statement and where it stands")]
    fn clause(
        &mut self,
        statement: (BlockId, usize),
        (name, at): (Name, Span),
        subscripts: &[TreeId],
        ranges: &[Binder],
        value: TreeId,
        scope: usize,
        owner: Option<TreeId>,
    ) {
        self.found.makes_arrays = true;
        let mut binders: Vec<Binder> = Vec::new();
        let mut places = Vec::new();
        for &subscript in subscripts {
            let index = self.left_index(subscript, ranges, scope);
            let Some((index, span)) = index else {
                places.push(Place::Fixed(subscript));
                continue;
            };
            let known = binders.iter().position(|binder| binder.name == index);
            places.push(Place::Index(known.unwrap_or(binders.len())));
            if known.is_none() {
                let range = ranges.iter().find(|range| range.name == index);
                let binder = Binder { name: index, span, range: None };
                binders.push(range.cloned().unwrap_or(binder));
            }
        }
        for range in ranges {
            if !binders.iter().any(|binder| binder.name == range.name) {
                let name = self.ast.name(range.name).to_owned();
                self.found.problems.push(Problem::RangeOfNothing { name, at: range.span, left: at });
            }
        }
        let mut inner = scope;
        for place in &places {
            let Place::Fixed(tree) = *place else { continue };
            match self.shifted(tree, &binders, scope) {
                Some((index, span)) => {
                    let at = self.ast.tree_span(tree);
                    self.found.problems.push(Problem::ShiftedPlace { at });
                    inner = self.inner(inner, index, span, Meaning::Index);
                }
                None => self.tree(tree, scope, owner, None),
            }
        }
        let group = self.found.groups.get(&statement).map(Rc::clone);
        for &array in group.iter().filter(|group| group.recurrent).flat_map(|group| &group.names) {
            if self.lookup(scope, array).is_none() {
                inner = self.inner(inner, array, at, Meaning::Value);
            }
        }
        // A range may depend on the indices whose ranges stand before it, and on those without.
        let order = |binder: &Binder| ranges.iter().position(|range| range.name == binder.name);
        let mut order: Vec<(Option<usize>, usize)> = binders.iter().map(order).zip(0..).collect();
        order.sort_unstable();
        for place in &mut places {
            if let Place::Index(index) = place {
                *index = order.iter().position(|&(_, old)| old == *index).unwrap_or(*index);
            }
        }
        let binders: Rc<[Binder]> = order.iter().map(|&(_, index)| binders[index].clone()).collect();
        let Some(inner) = self.binders(&binders, inner, owner) else { return };
        self.tree(value, inner, owner, None);
        let clause = Clause {
            name,
            at: subscripts.iter().fold(at, |at, &tree| at.to(self.ast.tree_span(tree))),
            places,
            binders,
            value,
        };
        self.found.clauses.insert(statement, Rc::new(clause));
    }

    /// The index that a left subscript binds: a name that has no meaning yet, or whose range is given.
    fn left_index(&self, subscript: TreeId, ranges: &[Binder], scope: usize) -> Option<(Name, Span)> {
        let [node] = self.ast.tree(subscript) else { return None };
        let NodeKind::Name { name, primes: 0 } = node.kind else { return None };
        let has_meaning = self.lookup(scope, name).is_some() || self.free.contains_key(&name);
        (!has_meaning || ranges.iter().any(|range| range.name == name)).then_some((name, node.span))
    }

    /// What looks like an index in a fixed place: `i` in `z[i + 1]`.
    fn shifted(&self, place: TreeId, binders: &[Binder], scope: usize) -> Option<(Name, Span)> {
        self.ast.tree(place).iter().find_map(|node| {
            let NodeKind::Name { name, primes: 0 } = node.kind else { return None };
            let has_meaning = self.lookup(scope, name).is_some() || builtin::constant(self.ast.name(name)).is_some();
            (!has_meaning || binders.iter().any(|binder| binder.name == name)).then_some((name, node.span))
        })
    }

    /// After a clause: the arrays whose last clause it is have their names.
    fn array(&mut self, block: BlockId, index: usize, scope: usize) {
        let Some(group) = self.found.groups.get(&(block, index)).map(Rc::clone) else { return };
        if group.statements.last() != Some(&index) {
            return;
        }
        let mut first: HashMap<Name, Rc<Clause>> = HashMap::new();
        for &statement in &group.statements {
            let Some(clause) = self.found.clauses.get(&(block, statement)).map(Rc::clone) else { continue };
            match first.get(&clause.name) {
                None => {
                    self.define(scope, clause.name, clause.at, Meaning::Value);
                    first.insert(clause.name, clause);
                }
                Some(first) if first.places.len() != clause.places.len() => {
                    let name = self.ast.name(clause.name).to_owned();
                    self.found.problems.push(Problem::UnclearRank { name, at: clause.at, other: first.at });
                }
                Some(_) => {}
            }
        }
    }
}

enum Callee {
    User(TreeId),
    Builtin(Builtin),
    /// A parameter: which function it is shows when the call is expanded.
    Unknown,
}

/// The names that a statement defines.
fn defined(statement: &Statement) -> Vec<(Name, Span)> {
    match &statement.kind {
        StatementKind::Expression(_) | StatementKind::Declare { .. } => Vec::new(),
        StatementKind::Define { target, .. } => match target {
            Target::Name(name, span) | Target::Function { name, span, .. } | Target::Element { name, span, .. } => {
                vec![(*name, *span)]
            }
            Target::Tuple(names) => names.clone(),
        },
    }
}

/// The names that are declared anywhere in the text.
fn declared(ast: &Ast) -> HashSet<Name> {
    let statements = ast.root.iter().flat_map(|&root| &ast.block(root).statements);
    let items = statements.flat_map(|statement| match &statement.kind {
        StatementKind::Declare { items, .. } => items.as_slice(),
        StatementKind::Define { .. } | StatementKind::Expression(_) => &[],
    });
    items.map(|item| item.name).collect()
}
