//! `chainrule grad`: the value and the first derivatives.

use clap::Args;

use super::answer::Answer;
use super::explain::Explain;
use super::fault::Fault;
use super::inputs::Inputs;
use super::options::{ModeOption, Output, Run, Text, Wrt};
use super::{examples, json, table};

/// The value and its first derivatives at a point
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Grad {
    #[command(flatten)]
    text: Text,
    #[command(flatten)]
    inputs: Inputs,
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
    "grad 'c + sum[i](w[i]*x[i])^2' --args examples/line.json",
);

impl Grad {
    pub fn run(&self) -> Result<Answer, Fault> {
        let (program, given) = self.inputs.of(&self.text.parse()?)?;
        let request = self.run.once(&program, self.wrt.apply(program.gradient()).mode(self.mode.mode));
        let names = request.names()?;
        let results = given.call(&request.compile()?)?;
        let labels = || std::iter::once("value".to_owned()).chain(names.iter().map(|name| format!("d/d{name}")));
        let explanation = self.explain.of(&program, &request, &given, labels(), &results)?;
        let text = || table::lines(labels().zip(&results)) + &self.run.relax.note() + &explanation.text();
        let json = || {
            let derivatives = json::named(&names, results[1..].iter().map(json::array));
            let object = json::object([("value", json::array(&results[0])), ("gradient", derivatives)]);
            self.run.relax.mark(explanation.mark(object))
        };
        Ok(Answer::about(&program, self.output.format, text, json).and(explanation.hint(&results)))
    }
}
