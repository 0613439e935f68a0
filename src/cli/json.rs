//! Numbers and lists of them as JSON.
//!
//! A finite number is the shortest text that reads back to the same double; the others are the strings `"NaN"`, `"inf"` and
//! `"-inf"`, which JSON has no numbers for.

use chainrule::Array;
use serde_json::{Map, Number, Value};

pub fn number(value: f64) -> Value {
    match Number::from_f64(value) {
        Some(number) => Value::Number(number),
        None => Value::String(super::table::number(value)),
    }
}

/// An array as nested lists, a number as itself.
pub fn array(array: &Array) -> Value {
    lists(&array.shape, &array.data, &|value| number(*value))
}

/// Values as the elements of an array of these extents.
pub fn nested(shape: &[usize], values: &[Value]) -> Value {
    lists(shape, values, &Value::clone)
}

fn lists<T>(shape: &[usize], data: &[T], value: &impl Fn(&T) -> Value) -> Value {
    match shape {
        [] => data.first().map_or(Value::Null, value),
        [_] => data.iter().map(value).collect(),
        [extent, inner @ ..] => {
            let len: usize = inner.iter().product();
            (0..*extent).map(|index| lists(inner, &data[index * len..(index + 1) * len], value)).collect()
        }
    }
}

/// One result is itself, several are a list.
pub fn results<'a>(arrays: impl ExactSizeIterator<Item = &'a Array>) -> Value {
    let is_one = arrays.len() == 1;
    let mut values = arrays.map(array);
    if is_one { values.next().unwrap_or_default() } else { values.collect() }
}

/// One number is itself, several are a list.
pub fn numbers(values: &[f64]) -> Value {
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
