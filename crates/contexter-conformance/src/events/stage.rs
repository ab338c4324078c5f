//! What a scenario works with.

use std::sync::Arc;
use std::time::Duration;

use contexter_event_bus::transport::{
    DeadLetter, DeadLetterQuery, DeliveryToken, Disposition, Incoming, Settled, Source, Start,
    SubscriptionSpec,
};
use contexter_event_bus::{
    Bus, Handler, MessageTransport, PublishError, Receipt, Subscription, SubscriptionConfig,
};
use contexter_protocol::{EventBuilder, IntegrationEvent};
use serde_json::json;

use super::fixture::{Fixture, Settings};
use super::log::in_time;
use crate::Verdict;
use crate::verdict::Checked;

/// The lease in scenarios that wait for its end. A process that is alive renews it in time even on
/// a busy machine.
pub(crate) const LEASE: Duration = Duration::from_secs(5);

/// The fixture of one scenario, under names of its own, so that several can share a broker.
#[derive(Clone, Debug)]
pub(crate) struct Stage {
    pub(crate) fixture: Arc<dyn Fixture>,
    pub(crate) settings: Settings,
    /// The one bus in process, of which every process has a clone.
    in_process: Option<Bus>,
    prefix: String,
    lease: Duration,
    /// How often each scenario runs under stress.
    pub(crate) stress: usize,
}

impl Stage {
    pub(crate) async fn new(
        fixture: Arc<dyn Fixture>,
        settings: Settings,
        stress: usize,
    ) -> Checked<Self> {
        let transport = fixture.transport().await.map_err(broken)?;
        let in_process = transport.is_none().then(|| Bus::new(&settings.bus));
        if let Some(transport) = transport {
            transport.close().await;
        }
        Ok(Self {
            fixture,
            settings,
            in_process,
            prefix: "scenario".to_owned(),
            lease: LEASE,
            stress,
        })
    }

    /// The same broker under other names, on a machine that is kept busy.
    pub(crate) fn under(&self, name: impl std::fmt::Display) -> Self {
        Self {
            prefix: format!("{}-{name}", self.prefix),
            lease: LEASE * 20,
            ..self.clone()
        }
    }

    pub(crate) fn is_in_process(&self) -> bool {
        self.in_process.is_some()
    }

    /// The bus of one more process.
    pub(crate) async fn bus(&self) -> Checked<Bus> {
        if let Some(bus) = &self.in_process {
            return Ok(bus.clone());
        }
        Ok(Bus::over(self.transport().await?, &self.settings.bus))
    }

    /// The transport of one more process.
    pub(crate) async fn transport(&self) -> Checked<Arc<dyn MessageTransport>> {
        let transport = self.fixture.transport().await.map_err(broken)?;
        transport.ok_or_else(|| Verdict::NotApplicable("has no transport under the bus".to_owned()))
    }

    /// An event type of this scenario alone.
    pub(crate) fn kind(&self, tail: &str) -> String {
        format!("{}.{tail}", self.prefix)
    }

    pub(crate) fn group(&self, name: &str) -> String {
        format!("{}-{name}", self.prefix)
    }

    /// The settings of a member of a group: quick attempts, from the oldest event on.
    pub(crate) fn member(&self, group: &str) -> SubscriptionConfig {
        self.quick().with_group(self.group(group))
    }

    /// The settings of a subscription of its own: quick attempts, new events only.
    pub(crate) fn alone(&self) -> SubscriptionConfig {
        self.quick().with_start(Start::New)
    }

    fn quick(&self) -> SubscriptionConfig {
        let (base, longest) = (Duration::from_millis(10), Duration::from_millis(40));
        SubscriptionConfig::default()
            .with_start(Start::Earliest)
            .with_attempts(3, base, longest)
            .with_lease(self.lease)
            .with_handler_timeout(Duration::from_mins(2))
    }

    pub(crate) fn spec(&self, tail: &str, group: &str) -> Checked<SubscriptionSpec> {
        let pattern = self.kind(tail).parse();
        let pattern = pattern.map_err(|error| Verdict::Fail(format!("pattern: {error}")))?;
        Ok(SubscriptionSpec::new(pattern)
            .with_group(self.group(group))
            .with_start(Start::Earliest)
            .with_lease(self.lease))
    }

    pub(crate) fn builder(&self, tail: &str, number: u64) -> EventBuilder {
        let text = format!("größe {number}");
        IntegrationEvent::builder(format!("conformance/{}", self.prefix), self.kind(tail))
            .data(json!({ "n": number, "text": text }))
    }

    pub(crate) fn event(&self, tail: &str, number: u64) -> Arc<IntegrationEvent> {
        built(self.builder(tail, number))
    }

    pub(crate) fn events(&self, tail: &str, many: u64) -> Vec<Arc<IntegrationEvent>> {
        (0..many).map(|number| self.event(tail, number)).collect()
    }

    /// The dead letters of a group.
    pub(crate) async fn letters(&self, bus: &Bus, group: &str) -> Checked<Vec<DeadLetter>> {
        let query = DeadLetterQuery::all().of_group(self.group(group));
        bus.find_dead_letters(&query).await.map_err(broken)
    }
}

/// Builds an event whose attributes are the suite's own.
pub(crate) fn built(builder: EventBuilder) -> Arc<IntegrationEvent> {
    Arc::new(builder.build().expect("the suite's attributes are valid"))
}

/// Something of the transport failed that must not.
pub(crate) fn broken(error: impl std::error::Error) -> Verdict {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line = format!("{line}: {error}");
        cause = error.source();
    }
    Verdict::Fail(format!("expected no error, saw: {line}"))
}

/// Subscribes, and waits until the broker knows it.
pub(crate) async fn open<H: Handler>(
    bus: &Bus,
    pattern: &str,
    config: SubscriptionConfig,
    handler: H,
) -> Checked<Subscription> {
    let subscription = bus.subscribe(pattern, config, handler).map_err(broken)?;
    in_time("subscribing", subscription.ready())
        .await?
        .map_err(broken)?;
    Ok(subscription)
}

/// Publishes all of them; each must be confirmed or accepted.
pub(crate) async fn publish(bus: &Bus, events: &[Arc<IntegrationEvent>]) -> Checked<Vec<Receipt>> {
    let answers = in_time("publishing", bus.publish_all(events.to_vec())).await?;
    answers
        .into_iter()
        .map(|answer| answer.map_err(broken))
        .collect()
}

/// Publishes an event until it is confirmed.
pub(crate) async fn insist(bus: &Bus, event: &Arc<IntegrationEvent>) -> Checked {
    let confirmed = async {
        loop {
            match bus.publish(Arc::clone(event)).await {
                Ok(_) => return Ok(()),
                Err(PublishError::Transport(error)) if error.kind().is_transient() => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Err(error) => return Err(broken(error)),
            }
        }
    };
    tokio::time::timeout(super::log::PATIENCE * 3, confirmed)
        .await
        .map_err(|_late| Verdict::Fail("expected a confirmation in the end, saw none".to_owned()))?
}

/// Receives exactly so many messages from a source.
pub(crate) async fn take(source: &dyn Source, many: usize) -> Checked<Vec<Incoming>> {
    let mut all = Vec::new();
    while all.len() < many {
        let some = in_time("receiving", source.receive(many - all.len())).await?;
        all.extend(some.map_err(broken)?);
    }
    Ok(all)
}

/// Settles one message.
pub(crate) async fn settle(
    source: &dyn Source,
    token: DeliveryToken,
    how: Disposition,
) -> Checked<Settled> {
    let answers = in_time("settling", source.settle(&[(token, how)])).await?;
    match answers.into_iter().next() {
        Some(answer) => answer.map_err(broken),
        None => Err(Verdict::Fail("expected one answer, saw none".to_owned())),
    }
}
