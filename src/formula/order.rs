//! The order of statements: what others mention comes first, and what mentions each other stands together.

/// The places of a graph, given by what each mentions, in groups; each group after those that it mentions. Groups and their
/// members are in the order of their places where nothing else decides.
pub fn groups(mentions: &[Vec<usize>]) -> Vec<Vec<usize>> {
    const NEW: usize = usize::MAX;
    let count = mentions.len();
    let (mut number, mut low, mut on_stack) = (vec![NEW; count], vec![0; count], vec![false; count]);
    let (mut stack, mut groups, mut next) = (Vec::new(), Vec::new(), 0);
    for root in 0..count {
        // Tarjan's, with a stack of places and how many of their mentions have been followed.
        let mut path = if number[root] == NEW { vec![(root, 0)] } else { Vec::new() };
        while let Some((at, followed)) = path.pop() {
            if followed == 0 {
                (number[at], low[at]) = (next, next);
                next += 1;
                stack.push(at);
                on_stack[at] = true;
            }
            match mentions[at].get(followed) {
                Some(&other) => {
                    path.push((at, followed + 1));
                    if number[other] == NEW {
                        path.push((other, 0));
                    } else if on_stack[other] {
                        low[at] = low[at].min(number[other]);
                    }
                }
                None => {
                    if let Some(&(parent, _)) = path.last() {
                        low[parent] = low[parent].min(low[at]);
                    }
                    if low[at] == number[at] {
                        let start = stack.iter().rposition(|&member| member == at).unwrap_or(0);
                        let mut group = stack.split_off(start);
                        group.iter().for_each(|&member| on_stack[member] = false);
                        group.sort_unstable();
                        groups.push(group);
                    }
                }
            }
        }
    }
    groups
}
