//! The triangle of a tall matrix: all that least squares needs of a Jacobian.
//!
//! With `J = Q*[R; 0]` and `Q'*r = [c; d]`, for every step `p`
//!
//! ```text
//! |J*p + r|^2 = |R*p + c|^2 + |d|^2,      J'*J = R'*R,      J'*r = R'*c
//! ```
//!
//! so the Jacobian is folded into `R` and `c` block of rows by block of rows, and is never whole in memory. A block is taken in
//! by Householder reflections of each column of `[R; block]`, of which only one row of `R` and the block take part. Unlike
//! `J'*J`, which squares the condition, this loses no digits.
//!
//! The order of all sums is fixed and nothing is fused, so the bits are the same on every machine.

/// A diagonal entry of `R` that is so small in its column is one that rounding has left: derivatives that are proportional in
/// exact arithmetic are so to a few hundred units in the last place.
const ROUNDING: f64 = 1000.0 * f64::EPSILON;

/// `R` and `c`.
#[derive(Clone, Debug)]
pub struct Triangle {
    n: usize,
    /// Column by column; what is below the diagonal is 0.
    r: Vec<f64>,
    c: Vec<f64>,
}

impl Triangle {
    /// Of a matrix of `n` columns and no rows.
    pub fn new(n: usize) -> Triangle {
        Triangle { n, r: vec![0.0; n * n], c: vec![0.0; n] }
    }

    /// The column `j` of `R`, down to the diagonal.
    fn column(&self, j: usize) -> &[f64] {
        &self.r[j * self.n..][..=j]
    }

    /// Takes in rows: `columns` has those of the matrix one after the other, `right` is the right-hand side. Both are used up.
    pub fn append(&mut self, columns: &mut [f64], right: &mut [f64]) {
        let rows = right.len();
        if rows == 0 {
            return;
        }
        for k in 0..self.n {
            let (done, rest) = columns.split_at_mut((k + 1) * rows);
            let reflector = &mut done[k * rows..];
            let diagonal = &mut self.r[k * self.n + k];
            let Some(tau) = reflect(diagonal, reflector) else { continue };
            for (j, column) in rest.chunks_exact_mut(rows).enumerate() {
                apply(tau, reflector, &mut self.r[(k + 1 + j) * self.n + k], column);
            }
            apply(tau, reflector, &mut self.c[k], right);
        }
    }

    /// Of some columns only, each times its factor.
    pub fn select(&self, columns: &[usize], factors: impl Fn(usize) -> f64) -> Triangle {
        let mut block = vec![0.0; columns.len() * self.n];
        for (place, &j) in columns.iter().enumerate() {
            for (slot, value) in block[place * self.n..].iter_mut().zip(self.column(j)) {
                *slot = value * factors(j);
            }
        }
        let mut selected = Triangle::new(columns.len());
        selected.append(&mut block, &mut self.c.clone());
        selected
    }

    /// With `weight` times the identity appended, and zeros on the right.
    pub fn damped(&self, weight: f64) -> Triangle {
        let mut block = vec![0.0; self.n * self.n];
        block.iter_mut().step_by(self.n + 1).for_each(|value| *value = weight);
        let mut damped = self.clone();
        damped.append(&mut block, &mut vec![0.0; self.n]);
        damped
    }

    /// The length of each column of the matrix.
    pub fn lengths(&self) -> Vec<f64> {
        (0..self.n).map(|j| norm(self.column(j))).collect()
    }

    /// `J'*r`, half the slope of `|r|^2`.
    pub fn slope(&self) -> Vec<f64> {
        (0..self.n).map(|j| dot(self.column(j), &self.c)).collect()
    }

    /// `J*p` by its length.
    pub fn length_along(&self, p: &[f64]) -> f64 {
        let mut product = vec![0.0; self.n];
        for (j, &step) in p.iter().enumerate() {
            for (sum, value) in product.iter_mut().zip(self.column(j)) {
                *sum += value * step;
            }
        }
        norm(&product)
    }

    /// The step that makes `|J*p + r|` least; `None` where it isn't a number.
    pub fn solve(&self) -> Option<Vec<f64>> {
        let right = self.c.iter().map(|value| -value).collect();
        self.back(right).filter(|step| step.iter().all(|value| value.is_finite()))
    }

    /// `R^-1 * b`
    fn back(&self, mut b: Vec<f64>) -> Option<Vec<f64>> {
        for j in (0..self.n).rev() {
            let (above, diagonal) = self.column(j).split_at(j);
            if diagonal[0] == 0.0 {
                return None;
            }
            b[j] /= diagonal[0];
            let value = b[j];
            for (slot, factor) in b.iter_mut().zip(above) {
                *slot -= factor * value;
            }
        }
        Some(b)
    }

    /// The length of `R'^-1 * b`.
    pub fn length_of_solution(&self, mut b: Vec<f64>) -> f64 {
        for j in 0..self.n {
            let (above, diagonal) = self.column(j).split_at(j);
            b[j] = (b[j] - dot(above, &b)) / diagonal[0];
        }
        norm(&b)
    }

    /// `(J'*J)^-1`, row by row. The columns should have comparable lengths.
    ///
    /// # Errors
    /// The columns of which one depends linearly on the others, to the precision of doubles.
    pub fn inverse_of_product(&self) -> Result<Vec<f64>, Vec<usize>> {
        let n = self.n;
        let rounding = n as f64 * ROUNDING;
        let is_dependent = |&k: &usize| self.column(k)[k].abs() <= rounding * norm(self.column(k));
        if let Some(k) = (0..n).find(is_dependent) {
            return Err(self.dependent(k));
        }
        let column = |k: usize| {
            let mut unit = vec![0.0; n];
            unit[k] = 1.0;
            self.back(unit).ok_or_else(|| vec![k])
        };
        let inverse = (0..n).map(column).collect::<Result<Vec<_>, _>>()?;
        // R^-1 * R'^-1, its columns in `inverse`.
        let entry = |i: usize, j: usize| (i.max(j)..n).fold(0.0, |sum, k| sum + inverse[k][i] * inverse[k][j]);
        Ok((0..n).flat_map(|i| (0..n).map(move |j| (i, j))).map(|(i, j)| entry(i, j)).collect())
    }

    /// The column `k` and the earlier ones that make it up.
    fn dependent(&self, k: usize) -> Vec<usize> {
        let mut right = self.column(k).to_vec();
        right[k] = 0.0;
        right.resize(self.n, 0.0);
        let parts = Triangle { n: k, r: self.leading(k), c: Vec::new() }.back(right[..k].to_vec()).unwrap_or_default();
        let total = norm(&self.column(k)[..k]);
        let takes_part = |j: usize| parts.get(j).is_some_and(|part: &f64| part.abs() > 1e-6 * total);
        (0..k).filter(|&j| takes_part(j)).chain([k]).collect()
    }

    /// The first `k` rows and columns of `R`.
    fn leading(&self, k: usize) -> Vec<f64> {
        (0..k).flat_map(|j| self.r[j * self.n..][..k].iter().copied()).collect()
    }
}

/// Makes of `[first; rest]` the vector `[length; 0]`, and of `rest` the reflector that does so, whose first entry is 1. Its factor;
/// `None` where there is nothing to do.
fn reflect(first: &mut f64, rest: &mut [f64]) -> Option<f64> {
    let below = norm(rest);
    if below == 0.0 {
        return None;
    }
    let length = -hypot(*first, below).copysign(*first);
    let tau = (length - *first) / length;
    let pivot = *first - length;
    rest.iter_mut().for_each(|value| *value /= pivot);
    *first = length;
    Some(tau)
}

/// Reflects `[first; rest]`.
fn apply(tau: f64, reflector: &[f64], first: &mut f64, rest: &mut [f64]) {
    let along = tau * (*first + dot(reflector, rest));
    *first -= along;
    for (value, part) in rest.iter_mut().zip(reflector) {
        *value -= along * part;
    }
}

/// The sum of products, in eight lanes.
pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    let len = a.len().min(b.len());
    let (a_chunks, a_rest) = a[..len].as_chunks::<8>();
    let (b_chunks, b_rest) = b[..len].as_chunks::<8>();
    let mut lanes = [0.0; 8];
    for (a, b) in a_chunks.iter().zip(b_chunks) {
        for ((lane, a), b) in lanes.iter_mut().zip(a).zip(b) {
            *lane += a * b;
        }
    }
    for ((lane, a), b) in lanes.iter_mut().zip(a_rest).zip(b_rest) {
        *lane += a * b;
    }
    let [a, b, c, d, e, f, g, h] = lanes;
    ((a + e) + (c + g)) + ((b + f) + (d + h))
}

/// The length of a vector, without overflow or underflow on the way.
pub fn norm(a: &[f64]) -> f64 {
    let square = dot(a, a);
    if (1e-200..1e200).contains(&square) {
        return square.sqrt();
    }
    let largest = a.iter().fold(0.0, |largest: f64, value| largest.max(value.abs()));
    if largest == 0.0 || !largest.is_finite() {
        return if a.iter().any(|value| value.is_nan()) { f64::NAN } else { largest };
    }
    let scaled: Vec<f64> = a.iter().map(|value| value / largest).collect();
    largest * dot(&scaled, &scaled).sqrt()
}

fn hypot(a: f64, b: f64) -> f64 {
    norm(&[a, b])
}

#[cfg(test)]
mod tests {
    use super::{Triangle, dot, norm};

    /// A matrix of small whole numbers, its columns one after the other, and a right-hand side.
    fn matrix(rows: usize, n: usize) -> (Vec<f64>, Vec<f64>) {
        let number = |i: usize| ((i * i * 7 + i * 3) % 23) as f64 - 11.0;
        ((0..rows * n).map(number).collect(), (0..rows).map(|i| number(5 * i + 1)).collect())
    }

    /// The triangle of a matrix that is taken in `len` rows at a time.
    fn triangle(columns: &[f64], right: &[f64], len: usize) -> Triangle {
        let rows = right.len();
        let mut triangle = Triangle::new(columns.len() / rows);
        for start in (0..rows).step_by(len) {
            let end = rows.min(start + len);
            let mut block: Vec<f64> = columns.chunks(rows).flat_map(|column| &column[start..end]).copied().collect();
            triangle.append(&mut block, &mut right[start..end].to_vec());
        }
        triangle
    }

    fn near(a: &[f64], b: &[f64]) {
        for (a, b) in a.iter().zip(b) {
            assert!((a - b).abs() <= 1e-12 * (1.0 + b.abs()), "{a} {b}");
        }
    }

    #[test]
    fn the_triangle_has_the_products_of_the_matrix() {
        let (columns, right) = matrix(50, 4);
        for len in [1, 3, 50] {
            let triangle = triangle(&columns, &right, len);
            let column = |j: usize| &columns[j * 50..(j + 1) * 50];
            for i in 0..4 {
                let mut unit = vec![0.0; 4];
                unit[i] = 1.0;
                near(&[triangle.length_along(&unit)], &[norm(column(i))]);
                near(&[triangle.lengths()[i], triangle.slope()[i]], &[norm(column(i)), dot(column(i), &right)]);
            }
            // The normal equations say that the residuals of the least squares are orthogonal to all columns.
            let step = triangle.solve().unwrap();
            let rest = (0..50).map(|row| right[row] + (0..4).map(|j| column(j)[row] * step[j]).sum::<f64>());
            let rest: Vec<f64> = rest.collect();
            near(&(0..4).map(|j| dot(column(j), &rest)).collect::<Vec<_>>(), &[0.0; 4]);
        }
    }

    #[test]
    fn a_damped_step_solves_the_damped_equations() {
        let (columns, right) = matrix(20, 3);
        let triangle = triangle(&columns, &right, 20);
        let step = triangle.damped(3.0).solve().unwrap();
        let column = |j: usize| &columns[j * 20..(j + 1) * 20];
        for i in 0..3 {
            let product = (0..3).map(|j| dot(column(i), column(j)) * step[j]).sum::<f64>() + 9.0 * step[i];
            near(&[product], &[-dot(column(i), &right)]);
        }
    }

    #[test]
    fn the_inverse_is_one() {
        let (columns, right) = matrix(30, 3);
        let inverse = triangle(&columns, &right, 7).inverse_of_product().unwrap();
        let column = |j: usize| &columns[j * 30..(j + 1) * 30];
        for i in 0..3 {
            for j in 0..3 {
                let entry: f64 = (0..3).map(|k| dot(column(i), column(k)) * inverse[k * 3 + j]).sum();
                near(&[entry], &[f64::from(u8::from(i == j))]);
            }
        }
    }

    #[test]
    fn columns_that_depend_on_each_other_are_named() {
        let (mut columns, right) = matrix(30, 4);
        for row in 0..30 {
            columns[90 + row] = 2.0 * columns[row] - 3.0 * columns[60 + row];
        }
        assert_eq!(triangle(&columns, &right, 30).inverse_of_product(), Err(vec![0, 2, 3]));
        columns[30..60].fill(0.0);
        assert_eq!(triangle(&columns, &right, 30).inverse_of_product(), Err(vec![1]));
    }

    #[test]
    fn lengths_neither_overflow_nor_underflow() {
        assert_eq!(norm(&[3e300, 4e300]), 5e300);
        near(&[norm(&[3e-300, 4e-300]) * 1e300], &[5.0]);
        assert_eq!(norm(&[0.0, -0.0]), 0.0);
        assert_eq!(norm(&[f64::INFINITY, 1.0]), f64::INFINITY);
        assert!(norm(&[f64::NAN, 1.0]).is_nan());
    }
}
