//! How fast machine code is made, and how fast it runs, against the same mathematics written by hand.
//!
//! ```text
//! cargo rustc --release --example jit_speed -- -C target-cpu=native && target/release/examples/jit_speed 100000
//! ```
//!
//! The argument is the size of the largest graph that is tried, in operations.

use std::hint::black_box;
use std::time::Instant;

use chainrule::ir::{Builder, Func, Output, Val};
use chainrule::jit::{self, Effort, Options};
use chainrule::ops::{Op, Type};

fn main() {
    let efforts = [Effort::Quick, Effort::Registers, Effort::Full];
    let seed = seed_gradient();
    println!("value and gradient of exp(x*z) + x*z/ln(x) + sin(ln(x))/(x*z): {} operations", seed.operations());
    let variants: Vec<(String, Options)> = efforts
        .into_iter()
        .map(|effort| (format!("{effort:?}"), Options { effort: Some(effort), ..Options::default() }))
        .chain([("default".to_owned(), Options::default())])
        .collect();
    for (name, options) in &variants {
        compile_time(name, &seed, options, 300);
    }
    let codes: Vec<_> = variants.iter().map(|(_, options)| jit::compile(&seed, options).unwrap()).collect();
    let mut contestants: Vec<Box<dyn FnMut() + '_>> = vec![Box::new(|| {
        let mut out = [0.0; 3];
        by_hand(black_box(&[2.0, 3.0]), &mut out);
        black_box(out);
    })];
    let through_slices: fn(&[f64], &mut [f64]) = black_box(by_hand_slices);
    contestants.push(Box::new(move || {
        let mut out = [0.0; 3];
        through_slices(black_box(&[2.0, 3.0]), &mut out);
        black_box(out);
    }));
    for code in &codes {
        contestants.push(Box::new(|| {
            let mut out = [0.0; 3];
            code.call(black_box(&[2.0, 3.0]), &mut out).unwrap();
            black_box(out);
        }));
    }
    let names =
        ["by hand", "by hand, through slices"].into_iter().chain(variants.iter().map(|(name, _)| name.as_str()));
    for (name, (least, ratio)) in names.zip(race(&mut contestants, 1000, 1500)) {
        println!("  call, {name:24} {least:7.2} ns   {ratio:.3} of by hand");
    }
    let identity = identity();
    let code = jit::compile(&identity, &Options::default()).unwrap();
    let mut contestants: Vec<Box<dyn FnMut()>> = vec![
        Box::new(|| {
            let mut out = [0.0; 1];
            identity_by_hand(black_box(&[2.0]), &mut out);
            black_box(out);
        }),
        Box::new(move || {
            let mut out = [0.0; 1];
            code.call(black_box(&[2.0]), &mut out).unwrap();
            black_box(out);
        }),
    ];
    let times = race(&mut contestants, 1000, 500);
    println!("  call of the identity {:.2} ns, by hand {:.2} ns", times[1].0, times[0].0);

    let largest = std::env::args().nth(1).map_or(2_000, |size| size.parse().unwrap());
    for size in [300, 600, 1_000, 2_000, 10_000, 100_000, 1_000_000] {
        if size > largest {
            break;
        }
        for calls in [0, 5] {
            let func = random::sweep(size, calls, 42);
            let live = func.live().iter().filter(|&&live| live).count();
            println!(
                "reverse mode, {} operations, {live} live, {calls} % calls in the forward sweep",
                func.operations()
            );
            let mut variants = vec![("default".to_owned(), Options::default())];
            for chunk in [250, 500, 1_000].into_iter().filter(|&chunk| chunk <= size && size < 1_000_000) {
                for effort in efforts {
                    variants
                        .push((format!("{effort:?}/{chunk}"), Options { effort: Some(effort), chunk: Some(chunk) }));
                }
            }
            for (name, options) in &variants {
                measure(name, &func, options);
            }
        }
    }
}

fn measure(name: &str, func: &Func, options: &Options) {
    let start = Instant::now();
    let mut code = jit::compile(func, options).unwrap();
    let mut compile = start.elapsed().as_secs_f64();
    for _ in 0..(20_000 / func.operations()) {
        let start = Instant::now();
        code = jit::compile(func, options).unwrap();
        compile = compile.min(start.elapsed().as_secs_f64());
    }
    let args: Vec<f64> = (0..16).map(|index| 0.9 + 0.01 * f64::from(index)).collect();
    let mut out = vec![0.0; func.results.len()];
    let mut call = f64::INFINITY;
    for _ in 0..(2_000_000 / func.operations()).clamp(3, 1000) {
        let start = Instant::now();
        code.call(black_box(&args), &mut out).unwrap();
        call = call.min(start.elapsed().as_secs_f64());
    }
    let (operations, memory) = (func.operations() as f64, peak_memory());
    let (compile, call) = (compile * 1e6 / operations, call * 1e9 / operations);
    println!("  {name:14} compile {compile:.2} us, call {call:.2} ns an operation; peak memory so far {memory}");
}

/// The most memory that the process has had, as Linux says it.
fn peak_memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("unknown").trim().to_owned()
}

fn compile_time(name: &str, func: &Func, options: &Options, rounds: usize) {
    let mut times: Vec<f64> = (0..rounds)
        .map(|_| {
            let start = Instant::now();
            drop(jit::compile(func, options).unwrap());
            start.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    times.sort_by(f64::total_cmp);
    let median = times[times.len() / 2];
    let each = median / func.operations() as f64;
    println!("  compile and drop, {name:14} {:9.1} us least, {median:9.1} median, {each:.2} an operation", times[0]);
}

/// For each contestant, the least nanoseconds and the median ratio to the first. They take turns.
fn race(contestants: &mut [Box<dyn FnMut() + '_>], calls: u32, rounds: usize) -> Vec<(f64, f64)> {
    let mut times = vec![Vec::new(); contestants.len()];
    for _ in 0..rounds {
        for (contestant, times) in contestants.iter_mut().zip(&mut times) {
            let start = Instant::now();
            (0..calls).for_each(|_| contestant());
            times.push(start.elapsed().as_secs_f64() * 1e9 / f64::from(calls));
        }
    }
    let first = times[0].clone();
    let result = times.iter().map(|times| {
        let mut ratios: Vec<f64> = times.iter().zip(&first).map(|(time, first)| time / first).collect();
        ratios.sort_by(f64::total_cmp);
        (times.iter().copied().fold(f64::INFINITY, f64::min), ratios[ratios.len() / 2])
    });
    result.collect()
}

#[inline(never)]
fn identity_by_hand(args: &[f64; 1], out: &mut [f64; 1]) {
    *out = *black_box(args);
}

/// By the same path as compiled code: an unknown function, slices, lengths that are checked.
fn by_hand_slices(args: &[f64], out: &mut [f64]) {
    let (Ok(args), Ok(out)) = (args.try_into(), out.try_into()) else { panic!("wrong lengths") };
    by_hand_inlined(args, out);
}

#[inline(never)]
fn by_hand(args: &[f64; 2], out: &mut [f64; 3]) {
    by_hand_inlined(args, out);
}

#[inline(always)]
fn by_hand_inlined(args: &[f64; 2], out: &mut [f64; 3]) {
    let [x, z] = *args;
    let product = x * z;
    let exp = product.exp();
    let log = x.ln();
    let (sin, cos) = log.sin_cos();
    let (quotient, last) = (product / log, sin / product);
    let product_bar = exp + 1.0 / log - last / product;
    let log_bar = cos / product - quotient / log;
    *out = [exp + quotient + last, product_bar * z + log_bar / x, product_bar * x];
}

fn seed_gradient() -> Func {
    let mut b = Builder::new("seed");
    let (x, z) = (b.param("x", Type::F64), b.param("z", Type::F64));
    let one = b.f64(1.0);
    let product = b.binary(Op::Mul, x, z);
    let exp = b.unary(Op::Exp, product);
    let log = b.unary(Op::Ln, x);
    let (sin, cos) = (b.unary(Op::Sin, log), b.unary(Op::Cos, log));
    let (quotient, last) = (b.binary(Op::Div, product, log), b.binary(Op::Div, sin, product));
    let mut apply = |op, a, c| b.binary(op, a, c);
    let sum = apply(Op::Add, exp, quotient);
    let value = apply(Op::Add, sum, last);
    let reciprocal = apply(Op::Div, one, log);
    let sum = apply(Op::Add, exp, reciprocal);
    let slope = apply(Op::Div, last, product);
    let product_bar = apply(Op::Sub, sum, slope);
    let (a, c) = (apply(Op::Div, cos, product), apply(Op::Div, quotient, log));
    let log_bar = apply(Op::Sub, a, c);
    let (a, c) = (apply(Op::Mul, product_bar, z), apply(Op::Div, log_bar, x));
    let (d_x, d_z) = (apply(Op::Add, a, c), apply(Op::Mul, product_bar, x));
    b.finish(vec![output("f", value), output("d_x", d_x), output("d_z", d_z)])
}

fn identity() -> Func {
    let mut builder = Builder::new("identity");
    let x = builder.param("x", Type::F64);
    builder.finish(vec![output("x", x)])
}

fn output(name: &str, value: Val) -> Output {
    Output { name: name.to_owned(), value }
}

#[path = "../tests/suite/random.rs"]
#[allow(dead_code)]
mod random;
