//! `chainrule jacobian`: the values and the first derivatives of several results.

use clap::Args;

use super::answer::Answer;
use super::explain::Explain;
use super::fault::Fault;
use super::options::{ModeOption, Output, Point, Run, Text, Wrt, result_names};
use super::{examples, json, table};

/// The values of several results and their first derivatives at a point
///
/// In JSON each argument has a list, one number a result; of a formula with one result, a number.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Jacobian {
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
    "jacobian 'x = r*cos(t); y = r*sin(t); x, y' --at r=2,t=1",
    "jacobian '(x*z, x/z)' --at x=2,z=3 --format json",
);

impl Jacobian {
    pub fn run(&self) -> Result<Answer, Fault> {
        let program = self.text.parse()?;
        let request = self.run.once(&program, self.wrt.apply(program.jacobian()).mode(self.mode.mode));
        let names = request.names()?;
        let compiled = request.compile()?;
        let point = self.point.of(&program)?;
        let results = result_names(&program);
        let mut values = vec![0.0; results.len()];
        let mut jacobian = vec![0.0; results.len() * names.len()];
        compiled.call(&point, &mut values, &mut jacobian)?;
        let labels = results.iter().flat_map(|result| names.iter().map(move |name| format!("d {result}/d{name}")));
        let numbers = [values.as_slice(), jacobian.as_slice()].concat();
        let explanation =
            self.explain.of(&program, &request, &point, results.iter().cloned().chain(labels), &numbers)?;
        let text = || {
            let by = names.iter().map(|name| format!("d/d{name}"));
            let head = ["".to_owned(), "value".to_owned()].into_iter().chain(by).collect();
            let body = results.iter().enumerate().map(|(row, name)| {
                let derivatives = &jacobian[row * names.len()..(row + 1) * names.len()];
                table::row(name, &[&values[row..=row], derivatives].concat())
            });
            let rows: Vec<Vec<String>> = std::iter::once(head).chain(body).collect();
            table::columns(&rows) + &self.run.relax.note() + &explanation.text()
        };
        let json = || {
            let column = |column: usize| -> Vec<f64> {
                jacobian.iter().skip(column).step_by(names.len().max(1)).copied().collect()
            };
            let derivatives = json::named(&names, (0..names.len()).map(|index| json::results(&column(index))));
            let object = json::object([("value", json::results(&values)), ("jacobian", derivatives)]);
            self.run.relax.mark(explanation.mark(object))
        };
        Ok(Answer::about(&program, self.output.format, text, json).and(explanation.hint(&numbers)))
    }
}
