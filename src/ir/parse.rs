//! Reads the text form of a graph back. Tests of passes start here.

use hashbrown::HashMap;
use pest::Parser;
use pest::iterators::Pair;

use super::{Builder, Check, Func, Inst, Output, Val, verify};
use crate::ops::{Op, Type};

#[derive(pest_derive::Parser)]
#[grammar = "../grammar/ir.pest"]
struct IrParser;

/// Reads one function. The text goes through the builder like everything else, so what comes back is folded and
/// shared; text that `print` wrote comes back as it was.
///
/// # Errors
/// A sentence with line and column, where the text isn't of the form that `print` writes.
pub fn parse(text: &str) -> Result<Func, String> {
    let file = IrParser::parse(Rule::file, text).map_err(|error| error.to_string())?;
    let mut reader = Reader::default();
    for pair in file.flatten() {
        match pair.as_rule() {
            Rule::version => reader.version(pair)?,
            Rule::func => {
                reader.builder = Builder::new(pair.clone().into_inner().next().map_or("", |name| name.as_str()))
            }
            Rule::param => reader.param(pair)?,
            Rule::result => reader.result_names.push(first_text(pair)),
            Rule::inst => reader.inst(pair)?,
            Rule::check => reader.check(pair)?,
            Rule::ret => reader.results(pair)?,
            _ => {}
        }
    }
    let results = std::mem::take(&mut reader.results);
    let func = reader.builder.finish(results);
    verify::verify(&func)?;
    Ok(func)
}

#[derive(Default)]
struct Reader {
    builder: Builder,
    values: HashMap<String, Val>,
    result_names: Vec<String>,
    results: Vec<Output>,
}

fn first_text(pair: Pair<Rule>) -> String {
    pair.into_inner().next().map_or_else(String::new, |inner| inner.as_str().to_owned())
}

fn at(pair: &Pair<Rule>, message: &str) -> String {
    let (line, column) = pair.line_col();
    format!("{line}:{column}: {message}")
}

impl Reader {
    fn version(&mut self, pair: Pair<Rule>) -> Result<(), String> {
        let message = at(&pair, &format!("this is not version {} of the text form", super::print::VERSION));
        if first_text(pair) == super::print::VERSION.to_string() { Ok(()) } else { Err(message) }
    }

    fn param(&mut self, pair: Pair<Rule>) -> Result<(), String> {
        let duplicate = at(&pair, "this argument exists already");
        let mut parts = pair.into_inner();
        let (name, ty) = (parts.next().map_or("", |p| p.as_str()), parts.next().map_or("", |p| p.as_str()));
        let ty = match ty {
            "int" => Type::Int,
            "bool" => Type::Bool,
            _ => Type::F64,
        };
        let value = self.builder.param(&name[1..], ty);
        if self.values.insert(name.to_owned(), value).is_some() { Err(duplicate) } else { Ok(()) }
    }

    fn operand(&mut self, pair: Pair<Rule>) -> Result<Val, String> {
        let text = pair.as_str();
        let malformed = || at(&pair, &format!("`{text}` is out of range"));
        match pair.as_rule() {
            Rule::value => {
                self.values.get(text).copied().ok_or_else(|| at(&pair, &format!("there is no value `{text}` yet")))
            }
            Rule::boolean => Ok(self.builder.bool(text == "true")),
            Rule::float => Ok(self.builder.f64(text.parse().map_err(|_| malformed())?)),
            _ => Ok(self.builder.int(text.parse().map_err(|_| malformed())?)),
        }
    }

    fn inst(&mut self, pair: Pair<Rule>) -> Result<(), String> {
        let place = pair.clone();
        let mut parts = pair.into_inner();
        let (Some(name), Some(word)) = (parts.next(), parts.next()) else { return Ok(()) };
        let op = Op::by_name(word.as_str()).ok_or_else(|| at(&word, &format!("no operator `{}`", word.as_str())))?;
        let args = parts.map(|part| self.operand(part)).collect::<Result<Vec<_>, _>>()?;
        let types: Vec<Type> = args.iter().map(|&arg| self.builder.func().ty(arg)).collect();
        let fits = match op {
            Op::Select => matches!(types[..], [Type::Bool, a, b] if a == b),
            Op::Min | Op::Max => types.len() >= 2 && types.iter().all(|&ty| ty == Type::F64),
            _ => types == op.row().args,
        };
        if !fits {
            let wanted: Vec<&str> = op.row().args.iter().map(|ty| ty.name()).collect();
            return Err(at(&place, &format!("`{}` takes {}", op.name(), wanted.join(", "))));
        }
        let value = self.builder.emit(op, &args);
        if self.values.insert(name.as_str().to_owned(), value).is_some() {
            return Err(at(&name, &format!("`{}` is defined twice", name.as_str())));
        }
        Ok(())
    }

    fn check(&mut self, pair: Pair<Rule>) -> Result<(), String> {
        let place = pair.clone();
        let vals = pair.into_inner().map(|part| self.operand(part)).collect::<Result<Vec<_>, _>>()?;
        match vals[..] {
            [site, guard] if self.builder.func().inst(site).op().is_some_and(Op::may_fault) => {
                self.builder.check(Check { guard, site });
                Ok(())
            }
            // What was folded to a constant has a result.
            [site, _] if matches!(self.builder.func().inst(site), Inst::Int(_)) => Ok(()),
            _ => Err(at(&place, "a check watches integer arithmetic")),
        }
    }

    fn results(&mut self, pair: Pair<Rule>) -> Result<(), String> {
        let place = pair.clone();
        let vals = pair.into_inner().map(|part| self.operand(part)).collect::<Result<Vec<_>, _>>()?;
        let names = if self.result_names.is_empty() {
            vec![String::new(); vals.len().min(1)]
        } else {
            self.result_names.clone()
        };
        if names.len() != vals.len() {
            return Err(at(&place, &format!("{} results are declared", names.len())));
        }
        self.results = names.into_iter().zip(vals).map(|(name, value)| Output { name, value }).collect();
        Ok(())
    }
}
