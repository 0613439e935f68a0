//! From the tokens of pest to the tree.
//!
//! What pest found is a list of beginnings and ends of rules. This file goes through it once, with stacks: nodes and
//! values of expressions (`expression.rs`), and one stack for each thing a rule can leave behind. A [`Frame`] remembers how high
//! they were when its rule began; all above belongs to the rule.

use super::expression::Stacks;
use super::names::Names;
use super::{diagnose, target, words};
use crate::ast::*;
use crate::error::{Problem, Warning};
use crate::span::Span;
use pest::{Parser, Token};
use pest_derive::Parser;

#[derive(Parser)]
#[grammar = "../grammar/formula.pest"]
struct Grammar;

#[derive(Default)]
pub(super) struct Builder {
    ast: Ast,
    pub stacks: Stacks,
    names: Names,
    frames: Vec<Frame>,
    /// Where the token that is being read begins.
    token: usize,
    bindings: Vec<(Name, Span)>,
    heads: Vec<Head>,
    trees: Vec<TreeId>,
    dots: Vec<bool>,
    binders: Vec<Binder>,
    loops: Vec<Loop>,
    targets: Vec<Target>,
    roles: Vec<Role>,
    declared: Vec<Declared>,
    statements: Vec<Statement>,
}

/// A rule that has begun.
struct Frame {
    rule: Rule,
    start: usize,
    nodes: usize,
    values: usize,
    operators: usize,
    bindings: usize,
    trees: usize,
    binders: usize,
    targets: usize,
    declared: usize,
    statements: usize,
}

/// The name before `(` or `[`.
struct Head {
    name: Name,
    primes: u32,
    span: Span,
    condition: Option<TreeId>,
}

#[derive(Default)]
struct Loop {
    counter: Option<Binder>,
    condition: Option<TreeId>,
}

/// Parses one top-level statement: `text`, which begins at `offset` of the source.
pub(super) fn statement(builder: &mut Builder, text: &str, offset: u32, source: &str) -> Result<(), Box<Problem>> {
    let pairs = Grammar::parse(Rule::line, text).map_err(|error| diagnose::diagnose(&error, offset, text, source))?;
    let offset = offset as usize;
    for token in pairs.tokens() {
        let done = match token {
            Token::Start { rule, pos } => {
                builder.begin(rule, offset + pos.pos());
                Ok(())
            }
            Token::End { rule, pos } => builder.end(rule, offset + pos.pos(), source),
        };
        if done.is_err() {
            builder.clear();
            return done;
        }
    }
    Ok(())
}

impl Builder {
    pub fn finish(self, max_warnings: usize) -> (Ast, Vec<Statement>, Vec<Warning>) {
        let warnings = self.names.lookalikes(max_warnings);
        (Ast { names: self.names.texts, ..self.ast }, self.statements, warnings)
    }

    /// Forgets what a bad statement left behind.
    fn clear(&mut self) {
        let ast = std::mem::take(&mut self.ast);
        let names = std::mem::take(&mut self.names);
        let mut statements = std::mem::take(&mut self.statements);
        // The statements of its blocks are above those of the program.
        statements.truncate(self.frames.first().map_or(0, |frame| frame.statements));
        *self = Builder { ast, names, statements, ..Builder::default() };
    }

    fn begin(&mut self, rule: Rule, start: usize) {
        if is_token(rule) {
            self.token = start;
            return;
        }
        match rule {
            Rule::arguments | Rule::reduction => self.take_head(),
            Rule::iterate => self.loops.push(Loop::default()),
            Rule::clause if self.inside() == Some(Rule::array) => self.finish_tree(),
            _ => {}
        }
        self.frames.push(Frame {
            rule,
            start,
            nodes: self.stacks.nodes.len(),
            values: self.stacks.values.len(),
            operators: self.stacks.operators.len(),
            bindings: self.bindings.len(),
            trees: self.trees.len(),
            binders: self.binders.len(),
            targets: self.targets.len(),
            declared: self.declared.len(),
            statements: self.statements.len(),
        });
    }

    fn inside(&self) -> Option<Rule> {
        self.frames.last().map(|frame| frame.rule)
    }

    fn end(&mut self, rule: Rule, end: usize, source: &str) -> Result<(), Box<Problem>> {
        if is_token(rule) {
            return self.token(rule, Span::new(self.token, end), source);
        }
        let Some(frame) = self.frames.pop() else { return Ok(()) };
        let span = Span::new(frame.start, end);
        let count = (self.stacks.values.len() - frame.values) as u32;
        match rule {
            Rule::expr => {
                self.stacks.finish(frame.operators);
                if matches!(
                    self.inside(),
                    Some(Rule::shape | Rule::binder | Rule::condition | Rule::reduction | Rule::iterate | Rule::limit)
                ) {
                    self.move_tree(frame.nodes, frame.values);
                }
            }
            Rule::group if count == 1 => {
                if let Some(value) = self.stacks.values.last_mut() {
                    value.span = span;
                    value.bracketed = true;
                }
            }
            Rule::group => self.gather(&frame, NodeKind::Tuple(count), span),
            Rule::array => {
                if self.trees.len() > frame.trees {
                    let binders = self.binders.split_off(frame.binders);
                    let Some(body) = self.trees.pop() else { return Ok(()) };
                    self.push_form(Form::Comprehension { body, binders }, span);
                } else {
                    self.gather(&frame, NodeKind::Array(count), span);
                }
            }
            Rule::arguments => {
                let Some(head) = self.heads.pop() else { return Ok(()) };
                let whole = head.span.to(span);
                let kind = if self.names.texts[head.name.0 as usize] == "if" {
                    match (head.primes, count) {
                        (0, 3) => NodeKind::If,
                        (0, _) => return Err(Box::new(Problem::IfArguments { at: whole, found: count })),
                        _ => return Err(Box::new(Problem::MarkOnIf { at: head.span })),
                    }
                } else {
                    NodeKind::Call { name: head.name, primes: head.primes, args: count, callee: head.span }
                };
                self.gather(&frame, kind, whole);
            }
            Rule::subscript => {
                let base = self.stacks.values.get(frame.values.wrapping_sub(1)).map_or(span, |base| base.span);
                self.stacks.values.truncate(frame.values.saturating_sub(1));
                self.stacks.push(NodeKind::Subscript { subscripts: count }, base.to(span));
            }
            Rule::reduction => {
                let Some(head) = self.heads.pop() else { return Ok(()) };
                let binders = self.binders.split_off(frame.binders);
                self.check_reduction(&head, &binders)?;
                let Some(body) = self.trees.pop() else { return Ok(()) };
                let form = Form::Reduce { reduction: head.name, binders, condition: head.condition, body };
                self.push_form(form, head.span.to(span));
            }
            Rule::condition => {
                let condition = self.trees.pop();
                if let Some(head) = self.heads.last_mut() {
                    head.condition = condition;
                }
            }
            Rule::binder => {
                let high = if self.trees.len() > frame.trees { self.trees.pop() } else { None };
                let low = if self.trees.len() > frame.trees { self.trees.pop() } else { None };
                let range = match (low, high) {
                    (Some(low), Some(high)) => {
                        let closed = self.dots.pop().unwrap_or_default();
                        let span = self.ast.tree_span(low).to(self.ast.tree_span(high));
                        Some(Range { low, high, closed, span })
                    }
                    _ => None,
                };
                let Some((name, span)) = self.bindings.pop() else { return Ok(()) };
                self.binders.push(Binder { name, span, range });
            }
            Rule::counter => {
                let (Some(binder), Some(turns)) = (self.binders.pop(), self.loops.last_mut()) else { return Ok(()) };
                if turns.counter.is_some() {
                    return Err(Box::new(Problem::SecondLimit { at: span, word: "for" }));
                }
                if binder.range.is_none() {
                    let name = self.names.texts[binder.name.0 as usize].clone();
                    return Err(Box::new(Problem::CounterWithoutRange { at: binder.span, name }));
                }
                turns.counter = Some(binder);
            }
            Rule::limit => {
                let (condition, Some(turns)) = (self.trees.pop(), self.loops.last_mut()) else { return Ok(()) };
                if turns.condition.is_some() {
                    return Err(Box::new(Problem::SecondLimit { at: span, word: "while" }));
                }
                turns.condition = condition;
            }
            Rule::iterate => {
                let Some(Loop { counter, condition }) = self.loops.pop() else { return Ok(()) };
                if counter.is_none() && condition.is_none() {
                    let word = Span::new(frame.start, frame.start + "iterate".len());
                    return Err(Box::new(Problem::EndlessIterate { at: word }));
                }
                let (Some(body), Some(start)) = (self.trees.pop(), self.trees.pop()) else { return Ok(()) };
                let state = self.bindings.split_off(frame.bindings);
                self.push_form(Form::Iterate { state, start, counter, condition, body }, span);
            }
            Rule::block => {
                let block = BlockId(self.ast.blocks.len() as u32);
                let statements = self.statements.split_off(frame.statements);
                self.ast.blocks.push(Block { statements, span });
                self.stacks.push(NodeKind::Block(block), span);
            }
            Rule::declared => {
                let shape = self.trees.split_off(frame.trees);
                let Some((name, span)) = self.bindings.pop() else { return Ok(()) };
                self.declared.push(Declared { name, span, shape });
            }
            Rule::declaration => {
                let (items, Some(role)) = (self.declared.split_off(frame.declared), self.roles.pop()) else {
                    return Ok(());
                };
                if self.frames.iter().any(|frame| frame.rule == Rule::block) {
                    return Err(Box::new(Problem::DeclarationInBlock { at: span }));
                }
                self.statements.push(Statement { kind: StatementKind::Declare { role, items }, span });
            }
            Rule::equation => self.equation(&frame, count, span)?,
            _ => {}
        }
        Ok(())
    }

    fn equation(&mut self, frame: &Frame, count: u32, span: Span) -> Result<(), Box<Problem>> {
        if count > 1 {
            self.gather(frame, NodeKind::Tuple(count), span);
        }
        self.move_tree(frame.nodes, frame.values);
        let Some(value) = self.trees.pop() else { return Ok(()) };
        let target = if self.targets.len() > frame.targets { self.targets.pop() } else { None };
        let kind = match target {
            None => StatementKind::Expression(value),
            Some(target) => {
                let ranges = self.binders.split_off(frame.binders);
                if let (Some(binder), false) = (ranges.first(), matches!(target, Target::Element { .. })) {
                    let name = match &target {
                        Target::Name(name, _) => self.names.texts[name.0 as usize].clone(),
                        _ => "z".to_string(),
                    };
                    return Err(Box::new(Problem::RangesWithoutElement { at: binder.span, name }));
                }
                StatementKind::Define { target, value, ranges }
            }
        };
        self.statements.push(Statement { kind, span });
        Ok(())
    }

    fn token(&mut self, rule: Rule, span: Span, source: &str) -> Result<(), Box<Problem>> {
        let text = span.text(source);
        match rule {
            Rule::number => {
                let kind = number(text).ok_or_else(|| Box::new(Problem::NumberTooLarge { at: span }))?;
                self.stacks.push(kind, span);
            }
            Rule::name => {
                let word = text.trim_end_matches('\'');
                let primes = (text.len() - word.len()) as u32;
                let name = self.names.intern(word, span);
                if self.inside() == Some(Rule::expr) {
                    self.stacks.push(NodeKind::Name { name, primes }, span);
                } else if primes > 0 {
                    return Err(Box::new(Problem::MisplacedMark { at: span }));
                } else {
                    self.bindings.push((name, span));
                }
            }
            Rule::prefix | Rule::infix => {
                let base = self.frames.last().map_or(0, |frame| frame.operators);
                if rule == Rule::prefix {
                    self.stacks.prefix(text, span, base, source)?;
                } else {
                    self.stacks.infix(text, span, base, source)?;
                }
            }
            Rule::assign => {
                let (nodes, values) = self.frames.last().map_or((0, 0), |frame| (frame.nodes, frame.values));
                let target = target::take(self, nodes, values, span, source)?;
                self.targets.push(target);
            }
            Rule::dots => self.dots.push(text == "..="),
            Rule::role => self.roles.push(match text {
                "param" => Role::Param,
                "data" => Role::Data,
                _ => Role::Index,
            }),
            _ => {}
        }
        Ok(())
    }

    /// The name that was just pushed is not a value: arguments or binders follow.
    fn take_head(&mut self) {
        self.stacks.values.pop();
        if let Some(Node { kind: NodeKind::Name { name, primes }, span }) = self.stacks.nodes.pop() {
            self.heads.push(Head { name, primes, span, condition: None });
        }
    }

    fn check_reduction(&self, head: &Head, binders: &[Binder]) -> Result<(), Box<Problem>> {
        let name = &self.names.texts[head.name.0 as usize];
        if head.primes > 0 {
            return Err(Box::new(Problem::MisplacedMark { at: head.span }));
        }
        if !words::is_reduction(name) {
            let nearest = crate::error::nearest(name, words::REDUCTIONS.iter().copied()).map(str::to_string);
            return Err(Box::new(Problem::NotReduction { at: head.span, name: name.clone(), nearest }));
        }
        if let ("argmax" | "argmin", Some(second)) = (name.as_str(), binders.get(1)) {
            return Err(Box::new(Problem::OneIndex { at: second.span, name: name.clone() }));
        }
        Ok(())
    }

    /// Makes one value of those that belong to the frame.
    fn gather(&mut self, frame: &Frame, kind: NodeKind, span: Span) {
        self.stacks.values.truncate(frame.values);
        self.stacks.push(kind, span);
    }

    fn push_form(&mut self, form: Form, span: Span) {
        let id = FormId(self.ast.forms.len() as u32);
        self.ast.forms.push(form);
        self.stacks.push(NodeKind::Form(id), span);
    }

    /// The expression that is the only one of the innermost frame becomes a tree.
    fn finish_tree(&mut self) {
        if let Some((nodes, values)) = self.frames.last().map(|frame| (frame.nodes, frame.values)) {
            self.move_tree(nodes, values);
        }
    }

    fn move_tree(&mut self, nodes: usize, values: usize) {
        let tree = self.copy_tree(nodes..self.stacks.nodes.len());
        self.stacks.nodes.truncate(nodes);
        self.stacks.values.truncate(values);
        self.trees.push(tree);
    }

    /// Unfinished nodes as a tree of its own.
    pub fn copy_tree(&mut self, nodes: std::ops::Range<usize>) -> TreeId {
        let start = self.ast.nodes.len() as u32;
        self.ast.nodes.extend_from_slice(&self.stacks.nodes[nodes]);
        let tree = TreeId(self.ast.trees.len() as u32);
        self.ast.trees.push(start..self.ast.nodes.len() as u32);
        tree
    }
}

/// Rules that have nothing inside.
fn is_token(rule: Rule) -> bool {
    matches!(
        rule,
        Rule::name
            | Rule::number
            | Rule::prefix
            | Rule::infix
            | Rule::assign
            | Rule::dots
            | Rule::role
            | Rule::word_for
            | Rule::word_in
            | Rule::word_if
            | Rule::word_from
            | Rule::word_while
            | Rule::word_do
            | Rule::word_iterate
            | Rule::EOI
    )
}

/// The value of a literal, unless no double can hold it.
fn number(text: &str) -> Option<NodeKind> {
    let plain = if text.contains('_') { text.replace('_', "") } else { text.to_string() };
    if let Ok(value) = plain.parse::<i64>() {
        return Some(NodeKind::Integer(value));
    }
    plain.parse::<f64>().ok().filter(|value| value.is_finite()).map(NodeKind::Number)
}
