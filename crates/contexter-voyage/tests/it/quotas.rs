//! The quotas, kept on this side and corrected by the other, on a clock that tests move.

#![expect(
    clippy::cast_precision_loss,
    reason = "the numbers of a test are small"
)]

use std::sync::Arc;
use std::time::Duration;

use contexter_model::{Embed, ErrorKind, Purpose};
use contexter_resilience::{StackConfig, StandardStack};
use contexter_service::{ByVerdict, Clock as _, Cx, ManualClock, Service as _};
use contexter_voyage::{Caps, Config, Lane, Model, ModelKind, Packed, RetryConfig, TokenEstimate};

use crate::support::KEY;
use crate::vendor::{Vendor, mark};

const SECOND: Duration = Duration::from_secs(1);

fn settings(config: &Config) -> StackConfig {
    config.stack_of(&Model::named(&config.model, ModelKind::Text))
}

fn packed(
    vendor: &Arc<Vendor>,
    settings: StackConfig,
    tokens: TokenEstimate,
) -> Packed<Arc<Vendor>, ManualClock> {
    let stack = StandardStack::with(settings, vendor.clock.clone(), ByVerdict).unwrap();
    let lane = Lane::new(stack, Caps::new(1_000, 120_000).context(32_000)).with_tokens(tokens);
    Packed::new(Arc::clone(vendor), Arc::new(lane))
}

fn texts(count: usize) -> Vec<String> {
    (0..count)
        .map(|number| format!("text {number} {}", "word".repeat(500 + number * 31 % 1_500)))
        .collect()
}

fn document(texts: Vec<String>) -> Embed {
    Embed {
        texts,
        purpose: Purpose::Document,
    }
}

fn exact() -> TokenEstimate {
    TokenEstimate::exact(Arc::new(|text: &str| text.len() / 4))
}

/// Embeds so many texts, and returns for how long.
fn run(vendor: &Arc<Vendor>, packed: &Packed<Arc<Vendor>, ManualClock>, count: usize) -> Duration {
    let texts = texts(count);
    let started = vendor.clock.now();
    let reply = vendor
        .clock
        .run_until_stalled(packed.call(document(texts.clone())))
        .expect("it waits for the clock only")
        .unwrap();
    let expected: Vec<Vec<f32>> = texts.iter().map(|text| mark(text)).collect();
    assert_eq!(reply.vectors, expected);
    assert_eq!(reply.usage.tokens, vendor.state().tokens);
    vendor.clock.now() - started
}

#[test]
fn nearly_all_of_the_quota_is_used_and_nothing_is_refused() {
    let config = Config::new(KEY).with_model("voyage-4-large");
    for (name, tokens) in [("exact", exact()), ("estimate", TokenEstimate::new())] {
        let vendor = Arc::new(Vendor::new(&ManualClock::new()));
        let packed = packed(&vendor, settings(&config), tokens);
        let took = run(&vendor, &packed, 8_000);
        let state = vendor.state();
        let allowed = vendor.quota as f64 * took.as_secs_f64() / 60.0;
        let share = state.tokens as f64 / allowed;
        assert!(took > 150 * SECOND, "{name}: {took:?}");
        assert!((0.97..1.0).contains(&share), "{name}: {share}");
        assert_eq!(state.throttled, 0, "{name}");
    }
}

#[test]
fn no_minute_sees_more_than_the_limit_of_requests_without_a_payment_method() {
    let config = Config::new(KEY).with_tier(contexter_voyage::Tier::Unpaid);
    let mut vendor = Vendor::new(&ManualClock::new());
    vendor.quota = 10_000;
    let vendor = Arc::new(vendor);
    let packed = packed(&vendor, settings(&config), exact());
    let reply = vendor.clock.run_until_stalled(async {
        let started = vendor.clock.now();
        for _ in 0..4 {
            packed.call(document(texts(1))).await.unwrap();
        }
        vendor.clock.now() - started
    });
    assert!(reply.unwrap() >= 60 * SECOND, "{reply:?}");
    assert_eq!(vendor.state().throttled, 0);
}

/// Nine texts, of each of which an account without a payment method has one a minute.
fn slow() -> (Arc<Vendor>, Packed<Arc<Vendor>, ManualClock>, Embed) {
    let config = Config::new(KEY).with_tier(contexter_voyage::Tier::Unpaid);
    let mut vendor = Vendor::new(&ManualClock::new());
    vendor.quota = 10_000;
    let vendor = Arc::new(vendor);
    let packed = packed(&vendor, settings(&config), exact());
    let texts = (0..9).map(|number| format!("{number}{}", "word".repeat(9_500)));
    (vendor, packed, document(texts.collect()))
}

#[test]
fn a_request_may_need_more_of_the_quota_than_any_call_waits_for() {
    let (vendor, packed, request) = slow();
    let started = vendor.clock.now();
    let reply = vendor
        .clock
        .run_until_stalled(packed.call(request))
        .unwrap();
    assert_eq!(reply.unwrap().vectors.len(), 9);
    assert!(vendor.clock.now() - started > 400 * SECOND);
    let state = vendor.state();
    assert_eq!((state.requests.len(), state.throttled), (9, 0));
}

#[test]
fn a_request_that_cannot_be_done_by_its_deadline_is_refused_at_once() {
    let (vendor, packed, request) = slow();
    let started = vendor.clock.now();
    let cx = Cx::new().with_deadline(started + 200 * SECOND);
    let called = packed.call_with(cx, request);
    let error = vendor.clock.run_until_stalled(called).unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RateLimited, "{error}");
    assert!(error.retry_after() > Some(200 * SECOND), "{error:?}");
    assert_eq!(vendor.clock.now(), started);
}

#[test]
fn a_refusal_makes_all_calls_pause_whether_it_names_a_wait_or_not() {
    for names_wait in [true, false] {
        let mut vendor = Vendor::new(&ManualClock::new());
        // What we believe is ten times what there is.
        vendor.quota = 300_000;
        vendor.names_wait = names_wait;
        let vendor = Arc::new(vendor);
        let config = Config::new(KEY)
            .with_model("voyage-4-large")
            .with_retry_config(
                RetryConfig::new()
                    .with_max_attempts(30)
                    .with_base_delay(SECOND)
                    .with_max_delay(16 * SECOND),
            );
        let settings = settings(&config);
        let mut retry = settings.retry.unwrap();
        retry.budget = None;
        let settings = settings.retry(retry).deadline(Duration::from_hours(1));
        let packed = packed(&vendor, settings, exact());
        let took = run(&vendor, &packed, 600);
        let state = vendor.state();
        let served = state.requests.len() - state.throttled;
        assert!(state.throttled > 0);
        assert!(
            state.throttled < 3 * served,
            "{} refused of {} in {took:?}",
            state.throttled,
            state.requests.len()
        );
        let pauses = packed.lane().stack().rate_limiter().unwrap().snapshot();
        assert!(pauses.counter("paused") > Some(0), "{pauses:?}");
    }
}

#[test]
fn a_pause_without_a_named_wait_grows_while_refusals_go_on() {
    let mut vendor = Vendor::new(&ManualClock::new());
    vendor.quota = 1;
    let vendor = Arc::new(vendor);
    let config = Config::new(KEY).with_retry_config(
        RetryConfig::new()
            .with_max_attempts(3)
            .with_base_delay(SECOND / 1_000)
            .with_max_delay(SECOND / 1_000),
    );
    let settings = settings(&config);
    let mut retry = settings.retry.unwrap();
    retry.budget = None;
    let settings = settings.retry(retry);
    let packed = packed(&vendor, settings, exact());
    let started = vendor.clock.now();
    let error = vendor
        .clock
        .run_until_stalled(packed.call(document(texts(1))))
        .unwrap()
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RateLimited);
    assert_eq!(vendor.state().throttled, 3);
    // One second, then two, and three answers.
    assert!(vendor.clock.now() - started >= 3 * SECOND);
    let left = packed.lane().stack().rate_limiter().unwrap().pause_left();
    assert!((3 * SECOND..=4 * SECOND).contains(&left), "{left:?}");
}

#[test]
fn a_request_dropped_half_way_leaves_nothing_behind() {
    let vendor = Arc::new(Vendor::new(&ManualClock::new()));
    let config = Config::new(KEY).with_model("voyage-4-large");
    let packed = packed(&vendor, settings(&config), exact());
    for _ in 0..20 {
        let call = packed.call(document(texts(1_000)));
        let polled = vendor.clock.run_until_stalled(async {
            let once = std::time::Duration::from_millis(1);
            futures_util::future::select(
                std::pin::pin!(call),
                std::pin::pin!(contexter_service::Timer::sleep(&vendor.clock, once)),
            )
            .await;
        });
        assert!(polled.is_some());
    }
    let stack = packed.lane().stack();
    assert_eq!(stack.breaker().unwrap().failure_count(), 0);
    let reply = vendor
        .clock
        .run_until_stalled(packed.call(document(texts(3))))
        .unwrap();
    assert_eq!(reply.unwrap().vectors.len(), 3);
}

/// One request at a time, and one that takes a minute is under way.
fn narrow(vendor: &Arc<Vendor>) -> Packed<Arc<Vendor>, ManualClock> {
    let config = Config::new(KEY).with_model("voyage-4-large");
    let settings = settings(&config).attempt_timeout(None);
    let stack = StandardStack::with(settings, vendor.clock.clone(), ByVerdict).unwrap();
    let lane = Lane::new(stack, Caps::new(1_000, 120_000)).with_concurrent(1);
    Packed::new(Arc::clone(vendor), Arc::new(lane))
}

#[test]
fn a_wait_for_a_place_ends_with_the_deadline() {
    let mut vendor = Vendor::new(&ManualClock::new());
    vendor.latency = 60 * SECOND;
    let vendor = Arc::new(vendor);
    let packed = narrow(&vendor);
    let started = vendor.clock.now();
    let cx = Cx::new().with_deadline(started + SECOND);
    let outcome = vendor.clock.run_until_stalled(async {
        let first = packed.call(document(texts(1)));
        let second = async {
            let outcome = packed.call_with(cx, document(texts(1))).await;
            (outcome, vendor.clock.now() - started)
        };
        futures_util::future::join(first, second).await
    });
    let (first, (second, waited)) = outcome.unwrap();
    first.unwrap();
    let error = second.unwrap_err();
    assert_eq!((error.kind(), waited), (ErrorKind::Unavailable, SECOND));
    assert!(error.is_rejection(), "{error}");
    assert_eq!(vendor.state().requests.len(), 1);
    // Its place in the queue is free again.
    let third = vendor
        .clock
        .run_until_stalled(packed.call(document(texts(1))));
    third.unwrap().unwrap();
}

#[test]
fn a_pause_beyond_the_deadline_refuses_at_once_and_says_how_long() {
    let mut vendor = Vendor::new(&ManualClock::new());
    vendor.latency = 60 * SECOND;
    let vendor = Arc::new(vendor);
    let packed = narrow(&vendor);
    let started = vendor.clock.now();
    let cx = Cx::new().with_deadline(started + SECOND);
    let outcome = vendor.clock.run_until_stalled(async {
        let first = packed.call(document(texts(1)));
        let second = async {
            let quota = packed.lane().stack().rate_limiter().unwrap();
            quota.pause_for(10 * SECOND);
            let outcome = packed.call_with(cx, document(texts(1))).await;
            (outcome, vendor.clock.now() - started)
        };
        futures_util::future::join(first, second).await
    });
    let (_, (second, waited)) = outcome.unwrap();
    let error = second.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RateLimited, "{error}");
    assert_eq!(error.retry_after(), Some(10 * SECOND));
    assert_eq!(waited, Duration::ZERO);
}

#[test]
fn a_call_that_was_dropped_before_it_was_sent_takes_no_debt_with_it() {
    let mut vendor = Vendor::new(&ManualClock::new());
    vendor.cap = 1_000_000;
    let vendor = Arc::new(vendor);
    let config = Config::new(KEY).with_model("voyage-4-large");
    // A text seems to have one token, and has 40,000.
    let packed = packed(
        &vendor,
        settings(&config),
        TokenEstimate::exact(Arc::new(|_: &str| 1)),
    );
    let long = || document(vec!["word".repeat(40_000)]);
    let short = || document(vec!["word".to_owned()]);
    let first = vendor.clock.run_until_stalled(packed.call(long()));
    first.unwrap().unwrap();
    let quota = packed.lane().stack().rate_limiter().unwrap();
    // All that is there now: who has a debt has to wait for it.
    let there = quota.available("tokens").unwrap();
    quota.try_acquire(u32::try_from(there).unwrap()).unwrap();
    let millisecond = SECOND / 1_000;
    for _ in 0..3 {
        let dropped = vendor.clock.run_until_stalled(async {
            let wait = contexter_service::Timer::sleep(&vendor.clock, millisecond);
            let call = std::pin::pin!(packed.call(short()));
            futures_util::future::select(call, std::pin::pin!(wait)).await;
        });
        assert!(dropped.is_some());
    }
    assert_eq!(vendor.state().requests.len(), 1, "none was sent");
    let started = vendor.clock.now();
    let last = vendor.clock.run_until_stalled(packed.call(short()));
    last.unwrap().unwrap();
    let waited = vendor.clock.now() - started;
    // 40,000 tokens at 3 million a minute, besides the vendor's own time.
    assert!(waited > vendor.latency + 700 * millisecond, "{waited:?}");
}

#[test]
fn what_is_cut_teaches_nothing_about_what_is_not() {
    /// As the vendor that cuts, and counts what is left.
    struct Cutting;

    impl contexter_service::Service<Embed> for Cutting {
        type Response = contexter_model::Embeddings;
        type Error = contexter_model::Error;

        async fn call(&self, req: Embed) -> Result<Self::Response, Self::Error> {
            let tokens = req
                .texts
                .iter()
                .map(|text| Vendor::tokens(text).min(32_000));
            let usage = contexter_model::Usage {
                tokens: tokens.sum(),
            };
            let vectors = req.texts.iter().map(|text| mark(text)).collect();
            Ok(contexter_model::Embeddings { vectors, usage })
        }
    }

    let clock = ManualClock::new();
    let stack = StandardStack::with(StackConfig::new(), clock.clone(), ByVerdict).unwrap();
    let lane = Lane::new(stack, Caps::new(1_000, 1_000_000).context(32_000));
    let packed = Packed::new(Cutting, Arc::new(lane));
    for _ in 0..4 {
        let text = "word".repeat(250_000);
        let reply = clock.run_until_stalled(packed.call(document(vec![text])));
        reply.unwrap().unwrap();
    }
    let text = "word".repeat(1_000);
    let bound = contexter_model::CountTokens::count(packed.lane().tokens(), &text);
    assert!(bound >= 1_000, "{bound} is below what it has");
}

#[test]
fn a_text_that_no_quota_ever_admits_is_refused_and_not_sent() {
    let vendor = Arc::new(Vendor::new(&ManualClock::new()));
    let config = Config::new(KEY).with_tier(contexter_voyage::Tier::Unpaid);
    let packed = packed(&vendor, settings(&config), exact());
    let long = document(vec!["word".repeat(11_000)]);
    let error = vendor.clock.run_until_stalled(packed.call(long)).unwrap();
    let error = error.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert!(error.message().contains("quota of 10000"), "{error}");
    assert!(vendor.state().requests.is_empty());
}
