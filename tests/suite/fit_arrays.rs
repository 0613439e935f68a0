//! Fits of programs with arrays: against closed forms, the same models written row by row, and known levels.

use chainrule::fit::{Error, Fit, Fitted, Loss, Method, Settings};
use chainrule::{Array, ArrayView, Binding, Program};
use proptest::prelude::*;

fn program(text: &str) -> Program {
    Program::parse(text).unwrap()
}

fn settings(method: Method) -> Settings {
    Settings { method, ..Settings::default() }
}

fn values(fit: &Fitted) -> Vec<f64> {
    fit.params.iter().map(|param| param.value).collect()
}

#[track_caller]
fn near(found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() <= tolerance * (1.0 + expected.abs()), "{found}, not {expected}");
    }
}

/// What `a*x = b` has for `x`, by Gauss and Jordan; `a` is positive definite.
fn solve(mut a: Vec<Vec<f64>>, mut b: Vec<f64>) -> Vec<f64> {
    let n = b.len();
    for k in 0..n {
        for i in (0..n).filter(|&i| i != k) {
            let factor = a[i][k] / a[k][k];
            let pivot = a[k].clone();
            a[i].iter_mut().zip(pivot).for_each(|(slot, pivot)| *slot -= factor * pivot);
            b[i] -= factor * b[k];
        }
    }
    (0..n).map(|k| b[k] / a[k][k]).collect()
}

/// The weights with the least squares of `y - x*w` and of `w` times `ridge`, by the normal equations.
fn regression(x: &[[f64; 3]], y: &[f64], ridge: f64) -> Vec<f64> {
    let product = |i: usize, j: usize| x.iter().map(|row| row[i] * row[j]).sum::<f64>();
    let matrix = (0..3).map(|i| (0..3).map(|j| product(i, j) + if i == j { ridge } else { 0.0 }).collect());
    solve(matrix.collect(), (0..3).map(|j| x.iter().zip(y).map(|(row, y)| row[j] * y).sum()).collect())
}

const LINEAR: &str = "param W[D, K]; data x[N, D], y[N, K]; r[i, k] = y[i, k] - sum[j](x[i, j]*W[j, k]); r";

/// Rows of a plane with waves on it, two responses each.
fn waves() -> (Vec<[f64; 3]>, Vec<[f64; 2]>) {
    let x: Vec<[f64; 3]> = (0..12).map(|i| f64::from(i) * 0.7).map(|t| [1.0, t, (1.3 * t).sin()]).collect();
    let y = x.iter().enumerate().map(|(i, [_, t, s])| [1.0 + 2.0 * t + (i % 3) as f64, 3.0 * s - t * t]).collect();
    (x, y)
}

#[test]
fn a_linear_model_has_its_closed_form_by_every_method() {
    let (x, y) = waves();
    let program = program(LINEAR);
    let column = |k: usize| regression(&x, &y.iter().map(|row| row[k]).collect::<Vec<_>>(), 0.0);
    let (first, second) = (column(0), column(1));
    let expected: Vec<f64> = first.into_iter().zip(second).flat_map(|(a, b)| [a, b]).collect();
    for (method, tolerance) in [(Method::Lm, 1e-12), (Method::Lbfgs, 1e-6)] {
        let fit = Fit::new(&program).data("x", &x).data("y", &y).with("W", &[[0.0; 2]; 3]).settings(settings(method));
        let fit = fit.run().unwrap();
        assert!(fit.reason.converged(), "{method:?}: {}", fit.reason);
        near(&values(&fit), &expected, tolerance);
        assert_eq!(fit.array("W"), Some(Array::new(&[3, 2], values(&fit))));
        let names: Vec<&str> = fit.params.iter().map(|param| param.name.as_str()).collect();
        assert_eq!(names, ["W[0, 0]", "W[0, 1]", "W[1, 0]", "W[1, 1]", "W[2, 0]", "W[2, 1]"]);
        let squares = fit.squares.as_ref().unwrap();
        assert_eq!(squares.degrees_of_freedom, 12 * 2 - 6);
        assert_eq!(fit.loss, squares.rss);
    }
}

#[test]
fn several_arrays_of_residuals_are_all_counted() {
    let (x, y) = waves();
    let y: Vec<f64> = y.iter().map(|row| row[0]).collect();
    let text = "param w[D]; data x[N, D], y[N], c; r[i] = y[i] - sum[j](x[i, j]*w[j]); s[j] = c*w[j]; r, s";
    let program = program(text);
    let fit = Fit::new(&program).data("x", &x).data("y", &y).data("c", 1.5).with("w", &[1.0, 0.0, 0.0]).run().unwrap();
    near(&values(&fit), &regression(&x, &y, 1.5 * 1.5), 1e-12);
    assert_eq!(fit.squares.unwrap().degrees_of_freedom, 12 + 3 - 3);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// A model of numbers by rows, the same with arrays of parameters by rows, and with whole arrays.
    #[test]
    fn whole_arrays_and_rows_have_the_same_fit(noise in prop::collection::vec(-0.05..0.05, 20), a in 1.0..3.0f64, b in 0.3..1.0f64) {
        let t: Vec<f64> = (0..20).map(|i| f64::from(i) * 0.2).collect();
        let y: Vec<f64> = t.iter().zip(&noise).map(|(t, noise): (&f64, &f64)| a * (-b * t).exp() + noise).collect();
        let numbers = program("param a, b; data t, y; y - a*exp(-b*t)");
        let by_rows = program("param p[2]; data t, y; y - p[0]*exp(-p[1]*t)");
        let whole = program("param p[2]; data t[N], y[N]; r[i] = y[i] - p[0]*exp(-p[1]*t[i]); r");
        let columns = || [("t", &t), ("y", &y)];
        let expected = Fit::new(&numbers).columns(columns()).at([("a", 1.5), ("b", 0.5)]).run().unwrap();
        for program in [&by_rows, &whole] {
            let fit = Fit::new(program).columns(columns()).with("p", &[1.5, 0.5]).run().unwrap();
            near(&values(&fit), &values(&expected), 1e-9);
            near(&[fit.loss], &[expected.loss], 1e-9);
            let errors = |fit: &Fitted| fit.params.iter().map(|param| param.stderr.unwrap()).collect::<Vec<_>>();
            near(&errors(&fit), &errors(&expected), 1e-9);
            prop_assert_eq!(fit.squares.unwrap().degrees_of_freedom, 18);
        }
    }
}

#[test]
fn batches_of_rows_train_arrays_as_they_train_numbers() {
    let t: Vec<f64> = (0..30).map(|i| f64::from(i) * 0.1).collect();
    let y: Vec<f64> = t.iter().map(|t| 2.0 - 0.5 * t + (7.0 * t).sin() / 10.0).collect();
    let (numbers, arrays) =
        (program("param a, b; data t, y; (y - a - b*t)^2"), program("param p[2]; data t, y; (y - p[0] - p[1]*t)^2"));
    let columns = || [("t", &t), ("y", &y)];
    for method in [Method::Sgd, Method::Momentum, Method::Adam] {
        let settings =
            Settings { batch: Some(7), iterations: Some(40), seed: Some(3), validation: 0.2, ..settings(method) };
        let settings = || settings.clone();
        let expected = Fit::new(&numbers).columns(columns()).at([("a", 0.0), ("b", 0.0)]).settings(settings());
        let expected = expected.run().unwrap();
        let fit = Fit::new(&arrays).columns(columns()).with("p", &[0.0, 0.0]).settings(settings()).run().unwrap();
        near(&values(&fit), &values(&expected), 1e-12);
        near(&[fit.validation.unwrap()], &[expected.validation.unwrap()], 1e-12);
        assert_eq!((fit.rows, fit.iterations), (24, expected.iterations));
    }
}

/// Rows of whole arrays make the steps that the same rows of a table make, the last batch being smaller.
#[test]
fn batches_of_whole_arrays_are_those_of_a_table() {
    let t: Vec<f64> = (0..30).map(|i| f64::from(i) * 0.1).collect();
    let y: Vec<f64> = t.iter().map(|t| 2.0 - 0.5 * t + (7.0 * t).sin() / 10.0).collect();
    let design: Vec<[f64; 2]> = t.iter().map(|&t| [1.0, t]).collect();
    let rows = program("param a, b; data t, y; y - a - b*t");
    let residuals = program("param p[D]; data x[N, D], y[N]; r[i] = y[i] - sum[j](x[i, j]*p[j]); r");
    let mean = program("param p[D]; data x[N, D], y[N]; mean[i]((y[i] - sum[j](x[i, j]*p[j]))^2)");
    let bound = mean.bind(&Binding::new().size("N", 30).size("D", 2)).unwrap();
    let lists = program("param p[2]; data t[M], y[M], s[2]; sum[i]((y[i] - p[0]*s[0] - p[1]*s[1]*t[i])^2)/M");
    for method in [Method::Gd, Method::Sgd, Method::Momentum, Method::Adam] {
        let settings = Settings {
            batch: Some(7),
            iterations: Some(40),
            seed: Some(3),
            validation: 0.2,
            loss: Some(Loss::Squares),
            ..settings(method)
        };
        let settings = |size: Option<&str>, loss| {
            let batch_dimension = size.map(str::to_owned);
            Settings { batch_dimension, loss: Some(loss), ..settings.clone() }
        };
        let expected = Fit::new(&rows).columns([("t", &t), ("y", &y)]).at([("a", 0.0), ("b", 0.0)]);
        let expected = expected.settings(settings(None, Loss::Squares)).run().unwrap();
        let p = [0.0, 0.0];
        let whole = |program, loss| {
            let fit = Fit::new(program).data("x", &design).data("y", &y).with("p", &p);
            fit.settings(settings(None, loss)).run().unwrap()
        };
        let lists = Fit::new(&lists).columns([("t", &t), ("y", &y)]).data("s", &[1.0, 1.0]).with("p", &p);
        let lists = lists.settings(settings(Some("M"), Loss::Mean)).run().unwrap();
        for (fit, size) in [
            (whole(&residuals, Loss::Squares), "N"),
            (whole(&mean, Loss::Mean), "N"),
            (whole(&bound, Loss::Mean), "N"),
            (lists, "M"),
        ] {
            near(&values(&fit), &values(&expected), 1e-9);
            near(&[fit.validation.unwrap()], &[expected.validation.unwrap()], 1e-9);
            let losses = |fit: &Fitted| fit.history.iter().map(|step| step.loss).collect::<Vec<_>>();
            near(&losses(&fit), &losses(&expected), 1e-9);
            assert_eq!((fit.rows, fit.batch_dimension.as_deref()), (24, Some(size)));
        }
        assert_eq!(expected.batch_dimension, None);
    }
}

/// The gradient by which a step goes is that of the front door, to the bit, for rows, batches and whole arrays; `check` compares the same
/// functions with differences.
#[test]
fn a_step_goes_by_the_gradient_that_is_asked_for() {
    let text = "param w[D], c; data x[N, D], y[N]; mean[i](softplus(c + sum[j](w[j]*x[i, j])) - y[i]*sum[j](w[j]*sin(x[i, j])))";
    let program = program(text);
    let x: Vec<[f64; 3]> = (0..11).map(|i| [1.0, f64::from(i) * 0.3, f64::from(i * i) * 0.07]).collect();
    let y: Vec<f64> = (0..11).map(|i| f64::from(i % 3) * 0.4).collect();
    let (w, rate) = ([0.3, -0.2, 0.1], 0.37);
    let answer = program.gradient().by_name();
    let answer = answer.with("w", &w).with("c", 0.5).with("x", &x).with("y", &y).run().unwrap();
    let slopes = answer["d_w"].data.iter().zip(&w).chain(answer["d_c"].data.iter().zip(&[0.5]));
    let expected: Vec<u64> = slopes.map(|(slope, start)| (start - rate * slope).to_bits()).collect();
    let sgd = Settings { batch: Some(11), ..settings(Method::Sgd) };
    for settings in [settings(Method::Gd), sgd] {
        let settings = Settings { rate: Some(rate), iterations: Some(1), seed: Some(2), ..settings };
        let fit = Fit::new(&program).data("x", &x).data("y", &y).with("w", &w).with("c", 0.5).settings(settings);
        let found = fit.run().unwrap().state.params;
        assert_eq!(found.iter().map(|value| value.to_bits()).collect::<Vec<_>>(), expected);
    }
}

/// Whatever asks for rows, the steps are the same; what doesn't takes all at once.
#[test]
fn arrays_are_cut_only_where_rows_are_asked_for() {
    let program = program("param w[D]; data x[N, D], y[N]; mean[i]((y[i] - sum[j](x[i, j]*w[j]))^2)");
    let x: Vec<[f64; 2]> = (0..50).map(|i| [1.0, f64::from(i % 7)]).collect();
    let y: Vec<f64> = (0..50).map(|i| f64::from(i % 5)).collect();
    let run = |settings| {
        let fit = Fit::new(&program).data("x", &x).data("y", &y).with("w", &[0.0; 2]).settings(settings);
        fit.run().unwrap()
    };
    let adam = Settings { iterations: Some(3), seed: Some(1), ..settings(Method::Adam) };
    let whole = run(adam.clone());
    assert_eq!((whole.rows, whole.state.steps, whole.batch_dimension.clone()), (1, 3, None));
    let by_size = run(Settings { batch_dimension: Some("N".to_owned()), ..adam.clone() });
    assert_eq!((by_size.rows, by_size.state.steps), (50, 3 * 2));
    assert_eq!(run(Settings { batch: Some(32), ..adam.clone() }), by_size);
    assert_eq!(run(Settings { threads: 3, batch: Some(32), ..adam.clone() }), by_size);
    let sgd = run(Settings { batch: Some(50), ..Settings { method: Method::Sgd, ..adam.clone() } });
    assert_eq!((sgd.rows, sgd.state.steps), (50, 3));
    // One batch is all rows.
    let all = run(Settings { batch: Some(1000), ..adam });
    near(&values(&all), &values(&whole), 1e-12);
}

#[test]
fn what_cannot_be_cut_says_why() {
    let rows: Vec<f64> = (0..6).map(f64::from).collect();
    let square = [[1.0, 2.0], [3.0, 4.0]];
    let why = |text: &str, size: Option<&str>, data: &[(&str, &[f64], &[usize])], w: &[usize]| {
        let (program, start) = (program(text), Array::new(w, vec![0.0; w.iter().product()]));
        let settings = Settings { batch_dimension: size.map(str::to_owned), ..settings(Method::Sgd) };
        let fit = data
            .iter()
            .fold(Fit::new(&program), |fit, (name, data, shape)| fit.data(name, ArrayView::dense(data, shape)));
        fit.with("w", &start).settings(settings).run().unwrap_err().to_string()
    };
    let square = square.as_flattened();
    let cases = [
        (why("param w[2]; sum[i](w[i]^2)", None, &[], &[2]), "there are no arrays of data"),
        (
            why(
                "param w; data x[N], k[M]; sum[i](x[i] - w) + sum[j](k[j])",
                None,
                &[("x", &rows, &[6]), ("k", &rows, &[6])],
                &[],
            ),
            "don't all begin with one named size",
        ),
        (
            why("param w; data x[6]; sum[i](x[i] - w)", None, &[("x", &rows, &[6])], &[]),
            "don't all begin with one named size",
        ),
        (
            why("param w; data x[N]; sum[i]((x[i] - w)^2)", Some("M"), &[("x", &rows, &[6])], &[]),
            "no array of data begins with a size `M`",
        ),
        (
            why("param w; data K[N, N]; sum[i, j]((K[i, j] - w)^2)", None, &[("K", square, &[2, 2])], &[]),
            "`K[N, N]` has `N` elsewhere than first",
        ),
        (
            why("param w[N + 1]; data x[N]; sum[i]((x[i] - w[i])^2)", None, &[("x", &rows, &[6])], &[7]),
            "`w[N + 1]` is fitted, and has `N` elsewhere than first",
        ),
    ];
    for (message, expected) in cases {
        assert!(
            message.starts_with("gradient descent in batches needs rows: ") && message.contains(expected),
            "{message}"
        );
    }
    let by_rows = program("param w; data x; (x - w)^2");
    let settings = Settings { batch_dimension: Some("N".to_owned()), ..settings(Method::Sgd) };
    let fit = Fit::new(&by_rows).columns([("x", &rows)]).at([("w", 0.0)]).settings(settings);
    assert!(matches!(fit.run(), Err(Error::NeedsRows { .. })));
}

/// The response is what the residual is plus or minus a model, and nothing else.
#[test]
fn the_response_of_lists_is_found_from_the_residual() {
    let (x, y): (Vec<f64>, Vec<f64>) = (0..9).map(|i| (f64::from(i), 3.0 + f64::from(i * i % 5))).unzip();
    let response = |text: &str| {
        let program = program(text);
        let fit = Fit::new(&program).data("x", &x).data("y", &y).at([("w", 0.5)]);
        let run = fit.run().unwrap();
        let squares = run.squares.unwrap();
        (squares.response, squares.r2.is_some())
    };
    let y_is = |is_added| (Some(("y".to_owned(), is_added)), true);
    let head = "param w; data x[N], y[N];";
    for (residual, expected) in [
        ("y[i] - w*x[i]", y_is(true)),
        ("exp(-w*x[i]) - y[i]", y_is(false)),
        ("y[i] - w*x[i] - y[i] + y[i]", y_is(true)),
        ("(y[i] - w*x[i])/2", (None, false)),
        ("w*y[i] - x[i]*x[i]", (None, false)),
        ("y[N - 1 - i] - w*x[i]", (None, false)),
        ("y[i] - w*x[i]*y[i]", (None, false)),
        // Either could be the response.
        ("y[i] - x[i] - w", (None, false)),
    ] {
        assert_eq!(response(&format!("{head} r[i] = {residual} for i in 0..N; r")), expected, "{residual}");
    }
    // A row at a time, the columns are numbers.
    let rows = program("param w[1]; data x, y; y - w[0]*x");
    let fit = || Fit::new(&rows).columns([("x", &x), ("y", &y)]).with("w", &[0.0]);
    assert_eq!(fit().response().unwrap(), Some(("y".to_owned(), true)));
    let by_rows = fit().run().unwrap().squares.unwrap().r2.unwrap();
    let whole = program("param w[1]; data x[N], y[N]; r[i] = y[i] - w[0]*x[i]; r");
    let whole = Fit::new(&whole).columns([("x", &x), ("y", &y)]).with("w", &[0.0]).run().unwrap();
    let slope = x.iter().zip(&y).map(|(x, y)| x * y).sum::<f64>() / x.iter().map(|x| x * x).sum::<f64>();
    let mean = y.iter().sum::<f64>() / 9.0;
    let left: f64 = x.iter().zip(&y).map(|(x, y)| (y - slope * x).powi(2)).sum();
    let total: f64 = y.iter().map(|y| (y - mean).powi(2)).sum();
    near(&[by_rows, whole.squares.unwrap().r2.unwrap()], &[1.0 - left / total; 2], 1e-12);
}

const NETWORK: &str = "param W[H, 2], b[H], v[H], c; data x[N, 2], y[N]
    h[i, k] = tanh(b[k] + sum[j](W[k, j]*x[i, j]))
    z[i] = c + sum[k](v[k]*h[i, k])
    sum[i](softplus(z[i]) - y[i]*z[i])/4";

#[test]
fn a_network_learns_what_no_line_divides() {
    let (x, y) = ([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], [0.0, 1.0, 1.0, 0.0]);
    let program = program(NETWORK);
    for method in [Method::Adam, Method::Lbfgs] {
        let settings = Settings { seed: Some(1), rate: Some(0.05), iterations: Some(1_000), ..settings(method) };
        let run = || {
            let fit = Fit::new(&program).data("x", &x).data("y", &y).size("H", 8).settings(settings.clone());
            fit.run().unwrap()
        };
        let fit = run();
        assert!(fit.history[0].loss > 0.5 && fit.loss < 0.01, "{method:?}: {} to {}", fit.history[0].loss, fit.loss);
        assert_eq!(fit.shapes[0], ("W".to_owned(), vec![8, 2]));
        assert_eq!(fit.params.len(), 8 * 2 + 8 + 8 + 1);
        let bits = |fit: &Fitted| values(fit).iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&run()), bits(&fit));
    }
}

#[test]
fn random_arrays_have_the_spread_of_their_fan_in() {
    let program = program("param W[100, 25], v[400], c; sum[i, j](W[i, j]^2) + sum[i](v[i]^2) + c^2");
    let settings = Settings { seed: Some(1), iterations: Some(1), rate: Some(1e-300), ..settings(Method::Gd) };
    let fit = Fit::new(&program).bounds([("c", 4.0, 5.0)]).settings(settings).run().unwrap();
    let variance = |name: &str| {
        let array = fit.array(name).unwrap();
        array.data.iter().map(|value| value * value).sum::<f64>() / array.data.len() as f64
    };
    // Five standard deviations of a variance, which has that of a normal number times the square root of two over the count.
    assert!((variance("W") * 25.0 - 1.0).abs() < 5.0 * (2.0_f64 / 2500.0).sqrt(), "{}", variance("W"));
    assert!((variance("v") * 400.0 - 1.0).abs() < 5.0 * (2.0_f64 / 400.0).sqrt(), "{}", variance("v"));
    assert!((4.0..=5.0).contains(&fit.array("c").unwrap().number().unwrap()));
}

#[test]
fn bounds_hold_for_every_element() {
    let program = program("param w[3]; data m[3]; sum[i]((w[i] - m[i])^2)");
    let fit = Fit::new(&program).data("m", &[-1.0, 0.25, 3.0]).with("w", &[0.5, 0.5, 0.5]).bounds([("w", 0.0, 1.0)]);
    let fit = fit.settings(settings(Method::Lbfgs)).run().unwrap();
    near(&values(&fit), &[0.0, 0.25, 1.0], 1e-8);
    assert_eq!(fit.params.iter().map(|param| param.at_bound).collect::<Vec<_>>(), [true, false, true]);
}

#[test]
fn what_is_wrong_is_told() {
    let whole = program("param w[D]; data x[N, D], y[N]; r[i] = y[i] - sum[j](x[i, j]*w[j]); r");
    let loss = program("param w[D]; data x[D]; sum[j]((x[j] - w[j])^2)");
    let (x, y) = ([[1.0, 2.0], [3.0, 5.0], [1.0, 0.0]], [1.0, 2.0, 3.0]);
    let fit = || Fit::new(&whole).data("x", &x).data("y", &y);
    let of_loss = |method| Fit::new(&loss).data("x", &y).with("w", &[0.0; 3]).settings(settings(method));
    let failed = |fit: Fit| fit.run().unwrap_err().to_string();
    assert!(matches!(fit().size("D", 2).run(), Err(Error::NoStart { has_arrays: true, .. })));
    assert!(matches!(of_loss(Method::Lm).run(), Err(Error::NeedsSquares)));
    assert!(matches!(of_loss(Method::Sgd).run(), Err(Error::NeedsRows { .. })));
    let held_out = Settings { validation: 0.5, ..settings(Method::Adam) };
    assert!(matches!(of_loss(Method::Adam).settings(held_out).run(), Err(Error::NeedsRows { .. })));
    let mean = Settings { loss: Some(Loss::Mean), ..settings(Method::Lbfgs) };
    assert!(failed(fit().with("w", &[0.0; 2]).settings(mean)).contains("array"));
    assert!(failed(Fit::new(&whole).data("x", &x).with("w", &[0.0; 2])).contains("`y` has no value"));
    assert!(failed(fit().with("w", &[0.0; 3])).contains("`D` is both"));
    assert!(failed(fit().with("w", &[[0.0; 2]])).contains("`w`"));
    assert!(failed(fit().with("w", 1.0)).contains("`w`"));
    assert!(failed(fit().with("w", &[0.0; 2]).with("q", 1.0)).contains("`q` is not an argument"));
    assert!(failed(fit().with("w", &[0.0; 2]).wrt(["y"])).contains("`y` is a column of the data"));
    assert!(failed(fit().with("w", &[0.0, f64::NAN])).contains("`w[1]` is NaN"));
    assert!(failed(fit().with("w", &[0.0, 2.0]).bounds([("w", -1.0, 1.0)])).contains("`w[1]` begins at 2"));
    let no_elements = fit().data("x", (&[0.0; 0], &[3, 0])).with("w", &[0.0; 0]);
    assert!(failed(no_elements).contains("`x`"));
    let nothing = Fit::new(&loss).data("x", &[0.0; 0]).with("w", &[0.0; 0]);
    assert!(matches!(nothing.run(), Err(Error::NoParameters)));
    let holes = [[1.0, 2.0], [3.0, f64::NAN], [1.0, 0.0]];
    assert!(failed(Fit::new(&whole).data("x", &holes).data("y", &y)).contains("`x` is NaN in row 2"));
    assert!(failed(fit().with("w", &[0.0; 2]).size("M", 2)).contains("`M`"));
}
