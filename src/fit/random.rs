//! Chance that is the same everywhere: PCG-XSL-RR-128/64 (`rand_pcg::Pcg64`), a stream for each purpose, and our own ways from its
//! bits to numbers and orders.

use rand_core::Rng;
use rand_pcg::Pcg64;

use crate::math;

/// What chance is for. Each purpose, and each epoch, draws from a stream of its own, so that none depends on how much another drew.
#[derive(Clone, Copy, Debug)]
pub enum Purpose {
    Start,
    Validation,
    Epoch(usize),
}

pub struct Random(Pcg64);

impl Random {
    pub fn new(seed: u64, purpose: Purpose) -> Random {
        let stream = match purpose {
            Purpose::Start => 0,
            Purpose::Validation => 1,
            Purpose::Epoch(epoch) => 2 + epoch as u128,
        };
        Random(Pcg64::new(u128::from(seed), stream))
    }

    /// A whole number below `bound`, each with the same chance: Lemire's multiplication with rejection.
    fn below(&mut self, bound: u64) -> u64 {
        loop {
            let product = u128::from(self.0.next_u64()) * u128::from(bound);
            if product as u64 >= bound.wrapping_neg() % bound {
                return (product >> 64) as u64;
            }
        }
    }

    /// From 0, 1 not included, in steps of 2^-53.
    pub fn uniform(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// With mean 0 and standard deviation 1, by Box and Muller.
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * math::ln(1.0 - self.uniform())).sqrt();
        radius * math::cos(std::f64::consts::TAU * self.uniform())
    }

    /// An order of `0..len`, each with the same chance: Fisher and Yates.
    pub fn order(&mut self, len: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..len).collect();
        for last in (1..len).rev() {
            order.swap(last, self.below(last as u64 + 1) as usize);
        }
        order
    }
}

/// These rows of a column.
pub fn pick(column: &[f64], rows: &[usize]) -> Vec<f64> {
    rows.iter().map(|&row| column[row]).collect()
}
