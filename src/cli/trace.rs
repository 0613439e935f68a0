//! `chainrule trace`: every value on the way, going forward, and its adjoint, going backward.

use std::collections::HashMap;

use chainrule::inspect::{self, Step};
use chainrule::ir::{Inst, Val};
use chainrule::ops::Op;
use chainrule::span::Span;
use chainrule::{Argument, Program, plot};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::answer::Answer;
use super::fault::Fault;
use super::inputs::{Given, Inputs};
use super::options::{self, Text, result_names};
use super::{examples, json, table};

/// Every value on the way with its adjoint: a forward and a reverse sweep by hand
///
/// Values are computed downwards. The adjoint says how much the result grows with the value; adjoints are computed
/// upwards, and those of the arguments are the derivatives. Of a formula with arrays, what has a name is shown. As SVG it is a picture
/// of the graph: on each edge the value that goes forward and, below it, the adjoint that comes back; with arrays, of what has a name,
/// each with its extents and adjoint.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Trace {
    #[command(flatten)]
    text: Text,
    #[command(flatten)]
    inputs: Inputs,
    /// How the answer is written
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,
}

#[derive(Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum Format {
    #[default]
    Text,
    Json,
    Svg,
}

const EXAMPLES: &str = examples!(
    "trace 'exp(x*z) + x*z/ln(x)' --at x=2,z=3",
    "trace 'a = x*z; b = ln(x); exp(a) + a/b' --at x=2,z=3 --format json",
    "trace 'sigmoid(w*x + b)' --at w=2,x=-1,b=3 --format svg",
);

/// So much of an expression is shown in the table.
const WIDEST: usize = 48;

impl Trace {
    pub fn run(&self) -> Result<Answer, Fault> {
        let (program, given) = self.inputs.of(&self.text.parse()?)?;
        if program.has_arrays() {
            return self.arrays(&program, &given);
        }
        let point = program.point(given.numbers())?;
        // Only a call knows when integer arithmetic has no result here.
        let names = result_names(&program);
        let mut values = vec![0.0; names.len()];
        program.value().backend(chainrule::Backend::Interpreter).compile()?.call_into(&point, &mut values)?;
        if self.format == Format::Svg {
            let picture = picture(&program, &point)?;
            return Ok(Answer::about(&program, options::Format::Text, || picture, || Value::Null));
        }
        let steps = inspect::trace(program.graph(), &point);
        let rows = rows(&program, &steps);
        let text = || table(&names, &rows);
        let json = || {
            let steps: Vec<Value> = rows.iter().map(entry).collect();
            Value::Object(json::object([("value", json::numbers(&values)), ("steps", steps.into())]))
        };
        Ok(Answer::about(&program, self.format(), text, json))
    }

    fn format(&self) -> options::Format {
        if self.format == Format::Json { options::Format::Json } else { options::Format::Text }
    }
}

impl Trace {
    /// Arguments and definitions with their adjoints.
    fn arrays(&self, program: &Program, given: &Given) -> Result<Answer, Fault> {
        // Only a call knows when an element doesn't exist.
        let values = given.call(&program.value().backend(chainrule::Backend::Interpreter).compile()?)?;
        let graph = program.graph();
        let is_param = |val: &Val| matches!(graph.inst(*val), Inst::Param(_));
        let arguments = graph.vals().filter(is_param).zip(program.arguments());
        let named = arguments.map(|(val, Argument { name, at, .. })| (val, name, *at));
        let named = named.chain(program.definitions().iter().map(|each| (each.value, &each.name, each.at)));
        let named: Vec<(Val, &String, Span)> = named.collect();
        let args = given.in_order(program);
        let args: Vec<&[f64]> = args.iter().map(|array| array.data.as_slice()).collect();
        let sights = inspect::survey(graph, &args, &named.iter().map(|(val, ..)| *val).collect::<Vec<Val>>());
        if self.format == Format::Svg {
            let picture = plot::survey(graph, &definitions(program), &args).map_err(too_large)?;
            return Ok(Answer::about(program, options::Format::Text, || picture, || Value::Null));
        }
        let results = result_names(program);
        let text = || {
            let last = results.iter().cloned().zip(&values);
            let numbers: Vec<&String> =
                results.iter().zip(&values).filter(|(_, value)| value.shape.is_empty()).map(|(name, _)| name).collect();
            let label = |index: usize| match numbers.as_slice() {
                [_] => "  adjoint ↑".to_owned(),
                numbers => format!("  adjoint ↑ of {}", numbers[index]),
            };
            let lines = named.iter().zip(&sights).flat_map(|((_, name, _), sight)| {
                let adjoints = sight.adjoints.iter().enumerate();
                let adjoints = adjoints.filter_map(|(index, adjoint)| Some((label(index), adjoint.as_ref()?)));
                std::iter::once(((*name).clone(), &sight.value)).chain(adjoints)
            });
            table::lines(lines.chain(last))
        };
        let json =
            || {
                let steps: Vec<Value> = named.iter().zip(&sights).map(|((_, name, at), sight)| {
                json!({
                    "name": name,
                    "start": at.start,
                    "end": at.end,
                    "value": json::array(&sight.value),
                    "adjoint": one_or_all(sight.adjoints.iter().map(|adjoint| adjoint.as_ref().map(json::array))),
                })
            }).collect();
                Value::Object(json::object([("value", json::results(values.iter())), ("steps", steps.into())]))
            };
        Ok(Answer::about(program, self.format(), text, json))
    }
}

/// Of one result the adjoint, of several a list.
fn one_or_all(adjoints: impl Iterator<Item = Option<Value>>) -> Value {
    let mut adjoints: Vec<Value> = adjoints.map(Option::unwrap_or_default).collect();
    if adjoints.len() == 1 { adjoints.remove(0) } else { adjoints.into() }
}

fn picture(program: &Program, point: &[f64]) -> Result<String, Fault> {
    plot::computation(program.graph(), &definitions(program), point).map_err(too_large)
}

fn definitions(program: &Program) -> Vec<(String, Val)> {
    program.definitions().iter().map(|definition| (definition.name.clone(), definition.value)).collect()
}

fn too_large(error: plot::TooLarge) -> Fault {
    Fault::usage(error.to_string(), "`chainrule emit … --stage dot` writes graphs of any size for Graphviz")
}

/// A step in the words of the text.
struct Row<'p> {
    step: &'p Step,
    /// What the text calls the value, if anything.
    name: Option<&'p str>,
    /// The beginning of the expression that it comes from, on one line.
    expression: String,
    at: Span,
}

fn rows<'p>(program: &'p Program, steps: &'p [Step]) -> Vec<Row<'p>> {
    let mut names: HashMap<Val, &str> = HashMap::new();
    for definition in program.definitions() {
        names.entry(definition.value).or_insert(&definition.name);
    }
    let row = |step: &'p Step| {
        if let Inst::Param(index) = program.graph().inst(step.val)
            && let Some(Argument { name, at, .. }) = program.arguments().get(index as usize)
        {
            return Row { step, name: Some(name), expression: name.clone(), at: *at };
        }
        let expression = table::excerpt(step.at.text(program.source()), table::LONGEST);
        Row { step, name: names.get(&step.val).copied(), expression, at: step.at }
    };
    steps.iter().map(row).collect()
}

fn table(names: &[String], rows: &[Row]) -> String {
    let adjoints = names.iter().map(|name| match names.len() {
        1 => "adjoint ↑".to_owned(),
        _ => format!("adjoint ↑ of {name}"),
    });
    let head = ["expression", "value ↓"].into_iter().map(str::to_owned).chain(adjoints).collect();
    let body = rows.iter().map(|row| {
        let expression = match row.name {
            Some(name) if row.step.op.is_some() => format!("{name} = {}", row.expression),
            _ => row.expression.clone(),
        };
        let numbers = std::iter::once(row.step.value).chain(row.step.adjoints.iter().copied()).map(table::number);
        std::iter::once(table::excerpt(&expression, WIDEST)).chain(numbers).collect()
    });
    table::columns(&std::iter::once(head).chain(body).collect::<Vec<Vec<String>>>())
}

fn entry(row: &Row) -> Value {
    json!({
        "name": row.name,
        "expression": row.expression,
        "operator": row.step.op.map(Op::name),
        "start": row.at.start,
        "end": row.at.end,
        "value": json::number(row.step.value),
        "adjoint": json::numbers(&row.step.adjoints),
    })
}
