//! In which order a loop computes: what much depends on first.
//!
//! Processors look ahead some hundred instructions, and fewer of those that wait for operands. In the order of the graph, one
//! elementary function comes after the other, each a chain of dependent operations; side by side they take half the time. So
//! instructions are ordered as a machine would issue them that executes two at a time and knows how long the way to
//! the end is from each. Where more values are alive than there are registers, the order of the graph is kept.

use super::Width;
use super::low::{Id, Low, Program};

/// How far instructions move ahead of others.
const WINDOW: usize = 128;

/// Instructions that begin together.
const ISSUE: u32 = 2;

fn latency(op: Low) -> u32 {
    match op {
        Low::Div => 14,
        Low::Sqrt => 20,
        Low::Store { .. } => 0,
        Low::And | Low::AndNot | Low::Or | Low::Xor | Low::Bits(_) | Low::Blend => 1,
        _ => 4,
    }
}

/// An instruction that can be issued, at its place in the graph's order.
struct Ready {
    place: usize,
    time: u32,
}

/// The same instructions in a better order.
pub fn schedule(program: &Program, insts: Vec<Id>) -> Vec<Id> {
    let limit: isize = match program.width {
        Width::W512 | Width::One512 => 26,
        Width::W256 | Width::One256 => 11,
    };
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
    ready.sort_unstable_by_key(|ready| std::cmp::Reverse(ready.place));
    // Ready from the start, in order; they enter the window as it moves.
    let mut later = std::mem::take(&mut ready);
    let (mut first, mut live, mut clock, mut issued) = (0, 0isize, 0, 0);
    while order.len() < n {
        while done[first] {
            first += 1;
        }
        while later.last().is_some_and(|next| next.place < first + WINDOW) {
            ready.extend(later.pop());
        }
        let in_window = |candidate: &Ready| candidate.place < first + WINDOW;
        let candidates = ready.iter().enumerate().filter(|(_, candidate)| in_window(candidate));
        let best = if live >= limit {
            candidates.min_by_key(|(_, candidate)| candidate.place)
        } else {
            // What can begin now comes before what must wait; of these the longest way to the end.
            candidates.min_by_key(|(_, candidate)| {
                (candidate.time.max(clock), std::cmp::Reverse(height[candidate.place]), candidate.place)
            })
        };
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
            let in_memory = matches!(program.insts[arg as usize].op, Low::Cell(_) | Low::Column { .. });
            if !in_memory && !alive[arg as usize] {
                alive[arg as usize] = true;
                count += 1;
            }
        }
        most = most.max(count);
    }
    most
}
