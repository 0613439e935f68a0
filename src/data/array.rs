//! Whole arrays from files: NPY of any shape and order, members of NPZ, and CSV as a matrix, with or without a line of names.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use npyz::{DType, Order};
use zip::ZipArchive;

use super::npy::{self, Number};
use super::{CellFault, Error, Fault, Format, is_stream, npz, number};
use crate::array::{Array, ArrayView};
use crate::error::shorten;

/// So many bytes are read at a time.
const CHUNK: usize = 4 << 20;

/// Reads the array of an argument from a file; `-` is CSV on the standard input. Of an archive it is the member of
/// that name, or the only one.
///
/// # Errors
/// Where the file can't be read, or holds no such array of numbers.
pub fn read(path: &Path, name: &str) -> Result<Array, Error> {
    match Format::of(path)? {
        Format::Csv(delimiter) => csv(path, delimiter, name),
        Format::Npy => {
            let file = File::open(path).map_err(|error| unreadable(path, error))?;
            npy(path, BufReader::with_capacity(1 << 18, file))
        }
        Format::Npz => member(path, name),
    }
}

/// The names of the arrays in an NPZ file.
///
/// # Errors
/// Where it can't be read.
pub fn names(path: &Path) -> Result<Vec<String>, Error> {
    npz::names(path, &mut archive(path)?)
}

fn unreadable(path: &Path, error: io::Error) -> Error {
    Error::Io { path: path.to_owned(), doing: "read", error }
}

fn archive(path: &Path) -> Result<ZipArchive<BufReader<File>>, Error> {
    let file = File::open(path).map_err(|error| unreadable(path, error))?;
    ZipArchive::new(BufReader::new(file)).map_err(|error| npz::broken(path, error))
}

fn member(path: &Path, name: &str) -> Result<Array, Error> {
    let mut archive = archive(path)?;
    let known = npz::names(path, &mut archive)?;
    let place = match known.iter().position(|known| known == name) {
        Some(place) => place,
        None if known.len() == 1 => 0,
        None => return Err(Error::MissingArray { path: path.to_owned(), name: name.to_owned(), known }),
    };
    let member = archive.by_index(place).map_err(|error| npz::broken(path, error))?;
    npy(path, member)
}

/// An array with its header before it.
fn npy(path: &Path, mut reader: impl Read) -> Result<Array, Error> {
    let unsupported = |what: String| Error::Unsupported { path: path.to_owned(), what };
    let header = npy::header(path, &mut reader)?;
    let shape: Vec<usize> = header.shape().iter().map(|&extent| extent as usize).collect();
    let number = match header.dtype() {
        DType::Plain(text) => Number::of(&text).ok_or_else(|| unsupported(format!("has numbers of type {text}")))?,
        DType::Record(_) => return Err(unsupported("has records; an array of numbers is needed".to_owned())),
        DType::Array(..) => return Err(unsupported("has arrays of arrays".to_owned())),
    };
    let size = number.size() as usize;
    let bytes = shape.iter().try_fold(size, |bytes, &extent| bytes.checked_mul(extent));
    let bytes = bytes.ok_or_else(|| unsupported("has an impossible shape".to_owned()))?;
    let (mut data, mut buffer, mut rest) = (Vec::new(), Vec::new(), bytes);
    while rest > 0 {
        buffer.clear();
        let wanted = rest.min(CHUNK / size * size);
        let read = reader.by_ref().take(wanted as u64).read_to_end(&mut buffer);
        if read.map_err(|error| unreadable(path, error))? < wanted {
            let there = bytes - rest + buffer.len();
            return Err(unsupported(format!("ends early: {bytes} bytes of numbers are announced, {there} are there")));
        }
        number.decode(&buffer, 0, size, &mut data);
        rest -= wanted;
    }
    Ok(match header.order() {
        Order::C => Array { shape, data },
        Order::Fortran => by_rows(shape, &data),
    })
}

/// An array of which the first subscript runs fastest.
fn by_rows(shape: Vec<usize>, data: &[f64]) -> Array {
    let strides: Vec<isize> = shape
        .iter()
        .scan(1, |stride, &extent| {
            let here = *stride;
            *stride *= extent as isize;
            Some(here)
        })
        .collect();
    let data = ArrayView::strided(data, 0, &shape, &strides).to_vec();
    Array { shape, data }
}

/// A matrix of text. A first row that isn't all numbers is names.
fn csv(path: &Path, delimiter: u8, name: &str) -> Result<Array, Error> {
    let mut text = Vec::new();
    let read = if is_stream(path) {
        io::stdin().lock().read_to_end(&mut text)
    } else {
        File::open(path).and_then(|mut file| file.read_to_end(&mut text))
    };
    read.map_err(|error| unreadable(path, error))?;
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&text);
    let mut rows = super::csv::rows(text, delimiter);
    let mut record = ::csv::ByteRecord::new();
    let (mut data, mut n_rows, mut width) = (Vec::new(), 0, 0);
    let mut is_first = true;
    loop {
        let line = rows.position().line();
        match rows.read_byte_record(&mut record) {
            Ok(true) => {}
            Ok(false) => break,
            Err(error) => return Err(unreadable(path, error.into())),
        }
        let row: Vec<Result<f64, Fault>> = record.iter().map(number::parse).collect();
        if std::mem::take(&mut is_first) {
            width = row.len();
            let is_name = |cell: &Result<f64, Fault>| matches!(cell, Err(Fault::NoNumber(_)));
            if row.iter().any(is_name) && !row.iter().any(Result::is_ok) {
                continue;
            }
        }
        if row.len() != width {
            let what = format!("has {} in line {line}, and {width} before", cells(row.len()));
            return Err(Error::Unsupported { path: path.to_owned(), what });
        }
        for (column, cell) in row.into_iter().enumerate() {
            data.push(cell.map_err(|fault| {
                let fault = CellFault { row: n_rows, line, column: column + 1, name: shorten(name), fault };
                Error::Cell { path: path.to_owned(), fault }
            })?);
        }
        n_rows += 1;
    }
    Ok(Array { shape: vec![n_rows, width], data })
}

pub(super) fn cells(count: usize) -> String {
    if count == 1 { "1 cell".to_owned() } else { format!("{count} cells") }
}
