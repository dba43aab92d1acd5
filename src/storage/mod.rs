//! What must survive is committed here before it counts. This version commits to memory.

/// Where groups of admitted work are committed, one at a time: while one is under way the next
/// gathers with its owner.
#[derive(Debug)]
pub enum Storage<Group> {
    /// Memory: a commit is done at once, and nothing survives the process.
    Memory {
        /// The group that has been handed in and not yet taken back.
        committed: Option<Group>,
    },
}

impl<Group> Storage<Group> {
    /// Storage that keeps nothing beyond the process.
    pub fn memory() -> Self {
        Self::Memory { committed: None }
    }

    /// Whether a commit is under way.
    pub fn is_busy(&self) -> bool {
        match self {
            Self::Memory { committed } => committed.is_some(),
        }
    }

    /// Hands a group in. To be called only while no commit is under way.
    pub fn begin(&mut self, group: Group) {
        match self {
            Self::Memory { committed } => *committed = Some(group),
        }
    }

    /// The group whose commit was under way, if that is done; waits for nothing.
    pub fn finished(&mut self) -> Option<Group> {
        match self {
            Self::Memory { committed } => committed.take(),
        }
    }

    /// Waits for the commit that is under way and gives its group back; never ready without one.
    /// Cancelling the wait loses nothing.
    pub async fn committed(&mut self) -> Group {
        match self {
            Self::Memory { committed } => match committed.take() {
                Some(group) => group,
                None => std::future::pending().await,
            },
        }
    }
}
