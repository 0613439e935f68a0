//! Random arrays whose elements read each other at places that can't be seen in the text (`min`, `max`, data), against plain recursion
//! that carries derivatives along.
//!
//! Where recursion comes round to itself, leaves an array or meets an element that no clause defines, the program has to say so. Where
//! there is a value, the program may fail to see an order and say that, but it never gives another one; in every mode, on
//! every back end.

use std::collections::HashMap;

use chainrule::{Array, Backend, Mode, Program};

use crate::random::Random;

/// The extent of every dimension, and the number of parameters.
const N: usize = 3;
const P: usize = 3;

/// A number and its derivatives.
type Dual = [f64; 1 + P];

/// Why an element has no value.
struct Missing;

struct Arrays {
    arrays: Vec<Made>,
    data: Vec<usize>,
}

/// An array: its clauses are `a[0, i] = …`, and `a[t, i] = …` for the other turns.
struct Made {
    rank: usize,
    parameters: [usize; 2],
    /// In turn `t` only the elements before `t` are defined.
    is_triangular: bool,
    terms: Vec<Term>,
}

/// An element that is read, only where the index in front is less than the bound, if that is given.
struct Term {
    from: usize,
    subscripts: Vec<Subscript>,
    below: Option<(usize, usize)>,
}

/// By an index: 0 is the outer one.
#[derive(Clone, Copy)]
enum Subscript {
    Fixed(usize),
    Shifted(usize, i64),
    AtMostLast(usize),
    AtLeastFirst(usize),
    Round(usize),
    Data(usize),
}

impl Subscript {
    fn new(random: &mut Random, rank: usize, dimension: usize) -> Subscript {
        let index = if random.below(3) == 0 { random.below(rank) } else { dimension.min(rank - 1) };
        match random.below(12) {
            0..3 if dimension == 0 => Subscript::Shifted(0, -1),
            0..5 => Subscript::Shifted(index, 0),
            5 => Subscript::Fixed(random.below(N)),
            6 => Subscript::Shifted(index, -1),
            7 => Subscript::Shifted(index, 1),
            8 => Subscript::AtMostLast(index),
            9 => Subscript::AtLeastFirst(index),
            10 => Subscript::Round(index),
            _ => Subscript::Data(index),
        }
    }

    fn text(self) -> String {
        let name = |index: usize| ["t", "i"][index];
        match self {
            Subscript::Fixed(place) => place.to_string(),
            Subscript::Shifted(index, 0) => name(index).to_owned(),
            Subscript::Shifted(index, by) => format!("{}{by:+}", name(index)),
            Subscript::AtMostLast(index) => format!("min({}+1, {})", name(index), N - 1),
            Subscript::AtLeastFirst(index) => format!("max({}-1, 0)", name(index)),
            Subscript::Round(index) => format!("mod({}+1, {N})", name(index)),
            Subscript::Data(index) => format!("m[{}]", name(index)),
        }
    }

    fn at(self, place: &[usize], data: &[usize]) -> Option<usize> {
        match self {
            Subscript::Fixed(place) => Some(place),
            Subscript::Shifted(index, by) => place[index].checked_add_signed(by as isize).filter(|&at| at < N),
            Subscript::AtMostLast(index) => Some((place[index] + 1).min(N - 1)),
            Subscript::AtLeastFirst(index) => Some(place[index].saturating_sub(1)),
            Subscript::Round(index) => Some((place[index] + 1) % N),
            Subscript::Data(index) => Some(data[place[index]]),
        }
    }
}

impl Arrays {
    fn new(random: &mut Random) -> Arrays {
        let count = 1 + random.below(3);
        let ranks: Vec<usize> = (0..count).map(|_| 1 + random.below(2)).collect();
        let mut arrays = Vec::new();
        for &rank in &ranks {
            let mut terms = Vec::new();
            // A ring, so that all are made together, and more.
            for number in 0..1 + random.below(2) {
                let from = if number == 0 { (arrays.len() + 1) % count } else { random.below(count) };
                let subscripts = (0..ranks[from]).map(|dimension| Subscript::new(random, rank, dimension)).collect();
                let below = (random.below(3) == 0).then(|| (random.below(rank), random.below(N)));
                terms.push(Term { from, subscripts, below });
            }
            let parameters = [random.below(P), random.below(P)];
            arrays.push(Made { rank, parameters, is_triangular: rank > 1 && random.below(4) == 0, terms });
        }
        Arrays { arrays, data: (0..N).map(|_| random.below(N)).collect() }
    }

    fn text(&self) -> String {
        let mut text = format!("param p[{P}]\nindex m[{N}]\n");
        for (number, array) in self.arrays.iter().enumerate() {
            let at = if array.rank > 1 { (", i", format!(" for i in 0..{N}")) } else { ("", String::new()) };
            text += &format!("a{number}[0{}] = sin(p[{}]){}\n", at.0, array.parameters[0], at.1);
        }
        for (number, array) in self.arrays.iter().enumerate() {
            let mut sum = format!("p[{}]*t", array.parameters[1]);
            for Term { from, subscripts, below } in &array.terms {
                let subscripts: Vec<String> = subscripts.iter().map(|subscript| subscript.text()).collect();
                let element = format!("a{from}[{}]", subscripts.join(", "));
                sum += &match below {
                    Some((index, bound)) => format!(" + 0.4*if({} < {bound}, {element}, p[0])", ["t", "i"][*index]),
                    None => format!(" + 0.4*{element}"),
                };
            }
            let range = if array.is_triangular { ", i in 0..t".to_owned() } else { format!(", i in 0..{N}") };
            let (at, range) = if array.rank > 1 { (", i", range) } else { ("", String::new()) };
            text += &format!("a{number}[t{at}] = sin({sum}) for t in 1..{N}{range}\n");
        }
        let last = self.arrays.iter().enumerate().map(|(number, array)| match array.rank {
            1 => format!("a{number}[{}]", N - 1),
            _ => format!("a{number}[{}, 0]", N - 1),
        });
        text + &last.collect::<Vec<_>>().join(" + ")
    }

    fn value(&self, p: &[f64]) -> Result<Dual, Missing> {
        let mut known = HashMap::new();
        let mut sum = [0.0; 1 + P];
        for (number, array) in self.arrays.iter().enumerate() {
            let place = [N - 1, 0];
            add(&mut sum, &self.element(number, &place[..array.rank], p, &mut known)?, 1.0);
        }
        Ok(sum)
    }

    fn element(
        &self,
        number: usize,
        place: &[usize],
        p: &[f64],
        known: &mut HashMap<(usize, Vec<usize>), Option<Dual>>,
    ) -> Result<Dual, Missing> {
        let key = (number, place.to_vec());
        match known.get(&key) {
            Some(Some(value)) => return Ok(*value),
            // It is being computed: it depends on itself.
            Some(None) => return Err(Missing),
            None => {}
        }
        known.insert(key.clone(), None);
        let array = &self.arrays[number];
        let parameter = |index: usize| {
            let mut dual = [0.0; 1 + P];
            (dual[0], dual[1 + index]) = (p[index], 1.0);
            dual
        };
        let mut sum = [0.0; 1 + P];
        if place[0] == 0 {
            add(&mut sum, &parameter(array.parameters[0]), 1.0);
        } else if array.is_triangular && place[1] >= place[0] {
            return Err(Missing);
        } else {
            add(&mut sum, &parameter(array.parameters[1]), place[0] as f64);
            for Term { from, subscripts, below } in &array.terms {
                let element = match below {
                    Some((index, bound)) if place[*index] >= *bound => parameter(0),
                    _ => {
                        let at = subscripts.iter().map(|subscript| subscript.at(place, &self.data));
                        let at = at.collect::<Option<Vec<usize>>>().ok_or(Missing)?;
                        self.element(*from, &at, p, known)?
                    }
                };
                add(&mut sum, &element, 0.4);
            }
        }
        let mut value = sum.map(|slope| slope * sum[0].cos());
        value[0] = sum[0].sin();
        known.insert(key, Some(value));
        Ok(value)
    }
}

fn add(sum: &mut Dual, term: &Dual, factor: f64) {
    sum.iter_mut().zip(term).for_each(|(sum, term)| *sum += factor * term);
}

#[test]
fn what_is_read_is_there_or_said_to_be_missing() {
    let p = [0.7, -0.4, 1.1];
    let (mut values, mut missing) = (0, 0);
    for seed in 0..24 {
        let arrays = Arrays::new(&mut Random(seed * 2 + 1));
        let text = arrays.text();
        let expected = arrays.value(&p);
        // Some have no order at all, which is said beforehand.
        let Ok(program) = Program::parse(&text) else { continue };
        let args = [Array::new(&[P], p.to_vec()), Array::new(&[N], arrays.data.iter().map(|&at| at as f64).collect())];
        for (mode, backend) in [Mode::Forward, Mode::Reverse]
            .into_iter()
            .flat_map(|mode| [Backend::Auto, Backend::Interpreter].map(|backend| (mode, backend)))
        {
            let request = program.jacobian().mode(mode).backend(backend).by_name();
            let Ok(answer) = request.with("p", &args[0]).with("m", &args[1]).run() else {
                missing += usize::from(expected.is_err());
                continue;
            };
            let Ok(expected) = &expected else { panic!("{seed}, {mode:?} {backend:?}: there is no value\n{text}") };
            let found: Vec<f64> = answer.iter().flat_map(|(_, array)| array.data.clone()).collect();
            let close = |(a, b): (&f64, &f64)| (a - b).abs() <= 1e-11 * b.abs().max(1.0);
            let right = found.len() == expected.len() && found.iter().zip(expected).all(close);
            assert!(right, "{seed}, {mode:?} {backend:?}: {found:?}, not {expected:?}\n{text}");
            values += 1;
        }
    }
    assert!(values > 12 && missing > 12, "{values} values and {missing} errors say little");
}
