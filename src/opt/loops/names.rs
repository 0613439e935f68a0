//! Loops that differ only in what they call their index call it the same, and so become one:
//!
//! ```text
//! sum[i in 0..n](x[i]),  sum[j in 0..n](x[j])   =   sum[i in 0..n](x[i]), twice the same
//! ```
//!
//! An index is known by how deep it stands (what stands around it can't be it) and by the bounds of its loops.

use hashbrown::HashMap;

use super::super::rebuild;
use crate::ir::{Func, Inst, Val};

/// What stands deeper keeps its name, and so does what stands around itself.
const DEEPEST: usize = 24;

/// `None`: nothing to do.
pub fn share(func: &Func) -> Option<Func> {
    let names = names(func);
    if names.iter().all(|(index, name)| index == name) {
        return None;
    }
    let mut made: HashMap<Val, Val> = HashMap::new();
    Some(rebuild(func, |pass, val| match names.get(&val) {
        Some(&name) => *made.entry(name).or_insert_with(|| pass.copy(val)),
        None => pass.copy(val),
    }))
}

/// What each index is to be called.
fn names(func: &Func) -> HashMap<Val, Val> {
    let depths = depths(func);
    let mut keys: HashMap<Val, Option<(usize, Val, Val)>> = HashMap::new();
    for region in func.vals().filter(|&val| matches!(func.inst(val), Inst::Region(_))) {
        for each in func.region_of(region).iter().flat_map(|region| &region.loops) {
            let depth = depths[&each.index];
            let key = (depth < DEEPEST).then_some((depth, each.low, each.high));
            // An index of loops that differ keeps its name.
            keys.entry(each.index).and_modify(|known| *known = known.filter(|_| *known == key)).or_insert(key);
        }
    }
    let mut indices: Vec<Val> = keys.keys().copied().collect();
    indices.sort_unstable();
    let mut first: HashMap<(usize, Val, Val), Val> = HashMap::new();
    let named = indices.into_iter().filter_map(|index| Some((index, keys[&index]?)));
    named.map(|(index, key)| (index, *first.entry(key).or_insert(index))).collect()
}

/// How deep each bound name stands: deeper than all that its region depends on, and than the loops around it in the region.
fn depths(func: &Func) -> HashMap<Val, usize> {
    let mut depths: HashMap<Val, usize> = HashMap::new();
    loop {
        let mut is_stable = true;
        // Regions come after what is inside of them.
        for val in func.vals().rev() {
            let Inst::Region(region) = func.inst(val) else { continue };
            let region = func.region(region);
            let around = func.free(val).iter().map(|name| depths.get(name).map_or(0, |depth| depth + 1));
            let mut depth = around.max().unwrap_or(0);
            let indices = region.loops.iter().map(|each| each.index);
            let others = region.binds().skip(region.loops.len());
            for name in indices.chain(others) {
                let known = depths.entry(name).or_insert(0);
                let deeper = (*known).max(depth).min(DEEPEST);
                is_stable &= *known == deeper;
                *known = deeper;
                depth = deeper + 1;
            }
        }
        if is_stable {
            return depths;
        }
    }
}
