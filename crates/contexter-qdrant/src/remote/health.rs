//! Whether the server works, and accepts the key.

use std::fmt;
use std::str::FromStr;

use contexter_model::{Error, ErrorKind};
use qdrant_client::qdrant::{HealthCheckRequest, ListCollectionsRequest};

use super::fault;
use super::store::RemoteStore;

/// The version of the protocol that is spoken: that of `qdrant-client`.
pub const CLIENT_VERSION: ServerVersion = ServerVersion {
    major: 1,
    minor: 20,
};

/// A version of the server, without its patch level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerVersion {
    /// The first number.
    pub major: u64,
    /// The second number.
    pub minor: u64,
}

impl ServerVersion {
    /// Returns whether the vendor supports this server with this client: the same major version,
    /// minor versions at most one apart
    /// (<https://qdrant.tech/documentation/guides/installation/>, `qdrant-client` `version_check.rs`).
    #[must_use]
    pub fn is_supported(self) -> bool {
        self.major == CLIENT_VERSION.major && self.minor.abs_diff(CLIENT_VERSION.minor) <= 1
    }
}

impl FromStr for ServerVersion {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let mut numbers = text.split(['.', '-', '+']).map(str::parse);
        match (numbers.next(), numbers.next()) {
            (Some(Ok(major)), Some(Ok(minor))) => Ok(Self { major, minor }),
            _ => Err(fault::protocol(
                "the server's version is no number with a point",
            )),
        }
    }
}

impl fmt::Display for ServerVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// What a health check found.
#[derive(Debug)]
pub(super) struct Checkup {
    pub(super) version: ServerVersion,
    pub(super) collections: usize,
}

impl RemoteStore {
    /// Asks the server for its version, which needs no key, and for its collections, which does.
    pub(super) async fn check(&self) -> Result<Checkup, Error> {
        let connection = self.connection();
        let reply = connection
            .server()
            .health_check(connection.request(HealthCheckRequest {}))
            .await
            .map_err(|status| connection.failed(status))?;
        let version = reply.into_inner().version.parse()?;
        let collections = connection
            .collections()
            .list(connection.request(ListCollectionsRequest {}))
            .await
            .map_err(|status| connection.failed(status))?
            .into_inner()
            .collections
            .len();
        Ok(Checkup {
            version,
            collections,
        })
    }

    /// As [`check`](Self::check); refuses a server of another major version.
    pub(super) async fn greet(&self) -> Result<Checkup, Error> {
        let checkup = self.check().await?;
        if checkup.version.major != CLIENT_VERSION.major {
            return Err(fault::error(
                ErrorKind::Unsupported,
                format!(
                    "the server has version {}, this adapter speaks {CLIENT_VERSION}",
                    checkup.version,
                ),
            ));
        }
        if !checkup.version.is_supported() {
            tracing::warn!(
                server = %checkup.version,
                client = %CLIENT_VERSION,
                "versions of server and client are more than one apart",
            );
        }
        Ok(checkup)
    }
}
