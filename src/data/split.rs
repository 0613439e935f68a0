//! Pieces of work on text, on several threads.

use crate::batch::threads;

/// What `work` makes of each piece, in order.
pub fn map<T: Send, R: Send + Default>(
    pieces: impl ExactSizeIterator<Item = T> + Send,
    threads: usize,
    work: impl Fn(T) -> R + Sync,
) -> Vec<R> {
    let mut results: Vec<R> = std::iter::repeat_with(R::default).take(pieces.len()).collect();
    let work = |(): &mut (), (piece, slot): (T, &mut R)| {
        *slot = work(piece);
        Ok::<(), std::convert::Infallible>(())
    };
    let Ok(()) = threads::each(pieces.zip(&mut results), threads, || (), work);
    results
}
