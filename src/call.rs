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
use crate::compiled::Compiled;
use crate::error::{Error, nearest};
use crate::program::{
    ArgumentFaults, Binding, Gradient, Hessian, HessianVector, Jvp, Kind, Misfit, Nth, Request, Vjp, Wish,
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
    Request(Request<'a, K>),
}

impl<'a, K: Kind> Call<'a, K> {
    pub(crate) fn of(code: &'a Compiled<K>) -> Call<'a, K> {
        Call::new(Callee::Code(code))
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
            Callee::Code(code) => (Cow::Borrowed(code), code.program().inputs(given)?),
            Callee::Request(request) => {
                let inputs = request.program().inputs(given)?;
                (Cow::Owned(code_for(&request, &inputs, sizes)?), inputs)
            }
        };
        let func = code.graph();
        let (params, results) = (&func.params, &func.results);
        let n_args = inputs.len();
        let seeds = seed_arrays(&code, n_args, &seeds)?;
        let inputs: Vec<Cow<[f64]>> = inputs.iter().map(ArrayView::rows).collect();
        let args = inputs.iter().map(|input| &**input).chain(seeds.iter().map(|seed| &*seed.data));
        let args: Vec<&[f64]> = args.collect();
        debug_assert_eq!(args.len(), params.len());
        let zero = |shape: &[usize]| Array::new(shape, vec![0.0; shape.iter().product()]);
        let mut arrays: Vec<Array> = results.iter().map(|result| zero(func.shape(result.value))).collect();
        let mut outs: Vec<&mut [f64]> = arrays.iter_mut().map(|array| array.data.as_mut_slice()).collect();
        code.call_arrays(&args, &mut outs)?;
        let name = |name: &String| if name.is_empty() { "value".to_owned() } else { name.clone() };
        let names = results.iter().map(|result| name(&result.name));
        Ok(Answer { results: names.zip(arrays).collect(), kind: PhantomData })
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
fn seed_arrays<K: Kind>(
    code: &Compiled<K>,
    n_args: usize,
    given: &[(Cow<str>, ArrayView)],
) -> Result<Vec<Array>, Error> {
    let params = &code.graph().params[n_args..];
    let names = code.seed_names();
    let zero = |shape: &[usize]| Array::new(shape, vec![0.0; shape.iter().product()]);
    let mut seeds: Vec<Array> = params.iter().map(|param| zero(&param.shape)).collect();
    let mut faults = ArgumentFaults::default();
    let mut seen: Vec<usize> = Vec::new();
    for (name, value) in given {
        let name = canonical_name(name);
        let Some(place) = names.iter().position(|known| *known == name) else {
            let nearest = nearest(&name, names.iter().map(String::as_str)).map(str::to_owned);
            faults.unknown_seeds.push((name.into_owned(), nearest));
            continue;
        };
        let (expected, found) = (params[place].shape.to_vec(), value.shape().to_vec());
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

/// Code that calls by name have needed, the latest last. Clones of a program share it.
#[derive(Clone, Default)]
pub(crate) struct Cache(Arc<Mutex<Vec<Entry>>>);

struct Entry {
    wish: Wish,
    shapes: Vec<Vec<usize>>,
    sizes: BTreeMap<String, i64>,
    /// Values of `index` arguments that the code is made for.
    index: Vec<(usize, i64)>,
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

/// The code for arguments, made unless an earlier call had the same sizes.
fn code_for<K: Kind>(
    request: &Request<K>,
    inputs: &[ArrayView],
    sizes: BTreeMap<String, i64>,
) -> Result<Compiled<K>, Error> {
    let program = request.program();
    let entries = || program.cache().0.lock().unwrap_or_else(PoisonError::into_inner);
    let wish = request.wish();
    let shapes: Vec<Vec<usize>> = inputs.iter().map(|input| input.shape().to_vec()).collect();
    let is_it = |entry: &Entry| {
        let index = || entry.index.iter().all(|&(place, value)| inputs[place].rows()[0] == value as f64);
        entry.wish == *wish
            && entry.code.is::<Compiled<K>>()
            && entry.shapes == shapes
            && entry.sizes == sizes
            && index()
    };
    {
        let mut entries = entries();
        if let Some(place) = entries.iter().position(is_it) {
            entries[place..].rotate_left(1);
            if let Some(code) = entries.last().and_then(|entry| entry.code.downcast_ref::<Compiled<K>>()) {
                return Ok(code.clone());
            }
        }
    }
    let (code, index) = if program.is_open() {
        let bound =
            program.bind(&Binding { sizes: sizes.clone(), ..program.binding_of(inputs.iter().copied().map(Some)) })?;
        (request.of(&bound).compile()?, bound.specialised().to_vec())
    } else {
        (request.compile()?, Vec::new())
    };
    let mut entries = entries();
    if entries.len() == KEPT {
        entries.remove(0);
    }
    entries.push(Entry { wish: wish.clone(), shapes, sizes, index, code: Box::new(code.clone()) });
    Ok(code)
}
