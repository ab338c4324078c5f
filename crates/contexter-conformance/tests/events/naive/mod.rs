//! A broker in memory, as one would write it at first, that can be given one defect.

mod flaw;
mod source;
mod state;
mod transport;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use contexter_conformance::Unsupported;
use contexter_conformance::events::{Ability, Fixture, Settings};
use contexter_event_bus::transport::{RawMessage, Undecodable};
use contexter_event_bus::{MessageTransport, TransportError};
use contexter_protocol::codec;

pub(crate) use flaw::Flaw;
use state::Broker;
use transport::NaiveTransport;

/// The fixture of a naive broker.
#[derive(Debug)]
pub(crate) struct Naive(Arc<Broker>);

impl Naive {
    pub(crate) fn new(flaw: Flaw, settings: &Settings) -> Self {
        Self(Arc::new(Broker::new(flaw, settings.max_events)))
    }
}

#[async_trait]
impl Fixture for Naive {
    async fn transport(&self) -> Result<Option<Arc<dyn MessageTransport>>, TransportError> {
        Ok(Some(Arc::new(NaiveTransport::new(&self.0))))
    }

    fn abilities(&self) -> &[Ability] {
        &[
            Ability::Store,
            Ability::Restart,
            Ability::Pause,
            Ability::Trim,
        ]
    }

    async fn store(&self, event_type: &str, message: &RawMessage) -> Result<(), Unsupported> {
        let headers = message.headers.iter().map(|(name, value)| (name, value));
        let decoded = codec::decode(headers, Bytes::from(message.body.clone()));
        let message = decoded
            .map(Arc::new)
            .map_err(|error| Undecodable::new(error.to_string(), message.clone()));
        self.0.store(event_type, message, None);
        Ok(())
    }

    async fn restart(&self) -> Result<(), Unsupported> {
        self.0.set_down(true);
        tokio::time::sleep(Duration::from_millis(100)).await;
        self.0.lose_connections();
        self.0.set_down(false);
        Ok(())
    }

    async fn pause(&self) -> Result<(), Unsupported> {
        self.0.set_down(true);
        Ok(())
    }

    async fn resume(&self) -> Result<(), Unsupported> {
        self.0.set_down(false);
        Ok(())
    }

    async fn trim(&self) -> Result<(), Unsupported> {
        self.0.trim();
        Ok(())
    }
}
