//! The benchmark of formulas with arrays or several results: one set of sizes, one call at a time.

use std::hint::black_box;

use chainrule::code::{Code, Parts};
use chainrule::ir::Func;
use chainrule::{
    Array, Backend, Compiled, Error, Kind, Limits, Memory, Program, Purpose, Request, Role, ad, lower, syntax,
};
use serde_json::{Map, Value, json};

use super::{Bench, median, micro, round, shown};
use crate::cli::fault::Fault;
use crate::cli::inputs::Given;
use crate::cli::{json, memory, table};

/// What takes longer, in nanoseconds, isn't done again by the interpreter, which takes some thousand times as long.
const LONG: f64 = 1e6;

/// Medians, in nanoseconds.
pub struct Times {
    /// What the derivatives form: `gradient` or `jacobian`.
    derivatives: &'static str,
    /// From the text to callable derivatives, part by part.
    parts: [(&'static str, f64); 5],
    value: f64,
    call: f64,
    /// Where it doesn't take seconds.
    interpreter: Option<f64>,
    backend: &'static str,
    operations: usize,
    workspace_bytes: usize,
    /// What leaves a trajectory, and all that memory is for, in JSON.
    trajectories: String,
    memory: Value,
    sizes: Vec<(String, i64)>,
}

pub fn measure(bench: &Bench, program: &Program, given: &Given) -> Result<Times, Fault> {
    match is_number(program) {
        true => measure_as(bench, program, given, "gradient", program.gradient()),
        false => measure_as(bench, program, given, "jacobian", program.jacobian()),
    }
}

/// Whether the program has one result, and that is a number.
pub fn is_number(program: &Program) -> bool {
    let func = program.graph();
    matches!(&func.results[..], [only] if func.shape(only.value).is_empty())
}

fn measure_as<K: Kind + Clone>(
    bench: &Bench,
    program: &Program,
    given: &Given,
    derivatives: &'static str,
    request: Request<'_, K>,
) -> Result<Times, Fault> {
    let request = bench.run.apply(bench.wrt.apply(request).mode(bench.mode.mode));
    let names = request.names()?;
    let place = |name: &&str| program.arguments().iter().position(|argument| argument.name == *name);
    let wrt: Vec<usize> = names.iter().filter_map(place).collect();
    let code = request.compile()?;
    let interpreted = request.clone().backend(Backend::Interpreter).compile()?;
    let value = bench.run.apply(program.value()).compile()?;
    given.call(&code)?;

    let (source, limits, primal) = (program.source(), Limits::default(), program.graph());
    let parse = median(|| syntax::parse(black_box(source), &limits).is_ok());
    let tree = syntax::parse(source, &limits).ok();
    let lower = |tree| lower::lower(black_box(tree), &limits, &given.binding).is_ok();
    let lower = median(|| tree.as_ref().is_some_and(|(tree, _)| lower(tree)));
    let differentiate = median(|| ad::jacobian(black_box(primal), &wrt, bench.mode.mode));
    let graph = request.graph()?;
    let optimise = median(|| bench.optimised(black_box(&graph)));
    let optimised = bench.optimised(&graph);
    let compile = if code.backend() == "interpreter" { 0.0 } else { median(|| compile(black_box(&optimised))) };
    let arrays = given.in_order(program);
    let (memory, trajectory) = (code.memory(), |memory: &Memory| matches!(memory.purpose, Purpose::Trajectory { .. }));
    let trajectories: Vec<Memory> = memory.iter().copied().filter(trajectory).collect();
    let sizes = program.sizes().iter().filter_map(|(name, size)| Some((name.clone(), (*size)?)));
    let call = call_time(&code, &arrays)?;
    let interpreter = (call < LONG).then(|| call_time(&interpreted, &arrays)).transpose()?;
    Ok(Times {
        derivatives,
        parts: [
            ("parse", parse),
            ("lower", lower),
            ("differentiate", differentiate),
            ("optimise", optimise),
            ("compile", compile),
        ],
        value: call_time(&value, &arrays)?,
        call,
        interpreter,
        backend: code.backend(),
        operations: optimised.operations(),
        workspace_bytes: code.workspace_bytes(),
        trajectories: memory::lines(program, &trajectories),
        memory: memory::json(program, &memory),
        sizes: sizes.collect(),
    })
}

/// Calls into memory that is there.
fn call_time<K: Kind>(code: &Compiled<K>, arrays: &[&Array]) -> Result<f64, Error> {
    let func = code.graph();
    let args: Vec<&[f64]> = arrays.iter().map(|array| array.data.as_slice()).collect();
    let len = |shape: &[usize]| shape.iter().product::<usize>();
    let mut memory: Vec<Vec<f64>> =
        func.results.iter().map(|result| vec![0.0; len(func.shape(result.value))]).collect();
    let mut outs: Vec<&mut [f64]> = memory.iter_mut().map(Vec::as_mut_slice).collect();
    code.call_arrays(&args, &mut outs)?;
    Ok(median(|| code.call_arrays(black_box(&args), black_box(&mut outs)).is_ok()))
}

#[cfg(feature = "jit")]
fn compile(code: &Func) -> bool {
    match code.has_regions() {
        true => chainrule::jit::loops::compile(code).is_ok(),
        false => Code::new(code, Parts::whole(code)).is_some(),
    }
}

#[cfg(not(feature = "jit"))]
fn compile(code: &Func) -> bool {
    Code::new(code, Parts::whole(code)).is_some()
}

/// Makes up what isn't given, where most functions are smooth; indices are 0.
pub fn complete(program: &Program, given: &mut Given) {
    for (index, argument) in program.arguments().iter().enumerate() {
        if given.values.iter().any(|(name, _)| *name == argument.name) {
            continue;
        }
        let shape = program.shape_of(&argument.name).unwrap_or_default();
        let number = |place: usize| match argument.role {
            Role::Index => 0.0,
            // Multiples of an irrational number, modulo 1, are spread evenly.
            Role::Param | Role::Data => 0.1 + 0.8 * ((place + index) as f64 * 0.618_033_988_749_895).fract(),
        };
        let data = (0..shape.iter().product()).map(number).collect();
        given.values.push((argument.name.clone(), Array::new(shape, data)));
    }
}

impl Times {
    fn total(&self) -> f64 {
        self.parts.iter().map(|(_, time)| time).sum()
    }

    pub fn text(&self) -> String {
        let mut rows = vec![(format!("text to callable {}", self.derivatives), self.total())];
        rows.extend(self.parts.map(|(part, time)| (format!("  {part}"), time)));
        rows.push(("call for the value".to_owned(), self.value));
        rows.push((format!("call for value and {}", self.derivatives), self.call));
        rows.extend(self.interpreter.map(|time| ("the same by the interpreter".to_owned(), time)));
        let rows: Vec<Vec<String>> = rows.into_iter().map(|(name, time)| vec![name, shown(time)]).collect();
        let Times { operations, backend, workspace_bytes, trajectories, .. } = self;
        let rows = table::columns(&rows);
        format!(
            "{rows}\n{operations} operations, run by {backend} in {workspace_bytes} bytes of workspace\n{trajectories}"
        )
    }

    pub fn json(&self) -> Map<String, Value> {
        let sizes: Map<String, Value> = self.sizes.iter().map(|(name, size)| (name.clone(), json!(size))).collect();
        let parts: Map<String, Value> =
            self.parts.iter().map(|(part, time)| ((*part).to_owned(), json!(micro(*time)))).collect();
        json::object([
            ("derivatives", self.derivatives.into()),
            ("compile_us", json!(micro(self.total()))),
            ("value_ns", json!(round(self.value))),
            ("call_ns", json!(round(self.call))),
            ("interpreter_ns", json!(self.interpreter.map(round))),
            ("workspace_bytes", json!(self.workspace_bytes)),
            ("memory", self.memory.clone()),
            ("sizes", Value::Object(sizes)),
            ("backend", self.backend.into()),
            ("operations", self.operations.into()),
            ("parts_us", Value::Object(parts)),
        ])
    }
}
