//! `chainrule jvp`: the derivative in a direction.

use std::path::PathBuf;

use chainrule::Array;
use chainrule::syntax::canonical_name;
use clap::Args;

use super::answer::Answer;
use super::fault::Fault;
use super::inputs::{Inputs, from_json, results};
use super::options::{Output, Run, Text, result_names};
use super::{examples, json, table, values};

/// The values and their derivatives in a direction
///
/// One forward sweep, for any number of results: the Jacobian times a vector.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Jvp {
    #[command(flatten)]
    text: Text,
    #[command(flatten)]
    inputs: Inputs,
    /// How fast each argument changes; those not named stand still
    #[arg(long, value_name = "NAME=VALUE,…", required_unless_present = "direction_args")]
    direction: Vec<String>,
    /// How fast arguments change, from a JSON file like that of `--args`
    #[arg(long, value_name = "PATH", allow_hyphen_values = true)]
    direction_args: Option<PathBuf>,
    #[command(flatten)]
    run: Run,
    #[command(flatten)]
    output: Output,
}

const EXAMPLES: &str = examples!(
    "jvp 'x*sin(z)' --at x=2,z=3 --direction x=1,z=-0.5",
    "jvp 'r*cos(t), r*sin(t)' --at r=2,t=1 --direction t=1 --format json",
);

impl Jvp {
    pub fn run(&self) -> Result<Answer, Fault> {
        let (program, given) = self.inputs.of(&self.text.parse()?)?;
        let numbers = values::parse("--direction", &self.direction)?;
        let mut direction: Vec<(String, Array)> =
            numbers.into_iter().map(|(name, number)| (canonical_name(&name).into_owned(), number.into())).collect();
        if let Some(path) = &self.direction_args {
            direction.extend(from_json(path)?);
        }
        let by = direction.iter().map(|(name, _)| name.as_str());
        let compiled = self.run.once(&program, program.jvp().wrt(by)).compile()?;
        let call = compiled.by_name().with_all(given.views());
        let call = direction.iter().fold(call, |call, (name, array)| call.direction(name.as_str(), array));
        let answer = results(call.run()?);
        let names = result_names(&program);
        let (primals, tangents) = answer.split_at(names.len());
        let text = || match (table::numbers(&answer), names.as_slice()) {
            (Some(_), [_]) => table::lines(["value", "tangent"].map(str::to_owned).into_iter().zip(&answer)),
            (Some(numbers), names) => {
                let head = ["", "value", "tangent"].map(str::to_owned).to_vec();
                let row =
                    |(index, name): (usize, &String)| table::row(name, &[numbers[index], numbers[index + names.len()]]);
                let body = names.iter().enumerate().map(row);
                table::columns(&std::iter::once(head).chain(body).collect::<Vec<_>>())
            }
            (None, names) => {
                let tangent =
                    |name: &String| if names.len() == 1 { "tangent".to_owned() } else { format!("tangent of {name}") };
                table::lines(names.iter().cloned().chain(names.iter().map(tangent)).zip(&answer))
            }
        };
        let json =
            || json::object([("value", json::results(primals.iter())), ("tangent", json::results(tangents.iter()))]);
        Ok(Answer::about(
            &program,
            self.output.format,
            || text() + &self.run.relax.note(),
            || self.run.relax.mark(json()),
        ))
    }
}
