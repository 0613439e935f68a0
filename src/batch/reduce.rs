//! Sums over points, in an order that depends on nothing but the points.
//!
//! Points are added up in blocks of [`BLOCK`]. Within a block, lane `i` of 16 adds the points `i`, `i + 16`, `i + 32`, … in order;
//! then the lanes are added as a tree, `i` and `i + 8`, then `i + 4`, `i + 2`, `i + 1`. The blocks are added in order. So
//! the sum is the same, to the bit, for any number of threads and on every back end; and its rounding errors grow with the number
//! of blocks, not of points.
//!
//! A lane begins with -0.0, the identity of addition. The sum over no points is 0.

/// So many points are a block, the unit of work as well.
pub const BLOCK: usize = 1024;

const LANES: usize = 16;

/// The lanes of one result in a block.
#[derive(Clone, Copy)]
pub struct Lanes([f64; LANES]);

impl Lanes {
    pub const EMPTY: Lanes = Lanes([-0.0; LANES]);

    /// Adds points that begin at a multiple of 16 in the block.
    pub fn add(&mut self, values: &[f64]) {
        let (chunks, rest) = values.as_chunks::<LANES>();
        for chunk in chunks {
            for (lane, value) in self.0.iter_mut().zip(chunk) {
                *lane += value;
            }
        }
        for (lane, value) in self.0.iter_mut().zip(rest) {
            *lane += value;
        }
    }

    pub fn total(&self) -> f64 {
        let mut lanes = self.0;
        let mut half = LANES / 2;
        while half > 0 {
            for lane in 0..half {
                lanes[lane] += lanes[lane + half];
            }
            half /= 2;
        }
        lanes[0]
    }
}

/// The sums of blocks of `width` numbers, added in order.
pub fn blocks(partial: &[f64], width: usize) -> Vec<f64> {
    let mut sums = vec![-0.0; width];
    for block in partial.chunks_exact(width.max(1)) {
        for (sum, value) in sums.iter_mut().zip(block) {
            *sum += value;
        }
    }
    if partial.is_empty() {
        sums.fill(0.0);
    }
    sums
}

/// Sums or means over all points, part by part, each part in the order of a single call.
#[derive(Clone, PartialEq, Debug)]
pub struct Reduced {
    /// How many points there were.
    pub points: usize,
    /// The value, or the value of each result.
    pub values: Vec<f64>,
    /// First derivatives: gradient, Jacobian row by row, tangents, adjoints.
    pub first: Vec<f64>,
    /// Second derivatives: Hessian row by row, Hessian times direction.
    pub second: Vec<f64>,
}

impl Reduced {
    pub(super) fn new(points: usize, sums: &[f64], outs: [usize; 3]) -> Reduced {
        let (values, derivatives) = sums.split_at(outs[0]);
        let (first, second) = derivatives.split_at(outs[1]);
        Reduced { points, values: values.to_vec(), first: first.to_vec(), second: second.to_vec() }
    }

    /// The value of the first result: of the only one, where there is one.
    pub fn value(&self) -> f64 {
        self.values.first().copied().unwrap_or(f64::NAN)
    }

    pub(super) fn divide(mut self) -> Reduced {
        let count = self.points as f64;
        for value in self.values.iter_mut().chain(&mut self.first).chain(&mut self.second) {
            *value /= count;
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::Lanes;

    #[test]
    fn a_sum_of_one_is_that_one() {
        for value in [0.0, -0.0, 1.5, f64::MIN_POSITIVE, f64::INFINITY] {
            let mut lanes = Lanes::EMPTY;
            lanes.add(&[value]);
            assert_eq!(lanes.total().to_bits(), value.to_bits());
        }
    }

    #[test]
    fn the_order_is_that_of_the_text() {
        let values: Vec<f64> = (0..37).map(|i| f64::from(i).exp()).collect();
        let lane = |i: usize| values.iter().skip(i).step_by(16).fold(-0.0, |sum, value| sum + value);
        let mut lanes: Vec<f64> = (0..16).map(lane).collect();
        while lanes.len() > 1 {
            let half = lanes.len() / 2;
            lanes = (0..half).map(|i| lanes[i] + lanes[i + half]).collect();
        }
        let mut sum = Lanes::EMPTY;
        sum.add(&values[..16]);
        sum.add(&values[16..]);
        assert_eq!(sum.total().to_bits(), lanes[0].to_bits());
    }
}
