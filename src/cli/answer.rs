//! What a command answers, complete before anything is printed.

use chainrule::Program;
use chainrule::error::Style;
use serde_json::Value;

use super::options::Format;

#[derive(Default)]
pub struct Answer {
    /// For the standard output.
    pub text: String,
    /// Warnings and remarks, for the standard error.
    pub remarks: Vec<String>,
    /// A check that says no.
    pub refused: bool,
}

impl Answer {
    /// The answer about a program at a point, in the form that was asked for. Only that form is made.
    pub fn about(
        program: &Program,
        format: Format,
        text: impl FnOnce() -> String,
        json: impl FnOnce() -> Value,
    ) -> Answer {
        Answer::plain(program, format, || text() + &sizes(program), json)
    }

    /// An answer without the sizes of the program.
    pub fn plain(
        program: &Program,
        format: Format,
        text: impl FnOnce() -> String,
        json: impl FnOnce() -> Value,
    ) -> Answer {
        let text = match format {
            Format::Text => text(),
            Format::Json => format!("{}\n", json()),
        };
        let warnings = program.render_warnings(Style::Colour);
        let remarks = if warnings.is_empty() { Vec::new() } else { vec![warnings] };
        Answer { text, remarks, refused: false }
    }

    /// With a remark, if there is one.
    pub fn and(mut self, remark: Option<String>) -> Answer {
        self.remarks.extend(remark);
        self
    }
}

/// The sizes of a program in a line, if it has any.
fn sizes(program: &Program) -> String {
    let sizes = program.sizes().iter().filter_map(|(name, size)| size.map(|size| format!("{name} = {size}")));
    let sizes: Vec<String> = sizes.collect();
    if sizes.is_empty() { String::new() } else { format!("\nsizes: {}\n", sizes.join(", ")) }
}
