//! Seeds that found something once, each with its story. Rule SIM-10.

use portcullis_seam::plant::Bug;
use portcullis_sim::check::Invariant;
use portcullis_sim::{Carrier, Lines, WorldPlan, run_plan};

/// A seed, the bug that it found, and what is violated while that is planted.
struct Entry {
    seed: u64,
    /// The world is built from nothing, as all were when the seed was found.
    built: bool,
    carrier: Carrier,
    bug: Bug,
    violates: Invariant,
    story: &'static str,
}

const CORPUS: [Entry; 12] = [
    Entry {
        seed: 156,
        built: false,
        carrier: Carrier::Messages,
        bug: Bug::RefusedDisconnectClosesGate,
        violates: Invariant::I11,
        story: "The control plane's disk was full, so a disconnect was refused; but its gate was down \
                already and stayed down, so that a key store that said CONNECTED served nothing, also \
                when there was room again. A disconnect that is not recorded leaves the connection \
                whole.",
    },
    Entry {
        seed: 380,
        built: false,
        carrier: Carrier::Messages,
        bug: Bug::SessionOutlivesConnection,
        violates: Invariant::I11,
        story: "After a partition the HSM had never heard of the logout, so kmsuser stayed logged \
                in for ever and no admin could change its password. An HSM ends the sessions of a \
                connection with it. Seed 117 of an earlier simulator found it.",
    },
    Entry {
        seed: 295,
        built: true,
        carrier: Carrier::Messages,
        bug: Bug::PreviousPasswordForgotten,
        violates: Invariant::I8,
        story: "A connect rotated the password while a partition hid one HSM; the next connect \
                tried only the new password there, FAILED with INVALID_CREDENTIALS, and in the end \
                locked kmsuser out. A connect tries every password that an HSM may still have.",
    },
    Entry {
        seed: 1017,
        built: false,
        carrier: Carrier::Messages,
        bug: Bug::OvertakenConnectRotates,
        violates: Invariant::I8,
        story: "A connect waited for an HSM that was cut off, was overtaken by a disconnect and \
                another connect, and then rotated the password under the feet of that one, which \
                FAILED with INVALID_CREDENTIALS.",
    },
    Entry {
        seed: 1396,
        built: false,
        carrier: Carrier::Messages,
        bug: Bug::DisconnectLosesSessions,
        violates: Invariant::Fence,
        story: "Two facades: one disconnected, closed its gate and gave its sessions up, but the other \
                committed a new key first. The second attempt disconnected with the sessions of a new \
                connection, of which there were none yet, and no HSM heard of it. Rule SHARE-08.",
    },
    Entry {
        seed: 176,
        built: false,
        carrier: Carrier::Messages,
        bug: Bug::RemovalNotRepeatable,
        violates: Invariant::I11,
        story: "The power failed after an HSM's disk had been destroyed and before its removal \
                was recorded. Taken up again, the removal wanted a backup of what was gone, and \
                the cluster could never be changed again.",
    },
    Entry {
        seed: 2470,
        built: false,
        carrier: Carrier::Messages,
        bug: Bug::RemovalNotRepeatable,
        violates: Invariant::I11,
        story: "The same; and since the step failed, the restarted service showed no such cluster \
                at all, and the key store that used it could not be connected.",
    },
    Entry {
        seed: 1947,
        built: false,
        carrier: Carrier::Quinn,
        bug: Bug::ClusterChangeMissed,
        violates: Invariant::I11,
        story: "Two HSMs were removed between a connect's first look at the cluster and its end. \
                The connection kept both, and every other call waited a second for each, for as \
                long as the store was connected. Rule KS-65.",
    },
    Entry {
        seed: 8815,
        built: true,
        carrier: Carrier::Messages,
        bug: Bug::RemovedHsmCounts,
        violates: Invariant::I4,
        story: "CreateKey made a key on one HSM and handed it to another; before that one had it, \
                the first was removed from the cluster. The key was acknowledged, and at no \
                instant had it been on two disks.",
    },
    Entry {
        seed: 7200,
        built: false,
        carrier: Carrier::Messages,
        bug: Bug::KeyMadeTwice,
        violates: Invariant::I3,
        story: "The power failed while an HSM wrote a new key, and it answered that its disk had \
                failed; so another HSM made the key too, under the same ID. When the first had \
                started again it had the key after all, of other material, and what one sealed the \
                other did not open. Rule KEY-24.",
    },
    Entry {
        seed: 15161,
        built: false,
        carrier: Carrier::Messages,
        bug: Bug::ChangeTriedAgainLate,
        violates: Invariant::I11,
        story: "A start fell into the midst of a change whose HSM was down. When that was up again \
                the cluster stayed UPDATE_IN_PROGRESS, and the key store could not be connected, \
                until all clusters were tended ten seconds later. Rule CL-27.",
    },
    Entry {
        seed: 32608,
        built: false,
        carrier: Carrier::Messages,
        bug: Bug::ForgottenSessionFailsCall,
        violates: Invariant::I2,
        story: "Both HSMs restarted while nobody asked one of the facades. Its next call found that \
                its connections were gone, and then that its sessions were, and failed although \
                everything was well. Rule CR-14.",
    },
];

#[test]
fn every_seed_of_the_corpus_still_tells_its_story() {
    for Entry {
        seed,
        built,
        carrier,
        bug,
        violates,
        story,
    } in CORPUS
    {
        let drawn = WorldPlan::draw(seed).over(carrier);
        let plan = if built { drawn.built() } else { drawn };
        let clean = run_plan(seed, &plan, None, Lines::Dropped).unwrap();
        assert!(
            clean.violations.is_empty(),
            "{seed}: {story}: {:?}",
            clean.violations
        );
        let planted = run_plan(seed, &plan, Some(bug), Lines::Dropped).unwrap();
        let mut violations = planted.violations.iter();
        assert!(
            violations.any(|violation| violation.invariant == violates),
            "seed {seed} does not show {bug:?} any more; look for one that does: {story}"
        );
    }
}
