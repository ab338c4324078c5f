//! The connection, which the client library makes again whenever it breaks.

use std::fmt;
use std::future::{Future, ready};
use std::sync::Arc;
use std::time::Duration;

use async_nats::client::RequestErrorKind;
use async_nats::jetstream::response::Response;
use async_nats::{Client, ConnectErrorKind, ConnectOptions, Event, Request, ServerAddr, jetstream};
use bytes::Bytes;
use contexter_event_bus::TransportError;
use contexter_event_bus::transport::{Connection, TransportErrorKind, TransportHealth};
use parking_lot::RwLock;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{Mutex as AsyncMutex, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};

use crate::config::NatsConfig;
use crate::error::{answered, describe_connecting, refused, unavailable, unconfirmed, unexpected};

/// The pause before a server is asked again that is there and does not know JetStream yet.
const PAUSE: Duration = Duration::from_millis(50);

const MISUNDERSTOOD: &str = "answer of the server was not understood";

/// How the connection is.
#[derive(Clone, Debug)]
struct State {
    connection: Connection,
    /// How often it was made again. Whatever was sent under an older number may be lost.
    generation: u64,
    last_error: Option<String>,
    library: Library,
}

/// How the client library is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Library {
    Alive,
    /// It has given up, and must be begun anew.
    Dead,
    /// It is being begun anew.
    Beginning,
}

pub(crate) struct Link {
    client: RwLock<Client>,
    state: Arc<watch::Sender<State>>,
    config: NatsConfig,
    /// One begins anew, the others wait.
    reviving: AsyncMutex<()>,
}

/// Lives as long as the client library's connection does, whatever ends it.
struct Life(Arc<watch::Sender<State>>);

impl Drop for Life {
    fn drop(&mut self) {
        self.0.send_if_modified(|state| {
            let open = state.connection != Connection::Closed;
            if open {
                state.connection = Connection::Reconnecting;
                state.library = Library::Dead;
                state.last_error = Some("client library gave up its connection".to_owned());
            }
            open
        });
    }
}

/// Why a question to the server has no good answer.
#[derive(Debug)]
pub(crate) enum Failed {
    /// There was none.
    Link(TransportError),
    /// It was an error.
    Server(jetstream::Error),
}

impl Failed {
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Self::Server(error) if error.code() == 404)
    }
}

impl From<Failed> for TransportError {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Link(error) => error,
            Failed::Server(error) => answered(&error),
        }
    }
}

impl Link {
    pub(crate) async fn connect(config: &NatsConfig) -> Result<Self, TransportError> {
        let state = Arc::new(watch::Sender::new(State {
            connection: Connection::Up,
            generation: 0,
            last_error: None,
            library: Library::Alive,
        }));
        let client = connect(config, &state).await?;
        Ok(Self {
            client: RwLock::new(client),
            state,
            config: config.clone(),
            reviving: AsyncMutex::new(()),
        })
    }

    pub(crate) fn client(&self) -> Client {
        self.client.read().clone()
    }

    /// Begins anew after the client library has given up, until that works.
    ///
    /// Cancel safe: whoever comes next goes on with it.
    async fn revive(&self) {
        let _alone = self.reviving.lock().await;
        let (base, max) = (self.config.reconnect_base, self.config.reconnect_max);
        let mut pause = base;
        while self.has_died() {
            self.state
                .send_modify(|state| state.library = Library::Beginning);
            // Whatever becomes of it but this, its life ends, and says so.
            match connect(&self.config, &self.state).await {
                Ok(client) => {
                    *self.client.write() = client;
                    self.state.send_modify(|state| {
                        if state.library == Library::Beginning {
                            state.library = Library::Alive;
                            state.generation += 1;
                            if state.connection != Connection::Closed {
                                state.connection = Connection::Up;
                            }
                        }
                    });
                    tracing::warn!("client library was begun anew");
                }
                Err(error) => {
                    tracing::debug!(%error, "client library cannot be begun anew for now");
                    sleep(pause).await;
                    pause = pause.saturating_mul(2).min(max);
                }
            }
        }
    }

    fn has_died(&self) -> bool {
        let state = self.state.borrow();
        state.library == Library::Dead && state.connection != Connection::Closed
    }

    pub(crate) fn health(&self) -> TransportHealth {
        let state = self.state.borrow();
        TransportHealth::new(state.connection)
            .with_reconnects(state.generation)
            .with_last_error(state.last_error.clone())
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.state.borrow().connection == Connection::Closed
    }

    /// Ends the connection after what is under way.
    pub(crate) async fn close(&self) {
        let closed_now = self.state.send_if_modified(|state| {
            let open = state.connection != Connection::Closed;
            state.connection = Connection::Closed;
            open
        });
        let client = self.client();
        if closed_now && let Err(error) = client.drain().await {
            tracing::debug!(%error, "connection had ended before it was closed");
        }
    }

    /// Waits for the connection and returns its number.
    pub(crate) async fn ready(&self, deadline: Option<Instant>) -> Result<u64, TransportError> {
        let ready = self.up();
        match deadline {
            Some(deadline) => timeout_at(deadline, ready)
                .await
                .map_err(|_elapsed| unavailable("server cannot be reached in time"))?,
            None => ready.await,
        }
    }

    async fn up(&self) -> Result<u64, TransportError> {
        let mut state = self.state.subscribe();
        loop {
            let settled = state.wait_for(|state| {
                state.connection != Connection::Reconnecting || state.library != Library::Alive
            });
            let goes_on = match settled.await.as_deref() {
                Ok(state) if state.connection == Connection::Up => return Ok(state.generation),
                Ok(state) => state.connection != Connection::Closed,
                Err(_no_sender) => false,
            };
            if !goes_on {
                return Err(TransportError::closed());
            }
            self.revive().await;
        }
    }

    /// Waits until the connection of this number has ended, for whatever reason.
    pub(crate) fn broken(&self, generation: u64) -> impl Future<Output = ()> + Send + use<> {
        let mut state = self.state.subscribe();
        async move {
            let over = |state: &State| {
                state.generation != generation || state.connection != Connection::Up
            };
            // The sender lives as long as the link; without it, all is over.
            let _over = state.wait_for(over).await;
        }
    }

    pub(crate) fn deadline(&self) -> Instant {
        Instant::now() + self.config.response_timeout
    }

    /// Asks JetStream's interface, again if the connection breaks meanwhile: what is asked must be
    /// fit for being done twice.
    pub(crate) async fn ask<Q, A>(
        &self,
        subject: &str,
        question: &Q,
        deadline: Instant,
    ) -> Result<A, Failed>
    where
        Q: Serialize + Sync + ?Sized,
        A: DeserializeOwned + Send,
    {
        let subject = format!("$JS.API.{subject}");
        let body = serde_json::to_vec(question).map_err(|error| {
            Failed::Link(refused("question cannot be encoded").with_source(error))
        })?;
        // The server refuses even a `null` where it expects nothing.
        let body = if body == b"null" {
            Bytes::new()
        } else {
            Bytes::from(body)
        };
        loop {
            let generation = self.ready(Some(deadline)).await.map_err(Failed::Link)?;
            let broken = self.broken(generation);
            let client = self.client();
            // An inbox of its own, which ends with it: what is answered over the one that the client
            // library shares stays in its memory if no answer comes.
            let inbox = client.new_inbox();
            let request = Request::new().inbox(inbox).payload(body.clone());
            let request = request.timeout(None);
            let answer = tokio::select! {
                biased;
                answer = client.send_request(subject.clone(), request) => answer,
                () = broken => continue,
                () = sleep_until(deadline) => {
                    return Err(Failed::Link(unconfirmed("server does not answer")));
                }
            };
            match answer {
                Ok(message) => {
                    return match serde_json::from_slice(&message.payload) {
                        Ok(Response::Ok(answer)) => Ok(answer),
                        Ok(Response::Err { error }) => Err(Failed::Server(error)),
                        Err(error) => {
                            Err(Failed::Link(unexpected(MISUNDERSTOOD).with_source(error)))
                        }
                    };
                }
                Err(error) if error.kind() == RequestErrorKind::NoResponders => {
                    if Instant::now() + PAUSE >= deadline {
                        let text = "server has no JetStream, or does not allow it";
                        return Err(Failed::Link(unavailable(text)));
                    }
                    tokio::time::sleep(PAUSE).await;
                }
                Err(error) if error.kind() == RequestErrorKind::TimedOut => {}
                Err(_other) if self.is_closed() => {
                    return Err(Failed::Link(TransportError::closed()));
                }
                // The client library may have ended before this could see it.
                Err(_gone) if self.state.borrow().generation != generation => {}
                Err(_gone) if self.state.borrow().connection != Connection::Up => {}
                Err(error) => {
                    return Err(Failed::Link(unexpected(MISUNDERSTOOD).with_source(error)));
                }
            }
        }
    }

    /// Asks the server for a sign of life.
    pub(crate) async fn ping(&self, within: Duration) -> Result<(), TransportError> {
        let deadline = Instant::now() + within;
        let answer: Result<jetstream::account::Account, _> = self.ask("INFO", &(), deadline).await;
        match answer {
            Err(Failed::Link(error)) if error.kind() != TransportErrorKind::Protocol => Err(error),
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link")
            .field("state", &*self.state.borrow())
            .finish_non_exhaustive()
    }
}

/// Begins a connection of the client library, which tells `state` what becomes of it.
async fn connect(
    config: &NatsConfig,
    state: &Arc<watch::Sender<State>>,
) -> Result<Client, TransportError> {
    let addresses = config.addresses().map_err(refused)?;
    let options = options(config, Life(Arc::clone(state)))?;
    let place = place(&addresses);
    let connecting = timeout(config.connect_timeout, options.connect(addresses));
    match connecting.await {
        Ok(Ok(client)) => Ok(client),
        Ok(Err(error)) => {
            let why = describe_connecting(&error);
            Err(match error.kind() {
                ConnectErrorKind::ServerParse
                | ConnectErrorKind::Authentication
                | ConnectErrorKind::AuthorizationViolation
                | ConnectErrorKind::Tls => refused(format!("{place} cannot be used: {why}")),
                _ => unavailable(&format!("{place} cannot be reached: {why}")),
            })
        }
        Err(_elapsed) => Err(unavailable(&format!("{place} cannot be reached in time"))),
    }
}

/// Says where the servers are, without the user and the password that an address may hold.
fn place(addresses: &[ServerAddr]) -> String {
    let each = addresses
        .iter()
        .map(|address| format!("{}:{}", address.host(), address.port()));
    format!("nats server at {}", each.collect::<Vec<_>>().join(", "))
}

fn options(config: &NatsConfig, life: Life) -> Result<ConnectOptions, TransportError> {
    let (base, max) = (config.reconnect_base, config.reconnect_max);
    let mut options = ConnectOptions::new()
        .name("contexter")
        .max_reconnects(None)
        .connection_timeout(config.connect_timeout)
        .request_timeout(Some(config.response_timeout))
        .ping_interval(config.ping_interval)
        .require_tls(config.require_tls)
        .reconnect_delay_callback(move |attempts| {
            let doublings = u32::try_from(attempts.saturating_sub(1))
                .unwrap_or(u32::MAX)
                .min(30);
            base.saturating_mul(1 << doublings).min(max)
        })
        .event_callback(move |event| {
            learn(&life.0, &event);
            ready(())
        });
    if let (Some(user), Some(password)) = (&config.user, &config.password) {
        options = options.user_and_password(user.clone(), password.expose().to_owned());
    }
    if let Some(token) = &config.token {
        options = options.token(token.expose().to_owned());
    }
    if let Some(seed) = &config.nkey {
        options = options.nkey(seed.expose().to_owned());
    }
    if let Some(credentials) = &config.credentials {
        options = options
            .credentials(credentials.expose())
            .map_err(|_may_hold_the_key| refused("credentials cannot be read"))?;
    }
    Ok(options)
}

fn learn(state: &watch::Sender<State>, event: &Event) {
    state.send_if_modified(|state| {
        if state.connection == Connection::Closed || state.library != Library::Alive {
            return false;
        }
        match event {
            Event::Connected if state.connection == Connection::Reconnecting => {
                tracing::info!("connection to the server is made again");
                state.connection = Connection::Up;
                state.generation += 1;
            }
            Event::Disconnected => {
                tracing::warn!("connection to the server broke");
                state.connection = Connection::Reconnecting;
                state.last_error = Some("connection broke".to_owned());
            }
            Event::Closed => {
                state.connection = Connection::Closed;
                state.last_error = Some("connection was closed".to_owned());
            }
            Event::ServerError(error) => state.last_error = Some(format!("server says: {error}")),
            Event::SlowConsumer(_) => {
                state.last_error = Some("messages came faster than they were taken".to_owned());
            }
            _ => return false,
        }
        true
    });
}
