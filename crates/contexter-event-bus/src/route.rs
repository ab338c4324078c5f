//! Which queues want which events.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use crate::ending::Remains;
use crate::error::PublishError;
use crate::pattern::{Pattern, is_event_type};
use crate::queue::Queue;

/// How many event types are remembered with who wants them. A process publishes dozens; a bound
/// keeps types that somebody makes up from filling the memory.
const REMEMBERED: usize = 1_024;

#[derive(Debug)]
pub(crate) struct Routes {
    pub(crate) open: bool,
    /// Whether a drain has begun.
    pub(crate) draining: bool,
    next_id: u64,
    queues: Vec<Arc<Queue>>,
    /// By event type; emptied whenever a queue comes or goes.
    known: HashMap<Box<str>, Arc<Route>, BuildHasherDefault<Fx>>,
}

/// The hash that Firefox and rustc use: quick for a short text. Who makes up types that collide
/// gains little, because few are remembered.
#[derive(Debug, Default)]
struct Fx(u64);

impl Hasher for Fx {
    fn finish(&self) -> u64 {
        // The map takes the upper bits and the lower ones, and the lower ones are not mixed enough.
        self.0.rotate_left(26)
    }

    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.mix(u64::from_le_bytes(*word));
        }
        let mut last = [0; 8];
        for (to, from) in last.iter_mut().zip(rest) {
            *to = *from;
        }
        self.mix(u64::from_le_bytes(last));
    }

    fn write_u8(&mut self, byte: u8) {
        self.mix(byte.into());
    }
}

impl Fx {
    fn mix(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
    }
}

/// The queues that want one event type, and their names.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) queues: Box<[Arc<Queue>]>,
    pub(crate) names: Arc<[Arc<str>]>,
}

impl Routes {
    pub(crate) fn new() -> Self {
        Self {
            open: true,
            draining: false,
            next_id: 0,
            queues: Vec::new(),
            known: HashMap::default(),
        }
    }

    pub(crate) fn queues(&self) -> &[Arc<Queue>] {
        &self.queues
    }

    pub(crate) fn next_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    pub(crate) fn add(&mut self, queue: Arc<Queue>) {
        self.known.clear();
        self.queues.push(queue);
    }

    /// Takes a queue out and seals it. What it has done is counted with what is past from then on:
    /// whoever holds these routes finds it here or there, and never twice.
    pub(crate) fn end<'q>(&mut self, queue: &'q Queue) -> Remains<'q> {
        let remains = queue.seal();
        let at = self.queues.iter().position(|known| known.id == queue.id);
        if let Some(at) = at {
            self.known.clear();
            self.queues.remove(at);
            queue.become_past();
        }
        remains
    }

    /// Returns the queue of a group.
    pub(crate) fn group(&self, group: &str, pattern: &Pattern) -> Option<&Arc<Queue>> {
        let same = |queue: &&Arc<Queue>| {
            queue.group.as_deref() == Some(group) && queue.pattern == *pattern
        };
        self.queues.iter().find(same)
    }

    /// Returns who wants an event type, if it was asked before.
    pub(crate) fn known(&self, event_type: &str) -> Option<&Arc<Route>> {
        self.known.get(event_type)
    }

    /// Finds out who wants an event type.
    pub(crate) fn learn(&mut self, event_type: &str) -> Result<Arc<Route>, PublishError> {
        check_type(event_type)?;
        let wants = |queue: &&Arc<Queue>| queue.pattern.matches(event_type);
        let queues: Box<[_]> = self.queues.iter().filter(wants).cloned().collect();
        let names = queues.iter().map(|queue| Arc::clone(&queue.name)).collect();
        let route = Arc::new(Route { queues, names });
        if self.known.len() < REMEMBERED {
            self.known.insert(event_type.into(), Arc::clone(&route));
        }
        Ok(route)
    }
}

/// Checks that patterns can name an event type.
pub(crate) fn check_type(event_type: &str) -> Result<(), PublishError> {
    if is_event_type(event_type) {
        return Ok(());
    }
    Err(PublishError::InvalidType {
        event_type: event_type.chars().take(80).collect(),
    })
}
