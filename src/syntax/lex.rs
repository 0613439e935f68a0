//! The text as tokens, for the pass that finds statements and for the diagnosis of what does not parse.
//!
//! The grammar itself is `grammar/formula.pest`; this file only knows where tokens begin and end.

use super::words;
use crate::span::Span;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Token {
    pub kind: Kind,
    pub span: Span,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Number,
    /// A number with something stuck to it, such as `1.2.3` or `1e`.
    BadNumber,
    /// A name or a reserved word.
    Word,
    /// An operator made of signs.
    Operator,
    Assign,
    Comma,
    /// `..` or `..=`
    Dots,
    Mark,
    Open,
    Close,
    Semicolon,
    Newline,
    Comment,
    /// Nothing of the language, perhaps a spelling of `words::SPELLINGS`.
    Unknown,
}

impl Token {
    pub fn text(self, source: &str) -> &str {
        self.span.text(source)
    }

    /// Nothing can follow it but an operator: it ends an operand.
    pub fn ends_operand(self, source: &str) -> bool {
        match self.kind {
            Kind::Number | Kind::Close | Kind::Mark => true,
            Kind::Word => !words::is_reserved(self.text(source)),
            _ => false,
        }
    }

    pub fn starts_operand(self, source: &str) -> bool {
        match self.kind {
            Kind::Number | Kind::Open => true,
            Kind::Word => !words::is_reserved(self.text(source)) || matches!(self.text(source), "iterate" | "not"),
            _ => false,
        }
    }
}

/// The tokens of `source` from `at` on.
pub(super) struct Tokens<'s> {
    source: &'s str,
    at: usize,
}

impl<'s> Tokens<'s> {
    pub fn new(source: &'s str, at: usize) -> Tokens<'s> {
        Tokens { source, at }
    }
}

impl Iterator for Tokens<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        let bytes = self.source.as_bytes();
        loop {
            match bytes.get(self.at)? {
                b' ' | b'\t' => self.at += 1,
                b'\r' if bytes.get(self.at + 1) == Some(&b'\n') => self.at += 1,
                _ => break,
            }
        }
        let (kind, len) = token(&self.source[self.at..]);
        let span = Span::new(self.at, self.at + len);
        self.at += len;
        Some(Token { kind, span })
    }
}

/// The kind and the length of the token that `text` begins with. `text` is not empty.
fn token(text: &str) -> (Kind, usize) {
    let bytes = text.as_bytes();
    let second = bytes.get(1).copied().unwrap_or(0);
    if let (b'=' | b'!' | b'<' | b'/' | b'+' | b'-' | b'*' | b'^', b'=' | b'<' | b'>' | b'/') = (bytes[0], second)
        && let Some((found, _)) = words::SPELLINGS.iter().find(|(found, _)| found.len() > 1 && text.starts_with(found))
    {
        return (Kind::Unknown, found.len());
    }
    match bytes[0] {
        b'\n' => (Kind::Newline, 1),
        b'#' => (Kind::Comment, text.find('\n').unwrap_or(text.len())),
        b'a'..=b'z' | b'A'..=b'Z' | b'_' => (Kind::Word, word(text)),
        b'0'..=b'9' => number(text),
        b'.' if second.is_ascii_digit() => number(text),
        b'.' if text.starts_with("..=") => (Kind::Dots, 3),
        b'.' if second == b'.' => (Kind::Dots, 2),
        b'*' if second == b'*' => (Kind::Operator, 2),
        b'=' | b'!' | b'<' | b'>' if second == b'=' => (Kind::Operator, 2),
        b'=' => (Kind::Assign, 1),
        b'+' | b'-' | b'*' | b'/' | b'^' | b'<' | b'>' => (Kind::Operator, 1),
        b',' => (Kind::Comma, 1),
        b';' => (Kind::Semicolon, 1),
        b'\'' => (Kind::Mark, 1),
        b'(' | b'[' | b'{' => (Kind::Open, 1),
        b')' | b']' | b'}' => (Kind::Close, 1),
        byte if !byte.is_ascii() && text.starts_with(is_letter) => (Kind::Word, word(text)),
        _ => {
            let known = words::SPELLINGS.iter().find(|(found, _)| text.starts_with(found));
            let len = known.map_or_else(|| text.chars().next().map_or(1, char::len_utf8), |(found, _)| found.len());
            (Kind::Unknown, len)
        }
    }
}

fn is_letter(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_' || (!c.is_ascii() && pest::unicode::XID_START(c))
}

fn continues(c: char) -> bool {
    c.is_ascii_alphanumeric()
        || c == '_'
        || (!c.is_ascii() && !matches!(c, '\u{b7}' | '\u{387}') && pest::unicode::XID_CONTINUE(c))
}

fn word(text: &str) -> usize {
    text.find(|c| !continues(c)).unwrap_or(text.len())
}

fn number(text: &str) -> (Kind, usize) {
    let bytes = text.as_bytes();
    let at = |i: usize| bytes.get(i).copied().unwrap_or(0);
    let digits = |mut i: usize| {
        while at(i).is_ascii_digit() || (at(i) == b'_' && at(i + 1).is_ascii_digit() && at(i - 1).is_ascii_digit()) {
            i += 1;
        }
        i
    };
    let mut end = digits(0);
    if at(end) == b'.' && at(end + 1) != b'.' {
        end = digits(end + 1);
    }
    if matches!(at(end), b'e' | b'E') {
        let sign = usize::from(matches!(at(end + 1), b'+' | b'-'));
        if at(end + 1 + sign).is_ascii_digit() {
            end = digits(end + 1 + sign);
        } else if word(&text[end..]) == 1 {
            return (Kind::BadNumber, end + 1 + sign);
        }
    }
    // `1.2.3`, `1_`, `1__0`
    let stuck = (at(end) == b'.' && at(end + 1) != b'.') || at(end) == b'_';
    if stuck {
        let len = text[end..].find(|c| c != '.' && !continues(c)).map_or(text.len(), |len| end + len);
        return (Kind::BadNumber, len);
    }
    (Kind::Number, end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<(Kind, &str)> {
        Tokens::new(text, 0).map(|token| (token.kind, token.text(text))).collect()
    }

    #[test]
    fn numbers_end_where_they_should() {
        use Kind::*;
        assert_eq!(kinds("0..n"), [(Number, "0"), (Dots, ".."), (Word, "n")]);
        assert_eq!(kinds("0..=1."), [(Number, "0"), (Dots, "..="), (Number, "1.")]);
        assert_eq!(kinds("1_000.5e-3x"), [(Number, "1_000.5e-3"), (Word, "x")]);
        assert_eq!(
            kinds("1.2.3 1e 1e+ 1_ 1__0 .5.5"),
            [
                (BadNumber, "1.2.3"),
                (BadNumber, "1e"),
                (BadNumber, "1e+"),
                (BadNumber, "1_"),
                (BadNumber, "1__0"),
                (BadNumber, ".5.5")
            ]
        );
        assert_eq!(kinds("2exp"), [(Number, "2"), (Word, "exp")]);
    }

    #[test]
    fn middle_dot_is_not_part_of_a_name() {
        assert_eq!(kinds("a·b"), [(Kind::Word, "a"), (Kind::Unknown, "·"), (Kind::Word, "b")]);
    }
}
