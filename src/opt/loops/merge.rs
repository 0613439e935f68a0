//! Loops over the same index that don't depend on each other are one loop, in which what both compute is computed once:
//!
//! ```text
//! sum[i](e(i)),  [2*e(i) for i]   =   one loop with a sum and a cell
//! ```
//!
//! So the value and the derivatives of a function share one pass over its data. Loops that hand something on are merged where they
//! hand on the same: one has more states or cells than the other.

use std::rc::Rc;

use hashbrown::{HashMap, HashSet};

use super::super::{needs, order, rebuild_in};
use super::Scopes;
use crate::ir::{Bodies, Cell, Func, Inst, Loop, Reduction, Region, State, Val};

/// `None`: nothing to do.
pub fn merge(func: &Func, level: usize) -> Option<Func> {
    let groups = Groups::of(func, level);
    if groups.members.iter().all(|members| members.len() < 2) {
        return None;
    }
    let mut bodies = Bodies::of(func);
    let order = order(func, |val| match groups.members_with(val) {
        [] | [_] => needs(func, &mut bodies, val),
        members => members.iter().flat_map(|&member| needs(func, &mut bodies, member)).collect(),
    });
    let mut merged: HashMap<Val, Merged> = HashMap::new();
    Some(rebuild_in(func, &func.live(), order, |pass, val| match func.inst(val) {
        Inst::Region(_) => match groups.members_with(val) {
            [] | [_] => pass.copy(val),
            members => {
                let first = members[0];
                if !merged.contains_key(&first) {
                    let regions: Vec<Region> = members
                        .iter()
                        .filter_map(|&member| func.region_of(member))
                        .map(|region| pass.region(region))
                        .collect();
                    let (whole, numbers) = union(&regions);
                    merged.insert(first, Merged { region: pass.builder.region(whole), numbers });
                }
                merged[&first].region
            }
        },
        Inst::Result(region, number) => match groups.members_with(region) {
            [] | [_] => pass.copy(val),
            members => {
                let place = members.iter().position(|&member| member == region).unwrap_or_default();
                let whole = &merged[&members[0]];
                pass.builder.result(whole.region, whole.numbers[place][number as usize])
            }
        },
        _ => pass.copy(val),
    }))
}

struct Merged {
    region: Val,
    /// The new number of each result of each member.
    numbers: Vec<Vec<usize>>,
}

/// One region that computes what all do.
fn union(regions: &[Region]) -> (Region, Vec<Vec<usize>>) {
    let (mut states, mut cells, mut reductions): (Vec<State>, Vec<Cell>, Vec<Reduction>) = Default::default();
    let mut places = Vec::new();
    for region in regions {
        places.push((
            region.states.iter().map(|each| place(&mut states, each)).collect::<Vec<_>>(),
            region.cells.iter().map(|each| place(&mut cells, each)).collect::<Vec<_>>(),
            region.reductions.iter().map(|each| place(&mut reductions, each)).collect::<Vec<_>>(),
        ));
    }
    let whole = Region {
        loops: regions[0].loops.clone(),
        states: states.into(),
        going: regions[0].going,
        cells: cells.into(),
        reductions: reductions.into(),
    };
    let numbers = places
        .into_iter()
        .map(|(states, cells, reductions)| {
            let cells = cells.into_iter().map(|place| whole.first_cell() + place);
            let reductions = reductions.into_iter().map(|place| whole.first_reduction() + place);
            states.into_iter().chain(cells).chain(reductions).chain([whole.turns()]).collect()
        })
        .collect();
    (whole, numbers)
}

/// Where something stands in a list, put there if it is new.
fn place<T: PartialEq + Clone>(list: &mut Vec<T>, each: &T) -> usize {
    list.iter().position(|other| other == each).unwrap_or_else(|| {
        list.push(each.clone());
        list.len() - 1
    })
}

/// What regions must have in common: their loops, their `while`, and what they stand in.
type Header<'a> = (&'a [Loop], Option<Val>, &'a [Val]);

/// Which regions become one.
struct Groups {
    members: Vec<Vec<Val>>,
    group: HashMap<Val, usize>,
    /// What the guards of the checks inside of a region take from outside, if anything: the region stands after it.
    guards: HashMap<Val, Rc<[Val]>>,
}

impl Groups {
    fn of(func: &Func, level: usize) -> Groups {
        let (mut bodies, mut guards) = (Bodies::of(func), HashMap::new());
        for val in func.vals() {
            if let Inst::Region(region) = func.inst(val)
                && let outside = bodies.guards(region)
                && !outside.is_empty()
            {
                guards.insert(val, outside);
            }
        }
        let mut groups = Groups { members: Vec::new(), group: HashMap::new(), guards };
        let scopes = Scopes::of(func);
        let mut alike: HashMap<Header, Vec<usize>> = HashMap::new();
        for val in func.vals() {
            let Inst::Region(id) = func.inst(val) else { continue };
            let region = func.region(id);
            if region.loops.is_empty() || scopes.level(val) != level {
                continue;
            }
            let key = (&*region.loops, region.going, scopes.around(val));
            let known = alike.entry(key).or_default();
            let earlier = if known.is_empty() { HashSet::new() } else { groups.earlier(func, &[val]) };
            let fits = |&&group: &&usize| {
                groups.members[group].iter().all(|&member| fit(func, member, region) && !earlier.contains(&member))
                    && !groups.waits(func, group, val)
            };
            match known.iter().find(fits).copied() {
                Some(group) => groups.add(group, val),
                None => {
                    known.push(groups.members.len());
                    groups.members.push(Vec::new());
                    groups.add(groups.members.len() - 1, val);
                }
            }
        }
        groups
    }

    fn add(&mut self, group: usize, val: Val) {
        self.members[group].push(val);
        self.group.insert(val, group);
    }

    /// The members of the group that a region belongs to.
    fn members_with(&self, val: Val) -> &[Val] {
        self.group.get(&val).map_or(&[], |&group| &self.members[group])
    }

    /// Whether a group waits for a region that is younger than its members, which only guards do.
    fn waits(&self, func: &Func, group: usize, val: Val) -> bool {
        !self.guards.is_empty() && self.earlier(func, &self.members[group]).contains(&val)
    }

    /// All that must be there before some regions, given the groups so far.
    fn earlier(&self, func: &Func, of: &[Val]) -> HashSet<Val> {
        let mut earlier = HashSet::new();
        let mut stack: Vec<Val> = of.iter().flat_map(|&val| self.before(func, val)).collect();
        while let Some(val) = stack.pop() {
            if earlier.insert(val) {
                match self.members_with(val) {
                    [] => stack.extend(self.before(func, val)),
                    members => stack.extend(members.iter().flat_map(|&member| self.before(func, member))),
                }
            }
        }
        earlier
    }

    /// What must be there before an instruction.
    fn before(&self, func: &Func, val: Val) -> Vec<Val> {
        [func.operands(val).as_slice(), self.guards.get(&val).map_or(&[], |guards| &**guards)].concat()
    }
}

/// Whether two regions with the same loops hand on the same, or nothing.
fn fit(func: &Func, member: Val, region: &Region) -> bool {
    let Some(other) = func.region_of(member) else { return false };
    let names = |region: &Region| -> HashSet<Val> { region.binds().skip(region.loops.len()).collect() };
    let (ours, theirs) = (names(region), names(other));
    if ours.is_empty() && theirs.is_empty() {
        return true;
    }
    let shared: HashSet<Val> = ours.intersection(&theirs).copied().collect();
    let state = |region: &Region, name: Val| region.states.iter().find(|state| state.bound == name).copied();
    let cell = |region: &Region, name: Val| region.cells.iter().find(|cell| cell.bound == Some(name)).cloned();
    let same = |&name: &Val| state(region, name) == state(other, name) && cell(region, name) == cell(other, name);
    !shared.is_empty() && shared.iter().all(same)
}
