//! What is written for some results, in whatever notation: which expressions have names, and in which order they stand.

use hashbrown::{HashMap, HashSet};

use super::arrays::{Arrays, Clause, Def};
use super::dag::{Dag, Id, Node, Relation};
use super::{Names, Unsayable, order, reader, share};
use crate::ir::{Func, Val};
use crate::lower::builtin;
use crate::span::Span;

pub struct Statements {
    pub dag: Dag,
    pub arrays: Arrays,
    /// The names of expressions, arrays and states that are mentioned by them.
    pub names: HashMap<Id, String>,
    pub lines: Vec<Line>,
    /// The names of the results, where there are several, or where the only one is an array.
    pub results: Vec<String>,
    /// The results in the function.
    pub values: Vec<Val>,
    /// Everything that means something, so that no index is called so.
    pub taken: HashSet<String>,
    /// The extents of the arguments.
    pub extents: Vec<Box<[usize]>>,
    /// The indices of expressions that are arrays, in the order of their dimensions.
    pub orders: HashMap<Id, Box<[Id]>>,
    /// What refers to itself, directly or through others.
    pub circular: HashSet<Id>,
}

pub enum Line {
    /// `name = value`; no name where it is the only result.
    Value {
        name: Option<String>,
        value: Id,
        /// Whether the name of the value is defined here, which is then written out.
        defines: bool,
    },
    /// `name[places] = value`, over the indices among the places.
    Clause {
        name: String,
        places: Box<[Id]>,
        value: Id,
        /// Where this doesn't hold the element is 0: a range that depends on other indices has ended.
        guard: Option<Id>,
    },
    /// An `iterate`.
    Loop { def: u32 },
}

/// Names that nothing is given, but that indices may have: these texts have no use for what they hide.
const HIDDEN: [&str; 3] = ["i", "d", "e"];

/// What has a statement.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Thing {
    Expression(Id),
    Def(u32),
    /// A result by its place, which isn't written elsewhere.
    Result(usize),
}

impl Statements {
    pub fn of(func: &Func, results: &[usize], names: Option<Names>) -> Result<Statements, Unsayable> {
        let (mut dag, mut arrays) = (Dag::new(), Arrays::default());
        for index in 0..func.params.len() as u32 {
            dag.intern(Node::Argument(index));
        }
        let mut hints = HashMap::new();
        let source = names.map_or("", |names| names.source);
        if let Some(names) = names {
            for (name, val) in names.values {
                // What can't be said of the primal has no name in its derivative.
                let Ok(ids) = reader::read(&mut dag, &mut arrays, names.func, source, &[*val]) else { continue };
                hints.entry(ids[0]).or_insert_with(|| name.clone());
            }
        }
        let outputs: Vec<_> = results.iter().filter_map(|&result| func.results.get(result)).collect();
        let values: Vec<Val> = outputs.iter().map(|output| output.value).collect();
        let roots = reader::read(&mut dag, &mut arrays, func, source, &values)?;

        let defs = reachable(&dag, &arrays, &roots);
        let mut all = roots.clone();
        all.extend(defs.iter().flat_map(|&def| arrays.defs[def as usize].values()));
        let extents: Vec<Box<[usize]>> = func.params.iter().map(|param| param.shape.clone()).collect();
        let shared = share::shared(&mut dag, &arrays, &extents, &all, &hints);

        let mut taken = Taken::new(func);
        let is_alone = |root: Id| roots.len() == 1 && !matches!(dag.node(root), Node::Defined(_));
        let results: Vec<(String, Id)> = match roots[..] {
            [root] if is_alone(root) => Vec::new(),
            _ => outputs.iter().zip(&roots).map(|(output, &root)| (taken.claim(&output.name), root)).collect(),
        };
        // Indices keep their names, if nothing else is called so.
        let is_free = |name: &String| {
            let is_argument = func.params.iter().any(|param| param.name == *name);
            !taken.0.contains(name) || (!is_argument && HIDDEN.contains(&name.as_str()))
        };
        arrays.hints.retain(|_, name| is_free(name));
        let reserved: Vec<String> = arrays.hints.values().cloned().collect();
        let mut things: Vec<Thing> = shared.iter().map(|&id| Thing::Expression(id)).collect();
        things.extend(defs.iter().map(|&def| Thing::Def(def)));
        // An array and the last state of a loop have their names from the line that makes them.
        let is_made = |root: Id| match dag.node(root) {
            Node::Defined(_) => true,
            Node::Last(_, _, around) => around.is_empty(),
            _ => shared.contains(&root),
        };
        let unwritten = results.iter().enumerate().filter(|(place, (_, root))| {
            let is_first = results.iter().position(|(_, other)| other == root) == Some(*place);
            !(is_first && is_made(*root))
        });
        things.extend(unwritten.map(|(place, _)| Thing::Result(place)));

        let mut statements = Statements {
            dag,
            arrays,
            names: HashMap::new(),
            lines: Vec::new(),
            results: Vec::new(),
            values,
            taken: HashSet::new(),
            extents,
            orders: HashMap::new(),
            circular: HashSet::new(),
        };
        let in_order = statements.in_order(&things, &results);
        let nameless = in_order.iter().filter(|thing| !matches!(thing, Thing::Result(_)));
        let nameless = nameless.filter(|&&thing| {
            let id = statements.id_of(thing);
            !hints.contains_key(&id) && !results.iter().any(|&(_, root)| root == id)
        });
        let mut generated = Generated { few: nameless.count() <= LETTERS.len() / 2, number: 0 };
        taken.0.extend(reserved.iter().cloned());
        for thing in in_order {
            statements.write(thing, &results, &hints, &mut taken, &mut generated)?;
        }
        if let ([root], []) = (&roots[..], &results[..]) {
            statements.lines.push(Line::Value { name: None, value: *root, defines: false });
        }
        for name in reserved.iter().map(String::as_str).chain(["i"]) {
            if !func.params.iter().any(|param| param.name == name) {
                taken.0.remove(name);
            }
        }
        statements.results = results.into_iter().map(|(name, _)| name).collect();
        statements.taken = taken.0;
        Ok(statements)
    }

    /// Adds the lines of a thing, and gives it its name.
    fn write(
        &mut self,
        thing: Thing,
        results: &[(String, Id)],
        hints: &HashMap<Id, String>,
        taken: &mut Taken,
        generated: &mut Generated,
    ) -> Result<(), Unsayable> {
        let id = self.id_of(thing);
        let mut called = |id: Id| match (results.iter().find(|&&(_, root)| root == id), hints.get(&id)) {
            (Some((name, _)), _) => name.clone(),
            (None, Some(name)) => taken.claim(name),
            (None, None) => generated.next(taken),
        };
        match thing {
            Thing::Result(place) => {
                let (name, value) = results[place].clone();
                self.lines.push(Line::Value { name: Some(name), value, defines: false });
            }
            Thing::Expression(value) => {
                let name = self.names.get(&id).cloned().unwrap_or_else(|| called(id));
                self.names.insert(id, name.clone());
                let line = match self.orders.get(&value).cloned() {
                    None => Line::Value { name: Some(name), value, defines: true },
                    Some(places) => Line::Clause { name, value, guard: self.guard(&places)?, places },
                };
                self.lines.push(line);
            }
            Thing::Def(number) => match self.arrays.defs[number as usize].clone() {
                Def::Array { around, clauses, .. } => {
                    let name = called(id);
                    self.names.insert(id, name.clone());
                    for Clause { places, value } in clauses {
                        let guard = self.guard(&around)?;
                        let places = around.iter().chain(&places).copied().collect();
                        self.lines.push(Line::Clause { name: name.clone(), places, value, guard });
                    }
                }
                Def::Loop { around, states, .. } => {
                    let mut own = HashSet::new();
                    for (state, each) in (0..).zip(states) {
                        let last = self.dag.intern(Node::Last(number, state, around.clone()));
                        let result = results.iter().find(|&&(_, root)| root == last);
                        // The tangent of a state has its place in the text.
                        let hint =
                            each.hint.map(|hint| if own.insert(hint.clone()) { hint } else { format!("{hint}_dot") });
                        let name = match (result, hints.get(&last).or(hint.as_ref())) {
                            (Some((name, _)), _) => name.clone(),
                            (None, Some(name)) => taken.claim(name),
                            (None, None) => generated.next(taken),
                        };
                        self.names.insert(each.local, name.clone());
                        if around.is_empty() {
                            self.names.insert(last, name);
                        }
                    }
                    if around.is_empty() {
                        self.lines.push(Line::Loop { def: number });
                    }
                }
            },
        }
        Ok(())
    }

    fn id_of(&mut self, thing: Thing) -> Id {
        match thing {
            Thing::Expression(id) => id,
            Thing::Def(number) => self.dag.intern(Node::Defined(number)),
            Thing::Result(_) => Dag::ZERO,
        }
    }

    /// The condition under which indices are in their ranges, where these depend on other indices.
    fn guard(&mut self, around: &[Id]) -> Result<Option<Id>, Unsayable> {
        let mut guard = None;
        for &index in around {
            let Node::Index(_, low, high) = *self.dag.node(index) else { continue };
            for (bound, relation) in [(low, Relation::Ge), (high, Relation::Lt)] {
                if self.dag.as_whole(bound).is_none() {
                    let inside = self.dag.compare(relation, index, bound);
                    guard = Some(guard.map_or(inside, |guard| self.dag.and(guard, inside)));
                }
            }
            if !self.dag.has_room(index) {
                let what = "an array whose length depends on values".to_owned();
                return Err(Unsayable { what, at: Span::default() });
            }
        }
        Ok(guard)
    }

    /// The things, what is mentioned first. What is mentioned by nothing isn't there.
    fn in_order(&mut self, things: &[Thing], results: &[(String, Id)]) -> Vec<Thing> {
        let places: HashMap<Id, usize> = things
            .iter()
            .enumerate()
            .filter(|(_, thing)| !matches!(thing, Thing::Result(_)))
            .map(|(place, &thing)| (self.id_of(thing), place))
            .collect();
        let mentions: Vec<Vec<usize>> = things
            .iter()
            .map(|&thing| {
                let (own, mut stack) = match thing {
                    Thing::Expression(id) => (Some(id), vec![id]),
                    Thing::Def(number) => (None, self.arrays.defs[number as usize].values()),
                    Thing::Result(place) => (None, vec![results[place].1]),
                };
                let (mut seen, mut mentions) = (HashSet::new(), Vec::new());
                while let Some(id) = stack.pop() {
                    if !seen.insert(id) {
                        continue;
                    }
                    if let Node::Last(number, ..) = *self.dag.node(id) {
                        let def = things.iter().position(|&thing| thing == Thing::Def(number));
                        mentions.extend(def);
                    }
                    match places.get(&id) {
                        Some(&place) if Some(id) != own => mentions.push(place),
                        _ => self.dag.node(id).for_each_operand(|operand| stack.push(operand)),
                    }
                }
                mentions.sort_unstable();
                mentions.dedup();
                mentions
            })
            .collect();
        let mut in_order = Vec::with_capacity(things.len());
        for group in order::groups(&mentions) {
            let members: Vec<Thing> = group.iter().map(|&place| things[place]).collect();
            let is_circular = members.len() > 1 || mentions[group[0]].contains(&group[0]);
            // What is made together goes on by the same index: the first of the arrays that refer to themselves.
            let mut leading = Vec::new();
            for &member in members.iter().filter(|_| is_circular) {
                let id = self.id_of(member);
                self.circular.insert(id);
                if let Thing::Def(number) = member
                    && let Def::Array { around, clauses, .. } = &self.arrays.defs[number as usize]
                {
                    leading.extend(clauses.iter().filter_map(|clause| around.iter().chain(&clause.places).next()));
                }
            }
            for &member in &members {
                if let Thing::Expression(id) = member
                    && !self.dag.facts(id).free.is_empty()
                {
                    let mut order = self.dag.facts(id).free.to_vec();
                    order.sort_by_key(|index| match self.dag.node(*index) {
                        Node::Index(number, ..) => (!leading.contains(index), *number, *index),
                        _ => (true, 0, *index),
                    });
                    self.orders.insert(id, order.into());
                }
            }
            in_order.extend(members);
        }
        in_order
    }
}

/// The named arrays and loops that expressions mention, in the order in which they were made.
fn reachable(dag: &Dag, arrays: &Arrays, roots: &[Id]) -> Vec<u32> {
    let (mut seen, mut found, mut stack) = (HashSet::new(), HashSet::new(), roots.to_vec());
    while let Some(id) = stack.pop() {
        if !seen.insert(id) {
            continue;
        }
        if let Node::Defined(number) | Node::Last(number, ..) = *dag.node(id)
            && found.insert(number)
        {
            stack.extend(arrays.defs[number as usize].values());
        }
        dag.node(id).for_each_operand(|operand| stack.push(operand));
    }
    let mut found: Vec<u32> = found.into_iter().collect();
    found.sort_unstable();
    found
}

/// Names that mean something already.
struct Taken(HashSet<String>);

impl Taken {
    fn new(func: &Func) -> Taken {
        const WORDS: [&str; 18] = [
            "and", "or", "not", "if", "for", "in", "from", "while", "do", "iterate", "param", "data", "index", "pi",
            "tau", "inf", "e", "i",
        ];
        let mut taken: HashSet<String> = WORDS.iter().map(|&word| word.to_owned()).collect();
        taken.extend(builtin::names().map(str::to_owned));
        taken.extend(func.params.iter().map(|param| param.name.clone()));
        Taken(taken)
    }

    /// The name, or one like it that is free.
    fn claim(&mut self, wanted: &str) -> String {
        let wanted = if wanted.is_empty() { "value" } else { wanted };
        let numbered = (2u64..).map(|number| format!("{wanted}_{number}"));
        let mut candidates = std::iter::once(wanted.to_owned()).chain(numbered);
        let name = candidates.find(|name| !self.0.contains(name)).unwrap_or_default();
        self.0.insert(name.clone());
        name
    }
}

/// New names: letters while they last, else numbered.
struct Generated {
    few: bool,
    number: usize,
}

const LETTERS: [&str; 8] = ["u", "v", "w", "p", "q", "r", "s", "t"];

impl Generated {
    fn next(&mut self, taken: &mut Taken) -> String {
        loop {
            let name = match LETTERS.get(self.number) {
                Some(letter) if self.few => (*letter).to_owned(),
                _ => format!("t{}", self.number + 1),
            };
            self.number += 1;
            if taken.0.insert(name.clone()) {
                return name;
            }
        }
    }
}
