//! Work that flows: taken in order, done on several threads, given on in order.
//!
//! What is on its way is a *packet*: memory that is filled by `take`, changed by `work`, emptied by `give`, and used again. There are
//! twice as many packets as threads, so memory is bounded; a worker without one waits. Only one worker takes at a time, and only one
//! gives; whoever has the packet that is due gives it, and those after it that are done.
//!
//! The results are those of one thread that takes, works and gives in turn, and so is the error: the first in the order of packets.

use super::{Block, Error, Raw, Source};

/// More threads than taking and giving, one at a time, can keep busy.
#[cfg(feature = "threads")]
const MOST: usize = 64;

/// Lets packets flow until `take` says that there is no more, or `give` that it wants none, both by `false`. 0 threads are as
/// many as the machine has.
///
/// # Errors
/// The first of `take` or `give`; nothing after it is given.
pub fn run<P: Send, E: Send>(
    threads: usize,
    packet: impl Fn() -> P + Sync,
    mut take: impl FnMut(&mut P) -> Result<bool, E> + Send,
    work: impl Fn(&mut P) + Sync,
    mut give: impl FnMut(&mut P) -> Result<bool, E> + Send,
) -> Result<(), E> {
    #[cfg(feature = "threads")]
    {
        let threads = crate::batch::threads::count(threads).min(MOST);
        if threads > 1 {
            return shared::run(threads, packet, take, work, give);
        }
    }
    let _ = threads;
    let mut packet = packet();
    while take(&mut packet)? {
        work(&mut packet);
        if !give(&mut packet)? {
            break;
        }
    }
    Ok(())
}

/// Reads a source to its end: `each` gets its blocks in order.
///
/// # Errors
/// Those of the source, and of `each`.
pub fn blocks<E: From<Error> + Send>(
    source: &mut dyn Source,
    threads: usize,
    mut each: impl FnMut(&mut Block) -> Result<(), E> + Send,
) -> Result<(), E> {
    let decoder = source.decoder();
    run(
        threads,
        <(Raw, Block)>::default,
        |(raw, _)| Ok(source.take(raw)?),
        |(raw, block)| decoder.decode(raw, block),
        |(_, block)| each(block).map(|()| true),
    )
}

#[cfg(feature = "threads")]
mod shared {
    use std::collections::BTreeMap;
    use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

    /// What workers take from.
    struct Input<T> {
        take: T,
        /// The number of the next packet.
        next: usize,
    }

    /// What workers give to.
    struct Output<P, E, G> {
        /// Away while somebody gives.
        give: Option<G>,
        /// The number of the packet that is due.
        due: usize,
        /// Packets before their turn, or why there is none.
        done: BTreeMap<usize, Result<P, E>>,
        spare: Vec<P>,
        /// Nothing more is taken or given.
        over: bool,
        error: Option<E>,
    }

    struct Flow<T, P, E, G> {
        input: Mutex<Input<T>>,
        output: Mutex<Output<P, E, G>>,
        /// A packet is spare, or it is over.
        change: Condvar,
    }

    /// A panic elsewhere is passed on by the scope; it says nothing about what the locks guard.
    fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
        mutex.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn run<P: Send, E: Send>(
        threads: usize,
        packet: impl Fn() -> P + Sync,
        take: impl FnMut(&mut P) -> Result<bool, E> + Send,
        work: impl Fn(&mut P) + Sync,
        give: impl FnMut(&mut P) -> Result<bool, E> + Send,
    ) -> Result<(), E> {
        let spare = std::iter::repeat_with(packet).take(2 * threads).collect();
        let output = Output { give: Some(give), due: 0, done: BTreeMap::new(), spare, over: false, error: None };
        let flow =
            Flow { input: Mutex::new(Input { take, next: 0 }), output: Mutex::new(output), change: Condvar::new() };
        std::thread::scope(|scope| {
            for _ in 1..threads {
                scope.spawn(|| flow.work(&work));
            }
            flow.work(&work);
        });
        let output = flow.output.into_inner().unwrap_or_else(PoisonError::into_inner);
        output.error.map_or(Ok(()), Err)
    }

    impl<T, P, E, G> Flow<T, P, E, G>
    where
        T: FnMut(&mut P) -> Result<bool, E>,
        G: FnMut(&mut P) -> Result<bool, E>,
    {
        fn work(&self, work: &impl Fn(&mut P)) {
            let _alarm = Alarm(self);
            while let Some(mut packet) = self.spare() {
                let Some((number, taken)) = self.take(&mut packet) else { break };
                let done = taken.map(|()| {
                    work(&mut packet);
                    packet
                });
                self.give(number, done);
            }
        }

        /// A packet to fill; `None` when it is over.
        fn spare(&self) -> Option<P> {
            let mut output = lock(&self.output);
            while !output.over {
                if let Some(packet) = output.spare.pop() {
                    return Some(packet);
                }
                output = self.change.wait(output).unwrap_or_else(PoisonError::into_inner);
            }
            None
        }

        /// Fills a packet; its number, or that of the failure. `None` at the end.
        fn take(&self, packet: &mut P) -> Option<(usize, Result<(), E>)> {
            let mut input = lock(&self.input);
            // The end has the greatest number.
            if input.next == usize::MAX {
                return None;
            }
            let number = input.next;
            let taken = (input.take)(packet);
            input.next = if matches!(taken, Ok(true)) { number + 1 } else { usize::MAX };
            match taken {
                Ok(true) => Some((number, Ok(()))),
                Ok(false) => {
                    drop(input);
                    // Who waits for a packet would find nothing to fill it with.
                    self.change.notify_all();
                    None
                }
                Err(error) => Some((number, Err(error))),
            }
        }

        /// Gives a packet in its turn, and those that wait for it.
        fn give(&self, number: usize, done: Result<P, E>) {
            let mut output = lock(&self.output);
            output.done.insert(number, done);
            let Some(mut give) = output.give.take() else { return };
            while !output.over {
                let due = output.due;
                let Some(done) = output.done.remove(&due) else { break };
                output.due += 1;
                let given = match done {
                    Ok(mut packet) => {
                        drop(output);
                        let given = give(&mut packet);
                        output = lock(&self.output);
                        output.spare.push(packet);
                        given
                    }
                    Err(error) => Err(error),
                };
                if !matches!(given, Ok(true)) {
                    output.over = true;
                    output.error = given.err();
                    // What has been taken beyond it is not wanted.
                    drop(output);
                    self.change.notify_all();
                    return;
                }
                self.change.notify_one();
            }
            output.give = Some(give);
        }
    }

    /// Wakes those who wait for a packet that a panic has lost.
    struct Alarm<'f, T, P, E, G>(&'f Flow<T, P, E, G>);

    impl<T, P, E, G> Drop for Alarm<'_, T, P, E, G> {
        fn drop(&mut self) {
            if std::thread::panicking() {
                lock(&self.0.output).over = true;
                self.0.change.notify_all();
            }
        }
    }
}
