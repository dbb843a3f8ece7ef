//! What a node does with what arrives on the link.

use std::sync::Arc;

use portcullis_hsm::{Command, Placement, Refusal, Reply, placement};
use portcullis_link::{BoxFuture, Done, ReplyFrame, Request, Service};

use super::node::{Core, Node};

impl Service for Node {
    fn execute(self: Arc<Self>, request: Request, done: Done) {
        match placement(request.payload_bytes()) {
            Placement::Inline => done(self.core.answer(&request)),
            Placement::Worker => {
                let core = Arc::clone(&self.core);
                let job = Box::new(move || done(core.answer(&request)));
                // A full pool means that the machine is the limit: the thread that reads the
                // network does the work, and so reads less.
                if let Err(job) = self.core.pool.submit(job) {
                    job();
                }
            }
        }
    }

    fn manage(&self, command: Command) -> BoxFuture<'_, Result<Reply, Refusal>> {
        Box::pin(self.carry_out(command))
    }
}

impl Core {
    fn answer(&self, request: &Request) -> ReplyFrame {
        let mut reply = ReplyFrame::answering(request);
        if self.is_down() {
            request
                .calls()
                .for_each(|_call| reply.push(|_out| Err(Refusal::DiskFailed)));
            return reply;
        }
        let mut batch = self.hsm.batch();
        for call in request.calls() {
            reply.push(|out| batch.run(&call, out));
        }
        reply
    }
}
