//! A program with arrays as an objective: a call for each row of the table, or a single one where there is no table.

use std::cell::Cell;
use std::ops::Range;

use super::objective::Objective;
use super::table::{Code, Place};
use super::triangle::Triangle;
use crate::error::Error;
use crate::ir::Func;

pub struct Calls<'a> {
    code: &'a Code,
    places: &'a [Place<'a>],
    columns: &'a [&'a [f64]],
    /// The rows of the columns, in the order of the data.
    rows: &'a [usize],
    /// The rows in the present order, if it is another.
    reordered: Option<Vec<usize>>,
    evaluated: Cell<usize>,
}

impl<'a> Calls<'a> {
    /// For these rows of the columns.
    pub fn new(code: &'a Code, places: &'a [Place<'a>], columns: &'a [&'a [f64]], rows: &'a [usize]) -> Calls<'a> {
        Calls { code, places, columns, rows, reordered: None, evaluated: Cell::new(0) }
    }

    /// The arguments of a row.
    fn arguments<'s>(&'s self, params: &'s [f64], row: usize) -> Vec<&'s [f64]> {
        let row = self.reordered.as_deref().unwrap_or(self.rows)[row];
        let argument = |place: &'s Place| match place {
            Place::Param(range) => &params[range.clone()],
            Place::Column(index) => &self.columns[*index][row..=row],
            Place::Given(numbers) => numbers,
        };
        self.evaluated.set(self.evaluated.get() + 1);
        self.places.iter().map(argument).collect()
    }
}

/// A run of numbers for each result of a graph.
fn results(graph: &Func) -> Vec<Vec<f64>> {
    graph.results.iter().map(|result| vec![0.0; graph.shape(result.value).iter().product()]).collect()
}

/// Appends the residuals of a call and their Jacobian, where they are wanted.
///
/// # Errors
/// Where the call has no result.
pub fn append(triangle: &mut Triangle, code: &Code, arguments: &[&[f64]]) -> Result<(), Error> {
    let n_values = code.n_results();
    let Some(code) = code.residuals()? else { return Ok(()) };
    let mut results = results(code.graph());
    let n_args = (results.len() - n_values) / n_values;
    code.call_arrays(arguments, &mut slices(&mut results))?;
    let (values, derivatives) = results.split_at(n_values);
    let mut residuals = values.concat();
    // By column: of each parameter the derivatives of all residuals.
    let mut columns = Vec::new();
    for arg in 0..n_args {
        let blocks = || values.iter().zip(derivatives.iter().skip(arg).step_by(n_args));
        let width = blocks().find(|(value, _)| !value.is_empty()).map_or(0, |(value, block)| block.len() / value.len());
        for param in 0..width {
            columns.extend(blocks().flat_map(|(_, block)| block.iter().skip(param).step_by(width)));
        }
    }
    triangle.append(&mut columns, &mut residuals);
    Ok(())
}

fn slices(results: &mut [Vec<f64>]) -> Vec<&mut [f64]> {
    results.iter_mut().map(Vec::as_mut_slice).collect()
}

impl Objective for Calls<'_> {
    fn rows(&self) -> usize {
        self.rows.len()
    }

    fn loss(&self, params: &[f64], rows: Range<usize>) -> Result<f64, Error> {
        let mut loss = 0.0;
        for row in rows {
            let mut value = [0.0];
            self.code.value()?.call_arrays(&self.arguments(params, row), &mut [&mut value])?;
            loss += value[0];
        }
        Ok(loss)
    }

    fn gradient(&self, params: &[f64], rows: Range<usize>, gradient: &mut [f64]) -> Result<f64, Error> {
        let code = self.code.gradient()?;
        let mut results = results(code.graph());
        let mut loss = 0.0;
        gradient.fill(0.0);
        for row in rows {
            code.call_arrays(&self.arguments(params, row), &mut slices(&mut results))?;
            loss += results[0][0];
            gradient.iter_mut().zip(results[1..].iter().flatten()).for_each(|(sum, slope)| *sum += slope);
        }
        Ok(loss)
    }

    fn jacobian(&self, params: &[f64]) -> Result<Triangle, Error> {
        let mut triangle = Triangle::new(params.len());
        for row in 0..self.rows.len() {
            append(&mut triangle, self.code, &self.arguments(params, row))?;
        }
        Ok(triangle)
    }

    fn first_fault(&self, params: &[f64]) -> Result<Option<(usize, f64)>, Error> {
        for row in 0..self.rows.len() {
            let loss = self.loss(params, row..row + 1)?;
            if !loss.is_finite() {
                return Ok(Some((row, loss)));
            }
        }
        Ok(None)
    }

    fn reorder(&mut self, order: Option<&[usize]>) {
        self.reordered = order.map(|order| order.iter().map(|&place| self.rows[place]).collect());
    }

    fn evaluations(&self) -> f64 {
        self.evaluated.get() as f64 / self.rows.len().max(1) as f64
    }
}
