//! The library's front door: text → [`Program`] → derivative → [`Compiled`].
//!
//! ```
//! # fn main() -> Result<(), chainrule::Error> {
//! let program = chainrule::Program::parse("exp(x*z) + x*z/ln(x)")?;
//! let gradient = program.gradient().compile()?;
//! let mut slopes = [0.0; 2];
//! let value = gradient.call(&[2.0, 3.0], &mut slopes)?;
//! assert!((value - 412.0850).abs() < 1e-4);
//! # Ok(()) }
//! ```

use std::borrow::Cow;
use std::marker::PhantomData;
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};

use crate::ad::{self, Mode};
use crate::ast::Role;
use crate::batch::{Column, Points};
use crate::compiled::{Compiled, Layout};
use crate::error::{Error, FormulaError, Problem, Style, Warning, nearest, render_warnings};
use crate::ir::{Func, Val};
use crate::ops::Type;
use crate::opt::{self, Relaxation};
use crate::span::Span;
use crate::{Limits, lower, math, syntax};

/// An argument of a program.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Argument {
    pub name: String,
    pub role: Role,
    /// Where it is declared or first used.
    pub at: Span,
}

/// A name that the text gives to a value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Definition {
    pub name: String,
    pub at: Span,
    pub value: Val,
}

/// A formula or program that has been understood: a graph, with the names and places of its text.
#[derive(Clone, Debug)]
pub struct Program {
    source: Arc<str>,
    source_name: Arc<str>,
    func: Func,
    arguments: Vec<Argument>,
    definitions: Vec<Definition>,
    warnings: Vec<Warning>,
}

impl Program {
    /// Understands a text.
    ///
    /// # Errors
    /// [`Error::Formula`] with everything that is wrong with the text; it displays with the place, the cause and the remedy.
    pub fn parse(source: &str) -> Result<Program, Error> {
        Program::parse_with("formula", source, &Limits::default())
    }

    /// [`Program::parse`] of a text with a name for its messages, such as a file's, within limits.
    ///
    /// # Errors
    /// As [`Program::parse`]; a text beyond the limits is an error too.
    pub fn parse_with(source_name: &str, source: &str, limits: &Limits) -> Result<Program, Error> {
        let fail = |problems| Error::Formula(Box::new(FormulaError::new(source_name, source, problems)));
        let (ast, mut warnings) = syntax::parse(source, limits).map_err(fail)?;
        let lowered = lower::lower(&ast, limits).map_err(fail)?;
        warnings.extend(lowered.warnings);
        let argument = |argument: lower::Argument| Argument {
            name: ast.name(argument.name).to_owned(),
            role: argument.role,
            at: argument.at,
        };
        let definition =
            |&(name, at, value): &(_, Span, Val)| Definition { name: ast.name(name).to_owned(), at, value };
        let definitions = lowered.definitions.iter().map(definition).collect();
        Ok(Program {
            source: source.into(),
            source_name: source_name.into(),
            func: lowered.func,
            arguments: lowered.arguments.into_iter().map(argument).collect(),
            definitions,
            warnings,
        })
    }

    /// The text it was parsed from.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// What messages call the text.
    pub fn source_name(&self) -> &str {
        &self.source_name
    }

    /// The arguments in the order that calls take them: as declared, otherwise as they first appear.
    pub fn arguments(&self) -> &[Argument] {
        &self.arguments
    }

    /// The names of the results; a single one without a name is empty.
    pub fn results(&self) -> impl ExactSizeIterator<Item = &str> {
        self.func.results.iter().map(|result| result.name.as_str())
    }

    /// The named values of the text, in its order.
    pub fn definitions(&self) -> &[Definition] {
        &self.definitions
    }

    /// What the author should know although the text means something.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// The warnings in words, with their places.
    pub fn render_warnings(&self, style: Style) -> String {
        render_warnings(&self.warnings, &self.source, &self.source_name, style)
    }

    /// The primal as a graph. Its `Display` is the stable text form.
    pub fn graph(&self) -> &Func {
        &self.func
    }

    /// The values of the arguments in order, from values by name. Names are compared in NFKC form, like those of the text.
    ///
    /// # Errors
    /// [`Error::Arguments`] with all names that are unknown, missing, or given twice, and integers that are not whole.
    pub fn point<'n>(&self, values: impl IntoIterator<Item = (&'n str, f64)>) -> Result<Vec<f64>, Error> {
        self.in_order(values, |&value| if is_whole(value) { None } else { Some(value) })
    }

    /// The columns of a batch in order, from columns by name, as [`Program::point`].
    ///
    /// # Errors
    /// As [`Program::point`]; the numbers of integers are looked at when the batch runs.
    pub fn columns<'n, 'c, C: Into<Column<'c>>>(
        &self,
        columns: impl IntoIterator<Item = (&'n str, C)>,
    ) -> Result<Points<'c>, Error> {
        let columns = columns.into_iter().map(|(name, column)| (name, column.into()));
        Ok(Points::Columns(self.in_order(columns, |_| None)?))
    }

    /// What is given by name, in the order of the arguments. `broken` is a number that is no integer.
    fn in_order<'n, T: Copy>(
        &self,
        values: impl IntoIterator<Item = (&'n str, T)>,
        broken: impl Fn(&T) -> Option<f64>,
    ) -> Result<Vec<T>, Error> {
        let known: HashSet<&str> = self.arguments.iter().map(|argument| argument.name.as_str()).collect();
        let mut given: HashMap<Cow<str>, T> = HashMap::new();
        let mut faults = ArgumentFaults::default();
        for (name, value) in values {
            let name = syntax::canonical_name(name);
            if given.insert(name.clone(), value).is_some() {
                faults.twice.push(name.into_owned());
            } else if !known.contains(&*name) {
                let known = self.arguments.iter().map(|argument| argument.name.as_str());
                faults.unknown.push((name.to_string(), nearest(&name, known).map(str::to_owned)));
            }
        }
        let mut point = Vec::with_capacity(self.arguments.len());
        for argument in &self.arguments {
            let Some(&value) = given.get(argument.name.as_str()) else {
                faults.missing.push((argument.name.clone(), argument.at));
                continue;
            };
            match broken(&value) {
                Some(number) if argument.role == Role::Index => faults.not_whole.push((argument.name.clone(), number)),
                _ => point.push(value),
            }
        }
        if faults.is_empty() {
            return Ok(point);
        }
        faults.source = self.source.clone();
        faults.source_name = self.source_name.clone();
        Err(Error::Arguments(Box::new(faults)))
    }

    /// The value of each result.
    pub fn value(&self) -> Request<'_, Value> {
        Request::new(self)
    }

    /// The value and the derivatives of the only result.
    pub fn gradient(&self) -> Request<'_, Gradient> {
        Request::new(self)
    }

    /// The value and the derivatives of every result.
    pub fn jacobian(&self) -> Request<'_, Jacobian> {
        Request::new(self)
    }

    /// The value, the gradient and the second derivatives of the only result.
    pub fn hessian(&self) -> Request<'_, Hessian> {
        Request::new(self)
    }

    /// The values of the results and their derivatives in a direction.
    pub fn jvp(&self) -> Request<'_, Jvp> {
        Request::new(self)
    }

    /// The values of the results and the derivatives of their weighted sum, the weights given with each call.
    pub fn vjp(&self) -> Request<'_, Vjp> {
        Request::new(self)
    }

    /// The value, gradient, and product of the Hessian of the only result with a direction: a tangent pushed through
    /// the reverse sweep, at a small multiple of the gradient's cost for any number of arguments.
    pub fn hessian_vector(&self) -> Request<'_, HessianVector> {
        Request::new(self)
    }

    /// The value and the derivatives of orders 1 to `order` of the only result, by one argument.
    pub fn nth(&self, order: usize) -> Request<'_, Nth> {
        Request { order, ..Request::new(self) }
    }

    /// A failure of a call at run time, in words.
    pub(crate) fn problem(&self, problem: Problem) -> Error {
        Error::Formula(Box::new(FormulaError::new(&self.source_name, &self.source, vec![problem])))
    }
}

/// Whether a number can be an `index` argument.
pub(crate) fn is_whole(value: f64) -> bool {
    value.fract() == 0.0 && value.abs() <= 9_007_199_254_740_992.0
}

/// What is wrong with values given by name.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct ArgumentFaults {
    /// Names that are no argument, with the nearest that is.
    pub unknown: Vec<(String, Option<String>)>,
    /// Arguments without a value, with their declaration or first use.
    pub missing: Vec<(String, Span)>,
    pub twice: Vec<String>,
    /// `index` arguments that are no whole number.
    pub not_whole: Vec<(String, f64)>,
    pub source: Arc<str>,
    pub source_name: Arc<str>,
}

impl ArgumentFaults {
    fn is_empty(&self) -> bool {
        self.unknown.is_empty() && self.missing.is_empty() && self.twice.is_empty() && self.not_whole.is_empty()
    }
}

/// What to compute of a program, and how. Nothing happens before [`Request::graph`] or [`Request::compile`].
#[derive(Clone, Debug)]
pub struct Request<'p, K> {
    program: &'p Program,
    wrt: Option<Vec<String>>,
    mode: Mode,
    relaxations: Vec<Relaxation>,
    functions: Functions,
    backend: Backend,
    order: usize,
    kind: PhantomData<K>,
}

/// Whose elementary functions a program computes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Functions {
    /// Those of the platform's C library: the fastest for single points. The last bit may differ between platforms.
    #[default]
    Platform,
    /// Our own where there is one (see [`crate::math`]), written out as arithmetic: the same bits on every machine, in every back end and
    /// at every width of vectors, which is what batches are computed with. Single calls take as long with AVX-512, and elsewhere up to
    /// twice as long.
    Portable,
}

/// What runs the graph.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Backend {
    /// Machine code where this machine and this build can make it, otherwise the interpreter.
    #[default]
    Auto,
    /// As [`Backend::Auto`], but one point at a time in batches too.
    Scalar,
    Interpreter,
}

impl<'p, K: Kind> Request<'p, K> {
    fn new(program: &'p Program) -> Request<'p, K> {
        Request {
            program,
            wrt: None,
            mode: Mode::Auto,
            relaxations: Vec::new(),
            functions: Functions::default(),
            backend: Backend::Auto,
            order: 1,
            kind: PhantomData,
        }
    }

    /// Differentiates by these arguments, in this order, instead of by all that are `param`.
    pub fn wrt<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        let canonical = |name: N| syntax::canonical_name(&name.into()).into_owned();
        self.wrt = Some(names.into_iter().map(canonical).collect());
        self
    }

    /// Chooses the mode of differentiation.
    pub fn mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// Allows one relaxation of floating-point arithmetic.
    pub fn relax(mut self, relaxation: Relaxation) -> Self {
        self.relaxations.push(relaxation);
        self
    }

    /// Chooses whose elementary functions are computed.
    pub fn functions(mut self, functions: Functions) -> Self {
        self.functions = functions;
        self
    }

    /// Chooses what runs the graph.
    pub fn backend(mut self, backend: Backend) -> Self {
        self.backend = backend;
        self
    }

    /// The names of the arguments that are differentiated by, in order.
    ///
    /// # Errors
    /// As [`Request::graph`].
    pub fn names(&self) -> Result<Vec<&'p str>, Error> {
        let places = self.places()?;
        Ok(places.into_iter().map(|index| self.program.arguments[index].name.as_str()).collect())
    }

    /// The derivative as a graph; its `Display` is the stable text form, made for snapshots.
    ///
    /// # Errors
    /// [`Error::UnknownArgument`], [`Error::NotDifferentiable`] or [`Error::RepeatedArgument`] for what is asked by
    /// [`Request::wrt`]; [`Error::SeveralResults`] where one result is needed.
    pub fn graph(&self) -> Result<Func, Error> {
        let results = self.program.func.results.len();
        if K::ONE_RESULT && results != 1 {
            return Err(Error::SeveralResults { found: results });
        }
        Ok(K::build(&self.program.func, &self.places()?, self.mode, self.order))
    }

    /// The derivative as code.
    ///
    /// # Errors
    /// As [`Request::graph`].
    pub fn compile(&self) -> Result<Compiled<K>, Error> {
        let graph = self.graph()?;
        let wrt = self.places()?;
        let layout = K::layout(&self.program.func, wrt.len(), self.order);
        let code = opt::relax(&opt::release(&graph), &self.relaxations);
        let code = match self.functions {
            Functions::Platform => code,
            Functions::Portable => math::expand(&code),
        };
        Ok(Compiled::new(self.program, code, layout, self.backend))
    }

    fn places(&self) -> Result<Vec<usize>, Error> {
        let arguments = &self.program.arguments;
        let Some(names) = &self.wrt else {
            let is_param = |&index: &usize| arguments[index].role == Role::Param;
            return Ok((0..arguments.len()).filter(is_param).collect());
        };
        let mut places = Vec::new();
        for name in names {
            let place = arguments.iter().position(|argument| argument.name == *name);
            let Some(place) = place else {
                let known: Vec<String> = arguments.iter().map(|argument| argument.name.clone()).collect();
                return Err(Error::UnknownArgument { name: name.clone(), known });
            };
            if arguments[place].role == Role::Index {
                return Err(Error::NotDifferentiable { name: name.clone() });
            }
            if places.contains(&place) {
                return Err(Error::RepeatedArgument { name: name.clone() });
            }
            places.push(place);
        }
        Ok(places)
    }
}

/// A kind of derivative: how it is built, and how its numbers lie in a call.
pub trait Kind: sealed::Sealed {
    /// Whether it is of one result only.
    const ONE_RESULT: bool;

    #[doc(hidden)]
    fn build(func: &Func, wrt: &[usize], mode: Mode, order: usize) -> Func;

    #[doc(hidden)]
    fn layout(func: &Func, wrt: usize, order: usize) -> Layout;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident, one result: $one:expr,
        build: |$func:ident, $wrt:ident, $mode:ident, $order:ident| $build:expr,
        layout: |$m:ident, $n:ident, $k:ident| ($seeds:expr, $outs:expr);)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $kind;

        impl sealed::Sealed for $kind {}

        impl Kind for $kind {
            const ONE_RESULT: bool = $one;

            fn build($func: &Func, $wrt: &[usize], $mode: Mode, $order: usize) -> Func {
                $build
            }

            fn layout(func: &Func, $n: usize, $k: usize) -> Layout {
                let $m = func.results.len();
                let (seeds, outs): (usize, [usize; 3]) = ($seeds, $outs);
                Layout { args: func.params.len(), seeds, outs }
            }
        }
    )*};
}

kinds! {
    /// The value of each result.
    Value, one result: false, build: |func, _wrt, _mode, _order| opt::compact(func),
        layout: |m, _n, _k| (0, [m, 0, 0]);
    /// The value and the first derivatives of one result.
    Gradient, one result: true, build: |func, wrt, mode, _order| ad::gradient(func, wrt, mode),
        layout: |_m, n, _k| (0, [1, n, 0]);
    /// The values and the first derivatives of all results.
    Jacobian, one result: false, build: |func, wrt, mode, _order| ad::jacobian(func, wrt, mode),
        layout: |m, n, _k| (0, [m, m * n, 0]);
    /// The value, the first and the second derivatives of one result.
    Hessian, one result: true, build: |func, wrt, mode, _order| ad::hessian(func, wrt, mode),
        layout: |_m, n, _k| (0, [1, n, n * n]);
    /// The values and their derivatives in a direction.
    Jvp, one result: false, build: |func, wrt, _mode, _order| ad::jvp(func, wrt),
        layout: |m, n, _k| (n, [m, m, 0]);
    /// The values and the derivatives of their weighted sum.
    Vjp, one result: false, build: |func, wrt, _mode, _order| ad::vjp(func, wrt),
        layout: |m, n, _k| (m, [m, n, 0]);
    /// The value, the gradient and the Hessian times a direction.
    HessianVector, one result: true, build: |func, wrt, _mode, _order| ad::hessian_vector(func, wrt),
        layout: |_m, n, _k| (n, [1, n, n]);
    /// The value and its derivatives by one argument, order by order.
    Nth, one result: true,
        build: |func, wrt, _mode, order| ad::nth(func, wrt.first().copied(), order),
        layout: |_m, _n, k| (0, [1, k, 0]);
}

/// Whether an argument is an integer in the graph.
pub(crate) fn is_int(func: &Func, index: usize) -> bool {
    func.params[index].ty == Type::Int
}
