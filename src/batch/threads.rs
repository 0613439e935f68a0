//! Jobs in order, on one thread or several.

/// More threads than anyone has.
#[cfg(feature = "threads")]
const MOST: usize = 1024;

/// How many threads are meant: 0 is as many as the machine has.
#[cfg(feature = "threads")]
pub fn count(threads: usize) -> usize {
    if threads == 0 { rayon::current_num_threads() } else { threads.min(MOST) }
}

/// Without threads there is one.
#[cfg(not(feature = "threads"))]
pub fn count(_: usize) -> usize {
    1
}

/// Does the jobs, each worker with a state of its own, on at most `threads` threads; 0 is as many as the machine has.
///
/// # Errors
/// That of the first job that fails. Jobs are begun in order, so every one before it has been done.
pub fn each<J: Send, S, E: Send>(
    jobs: impl Iterator<Item = J> + Send,
    threads: usize,
    state: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, J) -> Result<(), E> + Sync,
) -> Result<(), E> {
    #[cfg(feature = "threads")]
    if count(threads) > 1 {
        return shared::each(jobs, count(threads), state, work);
    }
    let _ = threads;
    let mut state = state();
    for job in jobs {
        work(&mut state, job)?;
    }
    Ok(())
}

#[cfg(feature = "threads")]
mod shared {
    use std::sync::{Mutex, PoisonError};

    pub fn each<J: Send, S, E: Send>(
        jobs: impl Iterator<Item = J> + Send,
        threads: usize,
        state: impl Fn() -> S + Sync,
        work: impl Fn(&mut S, J) -> Result<(), E> + Sync,
    ) -> Result<(), E> {
        let queue = Mutex::new((jobs.enumerate(), false));
        let failure: Mutex<Option<(usize, E)>> = Mutex::new(None);
        // A panic elsewhere is passed on by the scope; it says nothing about what the locks guard.
        let next = || {
            let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
            if queue.1 { None } else { queue.0.next() }
        };
        let fail = |index: usize, error: E| {
            queue.lock().unwrap_or_else(PoisonError::into_inner).1 = true;
            let mut failure = failure.lock().unwrap_or_else(PoisonError::into_inner);
            if failure.as_ref().is_none_or(|(first, _)| index < *first) {
                *failure = Some((index, error));
            }
        };
        let worker = || {
            let mut state = state();
            while let Some((index, job)) = next() {
                if let Err(error) = work(&mut state, job) {
                    fail(index, error);
                }
            }
        };
        // The caller works as well, at once, rather than wait for a thread of the pool to do what it could do itself.
        rayon::in_place_scope(|scope| {
            for _ in 1..threads {
                scope.spawn(|_| worker());
            }
            worker();
        });
        let failure = failure.into_inner().unwrap_or_else(PoisonError::into_inner);
        failure.map_or(Ok(()), |(_, error)| Err(error))
    }
}
