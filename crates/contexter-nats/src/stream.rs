//! The streams at the server: made if they are not there, looked at if they are.

use async_nats::jetstream::stream::{Config, DiscardPolicy, Info, RetentionPolicy, StorageType};
use contexter_event_bus::TransportError;
use tokio::time::Instant;

use crate::error::refused;
use crate::transport::Inner;

impl Inner {
    /// Sees to it that the streams are there, and returns that of the events.
    pub(crate) async fn ensure_streams(&self, deadline: Instant) -> Result<Info, TransportError> {
        let found = self.streams(deadline).await?;
        found.ok_or_else(|| {
            refused(format!(
                "no bus {:?}: its streams are not there, and none is made by this transport",
                self.names.stream
            ))
        })
    }

    /// Returns the stream of the events, if the streams are there by then.
    pub(crate) async fn streams(&self, deadline: Instant) -> Result<Option<Info>, TransportError> {
        let limit = |n: Option<u64>| n.map_or(-1, |n| i64::try_from(n).unwrap_or(i64::MAX));
        let config = &self.config;
        let common = Config {
            discard: DiscardPolicy::Old,
            retention: RetentionPolicy::Limits,
            storage: StorageType::File,
            max_consumers: -1,
            max_messages_per_subject: -1,
            num_replicas: config.replicas,
            ..Config::default()
        };
        let events = Config {
            name: self.names.stream.clone(),
            subjects: vec![self.names.all()],
            max_messages: limit(config.max_events),
            max_bytes: limit(config.max_bytes),
            max_age: config.max_age.unwrap_or_default(),
            max_message_size: size(self.limits.stored),
            // The server refuses one that is longer than the age.
            duplicate_window: config.max_age.map_or(config.duplicate_window, |age| {
                age.min(config.duplicate_window)
            }),
            ..common.clone()
        };
        let dead = Config {
            name: self.names.dead_stream.clone(),
            subjects: vec![self.names.dead_all()],
            max_messages: limit(Some(config.max_dead_letters)),
            max_bytes: -1,
            max_message_size: -1,
            duplicate_window: config.duplicate_window,
            ..common
        };
        let events = self.stream(&events, deadline).await?;
        let dead = self.stream(&dead, deadline).await?;
        Ok(events.filter(|_| dead.is_some()))
    }

    async fn stream(
        &self,
        wanted: &Config,
        deadline: Instant,
    ) -> Result<Option<Info>, TransportError> {
        let name = &wanted.name;
        let asked = self
            .link
            .ask(&format!("STREAM.INFO.{name}"), &(), deadline)
            .await;
        let found: Info = match asked {
            Ok(found) => found,
            Err(failed) if failed.is_not_found() && !self.makes_streams => return Ok(None),
            Err(failed) if failed.is_not_found() => {
                let create = format!("STREAM.CREATE.{name}");
                self.link.ask(&create, wanted, deadline).await?
            }
            Err(failed) => return Err(failed.into()),
        };
        verify(&found.config, wanted).map(|()| Some(found))
    }
}

/// Checks what the promises rest on. Other limits than those of this configuration are the
/// operator's, and kept.
fn verify(found: &Config, wanted: &Config) -> Result<(), TransportError> {
    let name = &wanted.name;
    if wanted
        .subjects
        .iter()
        .any(|subject| !found.subjects.contains(subject))
    {
        let (has, wants) = (&found.subjects, &wanted.subjects);
        return Err(refused(format!(
            "stream {name:?} is for {has:?}, not for {wants:?}"
        )));
    }
    if found.storage != StorageType::File {
        return Err(refused(format!("stream {name:?} is not stored in files")));
    }
    if found.retention != RetentionPolicy::Limits {
        return Err(refused(format!(
            "stream {name:?} forgets what was consumed; its retention must be by limits"
        )));
    }
    if found.no_ack {
        return Err(refused(format!("stream {name:?} does not confirm")));
    }
    let limits = |config: &Config| (config.max_messages, config.max_bytes, config.max_age);
    if limits(found) != limits(wanted) {
        tracing::info!(stream = %name, "stream has other limits than configured, and keeps them");
    }
    Ok(())
}

fn size(bytes: usize) -> i32 {
    i32::try_from(bytes).unwrap_or(i32::MAX)
}
