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

#[cfg(test)]
mod tests {
    use super::{Purpose, Random};

    #[test]
    fn orders_have_everything_once() {
        for len in [0, 1, 2, 100] {
            let mut order = Random::new(3, Purpose::Epoch(0)).order(len);
            order.sort_unstable();
            assert_eq!(order, (0..len).collect::<Vec<_>>());
        }
    }

    #[test]
    fn all_orders_have_the_same_chance() {
        let mut counts = std::collections::BTreeMap::new();
        let mut random = Random::new(5, Purpose::Start);
        for _ in 0..6000 {
            *counts.entry(random.order(3)).or_insert(0) += 1;
        }
        assert_eq!(counts.len(), 6);
        // Five standard deviations of a count.
        assert!(counts.values().all(|&count: &i32| (count - 1000).abs() < 145), "{counts:?}");
    }

    #[test]
    fn normal_numbers_have_their_moments() {
        let mut random = Random::new(1, Purpose::Start);
        let numbers: Vec<f64> = (0..10_000).map(|_| random.normal()).collect();
        let moment = |power: i32| numbers.iter().map(|number| number.powi(power)).sum::<f64>() / 10_000.0;
        assert!(moment(1).abs() < 0.05 && (moment(2) - 1.0).abs() < 0.07 && (moment(4) - 3.0).abs() < 0.5);
    }

    #[test]
    fn the_numbers_are_those_of_the_algorithm() {
        // PCG-XSL-RR-128/64 in whole numbers of 128 bits, as its paper has it.
        let (seed, stream) = (42_u128, 3_u128);
        let increment = stream << 1 | 1;
        let multiplier = 0x2360_ed05_1fc6_5da4_4385_df64_9fcc_f645_u128;
        let advance = |state: u128| state.wrapping_mul(multiplier).wrapping_add(increment);
        let mut state = advance(seed.wrapping_add(increment));
        let mut random = Random::new(42, Purpose::Epoch(1));
        for _ in 0..100 {
            state = advance(state);
            let bits = ((state >> 64) as u64 ^ state as u64).rotate_right((state >> 122) as u32);
            assert_eq!(random.uniform(), (bits >> 11) as f64 / (1_u64 << 53) as f64);
        }
    }
}
