//! The parsed text, before any name has a meaning.
//!
//! An expression is a tree: a run of [`Node`]s in **postorder** inside one arena, so that walking an
//! expression is a loop over a slice with a stack of values, and dropping it frees one vector. No depth of
//! nesting can overflow the machine's stack. What must not be walked where it stands (the statements of a
//! block, the body of a sum) is a tree of its own, named by its id.
//!
//! `a + f(b)` is the nodes `a`, `b`, `f(1 argument)`, `+`.

use crate::span::Span;

mod print;

/// An interned name, in NFKC form; [`Ast::name`] gives its text.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct Name(pub u32);

/// A tree of the arena.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct TreeId(pub u32);

/// A block of statements: the program, or the statements between `{` and `}`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct BlockId(pub u32);

/// A reduction, comprehension or `iterate`, in the side tables of [`Ast`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct FormId(pub u32);

#[derive(Clone, Debug, Default)]
pub struct Ast {
    pub nodes: Vec<Node>,
    /// Each tree as its range of `nodes`; the last node of the range is the root.
    pub trees: Vec<std::ops::Range<u32>>,
    pub blocks: Vec<Block>,
    pub forms: Vec<Form>,
    pub names: Vec<String>,
    /// The program itself.
    pub root: Option<BlockId>,
}

#[derive(Clone, Debug, Default)]
pub struct Block {
    pub statements: Vec<Statement>,
    pub span: Span,
}

/// One step of an expression. It takes its operands from the values of the nodes before it.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Node {
    pub kind: NodeKind,
    /// The whole subexpression; brackets around it belong to what they stand in: `(a + b)*c` is all of `*` and `a + b`
    /// is all of `+`.
    pub span: Span,
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub enum NodeKind {
    /// A literal with a point or an exponent, or a whole one beyond 64 bits.
    Number(f64),
    /// A whole literal.
    Integer(i64),
    /// A name, followed by `primes` derivative marks (`f'` as a function value).
    Name { name: Name, primes: u32 },
    /// One operand.
    Unary(UnaryOp),
    /// Two operands.
    Binary(BinaryOp),
    /// `if(condition, a, b)`: three operands.
    If,
    /// `f(…)`, `f'(…)`: `args` operands. `callee` is the place of the name with its marks.
    Call { name: Name, primes: u32, args: u32, callee: Span },
    /// `base[i, j]`: the base, then `subscripts` operands.
    Subscript { subscripts: u32 },
    /// `(a, b)` or the last statement `a, b`: this many operands (two or more).
    Tuple(u32),
    /// `[a, b]`: this many operands.
    Array(u32),
    /// `{ … }`: no operands.
    Block(BlockId),
    /// A reduction, comprehension or `iterate`: no operands.
    Form(FormId),
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum UnaryOp {
    Neg,
    Plus,
    Not,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum BinaryOp {
    Or,
    And,
    Lt,
    Le,
    Gt,
    Ge,
    Eq,
    Ne,
    Add,
    Sub,
    Mul,
    Div,
    Pow,
}

/// What binds names of its own and holds trees of its own.
#[derive(Clone, Debug)]
pub enum Form {
    /// `sum[i, j in 0..n if c](e)`; `reduction` is the name before the bracket.
    Reduce { reduction: Name, binders: Vec<Binder>, condition: Option<TreeId>, body: TreeId },
    /// `[e for i in 0..n]`.
    Comprehension { body: TreeId, binders: Vec<Binder> },
    /// `iterate state from start for k in 0..n while c do body`.
    Iterate {
        state: Vec<(Name, Span)>,
        start: TreeId,
        counter: Option<Binder>,
        condition: Option<TreeId>,
        body: TreeId,
    },
}

/// `i`, `i in lo..hi` or `i in lo..=hi`.
#[derive(Clone, Debug)]
pub struct Binder {
    pub name: Name,
    pub span: Span,
    pub range: Option<Range>,
}

#[derive(Clone, Debug)]
pub struct Range {
    pub low: TreeId,
    pub high: TreeId,
    pub closed: bool,
    pub span: Span,
}

#[derive(Clone, Debug)]
pub struct Statement {
    pub kind: StatementKind,
    pub span: Span,
}

#[derive(Clone, Debug)]
pub enum StatementKind {
    /// `param a, W[H, D]`
    Declare { role: Role, items: Vec<Declared> },
    /// `target = value for …`
    Define { target: Target, value: TreeId, ranges: Vec<Binder> },
    /// An expression that stands alone.
    Expression(TreeId),
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Role {
    Param,
    Data,
    Index,
}

#[derive(Clone, Debug)]
pub struct Declared {
    pub name: Name,
    pub span: Span,
    pub shape: Vec<TreeId>,
}

#[derive(Clone, Debug)]
pub enum Target {
    Name(Name, Span),
    Function { name: Name, span: Span, params: Vec<(Name, Span)> },
    Element { name: Name, span: Span, subscripts: Vec<TreeId> },
    Tuple(Vec<(Name, Span)>),
}

impl NodeKind {
    /// How many values before it in the postorder it takes.
    pub fn operands(self) -> usize {
        match self {
            NodeKind::Number(_) | NodeKind::Integer(_) | NodeKind::Name { .. } => 0,
            NodeKind::Block(_) | NodeKind::Form(_) => 0,
            NodeKind::Unary(_) => 1,
            NodeKind::Binary(_) => 2,
            NodeKind::If => 3,
            NodeKind::Call { args, .. } => args as usize,
            NodeKind::Subscript { subscripts } => subscripts as usize + 1,
            NodeKind::Tuple(count) | NodeKind::Array(count) => count as usize,
        }
    }
}

impl BinaryOp {
    /// The operator as it is written.
    pub fn text(self) -> &'static str {
        match self {
            BinaryOp::Or => "or",
            BinaryOp::And => "and",
            BinaryOp::Lt => "<",
            BinaryOp::Le => "<=",
            BinaryOp::Gt => ">",
            BinaryOp::Ge => ">=",
            BinaryOp::Eq => "==",
            BinaryOp::Ne => "!=",
            BinaryOp::Add => "+",
            BinaryOp::Sub => "-",
            BinaryOp::Mul => "*",
            BinaryOp::Div => "/",
            BinaryOp::Pow => "^",
        }
    }
}

impl Ast {
    pub fn name(&self, name: Name) -> &str {
        &self.names[name.0 as usize]
    }

    /// The nodes of a tree, in postorder.
    pub fn tree(&self, tree: TreeId) -> &[Node] {
        let range = &self.trees[tree.0 as usize];
        &self.nodes[range.start as usize..range.end as usize]
    }

    /// The place of a tree in the text: that of its root.
    pub fn tree_span(&self, tree: TreeId) -> Span {
        self.tree(tree).last().map_or(Span::default(), |root| root.span)
    }

    pub fn block(&self, block: BlockId) -> &Block {
        &self.blocks[block.0 as usize]
    }

    pub fn form(&self, form: FormId) -> &Form {
        &self.forms[form.0 as usize]
    }
}
