//! `chainrule fit`: the parameters of a program that data ask for.
//!
//! - [`arguments`] reads what is specific to the options: methods, schedules, bounds.
//! - [`rows`] reads the data, [`saved`] reads and writes parameters.
//! - [`report`] is the answer, [`pictures`] are drawn.

mod arguments;
mod pictures;
mod report;
mod rows;
mod saved;

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chainrule::data::{self, Format, Wanted, whole::Whole};
use chainrule::fit::{Error, Fit as Library, Fitted, Loss, Method, Settings, Step};
use chainrule::syntax::canonical_name;
use chainrule::{Argument, Array, Program, Role};
use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::answer::Answer;
use super::fault::Fault;
use super::options::{Output, Point, Text, Wrt};
use super::{examples, inputs, values};
use arguments::{Bounds, LossOption, MethodOption, OnFault, ScheduleOption};
use pictures::Given;
use rows::Rows;
use saved::Saved;

/// The parameters that fit a program to data
///
/// The program is applied to each row of the data, its columns being arguments by name; the parameters are the same for all rows.
/// For least squares its value is the row's residual, as in `y - a*x`; otherwise the mean of its values is the loss. Parameters are
/// what the program declares as `param`, or, without declarations, what is given a start. Without data the program is a function:
/// `--method lbfgs` minimises its value, the default method its square.
/// A fit that did not converge says so and exits with 1; one that `--patience` ends by rows that are held out has stopped early, as asked, and exits with 0.
///
/// A program with arrays takes its data as a whole: its value is the loss, or an array of residuals for least squares. Its
/// parameters may be arrays, of which each element is fitted.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Fit {
    #[command(flatten)]
    text: Text,
    /// Where the rows are: .csv, .tsv, .npy (records, or a matrix with `--columns`), .npz; `-` is CSV on the standard input. For a program
    /// with arrays also NAME=PATH, an array from a file; of .npz all arrays in it; of a table a column for each list. May be repeated
    #[arg(long, value_name = "PATH", allow_hyphen_values = true)]
    data: Vec<PathBuf>,
    #[command(flatten)]
    point: Point,
    /// Values by name from a JSON file, where parameters start among them: {"rate": 2, "W": [[1, 2], [3, 4]]}; `-` is the standard input
    #[arg(long, value_name = "PATH", allow_hyphen_values = true)]
    args: Option<PathBuf>,
    /// Sizes of arrays that don't follow from the data: H=10; may be repeated
    #[arg(long, value_name = "NAME=SIZE,…")]
    size: Vec<String>,
    /// Starts from the parameters in a file that `--save` or `--format json` made, or of the form {"b1": 1.5}; `--at` and `--args` come before it
    #[arg(long, value_name = "PATH")]
    params: Option<PathBuf>,
    /// Goes on where the fit that saved this file ended, with the same options; `--iterations` counts from its start
    #[arg(long, value_name = "PATH", conflicts_with = "params")]
    resume: Option<PathBuf>,
    /// Writes the result to a file, as JSON, whole or not at all
    #[arg(long, value_name = "PATH")]
    save: Option<PathBuf>,
    #[command(flatten)]
    pictures: pictures::Options,
    #[command(flatten)]
    wrt: Wrt,
    /// Keeps parameters between bounds: b1=0..10,b2=..5; may be repeated
    #[arg(long, value_name = "NAME=LEAST..MOST,…")]
    bounds: Vec<String>,
    /// How the loss is minimised
    #[arg(long, value_enum, default_value_t, value_name = "METHOD")]
    method: MethodOption,
    /// What is minimised: the sum of squares of the program's values, or their mean. Squares for `lm` and for a program that is a
    /// column less something, otherwise the mean
    #[arg(long, value_enum, value_name = "LOSS")]
    loss: Option<LossOption>,
    /// The greatest number of steps, or of epochs: passes over the data [default: 10000 for lm and lbfgs, otherwise 1000]
    #[arg(long, visible_alias = "epochs", value_name = "N")]
    iterations: Option<usize>,
    /// The relative change of the loss that counts as nothing [default: 1e-15 for lm, 1e-12 for lbfgs, otherwise 1e-6 over ten epochs]
    #[arg(long, value_name = "NUMBER", value_parser = arguments::number, allow_negative_numbers = true)]
    tolerance: Option<f64>,
    /// The learning rate [default: 0.1 for gd, otherwise 0.01]
    #[arg(long, value_name = "NUMBER", value_parser = arguments::number, allow_negative_numbers = true)]
    rate: Option<f64>,
    /// How the rate changes: constant, cosine, step:EPOCHS:FACTOR, exponential:FACTOR, inverse:DECAY
    /// [default: constant]
    #[arg(long, value_name = "SCHEDULE")]
    schedule: Option<ScheduleOption>,
    /// The rows in a batch of sgd, momentum and adam [default: 32; momentum and adam take whole arrays at once, unless
    /// this, `--batch-dimension` or `--validation` asks for rows]
    #[arg(long, value_name = "ROWS")]
    batch: Option<usize>,
    /// The size that counts the rows of whole arrays, for batches and validation [default: the size with which all arrays of the data begin]
    #[arg(long, value_name = "SIZE")]
    batch_dimension: Option<String>,
    /// The share of its speed that momentum keeps [default: 0.9]
    #[arg(long, value_name = "NUMBER", value_parser = arguments::number, allow_negative_numbers = true)]
    momentum: Option<f64>,
    /// Holds out this share of the rows, drawn by chance; the parameters with their least loss are the result
    #[arg(long, default_value = "0", value_name = "SHARE", value_parser = arguments::number, allow_negative_numbers = true)]
    validation: f64,
    /// Ends after so many iterations without a new least loss, of the rows held out if there are any
    #[arg(long, value_name = "N")]
    patience: Option<usize>,
    /// What chance begins with; parameters without a start are then drawn
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// The standard deviation of parameters that are drawn and don't have two bounds; of arrays less, by the square root of the fan-in
    /// [default: 1]
    #[arg(long, value_name = "NUMBER", value_parser = arguments::number, allow_negative_numbers = true)]
    spread: Option<f64>,
    /// The names of the columns of a matrix in NPY
    #[arg(long, value_name = "NAME,…")]
    columns: Option<String>,
    /// What happens to a row with a cell that is empty or no number [default: fail]
    #[arg(long, value_enum, value_name = "WHAT")]
    on_error: Option<OnFault>,
    /// How many threads work; 0 is one for each processor. The result doesn't depend on it
    #[arg(long, default_value_t = 0, value_name = "N")]
    threads: usize,
    #[command(flatten)]
    output: Output,
}

const EXAMPLES: &str = examples!(
    "fit 'y - b1*(1 - exp(-b2*x))' --data examples/misra.csv --at b1=500,b2=0.0001",
    "fit 'y - a*x - b' --data examples/misra.csv --wrt a,b --seed 1 --format json",
    "fit '(y - a*x)^2/99' --data examples/misra.csv --at a=1 --method adam --batch 14",
    "fit '(1 - x)^2 + 100*(z - x^2)^2' --at x=-1.2,z=1 --method lbfgs",
    "fit 'r[i] = y[i] - a*x[i]; r' --data examples/misra.csv --at a=1",
);

/// Set by Ctrl-C.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// The exit code of a program that an interrupt ended, as shells have it.
const EXIT_INTERRUPTED: i32 = 130;

/// Arrays by name.
type Named = Vec<(String, Array)>;

impl Fit {
    pub fn run(&self) -> Result<Answer, Fault> {
        let program = self.text.parse()?;
        let bounds = Bounds::parse(&self.bounds)?;
        let saved = match self.resume.as_ref().or(self.params.as_ref()) {
            Some(path) => Saved::read(path)?,
            None => Saved::default(),
        };
        let numbers = self.point.values()?.into_iter().map(|(name, number)| (name, Array::from(number)));
        let mut at: Vec<(String, Array)> = numbers.collect();
        at.extend(self.args.as_ref().map(|path| inputs::from_json(path)).transpose()?.into_iter().flatten());
        let given: Vec<String> = at.iter().map(|(name, _)| name.clone()).collect();
        at.extend(saved.params.iter().filter(|(name, _)| !given.contains(name)).cloned());
        let (arrays, table) = self.arrays(&program)?;
        let known = at.iter().chain(&arrays).map(|(name, _)| name.as_str());
        let rows = self.rows(&program, table, known, &bounds)?;
        let state = match &self.resume {
            Some(path) => Some(saved.state.clone().ok_or_else(|| saved::without_state(path))?),
            None => None,
        };

        let bar = self.progress();
        let mut show = |step: &Step| report::show(&bar, step);
        _ = ctrlc::set_handler(|| {
            if INTERRUPTED.swap(true, Ordering::Relaxed) {
                data::whole::abandon();
                std::process::exit(EXIT_INTERRUPTED);
            }
        });
        let mut fit = Library::new(&program)
            .columns(rows.columns.iter().map(|(name, values)| (name.as_str(), values)))
            .bounds(bounds.iter())
            .settings(self.settings())
            .interrupt(&INTERRUPTED)
            .observe(&mut show);
        fit = at.iter().fold(fit, |fit, (name, value)| fit.with(name, value));
        fit = arrays.iter().fold(fit, |fit, (name, value)| fit.data(name, value));
        let sizes = inputs::sizes(&self.size)?;
        fit = sizes.iter().fold(fit, |fit, (name, size)| fit.size(name, *size));
        if let Some(names) = &self.wrt.wrt {
            fit = fit.wrt(values::names(names));
        }
        if let Some(state) = state {
            fit = fit.resume(state.for_method(self.method)?);
        }
        // What can't be written or drawn is found now, not after the fit.
        let place = self.save.as_ref().map(|path| place(path)).transpose()?;
        let given = Given { program: &program, columns: &rows.columns, arrays: &arrays, at: &at, sizes: &sizes };
        let pictures = self.pictures.begin(&fit, given, self.save.as_ref())?;
        let fitted = fit.run();
        bar.finish_and_clear();
        let fitted = fitted?;
        if let Some(place) = place {
            saved::write(place, report::saved(&fitted, self.method))?;
        }
        pictures.finish(&program, &fitted)?;
        let text = || report::text(&fitted);
        let json = || report::json(&fitted, self.method).into();
        let answer = Answer::about(&program, self.output.format, text, json);
        let answer = Answer { refused: !fitted.reason.succeeded(), ..answer }.and(rows.remark);
        Ok(answer.and(self.idle(&program)).and(self.squared(&fitted)).and(self.advice(&fitted)))
    }

    fn settings(&self) -> Settings {
        let plain = Settings::default();
        Settings {
            method: self.method.into(),
            loss: self.loss.map(Into::into),
            iterations: self.iterations,
            tolerance: self.tolerance,
            rate: self.rate,
            schedule: self.schedule.map_or(plain.schedule, |option| option.0),
            batch: self.batch,
            batch_dimension: self.batch_dimension.clone(),
            momentum: self.momentum.unwrap_or(plain.momentum),
            validation: self.validation,
            patience: self.patience,
            seed: self.seed,
            spread: self.spread.unwrap_or(plain.spread),
            threads: self.threads,
        }
    }

    /// The arrays that `--data` names, and the path of the table.
    fn arrays(&self, program: &Program) -> Result<(Named, Option<&PathBuf>), Fault> {
        let is_argument = |name: &str| program.arguments().iter().any(|argument| argument.name == canonical_name(name));
        let (mut arrays, mut table) = (Vec::new(), None);
        for path in &self.data {
            let text = path.to_str().filter(|_| program.has_arrays());
            let is_array = |text: &&str| match text.split_once('=') {
                Some((name, _)) => is_argument(name.trim()),
                None => matches!(Format::of(path), Ok(Format::Npz)),
            };
            match text.filter(is_array) {
                Some(text) => arrays.extend(inputs::from_file(text, program)?),
                None if table.is_some() => {
                    let help = "a second file is an array of a program that has one: `--data W=weights.npy`";
                    return Err(Fault::usage("there is a second table", help));
                }
                None => table = Some(path),
            }
        }
        Ok((arrays, table))
    }

    /// The arguments that differ from row to row, of programs with arrays also lists: those that a table must have.
    fn rows<'n>(
        &self,
        program: &Program,
        table: Option<&PathBuf>,
        known: impl Iterator<Item = &'n str>,
        bounds: &'n Bounds,
    ) -> Result<Rows, Fault> {
        let started = known.chain(bounds.iter().map(|(name, ..)| name));
        let started: Vec<Cow<str>> = started.map(canonical_name).collect();
        let given = |name: &str| started.iter().any(|given| given == name);
        let wrt = self.wrt.wrt.as_ref().map(|names| values::names(names).into_iter().map(canonical_name));
        let wrt: Option<Vec<Cow<str>>> = wrt.map(Iterator::collect);
        let is_declared = program.arguments().iter().any(|argument| argument.role != Role::Param);
        let is_fitted = |argument: &Argument| match &wrt {
            Some(names) => names.iter().any(|name| *name == argument.name),
            None => is_declared && argument.role == Role::Param,
        };
        let rest = program.arguments().iter().filter(|argument| !given(&argument.name) && !is_fitted(argument));
        let rest = rest.filter(|argument| argument.extents.len() < 2);
        let (lists, numbers): (Vec<&Argument>, Vec<&Argument>) =
            rest.partition(|argument| !argument.extents.is_empty());
        let name = |argument: &&Argument| argument.name.clone();
        let Some(path) = table else {
            let is_data = |argument: &&&Argument| argument.role != Role::Param;
            return match numbers.iter().find(is_data).map(|argument| &argument.name) {
                Some(name) => Err(Fault::usage(
                    format!("`{name}` is a column of the data, and there are no data"),
                    format!("`--data PATH` names a file with the rows; `--at {name}=1.5` gives one value for all"),
                )),
                None => Ok(Rows::default()),
            };
        };
        let rest: Vec<String> = numbers.iter().chain(&lists).map(name).collect();
        if rest.is_empty() {
            let help = "columns are the arguments that are neither fitted nor given by `--at`";
            return Err(Fault::usage("no argument is a column of the data", help));
        }
        let names: Option<Vec<String>> =
            self.columns.as_ref().map(|names| values::names(names).into_iter().map(str::to_owned).collect());
        let mut rows = Rows::read(path, rest, names.as_deref(), self.on_error.unwrap_or_default(), self.threads)?;
        let hidden = self.hidden(path, names.as_deref())?;
        rows.remark = match (rows.remark, hidden) {
            (Some(remark), Some(hidden)) => Some(format!("{remark}\n{hidden}")),
            (remark, hidden) => remark.or(hidden),
        };
        Ok(rows)
    }

    /// That `--at` gives a value to what is a column of the table.
    fn hidden(&self, path: &Path, names: Option<&[String]>) -> Result<Option<String>, Fault> {
        if data::is_stream(path) {
            return Ok(None);
        }
        let is_column = |name: &String| {
            let columns = std::slice::from_ref(name);
            data::open(path, Wanted { columns, names }).is_ok()
        };
        let hidden: Vec<String> = self.point.values()?.into_iter().map(|(name, _)| name).filter(is_column).collect();
        let quoted: Vec<String> = hidden.iter().map(|name| format!("`{name}`")).collect();
        Ok((!hidden.is_empty()).then(|| {
            format!("warning: {} of the data is not read: `--at` gives one value for all rows", quoted.join(", "))
        }))
    }

    /// A line with the loss, on a terminal only.
    fn progress(&self) -> ProgressBar {
        let target = ProgressDrawTarget::stderr_with_hz(4);
        let style =
            ProgressStyle::with_template("{spinner} {msg}").unwrap_or_else(|_| ProgressStyle::default_spinner());
        let bar = ProgressBar::with_draw_target(None, target).with_style(style);
        bar.enable_steady_tick(Duration::from_millis(250));
        bar
    }

    /// That squares are minimised, where the program needn't mean a residual and nobody asked for them.
    fn squared(&self, fitted: &Fitted) -> Option<String> {
        if self.loss.is_some() || fitted.is_residual || fitted.objective != Loss::Squares {
            return None;
        }
        let (squares, mean) = match fitted.rows {
            1 => ("square of the program's value", "the value itself"),
            _ => ("sum of the squares of the program's values", "their mean"),
        };
        Some(format!(
            "note: `--method lm` minimises the {squares}; `--method lbfgs` minimises {mean}, and `--loss squares` says that squares are meant"
        ))
    }

    /// The options that have no effect here.
    fn idle(&self, program: &Program) -> Option<String> {
        let Fit { method, .. } = *self;
        let is_descent = Method::from(method).is_descent();
        let has_batches = matches!(method, MethodOption::Sgd | MethodOption::Momentum | MethodOption::Adam);
        let with_method = [
            ("--rate", self.rate.is_some() && !is_descent),
            ("--schedule", self.schedule.is_some() && !is_descent),
            ("--batch", self.batch.is_some() && !has_batches),
            ("--momentum", self.momentum.is_some() && method != MethodOption::Momentum),
        ];
        let idle: Vec<String> =
            with_method.iter().filter(|(_, is_idle)| *is_idle).map(|(name, _)| format!("`{name}`")).collect();
        let mut remarks = Vec::new();
        if !idle.is_empty() {
            let have = if idle.len() == 1 { "has" } else { "have" };
            remarks.push(format!("warning: {} {have} no effect with `--method {}`", idle.join(", "), method.name()));
        }
        let has_table = self.data.iter().any(|path| !program.has_arrays() || !path.to_string_lossy().contains('='));
        for (name, is_idle, when) in [
            ("--spread", self.spread.is_some() && self.seed.is_none(), "without `--seed`"),
            ("--on-error", self.on_error.is_some() && !has_table, "without a table"),
            ("--columns", self.columns.is_some() && !has_table, "without a table"),
        ] {
            if is_idle {
                remarks.push(format!("warning: `{name}` has no effect {when}"));
            }
        }
        (!remarks.is_empty()).then(|| remarks.join("\n"))
    }

    /// What may help a fit that found no minimum.
    fn advice(&self, fitted: &Fitted) -> Option<String> {
        if fitted.reason.succeeded() {
            return None;
        }
        let hint = arguments::advice(fitted.reason)?;
        Some(format!("hint: {hint}"))
    }
}

/// The place of a file that the fit writes.
fn place(path: &Path) -> Result<Whole, Fault> {
    if data::is_stream(path) {
        let help = "name a file, as in `--save fit.json` and `--loss-curve loss.svg`";
        return Err(Fault::usage("the answer goes to the standard output, and nothing else does", help));
    }
    Ok(Whole::create(path)?)
}

impl From<Error> for Fault {
    fn from(error: Error) -> Fault {
        match error {
            Error::Library(error) => Fault::Library(error),
            error => Fault::Usage { message: error.to_string(), help: help(&error).into_iter().collect() },
        }
    }
}

/// How to mend it.
fn help(error: &Error) -> Option<String> {
    let help = match error {
        Error::NoStart { has_arrays: true, .. } => {
            "`--args` or `--params` names a JSON file with nested lists to begin from, `--seed 1` draws them"
        }
        Error::NoStart { names, .. } => {
            let list: Vec<String> = names.iter().take(5).map(|name| format!("{name}=1.5")).collect();
            let more = if names.len() > 5 { ",…" } else { "" };
            return Some(format!("`--at {}{more}` says where to begin, `--seed 1` draws them", list.join(",")));
        }
        Error::NoParameters => "declare them, as in `param a, b`, or name them: `--wrt a,b`",
        Error::LossNotFinite { .. } => {
            "begin elsewhere by `--at`; `chainrule eval --explain` tells where it comes from"
        }
        Error::DataNotFinite { .. } => "`--on-error skip` leaves such rows out",
        Error::FewRows { residuals: 1, .. } => {
            "`--method lbfgs` minimises a single value; the default method fits residuals, several of which are an array or the rows of `--data`"
        }
        Error::FewRows { .. } => "hold some parameters at a value: `--wrt` names those that are fitted",
        Error::NeedsSquares => "`--method lbfgs` or `--method adam` minimises a mean",
        Error::StartOutside { .. } | Error::NoBounds { .. } => "bounds are written `--bounds b1=0..10,b2=..5`",
        Error::NotFitted { .. } | Error::ColumnFitted { .. } => "`--wrt` names the parameters that are fitted",
        Error::NeedsRows { .. } => {
            "arrays with a row for each case are declared `data x[N, D], y[N]`, and `--batch-dimension N` names the size that counts \
             rows; `--method gd` takes the data as a whole"
        }
        Error::OtherState => "`--params` takes the parameters of any fit as a start",
        Error::Library(_)
        | Error::StartNotFinite { .. }
        | Error::Uneven { .. }
        | Error::NoRows
        | Error::Setting { .. } => return None,
    };
    Some(help.to_owned())
}
