//! One expression as text.
//!
//! A product shows its positive powers above and its negative ones below a single bar: `3*x/(2*y*z)`. Brackets stand where the
//! language's levels ask for them, and around whatever is divided by, if it is more than one factor.
//! The text is written from a stack of pieces, so no depth of nesting is too deep.

use hashbrown::{HashMap, HashSet};

use super::arrays::{Arrays, Def};
use super::dag::{Dag, Factor, Id, Node, Reducer, Relation, Symbol};
use super::number::{Number, ONE};
use super::statements::Statements;
use crate::ir::Func;
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
    /// An index by the name that it has here.
    Index(Id),
    /// From here on, these indices have names.
    Open(Box<[Id]>),
    /// So many have none any more.
    Close(usize),
}

use Piece::{Owned, Text};

/// What indices are called from the outermost on.
pub type Scope = Vec<(Id, String)>;

/// What indices are called that the user has no name for.
pub const INDICES: [&str; 8] = ["i", "j", "k", "l", "m", "n", "o", "p"];

/// How expressions are written: what is called by a name, and what the arguments are called.
pub struct Printer<'a> {
    dag: &'a Dag,
    arrays: &'a Arrays,
    arguments: Vec<&'a str>,
    names: &'a HashMap<Id, String>,
    taken: &'a HashSet<String>,
    extents: &'a [Box<[usize]>],
    orders: &'a HashMap<Id, Box<[Id]>>,
    circular: &'a HashSet<Id>,
}

/// The indices of a scope, and these with names that nothing else has there.
pub fn opened(arrays: &Arrays, taken: &HashSet<String>, scope: &mut Scope, indices: &[Id]) {
    for &index in indices {
        let is_free = |name: &String| !taken.contains(name) && !scope.iter().any(|(_, other)| other == name);
        let letters = INDICES.iter().map(|&letter| letter.to_owned());
        let numbered = (1u64..).map(|number| format!("i{number}"));
        let mut names = arrays.hints.get(&index).cloned().into_iter().chain(letters).chain(numbered);
        let name = names.find(is_free).unwrap_or_default();
        scope.push((index, name));
    }
}

/// What an index is called.
pub fn called(scope: &Scope, index: Id) -> &str {
    scope.iter().rev().find(|&&(known, _)| known == index).map_or("?", |(_, name)| name)
}

impl<'a> Printer<'a> {
    pub fn new(statements: &'a Statements, func: &'a Func) -> Printer<'a> {
        Printer {
            dag: &statements.dag,
            arrays: &statements.arrays,
            arguments: func.params.iter().map(|param| param.name.as_str()).collect(),
            names: &statements.names,
            taken: &statements.taken,
            extents: &statements.extents,
            orders: &statements.orders,
            circular: &statements.circular,
        }
    }

    /// `name[places] = value for i in 0..n`
    pub fn clause(&self, name: &str, places: &[Id], value: Id, guard: Option<Id>) -> String {
        let (indices, mut scope) = (self.indices(places), Scope::new());
        opened(self.arrays, self.taken, &mut scope, &indices);
        let place = |&place: &Id| match self.dag.node(place) {
            Node::Index(..) => called(&scope, place).to_owned(),
            _ => self.text(place, &[]),
        };
        let ranges: Vec<String> = indices
            .iter()
            .filter(|&&index| !self.is_inferred(index, &[value]))
            .map(|&index| {
                let (low, high) = self.dag.bounds(index);
                format!("{} in {}..{}", called(&scope, index), low.unwrap_or(0), high.map_or(0, |high| high + 1))
            })
            .collect();
        let places: Vec<String> = places.iter().map(place).collect();
        let ranges = if ranges.is_empty() { String::new() } else { format!(" for {}", ranges.join(", ")) };
        let text = self.text(value, &indices);
        let text = match guard {
            Some(guard) => format!("if({}, {text}, 0)", self.text(guard, &indices)),
            None => text,
        };
        format!("{name}[{}] = {text}{ranges}", places.join(", "))
    }

    /// The indices among places.
    fn indices(&self, places: &[Id]) -> Vec<Id> {
        places.iter().copied().filter(|&place| matches!(self.dag.node(place), Node::Index(..))).collect()
    }

    /// `(s, v) = iterate (s, v) from (1, 0) while s > 0 do (…)`
    pub fn iterate(&self, def: u32) -> String {
        let (state, rest) = self.iterated(def);
        self.joined(
            [Owned(format!("{state} = ")), Owned(format!("iterate {state} from "))].into_iter().chain(rest).collect(),
            &[],
        )
    }

    /// The state of a loop by its names, and what follows it.
    fn iterated(&self, def: u32) -> (String, Vec<Piece>) {
        let Def::Loop { states, going, counter, .. } = &self.arrays.defs[def as usize] else {
            return (String::new(), Vec::new());
        };
        let named: Vec<&str> =
            states.iter().filter_map(|state| self.names.get(&state.local)).map(String::as_str).collect();
        let brackets = named.len() != 1;
        let state = if brackets { format!("({})", named.join(", ")) } else { named.concat() };
        let tuple = |each: fn(&super::arrays::State) -> Id| {
            let mut pieces = Vec::new();
            pieces.extend(brackets.then_some(Text("(")));
            for (place, state) in states.iter().enumerate() {
                pieces.extend((place > 0).then_some(Text(", ")));
                pieces.push(Piece::Node(each(state), Level::Any));
            }
            pieces.extend(brackets.then_some(Text(")")));
            pieces
        };
        let mut pieces = tuple(|state| state.first);
        let counted = counter.is_some();
        if let &Some(index) = counter
            && let Node::Index(_, low, high) = *self.dag.node(index)
        {
            pieces.extend([Text(" for "), Piece::Open([index].into()), Piece::Index(index), Text(" in ")]);
            pieces.extend([Piece::Node(low, Level::Sum), Text(".."), Piece::Node(high, Level::Sum)]);
        }
        if *self.dag.node(*going) != Node::Bool(true) {
            pieces.extend([Text(" while "), Piece::Node(*going, Level::Any)]);
        }
        pieces.push(Text(" do "));
        pieces.extend(tuple(|state| state.next));
        pieces.extend(counted.then_some(Piece::Close(1)));
        (state, pieces)
    }

    /// Whether the range of an index can be seen where it is used: it stands alone as a subscript, of dimensions as long as the
    /// range.
    fn is_inferred(&self, index: Id, values: &[Id]) -> bool {
        let Node::Index(_, Dag::ZERO, high) = *self.dag.node(index) else { return false };
        let Some(extent) = self.dag.as_whole(high) else { return false };
        let (mut seen, mut stack, mut found) = (HashSet::new(), values.to_vec(), false);
        while let Some(id) = stack.pop() {
            if !seen.insert(id) || !self.dag.facts(id).free.contains(&index) {
                continue;
            }
            if self.names.contains_key(&id) && !values.contains(&id) && !matches!(self.dag.node(id), Node::Element(_)) {
                // It is mentioned by its name, with the index as a subscript.
                found |= !self.circular.contains(&id);
                continue;
            }
            match self.dag.node(id) {
                Node::Element(list) => {
                    let extents: &[usize] = match self.dag.node(list[0]) {
                        Node::Argument(argument) => &self.extents[*argument as usize],
                        Node::Defined(def) => match &self.arrays.defs[*def as usize] {
                            // A recurrence may look for its own range, and dimensions before its own have none of their own.
                            Def::Array { around, shape, .. } if around.is_empty() => shape,
                            _ => &[],
                        },
                        _ => &[],
                    };
                    for (place, &subscript) in list[1..].iter().enumerate() {
                        if subscript == index {
                            match extents.get(place) {
                                Some(&known) if known as i64 == extent => {
                                    found |= !self.circular.contains(&list[0]);
                                }
                                _ => return false,
                            }
                        }
                    }
                }
                Node::Reduce(_, binders, ..) | Node::Map(binders, _) if binders.contains(&index) => continue,
                _ => {}
            }
            self.dag.node(id).for_each_operand(|operand| stack.push(operand));
        }
        found
    }

    /// The text of an expression, written out even if it has a name, where these indices have names.
    pub fn text(&self, root: Id, indices: &[Id]) -> String {
        self.joined(self.pieces(root).1, indices)
    }

    fn joined(&self, pieces: Vec<Piece>, indices: &[Id]) -> String {
        let mut scope = Scope::new();
        opened(self.arrays, self.taken, &mut scope, indices);
        let mut text = String::new();
        let mut stack = Vec::new();
        stack.extend(pieces.into_iter().rev());
        while let Some(piece) = stack.pop() {
            match piece {
                Text(part) => text.push_str(part),
                Owned(part) => text.push_str(&part),
                Piece::Index(id) => text.push_str(called(&scope, id)),
                Piece::Open(indices) => opened(self.arrays, self.taken, &mut scope, &indices),
                Piece::Close(count) => scope.truncate(scope.len() - count),
                Piece::Node(id, least) => {
                    if let Some(name) = self.names.get(&id) {
                        text.push_str(name);
                        if let Some(order) = self.orders.get(&id) {
                            let names: Vec<&str> = order.iter().map(|&index| called(&scope, index)).collect();
                            text.push_str(&format!("[{}]", names.join(", ")));
                        }
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
        self.names.get(&id).cloned().unwrap_or_else(|| self.text(id, &[]))
    }

    /// `sum[i in 0..n if c](e)`
    fn reduce(&self, reducer: Reducer, binders: &[Id], condition: Id, body: Id) -> Vec<Piece> {
        let mut pieces = vec![
            Text(match reducer {
                Reducer::Sum => "sum[",
                Reducer::Min => "min[",
                Reducer::Max => "max[",
            }),
            Piece::Open(binders.into()),
        ];
        pieces.extend(self.ranges(binders, &[body, condition]));
        if *self.dag.node(condition) != Node::Bool(true) {
            pieces.extend([Text(" if "), Piece::Node(condition, Level::Any)]);
        }
        pieces.extend([Text("]("), Piece::Node(body, Level::Any), Text(")"), Piece::Close(binders.len())]);
        pieces
    }

    /// `i, j in 0..i`
    fn ranges(&self, binders: &[Id], values: &[Id]) -> Vec<Piece> {
        let mut pieces = Vec::new();
        for (place, &binder) in binders.iter().enumerate() {
            pieces.extend((place > 0).then_some(Text(", ")));
            pieces.push(Piece::Index(binder));
            if let Node::Index(_, low, high) = *self.dag.node(binder)
                && !self.is_inferred(binder, values)
            {
                let (low, high) = (Piece::Node(low, Level::Sum), Piece::Node(high, Level::Sum));
                pieces.extend([Text(" in "), low, Text(".."), high]);
            }
        }
        pieces
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
            Node::Index(..) => (Level::Atom, vec![Piece::Index(id)]),
            Node::Local(_) | Node::Defined(_) => (Level::Atom, vec![Text("?")]),
            Node::Last(def, state, _) => {
                let (all, rest) = self.iterated(*def);
                let name = match &self.arrays.defs[*def as usize] {
                    Def::Loop { states, .. } => self.names.get(&states[*state as usize].local).cloned(),
                    Def::Array { .. } => None,
                };
                let mut pieces = vec![Owned(format!("{{ {all} = iterate {all} from "))];
                pieces.extend(rest);
                pieces.push(Owned(format!("; {} }}", name.unwrap_or_default())));
                (Level::Atom, pieces)
            }
            Node::Element(list) => {
                let mut pieces = vec![Piece::Node(list[0], Level::Atom), Text("[")];
                for (place, &subscript) in list[1..].iter().enumerate() {
                    pieces.extend((place > 0).then_some(Text(", ")));
                    pieces.push(any(subscript));
                }
                pieces.push(Text("]"));
                (Level::Atom, pieces)
            }
            Node::Reduce(reducer, binders, condition, body) => {
                (Level::Atom, self.reduce(*reducer, binders, *condition, *body))
            }
            Node::Map(binders, body) => {
                let mut pieces = vec![Text("["), Piece::Open(binders.clone()), any(*body), Text(" for ")];
                pieces.extend(self.ranges(binders, &[*body]));
                pieces.extend([Text("]"), Piece::Close(binders.len())]);
                (Level::Atom, pieces)
            }
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
