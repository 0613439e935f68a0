//! An array whose elements are cheap isn't made; whoever reads an element computes it:
//!
//! ```text
//! a = [e(i) for i];  … a[s] …   =   … e(s) …
//! ```
//!
//! The same holds for arrays that are written down element by element, where the subscripts say which element is meant, or are compared
//! with the only one that isn't 0.

use hashbrown::{HashMap, HashSet};

use super::super::rebuild;
use crate::ir::{Builder, Cell, Func, Inst, Region, UpdateKind, Val};
use crate::ops::{Op, Type};

/// As many instructions an element may have.
const CHEAP: usize = 4;

/// `None`: nothing to do.
pub fn inline(func: &Func) -> Option<Func> {
    // What a check looks at stays.
    let sites: HashSet<Val> = func.checks.iter().map(|check| check.site).collect();
    func.vals().find(|&val| !sites.contains(&val) && Element::of(func, val).is_some())?;
    Some(rebuild(func, |pass, val| {
        let copy = pass.copy(val);
        match Element::of(pass.builder.func(), copy).filter(|_| !sites.contains(&val)) {
            Some(element) => element.make(&mut pass.builder),
            None => copy,
        }
    }))
}

/// What an instruction reads, as it can be computed.
enum Element {
    /// Nothing is ever stored.
    Zero,
    /// The value where the subscripts are these, otherwise 0.
    Only { value: Val, at: Vec<(Val, Val)> },
    /// The value with other subscripts in the places of the indices.
    Value(Val, Copy),
}

impl Element {
    fn of(func: &Func, read: Val) -> Option<Element> {
        let Inst::Read(list) = func.inst(read) else { return None };
        let (&array, subscripts) = func.list(list).split_first()?;
        if func.is_array(read) {
            return None;
        }
        let Inst::Result(region, number) = func.inst(array) else { return None };
        let region = func.region_of(region)?;
        let cell = region.cells.get((number as usize).checked_sub(region.first_cell())?)?;
        if cell.init.is_some() || cell.ty != Type::F64 {
            return None;
        }
        match &*cell.updates {
            [] => Some(Element::Zero),
            [update] if update.kind == UpdateKind::Store && func.inst(update.guard) == Inst::Bool(true) => {
                if region.loops.is_empty() {
                    let at = update.subscripts.iter().copied().zip(subscripts.iter().copied()).collect();
                    let is_whole = update.subscripts.len() == subscripts.len();
                    return is_whole.then_some(Element::Only { value: update.value, at });
                }
                let names = plain(func, region, cell)?;
                let pairs: HashMap<Val, Val> = names.into_iter().zip(subscripts.iter().copied()).collect();
                let mut copy = Copy { pairs, count: 0 };
                copy.can(func, update.value).then_some(Element::Value(update.value, copy))
            }
            _ => None,
        }
    }

    fn make(self, builder: &mut Builder) -> Val {
        match self {
            Element::Zero => builder.f64(0.0),
            Element::Only { value, at } => {
                let mut here = builder.bool(true);
                for (at, subscript) in at {
                    let equal = builder.binary(Op::IEq, at, subscript);
                    here = builder.binary(Op::And, here, equal);
                }
                let zero = builder.f64(0.0);
                builder.select(here, value, zero)
            }
            Element::Value(value, copy) => copy.make(builder, value),
        }
    }
}

/// The indices by which a cell is made, if it is one element for each turn of independent loops over the whole of it.
fn plain(func: &Func, region: &Region, cell: &Cell) -> Option<Vec<Val>> {
    let is_plain =
        region.states.is_empty() && region.going.is_none() && region.cells.iter().all(|cell| cell.bound.is_none());
    let [update] = &*cell.updates else { return None };
    let indices: Vec<Val> = region.loops.iter().map(|each| each.index).collect();
    let is_whole = |(each, &extent): (&crate::ir::Loop, &usize)| {
        func.inst(each.low) == Inst::Int(0) && func.inst(each.high) == Inst::Int(extent as i64)
    };
    let covers = *update.subscripts == *indices && region.loops.iter().zip(&cell.shape).all(is_whole);
    (is_plain && covers && cell.shape.len() == indices.len()).then_some(indices)
}

/// An element with other subscripts in the places of the indices.
struct Copy {
    pairs: HashMap<Val, Val>,
    count: usize,
}

impl Copy {
    fn can(&mut self, func: &Func, val: Val) -> bool {
        if self.pairs.contains_key(&val) || !self.pairs.keys().any(|&name| func.depends(val, &[name])) {
            return true;
        }
        self.count += 1;
        let is_cheap = match func.inst(val) {
            Inst::Read(_) => true,
            inst => inst.op().is_some_and(|op| op.row().cost <= 1),
        };
        is_cheap && self.count <= CHEAP && func.operands(val).iter().all(|&operand| self.can(func, operand))
    }

    fn make(&self, builder: &mut Builder, val: Val) -> Val {
        if let Some(&new) = self.pairs.get(&val) {
            return new;
        }
        if !self.pairs.keys().any(|&name| builder.func().depends(val, &[name])) {
            return val;
        }
        let operands = builder.func().operands(val).as_slice().to_vec();
        let args: Vec<Val> = operands.into_iter().map(|operand| self.make(builder, operand)).collect();
        match builder.func().inst(val).op() {
            Some(op) => builder.emit(op, &args),
            None => builder.read(args[0], &args[1..]),
        }
    }
}
