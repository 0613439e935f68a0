//! Pictures of functions, of data and of losses, as SVG.
//!
//! ```
//! use chainrule::plot::{Picture, Series};
//!
//! let square = (0..=40).map(|i| f64::from(i) / 10.0).map(|x| (x, x * x)).collect();
//! let svg = Picture { title: "x^2".to_owned(), ..Picture::new("x", vec![Series::line("f(x)", square)]) }.svg();
//! # assert!(svg.starts_with("<svg ") && svg.contains("f(x)"));
//! ```
//!
//! A picture is data: series of points in a frame. Where a point is not finite its line has a gap, and what leaves the frame
//! is cut at its edge. The same picture is the same text on every machine.
//!
//! - [`sample`] chooses where a function is computed, finds its poles, jumps and ends, and what of it is worth seeing.
//! - [`loss_curve`] and [`fitted`] are the pictures of a fit.
//! - [`computation`] draws the graph of a function with its values and adjoints; `layout` places the nodes.
//! - `draw` is the way to the crate `plotters`, with our own `axis`.

mod axis;
mod draw;
mod graph;
mod layout;
mod sample;

pub use graph::{MOST_NODES, TooLarge, computation, survey};
pub use sample::{Sampled, sample};

/// Whether an axis can have these ends.
pub fn is_range(from: f64, to: f64) -> bool {
    axis::is_apart((from, to)) && from >= -axis::LARGEST && to <= axis::LARGEST
}

/// Series of points in a frame.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Picture {
    /// Above the frame; nothing if empty.
    pub title: String,
    pub x_label: String,
    pub y_label: String,
    pub series: Vec<Series>,
    /// The range of `y` that is shown; all of it if not given.
    pub y_range: Option<(f64, f64)>,
    /// Powers of ten are equally far apart. Only positive numbers are shown then.
    pub log_y: bool,
}

/// Points that belong together.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// In the legend; a series without a name is not in it.
    pub name: String,
    pub shape: Shape,
    pub points: Vec<(f64, f64)>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shape {
    /// A line through the points in their order, with a gap where one is not finite.
    Line,
    /// A line of dashes.
    Dashes,
    /// A dot at each point.
    Dots,
}

impl Picture {
    /// A picture without titles.
    pub fn new(x_label: &str, series: Vec<Series>) -> Picture {
        Picture { x_label: x_label.to_owned(), series, ..Picture::default() }
    }

    /// The picture as a text.
    pub fn svg(&self) -> String {
        draw::svg(self)
    }
}

impl Series {
    pub fn line(name: &str, points: Vec<(f64, f64)>) -> Series {
        Series { name: name.to_owned(), shape: Shape::Line, points }
    }

    pub fn dots(name: &str, points: Vec<(f64, f64)>) -> Series {
        Series { name: name.to_owned(), shape: Shape::Dots, points }
    }
}

/// How a loss falls: iterations and losses of the training and, perhaps, of a validation. The scale is logarithmic where
/// positive losses span more than two decades.
pub fn loss_curve(training: &[(f64, f64)], validation: Option<&[(f64, f64)]>) -> Picture {
    let mut series = vec![Series::line("training", training.to_vec())];
    series.extend(
        validation.map(|points| Series { shape: Shape::Dashes, ..Series::line("validation", points.to_vec()) }),
    );
    let losses =
        || series.iter().flat_map(|series| &series.points).map(|&(_, loss)| loss).filter(|loss| loss.is_finite());
    let (least, greatest) = (losses().fold(f64::INFINITY, f64::min), losses().fold(0.0, f64::max));
    let log_y = least > 0.0 && greatest / least > 100.0;
    Picture { y_label: "loss".to_owned(), log_y, ..Picture::new("iteration", series) }
}

/// Data and the curve that was fitted to them.
pub fn fitted(x_label: &str, y_label: &str, data: Vec<(f64, f64)>, curve: Sampled) -> Picture {
    let seen = data.iter().map(|&(_, y)| y).filter(|y| y.is_finite());
    let (low, high) = seen.fold(curve.y_range, |(low, high), y| (low.min(y), high.max(y)));
    let lines = curve.curves.into_iter().map(|points| Series::line("fit", points));
    let series = [Series::dots("data", data)].into_iter().chain(lines).collect();
    Picture { y_label: y_label.to_owned(), y_range: Some((low, high)), ..Picture::new(x_label, series) }
}
