//! Texts that nobody writes by hand: deep, long, or broken ones give a tree or a message, soon and in little space.

use chainrule::ast::Ast;
use chainrule::error::{FormulaError, Problem};
use chainrule::span::Span;
use chainrule::syntax::{Limits, parse};
use proptest::prelude::*;

fn tree(source: &str) -> Ast {
    match parse(source, &Limits::default()) {
        Ok((ast, _)) => ast,
        Err(problems) => panic!("{}", FormulaError::new("formula", source, problems)),
    }
}

fn problems(source: &str) -> Vec<Problem> {
    parse(source, &Limits::default()).map(|_| ()).expect_err("the text is bad")
}

/// Runs on a stack of 2 MB, as threads of tests and of servers have.
fn on_small_stack(work: fn()) {
    std::thread::Builder::new().stack_size(2 << 20).spawn(work).unwrap().join().unwrap();
}

#[test]
fn deep_brackets_parse() {
    on_small_stack(|| {
        let deep = 10_000;
        for (open, close) in [("(", ")"), ("sin(", ")"), ("[", "]"), ("x[", "]"), ("{", "}"), ("sum[i in 0..n](", ")")]
        {
            let ast = tree(&format!("{}x{}", open.repeat(deep), close.repeat(deep)));
            assert!(ast.to_string().contains('x'), "{open}");
        }
        tree(&format!("{}x", "iterate x from 1 while c do ".repeat(deep)));
        tree(&format!("{}1{}", "iterate x from ".repeat(deep), " while c do x".repeat(deep)));
        tree(&format!("{}n{}", "[i for i in 0..".repeat(3000), "]".repeat(3000)));
    });
}

#[test]
fn long_chains_parse() {
    on_small_stack(|| {
        for (start, link) in [
            ("x", " + x"),
            ("2", "^2"),
            ("x", "/x"),
            ("a", " and a"),
            ("x", "[0]"),
            ("a < b", " or a < b"),
            ("x", ", x"),
        ] {
            let ast = tree(&format!("{start}{}", link.repeat(100_000)));
            assert!(ast.to_string().len() > 100_000, "{link}");
        }
        for prefix in ["-", "not ", "- +"] {
            tree(&format!("{}x", prefix.repeat(100_000)));
        }
        tree(&format!("f({})", "x,".repeat(100_000) + "x"));
        tree(&format!("[{}]", "x\n,\n".repeat(100_000) + "x"));
        tree(&"x".repeat(100_000));
        tree(&format!("x{} = 1", "é".repeat(100_000)));
    });
}

#[test]
fn too_deep_is_an_error() {
    on_small_stack(|| {
        for open in ["(", "[", "{", "f(", "x[", "iterate x from "] {
            let source = open.repeat(100_000);
            assert!(matches!(problems(&source)[..], [Problem::TooDeep { .. }]), "{open}");
        }
    });
}

#[test]
fn long_texts_of_one_thing_end_soon() {
    on_small_stack(|| {
        let size = if cfg!(debug_assertions) { 50_000 } else { 1_000_000 };
        for piece in [
            "-",
            "not ",
            "^",
            "2^",
            ")",
            "]",
            "'",
            "..",
            "1.",
            "=",
            ",",
            ";",
            "\n",
            "a\n",
            "a=1\n",
            "&",
            "|",
            "(]",
            "{;",
            "a\n +",
            "a(\nb=",
            "sum[",
            "[i for i in 0..",
            "if(",
            "1 ",
            "x y ",
            "\u{301}",
            "é",
            "а",
            "\"",
            "#",
            "\r",
            "\t+\n",
        ] {
            let source = piece.repeat(size / piece.len());
            if let Err(problems) = parse(&source, &Limits::default()) {
                assert!(!problems.is_empty() && problems.len() <= 100, "{piece:?}");
                let message =
                    FormulaError::new("formula", &source, problems[..problems.len().min(3)].to_vec()).to_string();
                assert!(message.len() <= 3 * 4096, "{piece:?}: {} bytes", message.len());
            }
        }
    });
}

#[test]
fn many_statements_and_many_errors() {
    let good = (0..20_000).map(|i| format!("v{i} = sin(v{}) + 2\n", i + 1)).collect::<String>();
    assert_eq!(tree(&good).blocks[0].statements.len(), 20_000);
    assert_eq!(problems(&good.replace("2\n", "2x\n")).len(), 100);
}

#[test]
fn long_names_are_shortened() {
    let name = "n".repeat(100_000);
    for source in [format!("{name} x"), format!("{name}[i](x)"), format!("({name} + 1) = 2"), format!("f({name}, = 2")]
    {
        let message = super::errors::message(&source);
        assert!(message.len() < 4096, "{} bytes", message.len());
        assert!(message.contains('…'));
    }
}

fn check_spans(source: &str) {
    let inside = |span: Span| {
        assert!(span.start <= span.end && span.end as usize <= source.len(), "{span:?} in {source:?}");
        assert!(
            source.is_char_boundary(span.start as usize) && source.is_char_boundary(span.end as usize),
            "{source:?}"
        );
    };
    match parse(source, &Limits::default()) {
        Ok((ast, warnings)) => {
            ast.nodes.iter().for_each(|node| inside(node.span));
            ast.blocks.iter().for_each(|block| inside(block.span));
            ast.blocks.iter().flat_map(|block| &block.statements).for_each(|statement| inside(statement.span));
            for tree in &ast.trees {
                let nodes = &ast.nodes[tree.start as usize..tree.end as usize];
                let height = nodes.iter().fold(0, |height, node| height + 1 - node.kind.operands() as isize);
                assert_eq!(height, 1, "{source:?}");
            }
            warnings.iter().for_each(|warning| inside(warning.report().at));
            assert!(!ast.to_string().is_empty());
        }
        Err(problems) => {
            assert!(!problems.is_empty());
            for problem in &problems {
                let report = problem.report();
                inside(report.at);
                report.other.iter().for_each(|(span, _)| inside(*span));
            }
            let message = FormulaError::new("formula", source, problems.clone()).to_string();
            assert!(message.len() <= 4096 * problems.len(), "{message}");
            assert!(message.starts_with("error: "));
        }
    }
}

/// Texts made of what the language is made of, so that many are nearly right.
fn nearly_right() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "x",
        "y",
        "σ",
        "f",
        "sin",
        "sum",
        "max",
        "if",
        "for",
        "in",
        "while",
        "do",
        "from",
        "iterate",
        "not",
        "and",
        "or",
        "param",
        "data",
        "index",
        "1",
        "2.5",
        "1e3",
        "0..n",
        "..",
        "..=",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        "+",
        "-",
        "*",
        "/",
        "^",
        "**",
        "<",
        "<=",
        "==",
        "!=",
        "=",
        ",",
        ";",
        "\n",
        "\n  ",
        "'",
        " ",
        " ",
        " ",
        "# c\n",
        "\r\n",
        "\t",
        "²",
        "×",
        "|",
        "if(a, b, c)",
        "sum[i](x[i])",
        "z[i] = i for i in 0..n",
        "iterate x from 1 while c do ",
        "é",
    ]);
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn no_text_is_too_strange(source in "\\PC*") {
        check_spans(&source);
    }

    #[test]
    fn nearly_right_texts_are_handled(source in nearly_right()) {
        check_spans(&source);
    }
}

/// `cargo test --release --test suite -- --ignored --nocapture measure`
#[test]
#[ignore = "a measurement"]
fn measure_time_per_operator() {
    for statements in [100_000, 1_000_000] {
        let source = (17..17 + statements).map(|i| format!("v{i} = v{}*v3 + sin(v12)\n", i - 1)).collect::<String>();
        let start = std::time::Instant::now();
        let ast = tree(&source);
        let time = start.elapsed();
        // `=`, `*`, `+` and the call
        let operators = 4 * statements;
        println!(
            "{statements} statements, {:.1} MB: {time:.2?}, {:.3} µs for an operator, {} nodes",
            source.len() as f64 / 1e6,
            time.as_secs_f64() * 1e6 / operators as f64,
            ast.nodes.len()
        );
    }
    let chain = format!("x{}", " + x*y".repeat(500_000));
    let start = std::time::Instant::now();
    tree(&chain);
    println!("one sum of 10^6 operators: {:.3} µs for an operator", start.elapsed().as_secs_f64());
}
