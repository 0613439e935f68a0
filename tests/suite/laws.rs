//! The laws of loops: what they make of programs, that no bit changes, and that derivatives stay what they are.

use chainrule::interp;
use chainrule::ir::{Func, Inst, Region};
use chainrule::ops::Op;
use chainrule::{Backend, Binding, Mode, Program};

fn bound(text: &str, sizes: &[(&str, i64)]) -> Program {
    let program = Program::parse(text).unwrap_or_else(|error| panic!("{error}"));
    let binding = sizes.iter().fold(Binding::new(), |binding, &(name, size)| binding.size(name, size));
    if program.is_open() { program.bind(&binding).unwrap_or_else(|error| panic!("{error}")) } else { program }
}

/// Numbers between 0.1 and 1.1.
fn numbers(func: &Func) -> Vec<Vec<f64>> {
    let number = |k: usize| ((k * 7919 + 13) % 1000) as f64 / 1000.0 + 0.1;
    func.params.iter().map(|param| (0..param.shape.iter().product()).map(number).collect()).collect()
}

fn results(func: &Func, args: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let args: Vec<&[f64]> = args.iter().map(Vec::as_slice).collect();
    let results = interp::call(func, &args).unwrap_or_else(|failure| panic!("{failure:?}\n{func}"));
    results.iter().map(interp::Value::numbers).collect()
}

fn largest(func: &Func) -> usize {
    func.vals().map(|val| func.shape(val).iter().product()).max().unwrap_or(0)
}

const MIXTURE: &str = "data x[N, D]
param w[K], m[K, D], s[K, D]
q[n, k] = w[k] - sum[d]((x[n, d] - m[k, d])^2*exp(-2*s[k, d]))/2 - sum[d](s[k, d])
sum[n](logsumexp[k](q[n, k]))";

/// Programs in which something is made once before the loop over `n`, and the operators that are then not in it.
const HOISTED: &[(&str, &[Op])] = &[
    (MIXTURE, &[]),
    ("param s[K], x[N]; sum[n](sum[k](sin(s[k])*x[n]))", &[Op::Sin, Op::Cos]),
    ("param s[K], x[N]; sum[n](exp(x[n])*sum[k](x[n]*(1 + s[k]^2) + 1/s[k]))", &[Op::Div]),
    // A loop that doesn't depend on the one around.
    ("param A[K, D], b[D], x[N, K]; sum[n](sum[k](x[n, k]*sum[d](tanh(A[k, d])*b[d])))", &[Op::Tanh, Op::Sigmoid]),
    // What depends on the outermost index stays in its loop.
    ("param s[K, D], x[N]; sum[k](sum[n](sum[d](exp(s[k, d])*x[n])^2))", &[Op::Exp]),
    // In the turns of a recurrence.
    ("param s[D], x[N]; h = iterate h from 0 for n in 0..N do h/2 + sum[d](exp(s[d])*x[n]); h^2", &[Op::Exp]),
];

/// The operators in loops of so many turns, and in the loops inside.
fn operators_in(func: &Func, turns: i64) -> Vec<Op> {
    let mut stack: Vec<&Region> = func.regions().iter().collect();
    stack.retain(|region| region.loops.iter().any(|each| func.inst(each.high) == Inst::Int(turns)));
    let mut operators = Vec::new();
    while let Some(region) = stack.pop() {
        for member in func.body(region) {
            match func.inst(member) {
                Inst::Region(inner) => stack.push(func.region(inner)),
                inst => operators.extend(inst.op()),
            }
        }
    }
    operators
}

const SIZES: &[(&str, i64)] = &[("N", 7), ("K", 5), ("D", 3)];

fn sizes_of(text: &str) -> Vec<(&'static str, i64)> {
    let program = Program::parse(text).unwrap_or_else(|error| panic!("{error}"));
    SIZES.iter().copied().filter(|(name, _)| program.sizes().iter().any(|size| size.0 == *name)).collect()
}

#[test]
fn what_an_inner_index_decides_is_made_once() {
    for &(text, once) in HOISTED {
        let program = bound(text, &sizes_of(text));
        for func in [program.value().graph().unwrap(), program.gradient().mode(Mode::Reverse).graph().unwrap()] {
            let inside = operators_in(&func, 7);
            assert!(func.to_string().contains("[0, 7)"), "the loop is there\n{func}");
            assert!(!inside.iter().any(|op| once.contains(op)), "{text}\n{func}");
        }
    }
    // The exponentials of the deviations: 15, and not 105, in value and gradient, and nothing of that size is kept.
    let mixture = bound(MIXTURE, &sizes_of(MIXTURE));
    for func in [mixture.value().graph().unwrap(), mixture.gradient().graph().unwrap()] {
        assert!(func.vals().all(|val| func.shape(val) != [7, 5, 3]), "{func}");
        let of_deviations = func.to_string();
        assert!(of_deviations.contains("f64[5, 3]\n"), "{func}");
    }
}

#[test]
fn no_law_changes_a_bit_of_a_value() {
    for &(text, _) in HOISTED {
        let program = bound(text, &sizes_of(text));
        let args = numbers(program.graph());
        let written = results(program.graph(), &args);
        let made = results(&program.value().graph().unwrap(), &args);
        let derived = results(&program.gradient().graph().unwrap(), &args);
        assert_eq!(written, made, "{text}");
        assert_eq!(written[0], derived[0], "{text}");
    }
}

#[test]
fn derivatives_of_what_is_made_once_are_the_same_in_both_modes() {
    for &(text, _) in HOISTED {
        let program = bound(text, &sizes_of(text));
        let args = numbers(program.graph());
        let reverse = program.gradient().mode(Mode::Reverse).graph().unwrap();
        let forward = results(&program.gradient().mode(Mode::Forward).graph().unwrap(), &args);
        #[cfg(feature = "jit")]
        crate::loops::difference(&reverse, &args.iter().map(Vec::as_slice).collect::<Vec<_>>())
            .unwrap_or_else(|message| panic!("{message}\n{reverse}"));
        let reverse = results(&reverse, &args);
        for (a, b) in reverse.iter().flatten().zip(forward.iter().flatten()) {
            assert!((a - b).abs() <= 1e-13 * (1.0 + a.abs()), "{text}\n{reverse:?}\n{forward:?}");
        }
        // Against differences of the program as it is written.
        let names: Vec<&str> = program.gradient().names().unwrap();
        let by = program.graph().params.iter().position(|param| param.name == names[0]).unwrap();
        let moved = |by_how_much: f64| {
            let mut args = args.clone();
            args[by][0] += by_how_much;
            results(program.graph(), &args)[0][0]
        };
        let slope = (moved(1e-5) - moved(-1e-5)) / 2e-5;
        assert!((reverse[1][0] - slope).abs() <= 1e-7 * (1.0 + slope.abs()), "{text}: {} {slope}", reverse[1][0]);
    }
}

/// The offset of an element whose subscripts are some of three indices.
fn offset(set: &[usize], at: [usize; 3]) -> usize {
    set.iter().fold(0, |offset, &index| offset * EXTENTS[index] + at[index])
}

const EXTENTS: [usize; 3] = [2, 3, 2];

#[test]
fn factors_may_leave_out_any_index() {
    let subsets: Vec<Vec<usize>> =
        (1..8).map(|set: usize| (0..3).filter(|index| set >> index & 1 == 1).collect()).collect();
    let element = |name: &str, set: &[usize]| {
        let subscripts: Vec<&str> = set.iter().map(|&index| ["i", "j", "k"][index]).collect();
        format!("{name}[{}]", subscripts.join(","))
    };
    let turns: Vec<[usize; 3]> = (0..12).map(|turn| [turn / 6, turn / 2 % 3, turn % 2]).collect();
    for (a, b) in subsets.iter().flat_map(|a| subsets.iter().map(move |b| (a, b))) {
        let made = format!("exp({})*sin({})", element("a", a), element("b", b));
        let text = format!("z[i,j,k] = {made} for i in 0..2, j in 0..3, k in 0..2; sum[i,j,k](z[i,j,k]^2)");
        let mut binding = Binding::new();
        for (name, set) in [("a", a), ("b", b)] {
            binding.shapes.insert(name.to_owned(), set.iter().map(|&index| EXTENTS[index]).collect());
        }
        let program = Program::parse(&text).unwrap().bind(&binding).unwrap();
        let args = numbers(program.graph());
        let mut slopes = [vec![0.0; args[0].len()], vec![0.0; args[1].len()]];
        for &at in &turns {
            let (in_a, in_b) = (offset(a, at), offset(b, at));
            let (exp, (sin, cos)) = (args[0][in_a].exp(), args[1][in_b].sin_cos());
            slopes[0][in_a] += 2.0 * (exp * sin).powi(2);
            slopes[1][in_b] += 2.0 * exp * exp * sin * cos;
        }
        for mode in [Mode::Forward, Mode::Reverse] {
            let found = results(&program.gradient().mode(mode).graph().unwrap(), &args);
            for (found, expected) in found[1..].iter().flatten().zip(slopes.iter().flatten()) {
                assert!((found - expected).abs() < 1e-12 * expected.abs(), "{text}, {mode:?}: {found}, not {expected}");
            }
        }
    }
}

/// No turn makes a whole array only to add it under a condition.
#[test]
fn what_is_added_under_a_condition_is_added_in_place() {
    let texts = [
        "param z[N, D]; sum[i, j in 0..N if j != i](sum[k](z[i, k]*z[j, k])^2)",
        "param z[N, D]; sum[i, j](if(j != i, sum[k](z[i, k]*z[j, k])^2, 0))",
        "param A[N, N]
         L[i, j] = A[i, j] - sum[k in 0..j](L[i, k]*L[j, k]) for i in 0..N, j in 0..i
         sum[i in 0..N, j in 0..i](L[i, j])",
    ];
    for text in texts {
        let program = bound(text, &[("N", 5), ("D", 3)][..if text.contains('D') { 2 } else { 1 }]);
        let func = program.gradient().mode(Mode::Reverse).graph().unwrap();
        let live = chainrule::opt::compact(&func);
        let updates = live.regions().iter().flat_map(|region| region.cells.iter()).flat_map(|cell| cell.updates.iter());
        let whole = |value| live.shape(value).len() == 2;
        for update in updates.filter(|update| whole(update.value)) {
            assert_eq!(live.inst(update.guard), Inst::Bool(true), "{live}");
        }
        let args = numbers(&func);
        let forward = results(&program.gradient().mode(Mode::Forward).graph().unwrap(), &args);
        let reverse = results(&func, &args);
        for (a, b) in forward.iter().flatten().zip(reverse.iter().flatten()) {
            assert!((a - b).abs() <= 1e-12 * (1.0 + a.abs()), "{text}: {a} and {b}");
        }
    }
}

#[test]
fn what_is_not_evaluated_has_no_slope_after_hoisting_either() {
    // The root has an infinite slope at 0, where it isn't asked for.
    let texts = [
        "param s[D]; data x[N]; sum[n](if(x[n] > 9, sum[d](sqrt(s[d])*x[n]), 0))",
        "param s[D]; data x[N]; sum[n](sum[d](max(sqrt(s[d]), 1 + x[n])))",
        "param s[D]; data x[N]; sum[n](max[d](sqrt(s[d]) - x[n]*d))",
        "param s[D]; data x[N]; sum[n, d if s[d] > 0](sqrt(s[d])*x[n])",
    ];
    for text in texts {
        let program = bound(text, &[("N", 4), ("D", 3)]);
        for mode in [Mode::Forward, Mode::Reverse] {
            let gradient = program.gradient().mode(mode).graph().unwrap();
            let mut args = numbers(&gradient);
            let s = gradient.params.iter().position(|param| param.name == "s").unwrap();
            args[s] = vec![0.3, 0.0, 0.2];
            let found = results(&gradient, &args);
            assert_eq!(found[1][1], 0.0, "{text} {mode:?}\n{gradient}");
        }
    }
}

#[test]
fn no_larger_array_is_made_than_there_are() {
    let text = "param x[N]; sum[n](sum[i in 0..300, j in 0..300](x[n]*sin(i*j)))";
    let func = bound(text, &[("N", 3)]).gradient().graph().unwrap();
    assert!(largest(&func) <= 300, "{func}");
}

/// Programs of an array of which only some elements are read, with the value at `x = 0.7`.
fn pulled() -> [(&'static str, f64); 6] {
    let x = 0.7f64;
    [
        ("param x; [x for i in 0..1000000000][0]", x),
        ("param x; a = [sin(i*x) for i in 0..1000000000]; a[3] + a[999999999]*0", (3.0 * x).sin()),
        ("param x; a[0] = x^2; a[i] = exp(i*x) for i in 1..1000000000; a[0] + a[2]", x * x + (2.0 * x).exp()),
        ("param x; a[i, j] = if(i > j, exp(x*j), x) for i in 0..40000, j in 0..40000; a[1, 4] + a[4, 1]", x + x.exp()),
        ("param x; pick(v) = v[2] - v[5]; pick([cos(i*x) for i in 0..1000000000])", (2.0 * x).cos() - (5.0 * x).cos()),
        ("param x; a[i] = sum[j in 0..4](exp(j*x)*i) for i in 0..1000000000; a[2]", {
            2.0 * (0..4).map(|j| (f64::from(j) * x).exp()).sum::<f64>()
        }),
    ]
}

#[test]
fn an_array_of_which_few_elements_are_read_is_not_made() {
    for (text, expected) in pulled() {
        let program = bound(text, &[]);
        for func in [program.value().graph().unwrap(), program.gradient().graph().unwrap()] {
            assert!(largest(&func) <= 4, "{text}\n{func}");
            let found = results(&func, &[vec![0.7]])[0][0];
            assert!((found - expected).abs() <= 1e-14 * expected.abs(), "{text}: {found}, not {expected}");
        }
        for backend in [Backend::Auto, Backend::Interpreter] {
            let value = program.value().backend(backend).compile().unwrap();
            assert_eq!(value.call(&[0.7]).unwrap(), results(value.graph(), &[vec![0.7]])[0][0], "{text}");
        }
    }
}

#[test]
fn an_array_is_made_for_its_faults() {
    // Element 3 divides by 0, which is an error although element 0 is asked for.
    let text = "index m; a[i] = div(6, m - i) for i in 0..1000; a[0]";
    let program = bound(text, &[]);
    assert!(program.value().compile().unwrap().call(&[3.0]).is_err(), "{}", program.value().graph().unwrap());
}

#[cfg(feature = "jit")]
#[test]
fn a_loop_may_have_more_sums_than_there_are_registers() {
    for sums in [4, 15, 40] {
        let terms = (0..sums).map(|k| format!("s{k} = sum[i](sin({k}*x[i])*x[i])"));
        let all: Vec<String> = (0..sums).map(|k| format!("s{k}^2")).collect();
        let text = format!("param x[N]\n{}\n{}", terms.collect::<Vec<_>>().join("\n"), all.join(" + "));
        for n in [1, 50] {
            let gradient = bound(&text, &[("N", n)]).gradient().graph().unwrap();
            let args = numbers(&gradient);
            let args: Vec<&[f64]> = args.iter().map(Vec::as_slice).collect();
            crate::loops::difference(&gradient, &args).unwrap_or_else(|message| panic!("{message} {sums} {n}"));
        }
    }
}

#[cfg(feature = "jit")]
#[test]
fn memory_says_which_loop_leaves_a_trajectory() {
    use chainrule::Purpose;
    let text = "param a\ndata x[N]\nh[0] = 0\nh[t] = tanh(a*h[t-1] + x[t]) for t in 1..N\nh[N-1]";
    let gradient = bound(text, &[("N", 1000)]).gradient().compile().unwrap();
    if gradient.backend() == "interpreter" {
        return;
    }
    let memory = gradient.memory();
    let trajectory = memory.iter().find(|memory| memory.purpose == Purpose::Trajectory { grows: false });
    let trajectory = trajectory.unwrap_or_else(|| panic!("{memory:?}"));
    assert!(trajectory.bytes >= 8 * 1000, "{memory:?}");
    assert!(text[trajectory.at.start as usize..].starts_with('h'), "{memory:?}");
    assert!(gradient.workspace_bytes() >= trajectory.bytes && gradient.workspace_bytes() < 8 * 8000);

    let text = "param a, w[N]; iterate x from a while x*x > 2 do x - sum[i](w[i])*(x*x - 2)/(4*x)";
    let gradient = bound(text, &[("N", 4)]).gradient().compile().unwrap();
    let grows: Vec<_> =
        gradient.memory().into_iter().filter(|memory| memory.purpose == Purpose::Trajectory { grows: true }).collect();
    assert_eq!(grows.len(), 1);
    assert!(grows[0].at.text(text).starts_with("iterate"), "{grows:?}");
}
