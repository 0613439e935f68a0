//! Code for any number of rows: one compilation for batches of all lengths.

use std::marker::PhantomData;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Compiled, Loops};
use crate::array::ArrayView;
use crate::call::Call;
use crate::error::Error;
use crate::ir::Func;
use crate::ir::rows::{MOST, ROWS};
use crate::ops::Type;
use crate::program::{Binding, Extent, Kind, Program, Request, Wish, is_whole};
use crate::syntax::canonical_name;

/// A derivative as code for any number of rows: the size with which arrays of the data begin is told by each call. Cheap to clone, free to
/// send and share between threads.
///
/// The code has room for so many rows; a call with more makes it anew, with room for up to twice as many, so that calls of all lengths up to
/// `n` make it `log2(n)` times at most. What it computes is what code made for that number computes, to the bit.
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
    inner: Arc<Inner>,
    kind: PhantomData<fn() -> K>,
}

struct Inner {
    program: Program,
    wish: Wish,
    /// With [`ROWS`] in the place of the number of rows.
    binding: Binding,
    /// The graph that runs.
    func: Func,
    seeds: Vec<String>,
    /// Values of `index` arguments that it is made for, by place.
    specialised: Vec<(usize, i64)>,
    /// How many numbers the arrays of the program have, and how many more with each row.
    elements: [f64; 2],
    ints: Vec<usize>,
    /// The code, and for so many rows it has room.
    code: Mutex<Option<(usize, Arc<Loops>)>>,
}

impl<K> Clone for AnyRows<K> {
    fn clone(&self) -> Self {
        AnyRows { inner: self.inner.clone(), kind: PhantomData }
    }
}

impl<K> std::fmt::Debug for AnyRows<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.debug_struct("AnyRows").field("room", &self.room()).finish()
    }
}

/// The least number of rows that there is room for.
const LEAST: usize = 16;

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
        let ints = (0..bound.arguments().len()).filter(|&index| func.params[index].ty == Type::Int).collect();
        let seeds = K::seeds(primal, &own.places().ok()?);
        let elements = elements(primal);
        let (program, wish) = (request.program().without_code(), request.wish().clone());
        let specialised = bound.specialised().to_vec();
        let inner = Inner { program, wish, binding, func, seeds, specialised, elements, ints, code: Mutex::default() };
        Some(AnyRows { inner: Arc::new(inner), kind: PhantomData })
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
        let mut binding = inner.binding.clone();
        binding.shapes.values_mut().flatten().filter(|extent| **extent == ROWS).for_each(|extent| *extent = rows);
        binding.sizes.values_mut().filter(|size| **size == ROWS as i64).for_each(|size| *size = rows as i64);
        Request::of_wish(&inner.program.bind(&binding)?, inner.wish.clone()).compile()
    }
}

impl<K> AnyRows<K> {
    /// For how many rows the code has room; 0 before the first call.
    pub fn room(&self) -> usize {
        self.inner.code.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map_or(0, |(room, _)| *room)
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

impl Inner {
    /// The code, if it is for such a number of rows.
    fn loops(&self, rows: usize) -> Option<Arc<Loops>> {
        let [fixed, each] = self.elements;
        if rows == 0 || rows > MOST / 2 || fixed + each * rows as f64 > self.program.limits().elements as f64 {
            return None;
        }
        let mut code = self.code.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, loops)) = code.as_ref().filter(|(room, _)| rows <= *room) {
            return Some(loops.clone());
        }
        let room = rows.next_power_of_two().max(LEAST);
        let loops = Arc::new(Loops::new(&self.func.with_rows(ROWS + room), self.wish.backend()));
        *code = Some((room, loops.clone()));
        Some(loops)
    }

    /// The number of rows, if all slices have it.
    fn check_slices(&self, args: &[&[f64]], outs: &[&mut [f64]]) -> Result<usize, Error> {
        let (params, results) = (&self.func.params, &self.func.results);
        let counts =
            [("slices of arguments", params.len(), args.len()), ("slices of results", results.len(), outs.len())];
        for (what, expected, found) in counts {
            if expected != found {
                return Err(Error::Slices { what, expected, found });
            }
        }
        let in_row = |shape: &[usize]| shape[1..].iter().product::<usize>();
        let open = params.iter().zip(args).filter(|(param, _)| param.shape.first() == Some(&ROWS));
        let rows = open.map(|(param, arg)| arg.len().checked_div(in_row(&param.shape))).find_map(|rows| rows);
        let rows = rows.unwrap_or(0);
        let args = params.iter().zip(args).map(|(param, arg)| (&param.name, &*param.shape, arg.len()));
        let outs = results.iter().zip(outs);
        let outs = outs.map(|(result, out)| (&result.name, self.func.shape(result.value), out.len()));
        for (name, shape, found) in args.chain(outs) {
            let expected = at_rows(shape, rows).iter().product();
            if expected != found {
                return Err(Error::Elements { name: name.clone(), expected, found });
            }
        }
        Ok(rows)
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
        elements[usize::from(is_open)] += shape[usize::from(is_open)..].iter().map(|&extent| extent as f64).product::<f64>();
    }
    elements
}

impl<K: Kind> Request<'_, K> {
    /// The derivative as code for any number of rows: `size` is that with which arrays begin, and no other extent; the other sizes are
    /// those of the binding.
    ///
    /// # Errors
    /// As [`Program::bind`] and [`Request::compile`]; [`Error::FixedRows`] where what is computed depends on the number in another way than
    /// by how far loops go, such as arrays that have it as a later extent.
    pub fn any_rows(&self, size: &str, binding: &Binding) -> Result<AnyRows<K>, Error> {
        let program = self.program();
        let at = |rows: usize| at_size(program, binding, size, rows);
        if let Some(code) = AnyRows::new(self, at(ROWS)) {
            return Ok(code);
        }
        // What is wrong whatever the number of rows is, is wrong with two.
        self.of(&program.bind(&at(2))?).graph()?;
        Err(Error::FixedRows { size: size.to_owned() })
    }
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
