//! `chainrule eval`: the value of a formula at a point.

use clap::Args;

use super::answer::Answer;
use super::explain::Explain;
use super::fault::Fault;
use super::inputs::Inputs;
use super::options::{Output, Run, Text, result_names};
use super::{examples, json, table};

/// The value of a formula at a point
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Eval {
    #[command(flatten)]
    text: Text,
    #[command(flatten)]
    inputs: Inputs,
    #[command(flatten)]
    run: Run,
    #[command(flatten)]
    explain: Explain,
    #[command(flatten)]
    output: Output,
}

const EXAMPLES: &str = examples!(
    "eval 'sqrt(x^2 + y^2)' --at x=3,y=4",
    "eval 'r = hypot(x, y); φ = atan2(y, x); r, φ' --at x=3,y=4 --format json",
    "eval -x --at x=1",
    "eval 'sum[i](x[i]^2)' --data x=examples/vector.csv",
);

impl Eval {
    pub fn run(&self) -> Result<Answer, Fault> {
        let (program, given) = self.inputs.of(&self.text.parse()?)?;
        let names = result_names(&program);
        let request = self.run.once(&program, program.value());
        let values = given.call(&request.compile()?)?;
        let explanation = self.explain.of(&program, &request, &given, names.iter().cloned(), &values)?;
        let text = || table::lines(names.into_iter().zip(&values)) + &self.run.relax.note() + &explanation.text();
        let json = || self.run.relax.mark(explanation.mark(json::object([("value", json::results(values.iter()))])));
        Ok(Answer::about(&program, self.output.format, text, json).and(explanation.hint(&values)))
    }
}
