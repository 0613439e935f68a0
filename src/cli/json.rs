//! Numbers and lists of them as JSON.
//!
//! A finite number is the shortest text that reads back to the same double; the others are the strings `"NaN"`, `"inf"` and
//! `"-inf"`, which JSON has no numbers for.

use serde_json::{Map, Number, Value};

pub fn number(value: f64) -> Value {
    match Number::from_f64(value) {
        Some(number) => Value::Number(number),
        None => Value::String(super::table::number(value)),
    }
}

/// One result is a number, several are a list.
pub fn results(values: &[f64]) -> Value {
    match values {
        [one] => number(*one),
        several => several.iter().copied().map(number).collect(),
    }
}

/// `{"x": 1.0, …}`
pub fn named(names: &[&str], values: impl IntoIterator<Item = Value>) -> Value {
    Value::Object(names.iter().map(|name| (*name).to_owned()).zip(values).collect())
}

/// An object of these entries, in this order.
pub fn object<const N: usize>(entries: [(&str, Value); N]) -> Map<String, Value> {
    entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}
