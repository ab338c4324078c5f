//! What [`tokio::sync::Notify`] does, for models.
//!
//! It is written from what tokio documents, with a lock around everything: it keeps at most one
//! wake-up for later, wakes whoever has been in line for longest, hands on what a waiter was given
//! who then did not wait for it, and wakes all by waking those who have asked for it so far.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use loom::sync::{Condvar, Mutex};

#[derive(Debug, Default)]
pub(crate) struct Notify {
    line: Mutex<Line>,
}

#[derive(Debug, Default)]
struct Line {
    /// A wake-up that came when nobody was in line.
    permit: bool,
    /// How often all were woken.
    rounds: usize,
    next: usize,
    /// Those in line, the first one first.
    waiters: VecDeque<Waiter>,
}

#[derive(Debug)]
struct Waiter {
    number: usize,
    woken: Option<Woken>,
    waker: Option<Waker>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Woken {
    /// As the one whose turn it was, so it must not get lost.
    One,
    /// Together with all others.
    All,
}

impl Notify {
    pub(crate) fn notify_one(&self) {
        let mut line = self.line.lock().unwrap();
        let waker = match line.waiters.iter_mut().find(|one| one.woken.is_none()) {
            Some(first) => {
                first.woken = Some(Woken::One);
                first.waker.take()
            }
            None => {
                line.permit = true;
                None
            }
        };
        drop(line);
        waker.map(Waker::wake);
    }

    pub(crate) fn notify_waiters(&self) {
        let mut line = self.line.lock().unwrap();
        line.rounds += 1;
        let mut wakers = Vec::new();
        for waiter in line.waiters.iter_mut().filter(|one| one.woken.is_none()) {
            waiter.woken = Some(Woken::All);
            wakers.extend(waiter.waker.take());
        }
        drop(line);
        wakers.into_iter().for_each(Waker::wake);
    }

    pub(crate) fn notified(&self) -> Notified<'_> {
        let rounds = self.line.lock().unwrap().rounds;
        let place = Place::Outside { rounds };
        Notified { on: self, place }
    }
}

/// Somebody who wants to be woken.
pub(crate) struct Notified<'a> {
    on: &'a Notify,
    place: Place,
}

#[derive(Clone, Copy, Debug)]
enum Place {
    /// Not in line yet; all were woken so often when it came.
    Outside {
        rounds: usize,
    },
    InLine {
        number: usize,
    },
    Over,
}

impl Notified<'_> {
    /// Gets in line, and returns whether it has been woken.
    pub(crate) fn enable(self: Pin<&mut Self>) -> bool {
        self.get_mut().ask(None)
    }

    fn ask(&mut self, waker: Option<&Waker>) -> bool {
        let mut line = self.on.line.lock().unwrap();
        let number = match self.place {
            Place::Over => return true,
            Place::InLine { number } => number,
            Place::Outside { rounds } => {
                let woken = line.rounds != rounds || std::mem::take(&mut line.permit);
                if woken {
                    self.place = Place::Over;
                    return true;
                }
                let number = line.next;
                line.next += 1;
                line.waiters.push_back(Waiter {
                    number,
                    woken: None,
                    waker: None,
                });
                self.place = Place::InLine { number };
                number
            }
        };
        let at = line.place_of(number);
        if line.waiters[at].woken.is_some() {
            line.waiters.remove(at);
            self.place = Place::Over;
            return true;
        }
        line.waiters[at].waker = waker.cloned();
        false
    }
}

impl Line {
    fn place_of(&self, number: usize) -> usize {
        let at = self.waiters.iter().position(|one| one.number == number);
        at.expect("who is in line has a place")
    }
}

impl Future for Notified<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.get_mut().ask(Some(cx.waker())) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}

impl Drop for Notified<'_> {
    fn drop(&mut self) {
        let Place::InLine { number } = self.place else {
            return;
        };
        let mut line = self.on.line.lock().unwrap();
        let at = line.place_of(number);
        let waiter = line.waiters.remove(at);
        drop(line);
        if waiter.is_some_and(|waiter| waiter.woken == Some(Woken::One)) {
            self.on.notify_one();
        }
    }
}

/// Runs a future on a thread of a model, which sleeps while it is pending.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let thread = Arc::new(Thread::default());
    let waker = Waker::from(Arc::clone(&thread));
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        let mut woken = thread.woken.lock().unwrap();
        while !std::mem::take(&mut *woken) {
            woken = thread.wakes.wait(woken).unwrap();
        }
    }
}

#[derive(Debug, Default)]
struct Thread {
    woken: Mutex<bool>,
    wakes: Condvar,
}

impl Wake for Thread {
    fn wake(self: Arc<Self>) {
        *self.woken.lock().unwrap() = true;
        self.wakes.notify_one();
    }
}
