//! The passes: derivatives of a whole function as a function.
//!
//! Every pass keeps the primal's arguments and values and adds to them, so primal and derivative share all they can.
//! Names: results of the primal keep theirs (a single nameless one is called `value`); `d_x` is the derivative by
//! `x`, `d_x_z` the second derivative, and with several results `f_d_x` that of the result `f`.
//!
//! The derivative of an array by an array has the dimensions of the result, then those of the argument. It is made by a loop over the
//! directions of one of the two, whose body is a sweep with one unit direction.

use std::borrow::Cow;

use super::directions::{from_all_directions, in_all_directions, turned};
use super::{adjoints, tangents};
use crate::ir::{Builder, Func, Output, Val};
use crate::ops::{Op, Type};
use crate::opt::loops::{condition, tidy};

/// The arguments to differentiate by, as indices into the parameters; each of type `f64`.
pub type Wrt<'a> = &'a [usize];

/// Which way derivatives flow.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Mode {
    /// One sweep an argument.
    Forward,
    /// One sweep a result.
    Reverse,
    /// Whichever needs fewer sweeps; for small Hessians, whichever gives fewer operations.
    #[default]
    Auto,
}

/// Below this size a Hessian is built both ways and the smaller one taken.
const TRY_BOTH: usize = 2_000;

/// `f(x)` with tangents: arguments `x`, then `x_dot` for each argument in `wrt`; results `f`, then `f_dot`.
pub fn jvp(func: &Func, wrt: Wrt) -> Func {
    let mut pass = Pass::new(func);
    let seeds = pass.tangent_params(wrt);
    let outputs = pass.outputs();
    let dots = tangents(&mut pass.builder, &seeds, &outputs);
    for (index, dot) in dots.into_iter().enumerate() {
        pass.push_derivative(format!("{}_dot", pass.primal_name(index)), dot, &[outputs[index]]);
    }
    pass.finish()
}

/// `f(x)` with adjoints: arguments `x`, then `f_bar` for each result of type `f64`; results `f`, then `x_bar` for each in
/// `wrt`.
pub fn vjp(func: &Func, wrt: Wrt) -> Func {
    let mut pass = Pass::new(func);
    let outputs = pass.outputs();
    let mut seeds = Vec::new();
    for (index, &output) in outputs.iter().enumerate() {
        if pass.builder.func().ty(output) == Type::F64 {
            let name = pass.fresh_name(&format!("{}_bar", pass.primal_name(index)));
            seeds.push((output, pass.param_like(&name, output)));
        }
    }
    let inputs: Vec<Val> = wrt.iter().map(|&index| pass.inputs[index]).collect();
    let bars = adjoints(&mut pass.builder, &seeds, &inputs);
    for (&index, bar) in wrt.iter().zip(bars) {
        pass.push_derivative(format!("{}_bar", func.params[index].name), bar, &[pass.inputs[index]]);
    }
    pass.finish()
}

/// The value and the derivatives of the only result: `value, d_x, d_z, …`.
pub fn gradient(func: &Func, wrt: Wrt, mode: Mode) -> Func {
    jacobian(func, wrt, mode)
}

/// The values of all results, then result by result the derivatives by each argument in `wrt`.
pub fn jacobian(func: &Func, wrt: Wrt, mode: Mode) -> Func {
    let mut pass = Pass::new(func);
    let rows = pass.jacobian(wrt, mode);
    let single = rows.len() == 1;
    for (index, row) in rows.into_iter().enumerate() {
        let owner = if single { String::new() } else { format!("{}_", pass.primal_name(index)) };
        for (&input, derivative) in wrt.iter().zip(row) {
            let shape = [pass.func.results[index].value, pass.inputs[input]];
            pass.push_derivative(format!("{owner}d_{}", func.params[input].name), derivative, &shape);
        }
    }
    pass.finish()
}

/// The value, the gradient and the Hessian of the only result, row by row: `value, d_x, …, d_x_x, d_x_z, …`.
///
/// A column is a tangent of the gradient (forward over reverse) with a unit direction, so a sparse Hessian costs what
/// its structure needs. For one number, or where it gives fewer operations, forward over forward.
pub fn hessian(func: &Func, wrt: Wrt, mode: Mode) -> Func {
    let arrays = wrt.iter().any(|&input| !func.params[input].shape.is_empty());
    match mode {
        Mode::Forward => hessian_over(func, wrt, Mode::Forward),
        Mode::Reverse => hessian_over(func, wrt, Mode::Reverse),
        Mode::Auto if arrays => hessian_over(func, wrt, Mode::Reverse),
        Mode::Auto if wrt.len() <= 1 => hessian_over(func, wrt, Mode::Forward),
        Mode::Auto if func.len() * wrt.len() > TRY_BOTH => hessian_over(func, wrt, Mode::Reverse),
        Mode::Auto => {
            let (forward, reverse) = (hessian_over(func, wrt, Mode::Forward), hessian_over(func, wrt, Mode::Reverse));
            if cost(&forward) < cost(&reverse) { forward } else { reverse }
        }
    }
}

fn hessian_over(func: &Func, wrt: Wrt, inner: Mode) -> Func {
    let gradient = jacobian(func, wrt, inner);
    let mut pass = Pass::new(&gradient);
    let first = pass.gradient_of(func, wrt);
    if first.len() < wrt.len() {
        return pass.finish();
    }
    for (&input, &derivative) in wrt.iter().zip(&first) {
        pass.push_derivative(format!("d_{}", func.params[input].name), derivative, &[pass.inputs[input]]);
    }
    // By symmetry what is left of the diagonal is what is above it, turned over.
    let mut rows = Vec::new();
    for (row, &input) in wrt.iter().enumerate() {
        let targets: Vec<Val> = first[row..].iter().flatten().copied().collect();
        let mut dots = in_all_directions(&mut pass.builder, pass.inputs[input], &targets).into_iter();
        rows.push(first[row..].iter().map(|target| target.and_then(|_| dots.next().flatten())).collect::<Vec<_>>());
    }
    for (row, &by) in wrt.iter().enumerate() {
        for (column, &and_by) in wrt.iter().enumerate() {
            let name = format!("d_{}_{}", func.params[by].name, func.params[and_by].name);
            let block = match row <= column {
                true => rows[row][column - row],
                false => {
                    let rank = func.params[and_by].shape.len();
                    rows[column][row - column].map(|block| turned(&mut pass.builder, block, rank))
                }
            };
            pass.push_derivative(name, block, &[pass.inputs[by], pass.inputs[and_by]]);
        }
    }
    pass.finish()
}

/// The value, the gradient of the only result, and the Hessian times the direction in arguments `x_dot`:
/// `value, d_x, …, hv_x, …`. A tangent of the reverse sweep, so the cost doesn't grow with the number of arguments.
pub fn hessian_vector(func: &Func, wrt: Wrt) -> Func {
    let gradient = jacobian(func, wrt, Mode::Reverse);
    let mut pass = Pass::new(&gradient);
    let seeds: Vec<(Val, Val)> = pass.tangent_params(wrt);
    let first = pass.gradient_of(func, wrt);
    let targets: Vec<Val> = first.iter().flatten().copied().collect();
    let mut dots = tangents(&mut pass.builder, &seeds, &targets).into_iter();
    let second: Vec<Option<Val>> = first.iter().map(|row| row.and_then(|_| dots.next().flatten())).collect();
    for (prefix, row) in [("d", first), ("hv", second)] {
        for (&input, derivative) in wrt.iter().zip(row) {
            pass.push_derivative(format!("{prefix}_{}", func.params[input].name), derivative, &[pass.inputs[input]]);
        }
    }
    pass.finish()
}

/// The value and the derivatives of orders 1 to `order` of the only result by one argument: `value, d1, d2, …`. Without an
/// argument they are 0.
pub fn nth(func: &Func, input: Option<usize>, order: usize) -> Func {
    let mut pass = Pass::new(func);
    let one = pass.builder.f64(1.0);
    let by = input.map(|input| pass.inputs[input]);
    let mut derivative = pass.outputs().first().copied();
    for number in 1..=order {
        derivative = match (derivative, by) {
            (Some(val), Some(by)) => tangents(&mut pass.builder, &[(by, one)], &[val])[0],
            _ => None,
        };
        pass.push_derivative(format!("d{number}"), derivative, &[]);
    }
    pass.finish()
}

/// Rough cost of one evaluation, in multiplications.
pub fn cost(func: &Func) -> u64 {
    func.insts().iter().filter_map(|inst| inst.op()).map(|op: Op| u64::from(op.row().cost)).sum()
}

/// A derivative in the making.
struct Pass<'a> {
    func: Cow<'a, Func>,
    builder: Builder,
    inputs: Vec<Val>,
    results: Vec<Output>,
}

impl<'a> Pass<'a> {
    fn new(func: &'a Func) -> Pass<'a> {
        // An element that a loop stores and another takes in the same turn matters where that one needs it: better known before.
        let func = if func.has_regions() { Cow::Owned(tidy(func)) } else { Cow::Borrowed(func) };
        let mut builder = Builder::resume(Func::clone(&func));
        let inputs = builder.params();
        let mut pass = Pass { func, builder, inputs, results: Vec::new() };
        for index in 0..pass.func.results.len() {
            let output = Output { name: pass.primal_name(index), value: pass.func.results[index].value };
            pass.results.push(output);
        }
        pass
    }

    /// The gradient of the first result of a function, of which this is the Jacobian. The results are those of the function again.
    fn gradient_of(&mut self, func: &Func, wrt: Wrt) -> Vec<Option<Val>> {
        let values = self.outputs();
        self.results.truncate(func.results.len());
        values.into_iter().skip(func.results.len()).take(wrt.len()).map(Some).collect()
    }

    fn outputs(&self) -> Vec<Val> {
        self.func.results.iter().map(|result| result.value).collect()
    }

    fn primal_name(&self, index: usize) -> String {
        match self.func.results[index].name.as_str() {
            "" => "value".to_owned(),
            name => name.to_owned(),
        }
    }

    /// An argument `x_dot` for each in `wrt`, beside the value that it is the tangent of.
    fn tangent_params(&mut self, wrt: Wrt) -> Vec<(Val, Val)> {
        let add = |&index: &usize| {
            let name = self.fresh_name(&format!("{}_dot", self.func.params[index].name));
            (self.inputs[index], self.param_like(&name, self.inputs[index]))
        };
        wrt.iter().map(add).collect()
    }

    /// A name for a new argument that no argument has yet.
    fn fresh_name(&self, wanted: &str) -> String {
        let taken = |name: &str| self.builder.func().params.iter().any(|param| param.name == name);
        let numbered = (2..).map(|number| format!("{wanted}_{number}"));
        std::iter::once(wanted.to_owned()).chain(numbered).find(|name| !taken(name)).unwrap_or_default()
    }

    /// A new argument in the shape of a value.
    fn param_like(&mut self, name: &str, like: Val) -> Val {
        let shape = self.shape(&[like]);
        self.builder.array_param(name, Type::F64, &shape)
    }

    /// The dimensions of values, one after another.
    fn shape(&self, vals: &[Val]) -> Vec<usize> {
        vals.iter().flat_map(|&val| self.builder.func().shape(val)).copied().collect()
    }

    /// One row a result: the derivatives by the arguments in `wrt`.
    fn jacobian(&mut self, wrt: Wrt, mode: Mode) -> Vec<Vec<Option<Val>>> {
        let outputs = self.outputs();
        let inputs: Vec<Val> = wrt.iter().map(|&index| self.inputs[index]).collect();
        let directions =
            |vals: &[Val]| -> usize { vals.iter().map(|&val| self.shape(&[val]).iter().product::<usize>()).sum() };
        let forward = match mode {
            Mode::Forward => true,
            Mode::Reverse => false,
            Mode::Auto => directions(&inputs) <= 1 || directions(&inputs) < directions(&outputs),
        };
        if !forward {
            return outputs.iter().map(|&output| from_all_directions(&mut self.builder, output, &inputs)).collect();
        }
        let mut columns = Vec::new();
        for &input in &inputs {
            let rank = self.shape(&[input]).len();
            let dots = in_all_directions(&mut self.builder, input, &outputs);
            columns.push(
                dots.into_iter().map(|dot| dot.map(|dot| turned(&mut self.builder, dot, rank))).collect::<Vec<_>>(),
            );
        }
        (0..outputs.len()).map(|row| columns.iter().map(|column| column[row]).collect()).collect()
    }

    /// Adds a derivative to the results: 0, in the shape of the values together, where there is none.
    fn push_derivative(&mut self, name: String, derivative: Option<Val>, like: &[Val]) {
        let shape = self.shape(like);
        let value = derivative.unwrap_or_else(|| self.builder.zeros(&shape));
        self.results.push(Output { name, value });
    }

    fn finish(self) -> Func {
        let func = self.builder.finish(self.results);
        let func = tidy(&condition(&func).unwrap_or(func));
        // Fuller loops know more of each other's conditions.
        condition(&func).map_or(func, |func| tidy(&func))
    }
}
