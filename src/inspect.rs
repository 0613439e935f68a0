//! Looking at a function at a point: which kinks it hits, where a NaN or an infinity is born, what every value on the way is
//! and how much the results depend on it.
//!
//! Only what matters at the point is looked at: the branches that are taken.

use crate::ad::{adjoints, contribution};
use crate::array::Array;
use crate::error::Report;
use crate::interp::{self, Value};
use crate::ir::{Builder, Func, Inst, Val, guard};
use crate::ops::{Op, Type};
use crate::span::Span;

/// An operator that is not differentiable at the point: a kink, a jump, a tie, or a comparison of equals.
#[derive(Clone, PartialEq, Debug)]
pub struct Kink {
    pub op: Op,
    /// The place in the text.
    pub at: Span,
    /// The operands there.
    pub operands: Vec<f64>,
}

/// The operation that made the first NaN or infinity of finite numbers, on the way to a result.
#[derive(Clone, PartialEq, Debug)]
pub struct Birth {
    /// The operator; `None` for an argument or a constant that is not finite itself.
    pub op: Option<Op>,
    pub at: Span,
    pub operands: Vec<f64>,
    pub value: f64,
}

/// The kinks that the results of a function hit at a point, in the order of the graph.
pub fn kinks(func: &Func, args: &[f64]) -> Vec<Kink> {
    let values = interp::values(func, args);
    let relevant = relevant(func, &values, func.results.iter().map(|result| result.value));
    let mut kinks = Vec::new();
    for val in func.vals().filter(|val| relevant[val.index()]) {
        let Some(op) = func.inst(val).op() else { continue };
        let operands = numbers(func, val, &values);
        if op.row().kink.is_some_and(|is_kink| is_kink(&operands)) {
            kinks.push(Kink { op, at: func.span(val), operands });
        }
    }
    kinks
}

/// Where the value of result number `result` turned NaN or infinite; `None` where it is finite.
pub fn birth(func: &Func, args: &[f64], result: usize) -> Option<Birth> {
    let values = interp::values(func, args);
    let root = func.results.get(result)?.value;
    let is_finite = |val: Val| values[val.index()].as_f64().is_finite();
    if is_finite(root) {
        return None;
    }
    // The first in the order of the graph of those that reach the result through numbers that aren't finite.
    let wants_nan = values[root.index()].as_f64().is_nan();
    let mut tainted = vec![false; func.len()];
    tainted[root.index()] = true;
    let mut origin = root;
    for val in func.vals().rev().filter(|val| val.index() <= root.index()) {
        if !tainted[val.index()] {
            continue;
        }
        let sources: Vec<Val> = taken(func, val, &values).into_iter().filter(|&operand| !is_finite(operand)).collect();
        let nan: Vec<Val> = sources.iter().copied().filter(|source| values[source.index()].as_f64().is_nan()).collect();
        // A NaN comes from a NaN if there is one; else it was made here, of infinities perhaps.
        let follow = if values[val.index()].as_f64().is_nan() && wants_nan { nan } else { sources };
        if follow.is_empty() {
            origin = val;
        }
        for source in follow {
            tainted[source.index()] = true;
        }
    }
    let operands = numbers(func, origin, &values);
    let (op, value) = (func.inst(origin).op(), values[origin.index()].as_f64());
    Some(Birth { op, at: func.span(origin), operands, value })
}

/// The kinks that the results of a function with arrays and loops hit, each place of the text once.
pub fn kinks_in_loops(func: &Func, args: &[&[f64]]) -> Vec<Kink> {
    let has_kink = |func: &Func, val: Val| func.inst(val).op().is_some_and(|op| op.row().kink.is_some());
    let roots: Vec<Val> = func.results.iter().map(|result| result.value).collect();
    let mut kinks: Vec<(Val, Kink)> = Vec::new();
    watched(func, &roots, args, has_kink, |op, val, operands, _| {
        let is_new = !kinks.iter().any(|(known, _)| *known == val);
        if is_new && op.row().kink.is_some_and(|is_kink| is_kink(operands)) {
            kinks.push((val, Kink { op, at: func.span(val), operands: operands.to_vec() }));
        }
    });
    kinks.sort_by_key(|&(val, _)| val);
    kinks.into_iter().map(|(_, kink)| kink).collect()
}

/// Where an element of result number `result` turned NaN or infinite, in a function with arrays and loops: the first operator of the
/// graph that the result needs and that makes one of what is none. `None` where all elements are finite, and where a sum of finite
/// numbers is too great.
pub fn birth_in_loops(func: &Func, args: &[&[f64]], result: usize) -> Option<Birth> {
    let root = func.results.get(result)?.value;
    let elements = interp::run(func, args).0[root.index()].numbers();
    let wants_nan = elements.iter().any(|element| element.is_nan());
    if elements.iter().all(|element| element.is_finite()) {
        return None;
    }
    let given = func.params.iter().zip(args).position(|(_, arg)| arg.iter().any(|number| !number.is_finite()));
    if let Some(param) = given {
        let is_param = |val: &Val| func.inst(*val) == Inst::Param(param as u32);
        let at = func.vals().find(is_param).map_or(Span::default(), |val| func.span(val));
        let value = args[param].iter().copied().find(|number| !number.is_finite()).unwrap_or(f64::NAN);
        return Some(Birth { op: None, at, operands: Vec::new(), value });
    }
    let is_number = |func: &Func, val: Val| func.ty(val) == Type::F64 && func.inst(val).op().is_some();
    let mut births: Vec<(bool, Val, Birth)> = Vec::new();
    watched(func, &[root], args, is_number, |op, val, operands, value| {
        let made_nan = value.is_nan() && !operands.iter().any(|operand| operand.is_nan());
        let made_infinity = value.is_infinite() && operands.iter().all(|operand| operand.is_finite());
        if (made_nan || made_infinity) && !births.iter().any(|(_, known, _)| *known == val) {
            let birth = Birth { op: Some(op), at: func.span(val), operands: operands.to_vec(), value };
            births.push((made_nan != wants_nan, val, birth));
        }
    });
    births.into_iter().min_by_key(|&(other, val, _)| (other, val)).map(|(.., birth)| birth)
}

/// Shows the operators of a kind wherever they matter to the roots, with their operands and values.
fn watched(
    func: &Func,
    roots: &[Val],
    args: &[&[f64]],
    is_of_kind: impl Fn(&Func, Val) -> bool,
    mut sees: impl FnMut(Op, Val, &[f64], f64),
) {
    let mut builder = Builder::resume(func.clone());
    builder.take_checks();
    guard::add_checks(&mut builder, roots, |func, val| !func.is_array(val) && is_of_kind(func, val));
    let watched = builder.func();
    interp::watch(watched, args, |val, operands, value| {
        let operands: Vec<f64> = operands.iter().map(Value::as_f64).collect();
        if let Some(op) = watched.inst(val).op() {
            sees(op, val, &operands, value.as_f64());
        }
    });
}

fn numbers(func: &Func, val: Val, values: &[Value]) -> Vec<f64> {
    func.operands(val).iter().map(|operand| values[operand.index()].as_f64()).collect()
}

/// The operands that matter at a point: of a `select`, the condition and the arm taken.
fn taken(func: &Func, val: Val, values: &[Value]) -> Vec<Val> {
    match func.inst(val) {
        Inst::Ternary(Op::Select, condition, a, b) => {
            let arm = if values[condition.index()] == Value::Bool(true) { a } else { b };
            vec![condition, arm]
        }
        _ => func.operands(val).as_slice().to_vec(),
    }
}

fn relevant(func: &Func, values: &[Value], roots: impl Iterator<Item = Val>) -> Vec<bool> {
    let mut relevant = vec![false; func.len()];
    for root in roots {
        relevant[root.index()] = true;
    }
    for val in func.vals().rev() {
        if relevant[val.index()] {
            for operand in taken(func, val, values) {
                relevant[operand.index()] = true;
            }
        }
    }
    relevant
}

/// A value on the way from the arguments to the results.
#[derive(Clone, PartialEq, Debug)]
pub struct Step {
    pub val: Val,
    /// The operator; `None` for an argument.
    pub op: Option<Op>,
    /// The place in the text.
    pub at: Span,
    pub value: f64,
    /// How much each result grows with this value: its adjoints. A condition or an integer has 0.
    pub adjoints: Vec<f64>,
}

/// Every value that matters at a point, in the order in which they are computed, with its adjoints: the trace of a
/// forward and a reverse sweep. All arguments are there, constants are not.
pub fn trace(func: &Func, args: &[f64]) -> Vec<Step> {
    let sweeps = Sweeps::of(func);
    // What the sweeps added stands behind the function's own values.
    let values = interp::values(sweeps.builder.func(), args);
    let relevant = relevant(func, &values, func.results.iter().map(|result| result.value));
    let unsigned = unsigned(func);
    let is_shown = |val: &Val| {
        let is_step = relevant[val.index()] && func.inst(*val).op().is_some() && !unsigned[val.index()];
        matches!(func.inst(*val), Inst::Param(_)) || is_step
    };
    let step = |val: Val| Step {
        val,
        op: func.inst(val).op(),
        at: func.span(val),
        value: values[val.index()].as_f64(),
        adjoints: sweeps.bars(val).map(|bar| bar.map_or(0.0, |bar| values[bar.index()].as_f64())).collect(),
    };
    func.vals().filter(is_shown).map(step).collect()
}

/// What is negated at its own place of the text: `w*u` in `-w*u`, whose sign the graph has moved outward. It would be a second row with that text.
fn unsigned(func: &Func) -> Vec<bool> {
    let mut unsigned = vec![false; func.len()];
    for val in func.vals() {
        if let Inst::Unary(Op::Neg, operand) = func.inst(val) {
            unsigned[operand.index()] = func.inst(operand).op().is_some() && func.span(operand) == func.span(val);
        }
    }
    unsigned
}

/// A value of a function with arrays: a number or an array, and its adjoints.
#[derive(Clone, PartialEq, Debug)]
pub struct Sight {
    pub value: Array,
    /// How much each result that is a number grows with each element; `None` of what isn't continuous.
    pub adjoints: Vec<Option<Array>>,
}

/// What some values at the top of a function are: a forward and a reverse sweep. An argument is its elements, row by row. The adjoints are
/// those by the results that are numbers.
pub fn survey(func: &Func, args: &[&[f64]], vals: &[Val]) -> Vec<Sight> {
    let mut builder = Builder::resume(func.clone());
    let one = builder.f64(1.0);
    let results = func.results.iter().map(|result| result.value);
    let numbers = results.filter(|&result| func.ty(result) == Type::F64 && !func.is_array(result));
    let (inputs, places): (Vec<Val>, Vec<usize>) =
        vals.iter().copied().zip(0..).filter(|&(val, _)| func.ty(val) == Type::F64).unzip();
    let sweeps: Vec<Vec<Option<Val>>> =
        numbers.map(|result| adjoints(&mut builder, &[(result, one)], &inputs)).collect();
    let (values, _) = interp::run(builder.func(), args);
    let array = |val: Val| Array::new(builder.func().shape(val), values[val.index()].numbers());
    let adjoint = |place: usize, sweep: &[Option<Val>]| {
        let input = places.iter().position(|&input| input == place)?;
        let zero = || Array::new(func.shape(vals[place]), vec![0.0; func.shape(vals[place]).iter().product()]);
        Some(sweep[input].map_or_else(zero, array))
    };
    let sight = |(place, &val): (usize, &Val)| Sight {
        value: array(val),
        adjoints: sweeps.iter().map(|sweep| adjoint(place, sweep)).collect(),
    };
    vals.iter().enumerate().map(sight).collect()
}

/// A value as operand number `slot` of an operation.
#[derive(Clone, PartialEq, Debug)]
pub struct Use {
    pub of: Val,
    pub by: Val,
    pub slot: usize,
    /// What comes back along this use, for each result.
    pub adjoints: Vec<f64>,
}

/// The uses of values by the operations that matter at a point, user by user. The adjoints of all uses of a value, and 1 for
/// each result that it is, add up to the adjoints of the value.
pub fn uses(func: &Func, args: &[f64]) -> Vec<Use> {
    let mut sweeps = Sweeps::of(func);
    let mut uses: Vec<(Val, Val, usize, Vec<Option<Val>>)> = Vec::new();
    for by in func.vals() {
        for (slot, &of) in func.operands(by).iter().enumerate() {
            let bars: Vec<Option<Val>> = sweeps.bars(by).collect();
            let sends = func.ty(of) == Type::F64 && is_variable(func, of);
            let mut sent = |bar: Option<Val>| {
                let bar = bar.filter(|_| sends)?;
                contribution(&mut sweeps.builder, by, slot, bar)
            };
            uses.push((of, by, slot, bars.into_iter().map(&mut sent).collect()));
        }
    }
    let values = interp::values(sweeps.builder.func(), args);
    let relevant = relevant(func, &values, func.results.iter().map(|result| result.value));
    let matters = |of: &Val, by: &Val| relevant[by.index()] && taken(func, *by, &values).contains(of);
    let number = |bar: Option<Val>| bar.map_or(0.0, |bar| values[bar.index()].as_f64());
    uses.into_iter()
        .filter(|(of, by, ..)| matters(of, by))
        .map(|(of, by, slot, bars)| Use { of, by, slot, adjoints: bars.into_iter().map(number).collect() })
        .collect()
}

/// A function with a reverse sweep for each result behind it.
struct Sweeps {
    builder: Builder,
    /// Where a value is among those that have adjoints.
    places: Vec<usize>,
    sweeps: Vec<Vec<Option<Val>>>,
}

impl Sweeps {
    fn of(func: &Func) -> Sweeps {
        let mut builder = Builder::resume(func.clone());
        let wants_adjoint = |&val: &Val| func.ty(val) == Type::F64 && is_variable(func, val);
        let inputs: Vec<Val> = func.vals().filter(wants_adjoint).collect();
        let one = builder.f64(1.0);
        let sweeps =
            func.results.iter().map(|result| adjoints(&mut builder, &[(result.value, one)], &inputs)).collect();
        let mut places = vec![usize::MAX; func.len()];
        for (place, input) in inputs.iter().enumerate() {
            places[input.index()] = place;
        }
        Sweeps { builder, places, sweeps }
    }

    /// The adjoint of a value for each result.
    fn bars(&self, val: Val) -> impl Iterator<Item = Option<Val>> {
        self.sweeps.iter().map(move |sweep| sweep.get(self.places[val.index()]).copied().flatten())
    }
}

/// The distance of subnormal numbers.
const SMALLEST: f64 = 5e-324;

/// How far rounding may have moved each result, to first order: the sum over all operations of the rounding of one, times
/// its adjoint.
pub fn rounding(func: &Func, args: &[f64]) -> Vec<f64> {
    let mut bounds = vec![0.0; func.results.len()];
    for step in trace(func, args) {
        let Some(op) = step.op else { continue };
        // Arithmetic is rounded once; the functions are a few units in the last place off.
        let ulps = if op.row().cost < 10 { 0.5 } else { 4.0 };
        for (bound, adjoint) in bounds.iter_mut().zip(&step.adjoints) {
            let moved = (step.value.abs() * f64::EPSILON * ulps).max(SMALLEST);
            *bound += if *adjoint == 0.0 { 0.0 } else { (adjoint.abs() * moved).max(SMALLEST) };
        }
    }
    bounds
}

fn is_variable(func: &Func, val: Val) -> bool {
    matches!(func.inst(val), Inst::Param(_)) || func.inst(val).op().is_some()
}

impl Kink {
    /// The kink in words, for [`render`](crate::error::render) with the text.
    pub fn report(&self) -> Report {
        let operands = shown(&self.operands);
        let (message, label) = match self.op {
            Op::Lt | Op::Le | Op::ILt | Op::ILe => (
                "the point is where a comparison changes".to_owned(),
                format!("compares {} with itself", operands.first().map_or("", String::as_str)),
            ),
            Op::Min | Op::Max => {
                (format!("the point is a tie of `{}`", self.op.name()), format!("of {}", operands.join(", ")))
            }
            op => (format!("the point is at a kink of `{}`", op.name()), format!("at {}", operands.join(", "))),
        };
        let help = "the derivative here is the language's convention, not a limit".to_owned();
        Report { message, at: self.at, label, other: None, help: vec![help] }
    }
}

impl Birth {
    /// The birth in words, for [`render`](crate::error::render) with the text. `result` is what turned out not finite,
    /// `primal` the function that the text says: what isn't in it was born in a derivative.
    pub fn report(&self, result: &str, primal: &Func) -> Report {
        let value = format!("{:?}", self.value);
        let Some(op) = self.op else {
            let label = format!("{value} comes in here");
            return Report { message: self.message(result), at: self.at, label, other: None, help: Vec::new() };
        };
        let in_text = primal.vals().any(|val| primal.span(val) == self.at && primal.inst(val).op() == Some(op));
        let of = if in_text { "here" } else { "in the derivative of this" };
        let label = format!("{of}: {}({}) is {value}", op.name(), shown(&self.operands).join(", "));
        Report { message: self.message(result), at: self.at, label, other: None, help: Vec::new() }
    }

    fn message(&self, result: &str) -> String {
        let born = if self.value.is_nan() { "NaN" } else { "infinity" };
        format!("`{result}` is not finite: its {born} is born here")
    }
}

fn shown(operands: &[f64]) -> Vec<String> {
    operands.iter().map(|operand| format!("{operand:?}")).collect()
}
