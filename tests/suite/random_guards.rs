//! Random programs whose conditions decide what is read, against a plain evaluation that computes only what is needed: value, gradient
//! and Hessian by every mode and back end, or an error where the plain evaluation reads outside of an array.
//!
//! Sums, gathers, ranges and conditions stand in each other in any way, and parts of a program return elsewhere in it, under other
//! conditions.

use chainrule::{Array, ArrayView, Backend, Error, Mode, Program};

use crate::random::Random;

const Z: [f64; 4] = [0.3, 0.9, -0.5, 0.1];
const K: [i64; 5] = [1, 0, 2, 3, 7];

#[derive(Clone)]
enum Int {
    Constant(i64),
    /// The index of the sum at this depth.
    Index(usize),
    K(Box<Int>),
    Sum(Box<Int>, Box<Int>),
    Twice(Box<Int>),
}

#[derive(Clone)]
enum Number {
    Constant(f64),
    Z(Int),
    /// An element of a definition with so many elements, and one of a scalar.
    Element(usize, Int),
    Scalar(usize),
    Sum {
        range: [Int; 2],
        condition: Option<Box<Condition>>,
        term: Box<Number>,
        depth: usize,
    },
    If(Box<Condition>, Box<Number>, Box<Number>),
    Plus(Box<Number>, Box<Number>),
    Times(Box<Number>, Box<Number>),
    /// `1/(x^2 + 1)`
    Bell(Box<Number>),
}

#[derive(Clone)]
enum Condition {
    Less(Int, Int),
    Above(Number, f64),
    And(Box<Condition>, Box<Condition>),
    Or(Box<Condition>, Box<Condition>),
    Not(Box<Condition>),
}

/// Definitions in order, each an array with its extent or a number, and the result.
struct Text {
    definitions: Vec<(Option<usize>, Number)>,
    result: Number,
}

struct Maker {
    random: Random,
    definitions: Vec<(Option<usize>, Number)>,
    /// What has been made, with how many indices are around.
    made: Vec<(Number, usize)>,
    left: usize,
    apart: f64,
}

impl Maker {
    fn below(&mut self, n: usize) -> usize {
        self.random.below(n)
    }

    fn int(&mut self, indices: usize, depth: usize) -> Int {
        let deeper = depth < 2;
        match self.below(8) {
            0..4 if indices > 0 => Int::Index(self.below(indices)),
            4 if deeper => Int::Sum(Box::new(self.int(indices, depth + 1)), Box::new(self.int(indices, depth + 1))),
            5 if deeper => Int::Twice(Box::new(self.int(indices, depth + 1))),
            5..7 if deeper => Int::K(Box::new(self.int(indices, depth + 1))),
            _ => Int::Constant(self.below(4) as i64),
        }
    }

    fn condition(&mut self, indices: usize, depth: usize) -> Condition {
        match self.below(7) {
            0..3 => Condition::Less(self.int(indices, 0), self.int(indices, 0)),
            3 | 4 if depth < 3 => {
                let bound = [0.17, -0.23, 0.71][self.below(3)];
                Condition::Above(self.number(indices, depth + 1), bound)
            }
            5 if depth < 3 => {
                let (a, b) = (self.condition(indices, depth + 1), self.condition(indices, depth + 1));
                let pair = (Box::new(a), Box::new(b));
                if self.below(2) == 0 { Condition::And(pair.0, pair.1) } else { Condition::Or(pair.0, pair.1) }
            }
            6 => Condition::Not(Box::new(self.condition(indices, depth + 1))),
            _ => Condition::Less(self.int(indices, 0), Int::Constant(1 + self.below(3) as i64)),
        }
    }

    fn number(&mut self, indices: usize, depth: usize) -> Number {
        let known: Vec<usize> = (0..self.made.len()).filter(|&at| self.made[at].1 <= indices).collect();
        if !known.is_empty() && self.below(4) == 0 {
            let at = known[self.below(known.len())];
            return self.made[at].0.clone();
        }
        self.left = self.left.saturating_sub(1);
        let deeper = depth < 5 && self.left > 0;
        let made = match self.below(12) {
            0..3 if deeper && indices < 3 => {
                let high = match self.below(4) {
                    0 => self.int(indices, 1),
                    _ => Int::Constant(1 + self.below(3) as i64),
                };
                let low = if self.below(4) == 0 { self.int(indices, 1) } else { Int::Constant(0) };
                let condition = (self.below(3) == 0).then(|| Box::new(self.condition(indices + 1, depth + 1)));
                let term = Box::new(self.number(indices + 1, depth + 1));
                Number::Sum { range: [low, high], condition, term, depth: indices }
            }
            3..6 if deeper => {
                let condition = Box::new(self.condition(indices, depth + 1));
                let (a, b) = (self.number(indices, depth + 1), self.number(indices, depth + 1));
                // Of equal arms nobody needs to know which.
                self.apart += 0.001;
                let b = Number::Plus(Box::new(b), Box::new(Number::Constant(self.apart)));
                Number::If(condition, Box::new(a), Box::new(b))
            }
            6 if deeper => {
                Number::Plus(Box::new(self.number(indices, depth + 1)), Box::new(self.number(indices, depth + 1)))
            }
            7 if deeper => {
                Number::Times(Box::new(self.number(indices, depth + 1)), Box::new(self.number(indices, depth + 1)))
            }
            8 if deeper => Number::Bell(Box::new(self.number(indices, depth + 1))),
            9 if !self.definitions.is_empty() => {
                let at = self.below(self.definitions.len());
                match self.definitions[at].0 {
                    Some(_) => Number::Element(at, self.int(indices, 0)),
                    None => Number::Scalar(at),
                }
            }
            10 => Number::Constant([0.5, -1.5, 2.0][self.below(3)]),
            _ => Number::Z(self.int(indices, 0)),
        };
        self.made.push((made.clone(), indices));
        made
    }
}

impl Text {
    fn new(seed: u64) -> Text {
        let mut maker = Maker { random: Random(seed), definitions: Vec::new(), made: Vec::new(), left: 0, apart: 0.0 };
        for _ in 0..maker.below(3) {
            maker.left = 5;
            let extent = (maker.below(3) > 0).then(|| 1 + maker.below(3));
            let indices = usize::from(extent.is_some());
            let value = maker.number(indices, 2);
            maker.definitions.push((extent, value));
        }
        maker.left = 14;
        let result = maker.number(0, 0);
        Text { definitions: maker.definitions, result }
    }

    fn source(&self) -> String {
        let mut lines = vec!["param z[4]; index k[5]".to_owned()];
        for (number, (extent, value)) in self.definitions.iter().enumerate() {
            lines.push(match extent {
                Some(extent) => format!("t{number}[i0] = {} for i0 in 0..{extent}", value.text()),
                None => format!("t{number} = {}", value.text()),
            });
        }
        // All arguments are used.
        lines.push(format!("{} + 0*sum[a](z[a])", self.result.text()));
        lines.join("\n")
    }
}

impl Int {
    fn text(&self) -> String {
        match self {
            Int::Constant(value) => value.to_string(),
            Int::Index(depth) => format!("i{depth}"),
            Int::K(at) => format!("k[{}]", at.text()),
            Int::Sum(a, b) => format!("({} + {})", a.text(), b.text()),
            Int::Twice(a) => format!("2*{}", a.text()),
        }
    }

    fn value(&self, indices: &[i64]) -> Option<i64> {
        Some(match self {
            Int::Constant(value) => *value,
            Int::Index(depth) => indices[*depth],
            Int::K(at) => *K.get(usize::try_from(at.value(indices)?).ok()?)?,
            Int::Sum(a, b) => a.value(indices)? + b.value(indices)?,
            Int::Twice(a) => 2 * a.value(indices)?,
        })
    }
}

impl Condition {
    fn text(&self) -> String {
        match self {
            Condition::Less(a, b) => format!("{} < {}", a.text(), b.text()),
            Condition::Above(a, bound) => format!("{} > ({bound})", a.text()),
            Condition::And(a, b) => format!("(({}) and ({}))", a.text(), b.text()),
            Condition::Or(a, b) => format!("(({}) or ({}))", a.text(), b.text()),
            Condition::Not(a) => format!("not ({})", a.text()),
        }
    }

    fn value(&self, text: &Text, indices: &mut Vec<i64>, steps: [usize; 2]) -> Option<bool> {
        Some(match self {
            Condition::Less(a, b) => a.value(indices)? < b.value(indices)?,
            Condition::Above(a, bound) => a.value(text, indices, steps)?.0[0] > *bound,
            Condition::And(a, b) => a.value(text, indices, steps)? && b.value(text, indices, steps)?,
            Condition::Or(a, b) => a.value(text, indices, steps)? || b.value(text, indices, steps)?,
            Condition::Not(a) => !a.value(text, indices, steps)?,
        })
    }
}

/// A number with its derivatives by two elements of `z`, and the second one: value, first, first, second.
#[derive(Clone, Copy)]
struct Dual([f64; 4]);

impl Dual {
    fn plus(self, other: Dual) -> Dual {
        Dual(std::array::from_fn(|at| self.0[at] + other.0[at]))
    }

    fn times(self, other: Dual) -> Dual {
        let (Dual([x, xa, xb, xab]), Dual([y, ya, yb, yab])) = (self, other);
        Dual([x * y, xa * y + x * ya, xb * y + x * yb, xab * y + xa * yb + xb * ya + x * yab])
    }

    /// Of a function with this value, slope and curvature here.
    fn through(self, [value, slope, curve]: [f64; 3]) -> Dual {
        let Dual([_, a, b, ab]) = self;
        Dual([value, slope * a, slope * b, slope * ab + curve * a * b])
    }
}

impl Number {
    fn text(&self) -> String {
        match self {
            Number::Constant(value) => format!("({value})"),
            Number::Z(at) => format!("z[{}]", at.text()),
            Number::Element(number, at) => format!("t{number}[{}]", at.text()),
            Number::Scalar(number) => format!("t{number}"),
            Number::Sum { range: [low, high], condition, term, depth } => {
                let condition =
                    condition.as_ref().map_or(String::new(), |condition| format!(" if {}", condition.text()));
                format!("sum[i{depth} in {}..{}{condition}]({})", low.text(), high.text(), term.text())
            }
            Number::If(condition, a, b) => format!("if({}, {}, {})", condition.text(), a.text(), b.text()),
            Number::Plus(a, b) => format!("({} + {})", a.text(), b.text()),
            Number::Times(a, b) => format!("({})*({})", a.text(), b.text()),
            Number::Bell(a) => format!("1/(({})^2 + 1)", a.text()),
        }
    }

    /// `None`: an element is read that doesn't exist.
    fn value(&self, text: &Text, indices: &mut Vec<i64>, steps: [usize; 2]) -> Option<Dual> {
        Some(match self {
            Number::Constant(value) => Dual([*value, 0.0, 0.0, 0.0]),
            Number::Z(at) => {
                let at = usize::try_from(at.value(indices)?).ok()?;
                Dual([*Z.get(at)?, f64::from(at == steps[0]), f64::from(at == steps[1]), 0.0])
            }
            Number::Element(number, at) => {
                let at = usize::try_from(at.value(indices)?).ok()?;
                let (extent, value) = &text.definitions[*number];
                let elements: Vec<Dual> = (0..extent.unwrap_or(0))
                    .map(|at| value.value(text, &mut vec![at as i64], steps))
                    .collect::<Option<_>>()?;
                *elements.get(at)?
            }
            Number::Scalar(number) => text.definitions[*number].1.value(text, &mut Vec::new(), steps)?,
            Number::Sum { range: [low, high], condition, term, depth } => {
                let mut sum = Dual([0.0; 4]);
                let mut inner = indices[..*depth].to_vec();
                for index in low.value(indices)?..high.value(indices)? {
                    inner.truncate(*depth);
                    inner.push(index);
                    let counts = match condition {
                        Some(condition) => condition.value(text, &mut inner, steps)?,
                        None => true,
                    };
                    if counts {
                        sum = sum.plus(term.value(text, &mut inner, steps)?);
                    }
                }
                sum
            }
            Number::If(condition, a, b) => {
                let chosen = if condition.value(text, indices, steps)? { a } else { b };
                chosen.value(text, indices, steps)?
            }
            Number::Plus(a, b) => a.value(text, indices, steps)?.plus(b.value(text, indices, steps)?),
            Number::Times(a, b) => a.value(text, indices, steps)?.times(b.value(text, indices, steps)?),
            Number::Bell(a) => {
                let a = a.value(text, indices, steps)?;
                let (x, w) = (a.0[0], 1.0 / (a.0[0] * a.0[0] + 1.0));
                a.through([w, -2.0 * x * w * w, 8.0 * x * x * w * w * w - 2.0 * w * w])
            }
        })
    }
}

/// Value, gradient and Hessian by plain evaluation.
fn expected(text: &Text) -> Option<Vec<f64>> {
    let n = Z.len();
    let at = |a: usize, b: usize| text.result.value(text, &mut Vec::new(), [a, b]);
    let mut all = vec![at(0, 0)?.0[0]];
    for a in 0..n {
        all.push(at(a, a)?.0[1]);
    }
    for a in 0..n {
        for b in 0..n {
            all.push(at(a, b)?.0[3]);
        }
    }
    Some(all)
}

fn found(program: &Program, mode: Mode, backend: Backend) -> Result<Vec<f64>, Error> {
    let (z, k) = (Array::new(&[Z.len()], Z.to_vec()), ArrayView::integers(&K, &[5]));
    let answer = program.hessian().mode(mode).backend(backend).by_name().with("z", &z).with("k", k).run()?;
    Ok(answer.iter().flat_map(|(_, array)| array.data.clone()).collect())
}

fn check(seed: u64) {
    let text = Text::new(seed);
    let source = text.source();
    let expected = expected(&text);
    let program = match Program::parse(&source) {
        Ok(program) => program,
        Err(_) if expected.is_none() => return,
        Err(error) => panic!("{seed}: {source}\nis refused, and is {expected:?}\n{error}"),
    };
    let mut bits: Option<Vec<u64>> = None;
    for mode in [Mode::Forward, Mode::Reverse] {
        for backend in [Backend::Auto, Backend::Interpreter] {
            match (&expected, found(&program, mode, backend)) {
                (None, Err(_)) => {}
                (Some(expected), Ok(found)) => {
                    let close = |(a, b): (&f64, &f64)| (a - b).abs() <= 1e-9 * b.abs().max(1.0);
                    assert!(
                        found.iter().zip(expected).all(close),
                        "{seed}, {mode:?}, {backend:?}: {source}\nis {found:?}, not {expected:?}"
                    );
                    let now: Vec<u64> = found.iter().map(|x| (x + 0.0).to_bits()).collect();
                    if backend == Backend::Interpreter {
                        assert_eq!(Some(now), bits, "{seed}, {mode:?}: back ends\n{source}");
                    } else {
                        bits = Some(now);
                    }
                }
                (expected, found) => panic!("{seed}, {mode:?}, {backend:?}: {source}\nis {found:?}, not {expected:?}"),
            }
        }
    }
}

#[test]
fn only_what_is_needed_is_read() {
    (0..40).for_each(check);
}

/// Value and gradient of a program in `z` and `k`, by every mode and back end.
fn gradients(source: &str, z: &[f64], k: &[i64]) -> Vec<Result<Vec<f64>, Error>> {
    let program = Program::parse(source).unwrap_or_else(|error| panic!("{error}"));
    let (z, shape) = (Array::new(&[z.len()], z.to_vec()), [k.len()]);
    let mut found = Vec::new();
    for mode in [Mode::Forward, Mode::Reverse] {
        for backend in [Backend::Auto, Backend::Interpreter] {
            let request = program.gradient().mode(mode).backend(backend).by_name();
            let answer = request.with("z", &z).with("k", ArrayView::integers(k, &shape)).run();
            found.push(answer.map(|answer| answer.iter().flat_map(|(_, array)| array.data.clone()).collect()));
        }
    }
    found
}

/// The guard of a subscript may be made of what the subscript is needed for.
#[test]
fn a_sum_may_decide_whether_it_is_needed() {
    let close = |a: &[f64], b: &[f64]| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-12);
    let same = "param z[4]; index k[4]; if(sum[q in 0..2](z[k[q]]) > 0, sum[q in 0..2](z[k[q]])^2, 0)";
    for found in gradients(same, &[0.3, 0.9, 0.5, 0.1], &[1, 0, 2, 3]) {
        assert!(close(&found.unwrap(), &[1.44, 2.4, 2.4, 0.0, 0.0]));
    }
    // Each of two sums decides about the other, in turns of the same loop.
    let each_other = "param z[4]; index k[4]
        sum[i in 0..4](if(k[i] < 2, if(sum[q in 0..2](z[k[q] + k[i]]^2) > 0, sum[q in 0..3](z[k[q]]^3), 1), 0)
            + if(k[i] < 3, if(sum[q in 0..3](z[k[q]]^3) > 0, sum[q in 0..2](z[k[q] + k[i]]^2), 1), 0))";
    for found in gradients(each_other, &[0.3, 0.9, 0.5, 0.1], &[1, 0, 2, 3]) {
        assert!(close(&found.unwrap(), &[3.982, 1.14, 8.46, 3.5, 0.2]));
    }
}

/// What a subscript depends on need not tell when it matters.
#[test]
fn conditions_of_loops_around_are_known_inside() {
    let source = "param z[4]; index k[2]
        sum[i in 0..3](if(z[i] > 0, sum[j in 0..2](sum[q in 0..2](z[k[q]]*j)), 0))";
    for found in gradients(source, &[1.0, 1.0, 1.0, 1.0], &[0, 9]) {
        assert!(found.is_err_and(|error| error.to_string().contains("outside of its array")));
    }
    for found in gradients(source, &[-1.0, -1.0, -1.0, -1.0], &[0, 9]) {
        assert_eq!(found.unwrap(), [0.0; 5]);
    }
}
