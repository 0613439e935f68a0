//! What can be called: the machine code of a derivative, or the interpreter where there is none.

use std::marker::PhantomData;
use std::sync::Arc;

use crate::batch::{Column, Kernel, Kernels, Request};
use crate::code::Code;
use crate::error::{Error, Problem};
use crate::interp;
use crate::ir::Func;
use crate::parts::Parts;
use crate::program::{
    Backend, Gradient, Hessian, HessianVector, Jacobian, Jvp, Nth, Program, Value, Vjp, is_int, is_whole,
};

/// How the numbers of a call lie in its slices.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Layout {
    /// Arguments of the program.
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
    /// Arguments that must be whole numbers.
    ints: Vec<usize>,
    backend: Backend,
    /// What runs batches.
    kernels: Kernels,
}

impl<K> Compiled<K> {
    pub(crate) fn new(program: &Program, func: Func, layout: Layout, backend: Backend) -> Compiled<K> {
        let ints: Vec<usize> = (0..layout.args).filter(|&index| is_int(&func, index)).collect();
        let code = match backend {
            Backend::Auto | Backend::Scalar => {
                Code::new(&func, Parts { args: [layout.args, layout.seeds], results: layout.outs })
            }
            Backend::Interpreter => None,
        };
        Compiled {
            code,
            has_ints: !ints.is_empty(),
            inner: Arc::new(Inner {
                program: program.clone(),
                func,
                layout,
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
        self.code.as_ref().map_or("interpreter", Code::backend)
    }

    /// What computes the wanted results of many points, of which some arguments and seeds are the same.
    pub(crate) fn kernel(&self, wanted: Vec<bool>, uniform: Vec<bool>) -> Arc<Kernel> {
        let inner = &*self.inner;
        inner.kernels.get(&inner.func, &inner.ints, Request { wanted, uniform, backend: inner.backend })
    }

    /// Why a point of a batch has no result.
    pub(crate) fn fault_at(&self, index: usize, columns: &[Column]) -> Error {
        let inner = &*self.inner;
        let args: Vec<f64> = columns.iter().map(|column| column.at(index)).collect();
        let mut out = vec![0.0; inner.func.results.len()];
        let fault = inner.check_ints(&args).and_then(|()| inner.interpret(&args, &[], [&mut out, &mut [], &mut []]));
        let Err(error) = fault else { unreachable!("the interpreter refused the point") };
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
        match self.ints.iter().find(|&&index| !is_whole(args[index])) {
            None => Ok(()),
            Some(&index) => Err(Error::NotWhole { name: self.func.params[index].name.clone(), value: args[index] }),
        }
    }

    #[cold]
    fn interpret(&self, args: &[f64], seeds: &[f64], mut outs: [&mut [f64]; 3]) -> Result<(), Error> {
        let all: Vec<f64> = args.iter().chain(seeds).copied().collect();
        let values = interp::values(&self.func, &all);
        if let Some(failure) = interp::failure(&self.func, &values) {
            let at = self.func.span(failure.site);
            return Err(self.program.problem(Problem::NoInteger { at, fault: failure.fault }));
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
