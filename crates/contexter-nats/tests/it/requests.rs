//! Requests and replies.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use contexter_event_bus::RequestError;
use contexter_event_bus::transport::{MessageTransport, RequestSource};
use contexter_testkit::require;
use tokio::time::Instant;

use crate::support::{event, spec, start};

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

#[tokio::test]
async fn a_late_reply_is_discarded() {
    require!("nats-server");
    let (_server, transport) = start().await;
    let responder = transport.respond(&spec("ask.*", "g")).await.unwrap();
    let within = Duration::from_millis(100);
    let late = transport
        .request(&event("ask.a"), within)
        .await
        .unwrap_err();
    assert!(matches!(late, RequestError::Timeout { .. }), "{late}");
    let first = responder.receive(1).await.unwrap().remove(0);
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
