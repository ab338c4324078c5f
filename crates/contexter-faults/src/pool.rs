//! Two processes that share a group, and who looks after them.

use std::env;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, Result, bail, ensure};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::broker::PATIENCE;
use crate::child::{Args, READY};

/// How many there are.
const MEMBERS: usize = 2;

/// The processes of the group `pool`. One that dies is replaced.
#[derive(Debug)]
pub(crate) struct Pool {
    members: Vec<(mpsc::Sender<Order>, JoinHandle<Result<()>>)>,
    deaths: Arc<AtomicU64>,
}

#[derive(Debug)]
enum Order {
    /// Start a new process, and stop the old one when the new one is there.
    Replace(oneshot::Sender<()>),
    Kill,
}

impl Pool {
    /// Starts the processes; they are ready when this returns.
    pub(crate) async fn start(args: &Args) -> Result<Self> {
        let deaths = Arc::new(AtomicU64::new(0));
        let mut members = Vec::new();
        for _ in 0..MEMBERS {
            let (orders, heard) = mpsc::channel(1);
            let process = Process::start(args).await?;
            let task = look_after(process, args.clone(), heard, Arc::clone(&deaths));
            members.push((orders, tokio::spawn(task)));
        }
        Ok(Self { members, deaths })
    }

    /// Replaces one process after the other while they work.
    pub(crate) async fn roll(&self) -> Result<()> {
        for (orders, _) in &self.members {
            let (done, replaced) = oneshot::channel();
            orders.send(Order::Replace(done)).await?;
            timeout(PATIENCE, replaced)
                .await
                .context("a process was not replaced in time")??;
        }
        Ok(())
    }

    /// Kills one process, as a machine that loses its power would.
    pub(crate) async fn kill_one(&self) -> Result<()> {
        let (orders, _) = self.members.first().context("no process to kill")?;
        orders.send(Order::Kill).await?;
        Ok(())
    }

    /// How many processes have died without having been told to stop.
    pub(crate) fn deaths(&self) -> u64 {
        self.deaths.load(Ordering::Acquire)
    }

    /// Stops all of them in good order.
    pub(crate) async fn stop(self) -> Result<()> {
        for (orders, task) in self.members {
            drop(orders);
            task.await??;
        }
        Ok(())
    }
}

async fn look_after(
    mut process: Process,
    args: Args,
    mut orders: mpsc::Receiver<Order>,
    deaths: Arc<AtomicU64>,
) -> Result<()> {
    loop {
        tokio::select! {
            died = process.child.wait() => {
                died?;
                deaths.fetch_add(1, Ordering::AcqRel);
                process = Process::start(&args).await?;
            }
            order = orders.recv() => match order {
                Some(Order::Replace(done)) => {
                    let next = Process::start(&args).await?;
                    std::mem::replace(&mut process, next).stop().await?;
                    // Whoever asked may have given up.
                    let _unheard = done.send(());
                }
                Some(Order::Kill) => process.child.start_kill()?,
                None => return process.stop().await,
            },
        }
    }
}

/// A process that is subscribed.
#[derive(Debug)]
struct Process {
    child: Child,
    /// Its end is the word to stop. Kept apart from the child, which would close it to be waited for.
    stdin: ChildStdin,
}

impl Process {
    /// Starts processes until one is subscribed: the event that kills may be faster than the word.
    async fn start(args: &Args) -> Result<Self> {
        let attempts = async {
            loop {
                if let Some(process) = Self::attempt(args).await? {
                    return Ok(process);
                }
            }
        };
        timeout(PATIENCE, attempts)
            .await
            .context("no process of the pool was ready in time")?
    }

    async fn attempt(args: &Args) -> Result<Option<Self>> {
        let program = env::current_exe().context("cannot find this program")?;
        let kind = args.kind.name();
        let mut child = Command::new(program)
            .args(["consume", "--kind", kind])
            .args(["--address", &args.address.to_string()])
            .args(["--database", &args.database.to_string()])
            .args(["--poison", &args.poison.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("cannot start a process of the pool")?;
        let stdin = child.stdin.take().context("a process without input")?;
        let stdout = child.stdout.take().context("a process without output")?;
        let mut lines = BufReader::new(stdout).lines();
        match lines.next_line().await? {
            Some(line) if line == READY => Ok(Some(Self { child, stdin })),
            Some(line) => bail!("a process of the pool says {line:?}"),
            None => {
                let status = child.wait().await?;
                // An error of its own ends it with a code; only a signal is what this is about.
                ensure!(
                    status.code().is_none(),
                    "a process of the pool failed: {status}"
                );
                Ok(None)
            }
        }
    }

    /// Tells the process to stop, and waits until it has.
    async fn stop(mut self) -> Result<()> {
        drop(self.stdin);
        let status = timeout(PATIENCE, self.child.wait())
            .await
            .context("a process of the pool does not stop")??;
        // One that an event has killed while it was to stop is gone, too.
        ensure!(
            status.success() || status.code().is_none(),
            "a process of the pool failed: {status}"
        );
        Ok(())
    }
}
