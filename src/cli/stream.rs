//! The only place that prints.
//!
//! Messages are always made with colours; the stream takes them away where they are not wanted.

use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

use anstream::{AutoStream, ColorChoice};
use chainrule::error::Style;

use super::Color;
use super::answer::Answer;
use super::fault::Fault;

const DONE: u8 = 0;
const REFUSED: u8 = 1;
const WRONG: u8 = 2;

pub fn answer(answer: &Answer, color: Color) -> ExitCode {
    for remark in &answer.remarks {
        to_stderr(remark, color);
    }
    match to_stdout(&answer.text, color) {
        Ok(()) => ExitCode::from(if answer.refused { REFUSED } else { DONE }),
        Err(code) => code,
    }
}

pub fn fault(fault: &Fault, color: Color) -> ExitCode {
    to_stderr(&fault.render(Style::Colour), color);
    ExitCode::from(WRONG)
}

/// What clap says: help and version for the standard output, errors for the other.
pub fn usage(error: &clap::Error, color: Color) -> ExitCode {
    let text = error.render().ansi().to_string();
    if error.use_stderr() {
        to_stderr(text.trim_end(), color);
        return ExitCode::from(WRONG);
    }
    to_stdout(&text, color).err().unwrap_or(ExitCode::from(DONE))
}

/// Who reads our output may have seen enough: a closed pipe is no failure.
fn to_stdout(text: &str, color: Color) -> Result<(), ExitCode> {
    let mut stdout = AutoStream::new(io::stdout().lock(), choice(color));
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(ExitCode::from(DONE)),
        Err(error) => {
            to_stderr(&format!("error: the answer can't be written: {error}"), color);
            Err(ExitCode::from(WRONG))
        }
    }
}

fn to_stderr(text: &str, color: Color) {
    // Where a message can't be written, there is nobody to tell.
    _ = writeln!(AutoStream::new(io::stderr().lock(), choice(color)), "{text}");
}

fn choice(color: Color) -> ColorChoice {
    match color {
        Color::Auto => ColorChoice::Auto,
        Color::Always => ColorChoice::Always,
        Color::Never => ColorChoice::Never,
    }
}
