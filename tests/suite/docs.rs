//! What the documents say is so: commands print what stands below them, and the table of functions is the operator table.

use std::process::Command;

use chainrule::ops::{OPS, Surface};

const README: &str = include_str!("../../README.md");
const LANGUAGE: &str = include_str!("../../docs/language.md");
const ARRAYS: &str = include_str!("../../docs/arrays.md");
const BATCH: &str = include_str!("../../docs/batch.md");
const PICTURES: &str = include_str!("../../docs/pictures.md");
#[cfg(feature = "cli")]
const FIT: &str = include_str!("../../docs/fit.md");
const TEXT_FORM: &str = include_str!("../../docs/text-form.md");

/// The fenced blocks of a document with a language.
fn blocks<'d>(document: &'d str, language: &str) -> Vec<&'d str> {
    let opening = format!("```{language}\n");
    let starts = document.match_indices(&opening).map(|(at, _)| at + opening.len());
    starts.map(|start| &document[start..start + document[start..].find("```").expect("the fence is closed")]).collect()
}

/// The words of a command line, with single quotes as a shell has them.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for letter in line.split(" #").next().unwrap_or_default().trim().chars() {
        match letter {
            '\'' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            letter => words.last_mut().expect("there is one").push(letter),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// A directory for the commands of a document: what they save stays out of the repository, whose examples are there.
#[cfg(feature = "cli")]
fn place() -> tempfile::TempDir {
    let place = tempfile::tempdir().expect("a directory");
    let examples = place.path().join("examples");
    for (from, to) in [("examples", examples.clone()), ("examples/lectures", examples.join("lectures"))] {
        std::fs::create_dir(&to).expect("it is new");
        let files = std::fs::read_dir(from).expect("it is there").map(|entry| entry.expect("an entry"));
        for file in files.filter(|entry| entry.path().is_file()) {
            std::fs::copy(file.path(), to.join(file.file_name())).expect("it is copied");
        }
    }
    place
}

/// What a command prints. What it would print into a file of the documents must be there already.
#[cfg(feature = "cli")]
fn run(place: &std::path::Path, line: &str) -> String {
    let mut words = words(line);
    assert_eq!(words[0], "chainrule", "{line}");
    let file = words.iter().position(|word| word == ">").map(|place| words.split_off(place));
    let output =
        Command::new(env!("CARGO_BIN_EXE_chainrule")).args(&words[1..]).current_dir(place).output().expect("it starts");
    assert!(output.status.success(), "{line}\n{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("it prints UTF-8");
    let Some(file) = file else { return text };
    let kept = std::fs::read_to_string(&file[1]).unwrap_or_default().replace("\r\n", "\n");
    assert!(kept == text, "the picture has changed; run it and look at it: {line}");
    String::new()
}

/// Holds the commands of a document to what stands below them.
#[cfg(feature = "cli")]
pub fn execute(document: &str) {
    let place = place();
    let run = |line: &str| run(place.path(), line);
    for block in blocks(document, "console") {
        for command in block.split("$ ").skip(1) {
            let (line, expected) = command.split_once('\n').expect("a command ends");
            assert_eq!(run(line).trim_end(), expected.trim_end(), "{line}");
        }
    }
    for line in blocks(document, "sh").into_iter().flat_map(str::lines).filter(|line| line.starts_with("chainrule")) {
        run(line);
    }
}

#[cfg(feature = "cli")]
#[test]
fn commands_in_documents_print_what_stands_below_them() {
    for document in [README, LANGUAGE, ARRAYS, BATCH, FIT, PICTURES, TEXT_FORM] {
        execute(document);
    }
}

/// The table of functions as the language reference has it.
fn functions() -> String {
    let mut table = String::from("| function | meaning |\n| --- | --- |\n");
    for row in OPS.iter().filter(|row| row.surface == Surface::Function) {
        let args = ["a", "b", "c"][..row.args.len()].join(", ");
        let doc = row.doc.replace('|', "\\|");
        table += &format!("| `{}({args})` | {doc} |\n", row.name);
    }
    table += "| `log(a)`, `log(a, b)` | natural logarithm; logarithm to base `b` |\n";
    table += "| `div(a, b)` | `floor(a/b)` |\n";
    table
}

#[test]
fn the_language_reference_has_the_table_of_functions() {
    let start = LANGUAGE.find("<!-- functions").expect("the mark");
    let start = start + LANGUAGE[start..].find('\n').expect("a line") + 1;
    let end = LANGUAGE.find("<!-- end of functions").expect("the mark");
    assert_eq!(LANGUAGE[start..end].trim(), functions().trim(), "docs/language.md should read:\n\n{}", functions());
}
