//! The quasi-Newton method of Broyden, Fletcher, Goldfarb and Shanno with limited memory (Nocedal 1980), with bounds by projection.
//!
//! The direction `-H*g` comes from the last steps `s` and what they changed of the gradient, `y`, by the recursion of two loops.
//! All of this is done with parameters divided by a `scale`, so that their units don't matter. With bounds the direction is taken among the parameters that don't push against one. The step along it meets Armijo's condition and, where no
//! bound cuts it short, the weak one of Wolfe; it is found by doubling and bisection (Lewis and Overton 2013), which is at home at
//! kinks, and for which a loss that is not a number is only a step that was too long. The crates at hand know no bounds, end at
//! the first value that isn't finite, and compute value and gradient apart, which our code makes at once.

use std::collections::VecDeque;

use super::bounds::Bounds;
use super::monitor::Monitor;
use super::objective::Objective;
use super::triangle::{dot, norm};
use super::{Reason, Step};
use crate::error::Error;

/// When it ends.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The relative fall of the loss that counts as nothing, a few times in a row.
    pub tolerance: f64,
    pub iterations: usize,
}

/// So many steps are remembered.
const MEMORY: usize = 10;

/// So many steps with nearly no fall are the end: one may be small by chance.
const LEVEL: usize = 3;

/// The shares of the slope that a step must keep, and must lose.
const ARMIJO: f64 = 1e-4;
const WOLFE: f64 = 0.9;

/// A point of the way: the mean loss and its gradient.
#[derive(Clone)]
struct Point {
    params: Vec<f64>,
    loss: f64,
    gradient: Vec<f64>,
}

/// A step and the change of the gradient over it, of parameters that are divided by their scale.
struct Pair {
    s: Vec<f64>,
    y: Vec<f64>,
}

/// Minimises the loss from `start` on, with parameters in the units of `scale`. Why it ended, and the number of steps.
///
/// # Errors
/// Where a row has no result.
pub fn fit(
    objective: &dyn Objective,
    start: &[f64],
    scale: &[f64],
    bounds: &Bounds,
    limits: Limits,
    monitor: &mut Monitor,
) -> Result<(Reason, usize), Error> {
    let mut at = point(objective, start.to_vec())?;
    let mut memory: VecDeque<Pair> = VecDeque::new();
    let mut level = 0;
    for iteration in 0.. {
        let step = Step { iteration, loss: at.loss, validation: None, rate: None };
        if let Some(reason) = monitor.step(&at.params, step)? {
            return Ok((reason, iteration));
        }
        let free = bounds.free(&at.params, &at.gradient);
        if !at.gradient.iter().all(|slope| slope.is_finite()) {
            return Ok((Reason::NotFinite, iteration));
        }
        let steepness = norm(&only(&at.gradient, &free));
        if steepness == 0.0 {
            return Ok((Reason::Flat, iteration));
        }
        if iteration >= limits.iterations {
            return Ok((Reason::Iterations, iteration));
        }
        let next = match line(objective, &at, &direction(&at.gradient, scale, &free, &memory), bounds, monitor)? {
            None if monitor.is_interrupted() => return Ok((Reason::Interrupted, iteration)),
            None if memory.is_empty() => {
                let small = 1e-5 * (1.0 + at.loss.abs());
                // A loss without a minimum ends far away, where a step as long as the parameters would still change it.
                let reach: Vec<f64> = free.iter().map(|&index| at.gradient[index] * at.params[index]).collect();
                let is_still = steepness <= small && norm(&reach) <= small;
                return Ok((if is_still { Reason::Still } else { Reason::Stuck }, iteration));
            }
            // What is remembered may mislead: once more, straight down.
            None => {
                memory.clear();
                continue;
            }
            Some(next) => next,
        };
        let s = (0..scale.len()).map(|j| (next.params[j] - at.params[j]) / scale[j]).collect::<Vec<f64>>();
        let y = (0..scale.len()).map(|j| (next.gradient[j] - at.gradient[j]) * scale[j]).collect::<Vec<f64>>();
        if dot(&s, &y) > f64::EPSILON * norm(&s) * norm(&y) {
            memory.truncate(MEMORY - 1);
            memory.push_front(Pair { s, y });
        }
        level = if at.loss - next.loss <= limits.tolerance * next.loss.abs() { level + 1 } else { 0 };
        at = next;
        if level == LEVEL {
            let step = Step { iteration: iteration + 1, loss: at.loss, validation: None, rate: None };
            let stopped = monitor.step(&at.params, step)?;
            return Ok((stopped.unwrap_or(Reason::Level), iteration + 1));
        }
    }
    unreachable!("the number of iterations is limited")
}

fn point(objective: &dyn Objective, params: Vec<f64>) -> Result<Point, Error> {
    let all = 0..objective.rows();
    let count = objective.count(&all);
    let mut gradient = vec![0.0; params.len()];
    let loss = objective.gradient(&params, all, &mut gradient)? / count;
    gradient.iter_mut().for_each(|slope| *slope /= count);
    Ok(Point { params, loss, gradient })
}

/// The entries at `free`; the others are 0.
fn only(vector: &[f64], free: &[usize]) -> Vec<f64> {
    let mut masked = vec![0.0; vector.len()];
    for &index in free {
        masked[index] = vector[index];
    }
    masked
}

/// Where to go: `-H*g` among the free parameters.
fn direction(gradient: &[f64], scale: &[f64], free: &[usize], memory: &VecDeque<Pair>) -> Vec<f64> {
    let scaled = |vector: &[f64]| vector.iter().zip(scale).map(|(value, scale)| value * scale).collect::<Vec<f64>>();
    let slope = scaled(&only(gradient, free));
    let mut q = slope.clone();
    let pairs = memory.iter().map(|pair| Pair { s: only(&pair.s, free), y: only(&pair.y, free) });
    let pairs: Vec<(Pair, f64)> = pairs
        .map(|pair| (dot(&pair.s, &pair.y), pair))
        .filter(|(sy, _)| *sy > 0.0)
        .map(|(sy, pair)| (pair, sy))
        .collect();
    let mut alphas = Vec::with_capacity(pairs.len());
    for (Pair { s, y }, sy) in &pairs {
        let alpha = dot(s, &q) / sy;
        alphas.push(alpha);
        q.iter_mut().zip(y).for_each(|(q, y)| *q -= alpha * y);
    }
    let curvature = match pairs.first() {
        Some((Pair { y, .. }, sy)) => sy / dot(y, y),
        // The first step has no measure of the loss's curvature: length 1 at most.
        None => 1.0 / norm(&q).max(1.0),
    };
    q.iter_mut().for_each(|q| *q *= curvature);
    for ((Pair { s, y }, sy), alpha) in pairs.iter().zip(&alphas).rev() {
        let beta = dot(y, &q) / sy;
        q.iter_mut().zip(s).for_each(|(q, s)| *q += (alpha - beta) * s);
    }
    let q = only(&q, free);
    let leads_down = dot(&q, &slope) > 0.0 && q.iter().all(|value| value.is_finite());
    scaled(if leads_down { &q } else { &slope }).iter().map(|up| -up).collect()
}

/// A lower point along the direction; `None` where none is found.
fn line(
    objective: &dyn Objective,
    from: &Point,
    direction: &[f64],
    bounds: &Bounds,
    monitor: &Monitor,
) -> Result<Option<Point>, Error> {
    const TRIALS: usize = 60;
    let (mut short, mut long) = (0.0, f64::INFINITY);
    let mut t = 1.0;
    let mut best: Option<Point> = None;
    for _ in 0..TRIALS {
        if monitor.is_interrupted() {
            return Ok(None);
        }
        let aimed: Vec<f64> = from.params.iter().zip(direction).map(|(param, step)| param + t * step).collect();
        let mut params = aimed.clone();
        bounds.project(&mut params);
        let step: Vec<f64> = params.iter().zip(&from.params).map(|(to, from)| to - from).collect();
        if step.iter().all(|&step| step == 0.0) {
            break;
        }
        let is_cut = params != aimed;
        let trial = point(objective, params)?;
        let is_number = trial.loss.is_finite() && trial.gradient.iter().all(|slope| slope.is_finite());
        let along = dot(&from.gradient, &step);
        if !is_number || trial.loss > from.loss + ARMIJO * along || along >= 0.0 {
            long = t;
        } else if !is_cut && dot(&trial.gradient, &step) < WOLFE * along {
            short = t;
            best = Some(trial);
        } else {
            return Ok(Some(trial));
        }
        t = if long.is_finite() { 0.5 * (short + long) } else { 2.0 * t };
        if !t.is_finite() || t == short || t == long {
            break;
        }
    }
    Ok(best.filter(|best| best.loss < from.loss))
}
