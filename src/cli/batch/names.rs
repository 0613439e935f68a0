//! What the columns of the output are called. An array has a column for each of its elements: `d_W[0, 1]`.

use chainrule::Program;
use chainrule::ir::Shape;

use crate::cli::options::result_names;

/// A name for each number of each part of the results; `None` is not written.
pub type Names = [Vec<Option<String>>; 3];

pub fn values(program: &Program) -> Names {
    [
        results(program).iter().flat_map(|(name, shape)| elements(name, shape)).map(Some).collect(),
        Vec::new(),
        Vec::new(),
    ]
}

pub fn gradient(program: &Program, wrt: &[&str]) -> Names {
    let first = wrt.iter().flat_map(|x| elements(&format!("d_{x}"), &shape(program, x))).map(Some).collect();
    [vec![Some("value".to_owned())], first, Vec::new()]
}

/// The dimensions of the result, then those of the argument.
pub fn jacobian(program: &Program, wrt: &[&str]) -> Names {
    let results = results(program);
    let owner = |result: &String| if results.len() == 1 { String::new() } else { format!("{result}_") };
    let block = |(result, of): &(String, Shape), x: &&str| {
        let shape: Vec<usize> = of.iter().copied().chain(shape(program, x)).collect();
        elements(&format!("{}d_{x}", owner(result)), &shape)
    };
    let first = results.iter().flat_map(|result| wrt.iter().flat_map(|x| block(result, x)).collect::<Vec<_>>());
    let [values, ..] = values(program);
    [values, first.map(Some).collect(), Vec::new()]
}

/// The Hessian is symmetric: of two equal entries the first is written.
pub fn hessian(program: &Program, wrt: &[&str]) -> Names {
    let [value, first, _] = gradient(program, wrt);
    let lens: Vec<usize> = wrt.iter().map(|x| shape(program, x).iter().product()).collect();
    let start = |place: usize| lens[..place].iter().sum::<usize>();
    let mut second = Vec::new();
    for (row, x) in wrt.iter().enumerate() {
        for (column, z) in wrt.iter().enumerate() {
            let shape: Vec<usize> = [shape(program, x), shape(program, z)].concat();
            let is_first = |index: usize| start(row) + index / lens[column] <= start(column) + index % lens[column];
            let names = elements(&format!("d_{x}_{z}"), &shape).into_iter().enumerate();
            second.extend(names.map(|(index, name)| is_first(index).then_some(name)));
        }
    }
    [value, first, second]
}

/// The results with their extents.
fn results(program: &Program) -> Vec<(String, Shape)> {
    let graph = program.graph();
    let shapes = graph.results.iter().map(|result| graph.shape(result.value).into());
    result_names(program).into_iter().zip(shapes).collect()
}

fn shape(program: &Program, argument: &str) -> Vec<usize> {
    program.shape_of(argument).unwrap_or_default().to_vec()
}

/// The names of the elements of an array, row by row; of a number its own.
pub fn elements(name: &str, shape: &[usize]) -> Vec<String> {
    let mut subscripts = vec![String::new()];
    for extent in shape {
        let comma = |before: &String| if before.is_empty() { String::new() } else { format!("{before}, ") };
        let each = |before: String| (0..*extent).map(move |place| format!("{before}{place}"));
        subscripts = subscripts.iter().map(comma).flat_map(each).collect();
    }
    let named = |subscripts: String| if shape.is_empty() { name.to_owned() } else { format!("{name}[{subscripts}]") };
    subscripts.into_iter().map(named).collect()
}
