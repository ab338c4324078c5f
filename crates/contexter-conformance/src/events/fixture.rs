//! What the suite needs of a transport: how to reach it, and how to disturb it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use contexter_event_bus::transport::RawMessage;
use contexter_event_bus::{BusConfig, MessageTransport, TransportError};

use crate::Unsupported;

/// What a fixture can do to its broker. What it cannot leaves scenarios out, and the table says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Ability {
    /// Stores a message as another program would: [`Fixture::store`].
    Store,
    /// Kills the broker and starts it again: [`Fixture::restart`].
    Restart,
    /// Stops the broker in its tracks: [`Fixture::pause`] and [`Fixture::resume`].
    Pause,
    /// Removes what is stored behind everybody's back: [`Fixture::trim`].
    Trim,
    /// Keeps events by the bounds of [`Settings::bus`] to their bytes and their age.
    Bounds,
}

impl Ability {
    /// All of them, in the order of the table.
    pub const ALL: [Self; 5] = [
        Self::Store,
        Self::Restart,
        Self::Pause,
        Self::Trim,
        Self::Bounds,
    ];

    /// Returns its name in the table.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Store => "fixture: store",
            Self::Restart => "fixture: restart",
            Self::Pause => "fixture: pause",
            Self::Trim => "fixture: trim",
            Self::Bounds => "fixture: keeps by bytes and age",
        }
    }
}

impl fmt::Display for Ability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What a scenario wants of its fixture.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// The settings of each bus.
    pub bus: BusConfig,
    /// How many events the broker is to keep. None: as many as are published.
    pub max_events: Option<u64>,
    /// How long a publication may take on the transports of the fixture: what fails later than they
    /// promise breaks a rule. Default 20 s, because a machine that runs tests is busy; shorter where
    /// a broker is made to go away.
    pub publish_within: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            bus: BusConfig::default(),
            max_events: None,
            publish_within: Duration::from_secs(20),
        }
    }
}

/// A broker that scenarios have for themselves: empty when it is made, gone when it is dropped.
///
/// Times should be short, so that the suite is: a fixture lets a publication take
/// [`Settings::publish_within`], and makes short pauses between attempts to connect.
#[async_trait]
pub trait Fixture: fmt::Debug + Send + Sync + 'static {
    /// Makes a transport over the broker, as one more process would; none in process, where the bus
    /// needs none.
    ///
    /// # Errors
    ///
    /// Returns why the broker cannot be reached. The scenario has failed then.
    async fn transport(&self) -> Result<Option<Arc<dyn MessageTransport>>, TransportError>;

    /// Returns what can be done to the broker.
    fn abilities(&self) -> &[Ability] {
        &[]
    }

    /// Stores a message under an event type, with these headers and bytes and no other, as another
    /// program would.
    ///
    /// # Errors
    ///
    /// Returns [`Unsupported`] if the broker has no place for such a message: the scenario does not
    /// apply.
    async fn store(&self, event_type: &str, message: &RawMessage) -> Result<(), Unsupported> {
        let _ = (event_type, message);
        Err(Unsupported::new("its fixture stores no messages"))
    }

    /// Kills the broker as a crash would, starts it again on what it had stored, and returns when it
    /// answers.
    ///
    /// # Errors
    ///
    /// Returns [`Unsupported`] if the fixture cannot.
    async fn restart(&self) -> Result<(), Unsupported> {
        Err(Unsupported::new("its fixture restarts no broker"))
    }

    /// Stops the broker: connections stay, nothing answers.
    ///
    /// # Errors
    ///
    /// Returns [`Unsupported`] if the fixture cannot.
    async fn pause(&self) -> Result<(), Unsupported> {
        Err(Unsupported::new("its fixture pauses no broker"))
    }

    /// Lets a paused broker go on.
    ///
    /// # Errors
    ///
    /// Returns [`Unsupported`] if the fixture cannot.
    async fn resume(&self) -> Result<(), Unsupported> {
        Err(Unsupported::new("its fixture pauses no broker"))
    }

    /// Removes every stored event, whoever holds it, as an operator would.
    ///
    /// # Errors
    ///
    /// Returns [`Unsupported`] if the fixture cannot.
    async fn trim(&self) -> Result<(), Unsupported> {
        Err(Unsupported::new("its fixture removes nothing"))
    }
}

/// The fixture of buses inside this process: there is no broker to disturb.
#[derive(Clone, Copy, Debug, Default)]
pub struct InProcess;

#[async_trait]
impl Fixture for InProcess {
    async fn transport(&self) -> Result<Option<Arc<dyn MessageTransport>>, TransportError> {
        Ok(None)
    }

    fn abilities(&self) -> &[Ability] {
        &[Ability::Bounds]
    }
}
