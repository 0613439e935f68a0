//! The computation of a function at a point, as lecture notes on backpropagation draw it.
//!
//! A node is an argument or an operation; a constant is written into the operation that uses it. On each edge stands the value that
//! goes forward along it, and below it in another colour what comes back: how much the result grows with this value along
//! this edge. What comes back along all edges of a value adds up to its adjoint, which stands below a node that has several
//! edges, and below arguments: there it is the derivative.
//!
//! A computation with arrays is drawn by what has a name, each with its extents above and its whole adjoint below.

use std::fmt::Write as _;

use hashbrown::{HashMap, HashSet};

use super::layout::{self, Edge, Layout};
use crate::array::Array;
use crate::inspect::{self, Step};
use crate::ir::{Func, Inst, Val};
use crate::ops::{Op, Type};

/// More nodes are no picture.
pub const MOST_NODES: usize = 200;

/// A graph that is too large to be drawn.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the graph has {nodes} nodes, and a picture has room for {MOST_NODES}")]
pub struct TooLarge {
    pub nodes: usize,
}

const FORWARD: &str = "#0072B2";
/// One colour a result.
const BACK: [&str; 4] = ["#D55E00", "#009E73", "#A6377D", "#8A6500"];
/// The width of a letter at the size of the labels, a little more than sans-serif fonts have on average.
const LETTER: f64 = 7.0;
const LINE: f64 = 14.0;
const MARGIN: f64 = 16.0;
const HEAD: f64 = 30.0;

/// Draws the computation of a function at a point as SVG. `names` are what the user calls some values.
///
/// # Errors
/// [`TooLarge`] beyond [`MOST_NODES`].
pub fn computation(func: &Func, names: &[(String, Val)], args: &[f64]) -> Result<String, TooLarge> {
    let steps = inspect::trace(func, args);
    let nodes = steps.len() + func.results.len();
    if nodes > MOST_NODES {
        return Err(TooLarge { nodes });
    }
    Ok(Drawing::of(func, names, &steps, inspect::uses(func, args)).svg())
}

/// Draws the computation of a function with arrays by what has a name: arguments, `names`, results. An array is its extents and its
/// elements, or their least and greatest; an argument is its elements, row by row.
///
/// # Errors
/// [`TooLarge`] beyond [`MOST_NODES`].
pub fn survey(func: &Func, names: &[(String, Val)], args: &[&[f64]]) -> Result<String, TooLarge> {
    let params = func.vals().filter(|&val| matches!(func.inst(val), Inst::Param(_)));
    let mut shown: Vec<(Val, String)> = Vec::new();
    let named = params.map(|val| (val, String::new())).chain(names.iter().map(|(name, val)| (*val, name.clone())));
    for (val, name) in named.chain(func.results.iter().map(|result| (result.value, String::new()))) {
        if func.inst(val).is_made() || matches!(func.inst(val), Inst::Param(_)) {
            match shown.iter_mut().find(|(known, _)| *known == val) {
                Some((_, known)) if known.is_empty() => *known = name,
                Some(_) => {}
                None => shown.push((val, name)),
            }
        }
    }
    let nodes = shown.len() + func.results.len();
    if nodes > MOST_NODES {
        return Err(TooLarge { nodes });
    }
    Ok(Drawing::by_name(func, &shown, args).svg())
}

struct Drawing {
    nodes: Vec<Node>,
    edges: Vec<Flow>,
    /// The results by name, if there are several.
    results: Vec<String>,
}

struct Node {
    shape: Shape,
    label: String,
    /// What the user calls it.
    name: String,
    /// Its adjoints, where its edges don't tell them.
    adjoints: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Argument,
    Operation,
    Result,
}

struct Flow {
    from: usize,
    to: usize,
    value: String,
    adjoints: Vec<String>,
}

impl Drawing {
    fn of(func: &Func, names: &[(String, Val)], steps: &[Step], uses: Vec<inspect::Use>) -> Drawing {
        let n_adjoints = func.results.len().min(BACK.len());
        let shown =
            |adjoints: &[f64]| adjoints.iter().take(n_adjoints).map(|&adjoint| number(adjoint)).collect::<Vec<_>>();
        let places: HashMap<Val, usize> = steps.iter().enumerate().map(|(place, step)| (step.val, place)).collect();
        let value = |step: &Step| match func.ty(step.val) {
            Type::Bool => (step.value != 0.0).to_string(),
            _ => number(step.value),
        };
        let mut edges: Vec<Flow> = Vec::new();
        for used in &uses {
            if let (Some(&from), Some(&to)) = (places.get(&used.of), places.get(&used.by)) {
                let flows_back = func.ty(used.of) == Type::F64;
                let adjoints = if flows_back { shown(&used.adjoints) } else { Vec::new() };
                edges.push(Flow { from, to, value: value(&steps[from]), adjoints });
            }
        }
        let single = func.results.len() == 1;
        let mut nodes: Vec<Node> = steps.iter().map(|step| operation(func, step, names)).collect();
        for (index, result) in func.results.iter().enumerate() {
            let name = if single || result.name.is_empty() { "f".to_owned() } else { result.name.clone() };
            let mut node = Node { shape: Shape::Result, label: name, name: String::new(), adjoints: Vec::new() };
            match places.get(&result.value) {
                Some(&from) => {
                    let one = |of: usize| if of == index { "1".to_owned() } else { "0".to_owned() };
                    let adjoints = (0..n_adjoints).map(one).collect();
                    edges.push(Flow { from, to: nodes.len(), value: value(&steps[from]), adjoints });
                }
                None => _ = write!(node.label, " = {}", func.constant(result.value).map_or_else(String::new, number)),
            }
            nodes.push(node);
        }
        for (place, step) in steps.iter().enumerate().filter(|(_, step)| func.ty(step.val) == Type::F64) {
            if step.op.is_none() || edges.iter().filter(|edge| edge.from == place).count() > 1 {
                nodes[place].adjoints = shown(&step.adjoints);
            }
        }
        let results = func.results.iter().take(n_adjoints).filter(|_| !single).map(|result| result.name.clone());
        Drawing { nodes, edges, results: results.collect() }
    }

    fn by_name(func: &Func, shown: &[(Val, String)], args: &[&[f64]]) -> Drawing {
        let vals: Vec<Val> = shown.iter().map(|(val, _)| *val).collect();
        let sights = inspect::survey(func, args, &vals);
        let place = |val: Val| vals.iter().position(|&known| known == val);
        let mut edges: Vec<Flow> = Vec::new();
        let mut nodes: Vec<Node> = Vec::new();
        for (to, ((val, name), sight)) in shown.iter().zip(&sights).enumerate() {
            let adjoints = sight.adjoints.iter().take(BACK.len()).flatten().map(summary).collect();
            let label = match func.inst(*val) {
                Inst::Param(index) => func.params[index as usize].name.clone(),
                _ if !name.is_empty() => name.clone(),
                inst => inst.op().map_or("loop".to_owned(), |op| op.name().to_owned()),
            };
            let shape = if matches!(func.inst(*val), Inst::Param(_)) { Shape::Argument } else { Shape::Operation };
            nodes.push(Node { shape, label, name: extents(&sight.value), adjoints });
            let (mut seen, mut stack) = (HashSet::new(), func.sources(*val));
            while let Some(source) = stack.pop() {
                if !seen.insert(source) {
                    continue;
                }
                match place(source) {
                    Some(from) => {
                        edges.push(Flow { from, to, value: summary(&sights[from].value), adjoints: Vec::new() });
                    }
                    None => stack.extend(func.sources(source)),
                }
            }
        }
        let single = func.results.len() == 1;
        for result in &func.results {
            let label = if single || result.name.is_empty() { "f".to_owned() } else { result.name.clone() };
            if let Some(from) = place(result.value) {
                let value = summary(&sights[from].value);
                edges.push(Flow { from, to: nodes.len(), value, adjoints: Vec::new() });
            }
            nodes.push(Node { shape: Shape::Result, label, name: String::new(), adjoints: Vec::new() });
        }
        edges.sort_by_key(|edge| (edge.from, edge.to));
        let numbers = func.results.iter().filter(|result| !func.is_array(result.value)).take(BACK.len());
        let results = numbers.filter(|_| !single).map(|result| result.name.clone()).collect();
        Drawing { nodes, edges, results }
    }

    fn svg(&self) -> String {
        let sizes: Vec<layout::Size> = self.nodes.iter().map(Node::size).collect();
        let edges: Vec<Edge> =
            self.edges.iter().map(|flow| Edge { from: flow.from, to: flow.to, label: flow.size() }).collect();
        let layout = layout::layout(&sizes, &edges);
        let mut text = String::new();
        // Writing to a text never fails.
        _ = self.write(&mut text, &layout);
        text
    }

    fn write(&self, text: &mut String, layout: &Layout) -> std::fmt::Result {
        let heads: f64 = 190.0 + self.results.iter().map(|name| 30.0 + width(name)).sum::<f64>();
        let (width, height) = (layout.size.0.max(heads) + 2.0 * MARGIN, layout.size.1 + 2.0 * MARGIN + HEAD);
        writeln!(
            text,
            "<svg width=\"{width:.0}\" height=\"{height:.0}\" viewBox=\"0 0 {width:.0} {height:.0}\" \
             xmlns=\"http://www.w3.org/2000/svg\" font-family=\"sans-serif\" font-size=\"12\" text-anchor=\"middle\">"
        )?;
        writeln!(
            text,
            "<defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" orient=\"auto\"><path d=\"M0 0.5L8 4L0 7.5z\" fill=\"#777\"/></marker></defs>"
        )?;
        writeln!(text, "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>")?;
        self.head(text)?;
        writeln!(text, "<g transform=\"translate({MARGIN} {})\">", MARGIN + HEAD)?;
        for (flow, (way, &label)) in self.edges.iter().zip(layout.ways.iter().zip(&layout.labels)) {
            let [from, to] = [flow.from, flow.to].map(|node| (&self.nodes[node], layout.nodes[node]));
            path(text, from, to, way, label, flow.size().0)?;
        }
        for (flow, &(x, y)) in self.edges.iter().zip(&layout.labels) {
            line(text, (x, y - 5.0), FORWARD, &flow.value)?;
            for (row, (adjoint, color)) in flow.adjoints.iter().zip(BACK).enumerate() {
                line(text, (x, y + 13.0 + LINE * row as f64), color, adjoint)?;
            }
        }
        for (node, &at) in self.nodes.iter().zip(&layout.nodes) {
            node.write(text, at)?;
        }
        writeln!(text, "</g>\n</svg>")
    }

    /// What the colours mean.
    fn head(&self, text: &mut String) -> std::fmt::Result {
        let y = MARGIN + 4.0;
        let mut x = MARGIN;
        let mut word = |word: &str, color: &str| {
            let result = writeln!(
                text,
                "<text x=\"{x:.1}\" y=\"{y}\" text-anchor=\"start\" fill=\"{color}\">{}</text>",
                escaped(word)
            );
            x += width(word) + 16.0;
            result
        };
        word("value →", FORWARD)?;
        if self.results.is_empty() {
            return word("← adjoint", BACK[0]);
        }
        word("← adjoint of", "#333")?;
        self.results.iter().zip(BACK).try_for_each(|(name, color)| word(name, color))
    }
}

impl Node {
    /// Half of the width of its shape.
    fn reach(&self) -> f64 {
        let least = if self.shape == Shape::Result { 0.0 } else { 17.0 };
        (width(&self.label) / 2.0 + 6.0).max(least)
    }

    fn size(&self) -> layout::Size {
        let below = self.adjoints.iter().map(|adjoint| width(adjoint)).fold(0.0, f64::max);
        // As much room above the middle as below, so that edges meet the shape.
        let rows = self.adjoints.len().max(usize::from(!self.name.is_empty())) as f64;
        ((2.0 * self.reach()).max(below).max(width(&self.name)), 34.0 + 2.0 * LINE * rows)
    }

    fn write(&self, text: &mut String, (x, y): (f64, f64)) -> std::fmt::Result {
        let reach = self.reach();
        let (round, fill) = match self.shape {
            Shape::Argument => (4.0, "#eaf2f8"),
            Shape::Operation => (17.0, "#fff"),
            Shape::Result => (4.0, "none"),
        };
        let stroke = if self.shape == Shape::Result { "none" } else { "#333" };
        writeln!(
            text,
            "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"34\" rx=\"{round}\" fill=\"{fill}\" stroke=\"{stroke}\"/>",
            x - reach,
            y - 17.0,
            2.0 * reach,
        )?;
        line(text, (x, y + 4.0), "#111", &self.label)?;
        if !self.name.is_empty() {
            line(text, (x, y - 22.0), "#555", &self.name)?;
        }
        for (row, (adjoint, color)) in self.adjoints.iter().zip(BACK).enumerate() {
            line(text, (x, y + 30.0 + LINE * row as f64), color, adjoint)?;
        }
        Ok(())
    }
}

impl Flow {
    fn size(&self) -> layout::Size {
        let widest = self.adjoints.iter().chain([&self.value]).map(|label| width(label)).fold(0.0, f64::max);
        // The line goes through the middle.
        (widest + 6.0, 2.0 * LINE * self.adjoints.len().max(1) as f64 + 6.0)
    }
}

/// The node of an argument or an operation.
fn operation(func: &Func, step: &Step, names: &[(String, Val)]) -> Node {
    if let Inst::Param(index) = func.inst(step.val) {
        let label = func.params[index as usize].name.clone();
        return Node { shape: Shape::Argument, label, name: String::new(), adjoints: Vec::new() };
    }
    let name = names.iter().find(|(_, val)| *val == step.val).map(|(name, _)| name.clone()).unwrap_or_default();
    let label = step.op.map_or_else(String::new, |op| label(func, op, step.val));
    Node { shape: Shape::Operation, label, name, adjoints: Vec::new() }
}

/// An operation with its constants: `×`, `+1`, `1/`, `max(·, 3)`.
fn label(func: &Func, op: Op, val: Val) -> String {
    let constants: Vec<Option<String>> = func.operands(val).iter().map(|&operand| constant(func, operand)).collect();
    let sign = match op {
        Op::Neg | Op::INeg | Op::Sub | Op::ISub => "−",
        Op::Add | Op::IAdd => "+",
        Op::Mul | Op::IMul => "×",
        Op::Div => "/",
        Op::Pow | Op::Powi | Op::IPow => "^",
        Op::Lt | Op::ILt => "<",
        Op::Le | Op::ILe => "≤",
        Op::Eq | Op::IEq => "=",
        Op::Ne => "≠",
        Op::Select => "if",
        _ => "",
    };
    match (sign, constants.as_slice()) {
        (sign, [a, b]) if !sign.is_empty() => {
            format!("{}{sign}{}", a.as_deref().unwrap_or_default(), b.as_deref().unwrap_or_default())
        }
        (sign, constants) if constants.iter().all(Option::is_none) => {
            if sign.is_empty() {
                op.name().to_owned()
            } else {
                sign.to_owned()
            }
        }
        (sign, constants) => {
            let name = if sign.is_empty() { op.name() } else { sign };
            let args: Vec<&str> = constants.iter().map(|constant| constant.as_deref().unwrap_or("·")).collect();
            format!("{name}({})", args.join(", "))
        }
    }
}

/// The extents of an array: `2×3`.
fn extents(array: &Array) -> String {
    array.shape.iter().map(usize::to_string).collect::<Vec<_>>().join("×")
}

/// A number, a short list, or the least and the greatest element.
fn summary(array: &Array) -> String {
    match &array.data[..] {
        [value] if array.shape.is_empty() => number(*value),
        values if values.len() <= 3 && array.shape.len() == 1 => {
            format!("[{}]", values.iter().map(|&value| number(value)).collect::<Vec<_>>().join(", "))
        }
        [] => "[]".to_owned(),
        values if values.iter().any(|value| value.is_nan()) => "NaN among them".to_owned(),
        values => {
            let (least, greatest) =
                values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &x| (low.min(x), high.max(x)));
            format!("{} … {}", number(least), number(greatest))
        }
    }
}

fn constant(func: &Func, val: Val) -> Option<String> {
    match func.inst(val) {
        Inst::Int(value) => Some(value.to_string()),
        Inst::Bool(value) => Some(value.to_string()),
        _ => func.constant(val).map(number),
    }
}

/// An edge: a smooth line through the columns, straight below its value.
fn path(
    text: &mut String,
    (from, (x, y)): (&Node, (f64, f64)),
    (to, (to_x, to_y)): (&Node, (f64, f64)),
    way: &[(f64, f64)],
    label: (f64, f64),
    width: f64,
) -> std::fmt::Result {
    let mut stops = vec![(x + from.reach(), x + from.reach(), y)];
    stops.extend(way.iter().map(|&(x, y)| {
        let half = if (x, y) == label { width / 2.0 } else { 0.0 };
        (x - half, x + half, y)
    }));
    stops.push((to_x - to.reach(), to_x - to.reach(), to_y));
    write!(text, "<path d=\"M{:.1} {:.1}", stops[0].0, stops[0].2)?;
    for pair in stops.windows(2) {
        let [(_, x, y), (to_x, end, to_y)] = [pair[0], pair[1]];
        let middle = x + (to_x - x) / 2.0;
        write!(text, "C{middle:.1} {y:.1} {middle:.1} {to_y:.1} {to_x:.1} {to_y:.1}")?;
        if end > to_x {
            write!(text, "H{end:.1}")?;
        }
    }
    writeln!(text, "\" fill=\"none\" stroke=\"#777\" marker-end=\"url(#tip)\"/>")
}

fn line(text: &mut String, (x, y): (f64, f64), color: &str, words: &str) -> std::fmt::Result {
    writeln!(text, "<text x=\"{x:.1}\" y=\"{y:.1}\" fill=\"{color}\">{}</text>", escaped(words))
}

fn width(words: &str) -> f64 {
    LETTER * words.chars().count() as f64
}

fn escaped(words: &str) -> String {
    words.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Four digits of a number.
fn number(value: f64) -> String {
    let rounded: f64 = format!("{value:.3e}").parse().unwrap_or(value);
    let size = rounded.abs();
    if rounded == 0.0 || !rounded.is_finite() || (1e-3..1e5).contains(&size) {
        return format!("{rounded}").replace('-', "−");
    }
    format!("{rounded:e}").replace('-', "−")
}
