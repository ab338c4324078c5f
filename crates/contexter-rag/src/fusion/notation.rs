//! Fusion methods written as text.

use std::fmt;
use std::str::FromStr;

use super::Fusion;

/// `k` where `rrf` names none.
const DEFAULT_RRF_K: u32 = 60;

impl fmt::Display for Fusion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, weights) = match self {
            Self::Dbsf => return f.write_str("dbsf"),
            Self::Rrf { k } => return write!(f, "rrf:{k}"),
            Self::Weighted { weights } => ("weighted", weights),
            Self::MinMax { weights } => ("minmax", weights),
        };
        f.write_str(name)?;
        for (at, weight) in weights.iter().enumerate() {
            let separator = if at == 0 { ':' } else { ',' };
            write!(f, "{separator}{weight}")?;
        }
        Ok(())
    }
}

impl FromStr for Fusion {
    type Err = InvalidFusion;

    fn from_str(text: &str) -> Result<Self, InvalidFusion> {
        let (name, argument) = match text.split_once(':') {
            Some((name, argument)) => (name.trim(), Some(argument)),
            None => (text.trim(), None),
        };
        match (name, argument) {
            ("dbsf", None) => Ok(Self::Dbsf),
            ("rrf", None) => Ok(Self::Rrf { k: DEFAULT_RRF_K }),
            ("rrf", Some(k)) => match k.trim().parse() {
                Ok(k) if k > 0 => Ok(Self::Rrf { k }),
                _ => Err(InvalidFusion::k(k)),
            },
            ("weighted", Some(list)) => Ok(Self::Weighted {
                weights: weights(list)?,
            }),
            ("minmax", Some(list)) => Ok(Self::MinMax {
                weights: weights(list)?,
            }),
            _ => Err(InvalidFusion::method(text)),
        }
    }
}

fn weights(list: &str) -> Result<Vec<f32>, InvalidFusion> {
    list.split(',')
        .map(|text| match text.trim().parse::<f32>() {
            Ok(weight) if weight.is_finite() && weight >= 0.0 => Ok(weight),
            _ => Err(InvalidFusion::weight(text)),
        })
        .collect()
}

impl TryFrom<String> for Fusion {
    type Error = InvalidFusion;

    fn try_from(text: String) -> Result<Self, InvalidFusion> {
        text.parse()
    }
}

impl From<Fusion> for String {
    fn from(fusion: Fusion) -> Self {
        fusion.to_string()
    }
}

/// The error returned for a text that is no [`Fusion`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(transparent)]
pub struct InvalidFusion(Fault);

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum Fault {
    #[error("unknown fusion {text:?}: expected dbsf, rrf:K, minmax:W,W or weighted:W,W")]
    Method { text: String },
    #[error("fusion rrf has k {k:?}, expected a whole number of at least 1")]
    K { k: String },
    #[error("fusion has weight {weight:?}, expected a finite number of at least 0")]
    Weight { weight: String },
}

impl InvalidFusion {
    fn method(text: &str) -> Self {
        Self(Fault::Method { text: shown(text) })
    }

    fn k(k: &str) -> Self {
        Self(Fault::K { k: shown(k) })
    }

    fn weight(weight: &str) -> Self {
        Self(Fault::Weight {
            weight: shown(weight),
        })
    }
}

/// The offending text, short enough for one line.
fn shown(text: &str) -> String {
    const MOST: usize = 40;
    let mut shown: String = text.chars().take(MOST).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}
