//! The policy as a BPF program of type cgroup/device.
//!
//! It walks the rules from the last to the first with the set of accesses that are still undecided: a denial of any
//! of them ends it, an allowance takes its own out of the set, and an empty set is a yes. So a read-write open that one
//! rule allows to read and another to write is judged as the list means it.

use super::policy::{ALL, Policy, Rule};
use sys::bpf::Insn;

// Registers. The kernel passes a bpf_cgroup_dev_ctx in r1: access << 16 | kind, major, minor.
const VERDICT: u8 = 0;
const CONTEXT: u8 = 1;
const KIND: u8 = 2;
const UNDECIDED: u8 = 3;
const MAJOR: u8 = 4;
const MINOR: u8 = 5;

// Operations (linux/bpf.h, bpf_common.h), all on 32 bits but the verdict.
pub(super) const LOAD: u8 = 0x61;
pub(super) const AND: u8 = 0x54;
pub(super) const SHIFT_RIGHT: u8 = 0x74;
pub(super) const COPY: u8 = 0xbc;
pub(super) const SET: u8 = 0xb7;
pub(super) const JUMP_DIFFERENT: u8 = 0x56;
pub(super) const JUMP_ANY_BIT: u8 = 0x46;
pub(super) const EXIT: u8 = 0x95;

fn insn(code: u8, to: u8, from: u8, offset: i16, immediate: i32) -> Insn {
    Insn { code, registers: to | from << 4, offset, immediate }
}

/// Assembles the program.
pub(super) fn assemble(policy: &Policy) -> Vec<Insn> {
    let mut program = vec![
        insn(LOAD, KIND, CONTEXT, 0, 0),
        insn(COPY, UNDECIDED, KIND, 0, 0),
        insn(AND, KIND, 0, 0, 0xffff),
        insn(SHIFT_RIGHT, UNDECIDED, 0, 0, 16),
        insn(LOAD, MAJOR, CONTEXT, 4, 0),
        insn(LOAD, MINOR, CONTEXT, 8, 0),
    ];
    for rule in policy.rules.iter().rev() {
        judge(rule, &mut program);
    }
    program.extend(verdict(policy.default_allow));
    program
}

fn verdict(allow: bool) -> [Insn; 2] {
    [insn(SET, VERDICT, 0, 0, allow.into()), insn(EXIT, 0, 0, 0, 0)]
}

/// One rule: conditions that jump past it, then what it says.
fn judge(rule: &Rule, program: &mut Vec<Insn>) {
    let mut body = Vec::with_capacity(4);
    let access = i32::from(rule.access);
    match (rule.allow, rule.access == ALL) {
        (_, true) => {}
        (false, false) => {
            // Some of them denied: all of the attempt is.
            body.push(insn(JUMP_ANY_BIT, UNDECIDED, 0, 1, access));
            body.push(jump_over_verdict());
        }
        (true, false) => {
            body.push(insn(AND, UNDECIDED, 0, 0, i32::from(ALL & !rule.access)));
            body.push(insn(JUMP_DIFFERENT, UNDECIDED, 0, 2, 0));
        }
    }
    body.extend(verdict(rule.allow));
    let devices = &rule.devices;
    let conditions = [
        devices.kind.map(|kind| (KIND, kind as i32)),
        devices.major.map(|major| (MAJOR, major as i32)),
        devices.minor.map(|minor| (MINOR, minor as i32)),
    ];
    let conditions: Vec<_> = conditions.into_iter().flatten().collect();
    for (index, (register, value)) in conditions.iter().enumerate() {
        let over = conditions.len() - index - 1 + body.len();
        program.push(insn(JUMP_DIFFERENT, *register, 0, over as i16, *value));
    }
    program.extend(body);
}

/// An unconditional jump over a verdict's two instructions.
fn jump_over_verdict() -> Insn {
    insn(JUMP, 0, 0, 2, 0)
}

pub(super) const JUMP: u8 = 0x05;

#[cfg(test)]
mod tests {
    use super::super::policy::reference::{allowed, queries, random_rules, sequence};
    use super::super::policy::{Kind, Policy, default_rules};
    use super::*;

    /// Runs a program as the kernel would, as far as ours go.
    fn run(program: &[Insn], kind: Kind, major: u32, minor: u32, access: u8) -> bool {
        let context = [u32::from(access) << 16 | kind as u32, major, minor];
        let mut registers = [0_u32; 11];
        let mut at = 0_usize;
        for _ in 0..10_000 {
            let insn = program[at];
            let (to, from) = (usize::from(insn.registers & 15), usize::from(insn.registers >> 4));
            let immediate = insn.immediate as u32;
            let jump = match insn.code {
                LOAD => {
                    assert_eq!(from, usize::from(CONTEXT), "only the context is memory");
                    registers[to] = context[insn.offset as usize / 4];
                    false
                }
                AND => {
                    registers[to] &= immediate;
                    false
                }
                SHIFT_RIGHT => {
                    registers[to] >>= immediate;
                    false
                }
                COPY => {
                    registers[to] = registers[from];
                    false
                }
                SET => {
                    registers[to] = immediate;
                    false
                }
                JUMP => true,
                JUMP_DIFFERENT => registers[to] != immediate,
                JUMP_ANY_BIT => registers[to] & immediate != 0,
                EXIT => return registers[0] != 0,
                other => panic!("unknown operation {other:#x}"),
            };
            at += 1;
            if jump {
                at = at.checked_add_signed(insn.offset.into()).unwrap();
            }
        }
        panic!("the program does not end");
    }

    #[test]
    fn the_program_says_what_the_ordered_rules_mean() {
        for seed in 0..2000 {
            let rules = random_rules(&mut sequence(seed));
            let program = assemble(&Policy::new(&rules).unwrap());
            for (kind, major, minor, access) in queries() {
                let meant = allowed(&rules, kind, major, minor, access);
                let said = run(&program, kind, major, minor, access);
                assert_eq!(said, meant, "seed {seed}: {kind:?} {major}:{minor} {access}\n{rules:#?}");
            }
        }
    }

    #[test]
    fn large_numbers_are_compared_whole() {
        use oci::runtime::{DeviceRule, DeviceType};
        let rule = |minor| DeviceRule {
            allow: true,
            kind: Some(DeviceType::Char),
            major: Some(4095),
            minor: Some(minor),
            access: None,
        };
        let program = assemble(&Policy::new(&[rule(0xf_ffff), rule(0xffff_ffff)]).unwrap());
        assert!(run(&program, Kind::Char, 4095, 0xf_ffff, ALL));
        assert!(run(&program, Kind::Char, 4095, 0xffff_ffff, ALL));
        assert!(!run(&program, Kind::Char, 4095, 0x1f_ffff, ALL));
    }

    #[test]
    fn the_default_rules_make_a_short_program() {
        let program = assemble(&Policy::new(&default_rules()).unwrap());
        assert!(program.len() < 80, "{}", program.len());
    }
}
