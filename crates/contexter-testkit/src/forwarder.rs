//! Stands between a client and a server, and breaks connections where it hurts.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use socket2::SockRef;

use crate::Error;
use crate::wait;

/// How often a thread that waits for bytes looks whether its connection is to be reset.
const LOOK: Duration = Duration::from_millis(10);

/// How long connecting to the server may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(2);

/// Forwards TCP connections to a server, and resets them when it is told to.
///
/// Clients connect to [`address`](Self::address). A reset is a real one (`RST`, not an orderly end):
/// either at once, or [in the middle](Self::reset_after) of what clients send. New connections are
/// forwarded as before, so that a client can come back. While the server does not listen, a
/// connection is accepted and ends at once.
///
/// Dropping it resets everything.
///
/// # Examples
///
/// ```no_run
/// use contexter_testkit::{Forwarder, Redis};
///
/// # fn main() -> Result<(), contexter_testkit::Error> {
/// let redis = Redis::start()?;
/// let forwarder = Forwarder::start(redis.address())?;
/// println!("connect to redis://{}", forwarder.address());
/// forwarder.reset_after(1_000); // the server gets 1,000 bytes more, then nobody hears anything
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Forwarder {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    server: SocketAddr,
    ended: AtomicBool,
    resets: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    open: Vec<Weak<Pair>>,
    /// How many bytes may still reach the server before everything is reset.
    fuse: Option<usize>,
}

/// One connection: both ends, and whether it is to be reset.
///
/// Its threads alone keep it alive, so the sockets are closed, and with that reset, when they end.
#[derive(Debug)]
struct Pair {
    client: TcpStream,
    server: TcpStream,
    cut: AtomicBool,
}

impl Forwarder {
    /// Listens on a free port of 127.0.0.1 and forwards to `server`.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] when there is no port to listen on.
    pub fn start(server: SocketAddr) -> Result<Self, Error> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .and_then(|listener| listener.set_nonblocking(true).map(|()| listener))
            .map_err(Error::io("listen for connections to forward"))?;
        let address = listener
            .local_addr()
            .map_err(Error::io("learn the port of a listener"))?;
        let shared = Arc::new(Shared {
            server,
            ended: AtomicBool::new(false),
            resets: AtomicU64::new(0),
            state: Mutex::default(),
        });
        let acceptor = thread::spawn({
            let shared = Arc::clone(&shared);
            move || shared.accept(&listener)
        });
        Ok(Self {
            address,
            shared,
            acceptor: Some(acceptor),
        })
    }

    /// Returns where clients connect to.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Resets every open connection.
    pub fn reset(&self) {
        self.shared.reset(&mut self.shared.lock());
    }

    /// Resets every open connection when so many more bytes of clients have reached the server: a
    /// command that goes past that is cut in two.
    pub fn reset_after(&self, bytes: usize) {
        self.shared.lock().fuse = Some(bytes.max(1));
    }

    /// Returns how many connections have been reset so far.
    #[must_use]
    pub fn resets(&self) -> u64 {
        self.shared.resets.load(Ordering::Acquire)
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Release);
        self.reset();
        if let Some(acceptor) = self.acceptor.take() {
            let _panicked = acceptor.join();
        }
        // What was accepted meanwhile.
        self.reset();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reset(&self, state: &mut State) {
        state.fuse = None;
        for pair in state.open.drain(..).filter_map(|pair| pair.upgrade()) {
            if !pair.cut.swap(true, Ordering::AcqRel) {
                self.resets.fetch_add(1, Ordering::AcqRel);
            }
        }
    }

    fn accept(self: &Arc<Self>, listener: &TcpListener) {
        while !self.ended.load(Ordering::Acquire) {
            let accepted = wait::until(LOOK * 10, || match listener.accept() {
                Ok((client, _)) => Ok(Some(client)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    // The limit ends the wait; nothing to see is no fault.
                    Ok(None)
                }
                Err(error) => Err(error),
            });
            if let Ok(Some(client)) = accepted {
                // In vain while the server does not listen: the client learns it by the end.
                let _in_vain = self.connect(client);
            }
        }
    }

    fn connect(self: &Arc<Self>, client: TcpStream) -> io::Result<()> {
        client.set_nonblocking(false)?;
        let server = TcpStream::connect_timeout(&self.server, CONNECT_WITHIN)?;
        for end in [&client, &server] {
            end.set_nodelay(true)?;
            end.set_read_timeout(Some(LOOK))?;
            end.set_write_timeout(Some(LOOK))?;
        }
        let pair = Arc::new(Pair {
            client,
            server,
            cut: AtomicBool::new(false),
        });
        let mut state = self.lock();
        state.open.retain(|pair| pair.strong_count() > 0);
        state.open.push(Arc::downgrade(&pair));
        drop(state);
        for upwards in [true, false] {
            let (shared, pair) = (Arc::clone(self), Arc::clone(&pair));
            thread::spawn(move || shared.carry(&pair, upwards));
        }
        Ok(())
    }

    /// Carries bytes one way until an end ends or the connection is to be reset.
    fn carry(&self, pair: &Pair, upwards: bool) {
        let (mut from, to) = if upwards {
            (&pair.client, &pair.server)
        } else {
            (&pair.server, &pair.client)
        };
        let mut buffer = [0; 16 * 1024];
        let ended = loop {
            let read = match pair.patiently(|| from.read(&mut buffer)) {
                Ok(Some(read)) if read > 0 => read,
                Ok(Some(_end)) => break true,
                Ok(None) | Err(_) => break false,
            };
            let bytes = buffer.get(..read).unwrap_or_default();
            let (bytes, burnt) = if upwards {
                self.burn(bytes)
            } else {
                (bytes, false)
            };
            let written = pair.write(to, bytes);
            if burnt {
                self.reset(&mut self.lock());
            }
            if burnt || !matches!(written, Ok(true)) {
                break false;
            }
        };
        if ended {
            // An orderly end is passed on as one.
            let _gone = to.shutdown(Shutdown::Write);
        } else {
            pair.cut.store(true, Ordering::Release);
            for end in [&pair.client, &pair.server] {
                // Without this, closing would be an orderly end.
                let _gone = SockRef::from(end).set_linger(Some(Duration::ZERO));
            }
        }
    }

    /// Returns which of the bytes may still pass, and whether that was the end of the fuse.
    fn burn<'b>(&self, bytes: &'b [u8]) -> (&'b [u8], bool) {
        let mut state = self.lock();
        let Some(left) = &mut state.fuse else {
            return (bytes, false);
        };
        if bytes.len() < *left {
            *left -= bytes.len();
            return (bytes, false);
        }
        let last = bytes.get(..*left).unwrap_or(bytes);
        state.fuse = None;
        (last, true)
    }
}

impl Pair {
    fn is_cut(&self) -> bool {
        self.cut.load(Ordering::Acquire)
    }

    /// Tries until it works, fails, or the connection is to be reset: none.
    fn patiently(&self, mut step: impl FnMut() -> io::Result<usize>) -> io::Result<Option<usize>> {
        loop {
            if self.is_cut() {
                return Ok(None);
            }
            match step() {
                Ok(done) => return Ok(Some(done)),
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
                    ) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Writes all of it; `false` if the connection is to be reset first.
    fn write(&self, mut to: &TcpStream, bytes: &[u8]) -> io::Result<bool> {
        let mut rest = bytes;
        while !rest.is_empty() {
            match self.patiently(|| to.write(rest))? {
                Some(written) => rest = rest.get(written..).unwrap_or_default(),
                None => return Ok(false),
            }
        }
        Ok(true)
    }
}
