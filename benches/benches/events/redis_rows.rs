//! Redis: the transport, and a client that pipelines the same commands.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use contexter_event_bus::MessageTransport;
use contexter_protocol::codec;
use contexter_redis::{RedisConfig, RedisTransport};
use contexter_testkit::{Redis, Server};
use redis::aio::MultiplexedConnection;
use redis::streams::StreamReadReply;
use redis::{AsyncCommands as _, AsyncConnectionConfig, Client, Pipeline};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::broker::{BATCH, Event, Failure, HELD, Peer, events, rows};
use crate::chosen::Chosen;

/// As the transport limits its stream by default.
const MAX_EVENTS: usize = 1_000_000;

/// Measures the rows of Redis: without a file, so that the server takes as little as possible of
/// what is compared, and with one that is synced before a write is confirmed, as one has it who
/// must not lose what was confirmed.
pub(crate) fn run(runtime: &Runtime, chosen: &Chosen) -> Result<(), Failure> {
    for keeps in [Keeps::InMemory, Keeps::Synced] {
        if !keeps.rows().iter().any(|row| chosen.has(row)) {
            continue;
        }
        let server: Server = Redis::builder().args(keeps.settings()).start()?;
        let peer = Plain {
            address: server.address(),
            keeps,
        };
        rows(&peer, runtime, chosen)?;
    }
    Ok(())
}

/// How safely the server keeps events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keeps {
    InMemory,
    Synced,
}

impl Keeps {
    fn rows(self) -> [&'static str; 3] {
        match self {
            Self::InMemory => ["redis_publish", "redis_consume", "redis_latency"],
            Self::Synced => [
                "redis_publish_synced",
                "redis_consume_synced",
                "redis_latency_synced",
            ],
        }
    }

    fn settings(self) -> [&'static str; 4] {
        match self {
            Self::InMemory => ["--appendonly", "no", "--appendfsync", "no"],
            Self::Synced => ["--appendonly", "yes", "--appendfsync", "always"],
        }
    }

    fn label(self) -> &'static str {
        match self {
            Self::InMemory => "appendonly no",
            Self::Synced => "appendfsync always",
        }
    }
}

struct Plain {
    address: SocketAddr,
    keeps: Keeps,
}

impl Plain {
    async fn connect(&self) -> Result<MultiplexedConnection, Failure> {
        let client = Client::open(format!("redis://{}", self.address))?;
        let config = AsyncConnectionConfig::new().set_response_timeout(None);
        Ok(client
            .get_multiplexed_async_connection_with_config(&config)
            .await?)
    }

    fn add(pipeline: &mut Pipeline, key: &str, event: &Encoded) {
        pipeline
            .cmd("XADD")
            .arg(key)
            .arg("MAXLEN")
            .arg("~")
            .arg(MAX_EVENTS)
            .arg("*");
        for (name, value) in &event.0 {
            pipeline.arg(name).arg(value);
        }
        pipeline.arg("data").arg(&event.1[..]);
    }
}

/// Names and values, and the data.
struct Encoded(Vec<(String, String)>, Vec<u8>);

/// An event as somebody would have it who makes the fields by hand.
fn encode(event: &Event) -> Result<Encoded, Failure> {
    let encoded = codec::encode_binary(event)?;
    let headers = encoded.headers.iter();
    let headers = headers.map(|(name, value)| (name.to_string(), value.to_string()));
    Ok(Encoded(headers.collect(), encoded.body.to_vec()))
}

fn stream(name: &str) -> String {
    format!("{{{name}}}:events")
}

impl Peer for Plain {
    const CLIENT: &'static str = "redis client, same commands";

    fn rows(&self) -> [&'static str; 3] {
        self.keeps.rows()
    }

    fn keeps(&self) -> &'static str {
        self.keeps.label()
    }

    async fn transport(&self, name: &str) -> Result<Arc<dyn MessageTransport>, Failure> {
        let config = RedisConfig::new(format!("redis://{}", self.address)).with_name(name);
        Ok(Arc::new(RedisTransport::new(config)?))
    }

    async fn publish(&self, name: &str, events: &[Event]) -> Result<Duration, Failure> {
        let encoded = events.iter().map(encode).collect::<Result<Vec<_>, _>>()?;
        let mut connection = self.connect().await?;
        let key = stream(name);
        let start = Instant::now();
        for batch in encoded.chunks(BATCH) {
            let mut pipeline = redis::pipe();
            for event in batch {
                Self::add(&mut pipeline, &key, event);
            }
            let ids: Vec<String> = pipeline.query_async(&mut connection).await?;
            assert_eq!(ids.len(), batch.len(), "every event is confirmed");
        }
        Ok(start.elapsed())
    }

    async fn consume(&self, name: &str, count: usize) -> Result<Duration, Failure> {
        let key = stream(name);
        let start = Instant::now();
        let mut connection = self.connect().await?;
        let () = connection.xgroup_create(&key, "plain", "0").await?;
        let mut acks: Vec<String> = Vec::new();
        let mut seen = 0;
        while seen < count || !acks.is_empty() {
            let mut pipeline = redis::pipe();
            if !acks.is_empty() {
                pipeline
                    .cmd("XACK")
                    .arg(&key)
                    .arg("plain")
                    .arg(&acks)
                    .ignore();
            }
            pipeline
                .cmd("XREADGROUP")
                .arg("GROUP")
                .arg("plain")
                .arg("one");
            pipeline
                .arg("COUNT")
                .arg(HELD)
                .arg("STREAMS")
                .arg(&key)
                .arg(">");
            let (reply,): (Option<StreamReadReply>,) =
                pipeline.query_async(&mut connection).await?;
            let entries = reply.into_iter().flat_map(|reply| reply.keys);
            acks = entries
                .flat_map(|key| key.ids)
                .map(|entry| entry.id)
                .collect();
            seen += acks.len();
        }
        Ok(start.elapsed())
    }

    async fn latencies(&self, name: &str, rounds: usize) -> Result<Vec<Duration>, Failure> {
        let key = stream(name);
        let mut publisher = self.connect().await?;
        let mut reader = self.connect().await?;
        let () = reader.xgroup_create_mkstream(&key, "plain", "0").await?;
        let (arrived, mut arrivals) = mpsc::channel::<Instant>(1);
        let read = key.clone();
        let reading = tokio::spawn(async move {
            let mut ack: Vec<String> = Vec::new();
            loop {
                let mut pipeline = redis::pipe();
                if !ack.is_empty() {
                    pipeline
                        .cmd("XACK")
                        .arg(&read)
                        .arg("plain")
                        .arg(&ack)
                        .ignore();
                }
                pipeline
                    .cmd("XREADGROUP")
                    .arg("GROUP")
                    .arg("plain")
                    .arg("one");
                pipeline
                    .arg("BLOCK")
                    .arg(250)
                    .arg("STREAMS")
                    .arg(&read)
                    .arg(">");
                let (reply,): (Option<StreamReadReply>,) =
                    pipeline.query_async(&mut reader).await?;
                let entries = reply.into_iter().flat_map(|reply| reply.keys);
                ack = entries
                    .flat_map(|key| key.ids)
                    .map(|entry| entry.id)
                    .collect();
                if !ack.is_empty() && arrived.send(Instant::now()).await.is_err() {
                    return Ok::<(), redis::RedisError>(());
                }
            }
        });
        let mut times = Vec::with_capacity(rounds);
        for event in events(rounds)? {
            let event = encode(&event)?;
            let start = Instant::now();
            let mut pipeline = redis::pipe();
            Self::add(&mut pipeline, &key, &event);
            let _id: Vec<String> = pipeline.query_async(&mut publisher).await?;
            let arrival = arrivals.recv().await.ok_or("the reader is gone")?;
            times.push(arrival.duration_since(start));
        }
        reading.abort();
        Ok(times)
    }

    async fn tidy(&self, name: &str) -> Result<(), Failure> {
        let mut connection = self.connect().await?;
        let () = connection.del(stream(name)).await?;
        Ok(())
    }
}
