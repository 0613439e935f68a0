//! `chainrule trace`: every value on the way, going forward, and its adjoint, going backward.

use chainrule::Program;
use chainrule::inspect::{self, Step};
use chainrule::ir::Inst;
use chainrule::span::line_column;
use clap::Args;
use serde_json::{Value, json};

use super::answer::Answer;
use super::fault::Fault;
use super::options::{Output, Point, Text, result_names};
use super::{examples, json, table};

/// Every value on the way with its adjoint: a forward and a reverse sweep by hand
///
/// Values are computed downwards. The adjoint says how much the result grows with the value; adjoints are computed
/// upwards, and those of the arguments are the derivatives.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Trace {
    #[command(flatten)]
    text: Text,
    #[command(flatten)]
    point: Point,
    #[command(flatten)]
    output: Output,
}

const EXAMPLES: &str = examples!(
    "trace 'exp(x*z) + x*z/ln(x)' --at x=2,z=3",
    "trace 'a = x*z; b = ln(x); exp(a) + a/b' --at x=2,z=3 --format json",
);

/// So much of an expression is shown in the table.
const WIDEST: usize = 48;

impl Trace {
    pub fn run(&self) -> Result<Answer, Fault> {
        let program = self.text.parse()?;
        let point = self.point.of(&program)?;
        // Only a call knows when integer arithmetic has no result here.
        let names = result_names(&program);
        let mut values = vec![0.0; names.len()];
        program.value().backend(chainrule::Backend::Interpreter).compile()?.call_into(&point, &mut values)?;
        let steps = inspect::trace(program.graph(), &point);
        let text = || table(&program, &names, &steps);
        let json = || {
            let steps: Vec<Value> = steps.iter().map(|step| entry(&program, step)).collect();
            Value::Object(json::object([("value", json::results(&values)), ("steps", steps.into())]))
        };
        Ok(Answer::about(&program, self.output.format, text, json))
    }
}

fn table(program: &Program, names: &[String], steps: &[Step]) -> String {
    let adjoints = names.iter().map(|name| match names.len() {
        1 => "adjoint ↑".to_owned(),
        _ => format!("adjoint ↑ of {name}"),
    });
    let head = ["expression", "value ↓"].into_iter().map(str::to_owned).chain(adjoints).collect();
    let body = steps.iter().map(|step| {
        let expression = match name(program, step) {
            Some(name) if step.op.is_some() => format!("{name} = {}", expression(program, step)),
            Some(name) => name.to_owned(),
            None => expression(program, step),
        };
        let numbers = std::iter::once(step.value).chain(step.adjoints.iter().copied()).map(table::number);
        std::iter::once(shortened(&expression)).chain(numbers).collect()
    });
    table::columns(&std::iter::once(head).chain(body).collect::<Vec<Vec<String>>>())
}

fn entry(program: &Program, step: &Step) -> Value {
    let (line, column) = line_column(program.source(), step.at.start);
    json!({
        "name": name(program, step),
        "expression": expression(program, step),
        "operator": step.op.map(chainrule::ops::Op::name),
        "line": line,
        "column": column,
        "value": json::number(step.value),
        "adjoint": json::results(&step.adjoints),
    })
}

/// What the text calls the value, if anything.
fn name<'p>(program: &'p Program, step: &Step) -> Option<&'p str> {
    match program.graph().inst(step.val) {
        Inst::Param(index) => program.arguments().get(index as usize).map(|argument| argument.name.as_str()),
        _ => {
            let definition = program.definitions().iter().find(|definition| definition.value == step.val);
            definition.map(|definition| definition.name.as_str())
        }
    }
}

/// The expression of the text that the value comes from, on one line.
fn expression(program: &Program, step: &Step) -> String {
    step.at.text(program.source()).split_whitespace().collect::<Vec<_>>().join(" ")
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(WIDEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
