//! From what is passed to the arguments of a program and the sizes that they bind.

use std::borrow::Cow;

use super::{Argument, ArgumentFaults, Extent, Program};
use crate::array::ArrayView;
use crate::ast::{Ast, Node, NodeKind, Role};
use crate::error::{Error, nearest};
use crate::lower;
pub use crate::lower::Binding;
use crate::syntax::canonical_name;

/// ```
/// use chainrule::Binding;
///
/// let binding = Binding::new().shape("W", &[32, 10]).shape("b", &[32]).size("N", 1000);
/// ```
impl Binding {
    pub fn new() -> Binding {
        Binding::default()
    }

    /// With the extents of an argument.
    #[must_use]
    pub fn shape(mut self, argument: &str, shape: &[usize]) -> Binding {
        self.shapes.insert(canonical_name(argument).into_owned(), shape.to_vec());
        self
    }

    /// With a size that doesn't follow from an argument.
    #[must_use]
    pub fn size(mut self, name: &str, value: i64) -> Binding {
        self.sizes.insert(canonical_name(name).into_owned(), value);
        self
    }

    /// With the value of an `index` argument.
    #[must_use]
    pub fn index(mut self, argument: &str, value: i64) -> Binding {
        self.index.insert(canonical_name(argument).into_owned(), value);
        self
    }
}

/// An argument that can't be what it should be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Misfit {
    /// Of another number of dimensions than the text uses.
    Rank { expected: Vec<Extent>, found: Vec<usize> },
    /// Of other extents than the program has been bound to.
    Shape { expected: Vec<usize>, found: Vec<usize> },
    /// A view that isn't its memory: of so many numbers.
    Memory { shape: Vec<usize>, numbers: usize },
}

impl Program {
    /// The arguments in order, from views by name; whole numbers where there must be.
    pub(crate) fn inputs<'a>(
        &self,
        given: impl IntoIterator<Item = (Cow<'a, str>, ArrayView<'a>)>,
    ) -> Result<Vec<ArrayView<'a>>, Error> {
        Ok(self.inputs_but(&[], given)?.into_iter().flatten().collect())
    }

    /// As [`Program::inputs`], where some arguments may be missing.
    pub(crate) fn inputs_but<'a>(
        &self,
        optional: &[String],
        given: impl IntoIterator<Item = (Cow<'a, str>, ArrayView<'a>)>,
    ) -> Result<Vec<Option<ArrayView<'a>>>, Error> {
        let (inputs, mut faults) = self.by_name(given);
        faults.missing.retain(|argument| !optional.contains(&argument.name));
        for (argument, input) in self.arguments.iter().zip(&inputs) {
            let Some(input) = input else { continue };
            let bound = self.shape_of(&argument.name);
            let found = input.shape().to_vec();
            let misfit = if found.len() != argument.extents.len() {
                Some(Misfit::Rank { expected: argument.extents.clone(), found })
            } else if !input.is_sound() {
                Some(Misfit::Memory { shape: found, numbers: input.memory() })
            } else {
                let expected = bound.filter(|expected| *expected != found);
                expected.map(|expected| Misfit::Shape { expected: expected.to_vec(), found })
            };
            match misfit {
                Some(misfit) => faults.misfits.push((argument.name.clone(), Some(argument.at), misfit)),
                None if argument.role == Role::Index => {
                    let broken = input.first_broken();
                    faults.not_whole.extend(broken.map(|(place, value)| (element(&argument.name, &place), value)));
                }
                None => {}
            }
        }
        self.told(faults)?;
        Ok(inputs)
    }

    /// The sizes that arguments have, to be [bound](Program::bind).
    ///
    /// # Errors
    /// [`Error::Arguments`] with everything that is unknown, missing, given twice, of another number of dimensions, or not whole.
    pub fn binding<'a>(&self, values: impl IntoIterator<Item = (&'a str, ArrayView<'a>)>) -> Result<Binding, Error> {
        let values = values.into_iter().map(|(name, value)| (Cow::Borrowed(name), value));
        Ok(self.binding_of(self.inputs(values)?.into_iter().map(Some)))
    }

    /// The sizes of what is there, in the order of the arguments.
    pub(crate) fn binding_of<'a>(&self, inputs: impl IntoIterator<Item = Option<ArrayView<'a>>>) -> Binding {
        let mut binding = Binding::default();
        for (argument, input) in self.arguments.iter().zip(inputs) {
            let Some(input) = input else { continue };
            match (input.shape(), argument.role) {
                ([], Role::Index) => {
                    binding.index.insert(argument.name.clone(), input.rows()[0] as i64);
                }
                ([], Role::Param | Role::Data) => {}
                (shape, _) => {
                    binding.shapes.insert(argument.name.clone(), shape.to_vec());
                }
            }
        }
        binding
    }

    /// Everything in a binding is of this program, and has the dimensions that it has here.
    pub(super) fn check(&self, binding: &Binding) -> Result<(), Error> {
        let mut faults = ArgumentFaults::default();
        let arguments = || self.arguments.iter().map(|argument| argument.name.as_str());
        let sizes = || self.sizes.iter().map(|(size, _)| size.as_str());
        for name in binding.shapes.keys().chain(binding.index.keys()) {
            if !arguments().any(|known| known == name) {
                faults.unknown.push((name.clone(), nearest(name, arguments()).map(str::to_owned)));
            }
        }
        for argument in &self.arguments {
            let shape = binding.shapes.get(&argument.name).filter(|shape| shape.len() != argument.extents.len());
            if let Some(found) = shape {
                let misfit = Misfit::Rank { expected: argument.extents.clone(), found: found.clone() };
                faults.misfits.push((argument.name.clone(), Some(argument.at), misfit));
            }
        }
        for name in binding.sizes.keys() {
            if !sizes().any(|known| known == name) {
                faults.unknown_sizes.push((name.clone(), nearest(name, sizes()).map(str::to_owned)));
            }
        }
        self.told(faults)
    }

    /// The faults as an error, if there are any.
    pub(crate) fn told(&self, mut faults: ArgumentFaults) -> Result<(), Error> {
        if faults.is_empty() {
            return Ok(());
        }
        faults.source = self.source.clone();
        faults.source_name = self.source_name.clone();
        Err(Error::Arguments(Box::new(faults)))
    }
}

/// `obs[3, 1]`
fn element(name: &str, subscripts: &[usize]) -> String {
    match subscripts {
        [] => name.to_owned(),
        _ => format!("{name}[{}]", subscripts.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")),
    }
}

impl Argument {
    pub(super) fn new(argument: &lower::Argument, ast: &Ast, source: &str) -> Argument {
        let declared = argument.dims.iter().map(|&dim| match ast.tree(dim) {
            [Node { kind: NodeKind::Integer(extent @ 0..), .. }] => Extent::Fixed(*extent as usize),
            [Node { kind: NodeKind::Name { name, .. }, .. }] => Extent::Size(ast.name(*name).to_owned()),
            _ => Extent::Computed(ast.tree_span(dim).text(source).to_owned()),
        });
        let open = std::iter::repeat(Extent::Open);
        Argument {
            name: ast.name(argument.name).to_owned(),
            role: argument.role,
            extents: declared.chain(open).take(argument.rank).collect(),
            at: argument.at,
        }
    }

    /// As a declaration writes it: `W[H, D]`.
    pub fn declaration(&self) -> String {
        let extents: Vec<String> = self.extents.iter().map(Extent::to_string).collect();
        if extents.is_empty() { self.name.clone() } else { format!("{}[{}]", self.name, extents.join(", ")) }
    }
}
