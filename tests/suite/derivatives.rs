//! Derivatives of programs with arrays and loops as texts: each reads back, without a warning, to a program whose values are the
//! derivatives, and is written the same when it is written again.

use std::collections::BTreeSet;

use chainrule::formula::{self, Names};
use chainrule::{Argument, Array, Binding, Mode, Program, Role};

use crate::seen;

/// A text and its sizes.
struct Case {
    text: &'static str,
    sizes: &'static [(&'static str, i64)],
}

const fn case(text: &'static str, sizes: &'static [(&'static str, i64)]) -> Case {
    Case { text, sizes }
}

const CASES: &[Case] = &[
    case("param x[N]; sum[i](x[i]^2)", &[("N", 3)]),
    case("param x[N], c; c + sum[i](x[i]*sin(x[i]*c))/N", &[("N", 5)]),
    case(
        "param W[H,D], b[H]; data x[D]; y[h] = tanh(b[h] + sum[d](W[h,d]*x[d])); sum[h](y[h]^2)",
        &[("H", 2), ("D", 3)],
    ),
    case("param x[N]; y[i] = x[i+1] - x[i] for i in 0..N-1; sum[i](y[i]^2)", &[("N", 5)]),
    case("param x[N]; logsumexp[i](x[i])", &[("N", 4)]),
    case("param x[N]; p[i] = softmax[i](x[i]); sum[i](p[i]^2)", &[("N", 4)]),
    case("param x[N]; prod[i](x[i])", &[("N", 4)]),
    case("param x[N]; max[i](x[i]^2) + min[i](x[i])", &[("N", 4)]),
    case("param x[N, M]; sum[i, j if i != j](x[i,j]^3)", &[("N", 3), ("M", 4)]),
    case("param x[N]; sum[i, j in 0..i](sin(x[i] - x[j]))", &[("N", 4)]),
    case("param x[N]; sum[i, j in 0..N if j > i](exp(x[i]*x[j]))", &[("N", 4)]),
    case(
        "param W[H,H], u[T,H]\nh[0, j] = 0\nh[t, j] = tanh(sum[k](W[j,k]*h[t-1,k]) + u[t-1,j]) for t in 1..=T\nsum[j](h[T,j]^2)",
        &[("H", 3), ("T", 4)],
    ),
    case("param a, b\nx[0] = a\nx[1] = b\nx[n] = x[n-1]*x[n-2] + sin(n) for n in 2..8\nx[7]", &[]),
    case("param c[N]\nb[N] = 0\nb[k] = c[k] + b[k+1]*0.5 for k in 0..N\nb[0]^2", &[("N", 5)]),
    case("param a; iterate r from 1 for k in 0..20 do r - (r^2 - a)/(2*r)", &[]),
    case("param a, h; iterate y from 1 while y < 3 do y + (h + a)*y", &[]),
    case("param a; iterate r from 1 while abs(r^2 - a) > 1e-12 do r - (r^2 - a)/(2*r)", &[]),
    case("param a[2]; iterate r from 1 while abs(r^2 - a[0] - a[1]) > 1e-12 do r - (r^2 - a[0] - a[1])/(2*r)", &[]),
    case("param x0, v0, dt; (x, v) = iterate (x, v) from (x0, v0) for k in 0..7 do (x + dt*v, v - dt*x); x*v", &[]),
    case(
        "param v[N], A[N,N]; w = iterate w from v for k in 0..4 do [sum[j](A[i,j]*w[j]) for i in 0..N]; sum[i](w[i]^2)",
        &[("N", 3)],
    ),
    case("param w[K]; data x[N]; y[i] = sum[k](w[k]*x[i+k]) for i in 0..N-K+1; sum[i](y[i]^2)", &[("N", 6), ("K", 3)]),
    case("data w[K]; param x[N]; y[i] = sum[k](w[k]*x[i+k]) for i in 0..N-K+1; sum[i](y[i]^2)", &[("N", 6), ("K", 3)]),
    case("param x[N]; y[i] = sum[j](x[j]*x[i])*if(i > 1, x[i], x[i]^2); sum[i](y[i])", &[("N", 4)]),
    case("param x[N]; y[i] = x[i]^2; z[i] = y[i]*y[N-1-i]; sum[i](z[i])", &[("N", 4)]),
    case("param x[N]; index at[N]; y[i] = x[at[i]]^2; sum[i](y[i]*x[i])", &[("N", 3)]),
    case("param x[N]; s[0] = 0; s[i] = s[i-1] + x[i-1]^2 for i in 1..=N; sum[i](s[i]*x[0])", &[("N", 4)]),
    case(
        "param A[N,N]\nL[i,j] = if(j > i, 0, if(i == j, sqrt(A[i,i] + 10 - sum[k in 0..j](L[j,k]^2)), \
         (A[i,j] - sum[k in 0..j](L[i,k]*L[j,k]))/L[j,j])) for i in 0..N, j in 0..N\nsum[i](ln(L[i,i]))",
        &[("N", 3)],
    ),
    case(
        "param r[2], t; rotate(v) = [cos(t)*v[0] - sin(t)*v[1], sin(t)*v[0] + cos(t)*v[1]]; u = rotate(rotate(r)); u[0]*u[1]",
        &[],
    ),
    case("param x[N], k; f(t) = sum[i](x[i]*t^i); f'(k) + f(k)", &[("N", 4)]),
    case("param x[N]; a = argmax[i](x[i]); x[a]^2 + a", &[("N", 4)]),
    case("param x[N]; mean[i](relu(x[i]) + abs(x[i]) + leaky_relu(x[i], 0.1))", &[("N", 5)]),
    case("param x[2, 3, 2]; sum[i, j, k](x[i,j,k]*x[1-i,j,k])", &[]),
    case(
        "data x[N, D], γ\nindex m\nparam alpha[K], mu[K, D], q[K, D], l[K, div(D*(D-1), 2)]\nat(i, j) = div(j*(2*D - j - 1), 2) + i - j - 1\ny[n,k,i] = exp(q[k,i])*(x[n,i] - mu[k,i]) + sum[j in 0..i](l[k, at(i,j)]*(x[n,j] - mu[k,j]))\nmix = sum[n](logsumexp[k](alpha[k] + sum[i](q[k,i]) - sum[i](y[n,k,i]^2)/2))\nprior = sum[k](γ^2/2*(sum[i](exp(2*q[k,i])) + sum[p](l[k,p]^2)) - m*sum[i](q[k,i]))\nmix - N*logsumexp[k](alpha[k]) - N*D/2*ln(tau) - prior",
        &[("N", 3), ("D", 2), ("K", 2)],
    ),
    case(
        "param w\nnorm(a) = sqrt(sum[i](a[i]^2))\np(x) = 1/norm(x - [10, 10 - w]) + 1/norm(x - [10, 0])\ndt = 0.1\n(x, v) = iterate (x, v) from ([0, 8], [0.75, 0]) for k in 0..30 while x[1] + dt*v[1] > 0 do\n    (x + dt*v, v - dt*grad(p(x), x))\n(x[0] - x[1]/v[1]*v[0])^2",
        &[],
    ),
    case(
        "param U[H, D], W[H, H], V[H]\ndata x[T, D], y[T]\nindex window\nh[0, j] = 0\npast[t, j] = if(mod(t, window + 1) == 0, stop(h[t,j]), h[t,j])   for t in 0..T\nh[t, j] = tanh(sum[k](W[j,k]*past[t-1,k]) + sum[d](U[j,d]*x[t-1,d]))   for t in 1..=T\nsum[t]((sum[j](V[j]*h[t+1,j]) - y[t])^2)/2",
        &[("H", 2), ("D", 2), ("T", 3)],
    ),
    case(
        "param a[S,S], b[S,O], p[S]; index obs[T]\nα[0,s] = p[s] + b[s,obs[0]]\nα[t,s] = logsumexp[r](α[t-1,r] + a[r,s]) + b[s,obs[t]] for t in 1..T\nlogsumexp[s](α[T-1,s])",
        &[("S", 2), ("O", 2), ("T", 4)],
    ),
    case(
        "param x[N, T]; z[n,0] = 0; z[n,t] = sin(z[n,t-1] + x[n,t-1]) for t in 1..=T\nsum[n](z[n,T]^2)",
        &[("N", 2), ("T", 3)],
    ),
    case(
        "param x[N, T]; f(n) = { s[0] = 1; s[t] = s[t-1]*x[n,t-1] + 1 for t in 1..=T; s[T] }\nsum[n](f(n)^2)",
        &[("N", 2), ("T", 3)],
    ),
    case("param x[N]; f(n) = iterate r from 1 for k in 0..5 do r - (r^2 - x[n])/(2*r)\nsum[n](f(n)^2)", &[("N", 3)]),
    case(
        "param Wf[H,H], Wc[H,H], bf[H]; data x[T,H]\nh[0,j] = 0; c[0,j] = 0\ng[t,j] = sigmoid(bf[j] + sum[k](Wf[j,k]*(h[t-1,k] + x[t-1,k]))) for t in 1..=T\nc[t,j] = g[t,j]*c[t-1,j] + (1 - g[t,j])*tanh(sum[k](Wc[j,k]*(h[t-1,k] + x[t-1,k]))) for t in 1..=T\nh[t,j] = tanh(c[t,j]) for t in 1..=T\nsum[j](h[T,j]^2)",
        &[("H", 2), ("T", 3)],
    ),
    case("param x[N]; d2[i,j] = (x[i]-x[j])^2; sum[i,j if i != j](1/d2[i,j])", &[("N", 4)]),
    case(
        "param q[N, 2]; data m[N]; sum[i, j in 0..i](-m[i]*m[j]/hypot(q[i,0]-q[j,0]+1, q[i,1]-q[j,1]+2))",
        &[("N", 4)],
    ),
    case("param θ[N]; data x[N]; y[i] = if(x[i] > 0.8, ln(θ[i]), sqrt(θ[i])); prod[i](y[i] + 2)", &[("N", 4)]),
    case("param A[N,N], x[N]; sum[i](x[i]*sum[j](A[i,j]*x[j])), sum[i](x[i]^2)", &[("N", 3)]),
    case("param A[N,N]; B[i,j] = sum[k](A[i,k]*A[k,j]); C[i,j] = sum[k](B[i,k]*A[k,j]); sum[i](C[i,i])", &[("N", 3)]),
    case("param x[N]; y[i] = max(x[i], x[N-1-i])*min(x[i], 0.7); sum[i](clamp(y[i], 0.2, 0.5))", &[("N", 4)]),
    case(
        "param P[S]; index parent[N]; data len[N]; pose[0] = P[0]; pose[b] = pose[min(parent[b], b - 1)]*len[b] + P[mod(b, S)] for b in 1..N; sum[b](pose[b]^2)",
        &[("N", 4), ("S", 2)],
    ),
    case("param x[N]; median(a) = sum[i](a[i]*a[mod(i + 1, N)]); median(x)", &[("N", 4)]),
    case("param x[N]; argmin[i](abs(x[i] - 0.5)) + sum[i](floor(x[i]*10)*x[i])", &[("N", 4)]),
    case("param x, n; s = sum[k in 0..10](x^k/gamma(k+1)); s*n", &[]),
    case("param x; sum[k in 1..=5](sin(k*x)/k), prod[k in 1..=3](x + k)", &[]),
    case("param x[3]; [x[1], x[0]*x[2], x[1]^2]", &[]),
    case(
        "param K[3], x[N]; y[i] = sum[k in 0..3 if i + k - 1 >= 0 and i + k - 1 < N](K[k]*x[i+k-1]) for i in 0..N; sum[i](y[i]^2)",
        &[("N", 5)],
    ),
    case(
        "param u[N]; data dt; v = iterate v from u for k in 0..3 do [if(i == 0 or i == N-1, v[i], v[i] + dt*(v[i-1] - 2*v[i] + v[i+1])) for i in 0..N]; sum[i](v[i]^2)",
        &[("N", 5)],
    ),
    case("param x[N]; h(t) = sum[i](exp(-t*x[i])); h''(0.5)", &[("N", 3)]),
    case("param a, b; sum[i in 0..3, j in 0..4](a^i*b^j)", &[]),
    case("param x; index s; iterate r from x for t in 0..s do r*x", &[]),
    case(
        "param x[N]; index s; iterate y from [x[i]^2 for i] for t in 0..s do [y[i] + x[mod(i+t, N)]*y[mod(i+1, N)]/4 for i in 0..N]",
        &[("N", 3)],
    ),
    case("param x, n, unused; data y; (y - x)^2*n", &[]),
];

fn bound(case: &Case) -> Program {
    let program = Program::parse(case.text).unwrap_or_else(|error| panic!("{}: {error}", case.text));
    let binding = case.sizes.iter().fold(Binding::new(), |binding, &(name, size)| binding.size(name, size));
    program.bind(&binding).unwrap_or_else(|error| panic!("{}: {error}", case.text))
}

/// Arguments of no special kind, the same for the same text.
fn arguments(program: &Program) -> Vec<(String, Array)> {
    let mut state = 1u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        0.3 + (state >> 11) as f64 / (1u64 << 53) as f64
    };
    let argument = |argument: &Argument| {
        let shape = program.shape_of(&argument.name).unwrap().to_vec();
        let len = shape.iter().product();
        let is_index = argument.role == Role::Index;
        // Integers are 0 or 1.
        let number = |value: f64| if is_index { (value - 0.3).round() } else { value };
        (argument.name.clone(), Array::new(&shape, (0..len).map(|_| number(next())).collect()))
    };
    program.arguments().iter().map(argument).collect()
}

/// The derivative as a text, by the first mode that says it.
fn derived(program: &Program, latex: bool) -> String {
    let values: Vec<_> = program.definitions().iter().map(|each| (each.name.clone(), each.value)).collect();
    let data = program.arguments().iter().filter(|argument| argument.role == Role::Data);
    let data: Vec<&str> = data.map(|argument| argument.name.as_str()).collect();
    let name = |&(place, value): &(usize, i64)| (program.arguments()[place].name.as_str(), value);
    let fixed: Vec<_> = program.specialised().iter().map(name).collect();
    let (func, source) = (program.graph(), program.source());
    let names = Some(Names { func, values: &values, source, data: &data, declared: true, fixed: &fixed });
    let count = program.jacobian().names().unwrap().len();
    let n_results = program.results().len();
    let results: Vec<usize> = (n_results..n_results * (1 + count)).collect();
    let text = |mode| {
        let graph = program.jacobian().mode(mode).graph().unwrap();
        if latex {
            formula::to_latex(&graph, &results, names)
        } else {
            formula::to_text_with_names(&graph, &results, names)
        }
    };
    text(Mode::Reverse).or_else(|_| text(Mode::Forward)).unwrap_or_else(|error| panic!("{}: {error}", program.source()))
}

#[track_caller]
fn is_close(found: &Array, expected: &Array, what: &str) {
    assert_eq!(found.shape, expected.shape, "{what}");
    for (found, expected) in found.data.iter().zip(&expected.data) {
        let error = (found - expected).abs();
        assert!(error <= 1e-9 * (1.0 + expected.abs()), "{what}: {found} is not {expected}");
    }
}

/// Of a bound program: its derivative as a text is a program of the same arguments, and has the values that the graph has.
fn reads_back(program: &Program, given: &[(String, Array)]) {
    let text = derived(program, false);
    let what = format!("{}\n\n{text}", program.source());
    let views = || given.iter().map(|(name, array)| (name.as_str(), array.view()));
    let jacobian = program.jacobian().compile().unwrap();
    let expected = jacobian.by_name().with_all(views()).run().unwrap();
    let derivative = Program::parse(&text).unwrap_or_else(|error| panic!("{what}\n{error}"));
    assert!(derivative.warnings().is_empty(), "{what}\n{:?}", derivative.warnings());
    let known = |program: &Program| -> BTreeSet<(String, String)> {
        program.arguments().iter().map(|each| (each.name.clone(), format!("{:?}", each.role))).collect()
    };
    assert_eq!(known(&derivative), known(program), "{what}");
    let answer = derivative.value().by_name().with_all(views()).run().unwrap_or_else(|error| panic!("{what}\n{error}"));
    let expected: Vec<&Array> = expected.iter().map(|(_, array)| array).skip(program.results().len()).collect();
    let found: Vec<&Array> = answer.iter().map(|(_, array)| array).collect();
    assert_eq!(found.len(), expected.len(), "{what}");
    for (found, expected) in found.into_iter().zip(expected) {
        is_close(found, expected, &what);
    }
}

#[test]
fn derivatives_of_arrays_read_back() {
    for case in CASES {
        let program = bound(case);
        reads_back(&program, &arguments(&program));
    }
}

/// Of this one, the order of what its derivative makes in time and space at once can't be seen when it is read back.
const UNSEEN: &str = "factor_in_time";

/// The programs of `seen`, at their arguments.
#[test]
fn derivatives_of_programs_read_back() {
    for (name, given) in seen::references().filter(|(name, _)| name != UNSEEN) {
        let program = Program::parse(&seen::text(&name)).unwrap();
        let binding = program.binding(given.iter().map(|(name, array)| (name.as_str(), array.view()))).unwrap();
        reads_back(&program.bind(&binding).unwrap(), &given);
    }
}

#[test]
fn derivatives_of_arrays_read_well() {
    let mut shown = String::new();
    for case in CASES {
        let program = bound(case);
        shown += &format!("## {}\n\n{}\n{}\n", case.text, derived(&program, false), derived(&program, true));
    }
    insta::assert_snapshot!("derivatives_of_arrays", shown);
}

/// What the language has no words for is told with its place, and nothing else is refused.
#[test]
fn what_cannot_be_said_is_named() {
    let text = "param a[2]; iterate r from 1 while abs(r^2 - a[0]) > 1e-9 do r - (r^2 - a[1])/(2*r)";
    let program = Program::parse(text).unwrap();
    let graph = program.gradient().mode(Mode::Reverse).graph().unwrap();
    let names = Names { func: program.graph(), values: &[], source: text, data: &[], declared: false, fixed: &[] };
    let unsayable = formula::to_text_with_names(&graph, &[1], Some(names)).unwrap_err();
    assert!(unsayable.to_string().contains("`while`"), "{unsayable}");
    assert_eq!(unsayable.to_string(), format!("{} can't be written as a formula", unsayable.what));
}

/// Second derivatives are texts too.
#[test]
fn hessians_by_arrays_read_back() {
    let text = "param x[3]; sum[i](x[i]^3) + x[0]*x[1]*x[2]";
    let program = Program::parse(text).unwrap();
    let graph = program.hessian().mode(Mode::Reverse).graph().unwrap();
    let text = formula::to_text(&graph, &[2]).unwrap();
    let x = [0.5, -2.0, 3.0];
    let found = Program::parse(&text).unwrap().value().with("x", &x).run().unwrap();
    let expected = program.hessian().with("x", &x).run().unwrap();
    assert_eq!(found.iter().next().unwrap().1.data, expected["d_x_x"].data, "{text}");
}
