//! What is kept under ids that count up.

use std::collections::BTreeMap;

/// Values under ids that count up, such as `sandbox-1`; so many at most, and the oldest goes first.
#[derive(Debug)]
pub(super) struct Kept<T> {
    prefix: &'static str,
    most: usize,
    made: u64,
    by_number: BTreeMap<u64, T>,
}

impl<T> Kept<T> {
    pub(super) fn new(prefix: &'static str, most: usize) -> Self {
        Self {
            prefix,
            most,
            made: 0,
            by_number: BTreeMap::new(),
        }
    }

    /// Keeps one more and returns its id.
    pub(super) fn keep(&mut self, value: T) -> String {
        self.made += 1;
        if self.by_number.len() >= self.most {
            self.by_number.pop_first();
        }
        self.by_number.insert(self.made, value);
        self.id(self.made)
    }

    pub(super) fn get(&self, id: &str) -> Option<&T> {
        self.by_number.get(&self.number(id)?)
    }

    pub(super) fn get_mut(&mut self, id: &str) -> Option<&mut T> {
        let number = self.number(id)?;
        self.by_number.get_mut(&number)
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &T> {
        self.by_number.values()
    }

    /// Returns what is kept, the oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = (String, &T)> {
        self.by_number
            .iter()
            .map(|(number, value)| (self.id(*number), value))
    }

    fn id(&self, number: u64) -> String {
        format!("{}{number}", self.prefix)
    }

    /// Another spelling of a number, such as `+1` or `01`, is no id.
    fn number(&self, id: &str) -> Option<u64> {
        let number = id.strip_prefix(self.prefix)?.parse().ok()?;
        (self.id(number) == id).then_some(number)
    }
}

#[cfg(test)]
mod tests {
    use super::Kept;

    #[test]
    fn the_oldest_goes_first_whatever_its_id_looks_like() {
        let mut kept = Kept::new("job-", 10);
        let ids: Vec<String> = (1..=12).map(|number| kept.keep(number)).collect();
        assert_eq!((ids[0].as_str(), ids[11].as_str()), ("job-1", "job-12"));
        let left: Vec<u32> = kept.iter().map(|(_, number)| *number).collect();
        assert_eq!(left, (3..=12).collect::<Vec<_>>());
        assert_eq!((kept.get("job-2"), kept.get("job-10")), (None, Some(&10)));
    }

    #[test]
    fn an_id_has_one_spelling() {
        let mut kept = Kept::new("job-", 2);
        kept.keep("a");
        assert_eq!(kept.get("job-1"), Some(&"a"));
        for wrong in ["1", "job-", "job-01", "job-+1", "job-1 ", "Job-1", "job-2"] {
            assert_eq!(kept.get(wrong), None, "{wrong}");
        }
    }
}
