//! `chainrule batch`: a formula and its derivatives at every row of a file.
//!
//! - [`stream`] moves blocks from the source through the batch to the sink.
//! - [`names`] calls the columns of the output.

pub mod names;
mod stream;

use std::path::{Path, PathBuf};
use std::time::Instant;

use chainrule::data::{self, Wanted};
use chainrule::syntax::canonical_name;
use chainrule::{Argument, Array, Program};
use clap::{Args, ValueEnum};
use serde_json::json;

use super::answer::Answer;
use super::fault::Fault;
use super::options::{Format, ModeOption, Output, Point, Run, Text, Wrt};
use super::{examples, inputs, json, values};
use stream::{Outcome, Stream};

/// Values and derivatives at every row of a CSV, NPY or NPZ file
///
/// Arguments are columns of the file, by name; `--at` gives those that are the same for all rows, and so do `--args` and
/// `--data NAME=PATH`, also arrays. The output has the columns `value`, `d_x`, `d_x_z`, …; of several results their names, and
/// `r_d_x`; of arrays a column an element, `d_W[0, 1]`. Files may be larger than memory, and the output appears whole or not at all.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Batch {
    #[command(flatten)]
    text: Text,
    /// Where the points are: .csv, .tsv, .npy (records, or a matrix with `--columns`), .npz; `-` is CSV on the standard input.
    /// With NAME=PATH an array that is the same for all rows
    #[arg(long, value_name = "PATH", allow_hyphen_values = true, required = true)]
    data: Vec<PathBuf>,
    /// Where the results go, in the format of the extension; `-` is CSV on the standard output
    #[arg(long, value_name = "PATH", allow_hyphen_values = true)]
    out: PathBuf,
    /// What is computed; a gradient of several results is their Jacobian
    #[arg(long, value_delimiter = ',', default_value = "value,gradient", value_name = "WHAT,…")]
    what: Vec<What>,
    #[command(flatten)]
    point: Point,
    /// Arguments that are the same for all rows from a JSON file, numbers and nested lists: {"c": 2, "W": [[1, 2], [3, 4]]}; `-` is the standard input
    #[arg(long, value_name = "PATH", allow_hyphen_values = true)]
    args: Option<PathBuf>,
    /// Sizes of arrays that don't follow from an argument: N=100; may be repeated
    #[arg(long, value_name = "NAME=SIZE,…")]
    size: Vec<String>,
    /// The names of the columns of a matrix in NPY
    #[arg(long, value_name = "NAME,…")]
    columns: Option<String>,
    /// What happens to a row with a cell that is empty or no number, or without a result
    #[arg(long, value_enum, default_value_t, value_name = "WHAT")]
    on_error: OnError,
    /// How many threads work; 0 is one for each processor
    #[arg(long, default_value_t = 0, value_name = "N")]
    threads: usize,
    #[command(flatten)]
    wrt: Wrt,
    #[command(flatten)]
    mode: ModeOption,
    #[command(flatten)]
    run: Run,
    #[command(flatten)]
    output: Output,
}

const EXAMPLES: &str = examples!(
    "batch 'exp(x*z) + x*z/ln(x)' --data examples/points.csv --out -",
    "batch 'x^2*z' --data examples/points.csv --at z=3 --what value,gradient,hessian --out -",
    "batch 'x/z' --data examples/points.csv --wrt x --on-error nan --out -",
    "batch 'z*w[0] + w[1]' --data examples/points.csv --data w=examples/vector.csv --out -",
);

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// The value, or the value of each result
    Value,
    /// The first derivatives
    Gradient,
    /// The second derivatives, each once
    Hessian,
}

#[derive(Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum OnError {
    /// There is no output
    #[default]
    Fail,
    /// Its results are NaN
    Nan,
    /// It is left out
    Skip,
}

impl From<data::Error> for Fault {
    fn from(error: data::Error) -> Fault {
        let help = match &error {
            data::Error::MissingColumn { name, .. } => format!("name the column so, or give a value: --at {name}=1.5"),
            data::Error::Cell { .. } => "`--on-error nan` or `--on-error skip` goes on without the row".to_owned(),
            _ => return Fault::Usage { message: error.to_string(), help: Vec::new() },
        };
        Fault::usage(error.to_string(), help)
    }
}

impl Batch {
    pub fn run(&self) -> Result<Answer, Fault> {
        let start = Instant::now();
        let program = self.text.parse()?;
        let (arrays, table) = self.sources(&program)?;
        let mut uniform = inputs::gather(&self.point.values()?, self.args.as_deref())?;
        uniform.extend(arrays);
        let given = |argument: &&Argument| uniform.iter().any(|(given, _)| *given == argument.name);
        let columns: Vec<&Argument> = program.arguments().iter().filter(|argument| !given(argument)).collect();
        if let Some(argument) = columns.iter().find(|argument| !argument.extents.is_empty()) {
            let message = format!("`{}` is an array, and a row has numbers", argument.name);
            let help = "`--data NAME=PATH` or `--args PATH` gives an array that is the same for all rows";
            return Err(Fault::usage(message, help));
        }
        let columns: Vec<String> = columns.into_iter().map(|argument| argument.name.clone()).collect();
        // Names that are none or come twice are found before any file is looked at.
        let nothing: Vec<(String, Array)> = columns.iter().map(|name| (name.clone(), Array::from(1.0))).collect();
        let all = uniform.iter().chain(&nothing).map(|(name, array)| (name.as_str(), array.view()));
        program.binding(all)?;
        let program = inputs::bind(&program, &uniform, &inputs::sizes(&self.size)?)?.0;
        let uniform = inputs::columns(&uniform);
        if columns.is_empty() {
            let help = "`--at` is for arguments that are the same in all rows; `chainrule grad` is for one point";
            return Err(Fault::usage("no argument is a column of the data", help));
        }
        let matrix: Option<Vec<String>> =
            self.columns.as_ref().map(|names| values::names(names).into_iter().map(str::to_owned).collect());
        let wanted = Wanted { columns: &columns, names: matrix.as_deref() };
        let stream = Stream {
            program: &program,
            uniform,
            columns: &columns,
            data: table,
            out: &self.out,
            wanted,
            on_error: self.on_error,
            threads: self.threads,
        };
        let outcome = self.compute(&program, stream)?;
        Ok(self.answer(&program, &outcome, start.elapsed().as_secs_f64()))
    }

    /// The arrays that `--data` names, and the path of the table.
    fn sources(&self, program: &Program) -> Result<(inputs::Named, &Path), Fault> {
        let is_argument = |name: &str| program.arguments().iter().any(|argument| argument.name == canonical_name(name));
        let array = |path: &&PathBuf| {
            let name = path.to_str().and_then(|text| text.split_once('='));
            name.is_some_and(|(name, _)| is_argument(name.trim()))
        };
        let (arrays, tables): (Vec<&PathBuf>, Vec<&PathBuf>) = self.data.iter().partition(array);
        let [table] = tables[..] else {
            let message =
                if tables.is_empty() { "there is no table with the points" } else { "there is a second table" };
            let help = "one file has the rows, --data points.csv; others are arrays for all rows, --data W=weights.npy";
            return Err(Fault::usage(message, help));
        };
        let mut named = Vec::new();
        for text in arrays.into_iter().filter_map(|path| path.to_str()) {
            named.extend(inputs::from_file(text, program)?);
        }
        Ok((named, table))
    }

    fn wants(&self, what: What) -> bool {
        self.what.contains(&what)
    }

    fn compute(&self, program: &Program, stream: Stream) -> Result<Outcome, Fault> {
        let graph = program.graph();
        let several = graph.results.len() != 1 || graph.is_array(graph.results[0].value);
        if self.wants(What::Hessian) {
            let request = self.run.apply(self.wrt.apply(program.hessian()).mode(self.mode.mode));
            let names = names::hessian(program, &request.names()?);
            return stream.run(&request.compile()?, self.pick(names));
        }
        if self.wants(What::Gradient) && several {
            let request = self.run.apply(self.wrt.apply(program.jacobian()).mode(self.mode.mode));
            let names = names::jacobian(program, &request.names()?);
            return stream.run(&request.compile()?, self.pick(names));
        }
        if self.wants(What::Gradient) {
            let request = self.run.apply(self.wrt.apply(program.gradient()).mode(self.mode.mode));
            let names = names::gradient(program, &request.names()?);
            return stream.run(&request.compile()?, self.pick(names));
        }
        let request = self.run.apply(program.value());
        stream.run(&request.compile()?, self.pick(names::values(program)))
    }

    /// The parts that are asked for.
    fn pick(&self, mut names: names::Names) -> names::Names {
        for (part, what) in names.iter_mut().zip([What::Value, What::Gradient, What::Hessian]) {
            if !self.wants(what) {
                part.fill(None);
            }
        }
        names
    }

    fn answer(&self, program: &Program, outcome: &Outcome, seconds: f64) -> Answer {
        let rate = |amount: u64| amount as f64 / seconds.max(1e-9);
        let text = || {
            let left = if outcome.faulty == 0 {
                String::new()
            } else {
                format!(", {} {}", outcome.faulty, if self.on_error == OnError::Skip { "left out" } else { "NaN" })
            };
            format!(
                "{} rows{left}, {} columns, {seconds:.2} s, {:.2} M rows/s, {:.0} MB/s\n{}",
                outcome.rows,
                outcome.columns.len(),
                rate(outcome.rows) / 1e6,
                rate(outcome.bytes) / 1e6,
                self.run.relax.note(),
            )
        };
        let json = || {
            self.run.relax.mark(json::object([
                ("rows", json!(outcome.rows)),
                ("faulty", json!(outcome.faulty)),
                ("columns", json!(outcome.columns)),
                ("seconds", json!(seconds)),
                ("bytes_read", json!(outcome.bytes)),
                ("backend", json!(outcome.backend)),
            ]))
        };
        let mut answer = Answer::about(program, self.output.format, text, json);
        if data::is_stream(&self.out) {
            // The output is the data, and a summary in it would be none.
            if self.output.format == Format::Json {
                answer.remarks.push(std::mem::take(&mut answer.text).trim_end().to_owned());
            }
            answer.text.clear();
        }
        answer.and(outcome.remark.clone())
    }
}
