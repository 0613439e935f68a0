//! A picture by way of `plotters`, which knows axes and their marks.
//!
//! Its backends count in whole pixels. A curve on whole pixels has steps, so the picture is drawn on pixels that are a tenth as
//! large and says in its first line how large it is to be shown.

use std::ops::Range;

use plotters::coord::Shift;
use plotters::coord::ranged1d::{AsRangedCoord, Ranged, ValueFormatter};
use plotters::element::{Circle, DashedPathElement, PathElement, Text};
use plotters::prelude::{ChartBuilder, DrawingArea, IntoDrawingArea, IntoLogRange, IntoTextStyle, SVGBackend};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, RGBColor, ShapeStyle};

use super::{Picture, Series, Shape};

const FINE: u32 = 10;
const WIDTH: u32 = 800;
const HEIGHT: u32 = 500;

/// The palette of Okabe and Ito, which also people with colour-blindness tell apart.
const PALETTE: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(0, 0, 0),
];
const GREY: RGBColor = RGBColor(90, 90, 90);
const PALE: RGBColor = RGBColor(226, 226, 226);
const INK: RGBColor = RGBColor(30, 30, 30);
const PAPER: RGBColor = RGBColor(255, 255, 255);
const FONT: &str = "sans-serif";

/// Writing to a text never fails.
type Drawn<'a> = Result<
    (),
    plotters::drawing::DrawingAreaErrorKind<<SVGBackend<'a> as plotters::prelude::DrawingBackend>::ErrorType>,
>;

pub fn svg(picture: &Picture) -> String {
    let mut text = String::new();
    let drawn = draw(picture, &SVGBackend::with_string(&mut text, (WIDTH * FINE, HEIGHT * FINE)).into_drawing_area());
    debug_assert!(drawn.is_ok());
    let size = |fine: u32| format!("width=\"{}\" height=\"{}\"", WIDTH * fine, HEIGHT * fine);
    text.replacen(&size(FINE), &size(1), 1)
}

fn draw<'a>(picture: &Picture, root: &DrawingArea<SVGBackend<'a>, Shift>) -> Drawn<'a> {
    root.fill(&PAPER)?;
    let frame = Frame::of(picture);
    if picture.log_y {
        framed(picture, root, &frame, frame.y.clone().log_scale())
    } else {
        framed(picture, root, &frame, frame.y.clone())
    }
}

fn framed<'a, Y>(picture: &Picture, root: &DrawingArea<SVGBackend<'a>, Shift>, frame: &Frame, y: Y) -> Drawn<'a>
where
    Y: AsRangedCoord<Value = f64>,
    Y::CoordDescType: ValueFormatter<f64> + Ranged<ValueType = f64>,
{
    let named = || picture.series.iter().zip(styles()).filter(|(series, _)| !series.name.is_empty());
    let widest = named().map(|(series, _)| cut(&series.name, LONGEST_NAME).chars().count()).max();
    let legend = widest.map_or(0, |letters| 45 + letters as u32 * 8);
    let top = if picture.title.is_empty() { 20 } else { 45 };
    // Where no font is looked at, sizes are taken for 1.24 times what they are.
    let font = |size: u32| (FONT, f64::from(size * FINE) * 1.24).into_text_style(root).color(&INK);
    let mut chart = ChartBuilder::on(root)
        .margin_top(top * FINE)
        .margin_right((20 + legend) * FINE)
        .margin_bottom(5 * FINE)
        .margin_left(5 * FINE)
        .x_label_area_size(45 * FINE)
        .y_label_area_size(if picture.y_label.is_empty() { 60 } else { 80 } * FINE)
        .build_cartesian_2d(frame.x.clone(), y)?;
    chart
        .configure_mesh()
        .max_light_lines(0)
        .bold_line_style(stroke(PALE, 1))
        .axis_style(stroke(GREY, 1))
        .set_all_tick_mark_size(5 * FINE)
        .x_labels(10)
        .y_labels(10)
        .x_label_formatter(&|x| tick(*x, &frame.x))
        .y_label_formatter(&|y| tick(*y, &frame.y))
        .label_style(font(13))
        .axis_desc_style(font(14))
        .x_desc(&picture.x_label)
        .y_desc(&picture.y_label)
        .draw()?;
    let axes = [
        (frame.x.contains(&0.0), vec![(0.0, frame.y.start), (0.0, frame.y.end)]),
        (frame.y.contains(&0.0), vec![(frame.x.start, 0.0), (frame.x.end, 0.0)]),
    ];
    let axes = axes.into_iter().filter(|(inside, _)| *inside);
    chart.draw_series(axes.map(|(_, ends)| PathElement::new(ends, stroke(GREY, 1))))?;
    for (series, color) in picture.series.iter().zip(styles()) {
        match series.shape {
            Shape::Line => {
                let lines = frame.lines(series).into_iter();
                chart.draw_series(lines.map(|points| PathElement::new(points, stroke(color, 2))))?;
            }
            Shape::Dashes => {
                let lines = frame.lines(series).into_iter();
                chart.draw_series(
                    lines.map(|points| DashedPathElement::new(points, 6 * FINE, 4 * FINE, stroke(color, 2))),
                )?;
            }
            Shape::Dots => {
                let dots = series.points.iter().filter(|(x, y)| frame.x.contains(x) && frame.y.contains(y));
                chart.draw_series(dots.map(|&point| Circle::new(point, 3 * FINE, color.mix(0.7).filled())))?;
            }
        }
    }

    let left = Pos::new(HPos::Left, VPos::Center);
    root.draw(&Text::new(cut(&picture.title, LONGEST_TITLE), at(20, 24), font(16).pos(left)))?;
    for (row, (series, color)) in named().enumerate() {
        let (x, y) = (WIDTH - 5 - legend, top + 10 + 22 * row as u32);
        let ends = vec![at(x, y), at(x + 24, y)];
        match series.shape {
            Shape::Line => root.draw(&PathElement::new(ends, stroke(color, 2)))?,
            Shape::Dashes => {
                let middle =
                    |from: u32, to: u32| PathElement::new(vec![at(x + from, y), at(x + to, y)], stroke(color, 2));
                root.draw(&middle(0, 10))?;
                root.draw(&middle(14, 24))?;
            }
            Shape::Dots => root.draw(&Circle::new(at(x + 12, y), 3 * FINE, color.filled()))?,
        }
        root.draw(&Text::new(cut(&series.name, LONGEST_NAME), at(x + 32, y), font(13).pos(left)))?;
    }
    root.present()
}

/// What letters of a name and of a title have room.
const LONGEST_NAME: usize = 24;
const LONGEST_TITLE: usize = 88;

fn cut(text: &str, longest: usize) -> String {
    match text.char_indices().nth(longest) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn styles() -> impl Iterator<Item = RGBColor> {
    PALETTE.into_iter().cycle()
}

fn stroke(color: RGBColor, width: u32) -> ShapeStyle {
    color.stroke_width(width * FINE)
}

fn at(x: u32, y: u32) -> (i32, i32) {
    ((x * FINE) as i32, (y * FINE) as i32)
}

/// A number beside an axis. One that is next to nothing beside the length of the axis is 0 but for rounding.
fn tick(value: f64, axis: &Range<f64>) -> String {
    let plain = |text: &str| match text.split_once('.') {
        Some(_) => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        None => text.to_owned(),
    };
    let size = value.abs();
    if size < 1e-9 * (axis.end - axis.start) && axis.contains(&0.0) {
        return "0".to_owned();
    }
    if (1e-4..1e6).contains(&size) {
        return plain(&format!("{value:.9}"));
    }
    let text = format!("{value:.6e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    format!("{}e{exponent}", plain(digits))
}

/// What is seen.
struct Frame {
    x: Range<f64>,
    y: Range<f64>,
    log: bool,
}

impl Frame {
    fn of(picture: &Picture) -> Frame {
        let log = picture.log_y;
        let points = || picture.series.iter().flat_map(|series| &series.points);
        let x = spread(points().map(|&(x, _)| x).filter(|x| x.is_finite())).unwrap_or((0.0, 1.0));
        let is_shown = |y: &f64| y.is_finite() && (!log || *y > 0.0);
        let y = picture.y_range.or_else(|| spread(points().map(|&(_, y)| y).filter(is_shown))).unwrap_or((0.0, 1.0));
        let y = if log { (y.0.max(f64::MIN_POSITIVE).log10(), y.1.max(f64::MIN_POSITIVE).log10()) } else { y };
        let (low, high) = apart(y);
        let margin = (high - low) / 25.0;
        let (low, high) = (low - margin, high + margin);
        let (left, right) = apart(x);
        // Half a dot beyond the frame would look like something else.
        let has_dots = picture.series.iter().any(|series| series.shape == Shape::Dots);
        let margin = if has_dots { (right - left) / 50.0 } else { 0.0 };
        let (left, right) = (left - margin, right + margin);
        let y = if log { 10f64.powf(low)..10f64.powf(high) } else { low..high };
        // What is at the right or upper end is inside.
        Frame { x: left..right.next_up(), y: y.start..y.end.next_up(), log }
    }

    /// The parts of a line that are inside, cut where it leaves.
    fn lines(&self, series: &Series) -> Vec<Vec<(f64, f64)>> {
        let height = |y: f64| if self.log { y.log10() } else { y };
        let (low, high) = (height(self.y.start), height(self.y.end));
        let mut lines: Vec<Vec<(f64, f64)>> = Vec::new();
        for pair in series.points.windows(2) {
            let [(x, y), (to_x, to_y)] = [pair[0], pair[1]].map(|(x, y)| (x, height(y)));
            let visible =
                [x, y, to_x, to_y].iter().all(|number| number.is_finite()) && y.min(to_y) <= high && y.max(to_y) >= low;
            if !visible {
                lines.push(Vec::new());
                continue;
            }
            let cut = |end_x: f64, end_y: f64| {
                let inside = end_y.clamp(low, high);
                if inside == end_y { (end_x, end_y) } else { (x + (to_x - x) * ((inside - y) / (to_y - y)), inside) }
            };
            match lines.last_mut() {
                Some(line) if !line.is_empty() => line.push(cut(to_x, to_y)),
                _ => lines.push(vec![cut(x, y), cut(to_x, to_y)]),
            }
            if to_y != to_y.clamp(low, high) {
                lines.push(Vec::new());
            }
        }
        lines.retain(|line| line.len() > 1);
        for (_, y) in lines.iter_mut().flatten().filter(|_| self.log) {
            *y = 10f64.powf(*y);
        }
        lines
    }
}

fn spread(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.fold(None, |range, value| {
        Some(range.map_or((value, value), |(low, high): (f64, f64)| (low.min(value), high.max(value))))
    })
}

/// A range that has a length.
fn apart((low, high): (f64, f64)) -> (f64, f64) {
    if high - low > 1e-9 * low.abs().max(high.abs()) {
        return (low, high);
    }
    let around = if low == 0.0 { 1.0 } else { low.abs() / 10.0 };
    (low - around, high + around)
}
