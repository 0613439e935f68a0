//! Batches: the same numbers as single calls, bit for bit, whatever the layout, the length and the threads.

use chainrule::{Backend, Batch, Column, Compiled, Error, Output, Points, Program, Reduced};

const F: &str = "exp(x*z) + x*z/ln(x) + w";
const SEVERAL: &str = "a = x*z; b = sin(x)/w; a, b, w";

/// Numbers between 1 and 3, the same for the same seed.
fn numbers(seed: usize, len: usize) -> Vec<f64> {
    let mut state = (seed as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        1.0 + 2.0 * ((state >> 11) as f64 / (1u64 << 53) as f64)
    };
    (0..len).map(|_| next()).collect()
}

fn bits<'v>(columns: impl IntoIterator<Item = &'v Vec<f64>>) -> Vec<Vec<u64>> {
    columns.into_iter().map(|column| column.iter().map(|value| value.to_bits()).collect()).collect()
}

/// Columns as rows that are `gap` numbers apart.
fn rows(columns: &[Vec<f64>], points: usize, gap: usize) -> Vec<f64> {
    let row = |point: usize| columns.iter().map(move |column| column[point]).chain(vec![f64::NAN; gap]);
    (0..points).flat_map(row).collect()
}

type Single<K> = fn(&Compiled<K>, &[f64], &[f64], [&mut [f64]; 3]) -> Result<(), Error>;
type Seeded<K> = for<'a> fn(Batch<'a, K>, &'a Points<'a>) -> Batch<'a, K>;

/// A kind of derivative, how one point of it is computed, and how it gets its seeds.
struct Case<K> {
    compiled: Compiled<K>,
    single: Single<K>,
    seeded: Seeded<K>,
}

impl<K> Case<K> {
    /// All results as columns, from single calls.
    fn singles(&self, args: &[Vec<f64>], seeds: &[Vec<f64>], points: usize) -> Vec<Vec<f64>> {
        let outs = self.compiled.layout().outs;
        let mut columns = vec![Vec::new(); outs.iter().sum()];
        for point in 0..points {
            let args: Vec<f64> = args.iter().map(|column| column[point]).collect();
            let seeds: Vec<f64> = seeds.iter().map(|column| column[point]).collect();
            let [mut a, mut b, mut c] = outs.map(|width| vec![0.0; width]);
            (self.single)(&self.compiled, &args, &seeds, [&mut a, &mut b, &mut c]).unwrap();
            for (column, value) in columns.iter_mut().zip([a, b, c].concat()) {
                column.push(value);
            }
        }
        columns
    }

    /// The same from a batch into columns.
    fn batch(&self, args: &Points, seeds: &Points, points: usize, threads: usize) -> Vec<Vec<f64>> {
        let mut parts = self.compiled.layout().outs.map(|width| vec![vec![f64::NAN; points]; width]);
        let [a, b, c] = parts.each_mut().map(|part| Output::columns(part.iter_mut().map(Vec::as_mut_slice)));
        let batch = (self.seeded)(self.compiled.batch(args), seeds).threads(threads);
        batch.part(0, a).part(1, b).part(2, c).run().unwrap();
        parts.concat()
    }

    /// The same from a batch into rows.
    fn batch_rows(&self, args: &Points, seeds: &Points, points: usize, gap: usize) -> Vec<Vec<f64>> {
        let outs = self.compiled.layout().outs;
        let mut parts = outs.map(|width| vec![-7.0; points * (width + gap)]);
        {
            let [a, b, c] = &mut parts;
            let batch = (self.seeded)(self.compiled.batch(args), seeds).threads(2);
            let batch = batch.part(0, Output::rows(a, outs[0] + gap));
            let batch = if outs[1] > 0 { batch.part(1, Output::rows(b, outs[1] + gap)) } else { batch };
            let batch = if outs[2] > 0 { batch.part(2, Output::rows(c, outs[2] + gap)) } else { batch };
            batch.run().unwrap();
        }
        let mut columns = Vec::new();
        for (part, width) in parts.iter().zip(outs) {
            let column = |index| part.iter().copied().skip(index).step_by(width + gap).collect();
            columns.extend((0..width).map(column));
            let between = (width..width + gap).flat_map(|index| part.iter().skip(index).step_by(width + gap));
            assert!(width == 0 || between.copied().all(|value| value == -7.0), "what lies between rows is left alone");
        }
        columns
    }

    fn sums(&self, args: &Points, seeds: &Points, threads: usize) -> Reduced {
        (self.seeded)(self.compiled.batch(args), seeds).threads(threads).sum().unwrap()
    }

    fn holds(&self, lengths: impl IntoIterator<Item = usize>) {
        let layout = self.compiled.layout();
        for points in lengths {
            let args: Vec<Vec<f64>> = (0..layout.args).map(|index| numbers(index, points)).collect();
            let seeds: Vec<Vec<f64>> = (0..layout.seeds).map(|index| numbers(index + 10, points)).collect();
            let expected = bits(&self.singles(&args, &seeds, points));
            let (at, along) = (Points::columns(&args), Points::columns(&seeds));
            for threads in [1, 2, 5] {
                assert_eq!(bits(&self.batch(&at, &along, points, threads)), expected, "{points} points");
            }
            for gap in [0, 3] {
                let (arg_rows, seed_rows) = (rows(&args, points, gap), rows(&seeds, points, gap));
                let at = Points::rows(&arg_rows, layout.args + gap);
                let along = Points::rows(&seed_rows, layout.seeds + gap);
                let along = if layout.seeds == 0 { Points::default() } else { along };
                assert_eq!(bits(&self.batch(&at, &along, points, 2)), expected, "rows of {points} points");
                assert_eq!(bits(&self.batch_rows(&at, &along, points, gap)), expected, "into rows");
            }
            let sums = self.sums(&at, &along, 1);
            assert_eq!(sums.points, points);
            let all = [sums.values.clone(), sums.first.clone(), sums.second.clone()].concat();
            let exact: Vec<f64> =
                self.singles(&args, &seeds, points).iter().map(|column| column.iter().sum()).collect();
            for (sum, exact) in all.iter().zip(&exact) {
                assert!((sum - exact).abs() <= 1e-12 * exact.abs(), "{sum} {exact}");
            }
            for threads in [0, 2, 5] {
                let other = self.sums(&at, &along, threads);
                assert_eq!(
                    bits([&other.values, &other.first, &other.second]),
                    bits([&sums.values, &sums.first, &sums.second])
                );
            }
        }
    }
}

fn for_every_kind(lengths: &[usize], backend: Backend) {
    let (f, several) = (Program::parse(F).unwrap(), Program::parse(SEVERAL).unwrap());
    let each = || lengths.iter().copied();
    Case {
        compiled: several.value().backend(backend).compile().unwrap(),
        single: |code, args, _, [a, _, _]| code.call_into(args, a),
        seeded: |batch, _| batch,
    }
    .holds(each());
    Case {
        compiled: f.gradient().backend(backend).compile().unwrap(),
        single: |code, args, _, [a, b, _]| code.call(args, b).map(|value| a[0] = value),
        seeded: |batch, _| batch,
    }
    .holds(each());
    Case {
        compiled: several.jacobian().backend(backend).compile().unwrap(),
        single: |code, args, _, [a, b, _]| code.call(args, a, b),
        seeded: |batch, _| batch,
    }
    .holds(each());
    Case {
        compiled: f.hessian().backend(backend).compile().unwrap(),
        single: |code, args, _, [a, b, c]| code.call(args, b, c).map(|value| a[0] = value),
        seeded: |batch, _| batch,
    }
    .holds(each());
    Case {
        compiled: several.jvp().backend(backend).compile().unwrap(),
        single: |code, args, seeds, [a, b, _]| code.call(args, seeds, a, b),
        seeded: |batch, seeds| batch.directions(seeds),
    }
    .holds(each());
    Case {
        compiled: several.vjp().backend(backend).compile().unwrap(),
        single: |code, args, seeds, [a, b, _]| code.call(args, seeds, a, b),
        seeded: |batch, seeds| batch.weights(seeds),
    }
    .holds(each());
    Case {
        compiled: f.hessian_vector().backend(backend).compile().unwrap(),
        single: |code, args, seeds, [a, b, c]| code.call(args, seeds, b, c).map(|value| a[0] = value),
        seeded: |batch, seeds| batch.directions(seeds),
    }
    .holds(each());
    Case {
        compiled: f.nth(3).wrt(["x"]).backend(backend).compile().unwrap(),
        single: |code, args, _, [a, b, _]| code.call(args, b).map(|value| a[0] = value),
        seeded: |batch, _| batch,
    }
    .holds(each());
}

#[test]
fn a_batch_is_its_single_calls_for_every_kind_and_length() {
    for_every_kind(&(0..=70).collect::<Vec<_>>(), Backend::Auto);
    for_every_kind(&[0, 1, 2, 17, 70], Backend::Scalar);
    for_every_kind(&[0, 1, 17], Backend::Interpreter);
}

#[test]
fn sums_do_not_depend_on_the_back_end() {
    let program = Program::parse(F).unwrap();
    let args = [numbers(1, 3_000), numbers(2, 3_000), numbers(3, 3_000)];
    let points = Points::columns(&args);
    let sums = [Backend::Auto, Backend::Scalar, Backend::Interpreter].map(|backend| {
        let gradient = program.gradient().backend(backend).compile().unwrap();
        let sums = gradient.batch(&points).sum().unwrap();
        bits([&sums.values, &sums.first])
    });
    assert!(sums[0] == sums[1] && sums[1] == sums[2], "{sums:?}");
}

#[test]
fn long_batches_on_several_threads() {
    for_every_kind(&[1023, 1024, 1025, 40_007], Backend::Auto);
}

#[test]
fn uniform_columns_are_constant_columns() {
    let gradient = Program::parse(F).unwrap().gradient().compile().unwrap();
    let n = 2_500;
    let (xs, ws) = (numbers(1, n), numbers(2, n));
    let same = vec![1.25; n];
    let run = |points: Points| {
        let mut columns = [vec![0.0; n], vec![0.0; n], vec![0.0; n], vec![0.0; n]];
        let [value, x, z, w] = &mut columns;
        gradient.batch(&points).value(value).gradient([x, z, w]).run().unwrap();
        bits(&columns)
    };
    let expected = run(Points::columns([&xs, &same, &ws]));
    assert_eq!(run(Points::columns([Column::Each(&xs), Column::Same(1.25), Column::Each(&ws)])), expected);
    let every = Column::Every { values: &[1.25], stride: 0 };
    assert_eq!(run(Points::columns([Column::Each(&xs), every, Column::Each(&ws)])), expected);
}

#[test]
fn columns_by_name() {
    let program = Program::parse("x - z").unwrap();
    let value = program.value().compile().unwrap();
    let points = program.columns([("z", Column::Same(1.0)), ("x", Column::Each(&[2.0, 5.0]))]).unwrap();
    let mut out = [0.0; 2];
    value.batch(&points).values(&mut out).run().unwrap();
    assert_eq!(out, [1.0, 4.0]);
    assert!(matches!(program.columns([("x", 1.0)]), Err(Error::Arguments(faults)) if faults.missing.len() == 1));
    assert!(program.columns([("x", 1.0), ("z", 1.0), ("y", 1.0)]).is_err());
}

#[test]
fn windows_and_matrices() {
    let value = Program::parse("a + 10*b + 100*c").unwrap().value().compile().unwrap();
    let series = [1.0, 2.0, 3.0, 4.0, 5.0];
    let mut out = [0.0; 3];
    value.batch(&Points::rows(&series, 1)).values(&mut out).run().unwrap();
    assert_eq!(out, [321.0, 432.0, 543.0]);

    // A matrix by columns: three arguments, two points, the numbers of an argument 1 apart.
    let matrix = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
    let points = Points::columns(matrix.chunks(2));
    let mut out = [0.0; 2];
    value.batch(&points).values(&mut out).run().unwrap();
    assert_eq!(out, [531.0, 642.0]);
    // The last row may end where its numbers do.
    let every = [0, 1, 2].map(|field| Column::Every { values: &matrix[field..field + 1], stride: 3 });
    let mut out = [0.0];
    value.batch(&Points::columns(every)).values(&mut out).run().unwrap();
    assert_eq!(out, [321.0]);
}

#[test]
fn what_nobody_wants_needs_no_place() {
    let gradient = Program::parse(F).unwrap().gradient().compile().unwrap();
    let args = [numbers(1, 33), numbers(2, 33), numbers(3, 33)];
    let points = Points::columns(&args);
    let mut all = [vec![0.0; 33], vec![0.0; 33], vec![0.0; 33]];
    let [x, z, w] = &mut all;
    gradient.batch(&points).gradient([x, z, w]).run().unwrap();
    let mut only = vec![0.0; 33];
    gradient.batch(&points).gradient([None, Some(&mut only[..]), None]).run().unwrap();
    assert_eq!(bits([&only]), bits([&all[1]]));
    // Sums are of everything; what is given is filled as well.
    let mut again = vec![0.0; 33];
    let sums = gradient.batch(&points).gradient([None, Some(&mut again[..]), None]).sum().unwrap();
    assert_eq!(bits([&again]), bits([&only]));
    assert_eq!(sums, gradient.batch(&points).sum().unwrap());
    let mean = gradient.batch(&points).mean().unwrap();
    assert_eq!(mean.first[1], sums.first[1] / 33.0);
    gradient.batch(&points).run().unwrap();
}

#[test]
fn sums_over_nothing() {
    let gradient = Program::parse("x^2").unwrap().gradient().compile().unwrap();
    let none = Points::columns([&[][..]]);
    let sum = gradient.batch(&none).sum().unwrap();
    assert_eq!((sum.points, sum.value(), sum.first.as_slice()), (0, 0.0, [0.0].as_slice()));
    assert!(gradient.batch(&none).mean().unwrap().value().is_nan());
    let constant = Program::parse("3").unwrap().value().compile().unwrap();
    assert_eq!(constant.batch(&Points::default()).sum().unwrap().value(), 3.0, "no argument: one point");
}

#[test]
fn memory_that_does_not_fit_is_refused_before_anything_is_written() {
    let gradient = Program::parse("x*z").unwrap().gradient().compile().unwrap();
    let (xs, zs) = ([1.0, 2.0], [1.0, 2.0, 3.0]);
    let column = |error: Error| match error {
        Error::Column { name, points, found } => (name, points, found),
        other => panic!("{other:?}"),
    };
    let uneven = Points::columns([Column::Each(&xs), Column::Each(&zs)]);
    assert_eq!(column(gradient.batch(&uneven).run().unwrap_err()), ("z".to_owned(), 2, 3));
    let one = Points::columns([&xs]);
    let error = gradient.batch(&one).run().unwrap_err();
    assert_eq!(error, Error::Columns { what: "arguments", expected: 2, found: 1 });
    let ragged = Points::rows(&[1.0, 2.0, 3.0], 2);
    let error = gradient.batch(&ragged).run().unwrap_err();
    assert_eq!(error, Error::Rows { what: "arguments", len: 3, stride: 2, width: 2 });

    let points = Points::columns([&xs, &xs]);
    let (mut short, mut two) = ([-1.0], [-1.0, -1.0]);
    let error = gradient.batch(&points).value(&mut two).gradient([&mut short[..], &mut [0.0, 0.0]]).run().unwrap_err();
    assert_eq!((column(error).2, two), (1, [-1.0, -1.0]));
    let error = gradient.batch(&points).gradient(&mut two).run().unwrap_err();
    assert_eq!(error, Error::Columns { what: "first derivatives", expected: 2, found: 1 });
    let mut three = [0.0; 3];
    assert!(matches!(gradient.batch(&points).gradient(Output::rows(&mut three, 1)).run(), Err(Error::Rows { .. })));
    assert!(matches!(gradient.batch(&points).gradient(Output::rows(&mut three, 2)).run(), Err(Error::Rows { .. })));
    assert!(matches!(gradient.batch(&points).value(Output::rows(&mut three, 1)).run(), Err(Error::Column { .. })));
    let jvp = Program::parse("x*z").unwrap().jvp().compile().unwrap();
    let error = jvp.batch(&points).run().unwrap_err();
    assert_eq!(error, Error::Columns { what: "seeds", expected: 2, found: 0 });
}

#[test]
fn the_first_point_without_a_result_is_named() {
    let program = Program::parse("index k; x*div(6, k)").unwrap();
    let gradient = program.gradient().compile().unwrap();
    for (n, bad) in [(5, 3), (100_000, 40_000), (100_000, 99_999), (100_000, 0)] {
        for fault in [0.0, 0.5] {
            let xs = numbers(1, n);
            let mut ks = vec![2.0; n];
            ks[bad] = fault;
            ks[n - 1] = fault;
            // `k` is the first argument: it is declared.
            let points = Points::columns([&ks, &xs]);
            for threads in [1, 2, 5] {
                let error = gradient.batch(&points).threads(threads).sum().unwrap_err();
                let Error::AtPoint { index, error } = error else { panic!("{error:?}") };
                assert_eq!(index, bad);
                assert_eq!(matches!(*error, Error::NotWhole { .. }), fault != 0.0, "{error:?}");
            }
        }
    }
}

#[test]
fn batches_of_one_code_at_the_same_time() {
    let gradient = Program::parse(F).unwrap().gradient().compile().unwrap();
    let args = [numbers(1, 30_000), numbers(2, 30_000), numbers(3, 30_000)];
    let points = Points::columns(&args);
    let expected = gradient.batch(&points).sum().unwrap();
    std::thread::scope(|scope| {
        for threads in 1..6 {
            let (gradient, points, expected) = (&gradient, &points, &expected);
            scope.spawn(move || assert_eq!(gradient.batch(points).threads(threads).sum().unwrap(), *expected));
        }
    });
}
