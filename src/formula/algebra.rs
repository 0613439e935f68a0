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

use super::dag::{Dag, Factor, Id, Node, Relation, Symbol, Term};
use super::number::{MINUS_ONE, Number, ONE, ZERO};
use crate::ops::{Eval, Op};

/// Longer sums inside sums and products inside products keep to themselves.
const SHORT_SUM: usize = 4;
const SHORT_PRODUCT: usize = 6;
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

    pub fn times(&mut self, a: Id, b: Id) -> Id {
        self.product(ONE, vec![(a, Dag::ONE), (b, Dag::ONE)])
    }

    pub fn power(&mut self, base: Id, power: Id) -> Id {
        self.product(ONE, vec![(base, power)])
    }

    /// The reciprocal, as a factor.
    pub fn under(&mut self, base: Id) -> Factor {
        (base, self.whole(-1))
    }

    /// A product of powers, of which bases and exponents may be anything.
    pub fn product(&mut self, coefficient: Number, factors: Vec<Factor>) -> Id {
        let mut product = Product { coefficient, factors: Vec::new(), todo: factors };
        loop {
            while let Some((base, power)) = product.todo.pop() {
                product.take(self, base, power);
            }
            product.meet(self);
            if product.todo.is_empty() {
                return product.finish(self);
            }
        }
    }

    /// What comes first in a product: constants, arguments in their order, brackets, functions.
    pub fn place_in_product(&self, (base, power): Factor) -> (u8, Id, Id) {
        let class = match self.node(base) {
            _ if self.as_number(power).is_none() => 4,
            Node::Number(_) => 0,
            _ if self.is_constant(base) => 1,
            Node::Argument(_) => 2,
            Node::Sum(_) | Node::Product(_) | Node::Scaled(..) => 3,
            Node::Choose(..) => 5,
            _ => 4,
        };
        // Constants have no place of their own: `exp(x)*3^exp(x)`.
        let place = if class == 4 && self.is_constant(base) { power } else { base };
        (class, place, power)
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

/// A product in the making.
struct Product {
    coefficient: Number,
    factors: Vec<Factor>,
    /// Factors that may still come apart.
    todo: Vec<Factor>,
}

impl Product {
    /// Takes one factor in, or puts its parts on the list.
    fn take(&mut self, dag: &mut Dag, base: Id, power: Id) {
        let whole = dag.as_whole(power);
        match (dag.node(base).clone(), whole) {
            (_, Some(0)) => {}
            (Node::Number(value), _) if value == ONE => {}
            (Node::Number(ZERO), Some(..0)) => {
                let infinity = dag.intern(Node::Symbol(Symbol::Infinity));
                self.factors.push((infinity, Dag::ONE));
            }
            (Node::Number(value), Some(n)) => match value.pow(n).and_then(|value| self.coefficient.mul(value)) {
                Some(coefficient) => self.coefficient = coefficient,
                None => self.factors.push((base, power)),
            },
            (Node::Scaled(value, of), Some(n)) => {
                match value.pow(n).and_then(|value| self.coefficient.mul(value)) {
                    Some(coefficient) => {
                        self.coefficient = coefficient;
                        self.todo.push((of, power));
                    }
                    None => self.factors.push((base, power)),
                };
            }
            (Node::Product(factors), Some(n)) => self.take_product(dag, base, &factors, n),
            (Node::Sum(terms), Some(n))
                if terms.len() <= SHORT_SUM && terms.iter().all(|(coefficient, _)| coefficient.is_negative()) =>
            {
                let negated = dag.neg(base);
                if n % 2 != 0 {
                    self.coefficient = self.coefficient.neg();
                }
                self.factors.push((negated, power));
            }
            _ => self.factors.push((base, power)),
        }
    }

    fn take_product(&mut self, dag: &mut Dag, base: Id, factors: &[Factor], n: i64) {
        let n_id = dag.whole(n);
        let is_quotient = factors.iter().any(|&(_, power)| dag.as_number(power).is_some_and(Number::is_negative));
        let apart = factors.len() == 1 || (factors.len() <= SHORT_PRODUCT && (n.abs() == 1 || !is_quotient));
        if apart {
            for &(base, power) in factors {
                let power = dag.times(power, n_id);
                self.todo.push((base, power));
            }
        } else if is_quotient && n < -1 && factors.len() <= SHORT_PRODUCT {
            let under = dag.under(base);
            let inverted = dag.product(ONE, vec![under]);
            let power = dag.whole(-n);
            self.factors.push((inverted, power));
        } else {
            self.factors.push((base, n_id));
        }
    }

    /// Equal bases meet. What comes apart after that goes on the list.
    fn meet(&mut self, dag: &mut Dag) {
        self.factors.sort_by_key(|&(base, _)| base);
        let mut met: Vec<(Factor, bool)> = Vec::with_capacity(self.factors.len());
        for &(base, power) in &self.factors {
            match met.last_mut() {
                Some(((last, total), roots)) if *last == base => {
                    let opposite = dag.is_below(power) != dag.is_below(*total);
                    if opposite && !dag.is_finite(base) {
                        *last = dag.intern(Node::Symbol(Symbol::NotANumber));
                    } else {
                        *roots |= dag.as_whole(*total).is_none();
                        *total = dag.plus(*total, power);
                    }
                }
                _ => met.push(((base, power), false)),
            }
        }
        self.factors.clear();
        for ((base, power), roots) in met {
            let whole = dag.as_whole(power);
            if let (Node::Number(value), Some(n)) = (dag.node(base), whole)
                && let Some(coefficient) = value.pow(n).and_then(|value| self.coefficient.mul(value))
            {
                self.coefficient = coefficient;
            } else if roots && whole.is_some() {
                self.todo.push((base, power));
            } else if power != Dag::ZERO {
                self.reduce(dag, base, power);
            }
        }
    }

    /// `cbrt(x)^5` is `x*cbrt(x)^2`; likewise for `abs` and `hypot`.
    fn reduce(&mut self, dag: &mut Dag, base: Id, power: Id) {
        let n = dag.as_whole(power).unwrap_or(0);
        let (of, out_of, out, rest) = match dag.node(base).clone() {
            Node::Call(Op::Cbrt, args) if n.abs() >= 3 => (args[0], base, n / 3, n % 3),
            Node::Call(Op::Abs, args) if n.abs() >= 2 => (args[0], base, n - n % 2, n % 2),
            Node::Call(Op::Hypot, args) if n.abs() >= 2 => {
                let two = dag.whole(2);
                let squares = [dag.power(args[0], two), dag.power(args[1], two)];
                (dag.plus(squares[0], squares[1]), base, n / 2, n % 2)
            }
            _ => {
                self.factors.push((base, power));
                return;
            }
        };
        let (out, rest) = (dag.whole(out), dag.whole(rest));
        self.todo.extend([(of, out), (out_of, rest)]);
    }

    /// `sqrt(2)/2` is `1/sqrt(2)`, and `sqrt(2)*sqrt(pi)` is `sqrt(tau)`.
    fn join_roots(&mut self, dag: &mut Dag) {
        let (half, minus_half) = (dag.number(HALF), dag.number(HALF.neg()));
        for factor in &mut self.factors {
            let Some(Number::Ratio(base, 1)) = dag.as_number(factor.0) else { continue };
            match self.coefficient {
                Number::Ratio(above, below) if factor.1 == half && base > 1 && below % base == 0 => {
                    self.coefficient = Number::Ratio(above, below / base);
                    factor.1 = minus_half;
                }
                Number::Ratio(above, below) if factor.1 == minus_half && base > 1 && above % base == 0 => {
                    self.coefficient = Number::Ratio(above / base, below);
                    factor.1 = half;
                }
                _ => {}
            }
        }
        let (two, pi) = (dag.whole(2), dag.intern(Node::Symbol(Symbol::Pi)));
        for root in [half, minus_half] {
            if self.factors.contains(&(two, root)) && self.factors.contains(&(pi, root)) {
                self.factors.retain(|factor| ![(two, root), (pi, root)].contains(factor));
                self.factors.push((dag.intern(Node::Symbol(Symbol::Tau)), root));
            }
        }
    }

    fn finish(mut self, dag: &mut Dag) -> Id {
        if self.coefficient == ZERO {
            let infinite = |&(base, power): &Factor| match dag.node(base) {
                Node::Number(ZERO) => dag.is_below(power),
                _ => !dag.is_finite(base),
            };
            let finite = !self.factors.iter().any(infinite);
            return if finite { Dag::ZERO } else { dag.intern(Node::Symbol(Symbol::NotANumber)) };
        }
        if self.factors.iter().any(|&(base, _)| dag.is_constant(base)) {
            self.join_roots(dag);
        }
        if let Some(sum) = self.distributed(dag) {
            return sum;
        }
        self.factors.sort_by_key(|&factor| dag.place_in_product(factor));
        let rest = match self.factors[..] {
            [] => Dag::ONE,
            [(base, Dag::ONE)] => base,
            _ => dag.intern(Node::Product(self.factors.into())),
        };
        dag.scaled(self.coefficient, rest)
    }

    /// The product as a sum, where one of its factors is a short sum all of whose terms have a function or a divisor in common.
    fn distributed(&self, dag: &mut Dag) -> Option<Id> {
        if self.factors.len() > SHORT_PRODUCT || (self.factors.len() == 1 && self.coefficient.abs() == ONE) {
            return None;
        }
        let mut sums = self.factors.iter().filter(|&&(base, power)| power == Dag::ONE && dag.is_composed(base));
        let (sum, other) = (sums.next()?.0, sums.next());
        let Node::Sum(terms) = dag.node(sum).clone() else { return None };
        let n_other = other.map_or(1, |&(other, _)| dag.n_terms(other));
        if terms.len() * n_other > SHORT_SUM || sums.next().is_some() {
            return None;
        }
        let others: Vec<Factor> = self.factors.iter().copied().filter(|&(base, _)| base != sum).collect();
        let mut distributed = Vec::new();
        for &(coefficient, of) in &terms {
            let mut factors = others.clone();
            factors.push((of, Dag::ONE));
            distributed.push((ONE, dag.product(self.coefficient.mul(coefficient)?, factors)));
        }
        Some(dag.sum(distributed))
    }
}

impl Dag {
    /// Whether it is a short sum all of whose terms have a function or a divisor in common.
    fn is_composed(&self, sum: Id) -> bool {
        let Node::Sum(terms) = self.node(sum) else { return false };
        if terms.len() > SHORT_SUM {
            return false;
        }
        let factors = |of: Id| match self.node(of) {
            Node::Product(factors) => factors.to_vec(),
            _ => vec![(of, Dag::ONE)],
        };
        let simple = |base: Id| self.is_constant(base) || matches!(self.node(base), Node::Argument(_));
        let mut common = factors(terms[0].1);
        common.retain(|&(base, power)| !simple(base) || (self.is_below(power) && !self.is_constant(base)));
        for &(_, of) in &terms[1..] {
            let other = factors(of);
            common.retain(|&(base, power)| {
                other.iter().any(|&(b, p)| b == base && (!simple(b) || self.is_below(p) == self.is_below(power)))
            });
        }
        !common.is_empty()
    }

    fn n_terms(&self, sum: Id) -> usize {
        match self.node(sum) {
            Node::Sum(terms) => terms.len(),
            _ => 1,
        }
    }

    fn is_below(&self, power: Id) -> bool {
        self.as_number(power).is_some_and(Number::is_negative)
    }

    /// Neither an infinity nor NaN nor a zero that something is divided by.
    fn is_finite(&self, base: Id) -> bool {
        !matches!(self.node(base), Node::Symbol(Symbol::Infinity | Symbol::NotANumber) | Node::Number(ZERO))
    }
}
