//! Elementary functions as machine code: made once for the process, at the first need, and called by all other code.
//!
//! A leaf is the expansion of one operator (see `math`) as a function of its own. It computes what the operator's `eval`
//! computes, to the bit, with the instructions of this machine: `fma` above all, which a portable program may not
//! assume. To write expansions out in every formula would save the calls and cost a multiple of the time to compile.

use std::sync::OnceLock;

use cranelift::codegen::Context;
use cranelift_jit::{JITBuilder, JITModule};
use cranelift_module::Module;

use super::shims::Symbol;
use super::target::{Effort, Target};
use super::{Error, Parts, emit, link, plan};
use crate::ir::{Builder, Func, Output};
use crate::math;
use crate::ops::{Op, Type};

/// Where the code of a symbol is; `None` where the operator has no expansion, or this machine no code.
pub fn address(symbol: Symbol) -> Option<*const u8> {
    static LEAVES: [OnceLock<Option<Address>>; Symbol::COUNT] = [const { OnceLock::new() }; Symbol::COUNT];
    let leaf = LEAVES[symbol.index()].get_or_init(|| compile(&expansion(symbol)?).ok());
    leaf.map(|address| address as *const u8)
}

/// The address of code that is never freed. What it takes and gives is known to who calls it.
type Address = fn();

/// The function that a symbol stands for, if it can be written out.
fn expansion(symbol: Symbol) -> Option<Func> {
    let mut builder = Builder::new("leaf");
    let ops: &[Op] = match symbol {
        Symbol::Value(op) if math::has_expansion(op) => &[op],
        Symbol::SinCos => &[Op::Sin, Op::Cos],
        Symbol::Value(_) | Symbol::Fault(_) => return None,
    };
    let names = ["a", "b", "c"];
    let args: Vec<_> = ops[0].row().args.iter().zip(names).map(|(_, name)| builder.param(name, Type::F64)).collect();
    let outputs = ops.iter().map(|&op| Output { name: op.name().to_owned(), value: builder.emit(op, &args) }).collect();
    Some(math::expand(&builder.finish(outputs)))
}

fn compile(func: &Func) -> Result<Address, Error> {
    let target = Target::host(Effort::Full)?;
    let mut jit = JITBuilder::with_isa(target.isa.clone(), cranelift_module::default_libcall_names());
    jit.symbol_lookup_fn(Box::new(|name| Symbol::by_name(name)?.address()));
    // Never freed: other code may call it for as long as the process lives.
    let mut module = JITModule::new(jit);
    let plan = plan::plan(func, plan::steps(func), usize::MAX);
    let signature = emit::leaf_signature(func, &*target.isa);
    let mut context = Context::new();
    context.func.signature = signature.clone();
    let mut imports = link::Imports::new(Some(&mut module));
    emit::Emitter::new(func, &plan, &target, Parts::whole(func)).leaf(&mut context.func, &mut imports);
    let id = module.declare_anonymous_function(&signature)?;
    module.define_function(id, &mut context)?;
    module.finalize_definitions()?;
    Ok(super::address(module.get_finalized_function(id)))
}
