//! How fast vector kernels are made, and how fast they run, against C of the same graph.
//!
//! ```text
//! cargo run --release --example wide_speed [POINTS] [asm]
//! ```
//!
//! The C is compiled by `gcc -O3 -march=native -ffast-math`: one loop of all arithmetic, or where there are elementary functions, loops
//! over tiles of 256 points in which each function has a loop of its own, so that the vector functions of the C library are used
//! (in one loop with a sine and a cosine of the same number, gcc would use none). Ratios are medians over interleaved
//! repetitions. Where there is no `gcc`, only times are shown.

use std::ffi::{CString, c_char, c_int, c_void};
use std::fmt::Write as _;
use std::hint::black_box;
use std::time::Instant;

use chainrule::ir::{Func, Inst, Val};
use chainrule::ops::Op;
use chainrule::wide::{self, Input, Kernel, Width};
use chainrule::{Program, Relaxation, math, opt};

const SEED: &str = "exp(x*z) + x*z/ln(x) + sin(ln(x))/(x*z)";

fn main() {
    let points = std::env::args().nth(1).map_or(4096, |word| word.parse().expect("a number of points"));
    let terms = |i: usize| format!("100*(x{} - x{i}^2)^2 + (1 - x{i})^2", i + 1);
    let rosenbrock = (0..9).map(terms).collect::<Vec<_>>().join(" + ");
    for (name, text) in [("rosenbrock 10", rosenbrock.as_str()), ("seed", SEED)] {
        let program = Program::parse(text).expect("a formula");
        let gradient = program.gradient().graph().expect("a gradient");
        if std::env::args().any(|word| word == "asm") {
            for width in Width::ALL {
                let options = wide::Options { width: Some(width), segment: None };
                let uniform = vec![false; gradient.params.len()];
                println!("{}", wide::asm(&gradient, &uniform, &options).expect("code"));
            }
        }
        compare(name, &gradient, points);
        let relaxations = [Relaxation::FusedMultiplyAdd, Relaxation::Reassociate, Relaxation::SharedReciprocals];
        compare(&format!("{name}, relaxed"), &opt::relax(&opt::release(&gradient), &relaxations), points);
    }
}

/// Fills the columns of the results.
type Contestant = Box<dyn FnMut(&mut [Vec<f64>])>;

fn compare(name: &str, func: &Func, points: usize) {
    let uniform = vec![false; func.params.len()];
    let columns: Vec<Vec<f64>> = (0..func.params.len())
        .map(|column| (0..points).map(|point| 1.2 + ((point * 7 + column * 13) % 1000) as f64 * 1e-3).collect())
        .collect();
    println!("{name}: {} operations, {points} points", func.operations());
    let mut contestants: Vec<(String, Contestant)> = Vec::new();
    for options in ["", " -mprefer-vector-width=512"] {
        if let Some(function) = compile_c(func, options) {
            let columns = columns.clone();
            contestants.push((
                format!("gcc -O3 -march=native -ffast-math{options}"),
                Box::new(move |out| {
                    let inputs: Vec<*const f64> = columns.iter().map(|column| column.as_ptr()).collect();
                    let outputs: Vec<*mut f64> = out.iter_mut().map(|column| column.as_mut_ptr()).collect();
                    // SAFETY: the C reads and writes `points` numbers of each column.
                    unsafe { function(inputs.as_ptr(), outputs.as_ptr(), points as i64) };
                }),
            ));
        }
    }
    for width in Width::ALL.into_iter().filter(|width| width.is_available()) {
        let mut times: Vec<f64> = (0..300)
            .map(|_| {
                let start = Instant::now();
                black_box(wide::compile(&math::expand(func), &uniform, Some(width)).expect("a kernel"));
                start.elapsed().as_secs_f64() * 1e6
            })
            .collect();
        times.sort_by(f64::total_cmp);
        let kernel = wide::compile(&math::expand(func), &uniform, Some(width)).expect("a kernel");
        println!("  {width:?}: {} bytes of code, made in {:.0} us", kernel.code_len(), times[times.len() / 2]);
        let columns = columns.clone();
        contestants.push((format!("wide {width:?}"), Box::new(move |out| run(&kernel, &columns, out, points))));
    }
    let mut outputs = vec![vec![vec![0.0; points]; func.results.len()]; contestants.len()];
    let rounds = (40_000_000 / (points * func.operations())).clamp(15, 400);
    let mut times = vec![Vec::new(); contestants.len()];
    for _ in 0..rounds {
        for (index, (_, contestant)) in contestants.iter_mut().enumerate() {
            let start = Instant::now();
            contestant(&mut outputs[index]);
            times[index].push(start.elapsed().as_secs_f64() * 1e9 / points as f64);
        }
    }
    for (index, (name, _)) in contestants.iter().enumerate() {
        let mut ratios: Vec<f64> = times[index].iter().zip(&times[0]).map(|(time, base)| time / base).collect();
        ratios.sort_by(f64::total_cmp);
        let least = times[index].iter().copied().fold(f64::INFINITY, f64::min);
        println!("  {name:62} {least:7.3} ns/point   {:.3}", ratios[ratios.len() / 2]);
        let close = |a: f64, b: f64| (a - b).abs() <= 1e-9 * (a.abs() + b.abs() + 1.0);
        let agree = outputs[index].iter().flatten().zip(outputs[0].iter().flatten()).all(|(a, b)| close(*a, *b));
        assert!(agree, "{name} computes something else");
    }
}

fn run(kernel: &Kernel, columns: &[Vec<f64>], out: &mut [Vec<f64>], points: usize) {
    let inputs: Vec<Input> = columns.iter().map(|column| Input::Column(column)).collect();
    let mut outputs: Vec<&mut [f64]> = out.iter_mut().map(Vec::as_mut_slice).collect();
    kernel.run(&inputs, &mut outputs, points);
}

type Function = unsafe extern "C" fn(*const *const f64, *const *mut f64, i64);

// SAFETY: the C library's, with the types that C says.
unsafe extern "C" {
    fn dlopen(path: *const c_char, flags: c_int) -> *mut c_void;
    fn dlsym(library: *mut c_void, name: *const c_char) -> *mut c_void;
}

fn compile_c(func: &Func, options: &str) -> Option<Function> {
    static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let number = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let stem = std::env::temp_dir().join(format!("chainrule-wide-speed-{}-{number}", std::process::id()));
    let (source, library) = (stem.with_extension("c"), stem.with_extension("so"));
    std::fs::write(&source, c_text(func)).ok()?;
    let status = std::process::Command::new("gcc")
        .args(["-O3", "-march=native", "-ffast-math", "-shared", "-fPIC"])
        .args(options.split_whitespace())
        .arg(&source)
        .arg("-o")
        .arg(&library)
        .arg("-lm")
        .status();
    let found = status.is_ok_and(|status| status.success()).then(|| {
        let path = CString::new(library.to_str().expect("a path of text")).expect("a path without NUL");
        // SAFETY: the library was just made, has no constructors, and stays loaded; `kernel` is in it with these types.
        unsafe {
            let handle = dlopen(path.as_ptr(), 2);
            assert!(!handle.is_null(), "the library loads");
            std::mem::transmute::<*mut c_void, Function>(dlsym(handle, c"kernel".as_ptr()))
        }
    });
    _ = std::fs::remove_file(source);
    _ = std::fs::remove_file(library);
    found
}

/// The graph in C: loops over tiles, cut at elementary functions.
fn c_text(func: &Func) -> String {
    let live = func.live();
    let vals: Vec<Val> = func.vals().filter(|val| live[val.index()] && func.inst(*val).op().is_some()).collect();
    let is_call = |val: Val| func.inst(val).op().is_some_and(|op| op.row().cost >= 15);
    let mut loops: Vec<Vec<Val>> = vec![Vec::new()];
    for &val in &vals {
        if is_call(val) {
            loops.extend([vec![val], Vec::new()]);
        } else {
            loops.last_mut().expect("there is one").push(val);
        }
    }
    loops.retain(|vals| !vals.is_empty());
    let place: std::collections::HashMap<Val, usize> =
        loops.iter().enumerate().flat_map(|(number, vals)| vals.iter().map(move |&val| (val, number))).collect();
    let mut text = "#include <math.h>\nvoid kernel(const double *const *in, double *const *out, long n) {\n".to_owned();
    for index in 0..func.params.len() {
        _ = writeln!(text, "const double *restrict x{index} = in[{index}];");
    }
    for index in 0..func.results.len() {
        _ = writeln!(text, "double *restrict r{index} = out[{index}];");
    }
    let tiled = loops.len() > 1;
    let width = if tiled { "256" } else { "n" };
    _ = writeln!(text, "for (long b = 0; b < n; b += {width}) {{ long m = n - b < {width} ? n - b : {width};");
    let crosses = |val: Val| {
        vals.iter().any(|user| place[user] != place[&val] && func.operands(*user).iter().any(|&operand| operand == val))
    };
    let crossing: Vec<Val> = vals.iter().copied().filter(|&val| crosses(val)).collect();
    for val in &crossing {
        _ = writeln!(text, "double t{}[256];", val.0);
    }
    for (number, body) in loops.iter().enumerate() {
        _ = writeln!(text, "#pragma GCC ivdep\nfor (long i = 0; i < m; i++) {{");
        for &val in body {
            let operand = |operand: Val| match func.inst(operand) {
                Inst::Param(index) => format!("x{index}[b+i]"),
                Inst::F64(bits) => format!("({:e})", bits.value()),
                Inst::Int(value) => value.to_string(),
                _ if place[&operand] != number => format!("t{}[i]", operand.0),
                _ => format!("v{}", operand.0),
            };
            let x: Vec<String> = func.operands(val).iter().map(|&val| operand(val)).collect();
            let op = func.inst(val).op().expect("an operation");
            let value = match op {
                Op::Neg => format!("-{}", x[0]),
                Op::Add => format!("{} + {}", x[0], x[1]),
                Op::Sub => format!("{} - {}", x[0], x[1]),
                Op::Mul => format!("{} * {}", x[0], x[1]),
                Op::Div => format!("{} / {}", x[0], x[1]),
                Op::Powi => format!("__builtin_powi({}, {})", x[0], x[1]),
                Op::Fma => format!("{} * {} + {}", x[0], x[1], x[2]),
                Op::Domain | Op::Stop => x[x.len() - 1].clone(),
                Op::Ln => format!("log({})", x[0]),
                _ => format!("{}({})", op.name(), x.join(", ")),
            };
            _ = writeln!(text, "double v{} = {value};", val.0);
            if crossing.contains(&val) {
                _ = writeln!(text, "t{0}[i] = v{0};", val.0);
            }
            for (index, result) in func.results.iter().enumerate() {
                if result.value == val {
                    _ = writeln!(text, "r{index}[b+i] = v{};", val.0);
                }
            }
        }
        text.push_str("}\n");
    }
    text.push_str("}}\n");
    text
}
