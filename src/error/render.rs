//! Lays a report out in the manner of rustc, in bounded space however long the lines of the text are.

use super::{Level, Report};
use crate::span::{Span, line_column};
use annotate_snippets::{AnnotationKind, Group, Level as Tag, Origin, Renderer, Snippet};
use std::ops::Range;

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Style {
    #[default]
    Plain,
    /// With colours, as escape sequences of a terminal.
    Colour,
}

/// So many bytes of a line are shown at most; of a longer one, what is around the place.
const WIDTH: usize = 140;
/// So many of them before the place.
const LEAD: usize = 60;
/// So many messages are shown of one text at most.
const SHOWN: usize = 20;
/// Two places are shown in one excerpt when they are at most so many lines apart.
const REACH: usize = 10_000;

/// One message, without a newline at its end.
pub fn render(report: &Report, level: Level, source: &str, source_name: &str, style: Style) -> String {
    let at = clamp(report.at, source);
    let (line, column) = line_column(source, at.start);
    let other = report.other.as_ref().map(|(span, label)| (clamp(*span, source), label));

    let excerpt = Excerpt::of(source, (at, line), other.map(|(span, _)| (span, line_column(source, span.start).0)));
    let mut marks = vec![AnnotationKind::Primary.span(excerpt.primary.clone()).label(label(&report.label))];
    let mut aside = None;
    match (other, &excerpt.other) {
        (Some((_, text)), Some(range)) => marks.push(AnnotationKind::Context.span(range.clone()).label(label(text))),
        (Some((span, text)), None) => {
            let (line, column) = line_column(source, span.start);
            aside = Some(format!("{text}: {source_name}:{line}:{column}"));
        }
        (None, _) => {}
    }

    let snippet = Snippet::source(excerpt.text.as_str()).line_start(excerpt.first_line).annotations(marks);
    let mut group = Group::with_title(tag(level).primary_title(report.message.as_str()))
        .element(Origin::path(source_name).line(line).char_column(column))
        .element(snippet);
    if let Some(aside) = aside {
        group = group.element(Tag::NOTE.message(aside));
    }
    for help in &report.help {
        group = group.element(Tag::HELP.message(help.as_str()));
    }
    let text = renderer(style).render(&[group]);
    // The renderer announces a part of a file it believes to be another than that of the line above.
    let is_noise = |(number, line): &(usize, &str)| *number == 3 && line.contains(":::");
    let lines = text.lines().enumerate().filter(|line| !is_noise(line)).map(|(_, line)| line);
    lines.collect::<Vec<_>>().join("\n")
}

/// A message about no place in a text.
pub fn render_plain(message: &str, help: &[String], level: Level, style: Style) -> String {
    let group = Group::with_title(tag(level).primary_title(message));
    let group = help.iter().fold(group, |group, help| group.element(Tag::HELP.message(help.as_str())));
    renderer(style).render(&[group])
}

/// Joins messages; of many, only the first are shown.
pub fn join(messages: impl ExactSizeIterator<Item = String>) -> String {
    let more = messages.len().saturating_sub(SHOWN);
    let mut shown: Vec<String> = messages.take(SHOWN).collect();
    if more > 0 {
        shown.push(format!("… and {more} more"));
    }
    shown.join("\n\n")
}

fn tag(level: Level) -> Tag<'static> {
    match level {
        Level::Error => Tag::ERROR,
        Level::Warning => Tag::WARNING,
        Level::Note => Tag::NOTE,
    }
}

fn renderer(style: Style) -> Renderer {
    match style {
        Style::Plain => Renderer::plain(),
        Style::Colour => Renderer::styled(),
    }
    .term_width(4 * WIDTH)
}

fn label(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

/// A span inside the text, on boundaries of characters.
fn clamp(span: Span, source: &str) -> Span {
    let start = source.floor_char_boundary(span.start as usize);
    let end = source.ceil_char_boundary((span.end as usize).max(start));
    Span::new(start, end.max(start))
}

/// The lines of both places, each cut to the width, and where the places are in that text.
struct Excerpt {
    text: String,
    first_line: usize,
    primary: Range<usize>,
    /// Missing where the second place is too far from the first to be shown with it.
    other: Option<Range<usize>>,
}

impl Excerpt {
    fn of(source: &str, (at, line): (Span, usize), other: Option<(Span, usize)>) -> Excerpt {
        let other = other.filter(|(span, other_line)| {
            let near = span.to(at).end - span.to(at).start <= (WIDTH - LEAD) as u32;
            if *other_line == line {
                near || line_range(source, at.start).len() <= WIDTH
            } else {
                line.abs_diff(*other_line) <= REACH
            }
        });
        let (first_line, last_line) = match other {
            Some((_, other_line)) => (line.min(other_line), line.max(other_line)),
            None => (line, line),
        };
        let mut excerpt = Excerpt { text: String::new(), first_line, primary: 0..0, other: None };
        let mut next = line_range(source, other.map_or(at, |(span, _)| span.to(at)).start).start;
        for number in first_line..=last_line {
            let range = line_range(source, next as u32);
            next = range.end + 1;
            let on_line = [(number == line).then_some(at), other.and_then(|(span, n)| (n == number).then_some(span))];
            let Some(focus) = on_line.iter().flatten().copied().reduce(Span::to) else {
                // Lines without a place are folded; only of a small gap the renderer shows all.
                if last_line - first_line <= 4 {
                    excerpt.push_window(source, range.clone(), range.start);
                }
                excerpt.text.push('\n');
                continue;
            };
            let (window, offset) = excerpt.push_window(source, range, focus.start as usize);
            let place = |span: Span| {
                let inside = |at: u32| (at as usize).clamp(window.start, window.end) - window.start + offset;
                inside(span.start)..inside(span.end)
            };
            if let Some(span) = on_line[0] {
                excerpt.primary = place(span);
            }
            excerpt.other = on_line[1].map(place).or(excerpt.other);
            excerpt.text.push('\n');
        }
        excerpt.text.pop();
        excerpt
    }

    /// Adds the part of a line that is around `focus`; gives that part and where it begins in the excerpt.
    fn push_window(&mut self, source: &str, line: Range<usize>, focus: usize) -> (Range<usize>, usize) {
        let mut window = line.clone();
        if line.len() > WIDTH {
            let start = focus.saturating_sub(LEAD).clamp(line.start, line.end);
            window.start = source.floor_char_boundary(start).max(line.start);
            window.end = source.floor_char_boundary((window.start + WIDTH).min(line.end));
        }
        if window.start > line.start {
            self.text.push('…');
        }
        let offset = self.text.len();
        self.text.push_str(&source[window.clone()]);
        if window.end < line.end {
            self.text.push('…');
        }
        (window, offset)
    }
}

/// The line that holds a place, without its end.
fn line_range(source: &str, at: u32) -> Range<usize> {
    let at = source.floor_char_boundary(at as usize);
    let start = source[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let end = source[at..].find('\n').map_or(source.len(), |len| at + len);
    start..source[..end].strip_suffix('\r').map_or(end, |_| end - 1).max(at)
}
