//! Sizes get numbers: from the shapes of the arrays that are passed, or from the caller by name.
//!
//! The graph is made for these numbers, so every shape is a list of numbers, and what the text says about shapes is checked
//! by arithmetic.

use std::collections::BTreeMap;

use hashbrown::{HashMap, HashSet};

use super::{Lowering, Names, Task, Value};
use crate::ast::{Ast, Name, Node, NodeKind, Role, TreeId};
use crate::error::Problem;
use crate::ir::Inst;
use crate::span::Span;

/// What is known of the arguments before there is a graph.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Binding {
    /// The shapes of array arguments that are passed.
    pub shapes: BTreeMap<String, Vec<usize>>,
    /// Sizes given by name.
    pub sizes: BTreeMap<String, i64>,
    /// The values of `index` arguments that are numbers. Where an extent needs one, the graph is made for it.
    pub index: BTreeMap<String, i64>,
}

/// The numbers of the sizes, with the place that fixed each; one that the caller gave has none.
type Sizes = HashMap<Name, (i64, Option<Span>)>;

/// The sizes that follow from what is known.
fn sizes(ast: &Ast, names: &Names, binding: &Binding, problems: &mut Vec<Problem>) -> Sizes {
    let mut sizes = Sizes::new();
    let is_size: HashSet<Name> = names.sizes.iter().map(|&(name, _)| name).collect();
    for &(name, _) in &names.sizes {
        if let Some(&size) = binding.sizes.get(ast.name(name)) {
            sizes.insert(name, (size, None));
        }
    }
    for argument in &names.arguments {
        let Some(shape) = binding.shapes.get(ast.name(argument.name)) else { continue };
        if shape.len() != argument.rank {
            let (name, found) = (ast.name(argument.name).to_owned(), shape.len());
            problems.push(Problem::RankOfArgument { name, at: argument.at, rank: argument.rank, found });
            continue;
        }
        for (&dim, &extent) in argument.dims.iter().zip(shape) {
            let [Node { kind: NodeKind::Name { name, .. }, span }] = *ast.tree(dim) else { continue };
            if !is_size.contains(&name) {
                continue;
            }
            match sizes.get(&name) {
                None => {
                    sizes.insert(name, (extent as i64, Some(span)));
                }
                Some(&(size, other)) if size != extent as i64 => {
                    let name = ast.name(name).to_owned();
                    problems.push(Problem::SizeConflict {
                        name,
                        at: span,
                        size: extent as i64,
                        other,
                        other_size: size,
                    });
                }
                Some(_) => {}
            }
        }
    }
    for &(name, at) in &names.sizes {
        if !sizes.contains_key(&name) && problems.is_empty() {
            problems.push(Problem::UnknownSize { name: ast.name(name).to_owned(), at });
        }
    }
    sizes
}

impl Lowering<'_> {
    /// Gives the sizes and all arguments their values in the outermost scope.
    pub(super) fn bind_arguments(&mut self) -> Result<(), Vec<Problem>> {
        let mut problems = Vec::new();
        let sizes = sizes(self.ast, &self.names, self.binding, &mut problems);
        if !problems.is_empty() {
            return Err(problems);
        }
        for (name, _) in self.names.sizes.clone() {
            if let Some(&(size, _)) = sizes.get(&name) {
                let val = self.builder.int(size);
                self.define(name, Value::Scalar(val));
                self.sizes.push((self.ast.name(name).to_owned(), size));
            }
        }
        let specialised = self.specialised.clone();
        for &name in &specialised {
            let value = self.binding.index.get(self.ast.name(name)).copied().unwrap_or_default();
            let val = self.builder.int(value);
            self.define(name, Value::Scalar(val));
        }
        let mut arguments = std::mem::take(&mut self.names.arguments);
        for argument in arguments.iter_mut().filter(|argument| argument.rank > 0) {
            match self.shape(argument.name, argument.at, &argument.dims, argument.rank) {
                Ok(shape) => argument.shape = shape,
                Err(problem) => problems.push(problem),
            }
        }
        for argument in &arguments {
            let ty = if argument.role == Role::Index { crate::ops::Type::Int } else { crate::ops::Type::F64 };
            self.builder.span = argument.at;
            let val = self.builder.array_param(self.ast.name(argument.name), ty, &argument.shape);
            if !specialised.contains(&argument.name) {
                let value = self.value(val);
                self.define(argument.name, value);
            }
        }
        self.names.arguments = arguments;
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    /// The shape of an argument: as passed, or else as declared.
    fn shape(&mut self, name: Name, at: Span, dims: &[TreeId], rank: usize) -> Result<Vec<usize>, Problem> {
        let passed = self.binding.shapes.get(self.ast.name(name)).cloned();
        let mut declared = Vec::new();
        for &dim in dims {
            let at = self.ast.tree_span(dim);
            let extent = self.declared_extent(dim)?;
            let expected = usize::try_from(extent).map_err(|_| Problem::NegativeExtent { at, extent })?;
            if let Some(found) = passed.as_ref().and_then(|shape| shape.get(declared.len()).copied())
                && found != expected
            {
                let name = self.ast.name(name).to_owned();
                return Err(Problem::ExtentOfArgument { name, at, expected, found });
            }
            declared.push(expected);
        }
        let shape = match passed {
            Some(shape) => shape,
            None if declared.len() == rank => declared,
            None => return Err(Problem::UnknownShape { name: self.ast.name(name).to_owned(), at, rank }),
        };
        self.affordable(&shape, at)?;
        Ok(shape)
    }

    /// The number that a declared extent is.
    fn declared_extent(&mut self, dim: TreeId) -> Result<i64, Problem> {
        let at = self.ast.tree_span(dim);
        for node in self.ast.tree(dim) {
            if let NodeKind::Name { name, .. } = node.kind
                && self.lookup(name) == Value::Unknown
                && self.binding.index.contains_key(self.ast.name(name))
            {
                self.needed.push(name);
            }
        }
        self.tasks = vec![Task::Tree { tree: dim, next: 0 }];
        self.values.clear();
        while let Some(task) = self.tasks.pop() {
            if let Err(problem) = self.step(task) {
                self.tasks.clear();
                return Err(problem);
            }
        }
        match self.values.pop().map(|(value, _)| value) {
            Some(Value::Scalar(val)) => match self.builder.func().inst(val) {
                Inst::Int(extent) => Ok(extent),
                _ => Err(Problem::ExtentNotKnown { at }),
            },
            _ => Err(Problem::ExtentNotKnown { at }),
        }
    }
}
