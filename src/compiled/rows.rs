//! Code for any number of rows: one compilation for batches of all lengths.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::slices::check_counts;
use super::{Compiled, Loops};
use crate::array::ArrayView;
use crate::call::Call;
use crate::error::Error;
use crate::ir::Func;
use crate::ir::rows::{Constants, LEAST, MOST, ROWS};
use crate::ops::Type;
use crate::program::{Binding, Extent, Kind, Program, Request, Wish, is_whole};
use crate::syntax::canonical_name;

/// A derivative as code for any number of rows: the size with which arrays of the data begin is told by each call. Cheap to clone, free to
/// send and share between threads.
///
/// The code has room for so many rows; a call with more makes it anew, with room for up to twice as many, so that calls of all lengths up to
/// `n` make it `log2(n)` times at most. What it computes is what code made for that number computes, to the bit. A few numbers have code
/// of their own: 0, 1, and those that are constants or extents of the program besides, which make simpler graphs.
///
/// ```
/// # fn main() -> Result<(), chainrule::Error> {
/// use chainrule::{Binding, Program};
///
/// let program = Program::parse("param a, b; data x[N], y[N]; mean[i]((a*x[i] + b - y[i])^2)")?;
/// let gradient = program.gradient().any_rows("N", &Binding::new())?;
/// for (x, y) in [(vec![1.0, 2.0], vec![2.0, 4.0]), (vec![3.0], vec![5.0])] {
///     let (mut loss, mut by_a, mut by_b) = ([0.0], [0.0], [0.0]);
///     gradient.call_arrays(&[&[2.0], &[0.0], &x, &y], &mut [&mut loss, &mut by_a, &mut by_b])?;
/// }
/// # Ok(()) }
/// ```
pub struct AnyRows<K> {
    inner: Arc<Inner<K>>,
}

struct Inner<K> {
    program: Program,
    wish: Wish,
    /// With [`ROWS`] in the place of the number of rows.
    binding: Binding,
    /// The graph that runs.
    func: Func,
    seeds: Vec<String>,
    /// Values of `index` arguments that it is made for, by place.
    specialised: Vec<(usize, i64)>,
    /// What must differ from what is computed from the number of rows.
    constants: [Constants; 2],
    /// A number of rows of which that is known.
    apart: AtomicUsize,
    /// How many numbers each argument and each result has.
    args: Box<[Len]>,
    results: Box<[Len]>,
    /// How many numbers the arrays of the program have, and how many more with each row.
    elements: [f64; 2],
    ints: Vec<usize>,
    /// The code, and for so many rows it has room.
    code: Mutex<Option<(usize, Arc<Loops>)>>,
    /// Code for certain numbers of rows, the latest last.
    exact: Mutex<Vec<(usize, Compiled<K>)>>,
    compilations: AtomicUsize,
}

impl<K> Clone for AnyRows<K> {
    fn clone(&self) -> Self {
        AnyRows { inner: self.inner.clone() }
    }
}

impl<K> std::fmt::Debug for AnyRows<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.debug_struct("AnyRows").field("room", &self.room()).finish()
    }
}

/// A number of rows for which the graph is compared.
const SAMPLE: usize = 61;

/// Code for so many certain numbers of rows is kept.
const KEPT: usize = 32;

/// There is room for so many rows less than a power of two: arrays of such a length would lie in each other's way in caches.
const SPARED: usize = 24;

impl<K: Kind> AnyRows<K> {
    /// Of a binding with [`ROWS`] in the place of the number of rows; `None` where that number must be known.
    pub(crate) fn new(request: &Request<K>, binding: Binding) -> Option<AnyRows<K>> {
        let bound = request.program().bind(&binding).ok()?;
        let primal = bound.graph();
        let own = request.of(&bound);
        if !primal.is_for_any_rows() {
            return None;
        }
        let func = own.code_graph().ok()?;
        let has_rows = |shape: &[usize]| shape.first() == Some(&ROWS) && shape[1..].iter().all(|&extent| extent > 0);
        if !func.is_for_any_rows() || !func.params.iter().any(|param| has_rows(&param.shape)) {
            return None;
        }
        // What isn't proved for all numbers of rows and is for one is another graph.
        let one = request.program().bind(&with_rows(&binding, SAMPLE)).ok()?;
        if one.graph().checks.len() != primal.checks.len() {
            return None;
        }
        let constants = [Constants::of(primal)?, Constants::of(&func)?];
        let ints = (0..bound.arguments().len()).filter(|&index| func.params[index].ty == Type::Int).collect();
        let seeds = K::seeds(primal, &own.places().ok()?);
        let elements = elements(primal);
        let (program, wish) = (request.program().without_code(), request.wish().clone());
        let specialised = bound.specialised().to_vec();
        let args = func.params.iter().map(|param| Len::of(&param.shape)).collect();
        let results = func.results.iter().map(|result| Len::of(func.shape(result.value))).collect();
        let inner = Inner {
            program,
            wish,
            binding,
            func,
            seeds,
            specialised,
            constants,
            apart: AtomicUsize::new(0),
            args,
            results,
            elements,
            ints,
            code: Mutex::default(),
            exact: Mutex::default(),
            compilations: AtomicUsize::new(0),
        };
        Some(AnyRows { inner: Arc::new(inner) })
    }

    /// A call by name, beginning with an argument.
    pub fn with<'a>(&'a self, name: &'a str, value: impl Into<ArrayView<'a>>) -> Call<'a, K> {
        self.by_name().with(name, value)
    }

    /// A call by name without an argument yet.
    pub fn by_name(&self) -> Call<'_, K> {
        Call::of_any(self)
    }

    /// Computes everything, a slice for each argument (and seed) and one for each result, in the order of
    /// [`Compiled::call_arrays`](crate::Compiled::call_arrays). How many rows there are follows from the lengths of the arguments.
    ///
    /// # Errors
    /// As [`Compiled::call_arrays`](crate::Compiled::call_arrays).
    pub fn call_arrays(&self, args: &[&[f64]], outs: &mut [&mut [f64]]) -> Result<(), Error> {
        let inner = &*self.inner;
        let rows = inner.check_slices(args, outs)?;
        if let Some(loops) = inner.loops(rows) {
            for &index in &inner.ints {
                if let Some(&value) = args[index].iter().find(|number| !is_whole(**number)) {
                    return Err(Error::NotWhole { name: inner.func.params[index].name.clone(), value });
                }
            }
            if loops.run_rows(&inner.func, rows, args, outs).is_ok() {
                return Ok(());
            }
        }
        // Code for this number tells what is wrong, which may be wrong with this number only.
        self.exactly(rows)?.call_arrays(args, outs)
    }

    /// Code for this number of rows.
    fn exactly(&self, rows: usize) -> Result<Compiled<K>, Error> {
        let inner = &*self.inner;
        let exact = || inner.exact.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, code)) = exact().iter().find(|(kept, _)| *kept == rows) {
            return Ok(code.clone());
        }
        let bound = inner.program.bind(&with_rows(&inner.binding, rows))?;
        let code: Compiled<K> = Request::of_wish(&bound, inner.wish.clone()).compile()?;
        inner.compilations.fetch_add(1, Ordering::Relaxed);
        let mut exact = exact();
        if exact.len() == KEPT {
            exact.remove(0);
        }
        exact.push((rows, code.clone()));
        Ok(code)
    }
}

impl<K> AnyRows<K> {
    /// For how many rows the code has room; 0 before the first call.
    pub fn room(&self) -> usize {
        self.inner.code.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map_or(0, |(room, _)| *room)
    }

    /// How many times code has been made.
    pub fn compilations(&self) -> usize {
        self.inner.compilations.load(Ordering::Relaxed)
    }

    pub(crate) fn program(&self) -> &Program {
        &self.inner.program
    }

    pub(crate) fn func(&self) -> &Func {
        &self.inner.func
    }

    pub(crate) fn specialised(&self) -> &[(usize, i64)] {
        &self.inner.specialised
    }

    pub(crate) fn seed_names(&self) -> &[String] {
        &self.inner.seeds
    }

    /// What the arguments are of, an open extent being [`ROWS`].
    pub(crate) fn shapes(&self) -> impl Iterator<Item = &[usize]> {
        let n_args = self.inner.program.arguments().len();
        self.inner.func.params[..n_args].iter().map(|param| &*param.shape)
    }
}

impl<K> Inner<K> {
    /// The code, if it is for such a number of rows.
    fn loops(&self, rows: usize) -> Option<Arc<Loops>> {
        let [fixed, each] = self.elements;
        let limit = self.program.limits().elements as f64;
        if !(LEAST..=MOST / 2).contains(&rows) || fixed + each * rows as f64 > limit {
            return None;
        }
        if self.apart.load(Ordering::Relaxed) != rows {
            if !self.constants.iter().all(|constants| constants.are_apart(rows)) {
                return None;
            }
            self.apart.store(rows, Ordering::Relaxed);
        }
        let mut code = self.code.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, loops)) = code.as_ref().filter(|(room, _)| rows <= *room) {
            return Some(loops.clone());
        }
        let room = (rows + SPARED).next_power_of_two() - SPARED;
        let loops =
            Arc::new(Loops::new(&self.func.with_rows(ROWS + room), self.wish.backend(), self.program.limits().work));
        self.compilations.fetch_add(1, Ordering::Relaxed);
        *code = Some((room, loops.clone()));
        Some(loops)
    }

    /// The number of rows, if all slices have it.
    fn check_slices(&self, args: &[&[f64]], outs: &[&mut [f64]]) -> Result<usize, Error> {
        let (params, results) = (&self.func.params, &self.func.results);
        check_counts(&self.func, args.len(), outs.len())?;
        let told = |(len, arg): (&Len, &&[f64])| if len.is_open { arg.len().checked_div(len.each) } else { None };
        let rows = self.args.iter().zip(args).find_map(told).unwrap_or(0);
        let is_wrong = |(len, found): (&Len, usize)| len.at(rows) != found;
        let lens = args.iter().map(|arg| arg.len()).chain(outs.iter().map(|out| out.len()));
        if let Some(place) = self.args.iter().chain(&self.results).zip(lens.clone()).position(is_wrong) {
            let names = params.iter().map(|param| &param.name).chain(results.iter().map(|result| &result.name));
            let expected = self.args.iter().chain(&self.results).map(|len| len.at(rows));
            let mut all = names.zip(expected).zip(lens).skip(place);
            if let Some(((name, expected), found)) = all.next() {
                return Err(Error::Elements { name: name.clone(), expected, found });
            }
        }
        Ok(rows)
    }
}

/// How many numbers an argument or a result has: if it is open, in each row.
struct Len {
    is_open: bool,
    each: usize,
}

impl Len {
    fn of(shape: &[usize]) -> Len {
        match shape {
            [ROWS, row @ ..] => Len { is_open: true, each: row.iter().product() },
            shape => Len { is_open: false, each: shape.iter().product() },
        }
    }

    fn at(&self, rows: usize) -> usize {
        if self.is_open { rows * self.each } else { self.each }
    }
}

/// A shape with so many rows, if it is open.
pub fn at_rows(shape: &[usize], rows: usize) -> Vec<usize> {
    shape.iter().map(|&extent| if extent == ROWS { rows } else { extent }).collect()
}

/// How many numbers the arrays of a graph have, and how many more with each row.
fn elements(func: &Func) -> [f64; 2] {
    let mut elements = [0.0; 2];
    for val in func.vals().filter(|&val| func.is_kept(val)) {
        let shape = func.shape(val);
        let is_open = shape[0] == ROWS;
        elements[usize::from(is_open)] +=
            shape[usize::from(is_open)..].iter().map(|&extent| extent as f64).product::<f64>();
    }
    elements
}

impl<K: Kind> Request<'_, K> {
    /// The derivative as code for any number of rows: `size` is the first extent of arrays, and no later one; the other sizes are
    /// those of the binding. See [`AnyRows`].
    ///
    /// Calls by name ([`Request::with`]) come to the same by themselves: the first has code for its sizes, and when another one differs
    /// from it in the number of rows only, code is made for any number.
    ///
    /// # Errors
    /// As [`Program::bind`] and [`Request::compile`]; [`Error::FixedRows`] where the number enters in another way than as the end of loops and
    /// as a number: arrays that have it as a later extent or are one longer, powers `x^N`, elements such as `x[3]` that not all numbers of rows
    /// have, conditions on it.
    pub fn any_rows(&self, size: &str, binding: &Binding) -> Result<AnyRows<K>, Error> {
        let program = self.program();
        let at = |rows: usize| at_size(program, binding, size, rows);
        if program.is_open()
            && let Some(code) = AnyRows::new(self, at(ROWS))
        {
            return Ok(code);
        }
        // What is wrong whatever the number of rows is, is wrong with one of them.
        self.of(&program.bind(&at(SAMPLE))?).graph()?;
        Err(Error::FixedRows { size: size.to_owned() })
    }
}

/// A binding with so many rows in the place of [`ROWS`].
fn with_rows(binding: &Binding, rows: usize) -> Binding {
    let mut binding = binding.clone();
    binding.shapes.values_mut().flatten().filter(|extent| **extent == ROWS).for_each(|extent| *extent = rows);
    binding.sizes.values_mut().filter(|size| **size == ROWS as i64).for_each(|size| *size = rows as i64);
    binding
}

/// A binding with so many rows.
fn at_size(program: &Program, binding: &Binding, size: &str, rows: usize) -> Binding {
    let mut binding = binding.clone().size(size, rows as i64);
    let size = canonical_name(size);
    for argument in program.arguments() {
        let begins = matches!(argument.extents.first(), Some(Extent::Size(name)) if *name == size);
        let shape = binding.shapes.get_mut(&argument.name).filter(|_| begins);
        if let Some(first) = shape.and_then(|shape| shape.first_mut()) {
            *first = rows;
        }
    }
    binding
}
