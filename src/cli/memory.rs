//! What the memory of a call is for, in words.

use chainrule::span::line_column;
use chainrule::{Compiled, Kind, Memory, Program, Purpose};
use serde_json::{Value, json};

use super::table;

/// So much of an expression is shown.
const WIDEST: usize = 50;

/// The peak, and what makes it up.
pub fn text<K: Kind>(program: &Program, compiled: &Compiled<K>) -> String {
    let peak = format!("{} bytes at the peak, beside arguments and results\n", compiled.workspace_bytes());
    peak + &lines(program, &compiled.memory())
}

/// A line for each of these.
pub fn lines(program: &Program, memory: &[Memory]) -> String {
    let row = |memory: &Memory| {
        let (line, column) = line_column(program.source(), memory.at.start);
        let words: Vec<&str> = memory.at.text(program.source()).split_whitespace().collect();
        let all = words.join(" ");
        let shown: String = all.chars().take(WIDEST).collect();
        let rest = if shown.len() < all.len() { "…" } else { "" };
        let grows = match memory.purpose {
            Purpose::Trajectory { grows: true } => ", as far as turns are made",
            _ => "",
        };
        let what = format!("{}{grows}", purpose(memory));
        vec![format!("  {}", memory.bytes), what, format!("{line}:{column}"), format!("{shown}{rest}")]
    };
    table::columns(&memory.iter().map(row).collect::<Vec<_>>())
}

pub fn json(program: &Program, memory: &[Memory]) -> Value {
    let entry = |memory: &Memory| {
        let (line, column) = line_column(program.source(), memory.at.start);
        let grows = matches!(memory.purpose, Purpose::Trajectory { grows: true });
        json!({"bytes": memory.bytes, "for": purpose(memory), "line": line, "column": column, "grows": grows})
    };
    memory.iter().map(entry).collect()
}

fn purpose(memory: &Memory) -> &'static str {
    match memory.purpose {
        Purpose::Trajectory { .. } => "trajectory",
        Purpose::Array => "array",
        Purpose::Scratch => "scratch",
    }
}
