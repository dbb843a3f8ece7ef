use std::sync::Arc;
use std::time::Duration;

use portcullis_link::frame::{Answer, Message, decode};
use portcullis_link::{Conversation, LinkError, Target};
use portcullis_wiped::Wiped;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

use super::observe::{ObservedOrder, Sealings};
use super::state::{Connection, FarEnd, NetworkShared};
use super::weather::{Fate, IDLE_TIMEOUT, Way};
use crate::history::HistoryEvent;

/// How often a packet that was not acknowledged is sent again.
const RETRANSMIT_EVERY: Duration = Duration::from_millis(100);

impl NetworkShared {
    /// Lets a message travel; an error is a broken connection, noticed when it would be.
    pub(super) async fn travel(&self, hsm: &str, way: Way, process: u64) -> Result<(), LinkError> {
        self.live(process).await;
        match self.fate() {
            Fate::Arrives(delay) if delay.is_zero() => (),
            Fate::Arrives(delay) => sleep(delay).await,
            Fate::Lost => {
                sleep(IDLE_TIMEOUT).await;
                return Err(broken("the connection timed out"));
            }
        }
        let sent = Instant::now();
        while self.is_cut(hsm, way) {
            if sent.elapsed() >= IDLE_TIMEOUT {
                return Err(broken("the connection timed out"));
            }
            sleep(RETRANSMIT_EVERY).await;
        }
        self.live(process).await;
        Ok(())
    }

    /// Nothing more happens to a task of a process that has ended.
    async fn live(&self, process: u64) {
        if self.process() != process {
            std::future::pending::<()>().await;
        }
    }

    /// Makes a connection, or says why there is none.
    pub(super) async fn connect(
        &self,
        target: &Target,
        process: u64,
    ) -> Result<Connection, LinkError> {
        let unreachable = |_broken| LinkError::Unreachable("the handshake timed out".to_owned());
        self.travel(&target.name, Way::ToHsm, process)
            .await
            .map_err(unreachable)?;
        let result = self.shake_hands(target);
        self.travel(&target.name, Way::FromHsm, process)
            .await
            .map_err(unreachable)?;
        if let Err(error) = &result {
            self.recorder.note(format_args!("{}: {error}", target.name));
        }
        result
    }

    /// Sends a frame over a connection and brings back the frame that answers it.
    pub(super) async fn ask(
        self: &Arc<Self>,
        target: &Target,
        connection: &Connection,
        frame: Wiped,
    ) -> Result<Wiped, LinkError> {
        let hsm = target.name.as_str();
        self.recorder
            .note_message(format_args!("to {hsm}"), frame.as_ref());
        self.travel(hsm, Way::ToHsm, connection.process).await?;
        match self.far_end(target.address, connection.incarnation) {
            FarEnd::Here => (),
            FarEnd::Restarted | FarEnd::Closed => return Err(broken("the HSM closed it")),
            FarEnd::Silent => {
                sleep(IDLE_TIMEOUT).await;
                return Err(broken("the connection timed out"));
            }
        }
        let answer = self.serve(hsm, &connection.conversation, frame).await?;
        self.recorder
            .note_message(format_args!("from {hsm}"), answer.as_ref());
        self.travel(hsm, Way::FromHsm, connection.process).await?;
        Ok(answer)
    }

    /// What happens at the HSM.
    async fn serve(
        &self,
        hsm: &str,
        conversation: &Arc<dyn Conversation>,
        frame: Wiped,
    ) -> Result<Wiped, LinkError> {
        let malformed = |error: &dyn std::fmt::Display| broken(&error.to_string());
        match decode(frame).map_err(|error| malformed(&error))? {
            Message::Request(request) => {
                let sealings = Sealings::of(&request);
                let (tell, told) = oneshot::channel();
                let done = Box::new(move |reply| {
                    let _nobody_waits = tell.send(reply);
                });
                Arc::clone(conversation).execute(request, done);
                let reply = told.await.map_err(|error| malformed(&error))?;
                self.tell_sealed(hsm, &sealings, reply.answers());
                reply.seal().map_err(|error| malformed(&error))
            }
            Message::Order(order) => {
                let observed = ObservedOrder::of(&order.command);
                let result = conversation.manage(order.command).await;
                self.tell_ordered(hsm, observed, &result);
                let answer = Answer {
                    id: order.id,
                    result,
                };
                answer.encode().map_err(|error| malformed(&error))
            }
            Message::Replies(_) | Message::Answer(_) => Err(broken("an answer is no question")),
        }
    }

    pub(super) fn tell_asked(&self, hsm: &str) {
        if let Ok(hsm) = hsm.parse() {
            self.tell(|at| HistoryEvent::Asked { at, hsm });
        }
    }

    pub(super) fn count_unanswered(&self) {
        self.state.lock().counts.unanswered += 1;
    }
}

pub(super) fn broken(why: &str) -> LinkError {
    LinkError::NoAnswer(why.to_owned())
}
