//! `chainrule functions`: the functions of the language, from the operator table.

use chainrule::lower::builtin::SPELLINGS;
use chainrule::ops::{OPS, Row, Surface};
use clap::Args;
use serde_json::{Value, json};

use super::answer::Answer;
use super::examples;
use super::fault::Fault;
use super::options::{Format, Output};
use super::table;

/// The functions of the language: arguments, meaning, derivative
///
/// In the derivatives, `a`, `b`, `c` are the arguments, `y` is the value and `g` the derivative of the argument.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Functions {
    /// Only these
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    #[command(flatten)]
    output: Output,
}

const EXAMPLES: &str = examples!("functions", "functions tanh atan2", "functions --format json");

impl Functions {
    pub fn run(&self) -> Result<Answer, Fault> {
        let mut entries: Vec<Entry> = OPS.iter().filter_map(Entry::of).collect();
        for name in &self.names {
            if !entries.iter().any(|entry| entry.is_called(name)) {
                let known = entries.iter().map(|entry| entry.name);
                let nearest = chainrule::error::nearest(name, known);
                let help = nearest
                    .map_or("`chainrule functions` lists all".to_owned(), |name| format!("did you mean `{name}`?"));
                return Err(Fault::usage(format!("there is no function `{}`", chainrule::error::shorten(name)), help));
            }
        }
        entries.retain(|entry| self.names.is_empty() || self.names.iter().any(|name| entry.is_called(name)));
        let text = match self.output.format {
            Format::Text => text(&entries),
            Format::Json => {
                format!("{}\n", json!({ "functions": entries.iter().map(Entry::json).collect::<Vec<_>>() }))
            }
        };
        Ok(Answer { text, ..Answer::default() })
    }
}

/// A row of the table as the user meets it.
struct Entry {
    name: &'static str,
    row: &'static Row,
}

impl Entry {
    fn of(row: &'static Row) -> Option<Entry> {
        // Some rows are met under another name; their documentation says so.
        let name = match row.name {
            "div_floor" => "div",
            "log_base" => "log",
            name if row.surface == Surface::Function => name,
            _ => return None,
        };
        Some(Entry { name, row })
    }

    fn is_called(&self, name: &str) -> bool {
        self.name == name || self.spellings().any(|other| other == name)
    }

    fn spellings(&self) -> impl Iterator<Item = &'static str> {
        let own = match self.name {
            "abs" => Some("fabs"),
            "ln" => Some("log"),
            _ => None,
        };
        let name = self.name;
        own.into_iter().chain(SPELLINGS.iter().filter(move |(_, printed)| *printed == name).map(|(other, _)| *other))
    }

    fn arguments(&self) -> Vec<&'static str> {
        let names = ["a", "b", "c"];
        let more = matches!(self.name, "min" | "max").then_some("…");
        names.iter().copied().take(self.row.args.len()).chain(more).collect()
    }

    /// The derivative by each argument, as the table has it.
    fn derivatives(&self) -> Vec<&'static str> {
        self.row.rule.iter().map(|rule| if rule.is_empty() { "0" } else { *rule }).collect()
    }

    fn json(&self) -> Value {
        json!({
            "name": self.name,
            "arguments": self.arguments(),
            "meaning": self.row.doc,
            "derivative": self.derivatives(),
            "spellings": self.spellings().collect::<Vec<_>>(),
        })
    }
}

fn text(entries: &[Entry]) -> String {
    let mut rows = Vec::new();
    for entry in entries {
        let arguments = entry.arguments();
        rows.push(vec![format!("{}({})", entry.name, arguments.join(", ")), entry.row.doc.to_owned()]);
        for (argument, rule) in arguments.iter().zip(entry.derivatives()) {
            rows.push(vec![String::new(), format!("d/d{argument}: {rule}")]);
        }
        let spellings: Vec<&str> = entry.spellings().collect();
        if !spellings.is_empty() {
            rows.push(vec![String::new(), format!("also {}", spellings.join(", "))]);
        }
    }
    table::columns(&rows)
}
