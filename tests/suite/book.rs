//! The book: its chapters are all in the summary, show the programs as they are in the files, and print what they say.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Files of a directory with an ending, in order.
fn files(directory: &str, ending: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).expect("the directory is there").map(|entry| entry.expect("an entry").path());
    let mut files: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|it| it == ending)).collect();
    files.sort();
    files
}

/// A text with the ends of lines that its author wrote.
fn read(path: impl AsRef<Path>) -> String {
    let path = path.as_ref();
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).replace("\r\n", "\n")
}

/// Where the links and pictures of a document lead, without those to other sites and to places in the same page.
fn links(document: &str) -> Vec<String> {
    let outside: String = document.split("```").step_by(2).collect();
    let lines: String =
        outside.lines().filter(|line| !line.starts_with("    ")).map(|line| format!("{line}\n")).collect();
    let prose: String = lines.split('`').step_by(2).collect();
    let targets = prose.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets.filter(|target| !target.contains("://") && !target.starts_with('#')).map(str::to_owned).collect()
}

fn chapters() -> Vec<PathBuf> {
    [files("docs", "md"), files("docs/lectures", "md")].concat()
}

#[test]
fn every_chapter_is_in_the_summary() {
    let summary = read("docs/SUMMARY.md");
    let listed: BTreeSet<PathBuf> = links(&summary).into_iter().map(|link| Path::new("docs").join(link)).collect();
    let there: BTreeSet<PathBuf> = chapters().into_iter().filter(|path| !path.ends_with("SUMMARY.md")).collect();
    assert_eq!(listed, there);
}

#[test]
fn links_between_chapters_lead_somewhere() {
    for chapter in chapters() {
        for link in links(&read(&chapter)) {
            let target = chapter.with_file_name(link.split('#').next().expect("a part"));
            assert!(target.exists(), "{}: {link}", chapter.display());
        }
    }
}

/// Programs in Rust are run as documentation of the crate.
#[test]
fn programs_in_rust_are_run() {
    let library = read("src/lib.rs");
    for chapter in chapters() {
        let path = format!("\"../{}\"", chapter.to_string_lossy().replace('\\', "/"));
        assert!(!read(&chapter).contains("```rust") || library.contains(&path), "{path} is not in src/lib.rs");
    }
}

/// All other blocks say what they are: what is run, or text.
#[test]
fn blocks_are_run_or_are_text() {
    for chapter in chapters() {
        let text = read(&chapter);
        for fence in text.lines().filter(|line| line.starts_with("```")).step_by(2) {
            let language = fence.trim_start_matches('`');
            assert!(["rust", "console", "sh", "text", "json"].contains(&language), "{}: {fence}", chapter.display());
        }
    }
}

/// A program of the lectures stands in one chapter, whole and as it is.
#[test]
fn chapters_show_the_programs_of_the_lectures() {
    let chapters: String = files("docs/lectures", "md").iter().map(read).collect();
    for program in files("examples/lectures", "chain") {
        let block = format!("```text\n{}```", read(&program));
        assert!(chapters.contains(&block), "no chapter shows {}", program.display());
        assert!(
            chapters.contains(&*program.to_string_lossy().replace('\\', "/")),
            "no command runs {}",
            program.display()
        );
    }
}

#[cfg(feature = "cli")]
#[test]
fn commands_in_lectures_print_what_stands_below_them() {
    for chapter in files("docs/lectures", "md") {
        super::docs::execute(&read(chapter));
    }
}

#[cfg(feature = "cli")]
#[test]
fn commands_in_the_tutorial_and_the_comparison_print_what_stands_below_them() {
    for chapter in ["docs/tutorial.md", "docs/compare.md"] {
        super::docs::execute(&read(chapter));
    }
}
