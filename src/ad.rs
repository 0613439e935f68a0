//! Differentiation: functions from graph to graph.
//!
//! For every instruction `y = f(a, b)` the operator table gives rules, linear in a seed `g` (see `ops`):
//!
//! ```text
//! forward (pushforward)   y_dot  = rule_a(g := a_dot) + rule_b(g := b_dot)
//! reverse (pullback)      a_bar += rule_a(g := y_bar),   b_bar += rule_b(g := y_bar)
//! ```
//!
//! Naming: the tangent of `x` is `x_dot`, its adjoint `x_bar`. A derivative is an ordinary graph, so
//! `hessian = jvp(vjp(f))` has no code of its own. Only what depends on the arguments of interest is
//! **active**; everything else has no tangent and no adjoint, not one that is zero.
//!
//! Branches: what flows back from a node that matters only under a condition (its guard, see `ir::guard`) to one
//! that matters under a weaker one passes through `select(condition, contribution, 0)`. So a branch that isn't taken
//! contributes nothing, whatever its slope would be; nor does the argument of `max` and its like that isn't the greatest. Forward,
//! the `select` of the primal or of the rule does the same, and what follows passes the 0 on; see `reach`.

//! Arrays and loops: the derivative of a region is a region, so derivatives compose to any order; see `forward` and `pullback`.

mod active;
pub mod derive;
pub mod directions;
mod forward;
mod initial;
mod pullback;
mod reach;
mod residual;
mod reverse;
mod rules;

pub use derive::{Mode, Wrt, cost, gradient, hessian, hessian_vector, jacobian, jvp, nth, vjp};
pub use forward::tangents;
pub use reverse::adjoints;
pub use rules::check_rules;

use crate::ir::{Builder, Inst, Val};
use crate::ops::Op;

/// 0 in the shape of a value.
fn zero(builder: &mut Builder, like: Val) -> Val {
    let shape = builder.func().shape(like).to_vec();
    builder.zeros(&shape)
}

/// What an instruction with the adjoint `bar` sends back to operand number `slot` where it matters; `None` where that is zero by
/// structure.
pub fn contribution(builder: &mut Builder, val: Val, slot: usize, bar: Val) -> Option<Val> {
    match builder.func().inst(val) {
        // Through a `select` the seed passes as it is, and is masked like any other contribution.
        Inst::Ternary(Op::Select, ..) => (slot > 0).then_some(bar),
        _ => rules::rule(builder, val, slot, bar),
    }
}
