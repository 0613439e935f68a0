//! `chainrule plot`: a function and its derivatives over a range, or beside data, as a picture.

use std::io::Write;
use std::path::PathBuf;

use chainrule::data::whole::Whole;
use chainrule::data::{self, Wanted, flow};
use chainrule::plot::{self, Picture, Sampled, Series};
use chainrule::{Array, Column, Compiled, Error, Kind, Output, Program, Request, Role};
use clap::Args;

use super::answer::Answer;
use super::batch::names::elements;
use super::fault::Fault;
use super::inputs::Named;
use super::options::{Format, Point, Text};
use super::{examples, inputs, table, values};

/// Draws a function and its derivatives over a range as SVG
///
/// Every result is a curve; several results are several functions. A curve has gaps where the function has no value, and poles are
/// cut off where the rest can still be seen. With `--data` the points of a table are drawn too, and the range is theirs.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Plot {
    #[command(flatten)]
    text: Text,
    /// The range of the argument on the horizontal axis
    #[arg(long, value_name = "NAME=FROM..TO", required_unless_present = "data")]
    over: Option<String>,
    #[command(flatten)]
    point: Point,
    /// Other arguments from a JSON file, numbers and nested lists: {"c": 2, "W": [[1, 2], [3, 4]]}; `-` is the standard input
    #[arg(long, value_name = "PATH", allow_hyphen_values = true)]
    args: Option<PathBuf>,
    /// Sizes of arrays that don't follow from an argument: N=100; may be repeated
    #[arg(long, value_name = "NAME=SIZE,…")]
    size: Vec<String>,
    /// Which derivatives by the argument on the axis are drawn; 0 is the function itself
    #[arg(long, value_name = "ORDER,…", value_delimiter = ',', default_value = "0", conflicts_with = "wrt")]
    #[arg(value_parser = clap::value_parser!(u8).range(0..=20))]
    derivatives: Vec<u8>,
    /// Draws the first derivatives by these arguments beside the function
    #[arg(long, value_name = "NAME,…")]
    wrt: Option<String>,
    /// Draws the points of a table: .csv, .tsv, .npy, .npz; `-` is CSV on the standard input
    #[arg(long, value_name = "PATH", requires = "x", requires = "y", allow_hyphen_values = true)]
    data: Option<PathBuf>,
    /// The column on the horizontal axis, which is an argument of the formula
    #[arg(long, value_name = "COLUMN", requires = "data")]
    x: Option<String>,
    /// The column on the vertical axis
    #[arg(long, value_name = "COLUMN", requires = "data")]
    y: Option<String>,
    /// Where the picture goes; `-` is the standard output
    #[arg(long, value_name = "PATH", allow_hyphen_values = true)]
    out: PathBuf,
}

const EXAMPLES: &str = examples!(
    "plot 'sin(x)/x' --over x=-20..20 --derivatives 0,1,2 --out -",
    "plot 'x^2*z, 1/(x - z)' --over x=-3..3 --at z=2 --out -",
    "plot 'c + sum[i](w[i]*cos(x[i]*t))' --over t=-3..3 --args examples/line.json --out -",
    "plot 'x^2*z' --data examples/points.csv --x x --y z --at z=1 --out -",
);

/// More points of a table make a file that nothing shows.
const MOST_POINTS: usize = 20_000;

impl Plot {
    pub fn run(&self) -> Result<Answer, Fault> {
        let program = self.text.parse()?;
        let points = self.points()?;
        let (name, from, to) = self.range(&points)?;
        if program.arguments().iter().any(|argument| argument.name == name && argument.role == Role::Index) {
            let message = format!("`{name}` is an integer, and a curve is drawn over a number");
            return Err(Fault::usage(message, "give it a value with `--at`, and draw over another argument"));
        }
        let given = inputs::gather(&self.point.values()?, self.args.as_deref())?;
        // Names that are none, come twice or are missing are told before anything is compiled.
        let axis = Array::from(0.0);
        let all = || given.iter().map(|(name, array)| (name.as_str(), array.view()));
        // A formula that has all its values is a constant, and has a picture too.
        let is_constant =
            program.arguments().iter().all(|argument| argument.name != name) && program.binding(all()).is_ok();
        let drawn = (!is_constant).then(|| (name.as_str(), axis.view()));
        program.binding(all().chain(drawn))?;
        let (program, _) = inputs::bind(&program, &given, &inputs::sizes(&self.size)?)?;
        let (names, sampled) = self.curves(&program, &given, &name, from, to)?;
        if !sampled.curves.iter().flatten().any(|(_, y)| y.is_finite()) {
            let message = format!("there is nothing to draw: no value over {name} = {from}..{to} is finite");
            let help = format!("`chainrule eval … --at {name}={from} --explain` says why there is none");
            return Err(Fault::usage(message, help));
        }
        let picture = self.picture(&program, &name, points, names, sampled);
        let svg = picture.svg();
        let text = if data::is_stream(&self.out) {
            svg
        } else {
            put(Whole::create(&self.out)?, &svg)?;
            let shown = picture.series.iter().map(|series| series.name.as_str()).collect::<Vec<_>>().join(", ");
            format!("{}: {shown} over {name} = {from}..{to}\n", self.out.display())
        };
        Ok(Answer::about(&program, Format::Text, || text, || serde_json::Value::Null))
    }

    /// The points of the table, if there is one.
    fn points(&self) -> Result<Option<Vec<(f64, f64)>>, Fault> {
        let (Some(path), Some(x), Some(y)) = (&self.data, &self.x, &self.y) else { return Ok(None) };
        let columns = if x == y { vec![x.clone()] } else { vec![x.clone(), y.clone()] };
        let mut source = data::open(path, Wanted { columns: &columns, names: None }).map_err(|error| {
            let help = "`--x` and `--y` are names of columns";
            if matches!(error, data::Error::MissingColumn { .. }) {
                Fault::usage(error.to_string(), help)
            } else {
                error.into()
            }
        })?;
        let mut points = Vec::new();
        flow::blocks(source.as_mut(), 1, |block| {
            if let Some(fault) = block.faults.first() {
                let error = data::Error::Cell { path: path.clone(), fault: fault.clone() };
                return Err(Fault::usage(error.to_string(), "a picture needs a number in every row"));
            }
            let [xs, ys] = [0, columns.len() - 1].map(|column| &block.columns[column]);
            points.extend(xs.iter().copied().zip(ys.iter().copied()));
            if points.len() > MOST_POINTS {
                let message = format!("the table has more than {MOST_POINTS} rows, which no picture shows");
                return Err(Fault::usage(message, "draw a part of it"));
            }
            Ok(())
        })?;
        Ok(Some(points))
    }

    /// What is on the horizontal axis, and its ends.
    fn range(&self, points: &Option<Vec<(f64, f64)>>) -> Result<(String, f64, f64), Fault> {
        if let Some(over) = &self.over {
            return values::range("--over", over);
        }
        let xs = points.iter().flatten().map(|&(x, _)| x).filter(|x| x.is_finite());
        let (from, to) = xs.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(x), high.max(x)));
        let name = self.x.clone().unwrap_or_default();
        if from < to {
            return Ok((chainrule::syntax::canonical_name(&name).into_owned(), from, to));
        }
        let message = format!("the column `{name}` has no two different numbers, and so no range");
        Err(Fault::usage(message, format!("give the range: --over {name}=0..1")))
    }

    /// The names of the curves and their points.
    fn curves(
        &self,
        program: &Program,
        given: &Named,
        name: &str,
        from: f64,
        to: f64,
    ) -> Result<(Vec<String>, Sampled), Fault> {
        let at = inputs::columns(given);
        let domain = Domain { program, name, at: &at, from, to };
        let results = results(program);
        let most = self.derivatives.iter().copied().max().unwrap_or(0);
        if let Some(names) = &self.wrt {
            let request = program.jacobian().wrt(values::names(names));
            let partial = |result: &String, by: &&str| format!("∂{result}/∂{by}");
            let by = request.names()?;
            let slopes = results.iter().flat_map(|result| by.iter().map(move |by| partial(result, by)));
            let curves = results.iter().map(|result| format!("{result}({name})")).chain(slopes).collect();
            let sampled = domain.sample(request, |columns| columns)?;
            return Ok((curves, sampled));
        }
        let curves = self
            .derivatives
            .iter()
            .flat_map(|&order| results.iter().map(move |result| format!("{result}{}({name})", primes(order))));
        let curves: Vec<String> = curves.collect();
        let n_results = results.len();
        let chosen = |columns: Vec<Vec<f64>>| {
            let orders = self.derivatives.iter().map(|&order| usize::from(order));
            orders.flat_map(|order| columns[order * n_results..][..n_results].to_vec()).collect()
        };
        let sampled = match (most, n_results) {
            (0, _) => domain.sample(program.value(), chosen)?,
            (_, 1) => domain.sample(program.nth(usize::from(most)).wrt([name]), chosen)?,
            (1, _) => domain.sample(program.jacobian().wrt([name]), chosen)?,
            (order, _) => {
                let message =
                    format!("derivatives of order {order} are drawn of one result; this program has {n_results}");
                return Err(Fault::usage(message, "draw `--derivatives 0,1`, or one result at a time"));
            }
        };
        Ok((curves, sampled))
    }

    fn picture(
        &self,
        program: &Program,
        name: &str,
        points: Option<Vec<(f64, f64)>>,
        names: Vec<String>,
        sampled: Sampled,
    ) -> Picture {
        let fixed: Vec<String> = self
            .point
            .values()
            .unwrap_or_default()
            .into_iter()
            .map(|(name, value)| format!("{name} = {value}"))
            .collect();
        let fixed = if fixed.is_empty() { String::new() } else { format!("   ({})", fixed.join(", ")) };
        let title = table::title(program) + &fixed;
        let mut picture = match (points, &self.y) {
            (Some(points), Some(y)) => plot::fitted(name, y, points, sampled),
            _ => {
                let range = Some(sampled.y_range);
                let lines = sampled.curves.into_iter().map(|points| Series::line("", points)).collect();
                Picture { y_range: range, ..Picture::new(name, lines) }
            }
        };
        let n_points = picture.series.len() - names.len();
        for (series, name) in picture.series[n_points..].iter_mut().zip(names) {
            series.name = name;
        }
        picture.title = title;
        picture
    }
}

/// A range of one argument, the others being fixed.
struct Domain<'a> {
    program: &'a Program,
    name: &'a str,
    at: &'a [(&'a str, Column<'a>)],
    from: f64,
    to: f64,
}

impl Domain<'_> {
    /// Samples what `chosen` takes of the columns of a request: values, then derivatives.
    fn sample<K: Kind>(
        &self,
        request: Request<K>,
        chosen: impl Fn(Vec<Vec<f64>>) -> Vec<Vec<f64>>,
    ) -> Result<Sampled, Fault> {
        let compiled = request.compile()?;
        let compute = |xs: &[f64]| Ok::<_, Error>(chosen(self.columns(&compiled, xs)?));
        Ok(plot::sample(self.from, self.to, compute)?)
    }

    fn columns<K>(&self, compiled: &Compiled<K>, xs: &[f64]) -> Result<Vec<Vec<f64>>, Error> {
        let is_argument = self.program.arguments().iter().any(|argument| argument.name == self.name);
        let each = is_argument.then_some((self.name, Column::Each(xs)));
        // A constant is one point.
        let n_points = if is_argument { xs.len() } else { 1 };
        let points = self.program.columns(self.at.iter().copied().chain(each))?;
        let [n_values, n_slopes, _] = compiled.layout().outs;
        let mut columns = vec![vec![0.0; n_points]; n_values + n_slopes];
        let (values, slopes) = columns.split_at_mut(n_values);
        let [values, slopes] = [values, slopes].map(|part| Output::columns(part.iter_mut().map(Vec::as_mut_slice)));
        compiled.batch(&points).part(0, values).part(1, slopes).run()?;
        columns.iter_mut().for_each(|column| column.resize(xs.len(), column[0]));
        Ok(columns)
    }
}

/// What the results are called in a picture: by name; a single one is `f`. An array is a curve an element.
fn results(program: &Program) -> Vec<String> {
    let graph = program.graph();
    let name = |name: &str| if graph.results.len() == 1 { "f".to_owned() } else { name.to_owned() };
    let each = graph.results.iter().flat_map(|result| elements(&name(&result.name), graph.shape(result.value)));
    each.collect()
}

fn primes(order: u8) -> String {
    match ["", "′", "″", "‴"].get(usize::from(order)) {
        Some(primes) => (*primes).to_owned(),
        None => format!("^({order})"),
    }
}

/// Writes a picture, whole or not at all.
pub fn put(mut file: Whole, svg: &str) -> Result<(), Fault> {
    let written = file.write_all(svg.as_bytes());
    written.map_err(|error| data::Error::Io { path: file.path().to_owned(), doing: "written", error })?;
    Ok(file.finish()?)
}
