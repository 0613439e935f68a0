//! Programs with arrays against the same written as plain loops.

use std::collections::BTreeMap;

use chainrule::error::FormulaError;
use chainrule::interp;
use chainrule::ir::verify::verify;
use chainrule::lower::{Binding, Lowered, lower};
use chainrule::ops::Fault;
use chainrule::syntax::{Limits, parse};
use chainrule::{Array, Backend, Mode, Program};

/// A text and what it means at two indices.
type Named<T> = (&'static str, fn(i64, i64) -> T);

/// An argument: its name, its extents, its elements row by row.
pub type Argument<'a> = (&'a str, &'a [usize], &'a [f64]);

pub fn lowered(text: &str, args: &[Argument]) -> Result<Lowered, String> {
    let fail = |problems| FormulaError::new("formula", text, problems).to_string();
    let limits = Limits::default();
    let (ast, _) = parse(text, &limits).map_err(fail)?;
    let mut binding = Binding::default();
    for &(name, shape, elements) in args {
        match shape {
            [] => binding.index.extend((elements[0].fract() == 0.0).then(|| (name.to_owned(), elements[0] as i64))),
            _ => binding.shapes.extend([(name.to_owned(), shape.to_vec())]),
        }
    }
    lower(&ast, &limits, &binding).map_err(fail)
}

/// The results of a program, each as its elements.
#[track_caller]
fn at(text: &str, args: &[Argument]) -> Vec<Vec<f64>> {
    let lowered = lowered(text, args).unwrap_or_else(|error| panic!("{text}\n{error}"));
    let func = &lowered.func;
    verify(func).unwrap_or_else(|error| panic!("{text}\n{error}\n{func}"));
    let given: BTreeMap<&str, &[f64]> = args.iter().map(|&(name, _, elements)| (name, elements)).collect();
    let inputs: Vec<&[f64]> = func.params.iter().map(|param| given[param.name.as_str()]).collect();
    let results = interp::call(func, &inputs).unwrap_or_else(|failure| panic!("{text}\n{failure:?}"));
    results.iter().map(interp::Value::numbers).collect()
}

/// The only result of a program.
#[track_caller]
fn gives(text: &str, args: &[Argument], expected: &[f64]) {
    let results = at(text, args);
    let close = |a: f64, b: f64| (a - b).abs() <= 1e-13 * b.abs().max(1e-300) || a == b || (a.is_nan() && b.is_nan());
    let equal = results[0].len() == expected.len() && results[0].iter().zip(expected).all(|(&a, &b)| close(a, b));
    assert!(equal, "{text}\nis {:?}, not {expected:?}", results[0]);
}

pub const X: Argument = ("x", &[4], &[0.5, -1.5, 2.0, 3.25]);
pub const Y: Argument = ("y", &[4], &[1.0, 4.0, -2.0, 0.5]);
pub const W: Argument = ("W", &[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
pub const V: Argument = ("v", &[3], &[0.5, 0.25, -1.0]);

#[test]
fn reductions_over_inferred_ranges() {
    gives("sum[i](x[i])", &[X], &[4.25]);
    gives("sum[i](x[i]*y[i])", &[X, Y], &[0.5 - 6.0 - 4.0 + 1.625]);
    gives("prod[i](x[i])", &[X], &[0.5 * -1.5 * 2.0 * 3.25]);
    gives("max[i](x[i]), min[i](x[i])", &[X], &[3.25]);
    gives("mean[i](x[i])", &[X], &[4.25 / 4.0]);
    gives("sum[i, j](W[i, j])", &[W], &[21.0]);
    gives("sum[i](prod[j](W[i, j]))", &[W], &[126.0]);
    gives("argmax[i](x[i])", &[X], &[3.0]);
    gives("argmin[i](x[i])", &[X], &[1.0]);
    gives("sum[i](i*x[i])", &[X], &[-1.5 + 4.0 + 9.75]);
}

#[test]
fn logarithms_of_sums() {
    let sum: f64 = X.2.iter().map(|x| x.exp()).sum();
    gives("logsumexp[i](x[i])", &[X], &[sum.ln()]);
    gives("logsumexp[i](1000*x[i])", &[X], &[3250.0]);
    gives("logsumexp[i in 0..0](1.0)", &[], &[f64::NEG_INFINITY]);
    let shares: Vec<f64> = X.2.iter().map(|x| x.exp() / sum).collect();
    gives("p[k] = softmax[k](x[k])", &[X], &shares);
    gives("[softmax[k](x[k]) for k]", &[X], &shares);
    gives("[softmax[k](sin(x[k])^2) for k]", &[X], &{
        let terms: Vec<f64> = X.2.iter().map(|x| x.sin().powi(2).exp()).collect();
        let sum: f64 = terms.iter().sum();
        terms.iter().map(|term| term / sum).collect::<Vec<_>>()
    });
    gives("p[n, k] = softmax[k](W[n, k]); sum[n, k](p[n, k])", &[W], &[2.0]);
}

#[test]
fn ranges_given_and_ragged() {
    gives("sum[i in 0..4](i)", &[], &[6.0]);
    gives("sum[i in 0..=4](i)", &[], &[10.0]);
    gives("sum[i in 0..4, j in 0..i](i*j)", &[], &[1.0 * 0.0 + 2.0 * 1.0 + 3.0 * 3.0]);
    gives(
        "sum[i in 0..4, j in 0..4 if i != j](10*i + j)",
        &[],
        &[(0..4)
            .flat_map(|i| (0..4).map(move |j| (i, j)))
            .filter(|(i, j)| i != j)
            .map(|(i, j)| f64::from(10 * i + j))
            .sum()],
    );
    gives("mean[i in 0..4 if i > 0](i)", &[], &[2.0]);
    gives("index n; sum[i in 0..n](x[i])", &[("n", &[], &[2.0]), X], &[-1.0]);
}

#[test]
fn of_nothing() {
    gives("sum[i in 0..0](1.5)", &[], &[0.0]);
    gives("prod[i in 0..0](1.5)", &[], &[1.0]);
    gives("max[i in 0..0](1.5)", &[], &[f64::NEG_INFINITY]);
    gives("min[i in 3..1](i)", &[], &[f64::INFINITY]);
    gives("mean[i in 0..0](1.5)", &[], &[f64::NAN]);
}

#[test]
fn an_index_that_never_stands_alone() {
    gives("y[i] = sum[k](v[k]*x[i + k])", &[V, X], &[0.25 - 0.375 - 2.0, -0.75 + 0.5 - 3.25]);
    gives("sum[i, k in 0..2](x[2*i + k])", &[X], &[4.25]);
    gives("[x[3 - i] for i]", &[X], &[3.25, 2.0, -1.5, 0.5]);
    gives("[x[i + 1] - x[i] for i in 0..3]", &[X], &[-2.0, 3.5, 1.25]);
}

#[test]
fn arrays_as_values() {
    gives("[1, x[0], 3]", &[X], &[1.0, 0.5, 3.0]);
    gives("[[1, 2], [3, 4.5]]", &[], &[1.0, 2.0, 3.0, 4.5]);
    gives("[i*j for i in 0..2, j in 0..3]", &[], &[0.0, 0.0, 0.0, 0.0, 1.0, 2.0]);
    gives("param W[2, 3]; W[1]", &[W], &[4.0, 5.0, 6.0]);
    gives("param W[2, 3]; [W[1 - i] for i in 0..2]", &[W], &[4.0, 5.0, 6.0, 1.0, 2.0, 3.0]);
    gives("param x[N], y[N]; x + 2*y - x/2", &[X, Y], &[2.25, 7.25, -3.0, 2.625]);
    gives("param x[N]; -x", &[X], &[-0.5, 1.5, -2.0, -3.25]);
    gives("param x[N], y[N]; if(x[0] > 0, x, y)", &[X, Y], X.2);
    gives("f(t) = [t, t^2]; f(3)[1]", &[], &[9.0]);
    gives("norm(a) = sqrt(sum[i](a[i]^2)); param x[N]; norm(x)", &[X], &[(0.25f64 + 2.25 + 4.0 + 10.5625).sqrt()]);
    gives("param W[M, N]; sum[i](W[i])", &[W], &[5.0, 7.0, 9.0]);
    gives("param x[N], y[N]; (a, b) = (x, y); a - b", &[X, Y], &[-0.5, -5.5, 4.0, 2.75]);
    gives("f(a) = sum[i](a[i])", &[("a", &[4], X.2)], &[4.25]);
}

#[test]
fn definitions_by_index() {
    gives("z[i] = x[i]^2", &[X], &[0.25, 2.25, 4.0, 10.5625]);
    gives("I[i, j] = if(i == j, 1, 0) for i in 0..2, j in 0..3", &[], &[1.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
    gives("z[0] = 7; z[i] = x[i - 1] for i in 1..=4", &[X], &[7.0, 0.5, -1.5, 2.0, 3.25]);
    gives("z[i] = x[i]; z[4] = 9", &[X], &[0.5, -1.5, 2.0, 3.25, 9.0]);
    gives("z[1] = 9; z[i] = x[i]", &[X], &[0.5, 9.0, 2.0, 3.25]);
    gives(
        "L[j, j] = 1; L[i, j] = 10*i + j for i in 0..3, j in 0..3",
        &[],
        &[1.0, 1.0, 2.0, 10.0, 1.0, 12.0, 20.0, 21.0, 1.0],
    );
    gives(
        "L[i, j] = x[i] for i in 0..3, j in 0..=i; L[i, j] = 0 for i in 0..3, j in 0..3",
        &[X],
        &[0.5, 0.0, 0.0, -1.5, -1.5, 0.0, 2.0, 2.0, 2.0],
    );
    gives("L[i, j] = (i + j)/2 for i in 0..4, j in 0..=i; sum[i in 0..4, j in 0..=i](L[i, j])", &[], &[15.0]);
    gives("a[i] = 2*x[i]; b[0] = 1; a[4] = 5; b[i] = a[i] for i in 1..5", &[X], &[1.0, -3.0, 4.0, 6.5, 5.0]);
    gives("param x[N]; z[N - 1] = 8; z[i] = x[i]", &[X], &[0.5, -1.5, 2.0, 8.0]);
}

#[test]
fn integers_as_subscripts() {
    let obs: Argument = ("obs", &[3, 2], &[2.0, 0.0, 0.0, 1.0, 3.0, 2.0]);
    gives("index obs[P, 2]; param x[N]; sum[p](x[obs[p, 0]])", &[obs, X], &[2.0 + 0.5 + 3.25]);
    gives("x[floor(2.7)]", &[X], &[2.0]);
    gives("param x[N], t; x[round(t)]", &[X, ("t", &[], &[2.6])], &[3.25]);
    gives("x[argmax[i](x[i]) - 1]", &[X], &[2.0]);
    gives("at(i, j) = div(i*(i - 1), 2) + j; sum[i in 0..3](sum[j in 0..i](x[at(i, j)]))", &[X], &[1.0]);
    gives("sum[i](x[mod(i + 1, 4)]*x[i])", &[X], &[0.5 * -1.5 - 1.5 * 2.0 + 2.0 * 3.25 + 3.25 * 0.5]);
}

#[test]
fn sizes_are_bound() {
    gives(
        "param W[H, D], v[D]; sum[h](sum[d](W[h, d]*v[d])) + H + 10*D",
        &[W, V],
        &[0.5 + 0.5 - 3.0 + 2.0 + 1.25 - 6.0 + 32.0],
    );
    gives("index n; z[i] = i^2 for i in 0..n", &[("n", &[], &[4.0])], &[0.0, 1.0, 4.0, 9.0]);
    let lowered = lowered(
        "param l[K, div(D*(D-1), 2)], q[D]; sum[k, p](l[k, p])",
        &[("l", &[2, 3], &[0.0; 6]), ("q", &[3], &[0.0; 3])],
    );
    assert_eq!(lowered.unwrap().sizes, [("K".to_owned(), 2), ("D".to_owned(), 3)]);
}

/// The number of checks that a program makes at run time.
fn checks(text: &str, args: &[Argument]) -> usize {
    lowered(text, args).unwrap_or_else(|error| panic!("{text}\n{error}")).func.checks.len()
}

#[test]
fn what_stays_inside_is_not_checked() {
    for text in [
        "sum[i](x[i])",
        "sum[i in 1..4](x[i - 1]*i)",
        "sum[i in 0..4, j in 0..i](x[i - j - 1])",
        "sum[i in 0..4](if(i > 0, x[i - 1], 0))",
        "sum[i in 0..5](if(i == 0, 0, x[i - 1]))",
        "sum[i](if(i > 0 and x[i - 1] > 0, x[i], 0))",
        "sum[i in 0..4 if i != 3](x[i + 1])",
        "sum[i in 0..10](x[mod(i, 4)] + x[div(i, 3)] + x[min(i, 3)])",
        "sum[i in 0..4](x[argmax[j](x[j])])",
        "L[i, j] = (i + j)/2 for i in 0..4, j in 0..=i; sum[i in 0..4, j in 0..=i](L[i, j])",
        "z[0] = 1; z[i] = x[i - 1] for i in 1..=4; sum[i in 0..5](z[i])",
        "z[i] = x[i - 1] for i in 1..=4; sum[i in 0..5](if(i > 0, z[i], 0))",
    ] {
        assert_eq!(checks(text, &[X]), 0, "{text}");
    }
    assert_eq!(
        checks("index k; param x[N]; sum[i in 0..3](if(k >= 0 and k < 4, x[k], 0))", &[X, ("k", &[], &[9.0])]),
        0
    );
    assert_eq!(checks("index k; param x[N]; x[k]", &[X, ("k", &[], &[9.0])]), 1);
}

/// The first check that fails.
#[track_caller]
fn fails(text: &str, args: &[Argument], fault: Fault, place: &str) {
    let func = lowered(text, args).unwrap_or_else(|error| panic!("{text}\n{error}")).func;
    let given: BTreeMap<&str, &[f64]> = args.iter().map(|&(name, _, elements)| (name, elements)).collect();
    let inputs: Vec<&[f64]> = func.params.iter().map(|param| given[param.name.as_str()]).collect();
    let failure = interp::call(&func, &inputs).expect_err(text);
    assert_eq!((failure.fault, func.span(failure.site).text(text)), (fault, place), "{text}");
}

#[test]
fn what_may_leave_its_array_is_checked() {
    let k = |value: &'static [f64; 1]| -> Argument<'static> { ("k", &[], value) };
    fails("index k; param x[N]; x[k]", &[X, k(&[4.0])], Fault::Outside, "x[k]");
    fails("index k; param x[N]; sum[i in 0..k](x[i])", &[X, k(&[5.0])], Fault::Outside, "x[i]");
    gives("index k; param x[N]; sum[i in 0..k](x[i])", &[X, k(&[0.0])], &[0.0]);
    // A term whose condition is false is not computed, nor is what nothing asks for.
    gives("index k; param x[N]; sum[i in 0..3 if i < 0](x[k])", &[X, k(&[9.0])], &[0.0]);
    fails("index k; param x[N]; sum[i in 0..3 if i > k](x[k - 1])", &[X, k(&[0.0])], Fault::Outside, "x[k - 1]");
    fails("param x[N], t; x[floor(t)]", &[X, ("t", &[], &[f64::NAN])], Fault::NoInteger, "floor(t)");
    fails("param x[N]; sum[i](x[floor(x[i])])", &[X], Fault::Outside, "x[floor(x[i])]");
    fails("index k; argmax[i in 0..k](sin(i))", &[k(&[0.0])], Fault::Nowhere, "argmax[i in 0..k](sin(i))");
    fails("index k; L[i, j] = i + j for i in 0..4, j in 0..=i; L[1, k]", &[k(&[2.0])], Fault::Missing, "L[1, k]");
    gives("index k; L[i, j] = i + j for i in 0..4, j in 0..=i; L[1, k]", &[k(&[1.0])], &[2.0]);
}

#[test]
fn equal_calls_and_maps_are_one() {
    let lowered = lowered("param x[N], y[N]; a = x + y; b = x + y; sum[i](a[i]*b[i])", &[X, Y]).unwrap();
    let regions = lowered.func.insts().iter().filter(|inst| matches!(inst, chainrule::ir::Inst::Region(_))).count();
    assert_eq!(regions, 2);
}

/// Numbers that look like data.
fn noise(count: usize, seed: f64) -> Vec<f64> {
    (0..count).map(|index| ((index as f64 + seed) * 12.9898).sin()).collect()
}

#[test]
fn the_log_posterior_of_a_gaussian_mixture() {
    let text = "
        data x[N, D], γ
        index m
        param alpha[K], mu[K, D], q[K, D], l[K, div(D*(D-1), 2)]
        at(i, j) = div(j*(2*D - j - 1), 2) + i - j - 1
        y[n,k,i] = exp(q[k,i])*(x[n,i] - mu[k,i]) + sum[j in 0..i](l[k, at(i,j)]*(x[n,j] - mu[k,j]))
        mix = sum[n](logsumexp[k](alpha[k] + sum[i](q[k,i]) - sum[i](y[n,k,i]^2)/2))
        prior = sum[k](γ^2/2*(sum[i](exp(2*q[k,i])) + sum[p](l[k,p]^2)) - m*sum[i](q[k,i]))
        mix - N*logsumexp[k](alpha[k]) - N*D/2*ln(tau) - prior";
    let (n, d, k) = (5, 4, 3);
    let (gamma, wishart) = (0.7, 2.0);
    let p = d * (d - 1) / 2;
    let (x, alpha, mu, q, l) =
        (noise(n * d, 1.0), noise(k, 2.0), noise(k * d, 3.0), noise(k * d, 4.0), noise(k * p, 5.0));
    let logsumexp = |terms: &[f64]| terms.iter().map(|term| term.exp()).sum::<f64>().ln();
    let mut value = 0.0;
    for n in 0..n {
        let terms: Vec<f64> = (0..k)
            .map(|k| {
                let mut term = alpha[k];
                for i in 0..d {
                    let mut y = q[k * d + i].exp() * (x[n * d + i] - mu[k * d + i]);
                    // The packed columns of a lower triangle, one after the other.
                    let mut place = 0;
                    for column in 0..d {
                        for row in column + 1..d {
                            if row == i {
                                y += l[k * p + place] * (x[n * d + column] - mu[k * d + column]);
                            }
                            place += 1;
                        }
                    }
                    term += q[k * d + i] - y * y / 2.0;
                }
                term
            })
            .collect();
        value += logsumexp(&terms);
    }
    value -= n as f64 * logsumexp(&alpha);
    value -= (n * d) as f64 / 2.0 * std::f64::consts::TAU.ln();
    for k in 0..k {
        let squares: f64 = q[k * d..][..d].iter().map(|q| (2.0 * q).exp()).sum::<f64>()
            + l[k * p..][..p].iter().map(|l| l * l).sum::<f64>();
        value -= gamma * gamma / 2.0 * squares - wishart * q[k * d..][..d].iter().sum::<f64>();
    }
    let args: [Argument; 7] = [
        ("x", &[n, d], &x),
        ("γ", &[], &[gamma]),
        ("m", &[], &[wishart]),
        ("alpha", &[k], &alpha),
        ("mu", &[k, d], &mu),
        ("q", &[k, d], &q),
        ("l", &[k, p], &l),
    ];
    let found = at(text, &args)[0][0];
    assert!((found - value).abs() < 1e-12 * value.abs(), "{found} is not {value}");
    // Subscripts by `div` are the only ones that are looked at.
    assert_eq!(checks(text, &args), 1);
}

#[test]
fn what_is_passed_must_fit() {
    let told = |text: &str, args: &[Argument]| lowered(text, args).err().unwrap_or_default();
    insta::assert_snapshot!(told("param W[H, D], v[D]; sum[h, d](W[h, d]*v[d])", &[W, ("v", &[4], &[0.0; 4])]));
    insta::assert_snapshot!(told("param W[H, D], v[2*D]; sum[h, d](W[h, d]*v[d])", &[W, V]));
    insta::assert_snapshot!(told("param W[H, D]; sum[h, d](W[h, d])", &[("W", &[6], &[0.0; 6])]));
    insta::assert_snapshot!(told("param W[H, D]; sum[h, d](W[h, d])", &[]));
    insta::assert_snapshot!(told("sum[i](x[i])", &[]));
    insta::assert_snapshot!(told("index n; z[i] = i for i in 0..2*n; sum[i](z[i])", &[]));
}

#[test]
fn sizes_by_name() {
    let (ast, _) = parse("param W[H, D]; sum[h, d](W[h, d]) + D", &Limits::default()).unwrap();
    let sizes = [("H".to_owned(), 2), ("D".to_owned(), 5)].into();
    let lowered = lower(&ast, &Limits::default(), &Binding { sizes, ..Binding::default() }).unwrap();
    assert_eq!(lowered.arguments[0].shape, [2, 5]);
    assert_eq!(*lowered.func.params[0].shape, [2, 5]);
}

#[test]
fn values_of_index_arguments_are_part_of_the_graph_where_an_extent_needs_them() {
    let specialised = |text: &str| lowered(text, &[("n", &[], &[3.0]), ("k", &[], &[1.0])]).unwrap().specialised;
    assert_eq!(specialised("index n, k; z[i] = i^2 for i in 0..2*n; z[k]"), ["n"]);
    assert_eq!(specialised("index n, k; sum[i in 0..n](i/k)"), [""; 0]);
}

#[test]
fn an_index_may_hide() {
    let warnings = |text: &str| {
        let (ast, _) = parse(text, &Limits::default()).unwrap();
        lower(&ast, &Limits::default(), &Binding::default()).unwrap().warnings.len()
    };
    assert_eq!(warnings("param x[3]; sum[d](x[d]*sum[d](x[d]))"), 1);
    assert_eq!(warnings("param x[3]; a = x[0]; sum[a](x[a])"), 0);
    assert_eq!(warnings("param x[3]; sum[gamma](x[gamma])"), 0);
}

#[test]
fn nothing_is_too_large_to_be_refused() {
    let deep = format!("{}1{}", "[".repeat(5000), "]".repeat(5000));
    let nested = format!("{}x{}", "sum[i in 0..2](".repeat(5000), ")".repeat(5000));
    let wide = format!("sum[{}](1)", (0..5000).map(|i| format!("i{i} in 0..2")).collect::<Vec<_>>().join(", "));
    let clauses: String = (0..20_000).map(|i| format!("z[{i}] = {i}\n")).collect();
    let large = "[i for i in 0..1000000000]";
    for text in [&deep, &nested, &wide] {
        assert!(lowered(text, &[]).is_err());
    }
    assert_eq!(at(&format!("{clauses}z[7]"), &[]), [[7.0]]);
    assert!(lowered(&format!("a = {large}; b = {large}; a[1] + b[2] + [2*i for i in 0..1000000000][3]"), &[]).is_err());
}

#[test]
fn the_largest_range_is_that_of_counting() {
    let (mut found, mut refused) = (0, 0);
    for (a, b, c) in (-2..=3).flat_map(|a| (-1..=2).flat_map(move |b| (-2..=6).map(move |c| (a, b, c)))) {
        if a == 0 {
            continue;
        }
        let inside = |i: i32| (0..3).all(|k| (0..7).contains(&(a * i + b * k + c)));
        let count = (0..100).take_while(|&i| inside(i)).count();
        // Where it is inside from a later index on, a range from 0 is not what is meant.
        let begins_later = count == 0 && (0..100).any(inside);
        let text = format!("sum[i, k in 0..3](x[{a}*i + {b}*k + {c}])");
        match lowered(&text, &[("x", &[7], &[1.0; 7])]) {
            Ok(_) => {
                assert!(!begins_later, "{text}");
                gives(&text, &[("x", &[7], &[1.0; 7])], &[3.0 * count as f64]);
                found += usize::from(count > 0);
            }
            Err(error) => {
                assert!(count == 0 && error.contains("the range of `i` can't be seen"), "{text}\n{error}");
                refused += 1;
            }
        }
    }
    assert!(found > 50 && refused > 20, "{found} found, {refused} refused");
}

#[test]
fn subscripts_are_checked_as_counting_says() {
    // Whatever the guard and the subscript are: a program without checks stays inside, one that is refused doesn't, and one with a check
    // fails if and only if some element that matters is outside.
    let ones: Argument = ("x", &[5], &[1.0; 5]);
    let subscripts: [Named<i64>; 8] = [
        ("i - j", |i, j| i - j),
        ("i + j - 2", |i, j| i + j - 2),
        ("2*i - j", |i, j| 2 * i - j),
        ("mod(i - j, 5)", |i, j| (i - j).rem_euclid(5)),
        ("div(i*j, 3)", |i, j| (i * j).div_euclid(3)),
        ("min(i + j, 4)", |i, j| (i + j).min(4)),
        ("abs(i - j)", |i, j| (i - j).abs()),
        ("i*j", |i, j| i * j),
    ];
    let guards: [Named<bool>; 7] = [
        ("j <= i", |i, j| j <= i),
        ("not (i < j) and i < 3", |i, j| i >= j && i < 3),
        ("i == j or i == j + 1", |i, j| i == j || i == j + 1),
        ("i != 0 and j != 0", |i, j| i != 0 && j != 0),
        ("i + j >= 2 and i + j < 6", |i, j| (2..6).contains(&(i + j))),
        ("i*j < 5", |i, j| i * j < 5),
        ("i > 9", |i, _| i > 9),
    ];
    let (mut proved, mut refused, mut checked) = (0, 0, 0);
    for (subscript, at) in subscripts {
        for (guard, holds) in guards {
            for text in [
                format!("sum[i in 0..5, j in 0..5 if {guard}](x[{subscript}])"),
                format!("sum[i in 0..5](sum[j in 0..5](if({guard}, x[{subscript}], 0)))"),
            ] {
                let needed = || (0..5).flat_map(|i| (0..5).map(move |j| (i, j))).filter(|&(i, j)| holds(i, j));
                let inside = needed().all(|(i, j)| (0..5).contains(&at(i, j)));
                let func = match lowered(&text, &[ones]) {
                    Ok(lowered) => lowered.func,
                    Err(error) => {
                        assert!(!inside && error.to_string().contains("leaves its array"), "{text}\n{error}");
                        refused += 1;
                        continue;
                    }
                };
                let result = interp::call(&func, &[ones.2]);
                match inside {
                    true => assert_eq!(result.unwrap()[0].as_f64(), needed().count() as f64, "{text}"),
                    false => assert_eq!(result.unwrap_err().fault, Fault::Outside, "{text}"),
                }
                proved += usize::from(func.checks.is_empty());
                checked += usize::from(!func.checks.is_empty());
            }
        }
    }
    assert!(proved > 40 && refused > 10 && checked > 40, "{proved} proved, {refused} refused, {checked} checked");
}

#[test]
fn what_is_not_reached_contributes_nothing_in_either_mode() {
    let x = Array::new(&[3], vec![1.0, -2.0, 4.0]);
    for (text, by_x) in [
        // Elements whose condition is false, read at another place, by rows and one by one.
        ("param x[n]; data z; y[i] = if(x[i] > 0, x[i], 0); z*sum[i in 0..n-1](sqrt(y[i+1]))", [0.0, 0.0, 0.75]),
        (
            "param x[n]; data z; y[i,k] = if(x[i] > 0, x[i], 0) for i in 0..n, k in 0..2; f(v) = sqrt(v[1]); z*sum[i in 1..n](f(y[i]))",
            [0.0, 0.0, 0.75],
        ),
        ("param x[n]; data z; y = [if(x[i] > 0, x[i], 0) for i]; z*(sqrt(y[1]) + sqrt(y[2]))", [0.0, 0.0, 0.75]),
        // Sums over nothing.
        ("param x[n]; data z; sqrt(sum[i if x[i] > 5](x[i]*z^2)) + x[2]", [0.0, 0.0, 1.0]),
        ("param x[n]; data z; z*sum[i in 0..n](sqrt(sum[j in 2..=i](x[j])))", [0.0, 0.0, 0.75]),
        // Means of nothing that aren't asked for.
        ("param x[n]; data z; z*sum[i in 0..n](if(i > 0, mean[j in 0..i](x[j]^2), 0))", [9.0, -6.0, 0.0]),
        ("param x[n]; data z; m[i] = mean[j in 0..i](x[j]^2) for i in 0..n; z*sum[i in 1..n](m[i])", [9.0, -6.0, 0.0]),
    ] {
        let program = Program::parse(text).unwrap_or_else(|error| panic!("{text}\n{error}"));
        for mode in [Mode::Forward, Mode::Reverse] {
            for backend in [Backend::Interpreter, Backend::Auto] {
                let request = program.jacobian().mode(mode).backend(backend).by_name();
                let answer = request.with("x", &x).with("z", 3.0).run();
                let answer = answer.unwrap_or_else(|error| panic!("{text}\n{error}"));
                let slopes = &answer.get("d_x").expect("slopes").data;
                assert!(
                    slopes.iter().zip(by_x).all(|(a, b)| (a - b).abs() < 1e-14),
                    "{text}\n{mode:?}, {backend:?}: {slopes:?}, not {by_x:?}"
                );
            }
        }
    }
}

#[test]
fn over_nothing_there_is_no_place() {
    let program = Program::parse("index n; argmax[i in 0..n](sin(i))").expect("a program");
    let error = program.value().by_name().with("n", 0.0).run().map(|_| ()).expect_err("no place").to_string();
    assert!(error.contains("over nothing there is no greatest"), "{error}");
}

#[test]
fn a_stopped_array_counts_as_constant() {
    let x: Argument = ("x", &[2], &[3.0, 5.0]);
    gives("param x[n]; y = stop(x); grad(sum[i](y[i]*x[i]^2), x)", &[x], &[18.0, 50.0]);
}

#[test]
fn ties_over_several_indices_share_equally() {
    let slopes = |text: &str, elements: &[f64]| {
        let program = chainrule::Program::parse(text).unwrap();
        let answer = program.gradient().with("x", chainrule::ArrayView::dense(elements, &[2, 2])).run().unwrap();
        answer["d_x"].view().to_vec()
    };
    let third = 1.0 / 3.0;
    assert_eq!(slopes("param x[2,2]; max[p,q](x[p,q])", &[1.0, 1.0, 1.0, 0.0]), [third, third, third, 0.0]);
    assert_eq!(
        slopes("param x[2,2]; min[p in 0..2, q in 0..p+1](x[p,q])", &[2.0, 0.0, 2.0, 2.0]),
        [third, 0.0, third, third]
    );
}

#[test]
fn loops_without_turns_read_nothing() {
    let x = Array::new(&[3], vec![1.0, -2.0, 4.0]);
    for (text, expected) in [
        ("param x[N]; max[i in 0..3, j in 0..0](x[i+1])", f64::NEG_INFINITY),
        ("param x[N]; sum[i in 0..3](sum[k in i+1..3](x[i+1]))", 0.0),
        ("param x[N]; L[i,j] = x[i]*x[j] for i in 0..N, j in 0..i; sum[i in 0..N](sum[k in i+1..N](L[k,i]))", -6.0),
        (
            "param x[N]; data y[M]; L[i,j] = y[i] for i in 0..M, j in 0..i; sum[i in 0..M](sum[k in i+1..M](L[k,i]))",
            0.0,
        ),
    ] {
        let y = Array::new(&[1], vec![3.0]);
        let program = Program::parse(text).unwrap();
        let mut call = program.value().with("x", &x);
        if text.contains("y[M]") {
            call = call.with("y", &y);
        }
        let answer = call.run().unwrap_or_else(|error| panic!("{text}\n{error}"));
        assert_eq!(answer.iter().next().and_then(|(_, array)| array.number()), Some(expected), "{text}");
    }
}
