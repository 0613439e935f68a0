//! How machine code names the functions that it calls.

use cranelift::codegen::ir::{self, FuncRef};
use cranelift::codegen::isa::{CallConv, TargetIsa};
use cranelift::prelude::{AbiParam, ExtFuncData, ExternalName, Signature, types};
use cranelift_jit::JITModule;
use cranelift_module::{FuncId, Linkage, Module};

use super::shims::Symbol;
use crate::ops::Type;
use crate::routines;

/// The functions that the machine function in the making calls.
pub struct Imports<'m> {
    /// Where code is going to be; `None` where only its text is wanted.
    module: Option<&'m mut JITModule>,
    ids: Vec<Option<FuncId>>,
    refs: Vec<Option<FuncRef>>,
}

impl<'m> Imports<'m> {
    pub fn new(module: Option<&'m mut JITModule>) -> Imports<'m> {
        Imports { module, ids: vec![None; Symbol::COUNT], refs: vec![None; Symbol::COUNT] }
    }

    /// Another function is in the making.
    pub fn start(&mut self) {
        self.refs.fill(None);
    }

    pub fn module(&mut self) -> Option<&mut JITModule> {
        self.module.as_deref_mut()
    }

    pub fn get(&mut self, symbol: Symbol, func: &mut ir::Function, isa: &dyn TargetIsa) -> FuncRef {
        if let Some(known) = self.refs[symbol.index()] {
            return known;
        }
        let callee = match &mut self.module {
            Some(module) => {
                let id = self.ids[symbol.index()].unwrap_or_else(|| declare(module, symbol));
                self.ids[symbol.index()] = Some(id);
                module.declare_func_in_func(id, func)
            }
            None => {
                let signature = func.import_signature(signature(symbol, isa));
                let name = ExternalName::testcase(symbol.name());
                func.import_function(ExtFuncData { name, signature, colocated: false, patchable: false })
            }
        };
        self.refs[symbol.index()] = Some(callee);
        callee
    }
}

fn declare(module: &mut JITModule, symbol: Symbol) -> FuncId {
    let signature = signature(symbol, module.isa());
    let declared = module.declare_function(&symbol.name(), Linkage::Import, &signature);
    declared.expect("a symbol is declared once, always with the same signature")
}

fn signature(symbol: Symbol, isa: &dyn TargetIsa) -> Signature {
    let is_routine = matches!(symbol, Symbol::Value(op) if routines::address(op).is_some());
    let convention =
        if is_routine && cfg!(target_arch = "x86_64") { CallConv::SystemV } else { isa.default_call_conv() };
    let mut signature = Signature::new(convention);
    let param = |ty: Type| AbiParam::new(machine_type(ty));
    match symbol {
        Symbol::Value(op) => {
            signature.params.extend(op.row().args.iter().copied().map(param));
            signature.returns.push(param(op.row().result));
        }
        Symbol::Fault(op) => {
            signature.params.extend(op.row().args.iter().copied().map(param));
            signature.returns.push(param(Type::Bool));
        }
        Symbol::SinCos => {
            signature.params.extend([types::F64, isa.pointer_type(), isa.pointer_type()].map(AbiParam::new));
        }
        Symbol::Copy => {
            signature.params.extend([isa.pointer_type(), isa.pointer_type(), types::I64].map(AbiParam::new))
        }
        Symbol::Clear => signature.params.extend([isa.pointer_type(), types::I64].map(AbiParam::new)),
    }
    signature
}

/// How values of a type are held in registers.
pub fn machine_type(ty: Type) -> ir::Type {
    match ty {
        Type::F64 => types::F64,
        Type::Int => types::I64,
        Type::Bool => types::I8,
        Type::Tuple => unreachable!("a region is in no register"),
    }
}
