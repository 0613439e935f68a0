//! Paired timing.

use std::time::Instant;

/// Times candidates in turn, round by round, so that each round sees the same machine. For each: the median of
/// nanoseconds per call, and the median of the ratios to the first of the same round.
pub fn paired(calls: usize, rounds: usize, candidates: &mut [(&str, &mut dyn FnMut())]) -> Vec<(String, f64, f64)> {
    let mut times: Vec<Vec<f64>> = vec![Vec::new(); candidates.len()];
    for round in 0..rounds + 1 {
        for (index, (_, candidate)) in candidates.iter_mut().enumerate() {
            let start = Instant::now();
            for _ in 0..calls {
                candidate();
            }
            // The first round warms up.
            if round > 0 {
                times[index].push(start.elapsed().as_nanos() as f64 / calls as f64);
            }
        }
    }
    let ratios = |index: usize| times[index].iter().zip(&times[0]).map(|(time, base)| time / base).collect::<Vec<_>>();
    candidates
        .iter()
        .enumerate()
        .map(|(index, (name, _))| ((*name).to_owned(), median(times[index].clone()), median(ratios(index))))
        .collect()
}

pub fn print(title: &str, rows: &[(String, f64, f64)]) {
    println!("\n{title}");
    println!("  {:<44} {:>12} {:>8}", "", "ns", "ratio");
    for (name, time, ratio) in rows {
        println!("  {name:<44} {time:>12.1} {ratio:>8.2}");
    }
}

pub fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}
