//! What a formula is computed with: numbers on the command line, arrays in JSON and in files, sizes by name.

use std::io::Read;
use std::path::{Path, PathBuf};

use chainrule::data::{self, Format};
use chainrule::error::shorten;
use chainrule::syntax::canonical_name;
use chainrule::{Answer, Array, ArrayView, Binding, Column, Compiled, Extent, Kind, Program, Role};
use clap::Args;

use super::fault::Fault;
use super::options::reason;
use super::{nested, values};

#[derive(Args)]
pub struct Inputs {
    /// The values of the arguments, as numbers: x=2,z=-1.5e3; may be repeated
    #[arg(long, value_name = "NAME=VALUE,…")]
    at: Vec<String>,
    /// Arguments by name from a JSON file: {"x": 2, "W": [[1, 2], [3, 4]]}, or the parameters in a file that `fit --save` made; `-` is the
    /// standard input
    #[arg(long, value_name = "PATH", allow_hyphen_values = true)]
    args: Option<PathBuf>,
    /// An array from a file: .npy, .npz, .csv or .tsv; of PATH.npz without a name, all arguments in it; may be repeated
    #[arg(long, value_name = "NAME=PATH")]
    data: Vec<String>,
    /// Sizes of arrays that don't follow from an argument: N=100; may be repeated
    #[arg(long, value_name = "NAME=SIZE,…")]
    size: Vec<String>,
}

/// Arguments by name.
pub type Named = Vec<(String, Array)>;

/// Arguments by name, and the sizes that they and the caller give.
pub struct Given {
    pub values: Vec<(String, Array)>,
    pub binding: Binding,
}

impl Inputs {
    /// A program with its sizes, and the arguments. All arguments must be there.
    pub fn of(&self, program: &Program) -> Result<(Program, Given), Fault> {
        let sizes = sizes(&self.size)?;
        let values = self.values(program, &sizes)?;
        // What is wrong with the arguments is told before anything else is made.
        let binding = program.binding(values.iter().map(|(name, array)| (name.as_str(), array.view())))?;
        let (program, binding) = bound(program, binding, &sizes)?;
        Ok((program, Given { values, binding }))
    }

    /// A program with its sizes, and whatever arguments are given.
    pub fn bind(&self, program: &Program) -> Result<(Program, Given), Fault> {
        let sizes = sizes(&self.size)?;
        let values = self.values(program, &sizes)?;
        let (program, binding) = bind(program, &values, &sizes)?;
        Ok((program, Given { values, binding }))
    }

    pub fn is_given(&self) -> bool {
        !(self.at.is_empty() && self.args.is_none() && self.data.is_empty())
    }

    fn values(&self, program: &Program, sizes: &[(String, i64)]) -> Result<Named, Fault> {
        let mut values = gather(&values::parse("--at", &self.at)?, self.args.as_deref())?;
        for text in &self.data {
            values.extend(from_file(text, program)?);
        }
        complete(&mut values, program, sizes)?;
        Ok(values)
    }
}

/// What is given by `--at` and by `--args`, with the names that programs know.
pub fn gather(numbers: &[(String, f64)], args: Option<&Path>) -> Result<Named, Fault> {
    let mut values: Named = numbers.iter().map(|(name, number)| (name.clone(), Array::from(*number))).collect();
    if let Some(path) = args {
        values.extend(from_json(path)?);
    }
    for (name, _) in &mut values {
        *name = canonical_name(name).into_owned();
    }
    Ok(values)
}

/// What is given, as columns of a batch that are the same for all points.
pub fn columns(given: &Named) -> Vec<(&str, Column<'_>)> {
    let of = |array| Array::number(array).map_or(Column::array(&array.data), Column::Same);
    given.iter().map(|(name, array)| (name.as_str(), of(array))).collect()
}

/// A program with the sizes that whatever is given has, and these.
pub fn bind(program: &Program, values: &Named, sizes: &[(String, i64)]) -> Result<(Program, Binding), Fault> {
    let mut binding = Binding::new();
    for (name, array) in values {
        let is_index = program.arguments().iter().any(|each| each.name == *name && each.role == Role::Index);
        binding = match array.number() {
            Some(number) if is_index => binding.index(name, number as i64),
            Some(_) => binding,
            None => binding.shape(name, &array.shape),
        };
    }
    bound(program, binding, sizes)
}

/// The sizes of all occurrences of `--size`.
pub fn sizes(texts: &[String]) -> Result<Vec<(String, i64)>, Fault> {
    let whole = |(name, size): (String, f64)| {
        if size >= 0.0 && size.fract() == 0.0 && size <= 9_007_199_254_740_992.0 {
            return Ok((canonical_name(&name).into_owned(), size as i64));
        }
        let message = format!("the size `{}` is {size}; it must be a whole number", shorten(&name));
        Err(Fault::usage(message, "sizes are written --size N=100"))
    };
    let sizes: Vec<(String, i64)> = values::parse("--size", texts)?.into_iter().map(whole).collect::<Result<_, _>>()?;
    for (place, (name, size)) in sizes.iter().enumerate() {
        if let Some((_, other)) = sizes[..place].iter().find(|(known, other)| known == name && other != size) {
            let message = format!("the size `{}` is given as {other} and as {size}", shorten(name));
            return Err(Fault::usage(message, "sizes are written --size N=100,M=20"));
        }
    }
    Ok(sizes)
}

impl Given {
    pub fn views(&self) -> impl Iterator<Item = (&str, ArrayView<'_>)> {
        self.values.iter().map(|(name, array)| (name.as_str(), array.view()))
    }

    /// The arguments that are numbers.
    pub fn numbers(&self) -> impl Iterator<Item = (&str, f64)> {
        self.values.iter().filter_map(|(name, array)| Some((name.as_str(), array.number()?)))
    }

    /// The results of a call, in the order of the graph.
    pub fn call<K: Kind>(&self, code: &Compiled<K>) -> Result<Vec<Array>, Fault> {
        Ok(results(code.by_name().with_all(self.views()).run()?))
    }

    /// The arguments in the order of the program.
    pub fn in_order(&self, program: &Program) -> Vec<&Array> {
        let value = |name: &String| self.values.iter().find(|(given, _)| given == name).map(|(_, array)| array);
        program.arguments().iter().filter_map(|argument| value(&argument.name)).collect()
    }
}

/// The program at these sizes, and all of them.
fn bound(program: &Program, binding: Binding, sizes: &[(String, i64)]) -> Result<(Program, Binding), Fault> {
    let binding = sizes.iter().fold(binding, |binding, (name, size)| binding.size(name, *size));
    let is_open = program.is_open() || !sizes.is_empty();
    Ok((if is_open { program.bind(&binding)? } else { program.clone() }, binding))
}

/// The results of a call without their names.
pub fn results<K>(answer: Answer<K>) -> Vec<Array> {
    answer.into_arrays().into_iter().map(|(_, array)| array).collect()
}

/// Arrays by name from JSON.
pub fn from_json(path: &Path) -> Result<Vec<(String, Array)>, Fault> {
    let is_stdin = data::is_stream(path);
    let read = if is_stdin { object(std::io::stdin().lock()) } else { std::fs::File::open(path).and_then(object) };
    let help = "arguments are an object by name: {\"x\": 2, \"W\": [[1, 2], [3, 4]]}";
    let shown = if is_stdin { "stdin".to_owned() } else { path.display().to_string() };
    let unread = |error| Fault::usage(format!("the file `{shown}` can't be read: {}", reason(&error)), help);
    let text = read.map_err(unread)?;
    // What `fit` has saved has its parameters inside.
    let of_fit = || nested::params(&serde_json::from_slice(&text).ok()?);
    let read = nested::read(&text)
        .or_else(|fault| of_fit().map_or(Err(fault), |params| nested::read(params.to_string().as_bytes())));
    read.map_err(|fault| {
        // A fault begins with the place of a value, or says what the file is.
        let message = if fault.starts_with('`') { format!("{shown}: {fault}") } else { format!("`{shown}` {fault}") };
        Fault::usage(message, help)
    })
}

/// All of a text that begins as an object; of any other, which may be endless, the beginning.
fn object(mut reader: impl Read) -> std::io::Result<Vec<u8>> {
    let mut text = Vec::new();
    reader.by_ref().take(1 << 12).read_to_end(&mut text)?;
    if text.trim_ascii_start().starts_with(b"{") {
        reader.read_to_end(&mut text)?;
    }
    Ok(text)
}

/// The array of `NAME=PATH`, or of `PATH.npz` all arrays that are arguments.
pub fn from_file(text: &str, program: &Program) -> Result<Vec<(String, Array)>, Fault> {
    let arguments = program.arguments();
    if let Some((name, path)) = text.split_once('=') {
        let (name, path) = (canonical_name(name.trim()), Path::new(path));
        let mut array = data::array::read(path, &name)?;
        let rank = arguments.iter().find(|argument| argument.name == name).map(|argument| argument.extents.len());
        if let (Some(rank), Ok(Format::Csv(_))) = (rank, Format::of(path)) {
            unfold(&mut array, rank);
        }
        return Ok(vec![(name.into_owned(), array)]);
    }
    let path = Path::new(text);
    if !matches!(Format::of(path), Ok(Format::Npz)) {
        let message = format!("`{}` is given to no argument", shorten(text));
        return Err(Fault::usage(message, "name the argument: --data x=points.npy; of .npz files the names are known"));
    }
    let names = data::array::names(path)?;
    let wanted = arguments.iter().filter(|argument| names.contains(&argument.name));
    wanted.map(|argument| Ok((argument.name.clone(), data::array::read(path, &argument.name)?))).collect()
}

/// Gives empty lists the dimensions that they have in the formula: `[]` is also how a matrix without rows is written. How long the rows
/// would be, the formula, a size or another array must tell.
fn complete(values: &mut Named, program: &Program, sizes: &[(String, i64)]) -> Result<(), Fault> {
    let extents =
        |name: &str| program.arguments().iter().find(|known| known.name == name).map(|known| &known.extents[..]);
    let mut known: Vec<(&str, usize)> =
        sizes.iter().filter_map(|(name, size)| Some((name.as_str(), usize::try_from(*size).ok()?))).collect();
    for (name, array) in values.iter().filter(|(_, array)| !array.data.is_empty()) {
        for (extent, &length) in extents(name).unwrap_or_default().iter().zip(&array.shape) {
            if let Extent::Size(size) = extent {
                known.push((size, length));
            }
        }
    }
    for (name, array) in values.iter_mut().filter(|(_, array)| array.data.is_empty()) {
        for extent in extents(name).unwrap_or_default().iter().skip(array.shape.len()) {
            let length = match extent {
                Extent::Fixed(length) => Some(*length),
                Extent::Size(size) => known.iter().find(|(name, _)| name == size).map(|&(_, length)| length),
                Extent::Computed(_) | Extent::Open => None,
            };
            let untold = || {
                let message = format!("`{}` is an empty list, which doesn't tell how long its rows are", shorten(name));
                Fault::usage(message, "`--size` gives a size of the formula a number: --size D=3")
            };
            array.shape.push(length.ok_or_else(untold)?);
        }
    }
    Ok(())
}

/// A table of one column or one row is a list where the formula has a list, and of one cell a number where it has a number.
fn unfold(array: &mut Array, rank: usize) {
    let is_line = array.shape.len() == 2 && array.shape.contains(&1);
    if is_line && rank == 1 {
        array.shape = vec![array.data.len()];
    } else if array.shape == [1, 1] && rank == 0 {
        array.shape.clear();
    }
}
