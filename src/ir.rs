//! The graph: what a formula is between its text and its machine code.
//!
//! A [`Func`] is a list of instructions in static single assignment, each after its operands. It is
//! **hash-consed**: the same operation on the same operands exists once, so `i == j` as values means `i` and `j`
//! as indices, and a program with 2^30 paths has as many nodes as lines. It knows no text and no machine.
//!
//! Nothing has an effect. Integer arithmetic may have no result; it then gives 0 and goes on, and the list of
//! [`Check`]s says where that matters. Every back end evaluates the checks beside the results.
//!
//! - [`build`] makes graphs: hash-consing, folding, exact identities.
//! - [`guard`] knows under which condition a node matters.
//! - [`mod@print`] and [`parse`] are the text form, and `parse(print(f)) == f`; [`to_dot`] is for Graphviz.
//! - [`verify`] says what a well-formed graph is.

pub mod build;
mod dot;
pub mod guard;
pub mod parse;
pub mod print;
pub mod verify;

pub use build::Builder;
pub use dot::to_dot;

use crate::ops::{Op, Type};
use crate::span::Span;

/// A value: the index of the instruction that computes it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct Val(pub u32);

impl Val {
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// The operands of an operator of more than three: an index into [`Func::lists`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ListId(pub u32);

/// A double by its bits, so that instructions can be compared and hashed. All NaNs are one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Bits(u64);

impl Bits {
    pub fn new(value: f64) -> Bits {
        Bits(if value.is_nan() { f64::NAN.to_bits() } else { value.to_bits() })
    }

    pub fn value(self) -> f64 {
        f64::from_bits(self.0)
    }
}

/// One instruction. Operands come before the instruction in the list.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Inst {
    /// The argument with this index.
    Param(u32),
    /// A name that a derivative is taken by, before its value is put in its place. Only while a graph is built.
    Opaque(u32),
    F64(Bits),
    Int(i64),
    Bool(bool),
    Unary(Op, Val),
    Binary(Op, Val, Val),
    Ternary(Op, Val, Val, Val),
    /// `min` and `max` of three and more.
    Nary(Op, ListId),
}

/// An argument.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Param {
    pub name: String,
    pub ty: Type,
}

/// A result with its name; the name is empty where there is nothing to call it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Output {
    pub name: String,
    pub value: Val,
}

/// Where `guard` is true, the integer arithmetic at `site` must have a result.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Check {
    pub guard: Val,
    pub site: Val,
}

/// A function from arguments to results.
#[derive(Clone, Debug, Default)]
pub struct Func {
    pub name: String,
    pub params: Vec<Param>,
    pub results: Vec<Output>,
    pub checks: Vec<Check>,
    insts: Vec<Inst>,
    types: Vec<Type>,
    /// The place in the user's text that each instruction comes from; of a derivative, the place of its primal.
    spans: Vec<Span>,
    lists: Vec<Box<[Val]>>,
}

/// Equal as graphs: spans are beside the graph, not of it.
impl PartialEq for Func {
    fn eq(&self, other: &Func) -> bool {
        self.name == other.name
            && self.params == other.params
            && self.results == other.results
            && self.insts == other.insts
            && self.lists == other.lists
            && self.checks == other.checks
    }
}

impl Func {
    /// The number of instructions, arguments and constants among them.
    pub fn len(&self) -> usize {
        self.insts.len()
    }

    pub fn is_empty(&self) -> bool {
        self.insts.is_empty()
    }

    /// How many instructions compute something: neither arguments nor constants.
    pub fn operations(&self) -> usize {
        self.insts.iter().filter(|inst| inst.op().is_some()).count()
    }

    pub fn inst(&self, val: Val) -> Inst {
        self.insts[val.index()]
    }

    pub fn insts(&self) -> &[Inst] {
        &self.insts
    }

    /// All values, operands before their users.
    pub fn vals(&self) -> impl DoubleEndedIterator<Item = Val> + ExactSizeIterator + use<> {
        (0..self.insts.len() as u32).map(Val)
    }

    pub fn ty(&self, val: Val) -> Type {
        self.types[val.index()]
    }

    pub fn span(&self, val: Val) -> Span {
        self.spans[val.index()]
    }

    pub fn list(&self, list: ListId) -> &[Val] {
        &self.lists[list.0 as usize]
    }

    /// The operands of an instruction, in order.
    pub fn operands(&self, val: Val) -> Operands<'_> {
        match self.insts[val.index()] {
            Inst::Param(_) | Inst::Opaque(_) | Inst::F64(_) | Inst::Int(_) | Inst::Bool(_) => Operands::few(&[]),
            Inst::Unary(_, a) => Operands::few(&[a]),
            Inst::Binary(_, a, b) => Operands::few(&[a, b]),
            Inst::Ternary(_, a, b, c) => Operands::few(&[a, b, c]),
            Inst::Nary(_, list) => Operands::Many(self.list(list)),
        }
    }

    /// Whether a derivative can flow between an instruction and its operand number `slot`.
    pub fn has_slope(&self, val: Val, slot: usize) -> bool {
        let operand = self.operands(val).as_slice()[slot];
        let numbers = self.ty(val) == Type::F64 && self.ty(operand) == Type::F64;
        numbers && self.inst(val).op().is_some_and(|op| !op.ignores(slot))
    }

    /// The constant that a value is, as a number.
    pub fn constant(&self, val: Val) -> Option<f64> {
        match self.inst(val) {
            Inst::F64(bits) => Some(bits.value()),
            _ => None,
        }
    }

    /// The results' values and what the checks look at: what everything else is computed for.
    pub fn roots(&self) -> impl Iterator<Item = Val> + '_ {
        let results = self.results.iter().map(|result| result.value);
        results.chain(self.checks.iter().flat_map(|check| [check.guard, check.site]))
    }

    /// Which values the results and checks depend on.
    pub fn live(&self) -> Vec<bool> {
        let mut live = vec![false; self.len()];
        for root in self.roots() {
            live[root.index()] = true;
        }
        for val in self.vals().rev() {
            if live[val.index()] {
                for &operand in self.operands(val).iter() {
                    live[operand.index()] = true;
                }
            }
        }
        live
    }
}

impl Inst {
    pub fn op(self) -> Option<Op> {
        match self {
            Inst::Unary(op, ..) | Inst::Binary(op, ..) | Inst::Ternary(op, ..) | Inst::Nary(op, _) => Some(op),
            Inst::Param(_) | Inst::Opaque(_) | Inst::F64(_) | Inst::Int(_) | Inst::Bool(_) => None,
        }
    }
}

/// The operands of one instruction.
#[derive(Clone, Copy, Debug)]
pub enum Operands<'a> {
    Few([Val; 3], u8),
    Many(&'a [Val]),
}

impl Operands<'_> {
    fn few(vals: &[Val]) -> Operands<'static> {
        let mut few = [Val(0); 3];
        few[..vals.len()].copy_from_slice(vals);
        Operands::Few(few, vals.len() as u8)
    }

    pub fn iter(&self) -> std::slice::Iter<'_, Val> {
        self.as_slice().iter()
    }

    pub fn as_slice(&self) -> &[Val] {
        match self {
            Operands::Few(vals, n) => &vals[..*n as usize],
            Operands::Many(vals) => vals,
        }
    }
}
