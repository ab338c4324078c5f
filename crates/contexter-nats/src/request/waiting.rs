//! Requests that have come to this process and that nobody has taken yet.

use std::collections::VecDeque;

use async_nats::Message;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::limit::limit_of;

/// How many wait here at most. More than that stay in the client library, and their time begins when
/// they leave it.
const MOST: usize = 1_024;

/// A request, and until when it is wanted, if it says so.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) message: Message,
    pub(super) until: Option<Instant>,
}

impl Held {
    fn is_over(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| until <= now)
    }
}

/// Those that wait, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    requests: Mutex<VecDeque<Held>>,
    arrived: Notify,
    taken: Notify,
}

impl Waiting {
    /// Takes in what has just come.
    pub(super) fn add(&self, message: Message) {
        let now = Instant::now();
        let until = limit_of(&message).and_then(|limit| now.checked_add(limit));
        self.requests.lock().push_back(Held { message, until });
        self.arrived.notify_one();
    }

    /// Takes up to `max` that are still wanted; none if there are none.
    pub(super) fn take(&self, max: usize) -> Vec<Message> {
        let now = Instant::now();
        let mut taken = Vec::new();
        let mut requests = self.requests.lock();
        while taken.len() < max
            && let Some(held) = requests.pop_front()
        {
            if held.is_over(now) {
                tracing::debug!("request is over and was left out");
            } else {
                taken.push(held.message);
            }
        }
        // For another one who waits.
        if !requests.is_empty() {
            self.arrived.notify_one();
        }
        self.taken.notify_one();
        taken
    }

    /// Takes all that are still wanted.
    pub(super) fn take_all(&self) -> VecDeque<Held> {
        let now = Instant::now();
        let mut all = std::mem::take(&mut *self.requests.lock());
        all.retain(|held| !held.is_over(now));
        all
    }

    /// Waits until there may be one.
    pub(super) async fn arrived(&self) {
        self.arrived.notified().await;
    }

    /// Waits until another one may come in. What is over goes first.
    pub(super) async fn has_room(&self) {
        loop {
            let taken = self.taken.notified();
            let first_over = {
                let now = Instant::now();
                let mut requests = self.requests.lock();
                if requests.len() < MOST {
                    return;
                }
                requests.retain(|held| !held.is_over(now));
                if requests.len() < MOST {
                    return;
                }
                requests.iter().filter_map(|held| held.until).min()
            };
            match first_over {
                Some(over) => tokio::select! {
                    () = taken => {}
                    () = sleep_until(over) => {}
                },
                None => taken.await,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use async_nats::HeaderMap;
    use futures_util::FutureExt as _;
    use tokio::time::advance;

    use super::super::limit::set_left;
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn request(number: usize, limit: Option<Duration>) -> Message {
        let headers = limit.map(|limit| {
            let mut headers = HeaderMap::new();
            set_left(&mut headers, limit);
            headers
        });
        Message {
            subject: "ask".into(),
            reply: Some("inbox".into()),
            payload: number.to_string().into(),
            headers,
            status: None,
            description: None,
            length: 0,
        }
    }

    fn numbers(taken: &[Message]) -> Vec<String> {
        let text = |one: &Message| String::from_utf8_lossy(&one.payload).into_owned();
        taken.iter().map(text).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_over_is_left_out_and_the_rest_keeps_its_order() {
        let waiting = Waiting::default();
        waiting.add(request(1, Some(SECOND)));
        waiting.add(request(2, Some(SECOND * 3)));
        waiting.add(request(3, None));
        waiting.add(request(4, Some(Duration::MAX)));
        advance(SECOND).await;
        waiting.add(request(5, Some(SECOND)));
        assert_eq!(numbers(&waiting.take(2)), ["2", "3"]);
        waiting.arrived().now_or_never().unwrap();
        advance(SECOND).await;
        let left: Vec<_> = waiting.take_all().into_iter().collect();
        assert_eq!(left.len(), 1, "{left:?}");
        assert!(waiting.take(8).is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn room_is_made_by_who_takes_and_by_what_is_over() {
        let waiting = Waiting::default();
        for number in 0..MOST {
            waiting.has_room().now_or_never().unwrap();
            waiting.add(request(number, Some(SECOND)));
        }
        assert!(waiting.has_room().now_or_never().is_none());
        waiting.take(1);
        waiting.has_room().now_or_never().unwrap();
        waiting.add(request(MOST, Some(SECOND)));
        let begun = Instant::now();
        waiting.has_room().await;
        assert_eq!(begun.elapsed(), SECOND);
        assert!(waiting.take_all().is_empty());
    }
}
