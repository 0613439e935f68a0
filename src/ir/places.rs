//! Where checks are looked at.
//!
//! A check inside a region is looked at in the turn that computes its site. So its guard must be there: it may depend on what the
//! regions around bind, and on nothing that waits for the region. Guards are made from the uses of values, which know nothing of
//! this, and whatever makes two loops one can upset it. [`settle`] puts it right, without a change of meaning:
//!
//! - Checks of one site that look at the same names are one, whose guard is that either holds.
//! - A guard that waits for a region in which it is looked at asks a copy of that region, which has no checks:
//!   `if(s > 0, s, 0)` where `s` is a sum whose subscripts are checked under `s > 0`.
//! - Of a guard that no place knows what is known is left, which is true more often.

use std::cell::OnceCell;

use hashbrown::{HashMap, HashSet};

use super::guard::{either, known_before};
use super::{Builder, Check, Func, Inst, Val};

/// What names the regions around a place bind; looked up where it isn't plain.
#[derive(Default)]
pub struct Places {
    around: OnceCell<HashMap<Val, HashSet<Val>>>,
}

impl Places {
    /// Whether a guard can be looked at where a region computes a site.
    pub fn know(&self, func: &Func, guard: Val, site: Val, region: Val) -> bool {
        let is_plain = |name: &Val| func.free(region).contains(name) || func.free(site).contains(name);
        let binds: Vec<Val> = func.region_of(region).into_iter().flat_map(|region| region.binds()).collect();
        let mut left = func.free(guard).iter().filter(|name| !is_plain(name) && !binds.contains(name)).peekable();
        left.peek().is_none() || left.all(|name| self.around(func, region).is_some_and(|names| names.contains(name)))
    }

    /// All names that are bound wherever a region stands, its own among them.
    fn around(&self, func: &Func, region: Val) -> Option<&HashSet<Val>> {
        self.around.get_or_init(|| around(func)).get(&region)
    }
}

fn around(func: &Func) -> HashMap<Val, HashSet<Val>> {
    let regions: Vec<Val> = func.vals().filter(|&val| matches!(func.inst(val), Inst::Region(_))).collect();
    let mut outer: HashMap<Val, Vec<Val>> = HashMap::new();
    for &val in &regions {
        for member in func.region_of(val).map(|region| func.body(region)).unwrap_or_default() {
            if matches!(func.inst(member), Inst::Region(_)) {
                outer.entry(member).or_default().push(val);
            }
        }
    }
    let mut around: HashMap<Val, HashSet<Val>> = HashMap::new();
    let mut stack = regions;
    while let Some(&val) = stack.last() {
        let outer = outer.get(&val).map_or(&[][..], Vec::as_slice);
        let open: Vec<Val> =
            outer.iter().copied().filter(|of| !around.contains_key(of) && !stack.contains(of)).collect();
        if !open.is_empty() && !around.contains_key(&val) {
            stack.extend(open);
            continue;
        }
        stack.pop();
        let mut shared = outer.iter().filter_map(|of| around.get(of)).cloned();
        let mut names = shared.next().unwrap_or_default();
        shared.for_each(|other| names.retain(|name| other.contains(name)));
        names.extend(func.region_of(val).into_iter().flat_map(|region| region.binds()));
        around.insert(val, names);
    }
    around
}

/// Makes the checks of a graph such that all can be looked at.
pub fn settle(builder: &mut Builder, roots: &[Val]) {
    join(builder);
    if builder.func().checks.iter().all(|check| builder.func().free(check.site).is_empty()) {
        return;
    }
    while let Some(waiting) = Sites::of(builder.func()).waiting(roots) {
        let mut checks = builder.take_checks();
        checks[waiting.check].guard = apart(builder, checks[waiting.check].guard, &waiting.regions);
        checks.into_iter().for_each(|check| builder.check(check));
    }
    weaken(builder);
}

/// Checks of one site whose guards look at the same names become one.
pub(super) fn join(builder: &mut Builder) {
    let mut joined: Vec<Check> = Vec::new();
    let mut at: HashMap<(Val, bool), Vec<usize>> = HashMap::new();
    for check in builder.take_checks() {
        let known = at.entry((check.site, check.missing)).or_default();
        let same = |&number: &usize| builder.func().free(joined[number].guard) == builder.func().free(check.guard);
        match known.iter().copied().find(same) {
            Some(number) => joined[number].guard = either(builder, joined[number].guard, check.guard),
            None => {
                known.push(joined.len());
                joined.push(check);
            }
        }
    }
    // What is always looked at needs no other check.
    let is_always = |&number: &usize| builder.func().inst(joined[number].guard) == Inst::Bool(true);
    let always: Vec<Option<usize>> =
        joined.iter().map(|check| at[&(check.site, check.missing)].iter().copied().find(is_always)).collect();
    for (number, check) in joined.into_iter().enumerate() {
        if always[number].is_none_or(|only| only == number) {
            builder.check(check);
        }
    }
}

/// A check whose guard waits for a region in which it is looked at, and the regions that have checks inside.
struct Waiting {
    check: usize,
    regions: HashSet<Val>,
}

/// The checks that each region looks at.
struct Sites<'a> {
    func: &'a Func,
    here: HashMap<Val, Vec<usize>>,
    /// Those of the regions inside among them.
    at: HashMap<Val, Vec<usize>>,
}

impl Sites<'_> {
    fn of(func: &Func) -> Sites<'_> {
        let mut numbers: HashMap<Val, Vec<usize>> = HashMap::new();
        for (number, check) in func.checks.iter().enumerate() {
            numbers.entry(check.site).or_default().push(number);
        }
        let mut at: HashMap<Val, Vec<usize>> = HashMap::new();
        let mut inner: Vec<(Val, Vec<Val>)> = Vec::new();
        for val in func.vals() {
            let Inst::Region(region) = func.inst(val) else { continue };
            let body = func.body(func.region(region));
            at.insert(val, body.iter().filter_map(|member| numbers.get(member)).flatten().copied().collect());
            inner
                .push((val, body.into_iter().filter(|&member| matches!(func.inst(member), Inst::Region(_))).collect()));
        }
        // The checks of the regions inside are asked in its turns. Guards are younger than regions, so there may be several rounds.
        let mut here = at.clone();
        loop {
            let before: usize = at.values().map(Vec::len).sum();
            for (val, inner) in &inner {
                let mut all: Vec<usize> =
                    inner.iter().flat_map(|member| &at[member]).chain(&at[val]).copied().collect();
                all.sort_unstable();
                all.dedup();
                at.insert(*val, all);
            }
            if at.values().map(Vec::len).sum::<usize>() == before {
                break;
            }
        }
        at.retain(|_, numbers| !numbers.is_empty());
        here.retain(|_, numbers| !numbers.is_empty());
        Sites { func, here, at }
    }

    /// A check on a way from a region round to itself.
    fn waiting(&self, roots: &[Val]) -> Option<Waiting> {
        /// What must be there before an instruction, and which check says so.
        struct Step {
            val: Val,
            before: Vec<(Val, Option<usize>)>,
            by: Option<usize>,
        }
        let step = |(val, by): (Val, Option<usize>)| {
            let mut before: Vec<(Val, Option<usize>)> = self.func.operands(val).iter().map(|&of| (of, None)).collect();
            let checks = self.at.get(&val).into_iter().flatten();
            before.extend(checks.map(|&number| (self.func.checks[number].guard, Some(number))));
            Step { val, before, by }
        };
        let at_top = self.func.checks.iter().flat_map(|check| [check.site, check.guard]);
        let (mut open, mut done) = (HashSet::new(), HashSet::new());
        for root in roots.iter().copied().chain(at_top) {
            if done.contains(&root) {
                continue;
            }
            open.insert(root);
            let mut stack = vec![step((root, None))];
            while let Some(last) = stack.last_mut() {
                let Some(next) = last.before.pop() else {
                    open.remove(&last.val);
                    done.insert(last.val);
                    stack.pop();
                    continue;
                };
                if open.contains(&next.0) {
                    let way = stack.iter().rev().take_while(|step| step.val != next.0).map(|step| step.by);
                    let check = [next.1].into_iter().chain(way).flatten().next()?;
                    return Some(Waiting { check, regions: self.at.keys().copied().collect() });
                }
                if !done.contains(&next.0) && open.insert(next.0) {
                    stack.push(step(next));
                }
            }
        }
        None
    }
}

/// The same condition, asked of copies of these regions.
fn apart(builder: &mut Builder, guard: Val, regions: &HashSet<Val>) -> Val {
    let (mut seen, mut stack) = (HashSet::new(), vec![guard]);
    while let Some(val) = stack.pop() {
        if seen.insert(val) {
            stack.extend(builder.func().uses(val));
        }
    }
    let mut copied: Vec<Val> = seen.into_iter().filter(|val| regions.contains(val)).collect();
    copied.sort_unstable();
    let mut pairs: Vec<(Val, Val)> = Vec::new();
    for val in copied {
        let Some(region) = builder.func().region_of(val).cloned() else { continue };
        builder.span = builder.func().span(val);
        let region = builder.replace(&region, &pairs);
        let mut names = Vec::new();
        for name in region.binds() {
            let (ty, shape) = (builder.func().ty(name), builder.func().shape(name).to_vec());
            names.push((name, builder.bound(ty, &shape)));
        }
        let new_name = |name: Val| names.iter().find(|pair| pair.0 == name).map_or(name, |pair| pair.1);
        let copy = builder.replace(&region.rebind(new_name), &names);
        pairs.push((val, builder.region(copy)));
    }
    builder.substitute_all(&[guard], &pairs)[0]
}

/// Leaves of guards that no place knows what is known.
fn weaken(builder: &mut Builder) {
    let func = builder.func();
    let places = Places::default();
    let sites = Sites::of(func);
    let mut at: HashMap<usize, Vec<Val>> = HashMap::new();
    for (&region, numbers) in &sites.here {
        numbers.iter().for_each(|&number| at.entry(number).or_default().push(region));
    }
    let mut unknown: Vec<(usize, Vec<Val>)> = Vec::new();
    for (number, &Check { guard, site, .. }) in func.checks.iter().enumerate() {
        let free = func.free(guard);
        let mut regions = at.get(&number).cloned().unwrap_or_default();
        regions.sort_unstable();
        let names = match regions.first() {
            _ if free.is_empty() || regions.iter().any(|&region| places.know(func, guard, site, region)) => continue,
            _ if func.free(site).is_empty() => free.to_vec(),
            Some(&region) => {
                let known = places.around(func, region);
                free.iter().copied().filter(|name| known.is_none_or(|known| !known.contains(name))).collect()
            }
            None => continue,
        };
        unknown.push((number, names));
    }
    if unknown.is_empty() {
        return;
    }
    let mut checks = builder.take_checks();
    for (number, names) in unknown {
        checks[number].guard = known_before(builder, checks[number].guard, &names);
    }
    checks.into_iter().for_each(|check| builder.check(check));
}
