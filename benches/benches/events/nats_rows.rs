//! NATS: the transport, and JetStream as the client's documentation shows it.
//!
//! The plain consumer pulls, reads the headers and the JSON of the body, since nobody consumes
//! without, and acknowledges every message by itself. It makes no event of it, checks nothing, and
//! keeps no lease, order or memory of what it has seen.

use std::collections::VecDeque;
use std::future::IntoFuture as _;
use std::hint::black_box;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::consumer::pull;
use async_nats::jetstream::context::PublishAckFuture;
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::Config;
use async_nats::jetstream::{self, Context};
use async_nats::{HeaderMap, Message};
use contexter_event_bus::MessageTransport;
use contexter_nats::{NatsConfig, NatsTransport};
use contexter_protocol::codec;
use contexter_testkit::{Nats, Server};
use futures_util::StreamExt as _;
use tokio::runtime::Runtime;
use tokio::time::Instant;

use crate::broker::{BATCH, EVENT_TYPE, Event, Failure, HELD, Peer, events, rows};
use crate::chosen::Chosen;

const ROWS: [&str; 3] = ["nats_publish", "nats_consume", "nats_latency"];

/// Measures the rows of NATS.
pub(crate) fn run(runtime: &Runtime, chosen: &Chosen) -> Result<(), Failure> {
    if !ROWS.iter().any(|row| chosen.has(row)) {
        return Ok(());
    }
    let server: Server = Nats::start()?;
    let peer = Plain {
        address: server.address(),
    };
    rows(&peer, runtime, chosen)
}

struct Plain {
    address: SocketAddr,
}

/// A message as somebody would have it who makes the headers by hand.
fn encode(event: &Event) -> Result<(HeaderMap, Vec<u8>), Failure> {
    let encoded = codec::encode_binary(event)?;
    let mut headers = HeaderMap::new();
    for (name, value) in &encoded.headers {
        headers.insert(name.to_string(), value.to_string());
    }
    headers.insert("Nats-Msg-Id", format!("{}/{}", event.source(), event.id()));
    Ok((headers, encoded.body.to_vec()))
}

/// Reads a message as somebody would who has no use for the rest of it.
fn read(message: &Message) -> Result<(), Failure> {
    let headers = message.headers.as_ref().ok_or("no headers")?;
    for name in ["ce-id", "ce-source", "ce-type"] {
        black_box(headers.get(name).ok_or("a header is missing")?.as_str());
    }
    let body: serde_json::Value = serde_json::from_slice(&message.payload)?;
    black_box(body);
    Ok(())
}

impl Plain {
    async fn connect(&self) -> Result<Context, Failure> {
        let client = async_nats::connect(format!("nats://{}", self.address)).await?;
        Ok(jetstream::new(client))
    }

    async fn stream(&self, context: &Context, name: &str) -> Result<(), Failure> {
        let stream = Config {
            name: name.to_owned(),
            subjects: vec![format!("{name}.>")],
            ..Config::default()
        };
        context.get_or_create_stream(stream).await?;
        Ok(())
    }

    async fn pull(&self, context: &Context, name: &str) -> Result<pull::Stream, Failure> {
        let stream = context.get_stream(name).await?;
        let config = pull::Config {
            durable_name: Some("plain".to_owned()),
            max_ack_pending: 65_536,
            ..pull::Config::default()
        };
        let consumer = stream.create_consumer(config).await?;
        Ok(consumer
            .stream()
            .max_messages_per_batch(HELD)
            .messages()
            .await?)
    }
}

async fn send(
    context: &Context,
    subject: &str,
    (headers, body): (HeaderMap, Vec<u8>),
) -> Result<PublishAckFuture, Failure> {
    let message = PublishMessage::build()
        .payload(body.into())
        .headers(headers);
    Ok(context.send_publish(subject.to_owned(), message).await?)
}

impl Peer for Plain {
    const CLIENT: &'static str = "async-nats JetStream";

    fn rows(&self) -> [&'static str; 3] {
        ROWS
    }

    fn keeps(&self) -> &'static str {
        "file store"
    }

    async fn transport(&self, name: &str) -> Result<Arc<dyn MessageTransport>, Failure> {
        let config = NatsConfig::new([format!("nats://{}", self.address)]).with_stream(name, name);
        Ok(Arc::new(NatsTransport::connect(config).await?))
    }

    async fn publish(&self, name: &str, events: &[Event]) -> Result<Duration, Failure> {
        let encoded = events.iter().map(encode).collect::<Result<Vec<_>, _>>()?;
        let context = self.connect().await?;
        self.stream(&context, name).await?;
        let subject = format!("{name}.{EVENT_TYPE}");
        let mut encoded = encoded.into_iter();
        let start = Instant::now();
        loop {
            let mut waiting = VecDeque::with_capacity(BATCH);
            for message in encoded.by_ref().take(BATCH) {
                waiting.push_back(send(&context, &subject, message).await?);
            }
            if waiting.is_empty() {
                return Ok(start.elapsed());
            }
            for confirmation in waiting {
                confirmation.into_future().await?;
            }
        }
    }

    async fn consume(&self, name: &str, count: usize) -> Result<Duration, Failure> {
        let start = Instant::now();
        let context = self.connect().await?;
        let mut messages = self.pull(&context, name).await?;
        for _ in 0..count {
            let message = messages.next().await.ok_or("the consumer is gone")??;
            read(&message)?;
            message.ack().await?;
        }
        // All of them are through when the server has answered to what comes after them.
        context.get_stream(name).await?;
        Ok(start.elapsed())
    }

    async fn latencies(&self, name: &str, rounds: usize) -> Result<Vec<Duration>, Failure> {
        let context = self.connect().await?;
        self.stream(&context, name).await?;
        let mut messages = self.pull(&context, name).await?;
        let subject = format!("{name}.{EVENT_TYPE}");
        let mut times = Vec::with_capacity(rounds);
        for event in events(rounds)? {
            let message = encode(&event)?;
            let start = Instant::now();
            send(&context, &subject, message)
                .await?
                .into_future()
                .await?;
            let message = messages.next().await.ok_or("the consumer is gone")??;
            times.push(start.elapsed());
            message.ack().await?;
        }
        Ok(times)
    }

    async fn tidy(&self, name: &str) -> Result<(), Failure> {
        let context = self.connect().await?;
        context.delete_stream(name).await?;
        // Only the bus makes one for dead letters.
        let _none = context.delete_stream(format!("{name}-dead")).await;
        Ok(())
    }
}
