//! Which texts run through the model together.

/// How many tokens, padding included, one run of the model takes on at most.
///
/// Measured on 2 cores: runs of about this size are the fastest at every length of text. Larger
/// ones fall out of the processor's caches (32 texts of 195 tokens in one run are slower by half),
/// smaller ones do not fill it.
const TOKENS_PER_RUN: usize = 384;

/// One run of the model.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Batch {
    /// The place of each text in the call, with its ids; the longest is the first.
    pub(crate) rows: Vec<(usize, Vec<u32>)>,
}

impl Batch {
    /// Returns the length that all rows are padded to.
    pub(crate) fn width(&self) -> usize {
        self.rows.first().map_or(0, |(_, ids)| ids.len())
    }

    /// Returns the `value` of each token, row by row, with zeros for what is missing in a row.
    pub(crate) fn padded(&self, value: fn(u32) -> i32) -> Vec<i32> {
        let width = self.width();
        let mut padded = Vec::with_capacity(self.rows.len() * width);
        for (row, (_, ids)) in (1..).zip(&self.rows) {
            padded.extend(ids.iter().map(|&id| value(id)));
            padded.resize(row * width, 0);
        }
        padded
    }
}

/// Gathers texts of similar length, the longest first, so that little is padded.
pub(crate) fn gather(texts: impl IntoIterator<Item = Vec<u32>>) -> Vec<Batch> {
    let mut rows: Vec<(usize, Vec<u32>)> = texts.into_iter().enumerate().collect();
    rows.sort_by_key(|(_, ids)| std::cmp::Reverse(ids.len()));
    let mut batches: Vec<Batch> = Vec::new();
    for row in rows {
        match batches.last_mut() {
            Some(batch) if (batch.rows.len() + 1) * batch.width() <= TOKENS_PER_RUN => {
                batch.rows.push(row);
            }
            _ => batches.push(Batch { rows: vec![row] }),
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    fn widths_and_places(lengths: &[usize]) -> Vec<(usize, Vec<usize>)> {
        gather(lengths.iter().map(|&n| vec![7; n]))
            .iter()
            .map(|batch| {
                let places = batch.rows.iter().map(|&(place, _)| place).collect();
                (batch.width(), places)
            })
            .collect()
    }

    #[test]
    fn neighbours_in_length_run_together_within_the_budget() {
        assert_eq!(
            widths_and_places(&[2, 256, 128, 100, 128, 3]),
            [(256, vec![1]), (128, vec![2, 4, 3]), (3, vec![5, 0])]
        );
    }

    #[test]
    fn shorter_rows_are_filled_up_with_zeros() {
        let batch = Batch {
            rows: vec![(1, vec![7, 8, 9]), (0, vec![5]), (2, vec![6, 4])],
        };
        assert_eq!(batch.padded(u32::cast_signed), [7, 8, 9, 5, 0, 0, 6, 4, 0]);
        assert_eq!(batch.padded(|_| 1), [1, 1, 1, 1, 0, 0, 1, 1, 0]);
    }

    #[test]
    fn a_text_beyond_the_budget_runs_alone() {
        assert_eq!(widths_and_places(&[500, 2]), [(500, vec![0]), (2, vec![1])]);
    }

    #[test]
    fn nothing_makes_no_batch() {
        assert_eq!(widths_and_places(&[]), []);
    }
}
