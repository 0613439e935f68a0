//! A network learns to read digits of 8×8 pixels: images are drawn by chance, batches are cut from whole arrays, and what counts are
//! images that it has not seen.
//!
//! `cargo run --release --example digits [DIRECTORY]` also writes the images as NPY files into a directory. `examples/digits_train.npz` and
//! `examples/digits_test.npz` have these for `chainrule fit`.
//!
//! The images are made as those of the well-known handwritten set are: lines on 32×32 pixels, of which each of 8×8 cells counts how many of its 16
//! are black. Each digit has a few shapes, and every image its own slant, turn, size, place, thickness and unsteady hand.

mod chance;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

use chainrule::fit::{Error, Fit, Method, Schedule, Settings};
use chainrule::{Array, Program, math};

use chance::Chance;

const TRAINING: usize = 1_500;
const TEST: usize = 1_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (training, test) = (Images::new(1, TRAINING), Images::new(2, TEST));
    for row in 0..10 {
        println!("{}", training.picture(row));
    }
    if let Some(directory) = std::env::args().nth(1) {
        training.write(Path::new(&directory), "train")?;
        test.write(Path::new(&directory), "test")?;
    }
    let begin = Instant::now();
    let params = train(&training)?;
    println!("{:.1} s", begin.elapsed().as_secs_f64());
    println!("training: {:.2} % right", 100.0 * training.right(&params)?);
    println!("test: {:.2} % right", 100.0 * test.right(&params)?);
    Ok(())
}

/// What the network has learnt.
fn train(images: &Images) -> Result<Vec<(String, Array)>, Error> {
    let program = Program::parse(include_str!("lectures/digits.chain"))?;
    let settings = Settings {
        method: Method::Adam,
        rate: Some(0.005),
        schedule: Schedule::Cosine,
        batch: Some(32),
        iterations: Some(40),
        seed: Some(1),
        ..Settings::default()
    };
    let fit = Fit::new(&program).data("x", &images.x).data("label", &images.label).size("H", 32).size("K", 10);
    let fitted = fit.settings(settings).run()?;
    println!("loss {:.4} after {} epochs, {}", fitted.loss, fitted.iterations, fitted.reason);
    Ok(fitted.shapes.iter().filter_map(|(name, _)| Some((name.clone(), fitted.array(name)?))).collect())
}

/// Digits, a row of 64 numbers from 0 to 1 each.
struct Images {
    x: Array,
    label: Vec<f64>,
}

impl Images {
    /// As many of each digit, drawn by chance.
    fn new(seed: u64, rows: usize) -> Images {
        let mut chance = Chance(seed);
        let label: Vec<f64> = (0..rows).map(|row| (row % 10) as f64).collect();
        let x = (0..rows).flat_map(|row| draw(row % 10, &mut chance)).collect();
        Images { x: Array::new(&[rows, 64], x), label }
    }

    /// The share of images that a network reads rightly.
    fn right(&self, params: &[(String, Array)]) -> Result<f64, chainrule::Error> {
        let program = Program::parse(include_str!("lectures/digits_right.chain"))?;
        let params = params.iter().map(|(name, array)| (name.as_str(), array));
        let answer = program.value().by_name().with_all(params).with("x", &self.x).with("label", &self.label).run()?;
        Ok(answer["value"].data[0])
    }

    /// An image in letters.
    fn picture(&self, row: usize) -> String {
        let shade = |value: &f64| [' ', '.', ':', '+', '#', '@'][(value * 5.0).round() as usize];
        let lines = self.x.data[row * 64..][..64].chunks_exact(8);
        lines.map(|line| line.iter().map(shade).flat_map(|letter| [letter; 2]).collect::<String>() + "\n").collect()
    }

    /// Writes `PART_x.npy` and `PART_label.npy`.
    fn write(&self, directory: &Path, part: &str) -> std::io::Result<()> {
        let file = |name: &str, shape: &str, numbers: &[f64]| {
            let head = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': ({shape}), }}");
            // The header with its length and its end is a multiple of 64 bytes.
            let width = (10 + head.len() + 1).next_multiple_of(64) - 11;
            let mut file = fs::File::create(directory.join(format!("{part}_{name}.npy")))?;
            file.write_all(b"\x93NUMPY\x01\x00")?;
            file.write_all(&(width as u16 + 1).to_le_bytes())?;
            writeln!(file, "{head:width$}")?;
            file.write_all(&numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<u8>>())
        };
        file("x", &format!("{}, 64", self.label.len()), &self.x.data)?;
        file("label", &format!("{},", self.label.len()), &self.label)
    }
}

type Point = (f64, f64);

/// A line of a digit in a box of width 1 and height 1, `y` downwards.
enum Stroke {
    Line(&'static [Point]),
    /// Of an ellipse: centre, radii, and the angles where it begins and ends, in turns clockwise from the right.
    Arc(Point, Point, f64, f64),
}

use Stroke::{Arc, Line};

/// The ways in which a digit is written.
fn shapes(digit: usize) -> Vec<Vec<Stroke>> {
    match digit {
        0 => vec![vec![Arc((0.5, 0.5), (0.32, 0.48), 0.0, 1.0)], vec![Arc((0.5, 0.5), (0.4, 0.45), 0.0, 1.0)]],
        1 => vec![
            vec![Line(&[(0.5, 0.0), (0.5, 1.0)])],
            vec![Line(&[(0.3, 0.22), (0.55, 0.0), (0.55, 1.0)])],
            vec![Line(&[(0.3, 0.22), (0.5, 0.0), (0.5, 1.0)]), Line(&[(0.28, 1.0), (0.72, 1.0)])],
        ],
        2 => vec![
            vec![Arc((0.5, 0.28), (0.33, 0.28), 0.5, 1.05), Line(&[(0.8, 0.38), (0.15, 1.0), (0.85, 1.0)])],
            vec![Arc((0.48, 0.25), (0.3, 0.25), 0.55, 1.15), Line(&[(0.65, 0.45), (0.2, 1.0), (0.85, 0.97)])],
        ],
        3 => vec![
            vec![Arc((0.45, 0.25), (0.32, 0.25), 0.6, 1.25), Arc((0.45, 0.74), (0.36, 0.26), 0.75, 1.4)],
            vec![Line(&[(0.18, 0.0), (0.8, 0.0), (0.45, 0.4)]), Arc((0.45, 0.7), (0.35, 0.3), 0.75, 1.4)],
        ],
        4 => vec![
            vec![Line(&[(0.7, 1.0), (0.7, 0.0), (0.12, 0.68), (0.92, 0.68)])],
            vec![Line(&[(0.2, 0.0), (0.15, 0.52), (0.85, 0.52)]), Line(&[(0.72, 0.1), (0.68, 1.0)])],
        ],
        5 => vec![
            vec![Line(&[(0.8, 0.0), (0.25, 0.0), (0.2, 0.45)]), Arc((0.45, 0.69), (0.36, 0.31), 0.66, 1.4)],
            vec![Line(&[(0.8, 0.0), (0.3, 0.05), (0.27, 0.42), (0.5, 0.4)]), Arc((0.48, 0.7), (0.33, 0.3), 0.75, 1.38)],
        ],
        6 => vec![
            vec![Arc((0.8, 0.68), (0.63, 0.68), 0.5, 0.75), Arc((0.5, 0.7), (0.33, 0.29), 0.0, 1.0)],
            vec![Line(&[(0.6, 0.0), (0.22, 0.6)]), Arc((0.5, 0.7), (0.32, 0.3), 0.0, 1.0)],
        ],
        7 => vec![
            vec![Line(&[(0.12, 0.0), (0.85, 0.0), (0.4, 1.0)])],
            vec![Line(&[(0.12, 0.03), (0.85, 0.0), (0.4, 1.0)]), Line(&[(0.3, 0.5), (0.8, 0.5)])],
        ],
        8 => vec![
            vec![Arc((0.5, 0.25), (0.28, 0.25), 0.0, 1.0), Arc((0.5, 0.74), (0.34, 0.26), 0.0, 1.0)],
            vec![Arc((0.5, 0.23), (0.32, 0.22), 0.0, 1.0), Arc((0.5, 0.72), (0.32, 0.27), 0.0, 1.0)],
        ],
        _ => vec![
            vec![Arc((0.48, 0.29), (0.32, 0.28), 0.0, 1.0), Line(&[(0.8, 0.3), (0.74, 1.0)])],
            vec![Arc((0.48, 0.28), (0.32, 0.28), 0.0, 1.0), Arc((0.2, 0.33), (0.6, 0.66), 0.0, 0.25)],
        ],
    }
}

/// The points of a stroke, close enough to be joined by lines.
fn points(stroke: &Stroke) -> Vec<Point> {
    match stroke {
        Line(points) => points.to_vec(),
        Arc((x, y), (width, height), from, to) => {
            let angle = |step: i32| std::f64::consts::TAU * (from + (to - from) * f64::from(step) / 16.0);
            (0..=16).map(angle).map(|angle| (x + width * math::cos(angle), y + height * math::sin(angle))).collect()
        }
    }
}

/// A digit as 8×8 numbers: how dark each cell is.
fn draw(digit: usize, chance: &mut Chance) -> Vec<f64> {
    let mut shapes = shapes(digit);
    let shape = shapes.swap_remove((chance.next() * shapes.len() as f64) as usize);
    let (turn, slant) = (0.12 * chance.normal(), 0.15 * chance.normal());
    let (width, height) = (0.55 + 0.2 * chance.next(), 0.75 + 0.2 * chance.next());
    let (right, down) = (0.03 * chance.normal(), 0.03 * chance.normal());
    let thickness = 0.045 + 0.035 * chance.next();
    let mut place = |(x, y): Point| {
        let (x, y) = (x - 0.5 + 0.025 * chance.normal(), y - 0.5 + 0.025 * chance.normal());
        let (x, y) = (width * (x - slant * y), height * y);
        (
            0.5 + right + x * math::cos(turn) - y * math::sin(turn),
            0.5 + down + x * math::sin(turn) + y * math::cos(turn),
        )
    };
    let lines: Vec<Vec<Point>> =
        shape.iter().map(|stroke| points(stroke).into_iter().map(&mut place).collect()).collect();
    let mut cells = vec![0.0; 64];
    for pixel in 0..32 * 32 {
        let (row, column) = (pixel / 32, pixel % 32);
        let at = ((column as f64 + 0.5) / 32.0, (row as f64 + 0.5) / 32.0);
        let is_black = lines.iter().any(|line| line.windows(2).any(|ends| distance(at, ends[0], ends[1]) < thickness));
        cells[row / 4 * 8 + column / 4] += f64::from(u8::from(is_black)) / 16.0;
    }
    cells
}

/// How far a point is from a line between two points.
fn distance(at: Point, from: Point, to: Point) -> f64 {
    let (along, off) = ((to.0 - from.0, to.1 - from.1), (at.0 - from.0, at.1 - from.1));
    let length = along.0 * along.0 + along.1 * along.1;
    let share = ((off.0 * along.0 + off.1 * along.1) / length.max(1e-12)).clamp(0.0, 1.0);
    math::hypot(off.0 - share * along.0, off.1 - share * along.1)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Images, train};

    #[test]
    fn unseen_digits_are_read() {
        let params = train(&Images::new(1, 1_500)).expect("it trains");
        let right = Images::new(2, 1_000).right(&params).expect("it runs");
        assert!(right >= 0.97, "{right}");
    }

    /// Those in the files were made with the sines of one machine, whose last bit may turn a pixel elsewhere.
    #[cfg(feature = "data")]
    #[test]
    fn the_files_have_these_images() {
        for (file, seed, rows) in [("digits_train.npz", 1, 1_500), ("digits_test.npz", 2, 1_000)] {
            let images = Images::new(seed, rows);
            let read = |name| {
                chainrule::data::array::read(&Path::new("examples").join(file), name)
                    .expect("it is an array of the file")
            };
            let (x, label) = (read("x"), read("label"));
            assert_eq!((x.shape, label.data), (images.x.shape, images.label));
            let others = x.data.iter().zip(&images.x.data).filter(|(kept, made)| kept != made).count();
            assert!(others * 1_000 < x.data.len(), "{others} cells of {file} differ");
        }
    }
}
