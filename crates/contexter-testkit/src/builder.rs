//! Describes a server: how to start it, and how to tell that it is ready.

use std::time::Duration;

use crate::Error;
use crate::Server;

/// How long a server may take to be ready.
const READY_WITHIN: Duration = Duration::from_secs(10);

/// The description of a server that can be started any number of times.
///
/// In arguments, files and expected words these stand for the facts of one start:
///
/// | placeholder | meaning |
/// |---|---|
/// | `{port}` | the port of 127.0.0.1 to listen on |
/// | `{dir}` | the folder for the data, empty at first, kept over a restart |
/// | `{name}` | a name that no other running server has |
/// | `{pid}` | the process id (expected words only) |
///
/// Defaults: no arguments; ready once the port accepts a connection; 10 seconds to be ready.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use contexter_testkit::Builder;
///
/// let web = Builder::new("python3", "python3", "http")
///     .args(["-m", "http.server", "{port}", "--bind", "127.0.0.1", "--directory", "{dir}"])
///     .ready(b"GET / HTTP/1.0\r\n\r\n", ["200 OK"])
///     .ready_within(Duration::from_secs(20));
/// assert_eq!(web.program(), "python3");
/// ```
#[derive(Clone, Debug)]
pub struct Builder {
    pub(crate) program: String,
    pub(crate) package: String,
    pub(crate) scheme: String,
    pub(crate) args: Vec<String>,
    pub(crate) files: Vec<(String, String)>,
    pub(crate) greeting: Vec<u8>,
    pub(crate) expected: Vec<String>,
    pub(crate) limit: Duration,
}

impl Builder {
    /// Describes the server `program` of the Debian package `package`, addressed as `scheme://…`.
    #[must_use]
    pub fn new(program: &str, package: &str, scheme: &str) -> Self {
        Self {
            program: program.to_owned(),
            package: package.to_owned(),
            scheme: scheme.to_owned(),
            args: Vec::new(),
            files: Vec::new(),
            greeting: Vec::new(),
            expected: Vec::new(),
            limit: READY_WITHIN,
        }
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<I>(mut self, args: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Writes a file of this name into the data folder before each start. The placeholders stand in
    /// its content too.
    #[must_use]
    pub fn file(mut self, name: &str, content: &str) -> Self {
        self.files.push((name.to_owned(), content.to_owned()));
        self
    }

    /// Takes the server for ready once its answer to `greeting` holds all `expected` words.
    ///
    /// Words that hold `{name}` or `{pid}` make sure that it is this server that answers, and not
    /// one that took the port first.
    #[must_use]
    pub fn ready<I>(mut self, greeting: &[u8], expected: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        self.greeting = greeting.to_vec();
        self.expected = expected.into_iter().map(Into::into).collect();
        self
    }

    /// Sets how long the server may take to be ready.
    #[must_use]
    pub fn ready_within(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Returns the name of the program.
    #[must_use]
    pub fn program(&self) -> &str {
        &self.program
    }

    /// Starts the server on a free port with an empty data folder, and waits until it is ready.
    ///
    /// Blocks the thread; a server takes some tens of milliseconds.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] with the line that installs the program, [`Error::Ended`] and
    /// [`Error::NotReady`] with the end of the server's log.
    pub fn start(&self) -> Result<Server, Error> {
        Server::start(self.clone())
    }
}
