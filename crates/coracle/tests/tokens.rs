//! A registry that takes tokens of another server: docker-registry, and a token server of the tests' own that signs with a
//! key of theirs. A login asks it for what stands for the password from then on.

#![forbid(unsafe_code)]
#![allow(clippy::disallowed_methods, reason = "servers of the tests' own listen on addresses of this machine")]

#[path = "seed/archive.rs"]
mod archive;
#[path = "../../registry/tests/registry/faulty.rs"]
#[allow(dead_code, reason = "the faults are tested where the client is")]
mod faulty;
#[path = "seed/registry.rs"]
mod served;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use archive::{docker_archive, layer, text};
use faulty::{Answer, Asked, Faulty};
use serde_json::{Value, json};
use testkit::{Invocation, Running, Sandbox, requires};

/// `someone:secret`, by base64(1).
const PASSWORD: &str = "Basic c29tZW9uZTpzZWNyZXQ=";
const IDENTITY: &str = "identity-of-someone";

/// Signs tokens.
struct Signer {
    key: PathBuf,
    certificate: PathBuf,
}

impl Signer {
    fn new(sandbox: &Sandbox) -> Self {
        let (key, certificate) = (sandbox.join("token.key"), sandbox.join("token.crt"));
        let request = Invocation::new("openssl").args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]);
        request.args(["-subj", "/CN=tokens", "-keyout", text(&key), "-out", text(&certificate)]).ok();
        Self { key, certificate }
    }

    /// A token that allows what the scopes say (distribution's "Token Authentication Implementation").
    fn token(&self, scopes: &[String]) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_secs();
        let access: Vec<Value> = scopes
            .iter()
            .filter_map(|scope| {
                let (kind, rest) = scope.split_once(':')?;
                let (name, actions) = rest.rsplit_once(':')?;
                Some(json!({"type": kind, "name": name, "actions": actions.split(',').collect::<Vec<_>>()}))
            })
            .collect();
        let pem = fs::read_to_string(&self.certificate).expect("the certificate");
        let der: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
        let head = json!({"typ": "JWT", "alg": "RS256", "x5c": [der]}).to_string();
        let claims = json!({
            "iss": "tests", "sub": "someone", "aud": "here", "jti": now.to_string(),
            "nbf": now - 60, "iat": now, "exp": now + 300, "access": access,
        });
        let signed = format!("{}.{}", base64(&head), base64(&claims.to_string()));
        let script = format!("openssl dgst -sha256 -sign {} | base64 -w0", self.key.display());
        let signature = Invocation::new("sh").args(["-c", &script]).stdin(signed.clone()).ok().stdout;
        format!("{signed}.{}", for_addresses(&signature))
    }
}

fn base64(text: &str) -> String {
    for_addresses(&Invocation::new("base64").arg("-w0").stdin(text).ok().stdout)
}

/// Base64 as it is in tokens (RFC 7515, section 2).
fn for_addresses(base64: &str) -> String {
    base64.trim().trim_end_matches('=').replace('+', "-").replace('/', "_")
}

fn decoded(text: &str) -> String {
    text.replace("%3A", ":").replace("%2C", ",").replace("%2F", "/").replace("%20", " ").replace('+', " ")
}

/// The values of a form, or of an address' query.
fn values(form: &str, name: &str) -> Vec<String> {
    let pairs = form.split('&').filter_map(|pair| pair.split_once('='));
    let own = pairs.filter(|(own, _)| *own == name);
    own.flat_map(|(_, value)| decoded(value).split(' ').map(str::to_owned).collect::<Vec<_>>()).collect()
}

/// What a token server answers: to a password a token, with what stands for it where that is wanted; to that a token.
fn answer(signer: &Signer, asked: &Asked, gives_identity: bool) -> Answer {
    let (form, query) =
        (String::from_utf8_lossy(&asked.body), asked.path.split_once('?').map_or("", |(_, query)| query));
    if asked.method == "POST" {
        let right = values(&form, "grant_type") == ["refresh_token"] && values(&form, "refresh_token") == [IDENTITY];
        if !right {
            return Answer::new(401, "");
        }
        return Answer::new(200, json!({"access_token": signer.token(&values(&form, "scope"))}).to_string());
    }
    if asked.headers.get("authorization").is_none_or(|proof| proof != PASSWORD) {
        return Answer::new(401, "");
    }
    let mut told = json!({"token": signer.token(&values(query, "scope"))});
    if gives_identity && values(query, "offline_token") == ["true"] {
        told["refresh_token"] = IDENTITY.into();
    }
    Answer::new(200, told.to_string())
}

struct World {
    sandbox: Sandbox,
    tokens: Faulty,
    _registry: Running,
    server: String,
}

impl World {
    /// A registry, its token server, and an image to push.
    fn new(gives_identity: bool) -> Self {
        let sandbox = Sandbox::new();
        let signer = Signer::new(&sandbox);
        let certificate = signer.certificate.display().to_string();
        let tokens = Faulty::new(move |asked, _| answer(&signer, asked, gives_identity));
        let auth = format!(
            "auth: {{token: {{realm: 'http://{}/token', service: here, issuer: tests, rootcertbundle: {certificate}}}}}\n",
            tokens.name()
        );
        let (registry, server) = served::registry(&sandbox, &auth);
        let base = layer(&sandbox, "base", &[("etc/says", "x")]);
        let archive = docker_archive(&sandbox, "x", &[base], &json!({}));
        sandbox.run(["load", "-q", "-i", text(&archive)]).code(0);
        Self { sandbox, tokens, _registry: registry, server }
    }

    fn image(&self) -> String {
        format!("{}/a/b:1", self.server)
    }

    fn login(&self, password: &str) -> testkit::Outcome {
        let login = self.sandbox.coracle(["login", "-u", "someone", "--password-stdin", &self.server]);
        login.stdin(password).run()
    }

    /// What was shown to the token server since it was asked so much.
    fn shown_since(&self, before: usize) -> Vec<String> {
        let asked = self.tokens.asked();
        let shown = |asked: &Asked| asked.headers.get("authorization").cloned().unwrap_or_else(|| asked.method.clone());
        asked[before..].iter().map(shown).collect()
    }
}

fn json_of(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).expect("a file")).expect("JSON")
}

#[test]
fn a_login_keeps_what_stands_for_the_password_and_pulls_go_by_it() {
    requires!(root, package = "docker-registry", package = "openssl", package = "skopeo", package = "podman");
    let world = World::new(true);
    let (sandbox, image) = (&world.sandbox, world.image());
    world.login("guess").code(1).one_line_error("does not take this name and password");
    world.login("secret").code(0).stdout_is("Login Succeeded\n");
    let file = sandbox.join("xdg/containers/auth.json");
    let kept = json_of(&file)["auths"][&world.server].clone();
    // `someone:`, by base64(1), as docker writes it.
    assert_eq!(kept, json!({"auth": "c29tZW9uZTo=", "identitytoken": IDENTITY}));
    sandbox.run(["login", "--get-login", &world.server]).code(0).stdout_is("someone\n");
    let before = world.tokens.asked().len();
    sandbox.run(["push", "-q", "x", &image]).code(0);
    sandbox.run(["pull", "-q", &image]).code(0);
    let shown = world.shown_since(before);
    assert!(!shown.is_empty() && shown.iter().all(|shown| shown == "POST"), "{shown:?}");
    // Others go by the same.
    let inspect = sandbox.command("skopeo").args(["inspect", "--tls-verify=false", "--authfile"]).arg(&file);
    inspect.arg(format!("docker://{image}")).ok().stdout_contains("a/b");
    sandbox.command("podman").args(["login", "--get-login", &world.server]).ok().stdout_is("someone\n");
    sandbox.run(["logout", &world.server]).code(0);
    sandbox.run(["pull", "-q", &image]).code(1).one_line_error(&format!("coracle login {}", world.server));
}

#[test]
fn what_docker_keeps_of_a_login_is_exchanged_until_the_server_takes_it_no_more() {
    requires!(root, package = "docker-registry", package = "openssl");
    let world = World::new(true);
    let sandbox = &world.sandbox;
    let docker = |token: &str| {
        let auths = json!({"auths": {&world.server: {"auth": "c29tZW9uZTo=", "identitytoken": token}}});
        sandbox.file("home/.docker/config.json", auths.to_string());
    };
    docker(IDENTITY);
    sandbox.run(["push", "-q", "x", &world.image()]).code(0);
    docker("revoked");
    let refused = sandbox.run(["pull", "-q", &world.image()]);
    refused.code(1).one_line_error("does not take the credential that is kept").stderr_lacks("revoked");
    refused.stderr_contains(&format!("coracle login {}", world.server));
}

#[test]
fn a_helper_keeps_it_under_the_name_that_says_so() {
    requires!(root, package = "docker-registry", package = "openssl");
    let world = World::new(true);
    let sandbox = &world.sandbox;
    let kept = sandbox.join("kept").display().to_string();
    let script = format!("#!/bin/sh\ncase $1 in store) cat > {kept} ;; get) cat {kept} ;; esac\n");
    let helper = sandbox.file("bin/docker-credential-kept", script);
    sandbox.command("chmod").arg("755").arg(helper).ok();
    sandbox.file("xdg/containers/auth.json", json!({"credHelpers": {&world.server: "kept"}}).to_string());
    let path = format!("{}:/usr/bin:/bin", sandbox.join("bin").display());
    let login = ["login", "-u", "someone", "-p", "secret", &world.server];
    sandbox.coracle(login).env("PATH", &path).ok();
    let told = json_of(Path::new(&kept));
    assert_eq!((&told["Username"], &told["Secret"]), (&json!("<token>"), &json!(IDENTITY)));
    sandbox.coracle(["push", "-q", "x", &world.image()]).env("PATH", &path).ok();
}

#[test]
fn where_the_server_gives_none_the_password_is_kept() {
    requires!(root, package = "docker-registry", package = "openssl");
    let world = World::new(false);
    world.login("secret").code(0);
    let kept = json_of(&world.sandbox.join("xdg/containers/auth.json"))["auths"][&world.server].clone();
    assert_eq!(kept, json!({"auth": PASSWORD.trim_start_matches("Basic ")}));
    let before = world.tokens.asked().len();
    world.sandbox.run(["push", "-q", "x", &world.image()]).code(0);
    assert!(world.shown_since(before).iter().all(|shown| shown == PASSWORD));
    // Only a login asks for it.
    assert!(!world.tokens.lines()[before..].iter().any(|line| line.contains("offline_token")));
}
