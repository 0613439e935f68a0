//! Where results go: the caller's columns or rows.

use super::points;
use crate::error::Error;

/// The caller's memory for one part of the results: the value, the gradient, the Hessian, ….
///
/// It is made of a slice (`&mut ys`, a single column), of an array of slices (`[&mut dx, &mut dz]`) or of optional ones
/// (`[Some(&mut dx[..]), None]`: what nobody wants is not computed), or of rows ([`Output::rows`]).
#[derive(Debug)]
pub enum Output<'o> {
    /// A number a point in each; `None` is not computed.
    Columns(Vec<Option<&'o mut [f64]>>),
    /// All numbers of a point in a row; rows begin `stride` numbers apart, and what lies between them is left alone.
    Rows { values: &'o mut [f64], stride: usize },
}

impl<'o> Output<'o> {
    /// Rows that begin `stride` numbers apart.
    pub fn rows(values: &'o mut [f64], stride: usize) -> Output<'o> {
        Output::Rows { values, stride }
    }

    /// A column a number, in order.
    pub fn columns(columns: impl IntoIterator<Item = &'o mut [f64]>) -> Output<'o> {
        Output::Columns(columns.into_iter().map(Some).collect())
    }
}

impl<'o> From<&'o mut [f64]> for Output<'o> {
    fn from(column: &'o mut [f64]) -> Self {
        Output::Columns(vec![Some(column)])
    }
}

impl<'o> From<&'o mut Vec<f64>> for Output<'o> {
    fn from(column: &'o mut Vec<f64>) -> Self {
        Output::Columns(vec![Some(column)])
    }
}

impl<'o, const N: usize> From<&'o mut [f64; N]> for Output<'o> {
    fn from(column: &'o mut [f64; N]) -> Self {
        Output::Columns(vec![Some(column)])
    }
}

impl<'o, const N: usize> From<[&'o mut [f64]; N]> for Output<'o> {
    fn from(columns: [&'o mut [f64]; N]) -> Self {
        Output::columns(columns)
    }
}

impl<'o, const N: usize> From<[&'o mut Vec<f64>; N]> for Output<'o> {
    fn from(columns: [&'o mut Vec<f64>; N]) -> Self {
        Output::columns(columns.into_iter().map(Vec::as_mut_slice))
    }
}

impl<'o, const N: usize> From<[Option<&'o mut [f64]>; N]> for Output<'o> {
    fn from(columns: [Option<&'o mut [f64]>; N]) -> Self {
        Output::Columns(columns.into())
    }
}

impl<'o> From<Vec<&'o mut [f64]>> for Output<'o> {
    fn from(columns: Vec<&'o mut [f64]>) -> Self {
        Output::columns(columns)
    }
}

impl<'o> Output<'o> {
    /// Which of the `width` numbers are wanted.
    pub(super) fn wanted(&self, width: usize) -> Vec<bool> {
        match self {
            Output::Columns(columns) => columns.iter().map(Option::is_some).collect(),
            Output::Rows { .. } => vec![true; width],
        }
    }

    /// How many numbers of a point are computed in their place.
    pub(super) fn placed(&self) -> usize {
        match self {
            Output::Columns(columns) => columns.iter().flatten().count(),
            Output::Rows { .. } => 0,
        }
    }

    /// Makes sure that there is room for exactly `points` points, and that rows don't overlap.
    pub(super) fn check(
        &self,
        what: &'static str,
        points: usize,
        width: usize,
        name: impl Fn(usize) -> String,
    ) -> Result<(), Error> {
        match self {
            Output::Columns(columns) if columns.len() != width => {
                Err(Error::Columns { what, expected: width, found: columns.len() })
            }
            Output::Columns(columns) => {
                let length = |(index, column): (usize, &Option<&mut [f64]>)| Some((index, column.as_ref()?.len()));
                match columns.iter().enumerate().filter_map(length).find(|(_, len)| *len != points) {
                    None => Ok(()),
                    Some((index, found)) => Err(Error::Column { name: name(index), points, found }),
                }
            }
            Output::Rows { values, stride } => match points::rows(values.len(), *stride, width) {
                Some(found) if *stride >= width && found == points => Ok(()),
                Some(found) if *stride >= width => Err(Error::Column { name: what.to_owned(), points, found }),
                _ if values.is_empty() && points == 0 => Ok(()),
                _ => Err(Error::Rows { what, len: values.len(), stride: *stride, width }),
            },
        }
    }

    /// Takes the memory of the first `points` points away.
    pub(super) fn split(&mut self, points: usize) -> Output<'o> {
        match self {
            Output::Columns(columns) => {
                let first = columns.iter_mut().map(|column| Some(split(column.as_mut()?, points)));
                Output::Columns(first.collect())
            }
            Output::Rows { values, stride } => {
                // The last row may end before the next would begin.
                let len = (points * *stride).min(values.len());
                Output::Rows { values: split(values, len), stride: *stride }
            }
        }
    }
}

pub(super) fn split<'o>(values: &mut &'o mut [f64], len: usize) -> &'o mut [f64] {
    let (first, rest) = std::mem::take(values).split_at_mut(len);
    *values = rest;
    first
}
