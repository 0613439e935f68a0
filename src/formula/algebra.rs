//! Sums and products in normal form.
//!
//! ```text
//! a*t + b*t = (a + b)*t        x^p * x^q = x^(p + q)        (x^p)^n = x^(p*n)       n whole
//! t - (u - v) = t - u + v      (x*y)^n   = x^n*y^n          x/(y/z) = x*z/y
//! sqrt(x) = x^(1/2)    cbrt(x)^3 = x    abs(x)^2 = x^2    hypot(x, y)^2 = x^2 + y^2
//! ```
//!
//! These are identities of real numbers, right wherever both sides are defined; the simpler side may be defined at more
//! points (`x/x = 1`). A product is expanded only over a short sum all of whose terms have a function or a divisor in common,
//! as derivatives have them: `x*(u - x^2*u) = x*u - x^3*u` with `u = exp(-x^2/2)`. What could cost digits or overflow is left alone: a quotient isn't raised to a power factor by factor, coefficients that would leave the doubles stay apart.
//!
//! A sum or product inside another becomes part of it only if it is short. So the cost is linear, and what is shared stays so.

use hashbrown::HashMap;

use super::dag::{Dag, Id, Node, Relation, Symbol, Term};
use super::number::{MINUS_ONE, Number, ONE, ZERO};
use crate::ops::{Eval, Op};

/// Longer sums inside sums and products inside products keep to themselves.
pub const SHORT_SUM: usize = 4;
pub const SHORT_PRODUCT: usize = 6;
const HALF: Number = Number::Ratio(1, 2);

impl Dag {
    /// The coefficient of a term, and the rest.
    pub fn split(&self, id: Id) -> Term {
        match *self.node(id) {
            Node::Number(value) => (value, Dag::ONE),
            Node::Scaled(coefficient, of) => (coefficient, of),
            _ => (ONE, id),
        }
    }

    pub fn scaled(&mut self, coefficient: Number, of: Id) -> Id {
        let (inner, rest) = self.split(of);
        let Some(coefficient) = coefficient.mul(inner) else {
            return self.intern(Node::Scaled(coefficient, of));
        };
        let unbounded = matches!(self.node(rest), Node::Symbol(Symbol::Infinity | Symbol::NotANumber));
        match self.node(rest) {
            _ if unbounded && coefficient == ZERO => self.intern(Node::Symbol(Symbol::NotANumber)),
            _ if coefficient == ZERO => Dag::ZERO,
            _ if coefficient == ONE => rest,
            _ if rest == Dag::ONE => self.number(coefficient),
            _ if unbounded => self.intern(Node::Scaled(if coefficient.is_negative() { MINUS_ONE } else { ONE }, rest)),
            Node::Sum(terms) if coefficient == MINUS_ONE && terms.len() <= SHORT_SUM => {
                let negated = terms.iter().map(|&(factor, of)| (factor.neg(), of)).collect();
                self.sum(negated)
            }
            _ => self.intern(Node::Scaled(coefficient, rest)),
        }
    }

    pub fn neg(&mut self, a: Id) -> Id {
        self.scaled(MINUS_ONE, a)
    }

    pub fn plus(&mut self, a: Id, b: Id) -> Id {
        self.sum(vec![(ONE, a), (ONE, b)])
    }

    /// A sum of terms, which may be anything.
    pub fn sum(&mut self, members: Vec<Term>) -> Id {
        let mut terms: Vec<Term> = Vec::with_capacity(members.len());
        for (factor, member) in members {
            let (inner, of) = self.split(member);
            let Some(coefficient) = factor.mul(inner) else {
                terms.push((factor, member));
                continue;
            };
            match self.node(of) {
                Node::Sum(short) if short.len() <= SHORT_SUM && coefficient.abs() == ONE => {
                    let sign = |value: Number| if coefficient == ONE { value } else { value.neg() };
                    terms.extend(short.iter().map(|&(value, of)| (sign(value), of)));
                }
                _ => terms.push((coefficient, of)),
            }
        }
        let mut places: HashMap<Id, usize> = HashMap::new();
        let mut met: Vec<Term> = Vec::with_capacity(terms.len());
        for (coefficient, of) in terms {
            let place = *places.entry(of).or_insert(met.len());
            let Some(&(before, _)) = met.get(place) else {
                met.push((coefficient, of));
                continue;
            };
            let opposite = before.is_negative() != coefficient.is_negative();
            match before.add(coefficient) {
                Some(_) if opposite && *self.node(of) == Node::Symbol(Symbol::Infinity) => {
                    return self.intern(Node::Symbol(Symbol::NotANumber));
                }
                Some(total) => met[place].0 = total,
                None => met.push((coefficient, of)),
            }
        }
        met.retain(|&(coefficient, _)| coefficient != ZERO);
        if let Some(joined) = self.joined_choices(&met) {
            return joined;
        }
        // A sum doesn't begin with a sign if it needn't.
        if met.first().is_some_and(|&(coefficient, _)| coefficient.is_negative())
            && let Some(place) = met.iter().position(|&(coefficient, _)| !coefficient.is_negative())
        {
            met[..=place].rotate_right(1);
        }
        if let [(_, Dag::ONE), (coefficient, of)] = met[..]
            && !coefficient.is_negative()
            && coefficient != ONE
            && matches!(self.node(of), Node::Argument(_))
        {
            met.swap(0, 1);
        }
        match met[..] {
            [] => Dag::ZERO,
            [(coefficient, of)] => self.scaled(coefficient, of),
            _ => self.intern(Node::Sum(met.into())),
        }
    }

    /// `if(c, a, 0) + if(c, 0, b)` is `if(c, a, b)`. `None` if there is nothing to join.
    fn joined_choices(&mut self, terms: &[Term]) -> Option<Id> {
        if terms.len() > SHORT_SUM {
            return None;
        }
        let condition = |node: &Node| match node {
            Node::Choose(condition, ..) => Some(*condition),
            _ => None,
        };
        let one_sided = |node: &Node| matches!(node, Node::Choose(_, a, b) if *a == Dag::ZERO || *b == Dag::ZERO);
        let mut joined: Vec<Term> = Vec::new();
        for &(q, of) in terms {
            let same = |&(_, other): &Term| condition(self.node(other)) == condition(self.node(of));
            let place = if one_sided(self.node(of)) { joined.iter().position(same) } else { None };
            let pair = place.map(|place| (self.node(joined[place].1).clone(), self.node(of).clone()));
            if let (Some(place), Some((Node::Choose(condition, a, b), Node::Choose(_, c, d)))) = (place, pair) {
                let p = joined[place].0;
                let (yes, no) = (self.sum(vec![(p, a), (q, c)]), self.sum(vec![(p, b), (q, d)]));
                joined[place] = (ONE, self.choose(condition, yes, no));
            } else {
                joined.push((q, of));
            }
        }
        (joined.len() < terms.len()).then(|| self.sum(joined))
    }

    /// A node of other operands.
    pub fn with_operands(&mut self, id: Id, node: &Node, get: impl Fn(Id) -> Id) -> Id {
        let mut same = true;
        node.for_each_operand(|operand| same &= get(operand) == operand);
        if same {
            return id;
        }
        let all = |list: &[Id]| list.iter().map(|&each| get(each)).collect::<Vec<Id>>();
        match node {
            Node::Scaled(coefficient, of) => self.scaled(*coefficient, get(*of)),
            Node::Sum(terms) => self.sum(terms.iter().map(|&(coefficient, of)| (coefficient, get(of))).collect()),
            Node::Product(factors) => {
                self.product(ONE, factors.iter().map(|&(base, power)| (get(base), get(power))).collect())
            }
            Node::Call(op, args) => self.call(*op, all(args)),
            Node::Compare(relation, a, b) => self.compare(*relation, get(*a), get(*b)),
            Node::Not(a) => self.not(get(*a)),
            Node::And(a, b) => self.and(get(*a), get(*b)),
            Node::Or(a, b) => self.or(get(*a), get(*b)),
            Node::Choose(c, a, b) => self.choose(get(*c), get(*a), get(*b)),
            Node::Element(list) => self.intern(Node::Element(all(list).into())),
            Node::Index(..)
            | Node::Last(..)
            | Node::Reduce(..)
            | Node::Map(..)
            | Node::Argument(_)
            | Node::Number(_)
            | Node::Symbol(_)
            | Node::Bool(_)
            | Node::Local(_)
            | Node::Defined(_) => id,
        }
    }

    /// A function at its arguments.
    pub fn call(&mut self, op: Op, args: Vec<Id>) -> Id {
        if let Some(value) = self.whole_value(op, &args) {
            return self.whole(value);
        }
        match (op, &args[..]) {
            (Op::Sqrt, &[a]) => {
                let half = self.number(HALF);
                return self.power(a, half);
            }
            (Op::Step, &[a]) => {
                let positive = self.compare(Relation::Gt, a, Dag::ZERO);
                return self.choose(positive, Dag::ONE, Dag::ZERO);
            }
            _ => {}
        }
        if let [arg] = args[..]
            && let Node::Scaled(coefficient, of) = *self.node(arg)
            && coefficient.is_negative()
            && let Some(odd) = parity(op)
        {
            let positive = self.scaled(coefficient.neg(), of);
            let call = self.call(op, vec![positive]);
            return if odd { self.neg(call) } else { call };
        }
        self.intern(Node::Call(op, args.into()))
    }

    /// `exp(0)`, `ln(1)`, `sqrt(9)`: what is a small whole number.
    fn whole_value(&self, op: Op, args: &[Id]) -> Option<i64> {
        let number = |place: usize| Some(self.as_number(*args.get(place)?)?.value());
        let value = match op.row().eval {
            Eval::F1(eval) if op != Op::Stop => eval(number(0)?),
            Eval::F2(eval) => eval(number(0)?, number(1)?),
            _ => return None,
        };
        (value.abs() < 1e6 && value.trunc() == value).then_some(value as i64)
    }
}

/// Whether a function of one argument is odd; `None` if it is neither odd nor even.
fn parity(op: Op) -> Option<bool> {
    match op {
        Op::Sin | Op::Tan | Op::Asin | Op::Atan | Op::Sinh | Op::Tanh | Op::Asinh | Op::Atanh | Op::Erf | Op::Cbrt => {
            Some(true)
        }
        Op::Sign | Op::Trunc | Op::Round => Some(true),
        Op::Cos | Op::Cosh | Op::Abs | Op::Sinc => Some(false),
        _ => None,
    }
}
