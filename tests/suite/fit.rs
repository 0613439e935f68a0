//! Fits against certified values, closed forms and other ways to the same minimum.

use chainrule::Program;
use chainrule::fit::{Fit, Fitted, Loss, Method, Reason, Schedule, Settings};
use serde_json::Value;

/// A set of NIST's Statistical Reference Datasets for nonlinear regression.
struct Reference(Value);

impl Reference {
    /// All 27 sets, whose figures are in the public domain.
    fn all() -> Vec<Reference> {
        let lines = include_str!("../data/nist.jsonl").lines();
        lines.map(|line| Reference(serde_json::from_str(line).unwrap())).collect()
    }

    fn name(&self) -> &str {
        self.0["name"].as_str().unwrap()
    }

    fn program(&self) -> Program {
        let params: Vec<&String> = self.0["certified"].as_object().unwrap().keys().collect();
        let params = params.into_iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        let data: Vec<&String> = self.0["data"].as_object().unwrap().keys().collect();
        let data = data.into_iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        let (response, model) = (self.0["response"].as_str().unwrap(), self.0["model"].as_str().unwrap());
        Program::parse(&format!("param {params}; data {data}; {response} - ({model})")).unwrap()
    }

    fn columns(&self) -> Vec<(&str, Vec<f64>)> {
        let column = |values: &Value| values.as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect();
        self.0["data"].as_object().unwrap().iter().map(|(name, values)| (name.as_str(), column(values))).collect()
    }

    /// The certified values, or standard deviations, or a start.
    fn numbers(&self, of: &str) -> Vec<(&str, f64)> {
        self.0[of].as_object().unwrap().iter().map(|(name, value)| (name.as_str(), value.as_f64().unwrap())).collect()
    }

    fn number(&self, of: &str) -> f64 {
        self.0[of].as_f64().unwrap()
    }

    fn fit(&self, start: &str, settings: Settings) -> Fitted {
        let (program, columns) = (self.program(), self.columns());
        let columns = columns.iter().map(|(name, values)| (*name, values));
        Fit::new(&program).columns(columns).at(self.numbers(start)).settings(settings).run().unwrap()
    }
}

/// How many digits agree.
fn digits(found: f64, expected: f64) -> f64 {
    -((found - expected) / expected).abs().log10()
}

#[test]
fn levenberg_marquardt_finds_what_nist_certifies() {
    let mut report = String::new();
    for reference in Reference::all() {
        for start in ["start1", "start2"] {
            let fit = reference.fit(start, Settings::default());
            let least = |numbers: &[(&str, f64)], of: &dyn Fn(usize) -> f64| {
                numbers.iter().enumerate().map(|(i, &(_, expected))| digits(of(i), expected)).fold(f64::INFINITY, f64::min)
            };
            let values = least(&reference.numbers("certified"), &|i| fit.params[i].value);
            let errors = least(&reference.numbers("sd"), &|i| fit.params[i].stderr.unwrap_or(f64::NAN));
            let squares = fit.squares.as_ref().unwrap();
            report += &format!(
                "{:10} {start} {values:5.1} {errors:5.1} {:5.1} {:5} {:6.0} {}\n",
                reference.name(), digits(squares.rss, reference.number("rss")), fit.iterations, fit.evaluations, fit.reason
            );
        }
    }
    println!("{report}");
}
