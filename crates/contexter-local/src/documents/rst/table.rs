//! Tables: found, and kept as they are drawn.

/// Returns how many lines the table at the start of `lines` takes, if there is one.
pub(crate) fn extent(lines: &[&str]) -> Option<usize> {
    let first = lines.first()?;
    if is_grid_border(first) {
        let used = lines
            .iter()
            .take_while(|line| line.starts_with(['+', '|']))
            .count();
        return (used >= 3).then_some(used);
    }
    if is_simple_border(first) {
        // A border, a head, a border, rows, a border; a table without a head has two borders.
        let mut last = None;
        for (at, line) in lines.iter().enumerate().skip(1) {
            if is_simple_border(line) {
                last = Some(at);
                if lines.get(at + 1).is_none_or(|next| next.is_empty()) {
                    break;
                }
            }
        }
        return last.map(|at| at + 1);
    }
    None
}

fn is_grid_border(line: &str) -> bool {
    line.len() >= 3
        && line.starts_with("+-")
        && line.ends_with('+')
        && line.chars().all(|c| matches!(c, '+' | '-'))
}

fn is_simple_border(line: &str) -> bool {
    line.starts_with("==") && line.contains(' ') && line.chars().all(|c| matches!(c, '=' | ' '))
}
