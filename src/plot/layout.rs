//! Places for the nodes of a graph without cycles, from left to right in columns, after Sugiyama, Tagawa and Toda (1981).
//!
//! 1. A node stands right of all that it uses, one that uses nothing just left of its first user.
//! 2. An edge has a cell in every column that it passes, one of them wide enough for its label.
//! 3. Cells are put in order by the means of their neighbours' places, to and fro; the order with the fewest crossings stays.
//! 4. Each cell moves to the height of its neighbours as far as its column has room: least squares with distances
//!    kept, which is a regression by pooling neighbours that would overlap.

/// A width and a height.
pub type Size = (f64, f64);

pub struct Edge {
    pub from: usize,
    pub to: usize,
    pub label: Size,
}

pub struct Layout {
    pub size: Size,
    /// The middle of each node.
    pub nodes: Vec<(f64, f64)>,
    /// Where each edge passes on its way, columns left to right.
    pub ways: Vec<Vec<(f64, f64)>>,
    /// The middle of each edge's label.
    pub labels: Vec<(f64, f64)>,
}

/// Between columns, and between cells of a column.
const GAP: Size = (24.0, 12.0);
const SWEEPS: usize = 16;

struct Cell {
    column: usize,
    size: Size,
    before: Vec<usize>,
    after: Vec<usize>,
    /// How much it asks to lie straight between its neighbours: bends of edges are worse than nodes off their place.
    weight: f64,
    y: f64,
}

/// Places nodes of these sizes. An edge goes from a node to one with a higher index.
pub fn layout(nodes: &[Size], edges: &[Edge]) -> Layout {
    let columns = columns(nodes.len(), edges);
    let cell = |column, size, weight| Cell { column, size, before: Vec::new(), after: Vec::new(), weight, y: 0.0 };
    let mut cells: Vec<Cell> = nodes.iter().zip(&columns).map(|(&size, &column)| cell(column, size, 1.0)).collect();
    let mut chains = Vec::with_capacity(edges.len());
    for edge in edges {
        let (first, last) = (columns[edge.from] + 1, columns[edge.to]);
        // Labels stand in odd columns, nodes in even ones.
        let labelled = ((first + last) / 2) | 1;
        let mut previous = edge.from;
        let mut chain = Vec::with_capacity(last - first);
        for column in first..last {
            let size = if column == labelled { edge.label } else { (0.0, 8.0) };
            link(&mut cells, previous, cell(column, size, 4.0));
            previous = cells.len() - 1;
            chain.push(previous);
        }
        cells[previous].after.push(edge.to);
        cells[edge.to].before.push(previous);
        chains.push((chain, labelled - first));
    }
    let order = ordered(&cells);
    place(&mut cells, &order);

    let widths = order.iter().map(|column| column.iter().map(|&cell| cells[cell].size.0).fold(0.0, f64::max));
    let mut right = 0.0;
    let middles: Vec<f64> = widths
        .map(|width| {
            let middle = right + width / 2.0;
            right += width + GAP.0;
            middle
        })
        .collect();
    let ends = |cell: &Cell| [cell.y - cell.size.1 / 2.0, cell.y + cell.size.1 / 2.0];
    let top = cells.iter().map(|cell| ends(cell)[0]).fold(f64::INFINITY, f64::min);
    let bottom = cells.iter().map(|cell| ends(cell)[1]).fold(f64::NEG_INFINITY, f64::max);
    let at = |&cell: &usize| (middles[cells[cell].column], cells[cell].y - top);
    Layout {
        size: (right - GAP.0, bottom - top),
        nodes: (0..nodes.len()).map(|node| at(&node)).collect(),
        ways: chains.iter().map(|(chain, _)| chain.iter().map(at).collect()).collect(),
        labels: chains.iter().map(|(chain, label)| at(&chain[*label])).collect(),
    }
}

fn link(cells: &mut Vec<Cell>, previous: usize, mut next: Cell) {
    let place = cells.len();
    next.before.push(previous);
    cells[previous].after.push(place);
    cells.push(next);
}

/// The column of each node; all are even.
fn columns(nodes: usize, edges: &[Edge]) -> Vec<usize> {
    let mut columns = vec![0; nodes];
    let mut by_user: Vec<&Edge> = edges.iter().collect();
    by_user.sort_by_key(|edge| edge.to);
    for edge in &by_user {
        columns[edge.to] = columns[edge.to].max(columns[edge.from] + 2);
    }
    for node in 0..nodes {
        let is_source = edges.iter().all(|edge| edge.to != node);
        let first_user = edges.iter().filter(|edge| edge.from == node).map(|edge| columns[edge.to]).min();
        if let (true, Some(user)) = (is_source, first_user) {
            columns[node] = user - 2;
        }
    }
    columns
}

/// The cells of each column in an order with few crossings.
fn ordered(cells: &[Cell]) -> Vec<Vec<usize>> {
    let n_columns = cells.iter().map(|cell| cell.column + 1).max().unwrap_or(0);
    let mut order = vec![Vec::new(); n_columns];
    for (place, cell) in cells.iter().enumerate() {
        order[cell.column].push(place);
    }
    let mut rank = vec![0; cells.len()];
    let mut best = (usize::MAX, order.clone());
    for sweep in 0..SWEEPS {
        for column in &order {
            column.iter().enumerate().for_each(|(place, &cell)| rank[cell] = place);
        }
        let crossings = crossings(cells, &order, &rank);
        if crossings < best.0 {
            best = (crossings, order.clone());
        }
        let rightwards = sweep % 2 == 0;
        for step in 0..n_columns {
            let column = &mut order[if rightwards { step } else { n_columns - 1 - step }];
            let mean = |&cell: &usize| {
                let neighbours = if rightwards { &cells[cell].before } else { &cells[cell].after };
                let sum: usize = neighbours.iter().map(|&neighbour| rank[neighbour]).sum();
                if neighbours.is_empty() { rank[cell] as f64 } else { sum as f64 / neighbours.len() as f64 }
            };
            column.sort_by(|a, b| mean(a).total_cmp(&mean(b)));
            column.iter().enumerate().for_each(|(place, &cell)| rank[cell] = place);
        }
    }
    best.1
}

fn crossings(cells: &[Cell], order: &[Vec<usize>], rank: &[usize]) -> usize {
    let mut crossings = 0;
    for column in order {
        let mut ends: Vec<usize> = Vec::new();
        for &cell in column {
            let mut to: Vec<usize> = cells[cell].after.iter().map(|&after| rank[after]).collect();
            to.sort_unstable();
            for end in to {
                let place = ends.partition_point(|&other| other <= end);
                crossings += ends.len() - place;
                ends.insert(place, end);
            }
        }
    }
    crossings
}

/// Gives each cell its height.
fn place(cells: &mut [Cell], order: &[Vec<usize>]) {
    for sweep in 0..3 * SWEEPS {
        for step in 0..order.len() {
            let column = &order[if sweep % 2 == 0 { step } else { order.len() - 1 - step }];
            let wanted: Vec<(f64, f64)> = column
                .iter()
                .map(|&cell| {
                    let Cell { before, after, weight, y, .. } = &cells[cell];
                    // The first sweeps look to one side, the last at both.
                    let sides = match (sweep % 2, sweep < SWEEPS) {
                        (0, true) => [before.as_slice(), &[]],
                        (_, true) => [after.as_slice(), &[]],
                        (_, false) => [before.as_slice(), after.as_slice()],
                    };
                    let near: Vec<f64> = sides.concat().iter().map(|&neighbour| cells[neighbour].y).collect();
                    let mean = if near.is_empty() { *y } else { near.iter().sum::<f64>() / near.len() as f64 };
                    (mean, *weight)
                })
                .collect();
            let heights: Vec<f64> = column.iter().map(|&cell| cells[cell].size.1 + GAP.1).collect();
            for (&cell, y) in column.iter().zip(apart(&wanted, &heights)) {
                cells[cell].y = y;
            }
        }
    }
}

/// The heights nearest to those wanted (each with its weight) at which cells in this order don't overlap.
fn apart(wanted: &[(f64, f64)], heights: &[f64]) -> Vec<f64> {
    // Beside each other cells have these distances from the first; what is left must only not fall.
    let offsets: Vec<f64> = heights
        .windows(2)
        .scan(0.0, |offset, pair| {
            *offset += (pair[0] + pair[1]) / 2.0;
            Some(*offset)
        })
        .collect();
    let offset = |place: usize| if place == 0 { 0.0 } else { offsets[place - 1] };
    // Pools of neighbours at one level: their level, weight and number.
    let mut pools: Vec<(f64, f64, usize)> = Vec::new();
    for (place, &(y, weight)) in wanted.iter().enumerate() {
        let mut pool = (y - offset(place), weight, 1);
        while let Some(&(level, heavier, count)) = pools.last().filter(|last| last.0 >= pool.0) {
            pools.pop();
            let weight = heavier + pool.1;
            pool = ((level * heavier + pool.0 * pool.1) / weight, weight, count + pool.2);
        }
        pools.push(pool);
    }
    let levels = pools.iter().flat_map(|&(level, _, count)| std::iter::repeat_n(level, count));
    levels.enumerate().map(|(place, level)| level + offset(place)).collect()
}
