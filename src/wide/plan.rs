//! Which instructions are in which machine function, and where values wait in between.
//!
//! What is uniform is computed once, before the loop. The rest is one loop over the points, or where it is large
//! several loops one after the other over a **tile** of points, so that each stays in the processor's instruction cache. A
//! value that a later loop needs waits in a **slot** of the tile buffer, one number a point; slots are given out again
//! after the last use.

use super::Width;
use super::encode::Mem;
use super::low::{Cell, Id, Low, Program};
use super::pipeline::pipeline;
use super::schedule::{pressure, schedule};

/// The largest program, in instructions, that is one loop.
const WHOLE: usize = 3000;

/// The instructions of a loop where there are several.
const SEGMENT: usize = 1500;

/// About how many bytes the tile buffer has, which is to stay in the second-level cache.
const TILE_BYTES: usize = 512 << 10;

/// The most points in a tile.
const TILE_POINTS: usize = 512;

/// How far instructions move ahead of others in a loop of one stage.
pub const WINDOW: usize = 128;

/// Where a value lies in memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Home {
    Nowhere,
    Cell(u32),
    Column {
        column: u32,
        vector: u8,
        late: bool,
    },
    /// Where the second stage of the loop finds it in the next turn, and where it finds it in this one.
    ToCarry(u32),
    Carried(u32),
    /// A slot of the tile buffer.
    Tile(u32),
    /// A slot of the segment's own memory.
    Spill(u32),
    /// Of loops over arrays: a place in memory, and the word of the block that has its address if no register has.
    At {
        mem: Mem,
        word: i32,
    },
}

/// Instructions that are one machine function.
pub struct Segment {
    pub insts: Vec<Id>,
    /// Done once, rather than for each vector of points.
    pub once: bool,
}

pub struct Plan {
    pub segments: Vec<Segment>,
    /// Where each value lies from its computation on.
    pub homes: Vec<Home>,
    /// How many slots the tile buffer has.
    pub slots: usize,
    /// How many vectors of points a loop does in a turn.
    pub vectors: usize,
    /// How many points a tile has, where there are several loops.
    pub tile: usize,
    /// How many values are carried from turn to turn; `None` where the loop has one stage.
    pub carried: Option<usize>,
}

/// Divides a program; gives it the cells for what is computed before the loop.
pub fn plan(program: &mut Program, segment: Option<usize>) -> Plan {
    let [before, mut body] = program.live();
    let alive = pressure(program, &body);
    let vectors = if segment.is_none() && pays_twice(program, &body, alive) { 2 } else { 1 };
    if vectors == 2 {
        body = program.twice(&body);
    }
    let stages = if segment.is_none() && body.len() <= WHOLE { pipeline(program, &body) } else { None };
    if let Some(stages) = &stages {
        body.clone_from(&stages.insts);
    }
    let mut segments = Vec::new();
    cut(before, true, segment, &mut segments);
    cut(body, false, segment, &mut segments);
    // Both stages at once, which lie one after the other.
    let window = if stages.is_some() { usize::MAX } else { WINDOW };
    for segment in &mut segments {
        segment.insts = schedule(program, std::mem::take(&mut segment.insts), window);
    }

    let mut homes = vec![Home::Nowhere; program.insts.len()];
    for (index, inst) in program.insts.iter().enumerate() {
        match inst.op {
            Low::Cell(cell) => homes[index] = Home::Cell(cell),
            Low::Column { column, vector, late } => homes[index] = Home::Column { column, vector, late },
            Low::Carried { slot, .. } => homes[index] = Home::Carried(slot),
            _ => {}
        }
    }
    for (slot, &id) in (0..).zip(stages.iter().flat_map(|stages| &stages.carried)) {
        homes[id as usize] = Home::ToCarry(slot);
    }
    // The last segment that uses each value.
    let mut last = vec![0u32; program.insts.len()];
    for (number, segment) in segments.iter().enumerate() {
        for &id in &segment.insts {
            program.insts[id as usize].args().for_each(|arg| last[arg as usize] = number as u32);
        }
    }
    let mut slots = Slots::default();
    let mut ending: Vec<Vec<u32>> = vec![Vec::new(); segments.len()];
    for (number, segment) in segments.iter().enumerate() {
        for &id in &segment.insts {
            let end = last[id as usize] as usize;
            if end <= number || matches!(program.insts[id as usize].op, Low::Store { .. }) {
                continue;
            }
            homes[id as usize] = if segment.once {
                program.cells.push(Cell::Computed);
                Home::Cell(program.cells.len() as u32 - 1)
            } else {
                let slot = slots.take();
                ending[end].push(slot);
                Home::Tile(slot)
            };
        }
        ending[number].iter().for_each(|&slot| slots.give_back(slot));
    }
    let lanes = program.width.lanes() * vectors;
    let slots = slots.len();
    let points = (TILE_BYTES / 8 / slots.max(1)).min(TILE_POINTS) / lanes * lanes;
    let carried = stages.map(|stages| stages.carried.len());
    Plan { segments, homes, slots, vectors, tile: points.max(lanes), carried }
}

/// Whether a loop should do two vectors in a turn: a long chain of operations leaves room beside it, and both use the same constants. Not
/// where registers are few.
fn pays_twice(program: &Program, body: &[Id], alive: usize) -> bool {
    let registers = match program.width {
        Width::W512 | Width::One512 => 32,
        Width::W256 | Width::One256 => 16,
    };
    body.len() <= WHOLE / 4 && 2 * alive <= registers + 4
}

fn cut(insts: Vec<Id>, once: bool, segment: Option<usize>, segments: &mut Vec<Segment>) {
    if insts.is_empty() {
        return;
    }
    if segment.is_none() && insts.len() <= WHOLE {
        return segments.push(Segment { insts, once });
    }
    let size = segment.unwrap_or(SEGMENT).max(1);
    segments.extend(insts.chunks(size).map(|insts| Segment { insts: insts.to_vec(), once }));
}

/// Numbered places, of which the first ones are used first.
#[derive(Default)]
pub struct Slots {
    free: Vec<u32>,
    n: u32,
}

impl Slots {
    pub fn take(&mut self) -> u32 {
        self.free.pop().unwrap_or_else(|| {
            self.n += 1;
            self.n - 1
        })
    }

    pub fn give_back(&mut self, slot: u32) {
        self.free.push(slot);
    }

    /// The most that were in use at once.
    pub fn len(&self) -> usize {
        self.n as usize
    }
}
