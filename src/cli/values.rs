//! Values by name, as options take them: `x=2, z=-1.5e3`.
//!
//! A value is a number as the language writes it, with a sign if need be, or `inf` or `nan`; it is not an
//! expression. All that is wrong is told at once, each with its place.

use chainrule::error::{Report, shorten};
use chainrule::span::Span;
use chainrule::syntax::{LiteralFault, literal};

use super::fault::Fault;

/// The names and values of all occurrences of an option, in order.
pub fn parse(option: &'static str, texts: &[String]) -> Result<Vec<(String, f64)>, Fault> {
    let mut values = Vec::new();
    for text in texts {
        let mut reports = Vec::new();
        for (at, part) in parts(text) {
            match entry(at, part) {
                Ok(value) => values.push(value),
                Err(report) => reports.push(report),
            }
        }
        if !reports.is_empty() {
            return Err(Fault::Value { option, text: text.clone(), reports });
        }
    }
    Ok(values)
}

/// A name and a range that isn't empty: `x=-3..3`.
pub fn range(option: &'static str, text: &str) -> Result<(String, f64, f64), Fault> {
    let read = || {
        let report = |message: String, at: usize, len: usize, label: &str| {
            let help = vec!["a range is written x=-3..3".to_owned()];
            Report { help, ..report(message, at, len, label) }
        };
        let form = || report(format!("`{}` is no range", shorten(text)), 0, text.len(), "expected NAME=FROM..TO");
        let (name, ends) = text.split_once('=').ok_or_else(form)?;
        let (from, to) = ends.split_once("..").ok_or_else(form)?;
        if name.trim().is_empty() {
            return Err(form());
        }
        let from_at = text.len() - ends.len();
        let to_at = text.len() - to.len();
        let [from, to] = [(from_at, from), (to_at, to)].map(|(at, end)| {
            let number = number(at + end.len() - end.trim_start().len(), end.trim())?;
            let infinite =
                || report(format!("the range has no end: {number}"), at, end.len(), "expected a finite number");
            if number.is_finite() { Ok(number) } else { Err(infinite()) }
        });
        let (from, to) = (from?, to?);
        if from >= to {
            let message = format!("the range from {from} to {to} is empty");
            return Err(report(message, from_at, ends.len(), "expected the smaller number first"));
        }
        if !chainrule::plot::is_range(from, to) {
            let message = "no axis can have this range".to_owned();
            return Err(report(message, from_at, ends.len(), "expected ends that nine digits tell apart, below 1e300"));
        }
        Ok((chainrule::syntax::canonical_name(name.trim()).into_owned(), from, to))
    };
    read().map_err(|report| Fault::Value { option, text: text.to_owned(), reports: vec![report] })
}

/// Names with commas between.
pub fn names(text: &str) -> Vec<&str> {
    parts(text).map(|(_, name)| name).collect()
}

/// The texts between commas without the blanks around them, and their places. An empty text has none.
pub fn parts(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    let is_empty = text.trim().is_empty();
    text.split(',').filter(move |_| !is_empty).map(move |part| {
        let start = at + (part.len() - part.trim_start().len());
        at += part.len() + 1;
        (start, part.trim())
    })
}

fn entry(at: usize, text: &str) -> Result<(String, f64), Report> {
    let Some((name, value)) = text.split_once('=') else {
        let message =
            if text.is_empty() { "a value is missing".to_owned() } else { format!("`{}` has no value", shorten(text)) };
        return Err(report(message, at, text.len(), "expected NAME=VALUE"));
    };
    let (name, blanks) = (name.trim(), value.len() - value.trim_start().len());
    if name.is_empty() {
        return Err(report("a name is missing".to_owned(), at, 1, "expected a name before this"));
    }
    let at = at + text.len() - value.len() + blanks;
    Ok((name.to_owned(), number(at, value.trim())?))
}

/// A number at a place in an option's value.
pub fn number(at: usize, text: &str) -> Result<f64, Report> {
    literal(text).map_err(|fault| {
        let (message, label) = match fault {
            LiteralFault::NoNumber => (format!("`{}` is not a number", shorten(text)), "expected a number"),
            LiteralFault::TooLarge => ("the number is larger than any double".to_owned(), "write `inf` for infinity"),
        };
        let help = vec!["a value is a number such as `1.5`, `-2e3` or `inf`; it is not computed".to_owned()];
        Report { help, ..report(message, at, text.len(), label) }
    })
}

fn report(message: String, at: usize, len: usize, label: &str) -> Report {
    let help = "values are written x=1.5,y=-2e3".to_owned();
    Report { message, at: Span::new(at, at + len), label: label.to_owned(), other: None, help: vec![help] }
}
