//! Two stages: while a turn of the loop finishes some points, it begins the next ones.
//!
//! A formula with elementary functions is a long chain of operations that wait for each other, longer than the machine would need to issue
//! them all, and longer than it looks ahead. So the chain is cut in the middle:
//!
//! ```text
//! turn 0    begin 0
//! turn 1    begin 1    finish 0
//! turn 2    begin 2    finish 1
//! …
//! turn n               finish n - 1
//! ```
//!
//! In a turn the two halves have nothing to do with each other, so that one computes while the other one waits. What the second half needs of the first
//! is **carried** through memory, of which there are two copies, since the next points are begun before the last ones are
//! finished. Turn 0 finishes something as well, in the place of the first points, whose results come after; turn n begins the last
//! points again.

use super::low::{Id, Low, N_ARGS, NONE, Program};
use super::schedule::latency;

/// A body in two stages.
pub struct Stages {
    /// The instructions of both; the second stage is first, because it has begun before.
    pub insts: Vec<Id>,
    /// Which values are carried; their places are their slots.
    pub carried: Vec<Id>,
}

/// Chains of so many cycles can be left to the machine.
const SHORT: u32 = 112;

/// How many instructions a machine executes in a cycle, at best.
const RATE: usize = 3;

/// Cuts a body in two where that makes it faster.
pub fn pipeline(program: &mut Program, body: &[Id]) -> Option<Stages> {
    let times = Times::new(program, body);
    if times.end < SHORT || body.len() / RATE > times.end as usize {
        return None;
    }
    let late = times.cut(program, body);
    let is_late = |id: Id| late[id as usize];
    let mut carried = Vec::new();
    // What the second stage sees of a value of the first.
    let mut seen = vec![NONE; program.insts.len()];
    for &id in body.iter().filter(|&&id| is_late(id)) {
        let mut inst = program.insts[id as usize];
        if let Low::Store { late, .. } = &mut inst.op {
            *late = true;
        }
        for slot in 0..N_ARGS {
            let arg = inst.args[slot];
            if arg == NONE || program.uniform[arg as usize] || is_late(arg) {
                continue;
            }
            if seen[arg as usize] == NONE {
                let op = match program.insts[arg as usize].op {
                    Low::Column { column, vector, .. } => Low::Column { column, vector, late: true },
                    _ => {
                        carried.push(arg);
                        Low::Carried { slot: carried.len() as u32 - 1, class: program.class(arg) }
                    }
                };
                seen[arg as usize] = program.memory(op);
            }
            inst.args[slot] = seen[arg as usize];
        }
        program.insts[id as usize] = inst;
    }
    let (second, first): (Vec<Id>, Vec<Id>) = body.iter().partition(|&&id| is_late(id));
    let insts = [second, first].concat();
    Some(Stages { insts, carried })
}

/// When each instruction can begin at the earliest, and must at the latest, were there no limit to what is done at once.
struct Times {
    start: Vec<u32>,
    latest: Vec<u32>,
    end: u32,
}

impl Times {
    fn new(program: &Program, body: &[Id]) -> Times {
        let cycles = |id: Id| latency(program.insts[id as usize].op);
        let (mut start, mut end) = (vec![0; program.insts.len()], 0);
        let mut in_body = vec![false; program.insts.len()];
        for &id in body {
            in_body[id as usize] = true;
            let args = program.insts[id as usize].args().filter(|&arg| in_body[arg as usize]);
            start[id as usize] = args.map(|arg| start[arg as usize] + cycles(arg)).max().unwrap_or(0);
            end = end.max(start[id as usize] + cycles(id));
        }
        let mut latest = vec![end; program.insts.len()];
        for &id in body.iter().rev() {
            latest[id as usize] = latest[id as usize].saturating_sub(cycles(id));
            for arg in program.insts[id as usize].args() {
                latest[arg as usize] = latest[arg as usize].min(latest[id as usize]);
            }
        }
        Times { start, latest, end }
    }

    /// Which instructions belong to the second stage: cut a little after the middle, which has turned out best, where the fewest values
    /// are carried.
    fn cut(&self, program: &Program, body: &[Id]) -> Vec<bool> {
        const TRIALS: u32 = 9;
        let near = |trial: u32| self.end * (11 * TRIALS + 3 * trial) / (20 * TRIALS);
        let cuts = (0..=TRIALS).map(near).flat_map(|time| [(&self.start, time), (&self.latest, time)]);
        let cuts = cuts.map(|(times, time)| {
            let mut late = vec![false; program.insts.len()];
            body.iter().for_each(|&id| late[id as usize] = times[id as usize] >= time);
            late
        });
        cuts.min_by_key(|late| crossing(program, body, late)).unwrap_or_default()
    }
}

/// How many values the second stage needs of the first.
fn crossing(program: &Program, body: &[Id], late: &[bool]) -> usize {
    let mut counted = vec![false; program.insts.len()];
    let mut count = 0;
    for &id in body.iter().filter(|&&id| late[id as usize]) {
        for arg in program.insts[id as usize].args() {
            let in_memory =
                program.uniform[arg as usize] || matches!(program.insts[arg as usize].op, Low::Column { .. });
            if !in_memory && !late[arg as usize] && !counted[arg as usize] {
                counted[arg as usize] = true;
                count += 1;
            }
        }
    }
    count
}
