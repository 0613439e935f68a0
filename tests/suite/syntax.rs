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

/// Each node with the text of its place.
#[test]
fn nodes_know_their_places() {
    let source = "σ = (a + b)*c; -f'(x)[0]^2 + sum[i in 0..n if i > 1](z[i])";
    let (ast, _) = parse(source, &Limits::default()).unwrap();
    let nodes = ast.nodes.iter().map(|node| format!("{:?}: {}\n", node.kind, node.span.text(source)));
    insta::assert_snapshot!(nodes.collect::<String>());
}

#[test]
fn names_are_interned_in_normal_form() {
    let (ast, _) = parse("ﬁ = ℎ + h; fi", &Limits::default()).unwrap();
    assert_eq!(ast.names, ["fi", "h"]);
}
