//! What is done with dead letters.

use std::io::Write as _;

use anyhow::{Context as _, Result, bail};
use contexter_event_bus::transport::TransportErrorKind;
use contexter_event_bus::{
    Bus, DeadLetter, DeadLetterId, DeadLetterQuery, RedriveError, TransportError,
};

use crate::show::{full, line};
use crate::text;

/// How many letters are read at once.
const PAGE: usize = 500;

/// Lists letters.
pub(crate) async fn list(bus: &Bus, group: Option<&str>, limit: u32, json: bool) -> Result<()> {
    let mut left = usize::try_from(limit)?;
    let mut pages = Pages::new(group);
    let mut out = std::io::stdout();
    while left > 0 {
        let letters = pages.next(bus, left).await?;
        if letters.is_empty() {
            break;
        }
        for letter in &letters {
            if json {
                writeln!(out, "{}", text::json(&serde_json::to_string(letter)?))?;
            } else {
                writeln!(out, "{}", line(letter))?;
            }
        }
        left -= letters.len().min(left);
    }
    Ok(())
}

/// Shows one letter.
pub(crate) async fn show(bus: &Bus, id: &str, json: bool) -> Result<()> {
    let query = DeadLetterQuery::one(DeadLetterId::new(id));
    let letters = bus.find_dead_letters(&query).await?;
    let letter = letters
        .first()
        .with_context(|| format!("no dead letter {id:?}"))?;
    let text = if json {
        text::json(&serde_json::to_string_pretty(letter)?)
    } else {
        full(letter)
    };
    writeln!(std::io::stdout(), "{text}")?;
    Ok(())
}

/// Gives letters to their groups again; all of a group, or all, if no ids are given.
pub(crate) async fn redrive(bus: &Bus, ids: &[String], group: Option<&str>) -> Result<()> {
    let mut failed = 0;
    let mut out = std::io::stdout();
    for id in wanted(bus, ids, group).await? {
        match bus.redrive(&id).await {
            Ok(()) => writeln!(out, "redriven {id}")?,
            Err(RedriveError::Transport(error)) if !is_of_one(&error) => {
                return Err(error).with_context(|| format!("cannot redrive {id}"));
            }
            Err(error) => {
                failed += 1;
                let error = anyhow::Error::from(error);
                let line = format!("not redriven {id}: {error:#}");
                writeln!(out, "{}", text::one_line(&line))?;
            }
        }
    }
    if failed > 0 {
        bail!("{failed} dead letters were not redriven");
    }
    Ok(())
}

/// Whether it is the letter that cannot be sent, which does not keep the others.
fn is_of_one(error: &TransportError) -> bool {
    matches!(
        error.kind(),
        TransportErrorKind::Refused | TransportErrorKind::TooLarge
    )
}

/// Forgets letters; all of a group, or all, if no ids are given.
pub(crate) async fn purge(bus: &Bus, ids: &[String], group: Option<&str>) -> Result<()> {
    let mut out = std::io::stdout();
    if ids.is_empty() && group.is_none() {
        let many = bus.purge_all().await.context("cannot purge")?;
        writeln!(out, "purged {many} dead letters")?;
        return Ok(());
    }
    let mut missing = 0;
    for id in wanted(bus, ids, group).await? {
        let purged = bus.purge(&id).await;
        if purged.with_context(|| format!("cannot purge {id}"))? {
            writeln!(out, "purged {id}")?;
        } else {
            missing += 1;
            writeln!(out, "not purged {id}: no dead letter {id}")?;
        }
    }
    if missing > 0 {
        bail!("{missing} dead letters were not there");
    }
    Ok(())
}

/// The letters of these ids, or those that are there now: what fails again meanwhile is a new
/// letter, and left alone.
async fn wanted(bus: &Bus, ids: &[String], group: Option<&str>) -> Result<Vec<DeadLetterId>> {
    if !ids.is_empty() {
        return Ok(ids
            .iter()
            .map(|id| DeadLetterId::new(id.as_str()))
            .collect());
    }
    let mut all = Vec::new();
    let mut pages = Pages::new(group);
    loop {
        let letters = pages.next(bus, PAGE).await?;
        if letters.is_empty() {
            return Ok(all);
        }
        all.extend(letters.into_iter().map(|letter| letter.id));
    }
}

/// Goes through the letters page by page.
struct Pages {
    query: DeadLetterQuery,
}

impl Pages {
    fn new(group: Option<&str>) -> Self {
        let query = DeadLetterQuery::all();
        Self {
            query: match group {
                Some(group) => query.of_group(group),
                None => query,
            },
        }
    }

    async fn next(&mut self, bus: &Bus, most: usize) -> Result<Vec<DeadLetter>> {
        self.query.limit = most.min(PAGE);
        let letters = bus.find_dead_letters(&self.query).await;
        let letters = letters.context("cannot read the dead letters")?;
        if let Some(last) = letters.last() {
            self.query = self.query.clone().after(last.id.clone());
        }
        Ok(letters)
    }
}
