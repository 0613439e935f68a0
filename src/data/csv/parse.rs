//! Rows of text as columns of numbers.

use crate::data::number;
use crate::data::{CellFault, Fault};

/// What rows look like, and which of their cells are wanted.
pub struct Rows {
    pub delimiter: u8,
    /// Which cell each wanted column is, and its name.
    pub wanted: Vec<usize>,
    pub names: Vec<String>,
    /// How many cells the header has.
    pub width: usize,
}

/// The rows of a piece of text.
#[derive(Default)]
pub struct Piece {
    pub rows: usize,
    pub lines: u64,
    pub bytes: usize,
    pub columns: Vec<Vec<f64>>,
    /// Rows and lines are counted from the beginning of the piece, from 0.
    pub faults: Vec<CellFault>,
}

/// Cuts text at ends of lines, into about so many pieces.
pub fn pieces(text: &[u8], count: usize) -> Vec<&[u8]> {
    let size = (text.len() / count).max(64 << 10);
    let mut rest = text;
    let mut pieces = Vec::with_capacity(count + 1);
    while rest.len() > size {
        let end = memchr::memchr(b'\n', &rest[size..]).map_or(rest.len(), |newline| size + newline + 1);
        pieces.push(&rest[..end]);
        rest = &rest[end..];
    }
    if !rest.is_empty() {
        pieces.push(rest);
    }
    pieces
}

/// A reader of the rows of a text, which may be of any length.
pub fn reader(text: &[u8], delimiter: u8) -> csv::Reader<&[u8]> {
    csv::ReaderBuilder::new().delimiter(delimiter).has_headers(false).flexible(true).from_reader(text)
}

/// How many lines end in a text.
pub fn newlines(text: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', text).count() as u64
}

impl Rows {
    fn piece(&self, bytes: usize) -> Piece {
        let column = || Vec::with_capacity(bytes / (8 * self.width.max(1)));
        Piece { bytes, columns: self.wanted.iter().map(|_| column()).collect(), ..Piece::default() }
    }

    /// Whole rows without a quote.
    pub fn plain(&self, text: &[u8]) -> Piece {
        let mut piece = self.piece(text.len());
        let mut cells: Vec<&[u8]> = Vec::with_capacity(self.width);
        let mut start = 0;
        while start < text.len() {
            let end = memchr::memchr(b'\n', &text[start..]).map_or(text.len(), |newline| start + newline);
            let line = &text[start..end];
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            start = end + 1;
            if !line.is_empty() {
                cells.clear();
                let mut from = 0;
                for to in memchr::memchr_iter(self.delimiter, line) {
                    cells.push(&line[from..to]);
                    from = to + 1;
                }
                cells.push(&line[from..]);
                let at = piece.lines;
                self.row(&mut piece, at, cells.len(), |cell| cells[cell]);
            }
            piece.lines += 1;
        }
        piece
    }

    /// Rows with quotes, of which cells may hold commas and line ends. Unless the text ends here, the last row may go on.
    pub fn quoted(&self, text: &[u8], ended: bool) -> Piece {
        let mut reader = reader(text, self.delimiter);
        let mut piece = self.piece(0);
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
            piece.lines += newlines(&text[piece.bytes..at]);
            piece.bytes = at;
            more = reader.read_byte_record(&mut next).unwrap_or(false);
            if !more && !ended {
                break;
            }
            let line = piece.lines;
            self.row(&mut piece, line, row.len(), |cell| &row[cell]);
            std::mem::swap(&mut row, &mut next);
        }
        if ended {
            piece.lines += newlines(&text[piece.bytes..]);
            piece.bytes = text.len();
        }
        piece
    }

    #[inline]
    fn row<'t>(&self, piece: &mut Piece, line: u64, width: usize, cell: impl Fn(usize) -> &'t [u8]) {
        let row = piece.rows;
        piece.rows += 1;
        if width != self.width {
            piece.columns.iter_mut().for_each(|column| column.push(f64::NAN));
            let fault = Fault::Ragged { expected: self.width, found: width };
            piece.faults.push(CellFault { row, line, column: width.min(self.width) + 1, name: String::new(), fault });
            return;
        }
        for (index, (column, &place)) in piece.columns.iter_mut().zip(&self.wanted).enumerate() {
            match number::parse(cell(place)) {
                Ok(value) => column.push(value),
                Err(fault) => {
                    column.push(f64::NAN);
                    let name = self.names[index].clone();
                    piece.faults.push(CellFault { row, line, column: place + 1, name, fault });
                }
            }
        }
    }
}
