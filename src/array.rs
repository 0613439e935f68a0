//! Arrays as callers have them: an [`ArrayView`] looks at the caller's numbers, an [`Array`] owns them.
//!
//! A view says where its elements are: `data[offset + i*strides[0] + j*strides[1] + …]`, as the slices of most array libraries do.
//! What is dense (row by row, without gaps) is passed on as it lies; anything else is gathered first.
//!
//! ```
//! use chainrule::ArrayView;
//!
//! let numbers = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
//! let matrix = ArrayView::dense(&numbers, &[2, 3]);
//! let transposed = ArrayView::strided(&numbers, 0, &[3, 2], &[1, 3]);
//! assert_eq!(matrix.to_vec(), numbers);
//! assert_eq!(transposed.to_vec(), [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
//! assert_eq!(ArrayView::from([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]].as_slice()).to_vec(), numbers);
//! ```

use std::borrow::Cow;

use crate::program::is_whole;

/// An array, or a number, of the caller's.
#[derive(Clone, Copy, Debug)]
pub struct ArrayView<'a> {
    numbers: Numbers<'a>,
    shape: Shape<'a>,
    /// Without one: dense.
    strided: Option<(usize, &'a [isize])>,
}

#[derive(Clone, Copy, Debug)]
enum Numbers<'a> {
    One(f64),
    F64(&'a [f64]),
    I64(&'a [i64]),
}

#[derive(Clone, Copy, Debug)]
enum Shape<'a> {
    Line([usize; 1]),
    Matrix([usize; 2]),
    Given(&'a [usize]),
}

/// An array with its elements row by row; a number has no extents and one element.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Array {
    /// The extents, outermost first.
    pub shape: Vec<usize>,
    pub data: Vec<f64>,
}

impl<'a> ArrayView<'a> {
    /// Numbers that lie row by row.
    pub fn dense(data: &'a [f64], shape: &'a [usize]) -> ArrayView<'a> {
        ArrayView { numbers: Numbers::F64(data), shape: Shape::Given(shape), strided: None }
    }

    /// Integers that lie row by row.
    pub fn integers(data: &'a [i64], shape: &'a [usize]) -> ArrayView<'a> {
        ArrayView { numbers: Numbers::I64(data), shape: Shape::Given(shape), strided: None }
    }

    /// Numbers that lie anyhow: the first element is `data[offset]`, and the next one along an axis is its stride further.
    pub fn strided(data: &'a [f64], offset: usize, shape: &'a [usize], strides: &'a [isize]) -> ArrayView<'a> {
        ArrayView { numbers: Numbers::F64(data), shape: Shape::Given(shape), strided: Some((offset, strides)) }
    }

    /// The extents, outermost first; of a number none.
    pub fn shape(&self) -> &[usize] {
        match &self.shape {
            Shape::Line(shape) => shape,
            Shape::Matrix(shape) => shape,
            Shape::Given(shape) => shape,
        }
    }

    /// How many elements there are.
    pub fn len(&self) -> usize {
        self.shape().iter().product()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many numbers the memory has that the view looks at.
    pub(crate) fn memory(&self) -> usize {
        match self.numbers {
            Numbers::One(_) => 1,
            Numbers::F64(data) => data.len(),
            Numbers::I64(data) => data.len(),
        }
    }

    /// Whether every element is in the memory: of a dense view, whether it is exactly the memory.
    pub fn is_sound(&self) -> bool {
        let Some(len) = self.shape().iter().try_fold(1usize, |len, &extent| len.checked_mul(extent)) else {
            return false;
        };
        let Some((offset, strides)) = self.strided else { return len == self.memory() };
        if strides.len() != self.shape().len() {
            return false;
        }
        let reach = |low: bool| {
            let axes = self.shape().iter().zip(strides).filter(|(_, stride)| (**stride < 0) == low);
            let steps = axes.map(|(&extent, stride)| extent.saturating_sub(1).checked_mul(stride.unsigned_abs()));
            steps.sum::<Option<usize>>()
        };
        let below = reach(true).is_some_and(|below| below <= offset);
        let above = reach(false).and_then(|above| above.checked_add(offset)).is_some_and(|last| last < self.memory());
        len == 0 || (below && above)
    }

    /// The elements as they lie, if they are doubles row by row.
    pub fn as_slice(&self) -> Option<&[f64]> {
        match &self.numbers {
            Numbers::One(number) => Some(std::slice::from_ref(number)),
            Numbers::F64(data) => match self.strided {
                None => Some(data),
                Some((offset, strides)) => {
                    is_dense(self.shape(), strides).then(|| data.get(offset..offset + self.len())).flatten()
                }
            },
            Numbers::I64(_) => None,
        }
    }

    /// The elements row by row. Integers are rounded to doubles.
    ///
    /// # Panics
    /// Where the view [is not sound](ArrayView::is_sound).
    pub fn to_vec(&self) -> Vec<f64> {
        match (self.as_slice(), self.numbers) {
            (Some(data), _) => data.to_vec(),
            (None, Numbers::One(number)) => vec![number],
            (None, Numbers::F64(data)) => self.places().map(|place| data[place]).collect(),
            (None, Numbers::I64(data)) => self.places().map(|place| data[place] as f64).collect(),
        }
    }

    /// The elements row by row, where they lie if they lie so.
    pub(crate) fn rows(&self) -> Cow<'_, [f64]> {
        self.as_slice().map_or_else(|| self.to_vec().into(), Cow::Borrowed)
    }

    /// The first element that is no whole number, with its subscripts. The view is sound.
    pub(crate) fn first_broken(&self) -> Option<(Vec<usize>, f64)> {
        let rows = self.rows();
        let (mut place, &number) = rows.iter().enumerate().find(|(_, number)| !is_whole(**number))?;
        let mut subscripts = vec![0; self.shape().len()];
        for (subscript, &extent) in subscripts.iter_mut().zip(self.shape()).rev() {
            *subscript = place % extent;
            place /= extent;
        }
        Some((subscripts, number))
    }

    /// Where the elements are in the memory, row by row.
    fn places(&self) -> impl Iterator<Item = usize> {
        let shape = self.shape();
        let dense = dense_strides(shape);
        let (offset, strides) = self.strided.unwrap_or((0, &dense));
        let strides = strides.to_vec();
        let mut subscripts = vec![0usize; shape.len()];
        let mut place = offset;
        (0..self.len()).map(move |_| {
            let here = place;
            for ((subscript, &extent), &stride) in subscripts.iter_mut().zip(shape).zip(&strides).rev() {
                *subscript += 1;
                place = place.wrapping_add_signed(stride);
                if *subscript < extent {
                    break;
                }
                place = place.wrapping_add_signed(stride.wrapping_mul(-(extent as isize)));
                *subscript = 0;
            }
            here
        })
    }
}

/// From element to element along each axis of an array that lies row by row.
fn dense_strides(shape: &[usize]) -> Vec<isize> {
    let mut strides = vec![1; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis] * shape[axis] as isize;
    }
    strides
}

/// Whether these strides are those of an array that lies row by row. What has one element or none along an axis has no stride there.
fn is_dense(shape: &[usize], strides: &[isize]) -> bool {
    let dense = dense_strides(shape);
    shape.contains(&0) || shape.iter().zip(strides).zip(&dense).all(|((&extent, a), b)| extent == 1 || a == b)
}

impl Array {
    /// An array of these extents, row by row.
    pub fn new(shape: &[usize], data: Vec<f64>) -> Array {
        Array { shape: shape.to_vec(), data }
    }

    /// The element at these subscripts; `None` outside, and where they are not one a dimension.
    pub fn get(&self, subscripts: &[usize]) -> Option<f64> {
        let inside = subscripts.iter().zip(&self.shape).all(|(subscript, extent)| subscript < extent);
        let place = subscripts.iter().zip(&self.shape).fold(0, |place, (subscript, extent)| place * extent + subscript);
        (inside && subscripts.len() == self.shape.len()).then(|| self.data.get(place).copied()).flatten()
    }

    /// The number that it is, if it is one.
    pub fn number(&self) -> Option<f64> {
        self.get(&[])
    }

    pub fn view(&self) -> ArrayView<'_> {
        ArrayView::dense(&self.data, &self.shape)
    }
}

impl From<f64> for Array {
    fn from(number: f64) -> Array {
        Array { shape: Vec::new(), data: vec![number] }
    }
}

impl From<f64> for ArrayView<'_> {
    fn from(number: f64) -> Self {
        ArrayView { numbers: Numbers::One(number), shape: Shape::Given(&[]), strided: None }
    }
}

impl<'a> From<&'a Array> for ArrayView<'a> {
    fn from(array: &'a Array) -> Self {
        array.view()
    }
}

impl<'a> From<&'a [f64]> for ArrayView<'a> {
    fn from(data: &'a [f64]) -> Self {
        ArrayView { numbers: Numbers::F64(data), shape: Shape::Line([data.len()]), strided: None }
    }
}

impl<'a> From<&'a [i64]> for ArrayView<'a> {
    fn from(data: &'a [i64]) -> Self {
        ArrayView { numbers: Numbers::I64(data), shape: Shape::Line([data.len()]), strided: None }
    }
}

/// Rows of equal length: a matrix.
impl<'a, const N: usize> From<&'a [[f64; N]]> for ArrayView<'a> {
    fn from(rows: &'a [[f64; N]]) -> Self {
        let shape = Shape::Matrix([rows.len(), N]);
        ArrayView { numbers: Numbers::F64(rows.as_flattened()), shape, strided: None }
    }
}

/// Rows of equal length: a matrix.
impl<'a, const N: usize> From<&'a [[i64; N]]> for ArrayView<'a> {
    fn from(rows: &'a [[i64; N]]) -> Self {
        let shape = Shape::Matrix([rows.len(), N]);
        ArrayView { numbers: Numbers::I64(rows.as_flattened()), shape, strided: None }
    }
}

macro_rules! from_lists {
    ($($element:ty $(, $const:ident)?;)*) => {$(
        impl<'a $(, const $const: usize)?> From<&'a Vec<$element>> for ArrayView<'a> {
            fn from(data: &'a Vec<$element>) -> Self {
                data.as_slice().into()
            }
        }

        impl<'a, const M: usize $(, const $const: usize)?> From<&'a [$element; M]> for ArrayView<'a> {
            fn from(data: &'a [$element; M]) -> Self {
                data.as_slice().into()
            }
        }
    )*};
}

from_lists! {
    f64;
    i64;
    [f64; N], N;
    [i64; N], N;
}

/// Numbers row by row, and the extents.
impl<'a, D: AsRef<[f64]> + ?Sized, const N: usize> From<(&'a D, &'a [usize; N])> for ArrayView<'a> {
    fn from((data, shape): (&'a D, &'a [usize; N])) -> Self {
        ArrayView::dense(data.as_ref(), shape)
    }
}
