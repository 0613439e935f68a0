//! Loops over arrays against plain loops that evaluate the body with the interpreter, bit for bit, at each width, with every array
//! between pages that nothing may touch.

use chainrule::interp;
use chainrule::ir::{Builder, Func, Output};
use chainrule::math;
use chainrule::ops::{Op, Type};
use chainrule::wide::Width;
use chainrule::wide::rows::{self, Nest, Read, Source, Write, WriteKind};
use proptest::prelude::*;

use crate::bodies::body;
use crate::random::{self, Random};

pub fn widths() -> impl Iterator<Item = Width> {
    Width::ALL.into_iter().filter(|width| width.is_available())
}

pub fn same(a: f64, b: f64) -> bool {
    a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())
}

/// Numbers whose first or last one lies at the end of accessible memory, where the system can do that.
pub struct Guarded {
    #[cfg(target_os = "linux")]
    memory: (*mut u8, usize),
    first: *mut f64,
    len: usize,
    #[cfg(not(target_os = "linux"))]
    _numbers: Vec<f64>,
}

#[cfg(target_os = "linux")]
unsafe extern "C" {
    fn mmap(at: *mut u8, len: usize, access: i32, flags: i32, file: i32, offset: i64) -> *mut u8;
    fn mprotect(at: *mut u8, len: usize, access: i32) -> i32;
    fn munmap(at: *mut u8, len: usize) -> i32;
}

impl Guarded {
    #[cfg(target_os = "linux")]
    pub fn new(numbers: &[f64], at_end: bool) -> Guarded {
        const PAGE: usize = 4096;
        let bytes = (8 * numbers.len()).next_multiple_of(PAGE);
        let all = bytes + 2 * PAGE;
        // SAFETY: new memory, private and anonymous, of which the pages between the first and the last become accessible.
        let memory = unsafe {
            let memory = mmap(std::ptr::null_mut(), all, 0, 0x22, -1, 0);
            assert!(memory as isize != -1 && (bytes == 0 || mprotect(memory.add(PAGE), bytes, 3) == 0));
            memory
        };
        // SAFETY: inside the memory, and the numbers fit.
        let first: *mut f64 = unsafe {
            let first = memory.add(PAGE + if at_end { bytes - 8 * numbers.len() } else { 0 }).cast();
            std::ptr::copy_nonoverlapping(numbers.as_ptr(), first, numbers.len());
            first
        };
        Guarded { memory: (memory, all), first, len: numbers.len() }
    }

    #[cfg(not(target_os = "linux"))]
    pub fn new(numbers: &[f64], _at_end: bool) -> Guarded {
        let mut numbers = numbers.to_vec();
        Guarded { first: numbers.as_mut_ptr(), len: numbers.len(), _numbers: numbers }
    }

    pub fn numbers(&self) -> &[f64] {
        // SAFETY: `new` put so many numbers there.
        unsafe { std::slice::from_raw_parts(self.first, self.len) }
    }

    pub fn numbers_mut(&mut self) -> &mut [f64] {
        // SAFETY: `new` put so many numbers there, and they are borrowed through `self`.
        unsafe { std::slice::from_raw_parts_mut(self.first, self.len) }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        #[cfg(target_os = "linux")]
        // SAFETY: the memory that `new` took.
        unsafe {
            munmap(self.memory.0, self.memory.1);
        }
    }
}

/// An array, and the place of its first element.
#[derive(Clone)]
struct Data {
    numbers: Vec<f64>,
    start: usize,
}

/// An array that has exactly the elements that the loops name, and those in between.
fn data(random: &mut Random, loops: [(isize, usize); 2]) -> Data {
    if loops.iter().any(|(_, turns)| *turns == 0) {
        return Data { numbers: Vec::new(), start: 0 };
    }
    let reach = loops.map(|(stride, turns)| stride * (turns as isize - 1));
    let low: isize = reach.iter().map(|&way| way.min(0)).sum();
    let high: isize = reach.iter().map(|&way| way.max(0)).sum();
    let numbers = (low..=high).map(|_| random.number()).collect();
    Data { numbers, start: -low as usize }
}

/// What the loops compute, in the order that `ir::region` says.
fn expected(nest: &Nest, rows: usize, len: usize, sources: &[(Data, f64)], targets: &mut [Data]) {
    let at = |start: usize, way: isize| (start as isize + way) as usize;
    for i in 0..rows {
        let mut lanes = vec![[0.0f64; 16]; nest.writes.len()];
        for j in 0..len {
            let args: Vec<f64> = nest
                .reads
                .iter()
                .zip(sources)
                .map(|(read, (data, offset))| match *read {
                    Read::Element { row, turn } => data.numbers[at(data.start, row * i as isize + turn * j as isize)],
                    Read::Row => offset + i as f64,
                    Read::Turn => offset + j as f64,
                })
                .collect();
            let mut results = vec![0.0; nest.body.results.len()];
            interp::eval(nest.body, &args, &mut results).unwrap();
            for ((write, target), lanes) in nest.writes.iter().zip(&mut *targets).zip(&mut lanes) {
                let (value, factor) = (results[write.value], write.factor.map(|factor| results[factor]));
                let plus = |before: f64| match factor {
                    Some(factor) => value.mul_add(factor, before),
                    None => before + value,
                };
                let place = at(target.start, write.row * i as isize + j as isize);
                match write.kind {
                    WriteKind::Store => target.numbers[place] = value,
                    WriteKind::Add => target.numbers[place] = plus(target.numbers[place]),
                    WriteKind::Sum => lanes[j % 16] = plus(lanes[j % 16]),
                }
            }
        }
        for ((write, target), lanes) in nest.writes.iter().zip(&mut *targets).zip(&lanes) {
            if write.kind == WriteKind::Sum {
                let mut lanes = lanes.to_vec();
                while lanes.len() > 1 {
                    let upper = lanes.split_off(lanes.len() / 2);
                    lanes.iter_mut().zip(upper).for_each(|(low, high)| *low += high);
                }
                target.numbers[at(target.start, write.row * i as isize)] = lanes[0];
            }
        }
    }
}

/// What is wrong with loops at these lengths, if something is; `None` where there is no kernel.
fn difference(nest: &Nest, rows: usize, len: usize, random: &mut Random) -> Option<Result<(), String>> {
    let sources: Vec<(Data, f64)> = nest
        .reads
        .iter()
        .map(|read| match *read {
            // What doesn't depend on the turn is read even if there is none.
            Read::Element { row, turn } => (data(random, [(row, rows), (turn, if turn == 0 { 1 } else { len })]), 0.0),
            Read::Row | Read::Turn => (Data { numbers: Vec::new(), start: 0 }, random.below(40) as f64 - 20.0),
        })
        .collect();
    let turns = |write: &Write| if write.kind == WriteKind::Sum { 1 } else { len };
    let targets: Vec<Data> =
        nest.writes.iter().map(|write| data(random, [(write.row, rows), (1, turns(write))])).collect();
    let mut right = targets.clone();
    expected(nest, rows, len, &sources, &mut right);
    for width in widths() {
        let knows_rows = random.below(2) == 0;
        for known in [[knows_rows, true], [!knows_rows, false]] {
            // What is asked for early may be anywhere.
            let ahead = nest.reads.iter().map(|_| random.below(2000) as isize - 1000).collect();
            let nest = Nest { rows: known[0].then_some(rows), len: known[1].then_some(len), ahead, ..nest.clone() };
            let kernel = match rows::compile(&nest, width) {
                Ok(kernel) => kernel,
                // Only with a known number of turns are there strides.
                Err(_) if !known[1] => continue,
                Err(_) => return None,
            };
            let at_end = random.below(2) == 0;
            let guarded: Vec<Guarded> = sources.iter().map(|(data, _)| Guarded::new(&data.numbers, at_end)).collect();
            let given: Vec<Source> = (nest.reads.iter().zip(&sources).zip(&guarded))
                .map(|((read, (data, offset)), guarded)| match read {
                    Read::Element { .. } => Source::Array(guarded.numbers(), data.start),
                    Read::Row | Read::Turn => Source::Offset(*offset),
                })
                .collect();
            let mut found: Vec<Guarded> = targets.iter().map(|data| Guarded::new(&data.numbers, at_end)).collect();
            let mut slices: Vec<(&mut [f64], usize)> =
                found.iter_mut().zip(&targets).map(|(found, data)| (found.numbers_mut(), data.start)).collect();
            kernel.run(rows, len, &given, &mut slices);
            for (write, (found, right)) in found.iter().zip(&right).enumerate() {
                for (place, (&found, &right)) in found.numbers().iter().zip(&right.numbers).enumerate() {
                    if !same(found, right) {
                        return Some(Err(format!(
                            "{width:?}, {rows} rows, {len} turns, known {known:?}: write {write} at {place}: {found:e}, not {right:e}"
                        )));
                    }
                }
            }
        }
    }
    Some(Ok(()))
}

fn assert_right(nest: &Nest, rows: usize, len: usize, random: &mut Random) {
    match difference(nest, rows, len, random) {
        Some(Ok(())) => {}
        Some(Err(message)) => panic!("{message}\n{:?} {:?}\n{}", nest.reads, nest.writes, nest.body),
        None => panic!("no kernel\n{}", nest.body),
    }
}

fn element(row: isize, turn: isize) -> Read {
    Read::Element { row, turn }
}

fn write(kind: WriteKind, row: isize, value: usize, factor: Option<usize>) -> Write {
    Write { kind, row, value, factor }
}

use WriteKind::{Add, Store, Sum};

/// The loops that array programs are made of.
fn examples() -> Vec<(Func, Vec<Read>, Vec<Write>)> {
    let pair = || body(2, |_, x| x.to_vec());
    let product = || body(2, |b, x| vec![b.binary(Op::Mul, x[0], x[1])]);
    vec![
        // A matrix times a vector; the sum of products that aren't fused; sums in every second place.
        (pair(), vec![element(43, 1), element(0, 1)], vec![write(Sum, 1, 0, Some(1))]),
        (product(), vec![element(40, 1), element(0, 1)], vec![write(Sum, 1, 0, None)]),
        (pair(), vec![element(40, 1), element(1, 0)], vec![write(Sum, 2, 0, Some(1))]),
        // What a matrix has from a vector, and a vector from a matrix.
        (pair(), vec![element(0, 1), element(1, 0)], vec![write(Add, 47, 0, Some(1))]),
        (pair(), vec![element(41, 1), element(1, 0)], vec![write(Add, 0, 0, Some(1))]),
        (product(), vec![element(41, 1), element(-1, 0)], vec![write(Add, 0, 0, None)]),
        // Rows that overlap, and rows backwards.
        (pair(), vec![element(0, 1), element(1, 0)], vec![write(Add, 1, 0, Some(1))]),
        (pair(), vec![element(-45, 1), element(1, 0)], vec![write(Store, -50, 0, None), write(Sum, 1, 1, Some(0))]),
        (pair(), vec![element(7, 1), element(0, 0)], vec![write(Store, 3, 0, None), write(Sum, 0, 0, None)]),
        // A vector times a matrix, and the columns of two matrices; steps back, and steps over others.
        (pair(), vec![element(1, 43), element(0, 1)], vec![write(Sum, 1, 0, Some(1))]),
        (pair(), vec![element(1, 43), element(1, -41)], vec![write(Store, 40, 1, None), write(Sum, 1, 0, Some(1))]),
        (pair(), vec![element(45, -1), element(0, 2)], vec![write(Add, 0, 0, None), write(Sum, 1, 1, None)]),
        // Element by element.
        (
            body(3, |b, x| {
                let product = b.binary(Op::Mul, x[0], x[2]);
                vec![product, b.binary(Op::Sub, x[1], product)]
            }),
            vec![element(40, 1), element(41, 1), element(0, 0)],
            vec![write(Store, 43, 0, None), write(Add, 44, 1, None)],
        ),
        // Elementary functions.
        (
            body(2, |b, x| {
                let z = b.binary(Op::Add, x[0], x[1]);
                let y = b.unary(Op::Sigmoid, z);
                let one = b.f64(1.0);
                let rest = b.binary(Op::Sub, one, y);
                vec![y, b.binary(Op::Mul, y, rest), b.unary(Op::Exp, x[1])]
            }),
            vec![element(40, 1), element(0, 1)],
            vec![write(Store, 40, 0, None), write(Sum, 1, 1, None), write(Add, 0, 2, None), write(Add, 64, 0, Some(2))],
        ),
        // Functions that are called, always or where the written-out one isn't good.
        (
            body(3, |b, x| {
                let many = b.f64(1e7);
                let far = b.binary(Op::Mul, x[0], many);
                let gamma = b.unary(Op::Lgamma, x[1]);
                let (sine, cosine) = (b.unary(Op::Sin, far), b.unary(Op::Cos, x[2]));
                vec![b.binary(Op::Mul, sine, cosine), gamma, sine]
            }),
            vec![element(41, 1), element(0, 1), element(1, 0)],
            vec![
                write(Sum, 1, 0, None),
                write(Sum, 1, 1, Some(2)),
                write(Add, 0, 2, Some(0)),
                write(Store, 40, 2, None),
            ],
        ),
        // Numbers of rows and turns, alone and with others.
        (
            body(4, |b, x| {
                let place = b.binary(Op::Sub, x[0], x[1]);
                let first = b.binary(Op::Lt, x[0], x[1]);
                vec![b.binary(Op::Mul, place, x[2]), b.select(first, x[2], x[3])]
            }),
            vec![Read::Turn, Read::Row, element(1, 1), element(0, 0)],
            vec![write(Sum, 1, 0, None), write(Store, 40, 1, None), write(Add, 0, 1, Some(0))],
        ),
        // More arrays than there are registers for their addresses.
        (
            body(14, |b, x| {
                let sum = x[1..].iter().fold(x[0], |sum, &x| b.binary(Op::Add, sum, x));
                vec![sum, x[13]]
            }),
            (0..14).map(|k| element(k % 5 * 11, k % 3 % 2)).collect(),
            vec![write(Store, 41, 0, None), write(Sum, 1, 0, Some(1)), write(Add, 0, 1, None)],
        ),
    ]
}

#[test]
fn loops_are_what_the_interpreter_says_at_every_length() {
    let mut random = Random(5);
    for (body, reads, writes) in examples() {
        let nest = Nest { body: &body, reads, writes, rows: None, len: None, ahead: Vec::new() };
        for len in 0..40 {
            let rows = [0, 1, 2, 3, 4, 5, 8, 15, 19][random.below(9)];
            assert_right(&nest, rows, len, &mut random);
        }
        for rows in 1..6 {
            assert_right(&nest, rows, random.below(40), &mut random);
        }
        for _ in 0..3 {
            // Rows one behind the other.
            let (rows, len) = (random.below(8), random.below(30));
            let row = len as isize;
            let behind = |stride: isize| if stride.abs() > 2 { row } else { stride };
            let reads = nest.reads.iter().map(|read| match *read {
                Read::Element { row, turn } => element(behind(row), turn),
                number => number,
            });
            let writes = nest.writes.iter().map(|write| Write { row: behind(write.row), ..*write });
            let nest = Nest { reads: reads.collect(), writes: writes.collect(), ..nest.clone() };
            assert_right(&nest, rows, len, &mut random);
        }
        for (rows, len) in [(3, 64), (9, 100), (1, 517), (17, 160)] {
            assert_right(&nest, rows, len, &mut random);
        }
    }
}

#[test]
fn a_sum_of_negative_zeros_has_the_sign_that_its_lanes_give_it() {
    let pair = body(2, |_, x| x.to_vec());
    for len in 0..40 {
        for (value, factor) in [(-0.0, 1.0), (1e-200, -1e-200), (-1e-200, 1e-200), (0.0, -1.0)] {
            for factored in [true, false] {
                let writes = vec![write(Sum, 1, 0, factored.then_some(1))];
                let nest = Nest {
                    body: &pair,
                    reads: vec![element(40, 1), element(0, 1)],
                    writes,
                    rows: None,
                    len: None,
                    ahead: Vec::new(),
                };
                let sources = [vec![value; 200], vec![factor; 40]];
                let sources = sources.map(|numbers| (Data { numbers, start: 0 }, 0.0));
                let mut right = [Data { numbers: vec![7.0; 3], start: 0 }];
                expected(&nest, 3, len, &sources, &mut right);
                for width in widths() {
                    for known in [None, Some(len)] {
                        let nest = Nest { len: known, ..nest.clone() };
                        let kernel = rows::compile(&nest, width).unwrap();
                        let mut found = [7.0; 3];
                        let given = [0, 1].map(|k| Source::Array(&sources[k].0.numbers, 0));
                        kernel.run(3, len, &given, &mut [(&mut found[..], 0)]);
                        for (found, right) in found.iter().zip(&right[0].numbers) {
                            assert!(
                                same(*found, *right),
                                "{width:?} {len} turns of {value}*{factor}: {found}, not {right}"
                            );
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn what_has_no_form_in_vectors_has_no_kernel() {
    let mut builder = Builder::new("body");
    let (x, n) = (builder.param("x", Type::F64), builder.param("n", Type::Int));
    let value = builder.binary(Op::Powi, x, n);
    let power = builder.finish(vec![Output { name: "r".to_owned(), value }]);
    for width in Width::ALL {
        let (reads, writes) = (vec![element(0, 1); 2], vec![write(Store, 1, 0, None)]);
        assert!(
            rows::compile(&Nest { body: &power, reads, writes, rows: None, len: None, ahead: Vec::new() }, width)
                .is_err()
        );
    }
}

/// Random strides, some of them usual ones.
fn stride(random: &mut Random) -> isize {
    [0, 1, -1, 40, 43, -40, random.below(100) as isize - 50][random.below(7)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn loops_over_random_bodies_are_what_the_interpreter_says(picks in random::picks(30), seed in any::<u64>()) {
        let body = math::expand(&random::graph_of_numbers(&picks, 4));
        let mut random = Random(seed);
        let reads = (0..4).map(|_| match random.below(8) {
            0 => Read::Row,
            1 => Read::Turn,
            2 => element(stride(&mut random), stride(&mut random)),
            _ => element(stride(&mut random), random.below(2) as isize),
        });
        let reads: Vec<Read> = reads.collect();
        let result = |random: &mut Random| random.below(body.results.len());
        let writes = (0..1 + random.below(3)).map(|_| {
            let kind = [Store, Add, Sum][random.below(3)];
            let factor = (kind != Store && random.below(2) == 0).then(|| result(&mut random));
            let row = stride(&mut random);
            write(kind, row, result(&mut random), factor)
        });
        let writes: Vec<Write> = writes.collect();
        let nest = Nest { body: &body, reads, writes, rows: None, len: None, ahead: Vec::new() };
        for _ in 0..4 {
            let (rows, len) = (random.below(12), random.below(70));
            if let Some(Err(message)) = difference(&nest, rows, len, &mut random) {
                prop_assert!(false, "{message}\n{:?} {:?}\n{body}", nest.reads, nest.writes);
            }
        }
    }
}
