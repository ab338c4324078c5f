//! What unquoted text means where nobody expects text.

/// What unquoted text is, by the core schema of YAML 1.2.
pub(crate) enum Scalar {
    Bool(bool),
    Whole(i128),
    Fraction(f64),
    Text,
}

impl Scalar {
    pub(crate) fn of(text: &str) -> Self {
        match text {
            "true" | "True" | "TRUE" => return Self::Bool(true),
            "false" | "False" | "FALSE" => return Self::Bool(false),
            ".nan" | ".NaN" | ".NAN" => return Self::Fraction(f64::NAN),
            ".inf" | ".Inf" | ".INF" | "+.inf" => return Self::Fraction(f64::INFINITY),
            "-.inf" | "-.Inf" | "-.INF" => return Self::Fraction(f64::NEG_INFINITY),
            _ => {}
        }
        if let Some(whole) = whole(text) {
            return Self::Whole(whole);
        }
        let looks_numeric = text.contains(|c: char| c.is_ascii_digit())
            && text
                .chars()
                .all(|c| c.is_ascii_digit() || "+-.eE".contains(c))
            && !zero_first(text.trim_start_matches(['+', '-']));
        match text.parse() {
            Ok(value) if looks_numeric => Self::Fraction(value),
            _ => Self::Text,
        }
    }
}

/// `0755` is 755 for one reader and 493 for another, so it is no number at all.
fn zero_first(digits: &str) -> bool {
    let mut letters = digits.chars();
    letters.next() == Some('0') && letters.next().is_some_and(|c| c.is_ascii_digit())
}

fn whole(text: &str) -> Option<i128> {
    if let Some(digits) = text.strip_prefix("0x") {
        return unsigned(digits, 16);
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return unsigned(digits, 8);
    }
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if zero_first(digits) {
        return None;
    }
    let value = unsigned(digits, 10)?;
    Some(if negative { -value } else { value })
}

fn unsigned(digits: &str, radix: u32) -> Option<i128> {
    // `from_str_radix` takes a sign, which has no place after a prefix or another sign.
    let plain = digits.starts_with(|c: char| c.is_digit(radix));
    plain.then(|| i128::from_str_radix(digits, radix).ok())?
}
