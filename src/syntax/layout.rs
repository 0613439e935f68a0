//! Lines and brackets: splits a text into statements and decides which newlines are white space.
//!
//! The result is the text itself with comments and newlines of the second kind turned into blanks, byte for byte (and tabs), so that
//! places in it are places in the source. Newlines that are left separate the statements of blocks. On the
//! way, brackets are matched, the depth of nesting is measured, and tokens that are none are reported.
//!
//! A statement with a problem is reported once and left out of what is to be parsed.

use super::Limits;
use super::lex::{Kind, Token, Tokens};
use super::words;
use crate::error::Problem;
use crate::span::Span;

pub(super) struct Layout {
    pub text: String,
    /// The statements that may be parsed.
    pub statements: Vec<Piece>,
    pub problems: Vec<Problem>,
}

/// A top-level statement.
#[derive(Clone, Copy)]
pub(super) struct Piece {
    pub span: Span,
    /// How deep brackets and `iterate` nest in it.
    pub depth: u32,
}

pub(super) fn split(source: &str, limits: &Limits) -> Layout {
    let mut splitter = Splitter {
        source,
        limits,
        text: source.bytes().map(|byte| if byte == b'\t' { b' ' } else { byte }).collect(),
        statements: Vec::new(),
        problems: Vec::new(),
        open: Vec::new(),
        counts: [0; 3],
        given_up: [0; 3],
        begun: None,
        previous: None,
        pending: None,
        indent: Indent { line: 0, columns: (0, 0) },
        line: None,
        depth: 0,
        deepest: 0,
        bad: false,
    };
    splitter.run();
    // Only whole characters were replaced, and only by blanks.
    let text = String::from_utf8_lossy(&splitter.text).into_owned();
    Layout { text, statements: splitter.statements, problems: splitter.problems }
}

struct Splitter<'s> {
    source: &'s str,
    limits: &'s Limits,
    text: Vec<u8>,
    statements: Vec<Piece>,
    problems: Vec<Problem>,
    open: Vec<Open>,
    /// How many of `(`, `[`, `{` are open.
    counts: [u32; 3],
    /// How many of each were given up as unclosed, so that their ends are no further problem.
    given_up: [u32; 3],
    /// Where the statement that is being read began, in the innermost block.
    begun: Option<Begun>,
    /// The token before, in that statement.
    previous: Option<Token>,
    /// A newline that ends the statement unless the next token goes on with it.
    pending: Option<usize>,
    /// The line that is being read.
    indent: Indent,
    line: Option<Line>,
    depth: u32,
    /// The greatest depth, and whether a problem was found, in this top-level statement.
    deepest: u32,
    bad: bool,
}

/// A bracket that is open.
struct Open {
    at: Span,
    bracket: u8,
    depth: u32,
    /// The statement outside of a block.
    begun: Option<Begun>,
}

/// The beginning of a statement, and the line it begins on.
#[derive(Clone, Copy)]
struct Begun {
    at: usize,
    indent: Indent,
}

/// Where a line begins, and how far it is indented with tabs of one column and with tabs of eight.
#[derive(Clone, Copy)]
struct Indent {
    line: usize,
    columns: (usize, usize),
}

/// The first token of a line, and what was before it.
struct Line {
    first: Token,
    previous: Option<Token>,
    brackets: usize,
}

impl Splitter<'_> {
    fn run(&mut self) {
        let start = if self.source.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        self.blank(Span::new(0, start));
        let mut line_is_new = true;
        for token in Tokens::new(self.source, start) {
            if self.problems.len() >= self.limits.problems {
                return;
            }
            match token.kind {
                Kind::Comment => self.blank(token.span),
                Kind::Newline => {
                    self.newline(token);
                    self.indent.line = token.span.end as usize;
                    line_is_new = true;
                }
                _ => {
                    if line_is_new {
                        let blanks = &self.source[self.indent.line..token.span.start as usize];
                        self.indent.columns = (columns(blanks, 1), columns(blanks, 8));
                    }
                    if let Some(newline) = self.pending.take()
                        && !self.goes_on(token)
                    {
                        self.separate(newline);
                    }
                    if line_is_new {
                        self.line = Some(Line { first: token, previous: self.previous, brackets: self.open.len() });
                        line_is_new = false;
                    }
                    self.token(token);
                }
            }
        }
        self.finish();
    }

    fn token(&mut self, token: Token) {
        match token.kind {
            Kind::Semicolon => {
                self.unclosed_before(token);
                if self.open.is_empty() {
                    self.end_statement();
                }
                self.begun = None;
                self.previous = None;
                self.depth = self.open.last().map_or(0, |open| open.depth + 1);
                return;
            }
            Kind::Assign => self.resume(),
            _ => {}
        }
        // A closing bracket that closes a block isn't part of the statements in it.
        if token.kind != Kind::Close && self.begun.is_none() {
            self.begun = Some(Begun { at: token.span.start as usize, indent: self.indent });
        }
        match token.kind {
            Kind::Open => self.opens(token),
            Kind::Close => self.closes(token),
            Kind::Word if token.text(self.source) == "iterate" => self.deeper(token),
            Kind::Unknown => self.unknown(token),
            Kind::BadNumber => {
                let text = token.text(self.source).to_string();
                let mended = mended_number(&text);
                self.report(Problem::MalformedNumber { at: token.span, text, mended });
            }
            _ => {}
        }
        self.previous = Some(token);
    }

    fn newline(&mut self, token: Token) {
        self.blank(token.span);
        // With the carriage return that may be before it.
        if let Some(end @ b'\r') = self.text[..token.span.start as usize].last_mut() {
            *end = b' ';
        }
        let white = match self.open.last() {
            Some(open) if open.bracket != b'{' => true,
            _ => self.begun.is_none() || self.previous.is_none_or(|previous| self.wants_more(previous)),
        };
        if !white && self.pending.is_none() {
            self.pending = Some(token.span.start as usize);
        }
    }

    /// A statement can't end with this token.
    fn wants_more(&self, token: Token) -> bool {
        match token.kind {
            Kind::Operator | Kind::Assign | Kind::Comma | Kind::Dots => true,
            Kind::Word => words::is_reserved(token.text(self.source)),
            Kind::Open => true,
            _ => false,
        }
    }

    /// Whether a token after a newline goes on with the statement before.
    fn goes_on(&mut self, token: Token) -> bool {
        match (token.kind, token.text(self.source)) {
            (Kind::Operator, "+" | "-") => self.sign_goes_on(token),
            (Kind::Operator, _) => true,
            (Kind::Word, "and" | "or" | "for" | "while" | "do" | "from" | "in") => true,
            // The end of a block, or a bracket that is reported anyway.
            (Kind::Close, _) => true,
            _ => false,
        }
    }

    fn sign_goes_on(&mut self, sign: Token) -> bool {
        let Some(begun) = self.begun else { return false };
        let (above, here) = (begun.indent, self.indent);
        let first_line = above.line == 0;
        if first_line && here.columns.0 == 0 {
            return false;
        }
        let deeper = (here.columns.0 > above.columns.0, here.columns.1 > above.columns.1);
        if !first_line && deeper.0 == deeper.1 {
            return deeper.0;
        }
        if self.bad {
            return true;
        }
        let begun = begun.at;
        let end = self.previous.map_or(begun, |previous| previous.span.end as usize);
        let first = self.source[begun..end].split_whitespace().collect::<Vec<_>>().join(" ");
        let rest = &self.source[sign.span.start as usize..];
        let rest = rest[..rest.find(['\n', '#', ';']).unwrap_or(rest.len())].trim_end();
        self.report(Problem::UnclearLine {
            sign: sign.span,
            above: Span::new(begun, end),
            joined: format!("{first} {rest}"),
            apart: format!("{first}; {rest}"),
        });
        true
    }

    /// The newline at this place ends a statement.
    fn separate(&mut self, newline: usize) {
        if self.open.is_empty() {
            self.end_statement();
        } else {
            self.text[newline] = b'\n';
        }
        self.begun = None;
        self.previous = None;
        self.depth = self.open.last().map_or(0, |open| open.depth + 1);
    }

    fn end_statement(&mut self) {
        if let (Some(begun), Some(previous), false) = (self.begun, self.previous, self.bad) {
            let span = Span::new(begun.at, previous.span.end as usize);
            self.statements.push(Piece { span, depth: self.deepest });
        }
        (self.bad, self.deepest, self.depth) = (false, 0, 0);
    }

    fn finish(&mut self) {
        if let Some(open) = self.open.last() {
            let (opened, bracket) = (open.at, char::from(open.bracket));
            let end = self.previous.unwrap_or(Token { kind: Kind::Open, span: opened }).span.end;
            self.report(Problem::Unclosed { opened, bracket, at: Span { start: end, end } });
        }
        self.end_statement();
    }

    fn opens(&mut self, token: Token) {
        let bracket = token.text(self.source).as_bytes()[0];
        self.counts[kind_of(bracket)] += 1;
        self.open.push(Open { at: token.span, bracket, depth: self.depth, begun: self.begun });
        self.deeper(token);
        if bracket == b'{' {
            self.begun = None;
        }
    }

    fn deeper(&mut self, token: Token) {
        self.depth += 1;
        self.deepest = self.deepest.max(self.depth);
        if self.depth > self.limits.depth {
            self.report(Problem::TooDeep { at: token.span, limit: self.limits.depth });
        }
    }

    fn closes(&mut self, token: Token) {
        let closer = token.text(self.source).as_bytes()[0];
        let bracket = opener(closer);
        match self.open.last() {
            None if self.given_up[kind_of(bracket)] > 0 => {
                self.given_up[kind_of(bracket)] -= 1;
                self.bad = true;
                return;
            }
            None => return self.report(Problem::Unopened { at: token.span, bracket: char::from(closer) }),
            Some(open) if open.bracket != bracket => {
                let (opened, found) = (open.at, char::from(open.bracket));
                self.report(Problem::Mismatched {
                    opened,
                    bracket: found,
                    closed: token.span,
                    closer: char::from(closer),
                });
            }
            Some(_) => {}
        }
        // After a mismatch: up to the bracket that this one closes, or else it stands for the right one.
        let is_open = self.counts[kind_of(bracket)] > 0;
        while let Some(open) = self.pop() {
            if !is_open || open.bracket == bracket {
                break;
            }
        }
    }

    fn pop(&mut self) -> Option<Open> {
        let open = self.open.pop()?;
        self.restore(&open);
        Some(open)
    }

    fn restore(&mut self, outside: &Open) {
        self.counts[kind_of(outside.bracket)] -= 1;
        self.depth = outside.depth;
        self.begun = outside.begun;
    }

    /// `=` cannot stand within `( )` and `[ ]`. On a line of its own within them it says that a bracket was left
    /// open above, and that this line is the next statement.
    fn resume(&mut self) {
        let Some(line) = &self.line else { return };
        let (first, previous) = (line.first, line.previous);
        let Some(open) = self.open.last().filter(|open| open.bracket != b'{') else { return };
        if line.brackets != self.open.len() || first.span.start < open.at.end || first.kind != Kind::Word {
            return;
        }
        let end = previous.map_or(open.at.end, |previous| previous.span.end);
        self.leave_brackets(Span { start: end, end });
        if self.open.is_empty() {
            self.previous = previous;
            self.end_statement();
        }
        self.begun = Some(Begun { at: first.span.start as usize, indent: self.indent });
    }

    /// `;` ends a statement; brackets that are open are closed by force.
    fn unclosed_before(&mut self, token: Token) {
        if self.open.last().is_some_and(|open| open.bracket != b'{') {
            self.leave_brackets(Span { start: token.span.start, end: token.span.start });
        }
    }

    fn leave_brackets(&mut self, at: Span) {
        if let Some(open) = self.open.last() {
            self.report(Problem::Unclosed { opened: open.at, bracket: char::from(open.bracket), at });
        }
        while let Some(open) = self.open.pop_if(|open| open.bracket != b'{') {
            self.given_up[kind_of(open.bracket)] += 1;
            self.restore(&open);
        }
    }

    fn unknown(&mut self, token: Token) {
        if self.bad {
            return;
        }
        let sign = token.text(self.source).to_string();
        let slice = sign == ":" && self.open.last().is_some_and(|open| open.bracket == b'[');
        let spelling = slice.then_some("0..n").or_else(|| words::spelling(&sign));
        let mended = super::diagnose::mend_sign(self.source, token, self.previous);
        self.report(Problem::UnknownSign { at: token.span, sign, spelling, mended });
    }

    /// The first problem of each statement.
    fn report(&mut self, problem: Problem) {
        if !self.bad {
            self.problems.push(problem);
        }
        self.bad = true;
    }

    fn blank(&mut self, span: Span) {
        self.text[span.start as usize..span.end as usize].fill(b' ');
    }
}

fn columns(indent: &str, tab: usize) -> usize {
    indent.bytes().fold(0, |column, byte| if byte == b'\t' { column / tab * tab + tab } else { column + 1 })
}

fn kind_of(bracket: u8) -> usize {
    match bracket {
        b'(' => 0,
        b'[' => 1,
        _ => 2,
    }
}

fn opener(closer: u8) -> u8 {
    match closer {
        b')' => b'(',
        b']' => b'[',
        _ => b'{',
    }
}

/// `1.2.3` has no mending, `1e` was meant with an exponent, `1_` without the underscore.
fn mended_number(text: &str) -> Option<String> {
    match text.strip_suffix(['+', '-']).unwrap_or(text).strip_suffix(['e', 'E']) {
        Some(_) => Some(format!("{text}0")),
        None if text.contains('_') => {
            let plain = text.replace('_', "");
            plain.parse::<f64>().is_ok().then_some(plain)
        }
        None => None,
    }
}
