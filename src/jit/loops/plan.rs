//! What is computed in which turn of which loop, and where arrays lie.
//!
//! A region has no list of instructions; here it gets one. A node of its body is computed at the outermost loop where all
//! names that it depends on are known. Two regions that share a node each have it in their lists.
//!
//! Every array that is made has a **home**: an output, a buffer in the workspace, or a row of the cell that it is added to.
//! Buffers are alive from where they are made to their last use, counted in steps of the plan; what is used in a loop and made
//! outside of it is alive until the loop ends. Buffers that aren't alive together share memory.

use hashbrown::{HashMap, HashSet};

use super::Kernels;
use super::split::{self, Delayed, Split};
use crate::ir::places::Places;
use crate::ir::rows::room;
use crate::ir::{Cell, Func, Inst, Region, RegionId, Update, UpdateKind, Val};
use crate::ops::Type;
use crate::wide::Width;

/// The whole function.
pub struct Plan {
    pub top: Block,
    /// How many bytes of buffers there are, before [`align`].
    pub buffers: Vec<Buffer>,
    /// The end of the last buffer, in bytes from the first.
    pub bytes: usize,
    /// The value of each result of each region, where something uses it.
    pub results: HashMap<(Val, u32), Val>,
    /// Slow paths that are computed where they are chosen, and only there.
    pub deferred: HashSet<Val>,
}

/// What is computed one after the other.
#[derive(Default)]
pub struct Block {
    pub steps: Vec<Step>,
    /// The checks by their numbers, after all steps.
    pub checks: Vec<u32>,
}

pub enum Step {
    Value(Val),
    Nest(Box<Nest>),
}

/// A region in its place.
pub struct Nest {
    pub val: Val,
    pub region: RegionId,
    /// What it takes from outside.
    pub captures: Vec<Val>,
    /// What is computed when the loop with this number, counted from 1, has its next index; first what precedes all loops.
    pub levels: Vec<Block>,
    /// What `going` needs in every turn.
    pub test: Vec<Step>,
    /// Whether a check looks at the end of the `while`.
    pub watched: bool,
    pub cells: Vec<Place>,
    /// The updates, by cell and number, that regions inside make themselves.
    pub in_place: Vec<(usize, usize)>,
    /// Where states that are arrays lie.
    pub states: Vec<Option<BufferId>>,
    /// Where their next values wait, if one is made of the other.
    pub waiting: Vec<Option<BufferId>>,
    /// The innermost loops as calls of kernels.
    pub split: Option<Split>,
    /// Additions that its turns put off.
    pub delayed: Vec<Delayed>,
    pub during: During,
}

/// From when to when a region runs, and how many loops are around it.
#[derive(Clone, Copy, Debug)]
pub struct During {
    region: Val,
    first: usize,
    last: usize,
    depth: usize,
}

/// Where a cell is made.
#[derive(Clone, Copy)]
pub struct Place {
    pub home: Home,
    /// Whether the elements must be 0 before the first update.
    pub zeroed: bool,
    /// A byte for each element: whether it has been given a value.
    pub made: Option<BufferId>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Home {
    Buffer(BufferId),
    /// The memory of the result with this number.
    Output(u32),
    /// The row that the update with this number of the cell with that number of the region around changes; a buffer where there is
    /// no such row. `adds`: what is stored is added.
    Row {
        cell: usize,
        update: usize,
        otherwise: BufferId,
        adds: bool,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct BufferId(pub u32);

/// A piece of the workspace.
pub struct Buffer {
    pub bytes: usize,
    pub offset: usize,
    /// The region that makes it, and what it is for.
    pub region: Val,
    pub role: Role,
    first: usize,
    last: usize,
    /// How many loops are around the place where it is made.
    depth: usize,
}

/// What a piece of memory is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Role {
    /// What every turn of a loop leaves behind, of a loop whose turns need each other.
    Trajectory,
    /// Any other array.
    Array,
    /// What a loop needs while it runs: its states, rows that wait for the next kernel.
    Scratch,
}

impl Buffer {
    /// A buffer that is alive while a region runs.
    pub fn within(bytes: usize, during: During) -> Buffer {
        let During { region, first, last, depth } = during;
        Buffer { bytes, offset: 0, region, role: Role::Scratch, first, last, depth }
    }
}

/// Buffers begin at multiples of this.
pub const ALIGN: usize = 64;

/// Every element is a number of so many bytes.
pub const ELEMENT: usize = 8;

/// The plan; with kernels where the processor has vectors of that width, and products of so many multiplications.
pub fn plan(func: &Func, kernels: Option<(Width, usize)>) -> Plan {
    let mut guards: HashMap<Val, Vec<u32>> = HashMap::new();
    for (number, check) in func.checks.iter().enumerate() {
        guards.entry(check.site).or_default().push(number as u32);
    }
    let mut results = HashMap::new();
    for val in func.vals() {
        if let Inst::Result(region, number) = func.inst(val) {
            results.insert((region, number), val);
        }
    }
    let mut planner = Planner {
        func,
        guards,
        known: Places::default(),
        results,
        deferred: deferred(func),
        bodies: HashMap::new(),
        buffers: Vec::new(),
        time: 0,
        around: Vec::new(),
        memory: HashMap::new(),
        replaced: Vec::new(),
        checked: func.checks.iter().map(|check| root(func, check.site)).collect(),
        outputs: HashMap::new(),
    };
    let mut top = planner.top();
    let mut buffers = planner.buffers;
    if let Some(kernels) = kernels {
        split::split(func, &planner.results, kernels, &mut top, &mut buffers);
    }
    let bytes = arrange(&mut buffers);
    Plan { top, buffers, bytes, results: planner.results, deferred: planner.deferred }
}

impl Plan {
    /// Everything that the code calls.
    pub fn kernels(&self) -> Kernels {
        let (mut kernels, mut products) = (Vec::new(), Vec::new());
        for nest in self.nests() {
            let calls = nest.split.iter().flat_map(|split| &split.calls);
            let calls = calls.chain(nest.delayed.iter().flat_map(|delayed| &delayed.calls));
            kernels.extend(calls.map(|call| call.kernel.clone()));
            products.extend(nest.split.iter().filter_map(|split| Some(split.product.as_ref()?.product.clone())));
        }
        (kernels, products)
    }

    /// All regions.
    pub fn nests(&self) -> impl Iterator<Item = &Nest> {
        let mut stack = vec![self.top.steps.iter()];
        std::iter::from_fn(move || {
            loop {
                match stack.last_mut()?.next() {
                    None => _ = stack.pop(),
                    Some(Step::Value(_)) => {}
                    Some(Step::Nest(nest)) => {
                        stack.extend(nest.levels.iter().map(|block| block.steps.iter()));
                        stack.push(nest.test.iter());
                        return Some(&**nest);
                    }
                }
            }
        })
    }
}

/// The slow paths that nothing but choices take.
fn deferred(func: &Func) -> HashSet<Val> {
    let mut deferred = crate::jit::plan::deferred(func);
    for val in func.vals() {
        if let Inst::Region(region) = func.inst(val) {
            func.region(region).uses().for_each(|used| _ = deferred.remove(&used));
        }
    }
    deferred
}

/// What a region computes and what it takes from outside.
#[derive(Clone, Default)]
struct Body {
    members: Vec<Val>,
    captures: Vec<Val>,
    checks: Vec<u32>,
}

struct Planner<'a> {
    func: &'a Func,
    /// The checks by their sites.
    guards: HashMap<Val, Vec<u32>>,
    known: Places,
    results: HashMap<(Val, u32), Val>,
    deferred: HashSet<Val>,
    bodies: HashMap<RegionId, Body>,
    buffers: Vec<Buffer>,
    time: usize,
    /// The loops around; of each the buffers made outside of it that are used inside.
    around: Vec<Vec<BufferId>>,
    /// The buffers that an array lies in.
    memory: HashMap<Val, Vec<BufferId>>,
    /// What regions around have changed of that, with what was there before.
    replaced: Vec<(Val, Option<Vec<BufferId>>)>,
    /// The arrays of which checks look at elements.
    checked: HashSet<Val>,
    /// The results that cells are made in.
    outputs: HashMap<Val, u32>,
}

impl Planner<'_> {
    fn top(&mut self) -> Block {
        let func = self.func;
        for (number, result) in func.results.iter().enumerate() {
            if func.is_array(result.value) && func.ty(result.value) == Type::F64 {
                self.outputs.entry(result.value).or_insert(number as u32);
            }
        }
        let mut members = HashSet::new();
        let mut stack: Vec<Val> = func.roots().collect();
        while let Some(val) = stack.pop() {
            if func.free(val).is_empty() && func.inst(val).computes() && members.insert(val) {
                stack.extend(self.inputs(val));
            }
        }
        let mut members: Vec<Val> = members.into_iter().collect();
        members.sort_unstable();
        let is_at_top = |&number: &u32| {
            let check = func.checks[number as usize];
            func.free(check.site).is_empty() && func.free(check.guard).is_empty()
        };
        let checks: Vec<u32> = (0..func.checks.len() as u32).filter(is_at_top).collect();
        let steps = self.steps(&members, None);
        for number in &checks {
            self.use_operands(func.checks[*number as usize].site);
        }
        for result in &func.results {
            self.time = usize::MAX;
            self.use_array(result.value);
        }
        Block { steps, checks }
    }

    /// The values that computing `val` looks at.
    fn inputs(&mut self, val: Val) -> Vec<Val> {
        let func = self.func;
        match func.inst(val) {
            Inst::Region(region) => self.body(val, region).captures,
            _ => {
                let fetched = |&operand: &Val| match func.inst(operand) {
                    Inst::Unary(_, a) if self.deferred.contains(&operand) => a,
                    _ => operand,
                };
                func.operands(val).iter().map(fetched).collect()
            }
        }
    }

    /// The body of a region with what its checks need.
    fn body(&mut self, of: Val, id: RegionId) -> Body {
        if let Some(body) = self.bodies.get(&id) {
            return body.clone();
        }
        let func = self.func;
        let region = func.region(id);
        let binds: Vec<Val> = region.binds().collect();
        let (mut members, mut captures, mut checks) = (HashSet::new(), HashSet::new(), Vec::new());
        let mut stack: Vec<Val> = region.uses().collect();
        while let Some(val) = stack.pop() {
            match func.inst(val) {
                Inst::F64(_) | Inst::Int(_) | Inst::Bool(_) => {}
                _ if !func.depends(val, &binds) => _ = captures.insert(val),
                Inst::Bound(_) => {}
                _ if members.insert(val) => {
                    stack.extend(self.inputs(val));
                    for &number in self.guards.get(&val).into_iter().flatten() {
                        let guard = func.checks[number as usize].guard;
                        if self.known.know(func, guard, val, of) {
                            checks.push(number);
                            stack.push(guard);
                        }
                    }
                }
                _ => {}
            }
        }
        checks.sort_unstable_by_key(|&number| (func.checks[number as usize].site, number));
        let sorted = |set: HashSet<Val>| {
            let mut list: Vec<Val> = set.into_iter().collect();
            list.sort_unstable();
            list
        };
        let body = Body { members: sorted(members), captures: sorted(captures), checks };
        self.bodies.insert(id, body.clone());
        body
    }

    /// The steps that compute values, given the rows that cells of regions among them are added to.
    fn steps(&mut self, vals: &[Val], rows: Option<&[InPlace]>) -> Vec<Step> {
        let func = self.func;
        let mut steps = Vec::new();
        for &val in vals {
            self.time += 1;
            match func.inst(val) {
                Inst::Region(id) => steps.push(Step::Nest(Box::new(self.nest(val, id, rows.unwrap_or(&[]))))),
                Inst::Result(..) => {}
                _ => {
                    self.use_operands(val);
                    if func.is_array(val) {
                        let base = func.operands(val).as_slice()[0];
                        let memory = self.memory.get(&base).cloned().unwrap_or_default();
                        self.remember(val, memory);
                    }
                    steps.push(Step::Value(val));
                }
            }
        }
        steps
    }

    fn nest(&mut self, val: Val, id: RegionId, rows: &[InPlace]) -> Nest {
        let func = self.func;
        let region = func.region(id);
        let body = self.body(val, id);
        let levels = Levels::of(func, region, &body);
        let start = self.time;
        let in_place = in_place(func, region, &body.members, |member| levels.level(member) == levels.depth);

        // What the region makes is there from now on; what it begins with is used now. Names may have another meaning outside.
        let outside = self.replaced.len();
        let mut cells = Vec::new();
        for (number, cell) in region.cells.iter().enumerate() {
            cell.init.into_iter().for_each(|init| self.use_array(init));
            let result = self.results.get(&(val, (region.first_cell() + number) as u32)).copied();
            cells.push(self.place(val, region, number, cell, result, rows));
        }
        let mut states = Vec::new();
        for (number, state) in region.states.iter().enumerate() {
            self.use_array(state.init);
            let home = func.is_array(state.init).then(|| {
                let buffer = self.buffer(ELEMENT * size(func.shape(state.init)), val, Role::Scratch);
                self.remember(state.bound, vec![buffer]);
                if let Some(&result) = self.results.get(&(val, number as u32)) {
                    self.remember(result, vec![buffer]);
                }
                buffer
            });
            states.push(home);
        }

        let (mut blocks, mut test) = (Vec::new(), Vec::new());
        for level in 0..=levels.depth {
            if level > 0 {
                self.around.push(Vec::new());
            }
            let mut vals: Vec<Val> = body.members.iter().copied().filter(|&val| levels.is_in(val, level)).collect();
            let is_innermost = level == levels.depth;
            if is_innermost {
                test = self.steps(&levels.test, None);
                // The rows that regions inside add to are found first.
                let subscripts = in_place
                    .iter()
                    .flat_map(|each| region.cells[each.cell].updates[each.update].subscripts.iter().copied());
                let first = leading_to(func, &subscripts.collect::<Vec<Val>>());
                vals.sort_by_key(|val| !first.contains(val));
            }
            let steps = self.steps(&vals, is_innermost.then_some(&in_place));
            let at_level = |&number: &u32| {
                let check = func.checks[number as usize];
                levels.level(check.site).max(levels.level(check.guard)) == level
            };
            let checks: Vec<u32> = body.checks.iter().copied().filter(at_level).collect();
            checks.iter().for_each(|&number| self.use_operands(func.checks[number as usize].site));
            blocks.push(Block { steps, checks });
        }
        self.time += 1;
        region.body().for_each(|used| self.use_array(used));
        let bound: Vec<Val> = region.states.iter().map(|state| state.bound).collect();
        let depends = region.states.iter().any(|state| bound.contains(&root(func, state.next)));
        let wait = |planner: &mut Self, state: &crate::ir::State| {
            let bytes = ELEMENT * size(func.shape(state.init));
            (depends && func.is_array(state.init)).then(|| planner.buffer(bytes, val, Role::Scratch))
        };
        let waiting = region.states.iter().map(|state| wait(self, state)).collect();
        self.time += 1;
        for _ in 0..levels.depth {
            for buffer in self.around.pop().unwrap_or_default() {
                self.touch(buffer);
            }
        }
        // What the region makes is whole only at its end.
        let made = cells.iter().flat_map(|place| place.buffers()).chain(states.iter().copied().flatten());
        made.for_each(|buffer| self.touch(buffer));

        let results =
            (0..region.first_reduction()).filter_map(|number| self.results.get(&(val, number as u32)).copied());
        let made: Vec<(Val, Vec<BufferId>)> =
            results.filter_map(|result| Some((result, self.memory.get(&result)?.clone()))).collect();
        self.leave(outside);
        made.into_iter().for_each(|(result, memory)| self.remember(result, memory));
        let watched = self.guards.contains_key(&val);
        let in_place = in_place.iter().map(|each| (each.cell, each.update)).collect();
        let captures = body.captures;
        let during = During { region: val, first: start, last: self.time, depth: self.around.len() };
        let split = None;
        Nest {
            val,
            region: id,
            captures,
            levels: blocks,
            test,
            watched,
            cells,
            in_place,
            states,
            waiting,
            split,
            delayed: Vec::new(),
            during,
        }
    }

    /// Where a cell is made.
    fn place(
        &mut self,
        val: Val,
        region: &Region,
        number: usize,
        cell: &Cell,
        result: Option<Val>,
        rows: &[InPlace],
    ) -> Place {
        let func = self.func;
        let bytes = ELEMENT * size(&cell.shape);
        let role = if is_trajectory(region, cell) { Role::Trajectory } else { Role::Array };
        let row = rows.iter().find(|row| row.inner == val && row.inner_cell == number);
        let output = result.and_then(|result| self.outputs.get(&result));
        let home = match (row, output) {
            (Some(&InPlace { cell, update, adds, .. }), _) => {
                Home::Row { cell, update, otherwise: self.buffer(bytes, val, role), adds }
            }
            (None, Some(&output)) if self.around.is_empty() => Home::Output(output),
            _ => Home::Buffer(self.buffer(bytes, val, role)),
        };
        let is_covered = is_covered(func, region, cell);
        let has_gaps = cell.init.is_none() && cell.updates.iter().any(|each| each.kind == UpdateKind::Store);
        let is_read = |name: Option<Val>| name.is_some_and(|name| self.checked.contains(&name));
        // While the region makes it, it has gaps that are filled later.
        let needs_marks = has_gaps && (is_read(cell.bound) || (!is_covered && is_read(result)));
        let made = needs_marks.then(|| self.buffer(size(&cell.shape), val, Role::Scratch));
        let place = Place { home, zeroed: cell.init.is_none() && !is_covered, made };
        for name in [cell.bound, result].into_iter().flatten() {
            self.remember(name, place.buffers().collect());
        }
        place
    }

    /// From now on an array lies here.
    fn remember(&mut self, array: Val, memory: Vec<BufferId>) {
        let before = self.memory.insert(array, memory);
        self.replaced.push((array, before));
    }

    /// Names have the meaning again that they had when so many were replaced.
    fn leave(&mut self, outside: usize) {
        for (array, before) in self.replaced.drain(outside..).rev() {
            match before {
                Some(memory) => self.memory.insert(array, memory),
                None => self.memory.remove(&array),
            };
        }
    }

    fn buffer(&mut self, bytes: usize, region: Val, role: Role) -> BufferId {
        let (first, depth) = (self.time, self.around.len());
        self.buffers.push(Buffer { bytes, offset: 0, region, role, first, last: first, depth });
        BufferId(self.buffers.len() as u32 - 1)
    }

    fn use_operands(&mut self, val: Val) {
        let func = self.func;
        func.operands(val).iter().for_each(|&operand| self.use_array(operand));
    }

    fn use_array(&mut self, val: Val) {
        if self.func.is_array(val) {
            for buffer in self.memory.get(&val).cloned().unwrap_or_default() {
                self.touch(buffer);
            }
        }
    }

    /// A buffer is in use now, and if it was made outside of a nest, until that ends.
    fn touch(&mut self, id: BufferId) {
        let buffer = &mut self.buffers[id.0 as usize];
        buffer.last = buffer.last.max(self.time);
        if let Some(used) = self.around.get_mut(buffer.depth)
            && !used.contains(&id)
        {
            used.push(id);
        }
    }
}

impl Place {
    /// The cell of the region around of which it is a row.
    pub fn row(&self) -> Option<usize> {
        match self.home {
            Home::Row { cell, .. } => Some(cell),
            Home::Buffer(_) | Home::Output(_) => None,
        }
    }

    fn buffers(&self) -> impl Iterator<Item = BufferId> + use<> {
        let home = match self.home {
            Home::Buffer(buffer) | Home::Row { otherwise: buffer, .. } => Some(buffer),
            Home::Output(_) => None,
        };
        home.into_iter().chain(self.made)
    }
}

/// The level of each member of a body.
struct Levels {
    of: HashMap<Val, usize>,
    depth: usize,
    test: Vec<Val>,
}

impl Levels {
    fn of(func: &Func, region: &Region, body: &Body) -> Levels {
        let mut levels = Levels { of: func.levels(region, &body.members), depth: region.loops.len(), test: Vec::new() };
        if let Some(going) = region.going {
            let needed = leading_to(func, &[going]);
            let is_in_test = |val: &Val| needed.contains(val) && levels.level(*val) == levels.depth;
            levels.test = body.members.iter().copied().filter(is_in_test).collect();
        }
        levels
    }

    fn level(&self, val: Val) -> usize {
        self.of.get(&val).copied().unwrap_or(0)
    }

    /// Whether a member is computed at a level and not for the test.
    fn is_in(&self, val: Val, level: usize) -> bool {
        self.level(val) == level && !self.test.contains(&val)
    }
}

/// What the targets are computed from, themselves included; not what is in bodies.
fn leading_to(func: &Func, targets: &[Val]) -> HashSet<Val> {
    let mut seen = HashSet::new();
    let mut stack = targets.to_vec();
    while let Some(val) = stack.pop() {
        if seen.insert(val) {
            stack.extend(func.operands(val).iter());
        }
    }
    seen
}

/// A cell of a region inside that is made in a row of a cell of the region around it.
struct InPlace {
    inner: Val,
    inner_cell: usize,
    cell: usize,
    update: usize,
    /// What is stored is added.
    adds: bool,
}

/// The cells that are made in place.
fn in_place(func: &Func, region: &Region, members: &[Val], every_turn: impl Fn(Val) -> bool) -> Vec<InPlace> {
    let mut found = Vec::new();
    let uses_of = |val: Val| {
        let in_body = members.iter().flat_map(|&user| func.operands(user).as_slice().to_vec());
        in_body.chain(region.body()).filter(|&used| used == val).count()
    };
    for (number, cell) in region.cells.iter().enumerate() {
        for (at, update) in cell.updates.iter().enumerate() {
            let Inst::Result(inner, result) = func.inst(update.value) else { continue };
            let Some(inside) = func.region_of(inner) else { continue };
            let Some(inner_cell) = (result as usize).checked_sub(inside.first_cell()) else { continue };
            let Some(theirs) = inside.cells.get(inner_cell) else { continue };
            // Sums go on in the row, as `ir::region` says. What is stored once can as well be stored there, or added.
            let goes_on =
                update.kind == UpdateKind::Add && theirs.updates.iter().all(|update| update.kind == UpdateKind::Add);
            let is_once = cell.updates.len() == 1 && is_stored_once(func, inside, theirs);
            let stores = update.kind == UpdateKind::Store && is_once && is_covered(func, region, cell);
            let adds = update.kind == UpdateKind::Add && is_once;
            let fits = (goes_on || stores || adds)
                && update.factor.is_none()
                && func.inst(update.guard) == Inst::Bool(true)
                && theirs.init.is_none()
                && theirs.bound.is_none()
                && members.contains(&inner)
                && every_turn(inner)
                && uses_of(update.value) == 1
                && !leading_to(func, &update.subscripts).contains(&inner);
            if fits {
                found.push(InPlace { inner, inner_cell, cell: number, update: at, adds });
            }
        }
    }
    found
}

/// Whether the turns of a loop, which need each other, leave an element each.
fn is_trajectory(region: &Region, cell: &Cell) -> bool {
    let in_order =
        !region.states.is_empty() || region.going.is_some() || region.cells.iter().any(|cell| cell.bound.is_some());
    let leaves = |update: &Update| {
        let by_turn = region.loops.iter().any(|each| update.subscripts.contains(&each.index));
        update.kind == UpdateKind::Store && by_turn
    };
    in_order && cell.updates.iter().any(leaves)
}

/// Whether one update certainly stores every element of a cell, each once.
fn is_stored_once(func: &Func, region: &Region, cell: &Cell) -> bool {
    cell.updates.len() == 1
        && cell.updates[0].kind == UpdateKind::Store
        && region.loops.len() == cell.updates[0].subscripts.len()
        && is_covered(func, region, cell)
}

/// Whether the updates certainly store every element of a cell.
fn is_covered(func: &Func, region: &Region, cell: &Cell) -> bool {
    if region.going.is_some() {
        return false;
    }
    let constant = |val: Val| match func.inst(val) {
        Inst::Int(value) => Some(value),
        _ => None,
    };
    let covers = |update: &&Update| {
        let takes_all = |(subscript, &extent): (&Val, &usize)| {
            let each = region.loops.iter().find(|each| each.index == *subscript);
            each.is_some_and(|each| constant(each.low) == Some(0) && constant(each.high) == i64::try_from(extent).ok())
        };
        let mut distinct = update.subscripts.to_vec();
        distinct.sort_unstable();
        distinct.dedup();
        let other_loops_turn = region
            .loops
            .iter()
            .filter(|each| !distinct.contains(&each.index))
            .all(|each| func.has_turns(each.low, each.high));
        update.kind == UpdateKind::Store
            && func.inst(update.guard) == Inst::Bool(true)
            && distinct.len() == update.subscripts.len()
            && update.subscripts.iter().zip(&cell.shape).all(takes_all)
            && other_loops_turn
    };
    if cell.updates.iter().any(|update| covers(&update)) {
        return true;
    }
    // An array that is written down element by element.
    let mut places = HashSet::new();
    for update in &cell.updates {
        let place: Option<Vec<i64>> = update.subscripts.iter().map(|&subscript| constant(subscript)).collect();
        let is_plain = update.kind == UpdateKind::Store && func.inst(update.guard) == Inst::Bool(true);
        let is_inside = |place: &[i64]| {
            place.len() == cell.shape.len()
                && place.iter().zip(&cell.shape).all(|(&at, &extent)| usize::try_from(at).is_ok_and(|at| at < extent))
        };
        match place {
            Some(place) if is_plain && is_inside(&place) => _ = places.insert(place),
            _ => return false,
        }
    }
    region.loops.is_empty() && places.len() == size(&cell.shape)
}

/// The array that a row is of, or that an element is read from.
pub fn root(func: &Func, mut val: Val) -> Val {
    while let Inst::Read(list) = func.inst(val) {
        val = func.list(list)[0];
    }
    val
}

/// How many elements there must be room for.
pub fn size(shape: &[usize]) -> usize {
    shape.iter().copied().map(room).product()
}

/// Gives each buffer its place: the lowest that no buffer has which is alive at the same time. The end of the last.
fn arrange(buffers: &mut [Buffer]) -> usize {
    let mut order: Vec<usize> = (0..buffers.len()).collect();
    // The largest first: small ones fit between them.
    order.sort_by_key(|&index| (std::cmp::Reverse(buffers[index].bytes), index));
    let mut end = 0;
    for (position, &index) in order.iter().enumerate() {
        let Buffer { bytes, first, last, .. } = buffers[index];
        let overlaps = |other: &&Buffer| other.first <= last && first <= other.last;
        let mut taken: Vec<(usize, usize)> = order[..position]
            .iter()
            .map(|&other| &buffers[other])
            .filter(overlaps)
            .map(|other| (other.offset, other.offset + other.bytes.next_multiple_of(ALIGN)))
            .collect();
        taken.sort_unstable();
        let mut offset = 0;
        for (from, to) in taken {
            if offset + bytes <= from {
                break;
            }
            offset = offset.max(to);
        }
        buffers[index].offset = offset;
        end = end.max(offset + bytes.next_multiple_of(ALIGN));
    }
    end
}
