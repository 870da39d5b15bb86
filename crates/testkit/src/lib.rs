//! What the tests share: sandboxes, requirements, counters of what is left behind.
