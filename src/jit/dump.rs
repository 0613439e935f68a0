//! Machine code as text: before Cranelift works on it (CLIF), and after (assembly).
//!
//! Functions are called by name, jumps say the distance from the start of the function, and nothing depends on where
//! the code would lie.

use std::fmt::Write as _;

use cranelift::codegen::Context;
use cranelift::codegen::ir::UserFuncName;
use cranelift::prelude::isa::TargetIsa;

use super::emit::{self, Emitter};
use super::link::Imports;
use super::{Error, Options, Parts};
use crate::ir::Func;

/// The functions as they are given to Cranelift.
pub fn clif(func: &Func, options: &Options) -> Result<String, Error> {
    each_chunk(func, options, |_, context, text| {
        _ = writeln!(text, "{}", context.func.display());
        Ok(())
    })
}

/// The finished machine code.
pub fn asm(func: &Func, options: &Options) -> Result<String, Error> {
    each_chunk(func, options, assembly)
}

/// One function as finished machine code.
pub fn assembly(isa: &dyn TargetIsa, context: &mut Context, text: &mut String) -> Result<(), Error> {
    _ = writeln!(text, "{}:", context.func.name);
    context.set_disasm(cfg!(not(all(feature = "cli", target_arch = "x86_64"))));
    let code =
        context.compile(isa, &mut Default::default()).map_err(|error| Error::Backend(error.inner.to_string()))?;
    match &code.vcode {
        Some(vcode) => text.push_str(vcode),
        None => disassemble(code, text),
    }
    Ok(())
}

type Visit = fn(&dyn TargetIsa, &mut Context, &mut String) -> Result<(), Error>;

fn each_chunk(func: &Func, options: &Options, visit: Visit) -> Result<String, Error> {
    let (target, plan) = options.prepare(func)?;
    let mut emitter = Emitter::new(func, &plan, &target, Parts::whole(func));
    let mut imports = Imports::new(None);
    let mut context = Context::new();
    let mut text = String::new();
    for chunk in 0..plan.ends.len() {
        context.clear();
        context.func.name = UserFuncName::testcase(format!("{}.{chunk}", func.name));
        context.func.signature = emit::signature(&target);
        emitter.chunk(chunk, &mut context.func, &mut imports);
        visit(&*target.isa, &mut context, &mut text)?;
    }
    Ok(text)
}

#[cfg(all(feature = "cli", target_arch = "x86_64"))]
fn disassemble(code: &cranelift::codegen::CompiledCode, text: &mut String) {
    use iced_x86::{Decoder, DecoderOptions, Formatter, IntelFormatter, Mnemonic};

    let bytes = code.code_buffer();
    let mut relocations = code.buffer.relocs().iter().peekable();
    let mut formatter = IntelFormatter::new();
    formatter.options_mut().set_space_after_operand_separator(true);
    let mut line = String::new();
    // After the last return come constants.
    let mut farthest_jump = 0;
    for instruction in &mut Decoder::with_ip(64, bytes, 0, DecoderOptions::NONE) {
        line.clear();
        formatter.format(&instruction, &mut line);
        _ = write!(text, "  {:5x}  {line}", instruction.ip());
        // An address that is filled in later: say whose.
        while let Some(relocation) = relocations.next_if(|next| u64::from(next.offset) < instruction.next_ip()) {
            _ = write!(text, "  ; {}", relocation.target.display(None));
        }
        text.push('\n');
        farthest_jump = farthest_jump.max(instruction.near_branch_target());
        let is_end = matches!(instruction.mnemonic(), Mnemonic::Ret | Mnemonic::Jmp | Mnemonic::Ud2);
        if is_end && farthest_jump < instruction.next_ip() {
            constants(bytes, instruction.next_ip() as usize, text);
            break;
        }
    }
}

/// The numbers behind the code, from a place on; what is all zero is mostly padding.
#[cfg(all(feature = "cli", target_arch = "x86_64"))]
fn constants(bytes: &[u8], from: usize, text: &mut String) {
    let (words, _) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate().skip(from.div_ceil(8)) {
        let bits = u64::from_le_bytes(*word);
        if bits != 0 {
            _ = writeln!(text, "  {:5x}  dq {bits:016X}h  ; {:?}", 8 * index, f64::from_bits(bits));
        }
    }
}

#[cfg(not(all(feature = "cli", target_arch = "x86_64")))]
fn disassemble(_: &cranelift::codegen::CompiledCode, _: &mut String) {}
