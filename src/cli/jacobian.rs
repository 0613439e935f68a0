//! `chainrule jacobian`: the values and the first derivatives of several results.

use chainrule::Array;
use clap::Args;

use super::answer::Answer;
use super::explain::Explain;
use super::fault::Fault;
use super::inputs::Inputs;
use super::options::{ModeOption, Output, Run, Text, Wrt, result_names};
use super::{examples, json, table};

/// The values of several results and their first derivatives at a point
///
/// In JSON each argument has a list, one entry a result; of a formula with one result, the entry itself. An entry is a
/// number, or lists of the result's dimensions, then the argument's.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Jacobian {
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
    "jacobian 'x = r*cos(t); y = r*sin(t); x, y' --at r=2,t=1",
    "jacobian '(x*z, x/z)' --at x=2,z=3 --format json",
    "jacobian 'y[i] = x[i]/sum[j](x[j])' --data x=examples/vector.csv",
);

impl Jacobian {
    pub fn run(&self) -> Result<Answer, Fault> {
        let (program, given) = self.inputs.of(&self.text.parse()?)?;
        let request = self.run.once(&program, self.wrt.apply(program.jacobian()).mode(self.mode.mode));
        let names = request.names()?;
        let answer = given.call(&request.compile()?)?;
        let results = result_names(&program);
        let (values, jacobian) = answer.split_at(results.len());
        let labels = || results.iter().flat_map(|result| names.iter().map(move |name| format!("d {result}/d{name}")));
        let all_labels = results.iter().cloned().chain(labels());
        let explanation = self.explain.of(&program, &request, &given, all_labels, &answer)?;
        let text = || {
            let table = match table::numbers(&answer) {
                Some(numbers) => {
                    let by = names.iter().map(|name| format!("d/d{name}"));
                    let head = ["".to_owned(), "value".to_owned()].into_iter().chain(by).collect();
                    let body = results.iter().enumerate().map(|(row, name)| {
                        let first = results.len() + row * names.len();
                        table::row(name, &[&numbers[row..=row], &numbers[first..first + names.len()]].concat())
                    });
                    table::columns(&std::iter::once(head).chain(body).collect::<Vec<Vec<String>>>())
                }
                None => table::lines(results.iter().cloned().chain(labels()).zip(&answer)),
            };
            table + &self.run.relax.note() + &explanation.text()
        };
        let json = || {
            let column = |column: usize| -> Vec<&Array> { jacobian.iter().skip(column).step_by(names.len()).collect() };
            let derivatives = (0..names.len()).map(|index| json::results(column(index).into_iter()));
            let derivatives = json::named(&names, derivatives);
            let object = json::object([("value", json::results(values.iter())), ("jacobian", derivatives)]);
            self.run.relax.mark(explanation.mark(object))
        };
        Ok(Answer::about(&program, self.output.format, text, json).and(explanation.hint(&answer)))
    }
}
