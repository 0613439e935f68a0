//! The data in memory.

use std::path::Path;

use chainrule::data::{self, Wanted, flow};

use super::arguments::OnFault;
use crate::cli::fault::Fault;

/// Columns by name.
#[derive(Default)]
pub struct Rows {
    pub columns: Vec<(String, Vec<f64>)>,
    /// How many rows were left out, and why the first.
    pub remark: Option<String>,
}

impl Rows {
    /// Reads the columns from a file.
    pub fn read(
        path: &Path,
        wanted: Vec<String>,
        names: Option<&[String]>,
        on_fault: OnFault,
        threads: usize,
    ) -> Result<Rows, Fault> {
        let mut source = data::open(path, Wanted { columns: &wanted, names })?;
        let mut columns: Vec<Vec<f64>> = vec![Vec::new(); wanted.len()];
        let (mut left_out, mut first) = (0, None);
        flow::blocks(source.as_mut(), threads, |block| {
            let mut is_good = vec![true; block.rows];
            for fault in &block.faults {
                is_good[fault.row] = false;
            }
            if let Some(fault) = block.faults.first() {
                let error = data::Error::Cell { path: path.to_owned(), fault: fault.clone() };
                if on_fault == OnFault::Fail {
                    return Err(Fault::usage(error.to_string(), "`--on-error skip` leaves such rows out"));
                }
                first.get_or_insert_with(|| error.to_string());
            }
            if on_fault == OnFault::Skip {
                for (row, is_good) in is_good.iter_mut().enumerate() {
                    *is_good &= block.columns.iter().all(|column| column[row].is_finite());
                }
            }
            left_out += is_good.iter().filter(|&&is_good| !is_good).count();
            for (column, values) in columns.iter_mut().zip(&block.columns) {
                let good = values.iter().zip(&is_good).filter(|(_, is_good)| **is_good);
                column.extend(good.map(|(value, _)| value));
            }
            Ok::<(), Fault>(())
        })?;
        let why = first.map_or_else(String::new, |first| format!("; the first: {first}"));
        let remark = (left_out > 0).then(|| format!("warning: rows left out: {left_out}{why}"));
        Ok(Rows { columns: wanted.into_iter().zip(columns).collect(), remark })
    }
}
