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
//! Values are numbered as they are printed; arguments keep the user's names; a constant stands where it is used, as
//! the shortest text that reads back to the same bits. Nothing about the host, spans or allocation is in it.

use std::fmt::{self, Display, Formatter, Write as _};

use super::{Func, Inst, Val};

/// The version of the text form, in its first line. It changes when a file of the old form would read differently.
pub const VERSION: u32 = 1;

impl Display for Func {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        writeln!(f, "chainrule-ir {VERSION}")?;
        write!(f, "func @{}(", self.name)?;
        for (index, param) in self.params.iter().enumerate() {
            let comma = if index > 0 { ", " } else { "" };
            write!(f, "{comma}%{}: {}", param.name, param.ty.name())?;
        }
        write!(f, ") -> ")?;
        match self.results.as_slice() {
            [one] if one.name.is_empty() => write!(f, "{}", self.ty(one.value).name())?,
            many => {
                write!(f, "(")?;
                for (index, result) in many.iter().enumerate() {
                    let comma = if index > 0 { ", " } else { "" };
                    write!(f, "{comma}{}: {}", result.name, self.ty(result.value).name())?;
                }
                write!(f, ")")?;
            }
        }
        writeln!(f, " {{")?;
        let names = Names::of(self);
        let mut line = String::new();
        for val in self.vals() {
            let Some(op) = self.inst(val).op() else { continue };
            line.clear();
            write!(line, "  {} = {}", names.get(self, val), op.name())?;
            for (index, &operand) in self.operands(val).iter().enumerate() {
                let comma = if index > 0 { ", " } else { " " };
                write!(line, "{comma}{}", names.get(self, operand))?;
            }
            writeln!(f, "{line}")?;
        }
        for check in &self.checks {
            writeln!(f, "  check {} if {}", names.get(self, check.site), names.get(self, check.guard))?;
        }
        write!(f, "  return")?;
        for (index, result) in self.results.iter().enumerate() {
            let comma = if index > 0 { ", " } else { " " };
            write!(f, "{comma}{}", names.get(self, result.value))?;
        }
        writeln!(f, "\n}}")
    }
}

/// What each value is called.
pub(super) struct Names {
    number: Vec<u32>,
}

impl Names {
    pub(super) fn of(func: &Func) -> Names {
        let mut next = 0;
        let number = func
            .insts()
            .iter()
            .map(|inst| {
                let number = next;
                next += u32::from(inst.op().is_some());
                number
            })
            .collect();
        Names { number }
    }

    pub(super) fn get(&self, func: &Func, val: Val) -> String {
        match func.inst(val) {
            Inst::Param(index) => format!("%{}", func.params[index as usize].name),
            Inst::Opaque(index) => format!("?{index}"),
            Inst::F64(bits) => number(bits.value()),
            Inst::Int(value) => value.to_string(),
            Inst::Bool(value) => value.to_string(),
            Inst::Unary(..) | Inst::Binary(..) | Inst::Ternary(..) | Inst::Nary(..) => {
                format!("%{}", self.number[val.index()])
            }
        }
    }
}

/// The shortest text that reads back to the same double; always with a point, an exponent, or a word.
pub fn number(value: f64) -> String {
    if value.is_nan() { "nan".to_owned() } else { format!("{value:?}") }
}
