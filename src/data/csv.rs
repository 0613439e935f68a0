//! CSV: text with a header, rows of cells between commas (or tabs), quoted cells, any end of line, perhaps a byte order mark.
//!
//! The text is read in chunks that are cut between rows; the rows of a chunk are parsed, and the rows of a block printed, in
//! pieces on several threads. A chunk without a quote is cut at its commas and line ends; one with quotes is
//! left to the crate `csv`. Empty lines are no rows.

mod parse;

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use super::whole::Whole;
use super::{Block, Error, Sink, Source, Wanted, is_stream, pick, split};
pub(super) use parse::reader as rows;
use parse::{Piece, Rows};

/// So many bytes are read at a time.
const CHUNK: usize = 4 << 20;

/// The longest row, which must fit into memory several times.
const LONGEST_ROW: usize = 256 << 20;

/// Rows of a CSV file.
pub struct Reader {
    path: PathBuf,
    input: Box<dyn Read>,
    /// What has been read and not yet parsed.
    buffer: Vec<u8>,
    ended: bool,
    rows: Rows,
    /// The line that the buffer begins with, from 1.
    line: u64,
    done: u64,
    size: Option<u64>,
    threads: usize,
}

impl Reader {
    /// Opens a file, or the standard input for `-`, and reads its header.
    ///
    /// # Errors
    /// Where it can't be read, has no header, or not the wanted columns.
    pub fn open(path: &Path, delimiter: u8, wanted: Wanted) -> Result<Reader, Error> {
        let failed = |error| Error::Io { path: path.to_owned(), doing: "read", error };
        let (input, size): (Box<dyn Read>, Option<u64>) = if is_stream(path) {
            (Box::new(io::stdin().lock()), None)
        } else {
            let file = File::open(path).map_err(failed)?;
            let metadata = file.metadata().map_err(failed)?;
            if metadata.is_dir() {
                return Err(failed(io::Error::other("it is a directory")));
            }
            (Box::new(file), metadata.is_file().then_some(metadata.len()))
        };
        Reader::new(path, input, size, delimiter, wanted)
    }

    /// Reads from anything; `path` is what messages call it.
    ///
    /// # Errors
    /// As [`Reader::open`].
    pub fn new(
        path: &Path,
        input: Box<dyn Read>,
        size: Option<u64>,
        delimiter: u8,
        wanted: Wanted,
    ) -> Result<Reader, Error> {
        let rows = Rows { delimiter, wanted: Vec::new(), names: wanted.columns.to_vec(), width: 0 };
        let mut reader = Reader {
            path: path.to_owned(),
            input,
            buffer: Vec::new(),
            ended: false,
            rows,
            line: 1,
            done: 0,
            size,
            threads: wanted.threads,
        };
        let header = reader.header()?;
        reader.rows.width = header.len();
        reader.rows.wanted = pick(path, &header, wanted.columns)?;
        Ok(reader)
    }

    /// The names in the first row.
    fn header(&mut self) -> Result<Vec<String>, Error> {
        self.fill(CHUNK)?;
        if self.buffer.starts_with(b"\xef\xbb\xbf") {
            self.buffer.drain(..3);
        }
        loop {
            let mut text = parse::reader(&self.buffer, self.rows.delimiter);
            let mut record = csv::ByteRecord::new();
            let found = text.read_byte_record(&mut record).is_ok_and(|found| found);
            let mut end = text.position().byte() as usize;
            // Of both signs of an end of line, the reader has seen the first.
            end += usize::from(self.buffer[..end].ends_with(b"\r") && self.buffer[end..].starts_with(b"\n"));
            if found && (end < self.buffer.len() || self.ended) {
                let name = |cell: &[u8]| String::from_utf8_lossy(cell.trim_ascii()).into_owned();
                let names = record.iter().map(name).collect();
                self.line += parse::newlines(&self.buffer[..end]);
                self.buffer.drain(..end);
                return Ok(names);
            }
            if self.ended {
                return Err(Error::NoHeader { path: self.path.clone() });
            }
            self.more()?;
        }
    }

    /// Reads on until the buffer has so many bytes.
    fn fill(&mut self, len: usize) -> Result<(), Error> {
        let missing = len.saturating_sub(self.buffer.len());
        if missing > 0 && !self.ended {
            let read = (&mut self.input).take(missing as u64).read_to_end(&mut self.buffer);
            let read = read.map_err(|error| Error::Io { path: self.path.clone(), doing: "read", error })?;
            self.ended = read < missing;
            self.done += read as u64;
        }
        Ok(())
    }

    /// Reads on where a row is longer than the buffer.
    fn more(&mut self) -> Result<(), Error> {
        if self.buffer.len() > LONGEST_ROW {
            return Err(Error::LongRow { path: self.path.clone(), line: self.line, limit: LONGEST_ROW });
        }
        self.fill((2 * self.buffer.len()).max(CHUNK))
    }

    /// Parses the whole rows of the buffer; the length of their text.
    fn parse(&self) -> (usize, Vec<Piece>) {
        if memchr::memchr(b'"', &self.buffer).is_some() {
            let piece = self.rows.quoted(&self.buffer, self.ended);
            return (piece.bytes, vec![piece]);
        }
        let end = match memchr::memrchr(b'\n', &self.buffer) {
            _ if self.ended => self.buffer.len(),
            Some(newline) => newline + 1,
            None => 0,
        };
        let pieces = parse::pieces(&self.buffer[..end], if self.threads == 1 { 1 } else { 8 });
        let rows = &self.rows;
        (end, split::map(pieces.into_iter(), self.threads, |piece| rows.plain(piece)))
    }
}

impl Source for Reader {
    fn read(&mut self, block: &mut Block) -> Result<bool, Error> {
        block.rows = 0;
        block.faults.clear();
        block.columns.resize(self.rows.wanted.len(), Vec::new());
        block.columns.iter_mut().for_each(Vec::clear);
        self.fill(CHUNK)?;
        while block.rows == 0 {
            let (end, pieces) = self.parse();
            for piece in pieces {
                for (column, values) in block.columns.iter_mut().zip(&piece.columns) {
                    column.extend_from_slice(values);
                }
                for mut fault in piece.faults {
                    fault.row += block.rows;
                    fault.line += self.line;
                    block.faults.push(fault);
                }
                block.rows += piece.rows;
                self.line += piece.lines;
            }
            self.buffer.drain(..end);
            if block.rows == 0 {
                if self.ended {
                    return Ok(false);
                }
                self.more()?;
            }
        }
        Ok(true)
    }

    fn progress(&self) -> (u64, Option<u64>) {
        (self.done - self.buffer.len() as u64, self.size)
    }
}

/// Writes rows as CSV, numbers as the shortest text that reads back to the same double.
pub struct Writer {
    path: PathBuf,
    target: Target,
    delimiter: u8,
    threads: usize,
    /// Written with the first rows, so that a failure before them leaves nothing on the standard output.
    header: Vec<u8>,
}

enum Target {
    File(BufWriter<Whole>),
    Stdout(io::Stdout),
}

impl Writer {
    /// Begins a file, or the standard output for `-`, with its header.
    ///
    /// # Errors
    /// Where it can't be written.
    pub fn create(path: &Path, delimiter: u8, names: &[String], threads: usize) -> Result<Writer, Error> {
        let target = if is_stream(path) {
            Target::Stdout(io::stdout())
        } else {
            Target::File(BufWriter::new(Whole::create(path)?))
        };
        let mut writer = Writer { path: path.to_owned(), target, delimiter, threads, header: Vec::new() };
        let mut header = csv::WriterBuilder::new().delimiter(delimiter).from_writer(Vec::new());
        let header = header
            .write_record(names)
            .map_err(io::Error::from)
            .and_then(|()| header.into_inner().map_err(|error| io::Error::other(error.to_string())));
        writer.header = header.map_err(|error| writer.failed(error))?;
        Ok(writer)
    }

    fn failed(&self, error: io::Error) -> Error {
        Error::Io { path: self.path.clone(), doing: "written", error }
    }

    fn text(&mut self, text: &[u8]) -> Result<(), Error> {
        let written = match &mut self.target {
            Target::File(file) => file.write_all(text),
            Target::Stdout(stdout) => stdout.lock().write_all(text),
        };
        written.map_err(|error| self.failed(error))
    }
}

impl Sink for Writer {
    fn write(&mut self, columns: &[&[f64]]) -> Result<(), Error> {
        const ROWS: usize = 8192;
        let rows = columns.first().map_or(0, |column| column.len());
        let pieces: Vec<usize> = (0..rows).step_by(ROWS).collect();
        let delimiter = self.delimiter;
        let header = std::mem::take(&mut self.header);
        self.text(&header)?;
        let texts = split::map(pieces.into_iter(), self.threads, |start| {
            let end = (start + ROWS).min(rows);
            let columns: Vec<&[f64]> = columns.iter().map(|column| &column[start..end]).collect();
            print(&columns, delimiter)
        });
        texts.iter().try_for_each(|text| self.text(text))
    }

    fn finish(mut self: Box<Self>) -> Result<(), Error> {
        let header = std::mem::take(&mut self.header);
        self.text(&header)?;
        if let Target::Stdout(stdout) = &mut self.target {
            return stdout.flush().map_err(|error| self.failed(error));
        }
        let Writer { path, target, .. } = *self;
        match target {
            Target::File(file) => {
                let whole = file.into_inner().map_err(|error| Error::Io {
                    path,
                    doing: "written",
                    error: error.into_error(),
                })?;
                whole.finish()
            }
            Target::Stdout(_) => Ok(()),
        }
    }
}

fn print(columns: &[&[f64]], delimiter: u8) -> Vec<u8> {
    let rows = columns.first().map_or(0, |column| column.len());
    let mut text = Vec::with_capacity(rows * columns.len() * 20);
    let mut buffer = zmij::Buffer::new();
    for row in 0..rows {
        for column in columns {
            text.extend_from_slice(buffer.format(column[row]).as_bytes());
            text.push(delimiter);
        }
        if let Some(last) = text.last_mut() {
            *last = b'\n';
        }
    }
    text
}
