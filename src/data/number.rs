//! A cell of text as a number.

use super::Fault;

/// The number that a cell holds, without the blanks around it. `inf` and `nan` are numbers, with a sign or without.
#[inline]
pub fn parse(cell: &[u8]) -> Result<f64, Fault> {
    // Most cells have no blanks, and the parser refuses those that do.
    match fast_float2::parse::<f64, _>(cell) {
        Ok(value) if value.is_finite() => Ok(value),
        _ => unusual(cell),
    }
}

#[cold]
fn unusual(cell: &[u8]) -> Result<f64, Fault> {
    let cell = cell.trim_ascii();
    if cell.is_empty() {
        return Err(Fault::Missing);
    }
    // Enough to show; a cell may be as large as the file.
    let text = || String::from_utf8_lossy(&cell[..cell.len().min(200)]).into_owned();
    match fast_float2::parse::<f64, _>(cell) {
        Ok(value) if value.is_infinite() && cell.iter().any(u8::is_ascii_digit) => Err(Fault::TooLarge(text())),
        Ok(value) => Ok(value),
        Err(_) => Err(Fault::NoNumber(text())),
    }
}
