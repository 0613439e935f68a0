//! Arrays and loops that have a name: what stands as a statement of its own beside expressions.
//!
//! An array has clauses, each with its places on the left: numbers, and indices with their ranges. A group of arrays that are
//! made together refer to each other. A loop with `while` is an `iterate` with its states.

use hashbrown::HashMap;

use super::dag::{Dag, Id, Node};

/// What is named.
#[derive(Clone, Debug)]
pub enum Def {
    Array {
        /// The indices that it depends on beside its own: dimensions before its own.
        around: Box<[Id]>,
        shape: Box<[usize]>,
        clauses: Vec<Clause>,
    },
    Loop {
        around: Box<[Id]>,
        states: Vec<State>,
        going: Id,
        /// The index, where there is a `for`.
        counter: Option<Id>,
    },
}

/// `name[places] = value`
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Clause {
    /// Numbers and indices.
    pub places: Box<[Id]>,
    pub value: Id,
}

#[derive(Clone, Debug)]
pub struct State {
    /// The node that the body calls it by.
    pub local: Id,
    pub first: Id,
    pub next: Id,
    /// What the user calls it.
    pub hint: Option<String>,
}

/// What makes an array that doesn't refer to itself: what it depends on, its shape, its clauses.
type Content = (Box<[Id]>, Box<[usize]>, Vec<Clause>);

/// All of one text.
#[derive(Default)]
pub struct Arrays {
    pub defs: Vec<Def>,
    /// What the user calls indices.
    pub hints: HashMap<Id, String>,
    known: HashMap<Content, u32>,
    /// The groups of arrays that refer to each other.
    groups: Vec<(u32, u32)>,
    index_names: HashMap<String, u32>,
    locals: u32,
}

impl Arrays {
    /// An array that doesn't refer to itself. Equal ones are one.
    pub fn define(&mut self, around: Box<[Id]>, shape: Box<[usize]>, clauses: Vec<Clause>) -> u32 {
        let next = self.defs.len() as u32;
        let number = *self.known.entry((around.clone(), shape.clone(), clauses.clone())).or_insert(next);
        if number == next {
            self.defs.push(Def::Array { around, shape, clauses });
        }
        number
    }

    /// Room for arrays of these shapes that will refer to each other; the number of the first.
    pub fn reserve(&mut self, around: &[Id], shapes: impl IntoIterator<Item = Box<[usize]>>) -> u32 {
        let first = self.defs.len() as u32;
        let empty = |shape| Def::Array { around: around.into(), shape, clauses: Vec::new() };
        self.defs.extend(shapes.into_iter().map(empty));
        first
    }

    /// The group of arrays from `first` on, with their clauses; or a group that is the same and was there before.
    pub fn fill(&mut self, dag: &Dag, first: u32, clauses: Vec<Vec<Clause>>) -> u32 {
        let len = clauses.len() as u32;
        for (number, filled) in (first..).zip(clauses) {
            if let Def::Array { clauses, .. } = &mut self.defs[number as usize] {
                *clauses = filled;
            }
        }
        let same = |&&(other, others): &&(u32, u32)| others == len && self.is_same(dag, other, first, len);
        if let Some(&(other, _)) = self.groups.iter().find(same) {
            return other;
        }
        self.groups.push((first, len));
        first
    }

    /// The number of a name of indices.
    pub fn number_of(&mut self, name: &str) -> u32 {
        let next = self.index_names.len() as u32;
        *self.index_names.entry(name.to_owned()).or_insert(next)
    }

    pub fn local(&mut self, dag: &mut Dag) -> Id {
        self.locals += 1;
        dag.intern(Node::Local(self.locals - 1))
    }

    /// Whether two groups are the same but for what they call themselves.
    fn is_same(&self, dag: &Dag, a: u32, b: u32, len: u32) -> bool {
        let renamed = |number: u32| if (a..a + len).contains(&number) { number - a + b } else { number };
        let mut pairs: Vec<(Id, Id)> = Vec::new();
        for number in 0..len {
            let (
                Def::Array { around, shape, clauses },
                Def::Array { around: other_around, shape: other_shape, clauses: others },
            ) = (&self.defs[(a + number) as usize], &self.defs[(b + number) as usize])
            else {
                return false;
            };
            if (around, shape, clauses.len()) != (other_around, other_shape, others.len()) {
                return false;
            }
            for (clause, other) in clauses.iter().zip(others) {
                if clause.places != other.places {
                    return false;
                }
                pairs.push((clause.value, other.value));
            }
        }
        let mut seen: HashMap<Id, Id> = HashMap::new();
        while let Some((x, y)) = pairs.pop() {
            if seen.get(&x) == Some(&y) {
                continue;
            }
            if seen.insert(x, y).is_some() {
                return false;
            }
            let (mut left, mut right) = (Vec::new(), Vec::new());
            dag.node(x).for_each_operand(|operand| left.push(operand));
            dag.node(y).for_each_operand(|operand| right.push(operand));
            let alike = match (dag.node(x), dag.node(y)) {
                (Node::Defined(p), Node::Defined(q)) => renamed(*p) == *q,
                (p, q) => left.len() == right.len() && p.is_like(q),
            };
            if !alike {
                return false;
            }
            pairs.extend(left.into_iter().zip(right));
        }
        true
    }
}

impl Def {
    /// Every expression in it.
    pub fn values(&self) -> Vec<Id> {
        match self {
            Def::Array { clauses, .. } => clauses.iter().map(|clause| clause.value).collect(),
            Def::Loop { states, going, counter, .. } => {
                let states = states.iter().flat_map(|state| [state.first, state.next]);
                states.chain([*going]).chain(*counter).collect()
            }
        }
    }
}
