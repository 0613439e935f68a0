//! How the numbers of a call lie in slices.

use crate::ir::Func;

/// Into how many slices the arguments and the results of a call may be divided.
pub const N_ARGS: usize = 2;
pub const N_RESULTS: usize = 3;

/// How many arguments and results are in each slice of a call. The slices one after the other are the parameters and the results of
/// the graph; so a caller need not copy values and derivatives apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Parts {
    pub args: [usize; N_ARGS],
    pub results: [usize; N_RESULTS],
}

impl Parts {
    /// All arguments in the first slice, all results too.
    pub fn whole(func: &Func) -> Parts {
        Parts { args: [func.params.len(), 0], results: [func.results.len(), 0, 0] }
    }

    /// Whether these are all parameters and results of a graph.
    pub fn are_of(&self, func: &Func) -> bool {
        let (args, results): (usize, usize) = (self.args.iter().sum(), self.results.iter().sum());
        args == func.params.len() && results == func.results.len()
    }

    /// Whether slices have these lengths.
    #[inline]
    pub fn fit(&self, args: [usize; N_ARGS], results: [usize; N_RESULTS]) -> bool {
        let ([a, b], [u, v, w]) = (args, results);
        // One by one: comparing the arrays would be calls of `memcmp`.
        let ([n_a, n_b], [n_u, n_v, n_w]) = (self.args, self.results);
        a == n_a && b == n_b && u == n_u && v == n_v && w == n_w
    }
}

/// The part that a number is in, and its place there.
#[cfg(any(feature = "jit", feature = "wide"))]
pub fn place(parts: &[usize], index: usize) -> (usize, usize) {
    let mut rest = index;
    for (part, &len) in parts.iter().enumerate() {
        if rest < len {
            return (part, rest);
        }
        rest -= len;
    }
    unreachable!("`Parts::are_of` was asked, and the verifier knows the arguments")
}

/// How many numbers each parameter has.
pub fn param_lens(func: &Func) -> Vec<usize> {
    func.params.iter().map(|param| param.shape.iter().product()).collect()
}

/// How many numbers each result has.
pub fn result_lens(func: &Func) -> Vec<usize> {
    func.results.iter().map(|result| func.shape(result.value).iter().product()).collect()
}

/// Pieces of these lengths.
pub fn cut<'n, T>(mut numbers: &'n [T], lens: &[usize]) -> impl Iterator<Item = &'n [T]> {
    lens.iter().map_while(move |&len| numbers.split_off(..len))
}

pub fn cut_mut<'n>(mut numbers: &'n mut [f64], lens: &[usize]) -> impl Iterator<Item = &'n mut [f64]> {
    lens.iter().map_while(move |&len| numbers.split_off_mut(..len))
}
