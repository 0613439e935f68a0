//! `chainrule eval`: the value of a formula at a point.

use clap::Args;

use super::answer::Answer;
use super::explain::Explain;
use super::fault::Fault;
use super::options::{Output, Point, Run, Text, result_names};
use super::{examples, json, table};

/// The value of a formula at a point
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Eval {
    #[command(flatten)]
    text: Text,
    #[command(flatten)]
    point: Point,
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
);

impl Eval {
    pub fn run(&self) -> Result<Answer, Fault> {
        let program = self.text.parse()?;
        let point = self.point.of(&program)?;
        let names = result_names(&program);
        let mut values = vec![0.0; names.len()];
        let request = self.run.once(&program, program.value());
        request.compile()?.call_into(&point, &mut values)?;
        let explanation = self.explain.of(&program, &request, &point, names.iter().cloned(), &values)?;
        let text = || {
            table::lines(names.into_iter().zip(values.iter().copied())) + &self.run.relax.note() + &explanation.text()
        };
        let json = || self.run.relax.mark(explanation.mark(json::object([("value", json::results(&values))])));
        Ok(Answer::about(&program, self.output.format, text, json).and(explanation.hint(&values)))
    }
}
