//! Levenberg and Marquardt's method, as Moré made it (The Levenberg–Marquardt algorithm: implementation and theory, 1978), which is
//! that of MINPACK.
//!
//! Around the parameters `x` the residuals are nearly `r + J*p`. The step `p` makes `|r + J*p|` least within a trust region
//! `|D*p| <= delta`, where `D` holds the greatest length that each column of `J` has had, so that the units of the
//! parameters don't matter. The region grows where the model foretells the loss and shrinks where it doesn't.
//!
//! What is different from MINPACK, and why this isn't one of the crates that wrap or port it:
//! - `J` is folded into its triangle ([`Triangle`]) as it is computed, so memory doesn't grow with the rows, and the bits are the same on
//!   every machine;
//! - a trial where the loss or its slope is not a number is a step that was too long, not the end;
//! - parameters have bounds: those that push against one are held for the step, and the others are projected back;
//! - a fit that ends where some parameter has lost its influence begins again with shorter steps: see [`fit`];
//! - the last digits come from the slope: see [`Search::polish`].
//!
//! Names: `slope` is `J'*r`, `length` of a column is Euclidean, quantities divided by `D` are *scaled*.

use super::bounds::Bounds;
use super::monitor::Monitor;
use super::objective::Objective;
use super::triangle::{Triangle, dot, norm};
use super::{Reason, Step};
use crate::error::Error;

/// When it ends, and how it begins.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The relative fall of the loss, the relative length of a step, and the cosine between residuals and columns of `J`
    /// that count as nothing.
    pub tolerance: f64,
    pub iterations: usize,
}

/// The first radius of the trust region, relative to the start. Tried in this order while a parameter loses its influence.
const RADII: [f64; 3] = [100.0, 1.0, 0.01];

/// Minimises the sum of squares from `start` on. The number of steps, and why it ended; the parameters are the monitor's best.
///
/// A long first step can carry a parameter to where it has no influence any more, such as the rate of an exponential that has
/// decayed before the first point. The loss is flat there, and that looks like a minimum. Such a fit is begun again with a smaller
/// region, as is one that gets stuck, and the best of all counts.
///
/// # Errors
/// Where a row has no result.
pub fn fit(
    objective: &dyn Objective,
    start: &[f64],
    bounds: &Bounds,
    limits: Limits,
    monitor: &mut Monitor,
) -> Result<(Reason, usize), Error> {
    let mut best: Option<(f64, Reason)> = None;
    let mut iterations = 0;
    for radius in RADII {
        let mut search = Search::new(objective, start, bounds)?;
        let reason = search.run(radius, limits, &mut iterations, monitor)?;
        if reason.converged() && search.polish()? {
            monitor.polished(&search.params);
        }
        if matches!(reason, Reason::Iterations | Reason::Interrupted | Reason::Patience) {
            return Ok((reason, iterations));
        }
        if best.as_ref().is_none_or(|(loss, _)| search.loss < *loss) {
            best = Some((search.loss, reason));
        }
        if !search.has_lost_influence() && reason != Reason::Stuck {
            break;
        }
    }
    Ok((best.map_or(Reason::Stuck, |(_, reason)| reason), iterations))
}

struct Search<'a> {
    objective: &'a dyn Objective,
    bounds: &'a Bounds,
    params: Vec<f64>,
    loss: f64,
    triangle: Triangle,
    slope: Vec<f64>,
    /// The columns' lengths now, and the greatest so far.
    lengths: Vec<f64>,
    scale: Vec<f64>,
}

/// A step that was tried.
struct Trial {
    params: Vec<f64>,
    /// The length of the step, scaled.
    length: f64,
    /// What the model foretells of the loss, relative to it: the fall, and the slope along the step.
    fall: f64,
    along: f64,
}

impl<'a> Search<'a> {
    fn new(objective: &'a dyn Objective, start: &[f64], bounds: &'a Bounds) -> Result<Search<'a>, Error> {
        let loss = objective.loss(start, 0..objective.rows())?;
        let triangle = objective.jacobian(start)?;
        let lengths = triangle.lengths();
        let scale = lengths.iter().map(|&length| if length == 0.0 { 1.0 } else { length }).collect();
        let slope = triangle.slope();
        Ok(Search { objective, bounds, params: start.to_vec(), loss, triangle, slope, lengths, scale })
    }

    fn run(
        &mut self,
        radius: f64,
        limits: Limits,
        iterations: &mut usize,
        monitor: &mut Monitor,
    ) -> Result<Reason, Error> {
        let position = self.scaled_length(&self.params);
        let mut delta = radius * if position > 0.0 { position } else { 1.0 };
        let mut par = 0.0;
        let mut is_first = true;
        if let Some(reason) = monitor.step(&self.params, self.step(*iterations))? {
            return Ok(reason);
        }
        loop {
            if self.loss == 0.0 {
                return Ok(Reason::Exact);
            }
            let steepness = self.steepness();
            if !steepness.is_finite() {
                return Ok(Reason::NotFinite);
            }
            if steepness <= limits.tolerance {
                return Ok(Reason::Flat);
            }
            for (scale, &length) in self.scale.iter_mut().zip(&self.lengths) {
                *scale = scale.max(length);
            }
            // Steps shorten until one lowers the loss.
            loop {
                if *iterations >= limits.iterations {
                    return Ok(Reason::Iterations);
                }
                if monitor.is_interrupted() {
                    return Ok(Reason::Interrupted);
                }
                let trial = self.trial(delta, &mut par);
                if is_first {
                    delta = delta.min(trial.length);
                    is_first = false;
                }
                let loss = self.objective.loss(&trial.params, 0..self.objective.rows())?;
                let fall = if 0.01 * loss < self.loss { 1.0 - loss / self.loss } else { -1.0 };
                // What can't be foretold can't be trusted.
                let trust = if trial.fall > 0.0 { fall / trial.fall } else { 0.0 };
                if trust <= 0.25 {
                    let halved = if fall >= 0.0 { 0.5 } else { 0.5 * trial.along / (trial.along + 0.5 * fall) };
                    let factor = if fall > -1.0 && halved >= 0.1 { halved.min(0.5) } else { 0.1 };
                    delta = factor * delta.min(10.0 * trial.length);
                    par /= factor;
                } else if par == 0.0 || trust >= 0.75 {
                    delta = 2.0 * trial.length;
                    par *= 0.5;
                }
                *iterations += 1;
                let accepted = trust >= 1e-4 && self.accept(trial.params, loss)?;
                // A trial that is refused is a step too: the history has every one.
                if let Some(reason) = monitor.step(&self.params, self.step(*iterations))? {
                    return Ok(reason);
                }
                let falls_little = fall.abs() <= limits.tolerance && trial.fall <= limits.tolerance && trust <= 2.0;
                if falls_little {
                    return Ok(self.end(Reason::Level, limits));
                }
                let position = self.scaled_length(&self.params);
                if delta <= limits.tolerance * position || delta == 0.0 {
                    return Ok(self.end(Reason::Still, limits));
                }
                if accepted {
                    break;
                }
            }
        }
    }

    fn step(&self, iteration: usize) -> Step {
        let all = 0..self.objective.rows();
        Step { iteration, loss: self.loss / self.objective.count(&all), validation: None, rate: None }
    }

    fn scaled_length(&self, vector: &[f64]) -> f64 {
        let scaled: Vec<f64> = vector.iter().zip(&self.scale).map(|(value, scale)| value * scale).collect();
        norm(&scaled)
    }

    /// The greatest cosine between the residuals and the columns of free parameters.
    fn steepness(&self) -> f64 {
        let size = self.loss.sqrt();
        let cosine = |index: usize| match self.lengths[index] {
            0.0 => 0.0,
            length => (self.slope[index] / size / length).abs(),
        };
        // Not `max`, which would lose what is no number.
        self.bounds
            .free(&self.params, &self.slope)
            .into_iter()
            .map(cosine)
            .fold(0.0, |most, cosine| if cosine > most || cosine.is_nan() { cosine } else { most })
    }

    /// Whether the residuals have become blind to some parameter on the way.
    fn has_lost_influence(&self) -> bool {
        self.lengths.iter().zip(&self.scale).any(|(&length, &scale)| length <= 1e-8 * scale)
    }

    /// The reason to end, unless there is a slope although steps lead nowhere: that is no minimum but a kink or the edge of a domain. Where
    /// the loss is lowest the slope is not quite 0 either, because rounding moves the residuals by about `eps*|D*x|`.
    fn end(&self, reason: Reason, limits: Limits) -> Reason {
        let rounding = 10.0 * f64::EPSILON * self.scaled_length(&self.params) / self.loss.sqrt();
        let level = (2.0 * limits.tolerance.sqrt()).max(1e-4).max(rounding);
        if self.loss > 0.0 && self.steepness() > level { Reason::Stuck } else { reason }
    }

    /// Goes on by the model alone as long as its steps become shorter; whether it has. Near the minimum the loss is flat to rounding
    /// when half the digits of the parameters are right, while its slope still tells the others.
    fn polish(&mut self) -> Result<bool, Error> {
        let mut last = f64::INFINITY;
        let mut moved = false;
        for _ in 0..100 {
            let mut par = 0.0;
            let trial = self.trial(f64::MAX, &mut par);
            let loss = self.objective.loss(&trial.params, 0..self.objective.rows())?;
            let is_level = (loss - self.loss).abs() <= 1e-10 * self.loss;
            if !(trial.length < 0.9 * last && is_level && self.accept(trial.params, loss)?) {
                break;
            }
            last = trial.length;
            moved = true;
        }
        Ok(moved)
    }

    /// The best step within the region, by the model.
    fn trial(&self, delta: f64, par: &mut f64) -> Trial {
        let free = self.bounds.free(&self.params, &self.slope);
        let scaled = self.triangle.select(&free, |index| 1.0 / self.scale[index]);
        let best = best_step(&scaled, delta, par);
        let mut step = vec![0.0; self.params.len()];
        for (&index, value) in free.iter().zip(&best) {
            step[index] = value / self.scale[index];
        }
        let mut params: Vec<f64> = self.params.iter().zip(&step).map(|(param, step)| param + step).collect();
        let aimed = params.clone();
        self.bounds.project(&mut params);
        let (fall, along, length);
        if params == aimed {
            // In this form nothing cancels.
            let length_along = scaled.length_along(&best);
            length = norm(&best);
            let (model, damping) = (length_along * length_along / self.loss, *par * length * length / self.loss);
            (fall, along) = (model + 2.0 * damping, -(model + damping));
        } else {
            let step: Vec<f64> = params.iter().zip(&self.params).map(|(to, from)| to - from).collect();
            let length_along = self.triangle.length_along(&step);
            length = self.scaled_length(&step);
            along = dot(&self.slope, &step) / self.loss;
            fall = -(2.0 * along + length_along * length_along / self.loss);
        }
        Trial { params, length, fall, along }
    }

    /// Goes to a trial, unless the Jacobian there isn't finite.
    fn accept(&mut self, params: Vec<f64>, loss: f64) -> Result<bool, Error> {
        let triangle = self.objective.jacobian(&params)?;
        let (lengths, slope) = (triangle.lengths(), triangle.slope());
        if !lengths.iter().chain(&slope).all(|value| value.is_finite()) {
            return Ok(false);
        }
        *self = Search { params, loss, triangle, slope, lengths, scale: std::mem::take(&mut self.scale), ..*self };
        Ok(true)
    }
}

/// The step `p` that makes `|J*p + r|^2` least within `|p| <= delta`, the length of which is met within a tenth, and the weight `par` of
/// `|p|^2` that leads to it: 0 where the least lies inside. Newton's method on `1/|p(par)| - 1/delta` between bounds; `par` is the
/// last region's, to begin with.
fn best_step(triangle: &Triangle, delta: f64, par: &mut f64) -> Vec<f64> {
    const NEAR: f64 = 0.1;
    let inside = triangle.solve();
    let mut least = 0.0;
    if let Some(step) = &inside {
        let length = norm(step);
        if length - delta <= NEAR * delta {
            *par = 0.0;
            return inside.unwrap_or_default();
        }
        least = correction(triangle, step, length, delta);
    }
    let steepness = norm(&triangle.slope());
    let mut most = steepness / delta;
    if most == 0.0 {
        most = f64::MIN_POSITIVE / delta.min(NEAR);
    }
    if !least.is_finite() {
        least = 0.0;
    }
    *par = par.max(least).min(most);
    if *par == 0.0 {
        *par = match &inside {
            Some(step) => steepness / norm(step),
            None => 1e-3 * most,
        };
    }
    let mut excess = f64::INFINITY;
    for attempt in 1.. {
        if *par == 0.0 {
            *par = f64::MIN_POSITIVE.max(1e-3 * most);
        }
        let damped = triangle.damped(par.sqrt());
        let step = damped.solve().unwrap_or_else(|| vec![0.0; triangle.slope().len()]);
        let length = norm(&step);
        let before = std::mem::replace(&mut excess, length - delta);
        let shortens = least == 0.0 && excess <= before && before < 0.0;
        if excess.abs() <= NEAR * delta || shortens || attempt == 10 {
            return step;
        }
        if excess > 0.0 {
            least = par.max(least);
        } else {
            most = par.min(most);
        }
        *par = least.max(*par + correction(&damped, &step, length, delta));
    }
    unreachable!("the tenth attempt returns")
}

/// Newton's correction of `par`.
fn correction(triangle: &Triangle, step: &[f64], length: f64, delta: f64) -> f64 {
    let direction = step.iter().map(|value| value / length).collect();
    let stretch = triangle.length_of_solution(direction);
    (length - delta) / delta / stretch / stretch
}
