//! Saying what became of messages.

use std::time::Duration;

use contexter_event_bus::TransportError;
use contexter_event_bus::transport::{DeliveryToken, Disposition, Settled};
use redis::{Pipeline, Value};
use tokio::time::Instant;

use super::Consumer;
use super::keep::delay_millis;
use crate::entry::{EntryId, list, number};
use crate::error::{refused, unexpected};
use crate::scripts::{self, eval};

/// The longest delay of a message that is given back; the server's scripts count exactly that far.
const LONGEST_DELAY: Duration = Duration::from_hours(24 * 365);

type Answer = Result<Settled, TransportError>;

/// A settlement that is on its way.
struct UnderWay {
    place: usize,
    token: DeliveryToken,
    id: EntryId,
    disposition: Disposition,
}

/// The settlements of one call. Whatever happens to the call, none of them stays under way.
struct Batch<'c> {
    consumer: &'c Consumer,
    all: Vec<UnderWay>,
    /// What does not belong to this consumer any more, and so is not sent again.
    late: Vec<UnderWay>,
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        let mut table = self.consumer.table.lock();
        for one in self.all.iter().chain(&self.late) {
            if !is_renewal(one.disposition) {
                table.forget(one.token.0);
            }
        }
        drop(table);
        self.consumer.room.notify_one();
    }
}

impl Batch<'_> {
    fn of(&self, wanted: fn(Disposition) -> bool) -> Vec<&UnderWay> {
        self.all
            .iter()
            .filter(|one| wanted(one.disposition))
            .collect()
    }

    /// Keeps what still belongs to this consumer.
    fn keep_in_time(&mut self) {
        let table = self.consumer.table.lock();
        let late = self.all.extract_if(.., |one| !table.is_in_time(one.token));
        self.late.extend(late);
    }
}

fn is_ack(disposition: Disposition) -> bool {
    disposition == Disposition::Ack
}

fn is_nack(disposition: Disposition) -> bool {
    delay_of(disposition).is_some()
}

fn is_renewal(disposition: Disposition) -> bool {
    disposition == Disposition::InProgress
}

impl Consumer {
    /// Settles all of them in one round trip.
    ///
    /// An acknowledgement is fenced by the leases of this consumer's own clock, which end a little
    /// earlier than the server's and are looked at each time that it is sent; giving back and renewing
    /// are fenced by the server, too.
    pub(super) async fn settle(&self, settlements: &[(DeliveryToken, Disposition)]) -> Vec<Answer> {
        let begun = Instant::now();
        let mut answers: Vec<Answer> = settlements.iter().map(|_| Ok(Settled::Refused)).collect();
        let mut batch = Batch {
            consumer: self,
            all: Vec::with_capacity(settlements.len()),
            late: Vec::new(),
        };
        {
            let mut table = self.table.lock();
            for (place, &(token, disposition)) in settlements.iter().enumerate() {
                let id = if is_renewal(disposition) {
                    table.begin_renewal(token)
                } else {
                    table.begin(token)
                };
                if let Some(id) = id {
                    batch.all.push(UnderWay {
                        place,
                        token,
                        id,
                        disposition,
                    });
                }
            }
        }
        if !batch.all.is_empty() {
            let outcome = self.send(&mut batch, begun + self.lease).await;
            self.read_answers(&batch, outcome, &mut answers);
        }
        drop(batch);
        if self.is_closing() && self.table.lock().is_empty() {
            self.leave(self.inner.main.last_deadline()).await;
        }
        answers
    }

    fn commands(&self, batch: &Batch<'_>) -> Pipeline {
        let keys = &self.inner.keys;
        let mut pipeline = Pipeline::with_capacity(3);
        let acks = batch.of(is_ack);
        if !acks.is_empty() {
            let mut cmd = redis::Cmd::with_capacity(acks.len() + 3, 32 * acks.len() + 64);
            cmd.arg("XACK").arg(&keys.events).arg(&self.group);
            for one in acks {
                cmd.arg(one.id.to_string());
            }
            pipeline.add_command(cmd);
        }
        let nacks = batch.of(is_nack);
        if !nacks.is_empty() {
            let mut cmd = eval(scripts::NACK, &[&keys.events, &self.delayed]);
            cmd.arg(&self.group).arg(&self.name);
            for one in nacks {
                let delay = delay_of(one.disposition).unwrap_or_default();
                // What nobody has begun with counts as not delivered.
                let added = if one.disposition == Disposition::Return {
                    -1
                } else {
                    0
                };
                cmd.arg(one.id.to_string())
                    .arg(delay_millis(delay))
                    .arg(added);
            }
            pipeline.add_command(cmd);
        }
        let renewals = batch.of(is_renewal);
        if !renewals.is_empty() {
            let mut cmd = eval(scripts::RENEW, &[&keys.events]);
            cmd.arg(&self.group).arg(&self.name);
            for one in renewals {
                cmd.arg(one.id.to_string());
            }
            pipeline.add_command(cmd);
        }
        pipeline
    }

    /// Sends them as often as it takes within the time, each for as long as it belongs to this
    /// consumer; all of them may be sent twice. Returns when they were sent, too.
    async fn send(
        &self,
        batch: &mut Batch<'_>,
        deadline: Instant,
    ) -> Result<(Instant, Vec<Value>), TransportError> {
        let main = &self.inner.main;
        loop {
            let patience = deadline.min(main.deadline());
            let outcome = match main.live(Some(patience)).await {
                Ok(mut live) => {
                    // A lease may have ended while the connection was made again.
                    batch.keep_in_time();
                    if batch.all.is_empty() {
                        return Ok((Instant::now(), Vec::new()));
                    }
                    let pipeline = self.commands(batch);
                    let sent = Instant::now();
                    main.send_on(&mut live, &pipeline, patience)
                        .await
                        .map(|answers| (sent, answers))
                }
                Err(error) => Err(error),
            };
            match outcome {
                Err(error) if error.kind().is_transient() && Instant::now() < deadline => {
                    tracing::debug!(%error, "settlements are sent again");
                }
                outcome => return outcome,
            }
        }
    }

    fn read_answers(
        &self,
        batch: &Batch<'_>,
        outcome: Result<(Instant, Vec<Value>), TransportError>,
        answers: &mut [Answer],
    ) {
        let mut tell = |one: &UnderWay, answer: Answer| {
            if let Some(place) = answers.get_mut(one.place) {
                *place = answer;
            }
        };
        let (sent, values) = match outcome {
            Ok(outcome) => outcome,
            Err(error) => {
                let again = || TransportError::new(error.kind(), error.to_string());
                for one in &batch.all {
                    self.learn_nothing(one);
                    tell(one, Err(again()));
                }
                return;
            }
        };
        let mut values = values.into_iter();
        for wanted in [is_ack, is_nack, is_renewal] {
            let some = batch.of(wanted);
            if some.is_empty() {
                continue;
            }
            let value = values.next().unwrap_or_default();
            let each = match value.extract_error() {
                Err(error) => {
                    for one in some {
                        tell(one, Err(refused(&error)));
                    }
                    continue;
                }
                // How many were still pending. Those that were not are done all the same.
                Ok(Value::Int(_)) if wanted(Disposition::Ack) => vec![Value::Int(1); some.len()],
                Ok(value) => list(value).unwrap_or_default(),
            };
            let mut each = each.iter().map(number);
            for one in some {
                let answer = match each.next().flatten() {
                    Some(0) => Ok(Settled::Refused),
                    Some(_) => Ok(Settled::Done),
                    None => Err(unexpected("a settlement has no answer")),
                };
                self.learn(one, &answer, sent);
                tell(one, answer);
            }
        }
    }

    /// It may have been done all the same.
    fn learn_nothing(&self, one: &UnderWay) {
        if let Some(delay) = delay_of(one.disposition) {
            let due = Instant::now() + delay;
            self.table.lock().given_back(one.id, due);
        } else if self.solo {
            self.table.lock().misses();
        }
    }

    fn learn(&self, one: &UnderWay, answer: &Answer, sent: Instant) {
        match (one.disposition, answer) {
            (Disposition::InProgress, Ok(Settled::Done)) => {
                let until = sent + self.own_lease();
                self.table.lock().renewed(one.token, until);
            }
            // It belongs to another consumer now, or to nobody.
            (Disposition::InProgress, Ok(Settled::Refused)) => {
                self.table.lock().forget(one.token.0);
            }
            (Disposition::Ack, Ok(Settled::Done)) => {
                self.table.lock().ended(one.id);
            }
            (given_back, Ok(Settled::Done)) => {
                let Some(delay) = delay_of(given_back) else {
                    return;
                };
                let due = Instant::now() + delay;
                self.table.lock().given_back(one.id, due);
                self.is_due_at(due);
            }
            _ => {}
        }
    }
}

/// When what goes back to the group is due there; none for what does not go back.
fn delay_of(disposition: Disposition) -> Option<Duration> {
    match disposition {
        Disposition::Nack { after } => Some(after.min(LONGEST_DELAY)),
        Disposition::Return => Some(Duration::ZERO),
        _ => None,
    }
}
