//! Every bad text in `tests/errors` gets the message in its snapshot.

use chainrule::Program;
use chainrule::error::{FormulaError, Problem, Style, nearest, render_warnings};
use chainrule::lower::Binding;
use chainrule::syntax::{Limits, parse, source_from_bytes};

pub fn message(source: &str) -> String {
    match (parse(source, &Limits::default()), Program::parse(source)) {
        (Err(problems), _) => FormulaError::new("formula", source, problems).to_string(),
        (Ok(_), Err(error)) => error.to_string(),
        (Ok((ast, _)), Ok(program)) => match program.bind(&Binding::default()) {
            Err(error) => error.to_string(),
            Ok(_) => format!("this parses:\n{ast}"),
        },
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

#[test]
fn bytes_that_are_not_utf8_are_placed() {
    let error = source_from_bytes(b"a = 1\nb = \xff2\nc = 3", "model.txt").unwrap_err();
    insta::assert_snapshot!(error, @r"
    error: the text is not UTF-8
     --> model.txt:2:5
      |
    2 | b = �2
      |     ^ byte 0xFF here
      |
      = help: save the file with the encoding UTF-8
    ");
    assert_eq!(source_from_bytes("σ".as_bytes(), "model.txt").ok(), Some("σ"));
}

#[test]
fn names_that_read_alike_get_a_warning() {
    let warnings = |source: &str| {
        let (_, warnings) = parse(source, &Limits::default()).unwrap();
        render_warnings(&warnings, source, "formula", Style::Plain)
    };
    insta::assert_snapshot!(warnings("ab = 1\nаb = 2\nab + аb"), @r"
    warning: `аb` reads like `ab` and is another name
     --> formula:2:1
      |
    1 | ab = 1
      | -- the name it reads like
    2 | аb = 2
      | ^^ made of other letters
    ");
    // Capital alpha and A.
    assert!(warnings("Α + A").contains("reads like"));
    // Mathematics tells these apart.
    assert_eq!(warnings("γ + y + ν + v + σ + o + ρ + p + α + a + l1 + ll"), "");
}

#[test]
fn colours_are_optional() {
    let error = FormulaError::new("formula", "2x", parse("2x", &Limits::default()).unwrap_err());
    assert!(!error.to_string().contains('\u{1b}'));
    assert!(error.render(Style::Colour).contains('\u{1b}'));
}

#[test]
fn limits_are_the_callers() {
    let limits = Limits { depth: 2, bytes: 12, problems: 1, ..Limits::default() };
    let problem = |source: &str| parse(source, &limits).unwrap_err()[0].clone();
    assert!(parse("((x))", &limits).is_ok());
    assert!(matches!(problem("(((x)))"), Problem::TooDeep { limit: 2, .. }));
    assert!(matches!(problem("xxxxxxxxxxxxx"), Problem::TooLong { bytes: 13, limit: 12 }));
    assert_eq!(parse("2x\n3x\n4x", &limits).unwrap_err().len(), 1);
}

#[test]
fn the_nearest_name_is_near() {
    let names = ["sin", "sinh", "alpha", "x"];
    assert_eq!(nearest("sinn", names), Some("sin"));
    assert_eq!(nearest("alhpa", names), Some("alpha"));
    assert_eq!(nearest("beta", names), None);
    assert_eq!(nearest("y", names), None);
}
