//! What a fit answers.

use chainrule::Array;
use chainrule::fit::{Fitted, Loss, Parameter, Reason, Squares, Step};
use chainrule::math;
use indicatif::ProgressBar;
use serde_json::{Map, Value, json};

use super::arguments::MethodOption;
use super::saved;
use crate::cli::{json, table};

/// A step on the terminal.
pub fn show(bar: &ProgressBar, step: &Step) {
    let validation = step.validation.map_or_else(String::new, |loss| format!("  held out {loss:.6e}"));
    let rate = step.rate.map_or_else(String::new, |rate| format!("  rate {rate:.2e}"));
    bar.set_message(format!("{}  loss {:.6e}{validation}{rate}", step.iteration, step.loss));
}

/// Of more numbers than these the text shows arrays.
const MOST_ROWS: usize = 100;

pub fn text(fitted: &Fitted) -> String {
    let squares = fitted.squares.as_ref();
    let mut text = if fitted.params.len() > MOST_ROWS { arrays(fitted) } else { rows(fitted) };
    text.push('\n');
    text + &facts(fitted, squares)
}

/// A row for each number.
fn rows(fitted: &Fitted) -> String {
    let has_errors = fitted.params.iter().any(|param| param.stderr.is_some());
    let head = if has_errors { vec!["", "value", "standard error"] } else { vec!["", "value"] };
    let mut rows = vec![head.into_iter().map(str::to_owned).collect()];
    for param in &fitted.params {
        let error = match param {
            Parameter { at_bound: true, .. } => "at its bound".to_owned(),
            Parameter { stderr, .. } => stderr.map_or_else(String::new, significant),
        };
        rows.push(vec![param.name.clone(), table::number(param.value), error]);
    }
    table::columns(&rows)
}

/// The arrays, of which the long ones are shortened.
fn arrays(fitted: &Fitted) -> String {
    let arrays: Vec<(String, Array)> =
        fitted.arguments().filter_map(|(name, ..)| Some((name.to_owned(), fitted.array(name)?))).collect();
    table::lines(arrays.iter().map(|(name, array)| (name.clone(), array)))
}

/// What is known of the fit as a whole.
fn facts(fitted: &Fitted, squares: Option<&Squares>) -> String {
    let mut facts = Vec::new();
    match squares {
        Some(squares) => {
            facts.push(vec!["sum of squares".to_owned(), table::number(squares.rss)]);
            if let Some(deviation) = squares.residual_sd {
                let freedom = squares.degrees_of_freedom;
                facts.push(vec![
                    "residual deviation".to_owned(),
                    format!("{}, {freedom} degrees of freedom", significant(deviation)),
                ]);
            }
            if let Some(r2) = squares.r2 {
                facts.push(vec!["R²".to_owned(), format!("{r2:.8}")]);
            }
        }
        None => {
            let what = match fitted.objective {
                Loss::Squares => "sum of squares",
                Loss::Mean if fitted.rows > 1 => "mean loss",
                Loss::Mean => "loss",
            };
            facts.push(vec![what.to_owned(), table::number(fitted.loss)]);
        }
    }
    if let Some(validation) = fitted.validation {
        facts.push(vec!["mean held out".to_owned(), table::number(validation)]);
    }
    let outcome = match fitted.reason {
        reason if reason.converged() => "converged",
        Reason::Early => "stopped early",
        _ => "NOT CONVERGED",
    };
    facts.push(vec![outcome.to_owned(), format!("{}, {} iterations", fitted.reason, fitted.iterations)]);
    let mut text = table::columns(&facts);
    if let Some(why) = squares.and_then(|squares| without_errors(fitted, squares)) {
        text.push_str(&format!("\nno standard errors: {why}\n"));
    }
    text
}

/// Six digits, which is more than a deviation of a deviation leaves.
fn significant(value: f64) -> String {
    let magnitude = math::log10(value.abs()).floor();
    if (-5.0..7.0).contains(&magnitude) {
        format!("{value:.*}", (5.0 - magnitude).max(0.0) as usize)
    } else {
        format!("{value:.5e}")
    }
}

/// Why there are no standard errors.
fn without_errors(fitted: &Fitted, squares: &Squares) -> Option<String> {
    let names: Vec<String> =
        squares.undetermined.iter().map(|&index| format!("`{}`", fitted.params[index].name)).collect();
    match names.as_slice() {
        _ if squares.covariance.is_some() => None,
        [] => Some("there are no more residuals than parameters".to_owned()),
        [name] => Some(format!("the residuals don't depend on {name} here (the Jacobian is singular)")),
        [names @ .., last] => {
            let names = names.join(", ");
            Some(format!("the data don't determine {names} and {last} apart (the Jacobian is singular)"))
        }
    }
}

pub fn json(fitted: &Fitted, method: MethodOption) -> Map<String, Value> {
    let names: Vec<&str> = fitted.params.iter().map(|param| param.name.as_str()).collect();
    let argument = |(name, shape, params): (&str, &[usize], &[Parameter])| {
        let lists = |of: fn(&Parameter) -> Value| json::nested(shape, &params.iter().map(of).collect::<Vec<_>>());
        let has_errors = params.iter().any(|param| param.stderr.is_some());
        let object = json!({
            "value": lists(|param| json::number(param.value)),
            "stderr": has_errors.then(|| lists(|param| param.stderr.map(json::number).into())),
            "at_bound": lists(|param| param.at_bound.into()),
        });
        (name.to_owned(), object)
    };
    let mut object = json::object([
        ("params", Value::Object(fitted.arguments().map(argument).collect())),
        ("loss", json::number(fitted.loss)),
        ("iterations", json!(fitted.iterations)),
        ("converged", json!(fitted.reason.converged())),
        ("reason", json!(fitted.reason.to_string())),
        ("objective", if fitted.objective == Loss::Squares { "squares" } else { "mean" }.into()),
        ("method", json!(method.name())),
        ("rows", json!(fitted.rows)),
        ("batch_dimension", json!(fitted.batch_dimension)),
        ("evaluations", json!(fitted.evaluations)),
    ]);
    if let Some(validation) = fitted.validation {
        object.insert("validation_loss".to_owned(), json::number(validation));
    }
    if let Some(squares) = &fitted.squares {
        let row = |row: &[f64]| {
            json::named(&names, row.iter().map(|value| (!value.is_nan()).then(|| json::number(*value)).into()))
        };
        let rows = |matrix: &Vec<f64>| json::named(&names, matrix.chunks_exact(names.len()).map(row));
        object.extend(json::object([
            ("rss", json::number(squares.rss)),
            ("residual_sd", squares.residual_sd.map(json::number).into()),
            ("degrees_of_freedom", json!(squares.degrees_of_freedom)),
            ("r2", squares.r2.map(json::number).into()),
            ("covariance", squares.covariance.as_ref().map(rows).into()),
            ("no_stderr_because", without_errors(fitted, squares).into()),
        ]));
    }
    object
}

/// The answer, and where the fit can go on.
pub fn saved(fitted: &Fitted, method: MethodOption) -> Map<String, Value> {
    let mut object = json(fitted, method);
    object.insert("state".to_owned(), saved::state(&fitted.state, method, &fitted.shapes));
    object
}
