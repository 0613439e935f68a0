//! In which order a loop computes: what much depends on first.
//!
//! Processors look ahead some hundred instructions, and fewer of those that wait for operands. In the order of the graph, one
//! elementary function comes after the other, each a chain of dependent operations; side by side they take half the time. So
//! instructions are ordered as a machine would issue them that executes two at a time and knows how long the way to
//! the end is from each. Where more values are alive than there are registers, what frees registers goes first.

use std::cmp::Reverse;

use super::Width;
use super::low::{Id, Low, Program, RowOp};

/// Instructions that begin together.
const ISSUE: u32 = 2;

pub fn latency(op: Low) -> u32 {
    match op {
        Low::Div => 14,
        Low::Sqrt => 20,
        Low::Store { .. } | Low::Row(RowOp::Put(_) | RowOp::PutFirst(..) | RowOp::PutSums { .. }) => 0,
        Low::And | Low::AndNot | Low::Or | Low::Xor | Low::Bits(_) | Low::Blend => 1,
        _ => 4,
    }
}

/// An instruction that can be issued, at its place in the graph's order.
struct Ready {
    place: usize,
    time: u32,
}

/// The same instructions in a better order, in which none comes before another one that was `window` places ahead of it.
pub fn schedule(program: &Program, insts: Vec<Id>, window: usize) -> Vec<Id> {
    // A few more than there are registers: what waits longest can wait in memory.
    let limit = match program.width {
        Width::W512 | Width::One512 => 30,
        Width::W256 | Width::One256 => 18,
    };
    schedule_within(program, insts, window, limit)
}

/// The same with a limit to how many values are alive at once.
pub fn schedule_within(program: &Program, insts: Vec<Id>, window: usize, limit: isize) -> Vec<Id> {
    const NOWHERE: u32 = u32::MAX;
    let n = insts.len();
    let mut place = vec![NOWHERE; program.insts.len()];
    for (index, &id) in insts.iter().enumerate() {
        place[id as usize] = index as u32;
    }
    let args = |index: usize| {
        program.insts[insts[index] as usize].args().filter_map(|arg| {
            let at = place[arg as usize];
            (at != NOWHERE).then_some(at as usize)
        })
    };
    // How far the end is, what waits for how many operands, and how many uses are left.
    let mut height = vec![0u32; n];
    let mut waits = vec![0u32; n];
    let mut uses = vec![0u32; n];
    let mut users: Vec<Vec<u32>> = vec![Vec::new(); n];
    for index in (0..n).rev() {
        height[index] += latency(program.insts[insts[index] as usize].op);
        for arg in args(index) {
            height[arg] = height[arg].max(height[index]);
            waits[index] += 1;
            uses[arg] += 1;
            users[arg].push(index as u32);
        }
    }

    let mut order = Vec::with_capacity(n);
    let mut finish = vec![0u32; n];
    let mut done = vec![false; n];
    let mut ready: Vec<Ready> =
        (0..n).filter(|&index| waits[index] == 0).map(|place| Ready { place, time: 0 }).collect();
    ready.sort_unstable_by_key(|ready| Reverse(ready.place));
    // Ready from the start, in order; they enter the window as it moves.
    let mut later = std::mem::take(&mut ready);
    let (mut first, mut live, mut clock, mut issued) = (0, 0isize, 0, 0);
    while order.len() < n {
        while done[first] {
            first += 1;
        }
        while later.last().is_some_and(|next| next.place < first.saturating_add(window)) {
            ready.extend(later.pop());
        }
        let candidates =
            ready.iter().enumerate().filter(|(_, candidate)| candidate.place < first.saturating_add(window));
        let is_full = live >= limit;
        let best = candidates.min_by_key(|(_, candidate)| {
            let place = candidate.place;
            if is_full && uses[place] > 0 && !args(place).any(|arg| uses[arg] == 1) {
                // It takes a register and frees none: only if all do so, and then what comes first.
                return (true, place as u32, Reverse(0), place);
            }
            // What can begin now comes before what must wait; of these the longest way to the end.
            (false, candidate.time.max(clock), Reverse(height[place]), place)
        });
        let Some((slot, _)) = best else { unreachable!("the first instruction that is left is ready") };
        let Ready { place, time } = ready.swap_remove(slot);
        if time > clock {
            (clock, issued) = (time, 0);
        }
        issued += 1;
        if issued == ISSUE {
            (clock, issued) = (clock + 1, 0);
        }
        done[place] = true;
        finish[place] = time.max(clock) + latency(program.insts[insts[place] as usize].op);
        live += isize::from(uses[place] > 0);
        for arg in args(place) {
            uses[arg] -= 1;
            live -= isize::from(uses[arg] == 0);
        }
        for &user in &users[place] {
            let user = user as usize;
            waits[user] -= 1;
            if waits[user] == 0 {
                let time = args(user).map(|arg| finish[arg]).max().unwrap_or(0);
                ready.push(Ready { place: user, time });
            }
        }
        order.push(insts[place]);
    }
    order
}

/// The most numbers that are alive at once in the order of the graph, beside those that lie in memory anyway.
pub fn pressure(program: &Program, insts: &[Id]) -> usize {
    let mut alive = vec![false; program.insts.len()];
    let (mut count, mut most) = (0, 0);
    for &id in insts.iter().rev() {
        count -= usize::from(alive[id as usize]);
        for arg in program.insts[id as usize].args() {
            let in_memory = program.insts[arg as usize].op.is_memory();
            if !in_memory && !alive[arg as usize] {
                alive[arg as usize] = true;
                count += 1;
            }
        }
        most = most.max(count);
    }
    most
}
