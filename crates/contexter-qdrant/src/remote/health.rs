//! Whether the server works, and accepts the key.

use std::fmt;
use std::str::FromStr;

use contexter_model::{Error, ErrorKind};
use qdrant_client::qdrant::{HealthCheckRequest, ListCollectionsRequest};

use super::fault;
use super::line::{Line, Watch};
use super::store::RemoteStore;

/// The version of the protocol that is spoken: that of `qdrant-client`.
pub const CLIENT_VERSION: ServerVersion = ServerVersion {
    major: 1,
    minor: 20,
};

/// The first version of the server that is known to weigh the lists of a reciprocal rank fusion.
///
/// Older ones fuse without the weights and say nothing of it, as they do with every field that they
/// do not know; so they are not asked. From the vendor's source, 1.19
/// (<https://github.com/qdrant/qdrant>, `lib/segment/src/common/reciprocal_rank_fusion.rs`); in which
/// release before that it came the vendor's references do not say.
pub const WEIGHTED_FUSION_VERSION: ServerVersion = ServerVersion {
    major: 1,
    minor: 19,
};

/// How often a version is asked for until the connection stays the same meanwhile.
const ASKED_AT_MOST: usize = 3;

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
        let version = self.ask_version(connection.line()).await?;
        let request = connection.request(ListCollectionsRequest {});
        let reply = connection
            .answer(connection.collections().list(request))
            .await?;
        Ok(Checkup {
            version,
            collections: reply.collections.len(),
        })
    }

    async fn ask_version(&self, line: &Line) -> Result<ServerVersion, Error> {
        let connection = self.connection();
        let request = connection.request(HealthCheckRequest {});
        let reply = connection
            .answer(line.server().health_check(request))
            .await?;
        reply.version.parse()
    }

    /// Refuses `what` if the server at the other end of `line` is older than `since`.
    ///
    /// What the server said of its version is believed for as long as the connection is the same; a
    /// refusal is never by what it said before, because it sends nothing that would find a broken
    /// connection. Behind a channel of the caller's the server is asked each time.
    pub(super) async fn require(
        &self,
        line: &Line,
        what: &str,
        since: ServerVersion,
    ) -> Result<(), Error> {
        let version = match line.watch() {
            None => self.ask_version(line).await?,
            Some(watch) => match watch.version() {
                Some(version) if version >= since => return Ok(()),
                _ => self.learn_version(line, watch).await?,
            },
        };
        if version < since {
            return Err(fault::error(
                ErrorKind::Unsupported,
                format!(
                    "{what} needs a server of version {since} or later, {} has {version}",
                    self.endpoint(),
                ),
            ));
        }
        Ok(())
    }

    async fn learn_version(&self, line: &Line, watch: &Watch) -> Result<ServerVersion, Error> {
        let mut made = watch.made();
        let mut version = self.ask_version(line).await?;
        for _ in 1..ASKED_AT_MOST {
            let now = watch.made();
            if now == made {
                watch.learn(made, version);
                break;
            }
            // It was made, or made anew, meanwhile: who answered is not known.
            made = now;
            version = self.ask_version(line).await?;
        }
        Ok(version)
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
