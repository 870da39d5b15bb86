//! What users write behind the flags of `coracle`, and the other texts that name or say something: each parser gets each
//! text. What was read and can be written is read back as the same.

#![no_main]

use engine::config::{
    Bytes, CgroupNamespace, CgroupUse, ContainerName, CpuSet, Cpus, DeviceAccess, DnsOption, DomainName, HostName,
    IdOrName, IpcNamespace, MemorySwap, NamespaceMode, NetworkMode, PidsLimit, Pull, Signal, Ulimit, Umask, UserSpec,
    UsernsMode,
};
use engine::flags;
use oci::image::{ImageConfig, Index, Manifest};
use oci::reference::Reference;
use std::path::Path;

macro_rules! parsed {
    ($text:ident as $($kind:ty)*) => { $(let _ = $text.parse::<$kind>();)* };
}

libfuzzer_sys::fuzz_target!(|text: &str| {
    parsed!(text as Bytes CgroupNamespace CgroupUse ContainerName CpuSet Cpus DeviceAccess DnsOption DomainName HostName);
    parsed!(text as IdOrName IpcNamespace MemorySwap NamespaceMode NetworkMode PidsLimit Pull Signal Ulimit Umask);
    parsed!(text as UserSpec UsernsMode flags::SecurityOpt oci::digest::Digest);
    let here = Path::new("/here");
    let _ = (flags::host_entry(text), flags::entrypoint(text), flags::dns_server(text), flags::container_path(text));
    let _ = (flags::cpu_period(text), flags::cpu_quota(text), flags::cpu_shares(text), flags::count(text));
    let _ = (flags::oom_score_adj(text), flags::stop_timeout(text), flags::sysctl(text), flags::tmpfs(text));
    let _ = (flags::device(text, here), flags::mount(text, here), flags::volume(text, here), flags::image(text));
    let _ = (flags::env(text, |_| None), flags::env_file(text.as_bytes(), |_| None), flags::lines(text.as_bytes()));
    let _ = (flags::rootfs(text, here), flags::annotations(text.lines()), flags::capabilities(text.lines()));
    let _ = flags::search_domains(text.lines());
    if let Ok(reference) = text.parse::<Reference>() {
        assert_eq!(reference.to_string().parse::<Reference>().ok().as_ref(), Some(&reference));
    }
    if let Ok(path) = cgroup::CgroupPath::new(text) {
        assert!(!path.as_inner().split('/').any(|name| name == ".."));
        let _ = path.join(text);
    }
    let _ = (runtime::idmap::parse(text), runtime::activation::passed(Some(text), Some(text), 1));
    let _ = serde_json::from_str::<ImageConfig>(text);
    let _ = (serde_json::from_str::<Index>(text), serde_json::from_str::<Manifest>(text));
    corun::read_names(text);
    corun::read_annotations(text);
});
