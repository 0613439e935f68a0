//! From a file through a batch to a file, block by block.

use std::collections::HashSet;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use chainrule::data::{self, Block, Source, Wanted};
use chainrule::{Column, Compiled, Error, Kind, Output, Points, Program};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::OnError;
use super::names::Names;
use crate::cli::fault::Fault;

/// Everything between the two files but the code.
pub struct Stream<'a> {
    pub program: &'a Program,
    pub uniform: Vec<(&'a str, Column<'a>)>,
    pub columns: &'a [String],
    pub data: &'a Path,
    pub out: &'a Path,
    pub wanted: Wanted<'a>,
    pub on_error: OnError,
    pub threads: usize,
}

/// What has been done.
pub struct Outcome {
    /// Rows of the output.
    pub rows: u64,
    /// Rows of the data.
    pub read: u64,
    /// Rows that had no result.
    pub faulty: u64,
    pub columns: Vec<String>,
    pub bytes: u64,
    pub backend: &'static str,
    /// The first fault, if the output is there all the same.
    pub remark: Option<String>,
}

/// The exit code of a program that an interrupt ended, as shells have it.
const INTERRUPTED: i32 = 130;

impl Stream<'_> {
    pub fn run<K: Kind>(&self, compiled: &Compiled<K>, names: Names) -> Result<Outcome, Fault> {
        let columns: Vec<String> = names.iter().flatten().flatten().cloned().collect();
        check(&columns)?;
        data::Format::of(self.out)?;
        let mut source = data::open(self.data, self.wanted)?;
        let mut sink = data::create(self.out, &columns, self.threads)?;
        // At once, because a read from a pipe may take for ever. Where no handler can be set, a temporary file stays.
        _ = ctrlc::set_handler(|| {
            data::whole::abandon();
            std::process::exit(INTERRUPTED);
        });
        let bar = progress(source.as_ref());
        let mut table = Table::new(names);
        let mut outcome =
            Outcome { rows: 0, read: 0, faulty: 0, columns, bytes: 0, backend: compiled.batch_backend(), remark: None };
        let mut block = Block::default();
        while source.read(&mut block)? {
            self.block(compiled, &mut block, &mut table, &mut outcome)?;
            match sink.write(&table.columns()) {
                Err(error) if is_closed(&error) => break,
                written => written?,
            }
            outcome.rows += table.rows as u64;
            outcome.bytes = source.progress().0;
            bar.set_position(outcome.bytes);
        }
        bar.finish_and_clear();
        match sink.finish() {
            Err(error) if is_closed(&error) => {}
            finished => finished?,
        }
        Ok(outcome)
    }

    /// Computes a block; what has no result becomes what `--on-error` says.
    fn block<K: Kind>(
        &self,
        compiled: &Compiled<K>,
        block: &mut Block,
        table: &mut Table,
        outcome: &mut Outcome,
    ) -> Result<(), Fault> {
        let mut bad = vec![false; if block.faults.is_empty() { 0 } else { block.rows }];
        for fault in &block.faults {
            bad[fault.row] = true;
        }
        if let Some(fault) = block.faults.first() {
            let error = data::Error::Cell { path: self.data.to_owned(), fault: fault.clone() };
            self.refuse(error.into(), outcome)?;
        }
        table.resize(block.rows);
        let mut start = 0;
        while start < block.rows {
            // Rows whose cells are no numbers are not computed.
            let Some(end) = next_run(&bad, &mut start, block.rows) else { break };
            let failed = self.rows(compiled, block, table, start..end)?;
            start = match failed {
                None => end,
                Some((index, error)) => {
                    let row = outcome.read + (start + index) as u64 + 1;
                    self.refuse(row_fault(row, error), outcome)?;
                    bad.resize(block.rows, false);
                    bad[start + index] = true;
                    // What was computed before the failure is unspecified.
                    self.rows(compiled, block, table, start..start + index)?;
                    start + index + 1
                }
            };
        }
        outcome.read += block.rows as u64;
        let faulty = bad.iter().filter(|&&bad| bad).count();
        outcome.faulty += faulty as u64;
        if faulty > 0 {
            table.strike(&bad, self.on_error == OnError::Skip);
        }
        Ok(())
    }

    /// Ends everything, or remembers the first fault.
    fn refuse(&self, fault: Fault, outcome: &mut Outcome) -> Result<(), Fault> {
        if self.on_error == OnError::Fail {
            return Err(fault);
        }
        let done = if self.on_error == OnError::Skip { "left out" } else { "NaN" };
        let text = || format!("warning: rows without a result are {done}; the first: {}", fault.message());
        outcome.remark.get_or_insert_with(text);
        Ok(())
    }

    /// Computes rows; the first without a result, and why.
    fn rows<K: Kind>(
        &self,
        compiled: &Compiled<K>,
        block: &Block,
        table: &mut Table,
        rows: std::ops::Range<usize>,
    ) -> Result<Option<(usize, Error)>, Fault> {
        let columns = self.columns.iter().zip(&block.columns);
        let each = columns.map(|(name, values)| (name.as_str(), Column::Each(&values[rows.clone()])));
        let points: Points = self.program.columns(self.uniform.iter().copied().chain(each))?;
        let [values, first, second] = table.outputs(rows);
        let batch = compiled.batch(&points).threads(self.threads);
        match batch.part(0, values).part(1, first).part(2, second).run() {
            Ok(()) => Ok(None),
            Err(Error::AtPoint { index, error }) => Ok(Some((index, *error))),
            Err(error) => Err(error.into()),
        }
    }
}

/// Makes sure that there are columns to write, and that their names differ.
fn check(columns: &[String]) -> Result<(), Fault> {
    if columns.is_empty() {
        return Err(Fault::usage("nothing is asked for", "`--what value` asks for the value"));
    }
    let mut seen = HashSet::new();
    match columns.iter().find(|name| !seen.insert(*name)) {
        None => Ok(()),
        Some(name) => Err(Fault::usage(
            format!("two columns of the output would be called `{name}`"),
            "give the arguments of the formula other names, or ask for less by `--what`",
        )),
    }
}

/// The next rows that are not bad, from `start` on, which moves to the first of them.
fn next_run(bad: &[bool], start: &mut usize, rows: usize) -> Option<usize> {
    if bad.is_empty() {
        return Some(rows);
    }
    *start += bad[*start..].iter().position(|&bad| !bad)?;
    Some(bad[*start..].iter().position(|&bad| bad).map_or(rows, |len| *start + len))
}

fn row_fault(row: u64, error: Error) -> Fault {
    match error {
        Error::NotWhole { name, value } => Fault::usage(
            format!("row {row}: `{name}` is an integer, and {value} is none"),
            "`--on-error nan` or `--on-error skip` goes on without the row",
        ),
        other => Fault::AtRow { row, error: other },
    }
}

/// The output of a block.
struct Table {
    names: Names,
    /// A column for each name that there is.
    parts: [Vec<Vec<f64>>; 3],
    rows: usize,
}

impl Table {
    fn new(names: Names) -> Table {
        let parts = names.each_ref().map(|part| vec![Vec::new(); part.iter().flatten().count()]);
        Table { names, parts, rows: 0 }
    }

    fn resize(&mut self, rows: usize) {
        self.rows = rows;
        self.parts.iter_mut().flatten().for_each(|column| column.resize(rows, f64::NAN));
    }

    fn columns(&self) -> Vec<&[f64]> {
        self.parts.iter().flatten().map(|column| &column[..self.rows]).collect()
    }

    /// The places of these rows for a batch.
    fn outputs(&mut self, rows: std::ops::Range<usize>) -> [Output<'_>; 3] {
        let [a, b, c] = &mut self.parts;
        let mut parts = [a, b, c].into_iter();
        self.names.each_ref().map(|names| {
            let mut columns = parts.next().map(|part| part.iter_mut()).into_iter().flatten();
            let place = |name: &Option<String>| name.as_ref().and_then(|_| Some(&mut columns.next()?[rows.clone()]));
            Output::Columns(names.iter().map(place).collect())
        })
    }

    /// Makes bad rows NaN, or leaves them out.
    fn strike(&mut self, bad: &[bool], skip: bool) {
        for column in self.parts.iter_mut().flatten() {
            let mut bad = bad.iter();
            if skip {
                column.retain(|_| !bad.next().is_some_and(|&bad| bad));
                self.rows = column.len();
            } else {
                column.iter_mut().zip(bad).filter(|(_, bad)| **bad).for_each(|(value, _)| *value = f64::NAN);
            }
        }
    }
}

/// The reader of the standard output may have seen enough.
fn is_closed(error: &data::Error) -> bool {
    matches!(error, data::Error::Io { path, error, .. }
        if data::is_stream(path) && error.kind() == ErrorKind::BrokenPipe)
}

/// A bar with rate and time left, on a terminal only.
fn progress(source: &dyn Source) -> ProgressBar {
    let target = ProgressDrawTarget::stderr_with_hz(4);
    let (template, bar) = match source.progress().1 {
        Some(size) => {
            ("{bar:30} {percent}%  {bytes_per_sec}  {eta} left", ProgressBar::with_draw_target(Some(size), target))
        }
        None => ("{spinner} {bytes}  {bytes_per_sec}", ProgressBar::with_draw_target(None, target)),
    };
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = bar.with_style(style);
    bar.enable_steady_tick(Duration::from_millis(250));
    bar
}
