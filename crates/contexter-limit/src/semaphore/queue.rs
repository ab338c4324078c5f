//! Who waits for a place, in order.
//!
//! A linked list in a vector: a waiter that is dropped leaves from the middle at once, and the places
//! in the vector are used again, so that it grows no larger than the longest queue there was.

use std::task::Waker;

/// Names a waiter until it leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket(usize);

#[derive(Debug, Default)]
pub(crate) struct Queue {
    nodes: Vec<Node>,
    head: Option<usize>,
    tail: Option<usize>,
    free: Option<usize>,
    waiting: usize,
}

#[derive(Debug)]
struct Node {
    state: State,
    before: Option<usize>,
    after: Option<usize>,
}

#[derive(Debug)]
enum State {
    Free,
    Waiting(Waker),
    /// It has a place, and left the list, but has not been polled since.
    Granted,
}

impl Queue {
    /// Returns how many wait.
    pub(crate) fn len(&self) -> usize {
        self.waiting
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting == 0
    }

    /// Adds a waiter at the end.
    pub(crate) fn push(&mut self, waker: Waker) -> Ticket {
        let node = Node {
            state: State::Waiting(waker),
            before: self.tail,
            after: None,
        };
        let index = if let Some(index) = self.free {
            let place = self.node(index);
            let next = place.after;
            *place = node;
            self.free = next;
            index
        } else {
            self.nodes.push(node);
            self.nodes.len() - 1
        };
        match self.tail {
            Some(tail) => self.node(tail).after = Some(index),
            None => self.head = Some(index),
        }
        self.tail = Some(index);
        self.waiting += 1;
        Ticket(index)
    }

    /// Gives a place to the first waiter; the waker is to be woken when no lock is held.
    pub(crate) fn grant(&mut self) -> Option<Waker> {
        let head = self.head?;
        self.unlink(head);
        match std::mem::replace(&mut self.node(head).state, State::Granted) {
            State::Waiting(waker) => Some(waker),
            State::Free | State::Granted => unreachable_state(),
        }
    }

    /// Lets a waiter leave that has a place; otherwise keeps the waker, and returns the one that it
    /// replaces, to be dropped when no lock is held.
    pub(crate) fn poll(
        &mut self,
        ticket: Ticket,
        waker: &Waker,
        fresh: &mut Option<Waker>,
    ) -> bool {
        let node = self.node(ticket.0);
        match &mut node.state {
            State::Granted => {
                self.release(ticket);
                true
            }
            State::Waiting(known) => {
                if !known.will_wake(waker)
                    && let Some(fresh) = fresh
                {
                    std::mem::swap(known, fresh);
                }
                false
            }
            State::Free => unreachable_state(),
        }
    }

    /// Lets a waiter leave: one that has no place returns its waker, to be dropped when no lock is held.
    pub(crate) fn leave(&mut self, ticket: Ticket) -> Option<Waker> {
        if matches!(self.node(ticket.0).state, State::Waiting(_)) {
            self.unlink(ticket.0);
        }
        match self.release(ticket) {
            State::Waiting(waker) => Some(waker),
            State::Granted => None,
            State::Free => unreachable_state(),
        }
    }

    /// Takes a waiter out of the list.
    fn unlink(&mut self, index: usize) {
        let node = self.node(index);
        let (before, after) = (node.before.take(), node.after.take());
        match before {
            Some(before) => self.node(before).after = after,
            None => self.head = after,
        }
        match after {
            Some(after) => self.node(after).before = before,
            None => self.tail = before,
        }
        self.waiting -= 1;
    }

    /// Makes a place in the vector free.
    fn release(&mut self, ticket: Ticket) -> State {
        let free = self.free;
        let node = self.node(ticket.0);
        node.after = free;
        let state = std::mem::replace(&mut node.state, State::Free);
        self.free = Some(ticket.0);
        state
    }

    fn node(&mut self, index: usize) -> &mut Node {
        self.nodes
            .get_mut(index)
            .expect("a ticket and a link name a node, and none is ever removed")
    }
}

#[cold]
#[expect(
    clippy::panic,
    reason = "a ticket is used by its one owner, until it leaves"
)]
fn unreachable_state() -> ! {
    panic!("a waiter is in the list exactly while it waits, and its place is free after it left")
}
