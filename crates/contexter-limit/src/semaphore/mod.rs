//! A limit on concurrent calls with a bounded queue, first come first served.
//!
//! One word says how many run and whether anybody waits. While nobody does, a call takes and gives
//! back its place by one exchange each. While somebody waits, everything goes through the lock, and
//! a place that becomes free is handed to who waited longest: nobody can come in between.

mod enter;
mod queue;
mod room;

use std::task::Waker;

use crate::sync::{AtomicU64, Mutex, Ordering};

use queue::Queue;

pub(crate) use enter::Enter;
pub(crate) use queue::Ticket;
pub(crate) use room::{InRoom, Place, Room};

/// Somebody waits. The count of running calls is below it.
const WAITING: u64 = 1 << 63;

/// The state machine. Release and acquire make what a call did visible to the one that gets its
/// place.
#[derive(Debug)]
pub(crate) struct Semaphore {
    word: AtomicU64,
    /// Written under the lock.
    limit: AtomicU64,
    line: Mutex<Line>,
}

#[derive(Debug)]
struct Line {
    queue: Queue,
    max_queue: usize,
}

/// How a call came in.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Entered {
    /// It has a place.
    Admitted,
    /// It waits.
    Waiting(Ticket),
    /// It has no place, not even one to wait.
    Full,
}

impl Semaphore {
    pub(crate) fn new(limit: usize, max_queue: usize) -> Self {
        Self {
            word: AtomicU64::new(0),
            limit: AtomicU64::new(wide(limit)),
            line: Mutex::new(Line {
                queue: Queue::default(),
                max_queue,
            }),
        }
    }

    pub(crate) fn limit(&self) -> usize {
        narrow(self.limit.load(Ordering::Relaxed))
    }

    /// Returns how many calls run.
    pub(crate) fn running(&self) -> usize {
        narrow(self.word.load(Ordering::Relaxed) & !WAITING)
    }

    /// Returns how many calls wait.
    pub(crate) fn waiting(&self) -> usize {
        self.line.hold(|line| line.queue.len())
    }

    /// Takes a place if there is one and nobody waits.
    #[inline]
    pub(crate) fn try_enter(&self) -> bool {
        let limit = self.limit.load(Ordering::Relaxed);
        let mut word = self.word.load(Ordering::Relaxed);
        // A word with the bit is above every limit: who waits goes first.
        while word < limit {
            match self.exchange(word, word + 1) {
                Ok(()) => return true,
                Err(found) => word = found,
            }
        }
        word & WAITING != 0 && self.try_enter_in_line()
    }

    /// The bit may be set for a moment although nobody waits; the lock tells.
    #[cold]
    fn try_enter_in_line(&self) -> bool {
        self.line.hold(|line| {
            self.word.fetch_or(WAITING, Ordering::AcqRel);
            let entered = self.take(line);
            self.settle(line);
            entered
        })
    }

    /// Takes a free place if nobody waits. The bit is set and the lock held.
    fn take(&self, line: &Line) -> bool {
        let free = line.queue.is_empty() && self.has_place();
        if free {
            self.word.fetch_add(1, Ordering::Relaxed);
        }
        free
    }

    /// The bit is set and the lock held.
    fn has_place(&self) -> bool {
        let running = self.word.load(Ordering::Relaxed) & !WAITING;
        running < self.limit.load(Ordering::Relaxed)
    }

    /// Takes a place, or one in the queue.
    #[cold]
    pub(crate) fn enter_or_wait(&self, waker: &Waker) -> Entered {
        // Cloned and dropped outside of the lock: it is foreign code.
        let mut waker = Some(waker.clone());
        self.line.hold(|line| {
            // With the bit set nobody else changes the word.
            self.word.fetch_or(WAITING, Ordering::AcqRel);
            let entered = if self.take(line) {
                Entered::Admitted
            } else if line.queue.len() >= line.max_queue {
                Entered::Full
            } else {
                waker.take().map_or(Entered::Full, |waker| {
                    Entered::Waiting(line.queue.push(waker))
                })
            };
            self.settle(line);
            entered
        })
    }

    /// Asks for the place that was waited for; once there is one, the ticket is void.
    pub(crate) fn poll(&self, ticket: Ticket, waker: &Waker) -> bool {
        let mut fresh = Some(waker.clone());
        self.line
            .hold(|line| line.queue.poll(ticket, waker, &mut fresh))
    }

    /// Stops waiting; returns whether there is a place all the same, which is then the caller's.
    pub(crate) fn leave(&self, ticket: Ticket) -> bool {
        let in_vain = self.line.hold(|line| {
            let in_vain = line.queue.leave(ticket);
            self.settle(line);
            in_vain
        });
        in_vain.is_none()
    }

    /// Gives a place back: to who waited longest, if anybody waits.
    #[inline]
    pub(crate) fn exit(&self) {
        let mut word = self.word.load(Ordering::Relaxed);
        while word & WAITING == 0 {
            match self.exchange(word, word.saturating_sub(1)) {
                Ok(()) => return,
                Err(found) => word = found,
            }
        }
        self.exit_to_queue();
    }

    #[cold]
    fn exit_to_queue(&self) {
        let next = self.line.hold(|line| {
            // The bit may have gone since it was seen. With it, nobody else changes the word.
            self.word.fetch_or(WAITING, Ordering::AcqRel);
            self.word.fetch_sub(1, Ordering::Release);
            let next = self.hand_over(line);
            self.settle(line);
            next
        });
        if let Some(next) = next {
            next.wake();
        }
    }

    /// Takes new limits. Who runs beyond them ends in its own time; who waits stays.
    pub(crate) fn resize(&self, limit: usize, max_queue: usize) {
        self.set_max_queue(max_queue);
        if self.store_limit(limit) {
            self.fill();
        }
    }

    /// Takes a new limit on the calls that run, and returns whether it is larger; then
    /// [`fill`](Self::fill) is to follow.
    pub(crate) fn store_limit(&self, limit: usize) -> bool {
        let limit = wide(limit);
        self.line
            .hold(|_line| self.limit.swap(limit, Ordering::Relaxed) < limit)
    }

    pub(crate) fn set_max_queue(&self, max_queue: usize) {
        self.line.hold(|line| line.max_queue = max_queue);
    }

    /// Hands out the places that a larger limit made free.
    pub(crate) fn fill(&self) {
        loop {
            let next = self.line.hold(|line| {
                self.word.fetch_or(WAITING, Ordering::AcqRel);
                let next = self.hand_over(line);
                self.settle(line);
                next
            });
            // One at a time, so that each is woken outside of the lock and nothing allocates.
            let Some(next) = next else { return };
            next.wake();
        }
    }

    /// Gives a free place to who waited longest. The bit is set and the lock held.
    fn hand_over(&self, line: &mut Line) -> Option<Waker> {
        if !self.has_place() {
            return None;
        }
        let next = line.queue.grant()?;
        self.word.fetch_add(1, Ordering::Relaxed);
        Some(next)
    }

    /// Takes the bit away if nobody waits. The lock is held.
    fn settle(&self, line: &Line) {
        if line.queue.is_empty() {
            self.word.fetch_and(!WAITING, Ordering::Release);
        }
    }

    #[inline]
    fn exchange(&self, from: u64, to: u64) -> Result<(), u64> {
        self.word
            .compare_exchange_weak(from, to, Ordering::AcqRel, Ordering::Relaxed)
            .map(drop)
    }
}

fn wide(count: usize) -> u64 {
    u64::try_from(count).map_or(WAITING - 1, |count| count.min(WAITING - 1))
}

fn narrow(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}
