//! How names are written: `theta_1` is `\theta_{1}`, `x2` is `x_{2}`, `width` is `\mathrm{width}`.
//!
//! Two names are never written alike: where `x1` and `x_1` both are there, the second is `\mathrm{x\_1}`.

use hashbrown::{HashMap, HashSet};

/// The Greek letters that have a command, which is also what they are called in a program.
const GREEK: [(&str, char); 34] = [
    ("alpha", 'α'),
    ("beta", 'β'),
    ("gamma", 'γ'),
    ("delta", 'δ'),
    ("epsilon", 'ε'),
    ("zeta", 'ζ'),
    ("eta", 'η'),
    ("theta", 'θ'),
    ("iota", 'ι'),
    ("kappa", 'κ'),
    ("lambda", 'λ'),
    ("mu", 'μ'),
    ("nu", 'ν'),
    ("xi", 'ξ'),
    ("pi", 'π'),
    ("rho", 'ρ'),
    ("sigma", 'σ'),
    ("tau", 'τ'),
    ("upsilon", 'υ'),
    ("phi", 'φ'),
    ("chi", 'χ'),
    ("psi", 'ψ'),
    ("omega", 'ω'),
    ("Gamma", 'Γ'),
    ("Delta", 'Δ'),
    ("Theta", 'Θ'),
    ("Lambda", 'Λ'),
    ("Xi", 'Ξ'),
    ("Pi", 'Π'),
    ("Sigma", 'Σ'),
    ("Upsilon", 'Υ'),
    ("Phi", 'Φ'),
    ("Psi", 'Ψ'),
    ("Omega", 'Ω'),
];

/// The names of a text.
pub struct Letters {
    written: HashMap<String, String>,
    taken: HashSet<String>,
}

impl Letters {
    /// Those that come first are the first to be written well.
    pub fn of<'n>(names: impl Iterator<Item = &'n str>) -> Letters {
        let mut letters = Letters { written: HashMap::new(), taken: HashSet::new() };
        for name in names.filter(|name| !name.is_empty()) {
            if letters.written.contains_key(name) {
                continue;
            }
            let written =
                mathematical(name).filter(|name| !letters.taken.contains(name)).unwrap_or_else(|| plain(name));
            letters.taken.insert(written.clone());
            letters.written.insert(name.to_owned(), written);
        }
        letters
    }

    pub fn get(&self, name: &str) -> String {
        self.written.get(name).cloned().unwrap_or_else(|| plain(name))
    }

    /// Whether some name is written so.
    pub fn contains(&self, written: &str) -> bool {
        self.taken.contains(written)
    }
}

/// A letter or word with its subscript, which may have one itself; `None` for a name of another form.
fn mathematical(name: &str) -> Option<String> {
    let (head, rest) = name.split_once('_').map_or((name, None), |(head, rest)| (head, Some(rest)));
    let letters = head.trim_end_matches(|c: char| c.is_ascii_digit());
    let digits = Some(&head[letters.len()..]).filter(|digits| !digits.is_empty());
    let rest = match rest {
        Some(rest) => Some(mathematical(rest)?),
        None => None,
    };
    let subscripts: Vec<String> = digits.map(str::to_owned).into_iter().chain(rest).collect();
    match (letters.is_empty(), subscripts.join(",")) {
        (true, subscripts) => digits.map(|_| subscripts),
        (false, none) if none.is_empty() => Some(word(letters)),
        (false, subscripts) => Some(format!("{}_{{{subscripts}}}", word(letters))),
    }
}

/// One letter, a Greek one by its command, or a word.
fn word(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next();
    let single = first.filter(|_| letters.as_str().is_empty());
    let is_greek = |&&(name, letter): &&(&str, char)| name == text || single == Some(letter);
    match (GREEK.iter().find(is_greek), single) {
        (Some((name @ ("epsilon" | "phi"), _)), _) => format!("\\var{name}"),
        (Some((name, _)), _) => format!("\\{name}"),
        (None, Some(letter)) if letter.is_ascii() => text.to_owned(),
        (None, _) => plain(text),
    }
}

/// Upright, as it is typed.
fn plain(name: &str) -> String {
    let command = if name.is_ascii() { "mathrm" } else { "text" };
    format!("\\{command}{{{}}}", name.replace('_', "\\_"))
}
