//! Many points at once: columns or rows in, columns, rows or sums out, on one thread or several.
//!
//! ```
//! use chainrule::{Column, Points, Program};
//!
//! # fn main() -> Result<(), chainrule::Error> {
//! let gradient = Program::parse("exp(x*z) + x*z/ln(x)")?.gradient().compile()?;
//!
//! let xs = [2.0, 2.5, 3.0];
//! let points = Points::columns([Column::Each(&xs), Column::Same(3.0)]);
//! let (mut values, mut d_x, mut d_z) = ([0.0; 3], [0.0; 3], [0.0; 3]);
//! gradient.batch(&points).value(&mut values).gradient([&mut d_x[..], &mut d_z]).run()?;
//!
//! let mean = gradient.batch(&points).mean()?;     // mean.value(), mean.first
//! # assert!((mean.value() - values.iter().sum::<f64>() / 3.0).abs() < 1e-9);
//! # Ok(()) }
//! ```
//!
//! The numbers are those of single calls, bit for bit. Programs with arrays and loops are computed one point at a time; an
//! array is as many columns as it has elements, row by row, and [`Program::columns`](crate::Program::columns) takes it by name.
//!
//! - [`points`] and [`output`] say where numbers lie; the caller's memory is used as it is.
//! - [`tile`] takes the points apart, [`kernel`] computes them: the seam to the back ends.
//! - [`reduce`] is the order of sums, [`threads`] the workers.

mod kernel;
mod output;
mod points;
mod reduce;
pub(crate) mod threads;
mod tile;

pub(crate) use kernel::{Kernel, Kernels, Request};
pub use output::Output;
pub use points::{Column, Points};
pub use reduce::Reduced;

use crate::compiled::{Compiled, Layout};
use crate::error::Error;
use crate::parts;
use crate::program::{Gradient, Hessian, HessianVector, Jacobian, Jvp, Nth, Value, Vjp};
use reduce::BLOCK;
use tile::{Job, Task};

/// Many points for a compiled derivative, and where the results go. Nothing happens before [`Batch::run`], [`Batch::sum`] or
/// [`Batch::mean`].
#[derive(Debug)]
#[must_use = "nothing is computed before `run`, `sum` or `mean`"]
pub struct Batch<'a, K> {
    compiled: &'a Compiled<K>,
    points: &'a Points<'a>,
    seeds: Option<&'a Points<'a>>,
    outputs: [Option<Output<'a>>; 3],
    threads: usize,
}

/// Messages call the parts of results so.
const PARTS: [&str; 3] = ["values", "first derivatives", "second derivatives"];

impl<K> Compiled<K> {
    /// Begins a batch at these points.
    pub fn batch<'a>(&'a self, points: &'a Points<'a>) -> Batch<'a, K> {
        Batch { compiled: self, points, seeds: None, outputs: [None, None, None], threads: 1 }
    }

    /// What runs batches for all results, from columns: `avx512`, `avx2`, `cranelift` or `interpreter`.
    pub fn batch_backend(&self) -> &'static str {
        let Layout { args, seeds, outs } = self.layout();
        self.kernel(vec![true; outs.iter().sum()], vec![false; args + seeds]).backend()
    }
}

impl<'a, K> Batch<'a, K> {
    /// Works on at most so many threads, on one if this is not said; 0 means as many as the machine has. The results don't depend on it.
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// Where a part of the results goes, by its index in [`Layout::outs`](crate::Layout): values, first, second derivatives.
    ///
    /// # Panics
    /// Where the index is not below 3.
    pub fn part(mut self, part: usize, output: impl Into<Output<'a>>) -> Self {
        self.outputs[part] = Some(output.into());
        self
    }

    /// Computes the results that have a place.
    ///
    /// # Errors
    /// [`Error::Columns`], [`Error::Column`] and [`Error::Rows`] where the memory doesn't fit the points: nothing has been written then.
    /// [`Error::AtPoint`] with the first point where integer arithmetic fails: all outputs are unspecified then.
    pub fn run(self) -> Result<(), Error> {
        self.compute(false).map(drop)
    }

    /// The sums of all results over the points, in an order that depends on the number of points only; so they are the same
    /// for any number of threads. Outputs that were given are filled as by [`Batch::run`].
    ///
    /// # Errors
    /// As [`Batch::run`].
    pub fn sum(self) -> Result<Reduced, Error> {
        let outs = self.compiled.layout().outs;
        let (points, sums) = self.compute(true)?;
        Ok(Reduced::new(points, &sums, outs))
    }

    /// [`Batch::sum`] divided by the number of points; NaN where there is none.
    ///
    /// # Errors
    /// As [`Batch::run`].
    pub fn mean(self) -> Result<Reduced, Error> {
        self.sum().map(Reduced::divide)
    }

    fn seeds(mut self, seeds: &'a Points<'a>) -> Self {
        self.seeds = Some(seeds);
        self
    }

    /// How many points there are, and the sums of the results if they are asked for.
    fn compute(self, summed: bool) -> Result<(usize, Vec<f64>), Error> {
        let Batch { compiled, points, seeds, mut outputs, threads } = self;
        let (func, layout) = (compiled.graph(), compiled.layout());
        let mut columns = points.resolve("arguments", layout.args)?;
        let none = Points::default();
        columns.extend(seeds.unwrap_or(&none).resolve("seeds", layout.seeds)?);
        let points = points::count(&columns, |index| &func.params[owner(&parts::param_lens(func), index)].name)?;
        let result_lens = parts::result_lens(func);

        let mut first = 0;
        let mut wanted = Vec::with_capacity(func.results.len());
        for ((output, &width), what) in outputs.iter().zip(&layout.outs).zip(PARTS) {
            let name = |index: usize| result_name(&func.results[owner(&result_lens, first + index)].name, what, index);
            match output {
                Some(output) => {
                    output.check(what, points, width, name)?;
                    wanted.extend(output.wanted(width));
                }
                None => wanted.resize(first + width, false),
            }
            first += width;
        }
        if summed {
            wanted.fill(true);
        }
        let n_wanted = wanted.iter().filter(|&&wanted| wanted).count();
        let kernel = compiled.kernel(wanted, columns.iter().map(Column::is_same).collect());
        let gathered = columns.iter().filter(|column| column.is_apart()).count();
        let placed: usize = outputs.iter().flatten().map(Output::placed).sum();
        let spare = n_wanted - placed;
        let task = Task { kernel: &kernel, columns: &columns, outs: layout.outs, wanted: n_wanted, gathered, spare };

        let threads = if kernel.is_worth_a_thread(points) { threads::count(threads) } else { 1 };
        let blocks = points.div_ceil(BLOCK);
        let mut partial = vec![0.0; if summed { blocks * n_wanted } else { 0 }];
        let mut rest = partial.as_mut_slice();
        let jobs = std::iter::repeat(()).scan(0, |start, ()| {
            let len = job_len(points, threads).min(points - *start);
            let outputs = outputs.each_mut().map(|output| output.as_mut().map(|output| output.split(len)));
            let sums = summed.then(|| output::split(&mut rest, len.div_ceil(BLOCK) * n_wanted));
            let job = Job { start: *start, len, outputs, sums };
            *start += len;
            (len > 0).then_some(job)
        });
        let done = threads::each(jobs, threads, || task.worker(), |worker, job| task.run(worker, job));
        done.map_err(|point| compiled.fault_at(point, &columns))?;
        Ok((points, reduce::blocks(&partial, n_wanted)))
    }
}

/// How many points a job has: all for one thread, otherwise whole blocks, a few jobs for each thread.
fn job_len(points: usize, threads: usize) -> usize {
    match threads {
        1 => points,
        _ => (points.div_ceil(BLOCK) / (8 * threads.min(64))).clamp(1, 16) * BLOCK,
    }
}

/// The part that a number belongs to, of parts of so many numbers.
fn owner(lens: &[usize], number: usize) -> usize {
    let mut end = 0;
    let is_after = |len: &usize| {
        end += len;
        end > number
    };
    lens.iter().position(is_after).unwrap_or_default()
}

/// What messages call a result.
fn result_name(name: &str, part: &str, index: usize) -> String {
    if name.is_empty() { format!("{part}[{index}]") } else { name.to_owned() }
}

/// The outputs and seeds of each kind by the names of its single call.
macro_rules! parts {
    ($($kind:ident { $($(#[$doc:meta])* $name:ident = $part:literal),+ $(; $(#[$seed_doc:meta])* $seed:ident)? })*) => {$(
        impl<'a> Batch<'a, $kind> {
            $($(#[$doc])*
            pub fn $name(self, output: impl Into<Output<'a>>) -> Self {
                self.part($part, output)
            })+
            $($(#[$seed_doc])*
            pub fn $seed(self, seeds: &'a Points<'a>) -> Self {
                self.seeds(seeds)
            })?
        }
    )*};
}

parts! {
    Value {
        /// The value of the only result, or of all, a column each.
        values = 0
    }
    Gradient {
        /// The value.
        value = 0,
        /// The derivatives, a column an argument.
        gradient = 1
    }
    Jacobian {
        /// The values of the results, a column each.
        values = 0,
        /// The derivatives, row by row: a row a result.
        jacobian = 1
    }
    Hessian {
        /// The value.
        value = 0,
        /// The first derivatives, a column an argument.
        gradient = 1,
        /// The second derivatives, row by row.
        hessian = 2
    }
    Jvp {
        /// The values of the results, a column each.
        values = 0,
        /// Their derivatives in the direction.
        tangents = 1;
        /// The directions, a number for each argument that is differentiated by.
        directions
    }
    Vjp {
        /// The values of the results, a column each.
        values = 0,
        /// The derivatives of the weighted sum, a column an argument.
        adjoints = 1;
        /// The weights, a number for each result.
        weights
    }
    HessianVector {
        /// The value.
        value = 0,
        /// The first derivatives, a column an argument.
        gradient = 1,
        /// The Hessian times the direction, a column an argument.
        products = 2;
        /// The directions, a number for each argument that is differentiated by.
        directions
    }
    Nth {
        /// The value.
        value = 0,
        /// The derivatives of order 1, 2, …
        derivatives = 1
    }
}
