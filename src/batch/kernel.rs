//! The seam between batches and what computes: a kernel runs a tile of points, from columns to columns.
//!
//! All that is above it (layouts, threads, sums, errors) knows kernels only by [`Kernel::run`]. A kernel is made for the
//! results that are wanted, once; the rest of the graph is not computed.

use std::sync::{Arc, Mutex, PoisonError};

use crate::code::Code;
use crate::compiled::Loops;
use crate::interp;
use crate::ir::Func;
#[cfg(feature = "wide")]
use crate::math;
use crate::opt;
use crate::parts::{self, Parts};
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
    /// How many operations a point takes, as far as the graph that became code tells.
    operations: usize,
    /// Parameters that must be whole numbers.
    ints: Vec<usize>,
    /// What computes several points at a time.
    #[cfg(feature = "wide")]
    wide: Option<wide::Kernel>,
    /// What computes one.
    code: Option<Code>,
    /// What computes one of a graph with arrays or loops.
    loops: Option<Arrays>,
}

/// A graph with arrays or loops, one point at a time.
struct Arrays {
    loops: Loops,
    /// How many numbers each parameter and each result has.
    params: Vec<usize>,
    results: Vec<usize>,
    /// Which of the numbers of the results are wanted.
    wanted: Vec<bool>,
}

/// Which results a kernel computes, and what it may rely on.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// Of the numbers of the results, element by element.
    pub wanted: Vec<bool>,
    /// Which numbers of the parameters are the same for all points.
    pub uniform: Vec<bool>,
    pub backend: Backend,
    /// The most turns that the loops of a point may make.
    pub work: u64,
}

/// The room that a worker needs for a point.
#[derive(Default)]
pub struct Scratch {
    args: Vec<f64>,
    results: Vec<f64>,
}

impl Kernel {
    fn new(func: &Func, ints: &[usize], request: &Request) -> Kernel {
        let numbers: Vec<&[bool]> = parts::cut(&request.wanted, &parts::result_lens(func)).collect();
        let mut func = func.clone();
        let mut each = numbers.iter();
        func.results.retain(|_| each.next().is_some_and(|wanted| wanted.contains(&true)));
        let func = opt::compact(&func);
        let ints = ints.to_vec();
        if func.has_regions() {
            let wanted: Vec<&[bool]> = numbers.into_iter().filter(|wanted| wanted.contains(&true)).collect();
            let arrays = Arrays {
                loops: Loops::new(&func, request.backend, request.work),
                params: parts::param_lens(&func),
                results: parts::result_lens(&func),
                wanted: wanted.concat(),
            };
            return Kernel {
                operations: func.operations(),
                func,
                ints,
                #[cfg(feature = "wide")]
                wide: None,
                code: None,
                loops: Some(arrays),
            };
        }
        #[cfg(feature = "wide")]
        let (wide, operations) = if request.backend == Backend::Auto {
            let expanded = math::expand(&func);
            match wide::compile(&expanded, &request.uniform, None) {
                Ok(kernel) => (Some(kernel), expanded.operations()),
                Err(_) => (None, func.operations()),
            }
        } else {
            (None, func.operations())
        };
        #[cfg(not(feature = "wide"))]
        let operations = func.operations();
        let scalar = request.backend != Backend::Interpreter;
        #[cfg(feature = "wide")]
        let scalar = scalar && wide.is_none();
        let code = if scalar { Code::new(&func, Parts::whole(&func)) } else { None };
        Kernel {
            func,
            operations,
            ints,
            #[cfg(feature = "wide")]
            wide,
            code,
            loops: None,
        }
    }

    /// What computes: `avx512`, `avx2`, `cranelift` or `interpreter`.
    pub fn backend(&self) -> &'static str {
        #[cfg(feature = "wide")]
        if let Some(kernel) = &self.wide {
            return kernel.width().name();
        }
        let loops = || self.loops.as_ref().map_or("interpreter", |arrays| arrays.loops.backend());
        self.code.as_ref().map_or_else(loops, Code::backend)
    }

    /// Whether so many points are worth waking a thread for.
    pub fn is_worth_a_thread(&self, points: usize) -> bool {
        points.saturating_mul(self.operations) >= 2 * self.worth_a_thread()
    }

    /// From so many operations on, over all points, a thread has enough to do.
    fn worth_a_thread(&self) -> usize {
        // Vectors without calls do many more in the same time.
        #[cfg(feature = "wide")]
        if self.wide.as_ref().is_some_and(|kernel| !kernel.has_calls()) {
            return 1 << 20;
        }
        // How many turns a loop makes isn't known from the graph; its shortest call is longer than a formula's.
        if self.loops.is_some() {
            return 1 << 12;
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
        if let Some(arrays) = &self.loops {
            return arrays.call(&self.func, args, results);
        }
        if let Some(code) = &self.code
            && code.call([args, &[]], [results, &mut [], &mut []]).is_ok()
        {
            return true;
        }
        interp::eval(&self.func, args, results).is_ok()
    }
}

impl Arrays {
    /// One point; whether it has results.
    fn call(&self, func: &Func, args: &[f64], results: &mut [f64]) -> bool {
        let args: Vec<&[f64]> = parts::cut(args, &self.params).collect();
        let mut all = vec![0.0; self.wanted.len()];
        let mut outs: Vec<&mut [f64]> = parts::cut_mut(&mut all, &self.results).collect();
        if self.loops.run(func, &args, &mut outs).is_err() {
            return false;
        }
        let wanted = all.iter().zip(&self.wanted).filter(|(_, wanted)| **wanted);
        results.iter_mut().zip(wanted).for_each(|(slot, (number, _))| *slot = *number);
        true
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
