//! `chainrule emit`: what the compiler makes of a formula, stage by stage.

use chainrule::ir::{Func, to_dot};
use chainrule::{Backend, Kind, Limits, Mode, Program, Request, code, math, syntax};
use clap::builder::PossibleValuesParser;
use clap::{Args, ValueEnum};

use super::answer::Answer;
use super::fault::Fault;
use super::inputs::Inputs;
use super::options::{Output, Relax, Text, Wrt};
use super::{examples, json, memory};

/// What the compiler makes of a formula, stage by stage
///
/// Graphs are in the stable text form; clif and asm are the code of the value and gradient for this machine, asm by the back end that
/// runs it, which its first line names. A formula with arrays has a graph for given sizes: `--size`, or arguments that have them.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Emit {
    #[command(flatten)]
    text: Text,
    /// What to show
    #[arg(long, value_enum, default_value_t)]
    stage: Stage,
    /// Which graph the stage `dot` writes
    #[arg(long, value_name = "STAGE", default_value = "primal", value_parser = PossibleValuesParser::new(GRAPHS))]
    graph: String,
    #[command(flatten)]
    inputs: Inputs,
    #[command(flatten)]
    wrt: Wrt,
    #[command(flatten)]
    relax: Relax,
    #[command(flatten)]
    output: Output,
}

const EXAMPLES: &str = examples!(
    "emit 'exp(x*z) + x*z/ln(x)'",
    "emit 'exp(x*z) + x*z/ln(x)' --stage reverse",
    "emit 'x^2*z' --stage asm --wrt x",
    "emit 'param x[N]; sum[i](x[i]^2)' --size N=3 --stage reverse",
    "emit 'param a, b; iterate x from 1 for k in 0..1000 do cos(a*x) + b' --stage memory",
    "emit 'x^2*z' --stage dot --graph reverse",
);

/// The stages that are graphs.
const GRAPHS: [&str; 5] = ["primal", "forward", "reverse", "hessian", "expanded"];

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
    /// Value and derivatives with elementary functions written out as arithmetic
    Expanded,
    /// A graph for Graphviz: `dot -Tsvg` draws it
    Dot,
    /// Value and derivatives in the language of Cranelift
    Clif,
    /// Value and derivatives as machine code of this machine
    Asm,
    /// What memory value and derivatives take beside arguments and results, and for which loops
    Memory,
}

impl Emit {
    pub fn run(&self) -> Result<Answer, Fault> {
        let program = self.text.parse()?;
        let program = if self.stage == Stage::Ast { program } else { self.inputs.bind(&program)?.0 };
        let stage = self.stage.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
        let shown = match self.stage {
            Stage::Ast => ast(&program),
            Stage::Dot => to_dot(&self.graph(&program, Stage::from_str(&self.graph, false).unwrap_or_default())?),
            Stage::Clif | Stage::Asm => self.code(&program)?,
            Stage::Memory => {
                let compiled = self.relax.apply(self.wrt.apply(program.jacobian())).compile()?;
                memory::text(&program, &compiled)
            }
            stage => self.graph(&program, stage)?.to_string(),
        };
        let json = || self.relax.mark(json::object([("stage", stage.into()), ("text", shown.as_str().into())]));
        Ok(Answer::plain(&program, self.output.format, || shown.clone(), json))
    }

    /// The graph of a stage; that of the primal for stages that are none.
    fn graph(&self, program: &Program, stage: Stage) -> Result<Func, Fault> {
        match stage {
            Stage::Forward => self.built(program.jacobian().mode(Mode::Forward)),
            Stage::Reverse => self.built(program.jacobian().mode(Mode::Reverse)),
            Stage::Hessian => self.built(program.hessian()),
            Stage::Expanded => self.expanded(program.jacobian()),
            Stage::Primal | Stage::Ast | Stage::Dot | Stage::Clif | Stage::Asm | Stage::Memory => {
                self.built(program.value())
            }
        }
    }

    fn built<K: Kind>(&self, request: Request<K>) -> Result<Func, Fault> {
        let request = self.wrt.apply(request);
        if self.relax.names.is_empty() {
            return Ok(request.graph()?);
        }
        Ok(self.relax.apply(request).backend(Backend::Interpreter).compile()?.graph().clone())
    }

    fn expanded<K: Kind>(&self, request: Request<K>) -> Result<Func, Fault> {
        let request = self.relax.apply(self.wrt.apply(request)).backend(Backend::Interpreter);
        Ok(math::expand(request.compile()?.graph()))
    }

    fn code(&self, program: &Program) -> Result<String, Fault> {
        let request = self.relax.apply(self.wrt.apply(program.jacobian())).backend(Backend::Interpreter);
        let compiled = request.compile()?;
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
