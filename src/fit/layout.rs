//! Where the fitted arguments are in the one run of numbers that methods know: one after the other, arrays row by row.

use std::ops::Range;

use crate::Program;

/// A fitted argument.
pub struct Slot {
    pub name: String,
    /// Its extents; of a number none.
    pub shape: Vec<usize>,
    /// Its elements in the run.
    pub range: Range<usize>,
}

impl Slot {
    /// How many numbers are weighted and summed for each that an array of weights gives: all of an element of the outermost
    /// dimension, of a list the list itself.
    pub fn fan_in(&self) -> usize {
        match self.shape.as_slice() {
            [] => 1,
            [extent] => *extent,
            [_, inner @ ..] => inner.iter().product(),
        }
    }

    /// The names of its elements: `W[0, 2]`, of a number its own.
    pub fn elements(&self) -> impl Iterator<Item = String> {
        self.range.clone().map(|place| {
            let mut rest = place - self.range.start;
            let mut subscripts = vec![String::new(); self.shape.len()];
            for (subscript, extent) in subscripts.iter_mut().zip(&self.shape).rev() {
                *subscript = (rest % extent).to_string();
                rest /= extent;
            }
            let is_number = subscripts.is_empty();
            if is_number { self.name.clone() } else { format!("{}[{}]", self.name, subscripts.join(", ")) }
        })
    }
}

/// All fitted arguments, in order.
pub struct Layout(pub Vec<Slot>);

impl Layout {
    /// Of a program whose sizes are known.
    pub fn new(program: &Program, names: &[String]) -> Layout {
        let mut end = 0;
        let slot = |name: &String| {
            let shape = program.shape_of(name).unwrap_or_default().to_vec();
            let start = end;
            end += shape.iter().product::<usize>();
            Slot { name: name.clone(), shape, range: start..end }
        };
        Layout(names.iter().map(slot).collect())
    }

    /// How many numbers there are.
    pub fn len(&self) -> usize {
        self.0.last().map_or(0, |slot| slot.range.end)
    }

    /// Where an argument is, if it is fitted.
    pub fn range_of(&self, name: &str) -> Option<Range<usize>> {
        self.0.iter().find(|slot| slot.name == name).map(|slot| slot.range.clone())
    }

    /// The name of each number.
    pub fn elements(&self) -> Vec<String> {
        self.0.iter().flat_map(Slot::elements).collect()
    }
}
