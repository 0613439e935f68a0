//! CSV: text with a header, rows of cells between commas (or tabs), quoted cells, any end of line, perhaps a byte order mark.
//!
//! The text is taken in chunks that end with a row, from a pipe as soon as there is a whole one. A chunk without a quote
//! is understood on any thread; where rows with quotes end is found by understanding them, by the crate `csv`. Empty lines are no rows.

mod parse;

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::whole::Whole;
use super::{Block, Decode, Encode, Error, Raw, Sink, Source, Wanted, chunk, is_stream, pick};
pub(super) use parse::reader as rows;
use parse::{Misquoted, Rows};

/// The longest row, which must fit into memory several times.
const LONGEST_ROW: usize = 256 << 20;

/// Rows of a CSV file.
pub struct Reader {
    path: PathBuf,
    input: Box<dyn Read + Send>,
    /// What has been read and not yet taken.
    rest: Vec<u8>,
    ended: bool,
    /// Lines end with a carriage return alone, which is read as a newline.
    returns: bool,
    rows: Arc<Rows>,
    /// The line that the rest begins with, from 1.
    line: u64,
    done: u64,
    size: Option<u64>,
}

impl Reader {
    /// Opens a file, or the standard input for `-`, and reads its header.
    ///
    /// # Errors
    /// Where it can't be read, has no header, or not the wanted columns.
    pub fn open(path: &Path, delimiter: u8, wanted: Wanted) -> Result<Reader, Error> {
        let failed = |error| Error::Io { path: path.to_owned(), doing: "read", error };
        let (input, size): (Box<dyn Read + Send>, Option<u64>) = if is_stream(path) {
            (Box::new(io::stdin()), None)
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
        input: Box<dyn Read + Send>,
        size: Option<u64>,
        delimiter: u8,
        wanted: Wanted,
    ) -> Result<Reader, Error> {
        let rows = Arc::new(Rows::new(delimiter, &[], &[], 0));
        let (path, line) = (path.to_owned(), 1);
        let mut reader =
            Reader { path, input, rest: Vec::new(), ended: false, returns: false, rows, line, done: 0, size };
        let header = reader.header(delimiter)?;
        let places = pick(&reader.path, &header, wanted.columns)?;
        reader.rows = Arc::new(Rows::new(delimiter, wanted.columns, &places, header.len()));
        Ok(reader)
    }

    /// The names in the first row.
    fn header(&mut self, delimiter: u8) -> Result<Vec<String>, Error> {
        let mut text = Vec::new();
        loop {
            self.more(&mut text)?;
            let start = if text.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
            let mut reader = parse::reader(&text[start..], delimiter);
            let mut record = csv::ByteRecord::new();
            let found = reader.read_byte_record(&mut record).is_ok_and(|found| found);
            let mut end = start + reader.position().byte() as usize;
            // Of both signs of an end of line, the reader has seen the first.
            end += usize::from(text[..end].ends_with(b"\r") && text[end..].starts_with(b"\n"));
            if found && (end < text.len() || self.ended) {
                let name = |cell: &[u8]| String::from_utf8_lossy(cell.trim_ascii()).into_owned();
                let names = record.iter().map(name).collect();
                self.returns = text[..end].ends_with(b"\r");
                if self.returns {
                    as_newlines(&mut text);
                }
                self.line += parse::newlines(&text[..end]);
                self.rest = text.split_off(end);
                return Ok(names);
            }
            if self.ended {
                return Err(Error::NoHeader { path: self.path.clone() });
            }
        }
    }

    /// Reads on: what is there, up to a chunk, or as much again as there is.
    fn more(&mut self, text: &mut Vec<u8>) -> Result<(), Error> {
        let start = text.len();
        if start > LONGEST_ROW {
            return Err(Error::LongRow { path: self.path.clone(), line: self.line, limit: LONGEST_ROW });
        }
        text.resize((2 * start).max(chunk(self.size)), 0);
        let read = loop {
            match self.input.read(&mut text[start..]) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        let read = read.map_err(|error| Error::Io { path: self.path.clone(), doing: "read", error })?;
        text.truncate(start + read);
        if self.returns {
            as_newlines(&mut text[start..]);
        }
        self.ended = read == 0;
        self.done += read as u64;
        Ok(())
    }
}

/// Where lines end with a carriage return alone.
fn as_newlines(text: &mut [u8]) {
    text.iter_mut().filter(|byte| **byte == b'\r').for_each(|byte| *byte = b'\n');
}

impl Reader {
    /// Where whole rows end. Empty lines are rows of a single column, unless the text ends with them.
    fn end_of_rows(&self, text: &[u8]) -> usize {
        if !self.rows.is_single() {
            return match memchr::memrchr(b'\n', text) {
                _ if self.ended => text.len(),
                Some(newline) => newline + 1,
                None => 0,
            };
        }
        let Some(last) = text.iter().rposition(|byte| !matches!(byte, b'\r' | b'\n')) else { return 0 };
        match memchr::memchr(b'\n', &text[last..]) {
            Some(newline) => last + newline + 1,
            None if self.ended => text.len(),
            None => memchr::memrchr(b'\n', text).map_or(0, |newline| newline + 1),
        }
    }

    /// That quotes are closed, and close their cells, in rows that begin at the line that is next.
    fn check_quotes(&self, rows: &[u8]) -> Result<(), Error> {
        let Some(misquoted) = parse::misquoted(rows, self.rows.delimiter(), self.ended) else { return Ok(()) };
        let (at, what) = match misquoted {
            Misquoted::Open(at) => (at, "a quote is opened and never closed"),
            Misquoted::Behind(at) => {
                (at, "a cell goes on behind the quote that closes it; a quote in a quoted cell is written twice")
            }
        };
        Err(Error::Quote { path: self.path.clone(), line: self.line + parse::newlines(&rows[..at]), what })
    }
}

impl Source for Reader {
    fn take(&mut self, raw: &mut Raw) -> Result<bool, Error> {
        let Raw { bytes, rows: _, line, block } = raw;
        *line = self.line;
        bytes.clear();
        bytes.append(&mut self.rest);
        loop {
            let end = if memchr::memchr(b'"', bytes).is_some() {
                self.rows.quoted(bytes, self.ended, *line, block.insert(Block::default()))
            } else {
                *block = None;
                self.end_of_rows(bytes)
            };
            if end > 0 || self.ended {
                if block.is_some() {
                    self.check_quotes(&bytes[..end])?;
                }
                self.rest.extend_from_slice(&bytes[end..]);
                bytes.truncate(end);
                self.line += parse::newlines(bytes);
                return Ok(end > 0);
            }
            // Looking again at a long row pays only when there is much more of it.
            let least = if bytes.len() < chunk(None) { bytes.len() + 1 } else { 2 * bytes.len() };
            while bytes.len() < least && !self.ended {
                self.more(bytes)?;
            }
        }
    }

    fn decoder(&self) -> Arc<dyn Decode> {
        self.rows.clone()
    }

    fn progress(&self) -> (u64, Option<u64>) {
        (self.done - self.rest.len() as u64, self.size)
    }
}

impl Decode for Rows {
    fn decode(&self, raw: &mut Raw, block: &mut Block) {
        match raw.block.take() {
            Some(parsed) => *block = parsed,
            None => self.plain(&raw.bytes, raw.line, block),
        }
    }
}

/// Writes rows as CSV, numbers as the shortest text that reads back to the same double.
pub struct Writer {
    path: PathBuf,
    target: Target,
    delimiter: u8,
    /// Written with the first rows, so that a failure before them leaves nothing on the standard output.
    header: Vec<u8>,
}

enum Target {
    File(Whole),
    Stdout(io::Stdout),
}

impl Writer {
    /// Begins a file, or the standard output for `-`, with its header.
    ///
    /// # Errors
    /// Where it can't be written.
    pub fn create(path: &Path, delimiter: u8, names: &[String]) -> Result<Writer, Error> {
        let target = match is_stream(path) {
            true => Target::Stdout(io::stdout()),
            false => Target::File(Whole::create(path)?),
        };
        let mut writer = Writer { path: path.to_owned(), target, delimiter, header: Vec::new() };
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

    fn header(&mut self) -> Result<(), Error> {
        match std::mem::take(&mut self.header) {
            header if header.is_empty() => Ok(()),
            header => self.text(&header),
        }
    }
}

impl Sink for Writer {
    fn encoder(&self) -> Arc<dyn Encode> {
        Arc::new(Text { delimiter: self.delimiter })
    }

    fn write(&mut self, bytes: &[u8], _: usize) -> Result<(), Error> {
        self.header()?;
        self.text(bytes)
    }

    fn finish(mut self: Box<Self>) -> Result<(), Error> {
        self.header()?;
        if let Target::Stdout(stdout) = &mut self.target {
            return stdout.flush().map_err(|error| self.failed(error));
        }
        match self.target {
            Target::File(file) => file.finish(),
            Target::Stdout(_) => Ok(()),
        }
    }
}

/// Prints rows.
struct Text {
    delimiter: u8,
}

impl Encode for Text {
    fn encode(&self, columns: &[&[f64]], text: &mut Vec<u8>) {
        text.clear();
        let mut buffer = zmij::Buffer::new();
        for row in 0..columns.first().map_or(0, |column| column.len()) {
            for column in columns {
                text.extend_from_slice(buffer.format(column[row]).as_bytes());
                text.push(self.delimiter);
            }
            if let Some(last) = text.last_mut() {
                *last = b'\n';
            }
        }
    }
}
