//! What files become, by examples of podman-systemd.unit(5)'s kind.

use quadlet::{Error, Service, Setting, Unit, service, split};
use std::collections::BTreeMap;
use std::path::Path;

fn with(name: &str, text: &str, others: &[(&str, &str)]) -> Result<Service, Error> {
    let unit = Unit::parse(text)?;
    let read = |(name, text): &(&str, &str)| ((*name).to_owned(), Unit::parse(text).expect("a unit"));
    let files: BTreeMap<_, _> = others.iter().map(read).collect();
    let file = Path::new("/etc/containers/systemd").join(name);
    service(&unit, &Setting { program: "/usr/bin/coracle", file: &file, files: &files, user: false })
}

fn of(name: &str, text: &str) -> Result<Service, Error> {
    with(name, text, &[])
}

/// The words of the line that starts it.
fn start(service: &Service) -> Vec<String> {
    split(service.unit.last("Service", "ExecStart").expect("a start")).expect("words")
}

fn refused(text: &str) -> String {
    of("web.container", text).expect_err("a mistake").to_string()
}

#[test]
fn a_container_becomes_a_service_that_runs_it() {
    let service = of(
        "web.container",
        "[Unit]\nDescription=The web\n[Container]\nImage=docker.io/library/nginx\nEnvironment=A=1 'B=two words'\n\
         Volume=./www:/srv:ro\nVolume=/data\nPublishPort=8080:80\nAddCapability=NET_ADMIN SYS_TIME\nReadOnly=yes\n\
         User=7\nGroup=8\nNoNewPrivileges=true\nPodmanArgs=--init --umask 022\nExec=serve --flag 'a b'\n\
         [Service]\nRestart=always\n[Install]\nWantedBy=multi-user.target default.target\nAlias=www.service\n",
    )
    .expect("a service");
    assert_eq!(service.name, "web.service");
    let words = start(&service);
    assert_eq!(words[..4], ["/usr/bin/coracle", "run", "--name", "systemd-%N"]);
    let line = words.join(" ");
    for part in [
        "--replace --rm --cgroups=split --sdnotify=conmon",
        "--env A=1 --env B=two words",
        "--volume /etc/containers/systemd/www:/srv:ro",
        "--volume /data",
        "--publish 8080:80",
        "--cap-add NET_ADMIN --cap-add SYS_TIME",
        "--read-only",
        "--user 7:8",
        "--security-opt no-new-privileges",
        "--init --umask 022",
    ] {
        assert!(line.contains(part), "{part} in {line}");
    }
    assert_eq!(words[words.len() - 4..], ["docker.io/library/nginx", "serve", "--flag", "a b"]);
    let last = |section, key| service.unit.last(section, key);
    assert_eq!(last("Unit", "Description"), Some("The web"));
    assert_eq!(last("Unit", "SourcePath"), Some("/etc/containers/systemd/web.container"));
    assert_eq!((last("Service", "Restart"), last("Service", "Type")), (Some("always"), Some("notify")));
    assert_eq!((last("Service", "KillMode"), last("Service", "Delegate")), (Some("mixed"), Some("yes")));
    assert_eq!(last("Service", "ExecStop"), Some("/usr/bin/coracle stop --ignore systemd-%N"));
    assert_eq!(last("Service", "ExecStopPost"), Some("-/usr/bin/coracle rm --force --volumes systemd-%N"));
    // systemd passes over sections that begin with X-.
    assert!(service.unit.has("X-Container") && !service.unit.has("Container"));
    assert_eq!(
        service.links,
        ["www.service", "multi-user.target.wants/web.service", "default.target.wants/web.service"]
    );
    assert_eq!(Unit::parse(&service.unit.to_string()), Ok(service.unit));
}

#[test]
fn a_container_names_volumes_and_images_of_other_files() {
    let others = [
        ("data.volume", "[Volume]\n"),
        ("own.volume", "[Volume]\nVolumeName=mine\n"),
        ("web.image", "[Image]\nImage=a/b:1\n"),
    ];
    let text = "[Container]\nImage=web.image\nVolume=data.volume:/a\nMount=type=volume,source=own.volume,dst=/b\n";
    let service = with("web.container", text, &others).expect("a service");
    let line = start(&service).join(" ");
    assert!(line.contains("--volume systemd-data:/a --mount type=volume,source=mine,dst=/b a/b:1"), "{line}");
    let needs = service.unit.values("Unit", "Requires");
    assert_eq!(needs, ["data-volume.service", "own-volume.service", "web-image.service"]);
    assert!(with("web.container", "[Container]\nImage=none.image\n", &others).is_err());
    assert!(with("web.container", "[Container]\nImage=a\nVolume=none.volume:/a\n", &others).is_err());
}

#[test]
fn a_network_becomes_a_service_that_runs_before_its_containers() {
    let text = "[Network]\nSubnet=10.1.0.0/24\nGateway=10.1.0.1\nInternal=yes\nIPv6=true\nLabel=a=b\n";
    let network = of("inner.network", text).expect("a service");
    assert_eq!(network.name, "inner-network.service");
    let line = start(&network)[1..].join(" ");
    assert!(line.starts_with("network create --ignore ") && line.ends_with(" systemd-inner"), "{line}");
    for option in ["--subnet 10.1.0.0/24", "--gateway 10.1.0.1", "--internal", "--ipv6", "--label a=b"] {
        assert!(line.contains(option), "{option} in {line}");
    }
    assert_eq!(network.unit.last("Service", "Type"), Some("oneshot"));
    assert_eq!(network.unit.last("Service", "RemainAfterExit"), Some("yes"));

    let others = [("inner.network", text), ("own.network", "[Network]\nNetworkName=mine\n")];
    let text = "[Container]\nImage=a\nNetwork=inner.network:ip=10.1.0.9\nNetwork=own.network\nNetwork=other\n";
    let service = with("web.container", text, &others).expect("a service");
    let line = start(&service).join(" ");
    for option in ["--network systemd-inner:ip=10.1.0.9", "--network mine", "--network other"] {
        assert!(line.contains(option), "{option} in {line}");
    }
    assert_eq!(service.unit.values("Unit", "Requires"), ["inner-network.service", "own-network.service"]);
}

#[test]
fn volumes_and_images_become_services_that_run_once() {
    let volume =
        of("data.volume", "[Volume]\nDevice=tmpfs\nType=tmpfs\nOptions=size=1m\nUser=7\nLabel=a=b\n").expect("one");
    assert_eq!(volume.name, "data-volume.service");
    assert_eq!(
        start(&volume)[1..].join(" "),
        "volume create --ignore --label a=b --opt type=tmpfs --opt device=tmpfs --opt o=size=1m,uid=7 systemd-data"
    );
    let image = of("web.image", "[Image]\nImage=a/b:1\nTLSVerify=no\nPolicy=always\n").expect("one");
    assert_eq!(image.name, "web-image.service");
    assert_eq!(start(&image)[1..].join(" "), "image pull --policy always --tls-verify=false a/b:1");
    for service in [volume, image] {
        assert_eq!(service.unit.last("Service", "Type"), Some("oneshot"));
        assert_eq!(service.unit.last("Service", "RemainAfterExit"), Some("yes"));
    }
}

#[test]
fn a_template_is_linked_as_the_instance_that_it_names() {
    let text = "[Container]\nImage=a\n[Install]\nWantedBy=a.target\n";
    let service = of("web@.container", &format!("{text}DefaultInstance=one\n")).expect("a service");
    assert_eq!(service.name, "web@.service");
    assert_eq!(service.links, ["a.target.wants/web@one.service"]);
    assert_eq!(start(&service)[3], "systemd-%P_%I");
    assert!(of("web@.container", text).expect("a service").links.is_empty());
}

#[test]
fn links_lead_nowhere_else() {
    let text = "[Container]\nImage=a\n[Install]\nWantedBy=../../etc/x ..\nAlias=../y.service /z\n";
    assert!(of("web.container", text).expect("a service").links.is_empty());
}

#[test]
fn what_is_wrong_is_named() {
    assert!(refused("[Service]\n").contains("[Container]"));
    assert!(refused("[Container]\n").contains("Image= or Rootfs="));
    assert!(refused("[Container]\nImage=a\nImgae=b\n").contains("Imgae="));
    assert!(refused("[Container]\nImage=a\nReadOnly=maybe\n").contains("maybe"));
    assert!(refused("[Container]\nImage=a\n[Service]\nType=forking\n").contains("notify or oneshot"));
    assert!(refused("[Container]\nImage=a\n[Service]\nKillMode=none\n").contains("KillMode"));
    assert!(refused("[Container]\nImage=a\nGroup=7\n").contains("User="));
    assert!(refused("[Container]\nImage=a\nExec='open\n").contains("quote"));
    let refusal = refused("[Container]\nImage=a\nNetwork=own.network\n");
    assert!(refusal.contains("own.network") && refusal.contains("no such file"), "{refusal}");
    assert!(refused("[Container]\nImage=a\nPod=own.pod\n").contains("not there yet"));
    assert!(of("x.network", "[Network]\nSubnte=10.1.0.0/24\n").is_err());
}
