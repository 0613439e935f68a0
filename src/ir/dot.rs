//! The graph in the language of Graphviz.
//!
//! ```text
//! digraph "f" {
//!   p0 [label="x", shape=box];
//!   v0 [label="exp"];
//!   p0 -> v0;
//!   r0 [label="value", shape=plaintext];
//!   v0 -> r0;
//! }
//! ```
//!
//! Values have the numbers of the text form. A constant is a node of its own wherever it is used, so that two users of the same number
//! don't look related. Where the order of operands matters, edges have their number.

use std::fmt::Write as _;

use super::print::Names;
use super::{Func, Inst, Val};
use crate::ops::Op;

/// The graph as a text for `dot`; it depends on nothing but the graph.
pub fn to_dot(func: &Func) -> String {
    let mut text = format!("digraph {} {{\n  rankdir=LR;\n", quoted(&func.name));
    // Writing to a text never fails.
    _ = lines(func, &mut text);
    text + "}\n"
}

fn lines(func: &Func, text: &mut String) -> std::fmt::Result {
    let names = Names::of(func);
    for (index, param) in func.params.iter().enumerate() {
        writeln!(text, "  p{index} [label={}, shape=box];", quoted(&param.name))?;
    }
    for val in func.vals() {
        let label = match func.inst(val) {
            Inst::Read(_) => "at".to_owned(),
            Inst::Region(_) => "loop".to_owned(),
            Inst::Result(_, number) => format!("result {number}"),
            inst => match inst.op() {
                Some(op) => op.name().to_owned(),
                None => continue,
            },
        };
        let user = node(func, &names, val);
        writeln!(text, "  {user} [label={}];", quoted(&label))?;
        // A loop is drawn with what its body hands to it.
        let operands = func.uses(val);
        let in_order = operands.len() > 1 && !func.inst(val).op().is_some_and(Op::commutes);
        for (slot, &operand) in operands.iter().enumerate() {
            let label = if in_order { format!(" [label=\"{}\"]", slot + 1) } else { String::new() };
            edge(func, &names, text, operand, &user, (slot, &label))?;
        }
    }
    for (index, check) in func.checks.iter().enumerate() {
        let site = node(func, &names, check.site);
        edge(func, &names, text, check.guard, &site, (index, " [label=\"check\", style=dashed]"))?;
    }
    for (index, result) in func.results.iter().enumerate() {
        let name = if result.name.is_empty() { "value" } else { &result.name };
        writeln!(text, "  r{index} [label={}, shape=plaintext];", quoted(name))?;
        edge(func, &names, text, result.value, &format!("r{index}"), (0, ""))?;
    }
    Ok(())
}

/// An edge to a user, with its label; a constant becomes a node before it, numbered among those of its user.
fn edge(
    func: &Func,
    names: &Names,
    text: &mut String,
    from: Val,
    user: &str,
    (number, label): (usize, &str),
) -> std::fmt::Result {
    let has_node = matches!(func.inst(from), Inst::Param(_) | Inst::Read(_) | Inst::Region(_) | Inst::Result(..));
    let is_constant = func.inst(from).op().is_none() && !has_node;
    let from = if is_constant {
        let kind = if label.contains("check") { "g" } else { "c" };
        let name = format!("{user}{kind}{number}");
        writeln!(text, "  {name} [label={}, shape=plaintext];", quoted(&names.get(from)))?;
        name
    } else {
        node(func, names, from)
    };
    writeln!(text, "  {from} -> {user}{label};")
}

/// What a value is called that has a node of its own.
fn node(func: &Func, names: &Names, val: Val) -> String {
    match func.inst(val) {
        Inst::Param(index) => format!("p{index}"),
        _ => names.get(val).replace('%', "v"),
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""))
}
