//! Paired timing, and an allocator that knows its peak.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
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

/// The system's allocator, counting.
pub struct PeakAllocator {
    now: AtomicUsize,
    peak: AtomicUsize,
}

impl PeakAllocator {
    pub const fn new() -> PeakAllocator {
        PeakAllocator { now: AtomicUsize::new(0), peak: AtomicUsize::new(0) }
    }

    /// The most bytes that `work` had allocated at a time, above what was there before.
    pub fn peak_of<R>(&self, work: impl FnOnce() -> R) -> (R, usize) {
        let before = self.now.load(Ordering::Relaxed);
        self.peak.store(before, Ordering::Relaxed);
        let result = work();
        (result, self.peak.load(Ordering::Relaxed).saturating_sub(before))
    }
}

// SAFETY: every request goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for PeakAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = self.now.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        self.peak.fetch_max(now, Ordering::Relaxed);
        // SAFETY: the caller's promise about `layout` is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        self.now.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise about `at` and `layout` is passed on.
        unsafe { System.dealloc(at, layout) }
    }
}
