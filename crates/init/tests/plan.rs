//! Plans that no parent of ours has written: whatever the bytes are, reading them never leads outside of them.

use init::plan::{MAGIC, Op, Plan};
use proptest::prelude::*;

/// Reads all that a stub would read of a plan.
fn read_all(bytes: &[u8]) -> usize {
    let Some(plan) = Plan::new(bytes) else { return 0 };
    let within = |part: &[u8]| {
        let (from, to) = (bytes.as_ptr() as usize, bytes.as_ptr() as usize + bytes.len());
        let at = part.as_ptr() as usize;
        assert!(part.is_empty() || at >= from && at + part.len() <= to);
    };
    let header = plan.header();
    let mut read = 0;
    for index in 0..header.steps.saturating_add(2).min(10_000) {
        let Some(step) = plan.step(index) else { continue };
        read += 1;
        let _ = Op::from_number(step.op);
        for arg in step.args {
            within(plan.data(arg).unwrap_or_default());
            within(plan.text(arg).map_or(&[][..], std::ffi::CStr::to_bytes_with_nul));
            for entry in [0, 1, plan.length(arg) / 2, plan.length(arg), usize::MAX / 8, usize::MAX] {
                let _ = plan.entry(arg, entry);
            }
        }
    }
    for index in [0, 1, header.inherited_len, u32::MAX] {
        let _ = plan.inherited(index);
    }
    read
}

/// A header as a stub accepts it, in front of anything.
fn headed(steps: u32, inherited: u32, body: &[u8]) -> Vec<u8> {
    let size = 32 + body.len() as u32;
    let words = [MAGIC, steps, size, inherited, 3, 0, 0, 0];
    let head = words.iter().flat_map(|word| word.to_le_bytes());
    head.chain(body.iter().copied()).collect()
}

proptest! {
    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        read_all(&bytes);
    }

    #[test]
    fn any_header(words in proptest::array::uniform8(prop_oneof![any::<u32>(), 0_u32..200, Just(MAGIC)])) {
        let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        bytes[..4].copy_from_slice(&MAGIC.to_le_bytes());
        bytes.resize(32 + 300, 0xa5);
        read_all(&bytes);
    }

    #[test]
    fn any_steps(steps in 0_u32..8, inherited in any::<u32>(), body in proptest::collection::vec(
        prop_oneof![Just(0_u8), Just(1), Just(255), any::<u8>()], 0..600)) {
        read_all(&headed(steps, inherited, &body));
    }
}

#[test]
fn what_does_not_fit_is_no_plan() {
    let step = [0_u8; 48];
    assert_eq!(read_all(&headed(1, 0, &step)), 1);
    assert!(Plan::new(&headed(2, 0, &step)).is_none(), "two steps in the space of one");
    assert!(Plan::new(&headed(u32::MAX, 0, &step)).is_none());
    let good = headed(1, 0, &step);
    assert!((0..good.len()).all(|length| Plan::new(&good[..length]).is_none()), "cut short");
    let mut other = good;
    other[0] ^= 1;
    assert!(Plan::new(&other).is_none(), "another magic");
}
