//! A specification on the way to a plan, for tests: everything between reading it and the first step.

use super::*;

/// All of a start that needs no privilege; an error is a good answer.
pub fn planned(text: &str) -> std::result::Result<usize, String> {
    let spec: Spec = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let told = |error: Error| error.to_string();
    hooks::check(&spec).map_err(told)?;
    if let Some(profile) = spec.linux.as_ref().and_then(|linux| linux.seccomp.as_ref()) {
        seccomp::compile(profile).map_err(|error| error.to_string())?;
    }
    let path = spec.linux.as_ref().and_then(|linux| linux.cgroups_path.clone()).unwrap_or_default();
    let _ = cgroup::CgroupPath::new(&path);
    let mut namespaces = Namespaces::open(&spec).map_err(told)?;
    let layout = Layout::detect().map_err(|error| error.to_string())?;
    let mut steps = Plan::default();
    join(&mut steps, &mut namespaces, spec.process.as_ref());
    let context = Context::new(&spec, Path::new("/usr"), &namespaces, &layout, None);
    let (uids, gids) = context.mappings();
    idmap::check("uidMappings", uids).and_then(|()| idmap::check("gidMappings", gids)).map_err(told)?;
    rootfs::compose(&mut steps, &spec, Rootfs::Spec, &context, &mut |_| ()).map_err(told)?;
    let last = Last { holding: Holding::default(), filter: None, served: false, gate: None };
    let identity = Identity { id: "fuzz", bundle: Path::new("/usr"), spec: &spec };
    finish_plan(&mut steps, identity, &context, &last, Some("fuzz")).map_err(told)?;
    let (bytes, subjects, _given) = steps.finish(0, -1, 0).map_err(told)?;
    assert!(init::plan::Plan::new(&bytes).is_some(), "what we write can be read");
    Ok(subjects.len())
}
