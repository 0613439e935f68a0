//! The meaning of regions: what the interpreter computes, against loops written in Rust.

use chainrule::interp::{Value, call};
use chainrule::ir::{
    Builder, Cell, Check, Direction, Func, Loop, Output, Reduction, Region, State, Update, UpdateKind, Val,
};
use chainrule::ops::{Op, Type};

fn finish(builder: Builder, value: Val) -> Func {
    let func = builder.finish(vec![Output { name: String::new(), value }]);
    let compact = chainrule::opt::compact(&func);
    chainrule::ir::verify::verify(&compact).expect("well formed");
    let text = compact.to_string();
    let back = chainrule::ir::parse::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert_eq!(back, compact, "\n{text}\n{back}");
    compact
}

fn run(func: &Func, args: &[&[f64]]) -> Vec<f64> {
    #[cfg(feature = "jit")]
    crate::loops::difference(func, args).unwrap_or_else(|message| panic!("{message}\n{func}"));
    call(func, args).expect("no check fails")[0].numbers()
}

fn one(value: f64) -> [f64; 1] {
    [value]
}

#[test]
fn a_sum_of_products_goes_into_sixteen_lanes_by_fma() {
    let n = 37;
    let mut b = Builder::new("f");
    let (x, y) = (b.array_param("x", Type::F64, &[n]), b.array_param("y", Type::F64, &[n]));
    let (i, zero, high) = (b.index(), b.int(0), b.int(n as i64));
    let (xi, yi) = (b.read(x, &[i]), b.read(y, &[i]));
    let product = b.binary(Op::Mul, xi, yi);
    let sum = b.sum(i, zero, high, product);
    let func = finish(b, sum);
    let x: Vec<f64> = (0..n).map(|i| (i as f64 + 0.1).sin()).collect();
    let y: Vec<f64> = (0..n).map(|i| (i as f64 * 0.7).exp2()).collect();
    let mut lanes = [0.0f64; 16];
    for i in 0..n {
        lanes[i % 16] = x[i].mul_add(y[i], lanes[i % 16]);
    }
    for half in [8, 4, 2, 1] {
        for k in 0..half {
            lanes[k] += lanes[k + half];
        }
    }
    assert_eq!(run(&func, &[&x, &y]), one(lanes[0]));
}

#[test]
fn what_depends_on_the_outer_index_only_is_computed_in_the_outer_loop() {
    // p[n, k] = z[n, k]/sum[k](z[n, k]): the sum binds the index that is free outside.
    let mut b = Builder::new("f");
    let z = b.array_param("z", Type::F64, &[2, 3]);
    let (n, k, zero, three) = (b.index(), b.index(), b.int(0), b.int(3));
    let element = b.read(z, &[n, k]);
    let total = b.sum(k, zero, three, element);
    let share = b.binary(Op::Div, element, total);
    let p = b.array(&[(n, 2), (k, 3)], share);
    let func = finish(b, p);
    assert_eq!(run(&func, &[&[1.0, 2.0, 5.0, 3.0, 0.0, 1.0]]), [0.125, 0.25, 0.625, 0.75, 0.0, 0.25]);
}

/// `a[t] = c[t]*a[t-1] + 1`, from `a[0] = 1`, as a cell that its own region reads.
fn recurrence(n: usize, direction: Direction) -> Func {
    let mut b = Builder::new("f");
    let c = b.array_param("c", Type::F64, &[n]);
    let (t, a) = (b.index(), b.bound(Type::F64, &[n]));
    let (zero, one, high, always) = (b.int(0), b.int(1), b.int(n as i64), b.bool(true));
    let (before, first) = match direction {
        Direction::Up => (b.binary(Op::ISub, t, one), zero),
        Direction::Down => (b.binary(Op::IAdd, t, one), b.int(n as i64 - 1)),
    };
    let (last, ct, unit) = (b.read(a, &[before]), b.read(c, &[t]), b.f64(1.0));
    let product = b.binary(Op::Mul, ct, last);
    let next = b.binary(Op::Add, product, unit);
    let is_first = b.binary(Op::IEq, t, first);
    let value = b.select(is_first, unit, next);
    let update = Update { kind: UpdateKind::Store, subscripts: Box::new([t]), value, factor: None, guard: always };
    let cell = Cell { ty: Type::F64, shape: [n].into(), bound: Some(a), init: None, updates: Box::new([update]) };
    let loops = Box::new([Loop { index: t, low: zero, high, direction }]);
    let region = b.region(Region { loops, cells: Box::new([cell]), ..Region::default() });
    let result = b.result(region, 0);
    finish(b, result)
}

#[test]
fn a_cell_is_read_while_it_is_made() {
    assert_eq!(run(&recurrence(4, Direction::Up), &[&[9.0, 2.0, 3.0, 4.0]]), [1.0, 3.0, 10.0, 41.0]);
    assert_eq!(run(&recurrence(4, Direction::Down), &[&[4.0, 3.0, 2.0, 9.0]]), [41.0, 10.0, 3.0, 1.0]);
}

#[test]
fn states_are_carried_until_the_test_fails() {
    // Newton's method for the root of a, while r*r - a > 1e-9; the number of turns is a result.
    let mut b = Builder::new("f");
    let a = b.param("a", Type::F64);
    let (k, r) = (b.index(), b.bound(Type::F64, &[]));
    let (zero, limit, half, small) = (b.int(0), b.int(100), b.f64(0.5), b.f64(1e-9));
    let quotient = b.binary(Op::Div, a, r);
    let both = b.binary(Op::Add, r, quotient);
    let next = b.binary(Op::Mul, half, both);
    let square = b.binary(Op::Mul, r, r);
    let rest = b.binary(Op::Sub, square, a);
    let going = b.binary(Op::Lt, small, rest);
    let region = b.region(Region {
        loops: Box::new([Loop::up(k, zero, limit)]),
        states: Box::new([State { bound: r, init: a, next }]),
        going: Some(going),
        ..Region::default()
    });
    let (root, turns) = (b.result(region, 0), b.result(region, 1));
    let func =
        b.finish(vec![Output { name: "root".into(), value: root }, Output { name: "turns".into(), value: turns }]);
    let results = call(&chainrule::opt::compact(&func), &[&[2.0]]).unwrap();
    let (mut r, mut n) = (2.0f64, 0);
    while r * r - 2.0 > 1e-9 {
        (r, n) = (0.5 * (r + 2.0 / r), n + 1);
    }
    assert_eq!(results, [Value::F64(r), Value::Int(n)]);
}

#[test]
fn a_region_inside_adds_in_place() {
    // w[d] = sum over n of g[n]*x[n, d], each n by a region inside, onto an initial value.
    let mut b = Builder::new("f");
    let (g, x) = (b.array_param("g", Type::F64, &[3]), b.array_param("x", Type::F64, &[3, 2]));
    let start = b.array_param("start", Type::F64, &[2]);
    let (n, d, zero, two, three, always) = (b.index(), b.index(), b.int(0), b.int(2), b.int(3), b.bool(true));
    let (gn, xnd) = (b.read(g, &[n]), b.read(x, &[n, d]));
    let add = |subscripts: Box<[Val]>, value, factor| Update {
        kind: UpdateKind::Add,
        subscripts,
        value,
        factor,
        guard: always,
    };
    let cell = |init, update| Cell { ty: Type::F64, shape: [2].into(), bound: None, init, updates: Box::new([update]) };
    let inner = b.region(Region {
        loops: Box::new([Loop::up(d, zero, two)]),
        cells: Box::new([cell(None, add(Box::new([d]), gn, Some(xnd)))]),
        ..Region::default()
    });
    let part = b.result(inner, 0);
    let outer = b.region(Region {
        loops: Box::new([Loop::up(n, zero, three)]),
        cells: Box::new([cell(Some(start), add(Box::new([]), part, None))]),
        ..Region::default()
    });
    let total = b.result(outer, 0);
    let func = finish(b, total);
    let (g, x) = ([0.1, 0.2, 0.3], [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    let mut w = [1e8, -1.0];
    for n in 0..3 {
        for d in 0..2 {
            w[d] = f64::mul_add(g[n], x[2 * n + d], w[d]);
        }
    }
    assert_eq!(run(&func, &[&g, &x, &[1e8, -1.0]]), w);
}

#[test]
fn reductions_over_nothing_are_neutral_and_guards_leave_turns_out() {
    let mut b = Builder::new("f");
    let x = b.array_param("x", Type::F64, &[4]);
    let (i, zero, four, limit) = (b.index(), b.int(0), b.int(4), b.f64(0.0));
    let xi = b.read(x, &[i]);
    let guard = b.binary(Op::Lt, limit, xi);
    let reduce = |op, value, guard| Reduction { op, value, factor: None, guard };
    let reductions = Box::new([reduce(Op::Add, xi, guard), reduce(Op::Min, xi, guard), reduce(Op::Max, xi, guard)]);
    let region = b.region(Region { loops: Box::new([Loop::up(i, zero, four)]), reductions, ..Region::default() });
    let results: Vec<Output> = (0..3).map(|k| Output { name: format!("r{k}"), value: b.result(region, k) }).collect();
    let func = b.finish(results);
    let numbers = |x: &[f64]| -> Vec<f64> { call(&func, &[x]).unwrap().iter().map(Value::as_f64).collect() };
    assert_eq!(numbers(&[1.0, -2.0, 3.0, 0.0]), [4.0, 1.0, 3.0]);
    assert_eq!(numbers(&[-1.0; 4]), [0.0, f64::INFINITY, f64::NEG_INFINITY]);
}

#[test]
fn substitution_renames_what_would_be_captured() {
    // sum[k](x[k]*c) with c := x[k] of an outer loop over the same name: sum over the inner k, times the outer element.
    let mut b = Builder::new("f");
    let (x, c) = (b.array_param("x", Type::F64, &[3]), b.opaque(Type::F64));
    let (k, zero, three) = (b.index(), b.int(0), b.int(3));
    let xk = b.read(x, &[k]);
    let product = b.binary(Op::Mul, xk, c);
    let sum = b.sum(k, zero, three, product);
    let replaced = b.substitute(sum, c, xk);
    let all = b.array(&[(k, 3)], replaced);
    let func = finish(b, all);
    assert_eq!(run(&func, &[&[1.0, 2.0, 4.0]]), [7.0, 14.0, 28.0]);
}

#[test]
fn the_guard_of_a_check_may_be_younger_than_the_loops_around() {
    let mut b = Builder::new("f");
    let x = b.array_param("x", Type::F64, &[3]);
    let flags = ["p", "q"].map(|name| b.param(name, Type::Bool));
    let (i, j) = (b.index(), b.index());
    let (zero, three) = (b.int(0), b.int(3));
    let place = b.binary(Op::IAdd, i, j);
    let site = b.read(x, &[place]);
    let inner = b.sum(j, zero, three, site);
    let outer = b.sum(i, zero, three, inner);
    let guard = b.binary(Op::And, flags[0], flags[1]);
    b.check(Check { guard, site, missing: false });
    let func = b.finish(vec![Output { name: String::new(), value: outer }]);
    for (p, q) in [(0.0, 1.0), (1.0, 0.0), (1.0, 1.0)] {
        let answer = call(&func, &[&[1.0, 2.0, 3.0], &[p], &[q]]);
        assert_eq!(answer.is_err(), p + q == 2.0, "{p}, {q}: {answer:?}");
    }
}
