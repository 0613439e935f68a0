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
    let mut asked: HashSet<Val> = HashSet::new();
    let order = order(func, |val| match groups.members_with(val) {
        [] | [_] => needs(func, &mut bodies, val),
        // What one member waits for has been done when another one is asked.
        members if asked.insert(members[0]) => {
            members.iter().flat_map(|&member| needs(func, &mut bodies, member)).collect()
        }
        _ => Vec::new(),
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
    /// Which groups each value waits for. Not with guards, which are younger than what waits for them.
    waits: Relation,
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
        let scopes = Scopes::of(func);
        let mut alike: HashMap<Header, Vec<Val>> = HashMap::new();
        for val in func.vals() {
            let Inst::Region(id) = func.inst(val) else { continue };
            let region = func.region(id);
            if !region.loops.is_empty() && scopes.level(val) == level {
                alike.entry((&*region.loops, region.going, scopes.around(val))).or_default().push(val);
            }
        }
        let several: Vec<&Vec<Val>> = alike.values().filter(|regions| regions.len() > 1).collect();
        let candidates: HashMap<Val, Val> =
            several.iter().flat_map(|regions| regions.iter().map(|&val| (val, regions[0]))).collect();
        let waits = if guards.is_empty() { Relation::new(func.len(), candidates.len()) } else { Relation::default() };
        let mut groups = Groups { members: Vec::new(), group: HashMap::new(), guards, waits };
        if !candidates.is_empty() {
            groups.form(func, &candidates);
        }
        groups
    }

    /// Puts each region into the first group that it fits. Those that have the same header have the same representative.
    fn form(&mut self, func: &Func, candidates: &HashMap<Val, Val>) {
        let mut known: HashMap<Val, Vec<usize>> = HashMap::new();
        for val in func.vals() {
            if self.guards.is_empty() {
                self.note_waiting(func, val);
            }
            let (Some(like), Some(region)) = (candidates.get(&val), func.region_of(val)) else { continue };
            let known = known.entry(*like).or_default();
            let has_guards = !self.guards.is_empty();
            let earlier = if known.is_empty() || !has_guards { HashSet::new() } else { self.earlier(func, &[val]) };
            let waits_for = |group: usize| match has_guards {
                true => self.members[group].iter().any(|member| earlier.contains(member)),
                false => self.waits.has(val, group),
            };
            // What hands nothing on fits all others like it.
            let hands_on = region.binds().count() > region.loops.len();
            let fits = |&&group: &&usize| {
                let members = &self.members[group][..if hands_on { self.members[group].len() } else { 1 }];
                !waits_for(group)
                    && members.iter().all(|&member| fit(func, member, region))
                    && !self.is_waited_for(func, group, val)
            };
            match known.iter().find(fits).copied() {
                Some(group) => self.add(group, val),
                None => {
                    known.push(self.members.len());
                    self.members.push(Vec::new());
                    self.add(self.members.len() - 1, val);
                }
            }
        }
    }

    /// What waits for a region waits for its group, and for what the group waits for.
    fn note_waiting(&mut self, func: &Func, val: Val) {
        for &operand in func.operands(val).iter() {
            self.waits.follow(val, operand);
            if let Some(&group) = self.group.get(&operand) {
                self.waits.add(val, group);
            }
        }
    }

    fn add(&mut self, group: usize, val: Val) {
        self.members[group].push(val);
        self.group.insert(val, group);
        if self.guards.is_empty() {
            self.waits.join(val, group, &self.members[group]);
        }
    }

    /// The members of the group that a region belongs to.
    fn members_with(&self, val: Val) -> &[Val] {
        self.group.get(&val).map_or(&[], |&group| &self.members[group])
    }

    /// Whether a group waits for a region that is younger than its members, which only guards do.
    fn is_waited_for(&self, func: &Func, group: usize, val: Val) -> bool {
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

/// A set of groups for each value, a bit each.
#[derive(Default)]
struct Relation {
    words: usize,
    bits: Vec<u64>,
}

impl Relation {
    fn new(vals: usize, groups: usize) -> Relation {
        let words = groups.div_ceil(64);
        Relation { words, bits: vec![0; vals * words] }
    }

    fn has(&self, val: Val, group: usize) -> bool {
        self.bits[val.index() * self.words + group / 64] >> (group % 64) & 1 == 1
    }

    fn add(&mut self, val: Val, group: usize) {
        self.bits[val.index() * self.words + group / 64] |= 1 << (group % 64);
    }

    /// Adds what another value has.
    fn follow(&mut self, val: Val, other: Val) {
        let (from, to) = (other.index() * self.words, val.index() * self.words);
        (0..self.words).for_each(|word| self.bits[to + word] |= self.bits[from + word]);
    }

    fn holds_all(&self, val: Val, other: Val) -> bool {
        let set = |val: Val| &self.bits[val.index() * self.words..][..self.words];
        set(val).iter().zip(set(other)).all(|(all, some)| all & some == *some)
    }

    /// The members of a group, and what waits for it, wait for what a new member waits for; that one for what they do.
    fn join(&mut self, member: Val, group: usize, members: &[Val]) {
        let first = members[0];
        if !self.holds_all(first, member) {
            self.follow(first, member);
            members.iter().for_each(|&other| self.follow(other, first));
            for val in (0..(self.bits.len() / self.words) as u32).map(Val) {
                if self.has(val, group) {
                    self.follow(val, first);
                }
            }
        }
        self.follow(member, first);
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
