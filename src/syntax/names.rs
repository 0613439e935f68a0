//! Names: interned in NFKC form, and compared by how they look.

use crate::ast::Name;
use crate::error::Warning;
use crate::span::Span;
use hashbrown::{DefaultHashBuilder, HashMap, HashTable};
use std::borrow::Cow;
use std::hash::BuildHasher;
use unicode_normalization::{UnicodeNormalization, is_nfkc};
use unicode_security::MixedScript;

/// A name in NFKC form.
pub(super) fn canonical(text: &str) -> Cow<'_, str> {
    if text.is_ascii() || is_nfkc(text) { Cow::Borrowed(text) } else { Cow::Owned(text.nfkc().collect()) }
}

#[derive(Default)]
pub(super) struct Names {
    pub texts: Vec<String>,
    /// Where each name stands first.
    places: Vec<Span>,
    table: HashTable<Name>,
    hasher: DefaultHashBuilder,
}

impl Names {
    pub fn intern(&mut self, text: &str, at: Span) -> Name {
        self.intern_normal(&canonical(text), at)
    }

    fn intern_normal(&mut self, text: &str, at: Span) -> Name {
        let hash = self.hasher.hash_one(text);
        let texts = &self.texts;
        if let Some(name) = self.table.find(hash, |name| texts[name.0 as usize] == text) {
            return *name;
        }
        let name = Name(self.texts.len() as u32);
        self.texts.push(text.to_string());
        self.places.push(at);
        let (texts, hasher) = (&self.texts, &self.hasher);
        self.table.insert_unique(hash, name, |name| hasher.hash_one(texts[name.0 as usize].as_str()));
        name
    }

    /// Warnings for the names that read like others.
    pub fn lookalikes(&self, limit: usize) -> Vec<Warning> {
        let mut warnings = Vec::new();
        if self.texts.iter().all(|text| text.is_ascii()) {
            return warnings;
        }
        let mut first = HashMap::<String, usize>::new();
        // Names whose letters are beyond suspicion come first, so that the others are found to be like them.
        let (plain, odd): (Vec<_>, Vec<_>) = (0..self.texts.len()).partition(|&i| !is_odd(&self.texts[i]));
        for i in plain.into_iter().chain(odd) {
            if warnings.len() >= limit {
                break;
            }
            let skeleton = unicode_security::skeleton(&self.texts[i]).collect::<String>();
            let &mut other = first.entry(skeleton).or_insert(i);
            if other != i && is_odd(&self.texts[i]) {
                warnings.push(Warning::Lookalike {
                    name: self.texts[i].clone(),
                    at: self.places[i],
                    other: self.texts[other].clone(),
                    other_at: self.places[other],
                });
            }
        }
        warnings
    }
}

/// Greek letters that look the same as Latin ones; `γ` and `y` or `ν` and `v` are known apart by every reader of formulas.
const GREEK_LIKE_LATIN: &str = "ΑΒΕΖΗΙΚΜΝΟΡΤΥΧο";

/// A name of mixed scripts, or of one script that isn't expected in formulas and may be taken for another.
fn is_odd(name: &str) -> bool {
    let expected = |c: char| c.is_ascii() || matches!(c, 'α'..='ω' | 'Γ'..='Ω' | 'à'..='ÿ' | 'À'..='ß');
    !name.is_ascii()
        && (!name.is_single_script()
            || !name.chars().all(expected)
            || name.chars().all(|c| GREEK_LIKE_LATIN.contains(c)))
}
