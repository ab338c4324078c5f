//! A Redis server of a scenario's own.

use std::future::{Ready, ready};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use contexter_conformance::Unsupported;
use contexter_conformance::events::{Ability, Fixture, Settings};
use contexter_event_bus::transport::{RawMessage, TransportErrorKind};
use contexter_event_bus::{MessageTransport, TransportError};
use contexter_redis::{RedisConfig, RedisTransport};
use contexter_testkit::{Redis, Server};
use parking_lot::Mutex;
use tokio::task::block_in_place;

/// The stream of a bus of the default name.
const EVENTS: &[u8] = b"{contexter}:events";

#[derive(Debug)]
struct RedisFixture {
    server: Mutex<Server>,
    settings: Settings,
}

pub(crate) fn make(settings: Settings) -> Ready<Result<Box<dyn Fixture>, TransportError>> {
    ready(start(settings))
}

fn start(settings: Settings) -> Result<Box<dyn Fixture>, TransportError> {
    let server = block_in_place(Redis::start)
        .map_err(|error| TransportError::new(TransportErrorKind::Unavailable, error.to_string()))?;
    Ok(Box::new(RedisFixture {
        server: Mutex::new(server),
        settings,
    }))
}

#[async_trait]
impl Fixture for RedisFixture {
    async fn transport(&self) -> Result<Option<Arc<dyn MessageTransport>>, TransportError> {
        let mut config = RedisConfig::new(self.server.lock().url())
            .with_block_time(Duration::from_millis(100))
            .with_timeouts(
                Duration::from_secs(5),
                self.settings.publish_within,
                self.settings.publish_within,
            )
            .with_reconnect(Duration::from_millis(20), Duration::from_millis(200));
        if self.settings.max_events.is_some() {
            config = config.with_max_events(self.settings.max_events);
        }
        let transport = RedisTransport::new(config).map_err(|faults| {
            TransportError::new(TransportErrorKind::Refused, faults.to_string())
        })?;
        Ok(Some(Arc::new(transport)))
    }

    fn abilities(&self) -> &[Ability] {
        &[
            Ability::Store,
            Ability::Restart,
            Ability::Pause,
            Ability::Trim,
        ]
    }

    /// An entry has no subject beside its fields.
    async fn store(&self, _event_type: &str, message: &RawMessage) -> Result<(), Unsupported> {
        let mut words: Vec<&[u8]> = vec![b"XADD", EVENTS, b"*"];
        for (name, value) in &message.headers {
            words.extend([name.as_bytes(), value]);
        }
        words.extend([&b"data"[..], &message.body]);
        self.command(&words);
        Ok(())
    }

    async fn restart(&self) -> Result<(), Unsupported> {
        let restarted = block_in_place(|| self.server.lock().restart());
        restarted.map_err(|error| Unsupported::new(error.to_string()))
    }

    async fn pause(&self) -> Result<(), Unsupported> {
        let paused = self.server.lock().pause();
        paused.map_err(|error| Unsupported::new(error.to_string()))
    }

    async fn resume(&self) -> Result<(), Unsupported> {
        let resumed = self.server.lock().resume();
        resumed.map_err(|error| Unsupported::new(error.to_string()))
    }

    async fn trim(&self) -> Result<(), Unsupported> {
        self.command(&[b"XTRIM", EVENTS, b"MAXLEN", b"0"]);
        Ok(())
    }
}

impl RedisFixture {
    fn command(&self, words: &[&[u8]]) {
        let address = self.server.lock().address();
        let answer = block_in_place(|| command(address, words));
        let answer = answer.expect("the server answers");
        assert!(!answer.starts_with('-'), "{answer}");
    }
}

/// Sends one command, with the protocol of `redis-cli`, and returns the answer.
fn command(address: SocketAddr, words: &[&[u8]]) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let mut request = format!("*{}\r\n", words.len()).into_bytes();
    for word in words.iter().copied() {
        request.extend(format!("${}\r\n", word.len()).into_bytes());
        request.extend(word);
        request.extend(b"\r\n");
    }
    request.extend(b"*1\r\n$4\r\nQUIT\r\n");
    stream.write_all(&request)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
