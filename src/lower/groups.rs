//! Which arrays are defined together.
//!
//! The equations of a block that begin with one name are the clauses of one array, made where the last of them stands.
//! Arrays that refer to each other form one group and are made together, where the last clause of them all stands. So do arrays whose
//! clauses stand among those of arrays that they refer to.

use hashbrown::{HashMap, HashSet};

use crate::ast::{Ast, BlockId, Form, Name, NodeKind, Statement, StatementKind, Target, TreeId};

/// Arrays that are made together.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Group {
    pub names: Vec<Name>,
    /// Their clauses, as indices of statements of the block, in order.
    pub statements: Vec<usize>,
    /// Whether some clause mentions an array of the group.
    pub recurrent: bool,
}

/// The groups of a block.
pub fn of_block(ast: &Ast, block: BlockId) -> Vec<Group> {
    let mut arrays: Vec<Array> = Vec::new();
    let mut place: HashMap<Name, usize> = HashMap::new();
    for (index, statement) in ast.block(block).statements.iter().enumerate() {
        if let Some(name) = element(statement) {
            let array = *place.entry(name).or_insert_with(|| {
                arrays.push(Array { name, statements: Vec::new(), mentions: Vec::new() });
                arrays.len() - 1
            });
            arrays[array].statements.push(index);
        }
    }
    for array in &mut arrays {
        let statements = array.statements.iter().map(|&index| &ast.block(block).statements[index]);
        let mut mentions: Vec<usize> =
            mentioned(ast, statements).iter().filter_map(|name| place.get(name).copied()).collect();
        mentions.sort_unstable();
        array.mentions = mentions;
    }
    let mentions: Vec<Vec<usize>> = arrays.iter().map(|array| array.mentions.clone()).collect();
    interleaved(&arrays, components(&mentions)).into_iter().map(|members| group(&arrays, &members)).collect()
}

/// Joins arrays with those that they mention where these begin before them and end after them.
fn interleaved(arrays: &[Array], mut groups: Vec<Vec<usize>>) -> Vec<Vec<usize>> {
    loop {
        let mut group_of = vec![0; arrays.len()];
        for (number, group) in groups.iter().enumerate() {
            group.iter().for_each(|&array| group_of[array] = number);
        }
        let ends = |group: &Vec<usize>| {
            let statements = || group.iter().flat_map(|&array| &arrays[array].statements);
            (statements().min().copied(), statements().max().copied())
        };
        let ends: Vec<_> = groups.iter().map(ends).collect();
        let joined = (0..arrays.len()).find_map(|array| {
            let own = group_of[array];
            let others = arrays[array].mentions.iter().map(|&other| group_of[other]);
            let mut others = others.filter(|&other| ends[other].0 < ends[own].1 && ends[own].1 < ends[other].1);
            others.find(|&other| other != own).map(|other| (own, other))
        });
        let Some((own, other)) = joined else { return groups };
        let members = std::mem::take(&mut groups[other]);
        groups[own].extend(members);
        groups.retain(|group| !group.is_empty());
    }
}

/// The name of the array that a statement is a clause of.
pub fn element(statement: &Statement) -> Option<Name> {
    match statement.kind {
        StatementKind::Define { target: Target::Element { name, .. }, .. } => Some(name),
        StatementKind::Define { .. } | StatementKind::Declare { .. } | StatementKind::Expression(_) => None,
    }
}

struct Array {
    name: Name,
    statements: Vec<usize>,
    /// The arrays of the block that its clauses mention.
    mentions: Vec<usize>,
}

fn group(arrays: &[Array], members: &[usize]) -> Group {
    let mut members = members.to_vec();
    members.sort_unstable();
    let mut statements: Vec<usize> = members.iter().flat_map(|&member| arrays[member].statements.clone()).collect();
    statements.sort_unstable();
    let recurrent = members.iter().any(|&member| arrays[member].mentions.iter().any(|other| members.contains(other)));
    Group { names: members.iter().map(|&member| arrays[member].name).collect(), statements, recurrent }
}

/// The names that clauses mention anywhere: in values, ranges and left sides.
fn mentioned<'a>(ast: &'a Ast, clauses: impl Iterator<Item = &'a Statement>) -> HashSet<Name> {
    let mut names = HashSet::new();
    let mut trees: Vec<TreeId> = clauses.flat_map(trees_of).collect();
    while let Some(tree) = trees.pop() {
        for node in ast.tree(tree) {
            match node.kind {
                NodeKind::Name { name, .. } | NodeKind::Call { name, .. } => {
                    names.insert(name);
                }
                NodeKind::Block(block) => trees.extend(ast.block(block).statements.iter().flat_map(trees_of)),
                NodeKind::Form(form) => trees.extend(form_trees(ast.form(form))),
                NodeKind::Number(_)
                | NodeKind::Integer(_)
                | NodeKind::Unary(_)
                | NodeKind::Binary(_)
                | NodeKind::If
                | NodeKind::Subscript { .. }
                | NodeKind::Tuple(_)
                | NodeKind::Array(_) => {}
            }
        }
    }
    names
}

fn trees_of(statement: &Statement) -> Vec<TreeId> {
    match &statement.kind {
        StatementKind::Declare { .. } => Vec::new(),
        StatementKind::Expression(tree) => vec![*tree],
        StatementKind::Define { target, value, ranges } => {
            let left: &[TreeId] = match target {
                Target::Element { subscripts, .. } => subscripts,
                Target::Name(..) | Target::Function { .. } | Target::Tuple(_) => &[],
            };
            let ranges = ranges.iter().filter_map(|binder| binder.range.as_ref());
            let bounds = ranges.flat_map(|range| [range.low, range.high]);
            left.iter().copied().chain([*value]).chain(bounds).collect()
        }
    }
}

/// The trees that a form holds.
fn form_trees(form: &Form) -> Vec<TreeId> {
    let (binders, trees): (&[crate::ast::Binder], Vec<TreeId>) = match form {
        Form::Reduce { binders, condition, body, .. } => (binders, condition.iter().copied().chain([*body]).collect()),
        Form::Comprehension { body, binders } => (binders, vec![*body]),
        Form::Iterate { start, counter, condition, body, .. } => {
            (counter.as_slice(), [*start, *body].into_iter().chain(*condition).collect())
        }
    };
    let ranges = binders.iter().filter_map(|binder| binder.range.as_ref());
    ranges.flat_map(|range| [range.low, range.high]).chain(trees).collect()
}

/// The sets of arrays that mention each other, by Kosaraju's method, without recursion.
pub(super) fn components(mentions: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let mut mentioned_by = vec![Vec::new(); mentions.len()];
    for (array, others) in mentions.iter().enumerate() {
        for &other in others {
            mentioned_by[other].push(array);
        }
    }
    let mut finished = Vec::new();
    let mut seen = vec![false; mentions.len()];
    for root in 0..mentions.len() {
        walk(root, |array| &mentions[array], &mut seen, &mut finished);
    }
    let mut components = Vec::new();
    let mut seen = vec![false; mentions.len()];
    for &root in finished.iter().rev() {
        let mut component = Vec::new();
        walk(root, |array| &mentioned_by[array], &mut seen, &mut component);
        if !component.is_empty() {
            components.push(component);
        }
    }
    components
}

/// Adds what can be reached from `root` and hasn't been seen, each after what it leads to.
fn walk<'e>(root: usize, edges: impl Fn(usize) -> &'e Vec<usize>, seen: &mut [bool], order: &mut Vec<usize>) {
    if std::mem::replace(&mut seen[root], true) {
        return;
    }
    let mut path = vec![(root, 0)];
    while let Some((node, next)) = path.last_mut() {
        let node = *node;
        match edges(node).get(*next) {
            Some(&to) => {
                *next += 1;
                if !std::mem::replace(&mut seen[to], true) {
                    path.push((to, 0));
                }
            }
            None => {
                order.push(node);
                path.pop();
            }
        }
    }
}
