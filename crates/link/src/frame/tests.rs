use portcullis_hsm::{
    AttributeChange, Call, Command, Criterion, Flag, HsmKeyId, KeyAction, KeyInfo, KeyTemplate,
    MaskedKey, Mechanism, Operation, Refusal, Reply, Role, Secret, SessionId,
};
use proptest::prelude::*;

use super::*;

const KEY: HsmKeyId = HsmKeyId([3; 16]);
const OTHER: HsmKeyId = HsmKeyId([4; 16]);

/// One call of every kind.
fn calls<'a>(one: &'a [u8], two: &'a [u8]) -> Vec<Call<'a>> {
    [
        Operation::Encrypt {
            key: KEY,
            additional_data: one,
            plaintext: two,
        },
        Operation::Decrypt {
            key: KEY,
            additional_data: two,
            sealed: one,
        },
        Operation::GenerateDataKey {
            key: OTHER,
            additional_data: one,
            bytes: 32,
        },
        Operation::ReEncrypt {
            source: KEY,
            source_additional_data: one,
            destination: OTHER,
            destination_additional_data: two,
            sealed: one,
        },
        Operation::Random { bytes: 1024 },
    ]
    .into_iter()
    .map(|operation| Call {
        session: SessionId(9),
        operation,
    })
    .collect()
}

fn frame_of<'a>(calls: impl IntoIterator<Item = Call<'a>>) -> Vec<u8> {
    let mut frame = RequestFrame::with_capacity(0);
    for call in calls {
        assert_eq!(frame.push(&call), Ok(Pushed::Added));
    }
    frame.seal(5, Duration::from_millis(1500)).as_ref().to_vec()
}

fn read(bytes: &[u8]) -> Result<Message, FrameError> {
    decode(Wiped::from(bytes.to_vec()))
}

fn request(bytes: &[u8]) -> Request {
    match read(bytes) {
        Ok(Message::Request(request)) => request,
        other => panic!("{other:?} is no request"),
    }
}

/// Every kind of frame once.
fn one_of_each() -> Vec<Vec<u8>> {
    let operations = frame_of(calls(b"one", b"second"));
    let mut reply = ReplyFrame::answering(&request(&operations));
    for index in 0..5 {
        reply.push(|out| {
            out.extend_from_slice(b"output");
            if index == 2 {
                Err(Refusal::NoSuchKey)
            } else {
                Ok(())
            }
        });
    }
    let login = Command::Login {
        username: "kmsuser".to_owned(),
        role: Role::CryptoUser,
        password: Secret::new("kmsPassword"),
        fence: None,
        exclusive: true,
        holder: 0,
    };
    let order = Order {
        id: 6,
        patience: Duration::from_secs(2),
        command: login,
    };
    let template = KeyTemplate::sealing(KEY, "arn");
    let keys = vec![KeyInfo {
        id: KEY,
        owner: "kmsuser".to_owned(),
        shared_users: vec!["other".to_owned()],
        attributes: template.attributes,
        length: template.length,
        check_value: [1, 2, 3],
        revision: 1,
    }];
    let answers = [Ok(Reply::Keys(keys)), Err(Refusal::LockedOut)];
    let mut frames = vec![operations, reply.seal().unwrap().as_ref().to_vec()];
    frames.push(order.encode().unwrap().as_ref().to_vec());
    frames
        .extend(answers.map(|result| Answer { id: 6, result }.encode().unwrap().as_ref().to_vec()));
    frames
}

/// The frame with the length prefix that fits it, whatever else is wrong with it.
fn with_fitting_length(mut bytes: Vec<u8>) -> Vec<u8> {
    let length = u32::try_from(bytes.len() - PREFIX_BYTES).unwrap();
    bytes[..PREFIX_BYTES].copy_from_slice(&length.to_be_bytes());
    bytes
}

proptest! {
    #[test]
    fn calls_come_out_as_they_went_in(one: Vec<u8>, two: Vec<u8>) {
        let bytes = frame_of(calls(&one, &two));
        let request = request(&bytes);
        prop_assert_eq!((request.id(), request.len()), (5, 5));
        prop_assert_eq!(request.patience(), Duration::from_millis(1500));
        prop_assert_eq!(request.payload_bytes(), two.len() + 3 * one.len() + 64 + 1024);
        prop_assert_eq!(frame_of(request.calls()), bytes);
    }

    #[test]
    fn outputs_and_refusals_come_out_as_they_went_in(
        given in prop::collection::vec(prop::result::maybe_ok(prop::collection::vec(any::<u8>(), 0..300), 0..Refusal::ALL.len()), 1..60),
    ) {
        let given: Vec<Result<Vec<u8>, Refusal>> =
            given.into_iter().map(|one| one.map_err(|at| Refusal::ALL[at])).collect();
        let random = Call { session: SessionId(1), operation: Operation::Random { bytes: 300 } };
        let request = request(&frame_of(given.iter().map(|_| random)));
        let mut reply = ReplyFrame::answering(&request);
        for answer in &given {
            reply.push(|out| answer.as_ref().map(|bytes| out.extend_from_slice(bytes)).map_err(|no| *no));
        }
        let Ok(Message::Replies(replies)) = decode(reply.seal().unwrap()) else { panic!() };
        let back: Vec<Result<Vec<u8>, Refusal>> =
            replies.iter().map(|one| one.map(<[u8]>::to_vec)).collect();
        prop_assert_eq!(back, given);
        prop_assert_eq!(replies.id(), 5);
    }

    /// Rule LINK-01
    #[test]
    fn random_bytes_are_refused_without_a_panic(bytes: Vec<u8>, kind in 0_u8..6) {
        let _any = read(&bytes);
        let mut framed = vec![0; HEADER_BYTES];
        framed[PREFIX_BYTES] = kind;
        framed.extend(&bytes);
        let _any = read(&with_fitting_length(framed));
    }

    /// Rule LINK-01
    #[test]
    fn a_frame_with_one_changed_byte_is_refused_or_read_without_a_panic(
        which in 0..5_usize, at: prop::sample::Index, byte: u8,
    ) {
        let mut frame = one_of_each().swap_remove(which);
        let at = at.index(frame.len());
        frame[at] = byte;
        if let Ok(Message::Request(request)) = read(&frame) {
            prop_assert_eq!(request.calls().count(), request.len());
        }
    }

    #[test]
    fn a_stream_cut_anywhere_gives_the_same_frames(cuts: Vec<prop::sample::Index>) {
        let stream = one_of_each().concat();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len())).collect();
        cuts.sort_unstable();
        cuts.push(stream.len());
        let (mut assembler, mut from, mut out) = (Assembler::default(), 0, Vec::new());
        for to in cuts {
            assembler.feed(&stream[from..to], |frame| out.push(frame.as_ref().to_vec())).unwrap();
            from = to;
        }
        prop_assert!(assembler.is_between_frames());
        prop_assert_eq!(out, one_of_each());
    }
}

#[test]
fn every_kind_of_frame_reads_back() {
    let kinds: Vec<String> = one_of_each()
        .iter()
        .map(|frame| format!("{:?}", read(frame).unwrap()))
        .collect();
    assert!(kinds[0].starts_with("Request("), "{kinds:?}");
    assert!(kinds[1].starts_with("Replies("), "{kinds:?}");
    assert!(kinds[2].starts_with("Order("), "{kinds:?}");
    assert!(!kinds[2].contains("kmsPassword"), "a password is printed");
    assert!(kinds[3].contains("Keys"), "{kinds:?}");
    assert!(kinds[4].contains("LockedOut"), "{kinds:?}");
}

/// A command of each kind about keys.
fn key_commands() -> Vec<Command> {
    let session = SessionId(9);
    let template = KeyTemplate::sealing(KEY, "arn");
    let mechanism = Mechanism::Gcm {
        additional_data: vec![16],
        tag_bytes: 8,
    };
    let actions = [
        KeyAction::Fetch,
        KeyAction::SetAttribute(AttributeChange::Flag(Flag::Encrypt, false)),
        KeyAction::Share {
            username: "other".to_owned(),
        },
        KeyAction::Unshare {
            username: "other".to_owned(),
        },
        KeyAction::Wrap {
            wrapping: OTHER,
            mechanism: mechanism.clone(),
        },
        KeyAction::Unwrap {
            wrapping: OTHER,
            mechanism,
            iv: vec![1; 12],
            wrapped: vec![2; 24],
            template: template.clone(),
        },
    ];
    let acts = actions.map(|action| Command::Key {
        session,
        id: KEY,
        action,
    });
    let generate = Command::GenerateKey {
        session,
        id: KEY,
        template,
    };
    let list = Command::ListKeys {
        session,
        criteria: vec![
            Criterion::Label("arn".to_owned()),
            Criterion::Flag(Flag::Extractable, false),
        ],
        after: Some(OTHER),
        limit: 1000,
    };
    acts.into_iter().chain([generate, list]).collect()
}

#[test]
fn every_command_about_keys_reads_back() {
    for command in key_commands() {
        let order = Order {
            id: 7,
            patience: Duration::from_secs(2),
            command,
        };
        let Ok(Message::Order(back)) = decode(order.encode().unwrap()) else {
            panic!("{order:?} is no order again")
        };
        assert_eq!(back, order);
    }
    let wrapped = Reply::Wrapped {
        iv: vec![1; 12],
        data: vec![2; 24],
    };
    let answer = Answer {
        id: 7,
        result: Ok(wrapped),
    };
    let Ok(Message::Answer(back)) = decode(answer.encode().unwrap()) else {
        panic!("it is no answer again")
    };
    assert_eq!(back, answer);
}

/// Rule LINK-01
#[test]
fn a_frame_cut_anywhere_or_continued_is_refused() {
    for frame in one_of_each() {
        for end in 0..frame.len() {
            assert_eq!(
                read(&frame[..end]).unwrap_err(),
                FrameError::Length,
                "{end}"
            );
            if end >= PREFIX_BYTES {
                let cut = with_fitting_length(frame[..end].to_vec());
                assert!(read(&cut).is_err(), "cut at {end}");
            }
        }
        let mut longer = frame;
        longer.push(0);
        assert!(read(&with_fitting_length(longer)).is_err());
    }
}

/// Rule LINK-02
#[test]
fn a_frame_takes_as_many_operations_as_its_bounds_allow() {
    let call = |operation| Call {
        session: SessionId(1),
        operation,
    };
    let large = [0; Operation::PLAINTEXT_BYTES_MAX];
    let seal = Operation::Encrypt {
        key: KEY,
        additional_data: &[],
        plaintext: &large,
    };
    let draw = Operation::GenerateDataKey {
        key: KEY,
        additional_data: &[],
        bytes: 1024,
    };
    let small = Operation::Random { bytes: 1 };
    for (operation, expected) in [(small, CALLS_MAX), (seal, 127), (draw, 503)] {
        let mut frame = RequestFrame::with_capacity(0);
        while frame.push(&call(operation)) == Ok(Pushed::Added) {}
        assert_eq!(frame.len(), expected, "{operation:?}");
        let sealed = frame.seal(1, Duration::ZERO);
        assert_eq!(request(sealed.as_ref()).len(), expected);
    }
    let huge = vec![0; 70_000];
    let too_long = call(Operation::Decrypt {
        key: KEY,
        additional_data: &[],
        sealed: &huge,
    });
    let mut frame = RequestFrame::with_capacity(0);
    assert_eq!(frame.push(&too_long), Err(Refusal::BadLength));
    assert_eq!(frame.push(&call(small)), Ok(Pushed::Added));
    assert_eq!(request(frame.seal(1, Duration::ZERO).as_ref()).len(), 1);
}

/// Rule LINK-02
#[test]
fn a_length_prefix_out_of_range_is_refused_before_anything_is_reserved() {
    for length in [0, 12, u32::try_from(FRAME_BYTES_MAX).unwrap(), u32::MAX] {
        let mut assembler = Assembler::default();
        let fed = assembler.feed(&length.to_be_bytes(), |_| ());
        assert_eq!(fed, Err(FrameError::Length), "{length}");
    }
    let huge = Command::InsertMasked {
        session: SessionId(1),
        key: MaskedKey(vec![0; COMMAND_BYTES_MAX]),
    };
    let order = Order {
        id: 1,
        patience: Duration::ZERO,
        command: huge,
    };
    assert_eq!(order.encode().unwrap_err(), FrameError::Length);
}

#[test]
fn an_answer_of_the_wrong_length_or_number_does_not_leave() {
    let request = request(&frame_of(calls(b"1", b"2")));
    let mut reply = ReplyFrame::answering(&request);
    for _ in 0..4 {
        reply.push(|out| {
            out.resize(out.len() + FRAME_BYTES_MAX, 0);
            Ok(())
        });
    }
    let mut complete = ReplyFrame::answering(&request);
    (0..5).for_each(|_| complete.push(|_| Err(Refusal::Busy)));
    assert!(complete.seal().is_ok());
    assert_eq!(reply.seal().unwrap_err(), FrameError::Count);
}

/// Rule LINK-01: what the fuzzer has found interesting, and the seeds it started from.
#[test]
fn the_corpus_of_the_fuzzer_is_read_without_a_panic() {
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/frame");
    let mut accepted = 0;
    for file in std::fs::read_dir(corpus).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        let Some((pace, stream)) = bytes.split_first() else {
            continue;
        };
        let mut assembler = Assembler::default();
        for piece in stream.chunks(usize::from(*pace).max(1)) {
            let fed = assembler.feed(piece, |frame| {
                if let Ok(Message::Request(request)) = decode(frame) {
                    assert_eq!(request.calls().count(), request.len());
                    accepted += 1;
                }
            });
            if fed.is_err() {
                break;
            }
        }
    }
    assert!(accepted > 0, "the corpus holds requests");
}
