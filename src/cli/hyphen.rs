//! Formulas that begin with `-` beside options that do.
//!
//! `chainrule grad '-x^2' --at x=1` should just work, and `--ta x=1` should be called a misspelt option, not a formula. So a
//! word is an option when it looks like one (`--` and letters); everything else that begins with `-` is a formula, but
//! for `-h` and `-V`. After `--` everything is a formula.

use std::ffi::OsString;

use clap::Command;
use clap::error::{ContextKind, ContextValue, ErrorKind};

/// Refuses words that look like an option of the command but are none.
pub fn check(definition: &mut Command, words: &[OsString]) -> Result<(), clap::Error> {
    definition.build();
    let Some((place, command)) = words
        .iter()
        .enumerate()
        .skip(1)
        .find_map(|(place, word)| Some((place, definition.find_subcommand(word)?.clone())))
    else {
        return Ok(());
    };
    let longs = command.get_arguments().filter_map(|arg| arg.get_long_and_visible_aliases());
    let known: Vec<&str> = longs.flatten().chain(["help"]).collect();
    for word in words[place + 1..].iter().take_while(|word| *word != "--") {
        let Some(name) = word.to_str().and_then(option_name) else { continue };
        if known.contains(&name) {
            continue;
        }
        let mut error = clap::Error::new(ErrorKind::UnknownArgument).with_cmd(&command);
        error.insert(ContextKind::InvalidArg, ContextValue::String(format!("--{name}")));
        if let Some(nearest) = chainrule::error::nearest(name, known.iter().copied()) {
            error.insert(ContextKind::SuggestedArg, ContextValue::String(format!("--{nearest}")));
        }
        let tip = format!("a formula that begins with two hyphens goes after `--`: -- '--{name}'");
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip.into()]));
        return Err(error);
    }
    Ok(())
}

/// The name in `--name` and `--name=value`.
fn option_name(word: &str) -> Option<&str> {
    let name = word.strip_prefix("--")?.split('=').next()?;
    let is_option = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    is_option.then_some(name)
}
