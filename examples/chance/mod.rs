//! Chance for the examples: SplitMix64, and normal numbers by the library's own functions, the same to the bit on every machine.

use chainrule::math;

pub struct Chance(pub u64);

impl Chance {
    /// Evenly between 0 and 1.
    pub fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((bits ^ (bits >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Normally distributed, by Box and Muller's way.
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * math::ln(1.0 - self.next())).sqrt();
        radius * math::cos(std::f64::consts::TAU * self.next())
    }
}
