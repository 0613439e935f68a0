//! Reads the text form of a graph back. Tests of passes start here.

use hashbrown::HashMap;
use pest::Parser;
use pest::iterators::Pair;

use super::{
    Builder, Cell, Check, Direction, Func, Inst, Loop, Output, Reduction, Region, State, Update, UpdateKind, Val,
    verify,
};
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
    for pair in file.flat_map(Pair::into_inner) {
        match pair.as_rule() {
            Rule::version => reader.version(pair)?,
            Rule::func => {
                for part in pair.into_inner() {
                    reader.part(part)?;
                }
            }
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

/// A region whose body is being read.
#[derive(Default)]
struct Draft<'i> {
    indices: Vec<Val>,
    turns: Vec<Pair<'i, Rule>>,
    states: Vec<(Val, Vec<Pair<'i, Rule>>)>,
    going: Option<Pair<'i, Rule>>,
    cells: Vec<DraftCell<'i>>,
    updates: Vec<Pair<'i, Rule>>,
    reductions: Vec<Pair<'i, Rule>>,
}

struct DraftCell<'i> {
    ty: Type,
    shape: Vec<usize>,
    bound: Option<Val>,
    init: Option<Pair<'i, Rule>>,
}

/// A type with the extents of an array.
fn shaped(pair: Pair<Rule>) -> Result<(Type, Vec<usize>), String> {
    let mut parts = pair.into_inner();
    let ty = match parts.next().map_or("", |ty| ty.as_str()) {
        "int" => Type::Int,
        "bool" => Type::Bool,
        _ => Type::F64,
    };
    let extent = |part: Pair<Rule>| part.as_str().parse().map_err(|_| at(&part, "this is no extent of an array"));
    Ok((ty, parts.map(extent).collect::<Result<_, _>>()?))
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

    /// A part of the function, in the order of the text.
    fn part(&mut self, pair: Pair<Rule>) -> Result<(), String> {
        match pair.as_rule() {
            Rule::word => self.builder = Builder::new(pair.as_str()),
            Rule::param => self.param(pair)?,
            Rule::results => {
                let results = pair.into_inner().filter(|part| part.as_rule() == Rule::result);
                self.result_names = results.map(first_text).collect();
            }
            Rule::inst => self.inst(pair)?,
            Rule::region => self.region(pair)?,
            Rule::check => self.check(pair)?,
            Rule::ret => self.results(pair)?,
            _ => {}
        }
        Ok(())
    }

    fn param(&mut self, pair: Pair<Rule>) -> Result<(), String> {
        let duplicate = at(&pair, "this argument exists already");
        let mut parts = pair.into_inner();
        let name = parts.next().map_or("", |part| part.as_str());
        let (ty, shape) = parts.next().map_or(Ok((Type::F64, Vec::new())), shaped)?;
        let value = self.builder.array_param(&name[1..], ty, &shape);
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
        match word.as_str() {
            "at" => {
                let args = parts.map(|part| self.operand(part)).collect::<Result<Vec<_>, _>>()?;
                let value = self.element(&place, &args)?;
                return self.define(&name, value);
            }
            "result" => {
                let (region, number) = (parts.next(), parts.next());
                let value = self.result(&place, region, number)?;
                return self.define(&name, value);
            }
            _ => {}
        }
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
        let arrays = args.iter().any(|&arg| self.builder.func().is_array(arg));
        if arrays {
            return Err(at(&place, "operators take numbers, not arrays"));
        }
        let value = self.builder.emit(op, &args);
        self.define(&name, value)
    }

    /// Gives a name its value. What several regions compute stands in each of them, with one name.
    fn define(&mut self, name: &Pair<Rule>, value: Val) -> Result<(), String> {
        match self.values.insert(name.as_str().to_owned(), value) {
            Some(before) if before != value || self.builder.func().free(value).is_empty() => {
                Err(at(name, &format!("`{}` is defined twice", name.as_str())))
            }
            _ => Ok(()),
        }
    }

    fn element(&mut self, place: &Pair<Rule>, args: &[Val]) -> Result<Val, String> {
        let func = self.builder.func();
        let Some((&array, subscripts)) = args.split_first() else { return Err(at(place, "`at` takes an array")) };
        if subscripts.is_empty() || subscripts.len() > func.shape(array).len() {
            let rank = func.shape(array).len();
            return Err(at(place, &format!("the array has {rank} dimensions, here are {}", subscripts.len())));
        }
        if subscripts.iter().any(|&each| func.ty(each) != Type::Int || func.is_array(each)) {
            return Err(at(place, "subscripts are integers"));
        }
        Ok(self.builder.read(array, subscripts))
    }

    fn result(
        &mut self,
        place: &Pair<Rule>,
        region: Option<Pair<Rule>>,
        number: Option<Pair<Rule>>,
    ) -> Result<Val, String> {
        let region = region.map(|region| self.operand(region)).transpose()?;
        let number = number.and_then(|number| number.as_str().parse().ok());
        if let (Some(region), Some(number)) = (region, number)
            && let Inst::Region(id) = self.builder.func().inst(region)
            && number < self.builder.func().region(id).results()
        {
            return Ok(self.builder.result(region, number));
        }
        Err(at(place, "`result` takes a loop and the number of one of its results"))
    }

    /// A name that a region binds; another region may bind it too.
    fn bound(&mut self, name: &Pair<Rule>, ty: Type, shape: &[usize]) -> Result<Val, String> {
        let known = self.values.get(name.as_str()).copied();
        let func = self.builder.func();
        match known {
            None => {
                let value = self.builder.bound(ty, shape);
                self.values.insert(name.as_str().to_owned(), value);
                Ok(value)
            }
            Some(value)
                if matches!(func.inst(value), Inst::Bound(_)) && func.ty(value) == ty && func.shape(value) == shape =>
            {
                Ok(value)
            }
            Some(_) => Err(at(name, &format!("`{}` is something else already", name.as_str()))),
        }
    }

    fn region(&mut self, pair: Pair<Rule>) -> Result<(), String> {
        let mut parts = pair.into_inner();
        let Some(name) = parts.next() else { return Ok(()) };
        let mut draft = Draft::default();
        let mut rest = Vec::new();
        for part in parts {
            match part.as_rule() {
                Rule::turns => {
                    if let Some(index) = part.clone().into_inner().next() {
                        draft.indices.push(self.bound(&index, Type::Int, &[])?);
                    }
                    draft.turns.push(part);
                }
                _ => rest.push(part),
            }
        }
        for part in rest {
            match part.as_rule() {
                Rule::state => {
                    let mut inner = part.into_inner();
                    let (Some(name), Some(ty)) = (inner.next(), inner.next()) else { continue };
                    let (ty, shape) = shaped(ty)?;
                    let bound = self.bound(&name, ty, &shape)?;
                    draft.states.push((bound, inner.collect()));
                }
                Rule::cell => {
                    let mut inner = part.into_inner().peekable();
                    let name = inner.next_if(|part| part.as_rule() == Rule::value);
                    let Some((ty, shape)) = inner.next().map(shaped).transpose()? else { continue };
                    let bound = name.map(|name| self.bound(&name, ty, &shape)).transpose()?;
                    draft.cells.push(DraftCell { ty, shape, bound, init: inner.next() });
                }
                Rule::going => draft.going = part.into_inner().next(),
                Rule::update => draft.updates.push(part),
                Rule::reduction => draft.reductions.push(part),
                _ => self.part(part)?,
            }
        }
        let region = self.close(draft)?;
        let value = self.builder.region(region);
        self.define(&name, value)
    }

    /// The region that a text describes, when its body has been read.
    fn close(&mut self, draft: Draft) -> Result<Region, String> {
        let mut loops = Vec::new();
        for (index, turns) in draft.indices.into_iter().zip(draft.turns) {
            let parts: Vec<Pair<Rule>> = turns.into_inner().skip(1).collect();
            let direction = if parts.len() > 2 { Direction::Down } else { Direction::Up };
            let (low, high) = (self.int(parts[0].clone())?, self.int(parts[1].clone())?);
            loops.push(Loop { index, low, high, direction });
        }
        let mut states = Vec::new();
        for (bound, parts) in draft.states {
            let (init, next) = (self.operand(parts[0].clone())?, self.operand(parts[1].clone())?);
            states.push(State { bound, init, next });
        }
        let going = draft.going.map(|going| self.operand(going)).transpose()?;
        let mut cells = Vec::new();
        for (number, cell) in draft.cells.into_iter().enumerate() {
            let DraftCell { ty, shape, bound, init } = cell;
            let init = init.map(|init| self.operand(init)).transpose()?;
            let mut updates = Vec::new();
            for update in &draft.updates {
                let mut parts = update.clone().into_inner();
                let (Some(change), Some(cell), Some(subscripts), Some(term)) =
                    (parts.next(), parts.next(), parts.next(), parts.next())
                else {
                    continue;
                };
                if cell.as_str() != number.to_string() {
                    continue;
                }
                let kind = if change.as_str() == "add" { UpdateKind::Add } else { UpdateKind::Store };
                let subscripts = subscripts.into_inner().map(|part| self.int(part)).collect::<Result<_, _>>()?;
                let (value, factor, guard) = self.term(term)?;
                updates.push(Update { kind, subscripts, value, factor, guard });
            }
            cells.push(Cell { ty, shape: shape.into(), bound, init, updates: updates.into() });
        }
        let mut reductions = Vec::new();
        for reduction in draft.reductions {
            let mut parts = reduction.into_inner();
            let (Some(word), Some(term)) = (parts.next(), parts.next()) else { continue };
            let op =
                Op::by_name(word.as_str()).ok_or_else(|| at(&word, &format!("no operator `{}`", word.as_str())))?;
            let (value, factor, guard) = self.term(term)?;
            reductions.push(Reduction { op, value, factor, guard });
        }
        Ok(Region {
            loops: loops.into(),
            states: states.into(),
            going,
            cells: cells.into(),
            reductions: reductions.into(),
        })
    }

    fn int(&mut self, pair: Pair<Rule>) -> Result<Val, String> {
        let message = at(&pair, "an integer belongs here");
        let value = self.operand(pair)?;
        let is_int = self.builder.func().ty(value) == Type::Int && !self.builder.func().is_array(value);
        if is_int { Ok(value) } else { Err(message) }
    }

    /// `value * factor if guard`.
    fn term(&mut self, pair: Pair<Rule>) -> Result<(Val, Option<Val>, Val), String> {
        let mut parts = pair.into_inner().peekable();
        let value = match parts.next() {
            Some(value) => self.operand(value)?,
            None => self.builder.f64(0.0),
        };
        let mut inner = |rule: Rule| {
            let part = parts.next_if(|part| part.as_rule() == rule)?;
            part.into_inner().next()
        };
        let (factor, guard) = (inner(Rule::factor), inner(Rule::guard));
        let factor = factor.map(|factor| self.operand(factor)).transpose()?;
        let guard = match guard {
            Some(guard) => self.operand(guard)?,
            None => self.builder.bool(true),
        };
        Ok((value, factor, guard))
    }

    fn check(&mut self, pair: Pair<Rule>) -> Result<(), String> {
        let place = pair.clone();
        let (missing, operands): (Vec<Pair<Rule>>, Vec<Pair<Rule>>) =
            pair.into_inner().partition(|part| part.as_rule() == Rule::missing);
        let missing = !missing.is_empty();
        let vals = operands.into_iter().map(|part| self.operand(part)).collect::<Result<Vec<_>, _>>()?;
        match vals[..] {
            [site, guard] if self.builder.func().may_fault(site) => {
                self.builder.check(Check { guard, site, missing });
                Ok(())
            }
            // What was folded to a constant has a result.
            [site, _] if matches!(self.builder.func().inst(site), Inst::Int(_)) => Ok(()),
            _ => Err(at(&place, "a check watches what may have no result")),
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
