//! The same over HTTP, against a local server of the vendor's protocol, in real time.

use std::error::Error;
use std::time::Duration;

use contexter_adapter::ServiceAdapter as _;
use contexter_benches::{Row, text};
use contexter_model::{Embed, Purpose};
use contexter_sandbox::{Sandbox, SandboxConfig};
use contexter_service::{Clock as _, DefaultClock, Service as _};
use contexter_voyage::{Config, VoyageAdapter};

use crate::vendor::TOKENS;
use crate::{GOAL_429, GOAL_USE, quota};

/// The texts that are embedded again and again.
const TEXTS: usize = 20_000;
/// The texts of one call: a few seconds of the quota, so that the run ends near its time.
const PER_CALL: usize = 1_000;
/// Calls at once: the next is packed while the last parts of the one before are under way.
const CALLERS: usize = 2;

/// Embeds for so long.
pub(crate) fn run(seconds: u64) -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let sandbox = Sandbox::start(SandboxConfig::new()).await?;
        let config = Config::new(sandbox.voyage().api_key())
            .with_base_url(sandbox.addresses().voyage_base_url.clone())
            .with_model("voyage-4-large")
            .with_output_dimension(256);
        let voyage = VoyageAdapter::new(config)?;
        let embed = voyage.capabilities().handle::<Embed>().ok_or("it embeds")?;
        let texts = quota::texts(TEXTS);
        let started = DefaultClock.now();
        let end = started + Duration::from_secs(seconds);
        let caller = async || {
            for page in texts.chunks(PER_CALL).cycle() {
                if DefaultClock.now() >= end {
                    break;
                }
                let request = Embed {
                    texts: page.to_vec(),
                    purpose: Purpose::Document,
                };
                embed.call(request).await?;
            }
            Ok::<(), contexter_model::Error>(())
        };
        let callers = (0..CALLERS).map(|_| caller());
        futures_util::future::try_join_all(callers).await?;
        let took = DefaultClock.now() - started;
        let server = sandbox.voyage();
        let used = share(server.tokens_billed(), took);
        let refused = ratio(server.throttled(), server.requests());
        let name = format!("over HTTP for {seconds} s");
        Row::at_least(&format!("quota_use: {name}"), used, GOAL_USE, "share").print()?;
        let row = format!("quota_429: {name}");
        Row::cost(&row, refused, GOAL_429, "goal", "share").print()?;
        text::say(&format!(
            "over HTTP for {took:?}: {:.1} % of the tokens a minute, {} of {} requests refused by \
             429, {} refused in all; the adapter counted {:?}",
            used * 100.0,
            server.throttled(),
            server.requests(),
            server.refused(),
            voyage.usage(),
        ));
        sandbox.shutdown().await;
        Ok(())
    })
}

#[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52 requests")]
fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole.max(1) as f64
}

#[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52 tokens")]
fn share(tokens: u64, took: Duration) -> f64 {
    tokens as f64 / (TOKENS as f64 * took.as_secs_f64() / 60.0)
}
