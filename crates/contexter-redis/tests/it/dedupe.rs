//! What the processes of a group have handled, remembered at the server.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use contexter_conformance::events::{DedupeSubject, run_dedupe};
use contexter_event_bus::{Begin, DedupeKey, DedupeStore, DeliveryId, TransportError};
use contexter_redis::RedisDedupe;
use contexter_testkit::{Server, require};

use crate::support::{PATIENCE, command, config, event, server, until};

#[derive(Debug)]
struct OnRedis(Server);

#[async_trait]
impl DedupeSubject for OnRedis {
    fn name(&self) -> &'static str {
        "redis"
    }

    async fn open(&self) -> Result<Arc<dyn DedupeStore>, TransportError> {
        Ok(Arc::new(RedisDedupe::new(&config(&self.0)).unwrap()))
    }
}

#[tokio::test]
async fn it_keeps_the_rules_of_such_stores() {
    require!("redis-server");
    let report = run_dedupe(&OnRedis(server())).await;
    println!("{}", report.to_markdown());
    assert!(report.failures().is_empty(), "{}", report.to_markdown());
    assert_eq!(report.counts().2, 0, "every rule can be asked of it");
}

#[tokio::test]
async fn everything_it_keeps_is_forgotten_after_its_age() {
    require!("redis-server");
    let server = server();
    let store = RedisDedupe::new(&config(&server)).unwrap();
    let store = store.with_age(Duration::from_secs(1)).unwrap();
    let key = DedupeKey::new(&event("a.b", 1), "g", &"a.b".parse().unwrap());
    let by = DeliveryId::new("p", 1);
    let short = Duration::from_millis(1);
    assert_eq!(store.begin(&key, &by, short).await.unwrap(), Begin::New);
    store.done(&key).await.unwrap();
    assert_eq!(store.begin(&key, &by, short).await.unwrap(), Begin::Done);
    until("it is forgotten", || async {
        command(&server, &[b"DBSIZE"]).starts_with(":0")
    })
    .await;
    let next = store.begin(&key, &by, short).await.unwrap();
    assert_eq!(next, Begin::New);
}

#[tokio::test]
async fn a_server_that_is_restarted_is_reached_again_and_remembers() {
    require!("redis-server");
    let mut server = server();
    let store = RedisDedupe::new(&config(&server)).unwrap();
    let key = DedupeKey::new(&event("a.b", 1), "g", &"a.b".parse().unwrap());
    store.done(&key).await.unwrap();
    server.restart().unwrap();
    let by = DeliveryId::new("p", 1);
    until("it answers again", || async {
        matches!(store.begin(&key, &by, PATIENCE).await, Ok(Begin::Done))
    })
    .await;
}

#[test]
fn an_age_that_forgets_at_once_or_never_is_refused() {
    let config = contexter_redis::RedisConfig::default();
    for age in [Duration::ZERO, Duration::MAX] {
        let refused = RedisDedupe::new(&config).unwrap().with_age(age);
        let said = refused.unwrap_err().to_string();
        assert!(said.contains("age") && said.contains("1s"), "{said}");
    }
}
