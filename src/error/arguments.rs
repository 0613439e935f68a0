//! The words of what is wrong with values given by name.

use std::fmt::{self, Display, Formatter};

use super::{Level, Report, Style, join, render, render_plain, shorten};
use crate::program::ArgumentFaults;

impl ArgumentFaults {
    /// All faults in words, those with a place in the text first.
    pub fn render(&self, style: Style) -> String {
        let bare = |message: String| render_plain(&message, &[], Level::Error, style);
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
            texts.push(bare(format!("`{}` is not an argument of the formula{hint}", shorten(name))));
        }
        for name in &self.twice {
            texts.push(bare(format!("`{}` is given twice", shorten(name))));
        }
        for (name, value) in &self.not_whole {
            texts.push(bare(format!("`{}` is an integer, and {value} is none", shorten(name))));
        }
        join(texts.into_iter())
    }
}

impl Display for ArgumentFaults {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        f.write_str(&self.render(Style::Plain))
    }
}
