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

mod bind;

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};

use crate::ad::{self, Mode};
use crate::array::ArrayView;
use crate::ast::{Ast, NodeKind, Role, Statement, StatementKind, Target};
use crate::batch::{Column, Points};
use crate::call::{Cache, Call};
use crate::compiled::Compiled;
use crate::error::{Error, FormulaError, Problem, Style, Warning, nearest, render_warnings};
#[cfg(feature = "fit")]
use crate::ir::{Builder, Output};
use crate::ir::{Func, Val};
#[cfg(feature = "fit")]
use crate::ops::Op;
use crate::ops::Type;
use crate::opt::{self, Relaxation};
use crate::span::Span;
use crate::{Limits, lower, syntax};
pub use bind::{Binding, Misfit};

/// An argument of a program.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Argument {
    pub name: String,
    pub role: Role,
    /// The extents of an array, outermost first; a number has none.
    pub extents: Vec<Extent>,
    /// Where it is declared or first used.
    pub at: Span,
}

/// How long an argument is along one of its dimensions, as the text says it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Extent {
    /// `x[3]`
    Fixed(usize),
    /// `x[N]`
    Size(String),
    /// `x[2*N + 1]`: the text of an expression that is checked, not solved for.
    Computed(String),
    /// The text says nothing.
    Open,
}

impl fmt::Display for Extent {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Extent::Fixed(extent) => write!(f, "{extent}"),
            Extent::Size(text) | Extent::Computed(text) => f.write_str(text),
            Extent::Open => f.write_str("…"),
        }
    }
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
    /// The tree of a text with arrays, to be lowered for other sizes.
    ast: Option<Arc<Ast>>,
    limits: Limits,
    func: Func,
    arguments: Vec<Argument>,
    /// The names of extents, with their numbers once these are known.
    sizes: Vec<(String, Option<i64>)>,
    /// Whether there is no graph before sizes are known.
    is_open: bool,
    /// The values of `index` arguments that the graph is made for, by place.
    specialised: Vec<(usize, i64)>,
    definitions: Vec<Definition>,
    warnings: Vec<Warning>,
    cache: Cache,
}

impl Program {
    /// Understands a text. A program with arrays has a graph only for given sizes: [`Program::bind`] gives them, or
    /// [`Request::with`] takes them from the arrays of a call.
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
        let (ast, warnings) = syntax::parse(source, limits).map_err(fail)?;
        let program = Program {
            source: source.into(),
            source_name: source_name.into(),
            limits: *limits,
            func: Func::default(),
            arguments: Vec::new(),
            sizes: Vec::new(),
            is_open: true,
            specialised: Vec::new(),
            definitions: Vec::new(),
            warnings,
            cache: Cache::default(),
            ast: None,
        };
        if !mentions_arrays(&ast) {
            let lowered = lower::lower(&ast, limits, &Binding::default()).map_err(fail)?;
            return Ok(program.with_graph(&ast, lowered));
        }
        let program = program.with_names(&ast).map_err(fail)?;
        let program = Program { ast: Some(Arc::new(ast)), ..program };
        let is_fixed = |argument: &Argument| argument.extents.iter().all(|extent| matches!(extent, Extent::Fixed(_)));
        if !(program.sizes.is_empty() && program.arguments.iter().all(is_fixed)) {
            return Ok(program);
        }
        let by_index = |problem: &Problem| matches!(problem, Problem::ExtentNotConstant { .. });
        match program.lowered(&Binding::default()) {
            Err(problems) if !problems.iter().all(by_index) => Err(fail(problems)),
            lowered => Ok(lowered.unwrap_or(program)),
        }
    }

    /// With what is known of the text before it has a graph.
    fn with_names(self, ast: &Ast) -> Result<Program, Vec<Problem>> {
        let names = lower::resolve(ast);
        if !names.problems.is_empty() {
            return Err(names.problems);
        }
        let arguments = names.arguments.iter().map(|argument| Argument::new(argument, ast, &self.source));
        let sizes = names.sizes.iter().map(|&(name, _)| (ast.name(name).to_owned(), None));
        let (arguments, sizes) = (arguments.collect(), sizes.collect());
        Ok(Program {
            arguments,
            sizes,
            warnings: self.warnings.iter().cloned().chain(names.warnings).collect(),
            ..self
        })
    }

    /// The program for these sizes: a program with a graph.
    ///
    /// # Errors
    /// [`Error::Arguments`] for names that are not of this program; [`Error::Formula`] where shapes don't agree with each other or with
    /// the text, and for what else is wrong with the text at these sizes, such as a subscript that leaves its array.
    pub fn bind(&self, binding: &Binding) -> Result<Program, Error> {
        self.check(binding)?;
        self.lowered(binding).map_err(|problems| self.wrong(problems))
    }

    /// The program with its graph at these sizes.
    fn lowered(&self, binding: &Binding) -> Result<Program, Vec<Problem>> {
        let Some(ast) = &self.ast else { return Ok(self.clone()) };
        let mut program = self.with_graph(ast, lower::lower(ast, &self.limits, binding)?);
        for (place, value) in &mut program.specialised {
            *value = binding.index.get(&program.arguments[*place].name).copied().unwrap_or_default();
        }
        Ok(program)
    }

    fn with_graph(&self, ast: &Ast, lowered: lower::Lowered) -> Program {
        let definition =
            |&(name, at, value): &(_, Span, Val)| Definition { name: ast.name(name).to_owned(), at, value };
        let arguments = lowered.arguments.iter().map(|argument| Argument::new(argument, ast, &self.source));
        let arguments: Vec<Argument> = arguments.collect();
        let place = |name: &String| arguments.iter().position(|argument| argument.name == *name);
        let mut warnings = self.warnings.clone();
        warnings.extend(lowered.warnings.into_iter().filter(|warning| !self.warnings.contains(warning)));
        let specialised = lowered.specialised.iter().filter_map(place).map(|place| (place, 0)).collect();
        Program {
            definitions: lowered.definitions.iter().map(definition).collect(),
            func: lowered.func,
            arguments,
            sizes: lowered.sizes.into_iter().map(|(name, size)| (name, Some(size))).collect(),
            is_open: false,
            specialised,
            warnings,
            cache: Cache::default(),
            ..self.clone()
        }
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

    /// The names of the results; a single one without a name is empty. [Open](Program::is_open) programs have none yet.
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

    /// The names of extents in the text, with their numbers where they are known.
    pub fn sizes(&self) -> &[(String, Option<i64>)] {
        &self.sizes
    }

    /// Whether sizes must be known before there is a graph. See [`Program::bind`].
    pub fn is_open(&self) -> bool {
        self.is_open
    }

    /// Whether arguments, results or anything on the way are arrays.
    pub fn has_arrays(&self) -> bool {
        self.is_open || self.func.has_regions()
    }

    /// The extents of an argument, where they are known; of a number none.
    pub fn shape_of(&self, argument: &str) -> Option<&[usize]> {
        let param = self.func.params.iter().find(|param| param.name == argument)?;
        Some(&param.shape)
    }

    /// The primal as a graph. Its `Display` is the stable text form. [Open](Program::is_open) programs have an empty one.
    pub fn graph(&self) -> &Func {
        &self.func
    }

    /// The values of the arguments in order, from values by name. Names are compared in NFKC form, like those of the text.
    ///
    /// # Errors
    /// [`Error::Arguments`] with all names that are unknown, missing, or given twice, and integers that are not whole.
    pub fn point<'n>(&self, values: impl IntoIterator<Item = (&'n str, f64)>) -> Result<Vec<f64>, Error> {
        let (given, mut faults) = self.by_name(values.into_iter().map(|(name, value)| (Cow::Borrowed(name), value)));
        for (argument, value) in self.arguments.iter().zip(&given) {
            if !argument.extents.is_empty() {
                let misfit = Misfit::Rank { expected: argument.extents.clone(), found: Vec::new() };
                faults.misfits.push((argument.name.clone(), Some(argument.at), misfit));
            } else if argument.role == Role::Index
                && let Some(number) = value.filter(|&number| !is_whole(number))
            {
                faults.not_whole.push((argument.name.clone(), number));
            }
        }
        self.told(faults)?;
        Ok(given.into_iter().flatten().collect())
    }

    /// The columns of a batch in order, from columns by name, as [`Program::point`].
    ///
    /// For an argument that is an array, the column has its elements row by row: [`Column::array`] the same for all points,
    /// [`Column::Each`] those of one point after those of the other, [`Column::Every`] those of a point from `i * stride` on.
    ///
    /// # Errors
    /// As [`Program::point`], and [`Error::Rows`] where an array is cut short; the numbers of integers are looked at when the
    /// batch runs. An [open](Program::is_open) program is [`Error::Open`].
    pub fn columns<'n, 'c, C: Into<Column<'c>>>(
        &self,
        columns: impl IntoIterator<Item = (&'n str, C)>,
    ) -> Result<Points<'c>, Error> {
        let columns = columns.into_iter().map(|(name, column)| (Cow::Borrowed(name), column.into()));
        let (given, mut faults) = self.by_name(columns);
        for (argument, column) in self.arguments.iter().zip(&given) {
            if let (false, Some(Column::Same(_))) = (argument.extents.is_empty(), column) {
                let misfit = Misfit::Rank { expected: argument.extents.clone(), found: Vec::new() };
                faults.misfits.push((argument.name.clone(), Some(argument.at), misfit));
            }
        }
        self.told(faults)?;
        self.known()?;
        let mut columns = Vec::with_capacity(self.arguments.len());
        for (argument, column) in self.arguments.iter().zip(given.into_iter().flatten()) {
            match self.shape_of(&argument.name) {
                None | Some([]) => columns.push(column),
                Some(shape) => columns.extend(column.elements(&argument.name, shape.iter().product())?),
            }
        }
        Ok(Points::Columns(columns))
    }

    /// What is given for each argument, and which names are wrong.
    fn by_name<'n, T>(&self, values: impl IntoIterator<Item = (Cow<'n, str>, T)>) -> (Vec<Option<T>>, ArgumentFaults) {
        let known: HashMap<&str, usize> =
            self.arguments.iter().map(|argument| argument.name.as_str()).zip(0..).collect();
        let mut given: Vec<Option<T>> = self.arguments.iter().map(|_| None).collect();
        let mut seen: HashSet<String> = HashSet::new();
        let mut faults = ArgumentFaults::default();
        for (name, value) in values {
            let name = syntax::canonical_name(&name);
            if !seen.insert(name.to_string()) {
                faults.twice.push(name.into_owned());
            } else if let Some(&place) = known.get(&*name) {
                given[place] = Some(value);
            } else {
                let known = self.arguments.iter().map(|argument| argument.name.as_str());
                faults.unknown.push((name.to_string(), nearest(&name, known).map(str::to_owned)));
            }
        }
        let missing = self.arguments.iter().zip(&given).filter(|(_, given)| given.is_none());
        faults.missing = missing.map(|(argument, _)| argument.clone()).collect();
        (given, faults)
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
        let mut request = Request::new(self);
        request.wish.order = order;
        request
    }

    /// The sum of the squares of the results, in their order, as a program of the same arguments.
    #[cfg(feature = "fit")]
    pub(crate) fn squares(&self) -> Program {
        let mut builder = Builder::resume(self.func.clone());
        let mut sum = None;
        for result in &self.func.results {
            let square = square(&mut builder, result.value);
            sum = Some(sum.map_or(square, |sum| builder.binary(Op::Add, sum, square)));
        }
        let value = sum.unwrap_or_else(|| builder.f64(0.0));
        Program { func: builder.finish(vec![Output { name: String::new(), value }]), ..self.clone() }
    }

    /// A failure of a call at run time, in words.
    pub(crate) fn problem(&self, problem: Problem) -> Error {
        self.wrong(vec![problem])
    }

    fn wrong(&self, problems: Vec<Problem>) -> Error {
        Error::Formula(Box::new(FormulaError::new(&self.source_name, &self.source, problems)))
    }

    /// The values of `index` arguments that the graph is made for, by place: with others there is another graph.
    pub fn specialised(&self) -> &[(usize, i64)] {
        &self.specialised
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(crate) fn cache(&self) -> &Cache {
        &self.cache
    }

    /// The same program with nothing compiled yet: what code keeps, so that a program and its code don't keep each other.
    /// That there is a graph.
    fn known(&self) -> Result<(), Error> {
        match self.is_open {
            true => Err(Error::Open { sizes: self.sizes.iter().map(|(name, _)| name.clone()).collect() }),
            false => Ok(()),
        }
    }

    pub(crate) fn without_code(&self) -> Program {
        Program { cache: Cache::default(), ..self.clone() }
    }
}

/// Whether there is any array, or loop, in a text.
fn mentions_arrays(ast: &Ast) -> bool {
    let is_array = |kind: NodeKind| matches!(kind, NodeKind::Subscript { .. } | NodeKind::Array(_) | NodeKind::Form(_));
    let is_shaped = |statement: &Statement| match &statement.kind {
        StatementKind::Declare { items, .. } => items.iter().any(|item| !item.shape.is_empty()),
        StatementKind::Define { target, .. } => matches!(target, Target::Element { .. }),
        StatementKind::Expression(_) => false,
    };
    ast.nodes.iter().any(|node| is_array(node.kind))
        || ast.blocks.iter().flat_map(|block| &block.statements).any(is_shaped)
}

/// The square of a number; of an array the sum of the squares of its elements.
#[cfg(feature = "fit")]
fn square(builder: &mut Builder, val: Val) -> Val {
    let extents = builder.func().shape(val).to_vec();
    let indices: Vec<Val> = extents.iter().map(|_| builder.index()).collect();
    let mut number = builder.read(val, &indices);
    if builder.func().ty(number) == Type::Int {
        number = builder.unary(Op::ToF64, number);
    }
    let mut square = builder.binary(Op::Mul, number, number);
    for (&index, &extent) in indices.iter().zip(&extents).rev() {
        let (low, high) = (builder.int(0), builder.int(extent as i64));
        square = builder.sum(index, low, high, square);
    }
    square
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
    /// Arguments without a value.
    pub missing: Vec<Argument>,
    pub twice: Vec<String>,
    /// `index` arguments that are no whole number, or an element of them.
    pub not_whole: Vec<(String, f64)>,
    /// Arguments of another form than the text uses, with their declaration or first use.
    pub misfits: Vec<(String, Option<Span>, Misfit)>,
    /// Directions and weights of what has none, with the nearest that has.
    pub unknown_seeds: Vec<(String, Option<String>)>,
    /// Names that are no size, with the nearest that is.
    pub unknown_sizes: Vec<(String, Option<String>)>,
    pub source: Arc<str>,
    pub source_name: Arc<str>,
}

impl ArgumentFaults {
    fn is_empty(&self) -> bool {
        let ArgumentFaults { unknown, missing, twice, not_whole, misfits, .. } = self;
        let ArgumentFaults { unknown_seeds, unknown_sizes, .. } = self;
        let names = unknown.is_empty() && missing.is_empty() && twice.is_empty() && not_whole.is_empty();
        names && misfits.is_empty() && unknown_seeds.is_empty() && unknown_sizes.is_empty()
    }
}

/// What to compute of a program, and how. Nothing happens before [`Request::graph`] or [`Request::compile`].
#[derive(Clone, Debug)]
pub struct Request<'p, K> {
    program: &'p Program,
    wish: Wish,
    kind: PhantomData<K>,
}

/// What is asked for, of whatever program.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Wish {
    wrt: Option<Vec<String>>,
    mode: Mode,
    relaxations: Vec<Relaxation>,
    backend: Backend,
    order: usize,
}

impl Wish {
    pub(crate) fn backend(&self) -> Backend {
        self.backend
    }
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
        Request { program, wish: Wish { order: 1, ..Wish::default() }, kind: PhantomData }
    }

    /// Differentiates by these arguments, in this order, instead of by all that are `param`.
    pub fn wrt<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        let canonical = |name: N| syntax::canonical_name(&name.into()).into_owned();
        self.wish.wrt = Some(names.into_iter().map(canonical).collect());
        self
    }

    /// Chooses the mode of differentiation.
    pub fn mode(mut self, mode: Mode) -> Self {
        self.wish.mode = mode;
        self
    }

    /// Allows one relaxation of floating-point arithmetic.
    pub fn relax(mut self, relaxation: Relaxation) -> Self {
        self.wish.relaxations.push(relaxation);
        self
    }

    /// Chooses what runs the graph.
    pub fn backend(mut self, backend: Backend) -> Self {
        self.wish.backend = backend;
        self
    }

    /// A call by name, beginning with an argument. It computes what is asked for at once: sizes are taken from the arrays, and
    /// the code is kept for the next call with the same sizes, or with another number of rows ([`Request::any_rows`]).
    ///
    /// ```
    /// # fn main() -> Result<(), chainrule::Error> {
    /// let program = chainrule::Program::parse("x*exp(z)")?;
    /// let answer = program.gradient().with("x", 2.0).with("z", 0.0).run()?;
    /// assert_eq!(answer.value(), 2.0);
    /// assert_eq!(answer["d_x"].number(), Some(1.0));
    /// # Ok(()) }
    /// ```
    pub fn with<'a>(self, name: &'a str, value: impl Into<ArrayView<'a>>) -> Call<'a, K>
    where
        'p: 'a,
    {
        self.by_name().with(name, value)
    }

    /// A call by name without an argument yet.
    pub fn by_name<'a>(self) -> Call<'a, K>
    where
        'p: 'a,
    {
        Call::asking(self)
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
        let (program, func) = (self.program, &self.program.func);
        program.known()?;
        if K::ONE_RESULT && func.results.len() != 1 {
            return Err(Error::SeveralResults { found: func.results.len() });
        }
        if K::ONE_RESULT && func.is_array(func.results[0].value) {
            return Err(Error::ArrayResult { shape: func.shape(func.results[0].value).to_vec() });
        }
        Ok(K::build(func, &self.places()?, self.wish.mode, self.wish.order))
    }

    /// The derivative as code.
    ///
    /// # Errors
    /// As [`Request::graph`].
    pub fn compile(&self) -> Result<Compiled<K>, Error> {
        let code = self.code_graph()?;
        let wrt = self.places()?;
        let counts = K::counts(self.program.func.results.len(), wrt.len(), self.wish.order);
        let seeds = K::seeds(&self.program.func, &wrt);
        Ok(Compiled::new(self.program, code, counts, seeds, self.wish.backend))
    }

    /// The derivative as a graph after all passes.
    pub(crate) fn code_graph(&self) -> Result<Func, Error> {
        Ok(opt::relax(&opt::release(&self.graph()?), &self.wish.relaxations))
    }

    pub(crate) fn wish(&self) -> &Wish {
        &self.wish
    }

    /// The same request of another program, which is this one at some sizes.
    pub(crate) fn of<'q>(&self, program: &'q Program) -> Request<'q, K> {
        Request::of_wish(program, self.wish.clone())
    }

    /// A request of a program.
    pub(crate) fn of_wish(program: &'p Program, wish: Wish) -> Request<'p, K> {
        Request { program, wish, kind: PhantomData }
    }

    pub(crate) fn program(&self) -> &'p Program {
        self.program
    }

    pub(crate) fn places(&self) -> Result<Vec<usize>, Error> {
        let arguments = &self.program.arguments;
        let Some(names) = &self.wish.wrt else {
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
pub trait Kind: sealed::Sealed + Sized + 'static {
    /// Whether it is of one result only.
    const ONE_RESULT: bool;

    #[doc(hidden)]
    fn build(func: &Func, wrt: &[usize], mode: Mode, order: usize) -> Func;

    /// How many values, first and second derivatives there are: of so many results, by so many arguments.
    #[doc(hidden)]
    fn counts(results: usize, wrt: usize, order: usize) -> [usize; 3];

    /// What the seeds of a call belong to.
    #[doc(hidden)]
    fn seeds(func: &Func, wrt: &[usize]) -> Vec<String>;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident, one result: $one:expr,
        build: |$func:ident, $wrt:ident, $mode:ident, $order:ident| $build:expr,
        counts: |$m:ident, $n:ident, $k:ident| $counts:expr
        $(, seeds: $seeds:expr)?;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Debug)]
        pub struct $kind;

        impl sealed::Sealed for $kind {}

        impl Kind for $kind {
            const ONE_RESULT: bool = $one;

            fn build($func: &Func, $wrt: &[usize], $mode: Mode, $order: usize) -> Func {
                $build
            }

            fn counts($m: usize, $n: usize, $k: usize) -> [usize; 3] {
                $counts
            }

            fn seeds(_func: &Func, _wrt: &[usize]) -> Vec<String> {
                let seeds: Option<fn(&Func, &[usize]) -> Vec<String>> = None$(.or(Some($seeds)))?;
                seeds.map(|seeds| seeds(_func, _wrt)).unwrap_or_default()
            }
        }
    )*};
}

kinds! {
    /// The value of each result.
    Value, one result: false, build: |func, _wrt, _mode, _order| opt::loops::tidy(func),
        counts: |m, _n, _k| [m, 0, 0];
    /// The value and the first derivatives of one result.
    Gradient, one result: true, build: |func, wrt, mode, _order| ad::gradient(func, wrt, mode),
        counts: |_m, n, _k| [1, n, 0];
    /// The values and the first derivatives of all results.
    Jacobian, one result: false, build: |func, wrt, mode, _order| ad::jacobian(func, wrt, mode),
        counts: |m, n, _k| [m, m * n, 0];
    /// The value, the first and the second derivatives of one result.
    Hessian, one result: true, build: |func, wrt, mode, _order| ad::hessian(func, wrt, mode),
        counts: |_m, n, _k| [1, n, n * n];
    /// The values and their derivatives in a direction.
    Jvp, one result: false, build: |func, wrt, _mode, _order| ad::jvp(func, wrt),
        counts: |m, _n, _k| [m, m, 0], seeds: arguments;
    /// The values and the derivatives of their weighted sum.
    Vjp, one result: false, build: |func, wrt, _mode, _order| ad::vjp(func, wrt),
        counts: |m, n, _k| [m, n, 0], seeds: numbers;
    /// The value, the gradient and the Hessian times a direction.
    HessianVector, one result: true, build: |func, wrt, _mode, _order| ad::hessian_vector(func, wrt),
        counts: |_m, n, _k| [1, n, n], seeds: arguments;
    /// The value and its derivatives by one argument, order by order.
    Nth, one result: true,
        build: |func, wrt, _mode, order| ad::nth(func, wrt.first().copied(), order),
        counts: |_m, _n, k| [1, k, 0];
}

/// A direction has a part for each argument that is differentiated by.
fn arguments(func: &Func, wrt: &[usize]) -> Vec<String> {
    wrt.iter().map(|&index| func.params[index].name.clone()).collect()
}

/// Weights are for the results that are numbers or arrays of numbers.
fn numbers(func: &Func, _: &[usize]) -> Vec<String> {
    let results = func.results.iter().filter(|result| func.ty(result.value) == Type::F64);
    results.map(|result| if result.name.is_empty() { "value".to_owned() } else { result.name.clone() }).collect()
}

/// Whether an argument is an integer in the graph.
pub(crate) fn is_int(func: &Func, index: usize) -> bool {
    func.params[index].ty == Type::Int
}
