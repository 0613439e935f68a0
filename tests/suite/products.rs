//! Products of matrices against sums by hand in the order of `ir::region`, bit for bit, with every array between pages that nothing may
//! touch; and the loops that become such products against the interpreter.

use chainrule::jit::loops::{compile, compile_products};
use chainrule::wide::Width;
use chainrule::wide::matrix::{Axis, Product};
use chainrule::{Binding, Program};

use crate::loops::difference;
use crate::random::Random;
use crate::rows::{Guarded, same, widths};

/// All places of loops, one after the other, the last loop fastest.
fn places(axes: &[Axis], step: fn(&Axis) -> isize) -> Vec<isize> {
    axes.iter().fold(vec![0], |places, axis| {
        let turns = 0..axis.turns as isize;
        places.iter().flat_map(|place| turns.clone().map(move |turn| place + turn * step(axis))).collect()
    })
}

/// The sum of products in the order that `ir::region` says; `inner` is the number of turns of the innermost loop.
fn sum(a: &[f64], b: &[f64], inner: usize) -> f64 {
    let mut lanes = [0.0f64; 16];
    for (turn, (a, b)) in a.iter().zip(b).enumerate() {
        let lane = &mut lanes[turn % inner % 16];
        *lane = a.mul_add(*b, *lane);
    }
    let mut n = 8;
    while n > 0 {
        (0..n).for_each(|lane| lanes[lane] += lanes[lane + n]);
        n /= 2;
    }
    lanes[0]
}

/// An array that has exactly what loops name, and the place of the first element.
fn array(random: &mut Random, axes: &[Axis], step: fn(&Axis) -> isize) -> (Guarded, usize) {
    let places = places(axes, step);
    let (low, high) = (*places.iter().min().unwrap(), *places.iter().max().unwrap());
    // What isn't finite hides the order of a sum.
    let number = |_| if random.below(400) == 0 { random.number() } else { 4.0 * random.unit() - 2.0 };
    let numbers: Vec<f64> = (low..=high).map(number).collect();
    (Guarded::new(&numbers, random.below(2) == 0), -low as usize)
}

fn check(random: &mut Random, around: &[Axis], turns: &[Axis]) {
    let all = [around, turns].concat();
    let (a, first_a) = array(random, &all, |axis| axis.a);
    let (b, first_b) = array(random, &all, |axis| axis.b);
    let outputs = places(around, |axis| axis.c);
    let turns_a = places(turns, |axis| axis.a);
    let turns_b = places(turns, |axis| axis.b);
    let inner = turns.last().unwrap().turns;
    for width in widths() {
        let (mut c, first_c) = array(random, around, |axis| axis.c);
        let mut expected = c.numbers().to_vec();
        let (at_a, at_b) = (places(around, |axis| axis.a), places(around, |axis| axis.b));
        for ((&at_a, &at_b), &at_c) in at_a.iter().zip(&at_b).zip(&outputs) {
            let get = |numbers: &[f64], first: usize, at: isize, turns: &[isize]| -> Vec<f64> {
                turns.iter().map(|turn| numbers[(first as isize + at + turn) as usize]).collect()
            };
            let (a, b) = (get(a.numbers(), first_a, at_a, &turns_a), get(b.numbers(), first_b, at_b, &turns_b));
            expected[(first_c as isize + at_c) as usize] = sum(&a, &b, inner);
        }
        let product = Product::new(around, turns, width).expect("rows and columns");
        product.multiply((a.numbers(), first_a), (b.numbers(), first_b), (c.numbers_mut(), first_c));
        for (number, (&expected, &found)) in expected.iter().zip(c.numbers()).enumerate() {
            assert!(
                same(expected, found),
                "{found:e}, not {expected:e}, at {number}, of {product}: {around:?} {turns:?}"
            );
        }
    }
}

/// How far two indices move in an array, either of them the slow one, with gaps, forwards or backwards.
fn strides(random: &mut Random, first: usize, second: usize) -> [isize; 2] {
    let fast = [1, 1, 1, 2, -1][random.below(5)];
    let slow = |turns: usize, gap: usize| fast * (turns + gap) as isize;
    let gap = [0, 0, 3][random.below(3)];
    if random.below(2) == 0 { [slow(second, gap), fast] } else { [fast, slow(first, gap)] }
}

/// Rows, columns and turns of a sum, each array in the one orientation or the other.
fn matrices(random: &mut Random, [rows, columns, depth]: [usize; 3]) -> (Vec<Axis>, Vec<Axis>) {
    let a = strides(random, rows, depth);
    let b = strides(random, depth, columns);
    let c = strides(random, rows, columns);
    let row = Axis { turns: rows, a: a[0], b: 0, c: c[0] };
    let column = Axis { turns: columns, a: 0, b: b[1], c: c[1] };
    (vec![row, column], vec![Axis { turns: depth, a: a[1], b: b[0], c: 0 }])
}

#[test]
fn products_of_all_sizes_are_sums_in_order() {
    let mut random = Random(0x5eed);
    for size in 1..=40 {
        for other in [1, 4, 5, 8, 9, 24, 25] {
            for sizes in [[size, other, 17], [other, size, 33], [other, 7, size], [size, 13, 1 + other % 3]] {
                let (around, turns) = matrices(&mut random, sizes);
                check(&mut random, &around, &turns);
            }
        }
    }
}

/// More rows, columns and turns than there are panels of at a time.
#[test]
fn products_of_several_blocks_are_sums_in_order() {
    let mut random = Random(7);
    for sizes in [[70, 3, 1100], [3, 300, 1100], [40, 30, 3000]] {
        let (around, turns) = matrices(&mut random, sizes);
        check(&mut random, &around, &turns);
    }
}

#[test]
fn sums_over_several_indices_and_batches_are_in_order() {
    let mut random = Random(11);
    let axis = |turns, a, b, c| Axis { turns, a, b, c };
    // A batch of products; one factor is the same for all; the output lies between.
    check(&mut random, &[axis(3, 35, 0, 1), axis(5, 7, 0, 18), axis(6, 0, 7, 3)], &[axis(7, 1, 1, 0)]);
    check(&mut random, &[axis(3, 35, 42, 30), axis(5, 7, 0, 6), axis(6, 0, 1, 1)], &[axis(7, 1, 6, 0)]);
    // A convolution: channels and a window of 3 by 3, of pictures of 8 by 9.
    let around = [axis(4, 18, 0, 42), axis(6, 0, 9, 7), axis(7, 0, 1, 1)];
    check(&mut random, &around, &[axis(2, 9, 72, 0), axis(3, 3, 9, 0), axis(3, 1, 1, 0)]);
    // Sums over two indices of which the inner one has more turns than lanes.
    check(&mut random, &[axis(9, 57, 0, 10), axis(10, 0, 57, 1)], &[axis(3, 19, 19, 0), axis(19, 1, 1, 0)]);
    check(&mut random, &[axis(9, 57, 0, 10), axis(10, 0, 57, 1)], &[axis(19, 1, 1, 0), axis(3, 19, 19, 0)]);
}

#[test]
fn loops_without_rows_are_no_product() {
    let axis = |turns, a, b, c| Axis { turns, a, b, c };
    for around in [&[axis(5, 1, 0, 1)][..], &[axis(5, 1, 1, 1), axis(3, 0, 5, 5)]] {
        assert_eq!(Product::new(around, &[axis(7, 20, 20, 0)], Width::W512), None);
    }
}

/// Programs, and how many products there are in the value; in the gradient there is one where there is one in the value.
const PROGRAMS: &[(&str, usize)] = &[
    ("param A[N,K], B[K,M]\nC[i,j] = sum[k](A[i,k]*B[k,j])\nsum[i,j](C[i,j]^2)", 1),
    ("param A[K,N], B[M,K]\nC[i,j] = sum[k](A[k,i]*B[j,k])\nsum[i,j](i*C[i,j])", 1),
    ("param A[K,N], B[K,M]\nC[j,i] = sum[k](A[k,i]*B[k,j])\nC", 1),
    // In the same turn as other work, and twice.
    ("param W[M,K], b[M], x[N,K]\nz[n,h] = sigmoid(b[h] + sum[d](W[h,d]*x[n,d]))\nz", 1),
    ("param W[M,K], b[M], x[N,K]\ns[n,h] = sum[d](W[h,d]*x[n,d])\ny[n,h] = s[n,h]*b[h]\ns, y", 1),
    ("param W[M,K], x[N,K]\nsum[n,h](sum[d](W[h,d]*x[n,d])^2)", 1),
    // Two layers, which are one loop in the gradient: the first one's product is there before it.
    ("param W[M,K], V[K,M], x[N,K]\nz[n,h] = tanh(sum[d](W[h,d]*x[n,d]))\nsum[n,k](sum[h](V[k,h]*z[n,h])^2)", 2),
    // Rows of larger arrays, offsets, multiples.
    ("param A[3,N,K], B[3,K,M]\nC[b,i,j] = sum[k](A[b,i,k]*B[2-b,k,j])\nC", 1),
    ("param A[N,K], B[K,M]\nC[i,j] = sum[k in 1..K](A[i+1,k]*B[k-1,j+2]) for i in 0..N-1, j in 0..M-2\nC", 1),
    (
        "param A[2*N,2*K], B[2*K+1,3*M]\nC[i,j] = sum[k in 0..K](A[2*i+1,2*k]*B[2*k+1,3*j]) for i in 0..N, j in 0..M\nC",
        1,
    ),
    ("param A[N,K], B[K,M]\nC[i,j] = sum[k](A[N-1-i,k]*B[K-1-k,j])\nC", 1),
    ("param A[N,K], B[K,M]\nC[i,j] = 1 for i in 0..1\nC[i,j] = sum[k](A[i-1,k]*B[k,j]) for i in 1..=N\nC", 1),
    // A convolution, and sums over several indices.
    ("param w[N,2,3], x[2,M+2]\ny[o,t] = sum[c,s](w[o,c,s]*x[c,t+s])\ny", 1),
    ("param w[N,3,3], x[K+2,M+2]\ny[o,i,j] = sum[p,q](w[o,p,q]*x[i+p,j+q])\nsum[o,i,j](y[o,i,j]^2)", 1),
    // In a loop that hands something on, where the array is there before it, and where it is made in it.
    (
        "param W[M,K], x[N,K]\nh[0,j] = 0\nh[t,j] = tanh(h[t-1,j] + sum[k](W[j,k]*x[t-1,k])) for t in 1..=N\nsum[j](h[N,j])",
        1,
    ),
    ("param A[N,N], B[N,M]\nX = iterate X from B for t in 0..3 do [sum[k](A[i,k]*X[k,j])/N for i, j]\nX", 1),
    ("param A[3,N,K], B[3,K,M]\nX = iterate X from 0 for b in 0..3 do X + sum[i,j](sum[k](A[b,i,k]*B[b,k,j])^2)\nX", 1),
    (
        "param A[3,N,K], B[3,K,M]\nX = iterate X from 0 for b in 0..3 while X < 1 do X + sum[i,j](sum[k](A[b,i,k]*B[b,k,j])^2)\nX",
        0,
    ),
    // Under a condition, and where only some elements are.
    ("param A[N,K], B[K,M]\nC[i,j] = if(i < j, sum[k](A[i,k]*B[k,j]), 0)\nsum[i,j](C[i,j])", 1),
    ("param A[N,K], B[K,M]\nsum[i,j in 0..min(i,M)](sum[k](A[i,k]*B[k,j])^2)", 0),
    // No products: bounds that move, a factor that both move, a matrix and a vector.
    ("param A[N,K], B[K,M]\nC[i,j] = sum[k in 0..min(i,K)](A[i,k]*B[k,j])\nC", 0),
    ("param A[N,M,K], B[M,K]\nC[i,j] = sum[k](A[i,j,k]*B[j,k])\nC", 0),
    ("param A[N,K], x[K]\ny[i] = sum[k](A[i,k]*x[k])\ny", 0),
];

#[test]
fn products_in_programs_are_the_interpreters() {
    let mut wrong = Vec::new();
    let numbers = |n: usize, seed: usize| -> Vec<f64> {
        let number = |k: usize| (((k + seed) * 7919 + 13) % 1009) as f64 / 1000.0 - 0.5;
        (0..n)
            .map(|k| match (k + 3 * seed) % 97 {
                40 => -0.0,
                50 => 0.0,
                60 => 1e-310,
                _ => number(k),
            })
            .collect()
    };
    for &(text, products) in PROGRAMS {
        for (n, k, m) in [(5, 17, 9), (9, 4, 13)] {
            let program = Program::parse(text).unwrap_or_else(|error| panic!("{error}"));
            let sizes = [("N", n), ("K", k), ("M", m)].into_iter().filter(|(name, _)| text.contains(name));
            let binding = sizes.fold(Binding::new(), |binding, (name, size)| binding.size(name, size));
            let program = program.bind(&binding).unwrap_or_else(|error| panic!("{error}"));
            let mut graphs = vec![program.graph().clone()];
            if graphs[0].results.len() == 1 && !graphs[0].is_array(graphs[0].results[0].value) {
                graphs.push(program.gradient().graph().unwrap_or_else(|error| panic!("{error}")));
            }
            for (number, func) in graphs.iter().enumerate() {
                let args: Vec<Vec<f64>> = func
                    .params
                    .iter()
                    .enumerate()
                    .map(|(seed, param)| numbers(param.shape.iter().product(), seed))
                    .collect();
                let args: Vec<&[f64]> = args.iter().map(Vec::as_slice).collect();
                if let Err(message) = difference(func, &args) {
                    wrong.push(format!("{message}, at {n}, {k}, {m}: {text}"));
                }
                for width in widths() {
                    let found = compile_products(func, Some(width), 1).unwrap().products();
                    if number == 0 && found != products || found < products.min(1) {
                        wrong.push(format!("{found} products, not {products}, at {n}, {k}, {m}: {text}"));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_is_not_finite_stays_in_its_row_and_column() {
    let text = "param A[N,K], B[K,M]\nC[i,j] = sum[k](A[i,k]*B[k,j])\nC";
    let program =
        Program::parse(text).unwrap().bind(&Binding::new().size("N", 13).size("K", 37).size("M", 29)).unwrap();
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, f64::MAX] {
        let (mut a, mut b) = (vec![-0.0; 13 * 37], vec![0.25; 37 * 29]);
        (a[5 * 37 + 36], b[20 * 29 + 28], a[12 * 37 + 20]) = (value, value, 3.0);
        difference(program.graph(), &[&a, &b]).unwrap_or_else(|message| panic!("{value}: {message}"));
    }
}

/// Large products have a kernel, small ones stay in their loops; so do those whose rows are read from the first cache anyway.
#[test]
fn large_products_have_a_kernel_of_their_own() {
    let plain = "param A[N,K], B[K,M]\nC[i,j] = sum[k](A[i,k]*B[k,j])\nC";
    let dots = "param A[N,K], B[M,K]\nC[i,j] = sum[k](A[i,k]*B[j,k])\nC";
    let cases = [
        (plain, [64, 64, 64], 1),
        (plain, [32, 32, 32], 0),
        (plain, [4, 1000, 1000], 0),
        (plain, [1000, 1000, 4], 0),
        (dots, [64, 64, 64], 0),
        (dots, [1000, 32, 32], 0),
        (dots, [128, 128, 128], 1),
    ];
    for (text, [n, k, m], products) in cases {
        let program = Program::parse(text).unwrap();
        let program = program.bind(&Binding::new().size("N", n).size("K", k).size("M", m)).unwrap();
        let products = if Width::best().is_some() { products } else { 0 };
        assert_eq!(compile(program.graph()).unwrap().products(), products, "{n}, {k}, {m}: {text}");
    }
}
