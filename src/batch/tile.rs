//! A job: some blocks of points, computed tile by tile, into the caller's memory and into sums.

use super::kernel::{Input, Kernel, Scratch};
use super::output::{Output, split};
use super::points::Column;
use super::reduce::{BLOCK, Lanes};

/// What all jobs of a batch share.
pub struct Task<'a> {
    pub kernel: &'a Kernel,
    pub columns: &'a [Column<'a>],
    /// How many results each part has, and how many of them all are wanted.
    pub outs: [usize; 3],
    pub wanted: usize,
    /// How many inputs are gathered, and how many results wait for their rows or are only summed.
    pub gathered: usize,
    pub spare: usize,
}

/// Points from `start` on, with the memory for their results.
pub struct Job<'o> {
    pub start: usize,
    pub len: usize,
    pub outputs: [Option<Output<'o>>; 3],
    /// Room for the sums of each block, if there are to be any.
    pub sums: Option<&'o mut [f64]>,
}

/// What a worker keeps from tile to tile.
pub struct Worker {
    scratch: Scratch,
    gathered: Vec<f64>,
    spare: Vec<f64>,
    lanes: Vec<Lanes>,
}

/// Memory that tiles of one worker may take.
const TILE_BYTES: usize = 256 << 10;

/// Rows that get their numbers from columns of the tile.
struct RowsOf<'t> {
    values: &'t mut [f64],
    stride: usize,
    first: usize,
    width: usize,
}

impl Task<'_> {
    /// How many points a tile has: a multiple of the lanes of a sum. Where all numbers are used in their place, any number.
    fn tile_len(&self) -> usize {
        match self.gathered + self.spare {
            0 => usize::MAX,
            columns => (TILE_BYTES / 8 / columns / 16 * 16).clamp(16, BLOCK),
        }
    }

    pub fn worker(&self) -> Worker {
        Worker {
            scratch: Scratch::default(),
            gathered: vec![0.0; self.gathered * self.tile_len()],
            spare: vec![0.0; self.spare * self.tile_len()],
            lanes: Vec::new(),
        }
    }

    /// Does a job.
    ///
    /// # Errors
    /// The first point that has no result.
    pub fn run(&self, worker: &mut Worker, mut job: Job) -> Result<(), usize> {
        let mut done = 0;
        while done < job.len {
            let len = if job.sums.is_some() { BLOCK.min(job.len - done) } else { job.len - done };
            worker.lanes.clear();
            if job.sums.is_some() {
                worker.lanes.resize(self.wanted, Lanes::EMPTY);
            }
            let mut at = 0;
            while at < len {
                let points = self.tile_len().min(len - at);
                self.tile(worker, &mut job.outputs, job.start + done + at, points)?;
                at += points;
            }
            if let Some(sums) = &mut job.sums {
                for (sum, lanes) in split(sums, self.wanted).iter_mut().zip(&worker.lanes) {
                    *sum = lanes.total();
                }
            }
            done += len;
        }
        Ok(())
    }

    /// Computes points from `start` on, and takes their memory from the outputs.
    fn tile(
        &self,
        worker: &mut Worker,
        outputs: &mut [Option<Output>; 3],
        start: usize,
        points: usize,
    ) -> Result<(), usize> {
        let Worker { scratch, gathered, spare, lanes } = worker;
        let inputs = self.inputs(gathered, start, points);
        let mut spare = spare.chunks_mut(self.tile_len());
        let mut columns: Vec<&mut [f64]> = Vec::with_capacity(self.wanted);
        let mut rows = Vec::new();
        for (output, &width) in outputs.iter_mut().zip(&self.outs) {
            let first = columns.len();
            match output.as_mut().map(|output| output.split(points)) {
                Some(Output::Columns(slices)) if lanes.is_empty() => columns.extend(slices.into_iter().flatten()),
                Some(Output::Columns(slices)) => {
                    for slice in slices {
                        columns.extend(slice.or_else(|| Some(&mut spare.next()?[..points])));
                    }
                }
                Some(Output::Rows { values, stride }) => {
                    columns.extend(spare.by_ref().take(width).map(|column| &mut column[..points]));
                    rows.push(RowsOf { values, stride, first, width });
                }
                None if lanes.is_empty() => {}
                None => columns.extend(spare.by_ref().take(width).map(|column| &mut column[..points])),
            }
        }
        self.kernel.run(scratch, &inputs, &mut columns, points).map_err(|point| start + point)?;
        for (lanes, column) in lanes.iter_mut().zip(&columns) {
            lanes.add(column);
        }
        for rows in rows {
            let columns = &columns[rows.first..rows.first + rows.width];
            for (point, row) in rows.values.chunks_mut(rows.stride).enumerate() {
                for (slot, column) in row.iter_mut().zip(columns) {
                    *slot = column[point];
                }
            }
        }
        Ok(())
    }

    /// The columns of a tile; what is not contiguous is gathered.
    fn inputs<'i>(&'i self, gathered: &'i mut [f64], start: usize, points: usize) -> Vec<Input<'i>> {
        let mut room = gathered.chunks_mut(self.tile_len());
        let mut gather = |values: &[f64], stride: usize| {
            let room = room.next().unwrap_or_default();
            for (slot, value) in room.iter_mut().zip(values[start * stride..].iter().step_by(stride)).take(points) {
                *slot = *value;
            }
            Input::Column(&*room)
        };
        let input = |column: &'i Column| match *column {
            Column::Same(value) => Input::Uniform(value),
            Column::Every { values, stride: 0 } => Input::Uniform(values.first().copied().unwrap_or(f64::NAN)),
            Column::Every { values, stride } if stride > 1 => gather(values, stride),
            Column::Each(values) | Column::Every { values, .. } => Input::Column(&values[start..start + points]),
        };
        self.columns.iter().map(input).collect()
    }
}
