//! The benchmark of formulas with arrays: one set of sizes, one call at a time.

use std::hint::black_box;

use chainrule::ir::Func;
use chainrule::{Array, Backend, Compiled, Error, Kind, Limits, Memory, Program, Purpose, Role, ad, lower, syntax};
use serde_json::{Map, Value, json};

use super::{Bench, median, micro, round, shown};
use crate::cli::fault::Fault;
use crate::cli::inputs::Given;
use crate::cli::{json, memory, table};

/// Medians, in nanoseconds.
pub struct Times {
    /// From the text to a callable gradient, part by part.
    parts: [(&'static str, f64); 5],
    value: f64,
    call: f64,
    interpreter: f64,
    backend: &'static str,
    operations: usize,
    workspace_bytes: usize,
    /// What leaves a trajectory, and all that memory is for, in JSON.
    trajectories: String,
    memory: Value,
    sizes: Vec<(String, i64)>,
}

pub fn measure(bench: &Bench, program: &Program, given: &Given) -> Result<Times, Fault> {
    let request = bench.run.apply(bench.wrt.apply(program.gradient()).mode(bench.mode.mode));
    let names = request.names()?;
    let place = |name: &&str| program.arguments().iter().position(|argument| argument.name == *name);
    let wrt: Vec<usize> = names.iter().filter_map(place).collect();
    let gradient = request.compile()?;
    let interpreted = request.clone().backend(Backend::Interpreter).compile()?;
    let value = bench.run.apply(program.value()).compile()?;
    given.call(&gradient)?;

    let (source, limits, primal) = (program.source(), Limits::default(), program.graph());
    let parse = median(|| syntax::parse(black_box(source), &limits).is_ok());
    let tree = syntax::parse(source, &limits).ok();
    let lower = |tree| lower::lower(black_box(tree), &limits, &given.binding).is_ok();
    let lower = median(|| tree.as_ref().is_some_and(|(tree, _)| lower(tree)));
    let differentiate = median(|| ad::gradient(black_box(primal), &wrt, bench.mode.mode));
    let graph = request.graph()?;
    let optimise = median(|| bench.optimised(black_box(&graph)));
    let code = bench.optimised(&graph);
    let compile = if gradient.backend() == "interpreter" { 0.0 } else { median(|| compile(black_box(&code))) };
    let arrays = given.in_order(program);
    let (memory, trajectory) =
        (gradient.memory(), |memory: &Memory| matches!(memory.purpose, Purpose::Trajectory { .. }));
    let trajectories: Vec<Memory> = memory.iter().copied().filter(trajectory).collect();
    let sizes = program.sizes().iter().filter_map(|(name, size)| Some((name.clone(), (*size)?)));
    Ok(Times {
        parts: [
            ("parse", parse),
            ("lower", lower),
            ("differentiate", differentiate),
            ("optimise", optimise),
            ("compile", compile),
        ],
        value: call_time(&value, &arrays)?,
        call: call_time(&gradient, &arrays)?,
        interpreter: call_time(&interpreted, &arrays)?,
        backend: gradient.backend(),
        operations: code.operations(),
        workspace_bytes: gradient.workspace_bytes(),
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
        false => chainrule::jit::compile(code, &chainrule::jit::Options::default()).is_ok(),
    }
}

#[cfg(not(feature = "jit"))]
fn compile(_: &Func) -> bool {
    false
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
        let mut rows = vec![("text to callable gradient".to_owned(), self.total())];
        rows.extend(self.parts.map(|(part, time)| (format!("  {part}"), time)));
        rows.push(("call for the value".to_owned(), self.value));
        rows.push(("call for value and gradient".to_owned(), self.call));
        rows.push(("the same by the interpreter".to_owned(), self.interpreter));
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
            ("compile_us", json!(micro(self.total()))),
            ("value_ns", json!(round(self.value))),
            ("call_ns", json!(round(self.call))),
            ("interpreter_ns", json!(round(self.interpreter))),
            ("workspace_bytes", json!(self.workspace_bytes)),
            ("memory", self.memory.clone()),
            ("sizes", Value::Object(sizes)),
            ("backend", self.backend.into()),
            ("operations", self.operations.into()),
            ("parts_us", Value::Object(parts)),
        ])
    }
}
