//! What a node does with what arrives on the link.

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use portcullis_hsm::{Command, Operation, Placement, Refusal, Reply, SessionId, placement};
use portcullis_link::{BoxFuture, Conversation, Done, ReplyFrame, Request, Service};
use portcullis_seam::plant::{Bug, planted};
use portcullis_seam::{JobTerms, NotDone, PoolJob, PoolTask, WorkClass};
use tokio::time::Instant;

use super::node::{Node, NodeCore};
use crate::device::Station;

impl Service for Node {
    fn connected(self: Arc<Self>) -> Arc<dyn Conversation> {
        Arc::new(Connected {
            node: Self::clone(&self),
            sessions: Mutex::default(),
        })
    }
}

/// One connection to a node.
///
/// Rule HSM-21: a session lives no longer than the connection it was opened over. A client that
/// was cut off, or has ended, would otherwise be logged in for ever, and its user's password could
/// not be changed.
struct Connected {
    node: Node,
    sessions: Mutex<Vec<SessionId>>,
}

impl Conversation for Connected {
    fn execute(self: Arc<Self>, request: Request, done: Done) {
        let core = Arc::clone(&self.node.core);
        if !core.condition.misbehaves() {
            serve(&core, request, done);
            return;
        }
        let runtime = core.runtime.clone();
        runtime.spawn(async move {
            if core.condition.wait().await {
                serve(&core, request, done);
            } else {
                done(refuse_all(&request, Refusal::Busy));
            }
        });
    }

    fn manage(&self, command: Command) -> BoxFuture<'_, Result<Reply, Refusal>> {
        Box::pin(async move {
            if !self.node.core.condition.wait().await {
                return Err(Refusal::Busy);
            }
            let core = &self.node.core;
            let leaves = core.station().map(|device| device.admits_command(&command));
            if leaves == Some(None) {
                return Err(Refusal::Busy);
            }
            let reply = self.node.carry_out(command).await;
            if let Ok(Reply::Session(session)) = reply {
                let mut sessions = self.sessions.lock();
                sessions.retain(|session| self.node.core.hsm.has_session(*session));
                sessions.push(session);
            }
            if let Some(leaves) = leaves.flatten() {
                tokio::time::sleep_until(leaves).await;
            }
            reply
        })
    }
}

fn serve(core: &Arc<NodeCore>, request: Request, done: Done) {
    match placement(request.payload_bytes()) {
        Placement::Inline => core.serve(&request, done),
        Placement::Worker => {
            let terms = JobTerms {
                class: WorkClass::Batch,
                deadline: Instant::now() + request.patience(),
            };
            let frame = FrameTask {
                core: Arc::clone(core),
                request,
                done,
            };
            if let Err(refused) = core.pool.submit(PoolJob::new(terms, frame)) {
                // A full queue means that the machine is the limit: the thread that reads the
                // network does the work, and so reads less.
                refused.job.run();
            }
        }
    }
}

/// A frame that a worker answers.
struct FrameTask {
    core: Arc<NodeCore>,
    request: Request,
    done: Done,
}

impl PoolTask for FrameTask {
    fn run(self: Box<Self>) {
        self.core.serve(&self.request, self.done);
    }

    fn refuse(self: Box<Self>, _why: NotDone) {
        (self.done)(refuse_all(&self.request, Refusal::Busy));
    }
}

fn refuse_all(request: &Request, refusal: Refusal) -> ReplyFrame {
    let mut reply = ReplyFrame::answering(request);
    request
        .calls()
        .for_each(|_call| reply.push(|_out| Err(refusal)));
    reply
}

impl Drop for Connected {
    fn drop(&mut self) {
        if planted(Bug::SessionOutlivesConnection) {
            return;
        }
        for session in self.sessions.get_mut().drain(..) {
            self.node.core.hsm.end_session(session);
        }
    }
}

impl fmt::Debug for Connected {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sessions = self.sessions.lock().len();
        write!(formatter, "Connected({:?}, {sessions} sessions)", self.node)
    }
}

impl NodeCore {
    fn serve(&self, request: &Request, done: Done) {
        match self.station() {
            None => done(self.answer(request, |_| true)),
            Some(station) => self.serve_as(&station, request, done),
        }
    }

    /// Answers when the device would be through with the frame; what it cannot queue is refused.
    fn serve_as(&self, station: &Station, request: &Request, done: Done) {
        let mut metered = station.frame();
        let reply = self.answer(request, |operation| metered.admits(operation));
        let leaves = metered.leaves();
        self.runtime.spawn(async move {
            tokio::time::sleep_until(leaves).await;
            done(reply);
        });
    }

    fn answer(
        &self,
        request: &Request,
        mut admits: impl FnMut(&Operation<'_>) -> bool,
    ) -> ReplyFrame {
        if self.is_down() {
            return refuse_all(request, Refusal::DiskFailed);
        }
        let mut reply = ReplyFrame::answering(request);
        let mut batch = self.hsm.batch();
        for call in request.calls() {
            if admits(&call.operation) {
                reply.push(|out| batch.run(&call, out));
            } else {
                reply.push(|_out| Err(Refusal::Busy));
            }
        }
        reply
    }
}
