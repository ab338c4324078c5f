//! Groups, their members, and subscriptions without one.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use contexter_event_bus::MessageTransport;
use contexter_event_bus::transport::Disposition;
use contexter_redis::RedisTransport;
use contexter_testkit::require;
use parking_lot::Mutex;

use crate::support::{
    EVENTS, ack, command, config, drain, event, events, id_of, publish, receive, server, settle,
    spec, subscribe, transport, until,
};

#[tokio::test]
async fn every_group_gets_everything_and_its_members_share() {
    require!("redis-server");
    let server = server();
    let redis = transport(&server);
    let alone = subscribe(&redis, "a", "one").await;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let mut members = Vec::new();
    for _ in 0..4 {
        let member = redis
            .subscribe(
                &spec("a")
                    .with_group("many")
                    .with_prefetch(8)
                    .with_lease(Duration::from_secs(30)),
            )
            .await
            .unwrap();
        let seen = Arc::clone(&seen);
        members.push(tokio::spawn(async move {
            while let Ok(some) = member.receive(8).await {
                let tokens: Vec<_> = some.iter().map(|incoming| incoming.token).collect();
                seen.lock()
                    .extend(some.iter().map(|incoming| id_of(incoming).to_owned()));
                ack(&*member, &tokens).await;
            }
        }));
    }
    publish(&redis, &events("a", 2_000)).await;
    assert_eq!(drain(&*alone, 2_000).await.len(), 2_000);
    until("the members have everything", || async {
        seen.lock().len() >= 2_000
    })
    .await;
    let unique: HashSet<_> = seen.lock().iter().cloned().collect();
    assert_eq!((unique.len(), seen.lock().len()), (2_000, 2_000));
    members.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn members_with_different_patterns_take_nothing_from_each_other() {
    require!("redis-server");
    let server = server();
    let redis = transport(&server);
    let (a, b) = (
        subscribe(&redis, "a", "g").await,
        subscribe(&redis, "b", "g").await,
    );
    for id in 0..20 {
        publish(&redis, &[event("a", id), event("b", id)]).await;
    }
    assert_eq!(drain(&*a, 20).await.len(), 20);
    assert_eq!(drain(&*b, 20).await.len(), 20);
}

#[tokio::test]
async fn without_a_group_everybody_gets_everything_and_leaves_nothing_behind() {
    require!("redis-server");
    let server = server();
    let redis = transport(&server);
    let (one, two) = (
        redis.subscribe(&spec(">")).await.unwrap(),
        redis.subscribe(&spec(">")).await.unwrap(),
    );
    publish(&redis, &events("a", 10)).await;
    assert_eq!(drain(&*one, 10).await.len(), 10);
    assert_eq!(drain(&*two, 10).await.len(), 10);
    one.close().await;
    two.close().await;
    let groups = command(&server, &[b"XINFO", b"GROUPS", EVENTS]);
    assert!(groups.starts_with("*0\r\n"), "{groups}");
    let keys = command(&server, &[b"KEYS", b"*"]);
    assert!(keys.starts_with("*1\r\n"), "{keys}");
}

#[tokio::test]
async fn a_subscription_without_a_group_that_died_is_forgotten() {
    require!("redis-server");
    let server = server();
    let redis =
        RedisTransport::new(config(&server).with_forget_after(Duration::from_secs(1))).unwrap();
    let dead = redis.subscribe(&spec(">")).await.unwrap();
    drop(dead);
    let _living = redis.subscribe(&spec(">").with_group("g")).await.unwrap();
    until("the dead one is forgotten", || async {
        let groups = command(&server, &[b"XINFO", b"GROUPS", EVENTS]);
        groups.starts_with("*1\r\n") && groups.contains("group:g:>")
    })
    .await;
}

#[tokio::test]
async fn one_without_a_group_that_lives_is_not_forgotten() {
    require!("redis-server");
    let server = server();
    let redis =
        RedisTransport::new(config(&server).with_forget_after(Duration::from_secs(1))).unwrap();
    let idle = redis.subscribe(&spec(">")).await.unwrap();
    let _other = redis.subscribe(&spec(">").with_group("g")).await.unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    publish(&redis, &[event("a", 1)]).await;
    assert_eq!(id_of(&receive(&*idle).await), "1");
    assert_eq!(idle.health().last_error, None);
}

#[tokio::test]
async fn every_consumer_has_a_name_of_its_own_and_takes_it_along() {
    require!("redis-server");
    let server = server();
    let redis = transport(&server);
    let few = spec(">").with_group("g").with_prefetch(4);
    let one = redis.subscribe(&few).await.unwrap();
    let two = redis.subscribe(&few).await.unwrap();
    publish(&redis, &events("a", 50)).await;
    let (mut first, mut second) = (Vec::new(), Vec::new());
    while first.len() + second.len() < 50 {
        for (source, seen) in [(&one, &mut first), (&two, &mut second)] {
            let some = tokio::time::timeout(Duration::from_millis(20), source.receive(100)).await;
            for incoming in some.into_iter().flat_map(Result::unwrap) {
                seen.push(id_of(&incoming).to_owned());
                settle(&**source, incoming.token, Disposition::Ack).await;
            }
        }
    }
    assert!(!first.is_empty() && !second.is_empty());
    let both = command(&server, &[b"XINFO", b"CONSUMERS", EVENTS, b"group:g:>"]);
    assert!(both.starts_with("*2\r\n"), "{both}");
    one.close().await;
    two.close().await;
    let left = command(&server, &[b"XINFO", b"CONSUMERS", EVENTS, b"group:g:>"]);
    assert!(left.starts_with("*0\r\n"), "{left}");
}

#[tokio::test]
async fn buses_of_different_names_share_nothing() {
    require!("redis-server");
    let server = server();
    let one = RedisTransport::new(config(&server).with_name("one")).unwrap();
    let two = RedisTransport::new(config(&server).with_name("two")).unwrap();
    publish(&one, &[event("a", "one")]).await;
    publish(&two, &[event("a", "two")]).await;
    let source = subscribe(&two, ">", "g").await;
    assert_eq!(drain(&*source, 1).await, ["two"]);
}

#[tokio::test]
async fn opening_and_closing_at_once_loses_nothing() {
    require!("redis-server");
    let server = server();
    let redis = Arc::new(transport(&server));
    let mut openers = Vec::new();
    for _ in 0..10 {
        let redis = Arc::clone(&redis);
        openers.push(tokio::spawn(async move {
            let source = subscribe(&redis, ">", "g").await;
            source.close().await;
        }));
    }
    publish(&redis, &events("a", 50)).await;
    for opener in openers {
        opener.await.unwrap();
    }
    let source = subscribe(&redis, ">", "g").await;
    assert_eq!(drain(&*source, 50).await.len(), 50);
}
