//! Why a statement does not parse, in terms of what was written.
//!
//! pest tells the furthest place it came to. The tokens on both sides of that place and the brackets that are open
//! there say what the matter is; the rules pest would have liked to see are only the last resort.

use super::build::Rule;
use super::lex::{Kind, Token, Tokens};
use super::words;
use crate::error::Problem;
use crate::span::Span;
use pest::error::{Error, ErrorVariant, InputLocation};

/// What is around the place of a failure. Spans are those of the source.
struct Context<'s> {
    source: &'s str,
    first: Option<Token>,
    previous: Option<Token>,
    /// The two tokens before `previous`, the nearer one first.
    earlier: [Option<Token>; 2],
    /// The name that carries the marks of which `previous` is one.
    marked: Option<Token>,
    next: Option<Token>,
    /// The brackets that are open, each with the token before it.
    open: Vec<(Token, Option<Token>)>,
    /// The bracket that `previous` closes, likewise.
    closed: Option<(Token, Option<Token>)>,
    /// The first `=` outside of brackets.
    assign: Option<Token>,
    end: usize,
}

pub(super) fn diagnose(error: &Error<Rule>, offset: u32, text: &str, source: &str) -> Box<Problem> {
    let (InputLocation::Pos(place) | InputLocation::Span((place, _))) = error.location;
    let context = Context::new(source, offset as usize, text, offset as usize + place);
    if let ErrorVariant::CustomError { .. } = error.variant {
        let at = Span::new(offset as usize, context.end);
        return Box::new(Problem::NoThread { at, depth: context.open.len() as u32 });
    }
    Box::new(context.problem(error))
}

impl<'s> Context<'s> {
    fn new(source: &'s str, offset: usize, text: &str, place: usize) -> Context<'s> {
        let end = offset + text.len();
        let mut context = Context {
            source,
            first: None,
            previous: None,
            earlier: [None; 2],
            marked: None,
            next: None,
            open: Vec::new(),
            closed: None,
            assign: None,
            end,
        };
        let tokens = Tokens::new(text, 0).map(|token| Token {
            span: Span { start: token.span.start + offset as u32, end: token.span.end + offset as u32 },
            ..token
        });
        for token in tokens {
            context.first = context.first.or(Some(token));
            if token.span.end as usize > place {
                context.next = Some(token);
                break;
            }
            match token.kind {
                Kind::Open => context.open.push((token, context.previous)),
                Kind::Close => context.closed = context.open.pop(),
                // A block has statements of its own.
                Kind::Newline | Kind::Semicolon => context.assign = None,
                Kind::Assign if context.open.iter().all(|(open, _)| open.text(source) == "{") => {
                    context.assign = context.assign.or(Some(token));
                }
                _ => {}
            }
            context.marked = match (token.kind, context.previous) {
                (Kind::Mark, Some(previous)) if previous.kind == Kind::Word => Some(previous),
                (Kind::Mark, _) => context.marked,
                _ => None,
            };
            context.earlier = [context.previous, context.earlier[0]];
            context.previous = Some(token);
        }
        context
    }

    fn text(&self, token: Token) -> &'s str {
        token.text(self.source)
    }

    fn problem(&self, error: &Error<Rule>) -> Problem {
        let after_operand = self.previous.is_some_and(|previous| previous.ends_operand(self.source));
        let Some(next) = self.next else {
            let at = Span::new(self.end, self.end);
            return match self.previous {
                Some(previous) if !after_operand && (previous.kind != Kind::Word || self.wants_value(error)) => {
                    let before = Some((previous.span, self.text(previous).to_string()));
                    Problem::MissingOperand { at, before, found: None }
                }
                _ => Problem::Unexpected { at, found: None, wanted: self.wanted(error) },
            };
        };
        if after_operand { self.after_operand(error, next) } else { self.at_operand(error, next) }
    }

    /// A value is before the place, and what follows does not go on with it.
    fn after_operand(&self, error: &Error<Rule>, next: Token) -> Problem {
        let at = next.span;
        let in_brackets = self.in_brackets();
        match (next.kind, self.text(next)) {
            (Kind::Assign, _) if in_brackets => {
                let left = self.left_operand().text(self.source);
                let right = comparand_after(self.source, at.end as usize).text(self.source);
                if right.contains("..") {
                    return Problem::AssignInBinder { at, mended: format!("{left} in {right}") };
                }
                Problem::AssignInExpression { at, mended: Some(format!("{left} == {right}")) }
            }
            (Kind::Assign, _) => match self.assign {
                Some(first) => Problem::SecondAssign { first: first.span, second: at },
                None => self.unexpected(error, next),
            },
            (Kind::Comma, _) => match self.assign {
                Some(assign) if !in_brackets => {
                    let value = self.source[assign.span.end as usize..self.end].split(['\n', '#', ';', '}']).next();
                    let mended = format!("({})", value.unwrap_or_default().trim());
                    Problem::BareTuple { comma: at, mended }
                }
                _ => self.unexpected(error, next),
            },
            (Kind::Mark, _) => Problem::MisplacedMark { at },
            (Kind::Word, "for" | "in") if self.round_reduction().is_some() => {
                let name = self.round_reduction().unwrap_or_default().to_string();
                Problem::RoundBinders { at, name }
            }
            (Kind::Word, "if") => Problem::ConditionAfterValue { at },
            (Kind::Word, "for") => Problem::RangesWithoutDefinition { at },
            _ if next.starts_operand(self.source) => self.side_by_side(next),
            _ => self.unexpected(error, next),
        }
    }

    fn side_by_side(&self, next: Token) -> Problem {
        let source = self.source;
        let Some(previous) = self.previous else {
            return Problem::Unexpected { at: next.span, found: None, wanted: None };
        };
        let right = operand_after(source, next.span.start as usize);
        let left = self.left_operand();
        let found = Some(self.text(next).to_string());
        if self.declares() && !self.in_brackets() {
            return Problem::Unexpected { at: next.span, found, wanted: Some("`,`") };
        }
        if previous.kind == Kind::Word && words::FOREIGN.contains(&self.text(previous)) {
            return Problem::UselessWord { at: previous.span, word: self.text(previous).to_string() };
        }
        if words::is_function(self.text(previous)) || self.marked.is_some() {
            let function = left.text(source).to_string();
            let mended = format!("{function}({})", right.text(source));
            return Problem::CallWithoutBrackets { name: left, function, argument: next.span, mended };
        }
        // `sin^2(x)`
        if let (Kind::Number, [Some(power), Some(name)]) = (previous.kind, self.earlier)
            && matches!(self.text(power), "^" | "**")
            && words::is_function(self.text(name))
        {
            let function = self.text(name).to_string();
            let argument = right.text(source);
            let argument = argument.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')).unwrap_or(argument);
            let mended = format!("{function}({argument})^{}", self.text(previous));
            return Problem::CallWithoutBrackets { name: name.span, function, argument: next.span, mended };
        }
        if self.text(next) == "{" {
            return Problem::Unexpected { at: next.span, found, wanted: Some("an operator, or `=` before a block") };
        }
        let named = self.closed.and_then(|(_, head)| head).is_some_and(|head| head.ends_operand(source));
        let product = format!("{}*{}", left.text(source), right.text(source));
        match (self.text(previous), self.text(next)) {
            ("]", "(") if named => Problem::SubscriptsThenCall { at: right, subscripts: left },
            (")", "(") if named => Problem::CallOfResult { callee: left, arguments: right, mended: product },
            _ => Problem::ImplicitProduct { left, right: next.span, mended: product },
        }
    }

    /// A value should be at the place, and something else is.
    fn at_operand(&self, error: &Error<Rule>, next: Token) -> Problem {
        let at = next.span;
        let text = self.text(next);
        let before = self.previous.map(|previous| (previous.span, self.text(previous).to_string()));
        let found = Some(text.to_string());
        if let (Kind::Assign, Some(previous)) = (next.kind, self.previous)
            && words::is_reserved(self.text(previous))
        {
            return Problem::ReservedWord { at: previous.span, word: self.text(previous).to_string() };
        }
        match (self.previous.map(|previous| previous.kind), next.kind) {
            (Some(Kind::Open), Kind::Close) => {
                let at = self.previous.map_or(at, |previous| previous.span.to(at));
                Problem::EmptyBrackets { at }
            }
            (Some(Kind::Open | Kind::Comma), Kind::Comma) | (Some(Kind::Comma), Kind::Close) => {
                Problem::MissingArgument { at }
            }
            (_, Kind::Word) if words::is_reserved(text) && !matches!(text, "and" | "or") => {
                Problem::ReservedWord { at, word: text.to_string() }
            }
            (Some(Kind::Open), Kind::Operator | Kind::Word) => Problem::MissingOperand { at, before: None, found },
            _ if self.wants_value(error) => Problem::MissingOperand { at, before, found },
            _ => self.unexpected(error, next),
        }
    }

    fn unexpected(&self, error: &Error<Rule>, next: Token) -> Problem {
        let found = Some(match next.kind {
            Kind::Newline => "end of the line".to_string(),
            _ => self.text(next).to_string(),
        });
        Problem::Unexpected { at: next.span, found, wanted: self.wanted(error) }
    }

    /// The value that ends before the place, as far as its tokens tell.
    fn left_operand(&self) -> Span {
        let Some(previous) = self.previous else { return Span::new(self.end, self.end) };
        match (previous.kind, self.closed) {
            (Kind::Close, Some((open, Some(head)))) if head.kind == Kind::Word && head.ends_operand(self.source) => {
                head.span.to(open.span).to(previous.span)
            }
            (Kind::Close, Some((open, _))) => open.span.to(previous.span),
            _ => self.marked.map_or(previous.span, |name| name.span.to(previous.span)),
        }
    }

    /// The reduction in whose round brackets the place is.
    fn round_reduction(&self) -> Option<&'s str> {
        let (open, head) = self.open.last()?;
        let name = self.text((*head)?);
        (self.text(*open) == "(" && words::is_reduction(name)).then_some(name)
    }

    fn in_brackets(&self) -> bool {
        self.open.last().is_some_and(|(open, _)| self.text(*open) != "{")
    }

    /// The statement begins as a declaration.
    fn declares(&self) -> bool {
        let Some(first) = self.first else { return false };
        let word = self.text(first);
        let mut rest = self.source[first.span.end as usize..self.end].chars();
        matches!(word, "param" | "data" | "index")
            && self.previous != Some(first)
            && rest.next().is_some_and(|c| matches!(c, ' ' | '\t'))
            && self.assign.is_none()
    }

    fn wants_value(&self, error: &Error<Rule>) -> bool {
        positives(error).iter().any(|rule| is_value(*rule))
    }

    /// What pest wanted, in words.
    fn wanted(&self, error: &Error<Rule>) -> Option<&'static str> {
        let rules = positives(error);
        let has = |rule| rules.contains(&rule);
        let wanted = if has(Rule::word_from) {
            "`from` and the start of the loop"
        } else if has(Rule::state) {
            "the state of the loop: a name, or several in `( )`"
        } else if has(Rule::word_do) {
            "`for`, `while` or `do`"
        } else if has(Rule::dots) {
            "`..` or `..=`"
        } else if self.wants_value(error) {
            "a value"
        } else if has(Rule::word_in) {
            "`in` and a range"
        } else if has(Rule::binder) || has(Rule::name) || has(Rule::declared) {
            "a name"
        } else {
            match self.open.last().map(|(open, _)| self.text(*open)) {
                Some("(") => "an operator or `)`",
                Some("[") => "an operator or `]`",
                Some(_) => "an operator, a new line or `}`",
                None if self.declares() => "`,` or a new line",
                None => "an operator or a new line",
            }
        };
        Some(wanted)
    }
}

/// Rules that an expression begins with.
fn is_value(rule: Rule) -> bool {
    matches!(rule, Rule::number | Rule::prefix | Rule::group | Rule::expr | Rule::equation | Rule::statement)
}

fn positives(error: &Error<Rule>) -> &[Rule] {
    match &error.variant {
        ErrorVariant::ParsingError { positives, .. } => positives,
        ErrorVariant::CustomError { .. } => &[],
    }
}

/// Hints look at so many tokens; longer ones are cut for display anyway.
const REACH: usize = 100;

/// The operand that begins at `at`: prefixes, then a token with the brackets that follow it.
pub(super) fn operand_after(source: &str, at: usize) -> Span {
    let mut depth = 0;
    let mut span: Option<Span> = None;
    let mut complete = false;
    for token in Tokens::new(source, at).take(REACH) {
        let opens = token.kind == Kind::Open && token.text(source) != "{";
        let prefix = matches!(token.text(source), "-" | "+" | "not");
        match token.kind {
            Kind::Semicolon => break,
            Kind::Newline | Kind::Comment if depth == 0 => break,
            _ if depth > 0 || !complete || opens || token.kind == Kind::Mark => {}
            _ => break,
        }
        if token.kind == Kind::Close && depth == 0 {
            break;
        }
        match token.kind {
            Kind::Open => depth += 1,
            Kind::Close => depth -= 1,
            _ => {}
        }
        complete = complete || !prefix;
        span = Some(span.map_or(token.span, |span| span.to(token.span)));
    }
    span.unwrap_or(Span::new(at, at))
}

/// What stands after `at` up to the end of a side of a comparison.
pub(super) fn comparand_after(source: &str, at: usize) -> Span {
    let mut depth = 0;
    let mut span: Option<Span> = None;
    for token in Tokens::new(source, at).take(REACH) {
        let ends = match token.kind {
            Kind::Comma | Kind::Newline | Kind::Comment | Kind::Assign | Kind::Close => depth == 0,
            Kind::Semicolon => true,
            Kind::Operator => depth == 0 && matches!(token.text(source), "<" | "<=" | ">" | ">=" | "==" | "!="),
            Kind::Word => depth == 0 && matches!(token.text(source), "and" | "or" | "for" | "while" | "do" | "if"),
            _ => false,
        };
        if ends {
            break;
        }
        match token.kind {
            Kind::Open => depth += 1,
            Kind::Close => depth -= 1,
            _ => {}
        }
        span = Some(span.map_or(token.span, |span| span.to(token.span)));
    }
    span.unwrap_or(Span::new(at, at))
}

/// The text around a sign that the language does not have, with what it has.
pub(super) fn mend_sign(source: &str, sign: Token, previous: Option<Token>) -> Option<String> {
    let right = operand_after(source, sign.span.end as usize).text(source);
    let left = previous.filter(|token| matches!(token.kind, Kind::Word | Kind::Number) && token.ends_operand(source));
    let left = left.map(|token| token.text(source));
    let spelling = words::spelling(sign.text(source));
    match (sign.text(source), spelling, left) {
        ("|", ..) => {
            let mut inner = Tokens::new(source, sign.span.end as usize).take(REACH);
            let end = inner
                .find(|token| matches!(token.kind, Kind::Newline | Kind::Semicolon) || token.text(source) == "|")?;
            let inner = source[sign.span.end as usize..end.span.start as usize].trim();
            (end.text(source) == "|" && !inner.is_empty()).then(|| format!("abs({inner})"))
        }
        ("!", _, Some(left)) => Some(format!("gamma({left} + 1)")),
        (_, Some("not"), _) if !right.is_empty() => Some(format!("not {right}")),
        ("%", _, Some(left)) if !right.is_empty() => Some(format!("mod({left}, {right})")),
        ("√", ..) if !right.is_empty() => Some(format!("sqrt({right})")),
        ("∛", ..) if !right.is_empty() => Some(format!("cbrt({right})")),
        (_, Some(spelling), Some(left)) if spelling.starts_with(['^', '_']) => Some(format!("{left}{spelling}")),
        (_, Some("'" | "''"), Some(left)) => Some(format!("{left}'")),
        (_, Some(operator @ ("*" | "/")), Some(left)) if !right.is_empty() => Some(format!("{left}{operator}{right}")),
        (_, Some(operator @ ("-" | "+" | "=" | "<=" | ">=" | "!=" | "==")), Some(left)) if !right.is_empty() => {
            Some(format!("{left} {operator} {right}"))
        }
        _ => None,
    }
}
