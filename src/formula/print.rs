//! One expression as text.
//!
//! A product shows its positive powers above and its negative ones below a single bar: `3*x/(2*y*z)`. Brackets stand where the
//! language's levels ask for them, and around whatever is divided by, if it is more than one factor.
//! The text is written from a stack of pieces, so no depth of nesting is too deep.

use hashbrown::HashMap;

use super::dag::{Dag, Factor, Id, Node, Relation, Symbol};
use super::number::{Number, ONE};
use crate::ops::Op;

/// How tightly an expression holds together; the levels of the language.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Any,
    And,
    Not,
    Compare,
    Sum,
    Product,
    Power,
    Atom,
}

const HALF: Number = Number::Ratio(1, 2);

enum Piece {
    Text(&'static str),
    Owned(String),
    Node(Id, Level),
}

use Piece::{Owned, Text};

/// How expressions are written: what is called by a name, and what the arguments are called.
pub struct Printer<'a> {
    pub dag: &'a Dag,
    pub arguments: Vec<&'a str>,
    pub names: &'a HashMap<Id, String>,
}

impl Printer<'_> {
    /// The text of an expression, written out even if it has a name.
    pub fn text(&self, root: Id) -> String {
        let mut text = String::new();
        let mut stack = Vec::new();
        let (_, pieces) = self.pieces(root);
        stack.extend(pieces.into_iter().rev());
        while let Some(piece) = stack.pop() {
            match piece {
                Text(part) => text.push_str(part),
                Owned(part) => text.push_str(&part),
                Piece::Node(id, least) => {
                    if let Some(name) = self.names.get(&id) {
                        text.push_str(name);
                        continue;
                    }
                    let (level, pieces) = self.pieces(id);
                    if level < least {
                        text.push('(');
                        stack.push(Text(")"));
                    }
                    stack.extend(pieces.into_iter().rev());
                }
            }
        }
        text
    }

    /// The name of an expression, or else its text.
    pub fn mention(&self, id: Id) -> String {
        self.names.get(&id).cloned().unwrap_or_else(|| self.text(id))
    }

    fn pieces(&self, id: Id) -> (Level, Vec<Piece>) {
        let any = |id: Id| Piece::Node(id, Level::Any);
        match self.dag.node(id) {
            Node::Argument(index) => (Level::Atom, vec![Owned(self.arguments[*index as usize].to_owned())]),
            Node::Bool(value) => (Level::Compare, vec![Text(if *value { "0 == 0" } else { "0 != 0" })]),
            Node::Symbol(symbol) => self.symbol(*symbol),
            Node::Number(value) => number(*value),
            Node::Scaled(coefficient, of) => {
                let mut pieces = Vec::new();
                let level = if coefficient.is_negative() { Level::Sum } else { Level::Product };
                if coefficient.is_negative() {
                    pieces.push(Text("-"));
                }
                pieces.extend(self.term(coefficient.abs(), *of));
                (level, pieces)
            }
            Node::Sum(terms) => {
                let mut pieces = Vec::new();
                for (place, &(coefficient, of)) in terms.iter().enumerate() {
                    pieces.push(Text(match (place, coefficient.is_negative()) {
                        (0, false) => "",
                        (0, true) => "-",
                        (_, false) => " + ",
                        (_, true) => " - ",
                    }));
                    pieces.extend(self.term(coefficient.abs(), of));
                }
                (Level::Sum, pieces)
            }
            Node::Product(factors) => match factors[..] {
                [(base, power)] if !self.is_below(power) => (
                    if self.dag.as_number(power) == Some(HALF) { Level::Atom } else { Level::Power },
                    self.power(base, power, Level::Power),
                ),
                _ => (Level::Product, self.product(ONE, factors)),
            },
            Node::Call(op, args) => (Level::Atom, self.call(*op, args)),
            Node::Not(a) => (Level::Not, vec![Text("not "), Piece::Node(*a, Level::Not)]),
            Node::Compare(relation, a, b) => {
                let sign = format!(" {} ", relation.sign());
                (Level::Compare, vec![Piece::Node(*a, Level::Sum), Owned(sign), Piece::Node(*b, Level::Sum)])
            }
            Node::And(a, b) => {
                (Level::And, vec![Piece::Node(*a, Level::And), Text(" and "), Piece::Node(*b, Level::And)])
            }
            Node::Or(a, b) => (Level::Any, vec![any(*a), Text(" or "), any(*b)]),
            Node::Choose(c, a, b) => {
                if let (Some(u), Dag::ONE, Dag::ZERO) = (self.positive(*c), *a, *b) {
                    return (Level::Atom, vec![Text("step("), any(u), Text(")")]);
                }
                let pieces = vec![Text("if("), any(*c), Text(", "), any(*a), Text(", "), any(*b), Text(")")];
                (Level::Atom, pieces)
            }
        }
    }

    /// `u` of `u > 0`.
    fn positive(&self, condition: Id) -> Option<Id> {
        match *self.dag.node(condition) {
            Node::Compare(Relation::Gt, u, Dag::ZERO) if !self.names.contains_key(&condition) => Some(u),
            _ => None,
        }
    }

    /// A constant by its name, or by its value where an argument is called so.
    fn symbol(&self, symbol: Symbol) -> (Level, Vec<Piece>) {
        let (name, value) = match symbol {
            Symbol::Pi => ("pi", (Level::Atom, "3.141592653589793")),
            Symbol::Tau => ("tau", (Level::Atom, "6.283185307179586")),
            Symbol::Infinity => ("inf", (Level::Product, "1/0")),
            Symbol::NotANumber => return (Level::Product, vec![Text("0/0")]),
        };
        let (level, text) = if self.arguments.contains(&name) { value } else { (Level::Atom, name) };
        (level, vec![Text(text)])
    }

    fn call(&self, op: Op, args: &[Id]) -> Vec<Piece> {
        let (name, args) = match (op, args) {
            (Op::SincN, [order, arg]) => {
                let primes = self.dag.as_whole(*order).unwrap_or(0).clamp(0, 1000);
                (format!("sinc{}(", "'".repeat(primes as usize)), std::slice::from_ref(arg))
            }
            (Op::DivFloor, args) => ("div(".to_owned(), args),
            (Op::LogBase, args) => ("log(".to_owned(), args),
            (op, args) => (format!("{}(", op.name()), args),
        };
        let mut pieces = vec![Owned(name)];
        for (place, &arg) in args.iter().enumerate() {
            if place > 0 {
                pieces.push(Text(", "));
            }
            pieces.push(Piece::Node(arg, Level::Any));
        }
        pieces.push(Text(")"));
        pieces
    }

    /// A term with a coefficient that isn't negative, without brackets around it.
    fn term(&self, coefficient: Number, of: Id) -> Vec<Piece> {
        if of == Dag::ONE {
            return number(coefficient).1;
        }
        if coefficient == ONE {
            return vec![Piece::Node(of, Level::Product)];
        }
        match self.dag.node(of) {
            Node::Product(factors) if !self.names.contains_key(&of) => self.product(coefficient, factors),
            _ => self.product(coefficient, &[(of, Dag::ONE)]),
        }
    }

    fn product(&self, coefficient: Number, factors: &[Factor]) -> Vec<Piece> {
        let (above, below) = coefficient.text();
        let (below_factors, above_factors): (Vec<Factor>, Vec<Factor>) =
            factors.iter().partition(|&&(_, power)| self.is_below(power));
        let mut pieces = Vec::new();
        if above != "1" || above_factors.is_empty() {
            pieces.push(Owned(above));
        }
        for &(base, power) in &above_factors {
            if !pieces.is_empty() {
                pieces.push(Text("*"));
            }
            pieces.extend(self.power(base, power, Level::Power));
        }
        let n_below = below_factors.len() + usize::from(below.is_some());
        if n_below == 0 {
            return pieces;
        }
        pieces.push(Text(if n_below > 1 { "/(" } else { "/" }));
        let mut first = true;
        if let Some(below) = below {
            pieces.push(Owned(below));
            first = false;
        }
        for &(base, power) in &below_factors {
            if !first {
                pieces.push(Text("*"));
            }
            first = false;
            pieces.extend(self.power(base, power, Level::Power));
        }
        if n_below > 1 {
            pieces.push(Text(")"));
        }
        pieces
    }

    /// A power without its sign: that says on which side of the bar it stands.
    fn power(&self, base: Id, power: Id, alone: Level) -> Vec<Piece> {
        match self.dag.as_number(power).map(Number::abs) {
            Some(ONE) => vec![Piece::Node(base, alone)],
            Some(HALF) => vec![Text("sqrt("), Piece::Node(base, Level::Any), Text(")")],
            Some(exponent) => {
                let (level, pieces) = number(exponent);
                let brackets = level < Level::Atom;
                let mut all = vec![Piece::Node(base, Level::Atom), Text(if brackets { "^(" } else { "^" })];
                all.extend(pieces);
                all.extend(brackets.then_some(Text(")")));
                all
            }
            None => vec![Piece::Node(base, Level::Atom), Text("^"), Piece::Node(power, Level::Atom)],
        }
    }

    fn is_below(&self, power: Id) -> bool {
        self.dag.as_number(power).is_some_and(Number::is_negative)
    }
}

fn number(value: Number) -> (Level, Vec<Piece>) {
    let (above, below) = value.abs().text();
    let sign = if value.is_negative() { "-" } else { "" };
    match below {
        Some(below) => {
            let level = if value.is_negative() { Level::Sum } else { Level::Product };
            (level, vec![Owned(format!("{sign}{above}/{below}"))])
        }
        None => {
            let level = if value.is_negative() { Level::Sum } else { Level::Atom };
            (level, vec![Owned(format!("{sign}{above}"))])
        }
    }
}
