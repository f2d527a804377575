//! What the tables of the snapshot commands look like, to the byte.

mod fixture;

use tcptrace::sink::TableStyle;
use tcptrace::sink::columns::Sort;
use tcptrace::sink::table;

const STYLE: TableStyle = TableStyle {
    is_wide: false,
    has_header: true,
    is_colored: false,
    columns: 100,
    text_columns: 100,
    is_clipped: false,
};

fn tables(style: &TableStyle) -> String {
    let mut out = Vec::new();
    table::listeners(&mut out, &fixture::rows::listeners(), style);
    out.push(b'\n');
    table::states(&mut out, &fixture::rows::states(), style);
    out.push(b'\n');
    let settings = vec![("tcp_tw_reuse", "2".to_owned(), "on loopback".to_owned())];
    let settings = [settings, Vec::new()];
    table::timewait(&mut out, &fixture::rows::time_waits(), &settings, style);
    String::from_utf8(out).unwrap()
}

#[test]
fn tables_for_people() {
    insta::assert_snapshot!(tables(&STYLE));
}

#[test]
fn wide_tables_cut_nothing() {
    let wide = tables(&TableStyle {
        is_wide: true,
        ..STYLE
    });
    assert!(wide.contains("gunicorn-worker +12"), "{wide}");
    assert!(
        wide.contains("cookie 55 wait 12ms/2.1s group of 4 skew 3.7"),
        "{wide}"
    );
    assert!(!wide.contains('…'), "{wide}");
}

#[test]
fn a_table_fits_a_hundred_columns() {
    for line in tables(&STYLE).lines() {
        assert!(line.chars().count() <= 100, "{line}");
    }
}

#[test]
fn sentences_are_broken_where_a_terminal_is_narrower_than_the_lines() {
    let text = tables(&TableStyle {
        text_columns: 72,
        ..STYLE
    });
    let is_sentence = |line: &&str| line.starts_with("netns ") || line.starts_with("not visible");
    let sentences: Vec<&str> = text.lines().filter(is_sentence).collect();
    assert!(sentences.len() > 2, "{text}");
    for line in sentences {
        assert!(line.chars().count() <= 72, "{line}");
    }
    let mut leak = text.lines().skip_while(|line| !line.contains("CLOSE_WAIT"));
    assert!(!leak.next().unwrap().contains("leak"), "{text}");
    assert!(leak.next().unwrap().contains("a leak"), "{text}");
}

#[test]
fn a_screen_of_forty_columns_is_never_overrun() {
    let style = TableStyle {
        columns: 40,
        text_columns: 40,
        is_clipped: true,
        ..STYLE
    };
    for text in [
        tables(&style),
        tables(&TableStyle {
            is_wide: true,
            ..style
        }),
    ] {
        for line in text.lines() {
            assert!(line.chars().count() <= 40, "{line}");
        }
        assert!(text.contains("! 1042 "), "{text}");
    }
}

#[test]
fn colour_marks_what_is_wrong_and_nothing_else() {
    let text = tables(&TableStyle {
        is_colored: true,
        ..STYLE
    });
    for line in text.lines().filter(|line| line.contains('\u{1b}')) {
        assert!(
            line.contains("\u{1b}[31m!") || line.contains("\u{1b}[33m"),
            "{line}"
        );
        assert!(line.ends_with("\u{1b}[0m"), "{line}");
    }
    assert!(text.lines().any(|line| line.starts_with("\u{1b}[31m! ")));
}

#[test]
fn a_hostile_name_is_harmless_in_a_table() {
    let mut page = fixture::rows::states();
    page.rows[0].owner = Some(fixture::owner(
        7,
        "\u{1b}]0;x\u{7}",
        tcptrace::model::Basis::Snapshot,
        None,
    ));
    let mut out = Vec::new();
    table::states(&mut out, &page, &STYLE);
    assert!(!out.contains(&0x1b) && !out.contains(&7));
}

fn names(list: &str) -> Vec<String> {
    list.split(',').map(str::to_owned).collect()
}

#[test]
fn chosen_columns_are_those_of_the_table_and_of_the_objects() {
    let list = names("accept_queue,local,owner.uid,refusals.syn_queue,group.skew,pids,process");
    let mut out = Vec::new();
    table::chosen(&mut out, &fixture::rows::listeners(), &list, &STYLE);
    let text = String::from_utf8(out).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let cells = |line: &str| {
        let cells = line.split_whitespace().map(str::to_owned);
        cells.collect::<Vec<_>>()
    };
    assert_eq!(
        cells(lines[0]).join(","),
        "ACCEPT,LOCAL,owner.uid,refusals.syn_queue,group.skew,pids,PROCESS"
    );
    // Without a mark in front.
    assert!(lines[1].starts_with("130/129 "), "{text}");
    assert_eq!(
        cells(lines[1])[..6],
        [
            "130/129",
            "10.11.12.13:18080",
            "33",
            "44",
            "3.71",
            "1042,1043"
        ]
    );
    assert!(text.contains("not visible: the files of 2"), "{text}");
    assert!(!text.contains("somaxconn 4096"), "{text}");
}

#[test]
fn every_name_of_a_table_has_a_value_or_says_that_there_is_none() {
    fn check<R: table::Tabled>(page: &tcptrace::model::rows::Page<R>) {
        for name in table::column_names::<R>() {
            let mut out = Vec::new();
            table::chosen(&mut out, page, std::slice::from_ref(&name), &STYLE);
            let text = String::from_utf8(out).unwrap();
            let cells: Vec<&str> = text.lines().skip(1).take(page.rows.len()).collect();
            // Only a part of an owner may be left out of an object, and notes may be none.
            let is_lost = cells.iter().all(|cell| cell.trim() == "-");
            let may_be_absent = [
                "owner.name",
                "owner.unit",
                "owner.holders",
                "owner.container",
            ]
            .iter()
            .any(|part| name.starts_with(part));
            assert!(!is_lost || may_be_absent, "{name}: {text}");
        }
    }
    check(&fixture::rows::listeners());
    check(&fixture::rows::states());
    check(&fixture::rows::time_waits());
}

#[test]
fn rows_come_in_the_order_asked_for_and_unknown_ones_last() {
    for (is_descending, expected) in [
        (false, [Some(9), Some(43), Some(1000), None]),
        (true, [Some(1000), Some(43), Some(9), None]),
    ] {
        let mut page = fixture::rows::listeners();
        for drops in [9, 1000] {
            let mut row = page.rows[0].clone();
            row.drops = Some(drops);
            page.rows.push(row);
        }
        let sort = Sort {
            column: "drops".to_owned(),
            is_descending,
        };
        table::sort(&mut page, &sort);
        let drops: Vec<_> = page.rows.iter().map(|row| row.drops).collect();
        assert_eq!(drops, expected);
    }
}

#[test]
fn the_count_of_timewait_is_ordered_by_what_it_shows() {
    let mut page = fixture::rows::time_waits();
    let sort = Sort {
        column: "count".to_owned(),
        is_descending: true,
    };
    page.rows[0].time_wait = 1;
    page.rows[0].fin_wait2 = 70_001;
    page.rows[1].time_wait = 70_001;
    page.rows[1].fin_wait2 = 0;
    table::sort(&mut page, &sort);
    assert_eq!(page.rows[0].fin_wait2, 70_001);
}
