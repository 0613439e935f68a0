//! What least squares tells beside the parameters.
//!
//! With `n` residuals, `p` free parameters and `S` their sum of squares, the residual variance is `S/(n - p)`, the covariance of the
//! parameters that times `(J'*J)^-1`, and `R^2 = 1 - S/T` with `T` the sum of squares of the response about its mean.

use super::bounds::Bounds;
use super::triangle::Triangle;
use crate::ad::{self, Mode};
use crate::ast::Role;
use crate::ir::{Builder, Func, Inst, Val};
use crate::opt::loops::tidy;
use crate::{Program, interp};

/// The statistics of a fit by least squares.
#[derive(Clone, PartialEq, Debug)]
pub struct Squares {
    /// The sum of the squares of the residuals.
    pub rss: f64,
    /// Residuals less free parameters.
    pub degrees_of_freedom: usize,
    /// The standard deviation of a residual; `None` without a degree of freedom.
    pub residual_sd: Option<f64>,
    /// The share of the response's variance that the model explains; `None` where there is no response that varies.
    pub r2: Option<f64>,
    /// The argument that the model is compared with, and whether it stands in the residual with a plus.
    pub response: Option<(String, bool)>,
    /// The covariance of the parameters, row by row; NaN for those at a bound. `None` where there is none, and [`Squares::undetermined`]
    /// or [`Squares::degrees_of_freedom`] says why.
    pub covariance: Option<Vec<f64>>,
    /// Parameters that the data don't determine: changing them together leaves all residuals as they are, to the precision of doubles.
    pub undetermined: Vec<usize>,
}

impl Squares {
    pub(super) fn new(params: &[f64], bounds: &Bounds, triangle: &Triangle, rss: f64, residuals: usize) -> Squares {
        let free: Vec<usize> = (0..params.len()).filter(|&index| !bounds.is_at(index, params[index])).collect();
        let degrees_of_freedom = residuals.saturating_sub(free.len());
        let variance = (degrees_of_freedom > 0).then(|| rss / degrees_of_freedom as f64);
        let lengths = triangle.lengths();
        let without_effect: Vec<usize> = free.iter().copied().filter(|&index| lengths[index] == 0.0).collect();
        let (mut covariance, mut undetermined) = (None, without_effect);
        if undetermined.is_empty() {
            match triangle.select(&free, |index| 1.0 / lengths[index]).inverse_of_product() {
                Ok(inverse) => covariance = variance.map(|variance| spread(&inverse, &free, &lengths, variance)),
                Err(places) => undetermined = places.into_iter().map(|place| free[place]).collect(),
            }
        }
        let residual_sd = variance.map(f64::sqrt);
        Squares { rss, degrees_of_freedom, residual_sd, r2: None, response: None, covariance, undetermined }
    }

    /// With a response and its values.
    pub(super) fn about(mut self, name: &str, is_added: bool, values: &[f64]) -> Squares {
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let total: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
        self.r2 = (total > 0.0).then(|| 1.0 - self.rss / total);
        self.response = Some((name.to_owned(), is_added));
        self
    }
}

/// The covariance of all parameters from the inverse for the free ones, whose columns were divided by their lengths.
fn spread(inverse: &[f64], free: &[usize], lengths: &[f64], variance: f64) -> Vec<f64> {
    let n = lengths.len();
    let mut covariance = vec![f64::NAN; n * n];
    for (row, &i) in free.iter().enumerate() {
        for (column, &j) in free.iter().enumerate() {
            covariance[i * n + j] = variance * (inverse[row * free.len() + column] / lengths[i] / lengths[j]);
        }
    }
    covariance
}

/// Whether the value depends linearly on some column, with a slope that neither the columns nor the parameters change: a program with
/// such a column is a residual, because of a loss that would be a term of no use.
pub fn has_linear_column(program: &Program, columns: &[usize], params: &[usize]) -> bool {
    if program.results().len() != 1 {
        return false;
    }
    let numbers = columns.iter().copied().filter(|&column| program.arguments()[column].role != Role::Index);
    let numbers: Vec<usize> = numbers.collect();
    let graph = ad::gradient(program.graph(), &numbers, Mode::Reverse);
    let is_linear = |column: usize, slope: Val| {
        let changes = depends_on(&graph, slope);
        graph.constant(slope) != Some(0.0) && !changes[column] && params.iter().all(|&param| !changes[param])
    };
    numbers.iter().zip(&graph.results[1..]).any(|(&column, slope)| is_linear(column, slope.value))
}

/// The argument, among numbers and lists of the data, of which the only result is 1 or -1 times itself plus something that doesn't depend on
/// it; `None` where there are several. With whether it is added.
pub fn response(program: &Program, data: &[usize]) -> Option<(usize, bool)> {
    let graph = program.graph();
    let [result] = graph.results.as_slice() else { return None };
    let shape = graph.shape(result.value);
    let is_like = |&index: &usize| {
        let (param, argument) = (&graph.params[index], &program.arguments()[index]);
        argument.role != Role::Index && *param.shape == *shape && shape.len() <= 1
    };
    let signs = data.iter().copied().filter(is_like).filter_map(|index| Some((index, sign(graph, index)?)));
    let mut signs = signs.fuse();
    match (signs.next(), signs.next()) {
        (Some(response), None) => Some(response),
        _ => None,
    }
}

/// Whether the derivative of the only result by an argument of its shape is 1 or -1 everywhere: the tangent depends on nothing but its
/// seed, and is that or its negative.
fn sign(graph: &Func, argument: usize) -> Option<bool> {
    let tangent = ad::jvp(graph, &[argument]);
    let dot = tangent.results.last()?.clone();
    let tangent = tidy(&Builder::resume(tangent).finish(vec![dot]));
    let live = tangent.live();
    let seed = graph.params.len();
    let depends =
        |val: Val| live[val.index()] && matches!(tangent.inst(val), Inst::Param(index) if index as usize != seed);
    if tangent.vals().any(depends) {
        return None;
    }
    // No two elements are the same, so that an exchange of elements is seen.
    let len: usize = graph.params[argument].shape.iter().product();
    let direction: Vec<f64> = (1..=len).map(|place| place as f64).collect();
    let zeros: Vec<Vec<f64>> = graph.params.iter().map(|param| vec![0.0; param.shape.iter().product()]).collect();
    let args: Vec<&[f64]> = zeros.iter().map(Vec::as_slice).chain([direction.as_slice()]).collect();
    let found = interp::call(&tangent, &args).ok()?.first()?.numbers();
    let is = |sign: f64| found.iter().zip(&direction).all(|(found, expected)| *found == sign * expected);
    match (is(1.0), is(-1.0)) {
        _ if len == 0 => None,
        (true, _) => Some(true),
        (_, true) => Some(false),
        (false, false) => None,
    }
}

/// Which arguments a value depends on.
fn depends_on(graph: &Func, value: Val) -> Vec<bool> {
    let mut reached = vec![false; graph.len()];
    reached[value.index()] = true;
    let mut arguments = vec![false; graph.params.len()];
    for val in graph.vals().rev().filter(|val| val.index() <= value.index()) {
        if !reached[val.index()] {
            continue;
        }
        if let Inst::Param(index) = graph.inst(val) {
            arguments[index as usize] = true;
        }
        for operand in graph.operands(val).iter() {
            reached[operand.index()] = true;
        }
    }
    arguments
}
