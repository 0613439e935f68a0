//! Paired timing.

use std::time::Instant;

/// Something to time, by its name.
pub type Timed<'a> = (&'a str, Box<dyn FnMut() + 'a>);

pub struct Row {
    pub name: String,
    /// The least nanoseconds a point.
    pub least: f64,
    /// The median of the ratios to the first candidate in the same round.
    pub ratio: f64,
}

/// Times candidates in turn, round by round, so that each round sees the same machine.
pub fn paired(points: usize, calls: usize, rounds: usize, candidates: &mut [Timed<'_>]) -> Vec<Row> {
    let mut times: Vec<Vec<f64>> = vec![Vec::new(); candidates.len()];
    for round in 0..rounds + 1 {
        for ((_, candidate), times) in candidates.iter_mut().zip(&mut times) {
            let start = Instant::now();
            (0..calls).for_each(|_| candidate());
            // The first round warms up.
            if round > 0 {
                times.push(start.elapsed().as_nanos() as f64 / (calls * points) as f64);
            }
        }
    }
    let row = |(name, own): (&str, &Vec<f64>)| Row {
        name: name.to_owned(),
        least: own.iter().copied().fold(f64::INFINITY, f64::min),
        ratio: median(own.iter().zip(&times[0]).map(|(time, base)| time / base).collect()),
    };
    candidates.iter().map(|(name, _)| *name).zip(&times).map(row).collect()
}

pub fn print(title: &str, rows: &[Row]) {
    println!("\n{title}");
    println!("  {:<44} {:>10} {:>8}", "", "ns/point", "ratio");
    for Row { name, least, ratio } in rows {
        println!("  {name:<44} {least:>10.3} {ratio:>8.2}");
    }
}

pub fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}
