//! The graphs of the programs in `tests/graphs`: primal, forward and reverse; and what passes make of the graphs in `tests/ir`,
//! whose first line names the pass.

use chainrule::ir::parse::parse;
use chainrule::ir::verify::verify;
use chainrule::{Mode, Program, Relaxation, ad, opt};

#[test]
fn programs_become_graphs_as_agreed() {
    insta::glob!("../graphs", "*.txt", |path| {
        let source = std::fs::read_to_string(path).unwrap();
        let program = Program::parse(&source).unwrap_or_else(|error| panic!("{error}"));
        let primal = opt::compact(program.graph());
        let forward = program.jvp().graph().expect("a derivative");
        let reverse = if program.results().len() == 1 {
            program.gradient().mode(Mode::Reverse).graph().expect("a gradient")
        } else {
            program.vjp().graph().expect("a derivative")
        };
        let text = format!("{source}\n# primal\n{primal}\n# forward\n{forward}\n# reverse\n{reverse}");
        insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!(text);
        });
    });
}

#[test]
fn passes_change_graphs_as_agreed() {
    insta::glob!("../ir", "*.ir", |path| {
        let source = std::fs::read_to_string(path).unwrap();
        let func = parse(&source).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let words: Vec<&str> = source.lines().next().unwrap_or_default().split_whitespace().skip(1).collect();
        let all: Vec<usize> = (0..func.params.len()).collect();
        let after = match words[..] {
            ["read"] => func,
            ["compact"] => opt::compact(&func),
            ["release"] => opt::release(&func),
            ["relax", name] => opt::relax(&func, &[Relaxation::by_name(name).expect("a relaxation")]),
            ["jvp"] => ad::jvp(&func, &all),
            ["vjp"] => ad::vjp(&func, &all),
            ["hessian"] => ad::hessian(&func, &all, Mode::Reverse),
            _ => panic!("{} does not begin with `# pass`", path.display()),
        };
        assert_eq!(verify(&after), Ok(()));
        insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!(format!("{source}\n# after\n{after}"));
        });
    });
}
