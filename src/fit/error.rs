//! What can be wrong with a fit before it begins.

use crate::error::shorten;

/// A cause, with its facts.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Of the program, its arguments or a row.
    #[error(transparent)]
    Library(#[from] crate::Error),
    #[error("there is nothing to fit: the program has no parameters")]
    NoParameters,
    #[error("{} no value to start from", have(names))]
    NoStart { names: Vec<String>, has_arrays: bool },
    #[error("`{}` is {value}; a fit begins with a number", shorten(name))]
    StartNotFinite { name: String, value: f64 },
    #[error("`{}` begins at {value}, outside of its bounds {least}..{most}", shorten(name))]
    StartOutside { name: String, value: f64, least: f64, most: f64 },
    #[error("the bounds {least}..{most} of `{}` hold no number", shorten(name))]
    NoBounds { name: String, least: f64, most: f64 },
    #[error("`{}` is not fitted, so it can't have {what}", shorten(name))]
    NotFitted { name: String, what: &'static str },
    #[error("`{}` is a column of the data, so it can't be fitted", shorten(name))]
    ColumnFitted { name: String },
    #[error("the column `{}` has {found} rows, not {rows}", shorten(name))]
    Uneven { name: String, rows: usize, found: usize },
    #[error("the data have no rows")]
    NoRows,
    #[error("`{}` is {value} in row {}", shorten(name), row + 1)]
    DataNotFinite { name: String, row: usize, value: f64 },
    #[error("{} is {value} at the start", place(*row))]
    LossNotFinite { row: Option<usize>, value: f64 },
    #[error("{} can't determine {params} parameters", count(*residuals))]
    FewRows { residuals: usize, params: usize },
    #[error("{what} must be {expected}, not {found}")]
    Setting { what: &'static str, expected: &'static str, found: String },
    #[error("Levenberg–Marquardt minimises squares of residuals, not a mean")]
    NeedsSquares,
    #[error("{what} needs rows: {why}")]
    NeedsRows { what: &'static str, why: String },
    #[error("what was saved belongs to other parameters or another method")]
    OtherState,
}

fn have(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{}`", shorten(name))).collect();
    let have = if names.len() == 1 { "has" } else { "have" };
    format!("{} {have}", quoted.join(", "))
}

/// The residual or loss of a row, from 0; of a program without data, its value.
fn place(row: Option<usize>) -> String {
    row.map_or_else(|| "the value".to_owned(), |row| format!("the value at row {}", row + 1))
}

fn count(residuals: usize) -> String {
    if residuals == 1 { "1 residual".to_owned() } else { format!("{residuals} residuals") }
}
