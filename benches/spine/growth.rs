//! Growth: texts of 10^3 to 10^6 operations, statement after statement, all of them live.

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::Instant;

use chainrule::code::{Code, Parts};
use chainrule::{Limits, Mode, ad, lower, opt, syntax};

use super::measure::paired;
use super::peak::PeakAllocator;

/// A text with about so many operations, and their exact number.
fn text(wanted: usize) -> (String, usize) {
    let mut text = String::from("v0 = x*z\nv1 = x + z\nv2 = sin(x)\n");
    let (mut operations, mut next) = (3, 3);
    while operations < wanted {
        let (last, before, far) = (next - 1, next - 2, next - next.min(17));
        let (line, cost) = match next % 4 {
            0 => (format!("v{last}*v{far} + x"), 2),
            1 => (format!("sin(v{last}) - v{before}"), 2),
            2 => (format!("v{last}/(2 + v{far}*v{far})"), 3),
            _ => (format!("v{before}*z - v{last}"), 2),
        };
        let _ = writeln!(text, "v{next} = {line}");
        operations += cost;
        next += 1;
    }
    let _ = write!(text, "v{}", next - 1);
    (text, operations)
}

pub fn run(allocator: &PeakAllocator) {
    println!("\nGrowth: µs per operation of the text; bytes at the peak per operation; ns per operation of a call");
    println!(
        "  {:>9} {:>7} {:>7} {:>7} {:>7} {:>7} {:>7} {:>8} {:>8} {:>8} {:>6}",
        "ops", "parse", "lower", "ad", "opt", "code", "total", "peak B", "value", "gradient", "ratio"
    );
    for wanted in [1_000, 10_000, 100_000, 1_000_000] {
        let (text, operations) = text(wanted);
        let limits = Limits::default();
        let mut laps = [0.0; 5];
        let mut clock = Instant::now();
        let mut lap = |part: usize| {
            laps[part] = clock.elapsed().as_nanos() as f64 / 1e3 / operations as f64;
            clock = Instant::now();
        };
        let ((gradient, value), peak) = allocator.peak_of(|| {
            let (ast, _) = syntax::parse(&text, &limits).expect("the text is right");
            lap(0);
            let lowered = lower::lower(&ast, &limits, &lower::Binding::default()).expect("the text is right");
            drop(ast);
            lap(1);
            let derivative = ad::gradient(&lowered.func, &[0, 1], Mode::Auto);
            lap(2);
            let code = opt::release(&derivative);
            drop(derivative);
            lap(3);
            let gradient = Code::new(&code, Parts::whole(&code)).expect("this machine has code");
            lap(4);
            (gradient, lowered.func)
        });
        let value = opt::release(&value);
        let value = Code::new(&value, Parts::whole(&value)).expect("this machine has code");
        let (mut out, mut slopes) = ([0.0], [0.0; 3]);
        let calls = 1 + 2_000_000 / operations;
        let rows = paired(
            calls,
            11,
            &mut [
                ("value", &mut || {
                    black_box(value.call([black_box(&[1.1, 0.9]), &[]], [&mut out, &mut [], &mut []]).ok());
                }),
                ("gradient", &mut || {
                    black_box(gradient.call([black_box(&[1.1, 0.9]), &[]], [&mut slopes, &mut [], &mut []]).ok());
                }),
            ],
        );
        println!(
            "  {operations:>9} {:>7.2} {:>7.2} {:>7.2} {:>7.2} {:>7.2} {:>7.2} {:>8.0} {:>8.2} {:>8.2} {:>6.2}",
            laps[0],
            laps[1],
            laps[2],
            laps[3],
            laps[4],
            laps.iter().sum::<f64>(),
            peak as f64 / operations as f64,
            rows[0].1 / operations as f64,
            rows[1].1 / operations as f64,
            rows[1].2
        );
    }
}
