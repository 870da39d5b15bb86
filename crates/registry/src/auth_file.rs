//! The files in which docker and podman keep credentials: containers-auth.json(5) and docker's config.json, one format.
//!
//! Podman's order: `--authfile`, else `$REGISTRY_AUTH_FILE`, else the runtime directory's file, the user's, docker's. The
//! first file that knows the registry, or better the repository in it, is believed. A login writes to the first.

use crate::conf;
use crate::credential::{Credential, Secret};
use crate::error::{Error, Result};
use crate::helper::Helper;
use crate::settings::Settings;
use serde_json::{Map, Value, json};
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// What Docker Hub is called in these files, for historical reasons.
const HUB: &str = "https://index.docker.io/v1/";

/// The files, in the order in which they are asked.
pub fn paths(settings: &Settings) -> Vec<PathBuf> {
    let environment = &settings.environment;
    if let Some(only) = settings.auth_file.clone().or_else(|| environment.auth_file.clone()) {
        return vec![only];
    }
    let own = environment.config().map(|dir| dir.join("containers/auth.json"));
    let legacy = environment.home.as_ref().map(|home| home.join(".dockercfg"));
    [Some(environment.runtime_auth()), own, environment.docker(), legacy].into_iter().flatten().collect()
}

/// Whether it is the file of before docker 1.7, whose top level is what `auths` became.
fn is_legacy(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == ".dockercfg")
}

/// A file's content.
pub struct AuthFile {
    path: PathBuf,
    content: Map<String, Value>,
}

impl AuthFile {
    /// Reads it; one that is not there is empty.
    pub fn read(path: PathBuf) -> Result<Self> {
        let wrong = |path: PathBuf, reason: String| Error::Content { path, reason };
        let content = match conf::text(&path)?.filter(|text| !text.trim().is_empty()) {
            None => Map::new(),
            // The parser's own words name a place and never what stands there.
            Some(text) => match serde_json::from_str(&text) {
                Ok(Value::Object(content)) => content,
                Ok(_) => return Err(wrong(path, "it is no JSON object".to_owned())),
                Err(error) => {
                    let place = format!("no JSON at line {}, column {}", error.line(), error.column());
                    return Err(wrong(path, place));
                }
            },
        };
        let content = if is_legacy(&path) && !content.contains_key("auths") {
            Map::from_iter([("auths".to_owned(), Value::Object(content))])
        } else {
            content
        };
        Ok(Self { path, content })
    }

    /// What it says about a name: `registry/repository`, or the registry alone.
    pub fn find(&self, name: &str, path: Option<&std::ffi::OsStr>) -> Result<Option<Credential>> {
        let helpers = self.content.get("credHelpers").and_then(Value::as_object);
        let auths = self.content.get("auths").and_then(Value::as_object);
        for key in keys(name) {
            if let Some(program) = helpers.and_then(|helpers| helpers.get(&key)).and_then(Value::as_str) {
                return Helper::new(program, path)?.get(&key);
            }
            let entry = auths.and_then(|auths| auths.iter().find(|(own, _)| normal(own) == key));
            if let Some(found) = entry.and_then(|(_, entry)| credential(entry)) {
                return Ok(Some(found));
            }
        }
        let Some(store) = self.content.get("credsStore").and_then(Value::as_str).filter(|store| !store.is_empty())
        else {
            return Ok(None);
        };
        let registry = name.split('/').next().unwrap_or_default();
        let server = if registry == "docker.io" { HUB } else { registry };
        Helper::new(store, path)?.get(server)
    }

    /// The helper to which a login to a registry gives what it learnt, and the name that it goes by there.
    pub fn helper_for(&self, registry: &str) -> Option<(&str, String)> {
        let helpers = self.content.get("credHelpers").and_then(Value::as_object);
        if let Some(program) = helpers.and_then(|helpers| helpers.get(registry)).and_then(Value::as_str) {
            return Some((program, registry.to_owned()));
        }
        let store = self.content.get("credsStore").and_then(Value::as_str).filter(|store| !store.is_empty())?;
        let server = if registry == "docker.io" { HUB } else { registry };
        Some((store, server.to_owned()))
    }

    /// Enters a credential.
    pub fn set(&mut self, name: &str, credential: &Credential) {
        let auths = self.content.entry("auths").or_insert_with(|| json!({}));
        let mut entry = json!({ "auth": credential.encode() });
        if let Credential::Identity { token, .. } = credential {
            entry["identitytoken"] = token.reveal().into();
        }
        if let Some(auths) = auths.as_object_mut() {
            auths.retain(|own, _| normal(own) != name);
            auths.insert(name.to_owned(), entry);
        }
    }

    /// Takes a credential away, and tells whether there was one.
    pub fn remove(&mut self, name: &str) -> bool {
        let Some(auths) = self.content.get_mut("auths").and_then(Value::as_object_mut) else { return false };
        let before = auths.len();
        auths.retain(|own, _| normal(own) != name);
        auths.len() < before
    }

    /// The names that it has something about.
    pub fn names(&self) -> Vec<String> {
        let auths = self.content.get("auths").and_then(Value::as_object);
        let helpers = self.content.get("credHelpers").and_then(Value::as_object);
        let mut names: Vec<String> =
            [auths, helpers].into_iter().flatten().flat_map(Map::keys).map(|name| normal(name)).collect();
        names.sort();
        names.dedup();
        names
    }

    /// Writes it back, for its owner's eyes only, and never half.
    pub fn write(&self) -> Result<()> {
        let failed = || Error::file("write", &self.path);
        let dir = self.path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if !dir.is_dir() {
            std::fs::create_dir_all(dir).map_err(failed())?;
            std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o700)).map_err(failed())?;
        }
        // The file may be a link into a place that the user keeps: what it names is replaced.
        let target = std::fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
        let mut temporary = target.clone().into_os_string();
        temporary.push(format!(".{}", std::process::id()));
        let mut text = serde_json::to_string_pretty(&self.content).unwrap_or_default();
        text.push('\n');
        let written = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary);
        let written = written.and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()));
        let written = written.and_then(|()| std::fs::rename(&temporary, &target));
        if written.is_err() {
            _ = std::fs::remove_file(&temporary);
        }
        written.map_err(failed())
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// What may stand for a name, the most special first: `r.io/a/b`, `r.io/a`, `r.io`.
fn keys(name: &str) -> Vec<String> {
    let mut keys = vec![name.to_owned()];
    while let Some((above, _)) = keys.last().and_then(|key| key.rsplit_once('/')) {
        let above = above.to_owned();
        keys.push(above);
    }
    keys
}

/// A key as it is meant: docker once wrote addresses, and calls Docker Hub by an old one.
fn normal(key: &str) -> String {
    let address = key.split_once("://").map(|(_, rest)| rest);
    let bare = address.unwrap_or(key).trim_end_matches('/');
    let bare = match address {
        Some(_) => bare.split('/').next().unwrap_or_default(),
        None => bare.strip_suffix("/v1").or_else(|| bare.strip_suffix("/v2")).unwrap_or(bare),
    };
    match bare {
        "index.docker.io" | "registry-1.docker.io" => "docker.io".to_owned(),
        other => other.to_owned(),
    }
}

fn credential(entry: &Value) -> Option<Credential> {
    let text = |name: &str| entry.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let named = match text("auth") {
        Some(auth) => Credential::decode(auth),
        None => text("username").zip(text("password")).map(|(user, password)| Credential::basic(user, password)),
    };
    let Some(token) = text("identitytoken") else { return named };
    let user = named.as_ref().and_then(Credential::user).unwrap_or_default().to_owned();
    Some(Credential::Identity { user, token: Secret::new(token) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> AuthFile {
        let Ok(Value::Object(content)) = serde_json::from_str(text) else { panic!("{text}") };
        AuthFile { path: "auth.json".into(), content }
    }

    #[test]
    fn the_most_special_key_is_believed() {
        // bWU6YQ== is me:a, bWU6Yg== me:b, by base64(1).
        let file = file(r#"{"auths": {"r.io": {"auth": "bWU6YQ=="}, "r.io/org": {"auth": "bWU6Yg=="}}}"#);
        let find = |name: &str| file.find(name, None).unwrap();
        assert_eq!(find("r.io/org/image"), Some(Credential::basic("me", "b")));
        assert_eq!(find("r.io/organ/image"), Some(Credential::basic("me", "a")));
        assert_eq!(find("r.io:5000/org"), None);
    }

    #[test]
    fn dockers_names_of_its_hub_and_its_addresses_are_known() {
        let file = file(
            r#"{"auths": {"https://index.docker.io/v1/": {"auth": "bWU6YQ=="}, "https://r.io/v2/": {"username": "u", "password": "p"},
                "token.io": {"auth": "", "identitytoken": "t"}, "helped.io": {}}}"#,
        );
        assert_eq!(file.find("docker.io/library/debian", None).unwrap(), Some(Credential::basic("me", "a")));
        assert_eq!(file.find("r.io/x", None).unwrap(), Some(Credential::basic("u", "p")));
        let identity = Credential::Identity { user: String::new(), token: Secret::new("t") };
        assert_eq!(file.find("token.io/x", None).unwrap(), Some(identity));
        assert_eq!(file.find("helped.io/x", None).unwrap(), None);
    }

    #[test]
    fn what_is_not_ours_in_a_file_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sub/config.json");
        let mut written = AuthFile::read(path.clone()).unwrap();
        written.content.insert("detachKeys".to_owned(), json!("ctrl-x"));
        written.set("r.io", &Credential::basic("me", "a"));
        written.write().unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let mut again = AuthFile::read(path.clone()).unwrap();
        assert_eq!(again.find("r.io", None).unwrap(), Some(Credential::basic("me", "a")));
        assert!(again.remove("r.io") && !again.remove("r.io"));
        again.write().unwrap();
        assert!(std::fs::read_to_string(&path).unwrap().contains("ctrl-x"));
    }

    #[test]
    fn a_damaged_file_is_an_error_that_quotes_nothing_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("auth.json");
        std::fs::write(&path, r#"{"auths": {"r.io": {"auth": "c2VjcmV0" "#).unwrap();
        let error = AuthFile::read(path).err().unwrap().to_string();
        assert!(error.contains("line 1") && !error.contains("c2VjcmV0"), "{error}");
    }
}
