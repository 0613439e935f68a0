//! From the graph to expressions: every operator as the mathematics that it stands for.
//!
//! Internal operators are undone: `domain(y, v)` is `v`, `fma(a, b, c)` is `a*b + c`, `unit(a, b)` is `a/hypot(a, b)`,
//! `xlog_pow(a, b, n)` is `a^b*ln(a)^n`, `sigmoid_slope(a)` is `sigmoid(a)*sigmoid(-a)`, or `1/(4*cosh(a/2)^2)`
//! where it comes from `tanh(a/2)`. Integers and numbers are one kind here.
//!
//! A chain of additions whose links have no other use is read at one go, into one sum; likewise a chain of multiplications
//! and divisions. Which of two operands comes first is taken from their places in the user's text, where these are known,
//! because the graph puts the operands of commutative operators in an order of its own.

use std::rc::Rc;

use hashbrown::{HashMap, HashSet};

use super::Unsayable;
use super::arrays::Arrays;
use super::dag::{Dag, Factor, Id, Node, Relation, Term};
use super::loops::Carried;
use super::number::{MINUS_ONE, Number, ONE};
use crate::ir::{Func, Inst, Val};
use crate::ops::Op;
use crate::span::Span;

/// The expressions of some values of a graph, with the arrays and loops that they mention; of an array, what it is called. `source` is
/// the text that the places of the graph are of.
pub fn read(
    dag: &mut Dag,
    arrays: &mut Arrays,
    func: &Func,
    source: &str,
    roots: &[Val],
) -> Result<Vec<Id>, Unsayable> {
    let mut reader = Reader::new(dag, arrays, func, source, roots);
    for val in func.vals().filter(|&val| func.free(val).is_empty()) {
        if !reader.live[val.index()] || reader.absorbed[val.index()] || reader.problem.is_some() {
            continue;
        }
        match func.inst(val) {
            Inst::Region(_) => {}
            // The arrays in their order, so that none waits for a long chain of others.
            Inst::Result(..) if func.is_array(val) && !reader.copied[val.index()] => _ = reader.decide(val),
            _ if func.is_array(val) => {}
            _ => {
                let id = reader.value(val);
                reader.remember(val, id);
            }
        }
    }
    let read = |&root: &Val| if func.is_array(root) { reader.whole(root) } else { reader.compute(root) };
    let ids = roots.iter().map(read).collect();
    reader.problem.map_or(Ok(ids), Err)
}

pub(super) struct Reader<'a> {
    pub(super) func: &'a Func,
    pub(super) dag: &'a mut Dag,
    pub(super) arrays: &'a mut Arrays,
    pub(super) source: &'a str,
    /// What depends on no name bound by a loop.
    ids: Vec<Option<Id>>,
    /// What does, with what those names are.
    memo: HashMap<Key, Id>,
    /// What names bound by loops are at present.
    pub(super) env: HashMap<Val, Id>,
    /// Arrays: the name of each that has one.
    pub(super) decided: HashMap<Key, Option<Id>>,
    /// What loops hand from turn to turn.
    pub(super) carried: HashMap<Key, Rc<Carried>>,
    live: Vec<bool>,
    /// Arrays that are used once, to begin or to fill another.
    copied: Vec<bool>,
    /// Under which condition the element that is read must be there; `None` if always.
    guards: HashMap<Val, Option<Val>>,
    /// The same for reads that have no condition of their own, such as those of tangents: that of the reads with the same subscripts, if
    /// they agree.
    alike: HashMap<Vec<Val>, Option<Option<Val>>>,
    /// Reads that stand under such a condition.
    pub(super) wrapped: HashSet<Id>,
    /// Links of a chain that is read at its end.
    absorbed: Vec<bool>,
    /// What `tanh` is taken of.
    under_tanh: HashSet<Val>,
    /// The first thing that can't be said.
    pub(super) problem: Option<Unsayable>,
}

/// A value, and what the names that it depends on are.
pub(super) type Key = (Val, Box<[Id]>);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Chain {
    Sum,
    Product,
}

impl<'a> Reader<'a> {
    fn new(dag: &'a mut Dag, arrays: &'a mut Arrays, func: &'a Func, source: &'a str, roots: &[Val]) -> Reader<'a> {
        let mut live = vec![false; func.len()];
        let mut uses = vec![0u32; func.len()];
        for &root in roots {
            live[root.index()] = true;
            uses[root.index()] += 1;
        }
        // A loop is younger than its body, so one walk is enough.
        for val in func.vals().rev() {
            if live[val.index()] {
                let operands = func.sources(val);
                for &operand in visible(func.inst(val), &operands) {
                    live[operand.index()] = true;
                    uses[operand.index()] += 1;
                }
            }
        }
        for check in &func.checks {
            uses[check.guard.index()] += 2;
        }
        let mut copied = vec![false; func.len()];
        for region in func.regions() {
            let inits = region.cells.iter().filter_map(|cell| cell.init);
            let values = region.cells.iter().flat_map(|cell| cell.updates.iter().map(|update| update.value));
            inits.chain(values).for_each(|val| copied[val.index()] = uses[val.index()] == 1);
        }
        let is_open = |val: Val| func.inst(val) != Inst::Bool(true);
        let reads = func.checks.iter().filter(|check| !check.missing && matches!(func.inst(check.site), Inst::Read(_)));
        let known = |guard: Val, site: Val| func.free(guard).iter().all(|name| func.free(site).contains(name));
        let guards = reads.filter(|check| known(check.guard, check.site));
        let guard = |guard: Val| Some(guard).filter(|&guard| is_open(guard));
        let guards: HashMap<Val, Option<Val>> = guards.map(|check| (check.site, guard(check.guard))).collect();
        let mut alike: HashMap<Vec<Val>, Option<Option<Val>>> = HashMap::new();
        for (&site, &guard) in &guards {
            let subscripts = func.operands(site).as_slice()[1..].to_vec();
            alike
                .entry(subscripts)
                .and_modify(|other| *other = other.filter(|&other| other == guard))
                .or_insert(Some(guard));
        }
        let mut reader = Reader {
            copied,
            guards,
            alike,
            wrapped: HashSet::new(),
            func,
            dag,
            arrays,
            source,
            ids: vec![None; func.len()],
            memo: HashMap::new(),
            env: HashMap::new(),
            decided: HashMap::new(),
            carried: HashMap::new(),
            live,
            absorbed: vec![false; func.len()],
            under_tanh: hyperbolic(func),
            problem: None,
        };
        for val in func.vals() {
            let Some(chain) = reader.chain(val).filter(|_| reader.live[val.index()]) else { continue };
            for &operand in func.operands(val).iter() {
                if uses[operand.index()] == 1 && reader.chain(operand) == Some(chain) {
                    reader.absorbed[operand.index()] = true;
                }
            }
        }
        reader
    }

    /// A value with what the names that it depends on are at present. A name that means nothing here is a fault of ours.
    pub(super) fn key(&self, val: Val) -> Key {
        (val, self.func.free(val).iter().map(|name| self.env.get(name).copied().unwrap_or(Dag::ZERO)).collect())
    }

    fn known(&self, val: Val) -> Option<Id> {
        match self.func.free(val) {
            [] => self.ids[val.index()],
            _ => self.memo.get(&self.key(val)).copied(),
        }
    }

    fn remember(&mut self, val: Val, id: Id) {
        match self.func.free(val) {
            [] => self.ids[val.index()] = Some(id),
            _ => _ = self.memo.insert(self.key(val), id),
        }
    }

    /// The expression of a number, from those of whatever it is computed from.
    pub(super) fn compute(&mut self, root: Val) -> Id {
        let mut stack = vec![root];
        while let Some(&val) = stack.last() {
            if self.known(val).is_some() {
                stack.pop();
                continue;
            }
            let mut needs = self.needs(val);
            needs.retain(|&need| self.known(need).is_none());
            if needs.is_empty() {
                let id = self.value(val);
                self.remember(val, id);
                stack.pop();
            } else {
                stack.extend(needs.into_iter().rev());
            }
        }
        self.id(root)
    }

    /// The numbers that must be known before a value.
    fn needs(&self, root: Val) -> Vec<Val> {
        let (mut needs, mut todo) = (Vec::new(), vec![root]);
        while let Some(val) = todo.pop() {
            let (inst, operands) = (self.func.inst(val), self.func.operands(val));
            let numbers = match inst {
                Inst::Read(_) => {
                    needs.extend(self.guard_of(val).flatten());
                    &operands.as_slice()[1..]
                }
                Inst::Region(_) | Inst::Result(..) => &[],
                _ => visible(inst, operands.as_slice()),
            };
            for &operand in numbers.iter().rev() {
                let is_link = self.chain(val).is_some() && self.absorbed[operand.index()];
                if is_link { todo.push(operand) } else { needs.push(operand) }
            }
        }
        needs.reverse();
        needs
    }

    /// Under which condition the element that is read must be there, if that is known; `Some(None)` if always.
    fn guard_of(&self, read: Val) -> Option<Option<Val>> {
        let known = |guard: Val| self.func.free(guard).iter().all(|name| self.func.free(read).contains(name));
        self.guards.get(&read).copied().or_else(|| {
            let guard = self.alike.get(&self.func.operands(read).as_slice()[1..]).copied().flatten()?;
            Some(guard).filter(|guard| guard.is_none_or(known))
        })
    }

    /// Which kind of chain an instruction is a link of.
    fn chain(&self, val: Val) -> Option<Chain> {
        match self.func.inst(val) {
            Inst::Binary(Op::Add | Op::Sub | Op::IAdd | Op::ISub, ..) | Inst::Ternary(Op::Fma, ..) => Some(Chain::Sum),
            Inst::Binary(Op::Mul | Op::Div | Op::IMul, ..) | Inst::Unary(Op::Neg | Op::INeg, _) => Some(Chain::Product),
            _ => None,
        }
    }

    fn id(&self, val: Val) -> Id {
        self.known(val).unwrap_or(Dag::ZERO)
    }

    fn value(&mut self, val: Val) -> Id {
        match self.chain(val) {
            Some(Chain::Sum) => return self.sum(val),
            Some(Chain::Product) => return self.product(val),
            None => {}
        }
        match self.func.inst(val) {
            Inst::Param(index) => self.dag.intern(Node::Argument(index)),
            Inst::Opaque(_) => self.dag.constant(f64::NAN),
            Inst::F64(bits) => self.dag.constant(bits.value()),
            Inst::Int(value) => self.dag.whole(value),
            Inst::Bool(value) => self.dag.intern(Node::Bool(value)),
            Inst::Bound(_) => self.env.get(&val).copied().unwrap_or(Dag::ZERO),
            Inst::Read(list) => {
                let (func, list) = (self.func, self.func.list(list));
                debug_assert!(!func.is_array(val), "rows are read by their elements");
                let subscripts: Vec<Id> = list[1..].iter().map(|&subscript| self.id(subscript)).collect();
                let inside = self.inside(func.shape(list[0]), &subscripts);
                let element = self.element(list[0], subscripts);
                match self.guard_of(val) {
                    // It is a fault to read it elsewhere.
                    Some(None) => element,
                    Some(Some(guard)) if *self.dag.node(inside) != Node::Bool(true) => {
                        let guard = self.compute(guard);
                        self.guarded(guard, element, func.ty(val))
                    }
                    _ => self.guarded(inside, element, func.ty(val)),
                }
            }
            Inst::Region(_) => Dag::ZERO,
            Inst::Result(..) => self.result(val),
            Inst::Unary(op, a) => self.unary(op, a),
            Inst::Binary(op, a, b) => {
                let (a, b) = (self.id(a), self.id(b));
                self.binary(op, a, b)
            }
            Inst::Ternary(op, a, b, c) => {
                let (a, b, c) = (self.id(a), self.id(b), self.id(c));
                match op {
                    Op::Select => {
                        let b = self.under(a, b);
                        self.dag.choose(a, b, c)
                    }
                    Op::XlogPow => {
                        let logarithm = self.dag.call(Op::Ln, vec![a]);
                        self.dag.product(ONE, vec![(a, b), (logarithm, c)])
                    }
                    _ => self.dag.call(op, vec![a, b, c]),
                }
            }
            Inst::Nary(op, list) => {
                let args = self.func.list(list).iter().map(|&arg| self.id(arg)).collect();
                self.dag.call(op, args)
            }
        }
    }

    fn unary(&mut self, op: Op, operand: Val) -> Id {
        let a = self.id(operand);
        match op {
            Op::ToF64 => a,
            Op::Not => self.dag.not(a),
            Op::IAbs => self.dag.call(Op::Abs, vec![a]),
            Op::SigmoidSlope if self.is_hyperbolic(operand) => {
                let (half, minus_two) = (Number::Ratio(1, 2), self.dag.whole(-2));
                let half_a = self.dag.scaled(half, a);
                let cosh = self.dag.call(Op::Cosh, vec![half_a]);
                self.dag.product(Number::Ratio(1, 4), vec![(cosh, minus_two)])
            }
            Op::SigmoidSlope => {
                let minus_a = self.dag.neg(a);
                let (up, down) = (self.dag.call(Op::Sigmoid, vec![a]), self.dag.call(Op::Sigmoid, vec![minus_a]));
                self.dag.times(up, down)
            }
            _ => self.dag.call(op, vec![a]),
        }
    }

    /// Whether it is twice what the user takes `tanh` of.
    fn is_hyperbolic(&self, val: Val) -> bool {
        match self.func.inst(val) {
            Inst::Binary(Op::Mul, u, two) if self.func.constant(two) == Some(2.0) => {
                self.under_tanh.contains(&without_halves(self.func, u))
            }
            _ => false,
        }
    }

    fn binary(&mut self, op: Op, a: Id, b: Id) -> Id {
        let dag = &mut *self.dag;
        match op {
            Op::Domain => b,
            Op::Pow | Op::Powi | Op::IPow => dag.power(a, b),
            Op::Unit => {
                let hypot = dag.call(Op::Hypot, in_order(a, b));
                let under = dag.under(hypot);
                dag.product(ONE, vec![(a, Dag::ONE), under])
            }
            Op::Hypot => dag.call(op, in_order(a, b)),
            Op::IDiv => dag.call(Op::DivFloor, vec![a, b]),
            Op::IMod => dag.call(Op::Mod, vec![a, b]),
            Op::IMin => dag.call(Op::Min, vec![a, b]),
            Op::IMax => dag.call(Op::Max, vec![a, b]),
            Op::ILt if let Some(holds) = dag.is_less(a, b) => dag.intern(Node::Bool(holds)),
            Op::ILe if let Some(holds) = dag.is_less(b, a) => dag.intern(Node::Bool(!holds)),
            Op::IEq if dag.is_less(a, b) == Some(true) || dag.is_less(b, a) == Some(true) => {
                dag.intern(Node::Bool(false))
            }
            Op::Lt | Op::ILt => dag.compare(Relation::Lt, a, b),
            Op::Le | Op::ILe => dag.compare(Relation::Le, a, b),
            Op::Eq | Op::IEq => dag.compare(Relation::Eq, a, b),
            Op::Ne => dag.compare(Relation::Ne, a, b),
            Op::And => dag.and(a, b),
            Op::Or => dag.or(a, b),
            _ => dag.call(op, vec![a, b]),
        }
    }

    /// All terms of a chain of additions.
    fn sum(&mut self, root: Val) -> Id {
        let mut terms: Vec<Term> = Vec::new();
        let mut todo = vec![(ONE, root)];
        while let Some((sign, val)) = todo.pop() {
            if val != root && !self.absorbed[val.index()] {
                terms.push((sign, self.id(val)));
                continue;
            }
            match self.func.inst(val) {
                Inst::Binary(Op::Sub | Op::ISub, a, b) => todo.extend([(sign.neg(), b), (sign, a)]),
                Inst::Binary(_, a, b) => {
                    let (first, second) = if self.is_swapped(val, a, b) { (b, a) } else { (a, b) };
                    todo.extend([(sign, second), (sign, first)]);
                }
                Inst::Ternary(Op::Fma, a, b, c) => {
                    let (a, b, addend) = (self.id(a), self.id(b), self.id(c));
                    let product = (sign, self.dag.times(a, b));
                    // The rest of the chain is on the stack, so the two stay beside each other.
                    let constant = self.dag.is_constant(addend);
                    if constant && !self.absorbed[c.index()] {
                        terms.extend([(sign, addend), product]);
                    } else {
                        terms.push(product);
                        todo.push((sign, c));
                    }
                }
                _ => terms.push((sign, self.id(val))),
            }
        }
        self.dag.sum(terms)
    }

    /// All factors of a chain of multiplications and divisions.
    fn product(&mut self, root: Val) -> Id {
        let (one, minus_one) = (Dag::ONE, self.dag.whole(-1));
        let mut coefficient = ONE;
        let mut factors: Vec<Factor> = Vec::new();
        let mut todo = vec![(root, false)];
        while let Some((val, below)) = todo.pop() {
            if val != root && !self.absorbed[val.index()] {
                factors.push((self.id(val), if below { minus_one } else { one }));
                continue;
            }
            match self.func.inst(val) {
                Inst::Unary(_, a) => {
                    coefficient = coefficient.mul(MINUS_ONE).unwrap_or(coefficient);
                    todo.push((a, below));
                }
                Inst::Binary(Op::Div, a, b) => todo.extend([(b, !below), (a, below)]),
                Inst::Binary(_, a, b) => todo.extend([(b, below), (a, below)]),
                _ => factors.push((self.id(val), if below { minus_one } else { one })),
            }
        }
        self.dag.product(coefficient, factors)
    }

    /// Whether the user wrote `b + a` where the graph has `a + b`. Where that can't be known: polynomials begin
    /// with products, and constants come last after something linear.
    fn is_swapped(&self, sum: Val, a: Val, b: Val) -> bool {
        match (self.side(sum, a, b), self.side(sum, b, a)) {
            (Some(a_is_right), _) => return a_is_right,
            (_, Some(b_is_right)) => return !b_is_right,
            (None, None) => {}
        }
        let is_linear = |val: Val| match self.func.inst(val) {
            Inst::Param(_) | Inst::Binary(Op::Add | Op::Sub, ..) => true,
            Inst::Binary(Op::Mul, x, c) => self.is_constant(c) && matches!(self.func.inst(x), Inst::Param(_)),
            _ => false,
        };
        if self.is_constant(b) {
            return !is_linear(a) && self.func.constant(b).is_none_or(|b| b > 0.0);
        }
        let is_power = matches!(self.func.inst(b), Inst::Binary(Op::Mul | Op::Powi, ..));
        is_power && matches!(self.func.inst(a), Inst::Param(_))
    }

    fn is_constant(&self, val: Val) -> bool {
        matches!(self.func.inst(val), Inst::F64(_) | Inst::Int(_))
    }

    /// Whether an operand stands on the right side of a sum in the text; `None` if that can't be seen. The graph knows
    /// only the first place where something stands, which may be elsewhere, or within the other operand.
    fn side(&self, sum: Val, operand: Val, other: Val) -> Option<bool> {
        let [whole, part, other_part] = [sum, operand, other].map(|val| match self.func.inst(val) {
            Inst::Unary(Op::ToF64, integer) => self.func.span(integer),
            _ => self.func.span(val),
        });
        let within = |span: Span| span.start <= part.start && part.end <= span.end;
        if self.is_constant(operand) || !within(whole) || (within(other_part) && other_part != whole) {
            return None;
        }
        let (before, after) = (part.start - whole.start, whole.end - part.end);
        (before != after).then_some(before > after)
    }
}

/// What the user takes `tanh` of. That of `a/2` may come from the second derivative of `sigmoid(a)`.
fn hyperbolic(func: &Func) -> HashSet<Val> {
    let (mut under_tanh, mut under_slope) = (HashSet::new(), HashSet::new());
    for val in func.vals() {
        match func.inst(val) {
            Inst::Unary(Op::Tanh, a) => under_tanh.insert(without_halves(func, a)),
            Inst::Unary(Op::SigmoidSlope, a) => under_slope.insert(a),
            _ => continue,
        };
    }
    under_tanh.retain(|&half| match func.inst(half) {
        Inst::Binary(Op::Mul, whole, c) => func.constant(c) != Some(0.5) || !under_slope.contains(&whole),
        _ => true,
    });
    under_tanh
}

/// `u` of `(2*u)*0.5`.
fn without_halves(func: &Func, mut val: Val) -> Val {
    while let Inst::Binary(Op::Mul, double, half) = func.inst(val)
        && let Inst::Binary(Op::Mul, u, two) = func.inst(double)
        && (func.constant(half), func.constant(two)) == (Some(0.5), Some(2.0))
    {
        val = u;
    }
    val
}

/// The operands that show: `domain(y, v)` doesn't show `y`.
fn visible(inst: Inst, operands: &[Val]) -> &[Val] {
    match inst {
        Inst::Binary(Op::Domain, ..) => &operands[1..],
        _ => operands,
    }
}

fn in_order(a: Id, b: Id) -> Vec<Id> {
    if b < a { vec![b, a] } else { vec![a, b] }
}
