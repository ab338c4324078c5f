//! Requests and replies.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_nats::Request;
use async_nats::client::RequestErrorKind;
use contexter_event_bus::RequestError;
use contexter_event_bus::transport::{IncomingRequest, MessageTransport, RequestSource};
use contexter_nats::NatsTransport;
use contexter_testkit::require;
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use tokio::time::{Instant, sleep};

use crate::support::{PATIENCE, event, spec, start};

#[tokio::test]
async fn a_request_gets_its_reply_and_without_a_responder_fails_at_once() {
    require!("nats-server");
    let (_server, transport) = start().await;
    let within = Duration::from_secs(10);
    let begun = Instant::now();
    let nobody = transport
        .request(&event("ask.size"), within)
        .await
        .unwrap_err();
    assert!(
        matches!(nobody, RequestError::NoResponder { .. }),
        "{nobody}"
    );
    assert!(begun.elapsed() < within / 2);

    let responder = transport.respond(&spec("ask.*", "g")).await.unwrap();
    let (question, reply) = (event("ask.size"), event("ask.size.answered"));
    let answering = async {
        let asked = responder.receive(8).await.unwrap().remove(0);
        responder.reply(asked.token, &reply).await.unwrap();
        asked.event
    };
    let (answer, asked) = tokio::join!(transport.request(&question, within), answering);
    assert_eq!(answer.unwrap(), reply);
    assert_eq!(asked, question);
    responder.close().await;
}

#[tokio::test]
async fn a_request_is_carried_out_once_also_where_several_groups_answer_its_type() {
    require!("nats-server");
    let (_server, transport) = start().await;
    let wide = transport.respond(&spec("job.*", "job.*")).await.unwrap();
    let narrow = transport
        .respond(&spec("job.run", "job.run"))
        .await
        .unwrap();
    let (within, carried_out) = (Duration::from_secs(10), AtomicUsize::new(0));
    let answering = async |responder: &dyn RequestSource| {
        while let Ok(asked) = responder.receive(8).await {
            for one in asked {
                carried_out.fetch_add(1, Ordering::Relaxed);
                let reply = event("job.done");
                responder.reply(one.token, &reply).await.unwrap();
            }
        }
    };
    let asking = async {
        for _ in 0..10 {
            transport.request(&event("job.run"), within).await.unwrap();
        }
        // What a second group had been given is before this.
        transport.health().await;
        wide.close().await;
        narrow.close().await;
    };
    tokio::join!(answering(&*wide), answering(&*narrow), asking);
    assert_eq!(carried_out.into_inner(), 10);
}

/// A request that was taken in time, and is over.
async fn over(
    transport: &NatsTransport,
    responder: &dyn RequestSource,
) -> (IncomingRequest, RequestError) {
    let question = event("ask.a");
    let asking = transport.request(&question, Duration::from_secs(2));
    let (late, taken) = tokio::join!(asking, responder.receive(1));
    (taken.unwrap().remove(0), late.unwrap_err())
}

#[tokio::test]
async fn a_late_reply_is_discarded() {
    require!("nats-server");
    let (_server, transport) = start().await;
    let responder = transport.respond(&spec("ask.*", "g")).await.unwrap();
    let (first, late) = over(&transport, &*responder).await;
    assert!(matches!(late, RequestError::Timeout { .. }), "{late}");
    responder
        .reply(first.token, &event("late.reply"))
        .await
        .unwrap();
    let good = event("good.reply");
    let answering = async {
        let asked = responder.receive(1).await.unwrap().remove(0);
        responder.reply(asked.token, &good).await.unwrap();
    };
    let question = event("ask.b");
    let (answer, ()) = tokio::join!(
        transport.request(&question, Duration::from_secs(10)),
        answering
    );
    assert_eq!(answer.unwrap(), good);
}

#[tokio::test]
async fn a_request_whose_time_is_over_is_not_delivered() {
    require!("nats-server");
    let (_server, transport) = start().await;
    let responder = transport.respond(&spec("ask.*", "g")).await.unwrap();
    let over = event("ask.a");
    // The time of the first is over for whoever takes it when that of the second is here.
    for question in [&over, &event("ask.a")] {
        let late = transport
            .request(question, Duration::from_millis(100))
            .await;
        let late = late.unwrap_err();
        assert!(matches!(late, RequestError::Timeout { .. }), "{late}");
    }
    let (question, reply) = (event("ask.b"), event("good.reply"));
    let answering = async {
        let mut last = None;
        while last.as_ref() != Some(&question) {
            for one in responder.receive(8).await.unwrap() {
                assert_ne!(one.event, over);
                responder.reply(one.token, &reply).await.unwrap();
                last = Some(one.event);
            }
        }
    };
    let asking = transport.request(&question, PATIENCE);
    let (answer, ()) = tokio::join!(asking, answering);
    assert_eq!(answer.unwrap(), reply);
}

#[tokio::test]
async fn nothing_is_kept_of_a_request_that_nobody_has_answered() {
    require!("nats-server");
    let (server, transport) = start().await;
    let responder = transport.respond(&spec("ask.*", "g")).await.unwrap();
    let (asked, _late) = over(&transport, &*responder).await;
    // Nobody listens any more where its reply would go.
    let other = async_nats::connect(server.url()).await.unwrap();
    let deadline = Instant::now() + PATIENCE;
    loop {
        let listens = Request::new().timeout(Some(Duration::from_millis(200)));
        let answer = other.send_request(asked.token.0.to_string(), listens).await;
        if answer.is_err_and(|error| error.kind() == RequestErrorKind::NoResponders) {
            break;
        }
        assert!(Instant::now() < deadline, "somebody still listens");
        sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn what_a_closed_responder_has_not_begun_with_goes_to_the_others() {
    require!("nats-server");
    let (server, transport) = start().await;
    let closed = transport.respond(&spec("ask.*", "g")).await.unwrap();
    let other = transport.respond(&spec("ask.*", "g")).await.unwrap();
    let witness = async_nats::connect(server.url()).await.unwrap();
    let mut sent = witness.subscribe("contexter-request.>").await.unwrap();
    witness.flush().await.unwrap();
    let questions: Vec<_> = (0..20).map(|_| event("ask.a")).collect();
    let asking = questions
        .iter()
        .map(|question| transport.request(question, PATIENCE));
    let serving = async {
        for _ in &questions {
            sent.next().await.unwrap();
        }
        // What the server has given to the first is there before this is answered.
        transport.health().await;
        closed.close().await;
        while let Ok(asked) = other.receive(8).await {
            for one in asked {
                let reply = event("done");
                other.reply(one.token, &reply).await.unwrap();
            }
        }
    };
    let asking = async {
        let answers = join_all(asking).await;
        other.close().await;
        answers
    };
    let (answers, ()) = tokio::join!(asking, serving);
    for answer in answers {
        answer.unwrap();
    }
}

#[tokio::test]
async fn a_request_that_only_a_closed_responder_had_has_none() {
    require!("nats-server");
    let (_server, transport) = start().await;
    let responder = transport.respond(&spec("ask.*", "g")).await.unwrap();
    let question = event("ask.a");
    let closing = async {
        // Before it is closed the request is sent: both are polled in this order.
        transport.health().await;
        responder.close().await;
    };
    let begun = Instant::now();
    let (answer, ()) = tokio::join!(transport.request(&question, PATIENCE), closing);
    let none = answer.unwrap_err();
    assert!(matches!(none, RequestError::NoResponder { .. }), "{none}");
    assert!(begun.elapsed() < PATIENCE / 2);
}
