//! `chainrule derive`: the derivative as a formula.

use chainrule::ast::StatementKind;
use chainrule::formula::{self, Names, Unsayable};
use chainrule::ir::Func;
use chainrule::span::Span;
use chainrule::{Limits, Mode, Program, Role, syntax};
use clap::{Args, ValueEnum};
use serde_json::Value;

use super::answer::Answer;
use super::fault::Fault;
use super::inputs::Inputs;
use super::options::{self, Text, Wrt};
use super::{examples, json, table};

/// The derivative as a formula, in the language itself or in LaTeX
///
/// By one argument it is one formula; by several, each derivative has its name: `d_x` is the one by `x`. LaTeX is for
/// mathematical mode, with the commands of amsmath.
///
/// Loops become sums, arrays by an index and recurrences. A formula with arrays has a derivative for given sizes: `--size`, or
/// arguments that have them; the text declares its arrays with these.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Derive {
    #[command(flatten)]
    text: Text,
    #[command(flatten)]
    wrt: Wrt,
    #[command(flatten)]
    inputs: Inputs,
    /// The order of the derivative, by one argument; by an array 1 or 2
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=20))]
    order: u8,
    /// How the answer is written
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,
}

#[derive(Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum Format {
    #[default]
    Text,
    Json,
    Latex,
}

/// Below this number of instructions, all arguments together, a derivative is for people.
const SHORT: usize = 5_000;

const EXAMPLES: &str = examples!(
    "derive 'x^3*sin(x)'",
    "derive 'exp(x*z) + ln(x)/z' --wrt z",
    "derive 'exp(-x^2)' --order 2 --format json",
    "derive 'sqrt(theta_1^2 + x/2)' --format latex",
    "derive 'param x[N]; sum[i](x[i]^2)/N' --size N=3",
);

impl Derive {
    pub fn run(&self) -> Result<Answer, Fault> {
        let (program, _) = self.inputs.bind(&self.text.parse()?)?;
        let names = self.wrt.apply(program.jacobian());
        let names = names.names()?;
        if names.is_empty() {
            return Err(Fault::usage(
                "there is nothing to differentiate by",
                "the formula has no argument that is a number",
            ));
        }
        let format = if self.format == Format::Json { options::Format::Json } else { options::Format::Text };
        let mut refusal = None;
        for &mode in self.modes(&program, &names) {
            let (graph, derivatives) = self.derivatives(&program, &names, mode)?;
            let formula = |results: &[usize]| self.formula(&program, &graph, results);
            match formula(&derivatives) {
                Ok(text) => {
                    let json = || {
                        let each = |column: usize| {
                            let formulas = derivatives[column..].iter().step_by(names.len());
                            let text = |&index: &usize| formula(&[index]).unwrap_or_default().trim_end().into();
                            formulas.map(text).collect()
                        };
                        let columns = (0..names.len()).map(|column| one_or_all(each(column)));
                        let derivatives = json::named(&names, columns);
                        Value::Object(json::object([("order", self.order.into()), ("derivative", derivatives)]))
                    };
                    return Ok(Answer::about(&program, format, || text, json));
                }
                Err(unsayable) => refusal = refusal.or(Some(unsayable)),
            }
        }
        let Some(unsayable) = refusal else { unreachable!("there is a mode") };
        let at = table::excerpt(line(program.source(), unsayable.at), table::LONGEST);
        let place = if at.is_empty() { String::new() } else { format!(": `{at}`") };
        let help = "`chainrule emit --stage reverse` shows the derivative as a graph, `chainrule grad` computes it";
        Err(Fault::usage(format!("{unsayable}{place}"), help))
    }

    /// The modes to try. Forward mode differentiates as a person does, a sum term by term; reverse mode factors what the terms share,
    /// and doesn't grow with the number of arguments. By arrays it makes arrays where forward mode makes loops over directions;
    /// but it reads the history of a loop, which one with `while` doesn't say.
    fn modes(&self, program: &Program, names: &[&str]) -> &'static [Mode] {
        let by_array = names.iter().any(|name| program.shape_of(name).is_some_and(|shape| !shape.is_empty()));
        let short = program.graph().len() * names.len() < SHORT;
        match (program.has_arrays(), by_array) {
            (true, true) => &[Mode::Reverse, Mode::Forward],
            (true, false) => &[Mode::Forward, Mode::Reverse],
            (false, _) if short => &[Mode::Forward],
            (false, _) => &[Mode::Reverse],
        }
    }

    /// The graph of the derivatives, and which results they are.
    fn derivatives(&self, program: &Program, names: &[&str], mode: Mode) -> Result<(Func, Vec<usize>), Fault> {
        let n_results = program.results().len();
        let is_array = names.iter().any(|name| program.shape_of(name).is_some_and(|shape| !shape.is_empty()));
        match (self.order, names) {
            (1, _) => {
                let graph = self.wrt.apply(program.jacobian()).mode(mode).graph()?;
                Ok((graph, (n_results..n_results * (1 + names.len())).collect()))
            }
            (2, [_]) if is_array => Ok((self.wrt.apply(program.hessian()).mode(mode).graph()?, vec![2])),
            (order, [name]) if is_array => {
                let message =
                    format!("`{name}` is an array, and its derivative of order {order} has too many dimensions");
                Err(Fault::usage(message, "by arrays the orders are 1 and 2"))
            }
            (order, [name]) => {
                let order = usize::from(order);
                Ok((program.nth(order).wrt([*name]).graph()?, vec![order]))
            }
            (order, _) => {
                let message = format!("a derivative of order {order} is by one argument, not by {}", names.len());
                Err(Fault::usage(message, "choose one: --wrt NAME"))
            }
        }
    }

    /// Some results of a derivative as a text, with the names that the user gave to parts of it.
    fn formula(&self, program: &Program, graph: &Func, results: &[usize]) -> Result<String, Unsayable> {
        let values: Vec<_> =
            program.definitions().iter().map(|definition| (definition.name.clone(), definition.value)).collect();
        let data = program.arguments().iter().filter(|argument| argument.role == Role::Data);
        let data: Vec<&str> = data.map(|argument| argument.name.as_str()).collect();
        let name = |&(place, value): &(usize, i64)| (program.arguments()[place].name.as_str(), value);
        let fixed: Vec<_> = program.specialised().iter().map(name).collect();
        let has_arrays = program.arguments().iter().any(|argument| !argument.extents.is_empty());
        let declared = has_arrays || is_declared(program.source());
        let (func, source) = (program.graph(), program.source());
        let names = Some(Names { func, values: &values, source, data: &data, declared, fixed: &fixed });
        match self.format {
            Format::Text | Format::Json => formula::to_text_with_names(graph, results, names),
            Format::Latex => formula::to_latex(graph, results, names),
        }
    }
}

/// Whether a text declares its arguments.
fn is_declared(source: &str) -> bool {
    syntax::parse(source, &Limits::default()).is_ok_and(|(ast, _)| {
        let statements = ast.root.map(|root| &ast.block(root).statements);
        statements.into_iter().flatten().any(|each| matches!(each.kind, StatementKind::Declare { .. }))
    })
}

/// The line of a text that a place is in.
fn line(source: &str, at: Span) -> &str {
    let (start, end) = (at.start as usize, at.end as usize);
    let from = source.get(..start).and_then(|before| before.rfind('\n')).map_or(0, |end| end + 1);
    let to = source.get(end..).and_then(|after| after.find('\n')).map_or(source.len(), |next| end + next);
    if start == end { "" } else { source.get(from..to).unwrap_or_default().trim() }
}

/// Of a program with one result the formula, of several a list.
fn one_or_all(mut formulas: Vec<Value>) -> Value {
    match formulas.len() {
        1 => formulas.remove(0),
        _ => formulas.into(),
    }
}
