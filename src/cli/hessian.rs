//! `chainrule hessian`: the value, the first and the second derivatives.

use clap::Args;

use super::answer::Answer;
use super::explain::Explain;
use super::fault::Fault;
use super::inputs::Inputs;
use super::options::{ModeOption, Output, Run, Text, Wrt};
use super::{examples, json, table};

/// The value, its first and its second derivatives at a point
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Hessian {
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
    "hessian 'x^2*sin(z)' --at x=2,z=3",
    "hessian '(1 - x)^2 + 100*(y - x^2)^2' --at x=1,y=1 --format json",
    "hessian 'c*sum[i](x[i]^3)' --data x=examples/vector.csv --at c=2",
);

impl Hessian {
    pub fn run(&self) -> Result<Answer, Fault> {
        let (program, given) = self.inputs.of(&self.text.parse()?)?;
        let request = self.run.once(&program, self.wrt.apply(program.hessian()).mode(self.mode.mode));
        let names = request.names()?;
        let results = given.call(&request.compile()?)?;
        let (value, gradient) = (&results[0], &results[1..=names.len()]);
        let hessian = &results[1 + names.len()..];
        let rows = || hessian.chunks(names.len().max(1));
        let labels = || std::iter::once("value".to_owned()).chain(names.iter().map(|name| format!("d/d{name}")));
        let second = || names.iter().flat_map(|by| names.iter().map(move |and_by| format!("d²/d{by} d{and_by}")));
        let explanation = self.explain.of(&program, &request, &given, labels().chain(second()), &results)?;
        let text = || {
            let first = table::lines(labels().zip(&results));
            let second = match table::numbers(hessian) {
                Some(numbers) => {
                    let head = std::iter::once("hessian").chain(names.iter().copied()).map(str::to_owned).collect();
                    let rows = numbers.chunks(names.len().max(1));
                    let body = names.iter().zip(rows).map(|(name, row)| table::row(name, row));
                    table::columns(&std::iter::once(head).chain(body).collect::<Vec<Vec<String>>>())
                }
                None => table::lines(second().zip(hessian)),
            };
            format!("{first}\n{second}{}{}", self.run.relax.note(), explanation.text())
        };
        let json = || {
            let first = json::named(&names, gradient.iter().map(json::array));
            let second = json::named(&names, rows().map(|row| json::named(&names, row.iter().map(json::array))));
            let object = json::object([("value", json::array(value)), ("gradient", first), ("hessian", second)]);
            self.run.relax.mark(explanation.mark(object))
        };
        Ok(Answer::about(&program, self.output.format, text, json).and(explanation.hint(&results)))
    }
}
