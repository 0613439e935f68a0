//! `chainrule vjp`: the derivatives of a weighted sum of the results.

use std::path::PathBuf;

use chainrule::error::{Report, nearest, shorten};
use chainrule::span::Span;
use chainrule::syntax::canonical_name;
use chainrule::{Array, Program};
use clap::Args;

use super::answer::Answer;
use super::fault::Fault;
use super::inputs::{Inputs, from_json, results};
use super::options::{Output, Run, Text, Wrt, called, result_names};
use super::{examples, json, table, values};

/// The values and the derivatives of their weighted sum
///
/// One reverse sweep, for any number of arguments: a vector times the Jacobian.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Vjp {
    #[command(flatten)]
    text: Text,
    #[command(flatten)]
    inputs: Inputs,
    /// The weight of each result: one after the other, or by name, those not named being 0
    #[arg(long, value_name = "WEIGHT,…", allow_hyphen_values = true, required_unless_present = "weights_args")]
    weights: Option<String>,
    /// The weights of results that are arrays, from a JSON file like that of `--args`; a result without a name is `value`
    #[arg(long, value_name = "PATH", allow_hyphen_values = true)]
    weights_args: Option<PathBuf>,
    #[command(flatten)]
    wrt: Wrt,
    #[command(flatten)]
    run: Run,
    #[command(flatten)]
    output: Output,
}

const EXAMPLES: &str = examples!(
    "vjp 'r*cos(t), r*sin(t)' --at r=2,t=1 --weights 1,-2",
    "vjp 'u = x*z; v = x/z; u, v' --at x=2,z=3 --weights v=1 --format json",
);

impl Vjp {
    pub fn run(&self) -> Result<Answer, Fault> {
        let (program, given) = self.inputs.of(&self.text.parse()?)?;
        let weights = self.weights(&program)?;
        let request = self.run.once(&program, self.wrt.apply(program.vjp()));
        let by = request.names()?;
        let compiled = request.compile()?;
        let call = compiled.by_name().with_all(given.views());
        let call = weights.iter().fold(call, |call, (name, array)| call.weight(name.as_str(), array));
        let answer = results(call.run()?);
        let names = result_names(&program);
        let (primals, adjoints) = answer.split_at(names.len());
        let text = || {
            let adjoints = by.iter().map(|name| format!("adjoint of {name}"));
            table::lines(names.iter().cloned().chain(adjoints).zip(&answer)) + &self.run.relax.note()
        };
        let json = || {
            let adjoints = json::named(&by, adjoints.iter().map(json::array));
            self.run.relax.mark(json::object([("value", json::results(primals.iter())), ("adjoint", adjoints)]))
        };
        Ok(Answer::about(&program, self.output.format, text, json))
    }

    /// Weights by the names of results.
    fn weights(&self, program: &Program) -> Result<Vec<(String, Array)>, Fault> {
        let mut weights = match &self.weights {
            Some(text) => self.numbers(text, program)?,
            None => Vec::new(),
        };
        if let Some(path) = &self.weights_args {
            weights.extend(from_json(path)?);
            let names = called(program);
            if let Some((name, _)) =
                weights.iter().find(|(name, _)| !names.contains(&canonical_name(name).into_owned()))
            {
                let message = format!("`{}` is not a result of the formula", shorten(name));
                return Err(Fault::usage(message, hint(name, &names)));
            }
        }
        Ok(weights)
    }

    fn numbers(&self, text: &str, program: &Program) -> Result<Vec<(String, Array)>, Fault> {
        let names = called(program);
        if text.contains('=') {
            return self.by_name(text, &names);
        }
        let (weights, faults): (Vec<_>, Vec<_>) =
            values::parts(text).map(|(at, text)| values::number(at, text)).partition(Result::is_ok);
        let faults: Vec<Report> = faults.into_iter().filter_map(Result::err).collect();
        if !faults.is_empty() {
            return Err(fault(text, faults));
        }
        if weights.len() != names.len() {
            let (found, expected) = (weights.len(), names.len());
            let message = format!("`--weights` takes a number for each result: {expected}, not {found}");
            return Err(Fault::usage(message, "or give weights by name, the others being 0, as in a=1,b=-2"));
        }
        Ok(names.into_iter().zip(weights.into_iter().flatten().map(Array::from)).collect())
    }

    fn by_name(&self, text: &str, names: &[String]) -> Result<Vec<(String, Array)>, Fault> {
        let mut weights: Vec<(String, Array)> = Vec::new();
        let mut faults = Vec::new();
        for (name, value) in values::parse("--weights", &[text.to_owned()])? {
            let name = canonical_name(&name).into_owned();
            if !names.contains(&name) {
                faults.push(report(text, &name, "is not a result of the formula", Some(hint(&name, names))));
            } else if weights.iter().any(|(given, _)| *given == name) {
                faults.push(report(text, &name, "has two weights", None));
            } else {
                weights.push((name, value.into()));
            }
        }
        if faults.is_empty() { Ok(weights) } else { Err(fault(text, faults)) }
    }
}

/// What a result may be called, where this is none.
fn hint(name: &str, names: &[String]) -> String {
    match nearest(name, names.iter().map(String::as_str)) {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None => {
            let names: Vec<String> = names.iter().map(|name| format!("`{}`", shorten(name))).collect();
            format!("weights are of its results: {}", names.join(", "))
        }
    }
}

fn report(text: &str, name: &str, what: &str, help: Option<String>) -> Report {
    let at = text.rfind(name).unwrap_or(0);
    Report {
        message: format!("`{}` {what}", shorten(name)),
        at: Span::new(at, at + name.len()),
        help: help.into_iter().collect(),
        ..Report::default()
    }
}

fn fault(text: &str, reports: Vec<Report>) -> Fault {
    Fault::Value { option: "--weights", text: text.to_owned(), reports }
}
