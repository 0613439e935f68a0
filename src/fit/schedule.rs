//! How the learning rate changes from epoch to epoch.

use crate::math;

/// What the learning rate is multiplied by in an epoch.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub enum Schedule {
    /// 1
    #[default]
    Constant,
    /// `factor` once more after every so many epochs.
    Step { every: usize, factor: f64 },
    /// `factor` once more after every epoch.
    Exponential { factor: f64 },
    /// Half a wave of the cosine, from 1 to 0 over all epochs.
    Cosine,
    /// `1/(1 + decay*epoch)`
    Inverse { decay: f64 },
}

impl Schedule {
    /// The factor in an epoch, counted from 0.
    pub fn factor(self, epoch: usize, epochs: usize) -> f64 {
        match self {
            Schedule::Constant => 1.0,
            Schedule::Step { every, factor } => power(factor, epoch / every.max(1)),
            Schedule::Exponential { factor } => power(factor, epoch),
            Schedule::Cosine => 0.5 * (1.0 + math::cos(std::f64::consts::PI * (epoch as f64 / epochs.max(1) as f64))),
            Schedule::Inverse { decay } => 1.0 / (1.0 + decay * epoch as f64),
        }
    }
}

/// A power by repeated squaring: the same bits everywhere, which `powi` doesn't promise.
pub fn power(mut base: f64, mut exponent: usize) -> f64 {
    let mut power = 1.0;
    while exponent > 0 {
        if exponent % 2 == 1 {
            power *= base;
        }
        base *= base;
        exponent /= 2;
    }
    power
}
