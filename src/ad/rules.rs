//! The derivative rule of one operand of one instruction.
//!
//! Rules of the operator table are formulas; each is parsed once, at its first use, into a template. Operators with
//! any number of operands and those whose rule looks at constants are code, below.

use std::sync::{LazyLock, OnceLock};

use crate::ast::{BinaryOp, NodeKind, UnaryOp};
use crate::ir::{Builder, Inst, Val};
use crate::ops::{OPS, Op};
use crate::syntax;

/// The contribution of operand number `slot` of the instruction `site`, linear in the seed `g`; `None` where it is zero by
/// structure. In forward mode `g` is the tangent of the operand, in reverse mode the adjoint of the instruction.
pub fn rule(builder: &mut Builder, site: Val, slot: usize, g: Val) -> Option<Val> {
    match builder.func().inst(site) {
        Inst::Param(_) | Inst::Opaque(_) | Inst::F64(_) | Inst::Int(_) | Inst::Bool(_) | Inst::Bound(_) => None,
        Inst::Read(_) | Inst::Region(_) | Inst::Result(..) => unreachable!("arrays and loops have no row in the table"),
        Inst::Binary(Op::Powi, base, n) => (slot == 0).then(|| power(builder, base, n, g)),
        Inst::Binary(op @ (Op::Min | Op::Max), a, b) => {
            let (mine, other) = if slot == 0 { (a, b) } else { (b, a) };
            Some(extreme_of_two(builder, op, site, mine, other, g))
        }
        Inst::Nary(_, list) => Some(extreme_of_many(builder, site, slot, list, g)),
        Inst::Unary(op, _) | Inst::Binary(op, ..) | Inst::Ternary(op, ..) => {
            let template = templates(op).get(slot)?.as_ref()?;
            Some(template.instantiate(builder, site, g))
        }
    }
}

/// `x^n`: `g*(n*x^(n - 1))`, and 0 where `n` is 0.
fn power(builder: &mut Builder, base: Val, n: Val, g: Val) -> Val {
    let known = builder.func().int(n);
    let (factor, less) = match known {
        Some(n) => (builder.f64(n as f64), builder.int(n.saturating_sub(1))),
        None => {
            let one = builder.int(1);
            (builder.unary(Op::ToF64, n), builder.binary(Op::ISub, n, one))
        }
    };
    let power = builder.binary(Op::Powi, base, less);
    let slope = builder.binary(Op::Mul, factor, power);
    let product = builder.binary(Op::Mul, g, slope);
    if known.is_some() {
        return product;
    }
    let zero = builder.int(0);
    let constant = builder.binary(Op::IEq, n, zero);
    let nothing = builder.f64(0.0);
    builder.select(constant, nothing, product)
}

/// `min` and `max` of two: the chosen one takes the seed, a tie shares it.
fn extreme_of_two(builder: &mut Builder, op: Op, site: Val, mine: Val, other: Val, g: Val) -> Val {
    let chosen = match op {
        Op::Min => builder.binary(Op::Lt, mine, other),
        _ => builder.binary(Op::Lt, other, mine),
    };
    let tie = builder.binary(Op::Eq, mine, other);
    let (half, zero) = (builder.f64(0.5), builder.f64(0.0));
    let shared = builder.binary(Op::Mul, half, g);
    let single = builder.select(chosen, g, zero);
    let contribution = builder.select(tie, shared, single);
    builder.binary(Op::Domain, site, contribution)
}

/// `min` and `max` of many: all operands that equal the result share the seed.
fn extreme_of_many(builder: &mut Builder, site: Val, slot: usize, list: crate::ir::ListId, g: Val) -> Val {
    let operands = builder.func().list(list).to_vec();
    let (zero, one) = (builder.f64(0.0), builder.f64(1.0));
    let mut count = None;
    for &operand in &operands {
        let tied = builder.binary(Op::Eq, operand, site);
        let share = builder.select(tied, one, zero);
        count = Some(match count {
            None => share,
            Some(count) => builder.binary(Op::Add, count, share),
        });
    }
    let shared = builder.binary(Op::Div, g, count.unwrap_or(one));
    let tied = builder.binary(Op::Eq, operands[slot], site);
    let contribution = builder.select(tied, shared, zero);
    builder.binary(Op::Domain, site, contribution)
}

/// A rule of the table, ready to be put in place.
struct Template {
    steps: Vec<Step>,
}

/// One step in postorder.
enum Step {
    Operand(usize),
    Result,
    Seed,
    Number(f64),
    Apply(Op, usize),
}

impl Template {
    fn instantiate(&self, builder: &mut Builder, site: Val, g: Val) -> Val {
        let mut stack: Vec<Val> = Vec::with_capacity(8);
        for step in &self.steps {
            let value = match step {
                Step::Operand(slot) => builder.func().operands(site).as_slice()[*slot],
                Step::Result => site,
                Step::Seed => g,
                Step::Number(value) => builder.f64(*value),
                Step::Apply(op, arity) => {
                    let args = stack.split_off(stack.len() - arity);
                    builder.emit(*op, &args)
                }
            };
            stack.push(value);
        }
        stack[0]
    }
}

/// The rules of one operator, one an operand; `None` is zero by structure.
fn templates(op: Op) -> &'static [Option<Template>] {
    static ALL: LazyLock<Vec<OnceLock<Vec<Option<Template>>>>> =
        LazyLock::new(|| OPS.iter().map(|_| OnceLock::new()).collect());
    ALL[op as usize].get_or_init(|| {
        let parse = |text: &&str| {
            (!text.is_empty()).then(|| match template(text) {
                Ok(template) => template,
                Err(problem) => panic!("the rule `{text}` of `{}` is malformed: {problem}", op.name()),
            })
        };
        op.row().rule.iter().map(parse).collect()
    })
}

/// Parses every rule of the table, for the test that none is malformed.
pub fn check_rules() {
    for row in OPS {
        templates(row.op);
    }
}

fn template(text: &str) -> Result<Template, String> {
    let ast = syntax::parse_rule(text)?;
    let mut steps = Vec::new();
    for node in &ast.nodes {
        steps.push(match node.kind {
            NodeKind::Number(value) => Step::Number(value),
            NodeKind::Integer(value) => Step::Number(value as f64),
            NodeKind::Name { name, primes: 0 } => match ast.name(name) {
                "a" => Step::Operand(0),
                "b" => Step::Operand(1),
                "c" => Step::Operand(2),
                "y" => Step::Result,
                "g" => Step::Seed,
                other => return Err(format!("`{other}` is none of a, b, c, y, g")),
            },
            NodeKind::Unary(UnaryOp::Neg) => Step::Apply(Op::Neg, 1),
            NodeKind::Binary(op) => Step::Apply(
                match op {
                    BinaryOp::Add => Op::Add,
                    BinaryOp::Sub => Op::Sub,
                    BinaryOp::Mul => Op::Mul,
                    BinaryOp::Div => Op::Div,
                    BinaryOp::Lt => Op::Lt,
                    BinaryOp::Le => Op::Le,
                    BinaryOp::Eq => Op::Eq,
                    BinaryOp::Ne => Op::Ne,
                    BinaryOp::And => Op::And,
                    BinaryOp::Or => Op::Or,
                    // Greater and powers are written the other way round, so that a template is one to one.
                    BinaryOp::Gt | BinaryOp::Ge | BinaryOp::Pow => return Err(format!("{op:?} has no operator")),
                },
                2,
            ),
            NodeKind::If => Step::Apply(Op::Select, 3),
            NodeKind::Call { name, primes: 0, args, .. } => {
                let op = Op::by_name(ast.name(name)).ok_or_else(|| format!("no operator `{}`", ast.name(name)))?;
                Step::Apply(op, args as usize)
            }
            other => return Err(format!("{other:?} does not belong in a rule")),
        });
    }
    Ok(Template { steps })
}
