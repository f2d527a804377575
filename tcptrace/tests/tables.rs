//! What the tables of the snapshot commands look like, to the byte.

mod fixture;

use tcptrace::sink::TableStyle;
use tcptrace::sink::table;

const STYLE: TableStyle = TableStyle {
    is_wide: false,
    has_header: true,
    is_colored: false,
    columns: 100,
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
fn a_screen_of_forty_columns_is_never_overrun() {
    let style = TableStyle {
        columns: 40,
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
