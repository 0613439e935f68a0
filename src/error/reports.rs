//! The words of every problem and warning.

use super::{Problem, Report, Warning};
use crate::ops::Fault;
use crate::span::Span;
use crate::syntax::REDUCTIONS;

impl Problem {
    /// The problem in words.
    pub fn report(&self) -> Report {
        match self {
            Problem::Empty { at, only_comments } => {
                let message = if *only_comments { "there are only comments here" } else { "the text is empty" };
                report(message, *at, "expected an expression").help("a formula is, for example, `x^2 + sin(x)`")
            }
            Problem::NotUtf8 { at, byte } => report("the text is not UTF-8", *at, format!("byte 0x{byte:02X} here"))
                .help("save the file with the encoding UTF-8"),
            Problem::TooLong { bytes, limit } => {
                let message = format!("the text has {bytes} bytes, more than the limit of {limit}");
                report(message, Span::default(), "")
            }
            Problem::TooDeep { at, limit } => {
                report(format!("the text is nested more than {limit} levels deep"), *at, "too deep from here")
                    .help("give an inner part a name: `a = …`, and use `a`")
            }
            Problem::NoThread { at, depth } => {
                let message = format!("there is no memory for a text nested {depth} levels deep");
                report(message, *at, "this is the deepest statement")
            }

            Problem::UnknownSign { at, sign, spelling, mended } => {
                let report = report(format!("unknown {}", sign_name(sign)), *at, "not part of the language");
                match (mended, spelling) {
                    (Some(mended), _) => report.help(write(mended)),
                    (None, Some(" ")) => report.help("write a plain space"),
                    (None, Some(";")) => report.help("write `;` or an ordinary newline between statements"),
                    (None, Some(spelling)) => report.help(write(spelling)),
                    (None, None) => report,
                }
            }
            Problem::MalformedNumber { at, text, mended } => {
                let report = report(format!("malformed number `{}`", shorten(text)), *at, "this is not a number");
                match mended {
                    Some(mended) => report.help(write(mended)),
                    None => report.help("numbers are written `1`, `.5`, `2.5e-3` or `1_000`"),
                }
            }
            Problem::NumberTooLarge { at } => {
                report("the number is larger than any double", *at, "the largest is about 1.8e308")
                    .help("write `inf` for infinity")
            }
            Problem::ReservedWord { at, word } => {
                report(format!("`{word}` is a reserved word, not a name"), *at, "a name or a value is expected here")
                    .help(match word.as_str() {
                        "if" => "a conditional is `if(condition, a, b)`".to_string(),
                        "for" => "`z[i] = e for i in 0..n`, or `[e for i in 0..n]`".to_string(),
                        "while" | "do" | "from" | "iterate" => {
                            "a loop is `iterate x from start while condition do next`".to_string()
                        }
                        _ => format!("choose another name, such as `{word}_`"),
                    })
            }
            Problem::MisplacedMark { at } => {
                report("a derivative mark belongs to the name of a function", *at, "this is not a function's name")
                    .help("`f'(x)` is the derivative of `f` at `x`")
            }

            Problem::Unclosed { opened, bracket, at } => {
                let closer = closer(*bracket);
                report(format!("missing `{closer}`"), *at, format!("expected `{closer}`"))
                    .other(*opened, format!("this `{bracket}` is not closed"))
            }
            Problem::Unopened { at, bracket } => {
                report(format!("`{bracket}` closes nothing"), *at, "no bracket is open here")
            }
            Problem::Mismatched { opened, bracket, closed, closer: found } => {
                let wanted = closer(*bracket);
                report(format!("`{found}` does not close `{bracket}`"), *closed, format!("expected `{wanted}`"))
                    .other(*opened, "opened here")
            }
            Problem::EmptyBrackets { at } => report("there is nothing between the brackets", *at, "expected a value"),
            Problem::UnclearLine { sign, above, joined, apart } => {
                let message = "whether this line goes on with the statement above can't be seen";
                report(message, *sign, "a line that begins with a sign")
                    .other(*above, "the statement above")
                    .help(format!("to go on, write `{}`", shorten_to(joined, 100)))
                    .help(format!("to begin a statement, write `{}`", shorten_to(apart, 100)))
            }

            Problem::MissingOperand { at, before, found } => {
                let message = match (before, found) {
                    (Some((_, before)), None) => format!("nothing follows `{before}`"),
                    (Some((_, before)), Some(found)) => {
                        format!("a value is missing between `{before}` and `{}`", shorten(found))
                    }
                    (None, Some(found)) => format!("a value is missing before `{}`", shorten(found)),
                    (None, None) => "a value is missing".to_string(),
                };
                report(message, *at, "expected a value")
            }
            Problem::MissingArgument { at } => report("a value is missing at the comma", *at, "expected a value"),
            Problem::ImplicitProduct { left, right, mended } => {
                report("two values stand side by side", *right, "expected an operator")
                    .other(*left, "after this value")
                    .help(format!("a product is written with `*`: `{}`", shorten_to(mended, 100)))
            }
            Problem::CallWithoutBrackets { name, function, argument, mended } => {
                report(format!("the argument of `{function}` needs brackets"), *argument, "expected `(`")
                    .other(*name, "a function")
                    .help(write(mended))
            }
            Problem::CallOfResult { callee, arguments, mended } => {
                report("only a name can be called", *arguments, "arguments of what?")
                    .other(*callee, "this is a value, not a function")
                    .help(format!("a product is written with `*`: `{}`", shorten_to(mended, 100)))
            }
            Problem::ChainedComparison { first, second, mended } => {
                report("comparisons can't be chained", *second, "the second comparison")
                    .other(*first, "the first comparison")
                    .help(write(mended))
            }
            Problem::AssignInExpression { at, mended } => {
                let report = report("`=` defines; it does not compare", *at, "inside an expression");
                match mended {
                    Some(mended) => report.help(format!("a comparison is written `{}`", shorten_to(mended, 100))),
                    None => report.help("a comparison is written `==`"),
                }
            }
            Problem::AssignInBinder { at, mended } => {
                report("a range is given with `in`, not with `=`", *at, "expected `in`").help(write(mended))
            }
            Problem::RoundBinders { at, name } => {
                report(format!("the indices of `{name}` stand in `[ ]`"), *at, "not here")
                    .help(format!("write `{name}[i in 0..n](…)`"))
            }
            Problem::LooseNot { not, operator, mended } => {
                report("`not` needs brackets here", *not, "binds looser than the operator before it")
                    .other(*operator, "this operator")
                    .help(write(mended))
            }
            Problem::ConditionAfterValue { at } => {
                report("a conditional does not follow its value", *at, "not here")
                    .help("a conditional is `if(condition, a, b)`")
            }
            Problem::IfArguments { at, found } => {
                let message = format!("`if` takes a condition and two values, not {}", arguments(*found));
                report(message, *at, "expected `if(condition, a, b)`")
            }
            Problem::MarkOnIf { at } => report("`if` is not a function", *at, "it has no derivative mark"),
            Problem::NotReduction { at, name, nearest } => {
                let message = format!("`{}[…](…)` is no reduction", shorten(name));
                let report = report(message, *at, "not the name of a reduction");
                match nearest {
                    Some(nearest) => report.help(format!("did you mean `{nearest}`?")),
                    None => report.help(format!("the reductions are {}", list_reductions())),
                }
            }
            Problem::OneIndex { at, name } => {
                report(format!("`{name}` runs over one index"), *at, "this is a second one")
            }
            Problem::SubscriptsThenCall { at, subscripts } => {
                report("an element can't be called", *at, "arguments of what?")
                    .other(*subscripts, "these subscripts give a value")
                    .help("a product is written with `*`; the brackets of a reduction hold only names of indices, ranges and a condition: `sum[i in 0..n if i != j](e)`")
            }

            Problem::BadTarget { at, equals, target } => {
                report(format!("`{}` can't be defined", shorten(target)), *at, "this is not a left side")
                    .other(*equals, "needed by this `=`")
                    .help("a left side is `a`, `f(x)`, `z[i]` or `(a, b)`; a comparison is written `==`")
            }
            Problem::BareTupleTarget { at, mended } => {
                report("several names on the left need brackets", *at, "expected `(`").help(write(mended))
            }
            Problem::BareTuple { comma, mended } => {
                report("a tuple on the right needs brackets", *comma, "unexpected comma").help(write(mended))
            }
            Problem::SecondAssign { first, second } => report("a statement has one `=`", *second, "the second one")
                .other(*first, "the first one")
                .help("write two statements, or `==` for a comparison"),
            Problem::RangesWithoutElement { at, name } => {
                let name = shorten(name);
                report("`for` belongs to the definition of an array", *at, "nothing on the left has this index")
                    .help(format!("write `{name}[i] = … for i in 0..n` or `{name} = [… for i in 0..n]`"))
            }
            Problem::RangesWithoutDefinition { at } => {
                report("`for` belongs to a definition or stands in `[ ]`", *at, "not here")
                    .help("write `z[i] = … for i in 0..n`, `[… for i in 0..n]` or `sum[i in 0..n](…)`")
            }
            Problem::UnusedValue { at, sign_below } => {
                let report = report("this value is not used", *at, "only the last statement is a result")
                    .help("give it a name: `a = …`");
                match sign_below {
                    Some(sign) => report
                        .other(*sign, "this begins another statement")
                        .help("to go on, put the sign at the end of the line above, or indent the line deeper"),
                    None => report,
                }
            }
            Problem::DeclarationInBlock { at } => report("a declaration stands in a block", *at, "not here")
                .help("arguments are declared outside of all `{ }`"),
            Problem::StateChanges { name, at, state_at, before, after } => {
                let name = shorten(name);
                report(format!("the state `{name}` changes its kind"), *at, format!("here it goes on as {after}"))
                    .other(*state_at, format!("it begins as {before}"))
                    .help("kind and shape of a state stay the same from turn to turn")
            }
            Problem::EndlessIterate { at } => report("this loop never ends", *at, "neither `for` nor `while`")
                .help("`iterate x from start while condition do next` or `iterate x from start for k in 0..n do next`"),
            Problem::SecondLimit { at, word } => report(format!("a loop has one `{word}`"), *at, "the second one"),
            Problem::CounterWithoutRange { at, name } => {
                let name = shorten(name);
                report(format!("the counter `{name}` needs a range"), *at, "how many turns?")
                    .help(format!("write `for {name} in 0..n`"))
            }

            Problem::DefinedTwice { name, at, first } => {
                report(format!("`{}` is defined twice", shorten(name)), *at, "defined again here")
                    .other(*first, "first defined here")
                    .help("a name has one meaning: choose another name for the second")
            }
            Problem::ArgumentTwice { name, at, other } => {
                report(format!("`{}` would be two arguments", shorten(name)), *at, "a parameter of the function that is the program")
                    .other(*other, "an argument of the program already")
                    .help("the parameters of the last function are arguments: choose another name for one of the two")
            }
            Problem::UsedTooEarly { name, at, defined } => {
                let message = format!("`{}` is used before it is defined", shorten(name));
                report(message, *at, "used here").other(*defined, "defined here").help("move the definition up")
            }
            Problem::UnknownName { name, at, nearest } => {
                let report = report(format!("unknown name `{}`", shorten(name)), *at, "not declared");
                match nearest {
                    Some(nearest) => report.help(format!("did you mean `{nearest}`?")),
                    None => report.help(format!("declare it: `param {0}`, `data {0}`, or `index {0}` if it is an integer", shorten(name))),
                }
            }
            Problem::UnknownFunction { name, at, nearest } => {
                let report = report(format!("unknown function `{}`", shorten(name)), *at, "no function has this name");
                match nearest {
                    _ if REDUCTIONS.contains(&name.as_str()) => {
                        report.help(format!("over an array it is written with an index: `{name}[i](x[i])`"))
                    }
                    Some(nearest) => report.help(format!("did you mean `{nearest}`?")),
                    None => report.help(format!("define it: `{0}(x) = …`; for a product write `{0}*(…)`", shorten(name))),
                }
            }
            Problem::NotFunction { name, at, defined } => {
                let report = report(format!("`{}` is not a function", shorten(name)), *at, "called here")
                    .help(format!("for a product write `{}*(…)`", shorten(name)));
                match defined {
                    Some(defined) => report.other(*defined, "defined here"),
                    None => report,
                }
            }
            Problem::NameAndFunction { name, at, call } => {
                report(format!("`{name}` is both a name and the built-in function"), *at, "a number here")
                    .other(*call, "the function here")
                    .help(format!("choose another name for the number, such as `{name}_`"))
            }
            Problem::CallsItself { name, at } => {
                report(format!("the function `{}` calls itself", shorten(name)), *at, "called in its own body")
                    .help("repetition is written as a recurrence or with `iterate`")
            }
            Problem::WrongArity { name, at, callee, found, least, most, defined } => {
                let wanted = match (*least, *most) {
                    (1, 1) => "one argument".to_string(),
                    (least, most) if least == most => format!("{least} arguments"),
                    (least, usize::MAX) => format!("{least} or more arguments"),
                    (least, most) => format!("{least} or {most} arguments"),
                };
                let name = if name.is_empty() { "this function".to_string() } else { format!("`{}`", shorten(name)) };
                let report = report(format!("{name} takes {wanted}"), *at, format!("{found} given"));
                match defined {
                    Some(defined) if defined != callee => report.other(*defined, "defined here"),
                    _ => report,
                }
            }
            Problem::MarkNeedsOneArgument { name, at } => {
                let message = format!("`{}` has more than one argument, so `'` says too little", shorten(name));
                report(message, *at, "which argument is meant?")
                    .help("write `d(y, x)` inside a function of `x`, as in `g(x) = d(f(x, z), x)`")
            }
            Problem::WrongKind { at, wanted, found } => {
                let report = report(format!("expected {wanted}, found {found}"), *at, format!("this is {found}"));
                match (*wanted, *found) {
                    ("a number", "a condition") => report.help("choose a number with `if(condition, 1, 0)`"),
                    ("a condition", "a number" | "an integer") => report.help("compare it, as in `x != 0`"),
                    ("an integer", "a number") => {
                        report.help("declare it: `index n`, or round it, as in `floor(x)`")
                    }
                    ("a number", "a function") => report.help("call it with its arguments"),
                    _ => report,
                }
            }
            Problem::DifferentBranches { at, kind, other_at, other_kind } => {
                report("the two branches differ in kind", *at, format!("this is {kind}"))
                    .other(*other_at, format!("this is {other_kind}"))
            }
            Problem::TupleSize { at, names_at, names, found } => {
                let label = match found {
                    Some(found) => format!("a tuple of {found}"),
                    None => "not a tuple".to_string(),
                };
                report(format!("{names} names need a tuple of {names}"), *at, label).other(*names_at, "for these names")
            }
            Problem::DerivativeByComputed { at, name } => {
                let message = match name {
                    Some(name) => format!("`{}` is computed; a derivative is taken by what is independent", shorten(name)),
                    None => "a derivative is taken by a name".to_string(),
                };
                let name = name.as_deref().map_or("x".to_string(), |name| shorten(name).to_string());
                report(message, *at, "an argument of the program or a parameter of the function is needed here")
                    .help(format!("write a function of it, `f({name}) = …`, and its derivative `f'({name})`"))
            }
            Problem::DerivativeByInteger { at, name } => {
                report(format!("`{}` is an integer, and integers have no slope", shorten(name)), *at, "a number is needed here")
                    .help("declare it as `param` or `data`")
            }
            Problem::NoResult { at } => report("the program has no result", *at, "the last statement declares")
                .help("end the program with an expression"),
            Problem::UnclearRank { name, at, other } => {
                let message = format!("`{}` has different numbers of subscripts", shorten(name));
                report(message, *at, "so many here").other(*other, "another number here").help(format!(
                    "an array has as many dimensions as subscripts; for a row too, declare it: `param {}[M, N]`",
                    shorten(name)
                ))
            }
            Problem::RankOfArgument { name, at, rank, found } => {
                let message = format!("`{}` has {}, not {found}", shorten(name), dimensions(*rank));
                report(message, *at, format!("{} here", dimensions(*rank)))
                    .help(format!("what is passed has {}", dimensions(*found)))
            }
            Problem::ExtentOfArgument { name, at, expected, found } => {
                let message = format!("`{}` has extent {expected} here, and {found} is passed", shorten(name));
                report(message, *at, format!("this is {expected}"))
            }
            Problem::SizeConflict { name, at, size, other, other_size } => {
                let report = report(format!("`{}` is both {other_size} and {size}", shorten(name)), *at, format!("{size} here"));
                match other {
                    Some(other) => report.other(*other, format!("{other_size} here")),
                    None => report.help(format!("the size that is given is {other_size}")),
                }
            }
            Problem::UnknownSize { name, at } => {
                report(format!("the size `{}` is not known", shorten(name)), *at, "no argument that is passed tells it")
                    .help(format!("pass the array, or give the size: `--size {}=…`", shorten(name)))
            }
            Problem::UnknownShape { name, at, rank } => {
                let extents = vec!["…"; *rank].join(", ");
                report(format!("the shape of `{}` is not known", shorten(name)), *at, dimensions(*rank))
                    .help(format!("pass the array, or declare its extents: `param {}[{extents}]`", shorten(name)))
            }
            Problem::NegativeExtent { at, extent } => {
                report(format!("the extent {extent} is negative"), *at, format!("this is {extent}"))
            }
            Problem::ExtentNotKnown { at } => report("an extent is made of sizes", *at, "this is no such number")
                .help("sizes are names, whole numbers and `index` arguments, and integer arithmetic of them"),
            Problem::ExtentNotConstant { name, at, arguments } => {
                let report = report(
                    format!("how far `{}` goes depends on values, and it is the extent of an array", shorten(name)),
                    *at,
                    "this range must be known beforehand",
                );
                match arguments.as_slice() {
                    [] => report.help("give the array the largest extent, and leave out what is beyond with `if`"),
                    arguments => {
                        let arguments: Vec<String> = arguments.iter().map(|name| format!("`{}`", shorten(name))).collect();
                        report.help(format!("it follows from {}: give a value when the program is bound", arguments.join(", ")))
                    }
                }
            }
            Problem::TooManyDimensions { at, limit } => {
                report(format!("an array of more than {limit} dimensions"), *at, "too many dimensions")
            }
            Problem::TooManyLoops { at, limit } => {
                report(format!("more than {limit} loops stand in each other"), *at, "the loops of functions called count")
                    .help("give an inner part that doesn't depend on the outer indices a name: `a = …`, and use `a`")
            }
            Problem::TooManyElements { at, elements, limit } => {
                let message = format!("arrays of about {elements:.1e} elements, more than the limit of {limit}");
                report(message, *at, "too large")
            }
            Problem::NotElementwise { at, operator, left, right } => {
                let message = format!("`{operator}` of {} and {}", rank_name(left.1), rank_name(right.1));
                let indices = subscripts(left.1 + right.1);
                let element = |(name, rank): &(String, usize), first: usize| match rank {
                    0 => shorten(name),
                    rank => format!("{}[{}]", shorten(name), indices[first..first + rank].join(", ")),
                };
                let both = |first: usize| {
                    let (left, right) = (element(left, 0), element(right, first));
                    if matches!(*operator, "*" | "/" | "^") {
                        format!("{left}{operator}{right}")
                    } else {
                        format!("{left} {operator} {right}")
                    }
                };
                if !matches!(*operator, "+" | "-" | "*" | "/" | "^") {
                    let help = format!("of elements: `{}`", both(0));
                    return report(message, *at, "arrays have no order and no truth").help(help);
                }
                let mut report = report(message, *at, "only arrays of one shape add and subtract");
                if *operator == "*" && left.1 > 0 && right.1 > 0 {
                    // The last index of the left operand is the first of the right one.
                    let shared = left.1 - 1;
                    let sum = format!("sum[{}]({})", indices[shared], both(shared));
                    let mut free = indices[..left.1 + right.1 - 1].to_vec();
                    free.remove(shared);
                    let sum = if free.is_empty() { sum } else { format!("[{sum} for {}]", free.join(", ")) };
                    report = report.help(format!("for the sum of products write `{sum}`"));
                }
                if left.1 == right.1 || left.1 * right.1 == 0 {
                    let list = indices[..left.1.max(right.1)].join(", ");
                    report = report.help(format!("element by element it is `[{} for {list}]`", both(0)));
                }
                report
            }
            Problem::FunctionOfArray { at } => {
                report("this function is of numbers, not of arrays", *at, "this is an array")
                    .help("element by element it is `[f(u[i]) for i]`")
            }
            Problem::DifferentShapes { at, shape, other_at, other } => {
                report("arrays of different shapes", *at, format!("this is {}", shape_text(shape)))
                    .other(*other_at, format!("this is {}", shape_text(other)))
            }
            Problem::NoDimensions { at, found } => {
                let report = report(format!("{found} has no subscripts"), *at, format!("this is {found}"));
                match *found {
                    "a number" => report.help("an argument that is an array is declared with its extents: `param x[N]`"),
                    "a tuple" => report.help("take it apart: `(a, b) = …`"),
                    _ => report,
                }
            }
            Problem::TooManySubscripts { at, found, rank } => {
                report(format!("{found} subscripts of an array of {}", dimensions(*rank)), *at, dimensions(*rank))
            }

            Problem::NoRange { name, at } => {
                let message = format!("the range of `{}` can't be seen", shorten(name));
                report(message, *at, "how far does it go?").help(format!("write it: `{} in 0..n`", shorten(name)))
            }
            Problem::RangeConflict { name, at, extent, other_at, other } => {
                let message = format!("the range of `{}` is both 0..{other} and 0..{extent}", shorten(name));
                report(message, *at, format!("0..{extent} here"))
                    .other(*other_at, format!("0..{other} here"))
                    .help(format!("if one of the two is meant, write it: `{} in 0..{}`", shorten(name), extent.min(other)))
            }
            Problem::SoftmaxWithoutIndex { name, at } => {
                let name = shorten(name);
                report(format!("`{name}` is no index here"), *at, "softmax is of one element; which?")
                    .help(format!("bind it outside: `p[{name}] = softmax[{name}](…)`, or `[softmax[{name}](…) for {name}]`"))
            }
            Problem::StartsLater { name, at, low, high } => {
                let name = shorten(name);
                let report = report("an array begins at 0", *at, format!("`{name}` begins at {low}"));
                if *low > 0 {
                    report.help(format!("let `{name}` go through 0..{}, and write `{name} + {low}` for it", high - low))
                } else {
                    report.help(format!("let `{name}` go through 0..{}, and write `{name} - {}` for it", high - low, -low))
                }
            }
            Problem::NegativeCount { name, at, extent } => {
                report("an array has no negative number of elements", *at, format!("`{}` goes through 0..{extent}", shorten(name)))
                    .help("0..0 is empty; if it may be less, write `max(…, 0)`")
            }
            Problem::RangeOfNothing { name, at, left } => {
                report(format!("`{}` has a range and does not stand on the left", shorten(name)), *at, "which subscript?")
                    .other(*left, "not here")
            }
            Problem::ShiftedPlace { at } => {
                report("a left side has plain indices and fixed places", *at, "this is neither")
                    .help("shift the right side instead: `z[i] = x[i-1] for i in 1..n`")
            }
            Problem::NegativePlace { at, low } => {
                report("subscripts begin at 0", *at, format!("this begins at {low}"))
            }
            Problem::UnusedClause { name, at, other } => {
                report(format!("this clause of `{}` is never used", shorten(name)), *at, "other clauses fit before it")
                    .other(*other, "clauses begin here; the first that fits counts")
            }
            Problem::MissingElement { name, at, defined } => {
                report(format!("this element of `{}` is not defined", shorten(name)), *at, "no clause fits")
                    .other(*defined, "the clauses begin here")
            }
            Problem::MissingElements { name, at, defined } => {
                report(format!("elements of `{}` are not defined", shorten(name)), *at, "all of them are needed here")
                    .other(*defined, "this clause leaves some out")
                    .help(format!("add a clause for the others, such as `{}[…] = 0`, after the ones that there are", shorten(name)))
            }
            Problem::NotComplete { name, at } => {
                let name = shorten(name);
                let message = format!("`{name}` stands here as a whole, and its elements are being made");
                report(message, *at, "not all elements are there yet")
                    .help(format!("read the elements that are needed: `{name}[…]`"))
            }
            Problem::DependsOnItself { name, at, through, defined } => {
                let label = match through {
                    Some(through) => format!("this element of `{}` is computed from it", shorten(through)),
                    None => "this is the element that is defined".to_string(),
                };
                report(format!("an element of `{}` depends on itself", shorten(name)), *at, label)
                    .other(*defined, "defined here")
                    .help("a recurrence reads what has been made before, such as `z[t-1]`")
            }
            Problem::Outside { at, low, high, extent, range } => {
                let what = if low == high { format!("is {low}") } else { format!("goes from {low} to {high}") };
                let message = format!("a subscript leaves its array: it {what}, and there are {extent}");
                let report = report(message, *at, format!("0..{extent} is inside"));
                match range {
                    Some((name, low, high)) => report.help(format!("it stays inside with `{} in {low}..{high}`", shorten(name))),
                    None => report,
                }
            }

            Problem::TooLarge { at, operations, limit } => {
                let size = if *operations < 1e7 { format!("{operations}") } else { format!("about {operations:.1e}") };
                let message = format!("expanded, the program has {size} operations, more than the limit of {limit}");
                report(message, *at, "calls of functions are expanded in place")
                    .help("a function that calls another twice, many levels deep, doubles with each level")
            }
            Problem::TooManyTurns { at, turns, limit } => {
                let number = match turns.is_finite() {
                    true => format!("{turns} turns"),
                    false => "a number of turns that isn't known beforehand".to_owned(),
                };
                report(format!("the loops make up to {number}, and {limit} are allowed"), *at, "most of them here")
                    .help("allow more, or make the ranges smaller")
            }
            Problem::ConstantTooLarge { at, value } => {
                report(format!("{value:e} is too large for an integer of 64 bits"), *at, "an integer must stand here")
                    .help("the largest integer is 9223372036854775807")
            }
            Problem::NoInteger { at, fault } => {
                let (message, here) = match fault {
                    Fault::Overflow => ("the integer is too large for 64 bits", "at this point there is no integer here"),
                    Fault::DivisionByZero => ("integer division by zero", "at this point there is no integer here"),
                    Fault::NegativePower => {
                        ("a negative power of an integer is not an integer", "at this point there is no integer here")
                    }
                    Fault::NoInteger => ("a number that is to be an integer is infinite, NaN or too large", "at this point there is no integer here"),
                    Fault::Outside | Fault::Nowhere | Fault::Missing => {
                        ("there is no such element", "this element does not exist")
                    }
                    Fault::Endless => ("the loop has reached the limit of its turns", "its condition still holds"),
                };
                let help = match fault {
                    Fault::Endless => "allow more turns, or end it by `for k in 0..n` too",
                    _ => "guard it: what stands in the branch of an `if` that is not taken does not matter",
                };
                report(message, *at, here).help(help)
            }
            Problem::NoElement { at, fault: Fault::Missing, subscripts } => {
                // Of a row that a turn makes the first ones are those of the turn.
                let told: Vec<String> = subscripts.iter().map(|(subscript, _)| subscript.to_string()).collect();
                let here = match told.as_slice() {
                    [] => "nothing has defined it where it is read".to_owned(),
                    told => format!("nothing has defined it where it is read; its subscripts end in {}", told.join(", ")),
                };
                report("an element has no value yet", *at, here)
                    .help("define it by a clause of its own, or don't read it: `if(condition, …, 0)`")
            }
            Problem::NoElement { at, subscripts, .. } => {
                let is_outside = |&&(subscript, extent): &&(i64, usize)| {
                    usize::try_from(subscript).map_or(true, |subscript| subscript >= extent)
                };
                let here = match subscripts.iter().find(is_outside) {
                    Some((subscript, 1)) => format!("the subscript is {subscript}, and there is one element"),
                    Some((subscript, extent)) => format!("the subscript is {subscript}, and there are {extent} elements"),
                    None => "this element does not exist".to_owned(),
                };
                report("a subscript is outside of its array", *at, here)
                    .help("guard it: what stands in the branch of an `if` that is not taken does not matter")
            }
            Problem::PlaceOfNothing { at } => {
                report("over nothing there is no greatest and no least, so no place of it", *at, "no index is left here")
                    .help("guard it: what stands in the branch of an `if` that is not taken does not matter")
            }
            Problem::UselessWord { at, word } => {
                report(format!("`{word}` is no word of the language"), *at, "not needed")
                    .help("write `a = …` to define, and the result as the last statement")
            }
            Problem::Unexpected { at, found, wanted } => {
                let message = match found {
                    Some(found) => format!("unexpected `{}`", shorten(found)),
                    None => "unexpected end of the statement".to_string(),
                };
                report(message, *at, wanted.map_or("not here".to_string(), |wanted| format!("expected {wanted}")))
            }
        }
    }
}

impl Warning {
    /// The warning in words.
    pub fn report(&self) -> Report {
        match self {
            Warning::Lookalike { name, at, other, other_at } => {
                let message = format!("`{}` reads like `{}` and is another name", shorten(name), shorten(other));
                report(message, *at, "made of other letters").other(*other_at, "the name it reads like")
            }
            Warning::FunctionAsName { name, at } => {
                report(format!("`{name}` is taken for an argument"), *at, "not called here")
                    .help(format!("it is also a built-in function; declare `param {name}` if the argument is meant"))
            }
            Warning::Hides { name, at, other } => {
                report(format!("`{}` hides another of that name", shorten(name)), *at, "another one from here on")
                    .other(*other, "this one is hidden")
            }
            Warning::ZeroDerivative { at, name } => {
                let message = format!("the derivative is 0: the value does not depend on `{}`", shorten(name));
                report(message, *at, "always 0")
            }
        }
    }
}

pub(super) fn report(message: impl Into<String>, at: Span, label: impl Into<String>) -> Report {
    Report { message: message.into(), at, label: label.into(), other: None, help: Vec::new() }
}

impl Report {
    fn other(mut self, at: Span, label: impl Into<String>) -> Report {
        self.other = Some((at, label.into()));
        self
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Report {
        self.help.push(help.into());
        self
    }
}

fn write(mended: &str) -> String {
    format!("write `{}`", shorten_to(mended, 100))
}

fn arguments(count: u32) -> String {
    match count {
        0 => "nothing".to_string(),
        1 => "one argument".to_string(),
        count => format!("{count} arguments"),
    }
}

pub(super) fn closer(bracket: char) -> char {
    match bracket {
        '(' => ')',
        '[' => ']',
        _ => '}',
    }
}

fn dimensions(rank: usize) -> String {
    match rank {
        0 => "no dimension".to_string(),
        1 => "1 dimension".to_string(),
        rank => format!("{rank} dimensions"),
    }
}

fn rank_name(rank: usize) -> String {
    match rank {
        0 => "a number".to_string(),
        1 => "an array".to_string(),
        rank => format!("an array of {rank} dimensions"),
    }
}

/// `3 × 4`
fn shape_text(shape: &[usize]) -> String {
    match shape {
        [] => "a number".to_string(),
        shape => shape.iter().map(usize::to_string).collect::<Vec<_>>().join(" × "),
    }
}

/// Names for indices.
fn subscripts(rank: usize) -> Vec<String> {
    (0..rank).map(|index| "ijklmn".get(index..=index).map_or_else(|| format!("i{index}"), str::to_string)).collect()
}

fn list_reductions() -> String {
    crate::syntax::REDUCTIONS.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// A sign that can be read, and the code point of one that can't.
fn sign_name(sign: &str) -> String {
    match sign.chars().next() {
        Some(c) if c.is_control() || c.is_whitespace() || (!c.is_ascii() && !c.is_alphanumeric()) => {
            let shown = if c.is_control() || c.is_whitespace() { String::new() } else { format!(" `{c}`") };
            format!("character{shown} (U+{:04X})", u32::from(c))
        }
        _ => format!("sign `{}`", shorten(sign)),
    }
}

/// At most 40 characters of a name or a fragment of the text.
pub fn shorten(text: &str) -> String {
    shorten_to(text, 40)
}

/// The beginning and the end of a longer text, on one line.
fn shorten_to(text: &str, limit: usize) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    if text.chars().nth(limit).is_none() {
        return text.chars().map(plain).collect();
    }
    let head = text.chars().take(limit - 12);
    let tail = text.chars().rev().take(11).collect::<Vec<_>>();
    head.chain(['…']).chain(tail.into_iter().rev()).map(plain).collect()
}

/// The candidate that was probably meant by `name`, if one is near enough.
pub fn nearest<'c>(name: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    // Long names are no typing errors, and their distance takes quadratic time.
    if name.len() > 64 {
        return None;
    }
    let allowed = match name.chars().count() {
        0 => return None,
        1..=3 => 1,
        4..=5 => 2,
        count => count / 3,
    };
    let distances = candidates
        .into_iter()
        .filter(|candidate| candidate.len() <= 64 && *candidate != name)
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate));
    let (distance, candidate) = distances.min_by_key(|(distance, _)| *distance)?;
    // A name of one or two letters is near to every other; something must be left of it.
    (distance <= allowed && distance < name.chars().count()).then_some(candidate)
}
