//! For each invariant one history that keeps it and one that does not.

use std::collections::BTreeMap;

use portcullis_api::{ClusterId, Code, HsmId, KeyId};
use portcullis_hsm::{Epoch, HsmKeyId};

use super::*;
use crate::history::{
    Context, DescribedStore, HistoryEvent, LoginAnswer, RecordedAnswer, RecordedEdit,
    RecordedRequest,
};

const KEY: KeyId = KeyId::from_bytes([1; 16]);

fn moment(step: u64) -> Moment {
    Moment { step, millis: step }
}

fn call(
    invoked: u64,
    completed: u64,
    request: RecordedRequest,
    outcome: Result<RecordedAnswer, Code>,
) -> HistoryEvent {
    HistoryEvent::Call(RecordedCall {
        client: 0,
        invoked: moment(invoked),
        completed: moment(completed),
        request,
        outcome,
    })
}

fn encrypt(invoked: u64, completed: u64, outcome: Result<Vec<u8>, Code>) -> HistoryEvent {
    let request = RecordedRequest::Encrypt {
        key: KEY,
        context: context("a"),
        plaintext: b"text".to_vec(),
    };
    call(
        invoked,
        completed,
        request,
        outcome.map(RecordedAnswer::Ciphertext),
    )
}

fn decrypt(at: u64, name: &str, outcome: Result<&[u8], Code>) -> HistoryEvent {
    let request = RecordedRequest::Decrypt {
        ciphertext: vec![9],
        context: context(name),
    };
    call(
        at,
        at + 1,
        request,
        outcome.map(|text| RecordedAnswer::Plaintext(text.to_vec())),
    )
}

fn done(invoked: u64, request: RecordedRequest) -> HistoryEvent {
    call(invoked, invoked + 1, request, Ok(RecordedAnswer::Done))
}

fn context(name: &str) -> Context {
    Context::from([("name".to_owned(), name.to_owned())])
}

fn hsm(letter: char) -> HsmId {
    format!("hsm-{}", letter.to_string().repeat(11))
        .parse()
        .unwrap()
}

fn cluster(letter: char) -> ClusterId {
    format!("cluster-{}", letter.to_string().repeat(11))
        .parse()
        .unwrap()
}

#[track_caller]
fn expect(events: Vec<HistoryEvent>, violated: &[Invariant]) {
    let found = check(&History {
        events,
        ..History::default()
    });
    let invariants: Vec<Invariant> = found.iter().map(|violation| violation.invariant).collect();
    assert_eq!(invariants, violated, "{found:?}");
}

#[test]
fn nothing_succeeds_between_disconnect_and_connect() {
    let gap = |events: Vec<HistoryEvent>| {
        [
            vec![done(10, RecordedRequest::Disconnect)],
            events,
            vec![done(20, RecordedRequest::Connect)],
        ]
        .concat()
    };
    expect(gap(vec![encrypt(12, 13, Err(Code::KmsInvalidState))]), &[]);
    expect(gap(vec![encrypt(12, 13, Ok(vec![1]))]), &[Invariant::I1]);
    expect(gap(vec![encrypt(5, 13, Ok(vec![1]))]), &[Invariant::I1]);
    let late = |invoked| {
        let mut events = gap(Vec::new());
        events.push(encrypt(invoked, 30, Ok(vec![1])));
        events
    };
    expect(late(5), &[Invariant::I1]);
    expect(late(22), &[]);
}

#[test]
fn nothing_fails_as_disconnected_while_all_is_well() {
    let id = HsmKeyId([2; 16]);
    let made = HistoryEvent::Made {
        at: moment(1),
        hsm: hsm('a'),
        id,
        label: format!("arn:aws:kms:eu-west-1:111122223333:key/{KEY}"),
    };
    let holds = HistoryEvent::Holds {
        at: moment(2),
        keys: [id].into(),
    };
    let failed = || encrypt(5, 6, Err(Code::KmsInvalidState));
    let start = || vec![made.clone(), holds.clone()];
    expect([start(), vec![failed()]].concat(), &[Invariant::I2]);
    let fault = HistoryEvent::FaultBegins {
        at: moment(3),
        what: "crash",
    };
    expect([start(), vec![fault.clone(), failed()]].concat(), &[]);
    let calm = |at| HistoryEvent::Calm { at: moment(at) };
    expect(
        [start(), vec![fault.clone(), calm(4), failed()]].concat(),
        &[Invariant::I2],
    );
    expect([start(), vec![fault, calm(5), failed()]].concat(), &[]);
    expect(
        [
            start(),
            vec![done(4, RecordedRequest::Disconnect), failed()],
        ]
        .concat(),
        &[],
    );
    expect(
        vec![
            made,
            HistoryEvent::Holds {
                at: moment(2),
                keys: [].into(),
            },
            failed(),
        ],
        &[],
    );
}

#[test]
fn a_ciphertext_opens_to_its_plaintext_in_its_context_only() {
    let made = || encrypt(1, 2, Ok(vec![9]));
    expect(vec![made(), decrypt(3, "a", Ok(b"text"))], &[]);
    expect(
        vec![made(), decrypt(3, "b", Err(Code::InvalidCiphertext))],
        &[],
    );
    expect(
        vec![made(), decrypt(3, "a", Err(Code::KmsInvalidState))],
        &[],
    );
    expect(vec![made(), decrypt(3, "a", Ok(b"else"))], &[Invariant::I3]);
    expect(vec![made(), decrypt(3, "b", Ok(b"text"))], &[Invariant::I3]);
    for code in [Code::InvalidCiphertext, Code::AccessDenied] {
        expect(vec![made(), decrypt(3, "a", Err(code))], &[Invariant::I3]);
    }
}

#[test]
fn no_nonce_comes_twice_under_a_key() {
    let sealed = |step, key, nonce| HistoryEvent::Sealed {
        at: moment(step),
        hsm: hsm('a'),
        key: HsmKeyId([key; 16]),
        text: vec![nonce; 40],
    };
    expect(vec![sealed(1, 1, 1), sealed(2, 1, 2), sealed(3, 2, 1)], &[]);
    expect(vec![sealed(1, 1, 1), sealed(2, 1, 1)], &[Invariant::I3]);
}

#[test]
fn an_acknowledged_key_is_in_two_zones() {
    let placed = |now: &[(char, &str)], before: &[(char, &str)]| {
        let zoned = |all: &[(char, &str)]| {
            let one = |(letter, zone): &(char, &str)| (hsm(*letter), (*zone).to_owned());
            all.iter().map(one).collect()
        };
        vec![HistoryEvent::Placed {
            at: moment(1),
            key: KEY,
            on: zoned(now),
            before: zoned(before),
        }]
    };
    let two = [('a', "a"), ('b', "b")];
    let one_zone = [('a', "a"), ('b', "a")];
    expect(placed(&two, &[]), &[]);
    expect(placed(&one_zone, &[]), &[Invariant::I4]);
    // An HSM was removed before the answer left, when the key was on two, or when it was on one.
    expect(placed(&two[..1], &two), &[]);
    expect(placed(&two[..1], &two[1..]), &[Invariant::I4]);
}

#[test]
fn only_a_related_cluster_is_accepted_and_the_old_one_serves_nothing() {
    let start = || {
        let member = |letter| HistoryEvent::Member {
            at: moment(1),
            hsm: hsm(letter),
            cluster: cluster(letter),
        };
        vec![
            member('a'),
            member('b'),
            HistoryEvent::Uses {
                at: moment(1),
                cluster: cluster('a'),
            },
        ]
    };
    let edit = |related| {
        let request = RecordedRequest::Update(RecordedEdit::Cluster {
            to: cluster('b'),
            related,
        });
        vec![done(10, request)]
    };
    let asked = |step, letter| HistoryEvent::Asked {
        at: moment(step),
        hsm: hsm(letter),
    };
    expect(
        [
            start(),
            vec![asked(5, 'a')],
            edit(true),
            vec![asked(15, 'b')],
        ]
        .concat(),
        &[],
    );
    expect(
        [start(), edit(true), vec![asked(15, 'a')]].concat(),
        &[Invariant::I5],
    );
    let of_before = encrypt(5, 20, Err(Code::KmsInvalidState));
    expect(
        [start(), edit(true), vec![asked(15, 'a'), of_before]].concat(),
        &[],
    );
    expect([start(), edit(false)].concat(), &[Invariant::I5]);
    let sealed = HistoryEvent::Sealed {
        at: moment(6),
        hsm: hsm('a'),
        key: HsmKeyId([1; 16]),
        text: vec![7; 30],
    };
    let reply = |at| encrypt(5, at, Ok([vec![0; 4], vec![7; 30]].concat()));
    expect(
        [start(), vec![sealed.clone(), reply(8)], edit(true)].concat(),
        &[],
    );
    expect(
        [start(), vec![sealed], edit(true), vec![reply(12)]].concat(),
        &[Invariant::I5],
    );
}

#[test]
fn a_store_does_not_leave_a_state_by_itself() {
    let seen = |step, state: &str| HistoryEvent::Seen {
        invoked: moment(step),
        at: moment(step + 1),
        store: DescribedStore {
            state: state.to_owned(),
            ..DescribedStore::default()
        },
    };
    let connect = || done(1, RecordedRequest::Connect);
    expect(
        vec![connect(), seen(3, "CONNECTING"), seen(5, "CONNECTED")],
        &[],
    );
    expect(
        vec![connect(), seen(3, "CONNECTED"), seen(5, "FAILED")],
        &[Invariant::I6, Invariant::I7],
    );
    expect(vec![seen(3, "CONNECTED")], &[Invariant::I6, Invariant::I7]);
    let disconnect = || done(6, RecordedRequest::Disconnect);
    let ended = vec![
        connect(),
        seen(3, "CONNECTED"),
        disconnect(),
        seen(9, "DISCONNECTED"),
    ];
    expect(ended, &[]);
}

#[test]
fn an_hsm_does_not_go_back_behind_an_epoch() {
    let login = |step, epoch, answer| HistoryEvent::Login {
        at: moment(step),
        hsm: hsm('a'),
        scope: [0; 16],
        epoch: Epoch(epoch),
        answer,
    };
    let first = || login(1, 5, LoginAnswer::Accepted);
    expect(vec![first(), login(2, 4, LoginAnswer::Fenced)], &[]);
    expect(vec![first(), login(2, 5, LoginAnswer::Refused)], &[]);
    expect(vec![first(), login(2, 4, LoginAnswer::Unheard)], &[]);
    expect(
        vec![first(), login(2, 4, LoginAnswer::Accepted)],
        &[Invariant::Fence],
    );
    expect(
        vec![first(), login(2, 4, LoginAnswer::Refused)],
        &[Invariant::Fence],
    );
}

#[test]
fn all_is_well_five_seconds_after_healing() {
    let healed = || HistoryEvent::Healed { at: moment(100) };
    expect(
        vec![healed(), HistoryEvent::Well { at: moment(5_100) }],
        &[],
    );
    expect(
        vec![healed(), HistoryEvent::Well { at: moment(5_101) }],
        &[Invariant::I11],
    );
    expect(vec![healed()], &[Invariant::I11]);
}

fn looked(invoked: u64, completed: u64, state: &str, name: &str) -> HistoryEvent {
    HistoryEvent::Seen {
        invoked: moment(invoked),
        at: moment(completed),
        store: DescribedStore {
            state: state.to_owned(),
            name: name.to_owned(),
            ..DescribedStore::default()
        },
    }
}

#[test]
fn control_plane_operations_have_an_order_that_explains_their_answers() {
    let rename = |invoked, completed, to: &str, outcome: Result<RecordedAnswer, Code>| {
        let to = to.to_owned();
        call(
            invoked,
            completed,
            RecordedRequest::Update(RecordedEdit::Name { to }),
            outcome,
        )
    };
    let first = || looked(1, 2, "DISCONNECTED", "one");
    let renamed = || rename(3, 9, "two", Ok(RecordedAnswer::Done));
    let then = |events: Vec<HistoryEvent>| [vec![first()], events].concat();
    // While the rename is under way both names are right, but not the old one after the new one.
    let both = |one, other| {
        vec![
            looked(4, 5, "DISCONNECTED", one),
            looked(6, 7, "DISCONNECTED", other),
            renamed(),
        ]
    };
    expect(then(both("one", "two")), &[]);
    expect(then(both("two", "one")), &[Invariant::I7]);
    let after = |name| vec![renamed(), looked(10, 11, "DISCONNECTED", name)];
    expect(then(after("two")), &[]);
    expect(then(after("one")), &[Invariant::I7]);
    // What failed in itself may have had its effect, and may show it after the next restart only.
    let unknown = |name| {
        vec![
            rename(3, 9, "two", Err(Code::KmsInternal)),
            looked(10, 11, "DISCONNECTED", "one"),
            HistoryEvent::Restarted {
                at: moment(12),
                shared: false,
            },
            looked(13, 14, "DISCONNECTED", name),
        ]
    };
    expect(then(unknown("one")), &[]);
    expect(then(unknown("two")), &[]);
    expect(then(unknown("three")), &[Invariant::I7]);
    // A refusal for the state needs a state that refuses.
    let refused = rename(3, 4, "two", Err(Code::CustomKeyStoreInvalidState));
    expect(then(vec![refused]), &[Invariant::I7]);
}

#[test]
fn what_was_acknowledged_is_there_and_nothing_is_there_twice() {
    let made = |step, letter, id| HistoryEvent::Made {
        at: moment(step),
        hsm: hsm(letter),
        id: HsmKeyId([id; 16]),
        label: format!("arn:aws:kms:eu-west-1:111122223333:key/{KEY}"),
    };
    let uses = || HistoryEvent::Uses {
        at: moment(1),
        cluster: cluster('a'),
    };
    let created = || {
        call(
            3,
            4,
            RecordedRequest::CreateKey,
            Ok(RecordedAnswer::Key(KEY)),
        )
    };
    let start = || vec![uses(), made(2, 'a', 1), created()];
    let described = |outcome| call(5, 6, RecordedRequest::DescribeKey { key: KEY }, outcome);
    let then = |event: HistoryEvent| [start(), vec![event]].concat();
    expect(then(described(Ok(RecordedAnswer::Done))), &[]);
    expect(then(described(Err(Code::NotFound))), &[Invariant::I8]);
    let holds = |ids: &[u8]| HistoryEvent::Holds {
        at: moment(7),
        keys: ids.iter().map(|id| HsmKeyId([*id; 16])).collect(),
    };
    expect(then(holds(&[1, 2])), &[]);
    expect(then(holds(&[2])), &[Invariant::I8]);
    expect(then(made(8, 'b', 1)), &[Invariant::I10]);
    expect(then(made(8, 'b', 2)), &[]);
    let counted = |stores| HistoryEvent::Counted {
        at: moment(9),
        stores,
    };
    expect(then(counted(1)), &[]);
    expect(then(counted(2)), &[Invariant::I10]);
    let baffled = HistoryEvent::Baffled {
        at: moment(9),
        code: "INVALID_CREDENTIALS".to_owned(),
    };
    expect(then(baffled), &[Invariant::I8]);
}

#[test]
fn the_hsms_of_a_cluster_end_with_the_same_keys_and_without_the_deleted_ones() {
    let stored = |one: &[u8], other: &[u8]| {
        let keys = |ids: &[u8]| ids.iter().map(|id| HsmKeyId([*id; 16])).collect();
        HistoryEvent::Stored {
            at: moment(9),
            cluster: cluster('a'),
            on: BTreeMap::from([(hsm('a'), keys(one)), (hsm('b'), keys(other))]),
        }
    };
    let member = HistoryEvent::Member {
        at: moment(1),
        hsm: hsm('a'),
        cluster: cluster('a'),
    };
    let deleted = HistoryEvent::Deleted {
        at: moment(2),
        hsm: hsm('a'),
        id: HsmKeyId([3; 16]),
    };
    let then = |event: HistoryEvent| vec![member.clone(), deleted.clone(), event];
    expect(then(stored(&[1, 2], &[1, 2])), &[]);
    expect(then(stored(&[1, 2], &[1])), &[Invariant::InStep]);
    expect(then(stored(&[1, 3], &[1, 3])), &[Invariant::InStep]);
}

#[test]
fn hsms_lock_out_and_refuse_the_connection_of_before() {
    let guessed = |locked| HistoryEvent::Guessed {
        at: moment(1),
        hsm: hsm('a'),
        wrong: 12,
        locked,
    };
    expect(vec![guessed(true)], &[]);
    expect(vec![guessed(false)], &[Invariant::Lockout]);
    let probed = |fenced| HistoryEvent::Probed {
        at: moment(1),
        hsm: hsm('a'),
        fenced,
    };
    expect(vec![probed(true)], &[]);
    expect(vec![probed(false)], &[Invariant::Fence]);
    let login = |step, epoch| HistoryEvent::Login {
        at: moment(step),
        hsm: hsm('a'),
        scope: [0; 16],
        epoch: Epoch(epoch),
        answer: LoginAnswer::Accepted,
    };
    let again = |epoch| {
        vec![
            login(1, 5),
            HistoryEvent::Restarted {
                at: moment(2),
                shared: false,
            },
            login(3, epoch),
        ]
    };
    expect(again(6), &[]);
    expect(again(5), &[Invariant::Fence]);
}

#[test]
fn a_leak_is_a_violation() {
    let what = "a key lies unencrypted on a disk".to_owned();
    let at = moment(1);
    expect(vec![HistoryEvent::Leaked { at, what }], &[Invariant::I9]);
}
