//! All derivatives of a program up to some order, in every order of its arguments and by every composition of modes.

use chainrule::ad::{adjoints, tangents};
use chainrule::interp::{Failure, failure, values};
use chainrule::ir::{Builder, Func, Output, Val};
use chainrule::ops::Type;
use chainrule::{Mode, Program};

pub struct Tower {
    pub func: Func,
    pub floors: Vec<Floor>,
}

/// What a result of a [`Tower`] is: the arguments it is the derivative by, and the mode of each differentiation.
#[derive(Debug)]
pub struct Floor {
    pub by: Vec<usize>,
    pub modes: Vec<Mode>,
}

impl Floor {
    /// The arguments it is the derivative by, whatever the order.
    pub fn sorted(&self) -> Vec<usize> {
        let mut by = self.by.clone();
        by.sort_unstable();
        by
    }
}

impl Tower {
    /// Of the only result of a text, by all arguments that are numbers.
    pub fn of(text: &str, order: usize) -> Tower {
        let program = Program::parse(text).unwrap_or_else(|error| panic!("{error}"));
        Tower::of_func(program.graph(), order)
    }

    /// Of the first result of a graph, by all arguments that are numbers.
    pub fn of_func(func: &Func, order: usize) -> Tower {
        let mut builder = Builder::resume(func.clone());
        let params = builder.params();
        let (value, zero) = (func.results[0].value, builder.f64(0.0));
        let mut level: Vec<(Floor, Val)> = vec![(Floor { by: Vec::new(), modes: Vec::new() }, value)];
        let (mut floors, mut results) = (Vec::new(), Vec::new());
        for depth in 0..=order {
            let mut next = Vec::new();
            for (floor, val) in level {
                for (index, &param) in params.iter().enumerate().filter(|_| depth < order) {
                    if builder.func().ty(param) != Type::F64 {
                        continue;
                    }
                    for mode in [Mode::Forward, Mode::Reverse] {
                        let derivative = derivative(&mut builder, val, param, mode).unwrap_or(zero);
                        let by = [&floor.by[..], &[index]].concat();
                        let modes = [&floor.modes[..], &[mode]].concat();
                        next.push((Floor { by, modes }, derivative));
                    }
                }
                results.push(Output { name: String::new(), value: val });
                floors.push(floor);
            }
            level = next;
        }
        Tower { func: builder.finish(results), floors }
    }

    /// All derivatives at a point.
    pub fn at(&self, x: &[f64]) -> Vec<(&Floor, f64)> {
        self.try_at(x).unwrap_or_else(|failure| panic!("{failure:?} at {x:?}"))
    }

    /// The same where integer arithmetic may fail.
    pub fn try_at(&self, x: &[f64]) -> Result<Vec<(&Floor, f64)>, Failure> {
        let values = values(&self.func, x);
        if let Some(failure) = failure(&self.func, &values) {
            return Err(failure);
        }
        let value = |index: usize| values[self.func.results[index].value.index()].as_f64();
        Ok(self.floors.iter().enumerate().map(|(index, floor)| (floor, value(index))).collect())
    }
}

/// The derivative of one value of a graph by another; `None` where it is zero by structure.
pub fn derivative(builder: &mut Builder, y: Val, x: Val, mode: Mode) -> Option<Val> {
    let one = builder.f64(1.0);
    match mode {
        Mode::Reverse => adjoints(builder, &[(y, one)], &[x])[0],
        Mode::Forward | Mode::Auto => tangents(builder, &[(x, one)], &[y])[0],
    }
}
