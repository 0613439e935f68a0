//! The graph as a readable formula, in the language itself.
//!
//! ```text
//! x^3                 by x    3*x^2
//! sqrt(1 + x^2)       by x    x/sqrt(1 + x^2)
//! exp(x*z) + ln(x)/z  by z    x*exp(x*z) - ln(x)/z^2
//! ```
//!
//! The text is read as mathematics: it parses back to the same function of real numbers, though not to the same graph.
//! Where the function has a value the text has it too, up to rounding; where it has none, the text may have one (`ln` has the
//! derivative `1/x`, also below zero). The conventions at single points are kept where they are visible, as
//! `if(x == 0 and y == 0, 0, y*x^(y - 1))`, with two exceptions: the derivative of `hypot` at (0, 0), and that
//! of `x^y` by `y` at `x = 0`, where `x/hypot(x, y)` and `x^y*ln(x)` are not numbers.
//!
//! - `reader` turns instructions into expressions, undoing internal operators.
//! - `dag` says what expressions are; `algebra`, `product` and `logic` keep them in normal form; `number` and `constants`
//!   know what doubles mean.
//! - `share` decides what is named; `print` writes one expression, `latex` as LaTeX.

mod algebra;
mod constants;
mod dag;
mod latex;
mod logic;
mod number;
mod print;
mod product;
mod reader;
mod share;

use hashbrown::{HashMap, HashSet};

use crate::ir::{Func, Inst, Val};
use crate::lower::builtin;
use crate::ops::Type;
use dag::{Dag, Id, Node};
use print::Printer;

/// What the user calls some values of a graph, which need not be the one that is printed.
#[derive(Clone, Copy)]
pub struct Names<'a> {
    pub func: &'a Func,
    pub values: &'a [(String, Val)],
}

/// The length of a line that is not broken.
const WIDTH: usize = 100;

/// Some results of a function as a text of the language; several of them as a tuple of named statements.
pub fn to_text(func: &Func, results: &[usize]) -> String {
    to_text_with_names(func, results, None)
}

/// The same, with the user's names for what they name.
pub fn to_text_with_names(func: &Func, results: &[usize], names: Option<Names>) -> String {
    let statements = Statements::of(func, results, names);
    let printer = Printer {
        dag: &statements.dag,
        arguments: func.params.iter().map(|param| param.name.as_str()).collect(),
        names: &statements.names,
    };
    let mut lines = declarations(func, &statements.values);
    for Statement { name, value, defines } in &statements.lines {
        let text = if *defines { printer.text(*value) } else { printer.mention(*value) };
        lines.push(match name {
            Some(name) => format!("{name} = {text}"),
            None => text,
        });
    }
    if results.len() != 1 {
        lines.push(statements.results.join(", "));
    }
    lines.iter().map(|line| wrapped(line) + "\n").collect()
}

/// Some results of a function in LaTeX's mathematical mode, with the user's names for what they name: a formula, or
/// lines of `aligned` where there are several. The statements are those of [`to_text_with_names`].
pub fn to_latex(func: &Func, results: &[usize], names: Option<Names>) -> String {
    let statements = Statements::of(func, results, names);
    let arguments = func.params.iter().map(|param| param.name.as_str());
    let printer = latex::Printer::new(&statements.dag, arguments, &statements.names, &statements.results);
    let line = |Statement { name, value, defines }: &Statement| {
        let text = if *defines { printer.text(*value) } else { printer.mention(*value) };
        (name.as_ref().map(|name| printer.name(name)), text)
    };
    match &statements.lines.iter().map(line).collect::<Vec<_>>()[..] {
        [(None, text)] => format!("{text}\n"),
        lines => latex::aligned(lines),
    }
}

/// What is written for some results, in whatever notation: which expressions are named, and in which order.
struct Statements {
    dag: Dag,
    /// The names of expressions that are mentioned by them.
    names: HashMap<Id, String>,
    lines: Vec<Statement>,
    /// The names of the results, where there are several.
    results: Vec<String>,
    /// The results in the function.
    values: Vec<Val>,
}

struct Statement {
    /// Nothing where it is the only result.
    name: Option<String>,
    value: Id,
    /// Whether the name of the value is defined here, which is then written out.
    defines: bool,
}

impl Statements {
    fn of(func: &Func, results: &[usize], names: Option<Names>) -> Statements {
        let mut dag = Dag::new();
        for index in 0..func.params.len() as u32 {
            dag.intern(Node::Argument(index));
        }
        let mut hints = HashMap::new();
        if let Some(names) = names {
            let values: Vec<Val> = names.values.iter().map(|&(_, val)| val).collect();
            for (id, (name, _)) in reader::read(&mut dag, names.func, &values).into_iter().zip(names.values) {
                hints.entry(id).or_insert_with(|| name.clone());
            }
        }
        let outputs: Vec<_> = results.iter().filter_map(|&result| func.results.get(result)).collect();
        let values: Vec<Val> = outputs.iter().map(|output| output.value).collect();
        let roots = reader::read(&mut dag, func, &values);
        let shared = share::shared(&dag, &roots, &hints);

        let mut taken = Taken::new(func);
        let results: Vec<(String, Id)> = match roots[..] {
            [_] => Vec::new(),
            _ => outputs.iter().zip(&roots).map(|(output, &root)| (taken.claim(&output.name), root)).collect(),
        };
        let mut generated = Generated::new(&shared, &results, &hints);
        let (mut names, mut lines) = (HashMap::new(), Vec::new());
        let mut done = vec![false; results.len()];
        for &value in &shared {
            let result = results.iter().position(|&(_, root)| root == value);
            let name = match (result, hints.get(&value)) {
                (Some(place), _) => {
                    done[place] = true;
                    results[place].0.clone()
                }
                (None, Some(name)) => taken.claim(name),
                (None, None) => generated.next(&mut taken),
            };
            names.insert(value, name.clone());
            lines.push(Statement { name: Some(name), value, defines: true });
        }
        for ((name, root), done) in results.iter().zip(done) {
            if !done {
                lines.push(Statement { name: Some(name.clone()), value: *root, defines: false });
            }
        }
        if let [root] = roots[..] {
            lines.push(Statement { name: None, value: root, defines: false });
        }
        let results = results.into_iter().map(|(name, _)| name).collect();
        Statements { dag, names, lines, results, values }
    }
}

/// A statement in lines of readable length: a line ends after a comma or a binary operator, where the statement goes on.
fn wrapped(statement: &str) -> String {
    if statement.chars().count() <= WIDTH {
        return statement.to_owned();
    }
    let (mut text, mut column) = (String::new(), 0);
    for part in statement.split_inclusive([' ', '*']) {
        let may_break = ["+ ", "- ", ", ", "and ", "or ", "*"].iter().any(|end| text.ends_with(end));
        let width = part.chars().count();
        if may_break && column + width > WIDTH {
            text.truncate(text.trim_end().len());
            text.push_str("\n    ");
            column = 4;
        }
        text.push_str(part);
        column += width;
    }
    text
}

/// What must be declared: integers, and arguments that are called like a constant.
fn declarations(func: &Func, roots: &[Val]) -> Vec<String> {
    let mut used = vec![false; func.len()];
    for root in roots {
        used[root.index()] = true;
    }
    for val in func.vals().rev() {
        if used[val.index()] {
            for &operand in func.operands(val).iter() {
                used[operand.index()] = true;
            }
        }
    }
    let used = |val: &Val| used[val.index()];
    let params: Vec<u32> = func
        .vals()
        .filter(used)
        .filter_map(|val| match func.inst(val) {
            Inst::Param(index) => Some(index),
            _ => None,
        })
        .collect();
    let names = |ty: Type| -> Vec<&str> {
        let params = params.iter().map(|&index| &func.params[index as usize]);
        params.filter(|param| param.ty == ty).map(|param| param.name.as_str()).collect()
    };
    let (numbers, integers) = (names(Type::F64), names(Type::Int));
    let mut lines = Vec::new();
    if numbers.iter().any(|name| builtin::constant(name).is_some()) {
        lines.push(format!("param {}", numbers.join(", ")));
    }
    if !integers.is_empty() {
        lines.push(format!("index {}", integers.join(", ")));
    }
    lines
}

/// Names that mean something already.
struct Taken(HashSet<String>);

impl Taken {
    fn new(func: &Func) -> Taken {
        const WORDS: [&str; 18] = [
            "and", "or", "not", "if", "for", "in", "from", "while", "do", "iterate", "param", "data", "index", "pi",
            "tau", "inf", "e", "i",
        ];
        let mut taken: HashSet<String> = WORDS.iter().map(|&word| word.to_owned()).collect();
        taken.extend(builtin::names().map(str::to_owned));
        taken.extend(func.params.iter().map(|param| param.name.clone()));
        Taken(taken)
    }

    /// The name, or one like it that is free.
    fn claim(&mut self, wanted: &str) -> String {
        let wanted = if wanted.is_empty() { "value" } else { wanted };
        let numbered = (2u64..).map(|number| format!("{wanted}_{number}"));
        let mut candidates = std::iter::once(wanted.to_owned()).chain(numbered);
        let name = candidates.find(|name| !self.0.contains(name)).unwrap_or_default();
        self.0.insert(name.clone());
        name
    }
}

/// New names: letters while they last, else numbered.
struct Generated {
    few: bool,
    number: usize,
}

const LETTERS: [&str; 8] = ["u", "v", "w", "p", "q", "r", "s", "t"];

impl Generated {
    fn new(shared: &[Id], results: &[(String, Id)], hints: &HashMap<Id, String>) -> Generated {
        let named = |id: &&Id| hints.contains_key(*id) || results.iter().any(|(_, root)| root == *id);
        Generated { few: shared.iter().filter(|id| !named(id)).count() <= LETTERS.len() / 2, number: 0 }
    }

    fn next(&mut self, taken: &mut Taken) -> String {
        loop {
            let name = match LETTERS.get(self.number) {
                Some(letter) if self.few => (*letter).to_owned(),
                _ => format!("t{}", self.number + 1),
            };
            self.number += 1;
            if taken.0.insert(name.clone()) {
                return name;
            }
        }
    }
}
