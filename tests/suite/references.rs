//! The references computed with mpmath; `tests/references/generate.py` says what the files contain and how they were made.

use serde_json::Value;

pub const FUNCTIONS: &str = include_str!("../references/functions.jsonl");
pub const SPECIAL: &str = include_str!("../references/special.jsonl");
pub const KNOWN: &str = include_str!("../references/known.jsonl");

/// A line of the reference files: a function at a point.
pub struct Reference {
    pub function: String,
    pub x: Vec<f64>,
    pub partials: Vec<Partial>,
}

/// A partial derivative; the value is the one by nothing.
pub struct Partial {
    /// The positions of the arguments it is taken by.
    pub by: Vec<usize>,
    pub expected: f64,
    /// What a relative error of the arguments does to it.
    pub condition: f64,
}

impl Reference {
    pub fn parse(line: &str) -> Reference {
        let fields: Value = serde_json::from_str(line).expect("a reference is a line of JSON");
        let partial = |(by, expected): (&String, &Value)| Partial {
            by: by.bytes().map(|digit| usize::from(digit - b'0')).collect(),
            expected: number(expected),
            condition: fields.get("c").map_or(0.0, |conditions| number(&conditions[by])),
        };
        Reference {
            function: fields["f"].as_str().expect("a name").to_owned(),
            x: fields["x"].as_array().expect("arguments").iter().map(number).collect(),
            partials: fields["d"].as_object().expect("derivatives").iter().map(partial).collect(),
        }
    }

    /// The value, which every line has.
    pub fn value(&self) -> &Partial {
        self.partials.iter().find(|partial| partial.by.is_empty()).expect("a value")
    }
}

impl Partial {
    /// In units of 2^-53·(|value| + condition). Below the normal numbers a place of the result is the unit.
    pub fn error_in_units(&self, computed: f64) -> f64 {
        if computed == self.expected || (computed.is_nan() && self.expected.is_nan()) {
            return 0.0;
        }
        // Scaled first, so that the difference of large numbers stays finite and the unit of small ones is normal.
        let scale = if self.expected.abs() < 1.0 { 2f64.powi(500) } else { 2f64.powi(-60) };
        let unit = f64::EPSILON / 2.0 * (self.expected.abs() * scale + self.condition * scale);
        let place = f64::from_bits(1) * scale;
        (computed * scale - self.expected * scale).abs() / unit.max(place)
    }
}

fn number(value: &Value) -> f64 {
    value.as_str().expect("numbers are written as text").parse().expect("a number")
}
