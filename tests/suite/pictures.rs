//! Pictures: that no line tells a lie, that nothing is drawn over something else, and that the text is always the same.

use chainrule::inspect::{trace, uses};
use chainrule::ir::to_dot;
use chainrule::plot::{self, Picture, Sampled, Series, sample};
use chainrule::{Column, Error, Points, Program};
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};

use crate::formula::formula_text;

/// The results of a formula in `x` over a range.
fn sampled(source: &str, from: f64, to: f64) -> Sampled {
    let program = Program::parse(source).unwrap();
    let compiled = program.value().compile().unwrap();
    let compute = |xs: &[f64]| {
        let mut columns = vec![vec![0.0; xs.len()]; program.results().len()];
        let points = Points::columns([Column::Each(xs)]);
        compiled.batch(&points).values(columns.iter_mut().map(Vec::as_mut_slice).collect::<Vec<_>>()).run()?;
        Ok::<_, Error>(columns)
    };
    sample(from, to, compute).unwrap()
}

/// The places between which a line is drawn.
fn strokes(points: &[(f64, f64)]) -> impl Iterator<Item = [(f64, f64); 2]> {
    points.windows(2).map(|pair| [pair[0], pair[1]]).filter(|pair| pair.iter().all(|(_, y)| y.is_finite()))
}

#[test]
fn no_line_crosses_a_pole_or_a_jump() {
    let half_pi = std::f64::consts::FRAC_PI_2;
    let cases: &[(&str, f64, f64, &[f64])] = &[
        ("1/x", -3.0, 3.0, &[0.0]),
        ("1/x", -3.1, 2.9, &[0.0]),
        ("tan(x)", -3.0, 6.0, &[-half_pi, half_pi, 3.0 * half_pi]),
        ("1/((x - 1/3)*(x + 0.7))", -1.0, 1.0, &[-0.7, 1.0 / 3.0]),
        ("gamma(x)", -2.5, 3.0, &[-2.0, -1.0, 0.0]),
        ("floor(x)", -2.5, 2.5, &[-2.0, -1.0, 0.0, 1.0, 2.0]),
        ("if(x > 0.123, x, -x)", -1.0, 1.0, &[0.123]),
        ("sign(x)/100 + x", -1.0, 1.0, &[0.0]),
        ("atan(1/x)", -1e-9, 1e-9, &[0.0]),
        ("1/(x - 1e6)", 999_999.0, 1_000_001.0, &[1e6]),
        ("sin(1/x)/10 + 1/(x - 0.77)", -1.1, 1.0, &[0.77]),
        ("1/x", -1e-12, 1e-10, &[0.0]),
    ];
    for &(source, from, to, breaks) in cases {
        let Sampled { curves, y_range: (low, high) } = sampled(source, from, to);
        for [(x, y), (next_x, next_y)] in strokes(&curves[0]) {
            let crosses = breaks.iter().any(|&place| x < place && place < next_x);
            let seen = y.min(next_y) <= high && y.max(next_y) >= low;
            assert!(!(crosses && seen), "{source}: a line from ({x}, {y}) to ({next_x}, {next_y})");
        }
        // What isn't a break is one line; at a break there may be a point between two gaps.
        let gaps = curves[0].windows(2).filter(|pair| pair[0].1.is_finite() && !pair[1].1.is_finite()).count();
        assert!(gaps <= 2 * breaks.len(), "{source}: {gaps} gaps");
    }
}

#[test]
fn lines_begin_and_end_where_functions_do() {
    for (source, from, to, first, last) in [
        ("sqrt(x)", -2.0, 3.0, 0.0, 3.0),
        ("sqrt(x - 0.1)", -2.0, 3.0, 0.1, 3.0),
        ("ln(x)", -1.0, 1.0, 0.0, 1.0),
        ("asin(x)", -2.0, 2.0, -1.0, 1.0),
        ("x^2", -1.0, 1.0, -1.0, 1.0),
    ] {
        let curve = &sampled(source, from, to).curves[0];
        let finite: Vec<f64> = curve.iter().filter(|(_, y)| y.is_finite()).map(|&(x, _)| x).collect();
        let near = (to - from) / 100_000.0;
        assert!((finite[0] - first).abs() <= near, "{source} begins at {}", finite[0]);
        assert!((finite[finite.len() - 1] - last).abs() <= near, "{source} ends at {}", finite[finite.len() - 1]);
        assert!(curve.windows(2).all(|pair| pair[0].0 <= pair[1].0), "{source} goes to and fro");
        assert_eq!((curve[0].0, curve[curve.len() - 1].0), (from, to));
    }
    // Steep is not broken.
    assert!(sampled("tanh(1e6*x)", -1.0, 1.0).curves[0].iter().all(|(_, y)| y.is_finite()));
}

#[test]
fn what_is_worth_seeing_is_seen() {
    // The least and the greatest that the range may end at, below and above.
    for (source, from, to, low, high) in [
        ("x^2", -3.0, 3.0, (0.0, 0.0), (9.0, 9.0)),
        ("sin(x)", -20.0, 20.0, (-1.0, -0.9999), (0.9999, 1.0)),
        ("1/x", -3.0, 3.0, (-20.0, -2.0), (2.0, 20.0)),
        ("1/x", -2.9, 3.1, (-20.0, -2.0), (2.0, 20.0)),
        ("1/(x - 1/3)^2", -3.0, 3.0, (0.0, 0.2), (1.0, 40.0)),
        ("ln(x)", 0.0, 3.0, (-8.0, -2.0), (1.098, 1.1)),
        ("exp(x)", -3.0, 10.0, (0.04, 0.05), (22026.0, 22027.0)),
        ("5*exp(-1e4*(x - 1.234)^2)", -4.0, 4.0, (0.0, 0.0), (4.999, 5.0)),
        ("sqrt(abs(x))", -1.0, 1.0, (0.0, 0.0), (1.0, 1.0)),
        ("3 + 0*x", -1.0, 1.0, (3.0, 3.0), (3.0, 3.0)),
    ] {
        let (bottom, top) = sampled(source, from, to).y_range;
        assert!((low.0..=low.1).contains(&bottom), "{source} is seen from {bottom}");
        assert!((high.0..=high.1).contains(&top), "{source} is seen up to {top}");
    }
}

/// The numbers of an attribute of all elements of a kind.
fn attributes(svg: &str, element: &str, name: &str) -> Vec<f64> {
    let opening = format!("<{element}");
    let attribute = format!(" {name}=\"");
    let elements = svg.split(&opening).skip(1).map(|text| text.split('>').next().unwrap());
    elements
        .filter_map(|element| {
            let (_, value) = element.split_once(&attribute)?;
            value.split('"').next()?.parse().ok()
        })
        .collect()
}

/// Every element is closed, and attributes and texts have no sign of the markup in them.
fn assert_well_formed(svg: &str) {
    let mut open: Vec<&str> = Vec::new();
    for part in svg.split('<').skip(1) {
        let (tag, text) = part.split_once('>').unwrap_or_else(|| panic!("an open tag: {part}"));
        assert!(!text.contains('>'), "{part}");
        assert_eq!(tag.matches('"').count() % 2, 0, "{part}");
        for piece in text.split('&').skip(1) {
            assert!(["lt;", "gt;", "amp;", "quot;", "apos;"].iter().any(|name| piece.starts_with(name)), "{part}");
        }
        match tag.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop(), Some(name)),
            None if tag.ends_with('/') => {}
            None => open.push(tag.split(' ').next().unwrap()),
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

/// The points of all lines of a plot, in the fine pixels of its view box.
fn line_points(svg: &str) -> Vec<(f64, f64)> {
    let lines = svg.lines().filter(|line| line.starts_with("<polyline ") && line.contains("stroke-width=\"20\""));
    let points = lines.flat_map(|line| line.split(" points=\"").nth(1).unwrap().split('"').next().unwrap().split(' '));
    let numbers = |point: &str| point.split_once(',').map(|(x, y)| (x.parse().unwrap(), y.parse().unwrap()));
    points.filter_map(numbers).collect()
}

#[test]
fn lines_stay_in_their_frame() {
    for (source, from, to) in [("1/x, tan(x), x^3", -3.0, 3.0), ("exp(x*100)", -9.0, 9.0), ("gamma(x)", -4.0, 4.0)] {
        let Sampled { curves, y_range } = sampled(source, from, to);
        let series = curves.into_iter().map(|points| Series::line("", points)).collect();
        let svg = Picture { y_range: Some(y_range), ..Picture::new("x", series) }.svg();
        let points = line_points(&svg);
        assert!(points.len() > 300, "{source}: {} points", points.len());
        for (x, y) in points {
            assert!((600.0..=7900.0).contains(&x) && (150.0..=4550.0).contains(&y), "{source}: ({x}, {y})");
        }
    }
}

/// Whatever the function, its picture is whole and inside its frame.
#[test]
fn any_function_can_be_drawn() {
    let checked = runner(60).run(&formula_text(), |source| {
        let Sampled { curves, y_range } = sampled(&format!("y = 0.8*x; ({source}) + 0*(x + y)"), -2.0, 3.0);
        prop_assert!(y_range.0 <= y_range.1, "{source}: {y_range:?}");
        prop_assert!(curves[0].windows(2).all(|pair| pair[0].0 <= pair[1].0), "{source}");
        let picture =
            Picture { y_range: Some(y_range), ..Picture::new("x", vec![Series::line("f", curves[0].clone())]) };
        let svg = picture.svg();
        assert_well_formed(&svg);
        for (x, y) in line_points(&svg) {
            prop_assert!((600.0..=7900.0).contains(&x) && (150.0..=4550.0).contains(&y), "{source}: ({x}, {y})");
        }
        Ok(())
    });
    checked.unwrap();
}

#[test]
fn titles_are_text() {
    let mut picture = Picture::new("<x>", vec![Series::line("a & b", vec![(0.0, 1.0), (1.0, f64::NAN), (2.0, 3.0)])]);
    picture.title = "if(x < 1 and \"y\" > 2, …)".repeat(9);
    picture.y_label = "µ'".to_owned();
    let svg = picture.svg();
    assert_well_formed(&svg);
    assert!(svg.contains("a &amp; b") && svg.contains("if(x &lt; 1 and &quot;y&quot; &gt; 2, …)"));
}

#[test]
fn pictures_of_next_to_nothing() {
    for points in [
        vec![],
        vec![(1.0, f64::NAN)],
        vec![(2.0, 2.0)],
        vec![(0.0, 0.0)],
        vec![(-1.0, -5.0), (1.0, -5.0)],
        vec![(f64::INFINITY, 1.0), (f64::NAN, 2.0), (0.0, f64::INFINITY)],
        vec![(-1e308, -f64::MAX), (1e308, f64::MAX), (0.0, 1e299)],
        vec![(0.0, 5e-324), (5e-324, 0.0), (1e-300, 1e-310)],
        vec![(1e15, 1.0), (1e15 + 1.0, 1.0 + f64::EPSILON)],
    ] {
        for y_range in [(1.0, -1.0), (f64::NAN, 1.0), (0.0, f64::INFINITY), (-1.0, 0.0)] {
            let svg =
                Picture { y_range: Some(y_range), ..Picture::new("x", vec![Series::line("a", points.clone())]) }.svg();
            assert_well_formed(&svg);
        }
        for log_y in [false, true] {
            let series = vec![Series::line("a", points.clone()), Series::dots("b", points.clone())];
            let svg = Picture { log_y, ..Picture::new("x", series) }.svg();
            assert_well_formed(&svg);
            assert!(!svg.contains("NaN") && !svg.contains("inf") && svg.len() < 20_000, "{svg}");
        }
    }
}

#[test]
fn a_loss_that_falls_by_decades_has_a_logarithmic_scale() {
    let falling: Vec<(f64, f64)> = (0..6).map(|i| (f64::from(i), 10f64.powi(-i))).collect();
    let picture = plot::loss_curve(&falling, Some(&falling[..3]));
    assert!(picture.log_y);
    // Each iteration is one decade: on this scale a straight line down.
    let svg = picture.svg();
    let points = line_points(&svg);
    for pair in points[..6].windows(3) {
        let (first, second) = (pair[1].1 - pair[0].1, pair[2].1 - pair[1].1);
        assert!(first > 100.0 && (first - second).abs() <= 2.0, "{points:?}");
    }
    let slow: Vec<(f64, f64)> = (0..6).map(|i| (f64::from(i), 1.0 + f64::from(5 - i))).collect();
    assert!(!plot::loss_curve(&slow, None).log_y);
    assert!(!plot::loss_curve(&[(0.0, -1.0), (1.0, 1e-9)], None).log_y);
    insta::assert_snapshot!(svg);
}

#[test]
fn data_stand_beside_their_curve() {
    let curve = sampled("x^2 - x", 0.0, 2.0);
    let data = vec![(0.0, 0.1), (0.5, -0.3), (1.0, f64::NAN), (1.5, 0.7), (2.0, 3.0)];
    let picture = plot::fitted("t", "v", data, curve);
    // The point above the curve is in the picture too, and the missing one isn't.
    assert_eq!(picture.y_range.map(|(_, high)| high), Some(3.0));
    let svg = picture.svg();
    let (xs, ys) = (attributes(&svg, "circle", "cx"), attributes(&svg, "circle", "cy"));
    assert_eq!(xs.len(), 5, "four points and one in the legend");
    assert!(ys[3] < ys[2] && ys[2] < ys[0] && ys[0] < ys[1], "{ys:?}");
    // The point (1.5, 0.7) is a hair below the curve (1.5, 0.75).
    let on_curve = line_points(&svg).into_iter().min_by(|a, b| (a.0 - xs[2]).abs().total_cmp(&(b.0 - xs[2]).abs()));
    let above = ys[2] - on_curve.unwrap().1;
    assert!(above > 10.0 && above < 150.0, "{above}");
}

/// A picture of a computation with its argument names as they are.
fn computation(source: &str, args: &[f64]) -> String {
    let program = Program::parse(source).unwrap();
    let names: Vec<_> = program.definitions().iter().map(|name| (name.name.clone(), name.value)).collect();
    plot::computation(program.graph(), &names, args).unwrap()
}

/// The numbers of the neuron with which the course CS231n explains backpropagation.
#[test]
fn the_neuron_of_the_lecture() {
    let svg = computation("1/(1 + exp(-(w0*x0 + w1*x1 + w2)))", &[2.0, -1.0, -3.0, -2.0, -3.0]);
    assert_well_formed(&svg);
    let numbers: Vec<f64> = svg
        .lines()
        .filter_map(|line| line.split_once('>')?.1.strip_suffix("</text>")?.replace('−', "-").parse().ok())
        .map(|number: f64| (number * 100.0).round() / 100.0)
        .collect();
    for number in [-2.0, 6.0, 4.0, 1.0, -1.0, 0.37, 1.37, 0.73, -0.53, -0.2, 0.2, 0.39, -0.39, -0.59] {
        assert!(numbers.contains(&number), "{number} is missing among {numbers:?}");
    }
    insta::assert_snapshot!(svg);
}

#[test]
fn what_comes_back_along_each_use() {
    let program = Program::parse("a = x*z; exp(a - 6)*x + a").unwrap();
    let func = program.graph();
    let uses = uses(func, &[2.0, 3.0]);
    let along = |of: &str, by: &str| -> Vec<f64> {
        let text = |val| func.span(val).text(program.source());
        let is_it = |used: &&chainrule::inspect::Use| text(used.of) == of && text(used.by) == by;
        uses.iter().filter(is_it).map(|used| used.adjoints[0]).collect()
    };
    // exp(a - 6) is 1.
    assert_eq!(along("x*z", "a - 6"), [2.0]);
    assert_eq!(along("x*z", "exp(a - 6)*x + a"), [1.0]);
    assert_eq!(along("x", "x*z"), [9.0]);
    assert_eq!(along("x", "exp(a - 6)*x"), [1.0]);
    assert_eq!(along("z", "x*z"), [6.0]);
    let square = Program::parse("x*x").unwrap();
    let halves = chainrule::inspect::uses(square.graph(), &[3.0]);
    assert_eq!(halves.iter().map(|used| used.adjoints[0]).sum::<f64>(), 6.0);
    // Nothing is sent to the branch that isn't taken.
    let branch = Program::parse("if(x > 0, x^2, ln(z))").unwrap();
    assert!(chainrule::inspect::uses(branch.graph(), &[1.0, -1.0]).iter().all(|used| used.adjoints[0].is_finite()));
}

fn runner(cases: u32) -> TestRunner {
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha))
}

/// What comes back along the edges of a value adds up to its adjoint.
#[test]
fn uses_add_up() {
    let checked = runner(300).run(&formula_text(), |source| {
        let program = Program::parse(&source).unwrap();
        let func = program.graph();
        for point in crate::formula::POINTS {
            let point = &point[..func.params.len()];
            let (steps, uses) = (trace(func, point), uses(func, point));
            for step in steps.iter().filter(|step| step.adjoints[0].is_finite()) {
                let terms: Vec<f64> =
                    uses.iter().filter(|used| used.of == step.val).map(|used| used.adjoints[0]).collect();
                let own = if func.results[0].value == step.val { 1.0 } else { 0.0 };
                let (sum, size) = terms.iter().fold((own, 0.0), |(sum, size), term| (sum + term, size + term.abs()));
                let close = (sum - step.adjoints[0]).abs() <= 1e-12 * (size + 1.0);
                prop_assert!(close || !size.is_finite(), "{terms:?} and {own} for {}", step.adjoints[0]);
            }
        }
        Ok(())
    });
    checked.unwrap();
}

/// Where a text of a graph's picture lies: left, top, right, bottom.
fn boxes(svg: &str) -> (Vec<[f64; 4]>, Vec<[f64; 4]>) {
    let number = |line: &str, name: &str| -> Option<f64> {
        line.split_once(&format!(" {name}=\""))?.1.split('"').next()?.parse().ok()
    };
    let (mut shapes, mut labels) = (Vec::new(), Vec::new());
    for line in svg.lines() {
        let (Some(x), Some(y)) = (number(line, "x"), number(line, "y")) else { continue };
        if let (Some(width), Some(height)) = (number(line, "width"), number(line, "height")) {
            shapes.push([x, y, x + width, y + height]);
        } else if !line.contains("text-anchor") {
            let words = line.split('>').nth(1).unwrap().split('<').next().unwrap();
            let letters = words.replace("&lt;", "<").chars().count() as f64;
            labels.push([x - 3.5 * letters, y - 9.0, x + 3.5 * letters, y + 1.0]);
        }
    }
    (shapes, labels)
}

fn overlap(a: &[f64; 4], b: &[f64; 4]) -> bool {
    a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3]
}

#[test]
fn nothing_lies_on_something_else() {
    let checked = runner(200).run(&formula_text(), |source| {
        let program = Program::parse(&source).unwrap();
        let Ok(svg) = plot::computation(program.graph(), &[], &[0.7, -1.3][..program.arguments().len()]) else {
            return Ok(());
        };
        assert_well_formed(&svg);
        let (shapes, labels) = boxes(&svg);
        for (place, shape) in shapes.iter().enumerate() {
            prop_assert!(shapes[..place].iter().all(|other| !overlap(shape, other)), "{source}: {shape:?} in\n{svg}");
        }
        for (place, label) in labels.iter().enumerate() {
            prop_assert!(labels[..place].iter().all(|other| !overlap(label, other)), "{source}: {label:?} in\n{svg}");
            let meets = shapes.iter().filter(|shape| overlap(label, shape));
            let inside = |shape: &&[f64; 4]| {
                shape[0] <= label[0] + 1.0 && label[2] <= shape[2] + 1.0 && shape[1] < label[1] && label[3] < shape[3]
            };
            prop_assert!(meets.clone().all(|shape| inside(&shape)), "{source}: {label:?} on a shape in\n{svg}");
        }
        prop_assert_eq!(
            &svg,
            &plot::computation(program.graph(), &[], &[0.7, -1.3][..program.arguments().len()]).unwrap()
        );
        Ok(())
    });
    checked.unwrap();
}

#[test]
fn a_graph_that_is_too_large_is_refused() {
    let source = (0..250).map(|i| format!("sin({i}*x)")).collect::<Vec<_>>().join(" + ");
    let program = Program::parse(&source).unwrap();
    let refused = plot::computation(program.graph(), &[], &[1.0]).unwrap_err();
    assert!(refused.nodes > plot::MOST_NODES);
    assert!(refused.to_string().contains("200"));
}

/// A graph for Graphviz has a node an operation and an edge an operand, and mentions nothing that isn't there.
#[test]
fn dot_has_every_operation_and_operand() {
    let checked = runner(200).run(&formula_text(), |source| {
        let program = Program::parse(&source).unwrap();
        let graph = program.jacobian().graph().unwrap();
        let dot = to_dot(&graph);
        let lines: Vec<&str> = dot.lines().map(str::trim).collect();
        let declared: Vec<&str> = lines
            .iter()
            .filter(|line| line.contains("[label=") && !line.contains("->"))
            .map(|line| line.split(' ').next().unwrap())
            .collect();
        let edges: Vec<(&str, &str)> = lines
            .iter()
            .filter_map(|line| line.split_once(" -> "))
            .map(|(from, to)| (from, to.split([' ', ';']).next().unwrap()))
            .collect();
        let operands: usize = graph
            .vals()
            .filter(|&val| graph.inst(val).op().is_some())
            .map(|val| graph.operands(val).as_slice().len())
            .sum();
        prop_assert_eq!(edges.len(), operands + graph.results.len() + graph.checks.len());
        prop_assert_eq!(
            declared.iter().filter(|name| name.starts_with('v') && !name.contains('c')).count(),
            graph.operations()
        );
        for (from, to) in edges {
            prop_assert!(declared.contains(&from) && declared.contains(&to), "{from} -> {to} in\n{dot}");
        }
        Ok(())
    });
    checked.unwrap();
}

/// Between points of hundreds of poles there is no line through the axis, which no branch crosses.
#[test]
fn no_line_joins_the_sides_of_many_poles() {
    let of = |f: fn(f64) -> f64| {
        let compute = |xs: &[f64]| Ok::<_, ()>(vec![xs.iter().map(|&x| f(x)).collect()]);
        plot::sample(0.1, 1_000.0, compute).unwrap().curves.remove(0)
    };
    let points = of(|x| 1.0 / x.sin());
    let is_gap = |pair: &[(f64, f64)]| pair[0].1.is_nan() || pair[1].1.is_nan();
    assert!(points.windows(2).all(|pair| is_gap(pair) || pair[0].1 * pair[1].1 > 0.0));
    assert!(points.iter().filter(|point| point.1.is_nan()).count() > 300, "as many gaps as poles");
    let highest = points.iter().map(|point| point.1).fold(0.0, f64::max);
    assert!(highest > 5.0, "{highest}");
}

#[test]
fn a_loss_that_never_falls_is_a_dot() {
    assert!(plot::loss_curve(&[(0.0, 1.0)], None).svg().contains("<circle"));
    assert!(!plot::loss_curve(&[(0.0, 1.0), (1.0, 0.5)], None).svg().contains("<circle"));
}

/// Wide labels get the room that they need, and fewer stand beside each other.
#[test]
fn wide_labels_have_room() {
    let line = |from: f64, to: f64| {
        let picture = Picture::new("x", vec![Series::line("", vec![(from, from * 1e-9), (to, to * 1e-9)])]);
        picture.svg()
    };
    let wide = line(0.123456, 0.123457);
    let ends: Vec<f64> = texts_at_end(&wide).into_iter().map(|(x, letters)| x - 75.0 * letters as f64).collect();
    assert!(!ends.is_empty() && ends.iter().all(|&start| start >= 0.0), "{ends:?}");
}

/// The right ends of texts that end at their place, and how many letters they have.
fn texts_at_end(svg: &str) -> Vec<(f64, usize)> {
    let parts = svg.split("<text ").skip(1).filter(|part| part.contains("text-anchor=\"end\""));
    let x = |part: &str| part.split("x=\"").nth(1)?.split('"').next()?.parse().ok();
    let letters = |part: &str| Some(part.split('>').nth(1)?.split('<').next()?.trim().chars().count());
    parts.filter_map(|part| Some((x(part)?, letters(part)?))).collect()
}
