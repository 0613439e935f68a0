//! The modes of differentiation against each other, and what the language promises of them (docs/language.md, "Meaning").
//!
//! 1. A branch not taken contributes nothing: `branches_not_taken_contribute_nothing`, `what_is_not_chosen_contributes_nothing`,
//!    `integer_faults_count_only_where_they_matter`.
//! 2. Kinks have one convention: `kinks_have_one_convention`; the caller can ask for them: `inspect`.
//! 3. Powers: `whole_powers_are_exact_at_every_order`.
//! 4. NaN and poles: `poles_have_infinite_slopes_and_nan_has_none`, `table`; births of NaN: `inspect`.
//! 5. No needless overflow or cancellation: `derivatives_keep_their_digits_at_the_ends`, `table`.
//! 6. All modes and back ends agree: `forward_and_reverse_are_dual`, `hessians_…`, `properties`, `jit`.
//! 7. What isn't asked for isn't there: `what_is_not_active_costs_nothing`.

use chainrule::interp::eval;
use chainrule::ir::Func;
use chainrule::ops::{OPS, Sample, Type};
use chainrule::{Program, ad, opt};

use crate::random::Random;
use crate::tower::Tower;

const NAN: f64 = f64::NAN;
const INF: f64 = f64::INFINITY;

/// A text, a point, and the derivatives there: by which arguments, and what; "" is the value.
struct Claim {
    text: &'static str,
    at: &'static [f64],
    derivatives: &'static [(&'static str, f64)],
}

const fn claim(text: &'static str, at: &'static [f64], derivatives: &'static [(&'static str, f64)]) -> Claim {
    Claim { text, at, derivatives }
}

/// Every claim must hold in every composition of modes; zeros may have either sign.
fn check(claims: &[Claim]) {
    let mut wrong = Vec::new();
    for Claim { text, at, derivatives } in claims {
        let order = derivatives.iter().map(|(by, _)| by.len()).max().unwrap_or(0);
        let program = Program::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let names: Vec<&str> = program.arguments().iter().map(|argument| argument.name.as_str()).collect();
        let tower = Tower::of(text, order);
        for (floor, computed) in tower.at(at) {
            let by: String = floor.by.iter().map(|&index| names[index]).collect();
            let Some(&(_, expected)) = derivatives.iter().find(|(name, _)| *name == by) else { continue };
            let close = (computed - expected).abs() <= 1e-13 * expected.abs();
            if !(close || computed == expected || (computed.is_nan() && expected.is_nan())) {
                wrong.push(format!("{text} at {at:?} by `{by}` {:?} is {computed:?}, not {expected:?}", floor.modes));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn branches_not_taken_contribute_nothing() {
    const LN_4: f64 = 1.386_294_361_119_890_6;
    const SPLIT: &str = "a = ln(w); if(p > 0, if(x > 0, a, 0), 0) + if(q > 0, if(x > 0, 0, a), 0)";
    check(&[
        claim("if(x > 0, ln(x), 0)", &[-1.0], &[("", 0.0), ("x", 0.0), ("xx", 0.0), ("xxx", 0.0)]),
        claim("if(x > 0, ln(x), 0)", &[2.0], &[("", LN_4 / 2.0), ("x", 0.5), ("xx", -0.25), ("xxx", 0.25)]),
        claim("if(x > 0, sqrt(x), 0)", &[0.0], &[("", 0.0), ("x", 0.0), ("xx", 0.0), ("xxx", 0.0)]),
        claim("if(x <= 0, x, sqrt(x))", &[0.0], &[("", 0.0), ("x", 1.0), ("xx", 0.0)]),
        // Shared nodes: by one arm, by both, by an arm and the condition.
        claim(
            "a = ln(x); b = sqrt(x); if(x > 0, a*b, x^2)",
            &[-3.0],
            &[("", 9.0), ("x", -6.0), ("xx", 2.0), ("xxx", 0.0)],
        ),
        claim("a = ln(x); b = sqrt(x); if(x > 0, a*b, x^2)", &[4.0], &[("", 2.0 * LN_4), ("x", 0.5 + LN_4 / 4.0)]),
        claim("a = sqrt(x); if(x > 1, a, if(x > 0, a*a, 2*x))", &[0.0], &[("", 0.0), ("x", 2.0), ("xx", 0.0)]),
        claim("a = sqrt(x); if(x > 1, a, if(x > 0, a*a, 2*x))", &[4.0], &[("", 2.0), ("x", 0.25), ("xx", -1.0 / 32.0)]),
        claim("a = ln(x); if(a > 0, x*x, 3*x)", &[-1.0], &[("", -3.0), ("x", 3.0), ("xx", 0.0)]),
        claim("a = ln(x); if(a > 0 or x < 0, x*x, a)", &[-1.0], &[("", 1.0), ("x", -2.0), ("xx", 2.0)]),
        claim("a = 1/x; if(x == 0, x, a) + if(x == 0, 0, a*a)", &[0.0], &[("", 0.0), ("x", 1.0), ("xx", 0.0)]),
        claim("a = 1/x; if(x == 0, x, a) + if(x != 0, a*a, x)", &[2.0], &[("", 0.75), ("x", -0.5), ("xx", 0.625)]),
        // Used in a branch and outside: outside counts.
        claim("a = ln(x); if(x > 0, a, 0) + a", &[-1.0], &[("", NAN), ("x", NAN)]),
        claim("a = x^2; if(x > 0, ln(x)*a, 0) + a", &[-1.0], &[("", 1.0), ("x", -2.0), ("xx", 2.0), ("xxx", 0.0)]),
        // Nested conditions, and a condition that is computed from guarded values.
        claim(
            "if(x > 0, if(z > 0, ln(x)*ln(z), 1/z), z)",
            &[-1.0, 0.0],
            &[("", 0.0), ("x", 0.0), ("z", 1.0), ("xz", 0.0)],
        ),
        claim(
            "if(x > 0, if(z > 0, ln(x)*ln(z), z), 1/z)",
            &[1.0, 0.0],
            &[("", 0.0), ("x", 0.0), ("z", 1.0), ("xz", 0.0)],
        ),
        claim("a = sqrt(x); if(x >= 0, if(a > 1, 1/(a - 1), a^2), 0)", &[1.0], &[("", 1.0), ("x", 1.0), ("xx", 0.0)]),
        claim(
            "if(x > 0 and z > 0, ln(x*z), if(not (x > 0), x, z))",
            &[-1.0, 0.0],
            &[("x", 1.0), ("z", 0.0), ("xx", 0.0)],
        ),
        claim("if(x > 0 or z > 0, ln(x + 1), ln(-x))", &[-2.0, -1.0], &[("", LN_4 / 2.0), ("x", -0.5), ("z", 0.0)]),
        // What follows has an infinite slope, or none: a zero by structure stays one.
        claim("sqrt(if(x > 0, x, z))", &[-1.0, 0.0], &[("", 0.0), ("x", 0.0), ("z", INF), ("xx", 0.0), ("xz", 0.0)]),
        claim(
            "ln(if(x > 0, x, if(z > 0, z, w)))",
            &[-1.0, -1.0, 0.0],
            &[("", -INF), ("x", 0.0), ("z", 0.0), ("w", INF)],
        ),
        claim("if(x > 0, x, z)*w", &[-1.0, 1.0, INF], &[("", INF), ("x", 0.0), ("z", INF)]),
        claim("sin(if(x > 0, x, z)) + x", &[-1.0, NAN], &[("", NAN), ("x", 1.0), ("z", NAN)]),
        claim("sqrt(if(x > 0, x, 0)) + x", &[-1.0], &[("", -1.0), ("x", 1.0), ("xx", 0.0), ("xxx", 0.0)]),
        claim("sqrt(3*if(x > 0, x, 0) + if(x > 1, x, 0))", &[-1.0], &[("", 0.0), ("x", 0.0), ("xx", 0.0)]),
        // What a turn hands to the next is a zero by structure as well.
        claim(
            "s[0] = x; s[t] = if(t < 2, s[t-1], z) for t in 1..=3; sqrt(s[3])",
            &[1.0, 0.0],
            &[("", 0.0), ("x", 0.0), ("z", INF), ("xx", 0.0)],
        ),
        claim(
            "s = iterate s from x for k in 0..3 do if(k < 2, s, z); sqrt(s)",
            &[1.0, 0.0],
            &[("", 0.0), ("x", 0.0), ("z", INF), ("xx", 0.0)],
        ),
        claim(
            "(s, t) = iterate (s, t) from (x, z) while s > 0.5 do (s/2, if(s > 1, s, z)); ln(t)",
            &[1.0, 0.0],
            &[("", -INF), ("x", 0.0), ("z", INF)],
        ),
        claim(
            "s[0] = x; s[t] = if(s[t-1] > 5, s[t-1], z) for t in 1..=3; (s[3] + 0)*(1/s[3])",
            &[1.0, INF],
            &[("", NAN), ("x", 0.0)],
        ),
        // Under conditions that neither imply nor exclude each other.
        claim(SPLIT, &[2.0, -1.0, -1.0, 1.0], &[("", LN_4 / 2.0), ("w", 0.5), ("ww", -0.25), ("wp", 0.0)]),
        claim(SPLIT, &[0.0, 1.0, -1.0, -1.0], &[("", 0.0), ("w", 0.0), ("ww", 0.0)]),
        claim(SPLIT, &[2.0, 1.0, 1.0, 1.0], &[("", LN_4 / 2.0), ("w", 0.5), ("ww", -0.25)]),
        // A branch inside the branch's argument.
        claim("f(t) = if(t > 0, sqrt(t), 0); f(f(x))", &[0.0], &[("", 0.0), ("x", 0.0), ("xx", 0.0)]),
        claim("f(t) = if(t > 0, sqrt(t), 0); f(f(x) - 1)", &[1.0], &[("", 0.0), ("x", 0.0), ("xx", 0.0)]),
        claim("f(t) = if(t > 0, sqrt(t), 0); f'(x)", &[0.0], &[("", 0.0), ("x", 0.0), ("xx", 0.0)]),
    ]);
}

#[test]
fn what_is_not_chosen_contributes_nothing() {
    check(&[
        claim("max(sqrt(x), 1)", &[0.0], &[("", 1.0), ("x", 0.0), ("xx", 0.0)]),
        claim("min(-sqrt(x), -1)", &[0.0], &[("", -1.0), ("x", 0.0), ("xx", 0.0)]),
        claim("min(exp(x), 1)", &[1000.0], &[("", 1.0), ("x", 0.0), ("xx", 0.0), ("xxx", 0.0)]),
        claim("max(ln(x), -5)", &[0.0], &[("", -5.0), ("x", 0.0), ("xx", 0.0)]),
        claim("max(sqrt(x), 1, x + 2)", &[0.0], &[("", 2.0), ("x", 1.0), ("xx", 0.0)]),
        claim("min(1/x, 3, x + 2)", &[0.0], &[("", 2.0), ("x", 1.0), ("xx", 0.0)]),
        claim("clamp(ln(x), -1, 1)", &[0.0], &[("", -1.0), ("x", 0.0), ("xx", 0.0)]),
        claim("clamp(1/x, -1, 1)", &[0.0], &[("", 1.0), ("x", 0.0), ("xx", 0.0)]),
        claim("clamp(x, sqrt(x), 2)", &[0.0], &[("", 0.0), ("x", 1.0), ("xx", 0.0)]),
        claim("clamp(x, -1, sqrt(z))", &[-0.5, 0.0], &[("", -0.5), ("x", 1.0), ("z", 0.0), ("zz", 0.0)]),
        claim("relu(ln(x))", &[0.0], &[("", 0.0), ("x", 0.0), ("xx", 0.0)]),
        claim("relu(-sqrt(x))", &[0.0], &[("", 0.0), ("x", 0.0), ("xx", 0.0)]),
        claim("leaky_relu(x, sqrt(z))", &[2.0, 0.0], &[("", 2.0), ("x", 1.0), ("z", 0.0), ("xz", 0.0)]),
        claim("sqrt(max(x, z))", &[-1.0, 0.0], &[("", 0.0), ("x", 0.0), ("z", INF), ("xx", 0.0)]),
        claim(
            "s[0] = x; s[t] = min(s[t-1], z) for t in 1..=3; sqrt(s[3])",
            &[1.0, 0.0],
            &[("", 0.0), ("x", 0.0), ("z", INF), ("xx", 0.0)],
        ),
        claim("sqrt(relu(x))", &[-1.0], &[("", 0.0), ("x", 0.0), ("xx", 0.0)]),
        claim("ln(2*clamp(x, 0, 1))", &[-1.0], &[("", -INF), ("x", 0.0), ("xx", 0.0)]),
        claim("1/min(x, z, 0)", &[1.0, 2.0], &[("", INF), ("x", 0.0), ("z", 0.0), ("xz", 0.0)]),
        // NaN is passed on.
        claim("max(ln(x), 1)", &[-1.0], &[("", NAN), ("x", NAN)]),
        claim("min(ln(x), 1, 2)", &[-1.0], &[("", NAN), ("x", NAN)]),
        claim("clamp(ln(x), 0, 1)", &[-1.0], &[("", NAN), ("x", NAN)]),
        claim("relu(ln(x))", &[-1.0], &[("", NAN), ("x", NAN)]),
        claim("sin(clamp(y, z, ln(x)))", &[1.0, -4.0, -1.0], &[("", NAN), ("y", NAN), ("z", NAN), ("x", NAN)]),
        claim("max(ln(x), z)", &[-1.0, 3.0], &[("", NAN), ("x", NAN), ("z", NAN)]),
    ]);
}

#[test]
fn kinks_have_one_convention() {
    const THIRD: f64 = 1.0 / 3.0;
    check(&[
        claim("abs(x)", &[0.0], &[("", 0.0), ("x", 0.0), ("xx", 0.0)]),
        claim("relu(x)", &[0.0], &[("", 0.0), ("x", 0.0), ("xx", 0.0)]),
        claim("hypot(x, z)", &[0.0, 0.0], &[("", 0.0), ("x", 0.0), ("z", 0.0)]),
        claim("max(x, z)", &[2.0, 2.0], &[("x", 0.5), ("z", 0.5), ("xx", 0.0), ("xz", 0.0)]),
        claim("max(x, z, w)", &[2.0, 2.0, 2.0], &[("x", THIRD), ("z", THIRD), ("w", THIRD), ("xz", 0.0)]),
        claim("min(x, z, w)", &[1.0, 2.0, 1.0], &[("x", 0.5), ("z", 0.0), ("w", 0.5)]),
        claim("min(x, z, w, u)", &[1.0, 1.0, 1.0, 1.0], &[("x", 0.25), ("z", 0.25), ("w", 0.25), ("u", 0.25)]),
        claim("max(x, x, z)", &[1.0, 1.0], &[("x", 2.0 * THIRD), ("z", THIRD)]),
        claim("max(x, x)", &[1.0], &[("", 1.0), ("x", 1.0)]),
        claim("clamp(x, 0, 1)", &[0.0], &[("", 0.0), ("x", 1.0)]),
        claim("clamp(x, 0, 1)", &[1.0], &[("", 1.0), ("x", 1.0)]),
        claim("clamp(x, 0, 1)", &[2.0], &[("", 1.0), ("x", 0.0)]),
        claim("floor(x) + ceil(x) + round(x) + trunc(x) + sign(x) + step(x)", &[1.0], &[("", 6.0), ("x", 0.0)]),
        claim("stop(x)*x", &[3.0], &[("", 9.0), ("x", 3.0), ("xx", 0.0)]),
        claim("stop(x)", &[3.0], &[("", 3.0), ("x", 0.0)]),
    ]);
}

#[test]
fn whole_powers_are_exact_at_every_order() {
    check(&[
        claim("x^2", &[0.0], &[("", 0.0), ("x", 0.0), ("xx", 2.0), ("xxx", 0.0)]),
        claim("x^3", &[0.0], &[("", 0.0), ("x", 0.0), ("xx", 0.0), ("xxx", 6.0)]),
        claim("x^3", &[-2.0], &[("", -8.0), ("x", 12.0), ("xx", -12.0), ("xxx", 6.0)]),
        claim("x^0", &[0.0], &[("", 1.0), ("x", 0.0), ("xx", 0.0)]),
        claim("x^-2", &[-2.0], &[("", 0.25), ("x", 0.25), ("xx", 0.375), ("xxx", 0.75)]),
        claim("index n; param x; x^n", &[2.0, 0.0], &[("", 0.0), ("x", 0.0), ("xx", 2.0), ("xxx", 0.0)]),
        claim("index n; param x; x^n", &[0.0, 0.0], &[("", 1.0), ("x", 0.0), ("xx", 0.0), ("xxx", 0.0)]),
        claim("index n; param x; x^n", &[1.0, 0.0], &[("", 0.0), ("x", 1.0), ("xx", 0.0), ("xxx", 0.0)]),
        claim("index n; param x; x^n", &[-1.0, 2.0], &[("", 0.5), ("x", -0.25), ("xx", 0.25), ("xxx", -0.375)]),
        claim("0^y", &[2.5], &[("", 0.0), ("y", 0.0), ("yy", 0.0), ("yyy", 0.0)]),
        claim("x^y", &[0.0, 2.5], &[("", 0.0), ("x", 0.0), ("y", 0.0), ("yy", 0.0)]),
        claim("x^y", &[-2.0, 2.0], &[("", 4.0), ("x", -4.0), ("y", NAN)]),
        claim("x^y", &[3.0, 0.0], &[("", 1.0), ("x", 0.0), ("xx", 0.0), ("xy", 1.0 / 3.0)]),
        claim("x^0.5 - sqrt(x)", &[0.0], &[("", 0.0), ("x", NAN)]),
    ]);
    for x in [0.0, -0.0, 5e-324, 1e-310, 0.3, 2.0, 1e300, INF, -INF, -1.0, NAN] {
        let (power, root) = (Tower::of("x^0.5", 3), Tower::of("sqrt(x)", 3));
        for ((_, a), (_, b)) in power.at(&[x]).into_iter().zip(root.at(&[x])) {
            assert!(a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()), "x^0.5 and sqrt(x) at {x}: {a}, {b}");
        }
    }
}

#[test]
fn poles_have_infinite_slopes_and_nan_has_none() {
    check(&[
        claim("ln(x)", &[0.0], &[("", -INF), ("x", INF), ("xx", -INF), ("xxx", INF)]),
        claim("ln(x)", &[-0.0], &[("", -INF), ("x", -INF)]),
        claim("sqrt(x)", &[0.0], &[("", 0.0), ("x", INF), ("xx", -INF)]),
        claim("logit(x)", &[0.0], &[("", -INF), ("x", INF), ("xx", -INF), ("xxx", INF)]),
        claim("cbrt(x)", &[0.0], &[("", 0.0), ("x", INF), ("xx", -INF)]),
        claim("log2(x) + log10(x)", &[0.0], &[("", -INF), ("x", INF), ("xx", -INF)]),
        claim("ln(x)", &[-1.0], &[("", NAN), ("x", NAN), ("xx", NAN), ("xxx", NAN)]),
        claim("ln(x) + z", &[-1.0, 2.0], &[("", NAN), ("x", NAN), ("z", 1.0), ("zz", 0.0), ("xz", 0.0)]),
        claim("x*(1/z)", &[0.0, 0.0], &[("", NAN), ("x", INF), ("z", NAN)]),
        claim("max(x, z)", &[NAN, 1.0], &[("", NAN), ("x", NAN), ("z", NAN)]),
        claim("if(x < 1, 1, 0) + if(x != 1, 10, 0) + if(x == x, 100, 0)", &[NAN], &[("", 10.0), ("x", 0.0)]),
        // A zero by structure removes its term.
        claim("0*stop(x) + z", &[INF, 1.0], &[("x", 0.0), ("z", 1.0)]),
        claim("floor(ln(x))", &[-1.0], &[("", NAN), ("x", 0.0)]),
    ]);
}

#[test]
fn derivatives_keep_their_digits_at_the_ends() {
    const LSE: &str = "m = stop(max(a, b)); m + ln(exp(a - m) + exp(b - m))";
    check(&[
        claim("hypot(x, z)", &[3e300, 4e300], &[("", 5e300), ("x", 0.6), ("z", 0.8), ("xx", 1.28e-301)]),
        claim("hypot(x, z)", &[3e-300, 4e-300], &[("", 5e-300), ("x", 0.6), ("z", 0.8), ("xz", -9.6e298)]),
        claim("atan2(x, z)", &[3e-300, 4e-300], &[("x", 1.6e299), ("z", -1.2e299)]),
        claim("atan2(x, z)", &[3e300, 4e300], &[("x", 1.6e-301), ("z", -1.2e-301)]),
        claim("sigmoid(x)", &[-700.0], &[("", 9.859_676_543_759_77e-305), ("x", 9.859_676_543_759_77e-305)]),
        claim(
            "sigmoid(x)",
            &[700.0],
            &[("", 1.0), ("x", 9.859_676_543_759_77e-305), ("xx", -9.859_676_543_759_77e-305)],
        ),
        claim("softplus(x)", &[1e300], &[("", 1e300), ("x", 1.0), ("xx", 0.0), ("xxx", 0.0)]),
        claim("softplus(x)", &[-700.0], &[("", 9.859_676_543_759_77e-305), ("xxx", 9.859_676_543_759_77e-305)]),
        claim("tanh(x)", &[20.0], &[("", 1.0), ("x", 1.699_341_702_116_618_4e-17), ("xx", -3.398_683_404_233_237e-17)]),
        claim("tanh(x)", &[1e300], &[("", 1.0), ("x", 0.0), ("xx", 0.0), ("xxx", 0.0)]),
        claim(
            LSE,
            &[1000.0, 1000.0],
            &[("", 1_000.693_147_180_56), ("a", 0.5), ("b", 0.5), ("aa", 0.25), ("ab", -0.25)],
        ),
        claim(LSE, &[-1000.0, 1000.0], &[("", 1000.0), ("a", 0.0), ("b", 1.0), ("ab", 0.0)]),
        claim("erfc(x)", &[20.0], &[("", 5.395_865_611_607_901e-176), ("x", -2.161_037_474_386_798_4e-174)]),
        claim("log1p(x)", &[1e-20], &[("", 1e-20), ("x", 1.0), ("xx", -1.0)]),
        claim("expm1(x)", &[1e-20], &[("", 1e-20), ("x", 1.0)]),
    ]);
}

#[test]
fn integer_faults_count_only_where_they_matter() {
    let tower =
        |text: &str, x: &[f64]| Tower::of(text, 2).try_at(x).map(|all| all.iter().map(|(_, d)| *d).sum::<f64>());
    assert_eq!(tower("index n, m; param x; if(n > 0, div(m, n), 0)*x", &[0.0, 7.0, 2.0]), Ok(0.0));
    assert!(tower("index n, m; param x; div(m, n)*x", &[0.0, 7.0, 2.0]).is_err());
    assert!(tower("index n, m; param x; max(div(m, n)*x, x)", &[0.0, 7.0, 2.0]).is_err());
    assert!(tower("index n, m; param x; if(n >= 0, div(m, n), 0)*x", &[0.0, 7.0, 2.0]).is_err());
    assert!(tower("index n, m; param x; if(n != 0 and mod(m, n) == 0, x, 0)", &[0.0, 7.0, 2.0]).is_ok());
    assert!(tower("index n, m; param x; if(mod(m, n) == 0 and n != 0, x, 0)", &[0.0, 7.0, 2.0]).is_err());
    assert!(tower("index n, m; param x; if(n == 0 or mod(m, n) == 0, x, 0)", &[0.0, 7.0, 2.0]).is_ok());
    assert!(
        tower("index n, m; param x; q = div(m, n); if(n > 0, q*x, 0) + if(n == 0, 0, q)", &[0.0, 7.0, 2.0]).is_ok()
    );
    assert!(tower("index n, m; param x; q = div(m, n); if(n > 0, q*x, 0) + q", &[0.0, 7.0, 2.0]).is_err());
    assert!(tower("index n; param x; n^30*x", &[1000.0, 2.0]).is_err());
    assert!(tower("index n; param x; x^n*2^n", &[-1.0, 2.0]).is_err());
    let error = Program::parse("index n, m; param x; x*div(m, n)").expect("a program").gradient().compile();
    let error = error.expect("code").call(&[0.0, 7.0, 2.0], &mut [0.0]).expect_err("a division by zero").to_string();
    assert!(error.contains("div(m, n)"), "{error}");
}

#[test]
fn forward_and_reverse_are_dual() {
    // dot(jvp(v), w) = dot(v, vjp(w)) for every operator, at points of its domain.
    let mut random = Random(7);
    for row in OPS.iter().filter(|row| !row.domain.is_empty()) {
        let mut builder = chainrule::ir::Builder::new(row.name);
        let args: Vec<_> =
            row.args.iter().enumerate().map(|(index, &ty)| builder.param(&format!("x{index}"), ty)).collect();
        let value = builder.emit(row.op, &args);
        let func = builder.finish(vec![chainrule::ir::Output { name: String::new(), value }]);
        let wrt: Vec<usize> = (0..args.len()).filter(|&index| row.args[index] == Type::F64).collect();
        let (jvp, vjp) = (ad::jvp(&func, &wrt), ad::vjp(&func, &wrt));
        for _ in 0..50 {
            let x: Vec<f64> =
                row.args.iter().zip(0..).map(|(&ty, index)| sample(&mut random, ty, row.domain, index)).collect();
            let v: Vec<f64> = wrt.iter().map(|_| random.unit() - 0.5).collect();
            let w = random.unit() - 0.5;
            let forward = results(&jvp, &[&x[..], &v].concat())[1] * w;
            let backward = results(&vjp, &[&x[..], &[w]].concat());
            let backward: f64 = backward[1..].iter().zip(&v).map(|(bar, v)| bar * v).sum();
            let size: f64 = forward.abs().max(backward.abs()).max(1e-300);
            assert!((forward - backward).abs() <= 1e-12 * size, "{} at {x:?}: {forward} and {backward}", row.name);
        }
    }
}

fn sample(random: &mut Random, ty: Type, domain: &[Sample], index: usize) -> f64 {
    match (ty, domain.get(index)) {
        (Type::F64, Some(domain)) => domain.low + (domain.high - domain.low) * random.unit(),
        (Type::Int, _) => random.below(7) as f64 - 2.0,
        _ => random.below(2) as f64,
    }
}

fn results(func: &Func, x: &[f64]) -> Vec<f64> {
    let mut out = vec![0.0; func.results.len()];
    eval(func, x, &mut out).expect("no integer fails");
    out
}

#[test]
fn hessians_are_symmetric_and_agree_in_all_modes() {
    const TEXTS: [&str; 6] = [
        "exp(x*z) + x*z/ln(x)",
        "a = x*z; b = ln(x); (exp(a) + a/b)*sin(w*b)/a",
        "100*(z - x^2)^2 + (1 - x)^2*w",
        "hypot(x, z)*atan2(w, x) + x^z + w^3",
        "sigmoid(x*z + w)*softplus(z)*erf(x) + gelu(w*x)",
        "if(x > z, x*z*w, x + z*w)*max(x, z*w, 0.1) + sinc(x*w)^2",
    ];
    for text in TEXTS {
        let tower = Tower::of(text, 3);
        for point in [[0.7, 1.9, 0.3], [2.5, 0.6, 1.2], [1.2, 3.0, -0.4]] {
            let mut known = std::collections::BTreeMap::new();
            for (floor, computed) in tower.at(&point) {
                let expected = *known.entry(floor.sorted()).or_insert(computed);
                let close = (computed - expected).abs() <= 1e-11 * (1.0 + expected.abs());
                assert!(close, "{text} at {point:?} by {floor:?}: {computed} and {expected}");
            }
        }
    }
}

#[test]
fn what_is_not_active_costs_nothing() {
    let program = Program::parse("exp(sin(x))*z").expect("a program");
    let by_z = program.gradient().wrt(["z"]).graph().expect("a gradient");
    // The value takes three operations, and the derivative by `z` is one of them.
    assert_eq!(by_z.operations(), 3, "{by_z}");
    let program = Program::parse("exp(sin(x)) + 0*z").expect("a program");
    let by_data = Program::parse("data x; param z; exp(sin(x))*z + cos(x)").expect("a program");
    assert_eq!(by_data.gradient().graph().expect("a gradient").operations(), 5);
    let value = program.gradient().wrt(Vec::<String>::new()).graph().expect("no derivative");
    assert_eq!(value.results.len(), 1);
    // `x^3` by `x` has no logarithm, and `2^x` no power of 2 less one.
    let cube = Program::parse("x^3.5").expect("a program").gradient().graph().expect("a gradient").to_string();
    assert!(!cube.contains("xlog_pow"), "{cube}");
    let stopped = Program::parse("stop(exp(x))*x").expect("a program").hessian().graph().expect("a hessian");
    assert_eq!(opt::release(&stopped).operations(), 2, "{stopped}");
}

#[test]
fn names_of_derivatives_are_bound_by_position() {
    let func = Program::parse("sin(x)*z").expect("a program").graph().clone();
    let twice = ad::jvp(&ad::jvp(&func, &[0, 1]), &[0, 1, 2, 3]);
    let names: Vec<&str> = twice.params.iter().map(|param| param.name.as_str()).collect();
    assert_eq!(names, ["x", "z", "x_dot", "z_dot", "x_dot_2", "z_dot_2", "x_dot_dot", "z_dot_dot"]);
    let (x, z, u, v) = (0.4f64, 1.7, [0.3, -0.8], [1.1, 0.6]);
    let out = results(&twice, &[x, z, u[0], u[1], v[0], v[1], 0.0, 0.0]);
    let second = -x.sin() * z * u[0] * v[0] + x.cos() * (u[0] * v[1] + u[1] * v[0]);
    assert!((out[3] - second).abs() < 1e-14, "{} and {second}", out[3]);
    // An argument that is called as a tangent would be keeps its name.
    let clash = ad::jvp(Program::parse("x*x_dot").expect("a program").graph(), &[0]);
    assert_eq!(clash.params[2].name, "x_dot_2");
}
