//! Gradient descent and its relatives: epoch by epoch, batch by batch.
//!
//! With `g` the gradient of the mean loss of a batch and `rate` that of the epoch,
//!
//! ```text
//! gd, sgd     x -= rate*g
//! momentum    v = momentum*v + g,      x -= rate*v
//! adam        m = b1*m + (1 - b1)*g,   v = b2*v + (1 - b2)*g^2,
//!             x -= rate * m/(1 - b1^t) / (sqrt(v/(1 - b2^t)) + 1e-8)     in step t
//! ```
//!
//! and every step ends with a projection between the bounds. The rows come in a new order in every epoch, made from the seed and the
//! epoch's number only, so a fit that is resumed goes on as if it had not been stopped.

use std::collections::VecDeque;

use super::bounds::Bounds;
use super::monitor::Monitor;
use super::objective::Objective;
use super::random::{Purpose, Random};
use super::schedule::power;
use super::{Method, Reason, Schedule, State, Step};
use crate::error::Error;

/// How it goes down.
#[derive(Clone, Copy, Debug)]
pub struct Training {
    pub method: Method,
    pub rate: f64,
    pub schedule: Schedule,
    pub momentum: f64,
    /// Rows in a batch.
    pub batch: usize,
    pub epochs: usize,
    /// The relative change of the loss over [`WINDOW`] epochs that counts as nothing.
    pub tolerance: f64,
    pub seed: u64,
}

/// So many epochs without a change of the loss are the end. A rise is none: the way down may lead over hills.
const WINDOW: usize = 10;

/// Adam's weights of what was.
const BETA: [f64; 2] = [0.9, 0.999];

/// Goes down from `state` on, which is that of the last whole epoch afterwards. Why it ended.
///
/// # Errors
/// Where a row has no result.
pub fn fit(
    objective: &mut dyn Objective,
    state: &mut State,
    bounds: &Bounds,
    training: &Training,
    monitor: &mut Monitor,
) -> Result<Reason, Error> {
    let rows = objective.rows();
    let in_order = training.batch >= rows;
    let (loss, mut slopes) = measured(objective, &state.params, in_order)?;
    let mut losses = VecDeque::from([loss]);
    let rate = |epoch: usize| training.rate * training.schedule.factor(epoch, training.epochs);
    let step = |epoch: usize, loss: f64| Step { iteration: epoch, loss, validation: None, rate: Some(rate(epoch)) };
    if let Some(reason) = monitor.step(&state.params, step(state.epoch, loss))? {
        return Ok(reason);
    }
    while state.epoch < training.epochs {
        if !in_order {
            objective.reorder(Some(&Random::new(training.seed, Purpose::Epoch(state.epoch)).order(rows)));
        }
        let mut next = state.clone();
        for start in (0..rows).step_by(training.batch) {
            let batch = start..rows.min(start + training.batch);
            let count = objective.count(&batch);
            let mut gradient = match slopes.take() {
                Some(gradient) => gradient,
                None => {
                    let mut gradient = vec![0.0; state.params.len()];
                    objective.gradient(&next.params, batch, &mut gradient)?;
                    gradient
                }
            };
            gradient.iter_mut().for_each(|slope| *slope /= count);
            next.descend(training, rate(state.epoch), &gradient);
            bounds.project(&mut next.params);
            if monitor.is_interrupted() {
                return Ok(Reason::Interrupted);
            }
        }
        next.epoch += 1;
        let loss;
        (loss, slopes) = measured(objective, &next.params, in_order)?;
        if !loss.is_finite() {
            return Ok(Reason::Diverged);
        }
        *state = next;
        if let Some(reason) = monitor.step(&state.params, step(state.epoch, loss))? {
            return Ok(reason);
        }
        losses.truncate(WINDOW);
        losses.push_front(loss);
        if losses.len() > WINDOW && is_level(&losses, training.tolerance) {
            return Ok(Reason::Level);
        }
    }
    Ok(Reason::Iterations)
}

/// The mean loss of all rows, and the gradient for the next step if that goes by all of them: both come from one pass.
fn measured(objective: &dyn Objective, params: &[f64], with_gradient: bool) -> Result<(f64, Option<Vec<f64>>), Error> {
    if !with_gradient {
        return Ok((objective.mean_loss(params)?, None));
    }
    let all = 0..objective.rows();
    let mut gradient = vec![0.0; params.len()];
    let loss = objective.gradient(params, all.clone(), &mut gradient)?;
    Ok((loss / objective.count(&all), Some(gradient)))
}

/// Whether losses are all the same, to the tolerance.
fn is_level(losses: &VecDeque<f64>, tolerance: f64) -> bool {
    let least = losses.iter().copied().fold(f64::INFINITY, f64::min);
    let most = losses.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    most - least <= tolerance * least.abs()
}

impl State {
    fn descend(&mut self, training: &Training, rate: f64, gradient: &[f64]) {
        self.steps += 1;
        let State { params, first, second, steps, .. } = self;
        match training.method {
            Method::Momentum => {
                for ((param, speed), slope) in params.iter_mut().zip(first).zip(gradient) {
                    *speed = training.momentum * *speed + slope;
                    *param -= rate * *speed;
                }
            }
            Method::Adam => {
                let [mean_share, square_share] = BETA.map(|beta| 1.0 - power(beta, *steps));
                for (((param, mean), square), slope) in params.iter_mut().zip(first).zip(second).zip(gradient) {
                    *mean = BETA[0] * *mean + (1.0 - BETA[0]) * slope;
                    *square = BETA[1] * *square + (1.0 - BETA[1]) * slope * slope;
                    *param -= rate * (*mean / mean_share) / ((*square / square_share).sqrt() + 1e-8);
                }
            }
            Method::Gd | Method::Sgd | Method::Lbfgs | Method::Lm => {
                for (param, slope) in params.iter_mut().zip(gradient) {
                    *param -= rate * slope;
                }
            }
        }
    }
}
