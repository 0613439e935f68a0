//! Every program in `tests/formulas` parses to the tree in its snapshot.

use chainrule::syntax::{Limits, parse};

#[test]
fn programs_parse_as_agreed() {
    insta::glob!("../formulas", "*.txt", |path| {
        let source = std::fs::read_to_string(path).unwrap();
        let text = match parse(&source, &Limits::default()) {
            Ok((ast, _)) => ast.to_string(),
            Err(_) => super::errors::message(&source),
        };
        insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!(text);
        });
    });
}
