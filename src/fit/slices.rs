//! A program over whole arrays as an objective that has rows: it is called with some rows of each array that begins with one size.
//!
//! A program with `data x[N, D], y[N]` means something for every `N`. What it says when it is given a few rows is its loss for these:
//!
//! ```text
//! x[N, D]   row 0  ─┐                    the batch of rows 0 and 1:   x[0..2], y[0..2], N = 2
//!           row 1  ─┘ a batch            (after chance has put the rows into an order)
//!           row 2  ─┐
//!           …       │ the next one
//! ```
//!
//! Residuals give the sum of their squares; a loss that is one number is taken as a mean, and so counts as it is.
//! Code is made for a number of rows: for batches, for the last one, which may be smaller, and for all.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ops::Range;
use std::rc::Rc;

use super::objective::Objective;
use super::table::{Code, Place};
use super::triangle::Triangle;
use super::{Loss, calls};
use crate::error::Error;
use crate::program::Extent;
use crate::{Argument, Binding, Program};

/// The size along which arrays are cut.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cut {
    pub size: String,
    /// For each argument whether it is cut.
    pub is_cut: Vec<bool>,
}

impl Cut {
    /// Along this size, or along the one with which all arrays of the data begin.
    ///
    /// # Errors
    /// Why that can't be, as a clause.
    pub fn new(program: &Program, size: Option<&str>, is_data: impl Fn(&Argument) -> bool) -> Result<Cut, String> {
        let arguments = program.arguments();
        let arrays = arguments.iter().filter(|argument| is_data(argument) && !argument.extents.is_empty());
        let mut sizes: Vec<Option<&str>> = arrays.map(first_size).collect();
        sizes.dedup();
        let size = match (size, sizes.as_slice()) {
            (Some(size), _) => size,
            (None, &[Some(size)]) => size,
            (None, []) => return Err("there are no arrays of data".to_owned()),
            (None, _) => return Err("the arrays of data don't all begin with one named size".to_owned()),
        };
        let is_cut = |argument: &Argument| is_data(argument) && first_size(argument) == Some(size);
        for argument in arguments {
            let others = &argument.extents[usize::from(is_cut(argument))..];
            if others.iter().any(|extent| mentions(extent, size)) {
                let kind = if is_data(argument) { "has" } else { "is fitted, and has" };
                return Err(format!("`{}` {kind} `{size}` elsewhere than first", argument.declaration()));
            }
        }
        let is_cut: Vec<bool> = arguments.iter().map(is_cut).collect();
        if !is_cut.contains(&true) {
            return Err(format!("no array of data begins with a size `{size}`"));
        }
        Ok(Cut { size: size.to_owned(), is_cut })
    }

    /// A binding with another number of rows.
    fn at(&self, program: &Program, binding: &Binding, rows: usize) -> Binding {
        let mut binding = binding.clone();
        for (argument, _) in program.arguments().iter().zip(&self.is_cut).filter(|(_, is_cut)| **is_cut) {
            if let Some(extent) = binding.shapes.get_mut(&argument.name).and_then(|shape| shape.first_mut()) {
                *extent = rows;
            }
        }
        if let Some(size) = binding.sizes.get_mut(&self.size) {
            *size = rows as i64;
        }
        binding
    }
}

/// The name of an array's first size.
fn first_size(argument: &Argument) -> Option<&str> {
    match argument.extents.first() {
        Some(Extent::Size(name)) => Some(name),
        Some(Extent::Fixed(_) | Extent::Computed(_) | Extent::Open) | None => None,
    }
}

fn mentions(extent: &Extent, size: &str) -> bool {
    match extent {
        Extent::Size(name) => name == size,
        Extent::Computed(text) => text.split(|c: char| !(c.is_alphanumeric() || c == '_')).any(|word| word == size),
        Extent::Fixed(_) | Extent::Open => false,
    }
}

/// A program for any number of rows, with the code for those that have been asked for.
pub struct Codes<'a> {
    program: &'a Program,
    /// That of all rows.
    binding: Binding,
    cut: &'a Cut,
    fitted: &'a [String],
    loss: Loss,
    wants_jacobian: bool,
    codes: RefCell<BTreeMap<usize, Rc<Code>>>,
}

impl<'a> Codes<'a> {
    pub fn new(
        program: &'a Program,
        binding: Binding,
        cut: &'a Cut,
        fitted: &'a [String],
        loss: Loss,
        wants_jacobian: bool,
    ) -> Codes<'a> {
        Codes { program, binding, cut, fitted, loss, wants_jacobian, codes: RefCell::default() }
    }

    /// The code for so many rows.
    fn of(&self, rows: usize) -> Result<Rc<Code>, Error> {
        if let Some(code) = self.codes.borrow().get(&rows) {
            return Ok(code.clone());
        }
        let program = self.program.bind(&self.cut.at(self.program, &self.binding, rows))?;
        let code = Rc::new(Code::new(&program, self.fitted, self.loss, self.wants_jacobian, 1));
        self.codes.borrow_mut().insert(rows, code.clone());
        Ok(code)
    }

    /// How many residuals there are in so many rows.
    ///
    /// # Errors
    /// What is wrong with the program at this size.
    pub fn residuals(&self, rows: usize) -> Result<usize, Error> {
        Ok(self.of(rows)?.n_residuals())
    }
}

/// Some rows of all arrays, and the program for them.
pub struct Slices<'a> {
    codes: &'a Codes<'a>,
    places: &'a [Place<'a>],
    rows: usize,
    /// Of the arguments that are cut these rows, in the order of the data.
    arrays: Vec<Option<Cow<'a, [f64]>>>,
    /// The same in the present order, if it is another.
    reordered: Vec<Option<Vec<f64>>>,
    evaluated: Cell<usize>,
}

impl<'a> Slices<'a> {
    /// Of these rows, given in their order, of `all`.
    pub fn new(codes: &'a Codes<'a>, places: &'a [Place<'a>], rows: &[usize], all: usize) -> Slices<'a> {
        let array = |(place, &is_cut): (&'a Place<'a>, &bool)| match place {
            Place::Given(numbers) if is_cut && rows.len() == all => Some(Cow::Borrowed(&**numbers)),
            Place::Given(numbers) if is_cut => Some(Cow::Owned(pick(numbers, all, rows))),
            Place::Given(_) | Place::Param(_) | Place::Column(_) => None,
        };
        let arrays = places.iter().zip(&codes.cut.is_cut).map(array).collect();
        Slices { codes, places, rows: rows.len(), arrays, reordered: Vec::new(), evaluated: Cell::new(0) }
    }

    /// The arguments of a call for some rows.
    fn arguments<'s>(&'s self, params: &'s [f64], rows: &Range<usize>) -> Vec<&'s [f64]> {
        self.evaluated.set(self.evaluated.get() + rows.len());
        let argument = |(index, place): (usize, &'s Place)| {
            let reordered = || self.reordered.get(index).and_then(Option::as_deref);
            match (place, self.arrays[index].as_deref()) {
                (_, Some(array)) => {
                    let width = array.len() / self.rows.max(1);
                    &reordered().unwrap_or(array)[rows.start * width..rows.end * width]
                }
                (Place::Param(range), None) => &params[range.clone()],
                (Place::Given(numbers), None) => numbers,
                (Place::Column(_), None) => unreachable!("programs whose arrays are cut have no columns"),
            }
        };
        self.places.iter().enumerate().map(argument).collect()
    }
}

/// These rows of an array that has `all`.
fn pick(array: &[f64], all: usize, rows: &[usize]) -> Vec<f64> {
    let width = array.len() / all.max(1);
    let mut picked = Vec::with_capacity(rows.len() * width);
    rows.iter().for_each(|&row| picked.extend_from_slice(&array[row * width..][..width]));
    picked
}

impl Objective for Slices<'_> {
    fn rows(&self) -> usize {
        self.rows
    }

    fn loss(&self, params: &[f64], rows: Range<usize>) -> Result<f64, Error> {
        let mut value = [0.0];
        self.codes.of(rows.len())?.value()?.call_arrays(&self.arguments(params, &rows), &mut [&mut value])?;
        Ok(value[0])
    }

    fn count(&self, rows: &Range<usize>) -> f64 {
        match self.codes.loss {
            Loss::Mean => 1.0,
            Loss::Squares => rows.len() as f64,
        }
    }

    fn gradient(&self, params: &[f64], rows: Range<usize>, gradient: &mut [f64]) -> Result<f64, Error> {
        let code = self.codes.of(rows.len())?;
        let (mut value, mut rest) = ([0.0], gradient);
        let mut results: Vec<&mut [f64]> = vec![&mut value];
        for result in &code.gradient()?.graph().results[1..] {
            let len = code.gradient()?.graph().shape(result.value).iter().product();
            let (own, others) = rest.split_at_mut(len);
            results.push(own);
            rest = others;
        }
        code.gradient()?.call_arrays(&self.arguments(params, &rows), &mut results)?;
        Ok(value[0])
    }

    fn jacobian(&self, params: &[f64]) -> Result<Triangle, Error> {
        let code = self.codes.of(self.rows)?;
        let mut triangle = Triangle::new(params.len());
        calls::append(&mut triangle, &code, &self.arguments(params, &(0..self.rows)))?;
        Ok(triangle)
    }

    fn first_fault(&self, params: &[f64]) -> Result<Option<(usize, f64)>, Error> {
        let loss = self.loss(params, 0..self.rows)?;
        Ok((!loss.is_finite()).then_some((0, loss)))
    }

    fn reorder(&mut self, order: Option<&[usize]>) {
        let Some(order) = order else { return self.reordered.clear() };
        let reordered = |array: &Option<Cow<[f64]>>| array.as_deref().map(|array| pick(array, self.rows, order));
        self.reordered = self.arrays.iter().map(reordered).collect();
    }

    fn evaluations(&self) -> f64 {
        self.evaluated.get() as f64 / self.rows.max(1) as f64
    }
}
