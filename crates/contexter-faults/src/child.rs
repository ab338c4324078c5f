//! One process of the pool.

use std::io::Read as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use contexter_event_bus::{
    Bus, BusConfig, DedupeKey, DedupeStore, Delivery, HandlerError, Overflow, Pattern, Start,
    SubscriptionConfig,
};

use crate::broker::{Kind, LEASE};
use crate::line::Remote;
use crate::numbered::{TYPE, number_of};

/// The group of the pool.
pub(crate) const POOL: &str = "pool";
/// What a process says when it is subscribed.
pub(crate) const READY: &str = "ready";
/// How often an event may be given to a process before it counts as what kills them.
pub(crate) const ATTEMPTS: u32 = 4;
/// What a process holds at a time. Small, because what kills a process is counted against
/// everything that it held.
const HELD: usize = 32;
const CONCURRENCY: usize = 4;
const HANDLER_TIMEOUT: Duration = Duration::from_secs(10);
const DRAIN_WITHIN: Duration = Duration::from_secs(10);

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// The broker.
    #[arg(long, value_enum)]
    pub(crate) kind: Kind,
    /// Where it listens.
    #[arg(long)]
    pub(crate) address: SocketAddr,
    /// Where the database listens.
    #[arg(long)]
    pub(crate) database: SocketAddr,
    /// The number that kills the process that handles it.
    #[arg(long)]
    pub(crate) poison: u64,
}

/// Consumes until standard input ends, then drains.
pub(crate) async fn run(args: Args) -> Result<()> {
    let database = Arc::new(Remote::connect(args.database, POOL).await?);
    let transport = args.kind.connect(args.address).await?;
    let store = Arc::clone(&database) as Arc<dyn DedupeStore>;
    let bus = Bus::with_dedupe_store(Some(transport), store, &BusConfig::default());
    let pattern: Arc<Pattern> = Arc::new(TYPE.parse()?);
    let handler = move |delivery: Delivery| {
        let (database, pattern) = (Arc::clone(&database), Arc::clone(&pattern));
        async move {
            let event = delivery.event();
            let number = number_of(event).map_err(HandlerError::permanent)?;
            if number == args.poison {
                // Nothing in the process gets to run any more, as with a kill from outside.
                std::process::abort();
            }
            let key = DedupeKey::new(event, POOL, &pattern);
            let written = database.write(&key, number).await;
            written.map_err(HandlerError::retryable)
        }
    };
    let config = SubscriptionConfig::default()
        .with_group(POOL)
        .with_start(Start::Earliest)
        .with_queue(HELD, Overflow::Block)
        .with_concurrency(CONCURRENCY)
        .with_attempts(
            ATTEMPTS,
            Duration::from_millis(50),
            Duration::from_millis(500),
        )
        .with_handler_timeout(HANDLER_TIMEOUT)
        .with_lease(LEASE);
    let subscription = bus.subscribe(TYPE, config, handler)?;
    subscription.ready().await?;
    println!("{READY}");
    // The end of the pipe is the word to stop; it also comes when the parent is killed.
    let heard = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
    heard.await??;
    bus.drain(DRAIN_WITHIN).await;
    Ok(())
}
