//! `chainrule check`: do all ways to a derivative agree?
//!
//! Forward and reverse mode, by interpreter and machine code, against each other and against an extrapolated difference
//! that knows nothing of derivative rules. What counts as agreement takes the rounding of each way into account, so that
//! a true derivative doesn't fail by the inaccuracy of the difference or by cancellation in the formula.

mod entries;

use chainrule::difference::{Differences, Estimate};
use chainrule::error::{Level, Style, join, render};
use chainrule::inspect::{self, Kink};
use chainrule::ir::Func;
use chainrule::{Backend, Error, Mode, Program};
use clap::Args;
use serde_json::{Value, json};

use super::answer::Answer;
use super::fault::Fault;
use super::inputs::{Given, Inputs};
use super::options::{Output, Text, Wrt, result_names};
use super::{examples, json, table, values};

/// Whether all ways to the derivatives agree at a point
///
/// Compares forward mode, reverse mode, interpreter, machine code and an extrapolated finite difference; of long arrays, some
/// elements from the first to the last. Exits with 1 when they disagree.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Check {
    #[command(flatten)]
    text: Text,
    #[command(flatten)]
    inputs: Inputs,
    #[command(flatten)]
    wrt: Wrt,
    /// The relative error that is allowed beyond rounding and the inaccuracy of the difference
    #[arg(long, value_name = "NUMBER", default_value = "1e-9", value_parser = tolerance)]
    tolerance: f64,
    #[command(flatten)]
    output: Output,
}

const EXAMPLES: &str = examples!(
    "check 'exp(x*z) + x*z/ln(x)' --at x=2,z=3",
    "check 'abs(x) + relu(z)' --at x=0,z=1",
    "check 'lgamma(x)^2' --at x=0.3 --tolerance 1e-6 --format json",
    "check 'logsumexp[i](c*x[i])' --data x=examples/vector.csv --at c=2",
);

fn tolerance(text: &str) -> Result<f64, String> {
    match values::number(0, text) {
        Ok(value) if value >= 0.0 && value.is_finite() => Ok(value),
        _ => Err("a tolerance is a number such as 1e-9".to_owned()),
    }
}

/// One derivative, every way.
struct Row {
    result: String,
    argument: String,
    /// The best estimate: the mode whose rounding is the lesser.
    best: f64,
    forward: f64,
    reverse: f64,
    /// Whether machine code and interpreter give the same bits in both modes.
    same_bits: bool,
    difference: Option<Estimate>,
    /// The difference beyond which the modes disagree.
    allowed: f64,
    modes_agree: bool,
    difference_agrees: bool,
    /// One mode has met 0 times infinity where the other has not, and no difference can tell.
    undecided: bool,
}

/// So many operations may be spent on differences.
const BUDGET: usize = 200_000_000;

impl Check {
    pub fn run(&self) -> Result<Answer, Fault> {
        let (program, given) = self.inputs.of(&self.text.parse()?)?;
        let (rows, kinks) = self.look(&program, &given)?;
        let agrees = rows.iter().all(|row| row.same_bits && row.modes_agree && row.difference_agrees);
        let text = || {
            let mut text = self.table(&program, &rows);
            text.push_str(&verdict(&rows, agrees, self.tolerance));
            if !kinks.is_empty() {
                let note = |kink: &Kink| {
                    render(&kink.report(), Level::Note, program.source(), program.source_name(), Style::Colour)
                };
                text.push_str(&format!("\n{}\n", join(kinks.iter().map(note))));
            }
            text
        };
        let json = || {
            let rows: Vec<Value> = rows.iter().map(Row::json).collect();
            let kinks: Vec<String> =
                kinks.iter().map(|kink| table::excerpt(kink.at.text(program.source()), table::LONGEST)).collect();
            json!({ "agrees": agrees, "backend": backend(&program), "derivatives": rows, "kinks": kinks })
        };
        let answer = Answer::about(&program, self.output.format, text, json);
        Ok(Answer { refused: !agrees, ..answer })
    }

    /// All derivatives, or some of arrays, and the kinks that the point is known to hit.
    fn look(&self, program: &Program, given: &Given) -> Result<(Vec<Row>, Vec<Kink>), Fault> {
        if program.has_arrays() {
            return Ok((entries::rows(self, program, given)?, Vec::new()));
        }
        let point = program.point(given.numbers())?;
        Ok((self.rows(program, &point)?, inspect::kinks(program.graph(), &point)))
    }

    fn rows(&self, program: &Program, point: &[f64]) -> Result<Vec<Row>, Fault> {
        let names = self.wrt.apply(program.jacobian()).names()?;
        let results = result_names(program);
        let ways = [Mode::Forward, Mode::Reverse].map(|mode| Way::of(self, program, point, mode));
        let [forward, reverse] = ways;
        let (forward, reverse) = (forward?, reverse?);
        let differences = Differences::new(program.graph(), point);
        let each = program.graph().len().max(1) * Differences::EVALUATIONS;
        let affordable = (BUDGET / each).max(1);
        let mut rows = Vec::new();
        for (column, name) in names.iter().enumerate() {
            let argument = program.arguments().iter().position(|argument| argument.name == *name);
            let estimates = match argument {
                Some(argument) if column < affordable => differences.by(argument),
                _ => vec![None; results.len()],
            };
            for (row, difference) in estimates.into_iter().enumerate() {
                let index = row * names.len() + column;
                let modes = [forward.derivatives[index], reverse.derivatives[index]];
                let rounding = [forward.rounding[index], reverse.rounding[index]];
                let same_bits = forward.same_bits[index] && reverse.same_bits[index];
                let of_by = [results[row].clone(), (*name).to_owned()];
                rows.push(Row::new(of_by, modes, rounding, same_bits, difference, self.tolerance));
            }
        }
        Ok(rows)
    }

    fn table(&self, program: &Program, rows: &[Row]) -> String {
        let single = program.results().len() == 1;
        let head = ["", "derivative", "forward", "reverse", "difference", "its accuracy", "machine code"];
        let mut lines = vec![head.map(str::to_owned).to_vec()];
        for row in rows {
            let name =
                if single { format!("d/d{}", row.argument) } else { format!("d {}/d{}", row.result, row.argument) };
            let error =
                |value: f64| if same(value, row.best) { "exact".to_owned() } else { short((value - row.best).abs()) };
            let (difference, accuracy) = match row.difference {
                Some(estimate) => (short((estimate.value - row.best).abs()), short(estimate.error)),
                None => ("none".to_owned(), "-".to_owned()),
            };
            let same_bits = if row.same_bits { "same bits" } else { "DIFFERS" };
            let mut cells =
                vec![name, table::number(row.best), error(row.forward), error(row.reverse), difference, accuracy];
            cells.push(same_bits.to_owned());
            lines.push(cells);
        }
        table::columns(&lines)
    }
}

/// A mode of differentiation, run by interpreter and machine code.
struct Way {
    derivatives: Vec<f64>,
    same_bits: Vec<bool>,
    rounding: Vec<f64>,
}

impl Way {
    fn of(check: &Check, program: &Program, point: &[f64], mode: Mode) -> Result<Way, Error> {
        let request = check.wrt.apply(program.jacobian()).mode(mode);
        let n_results = program.results().len();
        let n_derivatives = n_results * request.names()?.len();
        let run = |backend: Backend| {
            let mut values = vec![0.0; n_results];
            let mut derivatives = vec![0.0; n_derivatives];
            request.clone().backend(backend).compile()?.call(point, &mut values, &mut derivatives)?;
            Ok::<_, Error>((values, derivatives))
        };
        let (values, derivatives) = run(Backend::Interpreter)?;
        let (other_values, others) = run(Backend::Auto)?;
        let values_same = values.iter().zip(&other_values).all(|(a, b)| same(*a, *b));
        let same_bits = derivatives.iter().zip(&others).map(|(a, b)| values_same && same(*a, *b)).collect();
        let graph: Func = request.graph()?;
        let rounding = inspect::rounding(&graph, point).split_off(n_results);
        Ok(Way { derivatives, same_bits, rounding })
    }
}

impl Row {
    /// Compares the ways to one derivative: by forward and reverse mode, each with its rounding, and by a difference.
    fn new(
        [result, argument]: [String; 2],
        [forward, reverse]: [f64; 2],
        [forward_rounding, reverse_rounding]: [f64; 2],
        same_bits: bool,
        difference: Option<Estimate>,
        tolerance: f64,
    ) -> Row {
        let best = if forward_rounding < reverse_rounding { forward } else { reverse };
        let allowed = tolerance * best.abs() + 4.0 * (forward_rounding + reverse_rounding);
        let near = |a: f64, b: f64, allowed: f64| same(a, b) || (a - b).abs() <= allowed;
        let comparable = same(forward, reverse) || (forward.is_finite() && reverse.is_finite());
        let undecided = !comparable && difference.is_none();
        Row {
            result,
            argument,
            best,
            forward,
            reverse,
            same_bits,
            difference,
            allowed,
            modes_agree: undecided || near(forward, reverse, allowed),
            difference_agrees: match difference {
                Some(estimate) if best.is_finite() => near(best, estimate.value, allowed + 10.0 * estimate.error),
                // An infinite slope, or nothing to compare with.
                _ => true,
            },
            undecided,
        }
    }

    fn json(&self) -> Value {
        json!({
            "result": self.result,
            "argument": self.argument,
            "derivative": json::number(self.best),
            "forward": json::number(self.forward),
            "reverse": json::number(self.reverse),
            "machine_code_same_bits": self.same_bits,
            "difference": self.difference.map(|estimate| json::number(estimate.value)),
            "difference_accuracy": self.difference.map(|estimate| json::number(estimate.error)),
            "allowed": json::number(self.allowed),
            "undecided": self.undecided,
            "agrees": self.same_bits && self.modes_agree && self.difference_agrees,
        })
    }
}

/// What the table amounts to, in words.
fn verdict(rows: &[Row], agrees: bool, tolerance: f64) -> String {
    let mut text = String::new();
    let uncompared: Vec<&str> =
        rows.iter().filter(|row| row.difference.is_none()).map(|row| row.argument.as_str()).collect();
    if agrees {
        text.push_str(&format!(
            "\nAll ways agree, to a relative {tolerance:e} beyond rounding and the difference's accuracy.\n"
        ));
    }
    for row in rows {
        let name = format!("d {}/d{}", row.result, row.argument);
        if !row.same_bits {
            text.push_str(&format!("\n{name}: machine code and interpreter disagree.\n"));
        }
        if row.undecided {
            text.push_str(&format!("\n{name}: one mode meets 0 times infinity here, the other does not.\n"));
        }
        if !row.modes_agree {
            let why = match (row.forward.is_nan(), row.reverse.is_nan()) {
                (true, false) => " Forward mode meets 0 times infinity; reverse mode does not.",
                (false, true) => " Reverse mode meets 0 times infinity; forward mode does not.",
                _ => "",
            };
            text.push_str(&format!("\n{name}: forward and reverse mode disagree.{why}\n"));
        }
        if !row.difference_agrees {
            text.push_str(&format!("\n{name}: the derivative and the difference disagree.\n"));
        }
    }
    if !uncompared.is_empty() {
        let names = uncompared.join(", ");
        text.push_str(&format!(
            "No difference by {names}: at a kink, a jump or the edge of the domain there is none to compare with.\n"
        ));
    }
    text
}

fn backend(program: &Program) -> &'static str {
    program.value().compile().map_or("interpreter", |compiled| compiled.backend())
}

/// Equal to the bit; all NaNs are one.
fn same(a: f64, b: f64) -> bool {
    a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())
}

/// An error needs no more than two digits.
fn short(value: f64) -> String {
    if value == 0.0 {
        "0".to_owned()
    } else if value.is_finite() {
        format!("{value:.1e}")
    } else {
        table::number(value)
    }
}
