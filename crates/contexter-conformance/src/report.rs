//! The table of what was found.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::Verdict;

/// One rule of the suite, as data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct Rule {
    /// The scenario's number. Several mechanisms may have a rule under one number.
    pub number: u8,
    /// Which mechanism it is asked of, such as `"breaker"`.
    pub mechanism: &'static str,
    /// What must hold, in one line.
    pub text: &'static str,
}

impl Rule {
    /// Creates the rule `number` of a mechanism.
    #[must_use]
    pub const fn new(number: u8, mechanism: &'static str, text: &'static str) -> Self {
        Self {
            number,
            mechanism,
            text,
        }
    }
}

/// What one rule's scenario found about one face.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// The rule.
    pub rule: Rule,
    /// The face, such as `"call"` or `"tower"`.
    pub face: String,
    /// What was found.
    pub verdict: Verdict,
}

/// Everything that was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    entries: Vec<Entry>,
}

impl Report {
    /// Adds what one scenario found.
    pub fn add(&mut self, rule: Rule, face: impl Into<String>, verdict: Verdict) {
        self.entries.push(Entry {
            rule,
            face: face.into(),
            verdict,
        });
    }

    /// Returns all that was found, in the order in which the scenarios ran.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Returns what was found about some of the rules.
    #[must_use]
    pub fn only(&self, wanted: impl Fn(&Rule) -> bool) -> Self {
        let entries = self.entries.iter().filter(|entry| wanted(&entry.rule));
        Self {
            entries: entries.cloned().collect(),
        }
    }

    /// Returns the numbers of the broken rules, each once, in order.
    #[must_use]
    pub fn failures(&self) -> Vec<u8> {
        let mut numbers: Vec<_> = self
            .entries
            .iter()
            .filter(|entry| entry.verdict.is_fail())
            .map(|entry| entry.rule.number)
            .collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    }

    /// Returns how many scenarios passed, failed, and did not apply.
    #[must_use]
    pub fn counts(&self) -> (usize, usize, usize) {
        self.entries
            .iter()
            .fold((0, 0, 0), |(pass, fail, other), entry| {
                match entry.verdict {
                    Verdict::Pass => (pass + 1, fail, other),
                    Verdict::Fail(_) => (pass, fail + 1, other),
                    Verdict::NotApplicable(_) => (pass, fail, other + 1),
                }
            })
    }

    /// Returns a Markdown table with one row for each rule and one column for each face, and below
    /// it every fault and every reason why a rule was not asked.
    ///
    /// A cell is `pass`, `FAIL`, `n/a`, or empty where the mechanism has no such face.
    #[must_use]
    pub fn to_markdown(&self) -> String {
        let mut faces: Vec<&str> = Vec::new();
        let mut rows: BTreeMap<Rule, BTreeMap<&str, &Verdict>> = BTreeMap::new();
        for entry in &self.entries {
            if !faces.contains(&entry.face.as_str()) {
                faces.push(&entry.face);
            }
            let row = rows.entry(entry.rule).or_default();
            row.insert(&entry.face, &entry.verdict);
        }
        let mut notes = Notes::default();
        let mut out = format!(
            "| scenario | mechanism | rule | {} |\n|--:|---|---|{}\n",
            faces.join(" | "),
            "---|".repeat(faces.len())
        );
        for (rule, row) in &rows {
            let cells = faces.iter().map(|face| {
                row.get(face)
                    .map_or_else(String::new, |verdict| notes.cell(verdict))
            });
            let cells: Vec<_> = cells.collect();
            let _ = writeln!(
                out,
                "| {} | {} | {} | {} |",
                rule.number,
                rule.mechanism,
                rule.text,
                cells.join(" | ")
            );
        }
        if !notes.texts.is_empty() {
            out.push('\n');
        }
        for (index, text) in notes.texts.iter().enumerate() {
            let _ = writeln!(out, "{}. {text}", index + 1);
        }
        out
    }
}

/// The texts below the table, each once.
#[derive(Default)]
struct Notes {
    texts: Vec<String>,
}

impl Notes {
    fn cell(&mut self, verdict: &Verdict) -> String {
        let word = verdict.as_str();
        let Some(note) = verdict.note() else {
            return word.to_owned();
        };
        let known = self.texts.iter().position(|text| text == note);
        let index = known.unwrap_or_else(|| {
            self.texts.push(note.to_owned());
            self.texts.len() - 1
        });
        format!("{word} ({})", index + 1)
    }
}
