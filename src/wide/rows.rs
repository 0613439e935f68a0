//! Loops over arrays: for each row `i`, for each turn `j`, a graph of numbers; the turns in vectors, both loops in machine code.
//!
//! ```text
//! for i in 0..rows { for j in 0..len {
//!     results = body(reads)        a read:  an element at  start + row*i + turn*j,  or `i`, or `j`
//!     writes(results)              a write: an element at  start + row*i + j,  or the sum over `j` at  start + row*i
//! }}
//! ```
//!
//! What is computed is to the bit what `interp` says of such a loop (all NaNs being one), with the order of `ir::region`: a sum has
//! 16 lanes, which begin as +0; turn `j` goes to lane `j mod 16`, and the lanes are summed by halves; a product that is summed is fused.
//! What is added to memory is added row by row.
//!
//! **What the caller promises.** Nothing that is read overlaps what is written, and no two writes overlap (rows of one write may:
//! they are made in order). Elementary functions are best written out (`math::expand`): others are called lane by lane. A turn that
//! should do nothing adds -0, or the product of 0 and -0, which change no sum. What does not depend on the turn is read even if there are
//! no turns. The code is written for one processor's vectors and is called on a **block** of words:
//!
//! ```text
//! 0        rows; ignored where they are constant
//! 1        turns; ignored where they are constant
//! 2…       for each read the address of its first element (of `Row` and `Turn`: what is added to `i` or `j`, as a double)
//!          for each write the address of its first element
//! …        memory to work in, up to [`Kernel::words`]
//! ```
//!
//! A call overwrites the block. Nothing outside the elements that the loops name is read or written.
//!
//! Rows are computed several at a time where they are independent, so that they share what they read and wait side by side. Where turns are
//! few and their number is known, there is no inner loop, and what depends on the turn alone stays in registers.
//!
//! - [`build`] makes the instructions of each part of the loops, [`tree`] the sums of lanes, [`emit`] the machine code.

mod build;
mod emit;
mod tree;

use std::fmt;
use std::sync::Arc;

use memmap2::Mmap;

pub use build::most_sums;

use super::{Entry, Unsupported, Width, dump, executable};
use crate::ir::Func;

/// The loops. The body's arguments are the reads, in order; its arguments and results are numbers.
#[derive(Clone, Debug)]
pub struct Nest<'a> {
    pub body: &'a Func,
    pub reads: Vec<Read>,
    pub writes: Vec<Write>,
    /// Where they are known when the code is made.
    pub rows: Option<usize>,
    pub len: Option<usize>,
    /// How far the elements that the next call reads are from those of this one, for each read; 0, or nothing at all, where that isn't
    /// known. They are asked for early.
    pub ahead: Vec<isize>,
}

impl Nest<'_> {
    fn sums(&self) -> usize {
        self.writes.iter().filter(|write| write.kind == WriteKind::Sum).count()
    }
}

/// What an argument of the body is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Read {
    /// The element at `row*i + turn*j`.
    Element { row: isize, turn: isize },
    /// `i` plus a number given with the call.
    Row,
    /// `j` plus a number given with the call.
    Turn,
}

impl Read {
    /// Whether turns are neither next to each other in memory, nor in the same place.
    fn is_strided(&self) -> bool {
        matches!(self, Read::Element { turn, .. } if !(0..=1).contains(turn))
    }
}

/// What becomes of a result of the body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Write {
    pub kind: WriteKind,
    /// From one row to the next, in elements.
    pub row: isize,
    /// Which result.
    pub value: usize,
    /// The result that it is multiplied with while it is added; not of `Store`.
    pub factor: Option<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WriteKind {
    /// The element at `row*i + j` becomes the value.
    Store,
    /// The value is added to the element at `row*i + j`.
    Add,
    /// The element at `row*i` becomes the sum over the turns.
    Sum,
}

/// Compiled loops, cheap to clone, callable from any thread.
#[derive(Clone)]
pub struct Kernel(Arc<Owner>);

struct Owner {
    width: Width,
    reads: Box<[Read]>,
    writes: Box<[Write]>,
    rows: Option<usize>,
    len: Option<usize>,
    words: usize,
    entry: Entry,
    code: Mmap,
    /// Where instructions end and constants begin.
    end: usize,
}

/// Makes code of loops.
///
/// # Errors
/// Where the processor has no such vectors, or the body computes what has no form in them.
///
/// # Panics
/// Where the reads aren't the body's arguments, or a write names no result.
pub fn compile(nest: &Nest, width: Width) -> Result<Kernel, Unsupported> {
    let emitted = machine(nest, width)?;
    if !width.is_available() {
        return Err(Unsupported("this processor has no such vectors"));
    }
    let code = executable(&emitted.code).map_err(|_| Unsupported("the system gives no memory for code"))?;
    // SAFETY: `emit` put a function there that takes a block, as `Entry` does. `Owner` keeps the code in place.
    let entry = unsafe { std::mem::transmute::<*const u8, Entry>(code.as_ptr()) };
    Ok(Kernel(Arc::new(Owner {
        width,
        reads: nest.reads.clone().into(),
        writes: nest.writes.clone().into(),
        rows: nest.rows,
        len: nest.len,
        words: emitted.words,
        entry,
        code,
        end: emitted.end,
    })))
}

fn machine(nest: &Nest, width: Width) -> Result<emit::Emitted, Unsupported> {
    assert_eq!(nest.reads.len(), nest.body.params.len(), "a read for each argument");
    let n_results = nest.body.results.len();
    let named = |write: &Write| write.value < n_results && write.factor.is_none_or(|factor| factor < n_results);
    assert!(nest.writes.iter().all(named), "writes of results");
    if width.lanes() == 1 {
        return Err(Unsupported("loops over arrays are made of vectors"));
    }
    let nest = nest.flat();
    let built = build::build(&nest, width)?;
    emit::emit(&nest, built)
}

impl<'a> Nest<'a> {
    /// As one row, where each row lies behind the one before and the body doesn't know in which it is.
    fn flat(&self) -> Nest<'a> {
        let (Some(rows @ 2..), Some(len)) = (self.rows, self.len) else { return self.clone() };
        let follows = |row: isize| usize::try_from(row) == Ok(len);
        let reads = self.reads.iter().all(|read| match *read {
            Read::Element { row, turn } => (row, turn) == (0, 0) || turn == 1 && follows(row),
            Read::Row | Read::Turn => false,
        });
        let writes = self.writes.iter().all(|write| write.kind != WriteKind::Sum && follows(write.row));
        match rows.checked_mul(len) {
            Some(all) if reads && writes => Nest { rows: Some(1), len: Some(all), ..self.clone() },
            _ => self.clone(),
        }
    }
}

impl fmt::Debug for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Owner { width, words, code, .. } = &*self.0;
        f.debug_tuple("Kernel").field(&(width, words, code.len())).finish()
    }
}

/// What an argument of the body is in a call of [`Kernel::run`].
#[derive(Clone, Copy, Debug)]
pub enum Source<'a> {
    /// Elements, the first of which is at this place of an array.
    Array(&'a [f64], usize),
    /// What is added to the number of the row or turn.
    Offset(f64),
}

impl Kernel {
    /// The address of the function: `extern "sysv64" fn(block: *mut u64)`. It lives as long as the kernel.
    pub fn entry(&self) -> usize {
        self.0.entry as usize
    }

    /// How many words a block has.
    pub fn words(&self) -> usize {
        self.0.words
    }

    /// The machine code as text. Without the feature `cli`, its bytes.
    pub fn asm(&self) -> String {
        let mut text = String::new();
        dump::disassemble(&self.0.code[..self.0.end], 0, &mut text);
        text
    }

    /// How many bytes of code and constants there are.
    pub fn code_len(&self) -> usize {
        self.0.code.len()
    }

    /// Runs the loops over slices, each with the place of the first element.
    ///
    /// # Panics
    /// Where sources or targets are missing, too short, or of the wrong kind, or the numbers of rows and turns aren't those that the code
    /// was made for.
    pub fn run(&self, rows: usize, len: usize, sources: &[Source<'_>], targets: &mut [(&mut [f64], usize)]) {
        let owner = &*self.0;
        assert!(owner.rows.is_none_or(|known| known == rows), "the rows that the code was made for");
        assert!(owner.len.is_none_or(|known| known == len), "the turns that the code was made for");
        assert_eq!(sources.len(), owner.reads.len(), "a source for each read");
        assert_eq!(targets.len(), owner.writes.len(), "a target for each write");
        let mut block = vec![0u64; owner.words];
        (block[0], block[1]) = (rows as u64, len as u64);
        for ((source, read), word) in sources.iter().zip(&owner.reads).zip(&mut block[2..]) {
            *word = match (source, read) {
                (Source::Array(array, start), &Read::Element { row, turn }) => {
                    let reach = if turn == 0 { 1 } else { len };
                    assert!(contains(array.len(), *start, [(row, rows), (turn, reach)]), "all elements that are read");
                    array.as_ptr().wrapping_add(*start) as u64
                }
                (Source::Offset(offset), Read::Row | Read::Turn) => offset.to_bits(),
                _ => panic!("a source of the kind of its read"),
            };
        }
        for (((array, start), write), word) in
            targets.iter_mut().zip(&owner.writes).zip(&mut block[2 + sources.len()..])
        {
            let turns = if write.kind == WriteKind::Sum { 1 } else { len };
            assert!(contains(array.len(), *start, [(write.row, rows), (1, turns)]), "all elements that are written");
            *word = array.as_mut_ptr().wrapping_add(*start) as u64;
        }
        // SAFETY: the block has the words that the code asks for, and is this call's alone; all elements that the loops name are in the
        // slices, which was checked above, and targets are borrowed for this call alone. `self` keeps the code in place.
        unsafe { (owner.entry)(block.as_mut_ptr()) }
    }
}

/// Whether an array has all elements from `start` on that loops with these strides and numbers of turns name.
fn contains(n: usize, start: usize, loops: [(isize, usize); 2]) -> bool {
    let (mut least, mut most) = (start as i128, start as i128);
    for (stride, turns) in loops {
        if turns == 0 {
            return true;
        }
        let way = stride as i128 * (turns as i128 - 1);
        least += way.min(0);
        most += way.max(0);
    }
    0 <= least && most < n as i128
}
