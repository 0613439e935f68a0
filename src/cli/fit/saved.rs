//! Parameters in files.

use std::io::Write;
use std::path::Path;

use chainrule::Array;
use chainrule::data::{self, whole::Whole};
use chainrule::fit::State;
use serde_json::{Map, Value, json};

use super::arguments::MethodOption;
use crate::cli::fault::Fault;
use crate::cli::{json, nested};

/// What a file holds.
#[derive(Default)]
pub struct Saved {
    pub params: Vec<(String, Array)>,
    pub state: Option<SavedState>,
}

/// Where a descent can go on, and of which method.
#[derive(Clone)]
pub struct SavedState {
    method: String,
    state: State,
}

impl SavedState {
    pub fn for_method(self, method: MethodOption) -> Result<State, Fault> {
        if self.method == method.name() {
            return Ok(self.state);
        }
        let message = format!("the file was saved by `--method {}`", self.method);
        Err(Fault::usage(message, "go on with that method, or take only its parameters by `--params`"))
    }
}

impl Saved {
    /// Reads `{"params": {"b1": {"value": 1.5}}}`, `{"params": {"b1": 1.5}}` or `{"b1": 1.5}`, with
    /// nested lists for arrays.
    pub fn read(path: &Path) -> Result<Saved, Fault> {
        let wrong = |what: String| {
            let help = r#"parameters are written {"params": {"b1": 1.5}}, as `--save` and `--format json` do"#;
            Fault::usage(format!("`{}`: {what}", path.display()), help)
        };
        let text = std::fs::read_to_string(path).map_err(|error| data::Error::Io {
            path: path.to_owned(),
            doing: "read",
            error,
        })?;
        let value: Value = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        let params = nested::params(&value).or_else(|| nested::params(&json!({ "params": &value })));
        let params = params.ok_or_else(|| wrong("no object of parameters".to_owned()))?;
        let params = nested::read(params.to_string().as_bytes()).map_err(wrong)?;
        let names: Vec<&str> = params.iter().map(|(name, _)| name.as_str()).collect();
        let state = match value.get("state") {
            Some(state) => {
                let best: Vec<f64> = params.iter().flat_map(|(_, array)| &array.data).copied().collect();
                Some(read_state(state, &names, best).ok_or_else(|| wrong("the state can't be understood".to_owned()))?)
            }
            None => None,
        };
        Ok(Saved { params, state })
    }
}

/// Numbers and nested lists by name as arrays.
fn arrays(object: Map<String, Value>) -> Result<Vec<(String, Array)>, String> {
    nested::read(Value::Object(object).to_string().as_bytes())
}

/// A state; the best parameters are those that the fit answered.
fn read_state(state: &Value, names: &[&str], best: Vec<f64>) -> Option<SavedState> {
    let count = |key: &str| usize::try_from(state.get(key)?.as_u64()?).ok();
    let list = |key: &str| {
        let list = arrays(state.get(key)?.as_object()?.clone()).ok()?;
        let own = |name: &&str| list.iter().find(|(known, _)| known == name).map(|(_, array)| array.data.as_slice());
        Some(names.iter().map(own).collect::<Option<Vec<&[f64]>>>()?.concat())
    };
    Some(SavedState {
        method: state.get("method")?.as_str()?.to_owned(),
        state: State {
            epoch: count("epoch")?,
            steps: count("steps")?,
            params: list("params")?,
            first: list("first")?,
            second: list("second")?,
            best,
            best_epoch: count("best_epoch")?,
        },
    })
}

/// A state as JSON.
pub fn state(state: &State, method: MethodOption, shapes: &[(String, Vec<usize>)]) -> Value {
    let list = |values: &[f64]| {
        let mut rest = values;
        let array = |(name, shape): &(String, Vec<usize>)| {
            let (own, others) = rest.split_at(shape.iter().product());
            rest = others;
            (name.clone(), json::array(&Array::new(shape, own.to_vec())))
        };
        Value::Object(shapes.iter().map(array).collect())
    };
    json!({
        "method": method.name(),
        "epoch": state.epoch,
        "steps": state.steps,
        "best_epoch": state.best_epoch,
        "params": list(&state.params),
        "first": list(&state.first),
        "second": list(&state.second),
    })
}

/// Writes a file that appears whole or not at all.
pub fn write(mut file: Whole, content: Map<String, Value>) -> Result<(), Fault> {
    let text = format!("{:#}\n", Value::Object(content));
    if let Err(error) = file.write_all(text.as_bytes()) {
        return Err(data::Error::Io { path: file.path().to_owned(), doing: "written", error }.into());
    }
    Ok(file.finish()?)
}

pub fn without_state(path: &Path) -> Fault {
    let message = format!("`{}` has parameters, but not where a fit ended", path.display());
    Fault::usage(message, "`--save` writes both; `--params` takes parameters alone as a start")
}
