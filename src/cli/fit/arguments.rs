//! Values of options that only `fit` has.

use std::str::FromStr;

use chainrule::error::{Report, shorten};
use chainrule::fit::{Loss, Method, Reason, Schedule};
use chainrule::span::Span;
use clap::ValueEnum;

use crate::cli::fault::Fault;
use crate::cli::values;

#[derive(Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum MethodOption {
    /// Levenberg and Marquardt's, for least squares
    #[default]
    Lm,
    /// Quasi-Newton with limited memory
    Lbfgs,
    /// Gradient descent with all rows at once
    Gd,
    /// Gradient descent with batches of rows
    Sgd,
    /// The same, with a speed that outlasts a step
    Momentum,
    /// The same, with steps in the scale of each parameter's slopes
    Adam,
}

impl From<MethodOption> for Method {
    fn from(method: MethodOption) -> Method {
        match method {
            MethodOption::Lm => Method::Lm,
            MethodOption::Lbfgs => Method::Lbfgs,
            MethodOption::Gd => Method::Gd,
            MethodOption::Sgd => Method::Sgd,
            MethodOption::Momentum => Method::Momentum,
            MethodOption::Adam => Method::Adam,
        }
    }
}

impl MethodOption {
    pub fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LossOption {
    Squares,
    Mean,
}

impl From<LossOption> for Loss {
    fn from(loss: LossOption) -> Loss {
        match loss {
            LossOption::Squares => Loss::Squares,
            LossOption::Mean => Loss::Mean,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum OnFault {
    /// There is no fit
    #[default]
    Fail,
    /// It is left out
    Skip,
}

#[derive(Clone, Copy)]
pub struct ScheduleOption(pub Schedule);

impl FromStr for ScheduleOption {
    type Err = String;

    fn from_str(text: &str) -> Result<ScheduleOption, String> {
        const EXPECTED: &str = "expected constant, cosine, step:EPOCHS:FACTOR, exponential:FACTOR or inverse:DECAY";
        let positive = |text: &str| number(text).ok().filter(|value| *value > 0.0 && value.is_finite());
        let parts: Vec<&str> = text.split(':').collect();
        let schedule = match *parts.as_slice() {
            ["constant"] => Some(Schedule::Constant),
            ["cosine"] => Some(Schedule::Cosine),
            ["step", every, factor] => every
                .parse()
                .ok()
                .filter(|&every| every > 0)
                .and_then(|every| Some(Schedule::Step { every, factor: positive(factor)? })),
            ["exponential", factor] => positive(factor).map(|factor| Schedule::Exponential { factor }),
            ["inverse", decay] => positive(decay).map(|decay| Schedule::Inverse { decay }),
            _ => None,
        };
        schedule.map(ScheduleOption).ok_or_else(|| EXPECTED.to_owned())
    }
}

/// A number as an option takes it.
pub fn number(text: &str) -> Result<f64, String> {
    values::number(0, text).map_err(|_| "expected a number such as 0.01 or 1e-6".to_owned())
}

/// The bounds of parameters, by name.
pub struct Bounds(Vec<(String, f64, f64)>);

impl Bounds {
    /// Reads `b1=0..10,b2=..5`.
    pub fn parse(texts: &[String]) -> Result<Bounds, Fault> {
        let mut bounds: Vec<(String, f64, f64)> = Vec::new();
        for text in texts {
            let mut reports = Vec::new();
            for (at, part) in values::parts(text) {
                match entry(at, part) {
                    Ok((name, ..)) if bounds.iter().any(|(known, ..)| *known == name) => {
                        reports.push(report(format!("`{}` has bounds already", shorten(&name)), at, part.len()));
                    }
                    Ok(entry) => bounds.push(entry),
                    Err(report) => reports.push(report),
                }
            }
            if !reports.is_empty() {
                return Err(Fault::Value { option: "--bounds", text: text.clone(), reports });
            }
        }
        Ok(Bounds(bounds))
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, f64, f64)> {
        self.0.iter().map(|(name, least, most)| (name.as_str(), *least, *most))
    }
}

fn entry(at: usize, text: &str) -> Result<(String, f64, f64), Report> {
    let malformed = || report(format!("`{}` is no bounds", shorten(text)), at, text.len());
    let (name, range) = text.split_once('=').ok_or_else(malformed)?;
    let (least, most) = range.split_once("..").ok_or_else(malformed)?;
    let bound = |text: &str, none: f64| match text.trim() {
        "" => Ok(none),
        text => values::number(at, text).map_err(|_| malformed()),
    };
    if name.trim().is_empty() {
        return Err(malformed());
    }
    Ok((name.trim().to_owned(), bound(least, f64::NEG_INFINITY)?, bound(most, f64::INFINITY)?))
}

fn report(message: String, at: usize, len: usize) -> Report {
    let help = "bounds are written b1=0..10,b2=..5,b3=1e-3..".to_owned();
    let label = "expected NAME=LEAST..MOST".to_owned();
    Report { message, at: Span::new(at, at + len.max(1)), label, other: None, help: vec![help] }
}

/// What may help after an end that is no minimum.
pub fn advice(reason: Reason) -> Option<&'static str> {
    match reason {
        Reason::Iterations => {
            Some("`--iterations` (or `--epochs`) allows more, `--save` and `--resume` go on from here")
        }
        Reason::Diverged => Some("a lower `--rate` takes shorter steps; a residual needs `--loss squares`"),
        Reason::NotFinite | Reason::Stuck => {
            Some("begin elsewhere by `--at`, or keep parameters apart from the edge by `--bounds`")
        }
        Reason::Interrupted => Some("this is the best so far; with `--save`, `--resume` goes on from here"),
        Reason::Slow => Some("a higher `--rate` takes longer steps, `--tolerance 0` goes on to the last of the epochs"),
        Reason::Exact | Reason::Flat | Reason::Level | Reason::Still | Reason::Patience | Reason::Early => None,
    }
}
