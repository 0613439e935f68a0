//! What an epoch of training costs: Adam in batches over 10^5 rows of a 10–32–32–1 network, by `fit` and by hand in C, in turn.
//!
//! `cargo bench --bench epoch` needs `gcc`. Both go through the rows in an order by chance, and compute the loss of all rows after the epoch.

#[path = "../spine/measure.rs"]
#[allow(dead_code, reason = "what `fit` does can't be called round by round")]
mod measure;

use std::ffi::{CString, c_char, c_int, c_void};
use std::process::Command;
use std::time::Instant;

use chainrule::Program;
use chainrule::fit::{Fit, Method, Settings, Step};

const NETWORK: &str = "data x[N, D], y[N]
param W[H, D], b[H], V[H, H], c[H], u[H], e
z[n, i] = sigmoid(b[i] + sum[j](W[i, j]*x[n, j]))
h[n, i] = sigmoid(c[i] + sum[j](V[i, j]*z[n, j]))
o[n] = e + sum[i](u[i]*h[n, i])
mean[n](softplus(o[n]) - y[n]*o[n])";

const ROWS: usize = 100_000;
const PARAMS: usize = 10 * 32 + 32 + 32 * 32 + 32 + 32 + 1;
const EPOCHS: usize = 7;

/// `epoch` of `epoch.c`: the number of rows, what it reads, what it changes.
type Epoch = unsafe extern "C" fn(i64, *const *const f64, *const *mut f64);

// SAFETY: the C library's, as POSIX says their types.
unsafe extern "C" {
    fn dlopen(name: *const c_char, flags: c_int) -> *mut c_void;
    fn dlsym(library: *mut c_void, name: *const c_char) -> *mut c_void;
}

fn by_hand() -> Epoch {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/epoch/epoch.c");
    let path = std::env::temp_dir().join(format!("chainrule-epoch-{}.so", std::process::id()));
    let flags = ["-O3", "-march=native", "-ffast-math", "-shared", "-fPIC", "-o"];
    let status = Command::new("gcc").args(flags).arg(&path).args([source, "-lm"]).status();
    assert!(status.is_ok_and(|status| status.success()), "gcc compiles epoch.c");
    let name = CString::new(path.as_os_str().as_encoded_bytes()).expect("a path");
    // SAFETY: the name is a string that ends with 0; the library has no code that runs when it is loaded.
    let library = unsafe { dlopen(name.as_ptr(), 2) };
    _ = std::fs::remove_file(path);
    assert!(!library.is_null(), "the library loads");
    // SAFETY: the library is open and the name ends with 0.
    let address = unsafe { dlsym(library, c"epoch".as_ptr()) };
    assert!(!address.is_null(), "`epoch` is in the library");
    // SAFETY: this is its type.
    unsafe { std::mem::transmute::<*mut c_void, Epoch>(address) }
}

/// A network in C while it is trained.
struct Hand {
    epoch: Epoch,
    order: Vec<f64>,
    rows: [f64; 1],
    loss: [f64; 1],
    params: Vec<f64>,
    mean: Vec<f64>,
    square: Vec<f64>,
    steps: [f64; 1],
}

impl Hand {
    /// From these parameters, in the order of the C.
    fn new(epoch: Epoch, rows: usize, params: Vec<f64>) -> Hand {
        let order = (0..ROWS).map(|row| (row * 7919 % ROWS) as f64).collect();
        let zeros = || vec![0.0; PARAMS];
        Hand { epoch, order, rows: [rows as f64], loss: [0.0], params, mean: zeros(), square: zeros(), steps: [0.0] }
    }

    fn train(&mut self, x: &[[f64; 10]], y: &[f64]) {
        let reads = [x.as_flattened().as_ptr(), y.as_ptr(), self.order.as_ptr(), self.rows.as_ptr()];
        let own = [&mut self.loss[..], &mut self.params, &mut self.mean, &mut self.square, &mut self.steps];
        let changes = own.map(<[f64]>::as_mut_ptr);
        // SAFETY: the arrays have the sizes that the function takes for so many rows, and batches are no longer than its memory.
        unsafe { (self.epoch)(ROWS as i64, reads.as_ptr(), changes.as_ptr()) };
    }
}

fn main() {
    let program = Program::parse(NETWORK).expect("the network is right");
    let number = |k: usize| ((k * 7919 + 13) % 1009) as f64 / 504.5 - 1.0;
    let x: Vec<[f64; 10]> = (0..ROWS).map(|row| std::array::from_fn(|k| number(row * 10 + k))).collect();
    let y: Vec<f64> = x.iter().map(|x| f64::from(u8::from(x[0] * x[1] + x[2] > 0.1 * x[3]))).collect();
    let epoch = by_hand();
    for rows in [32, 256, 2048] {
        let settings = Settings {
            method: Method::Adam,
            batch: Some(rows),
            iterations: Some(EPOCHS),
            seed: Some(1),
            ..Settings::default()
        };
        let params = (0..PARAMS).map(|k| number(k * 31) / 4.0).collect();
        let mut hand = Hand::new(epoch, rows, params);
        let (mut ours, mut ratios, mut losses) = (Vec::new(), Vec::new(), Vec::new());
        let mut before = Instant::now();
        let mut show = |step: &Step| {
            let time = before.elapsed().as_secs_f64();
            let start = Instant::now();
            hand.train(&x, &y);
            let by_hand = start.elapsed().as_secs_f64();
            // Before the first two there is code to be made.
            if step.iteration > 1 {
                ours.push(time);
                ratios.push(time / by_hand);
            }
            losses.push((step.loss, hand.loss[0]));
            before = Instant::now();
        };
        let fit = Fit::new(&program).data("x", &x).data("y", &y).size("H", 32).settings(settings).observe(&mut show);
        fit.run().expect("it trains");
        let (ours, ratio) = (measure::median(ours), measure::median(ratios));
        let (loss, by_hand) = (losses[EPOCHS].0, losses[EPOCHS - 1].1);
        println!(
            "batches of {rows:4}   epoch {:7.1} ms   ratio to C {ratio:.2}   loss {loss:.4}, by hand {by_hand:.4}",
            1e3 * ours
        );
    }
}
