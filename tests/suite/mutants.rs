//! Texts that are nearly right, made of those under `tests/` by cutting, joining and sprinkling: each is an error with a
//! message, or a program whose graphs verify, read back and give the same bits as machine code.

use chainrule::{Backend, Error, Limits, Program, ir};

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
        TOKENS[self.below(TOKENS.len())]
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
