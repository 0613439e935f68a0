//! From a file through a batch to a file. Each packet of rows is understood, computed and printed by one thread, while its
//! numbers are in the cache; files are read and written in order.

use std::collections::HashSet;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use chainrule::data::{self, Block, CellFault, Decode, Encode, Raw, Source, Wanted, flow};
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
        let mut sink = data::create(self.out, &columns)?;
        // At once, because a read from a pipe may take for ever. Where no handler can be set, a temporary file stays.
        _ = ctrlc::set_handler(|| {
            data::whole::abandon();
            std::process::exit(INTERRUPTED);
        });
        let bar = progress(source.as_ref());
        let mut outcome =
            Outcome { rows: 0, read: 0, faulty: 0, columns, bytes: 0, backend: compiled.batch_backend(), remark: None };
        let (decoder, encoder) = (source.decoder(), sink.encoder());
        flow::run(
            self.threads,
            || Packet::new(&names),
            |packet: &mut Packet| {
                let taken = source.take(&mut packet.raw)?;
                packet.bytes = source.progress().0;
                Ok::<bool, Fault>(taken)
            },
            |packet| self.work(compiled, decoder.as_ref(), encoder.as_ref(), packet),
            |packet| {
                if let Some(why) = packet.failure.take() {
                    self.refuse(why, &mut outcome)?;
                }
                outcome.read += packet.block.rows as u64;
                outcome.rows += packet.table.rows as u64;
                outcome.faulty += packet.faulty;
                outcome.bytes = packet.bytes;
                bar.set_position(outcome.bytes);
                match sink.write(&packet.text, packet.table.rows) {
                    Err(error) if is_closed(&error) => Ok(false),
                    written => Ok(written.map(|()| true)?),
                }
            },
        )?;
        bar.finish_and_clear();
        match sink.finish() {
            Err(error) if is_closed(&error) => {}
            finished => finished?,
        }
        Ok(outcome)
    }

    /// What happens to a packet on any thread.
    fn work<K: Kind>(&self, compiled: &Compiled<K>, decoder: &dyn Decode, encoder: &dyn Encode, packet: &mut Packet) {
        let Packet { raw, block, table, text, failure, faulty, .. } = packet;
        decoder.decode(raw, block);
        let mut bad = vec![false; if block.faults.is_empty() { 0 } else { block.rows }];
        for fault in &block.faults {
            bad[fault.row] = true;
        }
        *failure = self.compute(compiled, block, table, &mut bad);
        if self.on_error == OnError::Fail && failure.is_some() {
            return;
        }
        *faulty = bad.iter().filter(|&&bad| bad).count() as u64;
        if *faulty > 0 {
            table.strike(&bad, self.on_error == OnError::Skip);
        }
        encoder.encode(&table.columns(), text);
    }

    /// Computes a block; marks rows without a result, and says why the first has none. If that ends everything, the rest is not computed.
    fn compute<K: Kind>(
        &self,
        compiled: &Compiled<K>,
        block: &Block,
        table: &mut Table,
        bad: &mut Vec<bool>,
    ) -> Option<Why> {
        let fails = self.on_error == OnError::Fail;
        let fault = block.faults.first();
        let rows = fault.filter(|_| fails).map_or(block.rows, |fault| fault.row);
        let mut first = fault.map(|fault| (fault.row, Why::Cell(fault.clone())));
        table.resize(block.rows);
        let mut start = 0;
        while start < rows {
            // Rows whose cells are no numbers are not computed.
            let Some(end) = next_run(bad, &mut start, rows) else { break };
            start = match self.rows(compiled, block, table, start..end) {
                Ok(None) => end,
                Ok(Some((index, error))) => {
                    let row = start + index;
                    if first.as_ref().is_none_or(|(first, _)| row < *first) {
                        first = Some((row, Why::Row(row, error)));
                    }
                    if fails {
                        break;
                    }
                    bad.resize(block.rows, false);
                    bad[row] = true;
                    // What was computed before the failure is unspecified.
                    if let Err(fault) = self.rows(compiled, block, table, start..row) {
                        return Some(Why::Other(fault));
                    }
                    row + 1
                }
                Err(fault) => return Some(Why::Other(fault)),
            };
        }
        first.map(|(_, why)| why)
    }

    /// Ends everything, or remembers why the first row has no result.
    fn refuse(&self, why: Why, outcome: &mut Outcome) -> Result<(), Fault> {
        let fault = match why {
            Why::Cell(fault) => data::Error::Cell { path: self.data.to_owned(), fault }.into(),
            Why::Row(row, error) => row_fault(outcome.read + row as u64 + 1, error),
            Why::Other(fault) => return Err(fault),
        };
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
        match compiled.batch(&points).part(0, values).part(1, first).part(2, second).run() {
            Ok(()) => Ok(None),
            Err(Error::AtPoint { index, error }) => Ok(Some((index, *error))),
            Err(error) => Err(error.into()),
        }
    }
}

/// Some rows on their way from file to file.
struct Packet {
    raw: Raw,
    block: Block,
    table: Table,
    /// The rows of the output, as they are to be in the file.
    text: Vec<u8>,
    /// How much of the data there is up to its end.
    bytes: u64,
    /// Why the first row without a result has none.
    failure: Option<Why>,
    /// How many rows have none.
    faulty: u64,
}

/// Why there is no result.
enum Why {
    Cell(CellFault),
    /// A row of the packet, from 0.
    Row(usize, Error),
    Other(Fault),
}

impl Packet {
    fn new(names: &Names) -> Packet {
        Packet {
            raw: Raw::default(),
            block: Block::default(),
            table: Table::new(names.clone()),
            text: Vec::new(),
            bytes: 0,
            failure: None,
            faulty: 0,
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
