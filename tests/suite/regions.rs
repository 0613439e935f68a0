//! Derivatives of regions: forward, reverse and mixed, against differences, each other and closed forms.

use chainrule::ad::{Mode, gradient, hessian, hessian_vector, jacobian, jvp, vjp};
use chainrule::error::FormulaError;
use chainrule::interp::call;
use chainrule::ir::verify::verify;
use chainrule::ir::{
    Builder, Cell, Direction, Func, Inst, Loop, Output, Reduction, Region, State, Update, UpdateKind, Val,
};
use chainrule::lower::{Binding, lower};
use chainrule::ops::{Op, Type};
use chainrule::syntax::{Limits, parse};
use proptest::prelude::*;

use crate::random_regions;

/// A builder with shorter words.
struct Graph(Builder);

impl Graph {
    fn new() -> Graph {
        Graph(Builder::new("f"))
    }

    fn array(&mut self, name: &str, shape: &[usize]) -> Val {
        self.0.array_param(name, Type::F64, shape)
    }

    fn number(&mut self, name: &str) -> Val {
        self.array(name, &[])
    }

    fn f(&mut self, op: Op, args: &[Val]) -> Val {
        self.0.emit(op, args)
    }

    fn up(&mut self, extent: usize) -> Loop {
        let (index, low, high) = (self.0.index(), self.0.int(0), self.0.int(extent as i64));
        Loop::up(index, low, high)
    }

    fn sum(&mut self, each: Loop, value: Val) -> Val {
        self.0.sum(each.index, each.low, each.high, value)
    }

    fn reduce(&mut self, each: Loop, op: Op, value: Val, guard: Option<Val>) -> Val {
        let guard = guard.unwrap_or_else(|| self.0.bool(true));
        let reductions = Box::new([Reduction { op, value, factor: None, guard }]);
        let region = self.0.region(Region { loops: Box::new([each]), reductions, ..Region::default() });
        self.0.result(region, 0)
    }

    fn map(&mut self, loops: &[Loop], shape: &[usize], value: Val) -> Val {
        let loops: Vec<(Val, usize)> = loops.iter().map(|each| each.index).zip(shape.iter().copied()).collect();
        self.0.array(&loops, value)
    }

    fn fold(&mut self, each: Loop, states: &[(Val, Val, Val)], going: Option<Val>) -> Vec<Val> {
        let states = states.iter().map(|&(bound, init, next)| State { bound, init, next }).collect();
        let region = self.0.region(Region { loops: Box::new([each]), states, going, ..Region::default() });
        let count = self.0.func().region_of(region).map_or(0, |region| region.states.len());
        (0..count).map(|number| self.0.result(region, number)).collect()
    }

    fn store(&mut self, subscripts: &[Val], value: Val) -> Update {
        let guard = self.0.bool(true);
        Update { kind: UpdateKind::Store, subscripts: subscripts.into(), value, factor: None, guard }
    }

    /// An array that its own body reads as `bound`.
    fn grow(&mut self, loops: &[Loop], shape: &[usize], bound: Val, init: Option<Val>, updates: Vec<Update>) -> Val {
        let cell = Cell { ty: Type::F64, shape: shape.into(), bound: Some(bound), init, updates: updates.into() };
        let region = self.0.region(Region { loops: loops.into(), cells: Box::new([cell]), ..Region::default() });
        self.0.result(region, 0)
    }

    fn plus(&mut self, index: Val, offset: i64) -> Val {
        let offset = self.0.int(offset);
        self.0.binary(Op::IAdd, index, offset)
    }

    fn finish(self, value: Val) -> Func {
        let func = self.0.finish(vec![Output { name: String::new(), value }]);
        let func = chainrule::opt::compact(&func);
        verify(&func).unwrap();
        func
    }
}

/// Numbers between 0.3 and 1.5 that look random.
fn numbers(count: usize, seed: u64) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        0.3 + 1.2 * (state >> 11) as f64 / (1u64 << 53) as f64
    };
    (0..count).map(|_| next()).collect()
}

/// Arguments for a function.
fn arguments(func: &Func, seed: u64) -> Vec<Vec<f64>> {
    let size = |shape: &[usize]| shape.iter().product();
    func.params.iter().zip(seed..).map(|(param, seed)| numbers(size(&param.shape), seed * 77 + 5)).collect()
}

/// All results, one after another.
fn run(func: &Func, args: &[Vec<f64>]) -> Vec<Vec<f64>> {
    verify(func).unwrap();
    let args: Vec<&[f64]> = args.iter().map(Vec::as_slice).collect();
    call(func, &args).expect("no check fails").iter().map(chainrule::interp::Value::numbers).collect()
}

#[track_caller]
fn assert_close(a: &[f64], b: &[f64], tolerance: f64, what: &str) {
    assert_eq!(a.len(), b.len(), "{what}: {a:?} and {b:?}");
    let scale = a.iter().chain(b).fold(1.0, |scale: f64, x| scale.max(x.abs()));
    for (x, y) in a.iter().zip(b) {
        assert!((x - y).abs() <= tolerance * scale, "{what}: {a:?} and {b:?}");
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The derivative of the first `n` results in a direction of the first arguments, by differences that are extrapolated once.
fn difference(func: &Func, args: &[Vec<f64>], direction: &[Vec<f64>], n: usize) -> Vec<f64> {
    let at = |h: f64| -> Vec<f64> {
        let mut moved = args.to_vec();
        for (array, direction) in moved.iter_mut().zip(direction) {
            for (x, d) in array.iter_mut().zip(direction) {
                *x += h * d;
            }
        }
        run(func, &moved)[..n].concat()
    };
    let slope = |h: f64| -> Vec<f64> { at(h).iter().zip(at(-h)).map(|(a, b)| (a - b) / (2.0 * h)).collect() };
    let (fine, coarse) = (slope(5e-4), slope(1e-3));
    fine.iter().zip(coarse).map(|(fine, coarse)| (4.0 * fine - coarse) / 3.0).collect()
}

/// Every derivative up to the third, in both modes, of all arguments.
#[track_caller]
fn check(func: &Func) {
    let wrt: Vec<usize> = (0..func.params.len()).collect();
    let args = arguments(func, 1);
    let (v, w) = (arguments(func, 50), arguments(func, 90));
    let n = func.results.len();
    let seeds: Vec<Vec<f64>> = run(func, &args).iter().map(|result| numbers(result.len(), 7)).collect();

    // Forward against differences, reverse against forward.
    let (forward, reverse) = (jvp(func, &wrt), vjp(func, &wrt));
    let dots = run(&forward, &[args.clone(), v.clone()].concat())[n..].to_vec();
    assert_close(&dots.concat(), &difference(func, &args, &v, n), 1e-8, "jvp");
    let bars = run(&reverse, &[args.clone(), seeds.clone()].concat())[n..].to_vec();
    let (left, right) = (dot(&dots.concat(), &seeds.concat()), dot(&bars.concat(), &v.concat()));
    assert_close(&[left], &[right], 1e-12, "duality");

    // Forward over reverse, reverse over reverse, and once more forward over each.
    let args2 = [args.clone(), seeds].concat();
    let wrt2: Vec<usize> = (0..args2.len()).collect();
    let v2 = [v, run(func, &args).iter().map(|result| numbers(result.len(), 8)).collect()].concat();
    let seeds2: Vec<Vec<f64>> = run(&reverse, &args2).iter().map(|result| numbers(result.len(), 9)).collect();
    let over = jvp(&reverse, &wrt2);
    let n2 = reverse.results.len();
    let dots2 = run(&over, &[args2.clone(), v2.clone()].concat())[n2..].to_vec();
    assert_close(&dots2.concat(), &difference(&reverse, &args2, &v2, n2), 1e-7, "forward over reverse");
    let twice = vjp(&reverse, &wrt2);
    let args3 = [args2.clone(), seeds2.clone()].concat();
    let bars2 = run(&twice, &args3)[n2..].to_vec();
    let (left, right) = (dot(&dots2.concat(), &seeds2.concat()), dot(&bars2.concat(), &v2.concat()));
    assert_close(&[left], &[right], 1e-11, "duality of the second order");

    // The third order.
    let direction = [v2, w.iter().flatten().take(0).map(|_| vec![]).collect()].concat();
    let third = jvp(&twice, &wrt2);
    let n3 = twice.results.len();
    let dots3 = run(&third, &[args3.clone(), direction.clone()].concat())[n3..].to_vec();
    assert_close(&dots3.concat(), &difference(&twice, &args3, &direction, n3), 1e-6, "the third order");
}

#[test]
fn a_sum_of_products() {
    let mut g = Graph::new();
    let (x, y, each) = (g.array("x", &[5]), g.array("y", &[5]), g.up(5));
    let (xi, yi) = (g.0.read(x, &[each.index]), g.0.read(y, &[each.index]));
    let cube = g.f(Op::Mul, &[xi, xi]);
    let product = g.f(Op::Mul, &[cube, yi]);
    let sum = g.sum(each, product);
    check(&g.finish(sum));
}

/// `sum[n]((sum[h](V[h]*tanh(b[h] + sum[d](W[h,d]*x[n,d]))))^2)`.
fn network() -> Func {
    let mut g = Graph::new();
    let (w, b, v) = (g.array("W", &[3, 2]), g.array("b", &[3]), g.array("V", &[3]));
    let x = g.array("x", &[4, 2]);
    let (n, h, d) = (g.up(4), g.up(3), g.up(2));
    let (whd, xnd) = (g.0.read(w, &[h.index, d.index]), g.0.read(x, &[n.index, d.index]));
    let product = g.f(Op::Mul, &[whd, xnd]);
    let inner = g.sum(d, product);
    let bh = g.0.read(b, &[h.index]);
    let before = g.f(Op::Add, &[bh, inner]);
    let after = g.f(Op::Tanh, &[before]);
    let hidden = g.map(&[h], &[3], after);
    let (element, vh) = (g.0.read(hidden, &[h.index]), g.0.read(v, &[h.index]));
    let term = g.f(Op::Mul, &[element, vh]);
    let output = g.sum(h, term);
    let square = g.f(Op::Mul, &[output, output]);
    let loss = g.sum(n, square);
    g.finish(loss)
}

#[test]
fn a_network() {
    check(&network());
}

#[test]
fn a_recurrence_along_one_index() {
    // a[0] = s; a[t] = sin(c[t]*a[t-1]) + a[t-1]; the sum of squares.
    for direction in [Direction::Up, Direction::Down] {
        let mut g = Graph::new();
        let (s, c) = (g.number("s"), g.array("c", &[6]));
        let mut each = g.up(6);
        each.direction = direction;
        let t = each.index;
        let a = g.0.bound(Type::F64, &[6]);
        let (before, first) = match direction {
            Direction::Up => (g.plus(t, -1), g.0.int(0)),
            Direction::Down => (g.plus(t, 1), g.0.int(5)),
        };
        let (last, ct) = (g.0.read(a, &[before]), g.0.read(c, &[t]));
        let product = g.f(Op::Mul, &[ct, last]);
        let sine = g.f(Op::Sin, &[product]);
        let next = g.f(Op::Add, &[sine, last]);
        let start = g.f(Op::IEq, &[t, first]);
        let value = g.f(Op::Select, &[start, s, next]);
        let update = g.store(&[t], value);
        let a = g.grow(&[each], &[6], a, None, vec![update]);
        let i = g.up(6);
        let ai = g.0.read(a, &[i.index]);
        let square = g.f(Op::Mul, &[ai, ai]);
        let sum = g.sum(i, square);
        check(&g.finish(sum));
    }
}

#[test]
fn a_recurrence_of_rows() {
    // h[t, j] = tanh(sum[k](W[j,k]*h[t-1,k]) + u[t-1,j]) from h[0] given as the initial value of the cell.
    let mut g = Graph::new();
    let (w, u, start) = (g.array("W", &[2, 2]), g.array("u", &[3, 2]), g.array("start", &[4, 2]));
    let (mut t, j, k) = (g.up(4), g.up(2), g.up(2));
    t.low = g.0.int(1);
    let h = g.0.bound(Type::F64, &[4, 2]);
    let before = g.plus(t.index, -1);
    let (wjk, hk) = (g.0.read(w, &[j.index, k.index]), g.0.read(h, &[before, k.index]));
    let product = g.f(Op::Mul, &[wjk, hk]);
    let inner = g.sum(k, product);
    let utj = g.0.read(u, &[before, j.index]);
    let sum = g.f(Op::Add, &[inner, utj]);
    let value = g.f(Op::Tanh, &[sum]);
    let row = g.map(&[j], &[2], value);
    let update = g.store(&[t.index], row);
    let h = g.grow(&[t], &[4, 2], h, Some(start), vec![update]);
    check(&g.finish(h));
}

#[test]
fn a_table_of_two_indices() {
    // D[i, j] = x[i]*y[j] + sin(D[i-1, j])*D[i, j-1], 1 outside; all of D is the result.
    let mut g = Graph::new();
    let (x, y) = (g.array("x", &[3]), g.array("y", &[4]));
    let (i, j) = (g.up(3), g.up(4));
    let d = g.0.bound(Type::F64, &[3, 4]);
    let (above, left) = (g.plus(i.index, -1), g.plus(j.index, -1));
    let (zero, one) = (g.0.int(0), g.0.f64(1.0));
    let (up, before) = (g.0.read(d, &[above, j.index]), g.0.read(d, &[i.index, left]));
    let (top, side) = (g.f(Op::IEq, &[i.index, zero]), g.f(Op::IEq, &[j.index, zero]));
    let (up, before) = (g.f(Op::Select, &[top, one, up]), g.f(Op::Select, &[side, one, before]));
    let sine = g.f(Op::Sin, &[up]);
    let product = g.f(Op::Mul, &[sine, before]);
    let (xi, yj) = (g.0.read(x, &[i.index]), g.0.read(y, &[j.index]));
    let value = g.f(Op::Fma, &[xi, yj, product]);
    let update = g.store(&[i.index, j.index], value);
    let d = g.grow(&[i, j], &[3, 4], d, None, vec![update]);
    check(&g.finish(d));
}

/// `prod[i](x[i])`.
fn product(n: usize) -> Func {
    let mut g = Graph::new();
    let (x, each, one) = (g.array("x", &[n]), g.up(n), g.0.f64(1.0));
    let p = g.0.bound(Type::F64, &[]);
    let xi = g.0.read(x, &[each.index]);
    let next = g.f(Op::Mul, &[p, xi]);
    let result = g.fold(each, &[(p, one, next)], None)[0];
    g.finish(result)
}

#[test]
fn a_product_with_and_without_zeros() {
    let func = product(4);
    check(&func);
    let slopes = gradient(&func, &[0], Mode::Reverse);
    let curves = hessian(&func, &[0], Mode::Auto);
    assert_eq!(run(&slopes, &[vec![2.0, 0.0, 3.0, 5.0]])[1], [0.0, 30.0, 0.0, 0.0]);
    assert_eq!(run(&slopes, &[vec![2.0, 0.0, 0.0, 5.0]])[1], [0.0; 4]);
    let mut expected = [0.0; 16];
    (expected[6], expected[9]) = (10.0, 10.0);
    assert_eq!(run(&curves, &[vec![2.0, 0.0, 0.0, 5.0]])[2], expected);
}

#[test]
fn newtons_method_until_it_has_converged() {
    // r' = (r + a/r)/2 while r^2 - a > 1e-3: two states, one of which nothing depends on in the end.
    let mut g = Graph::new();
    let (a, mut each, r) = (g.number("a"), g.up(100), g.0.bound(Type::F64, &[]));
    each.direction = Direction::Down;
    let (half, small) = (g.0.f64(0.5), g.0.f64(1e-3));
    let quotient = g.f(Op::Div, &[a, r]);
    let both = g.f(Op::Add, &[r, quotient]);
    let next = g.f(Op::Mul, &[half, both]);
    let square = g.f(Op::Mul, &[r, r]);
    let rest = g.f(Op::Sub, &[square, a]);
    let going = g.f(Op::Lt, &[small, rest]);
    let (two, e) = (g.0.f64(2.0), g.f(Op::Exp, &[a]));
    let start = g.f(Op::Fma, &[two, e, a]);
    let result = g.fold(each, &[(r, start, next)], Some(going))[0];
    check(&g.finish(result));
}

#[test]
fn a_state_that_is_an_array() {
    // v' = [sin(sum[k](A[j,k]*v[k]))*m for j], m' = m*v[0], four times.
    let mut g = Graph::new();
    let (a, start) = (g.array("A", &[2, 2]), g.array("v", &[2]));
    let (turn, j, k) = (g.up(4), g.up(2), g.up(2));
    let (v, m) = (g.0.bound(Type::F64, &[2]), g.0.bound(Type::F64, &[]));
    let (ajk, vk) = (g.0.read(a, &[j.index, k.index]), g.0.read(v, &[k.index]));
    let product = g.f(Op::Mul, &[ajk, vk]);
    let inner = g.sum(k, product);
    let sine = g.f(Op::Sin, &[inner]);
    let value = g.f(Op::Mul, &[sine, m]);
    let next = g.map(&[j], &[2], value);
    let (zero, one) = (g.0.int(0), g.0.f64(1.0));
    let first = g.0.read(v, &[zero]);
    let scaled = g.f(Op::Mul, &[m, first]);
    let results = g.fold(turn, &[(v, start, next), (m, one, scaled)], None);
    let last = g.0.int(1);
    let element = g.0.read(results[0], &[last]);
    let result = g.f(Op::Add, &[element, results[1]]);
    check(&g.finish(result));
}

#[test]
fn ragged_products_whose_loops_have_a_bound() {
    // sum[i](prod[j in 0..i](x[j])*y[i]).
    let mut g = Graph::new();
    let (x, y, i) = (g.array("x", &[4]), g.array("y", &[4]), g.up(4));
    let mut j = g.up(4);
    j.high = i.index;
    let (p, one) = (g.0.bound(Type::F64, &[]), g.0.f64(1.0));
    let xj = g.0.read(x, &[j.index]);
    let sine = g.f(Op::Sin, &[xj]);
    let next = g.f(Op::Mul, &[p, sine]);
    let product = g.fold(j, &[(p, one, next)], None)[0];
    let yi = g.0.read(y, &[i.index]);
    let term = g.f(Op::Mul, &[product, yi]);
    let sum = g.sum(i, term);
    check(&g.finish(sum));
}

#[test]
fn a_loop_as_long_as_an_argument_says() {
    let mut g = Graph::new();
    let (x, n) = (g.number("x"), g.0.param("n", Type::Int));
    let (mut each, s) = (g.up(0), g.0.bound(Type::F64, &[]));
    each.high = n;
    let sine = g.f(Op::Sin, &[s]);
    let next = g.f(Op::Mul, &[x, sine]);
    let result = g.fold(each, &[(s, x, next)], None)[0];
    let func = g.finish(result);
    for direction in [Mode::Forward, Mode::Reverse] {
        let slope = gradient(&func, &[0], direction);
        for n in [0.0, 1.0, 5.0] {
            let args = [vec![1.3], vec![n]];
            assert_close(&run(&slope, &args)[1], &difference(&func, &args, &[vec![1.0]], 1), 1e-8, "by x");
        }
    }
}

#[test]
fn the_greatest_shares_its_slope_among_all_that_are_tied() {
    for op in [Op::Max, Op::Min] {
        let mut g = Graph::new();
        let (x, y, each) = (g.array("x", &[5]), g.number("y"), g.up(5));
        let xi = g.0.read(x, &[each.index]);
        let product = g.f(Op::Mul, &[xi, y]);
        let extreme = g.reduce(each, op, product, None);
        let square = g.f(Op::Mul, &[extreme, extreme]);
        let func = g.finish(square);
        check(&func);
        let args = match op {
            Op::Max => [vec![1.0, 3.0, 2.0, 3.0, 3.0], vec![2.0]],
            _ => [vec![4.0, 3.0, 5.0, 3.0, 3.0], vec![2.0]],
        };
        for mode in [Mode::Forward, Mode::Reverse] {
            let slopes = gradient(&func, &[0, 1], mode);
            assert_close(&run(&slopes, &args)[1..].concat(), &[0.0, 8.0, 0.0, 8.0, 8.0, 36.0], 1e-15, "shared");
        }
    }
}

#[test]
fn the_greatest_of_nothing_has_no_slope_and_of_nan_none_but_nan() {
    let mut g = Graph::new();
    let (x, each, big) = (g.array("x", &[2]), g.up(2), g.0.f64(10.0));
    let xi = g.0.read(x, &[each.index]);
    let guard = g.f(Op::Lt, &[xi, big]);
    let extreme = g.reduce(each, Op::Max, xi, Some(guard));
    let func = g.finish(extreme);
    let all = g_all(&func);
    assert!(run(&all, &[vec![11.0, 12.0]])[1].iter().all(|&slope| slope == 0.0));
    let mut g = Graph::new();
    let (x, each) = (g.array("x", &[2]), g.up(2));
    let xi = g.0.read(x, &[each.index]);
    let extreme = g.reduce(each, Op::Max, xi, None);
    let func = g.finish(extreme);
    for mode in [Mode::Forward, Mode::Reverse] {
        let slopes = run(&gradient(&func, &[0], mode), &[vec![1.0, f64::NAN]])[1].clone();
        assert!(slopes.iter().all(|slope| slope.is_nan()), "{slopes:?}");
    }
}

fn g_all(func: &Func) -> Func {
    gradient(func, &[0], Mode::Reverse)
}

#[test]
fn what_a_condition_leaves_out_contributes_nothing() {
    // sum[i if x[i] > 0](ln(x[i])), sum[i](if(x[i] > 0, ln(x[i]), 0)), and with ln(y) outside that no turn wants.
    for kind in 0..3 {
        let mut g = Graph::new();
        let (x, y, each) = (g.array("x", &[4]), g.number("y"), g.up(4));
        let xi = g.0.read(x, &[each.index]);
        let zero = g.0.f64(0.0);
        let positive = g.f(Op::Lt, &[zero, xi]);
        let log = match kind {
            2 => g.f(Op::Ln, &[y]),
            _ => g.f(Op::Ln, &[xi]),
        };
        let term = g.f(Op::Mul, &[log, xi]);
        let sum = match kind {
            0 => g.reduce(each, Op::Add, term, Some(positive)),
            _ => {
                let chosen = g.f(Op::Select, &[positive, term, zero]);
                g.sum(each, chosen)
            }
        };
        let func = g.finish(sum);
        let args = [vec![2.0, 0.0, -1.0, 0.5], vec![3.0]];
        let none = [vec![-2.0, 0.0, -1.0, -0.0], vec![0.0]];
        for mode in [Mode::Forward, Mode::Reverse] {
            let (slopes, curves) = (gradient(&func, &[0, 1], mode), hessian(&func, &[0, 1], mode));
            let by = |i: usize| match kind {
                2 => [3f64.ln(), 0.0, 0.0, 3f64.ln()][i],
                _ => [2f64.ln() + 1.0, 0.0, 0.0, 0.5f64.ln() + 1.0][i],
            };
            let by_y = if kind == 2 { 2.5 / 3.0 } else { 0.0 };
            let expected = [by(0), by(1), by(2), by(3), by_y];
            assert_close(&run(&slopes, &args)[1..].concat(), &expected, 1e-14, "slopes");
            assert_eq!(run(&slopes, &none)[1..].concat(), [0.0; 5], "kind {kind}, {mode:?}");
            assert_eq!(run(&curves, &none)[3..].concat(), [0.0; 25], "kind {kind}, {mode:?}");
        }
    }
}

#[test]
fn sums_over_nothing_have_slope_zero() {
    // sum[j in 0..n](a*x[j]) with a = ln(y) at y = 0 and n = 0.
    let mut g = Graph::new();
    let (x, y, n) = (g.array("x", &[3]), g.number("y"), g.0.param("n", Type::Int));
    let mut each = g.up(3);
    each.high = n;
    let (log, xj) = (g.f(Op::Ln, &[y]), g.0.read(x, &[each.index]));
    let small = g.f(Op::Lt, &[y, xj]);
    let zero = g.0.f64(0.0);
    let term = g.f(Op::Mul, &[log, xj]);
    let term = g.f(Op::Select, &[small, term, zero]);
    let sum = g.sum(each, term);
    let func = g.finish(sum);
    let slopes = run(&gradient(&func, &[0, 1], Mode::Reverse), &[vec![1.0; 3], vec![0.0], vec![0.0]]);
    assert_eq!(slopes[1..].concat(), [0.0; 4]);
}

#[test]
fn softmax_has_its_jacobian() {
    let mut g = Graph::new();
    let (z, k) = (g.array("z", &[4]), g.up(4));
    let zk = g.0.read(z, &[k.index]);
    let most = g.reduce(k, Op::Max, zk, None);
    let most = g.f(Op::Stop, &[most]);
    let less = g.f(Op::Sub, &[zk, most]);
    let e = g.f(Op::Exp, &[less]);
    let total = g.sum(k, e);
    let share = g.f(Op::Div, &[e, total]);
    let p = g.map(&[k], &[4], share);
    let func = g.finish(p);
    check(&func);
    let args = [vec![0.1, -0.4, 1.2, 0.3]];
    let p = run(&func, &args)[0].clone();
    let expected: Vec<f64> =
        (0..16).map(|at| (at / 4, at % 4)).map(|(i, j)| p[i] * (f64::from(u8::from(i == j)) - p[j])).collect();
    for mode in [Mode::Forward, Mode::Reverse] {
        assert_close(&run(&jacobian(&func, &[0], mode), &args)[1], &expected, 1e-15, "softmax");
    }
}

#[test]
fn hessians_have_a_block_for_each_pair_of_arguments() {
    // f = sum[i, j](W[i, j]*x[j]*x[i]) + s*sum[i](x[i]^3).
    let mut g = Graph::new();
    let (w, x, s) = (g.array("W", &[2, 2]), g.array("x", &[2]), g.number("s"));
    let (i, j) = (g.up(2), g.up(2));
    let (wij, xi, xj) = (g.0.read(w, &[i.index, j.index]), g.0.read(x, &[i.index]), g.0.read(x, &[j.index]));
    let product = g.f(Op::Mul, &[wij, xj]);
    let row = g.sum(j, product);
    let term = g.f(Op::Mul, &[row, xi]);
    let first = g.sum(i, term);
    let three = g.0.int(3);
    let cube = g.f(Op::Powi, &[xi, three]);
    let cubes = g.sum(i, cube);
    let second = g.f(Op::Mul, &[s, cubes]);
    let value = g.f(Op::Add, &[first, second]);
    let func = g.finish(value);
    let args = [vec![1.0, 2.0, 3.0, 4.0], vec![5.0, 7.0], vec![0.5]];
    let all = hessian(&func, &[0, 1, 2], Mode::Auto);
    let names: Vec<&str> = all.results.iter().map(|result| result.name.as_str()).collect();
    assert_eq!(
        names,
        ["value", "d_W", "d_x", "d_s", "d_W_W", "d_W_x", "d_W_s", "d_x_W", "d_x_x", "d_x_s", "d_s_W", "d_s_x", "d_s_s"]
    );
    let results = run(&all, &args);
    let result = |name: &str| results[names.iter().position(|other| *other == name).unwrap()].clone();
    assert_eq!(result("d_W_W"), [0.0; 16]);
    // d/dx[k] of x[i]*x[j]: rows (i, j), columns k.
    assert_eq!(result("d_W_x"), [10.0, 0.0, 7.0, 5.0, 7.0, 5.0, 0.0, 14.0]);
    assert_eq!(result("d_x_W"), [10.0, 7.0, 7.0, 0.0, 0.0, 5.0, 5.0, 14.0]);
    assert_eq!(result("d_x_x"), [2.0 + 15.0, 5.0, 5.0, 8.0 + 21.0]);
    assert_eq!(result("d_x_s"), [75.0, 147.0]);
    assert_eq!(result("d_s_x"), [75.0, 147.0]);
    assert_eq!(result("d_s_s"), [0.0]);
    let direction = [vec![0.1, 0.2, 0.3, 0.4], vec![1.0, -1.0], vec![2.0]];
    let product = run(&hessian_vector(&func, &[0, 1, 2]), &[args.to_vec(), direction.to_vec()].concat());
    let gradient = gradient(&func, &[0, 1, 2], Mode::Reverse);
    let expected = difference(&gradient, &args, &direction, 4);
    assert_close(&product[4..].concat(), &expected[1..], 1e-7, "hessian times a direction");
}

/// Arrays among the arguments, each with its shape.
type Shapes = &'static [(&'static str, &'static [usize])];

/// The function that a text means for arguments of these shapes.
fn program(text: &str, shapes: Shapes) -> Func {
    let limits = Limits::default();
    let (ast, _) =
        parse(text, &limits).unwrap_or_else(|problems| panic!("{}", FormulaError::new("formula", text, problems)));
    let mut binding = Binding::default();
    binding.shapes.extend(shapes.iter().map(|&(name, shape)| (name.to_owned(), shape.to_vec())));
    lower(&ast, &limits, &binding)
        .unwrap_or_else(|problems| panic!("{}", FormulaError::new("formula", text, problems)))
        .func
}

#[test]
fn value_and_gradient_are_one_pass_over_the_data() {
    insta::assert_snapshot!(gradient(&network(), &[0, 1, 2], Mode::Reverse));
}

/// `C = A*B` in the orientations of the operands: what the text calls their elements, and their shapes.
const PRODUCTS: [(&str, &str, [[usize; 2]; 2]); 3] = [
    ("A[i,k]", "B[k,j]", [[17, 18], [18, 19]]),
    ("A[i,k]", "B[j,k]", [[17, 18], [19, 18]]),
    ("A[k,i]", "B[k,j]", [[18, 17], [18, 19]]),
];

/// Whether a loop adds to elements of an array.
fn adds(func: &Func) -> bool {
    func.to_string().lines().any(|line| line.trim_start().starts_with("add "))
}

#[test]
fn the_adjoint_of_a_matrix_product_is_a_matrix_product() {
    for (a, b, [of_a, of_b]) in PRODUCTS {
        let text = format!("C[i,j] = sum[k]({a}*{b})\nsum[i, j](sin(C[i,j])*w[i,j])");
        let (ast, _) = parse(&text, &Limits::default()).unwrap();
        let mut binding = Binding::default();
        for (name, shape) in [("A", of_a), ("B", of_b), ("w", [17, 19])] {
            binding.shapes.insert(name.to_owned(), shape.to_vec());
        }
        let func = lower(&ast, &Limits::default(), &binding).unwrap().func;
        let reverse = gradient(&func, &[0, 1], Mode::Reverse);
        assert!(!adds(&reverse), "{reverse}");

        let args: Vec<Vec<f64>> = (0..3).map(|n| numbers([17 * 18, 18 * 19, 17 * 19][n], 5 + n as u64)).collect();
        let at = |matrix: &[f64], [_, columns]: [usize; 2], row: usize, column: usize| matrix[row * columns + column];
        let in_a = |i: usize, k: usize| if a == "A[i,k]" { i * of_a[1] + k } else { k * of_a[1] + i };
        let in_b = |k: usize, j: usize| if b == "B[k,j]" { k * of_b[1] + j } else { j * of_b[1] + k };
        let (mut d_a, mut d_b) = (vec![0.0; 17 * 18], vec![0.0; 18 * 19]);
        for (i, j) in (0..17).flat_map(|i| (0..19).map(move |j| (i, j))) {
            let sum: f64 = (0..18).map(|k| args[0][in_a(i, k)] * args[1][in_b(k, j)]).sum();
            let slope = sum.cos() * at(&args[2], [17, 19], i, j);
            for k in 0..18 {
                d_a[in_a(i, k)] += slope * args[1][in_b(k, j)];
                d_b[in_b(k, j)] += slope * args[0][in_a(i, k)];
            }
        }
        let found = run(&reverse, &args);
        assert_close(&found[1], &d_a, 1e-13, a);
        assert_close(&found[2], &d_b, 1e-13, b);
        #[cfg(feature = "jit")]
        crate::loops::difference(&reverse, &args.iter().map(Vec::as_slice).collect::<Vec<_>>()).unwrap();
    }
}

/// `h[t+1] = tanh(W h[t] + u[t])` in `turns` turns from ones, and what `sum(v*h[turns])` has for derivatives by `W`: plain loops.
fn unrolled(w: &[f64], u: &[f64], v: &[f64], turns: usize) -> Vec<f64> {
    let size = v.len();
    let mut states = vec![vec![1.0; size]];
    for t in 0..turns {
        let sum = |j: usize| (0..size).map(|k| w[j * size + k] * states[t][k]).sum::<f64>() + u[t * size + j];
        states.push((0..size).map(|j| sum(j).tanh()).collect());
    }
    let (mut adjoint, mut slopes) = (v.to_vec(), vec![0.0; w.len()]);
    for t in (0..turns).rev() {
        let inside: Vec<f64> = (0..size).map(|j| adjoint[j] * (1.0 - states[t + 1][j].powi(2))).collect();
        for (j, k) in (0..size).flat_map(|j| (0..size).map(move |k| (j, k))) {
            slopes[j * size + k] += inside[j] * states[t][k];
        }
        adjoint = (0..size).map(|k| (0..size).map(|j| w[j * size + k] * inside[j]).sum()).collect();
    }
    slopes
}

#[test]
fn what_turns_make_is_kept_for_the_adjoint_of_a_large_matrix() {
    let (turns, size) = (16, 128);
    let text =
        "h[0,j] = 1\nh[t,j] = tanh(sum[k](W[j,k]*h[t-1,k]) + u[t-1,j]) for t in 1..=T, j in 0..H\nsum[j](v[j]*h[T,j])";
    let text = format!("param W[H,H]\ndata u[T,H], v[H]\n{text}");
    let (ast, _) = parse(&text, &Limits::default()).unwrap();
    let mut binding = Binding::default();
    binding.sizes.extend([("T".to_owned(), turns as i64), ("H".to_owned(), size as i64)]);
    let func = lower(&ast, &Limits::default(), &binding).unwrap().func;
    let reverse = gradient(&func, &[0], Mode::Reverse);
    let live = chainrule::opt::compact(&reverse);
    let mut matrices =
        live.regions().iter().flat_map(|region| region.cells.iter()).filter(|cell| *cell.shape == [size, size]);
    assert!(matrices.all(|cell| cell.updates.iter().all(|update| update.kind == UpdateKind::Store)), "{reverse}");
    let small = |numbers: Vec<f64>| numbers.into_iter().map(|x| (x - 0.9) / 8.0).collect::<Vec<f64>>();
    let args = [small(numbers(size * size, 1)), small(numbers(turns * size, 2)), numbers(size, 3)];
    let expected = unrolled(&args[0], &args[1], &args[2], turns);
    assert_close(&run(&reverse, &args)[1], &expected, 1e-13, "W");
}

#[test]
fn sums_that_are_no_matrix_products_are_added_where_they_are() {
    // A matrix and a vector; a small matrix, and a factor that turns make.
    let layer = "z[n,h] = sigmoid(sum[d](W[h,d]*x[n,d]))\nsum[n, h](z[n,h]^2)";
    let texts: &[(&str, Shapes)] = &[
        ("sum[i](sin(sum[k](A[i,k]*x[k])))", &[("A", &[20, 20]), ("x", &[20])]),
        (layer, &[("W", &[4, 20]), ("x", &[30, 20])]),
    ];
    for (text, shapes) in texts {
        let reverse = gradient(&program(text, shapes), &[0, 1], Mode::Reverse);
        assert!(adds(&reverse), "{reverse}");
    }
}

#[test]
fn checks_inside_of_loops_look_at_the_turn_and_outside_at_any() {
    // sum[i](if(x[i] > 0, div(p, q[i])*div(p, r), 0)): q[i] must not be 0 where x[i] > 0, r not if that is so for any i.
    let mut g = Graph::new();
    let (x, each, zero) = (g.array("x", &[3]), g.up(3), g.0.f64(0.0));
    let q = g.0.array_param("q", Type::Int, &[3]);
    let (p, r) = (g.0.param("p", Type::Int), g.0.param("r", Type::Int));
    let (xi, qi) = (g.0.read(x, &[each.index]), g.0.read(q, &[each.index]));
    let (inside, outside) = (g.f(Op::IDiv, &[p, qi]), g.f(Op::IDiv, &[p, r]));
    let both = g.f(Op::IMul, &[inside, outside]);
    let number = g.f(Op::ToF64, &[both]);
    let positive = g.f(Op::Lt, &[zero, xi]);
    let chosen = g.f(Op::Select, &[positive, number, zero]);
    let sum = g.sum(each, chosen);
    let divides = |func: &Func, val: Val| func.inst(val).op() == Some(Op::IDiv);
    chainrule::ir::guard::add_checks(&mut g.0, &[sum], divides);
    let func = g.finish(sum);
    let at = |x: [f64; 3], q: [f64; 3], r: f64| results(&func, &[x.to_vec(), q.to_vec(), vec![12.0], vec![r]]).ok();
    assert_eq!(at([1.0, -1.0, 2.0], [2.0, 0.0, 3.0], 2.0), Some(vec![vec![60.0]]));
    assert_eq!(at([1.0, 1.0, 2.0], [2.0, 0.0, 3.0], 2.0), None);
    assert_eq!(at([1.0, -1.0, 2.0], [2.0, 0.0, 3.0], 0.0), None);
    assert_eq!(at([0.0, -1.0, -2.0], [0.0, 0.0, 0.0], 0.0), Some(vec![vec![0.0]]));
}

#[test]
fn an_array_element_that_no_turn_wants_contributes_nothing() {
    let func = program("a[i] = ln(x[i])*x[i]\nsum[i](if(x[i] > 0, a[i], 0))", &[("x", &[3])]);
    for mode in [Mode::Forward, Mode::Reverse] {
        let slopes = run(&gradient(&func, &[0], mode), &[vec![1.0, 0.0, -2.0]]);
        assert_eq!(slopes[1], [1.0, 0.0, 0.0], "{mode:?}");
    }
}

#[test]
fn programs_with_arrays_up_to_the_third_order() {
    let texts: &[(&str, Shapes)] = &[
        ("sum[n](logsumexp[k](a[k]*x[n]))", &[("a", &[3]), ("x", &[2])]),
        ("p[n,k] = softmax[k](z[n,k])\nsum[n, k](p[n,k]^2*y[n])", &[("z", &[2, 3]), ("y", &[2])]),
        ("sum[i](prod[j in 0..i](x[j])*x[i])", &[("x", &[4])]),
        ("max[i](x[i]*y) + min[i, j](x[i]*W[i,j])", &[("x", &[3]), ("W", &[3, 2])]),
        ("(x, v) = iterate (x, v) from (a, b) for k in 0..4 do (x + 0.1*v, v - 0.1*sin(x)*c)\nx*v", &[]),
        ("r = iterate r from 1 + a while r*r - a > 0.001 do (r + a/r)/2\nr", &[]),
        ("f(t) = t^3*sin(t)\nsum[i](f'(x[i])*y[i])", &[("x", &[3]), ("y", &[3])]),
        ("mean[i](abs(x[i] - 2)) + x[0]*x[2]", &[("x", &[3])]),
    ];
    for (text, shapes) in texts {
        check(&program(text, shapes));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    /// Fuller loops compute the same, to the bit.
    #[test]
    fn tidied_graphs_mean_the_same(choices in random_regions::choices(60), seed in any::<u64>()) {
        let func = random_regions::graph(&choices);
        let tidied = chainrule::opt::loops::tidy(&func);
        prop_assert!(verify(&tidied).is_ok(), "{:?}\n{func}\n{tidied}", verify(&tidied));
        let args = random_regions::arguments(seed);
        // What is read outside of an array may be anything.
        prop_assume!(results(&with_checked_reads(&func), &args).is_ok());
        match (results(&func, &args), results(&tidied, &args)) {
            (Ok(before), Ok(after)) => prop_assert_eq!(bits(&before), bits(&after), "{}\n{}", func, tidied),
            // What nobody asks for may go, and with it what could fail.
            (Err(()), _) => {}
            (Ok(_), Err(())) => prop_assert!(false, "it fails now\n{func}\n{tidied}"),
        }
    }

    /// Forward and reverse mode are each other's transpose, and so are their derivatives.
    #[test]
    fn the_modes_are_dual(choices in random_regions::choices(40), seed in any::<u64>()) {
        let func = random_regions::graph(&choices);
        let args = random_regions::arguments(seed);
        if results(&func, &args).is_ok() {
            dual(&func, &args, seed);
            let wrt: Vec<usize> = (0..func.params.len()).filter(|&param| func.params[param].ty == Type::F64).collect();
            let reverse = vjp(&func, &wrt);
            if reverse.len() < 800 {
                let more = reverse.params[args.len()..].iter().map(|param| numbers(param.shape.iter().product(), seed ^ 3));
                let args: Vec<Vec<f64>> = args.iter().cloned().chain(more).collect();
                dual(&reverse, &args, seed);
            }
        }
    }
}

/// The same function, which fails where it needs an element that isn't there.
fn with_checked_reads(func: &Func) -> Func {
    let mut builder = Builder::resume(func.clone());
    let roots: Vec<Val> = func.results.iter().map(|result| result.value).collect();
    chainrule::ir::guard::add_checks(&mut builder, &roots, |func, val| matches!(func.inst(val), Inst::Read(_)));
    chainrule::opt::compact(&builder.finish(func.results.clone()))
}

fn results(func: &Func, args: &[Vec<f64>]) -> Result<Vec<Vec<f64>>, ()> {
    let args: Vec<&[f64]> = args.iter().map(Vec::as_slice).collect();
    call(func, &args).map(|results| results.iter().map(chainrule::interp::Value::numbers).collect()).map_err(|_| ())
}

/// The bits of numbers; all NaNs are one.
fn bits(results: &[Vec<f64>]) -> Vec<Vec<u64>> {
    let bits = |x: &f64| if x.is_nan() { f64::NAN.to_bits() } else { x.to_bits() };
    results.iter().map(|result| result.iter().map(bits).collect()).collect()
}

/// `w . (J v)` is `(w J) . v`, as far as everything is finite.
#[track_caller]
fn dual(func: &Func, args: &[Vec<f64>], seed: u64) {
    let wrt: Vec<usize> = (0..func.params.len()).filter(|&param| func.params[param].ty == Type::F64).collect();
    let v: Vec<Vec<f64>> = wrt.iter().map(|&param| numbers(args[param].len(), seed ^ param as u64)).collect();
    let is_number = |index: &usize| func.ty(func.results[*index].value) == Type::F64;
    let outputs: Vec<usize> = (0..func.results.len()).filter(is_number).collect();
    let w: Vec<Vec<f64>> = outputs
        .iter()
        .map(|&index| numbers(func.shape(func.results[index].value).iter().product(), seed ^ (99 + index as u64)))
        .collect();
    let forward = run(&jvp(func, &wrt), &[args.to_vec(), v.clone()].concat());
    let reverse = run(&vjp(func, &wrt), &[args.to_vec(), w.clone()].concat());
    let dots: Vec<f64> = outputs.iter().flat_map(|&index| forward[func.results.len() + index].clone()).collect();
    let bars = reverse[func.results.len()..].concat();
    let (v, w) = (v.concat(), w.concat());
    let size = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a * b).abs()).sum::<f64>();
    let scale = 1.0 + size(&dots, &w) + size(&bars, &v);
    // What is far from 1 has lost its digits on the way.
    if scale < 1e8 {
        assert!(
            (dot(&dots, &w) - dot(&bars, &v)).abs() <= 1e-9 * scale,
            "{} and {}\n{func}",
            dot(&dots, &w),
            dot(&bars, &v)
        );
    }
}
