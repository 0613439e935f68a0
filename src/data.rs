//! Points from files and results into files, block by block, so that memory stays bounded however large a file is.
//!
//! A [`Source`] takes rows from a file as they are there, its [`Decode`] makes a [`Block`] of columns of them; an [`Encode`] makes rows of
//! results, as they are to be in a file, and its [`Sink`] writes them. Taking and writing go in order, decoding and encoding on any thread;
//! [`flow`] is how. A format is a source and a sink: CSV ([`csv`]), NPY ([`npy`]) and NPZ ([`npz`]). [`whole`] makes output appear whole or
//! not at all. [`mod@array`] reads whole arrays from the same files.
//!
//! A cell that is missing or is no number is a [`CellFault`] in its block, with its line and column; what to do about it is
//! the caller's to say.

pub mod array;
pub mod csv;
mod error;
pub mod flow;
pub mod npy;
pub mod npz;
mod number;
pub mod whole;

use std::path::Path;
use std::sync::Arc;

pub use error::{CellFault, Error, Fault};

/// Some rows of the wanted columns.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Block {
    pub rows: usize,
    /// The wanted columns in order. A faulty cell is NaN.
    pub columns: Vec<Vec<f64>>,
    /// Cells without a number, in order of row.
    pub faults: Vec<CellFault>,
}

/// Rows as they are in a file.
#[derive(Debug, Default)]
pub struct Raw {
    pub bytes: Vec<u8>,
    /// How many they are, where that is known without a look at them.
    pub rows: usize,
    /// Of text, the line it begins with, from 1.
    pub line: u64,
    /// What they mean, where only that told where they end.
    pub block: Option<Block>,
}

/// Where points come from.
pub trait Source: Send {
    /// Takes the next rows, into memory that is used again; `false` at the end. There may be none, as in text of empty lines.
    ///
    /// # Errors
    /// What makes all that follows unreadable. A faulty cell is no error.
    fn take(&mut self, raw: &mut Raw) -> Result<bool, Error>;

    /// What understands the rows.
    fn decoder(&self) -> Arc<dyn Decode>;

    /// How many bytes have been taken, and of how many if that is known.
    fn progress(&self) -> (u64, Option<u64>);
}

/// Rows of a file as columns of numbers.
pub trait Decode: Send + Sync {
    /// The block's memory is used again.
    fn decode(&self, raw: &mut Raw, block: &mut Block);
}

/// Columns of results as rows of a file.
pub trait Encode: Send + Sync {
    /// Columns of equal length, in the order of the names. The memory is used again.
    fn encode(&self, columns: &[&[f64]], bytes: &mut Vec<u8>);
}

/// Where results go.
pub trait Sink: Send {
    /// What makes rows for it.
    fn encoder(&self) -> Arc<dyn Encode>;

    /// Writes so many rows, which the encoder made at once.
    ///
    /// # Errors
    /// Where the system refuses.
    fn write(&mut self, bytes: &[u8], rows: usize) -> Result<(), Error>;

    /// Makes the output appear.
    ///
    /// # Errors
    /// Where the system refuses; nothing appears then.
    fn finish(self: Box<Self>) -> Result<(), Error>;
}

/// How rows are stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// Text with this byte between cells.
    Csv(u8),
    Npy,
    Npz,
}

/// `-` is the standard input or output, in CSV.
pub fn is_stream(path: &Path) -> bool {
    path == Path::new("-")
}

impl Format {
    /// By the extension of a file.
    ///
    /// # Errors
    /// [`Error::UnknownFormat`].
    pub fn of(path: &Path) -> Result<Format, Error> {
        if is_stream(path) {
            return Ok(Format::Csv(b','));
        }
        let extension = path.extension().map(|extension| extension.to_ascii_lowercase());
        match extension.as_ref().and_then(|extension| extension.to_str()) {
            Some("csv") => Ok(Format::Csv(b',')),
            Some("tsv") => Ok(Format::Csv(b'\t')),
            Some("npy") => Ok(Format::Npy),
            Some("npz") => Ok(Format::Npz),
            _ => Err(Error::UnknownFormat { path: path.to_owned() }),
        }
    }
}

/// What is wanted of a source.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The columns to read, in this order.
    pub columns: &'a [String],
    /// What the columns of a file without names are called.
    pub names: Option<&'a [String]>,
}

/// So many bytes of a file are taken at a time: enough to be worth it, and few enough to stay in the second-level cache together
/// with what is computed from them. Of a small file less, so that there is work for several threads.
fn chunk(size: Option<u64>) -> usize {
    const MOST: u64 = 256 << 10;
    size.map_or(MOST, |size| (size / 32).clamp(4 << 10, MOST)) as usize
}

/// Opens a file, or the standard input for `-`.
///
/// # Errors
/// Where it can't be read, or doesn't have the wanted columns.
pub fn open(path: &Path, wanted: Wanted) -> Result<Box<dyn Source>, Error> {
    Ok(match Format::of(path)? {
        Format::Csv(delimiter) => Box::new(csv::Reader::open(path, delimiter, wanted)?),
        Format::Npy => Box::new(npy::Reader::open(path, wanted)?),
        Format::Npz => Box::new(npz::Reader::open(path, wanted)?),
    })
}

/// Begins a file with these columns, or the standard output for `-`.
///
/// # Errors
/// Where it can't be written.
pub fn create(path: &Path, names: &[String]) -> Result<Box<dyn Sink>, Error> {
    Ok(match Format::of(path)? {
        Format::Csv(delimiter) => Box::new(csv::Writer::create(path, delimiter, names)?),
        Format::Npy => Box::new(npy::Writer::create(path, names)?),
        Format::Npz => Box::new(npz::Writer::create(path, names)?),
    })
}

/// Where the wanted columns are among those that there are.
fn pick(path: &Path, known: &[String], wanted: &[String]) -> Result<Vec<usize>, Error> {
    let place = |name: &String| {
        let mut places = known.iter().enumerate().filter(|(_, known)| *known == name).map(|(place, _)| place);
        let missing = || Error::MissingColumn { path: path.to_owned(), name: name.clone(), known: known.to_vec() };
        let place = places.next().ok_or_else(missing)?;
        match places.next() {
            None => Ok(place),
            Some(_) => Err(Error::RepeatedColumn { path: path.to_owned(), name: name.clone() }),
        }
    };
    wanted.iter().map(place).collect()
}
