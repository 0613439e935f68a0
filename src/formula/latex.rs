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

mod letters;

use hashbrown::HashMap;

use super::dag::{Dag, Factor, Id, Node, Relation, Symbol};
use super::number::{Number, ONE};
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
}

impl<'a> Printer<'a> {
    /// `results` are names that may stand only on the left.
    pub fn new(
        dag: &'a Dag,
        arguments: impl Iterator<Item = &'a str>,
        names: &'a HashMap<Id, String>,
        results: &'a [String],
    ) -> Printer<'a> {
        let arguments: Vec<&str> = arguments.collect();
        let mut shared: Vec<&str> = names.values().map(String::as_str).collect();
        shared.sort_unstable();
        let results = results.iter().map(String::as_str);
        let letters = Letters::of(arguments.iter().copied().chain(results).chain(shared));
        Printer { dag, arguments, names, letters }
    }

    pub fn name(&self, name: &str) -> String {
        self.letters.get(name)
    }

    /// The name of an expression, or else its text.
    pub fn mention(&self, id: Id) -> String {
        self.names.get(&id).map_or_else(|| self.text(id), |name| self.name(name))
    }

    /// The text of an expression, written out even if it has a name.
    pub fn text(&self, root: Id) -> String {
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
        let mut stack: Vec<Piece> = self.pieces(root).1;
        stack.reverse();
        while let Some(piece) = stack.pop() {
            match piece {
                Text(part) => write(part, &mut times),
                Owned(part) => write(&part, &mut times),
                Piece::Times(between) => times = Some(between),
                Piece::Node(id, least) => {
                    if let Some(name) = self.names.get(&id) {
                        write(&self.name(name), &mut times);
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
