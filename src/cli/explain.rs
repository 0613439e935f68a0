//! `--explain`: the kinks that a point hits, and where a NaN or an infinity was born.

use chainrule::error::{Level, Report, Style, join, render, render_plain};
use chainrule::inspect::{self, Birth, Kink};
use chainrule::ops::Op;
use chainrule::span::Span;
use chainrule::{Array, Kind, Program, Request};
use clap::Args;
use serde_json::{Map, Value, json};

use super::fault::Fault;
use super::inputs::Given;
use super::json;
use super::table::{LONGEST, excerpt};

#[derive(Args)]
pub struct Explain {
    /// Tells which kinks the point hits, and where in the text a NaN or an infinity was born
    #[arg(long)]
    explain: bool,
}

/// So many births are told at most.
const MOST: usize = 100;

/// What there is to tell.
pub struct Explanation<'p> {
    program: &'p Program,
    /// Nothing is told unless it is asked for.
    asked: bool,
    kinks: Vec<Kink>,
    /// With the name of the number that isn't finite.
    births: Vec<(String, Birth)>,
    /// Whether all numbers of the answer are.
    finite: bool,
}

impl Explain {
    /// Looks at a point. `names` are what the numbers of the answer are called, both in the order of the graph's results.
    pub fn of<'p, K: Kind>(
        &self,
        program: &'p Program,
        request: &Request<'p, K>,
        given: &Given,
        names: impl IntoIterator<Item = String>,
        answer: &[Array],
    ) -> Result<Explanation<'p>, Fault> {
        let finite = answer.iter().all(is_finite);
        let mut explanation =
            Explanation { program, asked: self.explain, kinks: Vec::new(), births: Vec::new(), finite };
        let named = names.into_iter().enumerate().zip(answer).filter(|(_, number)| !is_finite(number));
        let mut named = named.map(|(name, _)| name);
        if self.explain && program.has_arrays() {
            let args = given.in_order(program);
            let args: Vec<&[f64]> = args.iter().map(|array| array.data.as_slice()).collect();
            let graph = request.graph()?;
            explanation.kinks = inspect::kinks_in_loops(program.graph(), &args);
            let birth = |(index, name)| Some((name, inspect::birth_in_loops(&graph, &args, index)?));
            explanation.births = named.filter_map(birth).take(MOST).collect();
        } else if self.explain {
            let point = &program.point(given.numbers())?;
            let graph = request.graph()?;
            explanation.kinks = inspect::kinks(program.graph(), point);
            let birth = |(index, name)| Some((name, inspect::birth(&graph, point, index)?));
            explanation.births = named.by_ref().filter_map(birth).take(MOST).collect();
        }
        Ok(explanation)
    }
}

impl Explanation<'_> {
    /// A remark where numbers aren't finite and nobody asked why.
    pub fn hint(&self, answer: &[Array]) -> Option<String> {
        let is_needed = !self.asked && !answer.iter().all(is_finite);
        is_needed.then(|| {
            render_plain(
                "not everything is finite; `--explain` shows where it comes from",
                &[],
                Level::Note,
                Style::Colour,
            )
        })
    }

    pub fn text(&self) -> String {
        if !self.asked {
            return String::new();
        }
        let kinks = self.kinks.iter().map(Kink::report);
        let births = self.births.iter().map(|(name, birth)| birth.report(name, self.program.graph()));
        let reports: Vec<Report> = kinks.chain(births).collect();
        match reports.len() {
            0 if self.finite => "\nThe point hits no kink, and everything is finite.\n".to_owned(),
            0 => "\nThe point hits no kink; a sum of finite numbers is too great for a double.\n".to_owned(),
            _ => format!("\n{}\n", join(reports.iter().map(|report| self.render(report)))),
        }
    }

    pub fn mark(&self, mut object: Map<String, Value>) -> Map<String, Value> {
        if self.asked {
            object.insert("kinks".to_owned(), self.kinks.iter().map(|kink| self.kink(kink)).collect());
            let births = self.births.iter().map(|(name, birth)| self.birth(name, birth));
            object.insert("births".to_owned(), births.collect());
        }
        object
    }

    fn kink(&self, kink: &Kink) -> Value {
        self.place(kink.at, json!({ "operator": kink.op.name(), "operands": numbers(&kink.operands) }))
    }

    fn birth(&self, name: &str, birth: &Birth) -> Value {
        let operator = birth.op.map(Op::name);
        let (operands, value) = (numbers(&birth.operands), json::number(birth.value));
        self.place(birth.at, json!({ "of": name, "operator": operator, "operands": operands, "value": value }))
    }

    fn render(&self, report: &Report) -> String {
        render(report, Level::Note, self.program.source(), self.program.source_name(), Style::Colour)
    }

    /// Facts with their place in the text.
    fn place(&self, at: Span, mut facts: Value) -> Value {
        facts["text"] = excerpt(at.text(self.program.source()), LONGEST).into();
        facts["start"] = at.start.into();
        facts["end"] = at.end.into();
        facts
    }
}

fn is_finite(array: &Array) -> bool {
    array.data.iter().all(|number| number.is_finite())
}

fn numbers(values: &[f64]) -> Value {
    values.iter().copied().map(json::number).collect()
}
