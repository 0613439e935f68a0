//! Sums of the lanes of several rows at once, by halves.
//!
//! ```text
//! a0 a1 a2 a3 a4 a5 a6 a7                                  (lane k takes up lane k + 4)
//! b0 b1 b2 b3 b4 b5 b6 b7   ─halves─▶  a0 a1 a2 a3 b0 b1 b2 b3                                          (k + 2)
//!                                      c0 c1 c2 c3 d0 d1 d2 d3  ─quarters─▶  a0 a1 b0 b1 c0 c1 d0 d1    (k + 1)
//!                                                                            e0 e1 f0 f1 …   ─lanes─▶  a e b f c g d h
//! ```
//!
//! So that the sums come in the order of their rows, those with even numbers are on one side and those with odd numbers on the other.

use super::super::low::{Id, Low, Pick, Program, RowOp};

/// The sums of vectors, from the lowest lane on: 1, 2, 4 or 8 of them, no more than a vector has lanes.
pub fn sums(program: &mut Program, rows: &[Id]) -> Id {
    let side = |program: &mut Program, first: usize| {
        let mut vectors: Vec<Id> = rows[first..].iter().copied().step_by(2).collect();
        let mut is_one = true;
        let steps = [[Pick::LowHalves, Pick::HighHalves], [Pick::EvenQuarters, Pick::OddQuarters]];
        let n_steps = program.width.lanes().ilog2() as usize - 1;
        for step in &steps[..n_steps] {
            let next = vectors.chunks(2).map(|pair| join(program, pair, *step, is_one)).collect();
            is_one = vectors.len() == 1 && is_one;
            vectors = next;
        }
        vectors[0]
    };
    let even = side(program, 0);
    let both = if rows.len() > 1 { vec![even, side(program, 1)] } else { vec![even] };
    join(program, &both, [Pick::EvenLanes, Pick::OddLanes], rows.len() == 1)
}

/// What lies low in one or two vectors, plus what lies high. Of a single row, only the lowest lanes matter from here on.
fn join(program: &mut Program, vectors: &[Id], [low, high]: [Pick; 2], is_one: bool) -> Id {
    let (a, b) = (vectors[0], *vectors.last().unwrap_or(&vectors[0]));
    let lower = if vectors.len() == 1 && is_one { a } else { program.add(Low::Row(RowOp::Pick(low)), &[a, b]) };
    let upper = program.add(Low::Row(RowOp::Pick(high)), &[a, b]);
    program.add(Low::Add, &[lower, upper])
}
