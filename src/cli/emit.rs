//! `chainrule emit`: what the compiler makes of a formula, stage by stage.

use chainrule::ir::Func;
use chainrule::{Backend, Functions, Kind, Limits, Mode, Program, Request, code, syntax};
use clap::{Args, ValueEnum};

use super::answer::Answer;
use super::fault::Fault;
use super::options::{Output, Relax, Text, Wrt};
use super::{examples, json};

/// What the compiler makes of a formula, stage by stage
///
/// Graphs are in the stable text form; clif and asm are the code of the value and gradient for this machine, asm by the back end that
/// runs it, which its first line names.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Emit {
    #[command(flatten)]
    text: Text,
    /// What to show
    #[arg(long, value_enum, default_value_t)]
    stage: Stage,
    #[command(flatten)]
    wrt: Wrt,
    #[command(flatten)]
    relax: Relax,
    /// Writes elementary functions out as arithmetic in clif and asm
    #[arg(long)]
    portable: bool,
    #[command(flatten)]
    output: Output,
}

const EXAMPLES: &str = examples!(
    "emit 'exp(x*z) + x*z/ln(x)'",
    "emit 'exp(x*z) + x*z/ln(x)' --stage reverse",
    "emit 'x^2*z' --stage asm --wrt x",
);

#[derive(Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum Stage {
    /// The text as a tree
    Ast,
    /// The graph of the formula
    #[default]
    Primal,
    /// The graph of value and derivatives, by forward mode
    Forward,
    /// The graph of value and derivatives, by reverse mode
    Reverse,
    /// The graph of value, first and second derivatives
    Hessian,
    /// Value and derivatives with elementary functions written out as arithmetic, as `--portable` computes them
    Expanded,
    /// Value and derivatives in the language of Cranelift
    Clif,
    /// Value and derivatives as machine code of this machine
    Asm,
}

impl Emit {
    pub fn run(&self) -> Result<Answer, Fault> {
        let program = self.text.parse()?;
        let stage = self.stage.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
        let shown = match self.stage {
            Stage::Ast => ast(&program),
            Stage::Primal => self.graph(program.value())?,
            Stage::Forward => self.graph(program.jacobian().mode(Mode::Forward))?,
            Stage::Reverse => self.graph(program.jacobian().mode(Mode::Reverse))?,
            Stage::Hessian => self.graph(program.hessian())?,
            Stage::Expanded => self.expanded(program.jacobian())?,
            Stage::Clif | Stage::Asm => self.code(&program)?,
        };
        let json = || self.relax.mark(json::object([("stage", stage.into()), ("text", shown.as_str().into())]));
        Ok(Answer::about(&program, self.output.format, || shown.clone(), json))
    }

    fn graph<K: Kind>(&self, request: Request<K>) -> Result<String, Fault> {
        let request = self.wrt.apply(request);
        if self.relax.names.is_empty() {
            return Ok(request.graph()?.to_string());
        }
        Ok(self.relax.apply(request).backend(Backend::Interpreter).compile()?.graph().to_string())
    }

    fn expanded<K: Kind>(&self, request: Request<K>) -> Result<String, Fault> {
        let request = self.relax.apply(self.wrt.apply(request)).functions(Functions::Portable);
        Ok(request.backend(Backend::Interpreter).compile()?.graph().to_string())
    }

    fn code(&self, program: &Program) -> Result<String, Fault> {
        let request = self.relax.apply(self.wrt.apply(program.jacobian())).backend(Backend::Interpreter);
        let functions = if self.portable { Functions::Portable } else { Functions::Platform };
        let compiled = request.functions(functions).compile()?;
        let text = if self.stage == Stage::Asm { code::asm(compiled.graph()) } else { clif(compiled.graph()) };
        text.map_err(|message| Fault::usage(message, "the stages before it are there"))
    }
}

#[cfg(feature = "jit")]
fn clif(func: &Func) -> Result<String, String> {
    chainrule::jit::clif(func).map_err(|error| error.to_string())
}

#[cfg(not(feature = "jit"))]
fn clif(_: &Func) -> Result<String, String> {
    Err("this program was built without Cranelift".to_owned())
}

/// The tree, of a text that is known to parse.
fn ast(program: &Program) -> String {
    syntax::parse(program.source(), &Limits::default()).map(|(ast, _)| ast.to_string()).unwrap_or_default()
}
