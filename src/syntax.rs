//! The front end: text to [`Ast`].
//!
//! First `layout` splits the text into statements and makes plain what is white space; then pest parses them one
//! after the other with `grammar/formula.pest`; `build` turns what pest found into the postorder tree; where pest finds
//! nothing, `diagnose` says why. A bad statement does not keep the others from being checked.
//!
//! Time is linear in the text. The only recursion is pest's, over brackets and `iterate`; `layout` measures it,
//! and what is deep is parsed on a thread whose stack has the size for it.

use crate::ast::{Ast, Block, BlockId, Statement, StatementKind};
use crate::error::{FormulaError, Problem, Warning};
use crate::span::Span;

mod build;
mod diagnose;
mod expression;
mod layout;
mod lex;
mod names;
mod target;
mod words;

pub(crate) use words::REDUCTIONS;

/// What a text may ask for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Length of the text.
    pub bytes: usize,
    /// Brackets in brackets, and `iterate` in `iterate`.
    pub depth: u32,
    /// So many problems are reported at most.
    pub problems: usize,
    /// Operations of the program with its function calls expanded.
    pub operations: usize,
    /// Elements of all arrays together, arguments among them.
    pub elements: usize,
    /// Turns of a `while` that has no `for`.
    pub turns: i64,
    /// Turns of all loops that a call of a compiled program makes together, in its derivatives too. How many there can be is found before
    /// the call, from the sizes and from what is passed, so it costs loops nothing; a `while` counts with its limit, and a range whose
    /// ends can't be bounded is too long. No limit: `u64::MAX`, the default.
    pub work: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            bytes: 64 << 20,
            depth: 20_000,
            problems: 100,
            operations: 3_000_000,
            elements: 1 << 31,
            turns: 100_000,
            work: u64::MAX,
        }
    }
}

/// Parses a program. On failure there is at least one problem.
pub fn parse(source: &str, limits: &Limits) -> Result<(Ast, Vec<Warning>), Vec<Problem>> {
    // Spans have 32 bits.
    let limit = limits.bytes.min(u32::MAX as usize - 1);
    if source.len() > limit {
        return Err(vec![Problem::TooLong { bytes: source.len(), limit }]);
    }
    let layout = layout::split(source, limits);
    let deepest = layout.statements.iter().max_by_key(|statement| statement.depth);
    match deepest {
        Some(deepest) if deepest.depth > DEPTH_WITHOUT_THREAD => {
            let stack = STACK_BASE + STACK_PER_LEVEL * deepest.depth as usize;
            let refused = Problem::NoThread { at: deepest.span, depth: deepest.depth };
            std::thread::scope(|scope| {
                let builder = std::thread::Builder::new().stack_size(stack);
                let parser = builder.spawn_scoped(scope, || parse_statements(source, &layout, limits));
                parser.ok().and_then(|parser| parser.join().ok()).unwrap_or(Err(vec![refused]))
            })
        }
        _ => parse_statements(source, &layout, limits),
    }
}

/// Parses a rule of the operator table: one expression.
pub(crate) fn parse_rule(text: &str) -> Result<Ast, String> {
    match parse(text, &Limits::default()) {
        Ok((ast, _)) => Ok(ast),
        Err(problems) => Err(problems.iter().map(|problem| problem.to_string()).collect::<Vec<_>>().join("; ")),
    }
}

/// The text in these bytes, or an error that says where it is not UTF-8.
pub fn source_from_bytes<'b>(bytes: &'b [u8], source_name: &str) -> Result<&'b str, Box<FormulaError>> {
    std::str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to();
        let byte = bytes.get(at).copied().unwrap_or_default();
        let problem = Problem::NotUtf8 { at: Span::new(at, at), byte };
        // What can be read, to the end of the line.
        let end = bytes[at..].iter().position(|&byte| byte == b'\n').map_or(bytes.len(), |len| at + len);
        Box::new(FormulaError::new(source_name, &String::from_utf8_lossy(&bytes[..end]), vec![problem]))
    })
}

/// Why a text is no number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LiteralFault {
    NoNumber,
    TooLarge,
}

/// The number that a text is by itself: one of the language's, with a sign if need be, or `inf` or `nan`.
///
/// ```
/// assert_eq!(chainrule::syntax::literal("-1_000.5"), Ok(-1000.5));
/// assert!(chainrule::syntax::literal("2*pi").is_err());
/// ```
///
/// # Errors
/// Where it is anything else, or larger than any double.
pub fn literal(text: &str) -> Result<f64, LiteralFault> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    match digits {
        "inf" => return Ok(sign * f64::INFINITY),
        "nan" | "NaN" => return Ok(f64::NAN),
        _ => {}
    }
    let is_number = lex::Tokens::new(digits, 0)
        .next()
        .is_some_and(|token| token.kind == lex::Kind::Number && token.span == Span::new(0, digits.len()));
    if !is_number {
        return Err(LiteralFault::NoNumber);
    }
    let value: f64 = digits.replace('_', "").parse().map_err(|_| LiteralFault::NoNumber)?;
    if value.is_finite() { Ok(sign * value) } else { Err(LiteralFault::TooLarge) }
}

/// A name as it is compared and printed: in NFKC form.
pub fn canonical_name(name: &str) -> std::borrow::Cow<'_, str> {
    names::canonical(name)
}

/// Texts less deep are parsed on the thread of the caller.
const DEPTH_WITHOUT_THREAD: u32 = 32;
/// More than twice what pest needs of the stack for one level: measured were 7 kB without optimization, 1 kB with it.
/// Should it need more yet, it stops in time and the text is refused.
const STACK_PER_LEVEL: usize = if cfg!(debug_assertions) { 16 << 10 } else { 4 << 10 };
const STACK_BASE: usize = 1 << 20;

fn parse_statements(
    source: &str,
    layout: &layout::Layout,
    limits: &Limits,
) -> Result<(Ast, Vec<Warning>), Vec<Problem>> {
    let mut problems = layout.problems.clone();
    let mut builder = build::Builder::default();
    for statement in &layout.statements {
        if problems.len() >= limits.problems {
            break;
        }
        let text = statement.span.text(&layout.text);
        if let Err(problem) = build::statement(&mut builder, text, statement.span.start, source) {
            problems.push(*problem);
        }
    }
    if let (0, 0) = (layout.statements.len(), problems.len()) {
        problems.push(empty(source));
    }
    let (mut ast, statements, warnings) = builder.finish(limits.problems);
    if problems.is_empty() {
        problems.extend(unused_values(&ast, &statements, source).take(limits.problems));
    }
    if !problems.is_empty() {
        problems.sort_by_key(Problem::span);
        problems.truncate(limits.problems.max(1));
        return Err(problems);
    }
    let span = statements.iter().map(|statement| statement.span).reduce(Span::to).unwrap_or_default();
    ast.root = Some(BlockId(ast.blocks.len() as u32));
    ast.blocks.push(Block { statements, span });
    Ok((ast, warnings))
}

fn empty(source: &str) -> Problem {
    let end = source.trim_end().len();
    // After the last comment; an empty text is at 1:1.
    Problem::Empty { at: Span::new(end, end), only_comments: source.contains('#') }
}

/// Values that stand before the last statement of a block mean nothing; most are lines torn apart.
fn unused_values<'a>(ast: &'a Ast, program: &'a [Statement], source: &'a str) -> impl Iterator<Item = Problem> + 'a {
    let blocks = ast.blocks.iter().map(|block| block.statements.as_slice()).chain([program]);
    blocks.flat_map(|statements| statements.windows(2)).filter_map(|pair| {
        let StatementKind::Expression(_) = pair[0].kind else { return None };
        let below = pair[1].span;
        let signed = below.text(source).starts_with(['+', '-']);
        let sign_below = signed.then_some(Span { start: below.start, end: below.start + 1 });
        Some(Problem::UnusedValue { at: pair[0].span, sign_below })
    })
}
