//! What came of a run.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use crate::conductor::Happened;
use crate::database::Table;

/// What one kind of consumer got.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) who: &'static str,
    pub(crate) arrived: u64,
    pub(crate) duplicates: u64,
    /// Numbers with more than one effect; not known where nothing removes duplicates.
    pub(crate) doubled: Option<u64>,
    pub(crate) lost: BTreeSet<u64>,
    /// Effects out of order; not known where nothing promises an order.
    pub(crate) out_of_order: Option<u64>,
}

impl Row {
    pub(crate) fn of_group(who: &'static str, table: &Table, lost: BTreeSet<u64>) -> Self {
        Self {
            who,
            arrived: table.arrived,
            duplicates: table.duplicates,
            doubled: Some(table.doubled()),
            lost,
            out_of_order: None,
        }
    }

    pub(crate) fn in_order(mut self, table: &Table) -> Self {
        self.out_of_order = Some(table.out_of_order);
        self
    }
}

/// What the broker has stored.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Stored {
    pub(crate) copies: u64,
    /// Copies of the event that kills: each is a dead letter of its own.
    pub(crate) poison: u64,
    /// First copies that came after that of a later event of the same key.
    pub(crate) out_of_order: u64,
}

/// What came of a run on one broker.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) version: String,
    pub(crate) events: u64,
    pub(crate) took: Duration,
    pub(crate) happened: Happened,
    /// Connections reset: of the publisher, of the control's publisher, of the consumer and that of
    /// the control.
    pub(crate) resets: [u64; 3],
    pub(crate) deaths: u64,
    pub(crate) redriven: u64,
    /// Dead letters of the event that kills, and of others that were never handled.
    pub(crate) letters: [u64; 2],
    pub(crate) stored: Stored,
    pub(crate) unconfirmed: u64,
    pub(crate) recognised: u64,
    pub(crate) rows: Vec<Row>,
    pub(crate) control: Row,
    pub(crate) control_unconfirmed: u64,
}

impl Report {
    /// Whether everything that the bus promises held, or broke at the broker.
    pub(crate) fn holds(&self) -> bool {
        let none = |number: Option<u64>| number.unwrap_or_default() == 0;
        let kept = |row: &Row| none(row.doubled) && none(row.out_of_order);
        let [poison, others] = self.letters;
        self.rows.iter().all(kept)
            && (1..=self.stored.poison).contains(&poison)
            && others == 0
            && self.lost().is_subset(&self.control.lost)
    }

    fn lost(&self) -> BTreeSet<u64> {
        self.rows
            .iter()
            .flat_map(|row| row.lost.iter().copied())
            .collect()
    }

    fn verdict(&self) -> String {
        let version = &self.version;
        let lost = self.lost();
        let too = self.control.lost.len();
        match (lost.len(), lost.difference(&self.control.lost).count()) {
            (0, _) if too == 0 => format!("{version}: of {} confirmed events 0 lost", self.events),
            (0, _) => format!("{version}: 0 lost by the bus, {too} by the plain client alone"),
            (lost, 0) => format!(
                "{version}: {lost} lost by the bus, all of them by the plain client too: the \
                 broker's loss"
            ),
            (lost, alone) => format!(
                "{version}: {lost} LOST BY THE BUS, {alone} of them not by the plain client"
            ),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [publisher, control, consumer] = self.resets;
        let [poison, others] = self.letters;
        let Happened {
            kills,
            stops,
            rolls,
        } = self.happened;
        writeln!(
            f,
            "{}: {} events in {:.0} s",
            self.version,
            self.events,
            self.took.as_secs_f64()
        )?;
        writeln!(
            f,
            "  broker killed {kills} times, stopped {stops} times for longer than the lease; \
             connections reset: publisher {publisher}, plain publisher {control}, consumers {consumer}"
        )?;
        writeln!(
            f,
            "  pool restarted {rolls} times while it worked, {} processes died in a handler or were \
             killed; dead letters of the event that kills, which is stored {} times: {poison}; of \
             others not handled: {others}, after {} were redriven",
            self.deaths, self.stored.poison, self.redriven
        )?;
        writeln!(
            f,
            "  published again because unconfirmed: bus {}, plain client {}; recognised by the \
             broker: {}; stored {} copies, {} out of order",
            self.unconfirmed,
            self.control_unconfirmed,
            self.recognised,
            self.stored.copies,
            self.stored.out_of_order
        )?;
        writeln!(
            f,
            "  {:<20}{:>10}{:>12}{:>10}{:>8}{:>14}",
            "", "arrived", "duplicates", "doubled", "lost", "out of order"
        )?;
        let optional = |number: Option<u64>| number.map_or("-".to_owned(), |n| n.to_string());
        for row in self.rows.iter().chain([&self.control]) {
            writeln!(
                f,
                "  {:<20}{:>10}{:>12}{:>10}{:>8}{:>14}",
                row.who,
                row.arrived,
                row.duplicates,
                optional(row.doubled),
                row.lost.len(),
                optional(row.out_of_order)
            )?;
        }
        write!(f, "  {}", self.verdict())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(lost: &[u64]) -> Row {
        Row {
            who: "x",
            arrived: 10,
            duplicates: 0,
            doubled: Some(0),
            lost: lost.iter().copied().collect(),
            out_of_order: Some(0),
        }
    }

    fn report(lost: &[u64], control: &[u64]) -> Report {
        Report {
            version: "broker 1".to_owned(),
            events: 10,
            took: Duration::from_secs(1),
            happened: Happened::default(),
            resets: [0; 3],
            deaths: 0,
            redriven: 0,
            letters: [1, 0],
            stored: Stored {
                copies: 11,
                poison: 2,
                out_of_order: 0,
            },
            unconfirmed: 0,
            recognised: 0,
            rows: vec![row(lost), row(&[])],
            control: row(control),
            control_unconfirmed: 0,
        }
    }

    #[test]
    fn what_both_lost_is_the_brokers_and_what_the_bus_alone_lost_is_ours() {
        assert!(report(&[], &[]).holds());
        assert!(report(&[], &[3]).holds());
        assert!(!report(&[2], &[]).holds());
        let both = report(&[2, 3], &[1, 2, 3]);
        assert!(both.holds());
        assert!(both.to_string().contains("broker 1: 2 lost by the bus"));
        assert!(both.to_string().contains("the broker's loss"));
        // One that the plain client lost excuses no other.
        let another = report(&[2, 3], &[3]);
        assert!(!another.holds());
        assert!(another.to_string().contains("2 LOST BY THE BUS, 1 of them"));
    }

    #[test]
    fn doubled_effects_disorder_and_wrong_dead_letters_are_faults() {
        let mut doubled = report(&[], &[]);
        doubled.rows[1].doubled = Some(1);
        assert!(!doubled.holds());
        let mut disorder = report(&[], &[]);
        disorder.rows[0].out_of_order = Some(1);
        assert!(!disorder.holds());
        for (letters, holds) in [
            ([0, 0], false),
            ([2, 0], true),
            ([3, 0], false),
            ([1, 1], false),
        ] {
            let mut lettered = report(&[], &[]);
            lettered.letters = letters;
            assert_eq!(lettered.holds(), holds, "{letters:?}");
        }
    }
}
