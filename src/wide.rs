//! Batches: a graph as a kernel that computes 8 points at a time (AVX-512) or 4 (AVX2), over columns.
//!
//! What a kernel computes is what `interp` computes, to the bit (all NaNs being one), for every point.
//!
//! ```text
//! graph ──lower──▶ program ──plan──▶ segments ──emit──▶ machine code
//!                  instructions of      loops over        with registers given out
//!                  the machine          tiles of points   on the way
//! ```
//!
//! - [`low`] is the program: the machine's own operations on any number of values; [`lower`] makes it of a graph, with [`exact`] for
//!   operators that take several instructions, which [`range`] makes fewer.
//! - [`plan`] divides it into what is done once, because it is the same for all points, and loops that fit the instruction cache;
//!   [`pipeline`] lets a loop finish some points while it begins the next ones, [`schedule`] finds an order.
//! - [`emit`] writes the code of each loop, [`registers`] knows which value is where, [`encode`] the bytes of instructions.
//! - [`calls`] is what kernels call, [`frame`] the memory they work in, [`dump`] their code as text, and this file runs them.
//! - [`rows`] makes loops over arrays, [`single`] functions of one point of the same programs; [`matrix`] multiplies matrices.
//!
//! A kernel knows neither masks nor lengths: columns are read and written in whole vectors. The last points, where they
//! fill no turn of the loop, are computed in a copy, in which the last point stands for those that there aren't; so are the first
//! ones, up to where a cache line begins.
//!
//! The code is for x86-64; elsewhere [`compile`] says that it is unsupported.

mod calls;
mod dump;
mod emit;
mod encode;
mod exact;
mod frame;
mod low;
mod lower;
pub mod matrix;
mod pipeline;
mod plan;
mod range;
mod registers;
pub mod rows;
mod schedule;
pub mod single;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use memmap2::{Mmap, MmapMut};

use crate::ir::Func;
pub use dump::asm;
use frame::{Frame, Layout};

/// Why there is no kernel. Other back ends compute everything.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("no vector kernel: {0}")]
pub struct Unsupported(pub &'static str);

/// How many points are computed at a time, with which instructions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Width {
    /// AVX-512 (F, DQ and VL): 8 points at a time.
    W512,
    /// AVX2 and FMA: 4 points at a time.
    W256,
    /// AVX-512, one point: see [`single`].
    One512,
    /// AVX2 and FMA, one point.
    One256,
}

impl Width {
    /// Those of kernels.
    pub const ALL: [Width; 2] = [Width::W512, Width::W256];

    /// Those of single calls.
    pub const ONE: [Width; 2] = [Width::One512, Width::One256];

    /// The widest that this processor has.
    pub fn best() -> Option<Width> {
        Width::ALL.into_iter().find(|width| width.is_available())
    }

    pub fn is_available(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        return if self.has_masks() {
            is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vl")
        } else {
            is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")
        };
        #[cfg(not(target_arch = "x86_64"))]
        false
    }

    /// What the instructions are called.
    pub fn name(self) -> &'static str {
        if self.has_masks() { "avx512" } else { "avx2" }
    }

    /// Whether there are mask registers, and the instructions that came with them.
    fn has_masks(self) -> bool {
        matches!(self, Width::W512 | Width::One512)
    }

    /// How many points a vector has.
    pub fn lanes(self) -> usize {
        match self {
            Width::W512 => 8,
            Width::W256 => 4,
            Width::One512 | Width::One256 => 1,
        }
    }
}

/// One argument of all points.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// A number for each point.
    Column(&'a [f64]),
    /// The same number for all points.
    Uniform(f64),
}

/// How kernels are made.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Options {
    /// The best where it isn't said.
    pub width: Option<Width>,
    /// About how many instructions a loop has.
    pub segment: Option<usize>,
}

/// A segment's function, in the C calling convention of System V on every system.
#[cfg(target_arch = "x86_64")]
type Entry = unsafe extern "sysv64" fn(*mut u64);
#[cfg(not(target_arch = "x86_64"))]
type Entry = unsafe extern "C" fn(*mut u64);

/// Compiled code for batches, cheap to clone, callable from any thread.
#[derive(Clone)]
pub struct Kernel(Arc<Owner>);

struct Owner {
    /// What is done once for a run, and what is done for each tile.
    before: Box<[Entry]>,
    body: Box<[Entry]>,
    layout: Layout,
    /// Whether operators are called for every point.
    calls: bool,
    /// Which arguments are uniform, by the cell they go to; `None`: a column.
    uniform: Box<[Option<Vec<u32>>]>,
    /// The points of a tile; unlimited where there is one loop.
    tile: usize,
    /// Frames that no run is using.
    frames: Mutex<Vec<Frame>>,
    code: Mmap,
}

/// Makes a kernel of a graph, where `uniform` says which arguments are the same for all points.
///
/// # Errors
/// Where the processor has no such vectors, or the graph computes with integers.
///
/// # Panics
/// Where `uniform` isn't as long as the parameters.
pub fn compile(func: &Func, uniform: &[bool], width: Option<Width>) -> Result<Kernel, Unsupported> {
    compile_with(func, uniform, &Options { width, segment: None })
}

/// The same with all options.
///
/// # Errors
/// As [`compile`].
///
/// # Panics
/// As [`compile`].
pub fn compile_with(func: &Func, uniform: &[bool], options: &Options) -> Result<Kernel, Unsupported> {
    let Machine { layout, calls, plan, emitted } = machine(func, uniform, options)?;
    if !layout.width.is_available() {
        return Err(Unsupported("this processor has no such vectors"));
    }
    let code = executable(&emitted.code).map_err(|_| Unsupported("the system gives no memory for code"))?;
    let entry = |offset: usize| {
        // SAFETY: `emit` put a function there that takes a frame, as `Entry` does. `Owner` keeps the code in place.
        unsafe { std::mem::transmute::<*const u8, Entry>(code.as_ptr().add(offset)) }
    };
    let entries = |once: bool| {
        let segments = plan.segments.iter().zip(&emitted.entries);
        segments.filter(|(segment, _)| segment.once == once).map(|(_, &offset)| entry(offset)).collect::<Box<[Entry]>>()
    };
    let (before, body) = (entries(true), entries(false));
    let cells = |param: usize| {
        let is = |cell: &low::Cell| *cell == low::Cell::Param(param as u32);
        layout.cells.iter().enumerate().filter(|(_, cell)| is(cell)).map(|(index, _)| index as u32).collect()
    };
    let uniform = uniform.iter().enumerate().map(|(param, &uniform)| uniform.then(|| cells(param))).collect();
    let tile = if body.len() > 1 { plan.tile } else { usize::MAX };
    let frames = Mutex::new(Vec::new());
    Ok(Kernel(Arc::new(Owner { before, body, layout, calls, uniform, tile, frames, code })))
}

/// What a kernel is made of.
struct Machine {
    layout: Layout,
    calls: bool,
    plan: plan::Plan,
    emitted: emit::Emitted,
}

fn machine(func: &Func, uniform: &[bool], options: &Options) -> Result<Machine, Unsupported> {
    assert_eq!(uniform.len(), func.params.len(), "each argument is a column or uniform");
    let width = options.width.or_else(Width::best).ok_or(Unsupported("this processor has no wide vectors"))?;
    if width.lanes() == 1 {
        return Err(Unsupported("a kernel computes several points at a time"));
    }
    let mut program = lower::lower(func, uniform, width)?;
    let plan = plan::plan(&mut program, options.segment);
    let (n_inputs, n_outputs) = (func.params.len(), func.results.len());
    let emitted = emit::emit(&program, &plan, n_inputs, n_outputs)?;
    let calls = program.insts.iter().any(low::Inst::is_unconditional_call);
    let layout = Layout {
        width,
        n_inputs,
        n_outputs,
        cells: program.cells.into(),
        spills: emitted.spills,
        turn: width.lanes() * plan.vectors,
        carried: plan.carried.unwrap_or(0),
        tiles: plan.slots * plan.tile,
    };
    Ok(Machine { layout, calls, plan, emitted })
}

/// How many points are computed first, so that the loop reads and writes whole cache lines: of all columns, where they lie alike.
fn head(inputs: &[Input<'_>], outputs: &[&mut [f64]], n: usize, turn: usize) -> usize {
    const WORTH: usize = 256;
    let inputs = inputs.iter().filter_map(|input| match input {
        Input::Column(column) => Some(column.as_ptr()),
        Input::Uniform(_) => None,
    });
    let address = outputs.iter().map(|output| output.as_ptr()).chain(inputs).next();
    match address {
        Some(address) if n >= WORTH => (address as usize).wrapping_neg() % (8 * turn).min(64) / 8,
        _ => 0,
    }
}

/// Memory that is first written, then run, never both.
fn executable(code: &[u8]) -> std::io::Result<Mmap> {
    let mut memory = MmapMut::map_anon(code.len().max(1))?;
    memory[..code.len()].copy_from_slice(code);
    memory.make_exec()
}

impl fmt::Debug for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Owner { layout, body, code, .. } = &*self.0;
        let fields = (layout.width, body.len(), code.len());
        f.debug_tuple("Kernel").field(&fields).finish()
    }
}

impl Kernel {
    pub fn width(&self) -> Width {
        self.0.layout.width
    }

    /// Whether there are operators that are called for every point.
    pub fn has_calls(&self) -> bool {
        self.0.calls
    }

    /// How many bytes of code there are.
    pub fn code_len(&self) -> usize {
        self.0.code.len()
    }

    /// Computes `n` points. Columns may lie anywhere.
    ///
    /// # Panics
    /// Where there is another number of inputs or outputs than the graph has, a column is shorter than `n`, or an input is not of the
    /// kind that the kernel was compiled for.
    pub fn run(&self, inputs: &[Input<'_>], outputs: &mut [&mut [f64]], n: usize) {
        let owner = &*self.0;
        let fits = |(input, uniform): (&Input<'_>, &Option<Vec<u32>>)| match input {
            Input::Column(column) => column.len() >= n && uniform.is_none(),
            Input::Uniform(_) => uniform.is_some(),
        };
        assert_eq!(inputs.len(), owner.layout.n_inputs, "an input for each argument");
        assert_eq!(outputs.len(), owner.layout.n_outputs, "an output for each result");
        assert!(inputs.iter().zip(&owner.uniform).all(fits), "inputs that the kernel was compiled for");
        assert!(outputs.iter().all(|output| output.len() >= n), "room for each point");
        if n == 0 {
            return;
        }
        let idle = owner.frames.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut frame = idle.unwrap_or_else(|| Frame::new(&owner.layout));
        owner.run(&mut frame, inputs, outputs, n);
        owner.frames.lock().unwrap_or_else(PoisonError::into_inner).push(frame);
    }
}

impl Owner {
    /// The lengths have been checked.
    fn run(&self, frame: &mut Frame, inputs: &[Input<'_>], outputs: &mut [&mut [f64]], n: usize) {
        let turn = self.layout.turn;
        for (input, cells) in inputs.iter().zip(&self.uniform) {
            if let (Input::Uniform(value), Some(cells)) = (input, cells) {
                cells.iter().for_each(|&cell| frame.set_cell(self.layout.width, cell as usize, value.to_bits()));
            }
        }
        frame.set_end(1, 1);
        self.call(&self.before, frame);

        let mut begin = head(inputs, outputs, n, turn);
        if begin > 0 {
            self.run_apart(frame, inputs, outputs, 0..begin);
        }
        let whole = begin + (n - begin) / turn * turn;
        while begin < whole {
            let points = self.tile.min(whole - begin);
            for (column, input) in inputs.iter().enumerate() {
                if let Input::Column(input) = input {
                    frame.set_pointer(column, input[begin..].as_ptr() as u64);
                }
            }
            for (column, output) in (inputs.len()..).zip(&mut *outputs) {
                frame.set_pointer(column, output[begin..].as_mut_ptr() as u64);
            }
            frame.set_end(points, points / turn + 1);
            self.call(&self.body, frame);
            begin += points;
        }
        if whole < n {
            self.run_apart(frame, inputs, outputs, whole..n);
        }
    }

    /// The first or last points, fewer than the loop does in a turn, in a copy.
    fn run_apart(
        &self,
        frame: &mut Frame,
        inputs: &[Input<'_>],
        outputs: &mut [&mut [f64]],
        points: std::ops::Range<usize>,
    ) {
        for (column, input) in inputs.iter().enumerate() {
            if let Input::Column(input) = input {
                let last = std::iter::repeat(&input[points.end - 1]);
                let numbers = input[points.clone()].iter().chain(last);
                frame.tail(column).zip(numbers).for_each(|(lane, value)| *lane = value.to_bits());
            }
        }
        for column in 0..inputs.len() + outputs.len() {
            let tail = frame.tail_address(column);
            frame.set_pointer(column, tail);
        }
        frame.set_end(self.layout.turn, 2);
        self.call(&self.body, frame);
        for (column, output) in (inputs.len()..).zip(outputs) {
            let lanes = output[points.clone()].iter_mut().zip(frame.tail(column));
            lanes.for_each(|(value, lane)| *value = f64::from_bits(*lane));
        }
    }

    /// Runs segments over the points that the frame says.
    fn call(&self, segments: &[Entry], frame: &mut Frame) {
        for &entry in segments {
            // SAFETY: the frame has the parts that the code was made for, and is this run's alone. `run` has set its pointers to
            // columns of at least as many numbers as the end says, a multiple of what a turn of the loop does; inputs are only read, and
            // outputs are borrowed for this run alone. `self` keeps the code in place.
            unsafe { entry(frame.as_ptr()) };
        }
    }
}
