//! The words of the language that the syntax must know.

pub(super) const RESERVED: &[&str] = &["and", "or", "not", "if", "for", "in", "from", "while", "do", "iterate"];

/// Names that stand before `[…](…)`.
pub(crate) const REDUCTIONS: &[&str] =
    &["sum", "prod", "max", "min", "mean", "logsumexp", "softmax", "argmax", "argmin"];

/// Built-in functions, for hints only: `sin x` is told to be `sin(x)`. What they mean is not known here.
#[rustfmt::skip]
pub(super) const FUNCTIONS: &[&str] = &[
    "exp", "expm1", "exp2", "ln", "log", "log2", "log10", "log1p", "sqrt", "cbrt", "pow", "hypot", "sin", "cos", "tan",
    "asin", "acos", "atan", "atan2", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "sinc", "abs", "sign", "min",
    "max", "floor", "ceil", "round", "trunc", "mod", "div", "clamp", "erf", "erfc", "gamma", "lgamma", "digamma",
    "sigmoid", "softplus", "relu", "leaky_relu", "silu", "gelu", "step", "logit", "xlogy", "polygamma", "stop",
    "arcsin", "arccos", "arctan", "arctan2", "fabs", "signum", "detach", "d", "grad", "jacobian", "hessian", "jvp", "vjp",
];

/// Signs that people write and the language does not have, with the spelling it has. Longer ones first.
pub(super) const SPELLINGS: &[(&str, &str)] = &[
    ("===", "=="),
    ("!==", "!="),
    ("&&", "and"),
    ("||", "or"),
    ("<>", "!="),
    ("=<", "<="),
    ("=>", ">="),
    ("//", "div(a, b)"),
    ("+=", "a = a + b"),
    ("-=", "a = a - b"),
    ("*=", "a = a*b"),
    ("/=", "a = a/b"),
    ("^=", "a = a^b"),
    (":=", "="),
    ("&", "and"),
    ("!", "not"),
    ("~", "not"),
    ("%", "mod(a, b)"),
    ("?", "if(c, a, b)"),
    ("×", "*"),
    ("·", "*"),
    ("\u{387}", "*"),
    ("⋅", "*"),
    ("∗", "*"),
    ("∙", "*"),
    ("•", "*"),
    ("÷", "/"),
    ("∕", "/"),
    ("⁄", "/"),
    ("−", "-"),
    ("–", "-"),
    ("—", "-"),
    ("‐", "-"),
    ("‑", "-"),
    ("＋", "+"),
    ("－", "-"),
    ("＊", "*"),
    ("／", "/"),
    ("＝", "="),
    ("（", "("),
    ("）", ")"),
    ("，", ","),
    ("；", ";"),
    ("≤", "<="),
    ("≥", ">="),
    ("≠", "!="),
    ("≡", "=="),
    ("∧", "and"),
    ("∨", "or"),
    ("¬", "not"),
    ("←", "="),
    ("≔", "="),
    ("⁰", "^0"),
    ("¹", "^1"),
    ("²", "^2"),
    ("³", "^3"),
    ("⁴", "^4"),
    ("⁵", "^5"),
    ("⁶", "^6"),
    ("⁷", "^7"),
    ("⁸", "^8"),
    ("⁹", "^9"),
    ("⁻", "^-"),
    ("₀", "_0"),
    ("₁", "_1"),
    ("₂", "_2"),
    ("₃", "_3"),
    ("₄", "_4"),
    ("₅", "_5"),
    ("₆", "_6"),
    ("₇", "_7"),
    ("₈", "_8"),
    ("₉", "_9"),
    ("½", "1/2"),
    ("¼", "1/4"),
    ("¾", "3/4"),
    ("√", "sqrt(x)"),
    ("∛", "cbrt(x)"),
    ("∞", "inf"),
    ("∑", "sum[i](x[i])"),
    ("∏", "prod[i](x[i])"),
    ("∂", "d(y, x)"),
    ("∇", "grad(y, x)"),
    ("…", ".."),
    ("‘", "'"),
    ("’", "'"),
    ("′", "'"),
    ("″", "''"),
    ("`", "'"),
    ("\u{a0}", " "),
    ("\u{2009}", " "),
    ("\u{202f}", " "),
    ("\u{3000}", " "),
    ("\u{2028}", ";"),
    ("\u{2029}", ";"),
    ("\u{85}", ";"),
    ("\r", ";"),
    ("\u{c}", " "),
    ("\u{b}", " "),
];

/// Words that begin definitions and results elsewhere.
pub(super) const FOREIGN: &[&str] = &["let", "var", "const", "def", "fn", "function", "return", "local", "set"];

/// The language's spelling of a sign that it does not have.
pub(super) fn spelling(sign: &str) -> Option<&'static str> {
    SPELLINGS.iter().find(|(found, _)| *found == sign).map(|(_, spelling)| *spelling)
}

pub(super) fn is_reserved(word: &str) -> bool {
    RESERVED.contains(&word)
}

pub(super) fn is_reduction(name: &str) -> bool {
    REDUCTIONS.contains(&name)
}

pub(super) fn is_function(name: &str) -> bool {
    FUNCTIONS.contains(&name)
}
