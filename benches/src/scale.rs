//! How large a run is.

/// The environment variable that makes every benchmark small, to see that it works. What it then
/// prints is no measurement; the rows name the sizes that they were made with.
pub const QUICK: &str = "CONTEXTER_BENCH_QUICK";

/// Returns `full`, or `quick` when the variable [`QUICK`] is set.
#[must_use]
pub fn size(full: usize, quick: usize) -> usize {
    if std::env::var_os(QUICK).is_some_and(|value| !value.is_empty()) {
        quick
    } else {
        full
    }
}

/// Writes a number with commas between its thousands, as the rows name sizes.
#[must_use]
pub fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!(
            [0, 12, 999, 1_000, 100_000, 1_234_567].map(grouped),
            ["0", "12", "999", "1,000", "100,000", "1,234,567"]
        );
    }
}
