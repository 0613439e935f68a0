//! How the numbers of a call are arrays: in the order of the graph's parameters and results, each row by row.

use super::Layout;
use crate::error::Error;
use crate::ir::Func;
use crate::parts::{param_lens, result_lens};

/// How many numbers there are in each slice of a call.
pub fn layout(func: &Func, n_args: usize, counts: [usize; 3]) -> Layout {
    let (params, results) = (param_lens(func), result_lens(func));
    let sum = |lens: &[usize]| lens.iter().sum();
    let mut rest = results.as_slice();
    let outs = counts.map(|count| sum(rest.split_off(..count).unwrap_or_default()));
    Layout { args: sum(&params[..n_args]), seeds: sum(&params[n_args..]), outs }
}

/// There are as many slices as parameters and results.
pub fn check_counts(func: &Func, args: usize, outs: usize) -> Result<(), Error> {
    let counts = [("slices of arguments", func.params.len(), args), ("slices of results", func.results.len(), outs)];
    match counts.into_iter().find(|(_, expected, found)| expected != found) {
        Some((what, expected, found)) => Err(Error::Slices { what, expected, found }),
        None => Ok(()),
    }
}
