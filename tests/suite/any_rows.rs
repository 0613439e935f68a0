//! Code for any number of rows: what it computes is what code made for that number computes, to the bit.

use chainrule::{AnyRows, ArrayView, Backend, Binding, Error, Extent, Kind, Limits, Program, Request};

use crate::random::Random;

/// Numbers of rows around those at which code is another: lanes of sums, what there is room for.
const ROWS: [usize; 7] = [2, 8, 1, 9, 17, 41, 0];

/// `w` and `D` have this extent.
const D: usize = 3;

fn any_rows<K: Kind>(request: Request<K>) -> Result<AnyRows<K>, Error> {
    request.any_rows("N", &Binding::new().size("D", D as i64))
}

fn bind(program: &Program, rows: usize) -> Result<Program, Error> {
    program.bind(&Binding::new().size("D", D as i64).size("N", rows as i64))
}

/// Results, with room around each that must stay as it is.
fn results(lens: &[usize], call: impl FnOnce(&mut [&mut [f64]]) -> Result<(), Error>) -> Result<Vec<Vec<u64>>, String> {
    const AROUND: usize = 40;
    let mut memory: Vec<Vec<f64>> = lens.iter().map(|len| vec![7.5; len + 2 * AROUND]).collect();
    let mut outs: Vec<&mut [f64]> =
        memory.iter_mut().zip(lens).map(|(memory, len)| &mut memory[AROUND..AROUND + len]).collect();
    call(&mut outs).map_err(|error| error.to_string())?;
    let bits = |number: &f64| if number.is_nan() { f64::NAN.to_bits() } else { number.to_bits() };
    let mut found = Vec::new();
    for (memory, &len) in memory.iter().zip(lens) {
        let around = memory[..AROUND].iter().chain(&memory[AROUND + len..]);
        assert!(around.copied().all(|number| number == 7.5), "nothing is written beside the results");
        found.push(memory[AROUND..AROUND + len].iter().map(bits).collect());
    }
    Ok(found)
}

/// Arguments of a program by chance, for so many rows; integers are places of rows.
fn arguments(program: &Program, rows: usize, random: &mut Random) -> Vec<Vec<f64>> {
    let extent = |extent: &Extent| match extent {
        Extent::Size(size) if size == "N" => rows,
        Extent::Fixed(extent) => *extent,
        _ => D,
    };
    let number = |random: &mut Random, role| match role {
        chainrule::Role::Index => random.below(rows.max(1)) as f64,
        _ => random.unit() * 2.0 - 1.0,
    };
    let all = program.arguments().iter();
    all.map(|argument| {
        let len = argument.extents.iter().map(extent).product();
        (0..len).map(|_| number(random, argument.role)).collect()
    })
    .collect()
}

/// Compares code for any number with code for each of them; both say the same where there is no result. How often code for any number was
/// made.
fn agrees<K: Kind>(text: &str, request: impl Fn(&Program) -> Request<'_, K>, random: &mut Random) -> Option<usize> {
    let program = Program::parse(text).unwrap_or_else(|error| panic!("{error}"));
    let any = any_rows(request(&program)).ok()?;
    for rows in ROWS {
        let args = arguments(&program, rows, random);
        let seed = |len: usize, random: &mut Random| (0..len).map(|_| random.unit()).collect::<Vec<f64>>();
        let bound = bind(&program, rows);
        let code = bound
            .as_ref()
            .map_err(|error| error.to_string())
            .and_then(|bound| request(bound).compile().map_err(|error| error.to_string()));
        let Ok(code) = code else {
            // The results may have any length: there are none.
            let args: Vec<&[f64]> = args.iter().map(Vec::as_slice).collect();
            let lens = vec![1; 1 + program.arguments().len()];
            let mut memory: Vec<Vec<f64>> = lens.iter().map(|&len| vec![0.0; len]).collect();
            let mut outs: Vec<&mut [f64]> = memory.iter_mut().map(Vec::as_mut_slice).collect();
            assert!(any.call_arrays(&args, &mut outs).is_err(), "{rows} rows of\n{text}");
            continue;
        };
        let func = code.graph();
        let seeds = func.params[args.len()..].iter().map(|param| seed(param.shape.iter().product(), random));
        let args: Vec<Vec<f64>> = args.iter().cloned().chain(seeds).collect();
        let args: Vec<&[f64]> = args.iter().map(Vec::as_slice).collect();
        let lens: Vec<usize> = func.results.iter().map(|result| func.shape(result.value).iter().product()).collect();
        let expected = results(&lens, |outs| code.call_arrays(&args, outs));
        let found = results(&lens, |outs| any.call_arrays(&args, outs));
        assert_eq!(found, expected, "{rows} rows of\n{text}");
    }
    Some(any.compilations())
}

/// A program by chance, over `x[N, D]`, `y[N]` and parameters.
struct Maker<'r> {
    random: &'r mut Random,
    text: String,
    /// Names of arrays with an element for each row, and of numbers.
    arrays: Vec<String>,
    numbers: Vec<String>,
}

impl Maker<'_> {
    fn of(random: &mut Random) -> Maker<'_> {
        let text = "param a, b, w[D]\ndata x[N, D], y[N]\nindex at[N]\n".to_owned();
        let names = |names: [&str; 2]| names.map(str::to_owned).to_vec();
        Maker { random, text, arrays: vec!["y".to_owned()], numbers: names(["a", "b"]) }
    }

    fn pick(&mut self, from: &[&str]) -> String {
        from[self.random.below(from.len())].to_owned()
    }

    fn name(&mut self, of_arrays: bool) -> String {
        let names = if of_arrays { &self.arrays } else { &self.numbers };
        names[self.random.below(names.len())].clone()
    }

    /// A number of the row `i`.
    fn element(&mut self, i: &str, depth: usize) -> String {
        let (array, number) = (self.name(true), self.name(false));
        if depth == 0 {
            return match self.random.below(6) {
                0 => format!("x[{i}, {}]", self.random.below(D)),
                1 | 2 => format!("{array}[{i}]"),
                3 => number,
                4 => format!("0.1*{i}"),
                _ => self.pick(&["0.5", "N", "1/N"]),
            };
        }
        let (e, f) = (self.element(i, depth - 1), self.element(i, depth - 1));
        match self.random.below(11) {
            0 => format!("({e} + {f})"),
            1 | 2 => format!("({e})*({f})"),
            3 => format!("sin({e})"),
            4 => format!("exp(-({e})^2)"),
            5 => format!("sum[d](w[d]*x[{i}, d])*({e})"),
            6 => format!("if({i} < 3, {e}, {f})"),
            7 => format!("if({i} > 0, {array}[max({i} - 1, 0)], {e})"),
            8 => format!("{array}[at[{i}]]*({e})"),
            9 => format!("sigmoid({e})/(1 + ({f})^2)"),
            _ => format!("{array}[N - 1 - {i}]*({e})"),
        }
    }

    fn statement(&mut self, number: usize) {
        let (array, e) = (self.name(true), self.element("i", 2));
        let line = match self.random.below(16) {
            0..=3 => format!("u{number}[i] = {e}   for i in 0..N"),
            4 => format!("u{number} = {array} + [{e} for i in 0..N]*b"),
            5 => format!("u{number}[0] = a; u{number}[i] = 0.5*u{number}[i-1] + {e}   for i in 1..N"),
            6 => format!("u{number} = iterate s from {array} for k in 0..3 do s*0.5 + y"),
            7 => format!("s{number} = mean[i]({e} + y[i])"),
            8 => format!("s{number} = sum[i in 1..N]({e} + {array}[i-1]*y[i])"),
            9 => format!("s{number} = logsumexp[i]({e} + y[i])"),
            10 => format!("s{number} = max[i]({e} + y[i])"),
            11 => format!("s{number} = prod[i](1 + 0.1*({e} + y[i]))"),
            12 => format!("s{number} = sum[i, j in 0..i](({e})*y[i]*{array}[j])"),
            13 => format!("s{number} = sum[i if y[i] > 0]({e})/N + {array}[N-1]*{array}[0]"),
            14 => format!("s{number} = {array}[argmax[i]({e} + y[i])] + N*ln(b^2 + 1)"),
            _ => format!("s{number} = sum[i]({e} + y[i])"),
        };
        let name = format!("{}{number}", &line[..1]);
        if line.starts_with('u') {
            self.arrays.push(name)
        } else {
            self.numbers.push(name)
        }
        self.text.push_str(&line);
        self.text.push('\n');
    }
}

/// Statements with one result, and as results arrays beside it.
fn program(random: &mut Random) -> (String, String) {
    let mut maker = Maker::of(random);
    let n_statements = 1 + maker.random.below(4);
    (0..n_statements).for_each(|number| maker.statement(number));
    let (e, array, number) = (maker.element("i", 1), maker.name(true), maker.name(false));
    let text = maker.text;
    let loss = format!("{text}loss = mean[i](({e} + {array}[i]*b)^2) + {number}\n");
    (loss, format!("{text}p[i] = {e} + y[i]\np, {array}, {number}\n"))
}

#[test]
fn random_programs_give_the_bits_of_code_for_each_number() {
    let mut random = Random(20_261_122);
    let mut open = 0;
    for _ in 0..3 {
        let (loss, arrays) = program(&mut random);
        let all = [
            agrees(&loss, Program::gradient, &mut random),
            agrees(&arrays, Program::value, &mut random),
            agrees(&loss, |program| program.gradient().backend(Backend::Interpreter), &mut random),
            agrees(&loss, Program::hessian_vector, &mut random),
            agrees(&arrays, Program::vjp, &mut random),
        ];
        open += all.iter().flatten().count();
        // Three times there must be more room. No and one row have code of their own, and what is a number of the text besides.
        let most = all.iter().flatten().max();
        assert!(most.is_none_or(|&most| most <= 7), "{most:?}\n{loss}");
    }
    assert!(open > 9, "most of them can be made for any number, {open} were");
}

const REGRESSION: &str = "param w[D], b\ndata x[N, D], t[N]\nz[n] = b + sum[d](w[d]*x[n,d])\nmean[n]((z[n] - t[n])^2)";

/// The value of [`REGRESSION`] and its derivatives by `w` and `b`, by hand.
fn regression(w: &[f64], b: f64, x: &[f64], t: &[f64]) -> (f64, Vec<f64>, f64) {
    let n = t.len() as f64;
    let (mut value, mut by_w, mut by_b) = (0.0, vec![0.0; w.len()], 0.0);
    for (row, t) in x.chunks(w.len()).zip(t) {
        let error = b + row.iter().zip(w).map(|(x, w)| x * w).sum::<f64>() - t;
        value += error * error / n;
        by_b += 2.0 * error / n;
        by_w.iter_mut().zip(row).for_each(|(by, x)| *by += 2.0 * error * x / n);
    }
    (value, by_w, by_b)
}

#[track_caller]
fn is_close(a: f64, b: f64) {
    assert!((a - b).abs() <= 1e-13 * (1.0 + b.abs()), "{a} {b}");
}

#[test]
fn a_stream_of_lengths_takes_few_compilations() {
    let program = Program::parse(REGRESSION).unwrap();
    let any = program.gradient().any_rows("N", &Binding::new().size("D", 4)).unwrap();
    let (w, b) = ([0.5, -1.0, 0.25, 2.0], 0.125);
    let mut random = Random(4);
    for rows in (5..105).rev().chain([300, 7]) {
        let x: Vec<f64> = (0..4 * rows).map(|_| random.unit()).collect();
        let t: Vec<f64> = (0..rows).map(|_| random.unit()).collect();
        let (mut value, mut by_w, mut by_b) = ([0.0], [0.0; 4], [0.0]);
        any.call_arrays(&[&w, &[b], &x, &t], &mut [&mut value, &mut by_w, &mut by_b]).unwrap();
        let (expected, w_bar, b_bar) = regression(&w, b, &x, &t);
        is_close(value[0], expected);
        is_close(by_b[0], b_bar);
        by_w.iter().zip(w_bar).for_each(|(&found, expected)| is_close(found, expected));
        // By name the sizes follow from the arrays; columns that stand one after the other are rows, too.
        let columns: Vec<f64> = (0..4).flat_map(|d| x.iter().skip(d).step_by(4).copied()).collect();
        let (shape, strides) = ([rows, 4], [1, rows as isize]);
        let view = ArrayView::strided(&columns, 0, &shape, &strides);
        let by_name = program.gradient().with("w", &w).with("b", b).with("x", view).with("t", &t).run().unwrap();
        assert_eq!(
            (by_name.value(), &by_name["d_w"].data, by_name["d_b"].number()),
            (value[0], &by_w.to_vec(), Some(by_b[0]))
        );
    }
    assert_eq!((any.compilations(), any.room()), (2, 488));
    // The first length has its own code.
    assert!(format!("{program:?}").contains("Cache { entries: 2 }"), "{program:?}");
}

#[test]
fn predictions_are_as_long_as_the_data() {
    let program = Program::parse("param w[D]\ndata x[N, D]\np[n] = sigmoid(sum[d](w[d]*x[n,d]))").unwrap();
    let any = program.value().any_rows("N", &Binding::new().shape("w", &[3])).unwrap();
    let mut random = Random(5);
    for rows in [20, 1, 0, 33, 3] {
        let x: Vec<f64> = (0..3 * rows).map(|_| random.unit()).collect();
        let answer = any.with("x", (&*x, &[rows, 3])).with("w", &[1.0, -2.0, 0.5]).run().unwrap();
        let expected = x.chunks(3).map(|x| 1.0 / (1.0 + (-(x[0] - 2.0 * x[1] + 0.5 * x[2])).exp()));
        assert_eq!(answer["p"].shape, [rows]);
        answer["p"].data.iter().zip(expected).for_each(|(&found, expected)| is_close(found, expected));
    }
    let refused = any.with("x", (&[0.0; 8], &[4, 2])).with("w", &[1.0, -2.0, 0.5]).run().unwrap_err();
    assert!(refused.to_string().contains("`x` must be 4 × 3, and 4 × 2 is given"), "{refused}");
    let refused = any.call_arrays(&[&[1.0; 3], &[0.0; 6]], &mut [&mut [0.0; 3]]).unwrap_err();
    assert_eq!(refused.to_string(), "`p`: expected 2 numbers, found 3");
}

#[test]
fn what_depends_on_the_number_has_code_for_each() {
    let fixed = [
        "param w[N]; sum[i, j in 0..N](w[i]*w[j]*[i*j for i in 0..N, j in 0..N][i, j])",
        "param l[div(N, 2)]; data x[N]; sum[i](x[i]) + sum[i](l[i]^2)",
        "param a; data x[N]; a*x[3]",
        "param a; data x[N]; sum[i](x[i]*a^N)",
    ];
    for text in fixed {
        let program = Program::parse(text).unwrap();
        assert!(matches!(program.value().any_rows("N", &Binding::new()), Err(Error::FixedRows { .. })), "{text}");
    }
    // By name they run all the same, with code for each number.
    let program = Program::parse(fixed[3]).unwrap();
    for rows in [3, 5, 4, 6] {
        let x: Vec<f64> = (0..rows).map(f64::from).collect();
        let answer = program.gradient().with("a", 2.0).with("x", &x).run().unwrap();
        let sum = x.iter().sum::<f64>();
        assert_eq!(answer.value(), sum * 2_f64.powi(rows));
        assert_eq!(answer["d_a"].number(), Some(sum * f64::from(rows) * 2_f64.powi(rows - 1)));
    }
    assert!(format!("{program:?}").contains("Cache { entries: 4 }"), "{program:?}");
}

#[test]
fn what_is_wrong_is_told_as_for_one_number() {
    let program = Program::parse("param a; data x[N]\nindex at[M]\nsum[k](a*x[at[k]])").unwrap();
    let any = program.gradient().any_rows("N", &Binding::new().size("M", 2)).unwrap();
    let mut outs = ([0.0], [0.0]);
    let mut call = |x: &[f64], at: &[f64]| {
        any.call_arrays(&[&[2.0], x, at], &mut [&mut outs.0, &mut outs.1])
            .map(|()| outs.0[0])
            .map_err(|error| error.to_string())
    };
    assert_eq!(call(&[1.0, 2.0, 4.0, 8.0], &[3.0, 0.0]), Ok(18.0));
    // There is room for more rows than there are.
    let told = call(&[1.0, 2.0, 4.0, 8.0], &[4.0, 0.0]).unwrap_err();
    let bound = program.bind(&Binding::new().size("M", 2).size("N", 4)).unwrap().gradient().compile().unwrap();
    let slices: [&[f64]; 3] = [&[2.0], &[0.0; 4], &[4.0, 0.0]];
    assert_eq!(told, bound.call_arrays(&slices, &mut [&mut [0.0], &mut [0.0]]).unwrap_err().to_string());
    assert!(call(&[1.0; 3], &[0.5, 0.0]).unwrap_err().contains("0.5"));

    let unknown = program.gradient().any_rows("K", &Binding::new()).unwrap_err();
    assert!(unknown.to_string().contains("`K`"), "{unknown}");
    let limits = Limits { elements: 100, ..Limits::default() };
    let program = Program::parse_with("short", "param a; data x[N]; a*sum[i](x[i])", &limits).unwrap();
    let any = program.value().any_rows("N", &Binding::new()).unwrap();
    assert!(any.call_arrays(&[&[1.0], &[1.0; 90]], &mut [&mut [0.0]]).is_ok());
    let refused = any.call_arrays(&[&[1.0], &[1.0; 200]], &mut [&mut [0.0]]).unwrap_err().to_string();
    assert!(refused.contains("limit of 100"), "{refused}");
}

#[test]
fn threads_share_code_while_it_grows() {
    let program = Program::parse("param a; data x[N], y[N]; sum[i](a*x[i]*y[i])").unwrap();
    let any = program.gradient().any_rows("N", &Binding::new()).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let any = any.clone();
            scope.spawn(move || {
                for rows in (0..40).map(|call| 2 + (call * 37 + thread * 11) % 200) {
                    let x: Vec<f64> = (0..rows).map(|row| row as f64).collect();
                    let (mut value, mut by_a) = ([0.0], [0.0]);
                    any.call_arrays(&[&[3.0], &x, &vec![2.0; rows]], &mut [&mut value, &mut by_a]).unwrap();
                    assert_eq!(by_a[0], (rows * (rows - 1)) as f64);
                    assert_eq!(value[0], 3.0 * by_a[0]);
                }
            });
        }
    });
    assert!(any.compilations() <= 7, "{}", any.compilations());
}

#[test]
fn no_number_of_a_text_is_taken_for_a_number_of_rows() {
    let program =
        Program::parse("index k; data x[N]; x[k - 1099511627800] + 0*if(1099511627791 < 1099511627800, 1, 2)");
    let code = program.unwrap().bind(&Binding::new().size("N", 4)).unwrap().value().compile().unwrap();
    let x = [1.0, 2.0, 4.0, 8.0];
    for (k, expected) in
        [(1_099_511_627_800.0, Some(1.0)), (1_099_511_627_803.0, Some(8.0)), (1_099_511_627_804.0, None)]
    {
        let mut value = [0.0];
        assert_eq!(code.call_arrays(&[&[k], &x], &mut [&mut value]).ok().map(|()| value[0]), expected);
    }
}
