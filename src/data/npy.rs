//! NPY: one array of NumPy. Columns are the fields of a structured array, or the columns of a matrix, which have no names of
//! their own. All integers and floats of 32 and 64 bits are read, in either byte order; what is written is a structured array of doubles.

mod decode;

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use npyz::{DType, NpyHeader, Order};

use super::whole::Whole;
use super::{Block, Decode, Encode, Error, Raw, Sink, Source, Wanted, chunk, pick};
pub(super) use decode::Number;

/// A wanted column: where its number is in a row, and what it is.
#[derive(Clone, Copy)]
struct Field {
    number: Number,
    offset: u64,
}

/// Rows of an NPY file.
pub struct Reader {
    path: PathBuf,
    file: File,
    fields: Arc<Fields>,
    body: u64,
    rows: u64,
    next: u64,
}

/// How numbers lie in rows.
struct Fields {
    wanted: Vec<Field>,
    /// Bytes from row to row.
    stride: u64,
    /// Whether each column lies apart from the others, from its offset on.
    apart: bool,
}

impl Reader {
    /// Opens a file and reads its header.
    ///
    /// # Errors
    /// Where it can't be read, is no NPY file, or has not the wanted columns.
    pub fn open(path: &Path, wanted: Wanted) -> Result<Reader, Error> {
        let failed = |error| Error::Io { path: path.to_owned(), doing: "read", error };
        let unsupported = |what: String| Error::Unsupported { path: path.to_owned(), what };
        let mut file = File::open(path).map_err(failed)?;
        let header = header(path, &mut file)?;
        let body = file.stream_position().map_err(failed)?;
        let shape = header.shape().to_vec();
        let rows = shape.first().copied().unwrap_or(0);
        let apart = header.order() == Order::Fortran && shape.len() == 2;
        let (known, all, stride) = match header.dtype() {
            DType::Record(fields) if shape.len() == 1 => record(&fields, &unsupported)?,
            DType::Plain(text) if matches!(shape.len(), 1 | 2) => {
                let number = Number::of(&text).ok_or_else(|| unsupported(format!("has numbers of type {text}")))?;
                let width = shape.get(1).copied().unwrap_or(1);
                let names = matrix_names(wanted, width, &unsupported)?;
                let step = if apart { number.size().checked_mul(rows) } else { Some(number.size()) };
                let step = step.ok_or_else(|| unsupported("has an impossible shape".to_owned()))?;
                let fields = (0..width).map(|column| (number, column.saturating_mul(step))).collect();
                (names, fields, if apart { number.size() } else { number.size().saturating_mul(width) })
            }
            dtype => {
                let what = format!(
                    "is an array of {} with {} axes; a matrix or records are needed",
                    describe(&dtype),
                    shape.len()
                );
                return Err(unsupported(what));
            }
        };
        let picked = pick(path, &known, wanted.columns)?;
        let wanted = picked.iter().map(|&place| Field { number: all[place].0, offset: all[place].1 }).collect();
        let size = file.metadata().map_err(failed)?.len();
        let needed = stride.saturating_mul(rows).saturating_mul(if apart { known.len() as u64 } else { 1 });
        if size.saturating_sub(body) < needed {
            return Err(unsupported(format!(
                "ends early: {needed} bytes of numbers are announced, {} are there",
                size - body
            )));
        }
        let fields = Arc::new(Fields { wanted, stride, apart });
        Ok(Reader { path: path.to_owned(), file, fields, body, rows, next: 0 })
    }

    /// Rows from the next on. Columns that lie apart come one after the other.
    fn rows(&mut self, bytes: &mut Vec<u8>, rows: usize) -> std::io::Result<()> {
        let fields = &*self.fields;
        let (len, next) = (rows * fields.stride as usize, self.next * fields.stride);
        if !fields.apart {
            bytes.resize(len, 0);
            return self.file.read_exact(bytes);
        }
        bytes.resize(len * fields.wanted.len(), 0);
        for (column, field) in bytes.chunks_exact_mut(len).zip(&fields.wanted) {
            self.file.seek(SeekFrom::Start(self.body + field.offset + next))?;
            self.file.read_exact(column)?;
        }
        Ok(())
    }
}

impl Source for Reader {
    fn take(&mut self, raw: &mut Raw) -> Result<bool, Error> {
        let stride = self.fields.stride;
        let chunk = chunk(Some(stride.saturating_mul(self.rows))) as u64;
        let rows = (chunk / stride.max(8)).max(1).min(self.rows - self.next);
        raw.rows = rows as usize;
        if rows == 0 {
            return Ok(false);
        }
        let read = self.rows(&mut raw.bytes, raw.rows);
        read.map_err(|error| Error::Io { path: self.path.clone(), doing: "read", error })?;
        self.next += rows;
        Ok(true)
    }

    fn decoder(&self) -> Arc<dyn Decode> {
        self.fields.clone()
    }

    fn progress(&self) -> (u64, Option<u64>) {
        (self.next * self.fields.stride, Some(self.rows * self.fields.stride))
    }
}

impl Decode for Fields {
    fn decode(&self, raw: &mut Raw, block: &mut Block) {
        let stride = self.stride as usize;
        block.rows = raw.rows;
        block.faults.clear();
        block.columns.resize(self.wanted.len(), Vec::new());
        for (index, (column, field)) in block.columns.iter_mut().zip(&self.wanted).enumerate() {
            column.clear();
            match self.apart {
                true => {
                    field.number.decode(&raw.bytes[index * raw.rows * stride..][..raw.rows * stride], 0, stride, column)
                }
                false => field.number.decode(&raw.bytes, field.offset as usize, stride, column),
            }
        }
    }
}

pub(super) fn header(path: &Path, mut reader: impl Read) -> Result<NpyHeader, Error> {
    let unsupported = |what: String| Error::Unsupported { path: path.to_owned(), what };
    let no_file = |error: std::io::Error| unsupported(format!("is no NPY file: {error}"));
    let mut head = Vec::new();
    let mut take = |count: u64| {
        let start = head.len();
        reader.by_ref().take(count).read_to_end(&mut head).map(|_| head[start..].to_vec())
    };
    // The magic word, the version, the length of the text in 2 or 4 bytes, the text.
    let version = take(8).map_err(no_file)?.get(6).copied();
    let length = take(if version == Some(1) { 2 } else { 4 }).map_err(no_file)?;
    let length = length.iter().rev().fold(0, |length, &byte| length << 8 | u64::from(byte));
    let text = take(length).map_err(no_file)?;
    // Extents are multiplied where the header is read, unchecked.
    if elements(&String::from_utf8_lossy(&text)).is_none() {
        return Err(unsupported("has an impossible shape".to_owned()));
    }
    NpyHeader::from_reader(head.as_slice()).map_err(no_file)
}

/// How many elements the shape in a header's text announces, if that is a number.
fn elements(text: &str) -> Option<u64> {
    let shape = text.split_once("shape").map_or("", |(_, rest)| rest);
    let shape = shape.split_once('(').map_or("", |(_, rest)| rest);
    let shape = shape.split_once(')').map_or("", |(shape, _)| shape);
    let mut extents = shape.split(',').map(str::trim).filter(|extent| extent.bytes().any(|byte| byte.is_ascii_digit()));
    extents.try_fold(1u64, |elements, extent| elements.checked_mul(extent.trim_end_matches('L').parse().ok()?))
}

type Record = (Vec<String>, Vec<(Number, u64)>, u64);

/// The names, numbers and offsets of the fields of a record, and its size. A field that is no number is passed over, unless it is wanted.
fn record(fields: &[npyz::Field], unsupported: &impl Fn(String) -> Error) -> Result<Record, Error> {
    let (mut names, mut numbers, mut offset) = (Vec::new(), Vec::new(), 0);
    for field in fields {
        let size = field.dtype.num_bytes();
        let size = size.ok_or_else(|| unsupported(format!("has a field `{}` without a size", field.name)))?;
        if let DType::Plain(text) = &field.dtype
            && let Some(number) = Number::of(text)
        {
            names.push(field.name.clone());
            numbers.push((number, offset));
        }
        offset += size as u64;
    }
    Ok((names, numbers, offset))
}

/// What the columns of a matrix are called.
fn matrix_names(wanted: Wanted, width: u64, unsupported: &impl Fn(String) -> Error) -> Result<Vec<String>, Error> {
    match wanted.names {
        Some(names) if names.len() as u64 == width => Ok(names.to_vec()),
        Some(names) => Err(unsupported(format!("has {width} columns, and {} names are given", names.len()))),
        None if wanted.columns.len() == 1 && width == 1 => Ok(wanted.columns.to_vec()),
        None => Err(unsupported(format!("has {width} columns without names; give them with `--columns`"))),
    }
}

fn describe(dtype: &DType) -> String {
    match dtype {
        DType::Plain(text) => text.to_string(),
        DType::Array(..) => "arrays".to_owned(),
        DType::Record(_) => "records".to_owned(),
    }
}

/// Writes rows as a structured array of doubles.
pub struct Writer {
    target: Whole,
    dtype: String,
    rows: u64,
}

impl Writer {
    /// Begins a file.
    ///
    /// # Errors
    /// Where it can't be written.
    pub fn create(path: &Path, names: &[String]) -> Result<Writer, Error> {
        let field = |name: &String| format!("('{name}', '<f8')");
        let fields: Vec<String> = names.iter().map(field).collect();
        let dtype = format!("[{}]", fields.join(", "));
        let mut writer = Writer { target: Whole::create(path)?, dtype, rows: 0 };
        let header = array_header(&writer.dtype, 0);
        writer.target.write_all(&header).map_err(|error| writer.failed(error))?;
        Ok(writer)
    }

    fn failed(&self, error: std::io::Error) -> Error {
        Error::Io { path: self.target.path().to_owned(), doing: "written", error }
    }
}

impl Sink for Writer {
    fn encoder(&self) -> Arc<dyn Encode> {
        Arc::new(Records)
    }

    fn write(&mut self, bytes: &[u8], rows: usize) -> Result<(), Error> {
        self.rows += rows as u64;
        self.target.write_all(bytes).map_err(|error| self.failed(error))
    }

    fn finish(mut self: Box<Self>) -> Result<(), Error> {
        let header = array_header(&self.dtype, self.rows);
        let written = self.target.seek(SeekFrom::Start(0)).and_then(|_| self.target.write_all(&header));
        written.map_err(|error| self.failed(error))?;
        self.target.finish()
    }
}

/// The numbers of a row side by side.
struct Records;

impl Encode for Records {
    fn encode(&self, columns: &[&[f64]], bytes: &mut Vec<u8>) {
        let rows = columns.first().map_or(0, |column| column.len());
        bytes.resize(rows * columns.len() * 8, 0);
        let (slots, _) = bytes.as_chunks_mut::<8>();
        for (index, column) in columns.iter().enumerate().filter(|_| rows > 0) {
            for (slot, value) in slots[index..].iter_mut().step_by(columns.len()).zip(*column) {
                *slot = value.to_le_bytes();
            }
        }
    }
}

/// The header of an array with one axis. Its length does not depend on how long that is, so it can be written again at the end.
pub(super) fn array_header(dtype: &str, rows: u64) -> Vec<u8> {
    let shape = format!("({rows},), ");
    let text = format!("{{'descr': {dtype}, 'fortran_order': False, 'shape': {shape:<26}}}");
    // Version 1 is Latin-1 of 64 KiB at most, version 3 is UTF-8.
    let version = if text.is_ascii() && text.len() < 65_000 { 1 } else { 3 };
    let before = if version == 1 { 10 } else { 12 };
    let len = (before + text.len() + 1).next_multiple_of(64) - before;
    let mut header = b"\x93NUMPY".to_vec();
    header.extend([version, 0]);
    match version {
        1 => header.extend((len as u16).to_le_bytes()),
        _ => header.extend((len as u32).to_le_bytes()),
    }
    header.extend(text.as_bytes());
    header.resize(before + len - 1, b' ');
    header.push(b'\n');
    header
}
