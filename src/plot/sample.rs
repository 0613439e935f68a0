//! Where a function is computed for its picture.
//!
//! An even grid comes first. Then each interval over which a curve jumps is halved until it doesn't: what jumps over the shortest
//! interval there is has a pole or a jump there, and the line has a gap. Where a curve begins or ends to have values it
//! is followed until the eye can't see the rest. Where it grows without bound the extreme values say nothing about
//! what is worth seeing, and quartiles do.

use super::axis::LARGEST;

/// Curves over one argument.
#[derive(Clone, Debug, PartialEq)]
pub struct Sampled {
    /// The points of each curve; one that isn't finite is a gap.
    pub curves: Vec<Vec<(f64, f64)>>,
    /// What of them is worth seeing.
    pub y_range: (f64, f64),
}

/// So many intervals the first grid has.
const GRID: usize = 400;
/// So often an interval is halved over which a curve jumps.
const HALVINGS: i32 = 40;
/// So often one at whose end a curve has no value: closer to a pole that formulas have in common with their zeros, rounding errors
/// would be drawn.
const HALVINGS_AT_ENDS: i32 = 9;
/// More points are not computed, between two of the grid and altogether: something oscillates without end.
const MOST_BETWEEN: usize = 160;
const MOST: usize = 40_000;
/// The part of the visible range by which a curve may change over an interval.
const STEP: f64 = 1.0 / 256.0;

/// Samples curves between two places. `compute` gives a column of values for each curve.
///
/// # Errors
/// Those of `compute`.
pub fn sample<E>(
    from: f64,
    to: f64,
    mut compute: impl FnMut(&[f64]) -> Result<Vec<Vec<f64>>, E>,
) -> Result<Sampled, E> {
    let mut table = Table { rows: Vec::new() };
    let place = |i: usize| if i == GRID { to } else { from + (to - from) * (i as f64 / GRID as f64) };
    table.add(&(0..=GRID).map(place).collect::<Vec<_>>(), &mut compute)?;
    let n_curves = table.rows.first().map_or(0, |row| row.values.len());
    let mut y_range: Option<(f64, f64)> = None;
    let mut poles = vec![false; n_curves];
    for (curve, pole) in poles.iter_mut().enumerate() {
        if let Some((low, high, has_pole)) = extent(&mut table, curve, (to - from) / GRID as f64, &mut compute)? {
            *pole = has_pole;
            y_range = Some(y_range.map_or((low, high), |(least, most)| (least.min(low), most.max(high))));
        }
    }
    let (low, high) = y_range.unwrap_or((0.0, 0.0));
    let grid = (to - from) / GRID as f64;
    let [shortest, shortest_at_ends] = [HALVINGS, HALVINGS_AT_ENDS].map(|halvings| grid * 0.5f64.powi(halvings));
    for _ in 0..HALVINGS {
        let is_coarse = |a: &Row, b: &Row| {
            a.values.iter().zip(&b.values).any(|(&y, &next)| match (y.is_finite(), next.is_finite()) {
                (true, true) => is_jump(y, next, low, high),
                (true, false) | (false, true) => b.x - a.x > shortest_at_ends,
                (false, false) => false,
            })
        };
        let cell = |row: &Row| (((row.x - from) / grid) as usize).min(GRID);
        let mut crowd = [0; GRID + 1];
        table.rows.iter().for_each(|row| crowd[cell(row)] += 1);
        let has_room = |row: &Row| crowd[cell(row)] < MOST_BETWEEN;
        let pairs = table.rows.windows(2).filter(|pair| has_room(&pair[0]) && is_coarse(&pair[0], &pair[1]));
        let middles: Vec<f64> = pairs.filter_map(|pair| between(pair[0].x, pair[1].x)).collect();
        if middles.is_empty() || table.rows.len() + middles.len() > MOST {
            break;
        }
        table.add(&middles, &mut compute)?;
    }
    let column = |curve: usize| {
        let mut points = Vec::with_capacity(table.rows.len());
        for (place, row) in table.rows.iter().enumerate() {
            points.push((row.x, row.values[curve]));
            let Some(next) = table.rows.get(place + 1) else { continue };
            let (y, next_y) = (row.values[curve], next.values[curve]);
            let is_short = next.x - row.x <= 2.0 * shortest || between(row.x, next.x).is_none();
            // Where there was no room to look closer, a line from below all that is seen to above it is rather a pole, and so is a jump
            // that the curve comes to and leaves as it does at poles.
            let is_through = y.min(next_y) < low && y.max(next_y) > high;
            let is_pole = || poles[curve] && is_around_pole(&table.rows, place, curve);
            if is_through || (is_jump(y, next_y, low, high) && (is_short || is_pole())) {
                points.push((row.x, f64::NAN));
            }
        }
        points
    };
    Ok(Sampled { curves: (0..n_curves).map(column).collect(), y_range: (low, high) })
}

/// Rows in order of their place.
struct Table {
    rows: Vec<Row>,
}

struct Row {
    x: f64,
    /// One a curve; what is not finite, or too large to be drawn, is NaN.
    values: Vec<f64>,
}

impl Table {
    fn add<E>(&mut self, xs: &[f64], compute: &mut impl FnMut(&[f64]) -> Result<Vec<Vec<f64>>, E>) -> Result<(), E> {
        let columns = compute(xs)?;
        let drawable = |value: f64| if value.abs() <= LARGEST { value } else { f64::NAN };
        self.rows.extend(
            xs.iter()
                .enumerate()
                .map(|(row, &x)| Row { x, values: columns.iter().map(|column| drawable(column[row])).collect() }),
        );
        self.rows.sort_by(|a, b| a.x.total_cmp(&b.x));
        self.rows.dedup_by(|a, b| a.x == b.x);
        Ok(())
    }

    fn finite(&self, curve: usize) -> impl Iterator<Item = (f64, f64)> {
        self.rows.iter().map(move |row| (row.x, row.values[curve])).filter(|(_, value)| value.is_finite())
    }
}

/// Whether a line between two neighbours would be coarse, or a lie.
fn is_jump(y: f64, next: f64, low: f64, high: f64) -> bool {
    (y.clamp(low, high) - next.clamp(low, high)).abs() > STEP * (high - low)
}

/// Whether a curve grows towards an interval from both sides, with the sign of its jump or against it.
fn is_around_pole(rows: &[Row], place: usize, curve: usize) -> bool {
    let value = |place: usize| rows.get(place).map_or(f64::NAN, |row| row.values[curve]);
    let (y, next) = (value(place), value(place + 1));
    let (before, jump, after) = (y - place.checked_sub(1).map_or(y, value), next - y, value(place + 2) - next);
    let is_odd = before * jump < 0.0 && jump * after < 0.0;
    is_odd || before * after < 0.0 && (before > 0.0) == (y + next > 0.0)
}

/// The middle, unless two places are neighbours among the doubles.
fn between(a: f64, b: f64) -> Option<f64> {
    let middle = a + (b - a) / 2.0;
    (a < middle && middle < b).then_some(middle)
}

/// What of a curve is worth seeing, all of it, unless it has a pole; and whether it has.
fn extent<E>(
    table: &mut Table,
    curve: usize,
    step: f64,
    compute: &mut impl FnMut(&[f64]) -> Result<Vec<Vec<f64>>, E>,
) -> Result<Option<(f64, f64, bool)>, E> {
    let mut sorted: Vec<f64> = table.finite(curve).map(|(_, value)| value).collect();
    if sorted.is_empty() {
        return Ok(None);
    }
    sorted.sort_by(f64::total_cmp);
    let quartile = |part: usize| sorted[(sorted.len() - 1) * part / 4];
    let reach = 3.0 * (quartile(3) - quartile(1));
    let [least, greatest] = [extreme(table, curve, -1.0, step, compute)?, extreme(table, curve, 1.0, step, compute)?];
    let low = least.map_or((quartile(1) - reach).max(sorted[0]), |least| -least);
    let high = greatest.unwrap_or((quartile(3) + reach).min(sorted[sorted.len() - 1]));
    Ok(Some((low, high, least.is_none() || greatest.is_none())))
}

/// The greatest value times `sign`; `None` where there is a pole. The neighbourhood of the greatest is looked at
/// through lenses that are each sixteen times as strong as the one before. A peak is flat under the last of them; a pole, also that of
/// a logarithm, never is.
fn extreme<E>(
    table: &mut Table,
    curve: usize,
    sign: f64,
    mut step: f64,
    compute: &mut impl FnMut(&[f64]) -> Result<Vec<Vec<f64>>, E>,
) -> Result<Option<f64>, E> {
    const LENS: i32 = 16;
    let (first, last) = (table.rows[0].x, table.rows[table.rows.len() - 1].x);
    let signed = table.finite(curve).map(|(x, value)| (x, sign * value));
    let Some((mut x, mut value)) = signed.reduce(greater) else { return Ok(None) };
    let least = table.finite(curve).map(|(_, value)| sign * value).fold(value, f64::min);
    let (seen_first, mut is_flat) = (value, true);
    for _ in 0..6 {
        let around = (-LENS..=LENS).map(|i| x + step * (f64::from(i) / f64::from(LENS)));
        let mut lens = Table { rows: Vec::new() };
        lens.add(&around.filter(|x| (first..=last).contains(x)).collect::<Vec<_>>(), compute)?;
        let seen: Vec<(f64, f64)> = lens.rows.iter().map(|row| (row.x, sign * row.values[curve])).collect();
        let best = seen.iter().copied().filter(|(_, value)| value.is_finite()).reduce(greater);
        (x, value) = best.into_iter().fold((x, value), greater);
        let place = seen.iter().position(|&(place, _)| place == x).unwrap_or(0);
        let beside = [place.checked_sub(1), Some(place + 1)].into_iter().flatten().filter_map(|place| seen.get(place));
        let mut beside = beside.map(|&(_, beside)| beside).filter(|beside| beside.is_finite()).peekable();
        let flat = |beside: f64| value - beside <= (value - least) / 1000.0;
        is_flat = beside.peek().is_none() || beside.any(flat);
        step /= f64::from(LENS);
    }
    // A narrow peak is drawn to its top. For others the grid is fine enough, and it keeps away from rounding errors.
    if is_flat && value - seen_first > STEP * (value - least) {
        table.add(&[x], compute)?;
    }
    Ok(is_flat.then_some(value))
}

fn greater(best: (f64, f64), next: (f64, f64)) -> (f64, f64) {
    if next.1 > best.1 { next } else { best }
}
