//! The graph as text: dense, deterministic, and readable back by `parse`.
//!
//! ```text
//! chainrule-ir 1
//! func @f(%x: f64, %z: f64) -> f64 {
//!   %0 = mul %x, %z
//!   %1 = exp %0
//!   return %1
//! }
//! ```
//!
//! A region prints its body between braces, what several regions compute in each of them. Names that regions bind are `%i.0`
//! (integers) and `%s.0`:
//!
//! ```text
//!   %4 = loop %i.0 in [0, 3) {
//!     cell: f64[3]
//!     %2 = at %x, %i.0
//!     %3 = exp %2
//!     store 0 [%i.0] %3
//!     reduce add %2 * %3 if %1
//!   }
//!   %5 = result %4, 0
//! ```
//!
//! Values are numbered as they are printed; arguments keep the user's names; a constant stands where it is used, as
//! the shortest text that reads back to the same bits. Nothing about the host, spans or allocation is in it.

use std::fmt::{self, Display, Formatter};

use super::{Direction, Func, Inst, Region, UpdateKind, Val};
use crate::ops::Type;

/// The version of the text form, in its first line. It changes when a file of the old form would read differently.
pub const VERSION: u32 = 1;

impl Display for Func {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        writeln!(f, "chainrule-ir {VERSION}")?;
        write!(f, "func @{}(", self.name)?;
        for (index, param) in self.params.iter().enumerate() {
            let comma = if index > 0 { ", " } else { "" };
            write!(f, "{comma}%{}: {}", param.name, shaped(param.ty, &param.shape))?;
        }
        write!(f, ") -> ")?;
        let type_of = |val: Val| shaped(self.ty(val), self.shape(val));
        match self.results.as_slice() {
            [one] if one.name.is_empty() => write!(f, "{}", type_of(one.value))?,
            many => {
                write!(f, "(")?;
                for (index, result) in many.iter().enumerate() {
                    let comma = if index > 0 { ", " } else { "" };
                    write!(f, "{comma}{}: {}", result.name, type_of(result.value))?;
                }
                write!(f, ")")?;
            }
        }
        writeln!(f, " {{")?;
        let names = Names::of(self);
        let at_top: Vec<Val> = self.vals().filter(|&val| self.free(val).is_empty()).collect();
        names.lines(f, &at_top, 1)?;
        for check in &self.checks {
            let missing = if check.missing { " missing" } else { "" };
            writeln!(f, "  check {} if {}{missing}", names.get(check.site), names.get(check.guard))?;
        }
        write!(f, "  return")?;
        for (index, result) in self.results.iter().enumerate() {
            let comma = if index > 0 { ", " } else { " " };
            write!(f, "{comma}{}", names.get(result.value))?;
        }
        writeln!(f, "\n}}")
    }
}

/// A type with the extents of an array.
fn shaped(ty: Type, shape: &[usize]) -> String {
    if shape.is_empty() {
        return ty.name().to_owned();
    }
    let extents: Vec<String> = shape.iter().map(usize::to_string).collect();
    format!("{}[{}]", ty.name(), extents.join(", "))
}

/// What each value is called.
pub(super) struct Names<'a> {
    func: &'a Func,
    number: Vec<u32>,
}

impl Names<'_> {
    pub(super) fn of(func: &Func) -> Names<'_> {
        let mut next = 0;
        let number = func
            .insts()
            .iter()
            .map(|inst| {
                let number = next;
                next += u32::from(inst.computes());
                number
            })
            .collect();
        Names { func, number }
    }

    pub(super) fn get(&self, val: Val) -> String {
        match self.func.inst(val) {
            Inst::Param(index) => format!("%{}", self.func.params[index as usize].name),
            Inst::Opaque(index) => format!("?{index}"),
            Inst::F64(bits) => number(bits.value()),
            Inst::Int(value) => value.to_string(),
            Inst::Bool(value) => value.to_string(),
            Inst::Bound(index) if self.func.ty(val) == Type::Int && !self.func.is_array(val) => format!("%i.{index}"),
            Inst::Bound(index) => format!("%s.{index}"),
            Inst::Unary(..)
            | Inst::Binary(..)
            | Inst::Ternary(..)
            | Inst::Nary(..)
            | Inst::Read(_)
            | Inst::Region(_)
            | Inst::Result(..) => format!("%{}", self.number[val.index()]),
        }
    }

    fn list(&self, vals: &[Val]) -> String {
        let names: Vec<String> = vals.iter().map(|&val| self.get(val)).collect();
        names.join(", ")
    }

    /// Instructions, one a line.
    fn lines(&self, f: &mut Formatter, vals: &[Val], depth: usize) -> fmt::Result {
        let indent = "  ".repeat(depth);
        for &val in vals {
            let operands = self.func.operands(val);
            let word = match self.func.inst(val) {
                Inst::Region(region) => {
                    self.region(f, val, self.func.region(region), depth)?;
                    continue;
                }
                Inst::Read(_) => "at",
                Inst::Result(region, number) => {
                    writeln!(f, "{indent}{} = result {}, {number}", self.get(val), self.get(region))?;
                    continue;
                }
                inst => match inst.op() {
                    Some(op) => op.name(),
                    None => continue,
                },
            };
            writeln!(f, "{indent}{} = {word} {}", self.get(val), self.list(operands.as_slice()))?;
        }
        Ok(())
    }

    fn region(&self, f: &mut Formatter, val: Val, region: &Region, depth: usize) -> fmt::Result {
        let (outside, indent) = ("  ".repeat(depth), "  ".repeat(depth + 1));
        write!(f, "{outside}{} = loop", self.get(val))?;
        for (index, each) in region.loops.iter().enumerate() {
            let comma = if index > 0 { ", " } else { " " };
            let down = if each.direction == Direction::Down { " down" } else { "" };
            write!(f, "{comma}{} in [{}, {}){down}", self.get(each.index), self.get(each.low), self.get(each.high))?;
        }
        writeln!(f, " {{")?;
        for state in &region.states {
            let ty = shaped(self.func.ty(state.bound), self.func.shape(state.bound));
            let (name, init, next) = (self.get(state.bound), self.get(state.init), self.get(state.next));
            writeln!(f, "{indent}state {name}: {ty} = {init} -> {next}")?;
        }
        for cell in &region.cells {
            let name = cell.bound.map_or(String::new(), |name| format!(" {}", self.get(name)));
            let init = cell.init.map_or(String::new(), |init| format!(" = {}", self.get(init)));
            writeln!(f, "{indent}cell{name}: {}{init}", shaped(cell.ty, &cell.shape))?;
        }
        self.lines(f, &self.func.body(region), depth + 1)?;
        if let Some(going) = region.going {
            writeln!(f, "{indent}while {}", self.get(going))?;
        }
        for (number, cell) in region.cells.iter().enumerate() {
            for update in &cell.updates {
                let word = match update.kind {
                    UpdateKind::Store => "store",
                    UpdateKind::Add => "add",
                };
                let term = self.term(update.value, update.factor, update.guard);
                writeln!(f, "{indent}{word} {number} [{}] {term}", self.list(&update.subscripts))?;
            }
        }
        for reduction in &region.reductions {
            let term = self.term(reduction.value, reduction.factor, reduction.guard);
            writeln!(f, "{indent}reduce {} {term}", reduction.op.name())?;
        }
        writeln!(f, "{outside}}}")
    }

    fn term(&self, value: Val, factor: Option<Val>, guard: Val) -> String {
        let mut term = self.get(value);
        if let Some(factor) = factor {
            term += &format!(" * {}", self.get(factor));
        }
        if self.func.inst(guard) != Inst::Bool(true) {
            term += &format!(" if {}", self.get(guard));
        }
        term
    }
}

/// The shortest text that reads back to the same double; always with a point, an exponent, or a word.
pub fn number(value: f64) -> String {
    if value.is_nan() { "nan".to_owned() } else { format!("{value:?}") }
}
