//! Loops over arrays in vectors: kernels of `wide::rows` against the same loops by hand in C, in the same run.
//!
//! `cargo bench --bench rows [NAME…]` needs `gcc` and x86-64. With `--asm`, the machine code of the kernels that are named.

#[path = "../../tests/suite/bodies.rs"]
mod bodies;

use std::ffi::{CString, c_char, c_int, c_void};
use std::process::Command;
use std::time::{Duration, Instant};

use chainrule::ir::Func;
use chainrule::ops::Op;
use chainrule::wide::Width;
use chainrule::wide::rows::{self, Nest, Read, Write, WriteKind};

use bodies::body;

type Baseline = unsafe extern "C" fn(*const f64, *const f64, *mut f64);
type Entry = unsafe extern "sysv64" fn(*mut u64);

// SAFETY: the C library's, as POSIX says their types.
unsafe extern "C" {
    fn dlopen(name: *const c_char, flags: c_int) -> *mut c_void;
    fn dlsym(library: *mut c_void, name: *const c_char) -> *mut c_void;
}

fn library() -> *mut c_void {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/rows/baseline.c");
    let path = std::env::temp_dir().join(format!("chainrule-rows-{}.so", std::process::id()));
    let flags = ["-O3", "-march=native", "-ffast-math", "-shared", "-fPIC", "-o"];
    let status = Command::new("gcc").args(flags).arg(&path).args([source, "-lm"]).status();
    assert!(status.is_ok_and(|status| status.success()), "gcc compiles baseline.c");
    let name = CString::new(path.as_os_str().as_encoded_bytes()).expect("a path");
    // SAFETY: the name is a string that ends with 0; the library has no code that runs when it is loaded.
    let library = unsafe { dlopen(name.as_ptr(), 2) };
    _ = std::fs::remove_file(path);
    assert!(!library.is_null(), "the library loads");
    library
}

struct Case {
    name: String,
    body: Func,
    reads: Vec<Read>,
    writes: Vec<Write>,
    rows: usize,
    len: usize,
    /// The elements of the two arguments and the result.
    sizes: [usize; 3],
}

fn element(row: usize, turn: usize) -> Read {
    Read::Element { row: row as isize, turn: turn as isize }
}

fn write(kind: WriteKind, row: usize, factor: Option<usize>) -> Write {
    Write { kind, row: row as isize, value: 0, factor }
}

fn cases() -> Vec<Case> {
    let pair = || body(2, |_, x| x.to_vec());
    let mut cases = Vec::new();
    for (rows, len) in [(32, 10), (32, 32), (500, 500)] {
        cases.push(Case {
            name: format!("matvec_{rows}_{len}"),
            body: pair(),
            reads: vec![element(len, 1), element(0, 1)],
            writes: vec![write(WriteKind::Sum, 1, Some(1))],
            rows,
            len,
            sizes: [rows * len, len, rows],
        });
        cases.push(Case {
            name: format!("outer_{rows}_{len}"),
            body: pair(),
            reads: vec![element(1, 0), element(0, 1)],
            writes: vec![write(WriteKind::Add, len, Some(1))],
            rows,
            len,
            sizes: [rows, len, rows * len],
        });
        if len != 10 {
            cases.push(Case {
                name: format!("back_{rows}_{len}"),
                body: pair(),
                reads: vec![element(len, 1), element(1, 0)],
                writes: vec![write(WriteKind::Add, 0, Some(1))],
                rows,
                len,
                sizes: [rows * len, rows, len],
            });
        }
    }
    cases.push(Case {
        name: "sigmoid_32".to_owned(),
        body: body(2, |b, x| {
            let z = b.binary(Op::Add, x[0], x[1]);
            vec![b.unary(Op::Sigmoid, z)]
        }),
        reads: vec![element(0, 1), element(0, 1)],
        writes: vec![write(WriteKind::Store, 0, None)],
        rows: 1,
        len: 32,
        sizes: [32, 32, 32],
    });
    cases.push(Case {
        name: "dot_10000".to_owned(),
        body: pair(),
        reads: vec![element(0, 1), element(0, 1)],
        writes: vec![write(WriteKind::Sum, 1, Some(1))],
        rows: 1,
        len: 10000,
        sizes: [10000, 10000, 1],
    });
    cases.push(Case {
        name: "squares_1000".to_owned(),
        body: body(2, |b, x| {
            let square = b.binary(Op::Mul, x[0], x[0]);
            let a = b.binary(Op::Sub, x[1], square);
            let one = b.f64(1.0);
            let rest = b.binary(Op::Sub, one, x[0]);
            let (a, rest) = (b.binary(Op::Mul, a, a), b.binary(Op::Mul, rest, rest));
            let hundred = b.f64(100.0);
            vec![b.emit(Op::Fma, &[hundred, a, rest])]
        }),
        reads: vec![element(0, 1), element(0, 1)],
        writes: vec![write(WriteKind::Sum, 1, None)],
        rows: 1,
        len: 999,
        sizes: [1001, 1000, 1],
    });
    cases
}

/// The least time of some runs, each of several calls.
fn time(calls: u32, mut call: impl FnMut()) -> Duration {
    let begin = Instant::now();
    (0..calls).for_each(|_| call());
    begin.elapsed() / calls
}

fn main() {
    let names: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    let asm = std::env::args().any(|arg| arg == "--asm");
    let library = library();
    println!("{:>14} {:>10} {:>10} {:>7} {:>12} {:>7}", "", "C", "kernel", "ratio", "compilation", "bytes");
    for case in cases() {
        if !(names.is_empty() || names.contains(&case.name)) {
            continue;
        }
        for width in Width::ALL.into_iter().filter(|width| width.is_available()) {
            let nest = Nest {
                body: &case.body,
                reads: case.reads.clone(),
                writes: case.writes.clone(),
                rows: Some(case.rows),
                len: Some(case.len),
                ahead: Vec::new(),
            };
            if asm {
                println!("{}", rows::compile(&nest, width).expect("a body of vectors").asm());
            }
            measure(&case, &nest, width, library);
        }
    }
}

fn measure(case: &Case, nest: &Nest, width: Width, library: *mut c_void) {
    let kernel = rows::compile(nest, width).expect("a body of vectors");
    let compilation = (0..20).map(|_| time(10, || drop(rows::compile(nest, width)))).min().unwrap_or_default();
    let name = CString::new(case.name.clone()).expect("a name");
    // SAFETY: the library is open and the name ends with 0.
    let address = unsafe { dlsym(library, name.as_ptr()) };
    assert!(!address.is_null(), "{name:?} is in the library");
    // SAFETY: all functions of `baseline.c` have this type.
    let baseline: Baseline = unsafe { std::mem::transmute(address) };
    // SAFETY: a kernel's function takes a block.
    let entry: Entry = unsafe { std::mem::transmute(kernel.entry()) };
    let arrays = case.sizes.map(|size| (0..size).map(|k| ((k * 37 % 101) as f64 - 50.0) / 100.0).collect::<Vec<f64>>());
    let [a, b, mut c] = arrays;
    let mut block = vec![0u64; kernel.words()];
    // The second one of `squares` is the first one a place further.
    let second = if case.name.starts_with("squares") { a[1..].as_ptr() } else { b.as_ptr() };
    let calls = 1 + (2_000_000 / (case.rows * case.len)) as u32;
    let (mut ours, mut theirs) = (Duration::MAX, Duration::MAX);
    for _ in 0..20 {
        // SAFETY: the arrays have the sizes that both count on.
        theirs = theirs.min(time(calls, || unsafe { baseline(a.as_ptr(), b.as_ptr(), c.as_mut_ptr()) }));
        ours = ours.min(time(calls, || {
            block[2..5].copy_from_slice(&[a.as_ptr() as u64, second as u64, c.as_mut_ptr() as u64]);
            // SAFETY: as above; the block has the words that the kernel asks for.
            unsafe { entry(block.as_mut_ptr()) }
        }));
    }
    let ratio = ours.as_secs_f64() / theirs.as_secs_f64();
    let length = kernel.code_len();
    println!(
        "{:>14} {theirs:>10.1?} {ours:>10.1?} {ratio:>7.2} {compilation:>12.1?} {length:>7} {}",
        case.name,
        width.name()
    );
}
