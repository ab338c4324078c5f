//! What is allowed instead of what was written.

/// Lists what is allowed, the likely meant one first.
pub(crate) fn choice(written: &str, allowed: &[&str]) -> String {
    if allowed.is_empty() {
        return "nothing is allowed here".to_owned();
    }
    let list = allowed.join(", ");
    let near = allowed
        .iter()
        .map(|known| (distance(written, known), known))
        .min()
        .filter(|&(distance, known)| distance <= 1 + known.len() / 4);
    match near {
        Some((_, known)) => format!("did you mean {known}? allowed are {list}"),
        None => format!("allowed are {list}"),
    }
}

/// The number of letters to insert, delete, replace or swap with a neighbour.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    let mut last = None;
    for (row, x) in a.chars().enumerate() {
        let mut line = vec![row + 1];
        for (column, y) in b.iter().enumerate() {
            let at =
                |line: &[usize], column: usize| line.get(column).copied().unwrap_or(usize::MAX);
            let mut best = (at(&above, column) + usize::from(x != *y))
                .min(at(&above, column + 1) + 1)
                .min(at(&line, column) + 1);
            let swapped = column
                .checked_sub(1)
                .filter(|&earlier| last == Some(*y) && b.get(earlier) == Some(&x));
            if let Some(earlier) = swapped {
                best = best.min(at(&before, earlier).saturating_add(1));
            }
            line.push(best);
        }
        before = std::mem::replace(&mut above, line);
        last = Some(x);
    }
    above.last().copied().unwrap_or(0)
}
