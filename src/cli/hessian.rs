//! `chainrule hessian`: the value, the first and the second derivatives.

use clap::Args;

use super::answer::Answer;
use super::explain::Explain;
use super::fault::Fault;
use super::options::{ModeOption, Output, Point, Run, Text, Wrt};
use super::{examples, json, table};

/// The value, its first and its second derivatives at a point
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Hessian {
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

const EXAMPLES: &str =
    examples!("hessian 'x^2*sin(z)' --at x=2,z=3", "hessian '(1 - x)^2 + 100*(y - x^2)^2' --at x=1,y=1 --format json",);

impl Hessian {
    pub fn run(&self) -> Result<Answer, Fault> {
        let program = self.text.parse()?;
        let request = self.run.once(&program, self.wrt.apply(program.hessian()).mode(self.mode.mode));
        let names = request.names()?;
        let compiled = request.compile()?;
        let point = self.point.of(&program)?;
        let mut gradient = vec![0.0; names.len()];
        let mut hessian = vec![0.0; names.len() * names.len()];
        let value = compiled.call(&point, &mut gradient, &mut hessian)?;
        let rows = || hessian.chunks(names.len().max(1));
        let labels = || std::iter::once("value".to_owned()).chain(names.iter().map(|name| format!("d/d{name}")));
        let second_labels = names.iter().flat_map(|by| names.iter().map(move |and_by| format!("d²/d{by} d{and_by}")));
        let numbers = [&[value], gradient.as_slice(), hessian.as_slice()].concat();
        let explanation = self.explain.of(&program, &request, &point, labels().chain(second_labels), &numbers)?;
        let text = || {
            let first = table::lines(labels().zip(numbers.iter().copied()));
            let head = std::iter::once("hessian").chain(names.iter().copied()).map(str::to_owned).collect();
            let body = names.iter().zip(rows()).map(|(name, row)| table::row(name, row));
            let second: Vec<Vec<String>> = std::iter::once(head).chain(body).collect();
            format!("{first}\n{}{}{}", table::columns(&second), self.run.relax.note(), explanation.text())
        };
        let json = || {
            let first = json::named(&names, gradient.iter().copied().map(json::number));
            let row = |row: &[f64]| json::named(&names, row.iter().copied().map(json::number));
            let second = json::named(&names, rows().map(row));
            let object = json::object([("value", json::number(value)), ("gradient", first), ("hessian", second)]);
            self.run.relax.mark(explanation.mark(object))
        };
        Ok(Answer::about(&program, self.output.format, text, json).and(explanation.hint(&numbers)))
    }
}
