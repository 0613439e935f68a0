//! Polynomials with constant coefficients.

use super::Number;

/// `c[0] + c[1]*x + c[2]*x^2 + …` by Estrin's scheme: neighbours are joined by `x`, then pairs by `x^2`, then fours by `x^4`. The
/// last three terms by Horner's, which takes as long and spares a square.
#[inline(always)]
pub fn polynomial<V: Number, const N: usize>(x: V, c: &[f64; N]) -> V {
    let mut terms: [V; N] = c.map(|c| x.constant(c));
    let (mut n, mut power) = (N, x);
    while n > 1 {
        if n == 3 {
            return terms[2].fma(power, terms[1]).fma(power, terms[0]);
        }
        for pair in 0..n / 2 {
            terms[pair] = terms[2 * pair + 1].fma(power, terms[2 * pair]);
        }
        if n % 2 == 1 {
            terms[n / 2] = terms[n - 1];
        }
        n = n.div_ceil(2);
        if n > 1 {
            power = power * power;
        }
    }
    terms[0]
}
