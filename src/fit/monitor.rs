//! What goes on beside every method: the history, the best so far, the validation rows, and reasons from outside to stop.

use std::sync::atomic::{AtomicBool, Ordering};

use super::objective::Objective;
use super::{Reason, Step};
use crate::error::Error;

/// Who watches a fit.
pub type Observer<'a> = dyn FnMut(&Step) + 'a;

pub struct Monitor<'a, 'o> {
    /// Rows that are held out.
    pub validation: Option<&'a dyn Objective>,
    pub patience: Option<usize>,
    pub interrupt: Option<&'a AtomicBool>,
    pub observer: Option<&'a mut Observer<'o>>,
    pub history: Vec<Step>,
    /// The parameters with the least validation loss, or training loss if there is no validation, and where they are in the history.
    pub best: Option<(Vec<f64>, usize)>,
}

impl Monitor<'_, '_> {
    /// Takes note of the best parameters of a fit that goes on.
    ///
    /// # Errors
    /// Where a validation row has no result.
    pub fn recall(&mut self, params: &[f64], mut step: Step) -> Result<(), Error> {
        step.validation = self.validation.map(|validation| validation.mean_loss(params)).transpose()?;
        if step.judged().is_finite() {
            self.best = Some((params.to_vec(), self.history.len()));
            self.history.push(step);
        }
        Ok(())
    }

    /// Takes note of a step. Whether there is a reason to stop.
    ///
    /// # Errors
    /// Where a validation row has no result.
    pub fn step(&mut self, params: &[f64], mut step: Step) -> Result<Option<Reason>, Error> {
        if let Some(validation) = self.validation {
            step.validation = Some(validation.mean_loss(params)?);
        }
        if let Some(observer) = &mut self.observer {
            observer(&step);
        }
        let is_best = step.judged().is_finite()
            && self.best.as_ref().is_none_or(|&(_, best)| step.judged() < self.history[best].judged());
        if is_best {
            self.best = Some((params.to_vec(), self.history.len()));
        }
        let waited = step.iteration - self.best.as_ref().map_or(0, |&(_, best)| self.best_iteration(best, &step));
        self.history.push(step);
        if self.is_interrupted() {
            return Ok(Some(Reason::Interrupted));
        }
        Ok(match self.patience {
            Some(patience) if waited >= patience => Some(Reason::Patience),
            _ => None,
        })
    }

    /// Takes parameters in the place of the last step's: their loss is the same to rounding, which can't judge them.
    pub fn polished(&mut self, params: &[f64]) {
        let last = self.history.last().map(Step::judged);
        if self.validation.is_none()
            && let Some((best, place)) = &mut self.best
            && self.history.get(*place).map(Step::judged) == last
        {
            best.copy_from_slice(params);
        }
    }

    /// The iteration of a place in the history, of which the step is the next.
    fn best_iteration(&self, place: usize, step: &Step) -> usize {
        self.history.get(place).unwrap_or(step).iteration
    }

    pub fn is_interrupted(&self) -> bool {
        self.interrupt.is_some_and(|interrupt| interrupt.load(Ordering::Relaxed))
    }
}
