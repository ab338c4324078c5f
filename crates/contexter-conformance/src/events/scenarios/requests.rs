//! Requests and replies.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use contexter_event_bus::{HandlerError, RequestError, Responder, ResponderConfig};
use futures_util::future::{try_join, try_join_all};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use crate::Verdict;
use crate::events::log::{PATIENCE, WATCH, in_time, number};
use crate::events::stage::{Stage, broken};
use crate::verdict::{Checked, check, same};

async fn ready(responder: Responder) -> Checked<Responder> {
    in_time("making a responder", responder.ready())
        .await?
        .map_err(broken)?;
    Ok(responder)
}

pub(super) async fn correlated(stage: Stage) -> Checked {
    const MANY: u64 = 1_000;
    let (asking, answering) = (stage.bus().await?, stage.bus().await?);
    let kind = stage.kind("ask");
    let answer = |request: contexter_event_bus::Request| async move {
        let data = request.event().data().clone();
        request
            .reply("conformance/responder", "conformance.answered")
            .data(data)
            .build()
            .map_err(HandlerError::permanent)
    };
    let config = ResponderConfig::default().with_concurrency(256);
    let one = answering
        .respond(&kind, config.clone(), answer)
        .map_err(broken)?;
    let one = ready(one).await?;
    let two = answering.respond(&kind, config, answer).map_err(broken)?;
    let two = ready(two).await?;
    let requests = (0..MANY).map(|n| {
        let (asking, request) = (asking.clone(), stage.event("ask", n));
        async move {
            let reply = asking
                .request(Arc::clone(&request), PATIENCE * 2)
                .await
                .map_err(broken)?;
            same("the number in the reply", &number(&reply), &n)?;
            same("its cause", &reply.causation_id(), &Some(request.id()))
        }
    });
    try_join_all(requests).await?;
    drop((one, two));
    Ok(())
}

pub(super) async fn two_groups(stage: Stage) -> Checked {
    const MANY: u64 = 20;
    let (asking, answering) = (stage.bus().await?, stage.bus().await?);
    let carried_out = Arc::new(AtomicU64::new(0));
    let mut kept = Vec::new();
    for (group, pattern) in [("one", "ask.run"), ("two", "ask.*")] {
        let carried_out = Arc::clone(&carried_out);
        let answer = move |request: contexter_event_bus::Request| {
            carried_out.fetch_add(1, Ordering::SeqCst);
            async move {
                request
                    .reply("conformance/responder", "conformance.answered")
                    .data(request.event().data().clone())
                    .build()
                    .map_err(HandlerError::permanent)
            }
        };
        let config = ResponderConfig::default().with_group(stage.group(group));
        let responder = answering.respond(&stage.kind(pattern), config, answer);
        kept.push(ready(responder.map_err(broken)?).await?);
    }
    for n in 0..MANY {
        let asked = asking.request(stage.event("ask.run", n), PATIENCE);
        let reply = asked.await.map_err(broken)?;
        same("the number in the reply", &number(&reply), &n)?;
    }
    // A second one that had it would have had it at the same time.
    sleep(WATCH).await;
    let many = carried_out.load(Ordering::SeqCst);
    same("how many requests were carried out", &many, &MANY)?;
    drop(kept);
    Ok(())
}

pub(super) async fn late(stage: Stage) -> Checked {
    let (asking, answering) = (stage.bus().await?, stage.bus().await?);
    let kind = stage.kind("ask");
    let (go, gone) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let responder = {
        let (go, gone) = (Arc::clone(&go), Arc::clone(&gone));
        let answer = move |request: contexter_event_bus::Request| {
            let (go, gone) = (Arc::clone(&go), Arc::clone(&gone));
            async move {
                let n = number(request.event());
                if n == 0 {
                    go.notified().await;
                    gone.notify_one();
                }
                request
                    .reply("conformance/responder", "conformance.answered")
                    .data(serde_json::json!({ "n": n }))
                    .build()
                    .map_err(HandlerError::permanent)
            }
        };
        let config = ResponderConfig::default().with_concurrency(4);
        ready(answering.respond(&kind, config, answer).map_err(broken)?).await?
    };
    let within = Duration::from_millis(300);
    let begun = Instant::now();
    let first = in_time("a request", asking.request(stage.event("ask", 0), within)).await?;
    check(matches!(first, Err(RequestError::Timeout { .. })), || {
        format!("expected a timeout, saw {first:?}")
    })?;
    check(begun.elapsed() >= within, || {
        format!("expected it to wait {within:?}, saw {:?}", begun.elapsed())
    })?;
    // Now the reply to the first is sent; the second must not get it.
    go.notify_one();
    let second = asking
        .request(stage.event("ask", 1), PATIENCE)
        .await
        .map_err(broken)?;
    same("the number in the second reply", &number(&second), &1)?;
    drop(responder);
    Ok(())
}

pub(super) async fn nobody(stage: Stage) -> Checked {
    let bus = stage.bus().await?;
    let asked = bus.request(stage.event("ask", 0), PATIENCE * 10);
    let answer = in_time("a request that nobody answers", asked).await?;
    match answer {
        Err(RequestError::NoResponder { .. }) => Ok(()),
        other => Err(Verdict::Fail(format!(
            "expected no responder, saw {other:?}"
        ))),
    }
}

pub(super) async fn over(stage: Stage) -> Checked {
    let (asking, answering) = (stage.transport().await?, stage.transport().await?);
    let spec = stage.spec("ask", "g")?;
    let responder = in_time("making a responder", answering.respond(&spec))
        .await?
        .map_err(broken)?;
    let within = Duration::from_millis(300);
    // A responder may count the time from when a request has come, which is later; so the second one has to
    // be over as well.
    for number in [0, 1] {
        let late = stage.event("ask", number);
        let late = in_time("a request", asking.request(&late, within)).await?;
        check(matches!(late, Err(RequestError::Timeout { .. })), || {
            format!("expected a timeout, saw {late:?}")
        })?;
    }
    let question = stage.event("ask", 2);
    let taking = async {
        let mut taken = Vec::new();
        while !taken.contains(&2) {
            for one in responder.receive(8).await.map_err(broken)? {
                taken.push(number(&one.event));
                let reply = responder.reply(one.token, &question).await;
                reply.map_err(broken)?;
            }
        }
        Ok(taken)
    };
    let asked = async {
        let reply = asking.request(&question, PATIENCE * 2).await;
        reply.map_err(broken)
    };
    let (taken, _reply) = in_time("a request", try_join(taking, asked)).await??;
    check(!taken.contains(&0), || {
        format!("expected the first request not to be delivered, saw {taken:?}")
    })?;
    responder.close().await;
    Ok(())
}
