//! What the columns of the output are called.

use chainrule::Program;

use crate::cli::options::result_names;

/// A name for each number of each part of the results; `None` is not written.
pub type Names = [Vec<Option<String>>; 3];

pub fn values(program: &Program) -> Names {
    [result_names(program).into_iter().map(Some).collect(), Vec::new(), Vec::new()]
}

pub fn gradient(wrt: &[&str]) -> Names {
    let first = wrt.iter().map(|x| Some(format!("d_{x}"))).collect();
    [vec![Some("value".to_owned())], first, Vec::new()]
}

pub fn jacobian(program: &Program, wrt: &[&str]) -> Names {
    let results = result_names(program);
    let row = |result: &String| wrt.iter().map(|x| Some(format!("{result}_d_{x}"))).collect::<Vec<_>>();
    let first = results.iter().flat_map(row).collect();
    [results.into_iter().map(Some).collect(), first, Vec::new()]
}

/// The Hessian is symmetric: of two equal entries the first is written.
pub fn hessian(wrt: &[&str]) -> Names {
    let entry = |row: usize, column: usize| (row <= column).then(|| format!("d_{}_{}", wrt[row], wrt[column]));
    let second = (0..wrt.len()).flat_map(|row| (0..wrt.len()).map(move |column| entry(row, column)));
    let [value, first, _] = gradient(wrt);
    [value, first, second.collect()]
}
