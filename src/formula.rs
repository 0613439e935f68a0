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
//! - `loops` reads loops as sums, arrays by their elements, and recurrences; `arrays` are what has a name then, `bounds` knows what
//!   integers can be.
//! - `share` decides what is named, `statements` makes statements of it and `order` puts them in order; `print` writes one
//!   expression, `latex` as LaTeX.
//!
//! Sizes are numbers in the graph, so they are in the text, which declares its arrays with them.

mod algebra;
mod arrays;
mod bounds;
mod constants;
mod dag;
mod latex;
mod logic;
mod loops;
mod number;
mod order;
mod print;
mod product;
mod reader;
mod share;
mod statements;

use crate::ir::{Func, Inst, Param, Val};
use crate::lower::builtin;
use crate::ops::Type;
use crate::span::Span;
use print::Printer;
use statements::{Line, Statements};

/// What the user calls some values of a graph, which need not be the one that is printed.
#[derive(Clone, Copy)]
pub struct Names<'a> {
    pub func: &'a Func,
    pub values: &'a [(String, Val)],
    /// The text that both graphs come from: their places in it tell what indices are called.
    pub source: &'a str,
    /// The arguments that are declared as `data`.
    pub data: &'a [&'a str],
    /// Whether all arguments are declared, also those that nothing is computed from.
    pub declared: bool,
    /// The integers whose values are in the graph already, as sizes are.
    pub fixed: &'a [(&'a str, i64)],
}

/// A part of a graph that the language has no words for.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{what} can't be written as a formula")]
pub struct Unsayable {
    /// What it is: `a sum over the turns of a while`.
    pub what: String,
    /// The place in the text that it comes from.
    pub at: Span,
}

/// The length of a line that is not broken.
const WIDTH: usize = 100;

/// Some results of a function as a text of the language; several of them as a tuple of named statements.
///
/// # Errors
/// Where a loop can't be written in the language; formulas of numbers always can.
pub fn to_text(func: &Func, results: &[usize]) -> Result<String, Unsayable> {
    to_text_with_names(func, results, None)
}

/// The same, with the user's names for what they name.
///
/// # Errors
/// As [`to_text`].
pub fn to_text_with_names(func: &Func, results: &[usize], names: Option<Names>) -> Result<String, Unsayable> {
    let statements = Statements::of(func, results, names)?;
    let printer = Printer::new(&statements, func);
    let mut lines = declarations(func, &statements, names);
    lines.extend(statements.lines.iter().map(|line| match line {
        Line::Value { name: None, value, .. } => printer.mention(*value),
        Line::Value { name: Some(name), value, defines } => {
            let text = if *defines { printer.text(*value, &[]) } else { printer.mention(*value) };
            format!("{name} = {text}")
        }
        Line::Clause { name, places, value, guard } => printer.clause(name, places, *value, *guard),
        Line::Loop { def } => printer.iterate(*def),
    }));
    // The last statement is the result; among arrays that refer to each other another may be the last.
    let ends = |name: &String| match statements.lines.last() {
        Some(Line::Clause { name: last, .. } | Line::Value { name: Some(last), .. }) => last == name,
        _ => false,
    };
    if results.len() != 1 || statements.results.first().is_some_and(|only| !ends(only)) {
        lines.push(statements.results.join(", "));
    }
    Ok(lines.iter().map(|line| wrapped(line) + "\n").collect())
}

/// Some results of a function in LaTeX's mathematical mode, with the user's names for what they name: a formula, or
/// lines of `aligned` where there are several. The statements are those of [`to_text_with_names`].
///
/// # Errors
/// As [`to_text`].
pub fn to_latex(func: &Func, results: &[usize], names: Option<Names>) -> Result<String, Unsayable> {
    let statements = Statements::of(func, results, names)?;
    let arguments = func.params.iter().map(|param| param.name.as_str());
    let printer = latex::Printer::new(&statements, arguments);
    let line = |line: &Line| match line {
        Line::Value { name, value, defines } => {
            let text = if *defines || name.is_none() { printer.text(*value, &[]) } else { printer.mention(*value) };
            (name.as_ref().map(|name| printer.name(name)), text)
        }
        Line::Clause { name, places, value, guard } => printer.clause(name, places, *value, *guard),
        Line::Loop { def } => printer.iterate(*def),
    };
    Ok(match &statements.lines.iter().map(line).collect::<Vec<_>>()[..] {
        [(None, text)] => format!("{text}\n"),
        [(Some(name), text)] => format!("{name} = {text}\n"),
        lines => latex::aligned(lines),
    })
}

/// A statement in lines of readable length: a line ends after a comma or a binary operator, where the statement goes on.
fn wrapped(statement: &str) -> String {
    if statement.chars().count() <= WIDTH {
        return statement.to_owned();
    }
    let (mut text, mut column) = (String::new(), 0);
    for part in statement.split_inclusive([' ', '*']) {
        let may_break = ["+ ", "- ", ", ", " and ", " or ", "*"].iter().any(|end| text.ends_with(end));
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

/// What must be declared: arrays with their extents, integers, and arguments that are called like a constant. Where anything but
/// integers is declared, everything is. An integer that the text holds for one value of says which in a comment.
fn declarations(func: &Func, statements: &Statements, names: Option<Names>) -> Vec<String> {
    let data = names.map_or(&[][..], |names| names.data);
    let declared = names.is_some_and(|names| names.declared);
    let fixed = names.map_or(&[][..], |names| names.fixed);
    let mut used = vec![false; func.len()];
    for root in &statements.values {
        used[root.index()] = true;
    }
    for val in func.vals().rev() {
        if used[val.index()] {
            for operand in func.sources(val) {
                used[operand.index()] = true;
            }
        }
    }
    let params_in = func.vals().filter(|val| used[val.index()]).filter_map(|val| match func.inst(val) {
        Inst::Param(index) => Some(index),
        _ => None,
    });
    let mut params: Vec<u32> = if declared { (0..func.params.len() as u32).collect() } else { params_in.collect() };
    let has_arrays = params.iter().any(|&index| !func.params[index as usize].shape.is_empty());
    if has_arrays {
        params.sort_unstable();
    }
    let names = |ty: Type, is_data: bool| -> Vec<String> {
        let params = params.iter().map(|&index| &func.params[index as usize]);
        let declared = |param: &Param| match &param.shape[..] {
            [] => param.name.clone(),
            shape => {
                let extents: Vec<String> = shape.iter().map(usize::to_string).collect();
                format!("{}[{}]", param.name, extents.join(", "))
            }
        };
        let is_asked = |param: &&Param| param.ty == ty && data.contains(&param.name.as_str()) == is_data;
        params.filter(is_asked).map(declared).collect()
    };
    let (numbers, given, integers) = (names(Type::F64, false), names(Type::F64, true), names(Type::Int, false));
    let mut lines = Vec::new();
    let like_constant = params.iter().any(|&index| builtin::constant(&func.params[index as usize].name).is_some());
    if declared || has_arrays || like_constant {
        let declared = [("param", numbers), ("data", given)].into_iter().filter(|(_, names)| !names.is_empty());
        lines.extend(declared.map(|(word, names)| format!("{word} {}", names.join(", "))));
    }
    let (of_one_value, open): (Vec<String>, Vec<String>) =
        integers.into_iter().partition(|name| fixed.iter().any(|(known, _)| known == name));
    if !open.is_empty() {
        lines.push(format!("index {}", open.join(", ")));
    }
    for (name, value) in fixed.iter().filter(|(name, _)| of_one_value.iter().any(|known| known == name)) {
        lines.push(format!("index {name}  # {name} = {value}"));
    }
    lines
}
