//! What each name of a text means, before anything is computed: arguments in order of first appearance, what is
//! defined where, who calls whom.
//!
//! One walk over the statements in the order of the text, with a stack of its own instead of recursion. It finds what is
//! free (the arguments), what is unknown, defined twice or used too early, and wrong numbers of arguments; and it notes what
//! lowering must know beforehand: which parameters a derivative is taken by, which are called as functions.

use hashbrown::{HashMap, HashSet};

use super::builtin::{self, Builtin};
use crate::ast::{Ast, Block, BlockId, Name, NodeKind, Role, Statement, StatementKind, Target, TreeId};
use crate::error::{Problem, Warning, nearest};
use crate::span::Span;

/// An argument of the program.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Argument {
    pub name: Name,
    pub role: Role,
    /// Its declaration or its first use.
    pub at: Span,
}

/// What lowering must know of a function before it sees a call; functions are named by the tree of their body.
#[derive(Clone, Debug, Default)]
pub struct Function {
    pub params: Vec<(Name, Span)>,
    /// Parameters that a derivative in the body is taken by.
    pub differentiated: Vec<bool>,
    /// Parameters that the body calls.
    pub called: Vec<bool>,
    /// Operators of the body with all calls expanded and nothing shared.
    pub size: f64,
}

/// The meaning of the names of a text.
#[derive(Default)]
pub struct Names {
    pub arguments: Vec<Argument>,
    pub functions: HashMap<TreeId, Function>,
    /// Nodes at which the name of a built-in function is the function itself, passed as an argument.
    pub function_values: HashSet<u32>,
    pub problems: Vec<Problem>,
    pub warnings: Vec<Warning>,
}

/// Finds the meaning of every name.
pub fn resolve(ast: &Ast) -> Names {
    let Some(root) = ast.root else { return Names::default() };
    let mut walk = Walk::new(ast);
    let scope = walk.open(None, ast.block(root));
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
}

struct Scope {
    parent: Option<usize>,
    names: HashMap<Name, (Meaning, Span)>,
    /// Everything that the block defines, wherever.
    defines: HashMap<Name, Span>,
}

enum Work {
    Block { block: BlockId, next: usize, scope: usize, owner: Option<TreeId> },
    Bind { statement: (BlockId, usize), scope: usize },
}

struct Walk<'a> {
    ast: &'a Ast,
    scopes: Vec<Scope>,
    work: Vec<Work>,
    found: Names,
    /// Free names with the place of their first use, and whether that was as a function.
    free: HashMap<Name, Span>,
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
            called_builtins: HashMap::new(),
            declares: false,
        }
    }

    fn open(&mut self, parent: Option<usize>, block: &Block) -> usize {
        let mut defines = HashMap::new();
        for statement in &block.statements {
            for (name, span) in defined(statement) {
                defines.entry(name).or_insert(span);
            }
        }
        self.scopes.push(Scope { parent, names: HashMap::new(), defines });
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
                    StatementKind::Define { value, .. } => self.tree(*value, scope, owner, None),
                }
            }
            Work::Bind { statement: (block, index), scope } => {
                let statement = &self.ast.block(block).statements[index];
                match &statement.kind {
                    StatementKind::Expression(_) => {}
                    StatementKind::Declare { role, items } => {
                        self.declares |= matches!(role, Role::Param | Role::Data);
                        for item in items {
                            if self.define(scope, item.name, item.span, Meaning::Argument) {
                                let argument = Argument { name: item.name, role: *role, at: item.span };
                                self.found.arguments.push(argument);
                            }
                        }
                    }
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
            if let Some((_, first)) = names.insert(name, (Meaning::Parameter { function: body, index }, span)) {
                let name = self.ast.name(name).to_owned();
                self.found.problems.push(Problem::DefinedTwice { name, at: span, first });
            }
        }
        let flags = vec![false; params.len()];
        let function = Function { params: params.to_vec(), differentiated: flags.clone(), called: flags, size: 0.0 };
        self.found.functions.insert(body, function);
        self.scopes.push(Scope { parent: Some(scope), names, defines: HashMap::new() });
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
            let operands = match node.kind {
                NodeKind::Number(_)
                | NodeKind::Integer(_)
                | NodeKind::Name { .. }
                | NodeKind::Block(_)
                | NodeKind::Form(_) => 0,
                NodeKind::Unary(_) => 1,
                NodeKind::Binary(_) => 2,
                NodeKind::If => 3,
                NodeKind::Call { args, .. } => args as usize,
                NodeKind::Subscript { subscripts } => subscripts as usize + 1,
                NodeKind::Tuple(n) | NodeKind::Array(n) => n as usize,
            };
            let args = roots.split_off(roots.len().saturating_sub(operands));
            size += f64::from(u8::from(operands > 0));
            match node.kind {
                NodeKind::Block(block) => {
                    let inner = self.open(Some(scope), self.ast.block(block));
                    self.work.push(Work::Block { block, next: 0, scope: inner, owner });
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
        if self.lookup(scope, name).is_some() || self.free.contains_key(&name) {
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
            Some((Meaning::Argument | Meaning::Value, defined)) => {
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
        let program = match self.ast.block(root).statements.last().map(|statement| &statement.kind) {
            Some(StatementKind::Define { target: Target::Function { params, .. }, .. }) => params.as_slice(),
            _ => &[],
        };
        for &(name, at) in program {
            let declared =
                self.found.arguments.iter().find(|argument| argument.name == name).map(|argument| argument.at);
            if let Some(other) = declared.or(self.free.get(&name).copied()) {
                let name = self.ast.name(name).to_owned();
                self.found.problems.push(Problem::ArgumentTwice { name, at, other });
                continue;
            }
            self.found.arguments.push(Argument { name, role: Role::Param, at });
        }
        let mut free: Vec<(Name, Span)> = self.free.iter().map(|(&name, &at)| (name, at)).collect();
        free.sort_by_key(|&(_, at)| at);
        for (name, at) in free {
            let text = self.ast.name(name);
            if let Some(&call) = self.called_builtins.get(&name) {
                self.found.problems.push(Problem::NameAndFunction { name: text.to_owned(), at, call });
            } else if self.declares {
                let declared = self.found.arguments.iter().map(|argument| self.ast.name(argument.name));
                let root_names = self.scopes[0].names.keys().map(|&name| self.ast.name(name));
                let mut known: Vec<&str> = declared.chain(root_names).collect();
                known.sort_unstable();
                let nearest = nearest(text, known).map(str::to_owned);
                self.found.problems.push(Problem::UnknownName { name: text.to_owned(), at, nearest });
            } else {
                if builtin::by_name(text).is_some() {
                    self.found.warnings.push(Warning::FunctionAsName { name: text.to_owned(), at });
                }
                self.found.arguments.push(Argument { name, role: Role::Param, at });
            }
        }
        // Declarations come first; what isn't declared stands where it first appears.
        if !self.declares {
            self.found.arguments.sort_by_key(|argument| argument.at);
        }
        self.found
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
