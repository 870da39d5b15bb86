//! Logging in and out at docker-registry with htpasswd, beside skopeo, which keeps its credentials as podman does.

use crate::client::World;
use crate::docker::{Registry, With};
use crate::faulty::{Answer, Faulty};
use oci::image::{Descriptor, media_type};
use oci::reference::Reference;
use registry::{Bytes, Client, Credential, Error, LoggedOut};
use std::os::unix::fs::PermissionsExt as _;
use testkit::{Invocation, requires};

/// Whom docker-registry lets in.
const USER: &str = "someone";
const PASSWORD: &str = "an:open secret";

fn guarded() -> Registry {
    Registry::with(With { login: true, ..With::default() })
}

fn someone() -> Credential {
    Credential::basic(USER, PASSWORD)
}

/// Whether a client may write.
fn works(client: &Client, registry: &Registry) -> Result<(), Error> {
    let image: Reference = format!("{}/x:1", registry.name()).parse().expect("a reference");
    client.push_blob(&image, &Descriptor::of(media_type::LAYER, b"x"), &Bytes(b"x")).map(drop)
}

#[test]
fn a_login_lets_in_until_the_logout() {
    requires!(package = "docker-registry");
    let (registry, world) = (guarded(), World::new());
    let name = registry.name();
    let refused = works(&world.client(), &registry).unwrap_err();
    assert!(refused.is_unauthorized(), "{refused}");
    assert_eq!(refused.hint(), Some(format!("coracle login {name}")));
    let wrong = world.client().login(&name, &Credential::basic(USER, "guess")).unwrap_err();
    assert!(wrong.is_unauthorized() && !wrong.to_string().contains("guess"), "{wrong}");
    assert!(!world.join("run/containers/auth.json").exists());
    assert_eq!(world.client().login(&name, &someone()).unwrap(), world.join("run/containers/auth.json"));
    assert_eq!(world.client().logged_in(&name).unwrap(), Some(someone()));
    works(&world.client(), &registry).expect("a login");
    assert_eq!(world.client().logout(&name).unwrap(), LoggedOut::Gone);
    assert!(works(&world.client(), &registry).unwrap_err().is_unauthorized());
    assert_eq!(world.client().logout(&name).unwrap(), LoggedOut::Nothing);
}

#[test]
fn skopeo_and_we_read_each_others_logins() {
    requires!(package = "docker-registry", package = "skopeo");
    let (registry, world) = (guarded(), World::new());
    let name = registry.name();
    let file = world.join("theirs.json");
    let theirs = Invocation::new("skopeo").args(["login", "--tls-verify=false", "-u", USER, "--password-stdin"]);
    theirs.arg("--authfile").arg(&file).arg(&name).stdin(PASSWORD).ok();
    let mut settings = world.settings();
    settings.auth_file = Some(file);
    works(&Client::new(settings.clone()), &registry).expect("skopeo's login");
    let ours = world.join("ours.json");
    settings.auth_file = Some(ours.clone());
    Client::new(settings).login(&name, &someone()).expect("our login");
    let list = Invocation::new("skopeo").args(["login", "--get-login", "--authfile"]).arg(&ours).arg(&name).ok();
    assert_eq!(list.stdout.trim(), USER);
}

#[test]
fn the_files_are_asked_in_podmans_order() {
    requires!(package = "docker-registry");
    let registry = guarded();
    let right = someone_encoded();
    let wrong = "c29tZW9uZTp3cm9uZw==";
    let file = |auth: &str| format!(r#"{{"auths": {{"{}": {{"auth": "{auth}"}}}}}}"#, registry.name());
    let order = ["run/containers/auth.json", "home/.config/containers/auth.json", "home/.docker/config.json"];
    for (at, first) in order.iter().enumerate() {
        let world = World::new();
        world.file(first, file(&right));
        for later in &order[at + 1..] {
            world.file(later, file(wrong));
        }
        works(&world.client(), &registry).unwrap_or_else(|error| panic!("{first}: {error}"));
        let mut environment = world.environment();
        environment.auth_file = Some(world.file("named.json", file(wrong)));
        let named = Client::new(registry::Settings::read(environment).unwrap());
        assert!(works(&named, &registry).unwrap_err().is_unauthorized());
    }
}

/// By base64(1).
fn someone_encoded() -> String {
    let encoded = Invocation::new("base64").arg("-w0").stdin(format!("{USER}:{PASSWORD}")).ok();
    encoded.stdout.trim().to_owned()
}

#[test]
fn dockers_file_stays_dockers() {
    let world = World::new();
    let text = format!(r#"{{"auths": {{"r.io": {{"auth": "{}"}}}}}}"#, someone_encoded());
    let file = world.file("home/.docker/config.json", &text);
    assert_eq!(world.client().logged_in("r.io/x").unwrap(), Some(someone()));
    assert_eq!(world.client().logout("r.io").unwrap(), LoggedOut::Elsewhere(file.clone()));
    assert_eq!(std::fs::read_to_string(file).unwrap(), text);
}

/// A helper that keeps what it is given in a file, by the protocol of docker-credential-helpers.
fn helper(world: &World) {
    let script = format!(
        r#"#!/bin/sh
cd '{}' || exit 1
case $1 in
store) cat > kept ;;
get) read -r server; test -f kept && exec cat kept; echo "credentials not found in native keychain"; exit 1 ;;
erase) rm -f kept ;;
esac
"#,
        world.join("").display()
    );
    let path = world.file("bin/docker-credential-kept", script);
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_helper_keeps_credentials_instead_of_the_file() {
    requires!(package = "docker-registry");
    let (registry, world) = (guarded(), World::new());
    let name = registry.name();
    helper(&world);
    for config in [format!(r#"{{"credHelpers": {{"{name}": "kept"}}}}"#), r#"{"credsStore": "kept"}"#.to_owned()] {
        let file = world.file("run/containers/auth.json", &config);
        assert!(works(&world.client(), &registry).unwrap_err().is_unauthorized());
        world.client().login(&name, &someone()).expect("a login");
        assert_eq!(std::fs::read_to_string(file).unwrap(), config);
        assert!(std::fs::read_to_string(world.join("kept")).unwrap().contains(&name));
        works(&world.client(), &registry).expect("the helper's credential");
        assert_eq!(world.client().logout(&name).unwrap(), LoggedOut::Gone);
        assert!(!world.join("kept").exists());
    }
}

/// CVE-2021-41092: with a helper that could not be run, a password went to Docker Hub instead.
#[test]
fn a_helper_that_cannot_be_run_stops_a_login_before_anything_is_sent() {
    let (server, world) = (Faulty::new(|_, _| Answer::new(200, "{}")), World::new());
    world.file("run/containers/auth.json", format!(r#"{{"credHelpers": {{"{}": "missing"}}}}"#, server.name()));
    let error = world.client().login(&server.name(), &someone()).unwrap_err();
    assert!(error.to_string().contains("docker-credential-missing"), "{error}");
    assert_eq!(server.lines(), [""; 0]);
    let error = world.client().logged_in(&server.name()).unwrap_err();
    assert!(matches!(error, Error::Helper { .. }), "{error}");
}

#[test]
fn a_helpers_words_are_told_and_its_answers_are_not() {
    let world = World::new();
    let write = |script: &str| {
        let path = world.file("bin/docker-credential-bad", script);
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    };
    world.file("run/containers/auth.json", r#"{"credHelpers": {"r.io": "bad"}}"#);
    write("#!/bin/sh\necho the keychain is locked; exit 1\n");
    assert!(world.client().logged_in("r.io").unwrap_err().to_string().contains("the keychain is locked"));
    write("#!/bin/sh\necho '{\"Secret\": \"topsecret\", '\n");
    assert!(!world.client().logged_in("r.io").unwrap_err().to_string().contains("topsecret"));
    world.file("run/containers/auth.json", r#"{"credHelpers": {"r.io": "../../bin/sh"}}"#);
    assert!(world.client().logged_in("r.io").unwrap_err().to_string().contains("slash"));
}

#[test]
fn a_login_over_tls_works_and_one_for_all_is_forgotten() {
    requires!(package = "docker-registry", package = "openssl");
    let registry = Registry::with(With { login: true, tls: true, ..With::default() });
    let (name, world) = (registry.name(), World::new());
    let ca = std::fs::read(registry.world.join("ca.crt")).unwrap();
    world.file(&format!("etc/containers/certs.d/{name}/ca.crt"), ca);
    world.client().login(&name, &someone()).expect("a login");
    works(&world.client(), &registry).expect("a login");
    assert_eq!(world.client().logout_all().unwrap(), [name]);
    assert!(works(&world.client(), &registry).unwrap_err().is_unauthorized());
}
