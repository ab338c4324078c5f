//! What happens, and when.

use std::time::Duration;

use anyhow::Result;
use contexter_testkit::{Forwarder, Server};
use tokio::task::block_in_place;
use tokio::time::sleep;

use crate::broker::LEASE;
use crate::pace::Pace;
use crate::pool::Pool;

/// How long the broker is stopped: for longer than any lease.
const STOPPED: Duration = LEASE.saturating_mul(2);
/// How long the broker is down, where it is not started again at once.
const DOWN: Duration = Duration::from_millis(700);

/// Something that goes wrong.
#[derive(Clone, Copy, Debug)]
enum Fault {
    /// Both publishers' connections are reset when the broker has got so many bytes more.
    ResetPublishers(usize),
    /// The connections of the consumer of `ordered` and of the plain one are reset.
    ResetConsumers,
    /// The broker is killed, and started again on the same data after some time.
    Kill(Duration),
    /// The broker is stopped for longer than the lease, and goes on.
    Stop,
    /// The processes of the pool are replaced one after the other.
    Roll,
    /// The same, while the broker is killed and started again.
    RollAndKill,
    /// A process of the pool is killed.
    KillMember,
}

/// When: at so many thousandths of all events confirmed by both publishers. The bytes are odd, so
/// that they end within a command.
const SCHEDULE: [(u64, Fault); 17] = [
    (50, Fault::ResetPublishers(3_001)),
    (100, Fault::ResetPublishers(20_011)),
    (150, Fault::ResetConsumers),
    (200, Fault::Kill(Duration::ZERO)),
    (250, Fault::ResetPublishers(7_777)),
    (300, Fault::Stop),
    (350, Fault::Roll),
    (400, Fault::ResetPublishers(1_313)),
    (500, Fault::ResetConsumers),
    (550, Fault::Kill(DOWN)),
    (600, Fault::ResetPublishers(12_345)),
    (650, Fault::KillMember),
    (700, Fault::Stop),
    (750, Fault::ResetPublishers(5_151)),
    (800, Fault::RollAndKill),
    (850, Fault::ResetConsumers),
    (900, Fault::Kill(Duration::ZERO)),
];

/// The event whose handler kills its process in the pool.
pub(crate) fn poison(events: u64) -> u64 {
    events * 45 / 100
}

/// What has happened.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Happened {
    pub(crate) kills: u64,
    pub(crate) stops: u64,
    pub(crate) rolls: u64,
}

/// Everything that can be broken.
pub(crate) struct Stage<'a> {
    pub(crate) server: &'a mut Server,
    pub(crate) publisher: &'a Forwarder,
    pub(crate) control: &'a Forwarder,
    pub(crate) consumer: &'a Forwarder,
    pub(crate) pool: &'a Pool,
}

impl Stage<'_> {
    /// Breaks one after the other, each at its time.
    pub(crate) async fn conduct(mut self, events: u64, pace: &Pace) -> Result<Happened> {
        let mut happened = Happened::default();
        for (thousandths, fault) in SCHEDULE {
            pace.reached(events * thousandths / 1_000).await;
            tracing::info!(?fault, "now");
            match fault {
                Fault::ResetPublishers(bytes) => {
                    self.publisher.reset_after(bytes);
                    self.control.reset_after(bytes);
                }
                Fault::ResetConsumers => self.consumer.reset(),
                Fault::Kill(down) => {
                    self.kill(down).await?;
                    happened.kills += 1;
                }
                Fault::Stop => {
                    self.server.pause()?;
                    sleep(STOPPED).await;
                    self.server.resume()?;
                    happened.stops += 1;
                }
                Fault::Roll => {
                    self.pool.roll().await?;
                    happened.rolls += 1;
                }
                Fault::RollAndKill => {
                    let pool = self.pool;
                    let (rolled, killed) = tokio::join!(pool.roll(), self.kill(DOWN));
                    rolled.and(killed)?;
                    happened.rolls += 1;
                    happened.kills += 1;
                }
                Fault::KillMember => self.pool.kill_one().await?,
            }
        }
        Ok(happened)
    }

    async fn kill(&mut self, down: Duration) -> Result<()> {
        block_in_place(|| self.server.kill())?;
        sleep(down).await;
        block_in_place(|| self.server.restart())?;
        Ok(())
    }
}
