//! Programs as a stranger would write them, `tests/programs`, against references from outside: values and derivatives, by every mode and
//! back end. `tests/references/programs.py` says how the references were made.

use chainrule::{Array, Backend, Mode, Program};
use serde_json::Value;

const REFERENCES: &str = include_str!("../references/programs.jsonl");

/// A program by its name.
pub fn text(name: &str) -> String {
    let path = format!("{}/tests/programs/{name}.txt", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn array(value: &Value) -> Array {
    let Value::Array(rows) = value else { return Array::from(value.as_f64().expect("a number")) };
    let rows: Vec<Array> = rows.iter().map(array).collect();
    let inner = rows.first().map(|row| row.shape.clone()).unwrap_or_default();
    let shape: Vec<usize> = [rows.len()].into_iter().chain(inner).collect();
    Array::new(&shape, rows.into_iter().flat_map(|row| row.data).collect())
}

fn parsed() -> impl Iterator<Item = (String, Value, Vec<(String, Array)>)> {
    REFERENCES.lines().map(|line| {
        let reference: Value = serde_json::from_str(line).expect("a line of JSON");
        let name = reference["name"].as_str().expect("a name").to_owned();
        let args = reference["args"].as_object().expect("arguments");
        let args = args.iter().map(|(name, value)| (name.clone(), array(value))).collect();
        (name, reference, args)
    })
}

/// The names of the programs, and arguments for each.
pub fn references() -> impl Iterator<Item = (String, Vec<(String, Array)>)> {
    parsed().map(|(name, _, args)| (name, args))
}

#[track_caller]
fn assert_close(computed: &[f64], expected: &[f64], what: &str) {
    assert_eq!(computed.len(), expected.len(), "{what}");
    let scale = expected.iter().fold(1e-6, |scale: f64, number| scale.max(number.abs()));
    for (place, (computed, expected)) in computed.iter().zip(expected).enumerate() {
        assert!((computed - expected).abs() <= 1e-11 * scale, "{what}[{place}] is {computed}, not {expected}");
    }
}

#[test]
fn programs_have_the_values_and_derivatives_of_their_references() {
    for (name, reference, args) in parsed() {
        let program = Program::parse(&text(&name)).unwrap_or_else(|error| panic!("{name}\n{error}"));
        let slopes = reference["slopes"].as_object().expect("slopes");
        for (mode, backend) in [Mode::Forward, Mode::Reverse]
            .into_iter()
            .flat_map(|mode| [Backend::Interpreter, Backend::Auto].map(|backend| (mode, backend)))
        {
            let request = program.jacobian().wrt(slopes.keys().map(String::as_str)).mode(mode).backend(backend);
            let call = request.by_name().with_all(args.iter().map(|(name, array)| (name.as_str(), array)));
            let answer = call.run().unwrap_or_else(|error| panic!("{name}\n{error}"));
            let is_slope = |of: &str, by: &str| of == format!("d_{by}") || of.ends_with(&format!("_d_{by}"));
            let part = |by: Option<&str>| -> Vec<f64> {
                let wanted = |of: &str| match by {
                    Some(by) => is_slope(of, by),
                    None => !slopes.keys().any(|by| is_slope(of, by)),
                };
                answer.iter().filter(|(of, _)| wanted(of)).flat_map(|(_, array)| array.data.clone()).collect()
            };
            let what = format!("{name}, {mode:?} {backend:?}: ");
            assert_close(&part(None), &array(&reference["value"]).data, &format!("{what}value"));
            for (by, expected) in slopes {
                assert_close(&part(Some(by)), &array(expected).data, &format!("{what}d_{by}"));
            }
        }
    }
}
