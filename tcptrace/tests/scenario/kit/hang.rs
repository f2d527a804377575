//! Ways in which a server stops accepting. None returns while its scenario runs.

use std::fs::File;
use std::io::{ErrorKind, Read, Result};
use std::time::{Duration, Instant};

use rustix::event::epoll;
use rustix::process::{Resource, Rlimit, setrlimit};

/// Longer than any scenario, and not for ever: nobody outlives a run that was killed.
const LONG: Duration = Duration::from_secs(120);

/// Hangs in the way of that name.
pub(crate) fn hang(how: &str) -> Result<String> {
    match how {
        "spin" => {
            let begin = Instant::now();
            while begin.elapsed() < LONG {
                std::hint::spin_loop();
            }
            Ok(String::new())
        }
        "sleep" => {
            std::thread::sleep(LONG);
            Ok(String::new())
        }
        // Nobody wakes it: a futex.
        "lock" => {
            std::thread::park_timeout(LONG);
            Ok(String::new())
        }
        "pipe" => {
            let (mut reader, _writer) = std::io::pipe()?;
            reader.read_exact(&mut [0]).map(|()| String::new())
        }
        "epoll" => {
            let instance = epoll::create(epoll::CreateFlags::CLOEXEC)?;
            let mut events: [epoll::Event; 1] = [epoll::Event {
                flags: epoll::EventFlags::empty(),
                data: epoll::EventData::new_u64(0),
            }];
            loop {
                epoll::wait(&instance, &mut events, None)?;
            }
        }
        _ => Err(ErrorKind::InvalidInput.into()),
    }
}

/// Opens files until the limit, which is lowered to `limit` first; how many it opened.
pub(crate) fn open_all(limit: u64) -> Result<String> {
    let both = Rlimit {
        current: Some(limit),
        maximum: Some(limit),
    };
    setrlimit(Resource::Nofile, both)?;
    let mut opened = 0;
    loop {
        match File::open("/dev/null") {
            Ok(file) => {
                std::mem::forget(file);
                opened += 1;
            }
            Err(error) if error.raw_os_error() == Some(libc::EMFILE) => {
                return Ok(opened.to_string());
            }
            Err(error) => return Err(error),
        }
    }
}
