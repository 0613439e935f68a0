//! Expressions as mathematics: shared like the graph, but with sums and products of any number of members.
//!
//! ```text
//! sum       c1*t1 + c2*t2 + …     coefficients are numbers; like terms have met
//! scaled    c*t                   a sum of one term
//! product   b1^p1 * b2^p2 * …     no coefficient; equal bases have met; a quotient has powers -1
//! ```
//!
//! Equal expressions are one node, also where their terms stand in another order; the order that came first is
//! the one that is shown. Operands come before their users, so a loop over all nodes visits operands first.
//! The functions that make sums and products, which keep these forms, are in `algebra` and `logic`.

use hashbrown::HashMap;

use super::number::{self, Number};
use crate::ops::Op;

/// A node by its index.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct Id(pub u32);

impl Id {
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A coefficient and what it multiplies; a constant term multiplies [`Dag::ONE`].
pub type Term = (Number, Id);

/// A base and its exponent.
pub type Factor = (Id, Id);

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Symbol {
    Pi,
    Tau,
    Infinity,
    NotANumber,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Relation {
    Lt,
    Le,
    Gt,
    Ge,
    Eq,
    Ne,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Node {
    Argument(u32),
    Number(Number),
    Symbol(Symbol),
    Bool(bool),
    /// The coefficient is not 1, and the operand neither a number nor scaled itself.
    Scaled(Number, Id),
    /// Two terms or more, in the order in which they are shown.
    Sum(Box<[Term]>),
    /// In the order of [`Dag::place_in_product`]; one factor only if it has an exponent.
    Product(Box<[Factor]>),
    Call(Op, Box<[Id]>),
    Compare(Relation, Id, Id),
    Not(Id),
    And(Id, Id),
    Or(Id, Id),
    Choose(Id, Id, Id),
    /// An index that goes from the second up to, but not including, the third. The number tells it from the indices around it.
    Index(u32, Id, Id),
    /// What the body of an `iterate` calls its state.
    Local(u32),
    /// An array with a name, or a loop with states; its statement stands beside the expressions.
    Defined(u32),
    /// The last value of a state of a defined loop, with the indices that the loop depends on.
    Last(u32, u32, Box<[Id]>),
    /// An array, then its subscripts.
    Element(Box<[Id]>),
    /// A number made of all values of the body, over indices, where the condition holds.
    Reduce(Reducer, Box<[Id]>, Id, Id),
    /// An array by its element, over indices.
    Map(Box<[Id]>, Id),
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Reducer {
    Sum,
    Min,
    Max,
}

/// What is known of a node from its operands.
#[derive(Clone, Default)]
pub struct Facts {
    /// The indices that it depends on, sorted.
    pub free: Box<[Id]>,
    /// About how long it is as text, in tokens.
    pub length: usize,
    /// Whether there is a sum or the like in it.
    pub reduces: bool,
    /// Whether it depends on a state of an `iterate` around it.
    pub is_local: bool,
}

/// All expressions of one text.
pub struct Dag {
    nodes: Vec<Node>,
    table: HashMap<Node, Id>,
    /// Whether a node is without arguments.
    constant: Vec<bool>,
    /// Whether a node has a value whatever the arguments are.
    total: Vec<bool>,
    facts: Vec<Facts>,
}

impl Dag {
    pub const ZERO: Id = Id(0);
    pub const ONE: Id = Id(1);

    pub fn new() -> Dag {
        let mut dag = Dag {
            nodes: Vec::new(),
            table: HashMap::new(),
            constant: Vec::new(),
            total: Vec::new(),
            facts: Vec::new(),
        };
        dag.number(number::ZERO);
        dag.number(number::ONE);
        dag
    }

    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    pub fn node(&self, id: Id) -> &Node {
        &self.nodes[id.index()]
    }

    pub fn ids(&self) -> impl DoubleEndedIterator<Item = Id> + use<> {
        (0..self.nodes.len() as u32).map(Id)
    }

    pub fn number(&mut self, value: Number) -> Id {
        self.intern(Node::Number(value))
    }

    pub fn whole(&mut self, value: i64) -> Id {
        self.number(Number::whole(value))
    }

    pub fn as_number(&self, id: Id) -> Option<Number> {
        match *self.node(id) {
            Node::Number(value) => Some(value),
            _ => None,
        }
    }

    pub fn as_whole(&self, id: Id) -> Option<i64> {
        self.as_number(id)?.as_whole()
    }

    /// Whether there are no arguments in it.
    pub fn is_constant(&self, id: Id) -> bool {
        self.constant[id.index()]
    }

    /// Whether it has a value whatever the arguments are. No is no answer.
    pub fn is_total(&self, id: Id) -> bool {
        self.total[id.index()]
    }

    pub fn facts(&self, id: Id) -> &Facts {
        &self.facts[id.index()]
    }

    pub fn intern(&mut self, node: Node) -> Id {
        let key = match &node {
            Node::Sum(terms) => {
                let mut terms = terms.clone();
                terms.sort_by_key(|&(_, of)| of);
                Node::Sum(terms)
            }
            _ => node.clone(),
        };
        if let Some(&id) = self.table.get(&key) {
            return id;
        }
        let id = Id(self.nodes.len() as u32);
        let mut constant =
            !matches!(node, Node::Argument(_) | Node::Index(..) | Node::Local(_) | Node::Defined(_) | Node::Last(..));
        let facts = self.facts_of(id, &node);
        let mut total = self.is_total_itself(&node);
        node.for_each_operand(|operand| {
            constant &= self.is_constant(operand);
            total &= self.is_total(operand);
        });
        self.table.insert(key, id);
        self.nodes.push(node);
        self.constant.push(constant);
        self.total.push(total);
        self.facts.push(facts);
        id
    }

    fn facts_of(&self, id: Id, node: &Node) -> Facts {
        let mut facts = Facts { length: 1, ..Facts::default() };
        let mut free: Vec<Id> = Vec::new();
        node.for_each_operand(|operand| {
            let of = self.facts(operand);
            free.extend(of.free.iter());
            facts.length = facts.length.saturating_add(of.length);
            facts.reduces |= of.reduces;
            facts.is_local |= of.is_local;
        });
        match node {
            Node::Index(..) => {
                free.push(id);
                facts.length = 1;
            }
            Node::Local(_) => facts.is_local = true,
            Node::Reduce(_, binders, ..) | Node::Map(binders, _) => {
                free.retain(|index| !binders.contains(index));
                facts.reduces = true;
            }
            _ => {}
        }
        free.sort_unstable();
        free.dedup();
        facts.free = free.into();
        facts
    }

    fn is_total_itself(&self, node: &Node) -> bool {
        use Op::*;
        match node {
            Node::Symbol(symbol) => *symbol != Symbol::NotANumber,
            Node::Defined(_) | Node::Last(..) | Node::Local(_) => false,
            Node::Product(factors) => {
                factors.iter().all(|&(_, power)| self.as_whole(power).is_some_and(|power| power >= 0))
            }
            Node::Call(op, _) => matches!(
                op,
                Exp | Expm1
                    | Exp2
                    | Sin
                    | Cos
                    | Atan
                    | Atan2
                    | Sinh
                    | Cosh
                    | Tanh
                    | Asinh
                    | Sinc
                    | Abs
                    | Sign
                    | Floor
                    | Ceil
                    | Round
                    | Trunc
                    | Min
                    | Max
                    | Clamp
                    | Erf
                    | Erfc
                    | Sigmoid
                    | Softplus
                    | Relu
                    | LeakyRelu
                    | Silu
                    | Gelu
                    | Hypot
                    | Cbrt
            ),
            _ => true,
        }
    }
}

impl Node {
    /// Whether two nodes of the same operands would be the same.
    pub fn is_like(&self, other: &Node) -> bool {
        match (self, other) {
            (Node::Scaled(a, _), Node::Scaled(b, _)) => a == b,
            (Node::Sum(a), Node::Sum(b)) => a.iter().map(|term| term.0).eq(b.iter().map(|term| term.0)),
            (Node::Call(a, _), Node::Call(b, _)) => a == b,
            (Node::Compare(a, ..), Node::Compare(b, ..)) => a == b,
            (Node::Index(a, ..), Node::Index(b, ..)) => a == b,
            (Node::Last(a, x, _), Node::Last(b, y, _)) => (a, x) == (b, y),
            (Node::Reduce(a, x, ..), Node::Reduce(b, y, ..)) => (a, x.len()) == (b, y.len()),
            (
                Node::Product(_)
                | Node::Not(_)
                | Node::And(..)
                | Node::Or(..)
                | Node::Choose(..)
                | Node::Element(_)
                | Node::Map(..),
                other,
            ) => std::mem::discriminant(self) == std::mem::discriminant(other),
            (a, b) => a == b,
        }
    }

    pub fn for_each_operand(&self, mut visit: impl FnMut(Id)) {
        match self {
            Node::Argument(_)
            | Node::Number(_)
            | Node::Symbol(_)
            | Node::Bool(_)
            | Node::Local(_)
            | Node::Defined(_) => {}
            Node::Index(_, low, high) => {
                visit(*low);
                visit(*high);
            }
            Node::Last(_, _, indices) => indices.iter().for_each(|&index| visit(index)),
            Node::Element(list) => list.iter().for_each(|&each| visit(each)),
            Node::Reduce(_, binders, condition, body) => {
                binders.iter().for_each(|&binder| visit(binder));
                visit(*condition);
                visit(*body);
            }
            Node::Map(binders, body) => {
                binders.iter().for_each(|&binder| visit(binder));
                visit(*body);
            }
            Node::Scaled(_, a) | Node::Not(a) => visit(*a),
            Node::Sum(terms) => terms.iter().for_each(|&(_, of)| visit(of)),
            Node::Product(factors) => {
                for &(base, power) in factors {
                    visit(base);
                    visit(power);
                }
            }
            Node::Call(_, args) => args.iter().for_each(|&arg| visit(arg)),
            Node::Compare(_, a, b) | Node::And(a, b) | Node::Or(a, b) => {
                visit(*a);
                visit(*b);
            }
            Node::Choose(c, a, b) => {
                visit(*c);
                visit(*a);
                visit(*b);
            }
        }
    }
}
