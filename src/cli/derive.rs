//! `chainrule derive`: the derivative as a formula.

use chainrule::formula::{self, Names};
use chainrule::ir::Func;
use chainrule::{Mode, Program};
use clap::{Args, ValueEnum};
use serde_json::Value;

use super::answer::Answer;
use super::fault::Fault;
use super::options::{self, Text, Wrt};
use super::{examples, json};

/// The derivative as a formula, in the language itself or in LaTeX
///
/// By one argument it is one formula; by several, each derivative has its name: `d_x` is the one by `x`. LaTeX is for
/// mathematical mode, with the commands of amsmath.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Derive {
    #[command(flatten)]
    text: Text,
    #[command(flatten)]
    wrt: Wrt,
    /// The order of the derivative, by one argument
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
);

impl Derive {
    pub fn run(&self) -> Result<Answer, Fault> {
        let program = self.text.parse()?;
        if program.has_arrays() {
            let message = "a derivative of arrays or loops isn't written as a formula";
            let help = "`chainrule emit --stage reverse` shows it as a graph, `chainrule grad` computes it";
            return Err(Fault::usage(message, help));
        }
        let request = self.wrt.apply(program.jacobian());
        let names = request.names()?;
        // Forward mode differentiates as a person does, a sum term by term; reverse mode factors what the terms share, and
        // doesn't grow with the number of arguments.
        let short = program.graph().len() * names.len() < SHORT;
        let request = request.mode(if short { Mode::Forward } else { Mode::Reverse });
        if names.is_empty() {
            return Err(Fault::usage(
                "there is nothing to differentiate by",
                "the formula has no argument that is a number",
            ));
        }
        let n_results = program.results().len();
        let (graph, derivatives) = match (self.order, names.as_slice()) {
            (1, _) => (request.graph()?, n_results..n_results * (1 + names.len())),
            (order, [name]) => {
                let order = usize::from(order);
                (program.nth(order).wrt([*name]).graph()?, order..order + 1)
            }
            (order, _) => {
                let message = format!("a derivative of order {order} is by one argument, not by {}", names.len());
                return Err(Fault::usage(message, "choose one: --wrt NAME"));
            }
        };
        let derivatives: Vec<usize> = derivatives.collect();
        let (format, write): (_, Writer) = match self.format {
            Format::Text => (options::Format::Text, formula::to_text_with_names),
            Format::Json => (options::Format::Json, formula::to_text_with_names),
            Format::Latex => (options::Format::Text, formula::to_latex),
        };
        let text = || formula_of(&program, &graph, &derivatives, write);
        let json = || {
            let each = |column: usize| {
                let formulas = derivatives[column..].iter().step_by(names.len());
                formulas.map(|&index| formula_of(&program, &graph, &[index], write).trim_end().into()).collect()
            };
            let derivatives = json::named(&names, (0..names.len()).map(|column| one_or_all(each(column))));
            Value::Object(json::object([("order", self.order.into()), ("derivative", derivatives)]))
        };
        Ok(Answer::about(&program, format, text, json))
    }
}

/// Of a program with one result the formula, of several a list.
fn one_or_all(mut formulas: Vec<Value>) -> Value {
    match formulas.len() {
        1 => formulas.remove(0),
        _ => formulas.into(),
    }
}

/// What writes some results of a graph.
type Writer = fn(&Func, &[usize], Option<Names>) -> String;

/// Some results of a derivative as a text, with the names that the user gave to parts of it.
fn formula_of(program: &Program, graph: &Func, results: &[usize], write: Writer) -> String {
    let values: Vec<_> =
        program.definitions().iter().map(|definition| (definition.name.clone(), definition.value)).collect();
    let names = Names { func: program.graph(), values: &values };
    write(graph, results, Some(names))
}
