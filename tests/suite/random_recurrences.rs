//! Random arrays of different ranks that need each other, against plain recursion, and their derivatives by every mode and back end
//! against differences of it.
//!
//! A program is made so that it has an order: a turn of the outer loop makes the arrays one after the other, some of them along
//! their second dimension. Which dimension is the outer one, in which direction it goes and in which order the text tells the
//! clauses is chosen anew for each, and isn't told.

use chainrule::{Array, Backend, Mode, Program};
use std::collections::HashMap;

use crate::random::Random;

/// The extent of every dimension.
const N: usize = 4;

struct Recurrence {
    arrays: Vec<Made>,
    downwards: bool,
}

/// An array as it is made.
struct Made {
    rank: usize,
    /// The place of the outer loop's index among the subscripts.
    outer: usize,
    along: Along,
    /// What every element but those of the first turn is computed from.
    terms: Vec<Term>,
}

#[derive(Clone, Copy, PartialEq)]
enum Along {
    Nothing,
    Up,
    Down,
}

/// The sum of some elements.
struct Term {
    from: usize,
    turn: Turn,
    /// What stands in each dimension that isn't the outer one.
    inner: Vec<Inner>,
}

#[derive(Clone, Copy, PartialEq)]
enum Turn {
    Same,
    Last,
    /// Of all turns before.
    Earlier,
}

#[derive(Clone, Copy)]
enum Inner {
    /// That of the element which is computed.
    Own(usize),
    Fixed(usize),
    All,
    /// What has been made of the same row.
    Made,
}

impl Recurrence {
    fn new(random: &mut Random) -> Recurrence {
        let count = 2 + random.below(3);
        let mut arrays: Vec<Made> = Vec::new();
        for _ in 0..count {
            let rank = 1 + random.below(3);
            let along = match random.below(4) {
                0 | 1 if rank > 1 => Along::Up,
                2 if rank > 1 => Along::Down,
                _ => Along::Nothing,
            };
            arrays.push(Made { rank, outer: random.below(rank), along, terms: Vec::new() });
        }
        for array in 0..count {
            let mut terms = Vec::new();
            // A ring of needs, so that all are made together, and more.
            for number in 0..2 + random.below(2) {
                let from = if number == 0 { (array + 1) % count } else { random.below(count) };
                let is_made = from < array && random.below(2) == 0;
                let own_row = from == array && arrays[array].along != Along::Nothing;
                let turn = match random.below(3) {
                    _ if is_made || own_row => Turn::Same,
                    0 => Turn::Earlier,
                    _ => Turn::Last,
                };
                let inner = (1..arrays[from].rank).map(|place| match random.below(4) {
                    _ if own_row && place == 1 => Inner::Made,
                    0 | 1 if place < arrays[array].rank => Inner::Own(place),
                    2 => Inner::Fixed(random.below(N)),
                    _ => Inner::All,
                });
                let inner = inner.collect();
                terms.push(Term { from, turn, inner });
            }
            arrays[array].terms = terms;
        }
        Recurrence { arrays, downwards: random.below(2) == 0 }
    }

    /// The text, its clauses in any order.
    fn text(&self, random: &mut Random) -> String {
        let names = ["t", "i", "j"];
        let (first, rest) = if self.downwards { (N - 1, format!("0..{}", N - 1)) } else { (0, format!("1..{N}")) };
        let mut clauses = Vec::new();
        for (number, array) in self.arrays.iter().enumerate() {
            let inner: Vec<String> = names[1..array.rank].iter().map(ToString::to_string).collect();
            let ranges: String = inner.iter().map(|name| format!(", {name} in 0..{N}")).collect();
            let places: String = (1..array.rank).map(|place| format!(" + {}*{}", place + 1, names[place])).collect();
            let at_first = array.subscripts(&first.to_string(), &inner);
            let ranges_of_first = if inner.is_empty() { String::new() } else { format!(" for {}", &ranges[2..]) };
            clauses.push(format!("a{number}[{at_first}] = sin(p[{number}]*({number} + 1{places})){ranges_of_first}"));
            let terms: Vec<String> = array.terms.iter().map(|term| self.term(array, term)).collect();
            let at = array.subscripts("t", &inner);
            let sum = terms.join(" + ");
            clauses.push(format!(
                "a{number}[{at}] = sin(p[{number}]*(t + 1{places}) + 0.1*({sum})) for t in {rest}{ranges}"
            ));
        }
        for place in (1..clauses.len()).rev() {
            clauses.swap(place, random.below(place + 1));
        }
        let sums = self.arrays.iter().enumerate().map(|(number, array)| {
            let indices = names[..array.rank].join(", ");
            let ranges: Vec<String> = names[..array.rank].iter().map(|name| format!("{name} in 0..{N}")).collect();
            format!("sum[{}](a{number}[{indices}]^2*(1 + t))", ranges.join(", "))
        });
        format!("param p[P]\n{}\n{}\n", clauses.join("\n"), sums.collect::<Vec<_>>().join(" + "))
    }

    fn term(&self, reader: &Made, term: &Term) -> String {
        let mut binders = Vec::new();
        let turn = match (term.turn, self.downwards) {
            (Turn::Same, _) => "t".to_owned(),
            (Turn::Last, false) => "t-1".to_owned(),
            (Turn::Last, true) => "t+1".to_owned(),
            (Turn::Earlier, false) => {
                binders.push("s in 0..t".to_owned());
                "s".to_owned()
            }
            (Turn::Earlier, true) => {
                binders.push(format!("s in t+1..{N}"));
                "s".to_owned()
            }
        };
        let mut inner = Vec::new();
        for (place, choice) in (1..).zip(&term.inner) {
            inner.push(match choice {
                Inner::Own(place) => ["", "i", "j"][*place].to_owned(),
                Inner::Fixed(place) => place.to_string(),
                Inner::All | Inner::Made => {
                    let range = match (choice, reader.along) {
                        (Inner::Made, Along::Up) => "0..i".to_owned(),
                        (Inner::Made, _) => format!("i+1..{N}"),
                        _ => format!("0..{N}"),
                    };
                    binders.push(format!("k{place} in {range}"));
                    format!("k{place}")
                }
            });
        }
        let element = format!("a{}[{}]", term.from, self.arrays[term.from].subscripts(&turn, &inner));
        match binders.as_slice() {
            [] => element,
            binders => format!("sum[{}]({element})", binders.join(", ")),
        }
    }

    /// The result, by recursion.
    fn value(&self, p: &[f64]) -> f64 {
        let mut known = HashMap::new();
        let mut sum = 0.0;
        for (number, array) in self.arrays.iter().enumerate() {
            for place in places(array.rank) {
                let index = if self.downwards { N - 1 - place[0] } else { place[0] };
                // Of the text's subscripts the first one has the name `t` in the last line.
                let subscripts = array.in_order(index, &place[1..]);
                sum += self.element(number, &place, p, &mut known).powi(2) * (1 + subscripts[0]) as f64;
            }
        }
        sum
    }

    /// An element, at its turn and its inner places.
    fn element(&self, number: usize, place: &[usize], p: &[f64], known: &mut HashMap<(usize, Vec<usize>), f64>) -> f64 {
        if let Some(&value) = known.get(&(number, place.to_vec())) {
            return value;
        }
        let array = &self.arrays[number];
        let index = if self.downwards { N - 1 - place[0] } else { place[0] };
        let weights: usize = (1..array.rank).map(|at| (at + 1) * place[at]).sum();
        let value = if place[0] == 0 {
            (p[number] * (number + 1 + weights) as f64).sin()
        } else {
            let mut sum = 0.0;
            for term in &array.terms {
                let turns = match term.turn {
                    Turn::Same => place[0]..place[0] + 1,
                    Turn::Last => place[0] - 1..place[0],
                    Turn::Earlier => 0..place[0],
                };
                let fits = |at: &[usize]| {
                    let fits = |(&at, choice): (&usize, &Inner)| match (choice, array.along) {
                        (Inner::Own(own), _) => at == place[*own],
                        (Inner::Fixed(fixed), _) => at == *fixed,
                        (Inner::All, _) => true,
                        (Inner::Made, Along::Up) => at < place[1],
                        (Inner::Made, _) => at > place[1],
                    };
                    turns.contains(&at[0]) && at[1..].iter().zip(&term.inner).all(fits)
                };
                for at in places(self.arrays[term.from].rank).filter(|at| fits(at)) {
                    sum += self.element(term.from, &at, p, known);
                }
            }
            (p[number] * (index + 1 + weights) as f64 + 0.1 * sum).sin()
        };
        known.insert((number, place.to_vec()), value);
        value
    }
}

impl Made {
    /// The outer index among the inner ones.
    fn in_order<T: Clone>(&self, outer: T, inner: &[T]) -> Vec<T> {
        let mut all = inner.to_vec();
        all.insert(self.outer, outer);
        all
    }

    fn subscripts(&self, outer: &str, inner: &[String]) -> String {
        self.in_order(outer.to_owned(), inner).join(",")
    }
}

/// All subscripts of an array.
fn places(rank: usize) -> impl Iterator<Item = Vec<usize>> {
    (0..N.pow(rank as u32)).map(move |number| (0..rank).map(|at| number / N.pow(at as u32) % N).collect())
}

#[test]
fn arrays_of_any_ranks_are_made_by_each_other() {
    for seed in 0..12 {
        let mut random = Random(seed * 2 + 1);
        let recurrence = Recurrence::new(&mut random);
        let text = recurrence.text(&mut random);
        let p: Vec<f64> = (0..recurrence.arrays.len()).map(|number| 0.3 + 0.17 * number as f64).collect();
        let program = Program::parse(&text).unwrap_or_else(|error| panic!("{seed}: {text}\n{error}"));
        let value = recurrence.value(&p);
        let slope = |place: usize| {
            let at = |step: f64| {
                let mut p = p.clone();
                p[place] += step;
                recurrence.value(&p)
            };
            let h = 2e-4;
            (45.0 * (at(h) - at(-h)) - 9.0 * (at(2.0 * h) - at(-2.0 * h)) + (at(3.0 * h) - at(-3.0 * h))) / (60.0 * h)
        };
        let expected: Vec<f64> = [value].into_iter().chain((0..p.len()).map(slope)).collect();
        let mut found: Vec<Vec<f64>> = Vec::new();
        for mode in [Mode::Forward, Mode::Reverse] {
            for backend in [Backend::Auto, Backend::Interpreter] {
                let request = program.jacobian().mode(mode).backend(backend).by_name();
                let answer = request.with("p", &Array::new(&[p.len()], p.clone())).run();
                let answer = answer.unwrap_or_else(|error| panic!("{seed}: {text}\n{error}"));
                found.push(answer.iter().flat_map(|(_, array)| array.data.clone()).collect());
            }
            let last = found.len() - 1;
            assert_eq!(found[last], found[last - 1], "{seed}, {mode:?}: back ends\n{text}");
        }
        for (found, accuracy) in found.iter().zip([1e-7; 4]) {
            let close = |(a, b): (&f64, &f64)| (a - b).abs() <= accuracy * b.abs().max(1.0);
            assert!(found.iter().zip(&expected).all(close), "{seed}: {text}\nis {found:?}, not {expected:?}");
        }
        let close = |(a, b): (&f64, &f64)| (a - b).abs() <= 1e-11 * b.abs().max(1.0);
        assert!(
            found[0].iter().zip(&found[2]).all(close),
            "{seed}: {text}\nforward {:?}, reverse {:?}",
            found[0],
            found[2]
        );
    }
}
