//! Arguments from JSON: an object of numbers and nested lists by name.
//!
//! A list goes straight into the run of numbers that it is, so ten million of them take no more memory than they must. What is no
//! array is told with its place: `W[1][2]`.

use std::fmt;

use chainrule::Array;
use chainrule::error::shorten;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

/// The arguments in a JSON text.
///
/// # Errors
/// What is wrong with it, with its place, to follow the name of the file.
pub fn read(text: &[u8]) -> Result<Vec<(String, Array)>, String> {
    let mut reader = Reader::default();
    let mut json = serde_json::Deserializer::from_slice(text);
    let read = Arguments(&mut reader).deserialize(&mut json).and_then(|()| json.end());
    match (reader.fault.take(), read) {
        (Some(fault), _) => Err(fault),
        (None, Err(error)) => Err(format!("is no JSON of arguments: {error}")),
        (None, Ok(())) => Ok(reader.arguments),
    }
}

/// The parameters that `fit` has answered or saved, `{"params": {"b1": {"value": 1.5}, "W": [[1, 2]]}}`, by name; `None` if that isn't what it is.
pub fn params(fit: &Value) -> Option<Value> {
    let params = fit.get("params")?.as_object()?;
    let values = params.iter().map(|(name, value)| (name.clone(), value.get("value").unwrap_or(value).clone()));
    Some(Value::Object(values.collect()))
}

#[derive(Default)]
struct Reader {
    arguments: Vec<(String, Array)>,
    fault: Option<String>,
}

/// The object at the top.
struct Arguments<'r>(&'r mut Reader);

impl<'de> DeserializeSeed<'de> for Arguments<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Arguments<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("an object of arguments by name, as in {\"x\": 2, \"W\": [[1, 2], [3, 4]]}")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<String>()? {
            let mut list = List::default();
            let read = map.next_value_seed(Level { list: &mut list, depth: 0 });
            if let Some(fault) = list.fault.take() {
                let path: String = list.path.iter().map(|index| format!("[{index}]")).collect();
                self.0.fault = Some(format!("`{}{path}` {fault}", shorten(&name)));
            }
            read?;
            self.0.arguments.push((name, Array::new(&list.shape(), list.numbers)));
        }
        Ok(())
    }
}

/// An array while it is read.
#[derive(Default)]
struct List {
    numbers: Vec<f64>,
    /// The length of the lists at each depth; of those that are still open it isn't known.
    lengths: Vec<Option<usize>>,
    /// Whether there are numbers at the innermost depth.
    has_numbers: bool,
    /// Where the reader is.
    path: Vec<usize>,
    fault: Option<String>,
}

impl List {
    fn shape(&self) -> Vec<usize> {
        self.lengths.iter().map(|length| length.unwrap_or_default()).collect()
    }

    fn refuse<E: serde::de::Error>(&mut self, fault: impl Into<String>) -> E {
        self.fault = Some(fault.into());
        E::custom("an argument is no array")
    }

    fn number<E: serde::de::Error>(&mut self, depth: usize, number: f64) -> Result<(), E> {
        if depth < self.lengths.len() {
            return Err(self.refuse("is a number where the others are lists"));
        }
        self.has_numbers = true;
        self.numbers.push(number);
        Ok(())
    }
}

/// What stands so deep in the lists of an argument.
struct Level<'l> {
    list: &'l mut List,
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for Level<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Level<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a number or a list of numbers")
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<(), E> {
        self.list.number(self.depth, number)
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<(), E> {
        self.list.number(self.depth, number as f64)
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<(), E> {
        self.list.number(self.depth, number as f64)
    }

    /// The texts that stand for numbers which JSON hasn't, as answers have them.
    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        match text {
            "NaN" => self.list.number(self.depth, f64::NAN),
            "inf" => self.list.number(self.depth, f64::INFINITY),
            "-inf" => self.list.number(self.depth, f64::NEG_INFINITY),
            text => {
                let text = shorten(text);
                Err(self.list.refuse(format!("is the text \"{text}\"; a number or a list is expected")))
            }
        }
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<(), E> {
        Err(self.list.refuse(format!("is `{value}`; a number or a list is expected")))
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        Err(self.list.refuse("is `null`; a number or a list is expected"))
    }

    fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<(), A::Error> {
        Err(self.list.refuse("is an object; a number or a list is expected"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        let Level { list, depth } = self;
        if depth == list.lengths.len() {
            if list.has_numbers {
                return Err(list.refuse("is a list where the others are numbers"));
            }
            list.lengths.push(None);
        }
        let mut length = 0;
        list.path.push(0);
        while elements.next_element_seed(Level { list, depth: depth + 1 })?.is_some() {
            length += 1;
            list.path[depth] = length;
        }
        list.path.pop();
        match list.lengths[depth] {
            Some(expected) if expected != length => {
                let elements = if length == 1 { "1 element".to_owned() } else { format!("{length} elements") };
                Err(list.refuse(format!("has {elements}, and the lists before it have {expected}")))
            }
            _ => {
                list.lengths[depth] = Some(length);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(value: &str) -> Result<Array, String> {
        read(format!("{{\"W\": {value}}}").as_bytes()).map(|mut arguments| arguments.remove(0).1)
    }

    #[test]
    fn lists_are_arrays() {
        let cases: &[(&str, &[usize], &[f64])] = &[
            ("2", &[], &[2.0]),
            ("-0.0", &[], &[-0.0]),
            ("[]", &[0], &[]),
            ("[[], []]", &[2, 0], &[]),
            ("[1, 2.5, -3e2]", &[3], &[1.0, 2.5, -300.0]),
            ("[[1, 2], [3, 4], [5, 6]]", &[3, 2], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]),
            ("[[[1]], [[2]]]", &[2, 1, 1], &[1.0, 2.0]),
            ("[\"inf\", \"-inf\"]", &[2], &[f64::INFINITY, f64::NEG_INFINITY]),
            ("9007199254740993", &[], &[9_007_199_254_740_992.0]),
            ("0.1", &[], &[0.1]),
        ];
        for (text, shape, numbers) in cases {
            assert_eq!(one(text), Ok(Array::new(shape, numbers.to_vec())), "{text}");
        }
    }

    #[test]
    fn what_is_no_array_is_told_with_its_place() {
        let cases = [
            ("[[1, 2], [3]]", "`W[1]` has 1 element, and the lists before it have 2"),
            ("[[1, 2], 3]", "`W[1]` is a number where the others are lists"),
            ("[1, [2]]", "`W[1]` is a list where the others are numbers"),
            ("[[], [[]], 1]", "`W[1]` has 1 element, and the lists before it have 0"),
            ("[[1, 2], [3, \"x\"]]", "`W[1][1]` is the text \"x\"; a number or a list is expected"),
            ("[1, null]", "`W[1]` is `null`; a number or a list is expected"),
            ("true", "`W` is `true`; a number or a list is expected"),
            ("{}", "`W` is an object; a number or a list is expected"),
        ];
        for (text, fault) in cases {
            assert_eq!(one(text), Err(fault.to_owned()), "{text}");
        }
        for text in ["[1", "[1,]", "1e999", "[1] 2"] {
            assert!(one(text).unwrap_err().starts_with("is no JSON of arguments: "), "{text}");
        }
        assert!(read(b"[1]").unwrap_err().contains("an object of arguments by name"));
    }
}
