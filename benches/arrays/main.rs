//! What loops cost: programs with arrays against the same by hand in C, in the same run.
//!
//! `cargo bench --bench arrays [NAME…]` needs `gcc`. The figures that matter are the ratios to C, on one thread.

#[path = "../spine/measure.rs"]
#[allow(dead_code, reason = "memory is measured by the other bench")]
mod measure;

use std::ffi::{CString, c_char, c_int, c_void};
use std::process::Command;
use std::time::Instant;

use chainrule::ir::Func;
use chainrule::jit::loops::{LoopCode, Workspace, compile};
use chainrule::{Binding, Program, math, opt};

/// A function of `baseline.c`: a size, the arguments, the results.
type Baseline = unsafe extern "C" fn(i64, *const *const f64, *const *mut f64);

// SAFETY: the C library's, as POSIX says their types.
unsafe extern "C" {
    fn dlopen(name: *const c_char, flags: c_int) -> *mut c_void;
    fn dlsym(library: *mut c_void, name: *const c_char) -> *mut c_void;
}

/// The C functions, compiled for this machine.
struct Library(*mut c_void);

impl Library {
    fn build() -> Library {
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/arrays/baseline.c");
        let path = std::env::temp_dir().join(format!("chainrule-baseline-{}.so", std::process::id()));
        let status = Command::new("gcc")
            .args(["-O3", "-march=native", "-ffast-math", "-shared", "-fPIC", "-o"])
            .arg(&path)
            .args([source, "-lm"])
            .status();
        assert!(status.is_ok_and(|status| status.success()), "gcc compiles baseline.c");
        let name = CString::new(path.as_os_str().as_encoded_bytes()).expect("a path");
        // SAFETY: the name is a string that ends with 0; the library has no code that runs when it is loaded.
        let library = unsafe { dlopen(name.as_ptr(), 2) };
        _ = std::fs::remove_file(path);
        assert!(!library.is_null(), "the library loads");
        Library(library)
    }

    fn get(&self, name: &str) -> Baseline {
        let name = CString::new(name).expect("a name");
        // SAFETY: the library is open and the name ends with 0.
        let address = unsafe { dlsym(self.0, name.as_ptr()) };
        assert!(!address.is_null(), "{name:?} is in the library");
        // SAFETY: all functions of `baseline.c` have this type.
        unsafe { std::mem::transmute::<*mut c_void, Baseline>(address) }
    }
}

/// A program, what of it is computed, and the sizes.
struct Case {
    name: &'static str,
    text: &'static str,
    wrt: &'static [&'static str],
    sizes: &'static [(&'static str, i64)],
    /// Empty: only the value is measured beside the gradient.
    baseline: &'static str,
    size: i64,
    calls: usize,
}

const NETWORK: &str = "data x[N, D], y[N]
param W[H, D], b[H], V[H, H], c[H], u[H], e
z[n, i] = sigmoid(b[i] + sum[j](W[i, j]*x[n, j]))
h[n, i] = sigmoid(c[i] + sum[j](V[i, j]*z[n, j]))
o[n] = e + sum[i](u[i]*h[n, i])
sum[n](softplus(o[n]) - y[n]*o[n])";

const ROSENBROCK: &str = "param x[N]
sum[i in 0..N-1](100*(x[i+1] - x[i]^2)^2 + (1 - x[i])^2)";

const ALL: &[&str] = &["W", "b", "V", "c", "u", "e"];

const MIXTURE: &str = "data x[N, D]
param w[K], m[K, D], s[K, D]
q[n, k] = w[k] - sum[d]((x[n, d] - m[k, d])^2*exp(-2*s[k, d]))/2 - sum[d](s[k, d])
sum[n](logsumexp[k](q[n, k]))";

/// With full covariances, as in the suite ADBench.
const FULL_MIXTURE: &str = include_str!("../../tests/formulas/gaussian_mixture.txt");

const RECURRENCE: &str = "param a, b
data x[N]
h[0] = 0
h[t] = tanh(a*h[t-1] + b*x[t]) for t in 1..N
sum[t](h[t]^2)";

/// The arguments in the order of the baseline.
const LSTM: &str =
    "param Wi[H, D], Ui[H, H], bi[H], Wf[H, D], Uf[H, H], bf[H], Wo[H, D], Uo[H, H], bo[H], Wg[H, D], Ug[H, H], bg[H]
data x[T, D], target[H]
gate(f, W, U, b, h, t) = [f(b[j] + sum[d](W[j, d]*x[t, d]) + sum[k](U[j, k]*h[k])) for j]
zero = [0*bi[j] for j]
(h, c) = iterate (h, c) from (zero, zero) for t in 0..T do {
    i = gate(sigmoid, Wi, Ui, bi, h, t)
    f = gate(sigmoid, Wf, Uf, bf, h, t)
    o = gate(sigmoid, Wo, Uo, bo, h, t)
    g = gate(tanh, Wg, Ug, bg, h, t)
    cell = [f[j]*c[j] + i[j]*g[j] for j]
    ([o[j]*tanh(cell[j]) for j], cell)
}
sum[j]((h[j] - target[j])^2)/2";

const GRU: &str = "param Wz[H, D], Uz[H, H], bz[H], Wr[H, D], Ur[H, H], br[H], Wn[H, D], Un[H, H], bn[H]
data x[T, D], target[H]
h = iterate h from [0*bz[j] for j] for t in 0..T do {
    z = [sigmoid(bz[j] + sum[d](Wz[j, d]*x[t, d]) + sum[k](Uz[j, k]*h[k])) for j]
    r = [sigmoid(br[j] + sum[d](Wr[j, d]*x[t, d]) + sum[k](Ur[j, k]*h[k])) for j]
    n = [tanh(bn[j] + sum[d](Wn[j, d]*x[t, d]) + r[j]*sum[k](Un[j, k]*h[k])) for j]
    [(1 - z[j])*n[j] + z[j]*h[j] for j]
}
sum[j]((h[j] - target[j])^2)/2";

const GRU_WEIGHTS: &[&str] = &["Wz", "Uz", "bz", "Wr", "Ur", "br", "Wn", "Un", "bn"];

/// One head over `N` positions.
const ATTENTION: &str = "param Q[E, D], K[E, D], V[E, D]
data x[N, D], target[N, E]
q[n, e] = sum[d](Q[e, d]*x[n, d])
k[n, e] = sum[d](K[e, d]*x[n, d])
v[e, n] = sum[d](V[e, d]*x[n, d])
a[n, m] = softmax[m](sum[e](q[n, e]*k[m, e])/sqrt(E))
y[n, e] = sum[m](a[n, m]*v[e, m])
sum[n, e]((y[n, e] - target[n, e])^2)/2";

const WEIGHTS: &[&str] = &["Wi", "Ui", "bi", "Wf", "Uf", "bf", "Wo", "Uo", "bo", "Wg", "Ug", "bg"];

const CASES: &[Case] = &[
    Case {
        name: "network, 1 sample, gradient",
        text: NETWORK,
        wrt: ALL,
        sizes: &[("N", 1), ("D", 10), ("H", 32)],
        baseline: "network",
        size: 1,
        calls: 2000,
    },
    Case {
        name: "network, 1000 samples, gradient",
        text: NETWORK,
        wrt: ALL,
        sizes: &[("N", 1000), ("D", 10), ("H", 32)],
        baseline: "network",
        size: 1000,
        calls: 3,
    },
    Case {
        name: "matrix times vector, 32",
        text: "param A[N, N], x[N]\ny[i] = sum[j](A[i, j]*x[j])\ny",
        wrt: &[],
        sizes: &[("N", 32)],
        baseline: "matvec",
        size: 32,
        calls: 5000,
    },
    Case {
        name: "matrix times vector, 500",
        text: "param A[N, N], x[N]\ny[i] = sum[j](A[i, j]*x[j])\ny",
        wrt: &[],
        sizes: &[("N", 500)],
        baseline: "matvec",
        size: 500,
        calls: 30,
    },
    Case {
        name: "dense layer, 32",
        text: "param A[N, N], x[N], b[N]\ny[i] = sigmoid(b[i] + sum[j](A[i, j]*x[j]))\ny",
        wrt: &[],
        sizes: &[("N", 32)],
        baseline: "dense",
        size: 32,
        calls: 5000,
    },
    Case {
        name: "matrix product, 64",
        text: "param A[N, N], B[N, N]\nC[i, j] = sum[k](A[i, k]*B[k, j])\nC",
        wrt: &[],
        sizes: &[("N", 64)],
        baseline: "matmul",
        size: 64,
        calls: 200,
    },
    Case {
        name: "matrix product, 384",
        text: "param A[N, N], B[N, N]\nC[i, j] = sum[k](A[i, k]*B[k, j])\nC",
        wrt: &[],
        sizes: &[("N", 384)],
        baseline: "matmul",
        size: 384,
        calls: 1,
    },
    Case {
        name: "dense layer, 128 samples, 784 to 256",
        text: "param W[H, D], b[H], x[N, D]\nz[n, h] = sigmoid(b[h] + sum[d](W[h, d]*x[n, d]))\nz",
        wrt: &[],
        sizes: &[("N", 128), ("D", 784), ("H", 256)],
        baseline: "layer",
        size: 128,
        calls: 1,
    },
    Case {
        name: "Rosenbrock, 100, gradient",
        text: ROSENBROCK,
        wrt: &["x"],
        sizes: &[("N", 100)],
        baseline: "rosenbrock",
        size: 100,
        calls: 5000,
    },
    Case {
        name: "Rosenbrock, 10^4, gradient",
        text: ROSENBROCK,
        wrt: &["x"],
        sizes: &[("N", 10_000)],
        baseline: "rosenbrock",
        size: 10_000,
        calls: 100,
    },
    Case {
        name: "Rosenbrock, 10^7, gradient",
        text: ROSENBROCK,
        wrt: &["x"],
        sizes: &[("N", 10_000_000)],
        baseline: "rosenbrock",
        size: 10_000_000,
        calls: 1,
    },
    Case {
        name: "recurrence, 10^4 steps, gradient",
        text: RECURRENCE,
        wrt: &["a", "b"],
        sizes: &[("N", 10_000)],
        baseline: "recurrence",
        size: 10_000,
        calls: 20,
    },
    Case {
        name: "LSTM, 4096 steps, gradient",
        text: LSTM,
        wrt: WEIGHTS,
        sizes: &[("T", 4096), ("D", 16), ("H", 32)],
        baseline: "lstm",
        size: 4096,
        calls: 1,
    },
    Case {
        name: "GRU, 1024 steps, gradient",
        text: GRU,
        wrt: GRU_WEIGHTS,
        sizes: &[("T", 1024), ("D", 16), ("H", 32)],
        baseline: "",
        size: 1024,
        calls: 2,
    },
    Case {
        name: "attention, 128 positions, gradient",
        text: ATTENTION,
        wrt: &["Q", "K", "V"],
        sizes: &[("N", 128), ("D", 32), ("E", 32)],
        baseline: "",
        size: 128,
        calls: 2,
    },
    Case {
        name: "Gaussian mixture, gradient",
        text: MIXTURE,
        wrt: &["w", "m", "s"],
        sizes: &[("N", 1000), ("D", 32), ("K", 25)],
        baseline: "mixture",
        size: 1000,
        calls: 5,
    },
    Case {
        name: "Gaussian mixture with full covariances, gradient",
        text: FULL_MIXTURE,
        wrt: &["alpha", "mu", "q", "l"],
        sizes: &[("N", 1000), ("D", 32), ("K", 25)],
        baseline: "",
        size: 1000,
        calls: 1,
    },
];

/// A graph as code, with arguments and room for results.
struct Ready {
    code: LoopCode,
    args: Vec<Vec<f64>>,
    results: Vec<Vec<f64>>,
    workspace: Workspace,
    graph_ms: f64,
    code_ms: f64,
}

impl Ready {
    fn new(graph: impl FnOnce() -> Func) -> Ready {
        let start = Instant::now();
        let func = math::expand(&opt::release(&graph()));
        let middle = Instant::now();
        let code = compile(&func).expect("code for this machine");
        let end = Instant::now();
        let number = |k: usize| ((k * 7919 + 13) % 1000) as f64 / 1000.0 - 0.5;
        let args = code.args().iter().map(|&n| (0..n).map(number).collect()).collect();
        let results = code.results().iter().map(|&n| vec![0.0; n]).collect();
        let workspace = Workspace::new(code.workspace()).expect("memory");
        let ms = |from: Instant, to: Instant| (to - from).as_secs_f64() * 1e3;
        Ready { code, args, results, workspace, graph_ms: ms(start, middle), code_ms: ms(middle, end) }
    }

    fn call(&mut self) {
        let args: Vec<&[f64]> = self.args.iter().map(Vec::as_slice).collect();
        let mut out: Vec<&mut [f64]> = self.results.iter_mut().map(Vec::as_mut_slice).collect();
        self.code.call(&args, &mut out, &mut self.workspace).expect("no check fails");
    }
}

impl Case {
    fn program(&self) -> Program {
        let program = Program::parse(self.text).unwrap_or_else(|error| panic!("{error}"));
        let binding = self.sizes.iter().fold(Binding::new(), |binding, &(name, size)| binding.size(name, size));
        if program.is_open() { program.bind(&binding).unwrap_or_else(|error| panic!("{error}")) } else { program }
    }

    fn run(&self, library: &Library) {
        let gradient = |program: &Program| {
            program.gradient().wrt(self.wrt.iter().copied()).graph().unwrap_or_else(|error| panic!("{error}"))
        };
        let mut ours = Ready::new(|| match self.wrt {
            [] => self.program().graph().clone(),
            _ => gradient(&self.program()),
        });
        let mut value = (!self.wrt.is_empty()).then(|| Ready::new(|| self.program().graph().clone()));
        let mut theirs: Vec<Vec<f64>> = ours.results.iter().map(|result| vec![0.0; result.len()]).collect();
        let inputs: Vec<*const f64> = ours.args.iter().map(|arg| arg.as_ptr()).collect();
        let outputs: Vec<*mut f64> = theirs.iter_mut().map(|out| out.as_mut_ptr()).collect();
        let baseline = (!self.baseline.is_empty()).then(|| library.get(self.baseline));
        let mut by_c = || {
            if let Some(baseline) = baseline {
                // SAFETY: the arrays have the sizes that the function takes for this size.
                unsafe { baseline(self.size, inputs.as_ptr(), outputs.as_ptr()) }
            }
        };
        let mut the_value = || value.iter_mut().for_each(Ready::call);
        let mut by_us = || ours.call();
        let mut candidates: Vec<(&str, &mut dyn FnMut())> = Vec::new();
        if baseline.is_some() {
            candidates.push(("C", &mut by_c));
        }
        if !self.wrt.is_empty() {
            candidates.push(("chainrule, the value alone", &mut the_value));
        }
        candidates.push(("chainrule", &mut by_us));
        let rows = measure::paired(self.calls, 15, &mut candidates);
        measure::print(self.name, &rows);
        let Ready { code, graph_ms, code_ms, .. } = &ours;
        let (kernels, workspace) = (code.kernels(), code.workspace());
        println!("  graph {graph_ms:.2} ms, code {code_ms:.2} ms, {kernels} kernels, workspace {workspace} bytes");
        if baseline.is_some() {
            for (ours, theirs) in ours.results.iter().zip(&theirs) {
                let is_close = |(a, b): (&f64, &f64)| (a - b).abs() <= 1e-9 * (1.0 + a.abs().max(b.abs()));
                assert!(ours.iter().zip(theirs).all(is_close), "{}: the same numbers", self.name);
            }
        }
    }
}

fn main() {
    let library = Library::build();
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    for case in CASES {
        if wanted.is_empty() || wanted.iter().any(|word| case.name.to_lowercase().contains(&word.to_lowercase())) {
            case.run(&library);
        }
    }
}
