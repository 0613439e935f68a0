//! A loop that reads, in each turn, what another loop over the same index has stored in the same turn takes the value itself:
//!
//! ```text
//! a = [e(i) for i],  sum[i](a[i]*y[i])   =   sum[i](e(i)*y[i])
//! ```
//!
//! Then the two don't depend on each other, and `merge` makes them one loop, in which `e(i)` is computed once. So this is done only
//! where nothing else makes the reader wait for the other loop.

use hashbrown::{HashMap, HashSet};

use super::super::rebuild;
use super::Scopes;
use crate::ir::{Func, Inst, Region, UpdateKind, Val};

/// `None`: nothing to do.
pub fn absorb(func: &Func, level: usize) -> Option<Func> {
    let absorbed = Plan::of(func, level).absorbed;
    if absorbed.is_empty() {
        return None;
    }
    Some(rebuild(func, |pass, val| {
        let (Some(taken), Inst::Region(region)) = (absorbed.get(&val), func.inst(val)) else { return pass.copy(val) };
        let region = pass.region(func.region(region));
        let mut pairs = Vec::new();
        for Taken { read, value, used } in taken.iter().flat_map(|(_, taken)| taken.iter().copied()) {
            let rest: Vec<Val> =
                func.operands(read).as_slice()[1 + used..].iter().map(|&rest| pass.get(rest)).collect();
            let value = pass.get(value);
            let element = pass.builder.read(value, &rest);
            pairs.push((pass.get(read), element));
        }
        let region = pass.builder.replace(&region, &pairs);
        pass.builder.region(region)
    }))
}

/// A read of what is stored in the same turn.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Taken {
    read: Val,
    /// What is stored.
    value: Val,
    /// With how many subscripts.
    used: usize,
}

fn is_parallel(func: &Func, val: Val) -> bool {
    let Inst::Region(region) = func.inst(val) else { return false };
    let region = func.region(region);
    !region.loops.is_empty()
        && region.states.is_empty()
        && region.going.is_none()
        && region.cells.iter().all(|cell| cell.bound.is_none())
}

/// The producers whose results a reader takes only in the turn in which they are stored.
fn taken(func: &Func, reader: Val) -> HashMap<Val, Vec<Taken>> {
    let Some(region) = func.region_of(reader) else { return HashMap::new() };
    let mut taken: HashMap<Val, Vec<Taken>> = HashMap::new();
    let mut refused: HashSet<Val> = HashSet::new();
    let mut names: HashSet<Val> = region.binds().collect();
    let mut seen = HashSet::new();
    let mut stack: Vec<Val> = region.uses().collect();
    refused.extend(stack.iter().filter_map(|&used| producer(func, used)));
    while let Some(val) = stack.pop() {
        if !func.free(val).iter().any(|name| names.contains(name)) || !seen.insert(val) {
            continue;
        }
        let mut used = func.uses(val);
        if let Inst::Region(inner) = func.inst(val) {
            names.extend(func.region(inner).binds());
        }
        let read = used.first().filter(|_| matches!(func.inst(val), Inst::Read(_)));
        if let Some(producer) = read.and_then(|&array| producer(func, array)) {
            match stored(func, region, used[0], &used[1..]) {
                Some((value, used)) => taken.entry(producer).or_default().push(Taken { read: val, value, used }),
                None => {
                    refused.insert(producer);
                }
            }
            used.remove(0);
        }
        refused.extend(used.iter().filter_map(|&used| producer(func, used)));
        stack.extend(used);
    }
    if is_checked(func, &seen, &taken) {
        return HashMap::new();
    }
    taken.retain(|producer, _| !refused.contains(producer));
    taken
}

/// Whether a check looks at something in a body that would become another instruction.
fn is_checked(func: &Func, body: &HashSet<Val>, taken: &HashMap<Val, Vec<Taken>>) -> bool {
    if func.checks.iter().all(|check| func.free(check.site).is_empty()) {
        return false;
    }
    let mut changed: HashSet<Val> = taken.values().flatten().map(|taken| taken.read).collect();
    let mut body: Vec<Val> = body.iter().copied().collect();
    body.sort_unstable();
    for val in body {
        if func.uses(val).iter().any(|used| changed.contains(used)) {
            changed.insert(val);
        }
    }
    func.checks.iter().any(|check| changed.contains(&check.site) || changed.contains(&check.guard))
}

/// The independent loop that a value is a result of.
fn producer(func: &Func, val: Val) -> Option<Val> {
    match func.inst(val) {
        Inst::Result(region, _) if is_parallel(func, region) => Some(region),
        _ => None,
    }
}

/// What a loop with the same header stores in a cell at subscripts that are the indices of this turn, and how many those are.
fn stored(func: &Func, reader: &Region, array: Val, subscripts: &[Val]) -> Option<(Val, usize)> {
    let Inst::Result(of, number) = func.inst(array) else { return None };
    let region = func.region_of(of)?;
    let cell = region.cells.get((number as usize).checked_sub(region.first_cell())?)?;
    let [update] = &*cell.updates else { return None };
    let is_plain = update.kind == UpdateKind::Store && func.inst(update.guard) == Inst::Bool(true);
    let indices = reader.loops.iter().map(|each| each.index);
    let is_turn = update.subscripts.len() == reader.loops.len()
        && subscripts.len() >= reader.loops.len()
        && indices.zip(&*update.subscripts).zip(subscripts).all(|((a, &b), &c)| a == b && b == c);
    (is_plain && is_turn && region.loops == reader.loops).then_some((update.value, update.subscripts.len()))
}

/// Which loops become one.
struct Plan<'a> {
    func: &'a Func,
    /// What each reader takes, by producers.
    absorbed: HashMap<Val, Vec<(Val, Vec<Taken>)>>,
    groups: Vec<Vec<Val>>,
    group: HashMap<Val, usize>,
}

impl Plan<'_> {
    fn of(func: &Func, level: usize) -> Plan<'_> {
        let mut plan = Plan { func, absorbed: HashMap::new(), groups: Vec::new(), group: HashMap::new() };
        let scopes = Scopes::of(func);
        for reader in func.vals().filter(|&val| is_parallel(func, val) && scopes.level(val) == level) {
            let mut taken: Vec<(Val, Vec<Taken>)> = taken(func, reader).into_iter().collect();
            taken.retain(|(producer, _)| scopes.around(*producer) == scopes.around(reader));
            taken.sort_unstable();
            for at in 0..taken.len() {
                let producer = taken[at].0;
                let is_open =
                    |of: Val| plan.absorbed.get(&reader).is_none_or(|all| all.iter().all(|each| each.0 != of));
                if !is_open(producer) {
                    continue;
                }
                let together = plan.members(producer);
                let with: Vec<(Val, Vec<Taken>)> =
                    taken.iter().filter(|each| together.contains(&each.0) && is_open(each.0)).cloned().collect();
                plan.try_to_absorb(reader, &together, with);
            }
        }
        plan
    }

    /// The regions that become one with a region, itself among them.
    fn members(&self, val: Val) -> Vec<Val> {
        self.group.get(&val).map_or_else(|| vec![val], |&group| self.groups[group].clone())
    }

    /// Lets a reader take what it reads of these producers, which are one loop, if nothing else makes it wait for them.
    fn try_to_absorb(&mut self, reader: Val, together: &[Val], with: Vec<(Val, Vec<Taken>)>) {
        let before = self.absorbed.get(&reader).cloned();
        self.absorbed.entry(reader).or_default().extend(with);
        let mut one = self.members(reader);
        one.extend(together.iter().filter(|&&member| member != reader));
        one.sort_unstable();
        one.dedup();
        if self.waits(&one) {
            match before {
                Some(before) => self.absorbed.insert(reader, before),
                None => self.absorbed.remove(&reader),
            };
            return;
        }
        for &member in &one {
            self.group.insert(member, self.groups.len());
        }
        self.groups.push(one);
    }

    /// Whether loops that are to be one wait for themselves.
    fn waits(&self, one: &[Val]) -> bool {
        let mut seen = HashSet::new();
        let mut stack: Vec<Val> = one.iter().flat_map(|&member| self.needs(member)).collect();
        while let Some(val) = stack.pop() {
            if one.contains(&val) {
                return true;
            }
            if seen.insert(val) {
                for member in self.members(val) {
                    stack.extend(self.needs(member));
                }
            }
        }
        false
    }

    /// What must be there before a value, without what it takes in its own turn.
    fn needs(&self, val: Val) -> Vec<Val> {
        let absorbed = self.absorbed.get(&val);
        let is_taken = |operand: Val| {
            let producer = producer(self.func, operand);
            absorbed.is_some_and(|all| all.iter().any(|each| Some(each.0) == producer))
        };
        self.func.operands(val).iter().copied().filter(|&operand| !is_taken(operand)).collect()
    }
}
