//! Aligned text for people.

/// The shortest text that reads back to the same double, or `NaN`, `inf`, `-inf`.
pub fn number(value: f64) -> String {
    format!("{value:?}")
}

/// Rows of cells as columns, two spaces apart; numbers line up at their left.
pub fn columns(rows: &[Vec<String>]) -> String {
    let n_columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| width(cell)).max();
    let widths: Vec<usize> = (0..n_columns).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, column) in row.iter().zip(&widths) {
            line.push_str(cell);
            line.extend(std::iter::repeat_n(' ', column + 2 - self::width(cell)));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// So much of an expression is shown in JSON.
pub const LONGEST: usize = 200;

/// The beginning of an expression on one line. Takes no more time for a long one: the sums of a long sum are
/// expressions too, and all of them together are as long as the square of the text.
pub fn excerpt(text: &str, longest: usize) -> String {
    let end = text.char_indices().nth(longest).map_or(text.len(), |(end, _)| end);
    let words: Vec<&str> = text[..end].split_whitespace().collect();
    let more = if end < text.len() { "…" } else { "" };
    words.join(" ") + more
}

/// Lines of a name and a number.
pub fn lines(entries: impl IntoIterator<Item = (String, f64)>) -> String {
    let rows: Vec<Vec<String>> = entries.into_iter().map(|(name, value)| vec![name, number(value)]).collect();
    columns(&rows)
}

/// A name and its numbers as cells.
pub fn row(name: &str, values: &[f64]) -> Vec<String> {
    std::iter::once(name.to_owned()).chain(values.iter().copied().map(number)).collect()
}

fn width(cell: &str) -> usize {
    cell.chars().count()
}
