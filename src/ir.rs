//! The graph: what a formula is between its text and its machine code.
//!
//! A [`Func`] is a list of instructions in static single assignment, each after its operands. It is
//! **hash-consed**: the same operation on the same operands exists once, so `i == j` as values means `i` and `j`
//! as indices, and a program with 2^30 paths has as many nodes as lines. It knows no text and no machine.
//!
//! Nothing has an effect. Integer arithmetic may have no result; it then gives 0 and goes on, and the list of
//! [`Check`]s says where that matters. Every back end evaluates the checks beside the results.
//!
//! Arrays are values too. A loop is one instruction, a [`Region`]; its body is what depends on its index. Every value knows the
//! **free names** that it depends on: indices and other names bound by regions. What has none stands at the top.
//!
//! - [`build`] makes graphs: hash-consing, folding, exact identities.
//! - [`region`] says what a loop is and in which order it computes.
//! - [`rows`] are extents that are known only when code is called.
//! - [`guard`] knows under which condition a node matters.
//! - [`mod@print`] and [`parse`] are the text form, and `parse(print(f)) == f`; [`to_dot`] is for Graphviz.
//! - [`verify`] says what a well-formed graph is.

mod bodies;
pub mod build;
mod dot;
pub mod guard;
pub mod parse;
pub mod places;
pub mod print;
pub mod region;
pub mod rows;
pub mod slots;
pub mod verify;

pub use bodies::Bodies;
pub use build::Builder;
pub use dot::to_dot;
pub use region::{Cell, Direction, Loop, Reduction, Region, RegionId, Shape, State, Update, UpdateKind};

use hashbrown::HashMap;

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
    /// A name that regions bind: an index, a state, a cell that is being made.
    Bound(u32),
    /// An array, then its subscripts: an element, or with fewer subscripts than dimensions a row. A subscript outside
    /// of the array gives some element or 0; a check says where that matters.
    Read(ListId),
    /// A loop nest. It has no value of its own; its operands are what its body and its bounds take from outside.
    Region(RegionId),
    /// A result of the region that is the operand.
    Result(Val, u32),
}

/// An argument.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Param {
    pub name: String,
    pub ty: Type,
    /// Empty for a number.
    pub shape: Shape,
}

/// A result with its name; the name is empty where there is nothing to call it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Output {
    pub name: String,
    pub value: Val,
}

/// Where `guard` is true, the instruction at `site` must have a result: integer arithmetic, a subscript that may be outside, a
/// `while` that may reach its limit. Inside a region this is so in every turn that computes the site.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Check {
    pub guard: Val,
    pub site: Val,
    /// The site, which reads an element, reads one that is missing wherever the guard is true.
    pub missing: bool,
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
    /// The shape and the free names of each instruction; [`SetId`] 0 and [`ShapeId`] 0 are empty.
    facts: Vec<(ShapeId, SetId)>,
    lists: Vec<Box<[Val]>>,
    shapes: Vec<Shape>,
    /// Sets of names, sorted.
    sets: Vec<Box<[Val]>>,
    regions: Vec<Region>,
    /// What each region takes from outside, sorted: a list.
    captures: Vec<ListId>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct ShapeId(u32);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct SetId(u32);

/// Equal as graphs: spans are beside the graph, not of it.
impl PartialEq for Func {
    fn eq(&self, other: &Func) -> bool {
        self.name == other.name
            && self.params == other.params
            && self.results == other.results
            && self.insts == other.insts
            && self.lists == other.lists
            && self.regions == other.regions
            && self.checks == other.checks
            && self.vals().all(|val| self.shape(val) == other.shape(val))
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
        self.insts.iter().filter(|inst| inst.computes()).count()
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

    /// The extents of an array, outermost first; of a number none.
    pub fn shape(&self, val: Val) -> &[usize] {
        match self.facts[val.index()].0 {
            ShapeId(0) => &[],
            ShapeId(id) => &self.shapes[id as usize - 1],
        }
    }

    pub fn is_array(&self, val: Val) -> bool {
        self.facts[val.index()].0 != ShapeId(0)
    }

    /// Whether it is an array that lies in memory of its own.
    pub fn is_kept(&self, val: Val) -> bool {
        self.is_array(val) && matches!(self.inst(val), Inst::Param(_) | Inst::Result(..))
    }

    /// The names bound by regions that a value depends on, sorted.
    pub fn free(&self, val: Val) -> &[Val] {
        match self.facts[val.index()].1 {
            SetId(0) => &[],
            SetId(id) => &self.sets[id as usize - 1],
        }
    }

    /// Whether a value depends on one of these names.
    pub fn depends(&self, val: Val, names: &[Val]) -> bool {
        self.free(val).iter().any(|name| names.contains(name))
    }

    /// Whether a check can watch it.
    pub fn may_fault(&self, val: Val) -> bool {
        match self.inst(val) {
            Inst::Read(_) => true,
            Inst::Region(region) => self.region(region).going.is_some(),
            inst => inst.op().is_some_and(Op::may_fault),
        }
    }

    pub fn region(&self, region: RegionId) -> &Region {
        &self.regions[region.0 as usize]
    }

    /// All regions, in the order in which they were made.
    pub fn regions(&self) -> &[Region] {
        &self.regions
    }

    /// The region that a value is, or is a result of, with the number of the result.
    pub fn region_of(&self, val: Val) -> Option<&Region> {
        match self.inst(val) {
            Inst::Region(region) => Some(self.region(region)),
            Inst::Result(region, _) => self.region_of(region),
            _ => None,
        }
    }

    /// Whether there is any array or loop in the function.
    pub fn has_regions(&self) -> bool {
        !self.regions.is_empty() || self.params.iter().any(|param| !param.shape.is_empty())
    }

    /// The body of a region; see [`Bodies::members`].
    pub fn body(&self, region: &Region) -> Vec<Val> {
        Bodies::of(self).members_of(region)
    }

    /// At which loop of a region the members of its body are computed, in order: the innermost whose index they depend on, 0 being what
    /// stands before all loops, and that of everything that they take. A region inside waits for the guards of its checks too.
    pub fn levels(&self, region: &Region, body: &[Val]) -> HashMap<Val, usize> {
        let depth = region.loops.len();
        let binds: Vec<Val> = region.binds().collect();
        // States and cells change with every turn.
        let of_name = |name: &Val| match region.loops.iter().position(|each| each.index == *name) {
            Some(position) => position + 1,
            None if binds.contains(name) => depth,
            None => 0,
        };
        let own = |val: Val| self.free(val).iter().map(of_name).max().unwrap_or(0);
        let mut bodies = Bodies::of(self);
        let mut levels: HashMap<Val, usize> = binds.iter().map(|name| (*name, of_name(name))).collect();
        for &val in body {
            let mut level = self.operands(val).iter().filter_map(|operand| levels.get(operand)).copied().max();
            if let Inst::Region(inner) = self.inst(val) {
                level = level.max(bodies.guards(inner).iter().copied().map(own).max());
            }
            levels.insert(val, own(val).max(level.unwrap_or(0)));
        }
        levels
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
            Inst::Param(_) | Inst::Opaque(_) | Inst::F64(_) | Inst::Int(_) | Inst::Bool(_) | Inst::Bound(_) => {
                Operands::few(&[])
            }
            Inst::Unary(_, a) => Operands::few(&[a]),
            Inst::Binary(_, a, b) => Operands::few(&[a, b]),
            Inst::Ternary(_, a, b, c) => Operands::few(&[a, b, c]),
            Inst::Nary(_, list) | Inst::Read(list) => Operands::Many(self.list(list)),
            Inst::Region(region) => Operands::Many(self.list(self.captures[region.0 as usize])),
            Inst::Result(region, _) => Operands::few(&[region]),
        }
    }

    /// Whether a derivative can flow between an instruction and its operand number `slot`.
    pub fn has_slope(&self, val: Val, slot: usize) -> bool {
        let operand = self.operands(val).as_slice()[slot];
        match self.inst(val) {
            Inst::Region(_) => self.ty(operand) == Type::F64,
            Inst::Read(_) | Inst::Result(..) => slot == 0 && self.ty(val) == Type::F64,
            inst => {
                let numbers = self.ty(val) == Type::F64 && self.ty(operand) == Type::F64;
                numbers && inst.op().is_some_and(|op| !op.ignores(slot))
            }
        }
    }

    /// The constant that a value is, as a number.
    pub fn constant(&self, val: Val) -> Option<f64> {
        match self.inst(val) {
            Inst::F64(bits) => Some(bits.value()),
            _ => None,
        }
    }

    /// The results' values and what the checks at the top look at: what everything else is computed for.
    pub fn roots(&self) -> impl Iterator<Item = Val> + '_ {
        let results = self.results.iter().map(|result| result.value);
        let at_top = self.checks.iter().filter(|check| self.free(check.site).is_empty());
        results.chain(at_top.flat_map(|check| [check.guard, check.site]))
    }

    /// Which values the results and checks depend on, bodies of regions included.
    pub fn live(&self) -> Vec<bool> {
        let mut live = vec![false; self.len()];
        for root in self.roots() {
            live[root.index()] = true;
        }
        loop {
            for val in self.vals().rev() {
                if !live[val.index()] {
                    continue;
                }
                match self.inst(val) {
                    Inst::Region(_) => self.uses(val).iter().for_each(|used| live[used.index()] = true),
                    _ => self.operands(val).iter().for_each(|operand| live[operand.index()] = true),
                }
            }
            // The guard of a check inside a region is younger than the region.
            let late = |check: &&Check| live[check.site.index()] && !live[check.guard.index()];
            let guards: Vec<Val> = self.checks.iter().filter(late).map(|check| check.guard).collect();
            if guards.is_empty() {
                return live;
            }
            guards.into_iter().for_each(|guard| live[guard.index()] = true);
        }
    }

    /// What an instruction is computed from; of a result of a region what makes this result, and what its turns hand on.
    pub fn sources(&self, val: Val) -> Vec<Val> {
        let Inst::Result(_, number) = self.inst(val) else {
            let is_region = matches!(self.inst(val), Inst::Region(_));
            return if is_region { Vec::new() } else { self.operands(val).as_slice().to_vec() };
        };
        let Some(region) = self.region_of(val) else { return Vec::new() };
        let number = number as usize;
        let bounds = region.loops.iter().flat_map(|each| [each.low, each.high]);
        let mut sources: Vec<Val> = bounds.chain(region.going).collect();
        sources.extend(region.states.iter().flat_map(|state| [state.init, state.next]));
        for (index, cell) in region.cells.iter().enumerate() {
            if cell.bound.is_some() || index + region.first_cell() == number {
                sources.extend(cell.init);
                let parts = cell.updates.iter().flat_map(|update| {
                    update.subscripts.iter().copied().chain([update.value, update.guard]).chain(update.factor)
                });
                sources.extend(parts);
            }
        }
        let reduction = number.checked_sub(region.first_reduction()).and_then(|place| region.reductions.get(place));
        if let Some(reduction) = reduction {
            sources.extend([reduction.value, reduction.guard].into_iter().chain(reduction.factor));
        }
        sources
    }

    /// Everything that an instruction names: its operands; of a region what its body uses directly, and what it binds.
    pub fn uses(&self, val: Val) -> Vec<Val> {
        match self.inst(val) {
            Inst::Region(region) => {
                let region = self.region(region);
                region.uses().chain(region.binds()).collect()
            }
            _ => self.operands(val).as_slice().to_vec(),
        }
    }
}

impl Inst {
    pub fn op(self) -> Option<Op> {
        match self {
            Inst::Unary(op, ..) | Inst::Binary(op, ..) | Inst::Ternary(op, ..) | Inst::Nary(op, _) => Some(op),
            Inst::Param(_)
            | Inst::Opaque(_)
            | Inst::F64(_)
            | Inst::Int(_)
            | Inst::Bool(_)
            | Inst::Bound(_)
            | Inst::Read(_)
            | Inst::Region(_)
            | Inst::Result(..) => None,
        }
    }

    /// Whether it is neither an argument nor a constant.
    pub fn is_made(self) -> bool {
        self.computes() || matches!(self, Inst::Bound(_))
    }

    /// Whether it is neither an argument nor a constant nor a name.
    pub fn computes(self) -> bool {
        self.op().is_some() || matches!(self, Inst::Read(_) | Inst::Region(_) | Inst::Result(..))
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
