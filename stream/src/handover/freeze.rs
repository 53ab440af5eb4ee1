//! How everything that moves comes to a stop for a moment: each thing that writes a log or takes
//! connections is a member, hands in its part when it is asked to, and waits for the verdict.

use std::os::fd::OwnedFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::estate::{Met, Played, Source};

/// Who is asked to stop when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// First the door: nobody comes in any more.
    Door,
    /// Then all that write logs.
    Writers,
}

/// What a member hands in.
#[derive(Debug, Default)]
pub enum Part {
    /// It has nothing that outlives it.
    #[default]
    Nothing,
    /// Connections whose head has not come yet.
    Porch(Vec<Met>),
    /// A source's connection.
    Source(Box<Source>, OwnedFd),
    /// Files that are being played.
    Played(Vec<Played>),
}

/// What becomes of a frozen program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on as if nothing had been.
    GoOn,
    /// Another program goes on with what was handed in: let go of it.
    Leave,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Moving,
    /// Members up to this stage are asked to stop.
    Frozen(Stage),
    Left,
}

/// The freeze of a program. Clones are the same.
#[derive(Clone, Debug)]
pub struct Freeze(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    phase: watch::Sender<Phase>,
    state: Mutex<State>,
    moved: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Members of both stages.
    n_members: [usize; 2],
    n_arrived: [usize; 2],
    parts: Vec<Part>,
}

/// Somebody who has to stop in a freeze.
#[derive(Debug)]
pub struct Member {
    freeze: Freeze,
    stage: Stage,
    phase: watch::Receiver<Phase>,
}

impl State {
    fn begin_anew(&mut self) {
        self.n_arrived = [0, 0];
        self.parts.clear();
    }
}

impl Phase {
    fn asks(self, stage: Stage) -> bool {
        match self {
            Self::Moving => false,
            Self::Frozen(asked) => asked >= stage,
            Self::Left => true,
        }
    }
}

async fn wait_for(phase: &mut watch::Receiver<Phase>, is_it: impl Fn(Phase) -> bool) {
    // The other side is there as long as anybody is frozen.
    let _ = phase.wait_for(|phase| is_it(*phase)).await;
}

async fn ended(phase: &mut watch::Receiver<Phase>) -> Verdict {
    wait_for(phase, |phase| !matches!(phase, Phase::Frozen(_))).await;
    match *phase.borrow() {
        Phase::Left => Verdict::Leave,
        _ => Verdict::GoOn,
    }
}

impl Default for Freeze {
    fn default() -> Self {
        Self(Arc::new(Shared {
            phase: watch::Sender::new(Phase::Moving),
            state: Mutex::default(),
            moved: Condvar::new(),
        }))
    }
}

impl Freeze {
    /// One more who has to stop.
    pub fn join(&self, stage: Stage) -> Member {
        self.state().n_members[stage as usize] += 1;
        Member {
            freeze: self.clone(),
            stage,
            phase: self.0.phase.subscribe(),
        }
    }

    /// Whether another program goes on with everything.
    pub fn has_left(&self) -> bool {
        *self.0.phase.borrow() == Phase::Left
    }

    /// Waits until the members of a stage are asked to stop. Cancel safe.
    pub async fn asked(&self, stage: Stage) {
        wait_for(&mut self.0.phase.subscribe(), |phase| phase.asks(stage)).await;
    }

    /// Waits until nothing is frozen. Cancel safe.
    pub async fn ended(&self) -> Verdict {
        ended(&mut self.0.phase.subscribe()).await
    }

    /// Asks the members of a stage to stop and waits until they have. `false`: not all did in time.
    pub fn gather(&self, stage: Stage, patience: Duration) -> bool {
        if stage == Stage::Door {
            self.state().begin_anew();
        }
        self.0.phase.send_replace(Phase::Frozen(stage));
        let n = stage as usize;
        let (_state, late) = self
            .0
            .moved
            .wait_timeout_while(self.state(), patience, |state| {
                state.n_arrived[n] < state.n_members[n]
            })
            .unwrap_or_else(PoisonError::into_inner);
        !late.timed_out()
    }

    /// What was handed in.
    pub(super) fn parts(&self) -> Vec<Part> {
        std::mem::take(&mut self.state().parts)
    }

    /// Tells all members what becomes of them.
    pub fn end(&self, verdict: Verdict) {
        let mut state = self.state();
        self.0.phase.send_replace(match verdict {
            Verdict::GoOn => Phase::Moving,
            Verdict::Leave => Phase::Left,
        });
        state.begin_anew();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Member {
    /// Waits until this member is asked to stop. Cancel safe.
    pub async fn asked(&mut self) {
        let stage = self.stage;
        wait_for(&mut self.phase, |phase| phase.asks(stage)).await;
    }

    /// Whether this member is asked to stop.
    pub fn is_asked(&self) -> bool {
        self.phase.borrow().asks(self.stage)
    }

    /// Hands in a part and waits for the verdict.
    pub async fn arrive(&mut self, part: Part) -> Verdict {
        self.hand_in(part);
        ended(&mut self.phase).await
    }

    fn hand_in(&self, part: Part) {
        let mut state = self.freeze.state();
        // After the verdict nobody takes it, and a socket in it would be held open.
        if matches!(*self.freeze.0.phase.borrow(), Phase::Frozen(_)) {
            state.n_arrived[self.stage as usize] += 1;
            state.parts.push(part);
        }
        drop(state);
        self.freeze.0.moved.notify_all();
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.freeze.state().n_members[self.stage as usize] -= 1;
        self.freeze.0.moved.notify_all();
    }
}
