//! A broker in memory, with leases, that can be made to fail.

mod source;
mod transport;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use contexter_event_bus::transport::*;
use contexter_protocol::IntegrationEvent;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

pub(crate) use self::transport::Fake;

#[derive(Debug, Default)]
pub(crate) struct Broker {
    state: Mutex<State>,
    changed: Notify,
    tokens: AtomicU64,
    pub(crate) closed: AtomicBool,
    pub(crate) refuse_dead_letters: AtomicBool,
    pub(crate) unavailable: AtomicBool,
    /// Whether nothing that is settled or closed gets an answer.
    pub(crate) hangs: AtomicBool,
    /// How long storing a dead letter takes, in milliseconds.
    pub(crate) slow_letters: AtomicU64,
    /// How long dead letters are on their way to whoever has asked for them, in milliseconds.
    pub(crate) slow_lists: AtomicU64,
    /// How long removing one takes, in milliseconds.
    pub(crate) slow_removals: AtomicU64,
    /// How many removals of dead letters from now on get no answer.
    pub(crate) fail_removals: AtomicU64,
    /// How many publications from now on get no answer.
    pub(crate) fail_next: AtomicU64,
    /// How much of its lease is over when a message is given, in milliseconds.
    pub(crate) read_ahead: AtomicU64,
    /// How many bytes each message has, as far as the broker says.
    pub(crate) size: AtomicUsize,
    /// How many messages are given at once at most, if not 0.
    pub(crate) at_once: AtomicUsize,
    /// The call that panics, and how often from now on.
    panics: Mutex<Option<(&'static str, usize)>>,
}

#[derive(Debug, Default)]
struct State {
    log: Vec<Stored>,
    groups: HashMap<String, Group>,
    letters: BTreeMap<u64, DeadLetter>,
    next_letter: u64,
}

#[derive(Clone, Debug)]
struct Stored {
    message: Result<Arc<IntegrationEvent>, Undecodable>,
    redrive_group: Option<Arc<str>>,
}

#[derive(Debug, Default)]
struct Group {
    /// What may be delivered, and from when on.
    ready: VecDeque<(usize, Instant)>,
    next: usize,
    pending: HashMap<u64, Pending>,
    counts: HashMap<usize, u32>,
    acked: Vec<usize>,
}

#[derive(Debug)]
struct Pending {
    at: usize,
    until: Instant,
}

impl Broker {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    /// Makes the next calls of this name panic.
    pub(crate) fn panic_in(&self, call: &'static str, times: usize) {
        *self.panics.lock() = Some((call, times));
    }

    #[expect(clippy::panic, reason = "it is what a test asks for")]
    fn may_panic(&self, call: &str) {
        let mut panics = self.panics.lock();
        if let Some((name, times)) = &mut *panics
            && *name == call
            && *times > 0
        {
            *times -= 1;
            drop(panics);
            panic!("as asked");
        }
    }

    /// Waits for ever while it hangs.
    async fn answers(&self) {
        if self.hangs.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
    }

    /// Stores bytes that are no event.
    pub(crate) fn store_garbage(&self, body: &[u8]) {
        let raw = RawMessage::new(vec![("x".to_owned(), b"\xff".to_vec())], body.to_vec());
        let message = Err(Undecodable::new("no event", raw));
        self.state.lock().log.push(Stored {
            message,
            redrive_group: None,
        });
        self.changed.notify_waiters();
    }

    pub(crate) fn acked(&self, group: &str) -> usize {
        self.state.lock().groups[group].acked.len()
    }

    pub(crate) fn unsettled(&self, group: &str) -> usize {
        self.state.lock().groups[group].pending.len()
    }

    pub(crate) fn max_count(&self, group: &str) -> u32 {
        let state = self.state.lock();
        state.groups[group]
            .counts
            .values()
            .copied()
            .max()
            .unwrap_or(0)
    }

    /// Makes the group get everything again that somebody holds, as if whoever holds it had died.
    pub(crate) fn forget_consumers(&self, group: &str) {
        let mut state = self.state.lock();
        let group = state.groups.get_mut(group).unwrap();
        let mut held: Vec<_> = group.pending.drain().map(|(_, one)| one.at).collect();
        held.sort_unstable();
        for at in held {
            group.ready.push_back((at, Instant::now()));
        }
        drop(state);
        self.changed.notify_waiters();
    }

    /// How often the group was given more than it may be: each but the first.
    pub(crate) fn redeliveries(&self, group: &str) -> u32 {
        let state = self.state.lock();
        let counts = state.groups[group].counts.values();
        counts.map(|count| count.saturating_sub(1)).sum()
    }

    /// Takes a message away from whoever holds it; the group gets it again after some time.
    pub(crate) fn lose(&self, group: &str, at: usize, after: Duration) {
        let mut state = self.state.lock();
        let group = state.groups.get_mut(group).unwrap();
        let held = group.pending.len();
        group.pending.retain(|_, pending| pending.at != at);
        assert_eq!(group.pending.len(), held - 1, "it is held by somebody");
        group.ready.push_back((at, Instant::now() + after));
    }

    fn store(&self, event: &Arc<IntegrationEvent>, group: Option<Arc<str>>) -> Confirmation {
        let mut state = self.state.lock();
        state.log.push(Stored {
            message: Ok(Arc::clone(event)),
            redrive_group: group,
        });
        let place = state.log.len();
        drop(state);
        self.changed.notify_waiters();
        Confirmation::new(place.to_string()).with_sequence(place as u64)
    }
}
