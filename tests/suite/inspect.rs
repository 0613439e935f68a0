//! The kinks that a point hits, and where a NaN or an infinity is born, in the words of the text.

use chainrule::Program;
use chainrule::inspect::{birth, kinks};

fn kinks_of(text: &str, x: &[f64]) -> Vec<String> {
    let program = Program::parse(text).unwrap_or_else(|error| panic!("{error}"));
    let place = |kink: chainrule::inspect::Kink| text[kink.at.start as usize..kink.at.end as usize].to_owned();
    kinks(program.graph(), x).into_iter().map(place).collect()
}

#[test]
fn kinks_are_found_where_they_matter() {
    assert_eq!(kinks_of("abs(x) + max(x, y)", &[0.0, 0.0]), ["abs(x)", "max(x, y)"]);
    assert_eq!(kinks_of("abs(x) + max(x, y)", &[0.0, 1.0]), ["abs(x)"]);
    assert_eq!(kinks_of("max(x, y, z)", &[1.0, 2.0, 2.0]), ["max(x, y, z)"]);
    assert_eq!(kinks_of("max(x, y, z)", &[1.0, 1.0, 2.0]), [""; 0]);
    assert_eq!(kinks_of("relu(x) + hypot(x, y) + clamp(x, 0, 1)", &[0.0, 0.0]).len(), 3);
    assert_eq!(kinks_of("if(x > 1, abs(y), y)", &[0.0, 0.0]), [""; 0]);
    assert_eq!(kinks_of("if(x > 1, abs(y), y)", &[1.0, 3.0]), ["x > 1"]);
    assert_eq!(kinks_of("floor(x) + round(x)", &[2.5]), ["round(x)"]);
    assert_eq!(kinks_of("f(t) = abs(t - 1); f(x)*f(y)", &[1.0, 2.0]), ["abs(t - 1)"]);
}

/// The place in the text where a result of the gradient turned NaN or infinite, and the operands there.
fn birth_of(text: &str, x: &[f64], result: usize) -> Option<(String, Vec<f64>)> {
    let program = Program::parse(text).unwrap_or_else(|error| panic!("{error}"));
    let gradient = program.gradient().graph().expect("a gradient");
    birth(&gradient, x, result)
        .map(|birth| (text[birth.at.start as usize..birth.at.end as usize].to_owned(), birth.operands))
}

#[test]
fn births_are_found_in_values_and_derivatives() {
    let born = |text: &str, x: &[f64]| birth_of(text, x, 0).map(|(place, _)| place);
    assert_eq!(born("exp(x) + ln(y)*z", &[1.0, -1.0, 2.0]).as_deref(), Some("ln(y)"));
    assert_eq!(born("sin(1/x)", &[0.0]).as_deref(), Some("sin(1/x)"));
    assert_eq!(born("exp(x) - exp(y)", &[1000.0, 1.0]).as_deref(), Some("exp(x)"));
    assert_eq!(born("exp(x) - exp(y)", &[1.0, 1.0]), None);
    assert_eq!(born("if(x > 0, ln(x), 1)*y", &[-1.0, 2.0]), None);
    // Finite itself, with a slope that isn't.
    let slope = birth_of("1 + sqrt(x)", &[0.0], 1).map(|(place, _)| place);
    assert_eq!(slope.as_deref(), Some("sqrt(x)"));
}
