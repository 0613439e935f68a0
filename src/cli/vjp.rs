//! `chainrule vjp`: the derivatives of a weighted sum of the results.

use chainrule::Program;
use chainrule::error::{Report, nearest, shorten};
use chainrule::span::Span;
use chainrule::syntax::canonical_name;
use clap::Args;

use super::answer::Answer;
use super::fault::Fault;
use super::options::{Output, Point, Run, Text, Wrt, result_names};
use super::{examples, json, table, values};

/// The values and the derivatives of their weighted sum
///
/// One reverse sweep, for any number of arguments: a vector times the Jacobian.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Vjp {
    #[command(flatten)]
    text: Text,
    #[command(flatten)]
    point: Point,
    /// The weight of each result: one after the other, or by name, those not named being 0
    #[arg(long, value_name = "WEIGHT,…", allow_hyphen_values = true, required = true)]
    weights: String,
    #[command(flatten)]
    wrt: Wrt,
    #[command(flatten)]
    run: Run,
    #[command(flatten)]
    output: Output,
}

const EXAMPLES: &str = examples!(
    "vjp 'r*cos(t), r*sin(t)' --at r=2,t=1 --weights 1,-2",
    "vjp 'u = x*z; v = x/z; u, v' --at x=2,z=3 --weights v=1 --format json",
);

impl Vjp {
    pub fn run(&self) -> Result<Answer, Fault> {
        let program = self.text.parse()?;
        let weights = self.weights(&program)?;
        let request = self.run.once(&program, self.wrt.apply(program.vjp()));
        let by = request.names()?;
        let compiled = request.compile()?;
        let point = self.point.of(&program)?;
        let names = result_names(&program);
        let (mut primals, mut adjoints) = (vec![0.0; names.len()], vec![0.0; by.len()]);
        compiled.call(&point, &weights, &mut primals, &mut adjoints)?;
        let text = || {
            let adjoints = by.iter().map(|name| format!("adjoint of {name}")).zip(adjoints.iter().copied());
            table::lines(names.iter().cloned().zip(primals.iter().copied()).chain(adjoints)) + &self.run.relax.note()
        };
        let json = || {
            let adjoints = json::named(&by, adjoints.iter().copied().map(json::number));
            self.run.relax.mark(json::object([("value", json::results(&primals)), ("adjoint", adjoints)]))
        };
        Ok(Answer::about(&program, self.output.format, text, json))
    }

    /// One weight a result.
    fn weights(&self, program: &Program) -> Result<Vec<f64>, Fault> {
        let names: Vec<&str> = program.results().collect();
        if self.weights.contains('=') {
            return self.by_name(&names);
        }
        let (weights, faults): (Vec<_>, Vec<_>) =
            values::parts(&self.weights).map(|(at, text)| values::number(at, text)).partition(Result::is_ok);
        let faults: Vec<Report> = faults.into_iter().filter_map(Result::err).collect();
        if !faults.is_empty() {
            return Err(self.fault(faults));
        }
        if weights.len() != names.len() {
            let (found, expected) = (weights.len(), names.len());
            let message = format!("`--weights` takes a number for each result: {expected}, not {found}");
            return Err(Fault::usage(message, "or give weights by name, the others being 0, as in a=1,b=-2"));
        }
        Ok(weights.into_iter().flatten().collect())
    }

    fn by_name(&self, names: &[&str]) -> Result<Vec<f64>, Fault> {
        let mut weights = vec![None; names.len()];
        let mut faults = Vec::new();
        for (name, value) in values::parse("--weights", std::slice::from_ref(&self.weights))? {
            let name = canonical_name(&name);
            match names.iter().position(|known| *known == name) {
                Some(index) if weights[index].is_none() => weights[index] = Some(value),
                Some(_) => faults.push(self.report(&name, "has two weights", None)),
                None => faults.push(self.report(
                    &name,
                    "is not a result of the formula",
                    nearest(&name, names.iter().copied()),
                )),
            }
        }
        if faults.is_empty() {
            return Ok(weights.into_iter().map(Option::unwrap_or_default).collect());
        }
        Err(self.fault(faults))
    }

    fn report(&self, name: &str, what: &str, nearest: Option<&str>) -> Report {
        let at = self.weights.rfind(name).unwrap_or(0);
        let help = nearest.map(|nearest| format!("did you mean `{nearest}`?"));
        Report {
            message: format!("`{}` {what}", shorten(name)),
            at: Span::new(at, at + name.len()),
            help: help.into_iter().collect(),
            ..Report::default()
        }
    }

    fn fault(&self, reports: Vec<Report>) -> Fault {
        Fault::Value { option: "--weights", text: self.weights.clone(), reports }
    }
}
