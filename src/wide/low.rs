//! A kernel before registers: instructions of the machine, in order, on values of which there are as many as needed.
//!
//! A [`Program`] is what happens to one vector of points. Each instruction gives one value, named by its place. What lies in
//! memory from the start needs no instruction: constants and uniform arguments in **cells** (one number that stands in every
//! lane), columns by their pointers. What depends on cells only is **uniform**: it is computed once, before the loop.

use hashbrown::HashMap;

use super::Width;
use crate::ops::Op;

/// A value: the index of its instruction.
pub type Id = u32;

/// No operand.
pub const NONE: Id = Id::MAX;

/// The most operands that an instruction has.
pub const N_ARGS: usize = 4;

/// What the machine can do in one instruction, or nearly.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Low {
    /// A number in memory, the same for all lanes.
    Cell(u32),
    /// The next numbers of an input; in a loop that does several vectors in a turn, those of the vector with this number. In
    /// the second stage of a loop, those of the turn before.
    Column {
        column: u32,
        vector: u8,
        late: bool,
    },
    /// What the turn before has computed for this one.
    Carried {
        slot: u32,
        class: Class,
    },
    Add,
    Sub,
    Mul,
    Div,
    /// `a < b ? a : b`
    Lesser,
    /// `a > b ? a : b`
    Greater,
    And,
    /// `!a & b`
    AndNot,
    Or,
    Xor,
    Sqrt,
    /// To a whole number, in the machine's numbers of directions.
    Round(u8),
    /// `±(a*b) ± c`
    Fma {
        negate_product: bool,
        negate_addend: bool,
    },
    /// `a*2^floor(b)`, save for NaN times an infinite power; 512 bits.
    Scale,
    /// 512 bits.
    Exponent,
    /// 512 bits.
    Significand,
    /// Lesser or greater with -0 < +0, the number of a number and NaN; 512 bits.
    Range(u8),
    /// Bit by bit, the result that the table says for the bits of a, b and c; 512 bits.
    Bits(u8),
    /// A condition.
    Compare(u8),
    /// `condition ? a : b`, with the condition first.
    Blend,
    /// Of conditions in mask registers; 512 bits.
    MaskAnd,
    MaskOr,
    MaskNot,
    /// Of 64-bit integers; 256 bits.
    ShiftLeft(u8),
    ShiftRight(u8),
    /// An operator outside the kernel: three numbers (or fewer) and the condition under which it matters.
    Call(u32),
    /// Two lanes of one point, for single calls: two numbers in memory, the same number twice, the second one of two as the first.
    Pair(u32),
    Twice,
    High,
    PairMul,
    PairFma,
    /// The first number where the condition, which is last, holds, else an operator of the second one; one point.
    OrCall(u32),
    /// To an output.
    Store {
        output: u32,
        vector: u8,
        late: bool,
    },
    /// Of loops over arrays.
    Row(RowOp),
}

/// What only loops over arrays do; see [`rows`](super::rows).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum RowOp {
    /// In memory: elements of an array, one for each lane or the same for all.
    Element(At),
    /// In memory: the element of this lane alone, in all lanes.
    Single(At, u8),
    /// In memory: the elements of this lane, in each lane that of another row.
    Across(At, u8),
    /// In memory: the number given with the call for a read of `Row` or `Turn`.
    Offset(u16),
    /// In memory: the whole numbers from this one on, a lane each.
    Lanes(u16),
    /// In memory: which lanes of this vector are turns, where not all are.
    Tail(u8),
    /// In memory: what changes from turn to turn or from row to row.
    Variable(u8),
    /// To a variable, when everything else is done.
    SetVariable(u8),
    /// Elements in the lanes where a condition holds, 0 in others.
    LoadWhere(At),
    /// The elements of so many lanes from the first one on, 0 in others; 1, 2 or 4.
    LoadFirst(At, u8),
    /// As many elements from a value.
    PutFirst(At, u8),
    /// Elements from a value, where a condition holds if there is one.
    Put(At),
    /// So many sums, one for each row.
    PutSums {
        array: u16,
        rows: u8,
    },
    /// What is added up in a register of its own, from 0 or from a value on.
    Accumulator,
    /// Value, factor, what they are added to (`NONE`: 0), and where (`NONE`: everywhere). In place of the accumulator, if so.
    Accumulate {
        in_place: bool,
    },
    Pick(Pick),
}

/// Which elements of an array: of which row of those that are computed at once, and which vector of turns.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct At {
    pub array: u16,
    pub row: u8,
    pub vector: u16,
}

/// Parts of a first vector, and the same parts of a second one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Pick {
    LowHalves,
    HighHalves,
    /// Of four quarters; 512 bits.
    EvenQuarters,
    OddQuarters,
    /// Lanes, alternately from both vectors.
    EvenLanes,
    OddLanes,
}

impl Low {
    /// Whether it lies in memory, so that it needs no instruction of its own.
    pub fn is_memory(self) -> bool {
        use RowOp::{Across, Element, Lanes, Offset, Single, Tail, Variable};
        matches!(
            self,
            Low::Cell(_)
                | Low::Column { .. }
                | Low::Carried { .. }
                | Low::Row(Element(_) | Single(..) | Across(..) | Offset(_) | Lanes(_) | Tail(_) | Variable(_))
        )
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Inst {
    pub op: Low,
    pub args: [Id; N_ARGS],
}

impl Inst {
    pub fn new(op: Low, args: &[Id]) -> Inst {
        let mut inst = Inst { op, args: [NONE; N_ARGS] };
        inst.args[..args.len()].copy_from_slice(args);
        inst
    }

    /// Whether it calls an operator whatever the numbers are.
    pub fn is_unconditional_call(&self) -> bool {
        matches!(self.op, Low::Call(_)) && self.args[N_ARGS - 1] == NONE
    }

    /// The operands that there are.
    pub fn args(&self) -> impl Iterator<Item = Id> + '_ {
        self.args.iter().copied().filter(|&arg| arg != NONE)
    }
}

/// The comparisons of numbers; true of NaN where the name says "not".
pub mod compare {
    pub const EQUAL: u8 = 0x00;
    pub const UNORDERED: u8 = 0x03;
    pub const NOT_EQUAL: u8 = 0x04;
    pub const LESS: u8 = 0x11;
    pub const LESS_OR_EQUAL: u8 = 0x12;

    pub fn inverse(predicate: u8) -> u8 {
        predicate ^ 4
    }

    /// The same with the operands exchanged.
    pub fn exchanged(predicate: u8) -> u8 {
        match predicate {
            0x11 => 0x1e,
            0x1e => 0x11,
            0x12 => 0x1d,
            0x1d => 0x12,
            0x15 => 0x1a,
            0x1a => 0x15,
            0x16 => 0x19,
            0x19 => 0x16,
            symmetric => symmetric,
        }
    }
}

/// Where a value is held in registers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Class {
    Vector = 0,
    Mask = 1,
}

/// What a cell holds when the loop begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cell {
    Constant(u64),
    /// A uniform argument.
    Param(u32),
    /// Something computed before the loop.
    Computed,
}

/// A program for one width.
pub struct Program {
    pub width: Width,
    pub insts: Vec<Inst>,
    /// Which values are the same for all points.
    pub uniform: Vec<bool>,
    pub cells: Vec<Cell>,
    /// The operators that are called.
    pub calls: Vec<Op>,
    known: HashMap<Inst, Id>,
    constants: HashMap<u64, Id>,
}

impl Program {
    pub fn new(width: Width) -> Program {
        Program {
            width,
            insts: Vec::new(),
            uniform: Vec::new(),
            cells: Vec::new(),
            calls: Vec::new(),
            known: HashMap::new(),
            constants: HashMap::new(),
        }
    }

    /// Makes room for about so many instructions.
    pub fn reserve(&mut self, n: usize) {
        self.insts.reserve(n);
        self.uniform.reserve(n);
        self.known.reserve(n);
    }

    pub fn class(&self, id: Id) -> Class {
        match self.insts[id as usize].op {
            Low::Carried { class, .. } => class,
            Low::Compare(_) | Low::MaskAnd | Low::MaskOr | Low::MaskNot | Low::Row(RowOp::Tail(_))
                if self.width.has_masks() =>
            {
                Class::Mask
            }
            _ => Class::Vector,
        }
    }

    /// Whether the second lane counts as well, of one point.
    pub fn is_pair(&self, id: Id) -> bool {
        matches!(self.insts[id as usize].op, Low::Pair(_) | Low::Twice | Low::PairMul | Low::PairFma)
    }

    /// Adds an instruction, or finds it.
    pub fn add(&mut self, op: Low, args: &[Id]) -> Id {
        if let Some(known) = self.find(op, args) {
            return known;
        }
        let inst = Inst::new(op, args);
        let uniform = match op {
            Low::Cell(_) => true,
            Low::Column { .. } | Low::Carried { .. } | Low::Store { .. } | Low::Row(_) => false,
            _ => inst.args().all(|arg| self.uniform[arg as usize]),
        };
        let id = self.insts.len() as Id;
        self.insts.push(inst);
        self.uniform.push(uniform);
        self.known.insert(inst, id);
        id
    }

    /// An instruction that there is already.
    pub fn find(&self, op: Low, args: &[Id]) -> Option<Id> {
        self.known.get(&Inst::new(op, args)).copied()
    }

    pub fn cell(&mut self, cell: Cell) -> Id {
        self.cells.push(cell);
        self.add(Low::Cell(self.cells.len() as u32 - 1), &[])
    }

    pub fn constant(&mut self, value: f64) -> Id {
        self.bits(value.to_bits())
    }

    pub fn bits(&mut self, bits: u64) -> Id {
        if let Some(&known) = self.constants.get(&bits) {
            return known;
        }
        let id = self.cell(Cell::Constant(bits));
        self.constants.insert(bits, id);
        id
    }

    /// The constant that a value is.
    pub fn constant_of(&self, id: Id) -> Option<u64> {
        match self.insts.get(id as usize)?.op {
            Low::Cell(cell) => match self.cells[cell as usize] {
                Cell::Constant(bits) => Some(bits),
                Cell::Param(_) | Cell::Computed => None,
            },
            _ => None,
        }
    }

    /// The instructions that something stored depends on, in order: those before the loop, and those of the loop.
    pub fn live(&self) -> [Vec<Id>; 2] {
        let mut live = vec![false; self.insts.len()];
        for (index, inst) in self.insts.iter().enumerate().rev() {
            if live[index] || matches!(inst.op, Low::Store { .. }) {
                live[index] = true;
                inst.args().for_each(|arg| live[arg as usize] = true);
            }
        }
        let mut parts = [Vec::new(), Vec::with_capacity(self.insts.len())];
        for (index, inst) in self.insts.iter().enumerate() {
            if live[index] && !matches!(inst.op, Low::Cell(_) | Low::Column { .. }) {
                parts[usize::from(!self.uniform[index])].push(index as Id);
            }
        }
        parts
    }

    /// The instructions of a loop, and the same on the next vector of points, one after the other.
    pub fn twice(&mut self, body: &[Id]) -> Vec<Id> {
        let mut copies = vec![NONE; self.insts.len()];
        let mut both = Vec::with_capacity(2 * body.len());
        for &id in body {
            let mut inst = self.insts[id as usize];
            if let Low::Store { vector, .. } = &mut inst.op {
                *vector = 1;
            }
            for arg in inst.args.iter_mut().filter(|arg| **arg != NONE) {
                if !self.uniform[*arg as usize] {
                    *arg = self.copy_of(*arg, &mut copies);
                }
            }
            let copy = self.push(inst);
            copies[id as usize] = copy;
            both.extend([id, copy]);
        }
        both
    }

    fn copy_of(&mut self, id: Id, copies: &mut [Id]) -> Id {
        if copies[id as usize] == NONE {
            let Low::Column { column, .. } = self.insts[id as usize].op else {
                unreachable!("what is computed comes before its uses")
            };
            copies[id as usize] = self.memory(Low::Column { column, vector: 1, late: false });
        }
        copies[id as usize]
    }

    /// Adds something that lies in memory, the same or not.
    pub fn memory(&mut self, op: Low) -> Id {
        self.push(Inst::new(op, &[]))
    }

    /// Adds an instruction of the loop.
    pub fn push(&mut self, inst: Inst) -> Id {
        self.insts.push(inst);
        self.uniform.push(false);
        self.insts.len() as Id - 1
    }
}
