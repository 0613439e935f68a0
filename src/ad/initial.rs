//! Reads of a cell where no turn has stored yet: what they see is what the cell begins with.
//!
//! ```text
//! cell = init
//! for i { cell[i] = f(cell[j], cell[k]) }      with j < i <= k
//! cell_bar[j] += ..., init_bar[k] += ...
//! ```
//!
//! The reverse sweep reads `cell_bar[i]` once, in turn `i`, and the adjoint of `init` has nothing at elements that are stored over. So what
//! comes back to such an element goes to `init` past the cell. Which one it is is mostly seen from the subscript; otherwise it is a
//! condition.
//!
//! A region inside of the turn sends back whole arrays. What its own readings see is told apart in its own scope, where their subscripts
//! are, so that the array for the cell has only elements that are made and the one for `init` the others. A row that is read as a whole is
//! one that an earlier turn has made or none will: others are tried element by element, and their cells begin with nothing.

use super::active::Active;
use super::reverse::{Bar, Part, Scope, Sweep};
use crate::ir::{Cell, Direction, Func, Inst, Loop, Region, UpdateKind, Val};
use crate::ops::Op;

/// A cell that a region makes element by element, each turn of its loops storing where their indices say.
pub(super) struct Making {
    name: Val,
    init: Val,
    loops: Box<[Loop]>,
}

impl Making {
    /// Of a cell whose beginning has an adjoint and may be read by its turns.
    pub fn of(active: &Active, region: &Region, cell: &Cell) -> Option<Making> {
        let (name, init) = (cell.bound?, cell.init?);
        let indices = || region.loops.iter().map(|each| each.index);
        let mut stores = cell.updates.iter().filter(|update| update.kind == UpdateKind::Store).peekable();
        stores.peek()?;
        let is_ordered = stores.all(|update| indices().eq(update.subscripts.iter().copied().take(region.loops.len())));
        (is_ordered && active.contains(init)).then(|| Making { name, init, loops: region.loops.clone() })
    }
}

impl Sweep<'_> {
    /// Sends what was sent to elements that no turn has stored yet to what their cells begin with.
    pub fn return_to_beginnings(&mut self, scope: &mut Scope) {
        for number in 0..self.making.len() {
            let (name, init) = (self.making[number].name, self.making[number].init);
            let Some(Bar::Array(parts)) = scope.bar(name) else { continue };
            let loops = self.making[number].loops.clone();
            let parts = parts.clone();
            let mut kept = Vec::with_capacity(parts.len());
            for part in parts {
                // Of the whole, or of a row that several turns store, nothing is known.
                if part.subscripts.len() < loops.len() {
                    kept.push(part);
                    continue;
                }
                let is_made = self.is_made(&loops, &part.subscripts);
                let is_not = self.builder.unary(Op::Not, is_made);
                for (condition, is_to_init) in [(is_made, false), (is_not, true)] {
                    let guard = self.builder.binary(Op::And, part.guard, condition);
                    if self.builder.func().inst(guard) == Inst::Bool(false) {
                        continue;
                    }
                    let part = Part { guard, ..part.clone() };
                    if is_to_init {
                        self.push(scope, init, part);
                    } else {
                        kept.push(part);
                    }
                }
            }
            scope.replace(name, kept);
        }
    }

    /// Whether an element was stored in an earlier turn, if at all: its subscripts come before the indices of the turn.
    fn is_made(&mut self, loops: &[Loop], subscripts: &[Val]) -> Val {
        let mut is_made = self.builder.bool(false);
        for (each, &subscript) in loops.iter().zip(subscripts).rev() {
            let before = if is_before(self.builder.func(), &self.turns, each, subscript) {
                self.builder.bool(true)
            } else {
                match each.direction {
                    Direction::Up => self.builder.binary(Op::ILt, subscript, each.index),
                    Direction::Down => self.builder.binary(Op::ILt, each.index, subscript),
                }
            };
            let is_same = self.builder.binary(Op::IEq, subscript, each.index);
            let rest = self.builder.binary(Op::And, is_same, is_made);
            is_made = self.builder.binary(Op::Or, before, rest);
        }
        is_made
    }
}

/// Whether it is plain that a subscript comes before the index of a loop, in the direction of the loop.
fn is_before(func: &Func, turns: &[Loop], each: &Loop, subscript: Val) -> bool {
    let is_up = each.direction == Direction::Up;
    let integer = |val: Val| func.int(val);
    // How far behind the index a value is, in the direction of the loop.
    let behind = |val: Val| -> Option<i64> {
        let offset = match func.inst(val) {
            _ if val == each.index => 0,
            Inst::Binary(Op::IAdd, base, step) if base == each.index => integer(step)?,
            Inst::Binary(Op::IAdd, step, base) if base == each.index => integer(step)?,
            Inst::Binary(Op::ISub, base, step) if base == each.index => integer(step)?.checked_neg()?,
            _ => return None,
        };
        if is_up { offset.checked_neg() } else { Some(offset) }
    };
    if let Some(distance) = behind(subscript) {
        return distance > 0;
    }
    // An index of a loop that ends before this turn: its last value is one before its end.
    let runs_before = |inner: &Loop| match is_up {
        true => behind(inner.high).is_some_and(|distance| distance >= 0),
        false => behind(inner.low).is_some_and(|distance| distance > 0),
    };
    if turns.iter().any(|inner| inner.index == subscript && runs_before(inner)) {
        return true;
    }
    match (integer(subscript), integer(each.low), integer(each.high)) {
        (Some(place), Some(low), _) if is_up => place < low,
        (Some(place), _, Some(high)) if !is_up => place >= high,
        _ => false,
    }
}
