//! The code of kernels as text.

use super::{Options, Unsupported, machine};
use crate::ir::Func;

/// The machine code of a kernel, function by function; for any processor. Without the feature `cli`, its bytes.
///
/// # Errors
/// Where the graph computes with integers.
///
/// # Panics
/// Where `uniform` isn't as long as the parameters.
pub fn asm(func: &Func, uniform: &[bool], options: &Options) -> Result<String, Unsupported> {
    let machine = machine(func, uniform, options)?;
    let code = &machine.emitted.code;
    let mut text = String::new();
    let ends = machine.emitted.entries.iter().skip(1).copied().chain([code.len()]);
    for ((segment, &begin), end) in machine.plan.segments.iter().zip(&machine.emitted.entries).zip(ends) {
        text.push_str(if segment.once { "once:\n" } else { "loop:\n" });
        disassemble(&code[begin..end], begin, &mut text);
    }
    Ok(text)
}

#[cfg(feature = "cli")]
pub fn disassemble(code: &[u8], begin: usize, text: &mut String) {
    use iced_x86::{Decoder, DecoderOptions, Formatter, IntelFormatter};

    let mut formatter = IntelFormatter::new();
    formatter.options_mut().set_space_after_operand_separator(true);
    let mut line = String::new();
    for instruction in &mut Decoder::with_ip(64, code, begin as u64, DecoderOptions::NONE) {
        line.clear();
        formatter.format(&instruction, &mut line);
        text.push_str(&format!("  {:5x}  {line}\n", instruction.ip()));
    }
}

#[cfg(not(feature = "cli"))]
pub fn disassemble(code: &[u8], begin: usize, text: &mut String) {
    text.push_str(&format!("  {begin:5x}  {code:02x?}\n"));
}
