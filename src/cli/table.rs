//! Aligned text for people.

use std::path::Path;

use chainrule::error::shape_text;
use chainrule::{Array, Program};

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

/// So much of a text stands above a picture.
const WIDEST: usize = 70;

/// What stands above a picture: a program's text without its comments, or the name of its file if the text is long, or its beginning.
pub fn title(program: &Program) -> String {
    let lines = program.source().lines().map(|line| line.split('#').next().unwrap_or_default().trim_end());
    let joined = lines.filter(|line| !line.is_empty()).fold(String::new(), |text, line| {
        let goes_on = text.is_empty() || text.ends_with([';', '{']) || line.starts_with([' ', '\t', '}', ')', ']']);
        text + if goes_on { " " } else { "; " } + line
    });
    let text = joined.trim_start();
    match program.source_name() {
        "formula" | "stdin" => excerpt(text, WIDEST),
        _ if text.chars().count() <= WIDEST => excerpt(text, WIDEST),
        path => Path::new(path).file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned()),
    }
}

/// The beginning of an expression on one line. Takes no more time for a long one: the sums of a long sum are
/// expressions too, and all of them together are as long as the square of the text.
pub fn excerpt(text: &str, longest: usize) -> String {
    let end = text.char_indices().nth(longest).map_or(text.len(), |(end, _)| end);
    let words: Vec<&str> = text[..end].split_whitespace().collect();
    let more = if end < text.len() { "…" } else { "" };
    words.join(" ") + more
}

/// Lines of a name and what it is: a number, or an array, which is shortened. A list is a line; of more dimensions each innermost
/// list is one, with its subscripts, below the extents.
pub fn lines<'a>(entries: impl IntoIterator<Item = (String, &'a Array)>) -> String {
    let mut rows = Vec::new();
    for (name, array) in entries {
        match array.shape.as_slice() {
            [] => rows.push(vec![name, array.number().map_or_else(String::new, number)]),
            [_] => rows.push(vec![name, list(&array.data)]),
            [outer @ .., inner] => {
                rows.push(vec![name, shape_text(&array.shape)]);
                let lists: usize = outer.iter().product();
                let width = subscripts(lists.saturating_sub(1), outer).len();
                rows.extend(shortened(lists, ROWS).map(|index| match index {
                    Some(index) => {
                        let numbers = &array.data[index * inner..(index + 1) * inner];
                        let place = subscripts(index, outer);
                        vec![String::new(), format!("{place:width$}  {}", list(numbers))]
                    }
                    None => vec![String::new(), "…".to_owned()],
                }));
            }
        }
    }
    columns(&rows)
}

/// So many innermost lists of an array are shown, and so many elements of a list.
const ROWS: usize = 10;
const ELEMENTS: usize = 8;

/// Which of many are shown, the first and the last ones; `None` stands for those between.
fn shortened(count: usize, most: usize) -> impl Iterator<Item = Option<usize>> {
    let last = if count > most { 2 } else { 0 };
    let first = if count > most { most - last } else { count };
    (0..first).map(Some).chain((count > most).then_some(None)).chain((count - last..count).map(Some))
}

/// `[1.0, 2.0, …, 9.0] (100)`: of a long list its length as well.
fn list(numbers: &[f64]) -> String {
    let shown = shortened(numbers.len(), ELEMENTS);
    let elements: Vec<String> =
        shown.map(|index| index.map_or_else(|| "…".to_owned(), |index| number(numbers[index]))).collect();
    let length = if numbers.len() > ELEMENTS { format!(" ({})", numbers.len()) } else { String::new() };
    format!("[{}]{length}", elements.join(", "))
}

/// The subscripts of a list in an array, as in `[2, 0]`.
fn subscripts(mut index: usize, extents: &[usize]) -> String {
    let mut places = vec![0; extents.len()];
    for (place, &extent) in places.iter_mut().zip(extents).rev() {
        *place = index % extent.max(1);
        index /= extent.max(1);
    }
    let places: Vec<String> = places.iter().map(usize::to_string).collect();
    format!("[{}]", places.join(", "))
}

/// The numbers that arrays are, if none has extents.
pub fn numbers(arrays: &[Array]) -> Option<Vec<f64>> {
    arrays.iter().map(Array::number).collect()
}

/// A name and its numbers as cells.
pub fn row(name: &str, values: &[f64]) -> Vec<String> {
    std::iter::once(name.to_owned()).chain(values.iter().copied().map(number)).collect()
}

fn width(cell: &str) -> usize {
    cell.chars().count()
}
