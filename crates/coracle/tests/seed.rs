//! The nine ideas that make a container, in each way of running one.

#![forbid(unsafe_code)]

#[path = "seed/ideas.rs"]
mod ideas;
#[path = "seed/world.rs"]
mod world;

/// A module for a way of running containers, with a test for each idea that is named.
macro_rules! held_against {
    ($way:ident needs $needs:tt: $($idea:ident),+ $(,)?) => {
        mod $way {
            use testkit::requires;
            $(
                #[test]
                fn $idea() {
                    requires! $needs;
                    crate::ideas::$idea(&crate::world::World::$way());
                }
            )+
        }
    };
}

held_against! { root needs (root, cgroups):
    a_command_runs_and_its_exit_code_comes_back,
    the_host_name_is_its_own,
    ps_sees_only_the_container,
    the_root_is_pivoted_and_the_old_root_is_gone,
    proc_is_its_own,
    a_fork_bomb_stops_at_the_pids_limit_and_the_machine_does_not_notice,
    a_memory_hog_is_killed_at_its_limit_and_the_message_says_so,
    a_cpu_quota_holds,
    a_change_in_a_containers_root_is_not_seen_by_the_next,
}

held_against! { root_auto needs (root, cgroups):
    a_command_runs_and_its_exit_code_comes_back,
    the_host_name_is_its_own,
    ps_sees_only_the_container,
    the_root_is_pivoted_and_the_old_root_is_gone,
    proc_is_its_own,
    a_fork_bomb_stops_at_the_pids_limit_and_the_machine_does_not_notice,
    a_memory_hog_is_killed_at_its_limit_and_the_message_says_so,
    a_cpu_quota_holds,
    a_change_in_a_containers_root_is_not_seen_by_the_next,
}

held_against! { user needs (subuid_user, user_namespaces):
    a_command_runs_and_its_exit_code_comes_back,
    the_host_name_is_its_own,
    ps_sees_only_the_container,
    the_root_is_pivoted_and_the_old_root_is_gone,
    proc_is_its_own,
    a_change_in_a_containers_root_is_not_seen_by_the_next,
}

held_against! { single_id needs (subuid_user, user_namespaces):
    a_command_runs_and_its_exit_code_comes_back,
    the_host_name_is_its_own,
    ps_sees_only_the_container,
    the_root_is_pivoted_and_the_old_root_is_gone,
    proc_is_its_own,
    a_change_in_a_containers_root_is_not_seen_by_the_next,
}
