//! `chainrule grad`: the value and the first derivatives.

use clap::Args;

use super::answer::Answer;
use super::explain::Explain;
use super::fault::Fault;
use super::options::{ModeOption, Output, Point, Run, Text, Wrt};
use super::{examples, json, table};

/// The value and its first derivatives at a point
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Grad {
    #[command(flatten)]
    text: Text,
    #[command(flatten)]
    point: Point,
    #[command(flatten)]
    wrt: Wrt,
    #[command(flatten)]
    mode: ModeOption,
    #[command(flatten)]
    run: Run,
    #[command(flatten)]
    explain: Explain,
    #[command(flatten)]
    output: Output,
}

const EXAMPLES: &str = examples!(
    "grad 'exp(x*z) + x*z/ln(x)' --at x=2,z=3",
    "grad 'exp(x*z) + x*z/ln(x)' --at x=2,z=3 --wrt z --format json",
    "grad '-x^2' --at x=1",
);

impl Grad {
    pub fn run(&self) -> Result<Answer, Fault> {
        let program = self.text.parse()?;
        let request = self.run.once(&program, self.wrt.apply(program.gradient()).mode(self.mode.mode));
        let names = request.names()?;
        let compiled = request.compile()?;
        let point = self.point.of(&program)?;
        let mut gradient = vec![0.0; names.len()];
        let value = compiled.call(&point, &mut gradient)?;
        let labels = || std::iter::once("value".to_owned()).chain(names.iter().map(|name| format!("d/d{name}")));
        let numbers = [&[value], gradient.as_slice()].concat();
        let explanation = self.explain.of(&program, &request, &point, labels(), &numbers)?;
        let text =
            || table::lines(labels().zip(numbers.iter().copied())) + &self.run.relax.note() + &explanation.text();
        let json = || {
            let derivatives = json::named(&names, gradient.iter().copied().map(json::number));
            self.run
                .relax
                .mark(explanation.mark(json::object([("value", json::number(value)), ("gradient", derivatives)])))
        };
        Ok(Answer::about(&program, self.output.format, text, json).and(explanation.hint(&numbers)))
    }
}
