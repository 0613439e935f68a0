//! Arrays whose clauses refer to each other, against plain loops, and their derivatives against differences of these.

use chainrule::{Array, ArrayView, Backend, Error, Program};

/// An argument: its name, its extents, its elements row by row.
type Argument<'a> = (&'a str, &'a [usize], Vec<f64>);

/// The derivatives by arguments, with their names.
type Slopes = Vec<(String, Vec<f64>)>;

/// Numbers that look like any others, between -1 and 1.
fn numbers(seed: u64, count: usize) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

fn views<'a>(args: &'a [Argument]) -> Vec<(&'a str, ArrayView<'a>)> {
    let view = |(_, shape, elements): &'a Argument| match shape {
        [] => ArrayView::from(elements[0]),
        shape => ArrayView::dense(elements, shape),
    };
    args.iter().map(|arg| (arg.0, view(arg))).collect()
}

/// The value of a program and the gradient by its `param`s, named, from both back ends, which agree to the bit.
#[track_caller]
fn gradient(text: &str, args: &[Argument]) -> Result<(f64, Slopes), Error> {
    let program = Program::parse(text).unwrap_or_else(|error| panic!("{text}\n{error}"));
    let call = |backend: Backend| {
        let request = program.gradient().backend(backend).by_name();
        let call = views(args).into_iter().fold(request, |call, (name, view)| call.with(name, view));
        let answer = call.run()?;
        let members = answer.iter().filter_map(|(name, array)| Some((name.strip_prefix("d_")?.to_owned(), array)));
        let members = members.map(|(name, array)| (name, array.view().to_vec())).collect::<Vec<_>>();
        Ok((answer.value(), members))
    };
    let (machine, interpreted) = (call(Backend::Auto), call(Backend::Interpreter));
    assert_eq!(machine.as_ref().map_err(Error::to_string), interpreted.as_ref().map_err(Error::to_string), "{text}");
    machine
}

/// The value is that of the plain loops in `oracle`, and the gradient that of their central differences.
#[track_caller]
fn is(text: &str, args: &[Argument], oracle: impl Fn(&[Vec<f64>]) -> f64) {
    let (value, slopes) = gradient(text, args).unwrap_or_else(|error| panic!("{text}\n{error}"));
    let points: Vec<Vec<f64>> = args.iter().map(|arg| arg.2.clone()).collect();
    let expected = oracle(&points);
    assert!((value - expected).abs() <= 1e-12 * expected.abs().max(1.0), "{text}\nis {value}, not {expected}");
    for (name, slope) in slopes {
        let arg = args.iter().position(|arg| arg.0 == name).unwrap();
        for (place, &slope) in slope.iter().enumerate() {
            let at = |step: f64| {
                let mut points = points.clone();
                points[arg][place] += step;
                oracle(&points)
            };
            let h = 3e-4;
            // Of fourth order.
            let difference = (8.0 * (at(h) - at(-h)) - (at(2.0 * h) - at(-2.0 * h))) / (12.0 * h);
            let close = (slope - difference).abs() <= 1e-8 * difference.abs().max(1.0);
            assert!(close, "{text}\nd/d{name}[{place}] is {slope}, not {difference}");
        }
    }
}

/// The value of a program without arguments.
#[track_caller]
fn gives(text: &str, expected: f64) {
    let program = Program::parse(text).unwrap_or_else(|error| panic!("{text}\n{error}"));
    for backend in [Backend::Auto, Backend::Interpreter] {
        let answer = program.value().backend(backend).by_name().run();
        let answer = answer.unwrap_or_else(|error| panic!("{text}\n{error}"));
        let value = answer.iter().next().and_then(|(_, value)| value.number());
        assert_eq!(value, Some(expected), "{text}");
    }
}

/// What is said of a program that has no result.
#[track_caller]
fn fails(text: &str) -> String {
    let program = Program::parse(text).unwrap_or_else(|error| panic!("{text}\n{error}"));
    let run = |backend: Backend| program.value().backend(backend).by_name().run().map(|_| ());
    let message = run(Backend::Auto).expect_err(text).to_string();
    assert_eq!(message, run(Backend::Interpreter).expect_err(text).to_string());
    message
}

#[test]
fn integers() {
    gives("F[0] = 0; F[1] = 1; F[n] = F[n-1] + F[n-2] for n in 2..=80; F[80] - F[79]", 8_944_394_323_791_464.0);
    gives(
        "C[n,0] = 1 for n in 0..=10; C[n,n] = 1 for n in 0..=10;
         C[n,k] = C[n-1,k-1] + C[n-1,k] for n in 1..=10, k in 1..n; C[10,4]",
        210.0,
    );
    gives("c[0] = 27; c[t] = if(mod(c[t-1], 2) == 0, div(c[t-1], 2), 3*c[t-1] + 1) for t in 1..=111; c[111]", 1.0);
    gives("p[0] = 1; p[n] = sum[k in 0..n](p[k]*p[n-1-k]) for n in 1..=10; p[10]", 16796.0);
}

#[test]
fn conditions() {
    // Which numbers up to 30 are sums of 6, 9 and 20?
    let text = "s[0] = 1 > 0; s[n] = (n >= 6 and s[max(n-6, 0)]) or (n >= 9 and s[max(n-9, 0)]) or (n >= 20 and s[max(n-20, 0)])
                for n in 1..44; sum[n](if(s[n], 0, n))";
    let mut made = vec![true];
    for n in 1..44 {
        made.push([6, 9, 20].iter().any(|&k| n >= k && made[n - k]));
    }
    gives(text, (0..44).filter(|&n| !made[n]).sum::<usize>() as f64);
    // Only the use of its elements says that this is an array of conditions: primes by those before.
    let text = "prime[n] = n > 1 and sum[k in 2..n if prime[k] and mod(n, k) == 0](1) == 0 for n in 0..50
                sum[n](if(prime[n], n, 0))";
    let is_prime = |n: usize| n > 1 && !(2..n).any(|k| n.is_multiple_of(k));
    gives(text, (0..50).filter(|&n| is_prime(n)).sum::<usize>() as f64);
}

#[test]
fn a_linear_filter() {
    let args = [("a", &[][..], vec![0.7]), ("x", &[9], numbers(1, 9))];
    is("param a, x[N]; s[0] = 0; s[i] = a*s[i-1] + x[i-1]^2 for i in 1..=N; s[N]", &args, |at| {
        at[1].iter().fold(0.0, |s, x| at[0][0] * s + x * x)
    });
    // In a function, called twice, in a block.
    let text = "param a, x[N]
                filter(u) = {
                    y[0] = u[0]
                    y[i] = a*y[i-1] + u[i] for i in 1..N
                    y
                }
                z = filter(filter(x)); sum[i](z[i]^2)";
    let filter = |a: f64, u: &[f64]| {
        let mut y = u.to_vec();
        (1..u.len()).for_each(|i| y[i] += a * y[i - 1]);
        y
    };
    is(text, &args, |at| filter(at[0][0], &filter(at[0][0], &at[1])).iter().map(|y| y * y).sum());
}

#[test]
fn a_recurrence_for_each_element() {
    let args = [("a", &[][..], vec![0.7]), ("x", &[5], numbers(2, 5))];
    let text = "param a, x[N]
                w[k] = {
                    y[0] = x[k]
                    y[i] = sin(a*y[i-1]) + x[i]*x[k] for i in 1..N
                    y[N-1]
                }
                sum[k](w[k]^2)";
    is(text, &args, |at| {
        let (a, x) = (at[0][0], &at[1]);
        let last = |k: usize| (1..x.len()).fold(x[k], |y, i| (a * y).sin() + x[i] * x[k]);
        (0..x.len()).map(|k| last(k).powi(2)).sum()
    });
}

#[test]
fn a_recurrent_network() {
    let (h, t) = (3, 5);
    let args = [("W", &[h, h][..], numbers(3, h * h)), ("u", &[t, h], numbers(4, t * h))];
    let text = "param W[H, H], u[T, H]
                h[0, j] = 0
                h[t, j] = tanh(sum[k](W[j,k]*h[t-1,k]) + u[t-1,j]) for t in 1..=T
                sum[t, j](h[t,j]^2)";
    is(text, &args, |at| {
        let mut state = vec![0.0; h];
        let mut sum = 0.0;
        for row in at[1].chunks(h) {
            let next = |j: usize| ((0..h).map(|k| at[0][j * h + k] * state[k]).sum::<f64>() + row[j]).tanh();
            state = (0..h).map(next).collect();
            sum += state.iter().map(|s| s * s).sum::<f64>();
        }
        sum
    });
}

/// An LSTM: the arrays of one step depend on each other.
#[test]
fn several_arrays_in_one_step() {
    let (h, t) = (2, 4);
    let square = |seed: u64| numbers(seed, h * h);
    let args = [
        ("A", &[h, h][..], square(5)),
        ("B", &[h, h], square(6)),
        ("C", &[h, h], square(7)),
        ("D", &[h, h], square(8)),
        ("x", &[t, h], numbers(9, t * h)),
    ];
    let text = "param A[H,H], B[H,H], C[H,H], D[H,H], x[T,H]
                c[0,j] = 0.1
                h[0,j] = 0
                i[t,j] = sigmoid(sum[k](A[j,k]*h[t-1,k]) + x[t-1,j]) for t in 1..=T
                f[t,j] = sigmoid(sum[k](B[j,k]*h[t-1,k]) + x[t-1,j]) for t in 1..=T
                o[t,j] = sigmoid(sum[k](C[j,k]*h[t-1,k]) + x[t-1,j]) for t in 1..=T
                g[t,j] = tanh(sum[k](D[j,k]*h[t-1,k]) + x[t-1,j]) for t in 1..=T
                c[t,j] = f[t,j]*c[t-1,j] + i[t,j]*g[t,j] for t in 1..=T
                h[t,j] = o[t,j]*tanh(c[t,j]) for t in 1..=T
                sum[j]((j + 1)*h[T,j])";
    is(text, &args, |at| {
        let (mut c, mut s) = (vec![0.1; h], vec![0.0; h]);
        let sigmoid = |z: f64| 1.0 / (1.0 + (-z).exp());
        for x in at[4].chunks(h) {
            let gate = |w: usize, j: usize| (0..h).map(|k| at[w][j * h + k] * s[k]).sum::<f64>() + x[j];
            let next: Vec<f64> =
                (0..h).map(|j| sigmoid(gate(1, j)) * c[j] + sigmoid(gate(0, j)) * gate(3, j).tanh()).collect();
            s = (0..h).map(|j| sigmoid(gate(2, j)) * next[j].tanh()).collect();
            c = next;
        }
        (0..h).map(|j| (j + 1) as f64 * s[j]).sum()
    });
}

#[test]
fn the_past_as_a_constant() {
    let (h, d, t) = (2, 2, 6);
    let text = "param U[H, D], W[H, H], V[H]
                data x[T, D], y[T]
                index window
                h[0, j] = 0
                past[t, j] = if(mod(t, window) == 0, stop(h[t,j]), h[t,j])   for t in 0..T
                h[t, j] = tanh(sum[k](W[j,k]*past[t-1,k]) + sum[d](U[j,d]*x[t-1,d]))   for t in 1..=T
                sum[t]((sum[j](V[j]*h[t+1,j]) - y[t])^2)/2";
    // The states of the unperturbed network are the constants.
    let loss = |at: &[Vec<f64>], window: usize, frozen: Option<&[Vec<f64>]>| {
        let mut states = vec![vec![0.0; h]];
        let mut sum = 0.0;
        for step in 0..t {
            let past = match frozen {
                Some(frozen) if step % window == 0 => &frozen[step],
                _ => &states[step],
            };
            let next = |j: usize| {
                let from_past: f64 = (0..h).map(|k| at[1][j * h + k] * past[k]).sum();
                let from_input: f64 = (0..d).map(|k| at[0][j * d + k] * at[3][step * d + k]).sum();
                (from_past + from_input).tanh()
            };
            let state: Vec<f64> = (0..h).map(next).collect();
            sum += ((0..h).map(|j| at[2][j] * state[j]).sum::<f64>() - at[4][step]).powi(2) / 2.0;
            states.push(state);
        }
        (sum, states)
    };
    for window in [1, 2, 4, 100] {
        let args = [
            ("U", &[h, d][..], numbers(10, h * d)),
            ("W", &[h, h], numbers(11, h * h)),
            ("V", &[h], numbers(12, h)),
            ("x", &[t, d], numbers(13, t * d)),
            ("y", &[t], numbers(14, t)),
            ("window", &[], vec![window as f64]),
        ];
        let at: Vec<Vec<f64>> = args.iter().map(|arg| arg.2.clone()).collect();
        let (_, states) = loss(&at, window, None);
        is(text, &args, |at| loss(at, window, Some(&states)).0);
    }
}

#[test]
fn backwards() {
    let args = [("x", &[7][..], numbers(15, 7))];
    is("param x[N]; s[i] = x[i]*s[i+1] + cos(x[i]); s[N] = 0.5; s[0]", &args, |at| {
        at[0].iter().rev().fold(0.5, |s, x| x * s + x.cos())
    });
    // Forwards, and then its adjoint backwards, by hand: the derivative of the last state by the first.
    let text = "param x[N]
                s[0] = 0.3
                s[t] = sin(s[t-1] + x[t-1]) for t in 1..=N
                c[N] = 1
                c[t] = cos(s[t] + x[t])*c[t+1] for t in 0..N
                c[0]";
    is(text, &args, |at| {
        let (mut s, mut product) = (0.3, 1.0);
        for x in &at[0] {
            product *= f64::cos(s + x);
            s = f64::sin(s + x);
        }
        product
    });
}

#[test]
fn two_indices_in_order() {
    let (n, m) = (4, 5);
    // Far from where two ways are equally long.
    let costs: Vec<f64> = numbers(16, n * m).iter().map(|c| c + 1.1).collect();
    let args = [("c", &[n, m][..], costs)];
    let text = "param c[N,M]
                D[i,0] = i for i in 0..=N
                D[0,j] = j for j in 0..=M
                D[i,j] = min(D[i-1,j] + 1, D[i,j-1] + 1.25, D[i-1,j-1] + c[i-1,j-1]) for i in 1..=N, j in 1..=M
                D[N,M]";
    is(text, &args, |at| {
        let mut d = vec![vec![0.0; m + 1]; n + 1];
        for i in 0..=n {
            for j in 0..=m {
                d[i][j] = match (i, j) {
                    (i, 0) => i as f64,
                    (0, j) => j as f64,
                    _ => {
                        let step = d[i - 1][j - 1] + at[0][(i - 1) * m + j - 1];
                        f64::min(d[i - 1][j] + 1.0, d[i][j - 1] + 1.25).min(step)
                    }
                };
            }
        }
        d[n][m]
    });
    // One index upwards, the other downwards.
    let text = "param c[N,M]
                D[i,M] = 1 for i in 0..=N
                D[0,j] = 2 for j in 0..M
                D[i,j] = c[i-1,j]*D[i-1,j] + D[i,j+1]/2 for i in 1..=N, j in 0..M
                D[N,0]";
    is(text, &args, |at| {
        let mut row = vec![2.0; m + 1];
        row[m] = 1.0;
        for i in 0..n {
            for j in (0..m).rev() {
                row[j] = at[0][i * m + j] * row[j] + row[j + 1] / 2.0;
            }
        }
        row[0]
    });
}

#[test]
fn triangular_matrices() {
    let n = 4;
    // Diagonally dominant, so it has a root.
    let mut a = numbers(17, n * n);
    (0..n).for_each(|i| a[i * n + i] += 4.0);
    let args = [("A", &[n, n][..], a), ("b", &[n], numbers(18, n))];
    let text = "param A[N,N], b[N]
                L[j,j] = sqrt(A[j,j] - sum[k in 0..j](L[j,k]^2))
                L[i,j] = (A[i,j] - sum[k in 0..j](L[i,k]*L[j,k]))/L[j,j] for i in 0..N, j in 0..i
                y[i] = (b[i] - sum[j in 0..i](L[i,j]*y[j]))/L[i,i]
                x[i] = (y[i] - sum[j in i+1..N](L[j,i]*x[j]))/L[i,i]
                sum[i](b[i]*x[i]) + 2*sum[i](ln(L[i,i]))";
    is(text, &args, |at| {
        let (a, b) = (&at[0], &at[1]);
        let mut l = vec![vec![0.0; n]; n];
        for i in 0..n {
            for j in 0..=i {
                let rest = a[i * n + j] - (0..j).map(|k| l[i][k] * l[j][k]).sum::<f64>();
                l[i][j] = if i == j { f64::sqrt(rest) } else { rest / l[j][j] };
            }
        }
        let (mut y, mut x) = (vec![0.0; n], vec![0.0; n]);
        for i in 0..n {
            y[i] = (b[i] - (0..i).map(|j| l[i][j] * y[j]).sum::<f64>()) / l[i][i];
        }
        for i in (0..n).rev() {
            x[i] = (y[i] - (i + 1..n).map(|j| l[j][i] * x[j]).sum::<f64>()) / l[i][i];
        }
        (0..n).map(|i| b[i] * x[i] + 2.0 * l[i][i].ln()).sum()
    });
}

#[test]
fn a_hidden_markov_model() {
    let (k, t) = (3, 5);
    let args =
        [("start", &[k][..], numbers(19, k)), ("A", &[k, k], numbers(20, k * k)), ("e", &[t, k], numbers(21, t * k))];
    let text = "param start[K], A[K,K], e[T,K]
                alpha[0,k] = start[k] + e[0,k]
                alpha[t,k] = logsumexp[j](alpha[t-1,j] + A[j,k]) + e[t,k] for t in 1..T
                logsumexp[k](alpha[T-1,k])";
    // Over all ways through the states.
    is(text, &args, |at| {
        let mut sum = 0.0;
        for way in 0..k.pow(t as u32) {
            let state = |step: usize| way / k.pow(step as u32) % k;
            let steps = (1..t).map(|step| at[1][state(step - 1) * k + state(step)] + at[2][step * k + state(step)]);
            sum += (at[0][state(0)] + at[2][state(0)] + steps.sum::<f64>()).exp();
        }
        sum.ln()
    });
}

#[test]
fn shares_of_the_same_step() {
    let (n, t) = (3, 4);
    let args = [("z", &[t, n][..], numbers(22, t * n))];
    let text = "param z[T, N]
                q[0,k] = 1/N for k in 0..N
                s[t,k] = z[t-1,k]*q[t-1,k] for t in 1..=T
                q[t,k] = softmax[k](s[t,k]) for t in 1..=T, k in 0..N
                sum[k](k*q[T,k])";
    is(text, &args, |at| {
        let mut q = vec![1.0 / n as f64; n];
        for z in at[0].chunks(n) {
            let terms: Vec<f64> = q.iter().zip(z).map(|(q, z)| (q * z).exp()).collect();
            let sum: f64 = terms.iter().sum();
            q = terms.iter().map(|term| term / sum).collect();
        }
        (0..n).map(|k| k as f64 * q[k]).sum()
    });
}

#[test]
fn states_that_are_vectors() {
    let args = [("dt", &[][..], vec![0.1]), ("k", &[], vec![2.0]), ("at", &[2], vec![1.0, 0.5])];
    let text = "param dt, k, at[2]
                x[0] = at
                v[0] = [0, 0.2]
                x[n] = x[n-1] + dt*v[n-1] for n in 1..=10
                v[n] = v[n-1] - dt*k*x[n] for n in 1..=10
                x[10][0]*v[10][1]";
    is(text, &args, |at| {
        let (dt, k) = (at[0][0], at[1][0]);
        let (mut x, mut v) = ([at[2][0], at[2][1]], [0.0, 0.2]);
        for _ in 0..10 {
            x = [x[0] + dt * v[0], x[1] + dt * v[1]];
            v = [v[0] - dt * k * x[0], v[1] - dt * k * x[1]];
        }
        x[0] * v[1]
    });
}

#[test]
fn steps_along_a_gradient() {
    let args = [("a", &[][..], vec![0.5]), ("start", &[], vec![1.5])];
    let text = "param a, start
                E(q) = a*q^4/4 + cos(q)
                x[0] = start
                x[t] = x[t-1] - 0.1*E'(x[t-1]) for t in 1..=20
                x[20]";
    is(text, &args, |at| (0..20).fold(at[1][0], |x, _| x - 0.1 * (at[0][0] * x.powi(3) - x.sin())));
}

#[test]
fn the_order_may_be_data() {
    let parents = [0, 0, 1, 1, 3, 0];
    let n = parents.len();
    let args = [
        ("q", &[n, 2][..], numbers(23, n * 2)),
        ("parent", &[n], parents.iter().map(|&parent| f64::from(parent)).collect()),
    ];
    let text = "param q[B, 2]
                index parent[B]
                turned(v, t) = [cos(t)*v[0] - sin(t)*v[1], sin(t)*v[0] + cos(t)*v[1]]
                pose[0] = [1, 0.5]
                pose[b] = turned(pose[parent[b]], q[b,0]) + [q[b,1], 0] for b in 1..B
                sum[b]((b + 1)*pose[b][0]*pose[b][1])";
    is(text, &args, |at| {
        let mut pose = vec![[1.0, 0.5]];
        for b in 1..n {
            let v = pose[at[1][b] as usize];
            let (sin, cos) = at[0][2 * b].sin_cos();
            pose.push([cos * v[0] - sin * v[1] + at[0][2 * b + 1], sin * v[0] + cos * v[1]]);
        }
        pose.iter().enumerate().map(|(b, pose)| (b + 1) as f64 * pose[0] * pose[1]).sum()
    });
    let late = [args[0].clone(), ("parent", &[n], vec![0.0, 0.0, 4.0, 1.0, 3.0, 0.0])];
    let error = gradient(text, &late).unwrap_err().to_string();
    assert!(error.contains("an element has no value yet"), "{error}");
}

#[test]
fn what_is_not_there_yet() {
    let missing = |text: &str| {
        let message = fails(text);
        assert!(message.contains("an element has no value yet"), "{message}");
    };
    missing("F[n] = F[n-1] + F[n-2] for n in 2..9; F[0] = 1; F[8]");
    missing("a[0] = 1; a[i] = sum[k](a[k]) for i in 1..4; a[2]");
    missing("a[0] = 1.5; a[i] = sum[k](a[k]) for i in 1..4; a[2]");
    missing("f(u) = u + u; a[0] = 0; a[i] = f(a)[i] + 1 for i in 1..4; a[2]");
    missing("a[i] = a[3-i] + 1 for i in 0..4; a[2]");
    missing("a[i] = max[k](a[k]) + 1 for i in 0..4; a[2]");
    missing("a[0] = 0; a[i] = a[i+1] + a[i-1] for i in 1..4; a[4] = 1; a[2]");
    missing("C[n,0] = 1 for n in 0..4; C[n,k] = C[n-1,k-1] + C[n-1,k] for n in 1..4, k in 1..=n; C[3,2]");
    // It does not matter where it isn't used.
    gives(
        "C[n,0] = 1 for n in 0..4; C[n,k] = C[n-1,k-1] + if(k < n, C[n-1,k], 0) for n in 1..4, k in 1..=n; C[3,2]",
        3.0,
    );
    gives("a[i] = if(i < 2, 1, a[3-i] + 1) for i in 0..4; a[2]", 2.0);
}

#[test]
fn second_derivatives() {
    let text = "param a, b; x[0] = a; x[t] = sin(b*x[t-1]) for t in 1..=3; x[3]";
    let program = Program::parse(text).unwrap();
    let slopes = |a: f64, b: f64| {
        let args = [("a", &[][..], vec![a]), ("b", &[], vec![b])];
        let (_, slopes) = gradient(text, &args).unwrap();
        [slopes[0].1[0], slopes[1].1[0]]
    };
    let (a, b, h) = (0.4, 1.3, 1e-3);
    let answer = program.hessian().with("a", a).with("b", b).run().unwrap();
    let close = |found: Option<&Array>, expected: f64| {
        let found = found.and_then(Array::number).unwrap();
        assert!((found - expected).abs() < 1e-9, "{found} is not {expected}");
    };
    let by = |at: &dyn Fn(f64) -> f64| (8.0 * (at(h) - at(-h)) - (at(2.0 * h) - at(-2.0 * h))) / (12.0 * h);
    close(answer.get("d_a_a"), by(&|h| slopes(a + h, b)[0]));
    close(answer.get("d_a_b"), by(&|h| slopes(a, b + h)[0]));
    close(answer.get("d_b_b"), by(&|h| slopes(a, b + h)[1]));
}

#[test]
fn sizes_may_be_so_small_that_clauses_have_no_elements() {
    // Of one element a triangular matrix has no rows beside its diagonal.
    let text = "param A[N,N], b[N]
                L[i,j] = (A[i,j] - sum[k in 0..j](L[i,k]*L[j,k]*D[k]))/D[j] for i in 0..N, j in 0..i
                D[i] = A[i,i] - sum[k in 0..i](L[i,k]^2*D[k])
                y[i] = b[i] - sum[k in 0..i](L[i,k]*y[k])
                sum[i](y[i]^2/D[i])";
    let args = [("A", &[1, 1][..], vec![2.0]), ("b", &[1], vec![3.0])];
    is(text, &args, |at| at[1][0].powi(2) / at[0][0]);
    gives("x[0] = 1.5; x[t] = 2*x[t-1] for t in 1..1; x[0]", 1.5);
}

#[test]
fn arrays_whose_clauses_stand_among_those_of_others() {
    // `s` needs `x`, which doesn't need `s` and ends below it.
    gives("x[0] = 1; s[0] = 1; s[t] = s[t-1] + x[t] for t in 1..5; x[t] = 2*x[t-1] for t in 1..5; s[4]", 31.0);
}

#[test]
fn an_element_that_depends_on_itself_through_another_rank() {
    let message = |text: &str| Program::parse(text).expect_err(text).to_string();
    let text = "D[i] = 1 + sum[k in 0..3](L[i,k]) for i in 0..3\nL[i,k] = D[i]*k for i in 0..3, k in 0..3\nD[2]";
    assert!(message(text).contains("depends on itself"), "{}", message(text));
}

#[test]
fn elements_that_stand_there_before_the_loop_that_reads_them() {
    // Each turn of the rows reads its own row, or one that comes later, as earlier clauses left it.
    let args = [("a", &[2][..], vec![0.1, 0.2])];
    is("param a[2]; s[l,0] = a[l]; s[0,1] = s[0,0]*0.5; s[1,1] = s[0,1]; s[1,1]", &args, |at| at[0][0] * 0.5);
    let text = "param a[3]; r[l,0] = a[l]; r[0,t] = 2 for t in 1..=3
                r[l,t] = r[l,0]*r[l-1,t] for t in 1..=3, l in 1..3; r[2,3]";
    is(text, &[("a", &[3], vec![0.4, 0.5, 0.6])], |at| 2.0 * at[0][1] * at[0][2]);
    // Which row it is depends on the data, and downwards the order is the other one.
    let text = "param a[4]; index k[4]; s[i,0] = a[i]; s[3,1] = a[3]
                s[i,1] = s[i+1,1]*s[k[i],0] for i in 0..3; s[0,1]";
    let args = [("a", &[4][..], vec![0.4, 0.5, 0.6, 0.7]), ("k", &[4], vec![0.0, 3.0, 1.0, 0.0])];
    is(text, &args, |at| at[0][3] * at[0][1] * at[0][3] * at[0][0]);
}

/// How many turns there are isn't known when the gradient is made.
#[test]
fn turns_that_an_argument_counts() {
    let iterated = |a: f64, n: usize, i: f64| (0..n).fold(a, |x, _| x.sin() + x / 2.0 + i * a / 10.0);
    for n in [0, 1, 2, 40] {
        let text = "param a; index n; x = iterate x from a for k in 0..n do sin(x) + x/2 + a/10; x^2";
        is(text, &[("a", &[], vec![0.3]), ("n", &[], vec![n as f64])], |at| iterated(at[0][0], n, 1.0).powi(2));
    }
    // More turns than are kept: those between are computed again, in loops in loops.
    let counts = [0, 3000, 1025];
    let args = [("a", &[][..], vec![0.3]), ("m", &[3], counts.map(f64::from).to_vec())];
    let text = "param a; index m[3]
                sum[i](iterate x from a for k in 0..m[i] do sin(x) + x/2 + i*a/10)";
    is(text, &args, |at| (0..3).map(|i| iterated(at[0][0], counts[i] as usize, i as f64)).sum());
    // States that need each other, one of them an array, and an array that is made in each turn.
    let args = [("a", &[2][..], vec![0.3, 0.7]), ("n", &[], vec![9.0])];
    let text = "param a[2]; index n
                (x, y) = iterate (x, y) from (a[0], a) for k in 0..n do {
                    z[0] = sin(a[1]*x)
                    z[1] = z[0]*y[1] + 0.1*k
                    (z[0] + y[1]/2, [cos(y[1])*x, y[0] + z[1]])
                }
                x*y[0]";
    is(text, &args, |at| {
        let (mut x, mut y) = (at[0][0], [at[0][0], at[0][1]]);
        for k in 0..9 {
            let first = (at[0][1] * x).sin();
            let second = first * y[1] + 0.1 * f64::from(k);
            (x, y) = (first + y[1] / 2.0, [y[1].cos() * x, y[0] + second]);
        }
        x * y[0]
    });
}

#[test]
fn an_element_that_is_not_there_is_named() {
    let says = |text: &str, args: &[Argument], what: &str| {
        let message = gradient(text, args).expect_err(text).to_string();
        assert!(message.contains(what), "{text}\n{message}");
    };
    let x = || ("x", &[2][..], vec![0.4, 0.5]);
    let data = |m: f64| [x(), ("m", &[2][..], vec![0.0, m])];
    says("param x[2]; index m[2]; sum[i](x[m[i]])", &data(5.0), "^ the subscript is 5, and there are 2 elements");
    says("param x[2]; index m[2]; sum[i](x[m[i]])", &data(-1.0), "^ the subscript is -1, and there are 2 elements");
    says("param x[2]; index m[2]; y[0,i] = x[i]; sum[i](y[m[i],0])", &data(3.0), "is 3, and there is one element");
    let nowhere = "over nothing there is no greatest";
    says("param x[2]; x[argmax[i if x[i] > 1](x[i])]", &[x()], nowhere);
    says("param x[2]; f(i) = argmin[j if x[j] > 1 + i](x[j])\nsum[i](x[i]*f(i))", &[x()], nowhere);
    // Out of range in the same way, and something else.
    says("param x[2]; y[0] = x[0]; y[if(x[0] > 1, 0, 1)]", &[x()], "there is one element");
    // Where it is read, not where something else is.
    let text = "param x[2]
                s[0,l] = 2*x[l]
                r[0,l] = x[l]
                s[t,l] = r[t-1,l] for t in 1..=1
                r[t,l] = s[t-1,l]*if(l < 1, r[t,min(l+1,1)], 3) for t in 1..=1, l in 0..2
                r[1,0]";
    says(text, &[x()], "an element has no value yet\n --> formula:5");
    says(text, &[x()], "its subscripts end in 1");
}

/// What is read under a condition of an outer loop is checked although its subscripts are of the inner one alone.
#[test]
fn conditions_of_outer_loops_reach_readings_of_inner_ones() {
    let text = "param x[2], c[2,2], w[2,2]; index m[2]
                z[i,j] = if(c[i,j] > 0, sum[k in 0..2](x[m[k]]*w[i,k]), 0)
                sum[i,j](z[i,j])";
    let args = |last: f64, sign: f64| {
        let c = vec![-1.0, -1.0, -1.0, sign];
        let x = ("x", &[2][..], vec![0.4, 0.5]);
        [x, ("c", &[2, 2], c), ("w", &[2, 2], vec![1.0, 2.0, 3.0, 4.0]), ("m", &[2], vec![0.0, last])]
    };
    is(text, &args(1.0, 1.0), |at| at[2][2] * at[0][0] + at[2][3] * at[0][1]);
    is(text, &args(7.0, -1.0), |_| 0.0);
    let message = gradient(text, &args(7.0, 1.0)).expect_err("a subscript is outside").to_string();
    assert!(message.contains("the subscript is 7"), "{message}");
}

/// Tables whose borders can't be passed.
#[test]
fn borders_that_are_infinite() {
    let (n, m) = (4, 3);
    let args = [("x", &[n][..], numbers(40, n)), ("y", &[m], numbers(41, m)), ("g", &[], vec![0.5])];
    let table = |at: &[Vec<f64>], least: &dyn Fn([f64; 3]) -> f64| {
        let mut r = vec![vec![f64::INFINITY; m + 1]; n + 1];
        r[0][0] = 0.0;
        for i in 1..=n {
            for j in 1..=m {
                let cost = (at[0][i - 1] - at[1][j - 1]).powi(2);
                r[i][j] = cost + least([r[i - 1][j], r[i][j - 1], r[i - 1][j - 1]]);
            }
        }
        r[n][m]
    };
    let text = |least: &str, call: &str| {
        format!(
            "param x[N], y[M], g
             {least}
             R[0,0] = 0
             R[i,0] = inf for i in 1..=N
             R[0,j] = inf for j in 1..=M
             R[i,j] = (x[i-1] - y[j-1])^2 + {call} for i in 1..=N, j in 1..=M
             R[N,M] + 0*g"
        )
    };
    let hard = |r: [f64; 3]| r.into_iter().fold(f64::INFINITY, f64::min);
    is(&text("", "min(R[i-1,j], R[i,j-1], R[i-1,j-1])"), &args, |at| table(at, &hard));
    let soft = |at: &[Vec<f64>]| {
        let g = at[2][0];
        table(at, &|r| -g * r.iter().map(|r| (-r / g).exp()).sum::<f64>().ln())
    };
    let least = "w(r) = if(r < inf, exp(-r/g), 0)";
    is(&text(least, "-g*ln(w(R[i-1,j]) + w(R[i,j-1]) + w(R[i-1,j-1]))"), &args, soft);
    let least = "soft(r) = -g*logsumexp[k in 0..3 if r[k] < inf](-r[k]/g)";
    is(&text(least, "soft([R[i-1,j], R[i,j-1], R[i-1,j-1]])"), &args, soft);
}

/// The loss of connectionist temporal classification: `-inf` where no way leads.
#[test]
fn ways_through_labels_and_blanks() {
    let (t, k) = (5, 4);
    let labels = [2, 3];
    let args = [("y", &[t, k][..], numbers(42, t * k)), ("l", &[2], labels.map(f64::from).to_vec())];
    let text = "param y[T,K]; index l[L]
                p[t,k] = y[t,k] - logsumexp[j](y[t,j])
                S = 2*L + 1
                c[s] = if(mod(s, 2) == 0, 0, l[div(s - 1, 2)]) for s in 0..S
                α[0,s] = if(s < 2, p[0,c[s]], -inf) for s in 0..S
                α[t,s] = logsumexp[k in 0..3 if s >= k and (k < 2 or c[s] != 0 and c[s] != c[s-2])](α[t-1,s-k])
                       + p[t,c[s]] for t in 1..T, s in 0..S
                -logsumexp[k in 0..2](α[T-1,S-1-k])";
    is(text, &args, |at| {
        // Every way, one by one.
        let softmax = |step: usize, label: usize| {
            let row = &at[0][step * k..(step + 1) * k];
            row[label].exp() / row.iter().map(|y| y.exp()).sum::<f64>()
        };
        let mut sum = 0.0;
        for way in 0..k.pow(t as u32) {
            let way: Vec<usize> = (0..t).map(|step| way / k.pow(step as u32) % k).collect();
            let mut said = way.clone();
            said.dedup();
            said.retain(|&label| label != 0);
            if said == [2, 3] {
                sum += way.iter().enumerate().map(|(step, &label)| softmax(step, label)).product::<f64>();
            }
        }
        -sum.ln()
    });
}
