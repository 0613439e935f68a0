//! `chainrule jvp`: the derivative in a direction.

use chainrule::syntax::canonical_name;
use clap::Args;

use super::answer::Answer;
use super::fault::Fault;
use super::options::{Output, Point, Run, Text, result_names};
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
    point: Point,
    /// How fast each argument changes; those not named stand still
    #[arg(long, value_name = "NAME=VALUE,…", required = true)]
    direction: Vec<String>,
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
        let program = self.text.parse()?;
        let direction = values::parse("--direction", &self.direction)?;
        let (by, direction): (Vec<String>, Vec<f64>) =
            direction.into_iter().map(|(name, value)| (canonical_name(&name).into_owned(), value)).unzip();
        let compiled = self.run.once(&program, program.jvp().wrt(by)).compile()?;
        let point = self.point.of(&program)?;
        let names = result_names(&program);
        let (mut primals, mut tangents) = (vec![0.0; names.len()], vec![0.0; names.len()]);
        compiled.call(&point, &direction, &mut primals, &mut tangents)?;
        let text = || {
            let head = ["", "value", "tangent"].map(str::to_owned).to_vec();
            let result = |(index, name): (usize, &String)| table::row(name, &[primals[index], tangents[index]]);
            match (primals.as_slice(), tangents.as_slice()) {
                ([value], [tangent]) => table::lines([("value".to_owned(), *value), ("tangent".to_owned(), *tangent)]),
                _ => {
                    let body = names.iter().enumerate().map(result);
                    table::columns(&std::iter::once(head).chain(body).collect::<Vec<_>>())
                }
            }
        };
        let json = || json::object([("value", json::results(&primals)), ("tangent", json::results(&tangents))]);
        Ok(Answer::about(
            &program,
            self.output.format,
            || text() + &self.run.relax.note(),
            || self.run.relax.mark(json()),
        ))
    }
}
