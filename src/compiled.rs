//! What can be called: the machine code of a derivative, or the interpreter where there is none.
//!
//! The arguments of a call are one run of numbers, and so is each group of results. An array stands in it element by element, row by
//! row; programs with arrays are better called with a slice for each array ([`Compiled::call_arrays`]) or by name
//! ([`Compiled::with`]).

mod loops;
mod rows;
mod slices;

use std::marker::PhantomData;
use std::sync::Arc;

use crate::array::ArrayView;
use crate::batch::{Column, Kernel, Kernels, Request};
use crate::call::Call;
use crate::code::Code;
use crate::error::{Error, Problem};
use crate::interp::{self, Failure};
use crate::ir::{Func, Output};
use crate::ops::Fault;
use crate::parts::Parts;
use crate::parts::{cut, cut_mut, param_lens, result_lens};
use crate::program::{
    Backend, Gradient, Hessian, HessianVector, Jacobian, Jvp, Kind, Nth, Program, Value, Vjp, is_int, is_whole,
};
use crate::span::Span;
use crate::work::TooMuch;
pub(crate) use loops::Loops;
use loops::Stop;
pub use loops::{Memory, Purpose};
pub use rows::AnyRows;
pub(crate) use rows::at_rows;
use slices::layout;

/// How the numbers of a call lie in its slices: how many there are, an array having one for each element.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Layout {
    /// Of the arguments of the program.
    pub args: usize,
    /// Tangents or weights beside them.
    pub seeds: usize,
    /// Values, first derivatives, second derivatives.
    pub outs: [usize; 3],
}

/// A derivative as code. Cheap to clone, free to send and share between threads; it owns the code and frees it with the last
/// clone.
///
/// A call allocates nothing on the back end of machine code and takes slices of exactly the lengths its documentation
/// says; other lengths are [`Error::Length`].
pub struct Compiled<K> {
    /// Here and not behind the pointer, so that a call finds the code at once.
    code: Option<Code>,
    /// Whether arguments must be looked at first.
    has_ints: bool,
    inner: Arc<Inner>,
    kind: PhantomData<fn() -> K>,
}

impl<K> Clone for Compiled<K> {
    fn clone(&self) -> Self {
        Compiled { code: self.code.clone(), has_ints: self.has_ints, inner: self.inner.clone(), kind: PhantomData }
    }
}

impl<K> std::fmt::Debug for Compiled<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.debug_struct("Compiled").field("backend", &self.backend()).field("layout", &self.layout()).finish()
    }
}

struct Inner {
    program: Program,
    func: Func,
    layout: Layout,
    /// How many values, first and second derivatives the graph has, arrays counted as one.
    counts: [usize; 3],
    /// How many of the graph's parameters are arguments of the program; the others are seeds.
    n_args: usize,
    /// What each seed belongs to: an argument, or a result.
    seeds: Vec<String>,
    /// What runs a graph with arrays.
    loops: Option<Loops>,
    /// Arguments that must be whole numbers.
    ints: Vec<usize>,
    backend: Backend,
    /// What runs batches.
    kernels: Kernels,
}

impl<K> Compiled<K> {
    /// `counts` are how many values, first and second derivatives there are, `seeds` what the seeds belong to.
    pub(crate) fn new(
        program: &Program,
        func: Func,
        counts: [usize; 3],
        seeds: Vec<String>,
        backend: Backend,
    ) -> Compiled<K> {
        let n_args = program.arguments().len();
        let layout = layout(&func, n_args, counts);
        let ints: Vec<usize> = (0..n_args).filter(|&index| is_int(&func, index)).collect();
        let loops = func.has_regions().then(|| Loops::new(&func, backend, program.limits().work));
        let code = match backend {
            _ if loops.is_some() => None,
            Backend::Auto | Backend::Scalar => {
                Code::new(&func, Parts { args: [layout.args, layout.seeds], results: layout.outs })
            }
            Backend::Interpreter => None,
        };
        Compiled {
            code,
            has_ints: !ints.is_empty(),
            inner: Arc::new(Inner {
                program: program.without_code(),
                func,
                layout,
                counts,
                n_args,
                seeds,
                loops,
                ints,
                backend,
                kernels: Kernels::default(),
            }),
            kind: PhantomData,
        }
    }

    /// The graph that runs, after all passes.
    pub fn graph(&self) -> &Func {
        &self.inner.func
    }

    /// How many numbers each slice of a call has.
    pub fn layout(&self) -> Layout {
        self.inner.layout
    }

    /// What runs the graph, one point at a time: `avx512`, `avx2`, `cranelift` or `interpreter`.
    pub fn backend(&self) -> &'static str {
        let loops = || self.inner.loops.as_ref().map_or("interpreter", Loops::backend);
        self.code.as_ref().map_or_else(loops, Code::backend)
    }

    /// The peak of the memory that a call of a program with arrays takes beside its arguments and results, in bytes. It is known before
    /// the call, kept after it and used again; calls on several threads have one each. The interpreter, which plans no memory, has 0.
    ///
    /// What makes it up says [`Compiled::memory`].
    pub fn workspace_bytes(&self) -> usize {
        self.inner.loops.as_ref().map_or(0, Loops::workspace_bytes)
    }

    /// What the workspace is for, the largest first: which loops of the text leave a trajectory, which arrays are made on the way.
    /// What isn't needed at the same time shares its place, so that together they may be more than the peak.
    ///
    /// ```
    /// # fn main() -> Result<(), chainrule::Error> {
    /// use chainrule::{Binding, Program, Purpose};
    /// let program = Program::parse("param a\ndata x[N]\nh[0] = 0\nh[t] = tanh(a*h[t-1] + x[t]) for t in 1..N\nh[N-1]")?;
    /// let gradient = program.bind(&Binding::new().size("N", 1000))?.gradient().compile()?;
    /// let memory = gradient.memory();
    /// if let Some(trajectory) = memory.iter().find(|memory| matches!(memory.purpose, Purpose::Trajectory { .. })) {
    ///     assert!(trajectory.bytes >= 8 * 1000 && gradient.workspace_bytes() >= 8 * 1000);
    /// }
    /// # Ok(()) }
    /// ```
    pub fn memory(&self) -> Vec<Memory> {
        self.inner.loops.as_ref().map_or_else(Vec::new, Loops::memory)
    }

    /// A call by name, beginning with an argument: `compiled.with("W", &weights).with("rate", 0.1).run()?`.
    pub fn with<'a>(&'a self, name: &'a str, value: impl Into<ArrayView<'a>>) -> Call<'a, K>
    where
        K: Kind,
    {
        self.by_name().with(name, value)
    }

    /// A call by name without an argument yet.
    pub fn by_name(&self) -> Call<'_, K>
    where
        K: Kind,
    {
        Call::of(self)
    }

    /// Computes everything, a slice for each argument and seed of the [graph](Compiled::graph) and one for each of its results, in
    /// its order; the elements of an array stand row by row. Nothing is copied, and the back end of machine code allocates
    /// nothing after the first call.
    ///
    /// # Errors
    /// [`Error::Length`], [`Error::NotWhole`], and [`Error::Formula`] where an element doesn't exist or integer arithmetic has no result.
    pub fn call_arrays(&self, args: &[&[f64]], outs: &mut [&mut [f64]]) -> Result<(), Error> {
        let inner = &*self.inner;
        inner.check_slices(args, outs)?;
        match &inner.loops {
            Some(loops) => {
                inner.ints.iter().try_for_each(|&index| inner.check_whole(index, args[index]))?;
                loops.run(&inner.func, args, outs).map_err(|stop| inner.stopped(stop))
            }
            None => self.call_numbers(args, outs),
        }
    }

    /// [`Compiled::call_arrays`] where every array is a single number.
    fn call_numbers(&self, args: &[&[f64]], outs: &mut [&mut [f64]]) -> Result<(), Error> {
        let Layout { args: n_args, outs: [n_values, n_first, _], .. } = self.layout();
        let (numbers, mut results) = (args.concat(), vec![0.0; outs.len()]);
        let (args, seeds) = numbers.split_at(n_args);
        let (values, derivatives) = results.split_at_mut(n_values);
        let (first, second) = derivatives.split_at_mut(n_first);
        self.run(args, seeds, [values, first, second])?;
        outs.iter_mut().zip(results).for_each(|(out, result)| out[0] = result);
        Ok(())
    }

    /// What each seed belongs to: an argument, or a result.
    pub(crate) fn seed_names(&self) -> &[String] {
        &self.inner.seeds
    }

    pub(crate) fn program(&self) -> &Program {
        &self.inner.program
    }

    /// What computes the wanted results of many points, of which some arguments and seeds are the same.
    pub(crate) fn kernel(&self, wanted: Vec<bool>, uniform: Vec<bool>) -> Arc<Kernel> {
        let inner = &*self.inner;
        inner.kernels.get(
            &inner.func,
            &inner.int_numbers(),
            Request { wanted, uniform, backend: inner.backend, work: inner.program.limits().work },
        )
    }

    /// Why a point of a batch has no result.
    pub(crate) fn fault_at(&self, index: usize, columns: &[Column]) -> Error {
        let args: Vec<f64> = columns.iter().map(|column| column.at(index)).collect();
        let Layout { args: n_args, outs, .. } = self.layout();
        let mut outs = outs.map(|len| vec![0.0; len]);
        let (args, seeds) = args.split_at(n_args);
        let fault = self.run_checked(args, seeds, outs.each_mut().map(Vec::as_mut_slice));
        let Err(error) = fault else { unreachable!("the kernel refused the point") };
        Error::AtPoint { index, error: Box::new(error) }
    }

    /// Every kind of call, by its parts. What is checked here is all that stands between a caller and the code.
    #[inline(always)]
    pub(crate) fn run(&self, args: &[f64], seeds: &[f64], outs: [&mut [f64]; 3]) -> Result<(), Error> {
        let [values, first, second] = outs;
        // Without integers there are no checks, so only lengths can be wrong.
        if let Some(code) = &self.code
            && !self.has_ints
            && code.try_call([args, seeds], [&mut *values, &mut *first, &mut *second])
        {
            return Ok(());
        }
        self.run_checked(args, seeds, [values, first, second])
    }

    /// A call with integers, of the interpreter, or in error.
    #[cold]
    #[inline(never)]
    fn run_checked(&self, args: &[f64], seeds: &[f64], outs: [&mut [f64]; 3]) -> Result<(), Error> {
        let [values, first, second] = outs;
        let inner = &*self.inner;
        inner.check_lengths(args, seeds, [values.len(), first.len(), second.len()])?;
        if inner.loops.is_some() {
            let (params, results) = (param_lens(&inner.func), result_lens(&inner.func));
            let (own, seed_lens) = params.split_at(inner.n_args);
            let args: Vec<&[f64]> = cut(args, own).chain(cut(seeds, seed_lens)).collect();
            let (value_lens, derivatives) = results.split_at(inner.counts[0]);
            let (first_lens, second_lens) = derivatives.split_at(inner.counts[1]);
            let first = cut_mut(first, first_lens).chain(cut_mut(second, second_lens));
            return self.call_arrays(&args, &mut cut_mut(values, value_lens).chain(first).collect::<Vec<_>>());
        }
        inner.check_ints(args)?;
        if let Some(code) = &self.code
            && code.call([args, seeds], [&mut *values, &mut *first, &mut *second]).is_ok()
        {
            return Ok(());
        }
        // The interpreter also knows why a check fails, and where.
        inner.interpret(args, seeds, [values, first, second])
    }
}

impl Inner {
    /// The numbers of the arguments that must be whole, an array having one for each element.
    fn int_numbers(&self) -> Vec<usize> {
        let mut end = 0;
        let range = |len: usize| {
            let start = end;
            end += len;
            start..end
        };
        let ranges: Vec<_> = param_lens(&self.func).into_iter().map(range).collect();
        self.ints.iter().flat_map(|&index| ranges[index].clone()).collect()
    }

    /// Every argument, seed and result has a slice of its length.
    fn check_slices(&self, args: &[&[f64]], outs: &[&mut [f64]]) -> Result<(), Error> {
        let (params, results) = (&self.func.params, &self.func.results);
        slices::check_counts(&self.func, args.len(), outs.len())?;
        let args = params.iter().zip(args).map(|(param, arg)| (&param.name, param.shape.iter().product(), arg.len()));
        let result_len = |result: &Output| self.func.shape(result.value).iter().product();
        let outs = results.iter().zip(outs).map(|(result, out)| (&result.name, result_len(result), out.len()));
        match args.chain(outs).find(|(_, expected, found)| expected != found) {
            None => Ok(()),
            Some((name, expected, found)) => Err(Error::Elements { name: name.clone(), expected, found }),
        }
    }

    fn check_whole(&self, index: usize, numbers: &[f64]) -> Result<(), Error> {
        match numbers.iter().find(|number| !is_whole(**number)) {
            None => Ok(()),
            Some(&value) => Err(Error::NotWhole { name: self.func.params[index].name.clone(), value }),
        }
    }

    fn stopped(&self, stop: Stop) -> Error {
        match stop {
            Stop::Fault(at, failure) => self.told(at, &failure),
            Stop::Work(TooMuch { at, turns, limit }) => {
                self.program.problem(Problem::TooManyTurns { at, turns, limit })
            }
        }
    }

    /// A failure in words.
    fn told(&self, at: Span, failure: &Failure) -> Error {
        let subscripts = failure.subscripts.clone();
        self.program.problem(match failure.fault {
            Fault::Nowhere => Problem::PlaceOfNothing { at },
            Fault::Outside | Fault::Missing => Problem::NoElement { at, fault: failure.fault, subscripts },
            fault => Problem::NoInteger { at, fault },
        })
    }

    fn check_lengths(&self, args: &[f64], seeds: &[f64], outs: [usize; 3]) -> Result<(), Error> {
        let lengths = [
            ("arguments", self.layout.args, args.len()),
            ("seeds", self.layout.seeds, seeds.len()),
            ("values", self.layout.outs[0], outs[0]),
            ("first derivatives", self.layout.outs[1], outs[1]),
            ("second derivatives", self.layout.outs[2], outs[2]),
        ];
        match lengths.into_iter().find(|(_, expected, found)| expected != found) {
            None => Ok(()),
            Some((what, expected, found)) => Err(Error::Length { what, expected, found }),
        }
    }

    fn check_ints(&self, args: &[f64]) -> Result<(), Error> {
        self.ints.iter().try_for_each(|&index| self.check_whole(index, &args[index..=index]))
    }

    #[cold]
    fn interpret(&self, args: &[f64], seeds: &[f64], mut outs: [&mut [f64]; 3]) -> Result<(), Error> {
        let all: Vec<f64> = args.iter().chain(seeds).copied().collect();
        let values = interp::values(&self.func, &all);
        if let Some(failure) = interp::failure(&self.func, &values) {
            return Err(self.told(self.func.span(failure.site), &failure));
        }
        let slots = outs.iter_mut().flat_map(|out| out.iter_mut());
        for (slot, result) in slots.zip(&self.func.results) {
            *slot = values[result.value.index()].as_f64();
        }
        Ok(())
    }
}

impl Compiled<Value> {
    /// The value at `args` (one number an argument), of a program with one result.
    ///
    /// # Errors
    /// [`Error::Length`]; [`Error::NotWhole`] and [`Error::Formula`] only for programs with `index` arguments.
    #[inline]
    pub fn call(&self, args: &[f64]) -> Result<f64, Error> {
        let mut value = [0.0];
        self.run(args, &[], [&mut value, &mut [], &mut []])?;
        Ok(value[0])
    }

    /// The values of all results at `args`, into `values` (one number a result).
    ///
    /// # Errors
    /// As [`Compiled::call`].
    #[inline]
    pub fn call_into(&self, args: &[f64], values: &mut [f64]) -> Result<(), Error> {
        self.run(args, &[], [values, &mut [], &mut []])
    }
}

impl Compiled<Gradient> {
    /// The value at `args`; the derivatives, in the order they were asked for, into `gradient`.
    ///
    /// # Errors
    /// [`Error::Length`]; [`Error::NotWhole`] and [`Error::Formula`] only for programs with `index` arguments.
    #[inline]
    pub fn call(&self, args: &[f64], gradient: &mut [f64]) -> Result<f64, Error> {
        let mut value = [0.0];
        self.run(args, &[], [&mut value, gradient, &mut []])?;
        Ok(value[0])
    }
}

impl Compiled<Jacobian> {
    /// The values of the `m` results into `values`, the `m × n` derivatives into `jacobian`, row by row: a row a result.
    ///
    /// # Errors
    /// As for the gradient.
    #[inline]
    pub fn call(&self, args: &[f64], values: &mut [f64], jacobian: &mut [f64]) -> Result<(), Error> {
        self.run(args, &[], [values, jacobian, &mut []])
    }
}

impl Compiled<Hessian> {
    /// The value at `args`; the `n` derivatives into `gradient`, the `n × n` second derivatives into `hessian`, row by row.
    ///
    /// # Errors
    /// As for the gradient.
    #[inline]
    pub fn call(&self, args: &[f64], gradient: &mut [f64], hessian: &mut [f64]) -> Result<f64, Error> {
        let mut value = [0.0];
        self.run(args, &[], [&mut value, gradient, hessian])?;
        Ok(value[0])
    }
}

impl Compiled<Jvp> {
    /// The values of the `m` results into `values`, their derivatives in the `direction` (`n` numbers) into `tangents` (`m`).
    ///
    /// # Errors
    /// As for the gradient.
    #[inline]
    pub fn call(&self, args: &[f64], direction: &[f64], values: &mut [f64], tangents: &mut [f64]) -> Result<(), Error> {
        self.run(args, direction, [values, tangents, &mut []])
    }
}

impl Compiled<Vjp> {
    /// The values of the `m` results into `values`; the `n` derivatives of their sum, weighted by `weights` (`m` numbers),
    /// into `adjoints`.
    ///
    /// # Errors
    /// As for the gradient.
    #[inline]
    pub fn call(&self, args: &[f64], weights: &[f64], values: &mut [f64], adjoints: &mut [f64]) -> Result<(), Error> {
        self.run(args, weights, [values, adjoints, &mut []])
    }
}

impl Compiled<HessianVector> {
    /// The value at `args`; the gradient (`n`) and the Hessian times `direction` (`n`) into the last two slices.
    ///
    /// # Errors
    /// As for the gradient.
    #[inline]
    pub fn call(
        &self,
        args: &[f64],
        direction: &[f64],
        gradient: &mut [f64],
        product: &mut [f64],
    ) -> Result<f64, Error> {
        let mut value = [0.0];
        self.run(args, direction, [&mut value, gradient, product])?;
        Ok(value[0])
    }
}

impl Compiled<Nth> {
    /// The value at `args`; the derivatives of orders 1 to `order` into `derivatives`.
    ///
    /// # Errors
    /// As for the gradient.
    #[inline]
    pub fn call(&self, args: &[f64], derivatives: &mut [f64]) -> Result<f64, Error> {
        let mut value = [0.0];
        self.run(args, &[], [&mut value, derivatives, &mut []])?;
        Ok(value[0])
    }
}
