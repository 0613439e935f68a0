//! Makes graphs: every instruction goes through [`Builder::emit`], which folds constants, applies the exact
//! identities, orders the operands of commutative operators and shares what exists already.
//!
//! An identity is here only if it holds to the bit for every double, and for derivatives of any order as well
//! (passes build on half-finished graphs). So `x*1`, `-(-x)`, `x - 0.0`, `x + -0.0`, `x/2 = x*0.5` are here;
//! `x + 0.0` (wrong at -0.0), `x*0`, `x - x` (wrong at infinity) are not. See `opt` for what needs a licence.

use hashbrown::{DefaultHashBuilder, HashMap, HashSet, HashTable};
use std::hash::BuildHasher;

use super::{Bits, Check, Func, Inst, ListId, Output, Param, Region, RegionId, SetId, Shape, ShapeId, UpdateKind, Val};
use crate::ops::{Eval, Op, Type};
use crate::span::Span;

/// A graph in the making.
#[derive(Clone, Default)]
pub struct Builder {
    func: Func,
    /// The indices of all instructions, by their contents.
    table: HashTable<u32>,
    lists: HashTable<u32>,
    shapes: HashMap<Shape, ShapeId>,
    sets: HashMap<Box<[Val]>, SetId>,
    regions: HashMap<Region, RegionId>,
    hasher: DefaultHashBuilder,
    /// The place in the text that new instructions come from.
    pub span: Span,
    opaques: u32,
    bounds: u32,
    /// The indices of elementwise maps, by dimension and extent.
    places: HashMap<(usize, usize), Val>,
}

impl Builder {
    pub fn new(name: &str) -> Builder {
        Builder { func: Func { name: name.to_owned(), ..Func::default() }, ..Builder::default() }
    }

    /// Goes on with a finished graph: the same values, and more after them. Results and checks are kept
    /// until [`Builder::finish`] replaces the results.
    pub fn resume(func: Func) -> Builder {
        let mut builder = Builder { func, ..Builder::default() };
        builder.table.reserve(2 * builder.func.len(), |_| 0);
        for index in 0..builder.func.insts.len() as u32 {
            let hash = builder.hasher.hash_one(builder.func.insts[index as usize]);
            let (hasher, insts) = (&builder.hasher, &builder.func.insts);
            builder.table.insert_unique(hash, index, |&other| hasher.hash_one(insts[other as usize]));
            match builder.func.insts[index as usize] {
                Inst::Opaque(id) => builder.opaques = builder.opaques.max(id + 1),
                Inst::Bound(id) => builder.bounds = builder.bounds.max(id + 1),
                _ => {}
            }
        }
        let Builder { func, shapes, sets, regions, .. } = &mut builder;
        shapes.extend(func.shapes.iter().cloned().zip((1..).map(ShapeId)));
        sets.extend(func.sets.iter().cloned().zip((1..).map(SetId)));
        regions.extend(func.regions.iter().cloned().zip((0..).map(RegionId)));
        for index in 0..builder.func.lists.len() as u32 {
            let hash = builder.hasher.hash_one(&builder.func.lists[index as usize]);
            let (hasher, lists) = (&builder.hasher, &builder.func.lists);
            builder.lists.insert_unique(hash, index, |&other| hasher.hash_one(&lists[other as usize]));
        }
        builder
    }

    /// The graph so far.
    pub fn func(&self) -> &Func {
        &self.func
    }

    pub fn finish(mut self, results: Vec<Output>) -> Func {
        self.func.results = results;
        self.func
    }

    pub fn check(&mut self, check: Check) {
        if self.func.inst(check.guard) != Inst::Bool(false) {
            self.func.checks.push(check);
        }
    }

    /// The checks so far, which are taken away.
    pub fn take_checks(&mut self) -> Vec<Check> {
        std::mem::take(&mut self.func.checks)
    }

    pub fn param(&mut self, name: &str, ty: Type) -> Val {
        self.array_param(name, ty, &[])
    }

    /// An argument that is an array; with an empty shape, a number.
    pub fn array_param(&mut self, name: &str, ty: Type, shape: &[usize]) -> Val {
        let index = self.func.params.len() as u32;
        self.func.params.push(Param { name: name.to_owned(), ty, shape: shape.into() });
        self.intern_array(Inst::Param(index), ty, shape)
    }

    /// The values of all arguments, in order.
    pub fn params(&mut self) -> Vec<Val> {
        let params = self.func.params.clone();
        let intern =
            |(index, param): (usize, Param)| self.intern_array(Inst::Param(index as u32), param.ty, &param.shape);
        params.into_iter().enumerate().map(intern).collect()
    }

    /// A value about which nothing is known. See [`Inst::Opaque`].
    pub fn opaque(&mut self, ty: Type) -> Val {
        self.opaque_array(ty, &[])
    }

    /// An array about which nothing is known.
    pub fn opaque_array(&mut self, ty: Type, shape: &[usize]) -> Val {
        self.opaques += 1;
        self.intern_array(Inst::Opaque(self.opaques - 1), ty, shape)
    }

    /// A new name for regions to bind.
    pub fn bound(&mut self, ty: Type, shape: &[usize]) -> Val {
        self.bounds += 1;
        let val = self.intern_array(Inst::Bound(self.bounds - 1), ty, shape);
        let free = self.intern_set(vec![val]);
        self.func.facts[val.index()].1 = free;
        val
    }

    /// A new index.
    pub fn index(&mut self) -> Val {
        self.bound(Type::Int, &[])
    }

    /// The array with an element for each place of a shape. All such maps share their indices, so that equal maps are one.
    pub fn map(&mut self, shape: &[usize], element: impl FnOnce(&mut Builder, &[Val]) -> Val) -> Val {
        let mut places = Vec::new();
        for key in shape.iter().copied().enumerate() {
            let place = match self.places.get(&key) {
                Some(&place) => place,
                None => {
                    let place = self.index();
                    self.places.insert(key, place);
                    place
                }
            };
            places.push(place);
        }
        let value = element(self, &places);
        let loops: Vec<(Val, usize)> = places.into_iter().zip(shape.iter().copied()).collect();
        self.array(&loops, value)
    }

    /// An element of an array, or with fewer subscripts than dimensions a row.
    pub fn read(&mut self, array: Val, subscripts: &[Val]) -> Val {
        debug_assert!(subscripts.len() <= self.func.shape(array).len(), "too many subscripts");
        if subscripts.is_empty() {
            return array;
        }
        if let Inst::Read(list) = self.func.inst(array) {
            let list = self.func.list(list);
            let (array, subscripts) = (list[0], [&list[1..], subscripts].concat());
            return self.read(array, &subscripts);
        }
        if let Some(element) = self.element_of_literal(array, subscripts) {
            return element;
        }
        let (ty, shape) = (self.func.ty(array), self.func.shape(array)[subscripts.len()..].to_vec());
        let list = self.intern_list([&[array], subscripts].concat());
        self.intern_array(Inst::Read(list), ty, &shape)
    }

    /// An element at constant subscripts of an array that is written down element by element.
    fn element_of_literal(&self, array: Val, subscripts: &[Val]) -> Option<Val> {
        let Inst::Result(region, number) = self.func.inst(array) else { return None };
        let region = self.func.region_of(region)?;
        let cell = region.cells.get((number as usize).checked_sub(region.first_cell())?)?;
        let is_int = |val: &Val| matches!(self.func.inst(*val), Inst::Int(_));
        let is_plain = |update: &super::Update| {
            update.kind == UpdateKind::Store
                && update.subscripts.iter().all(is_int)
                && self.func.inst(update.guard) == Inst::Bool(true)
        };
        if !region.loops.is_empty() || !subscripts.iter().all(is_int) || !cell.updates.iter().all(is_plain) {
            return None;
        }
        cell.updates.iter().find(|update| *update.subscripts == *subscripts).map(|update| update.value)
    }

    /// A loop nest. Its results are taken by [`Builder::result`].
    pub fn region(&mut self, region: Region) -> Val {
        let region = self.accumulating(region);
        let id = match self.regions.get(&region) {
            Some(&id) => id,
            None => {
                let captures = self.captures_of(&region);
                let captures = self.intern_list(captures);
                let id = RegionId(self.func.regions.len() as u32);
                self.func.regions.push(region.clone());
                self.func.captures.push(captures);
                self.regions.insert(region, id);
                id
            }
        };
        self.intern(Inst::Region(id), Type::Tuple)
    }

    /// A `sum` whose term is a product accumulates it by `fma`; so does `add`.
    fn accumulating(&self, mut region: Region) -> Region {
        let product = |val: Val| match self.func.inst(val) {
            Inst::Binary(Op::Mul, a, b) => Some((a, b)),
            _ => None,
        };
        for reduction in region.reductions.iter_mut().filter(|each| each.op == Op::Add && each.factor.is_none()) {
            if let Some((a, b)) = product(reduction.value) {
                (reduction.value, reduction.factor) = (a, Some(b));
            }
        }
        let adds = region.cells.iter_mut().flat_map(|cell| cell.updates.iter_mut());
        for update in adds.filter(|each| each.kind == UpdateKind::Add && each.factor.is_none()) {
            if let Some((a, b)) = product(update.value) {
                (update.value, update.factor) = (a, Some(b));
            }
        }
        region
    }

    /// What a region takes from outside: the values that its bounds, initial values and body use, and that don't depend on what
    /// it binds.
    fn captures_of(&self, region: &Region) -> Vec<Val> {
        let func = &self.func;
        let binds: Vec<Val> = region.binds().collect();
        let (mut seen, mut captures) = (HashSet::new(), Vec::new());
        let mut stack: Vec<Val> = region.uses().collect();
        while let Some(val) = stack.pop() {
            if !seen.insert(val) {
                continue;
            }
            match func.inst(val) {
                Inst::F64(_) | Inst::Int(_) | Inst::Bool(_) => {}
                _ if !func.depends(val, &binds) => captures.push(val),
                _ => stack.extend(func.operands(val).iter()),
            }
        }
        captures.sort_unstable();
        captures
    }

    /// Result number `number` of a region; see [`Region`] for their order.
    pub fn result(&mut self, region: Val, number: usize) -> Val {
        let Inst::Region(id) = self.func.inst(region) else { unreachable!("only a region has results") };
        let data = self.func.region(id);
        let like = |val: Val| (self.func.ty(val), Shape::from(self.func.shape(val)));
        let (ty, shape) = if let Some(state) = data.states.get(number) {
            like(state.init)
        } else if let Some(cell) = data.cells.get(number - data.first_cell()) {
            (cell.ty, cell.shape.clone())
        } else if let Some(reduction) = data.reductions.get(number - data.first_reduction()) {
            like(reduction.value)
        } else {
            (Type::Int, Shape::default())
        };
        self.intern_array(Inst::Result(region, number as u32), ty, &shape)
    }

    /// The array with an element for each turn of the loops: `[value for i in 0..extent, …]`. The loops are given by their indices and
    /// extents; `value` may be a row.
    ///
    /// Where something in a turn is a loop itself and depends on the first indices only, as the sum under a `softmax` does, the array is made
    /// by rows, in a loop in a loop: that sum is then a value of the outer turn for derivatives, too.
    pub fn array(&mut self, loops: &[(Val, usize)], value: Val) -> Val {
        match self.depth_of_rows(loops, value) {
            Some(depth) => {
                let row = self.array(&loops[depth..], value);
                self.array_of_turns(&loops[..depth], row)
            }
            None => self.array_of_turns(loops, value),
        }
    }

    /// How many of the loops the loop within a turn depends on that depends on the fewest; `None` where that is on all.
    fn depth_of_rows(&self, loops: &[(Val, usize)], value: Val) -> Option<usize> {
        let (mut seen, mut stack, mut depth) = (HashSet::new(), vec![value], loops.len());
        while let Some(val) = stack.pop().filter(|_| loops.len() > 1) {
            let free = self.func.free(val);
            let Some(last) = loops.iter().rposition(|(index, _)| free.contains(index)) else { continue };
            if seen.insert(val) {
                if matches!(self.func.inst(val), Inst::Region(_)) {
                    depth = depth.min(last + 1);
                }
                stack.extend(self.func.operands(val).iter());
            }
        }
        (depth < loops.len()).then_some(depth)
    }

    fn array_of_turns(&mut self, loops: &[(Val, usize)], value: Val) -> Val {
        let zero = self.int(0);
        let always = self.bool(true);
        let shape = loops.iter().map(|&(_, extent)| extent).chain(self.func.shape(value).iter().copied()).collect();
        let cell = super::Cell {
            ty: self.func.ty(value),
            shape,
            bound: None,
            init: None,
            updates: Box::new([super::Update {
                kind: UpdateKind::Store,
                subscripts: loops.iter().map(|&(index, _)| index).collect(),
                value,
                factor: None,
                guard: always,
            }]),
        };
        let mut bounds = Vec::new();
        for &(index, extent) in loops {
            bounds.push(super::Loop::up(index, zero, self.int(extent as i64)));
        }
        let region = self.region(Region { loops: bounds.into(), cells: Box::new([cell]), ..Region::default() });
        self.result(region, 0)
    }

    /// An array of zeros; with an empty shape, the number.
    pub fn zeros(&mut self, shape: &[usize]) -> Val {
        if shape.is_empty() {
            return self.f64(0.0);
        }
        let cell = super::Cell { ty: Type::F64, shape: shape.into(), bound: None, init: None, updates: Box::new([]) };
        let region = self.region(Region { cells: Box::new([cell]), ..Region::default() });
        self.result(region, 0)
    }

    /// `sum[index in low..high](value)`.
    pub fn sum(&mut self, index: Val, low: Val, high: Val, value: Val) -> Val {
        let guard = self.bool(true);
        let reduction = super::Reduction { op: Op::Add, value, factor: None, guard };
        let loops = Box::new([super::Loop::up(index, low, high)]);
        let region = self.region(Region { loops, reductions: Box::new([reduction]), ..Region::default() });
        self.result(region, 0)
    }

    pub fn f64(&mut self, value: f64) -> Val {
        self.intern(Inst::F64(Bits::new(value)), Type::F64)
    }

    pub fn int(&mut self, value: i64) -> Val {
        self.intern(Inst::Int(value), Type::Int)
    }

    pub fn bool(&mut self, value: bool) -> Val {
        self.intern(Inst::Bool(value), Type::Bool)
    }

    pub fn unary(&mut self, op: Op, a: Val) -> Val {
        self.emit(op, &[a])
    }

    pub fn binary(&mut self, op: Op, a: Val, b: Val) -> Val {
        self.emit(op, &[a, b])
    }

    pub fn select(&mut self, condition: Val, a: Val, b: Val) -> Val {
        self.emit(Op::Select, &[condition, a, b])
    }

    pub fn not(&mut self, a: Val) -> Val {
        self.emit(Op::Not, &[a])
    }

    /// The value of an operator at operands, shared, folded or simplified where that is exact. The operands must have
    /// the types that the operator's row says.
    pub fn emit(&mut self, op: Op, args: &[Val]) -> Val {
        if let Some(folded) = self.fold(op, args) {
            return folded;
        }
        if let Some(same) = self.identity(op, args) {
            return same;
        }
        let ty = if op == Op::Select { self.func.ty(args[1]) } else { op.row().result };
        let inst = match *args {
            [a] => Inst::Unary(op, a),
            [a, b] if op.commutes() && self.rank(b) < self.rank(a) => Inst::Binary(op, b, a),
            [a, b] => Inst::Binary(op, a, b),
            [a, b, c] if !matches!(op, Op::Min | Op::Max) => Inst::Ternary(op, a, b, c),
            _ => {
                let mut sorted = args.to_vec();
                sorted.sort_by_key(|&arg| self.rank(arg));
                Inst::Nary(op, self.intern_list(sorted))
            }
        };
        self.intern(inst, ty)
    }

    /// The order of operands that commute: as they were made, constants last. It doesn't depend on where a constant was
    /// first used, so that the text form reads back to the same graph.
    fn rank(&self, val: Val) -> (bool, u64) {
        match self.func.inst(val) {
            Inst::F64(bits) => (true, bits.value().to_bits()),
            Inst::Int(value) => (true, value as u64),
            Inst::Bool(value) => (true, u64::from(value)),
            _ => (false, u64::from(val.0)),
        }
    }

    /// A constant of another graph.
    pub fn constant(&mut self, from: &Func, val: Val) -> Val {
        self.intern_array(from.inst(val), from.ty(val), from.shape(val))
    }

    /// Copies the arguments of another graph, so that `Param` instructions mean the same here.
    pub fn copy_params(&mut self, from: &Func) {
        self.func.params = from.params.clone();
    }

    /// `root` with `new` in the place of `old`. Costs the size of the graph between the two.
    pub fn substitute(&mut self, root: Val, old: Val, new: Val) -> Val {
        self.substitute_all(&[root], &[(old, new)])[0]
    }

    /// Every root with the new values in the places of the old ones. Costs the size of the graph between the first that is old and the
    /// last root.
    ///
    /// What a region binds is renamed where a new value has the same name free.
    pub fn substitute_all(&mut self, roots: &[Val], pairs: &[(Val, Val)]) -> Vec<Val> {
        let (Some(first), Some(last)) = (pairs.iter().map(|pair| pair.0).min(), roots.iter().copied().max()) else {
            return roots.to_vec();
        };
        if last < first {
            return roots.to_vec();
        }
        let map = vec![None; (last.0 - first.0) as usize + 1];
        let mut pass = Substitution { pairs: pairs.to_vec(), first, map, free: Vec::new(), inside: false };
        for &(old, new) in pairs {
            if old <= last {
                pass.map[(old.0 - first.0) as usize] = Some(new);
            }
            // A name that is free in both is bound around both by the same region.
            pass.free.extend(self.func.free(new).iter().filter(|name| !self.func.free(old).contains(name)));
            pass.inside |=
                matches!(self.func.inst(old), Inst::Read(_) | Inst::Region(_)) && !self.func.free(old).is_empty();
        }
        let mut wanted = vec![false; pass.map.len()];
        for &root in roots.iter().filter(|&&root| root >= first) {
            wanted[(root.0 - first.0) as usize] = true;
        }
        pass.run(self, wanted);
        roots.iter().map(|&root| pass.get(root)).collect()
    }

    /// A region with the new values in the places of the old ones in everything that it uses.
    pub fn replace(&mut self, region: &Region, pairs: &[(Val, Val)]) -> Region {
        let uses: Vec<Val> = region.uses().collect();
        let new = self.substitute_all(&uses, pairs);
        let table: HashMap<Val, Val> = uses.into_iter().zip(new).collect();
        region.map(|val| table[&val])
    }

    fn intern(&mut self, inst: Inst, ty: Type) -> Val {
        self.intern_array(inst, ty, &[])
    }

    fn intern_array(&mut self, inst: Inst, ty: Type, shape: &[usize]) -> Val {
        let Builder { func, table, hasher, span, .. } = self;
        let insts = &func.insts;
        let entry = table.entry(
            hasher.hash_one(inst),
            |&other| insts[other as usize] == inst,
            |&other| hasher.hash_one(insts[other as usize]),
        );
        match entry {
            hashbrown::hash_table::Entry::Occupied(entry) => Val(*entry.get()),
            hashbrown::hash_table::Entry::Vacant(entry) => {
                let index = func.insts.len() as u32;
                entry.insert(index);
                func.insts.push(inst);
                func.types.push(ty);
                func.spans.push(*span);
                let facts = (self.intern_shape(shape), self.free_of(inst));
                self.func.facts.push(facts);
                Val(index)
            }
        }
    }

    fn intern_shape(&mut self, shape: &[usize]) -> ShapeId {
        if shape.is_empty() {
            return ShapeId(0);
        }
        if let Some(&id) = self.shapes.get(shape) {
            return id;
        }
        self.func.shapes.push(shape.into());
        let id = ShapeId(self.func.shapes.len() as u32);
        self.shapes.insert(shape.into(), id);
        id
    }

    fn intern_set(&mut self, set: Vec<Val>) -> SetId {
        if set.is_empty() {
            return SetId(0);
        }
        if let Some(&id) = self.sets.get(set.as_slice()) {
            return id;
        }
        self.func.sets.push(set.clone().into());
        let id = SetId(self.func.sets.len() as u32);
        self.sets.insert(set.into(), id);
        id
    }

    /// The free names of a new instruction: those of its operands; a region binds some of what its body depends on.
    fn free_of(&mut self, inst: Inst) -> SetId {
        let set_of = |val: Val| self.func.facts[val.index()].1;
        let mut common = SetId(0);
        let mut set: Vec<Val> = Vec::new();
        let operands = match inst {
            Inst::Unary(_, a) | Inst::Result(a, _) => return set_of(a),
            Inst::Binary(_, a, b) => super::Operands::few(&[a, b]),
            Inst::Ternary(_, a, b, c) => super::Operands::few(&[a, b, c]),
            Inst::Nary(_, list) | Inst::Read(list) => super::Operands::Many(self.func.list(list)),
            Inst::Region(region) => super::Operands::Many(self.func.list(self.func.captures[region.0 as usize])),
            Inst::Param(_) | Inst::Opaque(_) | Inst::F64(_) | Inst::Int(_) | Inst::Bool(_) | Inst::Bound(_) => {
                return SetId(0);
            }
        };
        for &operand in operands.iter() {
            let id = set_of(operand);
            if id != SetId(0) && id != common {
                common = id;
                set.extend(self.func.free(operand));
            }
        }
        set.sort_unstable();
        set.dedup();
        self.intern_set(set)
    }

    fn intern_list(&mut self, list: Vec<Val>) -> ListId {
        let Builder { func, lists, hasher, .. } = self;
        let known = &func.lists;
        let entry = lists.entry(
            hasher.hash_one(list.as_slice()),
            |&other| *known[other as usize] == *list,
            |&other| hasher.hash_one(&*known[other as usize]),
        );
        match entry {
            hashbrown::hash_table::Entry::Occupied(entry) => ListId(*entry.get()),
            hashbrown::hash_table::Entry::Vacant(entry) => {
                let index = func.lists.len() as u32;
                entry.insert(index);
                func.lists.push(list.into_boxed_slice());
                ListId(index)
            }
        }
    }

    /// The value of an operator on constants.
    fn fold(&mut self, op: Op, args: &[Val]) -> Option<Val> {
        let func = &self.func;
        let number = |index: usize| func.constant(args[index]);
        let int = |index: usize| func.int(args[index]);
        let condition = |index: usize| match func.inst(args[index]) {
            Inst::Bool(value) => Some(value),
            _ => None,
        };
        Some(match op.row().eval {
            // `stop` is opaque to everything but the last pass, `opt::release`.
            Eval::F1(_) if op == Op::Stop => return None,
            Eval::F1(eval) => {
                let value = eval(number(0)?);
                self.f64(value)
            }
            Eval::F2(eval) => {
                let value = eval(number(0)?, number(1)?);
                self.f64(value)
            }
            Eval::F3(eval) => {
                let value = eval(number(0)?, number(1)?, number(2)?);
                self.f64(value)
            }
            Eval::Fold(eval) => {
                let values: Option<Vec<f64>> = (0..args.len()).map(number).collect();
                let value = values?.into_iter().reduce(eval)?;
                self.f64(value)
            }
            Eval::FI(eval) => {
                let value = eval(number(0)?, int(1)?);
                self.f64(value)
            }
            Eval::Compare(eval) => {
                let value = eval(number(0)?, number(1)?);
                self.bool(value)
            }
            Eval::B1(eval) => {
                let value = eval(condition(0)?);
                self.bool(value)
            }
            Eval::B2(eval) => {
                let value = eval(condition(0)?, condition(1)?);
                self.bool(value)
            }
            Eval::CompareInt(eval) => {
                let value = eval(int(0)?, int(1)?);
                self.bool(value)
            }
            // What has no result stays, so that a check can point at it.
            Eval::I1(eval) => {
                let value = eval(int(0)?).ok()?;
                self.int(value)
            }
            Eval::I2(eval) => {
                let value = eval(int(0)?, int(1)?).ok()?;
                self.int(value)
            }
            Eval::F64ToInt(eval) => {
                let value = eval(number(0)?).ok()?;
                self.int(value)
            }
            Eval::IntToF64 => {
                let value = int(0)?;
                self.f64(value as f64)
            }
            Eval::Select => {
                if condition(0)? {
                    args[1]
                } else {
                    args[2]
                }
            }
        })
    }

    /// A simpler value that is equal to the bit, at every point and in every derivative.
    fn identity(&mut self, op: Op, args: &[Val]) -> Option<Val> {
        let is = |value: Val, bits: f64| self.func.inst(value) == Inst::F64(Bits::new(bits));
        let negated = |value: Val| match self.func.inst(value) {
            Inst::Unary(Op::Neg, inner) => Some(inner),
            _ => None,
        };
        match (op, *args.first()?, args.get(1).copied().unwrap_or(args[0])) {
            (Op::Neg, a, _) => match self.func.inst(a) {
                Inst::Unary(Op::Neg, inner) => Some(inner),
                _ => None,
            },
            (Op::Add, a, b) => {
                if is(a, -0.0) {
                    Some(b)
                } else if is(b, -0.0) {
                    Some(a)
                } else if let Some(b) = negated(b) {
                    Some(self.binary(Op::Sub, a, b))
                } else {
                    negated(a).map(|a| self.binary(Op::Sub, b, a))
                }
            }
            (Op::Sub, a, b) => {
                if is(b, 0.0) {
                    Some(a)
                } else if is(a, -0.0) {
                    Some(self.unary(Op::Neg, b))
                } else {
                    negated(b).map(|b| self.binary(Op::Add, a, b))
                }
            }
            (Op::Mul, a, b) => self.identity_of_product(a, b).or_else(|| self.identity_of_product(b, a)),
            (Op::Div, a, b) => {
                if is(b, 1.0) {
                    return Some(a);
                }
                if is(b, -1.0) {
                    return Some(self.unary(Op::Neg, a));
                }
                match (negated(a), negated(b), self.func.constant(b)) {
                    (Some(a), Some(b), _) => Some(self.binary(Op::Div, a, b)),
                    (Some(a), None, _) => {
                        let quotient = self.binary(Op::Div, a, b);
                        Some(self.unary(Op::Neg, quotient))
                    }
                    (None, Some(b), _) => {
                        let quotient = self.binary(Op::Div, a, b);
                        Some(self.unary(Op::Neg, quotient))
                    }
                    (None, None, Some(divisor)) if has_exact_reciprocal(divisor) => {
                        let reciprocal = self.f64(1.0 / divisor);
                        Some(self.binary(Op::Mul, a, reciprocal))
                    }
                    (None, None, _) => None,
                }
            }
            (Op::Powi, a, n) => match self.func.inst(n) {
                Inst::Int(0) => Some(self.f64(1.0)),
                Inst::Int(1) => Some(a),
                Inst::Int(-1) => {
                    let one = self.f64(1.0);
                    Some(self.binary(Op::Div, one, a))
                }
                _ => None,
            },
            (Op::Pow, a, b) => {
                if is(b, 0.0) || is(b, -0.0) {
                    Some(self.f64(1.0))
                } else if is(b, 1.0) {
                    Some(a)
                } else if is(b, -1.0) {
                    let one = self.f64(1.0);
                    Some(self.binary(Op::Div, one, a))
                } else if is(b, 0.5) {
                    Some(self.unary(Op::Sqrt, a))
                } else if is(b, 2.0) {
                    Some(self.binary(Op::Mul, a, a))
                } else {
                    None
                }
            }
            (Op::XlogPow, a, b) if is(args[2], 0.0) => Some(self.binary(Op::Pow, a, b)),
            (Op::SincN, n, a) if is(n, 0.0) => Some(self.unary(Op::Sinc, a)),
            (Op::Polygamma, n, a) if is(n, 0.0) => Some(self.unary(Op::Digamma, a)),
            (Op::Domain, y, v) if self.func.constant(y).is_some_and(|y| !y.is_nan()) => Some(v),
            (Op::Not, a, _) => match self.func.inst(a) {
                Inst::Unary(Op::Not, inner) => Some(inner),
                _ => None,
            },
            (Op::And, a, b) => self.identity_of_both(a, b, true),
            (Op::Or, a, b) => self.identity_of_both(a, b, false),
            (Op::Select, condition, a) => {
                let b = args[2];
                if a == b {
                    return Some(a);
                }
                match (self.func.inst(condition), self.func.inst(a), self.func.inst(b)) {
                    (Inst::Unary(Op::Not, inner), ..) => Some(self.select(inner, b, a)),
                    (_, Inst::Bool(true), Inst::Bool(false)) => Some(condition),
                    (_, Inst::Bool(false), Inst::Bool(true)) => Some(self.not(condition)),
                    _ => None,
                }
            }
            (Op::Min | Op::Max | Op::IMin | Op::IMax, a, b) if args.len() == 1 || (args.len() == 2 && a == b) => {
                Some(a)
            }
            (Op::Abs, a, _) => match self.func.inst(a) {
                Inst::Unary(Op::Neg, inner) => Some(self.unary(Op::Abs, inner)),
                Inst::Unary(Op::Abs, _) => Some(a),
                _ => None,
            },
            _ => None,
        }
    }

    /// `a*b` by what is known of `a`.
    fn identity_of_product(&mut self, a: Val, b: Val) -> Option<Val> {
        match self.func.inst(a) {
            Inst::F64(bits) if bits.value() == 1.0 => Some(b),
            Inst::F64(bits) if bits.value() == -1.0 => Some(self.unary(Op::Neg, b)),
            Inst::Unary(Op::Neg, inner) => {
                // A sign goes outward, so that `(-a)*b` and `-(a*b)` are one; into a constant it goes inward.
                let product = self.binary(Op::Mul, inner, b);
                Some(self.unary(Op::Neg, product))
            }
            _ => None,
        }
    }

    /// `a and b` (`absorbing` false) or `a or b`, simplified. `neutral` is the value that changes nothing.
    fn identity_of_both(&mut self, a: Val, b: Val, neutral: bool) -> Option<Val> {
        let opposite = |x: Val, y: Val| self.func.inst(x) == Inst::Unary(Op::Not, y);
        if a == b || self.func.inst(b) == Inst::Bool(neutral) {
            Some(a)
        } else if self.func.inst(a) == Inst::Bool(neutral) {
            Some(b)
        } else if self.func.inst(a) == Inst::Bool(!neutral)
            || self.func.inst(b) == Inst::Bool(!neutral)
            || opposite(a, b)
            || opposite(b, a)
        {
            Some(self.bool(!neutral))
        } else {
            None
        }
    }
}

/// Whether dividing by `x` is multiplying by `1/x`, to the bit: powers of two whose reciprocal is a normal number.
fn has_exact_reciprocal(x: f64) -> bool {
    x.is_normal() && x.to_bits().trailing_zeros() >= 52 && (1.0 / x).is_normal()
}

/// Replaces values in a part of a graph.
struct Substitution {
    pairs: Vec<(Val, Val)>,
    first: Val,
    /// What has become of each value from `first` on; `None`: it is as it was.
    map: Vec<Option<Val>>,
    /// The free names of the new values.
    free: Vec<Val>,
    /// Whether something old may stand inside of a region only, depending on what that binds.
    inside: bool,
}

impl Substitution {
    fn get(&self, val: Val) -> Val {
        let place = val.0.checked_sub(self.first.0);
        place.and_then(|place| self.map.get(place as usize).copied().flatten()).unwrap_or(val)
    }

    fn is_replaced(&self, val: Val) -> bool {
        self.get(val) != val
    }

    /// Rebuilds what is wanted and depends on something replaced.
    fn run(&mut self, builder: &mut Builder, mut wanted: Vec<bool>) {
        let depends = self.dependents(builder);
        for place in (0..wanted.len()).rev() {
            let val = Val(self.first.0 + place as u32);
            if !wanted[place] || !depends[place] || self.map[place].is_some() {
                continue;
            }
            let mut want = |used: Val| {
                if let Some(place) = used.0.checked_sub(self.first.0) {
                    wanted[place as usize] = true;
                }
            };
            match builder.func.inst(val) {
                Inst::Region(region) => builder.func.region(region).uses().for_each(&mut want),
                _ => builder.func.operands(val).iter().copied().for_each(&mut want),
            }
        }
        for place in 0..wanted.len() {
            if wanted[place] && depends[place] && self.map[place].is_none() {
                let val = Val(self.first.0 + place as u32);
                builder.span = builder.func.span(val);
                self.map[place] = Some(self.rebuild(builder, val));
            }
        }
    }

    /// Which values depend on something replaced. What a region binds has no part in what it depends on.
    fn dependents(&self, builder: &Builder) -> Vec<bool> {
        let mut depends: Vec<bool> = self.map.iter().map(Option::is_some).collect();
        for place in 0..depends.len() {
            let val = Val(self.first.0 + place as u32);
            let is_new = |used: Val| used.0.checked_sub(self.first.0).is_some_and(|place| depends[place as usize]);
            let found = match builder.func.inst(val) {
                Inst::Region(region) if self.inside => builder.func.region(region).uses().any(is_new),
                _ => builder.func.operands(val).iter().copied().any(is_new),
            };
            depends[place] |= found;
        }
        depends
    }

    fn rebuild(&mut self, builder: &mut Builder, val: Val) -> Val {
        let operands = builder.func.operands(val).as_slice().to_vec();
        match builder.func.inst(val) {
            Inst::Region(region) => {
                let region = builder.func.region(region).clone();
                self.region(builder, region)
            }
            Inst::Result(region, number) => builder.result(self.get(region), number as usize),
            Inst::Read(_) => {
                let args: Vec<Val> = operands.iter().map(|&operand| self.get(operand)).collect();
                builder.read(args[0], &args[1..])
            }
            inst => match inst.op() {
                Some(op) => {
                    let args: Vec<Val> = operands.iter().map(|&operand| self.get(operand)).collect();
                    builder.emit(op, &args)
                }
                None => val,
            },
        }
    }

    fn region(&mut self, builder: &mut Builder, region: Region) -> Val {
        let binds: Vec<Val> = region.binds().collect();
        let clash = binds.iter().any(|name| self.free.contains(name) || self.is_replaced(*name));
        if !clash {
            let region = region.map(|val| self.get(val));
            return builder.region(region);
        }
        let mut names = Vec::new();
        for &name in &binds {
            let (ty, shape) = (builder.func.ty(name), builder.func.shape(name).to_vec());
            names.push((name, builder.bound(ty, &shape)));
        }
        let new_name = |name: Val| names.iter().find(|pair| pair.0 == name).map_or(name, |pair| pair.1);
        let renamed = builder.replace(&region.rebind(new_name), &names);
        let replaced = builder.replace(&renamed, &self.pairs);
        builder.region(replaced)
    }
}
