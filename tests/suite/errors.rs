//! Every bad text in `tests/errors` gets the message in its snapshot.

use chainrule::error::FormulaError;
use chainrule::syntax::{Limits, parse};

pub fn message(source: &str) -> String {
    match parse(source, &Limits::default()) {
        Ok((ast, _)) => format!("this parses:\n{ast}"),
        Err(problems) => FormulaError::new("formula", source, problems).to_string(),
    }
}

#[test]
fn messages_are_as_agreed() {
    insta::glob!("../errors", "*.txt", |path| {
        let source = std::fs::read_to_string(path).unwrap();
        insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!(message(&source));
        });
    });
}
