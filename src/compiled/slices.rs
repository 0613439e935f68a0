//! How the numbers of a call are arrays: in the order of the graph's parameters and results, each row by row.

use super::Layout;
use crate::ir::Func;

/// How many numbers there are in each slice of a call.
pub fn layout(func: &Func, n_args: usize, counts: [usize; 3]) -> Layout {
    let (params, results) = (param_lens(func), result_lens(func));
    let sum = |lens: &[usize]| lens.iter().sum();
    let mut rest = results.as_slice();
    let outs = counts.map(|count| sum(rest.split_off(..count).unwrap_or_default()));
    Layout { args: sum(&params[..n_args]), seeds: sum(&params[n_args..]), outs }
}

pub fn param_lens(func: &Func) -> Vec<usize> {
    func.params.iter().map(|param| param.shape.iter().product()).collect()
}

pub fn result_lens(func: &Func) -> Vec<usize> {
    func.results.iter().map(|result| func.shape(result.value).iter().product()).collect()
}

/// Pieces of these lengths.
pub fn cut<'n>(mut numbers: &'n [f64], lens: &[usize]) -> impl Iterator<Item = &'n [f64]> {
    lens.iter().map_while(move |&len| numbers.split_off(..len))
}

pub fn cut_mut<'n>(mut numbers: &'n mut [f64], lens: &[usize]) -> impl Iterator<Item = &'n mut [f64]> {
    lens.iter().map_while(move |&len| numbers.split_off_mut(..len))
}
