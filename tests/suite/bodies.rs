//! Bodies of loops over rows, for the tests and the benchmark of their kernels.

use chainrule::ir::{Builder, Func, Output, Val};
use chainrule::math;
use chainrule::ops::Type;

/// A function of some numbers, with elementary functions written out.
pub fn body(n_params: usize, make: impl FnOnce(&mut Builder, &[Val]) -> Vec<Val>) -> Func {
    let mut builder = Builder::new("body");
    let params: Vec<Val> = (0..n_params).map(|index| builder.param(&format!("x{index}"), Type::F64)).collect();
    let results = make(&mut builder, &params);
    let name = |index: usize| format!("r{index}");
    let outputs = results.iter().enumerate().map(|(index, &value)| Output { name: name(index), value });
    let func = builder.finish(outputs.collect());
    math::expand(&func)
}
