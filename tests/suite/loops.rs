//! Machine code of functions with arrays against the interpreter, bit for bit.

use chainrule::interp;
use chainrule::ir::Func;
use chainrule::jit::loops::{Workspace, compile};
use proptest::prelude::*;

use crate::random_regions;

fn same(a: f64, b: f64) -> bool {
    a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())
}

/// What is wrong with the code at arguments, if something is.
pub fn difference(func: &Func, args: &[&[f64]]) -> Result<(), String> {
    let code = compile(func).map_err(|error| error.to_string())?;
    let mut found: Vec<Vec<f64>> = code.results().iter().map(|&n| vec![f64::MAX; n]).collect();
    let mut workspace = Workspace::default();
    let expected = interp::call(func, args);
    // Twice: nothing may depend on what is in the memory before.
    for _ in 0..2 {
        let mut out: Vec<&mut [f64]> = found.iter_mut().map(Vec::as_mut_slice).collect();
        match (&expected, code.call(args, &mut out, &mut workspace)) {
            (Ok(expected), Ok(())) => {
                for (number, (expected, found)) in expected.iter().zip(&found).enumerate() {
                    let expected = expected.numbers();
                    if let Some(at) = (0..expected.len()).find(|&at| !same(expected[at], found[at])) {
                        let (found, expected) = (found[at], expected[at]);
                        return Err(format!("result {number}, element {at}: {found:e}, not {expected:e}"));
                    }
                }
            }
            (Err(expected), Err(found)) if *expected == found => {}
            (expected, found) => return Err(format!("{found:?}, not {expected:?}")),
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn random_loops_are_the_interpreters(choices in random_regions::choices(80), seed: u64) {
        let func = random_regions::graph(&choices);
        let args = random_regions::arguments(seed);
        let args: Vec<&[f64]> = args.iter().map(Vec::as_slice).collect();
        for func in [chainrule::math::expand(&func), func] {
            if let Err(message) = difference(&func, &args) {
                prop_assert!(false, "{message}\n{args:?}\n{func}");
            }
        }
    }
}
