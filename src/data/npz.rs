//! NPZ: named arrays of NumPy in a ZIP archive, stored or deflated; a column is an array with one axis.
//!
//! All wanted arrays are read side by side, each through its own handle of the file. Results are written to temporary
//! files, an array each, which the archive is made of at the end.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flate2::read::DeflateDecoder;
use npyz::DType;
use zip::result::ZipError;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use super::npy::{self, Number};
use super::whole::Whole;
use super::{Block, Decode, Encode, Error, Raw, Sink, Source, Wanted, pick};

/// So many rows are read at a time.
const ROWS: u64 = 16 << 10;

/// Rows of an NPZ file.
pub struct Reader {
    path: PathBuf,
    /// The wanted arrays, and what their numbers are.
    arrays: Vec<Box<dyn Read + Send>>,
    numbers: Arc<Numbers>,
    rows: u64,
    next: u64,
}

struct Numbers(Vec<Number>);

impl Reader {
    /// Opens an archive and the wanted arrays in it.
    ///
    /// # Errors
    /// Where it can't be read, or the wanted arrays are not there, or not of equal length.
    pub fn open(path: &Path, wanted: Wanted) -> Result<Reader, Error> {
        let failed = |error| Error::Io { path: path.to_owned(), doing: "read", error };
        let broken = |error| broken(path, error);
        let file = File::open(path).map_err(failed)?;
        let mut archive = ZipArchive::new(BufReader::new(file)).map_err(broken)?;
        let known = names(path, &mut archive)?;
        let (mut arrays, mut numbers) = (Vec::new(), Vec::new());
        let mut first: Option<(&String, u64)> = None;
        for (&place, name) in pick(path, &known, wanted.columns)?.iter().zip(wanted.columns) {
            let unsupported =
                |what: String| Error::Unsupported { path: path.to_owned(), what: format!("{what} (`{name}`)") };
            let member = archive.by_index_raw(place).map_err(broken)?;
            let start = member.data_start().ok_or_else(|| unsupported("has an array without a place".to_owned()))?;
            let mut file = File::open(path).map_err(failed)?;
            file.seek(SeekFrom::Start(start)).map_err(failed)?;
            let stored = BufReader::with_capacity(1 << 18, file.take(member.compressed_size()));
            let mut reader: Box<dyn Read + Send> = match member.compression() {
                _ if member.encrypted() => return Err(unsupported("is encrypted".to_owned())),
                CompressionMethod::Stored => Box::new(stored),
                CompressionMethod::Deflated => Box::new(DeflateDecoder::new(stored)),
                other => return Err(unsupported(format!("is compressed with {other}, which is not known"))),
            };
            let header = npy::header(path, &mut reader)?;
            let number = match (header.dtype(), header.shape()) {
                (DType::Plain(text), [_] | [_, 1]) => Number::of(&text),
                _ => None,
            };
            let number = number.ok_or_else(|| unsupported("has something else than a list of numbers".to_owned()))?;
            let rows = header.shape()[0];
            match first {
                None => first = Some((name, rows)),
                Some((_, expected)) if expected == rows => {}
                Some((first, expected)) => {
                    let (first, name) = (first.clone(), name.clone());
                    return Err(Error::Uneven { path: path.to_owned(), first, expected, name, found: rows });
                }
            }
            arrays.push(reader);
            numbers.push(number);
        }
        let rows = first.map_or(0, |(_, rows)| rows);
        Ok(Reader { path: path.to_owned(), arrays, numbers: Arc::new(Numbers(numbers)), rows, next: 0 })
    }
}

/// The names of the arrays of an archive, in its order.
pub(super) fn names(path: &Path, archive: &mut ZipArchive<impl Read + Seek>) -> Result<Vec<String>, Error> {
    let members = archive.len();
    let name = |index: usize| {
        let name = archive.by_index_raw(index)?.name()?.into_owned();
        Ok(name.strip_suffix(".npy").unwrap_or(&name).to_owned())
    };
    (0..members).map(name).collect::<Result<_, _>>().map_err(|error| broken(path, error))
}

pub(super) fn broken(path: &Path, error: ZipError) -> Error {
    Error::Unsupported { path: path.to_owned(), what: format!("is no NPZ file: {error}") }
}

impl Source for Reader {
    /// The arrays' rows one after the other.
    fn take(&mut self, raw: &mut Raw) -> Result<bool, Error> {
        let rows = ROWS.min(self.rows - self.next);
        raw.rows = rows as usize;
        if rows == 0 {
            return Ok(false);
        }
        raw.bytes.resize(self.numbers.size() * raw.rows, 0);
        let mut rest = raw.bytes.as_mut_slice();
        for (array, number) in self.arrays.iter_mut().zip(&self.numbers.0) {
            let (bytes, after) = rest.split_at_mut(number.size() as usize * raw.rows);
            let read = array.read_exact(bytes);
            read.map_err(|error| Error::Io { path: self.path.clone(), doing: "read", error })?;
            rest = after;
        }
        self.next += rows;
        Ok(true)
    }

    fn decoder(&self) -> Arc<dyn Decode> {
        self.numbers.clone()
    }

    fn progress(&self) -> (u64, Option<u64>) {
        let size = self.numbers.size() as u64;
        (self.next * size, Some(self.rows * size))
    }
}

impl Numbers {
    /// The bytes of a row.
    fn size(&self) -> usize {
        self.0.iter().map(|number| number.size() as usize).sum()
    }
}

impl Decode for Numbers {
    fn decode(&self, raw: &mut Raw, block: &mut Block) {
        block.rows = raw.rows;
        block.faults.clear();
        block.columns.resize(self.0.len(), Vec::new());
        let mut rest = raw.bytes.as_slice();
        for (column, number) in block.columns.iter_mut().zip(&self.0) {
            let size = number.size() as usize;
            let (bytes, after) = rest.split_at(size * raw.rows);
            column.clear();
            number.decode(bytes, 0, size, column);
            rest = after;
        }
    }
}

/// Writes columns as arrays of doubles, stored.
pub struct Writer {
    target: Whole,
    columns: Vec<(String, BufWriter<File>)>,
    rows: u64,
}

impl Writer {
    /// Begins an archive.
    ///
    /// # Errors
    /// Where it can't be written.
    pub fn create(path: &Path, names: &[String]) -> Result<Writer, Error> {
        let target = Whole::create(path)?;
        let column = |name: &String| {
            let file = tempfile::tempfile_in(target.directory());
            let file = file.map_err(|error| Error::Io { path: path.to_owned(), doing: "written", error })?;
            Ok((name.clone(), BufWriter::with_capacity(1 << 18, file)))
        };
        let columns = names.iter().map(column).collect::<Result<_, Error>>()?;
        Ok(Writer { target, columns, rows: 0 })
    }

    fn failed(&self, error: impl Into<std::io::Error>) -> Error {
        Error::Io { path: self.target.path().to_owned(), doing: "written", error: error.into() }
    }

    /// Makes the archive of the temporary files.
    fn assemble(&mut self) -> std::io::Result<()> {
        let mut archive = ZipWriter::new(BufWriter::with_capacity(1 << 18, &mut self.target));
        let header = npy::array_header("'<f8'", self.rows);
        let large = self.rows.saturating_mul(8) >= u64::from(u32::MAX) / 2;
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored).large_file(large);
        for (name, column) in &mut self.columns {
            archive.start_file(format!("{name}.npy"), options)?;
            archive.write_all(&header)?;
            column.flush()?;
            let file = column.get_mut();
            file.seek(SeekFrom::Start(0))?;
            std::io::copy(file, &mut archive)?;
        }
        archive.finish()?.flush()
    }
}

impl Sink for Writer {
    fn encoder(&self) -> Arc<dyn Encode> {
        Arc::new(Lists)
    }

    fn write(&mut self, bytes: &[u8], rows: usize) -> Result<(), Error> {
        for ((_, file), list) in self.columns.iter_mut().zip(bytes.chunks_exact((8 * rows).max(1))) {
            let path = self.target.path();
            let failed = |error| Error::Io { path: path.to_owned(), doing: "written", error };
            file.write_all(list).map_err(failed)?;
        }
        self.rows += rows as u64;
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<(), Error> {
        self.assemble().map_err(|error| self.failed(error))?;
        self.target.finish()
    }
}

/// Column after column.
struct Lists;

impl Encode for Lists {
    fn encode(&self, columns: &[&[f64]], bytes: &mut Vec<u8>) {
        bytes.clear();
        for column in columns {
            bytes.extend(column.iter().flat_map(|value| value.to_le_bytes()));
        }
    }
}
