//! `chainrule completions`: what a shell needs to complete words.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::answer::Answer;
use super::fault::Fault;
use super::{Cli, examples};

/// Completions for a shell, to be loaded by it
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Completions {
    /// The shell
    shell: Shell,
}

const EXAMPLES: &str = examples!("completions bash", "completions fish", "completions zsh");

impl Completions {
    pub fn run(&self) -> Result<Answer, Fault> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "chainrule", &mut script);
        Ok(Answer { text: String::from_utf8_lossy(&script).into_owned(), ..Answer::default() })
    }
}
