//! The group at the server: a durable consumer.

use std::sync::atomic::Ordering;
use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, Config, DeliverPolicy, Info};
use async_nats::jetstream::stream;
use contexter_event_bus::TransportError;
use contexter_event_bus::transport::Start;
use jiff::Timestamp;
use serde::Serialize;
use tokio::time::Instant;

use super::Consumer;
use crate::error::refused;
use crate::link::Failed;

/// The question that makes or changes a consumer.
#[derive(Serialize)]
pub(crate) struct Create<'a> {
    pub(crate) stream_name: &'a str,
    pub(crate) config: &'a Config,
}

impl Consumer {
    /// Makes the consumer at the server unless there is one.
    pub(super) async fn join(&self, deadline: Instant) -> Result<(), TransportError> {
        match self.info(deadline).await {
            Ok(info) => {
                self.joins(&info);
                self.note_removed(&info, deadline).await;
                return self.adjust(info, deadline).await;
            }
            Err(failed) if failed.is_not_found() => {}
            Err(failed) => return Err(failed.into()),
        }
        let deliver_policy = match self.resume_at() {
            Some(start_sequence) => DeliverPolicy::ByStartSequence { start_sequence },
            None => policy(self.start)?,
        };
        let config = Config {
            durable_name: Some(self.name.clone()),
            deliver_policy,
            ack_policy: AckPolicy::Explicit,
            ack_wait: self.lease,
            // The bus decides what is poison; whatever the server stops delivering is lost.
            max_deliver: -1,
            filter_subject: self.filter.clone(),
            max_ack_pending: i64::from(self.inner.config.max_ack_pending),
            inactive_threshold: if self.solo {
                self.inner.config.forget_after
            } else {
                Duration::ZERO
            },
            ..Config::default()
        };
        let created = match self.create(&config, deadline).await {
            // It is the stream that is not there.
            Err(failed) if failed.is_not_found() => {
                Box::pin(self.inner.ensure_streams(deadline)).await?;
                self.create(&config, deadline).await
            }
            created => created,
        };
        match created {
            Ok(info) => {
                self.joins(&info);
                Ok(())
            }
            // Another one of the group was faster, with another start.
            Err(failed) => match self.info(deadline).await {
                Ok(info) => {
                    self.joins(&info);
                    self.adjust(info, deadline).await
                }
                Err(_) => Err(failed.into()),
            },
        }
    }

    /// Makes the consumer again where it was: the server has lost it.
    pub(super) async fn rejoin(&self, deadline: Instant) -> Result<(), TransportError> {
        let stream = self.inner.ensure_streams(deadline).await?;
        if self.is_another(&stream) {
            tracing::warn!(
                consumer = self.name,
                "the stream has taken the place of another one, and is read from its beginning"
            );
            self.table.lock().begins_anew();
            self.others.fetch_add(1, Ordering::Relaxed);
            (*self.passed.lock(), *self.made.lock()) = (None, None);
        }
        self.join(deadline).await
    }

    /// Returns whether the stream is not the one that was read: it is younger than the group, or
    /// shorter than what was read. Events may be in it by now, which nobody has passed.
    fn is_another(&self, stream: &stream::Info) -> bool {
        let younger = self.made.lock().is_some_and(|made| stream.created > made);
        younger || stream.state.last_sequence < self.table.lock().position
    }

    fn resume_at(&self) -> Option<u64> {
        self.table.lock().resume_at()
    }

    /// Sees to it that the consumer at the server is fit for this member.
    ///
    /// The server has one lease for all members. With a shorter one than that of a member, the
    /// others would get what it still works on; so it is the longest. It becomes shorter when nobody
    /// else is there any more: nobody asks, and nothing is unsettled.
    async fn adjust(&self, info: Info, deadline: Instant) -> Result<(), TransportError> {
        let alone = is_alone(&info);
        let found = info.config;
        if found.filter_subject != self.filter || found.ack_policy != AckPolicy::Explicit {
            return Err(refused(format!(
                "consumer {:?} is there already, and is for {:?}",
                self.name, found.filter_subject
            )));
        }
        let ack_wait = if alone {
            self.lease
        } else {
            self.lease.max(found.ack_wait)
        };
        let wanted = Config {
            ack_wait,
            max_ack_pending: i64::from(self.inner.config.max_ack_pending),
            ..found.clone()
        };
        if wanted.ack_wait != found.ack_wait || wanted.max_ack_pending != found.max_ack_pending {
            self.create(&wanted, deadline).await?;
        }
        *self.server_lease.lock() = wanted.ack_wait;
        // Somebody with a longer lease may have come just now, and have looked before the change.
        // Whoever comes later looks after having asked.
        if wanted.ack_wait < found.ack_wait && !is_alone(&self.info(deadline).await?) {
            let longer = Config {
                ack_wait: found.ack_wait,
                ..wanted
            };
            self.create(&longer, deadline).await?;
            *self.server_lease.lock() = longer.ack_wait;
        }
        Ok(())
    }

    /// Looks, once this member has asked for messages, whether the lease at the server is still long
    /// enough for it, and makes it so.
    pub(super) async fn keep_lease(&self, deadline: Instant) -> Result<(), TransportError> {
        let found = self.info(deadline).await?.config;
        let ack_wait = self.lease.max(found.ack_wait);
        if ack_wait > found.ack_wait {
            let longer = Config { ack_wait, ..found };
            self.create(&longer, deadline).await?;
        }
        *self.server_lease.lock() = ack_wait;
        Ok(())
    }

    pub(super) async fn info(&self, deadline: Instant) -> Result<Info, Failed> {
        let stream = &self.inner.names.stream;
        let subject = format!("CONSUMER.INFO.{stream}.{}", self.name);
        let info: Info = self.inner.link.ask(&subject, &(), deadline).await?;
        let settled = info.ack_floor.stream_sequence;
        self.table.lock().settled_up_to(settled);
        Ok(info)
    }

    async fn create(&self, config: &Config, deadline: Instant) -> Result<Info, Failed> {
        let stream_name = &self.inner.names.stream;
        let subject = format!("CONSUMER.DURABLE.CREATE.{stream_name}.{}", self.name);
        let create = Create {
            stream_name,
            config,
        };
        self.inner.link.ask(&subject, &create, deadline).await
    }

    /// Lets the server forget the consumer of a group of its own, which holds nothing any more.
    pub(super) async fn leave(&self, deadline: Instant) {
        let stream = &self.inner.names.stream;
        let subject = format!("CONSUMER.DELETE.{stream}.{}", self.name);
        let deleted: Result<serde_json::Value, _> =
            self.inner.link.ask(&subject, &(), deadline).await;
        if deleted.is_err() {
            tracing::debug!(consumer = self.name, "consumer is forgotten later");
        }
    }
}

/// Whether no member is at the server: nobody asks for messages, and nobody holds one.
fn is_alone(info: &Info) -> bool {
    info.num_waiting == 0 && info.num_ack_pending == 0
}

fn policy(start: Start) -> Result<DeliverPolicy, TransportError> {
    match start {
        Start::New => Ok(DeliverPolicy::New),
        Start::Earliest => Ok(DeliverPolicy::All),
        Start::At(time) => from_time(time),
        _ => Err(refused("unknown start")),
    }
}

pub(crate) fn from_time(time: Timestamp) -> Result<DeliverPolicy, TransportError> {
    let start_time = async_nats::datetime::from_nanos(time.as_nanosecond())
        .map_err(|error| refused("time is out of range").with_source(error))?;
    Ok(DeliverPolicy::ByStartTime { start_time })
}
