//! Arrays whose clauses refer to elements of the same arrays.

use super::Lowering;
use super::groups::Group;
use crate::ast::BlockId;
use crate::error::Problem;

impl Lowering<'_> {
    /// Makes arrays that are defined by each other; `group` says which clauses of the block are theirs.
    pub(super) fn recurrence(&mut self, block: BlockId, group: &Group) -> Result<(), Problem> {
        let at = group.statements.first().map(|&first| self.ast.block(block).statements[first].span);
        Err(Problem::NotYet { at: at.unwrap_or_default(), what: "a recurrence" })
    }
}
