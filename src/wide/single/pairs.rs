//! Two polynomials, or two halves of one, on the two lanes of a register.
//!
//! Estrin's scheme makes trees of multiply-adds whose leaves are constants and whose factors are powers of one number. Two trees of the
//! same shape with the same factors are computed by the instructions of one:
//!
//! ```text
//! (a1*x + a0, b1*x + b0) = (a1, b1)*(x, x) + (a0, b0)
//! ```
//!
//! Each lane is computed as the number was, so that the bits are the same. The first lane of a pair is used as it is; the second one
//! is moved to the first when it is needed.

use hashbrown::HashMap;

use super::super::low::{Cell, Id, Inst, Low, Program};

const FMA: Low = Low::Fma { negate_product: false, negate_addend: false };

/// The least multiply-adds that are saved: both lanes of the factor, and the second one of the result, cost about two.
const WORTH: usize = 3;

/// The most trees with the same factor that are compared.
const MOST: usize = 64;

/// The same instructions, with pairs.
pub fn pair(program: &mut Program, insts: Vec<Id>) -> Vec<Id> {
    let pairs = find(program, &insts);
    if pairs.is_empty() {
        return insts;
    }
    let mut rewriting = Rewriting::new(program, &pairs);
    for id in insts {
        rewriting.inst(id);
    }
    rewriting.insts
}

/// The roots of trees that are computed together.
fn find(program: &Program, insts: &[Id]) -> Vec<[Id; 2]> {
    let mut uses = vec![0u32; program.insts.len()];
    insts.iter().for_each(|&id| program.insts[id as usize].args().for_each(|arg| uses[arg as usize] += 1));
    let mut by_factor: HashMap<Id, Vec<Id>> = HashMap::new();
    for &id in insts.iter().filter(|&&id| program.insts[id as usize].op == FMA) {
        by_factor.entry(program.insts[id as usize].args[1]).or_default().push(id);
    }
    let mut candidates = Vec::new();
    for trees in by_factor.values().filter(|trees| trees.len() <= MOST) {
        for (index, &a) in trees.iter().enumerate() {
            for &b in &trees[index + 1..] {
                let size = together(program, &uses, [a, b], true).unwrap_or(0);
                if size >= WORTH {
                    candidates.push((size, [a, b]));
                }
            }
        }
    }
    candidates.sort_unstable_by_key(|&(size, pair)| (std::cmp::Reverse(size), pair));
    let mut taken = vec![false; program.insts.len()];
    let mut pairs = Vec::new();
    for (_, pair) in candidates {
        let mut nodes = Vec::new();
        pair.iter().for_each(|&root| collect(program, root, &mut nodes));
        if nodes.iter().all(|&node| !taken[node as usize]) {
            nodes.iter().for_each(|&node| taken[node as usize] = true);
            pairs.push(pair);
        }
    }
    pairs
}

/// How many multiply-adds each of two trees of the same shape has.
fn together(program: &Program, uses: &[u32], [a, b]: [Id; 2], is_root: bool) -> Option<usize> {
    if program.constant_of(a).is_some() && program.constant_of(b).is_some() {
        return Some(0);
    }
    let [tree, other] = [a, b].map(|id| program.insts[id as usize]);
    let alike = tree.op == FMA && other.op == FMA && tree.args[1] == other.args[1] && a != b;
    let is_inner = uses[a as usize] == 1 && uses[b as usize] == 1;
    if !alike || !(is_root || is_inner) {
        return None;
    }
    let factor = together(program, uses, [tree.args[0], other.args[0]], false)?;
    let addend = together(program, uses, [tree.args[2], other.args[2]], false)?;
    Some(1 + factor + addend)
}

fn collect(program: &Program, node: Id, nodes: &mut Vec<Id>) {
    let inst = program.insts[node as usize];
    if inst.op == FMA {
        nodes.push(node);
        [inst.args[0], inst.args[2]].into_iter().for_each(|arg| collect(program, arg, nodes));
    }
}

struct Rewriting<'a> {
    program: &'a mut Program,
    insts: Vec<Id>,
    /// What computes a value now.
    now: HashMap<Id, Id>,
    /// Factors in both lanes, once they are there.
    twice: HashMap<Id, Option<Id>>,
    /// For a root, the other one.
    other: HashMap<Id, Id>,
    /// What is computed within a pair.
    inner: Vec<Id>,
}

impl<'a> Rewriting<'a> {
    fn new(program: &'a mut Program, pairs: &[[Id; 2]]) -> Rewriting<'a> {
        let mut nodes = Vec::new();
        pairs.iter().flatten().for_each(|&root| collect(program, root, &mut nodes));
        let twice = nodes.iter().map(|&node| (program.insts[node as usize].args[1], None)).collect();
        let other = pairs.iter().flat_map(|&[a, b]| [(a, b), (b, a)]).collect();
        nodes.sort_unstable();
        Rewriting { program, insts: Vec::new(), now: HashMap::new(), twice, other, inner: nodes }
    }

    fn push(&mut self, op: Low, args: &[Id]) -> Id {
        let id = self.program.push(Inst::new(op, args));
        if !matches!(op, Low::Pair(_)) {
            self.insts.push(id);
        }
        id
    }

    fn inst(&mut self, id: Id) {
        if let Some(&other) = self.other.get(&id) {
            if !self.now.contains_key(&id) {
                // Factors are the same, so all operands of the other one are there.
                let pair = self.tree([id, other]);
                let high = self.push(Low::High, &[pair]);
                self.now.extend([(id, pair), (other, high)]);
            }
            return;
        }
        if self.inner.binary_search(&id).is_ok() {
            return;
        }
        let inst = self.program.insts[id as usize];
        if let (Low::Mul, Some(None), Some(&Some(twice))) =
            (inst.op, self.twice.get(&id), self.twice.get(&inst.args[0]))
            && inst.args[0] == inst.args[1]
        {
            // The square of a number that is there twice.
            let square = self.push(Low::PairMul, &[twice, twice]);
            self.twice.insert(id, Some(square));
            self.now.insert(id, square);
            return;
        }
        let now = &self.now;
        let args = &mut self.program.insts[id as usize].args;
        args.iter_mut().for_each(|arg| *arg = now.get(arg).copied().unwrap_or(*arg));
        self.insts.push(id);
        if self.twice.get(&id) == Some(&None) {
            self.make_twice(id);
        }
    }

    fn make_twice(&mut self, id: Id) -> Id {
        let single = self.now.get(&id).copied().unwrap_or(id);
        let twice = self.push(Low::Twice, &[single]);
        self.twice.insert(id, Some(twice));
        twice
    }

    fn tree(&mut self, [a, b]: [Id; 2]) -> Id {
        if let [Some(low), Some(high)] = [a, b].map(|id| self.program.constant_of(id)) {
            let cell = self.program.cells.len() as u32;
            self.program.cells.extend([low, high].map(Cell::Constant));
            return self.push(Low::Pair(cell), &[]);
        }
        let [tree, other] = [a, b].map(|id| self.program.insts[id as usize].args);
        let (first, last) = (self.tree([tree[0], other[0]]), self.tree([tree[2], other[2]]));
        let factor = match self.twice.get(&tree[1]) {
            Some(&Some(factor)) => factor,
            _ => self.make_twice(tree[1]),
        };
        self.push(Low::PairFma, &[first, factor, last])
    }
}
