//! What can be wrong with a formula, and how it is told.
//!
//! A [`Problem`] has a variant per cause with the facts and their places, no sentences. All sentences are in
//! one place, [`Problem::report`], as a [`Report`]; `error/render.rs` lays a report out. [`Error`] is problems
//! together with the text they are about, and [`Warning`]s are told in the same way.
//!
//! To add a cause, add a variant; the compiler then shows what else it needs.

use crate::ops::Fault;
use crate::program::ArgumentFaults;
use crate::span::Span;
use std::fmt;

mod arguments;
mod render;
mod reports;

pub use render::{Style, join, render, render_plain};
pub use reports::{nearest, shorten};

/// A cause of failure, with its places in the text.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
#[error("{}", self.report().message)]
pub enum Problem {
    // The text as a whole
    Empty {
        at: Span,
        only_comments: bool,
    },
    NotUtf8 {
        at: Span,
        byte: u8,
    },
    TooLong {
        bytes: usize,
        limit: usize,
    },
    TooDeep {
        at: Span,
        limit: u32,
    },
    NoThread {
        at: Span,
        depth: u32,
    },

    // Tokens
    UnknownSign {
        at: Span,
        sign: String,
        spelling: Option<&'static str>,
        mended: Option<String>,
    },
    MalformedNumber {
        at: Span,
        text: String,
        mended: Option<String>,
    },
    /// A constant that is rounded where an integer must stand.
    ConstantTooLarge {
        at: Span,
        value: f64,
    },
    NumberTooLarge {
        at: Span,
    },
    ReservedWord {
        at: Span,
        word: String,
    },
    MisplacedMark {
        at: Span,
    },

    // Brackets and lines
    Unclosed {
        opened: Span,
        bracket: char,
        at: Span,
    },
    Unopened {
        at: Span,
        bracket: char,
    },
    Mismatched {
        opened: Span,
        bracket: char,
        closed: Span,
        closer: char,
    },
    EmptyBrackets {
        at: Span,
    },
    /// A line begins with a sign, and whether it goes on with the statement above can't be seen.
    UnclearLine {
        sign: Span,
        above: Span,
        joined: String,
        apart: String,
    },

    // Expressions
    MissingOperand {
        at: Span,
        before: Option<(Span, String)>,
        found: Option<String>,
    },
    MissingArgument {
        at: Span,
    },
    ImplicitProduct {
        left: Span,
        right: Span,
        mended: String,
    },
    CallWithoutBrackets {
        name: Span,
        function: String,
        argument: Span,
        mended: String,
    },
    CallOfResult {
        callee: Span,
        arguments: Span,
        mended: String,
    },
    ChainedComparison {
        first: Span,
        second: Span,
        mended: String,
    },
    AssignInExpression {
        at: Span,
        mended: Option<String>,
    },
    AssignInBinder {
        at: Span,
        mended: String,
    },
    /// `sum(… for i in 0..n)`, `sum(i in 0..n)(…)`
    RoundBinders {
        at: Span,
        name: String,
    },
    LooseNot {
        not: Span,
        operator: Span,
        mended: String,
    },
    ConditionAfterValue {
        at: Span,
    },
    IfArguments {
        at: Span,
        found: u32,
    },
    MarkOnIf {
        at: Span,
    },
    NotReduction {
        at: Span,
        name: String,
        nearest: Option<String>,
    },
    OneIndex {
        at: Span,
        name: String,
    },
    SubscriptsThenCall {
        at: Span,
        subscripts: Span,
    },

    // Statements
    BadTarget {
        at: Span,
        equals: Span,
        target: String,
    },
    BareTupleTarget {
        at: Span,
        mended: String,
    },
    BareTuple {
        comma: Span,
        mended: String,
    },
    SecondAssign {
        first: Span,
        second: Span,
    },
    RangesWithoutElement {
        at: Span,
        name: String,
    },
    RangesWithoutDefinition {
        at: Span,
    },
    UnusedValue {
        at: Span,
        sign_below: Option<Span>,
    },
    DeclarationInBlock {
        at: Span,
    },
    /// A state goes on as something else than it begins with.
    StateChanges {
        name: String,
        at: Span,
        state_at: Span,
        before: String,
        after: String,
    },
    EndlessIterate {
        at: Span,
    },
    SecondLimit {
        at: Span,
        word: &'static str,
    },
    CounterWithoutRange {
        at: Span,
        name: String,
    },

    // Names
    DefinedTwice {
        name: String,
        at: Span,
        first: Span,
    },
    /// A parameter of the function that is the program, and a name outside of it.
    ArgumentTwice {
        name: String,
        at: Span,
        other: Span,
    },
    UsedTooEarly {
        name: String,
        at: Span,
        defined: Span,
    },
    UnknownName {
        name: String,
        at: Span,
        nearest: Option<String>,
    },
    UnknownFunction {
        name: String,
        at: Span,
        nearest: Option<String>,
    },
    /// `defined` is where a definition makes it something else; without one it is an argument.
    NotFunction {
        name: String,
        at: Span,
        defined: Option<Span>,
    },
    NameAndFunction {
        name: String,
        at: Span,
        call: Span,
    },
    CallsItself {
        name: String,
        at: Span,
    },

    // Kinds and calls
    WrongArity {
        name: String,
        at: Span,
        callee: Span,
        found: usize,
        least: usize,
        most: usize,
        defined: Option<Span>,
    },
    MarkNeedsOneArgument {
        name: String,
        at: Span,
    },
    WrongKind {
        at: Span,
        wanted: &'static str,
        found: &'static str,
    },
    DifferentBranches {
        at: Span,
        kind: &'static str,
        other_at: Span,
        other_kind: &'static str,
    },
    TupleSize {
        at: Span,
        names_at: Span,
        names: usize,
        found: Option<usize>,
    },
    DerivativeByComputed {
        at: Span,
        name: Option<String>,
    },
    DerivativeByInteger {
        at: Span,
        name: String,
    },
    NoResult {
        at: Span,
    },

    // Arrays and their sizes
    /// A name is used with different numbers of subscripts.
    UnclearRank {
        name: String,
        at: Span,
        other: Span,
    },
    RankOfArgument {
        name: String,
        at: Span,
        rank: usize,
        found: usize,
    },
    /// An argument isn't as long as its declaration says.
    ExtentOfArgument {
        name: String,
        at: Span,
        expected: usize,
        found: usize,
    },
    /// Two arguments give a size different numbers; without another place the caller gave it.
    SizeConflict {
        name: String,
        at: Span,
        size: i64,
        other: Option<Span>,
        other_size: i64,
    },
    UnknownSize {
        name: String,
        at: Span,
    },
    UnknownShape {
        name: String,
        at: Span,
        rank: usize,
    },
    NegativeExtent {
        at: Span,
        extent: i64,
    },
    /// A declared extent isn't made of sizes.
    ExtentNotKnown {
        at: Span,
    },
    /// The extent of an array depends on values; those of the `arguments` could be given beforehand.
    ExtentNotConstant {
        name: String,
        at: Span,
        arguments: Vec<String>,
    },
    TooManyDimensions {
        at: Span,
        limit: usize,
    },
    TooManyLoops {
        at: Span,
        limit: usize,
    },
    TooManyElements {
        at: Span,
        elements: f64,
        limit: usize,
    },
    /// An operator that has no meaning for arrays; the operands with their numbers of dimensions.
    NotElementwise {
        at: Span,
        operator: &'static str,
        left: (String, usize),
        right: (String, usize),
    },
    FunctionOfArray {
        at: Span,
    },
    DifferentShapes {
        at: Span,
        shape: Vec<usize>,
        other_at: Span,
        other: Vec<usize>,
    },
    NoDimensions {
        at: Span,
        found: &'static str,
    },
    TooManySubscripts {
        at: Span,
        found: usize,
        rank: usize,
    },

    // Indices and clauses
    NoRange {
        name: String,
        at: Span,
    },
    RangeConflict {
        name: String,
        at: Span,
        extent: usize,
        other_at: Span,
        other: usize,
    },
    SoftmaxWithoutIndex {
        name: String,
        at: Span,
    },
    /// A comprehension whose range doesn't begin at 0.
    StartsLater {
        name: String,
        at: Span,
        low: i64,
        high: i64,
    },
    /// The range of an array that ends before 0.
    NegativeCount {
        name: String,
        at: Span,
        extent: i64,
    },
    /// A range after `for` whose index isn't on the left.
    RangeOfNothing {
        name: String,
        at: Span,
        left: Span,
    },
    /// `z[i + 1] = …`
    ShiftedPlace {
        at: Span,
    },
    NegativePlace {
        at: Span,
        low: i64,
    },
    UnusedClause {
        name: String,
        at: Span,
        other: Span,
    },
    MissingElement {
        name: String,
        at: Span,
        defined: Span,
    },
    MissingElements {
        name: String,
        at: Span,
        defined: Span,
    },
    /// An array stands as a whole where its elements are being made.
    NotComplete {
        name: String,
        at: Span,
    },
    /// An element that is computed from itself, maybe `through` one of another array.
    DependsOnItself {
        name: String,
        at: Span,
        through: Option<String>,
        defined: Span,
    },
    /// A subscript that leaves its dimension: the least and the greatest value, the extent, and the range of an index that would
    /// fit.
    Outside {
        at: Span,
        low: i64,
        high: i64,
        extent: usize,
        range: Option<(String, i64, i64)>,
    },
    /// The loops of a call, one of them at this place, may make more turns than the caller allows.
    TooManyTurns {
        at: Span,
        turns: f64,
        limit: u64,
    },
    TooLarge {
        at: Span,
        operations: f64,
        limit: usize,
    },
    /// Integer arithmetic without a result, at run time.
    NoInteger {
        at: Span,
        fault: Fault,
    },
    /// An element that doesn't exist or has no value yet, at run time: the subscripts that it is read with, as far as they are told,
    /// with the extents of their dimensions.
    NoElement {
        at: Span,
        fault: Fault,
        subscripts: Vec<(i64, usize)>,
    },
    /// `argmax` over nothing, at run time.
    PlaceOfNothing {
        at: Span,
    },
    /// `let x = 3`
    UselessWord {
        at: Span,
        word: String,
    },

    /// What nothing above knows better: `wanted` is in words.
    Unexpected {
        at: Span,
        found: Option<String>,
        wanted: Option<&'static str>,
    },
}

/// What the user should know although the text means something.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
#[error("{}", self.report().message)]
pub enum Warning {
    /// `name` mixes scripts and reads like `other`.
    Lookalike { name: String, at: Span, other: String, other_at: Span },
    /// The name of a built-in function stands for an argument.
    FunctionAsName { name: String, at: Span },
    /// An index has the name of a size or of another index.
    Hides { name: String, at: Span, other: Span },
    /// A derivative by a name that the value can't depend on.
    ZeroDerivative { at: Span, name: String },
}

/// Problems and warnings in words.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Report {
    /// A lower-case clause.
    pub message: String,
    pub at: Span,
    pub label: String,
    /// The second place, where two matter.
    pub other: Option<(Span, String)>,
    pub help: Vec<String>,
}

/// Whatever can go wrong between a text and the numbers.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum Error {
    /// The text is no program, or integer arithmetic in it has no result at a point.
    #[error(transparent)]
    Formula(Box<FormulaError>),
    /// Values given by name don't fit the arguments.
    #[error("{0}")]
    Arguments(Box<ArgumentFaults>),
    #[error("`{name}` is not an argument of the program; these are: {}", known.join(", "))]
    UnknownArgument { name: String, known: Vec<String> },
    #[error("`{name}` is an integer; there is no derivative by it")]
    NotDifferentiable { name: String },
    #[error("`{name}` is asked for twice")]
    RepeatedArgument { name: String },
    /// A gradient or Hessian is of one result.
    #[error("the program has {found} results, so its derivatives form a jacobian")]
    SeveralResults { found: usize },
    /// A gradient or Hessian is of one number.
    #[error("the result is an array of {}, so its derivatives form a jacobian", shape_text(shape))]
    ArrayResult { shape: Vec<usize> },
    /// There is no graph before sizes are known.
    #[error("the sizes of the arrays are not known yet{}", size_list(sizes))]
    Open { sizes: Vec<String> },
    /// There is no code for any number of rows.
    #[error("code can't be made for any number `{size}`")]
    FixedRows { size: String },
    /// A call has too few or too many slices.
    #[error("{what}: expected {expected}, found {found}")]
    Slices { what: &'static str, expected: usize, found: usize },
    /// The slice of an argument or result has the wrong length.
    #[error("`{name}`: expected {expected} numbers, found {found}")]
    Elements { name: String, expected: usize, found: usize },
    /// A slice of a call has the wrong length.
    #[error("{what}: expected {expected} numbers, found {found}")]
    Length { what: &'static str, expected: usize, found: usize },
    #[error("`{name}` is an integer, and {value} is none")]
    NotWhole { name: String, value: f64 },
    /// A batch has too few or too many columns.
    #[error("{what}: expected {expected} columns, found {found}")]
    Columns { what: &'static str, expected: usize, found: usize },
    /// A column of a batch is not as long as there are points.
    #[error("`{name}` has {found} numbers, and there are {points} points")]
    Column { name: String, points: usize, found: usize },
    /// A slice of a batch doesn't hold whole rows.
    #[error("{what}: {len} numbers are no rows of {width} that begin {stride} apart")]
    Rows { what: &'static str, len: usize, stride: usize, width: usize },
    /// A point of a batch, counted from 0, has no result.
    #[error("point {index}: {error}")]
    AtPoint { index: usize, error: Box<Error> },
}

impl Error {
    /// The error in words, with its place and the remedy where there are any.
    pub fn render(&self, style: Style) -> String {
        match self {
            Error::Formula(error) => error.render(style),
            Error::Arguments(faults) => faults.render(style),
            Error::AtPoint { index, error } => {
                let point = render_plain(&format!("point {index} has no result"), &[], Level::Error, style);
                render::join([point, error.render(style)].into_iter())
            }
            other => render_plain(&other.to_string(), &other.help(), Level::Error, style),
        }
    }

    fn help(&self) -> Vec<String> {
        let help = match self {
            Error::UnknownArgument { name, known } => {
                let nearest = nearest(name, known.iter().map(String::as_str));
                nearest.map(|nearest| format!("did you mean `{nearest}`?"))
            }
            Error::FixedRows { .. } => {
                Some("bind it to a number, or call by name: then code is made for each number".to_owned())
            }
            Error::NotDifferentiable { .. } => Some("differentiate by numbers: `param` or `data` arguments".to_owned()),
            Error::SeveralResults { .. } => Some("ask for its `jacobian`, or make it one result".to_owned()),
            Error::ArrayResult { .. } => {
                Some("ask for its `jacobian`, or make it a number, such as `sum[i](y[i]^2)`".to_owned())
            }
            Error::Open { .. } => {
                Some("`Program::bind` gives them, or `with` takes them from the arguments".to_owned())
            }
            Error::NotWhole { .. } => Some("arguments declared `index` are whole numbers".to_owned()),
            Error::RepeatedArgument { .. } => Some("name each argument once".to_owned()),
            Error::Formula(_)
            | Error::Arguments(_)
            | Error::Length { .. }
            | Error::Slices { .. }
            | Error::Elements { .. }
            | Error::Columns { .. }
            | Error::Column { .. }
            | Error::Rows { .. }
            | Error::AtPoint { .. } => None,
        };
        help.into_iter().collect()
    }
}

/// `3 × 4`
pub fn shape_text(shape: &[usize]) -> String {
    shape.iter().map(usize::to_string).collect::<Vec<_>>().join(" × ")
}

fn size_list(sizes: &[String]) -> String {
    if sizes.is_empty() { String::new() } else { format!(": {}", sizes.join(", ")) }
}

/// Everything that is wrong with one text. Displays as a message for each problem, in order of place.
#[derive(Clone, PartialEq, Debug)]
pub struct FormulaError {
    pub problems: Vec<Problem>,
    pub source: String,
    /// `formula`, or the name of a file.
    pub source_name: String,
}

impl FormulaError {
    pub fn new(source_name: &str, source: &str, mut problems: Vec<Problem>) -> FormulaError {
        problems.sort_by_key(Problem::span);
        FormulaError { problems, source: source.to_string(), source_name: source_name.to_string() }
    }

    pub fn render(&self, style: Style) -> String {
        let reports = self
            .problems
            .iter()
            .map(|problem| render(&problem.report(), Level::Error, &self.source, &self.source_name, style));
        join(reports)
    }
}

impl fmt::Display for FormulaError {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.render(Style::Plain))
    }
}

impl std::error::Error for FormulaError {}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Level {
    Error,
    Warning,
    /// What was asked for, such as where a NaN was born.
    Note,
}

/// The warnings of one text, a message each, in order of place.
pub fn render_warnings(warnings: &[Warning], source: &str, source_name: &str, style: Style) -> String {
    let mut reports = warnings.iter().map(Warning::report).collect::<Vec<_>>();
    reports.sort_by_key(|report| report.at);
    let texts = reports.iter().map(|report| render(report, Level::Warning, source, source_name, style));
    join(texts)
}

impl Problem {
    /// The place a message points at.
    pub fn span(&self) -> Span {
        self.report().at
    }
}
