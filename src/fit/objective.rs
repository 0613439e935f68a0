//! The seam between what is minimised and how: methods know an objective only by [`Objective`].
//!
//! Values are sums over rows; who wants a mean divides by [`Objective::count`]. A program of numbers that is applied to each row of a table is [`Table`]; a
//! program with arrays is [`Calls`], of one row where arrays hold all the data.
//!
//! [`Table`]: super::table::Table
//! [`Calls`]: super::calls::Calls

use std::ops::Range;

use super::triangle::Triangle;
use crate::error::Error;

/// A loss that is a sum over rows.
pub trait Objective {
    fn rows(&self) -> usize;

    /// What the loss of some rows is divided by for their mean: how many they are, or 1 where it is a mean already.
    fn count(&self, rows: &Range<usize>) -> f64 {
        rows.len() as f64
    }

    /// The loss of some rows.
    ///
    /// # Errors
    /// Where a row has no result.
    fn loss(&self, params: &[f64], rows: Range<usize>) -> Result<f64, Error>;

    /// The loss of some rows, and its derivatives into `gradient`.
    ///
    /// # Errors
    /// As [`Objective::loss`].
    fn gradient(&self, params: &[f64], rows: Range<usize>, gradient: &mut [f64]) -> Result<f64, Error>;

    /// The Jacobian of all residuals, with the residuals on the right-hand side. Only where the loss is their sum of squares.
    ///
    /// # Errors
    /// As [`Objective::loss`].
    fn jacobian(&self, params: &[f64]) -> Result<Triangle, Error>;

    /// The mean loss of all rows.
    ///
    /// # Errors
    /// As [`Objective::loss`].
    fn mean_loss(&self, params: &[f64]) -> Result<f64, Error> {
        let all = 0..self.rows();
        Ok(self.loss(params, all.clone())? / self.count(&all))
    }

    /// The first row whose loss isn't finite, and the loss.
    ///
    /// # Errors
    /// As [`Objective::loss`].
    fn first_fault(&self, params: &[f64]) -> Result<Option<(usize, f64)>, Error>;

    /// Puts the rows into an order: the row that is at `order[i]` in the data comes to `i`. `None` is the order of the data.
    fn reorder(&mut self, order: Option<&[usize]>);

    /// How often a loss, gradient or Jacobian of all rows has been computed; parts of rows count as parts.
    fn evaluations(&self) -> f64;
}
