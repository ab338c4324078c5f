//! The group at the server: a durable consumer.

use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, Config, DeliverPolicy, Info};
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
            Ok(info) => return self.adjust(info.config, deadline).await,
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
        match self.create(&config, deadline).await {
            Ok(_) => Ok(()),
            // Another one of the group was faster, with another start.
            Err(failed) => match self.info(deadline).await {
                Ok(info) => self.adjust(info.config, deadline).await,
                Err(_) => Err(failed.into()),
            },
        }
    }

    /// Makes the consumer again where it was: the server has lost it.
    pub(super) async fn rejoin(&self, deadline: Instant) -> Result<(), TransportError> {
        self.inner.ensure_streams(deadline).await?;
        self.join(deadline).await
    }

    fn resume_at(&self) -> Option<u64> {
        self.table.lock().resume_at()
    }

    /// Sees to it that the server's lease is ours.
    async fn adjust(&self, found: Config, deadline: Instant) -> Result<(), TransportError> {
        if found.filter_subject != self.filter || found.ack_policy != AckPolicy::Explicit {
            return Err(refused(format!(
                "consumer {:?} is there already, and is for {:?}",
                self.name, found.filter_subject
            )));
        }
        let wanted = Config {
            ack_wait: self.lease,
            max_ack_pending: i64::from(self.inner.config.max_ack_pending),
            ..found.clone()
        };
        if wanted.ack_wait != found.ack_wait || wanted.max_ack_pending != found.max_ack_pending {
            self.create(&wanted, deadline).await?;
        }
        Ok(())
    }

    pub(super) async fn info(&self, deadline: Instant) -> Result<Info, Failed> {
        let stream = &self.inner.names.stream;
        let subject = format!("CONSUMER.INFO.{stream}.{}", self.name);
        self.inner.link.ask(&subject, &(), deadline).await
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
