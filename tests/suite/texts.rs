//! Random programs as text: all functions of the table, `if`, blocks, functions of one's own, derivative marks, named parts.
//!
//! Each is a program of the arguments `x`, `y` and `z`, meant for points between 0.3 and 1.7, where most are smooth.

use std::fmt::Write;

use chainrule::ops::{OPS, Op, Surface};
use proptest::prelude::*;

use crate::random::Random;

/// An expression whose names are numbered, to be given when it is written.
#[derive(Clone, Debug)]
enum Tree {
    Name(usize),
    Number(f64),
    Call(String, Vec<Tree>),
    Infix(&'static str, Box<[Tree; 2]>),
    Minus(Box<Tree>),
    Power(Box<Tree>, i8),
    If(&'static str, Box<[Tree; 4]>),
}

/// A program of some definitions and a result.
pub fn program() -> impl Strategy<Value = String> {
    let own = || {
        let names = [("f".to_owned(), 2), ("g".to_owned(), 1), ("g'".to_owned(), 1)];
        tree([names.to_vec(), builtins()].concat(), 4)
    };
    let body = || tree(builtins(), 3);
    (body(), body(), body(), prop::collection::vec(own(), 1..4)).prop_map(|(f, inner, outer, parts)| {
        let mut text = format!("param x, y, z\nf(t, s) = {}\n", write(&f, &["t", "s"]));
        let _ = writeln!(text, "g(t) = {{ u = {}; {} }}", write(&inner, &["t"]), write(&outer, &["u", "t"]));
        let mut names: Vec<String> = ["x", "y", "z"].map(str::to_owned).to_vec();
        for (index, part) in parts.iter().enumerate() {
            let names_so_far: Vec<&str> = names.iter().map(String::as_str).collect();
            let written = write(part, &names_so_far);
            names.push(format!("v{index}"));
            let _ = writeln!(text, "v{index} = {written}");
        }
        // Bounded, so that a long product doesn't drown what it is made of.
        let terms: Vec<String> = names.iter().map(|name| format!("sin({name})")).collect();
        let _ = writeln!(text, "{}", terms.join(" + "));
        text
    })
}

/// Arguments for a random program.
pub fn point() -> impl Strategy<Value = [f64; 3]> {
    any::<u64>().prop_map(|seed| {
        let mut random = Random(seed);
        [0; 3].map(|_| 0.3 + 1.4 * random.unit())
    })
}

/// The functions of the table that take numbers, with how many. What is no function of numbers alone is left out.
fn builtins() -> Vec<(String, usize)> {
    let usable = |op: Op| !matches!(op, Op::Stop | Op::Polygamma | Op::Gamma);
    let rows = OPS.iter().filter(|row| row.surface == Surface::Function && usable(row.op));
    let mut functions: Vec<(String, usize)> = rows.map(|row| (row.name.to_owned(), row.args.len())).collect();
    functions.extend([("max".to_owned(), 3), ("min".to_owned(), 4), ("log".to_owned(), 2), ("tanh'".to_owned(), 1)]);
    functions
}

fn tree(functions: Vec<(String, usize)>, depth: u32) -> impl Strategy<Value = Tree> {
    const INFIX: [&str; 5] = ["+", "-", "*", "*", "/"];
    const COMPARE: [&str; 5] = ["<", "<=", ">", ">=", "!="];
    let leaf = prop_oneof![
        4 => (0..16usize).prop_map(Tree::Name),
        1 => (1..40u32).prop_map(|tenths| Tree::Number(f64::from(tenths) / 10.0)),
    ];
    leaf.prop_recursive(depth, 24, 4, move |inner| {
        let functions = functions.clone();
        let call = (0..functions.len(), prop::collection::vec(inner.clone(), 4)).prop_map(move |(index, mut args)| {
            let (name, arity) = &functions[index];
            args.truncate(*arity);
            Tree::Call(name.clone(), args)
        });
        let pair = [inner.clone(), inner.clone()];
        let four = [inner.clone(), inner.clone(), inner.clone(), inner.clone()];
        prop_oneof![
            6 => call,
            6 => (0..INFIX.len(), pair).prop_map(|(op, pair)| Tree::Infix(INFIX[op], Box::new(pair))),
            1 => inner.clone().prop_map(|a| Tree::Minus(Box::new(a))),
            1 => (inner, -2..4i8).prop_map(|(a, n)| Tree::Power(Box::new(a), n)),
            1 => (0..COMPARE.len(), four).prop_map(|(op, four)| Tree::If(COMPARE[op], Box::new(four))),
        ]
    })
}

fn write(tree: &Tree, names: &[&str]) -> String {
    let write = |tree: &Tree| self::write(tree, names);
    match tree {
        Tree::Name(index) => names[index % names.len()].to_owned(),
        Tree::Number(value) => value.to_string(),
        Tree::Call(name, args) => format!("{name}({})", args.iter().map(write).collect::<Vec<_>>().join(", ")),
        Tree::Infix(op, pair) => format!("({} {op} {})", write(&pair[0]), write(&pair[1])),
        Tree::Minus(a) => format!("(-{})", write(a)),
        Tree::Power(a, n) => format!("({})^{n}", write(a)),
        Tree::If(op, four) => {
            let [a, b, c, d] = [&four[0], &four[1], &four[2], &four[3]].map(write);
            format!("if({a} {op} {b}, {c}, {d})")
        }
    }
}
