//! Conditions and choices in normal form.
//!
//! A comparison has its constant on the right, and otherwise what was there first on the left: `x > 0`, `x < y`.
//! A negation goes into a comparison of what can't be NaN: `not x < 0` is `x >= 0`.
//!
//! ```text
//! if(c, if(c, a, b), z) = if(c, a, z)
//! if(u == v, t, if(u < v, a, b)) = if(u < v, a, if(u == v, t, b))
//! if(u < v, a, if(u == v, a, b)) = if(u <= v, a, b)
//! ```

use super::dag::{Dag, Id, Node, Relation};
use super::number::{Number, ONE};

impl Relation {
    pub fn sign(self) -> &'static str {
        match self {
            Relation::Lt => "<",
            Relation::Le => "<=",
            Relation::Gt => ">",
            Relation::Ge => ">=",
            Relation::Eq => "==",
            Relation::Ne => "!=",
        }
    }

    fn swapped(self) -> Relation {
        match self {
            Relation::Lt => Relation::Gt,
            Relation::Le => Relation::Ge,
            Relation::Gt => Relation::Lt,
            Relation::Ge => Relation::Le,
            Relation::Eq => Relation::Eq,
            Relation::Ne => Relation::Ne,
        }
    }

    fn negated(self) -> Relation {
        match self {
            Relation::Lt => Relation::Ge,
            Relation::Le => Relation::Gt,
            Relation::Gt => Relation::Le,
            Relation::Ge => Relation::Lt,
            Relation::Eq => Relation::Ne,
            Relation::Ne => Relation::Eq,
        }
    }
}

impl Dag {
    pub fn compare(&mut self, relation: Relation, a: Id, b: Id) -> Id {
        if let (Some(a), Some(b)) = (self.as_whole(a), self.as_whole(b)) {
            let holds = match relation {
                Relation::Lt => a < b,
                Relation::Le => a <= b,
                Relation::Gt => a > b,
                Relation::Ge => a >= b,
                Relation::Eq => a == b,
                Relation::Ne => a != b,
            };
            return self.intern(Node::Bool(holds));
        }
        // `x - 1 == 0` is `x == 1`.
        if let (Relation::Eq | Relation::Ne, Node::Sum(terms), Some(0)) = (relation, self.node(a), self.as_whole(b))
            && let [(ONE, of), (constant @ Number::Ratio(_, 1), Dag::ONE)] = terms[..]
        {
            let other = self.number(constant.neg());
            return self.compare(relation, of, other);
        }
        let swap = (self.is_constant(a), a) > (self.is_constant(b), b);
        let node = if swap { Node::Compare(relation.swapped(), b, a) } else { Node::Compare(relation, a, b) };
        self.intern(node)
    }

    pub fn not(&mut self, a: Id) -> Id {
        match *self.node(a) {
            Node::Bool(value) => self.intern(Node::Bool(!value)),
            Node::Not(inner) => inner,
            Node::Compare(relation @ (Relation::Eq | Relation::Ne), x, y) => self.compare(relation.negated(), x, y),
            Node::Compare(relation, x, y) if self.is_total(x) && self.is_total(y) => {
                self.compare(relation.negated(), x, y)
            }
            _ => self.intern(Node::Not(a)),
        }
    }

    pub fn and(&mut self, a: Id, b: Id) -> Id {
        match (self.node(a), self.node(b)) {
            (Node::Bool(true), _) => b,
            (_, Node::Bool(true)) => a,
            (Node::Bool(false), _) | (_, Node::Bool(false)) => self.intern(Node::Bool(false)),
            (&Node::Compare(Relation::Eq, x, p), &Node::Compare(Relation::Eq, y, q))
                if x == y && p != q && self.as_number(p).is_some() && self.as_number(q).is_some() =>
            {
                self.intern(Node::Bool(false))
            }
            _ if a == b => a,
            _ => self.intern(Node::And(a, b)),
        }
    }

    pub fn or(&mut self, a: Id, b: Id) -> Id {
        match (self.node(a), self.node(b)) {
            (Node::Bool(false), _) => b,
            (_, Node::Bool(false)) => a,
            (Node::Bool(true), _) | (_, Node::Bool(true)) => self.intern(Node::Bool(true)),
            _ if a == b => a,
            _ => self.intern(Node::Or(a, b)),
        }
    }

    pub fn choose(&mut self, condition: Id, a: Id, b: Id) -> Id {
        let a = match *self.node(a) {
            Node::Choose(same, a, _) if same == condition => a,
            _ => a,
        };
        let b = match *self.node(b) {
            Node::Choose(same, _, b) if same == condition => b,
            _ => b,
        };
        if a == b {
            return a;
        }
        match (self.node(condition).clone(), self.node(a).clone(), self.node(b).clone()) {
            (Node::Bool(true), ..) => a,
            (Node::Bool(false), ..) => b,
            (Node::Not(condition), ..) => self.choose(condition, b, a),
            (_, _, Node::Bool(false)) => self.and(condition, a),
            (_, Node::Bool(true), _) => self.or(condition, b),
            (_, Node::Bool(false), _) => {
                let opposite = self.not(condition);
                self.and(opposite, b)
            }
            (_, _, Node::Bool(true)) => {
                let opposite = self.not(condition);
                self.or(opposite, a)
            }
            (Node::Compare(Relation::Eq, u, v), _, Node::Choose(other, p, q)) => match *self.node(other) {
                // The tie comes last.
                Node::Compare(Relation::Lt | Relation::Gt, x, y) if (x, y) == (u, v) => {
                    let tie = self.choose(condition, a, q);
                    self.choose(other, p, tie)
                }
                _ => self.intern(Node::Choose(condition, a, b)),
            },
            (Node::Compare(relation @ (Relation::Lt | Relation::Gt), u, v), _, Node::Choose(other, p, q)) if p == a => {
                match *self.node(other) {
                    Node::Compare(Relation::Eq, x, y) if (x, y) == (u, v) => {
                        let wider = if relation == Relation::Lt { Relation::Le } else { Relation::Ge };
                        let wider = self.compare(wider, u, v);
                        self.choose(wider, a, q)
                    }
                    _ => self.intern(Node::Choose(condition, a, b)),
                }
            }
            _ => self.intern(Node::Choose(condition, a, b)),
        }
    }
}
