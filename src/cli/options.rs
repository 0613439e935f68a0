//! Options that several commands share.

use std::ffi::OsString;
use std::io::Read;
use std::path::{Path, PathBuf};

use chainrule::{Backend, Error, Kind, Limits, Mode, Program, Relaxation, Request};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};
use serde_json::{Map, Value};

use super::fault::Fault;
use super::values;

/// So many bytes a formula may have: a few million operations. Parsing takes up to a hundred times as much memory.
const LONGEST: u64 = 64 << 20;

#[derive(Args)]
pub struct Text {
    /// The formula, in quotes; `-` reads it from the standard input
    #[arg(value_name = "FORMULA", allow_hyphen_values = true, required_unless_present = "file")]
    formula: Option<OsString>,
    /// Reads the formula from a file instead
    #[arg(long, value_name = "PATH", conflicts_with = "formula")]
    file: Option<PathBuf>,
    /// Refuses a call whose loops may make more turns together
    #[arg(long, value_name = "TURNS")]
    max_turns: Option<u64>,
}

impl Text {
    pub fn parse(&self) -> Result<Program, Fault> {
        let (name, bytes) = self.read()?;
        let source = match String::from_utf8(bytes) {
            Ok(source) => source,
            Err(error) => {
                let refused = chainrule::syntax::source_from_bytes(error.as_bytes(), &name).err();
                return Err(refused.map_or_else(not_text, |error| Fault::Library(Error::Formula(error))));
            }
        };
        let (work, limits) = (self.max_turns.unwrap_or(u64::MAX), Limits::default());
        let limits = Limits { work, turns: limits.turns.min(i64::try_from(work).unwrap_or(i64::MAX)), ..limits };
        Ok(Program::parse_with(&name, &source, &limits)?)
    }

    /// What messages call the text, and its bytes.
    fn read(&self) -> Result<(String, Vec<u8>), Fault> {
        match (&self.formula, &self.file) {
            (Some(formula), _) if formula == "-" => stdin(),
            (Some(formula), _) => Ok(("formula".to_owned(), formula.as_encoded_bytes().to_vec())),
            (None, Some(path)) if path == Path::new("-") => stdin(),
            (None, Some(path)) => {
                let bytes = std::fs::File::open(path).and_then(bounded).map_err(|error| {
                    let message = format!("the file `{}` can't be read: {}", path.display(), reason(&error));
                    Fault::usage(message, "`--file PATH` reads a text file; `-` reads the standard input")
                })?;
                Ok((path.display().to_string(), bytes))
            }
            (None, None) => Err(Fault::usage("there is no formula", "write it in quotes, as in 'x^2 + 1'")),
        }
    }
}

fn not_text() -> Fault {
    Fault::usage("the formula is not UTF-8", "save it with the encoding UTF-8")
}

fn stdin() -> Result<(String, Vec<u8>), Fault> {
    let bytes = bounded(std::io::stdin().lock()).map_err(|error| {
        let message = format!("the standard input can't be read: {}", reason(&error));
        Fault::usage(message, "pipe a formula into it: echo 'x^2' | chainrule eval - --at x=3")
    })?;
    Ok(("stdin".to_owned(), bytes))
}

/// Everything, unless it is too long for a formula: then no more is read, and memory stays small.
fn bounded(reader: impl Read) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(LONGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LONGEST {
        return Err(std::io::Error::other(format!("it is longer than {} MiB", LONGEST >> 20)));
    }
    Ok(bytes)
}

/// `No such file or directory` without the number.
pub fn reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    let end = text.find(" (os error").unwrap_or(text.len());
    let mut letters = text[..end].chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

#[derive(Args)]
pub struct Point {
    /// The values of the arguments, as numbers: x=2,z=-1.5e3; may be repeated
    #[arg(long, value_name = "NAME=VALUE,…")]
    at: Vec<String>,
}

impl Point {
    /// The values by name.
    pub fn values(&self) -> Result<Vec<(String, f64)>, Fault> {
        values::parse("--at", &self.at)
    }
}

#[derive(Args)]
pub struct Wrt {
    /// Differentiates by these arguments instead of by all that are parameters
    #[arg(long, value_name = "NAME,…")]
    pub wrt: Option<String>,
}

impl Wrt {
    pub fn apply<'p, K: Kind>(&self, request: Request<'p, K>) -> Request<'p, K> {
        match &self.wrt {
            Some(names) => request.wrt(values::names(names)),
            None => request,
        }
    }
}

#[derive(Args)]
pub struct ModeOption {
    /// The mode of differentiation
    #[arg(long, default_value = "auto", value_parser = modes(), value_name = "MODE")]
    pub mode: Mode,
}

fn modes() -> impl TypedValueParser<Value = Mode> {
    PossibleValuesParser::new(["auto", "forward", "reverse"]).map(|name| match name.as_str() {
        "forward" => Mode::Forward,
        "reverse" => Mode::Reverse,
        _ => Mode::Auto,
    })
}

#[derive(Args)]
pub struct Relax {
    /// Allows inexact arithmetic, each relaxation by its name
    #[arg(long = "relax", value_delimiter = ',', value_parser = relaxations(), value_name = "NAME,…")]
    pub names: Vec<Relaxation>,
}

#[derive(Args)]
pub struct Run {
    #[command(flatten)]
    pub relax: Relax,
    /// Runs the interpreter instead of machine code; one call of a large program is always interpreted, to the same bits
    #[arg(long)]
    interpret: bool,
}

/// From so many operations on, a single call is interpreted.
const LARGE: usize = 5_000;

fn relaxations() -> impl TypedValueParser<Value = Relaxation> {
    let names = Relaxation::ALL.map(Relaxation::name);
    PossibleValuesParser::new(names)
        .try_map(|name| Relaxation::by_name(&name).ok_or_else(|| format!("there is no relaxation `{name}`")))
}

impl Relax {
    pub fn apply<'p, K: Kind>(&self, request: Request<'p, K>) -> Request<'p, K> {
        self.names.iter().fold(request, |request, &relaxation| request.relax(relaxation))
    }

    /// The relaxations in text: a line if there are any.
    pub fn note(&self) -> String {
        if self.names.is_empty() { String::new() } else { format!("\nrelaxed: {}\n", self.list().join(", ")) }
    }

    /// The relaxations in JSON: an entry if there are any.
    pub fn mark(&self, mut object: Map<String, Value>) -> Value {
        if !self.names.is_empty() {
            object.insert("relaxed".to_owned(), self.list().into());
        }
        Value::Object(object)
    }

    fn list(&self) -> Vec<&'static str> {
        self.names.iter().map(|relaxation| relaxation.name()).collect()
    }
}

impl Run {
    pub fn apply<'p, K: Kind>(&self, request: Request<'p, K>) -> Request<'p, K> {
        let backend = if self.interpret { Backend::Interpreter } else { Backend::Auto };
        self.relax.apply(request.backend(backend))
    }

    /// [`Run::apply`] for a single call: code for a large program takes longer to make than it ever saves then, and the
    /// interpreter gives the same bits.
    pub fn once<'p, K: Kind>(&self, program: &Program, request: Request<'p, K>) -> Request<'p, K> {
        let request = self.apply(request);
        if program.graph().len() > LARGE && !program.has_arrays() {
            request.backend(Backend::Interpreter)
        } else {
            request
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    #[default]
    Text,
    Json,
}

#[derive(Args)]
pub struct Output {
    /// How the answer is written
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub format: Format,
}

/// What results are called in calls by name: by their names; one that has none is `value`.
pub fn called(program: &Program) -> Vec<String> {
    let name = |name: &str| if name.is_empty() { "value".to_owned() } else { name.to_owned() };
    program.results().map(name).collect()
}

/// What results are called in text: by name; a single one is `value`.
pub fn result_names(program: &Program) -> Vec<String> {
    let names: Vec<String> = program.results().map(str::to_owned).collect();
    if names.len() == 1 { vec!["value".to_owned()] } else { names }
}
