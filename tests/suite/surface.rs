//! Programs with arrays as a host uses them: views in, arrays out, sizes from what is passed.

use chainrule::{Answer, Array, ArrayView, Backend, Binding, Column, Error, Extent, Gradient, Output, Program};

const LINE: &str = "param W[H, D], b[H], rate\ndata x[D]\nrate*sum[h](b[h]*sum[d](W[h,d]*x[d]))";
const W: [[f64; 3]; 2] = [[1.0, 2.0, 3.0], [-4.0, 5.0, 6.0]];
const B: [f64; 2] = [10.0, 0.5];
const X: [f64; 3] = [1.0, -2.0, 0.25];

/// The numbers of [`LINE`] by hand: value, and derivatives by `W`, `b`, `rate`.
fn by_hand(rate: f64) -> (f64, Vec<f64>, Vec<f64>, f64) {
    let rows = W.map(|row| row.iter().zip(X).map(|(w, x)| w * x).sum::<f64>());
    let sum: f64 = rows.iter().zip(B).map(|(row, b)| row * b).sum();
    let d_w = B.iter().flat_map(|b| X.map(|x| rate * b * x)).collect();
    (rate * sum, d_w, rows.iter().map(|row| rate * row).collect(), sum)
}

#[track_caller]
fn is_by_hand(answer: &Answer<Gradient>, rate: f64) {
    let (value, d_w, d_b, d_rate) = by_hand(rate);
    assert_eq!(answer.value(), value);
    assert_eq!(answer["d_W"], Array::new(&[2, 3], d_w));
    assert_eq!(answer["d_b"], Array::new(&[2], d_b));
    assert_eq!(answer["d_rate"].number(), Some(d_rate));
}

fn message(error: Error) -> String {
    error.to_string()
}

#[test]
fn arrays_and_numbers_mix_in_a_call() {
    let program = Program::parse(LINE).unwrap();
    assert!(program.is_open());
    let answer = program.gradient().with("rate", 0.5).with("x", &X).with("W", &W).with("b", &B).run().unwrap();
    is_by_hand(&answer, 0.5);
    let names: Vec<&str> = answer.iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["value", "d_W", "d_b", "d_rate"]);
    assert_eq!(answer.get("d_x"), None);
}

#[test]
fn the_memory_of_an_argument_may_be_any() {
    let program = Program::parse(LINE).unwrap();
    let flat = W.as_flattened();
    let columns = [1.0, -4.0, 2.0, 5.0, 3.0, 6.0];
    let backwards: Vec<f64> = flat.iter().rev().copied().collect();
    let gaps: Vec<f64> = flat.iter().flat_map(|&number| [number, f64::NAN]).collect();
    let integers = [1_i64, 2, 3, -4, 5, 6];
    let owned = Array::new(&[2, 3], flat.to_vec());
    let views = [
        ArrayView::from(&W),
        ArrayView::from((flat, &[2, 3])),
        ArrayView::strided(flat, 0, &[2, 3], &[3, 1]),
        ArrayView::strided(&columns, 0, &[2, 3], &[1, 2]),
        ArrayView::strided(&backwards, 5, &[2, 3], &[-3, -1]),
        ArrayView::strided(&gaps, 0, &[2, 3], &[6, 2]),
        ArrayView::integers(&integers, &[2, 3]),
        ArrayView::from(&owned),
    ];
    for view in views {
        assert!(view.is_sound(), "{view:?}");
        assert_eq!(view.to_vec(), flat, "{view:?}");
        let call = program.gradient().with("W", view).with("b", &B).with("rate", 2.0);
        is_by_hand(&call.with("x", &X.to_vec()).run().unwrap(), 2.0);
    }
}

#[test]
fn a_view_outside_of_its_memory_is_not_sound() {
    let data = [0.0; 6];
    let sound = [
        ArrayView::strided(&data, 0, &[0, 9], &[100, 1]),
        ArrayView::strided(&data, 5, &[1], &[100]),
        ArrayView::strided(&data, 0, &[6, 5], &[1, 0]),
        ArrayView::dense(&[], &[3, 0]),
    ];
    let unsound = [
        ArrayView::dense(&data, &[2, 2]),
        ArrayView::strided(&data, 0, &[2, 3], &[3, 2]),
        ArrayView::strided(&data, 1, &[3], &[-1]),
        ArrayView::strided(&data, 0, &[2, 3], &[1]),
        ArrayView::strided(&data, 0, &[2], &[isize::MIN]),
        ArrayView::dense(&data, &[usize::MAX, 2]),
    ];
    assert!(sound.iter().all(ArrayView::is_sound));
    assert!(!unsound.iter().any(ArrayView::is_sound));
    let program = Program::parse("param x[N]; sum[i](x[i])").unwrap();
    let error = program.value().with("x", ArrayView::strided(&data, 1, &[6], &[1])).run().unwrap_err();
    assert!(message(error).contains("doesn't fit its 6 numbers"));
}

#[test]
fn each_set_of_sizes_has_its_code() {
    let program = Program::parse("param x[N]; data k; k*sum[i](x[i]^2)").unwrap();
    for len in [3, 5, 3, 0, 1, 5] {
        let x: Vec<f64> = (1..=len).map(f64::from).collect();
        let answer = program.gradient().with("x", &x).with("k", 2.0).run().unwrap();
        assert_eq!(answer.value(), 2.0 * x.iter().map(|x| x * x).sum::<f64>());
        assert_eq!(answer["d_x"].data, x.iter().map(|x| 4.0 * x).collect::<Vec<f64>>());
    }
    // What an extent is made of is part of the code too.
    let powers = Program::parse("index n; param x; sum[i]([x^i for i in 0..n][i])").unwrap();
    for (n, expected) in [(3.0, 7.0), (4.0, 15.0), (3.0, 7.0)] {
        assert_eq!(powers.gradient().with("n", n).with("x", 2.0).run().unwrap().value(), expected);
    }
}

#[test]
fn a_bound_program_is_like_any_other() {
    let open = Program::parse(LINE).unwrap();
    assert_eq!(open.sizes(), [("H".to_owned(), None), ("D".to_owned(), None)]);
    assert_eq!(open.arguments()[0].declaration(), "W[H, D]");
    assert!(matches!(open.gradient().compile(), Err(Error::Open { sizes }) if sizes == ["H", "D"]));

    let program = open.bind(&Binding::new().size("H", 2).size("D", 3)).unwrap();
    assert!(!program.is_open() && program.has_arrays());
    assert_eq!(program.sizes(), [("H".to_owned(), Some(2)), ("D".to_owned(), Some(3))]);
    assert_eq!(program.shape_of("W"), Some([2, 3].as_slice()));
    let gradient = program.gradient().compile().unwrap();
    is_by_hand(&gradient.with("W", &W).with("b", &B).with("rate", 3.0).with("x", &X).run().unwrap(), 3.0);

    // The same call by slices, one an argument, and by one run of numbers.
    let (value, d_w, d_b, d_rate) = by_hand(3.0);
    let (mut found, mut by_w, mut by_b, mut by_rate) = ([0.0], [0.0; 6], [0.0; 2], [0.0]);
    let args: [&[f64]; 4] = [W.as_flattened(), &B, &[3.0], &X];
    gradient.call_arrays(&args, &mut [&mut found, &mut by_w, &mut by_b, &mut by_rate]).unwrap();
    assert_eq!((found[0], by_w.to_vec(), by_b.to_vec(), by_rate[0]), (value, d_w.clone(), d_b.clone(), d_rate));
    let mut slopes = [0.0; 9];
    assert_eq!(gradient.call(&args.concat(), &mut slopes).unwrap(), value);
    assert_eq!(slopes.to_vec(), [d_w, d_b, vec![d_rate]].concat());

    let refused = gradient.call_arrays(&args[..3], &mut []).unwrap_err();
    assert_eq!(message(refused), "slices of arguments: expected 4, found 3");
    let short: [&[f64]; 4] = [W.as_flattened(), &B[..1], &[3.0], &X];
    let refused = gradient.call_arrays(&short, &mut [&mut found, &mut by_w, &mut by_b, &mut by_rate]).unwrap_err();
    assert_eq!(message(refused), "`b`: expected 2 numbers, found 1");
    assert!(matches!(gradient.call(&[1.0], &mut slopes), Err(Error::Length { expected: 12, found: 1, .. })));
    let other = gradient.with("W", &[[1.0, 2.0]]).with("b", &B).with("rate", 3.0).with("x", &X).run().unwrap_err();
    assert!(message(other).contains("`W` must be 2 × 3, and 1 × 2 is given"));
}

#[test]
fn both_back_ends_and_any_number_of_threads_agree() {
    let program =
        Program::parse("param x[N, M]; p[i,j] = softmax[j](x[i,j]); sum[i](ln(p[i,0])) + max[i,j](x[i,j])").unwrap();
    let x: Vec<f64> = (0..40 * 7).map(|i| (f64::from(i) * 0.7).sin()).collect();
    let view = || ArrayView::dense(&x, &[40, 7]);
    let interpreted = program.gradient().backend(chainrule::Backend::Interpreter).with("x", view()).run().unwrap();
    let bound = program.bind(&program.binding([("x", view())]).unwrap()).unwrap();
    let code = bound.gradient().compile().unwrap();
    std::thread::scope(|scope| {
        let call = || (0..20).map(|_| code.with("x", view()).run().unwrap()).collect::<Vec<_>>();
        let workers: Vec<_> = (0..4).map(|_| scope.spawn(call)).collect();
        for answer in workers.into_iter().flat_map(|worker| worker.join().unwrap()) {
            assert_eq!(answer, interpreted);
        }
    });
}

#[test]
fn directions_and_weights_have_the_shapes_of_what_they_belong_to() {
    let program = Program::parse("param A[N, M], v[M]; u[i] = sum[j](A[i,j]*v[j]); s = sum[j](v[j]^2); u, s").unwrap();
    let (v, dv, w) = ([1.0, -1.0, 2.0], [0.5, 1.0, 0.0], [3.0, -2.0]);
    let jvp = program.jvp().with("A", &W).with("v", &v).direction("v", &dv).run().unwrap();
    // u_dot = A dv, s_dot = 2 v·dv
    assert_eq!(jvp["u"].data, [1.0 - 2.0 + 6.0, -4.0 - 5.0 + 12.0]);
    assert_eq!(jvp["u_dot"].data, [0.5 + 2.0, -2.0 + 5.0]);
    assert_eq!(jvp["s_dot"].number(), Some(2.0 * (0.5 - 1.0)));
    let vjp = program.vjp().with("A", &W).with("v", &v).weight("u", &w).weight("s", 10.0).run().unwrap();
    // A_bar = w vᵀ, v_bar = Aᵀ w + 2*10 v
    assert_eq!(vjp["A_bar"], Array::new(&[2, 3], w.iter().flat_map(|w| v.map(|v| w * v)).collect()));
    assert_eq!(vjp["v_bar"].data, [3.0 + 8.0 + 20.0, 6.0 - 10.0 - 20.0, 9.0 - 12.0 + 40.0]);

    let square = Program::parse("param v[N]; sum[i](v[i])^3").unwrap();
    let product = square.hessian_vector().with("v", &v).direction("v", &dv).run().unwrap();
    // H = 6 s 1 1ᵀ with s = 2
    assert_eq!((product.value(), product["d_v"].data.as_slice()), (8.0, [12.0; 3].as_slice()));
    assert_eq!(product["hv_v"].data, [12.0 * 1.5; 3]);

    let wrong =
        program.vjp().with("A", &W).with("v", &v).weight("t", 1.0).weight("u", &v).weight("s", 1.0).weight("s", 1.0);
    let wrong = message(wrong.run().unwrap_err());
    for part in ["`t` is not something", "`u` must be 2, and 3 is given", "`s` is given twice"] {
        assert!(wrong.contains(part), "{wrong}");
    }
}

#[test]
fn jacobians_and_hessians_have_the_results_dimensions_first() {
    let program = Program::parse("param x[N], a; y[i] = a*x[i]^2; y, sum[i](x[i])").unwrap();
    let x = [1.0, 2.0, 3.0];
    let jacobian = program.jacobian().with("x", &x).with("a", 5.0).run().unwrap();
    let diagonal = |d: [f64; 3]| vec![d[0], 0.0, 0.0, 0.0, d[1], 0.0, 0.0, 0.0, d[2]];
    assert_eq!(jacobian["y_d_x"], Array::new(&[3, 3], diagonal([10.0, 20.0, 30.0])));
    assert_eq!(jacobian["y_d_a"], Array::new(&[3], vec![1.0, 4.0, 9.0]));
    assert_eq!(jacobian["y1_d_x"], Array::new(&[3], vec![1.0; 3]));
    assert_eq!(jacobian["y1_d_a"], Array::from(0.0));

    let cube = Program::parse("param x[N], a; a*sum[i](x[i]^3)").unwrap();
    let hessian = cube.hessian().with("x", &x).with("a", 2.0).run().unwrap();
    assert_eq!(hessian["d_x_x"], Array::new(&[3, 3], diagonal([12.0, 24.0, 36.0])));
    assert_eq!((&hessian["d_x_a"], &hessian["d_a_x"]), (&hessian["d_a_x"], &Array::new(&[3], vec![3.0, 12.0, 27.0])));
    let refused = Program::parse("param x[N]; [x[i]^2 for i]").unwrap().gradient().with("x", &x).run().unwrap_err();
    assert_eq!(refused, Error::ArrayResult { shape: vec![3] });
}

#[test]
fn everything_that_is_wrong_with_arguments_is_told_at_once() {
    let program = Program::parse("param W[H, D], b[H], c, v; index n, p[D]; b[0] + W[0,0]*c*v*n*p[0]").unwrap();
    let call = program.value().with("W", 1.0).with("c", &B).with("n", 0.5).with("p", &[1.0, 2.5]).with("Wb", 1.0);
    let error = message(call.with("c", 1.0).run().unwrap_err());
    for part in [
        "`W` is an array of 2 dimensions in the formula, and a number is given",
        "`c` is a number in the formula, and an array of 2 is given",
        "`n` is an integer, and 0.5 is none",
        "`p[1]` is an integer, and 2.5 is none",
        "`b` has no value",
        "it is an array of 1 dimension: `b[H]`",
        "`v` has no value",
        "`Wb` is not an argument of the formula",
        "`c` is given twice",
    ] {
        assert!(error.contains(part), "{part}\n{error}");
    }
    let program = Program::parse(LINE).unwrap();
    let call = program.gradient().with("W", &W).with("b", &X).with("rate", 1.0).with("x", &X);
    let error = message(call.run().unwrap_err());
    assert!(error.contains("`H` is both 2 and 3"), "{error}");
    let error = program.bind(&Binding::new().size("HH", 1).shape("w", &[1])).unwrap_err();
    let error = message(error);
    assert!(error.contains("`HH` is not a size of the formula; did you mean `H`?"), "{error}");
    assert!(error.contains("`w` is not an argument of the formula"), "{error}");
}

#[test]
fn what_the_text_fixes_needs_no_binding() {
    let program = Program::parse("param x[3]; sum[i](x[i]*[1, 2, 4][i])").unwrap();
    assert!(!program.is_open());
    assert_eq!(program.arguments()[0].extents, [Extent::Fixed(3)]);
    let gradient = program.gradient().compile().unwrap();
    let mut slopes = [0.0; 3];
    assert_eq!(gradient.call(&[1.0, 1.0, 1.0], &mut slopes), Ok(7.0));
    assert_eq!(slopes, [1.0, 2.0, 4.0]);
    let error = gradient.with("x", &[1.0]).run().unwrap_err();
    assert!(message(error).contains("`x` must be 3, and 1 is given"));
    let points = chainrule::Points::columns([&[1.0, 2.0][..], &[1.0, 0.0], &[1.0, -1.0]]);
    let mut values = [0.0; 2];
    gradient.batch(&points).value(&mut values).run().unwrap();
    assert_eq!(values, [7.0, -2.0]);
}

/// Points of a program with loops are the bits of single calls, in every layout, on any number of threads.
#[test]
fn batches_of_loops_are_single_calls() {
    let text = "param a, x; index n; r = iterate r from 1 for k in 0..n do r - (r^2 - a)/(2*r)\nr*sum[i in 0..3](x^i)";
    let program = Program::parse(text).unwrap();
    let points = 100_000;
    let each = |scale: f64| (0..points).map(|point| 1.0 + scale * point as f64).collect::<Vec<f64>>();
    let (a, x) = (each(1e-4), each(-1e-5));
    for backend in [Backend::Auto, Backend::Interpreter] {
        let gradient = program.gradient().backend(backend).compile().unwrap();
        let points = if backend == Backend::Auto { points } else { 40 };
        let columns = [("x", Column::Each(&x[..points])), ("n", Column::Same(7.0)), ("a", Column::Each(&a[..points]))];
        let batch = program.columns(columns).unwrap();
        let mut ways = Vec::new();
        for threads in [1, 3] {
            let (mut values, mut d_a, mut d_x) = (vec![0.0; points], vec![0.0; points], vec![0.0; points]);
            let sums = gradient.batch(&batch).threads(threads).value(&mut values).gradient([&mut d_a, &mut d_x]).sum();
            ways.push((sums.unwrap().first, values, d_a, d_x));
        }
        assert_eq!(ways[0], ways[1]);
        for point in (0..points).step_by(997) {
            let mut slopes = [0.0; 2];
            let value = gradient.call(&[a[point], x[point], 7.0], &mut slopes).unwrap();
            assert_eq!((value, slopes), (ways[0].1[point], [ways[0].2[point], ways[0].3[point]]));
        }
        // Only what is wanted is computed.
        let mut d_x = vec![0.0; points];
        gradient.batch(&batch).gradient([None, Some(&mut d_x[..])]).run().unwrap();
        assert_eq!(d_x, ways[0].3);
    }
}

/// Arrays are columns of their elements: the same for all points by name, or a row for each point.
#[test]
fn batches_take_arrays_by_name() {
    let program = Program::parse("param W[2, 3]; data t, x[3]; u[i] = t*sum[j](W[i,j]*x[j]); u").unwrap();
    let x = [1.0, 0.5, -2.0, 3.0, 0.0, 1.0];
    let columns = [("t", Column::Each(&[2.0, -1.0])), ("x", Column::Each(&x)), ("W", Column::array(W.as_flattened()))];
    let points = program.columns(columns).unwrap();
    let jacobian = program.jacobian().compile().unwrap();
    let [n_values, n_slopes, _] = jacobian.layout().outs;
    assert_eq!([n_values, n_slopes], [2, 12]);
    let (mut values, mut slopes) = (vec![0.0; 2 * n_values], vec![0.0; 2 * n_slopes]);
    let batch = jacobian.batch(&points).values(Output::rows(&mut values, n_values));
    batch.jacobian(Output::rows(&mut slopes, n_slopes)).run().unwrap();
    for (point, t) in [2.0, -1.0].into_iter().enumerate() {
        let x = &x[3 * point..][..3];
        for (i, row) in W.iter().enumerate() {
            let sum: f64 = row.iter().zip(x).map(|(w, x)| w * x).sum();
            assert_eq!(values[2 * point + i], t * sum);
            for (place, slope) in slopes[12 * point..][6 * i..][..6].iter().enumerate() {
                assert_eq!(*slope, if place / 3 == i { t * x[place % 3] } else { 0.0 });
            }
        }
    }

    let error = |column| program.columns([("t", Column::Same(1.0)), ("x", column), ("W", Column::array(&W[0]))]);
    let short = error(Column::array(&x)).unwrap_err();
    assert_eq!(message(short), "`W`: expected 6 numbers, found 3");
    let number = message(error(Column::Same(1.0)).unwrap_err());
    assert!(number.contains("`x`"), "{number}");
    let open = Program::parse("sum[i](x[i])").unwrap().columns([("x", Column::array(&x))]).unwrap_err();
    assert!(matches!(open, Error::Open { .. }));
}

/// The first point at which an element doesn't exist is told with its place in the text.
#[test]
fn a_point_of_a_batch_that_has_no_element_is_told() {
    let program = Program::parse("data x[3]; index k; x[k]").unwrap();
    let columns = [("x", Column::array(&X)), ("k", Column::Each(&[0.0, 2.0, 3.0, 4.0]))];
    let points = program.columns(columns).unwrap();
    let error = program.value().compile().unwrap().batch(&points).values(&mut [0.0; 4]).run().unwrap_err();
    let Error::AtPoint { index: 2, error } = error else { panic!("{error}") };
    assert!(error.to_string().contains("x[k]"), "{error}");
}

#[test]
fn integers_choose_elements_and_where_there_is_none_is_told() {
    let program = Program::parse("data x[N]; index at[M]; sum[k](x[at[k]])").unwrap();
    let value = |at: &[i64]| program.value().with("x", &X).with("at", at).run();
    assert_eq!(value(&[2, 0, 2]).unwrap()["value"].number(), Some(1.5));
    let error = message(value(&[0, 3]).unwrap_err());
    assert!(error.contains("x[at[k]]"), "{error}");
    let beyond = message(value(&[i64::MAX]).unwrap_err());
    assert!(beyond.contains("`at[0]` is an integer"), "{beyond}");
}

#[test]
#[should_panic(expected = "there is no result `d_y`; these are: value, d_x")]
fn an_answer_says_which_results_there_are() {
    let answer = Program::parse("x^2").unwrap().gradient().with("x", 1.0).run().unwrap();
    let _ = &answer["d_y"];
}
