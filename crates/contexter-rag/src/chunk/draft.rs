//! Packing atoms together into chunks.

use super::outline::Section;
use super::split::Atom;

/// What is smaller than this share of a chunk is merged with its neighbours.
const TINY_SHARE: usize = 4;

/// A chunk before its text is written.
#[derive(Debug)]
pub(super) struct Draft {
    /// The section whose title path the chunk has.
    pub(super) section: usize,
    /// At least one, in order.
    pub(super) atoms: Vec<Atom>,
    /// Where the chunk before it in the same section begins: how far an overlap may reach.
    pub(super) before: Option<usize>,
    /// The tokens of the atoms.
    inner_tokens: usize,
}

impl Draft {
    pub(super) fn new(section: usize, atoms: Vec<Atom>, before: Option<usize>) -> Self {
        Self {
            section,
            inner_tokens: atoms.iter().map(|atom| atom.tokens).sum(),
            atoms,
            before,
        }
    }

    /// Returns the tokens of the atoms and of the fences around them.
    fn tokens(&self) -> usize {
        self.inner_tokens + self.open_tokens() + close_tokens(self.atoms.last())
    }

    fn tokens_with(&self, atom: &Atom) -> usize {
        self.inner_tokens + atom.tokens + self.open_tokens() + close_tokens(Some(atom))
    }

    fn open_tokens(&self) -> usize {
        let torn = self.atoms.first().and_then(|atom| atom.torn);
        torn.map_or(0, |torn| torn.open_tokens)
    }

    fn push(&mut self, atom: Atom) {
        self.inner_tokens += atom.tokens;
        self.atoms.push(atom);
    }

    fn append(&mut self, later: Self) {
        self.inner_tokens += later.inner_tokens;
        self.atoms.extend(later.atoms);
    }
}

fn close_tokens(atom: Option<&Atom>) -> usize {
    let torn = atom.and_then(|atom| atom.torn);
    torn.map_or(0, |torn| torn.close_tokens)
}

/// Packs the atoms of one section, as many as fit in order into each draft.
pub(super) fn pack(section: usize, atoms: Vec<Atom>, budget: usize, drafts: &mut Vec<Draft>) {
    let first = drafts.len();
    for atom in atoms {
        let open = drafts.get_mut(first..).and_then(<[Draft]>::last_mut);
        if let Some(draft) = open {
            if draft.tokens_with(&atom) <= budget {
                draft.push(atom);
                continue;
            }
            let before = draft.atoms.first().map(|first| first.range.start);
            drafts.push(Draft::new(section, vec![atom], before));
        } else {
            drafts.push(Draft::new(section, vec![atom], None));
        }
    }
}

/// Merges neighbours that belong together where one of them is tiny and both fit.
///
/// They belong together as parts of one section, as a section and its first child, or as children
/// of one parent; the merged chunk has the title path of what they share, or the child's if there
/// is nothing but a heading before it.
pub(super) fn merge(
    drafts: Vec<Draft>,
    sections: &[Section],
    max_tokens: usize,
    mut path_tokens: impl FnMut(usize) -> usize,
) -> Vec<Draft> {
    let tiny = max_tokens / TINY_SHARE;
    let mut merged: Vec<Draft> = Vec::with_capacity(drafts.len());
    for draft in drafts {
        if let Some(last) = merged.last_mut()
            && (last.tokens() < tiny || draft.tokens() < tiny)
            && let Some(shared) = shared(sections, last.section, draft.section)
            && last.tokens() + draft.tokens() + path_tokens(shared) <= max_tokens
        {
            last.section = shared;
            last.append(draft);
        } else {
            merged.push(draft);
        }
    }
    merged
}

/// Returns the section that two neighbours share, `b` being the later one.
fn shared(sections: &[Section], a: usize, b: usize) -> Option<usize> {
    let parent = |section: usize| sections.get(section).and_then(|section| section.parent);
    if a == b {
        return Some(a);
    }
    match parent(b) {
        Some(above) if above == a && sections.get(a).is_some_and(|section| section.bare) => Some(b),
        Some(above) if above == a || parent(a) == Some(above) => Some(above),
        _ => None,
    }
}
