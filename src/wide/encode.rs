//! Machine instructions as bytes.
//!
//! Only what the kernels use: vector instructions on doubles in three-operand form (EVEX at 512 bits, VEX at 256 and for
//! masks), and a handful of instructions on pointers. A [`Form`] is a row of the processor manual's opcode map; every form
//! here works on 64-bit elements, so that EVEX.W is always 1.

use super::Width;

/// A general register, by the processor's number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Gpr(pub u8);

pub const RAX: Gpr = Gpr(0);
pub const RCX: Gpr = Gpr(1);
pub const RDX: Gpr = Gpr(2);
pub const RBX: Gpr = Gpr(3);
pub const RSP: Gpr = Gpr(4);
pub const RBP: Gpr = Gpr(5);
pub const RSI: Gpr = Gpr(6);
pub const RDI: Gpr = Gpr(7);
pub const R8: Gpr = Gpr(8);
pub const R9: Gpr = Gpr(9);
pub const R10: Gpr = Gpr(10);
pub const R11: Gpr = Gpr(11);
pub const R12: Gpr = Gpr(12);
pub const R13: Gpr = Gpr(13);
pub const R14: Gpr = Gpr(14);
pub const R15: Gpr = Gpr(15);

/// `[base + index + disp]`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mem {
    pub base: Gpr,
    pub index: Option<Gpr>,
    pub disp: i32,
    /// One double that stands in every lane; only at 512 bits.
    pub broadcast: bool,
}

impl Mem {
    pub fn at(base: Gpr, disp: i32) -> Mem {
        Mem { base, index: None, disp, broadcast: false }
    }
}

/// A register of the kind that the instruction takes, or memory.
#[derive(Clone, Copy, Debug)]
pub enum Place {
    Reg(u8),
    Mem(Mem),
}

/// Which instruction: opcode map, mandatory prefix, opcode, and VEX.W where it counts.
#[derive(Clone, Copy, Debug)]
pub struct Form {
    map: u8,
    prefix: u8,
    opcode: u8,
    vex_w: u8,
    /// Prefix and opcode for one lane; `None`: the same, on two lanes of which the second holds anything.
    one: Option<(u8, u8)>,
    only_evex: bool,
}

impl Form {
    /// Whether one lane is computed by an instruction on two.
    pub fn is_pair(self) -> bool {
        self.one.is_none()
    }

    /// On two lanes of one point.
    pub fn pair(self) -> Form {
        Form { one: None, ..self }
    }

    /// For one lane.
    fn of_one(self) -> Form {
        let (prefix, opcode) = self.one.unwrap_or((self.prefix, self.opcode));
        Form { prefix, opcode, ..self }
    }
}

const fn form(map: u8, opcode: u8) -> Form {
    Form { map, prefix: 1, opcode, vex_w: 0, one: None, only_evex: false }
}

/// For one lane it has the prefix F2.
const fn arithmetic(opcode: u8) -> Form {
    Form { one: Some((3, opcode)), ..form(1, opcode) }
}

/// For one lane it has another opcode.
const fn with_one(map: u8, opcode: u8, one: u8) -> Form {
    Form { one: Some((1, one)), ..form(map, opcode) }
}

const fn only_evex(form: Form) -> Form {
    Form { only_evex: true, ..form }
}

pub const LOAD: Form = arithmetic(0x10);
pub const STORE: Form = arithmetic(0x11);
pub const MOVE: Form = form(1, 0x28);
pub const BROADCAST: Form = form(2, 0x19);
/// One double of the lowest lane.
const LOAD_SCALAR: Form = Form { prefix: 3, ..form(1, 0x10) };
const STORE_SCALAR: Form = Form { prefix: 3, ..form(1, 0x11) };

/// The first of two lanes in both, and the second of two operands' lanes.
pub const TWICE: Form = Form { prefix: 3, ..form(1, 0x12) };
pub const HIGH: Form = form(1, 0x15);

/// Halves and quarters of two operands, as a number in the instruction says; at 512 and at 256 bits.
pub const QUARTERS: Form = only_evex(form(3, 0x23));
pub const HALVES: Form = form(3, 0x06);
pub const LOW: Form = form(1, 0x14);
/// With a vector as the condition, where there are no mask registers.
pub const LOAD_WHERE: Form = form(2, 0x2d);
pub const STORE_WHERE: Form = form(2, 0x2f);

pub const SQRT: Form = arithmetic(0x51);
pub const AND: Form = form(1, 0x54);
pub const AND_NOT: Form = form(1, 0x55);
pub const OR: Form = form(1, 0x56);
pub const XOR: Form = form(1, 0x57);
pub const ADD: Form = arithmetic(0x58);
pub const MUL: Form = arithmetic(0x59);
pub const SUB: Form = arithmetic(0x5c);
pub const LESSER: Form = arithmetic(0x5d);
pub const DIV: Form = arithmetic(0x5e);
pub const GREATER: Form = arithmetic(0x5f);
/// To a mask register where there are some, which VEX cannot.
pub const COMPARE: Form = only_evex(arithmetic(0xc2));
/// The shift's direction is in the register field: [`LEFT`] or [`RIGHT`].
pub const SHIFT: Form = form(1, 0x73);
pub const LEFT: u8 = 6;
pub const RIGHT: u8 = 2;
pub const ROUND: Form = with_one(3, 0x09, 0x0b);
pub const SCALE: Form = only_evex(with_one(2, 0x2c, 0x2d));
pub const EXPONENT: Form = only_evex(with_one(2, 0x42, 0x43));
pub const SIGNIFICAND: Form = only_evex(with_one(3, 0x26, 0x27));
pub const TERNARY_LOGIC: Form = only_evex(form(3, 0x25));
pub const RANGE: Form = only_evex(with_one(3, 0x50, 0x51));
pub const BLEND_BY_MASK: Form = only_evex(form(2, 0x65));
pub const BLEND_BY_SIGN: Form = form(3, 0x4b);
const MOVE_SIGNS: Form = form(1, 0x50);

pub const MASK_AND: Form = form(1, 0x41);
pub const MASK_NOT: Form = form(1, 0x44);
pub const MASK_OR: Form = form(1, 0x45);

/// The forms of a fused multiply-add by which operands they multiply; the first overwrites its result's register.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fused {
    /// `result*last + middle`
    F132,
    /// `middle*result + last`
    F213,
    /// `middle*last + result`
    F231,
}

pub fn fused(fused: Fused, negate_product: bool, negate_addend: bool) -> Form {
    let base = match fused {
        Fused::F132 => 0x98,
        Fused::F213 => 0xa8,
        Fused::F231 => 0xb8,
    };
    let opcode = base + 4 * u8::from(negate_product) + 2 * u8::from(negate_addend);
    Form { vex_w: 1, ..with_one(2, opcode, opcode + 1) }
}

/// How a 512-bit instruction uses a mask register.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Masking {
    None,
    /// Lanes outside the mask keep what is there, or are the other operand's for a blend.
    Merge(u8),
    /// Lanes outside the mask are 0.
    Zero(u8),
}

/// A place in the code that jumps go to; bound once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Label(usize);

const UNBOUND: usize = usize::MAX;

/// Code in the making.
pub struct Assembler {
    pub code: Vec<u8>,
    width: Width,
    labels: Vec<usize>,
    /// Where 32-bit distances to labels go.
    fixups: Vec<(usize, Label)>,
}

impl Assembler {
    pub fn new(width: Width) -> Assembler {
        Assembler { code: Vec::with_capacity(4096), width, labels: Vec::new(), fixups: Vec::new() }
    }

    /// `result = form(middle, last)` on whole vectors. A form of one operand has 0 for `middle`.
    pub fn vector(&mut self, form: Form, result: u8, middle: u8, last: Place) {
        self.masked(form, result, middle, last, Masking::None);
    }

    /// The same with a number in the instruction.
    pub fn vector_imm(&mut self, form: Form, result: u8, middle: u8, last: Place, imm: u8) {
        self.masked(form, result, middle, last, Masking::None);
        self.code.push(imm);
    }

    pub fn masked(&mut self, form: Form, result: u8, middle: u8, last: Place, masking: Masking) {
        match self.width {
            Width::W512 => self.evex(form, 2, result, middle, last, masking),
            Width::W256 => self.vex(form, 1, result, middle, last),
            Width::One512 => self.one(form, result, middle, last, masking),
            Width::One256 => self.vex(form.of_one(), 0, result, middle, last),
        }
    }

    /// VEX where that can say it, since it is shorter.
    fn one(&mut self, form: Form, result: u8, middle: u8, last: Place, masking: Masking) {
        let is_low = match last {
            Place::Reg(register) => register < 16,
            Place::Mem(mem) => !mem.broadcast,
        };
        if masking == Masking::None && !form.only_evex && is_low && result < 16 && middle < 16 {
            return self.vex(form.of_one(), 0, result, middle, last);
        }
        let broadcast = matches!(last, Place::Mem(Mem { broadcast: true, .. }));
        let unit = if form.is_pair() && !broadcast { 16 } else { 8 };
        self.evex_bytes(form.of_one(), 0, result, middle, last, masking, unit, broadcast);
    }

    /// Lane 0 to memory.
    pub fn store_scalar(&mut self, mem: Mem, from: u8) {
        // As a broadcast, so that displacements count in doubles.
        self.evex_bytes(STORE_SCALAR, 0, from, 0, Place::Mem(mem), Masking::None, 8, false);
    }

    /// The lowest lanes to memory: 8, 4, 2 or 1.
    pub fn store_lanes(&mut self, mem: Mem, from: u8, lanes: usize) {
        match (self.width.has_masks(), lanes) {
            (true, 1) => self.store_scalar(mem, from),
            (true, _) => {
                let length = (lanes.ilog2() - 1) as u8;
                self.evex_bytes(STORE, length, from, 0, Place::Mem(mem), Masking::None, 8 * lanes as i32, false);
            }
            (false, 1) => self.vex(STORE_SCALAR, 0, from, 0, Place::Mem(mem)),
            (false, _) => self.vex(STORE, u8::from(lanes > 2), from, 0, Place::Mem(mem)),
        }
    }

    /// The lowest lanes from memory, as many as [`Self::store_lanes`] stores; the others are 0.
    pub fn load_lanes(&mut self, to: u8, mem: Mem, lanes: usize) {
        let (form, length) = match lanes {
            1 => (LOAD_SCALAR, 0),
            _ => (LOAD, (lanes.ilog2() - 1) as u8),
        };
        match self.width.has_masks() {
            true => self.evex_bytes(form, length, to, 0, Place::Mem(mem), Masking::None, 8 * lanes as i32, false),
            false => self.vex(form, length, to, 0, Place::Mem(mem)),
        }
    }

    /// An instruction on three mask registers.
    pub fn mask3(&mut self, form: Form, result: u8, a: u8, b: u8) {
        self.vex(form, 1, result, a, Place::Reg(b));
    }

    pub fn mask_not(&mut self, result: u8, a: u8) {
        self.vex(MASK_NOT, 0, result, 0, Place::Reg(a));
    }

    pub fn mask_load(&mut self, result: u8, from: Mem) {
        self.vex(form(1, 0x90), 0, result, 0, Place::Mem(from));
    }

    pub fn mask_store(&mut self, to: Mem, from: u8) {
        self.vex(form(1, 0x91), 0, from, 0, Place::Mem(to));
    }

    pub fn mask_to_gpr(&mut self, to: Gpr, from: u8) {
        self.vex(form(1, 0x93), 0, to.0, 0, Place::Reg(from));
    }

    /// Sets the zero flag where no lane of the mask is set.
    pub fn mask_test(&mut self, mask: u8) {
        self.vex(form(1, 0x98), 0, mask, 0, Place::Reg(mask));
    }

    /// The signs of the lanes as bits.
    pub fn signs_to_gpr(&mut self, to: Gpr, from: u8) {
        self.vex(MOVE_SIGNS, 1, to.0, 0, Place::Reg(from));
    }

    /// The same of two lanes.
    pub fn signs_of_pair_to_gpr(&mut self, to: Gpr, from: u8) {
        self.vex(MOVE_SIGNS, 0, to.0, 0, Place::Reg(from));
    }

    pub fn zero_upper(&mut self) {
        self.code.extend([0xc5, 0xf8, 0x77]);
    }

    fn evex(&mut self, form: Form, length: u8, reg: u8, middle: u8, last: Place, masking: Masking) {
        let broadcast = matches!(last, Place::Mem(Mem { broadcast: true, .. }));
        // `vbroadcastsd` reads one double by its own nature.
        let scalar = broadcast || form.opcode == BROADCAST.opcode && form.map == BROADCAST.map;
        self.evex_bytes(form, length, reg, middle, last, masking, if scalar { 8 } else { 64 }, broadcast);
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of one encoding")]
    fn evex_bytes(
        &mut self,
        form: Form,
        length: u8,
        reg: u8,
        middle: u8,
        last: Place,
        masking: Masking,
        unit: i32,
        broadcast: bool,
    ) {
        let (x, b) = match last {
            Place::Reg(rm) => (rm >> 4 & 1, rm >> 3 & 1),
            Place::Mem(mem) => high_bits(mem),
        };
        let (zeroing, mask) = match masking {
            Masking::None => (0, 0),
            Masking::Merge(mask) => (0, mask),
            Masking::Zero(mask) => (1, mask),
        };
        let off = |bit: u8| !bit & 1;
        self.code.extend([
            0x62,
            off(reg >> 3) << 7 | off(x) << 6 | off(b) << 5 | off(reg >> 4) << 4 | form.map,
            0x80 | (!middle & 15) << 3 | 4 | form.prefix,
            zeroing << 7 | length << 5 | u8::from(broadcast) << 4 | off(middle >> 4) << 3 | mask,
            form.opcode,
        ]);
        self.operand(reg, last, unit);
    }

    fn vex(&mut self, form: Form, length: u8, reg: u8, middle: u8, last: Place) {
        let (x, b) = match last {
            Place::Reg(rm) => (0, rm >> 3 & 1),
            Place::Mem(mem) => high_bits(mem),
        };
        let off = |bit: u8| !bit & 1;
        let tail = (!middle & 15) << 3 | length << 2 | form.prefix;
        if x == 0 && b == 0 && form.map == 1 && form.vex_w == 0 {
            self.code.extend([0xc5, off(reg >> 3) << 7 | tail]);
        } else {
            let head = off(reg >> 3) << 7 | off(x) << 6 | off(b) << 5 | form.map;
            self.code.extend([0xc4, head, form.vex_w << 7 | tail]);
        }
        self.code.push(form.opcode);
        self.operand(reg, last, 1);
    }

    /// The bytes that say which register and which register or memory. Short displacements count in `unit`s.
    fn operand(&mut self, reg: u8, last: Place, unit: i32) {
        let reg = (reg & 7) << 3;
        let mem = match last {
            Place::Reg(rm) => return self.code.push(0xc0 | reg | rm & 7),
            Place::Mem(mem) => mem,
        };
        let base = mem.base.0 & 7;
        let short = i8::try_from(mem.disp / unit).ok().filter(|_| mem.disp % unit == 0);
        let mode = match short {
            // Without displacement, the number of `rbp` and `r13` means something else.
            Some(0) if base != 5 => 0x00,
            Some(_) => 0x40,
            None => 0x80,
        };
        match mem.index {
            Some(index) => self.code.extend([mode | reg | 4, (index.0 & 7) << 3 | base]),
            // The number of `rsp` and `r12` says that an index follows: here none.
            None if base == 4 => self.code.extend([mode | reg | 4, 4 << 3 | base]),
            None => self.code.push(mode | reg | base),
        }
        match (mode, short) {
            (0x00, _) => {}
            (_, Some(short)) => self.code.push(short as u8),
            (_, None) => self.code.extend(mem.disp.to_le_bytes()),
        }
    }

    fn pointer(&mut self, opcode: u8, reg: Gpr, mem: Mem) {
        let (x, b) = high_bits(mem);
        self.code.extend([0x48 | (reg.0 >> 3) << 2 | x << 1 | b, opcode]);
        self.operand(reg.0, Place::Mem(mem), 1);
    }

    pub fn load_pointer(&mut self, to: Gpr, from: Mem) {
        self.pointer(0x8b, to, from);
    }

    pub fn store_pointer(&mut self, to: Mem, from: Gpr) {
        self.pointer(0x89, from, to);
    }

    pub fn address(&mut self, to: Gpr, of: Mem) {
        self.pointer(0x8d, to, of);
    }

    /// Asks for memory that will be read.
    pub fn fetch(&mut self, of: Mem) {
        let (x, b) = high_bits(of);
        self.code.extend([0x40 | x << 1 | b, 0x0f, 0x18]);
        self.operand(1, Place::Mem(of), 1);
    }

    /// Sets the flags of `a - [b]`.
    pub fn compare(&mut self, a: Gpr, b: Mem) {
        self.pointer(0x3b, a, b);
    }

    pub fn copy(&mut self, to: Gpr, from: Gpr) {
        self.code.extend([0x48 | (to.0 >> 3) << 2 | from.0 >> 3, 0x8b, 0xc0 | (to.0 & 7) << 3 | from.0 & 7]);
    }

    pub fn constant(&mut self, to: Gpr, value: u64) {
        self.code.extend([0x48 | to.0 >> 3, 0xb8 | to.0 & 7]);
        self.code.extend(value.to_le_bytes());
    }

    pub fn add(&mut self, to: Gpr, value: i32) {
        self.code.extend([0x48 | to.0 >> 3, 0x81, 0xc0 | to.0 & 7]);
        self.code.extend(value.to_le_bytes());
    }

    /// Adds to a word in memory.
    pub fn add_to(&mut self, to: Mem, value: i32) {
        self.pointer(0x81, RAX, to);
        self.code.extend(value.to_le_bytes());
    }

    /// Keeps the bits that a small number (negative: with all bits above) has, and sets the zero flag where none are left.
    pub fn keep_bits(&mut self, gpr: Gpr, bits: i8) {
        self.code.extend([0x48 | gpr.0 >> 3, 0x83, 0xe0 | gpr.0 & 7, bits as u8]);
    }

    pub fn shift_left(&mut self, gpr: Gpr, by: u8) {
        self.code.extend([0x48 | gpr.0 >> 3, 0xc1, 0xe0 | gpr.0 & 7, by]);
    }

    pub fn shift_right(&mut self, gpr: Gpr, by: u8) {
        self.code.extend([0x48 | gpr.0 >> 3, 0xc1, 0xe8 | gpr.0 & 7, by]);
    }

    pub fn opposite(&mut self, gpr: Gpr) {
        self.code.extend([0x48 | gpr.0 >> 3, 0xf7, 0xd8 | gpr.0 & 7]);
    }

    pub fn zero(&mut self, gpr: Gpr) {
        let high = gpr.0 >> 3;
        self.code.extend([0x48 | high << 2 | high, 0x31, 0xc0 | (gpr.0 & 7) << 3 | gpr.0 & 7]);
    }

    /// Sets the zero flag where the lowest bit of `r8` to `r15` is 0.
    pub fn test_lowest(&mut self, gpr: Gpr) {
        self.code.extend([0x41, 0xf6, 0xc0 | gpr.0 & 7, 1]);
    }

    /// Subtracts a register.
    pub fn subtract(&mut self, from: Gpr, gpr: Gpr) {
        self.code.extend([0x48 | (from.0 >> 3) << 2 | gpr.0 >> 3, 0x2b, 0xc0 | (from.0 & 7) << 3 | gpr.0 & 7]);
    }

    pub fn exchange(&mut self, a: Gpr, b: Gpr) {
        self.code.extend([0x48 | (a.0 >> 3) << 2 | b.0 >> 3, 0x87, 0xc0 | (a.0 & 7) << 3 | b.0 & 7]);
    }

    /// A copy where a comparison did not find "below".
    pub fn copy_unless_below(&mut self, to: Gpr, from: Gpr) {
        self.code.extend([0x48 | (to.0 >> 3) << 2 | from.0 >> 3, 0x0f, 0x43, 0xc0 | (to.0 & 7) << 3 | from.0 & 7]);
    }

    /// Counts a number in memory down and sets the zero flag where it has become 0.
    pub fn count_down(&mut self, at: Mem) {
        self.pointer(0xff, RCX, at);
    }

    /// Sets the zero flag where a register of `rax` to `rdi` is 0.
    pub fn test(&mut self, gpr: Gpr) {
        self.code.extend([0x85, 0xc0 | gpr.0 << 3 | gpr.0]);
    }

    pub fn push(&mut self, gpr: Gpr) {
        self.code.extend([0x40 | gpr.0 >> 3, 0x50 | gpr.0 & 7]);
    }

    pub fn pop(&mut self, gpr: Gpr) {
        self.code.extend([0x40 | gpr.0 >> 3, 0x58 | gpr.0 & 7]);
    }

    pub fn ret(&mut self) {
        self.code.push(0xc3);
    }

    pub fn call_rax(&mut self) {
        self.code.extend([0xff, 0xd0]);
    }

    pub fn label(&mut self) -> Label {
        self.labels.push(UNBOUND);
        Label(self.labels.len() - 1)
    }

    pub fn bind(&mut self, label: Label) {
        self.bind_at(label, self.code.len());
    }

    pub fn bind_at(&mut self, label: Label, at: usize) {
        self.labels[label.0] = at;
    }

    pub fn jump(&mut self, to: Label) {
        self.code.push(0xe9);
        self.distance(to);
    }

    pub fn jump_below(&mut self, to: Label) {
        self.code.extend([0x0f, 0x82]);
        self.distance(to);
    }

    pub fn jump_unless_below(&mut self, to: Label) {
        self.code.extend([0x0f, 0x83]);
        self.distance(to);
    }

    pub fn jump_zero(&mut self, to: Label) {
        self.code.extend([0x0f, 0x84]);
        self.distance(to);
    }

    pub fn jump_not_zero(&mut self, to: Label) {
        self.code.extend([0x0f, 0x85]);
        self.distance(to);
    }

    pub fn call(&mut self, to: Label) {
        self.code.push(0xe8);
        self.distance(to);
    }

    /// The address of a place in the code.
    pub fn address_of_label(&mut self, to: Gpr, label: Label) {
        self.code.extend([0x48 | (to.0 >> 3) << 2, 0x8d, (to.0 & 7) << 3 | 5]);
        self.distance(label);
    }

    fn distance(&mut self, to: Label) {
        self.fixups.push((self.code.len(), to));
        self.code.extend([0; 4]);
    }

    /// Instructions after this begin at a multiple of 32 bytes; before it are some that do nothing.
    pub fn align(&mut self) {
        self.align_to(32);
    }

    pub fn align_to(&mut self, bytes: usize) {
        // From 1 to 8 bytes that do nothing, as processors decode them best.
        const NOTHING: [&[u8]; 8] = [
            &[0x90],
            &[0x66, 0x90],
            &[0x0f, 0x1f, 0x00],
            &[0x0f, 0x1f, 0x40, 0],
            &[0x0f, 0x1f, 0x44, 0, 0],
            &[0x66, 0x0f, 0x1f, 0x44, 0, 0],
            &[0x0f, 0x1f, 0x80, 0, 0, 0, 0],
            &[0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0],
        ];
        while !self.code.len().is_multiple_of(bytes) {
            let left = bytes - self.code.len() % bytes;
            self.code.extend(NOTHING[left.min(8) - 1]);
        }
    }

    /// The bytes, with all jumps knowing their distance.
    pub fn finish(mut self) -> Vec<u8> {
        for &(at, label) in &self.fixups {
            let target = self.labels[label.0];
            assert_ne!(target, UNBOUND, "every label is bound");
            let distance = target as i64 - (at as i64 + 4);
            let distance = i32::try_from(distance).expect("kernels are smaller than 2 GB");
            self.code[at..at + 4].copy_from_slice(&distance.to_le_bytes());
        }
        self.code
    }
}

fn high_bits(mem: Mem) -> (u8, u8) {
    (mem.index.map_or(0, |index| index.0 >> 3), mem.base.0 >> 3)
}
