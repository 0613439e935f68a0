//! What the bodies of regions are, each found once.

use std::rc::Rc;

use hashbrown::HashMap;

use super::{Func, Inst, Region, RegionId, Val};

/// The bodies of the regions of a function, found when they are asked for.
pub struct Bodies<'a> {
    func: &'a Func,
    /// The guards of the checks inside of loops, by their sites.
    guards: HashMap<Val, Vec<Val>>,
    members: HashMap<RegionId, Rc<[Val]>>,
    outside: HashMap<RegionId, Rc<[Val]>>,
    /// Room for sets of values, all `false`.
    spare: Vec<Vec<bool>>,
}

impl<'a> Bodies<'a> {
    pub fn of(func: &'a Func) -> Bodies<'a> {
        let mut guards: HashMap<Val, Vec<Val>> = HashMap::new();
        for check in func.checks.iter().filter(|check| !func.free(check.site).is_empty()) {
            guards.entry(check.site).or_default().push(check.guard);
        }
        Bodies { func, guards, members: HashMap::new(), outside: HashMap::new(), spare: Vec::new() }
    }

    /// The instructions that a turn computes, operands first, with the guards of the checks inside.
    /// Regions inside are members; their bodies are not, unless they don't depend on what the region inside binds.
    pub fn members(&mut self, id: RegionId) -> Rc<[Val]> {
        if let Some(members) = self.members.get(&id) {
            return Rc::clone(members);
        }
        let members: Rc<[Val]> = self.members_of(self.func.region(id)).into();
        self.members.insert(id, Rc::clone(&members));
        members
    }

    /// What the guards of the checks inside of a region take from outside.
    pub fn guards(&mut self, id: RegionId) -> Rc<[Val]> {
        if self.guards.is_empty() {
            return Rc::new([]);
        }
        if let Some(outside) = self.outside.get(&id) {
            return Rc::clone(outside);
        }
        let members = self.members(id);
        let outside: Rc<[Val]> = self.guards_of(self.func.region(id), &members).into();
        self.outside.insert(id, Rc::clone(&outside));
        outside
    }

    pub(super) fn members_of(&mut self, region: &Region) -> Vec<Val> {
        let binds: Vec<Val> = region.binds().collect();
        let mut seen = self.empty_set();
        let (mut members, mut stack): (Vec<Val>, Vec<Val>) = (Vec::new(), region.uses().collect());
        while let Some(val) = stack.pop() {
            let is_member = self.func.depends(val, &binds) && !matches!(self.func.inst(val), Inst::Bound(_));
            if is_member && !std::mem::replace(&mut seen[val.index()], true) {
                members.push(val);
                stack.extend(self.func.operands(val).iter());
                self.push_guards_at(val, &mut stack);
            }
        }
        members.iter().for_each(|val| seen[val.index()] = false);
        self.spare.push(seen);
        members.sort_unstable();
        members
    }

    pub(super) fn guards_of(&mut self, region: &Region, members: &[Val]) -> Vec<Val> {
        let binds: Vec<Val> = region.binds().collect();
        let (mut seen, mut all, mut stack, mut outside) = (self.empty_set(), Vec::new(), Vec::new(), Vec::new());
        members.iter().for_each(|&member| self.push_guards_at(member, &mut stack));
        while let Some(val) = stack.pop() {
            if std::mem::replace(&mut seen[val.index()], true) {
                continue;
            }
            all.push(val);
            match self.func.depends(val, &binds) {
                true => stack.extend(self.func.operands(val).iter()),
                false => outside.push(val),
            }
        }
        all.iter().for_each(|val: &Val| seen[val.index()] = false);
        self.spare.push(seen);
        outside.sort_unstable();
        outside
    }

    /// Adds the guards of the checks at a member, or in it, if it is a region.
    fn push_guards_at(&mut self, member: Val, stack: &mut Vec<Val>) {
        if self.guards.is_empty() {
            return;
        }
        stack.extend(self.guards.get(&member).into_iter().flatten());
        if let Inst::Region(id) = self.func.inst(member) {
            stack.extend(self.guards(id).iter());
        }
    }

    fn empty_set(&mut self) -> Vec<bool> {
        self.spare.pop().unwrap_or_else(|| vec![false; self.func.len()])
    }
}
