//! Graphs in C, and C as functions in this process.

use std::fmt::Write as _;
use std::process::Command;

use chainrule::ir::{Func, Inst, Val};
use chainrule::ops::Op;

/// The seed's value and derivatives as one would write them in C by hand, with each reciprocal once.
pub const SEED_BY_HAND: &str = "
#include <math.h>
#define TILE 256
void kernel(const double *const *in, double *const *out, long n) {
    const double *restrict px = in[0], *restrict pz = in[1];
    double *restrict value = out[0], *restrict d_x = out[1], *restrict d_z = out[2];
    double e[TILE], b[TILE], s[TILE], c[TILE];
    for (long at = 0; at < n; at += TILE) {
        long m = n - at < TILE ? n - at : TILE;
        const double *restrict x = px + at, *restrict z = pz + at;
        for (long i = 0; i < m; i++) e[i] = exp(x[i] * z[i]);
        for (long i = 0; i < m; i++) b[i] = log(x[i]);
        for (long i = 0; i < m; i++) s[i] = sin(b[i]);
        for (long i = 0; i < m; i++) c[i] = cos(b[i]);
        #pragma GCC ivdep
        for (long i = 0; i < m; i++) {
            double a = x[i] * z[i], ra = 1 / a, rb = 1 / b[i];
            double q = a * rb, r = s[i] * ra;
            double common = e[i] + rb - r * ra;
            value[at + i] = e[i] + q + r;
            d_x[at + i] = z[i] * common + (c[i] * ra - q * rb) / x[i];
            d_z[at + i] = x[i] * common;
        }
    }
}
";

/// The graph in C: loops over tiles of points, cut at elementary functions. Where there are none, one loop.
pub fn text(func: &Func) -> String {
    let live = func.live();
    let vals: Vec<Val> = func.vals().filter(|val| live[val.index()] && func.inst(*val).op().is_some()).collect();
    let mut loops: Vec<Vec<Val>> = vec![Vec::new()];
    for &val in &vals {
        if func.inst(val).op().is_some_and(is_function) {
            loops.extend([vec![val], Vec::new()]);
        } else if let Some(last) = loops.last_mut() {
            last.push(val);
        }
    }
    loops.retain(|vals| !vals.is_empty());
    let mut place = vec![usize::MAX; func.len()];
    for (number, vals) in loops.iter().enumerate() {
        vals.iter().for_each(|val| place[val.index()] = number);
    }
    let mut crosses = vec![false; func.len()];
    for &val in &vals {
        for operand in func.operands(val).iter().filter(|operand| place[operand.index()] != place[val.index()]) {
            crosses[operand.index()] = place[operand.index()] != usize::MAX;
        }
    }

    let mut text = "#include <math.h>\nvoid kernel(const double *const *in, double *const *out, long n) {\n".to_owned();
    for index in 0..func.params.len() {
        _ = writeln!(text, "const double *restrict x{index} = in[{index}];");
    }
    for index in 0..func.results.len() {
        _ = writeln!(text, "double *restrict r{index} = out[{index}];");
    }
    let tile = if loops.len() > 1 { "256" } else { "n" };
    _ = writeln!(text, "for (long b = 0; b < n; b += {tile}) {{ long m = n - b < {tile} ? n - b : {tile};");
    for val in vals.iter().filter(|val| crosses[val.index()]) {
        _ = writeln!(text, "double t{}[256];", val.index());
    }
    for (number, body) in loops.iter().enumerate() {
        text.push_str("#pragma GCC ivdep\nfor (long i = 0; i < m; i++) {\n");
        for &val in body {
            let operand = |operand: Val| match func.inst(operand) {
                Inst::Param(index) => format!("x{index}[b+i]"),
                Inst::F64(bits) => format!("({:e})", bits.value()),
                Inst::Int(value) => value.to_string(),
                _ if place[operand.index()] != number => format!("t{}[i]", operand.index()),
                _ => format!("v{}", operand.index()),
            };
            let args: Vec<String> = func.operands(val).iter().map(|&val| operand(val)).collect();
            if let Some(op) = func.inst(val).op() {
                _ = writeln!(text, "double v{} = {};", val.index(), expression(op, &args));
            }
            if crosses[val.index()] {
                _ = writeln!(text, "t{0}[i] = v{0};", val.index());
            }
            store(func, val, &format!("v{}", val.index()), &mut text);
        }
        if number + 1 == loops.len() {
            // Results that nothing computes.
            for val in func.vals().filter(|&val| func.inst(val).op().is_none()) {
                let value = match func.inst(val) {
                    Inst::Param(index) => format!("x{index}[b+i]"),
                    _ => func.constant(val).map_or("0".to_owned(), |value| format!("({value:e})")),
                };
                store(func, val, &value, &mut text);
            }
        }
        text.push_str("}\n");
    }
    text.push_str("}}\n");
    text
}

fn store(func: &Func, val: Val, value: &str, text: &mut String) {
    for (index, _) in func.results.iter().enumerate().filter(|(_, result)| result.value == val) {
        _ = writeln!(text, "r{index}[b+i] = {value};");
    }
}

/// Whether it is a call in C.
fn is_function(op: Op) -> bool {
    op.row().cost >= 15 && op != Op::Sqrt && op != Op::Powi
}

fn expression(op: Op, x: &[String]) -> String {
    match op {
        Op::Neg => format!("-{}", x[0]),
        Op::Add => format!("{} + {}", x[0], x[1]),
        Op::Sub => format!("{} - {}", x[0], x[1]),
        Op::Mul => format!("{} * {}", x[0], x[1]),
        Op::Div => format!("{} / {}", x[0], x[1]),
        Op::Powi => format!("__builtin_powi({}, {})", x[0], x[1]),
        Op::Domain => x[1].clone(),
        Op::Ln => format!("log({})", x[0]),
        _ => format!("{}({})", op.name(), x.join(", ")),
    }
}

pub fn compiler() -> Option<&'static str> {
    let found = Command::new("gcc").arg("--version").output();
    found.is_ok_and(|output| output.status.success()).then_some("gcc")
}

/// A kernel in C, loaded for good.
#[derive(Clone, Copy)]
pub struct Function(Kernel);

type Kernel = unsafe extern "C" fn(*const *const f64, *const *mut f64, i64);

impl Function {
    /// All columns have the same length.
    pub fn run(self, columns: &[Vec<f64>], results: &mut [Vec<f64>]) {
        let points = columns[0].len();
        assert!(columns.iter().chain(&*results).all(|column| column.len() == points), "columns of one length");
        let inputs: Vec<*const f64> = columns.iter().map(|column| column.as_ptr()).collect();
        let outputs: Vec<*mut f64> = results.iter_mut().map(|column| column.as_mut_ptr()).collect();
        // SAFETY: the C reads and writes `points` numbers of each column, and there are as many columns as the graph has
        // parameters and results.
        unsafe { (self.0)(inputs.as_ptr(), outputs.as_ptr(), points as i64) }
    }
}

/// Compiles and loads a text that defines `kernel`; `None` where that fails.
pub fn compile(text: &str, option: Option<&str>) -> Option<Function> {
    let directory = tempfile::tempdir().ok()?;
    let (source, library) = (directory.path().join("kernel.c"), directory.path().join("kernel.so"));
    std::fs::write(&source, text).ok()?;
    let status = Command::new(compiler()?)
        .args(["-O3", "-march=native", "-ffast-math", "-shared", "-fPIC"])
        .args(option)
        .arg(&source)
        .arg("-o")
        .arg(&library)
        .arg("-lm")
        .status();
    if !status.is_ok_and(|status| status.success()) {
        return None;
    }
    load(&library)
}

#[cfg(unix)]
fn load(library: &std::path::Path) -> Option<Function> {
    use std::ffi::{CString, c_char, c_int, c_void};

    // SAFETY: the C library's, with the types that C says.
    unsafe extern "C" {
        fn dlopen(path: *const c_char, flags: c_int) -> *mut c_void;
        fn dlsym(library: *mut c_void, name: *const c_char) -> *mut c_void;
    }
    const NOW: c_int = 2;
    let path = CString::new(library.to_str()?).ok()?;
    // SAFETY: the library was just made, does nothing when it is loaded, and stays; `kernel` has this type there.
    unsafe {
        let library = dlopen(path.as_ptr(), NOW);
        if library.is_null() {
            return None;
        }
        let kernel = dlsym(library, c"kernel".as_ptr());
        (!kernel.is_null()).then(|| Function(std::mem::transmute::<*mut c_void, Kernel>(kernel)))
    }
}

#[cfg(not(unix))]
fn load(_: &std::path::Path) -> Option<Function> {
    None
}
