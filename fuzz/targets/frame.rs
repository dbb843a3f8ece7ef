//! Any bytes from the network: the frame decoder accepts or refuses them and never panics, and
//! what it accepts it reads without end or loss.
//!
//! The first byte says in how large pieces the stream arrives.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_hsm::Refusal;
use portcullis_link::ReplyFrame;
use portcullis_link::frame::{Answer, Assembler, Message, Order, Pushed, RequestFrame, decode};

fuzz_target!(|data: &[u8]| {
    let Some((pace, stream)) = data.split_first() else { return };
    let mut assembler = Assembler::default();
    for piece in stream.chunks(usize::from(*pace).max(1)) {
        let mut frames = Vec::new();
        if assembler.feed(piece, |frame| frames.push(frame)).is_err() {
            return;
        }
        for frame in frames {
            match decode(frame) {
                Ok(Message::Request(request)) => again(&request),
                Ok(Message::Replies(replies)) => assert_eq!(replies.iter().count(), replies.len()),
                Ok(Message::Order(order)) => order_again(order),
                Ok(Message::Answer(answer)) => answer_again(answer),
                Err(_refused) => return,
            }
        }
    }
});

/// An accepted request encodes to a frame that is accepted and has the same operations, and it can
/// be answered.
fn again(request: &portcullis_link::Request) {
    assert!(!request.is_empty());
    let mut frame = RequestFrame::with_capacity(0);
    for call in request.calls() {
        assert_eq!(frame.push(&call), Ok(Pushed::Added));
    }
    assert_eq!(frame.len(), request.len());
    let Ok(Message::Request(back)) = decode(frame.seal(1, request.patience())) else {
        panic!("what was accepted is not accepted again");
    };
    assert_eq!((back.len(), back.payload_bytes()), (request.len(), request.payload_bytes()));
    let mut reply = ReplyFrame::answering(&back);
    back.calls().for_each(|_| reply.push(|_| Err(Refusal::Busy)));
    assert!(decode(reply.seal().expect("an answer for each")).is_ok());
}

fn order_again(order: Order) {
    if let Ok(frame) = order.encode() {
        let Ok(Message::Order(back)) = decode(frame) else { panic!("not an order again") };
        assert_eq!(back, order);
    }
}

fn answer_again(answer: Answer) {
    if let Ok(frame) = answer.encode() {
        let Ok(Message::Answer(back)) = decode(frame) else { panic!("not an answer again") };
        assert_eq!(back, answer);
    }
}
