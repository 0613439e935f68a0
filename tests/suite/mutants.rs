//! Texts that are nearly right, made of those under `tests/` by cutting, joining and sprinkling: each is an error with a
//! message, or a program whose graphs verify, read back and give the same bits as machine code.

use chainrule::lower::{Binding, lower, resolve};
use chainrule::syntax::parse;
use chainrule::{Backend, Error, Limits, Program, interp, ir};

/// What is sprinkled.
const TOKENS: [&str; 40] = [
    "if(",
    ")",
    "(",
    "x",
    "y",
    "^",
    "'",
    "d(",
    ",",
    "\n",
    "{",
    "}",
    "1",
    "2",
    "-",
    "*",
    "/",
    "max(",
    "exp(",
    "ln(",
    "sqrt(",
    "index n\n",
    "div(",
    "mod(",
    "n",
    "0",
    "f(x) = ",
    "f(",
    "and ",
    "x > 0",
    "sin",
    "grad(",
    "hessian(",
    "stop(",
    "1e308",
    "9223372036854775807",
    "-1",
    "x^y",
    "pow(",
    "clamp(",
];

const ARRAY_TOKENS: [&str; 24] = [
    "[i]",
    "[i, j]",
    "[0]",
    "[i - 1]",
    "[n]",
    "x[i]",
    "W[i, j]",
    "W[1]",
    "sum[i](",
    "sum[j in 0..i](",
    "prod[i](",
    "max[i if i > 0](",
    "mean[i, j](",
    "logsumexp[k](",
    "softmax[i](",
    "argmax[i](",
    "z[i] = ",
    "z[0] = ",
    "z[i, i] = ",
    " for i",
    " for i in 0..3",
    " for i in 1..=N",
    "param x[N], W[N, M]\n",
    "floor(",
];

/// A xorshift generator: every run makes the same texts.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n.max(1) as u64) as usize
    }

    fn token(&mut self) -> &'static str {
        let place = self.below(TOKENS.len() + ARRAY_TOKENS.len());
        TOKENS.get(place).copied().unwrap_or_else(|| ARRAY_TOKENS[place - TOKENS.len()])
    }

    fn mutant(&mut self, corpus: &[String]) -> String {
        let mut text: Vec<char> = if self.below(4) == 0 {
            (0..self.below(14)).flat_map(|_| self.token().chars()).collect()
        } else {
            corpus[self.below(corpus.len())].chars().collect()
        };
        for _ in 0..self.below(5) {
            let at = self.below(text.len());
            match self.below(3) {
                0 => drop(text.splice(at..at, self.token().chars())),
                1 => drop(text.drain(at..(at + self.below(10)).min(text.len()))),
                _ => {
                    let other: Vec<char> = corpus[self.below(corpus.len())].chars().collect();
                    let start = self.below(other.len());
                    let end = (start + self.below(30)).min(other.len());
                    text.splice(at..at, other[start..end].iter().copied());
                }
            }
        }
        text.into_iter().collect()
    }
}

fn corpus() -> Vec<String> {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/tests");
    let mut paths: Vec<_> = ["errors", "formulas", "graphs", "derive"]
        .iter()
        .flat_map(|folder| std::fs::read_dir(format!("{root}/{folder}")).expect("the folder is there"))
        .map(|entry| entry.expect("it can be read").path())
        .collect();
    paths.sort();
    let texts = paths.iter().filter_map(|path| std::fs::read_to_string(path).ok());
    texts.filter(|text| text.len() < 2_000).collect()
}

/// The values and derivatives at the origin, by one back end.
fn answer(program: &Program, backend: Backend) -> Result<Vec<f64>, Error> {
    let code = program.jacobian().backend(backend).compile()?;
    let (mut values, mut slopes) = (vec![0.0; code.layout().outs[0]], vec![0.0; code.layout().outs[1]]);
    code.call(&vec![0.0; program.arguments().len()], &mut values, &mut slopes)?;
    values.append(&mut slopes);
    Ok(values)
}

#[test]
fn mutants_are_errors_or_programs() {
    let (corpus, mut dice, mut programs) = (corpus(), Dice(7), 0);
    let limits = Limits { operations: 5_000, ..Limits::default() };
    for _ in 0..20_000 {
        let text = dice.mutant(&corpus);
        let program = match Program::parse_with("mutant", &text, &limits) {
            Ok(program) => program,
            Err(error) => {
                assert!(error.to_string().contains("error"), "{text}");
                continue;
            }
        };
        if program.has_arrays() {
            continue;
        }
        programs += 1;
        // Compiling takes most of the time: every fourth is enough.
        if programs % 4 != 0 {
            continue;
        }
        let graph = program.jacobian().graph().expect("every program has derivatives");
        assert_eq!(ir::verify::verify(&graph), Ok(()), "{text}");
        let back = ir::parse::parse(&graph.to_string()).unwrap_or_else(|error| panic!("{text}\n{graph}\n{error}"));
        assert_eq!(back.to_string(), graph.to_string(), "{text}");
        match (answer(&program, Backend::Auto), answer(&program, Backend::Interpreter)) {
            (Ok(a), Ok(b)) => {
                let same = |(a, b): (&f64, &f64)| a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan());
                assert!(a.iter().zip(&b).all(same), "{text}\n{a:?}\n{b:?}");
            }
            (a, b) => assert_eq!(a.is_err(), b.is_err(), "{text}"),
        }
    }
    assert!(programs > 500, "only {programs} mutants are programs");
}

/// Programs with arrays that mean something where every extent is 3.
const WITH_ARRAYS: [&str; 16] = [
    "sum[i](x[i]*y[i])",
    "param x[N], W[N, M]\n[sum[i](W[i, j]*x[i]) for j]",
    "z[i] = sum[j in 0..i](x[j]^2)\nmax[i](z[i])",
    "z[0] = 1\nz[i] = x[i - 1] for i in 1..=3\nsum[i](z[i + 1])",
    "p[n, k] = softmax[k](W[n, k])\nmean[n, k](ln(p[n, k]))",
    "logsumexp[k](sum[i](W[k, i]))",
    "index n\nparam x[N]\nsum[i in 0..n if i != 1](x[i]/i)",
    "norm(a) = sqrt(sum[i](a[i]^2))\nparam x[N]\nnorm(x - [1, 2, 3])",
    "index o[P]\nparam x[N]\nprod[p](x[o[p]])",
    "L[i, j] = i + j for i in 0..3, j in 0..=i\nsum[i in 0..3, j in 0..=i](L[i, j])",
    "param x[N]\nif(x[0] > 0, x, -x)",
    "param x[N]\n{ a = 2*x; [a[i] + i for i] }",
    "x[argmax[i](x[i])]",
    "f(t, k) = t^k\nsum[i](f(x[i], i))",
    "param W[N, N]\nI[i, i] = 1\nI[i, j] = 0 for i in 0..N, j in 0..N\nW - I",
    "[[x[i + j] for i in 0..2] for j in 0..2]",
];

/// What a program is bound to: every extent is 3.
fn binding(ast: &chainrule::ast::Ast) -> Binding {
    let names = resolve(ast);
    let mut binding = Binding::default();
    for argument in &names.arguments {
        let name = ast.name(argument.name).to_owned();
        if argument.rank == 0 {
            binding.index.insert(name, 2);
        } else {
            binding.shapes.insert(name, vec![3; argument.rank]);
        }
    }
    binding.sizes = names.sizes.iter().map(|&(name, _)| (ast.name(name).to_owned(), 3)).collect();
    binding
}

#[test]
fn mutants_with_arrays_are_errors_or_graphs() {
    let with_arrays = corpus().into_iter().filter(|text| text.contains('[') && text.len() < 200);
    let corpus: Vec<String> = WITH_ARRAYS.iter().map(|&text| text.to_owned()).chain(with_arrays.take(16)).collect();
    let (mut dice, mut graphs) = (Dice(11), 0);
    let limits = Limits { operations: 5_000, elements: 100_000, turns: 100, ..Limits::default() };
    for _ in 0..20_000 {
        let text = dice.mutant(&corpus);
        let Ok((ast, _)) = parse(&text, &limits) else { continue };
        let func = match lower(&ast, &limits, &binding(&ast)) {
            Ok(lowered) => lowered.func,
            Err(problems) => {
                assert!(!problems.is_empty(), "{text}");
                continue;
            }
        };
        graphs += 1;
        assert_eq!(ir::verify::verify(&func), Ok(()), "{text}");
        let back = ir::parse::parse(&func.to_string()).unwrap_or_else(|error| panic!("{text}\n{func}\n{error}"));
        assert_eq!(back.to_string(), func.to_string(), "{text}");
        let ones = |shape: &[usize]| vec![1.0; shape.iter().product()];
        let args: Vec<Vec<f64>> = func.params.iter().map(|param| ones(&param.shape)).collect();
        let args: Vec<&[f64]> = args.iter().map(Vec::as_slice).collect();
        let turns = func.insts().iter().filter(|inst| matches!(inst, ir::Inst::Region(_))).count();
        // What it gives is the business of others; here it must end.
        if turns < 8 {
            let _ = interp::call(&func, &args);
        }
    }
    assert!(graphs > 1000, "only {graphs} mutants are graphs");
}
