//! A NATS server of a scenario's own.

use std::future::{Ready, ready};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use contexter_conformance::Unsupported;
use contexter_conformance::events::{Ability, Fixture, Settings};
use contexter_event_bus::transport::{RawMessage, TransportErrorKind};
use contexter_event_bus::{MessageTransport, TransportError};
use contexter_nats::{NatsConfig, NatsTransport};
use contexter_testkit::{Nats, Server};
use parking_lot::Mutex;
use tokio::task::block_in_place;

#[derive(Debug)]
struct NatsFixture {
    server: Mutex<Server>,
    settings: Settings,
}

pub(crate) fn make(settings: Settings) -> Ready<Result<Box<dyn Fixture>, TransportError>> {
    ready(start(settings))
}

fn start(settings: Settings) -> Result<Box<dyn Fixture>, TransportError> {
    let server = block_in_place(Nats::start)
        .map_err(|error| TransportError::new(TransportErrorKind::Unavailable, error.to_string()))?;
    Ok(Box::new(NatsFixture {
        server: Mutex::new(server),
        settings,
    }))
}

#[async_trait]
impl Fixture for NatsFixture {
    async fn transport(&self) -> Result<Option<Arc<dyn MessageTransport>>, TransportError> {
        let mut config = NatsConfig::new([self.server.lock().url()])
            .with_signs_of_life(Duration::from_secs(1), Duration::from_millis(500))
            .with_timeouts(
                Duration::from_secs(10),
                Duration::from_secs(15),
                self.settings.publish_within,
            )
            .with_reconnect(Duration::from_millis(20), Duration::from_millis(200));
        if self.settings.max_events.is_some() {
            config = config.with_max_events(self.settings.max_events);
        }
        Ok(Some(Arc::new(NatsTransport::connect(config).await?)))
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
        let mut headers = b"NATS/1.0\r\n".to_vec();
        for (name, value) in &message.headers {
            headers.extend(name.as_bytes());
            headers.extend(b": ");
            headers.extend(value);
            headers.extend(b"\r\n");
        }
        headers.extend(b"\r\n");
        self.publish(&format!("contexter.{event_type}"), &headers, &message.body);
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
        self.publish("$JS.API.STREAM.PURGE.contexter", b"", b"");
        Ok(())
    }
}

impl NatsFixture {
    /// Publishes a message as another client would, and waits until JetStream has answered.
    fn publish(&self, subject: &str, headers: &[u8], body: &[u8]) {
        let address = self.server.lock().address();
        let answer = block_in_place(|| publish(address, subject, headers, body));
        let answer = answer.expect("the server answers");
        assert!(!answer.contains("\"error\""), "{answer}");
    }
}

fn publish(address: SocketAddr, subject: &str, headers: &[u8], body: &[u8]) -> io::Result<String> {
    let mut socket = TcpStream::connect(address)?;
    socket.set_read_timeout(Some(Duration::from_secs(30)))?;
    let mut request = b"CONNECT {\"verbose\":false,\"headers\":true}\r\nSUB answer 1\r\n".to_vec();
    let (named, total) = (headers.len(), headers.len() + body.len());
    let command = match named {
        0 => format!("PUB {subject} answer {total}\r\n"),
        _ => format!("HPUB {subject} answer {named} {total}\r\n"),
    };
    for part in [command.as_bytes(), headers, body, b"\r\n"] {
        request.extend(part);
    }
    socket.write_all(&request)?;
    let mut answer = String::new();
    let mut some = [0; 4_096];
    while !(answer.contains("MSG answer") && answer.ends_with("}\r\n")) {
        let many = socket.read(&mut some)?;
        answer.push_str(&String::from_utf8_lossy(
            some.get(..many).unwrap_or_default(),
        ));
        if many == 0 || answer.contains("-ERR") {
            return Err(io::Error::other(answer));
        }
    }
    Ok(answer)
}
