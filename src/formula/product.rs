//! Products in normal form.
//!
//! Factors come apart as far as the laws of `algebra` allow, equal bases meet, and what that makes comes apart again, until
//! nothing changes. Then a product over a sum that is made of quotients or functions becomes a sum.

use super::algebra::{SHORT_PRODUCT, SHORT_SUM};
use super::dag::{Dag, Factor, Id, Node, Symbol};
use super::number::{Number, ONE, ZERO};
use crate::ops::Op;

const HALF: Number = Number::Ratio(1, 2);

impl Dag {
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
            // Beside the coefficient it would overflow.
            Node::Number(_) if self.as_whole(power).is_some() => 6,
            Node::Number(_) => 0,
            _ if self.is_constant(base) => 1,
            Node::Argument(_) | Node::Element(_) | Node::Index(..) => 2,
            Node::Sum(_) | Node::Product(_) | Node::Scaled(..) => 3,
            Node::Choose(..) => 5,
            _ => 4,
        };
        // Constants have no place of their own: `exp(x)*3^exp(x)`.
        let place = if class == 4 && self.is_constant(base) { power } else { base };
        (class, place, power)
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
                // Not `times(power, 1)`: an exponent may be a tower of powers.
                let power = if n == 1 { power } else { dag.times(power, n_id) };
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
        let nan = dag.intern(Node::Symbol(Symbol::NotANumber));
        if self.factors.iter().any(|&(base, _)| base == nan) {
            return nan;
        }
        if self.coefficient == ZERO {
            let infinite = |&(base, power): &Factor| match dag.node(base) {
                Node::Number(ZERO) => dag.is_below(power),
                _ => !dag.is_finite(base),
            };
            let finite = !self.factors.iter().any(infinite);
            return if finite { Dag::ZERO } else { nan };
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
