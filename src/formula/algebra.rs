//! Sums and products in normal form.
//!
//! ```text
//! a*t + b*t = (a + b)*t        x^p * x^q = x^(p + q)        (x^p)^n = x^(p*n)       n whole
//! t - (u - v) = t - u + v      (x*y)^n   = x^n*y^n          x/(y/z) = x*z/y
//! sqrt(x)^2 = x    cbrt(x)^3 = x    abs(x)^2 = x^2    hypot(x, y)^2 = x^2 + y^2    x^(1/2) = sqrt(x)
//! ```
//!
//! These are identities of real numbers, right wherever both sides are defined; the simpler side may be defined at more
//! points (`x/x = 1`). What could cost digits or overflow is left alone: products aren't expanded, a quotient
//! isn't raised to a power factor by factor, coefficients that would leave the doubles stay apart.
//!
//! A sum or product inside another becomes part of it only if it is short. So the cost is linear, and what is shared stays so.

use hashbrown::HashMap;

use super::dag::{Dag, Factor, Id, Node, Symbol, Term};
use super::number::{MINUS_ONE, Number, ONE, ZERO};
use crate::ops::{Eval, Op};

/// Longer sums inside sums and products inside products keep to themselves.
const SHORT_SUM: usize = 4;
const SHORT_PRODUCT: usize = 6;

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

    /// What comes first in a product: numbers, symbols, arguments in their order, brackets, functions.
    pub fn place_in_product(&self, base: Id) -> (u8, Id) {
        let class = match self.node(base) {
            Node::Number(_) => 0,
            _ if self.is_constant(base) => 1,
            Node::Argument(_) => 2,
            Node::Sum(_) | Node::Product(_) | Node::Scaled(..) => 3,
            Node::Choose(..) => 5,
            _ => 4,
        };
        (class, base)
    }

    /// A function at its arguments.
    pub fn call(&mut self, op: Op, args: Vec<Id>) -> Id {
        if let Some(value) = self.whole_value(op, &args) {
            return self.whole(value);
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

    /// Equal bases meet. Where that makes a simpler power of another base, this goes on the list.
    fn meet(&mut self, dag: &mut Dag) {
        self.factors.sort_by_key(|&(base, _)| base);
        let mut met: Vec<Factor> = Vec::with_capacity(self.factors.len());
        for &(base, power) in &self.factors {
            match met.last_mut() {
                Some((last, total)) if *last == base => {
                    let opposite = dag.is_below(power) != dag.is_below(*total);
                    if opposite && matches!(dag.node(base), Node::Symbol(_) | Node::Number(_)) && !dag.is_finite(base) {
                        *last = dag.intern(Node::Symbol(Symbol::NotANumber));
                    } else {
                        *total = dag.plus(*total, power);
                    }
                }
                _ => met.push((base, power)),
            }
        }
        met.retain(|&(_, power)| power != Dag::ZERO);
        self.factors.clear();
        for (base, power) in met {
            match simpler_power(dag, base, power) {
                Some(simpler) => self.todo.push(simpler),
                None => self.factors.push((base, power)),
            }
        }
    }

    fn finish(mut self, dag: &mut Dag) -> Id {
        if self.coefficient == ZERO {
            let finite = self.factors.iter().all(|&(base, _)| dag.is_finite(base));
            return if finite { Dag::ZERO } else { dag.intern(Node::Symbol(Symbol::NotANumber)) };
        }
        self.factors.sort_by_key(|&(base, _)| dag.place_in_product(base));
        let rest = match self.factors[..] {
            [] => Dag::ONE,
            [(base, Dag::ONE)] => base,
            _ => dag.intern(Node::Product(self.factors.into())),
        };
        dag.scaled(self.coefficient, rest)
    }
}

/// The same power as one of a simpler base.
fn simpler_power(dag: &mut Dag, base: Id, power: Id) -> Option<Factor> {
    let exponent = dag.as_number(power)?;
    if let Number::Ratio(numerator @ (1 | -1), 2) = exponent {
        let root = dag.call(Op::Sqrt, vec![base]);
        return Some((root, dag.whole(numerator)));
    }
    let n = exponent.as_whole()?;
    let (of, n) = match dag.node(base).clone() {
        Node::Number(_) | Node::Scaled(..) if dag.is_finite(base) && (n == 1 || n == -1) => return None,
        Node::Call(Op::Sqrt, args) if n % 2 == 0 => (args[0], n / 2),
        Node::Call(Op::Cbrt, args) if n % 3 == 0 => (args[0], n / 3),
        Node::Call(Op::Abs, args) if n % 2 == 0 => (args[0], n),
        Node::Call(Op::Hypot, args) if n == 2 || n == -2 => {
            let two = dag.whole(2);
            let squares = [dag.power(args[0], two), dag.power(args[1], two)];
            (dag.plus(squares[0], squares[1]), n / 2)
        }
        _ => return None,
    };
    Some((of, dag.whole(n)))
}

impl Dag {
    fn is_below(&self, power: Id) -> bool {
        self.as_number(power).is_some_and(Number::is_negative)
    }

    /// Neither an infinity nor NaN nor a zero that something is divided by.
    fn is_finite(&self, base: Id) -> bool {
        !matches!(self.node(base), Node::Symbol(Symbol::Infinity | Symbol::NotANumber) | Node::Number(ZERO))
    }
}
