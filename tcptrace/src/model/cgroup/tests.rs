use proptest::prelude::*;

use super::*;

const ID: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0";

/// Path, id, name, runtime, unit.
type Row = (
    String,
    Option<&'static str>,
    Option<&'static str>,
    Option<&'static str>,
    Option<&'static str>,
);

fn rows() -> Vec<Row> {
    const POD: &str = "kubepods-burstable-pod0f1e2d3c_4b5a_6978_8796_a5b4c3d2e1f0.slice";
    let id = |path: String, runtime, unit| (path, Some(ID), None, runtime, unit);
    let name = |path: &str, name, runtime, unit| (path.to_owned(), None, Some(name), runtime, unit);
    vec![
        id(format!("/docker/{ID}"), Some("docker"), None),
        id(format!("/docker/{ID} (deleted)"), Some("docker"), None),
        id(
            format!("/system.slice/docker-{ID}.scope"),
            Some("docker"),
            None,
        ),
        id(
            format!("/system.slice/docker-{ID}.scope/system.slice/nginx.service"),
            Some("docker"),
            Some("nginx.service"),
        ),
        id(format!("/../../docker-{ID}.scope"), Some("docker"), None),
        id(
            format!("/machine.slice/libpod-{ID}.scope/container"),
            Some("podman"),
            None,
        ),
        id(format!("/libpod_parent/libpod-{ID}"), Some("podman"), None),
        id(
            format!("/system.slice/web.service/libpod-payload-{ID}"),
            Some("podman"),
            Some("web.service"),
        ),
        id(
            format!("/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{ID}.scope"),
            Some("podman"),
            Some("user@1000.service"),
        ),
        id(
            format!("/kubepods.slice/{POD}/cri-containerd-{ID}.scope"),
            Some("containerd"),
            None,
        ),
        id(
            format!("/system.slice/containerd.service/kubepods-pod0f1e.slice:cri-containerd:{ID}"),
            Some("containerd"),
            Some("containerd.service"),
        ),
        id(
            format!("/system.slice/nerdctl-{ID}.scope"),
            Some("containerd"),
            None,
        ),
        id(
            format!("/kubepods.slice/{POD}/crio-{ID}.scope"),
            Some("cri-o"),
            None,
        ),
        id(
            format!("/kubepods/besteffort/pod0f1e2d3c/crio-{ID}"),
            Some("cri-o"),
            None,
        ),
        id(format!("/kubepods/besteffort/pod0f1e2d3c/{ID}"), None, None),
        id(
            format!("/ecs/0123456789abcdef0123456789abcdef/{ID}"),
            None,
            None,
        ),
        (
            "/ecs/0123456789abcdef0123456789abcdef/0123456789abcdef0123456789abcdef-3062012820"
                .into(),
            Some("0123456789abcdef0123456789abcdef-3062012820"),
            None,
            None,
            None,
        ),
        name("/lxc.payload.web-1", "web-1", Some("lxc"), None),
        name(
            "/lxc.payload.web-1/system.slice/nginx.service",
            "web-1",
            Some("lxc"),
            Some("nginx.service"),
        ),
        name(
            "/lxc.payload.box/system.slice/supervisor.service/supervisor",
            "box",
            Some("lxc"),
            Some("supervisor.service"),
        ),
        id(
            format!(
                "/docker/{ID}/machine.slice/libpod-conmon-{}.scope",
                "a".repeat(64)
            ),
            Some("docker"),
            Some(Box::leak(
                format!("libpod-conmon-{}.scope", "a".repeat(64)).into_boxed_str(),
            )),
        ),
        name(
            "/lxc/box/init.scope",
            "box",
            Some("lxc"),
            Some("init.scope"),
        ),
        name(
            "/machine.slice/systemd-nspawn@deb.service/payload/system.slice/sshd.service",
            "deb",
            Some("nspawn"),
            Some("sshd.service"),
        ),
        name(
            "/machine.slice/machine-my\\x2dbox.scope/payload",
            "my-box",
            Some("nspawn"),
            None,
        ),
        name("/machine.slice/machine-other.scope", "other", None, None),
    ]
}

#[test]
fn containers_of_every_runtime_are_recognized() {
    for (path, id, name, runtime, inner) in rows() {
        let found = Container::in_path(&path).unwrap_or_else(|| panic!("{path}"));
        let shown = (
            found.id.as_deref(),
            found.name.as_deref(),
            found.runtime.as_deref(),
        );
        assert_eq!(shown, (id, name, runtime), "{path}");
        assert_eq!(unit(&path).as_deref(), inner, "{path}");
        let recorded = Container::recorded(found.id.clone(), Some(&path));
        assert_eq!(recorded, Some(found), "{path}");
    }
}

#[test]
fn what_is_no_container_is_none_and_its_unit_is_named() {
    for (path, expected) in [
        ("/".to_owned(), None),
        ("/user.slice".to_owned(), None),
        (
            "/system.slice/nginx.service".to_owned(),
            Some("nginx.service"),
        ),
        (
            "/system.slice/nginx.service/worker".to_owned(),
            Some("nginx.service"),
        ),
        (
            "/system.slice/system-getty.slice/getty@tty1.service".to_owned(),
            Some("getty@tty1.service"),
        ),
        ("/init.scope".to_owned(), Some("init.scope")),
        ("/system.slice/_cpu.service".to_owned(), Some("cpu.service")),
        (
            "/user.slice/user-1000.slice/session-3.scope".to_owned(),
            Some("session-3.scope"),
        ),
        (
            "/user.slice/user-1000.slice/user@1000.service/app.slice/app-web\\x2dui.service"
                .to_owned(),
            Some("user@1000.service/app-web\\x2dui.service"),
        ),
        (
            "/user.slice/user-1000.slice/user@1000.service".to_owned(),
            Some("user@1000.service"),
        ),
        (
            format!("/machine.slice/libpod-conmon-{ID}.scope"),
            Some(&format!("libpod-conmon-{ID}.scope")),
        ),
        (format!("/system.slice/run-{ID}.mount"), None),
        (
            format!("/system.slice/{ID}.service"),
            Some(&format!("{ID}.service")),
        ),
        ("/lxc.monitor.web".to_owned(), None),
        (
            "/machine.slice/systemd-nspawn@deb.service/supervisor".to_owned(),
            Some("systemd-nspawn@deb.service"),
        ),
        (
            "/machine.slice/machine-qemu\\x2d1\\x2dvm.scope/libvirt/emulator".to_owned(),
            Some("machine-qemu\\x2d1\\x2dvm.scope"),
        ),
        ("/system.slice/.service".to_owned(), None),
    ]
    .map(|(path, expected)| (path, expected.map(str::to_owned)))
    {
        assert_eq!(Container::in_path(&path), None, "{path}");
        assert_eq!(unit(&path), expected, "{path}");
    }
}

#[test]
fn innermost_container_wins() {
    let inner = "b".repeat(64);
    let path = format!("/docker/{ID}/docker/{inner}");
    let container = Container::in_path(&path).unwrap();
    assert_eq!(container.id, Some(inner));
}

#[test]
fn an_id_recorded_beside_another_path_stays() {
    let recorded = Container::recorded(Some("abc".into()), Some("/system.slice/x.service"));
    let expected = Container {
        id: Some("abc".into()),
        ..Container::default()
    };
    assert_eq!(recorded, Some(expected));
    assert_eq!(Container::recorded(None, Some("/x")), None);
}

proptest! {
    #[test]
    fn what_is_found_is_part_of_the_path(
        path in "(/(docker-|crio-|lxc.payload.|machine-|user@|_|:)?([a-f0-9]{0,70}|\\\\x?[0-9a-f]{0,2})(.scope|.service)?){0,4}",
    ) {
        let _ = unit(&path);
        if let Some(id) = Container::in_path(&path).and_then(|container| container.id) {
            prop_assert!(path.contains(&id) && (12..=70).contains(&id.len()));
        }
    }

    #[test]
    fn any_text_is_a_path(path: String) {
        let _ = (Container::in_path(&path), unit(&path));
    }
}
