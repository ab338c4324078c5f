//! Making a connection.

use std::time::Duration;

use contexter_service::Backoff;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, ConnectionAddr, ConnectionInfo, RedisError, Value};
use tokio::net::TcpStream;

use crate::error::describe_connecting;
use crate::link::Live;

/// What a link needs to know to connect.
#[derive(Clone)]
pub(crate) struct Dial {
    pub(crate) info: ConnectionInfo,
    pub(crate) connect_timeout: Duration,
    pub(crate) backoff: Backoff,
}

/// Why there is no connection.
pub(crate) enum Failure {
    /// Trying again may help.
    Io(String),
    /// The server does not want this client.
    ForGood(String),
}

impl Failure {
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Io(text) | Self::ForGood(text) => text,
        }
    }
}

impl From<RedisError> for Failure {
    fn from(error: RedisError) -> Self {
        let text = describe_connecting(&error);
        let for_good = error.kind() == redis::ErrorKind::AuthenticationFailed
            || matches!(error.code(), Some("WRONGPASS" | "NOAUTH" | "NOPERM"));
        if for_good {
            Self::ForGood(text)
        } else {
            Self::Io(text)
        }
    }
}

impl Dial {
    /// Connects, and makes sure that the server works: while it loads its data, it refuses.
    pub(crate) async fn connect(&self, response_timeout: Duration) -> Result<Live, Failure> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.connect_timeout))
            .set_response_timeout(Some(response_timeout));
        let settings = self.info.redis_settings();
        let (connection, task) = match self.info.addr() {
            ConnectionAddr::Tcp(host, port) => {
                let stream = TcpStream::connect((host.as_str(), *port)).await;
                let stream = stream.map_err(|error| self.unreachable(&error))?;
                let at_once = stream.set_nodelay(true);
                at_once.map_err(|error| self.unreachable(&error))?;
                let (connection, driver) =
                    MultiplexedConnection::new_with_config(settings, stream, config).await?;
                (connection, tokio::spawn(driver).abort_handle())
            }
            #[cfg(unix)]
            ConnectionAddr::Unix(path) => {
                let stream = tokio::net::UnixStream::connect(path).await;
                let stream = stream.map_err(|error| self.unreachable(&error))?;
                let (connection, driver) =
                    MultiplexedConnection::new_with_config(settings, stream, config).await?;
                (connection, tokio::spawn(driver).abort_handle())
            }
            _ => return Err(Failure::ForGood("no such kind of address".to_owned())),
        };
        let mut live = Live::new(connection, task);
        let ping = redis::cmd("PING");
        let answer = live.connection.send_packed_command(&ping).await;
        answer.and_then(Value::extract_error)?;
        // A server may forbid it; then old connections are left to their time limits.
        let mut id = redis::cmd("CLIENT");
        id.arg("ID");
        if let Ok(Value::Int(id)) = live.connection.send_packed_command(&id).await {
            live.client_id = id;
        }
        Ok(live)
    }

    fn unreachable(&self, error: &std::io::Error) -> Failure {
        Failure::Io(format!("{}: {error}", self.info.addr()))
    }
}
