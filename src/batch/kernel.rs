//! The seam between batches and what computes: a kernel runs a tile of points, from columns to columns.
//!
//! All that is above it (layouts, threads, sums, errors) knows kernels only by [`Kernel::run`]. A kernel is made for the
//! results that are wanted, once; the rest of the graph is not computed.

use std::sync::{Arc, Mutex, PoisonError};

use crate::code::Code;
use crate::interp;
use crate::ir::Func;
#[cfg(feature = "wide")]
use crate::math;
use crate::opt;
use crate::parts::Parts;
use crate::program::{Backend, is_whole};
#[cfg(feature = "wide")]
use crate::wide;

#[cfg(feature = "wide")]
pub use wide::Input;

/// A parameter of the graph over a tile.
#[cfg(not(feature = "wide"))]
#[derive(Clone, Copy)]
pub enum Input<'a> {
    Column(&'a [f64]),
    Uniform(f64),
}

/// What computes the wanted results of points.
pub struct Kernel {
    /// The graph with the wanted results only.
    func: Func,
    /// Parameters that must be whole numbers.
    ints: Vec<usize>,
    /// What computes several points at a time.
    #[cfg(feature = "wide")]
    wide: Option<wide::Kernel>,
    /// What computes one.
    code: Option<Code>,
}

/// Which results a kernel computes, and what it may rely on.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    pub wanted: Vec<bool>,
    /// Which parameters are the same for all points.
    pub uniform: Vec<bool>,
    pub backend: Backend,
}

/// The room that a worker needs for a point.
#[derive(Default)]
pub struct Scratch {
    args: Vec<f64>,
    results: Vec<f64>,
}

impl Kernel {
    fn new(func: &Func, ints: &[usize], request: &Request) -> Kernel {
        let mut func = func.clone();
        let mut keep = request.wanted.iter();
        func.results.retain(|_| keep.next().is_none_or(|&keep| keep));
        let func = opt::compact(&func);
        let ints = ints.to_vec();
        #[cfg(feature = "wide")]
        let wide = if request.backend == Backend::Auto {
            wide::compile(&math::expand(&func), &request.uniform, None).ok()
        } else {
            None
        };
        let scalar = request.backend != Backend::Interpreter;
        #[cfg(feature = "wide")]
        let scalar = scalar && wide.is_none();
        let code = if scalar { Code::new(&func, Parts::whole(&func)) } else { None };
        Kernel {
            func,
            ints,
            #[cfg(feature = "wide")]
            wide,
            code,
        }
    }

    /// What computes: `avx512`, `avx2`, `cranelift` or `interpreter`.
    pub fn backend(&self) -> &'static str {
        #[cfg(feature = "wide")]
        if let Some(kernel) = &self.wide {
            return kernel.width().name();
        }
        self.code.as_ref().map_or("interpreter", Code::backend)
    }

    /// From so many operations on, over all points, it is worth waking a thread for them.
    pub fn worth_a_thread(&self) -> usize {
        // Vectors without calls do many more in the same time.
        #[cfg(feature = "wide")]
        if self.wide.as_ref().is_some_and(|kernel| !kernel.has_calls()) {
            return 1 << 20;
        }
        1 << 16
    }

    /// Computes `points` points. There is an input for each parameter and an output of that length for each wanted result.
    ///
    /// # Errors
    /// The first point that has no result.
    pub fn run(
        &self,
        scratch: &mut Scratch,
        inputs: &[Input],
        outputs: &mut [&mut [f64]],
        points: usize,
    ) -> Result<(), usize> {
        #[cfg(feature = "wide")]
        if let Some(kernel) = &self.wide {
            kernel.run(inputs, outputs, points);
            return Ok(());
        }
        let Scratch { args, results } = scratch;
        args.clear();
        args.extend(inputs.iter().map(|input| match *input {
            Input::Uniform(value) => value,
            Input::Column(_) => 0.0,
        }));
        let columns = inputs.iter().enumerate().filter_map(|(index, input)| match *input {
            Input::Column(values) => Some((index, &values[..points])),
            Input::Uniform(_) => None,
        });
        let columns: Vec<(usize, &[f64])> = columns.collect();
        results.resize(outputs.len(), 0.0);
        for point in 0..points {
            for &(index, values) in &columns {
                args[index] = values[point];
            }
            if !self.call(args, results) {
                return Err(point);
            }
            for (output, &result) in outputs.iter_mut().zip(results.iter()) {
                output[point] = result;
            }
        }
        Ok(())
    }

    /// One point; whether it has results.
    #[inline]
    fn call(&self, args: &[f64], results: &mut [f64]) -> bool {
        if !self.ints.iter().all(|&index| is_whole(args[index])) {
            return false;
        }
        if let Some(code) = &self.code
            && code.call([args, &[]], [results, &mut [], &mut []]).is_ok()
        {
            return true;
        }
        interp::eval(&self.func, args, results).is_ok()
    }
}

/// The kernels of a compiled derivative, each made when it is first needed. Of many, the oldest go.
#[derive(Default)]
pub struct Kernels(Mutex<Vec<(Request, Arc<Kernel>)>>);

const KEPT: usize = 16;

impl Kernels {
    pub fn get(&self, func: &Func, ints: &[usize], request: Request) -> Arc<Kernel> {
        let lock = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let find = |kernels: &[(Request, Arc<Kernel>)]| {
            kernels.iter().find(|(key, _)| *key == request).map(|(_, kernel)| kernel.clone())
        };
        if let Some(kernel) = find(&lock()) {
            return kernel;
        }
        // Not under the lock: a large kernel takes long, and others may want one that is there.
        let kernel = Arc::new(Kernel::new(func, ints, &request));
        let mut kernels = lock();
        if let Some(kernel) = find(&kernels) {
            return kernel;
        }
        if kernels.len() == KEPT {
            kernels.remove(0);
        }
        kernels.push((request, kernel.clone()));
        kernel
    }
}
