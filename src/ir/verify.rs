//! What a well-formed graph is. A graph that fails is our mistake, never the user's.

use super::{Func, Inst, Val};
use crate::ops::{Op, Type};

/// Says what is wrong with a graph, as a sentence for its author.
pub fn verify(func: &Func) -> Result<(), String> {
    for val in func.vals() {
        let operands = func.operands(val);
        let place = || format!("value {} ({:?})", val.0, func.inst(val));
        if let Some(late) = operands.iter().find(|operand| **operand >= val) {
            return Err(format!("{} uses value {} before it exists", place(), late.0));
        }
        let types: Vec<Type> = operands.iter().map(|&operand| func.ty(operand)).collect();
        let expected = match func.inst(val) {
            Inst::Param(index) => match func.params.get(index as usize) {
                Some(param) => param.ty,
                None => return Err(format!("{} is no argument of the function", place())),
            },
            Inst::Bound(_) | Inst::Read(_) | Inst::Region(_) | Inst::Result(..) => func.ty(val),
            Inst::Opaque(_) => return Err(format!("{} is left over from a derivative", place())),
            Inst::F64(_) => Type::F64,
            Inst::Int(_) => Type::Int,
            Inst::Bool(_) => Type::Bool,
            Inst::Ternary(Op::Select, ..) => match types[..] {
                [Type::Bool, a, b] if a == b => a,
                _ => return Err(format!("{} chooses between {types:?}", place())),
            },
            Inst::Nary(op @ (Op::Min | Op::Max), _) => {
                if types.len() < 3 || types.iter().any(|&ty| ty != Type::F64) {
                    return Err(format!("{} takes {types:?}", place()));
                }
                op.row().result
            }
            Inst::Nary(..) => return Err(format!("{} has a list of operands", place())),
            Inst::Unary(op, _) | Inst::Binary(op, ..) | Inst::Ternary(op, ..) => {
                if types != op.row().args {
                    return Err(format!("{} takes {:?}, not {types:?}", place(), op.row().args));
                }
                op.row().result
            }
        };
        if func.ty(val) != expected {
            return Err(format!("{} has type {} but says {}", place(), expected.name(), func.ty(val).name()));
        }
    }
    let exists = |val: Val| val.index() < func.len();
    for result in &func.results {
        if !exists(result.value) {
            return Err(format!("result `{}` is value {}, which does not exist", result.name, result.value.0));
        }
    }
    for check in &func.checks {
        if !exists(check.guard) || !exists(check.site) {
            return Err("a check refers to a value that does not exist".to_owned());
        }
        if func.ty(check.guard) != Type::Bool || !func.may_fault(check.site) {
            return Err(format!("the check of value {} watches nothing that can fail", check.site.0));
        }
    }
    Ok(())
}
