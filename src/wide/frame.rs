//! The memory that a kernel works in, beside its arguments and results.
//!
//! ```text
//! header       where the loop ends, and where the parts below are
//! save area    all vector and mask registers while something is called
//! pointers     to the columns of the inputs, then of the outputs
//! cells        numbers that are the same for all points: 8 bytes at 512 bits, 32 (four times the number) at 256
//! spills       vectors that found no register
//! carried      twice, what goes from one turn of the loop to the next
//! tiles        what waits between loops, a number a point
//! tail         the last points, where they fill no turn of the loop: one or two vectors an input and an output
//! ```

use super::Width;
use super::low::Cell;

/// Displacements from the frame's begin, in bytes.
pub const END: i32 = 0;
pub const CELLS: i32 = 8;
pub const SPILLS: i32 = 16;
pub const TILES: i32 = 24;
/// How many turns are left of a loop in two stages.
pub const TURNS: i32 = 32;
/// The first of the two places for what is carried, and the sum of both addresses.
pub const CARRIED: i32 = 40;
pub const BOTH_CARRIED: i32 = 48;
pub const SAVE: i32 = 64;
pub const POINTERS: i32 = SAVE + SAVE_BYTES;

/// All vectors and all masks.
pub const SAVE_BYTES: i32 = 33 * VECTOR;

/// The bytes of a place for a vector, of either width.
pub const VECTOR: i32 = 64;

/// The header points this far into the cells and spills, so that short displacements reach more of them.
pub const CELLS_BIAS: i32 = 1024;
pub const SPILLS_BIAS: i32 = 128 * VECTOR;

/// The most points in a turn of a loop.
const TAIL: usize = 16;

/// How large the parts are.
#[derive(Clone, Debug)]
pub struct Layout {
    pub width: Width,
    pub n_inputs: usize,
    pub n_outputs: usize,
    pub cells: Box<[Cell]>,
    pub spills: usize,
    /// How many points a turn of the loop does.
    pub turn: usize,
    /// How many values go from turn to turn.
    pub carried: usize,
    /// Numbers in the tile buffer.
    pub tiles: usize,
}

/// 64 bytes, aligned as such.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([u64; 8]);

/// A frame of its own memory.
pub struct Frame {
    memory: Box<[Line]>,
    cells: usize,
    tail: usize,
}

/// The distance of cells, in words.
pub fn cell_words(width: Width) -> usize {
    match width {
        Width::W512 | Width::One512 | Width::One256 => 1,
        Width::W256 => 4,
    }
}

impl Frame {
    pub fn new(layout: &Layout) -> Frame {
        let n_columns = layout.n_inputs + layout.n_outputs;
        let mut lines = 0;
        let mut part = |words: usize| {
            let begin = lines;
            lines += words.div_ceil(8);
            begin * 8
        };
        part(POINTERS as usize / 8);
        part(n_columns);
        let cells = part(layout.cells.len() * cell_words(layout.width));
        let spills = part(layout.spills * 8);
        let carried = [part(layout.carried * 8), part(layout.carried * 8)];
        let tiles = part(layout.tiles);
        let tail = part(n_columns * TAIL);
        let mut frame = Frame { memory: vec![Line([0; 8]); lines].into(), cells, tail };
        let base = frame.as_ptr() as u64;
        for (at, words, bias) in [(CELLS, cells, CELLS_BIAS), (SPILLS, spills, SPILLS_BIAS), (TILES, tiles, 0)] {
            *frame.word(at as usize / 8) = base + 8 * words as u64 + bias as u64;
        }
        let [first, second] = carried.map(|words| base + 8 * words as u64);
        *frame.word(CARRIED as usize / 8) = first;
        *frame.word(BOTH_CARRIED as usize / 8) = first + second;
        for (index, cell) in layout.cells.iter().enumerate() {
            if let Cell::Constant(bits) = *cell {
                frame.set_cell(layout.width, index, bits);
            }
        }
        frame
    }

    pub fn as_ptr(&mut self) -> *mut u64 {
        self.memory.as_mut_ptr().cast()
    }

    pub fn word(&mut self, index: usize) -> &mut u64 {
        &mut self.memory[index / 8].0[index % 8]
    }

    pub fn set_cell(&mut self, width: Width, index: usize, bits: u64) {
        let words = cell_words(width);
        for lane in 0..words {
            *self.word(self.cells + index * words + lane) = bits;
        }
    }

    /// How many points the loop does, and in how many turns.
    pub fn set_end(&mut self, points: usize, turns: usize) {
        *self.word(END as usize / 8) = 8 * points as u64;
        *self.word(TURNS as usize / 8) = turns as u64;
    }

    pub fn set_pointer(&mut self, column: usize, address: u64) {
        *self.word(POINTERS as usize / 8 + column) = address;
    }

    /// The places for the last points of a column.
    pub fn tail(&mut self, column: usize) -> impl Iterator<Item = &mut u64> {
        let begin = self.tail / 8 + column * TAIL / 8;
        self.memory[begin..begin + TAIL / 8].iter_mut().flat_map(|line| &mut line.0)
    }

    pub fn tail_address(&mut self, column: usize) -> u64 {
        self.memory[self.tail / 8 + column * TAIL / 8].0.as_mut_ptr() as u64
    }
}
