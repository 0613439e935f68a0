//! What kernels call: an operator's own `eval`, lane by lane.

use crate::ops::{Eval, Op};

/// The function to call for an operator, and what to tell it; `None` for operators on other things than numbers.
pub fn helper(op: Op) -> Option<[u64; 2]> {
    let (helper, eval): (Helper, *const ()) = match op.row().eval {
        Eval::F1(eval) => (f1, eval as *const ()),
        Eval::F2(eval) => (f2, eval as *const ()),
        Eval::F3(eval) => (f3, eval as *const ()),
        _ => return None,
    };
    Some([helper as usize as u64, eval as u64])
}

/// On every system the same calling convention, that of System V; where there are no kernels, any.
macro_rules! helpers {
    ($abi:literal) => {
        /// Operands, result (which may lie where an operand does), the lanes that matter as bits, and the `eval`.
        type Helper = unsafe extern $abi fn(*const f64, *const f64, *const f64, *mut f64, u32, *const ());

        /// # Safety
        /// All pointers are to vectors of the lanes of `lanes`, of this call alone; `eval` is a `fn(f64) -> f64`.
        unsafe extern $abi fn f1(a: *const f64, _: *const f64, _: *const f64, out: *mut f64, lanes: u32, eval: *const ()) {
            // SAFETY: the caller's promise.
            let eval: fn(f64) -> f64 = unsafe { std::mem::transmute(eval) };
            for lane in bits(lanes) {
                // SAFETY: the caller's promise.
                unsafe { *out.add(lane) = eval(*a.add(lane)) };
            }
        }

        /// # Safety
        /// As [`f1`], where `eval` is a `fn(f64, f64) -> f64`.
        unsafe extern $abi fn f2(a: *const f64, b: *const f64, _: *const f64, out: *mut f64, lanes: u32, eval: *const ()) {
            // SAFETY: the caller's promise.
            let eval: fn(f64, f64) -> f64 = unsafe { std::mem::transmute(eval) };
            for lane in bits(lanes) {
                // SAFETY: the caller's promise.
                unsafe { *out.add(lane) = eval(*a.add(lane), *b.add(lane)) };
            }
        }

        /// # Safety
        /// As [`f1`], where `eval` is a `fn(f64, f64, f64) -> f64`.
        unsafe extern $abi fn f3(a: *const f64, b: *const f64, c: *const f64, out: *mut f64, lanes: u32, eval: *const ()) {
            // SAFETY: the caller's promise.
            let eval: fn(f64, f64, f64) -> f64 = unsafe { std::mem::transmute(eval) };
            for lane in bits(lanes) {
                // SAFETY: the caller's promise.
                unsafe { *out.add(lane) = eval(*a.add(lane), *b.add(lane), *c.add(lane)) };
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
helpers!("sysv64");
#[cfg(not(target_arch = "x86_64"))]
helpers!("C");

/// The places of the ones.
fn bits(mut mask: u32) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let lowest = (mask != 0).then(|| mask.trailing_zeros() as usize);
        mask &= mask.wrapping_sub(1);
        lowest
    })
}
