//! Runs the scenarios over one transport.

use std::any::Any;
use std::fmt;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use contexter_event_bus::{Capabilities, Capability, TransportError};
use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, StreamExt as _, stream};
use tokio::time::{Instant, timeout};

use super::fixture::{Ability, Fixture, Settings};
use super::scenarios;
use super::stage::{Stage, broken};
use crate::verdict::Checked;
use crate::{Report, Rule, Verdict};

/// How long one scenario may take, however it moves, before it has failed.
const LONGEST: Duration = Duration::from_mins(8);

/// How many scenarios run at the same time: most of them wait most of the time.
const AT_ONCE: usize = 4;

/// How often each scenario runs at the same time under stress.
const STRESS: usize = 10;

type Make =
    dyn Fn(Settings) -> BoxFuture<'static, Result<Box<dyn Fixture>, TransportError>> + Send + Sync;

/// What a scenario needs to be asked at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    Can(Capability),
    Fixture(Ability),
    /// A limit to the size of an event.
    PayloadLimit,
}

impl Need {
    fn is_met(self, can: &Capabilities, fixture: &dyn Fixture) -> bool {
        match self {
            Self::Can(capability) => can.has(capability),
            Self::Fixture(ability) => fixture.abilities().contains(&ability),
            Self::PayloadLimit => can.max_payload().is_some(),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Can(capability) => capability.as_str(),
            Self::Fixture(ability) => ability.as_str(),
            Self::PayloadLimit => "max_payload",
        }
    }
}

/// A rule and how to ask for it.
pub(crate) struct Scenario {
    pub(crate) rule: Rule,
    pub(crate) needs: &'static [Need],
    pub(crate) settings: fn() -> Settings,
    /// It keeps the machine so busy that no other one may run meanwhile.
    pub(crate) alone: bool,
    pub(crate) run: fn(Stage) -> BoxFuture<'static, Checked>,
}

/// The scenarios over one transport.
///
/// Each scenario has a [`Fixture`] of its own, which the suite makes by the function it was given.
pub struct Suite {
    name: String,
    make: Arc<Make>,
    at_once: usize,
    stress: usize,
    scenarios: Vec<Scenario>,
}

impl fmt::Debug for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Suite")
            .field("name", &self.name)
            .field("scenarios", &self.scenarios.len())
            .finish_non_exhaustive()
    }
}

/// What the suite found about one transport.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Findings {
    /// The verdict on each rule.
    pub report: Report,
    /// What the transport says that it can do; none if no fixture could be made.
    pub capabilities: Option<Capabilities>,
    /// What its fixture can do.
    pub abilities: Vec<Ability>,
    left_out: Vec<(Rule, Vec<&'static str>)>,
}

impl Suite {
    /// All scenarios over the transport of this name, whose fixtures `make` makes.
    #[must_use]
    pub fn new<F, Fut>(name: impl Into<String>, make: F) -> Self
    where
        F: Fn(Settings) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Box<dyn Fixture>, TransportError>> + Send + 'static,
    {
        Self {
            name: name.into(),
            make: Arc::new(move |settings| make(settings).boxed()),
            at_once: AT_ONCE,
            stress: STRESS,
            scenarios: scenarios::all(),
        }
    }

    /// Sets how many scenarios run at the same time. Default 4. Stress runs alone, after the others.
    #[must_use]
    pub fn at_once(mut self, scenarios: usize) -> Self {
        self.at_once = scenarios.max(1);
        self
    }

    /// Sets how often each scenario runs at the same time under stress (W17). Default 10.
    #[must_use]
    pub fn stress(mut self, times: usize) -> Self {
        self.stress = times.max(1);
        self
    }

    /// Returns the name of the transport.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns every rule, in the order of the table.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.scenarios.iter().map(|scenario| &scenario.rule)
    }

    /// Runs all scenarios. It must be called on a Tokio runtime.
    pub async fn run(&self) -> Findings {
        self.run_where(|_rule| true).await
    }

    /// Runs the scenarios that `wanted` picks.
    pub async fn run_where(&self, wanted: impl Fn(&Rule) -> bool) -> Findings {
        self.run_telling(wanted, |_rule, _verdict, _took| {}).await
    }

    /// Runs the scenarios that `wanted` picks, and tells each verdict and how long it took as soon
    /// as it is there.
    pub(crate) async fn run_telling(
        &self,
        wanted: impl Fn(&Rule) -> bool,
        tell: impl Fn(&Rule, &Verdict, Duration),
    ) -> Findings {
        let (capabilities, abilities) = self.look().await;
        let chosen = self.scenarios.iter().filter(|one| wanted(&one.rule));
        let (alone, others): (Vec<_>, Vec<_>) =
            chosen.enumerate().partition(|(_, scenario)| scenario.alone);
        let tell = &tell;
        let mut verdicts = Vec::new();
        for (some, at_once) in [(others, self.at_once), (alone, 1)] {
            let running = stream::iter(some).map(|(place, scenario)| async move {
                let begun = Instant::now();
                let verdict = self.verdict(scenario).await;
                tell(&scenario.rule, &verdict.0, begun.elapsed());
                (place, scenario, verdict)
            });
            let some: Vec<_> = running.buffer_unordered(at_once).collect().await;
            verdicts.extend(some);
        }
        verdicts.sort_by_key(|(place, ..)| *place);
        let mut report = Report::default();
        let mut left_out = Vec::new();
        for (_, scenario, (verdict, missing)) in verdicts {
            report.add(scenario.rule, self.name.as_str(), verdict);
            if !missing.is_empty() {
                left_out.push((scenario.rule, missing));
            }
        }
        Findings {
            report,
            capabilities,
            abilities,
            left_out,
        }
    }

    async fn look(&self) -> (Option<Capabilities>, Vec<Ability>) {
        let Ok(fixture) = (self.make)(Settings::default()).await else {
            return (None, Vec::new());
        };
        let fixture: Arc<dyn Fixture> = Arc::from(fixture);
        let abilities = fixture.abilities().to_vec();
        let stage = Stage::new(fixture, Settings::default(), self.stress).await;
        let can = match stage {
            Ok(stage) => stage.bus().await.ok().map(|bus| bus.capabilities()),
            Err(_unreachable) => None,
        };
        (can, abilities)
    }

    async fn verdict(&self, scenario: &Scenario) -> (Verdict, Vec<&'static str>) {
        let settings = (scenario.settings)();
        let (make, run, needs) = (Arc::clone(&self.make), scenario.run, scenario.needs);
        let stress = self.stress;
        // A task of its own, so that a panic is a verdict, too.
        let task = tokio::spawn(async move {
            let fixture = match make(settings.clone()).await {
                Ok(fixture) => Arc::<dyn Fixture>::from(fixture),
                Err(error) => return (broken(error), Vec::new()),
            };
            let stage = match Stage::new(Arc::clone(&fixture), settings, stress).await {
                Ok(stage) => stage,
                Err(verdict) => return (verdict, Vec::new()),
            };
            let can = match stage.bus().await {
                Ok(bus) => bus.capabilities(),
                Err(verdict) => return (verdict, Vec::new()),
            };
            let unmet = needs.iter().filter(|need| !need.is_met(&can, &*fixture));
            let missing: Vec<_> = unmet.map(|need| need.name()).collect();
            if !missing.is_empty() {
                let reason = format!("needs {}", missing.join(", "));
                return (Verdict::NotApplicable(reason), missing);
            }
            let verdict = match timeout(LONGEST, run(stage)).await {
                Ok(Ok(())) => Verdict::Pass,
                Ok(Err(verdict)) => verdict,
                Err(_late) => Verdict::Fail(format!("it did not end within {LONGEST:?}")),
            };
            (verdict, Vec::new())
        });
        task.await.unwrap_or_else(|panic| {
            let text = panic_text(&*panic.into_panic());
            (Verdict::Fail(format!("it panicked: {text}")), Vec::new())
        })
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("no message").to_owned()
}

impl Findings {
    /// Returns the codes of the broken rules: `"W4"`, `"A11"`.
    #[must_use]
    pub fn failures(&self) -> Vec<String> {
        let failed = self.report.entries().iter().filter(|e| e.verdict.is_fail());
        let mut codes: Vec<_> = failed.map(|entry| code(&entry.rule)).collect();
        codes.dedup();
        codes
    }

    /// Returns the table of capabilities in Markdown: what the transport says of itself, and which
    /// scenarios were left out because it, or its fixture, cannot do something.
    ///
    /// Every scenario that was left out is in it, so that a missing capability cannot hide a defect.
    #[must_use]
    pub fn capability_table(&self) -> String {
        let mut out =
            String::from("| capability | answer | left out without it |\n|---|---|---|\n");
        let Some(can) = &self.capabilities else {
            return "no fixture could be made\n".to_owned();
        };
        let mut row = |name: &str, answer: &str| {
            let without = self
                .left_out
                .iter()
                .filter(|(_, missing)| missing.contains(&name));
            let without = counted(without.map(|(rule, _)| code(rule)));
            let _ = writeln!(out, "| {name} | {answer} | {without} |");
        };
        let word = |yes| if yes { "yes" } else { "no" };
        for capability in Capability::ALL {
            row(capability.as_str(), word(can.has(capability)));
        }
        match can.max_payload() {
            Some(bytes) => row("max_payload", &format!("{bytes} bytes")),
            None => row("max_payload", "no limit"),
        }
        for ability in Ability::ALL {
            row(ability.as_str(), word(self.abilities.contains(&ability)));
        }
        let others = self.report.entries().iter().filter(|entry| {
            let known = self.left_out.iter().any(|(rule, _)| *rule == entry.rule);
            matches!(entry.verdict, Verdict::NotApplicable(_)) && !known
        });
        for entry in others {
            let reason = entry.verdict.note().unwrap_or_default();
            let _ = writeln!(out, "| {reason} | | {} |", code(&entry.rule));
        }
        out
    }

    /// Returns the verdicts in Markdown, a table for each family of rules.
    #[must_use]
    pub fn to_markdown(&self) -> String {
        let mut out = String::new();
        for (family, title) in scenarios::FAMILIES {
            let of_family = self.report.only(|rule| rule.mechanism == *family);
            if !of_family.entries().is_empty() {
                let _ = write!(out, "{title}\n\n{}\n", of_family.to_markdown());
            }
        }
        out
    }
}

/// Names each code once, with how many scenarios it has there: `W6, A5 (4)`.
fn counted(codes: impl Iterator<Item = String>) -> String {
    let mut each: Vec<(String, usize)> = Vec::new();
    for code in codes {
        match each.iter_mut().find(|(known, _)| *known == code) {
            Some((_, many)) => *many += 1,
            None => each.push((code, 1)),
        }
    }
    let texts = each.into_iter().map(|(code, many)| match many {
        1 => code,
        many => format!("{code} ({many})"),
    });
    texts.collect::<Vec<_>>().join(", ")
}

/// The short name of a rule: `W4`.
pub(crate) fn code(rule: &Rule) -> String {
    format!("{}{}", rule.mechanism, rule.number)
}
