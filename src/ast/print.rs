//! The tree as text, for reading and for comparing: a line for each statement, expressions in prefix form.
//!
//! ```text
//! param alpha, W[H, D]
//! f(t) = (+ (^ t 2) 1)
//! z[i] = (sum [j in 0..n] (subscript x i j)) for i
//! ```
//!
//! Written with a stack of what is still to be printed, so that no depth of nesting can overflow the machine's.

use super::*;
use std::fmt;

impl fmt::Display for Ast {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Some(root) = self.root else { return Ok(()) };
        let mut todo = Vec::new();
        self.push_statements(&mut todo, root, 0);
        while let Some(item) = todo.pop() {
            match item {
                Item::Text(text) => f.write_str(text)?,
                Item::Name(name) => f.write_str(self.name(name))?,
                Item::Marks(count) => (0..count).try_for_each(|_| f.write_str("'"))?,
                Item::Line(indent) => write!(f, "\n{:1$}", "", 2 * indent.min(WIDEST_INDENT))?,
                Item::Tree(tree, indent) => {
                    let range = &self.trees[tree.0 as usize];
                    let Some(root) = range.end.checked_sub(1) else { continue };
                    let firsts = self.firsts(range.clone()).into();
                    todo.push(Item::Node(Subtree { root, start: range.start, firsts }, indent));
                }
                Item::Node(node, indent) => self.node(f, &mut todo, node, indent)?,
                Item::Statement(block, index, indent) => {
                    self.push_statement(&mut todo, &self.block(block).statements[index], indent);
                }
            }
        }
        f.write_str("\n")
    }
}

/// Deeper blocks are not indented further, or the text would grow with the square of the depth.
const WIDEST_INDENT: usize = 20;

enum Item {
    Text(&'static str),
    Name(Name),
    Marks(u32),
    Line(usize),
    Tree(TreeId, usize),
    Node(Subtree, usize),
    Statement(BlockId, usize, usize),
}

/// The subexpression whose root is this node, in the tree whose nodes begin at `start`.
#[derive(Clone)]
struct Subtree {
    root: u32,
    start: u32,
    /// For each node of the tree the first node of its subexpression.
    firsts: std::rc::Rc<[u32]>,
}

impl Ast {
    fn firsts(&self, range: std::ops::Range<u32>) -> Vec<u32> {
        let mut stack = Vec::new();
        let mut firsts = Vec::with_capacity(range.len());
        for at in range {
            let operands = self.nodes[at as usize].kind.operands();
            let rest = stack.len().saturating_sub(operands);
            let first = stack.get(rest).copied().unwrap_or(at);
            stack.truncate(rest);
            stack.push(first);
            firsts.push(first);
        }
        firsts
    }

    fn push_statements(&self, todo: &mut Vec<Item>, block: BlockId, indent: usize) {
        for index in (0..self.block(block).statements.len()).rev() {
            todo.push(Item::Statement(block, index, indent));
            if index > 0 || indent > 0 {
                todo.push(Item::Line(indent));
            }
        }
    }

    fn push_statement(&self, todo: &mut Vec<Item>, statement: &Statement, indent: usize) {
        let mut items = Vec::new();
        match &statement.kind {
            StatementKind::Declare { role, items: declared } => {
                items.push(Item::Text(match role {
                    Role::Param => "param ",
                    Role::Data => "data ",
                    Role::Index => "index ",
                }));
                for (i, declared) in declared.iter().enumerate() {
                    items.extend((i > 0).then_some(Item::Text(", ")));
                    items.push(Item::Name(declared.name));
                    push_trees(&mut items, &declared.shape, indent);
                }
            }
            StatementKind::Define { target, value, ranges } => {
                match target {
                    Target::Name(name, _) => items.push(Item::Name(*name)),
                    Target::Function { name, params, .. } => {
                        items.push(Item::Name(*name));
                        push_names(&mut items, params);
                    }
                    Target::Element { name, subscripts, .. } => {
                        items.push(Item::Name(*name));
                        push_trees(&mut items, subscripts, indent);
                    }
                    Target::Tuple(names) => push_names(&mut items, names),
                }
                items.push(Item::Text(" = "));
                items.push(Item::Tree(*value, indent));
                if !ranges.is_empty() {
                    items.push(Item::Text(" for "));
                    push_binders(&mut items, ranges, indent);
                }
            }
            StatementKind::Expression(tree) => items.push(Item::Tree(*tree, indent)),
        }
        todo.extend(items.into_iter().rev());
    }

    fn node(&self, f: &mut fmt::Formatter, todo: &mut Vec<Item>, subtree: Subtree, indent: usize) -> fmt::Result {
        let kind = self.nodes[subtree.root as usize].kind;
        let mut items = Vec::new();
        match kind {
            NodeKind::Number(value) => return write!(f, "{value:?}"),
            NodeKind::Integer(value) => return write!(f, "{value}"),
            NodeKind::Name { name, primes } => items.extend([Item::Name(name), Item::Marks(primes)]),
            NodeKind::Form(form) => push_form(&mut items, self.form(form), indent),
            NodeKind::Block(block) => {
                f.write_str("{")?;
                todo.extend([Item::Text("}"), Item::Line(indent)]);
                self.push_statements(todo, block, indent + 1);
            }
            NodeKind::Unary(op) => items.push(Item::Text(unary_sign(op))),
            NodeKind::Binary(op) => items.push(Item::Text(binary_sign(op))),
            NodeKind::If => items.push(Item::Text("(if")),
            NodeKind::Call { name, primes, .. } => {
                items.extend([Item::Text("("), Item::Name(name), Item::Marks(primes)]);
            }
            NodeKind::Subscript { .. } => items.push(Item::Text("(subscript")),
            NodeKind::Tuple(_) => items.push(Item::Text("(tuple")),
            NodeKind::Array(_) => items.push(Item::Text("(array")),
        }
        let is_call = matches!(kind, NodeKind::Call { .. });
        if kind.operands() > 0 || is_call {
            todo.push(Item::Text(")"));
            let mut end = subtree.root;
            for _ in 0..kind.operands() {
                let Some(root) = end.checked_sub(1) else { break };
                todo.push(Item::Node(Subtree { root, ..subtree.clone() }, indent));
                todo.push(Item::Text(" "));
                end = subtree.firsts[(root - subtree.start) as usize];
            }
        }
        todo.extend(items.into_iter().rev());
        Ok(())
    }
}

fn push_form(items: &mut Vec<Item>, form: &Form, indent: usize) {
    match form {
        Form::Reduce { reduction, binders, condition, body } => {
            items.extend([Item::Text("("), Item::Name(*reduction), Item::Text(" [")]);
            push_binders(items, binders, indent);
            if let Some(condition) = condition {
                items.extend([Item::Text(" if "), Item::Tree(*condition, indent)]);
            }
            items.extend([Item::Text("] "), Item::Tree(*body, indent), Item::Text(")")]);
        }
        Form::Comprehension { body, binders } => {
            items.extend([Item::Text("(array "), Item::Tree(*body, indent), Item::Text(" for ")]);
            push_binders(items, binders, indent);
            items.push(Item::Text(")"));
        }
        Form::Iterate { state, start, counter, condition, body } => {
            items.push(Item::Text("(iterate "));
            push_names(items, state);
            items.extend([Item::Text(" from "), Item::Tree(*start, indent)]);
            if let Some(counter) = counter {
                items.push(Item::Text(" for "));
                push_binders(items, std::slice::from_ref(counter), indent);
            }
            if let Some(condition) = condition {
                items.extend([Item::Text(" while "), Item::Tree(*condition, indent)]);
            }
            items.extend([Item::Text(" do "), Item::Tree(*body, indent), Item::Text(")")]);
        }
    }
}

fn push_names(items: &mut Vec<Item>, names: &[(Name, crate::span::Span)]) {
    items.push(Item::Text("("));
    for (i, (name, _)) in names.iter().enumerate() {
        items.extend((i > 0).then_some(Item::Text(", ")));
        items.push(Item::Name(*name));
    }
    items.push(Item::Text(")"));
}

fn push_trees(items: &mut Vec<Item>, trees: &[TreeId], indent: usize) {
    if trees.is_empty() {
        return;
    }
    items.push(Item::Text("["));
    for (i, tree) in trees.iter().enumerate() {
        items.extend((i > 0).then_some(Item::Text(", ")));
        items.push(Item::Tree(*tree, indent));
    }
    items.push(Item::Text("]"));
}

fn push_binders(items: &mut Vec<Item>, binders: &[Binder], indent: usize) {
    for (i, binder) in binders.iter().enumerate() {
        items.extend((i > 0).then_some(Item::Text(", ")));
        items.push(Item::Name(binder.name));
        if let Some(range) = &binder.range {
            let dots = if range.closed { "..=" } else { ".." };
            items.extend([Item::Text(" in "), Item::Tree(range.low, indent)]);
            items.extend([Item::Text(dots), Item::Tree(range.high, indent)]);
        }
    }
}

fn unary_sign(op: UnaryOp) -> &'static str {
    match op {
        UnaryOp::Neg => "(-",
        UnaryOp::Plus => "(+",
        UnaryOp::Not => "(not",
    }
}

fn binary_sign(op: BinaryOp) -> &'static str {
    match op {
        BinaryOp::Or => "(or",
        BinaryOp::And => "(and",
        BinaryOp::Lt => "(<",
        BinaryOp::Le => "(<=",
        BinaryOp::Gt => "(>",
        BinaryOp::Ge => "(>=",
        BinaryOp::Eq => "(==",
        BinaryOp::Ne => "(!=",
        BinaryOp::Add => "(+",
        BinaryOp::Sub => "(-",
        BinaryOp::Mul => "(*",
        BinaryOp::Div => "(/",
        BinaryOp::Pow => "(^",
    }
}
