//! `chainrule bench`: from text to a callable gradient, and what calls cost.

mod arrays;

use std::hint::black_box;
use std::time::{Duration, Instant};

use chainrule::ast::Role;
use chainrule::code::{Code, Parts};
use chainrule::ir::Func;
use chainrule::{Argument, Limits, Output as Place, Points, Program, ad, lower, opt, syntax};
use clap::Args;
use serde_json::json;

use super::answer::Answer;
use super::fault::Fault;
use super::inputs::Inputs;
use super::options::{ModeOption, Output, Run, Text, Wrt};
use super::{examples, json};

/// How long it takes from the text to a callable gradient, and how long calls take
///
/// Medians of warm repetitions on this machine, about a second in all. In JSON, `compile_us` is the whole way from the text
/// to code that can be called, and `call_ns` a call for value and gradient. `batch_ns_per_point` is the same for many points
/// at once, spread around the given one, in memory. A formula with arrays or with several results has no batch, and of several
/// numbers it is the Jacobian that is computed; sizes are enough, and what isn't given is made up.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Bench {
    #[command(flatten)]
    text: Text,
    #[command(flatten)]
    inputs: Inputs,
    #[command(flatten)]
    wrt: Wrt,
    #[command(flatten)]
    mode: ModeOption,
    #[command(flatten)]
    run: Run,
    /// How many points a batch has
    #[arg(long, default_value_t = 4096, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1 << 27))]
    points: u32,
    /// How many threads work on a batch; 0 is one for each processor
    #[arg(long, default_value_t = 1, value_name = "N")]
    threads: usize,
    #[command(flatten)]
    output: Output,
}

const EXAMPLES: &str = examples!(
    "bench 'exp(x*z) + x*z/ln(x)'",
    "bench 'exp(x*z) + x*z/ln(x)' --at x=2,z=3 --format json",
    "bench 'param x[N]; sum[i](sin(x[i])*x[N-1-i])' --size N=1000",
    "bench 'param W[H, D], x[D]; [sum[d](W[h,d]*x[d]) for h]' --size H=8,D=8",
);

/// What every measurement may take.
const BUDGET: Duration = Duration::from_millis(120);

/// Medians, in nanoseconds.
struct Times {
    parse: f64,
    lower: f64,
    differentiate: f64,
    optimise: f64,
    compile: f64,
    value: f64,
    call: f64,
    interpreter: f64,
    /// For a point of a batch.
    batch: f64,
    batch_value: f64,
    batch_backend: &'static str,
    backend: &'static str,
    operations: usize,
}

impl Bench {
    pub fn run(&self) -> Result<Answer, Fault> {
        let program = self.text.parse()?;
        if program.has_arrays() || !arrays::is_number(&program) {
            let (program, mut given) = self.inputs.bind(&program)?;
            arrays::complete(&program, &mut given);
            program.binding(given.views())?;
            let times = arrays::measure(self, &program, &given)?;
            let text = || times.text() + &self.run.relax.note();
            return Ok(Answer::about(&program, self.output.format, text, || self.run.relax.mark(times.json())));
        }
        let point = match self.inputs.is_given() {
            true => program.point(self.inputs.of(&program)?.1.numbers())?,
            false => somewhere(&program),
        };
        let times = self.measure(&program, &point)?;
        let text = || times.text() + &self.run.relax.note();
        let json = || {
            self.run.relax.mark(json::object([
                ("compile_us", json!(micro(times.total()))),
                ("value_ns", json!(round(times.value))),
                ("call_ns", json!(round(times.call))),
                ("interpreter_ns", json!(round(times.interpreter))),
                ("batch_ns_per_point", json!(round(times.batch))),
                ("batch_value_ns_per_point", json!(round(times.batch_value))),
                ("batch_backend", times.batch_backend.into()),
                ("points", self.points.into()),
                ("threads", self.threads.into()),
                ("backend", times.backend.into()),
                ("operations", times.operations.into()),
                (
                    "parts_us",
                    json!({
                        "parse": micro(times.parse),
                        "lower": micro(times.lower),
                        "differentiate": micro(times.differentiate),
                        "optimise": micro(times.optimise),
                        "compile": micro(times.compile),
                    }),
                ),
            ]))
        };
        Ok(Answer::about(&program, self.output.format, text, json))
    }

    /// The passes between derivative and code, as asked for.
    fn optimised(&self, graph: &Func) -> Func {
        opt::relax(&opt::release(graph), &self.run.relax.names)
    }

    fn measure(&self, program: &Program, point: &[f64]) -> Result<Times, Fault> {
        let request = self.run.apply(self.wrt.apply(program.gradient()).mode(self.mode.mode));
        let names = request.names()?;
        let place = |name: &&str| program.arguments().iter().position(|argument| argument.name == *name);
        let wrt: Vec<usize> = names.iter().filter_map(place).collect();
        let (source, limits, primal) = (program.source(), Limits::default(), program.graph());

        let gradient = request.compile()?;
        let interpreted = request.clone().backend(chainrule::Backend::Interpreter).compile()?;
        let value = self.run.apply(program.value()).compile()?;
        let mut slopes = vec![0.0; names.len()];
        gradient.call(point, &mut slopes)?;
        value.call(point)?;

        let parse = median(|| syntax::parse(black_box(source), &limits).is_ok());
        let tree = syntax::parse(source, &limits).ok();
        let lower = median(|| {
            tree.as_ref()
                .is_some_and(|(tree, _)| lower::lower(black_box(tree), &limits, &lower::Binding::default()).is_ok())
        });
        let differentiate = median(|| ad::gradient(black_box(primal), &wrt, self.mode.mode));
        let graph = request.graph()?;
        let optimise = median(|| self.optimised(black_box(&graph)));
        let code = self.optimised(&graph);
        let cloud = spread(program, point, self.points as usize);
        let points = Points::columns(&cloud);
        let mut values = vec![0.0; self.points as usize];
        let mut columns = vec![values.clone(); names.len()];
        let mut batch = || {
            let slopes = Place::columns(columns.iter_mut().map(Vec::as_mut_slice));
            gradient.batch(&points).value(&mut values).gradient(slopes).threads(self.threads).run()
        };
        batch()?;
        let batch = median(batch) / f64::from(self.points);
        let batch_value = median(|| value.batch(&points).values(&mut values).threads(self.threads).run());
        Ok(Times {
            batch,
            batch_value: batch_value / f64::from(self.points),
            batch_backend: gradient.batch_backend(),
            parse,
            lower,
            differentiate,
            optimise,
            compile: if gradient.backend() == "interpreter" { 0.0 } else { compile_time(&code) },
            value: median(|| value.call(black_box(point))),
            call: median(|| gradient.call(black_box(point), black_box(&mut slopes))),
            interpreter: median(|| interpreted.call(black_box(point), black_box(&mut vec![0.0; wrt.len()]))),
            backend: gradient.backend(),
            operations: code.operations(),
        })
    }
}

impl Times {
    fn total(&self) -> f64 {
        self.parse + self.lower + self.differentiate + self.optimise + self.compile
    }

    fn text(&self) -> String {
        let parts = [
            ("text to callable gradient", self.total()),
            ("  parse", self.parse),
            ("  lower", self.lower),
            ("  differentiate", self.differentiate),
            ("  optimise", self.optimise),
            ("  compile", self.compile),
            ("call for the value", self.value),
            ("call for value and gradient", self.call),
            ("the same by the interpreter", self.interpreter),
            ("a point of a batch, value", self.batch_value),
            ("a point of a batch, value and gradient", self.batch),
        ];
        let rows: Vec<Vec<String>> = parts.iter().map(|(name, time)| vec![(*name).to_owned(), shown(*time)]).collect();
        let Times { operations, backend, batch_backend, .. } = self;
        let rows = super::table::columns(&rows);
        format!("{rows}\n{operations} operations, run by {backend}, batches by {batch_backend}\n")
    }
}

fn compile_time(func: &Func) -> f64 {
    median(|| Code::new(black_box(func), Parts::whole(func)).is_some())
}

/// A point where most functions are smooth.
fn somewhere(program: &Program) -> Vec<f64> {
    let value = |(index, role): (usize, Role)| match role {
        Role::Index => 2.0,
        Role::Param | Role::Data => 0.6 + 0.1 * (index % 4) as f64,
    };
    program.arguments().iter().map(|argument| argument.role).enumerate().map(value).collect()
}

/// Columns of points around one: within a tenth of each value, in an order that jumps about; integers stay as they are.
fn spread(program: &Program, point: &[f64], points: usize) -> Vec<Vec<f64>> {
    let column = |(index, argument): (usize, &Argument)| {
        let (centre, width) = match argument.role {
            Role::Index => (point[index], 0.0),
            Role::Param | Role::Data => (point[index], 0.2 * point[index].abs().max(0.01)),
        };
        // Multiples of an irrational number, modulo 1, are spread evenly.
        let step = (index as f64 + 2.0).sqrt().fract() + 0.618_033_988_749_895;
        (0..points).map(|i| centre + width * ((i as f64 * step).fract() - 0.5)).collect()
    };
    program.arguments().iter().enumerate().map(column).collect()
}

/// The median time of a call, in nanoseconds: of batches long enough for the clock, after a warm-up.
fn median<T>(mut work: impl FnMut() -> T) -> f64 {
    let start = Instant::now();
    let mut batch = 1u32;
    loop {
        let lap = Instant::now();
        (0..batch).for_each(|_| drop(black_box(work())));
        if lap.elapsed() > Duration::from_micros(50) || start.elapsed() > BUDGET {
            break;
        }
        batch *= 2;
    }
    let mut times = Vec::new();
    while times.is_empty() || (start.elapsed() < BUDGET && times.len() < 1_000) {
        let lap = Instant::now();
        (0..batch).for_each(|_| drop(black_box(work())));
        times.push(lap.elapsed().as_nanos() as f64 / f64::from(batch));
    }
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn shown(nanoseconds: f64) -> String {
    match nanoseconds {
        ns if ns < 1e3 => format!("{ns:.1} ns"),
        ns if ns < 1e6 => format!("{:.1} µs", ns / 1e3),
        ns if ns < 1e9 => format!("{:.1} ms", ns / 1e6),
        ns => format!("{:.2} s", ns / 1e9),
    }
}

fn micro(nanoseconds: f64) -> f64 {
    round(nanoseconds / 1e3)
}

/// To a tenth of a percent or better; no clock is as good.
fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}
