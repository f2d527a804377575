//! Screens as they look at several sizes, and that no key at any size breaks anything.

use insta::assert_snapshot;
use jiff::tz::TimeZone;
use proptest::prelude::*;
use ratatui_core::backend::TestBackend;
use ratatui_core::style::{Color, Modifier};
use ratatui_core::terminal::Terminal;

use super::*;
use crate::model::incident::*;
use crate::model::loss::{Loss, LossPlace};
use crate::tui::control::{Action, Effect};
use crate::tui::input;
use crate::tui::keys::Key;
use crate::tui::sink::Shared;
use crate::tui::state::tests::*;
use crate::tui::theme::Marks;

fn look(is_colored: bool, marks: Marks) -> Look {
    Look {
        theme: Theme { is_colored, marks },
        zone: TimeZone::UTC,
    }
}

/// A run of a minute with some of everything.
fn busy() -> State {
    let mut state = begun();
    let nginx = process(1234, "nginx");
    let evil = process(31337, "\u{1b}[31mevil\u{7}");
    let client = process(99, "curl");
    for second in 0..60 {
        let at = second * SECOND;
        let listeners = vec![
            listener(
                "0.0.0.0:80",
                1,
                (second as u32 * 3).min(129),
                40 + second as u32,
            ),
            listener("[::]:443", 2, 0, 0),
        ];
        state.sample(&sample(at, listeners));
        for turn in 0..second % 7 {
            let what = reset(ResetCause::LingerZero, Some(turn as u32));
            state.incident(&incident(at + turn, Some(&nginx), what));
        }
        let what = reset(ResetCause::UnreadData, None);
        state.incident(&incident(at + 10, Some(&evil), what));
        let what = waiting(TimeWaitPhase::Enter);
        state.incident(&incident(at + 20, Some(&client), what));
        if second % 3 == 0 {
            let what = waiting(TimeWaitPhase::Expire);
            state.incident(&incident(at + 30, Some(&client), what));
            let kind = if second % 2 == 0 {
                RetransmitType::Rto
            } else {
                RetransmitType::Fast
            };
            state.incident(&incident(at + 40, Some(&nginx), again(kind, second == 57)));
        }
        if second > 43 {
            state.incident(&refusal(at + 50, "10.0.0.1:80", None));
        }
    }
    let meaning = ResetMeaning::Refused;
    state.incident(&incident(
        59 * SECOND + 60,
        None,
        What::RstReceived { meaning },
    ));
    state.loss(&Loss {
        place: LossPlace::Ring,
        of_kind: None,
        hook: None,
        count: 17,
    });
    state.advance(BEGIN + 59 * SECOND + SECOND / 2);
    state
}

/// The state as the loop would draw it.
fn cells(
    size: (u16, u16),
    shared: &Shared,
    control: &mut Control,
    look: &Look,
) -> Terminal<TestBackend> {
    let mut terminal = Terminal::new(TestBackend::new(size.0, size.1)).unwrap();
    terminal
        .draw(|frame| {
            let buffer = frame.buffer_mut();
            let seen = match &control.frozen {
                Some(frozen) => draw(buffer, frozen, control, look),
                None => draw(buffer, &shared.lock(), control, look),
            };
            control.seen = seen;
        })
        .unwrap();
    terminal
}

fn screen(size: (u16, u16), shared: &Shared, control: &mut Control) -> String {
    let look = look(true, Marks::Unicode);
    cells(size, shared, control, &look).backend().to_string()
}

/// What is on the screen after some keys.
fn after(size: (u16, u16), state: State, keys: &[Key]) -> String {
    let shared = Shared::new(state);
    let mut control = Control::default();
    for key in keys {
        screen(size, &shared, &mut control);
        if let Some(action) = input::action(*key, &control.mode) {
            control.apply(action, &shared);
        }
    }
    screen(size, &shared, &mut control)
}

const SMALL: (u16, u16) = (80, 24);
const LARGE: (u16, u16) = (120, 40);
const TINY: (u16, u16) = (40, 10);

/// At the page of processes.
fn of_processes() -> Control {
    let mut control = Control::default();
    control.tab = Tab::Processes;
    control
}

fn keys(text: &str) -> Vec<Key> {
    text.chars().map(Key::Char).collect()
}

#[test]
fn processes_at_three_sizes() {
    for size in [SMALL, LARGE, TINY] {
        let name = format!("processes_{}x{}", size.0, size.1);
        assert_snapshot!(name, after(size, busy(), &keys("2")));
    }
}

#[test]
fn findings_come_first_with_their_evidence_and_what_to_do() {
    for size in [SMALL, LARGE, TINY] {
        let name = format!("findings_{}x{}", size.0, size.1);
        assert_snapshot!(name, after(size, busy(), &[]));
    }
    let open = after(LARGE, busy(), &[Key::Enter]);
    assert_snapshot!("details_of_a_finding_120x40", open);
    let fine = || {
        let mut state = begun();
        let client = process(99, "curl");
        state.incident(&incident(
            SECOND,
            Some(&client),
            waiting(TimeWaitPhase::Enter),
        ));
        state
    };
    let shown = after(SMALL, fine(), &[]);
    assert!(
        shown.contains("nothing is wrong by the 1 incidents"),
        "{shown}"
    );
}

#[test]
fn every_other_page_at_80x24() {
    for page in ["3", "4", "5", "6", "7"] {
        assert_snapshot!(
            format!("page_{page}_80x24"),
            after(SMALL, busy(), &keys(page))
        );
    }
}

#[test]
fn every_other_page_at_120x40() {
    for page in ["3", "4", "5", "6", "7"] {
        assert_snapshot!(
            format!("page_{page}_120x40"),
            after(LARGE, busy(), &keys(page))
        );
    }
}

#[test]
fn every_other_page_at_40x10() {
    for page in ["3", "4", "5", "6", "7"] {
        assert_snapshot!(
            format!("page_{page}_40x10"),
            after(TINY, busy(), &keys(page))
        );
    }
}

#[test]
fn details_share_a_large_screen_and_fill_a_small_one() {
    let open = [Key::Char('5'), Key::Down, Key::Enter];
    assert_snapshot!("details_120x40", after(LARGE, busy(), &open));
    assert_snapshot!("details_80x24", after(SMALL, busy(), &open));
    let incident = [Key::Char('7'), Key::Enter];
    assert_snapshot!(
        "details_of_an_incident_80x24",
        after(SMALL, busy(), &incident)
    );
}

#[test]
fn help_shows_keys_marks_and_what_is_not_seen() {
    assert_snapshot!("help_80x24", after(SMALL, busy(), &keys("?")));
    let end = [Key::Char('?'), Key::End];
    assert_snapshot!("help_end_80x24", after(SMALL, busy(), &end));
}

#[test]
fn a_filter_is_written_held_and_given_up() {
    let mut typed = keys("7/retr");
    assert_snapshot!("filter_being_written", after(SMALL, busy(), &typed));
    typed.push(Key::Enter);
    assert_snapshot!("filter_held", after(SMALL, busy(), &typed));
    typed.push(Key::Escape);
    let given_up = after(SMALL, busy(), &typed);
    assert!(given_up.contains("rst_sent") && !given_up.contains("\"retr\""));
    let nothing = after(SMALL, busy(), &keys("/zzz"));
    assert!(nothing.contains("nothing contains \"zzz\""), "{nothing}");
}

#[test]
fn without_colour_there_is_none_and_marks_may_be_plain() {
    let shared = Shared::new(busy());
    let mut control = Control::default();
    let plain = look(false, Marks::Ascii);
    let terminal = cells(SMALL, &shared, &mut control, &plain);
    let content = terminal.backend().buffer().content();
    for cell in content {
        assert_eq!((cell.fg, cell.bg), (Color::Reset, Color::Reset));
        assert!(cell.symbol().is_ascii(), "{}", cell.symbol());
    }
    let is_marked = |modifier| content.iter().any(|cell| cell.modifier.contains(modifier));
    assert!(is_marked(Modifier::REVERSED) && is_marked(Modifier::BOLD));
    assert_snapshot!("plain_80x24", terminal.backend().to_string());
}

#[test]
fn what_was_lost_is_red_and_what_is_lost_is_never_hidden_by_a_narrow_screen() {
    let shared = Shared::new(busy());
    let mut control = Control::default();
    let terminal = cells(TINY, &shared, &mut control, &look(true, Marks::Unicode));
    let content = terminal.backend().buffer().content();
    let red: String = content
        .iter()
        .take(40)
        .filter(|cell| cell.fg == Color::Red)
        .map(ratatui_core::buffer::Cell::symbol)
        .collect();
    assert_eq!(red, "lost 17");
}

#[test]
fn names_that_terminals_obey_never_reach_one() {
    for page in ["1", "2", "5", "7"] {
        let open = [Key::Char(page.chars().next().unwrap()), Key::Enter];
        for shown in [
            after(LARGE, busy(), &open),
            after(LARGE, busy(), &open[..1]),
        ] {
            assert!(!shown.contains(['\u{1b}', '\u{7}']), "{shown}");
        }
    }
    assert!(after(LARGE, busy(), &keys("2")).contains("?[31mevil?"));
}

#[test]
fn a_pause_shows_what_was_while_counting_goes_on() {
    let shared = Shared::new(busy());
    let mut control = of_processes();
    control.apply(Action::Pause, &shared);
    let client = process(5, "late-comer");
    let what = reset(ResetCause::LingerZero, None);
    shared
        .lock()
        .incident(&incident(60 * SECOND, Some(&client), what));
    assert!(!screen(SMALL, &shared, &mut control).contains("late-comer"));
    control.apply(Action::Pause, &shared);
    assert!(screen(SMALL, &shared, &mut control).contains("late-comer"));
}

#[test]
fn paused_is_said_on_the_screen() {
    let shown = after(SMALL, busy(), &keys("p"));
    assert!(
        shown.contains("PAUSED") && shown.contains("counting continues"),
        "{shown}"
    );
}

#[test]
fn an_incident_that_was_opened_stays_after_it_was_forgotten() {
    let shared = Shared::new(busy());
    let mut control = Control::default();
    for action in [Action::Tab(Tab::Incidents), Action::Open] {
        screen(LARGE, &shared, &mut control);
        control.apply(action, &shared);
    }
    let client = process(5, "flood");
    for _ in 0..3000 {
        let what = reset(ResetCause::LingerZero, None);
        shared
            .lock()
            .incident(&incident(61 * SECOND, Some(&client), what));
    }
    let shown = screen(LARGE, &shared, &mut control);
    assert!(shown.contains("rst_received/refused"), "{shown}");
}

#[test]
fn clearing_closes_the_details_of_what_is_gone() {
    let shared = Shared::new(busy());
    let mut control = Control::default();
    for action in [Action::Tab(Tab::Incidents), Action::Move(100), Action::Open] {
        screen((20, 6), &shared, &mut control);
        control.apply(action, &shared);
    }
    control.apply(Action::Clear, &shared);
    let shown = screen(LARGE, &shared, &mut control);
    assert!(shown.contains("no incident yet"), "{shown}");
    assert_eq!((control.mode.clone(), control.seen.first), (Mode::Rows, 0));
}

#[test]
fn a_chosen_row_stays_chosen_when_others_overtake_it() {
    let shared = Shared::new(busy());
    let mut control = of_processes();
    screen(SMALL, &shared, &mut control);
    control.apply(Action::Move(2), &shared);
    let chosen = control.choice().row.unwrap();
    let client = process(5, "flood");
    for _ in 0..3000 {
        let what = reset(ResetCause::LingerZero, None);
        shared
            .lock()
            .incident(&incident(59 * SECOND, Some(&client), what));
    }
    screen(SMALL, &shared, &mut control);
    assert_eq!(control.choice().row, Some(chosen));
    assert_eq!(control.place(&control.seen.order), 3);
    assert_eq!(control.seen.order[3], chosen);
}

#[test]
fn clicks_turn_pages_sort_and_choose() {
    let shared = Shared::new(busy());
    let mut control = of_processes();
    let mut click = |column, row| {
        screen(SMALL, &shared, &mut control);
        control.apply(Action::Click(column, row), &shared);
        (control.tab, control.choice().clone(), control.mode.clone())
    };
    // The line of tabs is the third here, since something is not seen.
    assert_eq!(click(20, 2).0, Tab::Listeners);
    assert_eq!(click(2, 2).0, Tab::Findings);
    assert_eq!(click(14, 2).0, Tab::Processes);
    // Names of columns, then rows, follow three findings and the line with all kinds.
    assert_eq!(click(3, 7).1.sort, Some(0));
    assert!(click(3, 7).1.is_reversed);
    let (_, choice, mode) = click(3, 9);
    assert!(choice.row.is_some() && mode == Mode::Rows);
    assert_eq!(click(3, 9).2, Mode::Details(0));
}

#[test]
fn sorting_goes_through_the_columns_that_are_shown() {
    let shared = Shared::new(busy());
    let mut control = of_processes();
    let mut sorts = Vec::new();
    for _ in 0..7 {
        screen(SMALL, &shared, &mut control);
        control.apply(Action::Sort(1), &shared);
        sorts.push(control.choice().sort.unwrap());
    }
    assert_eq!(sorts, [3, 4, 5, 0, 1, 2, 3]);
}

#[test]
fn an_empty_run_says_so_on_every_page() {
    for page in ["1", "2", "3", "4", "5", "6", "7"] {
        let shown = after(SMALL, begun(), &keys(page));
        assert!(shown.contains("yet"), "{shown}");
    }
}

#[test]
fn a_screen_that_is_too_small_says_so() {
    assert!(after((10, 3), busy(), &[]).contains("too small"));
    after((1, 1), busy(), &keys("?"));
}

fn any_key() -> impl Strategy<Value = Key> {
    prop_oneof![
        8 => proptest::char::range(' ', '~').prop_map(Key::Char),
        6 => prop_oneof![
            Just(Key::Enter), Just(Key::Escape), Just(Key::Tab), Just(Key::BackTab),
            Just(Key::Up), Just(Key::Down), Just(Key::Left), Just(Key::Right),
            Just(Key::PageUp), Just(Key::PageDown), Just(Key::Home), Just(Key::End),
            Just(Key::Backspace), Just(Key::WheelUp), Just(Key::WheelDown), Just(Key::F(1)),
        ],
        2 => any::<char>().prop_map(Key::Char),
        2 => (0_u16..200, 0_u16..60).prop_map(|(column, row)| Key::Click(column, row)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn no_keys_at_no_sizes_break_anything(
        steps in proptest::collection::vec((any_key(), 1_u16..210, 1_u16..60), 1..40),
        more in 0_u64..50,
    ) {
        let shared = Shared::new(busy());
        let mut control = Control::default();
        let client = process(5, "x");
        for (turn, (key, columns, rows)) in steps.into_iter().enumerate() {
            screen((columns, rows), &shared, &mut control);
            let seen = &control.seen;
            prop_assert!(seen.first <= seen.order.len());
            prop_assert!(control.place(&seen.order) <= seen.order.len());
            if let Some(action) = input::action(key, &control.mode) {
                let effect = control.apply(action, &shared);
                prop_assert!(effect != Effect::Quit || action == Action::Quit);
            }
            for _ in 0..more {
                let at = (60 + turn as u64) * SECOND;
                let what = waiting(TimeWaitPhase::Enter);
                shared.lock().incident(&incident(at, Some(&client), what));
            }
        }
    }
}
