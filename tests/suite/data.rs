//! `chainrule batch`: files in, files out, and what is wrong with them.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use chainrule::data::flow;

const PROGRAM: &str = env!("CARGO_BIN_EXE_chainrule");

/// A directory of a test's own, gone at its end.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Place {
        Place(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn with(&self, name: &str, bytes: impl AsRef<[u8]>) -> &Place {
        fs::write(self.path(name), bytes).unwrap();
        self
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.arg("batch").args(words).current_dir(self.0.path()).env_remove("CLICOLOR_FORCE").stdin(Stdio::null());
        command
    }

    fn run(&self, words: &[&str]) -> (i32, String, String) {
        let output = self.command(words).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().expect("no signal"), text(output.stdout), text(output.stderr))
    }

    /// What is written to the standard output.
    #[track_caller]
    fn ok(&self, words: &[&str]) -> String {
        let (code, out, err) = self.run(words);
        assert_eq!((code, err.as_str()), (0, ""), "{words:?}");
        out
    }

    /// The message, of a run that leaves nothing new behind.
    #[track_caller]
    fn wrong(&self, words: &[&str]) -> String {
        let before = self.names();
        let (code, out, err) = self.run(words);
        assert_eq!((code, out.as_str()), (2, ""), "{words:?}: {err}");
        assert!(err.starts_with("error: ") && !err.contains("panicked"), "{words:?}: {err}");
        assert_eq!(self.names(), before, "nothing is left");
        err
    }
}

/// The output for a CSV text.
#[track_caller]
fn csv(formula: &str, text: impl AsRef<[u8]>, more: &[&str]) -> String {
    let place = Place::new();
    place.with("in.csv", text);
    place.ok(&[&[formula, "--data", "in.csv", "--out", "-"], more].concat())
}

/// The message for a CSV text.
#[track_caller]
fn refused(formula: &str, text: impl AsRef<[u8]>, more: &[&str]) -> String {
    let place = Place::new();
    place.with("in.csv", text);
    place.wrong(&[&[formula, "--data", "in.csv", "--out", "out.csv"], more].concat())
}

#[test]
fn columns_are_found_by_name_and_results_are_named() {
    let text = "id,z,x\na,3,2\nb,-1,0.5\n";
    assert_eq!(csv("x^2*z", text, &[]), "value,d_x,d_z\n12.0,12.0,4.0\n-0.25,-1.0,0.25\n");
    assert_eq!(csv("x^2*z", text, &["--what", "value"]), "value\n12.0\n-0.25\n");
    assert_eq!(csv("x^2*z", text, &["--what", "gradient", "--wrt", "z"]), "d_z\n4.0\n0.25\n");
    assert_eq!(
        csv("x^2*z", text, &["--what", "hessian,value"]),
        "value,d_x_x,d_x_z,d_z_z\n12.0,6.0,4.0,0.0\n-0.25,-2.0,1.0,0.0\n"
    );
    assert_eq!(csv("x*y", "x\n2\n", &["--at", "y=10"]), "value,d_x,d_y\n20.0,10.0,2.0\n");
    assert_eq!(
        csv("a = x*z; b = x; a, b", "x,z\n2,3\n", &[]),
        "a,b,a_d_x,a_d_z,b_d_x,b_d_z\n6.0,2.0,3.0,2.0,1.0,0.0\n"
    );
    assert_eq!(csv("x", "x\n2\n", &["--threads", "18446744073709551615", "--what", "value"]), "value\n2.0\n");
    assert_eq!(csv("index k; x^k", "k,x\n3,2\n", &[]), "value,d_x\n8.0,12.0\n");
}

#[test]
fn csv_as_it_is_found() {
    let expected = "value\n2.0\n-3.5\n";
    for text in [
        "x\n2\n-3.5\n",
        "x\n2\n-3.5",
        "x\r\n2\r\n-3.5\r\n",
        "\u{feff}x\n2\n-3.5\n",
        "\u{feff}\"x\"\n2\n-3.5\n",
        "\"x\"\n\"2\"\n\"-3.5\"\n",
        " x \n 2 \n\t-3.5 \n",
        "x\n2\n-3.5\n\n\n",
        "\nx\n2\n-3.5\n",
        "note,x\n\"a, b\",2\n\"line\nbreak and \"\"quote\"\"\",-3.5\n",
        "x\n+2\n-35e-1\n",
        "x\n2\r\n-3.5",
        "a,x,b\r\n,2,\r\n,-3.5,?\r\n",
        "a,b,x\n2,2,2\n\n3,3,-3.5 \n",
    ] {
        assert_eq!(csv("x", text, &["--what", "value"]), expected, "{text:?}");
    }
    assert_eq!(csv("x", "x\ninf\n-Inf\nNaN\nnan\n1e-400\n", &["--what", "value"]), "value\ninf\n-inf\nNaN\nNaN\n0.0\n");
    assert_eq!(csv("φ^2", "φ\n3\n", &[]), "value,d_φ\n9.0,6.0\n");
    assert_eq!(csv("x", "x\n", &[]), "value,d_x\n", "a header only");
    for text in ["x,y\r1,2\r3,4\r", "x,y\r1,2\r3,4", "x,y\r\r1,2\r\r3,4\r\r"] {
        assert_eq!(csv("x*y", text, &["--what", "value"]), "value\n2.0\n12.0\n", "{text:?}");
    }
    assert_eq!(
        refused("x", "x,y\r1,2\r3\r", &[]).lines().next(),
        Some("error: `in.csv`, line 3: the row has 1 cell, the header has 2")
    );
    // Of a single column an empty line is an empty cell, but at the end.
    for end in ["\n", "\r\n"] {
        let text = ["x", "1", "", "3", "", ""].join(end);
        let place = Place::new();
        place.with("in.csv", &text);
        let words = ["x", "--data", "in.csv", "--out", "-", "--what", "value", "--on-error", "nan"];
        let (code, out, err) = place.run(&words);
        assert_eq!((code, out.as_str()), (0, "value\n1.0\nNaN\n3.0\n"), "{text:?} {err}");
        assert!(err.contains("line 3, column 1 (`x`): the cell is empty"), "{text:?} {err}");
    }
    let huge = format!("note,x\n{},1\nb,2\n", "a".repeat(9 << 20));
    assert_eq!(csv("x", &huge, &["--what", "value"]), "value\n1.0\n2.0\n");
    let huge = format!("note,x\n\"{}\",1\nb,2\n", "a\n".repeat(5 << 20));
    assert_eq!(csv("x", &huge, &["--what", "value"]), "value\n1.0\n2.0\n");
    let place = Place::new();
    place.with("in.tsv", "x\ty\n1\t2\n").ok(&["x*y", "--data", "in.tsv", "--out", "out.tsv"]);
    assert_eq!(place.text("out.tsv"), "value\td_x\td_y\n2.0\t2.0\t1.0\n");
}

#[test]
fn a_faulty_cell_is_named_by_line_and_column() {
    for (text, message) in [
        ("x,z\n1,2\n3,abc\n", "line 3, column 2 (`z`): `abc` is not a number"),
        ("x,z\r\n1,2\r\n\r\n,4\r\n", "line 4, column 1 (`x`): the cell is empty"),
        ("x,z\r\n\"1\",2\r\n\r\n,4\r\n", "line 4, column 1 (`x`): the cell is empty"),
        ("note,x,z\n\"a\nb\",1,2\n\"a\nb\",1,?\n", "line 4, column 3 (`z`): `?` is not a number"),
        ("x,z\n1,2\n3\n", "line 3: the row has 1 cell, the header has 2"),
        ("x,z\n1,2\n3,4,5\n", "line 3: the row has 3 cells, the header has 2"),
        ("x,z\n1e999,2\n", "line 2, column 1 (`x`): `1e999` is larger than any double"),
        ("x,z\n1,0x10\n", "line 2, column 2 (`z`): `0x10` is not a number"),
        ("x,z\n1,\"\"\n", "line 2, column 2 (`z`): the cell is empty"),
    ] {
        let error = refused("x*z", text, &[]);
        assert!(error.contains(message) && error.contains("--on-error"), "{text:?}: {error}");
    }
    let error = refused("x", format!("x\n{}\n", "9z".repeat(1 << 20)), &[]);
    assert!(error.len() < 1000, "{}", error.len());
    let error = refused("x", b"x\n\xff\xfe\n", &[]);
    assert!(error.contains("line 2"), "{error}");
    let deep = format!("x\n{}oops\n", "1\n".repeat(3_000_000));
    assert!(refused("x", &deep, &[]).contains("line 3000002, column 1"));
    assert!(refused("x", &deep, &["--threads", "1"]).contains("line 3000002, column 1"));
}

#[test]
fn the_first_fault_is_told_whatever_thread_finds_it() {
    let place = Place::new();
    let rows = 300_000;
    let text = |flaws: &[(usize, &str)]| {
        let mut lines = vec!["6,1.5".to_owned(); rows];
        for &(row, line) in flaws {
            lines[row - 1] = line.to_owned();
        }
        format!("k,x\n{}\n", lines.join("\n"))
    };
    let told = |text: &str, threads: &str| {
        place.with("in.csv", text);
        let words = ["index k; x*div(6, k)", "--data", "in.csv", "--out", "out.csv", "--threads", threads];
        let output = place.command(&words).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert_eq!(place.names(), ["in.csv"]);
        String::from_utf8(output.stderr).unwrap()
    };
    for threads in ["1", "2", "7"] {
        // The later fault is found first where rows before the earlier one take long.
        let error = told(&text(&[(250_000, "6,?"), (250_001, "?,?"), (299_999, "0,1")]), threads);
        assert!(error.contains("line 250001, column 2 (`x`): `?` is not a number"), "{threads}: {error}");
        let error = told(&text(&[(200_000, "0,1"), (200_001, "6"), (200_002, "0.5,1")]), threads);
        assert!(error.contains("row 200000 has no result"), "{threads}: {error}");
        let error = told(&text(&[(200_000, "0.5,1"), (200_001, "6")]), threads);
        assert!(error.contains("row 200000: `k` is an integer, and 0.5 is none"), "{threads}: {error}");
        let error = told(&text(&[(200_000, "6"), (200_001, "0,1")]), threads);
        assert!(error.contains("line 200001: the row has 1 cell"), "{threads}: {error}");
    }
    // The same faults, passed over.
    place.with("in.csv", text(&[(5, "0,1"), (150_000, "6,?"), (299_999, "0.5,1")]));
    for threads in ["1", "2", "7"] {
        let words = ["index k; x*div(6, k)", "--data", "in.csv", "--out", "-", "--what", "value", "--threads", threads];
        let (_, out, err) = place.run(&[words.as_slice(), &["--on-error", "nan"]].concat());
        let mut expected = vec!["1.5"; rows];
        for row in [5, 150_000, 299_999] {
            expected[row - 1] = "NaN";
        }
        assert!(out.lines().skip(1).eq(expected), "{threads}");
        assert!(err.contains("the first: row 5 has no result"), "{threads}: {err}");
        let (_, out, _) = place.run(&[words.as_slice(), &["--on-error", "skip"]].concat());
        assert_eq!(out.lines().count(), 1 + rows - 3, "{threads}");
    }
}

#[test]
fn faulty_rows_become_nan_or_are_left_out() {
    let place = Place::new();
    place.with("in.csv", "x,z\n1,2\n,3\n4,5\n6\n7,?\n8,9\n");
    let words = ["x*z", "--data", "in.csv", "--out", "-", "--what", "value", "--on-error"];
    let (code, out, err) = place.run(&[words.as_slice(), &["nan"]].concat());
    assert_eq!((code, out.as_str()), (0, "value\n2.0\nNaN\n20.0\nNaN\nNaN\n72.0\n"));
    assert!(err.contains("line 3, column 1 (`x`)"), "{err}");
    let (code, out, err) = place.run(&[words.as_slice(), &["skip"]].concat());
    assert_eq!((code, out.as_str()), (0, "value\n2.0\n20.0\n72.0\n"));
    assert!(err.contains("left out"), "{err}");
    assert!(place.wrong(&[words.as_slice(), &["fail"]].concat()).contains("line 3"));

    // Integers may have no result at a row, or be none.
    place.with("in.csv", "k,x\n2,1\n0,1\n0.5,1\n3,1\n0,1\n");
    let words = ["index k; x*div(6, k)", "--data", "in.csv", "--out", "-", "--what", "value", "--on-error"];
    assert_eq!(place.run(&[words.as_slice(), &["nan"]].concat()).1, "value\n3.0\nNaN\nNaN\n2.0\nNaN\n");
    assert_eq!(place.run(&[words.as_slice(), &["skip"]].concat()).1, "value\n3.0\n2.0\n");
    let output = place.command(&[words.as_slice(), &["fail"]].concat()).output().unwrap();
    assert!(String::from_utf8(output.stderr).unwrap().contains("row 2 has no result"));
}

#[test]
fn what_is_wrong_with_files_is_told() {
    let error = refused("x*y", "x,z\n1,2\n", &[]);
    assert!(error.contains("no column `y`; it has `x`, `z`") && error.contains("--at y="), "{error}");
    assert!(refused("x", "", &[]).contains("is empty"));
    assert!(refused("x", "x,x\n1,2\n", &[]).contains("several columns `x`"));
    assert!(refused("x", "x\n1\n", &["--at", "y=1"]).contains("`y` is not an argument"));
    assert!(refused("x", "x\n1\n", &["--at", "x=1"]).contains("no argument is a column"));
    assert!(refused("x, x^2", "x\n1\n", &["--what", "hessian"]).contains("2 results"));
    assert!(refused("x", "x\n1\n", &["--what", "gradient", "--wrt", ""]).contains("nothing is asked for"));
    let error = refused("x*z*x_z", "x,z,x_z\n1,1,1\n", &["--what", "gradient,hessian"]);
    assert!(error.contains("two columns of the output would be called `d_x_z`"), "{error}");
    let place = Place::new();
    place.with("in.csv", "x\n1\n").with("in.dat", "").with("in.npy", "x\n1\n").with("in.npz", "x\n1\n");
    fs::create_dir(place.path("dir.csv")).unwrap();
    for (data, out, message) in [
        ("none.csv", "out.csv", "no such file"),
        ("in.dat", "out.csv", "the format of `in.dat` is unknown"),
        ("in.csv", "out.xls", "the format of `out.xls` is unknown"),
        ("in.csv", "out", "the format of `out` is unknown"),
        ("in.npy", "out.csv", "is no NPY file"),
        ("in.npz", "out.csv", "is no NPZ file"),
        ("in.csv", "none/out.csv", "`none/out.csv` can't be written"),
        ("in.csv", "dir.csv", "`dir.csv` can't be written"),
        ("dir.csv", "out.csv", "`dir.csv` can't be read"),
    ] {
        let error = place.wrong(&["x", "--data", data, "--out", out]);
        assert!(error.contains(message), "{data} {out}: {error}");
    }
}

#[test]
fn output_appears_whole_or_not_at_all() {
    let place = Place::new();
    place.with("in.csv", "x\n1\n?\n");
    for out in ["out.csv", "out.npy", "out.npz"] {
        place.with(out, "old");
        place.wrong(&["x", "--data", "in.csv", "--out", out]);
        assert_eq!(place.text(out), "old");
    }
    // A file may be replaced by what is computed of it.
    place.with("in.csv", "x\n1\n2\n").ok(&["-x", "--data", "in.csv", "--out", "in.csv", "--what", "value"]);
    assert_eq!(place.text("in.csv"), "value\n-1.0\n-2.0\n");
    assert_eq!(place.names(), ["in.csv", "out.csv", "out.npy", "out.npz"]);
}

#[cfg(unix)]
#[test]
fn a_device_is_written_a_link_stays_a_link() {
    let place = Place::new();
    place.with("in.csv", "x\n1\n").with("real.csv", "");
    std::os::unix::fs::symlink(place.path("real.csv"), place.path("link.csv")).unwrap();
    place.ok(&["x", "--data", "in.csv", "--out", "link.csv"]);
    assert!(fs::symlink_metadata(place.path("link.csv")).unwrap().is_symlink());
    assert_eq!(place.text("real.csv"), "value,d_x\n1.0,1.0\n");
}

#[test]
fn standard_streams() {
    let place = Place::new();
    let mut child = place
        .command(&["x^2", "--data", "-", "--out", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"x\n3\n4\n").unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "value,d_x\n9.0,6.0\n16.0,8.0\n");
}

#[test]
fn rows_of_a_pipe_are_answered_as_they_come() {
    let place = Place::new();
    for threads in ["1", "2"] {
        let mut child = place
            .command(&["x^2", "--data", "-", "--out", "-", "--what", "value", "--threads", threads])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        for (text, answers) in
            [("x\n3\n4\n", vec!["value", "9.0", "16.0"]), ("5\n", vec!["25.0"]), ("6\n1", vec!["36.0"])]
        {
            stdin.write_all(text.as_bytes()).unwrap();
            for answer in answers {
                assert_eq!(lines.next().unwrap().unwrap(), answer);
            }
        }
        stdin.write_all(b"2").unwrap();
        drop(stdin);
        assert_eq!(lines.next().unwrap().unwrap(), "144.0");
        assert!(lines.next().is_none() && child.wait().unwrap().success());
    }
}

#[test]
fn a_reader_that_has_seen_enough_ends_it() {
    let place = Place::new();
    place.with("in.csv", format!("x\n{}", "1\n".repeat(2_000_000)));
    for threads in ["1", "3"] {
        let mut child = place
            .command(&["x", "--data", "in.csv", "--out", "-", "--threads", threads])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert_eq!(lines.next().unwrap().unwrap(), "value,d_x");
        drop(lines);
        assert_eq!(child.wait().unwrap().code(), Some(0));
    }
}

/// Numbers flow: `take` counts to `end`, each is squared, `give` sees them.
fn squares(
    threads: usize,
    end: usize,
    mut give: impl FnMut(usize) -> Result<bool, String> + Send,
) -> (Result<(), String>, usize) {
    let (packets, mut next) = (AtomicUsize::new(0), 0);
    let packet = || {
        packets.fetch_add(1, Relaxed);
        0
    };
    let take = |packet: &mut usize| {
        *packet = next;
        next += 1;
        Ok(*packet < end)
    };
    let work = |packet: &mut usize| {
        // Some take longer than others.
        if packet.is_multiple_of(7) {
            std::thread::sleep(Duration::from_micros(200));
        }
        *packet *= *packet;
    };
    let result = flow::run(threads, packet, take, work, |packet: &mut usize| give(*packet));
    (result, packets.into_inner())
}

#[test]
fn what_flows_keeps_its_order_and_takes_little_memory() {
    for threads in [1, 2, 3, 8] {
        let mut given = Vec::new();
        let (result, packets) = squares(threads, 500, |square| {
            given.push(square);
            Ok(true)
        });
        assert_eq!((result, packets), (Ok(()), if threads == 1 { 1 } else { 2 * threads }));
        assert!(given.iter().copied().eq((0..500).map(|number| number * number)), "{threads}");

        // Where what is done is not wanted yet, little more is taken.
        let ahead = AtomicUsize::new(0);
        let (mut next, mut done, mut most) = (0, 0, 0);
        let take = |packet: &mut usize| {
            *packet = next;
            next += 1;
            ahead.fetch_add(1, Relaxed);
            Ok::<bool, String>(*packet < 100)
        };
        let give = |packet: &mut usize| {
            std::thread::sleep(Duration::from_micros(300));
            assert_eq!(*packet, done);
            done += 1;
            most = most.max(ahead.fetch_sub(1, Relaxed));
            Ok(true)
        };
        flow::run(threads, || 0, take, |_| (), give).unwrap();
        assert!(done == 100 && most <= 2 * threads, "{threads} threads: {most} packets");
    }
}

#[test]
fn what_flows_ends_at_the_first_failure() {
    for threads in [1, 2, 5] {
        let mut given = 0;
        let (result, _) = squares(threads, 500, |square| {
            given += 1;
            if square >= 100 * 100 { Err(format!("at {square}")) } else { Ok(true) }
        });
        assert_eq!((result, given), (Err("at 10000".to_owned()), 101), "{threads}");
        let mut given = 0;
        let (result, _) = squares(threads, 500, |_| {
            given += 1;
            Ok(given < 10)
        });
        assert_eq!((result, given), (Ok(()), 10), "{threads}");

        // A failure to take comes after what was taken before it.
        let (mut next, mut seen) = (0, Vec::new());
        let take = |packet: &mut usize| {
            *packet = next;
            next += 1;
            if next == 30 { Err("taken") } else { Ok(true) }
        };
        let give = |packet: &mut usize| {
            seen.push(*packet);
            Ok(true)
        };
        assert_eq!(flow::run(threads, || 0, take, |_| (), give), Err("taken"));
        assert!(seen.iter().copied().eq(0..29), "{threads}: {seen:?}");
    }
}

#[test]
fn a_panic_on_one_thread_ends_all() {
    for threads in [1, 2, 5] {
        let run = || {
            let mut next = 0;
            let take = |packet: &mut usize| {
                next += 1;
                *packet = next;
                Ok::<bool, String>(true)
            };
            flow::run(threads, || 0, take, |packet| assert!(*packet != 40, "on purpose"), |_| Ok(true))
        };
        assert!(std::panic::catch_unwind(run).is_err(), "{threads}");
    }
}

#[test]
fn files_larger_than_a_block() {
    let place = Place::new();
    let mut text = String::from("x,z\n");
    let rows = 400_000;
    for row in 0..rows {
        text += &format!("{}.25,0.{row:06}\n", row % 1000 + 1);
    }
    assert!(text.len() > 5 << 20);
    place.with("in.csv", &text);
    for (out, threads) in [("one.csv", "1"), ("two.csv", "2"), ("five.csv", "5")] {
        let words = ["x*z + exp(-x)", "--data", "in.csv", "--out", out, "--threads", threads];
        assert!(place.ok(&words).starts_with("400000 rows, 3 columns"));
    }
    assert_eq!(place.text("one.csv"), place.text("two.csv"));
    assert_eq!(place.text("one.csv"), place.text("five.csv"));
    // Through the quotes of the slow path, the same.
    place.with("in.csv", text.replacen("x,z", "x,\"z\"", 1).replace("\n7.25,", "\n\"7.25\","));
    place.ok(&["x*z + exp(-x)", "--data", "in.csv", "--out", "quoted.csv"]);
    assert_eq!(place.text("one.csv"), place.text("quoted.csv"));
    // Through binary files and back, the same.
    for format in ["npy", "npz"] {
        let name = format!("through.{format}");
        place.ok(&["x, z", "--data", "in.csv", "--out", &name, "--what", "value"]);
        place.ok(&["x*z + exp(-x)", "--data", &name, "--out", "back.csv"]);
        assert_eq!(place.text("one.csv"), place.text("back.csv"), "{format}");
    }
}

/// An NPY file with this header.
fn npy(descr: &str, fortran: &str, shape: &str, body: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, }}");
    let header = format!("{header:<117}\n");
    [b"\x93NUMPY\x01\x00", (header.len() as u16).to_le_bytes().as_slice(), header.as_bytes(), body].concat()
}

fn doubles(values: &[f64]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

#[test]
fn arrays_of_numpy() {
    let place = Place::new();
    let ok = |bytes: Vec<u8>, more: &[&str]| {
        place.with("in.npy", bytes);
        place.ok(&[&["10*x + z", "--data", "in.npy", "--out", "-", "--what", "value"], more].concat())
    };
    let matrix = doubles(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    let named = ["--columns", "x,z"];
    assert_eq!(ok(npy("'<f8'", "False", "(3, 2)", &matrix), &named), "value\n12.0\n34.0\n56.0\n");
    assert_eq!(ok(npy("'<f8'", "False", "(2, 3)", &matrix), &["--columns", "z,other,x"]), "value\n31.0\n64.0\n");
    assert_eq!(ok(npy("'<f8'", "True", "(3, 2)", &matrix), &named), "value\n14.0\n25.0\n36.0\n");
    assert_eq!(ok(npy("'<f8'", "False", "(6,)", &matrix), &["--at", "z=0"])[..10], *"value\n10.0");
    let record: Vec<u8> = [3i32, 4]
        .iter()
        .zip([1.5f64, 2.5])
        .flat_map(|(z, x)| [z.to_be_bytes().as_slice(), b"ab", &x.to_le_bytes()].concat())
        .collect();
    let descr = "[('z', '>i4'), ('s', '|S2'), ('x', '<f8')]";
    assert_eq!(ok(npy(descr, "False", "(2,)", &record), &[]), "value\n18.0\n29.0\n");
    assert_eq!(ok(npy("'|u1'", "False", "(1, 2)", &[200, 7]), &named), "value\n2007.0\n");
    assert_eq!(ok(npy("'<f8'", "False", "(0, 2)", &[]), &named), "value\n");

    let wrong = |bytes: Vec<u8>, more: &[&str]| {
        place.with("in.npy", bytes);
        place.wrong(&[&["10*x + z", "--data", "in.npy", "--out", "out.npy"], more].concat())
    };
    assert!(wrong(npy("'<f8'", "False", "(3, 2)", &matrix), &[]).contains("--columns"));
    assert!(wrong(npy("'<f8'", "False", "(3, 2)", &matrix), &["--columns", "x"]).contains("2 columns, and 1 names"));
    assert!(wrong(npy("'<f8'", "False", "(4, 2)", &matrix), &named).contains("ends early"));
    assert!(wrong(npy("'<f8'", "False", "(9223372036854775807, 2)", &matrix), &named).contains("in.npy"));
    assert!(wrong(npy("'<c16'", "False", "(1, 2)", &matrix), &named).contains("type"));
    assert!(wrong(npy("'<f8'", "False", "(1, 2, 3)", &matrix), &named).contains("3 axes"));
    assert!(wrong(npy("'|O'", "False", "(2, 2)", &matrix), &named).contains("in.npy"));
    assert!(wrong(npy(descr, "False", "(2,)", &record[..20]), &[]).contains("ends early"));
    assert!(wrong(npy("[('x', '<f8')]", "False", "(6,)", &matrix), &[]).contains("no column `z`"));
}

#[test]
fn archives_of_numpy() {
    let place = Place::new();
    place.with("in.csv", "x,z\n1,2\n3,4\n");
    place.ok(&["x, z", "--data", "in.csv", "--out", "two.npz", "--what", "value"]);
    assert_eq!(place.ok(&["z - x", "--data", "two.npz", "--out", "-", "--what", "value"]), "value\n1.0\n1.0\n");
    let error = place.wrong(&["y", "--data", "two.npz", "--out", "out.npz"]);
    assert!(error.contains("no column `y`; it has `x`, `z`"), "{error}");
    let mut bytes = fs::read(place.path("two.npz")).unwrap();
    bytes.truncate(bytes.len() / 2);
    place.with("half.npz", bytes);
    assert!(place.wrong(&["x", "--data", "half.npz", "--out", "out.npz"]).contains("is no NPZ file"));
}

#[test]
fn the_summary_as_json() {
    let place = Place::new();
    place.with("in.csv", "x\n1\n2\n");
    let text = place.ok(&["x^2", "--data", "in.csv", "--out", "out.npy", "--format", "json"]);
    let summary: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&summary["rows"], &summary["columns"]), (&2.into(), &serde_json::json!(["value", "d_x"])));
}

#[cfg(unix)]
#[test]
fn an_interrupt_leaves_nothing() {
    let place = Place::new();
    place.with("out.csv", "old");
    let mut child = place.command(&["x^2", "--data", "-", "--out", "out.csv"]).stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // More than a block, so that the output has been begun; the input stays open.
    stdin.write_all(format!("x\n{}", "1\n".repeat(5 << 20)).as_bytes()).unwrap();
    while place.names().len() < 2 {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    std::thread::sleep(std::time::Duration::from_millis(200));
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    drop(stdin);
    assert_eq!(place.names(), ["out.csv"]);
    assert_eq!(place.text("out.csv"), "old");
}

#[test]
fn quotes_are_closed_and_close_their_cells() {
    let place = Place::new();
    let batch = |text: &str, rule: &str| {
        place.with("in.csv", text);
        place.wrong(&["x*z", "--data", "in.csv", "--out", "out.csv", "--on-error", rule])
    };
    for rule in ["fail", "nan", "skip"] {
        let open = batch("x,z\n1,2\n3,\"4\n5,6\n", rule);
        assert!(open.contains("line 3: a quote is opened and never closed"), "{open}");
        let behind = batch("x,z\n1,\"2\n\"\n1,\"2\"3\n", rule);
        assert!(behind.contains("line 4: a cell goes on behind the quote"), "{behind}");
    }
    place.with("in.csv", "x,z\n\"1\" ,\"2\"\r\n3,4\n");
    place.ok(&["x*z", "--data", "in.csv", "--out", "out.csv", "--what", "value"]);
    assert_eq!(place.text("out.csv"), "value\n2.0\n12.0\n");
}
