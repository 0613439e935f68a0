//! A program at each row of a table, as an objective.

use std::borrow::Cow;
use std::cell::{Cell, OnceCell};
use std::ops::Range;

use super::objective::Objective;
use super::triangle::Triangle;
use super::{Loss, random};
use crate::error::Error;
use crate::program::{Gradient, Jacobian, Kind, Value};
use crate::{Column, Compiled, Output, Points, Program, Request};

/// What a program is compiled to for fitting, when it is first asked for.
pub struct Code {
    program: Program,
    /// The program whose only value is the loss of a row.
    summed: Program,
    fitted: Vec<String>,
    wants_jacobian: bool,
    threads: usize,
    value: OnceCell<Compiled<Value>>,
    gradient: OnceCell<Compiled<Gradient>>,
    residuals: OnceCell<Compiled<Jacobian>>,
}

impl Code {
    /// With the derivatives of residuals, if they are `wanted` and the loss is a sum of their squares.
    pub fn new(program: &Program, fitted: &[String], loss: Loss, wanted: bool, threads: usize) -> Code {
        let summed = match loss {
            Loss::Mean => program.clone(),
            Loss::Squares => program.squares(),
        };
        Code {
            program: program.clone(),
            summed,
            fitted: fitted.to_vec(),
            wants_jacobian: wanted && loss == Loss::Squares,
            threads,
            value: OnceCell::new(),
            gradient: OnceCell::new(),
            residuals: OnceCell::new(),
        }
    }

    /// Whether the loss is one number, with derivatives.
    ///
    /// # Errors
    /// As [`Program::gradient`].
    pub fn check(&self) -> Result<(), Error> {
        self.summed.gradient().wrt(&self.fitted).names()?;
        match self.summed.graph().results.as_slice() {
            [result] if !self.summed.graph().is_array(result.value) => Ok(()),
            _ => self.summed.gradient().wrt(&self.fitted).graph().map(|_| ()),
        }
    }

    /// The loss of a row.
    ///
    /// # Errors
    /// As [`Program::value`].
    pub fn value(&self) -> Result<&Compiled<Value>, Error> {
        kept(&self.value, || self.summed.value())
    }

    /// The loss of a row and its derivatives.
    ///
    /// # Errors
    /// As [`Program::gradient`].
    pub fn gradient(&self) -> Result<&Compiled<Gradient>, Error> {
        kept(&self.gradient, || self.summed.gradient().wrt(&self.fitted))
    }

    /// Values and derivatives of the residuals, where they are wanted.
    ///
    /// # Errors
    /// As [`Program::jacobian`].
    pub fn residuals(&self) -> Result<Option<&Compiled<Jacobian>>, Error> {
        let code = || kept(&self.residuals, || self.program.jacobian().wrt(&self.fitted));
        self.wants_jacobian.then(code).transpose()
    }

    /// How many results the program has.
    pub fn n_results(&self) -> usize {
        self.program.results().len()
    }

    /// How many numbers they are together.
    pub fn n_residuals(&self) -> usize {
        let graph = self.program.graph();
        graph.results.iter().map(|result| graph.shape(result.value).iter().product::<usize>()).sum()
    }
}

/// What a cell holds, made now if it is empty.
fn kept<'c, 'p, K: Kind>(
    cell: &'c OnceCell<Compiled<K>>,
    request: impl FnOnce() -> Request<'p, K>,
) -> Result<&'c Compiled<K>, Error> {
    if let Some(code) = cell.get() {
        return Ok(code);
    }
    let code = request().compile()?;
    Ok(cell.get_or_init(|| code))
}

/// An argument of the program.
#[derive(Clone, Debug)]
pub enum Place<'a> {
    /// These of the numbers that are fitted.
    Param(Range<usize>),
    /// The column with this index.
    Column(usize),
    /// The same for all rows: a number, or the elements of an array.
    Given(Cow<'a, [f64]>),
}

/// The rows, and the program for them.
pub struct Table<'a> {
    code: &'a Code,
    places: &'a [Place<'a>],
    /// The data in their own order, from which every other is made.
    columns: Vec<Cow<'a, [f64]>>,
    /// The columns in the present order, if it is another.
    reordered: Vec<Vec<f64>>,
    rows: usize,
    evaluated: Cell<usize>,
}

/// So many numbers of a Jacobian are computed at a time.
const BLOCK: usize = 1 << 18;

impl<'a> Table<'a> {
    /// Of these rows of the columns, which are given in their order.
    pub fn new(code: &'a Code, places: &'a [Place<'a>], columns: &[&'a [f64]], rows: &[usize]) -> Table<'a> {
        let pick = |&column: &&'a [f64]| {
            let is_all = column.len() == rows.len();
            if is_all { Cow::Borrowed(column) } else { Cow::Owned(random::pick(column, rows)) }
        };
        let columns = columns.iter().map(pick).collect();
        Table { code, places, columns, reordered: Vec::new(), rows: rows.len(), evaluated: Cell::new(0) }
    }

    fn points<'s>(&'s self, params: &[f64], rows: Range<usize>) -> Points<'s> {
        self.evaluated.set(self.evaluated.get() + rows.len());
        let column = |index: usize| self.reordered.get(index).map_or(&*self.columns[index], Vec::as_slice);
        Points::columns(self.places.iter().map(|place| match place {
            Place::Param(range) => Column::Same(params[range.start]),
            Place::Column(index) => Column::Each(&column(*index)[rows.clone()]),
            Place::Given(numbers) => Column::Same(numbers[0]),
        }))
    }
}

impl Objective for Table<'_> {
    fn rows(&self) -> usize {
        self.rows
    }

    fn loss(&self, params: &[f64], rows: Range<usize>) -> Result<f64, Error> {
        let points = self.points(params, rows);
        Ok(self.code.value()?.batch(&points).threads(self.code.threads).sum()?.value())
    }

    fn gradient(&self, params: &[f64], rows: Range<usize>, gradient: &mut [f64]) -> Result<f64, Error> {
        let points = self.points(params, rows);
        let sums = self.code.gradient()?.batch(&points).threads(self.code.threads).sum()?;
        gradient.copy_from_slice(&sums.first);
        Ok(sums.value())
    }

    fn jacobian(&self, params: &[f64]) -> Result<Triangle, Error> {
        let mut triangle = Triangle::new(params.len());
        let Some(code) = self.code.residuals()? else { return Ok(triangle) };
        let results = code.layout().outs[0];
        let len = (BLOCK / (results * (params.len() + 1))).clamp(64, self.rows.max(64));
        // By column of the Jacobian, and in that by result: the residuals of a block are those of the first result, the second, ….
        let mut values = vec![0.0; results * len];
        let mut slopes = vec![0.0; results * len * params.len()];
        for start in (0..self.rows).step_by(len) {
            let rows = len.min(self.rows - start);
            let (values, slopes) = (&mut values[..results * rows], &mut slopes[..results * rows * params.len()]);
            let mut columns: Vec<Option<&mut [f64]>> = slopes.chunks_exact_mut(rows).map(Some).collect();
            let in_order = (0..results).flat_map(|result| (0..params.len()).map(move |param| param * results + result));
            let jacobian = in_order.map(|place| columns[place].take()).collect();
            let points = self.points(params, start..start + rows);
            code.batch(&points)
                .threads(self.code.threads)
                .values(Output::columns(values.chunks_exact_mut(rows)))
                .jacobian(Output::Columns(jacobian))
                .run()?;
            triangle.append(slopes, values);
        }
        Ok(triangle)
    }

    fn first_fault(&self, params: &[f64]) -> Result<Option<(usize, f64)>, Error> {
        let mut values = vec![0.0; self.rows];
        self.code.value()?.batch(&self.points(params, 0..self.rows)).values(&mut values).run()?;
        Ok(values.into_iter().enumerate().find(|(_, value)| !value.is_finite()))
    }

    fn reorder(&mut self, order: Option<&[usize]>) {
        let Some(order) = order else { return self.reordered.clear() };
        self.reordered.resize(self.columns.len(), Vec::new());
        for (reordered, column) in self.reordered.iter_mut().zip(&self.columns) {
            reordered.clear();
            reordered.extend(order.iter().map(|&row| column[row]));
        }
    }

    fn evaluations(&self) -> f64 {
        self.evaluated.get() as f64 / self.rows.max(1) as f64
    }
}
