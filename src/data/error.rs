//! What can be wrong with data, and where.

use std::fmt::{self, Display, Formatter};
use std::path::{Path, PathBuf};

use crate::error::shorten;

/// What makes a file unreadable or unwritable.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("`{}` can't be {doing}: {}", shown(path), reason(error))]
    Io { path: PathBuf, doing: &'static str, error: std::io::Error },
    #[error("the format of `{}` is unknown; these are known: .csv, .tsv, .npy, .npz", shown(path))]
    UnknownFormat { path: PathBuf },
    #[error("`{}` is empty; a header with the names of the columns is expected", shown(path))]
    NoHeader { path: PathBuf },
    #[error("`{}` has no column `{}`; {}", shown(path), shorten(name), list(known))]
    MissingColumn { path: PathBuf, name: String, known: Vec<String> },
    #[error("`{}` has no array `{}`; {}", shown(path), shorten(name), list(known))]
    MissingArray { path: PathBuf, name: String, known: Vec<String> },
    #[error("`{}` has several columns `{}`", shown(path), shorten(name))]
    RepeatedColumn { path: PathBuf, name: String },
    /// A valid file of a kind that is not understood.
    #[error("`{}` {what}", shown(path))]
    Unsupported { path: PathBuf, what: String },
    #[error("`{}`: `{}` has {found} numbers, `{}` has {expected}", shown(path), shorten(name), shorten(first))]
    Uneven { path: PathBuf, first: String, expected: u64, name: String, found: u64 },
    #[error("`{}`, line {}: the row is longer than {limit} bytes; is a quote left open?", shown(path), line)]
    LongRow { path: PathBuf, line: u64, limit: usize },
    #[error("`{}`, line {line}: {what}", shown(path))]
    Quote { path: PathBuf, line: u64, what: &'static str },
    #[error("`{}`, {fault}", shown(path))]
    Cell { path: PathBuf, fault: CellFault },
}

/// A cell without a number.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CellFault {
    /// In its block, from 0.
    pub row: usize,
    /// In the file, from 1, the header counted; of a cell with line breaks, the first.
    pub line: u64,
    /// In the file, from 1.
    pub column: usize,
    pub name: String,
    pub fault: Fault,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fault {
    Missing,
    NoNumber(String),
    /// Larger than any double.
    TooLarge(String),
    /// The row has more or fewer cells than the header.
    Ragged {
        expected: usize,
        found: usize,
    },
}

impl Display for CellFault {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        let CellFault { line, column, name, .. } = self;
        match &self.fault {
            Fault::Ragged { expected, found } => {
                write!(f, "line {line}: the row has {}, the header has {expected}", super::array::cells(*found))
            }
            fault => {
                write!(f, "line {line}, column {column} (`{}`): ", shorten(name))?;
                match fault {
                    Fault::Missing => f.write_str("the cell is empty"),
                    Fault::NoNumber(text) => write!(f, "`{}` is not a number", shorten(text)),
                    Fault::TooLarge(text) => write!(f, "`{}` is larger than any double", shorten(text)),
                    Fault::Ragged { .. } => Ok(()),
                }
            }
        }
    }
}

/// A path as messages have it.
fn shown(path: &Path) -> String {
    if super::is_stream(path) { "stdin/stdout".to_owned() } else { path.display().to_string() }
}

/// `no such file or directory`, without the number.
fn reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    let end = text.find(" (os error").unwrap_or(text.len());
    text[..end].to_lowercase()
}

fn list(known: &[String]) -> String {
    const SHOWN: usize = 12;
    let names: Vec<String> = known.iter().take(SHOWN).map(|name| format!("`{}`", shorten(name))).collect();
    let more = if known.len() > SHOWN { ", …" } else { "" };
    format!("it has {}{more}", names.join(", "))
}
