//! Fits against certified values, closed forms and other ways to the same minimum.

use std::sync::atomic::{AtomicBool, Ordering};

use chainrule::fit::{Error, Fit, Fitted, Loss, Method, Reason, Schedule, Settings, Step};
use chainrule::{Column, Points, Program};
use serde_json::Value;

/// A set of NIST's Statistical Reference Datasets for nonlinear regression.
struct Reference(Value);

impl Reference {
    /// All 27 sets, whose figures are in the public domain.
    fn all() -> Vec<Reference> {
        let lines = include_str!("../data/nist.jsonl").lines();
        lines.map(|line| Reference(serde_json::from_str(line).unwrap())).collect()
    }

    fn named(name: &str) -> Reference {
        Reference::all().into_iter().find(|reference| reference.name() == name).unwrap()
    }

    fn name(&self) -> &str {
        self.0["name"].as_str().unwrap()
    }

    fn text(&self) -> String {
        let keys = |of: &str| self.0[of].as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(", ");
        let (response, model) = (self.0["response"].as_str().unwrap(), self.0["model"].as_str().unwrap());
        format!("param {}; data {}; {response} - ({model})", keys("certified"), keys("data"))
    }

    fn columns(&self) -> Vec<(&str, Vec<f64>)> {
        let column = |values: &Value| values.as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect();
        self.0["data"].as_object().unwrap().iter().map(|(name, values)| (name.as_str(), column(values))).collect()
    }

    /// The certified values, or their standard deviations, or a start.
    fn numbers(&self, of: &str) -> Vec<(&str, f64)> {
        self.0[of].as_object().unwrap().iter().map(|(name, value)| (name.as_str(), value.as_f64().unwrap())).collect()
    }

    fn number(&self, of: &str) -> f64 {
        self.0[of].as_f64().unwrap()
    }

    fn fit(&self, start: &str, settings: Settings) -> Fitted {
        let (program, columns) = (Program::parse(&self.text()).unwrap(), self.columns());
        let columns = columns.iter().map(|(name, values)| (*name, values));
        Fit::new(&program).columns(columns).at(self.numbers(start)).settings(settings).run().unwrap()
    }
}

/// How many digits of all numbers agree.
fn digits<'n>(pairs: impl IntoIterator<Item = (f64, &'n (&'n str, f64))>) -> f64 {
    let agree = |(found, (_, expected)): (f64, &(&str, f64))| -((found - expected) / expected).abs().log10();
    pairs.into_iter().map(agree).fold(f64::INFINITY, f64::min)
}

fn values(fit: &Fitted) -> Vec<f64> {
    fit.params.iter().map(|param| param.value).collect()
}

fn bits(fit: &Fitted) -> Vec<u64> {
    values(fit).iter().map(|value| value.to_bits()).collect()
}

#[track_caller]
fn near(found: f64, expected: f64, tolerance: f64) {
    assert!((found - expected).abs() <= tolerance * (1.0 + expected.abs()), "{found}, not {expected}");
}

/// Numbers between -1 and 1, the same in every run.
fn noise(seed: u64, len: usize) -> Vec<f64> {
    let mut state = seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
    };
    (0..len).map(|_| next()).collect()
}

/// A fit of a program to columns with these settings, from these values.
fn fit(text: &str, columns: &[(&str, &Vec<f64>)], at: &[(&str, f64)], settings: Settings) -> Result<Fitted, Error> {
    let program = Program::parse(text).unwrap();
    Fit::new(&program).columns(columns.iter().copied()).at(at.iter().copied()).settings(settings).run()
}

fn settings(method: Method) -> Settings {
    Settings { method, ..Settings::default() }
}

#[test]
fn levenberg_marquardt_finds_what_nist_certifies() {
    for reference in Reference::all() {
        // The residuals of Lanczos1 are what rounding to 14 digits left of the data: in doubles they have two digits themselves.
        let least = if reference.name() == "Lanczos1" { 2.0 } else { 9.0 };
        for start in ["start1", "start2"] {
            let at = format!("{} from {start}", reference.name());
            let fit = reference.fit(start, Settings::default());
            let squares = fit.squares.as_ref().unwrap();
            let errors = fit.params.iter().map(|param| param.stderr.unwrap());
            assert!(fit.reason.converged(), "{at}: {}", fit.reason);
            assert!(
                digits(values(&fit).into_iter().zip(&reference.numbers("certified"))) > 9.0,
                "{at}: {:?}",
                fit.params
            );
            assert!(digits(errors.zip(&reference.numbers("sd"))) > least, "{at}: {:?}", fit.params);
            for (found, of) in [(squares.rss, "rss"), (squares.residual_sd.unwrap(), "residual_sd")] {
                assert!(digits([(found, &(of, reference.number(of)))]) > least, "{at}: {of} {found}");
            }
            assert_eq!(fit.loss, squares.rss, "{at}");
        }
    }
}

/// In units from 10^-10 to 10^6 the parameters are as far apart, and the certified values are the same.
#[test]
fn units_do_not_matter() {
    for reference in Reference::all() {
        let certified = reference.numbers("certified");
        let units: Vec<f64> = (0..certified.len()).map(|place| [1e-10, 1e6, 1e3, 1e-7][place % 4]).collect();
        let names: Vec<String> = (0..certified.len()).map(|place| format!("q{place}")).collect();
        let turned = certified.iter().zip(&units).zip(&names);
        let turned: Vec<String> = turned.map(|(((name, _), unit), q)| format!("{name} = {unit:e}*{q}")).collect();
        let columns = reference.columns();
        let data: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
        let (response, model) = (reference.0["response"].as_str().unwrap(), reference.0["model"].as_str().unwrap());
        let head = format!("param {}; data {}", names.join(", "), data.join(", "));
        let program = Program::parse(&format!("{head}; {}; {response} - ({model})", turned.join("; "))).unwrap();
        for start in ["start1", "start2"] {
            let numbers = reference.numbers(start);
            let at =
                numbers.iter().zip(&units).zip(&names).map(|(((_, value), unit), name)| (name.as_str(), value / unit));
            let columns = columns.iter().map(|(name, values)| (*name, values));
            let fit = Fit::new(&program).columns(columns).at(at).run().unwrap();
            let found = values(&fit).into_iter().zip(&units).map(|(value, unit)| value * unit);
            let digits = digits(found.zip(&certified));
            let name = reference.name();
            assert!(fit.reason.converged() && digits > 6.0, "{name} from {start}: {digits} digits, {}", fit.reason);
        }
    }
}

#[test]
fn the_quasi_newton_method_finds_the_same_minima() {
    for name in ["Misra1a", "DanWood", "Chwirut2", "Gauss1", "Rat42"] {
        let reference = Reference::named(name);
        let fit = reference.fit("start2", settings(Method::Lbfgs));
        assert!(fit.reason.converged(), "{name}: {}", fit.reason);
        assert!(
            digits(values(&fit).into_iter().zip(&reference.numbers("certified"))) > 4.0,
            "{name}: {:?}",
            fit.params
        );
    }
}

#[test]
fn a_line_has_the_statistics_of_the_textbook() {
    let n = 40;
    let x: Vec<f64> = (0..n).map(|i| f64::from(i) / 4.0).collect();
    let y: Vec<f64> = x.iter().zip(noise(1, 40)).map(|(x, e)| 3.0 - 0.7 * x + e).collect();
    let mean = |values: &[f64]| values.iter().sum::<f64>() / f64::from(n);
    let (mx, my) = (mean(&x), mean(&y));
    let sxx: f64 = x.iter().map(|x| (x - mx).powi(2)).sum();
    let sxy: f64 = x.iter().zip(&y).map(|(x, y)| (x - mx) * (y - my)).sum();
    let syy: f64 = y.iter().map(|y| (y - my).powi(2)).sum();
    let (slope, intercept) = (sxy / sxx, my - sxy / sxx * mx);
    let rss = syy - slope * sxy;
    let variance = rss / f64::from(n - 2);
    // The sign of a residual doesn't matter, nor where the fit begins.
    for (text, is_plus) in [("param a, b; data x, y; y - a*x - b", true), ("param a, b; data x, y; a*x + b - y", false)]
    {
        let fit = fit(text, &[("x", &x), ("y", &y)], &[("a", 100.0), ("b", -3.0)], Settings::default()).unwrap();
        let squares = fit.squares.as_ref().unwrap();
        let covariance = squares.covariance.as_ref().unwrap();
        for (found, expected) in [
            (fit.params[0].value, slope),
            (fit.params[1].value, intercept),
            (fit.params[0].stderr.unwrap(), (variance / sxx).sqrt()),
            (fit.params[1].stderr.unwrap(), (variance * (1.0 / f64::from(n) + mx * mx / sxx)).sqrt()),
            (covariance[1], -variance * mx / sxx),
            (covariance[2], -variance * mx / sxx),
            (squares.rss, rss),
            (squares.residual_sd.unwrap(), variance.sqrt()),
            (squares.r2.unwrap(), 1.0 - rss / syy),
        ] {
            near(found, expected, 1e-12);
        }
        assert_eq!(squares.response, Some(("y".to_owned(), is_plus)));
    }
}

#[test]
fn weights_and_several_residuals_of_a_row() {
    let x = noise(2, 30);
    let y: Vec<f64> = x.iter().zip(noise(3, 30)).map(|(x, e)| 2.0 * x + e).collect();
    let z: Vec<f64> = x.iter().zip(noise(4, 30)).map(|(x, e)| 2.0 * x - e).collect();
    let s: Vec<f64> = noise(5, 30).iter().map(|s| 2.0 + s).collect();
    let line = |pairs: &[(&Vec<f64>, &Vec<f64>)]| {
        let sum = |of: &dyn Fn(f64, f64, f64) -> f64| -> f64 {
            let terms =
                pairs.iter().flat_map(|(y, w)| x.iter().zip(*y).zip(*w).map(|((x, y), w)| of(*x, *y, 1.0 / (w * w))));
            terms.sum()
        };
        sum(&|x, y, w| w * x * y) / sum(&|x, _, w| w * x * x)
    };
    let ones = vec![1.0; 30];
    let columns = [("x", &x), ("y", &y), ("z", &z), ("s", &s)];
    for method in [Method::Lm, Method::Lbfgs] {
        let settings = || Settings { loss: Some(Loss::Squares), ..settings(method) };
        let weighted =
            fit("param a; data x, y, s; (y - a*x)/s", &[columns[0], columns[1], columns[3]], &[("a", 0.0)], settings());
        near(values(&weighted.unwrap())[0], line(&[(&y, &s)]), 1e-7);
        let two = fit("param a; data x, y, z; y - a*x, z - a*x", &columns[..3], &[("a", 0.0)], self::settings(method))
            .unwrap();
        near(values(&two)[0], line(&[(&y, &ones), (&z, &ones)]), 1e-7);
        assert_eq!(two.squares.unwrap().degrees_of_freedom, 59);
    }
}

const LOGISTIC: &str = "param b, w1, w2; data x1, x2, y; t = b + w1*x1 + w2*x2; softplus(t) - y*t";

/// Two predictors, and labels that lean on them.
fn labelled(n: usize) -> [Vec<f64>; 3] {
    let (x1, x2) = (noise(6, n), noise(7, n));
    let label = |i: usize| f64::from(u8::from(x1[i] - 0.5 * x2[i] + 0.3 + noise(8, n)[i] > 0.0));
    let y = (0..n).map(label).collect();
    [x1, x2, y]
}

#[test]
fn logistic_regression_ends_where_newtons_method_does() {
    let [x1, x2, y] = labelled(200);
    let columns = [("x1", &x1), ("x2", &x2), ("y", &y)];
    let start = [("b", 0.0), ("w1", 0.0), ("w2", 0.0)];
    let hessian = Program::parse(LOGISTIC).unwrap().hessian().compile().unwrap();
    let mut newton = [0.0; 3];
    for _ in 0..20 {
        let [b, w1, w2] = newton.map(Column::Same);
        let points = Points::columns([b, w1, w2, Column::Each(&x1), Column::Each(&x2), Column::Each(&y)]);
        let mean = hessian.batch(&points).mean().unwrap();
        let step =
            nalgebra::Matrix3::from_row_slice(&mean.second).lu().solve(&nalgebra::Vector3::from_row_slice(&mean.first));
        newton.iter_mut().zip(step.unwrap().iter()).for_each(|(weight, step)| *weight -= step);
    }
    let full = |method, rate| Settings {
        rate: Some(rate),
        batch: Some(200),
        iterations: Some(5000),
        tolerance: Some(1e-13),
        ..settings(method)
    };
    for (settings, tolerance) in [
        (settings(Method::Lbfgs), 1e-6),
        (full(Method::Gd, 2.0), 1e-4),
        (full(Method::Momentum, 0.5), 1e-4),
        (full(Method::Adam, 0.05), 1e-4),
    ] {
        let method = settings.method;
        let fit = fit(LOGISTIC, &columns, &start, settings).unwrap();
        assert!(fit.reason.converged(), "{method:?}: {}", fit.reason);
        assert!(fit.squares.is_none());
        for (found, expected) in values(&fit).into_iter().zip(newton) {
            near(found, expected, tolerance);
        }
    }
}

#[test]
fn batches_lead_near_the_minimum() {
    let [x1, x2, y] = labelled(500);
    let columns = [("x1", &x1), ("x2", &x2), ("y", &y)];
    let start = [("b", 0.0), ("w1", 0.0), ("w2", 0.0)];
    let best = fit(LOGISTIC, &columns, &start, settings(Method::Lbfgs)).unwrap().loss;
    for (method, rate) in [(Method::Sgd, 0.5), (Method::Momentum, 0.05), (Method::Adam, 0.05)] {
        let settings = Settings {
            rate: Some(rate),
            schedule: Schedule::Cosine,
            iterations: Some(60),
            seed: Some(3),
            ..settings(method)
        };
        let fit = fit(LOGISTIC, &columns, &start, settings).unwrap();
        assert!(fit.loss - best < 1e-4 && fit.loss >= best, "{method:?}: {} {best}", fit.loss);
        assert_eq!(fit.history.len(), 61);
    }
}

/// The steps of each method, by the formulas of the page, on gradients from the front door.
#[test]
fn a_step_is_what_the_formula_says() {
    let x = noise(9, 100);
    let text = "param a, b; data x; (sin(a*x) - b)^2 + exp(b*x)";
    let program = Program::parse(text).unwrap();
    let gradient = program.gradient().compile().unwrap();
    let slopes = |params: &[f64]| {
        let points = Points::columns([Column::Same(params[0]), Column::Same(params[1]), Column::Each(&x)]);
        gradient.batch(&points).mean().unwrap().first
    };
    for method in [Method::Gd, Method::Momentum, Method::Adam] {
        let mut params = vec![0.3, 0.6];
        let (mut first, mut second) = ([0.0; 2], [0.0; 2]);
        for epoch in 1..=5 {
            let g = slopes(&params);
            for i in 0..2 {
                let rate = 0.1 * 0.5_f64.powi(epoch - 1);
                params[i] -= match method {
                    Method::Momentum => {
                        first[i] = 0.8 * first[i] + g[i];
                        rate * first[i]
                    }
                    Method::Adam => {
                        first[i] = 0.9 * first[i] + (1.0 - 0.9) * g[i];
                        second[i] = 0.999 * second[i] + (1.0 - 0.999) * g[i] * g[i];
                        let (m, v) =
                            (first[i] / (1.0 - 0.9_f64.powi(epoch)), second[i] / (1.0 - 0.999_f64.powi(epoch)));
                        rate * m / (v.sqrt() + 1e-8)
                    }
                    _ => rate * g[i],
                };
            }
        }
        let settings = Settings {
            rate: Some(0.1),
            schedule: Schedule::Exponential { factor: 0.5 },
            momentum: 0.8,
            batch: Some(100),
            iterations: Some(5),
            ..settings(method)
        };
        let fit = fit(text, &[("x", &x)], &[("a", 0.3), ("b", 0.6)], settings).unwrap();
        for (found, expected) in fit.state.params.iter().zip(&params) {
            near(*found, *expected, 1e-15);
            assert!(method != Method::Gd || found == expected, "the gradients are the same to the bit");
        }
    }
}

#[test]
fn schedules_have_their_shapes() {
    for (schedule, factors) in [
        (Schedule::Constant, [1.0, 1.0, 1.0]),
        (Schedule::Step { every: 2, factor: 0.5 }, [1.0, 0.5, 0.25]),
        (Schedule::Exponential { factor: 0.5 }, [1.0, 0.25, 0.0625]),
        (Schedule::Cosine, [1.0, (1.0 + 0.25 * std::f64::consts::TAU.cos()) / 2.0, 0.0]),
        (Schedule::Inverse { decay: 0.5 }, [1.0, 0.5, 1.0 / 3.0]),
    ] {
        let found = [0, 2, 4].map(|epoch| schedule.factor(epoch, 4));
        if schedule == Schedule::Cosine {
            assert!((found[1] - 0.5).abs() < 1e-15 && found[0] == 1.0 && found[2].abs() < 1e-15, "{found:?}");
        } else {
            assert_eq!(found, factors, "{schedule:?}");
        }
    }
}

#[test]
fn a_function_without_data_is_minimised() {
    let rosenbrock = "(1 - x)^2 + 100*(z - x^2)^2";
    let fit = fit(rosenbrock, &[], &[("x", -1.2), ("z", 1.0)], settings(Method::Lbfgs)).unwrap();
    assert!(fit.reason.converged());
    assert_eq!(fit.rows, 1);
    values(&fit).into_iter().for_each(|value| near(value, 1.0, 1e-9));
    let residuals = "10*(z - x^2), 1 - x";
    let fit = self::fit(residuals, &[], &[("x", -1.2), ("z", 1.0)], Settings::default()).unwrap();
    assert_eq!((fit.loss, fit.reason), (0.0, Reason::Exact));
}

#[test]
fn parameters_stay_between_their_bounds() {
    let reference = Reference::named("Misra1a");
    let program = Program::parse(&reference.text()).unwrap();
    let columns = reference.columns();
    let columns = || columns.iter().map(|(name, values)| (*name, values));
    let fit = |bounds: &[(&str, f64, f64)], method, at: &[(&str, f64)]| {
        let settings = Settings { loss: Some(Loss::Squares), ..settings(method) };
        let fit = Fit::new(&program).columns(columns()).bounds(bounds.iter().copied()).at(at.iter().copied());
        fit.settings(settings).run().unwrap()
    };
    for method in [Method::Lm, Method::Lbfgs] {
        // A bound that the minimum lies beyond holds the parameter; the other is as if it had been fixed.
        let bound = fit(&[("b1", 0.0, 200.0)], method, &[("b1", 100.0), ("b2", 1e-4)]);
        let fixed = Fit::new(&program).columns(columns()).wrt(["b2"]).at([("b1", 200.0), ("b2", 1e-4)]).run().unwrap();
        assert!(bound.reason.converged(), "{method:?}: {}", bound.reason);
        assert_eq!((bound.params[0].value, bound.params[0].at_bound, bound.params[0].stderr), (200.0, true, None));
        assert!((bound.params[1].value / fixed.params[0].value - 1.0).abs() < 1e-6, "{method:?}");
        assert!((bound.params[1].stderr.unwrap() / fixed.params[0].stderr.unwrap() - 1.0).abs() < 1e-6, "{method:?}");
        // Wide bounds change nothing but the way.
        let wide = fit(&[("b1", 0.0, 1e4), ("b2", 0.0, f64::INFINITY)], method, &[("b1", 100.0), ("b2", 0.0)]);
        assert!(digits(values(&wide).into_iter().zip(&reference.numbers("certified"))) > 4.0, "{method:?}");
        assert!(wide.params.iter().all(|param| !param.at_bound));
    }
    // Descent is projected too, and no step leaves the bounds.
    let gd = Settings { rate: Some(0.4), tolerance: Some(1e-12), ..settings(Method::Gd) };
    let parse = Program::parse("(x - 3)^2 + (z + x)^2").unwrap();
    let fit = Fit::new(&parse).bounds([("x", 0.0, 1.0)]).at([("x", 0.5), ("z", 0.0)]).settings(gd).run().unwrap();
    assert_eq!(fit.params[0].value, 1.0);
    near(fit.params[1].value, -1.0, 1e-6);
}

#[test]
fn steps_out_of_the_domain_are_too_long() {
    let x: Vec<f64> = (1..30).map(f64::from).collect();
    let y: Vec<f64> = x.iter().map(|x| 2.0 * (x + 0.5_f64).ln() + 1.0).collect();
    let text = "param a, b, c; data x, y; y - a*ln(x - b) - c";
    for method in [Method::Lm, Method::Lbfgs] {
        let fit =
            fit(text, &[("x", &x), ("y", &y)], &[("a", 40.0), ("b", 0.99), ("c", -7.0)], settings(method)).unwrap();
        assert!(fit.reason.converged(), "{method:?}: {}", fit.reason);
        for (found, expected) in values(&fit).into_iter().zip([2.0, -0.5, 1.0]) {
            near(found, expected, 1e-5);
        }
    }
}

#[test]
fn what_the_data_do_not_determine_has_no_error() {
    let x = noise(10, 20);
    let y: Vec<f64> = x.iter().zip(noise(11, 20)).map(|(x, e)| x + e).collect();
    let columns = [("x", &x), ("y", &y)];
    for (text, at, undetermined) in [
        ("param a, b, c; data x, y; y - a*b*x - c", vec![("a", 1.0), ("b", 2.0), ("c", 0.0)], vec![0, 1]),
        ("param c, a, b; data x, y; y - a*x - b*x - c", vec![("a", 1.0), ("b", 2.0), ("c", 0.0)], vec![1, 2]),
        ("param a, b; data x, y; y - a*x - 0*floor(b)", vec![("a", 1.0), ("b", 2.0)], vec![1]),
    ] {
        let fit = fit(text, &columns, &at, Settings::default()).unwrap();
        assert!(fit.reason.converged(), "{text}: {}", fit.reason);
        let squares = fit.squares.unwrap();
        assert_eq!((squares.undetermined, squares.covariance), (undetermined, None), "{text}");
        assert!(fit.params.iter().all(|param| param.stderr.is_none()), "{text}");
    }
    // As many rows as parameters: there is a fit, and nothing to tell errors by.
    let (x, y) = (vec![1.0, 2.0], vec![3.0, 5.0]);
    let text = "param a, b; data x, y; y - a*x - b";
    let fit = fit(text, &[("x", &x), ("y", &y)], &[("a", 0.0), ("b", 0.0)], Settings::default()).unwrap();
    let squares = fit.squares.unwrap();
    near(fit.params[0].value, 2.0, 1e-14);
    assert_eq!((squares.degrees_of_freedom, squares.residual_sd, squares.covariance), (0, None, None));
}

#[test]
fn the_loss_is_what_the_program_looks_like() {
    let x = noise(12, 10);
    let columns = [("x", &x), ("y", &x), ("s", &x)];
    for (text, is_residual) in [
        ("param a; data x, y; y - a*x", true),
        ("param a; data x, y, s; (y - a*x)/(s^2 + 1)", true),
        ("param a; data x, y; (y - a*x)^2", false),
        ("param a; data x, y; softplus(a*x) - y*a*x", false),
        ("param a; data x, y; ln(y + 2) - exp(a*x)", false),
        ("param a; data x; a^2*x^2", false),
    ] {
        let program = Program::parse(text).unwrap();
        let names: Vec<&str> = program.arguments().iter().map(|argument| argument.name.as_str()).collect();
        let columns = columns.iter().filter(|(name, _)| names.contains(name)).copied();
        let settings = Settings { iterations: Some(1), ..settings(Method::Adam) };
        let fit = Fit::new(&program).columns(columns).at([("a", 0.1)]).settings(settings).run().unwrap();
        assert_eq!(fit.squares.is_some(), is_residual, "{text}");
    }
}

/// A polynomial with too many coefficients, which follows the noise of the rows that it sees.
const WIGGLY: &str = "param a, b, c, d, f, g, h; data x, y; y - (a + x*(b + x*(c + x*(d + x*(f + x*(g + x*h))))))";

fn wiggly() -> [Vec<f64>; 2] {
    let x = noise(13, 40);
    let y = x.iter().zip(noise(14, 40)).map(|(x, e)| x + e).collect();
    [x, y]
}

#[test]
fn validation_keeps_the_best_and_patience_ends() {
    let [x, y] = wiggly();
    let start = ["a", "b", "c", "d", "f", "g", "h"].map(|name| (name, 0.0));
    let settings = Settings {
        rate: Some(0.1),
        validation: 0.5,
        patience: Some(50),
        iterations: Some(20_000),
        tolerance: Some(0.0),
        seed: Some(2),
        ..settings(Method::Adam)
    };
    let fit = fit(WIGGLY, &[("x", &x), ("y", &y)], &start, settings).unwrap();
    assert_eq!((fit.reason, fit.rows), (Reason::Early, 20));
    assert!(fit.reason.succeeded() && !fit.reason.converged());
    let losses: Vec<f64> = fit.history.iter().map(|step| step.validation.unwrap()).collect();
    let least = losses.iter().copied().fold(f64::INFINITY, f64::min);
    let best = losses.iter().position(|&loss| loss == least).unwrap();
    assert_eq!(fit.validation, Some(least));
    assert_eq!(fit.iterations, best + 50);
    assert_eq!(fit.history.len(), fit.iterations + 1);
    // The result is the best, not the last; and the loss is told of it.
    near(fit.loss, 20.0 * fit.history[best].loss, 1e-12);
    assert_ne!(fit.state.params, values(&fit));
}

#[test]
fn neither_threads_nor_their_number_change_a_fit() {
    let x = noise(15, 6_000);
    let y: Vec<f64> = x.iter().zip(noise(16, 6_000)).map(|(x, e)| (2.0 * x).sin() + e).collect();
    let text = "param a, b; data x, y; y - b*sin(a*x)";
    for (method, batch, iterations) in
        [(Method::Lm, 32, 50), (Method::Lbfgs, 32, 10), (Method::Adam, 3_000, 2), (Method::Sgd, 999, 2)]
    {
        let run = |threads, seed| {
            let settings = Settings {
                threads,
                batch: Some(batch),
                iterations: Some(iterations),
                validation: 0.2,
                seed: Some(seed),
                ..settings(method)
            };
            fit(text, &[("x", &x), ("y", &y)], &[], settings).unwrap()
        };
        let one = run(1, 5);
        for threads in [2, 3, 0] {
            assert_eq!(bits(&one), bits(&run(threads, 5)), "{method:?} {threads}");
            assert_eq!(one, run(threads, 5), "{method:?} {threads}");
        }
        assert_ne!(bits(&one), bits(&run(1, 6)), "{method:?}");
    }
}

#[test]
fn a_fit_has_the_same_bits_on_every_machine() {
    let [x, y] = wiggly();
    let text = "param a, b, c; data x, y; y - a*tanh(b*x + c)";
    let run = |method| {
        let settings = Settings {
            seed: Some(11),
            iterations: Some(7),
            batch: Some(8),
            schedule: Schedule::Cosine,
            ..settings(method)
        };
        values(&fit(text, &[("x", &x), ("y", &y)], &[], settings).unwrap())
    };
    let all = [Method::Lm, Method::Lbfgs, Method::Gd, Method::Sgd, Method::Momentum, Method::Adam];
    let lines: Vec<String> = all.into_iter().map(|method| format!("{method:?} {:?}", run(method))).collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn a_resumed_fit_goes_on_as_if_nothing_had_happened() {
    let [x, y] = wiggly();
    let program = Program::parse(WIGGLY).unwrap();
    for method in [Method::Sgd, Method::Momentum, Method::Adam] {
        let run = |epochs, state| {
            let settings = Settings {
                batch: Some(7),
                iterations: Some(epochs),
                seed: Some(4),
                tolerance: Some(0.0),
                ..settings(method)
            };
            let mut fit = Fit::new(&program).columns([("x", &x), ("y", &y)]).settings(settings);
            if let Some(state) = state {
                fit = fit.resume(state);
            }
            fit.run().unwrap()
        };
        let whole = run(30, None);
        let part = run(12, None);
        assert_eq!((part.reason, part.state.epoch), (Reason::Iterations, 12));
        let rest = run(30, Some(part.state));
        assert_eq!((&whole.state, bits(&whole)), (&rest.state, bits(&rest)), "{method:?}");
    }
}

#[test]
fn an_interrupt_keeps_the_best_so_far() {
    let [x, y] = wiggly();
    let program = Program::parse(WIGGLY).unwrap();
    for method in [Method::Lm, Method::Lbfgs, Method::Sgd] {
        let interrupt = AtomicBool::new(false);
        let mut seen = Vec::new();
        let mut observe = |step: &Step| {
            seen.push(*step);
            interrupt.store(seen.len() == 2, Ordering::Relaxed);
        };
        let fit = Fit::new(&program)
            .columns([("x", &x), ("y", &y)])
            .settings(Settings { seed: Some(1), ..settings(method) })
            .interrupt(&interrupt)
            .observe(&mut observe)
            .run()
            .unwrap();
        assert_eq!(fit.reason, Reason::Interrupted, "{method:?}");
        assert!(!fit.reason.converged());
        assert_eq!(fit.history, seen, "{method:?}");
        let best = seen.iter().map(|step| step.loss).fold(f64::INFINITY, f64::min);
        near(fit.loss, 40.0 * best, 1e-12);
    }
}

#[test]
fn what_goes_wrong_on_the_way_is_a_reason() {
    let x = noise(17, 30);
    let run = |text: &str, at: f64, settings| fit(text, &[("x", &x)], &[("a", at)], settings).unwrap();
    // Steps that are far too long, of a loss that explodes.
    let wild = Settings { rate: Some(1e3), iterations: Some(1000), ..settings(Method::Gd) };
    let diverged = run("param a; data x; (a - x)^4", 3.0, wild);
    assert_eq!(diverged.reason, Reason::Diverged);
    assert!(diverged.params[0].value.is_finite() && diverged.loss.is_finite());
    let few = Settings { iterations: Some(2), ..settings(Method::Lbfgs) };
    assert_eq!(run("param a; data x; exp(a*x) + exp(-3*a)", 3.0, few).reason, Reason::Iterations);
    // There is a slope up to the edge of the domain, beyond which there is nothing.
    let edge = run("param a; data x; 1 + sqrt(a) + 0*x", 4.0, settings(Method::Lm));
    assert_eq!(edge.reason, Reason::Stuck);
}

#[test]
fn random_starts_are_drawn_between_bounds() {
    let program = Program::parse("param a, b, c; data x; (a - b)^2 + c^2*x^2").unwrap();
    let x = noise(18, 5);
    let mut starts = Vec::new();
    for seed in 0..50 {
        let settings =
            Settings { iterations: Some(1), seed: Some(seed), rate: Some(1e-12), spread: 3.0, ..settings(Method::Gd) };
        let fit = Fit::new(&program).columns([("x", &x)]).bounds([("a", 2.0, 5.0), ("b", 1.0, f64::INFINITY)]);
        let start = values(&fit.at([("c", 7.0)]).settings(settings).run().unwrap());
        assert!((2.0..5.0).contains(&start[0]) && start[1] >= 1.0, "{start:?}");
        near(start[2], 7.0, 1e-6);
        starts.push(start[0]);
    }
    let mean = starts.iter().sum::<f64>() / 50.0;
    assert!((mean - 3.5).abs() < 0.5, "{mean}");
}

#[test]
fn names_are_compared_in_canonical_form() {
    let x = noise(19, 9);
    let program = Program::parse("param Å; data x; x - Å").unwrap();
    let fit = Fit::new(&program).columns([("x", &x)]).at([("\u{212b}", 1.0)]).bounds([("\u{212b}", -5.0, 5.0)]);
    near(values(&fit.run().unwrap())[0], x.iter().sum::<f64>() / 9.0, 1e-13);
}

#[test]
fn what_is_wrong_is_told_before_the_fit_begins() {
    let program = Program::parse("param a, b; data x, y; y - a*x - b").unwrap();
    let (x, y, bad) = (vec![1.0, 2.0, 3.0], vec![1.0, 2.0, 4.0], vec![1.0, f64::NAN, 3.0]);
    let start = [("a", 1.0), ("b", 1.0)];
    let fit = || Fit::new(&program).columns([("x", &x), ("y", &y)]).at(start);
    let with = |change: &dyn Fn(&mut Settings)| {
        let mut settings = Settings::default();
        change(&mut settings);
        fit().settings(settings)
    };
    let without = || Fit::new(&program);
    for (fit, message) in [
        (without().columns([("x", &x), ("y", &y)]).at([("a", 1.0)]), "`b` has no value to start from"),
        (without().columns([("x", &x), ("y", &y)]), "`a`, `b` have no value to start from"),
        (without().columns([("x", &x)]).at(start), "`y` has no value"),
        (fit().columns([("z", &x)]), "`z` is not an argument"),
        (fit().at([("c", 1.0)]), "`c` is not an argument"),
        (fit().at([("x", 1.0)]), "`x` is given twice"),
        (fit().wrt(["q"]), "`q`"),
        (fit().wrt(["x"]), "`x` is a column of the data, so it can't be fitted"),
        (fit().wrt([""; 0]), "there is nothing to fit"),
        (fit().bounds([("x", 0.0, 1.0)]), "`x` is not fitted, so it can't have bounds"),
        (fit().bounds([("a", 2.0, 0.0)]), "the bounds 2..0 of `a` hold no number"),
        (fit().bounds([("a", f64::NAN, 0.0)]), "the bounds NaN..0 of `a` hold no number"),
        (fit().bounds([("a", 2.0, 3.0)]), "`a` begins at 1, outside of its bounds 2..3"),
        (
            without().columns([("x", &x), ("y", &y)]).at([("a", f64::NAN), ("b", 1.0)]),
            "`a` is NaN; a fit begins with a number",
        ),
        (without().columns([("x", &bad), ("y", &y)]).at(start), "`x` is NaN in row 2"),
        (without().columns([("x", &x[..2]), ("y", &y)]).at(start), "the column `y` has 3 rows, not 2"),
        (without().columns([("x", &x[..0]), ("y", &y[..0])]).at(start), "the data have no rows"),
        (without().columns([("x", &x[..1]), ("y", &y[..1])]).at(start), "1 residual can't determine 2 parameters"),
        (with(&|settings| settings.loss = Some(Loss::Mean)), "minimises squares"),
        (
            with(&|settings| settings.validation = 1.0),
            "the share for validation must be a number from 0 to below 1, not 1",
        ),
        (with(&|settings| settings.rate = Some(-1.0)), "the learning rate must be a positive number, not -1"),
        (
            with(&|settings| settings.tolerance = Some(f64::NAN)),
            "the tolerance must be 0 or a positive number, not NaN",
        ),
        (with(&|settings| settings.momentum = 1.5), "the momentum must be"),
        (with(&|settings| settings.batch = Some(0)), "the size of a batch must be at least 1, not 0"),
        (with(&|settings| settings.iterations = Some(0)), "the number of iterations must be at least 1"),
        (with(&|settings| settings.patience = Some(0)), "the patience must be at least 1"),
        (with(&|settings| settings.spread = 0.0), "the spread of random starts must be a positive number"),
    ] {
        let error = fit.run().unwrap_err().to_string();
        assert!(error.contains(message), "{message}: {error}");
    }
    let ln = Program::parse("param a; data x; ln(a*x)").unwrap();
    let error = Fit::new(&ln).columns([("x", &vec![1.0, 1.0, -1.0])]).at([("a", 1.0)]).run().unwrap_err();
    assert_eq!(error.to_string(), "the value at row 3 is NaN at the start");
    let error = Fit::new(&ln).at([("a", -1.0), ("x", 1.0)]).run().unwrap_err();
    assert_eq!(error.to_string(), "the value is NaN at the start");
    let index = Program::parse("param a; index n; a - div(6, n)").unwrap();
    let error = Fit::new(&index).columns([("n", &vec![1.0, 0.0])]).at([("a", 1.0)]).run().unwrap_err();
    assert!(error.to_string().contains("division by zero"), "{error}");
    let several = Program::parse("param a; data x; a - x, a").unwrap();
    let mean = Settings { loss: Some(Loss::Mean), ..settings(Method::Adam) };
    let error = Fit::new(&several).columns([("x", &x)]).at([("a", 1.0)]).settings(mean).run().unwrap_err();
    assert!(matches!(error, Error::Library(chainrule::Error::SeveralResults { found: 2 })), "{error}");
}

#[test]
fn no_fit_ends_worse_than_it_began() {
    let x: Vec<f64> = (0..12).map(|i| f64::from(i) / 3.0).collect();
    let y: Vec<f64> = x.iter().zip(noise(20, 12)).map(|(x, e)| 2.0 * (-x).exp() + 0.1 * e).collect();
    let models = [
        "y - a*exp(b*x)",
        "y - a/(b + x)",
        "y - sqrt(a - x*b)",
        "y - a*x^b",
        "y - abs(a - x)*sign(b)",
        "y - ln(a*x + b)",
        "y - a*floor(b*x)",
        "y - if(a > x, b, exp(exp(a*b)))",
        "y - 1e300*a*b",
        "y - 1e-300*a*b^3",
        "y - a*0*b",
        "a*b",
        "exp(a*1e3) + b*x - y",
    ];
    let scales = [0.0, 1e-300, 1e-5, 1.0, 1e5, 1e150, -1.0, -1e-5];
    let others = [Method::Lbfgs, Method::Gd, Method::Sgd, Method::Momentum, Method::Adam];
    let mut fits = 0;
    for model in models {
        let text = format!("param a, b; data x, y; {model}");
        let program = Program::parse(&text).unwrap();
        for (i, &a) in scales.iter().enumerate() {
            let b = scales[(3 * i + 1) % scales.len()];
            for method in [Method::Lm, others[fits % 5]] {
                let settings =
                    Settings { loss: Some(Loss::Squares), iterations: Some(40), batch: Some(5), ..settings(method) };
                let bounds = [("a", -2e5, f64::INFINITY), ("b", -1e150, 1e6)];
                let fit = Fit::new(&program).columns([("x", &x), ("y", &y)]).at([("a", a), ("b", b)]).bounds(bounds);
                let fit = match fit.settings(settings).run() {
                    Ok(fit) => fit,
                    Err(Error::LossNotFinite { .. } | Error::StartOutside { .. }) => continue,
                    Err(error) => panic!("{model} {a} {b}: {error}"),
                };
                let at = format!("{model} {method:?} from {a}, {b}: {} {:?}", fit.reason, values(&fit));
                let start = fit.history[0].loss * 12.0;
                assert!(fit.loss <= start * (1.0 + 1e-12), "{at}: {} {start}", fit.loss);
                assert!(values(&fit).iter().all(|value| value.is_finite()), "{at}");
                assert!(fit.params[0].value >= -2e5 && (-1e150..=1e6).contains(&fit.params[1].value), "{at}");
                fits += 1;
            }
        }
    }
    assert!(fits > 100, "{fits}");
}

/// A loss that is level because the steps are short has not converged.
#[test]
fn a_level_loss_with_a_slope_has_not_converged() {
    let run = |settings: Settings| fit("param x; (x - 3)^2 + 1", &[], &[("x", 0.0)], settings).unwrap();
    for method in [Method::Gd, Method::Sgd, Method::Momentum, Method::Adam] {
        let slow = run(Settings { rate: Some(1e-9), ..settings(method) });
        assert_eq!((slow.reason, slow.reason.converged()), (Reason::Slow, false), "{method:?}");
        let waits = run(Settings { rate: Some(1e-18), patience: Some(3), ..settings(method) });
        assert_eq!(waits.reason, Reason::Slow, "{method:?}");
    }
    let decayed = run(Settings { schedule: Schedule::Exponential { factor: 0.5 }, ..settings(Method::Adam) });
    assert_eq!(decayed.reason, Reason::Slow);
    let there = run(Settings { rate: Some(0.1), ..settings(Method::Gd) });
    assert_eq!((there.reason, there.objective, there.is_residual), (Reason::Level, Loss::Mean, false));
    assert!((there.params[0].value - 3.0).abs() < 1e-3);
    // Nor does the scale of the loss matter.
    let small =
        fit("param x; ((x - 3)^2 + 1)*1e-9", &[], &[("x", 0.0)], Settings { rate: Some(1e-3), ..settings(Method::Gd) });
    assert_eq!(small.unwrap().reason, Reason::Slow);
}

/// Of every trial, so that a curve of the loss has a point for each iteration.
#[test]
fn the_history_of_least_squares_has_every_trial() {
    let [x, y] = wiggly();
    let bad = [("a", 50.0), ("b", 40.0)];
    let fitted =
        fit("param a, b; data x, y; y - a*exp(-b*x)", &[("x", &x), ("y", &y)], &bad, settings(Method::Lm)).unwrap();
    let iterations: Vec<usize> = fitted.history.iter().map(|step| step.iteration).collect();
    assert!(iterations.windows(2).all(|pair| pair[1] <= pair[0] + 1), "{iterations:?}");
    assert!(fitted.history.windows(2).any(|pair| pair[0].loss == pair[1].loss), "no trial was refused");
}
