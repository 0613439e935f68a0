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

pub mod derive;
mod reach;
mod rules;

pub use derive::{Mode, Wrt, cost, gradient, hessian, hessian_vector, jacobian, jvp, nth, vjp};
pub use rules::check_rules;

use crate::ir::guard::Guards;
use crate::ir::{Builder, Inst, Val};
use crate::ops::{Op, Type};
use reach::Reach;
use rules::rule;

/// Pushes tangents of inputs forward to outputs. `None`: the output doesn't depend on the inputs.
///
/// Adds at most a small constant number of operations for each active instruction.
pub fn tangents(builder: &mut Builder, seeds: &[(Val, Val)], outputs: &[Val]) -> Vec<Option<Val>> {
    let inputs: Vec<Val> = seeds.iter().map(|&(input, _)| input).collect();
    let active = Active::between(builder, &inputs, outputs);
    let mut dots: Vec<Option<Val>> = vec![None; active.len()];
    for &(input, seed) in seeds {
        if active.contains(input) {
            dots[active.place(input)] = Some(seed);
        }
    }
    let mut reach = Reach::of(builder, &active);
    for val in active.vals() {
        if !active.contains(val) || dots[active.place(val)].is_some() {
            continue;
        }
        builder.span = builder.func().span(val);
        let dot = |operand: Val| if active.contains(operand) { dots[active.place(operand)] } else { None };
        let mut sum: Option<Val> = None;
        if let Inst::Ternary(Op::Select, condition, a, b) = builder.func().inst(val) {
            let zero = builder.f64(0.0);
            let (a_dot, b_dot) = (dot(a), dot(b));
            if a_dot.is_some() || b_dot.is_some() {
                sum = Some(builder.select(condition, a_dot.unwrap_or(zero), b_dot.unwrap_or(zero)));
            }
        } else {
            for slot in 0..builder.func().operands(val).as_slice().len() {
                let operand = builder.func().operands(val).as_slice()[slot];
                let Some(mut term) = dot(operand).and_then(|seed| rule(builder, val, slot, seed)) else { continue };
                if let Some(reach) = &reach {
                    term = reach.masked(builder, &active, val, operand, term);
                }
                sum = Some(match sum {
                    None => term,
                    Some(sum) => builder.binary(Op::Add, sum, term),
                });
            }
        }
        dots[active.place(val)] = sum;
        if let Some(reach) = &mut reach {
            reach.extend(builder, &active, val);
        }
    }
    outputs.iter().map(|&output| if active.contains(output) { dots[active.place(output)] } else { None }).collect()
}

/// Pulls adjoints of outputs (each with its seed) back to inputs. `None`: no output depends on the input.
///
/// One sweep from the last instruction to the first, for any number of inputs; at most a small constant number of operations
/// for each active instruction.
pub fn adjoints(builder: &mut Builder, seeds: &[(Val, Val)], inputs: &[Val]) -> Vec<Option<Val>> {
    let outputs: Vec<Val> = seeds.iter().map(|&(output, _)| output).collect();
    let active = Active::between(builder, inputs, &outputs);
    let chooses = |val: Val| builder.func().inst(val).op().is_some_and(Op::chooses);
    let guards = active.vals().any(chooses).then(|| Guards::of_slopes(builder, &outputs, inputs));
    let mut bars: Vec<Option<Val>> = vec![None; active.len()];
    for &(output, seed) in seeds {
        if active.contains(output) {
            accumulate(builder, &mut bars[active.place(output)], seed);
        }
    }
    for val in active.vals().rev() {
        if !active.contains(val) {
            continue;
        }
        let Some(bar) = bars[active.place(val)] else { continue };
        builder.span = builder.func().span(val);
        for slot in 0..builder.func().operands(val).as_slice().len() {
            let operand = builder.func().operands(val).as_slice()[slot];
            if !active.contains(operand) {
                continue;
            }
            let Some(mut term) = contribution(builder, val, slot, bar) else { continue };
            if let Some(guards) = &guards {
                term = masked(builder, guards, val, slot, operand, term);
            }
            accumulate(builder, &mut bars[active.place(operand)], term);
        }
    }
    inputs.iter().map(|&input| if active.contains(input) { bars[active.place(input)] } else { None }).collect()
}

/// What an instruction with the adjoint `bar` sends back to operand number `slot` where it matters; `None` where that is zero by
/// structure.
pub fn contribution(builder: &mut Builder, val: Val, slot: usize, bar: Val) -> Option<Val> {
    match builder.func().inst(val) {
        // Through a `select` the seed passes as it is, and is masked like any other contribution.
        Inst::Ternary(Op::Select, ..) => (slot > 0).then_some(bar),
        _ => rule(builder, val, slot, bar),
    }
}

fn accumulate(builder: &mut Builder, sum: &mut Option<Val>, term: Val) {
    *sum = Some(match *sum {
        None => term,
        Some(sum) => builder.binary(Op::Add, sum, term),
    });
}

/// A contribution, or 0 where the user doesn't matter although the operand does.
fn masked(builder: &mut Builder, guards: &Guards, user: Val, slot: usize, operand: Val, term: Val) -> Val {
    let edge = guards.edge(builder, user, slot, guards.get(user));
    let guard = guards.get(operand);
    if edge == guard {
        return term;
    }
    // Where the operand itself doesn't matter its adjoint is never looked at: the condition that is new suffices.
    let condition = match builder.func().inst(edge) {
        Inst::Binary(Op::And, a, b) if a == guard => b,
        Inst::Binary(Op::And, a, b) if b == guard => a,
        _ => edge,
    };
    let zero = builder.f64(0.0);
    builder.select(condition, term, zero)
}

/// The instructions on the ways from inputs to outputs along which a derivative can flow.
///
/// They lie between the first input and the last output, so a derivative inside a large program looks only at its own
/// part of the graph.
struct Active {
    first: u32,
    on_a_way: Vec<bool>,
}

impl Active {
    fn between(builder: &Builder, inputs: &[Val], outputs: &[Val]) -> Active {
        let func = builder.func();
        let (Some(first), Some(last)) = (inputs.iter().min(), outputs.iter().max()) else {
            return Active { first: 0, on_a_way: Vec::new() };
        };
        if first > last {
            return Active { first: first.0, on_a_way: Vec::new() };
        }
        let mut active = Active { first: first.0, on_a_way: vec![false; (last.0 - first.0 + 1) as usize] };
        for &input in inputs {
            if input <= *last && func.ty(input) == Type::F64 {
                let place = active.place(input);
                active.on_a_way[place] = true;
            }
        }
        for val in active.vals() {
            let depends = func.ty(val) == Type::F64
                && func
                    .operands(val)
                    .iter()
                    .enumerate()
                    .any(|(slot, &operand)| active.contains(operand) && func.has_slope(val, slot));
            if depends {
                let place = active.place(val);
                active.on_a_way[place] = true;
            }
        }
        let mut wanted = vec![false; active.len()];
        for &output in outputs {
            if active.contains(output) {
                wanted[active.place(output)] = true;
            }
        }
        for val in active.vals().rev() {
            if wanted[active.place(val)] {
                for (slot, &operand) in func.operands(val).iter().enumerate() {
                    if active.contains(operand) && func.has_slope(val, slot) {
                        wanted[active.place(operand)] = true;
                    }
                }
            }
        }
        for (on_a_way, wanted) in active.on_a_way.iter_mut().zip(wanted) {
            *on_a_way &= wanted;
        }
        active
    }

    fn len(&self) -> usize {
        self.on_a_way.len()
    }

    fn place(&self, val: Val) -> usize {
        (val.0 - self.first) as usize
    }

    fn contains(&self, val: Val) -> bool {
        val.0 >= self.first && self.on_a_way.get((val.0 - self.first) as usize).copied().unwrap_or(false)
    }

    fn vals(&self) -> impl DoubleEndedIterator<Item = Val> + use<> {
        (self.first..self.first + self.on_a_way.len() as u32).map(Val)
    }
}
