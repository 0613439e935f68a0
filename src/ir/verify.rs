//! What a well-formed graph is. A graph that fails is our mistake, never the user's.

use super::{Func, Inst, Region, UpdateKind, Val};
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
            Inst::Bound(_) => func.ty(val),
            Inst::Read(_) => read(func, val).map_err(|wrong| format!("{} {wrong}", place()))?,
            Inst::Region(id) => {
                region(func, val, func.region(id)).map_err(|wrong| format!("{}: {wrong}", place()))?;
                Type::Tuple
            }
            Inst::Result(of, number) => match func.inst(of) {
                Inst::Region(id) if (number as usize) < func.region(id).results() => func.ty(val),
                _ => return Err(format!("{} is no result of a region", place())),
            },
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
        if func.inst(val).op().is_some() && operands.iter().any(|&operand| func.is_array(operand)) {
            return Err(format!("{} takes an array", place()));
        }
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

fn read(func: &Func, val: Val) -> Result<Type, &'static str> {
    let operands = func.operands(val);
    let (array, subscripts) = (operands.as_slice()[0], &operands.as_slice()[1..]);
    if subscripts.iter().any(|&subscript| !is_scalar(func, subscript, Type::Int)) {
        return Err("has a subscript that is no integer");
    }
    match func.shape(array).get(subscripts.len()..) {
        Some(rest) if rest == func.shape(val) && !subscripts.is_empty() => Ok(func.ty(array)),
        _ => Err("has the wrong number of subscripts"),
    }
}

fn is_scalar(func: &Func, val: Val, ty: Type) -> bool {
    func.ty(val) == ty && !func.is_array(val)
}

fn alike(func: &Func, a: Val, b: Val) -> bool {
    func.ty(a) == func.ty(b) && func.shape(a) == func.shape(b)
}

fn region(func: &Func, val: Val, region: &Region) -> Result<(), String> {
    let binds: Vec<Val> = region.binds().collect();
    let wrong = |what: &str| Err(what.to_owned());
    if binds.iter().any(|&name| !matches!(func.inst(name), Inst::Bound(_))) {
        return wrong("it binds what is no name");
    }
    if region.uses().any(|used| used >= val) {
        return wrong("its body is younger than it is");
    }
    for (number, each) in region.loops.iter().enumerate() {
        let inner: Vec<Val> = region.loops[number..].iter().map(|each| each.index).collect();
        if [each.index, each.low, each.high].iter().any(|&bound| !is_scalar(func, bound, Type::Int)) {
            return wrong("a loop runs over integers");
        }
        let before = |bound: Val| {
            !func.depends(bound, &inner) && {
                let rest: Vec<Val> = binds.iter().copied().skip(region.loops.len()).collect();
                !func.depends(bound, &rest)
            }
        };
        if !before(each.low) || !before(each.high) {
            return wrong("the bounds of a loop depend on what comes later");
        }
    }
    if region.loops.len() != 1 && (!region.states.is_empty() || region.going.is_some()) {
        return wrong("states and `while` need exactly one loop");
    }
    for state in &region.states {
        if !alike(func, state.bound, state.init) || !alike(func, state.bound, state.next) {
            return wrong("a state changes its type or its shape");
        }
    }
    if region.going.is_some_and(|going| !is_scalar(func, going, Type::Bool)) {
        return wrong("`while` takes a condition");
    }
    let inits = region.states.iter().map(|state| state.init).chain(region.cells.iter().filter_map(|cell| cell.init));
    if inits.into_iter().any(|init| func.depends(init, &binds)) {
        return wrong("an initial value depends on the loop");
    }
    for cell in &region.cells {
        let is_like = |array: Val| func.ty(array) == cell.ty && *func.shape(array) == *cell.shape;
        if cell.shape.is_empty() || !cell.bound.into_iter().chain(cell.init).all(is_like) {
            return wrong("a cell has another type or shape than its name or its initial value");
        }
        for update in &cell.updates {
            let fits = update.subscripts.iter().all(|&subscript| is_scalar(func, subscript, Type::Int))
                && cell.shape.get(update.subscripts.len()..) == Some(func.shape(update.value))
                && func.ty(update.value) == cell.ty
                && is_scalar(func, update.guard, Type::Bool)
                && update.factor.is_none_or(|factor| is_scalar(func, factor, Type::F64))
                && (update.kind == UpdateKind::Store || cell.ty == Type::F64);
            if !fits {
                return wrong("an update doesn't fit its cell");
            }
        }
    }
    for reduction in &region.reductions {
        let ty = match reduction.op {
            Op::Add | Op::Min | Op::Max => Type::F64,
            Op::IAdd | Op::IMin | Op::IMax => Type::Int,
            Op::And | Op::Or => Type::Bool,
            other => return Err(format!("`{}` is no reduction", other.name())),
        };
        let has_factor = reduction.factor.is_some();
        if !is_scalar(func, reduction.value, ty)
            || !is_scalar(func, reduction.guard, Type::Bool)
            || reduction.factor.is_some_and(|factor| !is_scalar(func, factor, Type::F64))
            || (has_factor && reduction.op != Op::Add)
        {
            return wrong("a reduction has the wrong types");
        }
    }
    Ok(())
}
