//! Products of matrices: for many outputs at once, each the sum of products of elements of two arrays.
//!
//! ```text
//! c[i, j] = Σ_k a[i, k]*b[k, j]
//! ```
//!
//! `i`, `j` and `k` stand for any number of loops each, and all places are sums of multiples of the loops' indices: transposed
//! matrices, windows of a picture and rows of larger arrays are the same. An index that moves both factors is a **batch**: one product
//! after the other.
//!
//! Each output is to the bit what `interp` says of such a sum (all NaNs being one): turn `k` of the innermost loop goes to lane
//! `k mod 16` by `fma`, and the lanes are summed by halves. So that an output needs one accumulator, the turns of one lane are made
//! together; lanes follow each other such that sums are complete as early as can be,
//!
//! ```text
//! 0 8 4 12 2 10 6 14 1 9 5 13 3 11 7 15:   ((0 + 8) + (4 + 12)) + …
//! ```
//!
//! like the digits of a binary counter, at most four waiting. A **tile** of outputs, a few rows and a few vectors of columns, has its
//! accumulators in registers. What a tile reads is copied into **panels** first, in the order in which it is read. A block of panels of
//! `a` stays in the second cache while the panels of `b` come past.

use super::Width;

/// The lanes of a sum (`ir::region`).
const LANES: usize = 16;

/// The lanes in the order in which they are summed.
const ORDER: [usize; LANES] = [0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15];

/// About how many numbers there are in panels of `a` and of `b` at a time.
const BLOCK: [usize; 2] = [1 << 15, 1 << 18];

/// How many vectors of columns a tile has at most.
const VECTORS: usize = 3;

/// The rows of a tile, at most.
const ROWS: usize = 8;

/// The columns of a tile, at most.
const COLUMNS: usize = VECTORS * 8;

/// A loop: how many turns it makes, and by how many elements a turn moves the factors and the output.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Axis {
    pub turns: usize,
    pub a: isize,
    pub b: isize,
    pub c: isize,
}

/// All that is known of a product before its arrays are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Product {
    width: Width,
    /// Whether the factors are exchanged, so that columns lie next to each other in the output.
    exchanged: bool,
    batch: Vec<Axis>,
    rows: Vec<Axis>,
    columns: Vec<Axis>,
    /// The loops of the sum, the innermost last.
    sum: Vec<Axis>,
    /// How many turns each lane takes up, in the order of lanes.
    counts: [usize; LANES],
    /// How many rows and columns are in panels at a time.
    blocks: [usize; 2],
}

impl Product {
    /// Loops with independent turns around a sum over other loops; all have turns. `None`: there are no rows or no columns.
    ///
    /// # Panics
    /// Where there is no loop in the sum.
    pub fn new(around: &[Axis], sum: &[Axis], width: Width) -> Option<Product> {
        let only = |moves: fn(&Axis) -> [bool; 2], which: [bool; 2]| -> Vec<Axis> {
            around.iter().copied().filter(|axis| moves(axis) == which).collect()
        };
        let moves = |axis: &Axis| [axis.a != 0, axis.b != 0];
        let (mut rows, mut columns) = (only(moves, [true, false]), only(moves, [false, true]));
        let batch = [only(moves, [true, true]), only(moves, [false, false])].concat();
        if rows.is_empty() || columns.is_empty() {
            return None;
        }
        let exchanged = rows.last().is_some_and(|axis| axis.c == 1);
        let (mut batch, mut sum) = (batch, sum.to_vec());
        if exchanged {
            std::mem::swap(&mut rows, &mut columns);
            let all = [&mut batch, &mut rows, &mut columns, &mut sum];
            all.into_iter().flatten().for_each(|axis| std::mem::swap(&mut axis.a, &mut axis.b));
        }
        let (last, before) = sum.split_last().expect("a sum has a loop");
        let counts = ORDER.map(|lane| turns(before) * ((last.turns + LANES - 1 - lane) / LANES));
        let mut product = Product { width, exchanged, batch, rows, columns, sum, counts, blocks: [0; 2] };
        let depth = turns(&product.sum).max(1);
        let fitting = |numbers: usize, unit: usize, all: usize| {
            (numbers / depth / unit).max(1).saturating_mul(unit).min(all.next_multiple_of(unit))
        };
        product.blocks = [
            fitting(BLOCK[0], product.tile_rows(), turns(&product.rows)),
            fitting(BLOCK[1], product.tile_columns(), turns(&product.columns)),
        ];
        Some(product)
    }

    /// The number of rows, of columns and of turns of the sum.
    pub fn size(&self) -> [usize; 3] {
        [turns(&self.rows), turns(&self.columns), turns(&self.sum)]
    }

    fn lanes(&self) -> usize {
        self.width.lanes()
    }

    fn tile_rows(&self) -> usize {
        self.lanes()
    }

    fn tile_columns(&self) -> usize {
        VECTORS * self.lanes()
    }

    /// How many numbers there must be room for.
    pub fn scratch(&self) -> usize {
        (self.blocks[0] + self.blocks[1]) * turns(&self.sum)
    }

    /// Makes all outputs.
    ///
    /// # Safety
    /// The processor must have vectors of the width. All elements that the loops name, from these on, must be there, those of the factors
    /// initialised, those of the output and the scratch memory nobody else's.
    pub unsafe fn run(&self, a: *const f64, b: *const f64, c: *mut f64, scratch: *mut f64) {
        let (a, b) = if self.exchanged { (b, a) } else { (a, b) };
        for number in 0..turns(&self.batch) {
            let at = place(&self.batch, number);
            // SAFETY: the places are those of turns of the batch; the rest is the caller's promise.
            unsafe { self.one(a.offset(at.a), b.offset(at.b), c.offset(at.c), scratch) };
        }
    }

    /// The same over slices, each with the place of the first element.
    ///
    /// # Panics
    /// Where an element that the loops name isn't there, or the processor has no vectors of the width.
    pub fn multiply(&self, a: (&[f64], usize), b: (&[f64], usize), c: (&mut [f64], usize)) {
        assert!(self.width.is_available(), "vectors of the width");
        let (x, y) = if self.exchanged { (b, a) } else { (a, b) };
        let around = [&*self.batch, &self.rows, &self.columns].concat();
        let all = [&*around, &self.sum].concat();
        assert!(contains(x.0.len(), x.1, &all, |axis| axis.a), "all elements of the factors");
        assert!(contains(y.0.len(), y.1, &all, |axis| axis.b), "all elements of the factors");
        assert!(contains(c.0.len(), c.1, &around, |axis| axis.c), "all outputs");
        let mut scratch = vec![0.0; self.scratch()];
        // SAFETY: everything that the loops name is in the slices, which was checked above.
        unsafe {
            self.run(a.0.as_ptr().add(a.1), b.0.as_ptr().add(b.1), c.0.as_mut_ptr().add(c.1), scratch.as_mut_ptr());
        }
    }

    /// One product of the batch.
    ///
    /// # Safety
    /// As [`Product::run`], of rows and columns.
    unsafe fn one(&self, a: *const f64, b: *const f64, c: *mut f64, scratch: *mut f64) {
        let (depth, (n_rows, n_columns)) = (turns(&self.sum), (turns(&self.rows), turns(&self.columns)));
        let [rows_at_once, columns_at_once] = self.blocks;
        let (tall, wide) = (self.tile_rows(), self.tile_columns());
        // SAFETY: panels of as many rows and columns as a block has fit in the scratch memory, places are those of turns.
        unsafe {
            let (panels_a, panels_b) = (scratch, scratch.add(rows_at_once * depth));
            for first_column in (0..n_columns).step_by(columns_at_once) {
                let columns = columns_at_once.min(n_columns - first_column);
                for at in (0..columns).step_by(wide) {
                    let to = panels_b.add(at * depth);
                    let width = (columns - at).min(wide).next_multiple_of(self.lanes());
                    let lanes = Lanes::of(&self.columns, first_column + at, width, n_columns, |axis| axis.b);
                    self.pack(&lanes, b, |axis| axis.b, to);
                }
                for first_row in (0..n_rows).step_by(rows_at_once) {
                    let rows = rows_at_once.min(n_rows - first_row);
                    for at in (0..rows).step_by(tall) {
                        let height = height(rows - at, tall);
                        let lanes = Lanes::of(&self.rows, first_row + at, height, n_rows, |axis| axis.a);
                        self.pack(&lanes, a, |axis| axis.a, panels_a.add(at * depth));
                    }
                    for column in (0..columns).step_by(wide) {
                        let used = (columns - column).min(wide);
                        let to = Lanes::of(&self.columns, first_column + column, used, n_columns, |axis| axis.c);
                        for row in (0..rows).step_by(tall) {
                            let used = (rows - row).min(tall);
                            let down = Lanes::of(&self.rows, first_row + row, used, n_rows, |axis| axis.c);
                            let (a, b) = (panels_a.add(row * depth), panels_b.add(column * depth));
                            self.tile(a, b, c, &down, &to);
                        }
                    }
                }
            }
        }
    }

    /// Copies a panel: for each turn of the sum, lane by lane, a number of each of its rows or columns.
    ///
    /// # Safety
    /// All elements must be there, and room for the panel.
    #[inline(always)]
    unsafe fn pack(&self, lanes: &Lanes, from: *const f64, step: impl Fn(&Axis) -> isize, to: *mut f64) {
        let (last, before) = self.sum.split_last().expect("a sum has a loop");
        let mut next = [0; LANES];
        let mut begin = 0;
        for (lane, count) in ORDER.into_iter().zip(self.counts) {
            next[lane] = begin;
            begin += count;
        }
        let width = lanes.n;
        for entered in 0..turns(before) {
            let from = from.wrapping_offset(offset(before, entered, &step));
            for turn in 0..last.turns {
                let lane = turn % LANES;
                let from = from.wrapping_offset(step(last) * turn as isize);
                // SAFETY: there is room for each turn, and the elements are those of turns.
                unsafe {
                    let to = to.add(width * next[lane]);
                    if lanes.adjacent {
                        std::ptr::copy_nonoverlapping(from.offset(lanes.places[0]), to, width);
                    } else {
                        for (number, &place) in lanes.places[..width].iter().enumerate() {
                            to.add(number).write(from.offset(place).read());
                        }
                    }
                }
                next[lane] += 1;
            }
        }
    }

    /// Makes the outputs of a tile.
    ///
    /// # Safety
    /// The panels must be there, and the outputs.
    unsafe fn tile(&self, a: *const f64, b: *const f64, c: *mut f64, rows: &Lanes, columns: &Lanes) {
        let (height, width) = (height(rows.n, self.tile_rows()), columns.n.next_multiple_of(self.lanes()));
        let mut apart = [0.0; ROWS * COLUMNS];
        let direct = columns.adjacent && (rows.n, columns.n) == (height, width);
        let mut to = [std::ptr::null_mut(); ROWS];
        for (number, to) in to[..height].iter_mut().enumerate() {
            *to = if direct {
                c.wrapping_offset(rows.places[number] + columns.places[0])
            } else {
                apart[number * width..].as_mut_ptr()
            };
        }
        // SAFETY: the caller's promise; a tile has as many rows and columns as there are places.
        unsafe { tile(self.width, height, width / self.lanes(), &self.counts, a, b, &to) };
        if !direct {
            for (row, numbers) in rows.places[..rows.n].iter().zip(apart.chunks(width)) {
                for (column, &number) in columns.places[..columns.n].iter().zip(numbers) {
                    // SAFETY: an output of the tile.
                    unsafe { c.offset(row + column).write(number) };
                }
            }
        }
    }
}

/// Whether an array has all elements from `start` on that loops name.
fn contains(n: usize, start: usize, loops: &[Axis], step: impl Fn(&Axis) -> isize) -> bool {
    let way = |axis: &Axis| step(axis) as i128 * (axis.turns as i128 - 1);
    let least: i128 = loops.iter().map(|axis| way(axis).min(0)).sum();
    let most: i128 = loops.iter().map(|axis| way(axis).max(0)).sum();
    start as i128 + least >= 0 && start as i128 + most < n as i128
}

/// How many rows of accumulators are taken for some rows.
fn height(rows: usize, most: usize) -> usize {
    if rows <= most / 2 { most / 2 } else { most }
}

impl std::fmt::Display for Product {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        let ([rows, columns, depth], batch) = (self.size(), turns(&self.batch));
        write!(f, "{batch} of {rows} × {columns}, sums of {depth}, {}", self.width.name())
    }
}

fn turns(axes: &[Axis]) -> usize {
    axes.iter().map(|axis| axis.turns).product()
}

/// How far a turn of loops is from the first.
fn offset(axes: &[Axis], mut number: usize, step: impl Fn(&Axis) -> isize) -> isize {
    if let [only] = axes {
        return step(only) * number as isize;
    }
    let mut sum = 0;
    for axis in axes.iter().rev() {
        sum += step(axis) * (number % axis.turns) as isize;
        number /= axis.turns;
    }
    sum
}

fn place(axes: &[Axis], number: usize) -> Axis {
    let part = |step: fn(&Axis) -> isize| offset(axes, number, step);
    Axis { turns: 1, a: part(|axis| axis.a), b: part(|axis| axis.b), c: part(|axis| axis.c) }
}

/// Where the elements of some rows or columns are.
struct Lanes {
    n: usize,
    places: [isize; COLUMNS],
    /// Whether one lies behind the other.
    adjacent: bool,
}

impl Lanes {
    /// Those from a first one on; what there isn't is the last one again.
    #[inline(always)]
    fn of(axes: &[Axis], first: usize, n: usize, all: usize, step: impl Fn(&Axis) -> isize) -> Lanes {
        let mut places = [0; COLUMNS];
        for (number, place) in places[..n].iter_mut().enumerate() {
            *place = offset(axes, (first + number).min(all - 1), &step);
        }
        let adjacent = places[..n].windows(2).all(|pair| pair[1] == pair[0] + 1);
        Lanes { n, places, adjacent }
    }
}

/// The sums of a tile of `height` rows and some vectors of columns, written row by row.
///
/// # Safety
/// The processor must have vectors of the width; the panels must have as many numbers as the lanes take up, and each row room for its vectors.
unsafe fn tile(
    width: Width,
    height: usize,
    vectors: usize,
    counts: &[usize; LANES],
    a: *const f64,
    b: *const f64,
    to: &[*mut f64; ROWS],
) {
    #[cfg(not(target_arch = "x86_64"))]
    unreachable!("vectors of {width:?}, with {:?}", (height, vectors, counts, a, b, to));
    // SAFETY: the caller's promise.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        match (width.lanes(), height, vectors) {
            (8, 8, 1) => wide512::tile::<8, 1>(counts, a, b, to),
            (8, 8, 2) => wide512::tile::<8, 2>(counts, a, b, to),
            (8, 8, 3) => wide512::tile::<8, 3>(counts, a, b, to),
            (8, 4, 1) => wide512::tile::<4, 1>(counts, a, b, to),
            (8, 4, 2) => wide512::tile::<4, 2>(counts, a, b, to),
            (8, 4, 3) => wide512::tile::<4, 3>(counts, a, b, to),
            (4, 4, 1) => wide256::tile::<4, 1>(counts, a, b, to),
            (4, 4, 2) => wide256::tile::<4, 2>(counts, a, b, to),
            (4, 4, 3) => wide256::tile::<4, 3>(counts, a, b, to),
            (4, 2, 1) => wide256::tile::<2, 1>(counts, a, b, to),
            (4, 2, 2) => wide256::tile::<2, 2>(counts, a, b, to),
            (4, 2, 3) => wide256::tile::<2, 3>(counts, a, b, to),
            _ => unreachable!("a tile of another size"),
        }
    }
}

/// [`Product::run`] for machine code: the address of `extern "sysv64" fn(product, a, b, c, scratch)`.
#[cfg(target_arch = "x86_64")]
pub fn entry() -> usize {
    /// # Safety
    /// As [`Product::run`], of a product that is there.
    unsafe extern "sysv64" fn run(
        product: *const Product,
        a: *const f64,
        b: *const f64,
        c: *mut f64,
        scratch: *mut f64,
    ) {
        // SAFETY: the caller's promise.
        unsafe { (*product).run(a, b, c, scratch) }
    }
    run as *const () as usize
}

/// There are no vectors, and no products.
#[cfg(not(target_arch = "x86_64"))]
pub fn entry() -> usize {
    0
}

/// The same code for the vectors of two widths.
#[cfg(target_arch = "x86_64")]
macro_rules! tiles {
    ($name:ident, $features:literal, $lanes:literal, $load:ident, $store:ident, $splat:ident, $fma:ident, $add:ident, $zero:ident) => {
        mod $name {
            use std::arch::x86_64::*;

            use super::{LANES, ROWS};

            /// # Safety
            /// As [`super::tile`].
            #[target_feature(enable = $features)]
            pub unsafe fn tile<const HEIGHT: usize, const VECTORS: usize>(
                counts: &[usize; LANES],
                mut a: *const f64,
                mut b: *const f64,
                to: &[*mut f64; ROWS],
            ) {
                // What waits for its other half.
                let mut waiting = [[[$zero(); VECTORS]; HEIGHT]; 4];
                for (lane, &count) in counts.iter().enumerate() {
                    let mut sums = [[$zero(); VECTORS]; HEIGHT];
                    for _ in 0..count {
                        // SAFETY: the panels have as many numbers as the lanes take up.
                        unsafe {
                            let mut columns = [$zero(); VECTORS];
                            for (number, column) in columns.iter_mut().enumerate() {
                                *column = $load(b.add($lanes * number));
                            }
                            for (number, sums) in sums.iter_mut().enumerate() {
                                let row = $splat(*a.add(number));
                                for (sum, column) in sums.iter_mut().zip(columns) {
                                    *sum = $fma(row, column, *sum);
                                }
                            }
                            (a, b) = (a.add(HEIGHT), b.add($lanes * VECTORS));
                        }
                    }
                    let complete = lane.trailing_ones() as usize;
                    for waiting in &waiting[..complete] {
                        for (sums, waiting) in sums.iter_mut().zip(waiting) {
                            for (sum, &first) in sums.iter_mut().zip(waiting) {
                                *sum = $add(first, *sum);
                            }
                        }
                    }
                    match waiting.get_mut(complete) {
                        Some(waiting) => *waiting = sums,
                        None => {
                            for (sums, to) in sums.iter().zip(to) {
                                for (number, &sum) in sums.iter().enumerate() {
                                    // SAFETY: each row has room for its vectors.
                                    unsafe { $store(to.add($lanes * number), sum) };
                                }
                            }
                        }
                    }
                }
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
tiles!(
    wide512,
    "avx512f",
    8,
    _mm512_loadu_pd,
    _mm512_storeu_pd,
    _mm512_set1_pd,
    _mm512_fmadd_pd,
    _mm512_add_pd,
    _mm512_setzero_pd
);
#[cfg(target_arch = "x86_64")]
tiles!(
    wide256,
    "avx2,fma",
    4,
    _mm256_loadu_pd,
    _mm256_storeu_pd,
    _mm256_set1_pd,
    _mm256_fmadd_pd,
    _mm256_add_pd,
    _mm256_setzero_pd
);
