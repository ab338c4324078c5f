//! A running server and what a test can do to it.

use std::collections::hash_map::RandomState;
use std::fs;
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;

use crate::Builder;
use crate::Error;
use crate::program;
use crate::ready::{self, Outcome};
use crate::supervisor::Supervised;

/// The ports that servers get.
///
/// Below the range that Linux, macOS and Windows give to outgoing connections. From within that
/// range, a client that connects again and again to a killed server could be given the server's
/// own port, connect to itself, and so keep the server from coming back.
const PORTS: Range<u16> = 15_000..30_000;

/// How many ports are tried: another process may take a free port before the server does.
const TRIES: usize = 20;

/// How long the kernel may take to end a killed process.
const KILLED_WITHIN: Duration = Duration::from_secs(10);

/// How much of the end of a log an error shows, in characters.
const LOG_TAIL: usize = 4_000;

/// A server that runs until it is dropped.
///
/// Started by [`Redis::start`](crate::Redis::start), [`Nats::start`](crate::Nats::start) or
/// [`Builder::start`]. Dropping it kills the server and removes its data. All methods block the
/// thread for some milliseconds.
#[derive(Debug)]
pub struct Server {
    builder: Builder,
    program: PathBuf,
    port: u16,
    // Before `folder`: the server must be dead before its data is removed.
    process: Option<Supervised>,
    folder: TempDir,
}

impl Server {
    pub(crate) fn start(builder: Builder) -> Result<Self, Error> {
        let program = program::find(&builder.program).ok_or_else(|| Error::Missing {
            program: builder.program.clone(),
            package: builder.package.clone(),
        })?;
        let folder = tempfile::Builder::new()
            .prefix("contexter-testkit-")
            .tempdir()
            .map_err(Error::io("create a temporary folder"))?;
        let data = folder.path().join("data");
        fs::create_dir(&data).map_err(Error::io("create a data folder"))?;
        let mut server = Self {
            builder,
            program,
            port: 0,
            process: None,
            folder,
        };
        let mut tries = TRIES;
        loop {
            tries -= 1;
            server.port = free_port().map_err(Error::io("find a free port"))?;
            match server.launch() {
                Err(Error::Ended { log, .. }) if tries > 0 && lost_its_port(&log) => {}
                outcome => return outcome.map(|()| server),
            }
        }
    }

    /// Returns the address that the server listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    /// Returns the address as a URL: `redis://127.0.0.1:40001`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}://{}", self.builder.scheme, self.address())
    }

    /// Returns the folder that the server keeps its data in.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Returns the server's process id, `None` after [`kill`](Self::kill).
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Supervised::pid)
    }

    /// Returns what the server has printed so far, over all restarts.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] when the log cannot be read.
    pub fn log(&self) -> Result<String, Error> {
        // Lossy: a server may print what is no text.
        fs::read(self.folder.path().join("log"))
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .map_err(Error::io("read the server's log"))
    }

    /// Kills the server with `SIGKILL`, as a crash would, and returns once it is gone.
    ///
    /// Its data and its port are kept for [`restart`](Self::restart).
    ///
    /// # Errors
    ///
    /// [`Error::NotRunning`] when it was killed before.
    pub fn kill(&mut self) -> Result<(), Error> {
        self.signal("KILL")?;
        if let Some(mut process) = self.process.take() {
            let ended = process.wait(KILLED_WITHIN);
            if !ended.map_err(Error::io("wait for the server's end"))? {
                return Err(Error::Immortal {
                    pid: process.pid(),
                    limit: KILLED_WITHIN,
                });
            }
        }
        Ok(())
    }

    /// Stops the server in its tracks with `SIGSTOP`: connections stay open, nothing answers.
    ///
    /// # Errors
    ///
    /// [`Error::NotRunning`] after [`kill`](Self::kill).
    pub fn pause(&self) -> Result<(), Error> {
        self.signal("STOP")
    }

    /// Lets a paused server go on.
    ///
    /// # Errors
    ///
    /// [`Error::NotRunning`] after [`kill`](Self::kill).
    pub fn resume(&self) -> Result<(), Error> {
        self.signal("CONT")
    }

    /// Starts the server again on the same port and data, killing it first if it runs.
    ///
    /// # Errors
    ///
    /// As [`Builder::start`]; [`Error::Ended`] when another process took the port meanwhile.
    pub fn restart(&mut self) -> Result<(), Error> {
        if self.process.is_some() {
            self.kill()?;
        }
        self.launch()
    }

    fn signal(&self, name: &str) -> Result<(), Error> {
        let process = self.process.as_ref().ok_or_else(|| Error::NotRunning {
            program: self.builder.program.clone(),
        })?;
        process
            .signal(name)
            .map_err(Error::io(format!("send SIG{name}")))
    }

    fn launch(&mut self) -> Result<(), Error> {
        let args: Vec<_> = self
            .builder
            .args
            .iter()
            .map(|arg| self.fill(arg, ""))
            .collect();
        for (name, content) in &self.builder.files {
            fs::write(self.data().join(name), self.fill(content, ""))
                .map_err(Error::io(format!("write {name}")))?;
        }
        let mut process = Supervised::start(self.folder.path(), &self.program, &args)
            .map_err(Error::io(format!("start {}", self.program.display())))?;
        let pid = process.pid().to_string();
        let expected: Vec<_> = self
            .builder
            .expected
            .iter()
            .map(|word| self.fill(word, &pid))
            .collect();
        let limit = self.builder.limit;
        let outcome = ready::wait(
            &mut process,
            self.address(),
            &self.builder.greeting,
            &expected,
            limit,
        );
        self.process = Some(process);
        let outcome = outcome.map_err(Error::io("watch the server"))?;
        let program = self.builder.program.clone();
        let log = || self.log().map(|log| tail(&log).to_owned());
        match outcome {
            Outcome::Ready => Ok(()),
            Outcome::Ended(status) => {
                let log = log()?;
                self.process = None;
                Err(Error::Ended {
                    program,
                    status,
                    log,
                })
            }
            Outcome::Late => {
                let log = log()?;
                self.kill()?;
                Err(Error::NotReady {
                    program,
                    limit,
                    log,
                })
            }
        }
    }

    /// Puts the facts of this start in the place of the placeholders.
    fn fill(&self, text: &str, pid: &str) -> String {
        text.replace("{port}", &self.port.to_string())
            .replace("{dir}", &self.data().to_string_lossy())
            .replace("{name}", &self.name())
            .replace("{pid}", pid)
    }

    /// Returns the name of the temporary folder, which no other running server has.
    fn name(&self) -> String {
        self.folder
            .path()
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned()
    }
}

/// Returns a port that nothing listens on.
fn free_port() -> io::Result<u16> {
    // Random, so that test processes that run side by side do not try the same ports in turn.
    let random = RandomState::new();
    let mut outcome = Err(io::ErrorKind::AddrInUse.into());
    for try_number in 0..TRIES {
        let mut hasher = random.build_hasher();
        hasher.write_usize(try_number);
        let offset = hasher.finish() % u64::from(PORTS.end - PORTS.start);
        let port = PORTS.start + u16::try_from(offset).unwrap_or_default();
        outcome = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map(|_closed_again| port);
        if outcome.is_ok() {
            break;
        }
    }
    outcome
}

/// Tells by a server's last words whether another process took its port first.
fn lost_its_port(log: &str) -> bool {
    log.to_lowercase().contains("address already in use")
}

/// Returns the last part of a log.
fn tail(log: &str) -> &str {
    let start = log
        .char_indices()
        .rev()
        .nth(LOG_TAIL)
        .map_or(0, |(index, _)| index);
    log.get(start..).unwrap_or(log)
}
