//! The words of what is wrong with values given by name.

use std::fmt::{self, Display, Formatter};

use super::{Level, Report, Style, render, shorten};
use crate::program::ArgumentFaults;

impl ArgumentFaults {
    /// All faults in words, those with a place in the text first.
    pub fn render(&self, style: Style) -> String {
        let mut texts = Vec::new();
        for (name, at) in &self.missing {
            let help = match name.as_str() {
                "e" => "for Euler's number write `exp(1)`, or give `e` a value".to_owned(),
                name => format!("give it one, as in `{}=1.5`", shorten(name)),
            };
            let report = Report {
                message: format!("`{}` has no value", shorten(name)),
                at: *at,
                label: "first used here".to_owned(),
                other: None,
                help: vec![help],
            };
            texts.push(render(&report, Level::Error, &self.source, &self.source_name, style));
        }
        for (name, nearest) in &self.unknown {
            let hint = nearest.as_ref().map_or_else(String::new, |nearest| format!("; did you mean `{nearest}`?"));
            texts.push(format!("error: `{}` is not an argument of the formula{hint}", shorten(name)));
        }
        for name in &self.twice {
            texts.push(format!("error: `{}` is given twice", shorten(name)));
        }
        for (name, value) in &self.not_whole {
            texts.push(format!("error: `{}` is an integer, and {value} is none", shorten(name)));
        }
        texts.join("\n\n")
    }
}

impl Display for ArgumentFaults {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        f.write_str(&self.render(Style::Plain))
    }
}
