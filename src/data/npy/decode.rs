//! Numbers of NumPy's types as doubles. Integers beyond 2^53 are rounded.

use npyz::{Endianness, TypeChar, TypeStr};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Number {
    kind: Kind,
    big: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    F64,
    F32,
    I64,
    I32,
    I16,
    I8,
    U64,
    U32,
    U16,
    U8,
}

impl Number {
    /// `None` for what is no real number.
    pub fn of(text: &TypeStr) -> Option<Number> {
        let kind = match (text.type_char(), text.size_field()) {
            (TypeChar::Float, 8) => Kind::F64,
            (TypeChar::Float, 4) => Kind::F32,
            (TypeChar::Int, 8) => Kind::I64,
            (TypeChar::Int, 4) => Kind::I32,
            (TypeChar::Int, 2) => Kind::I16,
            (TypeChar::Int, 1) => Kind::I8,
            (TypeChar::Uint, 8) => Kind::U64,
            (TypeChar::Uint, 4) => Kind::U32,
            (TypeChar::Uint, 2) => Kind::U16,
            (TypeChar::Uint | TypeChar::Bool, 1) => Kind::U8,
            _ => return None,
        };
        Some(Number { kind, big: text.endianness() == Endianness::Big })
    }

    /// In bytes.
    pub fn size(self) -> u64 {
        match self.kind {
            Kind::F64 | Kind::I64 | Kind::U64 => 8,
            Kind::F32 | Kind::I32 | Kind::U32 => 4,
            Kind::I16 | Kind::U16 => 2,
            Kind::I8 | Kind::U8 => 1,
        }
    }

    /// Adds the number at `offset` of each row of `stride` bytes.
    pub fn decode(self, bytes: &[u8], offset: usize, stride: usize, column: &mut Vec<f64>) {
        macro_rules! each {
            ($ty:ty, $size:literal, $convert:expr) => {{
                // A loop for each order of bytes, so that neither calls anything for a number.
                macro_rules! from {
                    ($read:expr) => {
                        column.extend(bytes.chunks_exact(stride).map(|row| {
                            let number = row[offset..].first_chunk::<$size>().copied().unwrap_or_default();
                            $convert($read(number))
                        }))
                    };
                }
                if self.big { from!(<$ty>::from_be_bytes) } else { from!(<$ty>::from_le_bytes) }
            }};
        }
        match self.kind {
            Kind::F64 => each!(f64, 8, std::convert::identity),
            Kind::F32 => each!(f32, 4, f64::from),
            Kind::I64 => each!(i64, 8, |value: i64| value as f64),
            Kind::I32 => each!(i32, 4, f64::from),
            Kind::I16 => each!(i16, 2, f64::from),
            Kind::I8 => each!(i8, 1, f64::from),
            Kind::U64 => each!(u64, 8, |value: u64| value as f64),
            Kind::U32 => each!(u32, 4, f64::from),
            Kind::U16 => each!(u16, 2, f64::from),
            Kind::U8 => each!(u8, 1, f64::from),
        }
    }
}
