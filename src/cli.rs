//! The command line: parses words into a command, calls the library, and prints what it answers.
//!
//! A command is a file with its options as a struct, and `run(&self) -> Result<Answer, Fault>`. It prints nothing: the
//! answer is complete before the first byte is written, so that a failure leaves nothing on the standard output.
//!
//! - [`options`] are what several commands share: the formula, the point, how derivatives are built.
//! - [`hyphen`] tells formulas that begin with `-` from options.
//! - [`values`] reads `x=2,z=3`.
//! - [`answer`], [`json`] and [`table`] are what comes out; [`fault`] is what goes wrong; [`stream`] writes.

mod answer;
mod batch;
mod bench;
mod check;
mod completions;
mod derive;
mod emit;
mod eval;
mod explain;
mod fault;
mod fit;
mod functions;
mod grad;
mod hessian;
mod hyphen;
mod inputs;
mod jacobian;
mod json;
mod jvp;
mod memory;
mod nested;
mod options;
mod plot;
mod stream;
mod table;
mod trace;
mod values;
mod vjp;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

use answer::Answer;
use fault::Fault;

/// The end of every command's help: examples that run, and the exit codes.
macro_rules! examples {
    ($($example:literal),+ $(,)?) => {
        concat!(
            "Examples:\n",
            $("  chainrule ", $example, "\n",)+
            "\nExit codes: 0 done, 1 a check says no, 2 the formula or the command line is wrong."
        )
    };
}
use examples;

#[derive(Parser)]
#[command(name = "chainrule", version, about = ABOUT, after_help = AFTER, max_term_width = 100)]
#[command(subcommand_required = true, arg_required_else_help = true, disable_help_subcommand = true)]
struct Cli {
    /// When to colour messages; auto: on terminals, unless NO_COLOR is set
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN", display_order = 1000)]
    color: Color,
    #[command(subcommand)]
    command: Command,
}

const ABOUT: &str = "Values and exact derivatives of formulas, as machine code.";

const AFTER: &str = "\
Start here:
  chainrule grad 'exp(x*z) + x*z/ln(x)' --at x=2,z=3
  chainrule derive 'x^3*sin(x)'
  chainrule check 'sin(x)^2' --at x=1
  chainrule functions

`chainrule COMMAND --help` explains a command, with examples.
Exit codes: 0 done, 1 a check says no, 2 the formula or the command line is wrong.";

#[derive(Clone, Copy, Default, ValueEnum)]
enum Color {
    #[default]
    Auto,
    Always,
    Never,
}

#[derive(Subcommand)]
enum Command {
    Grad(grad::Grad),
    Eval(eval::Eval),
    Hessian(hessian::Hessian),
    Jacobian(jacobian::Jacobian),
    Jvp(jvp::Jvp),
    Vjp(vjp::Vjp),
    Derive(derive::Derive),
    Plot(plot::Plot),
    Check(check::Check),
    Trace(trace::Trace),
    Emit(emit::Emit),
    Functions(functions::Functions),
    Batch(batch::Batch),
    Fit(Box<fit::Fit>),
    Bench(bench::Bench),
    Completions(completions::Completions),
}

impl Command {
    fn run(&self) -> Result<Answer, Fault> {
        match self {
            Command::Grad(command) => command.run(),
            Command::Eval(command) => command.run(),
            Command::Hessian(command) => command.run(),
            Command::Jacobian(command) => command.run(),
            Command::Jvp(command) => command.run(),
            Command::Vjp(command) => command.run(),
            Command::Derive(command) => command.run(),
            Command::Plot(command) => command.run(),
            Command::Check(command) => command.run(),
            Command::Trace(command) => command.run(),
            Command::Emit(command) => command.run(),
            Command::Functions(command) => command.run(),
            Command::Batch(command) => command.run(),
            Command::Fit(command) => command.run(),
            Command::Bench(command) => command.run(),
            Command::Completions(command) => command.run(),
        }
    }
}

/// The whole program, from the words of the command line to the exit code.
pub fn run(words: impl Iterator<Item = OsString>) -> ExitCode {
    let words: Vec<OsString> = words.collect();
    let mut definition = Cli::command();
    let parsed = hyphen::check(&mut definition, &words)
        .and_then(|()| definition.try_get_matches_from_mut(&words))
        .and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => return stream::usage(&fault::hinted(error), color_asked(&words)),
    };
    match cli.command.run() {
        Ok(answer) => stream::answer(&answer, cli.color),
        Err(fault) => stream::fault(&fault, cli.color),
    }
}

/// `--color` of a command line that doesn't parse.
fn color_asked(words: &[OsString]) -> Color {
    let asked = words.iter().zip(words.iter().skip(1)).find(|(word, _)| *word == "--color").map(|(_, value)| value);
    let joined = words.iter().find_map(|word| word.to_str()?.strip_prefix("--color="));
    let value = joined.or_else(|| asked?.to_str());
    value.and_then(|value| Color::from_str(value, false).ok()).unwrap_or_default()
}
