//! Requests and replies.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use contexter_event_bus::MessageTransport;
use contexter_event_bus::transport::{RequestError, RequestSource, SubscriptionSpec};
use contexter_protocol::IntegrationEvent;
use contexter_redis::RedisTransport;
use contexter_testkit::require;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::support::{PATIENCE, command, config, event, server, transport};

const WITHIN: Duration = Duration::from_secs(10);

async fn respond(redis: &RedisTransport, pattern: &str, group: &str) -> Arc<dyn RequestSource> {
    let spec = SubscriptionSpec::new(pattern.parse().unwrap()).with_group(group);
    redis.respond(&spec).await.unwrap()
}

fn reply_to(request: &IntegrationEvent) -> Arc<IntegrationEvent> {
    let reply = IntegrationEvent::builder("responder", "reply")
        .caused_by(request)
        .data(request.data().clone());
    Arc::new(reply.build().unwrap())
}

/// Answers everything until it is closed.
fn serve(source: Arc<dyn RequestSource>) -> tokio::task::JoinHandle<usize> {
    tokio::spawn(async move {
        let mut answered = 0;
        while let Ok(requests) = source.receive(50).await {
            for request in requests {
                let reply = reply_to(&request.event);
                source.reply(request.token, &reply).await.unwrap();
                answered += 1;
            }
        }
        answered
    })
}

#[tokio::test]
async fn a_thousand_requests_at_once_get_their_own_replies() {
    require!("redis-server");
    let server = server();
    let (asking, answering) = (Arc::new(transport(&server)), transport(&server));
    let sources = [
        respond(&answering, "sum.*", "g").await,
        respond(&answering, "sum.*", "g").await,
    ];
    let serving = sources.clone().map(serve);
    let mut asked = tokio::task::JoinSet::new();
    for number in 0..1_000 {
        let redis = Arc::clone(&asking);
        asked.spawn(async move {
            let request = event("sum.of", number);
            let reply = redis.request(&request, WITHIN).await.unwrap();
            assert_eq!(reply.data(), request.data());
            assert_eq!(reply.causation_id(), Some(request.id()));
        });
    }
    while let Some(done) = asked.join_next().await {
        done.unwrap();
    }
    for source in sources {
        source.close().await;
    }
    let mut answered = 0;
    for serving in serving {
        answered += serving.await.unwrap();
    }
    assert_eq!(answered, 1_000);
}

#[tokio::test]
async fn where_nobody_answers_it_fails_at_once() {
    require!("redis-server");
    let server = server();
    let redis = transport(&server);
    let source = respond(&redis, "other.*", "g").await;
    let ask = async || {
        let error = redis
            .request(&event("sum.of", 1), WITHIN)
            .await
            .unwrap_err();
        assert!(matches!(error, RequestError::NoResponder { .. }), "{error}");
    };
    ask().await;
    source.close().await;
    let source = respond(&redis, "sum.*", "g").await;
    source.close().await;
    ask().await;
}

#[tokio::test]
async fn a_responder_that_died_is_forgotten_soon() {
    require!("redis-server");
    let server = server();
    let redis = transport(&server);
    drop(respond(&redis, "sum.*", "g").await);
    let end = Instant::now() + PATIENCE;
    loop {
        let error = redis
            .request(&event("sum.of", 1), Duration::from_millis(200))
            .await;
        match error.unwrap_err() {
            RequestError::NoResponder { .. } => break,
            RequestError::Timeout { .. } => assert!(Instant::now() < end),
            error => panic!("{error}"),
        }
    }
    let keys = command(&server, &[b"KEYS", b"*requests*"]);
    assert!(
        keys.starts_with("*0\r\n"),
        "requests are not stored: {keys}"
    );
}

#[tokio::test]
async fn a_late_reply_is_discarded_and_a_request_that_is_over_is_not_delivered() {
    require!("redis-server");
    let server = server();
    let redis = transport(&server);
    let source = respond(&redis, ">", "g").await;
    let short = Duration::from_millis(200);
    let slow = event("a", "slow");
    let asking = redis.request(&slow, short);
    let answering = async {
        let request = source.receive(1).await.unwrap().remove(0);
        tokio::time::sleep(short * 2).await;
        source
            .reply(request.token, &reply_to(&request.event))
            .await
            .unwrap();
    };
    let (outcome, ()) = tokio::join!(asking, answering);
    assert!(matches!(outcome.unwrap_err(), RequestError::Timeout { within } if within == short));
    // Nobody takes the short one in time; the long one keeps it company.
    let (long, lost) = (event("a", "long"), event("a", "lost"));
    let asking = redis.request(&long, WITHIN);
    let answering = async {
        let error = redis.request(&lost, short).await.unwrap_err();
        assert!(matches!(error, RequestError::Timeout { .. }), "{error}");
        let requests = timeout(PATIENCE, source.receive(9)).await;
        let mut requests = requests.unwrap().unwrap();
        let ids: Vec<_> = requests.iter().map(|request| request.event.id()).collect();
        assert_eq!(ids, ["long"]);
        let request = requests.remove(0);
        let reply = reply_to(&request.event);
        source.reply(request.token, &reply).await.unwrap();
    };
    let (reply, ()) = tokio::join!(asking, answering);
    assert_eq!(reply.unwrap().causation_id(), Some("long"));
}

#[tokio::test]
async fn requests_go_on_after_a_restart_of_the_server() {
    require!("redis-server");
    let mut server = server();
    let redis = RedisTransport::new(config(&server)).unwrap();
    let source = respond(&redis, ">", "g").await;
    let serving = serve(Arc::clone(&source));
    redis.request(&event("a", 1), WITHIN).await.unwrap();
    server.restart().unwrap();
    let end = Instant::now() + PATIENCE;
    while let Err(error) = redis.request(&event("a", 2), Duration::from_secs(1)).await {
        assert!(Instant::now() < end, "{error}");
    }
    source.close().await;
    serving.await.unwrap();
}

#[tokio::test]
async fn a_forged_place_for_replies_is_not_written_to() {
    require!("redis-server");
    let server = server();
    let redis = transport(&server);
    let source = respond(&redis, ">", "g").await;
    let forged = format!(
        "99999999999999\nvictim 1\n{}",
        String::from_utf8(event("a", 1).to_json()).unwrap()
    );
    command(
        &server,
        &[
            b"RPUSH",
            b"{contexter}:requests:group:g:>",
            forged.as_bytes(),
        ],
    );
    assert!(
        timeout(Duration::from_millis(300), source.receive(1))
            .await
            .is_err()
    );
}

/// Requests that are asked for one after the other until that is over, each of which must be answered.
fn keep_asking(redis: &Arc<RedisTransport>, over: &Arc<AtomicBool>) -> JoinSet<()> {
    let mut asking = JoinSet::new();
    for asker in 0..16 {
        let (redis, over) = (Arc::clone(redis), Arc::clone(over));
        asking.spawn(async move {
            let mut number = 0;
            while !over.load(Ordering::SeqCst) {
                let request = event("sum.of", format!("{asker}-{number}"));
                let reply = redis.request(&request, WITHIN / 2).await.unwrap();
                assert_eq!(reply.causation_id(), Some(request.id()));
                number += 1;
            }
        });
    }
    asking
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_is_lost_when_one_of_several_responders_closes() {
    require!("redis-server");
    let server = server();
    let (asking, answering) = (Arc::new(transport(&server)), transport(&server));
    let stays = respond(&answering, "sum.*", "g").await;
    let staying = serve(Arc::clone(&stays));
    let over = Arc::new(AtomicBool::new(false));
    let mut asked = keep_asking(&asking, &over);
    for _ in 0..30 {
        let closes = respond(&answering, "sum.*", "g").await;
        let requests = timeout(PATIENCE, closes.receive(1)).await.unwrap().unwrap();
        for request in requests {
            let reply = reply_to(&request.event);
            closes.reply(request.token, &reply).await.unwrap();
        }
        // It goes on taking them until it is closed.
        let serving = serve(Arc::clone(&closes));
        closes.close().await;
        serving.await.unwrap();
    }
    over.store(true, Ordering::SeqCst);
    while let Some(done) = asked.join_next().await {
        done.unwrap();
    }
    stays.close().await;
    assert!(staying.await.unwrap() > 0);
}

#[tokio::test]
async fn nothing_is_left_of_whoever_has_asked_while_the_server_is_away() {
    require!("redis-server");
    let mut server = server();
    let redis = transport(&server);
    let source = respond(&redis, "sum.*", "g").await;
    let serving = serve(Arc::clone(&source));
    redis.request(&event("sum.of", 1), WITHIN).await.unwrap();
    source.close().await;
    serving.await.unwrap();
    drop(source);
    server.kill().unwrap();
    let end = Instant::now() + PATIENCE;
    while redis.health().await.is_up() {
        assert!(Instant::now() < end, "the server is away");
    }
    drop(redis);
    let tasks = || {
        tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks()
    };
    while tasks() > 0 {
        assert!(Instant::now() < end, "{} tasks are left", tasks());
        sleep(Duration::from_millis(10)).await;
    }
}
