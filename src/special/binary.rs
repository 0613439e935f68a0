//! A double's exponent and significand, exactly.

/// The bits of the exponent's field, and where it begins.
const FIELD: u64 = 0x7ff;
const SHIFT: u32 = 52;

/// The exponent's field of 1.
const BIAS: u64 = 1023;

/// The exponent's field of a double.
#[inline(always)]
fn field(x: f64) -> u64 {
    x.to_bits() >> SHIFT & FIELD
}

/// Whether a field, of any size, is that of a normal number.
#[inline(always)]
fn is_normal(field: u64) -> bool {
    field.wrapping_sub(1) < FIELD - 1
}

/// `x*2^floor(k)`, rounded once, whatever the size of `k`: overflows to infinity, underflows through the subnormal numbers to zero.
/// NaN where either is NaN; an infinite `x` or `k` counts as the limit, and what has none (`0*2^inf`, `inf*2^-inf`) is NaN.
#[inline(always)]
pub fn scale(x: f64, k: f64) -> f64 {
    // Added to it, a whole number below 2^51 stands in the last bits.
    const WHOLE: f64 = 1.5 * (1_u64 << SHIFT) as f64;
    let moved = k + WHOLE;
    let whole = moved.to_bits().wrapping_sub(WHOLE.to_bits());
    let is_simple = is_normal(field(x)) && is_normal(field(x).wrapping_add(whole)) && moved - WHOLE == k;
    if is_simple { f64::from_bits(x.to_bits().wrapping_add(whole << SHIFT)) } else { scale_any(x, k) }
}

#[cold]
fn scale_any(x: f64, k: f64) -> f64 {
    if x.is_nan() || k.is_nan() {
        return f64::NAN;
    }
    if k.is_infinite() {
        let limit = if k > 0.0 { f64::INFINITY } else { 0.0 };
        return x * limit;
    }
    libm::ldexp(x, k.floor().clamp(-5000.0, 5000.0) as i32)
}

/// The largest whole `e` with `2^e <= |x|`; -inf of 0, inf of an infinity, NaN of NaN.
#[inline(always)]
pub fn exponent(x: f64) -> f64 {
    let field = field(x);
    if is_normal(field) { field as i32 as f64 - BIAS as f64 } else { exponent_any(x) }
}

#[cold]
fn exponent_any(x: f64) -> f64 {
    if x == 0.0 {
        f64::NEG_INFINITY
    } else if x.is_finite() {
        f64::from(libm::ilogb(x))
    } else {
        x.abs()
    }
}

/// `|x|` times a power of two, from 3/4 to 3/2; 1 of 0 and infinity, NaN of NaN.
#[inline(always)]
pub fn significand(x: f64) -> f64 {
    if is_normal(field(x)) { significand_of_normal(x) } else { significand_any(x) }
}

/// The fraction with the exponent of 1, or where its first bit is set, with that of 1/2.
#[inline(always)]
fn significand_of_normal(x: f64) -> f64 {
    let fraction = x.to_bits() & ((1 << SHIFT) - 1);
    let upper = fraction >> (SHIFT - 1);
    f64::from_bits(fraction | (BIAS - upper) << SHIFT)
}

#[cold]
fn significand_any(x: f64) -> f64 {
    if x.is_nan() {
        x
    } else if x == 0.0 || x.is_infinite() {
        1.0
    } else {
        significand_of_normal(x * (1_u64 << 54) as f64)
    }
}
