//! Rows of text as columns of numbers.

use crate::data::number;
use crate::data::{Block, CellFault, Fault};

/// What rows look like, and which of their cells are wanted.
pub struct Rows {
    delimiter: u8,
    /// Of each wanted column, which cell it is, and its name.
    wanted: Vec<(usize, String)>,
    /// Of each cell that the header has, which wanted columns it is.
    cells: Vec<Vec<usize>>,
}

/// A reader of the rows of a text, which may be of any length.
pub fn reader(text: &[u8], delimiter: u8) -> csv::Reader<&[u8]> {
    csv::ReaderBuilder::new().delimiter(delimiter).has_headers(false).flexible(true).from_reader(text)
}

/// What is wrong with quotes: where, counted in bytes.
pub enum Misquoted {
    /// A quote is opened here and never closed.
    Open(usize),
    /// A cell goes on here, behind the quote that closes it.
    Behind(usize),
}

/// The first misuse of quotes in rows; text that ends inside of quotes is one where nothing follows.
///
/// The crate `csv` makes something of any text; that would be numbers that nobody wrote.
pub fn misquoted(text: &[u8], delimiter: u8, is_all: bool) -> Option<Misquoted> {
    enum Place {
        Begin,
        Plain,
        Quoted(usize),
        Closed,
    }
    let mut place = Place::Begin;
    let mut bytes = text.iter().copied().enumerate().peekable();
    while let Some((at, byte)) = bytes.next() {
        place = match place {
            Place::Quoted(_) if byte == b'"' => {
                let doubled = bytes.next_if(|&(_, next)| next == b'"').is_some();
                if doubled { place } else { Place::Closed }
            }
            Place::Quoted(_) => place,
            _ if byte == delimiter || byte == b'\n' || byte == b'\r' => Place::Begin,
            Place::Begin if byte == b'"' => Place::Quoted(at),
            Place::Begin | Place::Plain => Place::Plain,
            Place::Closed if byte == b' ' || byte == b'\t' => Place::Closed,
            Place::Closed => return Some(Misquoted::Behind(at)),
        };
    }
    match place {
        Place::Quoted(at) if is_all => Some(Misquoted::Open(at)),
        _ => None,
    }
}

/// How many lines end in a text.
pub fn newlines(text: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', text).count() as u64
}

impl Rows {
    pub fn delimiter(&self) -> u8 {
        self.delimiter
    }

    /// Rows as wide as the header, where the wanted columns have these names and places.
    pub fn new(delimiter: u8, names: &[String], places: &[usize], width: usize) -> Rows {
        let mut cells = vec![Vec::new(); width];
        for (column, &place) in places.iter().enumerate() {
            cells[place].push(column);
        }
        Rows { delimiter, wanted: places.iter().copied().zip(names.iter().cloned()).collect(), cells }
    }

    fn clear(&self, block: &mut Block) {
        block.rows = 0;
        block.faults.clear();
        block.columns.resize(self.wanted.len(), Vec::new());
        block.columns.iter_mut().for_each(Vec::clear);
    }

    /// Whether there is one column, of which an empty line is an empty cell.
    pub fn is_single(&self) -> bool {
        self.cells.len() == 1
    }

    /// Whole rows without a quote, of which the first line has this number.
    pub fn plain(&self, text: &[u8], mut line: u64, block: &mut Block) {
        self.clear(block);
        let mut cells: Vec<&[u8]> = Vec::with_capacity(self.cells.len());
        let mut rest = text;
        while !rest.is_empty() {
            if let Some(after) = self.clean(rest, &mut block.columns) {
                rest = after;
                block.rows += 1;
                line += 1;
                continue;
            }
            // Numbers of the row before its flaw.
            block.columns.iter_mut().for_each(|column| column.truncate(block.rows));
            let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
            let row = rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]);
            rest = rest.get(end + 1..).unwrap_or_default();
            if !row.is_empty() || self.is_single() {
                cells.clear();
                cells.extend(row.split(|byte| *byte == self.delimiter));
                self.row(block, line, cells.len(), |cell| cells[cell]);
            }
            line += 1;
        }
    }

    /// Adds the first row of a text, and gives the text after it, if that can be done in one pass: the row has as many cells as the
    /// header, the wanted ones are numbers with nothing around them, and a line ends after them.
    #[inline]
    fn clean<'t>(&self, mut text: &'t [u8], columns: &mut [Vec<f64>]) -> Option<&'t [u8]> {
        for (cell, targets) in self.cells.iter().enumerate() {
            let is_last = cell + 1 == self.cells.len();
            let mut end = if targets.is_empty() {
                memchr::memchr2(self.delimiter, b'\n', text)?
            } else {
                let (value, end) = fast_float2::parse_partial::<f64, _>(text).ok()?;
                if !value.is_finite() {
                    return None;
                }
                targets.iter().for_each(|&column| columns[column].push(value));
                end
            };
            if is_last && text.get(end) == Some(&b'\r') {
                end += 1;
            }
            if text.get(end) != Some(if is_last { &b'\n' } else { &self.delimiter }) {
                return None;
            }
            text = &text[end + 1..];
        }
        Some(text)
    }

    /// Rows with quotes, of which cells may hold commas and line ends; how long the text is that they are. Unless it ends here, the last
    /// row may go on, and is none of them.
    pub fn quoted(&self, text: &[u8], ended: bool, mut line: u64, block: &mut Block) -> usize {
        self.clear(block);
        let mut reader = reader(text, self.delimiter);
        let mut done = 0;
        let (mut row, mut next) = (csv::ByteRecord::new(), csv::ByteRecord::new());
        // Errors can't happen: the text is in memory, and rows may have any length.
        let mut more = reader.read_byte_record(&mut row).unwrap_or(false);
        let start = |row: &csv::ByteRecord| {
            let at = row.position().map_or(0, |position| position.byte() as usize);
            // A row is said to begin where the one before ended, which is before its line feed and before empty lines.
            at + text[at..].iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count()
        };
        while more {
            let at = start(&row);
            line += newlines(&text[done..at]);
            done = at;
            more = reader.read_byte_record(&mut next).unwrap_or(false);
            if !more && !ended {
                break;
            }
            self.row(block, line, row.len(), |cell| &row[cell]);
            std::mem::swap(&mut row, &mut next);
        }
        if ended { text.len() } else { done }
    }

    fn row<'t>(&self, block: &mut Block, line: u64, width: usize, cell: impl Fn(usize) -> &'t [u8]) {
        let row = block.rows;
        block.rows += 1;
        let expected = self.cells.len();
        if width != expected {
            block.columns.iter_mut().for_each(|column| column.push(f64::NAN));
            let fault = Fault::Ragged { expected, found: width };
            block.faults.push(CellFault { row, line, column: width.min(expected) + 1, name: String::new(), fault });
            return;
        }
        for (column, (place, name)) in block.columns.iter_mut().zip(&self.wanted) {
            match number::parse(cell(*place)) {
                Ok(value) => column.push(value),
                Err(fault) => {
                    column.push(f64::NAN);
                    block.faults.push(CellFault { row, line, column: place + 1, name: name.clone(), fault });
                }
            }
        }
    }
}
