//! Loops: turn by turn, as `ir::region` says.

use std::rc::Rc;

use hashbrown::{HashMap, HashSet};

use super::{Array, Failure, Value, apply};
use crate::ir::places::Places;
use crate::ir::region::LANES;
use crate::ir::{Cell, Check, Direction, Func, Inst, Reduction, Region, RegionId, Update, UpdateKind, Val};
use crate::ops::{Fault, Op, Type};

/// The state of a run.
pub struct Machine<'a> {
    func: &'a Func,
    /// The value of each instruction so far; in a body that of the present turn. A region's own is whether its `while` would
    /// have gone on when the turns were at an end.
    pub values: Vec<Value>,
    /// The first check inside a region that failed.
    pub failure: Option<Failure>,
    results: HashMap<Val, Vec<Value>>,
    plans: HashMap<RegionId, Rc<Plan>>,
    checks: HashMap<Val, Vec<Check>>,
    known: Places,
    /// The arrays that regions are making.
    buffers: Vec<Array>,
    /// Where the cells are that have a name.
    named: HashMap<Val, Place>,
    /// Cells of regions inside that add to a cell outside.
    redirected: HashMap<(Val, usize), Place>,
    /// The names that regions bind at this moment.
    open: HashSet<Val>,
    /// Is shown the operands of every operator at which a check looks, in each turn in which its guard is true.
    pub watch: Option<&'a mut Watch<'a>>,
}

/// See [`Machine::watch`]: the operator, its operands, its value.
pub type Watch<'a> = dyn FnMut(Val, &[Value], &Value) + 'a;

/// A cell, or a row of one: in which buffer, from which element on, of which shape.
#[derive(Clone)]
struct Place {
    buffer: usize,
    offset: usize,
    shape: Box<[usize]>,
}

/// In which order a turn computes.
struct Plan {
    binds: Vec<Val>,
    /// What is computed when the loop with this number takes its next index; first what precedes all loops.
    levels: Vec<Vec<Val>>,
    /// What the test of `while` needs, of the last level.
    test: Vec<Val>,
    /// The checks of each level.
    checks: Vec<Vec<Check>>,
    /// The guards of the checks that don't depend on what the region binds.
    around: Vec<Val>,
    /// Cells of regions inside that add in place: the region, its cell, our cell, our update.
    in_place: Vec<(Val, usize, usize, usize)>,
}

impl<'a> Machine<'a> {
    pub fn new(func: &'a Func) -> Machine<'a> {
        let mut checks: HashMap<Val, Vec<Check>> = HashMap::new();
        for &check in &func.checks {
            checks.entry(check.site).or_default().push(check);
        }
        // A guard may be a constant that is younger than the region that looks at it.
        let constant = |val: Val| match func.inst(val) {
            Inst::F64(bits) => Value::F64(bits.value()),
            Inst::Bool(value) => Value::Bool(value),
            Inst::Int(value) => Value::Int(value),
            _ => Value::Int(0),
        };
        Machine {
            func,
            values: func.vals().map(constant).collect(),
            failure: None,
            results: HashMap::new(),
            plans: HashMap::new(),
            checks,
            known: Places::default(),
            buffers: Vec::new(),
            named: HashMap::new(),
            redirected: HashMap::new(),
            open: HashSet::new(),
            watch: None,
        }
    }

    /// The value of an instruction at the top.
    pub fn value(&mut self, val: Val) -> Value {
        if self.func.free(val).is_empty() { self.compute(val) } else { Value::Int(0) }
    }

    fn compute(&mut self, val: Val) -> Value {
        match self.func.inst(val) {
            Inst::Param(_) | Inst::Bound(_) => self.values[val.index()].clone(),
            // It has no value; what is computed of it is what nobody asks for.
            Inst::Opaque(_) if !self.func.is_array(val) => Value::F64(f64::NAN),
            Inst::Opaque(_) => {
                let shape = self.func.shape(val);
                let elements = vec![Value::F64(f64::NAN); shape.iter().product()];
                Value::Array(Rc::new(Array { shape: shape.into(), elements, made: Vec::new() }))
            }
            Inst::F64(bits) => Value::F64(bits.value()),
            Inst::Int(value) => Value::Int(value),
            Inst::Bool(value) => Value::Bool(value),
            Inst::Unary(op, _) | Inst::Binary(op, ..) | Inst::Ternary(op, ..) | Inst::Nary(op, _) => {
                let operands: Vec<Value> = self.func.operands(val).iter().map(|&operand| self.get(operand)).collect();
                apply(op, &operands).unwrap_or(Value::Int(0))
            }
            Inst::Read(_) => self.read(val).0,
            Inst::Region(id) => {
                let (results, goes_on) = self.run(val, id);
                self.results.insert(val, results);
                Value::Bool(goes_on)
            }
            Inst::Result(region, number) => self.results[&region][number as usize].clone(),
        }
    }

    /// The value of an operand; of a cell that is being made, what it is now.
    fn get(&self, val: Val) -> Value {
        match self.named.get(&val) {
            Some(place) => self.row(place),
            None => self.values[val.index()].clone(),
        }
    }

    fn int(&self, val: Val) -> i64 {
        self.values[val.index()].int()
    }

    fn row(&self, place: &Place) -> Value {
        let size: usize = place.shape.iter().product();
        let buffer = &self.buffers[place.buffer];
        let elements = buffer.elements[place.offset..place.offset + size].to_vec();
        let made = buffer.made.get(place.offset..place.offset + size).unwrap_or_default().to_vec();
        Value::Array(Rc::new(Array { shape: place.shape.clone(), elements, made }))
    }

    /// An element or row, and what is wrong with reading it.
    fn read(&self, val: Val) -> (Value, Option<Fault>) {
        let operands = self.func.operands(val);
        let (array, subscripts) = (operands.as_slice()[0], &operands.as_slice()[1..]);
        let subscripts: Vec<i64> = subscripts.iter().map(|&subscript| self.int(subscript)).collect();
        match self.named.get(&array) {
            Some(place) => {
                let buffer = &self.buffers[place.buffer];
                element(&place.shape, &buffer.elements, &buffer.made, place.offset, &subscripts)
            }
            None => {
                let Value::Array(array) = &self.values[array.index()] else { unreachable!("only arrays are read") };
                element(&array.shape, &array.elements, &array.made, 0, &subscripts)
            }
        }
        .unwrap_or_else(|| (zero(self.func.ty(val), self.func.shape(val)), Some(Fault::Outside)))
    }

    /// The results of a region, and whether its `while` would have gone on.
    fn run(&mut self, val: Val, id: RegionId) -> (Vec<Value>, bool) {
        let func = self.func;
        let region = func.region(id);
        let plan = match self.plans.get(&id) {
            Some(plan) => plan.clone(),
            None => {
                let plan = Rc::new(Plan::of(func, val, region, &self.checks, &self.known));
                self.plans.insert(id, plan.clone());
                plan
            }
        };
        self.prepare(val, &plan.around);
        // A name that a region outside binds too has its value back afterwards, and so has what depends on it.
        let shadows = plan.binds.iter().any(|name| self.open.contains(name));
        let computed = || plan.binds.iter().chain(plan.levels.iter().flatten()).copied();
        let before: Vec<(Val, Value)> =
            if shadows { computed().map(|val| (val, self.values[val.index()].clone())).collect() } else { Vec::new() };
        let (named, open) = (self.named.clone(), self.open.clone());
        let first_buffer = self.buffers.len();
        self.open.extend(&plan.binds);

        let mut turn = Turns { lane: 0, count: 0, goes_on: false, places: Vec::new(), lanes: Vec::new() };
        for state in &region.states {
            self.set(state.bound, self.get(state.init));
        }
        for (number, cell) in region.cells.iter().enumerate() {
            let place = match self.redirected.remove(&(val, number)) {
                Some(place) => place,
                None => self.new_cell(cell),
            };
            if let Some(name) = cell.bound {
                self.named.insert(name, place.clone());
            }
            turn.places.push(place);
        }
        turn.lanes = region.reductions.iter().map(|each| vec![neutral(func, each); LANES]).collect();
        self.level(region, &plan, 0, &mut turn);

        let states = region.states.iter().map(|state| self.values[state.bound.index()].clone());
        let mut results: Vec<Value> = states.collect();
        results.extend(turn.places.iter().map(|place| self.row(place)));
        let reductions = region.reductions.iter().zip(turn.lanes);
        results.extend(reductions.map(|(reduction, lanes)| combine(reduction.op, lanes)));
        if region.loops.len() == 1 {
            results.push(Value::Int(turn.count));
        }
        self.buffers.truncate(first_buffer);
        (self.named, self.open) = (named, open);
        for (val, value) in before {
            self.values[val.index()] = value;
        }
        (results, turn.goes_on)
    }

    /// Computes guards that stand around a region and are younger than it.
    fn prepare(&mut self, region: Val, guards: &[Val]) {
        let (mut needed, mut stack) = (HashSet::new(), guards.to_vec());
        while let Some(val) = stack.pop() {
            if val > region && !matches!(self.func.inst(val), Inst::Bound(_)) && needed.insert(val) {
                stack.extend(self.func.operands(val).iter());
            }
        }
        let mut needed: Vec<Val> = needed.into_iter().collect();
        needed.sort_unstable();
        self.all(&needed);
    }

    fn new_cell(&mut self, cell: &Cell) -> Place {
        let size: usize = cell.shape.iter().product();
        let array = match cell.init {
            Some(init) => match self.get(init) {
                Value::Array(array) => Array { made: Vec::new(), ..(*array).clone() },
                _ => unreachable!("the verifier compares shapes"),
            },
            None => {
                let stores = cell.updates.iter().any(|update| update.kind == UpdateKind::Store);
                let made = if stores { vec![false; size] } else { Vec::new() };
                Array { shape: cell.shape.clone(), elements: vec![zero(cell.ty, &[]); size], made }
            }
        };
        self.buffers.push(array);
        Place { buffer: self.buffers.len() - 1, offset: 0, shape: cell.shape.clone() }
    }

    fn set(&mut self, name: Val, value: Value) {
        self.values[name.index()] = value;
    }

    /// Everything from a level on inwards.
    fn level(&mut self, region: &Region, plan: &Plan, level: usize, turns: &mut Turns) {
        let innermost = level == region.loops.len();
        if innermost && region.going.is_some() {
            self.all(&plan.test);
            let going = region.going.is_none_or(|going| self.values[going.index()].bool());
            if !going {
                return;
            }
        }
        if innermost {
            self.redirect(region, plan, turns);
        }
        self.all(&plan.levels[level]);
        self.check(&plan.checks[level]);
        if innermost {
            self.turn(region, plan, turns);
            turns.count += 1;
            return;
        }
        let each = region.loops[level];
        let (low, high) = (self.int(each.low), self.int(each.high));
        if level + 1 == region.loops.len() {
            turns.lane = 0;
        }
        for step in 0..high.saturating_sub(low).max(0) {
            let index = match each.direction {
                Direction::Up => low + step,
                Direction::Down => high - 1 - step,
            };
            self.set(each.index, Value::Int(index));
            let before = turns.count;
            self.level(region, plan, level + 1, turns);
            if region.going.is_some() && turns.count == before {
                return;
            }
            turns.lane += 1;
        }
        if let Some(going) = region.going {
            self.set(each.index, Value::Int(high));
            self.all(&plan.test);
            turns.goes_on = self.get(going).bool();
        }
    }

    fn all(&mut self, vals: &[Val]) {
        for &val in vals {
            let value = self.compute(val);
            self.values[val.index()] = value;
        }
    }

    fn check(&mut self, checks: &[Check]) {
        for &Check { guard, site, missing } in checks {
            if self.failure.is_none() && self.holds(guard) {
                let operands: Vec<Value> = match self.func.inst(site) {
                    // The array may be one that is being made; what is told of it are subscripts.
                    Inst::Read(list) => {
                        let subscripts = self.func.list(list)[1..].iter().map(|&subscript| self.get(subscript));
                        [Value::Int(0)].into_iter().chain(subscripts).collect()
                    }
                    _ => self.func.operands(site).iter().map(|&operand| self.get(operand)).collect(),
                };
                let fault = match self.func.inst(site) {
                    _ if missing => Some(Fault::Missing),
                    Inst::Read(_) => self.read(site).1,
                    _ => {
                        let own = std::slice::from_ref(&self.values[site.index()]);
                        if let Some(watch) = &mut self.watch {
                            watch(site, &operands, &own[0]);
                        }
                        fault(self.func, site, if operands.is_empty() { own } else { &operands })
                            .or_else(|| endless(self.func, site, &own[0]))
                    }
                };
                self.failure = fault.map(|fault| Failure::new(self.func, site, fault, &operands));
            }
        }
    }

    /// Whether a guard is true. A constant may be younger than the region.
    fn holds(&self, guard: Val) -> bool {
        match self.func.inst(guard) {
            Inst::Bool(value) => value,
            _ => self.values[guard.index()].bool(),
        }
    }

    /// Tells the regions inside that add in place where to.
    fn redirect(&mut self, region: &Region, plan: &Plan, turns: &Turns) {
        for &(inner, inner_cell, cell, update) in &plan.in_place {
            let subscripts = &region.cells[cell].updates[update].subscripts;
            let mut needed: Vec<Val> = plan.levels.last().map_or(&[][..], Vec::as_slice).to_vec();
            needed.retain(|val| leads_to(self.func, *val, subscripts));
            self.all(&needed);
            if let Some(place) = self.place(&turns.places[cell], subscripts) {
                self.redirected.insert((inner, inner_cell), place);
            }
        }
    }

    /// The row of a cell at subscripts, if it is there.
    fn place(&self, cell: &Place, subscripts: &[Val]) -> Option<Place> {
        let subscripts: Vec<i64> = subscripts.iter().map(|&subscript| self.int(subscript)).collect();
        let offset = offset(&cell.shape, &subscripts)?;
        Some(Place { buffer: cell.buffer, offset: cell.offset + offset, shape: cell.shape[subscripts.len()..].into() })
    }

    /// What a turn does when everything is computed.
    fn turn(&mut self, region: &Region, plan: &Plan, turns: &mut Turns) {
        for (reduction, lanes) in region.reductions.iter().zip(&mut turns.lanes) {
            if self.values[reduction.guard.index()].bool() {
                let lane = &mut lanes[turns.lane % LANES];
                let factor = reduction.factor.map(|factor| self.get(factor));
                *lane = accumulate(reduction.op, lane, &self.get(reduction.value), factor.as_ref());
            }
        }
        for (number, cell) in region.cells.iter().enumerate() {
            for (at, update) in cell.updates.iter().enumerate() {
                let in_place = plan.in_place.iter().any(|each| (each.2, each.3) == (number, at));
                if !in_place && self.values[update.guard.index()].bool() {
                    self.update(&turns.places[number], update);
                }
            }
        }
        let next: Vec<Value> = region.states.iter().map(|state| self.get(state.next)).collect();
        for (state, next) in region.states.iter().zip(next) {
            self.set(state.bound, next);
        }
    }

    fn update(&mut self, cell: &Place, update: &Update) {
        let Some(place) = self.place(cell, &update.subscripts) else { return };
        let (value, factor) = (self.get(update.value), update.factor.map(|factor| self.get(factor)));
        let elements = match value {
            Value::Array(array) => array.elements.clone(),
            number => vec![number],
        };
        let buffer = &mut self.buffers[place.buffer];
        for (element, value) in buffer.elements[place.offset..].iter_mut().zip(&elements) {
            *element = match update.kind {
                UpdateKind::Store => value.clone(),
                UpdateKind::Add => accumulate(Op::Add, element, value, factor.as_ref()),
            };
        }
        if let Some(made) = buffer.made.get_mut(place.offset..place.offset + elements.len()) {
            made.fill(true);
        }
    }
}

struct Turns {
    /// The number of the turn in the innermost loop.
    lane: usize,
    count: i64,
    goes_on: bool,
    places: Vec<Place>,
    lanes: Vec<Vec<Value>>,
}

impl Plan {
    fn of(func: &Func, val: Val, region: &Region, all: &HashMap<Val, Vec<Check>>, places: &Places) -> Plan {
        let binds: Vec<Val> = region.binds().collect();
        let mut body = func.body(region);
        // The guards of checks that are looked at elsewhere.
        body.retain(|&member| places.know(func, member, val, val));
        let depth = region.loops.len();
        let levels = func.levels(region, &body);
        let level = |val: Val| levels.get(&val).copied().unwrap_or(0);
        let mut checks = vec![Vec::new(); depth + 1];
        for &site in &body {
            for &check in all.get(&site).into_iter().flatten() {
                let guard = check.guard;
                if places.know(func, guard, site, val) {
                    checks[level(site).max(level(guard))].push(check);
                }
            }
        }
        let guards = checks.iter().flatten().map(|check| check.guard);
        let around = guards.filter(|&guard| !func.depends(guard, &binds)).collect();
        let mut test = Vec::new();
        if let Some(going) = region.going {
            test = body.iter().copied().filter(|&val| leads_to(func, val, &[going])).collect();
        }
        let mut by_level = vec![Vec::new(); depth + 1];
        for &val in &body {
            if level(val) < depth || !test.contains(&val) {
                by_level[level(val)].push(val);
            }
        }
        test.retain(|&val| level(val) == depth);
        let in_place = in_place(func, region, &body, |val| level(val) == depth);
        Plan { binds, levels: by_level, test, checks, around, in_place }
    }
}

/// Whether one of the targets is computed from `val`.
fn leads_to(func: &Func, val: Val, targets: &[Val]) -> bool {
    let mut stack: Vec<Val> = targets.to_vec();
    let mut seen = HashSet::new();
    while let Some(target) = stack.pop() {
        if target == val {
            return true;
        }
        if target > val && seen.insert(target) {
            stack.extend(func.operands(target).iter());
        }
    }
    false
}

/// The cells of regions inside that add to a cell of this one in place; see `ir::region`.
fn in_place(
    func: &Func,
    region: &Region,
    body: &[Val],
    every_turn: impl Fn(Val) -> bool,
) -> Vec<(Val, usize, usize, usize)> {
    let mut found = Vec::new();
    let uses_of = |val: Val| {
        let in_body = body.iter().flat_map(|&user| func.operands(user).as_slice().to_vec());
        in_body.chain(region.body()).filter(|&used| used == val).count()
    };
    for (number, cell) in region.cells.iter().enumerate() {
        for (at, update) in cell.updates.iter().enumerate() {
            let Inst::Result(inner, result) = func.inst(update.value) else { continue };
            let Some(inside) = func.region_of(inner) else { continue };
            let Some(inner_cell) = (result as usize).checked_sub(inside.first_cell()) else { continue };
            let Some(theirs) = inside.cells.get(inner_cell) else { continue };
            let fits = update.kind == UpdateKind::Add
                && update.factor.is_none()
                && func.inst(update.guard) == Inst::Bool(true)
                && theirs.init.is_none()
                && theirs.bound.is_none()
                && theirs.updates.iter().all(|update| update.kind == UpdateKind::Add)
                && every_turn(inner)
                && body.contains(&inner)
                && uses_of(update.value) == 1
                && !leads_to(func, inner, &update.subscripts);
            if fits {
                found.push((inner, inner_cell, number, at));
            }
        }
    }
    found
}

/// Why an instruction has no result at operands, if it has none.
pub fn fault(func: &Func, site: Val, operands: &[Value]) -> Option<Fault> {
    match func.inst(site) {
        Inst::Read(_) => {
            let Value::Array(array) = &operands[0] else { return None };
            let subscripts: Vec<i64> = operands[1..].iter().map(Value::int).collect();
            match element(&array.shape, &array.elements, &array.made, 0, &subscripts) {
                Some((_, fault)) => fault,
                None => Some(Fault::Outside),
            }
        }
        inst => apply(inst.op()?, operands).err(),
    }
}

/// Whether a region has come to the limit of its turns.
pub fn endless(func: &Func, site: Val, own: &Value) -> Option<Fault> {
    (matches!(func.inst(site), Inst::Region(_)) && *own == Value::Bool(true)).then_some(Fault::Endless)
}

fn element(
    shape: &[usize],
    elements: &[Value],
    made: &[bool],
    start: usize,
    subscripts: &[i64],
) -> Option<(Value, Option<Fault>)> {
    let offset = start + offset(shape, subscripts)?;
    let rest = &shape[subscripts.len()..];
    if rest.is_empty() {
        let missing = made.get(offset) == Some(&false);
        return Some((elements[offset].clone(), missing.then_some(Fault::Missing)));
    }
    let range = offset..offset + rest.iter().product::<usize>();
    let made = made.get(range.clone()).unwrap_or_default().to_vec();
    let array = Array { shape: rest.into(), elements: elements[range].to_vec(), made };
    Some((Value::Array(Rc::new(array)), None))
}

/// The number of an element of an array, row by row, or of the first of a row.
fn offset(shape: &[usize], subscripts: &[i64]) -> Option<usize> {
    let mut offset = 0;
    for (dimension, &extent) in shape.iter().enumerate() {
        let subscript = subscripts.get(dimension).copied().unwrap_or(0);
        let subscript = usize::try_from(subscript).ok().filter(|&subscript| subscript < extent.max(1))?;
        if dimension < subscripts.len() && subscript >= extent {
            return None;
        }
        offset = offset * extent + subscript;
    }
    Some(offset)
}

fn zero(ty: Type, shape: &[usize]) -> Value {
    let zero = Value::of(ty, 0.0);
    if shape.is_empty() {
        return zero;
    }
    let size = shape.iter().product();
    Value::Array(Rc::new(Array { shape: shape.into(), elements: vec![zero; size], made: Vec::new() }))
}

fn neutral(func: &Func, reduction: &Reduction) -> Value {
    match reduction.op {
        Op::Add => zero(Type::F64, func.shape(reduction.value)),
        Op::Min => Value::F64(f64::INFINITY),
        Op::Max => Value::F64(f64::NEG_INFINITY),
        Op::IAdd => Value::Int(0),
        Op::IMin => Value::Int(i64::MAX),
        Op::IMax => Value::Int(i64::MIN),
        Op::And => Value::Bool(true),
        Op::Or => Value::Bool(false),
        other => unreachable!("`{}` is no reduction", other.name()),
    }
}

fn accumulate(op: Op, sum: &Value, value: &Value, factor: Option<&Value>) -> Value {
    match (sum, factor) {
        (Value::Array(sum), _) => {
            let Value::Array(value) = value else { unreachable!("the verifier compares shapes") };
            let pairs = sum.elements.iter().zip(&value.elements);
            let elements = pairs.map(|(sum, value)| accumulate(op, sum, value, factor)).collect();
            Value::Array(Rc::new(Array { shape: sum.shape.clone(), elements, made: Vec::new() }))
        }
        (sum, Some(factor)) => Value::F64(value.as_f64().mul_add(factor.as_f64(), sum.as_f64())),
        (sum, None) => apply(op, &[sum.clone(), value.clone()]).unwrap_or(Value::Int(0)),
    }
}

/// The sum of all lanes, by halves.
fn combine(op: Op, mut lanes: Vec<Value>) -> Value {
    while lanes.len() > 1 {
        let upper = lanes.split_off(lanes.len() / 2);
        lanes = lanes.iter().zip(&upper).map(|(low, high)| accumulate(op, low, high, None)).collect();
    }
    lanes.swap_remove(0)
}
