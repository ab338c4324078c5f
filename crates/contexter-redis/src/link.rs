//! A connection that is made again whenever it breaks.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use contexter_event_bus::TransportError;
use contexter_event_bus::transport::{Connection, TransportErrorKind, TransportHealth};
use contexter_service::Delays;
use parking_lot::Mutex;
use redis::aio::MultiplexedConnection;
use redis::{Cmd, Pipeline, RedisError, Value};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use crate::dial::{Dial, Failure};
use crate::error::{
    describe, is_answer, is_of_replica, refused, unavailable, unconfirmed, unexpected,
};

/// How long a connection is waited for when everything ends.
const PARTING: Duration = Duration::from_millis(250);

/// What is said where an answer is waited for no longer.
const SILENT: &str = "no answer in time";

/// What is said where a server has become another one's replica: by its name there may be another now.
const REPLICA: &str = "the server is a replica";

/// One connection, made when it is needed and again when it broke.
pub(crate) struct Link {
    dial: Dial,
    response_timeout: Duration,
    live: Mutex<Option<Live>>,
    /// Held while connecting, so that one does it and all others wait for that. (An async lock.)
    connecting: tokio::sync::Mutex<Attempts>,
    past: Arc<Mutex<Past>>,
    closed: AtomicBool,
}

#[derive(Default)]
struct Past {
    made: u64,
    last_error: Option<String>,
}

struct Attempts {
    delays: Delays,
    not_before: Option<Instant>,
}

/// A connection as it is now.
#[derive(Clone)]
pub(crate) struct Live {
    pub(crate) connection: MultiplexedConnection,
    driver: Arc<Driver>,
    watch: Arc<Watch>,
    /// The server's number for it.
    pub(crate) client_id: i64,
}

/// Whether a connection whose answer somebody did not wait for is still good.
#[derive(Default)]
struct Watch {
    begun: AtomicBool,
    /// It does not answer any more.
    silent: AtomicBool,
}

struct Driver(AbortHandle);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Live {
    /// A connection, and what drives it, which ends with it.
    pub(crate) fn new(connection: MultiplexedConnection, driver: AbortHandle) -> Self {
        Self {
            connection,
            driver: Arc::new(Driver(driver)),
            watch: Arc::default(),
            client_id: 0,
        }
    }

    fn is_dead(&self) -> bool {
        self.driver.0.is_finished() || self.watch.silent.load(Ordering::Acquire)
    }

    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.driver, &other.driver)
    }
}

impl Link {
    pub(crate) fn new(dial: Dial, response_timeout: Duration) -> Self {
        let delays = dial.backoff.delays();
        Self {
            dial,
            response_timeout,
            live: Mutex::default(),
            connecting: tokio::sync::Mutex::new(Attempts {
                delays,
                not_before: None,
            }),
            past: Arc::default(),
            closed: AtomicBool::new(false),
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        let live = self.live.lock().take();
        drop(live);
    }

    pub(crate) fn health(&self) -> TransportHealth {
        let connection = if self.is_closed() {
            Connection::Closed
        } else if self.current().is_some() {
            Connection::Up
        } else {
            Connection::Reconnecting
        };
        let past = self.past.lock();
        TransportHealth::new(connection)
            .with_reconnects(past.made.saturating_sub(1))
            .with_last_error(past.last_error.clone())
    }

    fn current(&self) -> Option<Live> {
        self.live
            .lock()
            .as_ref()
            .filter(|live| !live.is_dead())
            .cloned()
    }

    /// Returns the connection, making it if there is none, for as long as it takes or until the
    /// deadline.
    ///
    /// With a deadline, an answer of the server that trying again does not mend (a wrong password)
    /// is returned at once.
    pub(crate) async fn live(&self, deadline: Option<Instant>) -> Result<Live, TransportError> {
        if self.is_closed() {
            return Err(TransportError::closed());
        }
        if let Some(live) = self.current() {
            return Ok(live);
        }
        match deadline {
            None => self.connect(true).await,
            Some(deadline) => match timeout_at(deadline, self.connect(false)).await {
                Ok(connected) => connected,
                Err(_elapsed) => {
                    let last = self.past.lock().last_error.clone();
                    Err(unavailable(
                        last.as_deref().unwrap_or("no connection in time"),
                    ))
                }
            },
        }
    }

    async fn connect(&self, patient: bool) -> Result<Live, TransportError> {
        let mut attempts = self.connecting.lock().await;
        loop {
            if self.is_closed() {
                return Err(TransportError::closed());
            }
            // Somebody else may have been faster.
            if let Some(live) = self.current() {
                return Ok(live);
            }
            if let Some(time) = attempts.not_before {
                sleep_until(time).await;
            }
            // Before the attempt, so that one that is broken off counts.
            let pause = attempts.delays.next().unwrap_or(Duration::from_secs(1));
            attempts.not_before = Some(Instant::now() + pause);
            let attempt = timeout(
                self.dial.connect_timeout,
                self.dial.connect(self.response_timeout),
            );
            let error = match attempt.await {
                Ok(Ok(live)) => {
                    // The first pause after a connection that lasted is the shortest again; until
                    // then it must not become a busy loop.
                    attempts.delays = self.dial.backoff.delays();
                    self.past.lock().made += 1;
                    *self.live.lock() = Some(live.clone());
                    return Ok(live);
                }
                Ok(Err(error)) => error,
                Err(_elapsed) => Failure::Io("no connection in time".to_owned()),
            };
            let text = error.text().to_owned();
            tracing::debug!(error = text, "cannot connect to redis");
            self.past.lock().last_error = Some(text);
            if let Failure::ForGood(text) = error
                && !patient
            {
                return Err(TransportError::new(
                    TransportErrorKind::Refused,
                    format!("redis refused the connection: {text}"),
                ));
            }
        }
    }

    /// Remembers what failed last.
    pub(crate) fn note(&self, error: String) {
        self.past.lock().last_error = Some(error);
    }

    /// Says that a connection is of no use any more. Who still waits for an answer on it goes on
    /// waiting.
    pub(crate) fn retire(&self, live: &Live, why: &str) {
        self.note(why.to_owned());
        let mut current = self.live.lock();
        let old = match &*current {
            Some(now) if now.is(live) => current.take(),
            _ => None,
        };
        drop(current);
        if old.is_some() {
            tracing::debug!(error = why, "connection to redis broke");
        }
    }

    /// Sends commands together and returns the answers in order, refusals included.
    ///
    /// # Errors
    ///
    /// `Unavailable` means that nothing was sent, `Unconfirmed` that no answer came.
    pub(crate) async fn send(
        &self,
        pipeline: &Pipeline,
        deadline: Instant,
    ) -> Result<Vec<Value>, TransportError> {
        let mut live = self.live(Some(deadline)).await?;
        self.send_on(&mut live, pipeline, deadline).await
    }

    /// Sends commands together on this very connection, and returns the answers in order, refusals
    /// included.
    ///
    /// # Errors
    ///
    /// `Unconfirmed` means that no answer came.
    pub(crate) async fn send_on(
        &self,
        live: &mut Live,
        pipeline: &Pipeline,
        deadline: Instant,
    ) -> Result<Vec<Value>, TransportError> {
        let count = pipeline.len();
        let answers = live.connection.send_packed_commands(pipeline, 0, count);
        let error = match timeout_at(deadline, answers).await {
            Ok(Ok(answers)) if answers.len() == count => {
                let by_replica = |answer: &Value| match answer {
                    Value::ServerError(error) => is_of_replica(&error.clone().into()),
                    _ => false,
                };
                if answers.iter().any(by_replica) {
                    self.retire(live, REPLICA);
                }
                return Ok(answers);
            }
            Ok(Ok(_)) => {
                self.retire(live, "wrong number of answers");
                return Err(unexpected("wrong number of answers"));
            }
            Ok(Err(error)) => describe(&error),
            Err(_elapsed) => {
                // The connection has all of its own time to answer; others may have more patience.
                self.watch(live);
                return Err(unconfirmed(SILENT));
            }
        };
        self.retire(live, &error);
        Err(unconfirmed(&error))
    }

    /// Makes sure that a connection still answers, unless somebody is at it already.
    fn watch(&self, live: &Live) {
        if live.watch.begun.swap(true, Ordering::AcqRel) {
            return;
        }
        // Nothing that keeps the connection after it was closed.
        let (mut connection, watch) = (live.connection.clone(), Arc::clone(&live.watch));
        let past = Arc::clone(&self.past);
        tokio::spawn(async move {
            let answer = connection.send_packed_command(&redis::cmd("PING")).await;
            let answer = answer.and_then(Value::extract_error);
            match answer {
                Err(error) if !is_answer(&error) => {
                    let error = describe(&error);
                    tracing::debug!(error, "connection to redis does not answer");
                    past.lock().last_error = Some(error);
                    watch.silent.store(true, Ordering::Release);
                }
                _ => watch.begun.store(false, Ordering::Release),
            }
        });
    }

    /// Sends one command and returns its answer.
    pub(crate) async fn ask(&self, cmd: Cmd, deadline: Instant) -> Result<Value, TransportError> {
        let mut live = self.live(Some(deadline)).await?;
        let mut pipeline = Pipeline::with_capacity(1);
        pipeline.add_command(cmd);
        let answers = self.send_on(&mut live, &pipeline, deadline).await?;
        let answer = answers.into_iter().next().unwrap_or_default();
        answer.extract_error().map_err(|error| refused(&error))
    }

    /// Sends a command that may be done twice, as often as it takes until the deadline.
    pub(crate) async fn ask_until(
        &self,
        cmd: &Cmd,
        deadline: Instant,
    ) -> Result<Value, TransportError> {
        loop {
            // What broke is made again with growing pauses, so this is no busy loop.
            match self.ask(cmd.clone(), deadline).await {
                Err(error)
                    if error.kind() == TransportErrorKind::Unconfirmed
                        && Instant::now() < deadline => {}
                answer => return answer,
            }
        }
    }

    /// Sends one command on this very connection. Time limits are the connection's.
    pub(crate) async fn ask_on(&self, live: &mut Live, cmd: &Cmd) -> Result<Value, RedisError> {
        let answer = live.connection.send_packed_command(cmd).await;
        let answer = answer.and_then(Value::extract_error);
        match &answer {
            Err(error) if !is_answer(error) => self.retire(live, &describe(error)),
            Err(error) if is_of_replica(error) => self.retire(live, REPLICA),
            _ => {}
        }
        answer
    }

    pub(crate) fn response_timeout(&self) -> Duration {
        self.response_timeout
    }

    /// The time by which an ordinary command must be answered.
    pub(crate) fn deadline(&self) -> Instant {
        Instant::now() + self.response_timeout
    }

    /// The time by which an ordinary command must be answered when everything ends. A connection that
    /// is not there is hardly waited for.
    pub(crate) fn last_deadline(&self) -> Instant {
        let patience = if self.current().is_some() {
            self.response_timeout
        } else {
            self.response_timeout.min(PARTING)
        };
        Instant::now() + patience
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link")
            .field("health", &self.health())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live")
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}
