//! Whatever the profile, the program is valid and says what the profile says.

mod support;

use proptest::prelude::*;
use seccomp::{Error, compile};
use support::{check, model, random, run};

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, max_local_rejects: u32::MAX, ..ProptestConfig::default() })]

    #[test]
    fn a_filter_says_what_its_profile_says(
        profile in random::profile(random::rule(0..4, 0..6)),
        calls in proptest::collection::vec(random::call(), 60),
    ) {
        let filter = match compile(&profile) {
            Err(Error::Contradiction { .. }) => return Err(TestCaseError::reject("contradiction")),
            other => other.unwrap(),
        };
        let program: Vec<_> = filter.instructions().collect();
        check(&program);
        for data in calls {
            let verdict = run(&program, data);
            let expected = model::verdicts(&profile, data);
            prop_assert!(expected.contains(&verdict), "{verdict:#x}, not {expected:x?}, for {data:x?}");
        }
    }

    #[test]
    fn long_profiles_jump_far(
        rules in proptest::collection::vec(random::rule(1..3, 0..2), 60..120),
        calls in proptest::collection::vec(random::call(), 60),
    ) {
        // One action for all, so that nothing contradicts.
        let mut profile = oci::runtime::Seccomp {
            default_action: oci::runtime::Action::KillProcess,
            default_errno_ret: None,
            architectures: vec![oci::runtime::Arch::X86, oci::runtime::Arch::X32],
            flags: None,
            listener_path: None,
            listener_metadata: None,
            syscalls: rules,
        };
        for rule in &mut profile.syscalls {
            (rule.action, rule.errno_ret) = (oci::runtime::Action::Allow, None);
        }
        let program: Vec<_> = compile(&profile).unwrap().instructions().collect();
        check(&program);
        prop_assume!(program.len() > 300);
        for data in calls {
            prop_assert_eq!(vec![run(&program, data)], { let mut all = model::verdicts(&profile, data); all.dedup(); all });
        }
    }
}
