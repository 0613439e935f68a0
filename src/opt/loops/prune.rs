//! What nobody asks a loop for isn't computed: states, cells and reductions whose results are dead go.

use hashbrown::{HashMap, HashSet};

use super::super::{Rebuild, order_of, rebuild_in};
use crate::ir::{Func, Inst, Region, Update, Val};

/// `None`: nothing to do.
pub fn prune(func: &Func) -> Option<Func> {
    let (wanted, live) = wanted(func);
    let is_whole = |(&region, wanted): (&Val, &Vec<bool>)| {
        let parts = func.region_of(region).map_or(0, Region::turns);
        !live[region.index()] || wanted[..parts].iter().all(|&wanted| wanted)
    };
    if wanted.iter().all(is_whole) && func.vals().all(|val| live[val.index()] || !func.inst(val).computes()) {
        return None;
    }
    // The new numbers of the results that stay.
    let number = |region: Val, number: usize| wanted[&region][..number].iter().filter(|&&wanted| wanted).count();
    Some(rebuild_in(func, &live, order_of(func), |pass, val| match func.inst(val) {
        Inst::Region(id) => {
            let region = kept(func.region(id), &wanted[&val]);
            let region = pass.region(&region);
            pass.builder.region(region)
        }
        Inst::Result(region, old) => result(pass, region, number(region, old as usize)),
        _ => pass.copy(val),
    }))
}

fn result(pass: &mut Rebuild, region: Val, number: usize) -> Val {
    let region = pass.get(region);
    pass.builder.result(region, number)
}

/// The parts of a region that are wanted, by the numbers of its results.
fn kept(region: &Region, wanted: &[bool]) -> Region {
    let part = |first: usize| move |number: usize| wanted[first + number];
    let (is_state, is_cell, is_reduction) = (part(0), part(region.first_cell()), part(region.first_reduction()));
    Region {
        loops: region.loops.clone(),
        states: region
            .states
            .iter()
            .enumerate()
            .filter(|(number, _)| is_state(*number))
            .map(|(_, each)| *each)
            .collect(),
        going: region.going,
        cells: region
            .cells
            .iter()
            .enumerate()
            .filter(|(number, _)| is_cell(*number))
            .map(|(_, each)| each.clone())
            .collect(),
        reductions: region
            .reductions
            .iter()
            .enumerate()
            .filter(|(number, _)| is_reduction(*number))
            .map(|(_, each)| *each)
            .collect(),
    }
}

/// Which results of each region are wanted, and what is live then.
fn wanted(func: &Func) -> (HashMap<Val, Vec<bool>>, Vec<bool>) {
    let mut wanted: HashMap<Val, Vec<bool>> = HashMap::new();
    let mut live = vec![false; func.len()];
    func.roots().for_each(|root| live[root.index()] = true);
    loop {
        for val in func.vals().rev() {
            let is_live = live[val.index()];
            match func.inst(val) {
                Inst::Region(id) => {
                    let region = func.region(id);
                    let results = wanted.entry(val).or_insert_with(|| vec![false; region.results()]);
                    if is_live {
                        close(func, region, results).into_iter().for_each(|used| live[used.index()] = true);
                    }
                }
                Inst::Result(region, number) if is_live => {
                    let all = func.region_of(region).map_or(0, Region::results);
                    wanted.entry(region).or_insert_with(|| vec![false; all])[number as usize] = true;
                    live[region.index()] = true;
                }
                _ if is_live => func.operands(val).iter().for_each(|operand| live[operand.index()] = true),
                _ => {}
            }
        }
        // The guard of a check inside a region is younger than the region.
        let late = func.checks.iter().filter(|check| live[check.site.index()] && !live[check.guard.index()]);
        let guards: Vec<Val> = late.map(|check| check.guard).collect();
        if guards.is_empty() {
            return (wanted, live);
        }
        guards.into_iter().for_each(|guard| live[guard.index()] = true);
    }
}

/// Adds the states and cells that others look at; gives back everything that is used.
fn close(func: &Func, region: &Region, wanted: &mut [bool]) -> HashSet<Val> {
    let mut used: HashSet<Val> = region.loops.iter().flat_map(|each| [each.index, each.low, each.high]).collect();
    used.extend(region.going);
    let mut done = vec![false; wanted.len()];
    loop {
        for number in (0..wanted.len()).filter(|&number| wanted[number]) {
            if !std::mem::replace(&mut done[number], true) {
                used.extend(uses_of(region, number));
            }
        }
        let free: HashSet<Val> = used.iter().flat_map(|&used| func.free(used)).copied().collect();
        let states = region.states.iter().map(|state| Some(state.bound));
        let names = states.chain(region.cells.iter().map(|cell| cell.bound));
        for (number, name) in names.enumerate() {
            wanted[number] |= name.is_some_and(|name| free.contains(&name));
        }
        if wanted == done {
            return used;
        }
    }
}

/// What one state, cell or reduction names.
fn uses_of(region: &Region, number: usize) -> Vec<Val> {
    if let Some(state) = region.states.get(number) {
        return vec![state.init, state.next, state.bound];
    }
    if let Some(cell) = region.cells.get(number - region.first_cell()) {
        let of_update = |update: &Update| {
            let parts = [update.value, update.guard].into_iter().chain(update.factor);
            update.subscripts.iter().copied().chain(parts).collect::<Vec<Val>>()
        };
        return cell.init.into_iter().chain(cell.bound).chain(cell.updates.iter().flat_map(of_update)).collect();
    }
    let reduction = region.reductions.get(number - region.first_reduction());
    reduction.map_or_else(Vec::new, |sum| [sum.value, sum.guard].into_iter().chain(sum.factor).collect())
}
