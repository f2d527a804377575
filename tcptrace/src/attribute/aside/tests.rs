use std::sync::mpsc::channel;

use super::*;

const MOMENT: Duration = Duration::from_millis(5);

/// One that answers a question, doubled, only once it is let go.
fn held_up(most: usize) -> (Aside<u32, u32>, mpsc::Sender<()>) {
    let (let_go, wait) = channel::<()>();
    let reader = move |question: &u32| {
        // Ends with an error when the test is over.
        let _ended = wait.recv();
        question * 2
    };
    (Aside::new("test", MOMENT, most, reader), let_go)
}

fn late(aside: &mut Aside<u32, u32>) -> Answered<u32, u32> {
    (0..5_000)
        .find_map(|_| {
            std::thread::sleep(Duration::from_millis(1));
            aside.late()
        })
        .expect("the answer never comes")
}

#[test]
fn an_answer_in_time_is_handed_over_at_once() {
    let mut aside = Aside::new("test", Duration::from_secs(60), 1, |question: &u32| {
        question + 7
    });
    for question in 0..1_000 {
        assert_eq!(aside.ask(question), Some(question + 7));
    }
    assert!(aside.late().is_none());
    assert_eq!(aside.waiting(Instant::now()), Duration::ZERO);
}

#[test]
fn a_reading_that_hangs_is_waited_for_once() {
    let (mut aside, let_go) = held_up(1);
    let begin = Instant::now();
    for question in 0..10_000 {
        assert_eq!(aside.ask(4711 + question), None);
        assert!(aside.late().is_none());
    }
    assert!(begin.elapsed() < Duration::from_secs(1), "held up");
    assert!(aside.waiting(begin + Duration::from_secs(9)) > Duration::from_secs(7));
    let_go.send(()).unwrap();
    let late = late(&mut aside);
    assert_eq!((late.question, late.answer), (4711, 2 * 4711));
    assert!(late.took > Duration::ZERO && late.took < Duration::from_secs(30));
    // The other 9,999 were never asked.
    let_go.send(()).unwrap();
    aside.moment = Duration::from_secs(60);
    assert_eq!(aside.ask(1), Some(2));
}

#[test]
fn questions_behind_one_that_hangs_are_answered_later_up_to_a_bound() {
    let (mut aside, let_go) = held_up(3);
    for question in [10, 20, 30, 40] {
        assert_eq!(aside.ask(question), None);
    }
    for question in [10, 20, 30] {
        let_go.send(()).unwrap();
        assert_eq!(late(&mut aside).question, question);
    }
    let_go.send(()).unwrap();
    aside.moment = Duration::from_secs(60);
    assert_eq!(aside.ask(50), Some(100), "40 found no room");
}

#[test]
fn a_reader_that_panics_is_not_waited_for() {
    let mut aside: Aside<u32, u32> =
        Aside::new("test", Duration::from_secs(60), 1, |_| panic!("on purpose"));
    let begin = Instant::now();
    assert_eq!(aside.ask(1), None);
    assert_eq!(aside.ask(1), None);
    assert!(begin.elapsed() < Duration::from_secs(30));
    assert_eq!(aside.waiting(Instant::now()), Duration::ZERO);
}
