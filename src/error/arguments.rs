//! The words of what is wrong with values given by name.

use std::fmt::{self, Display, Formatter};

use super::reports::report;
use super::{Level, Report, Style, join, render, render_plain, shape_text, shorten};
use crate::program::{ArgumentFaults, Misfit};

impl ArgumentFaults {
    /// All faults in words, those with a place in the text first.
    pub fn render(&self, style: Style) -> String {
        let bare = |message: String| render_plain(&message, &[], Level::Error, style);
        let placed = |report: Report| render(&report, Level::Error, &self.source, &self.source_name, style);
        let mut texts = Vec::new();
        for argument in &self.missing {
            let help = match (argument.name.as_str(), argument.extents.len()) {
                ("e", 0) => "for Euler's number write `exp(1)`, or give `e` a value".to_owned(),
                (name, 0) => format!("give it one, as in `{}=1.5`", shorten(name)),
                (_, rank) => format!("it is an array of {}: `{}`", axes(rank), shorten(&argument.declaration())),
            };
            let (name, at) = (&argument.name, &argument.at);
            texts.push(placed(report(format!("`{}` has no value", shorten(name)), *at, "first used here").help(help)));
        }
        for (name, at, misfit) in &self.misfits {
            let message = format!("`{}` {}", shorten(name), misfit.words());
            match at {
                Some(at) => texts.push(placed(report(message, *at, "used so here"))),
                None => texts.push(bare(message)),
            }
        }
        let not_known = [
            (&self.unknown, "an argument of the formula"),
            (&self.unknown_seeds, "something that has a direction or a weight here"),
            (&self.unknown_sizes, "a size of the formula"),
        ];
        for (names, what) in not_known {
            for (name, nearest) in names {
                let hint = nearest.as_ref().map_or_else(String::new, |nearest| format!("; did you mean `{nearest}`?"));
                texts.push(bare(format!("`{}` is not {what}{hint}", shorten(name))));
            }
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

impl Misfit {
    /// What is wrong, to follow the name.
    fn words(&self) -> String {
        match self {
            Misfit::Rank { expected, found } => match (expected.as_slice(), found.as_slice()) {
                ([], found) => format!("is a number in the formula, and an array of {} is given", shape_text(found)),
                (expected, []) => {
                    format!("is an array of {} in the formula, and a number is given", axes(expected.len()))
                }
                (expected, found) => {
                    format!(
                        "has {} in the formula, and {} are given: {}",
                        axes(expected.len()),
                        found.len(),
                        shape_text(found)
                    )
                }
            },
            Misfit::Shape { expected, found } => match (expected.as_slice(), found.as_slice()) {
                ([], found) => format!("must be a number, and an array of {} is given", shape_text(found)),
                (expected, []) => format!("must be an array of {}, and a number is given", shape_text(expected)),
                (expected, found) => format!("must be {}, and {} is given", shape_text(expected), shape_text(found)),
            },
            Misfit::Memory { shape, numbers } => {
                format!("is given as an array of {} that doesn't fit its {numbers} numbers", shape_text(shape))
            }
        }
    }
}

fn axes(count: usize) -> String {
    if count == 1 { "1 dimension".to_owned() } else { format!("{count} dimensions") }
}

impl Display for ArgumentFaults {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        f.write_str(&self.render(Style::Plain))
    }
}
