//! Which value is in which register: the one used furthest in the future gives way (Belady).
//!
//! A value that also lies in memory ([`Home`]) is dropped when it gives way; another goes to a spill slot first, once.
//! Operands may be memory, so a value that is needed only once is never loaded.

use super::Width;
use super::encode::{Assembler, BROADCAST, Form, Gpr, LOAD, Mem, Place, R12, R13, R14, R15, RAX, RBP, RBX, RDI, STORE};
use super::frame;
use super::low::{Class, Id, NONE, Program};
use super::plan::{Home, Slots};
use super::single;

/// No later use in the segment.
pub const NEVER: u32 = u32::MAX;

/// In a loop of two stages: where the turn before was in each column, what it has carried here, and what this one carries on.
pub const BEFORE: Gpr = R13;
pub const CARRIED: Gpr = R15;
pub const TO_CARRY: Gpr = RDI;

const NO_REGISTER: u8 = u8::MAX;

/// The registers of one class.
struct Bank {
    owners: [Id; 32],
    free: u32,
    /// Operands of the instruction in the making.
    locked: u32,
    all: u32,
    /// Those that the segment has used.
    used: u32,
}

impl Bank {
    fn new(all: u32) -> Bank {
        Bank { owners: [NONE; 32], free: all, locked: 0, all, used: 0 }
    }
}

pub struct Registers<'a> {
    pub asm: Assembler,
    pub program: &'a Program,
    pub homes: Vec<Home>,
    /// The bytes of a slot of the tile buffer.
    tile_bytes: i32,
    /// For each value, its register, and its next use in the segment.
    register: Vec<u8>,
    pub next: Vec<u32>,
    banks: [Bank; 2],
    slots: Slots,
    /// The most spill slots that a segment needs.
    pub spills: usize,
    /// The pointers to columns that are in registers, by column.
    pub pointers: Vec<Option<Gpr>>,
    /// Where the inputs and outputs of one point are.
    pub places: Vec<Mem>,
}

impl<'a> Registers<'a> {
    pub fn new(program: &'a Program, homes: Vec<Home>, tile: usize, n_columns: usize) -> Registers<'a> {
        let banks = match program.width {
            // The first mask register means "no mask".
            Width::W512 | Width::One512 => [Bank::new(u32::MAX), Bank::new(0xfe)],
            Width::W256 | Width::One256 => [Bank::new(0xffff), Bank::new(0)],
        };
        let n = program.insts.len();
        Registers {
            asm: Assembler::new(program.width),
            program,
            homes,
            tile_bytes: 8 * tile as i32,
            register: vec![NO_REGISTER; n],
            next: vec![NEVER; n],
            banks,
            slots: Slots::default(),
            spills: 0,
            pointers: vec![None; n_columns],
            places: Vec::new(),
        }
    }

    /// Forgets what is in registers: another segment begins.
    pub fn clear(&mut self) {
        self.forget();
        self.banks.iter_mut().for_each(|bank| bank.used = 0);
    }

    /// The same, but the next segment belongs to the same function.
    pub fn forget(&mut self) {
        for bank in &mut self.banks {
            for (register, owner) in bank.owners.iter().enumerate() {
                if bank.free >> register & 1 == 0 && bank.all >> register & 1 == 1 {
                    self.register[*owner as usize] = NO_REGISTER;
                }
            }
            (bank.free, bank.locked) = (bank.all, 0);
        }
        self.spills = self.spills.max(self.slots.len());
        self.slots = Slots::default();
        self.pointers.fill(None);
    }

    /// How many spill slots there have been so far in this segment.
    pub fn n_spills(&self) -> usize {
        self.slots.len()
    }

    /// The registers of a class that the segment has used.
    pub fn used(&self, class: Class) -> u32 {
        self.banks[class as usize].used
    }

    pub fn is_in_register(&self, id: Id) -> bool {
        self.register[id as usize] != NO_REGISTER
    }

    /// Whether its register may be overwritten after this instruction.
    pub fn dies(&self, id: Id) -> bool {
        self.next[id as usize] == NEVER && !self.is_pinned(id)
    }

    /// The register of an operand, which stays until the instruction is finished.
    pub fn in_register(&mut self, id: Id) -> u8 {
        let class = self.program.class(id);
        let mut register = self.register[id as usize];
        if register == NO_REGISTER {
            register = self.take(class);
            self.load(id, class, register);
            self.banks[class as usize].owners[usize::from(register)] = id;
            self.register[id as usize] = register;
        }
        self.banks[class as usize].locked |= 1 << register;
        register
    }

    /// Keeps operands that are in registers where they are until the instruction is finished.
    pub fn lock(&mut self, ids: impl Iterator<Item = Id>) {
        for id in ids.filter(|&id| id != NONE) {
            if self.is_in_register(id) {
                self.banks[self.program.class(id) as usize].locked |= 1 << self.register[id as usize];
            }
        }
    }

    /// An operand that may be memory. Nothing may be loaded between this and the instruction.
    pub fn operand(&mut self, id: Id) -> Place {
        if self.is_in_register(id) || self.program.class(id) == Class::Mask || self.is_worth_loading(id) {
            return Place::Reg(self.in_register(id));
        }
        // Operands that stand in every lane there are at 512 bits only.
        if matches!(self.homes[id as usize], Home::At { mem, .. } if mem.broadcast) && !self.program.width.has_masks() {
            return Place::Reg(self.in_register(id));
        }
        Place::Mem(self.memory(self.homes[id as usize]))
    }

    /// Where a value is now, which is not loaded for the sake of later uses.
    pub fn place(&mut self, id: Id) -> Place {
        match self.register[id as usize] {
            NO_REGISTER => Place::Mem(self.memory(self.homes[id as usize])),
            register => Place::Reg(register),
        }
    }

    /// The same for an instruction that reads more than it needs where there is one point.
    pub fn operand_of(&mut self, form: Form, id: Id) -> Place {
        match self.program.width {
            _ if self.program.is_pair(id) => self.operand(id),
            Width::One512 if form.is_pair() => match self.operand(id) {
                Place::Mem(mem) => Place::Mem(Mem { broadcast: true, ..mem }),
                register => register,
            },
            // Behind the constants there is more memory; behind others there may be none.
            Width::One256 if form.is_pair() && !matches!(self.homes[id as usize], Home::Cell(_)) => {
                Place::Reg(self.in_register(id))
            }
            _ => self.operand(id),
        }
    }

    /// Whether an operand that lies in memory should be in a register from here on.
    fn is_worth_loading(&self, id: Id) -> bool {
        let next = self.next[id as usize];
        if next == NEVER || matches!(self.homes[id as usize], Home::Cell(_)) {
            return false;
        }
        let bank = &self.banks[Class::Vector as usize];
        bank.free != 0 || self.furthest(Class::Vector).is_some_and(|(_, furthest)| furthest > next)
    }

    /// Loads a value into a register that it need not own.
    pub fn load(&mut self, id: Id, class: Class, register: u8) {
        let home = self.homes[id as usize];
        let mut mem = self.memory(home);
        let form = if mem.broadcast { BROADCAST } else { self.form_of(LOAD, id) };
        mem.broadcast = false;
        match class {
            Class::Mask => self.asm.mask_load(register, mem),
            Class::Vector => self.asm.vector(form, register, 0, Place::Mem(mem)),
        }
    }

    /// How a value is loaded or stored.
    pub fn form_of(&self, form: Form, id: Id) -> Form {
        if self.program.is_pair(id) { form.pair() } else { form }
    }

    fn store(&mut self, id: Id, register: u8, class: Class, home: Home) {
        let form = self.form_of(STORE, id);
        let mut mem = self.memory(home);
        let scalar = mem.broadcast;
        mem.broadcast = false;
        match class {
            Class::Mask => self.asm.mask_store(mem, register),
            Class::Vector if scalar => self.asm.store_scalar(mem, register),
            Class::Vector => self.asm.vector(form, register, 0, Place::Mem(mem)),
        }
    }

    fn memory(&mut self, home: Home) -> Mem {
        if self.program.width.lanes() == 1 {
            return match home {
                Home::Cell(cell) => single::constant(cell),
                Home::Spill(slot) => single::spill(slot),
                Home::Column { column, .. } => self.places[column as usize],
                Home::Tile(_) | Home::ToCarry(_) | Home::Carried(_) | Home::At { .. } | Home::Nowhere => {
                    unreachable!(
                        "a single call has neither tiles nor turns, and a value without register lies in memory"
                    )
                }
            };
        }
        match home {
            Home::Nowhere => unreachable!("a value without register lies in memory"),
            Home::Cell(cell) => {
                let disp = (8 * frame::cell_words(self.program.width) as u32 * cell) as i32 - frame::CELLS_BIAS;
                Mem { broadcast: self.program.width == Width::W512, ..Mem::at(R14, disp) }
            }
            Home::Column { column, vector, late } => self.column(column as usize, vector, late),
            Home::ToCarry(slot) => Mem::at(TO_CARRY, slot as i32 * frame::VECTOR),
            Home::Carried(slot) => Mem::at(CARRIED, slot as i32 * frame::VECTOR),
            Home::Tile(slot) => Mem { index: Some(R12), ..Mem::at(R15, slot as i32 * self.tile_bytes) },
            Home::Spill(slot) => Mem::at(RBP, slot as i32 * frame::VECTOR - frame::SPILLS_BIAS),
            Home::At { mem, word } => {
                if mem.base == RAX {
                    self.asm.load_pointer(RAX, Mem::at(RBX, 8 * word));
                }
                mem
            }
        }
    }

    /// Where the points of this turn of the loop are in a column.
    pub fn column(&mut self, column: usize, vector: u8, late: bool) -> Mem {
        let pointer = self.pointers[column].unwrap_or_else(|| {
            self.asm.load_pointer(RAX, Mem::at(RBX, frame::POINTERS + 8 * column as i32));
            RAX
        });
        let lanes = self.program.width.lanes() as i32;
        let index = if late { BEFORE } else { R12 };
        Mem { index: Some(index), ..Mem::at(pointer, 8 * lanes * i32::from(vector)) }
    }

    /// The value that may give way whose next use is furthest.
    fn furthest(&self, class: Class) -> Option<(u8, u32)> {
        let bank = &self.banks[class as usize];
        let mut candidates = bank.all & !bank.free & !bank.locked;
        let mut furthest = None;
        while candidates != 0 {
            let register = candidates.trailing_zeros() as u8;
            candidates &= candidates - 1;
            let next = self.next[bank.owners[usize::from(register)] as usize];
            if furthest.is_none_or(|(_, other)| next > other) {
                furthest = Some((register, next));
            }
        }
        furthest
    }

    /// A register that nobody owns.
    pub fn take(&mut self, class: Class) -> u8 {
        let bank = &self.banks[class as usize];
        let register = if bank.free != 0 {
            bank.free.trailing_zeros() as u8
        } else {
            let (register, _) =
                self.furthest(class).expect("an instruction has fewer operands than there are registers");
            let owner = bank.owners[usize::from(register)];
            if self.homes[owner as usize] == Home::Nowhere {
                let home = Home::Spill(self.slots.take());
                self.homes[owner as usize] = home;
                self.store(owner, register, class, home);
            }
            self.register[owner as usize] = NO_REGISTER;
            register
        };
        let bank = &mut self.banks[class as usize];
        bank.free &= !(1 << register);
        bank.locked |= 1 << register;
        bank.used |= 1 << register;
        register
    }

    /// Puts all values with a later use in memory: no register survives a call.
    pub fn put_away(&mut self) {
        for class in [Class::Vector, Class::Mask] {
            for register in 0..32u8 {
                let bank = &self.banks[class as usize];
                if (bank.all & !bank.free) >> register & 1 == 0 {
                    continue;
                }
                let owner = bank.owners[usize::from(register)];
                if self.homes[owner as usize] == Home::Nowhere {
                    let home = Home::Spill(self.slots.take());
                    self.homes[owner as usize] = home;
                    self.store(owner, register, class, home);
                }
                self.register[owner as usize] = NO_REGISTER;
                self.banks[class as usize].free |= 1 << register;
            }
        }
    }

    /// The registers of operands without later use are free for the result.
    pub fn release(&mut self, args: impl Iterator<Item = Id>) {
        for arg in args.filter(|&arg| arg != NONE) {
            let register = self.register[arg as usize];
            if self.dies(arg) && register != NO_REGISTER {
                let bank = &mut self.banks[self.program.class(arg) as usize];
                bank.free |= 1 << register;
                self.register[arg as usize] = NO_REGISTER;
            }
        }
    }

    /// A register for the result.
    pub fn define(&mut self, id: Id) -> u8 {
        let register = self.take(self.program.class(id));
        self.own(id, register);
        register
    }

    /// Takes a certain register, which must be free.
    pub fn define_in(&mut self, id: Id, register: u8) {
        let bank = &mut self.banks[Class::Vector as usize];
        bank.free &= !(1 << register);
        bank.used |= 1 << register;
        self.own(id, register);
    }

    fn own(&mut self, id: Id, register: u8) {
        let bank = &mut self.banks[self.program.class(id) as usize];
        bank.owners[usize::from(register)] = id;
        bank.locked |= 1 << register;
        self.register[id as usize] = register;
    }

    /// Gives a register back that no value owns.
    pub fn give_back(&mut self, class: Class, register: u8) {
        self.banks[class as usize].free |= 1 << register;
    }

    /// Keeps a value in its register from here on, in all segments that follow.
    pub fn pin(&mut self, id: Id) {
        let register = self.in_register(id);
        self.banks[self.program.class(id) as usize].all &= !(1 << register);
    }

    /// No operand must stay.
    pub fn unlock(&mut self) {
        self.banks.iter_mut().for_each(|bank| bank.locked = 0);
    }

    pub fn is_pinned(&self, id: Id) -> bool {
        let register = self.register[id as usize];
        register != NO_REGISTER && self.banks[self.program.class(id) as usize].all >> register & 1 == 0
    }

    /// The register of what was pinned is free.
    pub fn unpin(&mut self, id: Id) {
        let register = self.register[id as usize];
        let bank = &mut self.banks[self.program.class(id) as usize];
        bank.all |= 1 << register;
        bank.free |= 1 << register;
        self.register[id as usize] = NO_REGISTER;
    }

    /// After the instruction: a value with a home goes there, and what was only for operands is free.
    pub fn finish(&mut self, id: Id, args: impl Iterator<Item = Id>) {
        let register = self.register[id as usize];
        if register != NO_REGISTER {
            let class = self.program.class(id);
            if self.homes[id as usize] != Home::Nowhere {
                self.store(id, register, class, self.homes[id as usize]);
            }
            if self.dies(id) {
                self.register[id as usize] = NO_REGISTER;
                self.give_back(class, register);
            }
        }
        for arg in args.filter(|&arg| arg != NONE) {
            if let (true, Home::Spill(slot)) = (self.dies(arg), self.homes[arg as usize]) {
                self.slots.give_back(slot);
                self.homes[arg as usize] = Home::Nowhere;
            }
        }
        self.unlock();
    }
}
