//! A process that is killed after its handler has succeeded and before the event is acknowledged:
//! the next process gets the event again, and recognises it.
//!
//! The program starts itself as the process that dies.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test may panic, and it says what it found"
)]

use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use contexter_event_bus::{
    Begin, Bus, BusConfig, DedupeKey, DedupeStore, Delivery, DeliveryId, Start, SubscriptionConfig,
    TransportError,
};
use contexter_protocol::IntegrationEvent;
use contexter_redis::{RedisConfig, RedisDedupe, RedisTransport};
use contexter_testkit::Redis;

const PATIENCE: Duration = Duration::from_secs(30);
const HANDLED: &str = "handled";
const NAME: &str = "a_process_killed_before_the_ack_has_its_event_recognised_by_the_next";

/// Dies when the deduplication has noted an event as done.
#[derive(Debug)]
struct DiesWhenDone(RedisDedupe);

#[async_trait]
impl DedupeStore for DiesWhenDone {
    async fn begin(
        &self,
        key: &DedupeKey,
        by: &DeliveryId,
        lease: Duration,
    ) -> Result<Begin, TransportError> {
        self.0.begin(key, by, lease).await
    }

    async fn done(&self, key: &DedupeKey) -> Result<(), TransportError> {
        self.0.done(key).await?;
        // Nothing in the process gets to run any more, as with a kill from outside.
        std::process::abort()
    }

    async fn release(&self, key: &DedupeKey, by: &DeliveryId) -> Result<(), TransportError> {
        self.0.release(key, by).await
    }

    fn outlives_processes(&self) -> bool {
        self.0.outlives_processes()
    }
}

fn bus(url: &str, store: Arc<dyn DedupeStore>) -> Bus {
    let transport = RedisTransport::new(RedisConfig::new(url)).unwrap();
    Bus::with_dedupe_store(Some(Arc::new(transport)), store, &BusConfig::default())
}

fn store(url: &str) -> RedisDedupe {
    RedisDedupe::new(&RedisConfig::new(url)).unwrap()
}

fn member() -> SubscriptionConfig {
    SubscriptionConfig::default()
        .with_group("g")
        .with_start(Start::Earliest)
        .with_lease(Duration::from_secs(1))
}

/// The process that dies.
async fn consume(url: &str) {
    let bus = bus(url, Arc::new(DiesWhenDone(store(url))));
    let handler = |_: Delivery| async {
        println!("{HANDLED}");
        Ok(())
    };
    let _kept = bus.subscribe("a.b", member(), handler).unwrap();
    tokio::time::sleep(PATIENCE * 4).await;
}

async fn recognised_by_the_next() {
    let server = Redis::start().unwrap();
    let url = server.url();
    let bus = bus(&url, Arc::new(store(&url)));
    let event = IntegrationEvent::builder("tests", "a.b").build().unwrap();
    bus.publish(event).await.unwrap();

    let program = std::env::current_exe().unwrap();
    let dies = tokio::task::spawn_blocking({
        let url = url.clone();
        move || {
            let child = Command::new(program)
                .args(["consume", &url])
                .stdin(Stdio::null())
                .output();
            child.unwrap()
        }
    });
    let output = tokio::time::timeout(PATIENCE, dies).await.unwrap().unwrap();
    assert_eq!(output.status.code(), None, "a signal has ended it");
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(said.trim(), HANDLED, "its handler has succeeded");

    let again = |_: Delivery| async { panic!("it is handled twice") };
    let kept = bus.subscribe("a.b", member(), again).unwrap();
    let end = tokio::time::Instant::now() + PATIENCE;
    while kept.stats().duplicates == 0 {
        assert!(tokio::time::Instant::now() < end, "{:?}", kept.stats());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(bus.idle(PATIENCE).await, "it is acknowledged");
    let stats = kept.stats();
    assert_eq!((stats.duplicates, stats.failed, stats.delivered), (1, 0, 0));
    bus.drain(Duration::from_secs(5)).await;
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    if let [command, url] = arguments.as_slice()
        && command == "consume"
    {
        consume(url).await;
        return ExitCode::FAILURE;
    }
    if arguments.iter().any(|argument| argument == "--list") {
        println!("{NAME}: test");
        return ExitCode::SUCCESS;
    }
    contexter_testkit::require!("redis-server"; ExitCode::SUCCESS);
    recognised_by_the_next().await;
    println!("test {NAME} ... ok");
    ExitCode::SUCCESS
}
