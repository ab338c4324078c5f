//! How a connection to a broker is.

use serde::Serialize;

/// Whether a connection is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Connection {
    /// It works.
    #[default]
    Up,
    /// It broke, and is being made again; nothing is lost by that.
    Reconnecting,
    /// It was closed, and stays so.
    Closed,
}

/// How a connection to a broker is, and how it was.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct TransportHealth {
    /// Whether it is there now.
    pub connection: Connection,
    /// How often it was made again.
    pub reconnects: u64,
    /// The last failure, in one line without secrets; kept when it works again.
    pub last_error: Option<String>,
    /// How many messages were gone at the broker, for its limits of number, bytes and age, before
    /// the consumer's group had read them or when the consumer was to take them over. A transport
    /// says what of that it can count.
    pub trimmed: u64,
}

impl TransportHealth {
    /// A connection in this state, without a past.
    #[must_use]
    pub fn new(connection: Connection) -> Self {
        Self {
            connection,
            ..Self::default()
        }
    }

    /// Says how often it was made again.
    #[must_use]
    pub fn with_reconnects(mut self, reconnects: u64) -> Self {
        self.reconnects = reconnects;
        self
    }

    /// Says what failed last.
    #[must_use]
    pub fn with_last_error(mut self, error: Option<String>) -> Self {
        self.last_error = error;
        self
    }

    /// Says how many messages were gone at the broker.
    #[must_use]
    pub fn with_trimmed(mut self, trimmed: u64) -> Self {
        self.trimmed = trimmed;
        self
    }

    /// Returns whether the connection works.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.connection == Connection::Up
    }
}
