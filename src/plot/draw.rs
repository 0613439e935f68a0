//! A picture by way of `plotters`, which draws frames, grids and lines.
//!
//! Its backends count in whole pixels. A curve on whole pixels has steps, so the picture is drawn on pixels that are a tenth as
//! large and says in its first line how large it is to be shown.

use plotters::coord::Shift;
use plotters::coord::ranged1d::{Ranged, ValueFormatter};
use plotters::element::{Circle, DashedPathElement, PathElement, Text};
use plotters::prelude::{ChartBuilder, DrawingArea, IntoDrawingArea, IntoTextStyle, SVGBackend};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, RGBColor, ShapeStyle};

use super::axis::{Axis, LARGEST};
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
        .y_label_area_size((label_width(&frame.y) + if picture.y_label.is_empty() { 15 } else { 35 }) * FINE)
        .build_cartesian_2d(frame.x.clone(), frame.y.clone())?;
    chart
        .configure_mesh()
        .light_line_style(PAPER.mix(0.0))
        .bold_line_style(stroke(PALE, 1))
        .axis_style(stroke(GREY, 1))
        .set_all_tick_mark_size(5 * FINE)
        .x_labels(fitting(&frame.x, WIDTH - 150 - legend))
        .y_labels(10)
        .label_style(font(13))
        .axis_desc_style(font(14))
        .x_desc(cut(&picture.x_label, LONGEST_X))
        .y_desc(cut(&picture.y_label, LONGEST_Y))
        .draw()?;
    let (x, y) = (frame.x.range(), frame.y.range());
    let axes = [
        (frame.x.contains(0.0), vec![(0.0, y.start), (0.0, y.end)]),
        (frame.y.contains(0.0), vec![(x.start, 0.0), (x.end, 0.0)]),
    ];
    let axes = axes.into_iter().filter(|(inside, _)| *inside);
    chart.draw_series(axes.map(|(_, ends)| PathElement::new(ends, stroke(GREY, 1))))?;
    for (series, color) in picture.series.iter().zip(styles()) {
        // A line needs two points.
        let alone = match series.points[..] {
            [point] if series.shape != Shape::Dots => Some(point),
            _ => None,
        };
        let alone = alone.filter(|&(x, y)| frame.x.contains(x) && frame.y.contains(y));
        chart.draw_series(alone.map(|point| Circle::new(point, 3 * FINE, color.filled())))?;
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
                let dots = series.points.iter().filter(|&&(x, y)| frame.x.contains(x) && frame.y.contains(y));
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

/// How wide the labels of an axis are: of its marks, with some air.
fn label_width(axis: &Axis) -> u32 {
    let letters = axis.marks(MARKS).iter().map(|mark| Axis::format(mark).chars().count()).max().unwrap_or(0);
    (letters as u32 * 8).max(45)
}

/// So many marks of an axis have room for their labels beside each other.
fn fitting(axis: &Axis, width: u32) -> usize {
    let is_crowded = |most: usize| axis.marks(most).len() as u32 * (label_width(axis) + 10) > width;
    (2..=MARKS).rev().find(|&most| !is_crowded(most)).unwrap_or(2)
}

/// About so many marks an axis has, if their labels have room.
const MARKS: usize = 10;

/// What letters of a name, of a title and of the axes' names have room.
const LONGEST_NAME: usize = 24;
const LONGEST_X: usize = 60;
const LONGEST_Y: usize = 44;
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

/// What is seen.
struct Frame {
    x: Axis,
    y: Axis,
}

impl Frame {
    fn of(picture: &Picture) -> Frame {
        let points = || picture.series.iter().flat_map(|series| &series.points);
        let is_shown = |y: &f64| y.abs() <= LARGEST && (!picture.log_y || *y > 0.0);
        let y_range = picture.y_range.or_else(|| spread(points().map(|&(_, y)| y).filter(is_shown)));
        let x_range = spread(points().map(|&(x, _)| x).filter(|x| x.abs() <= LARGEST));
        // Half a dot beyond the frame would look like something else.
        let has_dots = picture.series.iter().any(|series| series.shape == Shape::Dots);
        let x = Axis::of(x_range, false, if has_dots { 0.02 } else { 0.0 });
        Frame { x, y: Axis::of(y_range, picture.log_y, 0.04) }
    }

    /// The parts of a line that are inside, cut where it leaves.
    fn lines(&self, series: &Series) -> Vec<Vec<(f64, f64)>> {
        let (low, high) = self.y.ends();
        let mut lines: Vec<Vec<(f64, f64)>> = Vec::new();
        for pair in series.points.windows(2) {
            let [(x, y), (to_x, to_y)] = [pair[0], pair[1]].map(|(x, y)| (x, self.y.height(y)));
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
        // Close to a pole there are many points on one pixel.
        let pixel = |axis: &Axis, height: f64, size: u32| (axis.part(height) * f64::from(size * FINE)).round() as i64;
        for line in &mut lines {
            line.dedup_by_key(|(x, y)| (pixel(&self.x, *x, WIDTH), pixel(&self.y, *y, HEIGHT)));
        }
        lines.retain(|line| line.len() > 1);
        lines.iter_mut().flatten().for_each(|(_, y)| *y = self.y.value(*y));
        lines
    }
}

fn spread(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.fold(None, |range, value| {
        Some(range.map_or((value, value), |(low, high): (f64, f64)| (low.min(value), high.max(value))))
    })
}
