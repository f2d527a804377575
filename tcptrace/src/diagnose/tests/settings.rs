//! Settings, their defaults and what their values do.

use super::{space, survey, values};
use crate::diagnose::settings;
use crate::model::survey::{Host, Space, Survey, WayIn};

/// The effect of one value, given the others.
fn effect(name: &str, others: &[(&'static str, &str)]) -> Option<String> {
    let survey = survey(Space {
        settings: values(others),
        ..space(7)
    });
    let groups = settings::alike(&survey);
    let row = groups[0].rows.iter().find(|row| row.name == name);
    row.unwrap().effect.clone()
}

#[test]
fn effects_are_those_of_the_value_and_not_of_the_setting() {
    let name = "net.ipv4.tcp_abort_on_overflow";
    assert!(effect(name, &[(name, "0")]).unwrap().contains("silently"));
    assert!(effect(name, &[(name, "1")]).unwrap().contains("resets"));
    let name = "net.ipv4.tcp_syncookies";
    let texts = ["0", "1", "2"].map(|value| effect(name, &[(name, value)]).unwrap());
    assert!(texts[0] != texts[1] && texts[1] != texts[2]);
    let name = "net.core.somaxconn";
    assert!(effect(name, &[(name, "23")]).unwrap().contains("24"));
}

#[test]
fn an_effect_that_depends_on_another_setting_says_so() {
    let name = "net.ipv4.tcp_max_syn_backlog";
    let with = |cookies| effect(name, &[(name, "128"), ("net.ipv4.tcp_syncookies", cookies)]);
    assert!(with("1").unwrap().starts_with("no effect"));
    // 128 - 97 = 31 free places are fewer than a quarter, 32.
    assert!(with("0").unwrap().contains("with 97 handshakes"));
    assert_eq!(effect(name, &[(name, "128")]), None);
    let name = "net.ipv4.tcp_syn_retries";
    let text = effect(
        name,
        &[(name, "6"), ("net.ipv4.tcp_syn_linear_timeouts", "4")],
    );
    let text = text.unwrap();
    assert!(
        text.contains("after 1, 2, 3, 4, 5, 7, 11 s and so on"),
        "{text}"
    );
    assert!(text.contains("fails after about 131 s"), "{text}");
}

#[test]
fn reserved_ports_are_taken_from_the_range() {
    let range = ("net.ipv4.ip_local_port_range", "100\t199");
    let kept = ("net.ipv4.ip_local_reserved_ports", "50,150-159,199-300");
    let text = effect(range.0, &[range, kept]).unwrap();
    assert!(text.starts_with("89 ports"), "{text}");
    let text = effect(kept.0, &[range, kept]).unwrap();
    assert!(text.contains("113 ports") && text.contains("11 of them"));
}

#[test]
fn odd_values_have_no_effect_and_do_not_panic() {
    for odd in ["", "-1", "x", "1 2", "99999999999999999999", "60999 32768"] {
        for name in settings::names().collect::<Vec<_>>() {
            let mut texts: Vec<_> = settings::names().map(|name| (name, "1")).collect();
            texts.retain(|(other, _)| *other != name);
            texts.push((name, odd));
            let survey = survey(Space {
                settings: values(&texts),
                ..space(7)
            });
            assert!(!settings::alike(&survey).is_empty());
        }
    }
    for (name, most) in settings::names().map(|name| (name, u64::MAX.to_string())) {
        let texts: Vec<_> = settings::names()
            .map(|name| (name, most.as_str()))
            .collect();
        let host = Host {
            settings: values(&texts),
            memory_pages: Some(u64::MAX),
            page_bytes: Some(u64::MAX),
            ..Host::default()
        };
        let rows = settings::of_the_host(&host);
        assert!(
            rows.iter()
                .all(|row| row.name != name || row.value.is_some())
        );
    }
}

#[test]
fn a_default_that_follows_memory_is_computed_or_said_to_be_so() {
    let default = |texts: &[(&'static str, &str)]| {
        let survey = survey(Space {
            settings: values(texts),
            ..space(7)
        });
        let groups = settings::alike(&survey);
        let mut rows = groups[0].rows.iter();
        let row = rows.find(|row| row.name == "net.ipv4.tcp_max_syn_backlog");
        row.unwrap().default.clone()
    };
    assert_eq!(default(&[]), None);
    let known = |text: &str| Some(text.to_owned());
    assert_eq!(default(&[(settings::TABLE_SIZE, "262144")]), known("2048"));
    assert_eq!(default(&[(settings::TABLE_SIZE, "1024")]), known("128"));
}

#[test]
fn namespaces_with_equal_settings_are_one_group() {
    let mut spaces: Vec<Space> = (1..=200)
        .map(|netns| Space {
            way_in: WayIn::Pid(netns),
            settings: values(&[("net.core.somaxconn", "4096")]),
            ..space(netns)
        })
        .collect();
    spaces[9].settings = values(&[("net.core.somaxconn", "128")]);
    spaces[77].way_in = WayIn::Own;
    let all = Survey {
        spaces,
        ..Survey::default()
    };
    let groups = settings::alike(&all);
    let sizes: Vec<_> = groups.iter().map(|group| group.spaces.len()).collect();
    assert_eq!(sizes, [199, 1]);
    assert_eq!(groups[0].spaces[0].netns, 78, "the own one comes first");
}

#[test]
fn recycling_is_reported_only_where_it_exists() {
    let name = "net.ipv4.tcp_tw_recycle";
    let has = |texts: &[(&'static str, &str)]| {
        let survey = survey(Space {
            settings: values(texts),
            ..space(7)
        });
        let groups = settings::alike(&survey);
        let mut rows = groups[0].rows.iter();
        rows.find(|row| row.name == name)
            .map(|row| row.effect.clone())
    };
    assert_eq!(has(&[]), None);
    assert!(has(&[(name, "0")]).unwrap().unwrap().contains("NAT"));
}
