//! Runs a server under a small shell that outlives the test's process just long enough to kill it.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use crate::wait;

/// The supervisor: `sh -c SCRIPT sh FOLDER PROGRAM ARGS…`.
///
/// Its standard input is a pipe whose other end the test's process holds and never writes to. The
/// kernel closes that end however the process dies, `SIGKILL` included; the watcher then reads the
/// end of file, kills the server and removes the folder. When the server ends first, the
/// supervisor ends with its status and leaves the folder, so that a restart finds the data.
const SCRIPT: &str = r#"
exec 3<&0 </dev/null
folder=$1
shift
"$@" >>"$folder/log" 2>&1 3<&- &
server=$!
{
    read -r _ <&3
    trap '' TERM
    kill -KILL "$server" 2>/dev/null
    while kill -0 "$server" 2>/dev/null; do sleep 0.02; done
    rm -rf -- "$folder"
} >/dev/null 2>&1 &
watcher=$!
echo "$server"
exec >/dev/null 2>&1
wait "$server"
status=$?
kill -TERM "$watcher"
exit "$status"
"#;

/// A server under its supervisor.
#[derive(Debug)]
pub(crate) struct Supervised {
    shell: Child,
    pid: u32,
}

impl Supervised {
    /// Starts the program; its output goes to `folder/log`.
    pub(crate) fn start(folder: &Path, program: &Path, args: &[String]) -> io::Result<Self> {
        let mut shell = Command::new("sh")
            .args(["-c", SCRIPT, "sh"])
            .arg(folder)
            .arg(program)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(
                File::options()
                    .create(true)
                    .append(true)
                    .open(folder.join("log"))?,
            )
            .spawn()?;
        let mut line = String::new();
        if let Some(stdout) = shell.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        match line.trim().parse() {
            Ok(pid) => Ok(Self { shell, pid }),
            Err(_no_number) => {
                shell.kill()?;
                shell.wait()?;
                Err(io::Error::other(format!(
                    "the supervisor answered {line:?} instead of a pid"
                )))
            }
        }
    }

    /// Returns the server's process id.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Returns how the server ended, `None` while it runs.
    pub(crate) fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.shell.try_wait()
    }

    /// Sends the server a signal by its name without `SIG`.
    pub(crate) fn signal(&self, name: &str) -> io::Result<()> {
        // The shell's own `kill`: the program of that name is not on every machine.
        let status = Command::new("sh")
            .args([
                "-c",
                r#"kill -s "$1" "$2""#,
                "sh",
                name,
                &self.pid.to_string(),
            ])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .status()?;
        if status.success() {
            Ok(())
        } else {
            Err(io::Error::other(format!(
                "no process {} to send SIG{name} to",
                self.pid
            )))
        }
    }

    /// Waits until the server has ended; `false` when it has not within `limit`.
    pub(crate) fn wait(&mut self, limit: Duration) -> io::Result<bool> {
        // Not `Child::wait`, which closes the pipe and so has the folder removed.
        Ok(wait::until(limit, || self.ended())?.is_some())
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        // Closing the pipe is the order to kill; waiting then leaves no zombie behind.
        drop(self.shell.stdin.take());
        let _already_gone = self.shell.wait();
    }
}
