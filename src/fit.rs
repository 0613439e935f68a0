//! Fitting: the parameters that make a program's residuals or loss least over the rows of a table.
//!
//! ```
//! use chainrule::Program;
//! use chainrule::fit::Fit;
//!
//! # fn main() -> Result<(), chainrule::fit::Error> {
//! let x = [1.0, 2.0, 3.0, 4.0];
//! let y = [2.9, 5.2, 6.8, 9.1];
//! let program = Program::parse("data x, y; param a, b; y - (a*x + b)")?;
//! let fit = Fit::new(&program).columns([("x", &x), ("y", &y)]).at([("a", 1.0), ("b", 0.0)]).run()?;
//!
//! assert!(fit.reason.converged());
//! assert!((fit.params[0].value - 2.02).abs() < 1e-12);      // a, with fit.params[0].stderr
//! # Ok(()) }
//! ```
//!
//! A row of the table gives the program its `data`; the parameters are the same for all rows. What is minimised is a [`Loss`]: the sum
//! of the squares of the program's values, which then are residuals, or the mean of its values. A program may take its data as whole
//! arrays instead ([`Fit::data`]), and give all its residuals in an array, or the loss; parameters may be arrays too:
//!
//! ```
//! # use chainrule::{Program, fit::Fit};
//! # fn main() -> Result<(), chainrule::fit::Error> {
//! let program = Program::parse("data x[N, D], y[N]; param w[D]; r[i] = y[i] - sum[j](x[i, j]*w[j]); r")?;
//! let x = [[1.0, 1.0], [1.0, 2.0], [1.0, 3.0]];
//! let fit = Fit::new(&program).data("x", &x).data("y", &[3.0, 5.0, 7.0]).with("w", &[0.0, 0.0]).run()?;
//!
//! assert_eq!(fit.params[1].name, "w[1]");
//! assert!((fit.array("w").unwrap().data[1] - 2.0).abs() < 1e-12);
//! # Ok(()) }
//! ```
//!
//! The derivatives are those of
//! [`Program::gradient`] and [`Program::jacobian`], computed in batches; elementary functions are our own, and all sums have one order; chance comes from a
//! seed. So a fit is the same, to the bit, on every machine and with any number of threads.
//!
//! - [`objective`] is the seam between what is minimised and how; [`table`], [`calls`] and [`slices`] what is: programs of numbers, with
//!   arrays, and with rows of arrays. [`layout`] knows where the elements of fitted arrays are.
//! - [`least_squares`] is Levenberg's and Marquardt's method on the [`triangle`] of the Jacobian, [`lbfgs`] a quasi-Newton
//!   method, [`descent`] gradient descent in batches with its [`schedule`].
//! - [`monitor`] goes along with all of them, [`statistics`] come last.
//! - [`bounds`] and [`random`] are what their names say.

mod bounds;
mod calls;
mod descent;
mod error;
mod layout;
mod lbfgs;
mod least_squares;
mod monitor;
mod objective;
mod random;
mod schedule;
mod slices;
mod statistics;
mod table;
mod triangle;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};
use std::sync::atomic::AtomicBool;

use crate::ast::Role;
use crate::{Argument, Array, ArrayView, Binding, Program, syntax};
use bounds::Bounds;
use calls::Calls;
use descent::Training;
use layout::{Layout, Slot};
use monitor::Monitor;
use objective::Objective;
use random::{Purpose, Random};
use slices::{Codes, Cut, Slices};
use table::{Code, Place, Table};

pub use error::Error;
pub use schedule::Schedule;
pub use statistics::Squares;

/// What is minimised.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Loss {
    /// The sum of the squares of the program's values, which are residuals. Of a program with several results, of all of them.
    Squares,
    /// The mean of the program's values.
    Mean,
}

/// How it is minimised.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Method {
    /// Gradient descent with all rows at once.
    Gd,
    /// Gradient descent with batches of rows.
    Sgd,
    /// Gradient descent in batches, with a speed that outlasts a step.
    Momentum,
    /// Gradient descent in batches, with steps in the scale of each parameter's slopes (Kingma and Ba 2015).
    Adam,
    /// A quasi-Newton method with limited memory.
    Lbfgs,
    /// Levenberg and Marquardt's method for least squares.
    Lm,
}

impl Method {
    /// Whether it goes by epochs at a learning rate.
    pub fn is_descent(self) -> bool {
        match self {
            Method::Gd | Method::Sgd | Method::Momentum | Method::Adam => true,
            Method::Lbfgs | Method::Lm => false,
        }
    }

    /// The learning rate, where none is said.
    pub fn default_rate(self) -> f64 {
        match self {
            Method::Gd => 0.1,
            Method::Sgd | Method::Momentum | Method::Adam | Method::Lbfgs | Method::Lm => 0.01,
        }
    }

    /// The tolerance, where none is said: of [`Method::Lm`] as fine as doubles are.
    pub fn default_tolerance(self) -> f64 {
        match self {
            Method::Lm => 1e-15,
            Method::Lbfgs => 1e-12,
            Method::Gd | Method::Sgd | Method::Momentum | Method::Adam => 1e-6,
        }
    }

    /// The greatest number of iterations, where none is said.
    pub fn default_iterations(self) -> usize {
        match self {
            Method::Lm | Method::Lbfgs => 10_000,
            Method::Gd | Method::Sgd | Method::Momentum | Method::Adam => 1_000,
        }
    }
}

/// How a fit goes. `Settings::default()` is Levenberg and Marquardt's method; where there is an `Option`, `None` lets the method say.
#[derive(Clone, Debug)]
pub struct Settings {
    pub method: Method,
    /// [`Loss::Squares`] for [`Method::Lm`] and for programs that plainly are residuals: they have several results, or some column enters
    /// linearly, with a slope that no parameter changes, as `y` in `y - a*x` and `(y - a*x)/s`. Otherwise [`Loss::Mean`].
    pub loss: Option<Loss>,
    /// The greatest number of iterations: epochs, those before a resumption among them, or steps that are tried.
    pub iterations: Option<usize>,
    /// The relative change of the loss that counts as nothing: over one step ([`Method::Lm`], whose other tests have the same tolerance), each of
    /// three ([`Method::Lbfgs`]) or ten epochs.
    pub tolerance: Option<f64>,
    /// The learning rate.
    pub rate: Option<f64>,
    pub schedule: Schedule,
    /// The rows in a batch, otherwise [`BATCH`]; all for [`Method::Gd`]. Whole arrays have
    /// rows only where something asks for them: this, [`Settings::batch_dimension`], [`Settings::validation`] or [`Method::Sgd`]. Otherwise
    /// all descents take them at once, because only the author knows whether they may be taken apart.
    pub batch: Option<usize>,
    /// The size that counts the rows of whole arrays: arrays that begin with it are cut into batches, and rows of them are held out. Where
    /// rows are asked for and this is not said, it is the size with which all arrays of the data begin.
    pub batch_dimension: Option<String>,
    /// The share of its speed that [`Method::Momentum`] keeps from step to step.
    pub momentum: f64,
    /// The share of rows, drawn by chance, that is held out: their loss is watched, and the parameters with the least are the result.
    pub validation: f64,
    /// Ends after so many iterations without a new least loss (of the rows held out, if there are any).
    pub patience: Option<usize>,
    /// What chance begins with: the batches, the rows held out, and the start of parameters that are given none.
    pub seed: Option<u64>,
    /// The standard deviation of the start of parameters that begin by chance and don't have two bounds, between which all values have the
    /// same chance. Of an array it is divided by the square root of the number of elements that share an outermost subscript, as those
    /// that a row of weights sums; of a list, by that of its length.
    pub spread: f64,
    /// At most so many threads; 0 is as many as the machine has.
    pub threads: usize,
}

/// The rows in a batch, where nothing else is said.
pub const BATCH: usize = 32;

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            method: Method::Lm,
            loss: None,
            iterations: None,
            tolerance: None,
            rate: None,
            schedule: Schedule::Constant,
            batch: None,
            batch_dimension: None,
            momentum: 0.9,
            validation: 0.0,
            patience: None,
            seed: None,
            spread: 1.0,
            threads: 1,
        }
    }
}

/// A moment of a fit.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Step {
    pub iteration: usize,
    /// The mean over the rows: of the program's values, or of their squares.
    pub loss: f64,
    /// The same over the rows held out.
    pub validation: Option<f64>,
    /// The learning rate.
    pub rate: Option<f64>,
}

impl Step {
    /// The loss by which the best step is found.
    fn judged(&self) -> f64 {
        self.validation.unwrap_or(self.loss)
    }
}

/// Why a fit ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reason {
    /// All residuals are 0.
    Exact,
    /// The slope is 0, to the tolerance.
    Flat,
    /// The loss changes by less than the tolerance. Of a descent only where the slope is small, too.
    Level,
    /// Steps have become as short as the precision of doubles or the tolerance.
    Still,
    /// The loss has found no new least value for as long as [`Settings::patience`] says, and the slope is small.
    Patience,
    /// The rows held out have found no new least loss for as long as [`Settings::patience`] says.
    Early,
    /// The loss no longer falls, or not noticeably, but the slope is not small: the steps are too short, or too long.
    Slow,
    Iterations,
    Interrupted,
    /// The loss has stopped being a number.
    Diverged,
    /// The slope is not a number where the loss is.
    NotFinite,
    /// There is a slope, but no lower point is found along it.
    Stuck,
}

impl Reason {
    /// Whether the end is a minimum, as far as the method can tell.
    pub fn converged(self) -> bool {
        match self {
            Reason::Exact | Reason::Flat | Reason::Level | Reason::Still | Reason::Patience => true,
            Reason::Early
            | Reason::Slow
            | Reason::Iterations
            | Reason::Interrupted
            | Reason::Diverged
            | Reason::NotFinite
            | Reason::Stuck => false,
        }
    }

    /// Whether the fit has ended as it was asked to: at a minimum, or where the rows held out were fitted best.
    pub fn succeeded(self) -> bool {
        self.converged() || self == Reason::Early
    }
}

impl Display for Reason {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        f.write_str(match self {
            Reason::Exact => "all residuals are 0",
            Reason::Flat => "the slope is 0 to the tolerance",
            Reason::Level => "the loss changes by less than the tolerance",
            Reason::Still => "the steps are shorter than the tolerance",
            Reason::Patience => "the loss has not improved for as long as the patience lasts",
            Reason::Early => "the loss held out has not improved for as long as the patience lasts",
            Reason::Slow => "the loss no longer falls, but there is a slope",
            Reason::Iterations => "the iterations are used up",
            Reason::Interrupted => "it was interrupted",
            Reason::Diverged => "the loss is no longer a number; a lower learning rate may help",
            Reason::NotFinite => "the slope is not a number",
            Reason::Stuck => "no lower point is found although there is a slope",
        })
    }
}

/// A fitted number.
#[derive(Clone, PartialEq, Debug)]
pub struct Parameter {
    /// Of an element of an array with its subscripts: `W[0, 2]`.
    pub name: String,
    pub value: f64,
    /// The standard error; only of least squares, where the data determine it, and not at a bound.
    pub stderr: Option<f64>,
    pub at_bound: bool,
}

/// What a descent needs to go on as if it had not been stopped. Of [`Method::Lm`] and [`Method::Lbfgs`] only the parameters count.
#[derive(Clone, PartialEq, Debug)]
pub struct State {
    /// Whole epochs done, and steps in them.
    pub epoch: usize,
    pub steps: usize,
    /// The last parameters, which need not be the best.
    pub params: Vec<f64>,
    /// Speeds, or means of slopes.
    pub first: Vec<f64>,
    /// Means of squares of slopes.
    pub second: Vec<f64>,
    /// The best parameters so far, and the epoch after which they were met.
    pub best: Vec<f64>,
    pub best_epoch: usize,
}

impl State {
    fn new(params: Vec<f64>) -> State {
        let zeros = vec![0.0; params.len()];
        State { epoch: 0, steps: 0, best: params.clone(), best_epoch: 0, params, first: zeros.clone(), second: zeros }
    }
}

/// The result of a fit: the best parameters that it met, and what is known about them.
#[derive(Clone, PartialEq, Debug)]
pub struct Fitted {
    /// All numbers that are fitted: the arguments in order, the elements of arrays row by row.
    pub params: Vec<Parameter>,
    /// The arguments that are fitted, with their extents; a number has none.
    pub shapes: Vec<(String, Vec<usize>)>,
    /// The sum of squares, or the mean loss, of the rows that were not held out.
    pub loss: f64,
    /// The mean over the rows held out.
    pub validation: Option<f64>,
    pub reason: Reason,
    pub iterations: usize,
    /// How often the loss or its derivatives have been computed for all rows, those of parts counted together.
    pub evaluations: usize,
    /// What was minimised.
    pub objective: Loss,
    /// Whether the program plainly is a residual: it has several results, or data enter it linearly.
    pub is_residual: bool,
    /// Rows that were not held out.
    pub rows: usize,
    /// The size that counts the rows, where these are rows of whole arrays.
    pub batch_dimension: Option<String>,
    /// Of least squares.
    pub squares: Option<Squares>,
    pub history: Vec<Step>,
    /// Where it can go on.
    pub state: State,
}

impl Fitted {
    /// The fitted arguments: names, extents, and what was found for their elements, row by row.
    pub fn arguments(&self) -> impl Iterator<Item = (&str, &[usize], &[Parameter])> {
        let mut rest = self.params.as_slice();
        self.shapes.iter().map(move |(name, shape)| {
            let (own, others) = rest.split_at(shape.iter().product());
            rest = others;
            (name.as_str(), shape.as_slice(), own)
        })
    }

    /// The values of a fitted argument.
    pub fn array(&self, name: &str) -> Option<Array> {
        let name = canonical(name);
        let (_, shape, params) = self.arguments().find(|(known, ..)| *known == name)?;
        Some(Array::new(shape, params.iter().map(|param| param.value).collect()))
    }
}

/// A fit to be: a program, data, a start. Nothing happens before [`Fit::run`].
#[must_use = "nothing is computed before `run`"]
pub struct Fit<'a> {
    program: &'a Program,
    columns: Vec<(String, &'a [f64])>,
    /// Data that are the same for all rows.
    data: Vec<(String, ArrayView<'a>)>,
    at: Vec<(String, ArrayView<'a>)>,
    sizes: BTreeMap<String, i64>,
    wrt: Option<Vec<String>>,
    bounds: Vec<(String, f64, f64)>,
    state: Option<State>,
    settings: Settings,
    interrupt: Option<&'a AtomicBool>,
    observer: Option<&'a mut monitor::Observer<'a>>,
}

/// With more parameters than this, methods other than [`Method::Lm`] get by without the Jacobian, and there are no standard errors.
const FEW: usize = 200;

impl<'a> Fit<'a> {
    pub fn new(program: &'a Program) -> Fit<'a> {
        Fit {
            program,
            columns: Vec::new(),
            data: Vec::new(),
            at: Vec::new(),
            sizes: BTreeMap::new(),
            wrt: None,
            bounds: Vec::new(),
            state: None,
            settings: Settings::default(),
            interrupt: None,
            observer: None,
        }
    }

    /// The arguments that differ from row to row, by name. Without any, the program is a single row. The column of an argument that is an
    /// array of one dimension is the whole array.
    pub fn columns<'n, C: AsRef<[f64]> + ?Sized + 'a>(
        mut self,
        columns: impl IntoIterator<Item = (&'n str, &'a C)>,
    ) -> Self {
        for (name, column) in columns {
            let (name, column) = (canonical(name), column.as_ref());
            let is_array = |argument: &Argument| argument.name == name && !argument.extents.is_empty();
            if self.program.arguments().iter().any(is_array) {
                self.data.push((name, column.into()));
            } else {
                self.columns.push((name, column));
            }
        }
        self
    }

    /// An argument that isn't fitted, whatever its role, and is the same for all rows: an array with all the data.
    pub fn data(mut self, name: &str, value: impl Into<ArrayView<'a>>) -> Self {
        self.data.push((canonical(name), value.into()));
        self
    }

    /// Where parameters begin, and the values of other arguments that are no columns.
    pub fn at<'n>(mut self, values: impl IntoIterator<Item = (&'n str, f64)>) -> Self {
        self.at.extend(values.into_iter().map(|(name, value)| (canonical(name), value.into())));
        self
    }

    /// Where a parameter begins, or the value of another argument: a number or an array.
    pub fn with(mut self, name: &str, value: impl Into<ArrayView<'a>>) -> Self {
        self.at.push((canonical(name), value.into()));
        self
    }

    /// Gives a number to a size that doesn't follow from an argument.
    pub fn size(mut self, name: &str, value: i64) -> Self {
        self.sizes.insert(canonical(name), value);
        self
    }

    /// Fits these arguments instead of all that are `param` and no column.
    pub fn wrt<N: AsRef<str>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.wrt = Some(names.into_iter().map(|name| canonical(name.as_ref())).collect());
        self
    }

    /// The least and greatest value of parameters; an infinity is none.
    pub fn bounds<'n>(mut self, bounds: impl IntoIterator<Item = (&'n str, f64, f64)>) -> Self {
        self.bounds.extend(bounds.into_iter().map(|(name, least, most)| (canonical(name), least, most)));
        self
    }

    /// Goes on where another fit of the same program, data and settings ended.
    pub fn resume(mut self, state: State) -> Self {
        self.state = Some(state);
        self
    }

    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// Ends the fit, with the best so far, soon after this becomes true.
    pub fn interrupt(mut self, interrupt: &'a AtomicBool) -> Self {
        self.interrupt = Some(interrupt);
        self
    }

    /// Is shown every step.
    pub fn observe(mut self, observer: &'a mut monitor::Observer<'a>) -> Self {
        self.observer = Some(observer);
        self
    }

    /// The names of the arguments that are fitted, in order.
    ///
    /// # Errors
    /// As [`Fit::run`].
    pub fn names(&self) -> Result<Vec<String>, Error> {
        let columns = || self.columns.iter().map(|(name, _)| name).chain(self.data.iter().map(|(name, _)| name));
        let is_column = |name: &str| columns().any(|column| column == name);
        let params = self.program.arguments().iter().filter(|argument| argument.role == Role::Param);
        let params = params.map(|argument| argument.name.clone()).filter(|name| !is_column(name));
        let names = self.wrt.clone().unwrap_or_else(|| params.collect());
        // Of names that are none, or come twice, or are integers.
        self.program.jacobian().wrt(&names).names()?;
        match names.iter().find(|name| is_column(name)) {
            _ if names.is_empty() => Err(Error::NoParameters),
            Some(name) => Err(Error::ColumnFitted { name: name.clone() }),
            None => Ok(names),
        }
    }

    /// Runs the fit.
    ///
    /// # Errors
    /// Whatever is wrong with names, data, start or settings, and a start where the loss is not a number. A fit that begins has a
    /// result, and [`Fitted::reason`] says what it is worth; only integer arithmetic that fails at some row is an error
    /// even then.
    pub fn run(mut self) -> Result<Fitted, Error> {
        let names = self.names()?;
        self.check_settings()?;
        let settings = &self.settings.clone();
        let rows = self.rows()?;
        let inputs = self.program.inputs_but(&names, self.given())?;
        let cut = self.cut(&names)?;
        let rows = cut.as_ref().map_or(Ok(rows), |cut| rows_of(cut, &inputs))?;
        let program = &*self.bound(&inputs)?;
        let layout = Layout::new(program, &names);
        if layout.len() == 0 {
            return Err(Error::NoParameters);
        }
        let places = self.places(&layout, &inputs);
        let response = self.response_of(program, &names);
        let is_least_squares = settings.method == Method::Lm && !self.is_whole(program);
        let is_residual = is_vector(program) || has_linear_column(program, &places) || response.is_some();
        let is_squares = is_least_squares || is_residual;
        let loss = settings.loss.unwrap_or(if is_squares { Loss::Squares } else { Loss::Mean });
        if settings.method == Method::Lm && loss != Loss::Squares {
            return Err(Error::NeedsSquares);
        }
        let bounds = self.checked_bounds(&layout)?;
        let start = self.start(&layout, &bounds)?;
        let columns: Vec<&[f64]> = self.columns.iter().map(|&(_, column)| column).collect();

        let (held_out, trained) = self.split(rows);
        let wants_jacobian = settings.method == Method::Lm || layout.len() <= FEW;
        let code = Code::new(program, &names, loss, wants_jacobian, settings.threads);
        code.check()?;
        let codes =
            cut.as_ref().map(|cut| Codes::new(self.program, self.binding(&inputs), cut, &names, loss, wants_jacobian));
        let objective = |picked| -> Box<dyn Objective + '_> {
            match &codes {
                Some(codes) => Box::new(Slices::new(codes, &places, picked, rows)),
                None if program.has_arrays() => Box::new(Calls::new(&code, &places, &columns, picked)),
                None => Box::new(Table::new(&code, &places, &columns, picked)),
            }
        };
        let mut table = objective(&trained);
        let validation = (!held_out.is_empty()).then(|| objective(&held_out));
        let held = validation.as_ref().map(|table| (table, &held_out));
        for (table, rows) in std::iter::once((&table, &trained)).chain(held) {
            if let Some((row, value)) = table.first_fault(&start)? {
                return Err(Error::LossNotFinite { row: (!columns.is_empty()).then(|| rows[row]), value });
            }
        }
        let residuals = match &codes {
            Some(codes) => codes.residuals(trained.len())?,
            None => trained.len() * code.n_residuals(),
        };
        if settings.method == Method::Lm && residuals < layout.len() {
            return Err(Error::FewRows { residuals, params: layout.len() });
        }

        let mut state = match &self.state {
            Some(state) => State { params: start, ..state.clone() },
            None => State::new(start),
        };
        let mut monitor = Monitor {
            validation: validation.as_deref(),
            patience: settings.patience,
            interrupt: self.interrupt,
            observer: self.observer.as_deref_mut(),
            history: Vec::new(),
            best: None,
        };
        if state.best_epoch < state.epoch {
            let loss = table.mean_loss(&state.best)?;
            monitor.recall(&state.best, Step { iteration: state.best_epoch, loss, validation: None, rate: None })?;
        }
        let (reason, iterations) = minimise(&mut *table, &mut state, &bounds, settings, loss, &mut monitor)?;

        let Monitor { history, best, .. } = monitor;
        let (best, at) = best.unwrap_or((state.params.clone(), 0));
        if !settings.method.is_descent() {
            state.params.clone_from(&best);
        }
        state.best.clone_from(&best);
        state.best_epoch = history.get(at).map_or(0, |step| step.iteration).min(state.epoch);
        table.reorder(None);
        let first = history.first().map_or(0.0, |step| step.loss);
        let reason = match reason {
            Reason::Patience if validation.is_some() => Reason::Early,
            Reason::Patience | Reason::Level if settings.method.is_descent() || reason == Reason::Patience => {
                let is_flat = is_flat(&*table, &best, &bounds, first, settings)?;
                if is_flat { reason } else { Reason::Slow }
            }
            reason => reason,
        };
        let total = table.loss(&best, 0..trained.len())?;
        let squares = match loss {
            Loss::Squares if wants_jacobian => {
                let squares = Squares::new(&best, &bounds, &table.jacobian(&best)?, total, residuals);
                Some(match response {
                    Some((index, is_added)) => {
                        let values = values_of(&places[index], &columns, cut.is_some().then_some(rows), &trained);
                        squares.about(&program.arguments()[index].name, is_added, &values)
                    }
                    None => squares,
                })
            }
            Loss::Squares | Loss::Mean => None,
        };
        Ok(Fitted {
            params: parameters(layout.elements(), &best, &bounds, squares.as_ref()),
            shapes: layout.0.into_iter().map(|slot| (slot.name, slot.shape)).collect(),
            loss: if loss == Loss::Squares { total } else { total / table.count(&(0..trained.len())) },
            validation: history.get(at).and_then(|step| step.validation),
            reason,
            iterations,
            evaluations: table.evaluations().ceil() as usize,
            objective: loss,
            is_residual,
            rows: trained.len(),
            batch_dimension: cut.as_ref().map(|cut| cut.size.clone()),
            squares,
            history,
            state,
        })
    }

    fn check_settings(&self) -> Result<(), Error> {
        let Settings { tolerance, rate, batch, momentum, validation, spread, iterations, patience, .. } =
            &self.settings;
        let share = "a number from 0 to below 1";
        let positive = "a positive number";
        let tests = [
            (
                "the tolerance",
                "0 or a positive number",
                tolerance.is_none_or(|it| it >= 0.0 && it.is_finite()),
                tolerance.unwrap_or(0.0),
            ),
            ("the learning rate", positive, rate.is_none_or(|it| it > 0.0 && it.is_finite()), rate.unwrap_or(0.0)),
            ("the momentum", share, (0.0..1.0).contains(momentum), *momentum),
            ("the share for validation", share, (0.0..1.0).contains(validation), *validation),
            ("the spread of random starts", positive, *spread > 0.0 && spread.is_finite(), *spread),
            ("the size of a batch", "at least 1", *batch != Some(0), 0.0),
            ("the number of iterations", "at least 1", *iterations != Some(0), 0.0),
            ("the patience", "at least 1", *patience != Some(0), 0.0),
        ];
        match tests.into_iter().find(|(.., holds, _)| !holds) {
            None => Ok(()),
            Some((what, expected, _, found)) => Err(Error::Setting { what, expected, found: found.to_string() }),
        }
    }

    /// Along which size whole arrays are cut, if rows of them are asked for.
    fn cut(&self, names: &[String]) -> Result<Option<Cut>, Error> {
        let Settings { method, batch, ref batch_dimension, validation, .. } = self.settings;
        let size = batch_dimension.as_deref().map(canonical);
        let has_batches = match method {
            Method::Sgd => true,
            Method::Momentum | Method::Adam => batch.is_some(),
            Method::Gd | Method::Lbfgs | Method::Lm => false,
        };
        let what = match validation {
            _ if has_batches => "gradient descent in batches",
            0.0 => "a batch dimension",
            _ => "validation",
        };
        if !self.program.has_arrays() || !self.columns.is_empty() {
            let why = "it counts those of whole arrays, and there are none".to_owned();
            return size.map_or(Ok(None), |_| Err(Error::NeedsRows { what: "a batch dimension", why }));
        }
        if size.is_none() && !has_batches && validation == 0.0 {
            return Ok(None);
        }
        let is_data = |argument: &Argument| !names.contains(&argument.name);
        let cut = Cut::new(self.program, size.as_deref(), is_data);
        Ok(Some(cut.map_err(|why| Error::NeedsRows { what, why })?))
    }

    fn checked_bounds(&self, layout: &Layout) -> Result<Bounds, Error> {
        let mut bounds = vec![(f64::NEG_INFINITY, f64::INFINITY); layout.len()];
        for &(ref name, least, most) in &self.bounds {
            let range = layout.range_of(name);
            let range = range.ok_or_else(|| Error::NotFitted { name: name.clone(), what: "bounds" })?;
            let is_empty = least.is_nan() || most.is_nan() || least > most;
            if is_empty || least == f64::INFINITY || most == f64::NEG_INFINITY {
                return Err(Error::NoBounds { name: name.clone(), least, most });
            }
            bounds[range].fill((least, most));
        }
        Ok(Bounds(bounds))
    }

    /// What is given by name; of columns the first row.
    fn given(&self) -> impl Iterator<Item = (Cow<'a, str>, ArrayView<'a>)> {
        let first = self.columns.iter().map(|(name, column)| (name, ArrayView::from(column[0])));
        let others = self.data.iter().chain(&self.at).map(|(name, value)| (name, *value));
        first.chain(others).map(|(name, value)| (Cow::Owned(name.clone()), value))
    }

    /// The program at the sizes of what is given.
    fn bound(&self, inputs: &[Option<ArrayView>]) -> Result<Cow<'a, Program>, Error> {
        if !self.program.is_open() && self.sizes.is_empty() {
            return Ok(Cow::Borrowed(self.program));
        }
        Ok(Cow::Owned(self.program.bind(&self.binding(inputs))?))
    }

    /// The sizes of what is given, and those that are known.
    fn binding(&self, inputs: &[Option<ArrayView>]) -> Binding {
        let known = self.program.sizes().iter().filter_map(|(name, size)| Some((name.clone(), (*size)?)));
        let sizes = known.chain(self.sizes.clone()).collect();
        Binding { sizes, ..self.program.binding_of(inputs.iter().copied()) }
    }

    /// Whether the data are whole arrays, and not the rows of a table.
    fn is_whole(&self, program: &Program) -> bool {
        program.has_arrays() && self.columns.is_empty()
    }

    /// Where the parameters begin.
    fn start(&self, layout: &Layout, bounds: &Bounds) -> Result<Vec<f64>, Error> {
        if let Some(state) = &self.state {
            let lengths = [&state.params, &state.first, &state.second, &state.best].map(Vec::len);
            let mut start = state.params.clone();
            bounds.project(&mut start);
            return if lengths == [layout.len(); 4] { Ok(start) } else { Err(Error::OtherState) };
        }
        let given = |slot: &Slot| self.at.iter().find(|(name, _)| *name == slot.name).map(|(_, value)| value.to_vec());
        let without: Vec<&Slot> = layout.0.iter().filter(|slot| given(slot).is_none()).collect();
        let Some(seed) = self.settings.seed.or_else(|| without.is_empty().then_some(0)) else {
            let has_arrays = without.iter().any(|slot| !slot.shape.is_empty());
            return Err(Error::NoStart { names: without.iter().map(|slot| slot.name.clone()).collect(), has_arrays });
        };
        let mut random = Random::new(seed, Purpose::Start);
        let mut start = Vec::with_capacity(layout.len());
        for slot in &layout.0 {
            let values = given(slot);
            let spread = self.settings.spread / (slot.fan_in() as f64).sqrt();
            for (index, &(least, most)) in bounds.0[slot.range.clone()].iter().enumerate() {
                let name = || slot.elements().nth(index).unwrap_or_default();
                let value = match values.as_ref().map(|values| values[index]) {
                    Some(value) if !value.is_finite() => return Err(Error::StartNotFinite { name: name(), value }),
                    Some(value) if !(least..=most).contains(&value) => {
                        return Err(Error::StartOutside { name: name(), value, least, most });
                    }
                    Some(value) => value,
                    None if (most - least).is_finite() => least + (most - least) * random.uniform(),
                    None => spread * random.normal(),
                };
                start.push(value);
            }
        }
        bounds.project(&mut start);
        Ok(start)
    }

    /// What each argument of the program is.
    fn places<'i>(&self, layout: &Layout, inputs: &'i [Option<ArrayView>]) -> Vec<Place<'i>> {
        let place = |(argument, input): (&Argument, &'i Option<ArrayView>)| {
            let column = self.columns.iter().position(|(name, _)| *name == argument.name);
            let param = layout.range_of(&argument.name).map(Place::Param);
            let given = || Place::Given(input.as_ref().map(ArrayView::rows).unwrap_or_default());
            param.or(column.map(Place::Column)).unwrap_or_else(given)
        };
        self.program.arguments().iter().zip(inputs).map(place).collect()
    }

    /// How many rows there are, all of numbers.
    fn rows(&self) -> Result<usize, Error> {
        for (name, array) in self.data.iter().filter(|(_, array)| array.is_sound() && !array.shape().is_empty()) {
            let (numbers, len) = (array.rows(), array.shape()[1..].iter().product::<usize>());
            if let Some(place) = numbers.iter().position(|value| !value.is_finite()) {
                return Err(Error::DataNotFinite { name: name.clone(), row: place / len, value: numbers[place] });
            }
        }
        let Some((_, first)) = self.columns.first() else { return Ok(1) };
        let rows = first.len();
        for (name, column) in &self.columns {
            if column.len() != rows {
                return Err(Error::Uneven { name: name.clone(), rows, found: column.len() });
            }
            if let Some(row) = column.iter().position(|value| !value.is_finite()) {
                return Err(Error::DataNotFinite { name: name.clone(), row, value: column[row] });
            }
        }
        if rows == 0 { Err(Error::NoRows) } else { Ok(rows) }
    }

    /// The rows that are held out, and the others, each in their order.
    fn split(&self, rows: usize) -> (Vec<usize>, Vec<usize>) {
        let held_out = (self.settings.validation * rows as f64).round() as usize;
        let held_out = held_out.min(rows - 1);
        if held_out == 0 {
            return (Vec::new(), (0..rows).collect());
        }
        let mut order = Random::new(self.settings.seed.unwrap_or(0), Purpose::Validation).order(rows);
        let mut trained = order.split_off(held_out);
        order.sort_unstable();
        trained.sort_unstable();
        (order, trained)
    }

    /// What the model is compared with, if the residual shows it: the only argument of the data, of the residual's shape, which the
    /// residual is plus or minus something that doesn't depend on it. With its name, and whether it is added.
    ///
    /// # Errors
    /// As [`Fit::run`].
    pub fn response(&self) -> Result<Option<(String, bool)>, Error> {
        let names = self.names()?;
        self.rows()?;
        let program = self.bound(&self.program.inputs_but(&names, self.given())?)?;
        let response = self.response_of(&program, &names);
        Ok(response.map(|(index, is_added)| (program.arguments()[index].name.clone(), is_added)))
    }

    /// The same by place.
    fn response_of(&self, program: &Program, names: &[String]) -> Option<(usize, bool)> {
        let is_column = |name: &String| self.columns.iter().any(|(column, _)| column == name);
        let is_data = |argument: &Argument| match self.columns.as_slice() {
            [] => !argument.extents.is_empty() && !names.contains(&argument.name),
            _ => is_column(&argument.name),
        };
        let arguments = program.arguments();
        let data: Vec<usize> = (0..arguments.len()).filter(|&index| is_data(&arguments[index])).collect();
        statistics::response(program, &data)
    }
}

/// How many rows arrays that are cut have.
fn rows_of(cut: &Cut, inputs: &[Option<ArrayView>]) -> Result<usize, Error> {
    let first = inputs.iter().zip(&cut.is_cut).find(|(_, is_cut)| **is_cut);
    match first.and_then(|(input, _)| input.as_ref()?.shape().first().copied()) {
        Some(0) | None => Err(Error::NoRows),
        Some(rows) => Ok(rows),
    }
}

/// The values of a list or column of the data in these rows; `cut` is how many a list has that is cut.
fn values_of(place: &Place, columns: &[&[f64]], cut: Option<usize>, rows: &[usize]) -> Vec<f64> {
    match place {
        Place::Column(index) => random::pick(columns[*index], rows),
        Place::Given(numbers) if cut == Some(numbers.len()) => random::pick(numbers, rows),
        Place::Given(numbers) => numbers.to_vec(),
        Place::Param(_) => Vec::new(),
    }
}

/// Whether the values of a program are several numbers, so that they can only be residuals.
fn is_vector(program: &Program) -> bool {
    let graph = program.graph();
    graph.results.len() != 1 || graph.is_array(graph.results[0].value)
}

/// As [`statistics::has_linear_column`], from what each argument is. Of programs with arrays it isn't known.
fn has_linear_column(program: &Program, places: &[Place]) -> bool {
    if program.has_arrays() {
        return false;
    }
    let which = |is: fn(&Place) -> bool| (0..places.len()).filter(|&index| is(&places[index])).collect::<Vec<_>>();
    let columns = which(|place| matches!(place, Place::Column(_)));
    let params = which(|place| matches!(place, Place::Param(_)));
    statistics::has_linear_column(program, &columns, &params)
}

/// The parameters with their standard errors.
fn parameters(names: Vec<String>, values: &[f64], bounds: &Bounds, squares: Option<&Squares>) -> Vec<Parameter> {
    let covariance = squares.and_then(|squares| squares.covariance.as_ref());
    let parameter = |(index, name)| {
        let at_bound = bounds.is_at(index, values[index]);
        let variance = covariance.map(|covariance| covariance[index * (values.len() + 1)]);
        Parameter { name, value: values[index], stderr: variance.map(f64::sqrt).filter(|_| !at_bound), at_bound }
    };
    names.into_iter().enumerate().map(parameter).collect()
}

fn canonical(name: &str) -> String {
    syntax::canonical_name(name).into_owned()
}

/// Runs the method. Why it ended, and after how many iterations.
fn minimise(
    objective: &mut dyn Objective,
    state: &mut State,
    bounds: &Bounds,
    settings: &Settings,
    loss: Loss,
    monitor: &mut Monitor,
) -> Result<(Reason, usize), Error> {
    let method = settings.method;
    let iterations = settings.iterations.unwrap_or(method.default_iterations());
    let tolerance = settings.tolerance.unwrap_or(method.default_tolerance());
    Ok(match method {
        Method::Lm => {
            let limits = least_squares::Limits { tolerance, iterations };
            least_squares::fit(objective, &state.params, bounds, limits, monitor)?
        }
        Method::Lbfgs => {
            let limits = lbfgs::Limits { tolerance, iterations };
            lbfgs::fit(objective, &state.params, &scale(objective, &state.params, loss)?, bounds, limits, monitor)?
        }
        Method::Gd | Method::Sgd | Method::Momentum | Method::Adam => {
            let training = Training {
                method,
                rate: settings.rate.unwrap_or(method.default_rate()),
                schedule: settings.schedule,
                momentum: settings.momentum,
                batch: if method == Method::Gd { usize::MAX } else { settings.batch.unwrap_or(BATCH) },
                epochs: iterations,
                tolerance,
                seed: settings.seed.unwrap_or(0),
            };
            (descent::fit(objective, state, bounds, &training, monitor)?, state.epoch)
        }
    })
}

/// Whether the loss is as flat at some parameters as it is level there: the slope, also over steps as long as the parameters, is small beside
/// the loss and what it has fallen by since it was `first`. Near a minimum the loss is level to the square of what the slope is.
fn is_flat(
    objective: &dyn Objective,
    params: &[f64],
    bounds: &Bounds,
    first: f64,
    settings: &Settings,
) -> Result<bool, crate::Error> {
    let all = 0..objective.rows();
    let count = objective.count(&all);
    let mut gradient = vec![0.0; params.len()];
    let loss = objective.gradient(params, all, &mut gradient)? / count;
    let free = bounds.free(params, &gradient);
    let slope: Vec<f64> = free.iter().map(|&index| gradient[index] / count).collect();
    let reach: Vec<f64> = free.iter().zip(&slope).map(|(&index, slope)| slope * params[index]).collect();
    let tolerance = settings.tolerance.unwrap_or(settings.method.default_tolerance());
    let small = 10.0 * tolerance.max(1e-6).sqrt() * (loss.abs() + (first - loss).abs());
    Ok(triangle::norm(&slope) <= small && triangle::norm(&reach) <= small)
}

/// How much of each parameter changes the residuals by about 1, where there are residuals; otherwise 1.
fn scale(objective: &dyn Objective, params: &[f64], loss: Loss) -> Result<Vec<f64>, Error> {
    if loss == Loss::Mean || params.len() > FEW {
        return Ok(vec![1.0; params.len()]);
    }
    let size = (objective.rows() as f64).sqrt();
    let unit = |length: f64| if length > 0.0 && length.is_finite() { size / length } else { 1.0 };
    Ok(objective.jacobian(params)?.lengths().into_iter().map(unit).collect())
}
