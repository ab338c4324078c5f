//! Cutting a request into parts that the vendor takes.

use std::ops::Range;

/// What one item of a request counts for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// How many tokens it has at most: no part may have more than its cap.
    pub most: u64,
    /// How many tokens it has most likely: so much is taken of the quota.
    pub likely: u64,
    /// How many bytes of text were counted.
    pub bytes: u64,
    /// How many bytes are sent for it.
    pub payload: u64,
    /// How many vectors it gives.
    pub units: usize,
    /// Items of different kinds do not go together; those of none go with any.
    pub kind: Option<ItemKind>,
}

/// What may not be mixed in one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ItemKind {
    /// It refers to something on the web.
    Url,
    /// It holds everything itself.
    Inline,
}

/// What one part of a request may have at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Caps {
    /// Items; at least 1.
    pub items: usize,
    /// Vectors.
    pub units: usize,
    /// Tokens.
    pub tokens: u64,
    /// Tokens of one item, where longer ones are cut.
    pub context: u64,
    /// Bytes that are sent.
    pub payload: u64,
}

impl Caps {
    /// Caps of items and tokens; a vector for each item, and items of any length.
    #[must_use]
    pub const fn new(items: usize, tokens: u64) -> Self {
        Self {
            items,
            units: usize::MAX,
            tokens,
            context: u64::MAX,
            payload: u64::MAX,
        }
    }

    /// Sets how many vectors a part may give.
    #[must_use]
    pub const fn units(mut self, units: usize) -> Self {
        self.units = units;
        self
    }

    /// Sets how many bytes a part may send.
    #[must_use]
    pub const fn payload(mut self, bytes: u64) -> Self {
        self.payload = bytes;
        self
    }

    /// Sets how many tokens of an item are read.
    #[must_use]
    pub const fn context(mut self, tokens: u64) -> Self {
        self.context = tokens;
        self
    }
}

/// Cuts a row of items into the fewest parts, in order, of which none exceeds a cap. An item that
/// does so by itself is a part by itself.
///
/// # Examples
///
/// ```
/// use contexter_voyage::{Caps, Cost, pack};
///
/// let cost = |most| Cost { most, units: 1, ..Cost::default() };
/// let parts = pack(&[cost(40), cost(50), cost(30), cost(200), cost(1)], Caps::new(1_000, 100));
/// assert_eq!(parts, [0..2, 2..3, 3..4, 4..5]);
/// ```
#[must_use]
pub fn pack(costs: &[Cost], caps: Caps) -> Vec<Range<usize>> {
    let mut parts = Vec::new();
    let mut part = Part::default();
    for (index, cost) in costs.iter().enumerate() {
        if part.items > 0 && !part.has_room_for(cost, caps) {
            parts.push(index.saturating_sub(part.items)..index);
            part = Part::default();
        }
        part.add(cost);
    }
    if part.items > 0 {
        parts.push(costs.len().saturating_sub(part.items)..costs.len());
    }
    parts
}

#[derive(Default)]
struct Part {
    items: usize,
    units: usize,
    tokens: u64,
    payload: u64,
    kind: Option<ItemKind>,
}

impl Part {
    fn has_room_for(&self, cost: &Cost, caps: Caps) -> bool {
        let mixed = matches!((self.kind, cost.kind), (Some(a), Some(b)) if a != b);
        self.items < caps.items
            && self.units.saturating_add(cost.units) <= caps.units
            && self.tokens.saturating_add(cost.most) <= caps.tokens
            && self.payload.saturating_add(cost.payload) <= caps.payload
            && !mixed
    }

    fn add(&mut self, cost: &Cost) {
        self.items += 1;
        self.units = self.units.saturating_add(cost.units);
        self.tokens = self.tokens.saturating_add(cost.most);
        self.payload = self.payload.saturating_add(cost.payload);
        self.kind = self.kind.or(cost.kind);
    }
}

/// Cuts a part into `pieces` of about equally many tokens, at least two, each with an item.
pub(crate) fn divide(costs: &[Cost], part: &Range<usize>, pieces: u64) -> Vec<Range<usize>> {
    let items = part.len() as u64;
    let pieces = pieces.clamp(2, items.max(2));
    let own = costs.get(part.clone()).unwrap_or_default();
    let total = own
        .iter()
        .fold(0_u64, |sum, cost| sum.saturating_add(cost.likely.max(1)));
    let target = total.div_ceil(pieces);
    let (mut cut, mut begin, mut sum) = (Vec::new(), part.start, 0_u64);
    for (index, cost) in part.clone().zip(own) {
        let likely = cost.likely.max(1);
        let alone = index == begin;
        // The last item never joins all the others: that would be the same part again.
        let whole = begin == part.start && index + 1 == part.end;
        if !alone && (whole || sum.saturating_add(likely) > target) {
            cut.push(begin..index);
            (begin, sum) = (index, 0);
        }
        sum = sum.saturating_add(likely);
    }
    cut.push(begin..part.end);
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    fn costs(likely: &[u64]) -> Vec<Cost> {
        let cost = |&likely| Cost {
            likely,
            ..Cost::default()
        };
        likely.iter().map(cost).collect()
    }

    #[test]
    fn a_divided_part_is_never_the_same_part_again() {
        for likely in [
            &[0_u64, 0][..],
            &[1, 1_000],
            &[1_000, 1],
            &[5; 7],
            &[0, 0, 9],
        ] {
            let costs = costs(likely);
            for pieces in 0..10 {
                let cut = divide(&costs, &(0..costs.len()), pieces);
                assert!(cut.len() >= 2, "{likely:?} in {pieces}: {cut:?}");
                let joined: Vec<usize> = cut.iter().cloned().flatten().collect();
                assert_eq!(joined, (0..costs.len()).collect::<Vec<_>>());
                assert!(cut.iter().all(|range| !range.is_empty()));
            }
        }
    }

    #[test]
    fn pieces_have_about_the_same_number_of_tokens() {
        let costs = costs(&[10; 12]);
        assert_eq!(divide(&costs, &(0..12), 3), [0..4, 4..8, 8..12]);
        assert_eq!(divide(&costs, &(2..4), 9), [2..3, 3..4]);
    }
}
