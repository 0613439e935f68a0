//! Where the numbers of many points lie: columns, rows, or values that are the same for all.

use crate::error::Error;

/// One argument over all points.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Column<'a> {
    /// A number a point.
    Each(&'a [f64]),
    /// The same number for all points.
    Same(f64),
    /// The number of point `i` is at `i * stride`: a field of an array of structures, a row or column of a matrix.
    Every { values: &'a [f64], stride: usize },
}

impl From<f64> for Column<'_> {
    fn from(value: f64) -> Self {
        Column::Same(value)
    }
}

impl<'a> From<&'a [f64]> for Column<'a> {
    fn from(values: &'a [f64]) -> Self {
        Column::Each(values)
    }
}

impl<'a> From<&'a Vec<f64>> for Column<'a> {
    fn from(values: &'a Vec<f64>) -> Self {
        Column::Each(values)
    }
}

impl<'a, const N: usize> From<&'a [f64; N]> for Column<'a> {
    fn from(values: &'a [f64; N]) -> Self {
        Column::Each(values)
    }
}

impl<'a> Column<'a> {
    /// An array that is the same for all points, its elements row by row.
    pub fn array(elements: &'a [f64]) -> Column<'a> {
        Column::Every { values: elements, stride: 0 }
    }

    /// The columns of the elements of an array argument of this name.
    pub(crate) fn elements(self, name: &str, len: usize) -> Result<Vec<Column<'a>>, Error> {
        let (values, stride) = match self {
            Column::Each(values) => (values, len),
            Column::Every { values, stride } => (values, stride),
            Column::Same(_) => (&[][..], 0),
        };
        if stride == 0 {
            let elements = || values.iter().map(|&value| Column::Same(value)).collect();
            let wrong = || Error::Elements { name: name.to_owned(), expected: len, found: values.len() };
            return if values.len() == len { Ok(elements()) } else { Err(wrong()) };
        }
        Points::rows(values, stride).resolve("the elements of an array", len)
    }
}

impl Column<'_> {
    /// For how many points it has a number; `None` if for any number.
    fn len(&self) -> Option<usize> {
        match *self {
            Column::Each(values) => Some(values.len()),
            Column::Every { values, stride } if stride > 0 => Some(values.len().div_ceil(stride)),
            Column::Same(_) | Column::Every { .. } => None,
        }
    }

    pub(super) fn is_same(&self) -> bool {
        matches!(self, Column::Same(_) | Column::Every { stride: 0, .. })
    }

    /// Whether its numbers don't lie side by side.
    pub(super) fn is_apart(&self) -> bool {
        matches!(self, Column::Every { stride: 2.., .. })
    }

    /// The number of a point.
    pub(crate) fn at(&self, point: usize) -> f64 {
        match *self {
            Column::Each(values) => values[point],
            Column::Same(value) => value,
            Column::Every { values, stride } => values[point * stride],
        }
    }
}

/// The arguments of many points, in the order of the program. It borrows the caller's memory and copies nothing.
///
/// - Structure of arrays: `Points::columns([xs, zs])`, or `Points::columns([Column::Each(&xs), Column::Same(3.0)])`.
/// - Array of structures: `Points::rows(&table, 5)`, the rows 5 numbers apart; a row may be longer than the arguments are.
///   Rows may overlap: with a stride of 1 they are the windows of a series.
/// - Anything else that is regular, such as a matrix with two strides: columns of [`Column::Every`].
#[derive(Clone, PartialEq, Debug)]
pub enum Points<'a> {
    Columns(Vec<Column<'a>>),
    Rows { values: &'a [f64], stride: usize },
}

impl Default for Points<'_> {
    fn default() -> Self {
        Points::Columns(Vec::new())
    }
}

impl<'a> Points<'a> {
    /// A column an argument. All have a number a point; where every one is [`Column::Same`] there is one point.
    pub fn columns<C: Into<Column<'a>>>(columns: impl IntoIterator<Item = C>) -> Points<'a> {
        Points::Columns(columns.into_iter().map(Into::into).collect())
    }

    /// Rows that begin `stride` numbers apart, each with the arguments in order.
    pub fn rows(values: &'a [f64], stride: usize) -> Points<'a> {
        Points::Rows { values, stride }
    }

    /// As columns, of which there must be `names.len()`.
    pub(super) fn resolve(&self, what: &'static str, width: usize) -> Result<Vec<Column<'a>>, Error> {
        match *self {
            Points::Columns(ref columns) if columns.len() == width => Ok(columns.clone()),
            Points::Columns(ref columns) => Err(Error::Columns { what, expected: width, found: columns.len() }),
            Points::Rows { values, stride } => {
                let points = rows(values.len(), stride, width);
                let points = points.ok_or(Error::Rows { what, len: values.len(), stride, width })?;
                let end = if points == 0 { 0 } else { (points - 1) * stride + 1 };
                let column = |offset| match points {
                    0 => Column::Each(&[]),
                    _ => Column::Every { values: &values[offset..offset + end], stride },
                };
                Ok((0..width).map(column).collect())
            }
        }
    }
}

/// How many rows of `width` numbers, `stride` apart, there are in `len` numbers. The last may lack what lies between rows, but
/// none of its own numbers.
pub(super) fn rows(len: usize, stride: usize, width: usize) -> Option<usize> {
    if stride == 0 {
        return (len == 0).then_some(0);
    }
    if len < width {
        return (len == 0).then_some(0);
    }
    if width == 0 {
        return Some(len.div_ceil(stride));
    }
    let rows = (len - width) / stride + 1;
    let used = (rows - 1) * stride + width;
    (stride < width || len - used <= stride - width).then_some(rows)
}

/// How many points the columns have, all the same number.
pub(super) fn count<'n>(columns: &[Column], name: impl Fn(usize) -> &'n str) -> Result<usize, Error> {
    let lengths = || columns.iter().enumerate().filter_map(|(index, column)| Some((index, column.len()?)));
    let Some((_, points)) = lengths().next() else { return Ok(1) };
    match lengths().find(|(_, len)| *len != points) {
        None => Ok(points),
        Some((index, found)) => Err(Error::Column { name: name(index).to_owned(), points, found }),
    }
}

#[cfg(test)]
mod tests {
    use super::rows;

    #[test]
    fn rows_are_counted() {
        assert_eq!(rows(0, 3, 2), Some(0));
        assert_eq!(rows(6, 3, 2), Some(2));
        assert_eq!(rows(5, 3, 2), Some(2), "no padding after the last");
        assert_eq!(rows(4, 3, 2), None, "half a row");
        assert_eq!(rows(1, 3, 2), None);
        assert_eq!(rows(5, 1, 3), Some(3), "windows");
        assert_eq!(rows(5, 0, 2), None);
        assert_eq!(rows(4, 2, 0), Some(2));
    }
}
