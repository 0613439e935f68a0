//! What is measured: the seed, Rosenbrock's function, and a dozen formulas as people have them.

use std::borrow::Cow;

pub struct Formula {
    pub name: Cow<'static, str>,
    pub text: Cow<'static, str>,
    /// Each argument is spread around its number here.
    pub around: Cow<'static, [f64]>,
}

const fn formula(name: &'static str, text: &'static str, around: &'static [f64]) -> Formula {
    Formula { name: Cow::Borrowed(name), text: Cow::Borrowed(text), around: Cow::Borrowed(around) }
}

impl Formula {
    /// Columns of points, in the order of the arguments, 20 % around their numbers; always the same.
    pub fn columns(&self, points: usize) -> Vec<Vec<f64>> {
        let spread = |column: usize, point: usize| ((point * 7919 + column * 104_729) % 10_007) as f64 / 10_007.0;
        let column = |(column, around): (usize, &f64)| {
            (0..points).map(|point| around * (0.8 + 0.4 * spread(column, point))).collect()
        };
        self.around.iter().enumerate().map(column).collect()
    }
}

/// The formula that all tools are measured on.
pub const SEED: Formula = formula("seed", "exp(x*z) + x*z/ln(x) + sin(ln(x))/(x*z)", &[2.0, 1.5]);

/// Rosenbrock's function of so many arguments.
pub fn rosenbrock(n: usize) -> Formula {
    let term = |i: usize| format!("100*(x{} - x{i}^2)^2 + (1 - x{i})^2", i + 1);
    let text = (0..n - 1).map(term).collect::<Vec<_>>().join(" + ");
    Formula { name: format!("rosenbrock {n}").into(), text: text.into(), around: vec![1.0; n].into() }
}

/// Physics, finance, statistics.
pub const MIXED: [Formula; 12] = [
    formula("damped oscillation", "a*exp(-b*t)*cos(w*t + p)", &[2.0, 0.3, 4.0, 7.0, 0.5]),
    formula("Planck's law", "v^3/expm1(v/t)", &[2.0, 1.5]),
    formula("Morse potential", "d*(1 - exp(-a*(r - q)))^2", &[4.5, 1.9, 1.1, 0.74]),
    formula("Lennard-Jones", "s = g^2/(x^2 + y^2 + z^2)\n4*e*(s^6 - s^3)", &[1.1, 0.9, 0.7, 0.8, 1.2]),
    formula("screened Coulomb", "r = sqrt(x^2 + y^2 + z^2)\nq*exp(-k*r)/r", &[1.0, 0.5, 0.7, 1.6, 0.4]),
    formula(
        "Black-Scholes",
        "v = s*sqrt(t)\nd = (ln(x/k) + (r + 0.5*s^2)*t)/v\n\
         x*0.5*erfc(-d/sqrt(2)) - k*exp(-r*t)*0.5*erfc((v - d)/sqrt(2))",
        &[0.25, 1.5, 105.0, 100.0, 0.03],
    ),
    formula(
        "Vasicek bond",
        "b = (1 - exp(-k*t))/k\nexp((h - 0.5*s^2/k^2)*(b - t) - 0.25*s^2*b^2/k - b*r)",
        &[0.6, 4.0, 0.05, 0.02, 0.03],
    ),
    formula("SVI variance", "a + b*(c*(k - m) + sqrt((k - m)^2 + s^2))", &[0.04, 0.2, -0.4, 0.1, 0.05, 0.3]),
    formula("normal log density", "-0.5*((x - m)/s)^2 - ln(s)", &[1.2, 0.9, 0.6]),
    formula("logistic regression", "p = 1/(1 + exp(-(a + b*x)))\ny*ln(p) + (1 - y)*ln(1 - p)", &[0.4, 1.3, 0.7, 0.5]),
    formula("Student's t", "-(0.5*(n + 1))*ln(1 + ((x - m)/s)^2/n) - ln(s)", &[5.0, 1.4, 0.2, 0.8]),
    formula("log of a sum of exponentials", "ln(exp(a) + exp(b) + exp(c))", &[1.1, -0.6, 0.4]),
];
