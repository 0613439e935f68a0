//! Calls by name, with arrays and numbers mixed as they come.
//!
//! ```
//! # fn main() -> Result<(), chainrule::Error> {
//! let program = chainrule::Program::parse("a*exp(-t/T)")?;
//! let slope = program.gradient().wrt(["T"]).compile()?;
//! let answer = slope.with("a", 2.0).with("t", 0.0).with("T", 5.0).run()?;
//! assert_eq!((answer.value(), answer["d_T"].number()), (2.0, Some(0.0)));
//! # Ok(()) }
//! ```

use std::any::Any;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Index;
use std::sync::{Arc, Mutex, PoisonError};

use crate::array::{Array, ArrayView};
use crate::compiled::{AnyRows, Compiled, at_rows};
use crate::error::{Error, nearest};
use crate::ir::Func;
use crate::ir::rows::ROWS;
use crate::program::{
    ArgumentFaults, Binding, Gradient, Hessian, HessianVector, Jvp, Kind, Misfit, Nth, Program, Request, Vjp, Wish,
};
use crate::syntax::canonical_name;

/// A call in the making. Arguments come in any order; [`Call::run`] computes.
pub struct Call<'a, K> {
    callee: Callee<'a, K>,
    given: Vec<(Cow<'a, str>, ArrayView<'a>)>,
    /// Directions or weights.
    seeds: Vec<(Cow<'a, str>, ArrayView<'a>)>,
    sizes: BTreeMap<String, i64>,
}

enum Callee<'a, K> {
    Code(&'a Compiled<K>),
    AnyRows(&'a AnyRows<K>),
    Request(Request<'a, K>),
}

impl<'a, K: Kind> Call<'a, K> {
    pub(crate) fn of(code: &'a Compiled<K>) -> Call<'a, K> {
        Call::new(Callee::Code(code))
    }

    pub(crate) fn of_any(code: &'a AnyRows<K>) -> Call<'a, K> {
        Call::new(Callee::AnyRows(code))
    }

    pub(crate) fn asking(request: Request<'a, K>) -> Call<'a, K> {
        Call::new(Callee::Request(request))
    }

    fn new(callee: Callee<'a, K>) -> Call<'a, K> {
        Call { callee, given: Vec::new(), seeds: Vec::new(), sizes: BTreeMap::new() }
    }

    /// Gives an argument its value: a number, a slice, rows, an [`Array`], or numbers with their extents, `(&numbers, &[3, 4])`.
    #[must_use]
    pub fn with(mut self, name: impl Into<Cow<'a, str>>, value: impl Into<ArrayView<'a>>) -> Self {
        self.given.push((name.into(), value.into()));
        self
    }

    /// Gives several arguments their values.
    #[must_use]
    pub fn with_all<N: Into<Cow<'a, str>>, V: Into<ArrayView<'a>>>(
        mut self,
        values: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        self.given.extend(values.into_iter().map(|(name, value)| (name.into(), value.into())));
        self
    }

    /// Gives a number to a size that doesn't follow from an argument.
    #[must_use]
    pub fn size(mut self, name: &str, value: i64) -> Self {
        self.sizes.insert(canonical_name(name).into_owned(), value);
        self
    }

    fn seed(mut self, name: impl Into<Cow<'a, str>>, value: impl Into<ArrayView<'a>>) -> Self {
        self.seeds.push((name.into(), value.into()));
        self
    }

    /// Computes.
    ///
    /// # Errors
    /// [`Error::Arguments`] with all that is wrong with the arguments; where sizes come from them, the errors of
    /// [`Program::bind`](crate::Program::bind) and [`Request::compile`]; [`Error::Formula`] where an element doesn't exist or integer arithmetic has no
    /// result.
    pub fn run(self) -> Result<Answer<K>, Error> {
        let Call { callee, given, seeds, sizes } = self;
        let (code, inputs) = match callee {
            Callee::Code(code) => (Code::Fixed(code.clone()), code.program().inputs(given)?),
            Callee::AnyRows(code) => {
                let inputs = code.program().inputs(given)?;
                (Code::AnyRows(code.clone(), rows_told(code, &inputs)?), inputs)
            }
            Callee::Request(request) => {
                let inputs = request.program().inputs(given)?;
                (code_for(&request, &inputs, sizes)?, inputs)
            }
        };
        let func = code.func();
        let (params, results) = (&func.params, &func.results);
        let n_args = inputs.len();
        let seeds = seed_arrays(&code, n_args, &seeds)?;
        let inputs: Vec<Cow<[f64]>> = inputs.iter().map(ArrayView::rows).collect();
        let args = inputs.iter().map(|input| &**input).chain(seeds.iter().map(|seed| &*seed.data));
        let args: Vec<&[f64]> = args.collect();
        debug_assert_eq!(args.len(), params.len());
        let mut arrays: Vec<Array> = results.iter().map(|result| code.zeros(func.shape(result.value))).collect();
        let mut outs: Vec<&mut [f64]> = arrays.iter_mut().map(|array| array.data.as_mut_slice()).collect();
        code.run(&args, &mut outs)?;
        let name = |name: &String| if name.is_empty() { "value".to_owned() } else { name.clone() };
        let names = results.iter().map(|result| name(&result.name));
        Ok(Answer { results: names.zip(arrays).collect(), kind: PhantomData })
    }
}

/// What runs a call.
enum Code<K> {
    Fixed(Compiled<K>),
    /// With so many rows.
    AnyRows(AnyRows<K>, usize),
}

impl<K> Clone for Code<K> {
    fn clone(&self) -> Self {
        match self {
            Code::Fixed(code) => Code::Fixed(code.clone()),
            Code::AnyRows(code, rows) => Code::AnyRows(code.clone(), *rows),
        }
    }
}

impl<K: Kind> Code<K> {
    fn func(&self) -> &Func {
        match self {
            Code::Fixed(code) => code.graph(),
            Code::AnyRows(code, _) => code.func(),
        }
    }

    fn program(&self) -> &Program {
        match self {
            Code::Fixed(code) => code.program(),
            Code::AnyRows(code, _) => code.program(),
        }
    }

    fn seed_names(&self) -> &[String] {
        match self {
            Code::Fixed(code) => code.seed_names(),
            Code::AnyRows(code, _) => code.seed_names(),
        }
    }

    fn zeros(&self, shape: &[usize]) -> Array {
        let shape = match self {
            Code::Fixed(_) => shape.to_vec(),
            Code::AnyRows(_, rows) => at_rows(shape, *rows),
        };
        Array::new(&shape, vec![0.0; shape.iter().product()])
    }

    fn run(&self, args: &[&[f64]], outs: &mut [&mut [f64]]) -> Result<(), Error> {
        match self {
            Code::Fixed(code) => code.call_arrays(args, outs),
            Code::AnyRows(code, _) => code.call_arrays(args, outs),
        }
    }
}

macro_rules! seeds {
    ($($kind:ident, $name:ident: $doc:literal;)*) => {$(
        impl<'a> Call<'a, $kind> {
            #[doc = $doc]
            #[must_use]
            pub fn $name(self, name: impl Into<Cow<'a, str>>, value: impl Into<ArrayView<'a>>) -> Self {
                self.seed(name, value)
            }
        }
    )*};
}

seeds! {
    Jvp, direction: "How fast an argument changes, an array of its shape; arguments that are not named stand still.";
    HessianVector, direction: "How fast an argument changes, an array of its shape; arguments that are not named stand still.";
    Vjp, weight: "The weights of a result, an array of its shape; results that are not named have weight 0.";
}

/// The seeds in the order of the graph's parameters, 0 where none is given.
fn seed_arrays<K: Kind>(code: &Code<K>, n_args: usize, given: &[(Cow<str>, ArrayView)]) -> Result<Vec<Array>, Error> {
    let params = &code.func().params[n_args..];
    let names = code.seed_names();
    let mut seeds: Vec<Array> = params.iter().map(|param| code.zeros(&param.shape)).collect();
    let mut faults = ArgumentFaults::default();
    let mut seen: Vec<usize> = Vec::new();
    for (name, value) in given {
        let name = canonical_name(name);
        let Some(place) = names.iter().position(|known| *known == name) else {
            let nearest = nearest(&name, names.iter().map(String::as_str)).map(str::to_owned);
            faults.unknown_seeds.push((name.into_owned(), nearest));
            continue;
        };
        let (expected, found) = (seeds[place].shape.clone(), value.shape().to_vec());
        let misfit = if expected != found {
            Some(Misfit::Shape { expected, found })
        } else {
            (!value.is_sound()).then(|| Misfit::Memory { shape: found, numbers: value.memory() })
        };
        match misfit {
            Some(misfit) => faults.misfits.push((name.into_owned(), None, misfit)),
            None if seen.contains(&place) => faults.twice.push(name.into_owned()),
            None => seeds[place].data.copy_from_slice(&value.rows()),
        }
        seen.push(place);
    }
    code.program().told(faults)?;
    Ok(seeds)
}

/// What a call has computed: the results of the graph by their names. The value is `value` or has the name that the text gives
/// it, `d_x` is the derivative by `x`, `d_x_z` the second one; of several results `y_d_x` is the derivative of `y`. What directions
/// and weights give is `y_dot`, `x_bar`, `hv_x`.
pub struct Answer<K> {
    results: Vec<(String, Array)>,
    kind: PhantomData<fn() -> K>,
}

impl<K> Clone for Answer<K> {
    fn clone(&self) -> Self {
        Answer { results: self.results.clone(), kind: PhantomData }
    }
}

impl<K> PartialEq for Answer<K> {
    fn eq(&self, other: &Self) -> bool {
        self.results == other.results
    }
}

impl<K> fmt::Debug for Answer<K> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<K> Answer<K> {
    /// A result by name.
    pub fn get(&self, name: &str) -> Option<&Array> {
        let name = canonical_name(name);
        self.iter().find(|(known, _)| *known == name).map(|(_, array)| array)
    }

    /// All results with their names: values, first derivatives, second derivatives.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Array)> {
        self.results.iter().map(|(name, array)| (name.as_str(), array))
    }

    /// All results with their names, to keep.
    pub fn into_arrays(self) -> Vec<(String, Array)> {
        self.results
    }
}

/// # Panics
/// Where there is no such result.
impl<K> Index<&str> for Answer<K> {
    type Output = Array;

    fn index(&self, name: &str) -> &Array {
        let known = || self.iter().map(|(name, _)| name.to_owned()).collect::<Vec<_>>().join(", ");
        self.get(name).unwrap_or_else(|| panic!("there is no result `{name}`; these are: {}", known()))
    }
}

macro_rules! one_value {
    ($($kind:ident)*) => {$(
        impl Answer<$kind> {
            /// The value.
            pub fn value(&self) -> f64 {
                self.results[0].1.data[0]
            }
        }
    )*};
}

one_value! { Gradient Hessian HessianVector Nth }

/// How many rows arrays of these shapes have, if they are of the code's.
fn rows_of<K>(code: &AnyRows<K>, shapes: &[Vec<usize>]) -> Option<usize> {
    let open = code.shapes().zip(shapes).find(|(own, _)| own.first() == Some(&ROWS));
    let rows = *open?.1.first()?;
    code.shapes().zip(shapes).all(|(own, shape)| at_rows(own, rows) == *shape).then_some(rows)
}

/// The same, or what is wrong with the arrays.
fn rows_told<K>(code: &AnyRows<K>, inputs: &[ArrayView]) -> Result<usize, Error> {
    let shapes: Vec<Vec<usize>> = inputs.iter().map(|input| input.shape().to_vec()).collect();
    if let Some(rows) = rows_of(code, &shapes) {
        return Ok(rows);
    }
    let open = code.shapes().zip(&shapes).find(|(own, _)| own.first() == Some(&ROWS));
    let rows = open.and_then(|(_, shape)| shape.first().copied()).unwrap_or_default();
    let mut faults = ArgumentFaults::default();
    for ((argument, own), found) in code.program().arguments().iter().zip(code.shapes()).zip(shapes) {
        let expected = at_rows(own, rows);
        if expected != found {
            faults.misfits.push((argument.name.clone(), Some(argument.at), Misfit::Shape { expected, found }));
        }
    }
    code.program().told(faults)?;
    Ok(rows)
}

/// Code that calls by name have needed, the latest last. Clones of a program share it.
#[derive(Clone, Default)]
pub(crate) struct Cache(Arc<Mutex<Vec<Entry>>>);

struct Entry {
    wish: Wish,
    /// The shapes of the arguments. Code for any number of rows has no other than these at some number.
    shapes: Vec<Vec<usize>>,
    sizes: BTreeMap<String, i64>,
    /// Values of `index` arguments that the code is made for.
    index: Vec<(usize, i64)>,
    /// It is known that there is no code for any number of rows.
    is_fixed: bool,
    code: Box<dyn Any + Send>,
}

/// So many pieces of code are kept for a program.
const KEPT: usize = 32;

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let entries = self.0.lock().unwrap_or_else(PoisonError::into_inner).len();
        f.debug_struct("Cache").field("entries", &entries).finish()
    }
}

impl Entry {
    /// The code, if it is of this kind and for these shapes.
    fn code<K: Kind>(&self, shapes: &[Vec<usize>]) -> Option<Code<K>> {
        match self.code.downcast_ref::<Code<K>>()? {
            Code::Fixed(code) => (self.shapes == shapes).then(|| Code::Fixed(code.clone())),
            Code::AnyRows(code, _) => rows_of(code, shapes).map(|rows| Code::AnyRows(code.clone(), rows)),
        }
    }

    /// The shapes with [`ROWS`] in the place of the number of rows, if that is all in which these differ.
    fn open(&self, shapes: &[Vec<usize>]) -> Option<Vec<Vec<usize>>> {
        let mut rows = None;
        let mut open = shapes.to_vec();
        for ((shape, known), open) in shapes.iter().zip(&self.shapes).zip(&mut open) {
            if shape == known {
                continue;
            }
            let ([first, rest @ ..], [old, others @ ..]) = (&**shape, &**known) else { return None };
            if rest != others || rows.is_some_and(|rows| rows != (*first, *old)) || *first == 0 {
                return None;
            }
            rows = Some((*first, *old));
            open[0] = ROWS;
        }
        rows.map(|_| open)
    }
}

/// The code for arguments, made unless an earlier call had the same sizes. Where one differed only in how many rows arrays have, it is
/// made for any number of them.
fn code_for<K: Kind>(
    request: &Request<K>,
    inputs: &[ArrayView],
    sizes: BTreeMap<String, i64>,
) -> Result<Code<K>, Error> {
    let program = request.program();
    let entries = || program.cache().0.lock().unwrap_or_else(PoisonError::into_inner);
    let wish = request.wish();
    let shapes: Vec<Vec<usize>> = inputs.iter().map(|input| input.shape().to_vec()).collect();
    let is_like = |entry: &Entry| {
        let index = || entry.index.iter().all(|&(place, value)| inputs[place].rows()[0] == value as f64);
        entry.wish == *wish && entry.code.is::<Code<K>>() && entry.sizes == sizes && index()
    };
    // The shapes that may be open, and whether it is known that they aren't.
    let mut open = None;
    {
        let mut entries = entries();
        for place in (0..entries.len()).rev().filter(|&place| is_like(&entries[place])).collect::<Vec<_>>() {
            if let Some(code) = entries[place].code(&shapes) {
                entries[place..].rotate_left(1);
                return Ok(code);
            }
            if open.is_none() {
                let shapes = entries[place].open(&shapes);
                open = shapes.map(|shapes| (shapes, entries[place].is_fixed));
            }
        }
    }
    let (mut made, mut is_fixed) = (None, false);
    if let (Some((open, is_known_fixed)), true) = (open, program.is_open()) {
        is_fixed = is_known_fixed;
        if !is_fixed {
            made = any_rows(request, inputs, &sizes, open, &shapes);
            is_fixed = made.is_none();
        }
    }
    let (code, index) = match made {
        Some(made) => made,
        None if program.is_open() => {
            let bound = program.bind(&binding(program, inputs, &sizes))?;
            (Code::Fixed(request.of(&bound).compile()?), bound.specialised().to_vec())
        }
        None => (Code::Fixed(request.compile()?), Vec::new()),
    };
    let mut entries = entries();
    if entries.len() == KEPT {
        entries.remove(0);
    }
    entries.push(Entry { wish: wish.clone(), shapes, sizes, index, is_fixed, code: Box::new(code.clone()) });
    Ok(code)
}

/// What is known of the arguments.
fn binding(program: &Program, inputs: &[ArrayView], sizes: &BTreeMap<String, i64>) -> Binding {
    Binding { sizes: sizes.clone(), ..program.binding_of(inputs.iter().copied().map(Some)) }
}

/// Code for any number of rows, where arguments have open shapes, with the `index` arguments that it is made for.
#[allow(clippy::type_complexity, reason = "a pair")]
fn any_rows<K: Kind>(
    request: &Request<K>,
    inputs: &[ArrayView],
    sizes: &BTreeMap<String, i64>,
    open: Vec<Vec<usize>>,
    shapes: &[Vec<usize>],
) -> Option<(Code<K>, Vec<(usize, i64)>)> {
    let program = request.program();
    let mut binding = binding(program, inputs, sizes);
    for (argument, shape) in program.arguments().iter().zip(open) {
        if let Some(known) = binding.shapes.get_mut(&argument.name) {
            *known = shape;
        }
    }
    let code = AnyRows::new(request, binding)?;
    let rows = rows_of(&code, shapes)?;
    let index = code.specialised().to_vec();
    Some((Code::AnyRows(code, rows), index))
}
