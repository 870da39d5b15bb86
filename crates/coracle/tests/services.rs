//! Servers that people run: nginx and PostgreSQL, as Debian has them, serve from containers and are used from others and
//! from this machine, by name, by published port and over both families. Each test has a machine of its own.

#![forbid(unsafe_code)]

mod machine;

use machine::{SOON, World, get};
use testkit::{requires, within};

#[test]
fn nginx_serves_to_containers_by_name_and_to_this_machine_by_port() {
    requires!(root, cgroups, package = "ip", package = "curl", package = "nginx");
    let world = World::new();
    world.run("network create app").code(0);
    let conf = "daemon off; pid /tmp/nginx.pid; error_log stderr; events {}\n\
                http { access_log /dev/stdout; client_body_temp_path /tmp/a; proxy_temp_path /tmp/b; fastcgi_temp_path /tmp/c;\n\
                uwsgi_temp_path /tmp/d; scgi_temp_path /tmp/e;\n\
                server { listen 80; listen [::]:80; location / { return 200 \"$host from $remote_addr\\n\"; } } }\n";
    let conf = world.sandbox.file("nginx.conf", conf);
    let bind = format!("{}:/nginx.conf:ro", conf.display());
    let words = ["run", "-d", "--name", "web", "--network", "app:alias=www", "-p", "8080:80", "-v", &bind, "host:"];
    world.words(&[&words[..], &["nginx", "-c", "/nginx.conf"]].concat()).code(0);
    assert!(within(SOON, || get("http://127.0.0.1:8080/").is_some()), "{:?}", world.run("logs web"));
    // By its names, over both families.
    let own = world.run("run --rm --network app host: hostname -I").code(0).stdout.clone();
    assert_eq!(own.split_whitespace().count(), 2, "an address of each family: {own}");
    for (flag, name) in [("-4", "web"), ("-6", "web"), ("-4", "www"), ("-6", "www")] {
        let outcome = world.run(&format!("run --rm --network app host: curl -s {flag} --max-time 5 http://{name}/"));
        outcome.code(0).stdout_contains(&format!("{name} from "));
    }
    for url in ["http://127.0.0.1:8080/", "http://[::1]:8080/"] {
        assert!(get(url).is_some_and(|text| text.contains(" from ")), "{url}");
    }
    // A thousand requests, and none is lost.
    let many = "for i in $(seq 1000); do printf 'url = http://web/\\n'; done | curl -s -K - | grep -c 'web from'";
    world.words(&["run", "--rm", "--network", "app", "host:", "sh", "-c", many]).code(0).stdout_is("1000\n");
    world.run("stop web").code(0);
    assert_eq!(get("http://127.0.0.1:8080/"), None);
    world.run("start web").code(0);
    assert!(within(SOON, || get("http://127.0.0.1:8080/").is_some()));
}

/// Where Debian has the programs of PostgreSQL.
fn postgres() -> Result<String, String> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let bins = versions.map(|version| version.path().join("bin"));
    let found = bins.into_iter().find(|bin| bin.join("initdb").exists());
    found.map(|bin| bin.display().to_string()).ok_or_else(|| "PostgreSQL".to_owned())
}

#[test]
fn postgresql_keeps_what_a_container_tells_it_and_another_reads_it() {
    requires!(root, cgroups, package = "ip", package = "psql", that = postgres().map(drop));
    let world = World::new();
    world.run("network create back --internal").code(0);
    world.run("network create front").code(0);
    let bin = postgres().expect("its programs");
    // root in the container is not who may run it.
    let begin = format!(
        "set -e; chown postgres /data; \
         [ -e /data/PG_VERSION ] || setpriv --reuid=postgres --clear-groups {bin}/initdb -A trust -D /data >/dev/null; \
         echo 'host all all all trust' >>/data/pg_hba.conf; \
         exec setpriv --reuid=postgres --clear-groups {bin}/postgres -D /data -k /tmp -h '*' -F"
    );
    let words = ["run", "-d", "--name", "db", "--network", "back", "--network", "front", "-p", "5432:5432"];
    let more = ["-v", "content:/data", "--shm-size", "64m", "host:", "sh", "-c", &begin];
    world.words(&[&words[..], &more].concat()).code(0);
    let ask = |network: &str, host: &str, sql: &str| {
        let words =
            ["run", "--rm", "--network", network, "host:", "psql", "-At", "-U", "postgres", "-h", host, "-c", sql];
        world.words(&words).stdout.clone()
    };
    assert!(within(3 * SOON, || ask("back", "db", "select 1") == "1\n"), "{:?}", world.run("logs db"));
    ask("back", "db", "create table t as select generate_series(1, 1000) as n");
    assert_eq!(ask("front", "db", "select sum(n) from t"), "500500\n");
    let own = testkit::Invocation::new("psql").args([
        "-At",
        "-U",
        "postgres",
        "-h",
        "127.0.0.1",
        "-c",
        "select count(*) from t",
    ]);
    own.run().code(0).stdout_is("1000\n");
    // What it has kept is in its volume, whatever becomes of the container.
    world.run("rm -f db").code(0);
    world.words(&[&words[..], &more].concat()).code(0);
    assert!(within(3 * SOON, || ask("back", "db", "select max(n) from t") == "1000\n"), "{:?}", world.run("logs db"));
}
