//! The page of the report: harmless, whole and readable for every kind of run.
//!
//! The pages are left in the directory of test output, where `cargo xtask test report` looks at them
//! with a browser.

mod fixture;

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use jiff::tz::TimeZone;
use proptest::prelude::*;
use tcptrace::model::incident::{CloseHow, ResetCause};
use tcptrace::model::{Kind, KindSet, What};
use tcptrace::report::{Story, page};
use tcptrace::sink::Sink;

use fixture::stories;

/// A tag of a document: name, attributes, whether it closes, whether nothing is in it.
struct Tag<'a> {
    name: &'a str,
    attributes: Vec<(&'a str, &'a str)>,
    is_end: bool,
    is_void: bool,
}

/// Reads the tags, as strictly as this program writes them.
fn tags(document: &str) -> Vec<Tag<'_>> {
    let mut tags = Vec::new();
    let mut rest = document;
    while let Some(start) = rest.find('<') {
        rest = &rest[start + 1..];
        let end = end_of_tag(rest);
        let (inside, after) = (&rest[..end], &rest[end + 1..]);
        rest = after;
        if inside.starts_with('!') {
            continue;
        }
        let is_end = inside.starts_with('/');
        let inside = inside.trim_start_matches('/');
        let name_end = inside.find([' ', '/']).unwrap_or(inside.len());
        let name = &inside[..name_end];
        assert!(
            name.bytes().all(|b| b.is_ascii_alphanumeric()),
            "<{inside}>"
        );
        let mut attributes = Vec::new();
        let mut words = &inside[name_end..];
        while let Some(equals) = words.find("=\"") {
            let value_start = equals + 2;
            let value_end = value_start + words[value_start..].find('"').unwrap();
            attributes.push((words[..equals].trim(), &words[value_start..value_end]));
            words = &words[value_end + 1..];
        }
        tags.push(Tag {
            name,
            attributes,
            is_end,
            is_void: inside.ends_with('/') || name == "meta" || name == "br",
        });
        if name == "style" && !is_end {
            rest = &rest[rest.find("</style>").unwrap()..];
        }
    }
    tags
}

fn end_of_tag(text: &str) -> usize {
    let mut is_quoted = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'"' => is_quoted = !is_quoted,
            b'>' if !is_quoted => return at,
            _ => {}
        }
    }
    panic!("a tag without an end: {text:.80}");
}

/// What holds for every page.
fn check(name: &str, document: &str) {
    const ELEMENTS: &str = "html head meta title style body header h1 h2 h3 h4 h5 dl dt dd div nav \
        ul ol li a main section article p span strong b i br code pre details summary figure \
        figcaption svg desc g path table caption thead tbody tr th td";
    const ATTRIBUTES: &str = "lang charset content name http-equiv id class style href scope role \
        title open d viewBox preserveAspectRatio aria-label aria-labelledby aria-hidden";
    let mut open = Vec::new();
    let (mut anchors, mut links) = (HashSet::new(), Vec::new());
    for tag in tags(document) {
        let known = |list: &str, word: &str| list.split_whitespace().any(|known| known == word);
        assert!(known(ELEMENTS, tag.name), "{name}: <{}>", tag.name);
        if tag.is_end {
            assert_eq!(open.pop(), Some(tag.name), "{name}");
            continue;
        }
        for (attribute, value) in &tag.attributes {
            assert!(known(ATTRIBUTES, attribute), "{name}: {attribute}={value}");
            match *attribute {
                "id" => assert!(anchors.insert(*value), "{name}: twice {value}"),
                "href" => links.push(value.strip_prefix('#').expect("a link out")),
                "style" => assert!(
                    value.starts_with("left:")
                        || value.starts_with("top:")
                        || value.starts_with("width:"),
                    "{name}: {value}"
                ),
                _ => {}
            }
        }
        if !tag.is_void {
            open.push(tag.name);
        }
    }
    assert!(open.is_empty(), "{name}: left open {open:?}");
    for link in links {
        assert!(anchors.contains(link), "{name}: nothing at #{link}");
    }
    let is_hostile = |c: char| c != '\n' && tcptrace::sink::sanitize::is_hostile(c);
    assert!(!document.contains(is_hostile), "{name}");
    // As text they do no harm, but only the hostile page has a reason to name them.
    for foreign in ["http:", "https:", "url(", "@import", "NaN", "inf "] {
        assert!(
            !document.replace("http-equiv", "").contains(foreign),
            "{name}: {foreign}"
        );
    }
    assert!(document.contains("default-src 'none'"), "{name}");
}

fn written(story: &Story) -> String {
    page(story, &TimeZone::UTC)
}

#[test]
fn every_page_is_whole_harmless_and_needs_nothing_from_outside() {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("report");
    fs::create_dir_all(&directory).unwrap();
    for (name, story) in stories::all() {
        let document = written(&story);
        fs::write(directory.join(name).with_extension("html"), &document).unwrap();
        check(name, &document);
        assert!(document.len() < 4 << 20, "{name}: {} bytes", document.len());
    }
}

#[test]
fn hostile_names_are_shown_as_text() {
    let mut story = Story::default();
    stories::hostile(&mut story);
    story.source("<script>.rec");
    story.flaw("</section><script>");
    let document = written(&story);
    check("hostile", &document);
    assert!(!document.contains("<script"));
    assert!(document.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
    assert!(document.contains("&lt;script&gt;.rec"));
}

#[test]
fn the_most_damaging_finding_comes_first_and_is_explained_in_place() {
    let mut story = Story::default();
    stories::bad_time(&mut story, 600);
    let document = written(&story);
    let place = |text: &str| document.find(text).unwrap_or_else(|| panic!("{text}"));
    let findings = place("<section id=\"findings\"");
    let first = place("id=\"accept_drop-reset\"");
    assert!(findings < first && first < place("id=\"retransmit-rto\""));
    let fix = "Set net.ipv4.tcp_abort_on_overflow=0";
    let explained = document[first..].find(fix).unwrap() + first;
    assert!(explained < place("<section id=\"timeline\""));
    assert!(document.contains("limited by") && document.contains("somaxconn"));
    assert!(document.contains("129 waiting with a limit of 128"));
}

#[test]
fn losses_and_missing_ends_are_said_at_the_top() {
    let mut story = Story::default();
    stories::bad_time(&mut story, 60);
    let document = written(&story);
    assert!(
        document.contains("37 events were</strong>") || document.contains("37 events were lost")
    );
    assert!(document.contains("Yes, from its beginning to its end."));
    let mut cut = Story::default();
    cut.begin(&stories::facts()).unwrap();
    cut.flaw("the last block is cut: 3 incidents are lost");
    let document = written(&cut);
    assert!(document.contains("The end is missing"));
    assert!(document.contains("the last block is cut"));
}

#[test]
fn queues_are_drawn_fullest_first_and_the_rest_counted() {
    let mut story = Story::default();
    stories::bad_time(&mut story, 600);
    let document = written(&story);
    let section = &document[document.find("<section id=\"queues\"").unwrap()..];
    assert!(section.contains("3 listeners had a queue or refused connections, of 33 watched"));
    let place = |text: &str| section.find(text).unwrap_or_else(|| panic!("{text}"));
    assert!(place("<b>*:8000</b>") < place("<b>*:443</b>"));
    assert!(place("class=\"full\"") < place("<b>*:443</b>"));
}

#[test]
fn changed_settings_are_marked_and_linked_to_what_they_decide() {
    let mut story = Story::default();
    stories::bad_time(&mut story, 600);
    let document = written(&story);
    let row = &document[document.find("net.core.somaxconn</code></td>").unwrap()..];
    let row = &row[..row.find("</tr>").unwrap()];
    assert!(
        row.contains(">128<") && row.contains(">4096<") && row.contains("changed"),
        "{row}"
    );
    assert!(row.contains("#accept_drop-reset"), "{row}");
    assert!(document.contains("Network namespaces 4026532551, 4026532552"));
}

#[test]
fn times_are_those_of_the_zone() {
    let mut story = Story::default();
    story.begin(&stories::facts()).unwrap();
    story
        .incident(&fixture::incident(fixture::reset(ResetCause::LingerZero)))
        .unwrap();
    let zone = jiff::tz::Offset::constant(2).to_time_zone();
    assert!(written(&story).contains("2026-01-02 03:04:20"));
    assert!(page(&story, &zone).contains("2026-01-02 05:04:20"));
}

#[test]
fn a_connection_that_ended_by_a_rst_is_reported_once_unless_only_its_end_is() {
    let close = fixture::incident(What::Close {
        duration_us: None,
        bytes_sent: None,
        bytes_received: None,
        srtt_us: None,
        retransmits: None,
        closed_by: None,
        how: Some(CloseHow::RstSent),
    });
    let reported = |chosen: Option<KindSet>| {
        let mut story = Story::default();
        if let Some(kinds) = chosen {
            story.narrow(kinds);
        }
        story.begin(&stories::facts()).unwrap();
        story.incident(&close).unwrap();
        written(&story).contains("id=\"close-rst_sent\"")
    };
    assert!(!reported(None));
    assert!(reported(Some(KindSet::EMPTY.with(Kind::Close))));
}

#[test]
fn the_files_of_a_rotated_run_are_one_run() {
    let mut story = Story::default();
    for _ in 0..3 {
        story.begin(&stories::facts()).unwrap();
    }
    assert!(!written(&story).contains("<h3>Run "));
}

#[test]
fn each_run_keeps_its_own_summary_and_those_left_out_still_count_their_losses() {
    let mut story = Story::default();
    for run in 1..=66_u64 {
        let mut facts = stories::facts();
        facts.clock.start_boot_ns += run;
        story.begin(&facts).unwrap();
        let mut summary = fixture::summary();
        summary.duration_ms = run * 1_000;
        summary.loss.lost = 1_000;
        story.summary(&summary).unwrap();
    }
    let document = written(&story);
    let table = &document[document.find("Runs of tcptrace").unwrap()..];
    let rows: Vec<&str> = table.split("<tr>").collect();
    assert!(rows[65].contains("<td>1 min 4 s</td>"), "{}", rows[65]);
    assert!(table.contains("2 more runs are not listed"));
    assert!(document.contains("66,000 events were"));
}

#[test]
fn the_same_run_gives_the_same_page() {
    let document = || {
        let mut story = Story::default();
        stories::bad_time(&mut story, 120);
        written(&story)
    };
    assert_eq!(document(), document());
}

#[test]
fn a_flood_of_names_and_addresses_stays_bounded_and_is_said() {
    let mut story = Story::default();
    story.begin(&stories::facts()).unwrap();
    let mut incident = fixture::incident(fixture::reset(ResetCause::LingerZero));
    for n in 0..20_000_u32 {
        incident.boot_ns += 1_000_003;
        let name = format!("job-{n}");
        incident.owner.as_mut().unwrap().process = stories::process(n + 1, &name, "/", "/bin/job");
        incident.flow.remote.as_mut().unwrap().addr =
            std::net::Ipv4Addr::from(n + 0x0a00_0000).into();
        story.incident(&incident).unwrap();
    }
    let document = written(&story);
    check("flood", &document);
    assert!(document.len() < 2 << 20, "{}", document.len());
    assert!(document.contains("There were too many to store them all"));
    assert!(document.contains("20,000"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_incidents_make_a_whole_page(
        incidents in prop::collection::vec(fixture::arbitrary::any_incident(), 0..20),
        has_clock: bool,
    ) {
        let mut story = Story::default();
        if has_clock {
            story.clock(fixture::clock());
        }
        for incident in &incidents {
            story.incident(incident).unwrap();
        }
        check("any", &written(&story));
    }
}
