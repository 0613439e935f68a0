//! The machine that code is made for, and how much work goes into the code.

use std::sync::{Arc, OnceLock};

use cranelift::codegen::isa::{OwnedTargetIsa, TargetIsa};
use cranelift::prelude::{Configurable, settings};

use super::Error;

/// How much work goes into machine code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Effort {
    /// No optimiser, registers in one pass: the least time to compile, linear in size.
    Quick,
    /// No optimiser, but a thorough allocation of registers.
    Registers,
    /// The optimiser and a thorough allocation of registers.
    Full,
}

/// The host, and what its instructions can do.
#[derive(Clone)]
pub struct Target {
    pub isa: OwnedTargetIsa,
    /// There is an instruction for `fma`.
    pub fma: bool,
    /// There are instructions for `floor`, `ceil` and `trunc`.
    pub rounding: bool,
}

impl Target {
    /// The machine that this program runs on. Looked up once.
    pub fn host(effort: Effort) -> Result<Target, Error> {
        static TARGETS: [OnceLock<Result<Target, Error>>; 3] = [const { OnceLock::new() }; 3];
        TARGETS[effort as usize].get_or_init(|| Target::new(effort)).clone()
    }

    fn new(effort: Effort) -> Result<Target, Error> {
        let (opt_level, allocator) = match effort {
            Effort::Quick => ("none", "single_pass"),
            Effort::Registers => ("none", "backtracking"),
            Effort::Full => ("speed", "backtracking"),
        };
        let mut flags = settings::builder();
        let verify = if cfg!(debug_assertions) { "true" } else { "false" };
        for (name, value) in [
            ("opt_level", opt_level),
            ("regalloc_algorithm", allocator),
            ("enable_verifier", verify),
            ("is_pic", "false"),
            ("use_colocated_libcalls", "false"),
            ("unwind_info", "false"),
            // A frame of more than a page touches the pages on its way, so that a full stack is noticed.
            ("enable_probestack", "true"),
            ("probestack_strategy", "inline"),
        ] {
            flags.set(name, value).map_err(|error| Error::Backend(error.to_string()))?;
        }
        let builder = cranelift_native::builder().map_err(Error::Unsupported)?;
        let isa = builder.finish(settings::Flags::new(flags)).map_err(|error| Error::Backend(error.to_string()))?;
        if isa.pointer_bits() != 64 {
            return Err(Error::Unsupported("machine code needs pointers of 64 bits"));
        }
        Ok(Target { fma: has(&isa, &["has_avx", "has_fma"]), rounding: has(&isa, &["has_sse41"]), isa })
    }
}

/// Whether the host is no x86-64, or is one with these extensions.
fn has(isa: &Arc<dyn TargetIsa>, extensions: &[&str]) -> bool {
    let flags = isa.isa_flags();
    let enabled = |name: &&str| flags.iter().any(|flag| flag.name == *name && flag.as_bool() == Some(true));
    !cfg!(target_arch = "x86_64") || extensions.iter().all(enabled)
}
