//! Derivatives in all directions of an array: a loop over unit arrays.

use super::{adjoints, tangents};
use crate::ir::{Builder, Cell, Inst, Loop, Region, Update, UpdateKind, Val};
use crate::ops::Type;

/// The tangents of targets in each direction of an input: its dimensions, then those of the target.
pub fn in_all_directions(builder: &mut Builder, input: Val, targets: &[Val]) -> Vec<Option<Val>> {
    let (loops, seed) = unit(builder, input);
    let dots = tangents(builder, &[(input, seed)], targets);
    collected(builder, &loops, dots)
}

/// The adjoints of inputs from each direction of an output: its dimensions, then those of the input.
pub fn from_all_directions(builder: &mut Builder, output: Val, inputs: &[Val]) -> Vec<Option<Val>> {
    let (loops, seed) = unit(builder, output);
    let bars = adjoints(builder, &[(output, seed)], inputs);
    collected(builder, &loops, bars)
}

/// The unit array at an index, with the loops over the index; of a number, 1.
fn unit(builder: &mut Builder, like: Val) -> (Vec<Loop>, Val) {
    let (shape, one) = (builder.func().shape(like).to_vec(), builder.f64(1.0));
    if shape.is_empty() {
        return (Vec::new(), one);
    }
    let mut loops = Vec::new();
    for &extent in &shape {
        let (low, high) = (builder.int(0), builder.int(extent as i64));
        loops.push(Loop::up(builder.index(), low, high));
    }
    let cell = cell(builder, &loops, &shape, one);
    let unit = builder.region(Region { cells: Box::new([cell]), ..Region::default() });
    (loops, builder.result(unit, 0))
}

fn cell(builder: &mut Builder, loops: &[Loop], shape: &[usize], value: Val) -> Cell {
    let subscripts = loops.iter().map(|each| each.index).collect();
    let update = Update { kind: UpdateKind::Store, subscripts, value, factor: None, guard: builder.bool(true) };
    Cell { ty: Type::F64, shape: shape.into(), bound: None, init: None, updates: Box::new([update]) }
}

/// The values of all turns as arrays, made in one loop.
fn collected(builder: &mut Builder, loops: &[Loop], values: Vec<Option<Val>>) -> Vec<Option<Val>> {
    if loops.is_empty() {
        return values;
    }
    let mut extents = Vec::new();
    for each in loops {
        if let Inst::Int(high) = builder.func().inst(each.high) {
            extents.push(high as usize);
        }
    }
    let mut cells = Vec::new();
    for &value in values.iter().flatten() {
        let shape = [extents.as_slice(), builder.func().shape(value)].concat();
        cells.push(cell(builder, loops, &shape, value));
    }
    if cells.is_empty() {
        return values;
    }
    let region = builder.region(Region { loops: loops.into(), cells: cells.into(), ..Region::default() });
    let mut number = 0..;
    let mut next = |_| number.next().map(|number| builder.result(region, number));
    values.into_iter().map(|value| value.and_then(&mut next)).collect()
}

/// An array whose first `leading` dimensions come last.
pub fn turned(builder: &mut Builder, array: Val, leading: usize) -> Val {
    let shape = builder.func().shape(array).to_vec();
    if leading == 0 || leading == shape.len() {
        return array;
    }
    let indices: Vec<Val> = shape.iter().map(|_| builder.index()).collect();
    let element = builder.read(array, &indices);
    let mut loops: Vec<(Val, usize)> = indices.into_iter().zip(shape).collect();
    loops.rotate_left(leading);
    builder.array(&loops, element)
}
