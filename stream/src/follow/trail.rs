//! Which nodes the mounts of this program have come through, from their master on, so that
//! nobody follows himself.

use std::sync::{Mutex, PoisonError};

/// The header in which a node that follows another says who it is.
pub const STREAM_PATH: &str = "stream-path";
/// Nodes from the master to the last relay. A list that has come through so many is not followed.
pub const NODES_MAX: usize = 4;

/// The name of this node, and the nodes above it.
#[derive(Debug)]
pub struct Trail {
    own: String,
    above: Mutex<Above>,
}

/// What the list that this node goes by says of the nodes above.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Above {
    /// Nobody: this is the master.
    Nobody {
        /// Which of several masters that took over from one another.
        reign: u64,
    },
    /// These, the master first.
    Nodes {
        /// Their names.
        nodes: Vec<String>,
        /// That of their master.
        reign: u64,
    },
    /// No list has been heard lately that comes from a master.
    CutOff {
        /// The last that was known.
        reign: u64,
    },
}

impl Trail {
    /// The trail of a master with this name.
    pub fn of_master(own: String) -> Self {
        Self::new(own, Above::Nobody { reign: 0 })
    }

    /// The trail of a node with this name that follows others and has not found any yet.
    pub fn of_follower(own: String) -> Self {
        Self::new(own, Above::CutOff { reign: 0 })
    }

    /// The trail of a node with this name, and of what it knows.
    pub fn new(own: String, above: Above) -> Self {
        Self {
            own,
            above: Mutex::new(above),
        }
    }

    /// Whether nobody is above: the logs are this node's own.
    pub fn is_master(&self) -> bool {
        matches!(self.above(), Above::Nobody { .. })
    }

    /// The name of this node: random, new at each start.
    pub fn own(&self) -> &str {
        &self.own
    }

    /// All nodes, the master first, this one last. Empty: it is cut off from any master.
    pub fn nodes(&self) -> Vec<String> {
        match self.above() {
            Above::Nobody { .. } => vec![self.own.clone()],
            Above::Nodes { mut nodes, .. } => {
                nodes.push(self.own.clone());
                nodes
            }
            Above::CutOff { .. } => Vec::new(),
        }
    }

    /// Which of several masters that took over from one another.
    pub fn reign(&self) -> u64 {
        match self.above() {
            Above::Nobody { reign } | Above::Nodes { reign, .. } | Above::CutOff { reign } => reign,
        }
    }

    /// Whether somebody who shows this header may not follow us: he is this very node, or one
    /// that it follows itself.
    pub fn has_met(&self, stream_path: &str) -> bool {
        let mut named = stream_path.split(',').map(str::trim);
        let nodes = self.nodes();
        named.any(|name| name == self.own || nodes.iter().any(|node| node == name))
    }

    /// Says who is above. `true`: that is new.
    pub fn set(&self, above: Above) -> bool {
        let mut current = self.above.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = *current != above;
        *current = above;
        is_new
    }

    fn above(&self) -> Above {
        let above = self.above.lock().unwrap_or_else(PoisonError::into_inner);
        above.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_refuses_itself_and_those_it_follows() {
        let trail = Trail::of_follower("me".into());
        assert!(trail.has_met("me") && !trail.has_met("master"));
        assert_eq!(trail.nodes(), [""; 0]);
        let nodes = vec!["master".into(), "relay".into()];
        assert!(trail.set(Above::Nodes { nodes, reign: 3 }));
        assert_eq!(trail.nodes(), ["master", "relay", "me"]);
        assert!(trail.has_met("other, relay") && !trail.has_met("other"));
        assert_eq!(trail.reign(), 3);
    }
}
