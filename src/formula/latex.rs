//! One expression in LaTeX's mathematical mode.
//!
//! ```text
//! exp(x*z) + ln(x)/z      e^{x \, z} + \frac{\ln\left(x\right)}{z}
//! if(x > 0, x_0, theta)   \begin{cases} x_{0} & \text{if } x > 0 \\ \theta & \text{otherwise} \end{cases}
//! ```
//!
//! The commands are those of `amsmath`. Brackets stand where the reader needs them: a bar, a root, an exponent and the bars of
//! an absolute value hold together what is inside. A product is written without a sign, but for `\cdot` before a digit or a
//! fraction, which would read as one number with what stands before. `letters` knows how names are written.
//!
//! ```text
//! sum[i in 0..3](x[i]^2)              \sum_{i=0}^{2} x_{i}^{2}
//! h[t] = e for t in 1..=4             h_{t} &= e \quad (t = 1, \dots, 4)
//! ```

mod letters;

use hashbrown::{HashMap, HashSet};

use super::arrays::{Arrays, Def};
use super::dag::{Dag, Factor, Id, Node, Reducer, Relation, Symbol};
use super::number::{Number, ONE};
use super::print::{INDICES, Scope, called, opened};
use super::statements::Statements;
use crate::ops::Op;
use letters::Letters;

/// How tightly an expression holds together.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Any,
    And,
    Compare,
    Sum,
    Product,
    /// Needs no brackets as a factor, but as a base.
    Fraction,
    Power,
    Atom,
}

const HALF: Number = Number::Ratio(1, 2);

enum Piece {
    Text(&'static str),
    Owned(String),
    Node(Id, Level),
    Times(Times),
    /// An index by the name that it has here.
    Index(Id),
    /// From here on, these indices have names.
    Open(Box<[Id]>),
    /// So many have none any more.
    Close(usize),
}

/// What stands between two factors depends on how the second begins.
#[derive(Clone, Copy)]
enum Times {
    AfterNumber,
    AfterFactor,
}

use Piece::{Owned, Text};

/// Several statements under one another, aligned at their signs.
pub fn aligned(lines: &[(Option<String>, String)]) -> String {
    let line = |(name, text): &(Option<String>, String)| match name {
        Some(name) => format!("  {name} &= {text}"),
        None => format!("  & {text}"),
    };
    let lines: Vec<String> = lines.iter().map(line).collect();
    format!("\\begin{{aligned}}\n{}\n\\end{{aligned}}\n", lines.join(" \\\\\n"))
}

/// How expressions are written: what is called by a name, and how names are spelt.
pub struct Printer<'a> {
    dag: &'a Dag,
    arguments: Vec<&'a str>,
    names: &'a HashMap<Id, String>,
    letters: Letters,
    arrays: &'a Arrays,
    taken: &'a HashSet<String>,
    orders: &'a HashMap<Id, Box<[Id]>>,
}

impl<'a> Printer<'a> {
    pub fn new(statements: &'a Statements, arguments: impl Iterator<Item = &'a str>) -> Printer<'a> {
        let Statements { dag, names, arrays, taken, orders, .. } = statements;
        let arguments: Vec<&str> = arguments.collect();
        let mut shared: Vec<&str> = names.values().map(String::as_str).collect();
        shared.sort_unstable();
        // Names of results may stand only on the left.
        let results = statements.results.iter().map(String::as_str);
        let mut indices: Vec<&str> = arrays.hints.values().map(String::as_str).chain(INDICES).collect();
        indices.sort_unstable();
        let letters = Letters::of(arguments.iter().copied().chain(results).chain(shared).chain(indices));
        Printer { dag, arguments, names, letters, arrays, taken, orders }
    }

    /// The left and the right side of `name[places] = value`.
    pub fn clause(&self, name: &str, places: &[Id], value: Id, guard: Option<Id>) -> (Option<String>, String) {
        let is_index = |place: &Id| matches!(self.dag.node(*place), Node::Index(..));
        let indices: Vec<Id> = places.iter().copied().filter(is_index).collect();
        let mut scope = Scope::new();
        opened(self.arrays, self.taken, &mut scope, &indices);
        let letter = |index: Id| self.name(called(&scope, index));
        let place = |&place: &Id| if is_index(&place) { letter(place) } else { self.text(place, &[]) };
        let left = format!("{}_{{{}}}", self.base(name), places.iter().map(place).collect::<Vec<_>>().join(", "));
        let range = |&index: &Id| {
            let (low, high) = self.dag.bounds(index);
            let (low, high) = (low.unwrap_or(0), high.unwrap_or(0));
            let between = if high > low + 1 { ", \\dots, " } else { ", " };
            format!("{} = {low}{between}{high}", letter(index))
        };
        let ranges: Vec<String> = indices.iter().map(range).collect();
        let mut right = self.text(value, &indices);
        if let Some(guard) = guard {
            let guard = self.text(guard, &indices);
            right =
                format!("\\begin{{cases}} {right} & \\text{{if }} {guard} \\\\ 0 & \\text{{otherwise}} \\end{{cases}}");
        }
        let right = if ranges.is_empty() { right } else { format!("{right} \\quad ({})", ranges.join(";\\ ")) };
        (Some(left), right)
    }

    /// A name that gets a subscript: one that has a subscript is held together.
    fn base(&self, name: &str) -> String {
        let name = self.name(name);
        if name.contains('_') { format!("{{{name}}}") } else { name }
    }

    /// The left and the right side of an `iterate`: where the state begins, how it goes on, and while what.
    pub fn iterate(&self, def: u32) -> (Option<String>, String) {
        let (state, pieces) = self.iterated(def);
        (Some(state), self.joined(pieces, &[]))
    }

    fn iterated(&self, def: u32) -> (String, Vec<Piece>) {
        let Def::Loop { states, going, counter, .. } = &self.arrays.defs[def as usize] else {
            return (String::new(), Vec::new());
        };
        let named = states.iter().filter_map(|state| self.names.get(&state.local)).map(|name| self.name(name));
        let state = tuple_text(&named.collect::<Vec<_>>());
        let tuple = |ids: Vec<Id>| {
            let brackets = ids.len() != 1;
            let mut pieces: Vec<Piece> = brackets.then_some(Text("\\left(")).into_iter().collect();
            for (place, id) in ids.into_iter().enumerate() {
                pieces.extend((place > 0).then_some(Text(", ")));
                pieces.push(whole(id));
            }
            pieces.extend(brackets.then_some(Text("\\right)")));
            pieces
        };
        let mut pieces = vec![Text("\\text{from } ")];
        pieces.extend(tuple(states.iter().map(|state| state.first).collect()));
        pieces.push(Text(" \\text{ by } "));
        pieces.extend(counter.map(|index| Piece::Open([index].into())));
        pieces.extend(tuple(states.iter().map(|state| state.next).collect()));
        if *self.dag.node(*going) != Node::Bool(true) {
            pieces.extend([Text(" \\text{ while } "), whole(*going)]);
        }
        if let &Some(index) = counter
            && let Node::Index(_, low, high) = *self.dag.node(index)
        {
            pieces.extend([Text(" \\quad ("), Piece::Index(index), Text(" = "), whole(low)]);
            pieces.extend([Text(", \\dots, "), whole(high), Text(" - 1)"), Piece::Close(1)]);
        }
        (state, pieces)
    }

    /// `\sum_{i=0}^{2} e`
    fn reduce(&self, reducer: Reducer, binders: &[Id], condition: Id, body: Id) -> (Level, Vec<Piece>) {
        let mut pieces = vec![Piece::Open(binders.into())];
        let always = *self.dag.node(condition) == Node::Bool(true);
        for (place, &binder) in binders.iter().enumerate() {
            let Node::Index(_, low, high) = *self.dag.node(binder) else { continue };
            let is_last = place + 1 == binders.len() && !always;
            pieces.push(Text(match reducer {
                Reducer::Sum => "\\sum_{",
                Reducer::Min => "\\min_{",
                Reducer::Max => "\\max_{",
            }));
            pieces.extend(is_last.then_some(Text("\\substack{")));
            match (reducer, self.dag.as_whole(high)) {
                (Reducer::Sum, Some(end)) => {
                    pieces.extend([Piece::Index(binder), Text("="), whole(low)]);
                    pieces.extend(is_last.then_some(Text(" \\\\ ")));
                    pieces.extend(is_last.then_some(whole(condition)));
                    pieces.extend(is_last.then_some(Text("}")));
                    pieces.push(Owned(format!("}}^{{{}}}", end - 1)));
                }
                _ => {
                    pieces.extend([whole(low), Text(" \\le "), Piece::Index(binder), Text(" < "), whole(high)]);
                    pieces.extend(is_last.then_some(Text(" \\\\ ")));
                    pieces.extend(is_last.then_some(whole(condition)));
                    pieces.push(Text(if is_last { "}}" } else { "}" }));
                }
            }
            pieces.push(Text(" "));
        }
        pieces.extend([Piece::Node(body, Level::Product), Piece::Close(binders.len())]);
        (Level::Product, pieces)
    }

    /// An array and its subscripts.
    fn element(&self, list: &[Id]) -> (Level, Vec<Piece>) {
        let name = match self.dag.node(list[0]) {
            Node::Argument(argument) => Some(self.arguments[*argument as usize]),
            _ => self.names.get(&list[0]).map(String::as_str),
        };
        let mut pieces = match name {
            Some(name) => vec![Owned(self.base(name))],
            None => vec![Piece::Node(list[0], Level::Atom)],
        };
        pieces.push(Text("_{"));
        for (place, &subscript) in list[1..].iter().enumerate() {
            pieces.extend((place > 0).then_some(Text(", ")));
            pieces.push(whole(subscript));
        }
        pieces.push(Text("}"));
        (Level::Atom, pieces)
    }

    pub fn name(&self, name: &str) -> String {
        self.letters.get(name)
    }

    /// The name of an expression, or else its text.
    pub fn mention(&self, id: Id) -> String {
        self.names.get(&id).map_or_else(|| self.text(id, &[]), |name| self.name(name))
    }

    /// The text of an expression, written out even if it has a name, where these indices have names.
    pub fn text(&self, root: Id, indices: &[Id]) -> String {
        self.joined(self.pieces(root).1, indices)
    }

    fn joined(&self, pieces: Vec<Piece>, indices: &[Id]) -> String {
        let mut scope = Scope::new();
        opened(self.arrays, self.taken, &mut scope, indices);
        let mut text = String::new();
        let mut times = None;
        let mut write = |part: &str, times: &mut Option<Times>| {
            if let Some(times) = times.take() {
                let reads_on = part.starts_with(|c: char| c.is_ascii_digit()) || part.starts_with("\\frac");
                text.push_str(match times {
                    _ if reads_on => " \\cdot ",
                    Times::AfterNumber => " ",
                    Times::AfterFactor => " \\, ",
                });
            }
            text.push_str(part);
        };
        let mut stack: Vec<Piece> = pieces;
        stack.reverse();
        while let Some(piece) = stack.pop() {
            match piece {
                Text(part) => write(part, &mut times),
                Owned(part) => write(&part, &mut times),
                Piece::Times(between) => times = Some(between),
                Piece::Index(id) => write(&self.name(called(&scope, id)), &mut times),
                Piece::Open(indices) => opened(self.arrays, self.taken, &mut scope, &indices),
                Piece::Close(count) => scope.truncate(scope.len() - count),
                Piece::Node(id, least) => {
                    if let Some(name) = self.names.get(&id) {
                        let Some(order) = self.orders.get(&id) else {
                            write(&self.name(name), &mut times);
                            continue;
                        };
                        let free: Vec<String> = order.iter().map(|&index| self.name(called(&scope, index))).collect();
                        write(&format!("{}_{{{}}}", self.base(name), free.join(", ")), &mut times);
                        continue;
                    }
                    let (level, pieces) = self.pieces(id);
                    if level < least {
                        write("\\left(", &mut times);
                        stack.push(Text("\\right)"));
                    }
                    stack.extend(pieces.into_iter().rev());
                }
            }
        }
        text
    }

    fn pieces(&self, id: Id) -> (Level, Vec<Piece>) {
        match self.dag.node(id) {
            Node::Argument(index) => (Level::Atom, vec![Owned(self.name(self.arguments[*index as usize]))]),
            Node::Bool(value) => (Level::Atom, vec![Text(if *value { "\\text{true}" } else { "\\text{false}" })]),
            Node::Symbol(symbol) => (Level::Atom, vec![Text(self.symbol(*symbol))]),
            Node::Number(value) => number(*value),
            Node::Scaled(coefficient, of) => {
                let (level, mut pieces) = self.term(coefficient.abs(), *of);
                if !coefficient.is_negative() {
                    return (level, pieces);
                }
                pieces.insert(0, Text("-"));
                (Level::Sum, pieces)
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
                    pieces.extend(self.term(coefficient.abs(), of).1);
                }
                (Level::Sum, pieces)
            }
            Node::Product(factors) => self.product(ONE, factors),
            Node::Call(op, args) => self.call(*op, args),
            Node::Not(a) => (Level::Compare, vec![Text("\\lnot "), Piece::Node(*a, Level::Atom)]),
            Node::Compare(relation, a, b) => {
                let sign = match relation {
                    Relation::Lt => " < ",
                    Relation::Le => " \\le ",
                    Relation::Gt => " > ",
                    Relation::Ge => " \\ge ",
                    Relation::Eq => " = ",
                    Relation::Ne => " \\ne ",
                };
                (Level::Compare, vec![Piece::Node(*a, Level::Sum), Text(sign), Piece::Node(*b, Level::Sum)])
            }
            Node::And(a, b) => {
                (Level::And, vec![Piece::Node(*a, Level::And), Text(" \\land "), Piece::Node(*b, Level::And)])
            }
            Node::Or(a, b) => (Level::Any, vec![whole(*a), Text(" \\lor "), whole(*b)]),
            Node::Choose(c, a, b) => self.cases(*c, *a, *b),
            Node::Index(..) => (Level::Atom, vec![Piece::Index(id)]),
            Node::Local(_) | Node::Defined(_) => (Level::Atom, vec![Text("?")]),
            Node::Last(def, state, _) => {
                let (all, rest) = self.iterated(*def);
                let name = match &self.arrays.defs[*def as usize] {
                    Def::Loop { states, .. } => self.names.get(&states[*state as usize].local),
                    Def::Array { .. } => None,
                };
                let name = name.map_or_else(String::new, |name| self.name(name));
                let mut pieces = vec![Owned(format!("\\left({name} \\text{{ of }} {all} "))];
                pieces.extend(rest);
                pieces.push(Text("\\right)"));
                (Level::Atom, pieces)
            }
            Node::Element(list) => self.element(list),
            Node::Reduce(reducer, binders, condition, body) => self.reduce(*reducer, binders, *condition, *body),
            Node::Map(binders, body) => {
                let mut pieces = vec![Text("\\left("), Piece::Open(binders.clone()), whole(*body), Text("\\right)_{")];
                for (place, &binder) in binders.iter().enumerate() {
                    pieces.extend((place > 0).then_some(Text(", ")));
                    pieces.push(Piece::Index(binder));
                }
                pieces.extend([Text("}"), Piece::Close(binders.len())]);
                (Level::Atom, pieces)
            }
        }
    }

    /// A choice between choices is one list of cases.
    fn cases(&self, c: Id, a: Id, b: Id) -> (Level, Vec<Piece>) {
        if let (Node::Compare(Relation::Gt, u, Dag::ZERO), Dag::ONE, Dag::ZERO) = (self.dag.node(c), a, b)
            && !self.names.contains_key(&c)
        {
            return (Level::Atom, vec![Text("\\operatorname{step}\\left("), whole(*u), Text("\\right)")]);
        }
        let mut pieces = vec![Text("\\begin{cases} ")];
        let (mut condition, mut value, mut rest) = (c, a, b);
        loop {
            pieces.extend([whole(value), Text(" & \\text{if } "), whole(condition), Text(" \\\\ ")]);
            match *self.dag.node(rest) {
                Node::Choose(c, a, b) if !self.names.contains_key(&rest) => (condition, value, rest) = (c, a, b),
                _ => break,
            }
        }
        pieces.extend([whole(rest), Text(" & \\text{otherwise} \\end{cases}")]);
        (Level::Any, pieces)
    }

    /// A constant by its letter, or by its value where something else is called so.
    fn symbol(&self, symbol: Symbol) -> &'static str {
        match symbol {
            Symbol::Pi if self.letters.contains("\\pi") => "3.141592653589793",
            Symbol::Pi => "\\pi",
            Symbol::Tau if self.letters.contains("\\tau") => "6.283185307179586",
            Symbol::Tau => "\\tau",
            Symbol::Infinity => "\\infty",
            Symbol::NotANumber => "\\mathrm{NaN}",
        }
    }

    fn call(&self, op: Op, args: &[Id]) -> (Level, Vec<Piece>) {
        let around = |left, arg, right| (Level::Atom, vec![Text(left), whole(arg), Text(right)]);
        match (op, args) {
            (Op::Exp, &[a]) if !self.letters.contains("e") => (Level::Power, vec![Text("e^{"), whole(a), Text("}")]),
            (Op::Exp2, &[a]) => (Level::Power, vec![Text("2^{"), whole(a), Text("}")]),
            (Op::Cbrt, &[a]) => around("\\sqrt[3]{", a, "}"),
            (Op::Abs, &[a]) => around("\\left|", a, "\\right|"),
            (Op::Floor, &[a]) => around("\\left\\lfloor ", a, " \\right\\rfloor"),
            (Op::Ceil, &[a]) => around("\\left\\lceil ", a, " \\right\\rceil"),
            (Op::DivFloor, &[a, b]) => {
                let (left, right) = (Text("\\left\\lfloor \\frac{"), Text("} \\right\\rfloor"));
                (Level::Atom, vec![left, whole(a), Text("}{"), whole(b), right])
            }
            (Op::LogBase, &[a, base]) => applied(vec![Text("\\log_{"), whole(base), Text("}")], &[a]),
            (Op::SincN, &[order, a]) => applied(self.primed("\\operatorname{sinc}", order), &[a]),
            (Op::Polygamma, &[order, a]) => applied(self.primed(self.psi(), order), &[a]),
            (op, args) => applied(vec![Owned(self.function(op))], args),
        }
    }

    /// The derivative of a function, by its order.
    fn primed(&self, name: &'static str, order: Id) -> Vec<Piece> {
        match self.dag.as_whole(order) {
            Some(order @ 1..=3) => vec![Text(name), Text(&"'''"[..order as usize])],
            _ => vec![Text(name), Text("^{\\left("), whole(order), Text("\\right)}")],
        }
    }

    fn psi(&self) -> &'static str {
        if self.letters.contains("\\psi") { "\\operatorname{digamma}" } else { "\\psi" }
    }

    fn function(&self, op: Op) -> String {
        match op {
            Op::Ln => "\\ln".to_owned(),
            Op::Log2 => "\\log_{2}".to_owned(),
            Op::Log10 => "\\log_{10}".to_owned(),
            Op::Exp | Op::Sin | Op::Cos | Op::Tan | Op::Sinh | Op::Cosh | Op::Tanh | Op::Min | Op::Max => {
                format!("\\{}", op.name())
            }
            Op::Asin => "\\arcsin".to_owned(),
            Op::Acos => "\\arccos".to_owned(),
            Op::Atan => "\\arctan".to_owned(),
            Op::Asinh => "\\operatorname{arsinh}".to_owned(),
            Op::Acosh => "\\operatorname{arcosh}".to_owned(),
            Op::Atanh => "\\operatorname{artanh}".to_owned(),
            Op::Gamma if !self.letters.contains("\\Gamma") => "\\Gamma".to_owned(),
            Op::Digamma => self.psi().to_owned(),
            op => format!("\\operatorname{{{}}}", op.name().replace('_', "\\_")),
        }
    }

    /// A term with a coefficient that isn't negative, without brackets around it.
    fn term(&self, coefficient: Number, of: Id) -> (Level, Vec<Piece>) {
        if of == Dag::ONE {
            return number(coefficient);
        }
        if coefficient == ONE {
            return (Level::Product, vec![Piece::Node(of, Level::Product)]);
        }
        match self.dag.node(of) {
            Node::Product(factors) if !self.names.contains_key(&of) => self.product(coefficient, factors),
            _ => self.product(coefficient, &[(of, Dag::ONE)]),
        }
    }

    /// A coefficient that isn't negative and its factors, those with negative powers below a bar.
    fn product(&self, coefficient: Number, factors: &[Factor]) -> (Level, Vec<Piece>) {
        let is_below = |power: Id| self.dag.as_number(power).is_some_and(Number::is_negative);
        let (below_factors, above_factors): (Vec<Factor>, Vec<Factor>) =
            factors.iter().partition(|&&(_, power)| is_below(power));
        let (above, below) = coefficient.text();
        let above = (above != "1" || above_factors.is_empty()).then_some(above);
        if below.is_none() && below_factors.is_empty() {
            return self.factors(above, &above_factors, Level::Product);
        }
        let mut pieces = vec![Text("\\frac{")];
        pieces.extend(self.factors(above, &above_factors, Level::Any).1);
        pieces.push(Text("}{"));
        pieces.extend(self.factors(below, &below_factors, Level::Any).1);
        pieces.push(Text("}"));
        (Level::Fraction, pieces)
    }

    /// Factors beside one another. A single one holds as the surroundings ask for.
    fn factors(&self, number: Option<String>, factors: &[Factor], alone: Level) -> (Level, Vec<Piece>) {
        if let (None, &[(base, power)]) = (&number, factors) {
            return self.power(base, power, alone);
        }
        let (mut level, mut pieces) = number.map_or((Level::Product, Vec::new()), |number| decimal(&number));
        for (place, &(base, power)) in factors.iter().enumerate() {
            if !pieces.is_empty() {
                pieces.push(Piece::Times(if place == 0 { Times::AfterNumber } else { Times::AfterFactor }));
            }
            pieces.extend(self.power(base, power, Level::Fraction).1);
            level = Level::Product;
        }
        (level, pieces)
    }

    /// A power without its sign: that says on which side of the bar it stands.
    fn power(&self, base: Id, power: Id, alone: Level) -> (Level, Vec<Piece>) {
        let exponent = match self.dag.as_number(power).map(Number::abs) {
            Some(ONE) => return (alone, vec![Piece::Node(base, alone)]),
            Some(HALF) => return (Level::Atom, vec![Text("\\sqrt{"), whole(base), Text("}")]),
            Some(exponent) => match exponent.text() {
                (above, Some(below)) => vec![Owned(format!("{above}/{below}"))],
                (above, None) => decimal(&above).1,
            },
            None => vec![whole(power)],
        };
        let exponent = [Text("^{")].into_iter().chain(exponent).chain([Text("}")]);
        match self.dag.node(base) {
            &Node::Call(op @ (Op::Sin | Op::Cos | Op::Tan | Op::Sinh | Op::Cosh | Op::Tanh | Op::Ln), ref args)
                if self.dag.as_number(power).is_some() && !self.names.contains_key(&base) =>
            {
                applied([Owned(self.function(op))].into_iter().chain(exponent).collect(), args)
            }
            _ => (Level::Power, [Piece::Node(base, Level::Atom)].into_iter().chain(exponent).collect()),
        }
    }
}

fn tuple_text(names: &[String]) -> String {
    match names {
        [name] => name.clone(),
        names => format!("\\left({}\\right)", names.join(", ")),
    }
}

fn whole(id: Id) -> Piece {
    Piece::Node(id, Level::Any)
}

/// A function and its arguments.
fn applied(mut pieces: Vec<Piece>, args: &[Id]) -> (Level, Vec<Piece>) {
    pieces.push(Text("\\left("));
    for (place, &arg) in args.iter().enumerate() {
        pieces.extend((place > 0).then_some(Text(", ")));
        pieces.push(whole(arg));
    }
    pieces.push(Text("\\right)"));
    (Level::Atom, pieces)
}

fn number(value: Number) -> (Level, Vec<Piece>) {
    let (level, mut pieces) = match value.abs().text() {
        (above, Some(below)) => (Level::Fraction, vec![Owned(format!("\\frac{{{above}}}{{{below}}}"))]),
        (above, None) => decimal(&above),
    };
    if !value.is_negative() {
        return (level, pieces);
    }
    pieces.insert(0, Text("-"));
    (Level::Sum, pieces)
}

/// `1.5e300` as mathematics.
fn decimal(text: &str) -> (Level, Vec<Piece>) {
    match text.split_once('e') {
        None => (Level::Atom, vec![Owned(text.to_owned())]),
        Some(("1", exponent)) => (Level::Power, vec![Owned(format!("10^{{{exponent}}}"))]),
        Some((digits, exponent)) => (Level::Product, vec![Owned(format!("{digits} \\cdot 10^{{{exponent}}}"))]),
    }
}
