//! The check of formulas with arrays: entries of the derivatives, a few of each array.
//!
//! An entry is the derivative of one element of a result by one element of an argument. Forward mode gives it by a direction that
//! is 1 at the argument's element, reverse mode by a weight that is 1 at the result's, the difference by moving the element.

use chainrule::difference::{Estimate, of_calls};
use chainrule::interp;
use chainrule::ir::{Builder, Func, Inst, Output};
use chainrule::ops::Op;
use chainrule::{Array, Backend, Compiled, Error, Kind, Program, Request, Value};

use super::{Check, Row, same};
use crate::cli::fault::Fault;
use crate::cli::inputs::{Given, results};
use crate::cli::options::{called, result_names};

/// So many elements of an argument and of a result are looked at.
const BY: usize = 10;
const OF: usize = 4;

/// Rounding errors of a long computation, in units of the last place of its result.
const ULPS: f64 = 64.0;

/// An element of an argument or of a result.
struct Element {
    /// The number of the argument or result.
    array: usize,
    place: usize,
    name: String,
}

pub fn rows(check: &Check, program: &Program, given: &Given) -> Result<Vec<Row>, Fault> {
    let names = check.wrt.apply(program.jacobian()).names()?;
    let value = program.value().compile()?;
    let base = given.call(&value)?;
    let (labels, called) = (result_names(program), called(program));
    let of = elements(labels.iter().map(String::as_str).zip(base.iter().map(|array| array.shape.as_slice())), OF);
    let shapes = names.iter().map(|name| (*name, program.shape_of(name).unwrap_or_default()));
    let by = elements(shapes, BY);

    let forward = Way::new(program.jvp().wrt(names.iter().copied()))?;
    let reverse = Way::new(program.vjp().wrt(names.iter().copied()))?;
    // Row by row the tangents of all results by an element, and the adjoints of all arguments of an element.
    let tangents = by.iter().map(|element| {
        let direction = unit(element, program.shape_of(names[element.array]).unwrap_or_default());
        forward.run(|code| {
            let answer = code.by_name().with_all(given.views()).direction(names[element.array], &direction).run()?;
            Ok(results(answer).split_off(base.len()))
        })
    });
    let tangents: Vec<Sweep> = tangents.collect::<Result<_, Error>>()?;
    let adjoints = of.iter().map(|element| {
        let weight = unit(element, &base[element.array].shape);
        reverse.run(|code| {
            let call = code.by_name().with_all(given.views());
            Ok(results(call.weight(called[element.array].as_str(), &weight).run()?).split_off(base.len()))
        })
    });
    let adjoints: Vec<Sweep> = adjoints.collect::<Result<_, Error>>()?;

    let (is_stopped, turns) = (has_stop(program), turns(program));
    let mut rows = Vec::new();
    for (element, tangent) in by.iter().zip(&tangents) {
        let estimates = match is_stopped {
            true => vec![None; of.len()],
            false => differences((&value, turns.as_ref()), given, names[element.array], element.place, &of, &base),
        };
        for ((result, adjoint), difference) in of.iter().zip(&adjoints).zip(estimates) {
            let forward = tangent.arrays[result.array].data[result.place];
            let reverse = adjoint.arrays[element.array].data[element.place];
            let scale =
                adjoint.arrays[element.array].data.iter().map(|slope| slope.abs()).filter(|slope| slope.is_finite());
            let rounding = ULPS * f64::EPSILON * scale.fold(0.0, f64::max);
            let rounding = [rounding, rounding];
            let same_bits = tangent.same_bits && adjoint.same_bits;
            let (of, by) = (result.name.clone(), element.name.clone());
            rows.push(Row::new([of, by], [forward, reverse], rounding, same_bits, difference, check.tolerance));
        }
    }
    Ok(rows)
}

/// How often the `while`s of a program turn, if it has any: the same program with these numbers for results.
fn turns(program: &Program) -> Option<Func> {
    let graph = program.graph();
    let mut builder = Builder::resume(graph.clone());
    let mut results = Vec::new();
    for val in graph.vals().filter(|&val| graph.free(val).is_empty()) {
        if let Inst::Region(region) = graph.inst(val)
            && graph.region(region).going.is_some()
        {
            let value = builder.result(val, graph.region(region).turns());
            results.push(Output { name: String::new(), value });
        }
    }
    (!results.is_empty()).then(|| builder.finish(results))
}

/// The derivatives of elements of the results by an element of an argument, from calls of the value. Where a `while` turns more or
/// less often than at the point, the function is another one.
fn differences(
    (value, turns): (&Compiled<Value>, Option<&Func>),
    given: &Given,
    argument: &str,
    place: usize,
    of: &[Element],
    base: &[Array],
) -> Vec<Option<Estimate>> {
    let Some((_, array)) = given.values.iter().find(|(name, _)| name == argument) else { return vec![None; of.len()] };
    let pick = |arrays: &[Array]| of.iter().map(|element| arrays[element.array].data[element.place]).collect();
    let numbers: Vec<f64> = pick(base);
    let rounding: Vec<f64> = numbers.iter().map(|number| ULPS * f64::EPSILON * number.abs()).collect();
    let mut moved = array.clone();
    let count = |moved: &Array| {
        let turns = turns?;
        let arg = |name: &str| match name == argument {
            true => Some(moved.data.as_slice()),
            false => given.values.iter().find(|value| value.0 == name).map(|value| value.1.data.as_slice()),
        };
        let args = turns.params.iter().map(|param| arg(&param.name)).collect::<Option<Vec<&[f64]>>>()?;
        interp::call(turns, &args).ok()
    };
    let same_turns = count(array);
    of_calls(array.data[place], &rounding, |x| {
        moved.data[place] = x;
        if count(&moved) != same_turns {
            return None;
        }
        let others = given.views().filter(|(name, _)| *name != argument);
        let answer = value.by_name().with_all(others).with(argument, &moved).run();
        answer.ok().map(|answer| pick(&results(answer)))
    })
}

/// Whether the text holds something constant, which a difference would move.
fn has_stop(program: &Program) -> bool {
    const NAMES: [&str; 3] = ["stop", "detach", "stop_gradient"];
    let graph = program.graph();
    let stops = graph.vals().filter(|&val| matches!(graph.inst(val), Inst::Unary(Op::Stop, _)));
    let texts = stops.map(|val| graph.span(val).text(program.source()));
    texts.into_iter().any(|text| NAMES.iter().any(|name| text.starts_with(name)))
}

/// Elements of each array: all of a short one, otherwise some from the first to the last.
fn elements<'a>(arrays: impl Iterator<Item = (&'a str, &'a [usize])>, most: usize) -> Vec<Element> {
    let mut elements = Vec::new();
    for (array, (name, shape)) in arrays.enumerate() {
        let len: usize = shape.iter().product();
        let count = len.min(most);
        for index in 0..count {
            let place = if len <= most { index } else { index * (len - 1) / (count - 1) };
            elements.push(Element { array, place, name: element_name(name, place, shape) });
        }
    }
    elements
}

/// `W[2, 0]`
fn element_name(name: &str, mut place: usize, shape: &[usize]) -> String {
    let mut subscripts: Vec<String> = Vec::new();
    for &extent in shape.iter().rev() {
        subscripts.insert(0, (place % extent).to_string());
        place /= extent;
    }
    if subscripts.is_empty() { name.to_owned() } else { format!("{name}[{}]", subscripts.join(", ")) }
}

/// 1 at an element, 0 elsewhere.
fn unit(element: &Element, shape: &[usize]) -> Array {
    let mut array = Array::new(shape, vec![0.0; shape.iter().product()]);
    array.data[element.place] = 1.0;
    array
}

/// A mode, by machine code and by the interpreter.
struct Way<K> {
    code: Compiled<K>,
    /// Where there is machine code to compare with it.
    interpreter: Option<Compiled<K>>,
}

/// What a sweep gives, and whether both back ends give the same.
struct Sweep {
    arrays: Vec<Array>,
    same_bits: bool,
}

impl<K: Kind> Way<K> {
    fn new(request: Request<K>) -> Result<Way<K>, Error> {
        let code = request.compile()?;
        let is_machine = code.backend() != "interpreter";
        let interpreter = is_machine.then(|| request.backend(Backend::Interpreter).compile()).transpose()?;
        Ok(Way { code, interpreter })
    }

    fn run(&self, call: impl Fn(&Compiled<K>) -> Result<Vec<Array>, Error>) -> Result<Sweep, Error> {
        let arrays = call(&self.code)?;
        let same_bits = match &self.interpreter {
            Some(interpreter) => {
                let others = call(interpreter)?;
                let numbers =
                    |arrays: &[Array]| arrays.iter().flat_map(|array| array.data.clone()).collect::<Vec<f64>>();
                numbers(&arrays).iter().zip(numbers(&others)).all(|(a, b)| same(*a, b))
            }
            None => true,
        };
        Ok(Sweep { arrays, same_bits })
    }
}
