//! One run on one broker.

use std::collections::BTreeSet;
use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use contexter_event_bus::{
    Bus, BusConfig, DeadLetter, DeadLetterQuery, DedupeKey, Delivery, EventFilter, HandlerError,
    Overflow, Pattern, Start, Subscription, SubscriptionConfig,
};
use contexter_testkit::Forwarder;
use tokio::time::{sleep, timeout};

use crate::broker::{Kind, LEASE, PATIENCE};
use crate::child::{Args, POOL};
use crate::conductor::{Stage, poison};
use crate::control::{self, Tally};
use crate::database::{Database, HERE, Here};
use crate::numbered::{TYPE, key_of, number_of};
use crate::pace::Pace;
use crate::pool::Pool;
use crate::publisher::{Published, publish};
use crate::report::{Report, Row, Stored};

/// The group of the one consumer whose order is checked.
const ORDERED: &str = "ordered";
/// How often an event may come before it counts as poison. Every stop of the broker and every broken
/// connection counts as one for what was held then.
const ATTEMPTS: u32 = 20;
const HELD: usize = 256;
const CONCURRENCY: usize = 8;
/// After so long without anything new, what has not come does not come.
const STALLED: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(100);
/// How many stored events are read at once.
const PAGE: usize = 5_000;
/// Far more dead letters than there can be.
const ALL_LETTERS: usize = 10_000;

/// Runs everything on a broker, and says what came of it.
pub(crate) async fn run(kind: Kind, events: u64) -> Result<Report> {
    let begun = Instant::now();
    let mut server = kind.start()?;
    let address = server.address();
    let version = kind.version(address).await?;
    let (publisher_way, control_way, consumer_way) = (
        Forwarder::start(address)?,
        Forwarder::start(address)?,
        Forwarder::start(address)?,
    );
    let database = Arc::new(Database::default());
    let (database_address, listening) = database.listen().await?;

    let bus = consumer(kind, &consumer_way, &database).await?;
    let _ordered = subscribe(&bus, &database).await?;
    let args = Args {
        kind,
        address,
        database: database_address,
        poison: poison(events),
    };
    let pool = Pool::start(&args).await?;
    let tally = Arc::new(Tally::default());
    let control = control::consume(kind, consumer_way.address(), &tally).await?;
    let sending = Bus::over(
        kind.connect(publisher_way.address()).await?,
        &BusConfig::default(),
    );

    let (pace, published) = (Arc::new(Pace::default()), Arc::new(Published::default()));
    let stage = Stage {
        server: &mut server,
        publisher: &publisher_way,
        control: &control_way,
        consumer: &consumer_way,
        pool: &pool,
    };
    let all = async {
        tokio::try_join!(
            publish(&sending, events, &pace, &published),
            control::publish(kind, control_way.address(), events, &pace, &tally),
            stage.conduct(events, &pace),
        )
    };
    // A thousand events a second, or something hangs.
    let limit = PATIENCE * 3 + Duration::from_millis(events);
    let ((), (), happened) = timeout(limit, all).await.context("publishing hangs")??;

    let wanted = Wanted {
        events,
        database: &database,
        tally: &tally,
        bus: &bus,
    };
    let letters = wanted.settled().await?;
    let redriven = redrive(&bus, &letters, poison(events)).await?;
    if redriven > 0 {
        wanted.settled().await?;
    }
    let letters = pool_letters(&bus).await?;
    let stored = stored(&bus, poison(events))
        .await
        .context("the stored events cannot be read")?;

    let deaths = pool.deaths();
    pool.stop().await?;
    drop(control);
    sending.drain(Duration::from_secs(5)).await;
    bus.drain(Duration::from_secs(5)).await;
    listening.abort();

    let letters_of = |number| {
        let of_it = |letter: &&DeadLetter| number_in(letter) == Some(number);
        letters.iter().filter(of_it).count() as u64
    };
    let of_poison = letters_of(poison(events));
    // The letter of a second copy may come when the first was handled, and says nothing then.
    let mut others: BTreeSet<u64> = letters.iter().filter_map(number_in).collect();
    others.remove(&poison(events));
    let others = database.unhandled(POOL, &others);
    let (ordered, pooled) = (database.table(ORDERED), database.table(POOL));
    let lost = |has: &dyn Fn(u64) -> bool| (0..events).filter(|number| !has(*number)).collect();
    Ok(Report {
        version,
        events,
        took: begun.elapsed(),
        happened,
        resets: [&publisher_way, &control_way, &consumer_way].map(Forwarder::resets),
        deaths,
        redriven,
        letters: [of_poison, others],
        stored,
        unconfirmed: published.unconfirmed.load(Ordering::Relaxed),
        recognised: published.recognised.load(Ordering::Relaxed),
        rows: vec![
            Row::of_group("bus, one consumer", &ordered, lost(&|n| ordered.has(n)))
                .in_order(&ordered),
            Row::of_group(
                "bus, two processes",
                &pooled,
                lost(&|n| pooled.has(n) || letters_of(n) > 0),
            ),
        ],
        control: control_row(&tally, lost(&|n| tally.has(n))),
        control_unconfirmed: tally.unconfirmed.load(Ordering::Relaxed),
    })
}

fn control_row(tally: &Tally, lost: BTreeSet<u64>) -> Row {
    let arrived = tally.arrived.load(Ordering::Relaxed);
    Row {
        who: "plain client",
        arrived,
        duplicates: arrived - tally.handled(),
        doubled: None,
        lost,
        out_of_order: None,
    }
}

async fn consumer(kind: Kind, way: &Forwarder, database: &Arc<Database>) -> Result<Bus> {
    let store = Arc::new(Here {
        database: Arc::clone(database),
        group: ORDERED,
    });
    let transport = kind.connect(way.address()).await?;
    Ok(Bus::with_dedupe_store(
        Some(transport),
        store,
        &BusConfig::default(),
    ))
}

async fn subscribe(bus: &Bus, database: &Arc<Database>) -> Result<Subscription> {
    let config = SubscriptionConfig::default()
        .with_group(ORDERED)
        .with_start(Start::Earliest)
        .with_queue(HELD, Overflow::Block)
        .with_concurrency(CONCURRENCY)
        .with_attempts(
            ATTEMPTS,
            Duration::from_millis(50),
            Duration::from_millis(500),
        )
        .with_lease(LEASE);
    let database = Arc::clone(database);
    let pattern: Arc<Pattern> = Arc::new(TYPE.parse()?);
    let handler = move |delivery: Delivery| {
        let (database, pattern) = (Arc::clone(&database), Arc::clone(&pattern));
        async move {
            let event = delivery.event();
            let number = number_of(event).map_err(HandlerError::permanent)?;
            // A handler that waits for something, so that several run at the same time.
            tokio::task::yield_now().await;
            let key = DedupeKey::new(event, ORDERED, &pattern);
            database.write(HERE, ORDERED, key.as_str(), number);
            Ok(())
        }
    };
    let subscription = bus.subscribe(TYPE, config, handler)?;
    subscription.ready().await?;
    Ok(subscription)
}

/// What is waited for when everything is published.
struct Wanted<'a> {
    events: u64,
    database: &'a Database,
    tally: &'a Tally,
    bus: &'a Bus,
}

impl Wanted<'_> {
    /// Waits until everything has come, or nothing comes any more; returns the dead letters.
    async fn settled(&self) -> Result<Vec<DeadLetter>> {
        let mut last = (0, 0, 0, 0);
        let mut changed = Instant::now();
        loop {
            let letters = pool_letters(self.bus).await?;
            // One event may have several letters, and may have been handled as well.
            let lettered = letters.iter().filter_map(number_in).collect();
            let now = (
                self.database.handled(ORDERED),
                self.database.handled(POOL),
                self.tally.handled(),
                self.database.unhandled(POOL, &lettered),
            );
            let complete =
                now.0 == self.events && now.1 + now.3 >= self.events && now.2 == self.events;
            if now != last {
                (last, changed) = (now, Instant::now());
            }
            if complete || changed.elapsed() > STALLED {
                return Ok(letters);
            }
            sleep(LOOK).await;
        }
    }
}

async fn pool_letters(bus: &Bus) -> Result<Vec<DeadLetter>> {
    let query = DeadLetterQuery::all().limit(ALL_LETTERS);
    patiently(|| bus.find_dead_letters(&query))
        .await
        .context("dead letters cannot be read")
}

/// Reads what the broker has stored, and looks whether each key's first copies are in order.
async fn stored(bus: &Bus, poison: u64) -> Result<Stored> {
    let mut stored = Stored::default();
    let mut known = HashSet::new();
    let mut last: HashMap<u64, u64> = HashMap::new();
    let mut filter = EventFilter::all().limit(PAGE);
    loop {
        let history = patiently(|| bus.history(&filter)).await?;
        for event in &history.events {
            let number = number_of(event)?;
            stored.copies += 1;
            stored.poison += u64::from(number == poison);
            if known.insert(number) {
                let last = last.entry(key_of(number)).or_default();
                stored.out_of_order += u64::from(number < *last);
                *last = number.max(*last);
            }
        }
        match history.last {
            Some(place) if !history.events.is_empty() => {
                filter = EventFilter::all().limit(PAGE).after(place);
            }
            _ => return Ok(stored),
        }
    }
}

/// Gives back to the pool what was only near the event that kills. Returns how many there were.
async fn redrive(bus: &Bus, letters: &[DeadLetter], poison: u64) -> Result<u64> {
    let mut redriven = 0;
    for letter in letters {
        if number_in(letter) != Some(poison) {
            bus.redrive(&letter.id).await?;
            redriven += 1;
        }
    }
    Ok(redriven)
}

fn number_in(letter: &DeadLetter) -> Option<u64> {
    number_of(letter.event()?).ok()
}

/// Asks again for a while: the broker may just have come back.
async fn patiently<T, E, F>(mut ask: impl FnMut() -> F) -> Result<T, E>
where
    F: Future<Output = Result<T, E>>,
{
    let begun = Instant::now();
    loop {
        match ask().await {
            Err(_) if begun.elapsed() < STALLED => sleep(LOOK).await,
            answer => return answer,
        }
    }
}
