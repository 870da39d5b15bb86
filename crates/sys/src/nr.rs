//! Numbers of the system calls that we make, by architecture (asm/unistd.h). Knows only `core`; shared with `init`.

macro_rules! numbers {
    ($($name:ident $x86_64:literal $aarch64:literal)*) => {
        $(#[doc = concat!("`", stringify!($name), "(2)`")]
        #[allow(non_upper_case_globals, reason = "the kernel's own spelling")]
        pub const $name: u32 = if cfg!(target_arch = "x86_64") { $x86_64 } else { $aarch64 };)*

        /// The name of a call that we make, for people.
        pub fn name(number: u32) -> Option<&'static str> {
            $(if number == $name { return Some(stringify!($name)); })*
            None
        }
    };
}

numbers! {
    read 0 63
    write 1 64
    close 3 57
    lseek 8 62
    getpid 39 172
    mmap 9 222
    munmap 11 215
    madvise 28 233
    rt_sigaction 13 134
    rt_sigprocmask 14 135
    ioctl 16 29
    sendmsg 46 211
    sendto 44 206
    recvfrom 45 207
    clone 56 220
    execve 59 221
    exit 60 93
    kill 62 129
    fcntl 72 25
    ftruncate 77 46
    chdir 80 49
    fchdir 81 50
    fchmod 91 52
    umask 95 166
    getppid 110 173
    setsid 112 157
    setgroups 116 159
    setresuid 117 147
    setresgid 119 149
    capget 125 90
    capset 126 91
    rt_sigtimedwait 128 137
    personality 135 92
    pivot_root 155 41
    setpriority 141 140
    prctl 157 167
    umount2 166 39
    sethostname 170 161
    setdomainname 171 162
    getdents64 217 61
    clock_gettime 228 113
    exit_group 231 94
    wait4 61 260
    waitid 247 95
    keyctl 250 219
    ioprio_set 251 30
    openat 257 56
    mkdirat 258 34
    mknodat 259 33
    fchownat 260 54
    newfstatat 262 79
    statx 332 291
    unlinkat 263 35
    linkat 265 37
    symlinkat 266 36
    readlinkat 267 78
    fchmodat 268 53
    utimensat 280 88
    unshare 272 97
    dup3 292 24
    prlimit64 302 261
    setns 308 268
    sched_setattr 314 274
    renameat2 316 276
    seccomp 317 277
    memfd_create 319 279
    bpf 321 280
    execveat 322 281
    copy_file_range 326 285
    pidfd_send_signal 424 424
    open_tree 428 428
    move_mount 429 429
    fsopen 430 430
    fsconfig 431 431
    fsmount 432 432
    pidfd_open 434 434
    pidfd_getfd 438 438
    clone3 435 435
    close_range 436 436
    openat2 437 437
    mount_setattr 442 442
    fsetxattr 190 7
    lsetxattr 189 6
    setxattr 188 5
    fremovexattr 199 16
    fchown 93 55
    fallocate 285 47
    sched_setaffinity 203 122
    sched_getaffinity 204 123
    set_mempolicy 238 237
    ppoll 271 73
    faccessat 269 48
    faccessat2 439 439
    getcwd 79 17
    socket 41 198
    setsockopt 54 208
    accept4 288 242
    recvmsg 47 212
    fstatfs 138 44
    sendfile 40 71
    mount 165 40
    signalfd4 289 74
    sync_file_range 277 84
    syncfs 306 267
    perf_event_open 298 241
}
