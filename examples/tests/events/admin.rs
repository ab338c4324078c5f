//! Dead letters on each broker: list, show, redrive, purge.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use contexter_event_bus::{
    Bus, BusConfig, Delivery, HandlerError, Start, Subscription, SubscriptionConfig,
};
use contexter_examples::broker::connect;
use contexter_protocol::IntegrationEvent;
use contexter_testkit::{Nats, Redis, require};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::program::{Said, run};

const PATIENCE: Duration = Duration::from_secs(30);

/// A bus whose handler refuses everything until it is mended.
struct Service {
    bus: Bus,
    mended: Arc<AtomicBool>,
    handled: Arc<AtomicUsize>,
    _subscription: Subscription,
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds().await {
        assert!(Instant::now() < end, "never: {what}");
        sleep(Duration::from_millis(20)).await;
    }
}

impl Service {
    async fn start(url: &str) -> Self {
        let transport = connect(url, "contexter").await.unwrap();
        let bus = Bus::over(transport, &BusConfig::default());
        let (mended, handled) = (Arc::new(AtomicBool::new(false)), Arc::default());
        let (good, count) = (Arc::clone(&mended), Arc::clone(&handled));
        let config = SubscriptionConfig::default()
            .with_group("workers")
            .with_start(Start::Earliest);
        let handle = move |_: Delivery| {
            let good = good.load(Ordering::Acquire);
            let count: &AtomicUsize = &count;
            if good {
                count.fetch_add(1, Ordering::AcqRel);
            }
            std::future::ready(if good {
                Ok(())
            } else {
                Err(HandlerError::permanent("the shelf is full"))
            })
        };
        let subscription = bus.subscribe("book.*", config, handle).unwrap();
        subscription.ready().await.unwrap();
        Self {
            bus,
            mended,
            handled,
            _subscription: subscription,
        }
    }

    async fn fail(&self, books: usize) {
        let before = self.bus.dead_letters().await.unwrap().len();
        for number in 0..books {
            let event = IntegrationEvent::builder("shop", "book.bought")
                .subject(format!("book-{number}"))
                .data(json!({ "title": "Größe" }));
            self.bus.publish(event.build().unwrap()).await.unwrap();
        }
        until("dead letters", async || {
            self.bus.dead_letters().await.unwrap().len() == before + books
        })
        .await;
    }
}

fn admin(url: &str, args: &[&str]) -> Said {
    run("events_admin", &[&["--url", url], args].concat())
}

/// Lists the letters as JSON.
fn letters(url: &str) -> Vec<Value> {
    let said = admin(url, &["list", "--json"]).success();
    said.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn id(letter: &Value) -> String {
    letter["id"].as_str().unwrap().to_owned()
}

async fn looks_after_dead_letters(url: &str) {
    let service = Service::start(url).await;
    service.fail(4).await;

    let listed = admin(url, &["list", "--limit", "3"]).success();
    assert_eq!(listed.lines().count(), 3, "{listed}");
    assert!(
        listed.contains("book.bought  book-0  group workers"),
        "{listed}"
    );
    assert!(listed.contains("the shelf is full"), "{listed}");
    assert_eq!(admin(url, &["list", "--group", "others"]).success(), "");
    let all = letters(url);
    assert_eq!(all.len(), 4);

    let first = id(&all[0]);
    let shown = admin(url, &["show", &first]).success();
    for what in [&*first, "workers", "Permanent", "book-0", "Größe", "shop"] {
        assert!(shown.contains(what), "{what} in {shown}");
    }
    let shown: Value =
        serde_json::from_str(&admin(url, &["show", &first, "--json"]).success()).unwrap();
    assert_eq!(shown["group"], "workers");

    let purged = admin(url, &["purge", &first]).success();
    assert_eq!(purged, format!("purged {first}\n"));
    admin(url, &["show", &first]).fails(1, "no dead letter");
    assert_eq!(letters(url).len(), 3);

    service.mended.store(true, Ordering::Release);
    let second = id(&all[1]);
    assert_eq!(
        admin(url, &["redrive", &second]).success(),
        format!("redriven {second}\n")
    );
    until("one is handled", async || {
        service.handled.load(Ordering::Acquire) == 1
    })
    .await;
    let again = admin(url, &["redrive", &second]);
    again.fails(1, "1 dead letters were not redriven");
    let rest = admin(url, &["redrive", "--all", "--group", "workers"]).success();
    assert_eq!(rest.lines().count(), 2, "{rest}");
    until("all are handled", async || {
        service.handled.load(Ordering::Acquire) == 3
    })
    .await;
    assert!(letters(url).is_empty());

    // One that only its own process can handle again does not keep the others.
    let refuse = |_: Delivery| std::future::ready(Err(HandlerError::permanent("not here")));
    let config = SubscriptionConfig::default();
    let alone = service.bus.subscribe("page.*", config, refuse).unwrap();
    alone.ready().await.unwrap();
    let page = IntegrationEvent::builder("shop", "page.read").build();
    service.bus.publish(page.unwrap()).await.unwrap();
    until("its letter", async || letters(url).len() == 1).await;
    service.mended.store(false, Ordering::Release);
    service.fail(1).await;
    service.mended.store(true, Ordering::Release);
    admin(url, &["redrive", "--all"]).fails(1, "1 dead letters were not redriven");
    until("the other is handled", async || {
        service.handled.load(Ordering::Acquire) == 4
    })
    .await;
    assert_eq!(
        admin(url, &["purge", "--all"]).success(),
        "purged 1 dead letters\n"
    );
    service.bus.drain(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_redis_dead_letters_are_listed_shown_redriven_and_purged() {
    require!("redis-server");
    let server = Redis::start().unwrap();
    looks_after_dead_letters(&server.url()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_nats_dead_letters_are_listed_shown_redriven_and_purged() {
    require!("nats-server");
    let server = Nats::start().unwrap();
    looks_after_dead_letters(&server.url()).await;
}

#[test]
fn on_nats_a_mistyped_name_is_told_with_1_and_makes_no_bus() {
    require!("nats-server");
    let server = Nats::start().unwrap();
    let url = server.url();
    for command in [&["list"][..], &["purge", "--all"], &["list"]] {
        let args = [&["--url", &url, "--name", "typo"], command].concat();
        run("events_admin", &args).fails(1, "no such bus at the broker: \"typo\"");
    }
}

#[test]
fn wrong_usage_is_told_with_2() {
    run("events_admin", &["list"]).fails(2, "--url is missing");
    admin("kafka://:hidden@127.0.0.1:1", &["list"]).fails(2, "must begin with redis://");
    admin("redis://127.0.0.1:1", &["redrive"]).fails(2, "required");
    admin("redis://127.0.0.1:1", &["purge", "1-0", "--all"]).fails(2, "cannot be used with");
    admin("redis://127.0.0.1:1", &["list", "--limit", "0"]).fails(2, "--limit");
    admin("redis://127.0.0.1:1", &["forget"]).fails(2, "forget");
    let nameless = run(
        "events_admin",
        &["--url", "redis://127.0.0.1:1", "--name", "", "list"],
    );
    nameless.fails(2, "name");
}

#[test]
fn a_broker_that_is_not_there_is_told_with_1_and_without_its_password() {
    for url in ["redis://:hidden@127.0.0.1:1", "nats://u:hidden@127.0.0.1:1"] {
        let said = admin(url, &["list"]);
        said.fails(1, "the broker cannot be");
        assert_eq!(said.stderr.lines().count(), 1, "{}", said.stderr);
        assert!(!said.stderr.contains("hidden"));
    }
}
