//! Requests and replies.

use std::sync::Arc;
use std::time::Duration;

use contexter_event_bus::MessageTransport;
use contexter_event_bus::transport::{RequestError, RequestSource, SubscriptionSpec};
use contexter_protocol::IntegrationEvent;
use contexter_redis::RedisTransport;
use contexter_testkit::require;
use tokio::time::{Instant, timeout};

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
