//! What goes wrong on the command line, in words.

use chainrule::error::{Level, Report, Style, join, render, render_plain, shorten};
use chainrule::{Argument, Error};
use clap::error::{ContextKind, ContextValue, ErrorKind};

pub enum Fault {
    /// The library says what is wrong, and where in the formula.
    Library(Error),
    /// An option's value is wrong, at places in it.
    Value {
        option: &'static str,
        text: String,
        reports: Vec<Report>,
    },
    /// A row of the data, from 1, has no result.
    AtRow {
        row: u64,
        error: Error,
    },
    Usage {
        message: String,
        help: Vec<String>,
    },
}

impl From<Error> for Fault {
    fn from(error: Error) -> Fault {
        Fault::Library(error)
    }
}

impl Fault {
    pub fn usage(message: impl Into<String>, help: impl Into<String>) -> Fault {
        Fault::Usage { message: message.into(), help: vec![help.into()] }
    }

    /// What is wrong, in a line or so.
    pub fn message(&self) -> String {
        match self {
            Fault::Usage { message, .. } => message.clone(),
            Fault::AtRow { row, .. } => format!("row {row} has no result"),
            Fault::Library(_) | Fault::Value { .. } => self.render(Style::Plain),
        }
    }

    pub fn render(&self, style: Style) -> String {
        match self {
            Fault::Library(Error::Arguments(faults)) if !faults.missing.is_empty() => {
                let (arrays, numbers): (Vec<&Argument>, Vec<&Argument>) =
                    faults.missing.iter().partition(|argument| !argument.extents.is_empty());
                let names: Vec<String> = numbers.iter().take(5).map(|argument| shorten(&argument.name)).collect();
                let more = if numbers.len() > names.len() { ",…" } else { "" };
                let at = format!("values are given as `--at {}=1.5{more}`", names.join("=1.5,"));
                let file = arrays.first().map(|argument| shorten(&argument.name)).unwrap_or_default();
                let args =
                    format!("arrays are given as `--data {file}=PATH.npy` (or .npz, .csv), or `--args PATH.json`");
                let notes = [(!numbers.is_empty()).then_some(at), (!arrays.is_empty()).then_some(args)];
                let notes = notes.into_iter().flatten().map(|note| render_plain(&note, &[], Level::Note, style));
                join(std::iter::once(faults.render(style)).chain(notes).collect::<Vec<_>>().into_iter())
            }
            Fault::Library(error) => error.render(style),
            Fault::Value { option, text, reports } => {
                let texts = reports.iter().map(|report| render(report, Level::Error, text, option, style));
                join(texts)
            }
            Fault::AtRow { row, error } => {
                let help = ["`--on-error nan` or `--on-error skip` goes on without the row".to_owned()];
                let row = render_plain(&format!("row {row} has no result"), &help, Level::Error, style);
                format!("{row}\n\n{}", error.render(style))
            }
            Fault::Usage { message, help } => render_plain(message, help, Level::Error, style),
        }
    }
}

/// A usage error of clap's, with advice where it has none.
pub fn hinted(mut error: clap::Error) -> clap::Error {
    let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidArg) else { return error };
    if error.kind() == ErrorKind::UnknownArgument && !word.starts_with('-') {
        let tip = "a formula with spaces or brackets goes in quotes: 'x*(x + 1)'".to_owned();
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip.into()]));
    }
    error
}
