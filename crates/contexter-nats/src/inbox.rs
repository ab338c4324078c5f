//! Where the server's answers to publications come to.
//!
//! One inbox takes the answers to all publications of a call, told apart by their number. That costs
//! a fraction of what a request of the client library does for each of them.

use std::fmt::Write as _;

use async_nats::{Client, Message, Subject, Subscriber};
use bytes::BytesMut;
use contexter_event_bus::TransportError;
use futures_util::{FutureExt, StreamExt};
use parking_lot::Mutex;

use crate::error::unavailable;

/// How many inboxes are kept open while nobody needs them. Each is one subscription at the server.
const KEPT: usize = 8;

/// How much memory the subjects of several answers share.
const SHARED: usize = 4 * 1024;

/// The most bytes of a number.
const DIGITS: usize = 20;

/// A subject for each publication, and what was answered to it.
pub(crate) struct Inbox {
    /// The connection that it is open on.
    pub(crate) client: Client,
    /// With the dot behind which the number comes.
    prefix: String,
    answers: Subscriber,
    last: u64,
    shared: BytesMut,
}

impl Inbox {
    pub(crate) async fn open(client: Client) -> Result<Self, TransportError> {
        let prefix = format!("{}.", client.new_inbox());
        let opened = client.subscribe(format!("{prefix}*")).await;
        let answers =
            opened.map_err(|error| unavailable("inbox cannot be opened").with_source(error))?;
        Ok(Self {
            client,
            prefix,
            answers,
            last: 0,
            shared: BytesMut::new(),
        })
    }

    /// Returns the number of the next publication, and where it is to be answered.
    pub(crate) fn number(&mut self) -> (u64, Subject) {
        self.last += 1;
        let (prefix, number) = (&self.prefix, self.last);
        if self.shared.capacity() < prefix.len() + DIGITS {
            self.shared = BytesMut::with_capacity(SHARED.max(prefix.len() + DIGITS));
        }
        let written = write!(self.shared, "{prefix}{number}");
        let subject = Subject::from_utf8(self.shared.split().freeze()).ok();
        let subject = subject.filter(|_| written.is_ok());
        let subject = subject.unwrap_or_else(|| Subject::from(format!("{prefix}{number}")));
        (number, subject)
    }

    /// Waits for an answer; none if the connection is gone for good. Cancel safe.
    pub(crate) async fn answer(&mut self) -> Option<Message> {
        self.answers.next().await
    }

    /// Returns an answer that is there.
    pub(crate) fn ready_answer(&mut self) -> Option<Message> {
        self.answers.next().now_or_never().flatten()
    }

    /// Returns which publication a message answers.
    pub(crate) fn number_of(&self, answer: &Message) -> Option<u64> {
        let number = answer.subject.strip_prefix(self.prefix.as_str())?;
        number.parse().ok()
    }

    /// Forgets what came too late; false if nothing can come any more.
    fn refresh(&mut self) -> bool {
        loop {
            match self.answers.next().now_or_never() {
                Some(Some(_late)) => {}
                Some(None) => return false,
                None => return true,
            }
        }
    }
}

/// Inboxes that nobody uses at the moment.
#[derive(Default)]
pub(crate) struct Inboxes(Mutex<Vec<Inbox>>);

impl Inboxes {
    /// Takes one that still works.
    pub(crate) fn take(&self) -> Option<Inbox> {
        loop {
            let mut inbox = self.0.lock().pop()?;
            if inbox.refresh() {
                return Some(inbox);
            }
        }
    }

    /// Keeps an inbox for the next call.
    pub(crate) fn give_back(&self, inbox: Inbox) {
        let mut kept = self.0.lock();
        if kept.len() < KEPT {
            kept.push(inbox);
        }
    }
}
