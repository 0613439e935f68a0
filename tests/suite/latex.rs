//! Formulas in LaTeX: how they read, and that a reader of mathematics reads the same function from them.
//!
//! The reader here knows the conventions of print and nothing of the printer: juxtaposition binds tighter than a sum, an
//! exponent tighter than juxtaposition, and a function takes the brackets behind it.

use chainrule::ad::{self, Mode};
use chainrule::ops::{Eval, Op};
use chainrule::{Program, formula, interp};
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};

use crate::formula::{POINTS, formula_text, value};

fn printed(source: &str) -> String {
    let program = Program::parse(source).unwrap();
    let names: Vec<_> = program.definitions().iter().map(|name| (name.name.clone(), name.value)).collect();
    let names =
        formula::Names { func: program.graph(), values: &names, source: "", data: &[], declared: false, fixed: &[] };
    let results: Vec<usize> = (0..program.graph().results.len()).collect();
    formula::to_latex(program.graph(), &results, Some(names)).unwrap()
}

#[test]
fn formulas_are_written_as_in_print() {
    for (source, expected) in [
        ("x*z", r"x \, z"),
        ("2*x", r"2 x"),
        ("x + y - z", r"x + y - z"),
        ("x - (y + exp(z))*2", r"x - 2 \left(y + e^{z}\right)"),
        ("x/(y*z)", r"\frac{x}{y \, z}"),
        ("(x + 1)/(x - 1)", r"\frac{x + 1}{x - 1}"),
        ("(x/y)^3", r"\left(\frac{x}{y}\right)^{3}"),
        ("(x + y)^2", r"\left(x + y\right)^{2}"),
        ("(-x)^y", r"\left(-x\right)^{y}"),
        ("-x^2", r"-x^{2}"),
        ("(x^y)^z", r"\left(x^{y}\right)^{z}"),
        ("x^y^z", r"x^{y^{z}}"),
        ("exp(x)^y", r"\left(e^{x}\right)^{y}"),
        ("x^(-y)", r"x^{-y}"),
        ("x^(1/3)", r"x^{1/3}"),
        ("x^-2", r"\frac{1}{x^{2}}"),
        ("sqrt(x + 1)", r"\sqrt{x + 1}"),
        ("1/sqrt(x)", r"\frac{1}{\sqrt{x}}"),
        ("cbrt(x)", r"\sqrt[3]{x}"),
        ("sin(x)^2", r"\sin^{2}\left(x\right)"),
        ("1/sin(x)^2", r"\frac{1}{\sin^{2}\left(x\right)}"),
        ("sin(x)^y", r"\sin\left(x\right)^{y}"),
        ("erf(x)^2", r"\operatorname{erf}\left(x\right)^{2}"),
        ("e*exp(x)", r"e \, \exp\left(x\right)"),
        ("3*2^x", r"3 \cdot 2^{x}"),
        ("x*2^y", r"x \cdot 2^{y}"),
        ("1e300*x", r"10^{300} x"),
        ("1.5e-30*x", r"1.5 \cdot 10^{-30} x"),
        ("x/2", r"\frac{x}{2}"),
        ("0.5", r"\frac{1}{2}"),
        ("-2/3*x", r"-\frac{2 x}{3}"),
        ("2*pi*x", r"2 \pi \, x"),
        ("param pi\nsin(pi)*3.141592653589793", r"3.141592653589793 \, \sin\left(\pi\right)"),
        ("x/0", r"\infty \, x"),
        ("abs(x)^y", r"\left|x\right|^{y}"),
        ("floor(x)/ceil(y)", r"\frac{\left\lfloor x \right\rfloor}{\left\lceil y \right\rceil}"),
        ("div(x, y)", r"\left\lfloor \frac{x}{y} \right\rfloor"),
        ("log(x, b)", r"\log_{b}\left(x\right)"),
        ("max(x, y, 0)", r"\max\left(x, y, 0\right)"),
        ("leaky_relu(x, 0.1)", r"\operatorname{leaky\_relu}\left(x, 0.1\right)"),
        ("asinh(x)*asin(x)", r"\operatorname{arsinh}\left(x\right) \, \arcsin\left(x\right)"),
        ("digamma(x)*gamma(x)", r"\psi\left(x\right) \, \Gamma\left(x\right)"),
        ("psi*digamma(x)", r"\psi \, \operatorname{digamma}\left(x\right)"),
        ("polygamma(2, x)", r"\psi''\left(x\right)"),
        ("polygamma(5, x)", r"\psi^{\left(5\right)}\left(x\right)"),
        ("sinc'(x)", r"\operatorname{sinc}'\left(x\right)"),
        ("step(x)", r"\operatorname{step}\left(x\right)"),
        ("if(x > 0, x, 0)", r"\begin{cases} x & \text{if } x > 0 \\ 0 & \text{otherwise} \end{cases}"),
        (
            "1 + if(x > 0 and not y < ln(x), x, if(x < -1, y, z))",
            concat!(
                r"1 + \left(\begin{cases} x & \text{if } x > 0 \land \lnot \left(y < \ln\left(x\right)\right) \\ ",
                r"y & \text{if } x < -1 \\ z & \text{otherwise} \end{cases}\right)"
            ),
        ),
        (
            "if(x <= 0 or (y >= 1 and z != 2), 1, 2)",
            concat!(
                r"\begin{cases} 1 & \text{if } x \le 0 \lor y \ge 1 \land z \ne 2 \\ ",
                r"2 & \text{otherwise} \end{cases}"
            ),
        ),
        ("theta_1*x_0*width", r"\theta_{1} \, x_{0} \, \mathrm{width}"),
        ("x1*w_ij*x_max_2", r"x_{1} \, w_{\mathrm{ij}} \, x_{\mathrm{max}_{2}}"),
        ("x1 + x_1", r"x_{1} + \mathrm{x\_1}"),
        ("α*Å*б", r"\alpha \, \text{Å} \, \text{б}"),
        ("_a + b_", r"\mathrm{\_a} + \mathrm{b\_}"),
        (
            "u = x + y; u^2, u/z",
            "\\begin{aligned}\n  u &= x + y \\\\\n  y_{0} &= u^{2} \\\\\n  y_{1} &= \\frac{u}{z}\n\\end{aligned}",
        ),
    ] {
        assert_eq!(printed(source).trim_end(), expected, "{source}");
    }
}

/// Every bracket, brace and environment that opens is closed by its own kind.
fn assert_balanced(latex: &str) {
    let mut open: Vec<String> = Vec::new();
    let mut rest = latex;
    while let Some(first) = rest.chars().next() {
        let len = match first {
            '\\' => 1 + rest[1..].find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len() - 1).max(1),
            first => first.len_utf8(),
        };
        match &rest[..len] {
            "{" => open.push("}".to_owned()),
            "\\left" => open.push("\\right".to_owned()),
            "\\begin" => open.push(format!("\\end{}", &rest[len..=rest.find('}').unwrap()])),
            close @ ("}" | "\\right") => assert_eq!(open.pop().as_deref(), Some(close), "{latex}"),
            "\\end" => assert!(rest.starts_with(&open.pop().expect("it was opened")), "{latex}"),
            _ => {}
        }
        rest = &rest[len..];
    }
    assert!(open.is_empty(), "{open:?} in {latex}");
}

type Relation = fn(&f64, &f64) -> bool;
type Function = fn(f64) -> f64;

/// Reads a formula and computes it at a point, as a reader of print would.
struct Reader<'t> {
    rest: &'t str,
    values: &'t [(String, f64)],
}

impl Reader<'_> {
    fn eat(&mut self, sign: &str) -> bool {
        self.rest = self.rest.trim_start();
        while let Some(rest) = self.rest.strip_prefix("\\,") {
            self.rest = rest.trim_start();
        }
        let Some(rest) = self.rest.strip_prefix(sign) else { return false };
        let is_longer = sign.len() > 1 && sign.starts_with('\\') && sign.ends_with(|c: char| c.is_ascii_alphabetic());
        if is_longer && rest.starts_with(|c: char| c.is_ascii_alphabetic()) {
            return false;
        }
        self.rest = rest;
        true
    }

    #[track_caller]
    fn expect(&mut self, sign: &str) {
        assert!(self.eat(sign), "`{sign}` expected at `{}`", self.rest);
    }

    fn until(&mut self, end: &str) -> String {
        let (word, rest) = self.rest.split_once(end).expect("it ends");
        self.rest = rest;
        word.to_owned()
    }

    fn truth(&mut self) -> bool {
        let mut value = self.all();
        while self.eat("\\lor") {
            value |= self.all();
        }
        value
    }

    fn all(&mut self) -> bool {
        let mut value = self.condition();
        while self.eat("\\land") {
            value &= self.condition();
        }
        value
    }

    fn condition(&mut self) -> bool {
        if self.eat("\\lnot") {
            return !self.condition();
        }
        if self.eat("\\text{true}") {
            return true;
        }
        if self.eat("\\text{false}") {
            return false;
        }
        // Brackets may hold a condition or the beginning of a sum.
        let start = self.rest;
        if self.eat("\\left(") {
            let depth_end = matching(self.rest);
            if is_condition(&self.rest[..depth_end]) {
                let value = self.truth();
                self.expect("\\right)");
                return value;
            }
            self.rest = start;
        }
        let left = self.sum();
        let signs: [(&str, Relation); 6] =
            [("<", f64::lt), ("\\le", f64::le), (">", f64::gt), ("\\ge", f64::ge), ("=", f64::eq), ("\\ne", f64::ne)];
        for (sign, holds) in signs {
            if self.eat(sign) {
                return holds(&left, &self.sum());
            }
        }
        // The name of a condition.
        left == 1.0
    }

    fn sum(&mut self) -> f64 {
        let mut value = if self.eat("-") { -self.product() } else { self.product() };
        loop {
            if self.eat("+") {
                value += self.product();
            } else if self.eat("-") {
                value -= self.product();
            } else {
                return value;
            }
        }
    }

    fn product(&mut self) -> f64 {
        let mut value = self.power();
        loop {
            self.eat("");
            let ends = [
                "+", "-", "/", "<", ">", "=", ",", "&", "}", "\\right", "\\\\", "\\le ", "\\ge ", "\\ne ", "\\land",
                "\\lor", "\\end",
            ];
            if self.rest.is_empty() || ends.iter().any(|end| self.rest.starts_with(end)) {
                return value;
            }
            let dotted = self.eat("\\cdot");
            let digits = self.rest.trim_start().starts_with(|c: char| c.is_ascii_digit());
            assert!(dotted || !digits, "two numbers run together at `{}`", self.rest);
            value *= self.power();
        }
    }

    fn power(&mut self) -> f64 {
        let base = self.atom();
        if !self.eat("^{") {
            return base;
        }
        let exponent = self.exponent();
        assert!(!self.eat("^"), "two exponents at `{}`", self.rest);
        base.powf(exponent)
    }

    /// What stands in an exponent, to its brace: there `1/3` has a slash.
    fn exponent(&mut self) -> f64 {
        let value = self.sum();
        if self.eat("/") {
            let below = self.sum();
            self.expect("}");
            return value / below;
        }
        self.expect("}");
        value
    }

    fn atom(&mut self) -> f64 {
        let signs: [(&str, &str, Function); 5] = [
            ("\\left(", "\\right)", |a| a),
            ("\\left|", "\\right|", f64::abs),
            ("\\left\\lfloor", "\\right\\rfloor", f64::floor),
            ("\\left\\lceil", "\\right\\rceil", f64::ceil),
            ("\\sqrt{", "}", f64::sqrt),
        ];
        for (left, right, of) in signs {
            if self.eat(left) {
                let value = self.sum();
                self.expect(right);
                return of(value);
            }
        }
        if self.eat("\\sqrt[3]{") {
            let value = self.sum();
            self.expect("}");
            return value.cbrt();
        }
        if self.eat("\\frac{") {
            let above = self.sum();
            self.expect("}");
            self.expect("{");
            let below = self.sum();
            self.expect("}");
            return above / below;
        }
        if self.eat("\\begin{cases}") {
            return self.cases();
        }
        for (name, value) in self.values {
            if self.eat(name) {
                return *value;
            }
        }
        for (name, value) in [
            ("\\pi", std::f64::consts::PI),
            ("\\tau", std::f64::consts::TAU),
            ("\\infty", f64::INFINITY),
            ("\\mathrm{NaN}", f64::NAN),
            ("e", std::f64::consts::E),
        ] {
            if self.eat(name) {
                return value;
            }
        }
        let digits = self.rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(self.rest.len());
        if digits > 0 {
            let (number, rest) = self.rest.split_at(digits);
            self.rest = rest;
            return number.parse().unwrap();
        }
        self.function()
    }

    fn cases(&mut self) -> f64 {
        let mut chosen = None;
        loop {
            let value = self.sum();
            self.expect("&");
            if self.eat("\\text{otherwise}") {
                self.expect("\\end{cases}");
                return chosen.unwrap_or(value);
            }
            self.expect("\\text{if }");
            if self.truth() && chosen.is_none() {
                chosen = Some(value);
            }
            self.expect("\\\\");
        }
    }

    fn function(&mut self) -> f64 {
        self.expect("\\");
        let name = if self.eat("operatorname{") {
            self.until("}").replace("\\_", "_")
        } else {
            let len = self.rest.find(|c: char| !c.is_ascii_alphabetic()).expect("a function has brackets");
            let (name, rest) = self.rest.split_at(len);
            self.rest = rest;
            name.to_owned()
        };
        let (mut base, mut order, mut exponent) = (None, 0.0, 1.0);
        if self.eat("_{") {
            base = Some(self.sum());
            self.expect("}");
        }
        while self.eat("'") {
            order += 1.0;
        }
        if self.eat("^{\\left(") {
            order = self.sum();
            self.expect("\\right)}");
        } else if self.eat("^{") {
            exponent = self.exponent();
        }
        self.expect("\\left(");
        let mut args = vec![self.sum()];
        while self.eat(",") {
            args.push(self.sum());
        }
        self.expect("\\right)");
        let name = match (name.as_str(), order > 0.0) {
            ("log", _) => {
                let base = base.expect("a logarithm has a base");
                return (args[0].ln() / base.ln()).powf(exponent);
            }
            ("sinc", true) => "sinc_n",
            ("psi", true) => "polygamma",
            ("psi", false) => "digamma",
            ("Gamma", _) => "gamma",
            ("arcsin", _) => "asin",
            ("arccos", _) => "acos",
            ("arctan", _) => "atan",
            ("arsinh", _) => "asinh",
            ("arcosh", _) => "acosh",
            ("artanh", _) => "atanh",
            (name, _) => name,
        };
        if order > 0.0 {
            args.insert(0, order);
        }
        let op = Op::by_name(name).unwrap_or_else(|| panic!("{name} is no function"));
        let value = match (op.row().eval, args.as_slice()) {
            (Eval::F1(f), &[a]) => f(a),
            (Eval::F2(f), &[a, b]) => f(a, b),
            (Eval::F3(f), &[a, b, c]) => f(a, b, c),
            (Eval::Fold(f), args) => args.iter().copied().reduce(f).unwrap(),
            _ => panic!("{name} of {args:?}"),
        };
        value.powf(exponent)
    }
}

/// Where the bracket that has just been opened is closed.
fn matching(text: &str) -> usize {
    let mut depth = 0usize;
    let mut ends = text.match_indices("\\left").map(|(at, _)| (at, true)).collect::<Vec<_>>();
    ends.extend(text.match_indices("\\right").map(|(at, _)| (at, false)));
    ends.sort_unstable();
    for (at, opens) in ends {
        match (opens, depth) {
            (true, _) => depth += 1,
            (false, 0) => return at,
            (false, _) => depth -= 1,
        }
    }
    text.len()
}

/// Whether a comparison or a junction stands outside all brackets and environments.
fn is_condition(text: &str) -> bool {
    const SIGNS: [&str; 9] = ["<", "\\le ", ">", "\\ge ", " = ", "\\ne ", "\\land ", "\\lor ", "\\lnot "];
    SIGNS.iter().flat_map(|sign| text.match_indices(sign)).any(|(at, _)| {
        let count = |word: &str| text[..at].matches(word).count();
        count("\\left") == count("\\right") && count("\\begin") == count("\\end")
    })
}

/// A whole text: a formula, or the statements of `aligned` with the values of their names.
fn read(latex: &str, point: &[(String, f64)]) -> f64 {
    let mut values = point.to_vec();
    let Some(body) = latex.strip_prefix("\\begin{aligned}\n") else { return formula_value(latex, &values) };
    let mut last = f64::NAN;
    for line in body.trim_end().strip_suffix("\n\\end{aligned}").expect("it ends").split(" \\\\\n") {
        let (name, formula) = line.trim_start().split_once('&').expect("it is aligned");
        last = formula_value(formula.strip_prefix('=').unwrap_or(formula), &values);
        if !name.is_empty() {
            // Longer names first: `t_{12}` begins like no other, but `u` like `u_{2}`.
            values.insert(0, (name.trim_end().to_owned(), last));
            values.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
        }
    }
    last
}

fn formula_value(latex: &str, values: &[(String, f64)]) -> f64 {
    let mut reader = Reader { rest: latex, values };
    let value = if is_condition(latex) { f64::from(reader.truth()) } else { reader.sum() };
    assert!(reader.rest.trim().is_empty(), "`{}` is left of {latex}", reader.rest);
    value
}

/// The same cases every time.
#[test]
fn a_reader_reads_the_same_function() {
    let config = ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let compared = std::cell::Cell::new(0);
    let checked = runner.run(&formula_text(), |source| {
        let program = Program::parse(&source).unwrap();
        let func = program.graph();
        for index in 0..func.params.len() {
            let derivative = ad::gradient(func, &[index], Mode::Auto);
            let latex = formula::to_latex(&derivative, &[1], None).unwrap();
            assert_balanced(&latex);
            for point in POINTS {
                let here = &point[..func.params.len()];
                if interp::values(&derivative, here).iter().any(|value| !value.as_f64().is_finite()) {
                    continue;
                }
                let named: Vec<_> =
                    func.params.iter().map(|param| param.name.clone()).zip(here.iter().copied()).collect();
                let (expected, found) = (value(&derivative, 1, here), read(&latex, &named));
                // The two documented exceptions: `x^y*ln(x)` at `x = 0`, and `x/hypot(x, y)` at (0, 0).
                if found.is_nan() && (latex.contains("\\ln") || latex.contains("hypot")) {
                    continue;
                }
                let moved = |factor: f64| {
                    (value(&derivative, 1, &here.iter().map(|x| x * factor).collect::<Vec<_>>()) - expected).abs()
                };
                let unsure = 1e4 * (moved(1.0 + 1e-13) + moved(1.0 - 1e-13));
                let close =
                    (expected - found).abs() <= 1e-9 * expected.abs() + 1e-12 || (expected - found).abs() <= unsure;
                prop_assert!(close || unsure.is_nan(), "{} became {} at {:?} in\n{}", expected, found, here, latex);
                compared.set(compared.get() + 1);
            }
        }
        Ok(())
    });
    checked.unwrap();
    assert!(compared.get() > 1000, "{} values were compared", compared.get());
}

/// A long and a deep program: the text is of linear size, and nothing recurses along it.
#[test]
fn large_formulas_are_written() {
    for source in [
        format!("{}x{}", "exp(-".repeat(5_000), ")".repeat(5_000)),
        format!("{}x{}", "if(x > 0, x, ".repeat(2_000), ")".repeat(2_000)),
        (0..5_000).map(|i| format!("(x + {i})")).collect::<Vec<_>>().join("*"),
    ] {
        let program = Program::parse(&source).unwrap();
        let derivative = program.gradient().mode(Mode::Reverse).graph().unwrap();
        let latex = formula::to_latex(&derivative, &[1], None).unwrap();
        assert_balanced(&latex);
        assert!(latex.len() < 100 * derivative.operations() + 100, "{} bytes", latex.len());
    }
}
