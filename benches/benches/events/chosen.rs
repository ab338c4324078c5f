//! What of the table is measured: the arguments say it.

/// The rows and the sides of a run; all of them unless an argument says otherwise.
#[derive(Debug, Default)]
pub(crate) struct Chosen {
    rows: Vec<String>,
    side: Option<Only>,
}

/// A side that runs alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Only {
    Ours,
    Peer,
}

impl Chosen {
    /// Reads the arguments of the program. Options are cargo's.
    pub(crate) fn from_args() -> Self {
        let mut chosen = Self::default();
        for word in std::env::args()
            .skip(1)
            .filter(|word| !word.starts_with('-'))
        {
            match &*word {
                "ours" => chosen.side = Some(Only::Ours),
                "peer" => chosen.side = Some(Only::Peer),
                _ => chosen.rows.push(word),
            }
        }
        chosen
    }

    /// Returns whether a row is measured.
    pub(crate) fn has(&self, row: &str) -> bool {
        self.rows.is_empty() || self.rows.iter().any(|chosen| row.starts_with(&**chosen))
    }

    /// Returns the side that runs alone; none if both run.
    pub(crate) fn side(&self) -> Option<Only> {
        self.side
    }
}
